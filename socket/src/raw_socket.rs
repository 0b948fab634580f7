//! Raw sockets as a program uses them.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ip::{Protocol, SocketError};

use crate::calls::RawOutput;
use crate::raw::{RawInfo, RawReceived, RawSetting, RawSockets};
use crate::socket::Socket;
use crate::tcp_listener::checked_ttl;
use crate::waiters::Key;
use crate::{Net, Pollable, error};

/// Whole IP datagrams in and out: what `ping` and `traceroute` are made of.
#[derive(Debug)]
pub struct RawSocket {
    socket: Arc<Socket>,
}

impl RawSocket {
    /// A socket for one protocol, or with `None` for all.
    pub fn new(net: &Net, protocol: Option<Protocol>) -> io::Result<RawSocket> {
        let mut locked = net.core().lock();
        locked.running()?;
        let handle = locked.stack.raw.open(protocol).map_err(error::io)?;
        drop(locked);
        Ok(RawSocket { socket: Socket::new(net.core(), Key::Raw(handle)) })
    }

    /// Receives only what is sent to `local`, and sends from it.
    pub fn bind(&self, local: IpAddr) -> io::Result<()> {
        self.call(|raw, out, handle| raw.bind(handle, local, out))
    }

    /// Receives only from `peer`, and hears of ICMP errors about what was sent to it.
    pub fn connect(&self, peer: IpAddr) -> io::Result<()> {
        self.call(|raw, _, handle| raw.connect(handle, Some(peer)))
    }

    /// Sends what follows an IP header, or with [`RawSetting::HeaderIncluded`] the header too.
    pub fn send_to(&self, data: &[u8], to: IpAddr) -> io::Result<usize> {
        self.transmit(data, Some(to))
    }

    /// The same to the peer, or to whom the included header says.
    pub fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.transmit(data, None)
    }

    /// Copies the oldest datagram, IP header included; gives its whole length where the buffer
    /// has room for it.
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, IpAddr)> {
        let received = self.receive()?;
        let count = received.packet.len().min(buffer.len());
        buffer[..count].copy_from_slice(&received.packet[..count]);
        Ok((count, received.from))
    }

    /// The oldest datagram with all that is known of it, without a copy.
    pub fn receive(&self) -> io::Result<RawReceived> {
        self.take(false)
    }

    /// The same, and leaves it where it is.
    pub fn peek(&self) -> io::Result<RawReceived> {
        self.take(true)
    }

    /// Changes an option.
    pub fn set(&self, setting: RawSetting) -> io::Result<()> {
        self.call(|raw, _, handle| raw.set(handle, setting))
    }

    /// Hops of what is sent, 1 to 255.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.set(RawSetting::Ttl(checked_ttl(ttl)?))
    }

    /// Whether what is sent begins with an IP header of its own (IP_HDRINCL).
    pub fn set_header_included(&self, on: bool) -> io::Result<()> {
        self.set(RawSetting::HeaderIncluded(on))
    }

    /// Whether broadcasts may be sent.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.set(RawSetting::Broadcast(on))
    }

    /// The socket as a person sees it.
    pub fn info(&self) -> io::Result<RawInfo> {
        self.call(|raw, _, handle| raw.info(handle))
    }

    /// Takes the error that an ICMP message left.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let error = self.call(|raw, _, handle| Ok(raw.take_error(handle)))?;
        Ok(error.map(error::io))
    }

    /// A second handle of the same socket.
    pub fn try_clone(&self) -> io::Result<RawSocket> {
        Ok(RawSocket { socket: Arc::clone(&self.socket) })
    }

    /// Whether calls never wait.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking);
        Ok(())
    }

    /// How long a receive waits before it fails with `WouldBlock`; `None`: for ever.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(timeout)
    }

    /// See [`RawSocket::set_read_timeout`].
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.read_timeout())
    }

    fn transmit(&self, data: &[u8], to: Option<IpAddr>) -> io::Result<usize> {
        let handle = self.socket.handle();
        self.socket.write(|stack, now| {
            stack.with_raw(now, |raw, out| raw.send(now, handle, to, data, out))
        })
    }

    fn take(&self, peek: bool) -> io::Result<RawReceived> {
        let handle = self.socket.handle();
        self.socket.read(|stack, now| stack.with_raw(now, |raw, _| raw.receive(handle, peek)))
    }

    fn call<T>(
        &self,
        call: impl FnOnce(&mut RawSockets, &mut RawOutput<'_>, ip::Handle) -> Result<T, SocketError>,
    ) -> io::Result<T> {
        let handle = self.socket.handle();
        self.socket.call(|stack, now| stack.with_raw(now, |raw, out| call(raw, out, handle)))
    }
}

impl Pollable for RawSocket {
    fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }
}

#[cfg(test)]
mod tests;
