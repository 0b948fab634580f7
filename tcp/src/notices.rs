//! The error queue of a socket: ICMP errors (IP_RECVERR), when bytes came how far
//! (SO_TIMESTAMPING), and which writes are over (MSG_ZEROCOPY).

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
    /// Writes that were to be released, and are.
    released: u32,
}

/// A write that the program wants to know about: about its last byte.
struct Write {
    /// The sequence number after that.
    end: SeqNum,
    /// The place in the stream after it.
    offset: u64,
    what: Follow,
}

bitflags::bitflags! {
    /// What the program wants to know of a write.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Follow: u8 {
        /// When its last byte came how far.
        const TIMES = 1;
        /// That nobody needs its memory any more.
        const RELEASE = 2;
    }
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
    pub(crate) fn follow(&mut self, end: SeqNum, offset: u64, what: Follow) -> bool {
        let room = self.writes.len() < MOST;
        if room {
            self.writes.push_back(Write { end, offset, what });
        }
        room
    }

    /// Another write is over. Such notices are joined, as Linux does: only the last number counts.
    fn release(&mut self) -> bool {
        let number = self.released;
        self.released = number.wrapping_add(1);
        match self.waiting.back_mut() {
            // It ends with the number before: had that found no room, this would not be the last.
            Some(Notice::Released { last, .. }) => {
                *last = number;
                true
            }
            _ => self.push(Notice::Released { first: number, last: number }),
        }
    }

    /// Everything before `nxt` was sent. How many notices found no room.
    pub(crate) fn sent(&mut self, now: Instant, nxt: SeqNum) -> u64 {
        let mut dropped = 0;
        while let Some(write) = self.writes.get(self.sent).filter(|write| write.end.le(nxt)) {
            let (offset, what) = (write.offset, write.what);
            self.sent += 1;
            if !what.contains(Follow::TIMES) {
                continue;
            }
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
            let Some(Write { offset, what, .. }) = self.writes.pop_front() else { break };
            self.sent -= 1;
            if what.contains(Follow::TIMES) {
                let notice = Notice::Timestamp { stage: Stage::Acknowledged, offset, at: now };
                dropped += u64::from(!self.push(notice));
            }
            if what.contains(Follow::RELEASE) {
                dropped += u64::from(!self.release());
            }
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
        notices.follow(SeqNum(4), 10, Follow::TIMES);
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

    /// MSG_ZEROCOPY: numbers in the order of the writes, those that nobody took yet joined.
    #[test]
    fn writes_are_released_by_number_when_they_are_acknowledged() {
        let mut notices = Notices::default();
        for end in [10, 20, 30] {
            notices.follow(SeqNum(end), end.into(), Follow::RELEASE);
        }
        notices.sent(Instant::ZERO, SeqNum(30));
        assert!(notices.is_empty());
        notices.acknowledged(Instant::ZERO, SeqNum(19));
        notices.acknowledged(Instant::ZERO, SeqNum(20));
        assert_eq!(notices.take(), Some(Notice::Released { first: 0, last: 1 }));
        notices.acknowledged(Instant::ZERO, SeqNum(30));
        assert_eq!(notices.take(), Some(Notice::Released { first: 2, last: 2 }));
        assert_eq!(notices.take(), None);
    }

    #[test]
    fn a_queue_that_nobody_reads_is_bounded() {
        let mut notices = Notices::default();
        let mut dropped = 0;
        for seq in 0..2000 {
            notices.follow(SeqNum(seq), seq.into(), Follow::TIMES);
            dropped += notices.sent(Instant::ZERO, SeqNum(seq));
            dropped += notices.acknowledged(Instant::ZERO, SeqNum(seq));
        }
        assert_eq!(dropped, 3 * 2000 - MOST as u64);
        let least = MOST * size_of::<Notice>();
        assert!((least..100_000).contains(&notices.memory()), "{}", notices.memory());
    }
}
