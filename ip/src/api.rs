//! The internet trait: what IP is to the layers around it.

use std::net::IpAddr;

use netdev::{Cast, Counter, Instant, Packet};

use crate::{
    Cause, Datagram, DropReason, Header, IfIndex, Interface, Nat, NatView, PortForward, Protocol,
    Quoted, RouteEntry,
};

/// What IP needs from below: interfaces that take datagrams for a next hop.
pub trait NextHop {
    /// Sends a complete datagram out of `iface`. What goes wrong later (the neighbour does not
    /// answer) comes back through the stack as a [`Report`].
    fn send(&mut self, now: Instant, iface: IfIndex, hop: Hop, packet: Packet);

    /// Whether a socket of this host is at a port: the address translation leaves it alone then.
    /// Nobody below knows that, but whoever passes this to [`Internet::input`] does.
    fn is_taken(&self, protocol: Protocol, port: u16) -> bool {
        let _ = (protocol, port);
        false
    }
}

/// Where on a link a datagram goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hop {
    /// To the neighbour with this address.
    Neighbour(IpAddr),
    /// To the members of this group.
    Group(IpAddr),
    /// To everybody.
    Broadcast,
}

/// Hosts and routers: addresses, routes, fragments, forwarding.
///
/// Who calls: the stack's glue. [`Internet::input`] for each received frame of type IP,
/// [`Internet::send`] for each datagram of a transport, [`Internet::poll`] when
/// [`Internet::poll_at`] is due.
pub trait Internet: Send {
    /// Takes a received datagram: `packet` begins with its IP header, `cast` says to whom the
    /// frame was sent.
    fn input(
        &mut self,
        now: Instant,
        iface: IfIndex,
        cast: Cast,
        packet: Packet,
        below: &mut dyn NextHop,
    ) -> Input;

    /// Sends `packet`, a transport's header and data, under `header`; fragments it where that is
    /// needed and allowed. `header.src` may be the unspecified address: the route's source is
    /// taken. A refused packet comes back as it was given.
    fn send(
        &mut self,
        now: Instant,
        header: &Header,
        packet: Packet,
        below: &mut dyn NextHop,
    ) -> Result<(), SendError>;

    /// The way to `dst`, from `src` where the sender is bound to an address; with the path MTU as
    /// far as it is known. `Err` is what a sender is told.
    fn route(&self, now: Instant, dst: IpAddr, src: Option<IpAddr>) -> Result<Route, Cause>;

    /// An ICMP error about a datagram of ours came back: a path MTU or a redirect may follow.
    /// `from` is who sent the error.
    fn error(&mut self, now: Instant, from: IpAddr, cause: Cause, quoted: &Quoted);

    /// Gives up reassemblies and ages what is remembered. Each given-up reassembly whose first
    /// fragment came gives a report (RFC 792, time exceeded).
    fn poll(&mut self, now: Instant, below: &mut dyn NextHop) -> Vec<Report>;

    /// When [`Internet::poll`] has something to do next; `None`: not before another call.
    fn poll_at(&self) -> Option<Instant>;

    /// Whether `addr` is one of this host's own unicast addresses.
    fn is_local(&self, addr: IpAddr) -> bool;

    /// Changes interfaces, addresses, routes or memberships.
    fn configure(&mut self, now: Instant, change: Change) -> Result<(), Error>;

    /// The interfaces, by index.
    fn interfaces(&self) -> Vec<Interface>;

    /// The routes, in the order in which they are looked up: longest prefix first.
    fn routes(&self) -> Vec<RouteEntry>;

    /// Every counter, the ones at zero too.
    fn counters(&self) -> Vec<Counter>;

    /// The address translation, where there is one.
    fn nat(&self, now: Instant) -> Option<NatView> {
        let _ = now;
        None
    }

    /// A datagram that was sent to a next hop comes back, since that does not answer: gives it
    /// back the addresses that its source knows, where forwarding has changed them.
    fn undo(&self, packet: &mut Packet) {
        let _ = packet;
    }
}

/// What became of a received datagram.
#[derive(Debug)]
#[must_use = "the datagram may be in it"]
pub enum Input {
    /// It is for this host and whole: the transport's now.
    Deliver(Datagram),
    /// Forwarded, or a fragment that waits for others.
    Consumed,
    /// Dropped and counted.
    Dropped(DropReason),
    /// Its source is to be told something: it was dropped for a cause, or (a redirect) forwarded
    /// nevertheless. ICMP decides whether it may be told.
    Report(Report),
}

