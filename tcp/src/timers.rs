//! Every timer: the table of one connection, and the queue of the whole stack.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use netdev::Instant;

use crate::tcb::ConnId;

/// What a connection waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timer {
    /// What loss recovery wants: RACK's reordering, a tail loss probe. First, since a probe that
    /// is due together with a retransmission comes in its place (RFC 8985 §7.2).
    Recovery,
    /// An acknowledgment of SYN, data or FIN (RFC 6298).
    Retransmit,
    /// A larger window (RFC 9293 §3.8.6.1).
    Persist,
    /// More data to acknowledge at once (RFC 9293 §3.8.6.3).
    DelayedAck,
    /// Signs of life (RFC 9293 §3.8.4).
    KeepAlive,
    /// What a connection without a socket waits for: the peer's FIN in FIN-WAIT-2, or the data
    /// without which it is not accepted.
    Unowned,
    /// More data for a full segment, while cork holds a partial one back.
    Cork,
}

const ALL: [Timer; 7] = [
    Timer::Recovery,
    Timer::Retransmit,
    Timer::Persist,
    Timer::DelayedAck,
    Timer::KeepAlive,
    Timer::Unowned,
    Timer::Cork,
];

/// The timers of one connection.
pub(crate) struct Timers {
    /// When each is due; [`Instant::FAR_FUTURE`] where it does not run.
    due: [Instant; ALL.len()],
    /// The earliest entry of the connection in the [`TimerQueue`]; the same where it has none.
    queued: Instant,
}

impl Timers {
    pub(crate) const fn new() -> Timers {
        Timers { due: [Instant::FAR_FUTURE; ALL.len()], queued: Instant::FAR_FUTURE }
    }

    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.due[timer as usize] = at;
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.due[timer as usize] = Instant::FAR_FUTURE;
    }

    pub(crate) fn clear_all(&mut self) {
        self.due = [Instant::FAR_FUTURE; ALL.len()];
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.due[timer as usize] != Instant::FAR_FUTURE
    }

    /// When one is due, if it runs.
    pub(crate) fn due_at(&self, timer: Timer) -> Option<Instant> {
        let at = self.due[timer as usize];
        (at != Instant::FAR_FUTURE).then_some(at)
    }

    /// The entry that the [`TimerQueue`] has for them.
    pub(crate) fn queued(&self) -> Option<Instant> {
        (self.queued != Instant::FAR_FUTURE).then_some(self.queued)
    }

    /// The one that is due first.
    pub(crate) fn next(&self) -> Option<(Timer, Instant)> {
        ALL.iter()
            .map(|&timer| (timer, self.due[timer as usize]))
            .filter(|&(_, at)| at != Instant::FAR_FUTURE)
            .min_by_key(|&(_, at)| at)
    }

    /// Takes one that is due.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Timer> {
        let (timer, at) = self.next()?;
        (at <= now).then(|| {
            self.clear(timer);
            timer
        })
    }
}

/// When which connection has to be looked at, soonest first.
///
/// A timer that is put off, as the retransmission timer is with every acknowledgment, leaves its
/// entry where it is: when that comes up, the connection is asked when its next timer is really
/// due and queued again. So a busy connection costs no heap operation a segment, and an idle one
/// nothing at all.
pub(crate) struct TimerQueue {
    heap: BinaryHeap<Reverse<(Instant, ConnId)>>,
}

impl TimerQueue {
    pub(crate) const fn new() -> TimerQueue {
        TimerQueue { heap: BinaryHeap::new() }
    }

    /// Makes sure that the connection is looked at when its next timer is due.
    pub(crate) fn schedule(&mut self, id: ConnId, timers: &mut Timers) {
        // With every segment: no branches, and not which one it is.
        let at = timers.due.into_iter().fold(Instant::FAR_FUTURE, Instant::min);
        if at < timers.queued {
            timers.queued = at;
            self.heap.push(Reverse((at, id)));
        }
    }

    /// The next connection with an entry that is due. The caller tells its timers with
    /// [`TimerQueue::looked_at`] and schedules it again.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Instant, ConnId)> {
        let &Reverse((at, _)) = self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// The entry at `at` has come up.
    pub(crate) fn looked_at(at: Instant, timers: &mut Timers) {
        if timers.queued == at {
            timers.queued = Instant::FAR_FUTURE;
        }
    }

    /// Drops the entries that `keep` does not know, where there are many more of them than
    /// connections: what a connection that is gone leaves behind may be due hours later.
    pub(crate) fn compact(&mut self, connections: usize, keep: impl Fn(Instant, ConnId) -> bool) {
        if self.heap.len() > 1024 + 4 * connections {
            self.heap.retain(|&Reverse((at, id))| keep(at, id));
        }
    }

    /// Its entries: those of connections that are gone are among them until they come up.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// When the next entry is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|&Reverse((at, _))| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ip::Handle;

    const ID: ConnId = ConnId(Handle { index: 1, generation: 0 });

    #[test]
    fn a_timer_that_is_put_off_needs_no_new_entry() {
        let (mut queue, mut timers) = (TimerQueue::new(), Timers::new());
        for ms in 100..200 {
            timers.set(Timer::Retransmit, Instant::from_millis(ms));
            queue.schedule(ID, &mut timers);
        }
        assert_eq!(queue.len(), 1);
        let now = Instant::from_millis(100);
        let (at, id) = queue.pop(now).unwrap();
        assert_eq!((id, timers.expired(now)), (ID, None));
        TimerQueue::looked_at(at, &mut timers);
        queue.schedule(ID, &mut timers);
        assert_eq!(queue.next(), Some(Instant::from_millis(199)));
    }

    #[test]
    fn a_sooner_timer_comes_sooner() {
        let (mut queue, mut timers) = (TimerQueue::new(), Timers::new());
        timers.set(Timer::KeepAlive, Instant::from_secs(7200));
        queue.schedule(ID, &mut timers);
        timers.set(Timer::DelayedAck, Instant::from_millis(40));
        queue.schedule(ID, &mut timers);
        assert_eq!((queue.len(), queue.next()), (2, Some(Instant::from_millis(40))));
        assert_eq!(timers.expired(Instant::from_millis(40)), Some(Timer::DelayedAck));
        assert_eq!(timers.expired(Instant::from_millis(40)), None);
    }
}
