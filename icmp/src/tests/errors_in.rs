//! Errors that others send: whom they reach, and what is not believed.

use super::*;
use crate::DropReason;

fn error(kind: u8, code: u8, word: [u8; 4], quote: &[u8]) -> Vec<u8> {
    let [a, b, c, d] = word;
    let mut bytes = vec![kind, code, 0, 0, a, b, c, d];
    bytes.extend_from_slice(quote);
    bytes
}

/// RFC 1122 §3.2.2: the error goes to the transport that the quote names, with its ports.
#[test]
fn an_error_about_our_datagram_goes_up_with_its_quote() {
    let ours = datagram(ME, FAR, Protocol::UDP, &[0x80, 1, 0, 53, 0, 8, 0, 0]);
    let router = Ipv4Addr::new(192, 0, 2, 1);
    let gateway = Ipv4Addr::new(10, 0, 0, 3);
    let cases: [(u8, u8, [u8; 4], Cause); 14] = [
        (3, 0, [0; 4], Cause::NetworkUnreachable),
        (3, 1, [0; 4], Cause::HostUnreachable),
        (3, 2, [0; 4], Cause::ProtocolUnreachable),
        (3, 3, [0; 4], Cause::PortUnreachable),
        (3, 4, [0, 0, 5, 0xdc], Cause::FragmentationNeeded { mtu: 1500 }),
        (3, 4, [0; 4], Cause::FragmentationNeeded { mtu: 0 }),
        (3, 5, [0; 4], Cause::SourceRouteFailed),
        (3, 8, [0; 4], Cause::Unreachable { code: 8 }),
        (3, 13, [0; 4], Cause::Prohibited),
        (4, 0, [0; 4], Cause::SourceQuench),
        (5, 1, gateway.octets(), Cause::Redirect { gateway: gateway.into(), host: true }),
        (11, 0, [0; 4], Cause::TtlExceeded),
        (11, 1, [0; 4], Cause::ReassemblyTimeout),
        (12, 0, [9, 0, 0, 0], Cause::ParameterProblem { pointer: 9 }),
    ];
    let mut bench = Bench::icmp();
    for (kind, code, word, expected) in cases {
        let input = bench.input(message(router, ME, &error(kind, code, word, &ours)));
        let Input::Error { from, cause, quoted } = input else { panic!("{input:?}") };
        assert_eq!((from, cause), (IpAddr::V4(router), expected));
        assert_eq!((quoted.src, quoted.dst), (IpAddr::V4(ME), IpAddr::V4(FAR)));
        assert_eq!(quoted.ports(), Some((0x8001, 53)));
    }
    assert!(bench.below.sent.is_empty(), "an error is never answered");
    assert_eq!(bench.count("errors received"), 14);
}

/// RFC 792 quotes eight bytes, and routers change TTL and checksum on the way.
#[test]
fn a_quote_is_short_and_its_header_checksum_does_not_count() {
    let mut quote = datagram(ME, FAR, Protocol::TCP, &[1; 100])[..28].to_vec();
    quote[8] = 0;
    quote[10] ^= 0x55;
    let mut bench = Bench::icmp();
    let input = bench.input(message(FAR, ME, &error(11, 0, [0; 4], &quote)));
    let Input::Error { quoted, .. } = input else { panic!("{input:?}") };
    assert_eq!((quoted.protocol, quoted.payload.len()), (Protocol::TCP, 8));
}

#[test]
fn a_quote_that_cannot_be_read_is_dropped() {
    let good = datagram(ME, FAR, Protocol::UDP, &[0; 8]);
    let mut six = good.clone();
    six[0] = 0x60;
    let mut fragment = good.clone();
    fragment[7] = 1;
    let mut bench = Bench::icmp();
    for quote in [&[][..], &good[..19], &six, &fragment] {
        let input = bench.input(message(FAR, ME, &error(3, 3, [0; 4], quote)));
        assert_eq!(input, Input::Dropped(DropReason::BadQuote));
    }
}

/// Forged: this host cannot have sent it.
#[test]
fn an_error_about_a_datagram_of_another_host_is_dropped() {
    let theirs = datagram(PEER, FAR, Protocol::UDP, &[0; 8]);
    let mut bench = Bench::icmp();
    let input = bench.input(message(FAR, ME, &error(3, 3, [0; 4], &theirs)));
    assert_eq!(input, Input::Dropped(DropReason::ForeignQuote));
}

#[test]
fn an_error_with_an_unknown_code_is_dropped() {
    let ours = datagram(ME, FAR, Protocol::UDP, &[0; 8]);
    let mut bench = Bench::icmp();
    for (kind, code) in [(3, 16), (5, 4), (11, 2), (12, 3), (4, 1)] {
        let input = bench.input(message(FAR, ME, &error(kind, code, [0; 4], &ours)));
        assert_eq!(input, Input::Dropped(DropReason::UnknownType), "{kind}/{code}");
    }
}

/// What one host sends about another's datagram, the other reads.
#[test]
fn a_sent_error_is_read_by_the_host_that_it_goes_to() {
    let ours = datagram(ME, [192, 168, 0, 1].into(), Protocol::UDP, &[0, 9, 0, 7, 0, 8, 0, 0]);
    let mut bench = Bench::icmp();
    assert_eq!(bench.report(Cause::PortUnreachable, &ours), Ok(()));
    let (header, bytes) = bench.sent();
    let (IpAddr::V4(src), IpAddr::V4(dst)) = (header.src, header.dst) else { panic!("IPv4") };
    let input = bench.input(raw(src, dst, &bytes));
    let Input::Error { cause, quoted, .. } = input else { panic!("{input:?}") };
    assert_eq!((cause, quoted.ports()), (Cause::PortUnreachable, Some((9, 7))));
}
