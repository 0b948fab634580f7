//! Packets that no stack would send, with checksums that are right.

use std::net::Ipv4Addr;

use ip::Protocol;
use netdev::checksum::Sum;

use super::choices::Choices;
use crate::probe::Ipv4;

/// A TCP segment to be made.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    pub(super) ports: (u16, u16),
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    pub(super) urgent: u16,
    pub(super) options: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

/// SYN, as it stands in the header.
pub(super) const SYN: u8 = 2;
/// ACK.
pub(super) const ACK: u8 = 16;

impl Segment {
    /// The segment with its checksum, for a datagram between these addresses.
    pub(super) fn bytes(&self, src: Ipv4Addr, dst: Ipv4Addr) -> Vec<u8> {
        let mut options = self.options.clone();
        options.truncate(40);
        options.resize(options.len().next_multiple_of(4), 0);
        let mut bytes = Vec::new();
        bytes.extend(self.ports.0.to_be_bytes());
        bytes.extend(self.ports.1.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ack.to_be_bytes());
        bytes.extend([(((20 + options.len()) / 4) << 4) as u8, self.flags]);
        bytes.extend(self.window.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(self.urgent.to_be_bytes());
        bytes.extend(options);
        bytes.extend(&self.payload);
        fill_tcp_checksum(&mut bytes, src, dst);
        bytes
    }
}

/// Makes the checksum of a segment right, where it is long enough to have one.
pub(super) fn fill_tcp_checksum(bytes: &mut [u8], src: Ipv4Addr, dst: Ipv4Addr) {
    if bytes.len() < 18 {
        return;
    }
    bytes[16..18].fill(0);
    let sum = Sum::pseudo_header(src.into(), dst.into(), Protocol::TCP.0, bytes.len());
    let check = sum.bytes(bytes).finish();
    bytes[16..18].copy_from_slice(&check.to_be_bytes());
}

/// The options of a segment: those that TCP knows with odd values, and bytes of any kind.
/// `base` is a number in the peer's stream, for SACK blocks; `value` a timestamp that it sent.
pub(super) fn tcp_options(choices: &mut Choices<'_>, base: u32, value: u32) -> Vec<u8> {
    let mut options = Vec::new();
    for _ in 0..choices.below(4) {
        match choices.byte() % 7 {
            0 => {
                options.extend([2, 4]);
                options.extend(choices.word().to_be_bytes());
            }
            1 => options.extend([3, 3, choices.byte()]),
            2 => options.extend([4, 2]),
            3 => {
                options.extend([8, 10]);
                options.extend(choices.near(value).to_be_bytes());
                options.extend(choices.near(value).to_be_bytes());
            }
            4 => {
                let count = choices.below(4);
                options.extend([5, (2 + 8 * count) as u8]);
                for _ in 0..count {
                    options.extend(choices.near(base).to_be_bytes());
                    options.extend(choices.near(base).to_be_bytes());
                }
            }
            5 => options.push(1),
            _ => options.extend(choices.bytes(12)),
        }
    }
    options
}

/// Makes the checksum of an ICMP message right.
pub(super) fn fill_icmp_checksum(bytes: &mut [u8]) {
    if bytes.len() < 4 {
        return;
    }
    bytes[2..4].fill(0);
    let check = Sum::default().bytes(bytes).finish();
    bytes[2..4].copy_from_slice(&check.to_be_bytes());
}

/// Makes the checksum of an IPv4 header right, where there is a whole header.
pub(super) fn fill_ip_checksum(bytes: &mut [u8]) {
    let Some(first) = bytes.first() else { return };
    let len = usize::from(first & 15) * 4;
    if len < 20 || bytes.len() < len {
        return;
    }
    bytes[10..12].fill(0);
    let check = Sum::default().bytes(&bytes[..len]).finish();
    bytes[10..12].copy_from_slice(&check.to_be_bytes());
}

/// An ICMP message with an odd second word that quotes `quoted`, or something like it.
pub(super) fn icmp_error(choices: &mut Choices<'_>, quoted: &[u8]) -> Vec<u8> {
    let kind = choices.of(&[3, 3, 3, 4, 5, 11, 12]);
    let mut message = vec![kind, choices.byte() % 20, 0, 0];
    message.extend([0, choices.byte()]);
    message.extend(choices.word().to_be_bytes());
    if kind == 5 {
        message[4..8].copy_from_slice(&[10, 0, 0, choices.byte()]);
    }
    message.extend(&quoted[..quoted.len().min(548)]);
    if choices.flag() {
        let place = 8 + choices.below(60);
        let byte = choices.byte();
        if let Some(place) = message.get_mut(place) {
            *place = byte;
        }
    }
    if choices.flag() {
        message.truncate(choices.below(100));
    }
    fill_icmp_checksum(&mut message);
    message
}

/// A datagram with odd fields between two addresses.
pub(super) fn datagram(
    choices: &mut Choices<'_>,
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: Protocol,
    payload: &[u8],
) -> Vec<u8> {
    let mut ip = Ipv4::new("0.0.0.0", "0.0.0.0", protocol);
    (ip.src, ip.dst) = (src, dst);
    if choices.one_in(4) {
        ip.ttl = choices.of(&[0, 1, 2, 64, 255]);
        ip.ident = choices.byte().into();
        ip.fragment = choices.of(&[0, 0x4000, 0x2000, 0x2001, 0x2010, 1, 2, 0x1fff, 0x3fff]);
        ip.options = ip_options(choices);
    }
    ip.bytes(payload)
}

/// The options of a datagram: those that have a name with odd contents, and bytes of any kind.
pub(super) fn ip_options(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut options = match choices.byte() % 8 {
        0..=3 => Vec::new(),
        // Loose and strict source route, record route (RFC 791 §3.1).
        kind @ 4..=6 => {
            let room = choices.below(10) * 4 + 3;
            let mut option = vec![[131, 137, 7][usize::from(kind) - 4], room as u8];
            option.push(choices.byte());
            option.extend(choices.bytes(room.saturating_sub(3)));
            option.resize(room, 10);
            option
        }
        _ => choices.bytes(40),
    };
    options.truncate(40);
    options.resize(options.len().next_multiple_of(4), 0);
    options
}
