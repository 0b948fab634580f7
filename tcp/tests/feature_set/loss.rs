//! Links that lose, duplicate, reorder and corrupt; and putting the stream together again.

use std::time::Duration;

use netdev::Instant;
use tcp::testing::{LinkConfig, Script, Side, World, pattern, seg};
use tcp::{Shutdown, State};

use crate::New;

/// Opens, moves both ways, and closes, over one bad link for each seed.
fn survives(new: New, config: &LinkConfig, seeds: std::ops::Range<u64>, len: usize) {
    for seed in seeds {
        let mut world = World::with_link(seed, config.clone(), new(seed), new(!seed));
        let pair = world.connect_pair(80);
        world.exchange(pair, &pattern(0, len), &pattern(99, len / 2));
        world.a.close(pair.a);
        assert!(world.drive_until(|world| world.b.receive(pair.b, 1) == Ok(vec![])));
        world.b.close(pair.b);
        world.drive_for(Duration::from_secs(600));
        for host in [&world.a, &world.b] {
            assert_eq!(host.tcp.sockets(host.now), [], "something is left (seed {seed})");
        }
    }
}

pub(crate) fn random_loss_duplication_and_reordering(new: New) {
    survives(new, &LinkConfig::bad(), 0..8, 300_000);
    let worse = LinkConfig { loss: 0.1, reordering: 0.3, duplication: 0.1, ..LinkConfig::bad() };
    survives(new, &worse, 100..106, 60_000);
}

pub(crate) fn corruption(new: New) {
    let config = LinkConfig { corruption: 0.03, ..LinkConfig::default() };
    survives(new, &config, 200..204, 200_000);
}

pub(crate) fn a_slow_link_with_a_short_queue(new: New) {
    let config = LinkConfig {
        rate: Some(1_000_000),
        queue: Duration::from_millis(20),
        ..LinkConfig::default()
    };
    survives(new, &config, 300..302, 300_000);
}

/// RFC 6298 §5.5.
pub(crate) fn lost_data_is_sent_again_with_growing_patience(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.send(b"lost");
    script.expect(seg("PA").seq(1).data(b"lost"));
    let mut waits: Vec<Duration> = Vec::new();
    for _ in 0..6 {
        let before = script.now();
        script.expect_within(Duration::from_secs(60), seg("PA").seq(1).data(b"lost"));
        waits.push(script.now() - before);
    }
    for pair in waits[1..].windows(2) {
        assert!(pair[1] >= pair[0] * 19 / 10, "{waits:?}");
    }
    script.inject(seg("A").ack(5));
    script.expect_quiet(Duration::from_secs(100));
}

/// RFC 5681 §3.2.
pub(crate) fn three_duplicate_acks_bring_what_was_lost_at_once(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.send(&pattern(0, 10 * 1460));
    assert_eq!(script.drain().len(), 10, "an initial window of ten segments");
    for _ in 0..2 {
        script.inject(seg("A").ack(1));
        script.expect_nothing();
    }
    script.inject(seg("A").ack(1));
    script.expect(seg("A").seq(1).len(1460));
    // RFC 6582 §3.2: a partial ACK brings the next.
    script.inject(seg("A").ack(1 + 4 * 1460));
    let again = script.drain();
    assert_eq!(again.first().and_then(|seg| seg.seq), Some(1 + 4 * 1460), "{again:?}");
    script.inject(seg("A").ack(1 + 10 * 1460));
    script.expect_quiet(Duration::from_secs(100));
}

/// RFC 6298 §3: the ACK of what was sent twice says nothing about the round trip.
pub(crate) fn karns_rule(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.send(b"lost");
    script.expect(seg("PA").data(b"lost"));
    script.expect_within(Duration::from_secs(5), seg("PA").seq(1).data(b"lost"));
    script.wait(Duration::from_millis(150));
    script.inject(seg("A").ack(5));
    let info = script.info().unwrap();
    assert!(info.rtt < Duration::from_millis(10), "{:?}", info.rtt);
}

pub(crate) fn r04_data_and_fin_in_one_segment(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.inject(seg("FPA").data(b"the end"));
    script.expect_within(Duration::from_secs(1), seg("A").seq(1).ack(9));
    script.expect_state(State::CloseWait);
    assert_eq!(script.receive(), b"the end");
    script.expect_end();
}

