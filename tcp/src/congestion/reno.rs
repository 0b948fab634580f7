//! NewReno: slow start, congestion avoidance and multiplicative decrease (RFC 5681).

use std::time::Duration;

use netdev::Instant;

use super::hystart::{Growth, HyStart};
use super::{Acked, CongestionControl, Timeout};
use crate::Config;

/// RFC 5681, with the growth counted in bytes (RFC 3465), which a receiver cannot cheat by
/// splitting its acknowledgments.
pub struct NewReno {
    mss: u32,
    initial_window: u32,
    cwnd: u32,
    ssthresh: u32,
    /// Bytes acknowledged towards the next step of congestion avoidance.
    bytes_acked: u32,
    /// cwnd and ssthresh before the last congestion, and how slow start stood.
    before: (u32, u32, HyStart),
    hystart: HyStart,
    restart_after_idle: bool,
}

impl NewReno {
    /// One that has not started.
    pub fn new(config: &Config) -> NewReno {
        let mss = u32::from(config.default_mss);
        let hystart = HyStart::new(config.hystart);
        NewReno {
            mss,
            initial_window: mss,
            cwnd: mss,
            ssthresh: u32::MAX,
            bytes_acked: 0,
            before: (mss, u32::MAX, hystart),
            hystart,
            restart_after_idle: config.slow_start_after_idle,
        }
    }

    fn in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    /// RFC 5681 (4): half of what was in flight, two segments at least. What limited transmit
    /// sent beyond the window does not count (§3.2, step 2).
    fn reduce(&mut self, flight: u32) {
        self.ssthresh = (flight.min(self.cwnd) / 2).max(2 * self.mss);
        self.bytes_acked = 0;
        self.hystart.end();
    }
}

