//! Readiness of many sockets at once.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use ip::Readiness;

use crate::core::{Core, Wait};
use crate::pollers::Registration;
use crate::waiters::{Key, PollerId};
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
        locked.call_begins(self.core.now());
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

#[cfg(test)]
mod tests;
