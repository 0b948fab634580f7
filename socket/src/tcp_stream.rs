//! TCP connections.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use ip::{Output, Readiness, SocketError};
use netdev::Instant;
use tcp::{ReceiveFlags, SendFlags, State, Streams};

use crate::core::Wait;
use crate::socket::Socket;
use crate::tcp_listener::open_tcp;
use crate::waiters::Want;
use crate::{Net, Pollable, error};

/// As [`std::net::TcpStream`], on a stack of our own.
///
/// The last clone that is dropped closes the connection: what was written is still sent, then a
/// FIN; if received bytes were not read, the peer gets a reset (RFC 9293 §3.6.1, RFC 2525 §2.17).
#[derive(Debug)]
pub struct TcpStream {
    socket: Arc<Socket>,
}

/// How to connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    /// From which address and port; `None`: as the route says, from an ephemeral port.
    pub local: Option<SocketAddr>,
    /// How long to wait; `None`: until TCP gives up.
    pub timeout: Option<Duration>,
    /// Set before the SYN is sent.
    pub settings: Vec<tcp::Setting>,
}

impl TcpStream {
    /// As [`std::net::TcpStream::connect`].
    pub fn connect(net: &Net, addr: impl ToSocketAddrs) -> io::Result<TcpStream> {
        TcpStream::connect_with(net, addr, &ConnectOptions::default())
    }

    /// As [`std::net::TcpStream::connect_timeout`].
    pub fn connect_timeout(
        net: &Net,
        addr: &SocketAddr,
        timeout: Duration,
    ) -> io::Result<TcpStream> {
        if timeout.is_zero() {
            return Err(error::zero_timeout());
        }
        let options = ConnectOptions { timeout: Some(timeout), ..ConnectOptions::default() };
        TcpStream::connect_with(net, addr, &options)
    }

    /// As [`TcpStream::connect`], with options.
    pub fn connect_with(
        net: &Net,
        addr: impl ToSocketAddrs,
        options: &ConnectOptions,
    ) -> io::Result<TcpStream> {
        each_addr(addr, |addr| {
            let wait = Wait::at_most(options.timeout);
            let stream = TcpStream::start(net, addr, options)?;
            stream.finish_connect(wait)?;
            Ok(stream)
        })
    }

    /// Begins to connect and does not wait: the stream is non-blocking, and writable when the
    /// connection is there or has failed; [`TcpStream::take_error`] then tells which.
    pub fn connect_nonblocking(
        net: &Net,
        addr: SocketAddr,
        options: &ConnectOptions,
    ) -> io::Result<TcpStream> {
        let stream = TcpStream::start(net, addr, options)?;
        stream.socket.set_nonblocking(true);
        Ok(stream)
    }

    fn start(net: &Net, addr: SocketAddr, options: &ConnectOptions) -> io::Result<TcpStream> {
        let stream = TcpStream { socket: open_tcp(net)? };
        let begun = stream.call(|tcp, out, now, handle| {
            for setting in &options.settings {
                tcp.set(now, handle, setting.clone(), out)?;
            }
            if let Some(local) = options.local {
                tcp.bind(handle, local, out)?;
            }
            match tcp.connect(now, handle, addr, out) {
                Err(SocketError::InProgress) => Ok(()),
                done => done,
            }
        });
        begun.map(|()| stream)
    }

