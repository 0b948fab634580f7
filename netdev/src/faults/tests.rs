use std::time::Duration;

use etherparse::PacketBuilder;
use proptest::prelude::*;

use super::*;
use crate::checksum::Sum;
use crate::{Faults, Wire, WireConfig, WireEnd};

const NONE: FaultConfig = FaultConfig {
    loss: Loss::NEVER,
    duplicate: Probability::NEVER,
    corrupt: Probability::NEVER,
    mark: Probability::NEVER,
    reorder: Probability::NEVER,
    rate: None,
    queue: 1000,
    delay: Duration::ZERO,
    jitter: Duration::ZERO,
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn injector(tx: FaultConfig, rx: FaultConfig, seed: u64) -> (FaultInjector, WireEnd) {
    let config = WireConfig { queue: 100_000, ..WireConfig::default() };
    let (near, far) = Wire::pair_with(config);
    (FaultInjector::new(Box::new(near), tx, rx, seed), far)
}

/// A UDP datagram in a frame, with a number to know it by and `len` bytes in all.
fn frame(number: u32, len: usize) -> Packet {
    let mut bytes = Vec::new();
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(len - 42, 0);
    PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(1, 2)
        .write(&mut bytes, &payload)
        .unwrap();
    Packet::from_payload(&bytes)
}

fn number(frame: &Packet) -> u32 {
    u32::from_be_bytes(frame[42..46].try_into().unwrap())
}

/// Runs virtual time until nothing is due, and gives what arrived, and when.
fn arrivals(near: &mut FaultInjector, far: &mut WireEnd) -> Vec<(Instant, Packet)> {
    let mut arrived = Vec::new();
    let mut now = Instant::ZERO;
    loop {
        near.flush(now);
        while let Some(packet) = far.receive(now) {
            arrived.push((now, packet));
        }
        match sooner(near.tx.poll_at(), far.poll_at()) {
            Some(at) => now = now.max(at),
            None => return arrived,
        }
    }
}

/// Sends `count` frames at once and gives the numbers of those that arrive, in order.
fn sent(config: FaultConfig, count: u32, seed: u64) -> (Vec<u32>, FaultCounts) {
    let (mut near, mut far) = injector(config, NONE, seed);
    for i in 0..count {
        near.transmit(Instant::ZERO, frame(i, 60)).unwrap();
    }
    let numbers = arrivals(&mut near, &mut far).iter().map(|(_, packet)| number(packet)).collect();
    (numbers, near.control().counts(Direction::Tx))
}

#[test]
fn a_perfect_link_is_not_there_at_all() {
    assert!(NONE.is_perfect() && NONE == FaultConfig::default());
    let mut config = WireConfig::default();
    config.capabilities.checksum = true;
    config.capabilities.tcp_segmentation = 65535;
    let (near, mut far) = Wire::pair_with(config);
    let mut near = FaultInjector::new(Box::new(near), NONE, NONE, 1);
    assert_eq!(near.capabilities(), config.capabilities);
    let mut packet = frame(1, 60);
    packet.set_checksum(Checksum::Partial { start: 34, offset: 6 });
    near.transmit(Instant::ZERO, packet).unwrap();
    let packet = far.receive(Instant::ZERO).unwrap();
    assert_eq!(packet.checksum(), Checksum::Partial { start: 34, offset: 6 });
    assert_eq!((near.name(), near.poll_at()), ("wire0", None));

    near.control().set_faults(Direction::Tx, FaultConfig { delay: ms(1), ..NONE });
    assert_eq!(near.capabilities(), Capabilities::plain(Medium::Ethernet, 1500));
}

#[test]
fn losses_come_as_often_as_told_and_are_counted() {
    let loss = Loss::Random(Probability::new(0.1));
    let (numbers, counts) = sent(FaultConfig { loss, ..NONE }, 10_000, 1);
    // Ten standard deviations of 30 each way: this seed or another, it holds.
    assert!((700..1300).contains(&counts.lost), "{counts:?}");
    assert_eq!(numbers.len() as u64, 10_000 - counts.lost);
    assert!(numbers.is_sorted());

    let (mut near, _far) = injector(FaultConfig { loss: Loss::ALWAYS, ..NONE }, NONE, 1);
    near.transmit(Instant::ZERO, frame(1, 60)).unwrap();
    assert_eq!(near.stats().drops[DropReason::FaultLoss], 1);
    assert_eq!(near.stats().tx_packets, 0);
}

#[test]
fn losses_in_bursts_are_a_matter_of_each_direction() {
    let bursts = GilbertElliott::new(Probability::new(0.02), Probability::new(0.2));
    let (numbers, counts) = sent(FaultConfig { loss: bursts.into(), ..NONE }, 10_000, 1);
    // 1/11 of all in bursts of five: ten standard deviations of some 90 each way.
    assert!((400..1900).contains(&counts.lost), "{counts:?}");
    let gaps = numbers.windows(2).filter(|pair| pair[1] - pair[0] > 1).count() as u64;
    assert!(counts.lost > 3 * gaps && counts.lost < 8 * gaps, "{} in {gaps}", counts.lost);

    // Never good again, once it was bad: what comes the other way is another link.
    let dead = GilbertElliott::new(Probability::ALWAYS, Probability::NEVER);
    let config = FaultConfig { loss: dead.into(), ..NONE };
    let (mut near, mut far) = injector(config, config, 1);
    let back = FaultConfig::default();
    near.control().set_faults(Direction::Rx, back);
    near.transmit(Instant::ZERO, frame(1, 60)).unwrap();
    far.transmit(Instant::ZERO, frame(2, 60)).unwrap();
    assert!(far.receive(Instant::ZERO).is_none());
    assert_eq!(near.receive(Instant::ZERO).map(|packet| number(&packet)), Some(2));
}

#[test]
fn one_seed_gives_one_run_and_another_seed_another() {
    let config = FaultConfig {
        loss: Probability::new(0.1).into(),
        duplicate: Probability::new(0.1),
        reorder: Probability::new(0.1),
        jitter: ms(3),
        ..NONE
    };
    assert_eq!(sent(config, 1000, 7), sent(config, 1000, 7));
    assert_ne!(sent(config, 1000, 7), sent(config, 1000, 8));
}

#[test]
fn the_directions_are_independent() {
    let lossy = FaultConfig { loss: Probability::new(0.5).into(), ..NONE };
    let (mut near, mut far) = injector(NONE, lossy, 1);
    for i in 0..200 {
        near.transmit(Instant::ZERO, frame(i, 60)).unwrap();
        far.transmit(Instant::ZERO, frame(i, 60)).unwrap();
    }
    assert_eq!(arrivals(&mut near, &mut far).len(), 200);
    let received = std::iter::from_fn(|| near.receive(Instant::ZERO)).count();
    assert!((50..150).contains(&received), "{received}");
    let counts = near.control().counts(Direction::Rx);
    assert_eq!(counts.lost as usize, 200 - received);
    assert_eq!(near.control().counts(Direction::Tx), FaultCounts::default());
}

#[test]
fn a_duplicate_comes_right_behind_and_says_so() {
    let config = FaultConfig { duplicate: Probability::ALWAYS, ..NONE };
    let (mut near, mut far) = injector(config, NONE, 1);
    near.transmit(Instant::ZERO, frame(5, 60)).unwrap();
    let (first, second) =
        (far.receive(Instant::ZERO).unwrap(), far.receive(Instant::ZERO).unwrap());
    assert_eq!(first, second);
    assert_eq!((first.faults(), second.faults()), (Faults::empty(), Faults::DUPLICATED));
}

#[test]
fn corruption_flips_one_bit_that_a_checksum_finds_and_leaves_arp_alone() {
    let config = FaultConfig { corrupt: Probability::ALWAYS, ..NONE };
    for seed in 0..200 {
        let (mut near, mut far) = injector(config, NONE, seed);
        let good = frame(1, 60);
        near.transmit(Instant::ZERO, good.clone()).unwrap();
        let bad = far.receive(Instant::ZERO).unwrap();
        let flipped: u32 = good.iter().zip(&bad[..]).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!(flipped, 1);
        assert_eq!(bad[..14], good[..14]);
        assert_eq!((bad.faults(), bad.checksum()), (Faults::CORRUPTED, Checksum::None));
        let ip = Sum::default().bytes(&bad[14..34]).is_valid();
        let udp = Sum::default().bytes(&bad[26..]).word(17).word(26).is_valid();
        assert!(!ip || !udp, "seed {seed}");
    }
    let (mut near, mut far) = injector(config, NONE, 1);
    let mut arp = frame(1, 60);
    arp[12..14].copy_from_slice(&[8, 6]);
    near.transmit(Instant::ZERO, arp.clone()).unwrap();
    assert_eq!(far.receive(Instant::ZERO), Some(arp));
}

#[test]
fn congestion_is_marked_where_the_sender_allows_it_and_the_header_stays_valid() {
    let config = FaultConfig { mark: Probability::ALWAYS, ..NONE };
    for (ecn, marked) in [(0, 0), (1, 3), (2, 3), (3, 3)] {
        let (mut near, mut far) = injector(config, NONE, 1);
        let mut packet = frame(1, 60);
        packet[15] = 0x28 | ecn;
        packet[24..26].fill(0);
        let check = Sum::default().bytes(&packet[14..34]).finish();
        packet[24..26].copy_from_slice(&check.to_be_bytes());
        near.transmit(Instant::ZERO, packet).unwrap();
        let packet = far.receive(Instant::ZERO).unwrap();
        assert_eq!(packet[15], 0x28 | marked);
        assert!(Sum::default().bytes(&packet[14..34]).is_valid());
        assert_eq!(packet.faults() == Faults::MARKED, ecn == 1 || ecn == 2);
    }
}

#[test]
fn reordered_packets_let_a_few_pass_and_none_is_lost() {
    let config = FaultConfig { reorder: Probability::new(0.1), ..NONE };
    let (mut numbers, counts) = sent(config, 1000, 3);
    assert!(counts.reordered > 50, "{counts:?}");
    for (place, number) in numbers.iter().enumerate() {
        // A packet that lets 4 pass can be behind by one more for each other one set aside.
        assert!(number.abs_diff(place as u32) < 20, "{number} came at {place}");
    }
    assert!(!numbers.is_sorted());
    numbers.sort();
    assert!(numbers.into_iter().eq(0..1000));
}

#[test]
fn a_reordered_packet_that_nobody_passes_goes_even_so() {
    let config = FaultConfig { reorder: Probability::ALWAYS, delay: ms(5), ..NONE };
    let (mut near, mut far) = injector(config, NONE, 1);
    near.transmit(Instant::ZERO, frame(1, 60)).unwrap();
    let arrived = arrivals(&mut near, &mut far);
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].0, Instant::from_millis(25));
    assert_eq!(arrived[0].1.faults(), Faults::REORDERED);
}

