//! Whether the congestion window is used at all (RFC 7661's idea).

use crate::SeqNum;

/// How far the sender fills its congestion window.
///
/// A window that was never filled has proved nothing about the path, so it must not grow. As in
/// Linux, what is remembered is the fullest moment since the last window of data was sent.
pub(crate) struct Usage {
    /// The window was full.
    full: bool,
    /// The most bytes in flight.
    most: u32,
    /// SND.NXT when that was noted: until it is acknowledged only more may replace it.
    until: SeqNum,
}

impl Usage {
    /// Nothing was sent yet after `iss`.
    pub(crate) fn new(iss: SeqNum) -> Usage {
        Usage { full: false, most: 0, until: iss }
    }

    /// A burst was sent, or the window let none through: `flight` bytes are on their way.
    pub(crate) fn sent(&mut self, una: SeqNum, nxt: SeqNum, flight: u32, full: bool) {
        if full || una.ge(self.until) || (!self.full && flight > self.most) {
            *self = Usage { full, most: flight, until: nxt };
        }
    }

    /// Whether a window of `cwnd` bytes may grow. In slow start, where each round trip doubles
    /// it, half of it used is enough: the next flight may be twice as large.
    pub(crate) fn may_grow(&self, cwnd: u32, slow_start: bool) -> bool {
        self.full || (slow_start && cwnd < self.most.saturating_mul(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7661 §4.1: a window counts as validated while the flight that filled it lasts.
    #[test]
    fn a_full_window_counts_until_it_is_acknowledged() {
        let mut usage = Usage::new(SeqNum(0));
        assert!(!usage.may_grow(10_000, true));
        usage.sent(SeqNum(0), SeqNum(10_000), 10_000, true);
        usage.sent(SeqNum(5000), SeqNum(11_000), 6000, false);
        assert!(usage.may_grow(10_000, false));
        usage.sent(SeqNum(10_000), SeqNum(12_000), 2000, false);
        assert!(!usage.may_grow(10_000, true));
    }

    #[test]
    fn in_slow_start_more_than_half_of_it_is_enough() {
        let mut usage = Usage::new(SeqNum(0));
        usage.sent(SeqNum(0), SeqNum(5000), 5000, false);
        assert!(!usage.may_grow(10_000, true));
        usage.sent(SeqNum(0), SeqNum(6000), 6000, false);
        assert!(usage.may_grow(10_000, true));
        assert!(!usage.may_grow(10_000, false));
    }
}
