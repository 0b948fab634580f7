//! Connections in TIME-WAIT (RFC 9293 §3.3.2, §3.6.1): what is left of them.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use ip::{Tos, Ttl};
use netdev::Instant;

use crate::challenge::PerConnection;
use crate::hash::SeededState;
use crate::options::Timestamps;
use crate::segment::{Flags, Segment};
use crate::table::Tuple;
use crate::tcb::ConnId;
use crate::{DropReason, SeqNum};

/// All that a connection in TIME-WAIT needs: enough to acknowledge the peer's FIN once more, and
/// to know an old segment from a new connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remains {
    pub(crate) snd_nxt: SeqNum,
    pub(crate) rcv_nxt: SeqNum,
    /// As it stood on the wire last.
    pub(crate) window: u16,
    pub(crate) ttl: Ttl,
    pub(crate) tos: Tos,
    /// TS.Recent and the offset of the own clock, where timestamps are in use.
    pub(crate) timestamps: Option<(u32, u32)>,
    /// The socket's connection, where a socket still shows it.
    pub(crate) id: Option<ConnId>,
    pub(crate) challenge: PerConnection,
    due: Instant,
}

/// What is to be done with a segment for a connection in TIME-WAIT.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Acknowledge it (unless there were too many of them): a FIN again, or what does not fit.
    Acknowledge(DropReason),
    /// Its successor: over with the old one, and to the listener with the segment. The new ISN
    /// has to lie beyond the old one.
    Reuse,
    /// Drop it.
    Drop(DropReason),
}

impl Remains {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new(
        snd_nxt: SeqNum,
        rcv_nxt: SeqNum,
        window: u16,
        ttl: Ttl,
        tos: Tos,
        timestamps: Option<(u32, u32)>,
        id: Option<ConnId>,
    ) -> Remains {
        let (challenge, due) = (PerConnection::default(), Instant::ZERO);
        Remains { snd_nxt, rcv_nxt, window, ttl, tos, timestamps, id, challenge, due }
    }

    /// RFC 9293 §3.10.7.4 for TIME-WAIT, and §3.6.1 (MAY-2) for a SYN.
    pub(crate) fn segment_arrives(&self, segment: &Segment) -> Verdict {
        let flags = segment.flags;
        let newer = segment.seq.ge(self.rcv_nxt);
        if flags.contains(Flags::RST) {
            // RFC 1337 (F1): a reset must not end TIME-WAIT early. RFC 9293 has it end, which
            // RFC 5961 allows for the exact number only; the former is the safe choice.
            return Verdict::Drop(DropReason::StrayReset);
        }
        if flags.contains(Flags::SYN) && !flags.contains(Flags::ACK) {
            // RFC 6191 §2: a newer timestamp tells that the SYN is new, an older one that it is
            // not; where they are the same, or there are none, its number must.
            let newer = match (self.timestamps, segment.options.timestamps) {
                (Some((recent, _)), Some(Timestamps { value, .. })) if value != recent => {
                    SeqNum(value).gt(SeqNum(recent))
                }
                _ => segment.seq.gt(self.rcv_nxt),
            };
            return match newer {
                true => Verdict::Reuse,
                false => Verdict::Acknowledge(DropReason::UnexpectedSyn),
            };
        }
        if !flags.contains(Flags::ACK) {
            return Verdict::Drop(DropReason::NoAck);
        }
        if segment.seq_len() == 0 && newer {
            // A bare acknowledgment in place: nothing to say to it.
            return Verdict::Drop(DropReason::OutOfWindow);
        }
        Verdict::Acknowledge(DropReason::OutOfWindow)
    }
}

/// The table, with a limit: one more ends the oldest.
pub(crate) struct TimeWait {
    remains: HashMap<Tuple, Remains, SeededState>,
    /// In the order in which they are due, since all wait for the same time. An entry whose
    /// connection was removed, or waits longer now, is passed over.
    queue: VecDeque<(Instant, Tuple)>,
    duration: Duration,
    limit: usize,
}

