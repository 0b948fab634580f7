//! Bytes from the wire: no panic, no unbounded memory, no silence.

use etherparse::ArpPacketSlice;
use pnet_packet::arp::ArpPacket;
use proptest::prelude::*;

use super::*;
use crate::StaticTable;

/// RFC 826: the checks before the merge, each with its reason.
#[test]
fn a_malformed_packet_is_dropped_for_its_reason() {
    let good = request(PEER, PEER_ADDR, MY_ADDR).packet().to_vec();
    let broken = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes.resize(60, 0);
        bytes
    };
    let cases = [
        (good[..27].to_vec(), "packet too short"),
        (Vec::new(), "packet too short"),
        (broken(1, 6), "not Ethernet"),
        (broken(3, 6), "not IPv4"),
        (broken(4, 8), "bad address length"),
        (broken(5, 16), "bad address length"),
        (broken(4, 250), "packet too short"),
        (broken(7, 3), "neither request nor reply"),
        (broken(7, 0), "neither request nor reply"),
        (broken(14, 224), "sender's address is not a neighbour's"),
        (broken(14, 127), "sender's address is not a neighbour's"),
    ];
    let mut bench = Bench::cache(Config::default());
    for (bytes, reason) in cases {
        let before = bench.count(reason);
        assert_eq!(bench.bytes(&bytes), Event::None);
        assert_eq!(bench.count(reason), before + 1, "{reason}: {bytes:02x?}");
    }
    assert!(bench.link.0.is_empty());
    assert!(bench.arp.entries(bench.now).is_empty());
}

#[test]
fn padding_after_the_packet_is_ignored() {
    let mut bytes = request(PEER, PEER_ADDR, MY_ADDR).packet().to_vec();
    bytes.resize(46, 0xee);
    let mut bench = Bench::cache(Config::default());
    let _ = bench.bytes(&bytes);
    assert_eq!(bench.link.arp().len(), 1);
}

/// A reply from the unspecified address is nobody's, unlike a probe.
#[test]
fn a_reply_without_a_sender_address_is_dropped() {
    let mut bench = Bench::cache(Config::default());
    let _ = bench.input(reply(PEER, Ipv4Addr::UNSPECIFIED));
    assert_eq!(bench.count("sender's address is not a neighbour's"), 1);
}

#[test]
fn a_flood_of_requests_from_random_senders_fills_no_more_than_the_table() {
    let mut bench = Bench::cache(Config { entries: 64, ..Config::default() });
    let _ = bench.send(PEER_ADDR, b"x");
    let _ = bench.input(reply(PEER, PEER_ADDR));
    for sender in 0..5000u32 {
        let _ = bench.input(request(OTHER, Ipv4Addr::from(0x0a01_0000 + sender), MY_ADDR));
        bench.pass(Duration::from_millis(1));
    }
    assert_eq!(bench.arp.entries(bench.now).len(), 64);
    assert_eq!(bench.state(PEER_ADDR), Some(State::Reachable), "who was ever sent to stays");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_nor_vanish(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..20),
    ) {
        let mut cache = Bench::cache(Config::default());
        let mut table = Bench::over(Box::new(StaticTable::new(ME)));
        for bytes in &packets {
            for bench in [&mut cache, &mut table] {
                let before: u64 = bench.arp.counters().iter().map(|row| row.count).sum();
                let _ = bench.bytes(bytes);
                let after: u64 = bench.arp.counters().iter().map(|row| row.count).sum();
                prop_assert!(after > before, "nothing was counted for {bytes:02x?}");
            }
        }
    }

    /// Nearly right packets reach the code behind the checks; time passes between them.
    #[test]
    fn a_storm_of_plausible_packets_keeps_the_limits(
        storm in prop::collection::vec((0u8..4, 1u8..3, 0u8..8, 0u8..8, 0u64..3000), 0..200),
    ) {
        let config = Config { entries: 4, queue: 2, queue_total: 5, ..Config::default() };
        let mut bench = Bench::cache(config);
        let (mut sent, mut back) = (0, 0);
        let mut returned = |event: Event| if let Event::Unreachable(packets) = event {
            back += packets.len();
        };
        for (kind, operation, sender, target, millis) in storm {
            let addr = |host| Ipv4Addr::new(10, 0, 0, host);
            if kind == 0 {
                sent += 1;
                returned(bench.send(addr(sender + 1), b"x"));
            } else {
                let message = Message {
                    operation: if operation == 1 { Operation::Request } else { Operation::Reply },
                    sender_mac: MacAddr([2, 0, 0, 0, 0, sender]),
                    sender: addr(sender),
                    target_mac: ME,
                    target: addr(target),
                };
                returned(bench.input(message));
            }
            bench.pass(Duration::from_millis(millis)).into_iter().for_each(&mut returned);
            let entries = bench.arp.entries(bench.now);
            prop_assert!(entries.len() <= 4);
            prop_assert!(entries.iter().map(|entry| entry.waiting).sum::<usize>() <= 5);
        }
        // Every datagram was sent, came back, or was counted as pushed out of a queue.
        bench.secs(10_000).into_iter().for_each(&mut returned);
        let gone = bench.link.datagrams().len() + back + bench.count("waiting queue full") as usize;
        prop_assert_eq!(sent, gone);
    }

    #[test]
    fn pnet_reads_the_same_fields(mut bytes in prop::collection::vec(any::<u8>(), 28..60)) {
        bytes[4..6].copy_from_slice(&[6, 4]);
        let one = ArpPacketSlice::from_slice(&bytes).unwrap();
        let two = ArpPacket::new(&bytes).unwrap();
        prop_assert_eq!(one.hw_addr_type().0, two.get_hardware_type().0);
        prop_assert_eq!(one.proto_addr_type().0, two.get_protocol_type().0);
        prop_assert_eq!(one.operation().0, two.get_operation().0);
        prop_assert_eq!(one.sender_hw_addr(), two.get_sender_hw_addr().octets());
        prop_assert_eq!(one.sender_protocol_addr(), two.get_sender_proto_addr().octets());
        prop_assert_eq!(one.target_hw_addr(), two.get_target_hw_addr().octets());
        prop_assert_eq!(one.target_protocol_addr(), two.get_target_proto_addr().octets());
    }

    #[test]
    fn what_is_built_reads_back(op: bool, a: [u8; 6], b: [u8; 4], c: [u8; 6], d: [u8; 4]) {
        let message = Message {
            operation: if op { Operation::Request } else { Operation::Reply },
            sender_mac: MacAddr(a),
            sender: b.into(),
            target_mac: MacAddr(c),
            target: d.into(),
        };
        prop_assert_eq!(Message::parse(&message.packet()), Ok(message));
    }
}
