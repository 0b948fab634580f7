//! Programs of hosts: what they are, and what they can do.

use std::any::Any;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};

use ip::{Handle, Protocol, Readiness, SocketError};
use netdev::Instant;
use socket::{Key, RawReceived, Stack};
use tcp::{ReceiveFlags, SendFlags, Shutdown};
use udp::Received;

use super::NodeId;
use super::host::Desk;

/// A program of a host. It has no thread: it is called when something happened, does what can be
/// done without waiting, and returns.
///
/// A closure of the same shape is one, too.
pub trait Program: Any {
    /// Something happened.
    ///
    /// An event says that there may be something new, as an edge-triggered `epoll` does: what a
    /// socket has is to be taken until it gives [`SocketError::WouldBlock`].
    fn on(&mut self, event: Event, io: &mut Io<'_>);
}

impl<F: FnMut(Event, &mut Io<'_>) + 'static> Program for F {
    fn on(&mut self, event: Event, io: &mut Io<'_>) {
        self(event, io);
    }
}

/// Why a program is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// For the first time.
    Start,
    /// The readiness of a socket that it opened or accepted may have changed.
    Ready(Key),
    /// The time for which it set its alarm has come.
    Alarm,
}

/// A program that was started: the key by which its network gives it (`net[running]`).
pub struct Running<P> {
    pub(super) node: NodeId,
    pub(super) number: usize,
    pub(super) program: PhantomData<fn() -> P>,
}

impl<P> Clone for Running<P> {
    fn clone(&self) -> Running<P> {
        *self
    }
}

impl<P> Copy for Running<P> {}

impl<P> std::fmt::Debug for Running<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "program {} of {:?}", self.number, self.node)
    }
}

/// A host as a program of it sees it: the calls of sockets, none of which waits.
///
/// A socket belongs to the program that opened or accepted it, which is called when something
/// happens to it. The calls are those of the layers' traits, and give the same errors.
#[derive(Debug)]
pub struct Io<'a> {
    pub(super) now: Instant,
    pub(super) stack: &'a mut Stack,
    pub(super) desk: &'a mut Desk,
    pub(super) number: usize,
}

