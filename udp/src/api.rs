//! The datagram trait: what UDP is to the layers around it.

use std::net::{IpAddr, SocketAddr};

use ip::{Cause, Datagram, Handle, IfIndex, Output, Quoted, Readiness, SocketError, Tos, Ttl};
use netdev::{Cast, Counter, Instant, Packet};

use crate::DropReason;

/// Datagrams with ports.
///
/// Who calls: sockets ([`Datagrams::open`] to [`Datagrams::close`], each with the handle that
/// `open` gave) and the stack's glue ([`Datagrams::input`], [`Datagrams::error`],
/// [`Datagrams::poll`]). A call with the handle of no open socket gives
/// [`SocketError::BadHandle`]. After any call, [`Datagrams::changed`] names the sockets whose
/// readiness may have changed.
pub trait Datagrams: Send {
    /// A new socket, bound to nothing.
    fn open(&mut self) -> Result<Handle, SocketError>;

    /// Binds to a local address and port: the unspecified address for every one of this host,
    /// port 0 for an ephemeral one (RFC 6056). Once only.
    fn bind(
        &mut self,
        socket: Handle,
        local: SocketAddr,
        out: &dyn Output,
    ) -> Result<(), SocketError>;

    /// Sets the only peer (to send to, and to receive from), or with `None` takes it away again.
    /// Binds to an ephemeral port and the route's source where nothing was bound.
    fn connect(
        &mut self,
        now: Instant,
        socket: Handle,
        peer: Option<SocketAddr>,
        out: &dyn Output,
    ) -> Result<(), SocketError>;

    /// Sends one datagram to `to`, or to the peer. Gives an error that came back for an earlier
    /// one first. `Ok` means that it left this layer, no more.
    fn send(
        &mut self,
        now: Instant,
        socket: Handle,
        to: Option<SocketAddr>,
        data: &[u8],
        out: &mut dyn Output,
    ) -> Result<usize, SocketError>;

    /// The oldest datagram received; with `peek` it stays.
    fn receive(&mut self, socket: Handle, peek: bool) -> Result<Received, SocketError>;

    /// Changes an option.
    fn set(&mut self, socket: Handle, setting: Setting) -> Result<(), SocketError>;

    /// Takes the error that an ICMP message left.
    fn take_error(&mut self, socket: Handle) -> Option<SocketError>;

    /// What the socket is ready for; empty for a bad handle.
    fn readiness(&self, socket: Handle) -> Readiness;

    /// The socket as a person sees it.
    fn info(&self, socket: Handle) -> Result<Info, SocketError>;

    /// Closes; what was received and not read is dropped.
    fn close(&mut self, socket: Handle);

    /// Takes a datagram that IP delivered.
    fn input(&mut self, now: Instant, datagram: Datagram) -> Input;

    /// An ICMP error about a datagram that one of these sockets sent.
    fn error(&mut self, now: Instant, cause: Cause, quoted: &Quoted);

    /// What has to be done at [`Datagrams::poll_at`].
    fn poll(&mut self, now: Instant, out: &mut dyn Output);

    /// When [`Datagrams::poll`] has something to do next; `None`: not before another call.
    fn poll_at(&self) -> Option<Instant>;

    /// A socket whose readiness may have changed since this was last asked; `None` when there is
    /// no other.
    fn changed(&mut self) -> Option<Handle>;

    /// All open sockets, by local port.
    fn sockets(&self) -> Vec<Info>;

    /// Whether a socket is at a local port, at any address. The address translation asks before it
    /// gives a port to somebody else.
    fn is_at(&self, port: u16) -> bool {
        self.sockets().iter().any(|info| info.local.port() == port)
    }

    /// Every counter, the ones at zero too.
    fn counters(&self) -> Vec<Counter>;
}

/// What became of a delivered datagram.
#[derive(Debug)]
#[must_use = "the datagram may be in it"]
pub enum Input {
    /// It waits in a socket, or in several (broadcast and multicast).
    Delivered,
    /// Nobody listens at the port: its source is to be told. It comes back as it was given.
    Unreachable(Datagram),
    /// Dropped and counted.
    Dropped(DropReason),
}

/// A datagram taken out of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who sent it.
    pub from: SocketAddr,
    /// To which of this host's addresses (IP_PKTINFO).
    pub to: IpAddr,
    /// Where it came in.
    pub iface: IfIndex,
    /// To whom it was sent.
    pub cast: Cast,
    /// With how many hops left.
    pub ttl: Ttl,
    /// With which service class.
    pub tos: Tos,
    /// When.
    pub at: Instant,
    /// Its data.
    pub data: Packet,
}

/// An option of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setting {
    /// Hops for what is sent to one host (IP_TTL), 1 to 255.
    Ttl(Ttl),
    /// Hops for what is sent to a group (IP_MULTICAST_TTL).
    MulticastTtl(Ttl),
    /// Service class (IP_TOS); its ECN bits are ignored.
    Tos(Tos),
    /// Whether sending to a broadcast address is allowed (SO_BROADCAST).
    Broadcast(bool),
    /// Several sockets may bind to the port (SO_REUSEADDR): all get a multicast, the last a
    /// unicast.
    ReuseAddr(bool),
    /// How many bytes of data may wait to be read (SO_RCVBUF); beyond it datagrams are dropped.
    ReceiveBuffer(usize),
    /// Whether DF is set (IP_MTU_DISCOVER): then a datagram beyond the path MTU is refused.
    DontFragment(bool),
    /// Receive a group's datagrams on an interface, or no longer.
    Membership(IfIndex, IpAddr, bool),
    /// Whether one's own multicasts come back (IP_MULTICAST_LOOP).
    MulticastLoop(bool),
}

/// A socket as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its handle.
    pub handle: Handle,
    /// Bound to; the unspecified address and port 0 where nothing is.
    pub local: SocketAddr,
    /// Connected to.
    pub peer: Option<SocketAddr>,
    /// Bytes of data that wait to be read.
    pub receive_queue: usize,
    /// Datagrams dropped because the queue was full.
    pub drops: u64,
    /// The options in force.
    pub ttl: Ttl,
    /// Whether broadcasts may be sent.
    pub broadcast: bool,
    /// The limit of [`Info::receive_queue`].
    pub receive_buffer: usize,
}