#[test]
fn delay_and_jitter_keep_the_order() {
    let config = FaultConfig { delay: ms(20), jitter: ms(5), ..NONE };
    let (mut near, mut far) = injector(config, NONE, 1);
    for i in 0..100 {
        near.transmit(Instant::ZERO, frame(i, 60)).unwrap();
    }
    assert_eq!(far.receive(Instant::ZERO), None);
    let arrived = arrivals(&mut near, &mut far);
    assert_eq!(arrived.len(), 100);
    for (i, (at, packet)) in arrived.iter().enumerate() {
        assert_eq!(number(packet), i as u32);
        assert_eq!(packet.faults(), Faults::DELAYED);
        assert!((Instant::from_millis(15)..=Instant::from_millis(25)).contains(at), "{at}");
    }
    assert_ne!(arrived[0].0, arrived[99].0, "there is jitter");
    assert_eq!(near.control().counts(Direction::Tx).delayed, 100);
}

#[test]
fn a_rate_spaces_packets_and_its_queue_is_bounded() {
    let rate = Some("12mbit".parse().unwrap());
    let (mut near, mut far) = injector(FaultConfig { rate, queue: 9, ..NONE }, NONE, 1);
    for i in 0..25 {
        near.transmit(Instant::ZERO, frame(i, 1500)).unwrap();
    }
    assert_eq!(near.stats().drops[DropReason::FaultQueue], 15, "one on the line, nine waiting");
    let arrived = arrivals(&mut near, &mut far);
    assert_eq!(arrived.len(), 10);
    for (i, (at, _)) in arrived.iter().enumerate() {
        assert_eq!(*at, Instant::from_millis(1 + i as u64));
    }
    // The line is free again.
    let now = Instant::from_millis(100);
    near.transmit(now, frame(1, 1500)).unwrap();
    assert_eq!(near.poll_at(), Some(Instant::from_millis(101)));
}

