//! What all sockets have in common: a handle in a running stack, and how long its calls wait.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use ip::{Handle, Readiness, SocketError};
use netdev::Instant;

use crate::core::{self, Core, Phase, Wait, after};
use crate::waiters::{Key, Want};
use crate::{Interest, Stack, error};

/// One open socket. Clones of a `TcpStream` and the like share it; the last one closes it.
#[derive(Debug)]
pub struct Socket {
    pub(crate) core: Arc<Core>,
    pub(crate) key: Key,
    nonblocking: AtomicBool,
    /// In nanoseconds; 0: none.
    read_timeout: AtomicU64,
    write_timeout: AtomicU64,
}

/// A socket that a [`Poller`](crate::Poller) can watch, or a task can wait for.
pub trait Pollable {
    /// What the clones of the socket share.
    #[doc(hidden)]
    fn socket(&self) -> &Arc<Socket>;

    /// What the socket is ready for now.
    fn readiness(&self) -> Readiness {
        let socket = self.socket();
        socket.core.lock().readiness(socket.key)
    }

    /// For asynchronous programs: ready when the socket is ready for any of `interest` or has an
    /// error; if it is not, the task is woken when that may have changed.
    fn poll_ready(&self, context: &mut Context<'_>, interest: Interest) -> Poll<Readiness> {
        let socket = self.socket();
        socket.core.lock().poll_ready(socket.key, interest, context)
    }
}

impl Socket {
    pub(crate) fn new(core: &Arc<Core>, key: Key) -> Arc<Socket> {
        Arc::new(Socket {
            core: Arc::clone(core),
            key,
            nonblocking: AtomicBool::new(false),
            read_timeout: AtomicU64::new(0),
            write_timeout: AtomicU64::new(0),
        })
    }

    /// The handle in its transport.
    pub(crate) fn handle(&self) -> Handle {
        match self.key {
            Key::Tcp(handle) | Key::Udp(handle) | Key::Raw(handle) => handle,
        }
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) {
        self.nonblocking.store(nonblocking, Relaxed);
    }

    pub(crate) fn is_nonblocking(&self) -> bool {
        self.nonblocking.load(Relaxed)
    }

    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        store(&self.read_timeout, timeout)
    }

    pub(crate) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        store(&self.write_timeout, timeout)
    }

    pub(crate) fn read_timeout(&self) -> Option<Duration> {
        load(&self.read_timeout)
    }

    pub(crate) fn write_timeout(&self) -> Option<Duration> {
        load(&self.write_timeout)
    }

    /// A call that gives what was received: waits as long as the read timeout says.
    pub(crate) fn read<T>(
        &self,
        attempt: impl FnMut(&mut Stack, Instant) -> Result<T, SocketError>,
    ) -> io::Result<T> {
        self.core.block(self.key, Want::Read, self.wait(self.read_timeout()), attempt)
    }

    /// A call that takes what is to be sent: waits as long as the write timeout says.
    pub(crate) fn write<T>(
        &self,
        attempt: impl FnMut(&mut Stack, Instant) -> Result<T, SocketError>,
    ) -> io::Result<T> {
        self.core.block(self.key, Want::Write, self.wait(self.write_timeout()), attempt)
    }

    /// As [`Socket::read`], of so many bytes.
    pub(crate) fn read_bytes(
        &self,
        attempt: impl FnMut(&mut Stack, Instant) -> Result<usize, SocketError>,
    ) -> io::Result<usize> {
        self.read(attempt).inspect(|bytes| core::moved(*bytes))
    }

    /// As [`Socket::write`], of so many bytes.
    pub(crate) fn write_bytes(
        &self,
        attempt: impl FnMut(&mut Stack, Instant) -> Result<usize, SocketError>,
    ) -> io::Result<usize> {
        self.write(attempt).inspect(|bytes| core::moved(*bytes))
    }

    /// A call that never waits.
    pub(crate) fn call<T>(
        &self,
        call: impl FnOnce(&mut Stack, Instant) -> Result<T, SocketError>,
    ) -> io::Result<T> {
        let mut locked = self.core.lock();
        locked.running()?;
        let now = self.core.now();
        call(&mut locked.stack, now).map_err(error::io)
    }

    fn wait(&self, timeout: Option<Duration>) -> Wait {
        if self.is_nonblocking() { Wait::Never } else { Wait::at_most(timeout) }
    }

    /// Waits until the peer has all that was sent and the FIN, or until the time is over: what
    /// SO_LINGER asks of a close.
    fn linger(&self, linger: Duration) {
        let Key::Tcp(handle) = self.key else { return };
        let deadline = after(linger);
        let mut locked = self.core.lock();
        let now = self.core.now();
        let shut = |tcp: &mut dyn tcp::Streams, out: &mut dyn ip::Output| {
            tcp.shutdown(now, handle, tcp::Shutdown::Write, out)
        };
        if locked.stack.with_tcp(now, shut).is_err() {
            return;
        }
        while locked.phase == Phase::Running && locked.stack.owes_peer(handle) {
            if !locked.wait_turn(deadline) {
                return;
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if std::thread::panicking() && self.core.is_lent() {
            // A second panic would end the process; a socket left open is the lesser evil.
            return;
        }
        if let Key::Tcp(handle) = self.key {
            let linger = self.core.lock().stack.tcp.settings(handle).ok().and_then(|s| s.linger);
            if let Some(linger) = linger.filter(|l| !l.is_zero() && !self.is_nonblocking()) {
                self.linger(linger);
            }
        }
        let mut locked = self.core.lock();
        let now = self.core.now();
        locked.forget(self.key);
        match self.key {
            Key::Tcp(handle) => locked.stack.with_tcp(now, |tcp, out| tcp.close(now, handle, out)),
            Key::Udp(handle) => locked.stack.close_udp(now, handle),
            Key::Raw(handle) => locked.stack.with_raw(now, |raw, _| raw.close(handle)),
        }
    }
}

fn store(at: &AtomicU64, timeout: Option<Duration>) -> io::Result<()> {
    if timeout == Some(Duration::ZERO) {
        return Err(error::zero_timeout());
    }
    let nanos = timeout.map_or(0, |t| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX));
    at.store(nanos, Relaxed);
    Ok(())
}

fn load(at: &AtomicU64) -> Option<Duration> {
    match at.load(Relaxed) {
        0 => None,
        nanos => Some(Duration::from_nanos(nanos)),
    }
}
