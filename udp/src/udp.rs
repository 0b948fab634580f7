//! The whole of UDP.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use ip::{
    Cause, Datagram, Ecn, Handle, Hop, Output, Protocol, Quoted, Readiness, SocketError, Ttl,
};
use netdev::{Counter, Counts, Instant};
use tracing::{debug, trace};

use crate::ports::Ephemeral;
use crate::socket::Socket;
use crate::stat::Stat;
use crate::table::{Table, unspecified};
use crate::wire::{self, HEADER, LONGEST, is_any};
use crate::{Config, Datagrams, DropReason, Info, Input, Received, Setting};

/// UDP as RFC 768 and RFC 1122 §4.1 want it, with the socket options that programs use.
#[derive(Debug)]
pub struct Udp {
    config: Config,
    pub(crate) table: Table,
    ports: Ephemeral,
    changed: VecDeque<Handle>,
    pub(crate) drops: Counts<DropReason>,
    pub(crate) stats: Counts<Stat>,
}

impl Udp {
    /// No sockets yet. `seed` keys the tables and decides the ephemeral ports.
    pub fn new(config: Config, seed: u64) -> Udp {
        Udp {
            table: Table::new(config.sockets, seed),
            ports: Ephemeral::new(config.ephemeral.clone(), seed),
            config,
            changed: VecDeque::new(),
            drops: Counts::default(),
            stats: Counts::default(),
        }
    }

    fn socket(&self, handle: Handle) -> Result<&Socket, SocketError> {
        self.table.socket(handle).ok_or(SocketError::BadHandle)
    }

    fn socket_mut(&mut self, handle: Handle) -> Result<&mut Socket, SocketError> {
        self.table.socket_mut(handle).ok_or(SocketError::BadHandle)
    }

    /// Notes that a socket's readiness may have changed; once, until somebody asks.
    pub(crate) fn mark(&mut self, handle: Handle) {
        let Some(socket) = self.table.socket_mut(handle) else { return };
        if !std::mem::replace(&mut socket.changed, true) {
            self.changed.push_back(handle);
        }
    }

    /// A free port for a socket that wants none in particular.
    fn ephemeral(&mut self, addr: IpAddr, peer: Option<SocketAddr>) -> Result<u16, SocketError> {
        let table = &self.table;
        self.ports
            .pick(addr, peer, |port| table.is_taken(addr, port, false))
            .ok_or(SocketError::AddrNotAvailable)
    }

    /// Takes the error that came back for an earlier datagram.
    fn check_error(&mut self, handle: Handle) -> Result<(), SocketError> {
        match self.socket_mut(handle)?.error.take() {
            None => Ok(()),
            Some(error) => {
                self.mark(handle);
                Err(error)
            }
        }
    }
}

/// A destination that a datagram can have: IPv4, a host, and a port.
fn check_peer(peer: SocketAddr) -> Result<(), SocketError> {
    match peer.ip() {
        IpAddr::V4(addr) if !addr.is_unspecified() && peer.port() != 0 => Ok(()),
        IpAddr::V4(_) => Err(SocketError::Invalid),
        IpAddr::V6(_) => Err(SocketError::Unsupported),
    }
}

impl Datagrams for Udp {
    fn open(&mut self) -> Result<Handle, SocketError> {
        let handle = self.table.insert(self.config.receive_buffer)?;
        debug!(?handle, "opened");
        Ok(handle)
    }