impl TimeWait {
    pub(crate) fn new(duration: Duration, limit: usize, seed: u64) -> TimeWait {
        TimeWait {
            remains: HashMap::with_hasher(SeededState::new(seed, "TIME-WAIT")),
            queue: VecDeque::new(),
            duration,
            limit,
        }
    }

    /// Takes a connection in; gives those that had to go for it.
    pub(crate) fn insert(
        &mut self,
        now: Instant,
        tuple: Tuple,
        remains: Remains,
    ) -> Vec<(Tuple, Remains)> {
        let due = now + self.duration;
        self.remains.insert(tuple, Remains { due, ..remains });
        self.queue.push_back((due, tuple));
        let mut gone = Vec::new();
        while self.remains.len() > self.limit {
            let Some((due, tuple)) = self.queue.pop_front() else { break };
            gone.extend(self.take_due(due, tuple));
        }
        self.compact();
        gone
    }

    pub(crate) fn get(&self, tuple: &Tuple) -> Option<&Remains> {
        self.remains.get(tuple)
    }

    pub(crate) fn get_mut(&mut self, tuple: &Tuple) -> Option<&mut Remains> {
        self.remains.get_mut(tuple)
    }

    /// The socket that showed the connection is gone.
    pub(crate) fn forget_socket(&mut self, tuple: &Tuple) {
        if let Some(remains) = self.remains.get_mut(tuple) {
            remains.id = None;
        }
    }

    /// Whether this side may open the connection again: what is left of the old one is told from
    /// the new by its timestamps (RFC 6191 §2 for the side that listens; RFC 7323 §5.8), whose
    /// clock has moved on for certain. A second, as Linux.
    pub(crate) fn may_connect_again(&self, now: Instant, tuple: &Tuple) -> bool {
        self.remains.get(tuple).is_some_and(|remains| {
            let age = self.duration.saturating_sub(remains.due.since(now));
            remains.timestamps.is_some() && age >= Duration::from_secs(1)
        })
    }

    /// "Restart the 2 MSL timeout".
    pub(crate) fn restart(&mut self, now: Instant, tuple: Tuple) {
        let due = now + self.duration;
        if let Some(remains) = self.remains.get_mut(&tuple)
            && remains.due != due
        {
            remains.due = due;
            self.queue.push_back((due, tuple));
            self.compact();
        }
    }

    pub(crate) fn remove(&mut self, tuple: &Tuple) -> Option<Remains> {
        self.remains.remove(tuple)
    }

