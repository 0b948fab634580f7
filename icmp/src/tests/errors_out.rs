//! Errors that this host sends: their form, and the rules when not to.

use std::time::Duration;

use ip::Ttl;

use super::*;

/// tapip quoted a header whose fields it had swapped in place, and read past the datagram's end.
#[test]
fn r06_port_unreachable_quotes_the_datagram_as_it_came() {
    let mut bench = Bench::icmp();
    for len in [0, 1, 8, 99] {
        let about = udp_from_peer(&vec![0x5a; len]);
        assert_eq!(bench.report(Cause::PortUnreachable, &about), Ok(()));
        let (header, error) = bench.sent();
        assert_eq!((header.src, header.dst), (IpAddr::V4(ME), IpAddr::V4(PEER)));
        assert_eq!((error[0], error[1], &error[4..8]), (3, 3, &[0; 4][..]));
        assert_eq!(error[8..], about, "all of it, and nothing behind it");
    }
}

#[test]
fn r07_port_unreachable_is_sent_for_df_datagrams() {
    let mut bench = Bench::icmp();
    let mut about = udp_from_peer(b"x");
    about[6] |= 0x40;
    assert_eq!(bench.report(Cause::PortUnreachable, &about), Ok(()));
    assert_eq!(bench.sent().1[8..], about);
}

/// A reassembled datagram has the header of its first fragment: "more fragments" is set, and the
/// total length is that of the fragment.
#[test]
fn r08_port_unreachable_is_sent_for_reassembled_datagrams() {
    let mut bench = Bench::icmp();
    let mut about = datagram(PEER, ME, Protocol::UDP, &[7; 3000]);
    about[2..4].copy_from_slice(&1500u16.to_be_bytes());
    about[6] |= 0x20;
    assert_eq!(bench.report(Cause::PortUnreachable, &about), Ok(()));
    assert_eq!(bench.sent().1[8..], about[..548]);
}

#[test]
fn r09_icmp_errors_leave_with_the_default_ttl() {
    let mut bench = Bench::icmp();
    for cause in [Cause::PortUnreachable, Cause::TtlExceeded, Cause::ReassemblyTimeout] {
        let mut about = udp_from_peer(b"x");
        about[8] = 0;
        assert_eq!(bench.report(cause, &about), Ok(()));
        assert_eq!(bench.sent().0.ttl, Ttl::DEFAULT);
    }
}

/// RFC 1812 §4.3.2.3: no more than 576 bytes with the IP header; §4.3.2.5: precedence 6.
#[test]
fn an_error_is_no_longer_than_576_bytes() {
    let mut bench = Bench::icmp();
    for (len, quoted) in [(528, 548), (529, 548), (1480, 548), (100, 120)] {
        let about = datagram(PEER, ME, Protocol::UDP, &vec![1; len]);
        assert_eq!(bench.report(Cause::PortUnreachable, &about), Ok(()));
        let (header, error) = bench.sent();
        assert_eq!(error.len(), 8 + quoted);
        assert_eq!(error[8..], about[..quoted]);
        assert_eq!(header.tos.0, 0xc0);
    }
}

#[test]
fn options_are_quoted_with_the_header() {
    let mut bench = Bench::icmp();
    let mut about = datagram(PEER, ME, Protocol::UDP, &[1; 12]);
    about[0] = 0x46;
    assert_eq!(bench.report(Cause::ParameterProblem { pointer: 20 }, &about), Ok(()));
    let (_, error) = bench.sent();
    assert_eq!((error[0], error[1], error[4]), (12, 0, 20));
    assert_eq!(error[8..], about);
}

/// RFC 792; RFC 1191 §4 for the MTU.
#[test]
fn each_cause_has_its_type_code_and_word() {
    let gateway = Ipv4Addr::new(10, 0, 0, 3);
    let cases: [(Cause, [u8; 2], [u8; 4]); 6] = [
        (Cause::NetworkUnreachable, [3, 0], [0; 4]),
        (Cause::ProtocolUnreachable, [3, 2], [0; 4]),
        (Cause::FragmentationNeeded { mtu: 1400 }, [3, 4], [0, 0, 5, 0x78]),
        (Cause::Redirect { gateway: gateway.into(), host: true }, [5, 1], gateway.octets()),
        (Cause::TtlExceeded, [11, 0], [0; 4]),
        (Cause::ReassemblyTimeout, [11, 1], [0; 4]),
    ];
    let mut bench = Bench::icmp();
    let about = datagram(PEER, FAR, Protocol::UDP, &[0; 8]);
    for (cause, kind, word) in cases {
        assert_eq!(bench.report(cause, &about), Ok(()));
        let (header, error) = bench.sent();
        assert_eq!((&error[..2], &error[4..8]), (&kind[..], &word[..]), "{cause}");
        // RFC 1812 §4.3.2.4: a router speaks from an address of its own.
        assert_eq!(header.src, IpAddr::V4(ME));
    }
}

/// RFC 6633 §3.
#[test]
fn source_quench_is_never_sent() {
    let mut bench = Bench::icmp();
    let refused = bench.report(Cause::SourceQuench, &udp_from_peer(b"x"));
    assert_eq!(refused, Err(Suppressed::Unsupported));
    assert!(bench.below.sent.is_empty());
}

