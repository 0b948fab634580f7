use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{Loopback, Wire, WireConfig, WireEnd};

const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const PEER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

/// A port, and the bare other end of its wire.
fn port() -> (Port, WireEnd) {
    port_with(WireConfig::default())
}

fn port_with(config: WireConfig) -> (Port, WireEnd) {
    let (near, far) = Wire::pair_with(config);
    (Port::new(Box::new(near), OWN), far)
}

fn frame(dst: MacAddr, src: MacAddr, ethertype: u16, content: &[u8]) -> Packet {
    let mut packet = Packet::from_payload(content);
    Header { dst, src, ethertype: EtherType(ethertype) }.prepend_to(&mut packet);
    packet
}

#[test]
fn arp_and_ipv4_go_up_without_their_header_which_can_be_brought_back() {
    let (mut port, mut far) = port();
    far.transmit(Instant::ZERO, frame(MacAddr::BROADCAST, PEER, 0x0806, b"who has")).unwrap();
    far.transmit(Instant::ZERO, frame(OWN, PEER, 0x0800, b"datagram")).unwrap();

    let arp = port.receive(Instant::ZERO).unwrap();
    assert_eq!((arp.cast, arp.ethertype), (Cast::Broadcast, EtherType::ARP));
    assert_eq!(&arp.packet[..], b"who has");

    let mut ip = port.receive(Instant::ZERO).unwrap();
    assert_eq!((ip.cast, ip.ethertype), (Cast::Unicast, EtherType::IPV4));
    ip.packet.unstrip(HEADER_LEN);
    assert_eq!(&ip.packet[..6], &OWN.0);
    assert!(port.receive(Instant::ZERO).is_none());
}

#[test]
fn a_watcher_sees_both_ways_and_what_is_for_others_until_it_is_over() {
    use std::sync::mpsc::{Sender, channel};

    struct Eyes(Sender<(Direction, usize)>, std::sync::Arc<()>);
    impl Watcher for Eyes {
        fn saw(&mut self, _: Instant, direction: Direction, _: Medium, packet: &Packet) {
            self.0.send((direction, packet.len())).unwrap();
        }
        fn is_over(&self) -> bool {
            std::sync::Arc::strong_count(&self.1) == 1
        }
    }

    let (mut port, mut far) = port();
    let (seen, sees) = channel();
    let wanted = std::sync::Arc::new(());
    port.watch(Box::new(Eyes(seen, wanted.clone())));
    far.transmit(Instant::ZERO, frame(PEER, PEER, 0x0800, b"foreign")).unwrap();
    far.transmit(Instant::ZERO, frame(OWN, PEER, 0x0800, b"E")).unwrap();
    assert!(port.receive(Instant::ZERO).is_some());
    port.transmit(Instant::ZERO, PEER, EtherType::IPV4, Packet::from_payload(b"out"));
    let all: Vec<_> = sees.try_iter().collect();
    assert_eq!(all, [(Direction::Rx, 21), (Direction::Rx, 15), (Direction::Tx, 17)]);
    drop(wanted);
    port.transmit(Instant::ZERO, PEER, EtherType::IPV4, Packet::from_payload(b"out"));
    assert_eq!(sees.recv(), Err(std::sync::mpsc::RecvError), "the watcher is gone");
}

#[test]
fn every_useless_frame_has_its_reason() {
    let (mut port, mut far) = port();
    let cases = [
        (Packet::from_payload(&[0xff; 13]), DropReason::Runt),
        (Packet::from_payload(b""), DropReason::Runt),
        (frame(OWN, PEER, 0x8035, b""), DropReason::Rarp),
        (frame(OWN, PEER, 0x8100, b"tagged"), DropReason::Vlan),
        (frame(OWN, PEER, 0x88a8, b"tagged"), DropReason::Vlan),
        (frame(OWN, PEER, 3, b"llc"), DropReason::Length),
        (frame(OWN, PEER, 0x86dd, b"`"), DropReason::Ipv6),
        (frame(OWN, PEER, 0x88cc, b"lldp"), DropReason::UnknownType),
        (frame(PEER, PEER, 0x0800, b"E"), DropReason::Foreign),
        (frame(MacAddr::BROADCAST, OWN, 0x0800, b"E"), DropReason::OwnSource),
    ];
    let mut expected = Counts::default();
    for (frame, reason) in cases {
        expected.add(reason);
        far.transmit(Instant::ZERO, frame).unwrap();
    }
    far.transmit(Instant::ZERO, frame(OWN, PEER, 0x0800, b"good")).unwrap();
    // One call loops past them all.
    assert_eq!(&port.receive(Instant::ZERO).unwrap().packet[..], b"good");
    for (reason, count) in port.stats().drops.iter() {
        assert_eq!(count, expected[reason], "{reason}");
    }
    assert_eq!(port.stats().rx_packets, 11);
}

