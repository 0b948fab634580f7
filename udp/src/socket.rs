//! One socket: what it is bound to, what waits in it, and its options.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ip::{Handle, IfIndex, Readiness, SocketError, Tos, Ttl};

use crate::{Info, Received};

/// What a datagram in the queue costs beside its data: about what a buffer and its description
/// take, so that empty datagrams cannot fill the memory. (A packet's buffer is 2 KiB at least;
/// memory stays within four times the receive buffer.)
pub(crate) const OVERHEAD: usize = 512;

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) handle: Handle,
    /// Port 0 where it is not bound.
    pub(crate) local: SocketAddr,
    /// Whether the address in `local` was chosen by connect, and goes when the peer goes.
    pub(crate) address_by_connect: bool,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) error: Option<SocketError>,
    /// Whether it is in the queue of changed sockets.
    pub(crate) changed: bool,
    pub(crate) options: Options,
    /// The address that its last multicast was sent from.
    pub(crate) multicast_source: Option<IpAddr>,
    queue: VecDeque<Received>,
    /// Bytes of data in `queue`.
    waiting: usize,
    drops: u64,
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) ttl: Ttl,
    pub(crate) multicast_ttl: Ttl,
    pub(crate) multicast_loop: bool,
    pub(crate) tos: Tos,
    pub(crate) broadcast: bool,
    pub(crate) reuse: bool,
    pub(crate) dont_fragment: bool,
    pub(crate) receive_buffer: usize,
    pub(crate) groups: Vec<(IfIndex, IpAddr)>,
}

impl Socket {
    pub(crate) fn new(handle: Handle, receive_buffer: usize) -> Socket {
        Socket {
            handle,
            local: (Ipv4Addr::UNSPECIFIED, 0).into(),
            address_by_connect: false,
            peer: None,
            error: None,
            changed: false,
            options: Options {
                ttl: Ttl::DEFAULT,
                // RFC 1112 §6.1: one hop, unless the program says otherwise.
                multicast_ttl: Ttl(1),
                multicast_loop: true,
                tos: Tos::default(),
                broadcast: false,
                reuse: false,
                dont_fragment: false,
                receive_buffer,
                groups: Vec::new(),
            },
            multicast_source: None,
            queue: VecDeque::new(),
            waiting: 0,
            drops: 0,
        }
    }

    /// Puts a datagram into the queue, if it has room. An empty queue always takes one, or a
    /// buffer smaller than a datagram would never receive it.
    pub(crate) fn push(&mut self, received: Received) -> bool {
        let len = received.data.len();
        let cost = self.waiting + len + (self.queue.len() + 1) * OVERHEAD;
        if !self.queue.is_empty() && cost > self.options.receive_buffer {
            self.drops += 1;
            return false;
        }
        self.waiting += len;
        self.queue.push_back(received);
        true
    }

    /// The oldest datagram, or the error that comes before it.
    pub(crate) fn receive(&mut self, peek: bool) -> Result<Received, SocketError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if peek {
            return self.queue.front().cloned().ok_or(SocketError::WouldBlock);
        }
        let received = self.queue.pop_front().ok_or(SocketError::WouldBlock)?;
        self.waiting -= received.data.len();
        Ok(received)
    }

    /// The address that it sends from; `None` where the route decides.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        match self.local.ip() {
            IpAddr::V4(v4) if v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast() => None,
            addr => Some(addr),
        }
    }

    /// Whether it wants what `from` sends.
    pub(crate) fn hears(&self, from: SocketAddr) -> bool {
        self.peer.is_none_or(|peer| peer == from)
    }

    /// Sending never waits: what the layers below cannot take they drop, as a router would.
    pub(crate) fn readiness(&self) -> Readiness {
        let mut readiness = Readiness::WRITABLE;
        readiness.set(Readiness::READABLE, !self.queue.is_empty() || self.error.is_some());
        readiness.set(Readiness::ERROR, self.error.is_some());
        readiness
    }

    pub(crate) fn info(&self) -> Info {
        Info {
            handle: self.handle,
            local: self.local,
            peer: self.peer,
            receive_queue: self.waiting,
            drops: self.drops,
            ttl: self.options.ttl,
            broadcast: self.options.broadcast,
            receive_buffer: self.options.receive_buffer,
        }
    }
}
