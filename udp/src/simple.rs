//! The second implementation, as a student writes it: a table that is searched from its start.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ip::{Cause, Datagram, Handle, Hop, Output, Protocol, Quoted, Readiness, SocketError, Ttl};
use netdev::{Cast, Counter, Counts, Instant, Packet};

use crate::stat::Stat;
use crate::wire::{self, HEADER, LONGEST};
use crate::{Datagrams, DropReason, Info, Input, Received, Setting};

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// Sockets at once: a search looks at all of them.
const SOCKETS: usize = 256;
/// Datagrams that wait in a socket.
const QUEUE: usize = 64;

/// UDP with bound and connected sockets, broadcast, and errors for connected ones; without
/// multicast, address reuse and path MTU discovery.
#[derive(Debug)]
pub struct SimpleUdp {
    sockets: Vec<Socket>,
    opened: u32,
    next_port: u16,
    changed: VecDeque<Handle>,
    drops: Counts<DropReason>,
    stats: Counts<Stat>,
}

#[derive(Debug)]
struct Socket {
    info: Info,
    address_by_connect: bool,
    queue: VecDeque<Received>,
    error: Option<SocketError>,
}

impl SimpleUdp {
    /// No sockets yet. `seed` decides the first ephemeral port; the others follow it.
    pub fn new(seed: u64) -> SimpleUdp {
        SimpleUdp {
            sockets: Vec::new(),
            opened: 0,
            next_port: 0x8000 + (seed % 0x7000) as u16,
            changed: VecDeque::new(),
            drops: Counts::default(),
            stats: Counts::default(),
        }
    }

    fn find(&mut self, handle: Handle) -> Result<&mut Socket, SocketError> {
        let found = self.sockets.iter_mut().find(|socket| socket.info.handle == handle);
        found.ok_or(SocketError::BadHandle)
    }

    fn mark(&mut self, handle: Handle) {
        if !self.changed.contains(&handle) {
            self.changed.push_back(handle);
        }
    }

    fn is_taken(&self, addr: IpAddr, port: u16) -> bool {
        self.sockets.iter().any(|Socket { info, .. }| {
            let overlap = info.local.ip() == addr || info.local.ip() == ANY || addr == ANY;
            info.local.port() == port && overlap
        })
    }

    fn ephemeral(&mut self, addr: IpAddr) -> u16 {
        // There are more ports than sockets, so one is free.
        loop {
            self.next_port = if self.next_port >= 0xf000 { 0x8000 } else { self.next_port + 1 };
            if !self.is_taken(addr, self.next_port) {
                return self.next_port;
            }
        }
    }

    fn drop(&mut self, reason: DropReason) -> Input {
        self.drops.add(reason);
        Input::Dropped(reason)
    }
}

impl Datagrams for SimpleUdp {
    fn open(&mut self) -> Result<Handle, SocketError> {
        if self.sockets.len() >= SOCKETS {
            return Err(SocketError::NoBuffers);
        }
        self.opened = self.opened.wrapping_add(1);
        let handle = Handle { index: self.opened, generation: 0 };
        let info = Info {
            handle,
            local: SocketAddr::new(ANY, 0),
            peer: None,
            receive_queue: 0,
            drops: 0,
            ttl: Ttl::DEFAULT,
            broadcast: false,
            receive_buffer: QUEUE * LONGEST,
        };
        let queue = VecDeque::new();
        self.sockets.push(Socket { info, address_by_connect: false, queue, error: None });
        Ok(handle)
    }

    fn bind(
        &mut self,
        socket: Handle,
        mut local: SocketAddr,
        out: &dyn Output,
    ) -> Result<(), SocketError> {
        if self.find(socket)?.info.local.port() != 0 {
            return Err(SocketError::Invalid);
        }
        if local.ip() != ANY && !out.is_local(local.ip()) {
            return Err(SocketError::AddrNotAvailable);
        }
        if local.port() == 0 {
            local.set_port(self.ephemeral(local.ip()));
        } else if self.is_taken(local.ip(), local.port()) {
            return Err(SocketError::AddrInUse);
        }
        self.find(socket)?.info.local = local;
        Ok(())
    }

