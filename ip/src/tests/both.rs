//! What a [`Router`] and a [`SimpleHost`] must both do.

mod sending;

use netdev::{Cast, Packet, Reason};
use proptest::prelude::*;

use super::bench::*;
use crate::{
    Cause, Change, Config, DropReason, Header, Input, Internet, Options, Protocol, Router,
    SimpleHost, Tos, Ttl,
};

/// Runs a test against both implementations.
fn each(test: impl Fn(&mut dyn Internet)) {
    let implementations: [(&str, Box<dyn Internet>); 2] = [
        ("Router", Box::new(Router::new(Config::default(), 7))),
        ("SimpleHost", Box::new(SimpleHost::new(7))),
    ];
    for (name, mut ip) in implementations {
        println!("{name}");
        configured(&mut *ip);
        test(&mut *ip);
    }
}

fn dropped(ip: &mut dyn Internet, packet: Packet) -> DropReason {
    let (input, below) = arrive(ip, NEAR, packet);
    assert!(below.0.is_empty(), "sent {:?}", below.0);
    let Input::Dropped(reason) = input else { panic!("{input:?}") };
    assert_eq!(count(ip, reason.text()), 1, "{reason} is counted");
    reason
}

/// RFC 1122 §3.2.1.
#[test]
fn a_datagram_for_us_is_delivered_and_can_be_made_whole_again() {
    each(|ip| {
        let forge = Forge { tos: 0xb9, ttl: 9, options: vec![1, 1, 1, 0], ..Forge::default() };
        let (input, _) = arrive(ip, NEAR, forge.packet());
        let Input::Deliver(datagram) = input else { panic!("{input:?}") };
        assert_eq!(&datagram.payload[..], b"payload!");
        assert_eq!(
            datagram.header,
            Header {
                ttl: Ttl(9),
                tos: Tos(0xb9),
                options: Options::from_wire(&[1, 1, 1, 0]).unwrap(),
                ..Header::new(addr("10.0.0.2"), addr("10.0.0.1"), Protocol::UDP)
            }
        );
        assert_eq!((datagram.iface, datagram.cast), (NEAR, Cast::Unicast));
        assert_eq!(datagram.into_whole()[..], forge.bytes()[..]);
        assert_eq!(count(ip, "datagrams received"), 1);
        assert_eq!(count(ip, "datagrams delivered"), 1);
    });
}

/// RFC 894: Ethernet pads to 46 bytes of payload.
#[test]
fn the_padding_of_the_link_is_trimmed() {
    each(|ip| {
        let mut packet = Forge::default().packet();
        packet.append(&[0xee; 18]);
        let (input, _) = arrive(ip, NEAR, packet);
        let Input::Deliver(datagram) = input else { panic!("{input:?}") };
        assert_eq!(&datagram.payload[..], b"payload!");
    });
}

#[test]
fn a_malformed_header_is_dropped_with_its_reason() {
    let good = Forge::default().bytes();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        fix_checksum(&mut bytes);
        bytes
    };
    let cases: [(&str, Vec<u8>, DropReason); 8] = [
        ("empty", vec![], DropReason::Truncated),
        ("19 bytes", good[..19].to_vec(), DropReason::Truncated),
        ("version 6", with(0, 0x65), DropReason::Version),
        ("IHL 4", with(0, 0x44), DropReason::HeaderLength),
        ("IHL beyond the packet", with(0, 0x4f), DropReason::Truncated),
        ("length under the header's", with(3, 19), DropReason::Truncated),
        ("length beyond the packet", with(3, 29), DropReason::Truncated),
        ("checksum", [&good[..8], &[63], &good[9..]].concat(), DropReason::Checksum),
    ];
    for (what, bytes, reason) in cases {
        each(|ip| assert_eq!(dropped(ip, Packet::from_payload(&bytes)), reason, "{what}"));
    }
}

