//! What a sender asked for beside its bytes: records (MSG_EOR), and an urgent byte (MSG_OOB).

use std::collections::VecDeque;

use crate::SeqNum;

/// Marks in the send buffer. Few connections have any.
#[derive(Default)]
pub(crate) struct Records(Option<Box<Marks>>);

#[derive(Default)]
struct Marks {
    /// Where records end, in order. What lies on both sides of such an end never shares a
    /// segment, when it is sent again neither: the scoreboard's segments stop there.
    ends: VecDeque<SeqNum>,
    /// SND.UP: the urgent data ends in front of this (RFC 9293 §3.8.5).
    up: Option<SeqNum>,
}

impl Records {
    /// A record ends in front of `end`.
    pub(crate) fn end_at(&mut self, end: SeqNum) {
        let ends = &mut self.0.get_or_insert_default().ends;
        if ends.back().is_none_or(|last| last.lt(end)) {
            ends.push_back(end);
        }
    }

    /// The first end behind `from`.
    pub(crate) fn end_after(&self, from: SeqNum) -> Option<SeqNum> {
        let ends = &self.0.as_ref()?.ends;
        ends.get(ends.partition_point(|end| end.le(from))).copied()
    }

    /// Whether a record ends exactly there.
    pub(crate) fn ends_at(&self, seq: SeqNum) -> bool {
        self.end_after(seq - 1) == Some(seq)
    }

    /// The byte in front of `up` is urgent.
    pub(crate) fn urgent_at(&mut self, up: SeqNum) {
        self.0.get_or_insert_default().up = Some(up);
    }

    /// SND.UP, while it is not acknowledged.
    pub(crate) fn up(&self) -> Option<SeqNum> {
        self.0.as_ref()?.up
    }

    /// What comes before `una` is acknowledged.
    pub(crate) fn acknowledge(&mut self, una: SeqNum) {
        let Some(Marks { ends, up }) = self.0.as_deref_mut() else { return };
        while ends.front().is_some_and(|end| end.le(una)) {
            ends.pop_front();
        }
        *up = up.filter(|up| up.gt(una));
        if ends.is_empty() && up.is_none() {
            self.0 = None;
        }
    }

    pub(crate) fn memory(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |marks| size_of::<Marks>() + marks.ends.capacity() * size_of::<SeqNum>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_found_across_the_wrap_and_forgotten_when_acknowledged() {
        let start = SeqNum(u32::MAX - 10);
        let mut records = Records::default();
        for len in [5, 20, 20, 30] {
            records.end_at(start + len);
        }
        assert_eq!(records.end_after(start), Some(start + 5));
        assert_eq!(records.end_after(start + 5), Some(start + 20));
        assert!(records.ends_at(start + 20) && !records.ends_at(start + 19));
        records.acknowledge(start + 29);
        assert_eq!(records.end_after(start + 29), Some(start + 30));
        records.acknowledge(start + 30);
        assert_eq!((records.end_after(start + 30), records.memory()), (None, 0));
    }
}
