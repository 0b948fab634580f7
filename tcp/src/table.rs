//! Which connection or listener a segment belongs to.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use ip::{Handle, SocketError};

use crate::hash::SeededState;
use crate::ports::Ports;
use crate::tcb::ConnId;

/// Both ends of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Tuple {
    local_addr: IpAddr,
    peer_addr: IpAddr,
    local_port: u16,
    peer_port: u16,
}

impl Tuple {
    pub(crate) fn new(local: SocketAddr, peer: SocketAddr) -> Tuple {
        Tuple {
            local_addr: local.ip(),
            peer_addr: peer.ip(),
            local_port: local.port(),
            peer_port: peer.port(),
        }
    }

    pub(crate) fn local(&self) -> SocketAddr {
        SocketAddr::new(self.local_addr, self.local_port)
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        SocketAddr::new(self.peer_addr, self.peer_port)
    }
}

/// `10.0.0.1:80-10.0.0.2:5000`, the local end first.
impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.local(), self.peer())
    }
}

/// What a four-tuple belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// A connection.
    Connection(ConnId),
    /// One that is over, and kept in [`TimeWait`](crate::time_wait::TimeWait).
    TimeWait,
}

/// An address and port that a socket is bound to.
#[derive(Clone, Copy, Debug)]
struct Bound {
    addr: IpAddr,
    socket: Handle,
    reuse: bool,
    listens: bool,
}

/// No peer in particular: an ephemeral port that is bound has none yet.
const ANYBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// The demultiplexer: four-tuples in a hash table whose key an outsider does not know, bound
/// ports, and the ephemeral ones that neither has.
pub(crate) struct Table {
    connections: HashMap<Tuple, Owner, SeededState>,
    bound: HashMap<u16, Vec<Bound>, SeededState>,
    /// How many four-tuples have each local port.
    local_ports: HashMap<u16, u32, SeededState>,
    ephemeral: Ports,
}

impl Table {
    /// A table without entries, whose ephemeral ports are in `ports`.
    pub(crate) fn new(ports: RangeInclusive<u16>, seed: u64) -> Table {
        let state = SeededState::new(seed, "tables");
        Table {
            connections: HashMap::with_hasher(state),
            bound: HashMap::with_hasher(state),
            local_ports: HashMap::with_hasher(state),
            ephemeral: Ports::new(ports, seed),
        }
    }

    pub(crate) fn owner(&self, tuple: &Tuple) -> Option<Owner> {
        self.connections.get(tuple).copied()
    }