impl Io<'_> {
    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The whole stack, for what has no call here. A socket that is opened this way belongs to no
    /// program until [`Io::adopt`].
    pub fn stack(&mut self) -> &mut Stack {
        self.stack
    }

    /// Makes a socket this program's own.
    pub fn adopt(&mut self, socket: Key) {
        self.desk.own(socket, self.number);
    }

    /// Sets the alarm of this program, which has one: an earlier setting is forgotten.
    pub fn set_alarm(&mut self, at: Option<Instant>) {
        self.desk.set_alarm(self.number, at);
    }

    /// A TCP socket that listens at a port of every address of the host.
    pub fn listen(&mut self, port: u16, backlog: usize) -> Result<Handle, SocketError> {
        let any = SocketAddr::new(IpAddr::from([0; 4]), port);
        let listener = self.stack.with_tcp(self.now, |tcp, out| -> Result<_, SocketError> {
            let listener = tcp.open()?;
            tcp.bind(listener, any, out)?;
            tcp.listen(listener, backlog).map(|()| listener)
        })?;
        self.adopt(Key::Tcp(listener));
        Ok(listener)
    }

    /// A TCP socket that connects to `peer`. It becomes writable when it is connected, or has
    /// failed, which [`Io::take_error`] tells.
    pub fn connect(&mut self, peer: SocketAddr) -> Result<Handle, SocketError> {
        let now = self.now;
        let socket = self.stack.with_tcp(now, |tcp, out| {
            let socket = tcp.open()?;
            match tcp.connect(now, socket, peer, out) {
                Ok(()) | Err(SocketError::InProgress) => Ok(socket),
                Err(error) => {
                    tcp.close(now, socket, out);
                    Err(error)
                }
            }
        })?;
        self.adopt(Key::Tcp(socket));
        Ok(socket)
    }

    /// The connection that has waited longest, and its peer.
    pub fn accept(&mut self, listener: Handle) -> Result<(Handle, SocketAddr), SocketError> {
        let accepted = self.stack.with_tcp(self.now, |tcp, _| tcp.accept(listener))?;
        self.adopt(Key::Tcp(accepted.0));
        Ok(accepted)
    }

    /// Takes bytes into the send buffer of a connection, as many as fit.
    pub fn send(&mut self, socket: Handle, data: &[u8]) -> Result<usize, SocketError> {
        let now = self.now;
        self.stack.with_tcp(now, |tcp, out| tcp.send(now, socket, data, SendFlags::empty(), out))
    }

    /// Received bytes in order; `Ok(0)` is the end.
    pub fn receive(&mut self, socket: Handle, buffer: &mut [u8]) -> Result<usize, SocketError> {
        let (now, flags) = (self.now, ReceiveFlags::empty());
        self.stack.with_tcp(now, |tcp, out| tcp.receive(now, socket, buffer, flags, out))
    }

    /// Sends no more on a connection.
    pub fn shutdown(&mut self, socket: Handle) -> Result<(), SocketError> {
        let now = self.now;
        self.stack.with_tcp(now, |tcp, out| tcp.shutdown(now, socket, Shutdown::Write, out))
    }

    /// Closes a socket.
    pub fn close(&mut self, socket: Key) {
        let now = self.now;
        self.desk.disown(socket);
        match socket {
            Key::Tcp(socket) => self.stack.with_tcp(now, |tcp, out| tcp.close(now, socket, out)),
            Key::Udp(socket) => self.stack.close_udp(now, socket),
            Key::Raw(socket) => self.stack.with_raw(now, |raw, _| raw.close(socket)),
        }
    }

    /// What a TCP socket is ready for.
    pub fn readiness(&mut self, socket: Handle) -> Readiness {
        self.stack.with_tcp(self.now, |tcp, _| tcp.readiness(socket))
    }

    /// Takes the error that ended a connection.
    pub fn take_error(&mut self, socket: Handle) -> Option<SocketError> {
        self.stack.with_tcp(self.now, |tcp, _| tcp.take_error(socket))
    }

    /// The facts of a connection.
    pub fn info(&mut self, socket: Handle) -> Result<tcp::Info, SocketError> {
        let now = self.now;
        self.stack.with_tcp(now, |tcp, _| tcp.info(now, socket))
    }

    /// A UDP socket at a port of every address of the host; 0 for any port.
    pub fn udp(&mut self, port: u16) -> Result<Handle, SocketError> {
        let any = SocketAddr::new(IpAddr::from([0; 4]), port);
        let socket = self.stack.with_udp(self.now, |udp, out| -> Result<_, SocketError> {
            let socket = udp.open()?;
            udp.bind(socket, any, out).map(|()| socket)
        })?;
        self.adopt(Key::Udp(socket));
        Ok(socket)
    }

    /// Sends a datagram.
    pub fn send_to(
        &mut self,
        socket: Handle,
        to: SocketAddr,
        data: &[u8],
    ) -> Result<usize, SocketError> {
        let now = self.now;
        self.stack.with_udp(now, |udp, out| udp.send(now, socket, Some(to), data, out))
    }

    /// The oldest datagram received.
    pub fn receive_from(&mut self, socket: Handle) -> Result<Received, SocketError> {
        self.stack.with_udp(self.now, |udp, _| udp.receive(socket, false))
    }

    /// A raw socket.
    pub fn raw(&mut self, protocol: Protocol) -> Result<Handle, SocketError> {
        let socket = self.stack.with_raw(self.now, |raw, _| raw.open(Some(protocol)))?;
        self.adopt(Key::Raw(socket));
        Ok(socket)
    }

    /// Sends by a raw socket.
    pub fn send_raw(
        &mut self,
        socket: Handle,
        to: IpAddr,
        data: &[u8],
    ) -> Result<usize, SocketError> {
        let now = self.now;
        self.stack.with_raw(now, |raw, out| raw.send(now, socket, Some(to), data, out))
    }

    /// The oldest datagram that a raw socket received.
    pub fn receive_raw(&mut self, socket: Handle) -> Result<RawReceived, SocketError> {
        self.stack.with_raw(self.now, |raw, _| raw.receive(socket, false))
    }
}
