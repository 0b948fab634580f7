//! A running stack behind its lock: what the sockets, the pollers and the event loop share.

use std::cell::Cell;
use std::io;
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant as Clock};

use ip::{IfIndex, Readiness, SocketError};
use netdev::Instant;
use parking_lot::FairMutex;

use crate::bell::Bell;
use crate::lead::{Absence, Leader};
use crate::locked::Locked;
use crate::pollers::Pollers;
use crate::stack_clock::StackClock;
use crate::waiters::{Key, Waiters, Want};
use crate::{Interest, Stack, error, sys};

thread_local! {
    /// The address of the core whose stack this thread has lent to a closure; 0: none.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
    /// Whether this thread's calls take long, so that it waits in line.
    static BULKY: Cell<bool> = const { Cell::new(false) };
}

/// A call that moves more than so many bytes takes long.
const BULK: usize = 4096;

/// This thread has moved so many bytes with a call, and is likely to go on like that.
pub(crate) fn moved(bytes: usize) {
    BULKY.set(bytes > BULK);
}

/// What everybody who has to do with one running stack holds.
#[derive(Debug)]
pub(crate) struct Core {
    /// Threads that have the stack for long, and the event loop, wait for it here first, one after
    /// the other, and keep this until they have it. So none of them can take it again at once
    /// before one that waited, and whoever needs it for a moment passes by the whole line.
    turnstile: FairMutex<()>,
    shared: Mutex<Shared>,
    /// Wakes the event loop.
    pub(crate) signal: sys::Signal,
    /// Rung whenever a thread has done something with the stack, while somebody wants to know.
    pub(crate) turned: Arc<Bell>,
    /// What the event loop waits for, as far as a thread that leads changes it; none where the
    /// system does not let it.
    pub(crate) loop_watch: OnceLock<sys::Remote>,
    /// Whether the leader is away.
    pub(crate) absence: Absence,
    /// In nanoseconds, see [`Net::set_busy_poll`](crate::Net::set_busy_poll).
    busy_poll: AtomicU64,
    clock: StackClock,
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
    /// The thread that reads the devices instead of the event loop.
    pub(crate) leader: Option<Leader>,
    /// When the devices were asked last.
    pub(crate) asked: Instant,
    /// Threads that wait for [`Core::turned`].
    pub(crate) turn_watchers: usize,
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
    pub(crate) fn new(stack: Stack, clock: StackClock) -> io::Result<Core> {
        Ok(Core {
            clock,
            loop_watch: OnceLock::new(),
            absence: Absence::new(),
            busy_poll: AtomicU64::new(0),
            turnstile: FairMutex::new(()),
            shared: Mutex::new(Shared {
                stack,
                waiters: Waiters::default(),
                pollers: Pollers::default(),
                phase: Phase::Running,
                sleep: None,
                leader: None,
                asked: Instant::ZERO,
                turn_watchers: 0,
            }),
            signal: sys::Signal::new()?,
            turned: Arc::default(),
        })
    }

    pub(crate) fn busy_poll(&self) -> Duration {
        Duration::from_nanos(self.busy_poll.load(Relaxed))
    }

    pub(crate) fn set_busy_poll(&self, busy: Duration) {
        let nanos = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
        self.busy_poll.store(nanos, Relaxed);
    }

    /// Now, in the stack's time.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The stack, for this thread alone. A thread that panicked with it leaves it usable: a call
    /// that ended in the middle is no worse than a packet that got lost.
    ///
    /// # Panics
    /// In a closure of [`Net::with`](crate::Net::with) on the same stack, which would wait for
    /// itself for ever.
    pub(crate) fn lock(&self) -> Locked<'_> {
        assert!(!self.is_lent(), "a socket of a stack was used inside `Net::with` on it");
        Locked::new(self)
    }

    /// Whether threads wait in line.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.turnstile.is_locked()
    }

    #[cfg(test)]
    pub(crate) fn stand_in_line(&self) -> impl Drop + '_ {
        self.turnstile.lock()
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

    /// The lock itself; [`Core::lock`] is what the rest of the crate takes.
    pub(crate) fn acquire(&self) -> MutexGuard<'_, Shared> {
        let _turn = BULKY.get().then(|| self.turnstile.lock());
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `attempt` until it gives something else than [`SocketError::WouldBlock`], and sleeps
    /// between until the socket's readiness changes.
    pub(crate) fn block<T>(
        &self,
        key: Key,
        want: Want,
        wait: Wait,
        mut attempt: impl FnMut(&mut Stack, Instant) -> Result<T, SocketError>,
    ) -> io::Result<T> {
        let mut locked = self.lock();
        let mut over = wait == Wait::Never;
        let mut now = self.now();
        locked.call_begins(now);
        loop {
            locked.running()?;
            let result = attempt(&mut locked.stack, now);
            match result {
                Err(SocketError::WouldBlock) => {}
                result => {
                    locked.call_ends(now);
                    return result.map_err(error::io);
                }
            }
            if locked.is_cut_off(key) {
                return Err(error::link_down());
            }
            if over {
                return Err(error::io(SocketError::WouldBlock));
            }
            // What loopback brings may be just what is waited for.
            if !locked.run_inline() {
                over = !locked.wait(key, want, wait);
            }
            now = self.now();
        }
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
        timeout.map_or(Wait::Forever, |timeout| Wait::Until(after(timeout)))
    }

    /// How long that is from now; `None`: for ever.
    pub(crate) fn left(self) -> Option<Duration> {
        match self {
            Wait::Never => Some(Duration::ZERO),
            Wait::Until(deadline) => Some(deadline.saturating_duration_since(Clock::now())),
            Wait::Forever => None,
        }
    }
}

/// The time at the end of `timeout`, or in thirty years, whichever comes first.
pub(crate) fn after(timeout: Duration) -> Clock {
    Clock::now() + timeout.min(Duration::from_secs(30 * 365 * 24 * 3600))
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
        let any = IpAddr::from([0, 0, 0, 0]);
        let ends = match key {
            Key::Tcp(socket) => {
                self.stack.tcp.info(Instant::ZERO, socket).map(|i| {
                    (i.local.ip(), Some(i.peer.ip()).filter(|peer| !peer.is_unspecified()))
                })
            }
            Key::Udp(socket) => {
                self.stack.udp.info(socket).map(|i| (i.local.ip(), i.peer.map(|peer| peer.ip())))
            }
            Key::Raw(socket) => {
                self.stack.raw.info(socket).map(|i| (i.local.unwrap_or(any), i.peer))
            }
        };
        // Who talks to this host itself needs no device.
        let is_inward =
            |peer: Option<IpAddr>| peer.is_some_and(|peer| self.stack.ip.is_local(peer));
        ends.is_ok_and(|(local, peer)| self.stack.is_cut_off(local) && !is_inward(peer))
    }

    /// How many threads sleep in a call.
    #[cfg(test)]
    pub(crate) fn sleepers(&self) -> usize {
        self.waiters.blocked() + self.pollers.blocked()
    }

    /// The socket is about to be closed: nobody waits for it any more.
    pub(crate) fn forget(&mut self, key: Key) {
        let ready = self.readiness(key);
        for poller in self.waiters.changed(key, ready) {
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