    fn connect(
        &mut self,
        now: Instant,
        socket: Handle,
        peer: Option<SocketAddr>,
        out: &dyn Output,
    ) -> Result<(), SocketError> {
        let Socket { info, address_by_connect, .. } = self.find(socket)?;
        let (mut local, broadcast) = (info.local, info.broadcast);
        // The address that bind gave; one that connect chose is chosen anew.
        let bound = Some(local.ip()).filter(|addr| *addr != ANY && !*address_by_connect);
        let mut source = ANY;
        if let Some(to) = peer {
            if to.ip() == ANY || to.port() == 0 {
                return Err(SocketError::Invalid);
            }
            let route = out.route(now, to.ip(), bound)?;
            if route.hop == Hop::Broadcast && !broadcast {
                return Err(SocketError::Denied);
            }
            source = route.source;
            if local.port() == 0 {
                local.set_port(self.ephemeral(source));
            }
        }
        local.set_ip(bound.unwrap_or(source));
        let socket = self.find(socket)?;
        (socket.info.local, socket.info.peer) = (local, peer);
        socket.address_by_connect = bound.is_none() && peer.is_some();
        Ok(())
    }

    fn send(
        &mut self,
        now: Instant,
        socket: Handle,
        to: Option<SocketAddr>,
        data: &[u8],
        out: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        if let Some(error) = self.take_error(socket) {
            return Err(error);
        }
        let Info { local, peer, broadcast, ttl, .. } = self.find(socket)?.info;
        let to = to.or(peer).ok_or(SocketError::DestinationRequired)?;
        if to.ip() == ANY || to.port() == 0 {
            return Err(SocketError::Invalid);
        }
        if data.len() > LONGEST {
            return Err(SocketError::MessageTooLong);
        }
        let bound = Some(local.ip()).filter(|addr| *addr != ANY);
        let route = out.route(now, to.ip(), bound)?;
        if route.hop == Hop::Broadcast && !broadcast {
            return Err(SocketError::Denied);
        }
        if local.port() == 0 {
            let port = self.ephemeral(ANY);
            self.find(socket)?.info.local.set_port(port);
        }
        let port = self.find(socket)?.info.local.port();
        let from = SocketAddr::new(bound.unwrap_or(route.source), port);
        let packet = wire::build(from, to, data, route.offload.checksum);
        let mut header = ip::Header::new(from.ip(), to.ip(), Protocol::UDP);
        header.ttl = ttl;
        let sent = out.send(now, &header, packet);
        self.stats.add(if sent.is_ok() { Stat::Out } else { Stat::OutFailed });
        sent.map(|()| data.len()).map_err(|refused| refused.cause.into())
    }

    fn receive(&mut self, handle: Handle, peek: bool) -> Result<Received, SocketError> {
        let socket = self.find(handle)?;
        if let Some(error) = socket.error.take() {
            self.mark(handle);
            return Err(error);
        }
        if peek {
            return socket.queue.front().cloned().ok_or(SocketError::WouldBlock);
        }
        let received = socket.queue.pop_front().ok_or(SocketError::WouldBlock)?;
        socket.info.receive_queue -= received.data.len();
        self.mark(handle);
        Ok(received)
    }

    fn set(&mut self, socket: Handle, setting: Setting) -> Result<(), SocketError> {
        let info = &mut self.find(socket)?.info;
        match setting {
            Setting::Ttl(Ttl(0)) => return Err(SocketError::Invalid),
            Setting::Ttl(ttl) => info.ttl = ttl,
            Setting::Broadcast(allowed) => info.broadcast = allowed,
            _ => return Err(SocketError::Unsupported),
        }
        Ok(())
    }

    fn take_error(&mut self, socket: Handle) -> Option<SocketError> {
        let error = self.find(socket).ok()?.error.take();
        if error.is_some() {
            self.mark(socket);
        }
        error
    }

    fn readiness(&self, handle: Handle) -> Readiness {
        let Some(socket) = self.sockets.iter().find(|socket| socket.info.handle == handle) else {
            return Readiness::empty();
        };
        let mut readiness = Readiness::WRITABLE;
        readiness.set(Readiness::ERROR, socket.error.is_some());
        let readable = socket.error.is_some() || !socket.queue.is_empty();
        readiness.set(Readiness::READABLE, readable);
        readiness
    }