/// tapip never frees a RARP frame; after 200 of them it ends.
#[test]
fn r01_rarp_frames_are_dropped_and_counted() {
    let (mut port, mut far) = port();
    let mut received = 0;
    for round in 0..50u64 {
        let now = Instant::from_millis(round);
        for _ in 0..200 {
            far.transmit(now, frame(MacAddr::BROADCAST, PEER, 0x8035, &[0; 46])).unwrap();
        }
        far.transmit(now, frame(OWN, PEER, 0x0800, b"good")).unwrap();
        while let Some(frame) = port.receive(now) {
            assert_eq!(&frame.packet[..], b"good");
            received += 1;
        }
        assert_eq!(port.poll_at(), None, "no frame is kept");
    }
    assert_eq!(received, 50);
    assert_eq!(port.stats().drops[DropReason::Rarp], 10_000);
}

#[test]
fn a_flood_of_useless_frames_is_left_for_the_next_call() {
    let (mut port, mut far) = port();
    let now = Instant::from_secs(1);
    for _ in 0..FRAMES_A_CALL {
        far.transmit(now, frame(PEER, PEER, 0x0800, b"E")).unwrap();
    }
    far.transmit(now, frame(OWN, PEER, 0x0800, b"good")).unwrap();
    assert!(port.receive(now).is_none());
    assert_eq!(port.poll_at(), Some(now), "there is more, at once");
    assert_eq!(&port.receive(now).unwrap().packet[..], b"good");
    assert!(port.receive(now).is_none());
    assert_eq!(port.poll_at(), None);
}

#[test]
fn frames_leave_with_the_header_in_front() {
    let (mut port, mut far) = port();
    port.transmit(Instant::ZERO, PEER, EtherType::ARP, Packet::from_payload(b"reply"));
    let sent = far.receive(Instant::ZERO).unwrap();
    assert_eq!(sent, frame(PEER, OWN, 0x0806, b"reply"));
    assert_eq!(port.stats().tx_bytes, 19);
}

#[test]
fn a_full_device_is_counted() {
    let (mut port, _far) = port_with(WireConfig { queue: 1, ..WireConfig::default() });
    for _ in 0..3 {
        port.transmit(Instant::ZERO, PEER, EtherType::IPV4, Packet::from_payload(b"E"));
    }
    assert_eq!(port.stats().drops[DropReason::QueueFull], 2);
    assert_eq!(port.stats().tx_packets, 1);
}

#[test]
fn a_medium_without_headers_gets_none_and_tells_the_type_by_the_version() {
    let mut port = Port::new(Box::new(Loopback::new()), MacAddr::ZERO);
    for first in [0x45, 0x60, 0x10] {
        let packet = Packet::from_payload(&[first; 20]);
        port.transmit(Instant::ZERO, MacAddr::ZERO, EtherType::IPV4, packet);
    }
    port.transmit(Instant::ZERO, MacAddr::ZERO, EtherType::IPV4, Packet::from_payload(b""));
    port.transmit(Instant::ZERO, MacAddr::ZERO, EtherType::ARP, Packet::from_payload(b"arp"));
    let frame = port.receive(Instant::ZERO).unwrap();
    assert_eq!((frame.cast, frame.ethertype), (Cast::Unicast, EtherType::IPV4));
    assert_eq!(&frame.packet[..], &[0x45; 20]);
    assert!(port.receive(Instant::ZERO).is_none());
    let drops = port.stats().drops;
    assert_eq!((drops[DropReason::Ipv6], drops[DropReason::Runt]), (1, 1));
    assert_eq!(drops[DropReason::UnknownType], 2, "version 1, and ARP where there is none");
}

