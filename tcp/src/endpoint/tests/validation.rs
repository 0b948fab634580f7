//! RFC 7661: what becomes of a congestion window that is not used; and what a congestion control
//! that models the path is told.

use std::cell::RefCell;

use super::*;
use crate::testing::Pair;
use crate::{CONGESTION_CONTROLS, CaState, CongestionControl, NewReno, Part, RateSample, find};

const MSS: u32 = 1448;

/// A connection over 10 ms whose window has grown to some hundred segments, with `now` after it.
fn grown(validation: bool) -> (World, Pair) {
    let congestion = find(CONGESTION_CONTROLS, "newreno").expect("it is there");
    let config = Config {
        congestion,
        window_validation: validation,
        hystart: false,
        slow_start_after_idle: true,
        ..Config::default()
    };
    let mut world = world(config);
    let pair = world.connect_pair(80);
    world.transfer(pair, Side::A, &pattern(0, 300_000));
    // The last acknowledgments are on their way yet.
    world.drive_for(20 * MS);
    assert!(cwnd(&world, pair) > 100 * MSS, "{}", cwnd(&world, pair));
    (world, pair)
}

fn cwnd(world: &World, pair: Pair) -> u32 {
    world.a.info(pair.a).expect("open").cwnd_bytes
}

/// `segments` in each round trip, for two seconds.
fn trickle(world: &mut World, pair: Pair, segments: usize) {
    for _ in 0..200 {
        world.transfer(pair, Side::A, &pattern(0, segments * MSS as usize));
        world.drive_for(5 * MS);
    }
}

/// §4.3, §4.4: it stays as it is while less than half of it is used, over idle times too, and
/// grows again when half of it is.
#[test]
fn a_window_that_is_not_used_neither_grows_nor_is_lost() {
    let (mut world, pair) = grown(true);
    let before = cwnd(&world, pair);
    trickle(&mut world, pair, 10);
    assert_eq!(cwnd(&world, pair), before);
    world.drive_for(60 * SECOND);
    trickle(&mut world, pair, 10);
    assert_eq!(cwnd(&world, pair), before, "RFC 2861 would have brought it down");
    let half = (before / MSS / 2 + 2) as usize;
    trickle(&mut world, pair, half);
    assert!(cwnd(&world, pair) > before, "half of it is used, and that validates it");

    let (mut world, pair) = grown(false);
    let before = cwnd(&world, pair);
    world.drive_for(60 * SECOND);
    trickle(&mut world, pair, 10);
    assert!(cwnd(&world, pair) < before, "without validation it comes down");
}

/// §4.4.3: after five minutes it is halved, not below the initial window; ssthresh remembers.
#[test]
fn after_five_minutes_half_of_it_is_left() {
    let (mut world, pair) = grown(true);
    let before = cwnd(&world, pair);
    world.drive_for(290 * SECOND);
    trickle(&mut world, pair, 1);
    assert_eq!(cwnd(&world, pair), before);
    world.drive_for(15 * SECOND);
    trickle(&mut world, pair, 1);
    assert_eq!(cwnd(&world, pair), before / 2);
    world.drive_for(3600 * SECOND);
    trickle(&mut world, pair, 1);
    assert_eq!(cwnd(&world, pair), 10 * MSS);
}

/// §4.4.1: a loss in the non-validated phase counts from Max(pipeACK, LossFlightSize), and what
/// had to be sent again is taken off after it.
#[test]
fn a_loss_counts_from_what_was_used() {
    for (validation, least, most) in [(true, 1, 10), (false, 8, 11)] {
        let (mut world, pair) = grown(validation);
        trickle(&mut world, pair, 20);
        let before = cwnd(&world, pair);
        let mut left = 3;
        world.lose_all(move |from, seg| {
            let lost = from == Side::A && seg.payload_len() > 0 && left > 0;
            left -= u32::from(lost);
            lost
        });
        world.transfer(pair, Side::A, &pattern(0, 20 * MSS as usize));
        world.drive_for(20 * MS);
        let info = world.a.info(pair.a).expect("open");
        assert_eq!(info.ca_state, CaState::Open);
        let segments = info.cwnd_bytes / MSS;
        // Half of 20, less half of the three that were sent again.
        assert!(
            (least..=most).contains(&segments),
            "{validation}: {segments} segments, {before} bytes before"
        );
        if validation {
            assert!((7..=9).contains(&segments), "{segments} segments");
        }
    }
}

thread_local! {
    /// What [`Watcher`] was told, and whether it was while something was being recovered.
    static SEEN: RefCell<Vec<(RateSample, bool)>> = const { RefCell::new(Vec::new()) };
}

/// NewReno that keeps the samples.
struct Watcher {
    reno: NewReno,
    recovering: bool,
}