/// RFC 1122 §3.2.2: never about an ICMP error; but about a query.
#[test]
fn no_error_is_sent_about_an_error() {
    let mut bench = Bench::icmp();
    for kind in 0..=255u8 {
        let query = matches!(kind, 0 | 8 | 9 | 10 | 13..=18);
        let about = datagram(PEER, FAR, Protocol::ICMP, &[kind, 0, 0, 0, 0, 0, 0, 0]);
        let expected = if query { Ok(()) } else { Err(Suppressed::AboutError) };
        assert_eq!(bench.report(Cause::TtlExceeded, &about), expected, "type {kind}");
    }
    let nothing = datagram(PEER, FAR, Protocol::ICMP, &[]);
    assert_eq!(bench.report(Cause::TtlExceeded, &nothing), Err(Suppressed::AboutError));
    assert_eq!(bench.count("errors sent"), 10);
}

/// RFC 1122 §3.2.2: neither about a datagram to a group nor about one in such a frame.
#[test]
fn no_error_is_sent_about_a_broadcast_or_multicast() {
    let mut bench = Bench::icmp();
    let udp = |dst: [u8; 4]| datagram(PEER, dst.into(), Protocol::UDP, &[0; 8]);
    for dst in [[10, 0, 0, 255], [255, 255, 255, 255], [224, 0, 0, 251]] {
        let refused = bench.report(Cause::PortUnreachable, &udp(dst));
        assert_eq!(refused, Err(Suppressed::AboutGroup), "{dst:?}");
    }
    for cast in [Cast::Broadcast, Cast::Multicast] {
        let refused = bench.report_cast(Cause::PortUnreachable, &udp([10, 0, 0, 1]), cast);
        assert_eq!(refused, Err(Suppressed::AboutGroup));
    }
    assert!(bench.below.sent.is_empty());
}

/// RFC 1122 §3.2.2; the first fragment may be answered.
#[test]
fn no_error_is_sent_about_a_fragment_other_than_the_first() {
    let mut bench = Bench::icmp();
    for (flags, low, expected) in [
        (0x20, 0, Ok(())),
        (0x20, 1, Err(Suppressed::AboutFragment)),
        (0, 185, Err(Suppressed::AboutFragment)),
        (0x1f, 0, Err(Suppressed::AboutFragment)),
    ] {
        let mut about = udp_from_peer(b"x");
        about[6..8].copy_from_slice(&[flags, low]);
        assert_eq!(bench.report(Cause::TtlExceeded, &about), expected);
    }
}

/// RFC 1122 §3.2.2: "a datagram whose source address does not define a single host".
#[test]
fn no_error_is_sent_to_a_source_that_is_not_one_host() {
    let mut bench = Bench::icmp();
    for src in [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [10, 0, 0, 255],
        [224, 0, 0, 1],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
    ] {
        let about = datagram(src.into(), ME, Protocol::UDP, &[0; 8]);
        let refused = bench.report(Cause::PortUnreachable, &about);
        assert_eq!(refused, Err(Suppressed::BadSource), "{src:?}");
    }
    let loopback = datagram([127, 0, 0, 1].into(), FAR, Protocol::UDP, &[0; 8]);
    assert_eq!(bench.report(Cause::TtlExceeded, &loopback), Err(Suppressed::BadSource));
    assert!(bench.below.sent.is_empty());
}

/// A local socket that sent to a closed port of its own host is told as well.
#[test]
fn a_datagram_within_this_host_is_answered_over_loopback_and_not_limited() {
    let config = Config { errors_per_second: 0, ..Config::default() };
    let mut bench = Bench::over(Box::new(Icmp::new(config, 1)));
    let (one, two) = (Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 1, 2, 3));
    let about = datagram(one, two, Protocol::UDP, &[0; 8]);
    assert_eq!(bench.report(Cause::PortUnreachable, &about), Ok(()));
    let (header, _) = bench.sent();
    assert_eq!((header.src, header.dst), (IpAddr::V4(two), IpAddr::V4(one)));
}

#[test]
fn no_error_is_sent_where_there_is_no_way_back() {
    let mut bench = Bench::icmp();
    let about = datagram([203, 0, 113, 5].into(), ME, Protocol::UDP, &[0; 8]);
    assert_eq!(bench.report(Cause::PortUnreachable, &about), Err(Suppressed::NoRoute));
}

#[test]
fn what_is_no_datagram_is_not_quoted() {
    let mut bench = Bench::icmp();
    let good = udp_from_peer(b"x");
    let mut six = good.clone();
    six[0] = 0x65;
    let mut short = good.clone();
    short[0] = 0x44;
    let mut long = good[..24].to_vec();
    long[0] = 0x4f;
    for about in [&[][..], &good[..19], &six, &short, &long] {
        let refused = bench.report(Cause::PortUnreachable, about);
        assert_eq!(refused, Err(Suppressed::Malformed));
    }
}

/// RFC 1812 §4.3.2.8; echo replies are no errors, and not limited.
#[test]
fn errors_are_limited_and_echo_replies_are_not() {
    let config = Config { errors_per_second: 10, error_burst: 4, ..Config::default() };
    let mut bench = Bench::over(Box::new(Icmp::new(config, 1)));
    let about = udp_from_peer(b"x");
    for _ in 0..1000 {
        let _ = bench.report(Cause::PortUnreachable, &about);
        let echo = message(PEER, ME, &[8, 0, 0, 0, 0, 1, 0, 1]);
        assert_eq!(bench.input(echo), Input::Consumed);
        bench.now += Duration::from_millis(10);
    }
    let errors = bench.count("errors sent");
    assert!((95..=104).contains(&errors), "{errors} in ten seconds");
    assert_eq!(bench.count("not sent: rate limit"), 1000 - errors);
    assert_eq!(bench.count("echo replies sent"), 1000);
}