    /// Waits until the connection is there or has failed.
    fn finish_connect(&self, wait: Wait) -> io::Result<()> {
        let handle = self.socket.handle();
        let done = self.socket.core.block(self.socket.key, Want::Any, wait, |stack, now| {
            stack.with_tcp(now, |tcp, _| {
                // A notice is an error to readiness as well, so that alone does not tell.
                let ready = tcp.readiness(handle);
                let state = tcp.info(now, handle)?.state;
                let under_way = matches!(state, State::SynSent | State::SynReceived);
                if under_way || !ready.intersects(Readiness::WRITABLE | Readiness::ERROR) {
                    return Err(SocketError::WouldBlock);
                }
                match tcp.take_error(handle) {
                    // The state of a connection whose error was taken before.
                    None if !state.is_synchronized() => Err(SocketError::Aborted),
                    None => Ok(()),
                    Some(error) => Err(error),
                }
            })
        });
        done.map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock => error::io(SocketError::TimedOut),
            _ => e,
        })
    }

    pub(crate) fn from_socket(socket: Arc<Socket>) -> TcpStream {
        TcpStream { socket }
    }

    /// As [`std::net::TcpStream::peer_addr`].
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        let info = self.info()?;
        if info.state.is_synchronized() {
            Ok(info.peer)
        } else {
            Err(error::io(SocketError::NotConnected))
        }
    }

    /// As [`std::net::TcpStream::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.info()?.local)
    }

    /// As [`std::net::TcpStream::shutdown`].
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let how = match how {
            Shutdown::Read => tcp::Shutdown::Read,
            Shutdown::Write => tcp::Shutdown::Write,
            Shutdown::Both => tcp::Shutdown::Both,
        };
        self.call(|tcp, out, now, handle| tcp.shutdown(now, handle, how, out))
    }

    /// As [`std::net::TcpStream::peek`].
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive(buffer, ReceiveFlags::PEEK)
    }

    /// Reads with flags.
    pub fn receive(&self, buffer: &mut [u8], flags: ReceiveFlags) -> io::Result<usize> {
        let handle = self.socket.handle();
        self.socket.read_bytes(|stack, now| {
            stack.with_tcp(now, |tcp, out| tcp.receive(now, handle, buffer, flags, out))
        })
    }

    /// Writes with flags.
    pub fn send(&self, data: &[u8], flags: SendFlags) -> io::Result<usize> {
        let handle = self.socket.handle();
        self.socket.write_bytes(|stack, now| {
            stack.with_tcp(now, |tcp, out| tcp.send(now, handle, data, flags, out))
        })
    }

    /// As [`std::net::TcpStream::try_clone`]: both share everything, timeouts too.
    pub fn try_clone(&self) -> io::Result<TcpStream> {
        Ok(TcpStream { socket: Arc::clone(&self.socket) })
    }

    /// As [`std::net::TcpStream::set_nonblocking`].
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking);
        Ok(())
    }

    /// As [`std::net::TcpStream::set_read_timeout`]; a read that takes longer fails with
    /// `WouldBlock`.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(timeout)
    }

    /// As [`std::net::TcpStream::set_write_timeout`].
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_write_timeout(timeout)
    }

    /// As [`std::net::TcpStream::read_timeout`].
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.read_timeout())
    }

    /// As [`std::net::TcpStream::write_timeout`].
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.write_timeout())
    }

    /// As [`std::net::TcpStream::take_error`].
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let error = self.call(|tcp, _, _, handle| Ok(tcp.take_error(handle)))?;
        Ok(error.map(error::io))
    }

    /// The next notice of the error queue (see [`tcp::Notice`]).
    pub fn take_notice(&self) -> io::Result<Option<tcp::Notice>> {
        self.call(|tcp, _, _, handle| Ok(tcp.take_notice(handle)))
    }

    /// The connection as a person sees it.
    pub fn info(&self) -> io::Result<tcp::Info> {
        self.call(|tcp, _, now, handle| tcp.info(now, handle))
    }

    /// Changes any option.
    pub fn set(&self, setting: tcp::Setting) -> io::Result<()> {
        self.call(|tcp, out, now, handle| tcp.set(now, handle, setting, out))
    }

    /// The options in force.
    pub fn settings(&self) -> io::Result<tcp::Settings> {
        self.call(|tcp, _, _, handle| tcp.settings(handle))
    }

    fn call<T>(
        &self,
        call: impl FnOnce(
            &mut dyn Streams,
            &mut dyn Output,
            Instant,
            ip::Handle,
        ) -> Result<T, SocketError>,
    ) -> io::Result<T> {
        let handle = self.socket.handle();
        self.socket.call(|stack, now| stack.with_tcp(now, |tcp, out| call(tcp, out, now, handle)))
    }
}

impl Read for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(buffers)
    }
}

impl Read for &TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive(buffer, ReceiveFlags::empty())
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let handle = self.socket.handle();
        self.socket.read_bytes(|stack, now| {
            stack.with_tcp(now, |tcp, out| {
                let mut total = 0;
                for buffer in buffers.iter_mut().filter(|b| !b.is_empty()) {
                    match tcp.receive(now, handle, buffer, ReceiveFlags::empty(), out) {
                        Ok(count) => {
                            total += count;
                            if count < buffer.len() {
                                break;
                            }
                        }
                        Err(error) if total == 0 => return Err(error),
                        Err(_) => break,
                    }
                }
                Ok(total)
            })
        })
    }
}

impl Write for TcpStream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        (&*self).write(data)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for &TcpStream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.send(data, SendFlags::empty())
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let handle = self.socket.handle();
        let last = parts.iter().rposition(|part| !part.is_empty()).unwrap_or(0);
        self.socket.write_bytes(|stack, now| {
            stack.with_tcp(now, |tcp, out| {
                let mut total = 0;
                for (at, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
                    let flags = if at < last { SendFlags::MORE } else { SendFlags::empty() };
                    match tcp.send(now, handle, part, flags, out) {
                        Ok(count) => {
                            total += count;
                            if count < part.len() {
                                break;
                            }
                        }
                        Err(error) if total == 0 => return Err(error),
                        Err(_) => break,
                    }
                }
                Ok(total)
            })
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Pollable for TcpStream {
    fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }
}

/// Tries each address that a name stands for, as `std::net` does.
pub(crate) fn each_addr<T>(
    addr: impl ToSocketAddrs,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for addr in addr.to_socket_addrs()? {
        match attempt(addr) {
            Ok(done) => return Ok(done),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any addresses")
    }))
}

mod options;
#[cfg(test)]
mod tests;
