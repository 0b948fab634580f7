//! The whole of UDP.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ip::{
    Cause, Datagram, Ecn, Handle, Hop, Output, Protocol, Quoted, Readiness, SocketError, Ttl,
};
use netdev::{Cast, Counter, Counts, Instant, Packet};
use tracing::{debug, trace};

use crate::ports::Ephemeral;
use crate::socket::Socket;
use crate::stat::Stat;
use crate::table::{Table, unspecified};
use crate::wire::{self, HEADER, Header, LONGEST, is_any};
use crate::{Config, Datagrams, DropReason, Info, Input, Received, Setting};

/// UDP as RFC 768 and RFC 1122 §4.1 want it, with the socket options that programs use.
#[derive(Debug)]
pub struct Udp {
    config: Config,
    table: Table,
    ports: Ephemeral,
    changed: VecDeque<Handle>,
    drops: Counts<DropReason>,
    stats: Counts<Stat>,
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
    fn mark(&mut self, handle: Handle) {
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

    /// Puts a datagram into the queues of `receivers`: one at least.
    fn deliver(
        &mut self,
        now: Instant,
        header: Header,
        datagram: Datagram,
        receivers: &[Handle],
    ) -> Input {
        let Datagram { header: ip, iface, cast, header_len: _, payload: mut data } = datagram;
        data.truncate(header.len);
        data.strip(HEADER);
        let received = |data: Packet| Received {
            from: SocketAddr::new(ip.src, header.src_port),
            to: ip.dst,
            iface,
            cast,
            ttl: ip.ttl,
            tos: ip.tos,
            at: now,
            data,
        };
        let Some((last, others)) = receivers.split_last() else {
            return Input::Dropped(DropReason::GroupUnclaimed);
        };
        let mut taken = false;
        for other in others {
            taken |= self.push(*other, received(data.clone()));
        }
        taken |= self.push(*last, received(data));
        if taken { Input::Delivered } else { Input::Dropped(DropReason::QueueFull) }
    }

    fn push(&mut self, handle: Handle, received: Received) -> bool {
        let Some(socket) = self.table.socket_mut(handle) else { return false };
        if socket.push(received) {
            self.stats.add(Stat::Queued);
            self.mark(handle);
            true
        } else {
            self.drops.add(DropReason::QueueFull);
            false
        }
    }

    /// A broadcast or multicast goes to every socket at the port that can mean it.
    fn group(&mut self, now: Instant, header: Header, datagram: Datagram) -> Input {
        let from = SocketAddr::new(datagram.header.src, header.src_port);
        let (dst, iface) = (datagram.header.dst, datagram.iface);
        let meant = |socket: &&Socket| {
            let address = is_any(socket.local.ip())
                || socket.local.ip() == dst
                // A connected socket's address was narrowed by connect alone.
                || socket.address_by_connect;
            address && (!dst.is_multicast() || is_member(socket, iface, dst))
        };
        let sockets: Vec<&Socket> = self.table.at_port(header.dst_port).filter(meant).collect();
        let receivers: Vec<Handle> =
            sockets.iter().filter(|s| s.hears(from)).map(|socket| socket.handle).collect();
        if receivers.is_empty() {
            let reason =
                if sockets.is_empty() { DropReason::GroupUnclaimed } else { DropReason::NotPeer };
            return self.drop(reason);
        }
        self.deliver(now, header, datagram, &receivers)
    }

    fn drop(&mut self, reason: DropReason) -> Input {
        self.drops.add(reason);
        trace!(%reason, "dropped");
        Input::Dropped(reason)
    }

    /// The copy of an own multicast for the members on this host (RFC 1112 §6.1).
    fn loop_back(
        &mut self,
        now: Instant,
        header: &ip::Header,
        iface: ip::IfIndex,
        mut copy: Packet,
    ) {
        copy.set_checksum(netdev::Checksum::Verified);
        let datagram = Datagram {
            header: header.clone(),
            iface,
            cast: Cast::Multicast,
            header_len: 0,
            payload: copy,
        };
        if let Ok(header) = wire::parse(&datagram)
            && self.table.at_port(header.dst_port).next().is_some()
        {
            let _ = self.group(now, header, datagram);
        }
    }
}

/// Whether a socket receives a group's datagrams on an interface: it has joined, or the group is
/// "all hosts", of which every host is a member (RFC 1112 §4).
fn is_member(socket: &Socket, iface: ip::IfIndex, group: IpAddr) -> bool {
    group == IpAddr::V4(Ipv4Addr::new(224, 0, 0, 1))
        || socket.options.groups.contains(&(iface, group))
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
        let loop_back = group && options.multicast_loop;
        let mut port = socket.local.port();
        if port == 0 {
            let any = unspecified(peer.ip());
            port = self.ephemeral(any, None)?;
            debug!(?handle, port, "bound by its first datagram");
            self.table.list(handle, SocketAddr::new(any, port), None);
        }
        let packet = wire::build(SocketAddr::new(source, port), peer, data, route.offload.checksum);
        trace!(%source, port, %peer, len = data.len(), "send");
        let copy = loop_back.then(|| packet.clone());
        if let Err(refused) = out.send(now, &header, packet) {
            self.stats.add(Stat::OutFailed);
            return Err(refused.cause.into());
        }
        self.stats.add(Stat::Out);
        if let Some(copy) = copy {
            self.loop_back(now, &header, route.iface, copy);
        }
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
        let header = match wire::parse(&datagram) {
            Ok(header) => header,
            Err(reason) => return self.drop(reason),
        };
        let from = SocketAddr::new(datagram.header.src, header.src_port);
        let to = SocketAddr::new(datagram.header.dst, header.dst_port);
        trace!(%from, %to, len = header.len, "input");
        if datagram.cast != Cast::Unicast {
            return self.group(now, header, datagram);
        }
        match self.table.receiver(to, from) {
            Some(receiver) => self.deliver(now, header, datagram, &[receiver]),
            None => {
                self.stats.add(Stat::NoPort);
                Input::Unreachable(datagram)
            }
        }
    }

    fn error(&mut self, _now: Instant, cause: Cause, quoted: &Quoted) {
        let told = match cause {
            // RFC 6633 §5: to be ignored. A redirect is IP's business: the datagram went on.
            Cause::SourceQuench | Cause::Redirect { .. } => Vec::new(),
            _ => quoted.ports().map_or_else(Vec::new, |(src, dst)| {
                let local = SocketAddr::new(quoted.src, src);
                self.table.connected(local, SocketAddr::new(quoted.dst, dst))
            }),
        };
        let mut passed = false;
        for handle in told {
            let Some(socket) = self.table.socket_mut(handle) else { continue };
            // Without DF the next datagram is fragmented to the path MTU, which IP has learnt.
            if matches!(cause, Cause::FragmentationNeeded { .. }) && !socket.options.dont_fragment {
                continue;
            }
            debug!(?handle, %cause, "error");
            socket.error = Some(cause.into());
            passed = true;
            self.mark(handle);
        }
        self.stats.add(if passed { Stat::Errors } else { Stat::ErrorsIgnored });
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

    fn counters(&self) -> Vec<Counter> {
        self.stats.rows().chain(self.drops.rows()).collect()
    }
}
