//! Waiting for a socket without missing ^C.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket::{ConnectOptions, Interest, Mode, Net, Pollable, Poller, TcpStream};

use crate::Interrupt;
use crate::interrupt::Hook;

/// Waits for one socket to become readable, or for an interrupt.
pub(crate) struct Waiter<'a> {
    poller: Arc<Poller>,
    interrupt: &'a Interrupt,
    _hook: Hook,
}

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Ready,
    TimedOut,
    Interrupted,
}

impl Waiter<'_> {
    /// For `socket`, whose calls should not wait themselves.
    pub(crate) fn new<'a>(
        net: &Net,
        socket: &impl Pollable,
        interrupt: &'a Interrupt,
    ) -> io::Result<Waiter<'a>> {
        Waiter::with_interest(net, socket, interrupt, Interest::READABLE)
    }

    fn with_interest<'a>(
        net: &Net,
        socket: &impl Pollable,
        interrupt: &'a Interrupt,
        interest: Interest,
    ) -> io::Result<Waiter<'a>> {
        let poller = Arc::new(Poller::new(net)?);
        poller.add(socket, 0, interest, Mode::Level)?;
        let woken = poller.clone();
        let hook = interrupt.on_raise(move || woken.notify());
        Ok(Waiter { poller, interrupt, _hook: hook })
    }

    /// Errors of a second socket end a wait as well.
    pub(crate) fn errors_of(&self, socket: &impl Pollable) -> io::Result<()> {
        let only_errors = Interest { readable: false, writable: false };
        self.poller.add(socket, 1, only_errors, Mode::Edge)
    }

    /// A second socket that becomes readable ends a wait as well.
    pub(crate) fn also(&self, socket: &impl Pollable) -> io::Result<()> {
        self.poller.add(socket, 1, Interest::READABLE, Mode::Level)
    }

    /// Ends a wait of another thread, or the next one, as if the time were over.
    pub(crate) fn wake(&self) {
        self.poller.notify();
    }

    /// Waits at most `timeout`; `None`: for ever.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<Waited> {
        if self.interrupt.is_raised() {
            return Ok(Waited::Interrupted);
        }
        let count = self.poller.wait(&mut Vec::new(), timeout)?;
        Ok(match count {
            _ if self.interrupt.is_raised() => Waited::Interrupted,
            0 => Waited::TimedOut,
            _ => Waited::Ready,
        })
    }
}

/// Connects; `None` where an interrupt came first.
pub(crate) fn connect(
    net: &Net,
    addr: SocketAddr,
    options: &ConnectOptions,
    interrupt: &Interrupt,
) -> io::Result<Option<TcpStream>> {
    let stream = TcpStream::connect_nonblocking(net, addr, options)?;
    let waiter = Waiter::with_interest(net, &stream, interrupt, Interest::WRITABLE)?;
    match waiter.wait(options.timeout)? {
        Waited::Interrupted => return Ok(None),
        Waited::TimedOut => return Err(io::ErrorKind::TimedOut.into()),
        Waited::Ready => {}
    }
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    stream.set_nonblocking(false)?;
    Ok(Some(stream))
}