impl CongestionControl for Watcher {
    fn name(&self) -> &'static str {
        "watcher"
    }
    fn start(&mut self, mss: u32, initial_window: u32) {
        self.reno.start(mss, initial_window);
    }
    fn set_mss(&mut self, mss: u32) {
        self.reno.set_mss(mss);
    }
    fn delivered(&mut self, sample: &RateSample) {
        SEEN.with_borrow_mut(|seen| seen.push((*sample, self.recovering)));
    }
    fn acked(&mut self, ack: &crate::Acked) {
        self.reno.acked(ack);
    }
    fn congested(&mut self, now: netdev::Instant, flight: u32) {
        self.recovering = true;
        self.reno.congested(now, flight);
    }
    fn recovered(&mut self, now: netdev::Instant, flight: u32) {
        self.recovering = false;
        self.reno.recovered(now, flight);
    }
    fn timed_out(&mut self, now: netdev::Instant, flight: u32, timeout: crate::Timeout) {
        self.reno.timed_out(now, flight, timeout);
    }
    fn idle(&mut self, idle: Duration, rto: Duration) {
        self.reno.idle(idle, rto);
    }
    fn cwnd(&self) -> u32 {
        self.reno.cwnd()
    }
    fn ssthresh(&self) -> u32 {
        self.reno.ssthresh()
    }
    /// So that what is shown is what it says.
    fn pacing_rate(&self) -> Option<u64> {
        Some(123_456)
    }
}

static WATCHER: Part<dyn CongestionControl> = Part {
    name: "watcher",
    about: "keeps what it is told",
    make: |config| Box::new(Watcher { reno: NewReno::new(config), recovering: false }),
};

/// draft-cheng-iccrg-delivery-rate-estimation §3.3: what BBR needs comes with every
/// acknowledgment, in recovery too, and is right.
#[test]
fn a_model_of_the_path_is_fed() {
    let config = Config { congestion: &WATCHER, ..Config::default() };
    let mut world = world(config);
    // 10 Mbit/s.
    world.link.config.rate = Some(1_250_000);
    let pair = world.connect_pair(80);
    let mut count = 0;
    world.lose_all(move |from, seg| {
        count += usize::from(from == Side::A && seg.payload_len() > 0);
        from == Side::A && seg.payload_len() > 0 && count == 200
    });
    SEEN.take();
    world.transfer(pair, Side::A, &pattern(0, 1_000_000));
    // The last acknowledgments come when all has been read.
    world.drive_for(SECOND);
    let seen = SEEN.take();
    assert_eq!(seen.iter().map(|(sample, _)| sample.bytes).sum::<u32>(), 1_000_000);
    assert!(seen.iter().any(|(_, recovering)| *recovering), "none in recovery");
    for (sample, recovering) in &seen {
        assert!(sample.in_flight < sample.prior_in_flight, "{sample:?}");
        assert!(sample.min_rtt.is_some_and(|rtt| rtt >= 10 * MS), "{sample:?}");
        assert!(*recovering || sample.rtt.is_some_and(|rtt| rtt >= 10 * MS), "{sample:?}");
    }
    let rates: Vec<u64> = seen.iter().filter_map(|(sample, _)| sample.delivery_rate).collect();
    let best = rates.iter().max().expect("samples");
    // What is left of the link without headers.
    let goodput = 1_250_000 * 1448 / 1500;
    assert!((goodput * 95 / 100..=goodput * 101 / 100).contains(best), "{best}");
    assert!(!seen.last().expect("samples").0.is_app_limited, "there was more to send");
    world.transfer(pair, Side::A, &pattern(0, 1000));
    world.drive_for(SECOND);
    assert!(SEEN.take().iter().all(|(sample, _)| sample.is_app_limited), "there was too little");
    assert_eq!(world.a.info(pair.a).expect("open").pacing_rate, 123_456);
}

/// Linux's pacing rate where a control names none: twice a window in a round trip in slow start,
/// 1.2 times in congestion avoidance.
#[test]
fn the_pacing_rate_is_linuxs() {
    let (mut world, pair) = grown(true);
    let rate = |info: &crate::Info, percent: u64| {
        u64::from(info.cwnd_bytes) * percent * 10_000 / info.rtt.as_micros() as u64
    };
    let info = world.a.info(pair.a).expect("open");
    assert_eq!((info.ssthresh, info.pacing_rate), (u32::MAX, rate(&info, 200)));
    let mut lost = false;
    world.lose_all(move |from, seg| {
        from == Side::A && seg.payload_len() > 0 && !std::mem::replace(&mut lost, true)
    });
    world.transfer(pair, Side::A, &pattern(0, 300_000));
    world.drive_for(SECOND);
    let info = world.a.info(pair.a).expect("open");
    assert!(info.cwnd >= info.ssthresh / 2, "{info:?}");
    assert_eq!(info.pacing_rate, rate(&info, 120));
}