/// RFC 1122 §3.2.1.3, RFC 1812 §5.3.7.
#[test]
fn martian_sources_are_dropped() {
    for src in [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "10.0.0.255",
        "10.0.0.1",
    ] {
        each(|ip| {
            let packet = Forge::between(src, "10.0.0.1").packet();
            assert_eq!(dropped(ip, packet), DropReason::Martian, "{src}");
        });
    }
}

/// RFC 1122 §3.2.1.3 (g): nor does it matter whether 127/8 is configured at all.
#[test]
fn loopback_addresses_from_a_link_are_dropped_without_a_loopback_interface_too() {
    each(|ip| {
        ip.configure(T0, Change::RemoveInterface(LO)).unwrap();
        let packet = Forge::between("127.0.0.1", "10.0.0.1").packet();
        assert_eq!(dropped(ip, packet), DropReason::Martian);
        assert_eq!(dropped(ip, Forge::to("127.0.0.1").packet()), DropReason::BadDestination);
        assert_eq!(ip.route(T0, addr("127.0.0.1"), None), Err(Cause::NetworkUnreachable));
    });
}

#[test]
fn impossible_destinations_are_dropped() {
    for (dst, reason) in [
        ("0.0.0.0", DropReason::BadDestination),
        ("127.0.0.1", DropReason::BadDestination),
        ("240.0.0.1", DropReason::BadDestination),
        ("224.0.0.9", DropReason::NotMember),
        ("10.0.0.77", DropReason::NotForUs),
        ("192.0.2.1", DropReason::NotForUs),
    ] {
        each(|ip| assert_eq!(dropped(ip, Forge::to(dst).packet()), reason, "{dst}"));
    }
}

#[test]
fn a_down_or_unknown_interface_gives_and_takes_nothing() {
    each(|ip| {
        let down = crate::Interface { up: false, ..eth(NEAR, "10.0.0.1/24", 1500) };
        ip.configure(T0, Change::SetInterface(down)).unwrap();
        assert_eq!(dropped(ip, Forge::default().packet()), DropReason::InterfaceDown);
        let (input, _) = arrive(ip, crate::IfIndex(9), Forge::default().packet());
        assert!(matches!(input, Input::Dropped(DropReason::InterfaceDown)));
        let cause = ip.route(T0, addr("10.0.0.2"), None).unwrap_err();
        assert_eq!(cause, Cause::NetworkUnreachable);
        assert!(ip.is_local(addr("10.0.0.1")), "RFC 1122 §3.3.4.2: still our address");
    });
}

/// RFC 1122 §3.2.1.8, RFC 792.
#[test]
fn bad_options_are_reported_with_the_place() {
    let source_route = |kind, pointer| vec![kind, 7, pointer, 10, 0, 0, 9, 0];
    let cases: [(Vec<u8>, Cause); 6] = [
        (vec![7, 1, 1, 1], Cause::ParameterProblem { pointer: 21 }),
        (vec![1, 7, 9, 4], Cause::ParameterProblem { pointer: 22 }),
        (vec![1, 1, 1, 7], Cause::ParameterProblem { pointer: 23 }),
        (source_route(131, 0), Cause::ParameterProblem { pointer: 22 }),
        (source_route(131, 4), Cause::SourceRouteFailed),
        (source_route(137, 4), Cause::SourceRouteFailed),
    ];
    for (options, cause) in cases {
        each(|ip| {
            let forge = Forge { options: options.clone(), ..Forge::default() };
            let (input, _) = arrive(ip, NEAR, forge.packet());
            let Input::Report(report) = input else { panic!("{options:?}: {input:?}") };
            assert_eq!(report.cause, cause, "{options:?}");
            assert_eq!(report.packet[..], forge.bytes()[..], "as it came");
            assert_eq!(count(ip, DropReason::Options.text()), 1);
        });
    }
    // Its end reached, a source route is but a record.
    for options in [source_route(131, 8), vec![0, 0xff, 0xff, 0xff], vec![1, 0x5e, 3, 4]] {
        each(|ip| {
            let forge = Forge { options: options.clone(), ..Forge::default() };
            let (input, _) = arrive(ip, NEAR, forge.packet());
            assert!(matches!(input, Input::Deliver(_)), "{options:?}: {input:?}");
        });
    }
}

