//! The far end of a wire, held by a test: it sends what no stack would, and sees every byte.

use std::net::{IpAddr, Ipv4Addr};

use ip::Protocol;
use netdev::{Device as _, Instant, MacAddr, Packet, WireEnd, checksum::Sum};
use socket::Stack;

use crate::virtual_net::{attach, mac};

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
const IPV4: [u8; 2] = [8, 0];

/// One end of a wire, and the link address that it pretends to have.
#[derive(Debug)]
pub struct Probe {
    end: WireEnd,
    mac: MacAddr,
    /// The stack at the other end.
    peer: MacAddr,
}

/// A frame as the probe saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// To whom.
    pub dst: MacAddr,
    /// EtherType.
    pub ethertype: u16,
    /// All behind the Ethernet header.
    pub payload: Vec<u8>,
}

impl Probe {
    /// Gives `stack` an interface 10.0.`net`.1/24 on a wire without latency, at whose other end
    /// the probe is 10.0.`net`.2, which the stack need not ask for.
    pub fn attach(stack: &mut Stack, net: u8, gateway: bool) -> Probe {
        let (end, device) = netdev::Wire::pair(std::time::Duration::ZERO);
        let own = Ipv4Addr::new(10, 0, net, 2);
        let gateway = gateway.then(|| own.to_string());
        let cidr = format!("10.0.{net}.1/24");
        let index = attach(stack, device, net * 2 + 1, &cidr, gateway.as_deref());
        let probe = Probe { end, mac: mac(net * 2 + 2), peer: mac(net * 2 + 1) };
        let change = arp::Change::AddStatic(own.into(), probe.mac);
        stack.configure_arp(Instant::ZERO, index, change).expect("a static neighbour");
        probe
    }

    /// Sends a frame.
    pub fn frame(&mut self, now: Instant, dst: MacAddr, ethertype: [u8; 2], payload: &[u8]) {
        let frame = [&dst.0[..], &self.mac.0, &ethertype, payload].concat();
        self.end.transmit(now, Packet::from_payload(&frame)).expect("room on the wire");
    }

    /// Sends a datagram to the stack.
    pub fn send(&mut self, now: Instant, datagram: &[u8]) {
        self.frame(now, self.peer, IPV4, datagram);
    }

    /// Every frame that came by now.
    pub fn frames(&mut self, now: Instant) -> Vec<Seen> {
        let next = || self.end.receive(now);
        std::iter::from_fn(next)
            .map(|packet| Seen {
                dst: MacAddr(packet[..6].try_into().expect("six bytes")),
                ethertype: u16::from_be_bytes([packet[12], packet[13]]),
                payload: packet[ETHERNET..].to_vec(),
            })
            .collect()
    }

    /// Every datagram that came by now, without the padding of its frame.
    pub fn datagrams(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let frames = self.frames(now).into_iter();
        frames
            .filter(|frame| frame.ethertype == 0x0800)
            .map(|mut frame| {
                let len = u16::from_be_bytes([frame.payload[2], frame.payload[3]]);
                frame.payload.truncate(len.into());
                frame.payload
            })
            .collect()
    }
}

/// An IPv4 header that a test makes, with whatever in it.
#[derive(Clone, Debug)]
pub struct Ipv4 {
    /// Who seems to send.
    pub src: Ipv4Addr,
    /// Who is to receive.
    pub dst: Ipv4Addr,
    /// What is in it.
    pub protocol: Protocol,
    /// Hops left.
    pub ttl: u8,
    /// Identification.
    pub ident: u16,
    /// Flags and offset, as they stand in the header.
    pub fragment: u16,
    /// Options; a multiple of four bytes.
    pub options: Vec<u8>,
}

/// Ipv4::fragment: this must not be fragmented.
pub const DF: u16 = 0x4000;
/// Ipv4::fragment: more fragments follow.
pub const MF: u16 = 0x2000;

impl Ipv4 {
    /// A header without anything special.
    pub fn new(src: &str, dst: &str, protocol: Protocol) -> Ipv4 {
        let [src, dst] = [src, dst].map(|text| text.parse().expect("an address"));
        Ipv4 { src, dst, protocol, ttl: 64, ident: 0x1234, fragment: 0, options: Vec::new() }
    }

    /// The datagram, with the right length and checksum.
    pub fn bytes(&self, payload: &[u8]) -> Vec<u8> {
        let header_len = 20 + self.options.len();
        let len = u16::try_from(header_len + payload.len()).expect("64 KiB at most");
        let mut bytes = vec![0x40 | (header_len / 4) as u8, 0];
        bytes.extend(len.to_be_bytes());
        bytes.extend(self.ident.to_be_bytes());
        bytes.extend(self.fragment.to_be_bytes());
        bytes.extend([self.ttl, self.protocol.0, 0, 0]);
        bytes.extend(self.src.octets());
        bytes.extend(self.dst.octets());
        bytes.extend(&self.options);
        let check = Sum::default().bytes(&bytes).finish();
        bytes[10..12].copy_from_slice(&check.to_be_bytes());
        bytes.extend(payload);
        bytes
    }
}

/// A UDP header and data, without a checksum (RFC 768 allows it over IPv4).
pub fn udp(source: u16, destination: u16, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + data.len()).expect("64 KiB at most");
    let mut bytes = Vec::new();
    for word in [source, destination, len, 0] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend(data);
    bytes
}

/// A bare TCP header from `ip.src` to `ip.dst`, with its checksum.
pub fn tcp(ip: &Ipv4, ports: (u16, u16), seq: u32, ack: u32, flags: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(ports.0.to_be_bytes());
    bytes.extend(ports.1.to_be_bytes());
    bytes.extend(seq.to_be_bytes());
    bytes.extend(ack.to_be_bytes());
    bytes.extend([5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    let sum = Sum::pseudo_header(ip.src.into(), ip.dst.into(), Protocol::TCP.0, bytes.len());
    let check = sum.bytes(&bytes).finish();
    bytes[16..18].copy_from_slice(&check.to_be_bytes());
    bytes
}

/// Source, destination, TTL, and payload of a datagram whose header checksum is right.
pub fn parse(datagram: &[u8]) -> (IpAddr, IpAddr, u8, &[u8]) {
    let header_len = usize::from(datagram[0] & 0xf) * 4;
    let sum = Sum::default().bytes(&datagram[..header_len]);
    assert!(sum.is_valid(), "a bad header checksum: {datagram:02x?}");
    let at = |i: usize| IpAddr::from(<[u8; 4]>::try_from(&datagram[i..i + 4]).expect("four bytes"));
    (at(12), at(16), datagram[8], &datagram[header_len..])
}
