//! The `input` of the layers under TCP, both implementations of each side by side with what lies
//! around them played by lists.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use arp::{Event, Link, Resolver};
use icmp::ControlMessages;
use ip::{
    Cause, Cidr, Datagram, Handle, Header, Hop, IfIndex, Interface, Internet, NextHop, Offload,
    Output, Protocol, Quoted, Report, Route, RouteEntry, RouteOrigin, SendError,
};
use netdev::{
    Cast, Checksum, Counter, EtherType, Instant, MacAddr, Medium, Packet, Reason as _,
    Segmentation, checksum::Sum,
};
use tcp::testing::pattern;
use udp::Datagrams;

mod address_resolution;
mod control_messages;
mod datagrams;
mod internet;

pub use address_resolution::arp_input;
pub use control_messages::icmp_input;
pub use datagrams::udp_input;
pub use internet::ip_input;

use super::choices::Choices;
use super::forge;

const ME: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const MY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fn total(counters: Vec<Counter>) -> u64 {
    counters.iter().map(|counter| counter.count).sum()
}

fn count(counters: &[Counter], name: &str) -> u64 {
    let found = counters.iter().find(|counter| counter.name == name);
    found.unwrap_or_else(|| panic!("no counter {name}")).count
}

/// What lies below a transport or ICMP: a route to anywhere, and a count of what was sent.
#[derive(Default)]
struct Below {
    unreachable: bool,
    sent: Vec<(Header, Packet)>,
}

impl Output for Below {
    fn route(&self, _: Instant, dst: IpAddr, _: Option<IpAddr>) -> Result<Route, Cause> {
        if self.unreachable {
            return Err(Cause::NetworkUnreachable);
        }
        let hop = match dst {
            IpAddr::V4(dst) if dst.is_broadcast() || dst.octets()[3] == 255 => Hop::Broadcast,
            dst if dst.is_multicast() => Hop::Group(dst),
            dst => Hop::Neighbour(dst),
        };
        let (source, iface, offload) = (ME.into(), IfIndex(1), Offload::default());
        Ok(Route { source, iface, hop, mtu: 1500, local: dst == IpAddr::from(ME), offload })
    }

    fn send(&mut self, _: Instant, header: &Header, packet: Packet) -> Result<(), SendError> {
        if self.unreachable {
            return Err(SendError { cause: Cause::NetworkUnreachable, packet });
        }
        self.sent.push((header.clone(), packet));
        Ok(())
    }

    fn is_local(&self, addr: IpAddr) -> bool {
        addr == IpAddr::from(ME)
    }
}

/// A received datagram as IP delivers it, its header in front.
fn delivered(choices: &mut Choices<'_>, protocol: Protocol, bytes: &[u8]) -> Datagram {
    let src = choices.of(&[PEER, PEER, PEER, ME, Ipv4Addr::BROADCAST, Ipv4Addr::UNSPECIFIED]);
    let (cast, dst) = choices.of(&[
        (Cast::Unicast, ME),
        (Cast::Unicast, ME),
        (Cast::Unicast, ME),
        (Cast::Broadcast, Ipv4Addr::BROADCAST),
        (Cast::Multicast, Ipv4Addr::new(224, 0, 0, 5)),
    ]);
    let mut ip = crate::probe::Ipv4::new("0.0.0.0", "0.0.0.0", protocol);
    (ip.src, ip.dst) = (src, dst);
    let mut payload = Packet::from_payload(&ip.bytes(bytes));
    payload.strip(20);
    match choices.byte() % 16 {
        0 => payload.set_checksum(Checksum::Verified),
        1 => payload.set_checksum(Checksum::Partial { start: 0, offset: 6 }),
        2 => payload.set_segmentation(Segmentation::Udp4 { size: 100 }),
        3 => payload.set_segmentation(Segmentation::Tcp4 { size: 100 }),
        _ => {}
    }
    let header = Header::new(src.into(), dst.into(), protocol);
    Datagram { header, iface: IfIndex(1), cast, header_len: 20, payload }
}

/// A datagram with a right checksum and hardly anything else.
fn odd_datagram(choices: &mut Choices<'_>) -> Vec<u8> {
    let addrs = [PEER, ME, Ipv4Addr::new(10, 0, 1, 7), Ipv4Addr::new(224, 0, 0, 5)];
    let more = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::BROADCAST, Ipv4Addr::new(10, 0, 0, 255)];
    let all = [&addrs[..], &more[..], &[Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED]].concat();
    let src = if choices.flag() { PEER } else { choices.of(&all) };
    let dst = if choices.flag() { ME } else { choices.of(&all) };
    let protocol = Protocol(choices.of(&[17, 6, 1, 200]));
    let payload = match choices.flag() {
        true => vec![5; choices.len(3000)],
        false => choices.bytes(64),
    };
    let mut bytes = match choices.flag() {
        true => forge::datagram(choices, src, dst, protocol, &payload),
        false => fragment(choices, src, protocol, payload.len()),
    };
    if choices.one_in(8) {
        let place = choices.below(20);
        bytes[place] = choices.byte();
        // Where one of the fields changes that say what a fragment carries, it is none of those.
        if place == 0 || (4..8).contains(&place) {
            bytes[4] = 0;
        }
        if choices.flag() {
            forge::fill_ip_checksum(&mut bytes);
        }
    }
    bytes
}

/// The numbers of the datagrams that [`fragment`] makes; no other input has them.
const IDENTS: std::ops::Range<u16> = 0xf0f0..0xf0f3;

/// A fragment of one of a few datagrams, so that they meet. What it carries is [`pattern`] from
/// its place on, so that the whole can be known from any way of putting it together.
fn fragment(choices: &mut Choices<'_>, src: Ipv4Addr, protocol: Protocol, len: usize) -> Vec<u8> {
    let mut ip = crate::probe::Ipv4::new("0.0.0.0", "10.0.0.1", protocol);
    ip.src = src;
    ip.ident = IDENTS.start + u16::from(choices.byte() % 3);
    let offset = match choices.byte() {
        small @ 0..=199 => u16::from(small % 32),
        _ => choices.word() & 0x1fff,
    };
    ip.fragment = offset | if choices.flag() { 0x2000 } else { 0 };
    let len = if choices.flag() { len & !7 } else { len };
    ip.bytes(&pattern(usize::from(offset) * 8, len))
}