#[test]
fn a_partial_checksum_is_completed_for_a_device_that_cannot() {
    for checksum in [false, true] {
        let mut config = WireConfig::default();
        config.capabilities.checksum = checksum;
        let (mut port, mut far) = port_with(config);
        let mut packet = Packet::from_payload(&[0x45, 0, 0, 0, 0x12, 0x34]);
        packet.set_checksum(Checksum::Partial { start: 2, offset: 0 });
        port.transmit(Instant::ZERO, PEER, EtherType::IPV4, packet);
        let sent = far.receive(Instant::ZERO).unwrap();
        if checksum {
            assert_eq!(sent.checksum(), Checksum::Partial { start: 16, offset: 0 });
            assert_eq!(&sent[16..18], &[0, 0]);
        } else {
            assert_eq!(&sent[16..18], &(!0x1234u16).to_be_bytes());
        }
    }
}

/// A UDP packet that stands for three, as a layer above leaves it to the device.
fn big_datagram(checksum: Checksum) -> Packet {
    let mut bytes = Vec::new();
    etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(5, 6)
        .write(&mut bytes, &[7; 2500])
        .unwrap();
    let mut packet = Packet::from_payload(&bytes);
    packet.set_checksum(checksum);
    packet.set_segmentation(Segmentation::Udp4 { size: 1000 });
    packet
}

#[test]
fn only_what_the_device_can_cut_up_is_left_to_it() {
    let partial = Checksum::Partial { start: 20, offset: 6 };
    for (checksum_offload, most, checksum, pieces) in [
        (true, 65535, partial, 1),
        (true, 2500, partial, 1),
        (true, 2499, partial, 3),
        (true, 0, partial, 3),
        (false, 65535, partial, 3),
        (true, 65535, Checksum::Verified, 3),
    ] {
        let mut config = WireConfig::default();
        config.capabilities.checksum = checksum_offload;
        config.capabilities.udp_segmentation = most;
        let (mut port, mut far) = port_with(config);
        port.transmit(Instant::ZERO, PEER, EtherType::IPV4, big_datagram(checksum));
        let frames: Vec<_> = std::iter::from_fn(|| far.receive(Instant::ZERO)).collect();
        assert_eq!(frames.len(), pieces, "{checksum_offload} {most} {checksum:?}");
        if pieces == 1 {
            assert_eq!(frames[0].segmentation(), Segmentation::Udp4 { size: 1000 });
            assert_eq!(frames[0].checksum(), Checksum::Partial { start: 34, offset: 6 });
        }
        for frame in frames.iter().filter(|_| pieces == 3) {
            let header = Header { dst: PEER, src: OWN, ethertype: EtherType::IPV4 };
            assert_eq!(Header::parse(frame), Some(header));
            assert_eq!(frame.segmentation(), Segmentation::None);
        }
    }
}

#[test]
fn what_says_it_stands_for_several_and_makes_no_sense_is_counted() {
    let (mut port, mut far) = port();
    let mut packet = Packet::from_payload(&[0x45; 3000]);
    packet.set_segmentation(Segmentation::Tcp4 { size: 1460 });
    port.transmit(Instant::ZERO, PEER, EtherType::IPV4, packet);
    assert!(far.receive(Instant::ZERO).is_none());
    assert_eq!(port.stats().drops[DropReason::Framing], 1);
}

#[test]
fn changing_the_mtu_goes_through_to_the_device() {
    let (mut port, _far) = port();
    assert!(port.set_mtu(576));
    assert_eq!((port.capabilities().mtu, port.device().capabilities().mtu), (576, 576));
    assert!(!port.set_mtu(67));
    assert_eq!(port.capabilities().mtu, 576);
}

proptest! {
    /// Whatever arrives goes up or is counted, and what goes up was for us.
    #[test]
    fn no_bytes_panic_and_none_vanish(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20),
        for_us: bool,
    ) {
        let (near, mut far) = Wire::pair(Duration::ZERO);
        let mut port = Port::new(Box::new(near), OWN);
        let count = frames.len() as u64;
        for mut bytes in frames {
            if for_us && bytes.len() >= 6 {
                bytes[..6].copy_from_slice(&OWN.0);
            }
            far.transmit(Instant::ZERO, Packet::from_payload(&bytes)).unwrap();
        }
        let mut up = 0;
        while let Some(frame) = port.receive(Instant::ZERO) {
            prop_assert!([EtherType::ARP, EtherType::IPV4].contains(&frame.ethertype));
            up += 1;
        }
        prop_assert_eq!(up + port.stats().drops.total(), count);
    }
}
