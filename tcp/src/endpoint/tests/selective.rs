//! Loss recovery with SACK, segment by segment (RFC 8985, RFC 6937, RFC 5682, RFC 4015).

use super::*;
use crate::testing::LinkConfig;
use crate::{CaState, info};

const MSS: u32 = 1000;

/// The peer acknowledges segments before `una`, and has some runs beyond it.
fn ack(script: &mut Script, una: u32, runs: &[(u32, u32)]) {
    let runs: Vec<_> = runs.iter().map(|(a, b)| (a * MSS + 1, b * MSS + 1)).collect();
    let options = if runs.is_empty() { vec![] } else { sack_option(script.isn(), &runs) };
    script.inject(seg("A").ack(una * MSS + 1).options(&options));
}

/// A connection of 100 ms that has sent `count` segments at once, 100 ms ago.
fn sent(count: u32) -> Script {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 5);
    script.inject(seg("S").seq(0).options(&WITHOUT_TIMESTAMPS));
    script.expect(seg("SA").seq(0).ack(1));
    script.peer_window = 320;
    script.wait(100 * MS);
    script.inject(seg("A"));
    script.socket = Some(script.host.accept(listener).unwrap().0);
    script.send(&pattern(0, (count * MSS) as usize));
    assert_eq!(script.drain().len(), count as usize);
    script.wait(100 * MS);
    script
}

#[track_caller]
fn expect(script: &mut Script, segment: u32) {
    script.expect(seg("A").seq(segment * MSS + 1).len(MSS as usize));
}

fn numbers(script: &Script) -> (CaState, u32, u32, u32, u32, u32) {
    let info = script.info().unwrap();
    (info.ca_state, info.unacked, info.sacked, info.lost, info.retrans, info.cwnd)
}

/// RFC 8985 §6, RFC 6937 §3: the loss is sent again with the third segment beyond it, then one
/// new segment for each that arrives; at the end the window is the threshold.
#[test]
fn a_loss_is_recovered_at_the_pace_of_acknowledgments() {
    let mut script = sent(10);
    script.send(&pattern(10_000, 20_000));
    ack(&mut script, 0, &[(1, 2)]);
    expect(&mut script, 10);
    ack(&mut script, 0, &[(1, 3)]);
    expect(&mut script, 11);
    assert_eq!(numbers(&script), (CaState::Disorder, 12, 2, 0, 0, 10));
    ack(&mut script, 0, &[(1, 4)]);
    expect(&mut script, 0);
    script.expect_nothing();
    assert_eq!(numbers(&script).0, CaState::Recovery);
    assert_eq!(script.info().unwrap().ssthresh, 7);
    // Nine are in the network, seven may be: the first acknowledgments bring nothing.
    let new: Vec<usize> = (5..=10)
        .map(|run| {
            ack(&mut script, 0, &[(1, run)]);
            script.drain().len()
        })
        .collect();
    assert_eq!(new, [0, 0, 1, 1, 1, 1]);
    assert_eq!(numbers(&script), (CaState::Recovery, 16, 9, 1, 1, 7));
    script.wait(100 * MS);
    ack(&mut script, 16, &[]);
    assert_eq!(numbers(&script), (CaState::Open, 7, 0, 0, 0, 7));
    assert_eq!(script.host.counter("segments retransmitted"), 1);
}

/// RFC 8985 §7: the last segment is lost; the probe after two round trips repairs it, and what it
/// repaired counts as congestion (§7.4.2).
#[test]
fn a_lost_tail_is_probed() {
    let mut script = sent(5);
    ack(&mut script, 4, &[]);
    let timer = script.info().unwrap().timer;
    assert_eq!(timer.map(|(timer, _)| timer), Some(info::Timer::LossProbe));
    script.expect_quiet(299 * MS);
    script.wait(MS);
    // One segment waits for a delayed ACK as well, but not longer than for the retransmission
    // timer, whose place the probe takes.
    expect(&mut script, 4);
    assert_eq!(script.host.counter("tail loss probes sent"), 1);
    assert_eq!(script.host.counter("retransmission timeouts"), 0);
    let before = script.info().unwrap().cwnd;
    script.wait(100 * MS);
    ack(&mut script, 5, &[]);
    script.send(&pattern(0, 1000));
    script.drain();
    ack(&mut script, 6, &[]);
    assert!(script.info().unwrap().cwnd < before, "{before}");
}

