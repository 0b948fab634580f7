//! CUBIC against the formulas of RFC 9438, acknowledgment by acknowledgment.

use super::*;
use crate::SeqNum;

const MSS: u32 = 1000;
const MS: Duration = Duration::from_millis(1);

/// A sender whose window is full at all times, on a path without a queue.
struct Flow {
    cubic: Cubic,
    now: Instant,
    rtt: Duration,
    limited: bool,
}

impl Flow {
    fn new(config: &Config, rtt: Duration) -> Flow {
        let mut cubic = Cubic::new(config);
        cubic.start(MSS, 10 * MSS);
        Flow { cubic, now: Instant::ZERO, rtt, limited: true }
    }

    /// In congestion avoidance, after a loss at `segments`.
    fn after_loss_at(segments: u32, rtt: Duration) -> Flow {
        let mut flow = Flow::new(&Config::default(), rtt);
        flow.cubic.take_over(segments * MSS, u32::MAX);
        flow.lose();
        flow
    }

    fn lose(&mut self) {
        self.cubic.congested(self.now, self.cubic.cwnd());
    }

    fn ack(&mut self, bytes: u32) {
        self.cubic.acked(&Acked {
            now: self.now,
            bytes,
            flight: self.cubic.cwnd(),
            una: SeqNum(0),
            nxt: SeqNum(1),
            cwnd_limited: self.limited,
            rtt: Some(self.rtt),
            srtt: Some(self.rtt),
        });
    }

    /// A window is acknowledged, `each` segments at a time, in one round trip.
    fn round(&mut self, each: u32) {
        let (acks, start) = ((self.segments() as u32 / each).max(1), self.now);
        for i in 1..=acks {
            self.now = start + self.rtt * i / acks;
            self.ack(each * MSS);
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.round(1);
        }
    }

    fn epoch(&self) -> Epoch {
        match self.cubic.state.stage {
            Stage::Avoidance(epoch) => epoch,
            other => panic!("not in congestion avoidance: {other:?}"),
        }
    }

    fn segments(&self) -> f64 {
        self.cubic.state.cwnd / f64::from(MSS)
    }
}

#[track_caller]
fn assert_near(value: f64, expected: f64, share: f64) {
    assert!((value - expected).abs() <= share * expected, "{value}, expected about {expected}");
}

/// §4.2, figures 1 and 2: `W(t) = C·(t-K)³ + W_max` with `K = ∛((W_max - cwnd)/C)`, on a path
/// that is long enough for Reno to be slower.
#[test]
fn growth_follows_the_closed_form() {
    for rtt in [50, 100, 200] {
        let w_max = 2000.0;
        let mut flow = Flow::after_loss_at(2000, MS * rtt);
        assert_near(flow.segments(), 0.7 * w_max, 1e-6);
        let k = (0.3 * w_max / C).cbrt();
        flow.ack(0);
        for _ in 0..20 {
            flow.run(Duration::from_secs_f64(k / 10.0));
            let t = flow.now.since(Instant::ZERO).as_secs_f64();
            assert_near(flow.segments(), C * (t - k).powi(3) + w_max, 0.01);
        }
    }
}

/// §4.4 and §4.5: concave before W_max, level there, convex beyond.
#[test]
fn the_curve_is_concave_then_level_then_convex() {
    let mut flow = Flow::after_loss_at(1000, 100 * MS);
    let step = Duration::from_secs_f64((300.0 / C).cbrt() / 4.0);
    let mut growth = Vec::new();
    for _ in 0..8 {
        let before = flow.segments();
        flow.run(step);
        growth.push(flow.segments() - before);
    }
    assert!(growth[..4].windows(2).all(|pair| pair[1] < pair[0]), "concave: {growth:?}");
    assert!(growth[4..].windows(2).all(|pair| pair[1] > pair[0]), "convex: {growth:?}");
    assert!(growth[3] < 10.0 && growth[4] < 10.0, "level: {growth:?}");
}

/// §4.3: where the path is short, α_cubic segments a round trip up to the window of the last
/// congestion, and one beyond it, as Reno.
#[test]
fn on_a_short_path_it_is_as_fast_as_reno() {
    let mut flow = Flow::after_loss_at(40, 5 * MS);
    flow.ack(0);
    assert_near(ALPHA, 0.529, 0.001);
    for _ in 0..20 {
        let before = flow.segments();
        flow.round(1);
        assert_near(flow.segments() - before, ALPHA, 0.05);
    }
    while flow.segments() < 40.5 {
        flow.round(1);
    }
    for _ in 0..20 {
        let before = flow.segments();
        flow.round(1);
        assert_near(flow.segments() - before, 1.0, 0.05);
    }
}

