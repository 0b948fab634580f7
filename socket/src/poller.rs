//! Readiness of many sockets at once.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use ip::Readiness;

use crate::bell::Bell;
use crate::core::{Core, Wait};
use crate::waiters::{Key, PollerId, Woken};
use crate::{Net, Pollable, sys};

/// Tells which of many sockets are ready, as epoll does for descriptors.
///
/// A socket costs nothing while it is idle: only those whose readiness changed are looked at.
/// A poller has a descriptor of its own ([`AsFd`]) that is readable while events wait, so that
/// any other event loop (epoll, mio, tokio's `AsyncFd`) can watch it.
#[derive(Debug)]
pub struct Poller {
    core: Arc<Core>,
    id: PollerId,
    signal: Arc<sys::Signal>,
}

/// What to tell of a socket. Errors are always told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// When a read or an accept gives something.
    pub readable: bool,
    /// When a write takes something, or a connect has ended.
    pub writable: bool,
}

impl Interest {
    /// Only reading.
    pub const READABLE: Interest = Interest { readable: true, writable: false };
    /// Only writing.
    pub const WRITABLE: Interest = Interest { readable: false, writable: true };
    /// Both.
    pub const BOTH: Interest = Interest { readable: true, writable: true };

    /// What of `ready` is to be told.
    pub(crate) fn of(self, ready: Readiness) -> Readiness {
        let mut told = Readiness::ERROR;
        if self.readable {
            told |= Readiness::READABLE | Readiness::READ_CLOSED | Readiness::URGENT;
        }
        if self.writable {
            told |= Readiness::WRITABLE | Readiness::WRITE_CLOSED;
        }
        ready & told
    }
}

/// How often to tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// As long as it is so.
    #[default]
    Level,
    /// Each time something new happens: read or write until it would block.
    Edge,
    /// Once, then not again before [`Poller::modify`].
    Oneshot,
}

/// A socket that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The number that the socket was added with.
    pub key: usize,
    /// What it is ready for, as far as the interest went.
    pub readiness: Readiness,
}

impl Event {
    /// A read or an accept gives something: data, a connection, the end, or an error.
    pub fn is_readable(&self) -> bool {
        let told = Readiness::READABLE | Readiness::READ_CLOSED | Readiness::ERROR;
        self.readiness.intersects(told)
    }

    /// A write takes something or gives an error.
    pub fn is_writable(&self) -> bool {
        let told = Readiness::WRITABLE | Readiness::WRITE_CLOSED | Readiness::ERROR;
        self.readiness.intersects(told)
    }

    /// An error waits.
    pub fn is_error(&self) -> bool {
        self.readiness.contains(Readiness::ERROR)
    }
}

/// As many events as one [`Poller::wait`] gives at most.
const MAX_EVENTS: usize = 1024;

impl Poller {
    /// A poller for sockets of `net`.
    pub fn new(net: &Net) -> io::Result<Poller> {
        let core = Arc::clone(net.core());
        let signal = Arc::new(sys::Signal::new()?);
        let mut locked = core.lock();
        locked.running()?;
        let id = locked.pollers.add(Arc::clone(&signal));
        drop(locked);
        Ok(Poller { core, id, signal })
    }

    /// Tells of `socket` from now on, under the number `key`. A clone of a socket counts as the
    /// same socket. Closing it has the effect of [`Poller::delete`].
    ///
    /// # Errors
    /// `AlreadyExists` where it was added before; `InvalidInput` for a socket of another stack.
    pub fn add(
        &self,
        socket: &impl Pollable,
        key: usize,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        let socket = self.key_of(socket)?;
        let mut locked = self.core.lock();
        locked.running()?;
        let new = Registration { key, interest, mode, armed: true, queued: false };
        if !locked.pollers.register(self.id, socket, new) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        locked.waiters.add_poller(socket, self.id);
        // It may be ready already.
        locked.mark(socket);
        Ok(())
    }

