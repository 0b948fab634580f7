//! What both send, and by which way.

use netdev::{Checksum, Packet, Segmentation};

use super::*;
use crate::{Header, Hop, Options, Protocol, Tos, Ttl};

fn header(dst: &str) -> Header {
    Header::new(addr("0.0.0.0"), addr(dst), Protocol::UDP)
}

fn send(ip: &mut dyn Internet, header: &Header, data: &[u8]) -> Below {
    let mut below = Below::default();
    ip.send(T0, header, Packet::from_payload(data), &mut below).unwrap();
    below
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
        ip.configure(T0, Change::RemoveRoute { dst, gateway: None, metric: None }).unwrap();
        ip.configure(T0, Change::RemoveRoute { dst, gateway: None, metric: None }).unwrap_err();
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
