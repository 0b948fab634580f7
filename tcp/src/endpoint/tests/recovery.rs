//! Loss recovery and congestion control in action (RFC 5681, RFC 6582, RFC 3042).

use super::*;
use crate::testing::LinkConfig;
use crate::{CaState, Fate};

/// Loses the `n`th data segment that A sends.
fn lose_data(world: &mut World, places: &'static [usize]) {
    let mut seen = 0;
    let mut left = places.len();
    world.lose_all(move |from, seg| {
        if from != Side::A || seg.payload_len() == 0 || left == 0 {
            return false;
        }
        seen += 1;
        let lost = places.contains(&seen);
        left -= usize::from(lost);
        lost
    });
}

#[test]
fn one_loss_is_recovered_without_a_timeout() {
    let mut world = world(Config::default());
    let pair = world.connect_pair(80);
    lose_data(&mut world, &[30]);
    world.transfer(pair, Side::A, &pattern(0, 300_000));
    assert_eq!(world.a.counter("retransmission timeouts"), 0);
    assert_eq!(world.a.counter("fast recoveries"), 1);
    assert_eq!(world.a.counter("segments retransmitted"), 1);
}

/// RFC 6582 §3.2: each partial acknowledgment brings the next, one a round trip.
#[test]
fn several_losses_in_a_window_are_recovered_without_a_timeout() {
    let mut world = world(Config::default());
    let pair = world.connect_pair(80);
    lose_data(&mut world, &[30, 32, 33, 37]);
    world.transfer(pair, Side::A, &pattern(0, 300_000));
    assert_eq!(world.a.counter("retransmission timeouts"), 0);
    assert_eq!(world.a.counter("fast recoveries"), 1);
    assert_eq!(world.a.counter("segments retransmitted"), 4);
}

/// RFC 3042: a duplicate ACK each lets a new segment go, so that the third comes.
#[test]
fn limited_transmit_sends_new_data_on_the_first_two_duplicates() {
    let mut script = script(Config { initial_window: 4, ..Config::default() });
    script.accept_one(80);
    script.send(&pattern(0, 20 * 1460));
    assert_eq!(script.drain().len(), 4);
    for place in [4, 5] {
        script.inject(seg("A").ack(1));
        script.expect(seg("A").seq(1 + place * 1460).len(1460));
        script.expect_nothing();
    }
    assert_eq!(script.info().unwrap().ca_state, CaState::Disorder);
    script.inject(seg("A").ack(1));
    script.expect(seg("A").seq(1).len(1460));
    script.expect_nothing();
    let info = script.info().unwrap();
    // CUBIC: 0.7 of the four, without the two that limited transmit sent (RFC 5681 §3.2).
    assert_eq!(info.ssthresh, 2);
    // RFC 6937: two are on their way, and one is sent again.
    assert_eq!((info.ca_state, info.cwnd_bytes), (CaState::Recovery, 3 * 1460));
    assert_eq!((info.unacked, info.retrans, info.total_retrans), (6, 1, 1));
}

/// RFC 5681 §3.1: slow start from one segment after a timeout, with 0.7 of the flight as the
/// threshold (RFC 9438 §4.8); then everything again, oldest first.
#[test]
fn a_timeout_starts_over_from_one_segment() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.send(&pattern(0, 10 * 1460));
    assert_eq!(script.drain().len(), 10);
    script.expect_within(SECOND, seg("A").seq(1).len(1460));
    script.expect_nothing();
    let info = script.info().unwrap();
    assert_eq!((info.cwnd, info.ssthresh, info.ca_state), (1, 7, CaState::Loss));
    script.inject(seg("A").ack(1461));
    script.expect(seg("A").seq(1461).len(1460));
    script.expect(seg("A").seq(2921).len(1460));
    script.expect_nothing();
    script.inject(seg("A").ack(10 * 1460 + 1));
    script.expect_nothing();
    assert_eq!(script.info().unwrap().ca_state, CaState::Open);
}

/// The initial window of RFC 6928, and slow start.
#[test]
fn ten_segments_then_twenty() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.send(&pattern(0, 100 * 1460));
    assert_eq!(script.drain().len(), 10);
    script.inject(seg("A").ack(10 * 1460 + 1));
    assert_eq!(script.drain().len(), 20);
}

/// RFC 6928 §2, RFC 5681 §3.1: not after a handshake that had to be repeated.
#[test]
fn a_handshake_that_lost_segments_begins_with_one() {
    let mut script = script(Config::default());
    script.connect();
    script.wait(4 * SECOND);
    assert_eq!(script.drain().len(), 2);
    script.inject(seg("SA").mss(1460));
    script.expect(seg("A").seq(1).ack(1));
    script.send(&pattern(0, 10 * 1460));
    assert_eq!(script.drain().len(), 1);
    // RFC 6298 (5.7).
    assert_eq!(script.info().unwrap().rto, 3 * SECOND);
}

