//! CUBIC (RFC 9438): the window grows by the time since the last congestion, not by round trips.

use std::time::Duration;

use netdev::Instant;

use super::hystart::{Growth, HyStart};
use super::{Acked, CongestionControl, Timeout};
use crate::Config;

#[cfg(test)]
mod tests;

/// β_cubic (RFC 9438 §4.6): what is left of the window after congestion.
const BETA: f64 = 0.7;
/// C (§5.1), in segments per second³: how steep the curve is.
const C: f64 = 0.4;
/// α_cubic (§4.3): with β it makes the average window that of Reno, which has 1 and 0.5.
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
/// The largest window: sums with it do not wrap.
const MAX_WINDOW: f64 = (1 << 30) as f64;

/// RFC 9438, with HyStart++ (RFC 9406) for the first slow start.
///
/// After a loss at a window of W_max the window climbs back to it along the concave half of a
/// cubic, lingers there, and then explores along the convex half. Where Reno would be faster
/// (short or thin paths) it follows an estimate of Reno's window.
///
/// Windows are bytes, in floating point: the steps are fractions of a byte. Only `+ - × ÷` are
/// applied to them, which IEEE 754 defines to the bit, so that a run is the same on every machine.
pub struct Cubic {
    mss: u32,
    initial_window: u32,
    restart_after_idle: bool,
    state: State,
    /// §4.9.2: the state before the last reduction. Most connections never have one.
    undo: Option<Box<State>>,
}

/// What a reduction changes, and what is restored where it was for nothing.
#[derive(Clone, Copy, Debug)]
struct State {
    cwnd: f64,
    ssthresh: u32,
    /// cwnd when ssthresh was set last.
    cwnd_prior: f64,
    /// W_max: where the last congestion was, or less with fast convergence. Zero where nothing is
    /// known of that: before the first congestion and after a timeout.
    w_max: f64,
    stage: Stage,
}

/// What the growth of the window depends on.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The first slow start, which HyStart++ watches.
    First(HyStart),
    /// A later one, up to ssthresh; and congestion avoidance before its first acknowledgment.
    Threshold,
    /// Congestion avoidance.
    Avoidance(Epoch),
}

/// A congestion avoidance stage (§4.2).
#[derive(Clone, Copy, Debug)]
struct Epoch {
    /// t: how long it has lasted, without the time in which the window was not used (§5.8).
    elapsed: Duration,
    /// Up to when that is counted.
    counted: Instant,
    /// The curve's K, in seconds, and its W_max.
    k: f64,
    origin: f64,
    /// W_est: the window that Reno would have.
    w_est: f64,
}

impl Cubic {
    /// One that has not started.
    pub fn new(config: &Config) -> Cubic {
        let mss = u32::from(config.default_mss);
        let state = State {
            cwnd: f64::from(mss),
            ssthresh: u32::MAX,
            cwnd_prior: 0.0,
            w_max: 0.0,
            stage: Stage::First(HyStart::new(config.hystart)),
        };
        let restart_after_idle = config.slow_start_after_idle;
        Cubic { mss, initial_window: mss, restart_after_idle, state, undo: None }
    }

    fn in_slow_start(&self) -> bool {
        self.state.cwnd < f64::from(self.state.ssthresh)
    }

    /// Slow start (§4.10); gives the bytes that are left for congestion avoidance.
    fn slow_start(&mut self, ack: &Acked) -> u32 {
        let state = &mut self.state;
        let growth = match &mut state.stage {
            Stage::First(hystart) => hystart.acked(ack, state.cwnd as u32),
            Stage::Threshold | Stage::Avoidance(_) => Growth::By(ack.bytes),
        };
        match growth {
            Growth::Over => {
                state.ssthresh = state.cwnd as u32;
                state.cwnd_prior = state.cwnd;
                ack.bytes
            }
            Growth::By(_) if !ack.cwnd_limited => 0,
            Growth::By(bytes) => {
                let step = f64::from(bytes).min(f64::from(state.ssthresh) - state.cwnd);
                state.cwnd = (state.cwnd + step).min(MAX_WINDOW);
                bytes - step as u32
            }
        }
    }