    /// Ends one connection whose time is up.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<(Tuple, Remains)> {
        while let Some(&(due, tuple)) = self.queue.front() {
            if due > now {
                return None;
            }
            self.queue.pop_front();
            if let Some(gone) = self.take_due(due, tuple) {
                return Some(gone);
            }
        }
        None
    }

    /// When the next one's time is up.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.front().map(|&(due, _)| due)
    }

    pub(crate) fn len(&self) -> usize {
        self.remains.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Tuple, &Remains)> {
        self.remains.iter()
    }

    /// How long a connection has still to wait.
    pub(crate) fn left(&self, now: Instant, tuple: &Tuple) -> Option<Duration> {
        self.remains.get(tuple).map(|remains| remains.due.since(now))
    }

    fn take_due(&mut self, due: Instant, tuple: Tuple) -> Option<(Tuple, Remains)> {
        if self.remains.get(&tuple).is_none_or(|remains| remains.due != due) {
            return None;
        }
        self.remains.remove(&tuple).map(|remains| (tuple, remains))
    }

    /// Restarts leave entries behind; there must not be more of those than of connections.
    fn compact(&mut self) {
        if self.queue.len() > 64 + 2 * self.remains.len() {
            let remains = &self.remains;
            self.queue.retain(|(due, tuple)| remains.get(tuple).is_some_and(|r| r.due == *due));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(port: u16) -> Tuple {
        Tuple::new("10.0.0.1:80".parse().unwrap(), ([10, 0, 0, 2], port).into())
    }

    fn remains() -> Remains {
        Remains::new(SeqNum(500), SeqNum(1000), 0, Ttl(64), Tos(0), None, None)
    }

    fn table(limit: usize) -> TimeWait {
        TimeWait::new(Duration::from_secs(60), limit, 1)
    }

    #[test]
    fn defect_ending_one_time_wait_keeps_the_others() {
        let mut table = table(100);
        for port in 1..=10 {
            table.insert(Instant::from_secs(u64::from(port)), tuple(port), remains());
        }
        let now = Instant::from_secs(64);
        let ended: Vec<_> = std::iter::from_fn(|| table.expire(now)).map(|(t, _)| t).collect();
        assert_eq!(ended, [tuple(1), tuple(2), tuple(3), tuple(4)]);
        assert!((5..=10).all(|port| table.get(&tuple(port)).is_some()));
        table.remove(&tuple(7));
        let later = Instant::from_secs(70);
        assert_eq!(std::iter::from_fn(|| table.expire(later)).count(), 5);
        assert_eq!((table.len(), table.next()), (0, None));
    }

    #[test]
    fn a_restart_lengthens_and_the_limit_ends_the_oldest() {
        let mut table = table(2);
        table.insert(Instant::ZERO, tuple(1), remains());
        table.insert(Instant::from_secs(1), tuple(2), remains());
        table.restart(Instant::from_secs(30), tuple(1));
        assert!(table.expire(Instant::from_secs(60)).is_none());
        let gone = table.insert(Instant::from_secs(60), tuple(3), remains());
        assert_eq!(gone.iter().map(|(t, _)| *t).collect::<Vec<_>>(), [tuple(2)]);
        assert_eq!(table.left(Instant::from_secs(60), &tuple(1)), Some(Duration::from_secs(30)));
        for i in 0..100_000 {
            table.restart(Instant::from_secs(61) + Duration::from_nanos(i), tuple(3));
        }
        assert!(table.queue.len() < 100);
    }

    #[test]
    fn at_most_128_bytes_a_connection() {
        assert!(size_of::<Remains>() + size_of::<Tuple>() <= 128);
    }

    /// RFC 6191 §2.
    #[test]
    fn timestamps_tell_a_new_syn_from_an_old_one() {
        let timestamps = Some((100, 0));
        let remains = Remains { timestamps, ..remains() };
        let syn = |seq, value| {
            let mut segment = Segment::new(5, 80, SeqNum(seq), SeqNum(0), Flags::SYN);
            segment.options.timestamps = Some(Timestamps { value, echo: 0 });
            remains.segment_arrives(&segment)
        };
        let old = Verdict::Acknowledge(DropReason::UnexpectedSyn);
        assert_eq!(syn(5, 101), Verdict::Reuse);
        assert_eq!(syn(1001, 100), Verdict::Reuse);
        assert_eq!(
            (syn(1000, 100), syn(5000, 99)),
            (old, Verdict::Acknowledge(DropReason::UnexpectedSyn))
        );
    }

    /// RFC 9293 §3.6.1, RFC 1337.
    #[test]
    fn a_new_syn_beyond_the_old_numbers_may_reuse_the_tuple() {
        let segment = |seq, flags| Segment::new(5, 80, SeqNum(seq), SeqNum(500), flags);
        let arrives = |segment: Segment| remains().segment_arrives(&segment);
        assert_eq!(arrives(segment(1001, Flags::SYN)), Verdict::Reuse);
        let old = Verdict::Acknowledge(DropReason::UnexpectedSyn);
        assert_eq!(arrives(segment(900, Flags::SYN)), old);
        assert_eq!(arrives(segment(1000, Flags::RST)), Verdict::Drop(DropReason::StrayReset));
        let fin = segment(999, Flags::FIN | Flags::ACK);
        assert_eq!(arrives(fin), Verdict::Acknowledge(DropReason::OutOfWindow));
    }
}
