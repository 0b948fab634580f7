//! The kernel's own sockets on two hosts, as a network for the kit.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant as Clock};

use ip::{Readiness, SocketError};
use netdev::Instant;
use socket::conformance::{Host, Kind, Message, Network, Queues, Setting, Socket};
use socket::{Interest, Mode};
use tcp::{ReceiveFlags, SendFlags, Shutdown};

use crate::hosts::Hosts;
use crate::{errno, settings, sys};

type Result<T> = std::result::Result<T, SocketError>;

/// Longer than this is not waited for; of a neighbour that does not answer the kernel tells in three
/// seconds, and a full backlog takes about as long.
const PATIENCE: Duration = Duration::from_secs(10);
/// So long time passes at least, for what the kernel puts off.
const LEAST: Duration = Duration::from_millis(20);

const ALL_EVENTS: i16 = libc::POLLIN | libc::POLLOUT | libc::POLLPRI | libc::POLLRDHUP;

/// Two hosts in two namespaces.
pub(crate) struct Kernel {
    hosts: Hosts,
    sockets: BTreeMap<Socket, (OwnedFd, Kind)>,
    opened: u32,
    epoll: OwnedFd,
    start: Clock,
}

impl Kernel {
    /// Host A is the network that this process is in: one of its own.
    pub(crate) fn new() -> Kernel {
        let epoll = sys::epoll().expect("an epoll");
        let (hosts, sockets) = (Hosts::new(), BTreeMap::new());
        Kernel { hosts, sockets, opened: 0, epoll, start: Clock::now() }
    }

    fn name(&mut self, fd: OwnedFd, kind: Kind) -> Socket {
        self.opened += 1;
        self.sockets.insert(Socket(self.opened), (fd, kind));
        Socket(self.opened)
    }

    fn fd(&self, socket: Socket) -> Result<BorrowedFd<'_>> {
        let found = self.sockets.get(&socket);
        Ok(found.ok_or(SocketError::BadHandle)?.0.as_fd())
    }

    fn kind_of(&self, socket: Socket) -> Result<Kind> {
        Ok(self.sockets.get(&socket).ok_or(SocketError::BadHandle)?.1)
    }

    fn call<T>(
        &self,
        socket: Socket,
        call: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> Result<T> {
        call(self.fd(socket)?).map_err(|error| errno::of(&error))
    }

    fn change_watch(
        &mut self,
        change: i32,
        socket: Socket,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        let mut events = match mode {
            Mode::Level => 0,
            Mode::Edge => libc::EPOLLET,
            Mode::Oneshot => libc::EPOLLONESHOT,
        };
        if interest.readable {
            events |= libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLPRI;
        }
        if interest.writable {
            events |= libc::EPOLLOUT;
        }
        let fd = self.fd(socket).expect("an open socket");
        sys::epoll_change(self.epoll.as_fd(), change, fd, events.cast_unsigned(), socket.0.into())
    }
}

/// What poll's and epoll's events mean; the numbers are the same.
fn ready(events: i16) -> Readiness {
    let both = Readiness::READ_CLOSED | Readiness::WRITE_CLOSED;
    [
        (libc::POLLIN, Readiness::READABLE),
        (libc::POLLOUT, Readiness::WRITABLE),
        (libc::POLLPRI, Readiness::URGENT),
        (libc::POLLRDHUP, Readiness::READ_CLOSED),
        (libc::POLLERR, Readiness::ERROR),
        (libc::POLLHUP, both),
    ]
    .into_iter()
    .filter(|(bit, _)| events & bit != 0)
    .map(|(_, ready)| ready)
    .collect()
}

impl Network for Kernel {
    fn open(&mut self, host: Host, kind: Kind) -> Result<Socket> {
        self.hosts.enter(host);
        let fd = match kind {
            Kind::Stream => sys::socket(libc::SOCK_STREAM, 0),
            Kind::Datagram => sys::socket(libc::SOCK_DGRAM, 0),
            Kind::Raw(protocol) => sys::socket(libc::SOCK_RAW, protocol.0.into()),
        };
        let fd = fd.map_err(|error| errno::of(&error))?;
        Ok(self.name(fd, kind))
    }

    fn bind(&mut self, socket: Socket, local: SocketAddr) -> Result<()> {
        self.call(socket, |fd| sys::bind(fd, local))
    }

    fn listen(&mut self, socket: Socket, backlog: usize) -> Result<()> {
        let backlog = i32::try_from(backlog).expect("a small backlog");
        self.call(socket, |fd| sys::listen(fd, backlog))
    }

    fn accept(&mut self, socket: Socket) -> Result<(Socket, SocketAddr)> {
        let (fd, peer) = self.call(socket, sys::accept)?;
        Ok((self.name(fd, Kind::Stream), peer))
    }

    fn connect(&mut self, socket: Socket, peer: Option<SocketAddr>) -> Result<()> {
        self.call(socket, |fd| sys::connect(fd, peer))
    }

    fn send(
        &mut self,
        socket: Socket,
        to: Option<SocketAddr>,
        data: &[u8],
        flags: SendFlags,
    ) -> Result<usize> {
        let mut c = libc::MSG_NOSIGNAL;
        for (flag, bit) in [
            (SendFlags::MORE, libc::MSG_MORE),
            (SendFlags::URGENT, libc::MSG_OOB),
            (SendFlags::END_OF_RECORD, libc::MSG_EOR),
        ] {
            if flags.contains(flag) {
                c |= bit;
            }
        }
        self.call(socket, |fd| sys::send(fd, to, data, c))
    }