impl CongestionControl for NewReno {
    fn name(&self) -> &'static str {
        "newreno"
    }

    fn start(&mut self, mss: u32, initial_window: u32) {
        (self.mss, self.initial_window, self.cwnd) = (mss, initial_window, initial_window);
    }

    fn take_over(&mut self, cwnd: u32, ssthresh: u32) {
        (self.cwnd, self.ssthresh) = (cwnd, ssthresh);
    }

    fn set_mss(&mut self, mss: u32) {
        // The window stays: RFC 1191 §6.4 has no more in flight than before, not less.
        self.mss = mss;
        self.cwnd = self.cwnd.max(mss);
    }

    fn acked(&mut self, ack: &Acked) {
        let mut bytes = ack.bytes;
        if self.in_slow_start() {
            // RFC 5681 (2) with N not bounded by one segment but by what is acknowledged: an
            // acknowledgment of many segments, as offload makes them, counts for all of them.
            match self.hystart.acked(ack, self.cwnd) {
                Growth::Over => self.ssthresh = self.cwnd,
                Growth::By(growth) => {
                    let step = growth.min(self.ssthresh - self.cwnd);
                    bytes = growth - step;
                    if ack.cwnd_limited {
                        self.cwnd += step;
                    }
                }
            }
        }
        if !ack.cwnd_limited {
            return;
        }
        if bytes > 0 && !self.in_slow_start() {
            // RFC 5681 §3.1, the recommended way: one segment for each window acknowledged.
            self.bytes_acked = self.bytes_acked.saturating_add(bytes);
            while self.bytes_acked >= self.cwnd {
                self.bytes_acked -= self.cwnd;
                self.cwnd = self.cwnd.saturating_add(self.mss);
            }
        }
        self.cwnd = self.cwnd.min(1 << 30);
    }

    fn congested(&mut self, _now: Instant, flight: u32) {
        self.before = (self.cwnd, self.ssthresh, self.hystart);
        self.reduce(flight);
        // RFC 6582 §3.2 inflates the window by each duplicate ACK instead; here a duplicate ACK
        // takes its segment out of what is counted as in flight, which comes to the same.
        self.cwnd = self.ssthresh;
    }

    fn recovered(&mut self, _now: Instant, flight: u32) {
        // RFC 6582 §3.2, full acknowledgments, (1): no burst of what was held back.
        self.cwnd = self.ssthresh.min(flight.max(self.mss) + self.mss);
    }

    fn timed_out(&mut self, _now: Instant, flight: u32, timeout: Timeout) {
        if timeout == Timeout::First {
            self.before = (self.cwnd, self.ssthresh, self.hystart);
        }
        if timeout != Timeout::Again {
            self.reduce(flight);
        }
        // RFC 5681 §3.1: the loss window.
        self.cwnd = self.mss;
    }

    fn idle(&mut self, idle: Duration, rto: Duration) {
        if self.restart_after_idle {
            (self.cwnd, self.ssthresh) =
                super::restart_window(self.cwnd, self.ssthresh, self.initial_window, idle, rto);
            self.bytes_acked = 0;
        }
    }

    fn undo(&mut self) {
        self.cwnd = self.cwnd.max(self.before.0);
        self.ssthresh = self.ssthresh.max(self.before.1);
        self.hystart = self.before.2;
    }

    fn cwnd(&self) -> u32 {
        self.cwnd
    }

    fn ssthresh(&self) -> u32 {
        self.hystart.left_at().unwrap_or(self.ssthresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeqNum;

    const MSS: u32 = 1000;

    fn started() -> NewReno {
        let mut reno = NewReno::new(&Config::default());
        reno.start(MSS, 10 * MSS);
        reno
    }

    fn ack(bytes: u32) -> Acked {
        Acked {
            now: Instant::ZERO,
            bytes,
            flight: bytes,
            una: SeqNum(0),
            nxt: SeqNum(bytes),
            cwnd_limited: true,
            rtt: None,
            srtt: None,
        }
    }

    /// RFC 5681 §3.1: a window acknowledged doubles it in slow start, then adds one segment.
    #[test]
    fn slow_start_doubles_and_congestion_avoidance_adds_a_segment() {
        let mut reno = started();
        reno.acked(&ack(10 * MSS));
        assert_eq!(reno.cwnd(), 20 * MSS);
        reno.congested(Instant::ZERO, 20 * MSS);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (10 * MSS, 10 * MSS));
        for _ in 0..10 {
            reno.acked(&ack(MSS));
        }
        assert_eq!(reno.cwnd(), 11 * MSS);
    }

    /// RFC 5681 (4) and §3.1: half the flight size, and one segment after a timeout; once.
    #[test]
    fn a_timeout_sets_the_loss_window_and_lowers_the_threshold_once() {
        let mut reno = started();
        reno.timed_out(Instant::ZERO, 10 * MSS, Timeout::First);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (MSS, 5 * MSS));
        reno.timed_out(Instant::ZERO, MSS, Timeout::Again);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (MSS, 5 * MSS));
    }

    /// RFC 5681 (4): two segments at least, however little was in flight.
    #[test]
    fn the_threshold_is_two_segments_at_least() {
        let mut reno = started();
        reno.congested(Instant::ZERO, MSS);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (2 * MSS, 2 * MSS));
    }

    /// RFC 4015 §3.2: a fast recovery, and a timeout in it, for nothing.
    #[test]
    fn an_undo_takes_back_all_that_one_loss_did() {
        for timeouts in [&[][..], &[Timeout::InRecovery], &[Timeout::InRecovery, Timeout::Again]] {
            let mut reno = started();
            reno.congested(Instant::ZERO, 10 * MSS);
            assert_eq!((reno.cwnd(), reno.ssthresh()), (5 * MSS, 5 * MSS));
            timeouts.iter().for_each(|timeout| reno.timed_out(Instant::ZERO, 5 * MSS, *timeout));
            reno.undo();
            assert_eq!((reno.cwnd(), reno.ssthresh()), (10 * MSS, u32::MAX), "{timeouts:?}");
        }
    }

    /// RFC 7661's idea: a window that is not used must not grow.
    #[test]
    fn an_unused_window_does_not_grow() {
        let mut reno = started();
        reno.acked(&Acked { cwnd_limited: false, ..ack(5 * MSS) });
        assert_eq!(reno.cwnd(), 10 * MSS);
    }
}
