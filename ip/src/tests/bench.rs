//! What the tests share: a layer below that is a `Vec`, and datagrams forged by pnet_packet, so
//! that no test takes this crate's word for what a header looks like.

use std::net::{IpAddr, Ipv4Addr};

use netdev::{Cast, Instant, Medium, Packet};
use pnet_packet::Packet as _;
use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv4::{Ipv4Packet, MutableIpv4Packet, checksum};

use crate::{
    Change, Cidr, Config, Hop, IfIndex, Input, Interface, Internet, NextHop, Offload, RouteEntry,
    RouteOrigin, Router,
};

pub(super) const T0: Instant = Instant::ZERO;
pub(super) const LO: IfIndex = IfIndex(0);
pub(super) const NEAR: IfIndex = IfIndex(1);
pub(super) const FAR: IfIndex = IfIndex(2);

/// What was sent, in order.
#[derive(Default)]
pub(super) struct Below(pub(super) Vec<(IfIndex, Hop, Packet)>);

/// A port at which a socket of the host always is, of every protocol.
pub(super) const TAKEN: u16 = 17_000;

impl NextHop for Below {
    fn send(&mut self, _now: Instant, iface: IfIndex, hop: Hop, packet: Packet) {
        self.0.push((iface, hop, packet));
    }

    fn is_taken(&self, _: crate::Protocol, port: u16) -> bool {
        port == TAKEN
    }
}

impl Below {
    /// The one thing that was sent.
    pub(super) fn one(&mut self) -> (IfIndex, Hop, Packet) {
        assert_eq!(self.0.len(), 1, "{:?}", self.0);
        self.0.remove(0)
    }
}

