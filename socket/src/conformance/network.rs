//! What the kit is generic over: two hosts that have sockets.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ip::{Protocol, Readiness, SocketError};
use netdev::{Direction, Instant, Medium, Packet};
use tcp::{KeepAlive, ReceiveFlags, SendFlags, Shutdown};

use crate::{Interest, Mode};

/// Two hosts with sockets, joined by two links.
///
/// Host A has the addresses 10.0.0.1/24 and 10.0.1.1/24, host B 10.0.0.2/24 and 10.0.1.2/24, each
/// pair on a link of its own; both have 127.0.0.1 too, and no other route. No call waits, and time
/// passes only in [`Network::pass`] and [`Network::wait`]: on a system on virtual time these two
/// set the clock, on a real one they wait. The calls mean what POSIX says; errors are
/// [`SocketError`]s, for which a system with numbers has a table. [`SocketError::BadHandle`] is
/// that of a socket which was closed.
///
/// All sockets are closed when the network is dropped.
pub trait Network {
    /// A new socket.
    fn open(&mut self, host: Host, kind: Kind) -> Result<Socket, SocketError>;

    /// Binds to a local address; port 0 for an ephemeral one, and of a raw socket always.
    fn bind(&mut self, socket: Socket, local: SocketAddr) -> Result<(), SocketError>;

    /// Takes connections from now on.
    fn listen(&mut self, socket: Socket, backlog: usize) -> Result<(), SocketError>;

    /// The connection that has waited longest, and its peer.
    fn accept(&mut self, socket: Socket) -> Result<(Socket, SocketAddr), SocketError>;

    /// Begins to connect a stream ([`SocketError::InProgress`] is the good answer), or sets the
    /// peer of another socket; `None` takes that away.
    fn connect(&mut self, socket: Socket, peer: Option<SocketAddr>) -> Result<(), SocketError>;

    /// Sends, to the peer where no address is given; flags are for streams. Gives how many bytes
    /// were taken. Raises no signal (MSG_NOSIGNAL).
    fn send(
        &mut self,
        socket: Socket,
        to: Option<SocketAddr>,
        data: &[u8],
        flags: SendFlags,
    ) -> Result<usize, SocketError>;

    /// Receives bytes or one datagram; only streams know [`ReceiveFlags::URGENT`]. From a raw
    /// socket the IP header comes first.
    fn receive(
        &mut self,
        socket: Socket,
        buffer: &mut [u8],
        flags: ReceiveFlags,
    ) -> Result<Message, SocketError>;

    /// Ends one direction of a stream or both.
    fn shutdown(&mut self, socket: Socket, how: Shutdown) -> Result<(), SocketError>;

    /// Ends the socket. Never waits, also where SO_LINGER would let it.
    fn close(&mut self, socket: Socket) -> Result<(), SocketError>;

    /// Changes an option. [`SocketError::Unsupported`] for those it does not have.
    fn set(&mut self, socket: Socket, setting: Setting) -> Result<(), SocketError>;

    /// The option that `like` is one of, with the value that is in force; that of `like` says
    /// nothing.
    fn get(&mut self, socket: Socket, like: Setting) -> Result<Setting, SocketError>;

    /// Its own address; unspecified where it is bound to none.
    fn local(&mut self, socket: Socket) -> Result<SocketAddr, SocketError>;

    /// The peer's address: [`SocketError::NotConnected`] where there is none.
    fn peer(&mut self, socket: Socket) -> Result<SocketAddr, SocketError>;

    /// What waits in a stream.
    fn queues(&mut self, socket: Socket) -> Result<Queues, SocketError>;

    /// Whether the next byte of a stream is the urgent one (`sockatmark`).
    fn at_mark(&mut self, socket: Socket) -> Result<bool, SocketError>;

    /// Takes the error that waits (SO_ERROR).
    fn take_error(&mut self, socket: Socket) -> Result<Option<SocketError>, SocketError>;

    /// What it is ready for, as `poll` would tell of all events: POLLIN is
    /// [`Readiness::READABLE`], POLLOUT [`Readiness::WRITABLE`], POLLPRI [`Readiness::URGENT`],
    /// POLLRDHUP [`Readiness::READ_CLOSED`], POLLERR [`Readiness::ERROR`], and POLLHUP both of
    /// [`Readiness::READ_CLOSED`] and [`Readiness::WRITE_CLOSED`].
    fn readiness(&mut self, socket: Socket) -> Result<Readiness, SocketError>;

