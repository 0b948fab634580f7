//! HyStart++ (RFC 9406): the end of slow start before the queue overflows.

use super::Acked;
use crate::SeqNum;

/// Microseconds: half the size of a `Duration`, in every connection. The RFC's "infinity" is what
/// there is before the first sample.
type Micros = u32;
const INFINITY: Micros = u32::MAX;

/// RFC 9406 §4.3: a rise of less than this may be jitter.
const MIN_RTT_THRESH: Micros = 4000;
/// §4.3: a rise of this much is a queue, however long the path.
const MAX_RTT_THRESH: Micros = 16_000;
/// §4.3, MIN_RTT_DIVISOR: between them, the fraction of the round trip that is a rise.
const RTT_DIVISOR: u32 = 8;
/// §4.3: samples that make a round's minimum one to rely on.
const N_RTT_SAMPLE: u8 = 8;
/// §4.3: by how much slower than slow start conservative slow start is.
const CSS_GROWTH_DIVISOR: u32 = 4;
/// §4.3: how many round trips it lasts.
const CSS_ROUNDS: u8 = 5;

/// Watches the round trips of the first slow start. Where the least of one round is clearly more
/// than that of the round before, a queue is growing: it goes on, four times slower
/// (*conservative slow start*, CSS). Where the rise was none after all it goes back; else CSS
/// ends slow start after five rounds. CUBIC and NewReno both have one.
#[derive(Clone, Copy, Debug)]
pub(super) struct HyStart {
    phase: Phase,
    round: Round,
    /// The least round trip of the round before.
    last_round_min: Micros,
}

/// How slow start goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// As RFC 5681 has it.
    Standard,
    /// CSS.
    Conservative {
        /// cssBaselineMinRtt: the round trip that began it.
        baseline: Micros,
        /// Round trips begun so far.
        rounds: u8,
        /// The window when it began.
        since: u32,
    },
    /// It is over, or was never wanted.
    Over,
}

/// A round trip of the window: what was in flight at its start is acknowledged at its end.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// windowEnd: SND.NXT when it began; `None` before the first.
    end: Option<SeqNum>,
    /// currentRoundMinRTT.
    min: Micros,
    /// rttSampleCount.
    samples: u8,
}

/// What an acknowledgment in slow start does to the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// It grows by so many bytes, if it is in use.
    By(u32),
    /// Slow start is over: ssthresh is cwnd from now on.
    Over,
}

impl HyStart {
    /// For a connection that has sent nothing; without `wanted` it never intervenes.
    pub(super) fn new(wanted: bool) -> HyStart {
        let phase = if wanted { Phase::Standard } else { Phase::Over };
        HyStart { phase, round: Round::new(None), last_round_min: INFINITY }
    }

    /// An acknowledgment came in slow start, with the window at `cwnd`.
    pub(super) fn acked(&mut self, ack: &Acked, cwnd: u32) -> Growth {
        if self.phase == Phase::Over {
            return Growth::By(ack.bytes);
        }
        // "When windowEnd is ACKed": that number itself, which the next round sent first.
        if self.round.end.is_none_or(|end| ack.una.gt(end)) && self.next_round(ack.nxt) {
            self.phase = Phase::Over;
            return Growth::Over;
        }
        let entered = self.judge(cwnd);
        if let Some(rtt) = ack.rtt {
            let rtt = rtt.as_micros().min(u128::from(INFINITY - 1)) as Micros;
            self.round.min = self.round.min.min(rtt);
            self.round.samples = self.round.samples.saturating_add(1);
        }
        match self.phase {
            Phase::Conservative { .. } if entered => Growth::By(0),
            Phase::Conservative { .. } => Growth::By(ack.bytes / CSS_GROWTH_DIVISOR),
            _ => Growth::By(ack.bytes),
        }
    }

    /// The window at which slow start was left for CSS. It is what ssthresh amounts to while CSS
    /// lasts, though CSS may grow beyond it, or forget it again.
    pub(super) fn left_at(&self) -> Option<u32> {
        match self.phase {
            Phase::Conservative { since, .. } => Some(since),
            Phase::Standard | Phase::Over => None,
        }
    }

    /// Congestion ended slow start. RFC 9406 §4.3 wants HyStart++ for the first one only: later
    /// ones end at an ssthresh that means something.
    pub(super) fn end(&mut self) {
        self.phase = Phase::Over;
    }

    /// A round ended, and the next begins; `true` where it was the last one of CSS.
    fn next_round(&mut self, nxt: SeqNum) -> bool {
        self.last_round_min = self.round.min;
        self.round = Round::new(Some(nxt));
        match &mut self.phase {
            Phase::Conservative { rounds, .. } => {
                // §4.2: the round in which CSS began counts, though it was there for part of it.
                *rounds += 1;
                *rounds > CSS_ROUNDS
            }
            Phase::Standard | Phase::Over => false,
        }
    }

