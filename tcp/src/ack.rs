//! When received data is acknowledged (RFC 9293 §3.8.6.3, RFC 5681 §4.2).

use std::time::Duration;

use netdev::Instant;

use crate::Config;
use crate::rtt::micros;

/// Segments that are acknowledged at once when a connection is young, or after a loss, so that
/// the peer's slow start is not held up. As many as Linux's.
const QUICK: u8 = 16;

/// Decides between now and later.
pub(crate) struct AckPolicy {
    due: Due,
    /// Bytes received since the last acknowledgment.
    bytes: u32,
    /// How many are still sent at once.
    quick: u8,
    /// The user wants all of them at once.
    always_quick: bool,
    /// How long one waits: it follows the time between segments, within the limits.
    ato: Duration,
    /// In microseconds: there is one of these in every connection.
    limits: (u32, u32),
    last_data: Option<Instant>,
}

/// Whether an acknowledgment is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// No: the peer knows all that there is to know.
    No,
    /// When the delayed-ACK timer runs out, or with data that is sent before.
    Later,
    /// When the batch of input is over.
    Now,
}

impl AckPolicy {
    pub(crate) fn new(config: &Config, always_quick: bool) -> AckPolicy {
        AckPolicy {
            due: Due::No,
            bytes: 0,
            quick: QUICK,
            always_quick,
            ato: config.delayed_ack.0,
            limits: (micros(config.delayed_ack.0), micros(config.delayed_ack.1)),
            last_data: None,
        }
    }

    /// `len` bytes came in order; a full segment of the peer's has `mss`.
    pub(crate) fn in_order(&mut self, now: Instant, len: u32, mss: u32) {
        if let Some(last) = self.last_data {
            let gap = now.since(last);
            // As Linux: halfway to the time between segments, while that is within reach.
            let limit = |us: u32| Duration::from_micros(us.into());
            let (least, most) = (limit(self.limits.0), limit(self.limits.1));
            if gap <= most {
                self.ato = (self.ato / 2 + gap).clamp(least, most);
            }
        }
        self.last_data = Some(now);
        self.bytes = self.bytes.saturating_add(len);
        // RFC 9293 §3.8.6.3 (SHLD-19): for every second full-sized segment at least.
        if self.always_quick || self.quick > 0 || self.bytes >= 2 * mss.max(1) {
            self.due = Due::Now;
        } else if self.due == Due::No {
            self.due = Due::Later;
        }
    }

    /// Something came that the peer must hear of at once: a segment out of order, one that fills
    /// a gap (RFC 5681 §4.2), a FIN, or one that does not fit.
    pub(crate) fn at_once(&mut self) {
        self.due = Due::Now;
    }

    /// Data was lost on its way here: the peer slow-starts.
    pub(crate) fn quick_phase(&mut self) {
        self.quick = QUICK;
    }

    /// The user answers what it receives: acknowledgments can ride on its data.
    pub(crate) fn interactive(&mut self) {
        if self.due != Due::No {
            self.quick = 0;
        }
    }

    /// TCP_QUICKACK.
    pub(crate) fn set_always_quick(&mut self, on: bool) {
        self.always_quick = on;
        if on && self.due == Due::Later {
            self.due = Due::Now;
        }
    }

    /// A segment with an acknowledgment was sent.
    pub(crate) fn sent(&mut self) {
        if self.due != Due::No {
            self.quick = self.quick.saturating_sub(1);
        }
        self.nothing_due();
    }

    pub(crate) fn nothing_due(&mut self) {
        (self.due, self.bytes) = (Due::No, 0);
    }

    pub(crate) fn due(&self) -> Due {
        self.due
    }

    pub(crate) fn ato(&self) -> Duration {
        self.ato
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow() -> AckPolicy {
        AckPolicy { quick: 0, ..AckPolicy::new(&Config::default(), false) }
    }

    /// RFC 9293 §3.8.6.3.
    #[test]
    fn every_second_full_segment_is_acknowledged_and_small_ones_wait() {
        let mut ack = slow();
        ack.in_order(Instant::ZERO, 1000, 1000);
        assert_eq!(ack.due(), Due::Later);
        ack.in_order(Instant::ZERO, 1000, 1000);
        assert_eq!(ack.due(), Due::Now);
        ack.sent();
        assert_eq!(ack.due(), Due::No);
        for _ in 0..10 {
            ack.in_order(Instant::ZERO, 10, 1000);
        }
        assert_eq!(ack.due(), Due::Later);
    }

    #[test]
    fn a_young_connection_acknowledges_at_once_until_it_answers() {
        let mut ack = AckPolicy::new(&Config::default(), false);
        ack.in_order(Instant::ZERO, 10, 1000);
        assert_eq!(ack.due(), Due::Now);
        ack.interactive();
        ack.sent();
        ack.in_order(Instant::ZERO, 10, 1000);
        assert_eq!(ack.due(), Due::Later);
    }

    #[test]
    fn the_delay_stays_within_its_limits() {
        let mut ack = slow();
        for ms in [0, 150, 300, 450, 600, 750] {
            ack.in_order(Instant::from_millis(ms), 1, 1000);
        }
        assert_eq!(ack.ato(), Duration::from_millis(200));
        (0..20).for_each(|_| ack.in_order(Instant::from_millis(751), 1, 1000));
        assert_eq!(ack.ato(), Duration::from_millis(40));
    }
}
