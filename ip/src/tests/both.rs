//! What a [`Router`] and a [`SimpleHost`] must both do.

use netdev::{Cast, Checksum, Packet, Reason, Segmentation};
use proptest::prelude::*;

use super::bench::*;
use crate::{
    Cause, Change, Config, DropReason, Header, Hop, Input, Internet, Options, Protocol, Router,
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

fn header(dst: &str) -> Header {
    Header::new(addr("0.0.0.0"), addr(dst), Protocol::UDP)
}

fn send(ip: &mut dyn Internet, header: &Header, data: &[u8]) -> Below {
    let mut below = Below::default();
    ip.send(T0, header, Packet::from_payload(data), &mut below).unwrap();
    below
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

/// A device that vouches for a packet is believed.
#[test]
fn a_verified_or_partial_packet_is_not_summed_again() {
    let mut bytes = Forge::default().bytes();
    bytes[10] ^= 0xff;
    for checksum in [Checksum::Verified, Checksum::Partial { start: 20, offset: 6 }] {
        each(|ip| {
            let mut packet = Packet::from_payload(&bytes);
            packet.set_checksum(checksum);
            let (input, _) = arrive(ip, NEAR, packet);
            assert!(matches!(input, Input::Deliver(_)), "{input:?}");
        });
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

/// RFC 1122 §3.2.1.3 (a).
#[test]
fn a_host_without_an_address_can_be_heard() {
    each(|ip| {
        let packet = Forge::between("0.0.0.0", "255.255.255.255").packet();
        let (input, _) = arrive(ip, NEAR, packet);
        assert!(matches!(input, Input::Deliver(d) if d.cast == Cast::Broadcast));
    });
}

/// RFC 1122 §3.3.6.
#[test]
fn broadcasts_and_groups_are_delivered_with_their_cast() {
    let cases = [
        ("255.255.255.255", Cast::Broadcast, Cast::Broadcast),
        ("10.0.0.255", Cast::Broadcast, Cast::Broadcast),
        // The IP destination tells where the frame does not.
        ("10.0.0.255", Cast::Unicast, Cast::Broadcast),
        ("224.0.0.1", Cast::Multicast, Cast::Multicast),
        ("224.0.0.1", Cast::Unicast, Cast::Multicast),
        ("224.0.0.1", Cast::Broadcast, Cast::Broadcast),
    ];
    for (dst, frame, cast) in cases {
        each(|ip| {
            let packet = Forge::to(dst).packet();
            let input = ip.input(T0, NEAR, frame, packet, &mut Below::default());
            let Input::Deliver(datagram) = input else { panic!("{dst}: {input:?}") };
            assert_eq!(datagram.cast, cast, "{dst} in a {frame:?} frame");
        });
    }
}

/// RFC 1122 §3.3.6.
#[test]
fn a_unicast_datagram_in_a_group_frame_is_dropped() {
    for cast in [Cast::Broadcast, Cast::Multicast] {
        for dst in ["10.0.0.1", "10.0.0.77"] {
            each(|ip| {
                let packet = Forge::to(dst).packet();
                let input = ip.input(T0, NEAR, cast, packet, &mut Below::default());
                assert!(matches!(input, Input::Dropped(DropReason::BroadcastFrame)), "{input:?}");
            });
        }
    }
}

/// RFC 1112 §7.1.
#[test]
fn a_group_is_heard_between_the_first_join_and_the_last_leave() {
    each(|ip| {
        let group = addr("239.1.2.3");
        let hears = |ip: &mut dyn Internet| {
            let (input, _) = arrive(ip, NEAR, Forge::to("239.1.2.3").packet());
            matches!(input, Input::Deliver(_))
        };
        assert!(!hears(ip));
        ip.configure(T0, Change::Join(NEAR, group)).unwrap();
        ip.configure(T0, Change::Join(NEAR, group)).unwrap();
        ip.configure(T0, Change::Leave(NEAR, group)).unwrap();
        assert!(hears(ip), "one join is left");
        ip.configure(T0, Change::Leave(NEAR, group)).unwrap();
        assert!(!hears(ip));
        ip.configure(T0, Change::Leave(NEAR, group)).unwrap_err();
        ip.configure(T0, Change::Join(NEAR, addr("10.0.0.9"))).unwrap_err();

        ip.configure(T0, Change::Join(NEAR, group)).unwrap();
        ip.configure(T0, Change::RemoveInterface(NEAR)).unwrap();
        ip.configure(T0, Change::SetInterface(eth(NEAR, "10.0.0.1/24", 1500))).unwrap();
        assert!(!hears(ip), "a membership ends with its interface");
    });
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
    for options in [source_route(131, 8), vec![0, 0xff, 0xff, 0xff], vec![1, 68, 3, 4]] {
        each(|ip| {
            let forge = Forge { options: options.clone(), ..Forge::default() };
            let (input, _) = arrive(ip, NEAR, forge.packet());
            assert!(matches!(input, Input::Deliver(_)), "{options:?}: {input:?}");
        });
    }
}

#[test]
fn a_sent_header_says_what_was_asked_for() {
    each(|ip| {
        let header = Header {
            ttl: Ttl(3),
            tos: Tos(0x2e),
            dont_fragment: true,
            options: Options::from_wire(&[148, 4, 0, 0, 1]).unwrap(),
            ..header("10.0.0.2")
        };
        let (iface, hop, packet) = send(ip, &header, b"data").one();
        assert_eq!((iface, hop), (NEAR, neighbour("10.0.0.2")));
        let seen = see(&packet);
        assert_eq!(seen.src.to_string(), "10.0.0.1", "the route's source");
        assert_eq!(seen.dst.to_string(), "10.0.0.2");
        assert_eq!((seen.protocol, seen.ttl, seen.tos), (17, 3, 0x2e));
        assert_eq!((seen.df, seen.mf, seen.offset), (true, false, 0));
        assert_eq!(seen.options, [148, 4, 0, 0, 1, 0, 0, 0], "padded to words");
        assert_eq!(seen.payload, b"data");
        assert_eq!(count(ip, "datagrams sent"), 1);
    });
}

/// RFC 1122 §3.2.1.7.
#[test]
fn r09_nothing_leaves_with_a_ttl_of_zero() {
    each(|ip| {
        let header = Header { ttl: Ttl(0), ..header("10.0.0.2") };
        let (_, _, packet) = send(ip, &header, b"").one();
        assert_eq!(see(&packet).ttl, 64);
    });
}

/// RFC 6864 §4.3: different datagrams with the same source, destination and protocol.
#[test]
fn r14_the_ip_id_changes_from_datagram_to_datagram() {
    each(|ip| {
        let mut ids = |dst| -> Vec<u16> {
            (0..100).map(|_| see(&send(ip, &header(dst), b"").one().2).id).collect()
        };
        let first = ids("10.0.0.2");
        let mut unique = first.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), 100);
        // Nor does one destination tell how much is sent to another.
        assert_ne!(ids("10.0.0.3")[0], first[99].wrapping_add(1));
    });
}

/// RFC 1122 §3.3.1.1.
#[test]
fn the_next_hop_is_the_neighbour_or_the_gateway() {
    each(|ip| {
        let hop = |dst| ip.route(T0, addr(dst), None).map(|route| (route.iface, route.hop));
        assert_eq!(hop("10.0.0.77"), Ok((NEAR, neighbour("10.0.0.77"))));
        assert_eq!(hop("192.0.2.1"), Ok((NEAR, neighbour("10.0.0.254"))));
        for nowhere in ["0.0.0.0", "240.0.0.1"] {
            assert_eq!(hop(nowhere), Err(Cause::NetworkUnreachable), "{nowhere}");
        }
        assert_eq!(hop("::1"), Err(Cause::NetworkUnreachable));
    });
    each(|ip| {
        let dst = cidr("0.0.0.0/0");
        ip.configure(T0, Change::RemoveRoute { dst, gateway: None }).unwrap();
        ip.configure(T0, Change::RemoveRoute { dst, gateway: None }).unwrap_err();
        assert_eq!(ip.route(T0, addr("192.0.2.1"), None), Err(Cause::NetworkUnreachable));
        let mut below = Below::default();
        let packet = Packet::from_payload(b"whole");
        let error = ip.send(T0, &header("192.0.2.1"), packet, &mut below).unwrap_err();
        assert_eq!(error.cause, Cause::NetworkUnreachable);
        assert_eq!(&error.packet[..], b"whole", "as it was given");
        assert!(below.0.is_empty());
    });
}

/// RFC 1122 §3.2.1.3 (c), (d), §3.3.6; RFC 1112 §6.4.
#[test]
fn r15_multicast_is_not_forwarded_and_broadcast_makes_no_arp() {
    each(|ip| {
        let mut hops = |dst: &str| -> Vec<(crate::IfIndex, Hop)> {
            let sent = send(ip, &header(dst), b"data").0;
            sent.into_iter().filter(|out| out.0 == NEAR).map(|out| (out.0, out.1)).collect()
        };
        assert_eq!(hops("10.0.0.255"), [(NEAR, Hop::Broadcast)]);
        assert_eq!(hops("255.255.255.255"), [(NEAR, Hop::Broadcast)]);
        let group = addr("224.0.0.251");
        assert_eq!(hops("224.0.0.251"), [(NEAR, Hop::Group(group))]);

        let forge = Forge::to("224.0.0.251");
        assert_eq!(dropped(ip, forge.packet()), DropReason::NotMember);
        ip.configure(T0, Change::Join(NEAR, group)).unwrap();
        let (input, below) = arrive(ip, NEAR, forge.packet());
        assert!(matches!(input, Input::Deliver(_)) && below.0.is_empty());
    });
}

/// RFC 1122 §3.2.1.3 (g), §3.3.4.2: what we say to ourselves does not leave the host.
#[test]
fn own_addresses_are_reached_through_the_loopback_interface() {
    for (dst, source) in
        [("10.0.0.1", "10.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("127.1.2.3", "127.0.0.1")]
    {
        each(|ip| {
            assert!(ip.is_local(addr(dst)));
            let route = ip.route(T0, addr(dst), None).unwrap();
            assert_eq!((route.iface, route.local), (LO, true));
            assert_eq!((route.source, route.mtu), (addr(source), 65535));
            let (iface, _, packet) = send(ip, &header(dst), &[7; 9000]).one();
            assert_eq!(iface, LO);
            let (input, _) = arrive(ip, LO, packet);
            let Input::Deliver(datagram) = input else { panic!("{input:?}") };
            assert_eq!(datagram.header.src, addr(source));
            assert_eq!(&datagram.payload[..], [7; 9000]);
        });
    }
}

#[test]
fn without_a_loopback_interface_we_do_not_reach_ourselves() {
    each(|ip| {
        ip.configure(T0, Change::RemoveInterface(LO)).unwrap();
        assert_eq!(ip.route(T0, addr("10.0.0.1"), None), Err(Cause::HostUnreachable));
    });
}

/// RFC 1122 §3.2.1.3.
#[test]
fn only_own_sources_are_sent_and_127_stays_inside() {
    each(|ip| {
        let mut send = |src: &str, dst: &str| {
            let header = Header::new(addr(src), addr(dst), Protocol::UDP);
            let mut below = Below::default();
            let result = ip.send(T0, &header, Packet::from_payload(b""), &mut below);
            result.map_err(|error| error.cause)
        };
        assert_eq!(send("10.0.0.1", "10.0.0.2"), Ok(()));
        assert_eq!(send("10.0.0.9", "10.0.0.2"), Err(Cause::Prohibited));
        assert_eq!(send("127.0.0.1", "10.0.0.2"), Err(Cause::NetworkUnreachable));
        assert_eq!(send("127.0.0.1", "10.0.0.1"), Ok(()), "that is local");
    });
}

/// RFC 2131 §4.1.
#[test]
fn without_an_address_a_broadcast_goes_out_from_0_0_0_0() {
    each(|ip| {
        let bare = crate::Interface { addrs: vec![], ..eth(NEAR, "10.0.0.1/24", 1500) };
        ip.configure(T0, Change::SetInterface(bare)).unwrap();
        let sent = send(ip, &header("255.255.255.255"), b"discover");
        let (_, hop, packet) = sent.0.iter().find(|out| out.0 == NEAR).unwrap();
        assert_eq!(*hop, Hop::Broadcast);
        assert!(see(packet).src.is_unspecified());
        assert_eq!(ip.route(T0, addr("224.0.0.9"), None), Err(Cause::NetworkUnreachable));
    });
}

/// RFC 1191 §4.
#[test]
fn too_long_with_dont_fragment_is_refused_as_it_was_given() {
    each(|ip| {
        for (len, fits) in [(1480, true), (1481, false)] {
            let header = Header { dont_fragment: true, ..header("10.0.0.2") };
            let mut below = Below::default();
            let packet = Packet::from_payload(&vec![1; len]);
            match ip.send(T0, &header, packet, &mut below) {
                Ok(()) => assert!(fits && below.one().2.len() == 1500),
                Err(error) => {
                    assert!(!fits);
                    assert_eq!(error.cause, Cause::FragmentationNeeded { mtu: 1500 });
                    assert_eq!(error.packet[..], vec![1; len][..]);
                    assert_eq!(count(ip, "datagrams refused to their sender"), 1);
                }
            }
        }
        let packet = Packet::from_payload(&[0; 65516]);
        let error = ip.send(T0, &header("127.0.0.1"), packet, &mut Below::default()).unwrap_err();
        assert_eq!(error.cause, Cause::FragmentationNeeded { mtu: 65535 });
    });
}

/// A packet that stands for many is as long on the wire as one of them.
#[test]
fn a_packet_to_be_segmented_passes_whole() {
    each(|ip| {
        let mut tcp = vec![0; 20];
        tcp[12] = 5 << 4;
        let header = Header { protocol: Protocol::TCP, ..header("10.0.0.2") };
        let mut send = |size, len: usize| {
            tcp.resize(len, 0);
            let mut packet = Packet::from_payload(&tcp);
            packet.set_segmentation(Segmentation::Tcp4 { size });
            packet.set_checksum(Checksum::Partial { start: 0, offset: 16 });
            let mut below = Below::default();
            ip.send(T0, &header, packet, &mut below).map_err(|error| error.cause)?;
            Ok::<_, Cause>(below.one().2)
        };
        let packet = send(1460, 60_020).unwrap();
        assert_eq!(packet.len(), 60_040);
        assert_eq!(packet.segmentation(), Segmentation::Tcp4 { size: 1460 });
        assert_eq!(packet.checksum(), Checksum::Partial { start: 20, offset: 16 });
        // Each of its 42 segments has an ID of its own.
        let next = see(&send(1460, 60_020).unwrap()).id;
        assert_eq!(next.wrapping_sub(see(&packet).id), 60_000_u16.div_ceil(1460));
        // It is never cut into fragments, whatever DF says, nor longer than a datagram can be.
        assert_eq!(send(1461, 60_020), Err(Cause::FragmentationNeeded { mtu: 1500 }));
        let error = send(1460, 65_516).unwrap_err();
        assert!(matches!(error, Cause::FragmentationNeeded { .. }), "{error}");
        assert_eq!(send(1460, 65_515).unwrap().len(), 65_535);
    });
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
