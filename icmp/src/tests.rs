//! Tests of the layer, on virtual time: the layers below are a `Vec`.

mod errors_in;
mod errors_out;
mod hostile;
mod queries;
mod shared;

use std::net::{IpAddr, Ipv4Addr};

use ip::{
    Cause, Datagram, Header, Hop, IfIndex, Offload, Output, Protocol, Report, Route, SendError,
};
use netdev::checksum::Sum;
use netdev::{Cast, Instant, Packet};

use crate::{Config, ControlMessages, Icmp, Input, Suppressed};

pub(crate) const ME: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

/// A host with 10.0.0.1/24 and 192.168.0.1/32, loopback, and a default route without 203.0.113/24.
#[derive(Default)]
pub(crate) struct Below {
    pub(crate) sent: Vec<(Header, Packet)>,
}

impl Output for Below {
    fn route(&self, _: Instant, dst: IpAddr, _: Option<IpAddr>) -> Result<Route, Cause> {
        let local = self.is_local(dst);
        let hop = match dst {
            IpAddr::V4(v4) => match v4.octets() {
                [203, 0, 113, _] => return Err(Cause::NetworkUnreachable),
                [10, 0, 0, 255] | [255, 255, 255, 255] => Hop::Broadcast,
                [224..=239, ..] => Hop::Group(dst),
                [10, 0, 0, _] => Hop::Neighbour(dst),
                _ => Hop::Neighbour([10, 0, 0, 254].into()),
            },
            IpAddr::V6(_) => return Err(Cause::NetworkUnreachable),
        };
        let source = if local { dst } else { ME.into() };
        let iface = IfIndex(u32::from(!local));
        Ok(Route { source, iface, hop, mtu: 1500, local, offload: Offload::default() })
    }

    fn send(&mut self, _: Instant, header: &Header, packet: Packet) -> Result<(), SendError> {
        self.sent.push((header.clone(), packet));
        Ok(())
    }

    fn is_local(&self, addr: IpAddr) -> bool {
        addr.is_loopback() || addr == IpAddr::V4(ME) || addr == IpAddr::from([192, 168, 0, 1])
    }
}

/// A layer with what is below it and a clock.
pub(crate) struct Bench {
    pub(crate) icmp: Box<dyn ControlMessages>,
    pub(crate) below: Below,
    pub(crate) now: Instant,
}

impl Bench {
    pub(crate) fn over(icmp: Box<dyn ControlMessages>) -> Bench {
        Bench { icmp, below: Below::default(), now: Instant::from_secs(1) }
    }

    pub(crate) fn icmp() -> Bench {
        Bench::over(Box::new(Icmp::new(Config::default(), 1)))
    }

    pub(crate) fn input(&mut self, datagram: Datagram) -> Input {
        self.icmp.input(self.now, datagram, &mut self.below)
    }

    /// Reports a datagram that came in a frame for this host alone.
    pub(crate) fn report(&mut self, cause: Cause, bytes: &[u8]) -> Result<(), Suppressed> {
        self.report_cast(cause, bytes, Cast::Unicast)
    }

    pub(crate) fn report_cast(
        &mut self,
        cause: Cause,
        bytes: &[u8],
        cast: Cast,
    ) -> Result<(), Suppressed> {
        let report = Report { cause, packet: Packet::from_payload(bytes), cast };
        self.icmp.report(self.now, report, &mut self.below)
    }

    /// The one message sent, with a right checksum.
    pub(crate) fn sent(&mut self) -> (Header, Vec<u8>) {
        assert_eq!(self.below.sent.len(), 1, "one message");
        let (header, packet) = self.below.sent.remove(0);
        assert!(Sum::default().bytes(&packet).is_valid(), "checksum");
        assert_eq!(header.protocol, Protocol::ICMP);
        (header, packet.to_vec())
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        let counters = self.icmp.counters();
        counters.iter().find(|counter| counter.name == name).expect("a counter of that name").count
    }
}

/// A message as IP delivers it, with its checksum filled in.
pub(crate) fn message(src: Ipv4Addr, dst: Ipv4Addr, bytes: &[u8]) -> Datagram {
    let mut bytes = bytes.to_vec();
    if bytes.len() >= 4 {
        bytes[2..4].fill(0);
        let check = Sum::default().bytes(&bytes).finish();
        bytes[2..4].copy_from_slice(&check.to_be_bytes());
    }
    raw(src, dst, &bytes)
}

/// The same with the checksum as it is.
pub(crate) fn raw(src: Ipv4Addr, dst: Ipv4Addr, bytes: &[u8]) -> Datagram {
    Datagram {
        header: Header::new(src.into(), dst.into(), Protocol::ICMP),
        iface: IfIndex(1),
        cast: Cast::Unicast,
        header_len: 0,
        payload: Packet::from_payload(bytes),
    }
}

/// The bytes of an IPv4 datagram without options.
pub(crate) fn datagram(
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: Protocol,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![0x45, 0];
    bytes.extend_from_slice(&(20 + payload.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&[0x12, 0x34, 0, 0, 3, protocol.0, 0, 0]);
    bytes.extend_from_slice(&src.octets());
    bytes.extend_from_slice(&dst.octets());
    let check = Sum::default().bytes(&bytes).finish();
    bytes[10..12].copy_from_slice(&check.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A UDP datagram from the peer to a port of ours.
pub(crate) fn udp_from_peer(data: &[u8]) -> Vec<u8> {
    let mut payload = vec![0x30, 0x39, 0, 7, 0, 8 + data.len() as u8, 0, 0];
    payload.extend_from_slice(data);
    datagram(PEER, ME, Protocol::UDP, &payload)
}