#[test]
fn what_is_received_can_be_late_too() {
    let (mut near, mut far) = injector(NONE, FaultConfig { delay: ms(10), ..NONE }, 1);
    far.transmit(Instant::ZERO, frame(1, 60)).unwrap();
    assert_eq!(near.receive(Instant::ZERO), None);
    assert_eq!(near.poll_at(), Some(Instant::from_millis(10)));
    assert_eq!(near.receive(Instant::from_millis(9)), None);
    assert!(near.receive(Instant::from_millis(10)).is_some());
    assert_eq!(near.poll_at(), None);
}

#[test]
fn a_stream_of_lost_packets_does_not_hold_the_caller() {
    let (mut near, mut far) = injector(NONE, FaultConfig { loss: Loss::ALWAYS, ..NONE }, 1);
    for i in 0..300 {
        far.transmit(Instant::ZERO, frame(i, 60)).unwrap();
    }
    assert_eq!(near.receive(Instant::ZERO), None);
    assert_eq!(near.stats().rx_packets, PACKETS_A_CALL as u64);
    assert_eq!(near.poll_at(), Some(Instant::ZERO));
    assert_eq!(near.receive(Instant::ZERO), None);
    assert_eq!((near.stats().drops[DropReason::FaultLoss], near.poll_at()), (300, None));
}

