//! The error queue of a socket: ICMP errors (IP_RECVERR), and when bytes came how far
//! (SO_TIMESTAMPING).

use std::collections::VecDeque;

use netdev::Instant;

use crate::{Notice, SeqNum, Stage};

/// Notices that wait to be taken, at most, and writes whose way is followed. A program that asks
/// for them and does not take them must not cost more than this.
const MOST: usize = 1024;

/// The queue. Few connections have one.
#[derive(Default)]
pub(crate) struct Notices {
    waiting: VecDeque<Notice>,
    /// The writes that are not acknowledged, oldest first.
    writes: VecDeque<Write>,
    /// How many of them were sent.
    sent: usize,
}

/// A write that the program wants to know about: about its last byte.
struct Write {
    /// The sequence number after that.
    end: SeqNum,
    /// The place in the stream after it.
    offset: u64,
}

impl Notices {
    /// Adds one; whether there was room.
    pub(crate) fn push(&mut self, notice: Notice) -> bool {
        let room = self.waiting.len() < MOST;
        if room {
            self.waiting.push_back(notice);
        }
        room
    }

    /// Follows a write; whether there was room.
    pub(crate) fn follow(&mut self, end: SeqNum, offset: u64) -> bool {
        let room = self.writes.len() < MOST;
        if room {
            self.writes.push_back(Write { end, offset });
        }
        room
    }

    /// Everything before `nxt` was sent. How many notices found no room.
    pub(crate) fn sent(&mut self, now: Instant, nxt: SeqNum) -> u64 {
        let mut dropped = 0;
        while let Some(write) = self.writes.get(self.sent).filter(|write| write.end.le(nxt)) {
            let offset = write.offset;
            self.sent += 1;
            // A segment is given to IP in the same moment as it is made.
            for stage in [Stage::Scheduled, Stage::Sent] {
                dropped += u64::from(!self.push(Notice::Timestamp { stage, offset, at: now }));
            }
        }
        dropped
    }

    /// Everything before `una` is acknowledged. How many notices found no room.
    pub(crate) fn acknowledged(&mut self, now: Instant, una: SeqNum) -> u64 {
        let mut dropped = 0;
        while self.sent > 0 && self.writes.front().is_some_and(|write| write.end.le(una)) {
            let Some(Write { offset, .. }) = self.writes.pop_front() else { break };
            self.sent -= 1;
            let notice = Notice::Timestamp { stage: Stage::Acknowledged, offset, at: now };
            dropped += u64::from(!self.push(notice));
        }
        dropped
    }

    pub(crate) fn take(&mut self) -> Option<Notice> {
        self.waiting.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn memory(&self) -> usize {
        self.waiting.capacity() * size_of::<Notice>()
            + self.writes.capacity() * size_of::<Write>()
            + size_of::<Notices>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_scheduled_sent_and_acknowledged_by_its_last_byte() {
        let now = Instant::from_millis;
        let mut notices = Notices::default();
        notices.follow(SeqNum(4), 10);
        notices.sent(now(1), SeqNum(3));
        assert!(notices.is_empty());
        notices.sent(now(2), SeqNum(4));
        notices.acknowledged(now(3), SeqNum(4));
        let stages = [(Stage::Scheduled, 2), (Stage::Sent, 2), (Stage::Acknowledged, 3)];
        for (stage, ms) in stages {
            let expected = Notice::Timestamp { stage, offset: 10, at: now(ms) };
            assert_eq!(notices.take(), Some(expected));
        }
        assert_eq!(notices.take(), None);
    }

    #[test]
    fn a_queue_that_nobody_reads_is_bounded() {
        let mut notices = Notices::default();
        let mut dropped = 0;
        for seq in 0..2000 {
            notices.follow(SeqNum(seq), seq.into());
            dropped += notices.sent(Instant::ZERO, SeqNum(seq));
            dropped += notices.acknowledged(Instant::ZERO, SeqNum(seq));
        }
        assert_eq!(dropped, 3 * 2000 - MOST as u64);
        assert!(notices.memory() < 100_000);
    }
}