    /// The [`io::ErrorKind`] that a Rust program of the system sees for an error.
    fn kind(&self, error: SocketError) -> io::ErrorKind;

    /// From now on [`Network::events`] tells of the socket: epoll's EPOLL_CTL_ADD.
    fn watch(&mut self, socket: Socket, interest: Interest, mode: Mode) -> io::Result<()>;

    /// Changes what it tells, and arms [`Mode::Oneshot`] again: EPOLL_CTL_MOD.
    fn watch_again(&mut self, socket: Socket, interest: Interest, mode: Mode) -> io::Result<()>;

    /// Tells no longer: EPOLL_CTL_DEL.
    fn unwatch(&mut self, socket: Socket) -> io::Result<()>;

    /// The sockets that are watched and ready, as `epoll_wait` tells without waiting, by the order
    /// in which they were opened.
    fn events(&mut self) -> io::Result<Vec<(Socket, Readiness)>>;

    /// From now on the links lose every IP datagram; ARP still works. Or no longer.
    ///
    /// # Panics
    /// Where links cannot be made to.
    fn lose(&mut self, lose: bool);

    /// The time, from the start of the network.
    fn now(&self) -> Instant;

    /// Lets time pass.
    ///
    /// # Panics
    /// Where time cannot be made to pass, and it is more than a test may wait.
    fn pass(&mut self, time: Duration);

    /// Lets time pass until the socket is ready for any of `wanted`, or `at_most` is over, and says
    /// which.
    ///
    /// # Panics
    /// As [`Network::pass`].
    fn wait(&mut self, socket: Socket, wanted: Readiness, at_most: Duration) -> bool;

    /// The socket in one line, for a report.
    fn describe(&mut self, socket: Socket) -> String {
        self.readiness(socket).map_or_else(|error| error.to_string(), |ready| format!("{ready:?}"))
    }

    /// The packets that passed host A's links since this was last asked, for the capture.
    fn packets(&mut self) -> Vec<Sighting> {
        Vec::new()
    }
}

/// One of the two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Host {
    /// 10.0.0.1 and 10.0.1.1.
    A,
    /// 10.0.0.2 and 10.0.1.2.
    B,
}

/// What kind of socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// TCP.
    Stream,
    /// UDP.
    Datagram,
    /// The datagrams of one IP protocol.
    Raw(Protocol),
}

/// Names a socket of the network, on whichever host. No name is given twice; later ones are
/// greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Socket(pub u32);

/// What a receive gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    /// Bytes in the buffer.
    pub len: usize,
    /// Bytes of the whole datagram: more than [`Message::len`] where it was cut off (MSG_TRUNC). Of
    /// a stream the same as [`Message::len`].
    pub whole: usize,
    /// Who sent the datagram.
    pub from: Option<SocketAddr>,
}

/// What waits in a stream, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Queues {
    /// Received and not read (SIOCINQ).
    pub unread: usize,
    /// Sent, or to be sent, and not acknowledged (SIOCOUTQ).
    pub unacknowledged: usize,
}

/// An option, with its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setting {
    /// TCP_NODELAY.
    NoDelay(bool),
    /// TCP_CORK.
    Cork(bool),
    /// SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT.
    KeepAlive(Option<KeepAlive>),
    /// SO_LINGER.
    Linger(Option<Duration>),
    /// TCP_USER_TIMEOUT.
    UserTimeout(Option<Duration>),
    /// SO_OOBINLINE.
    OobInline(bool),
    /// SO_REUSEADDR.
    ReuseAddr(bool),
    /// SO_BROADCAST.
    Broadcast(bool),
    /// SO_SNDBUF. What is read back is what was set, or as on Linux twice that.
    SendBuffer(usize),
    /// SO_RCVBUF. As [`Setting::SendBuffer`].
    ReceiveBuffer(usize),
    /// IP_TTL.
    Ttl(u8),
    /// DF, IP_MTU_DISCOVER.
    DontFragment(bool),
    /// IP_HDRINCL.
    HeaderIncluded(bool),
}

/// A packet that passed a link.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// When.
    pub at: Instant,
    /// Which of host A's interfaces.
    pub interface: &'static str,
    /// What it begins with.
    pub medium: Medium,
    /// Seen from host A.
    pub direction: Direction,
    /// As it was.
    pub packet: Packet,
}