    fn info(&self, handle: Handle) -> Result<Info, SocketError> {
        let found = self.sockets.iter().find(|socket| socket.info.handle == handle);
        found.map(|socket| socket.info.clone()).ok_or(SocketError::BadHandle)
    }

    fn close(&mut self, handle: Handle) {
        self.sockets.retain(|socket| socket.info.handle != handle);
        self.changed.retain(|changed| *changed != handle);
    }

    fn input(&mut self, now: Instant, mut datagram: Datagram) -> Input {
        self.stats.add(Stat::In);
        let header = match wire::parse(&datagram) {
            Ok(header) => header,
            Err(reason) => return self.drop(reason),
        };
        let from = SocketAddr::new(datagram.header.src, header.src_port);
        let (to, group) = (datagram.header.dst, datagram.cast != Cast::Unicast);
        // How well a socket fits: a connected one best, then one bound to the address.
        let fit = |Socket { info, address_by_connect, .. }: &Socket| {
            let any = info.local.ip() == ANY || (group && *address_by_connect);
            let fits = info.local.port() == header.dst_port
                && (any || info.local.ip() == to)
                && info.peer.is_none_or(|peer| peer == from);
            fits.then_some((info.peer.is_some(), !any))
        };
        let best = self.sockets.iter().filter(|s| fit(s).is_some()).max_by_key(|s| fit(s));
        let Some(best) = best.map(|socket| socket.info.handle) else {
            if group {
                return self.drop(DropReason::GroupUnclaimed);
            }
            self.stats.add(Stat::NoPort);
            return Input::Unreachable(datagram);
        };
        datagram.payload.truncate(header.len);
        datagram.payload.strip(HEADER);
        let pieces: Vec<Packet> = wire::pieces(datagram.payload).collect();
        let mut receivers = Vec::new();
        for socket in &mut self.sockets {
            // A broadcast is for all that fit, not only the best.
            if fit(socket).is_none() || (socket.info.handle != best && !group) {
                continue;
            }
            for data in &pieces {
                if socket.queue.len() >= QUEUE {
                    socket.info.drops += 1;
                    self.drops.add(DropReason::QueueFull);
                    continue;
                }
                socket.info.receive_queue += data.len();
                socket.queue.push_back(Received {
                    from,
                    to,
                    iface: datagram.iface,
                    cast: datagram.cast,
                    ttl: datagram.header.ttl,
                    tos: datagram.header.tos,
                    at: now,
                    data: data.clone(),
                });
                self.stats.add(Stat::Queued);
                receivers.push(socket.info.handle);
            }
        }
        if receivers.is_empty() {
            return Input::Dropped(DropReason::QueueFull);
        }
        receivers.into_iter().for_each(|handle| self.mark(handle));
        Input::Delivered
    }

    fn error(&mut self, _now: Instant, cause: Cause, quoted: &Quoted) {
        let Some((src, dst)) = quoted.ports() else { return };
        let local = SocketAddr::new(quoted.src, src);
        let peer = Some(SocketAddr::new(quoted.dst, dst));
        let ignored = matches!(
            cause,
            Cause::SourceQuench | Cause::Redirect { .. } | Cause::FragmentationNeeded { .. }
        );
        let told = self.sockets.iter_mut().find(|s| s.info.local == local && s.info.peer == peer);
        match told {
            Some(socket) if !ignored => {
                socket.error = Some(cause.into());
                self.stats.add(Stat::Errors);
                let handle = socket.info.handle;
                self.mark(handle);
            }
            _ => self.stats.add(Stat::ErrorsIgnored),
        }
    }

    fn poll(&mut self, _now: Instant, _out: &mut dyn Output) {}

    fn poll_at(&self) -> Option<Instant> {
        None
    }

    fn changed(&mut self) -> Option<Handle> {
        self.changed.pop_front()
    }

    fn sockets(&self) -> Vec<Info> {
        let mut sockets: Vec<Info> = self.sockets.iter().map(|s| s.info.clone()).collect();
        sockets.sort_by_key(|info| (info.local.port(), info.handle));
        sockets
    }

    fn counters(&self) -> Vec<Counter> {
        self.stats.rows().chain(self.drops.rows()).collect()
    }
}