    pub(crate) fn insert(&mut self, tuple: Tuple, owner: Owner) {
        if self.connections.insert(tuple, owner).is_none() {
            *self.local_ports.entry(tuple.local_port).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, tuple: &Tuple) {
        if self.connections.remove(tuple).is_some()
            && let Some(count) = self.local_ports.get_mut(&tuple.local_port)
        {
            *count -= 1;
            if *count == 0 {
                self.local_ports.remove(&tuple.local_port);
            }
        }
    }

    /// The listener at an address: one that is bound to it, else one bound to every address.
    pub(crate) fn listener(&self, local: SocketAddr) -> Option<Handle> {
        let bound = self.bound.get(&local.port())?;
        let mut listening = bound.iter().filter(|bound| bound.listens);
        listening
            .clone()
            .find(|bound| bound.addr == local.ip())
            .or_else(|| listening.find(|bound| bound.addr.is_unspecified()))
            .map(|bound| bound.socket)
    }

    /// Whether a socket may bind there: nobody else has it, or (SO_REUSEADDR) all who have it
    /// agree and none of them listens.
    fn may_bind(&self, local: SocketAddr, reuse: bool) -> bool {
        let mut others = self.bound.get(&local.port()).into_iter().flatten();
        let clash = others.any(|other| {
            overlap(other.addr, local.ip()) && (other.listens || !(other.reuse && reuse))
        });
        !clash && (reuse || !self.has_connection_at(local))
    }

    /// Whether a socket or a connection has the port, on any address.
    pub(crate) fn is_at(&self, port: u16) -> bool {
        self.bound.contains_key(&port) || self.local_ports.contains_key(&port)
    }

    /// Whether a connection has the port on that address. Looks at all of them only where one has
    /// the port on any.
    fn has_connection_at(&self, local: SocketAddr) -> bool {
        let here = |tuple: &Tuple| {
            tuple.local_port == local.port() && overlap(tuple.local_addr, local.ip())
        };
        self.local_ports.contains_key(&local.port()) && self.connections.keys().any(here)
    }

    /// Binds a socket, for port 0 to an ephemeral one that nobody at all has anything to do with.
    /// Gives where.
    pub(crate) fn bind(
        &mut self,
        mut local: SocketAddr,
        socket: Handle,
        reuse: bool,
    ) -> Result<SocketAddr, SocketError> {
        if local.port() == 0 {
            let Table { bound, local_ports, ephemeral, .. } = self;
            let unused = |port| !bound.contains_key(&port) && !local_ports.contains_key(&port);
            let port = ephemeral.choose(local.ip(), ANYBODY, unused);
            local.set_port(port.ok_or(SocketError::AddrInUse)?);
        } else if !self.may_bind(local, reuse) {
            return Err(SocketError::AddrInUse);
        }
        let bound = Bound { addr: local.ip(), socket, reuse, listens: false };
        self.bound.entry(local.port()).or_default().push(bound);
        Ok(local)
    }

    /// An ephemeral port for a connection to `peer`: nobody is bound to it, and the four-tuple that
    /// it makes is `free` by its owner.
    pub(crate) fn port_to(
        &mut self,
        local: IpAddr,
        peer: SocketAddr,
        free: impl Fn(&Tuple, Option<Owner>) -> bool,
    ) -> Option<u16> {
        let Table { connections, bound, ephemeral, .. } = self;
        ephemeral.choose(local, peer, |port| {
            let tuple = Tuple::new(SocketAddr::new(local, port), peer);
            !bound.contains_key(&port) && free(&tuple, connections.get(&tuple).copied())
        })
    }

    /// Makes a bound socket listen; `false` where another listens there.
    pub(crate) fn listen(&mut self, local: SocketAddr, socket: Handle) -> bool {
        let Some(bound) = self.bound.get_mut(&local.port()) else { return false };
        let taken = bound.iter().any(|other| {
            other.socket != socket && other.listens && overlap(other.addr, local.ip())
        });
        if taken {
            return false;
        }
        bound.iter_mut().filter(|b| b.socket == socket).for_each(|b| b.listens = true);
        true
    }

    pub(crate) fn unbind(&mut self, port: u16, socket: Handle) {
        if let Some(bound) = self.bound.get_mut(&port) {
            bound.retain(|bound| bound.socket != socket);
            if bound.is_empty() {
                self.bound.remove(&port);
            }
        }
    }
}

fn overlap(a: IpAddr, b: IpAddr) -> bool {
    a == b || a.is_unspecified() || b.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(index: u32) -> Handle {
        Handle { index, generation: 0 }
    }

    #[test]
    fn the_listener_of_an_address_comes_before_that_of_all() {
        let mut table = Table::new(50_000..=50_001, 1);
        let (all, one) = ("0.0.0.0:80".parse().unwrap(), "10.0.0.1:80".parse().unwrap());
        assert_eq!(table.bind(all, handle(1), true), Ok(all));
        assert_eq!(table.bind(one, handle(2), true), Ok(one));
        assert_eq!(table.listener(one), None);
        assert!(table.listen(all, handle(1)));
        assert_eq!(table.listener(one), Some(handle(1)));
        assert!(!table.listen(one, handle(2)), "they overlap");
        table.unbind(80, handle(1));
        assert!(table.listen(one, handle(2)));
        assert_eq!(table.listener(one), Some(handle(2)));
        assert_eq!(table.listener("10.0.0.9:80".parse().unwrap()), None);
    }

    #[test]
    fn a_port_with_connections_is_free_for_those_who_reuse_only() {
        let mut table = Table::new(50_000..=50_001, 1);
        let local: SocketAddr = "10.0.0.1:80".parse().unwrap();
        let tuple = Tuple::new(local, "10.0.0.2:5".parse().unwrap());
        table.insert(tuple, Owner::TimeWait);
        assert!(!table.may_bind(local, false) && table.may_bind(local, true));
        table.remove(&tuple);
        table.remove(&tuple);
        assert!(table.may_bind(local, false));
    }

    #[test]
    fn ephemeral_ports_are_those_that_nobody_has() {
        let mut table = Table::new(50_000..=50_001, 1);
        let (any, peer) = ("10.0.0.1:0".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
        let bound = table.bind(any, handle(1), false).unwrap().port();
        let free = |_: &Tuple, owner: Option<Owner>| owner.is_none();
        let port = table.port_to(any.ip(), peer, free).unwrap();
        assert_ne!(port, bound);
        let tuple = Tuple::new(SocketAddr::new(any.ip(), port), peer);
        table.insert(tuple, Owner::TimeWait);
        assert_eq!(table.port_to(any.ip(), peer, free), None);
        assert_eq!(table.port_to(any.ip(), peer, |_, _| true), Some(port));
        assert_eq!(table.bind(any, handle(2), true), Err(SocketError::AddrInUse));
        table.remove(&tuple);
        let again = table.bind(any, handle(2), true).map(|local| local.port());
        assert_eq!(again, Ok(port), "its last connection is gone");
    }
}
