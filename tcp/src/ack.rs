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
    /// The user answers what it receives, so that acknowledgments can ride on its data. It
    /// overrules the quick phase.
    interactive: bool,
    /// How long one waits: it follows the time between segments, within the limits.
    ato: u32,
    /// In microseconds, as `ato`: there is one of these in every connection.
    limits: (u32, u32),
    /// [`Instant::FAR_FUTURE`] before the first data.
    last_data: Instant,
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
            interactive: false,
            ato: micros(config.delayed_ack.0),
            limits: (micros(config.delayed_ack.0), micros(config.delayed_ack.1)),
            last_data: Instant::FAR_FUTURE,
        }
    }

    /// `len` bytes came in order; a full segment of the peer's has `mss`.
    pub(crate) fn in_order(&mut self, now: Instant, len: u32, mss: u32, rto: Duration) {
        if self.last_data != Instant::FAR_FUTURE {
            let gap = now.since(self.last_data);
            let least = self.least();
            // As Linux: towards the time between segments, where that is within reach.
            if gap <= least / 2 {
                self.ato = micros(self.wait() / 2 + least / 2);
            } else if gap < self.wait() {
                self.ato = micros((self.wait() / 2 + gap).min(rto));
            } else if gap > rto {
                // A peer that was silent for so long slow-starts again.
                self.quick = QUICK;
            }
        }
        self.last_data = now;
        self.bytes = self.bytes.saturating_add(len);
        // RFC 9293 §3.8.6.3 (SHLD-19) wants one for every second full segment at least. As Linux:
        // for more than one.
        let quick = self.always_quick || self.quick > 0 && !self.interactive;
        if quick || self.bytes > mss {
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
        self.interactive = false;
        self.ato = micros(self.least());
    }

    /// The user sends. Within the delay after something came it is an answer.
    pub(crate) fn answered(&mut self, now: Instant) {
        let heard = self.last_data != Instant::FAR_FUTURE;
        self.interactive |= heard && now.since(self.last_data) < self.wait();
    }

    /// The delayed-ACK timer ran out: no data came for it to ride on.
    pub(crate) fn timed_out(&mut self) {
        self.ato = micros(if self.interactive {
            self.least()
        } else {
            (self.wait() * 2).min(self.most())
        });
        self.interactive = false;
        self.due = Due::Now;
    }

    /// TCP_QUICKACK.
    pub(crate) fn set_always_quick(&mut self, on: bool) {
        self.always_quick = on;
        if on && self.due == Due::Later {
            self.due = Due::Now;
        }
    }

    /// TCP_QUICKACK, off: the user would rather wait from now on.
    pub(crate) fn patient(&mut self) {
        self.interactive = true;
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

    /// How long an acknowledgment waits: within its limits, and no longer than a round trip.
    pub(crate) fn delay(&self, srtt: Option<Duration>) -> Duration {
        let (least, most) = (self.least(), self.most());
        let round_trip = srtt.unwrap_or(most).max(least);
        self.wait().max(least).min(most).min(round_trip)
    }

    fn wait(&self) -> Duration {
        Duration::from_micros(self.ato.into())
    }

    fn least(&self) -> Duration {
        Duration::from_micros(self.limits.0.into())
    }

    fn most(&self) -> Duration {
        Duration::from_micros(self.limits.1.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const RTO: Duration = Duration::from_millis(300);

    fn slow() -> AckPolicy {
        AckPolicy { quick: 0, ..AckPolicy::new(&Config::default(), false) }
    }

    /// RFC 9293 §3.8.6.3.
    #[test]
    fn more_than_one_full_segment_is_acknowledged_and_small_ones_wait() {
        let mut ack = slow();
        ack.in_order(Instant::ZERO, 1000, 1000, RTO);
        assert_eq!(ack.due(), Due::Later);
        ack.in_order(Instant::ZERO, 1, 1000, RTO);
        assert_eq!(ack.due(), Due::Now);
        ack.sent();
        assert_eq!(ack.due(), Due::No);
        for _ in 0..10 {
            ack.in_order(Instant::ZERO, 10, 1000, RTO);
        }
        assert_eq!(ack.due(), Due::Later);
    }

    /// TCP_QUICKACK hurries what waits, and makes no acknowledgment of nothing.
    #[test]
    fn quick_from_now_on_is_for_what_waits() {
        let mut ack = slow();
        ack.set_always_quick(true);
        assert_eq!(ack.due(), Due::No);
        let mut ack = slow();
        ack.in_order(Instant::ZERO, 10, 1000, RTO);
        ack.set_always_quick(false);
        assert_eq!(ack.due(), Due::Later);
        ack.set_always_quick(true);
        assert_eq!(ack.due(), Due::Now);
    }

    #[test]
    fn a_young_connection_acknowledges_at_once_until_it_answers() {
        let mut ack = AckPolicy::new(&Config::default(), false);
        ack.in_order(Instant::ZERO, 10, 1000, RTO);
        assert_eq!(ack.due(), Due::Now);
        ack.sent();
        ack.answered(Instant::ZERO + 39 * MS);
        ack.in_order(Instant::ZERO + 50 * MS, 10, 1000, RTO);
        assert_eq!(ack.due(), Due::Later);
        // Nothing came for it to ride on: it answers no more.
        ack.timed_out();
        ack.sent();
        ack.in_order(Instant::ZERO + 120 * MS, 10, 1000, RTO);
        assert_eq!(ack.due(), Due::Now);
    }

    #[test]
    fn what_is_sent_much_later_is_no_answer() {
        let mut ack = AckPolicy::new(&Config::default(), false);
        ack.in_order(Instant::ZERO, 10, 1000, RTO);
        ack.sent();
        ack.answered(Instant::ZERO + 40 * MS);
        ack.in_order(Instant::ZERO + 50 * MS, 10, 1000, RTO);
        assert_eq!(ack.due(), Due::Now);
    }

    #[test]
    fn a_silent_peer_slow_starts_and_is_not_held_up() {
        let mut ack = slow();
        ack.in_order(Instant::ZERO, 10, 1000, RTO);
        ack.sent();
        ack.in_order(Instant::ZERO + RTO, 10, 1000, RTO);
        assert_eq!(ack.due(), Due::Later);
        ack.sent();
        ack.in_order(Instant::ZERO + 2 * RTO + MS, 10, 1000, RTO);
        assert_eq!(ack.due(), Due::Now);
    }

    #[test]
    fn the_delay_stays_within_its_limits_and_a_round_trip() {
        let mut ack = slow();
        assert_eq!(ack.delay(None), 40 * MS);
        (0..4).for_each(|_| ack.timed_out());
        assert_eq!(ack.delay(None), 200 * MS);
        assert_eq!(ack.delay(Some(150 * MS)), 150 * MS);
        assert_eq!(ack.delay(Some(MS)), 40 * MS);
        (0..20).for_each(|_| ack.in_order(Instant::ZERO, 1, 1000, RTO));
        assert!(ack.delay(None) < 41 * MS, "{:?}", ack.delay(None));
    }
}
