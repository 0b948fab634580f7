//! A running stack behind its lock: what the sockets, the pollers and the event loop share.

use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant as Clock};

use ip::{IfIndex, Readiness, SocketError};
use netdev::Instant;

use crate::bell::Bell;
use crate::poller::Pollers;
use crate::waiters::{Key, PollerId, Waiters};
use crate::{Event, Interest, Stack, error, sys};

/// How often a thread lets loopback answer before it leaves the rest to the event loop.
const INLINE_TURNS: usize = 16;

thread_local! {
    /// The address of the core whose stack this thread has lent to a closure; 0: none.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
}

/// What everybody who has to do with one running stack holds.
#[derive(Debug)]
pub(crate) struct Core {
    /// Who wants the stack waits here first, and keeps this until it has the stack. So whoever
    /// lets go of the stack cannot take it again at once before a thread that waited: the event
    /// loop under load does not shut the programs out.
    turnstile: Mutex<()>,
    shared: Mutex<Shared>,
    /// Wakes the event loop.
    pub(crate) signal: sys::Signal,
    /// Rung whenever a thread has done something with the stack, while somebody wants to know.
    turned: Arc<Bell>,
    start: Clock,
    /// The stack's time at `start`.
    start_at: Instant,
}

/// What is under the lock.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) stack: Stack,
    pub(crate) waiters: Waiters,
    pub(crate) pollers: Pollers,
    pub(crate) phase: Phase,
    /// Set while the event loop sleeps.
    pub(crate) sleep: Option<Sleep>,
    /// Threads that wait for [`Core::turned`].
    turn_watchers: usize,
}

/// The life of a running stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    /// All sockets are closed; what was sent is on its way.
    Draining,
    /// There is no event loop any more.
    Stopped,
}

/// What the event loop has gone to sleep with.
#[derive(Debug)]
pub(crate) struct Sleep {
    pub(crate) until: Option<Instant>,
    /// What it watches ([`Stack::interests`]).
    pub(crate) watched: Vec<(IfIndex, (RawFd, bool))>,
}

impl Core {
    pub(crate) fn new(stack: Stack) -> io::Result<Core> {
        Ok(Core {
            start_at: stack.seen,
            turnstile: Mutex::new(()),
            shared: Mutex::new(Shared {
                stack,
                waiters: Waiters::default(),
                pollers: Pollers::default(),
                phase: Phase::Running,
                sleep: None,
                turn_watchers: 0,
            }),
            signal: sys::Signal::new()?,
            turned: Arc::default(),
            start: Clock::now(),
        })
    }

    /// Now, in the stack's time.
    pub(crate) fn now(&self) -> Instant {
        self.start_at + self.start.elapsed()
    }

    /// The stack, for this thread alone. A thread that panicked with it leaves it usable: a call
    /// that ended in the middle is no worse than a packet that got lost.
    ///
    /// # Panics
    /// In a closure of [`Net::with`](crate::Net::with) on the same stack, which would wait for
    /// itself for ever.
    pub(crate) fn lock(&self) -> Locked<'_> {
        assert!(!self.is_lent(), "a socket of a stack was used inside `Net::with` on it");
        Locked { core: self, shared: Some(self.acquire()) }
    }

    /// Whether this thread has lent the stack to a closure.
    pub(crate) fn is_lent(&self) -> bool {
        INSIDE.get() == std::ptr::from_ref(self).addr()
    }

    /// Calls the stack under the lock.
    pub(crate) fn with<T>(&self, call: impl FnOnce(&mut Stack, Instant) -> T) -> T {
        struct Restore(usize);
        impl Drop for Restore {
            fn drop(&mut self) {
                INSIDE.set(self.0);
            }
        }
        let mut locked = self.lock();
        let now = self.now();
        let _restore = Restore(INSIDE.replace(std::ptr::from_ref(self).addr()));
        call(&mut locked.stack, now)
    }

    fn acquire(&self) -> MutexGuard<'_, Shared> {
        let _turn = self.turnstile.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `attempt` until it gives something else than [`SocketError::WouldBlock`], and sleeps
    /// between until the socket's readiness changes.
    pub(crate) fn block<T>(
        &self,
        key: Key,
        wait: Wait,
        mut attempt: impl FnMut(&mut Stack, Instant) -> Result<T, SocketError>,
    ) -> io::Result<T> {
        let mut locked = self.lock();
        let mut over = wait == Wait::Never;
        loop {
            locked.running()?;
            let result = attempt(&mut locked.stack, self.now());
            match result {
                Err(SocketError::WouldBlock) => {}
                result => return result.map_err(error::io),
            }
            if locked.is_cut_off(key) {
                return Err(error::link_down());
            }
            if over {
                return Err(error::io(SocketError::WouldBlock));
            }
            // What loopback brings may be just what is waited for.
            if !locked.run_inline() {
                over = !locked.wait(key, wait);
            }
        }
    }

    /// Waits until another thread has done something with the stack, as the event loop does in
    /// every turn; `false` where `deadline` is over first.
    pub(crate) fn wait_turn<'a>(
        &'a self,
        mut locked: Locked<'a>,
        deadline: Clock,
    ) -> (Locked<'a>, bool) {
        locked.turn_watchers += 1;
        let in_time = locked.sleep_on(&self.turned, Wait::Until(deadline));
        locked.turn_watchers -= 1;
        (locked, in_time)
    }
}

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Not at all: the socket is non-blocking.
    Never,
    Until(Clock),
    Forever,
}

