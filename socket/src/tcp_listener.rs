//! Listening for TCP connections.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use ip::Ttl;

use crate::socket::Socket;
use crate::tcp_stream::each_addr;
use crate::waiters::Key;
use crate::{Net, Pollable, TcpStream, error};

/// As the backlog that `std::net` asks for on most systems.
const BACKLOG: usize = 128;

/// As [`std::net::TcpListener`], on a stack of our own.
#[derive(Debug)]
pub struct TcpListener {
    socket: Arc<Socket>,
}

/// How to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    /// How many connections may wait to be accepted.
    pub backlog: usize,
    /// Set on the listener before it listens; accepted connections inherit them.
    pub settings: Vec<tcp::Setting>,
}

impl Default for ListenOptions {
    /// A backlog of 128, and a port that is free again at once when a server restarts.
    fn default() -> ListenOptions {
        ListenOptions { backlog: BACKLOG, settings: vec![tcp::Setting::ReuseAddr(true)] }
    }
}

impl TcpListener {
    /// As [`std::net::TcpListener::bind`].
    pub fn bind(net: &Net, addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
        TcpListener::bind_with(net, addr, &ListenOptions::default())
    }

    /// As [`TcpListener::bind`], with options.
    pub fn bind_with(
        net: &Net,
        addr: impl ToSocketAddrs,
        options: &ListenOptions,
    ) -> io::Result<TcpListener> {
        each_addr(addr, |addr| {
            let socket = open_tcp(net)?;
            let handle = socket.handle();
            socket.call(|stack, now| {
                stack.with_tcp(now, |tcp, out| {
                    for setting in &options.settings {
                        tcp.set(now, handle, setting.clone(), out)?;
                    }
                    tcp.bind(handle, addr, out)?;
                    tcp.listen(handle, options.backlog)
                })
            })?;
            Ok(TcpListener { socket })
        })
    }

    /// As [`std::net::TcpListener::accept`]: the connection that has waited longest.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let handle = self.handle();
        let accepted =
            self.socket.read(|stack, now| stack.with_tcp(now, |tcp, _| tcp.accept(handle)));
        let (handle, peer) = accepted?;
        Ok((TcpStream::from_socket(Socket::new(&self.socket.core, Key::Tcp(handle))), peer))
    }

    /// As [`std::net::TcpListener::incoming`].
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// As [`std::net::TcpListener::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.info()?.local)
    }

    /// The listener as a person sees it: how many connections wait, and the backlog.
    pub fn info(&self) -> io::Result<tcp::Info> {
        let handle = self.handle();
        self.socket.call(|stack, now| stack.with_tcp(now, |tcp, _| tcp.info(now, handle)))
    }

    /// Changes the backlog.
    pub fn set_backlog(&self, backlog: usize) -> io::Result<()> {
        let handle = self.handle();
        self.socket.call(|stack, now| stack.with_tcp(now, |tcp, _| tcp.listen(handle, backlog)))
    }

    /// Changes an option; connections that come later inherit it.
    pub fn set(&self, setting: tcp::Setting) -> io::Result<()> {
        let handle = self.handle();
        self.socket
            .call(|stack, now| stack.with_tcp(now, |tcp, out| tcp.set(now, handle, setting, out)))
    }

    /// As [`std::net::TcpListener::set_nonblocking`].
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking);
        Ok(())
    }

    /// As [`std::net::TcpListener::set_ttl`].
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.set(tcp::Setting::Ttl(checked_ttl(ttl)?))
    }

    /// As [`std::net::TcpListener::ttl`].
    pub fn ttl(&self) -> io::Result<u32> {
        Ok(u32::from(self.settings()?.ttl.0))
    }

    /// The options in force, which connections inherit.
    pub fn settings(&self) -> io::Result<tcp::Settings> {
        let handle = self.handle();
        self.socket.call(|stack, now| stack.with_tcp(now, |tcp, _| tcp.settings(handle)))
    }

    /// A connection is accepted only when it has data, or after this time (TCP_DEFER_ACCEPT).
    pub fn set_defer_accept(&self, time: Option<Duration>) -> io::Result<()> {
        self.set(tcp::Setting::DeferAccept(time))
    }

    /// See [`TcpListener::set_defer_accept`].
    pub fn defer_accept(&self) -> io::Result<Option<Duration>> {
        Ok(self.settings()?.defer_accept)
    }

    /// The largest segment in bytes of connections to come, named to their peers and obeyed
    /// (TCP_MAXSEG).
    pub fn set_max_segment(&self, bytes: u16) -> io::Result<()> {
        self.set(tcp::Setting::MaxSegment(bytes))
    }

    /// See [`TcpListener::set_max_segment`]; `None`: as the path says.
    pub fn max_segment(&self) -> io::Result<Option<u16>> {
        Ok(self.settings()?.max_segment)
    }

    /// The size of the send buffer of connections to come (SO_SNDBUF).
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.set(tcp::Setting::SendBuffer(bytes))
    }

    /// The size of their receive buffer (SO_RCVBUF): a large one has to be set here, since the
    /// window scale is chosen with the SYN.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.set(tcp::Setting::ReceiveBuffer(bytes))
    }

    /// As [`std::net::TcpListener::take_error`].
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let handle = self.handle();
        let taken = |stack: &mut crate::Stack, now| {
            stack.with_tcp(now, |tcp, _| Ok(tcp.take_error(handle)))
        };
        Ok(self.socket.call(taken)?.map(error::io))
    }

    /// As [`std::net::TcpListener::try_clone`].
    pub fn try_clone(&self) -> io::Result<TcpListener> {
        Ok(TcpListener { socket: Arc::clone(&self.socket) })
    }

    fn handle(&self) -> ip::Handle {
        self.socket.handle()
    }
}

impl Pollable for TcpListener {
    fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }
}

/// Accepts for ever: see [`TcpListener::incoming`].
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;
    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

pub(crate) fn open_tcp(net: &Net) -> io::Result<Arc<Socket>> {
    let mut locked = net.core().lock();
    locked.running()?;
    let handle = locked.stack.tcp.open().map_err(error::io)?;
    drop(locked);
    Ok(Socket::new(net.core(), Key::Tcp(handle)))
}

pub(crate) fn checked_ttl(ttl: u32) -> io::Result<Ttl> {
    match u8::try_from(ttl) {
        Ok(ttl) if ttl > 0 => Ok(Ttl(ttl)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "a TTL is from 1 to 255")),
    }
}