    /// Looks at the round so far, where it has samples enough: into CSS, or out of it. `true`
    /// where CSS begins.
    ///
    /// This comes before the acknowledgment's own sample is counted, so it is the ninth that
    /// enters CSS, and it grows nothing: as the HyStart before it, which asks for *more than*
    /// eight samples.
    fn judge(&mut self, cwnd: u32) -> bool {
        let (current, last) = (self.round.min, self.last_round_min);
        if self.round.samples < N_RTT_SAMPLE {
            return false;
        }
        match self.phase {
            Phase::Standard => {
                let rise = (last / RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
                if current >= last.saturating_add(rise) {
                    self.phase = Phase::Conservative { baseline: current, rounds: 1, since: cwnd };
                    return true;
                }
            }
            // "If the minimum RTT of the round is less than cssBaselineMinRtt": no queue grew.
            Phase::Conservative { baseline, .. } if current < baseline => {
                self.phase = Phase::Standard;
            }
            Phase::Conservative { .. } | Phase::Over => {}
        }
        false
    }
}

impl Round {
    fn new(end: Option<SeqNum>) -> Round {
        Round { end, min: INFINITY, samples: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use netdev::Instant;

    use super::*;

    const MSS: u32 = 1000;

    /// Slow start over a path whose round trip the test sets, acknowledged segment by segment.
    struct Flow {
        hystart: HyStart,
        cwnd: u32,
        una: SeqNum,
        nxt: SeqNum,
    }

    impl Flow {
        fn new() -> Flow {
            let (una, nxt) = (SeqNum(0), SeqNum(10 * MSS));
            Flow { hystart: HyStart::new(true), cwnd: 10 * MSS, una, nxt }
        }

        fn ack(&mut self, rtt_ms: u64) -> Growth {
            self.una += MSS;
            let growth = self.hystart.acked(
                &Acked {
                    now: Instant::ZERO,
                    bytes: MSS,
                    flight: self.nxt - self.una + MSS,
                    una: self.una,
                    nxt: self.nxt,
                    cwnd_limited: true,
                    rtt: Some(Duration::from_millis(rtt_ms)),
                    srtt: None,
                },
                self.cwnd,
            );
            if let Growth::By(bytes) = growth {
                self.cwnd += bytes;
            }
            // Whole segments are sent, as far as the window goes.
            self.nxt += (self.una + self.cwnd - self.nxt) / MSS * MSS;
            growth
        }

        /// A round trip's worth of acknowledgments, all with the same sample; whether slow start
        /// is over after it.
        fn round(&mut self, rtt_ms: u64) -> bool {
            let segments = (self.nxt - self.una) / MSS;
            (0..segments).any(|_| self.ack(rtt_ms) == Growth::Over)
        }
    }

    /// RFC 9406 §4.2, standard slow start.
    #[test]
    fn without_a_rise_slow_start_doubles() {
        let mut flow = Flow::new();
        for window in [20, 40, 80, 160] {
            assert!(!flow.round(100));
            assert_eq!(flow.cwnd, window * MSS);
        }
        assert_eq!(flow.hystart.left_at(), None);
    }

    /// §4.2, RttThresh: an eighth of the round trip, 4 ms at least and 16 ms at most.
    #[test]
    fn the_rise_that_counts_is_an_eighth_within_limits() {
        for (before, rise) in [(8, 4), (31, 4), (80, 10), (128, 16), (300, 16)] {
            let mut flow = Flow::new();
            flow.round(before);
            flow.round(before + rise - 1);
            assert_eq!(flow.hystart.left_at(), None, "{before} ms + {rise} ms - 1 ms");
            let mut flow = Flow::new();
            flow.round(before);
            flow.round(before + rise);
            assert!(flow.hystart.left_at().is_some(), "{before} ms + {rise} ms");
        }
    }

    /// §4.2: eight samples, of which the least counts.
    #[test]
    fn a_rise_needs_eight_samples_and_one_low_one_refutes_it() {
        let mut flow = Flow::new();
        flow.round(100);
        (0..8).for_each(|_| _ = flow.ack(150));
        assert_eq!((flow.hystart.left_at(), flow.cwnd), (None, 28 * MSS));
        assert_eq!(flow.ack(150), Growth::By(0));
        assert_eq!(flow.hystart.left_at(), Some(28 * MSS));
        assert_eq!(flow.ack(150), Growth::By(MSS / 4));

        let mut flow = Flow::new();
        flow.round(100);
        flow.ack(150);
        flow.ack(101);
        (0..18).for_each(|_| _ = flow.ack(150));
        assert_eq!(flow.hystart.left_at(), None);
    }

    /// §4.2: CSS ends slow start after five rounds, the one in which it began among them.
    #[test]
    fn five_conservative_rounds_end_slow_start() {
        let mut flow = Flow::new();
        flow.round(100);
        flow.round(150);
        let began = flow.hystart.left_at().expect("a rise");
        for _ in 0..4 {
            let before = flow.cwnd;
            assert!(!flow.round(150));
            let grown = f64::from(flow.cwnd) / f64::from(before);
            assert!((1.2..1.3).contains(&grown), "a quarter a round, not {grown}");
        }
        assert_eq!(flow.hystart.left_at(), Some(began));
        assert_eq!(flow.ack(150), Growth::Over);
        assert_eq!(flow.ack(150), Growth::By(MSS), "the second slow start is a plain one");
    }

    /// §4.2: a round with a lower minimum than the one that began CSS takes it back.
    #[test]
    fn css_resumes_slow_start_where_the_rise_was_none() {
        let mut flow = Flow::new();
        flow.round(100);
        flow.round(150);
        assert!(flow.hystart.left_at().is_some());
        (0..8).for_each(|_| assert_eq!(flow.ack(120), Growth::By(MSS / 4)));
        assert_eq!(flow.ack(120), Growth::By(MSS));
        assert_eq!(flow.hystart.left_at(), None);
        // ... with HyStart++ still watching.
        flow.round(120);
        flow.round(200);
        assert!(flow.hystart.left_at().is_some());
    }

    #[test]
    fn it_keeps_out_where_it_is_not_wanted() {
        let mut flow = Flow { hystart: HyStart::new(false), ..Flow::new() };
        for rtt in [100, 200, 400] {
            let before = flow.cwnd;
            flow.round(rtt);
            assert_eq!(flow.cwnd, 2 * before);
        }
    }
}
