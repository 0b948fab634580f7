//! UDP sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use ip::{Cidr, IfIndex, Output, SocketError};
use netdev::Instant;
use udp::{Datagrams, Received, Setting};

use crate::socket::Socket;
use crate::tcp_listener::checked_ttl;
use crate::tcp_stream::each_addr;
use crate::waiters::Key;
use crate::{Net, Pollable, Stack, error};

/// As [`std::net::UdpSocket`], on a stack of our own.
#[derive(Debug)]
pub struct UdpSocket {
    socket: Arc<Socket>,
}

impl UdpSocket {
    /// As [`std::net::UdpSocket::bind`].
    pub fn bind(net: &Net, addr: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        UdpSocket::bind_with(net, addr, &[])
    }

    /// As [`UdpSocket::bind`], with options that are set before.
    pub fn bind_with(
        net: &Net,
        addr: impl ToSocketAddrs,
        settings: &[Setting],
    ) -> io::Result<UdpSocket> {
        each_addr(addr, |addr| {
            let mut locked = net.core().lock();
            locked.running()?;
            let handle = locked.stack.udp.open().map_err(error::io)?;
            drop(locked);
            let socket = UdpSocket { socket: Socket::new(net.core(), Key::Udp(handle)) };
            socket.call(|udp, out, _, handle| {
                for setting in settings {
                    udp.set(handle, *setting)?;
                }
                udp.bind(handle, addr, out)
            })?;
            Ok(socket)
        })
    }

    /// As [`std::net::UdpSocket::connect`].
    pub fn connect(&self, addr: impl ToSocketAddrs) -> io::Result<()> {
        each_addr(addr, |addr| {
            self.call(|udp, out, now, handle| udp.connect(now, handle, Some(addr), out))
        })
    }

    /// Takes the peer away again.
    pub fn disconnect(&self) -> io::Result<()> {
        self.call(|udp, out, now, handle| udp.connect(now, handle, None, out))
    }