/// RFC 8985 §7.3: new data is a better probe.
#[test]
fn new_data_probes_where_there_is_any() {
    let mut script = sent(10);
    script.send(&pattern(10_000, 5000));
    script.expect_nothing();
    // Two round trips after the ten were sent, beyond the congestion window.
    script.wait(102 * MS);
    expect(&mut script, 10);
    script.expect_nothing();
    assert_eq!(script.info().unwrap().total_retrans, 0);
}

/// RFC 3708, RFC 4015: the segment was only late, and came twice: the window is what it was.
#[test]
fn a_duplicate_sack_gives_the_window_back() {
    let mut script = sent(10);
    ack(&mut script, 0, &[(1, 4)]);
    expect(&mut script, 0);
    assert!(script.info().unwrap().cwnd < 10);
    ack(&mut script, 10, &[]);
    assert_eq!(numbers(&script).5, 7);
    ack(&mut script, 10, &[(0, 1)]);
    let info = script.info().unwrap();
    assert_eq!((info.cwnd, info.ssthresh, info.dsack_dups), (10, u32::MAX, 1));
    assert_eq!(script.host.counter("recoveries undone"), 1);
}

/// RFC 5682 §3.1: a timeout, but the originals were only late: new data after the first
/// acknowledgment, no retransmissions, and the window is what it was.
#[test]
fn f_rto_sends_new_data_and_finds_that_nothing_was_lost() {
    let mut script = sent(10);
    script.send(&pattern(10_000, 10_000));
    script.wait(102 * MS);
    expect(&mut script, 10);
    script.wait(300 * MS);
    expect(&mut script, 0);
    script.expect_nothing();
    assert_eq!(numbers(&script).0, CaState::Loss);
    ack(&mut script, 1, &[]);
    expect(&mut script, 11);
    expect(&mut script, 12);
    script.expect_nothing();
    ack(&mut script, 2, &[]);
    assert_eq!(numbers(&script).0, CaState::Open);
    assert!(script.info().unwrap().cwnd >= 10);
    assert_eq!(script.host.counter("segments retransmitted"), 1);
}

/// RFC 2018 §8: blocks that were taken back; everything arrives all the same.
#[test]
fn a_peer_that_reneges_gets_everything_again() {
    let mut script = sent(4);
    ack(&mut script, 0, &[(1, 4)]);
    expect(&mut script, 0);
    ack(&mut script, 1, &[]);
    script.wait(SECOND);
    assert!(script.drain().iter().any(|seg| seg.seq == Some(MSS + 1)));
    ack(&mut script, 2, &[]);
    script.wait(SECOND);
    ack(&mut script, 4, &[]);
    assert_eq!(numbers(&script).1, 0);
}

/// Five packets in a hundred are late by up to half a round trip, none is lost: the window learns
/// it, and no timeout comes.
#[test]
fn a_link_that_reorders_is_used() {
    let config = Config::default();
    let (a, b) = (tcp(config.clone(), 1), tcp(config, 2));
    let link = LinkConfig {
        latency: 20 * MS,
        reordering: 0.05,
        delay: 20 * MS,
        rate: Some(2_500_000),
        queue: SECOND,
        ..LinkConfig::default()
    };
    let mut world = World::with_link(9, link, a, b);
    let pair = world.connect_pair(80);
    let start = world.now();
    world.transfer(pair, Side::A, &pattern(0, 10 << 20));
    let rate = (10 << 20) as f64 / (world.now() - start).as_secs_f64();
    assert_eq!(world.a.counter("retransmission timeouts"), 0);
    assert!(rate > 0.7 * 2_500_000.0, "{rate} bytes a second");
    assert!(world.a.counter("segments retransmitted") < 100);
}
