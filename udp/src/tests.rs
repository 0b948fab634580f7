//! Tests of the layer, on virtual time: the layers below are a `Vec`.

mod hostile;
mod options;
mod shared;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ip::{
    Cause, Datagram, Handle, Header, Hop, IfIndex, Offload, Output, Protocol, Quoted, Route,
    SendError, SocketError,
};
use netdev::{Cast, Instant, Packet};

use crate::wire;
use crate::{Config, Datagrams, Input, Received, Udp};

pub(crate) const ME: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const ME_TOO: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 1);
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
pub(crate) const SUBNET_BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 255);

/// A host with 10.0.0.1/24 and 192.168.0.1/32, loopback, and a default route without 203.0.113/24.
pub(crate) struct Below {
    pub(crate) sent: Vec<(Header, Packet)>,
    pub(crate) mtu: usize,
    pub(crate) checksum_offload: bool,
    pub(crate) refuse: Option<Cause>,
}

impl Output for Below {
    fn route(&self, _: Instant, dst: IpAddr, src: Option<IpAddr>) -> Result<Route, Cause> {
        let IpAddr::V4(v4) = dst else { return Err(Cause::NetworkUnreachable) };
        let local = self.is_local(dst);
        let hop = match v4.octets() {
            [203, 0, 113, _] => return Err(Cause::NetworkUnreachable),
            [10, 0, 0, 255] | [255, 255, 255, 255] => Hop::Broadcast,
            [224..=239, ..] => Hop::Group(dst),
            [10, 0, 0, _] => Hop::Neighbour(dst),
            _ => Hop::Neighbour([10, 0, 0, 254].into()),
        };
        let source = src.unwrap_or(if local { dst } else { ME.into() });
        let offload = Offload { checksum: self.checksum_offload, ..Offload::default() };
        Ok(Route { source, iface: IfIndex(u32::from(!local)), hop, mtu: self.mtu, local, offload })
    }

    fn send(&mut self, _: Instant, header: &Header, packet: Packet) -> Result<(), SendError> {
        match self.refuse {
            Some(cause) => Err(SendError { cause, packet }),
            None => {
                self.sent.push((header.clone(), packet));
                Ok(())
            }
        }
    }

    fn is_local(&self, addr: IpAddr) -> bool {
        addr.is_loopback() || addr == IpAddr::V4(ME) || addr == IpAddr::V4(ME_TOO)
    }
}

/// A layer with what is below it and a clock.
pub(crate) struct Bench {
    pub(crate) udp: Box<dyn Datagrams>,
    pub(crate) below: Below,
    pub(crate) now: Instant,
}

pub(crate) fn at(addr: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::new(addr.into(), port)
}

impl Bench {
    pub(crate) fn over(udp: Box<dyn Datagrams>) -> Bench {
        let below = Below { sent: Vec::new(), mtu: 1500, checksum_offload: false, refuse: None };
        Bench { udp, below, now: Instant::from_secs(1) }
    }

    pub(crate) fn udp(config: Config) -> Bench {
        Bench::over(Box::new(Udp::new(config, 1)))
    }

    pub(crate) fn open(&mut self) -> Handle {
        self.udp.open().expect("a socket")
    }

    pub(crate) fn bind(&mut self, socket: Handle, local: SocketAddr) -> Result<(), SocketError> {
        self.udp.bind(socket, local, &self.below)
    }

    /// A new socket, bound.
    pub(crate) fn bound(&mut self, addr: Ipv4Addr, port: u16) -> Handle {
        let socket = self.open();
        self.bind(socket, at(addr, port)).expect("bind");
        socket
    }

    pub(crate) fn connect(&mut self, socket: Handle, peer: SocketAddr) -> Result<(), SocketError> {
        self.udp.connect(self.now, socket, Some(peer), &self.below)
    }

    pub(crate) fn disconnect(&mut self, socket: Handle) {
        self.udp.connect(self.now, socket, None, &self.below).expect("disconnect");
    }

    pub(crate) fn send(
        &mut self,
        socket: Handle,
        to: Option<SocketAddr>,
        data: &[u8],
    ) -> Result<usize, SocketError> {
        self.udp.send(self.now, socket, to, data, &mut self.below)
    }

    pub(crate) fn input(&mut self, datagram: Datagram) -> Input {
        self.udp.input(self.now, datagram)
    }

    /// A datagram from the peer, port 4000.
    pub(crate) fn arrive(&mut self, to: SocketAddr, data: &[u8]) -> Input {
        self.input(datagram(at(PEER, 4000), to, data))
    }

    pub(crate) fn receive(&mut self, socket: Handle) -> Result<Received, SocketError> {
        self.udp.receive(socket, false)
    }

    /// The data of everything that waits in a socket.
    pub(crate) fn drain(&mut self, socket: Handle) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.receive(socket).ok()).map(|r| r.data.to_vec()).collect()
    }

    pub(crate) fn changed(&mut self) -> Vec<Handle> {
        std::iter::from_fn(|| self.udp.changed()).collect()
    }

    pub(crate) fn local(&self, socket: Handle) -> SocketAddr {
        self.udp.info(socket).expect("info").local
    }

    /// An ICMP error about what was sent from `local` to `peer`.
    pub(crate) fn error(&mut self, cause: Cause, local: SocketAddr, peer: SocketAddr) {
        let mut payload = local.port().to_be_bytes().to_vec();
        payload.extend(peer.port().to_be_bytes());
        payload.extend([0, 8, 0, 0]);
        let quoted = Quoted {
            src: local.ip(),
            dst: peer.ip(),
            protocol: Protocol::UDP,
            total_len: 28,
            payload,
        };
        self.udp.error(self.now, cause, &quoted);
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        let counters = self.udp.counters();
        counters.iter().find(|counter| counter.name == name).expect("a counter of that name").count
    }
}

/// A datagram as IP delivers it.
pub(crate) fn datagram(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Datagram {
    raw(from.ip(), to.ip(), wire::build(from, to, data, false))
}

/// The same with any bytes for header and data.
pub(crate) fn raw(src: IpAddr, dst: IpAddr, payload: Packet) -> Datagram {
    let cast = match dst {
        IpAddr::V4(v4) if v4.is_broadcast() || v4 == SUBNET_BROADCAST => Cast::Broadcast,
        dst if dst.is_multicast() => Cast::Multicast,
        _ => Cast::Unicast,
    };
    let header = Header::new(src, dst, Protocol::UDP);
    Datagram { header, iface: IfIndex(1), cast, header_len: 0, payload }
}