    fn receive(
        &mut self,
        socket: Socket,
        buffer: &mut [u8],
        flags: ReceiveFlags,
    ) -> Result<Message> {
        // Of a stream MSG_TRUNC would throw the bytes away.
        let mut c = if self.kind_of(socket)? == Kind::Stream { 0 } else { libc::MSG_TRUNC };
        if flags.contains(ReceiveFlags::PEEK) {
            c |= libc::MSG_PEEK;
        }
        if flags.contains(ReceiveFlags::URGENT) {
            c |= libc::MSG_OOB;
        }
        let most = buffer.len();
        let (whole, from) = self.call(socket, |fd| sys::receive(fd, buffer, c))?;
        Ok(Message { len: whole.min(most), whole, from })
    }

    fn shutdown(&mut self, socket: Socket, how: Shutdown) -> Result<()> {
        let how = match how {
            Shutdown::Read => libc::SHUT_RD,
            Shutdown::Write => libc::SHUT_WR,
            Shutdown::Both => libc::SHUT_RDWR,
        };
        self.call(socket, |fd| sys::shutdown(fd, how))
    }

    fn close(&mut self, socket: Socket) -> Result<()> {
        self.sockets.remove(&socket).map(drop).ok_or(SocketError::BadHandle)
    }

    fn set(&mut self, socket: Socket, setting: Setting) -> Result<()> {
        let set = self.call(socket, |fd| settings::change(fd, setting));
        // What is no option of the protocol has one number here and another there.
        set.map_err(|error| match error {
            SocketError::ProtocolUnreachable => SocketError::Unsupported,
            error => error,
        })
    }

    fn get(&mut self, socket: Socket, like: Setting) -> Result<Setting> {
        self.call(socket, |fd| settings::read(fd, like))
    }

    fn local(&mut self, socket: Socket) -> Result<SocketAddr> {
        self.call(socket, |fd| sys::name(fd, false))
    }

    fn peer(&mut self, socket: Socket) -> Result<SocketAddr> {
        self.call(socket, |fd| sys::name(fd, true))
    }

    fn queues(&mut self, socket: Socket) -> Result<Queues> {
        let bytes = |request| {
            let bytes = self.call(socket, |fd| sys::number(fd, request));
            bytes.map(|bytes| usize::try_from(bytes).expect("a length"))
        };
        // SIOCINQ and SIOCOUTQ.
        Ok(Queues { unread: bytes(libc::FIONREAD)?, unacknowledged: bytes(libc::TIOCOUTQ)? })
    }

    fn at_mark(&mut self, socket: Socket) -> Result<bool> {
        /// Which libc does not name.
        const SIOCATMARK: libc::Ioctl = 0x8905;
        Ok(self.call(socket, |fd| sys::number(fd, SIOCATMARK))? != 0)
    }

    fn take_error(&mut self, socket: Socket) -> Result<Option<SocketError>> {
        let number: i32 =
            self.call(socket, |fd| sys::get(fd, (libc::SOL_SOCKET, libc::SO_ERROR)))?;
        Ok((number != 0).then(|| errno::of_number(number)))
    }

    fn readiness(&mut self, socket: Socket) -> Result<Readiness> {
        Ok(ready(self.call(socket, |fd| sys::poll(fd, ALL_EVENTS))?))
    }

    fn kind(&self, error: SocketError) -> io::ErrorKind {
        errno::kind(error)
    }

    fn watch(&mut self, socket: Socket, interest: Interest, mode: Mode) -> io::Result<()> {
        self.change_watch(libc::EPOLL_CTL_ADD, socket, interest, mode)
    }

    fn watch_again(&mut self, socket: Socket, interest: Interest, mode: Mode) -> io::Result<()> {
        self.change_watch(libc::EPOLL_CTL_MOD, socket, interest, mode)
    }

    fn unwatch(&mut self, socket: Socket) -> io::Result<()> {
        self.change_watch(libc::EPOLL_CTL_DEL, socket, Interest::BOTH, Mode::Level)
    }

    fn events(&mut self) -> io::Result<Vec<(Socket, Readiness)>> {
        let mut events: Vec<_> = sys::epoll_events(self.epoll.as_fd())?
            .into_iter()
            .map(|(data, events)| {
                let socket = Socket(u32::try_from(data).expect("given as 32 bits"));
                // The flags above these are not told.
                (socket, ready((events & 0xffff) as i16))
            })
            .collect();
        events.sort_by_key(|(socket, _)| *socket);
        Ok(events)
    }

    fn lose(&mut self, _lose: bool) {
        panic!("the kernel's links lose nothing");
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    fn pass(&mut self, time: Duration) {
        assert!(time <= Duration::from_secs(1), "the kernel's time cannot be set forward");
        std::thread::sleep(time.max(LEAST));
    }

    fn wait(&mut self, socket: Socket, wanted: Readiness, at_most: Duration) -> bool {
        let end = Clock::now() + at_most.clamp(PATIENCE / 2, PATIENCE);
        loop {
            match self.readiness(socket) {
                Ok(ready) if ready.intersects(wanted) => return true,
                _ if Clock::now() >= end => return false,
                // It may be ready for something else all the time, so that a poll would not wait.
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}