impl Wait {
    pub(crate) fn at_most(timeout: Option<Duration>) -> Wait {
        match timeout.map(|timeout| Clock::now().checked_add(timeout)) {
            Some(Some(deadline)) => Wait::Until(deadline),
            Some(None) | None => Wait::Forever,
        }
    }
}

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

impl Locked<'_> {
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
            any |= self.stack.poll_due(now).received > 0;
        }
        any
    }

    /// Sleeps until the socket's readiness may have changed; `false` where the time is over.
    fn wait(&mut self, key: Key, wait: Wait) -> bool {
        let bell = self.waiters.block(key);
        let in_time = self.sleep_on(&bell, wait);
        self.waiters.unblock(key);
        in_time
    }

    /// Sleeps until the poller may have something to tell; `false` where the time is over.
    pub(crate) fn wait_poller(&mut self, poller: PollerId, wait: Wait) -> bool {
        let Some(bell) = self.pollers.block(poller) else { return false };
        let in_time = self.sleep_on(&bell, wait);
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

    /// Lets go of the stack until `bell` is rung; `false` where the time is over.
    fn sleep_on(&mut self, bell: &Bell, wait: Wait) -> bool {
        let deadline = match wait {
            Wait::Never => return false,
            Wait::Until(deadline) => Some(deadline),
            Wait::Forever => None,
        };
        let count = bell.count();
        self.release();
        let rung = bell.wait(count, deadline);
        self.shared = Some(self.core.acquire());
        rung
    }

    /// Lets go of the stack, and wakes whoever is to be woken.
    fn release(&mut self) {
        self.finish();
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
    fn note_changes(&mut self) {
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
        let shared = &mut **self.shared.as_mut().expect("held");
        for poller in shared.waiters.changed(key) {
            shared.pollers.mark(poller, key, &mut shared.waiters.woken);
        }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if self.shared.is_none() {
            return;
        }
        if std::thread::panicking() {
            // The stack may not be touched in the middle of whatever went wrong; the event loop
            // finds out what is to be done.
            self.core.signal.raise();
            return;
        }
        self.run_inline();
        if self.turn_watchers > 0 {
            let turned = Arc::clone(&self.core.turned);
            self.waiters.woken.add(&turned);
        }
        self.release();
    }
}

impl Shared {
    /// What a socket is ready for. One whose link is gone is ready to tell that.
    pub(crate) fn readiness(&self, key: Key) -> Readiness {
        let ready = match key {
            Key::Tcp(socket) => self.stack.tcp.readiness(socket),
            Key::Udp(socket) => self.stack.udp.readiness(socket),
            Key::Raw(socket) => self.stack.raw.readiness(socket),
        };
        if self.phase != Phase::Running || self.is_cut_off(key) {
            return ready | Readiness::READABLE | Readiness::WRITABLE | Readiness::ERROR;
        }
        ready
    }

    /// Whether the socket's device is gone for good.
    pub(crate) fn is_cut_off(&self, key: Key) -> bool {
        if !self.stack.any_gone() {
            return false;
        }
        let local = match key {
            Key::Tcp(socket) => self.stack.tcp.info(Instant::ZERO, socket).map(|i| i.local.ip()),
            Key::Udp(socket) => self.stack.udp.info(socket).map(|i| i.local.ip()),
            Key::Raw(socket) => {
                let any = std::net::IpAddr::from([0, 0, 0, 0]);
                self.stack.raw.info(socket).map(|i| i.local.unwrap_or(any))
            }
        };
        local.is_ok_and(|local| self.stack.is_cut_off(local))
    }

    /// How many threads sleep in a call.
    #[cfg(test)]
    pub(crate) fn sleepers(&self) -> usize {
        self.waiters.blocked() + self.pollers.blocked()
    }

    /// The socket is about to be closed: nobody waits for it any more.
    pub(crate) fn forget(&mut self, key: Key) {
        for poller in self.waiters.changed(key) {
            self.waiters.remove_poller(key, poller);
            self.pollers.deregister(poller, key);
        }
    }

    /// For tasks: whether the socket is ready for any of `interest`; if not, the waker is called
    /// when that may have changed.
    pub(crate) fn poll_ready(
        &mut self,
        key: Key,
        interest: Interest,
        context: &Context<'_>,
    ) -> Poll<Readiness> {
        let ready = interest.of(self.readiness(key));
        if !ready.is_empty() {
            return Poll::Ready(ready);
        }
        self.waiters.add_waker(key, context.waker());
        Poll::Pending
    }
}
