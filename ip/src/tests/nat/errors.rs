//! ICMP errors through the translation: RFC 5508 §4 to §7.

use super::*;

/// RFC 5508 REQ-3, REQ-4: an error comes to the host whose datagram it quotes, and quotes it as
/// that host sent it, checksums and all. RFC 4787 REQ-12: it ends nothing.
#[test]
fn an_error_from_outside_quotes_the_datagram_as_it_was_inside() {
    for forge in [
        udp("10.0.1.2:5001", "10.0.0.2:53"),
        tcp("10.0.1.2:5001", "10.0.0.2:80", SYN),
        echo("10.0.1.2", "10.0.0.2", 8, 5001),
    ] {
        let mut ip = nat();
        let out = crosses(&mut ip, INSIDE, &forge);
        // A router on the way, which need not be a peer.
        let told = error("10.0.0.9", "10.0.0.1", (11, 0), &out.bytes, 200);
        let back = crosses(&mut ip, OUTSIDE, &told);
        assert_eq!((back.iface, back.hop), (INSIDE, neighbour("10.0.1.2")));
        assert_eq!(back.seen.src, v4("10.0.0.9"));
        let quote = see(&back.seen.payload[8..]);
        assert_eq!((quote.src, quote.dst), (forge.src, forge.dst));
        assert_eq!(quote.payload, forge.payload, "ports and checksum too");
        assert_eq!(ip.nat(T0).unwrap().sessions.len(), 1);

        // The eight bytes that RFC 792 wants are enough.
        let told = error("10.0.0.9", "10.0.0.1", (3, 1), &out.bytes, 28);
        let back = crosses(&mut ip, OUTSIDE, &told);
        assert_eq!(back.seen.payload[28..], forge.payload[..8]);
    }
}

/// RFC 5508 REQ-3 a, REQ-4: nobody's errors, forged ones and damaged ones reach nobody inside.
#[test]
fn an_error_that_fits_no_session_is_not_passed_on() {
    let mut ip = nat();
    let out = crosses(&mut ip, INSIDE, &udp("10.0.1.2:20000", "10.0.0.2:53"));
    let not_inside = |ip: &mut Router, forge: &Forge| {
        let (input, below) = arrive(ip, OUTSIDE, forge.packet());
        assert!(matches!(input, Input::Deliver(_)), "{input:?}");
        assert!(below.0.is_empty());
    };
    let about = |bytes: &[u8]| error("10.0.0.9", "10.0.0.1", (3, 3), bytes, 200);
    // About a port that is not mapped, and about a peer that was not spoken to.
    not_inside(&mut ip, &about(&udp("10.0.0.1:20001", "10.0.0.2:53").bytes()));
    not_inside(&mut ip, &about(&udp("10.0.0.1:20000", "10.0.0.3:53").bytes()));
    // Damaged: the error itself, then the header that it quotes.
    let mut damaged = about(&out.bytes);
    damaged.payload[20] ^= 1;
    not_inside(&mut ip, &damaged);
    damaged = about(&out.bytes);
    damaged.payload[2] ^= 1;
    not_inside(&mut ip, &damaged);
    let mut quote = out.bytes.clone();
    quote[8] ^= 1;
    not_inside(&mut ip, &about(&quote));
    crosses(&mut ip, OUTSIDE, &about(&out.bytes));
}

/// RFC 5508 REQ-5: a host inside refuses what came in, and its peer finds its own datagram in it.
#[test]
fn an_error_from_inside_quotes_the_datagram_as_it_was_outside() {
    let mut ip = nat();
    let own = crosses(&mut ip, INSIDE, &udp("10.0.1.2:5001", "10.0.0.2:53")).from;
    let answer = udp("10.0.0.2:53", &own);
    let inside = crosses(&mut ip, OUTSIDE, &answer);
    let told = error("10.0.1.2", "10.0.0.2", (3, 3), &inside.bytes, 200);
    let out = crosses(&mut ip, INSIDE, &told);
    assert_eq!((out.iface, out.seen.src), (OUTSIDE, v4("10.0.0.1")));
    let quote = see(&out.seen.payload[8..]);
    assert_eq!((quote.src, quote.dst), (answer.src, answer.dst));
    assert_eq!(quote.payload, answer.payload);
    let stray =
        error("10.0.1.2", "10.0.0.2", (3, 3), &udp("10.0.0.2:1", "10.0.1.2:1").bytes(), 200);
    drops(&mut ip, INSIDE, &stray, DropReason::NatFiltered);
}

/// What the router itself refuses is quoted as its source sent it; and so is what a neighbour did
/// not take.
#[test]
fn the_routers_own_errors_quote_what_came() {
    let mut ip = nat();
    let out = udp("10.0.1.2:5001", "10.0.0.2:53");
    let sent = crosses(&mut ip, INSIDE, &out);
    for (iface, forge) in [
        (INSIDE, Forge { ttl: 1, ..out.clone() }),
        (OUTSIDE, Forge { ttl: 1, ..udp("10.0.0.2:53", &sent.from) }),
    ] {
        let (input, _) = arrive(&mut ip, iface, forge.packet());
        let Input::Report(report) = input else { panic!("{input:?}") };
        assert_eq!(report.cause, Cause::TtlExceeded);
        assert_eq!(report.packet[..], forge.bytes()[..]);
    }
    // RFC 4787 REQ-13: a path MTU that is exceeded inside.
    let mut big = udp("10.0.0.2:53", &sent.from);
    big.df = true;
    big.payload.resize(800, 0);
    let (input, _) = arrive(&mut ip, OUTSIDE, big.packet());
    let Input::Report(report) = input else { panic!("{input:?}") };
    assert_eq!(report.cause, Cause::FragmentationNeeded { mtu: 600 });
    assert_eq!(report.packet[..], big.bytes()[..]);

    let mut undone = Packet::from_payload(&sent.bytes);
    ip.undo(&mut undone);
    let seen = see(&undone);
    assert_eq!((seen.src, seen.payload), (out.src, out.payload));
    let answer = udp("10.0.0.2:53", &sent.from);
    let mut undone = Packet::from_payload(&crosses(&mut ip, OUTSIDE, &answer).bytes);
    ip.undo(&mut undone);
    let seen = see(&undone);
    assert_eq!((seen.dst, seen.payload), (answer.dst, answer.payload));
}