pub(super) fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn v4(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub(super) fn neighbour(text: &str) -> Hop {
    Hop::Neighbour(addr(text))
}

pub(super) fn lo() -> Interface {
    Interface {
        index: LO,
        name: "lo".into(),
        addrs: vec!["127.0.0.1/8".parse().unwrap()],
        mtu: 65536,
        medium: Medium::Ip,
        loopback: true,
        up: true,
        offload: Offload::default(),
    }
}

pub(super) fn eth(index: IfIndex, cidr: &str, mtu: usize) -> Interface {
    Interface {
        index,
        name: format!("tap{index}"),
        addrs: vec![cidr.parse().unwrap()],
        mtu,
        medium: Medium::Ethernet,
        loopback: false,
        up: true,
        offload: Offload::default(),
    }
}

pub(super) fn via(dst: &str, gateway: &str, iface: IfIndex) -> RouteEntry {
    RouteEntry {
        dst: dst.parse().unwrap(),
        gateway: Some(addr(gateway)),
        iface,
        metric: 0,
        source: None,
        origin: RouteOrigin::Static,
    }
}

/// 10.0.0.1/24 with a default gateway 10.0.0.254, beside the loopback interface.
pub(super) fn configured(ip: &mut dyn Internet) {
    ip.configure(T0, Change::SetInterface(lo())).unwrap();
    ip.configure(T0, Change::SetInterface(eth(NEAR, "10.0.0.1/24", 1500))).unwrap();
    ip.configure(T0, Change::AddRoute(via("0.0.0.0/0", "10.0.0.254", NEAR))).unwrap();
}

/// As [`configured`], with a second network 10.0.1.1/24 behind a link with an MTU of 600, and
/// forwarding on.
pub(super) fn router() -> Router {
    router_with(Config::default())
}

pub(super) fn router_with(config: Config) -> Router {
    let mut ip = Router::new(Config { forwarding: true, ..config }, 7);
    configured(&mut ip);
    ip.configure(T0, Change::SetInterface(eth(FAR, "10.0.1.1/24", 600))).unwrap();
    ip
}

/// A datagram to be forged.
#[derive(Clone)]
pub(super) struct Forge {
    pub(super) src: Ipv4Addr,
    pub(super) dst: Ipv4Addr,
    pub(super) protocol: u8,
    pub(super) ttl: u8,
    pub(super) tos: u8,
    pub(super) id: u16,
    pub(super) df: bool,
    pub(super) mf: bool,
    /// In bytes.
    pub(super) offset: usize,
    pub(super) options: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

impl Default for Forge {
    fn default() -> Forge {
        Forge {
            src: v4("10.0.0.2"),
            dst: v4("10.0.0.1"),
            protocol: 17,
            ttl: 64,
            tos: 0,
            id: 0x1234,
            df: false,
            mf: false,
            offset: 0,
            options: Vec::new(),
            payload: b"payload!".to_vec(),
        }
    }
}

impl Forge {
    pub(super) fn to(dst: &str) -> Forge {
        Forge { dst: v4(dst), ..Forge::default() }
    }

    pub(super) fn between(src: &str, dst: &str) -> Forge {
        Forge { src: v4(src), dst: v4(dst), ..Forge::default() }
    }

    /// One fragment of `whole`.
    pub(super) fn fragment(whole: &[u8], from: usize, to: usize) -> Forge {
        Forge {
            mf: to < whole.len(),
            offset: from,
            payload: whole[from..to].to_vec(),
            ..Forge::default()
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let header = 20 + self.options.len();
        let mut bytes = vec![0; header + self.payload.len()];
        let mut ip = MutableIpv4Packet::new(&mut bytes).unwrap();
        ip.set_version(4);
        ip.set_header_length((header / 4) as u8);
        ip.set_dscp(self.tos >> 2);
        ip.set_ecn(self.tos & 3);
        ip.set_total_length((header + self.payload.len()) as u16);
        ip.set_identification(self.id);
        ip.set_flags(u8::from(self.df) << 1 | u8::from(self.mf));
        ip.set_fragment_offset((self.offset / 8) as u16);
        ip.set_ttl(self.ttl);
        ip.set_next_level_protocol(IpNextHeaderProtocol(self.protocol));
        ip.set_source(self.src);
        ip.set_destination(self.dst);
        bytes[20..header].copy_from_slice(&self.options);
        bytes[header..].copy_from_slice(&self.payload);
        fix_checksum(&mut bytes);
        bytes
    }

    pub(super) fn packet(&self) -> Packet {
        Packet::from_payload(&self.bytes())
    }
}

pub(super) fn fix_checksum(bytes: &mut [u8]) {
    let check = checksum(&Ipv4Packet::new(bytes).unwrap());
    bytes[10..12].copy_from_slice(&check.to_be_bytes());
}

/// The header of a packet that was sent, read by pnet_packet; its length and checksum must be
/// right.
pub(super) struct Seen {
    pub(super) src: Ipv4Addr,
    pub(super) dst: Ipv4Addr,
    pub(super) protocol: u8,
    pub(super) ttl: u8,
    pub(super) tos: u8,
    pub(super) id: u16,
    pub(super) df: bool,
    pub(super) mf: bool,
    pub(super) offset: usize,
    pub(super) options: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

pub(super) fn see(packet: &[u8]) -> Seen {
    let ip = Ipv4Packet::new(packet).unwrap();
    assert_eq!(ip.get_version(), 4);
    assert_eq!(usize::from(ip.get_total_length()), packet.len());
    assert_eq!(ip.get_checksum(), checksum(&ip), "the header's checksum");
    let header = usize::from(ip.get_header_length()) * 4;
    Seen {
        src: ip.get_source(),
        dst: ip.get_destination(),
        protocol: ip.get_next_level_protocol().0,
        ttl: ip.get_ttl(),
        tos: ip.get_dscp() << 2 | ip.get_ecn(),
        id: ip.get_identification(),
        df: ip.get_flags() & 2 != 0,
        mf: ip.get_flags() & 1 != 0,
        offset: usize::from(ip.get_fragment_offset()) * 8,
        options: packet[20..header].to_vec(),
        payload: ip.payload().to_vec(),
    }
}

/// A unicast frame arrives.
pub(super) fn arrive(ip: &mut dyn Internet, iface: IfIndex, packet: Packet) -> (Input, Below) {
    arrive_at(ip, T0, iface, packet)
}

pub(super) fn arrive_at(
    ip: &mut dyn Internet,
    now: Instant,
    iface: IfIndex,
    packet: Packet,
) -> (Input, Below) {
    let mut below = Below::default();
    let input = ip.input(now, iface, Cast::Unicast, packet, &mut below);
    (input, below)
}

/// A counter by its name.
pub(super) fn count(ip: &dyn Internet, name: &str) -> u64 {
    let rows = ip.counters();
    rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no counter `{name}`")).count
}

pub(super) fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}