    /// §4.2 to §4.5.
    fn congestion_avoidance(&mut self, ack: &Acked, bytes: u32) {
        let mss = f64::from(self.mss);
        let State { cwnd, cwnd_prior, .. } = self.state;
        if !matches!(self.state.stage, Stage::Avoidance(_)) {
            let epoch = Epoch::begin(ack.now, cwnd, &mut self.state.w_max, mss);
            self.state.stage = Stage::Avoidance(epoch);
        }
        let Stage::Avoidance(epoch) = &mut self.state.stage else { return };
        epoch.count(ack.now, ack.cwnd_limited);
        if !ack.cwnd_limited {
            return;
        }
        let acked = f64::from(bytes);
        // §4.3, figure 4.
        let alpha = if epoch.w_est >= cwnd_prior { 1.0 } else { ALPHA };
        epoch.w_est += alpha * acked * mss / cwnd;
        let t = epoch.elapsed;
        if epoch.w_cubic(t, mss) < epoch.w_est {
            // The Reno-friendly region.
            self.state.cwnd = cwnd.max(epoch.w_est);
        } else {
            // The concave and the convex region (§4.4, §4.5): towards where the curve is a round
            // trip from now, by a share of the way for each segment acknowledged.
            let rtt = ack.srtt.unwrap_or_default();
            let target = epoch.w_cubic(t + rtt, mss).clamp(cwnd, 1.5 * cwnd);
            self.state.cwnd = (cwnd + (target - cwnd) * (acked / cwnd).min(1.0)).max(epoch.w_est);
        }
        self.state.cwnd = self.state.cwnd.min(MAX_WINDOW);
    }

    /// §4.6 and §4.7, but for cwnd itself.
    fn reduce(&mut self, flight: u32) {
        let mss = f64::from(self.mss);
        let state = &mut self.state;
        // Fast convergence: congestion below W_max means that a new flow wants its share.
        let share = if state.cwnd < state.w_max { (1.0 + BETA) / 2.0 } else { 1.0 };
        state.w_max = state.cwnd * share;
        state.cwnd_prior = state.cwnd;
        // What limited transmit sent beyond the window does not count (RFC 5681 §3.2, step 2).
        let flight = f64::from(flight).min(state.cwnd);
        state.ssthresh = (flight * BETA).max(2.0 * mss).round() as u32;
        // RFC 9406 §4.3: HyStart++ is for the first slow start, whose threshold means nothing.
        state.stage = Stage::Threshold;
    }
}

impl Epoch {
    /// The stage begins at `cwnd`.
    fn begin(now: Instant, cwnd: f64, w_max: &mut f64, mss: f64) -> Epoch {
        if *w_max == 0.0 {
            // §4.8 and §4.10: after a timeout, and after a slow start that no loss ended.
            *w_max = cwnd;
        }
        let (k, origin) = if cwnd < *w_max {
            // §4.2, figure 2.
            (cube_root((*w_max - cwnd) / mss / C), *w_max)
        } else {
            // There, or beyond it: explore from here.
            (0.0, cwnd)
        };
        Epoch { elapsed: Duration::ZERO, counted: now, k, origin, w_est: cwnd }
    }

    /// Lets time pass until `now`, in which the window was `used` or not.
    fn count(&mut self, now: Instant, used: bool) {
        if used {
            self.elapsed += now - self.counted;
        }
        self.counted = self.counted.max(now);
    }

    /// W_cubic(t) in bytes (§4.2, figure 1).
    fn w_cubic(&self, t: Duration, mss: f64) -> f64 {
        let t = t.as_secs_f64() - self.k;
        C * mss * t * t * t + self.origin
    }
}

