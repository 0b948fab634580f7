//! Questions that are answered by counting what arrived (RFC 6675 §4).

use super::{Board, Fate};
use crate::SeqNum;

impl Board {
    /// IsLost (RFC 6675 §4), for all segments at once: below which number one counts as lost since
    /// `dup_thresh` separate runs above it have arrived, or more than `dup_thresh - 1` full
    /// segments of bytes.
    pub fn lost_below(&self, dup_thresh: u32, mss: u32) -> Option<SeqNum> {
        let mut bytes = 0;
        for (count, (from, to)) in (1..).zip(self.runs.descending()) {
            bytes += to - from;
            if count >= dup_thresh || bytes > (dup_thresh - 1) * mss {
                return Some(from);
            }
        }
        None
    }

    /// Takes for lost what lies in `from..to` and has not arrived; of what was sent again beside
    /// an original, that. Whether there was anything.
    pub fn mark_lost(&mut self, from: SeqNum, to: SeqNum) -> bool {
        let mut any = false;
        let first = self.segments.partition_point(|segment| segment.seq.lt(from));
        for index in first..self.segments.len() {
            let segment = self.segments[index];
            if segment.end().gt(to) {
                break;
            }
            match segment.fate {
                Fate::InFlight => self.set_fate(index, Fate::Lost),
                Fate::Doubled => self.set_fate(index, Fate::Retransmitted),
                Fate::Sacked | Fate::Lost | Fate::Retransmitted => continue,
            }
            any = true;
        }
        any
    }

    /// The first segment from `from` on that has not arrived, where one beyond it has.
    pub fn first_gap(&self, from: SeqNum) -> Option<usize> {
        let (_, top) = self.runs.descending().next()?;
        let (run, _) = self.runs.around(from);
        let from = run.unwrap_or(from);
        let index = self.segments.partition_point(|segment| segment.seq.lt(from));
        self.segments.get(index).filter(|segment| segment.end().le(top)).map(|_| index)
    }

    /// The last segment that has not arrived.
    pub fn last_awaited(&self) -> Option<usize> {
        let end = self.segments.back()?.end();
        let below = match self.runs.descending().next() {
            Some((from, to)) if to == end => from,
            _ => end,
        };
        self.segments.partition_point(|segment| segment.end().le(below)).checked_sub(1)
    }
}