    /// Changes what is told of a socket, and arms a [`Mode::Oneshot`] again.
    ///
    /// # Errors
    /// `NotFound` where it was not added.
    pub fn modify(
        &self,
        socket: &impl Pollable,
        key: usize,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        let socket = self.key_of(socket)?;
        let mut locked = self.core.lock();
        let found = locked.pollers.registration(self.id, socket).ok_or(io::ErrorKind::NotFound)?;
        *found = Registration { key, interest, mode, armed: true, queued: found.queued };
        locked.mark(socket);
        Ok(())
    }

    /// Tells of a socket no longer.
    ///
    /// # Errors
    /// `NotFound` where it was not added.
    pub fn delete(&self, socket: &impl Pollable) -> io::Result<()> {
        let socket = self.key_of(socket)?;
        let mut locked = self.core.lock();
        locked.waiters.remove_poller(socket, self.id);
        if !locked.pollers.deregister(self.id, socket) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(())
    }

    /// Waits until a socket is ready, [`Poller::notify`] was called or `timeout` is over (`None`:
    /// for ever), and appends what is ready to `events`. Gives how many there are: none after a
    /// notification or a timeout.
    pub fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<usize> {
        let wait = Wait::at_most(timeout);
        let before = events.len();
        let mut over = false;
        let mut locked = self.core.lock();
        loop {
            let notified = locked.collect(self.id, events);
            if notified || over || events.len() > before {
                return Ok(events.len() - before);
            }
            locked.running()?;
            over = !locked.wait_poller(self.id, wait);
        }
    }

    /// Ends a [`Poller::wait`] of another thread, or the next one.
    pub fn notify(&self) {
        let mut locked = self.core.lock();
        let shared = &mut *locked;
        shared.pollers.notify(self.id, &mut shared.waiters.woken);
    }

    fn key_of(&self, socket: &impl Pollable) -> io::Result<Key> {
        let socket = socket.socket();
        if !Arc::ptr_eq(&socket.core, &self.core) {
            let text = "the socket belongs to another stack";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(socket.key)
    }
}

/// Readable while events wait, or a [`Poller::notify`]. It may also be readable when a
/// level-triggered socket has been emptied since: then [`Poller::wait`] gives nothing.
impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.core.lock().pollers.watch(self.id);
        self.signal.as_fd()
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        let mut locked = self.core.lock();
        for socket in locked.pollers.remove(self.id) {
            locked.waiters.remove_poller(socket, self.id);
        }
    }
}

/// All pollers of a stack.
#[derive(Debug, Default)]
pub(crate) struct Pollers {
    states: HashMap<PollerId, State>,
    last: PollerId,
}

#[derive(Debug)]
struct State {
    sockets: HashMap<Key, Registration>,
    /// Sockets that may be ready, each once.
    ready: VecDeque<Key>,
    bell: Arc<Bell>,
    blocked: usize,
    notified: bool,
    signal: Arc<sys::Signal>,
    /// Whether anybody asked for the descriptor: until then it is not worth a system call.
    watched: bool,
    raised: bool,
}

#[derive(Debug)]
struct Registration {
    key: usize,
    interest: Interest,
    mode: Mode,
    armed: bool,
    /// Whether it is in [`State::ready`].
    queued: bool,
}

impl State {
    /// Wakes who waits, and makes the descriptor say what is the case.
    fn update(&mut self, woken: Option<&mut Woken>) {
        let pending = self.notified || !self.ready.is_empty();
        if let (true, true, Some(woken)) = (pending, self.blocked > 0, woken) {
            woken.add(&self.bell);
        }
        if self.watched && pending != self.raised {
            if pending {
                self.signal.raise()
            } else {
                self.signal.clear()
            }
            self.raised = pending;
        }
    }
}

impl Pollers {
    fn add(&mut self, signal: Arc<sys::Signal>) -> PollerId {
        self.last += 1;
        let state = State {
            sockets: HashMap::new(),
            ready: VecDeque::new(),
            bell: Arc::default(),
            blocked: 0,
            notified: false,
            signal,
            watched: false,
            raised: false,
        };
        self.states.insert(self.last, state);
        self.last
    }