#[test]
fn received_packets_that_stand_for_several_are_cut_before_any_is_lost() {
    let (mut near, mut far) = injector(NONE, FaultConfig { delay: ms(1), ..NONE }, 1);
    let mut big = frame(1, 42 + 3000);
    big.set_segmentation(Segmentation::Udp4 { size: 1000 });
    far.transmit(Instant::ZERO, big).unwrap();
    assert_eq!(near.receive(Instant::ZERO), None);
    for _ in 0..3 {
        let piece = near.receive(Instant::from_millis(1)).unwrap();
        assert_eq!((piece.len(), piece.segmentation()), (1042, Segmentation::None));
        assert!(Sum::default().bytes(&piece[26..]).word(17).word(1008).is_valid());
    }
    assert_eq!(near.receive(Instant::from_millis(1)), None);
}

#[test]
fn a_full_device_behind_is_counted() {
    let (near, _far) = Wire::pair_with(WireConfig { queue: 2, ..WireConfig::default() });
    let slow = FaultConfig { delay: ms(1), ..NONE };
    let mut near = FaultInjector::new(Box::new(near), slow, NONE, 1);
    for i in 0..5 {
        near.transmit(Instant::ZERO, frame(i, 60)).unwrap();
    }
    near.transmit(Instant::ZERO, Packet::from_payload(&[0; 1515])).unwrap();
    near.flush(Instant::from_millis(1));
    let drops = near.stats().drops;
    assert_eq!((drops[DropReason::QueueFull], drops[DropReason::TooLong]), (3, 1));
}

#[test]
fn a_link_made_perfect_again_delivers_what_was_on_its_way_first() {
    let (mut near, mut far) = injector(FaultConfig { delay: ms(5), ..NONE }, NONE, 1);
    near.transmit(Instant::ZERO, frame(1, 60)).unwrap();
    near.control().set_faults(Direction::Tx, NONE);
    near.transmit(Instant::ZERO, frame(2, 60)).unwrap();
    let numbers: Vec<u32> =
        arrivals(&mut near, &mut far).iter().map(|(_, packet)| number(packet)).collect();
    assert_eq!(numbers, [1, 2]);
    near.transmit(Instant::ZERO, frame(3, 60)).unwrap();
    assert_eq!(near.poll_at(), None);
}

proptest! {
    /// Whatever goes in comes out, or is counted.
    #[test]
    fn no_bytes_panic_and_none_vanish(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..30),
        p in prop::collection::vec(0.0..1.0f64, 5), jitter in 0u64..30, delay in 0u64..30,
        limited: bool, queue in 0usize..20, seed: u64, ip: bool,
    ) {
        let p: Vec<_> = p.into_iter().map(Probability::new).collect();
        let config = FaultConfig {
            loss: p[0].into(), duplicate: p[1], corrupt: p[2], mark: p[3], reorder: p[4],
            rate: limited.then(|| Rate::from_bits_per_second(1_000_000).unwrap()), queue,
            delay: ms(delay), jitter: ms(jitter),
        };
        let mut wire = WireConfig::default();
        wire.capabilities.medium = if ip { Medium::Ip } else { Medium::Ethernet };
        let (near, mut far) = Wire::pair_with(wire);
        let mut near = FaultInjector::new(Box::new(near), config, NONE, seed);
        for (i, bytes) in frames.iter().enumerate() {
            near.transmit(Instant::from_millis(i as u64), Packet::from_payload(bytes)).unwrap();
        }
        let arrived = arrivals(&mut near, &mut far).len() as u64;
        let counts = near.control().counts(Direction::Tx);
        let sent = frames.len() as u64 + counts.duplicated;
        prop_assert_eq!(arrived + counts.lost + counts.overflowed, sent);
        prop_assert!(near.tx.is_empty());
    }
}