    fn bind(
        &mut self,
        handle: Handle,
        local: SocketAddr,
        out: &dyn Output,
    ) -> Result<(), SocketError> {
        let socket = self.socket(handle)?;
        if socket.local.port() != 0 {
            return Err(SocketError::Invalid);
        }
        let addr = local.ip();
        let IpAddr::V4(v4) = addr else { return Err(SocketError::Unsupported) };
        let group = v4.is_multicast() || v4.is_broadcast();
        if !v4.is_unspecified() && !group && !out.is_local(addr) {
            return Err(SocketError::AddrNotAvailable);
        }
        let reuse = socket.options.reuse;
        let port = match local.port() {
            0 => self.ephemeral(addr, None)?,
            port if self.table.is_taken(addr, port, reuse) => return Err(SocketError::AddrInUse),
            port => port,
        };
        let local = SocketAddr::new(addr, port);
        debug!(?handle, %local, "bound");
        self.table.list(handle, local, None);
        Ok(())
    }

    fn connect(
        &mut self,
        now: Instant,
        handle: Handle,
        peer: Option<SocketAddr>,
        out: &dyn Output,
    ) -> Result<(), SocketError> {
        let socket = self.socket(handle)?;
        let (mut local, mut by_connect) = (socket.local, socket.address_by_connect);
        let own = if by_connect { None } else { socket.source() };
        match peer {
            Some(peer) => {
                check_peer(peer)?;
                let route = out.route(now, peer.ip(), own)?;
                let broadcast = route.hop == Hop::Broadcast;
                if broadcast && !socket.options.broadcast {
                    return Err(SocketError::Denied);
                }
                if is_any(local.ip()) || by_connect {
                    local.set_ip(route.source);
                    by_connect = true;
                }
                if local.port() == 0 {
                    local.set_port(self.ephemeral(local.ip(), Some(peer))?);
                }
            }
            None if by_connect => {
                local.set_ip(unspecified(local.ip()));
                by_connect = false;
            }
            None => {}
        }
        debug!(?handle, %local, ?peer, "connected");
        self.socket_mut(handle)?.address_by_connect = by_connect;
        if local.port() != 0 {
            self.table.list(handle, local, peer);
        }
        Ok(())
    }

    fn send(
        &mut self,
        now: Instant,
        handle: Handle,
        to: Option<SocketAddr>,
        data: &[u8],
        out: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        self.check_error(handle)?;
        let socket = self.socket(handle)?;
        let peer = to.or(socket.peer).ok_or(SocketError::DestinationRequired)?;
        check_peer(peer)?;
        if data.len() > LONGEST {
            return Err(SocketError::MessageTooLong);
        }
        let route = out.route(now, peer.ip(), socket.source())?;
        let (options, group) = (&socket.options, peer.ip().is_multicast());
        if route.hop == Hop::Broadcast && !options.broadcast {
            return Err(SocketError::Denied);
        }
        if options.dont_fragment && data.len() + HEADER + 20 > route.mtu {
            return Err(SocketError::MessageTooLong);
        }
        let source = socket.source().unwrap_or(route.source);
        let mut header = ip::Header::new(source, peer.ip(), Protocol::UDP);
        header.ttl = if group { options.multicast_ttl } else { options.ttl };
        header.tos = options.tos;
        header.dont_fragment = options.dont_fragment;
        let mut port = socket.local.port();
        if port == 0 {
            let any = unspecified(peer.ip());
            port = self.ephemeral(any, None)?;
            debug!(?handle, port, "bound by its first datagram");
            self.table.list(handle, SocketAddr::new(any, port), None);
        }
        let packet = wire::build(SocketAddr::new(source, port), peer, data, route.offload.checksum);
        trace!(%source, port, %peer, len = data.len(), "send");
        if group {
            self.socket_mut(handle)?.multicast_source = Some(source);
        }
        if let Err(refused) = out.send(now, &header, packet) {
            self.stats.add(Stat::OutFailed);
            return Err(refused.cause.into());
        }
        self.stats.add(Stat::Out);
        Ok(data.len())
    }

    fn receive(&mut self, handle: Handle, peek: bool) -> Result<Received, SocketError> {
        let received = self.socket_mut(handle)?.receive(peek);
        if !peek && !matches!(received, Err(SocketError::WouldBlock)) {
            self.mark(handle);
        }
        received
    }

