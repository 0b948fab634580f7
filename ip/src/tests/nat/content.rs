//! What is in a datagram that is translated: fragments, checksums, any bytes.

use super::*;

/// RFC 4787 REQ-14: in whatever order; out again in pieces where the link wants it, with an
/// identification of the router's (RFC 6864 §5.3).
#[test]
fn fragments_cross_whole() {
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let mut ip = nat();
        let mut whole = udp("10.0.1.2:20000", "10.0.0.2:53");
        whole.payload = (0..2000).map(|n| n as u8).collect();
        whole.payload[..8].copy_from_slice(&[0x4e, 0x20, 0, 53, 7, 208, 0, 0]);
        let cuts = [(0, 800), (800, 1600), (1600, 2000)];
        let mut sent = Below::default();
        for at in order {
            let (from, to) = cuts[at];
            let piece = Forge {
                mf: to < 2000,
                offset: from,
                payload: whole.payload[from..to].to_vec(),
                ..whole.clone()
            };
            let input = ip.input(T0, INSIDE, netdev::Cast::Unicast, piece.packet(), &mut sent);
            assert!(matches!(input, Input::Consumed), "{input:?}");
        }
        let seen: Vec<Seen> = sent.0.iter().map(|(_, _, packet)| see(packet)).collect();
        assert_eq!(seen.len(), 2, "an MTU of 1500");
        let id = seen[0].id;
        assert_ne!(id, whole.id);
        assert!(seen.iter().all(|seen| seen.src == v4("10.0.0.1") && seen.id == id));
        assert_eq!([&seen[0].payload[..], &seen[1].payload].concat(), whole.payload);

        // And back, where the router itself puts together what is for its address.
        let mut below = Below::default();
        for (_, _, packet) in sent.0 {
            let mut bytes = packet.to_vec();
            let (src, dst) = (bytes[12..16].to_vec(), bytes[16..20].to_vec());
            bytes[12..16].copy_from_slice(&dst);
            bytes[16..20].copy_from_slice(&src);
            if see(&packet).offset == 0 {
                bytes[20..24].copy_from_slice(&[0, 53, 0x4e, 0x20]);
            }
            let packet = Packet::from_payload(&bytes);
            let _ = ip.input(T0, OUTSIDE, netdev::Cast::Unicast, packet, &mut below);
        }
        let total: usize = below.0.iter().map(|(_, _, packet)| packet.len() - 20).sum();
        assert_eq!((total, below.0[0].0), (2000, INSIDE));
        assert_eq!(see(&below.0[0].2).dst, v4("10.0.1.2"));
    }
}

/// A checksum that is left to a device, as a local kernel does, holds the pseudo header's sum: it
/// follows the address, and the device sums the port. A packet that stands for many stays one.
#[test]
fn a_checksum_that_is_left_to_the_device_comes_out_right() {
    for forge in [udp("10.0.1.2:5001", "10.0.0.2:53"), tcp("10.0.1.2:5001", "10.0.0.2:80", SYN)] {
        let mut ip = nat();
        let offset = if forge.protocol == 6 { 16 } else { 6 };
        let mut packet = forge.packet();
        let len = forge.payload.len();
        let sum = Sum::pseudo_header(forge.src.into(), forge.dst.into(), forge.protocol, len);
        packet[20 + offset..22 + offset].copy_from_slice(&sum.folded().to_be_bytes());
        packet.set_checksum(Checksum::Partial { start: 20, offset });
        if forge.protocol == 6 {
            packet.set_segmentation(Segmentation::Tcp4 { size: 4 });
        }
        let (_, mut below) = arrive(&mut ip, INSIDE, packet);
        let (iface, hop, mut packet) = below.one();
        assert_eq!(packet.checksum(), Checksum::Partial { start: 20, offset });
        assert_eq!(packet.segmentation() != Segmentation::None, forge.protocol == 6);
        packet.complete_checksum();
        crossed(iface, hop, &packet);
    }
}

/// RFC 768: a datagram without a checksum goes on without one.
#[test]
fn no_udp_checksum_stays_none() {
    let mut ip = nat();
    let mut forge = udp("10.0.1.2:5001", "10.0.0.2:53");
    forge.payload[6..8].fill(0);
    let out = crosses(&mut ip, INSIDE, &forge);
    assert_eq!(out.seen.payload[6..8], [0, 0]);
}

proptest! {
    /// RFC 1624: whatever is in it, a right checksum comes out right, and back again the bytes are
    /// the same.
    #[test]
    fn there_and_back_the_payload_is_the_same(
        data in prop::collection::vec(any::<u8>(), 1..60), port: u16, host in 2u8..250,
    ) {
        let mut ip = nat();
        let mut forge = udp(&format!("10.0.1.{host}:{port}"), "10.0.0.2:53");
        forge.payload.truncate(8);
        forge.payload[4..8].copy_from_slice(&[0, 8 + data.len() as u8, 0, 0]);
        forge.payload.extend_from_slice(&data);
        let len = forge.payload.len();
        let sum = Sum::pseudo_header(forge.src.into(), forge.dst.into(), 17, len);
        let check = Some(sum.bytes(&forge.payload).finish()).filter(|c| *c != 0).unwrap_or(0xffff);
        forge.payload[6..8].copy_from_slice(&check.to_be_bytes());
        let out = crosses(&mut ip, INSIDE, &forge);
        prop_assert_ne!(&out.seen.payload[6..8], &[0, 0]);
        let mut undone = Packet::from_payload(&out.bytes);
        ip.undo(&mut undone);
        prop_assert_eq!(see(&undone).payload, forge.payload);
    }

    /// Bytes from either side neither panic nor make a table grow beyond its bound.
    #[test]
    fn arbitrary_bytes_do_no_harm(
        packets in prop::collection::vec(
            (any::<bool>(), any::<bool>(), prop::sample::select(vec![1u8, 6, 17, 47]),
             prop::collection::vec(any::<u8>(), 0..64), 2u8..6),
            0..60,
        ),
    ) {
        let mut ip = nat_with(|nat| (nat.sessions, nat.sessions_per_host) = (8, 4));
        for (out, mf, protocol, payload, host) in packets {
            let (src, dst) = match out {
                true => (format!("10.0.1.{host}"), "10.0.0.2"),
                false => (format!("10.0.0.{host}"), "10.0.0.1"),
            };
            let forge = Forge { protocol, mf, payload, ..Forge::between(&src, dst) };
            let iface = if out { INSIDE } else { OUTSIDE };
            let (_, below) = arrive(&mut ip, iface, forge.packet());
            for (_, _, packet) in below.0 {
                see(&packet);
            }
            prop_assert!(ip.nat(T0).unwrap().sessions.len() <= 8);
        }
    }
}
