//! One line of text for a packet, in the manner of tcpdump.

mod icmp;
mod tcp;

use std::net::Ipv4Addr;

use etherparse::{ArpPacketSlice, IpNumber, Ipv4HeaderSlice, UdpHeaderSlice};

use crate::checksum::Sum;
use crate::ethernet::{HEADER_LEN, Header};
use crate::{EtherType, MacAddr, Medium};

/// What a packet says, in one line; for any bytes at all.
///
/// ```
/// use netdev::{Medium, describe};
/// let header = [0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0x66, 0xde, 10, 0, 0, 1, 10, 0, 0, 2];
/// let echo = [8, 0, 0xf7, 0xfa, 0, 4, 0, 1];
/// assert_eq!(
///     describe(Medium::Ip, &[&header[..], &echo].concat()),
///     "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 4, seq 1, length 8"
/// );
/// ```
pub fn describe(medium: Medium, packet: &[u8]) -> String {
    match medium {
        Medium::Ethernet => ethernet(packet),
        Medium::Ip => datagram(packet),
    }
}

fn ethernet(frame: &[u8]) -> String {
    let Some(Header { dst, src, ethertype }) = Header::parse(frame) else {
        return format!("Ethernet, cut short: {} bytes", frame.len());
    };
    let content = &frame[HEADER_LEN..];
    let name = match ethertype {
        EtherType::IPV4 => return datagram(content),
        EtherType::ARP => return arp(content),
        EtherType::RARP => "RARP".to_string(),
        EtherType::IPV6 => "IPv6".to_string(),
        EtherType::VLAN | EtherType::QINQ => "VLAN tag".to_string(),
        EtherType(length) if length < 0x0600 => "802.3".to_string(),
        other => format!("type {other:?}"),
    };
    format!("{src} > {dst}: {name}, length {}", content.len())
}

/// RFC 826, and the uses of it in RFC 5227.
fn arp(bytes: &[u8]) -> String {
    let Ok(packet) = ArpPacketSlice::from_slice(bytes) else {
        return format!("ARP, cut short: {} bytes", bytes.len());
    };
    let mac = |bytes: &[u8]| bytes.try_into().map(MacAddr).ok();
    let ip = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).map(Ipv4Addr::from).ok();
    let (Some(sha), Some(spa), Some(tha), Some(tpa)) = (
        mac(packet.sender_hw_addr()),
        ip(packet.sender_protocol_addr()),
        mac(packet.target_hw_addr()),
        ip(packet.target_protocol_addr()),
    ) else {
        return format!("ARP for other addresses than Ethernet and IPv4, length {}", bytes.len());
    };
    match packet.operation().0 {
        1 if spa.is_unspecified() => format!("ARP, probe who-has {tpa}, from {sha}"),
        1 | 2 if spa == tpa => format!("ARP, announcement {spa} is-at {sha}"),
        // The address asked for is known already when a cache only makes sure of it.
        1 if tha != MacAddr::ZERO => format!("ARP, request who-has {tpa} ({tha}) tell {spa}"),
        1 => format!("ARP, request who-has {tpa} tell {spa}"),
        2 => format!("ARP, reply {spa} is-at {sha}"),
        other => format!("ARP, operation {other}, {spa} ({sha}) to {tpa}"),
    }
}

fn datagram(bytes: &[u8]) -> String {
    match bytes.first() {
        Some(first) if first >> 4 == 4 => {}
        Some(first) if first >> 4 == 6 => return format!("IPv6, length {}", bytes.len()),
        Some(first) => return format!("IP of version {}, length {}", first >> 4, bytes.len()),
        None => return "IP, cut short: 0 bytes".to_string(),
    }
    let Ok(header) = Ipv4HeaderSlice::from_slice(bytes) else {
        return if bytes.len() < 20 {
            format!("IP, cut short: {} bytes", bytes.len())
        } else {
            format!("IP, malformed header, length {}", bytes.len())
        };
    };
    let mut text = format!("IP {}", flow(&header, bytes));
    if !Sum::default().bytes(header.slice()).is_valid() {
        text += ", bad header checksum";
    }
    if usize::from(header.total_len()) > bytes.len() {
        text += &format!(", {} bytes missing", usize::from(header.total_len()) - bytes.len());
    }
    text
}

/// A datagram without the word `IP`: it may be one that an ICMP error quotes, of which the end is
/// missing by right.
fn flow(header: &Ipv4HeaderSlice<'_>, bytes: &[u8]) -> String {
    let (src, dst) = (header.source_addr(), header.destination_addr());
    let end = usize::from(header.total_len()).clamp(header.slice().len(), bytes.len());
    let content = &bytes[header.slice().len()..end];
    let said = usize::from(header.total_len()).saturating_sub(header.slice().len());

    let offset = usize::from(header.fragments_offset().value()) * 8;
    let protocol = header.protocol();
    if offset != 0 {
        let more = if header.more_fragments() { ", more follow" } else { "" };
        return format!(
            "{src} > {dst}: {}, fragment at {offset} of id {}, length {said}{more}",
            protocol_name(protocol),
            header.identification(),
        );
    }
    let mut text = match protocol {
        IpNumber::TCP => tcp::describe(src, dst, content, said),
        IpNumber::UDP => udp(src, dst, content),
        IpNumber::ICMP => format!("{src} > {dst}: {}", icmp::describe(content)),
        other => format!("{src} > {dst}: {}, length {said}", protocol_name(other)),
    };
    if header.more_fragments() {
        text += &format!(", first fragment of id {}, more follow", header.identification());
    }
    text
}

fn udp(src: Ipv4Addr, dst: Ipv4Addr, bytes: &[u8]) -> String {
    match UdpHeaderSlice::from_slice(bytes) {
        Ok(header) => format!(
            "{src}.{} > {dst}.{}: UDP, length {}",
            header.source_port(),
            header.destination_port(),
            header.length().saturating_sub(8)
        ),
        Err(_) => format!("{src} > {dst}: UDP, cut short: {} bytes", bytes.len()),
    }
}

fn protocol_name(protocol: IpNumber) -> String {
    match protocol {
        IpNumber::ICMP => "ICMP".to_string(),
        IpNumber::IGMP => "IGMP".to_string(),
        IpNumber::TCP => "TCP".to_string(),
        IpNumber::UDP => "UDP".to_string(),
        IpNumber(other) => format!("protocol {other}"),
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests;