/// §4.2, target: never more than half of the window in a round trip.
#[test]
fn growth_stays_below_that_of_slow_start() {
    let mut flow = Flow::after_loss_at(10, 1000 * MS);
    let mut rounds = 0;
    while flow.segments() < 10_000.0 {
        let before = flow.segments();
        flow.round(1);
        // Acknowledgments that are spread over the round trip compound: (1 + 1/2w)^w.
        assert!(flow.segments() <= 1.66 * before, "{} after {before}", flow.segments());
        rounds += 1;
    }
    assert!(rounds < 50, "it was not even fast: {rounds} round trips");
}

/// §4.2: acknowledgments of many segments, as offload makes them, give the same curve.
#[test]
fn stretched_acknowledgments_change_nothing() {
    let (mut one, mut many) =
        (Flow::after_loss_at(1000, 100 * MS), Flow::after_loss_at(1000, 100 * MS));
    for _ in 0..150 {
        one.round(1);
        many.round(35);
    }
    assert_near(many.segments(), one.segments(), 0.02);
}

/// §4.6: β = 0.7 of what was in flight, two segments at least.
#[test]
fn congestion_leaves_seven_tenths() {
    let mut flow = Flow::after_loss_at(100, 100 * MS);
    assert_eq!((flow.cubic.cwnd(), flow.cubic.ssthresh()), (70 * MSS, 70 * MSS));
    // An application that had little in flight.
    flow.cubic.congested(flow.now, 20 * MSS);
    assert_eq!((flow.cubic.cwnd(), flow.cubic.ssthresh()), (14 * MSS, 14 * MSS));
    // What limited transmit sent beyond the window does not count (RFC 5681 §3.2).
    flow.cubic.congested(flow.now, 16 * MSS);
    assert_eq!(flow.cubic.ssthresh(), 9800);
    flow.cubic.congested(flow.now, MSS);
    assert_eq!((flow.cubic.cwnd(), flow.cubic.ssthresh()), (2 * MSS, 2 * MSS));
}

/// §4.7: a loss below W_max sets W_max lower still; one above it does not.
#[test]
fn fast_convergence_gives_way() {
    let mut flow = Flow::after_loss_at(1000, 100 * MS);
    assert_eq!(flow.cubic.state.w_max, 1e6);
    flow.run(Duration::from_secs(4));
    let cwnd = flow.cubic.state.cwnd;
    assert!(cwnd < 1e6);
    flow.lose();
    assert_eq!(flow.cubic.state.w_max, cwnd * 0.85);
    assert_eq!(flow.cubic.state.cwnd_prior, cwnd);
    flow.run(Duration::from_secs(30));
    let cwnd = flow.cubic.state.cwnd;
    assert!(cwnd > 1e6);
    flow.lose();
    assert_eq!(flow.cubic.state.w_max, cwnd);
}

/// §4.8: one segment, slow start to β of the window, then the convex half from there: K = 0 and
/// W_max the window that slow start ended at.
#[test]
fn after_a_timeout_the_curve_begins_where_slow_start_ends() {
    let mut flow = Flow::after_loss_at(1000, 100 * MS);
    flow.cubic.timed_out(flow.now, 700 * MSS, Timeout::First);
    assert_eq!((flow.cubic.cwnd(), flow.cubic.ssthresh()), (MSS, 490 * MSS));
    flow.cubic.timed_out(flow.now, MSS, Timeout::Again);
    assert_eq!((flow.cubic.cwnd(), flow.cubic.ssthresh()), (MSS, 490 * MSS));
    while flow.cubic.in_slow_start() {
        flow.round(1);
    }
    flow.ack(MSS);
    let epoch = flow.epoch();
    assert_eq!((epoch.k, flow.cubic.state.w_max), (0.0, epoch.origin));
    assert_near(epoch.origin, 490_000.0, 0.01);
    let (start, from) = (flow.now, epoch.origin / 1000.0);
    flow.run(Duration::from_secs(10));
    let t = flow.now.since(start).as_secs_f64();
    assert_near(flow.segments(), C * t.powi(3) + from, 0.02);
}

/// §4.10: a slow start that HyStart++ ended left no W_max; the curve begins where it ended.
#[test]
fn after_hystart_the_curve_begins_where_slow_start_ended() {
    let mut flow = Flow::new(&Config::default(), 100 * MS);
    flow.cubic.take_over(300 * MSS, 300 * MSS);
    flow.ack(MSS);
    let epoch = flow.epoch();
    assert_eq!((epoch.k, epoch.origin), (0.0, 300_000.0));
}