    /// As [`std::net::UdpSocket::send_to`].
    pub fn send_to(&self, data: &[u8], addr: impl ToSocketAddrs) -> io::Result<usize> {
        // As std does: the first address only.
        let addr = addr.to_socket_addrs()?.next().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "no addresses to send data to")
        })?;
        self.transmit(data, Some(addr))
    }

    /// As [`std::net::UdpSocket::send`].
    pub fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.transmit(data, None)
    }

    /// As [`std::net::UdpSocket::recv_from`].
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.copy(buffer, false)
    }

    /// As [`std::net::UdpSocket::peek_from`].
    pub fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.copy(buffer, true)
    }

    /// As [`std::net::UdpSocket::recv`].
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.copy(buffer, false)?.0)
    }

    /// As [`std::net::UdpSocket::peek`].
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.copy(buffer, true)?.0)
    }

    /// The oldest datagram with all that is known of it, without a copy.
    pub fn receive(&self) -> io::Result<Received> {
        self.take(false)
    }

    /// As [`std::net::UdpSocket::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.info()?.local)
    }

    /// As [`std::net::UdpSocket::peer_addr`].
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.info()?.peer.ok_or_else(|| error::io(SocketError::NotConnected))
    }

    /// The socket as a person sees it.
    pub fn info(&self) -> io::Result<udp::Info> {
        self.call(|udp, _, _, handle| udp.info(handle))
    }

    /// Changes any option.
    pub fn set(&self, setting: Setting) -> io::Result<()> {
        let handle = self.socket.handle();
        self.socket.call(|stack, now| match setting {
            // IP has to know as well.
            Setting::Membership(iface, group, true) => stack.join(now, handle, iface, group),
            Setting::Membership(iface, group, false) => stack.leave(now, handle, iface, group),
            setting => stack.with_udp(now, |udp, _| udp.set(handle, setting)),
        })
    }

    /// As [`std::net::UdpSocket::set_broadcast`].
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.set(Setting::Broadcast(broadcast))
    }

    /// As [`std::net::UdpSocket::broadcast`].
    pub fn broadcast(&self) -> io::Result<bool> {
        Ok(self.info()?.broadcast)
    }

    /// As [`std::net::UdpSocket::set_ttl`].
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.set(Setting::Ttl(checked_ttl(ttl)?))
    }

    /// As [`std::net::UdpSocket::ttl`].
    pub fn ttl(&self) -> io::Result<u32> {
        Ok(u32::from(self.info()?.ttl.0))
    }

    /// As [`std::net::UdpSocket::set_multicast_ttl_v4`].
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.set(Setting::MulticastTtl(checked_ttl(ttl)?))
    }

    /// As [`std::net::UdpSocket::set_multicast_loop_v4`].
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.set(Setting::MulticastLoop(on))
    }

    /// As [`std::net::UdpSocket::join_multicast_v4`]: `interface` is an address of it, or
    /// unspecified for the one that the route to the group says.
    pub fn join_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.membership(*group, *interface, true)
    }

    /// As [`std::net::UdpSocket::leave_multicast_v4`].
    pub fn leave_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.membership(*group, *interface, false)
    }

    /// As [`std::net::UdpSocket::take_error`].
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let error = self.call(|udp, _, _, handle| Ok(udp.take_error(handle)))?;
        Ok(error.map(error::io))
    }

    /// As [`std::net::UdpSocket::try_clone`].
    pub fn try_clone(&self) -> io::Result<UdpSocket> {
        Ok(UdpSocket { socket: Arc::clone(&self.socket) })
    }

    /// As [`std::net::UdpSocket::set_nonblocking`].
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking);
        Ok(())
    }

    /// As [`std::net::UdpSocket::set_read_timeout`]; a read that takes longer fails with
    /// `WouldBlock`.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(timeout)
    }

    /// As [`std::net::UdpSocket::read_timeout`].
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.read_timeout())
    }

    /// As [`std::net::UdpSocket::set_write_timeout`].
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_write_timeout(timeout)
    }

    /// As [`std::net::UdpSocket::write_timeout`].
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.write_timeout())
    }

    fn transmit(&self, data: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
        let handle = self.socket.handle();
        self.socket.write(|stack, now| {
            stack.with_udp(now, |udp, out| udp.send(now, handle, to, data, out))
        })
    }

    fn take(&self, peek: bool) -> io::Result<Received> {
        let handle = self.socket.handle();
        self.socket.read(|stack, now| stack.with_udp(now, |udp, _| udp.receive(handle, peek)))
    }

    fn copy(&self, buffer: &mut [u8], peek: bool) -> io::Result<(usize, SocketAddr)> {
        let received = self.take(peek)?;
        let count = received.data.len().min(buffer.len());
        buffer[..count].copy_from_slice(&received.data[..count]);
        Ok((count, received.from))
    }

    fn membership(&self, group: Ipv4Addr, interface: Ipv4Addr, join: bool) -> io::Result<()> {
        let handle = self.socket.handle();
        let group = IpAddr::V4(group);
        self.socket.call(|stack, now| {
            let iface = interface_of(stack, now, group, interface)?;
            if join {
                stack.join(now, handle, iface, group)
            } else {
                stack.leave(now, handle, iface, group)
            }
        })
    }

    fn call<T>(
        &self,
        call: impl FnOnce(
            &mut dyn Datagrams,
            &mut dyn Output,
            Instant,
            ip::Handle,
        ) -> Result<T, SocketError>,
    ) -> io::Result<T> {
        let handle = self.socket.handle();
        self.socket.call(|stack, now| stack.with_udp(now, |udp, out| call(udp, out, now, handle)))
    }
}

/// The interface that has the address, or by which the group is reached.
fn interface_of(
    stack: &Stack,
    now: Instant,
    group: IpAddr,
    addr: Ipv4Addr,
) -> Result<IfIndex, SocketError> {
    if addr.is_unspecified() {
        return Ok(stack.route(now, group)?.iface);
    }
    let has = |addrs: &[Cidr]| addrs.iter().any(|a| a.addr == IpAddr::V4(addr));
    let found = stack.interfaces.iter().find(|i| has(&i.addrs));
    Ok(found.ok_or(SocketError::AddrNotAvailable)?.index)
}

impl Pollable for UdpSocket {
    fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }
}

#[cfg(test)]
mod tests;