#[test]
fn changes_that_make_no_sense_are_refused() {
    each(|ip| {
        let small = eth(NEAR, "10.0.0.1/24", 67);
        ip.configure(T0, Change::SetInterface(small)).unwrap_err();
        for bad in ["224.0.0.1/24", "0.0.0.0/8", "127.0.0.2/8", "10.0.0.255/24", "::1/64"] {
            let interface = eth(NEAR, bad, 1500);
            ip.configure(T0, Change::SetInterface(interface)).unwrap_err();
        }
        let elsewhere = via("0.0.0.0/0", "10.9.9.9", NEAR);
        ip.configure(T0, Change::AddRoute(elsewhere)).unwrap_err();
        let nowhere = via("0.0.0.0/0", "10.0.0.9", crate::IfIndex(9));
        ip.configure(T0, Change::AddRoute(nowhere)).unwrap_err();
        assert_eq!(ip.interfaces(), [lo(), eth(NEAR, "10.0.0.1/24", 1500)], "nothing changed");
        let routes: Vec<String> =
            ip.routes().iter().map(|route| format!("{} {}", route.dst, route.iface)).collect();
        assert_eq!(routes, ["10.0.0.1/32 #0", "10.0.0.0/24 #1", "127.0.0.0/8 #0", "0.0.0.0/0 #1"]);
    });
}

#[test]
fn every_drop_reason_has_a_counter() {
    each(|ip| {
        for reason in DropReason::ALL {
            assert_eq!(count(ip, reason.text()), 0);
        }
    });
}

proptest! {
    /// What comes from the wire never panics, and what is dropped is counted.
    #[test]
    fn arbitrary_bytes_do_no_harm(
        frames in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..120), any::<bool>(), 0u32..3), 1..20),
    ) {
        each(|ip| {
            let mut drops = 0;
            for (bytes, likely, iface) in &frames {
                let mut bytes = bytes.clone();
                if *likely && bytes.len() >= 20 {
                    // Far enough along to be looked at more closely.
                    let words = 5 + bytes[0] as usize % (bytes.len() / 4 - 4).min(11);
                    bytes[0] = 0x40 | words as u8;
                    let len = bytes.len() as u16;
                    bytes[2..4].copy_from_slice(&len.to_be_bytes());
                    bytes[12..20].copy_from_slice(&[10, 0, 0, 2, 10, 0, 0, 1]);
                    fix_checksum(&mut bytes);
                }
                let packet = Packet::from_payload(&bytes);
                let (input, _) = arrive(ip, crate::IfIndex(*iface), packet);
                drops += u64::from(matches!(input, Input::Dropped(_) | Input::Report(_)));
            }
            let counted: u64 = DropReason::ALL.iter().map(|reason| count(ip, reason.text())).sum();
            assert_eq!(counted, drops);
        });
    }

    /// Two readers that know nothing of each other see the same fields.
    #[test]
    fn pnet_reads_the_same_fields(mut bytes in prop::collection::vec(any::<u8>(), 20..60)) {
        let Ok(ours) = crate::wire::Ipv4Fields::parse(&bytes) else { return Ok(()) };
        let len = bytes.len() as u16;
        bytes[2..4].copy_from_slice(&len.to_be_bytes());
        fix_checksum(&mut bytes);
        let theirs = see(&bytes);
        prop_assert_eq!((ours.src, ours.dst), (theirs.src, theirs.dst));
        prop_assert_eq!((ours.protocol.0, ours.ttl.0, ours.tos.0, ours.id),
            (theirs.protocol, theirs.ttl, theirs.tos, theirs.id));
        prop_assert_eq!((ours.dont_fragment, ours.more_fragments, ours.offset),
            (theirs.df, theirs.mf, theirs.offset));
        prop_assert_eq!(ours.options.as_wire(), theirs.options);
    }
}