    fn remove(&mut self, poller: PollerId) -> Vec<Key> {
        let state = self.states.remove(&poller);
        state.map(|s| s.sockets.into_keys().collect()).unwrap_or_default()
    }

    fn register(&mut self, poller: PollerId, socket: Key, new: Registration) -> bool {
        let Some(state) = self.states.get_mut(&poller) else { return false };
        if state.sockets.contains_key(&socket) {
            return false;
        }
        state.sockets.insert(socket, new);
        true
    }

    fn registration(&mut self, poller: PollerId, socket: Key) -> Option<&mut Registration> {
        self.states.get_mut(&poller)?.sockets.get_mut(&socket)
    }

    pub(crate) fn deregister(&mut self, poller: PollerId, socket: Key) -> bool {
        let Some(state) = self.states.get_mut(&poller) else { return false };
        let Some(gone) = state.sockets.remove(&socket) else { return false };
        if gone.queued {
            state.ready.retain(|s| *s != socket);
            state.update(None);
        }
        true
    }

    /// A watched socket's readiness may have changed.
    pub(crate) fn mark(&mut self, poller: PollerId, socket: Key, woken: &mut Woken) {
        let Some(state) = self.states.get_mut(&poller) else { return };
        let Some(found) = state.sockets.get_mut(&socket) else { return };
        if found.armed && !found.queued {
            found.queued = true;
            state.ready.push_back(socket);
        }
        state.update(Some(woken));
    }

    fn notify(&mut self, poller: PollerId, woken: &mut Woken) {
        if let Some(state) = self.states.get_mut(&poller) {
            state.notified = true;
            state.update(Some(woken));
        }
    }

    fn watch(&mut self, poller: PollerId) {
        if let Some(state) = self.states.get_mut(&poller) {
            state.watched = true;
            state.update(None);
        }
    }

    /// The events that wait, and whether there was a notification. `readiness` says what a socket
    /// is ready for now: what was true when it was marked may have passed.
    pub(crate) fn collect(
        &mut self,
        poller: PollerId,
        events: &mut Vec<Event>,
        readiness: impl Fn(Key) -> Readiness,
    ) -> bool {
        let Some(state) = self.states.get_mut(&poller) else { return false };
        for _ in 0..state.ready.len().min(MAX_EVENTS) {
            let Some(socket) = state.ready.pop_front() else { break };
            let Some(found) = state.sockets.get_mut(&socket) else { continue };
            found.queued = false;
            let told = found.interest.of(readiness(socket));
            if told.is_empty() || !found.armed {
                continue;
            }
            events.push(Event { key: found.key, readiness: told });
            match found.mode {
                Mode::Level => {
                    found.queued = true;
                    state.ready.push_back(socket);
                }
                Mode::Edge => {}
                Mode::Oneshot => found.armed = false,
            }
        }
        let notified = std::mem::take(&mut state.notified);
        state.update(None);
        notified
    }

    /// A thread is about to wait on what this gives.
    pub(crate) fn block(&mut self, poller: PollerId) -> Option<Arc<Bell>> {
        let state = self.states.get_mut(&poller)?;
        state.blocked += 1;
        Some(Arc::clone(&state.bell))
    }

    pub(crate) fn unblock(&mut self, poller: PollerId) {
        if let Some(state) = self.states.get_mut(&poller) {
            state.blocked -= 1;
        }
    }

    #[cfg(test)]
    pub(crate) fn blocked(&self) -> usize {
        self.states.values().map(|state| state.blocked).sum()
    }

    /// Wakes everybody: the stack has ended.
    pub(crate) fn wake_all(&mut self, woken: &mut Woken) {
        for state in self.states.values_mut() {
            state.notified = true;
            state.update(Some(woken));
        }
    }
}

#[cfg(test)]
mod tests;
