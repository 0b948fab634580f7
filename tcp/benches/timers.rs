//! Timers of few and many connections, armed and fired: `cargo bench -p tcp`.

use std::time::Duration;

use divan::Bencher;
use netdev::Instant;
use tcp::testing::TimerBench;

const COUNTS: [usize; 3] = [1, 1_000, 100_000];
const STEP: Duration = Duration::from_micros(1);
const RTO: Duration = Duration::from_millis(200);

fn main() {
    divan::main();
}

/// `count` connections, each with a timer that is due a second after the one before, and one
/// more without.
fn armed(count: usize) -> TimerBench {
    let mut timers = TimerBench::new(count + 1);
    for number in 0..count {
        timers.arm(number, Instant::from_secs(1_000 + number as u64));
    }
    timers
}

/// A busy connection's timer is put off with each acknowledgment.
#[divan::bench(args = COUNTS)]
fn put_off(bencher: Bencher<'_, '_>, count: usize) {
    let (mut timers, mut now) = (armed(count), Instant::ZERO);
    bencher.bench_local(|| {
        now += STEP;
        timers.arm(count / 2, now + RTO);
    });
}

/// Beside `count` others a timer is armed that is the first to be due; then it fires.
#[divan::bench(args = COUNTS)]
fn arm_and_fire(bencher: Bencher<'_, '_>, count: usize) {
    let (mut timers, mut now) = (armed(count), Instant::ZERO);
    bencher.bench_local(|| {
        now += STEP;
        timers.arm(count, now);
        assert_eq!(timers.fire(now), 1);
    });
}

/// Nothing is due.
#[divan::bench(args = COUNTS)]
fn none_due(bencher: Bencher<'_, '_>, count: usize) {
    let mut timers = armed(count);
    bencher.bench_local(|| timers.fire(Instant::ZERO));
}
