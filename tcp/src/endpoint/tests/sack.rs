//! Selective acknowledgment: offered, sent (RFC 2018), and of duplicates (RFC 2883).

use super::*;
use crate::testing::LinkConfig;

/// The blocks of a segment that was sent, relative.
fn blocks(script: &Script, seen: &Seg) -> Vec<(u32, u32)> {
    let halves: Vec<u32> = seen
        .option(5)
        .unwrap_or_default()
        .chunks_exact(4)
        .map(|half| u32::from_be_bytes(half.try_into().unwrap()).wrapping_sub(script.peer_isn))
        .collect();
    halves.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

/// Injects `len` bytes at `seq`; gives the blocks of the acknowledgment, which is of `ack`.
#[track_caller]
fn text(script: &mut Script, seq: u32, len: usize, ack: u32) -> Vec<(u32, u32)> {
    script.inject(seg("A").seq(seq).len(len));
    let seen = script.expect(seg("A").ack(ack));
    blocks(script, &seen)
}

/// RFC 2018 §2: SACK-permitted in the SYN-ACK where it was in the SYN, without timestamps in
/// Linux's place for it.
#[test]
fn a_syn_ack_permits_sack_where_the_syn_does() {
    let mut script = script(Config::default());
    script.host.listen(80, 5);
    script.inject(seg("S").seq(0).options(&WITHOUT_TIMESTAMPS));
    let seen = script.expect(seg("SA").seq(0).ack(1));
    assert_eq!(seen.options, Some(vec![2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 8]));
    let other = "10.0.0.2:5001".parse().unwrap();
    script.peer = other;
    script.inject(seg("S").seq(0).mss(1000).from(other));
    assert_eq!(script.expect(seg("SA").seq(0).ack(1)).option(4), None);
}

#[test]
fn sack_can_be_switched_off() {
    let mut script = with_sack(Config { sack: false, ..Config::default() });
    assert!(!script.info().unwrap().options.sack);
    assert_eq!(text(&mut script, 1001, 1000, 1), []);
}

/// RFC 2018 §4: the block of the segment that came last first, then the latest others.
#[test]
fn the_acknowledgment_of_a_gap_tells_what_lies_beyond_it() {
    let mut script = with_sack(Config::default());
    assert!(script.info().unwrap().options.sack);
    assert_eq!(text(&mut script, 1001, 1000, 1), [(1001, 2001)]);
    assert_eq!(text(&mut script, 3001, 1000, 1), [(3001, 4001), (1001, 2001)]);
    assert_eq!(text(&mut script, 5001, 1000, 1), [(5001, 6001), (3001, 4001), (1001, 2001)]);
    assert_eq!(text(&mut script, 2001, 1000, 1), [(1001, 4001), (5001, 6001)]);
    assert_eq!(text(&mut script, 1, 1000, 4001), [(5001, 6001)]);
    assert_eq!(text(&mut script, 4001, 1000, 6001), []);
}

/// RFC 2018 §3: three blocks beside timestamps, four without.
#[test]
fn as_many_blocks_as_there_is_room_for() {
    let mut script = with_sack(Config::default());
    let mut last = Vec::new();
    for place in 1..=5 {
        last = text(&mut script, 2000 * place + 1, 1000, 1);
    }
    assert_eq!(last, [(10_001, 11_001), (8001, 9001), (6001, 7001), (4001, 5001)]);
}

/// RFC 2883 §4.1.1, §4.1.2: what comes twice below the acknowledgment is told of once.
#[test]
fn a_duplicate_below_the_acknowledgment_is_reported() {
    let mut script = with_sack(Config::default());
    text(&mut script, 1, 1000, 1001);
    text(&mut script, 1001, 1000, 2001);
    assert_eq!(text(&mut script, 1001, 1000, 2001), [(1001, 2001)]);
    assert_eq!(text(&mut script, 1501, 1000, 2501), [(1501, 2001)], "in part");
    assert_eq!(text(&mut script, 4001, 1000, 2501), [(4001, 5001)]);
    assert_eq!(text(&mut script, 1, 1000, 2501), [(1, 1001), (4001, 5001)]);
}

/// RFC 2883 §4.1.3: above it, in front of the block that it is a part of.
#[test]
fn a_duplicate_beyond_the_gap_is_reported() {
    let mut script = with_sack(Config::default());
    text(&mut script, 1001, 3000, 1);
    assert_eq!(text(&mut script, 2001, 1000, 1), [(2001, 3001), (1001, 4001)]);
    assert_eq!(text(&mut script, 3001, 2000, 1), [(3001, 4001), (1001, 5001)], "in part");
    assert_eq!(text(&mut script, 6001, 1000, 1), [(6001, 7001), (1001, 5001)]);
}

/// A keep-alive probe is no duplicate.
#[test]
fn a_probe_is_not_reported() {
    let mut script = with_sack(Config::default());
    text(&mut script, 1, 1000, 1001);
    assert_eq!(text(&mut script, 1000, 0, 1001), []);
}

/// Blocks of what was never sent are counted, and nothing else.
#[test]
fn a_block_out_of_place_is_counted() {
    let mut script = with_sack(Config::default());
    script.send(&pattern(0, 3000));
    script.drain();
    let base = script.isn();
    script.inject(seg("A").ack(1).options(&sack_option(base, &[(2001, 4001), (5, 4)])));
    assert_eq!(script.host.counter("SACK blocks out of place"), 2);
}

/// RFC 2018 §4: who sends data while something is missing tells it with the data, whose segments
/// are shorter by that and no longer than the path takes; and as long as ever once nothing is.
#[test]
fn full_segments_of_data_carry_blocks_while_there_is_a_gap() {
    let mut script = with_sack(Config::default());
    let full = |script: &mut Script, len| {
        let seen = script.expect(seg("A").len(len));
        blocks(script, &seen)
    };
    text(&mut script, 1001, 1000, 1);
    text(&mut script, 3001, 1000, 1);
    script.send(&pattern(0, 20_000));
    for _ in 0..10 {
        assert_eq!(full(&mut script, 1000 - 20), [(3001, 4001), (1001, 2001)]);
    }
    // The gaps are filled.
    script.inject(seg("A").seq(1).len(1000).ack(9801));
    assert_eq!(full(&mut script, 1000 - 12), [(3001, 4001)]);
    script.drain();
    script.inject(seg("A").seq(2001).len(1000).ack(19_000));
    script.drain();
    script.send(&pattern(20_000, 5000));
    assert_eq!(full(&mut script, 1000), []);
}

/// Data both ways over a link that loses: what is missing is known without acknowledgments of
/// their own, and one round trip repairs it.
#[test]
fn data_both_ways_is_repaired_without_timeouts() {
    let link = LinkConfig { loss: 0.01, ..LinkConfig::default() };
    for seed in 1..4 {
        let (a, b) = (tcp(Config::default(), seed), tcp(Config::default(), seed + 10));
        let mut world = World::with_link(seed, link.clone(), a, b);
        let pair = world.connect_pair(80);
        world.exchange(pair, &pattern(0, 2_000_000), &pattern(1, 2_000_000));
        for host in [&world.a, &world.b] {
            let again = host.counter("segments retransmitted");
            assert!((5..40).contains(&again), "seed {seed}: {again}");
            assert!(host.counter("retransmission timeouts") < 3, "seed {seed}");
        }
    }
}
