//! The stack while a thread holds it, and what happens when it lets go.

use std::io;
use std::sync::{Arc, MutexGuard};
use std::time::Instant as Clock;

use crate::bell::Bell;
use crate::core::{Core, Phase, Shared, Wait};
use crate::waiters::{Key, PollerId, Want};
use crate::{Event, error};

/// How often a thread lets loopback answer before it leaves the rest to the event loop.
const INLINE_TURNS: usize = 16;

/// The stack, locked. When it is let go, whoever waited for what changed is woken.
#[derive(Debug)]
pub(crate) struct Locked<'a> {
    core: &'a Core,
    /// None only while this thread sleeps, and at the end of `drop`.
    shared: Option<MutexGuard<'a, Shared>>,
}

impl std::ops::Deref for Locked<'_> {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        self.shared.as_ref().expect("held")
    }
}

impl std::ops::DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Shared {
        self.shared.as_mut().expect("held")
    }
}

impl<'a> Locked<'a> {
    pub(crate) fn new(core: &'a Core) -> Locked<'a> {
        Locked { core, shared: Some(core.acquire()) }
    }

    /// `Err` when the stack has ended.
    pub(crate) fn running(&self) -> io::Result<()> {
        if self.phase == Phase::Running { Ok(()) } else { Err(error::stopped()) }
    }

    /// Lets the devices answer that need no descriptor (loopback), on this thread: no other would
    /// be faster. Says whether any did.
    pub(crate) fn run_inline(&mut self) -> bool {
        let mut any = false;
        for _ in 0..INLINE_TURNS {
            let now = self.core.now();
            if self.stack.poll_at().is_none_or(|at| at > now) {
                break;
            }
            if self.stack.poll_due(now).received == 0 {
                break;
            }
            any = true;
        }
        any
    }

    /// Sleeps until the socket may give what is wanted; `false` where the time is over.
    pub(crate) fn wait(&mut self, key: Key, want: Want, wait: Wait) -> bool {
        let bell = self.waiters.block(key, want);
        let in_time = self.wait_for(&bell, wait);
        self.waiters.unblock(key, want);
        in_time
    }

    /// Sleeps until the poller may have something to tell; `false` where the time is over.
    pub(crate) fn wait_poller(&mut self, poller: PollerId, wait: Wait) -> bool {
        let Some(bell) = self.pollers.block(poller) else { return false };
        let in_time = self.wait_for(&bell, wait);
        self.pollers.unblock(poller);
        in_time
    }

    /// The events of a poller, and whether it was notified.
    pub(crate) fn collect(&mut self, poller: PollerId, events: &mut Vec<Event>) -> bool {
        let mut pollers = std::mem::take(&mut self.pollers);
        let notified = pollers.collect(poller, events, |key| self.readiness(key));
        self.pollers = pollers;
        notified
    }

    /// Waits until another thread has done something with the stack, as the event loop does in
    /// every turn; `false` where `deadline` is over first.
    pub(crate) fn wait_turn(&mut self, deadline: Clock) -> bool {
        self.turn_watchers += 1;
        let bell = Arc::clone(&self.core.turned);
        let in_time = self.sleep_on(&bell, bell.count(), Wait::Until(deadline));
        self.turn_watchers -= 1;
        in_time
    }

    /// Lets go of the stack until `bell` has been rung more often than `count` times; `false`
    /// where the time is over.
    pub(crate) fn sleep_on(&mut self, bell: &Bell, count: u64, wait: Wait) -> bool {
        let deadline = match wait {
            Wait::Never => return false,
            Wait::Until(deadline) => Some(deadline),
            Wait::Forever => None,
        };
        self.release();
        let rung = bell.wait(count, deadline);
        self.acquire();
        rung
    }

    /// Lets go of the stack, and wakes whoever is to be woken. [`Locked::acquire`] follows.
    pub(crate) fn release(&mut self) {
        self.finish();
        self.let_go();
    }

    pub(crate) fn acquire(&mut self) {
        self.shared = Some(self.core.acquire());
    }

    pub(crate) fn core(&self) -> &'a Core {
        self.core
    }

    fn let_go(&mut self) {
        let woken = std::mem::take(&mut self.waiters.woken);
        self.shared = None;
        woken.wake();
    }

    /// What is to be done before the lock is let go: note who is to be woken, and wake the event
    /// loop where it has gone to sleep for too long.
    fn finish(&mut self) {
        self.note_changes();
        if let Some(sleep) = &self.sleep {
            let due = self.stack.poll_at();
            let sooner = match (due, sleep.until) {
                (Some(due), Some(until)) => due < until,
                (due, until) => due.is_some() && until.is_none(),
            };
            if sooner || !self.stack.interests().eq(sleep.watched.iter().copied()) {
                self.sleep = None;
                self.core.signal.raise();
            }
        }
    }

    /// Looks up who waits for the sockets that changed.
    pub(crate) fn note_changes(&mut self) {
        while let Some(key) = self.stack.changed() {
            self.mark(key);
        }
        if self.stack.take_gone_change() {
            // Every socket may be concerned: rare, and not worth a list.
            self.mark_all();
        }
    }

    /// Something happened that may concern every socket.
    fn mark_all(&mut self) {
        for key in self.waiters.keys() {
            self.mark(key);
        }
    }

    /// The stack ends: whoever waits for anything is to see that.
    pub(crate) fn wake_all(&mut self) {
        self.mark_all();
        let shared = &mut **self;
        shared.pollers.wake_all(&mut shared.waiters.woken);
    }

    /// The socket's readiness may have changed.
    pub(crate) fn mark(&mut self, key: Key) {
        if !self.waiters.is_awaited(key) {
            return;
        }
        let ready = self.readiness(key);
        let shared = &mut **self;
        for poller in shared.waiters.changed(key, ready) {
            shared.pollers.mark(poller, key, &mut shared.waiters.woken);
        }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if self.shared.is_none() {
            return;
        }
        if self.turn_watchers > 0 {
            let turned = Arc::clone(&self.core.turned);
            self.waiters.woken.add(&turned);
        }
        if std::thread::panicking() {
            // The stack may not be touched in the middle of whatever went wrong; the event loop,
            // if it is not the one, finds out what is to be done.
            self.core.signal.raise();
            self.let_go();
        } else {
            self.run_inline();
            self.release();
        }
    }
}