pub(crate) fn data_out_of_order_is_put_in_order(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    let data = pattern(0, 10 * 100);
    let piece = |at: usize| seg("A").seq(1 + 100 * at as u32).data(&data[100 * at..][..100]);
    for at in [7, 3, 5, 3, 1, 9, 2, 8, 4] {
        script.inject(piece(at));
        // RFC 5681 §4.2: a duplicate ACK at once.
        let ack = script.drain().pop().expect("an ACK for what is out of order");
        assert_eq!(ack.ack, Some(1));
        assert_eq!(script.receive(), b"");
    }
    script.inject(piece(0));
    let ack = script.drain().pop().expect("an ACK for what fills a gap");
    assert_eq!(ack.ack, Some(601));
    assert_eq!(script.receive(), data[..600]);
    script.inject(piece(6));
    assert_eq!(script.receive(), data[600..]);
}

pub(crate) fn overlapping_segments_are_put_together(new: New) {
    let data = pattern(0, 2000);
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut script = Script::new(new(1));
        script.accept_one(80);
        let mut received = Vec::new();
        for _ in 0..2000 {
            let at = rng.usize(..data.len());
            let len = rng.usize(1..=200).min(data.len() - at);
            script.inject(seg("A").seq(1 + at as u32).data(&data[at..at + len]));
            if rng.bool() {
                received.extend(script.receive());
            }
            script.drain();
        }
        script.inject(seg("A").seq(1).data(&data));
        received.extend(script.receive());
        assert!(received == data, "wrong bytes with seed {seed}");
    }
}

/// RFC 6528's numbers run with the clock: the world begins at the time that brings them close to
/// their end.
pub(crate) fn defect_sequence_numbers_wrap_while_sending(new: New) {
    let first_at = |start: Instant| {
        let mut world = World::new(1, new(1), new(2));
        world.drive(start);
        let pair = world.connect_pair(80);
        let first = |side| world.sent(side).next().unwrap().seq.unwrap();
        (first(Side::A), first(Side::B), world, pair)
    };
    let (a, b, ..) = first_at(Instant::ZERO);
    for (side, isn) in [(Side::A, a), (Side::B, b)] {
        let ticks = u64::from(0xffff_0000_u32.wrapping_sub(isn));
        let (a, b, mut world, pair) = first_at(Instant::from_micros(4 * ticks));
        let isn = if side == Side::A { a } else { b };
        assert!(isn >= 0xfffe_0000, "{isn:#x} will not wrap");
        world.link.config = LinkConfig::bad();
        world.exchange(pair, &pattern(0, 400_000), &pattern(0, 400_000));
        assert!(world.sent(side).any(|seg| seg.seq.unwrap() < 0x1_0000), "it did not wrap");
        world.a.shutdown(pair.a, Shutdown::Write).unwrap();
        assert!(world.drive_until(|world| world.b.receive(pair.b, 1) == Ok(vec![])));
    }
}

pub(crate) fn defect_sequence_numbers_wrap_while_receiving(new: New) {
    for before_wrap in [1, 2, 50, 101, 150, 1000] {
        let mut script = Script::new(new(1));
        script.peer_isn = 0u32.wrapping_sub(before_wrap);
        script.accept_one(80);
        let data = pattern(0, 1000);
        // Each pair of pieces in the wrong order.
        for at in (0..10).step_by(2) {
            for at in [at + 1, at] {
                let piece = &data[100 * at..][..100];
                script.inject(seg("A").seq(1 + 100 * at as u32).data(piece));
            }
        }
        assert!(script.receive() == data, "wrong bytes, {before_wrap} before the wrap");
        script.inject(seg("FA").seq(1001));
        script.expect_end();
    }
}

pub(crate) fn a_packet_of_64_kib_is_taken(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    let mut sent = 0;
    for _ in 0..10 {
        let room = script.info().unwrap().rcv_wnd as usize;
        let data = pattern(sent, room.min(65_000));
        script.inject(seg("PA").seq(1 + sent as u32).data(&data));
        assert!(script.receive() == data, "wrong bytes at {sent}");
        sent += data.len();
        script.wait(Duration::from_millis(500));
        let acks = script.drain();
        assert_eq!(acks.last().and_then(|ack| ack.ack), Some(1 + sent as u32));
    }
    assert!(sent > 100_000, "only {sent} bytes");
}