impl CongestionControl for Cubic {
    fn name(&self) -> &'static str {
        "cubic"
    }

    fn start(&mut self, mss: u32, initial_window: u32) {
        (self.mss, self.initial_window) = (mss, initial_window);
        self.state.cwnd = f64::from(initial_window);
    }

    fn take_over(&mut self, cwnd: u32, ssthresh: u32) {
        (self.state.cwnd, self.state.ssthresh) = (f64::from(cwnd), ssthresh);
        // The curve led to another window.
        if let Stage::Avoidance(_) = self.state.stage {
            (self.state.stage, self.state.w_max) = (Stage::Threshold, 0.0);
        }
    }

    fn set_mss(&mut self, mss: u32) {
        // The window stays: RFC 1191 §6.4 has no more in flight than before, not less.
        self.mss = mss;
        self.state.cwnd = self.state.cwnd.max(f64::from(mss));
    }

    fn acked(&mut self, ack: &Acked) {
        let mut bytes = ack.bytes;
        if self.in_slow_start() {
            bytes = self.slow_start(ack);
        }
        if bytes > 0 && !self.in_slow_start() {
            self.congestion_avoidance(ack, bytes);
        }
    }

    fn congested(&mut self, _now: Instant, flight: u32) {
        self.undo = Some(Box::new(self.state));
        self.reduce(flight);
        self.state.cwnd = f64::from(self.state.ssthresh);
    }

    fn recovered(&mut self, _now: Instant, flight: u32) {
        // RFC 6582 §3.2, full acknowledgments, (1): no burst of what was held back.
        let (ssthresh, flight) = (self.state.ssthresh, flight.max(self.mss));
        self.state.cwnd = f64::from(ssthresh.min(flight + self.mss));
    }

    fn timed_out(&mut self, _now: Instant, flight: u32, timeout: Timeout) {
        if timeout == Timeout::First {
            self.undo = Some(Box::new(self.state));
        }
        if timeout != Timeout::Again {
            self.reduce(flight);
        }
        // §4.8: slow start from one segment as Reno, then the convex half from where it ends.
        self.state.cwnd = f64::from(self.mss);
        self.state.w_max = 0.0;
        self.state.stage = Stage::Threshold;
    }

    fn flight_begins(&mut self, now: Instant) {
        if let Stage::Avoidance(epoch) = &mut self.state.stage {
            epoch.count(now, false);
        }
    }

    fn idle(&mut self, idle: Duration, rto: Duration) {
        if self.restart_after_idle {
            let (cwnd, ssthresh) = (self.cwnd(), self.state.ssthresh);
            let (cwnd, ssthresh) =
                super::restart_window(cwnd, ssthresh, self.initial_window, idle, rto);
            (self.state.cwnd, self.state.ssthresh) = (f64::from(cwnd), ssthresh);
            if let Stage::Avoidance(_) = self.state.stage {
                self.state.stage = Stage::Threshold;
            }
        }
    }

    fn undo(&mut self) {
        // §4.9.2: unless the window has outgrown the reduction already.
        if let Some(before) = self.undo.take()
            && self.state.cwnd < before.cwnd
        {
            self.state = *before;
        }
    }

    fn cwnd(&self) -> u32 {
        self.state.cwnd as u32
    }

    fn ssthresh(&self) -> u32 {
        match &self.state.stage {
            Stage::First(hystart) => hystart.left_at().unwrap_or(self.state.ssthresh),
            Stage::Threshold | Stage::Avoidance(_) => self.state.ssthresh,
        }
    }
}

/// The cube root by Newton's method. `f64::cbrt` is the platform's, and differs in the last bit.
fn cube_root(x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    // From above it falls towards the root, until rounding stops it.
    let mut root = x.max(1.0);
    loop {
        let next = (2.0 * root + x / (root * root)) / 3.0;
        if next >= root {
            return root;
        }
        root = next;
    }
}