/// §4.9.2: everything as it was, the time of the epoch included.
#[test]
fn a_spurious_loss_is_undone() {
    let mut flow = Flow::after_loss_at(1000, 100 * MS);
    flow.run(Duration::from_secs(3));
    let (cwnd, ssthresh) = (flow.cubic.cwnd(), flow.cubic.ssthresh());
    let elapsed = flow.epoch().elapsed;
    flow.lose();
    assert!(flow.cubic.cwnd() < cwnd);
    flow.now += 100 * MS;
    flow.cubic.undo();
    assert_eq!((flow.cubic.cwnd(), flow.cubic.ssthresh()), (cwnd, ssthresh));
    assert_eq!(flow.cubic.state.w_max, 1e6);
    assert_eq!(flow.epoch().elapsed, elapsed);
    // The same after a timeout, in the first slow start too: its threshold is open again.
    let mut flow = Flow::new(&Config::default(), 100 * MS);
    flow.cubic.timed_out(flow.now, 10 * MSS, Timeout::First);
    flow.cubic.timed_out(flow.now, 10 * MSS, Timeout::Again);
    flow.cubic.undo();
    assert_eq!((flow.cubic.cwnd(), flow.cubic.ssthresh()), (10 * MSS, u32::MAX));
    flow.cubic.undo();
    assert_eq!(flow.cubic.cwnd(), 10 * MSS, "only once");
    // Both of a fast recovery and a timeout in it.
    flow.lose();
    flow.cubic.timed_out(flow.now, 7 * MSS, Timeout::InRecovery);
    assert_eq!((flow.cubic.cwnd(), flow.cubic.ssthresh()), (MSS, 4900));
    flow.cubic.undo();
    assert_eq!((flow.cubic.cwnd(), flow.cubic.ssthresh()), (10 * MSS, u32::MAX));
}

/// §4.9.2: "when the detection happens long after": what has grown since is better.
#[test]
fn an_undo_that_comes_late_takes_nothing_back() {
    let mut flow = Flow::after_loss_at(100, 100 * MS);
    flow.run(Duration::from_secs(60));
    let cwnd = flow.cubic.cwnd();
    assert!(cwnd > 100 * MSS);
    flow.cubic.undo();
    assert_eq!(flow.cubic.cwnd(), cwnd);
}

/// §5.8: a window that is not used does not grow, and its time does not count.
#[test]
fn the_curve_stands_still_while_the_application_is_the_limit() {
    let mut flow = Flow::after_loss_at(1000, 100 * MS);
    let mut twin = Flow::after_loss_at(1000, 100 * MS);
    for flow in [&mut flow, &mut twin] {
        flow.run(Duration::from_secs(2));
    }
    flow.limited = false;
    let cwnd = flow.segments();
    for _ in 0..100 {
        flow.now += 100 * MS;
        flow.ack(10 * MSS);
    }
    assert_eq!(flow.segments(), cwnd);
    flow.limited = true;
    for flow in [&mut flow, &mut twin] {
        flow.run(Duration::from_secs(2));
    }
    assert_near(flow.segments(), twin.segments(), 1e-3);
}

/// §5.8: nor does the time in which nothing was in flight at all.
#[test]
fn the_curve_stands_still_while_nothing_is_sent() {
    let mut flow = Flow::after_loss_at(1000, 100 * MS);
    flow.run(Duration::from_secs(2));
    let cwnd = flow.segments();
    flow.now += Duration::from_secs(3600);
    flow.cubic.flight_begins(flow.now);
    flow.round(1);
    assert_near(flow.segments(), cwnd, 0.05);
    assert!(flow.segments() > cwnd);
}

/// RFC 2861 §3 (RFC 5681 §4.1): halved for each timeout of idleness, down to the initial window;
/// ssthresh remembers three quarters. Only where it is wanted.
#[test]
fn an_idle_window_is_halved_for_each_timeout() {
    let mut flow = Flow::new(&Config::default(), 100 * MS);
    flow.cubic.take_over(80 * MSS, 20 * MSS);
    flow.cubic.idle(900 * MS, 300 * MS);
    assert_eq!(flow.cubic.cwnd(), 80 * MSS);
    let config = Config { slow_start_after_idle: true, ..Config::default() };
    for (idle, left) in [(350, 40), (700, 20), (1000, 10), (100_000_000, 10)] {
        let mut flow = Flow::new(&config, 100 * MS);
        flow.cubic.take_over(80 * MSS, 20 * MSS);
        flow.cubic.idle(MS * idle, 300 * MS);
        assert_eq!((flow.cubic.cwnd(), flow.cubic.ssthresh()), (left * MSS, 60 * MSS));
    }
}

/// RFC 6928 and RFC 5681 §3.1: slow start from the initial window; what an acknowledgment has
/// beyond ssthresh counts for congestion avoidance.
#[test]
fn slow_start_ends_at_the_threshold() {
    let mut flow = Flow::new(&Config::default(), 100 * MS);
    flow.round(2);
    assert_eq!(flow.cubic.cwnd(), 20 * MSS);
    flow.cubic.take_over(20 * MSS, 25 * MSS);
    flow.ack(20 * MSS);
    assert!((25 * MSS..26 * MSS).contains(&flow.cubic.cwnd()), "{}", flow.cubic.cwnd());
}

#[test]
fn the_cube_root_is_exact_enough() {
    for x in [1e-9, 0.3, 1.0, 2.0, 27.0, 750.0, 1e6, 1e15] {
        assert_near(cube_root(x), f64::cbrt(x), 1e-14);
    }
    assert_eq!((cube_root(0.0), cube_root(-1.0)), (0.0, 0.0));
}