/// Without congestion control and without reassembly it still is a TCP.
#[test]
fn every_exchangeable_part_moves_bytes() {
    let all = [Config { sack: false, ..Config::default() }, Config::default()]
        .into_iter()
        .flat_map(|config| {
            crate::REASSEMBLIES
                .iter()
                .map(move |reassembly| Config { reassembly, ..config.clone() })
        })
        .flat_map(|config| {
            crate::ESTIMATORS.iter().map(move |rtt| Config { rtt, ..config.clone() })
        })
        .flat_map(|config| {
            crate::LOSS_RECOVERIES.iter().map(move |recovery| Config { recovery, ..config.clone() })
        })
        .flat_map(|config| {
            let controls = crate::CONGESTION_CONTROLS.iter();
            controls.map(move |congestion| Config { congestion, ..config.clone() })
        });
    for config in all {
        let name = config.congestion.name;
        let (a, b) = (tcp(config.clone(), 1), tcp(config, 2));
        let link = LinkConfig { loss: 0.01, ..LinkConfig::default() };
        let mut world = World::with_link(7, link, a, b);
        let pair = world.connect_pair(80);
        world.exchange(pair, &pattern(0, 200_000), &pattern(1, 100_000));
        assert_eq!(world.a.info(pair.a).unwrap().congestion, name);
    }
}

/// A congestion control can be chosen while the connection runs (TCP_CONGESTION).
#[test]
fn the_congestion_control_can_be_exchanged() {
    let mut script = script(Config::default());
    script.accept_one(80);
    let socket = script.current();
    let none = Setting::Congestion("none".into());
    script.host.set(socket, none).unwrap();
    assert_eq!(script.info().unwrap().congestion, "none");
    let unknown = Setting::Congestion("vegas".into());
    assert_eq!(script.host.set(socket, unknown), Err(ip::SocketError::Invalid));
    script.send(&pattern(0, 40 * 1460));
    assert_eq!(script.drain().len(), 40);
}

/// Every algorithm of the list, both ways, with SACK and without.
#[test]
fn every_recovery_gets_through_bad_links() {
    for recovery in crate::LOSS_RECOVERIES {
        for (seed, sack) in [(1, true), (2, true), (3, false), (4, false)] {
            let config = Config { recovery, sack, ..Config::default() };
            let (a, b) = (tcp(config.clone(), seed), tcp(config, seed + 10));
            let mut world = World::with_link(seed, LinkConfig::bad(), a, b);
            let pair = world.connect_pair(80);
            world.exchange(pair, &pattern(0, 500_000), &pattern(1, 300_000));
            assert!(world.a.counter("fast recoveries") > 0, "{recovery:?}, seed {seed}");
        }
    }
}

/// RFC 6675: many losses in one window take one recovery, and each is sent again once.
#[test]
fn counting_sacks_repairs_a_window_in_one_recovery() {
    let config = Config { recovery: named("sack"), ..Config::default() };
    let mut world = world(config);
    let pair = world.connect_pair(80);
    lose_data(&mut world, &[30, 32, 33, 37, 41, 45, 46, 47, 48]);
    world.transfer(pair, Side::A, &pattern(0, 300_000));
    assert_eq!(world.a.counter("retransmission timeouts"), 0);
    assert_eq!(world.a.counter("fast recoveries"), 1);
    assert_eq!(world.a.counter("segments retransmitted"), 9);
}

/// RFC 6675 §4, NextSeg (4): the end of the data is lost together with a segment before it. No
/// duplicate tells of it; the rescue saves the timeout.
#[test]
fn a_rescue_saves_the_tail() {
    let config = Config { recovery: named("sack"), ..Config::default() };
    let mut world = world(config);
    let pair = world.connect_pair(80);
    // Forty segments, of which the last two are lost, and one ten before the end.
    lose_data(&mut world, &[30, 39, 40]);
    world.transfer(pair, Side::A, &pattern(0, 40 * 1448));
    assert_eq!(world.a.counter("retransmission timeouts"), 0);
    assert_eq!(world.a.counter("tail loss probes sent"), 0);
    assert_eq!(world.a.counter("segments retransmitted"), 3);
}

fn named(name: &str) -> &'static crate::Part<dyn crate::LossRecovery> {
    crate::find(crate::LOSS_RECOVERIES, name).expect("a name of the list")
}

/// At 100 Mbit/s and 40 ms, with a queue that takes the rest of the peer's window.
#[test]
fn a_clean_long_link_is_filled() {
    let config = Config::default();
    let settings = crate::config::Sizes { min: 4096, default: 4 << 20, max: 4 << 20 };
    let config = Config { send_buffer: settings, receive_buffer: settings, ..config };
    let (a, b) = (tcp(config.clone(), 1), tcp(config, 2));
    let link = LinkConfig {
        latency: 20 * MS,
        rate: Some(12_500_000),
        queue: SECOND,
        ..LinkConfig::default()
    };
    let mut world = World::with_link(3, link, a, b);
    let pair = world.connect_pair(80);
    let start = world.now();
    world.transfer(pair, Side::A, &pattern(0, 30 << 20));
    let took = (world.now() - start).as_secs_f64();
    let rate = (30 << 20) as f64 / took;
    assert!(rate > 0.8 * 12_500_000.0, "{rate} bytes a second");
}

/// The scoreboard's fates add up through a whole transfer.
#[test]
fn nothing_is_left_on_the_scoreboard() {
    assert_ne!(Fate::Lost, Fate::Sacked);
    let mut world = world(Config::default());
    world.link.config = LinkConfig { loss: 0.1, ..LinkConfig::default() };
    let pair = world.connect_pair(80);
    world.transfer(pair, Side::A, &pattern(0, 100_000));
    world.drive_for(10 * SECOND);
    let info = world.a.info(pair.a).unwrap();
    assert_eq!((info.unacked, info.lost, info.retrans, info.send_queue), (0, 0, 0, 0));
    assert_eq!(info.bytes_acked, 100_000);
    assert_eq!(info.bytes_sent, 100_000 + info.bytes_retrans);
}
