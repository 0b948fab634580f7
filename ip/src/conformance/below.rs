//! What is below a transport, or ICMP, in the kits of those: routes that are known beforehand, and
//! a list of what was sent.

use std::net::{IpAddr, Ipv4Addr};

use netdev::conformance::Record;
use netdev::{Direction, Instant, Packet};

use crate::{Cause, Header, Hop, IfIndex, Offload, Output, Route, SendError};

/// This host, on its first network.
pub const ME: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// A neighbour there.
pub const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Another one.
pub const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);
/// This host, on its second network.
pub const ME_TOO: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 1);
/// A neighbour there.
pub const PEER_TOO: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 2);
/// Behind a router of the first network.
pub const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
/// To where there is no route.
pub const NOWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
/// Everybody on the first network.
pub const SUBNET: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 255);
/// Every address of this host.
pub const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// A host with 10.0.0.1/24 and 192.168.0.1/24, loopback, and a default route by 10.0.0.254, under
/// which 203.0.113.0/24 is unreachable.
#[allow(missing_debug_implementations)]
pub struct Below {
    /// What was sent, oldest first.
    pub sent: Vec<(Header, Packet)>,
    /// Why IP refuses what is sent.
    pub refuse: Option<Cause>,
    /// Whether the device fills checksums in.
    pub offload: bool,
    /// Where all of it is written down.
    pub record: Record,
}

impl Below {
    /// Nothing was sent yet.
    pub fn new(record: Record) -> Below {
        Below { sent: Vec::new(), refuse: None, offload: false, record }
    }
}

impl Output for Below {
    fn route(&self, _: Instant, dst: IpAddr, src: Option<IpAddr>) -> Result<Route, Cause> {
        let IpAddr::V4(v4) = dst else { return Err(Cause::NetworkUnreachable) };
        let local = self.is_local(dst);
        let (hop, source, iface) = match v4.octets() {
            _ if local => (Hop::Neighbour(dst), v4, 0),
            [203, 0, 113, _] => return Err(Cause::NetworkUnreachable),
            [192, 168, 0, 255] => (Hop::Broadcast, ME_TOO, 2),
            [10, 0, 0, 255] | [255, 255, 255, 255] => (Hop::Broadcast, ME, 1),
            [224..=239, ..] => (Hop::Group(dst), ME, 1),
            [10, 0, 0, _] => (Hop::Neighbour(dst), ME, 1),
            [192, 168, 0, _] => (Hop::Neighbour(dst), ME_TOO, 2),
            _ => (Hop::Neighbour([10, 0, 0, 254].into()), ME, 1),
        };
        let source = src.unwrap_or(source.into());
        let offload = Offload { checksum: self.offload, ..Offload::default() };
        Ok(Route { source, iface: IfIndex(iface), hop, mtu: 1500, local, offload })
    }

    fn send(&mut self, now: Instant, header: &Header, packet: Packet) -> Result<(), SendError> {
        if let Some(cause) = self.refuse {
            self.record.step(now, format_args!("  refused by IP: {cause}"), "");
            return Err(SendError { cause, packet });
        }
        let Header { src, dst, protocol, ttl, tos, dont_fragment, .. } = header;
        let head: Vec<String> = packet.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let what = format!(
            "  sent {src} to {dst}, {protocol:?}, ttl {}, tos {:02x}, df {dont_fragment}: {} and {} \
             bytes",
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
