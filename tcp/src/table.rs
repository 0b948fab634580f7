//! Which connection or listener a segment belongs to.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ip::Handle;

use crate::hash::SeededState;
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

/// The demultiplexer: four-tuples in a hash table whose key an outsider does not know, and bound
/// ports.
pub(crate) struct Table {
    connections: HashMap<Tuple, Owner, SeededState>,
    bound: HashMap<u16, Vec<Bound>, SeededState>,
    /// How many four-tuples have each local port.
    local_ports: HashMap<u16, u32, SeededState>,
}

impl Table {
    pub(crate) fn new(seed: u64) -> Table {
        let state = SeededState::new(seed, "tables");
        Table {
            connections: HashMap::with_hasher(state),
            bound: HashMap::with_hasher(state),
            local_ports: HashMap::with_hasher(state),
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
    pub(crate) fn may_bind(&self, local: SocketAddr, reuse: bool) -> bool {
        let in_use = self.local_ports.contains_key(&local.port());
        let mut others = self.bound.get(&local.port()).into_iter().flatten();
        let clash = others.any(|other| {
            overlap(other.addr, local.ip()) && (other.listens || !(other.reuse && reuse))
        });
        !clash && (reuse || !in_use)
    }

    /// Whether nobody at all has anything to do with the port.
    pub(crate) fn is_unused(&self, port: u16) -> bool {
        !self.bound.contains_key(&port) && !self.local_ports.contains_key(&port)
    }

    /// Whether any socket is bound to the port.
    pub(crate) fn is_bound(&self, port: u16) -> bool {
        self.bound.contains_key(&port)
    }

    pub(crate) fn bind(&mut self, local: SocketAddr, socket: Handle, reuse: bool) {
        let bound = Bound { addr: local.ip(), socket, reuse, listens: false };
        self.bound.entry(local.port()).or_default().push(bound);
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
        let mut table = Table::new(1);
        let (all, one) = ("0.0.0.0:80".parse().unwrap(), "10.0.0.1:80".parse().unwrap());
        table.bind(all, handle(1), true);
        table.bind(one, handle(2), true);
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
        let mut table = Table::new(1);
        let local: SocketAddr = "10.0.0.1:80".parse().unwrap();
        let tuple = Tuple::new(local, "10.0.0.2:5".parse().unwrap());
        table.insert(tuple, Owner::TimeWait);
        assert!(!table.may_bind(local, false) && table.may_bind(local, true));
        table.remove(&tuple);
        table.remove(&tuple);
        assert!(table.may_bind(local, false) && table.is_unused(80));
    }
}
