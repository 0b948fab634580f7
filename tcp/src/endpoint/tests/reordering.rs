//! Reordering on a path of microseconds: what is only late is not taken for lost (RFC 8985 §6.2).

use super::*;
use crate::testing::LinkConfig;

/// A round trip of 100 µs at 10 Gbit/s.
fn short() -> LinkConfig {
    let latency = Duration::from_micros(50);
    let (rate, queue) = (Some(1_250_000_000), 10 * MS);
    LinkConfig { latency, delay: latency, rate, queue, ..LinkConfig::default() }
}

/// Moves 20 MB, some 13,800 segments; the world after that, and the seconds it took.
fn bulk(seed: u64, link: LinkConfig) -> (World, f64) {
    let (a, b) = (tcp(Config::default(), seed << 8), tcp(Config::default(), seed << 8 | 1));
    let mut world = World::with_link(seed, link, a, b);
    let pair = world.connect_pair(80);
    let start = world.now();
    world.transfer(pair, Side::A, &pattern(0, 20_000_000));
    let seconds = (world.now() - start).as_secs_f64();
    let [began, undone, again] = ["fast recoveries", "recoveries undone", "segments retransmitted"]
        .map(|name| world.a.counter(name));
    println!("seed {seed}: {seconds:.3} s, {began} recoveries, {undone} undone, {again} again");
    (world, seconds)
}

fn lost(world: &World) -> usize {
    let data = |logged: &&crate::testing::Logged| {
        logged.from == Side::A && logged.fate == "lost" && logged.seg.payload_len() > 0
    };
    world.log.iter().filter(data).count()
}

/// Nothing is lost, and one packet in twenty lets up to four others pass.
#[test]
fn nothing_is_sent_again_where_nothing_is_lost() {
    for seed in 1..4 {
        let (world, seconds) = bulk(seed, LinkConfig { overtaking: 0.05, ..short() });
        let again = world.a.counter("segments retransmitted");
        assert!(again < 10, "{again} sent again");
        assert!(seconds < 0.03, "{seconds} s");
    }
}

/// Losses and duplicates beside it: little more is sent again than what was lost, and most of the
/// recoveries are for a loss.
#[test]
fn what_is_sent_again_is_what_was_lost() {
    for seed in 1..4 {
        let link = LinkConfig { loss: 0.02, duplication: 0.01, overtaking: 0.05, ..short() };
        let (world, seconds) = bulk(seed, link);
        let (lost, again) = (lost(&world) as u64, world.a.counter("segments retransmitted"));
        let [began, undone] =
            ["fast recoveries", "recoveries undone"].map(|it| world.a.counter(it));
        assert!(again < lost + lost / 5, "{lost} lost, {again} sent again");
        assert!(undone * 10 <= began, "{began} began, {undone} of them for nothing");
        assert!(seconds < 0.8, "{seconds} s");
    }
}

/// RFC 3708 §4: what the network doubled is no proof that a recovery was for nothing. The queue
/// overflows at the end of slow start, and that stays a loss.
#[test]
fn duplicates_by_the_network_undo_nothing() {
    let micro = Duration::from_micros(1);
    for seed in 1..4 {
        let link = LinkConfig { queue: 127 * micro, duplication: 0.05, ..short() };
        let (world, seconds) = bulk(seed, link);
        assert!(world.a.counter("duplicate SACKs received") > 500);
        assert!(world.a.counter("fast recoveries") > 0);
        assert_eq!(world.a.counter("recoveries undone"), 0);
        assert!(seconds < 0.03, "{seconds} s");
    }
}