/// Something that the source of a datagram should learn of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// What.
    pub cause: Cause,
    /// The datagram from its IP header on, byte for byte as it came.
    pub packet: Packet,
    /// To whom its frame was sent; [`Cast::Unicast`] for one of our own.
    pub cast: Cast,
}

/// A datagram that was not sent, and why.
#[derive(Debug)]
pub struct SendError {
    /// What its sender is told.
    pub cause: Cause,
    /// As it was given.
    pub packet: Packet,
}

/// The way to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The source address that datagrams on this way carry.
    pub source: IpAddr,
    /// Which interface they leave by.
    pub iface: IfIndex,
    /// The next hop.
    pub hop: Hop,
    /// The largest datagram in bytes that is known to get through, IP header included.
    pub mtu: usize,
    /// Whether the destination is this host itself.
    pub local: bool,
    /// What the interface does for a transport.
    pub offload: Offload,
}

/// What an interface does for a transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// It fills in checksums.
    pub checksum: bool,
    /// The longest TCP payload in bytes that it cuts up by itself; 0: none.
    pub tcp_segmentation: usize,
    /// The longest UDP payload in bytes that it cuts up by itself; 0: none.
    pub udp_segmentation: usize,
}

/// A change of configuration.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A new interface, or new facts about a known one (by its index): addresses, MTU, up or down.
    SetInterface(Interface),
    /// An interface goes away, with its routes.
    RemoveInterface(IfIndex),
    /// A route; one with the same destination and metric is replaced.
    AddRoute(RouteEntry),
    /// The best of the routes that somebody set to this destination, with this gateway and this
    /// metric where they are given. Destination and metric together name one route.
    RemoveRoute {
        /// The destination.
        dst: crate::Cidr,
        /// The gateway, where several routes have the destination.
        gateway: Option<IpAddr>,
        /// The metric, where several have that gateway too.
        metric: Option<u32>,
    },
    /// Receive a group's datagrams on an interface (RFC 1112 §7.1).
    Join(IfIndex, IpAddr),
    /// No longer.
    Leave(IfIndex, IpAddr),
    /// Whether datagrams for others are forwarded.
    Forwarding(bool),
    /// Hide the hosts behind one interface from those behind another, or no longer. Mappings and
    /// forwarded ports are forgotten.
    Nat(Option<Nat>),
    /// Give a port of the outside address to a server inside; the same port's former one is
    /// replaced.
    Forward(PortForward),
    /// No longer.
    RemoveForward {
        /// UDP or TCP.
        protocol: Protocol,
        /// The port outside.
        port: u16,
    },
}

/// Why a change was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This implementation cannot do it.
    #[error("this internet layer cannot {0}")]
    Unsupported(&'static str),
    /// There is no such interface.
    #[error("no interface {0}")]
    NoInterface(IfIndex),
    /// No such route.
    #[error("no route to {0}")]
    NoRoute(crate::Cidr),
    /// The gateway is not on a network of the interface.
    #[error("the gateway {0} is not on a network that an interface is on")]
    GatewayUnreachable(IpAddr),
    /// An address that cannot be what it should be.
    #[error("{0} cannot be {1}")]
    BadAddress(IpAddr, &'static str),
    /// A table is at its limit.
    #[error("no room for more than {0} {1}")]
    Full(usize, &'static str),
}

/// What a transport sees of everything below it. The stack's glue implements it over
/// [`Internet`]; in a test of a transport it is a `Vec`.
pub trait Output {
    /// As [`Internet::route`].
    fn route(&self, now: Instant, dst: IpAddr, src: Option<IpAddr>) -> Result<Route, Cause>;

    /// As [`Internet::send`].
    fn send(&mut self, now: Instant, header: &Header, packet: Packet) -> Result<(), SendError>;

    /// As [`Internet::is_local`].
    fn is_local(&self, addr: IpAddr) -> bool;

    /// The transport sees that what it sends to `dst` arrives; see `arp::Resolver::confirm`.
    fn confirm(&mut self, now: Instant, dst: IpAddr) {
        let _ = (now, dst);
    }

    /// The transport sees that what it sends to `dst` seems to be lost; see
    /// `arp::Resolver::doubt`.
    fn doubt(&mut self, now: Instant, dst: IpAddr) {
        let _ = (now, dst);
    }
}
