//! Timestamps (RFC 7323 §3 to §5): what is echoed, and what is too old to be taken.

use std::time::Duration;

use netdev::Instant;

use crate::SeqNum;
use crate::options::Timestamps;
use crate::segment::{Flags, Segment};

/// The timestamps of a connection that uses them (RFC 7323).
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    /// Added to the milliseconds of the stack's clock.
    pub(crate) offset: u32,
    /// TS.Recent.
    pub(crate) recent: u32,
    /// The second in which TS.Recent was taken: after 24 days it means nothing (§5.5).
    pub(crate) recent_at: u32,
    /// Last.ACK.sent.
    pub(crate) last_ack_sent: SeqNum,
}

impl Clock {
    /// TSval now. One tick is a millisecond.
    pub(crate) fn value(&self, now: Instant) -> u32 {
        self.offset.wrapping_add(now.millis() as u32)
    }

    /// The option of a segment that is sent now.
    pub(crate) fn option(&self, now: Instant) -> Timestamps {
        Timestamps { value: self.value(now), echo: self.recent }
    }

    /// Whether a segment is an old duplicate (§5.3, PAWS). A reset never is.
    pub(crate) fn is_old(&self, now: Instant, segment: &Segment) -> bool {
        let Some(ts) = segment.options.timestamps else { return false };
        SeqNum(ts.value).lt(SeqNum(self.recent))
            && !segment.flags.contains(Flags::RST)
            && second(now).wrapping_sub(self.recent_at) < VALID
    }

    /// An acceptable segment came: TS.Recent is that of the segment which the next
    /// acknowledgment is for (§4.3).
    pub(crate) fn take(&mut self, now: Instant, segment: &Segment) {
        if let Some(ts) = segment.options.timestamps
            && segment.seq.le(self.last_ack_sent)
            && SeqNum(ts.value).ge(SeqNum(self.recent))
        {
            (self.recent, self.recent_at) = (ts.value, second(now));
        }
    }

    /// The round trip that an acknowledgment of new data shows (§4.1); `None` where it echoes
    /// nothing of ours. One tick at least: what is shorter this clock cannot tell, and a round trip
    /// of nothing would be the least of all for a long time.
    pub(crate) fn round_trip(&self, now: Instant, segment: &Segment) -> Option<Duration> {
        let echo = segment.options.timestamps?.echo;
        let ticks = self.value(now).wrapping_sub(echo);
        // An echo from the future is none of ours.
        (echo != 0 && ticks < 1 << 31).then(|| Duration::from_millis(u64::from(ticks.max(1))))
    }
}

/// §5.5: the longest time that two values of a millisecond's clock can be compared over, in
/// seconds.
const VALID: u32 = 24 * 24 * 3600;

/// The second that it is. There is one of them in every connection, so it has 32 bits.
pub(crate) fn second(now: Instant) -> u32 {
    (now.millis() / 1000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(seq: u32, value: u32) -> Segment {
        let mut segment = Segment::new(1, 2, SeqNum(seq), SeqNum(0), Flags::ACK);
        segment.options.timestamps = Some(Timestamps { value, echo: 0 });
        segment
    }

    fn clock() -> Clock {
        let (offset, recent) = (u32::MAX - 5, u32::MAX);
        Clock { offset, recent, recent_at: 0, last_ack_sent: SeqNum(100) }
    }

    /// §5.3, §5.5.
    #[test]
    fn older_is_a_relation_on_a_circle_and_lasts_24_days() {
        let now = Instant::from_secs(1);
        assert!(clock().is_old(now, &segment(0, u32::MAX - 1)));
        assert!(!clock().is_old(now, &segment(0, u32::MAX)));
        assert!(!clock().is_old(now, &segment(0, 3)), "wrapped");
        assert!(!clock().is_old(Instant::from_secs(25 * 86_400), &segment(0, u32::MAX - 1)));
        let reset = Segment { flags: Flags::RST, ..segment(0, 0x8000_0000) };
        assert!(!clock().is_old(now, &reset));
    }

    /// §4.3 (2).
    #[test]
    fn a_segment_beyond_a_gap_is_not_echoed() {
        let mut clock = clock();
        clock.take(Instant::ZERO, &segment(101, 7));
        assert_eq!(clock.recent, u32::MAX);
        clock.take(Instant::ZERO, &segment(100, 7));
        assert_eq!(clock.recent, 7);
        assert_eq!(clock.option(Instant::from_millis(10)), Timestamps { value: 4, echo: 7 });
    }

    /// §4.1.
    #[test]
    fn the_round_trip_is_measured_across_the_wrap() {
        let mut ack = segment(0, 0);
        ack.options.timestamps = Some(Timestamps { value: 0, echo: u32::MAX - 3 });
        let rtt = clock().round_trip(Instant::from_millis(10), &ack);
        assert_eq!(rtt, Some(Duration::from_millis(8)));
        ack.options.timestamps = Some(Timestamps { value: 0, echo: 50 });
        assert_eq!(clock().round_trip(Instant::from_millis(10), &ack), None);
    }

    /// Between two ticks lies a round trip that is not measured, and is not nothing.
    #[test]
    fn a_round_trip_is_one_tick_at_least() {
        let now = Instant::from_millis(10);
        let mut ack = segment(0, 0);
        ack.options.timestamps = Some(Timestamps { value: 0, echo: clock().value(now) });
        assert_eq!(clock().round_trip(now, &ack), Some(Duration::from_millis(1)));
    }
}
