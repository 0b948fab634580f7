//! What the cases act on: a network, with every step written down.

use std::fmt::{Debug, Display};
use std::net::SocketAddr;

use ip::{Protocol, Readiness, SocketError};
use netdev::conformance::{Record, Subject};

use super::{A, B, Host, Kind, Make, Network, Sighting, Socket};

/// A network, and what happened on it.
pub struct Bench {
    network: Box<dyn Network>,
    record: Record,
}

impl Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bench")
    }
}

impl netdev::conformance::Bench<Make> for Bench {
    fn new(subject: &Subject<Make>) -> Bench {
        Bench { network: subject.make(), record: subject.record.clone() }
    }
}

/// The address `addr`, port `port`.
pub(super) fn at(addr: &str, port: u16) -> SocketAddr {
    SocketAddr::new(addr.parse().expect("an address"), port)
}

/// What a socket call gives.
pub(super) type Result<T> = std::result::Result<T, SocketError>;

// What cases begin with.
impl Bench {
    /// A stream on host A.
    pub(super) fn stream(&mut self) -> Socket {
        self.open(Host::A, Kind::Stream)
    }

    pub(super) fn bound(&mut self, host: Host, kind: Kind, local: SocketAddr) -> Socket {
        let socket = self.open(host, kind);
        let bound = self.bind(socket, local);
        self.ok("a bind", bound);
        socket
    }

    pub(super) fn listener(&mut self, host: Host, local: SocketAddr, backlog: usize) -> Socket {
        let socket = self.bound(host, Kind::Stream, local);
        let listening = self.listen(socket, backlog);
        self.ok("a listen", listening);
        socket
    }

    /// A datagram socket.
    pub(super) fn datagrams(&mut self, host: Host, local: SocketAddr) -> Socket {
        self.bound(host, Kind::Datagram, local)
    }

    pub(super) fn raw(&mut self, host: Host, protocol: Protocol) -> Socket {
        self.open(host, Kind::Raw(protocol))
    }

    /// A connection from host A to port 80 of host B: either end.
    pub(super) fn connection(&mut self) -> (Socket, Socket) {
        let listener = self.listener(Host::B, at(B, 80), 8);
        self.connection_to(listener)
    }

    /// The same with a listener on port 80 of host B.
    pub(super) fn connection_to(&mut self, listener: Socket) -> (Socket, Socket) {
        let client = self.stream();
        self.connect_well(client, at(B, 80));
        let (server, _) = self.accept_well(listener);
        (client, server)
    }

    /// The other end was reset, since it was closed with bytes unread: what remains of a connection
    /// is host A's, with its error.
    pub(super) fn reset_connection(&mut self) -> Socket {
        let (client, server) = self.connection();
        self.send_well(client, b"nobody reads this");
        self.wait(server, Readiness::READABLE);
        self.close(server);
        self.wait(client, Readiness::ERROR);
        client
    }

    /// Datagram sockets of A:1000 and B:2000, connected to each other.
    pub(super) fn connected_datagrams(&mut self) -> (Socket, Socket) {
        let ends = [(Host::A, at(A, 1000)), (Host::B, at(B, 2000))];
        let [left, right] = ends.map(|(host, local)| self.datagrams(host, local));
        for (socket, (_, peer)) in [(left, ends[1]), (right, ends[0])] {
            let connected = self.connect(socket, peer);
            self.ok("a connect", connected);
        }
        (left, right)
    }
}

// What is written down.
impl Bench {
    fn call<T: Debug>(
        &mut self,
        socket: Socket,
        what: impl Display,
        call: impl FnOnce(&mut dyn Network) -> Result<T>,
    ) -> Result<T> {
        let result = call(&mut *self.network);
        self.note(socket, format_args!("{what}: {result:?}"));
        result
    }

    fn note(&mut self, socket: Socket, what: impl Display) {
        let values = self.network.describe(socket);
        let what = format_args!("socket {}: {what}", socket.0);
        self.record.step(self.network.now(), what, values);
        self.collect_packets();
    }

    fn collect_packets(&mut self) {
        for seen in self.network.packets() {
            let Sighting { at, interface, medium, direction, packet } = seen;
            self.record.packet(at, interface, medium, direction, &packet);
        }
    }
}

mod calls;
mod expectations;
