//! No congestion control: what collapsed the Internet in 1986, to be seen in a laboratory.

use std::time::Duration;

use netdev::Instant;

use super::{Acked, CongestionControl, Timeout};

/// Only the peer's window limits what is in flight.
pub struct Unlimited;

impl CongestionControl for Unlimited {
    fn name(&self) -> &'static str {
        "none"
    }

    fn start(&mut self, _mss: u32, _initial_window: u32) {}

    fn set_mss(&mut self, _mss: u32) {}

    fn acked(&mut self, _ack: &Acked) {}

    fn congested(&mut self, _now: Instant, _flight: u32) {}

    fn recovered(&mut self, _now: Instant, _flight: u32) {}

    fn timed_out(&mut self, _now: Instant, _flight: u32, _timeout: Timeout) {}

    fn idle(&mut self, _idle: Duration, _rto: Duration) {}

    fn cwnd(&self) -> u32 {
        // Half the sequence space: more cannot be in flight, and sums do not wrap.
        1 << 30
    }

    fn ssthresh(&self) -> u32 {
        u32::MAX
    }
}