    fn set(&mut self, handle: Handle, setting: Setting) -> Result<(), SocketError> {
        let (most, memberships) = (self.config.receive_buffer_max, self.config.memberships);
        let options = &mut self.socket_mut(handle)?.options;
        match setting {
            // RFC 1122 §3.2.1.7: a datagram must not be sent with a TTL of zero.
            Setting::Ttl(Ttl(0)) | Setting::MulticastTtl(Ttl(0)) => {
                return Err(SocketError::Invalid);
            }
            Setting::Ttl(ttl) => options.ttl = ttl,
            Setting::MulticastTtl(ttl) => options.multicast_ttl = ttl,
            Setting::Tos(tos) => options.tos = tos.with_ecn(Ecn::NotEct),
            Setting::Broadcast(allowed) => options.broadcast = allowed,
            Setting::ReuseAddr(reuse) => options.reuse = reuse,
            Setting::ReceiveBuffer(bytes) => options.receive_buffer = bytes.min(most),
            Setting::DontFragment(df) => options.dont_fragment = df,
            Setting::MulticastLoop(on) => options.multicast_loop = on,
            Setting::Membership(_, group, _) if !group.is_multicast() => {
                return Err(SocketError::Invalid);
            }
            Setting::Membership(iface, group, join) => {
                let place = options.groups.iter().position(|member| *member == (iface, group));
                match (place, join) {
                    (None, true) if options.groups.len() >= memberships => {
                        return Err(SocketError::NoBuffers);
                    }
                    (None, true) => options.groups.push((iface, group)),
                    (Some(place), false) => {
                        options.groups.remove(place);
                    }
                    (Some(_), true) => return Err(SocketError::AddrInUse),
                    (None, false) => return Err(SocketError::AddrNotAvailable),
                }
            }
        }
        Ok(())
    }

    fn take_error(&mut self, handle: Handle) -> Option<SocketError> {
        let error = self.table.socket_mut(handle)?.error.take();
        if error.is_some() {
            self.mark(handle);
        }
        error
    }

    fn readiness(&self, handle: Handle) -> Readiness {
        self.table.socket(handle).map(Socket::readiness).unwrap_or_default()
    }

    fn info(&self, handle: Handle) -> Result<Info, SocketError> {
        self.socket(handle).map(Socket::info)
    }

    fn close(&mut self, handle: Handle) {
        if let Some(socket) = self.table.remove(handle) {
            debug!(?handle, local = %socket.local, "closed");
            if socket.changed {
                self.changed.retain(|other| *other != handle);
            }
        }
    }

    fn input(&mut self, now: Instant, datagram: Datagram) -> Input {
        self.stats.add(Stat::In);
        let input = self.demultiplex(now, datagram);
        match input {
            Input::Delivered => {}
            Input::Unreachable(_) => self.stats.add(Stat::NoPort),
            Input::Dropped(reason) => trace!(%reason, "dropped"),
        }
        input
    }

    fn error(&mut self, _now: Instant, cause: Cause, quoted: &Quoted) {
        self.tell(cause, quoted);
    }

    fn poll(&mut self, _now: Instant, _out: &mut dyn Output) {}

    fn poll_at(&self) -> Option<Instant> {
        None
    }

    fn changed(&mut self) -> Option<Handle> {
        let handle = self.changed.pop_front()?;
        if let Some(socket) = self.table.socket_mut(handle) {
            socket.changed = false;
        }
        Some(handle)
    }

    fn sockets(&self) -> Vec<Info> {
        let mut sockets: Vec<Info> = self.table.iter().map(Socket::info).collect();
        sockets.sort_by_key(|info| (info.local.port(), info.handle));
        sockets
    }

    fn is_at(&self, port: u16) -> bool {
        self.table.at_port(port).next().is_some()
    }

    fn counters(&self) -> Vec<Counter> {
        self.stats.rows().chain(self.drops.rows()).collect()
    }
}
