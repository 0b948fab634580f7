//! What is below the layer under test: routes that are known beforehand, and a list of what was
//! sent.

use std::net::{IpAddr, Ipv4Addr};

use ip::{Cause, Header, Hop, IfIndex, Offload, Output, Route, SendError};
use netdev::conformance::Record;
use netdev::{Direction, Instant, Packet};

/// This host, on its first network.
pub(super) const ME: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// A neighbour there.
pub(super) const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// This host, on its second network.
pub(super) const ME_TOO: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 1);
/// A neighbour there.
pub(super) const PEER_TOO: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 2);
/// Behind a router of the first network.
pub(super) const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
/// To where there is no route.
pub(super) const NOWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
/// Everybody on the first network.
pub(super) const SUBNET: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 255);

/// A host with 10.0.0.1/24 and 192.168.0.1/24, loopback, and a default route by 10.0.0.254, under
/// which 203.0.113.0/24 is unreachable.
pub(super) struct Below {
    pub(super) sent: Vec<(Header, Packet)>,
    pub(super) record: Record,
}

impl Output for Below {
    fn route(&self, _: Instant, dst: IpAddr, _: Option<IpAddr>) -> Result<Route, Cause> {
        let IpAddr::V4(v4) = dst else { return Err(Cause::NetworkUnreachable) };
        let local = self.is_local(dst);
        let (hop, source, iface) = match v4.octets() {
            _ if local => (Hop::Neighbour(dst), v4, 0),
            [203, 0, 113, _] => return Err(Cause::NetworkUnreachable),
            [10, 0, 0, 255] | [255, 255, 255, 255] => (Hop::Broadcast, ME, 1),
            [192, 168, 0, 255] => (Hop::Broadcast, ME_TOO, 2),
            [224..=239, ..] => (Hop::Group(dst), ME, 1),
            [10, 0, 0, _] => (Hop::Neighbour(dst), ME, 1),
            [192, 168, 0, _] => (Hop::Neighbour(dst), ME_TOO, 2),
            _ => (Hop::Neighbour([10, 0, 0, 254].into()), ME, 1),
        };
        let (source, iface, offload) = (source.into(), IfIndex(iface), Offload::default());
        Ok(Route { source, iface, hop, mtu: 1500, local, offload })
    }

    fn send(&mut self, now: Instant, header: &Header, packet: Packet) -> Result<(), SendError> {
        let Header { src, dst, protocol, ttl, tos, .. } = header;
        let head: Vec<String> = packet.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let what = format!(
            "  sent {src} to {dst}, {protocol:?}, ttl {}, tos {:02x}: {} and {} bytes",
            ttl.0,
            tos.0,
            head.join(" "),
            packet.len().saturating_sub(8),
        );
        self.record.step(now, what, "");
        self.record.datagram(now, Direction::Tx, (*src, *dst), protocol.0, &packet);
        self.sent.push((header.clone(), packet));
        Ok(())
    }

    fn is_local(&self, addr: IpAddr) -> bool {
        addr.is_loopback() || addr == IpAddr::V4(ME) || addr == IpAddr::V4(ME_TOO)
    }
}
