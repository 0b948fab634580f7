//! All sockets, and who receives what.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};

use ip::{Handle, SocketError};

use crate::hash::SeededState;
use crate::socket::Socket;
use crate::wire::is_any;

/// Sockets by handle, and three indices over the bound ones. Each list is in the order of binding
/// and of connecting; the last in it receives.
#[derive(Debug)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    limit: usize,
    /// Every bound socket, by port: for conflicts, and for broadcast and multicast.
    by_port: HashMap<u16, Vec<u32>, SeededState>,
    /// The ones without a peer, by what they are bound to.
    by_local: HashMap<SocketAddr, Vec<u32>, SeededState>,
    /// The connected ones, by local address and peer.
    by_pair: HashMap<(SocketAddr, SocketAddr), Vec<u32>, SeededState>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    socket: Option<Socket>,
}

impl Table {
    pub(crate) fn new(limit: usize, seed: u64) -> Table {
        Table {
            slots: Vec::new(),
            free: Vec::new(),
            limit,
            by_port: HashMap::with_hasher(SeededState::new(seed, 1)),
            by_local: HashMap::with_hasher(SeededState::new(seed, 2)),
            by_pair: HashMap::with_hasher(SeededState::new(seed, 3)),
        }
    }

    /// A new socket, in no index.
    pub(crate) fn insert(&mut self, receive_buffer: usize) -> Result<Handle, SocketError> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots.len() >= self.limit => return Err(SocketError::NoBuffers),
            None => {
                self.slots.push(Slot { generation: 0, socket: None });
                self.slots.len() as u32 - 1
            }
        };
        let slot = &mut self.slots[index as usize];
        let handle = Handle { index, generation: slot.generation };
        slot.socket = Some(Socket::new(handle, receive_buffer));
        Ok(handle)
    }

    /// Takes a socket out, of the indices too.
    pub(crate) fn remove(&mut self, handle: Handle) -> Option<Socket> {
        self.socket(handle)?;
        self.unlist(handle);
        let slot = &mut self.slots[handle.index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(handle.index);
        slot.socket.take()
    }

    pub(crate) fn socket(&self, handle: Handle) -> Option<&Socket> {
        self.at(handle.index).filter(|socket| socket.handle == handle)
    }

    pub(crate) fn socket_mut(&mut self, handle: Handle) -> Option<&mut Socket> {
        let slot = self.slots.get_mut(handle.index as usize)?;
        slot.socket.as_mut().filter(|socket| socket.handle == handle)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Socket> {
        self.slots.iter().filter_map(|slot| slot.socket.as_ref())
    }

    fn at(&self, index: u32) -> Option<&Socket> {
        self.slots.get(index as usize)?.socket.as_ref()
    }

    /// Puts a socket into the indices under a new local address and peer.
    pub(crate) fn list(&mut self, handle: Handle, local: SocketAddr, peer: Option<SocketAddr>) {
        self.unlist(handle);
        let Some(socket) = self.socket_mut(handle) else { return };
        (socket.local, socket.peer) = (local, peer);
        self.by_port.entry(local.port()).or_default().push(handle.index);
        match peer {
            None => self.by_local.entry(local).or_default().push(handle.index),
            Some(peer) => self.by_pair.entry((local, peer)).or_default().push(handle.index),
        }
    }

    fn unlist(&mut self, handle: Handle) {
        let Some(socket) = self.socket(handle) else { return };
        let (local, peer) = (socket.local, socket.peer);
        remove(&mut self.by_port, &local.port(), handle.index);
        match peer {
            None => remove(&mut self.by_local, &local, handle.index),
            Some(peer) => remove(&mut self.by_pair, &(local, peer), handle.index),
        }
    }

    /// Whether another socket has the port, on an address that overlaps with `addr`. Two that
    /// both allow it (SO_REUSEADDR) do not mind each other.
    pub(crate) fn is_taken(&self, addr: IpAddr, port: u16, reuse: bool) -> bool {
        self.listed(self.by_port.get(&port)).any(|other| {
            let theirs = other.local.ip();
            let overlap = addr == theirs || is_any(addr) || is_any(theirs);
            overlap && !(reuse && other.options.reuse)
        })
    }

    /// Who receives a unicast datagram: the socket that is connected to its source, else the one
    /// that is bound to its destination, else one that is bound to every address.
    pub(crate) fn receiver(&self, to: SocketAddr, from: SocketAddr) -> Option<Handle> {
        let any = SocketAddr::new(unspecified(to.ip()), to.port());
        let listed = self
            .by_pair
            .get(&(to, from))
            .or_else(|| self.by_local.get(&to))
            .or_else(|| self.by_local.get(&any));
        self.listed(listed).next_back().map(|socket| socket.handle)
    }

    /// The sockets that are connected from `local` to `peer`.
    pub(crate) fn connected(&self, local: SocketAddr, peer: SocketAddr) -> Vec<Handle> {
        let listed = self.by_pair.get(&(local, peer));
        self.listed(listed).map(|socket| socket.handle).collect()
    }

    /// Every socket at a port.
    pub(crate) fn at_port(&self, port: u16) -> impl Iterator<Item = &Socket> {
        self.listed(self.by_port.get(&port))
    }

    fn listed<'a>(
        &'a self,
        list: Option<&'a Vec<u32>>,
    ) -> impl DoubleEndedIterator<Item = &'a Socket> {
        list.into_iter().flatten().filter_map(|index| self.at(*index))
    }
}

/// Takes an index out of a list, and an empty list out of the map.
fn remove<K: Hash + Eq>(map: &mut HashMap<K, Vec<u32>, SeededState>, key: &K, index: u32) {
    let Some(list) = map.get_mut(key) else { return };
    list.retain(|other| *other != index);
    if list.is_empty() {
        map.remove(key);
    }
}

/// Every address of a family.
pub(crate) fn unspecified(addr: IpAddr) -> IpAddr {
    match addr {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}
