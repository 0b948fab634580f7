//! Whether the congestion window is used at all: Linux's rule, or RFC 7661's.

use std::time::Duration;

use netdev::Instant;

use self::pipe_ack::PipeAck;
use crate::{Config, SeqNum};

mod pipe_ack;

/// How far the sender fills its congestion window.
///
/// A window that was never filled has proved nothing about the path, so it must not grow. As in
/// Linux, what is remembered is the fullest moment since the last window of data was sent; with
/// [`Config::window_validation`] what was acknowledged decides, as RFC 7661 has it.
pub(crate) struct Usage {
    /// The window was full.
    full: bool,
    /// The most bytes in flight.
    most: u32,
    /// SND.NXT when that was noted: until it is acknowledged only more may replace it.
    until: SeqNum,
    pipe_ack: Option<Box<PipeAck>>,
}

impl Usage {
    /// Nothing was sent yet after `iss`.
    pub(crate) fn new(config: &Config, iss: SeqNum) -> Usage {
        let pipe_ack = config.window_validation.then(|| Box::new(PipeAck::new(iss)));
        Usage { full: false, most: 0, until: iss, pipe_ack }
    }

    /// A burst was sent, or the window let none through: `flight` bytes are on their way.
    pub(crate) fn sent(&mut self, una: SeqNum, nxt: SeqNum, flight: u32, full: bool) {
        if full || una.ge(self.until) || (!self.full && flight > self.most) {
            (self.full, self.most, self.until) = (full, flight, nxt);
        }
    }

    /// `bytes` more have arrived.
    pub(crate) fn delivered(
        &mut self,
        now: Instant,
        una: SeqNum,
        nxt: SeqNum,
        bytes: u32,
        srtt: Option<Duration>,
    ) {
        if let Some(pipe_ack) = &mut self.pipe_ack {
            pipe_ack.delivered(now, una, nxt, bytes, srtt.unwrap_or_default());
        }
    }

    /// Whether a window of `cwnd` bytes may grow. In slow start, where each round trip doubles
    /// it, half of it used is enough: the next flight may be twice as large.
    pub(crate) fn may_grow(&mut self, now: Instant, cwnd: u32, slow_start: bool) -> bool {
        match &mut self.pipe_ack {
            // RFC 7661 §4.3 and §4.4: in the validated phase only.
            Some(pipe_ack) => pipe_ack.is_validated(now, cwnd),
            None => self.full || (slow_start && cwnd < self.most.saturating_mul(2)),
        }
    }

    /// RFC 7661 is in use, which keeps the window while nothing is sent.
    pub(crate) fn validates(&self) -> bool {
        self.pipe_ack.is_some()
    }

    /// Congestion, with `flight` bytes in flight and `retransmitted` sent again so far: what counts
    /// as the window for it, where that was not used (RFC 7661 §4.4.1, §4.4.2).
    pub(crate) fn congested(
        &mut self,
        now: Instant,
        cwnd: u32,
        flight: u32,
        retransmitted: u64,
    ) -> Option<u32> {
        self.pipe_ack.as_mut()?.congested(now, cwnd, flight, retransmitted)
    }

    /// The congestion is over: what is left of a window that came down to `ssthresh`, where it had
    /// not been used (RFC 7661 §4.4.1).
    pub(crate) fn recovered(&mut self, ssthresh: u32, retransmitted: u64) -> Option<u32> {
        self.pipe_ack.as_mut()?.recovered(ssthresh, retransmitted)
    }

    /// The congestion was none.
    pub(crate) fn undone(&mut self) {
        if let Some(pipe_ack) = &mut self.pipe_ack {
            pipe_ack.undone();
        }
    }

    /// Times that the window was not used for so long that it must come down (RFC 7661 §4.4.3).
    pub(crate) fn expired(&mut self, now: Instant, cwnd: u32) -> u32 {
        self.pipe_ack.as_mut().map_or(0, |pipe_ack| pipe_ack.expired(now, cwnd))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7661's idea, as Linux has it: a window counts as validated while the flight that filled it lasts.
    #[test]
    fn a_full_window_counts_until_it_is_acknowledged() {
        let mut usage = Usage::new(&Config::default(), SeqNum(0));
        assert!(!usage.may_grow(Instant::ZERO, 10_000, true));
        usage.sent(SeqNum(0), SeqNum(10_000), 10_000, true);
        usage.sent(SeqNum(5000), SeqNum(11_000), 6000, false);
        assert!(usage.may_grow(Instant::ZERO, 10_000, false));
        usage.sent(SeqNum(10_000), SeqNum(12_000), 2000, false);
        assert!(!usage.may_grow(Instant::ZERO, 10_000, true));
    }

    #[test]
    fn in_slow_start_more_than_half_of_it_is_enough() {
        let mut usage = Usage::new(&Config::default(), SeqNum(0));
        usage.sent(SeqNum(0), SeqNum(5000), 5000, false);
        assert!(!usage.may_grow(Instant::ZERO, 10_000, true));
        usage.sent(SeqNum(0), SeqNum(6000), 6000, false);
        assert!(usage.may_grow(Instant::ZERO, 10_000, true));
        assert!(!usage.may_grow(Instant::ZERO, 10_000, false));
    }
}
