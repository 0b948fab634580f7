//! Packets between a script's numbers and the wire's.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ip::{Datagram, Ecn, Header, IfIndex, Protocol, Quoted, Tos, Ttl};
use netdev::checksum::Sum;
use netdev::{Cast, Packet as Buffer};
use tcp::Flags;

use super::network::Sent;
use super::script::{IcmpError, Packet, Segment, TcpOption, TosField};

/// The connection that a script is about, and how its numbers are translated.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Our initial sequence number: in the script, and on the wire once it was seen.
    pub script_isn: u32,
    pub wire_isn: Option<u32>,
    /// The number of the SYN that was injected last, and whether it was another than before, so
    /// that our next SYN begins anew.
    pub peer_syn: Option<u32>,
    pub renewed: bool,
    /// Where timestamps are counted from: in the script, and on the wire.
    pub first_timestamp: Option<(u32, u32)>,
    /// The wire's timestamp for each one that the script has had.
    pub timestamps: BTreeMap<u32, u32>,
}

impl Flow {
    pub(super) fn new(local: SocketAddr, remote: SocketAddr) -> Flow {
        Flow {
            local,
            remote,
            script_isn: 0,
            wire_isn: None,
            peer_syn: None,
            renewed: false,
            first_timestamp: None,
            timestamps: BTreeMap::new(),
        }
    }

    /// What is added to our sequence numbers of the script to make them the wire's. The peer's are
    /// the same in both.
    fn offset(&self) -> u32 {
        self.wire_isn.map_or(0, |isn| isn.wrapping_sub(self.script_isn))
    }

    /// The wire's timestamp for an echo in the script: exactly where it was seen, else counted
    /// from the first.
    fn wire_echo(&self, echo: u32) -> u32 {
        match (self.timestamps.get(&echo), self.first_timestamp) {
            (Some(wire), _) => *wire,
            (None, Some((script, wire))) if echo != 0 => {
                wire.wrapping_add(echo.wrapping_sub(script))
            }
            _ => echo,
        }
    }

    /// The script's timestamp for one on the wire, counted from the first.
    pub(super) fn script_timestamp(&self, wire: u32) -> u32 {
        match self.first_timestamp {
            Some((script, first)) => script.wrapping_add(wire.wrapping_sub(first)),
            None => wire,
        }
    }

    /// The datagram that a script injects.
    pub(super) fn datagram(&self, packet: &Packet, segment: &Segment) -> Datagram {
        let (mut src, mut dst) = (self.remote, self.local);
        if let Some((src_port, dst_port)) = packet.ports {
            src.set_port(src_port);
            dst.set_port(dst_port);
        }
        let bytes = self.emit(src, dst, segment);
        let mut header = Header::new(src.ip(), dst.ip(), Protocol::TCP);
        header.ttl = Ttl(packet.ip.ttl.unwrap_or(255));
        header.tos = match packet.ip.tos {
            None | Some(TosField::AnyEct) => Tos::default(),
            Some(TosField::Ecn(ecn)) => Tos::default().with_ecn(ecn),
            Some(TosField::Byte(byte)) => Tos(byte),
        };
        Datagram {
            header,
            iface: IfIndex(1),
            cast: Cast::Unicast,
            header_len: 0,
            payload: Buffer::from_payload(&bytes),
        }
    }

    fn emit(&self, src: SocketAddr, dst: SocketAddr, segment: &Segment) -> Vec<u8> {
        let mut options = Vec::new();
        for option in segment.options.as_deref().unwrap_or_default() {
            self.emit_option(option, segment.flags.contains(Flags::ACK), &mut options);
        }
        options.resize(options.len().next_multiple_of(4), 0);
        let ack = match segment.flags.contains(Flags::ACK) {
            true => segment.ack.wrapping_add(self.offset()),
            false => segment.ack,
        };
        let mut bytes = Vec::with_capacity(20 + options.len() + segment.len);
        bytes.extend(src.port().to_be_bytes());
        bytes.extend(dst.port().to_be_bytes());
        bytes.extend(segment.seq.to_be_bytes());
        bytes.extend(ack.to_be_bytes());
        bytes.extend([((20 + options.len()) / 4) as u8 * 16, segment.flags.bits()]);
        bytes.extend(segment.window.unwrap_or(0).to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(segment.urgent.to_be_bytes());
        bytes.extend(options);
        bytes.resize(bytes.len() + segment.len, 0);
        let sum = Sum::pseudo_header(src.ip(), dst.ip(), 6, bytes.len()).bytes(&bytes).finish();
        bytes[16..18].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    fn emit_option(&self, option: &TcpOption, has_ack: bool, out: &mut Vec<u8>) {
        match option {
            TcpOption::Nop => out.push(1),
            TcpOption::End => out.push(0),
            TcpOption::Mss(mss) => {
                out.extend([2, 4]);
                out.extend(mss.to_be_bytes());
            }
            TcpOption::WindowScale(shift) => out.extend([3, 3, *shift]),
            TcpOption::SackPermitted => out.extend([4, 2]),
            TcpOption::Sack(blocks) => {
                out.extend([5, 2 + 8 * blocks.len() as u8]);
                for edge in blocks.iter().flat_map(|(left, right)| [left, right]) {
                    out.extend(edge.wrapping_add(self.offset()).to_be_bytes());
                }
            }
            TcpOption::Timestamps { value, echo } => {
                let echo = if has_ack { self.wire_echo(*echo) } else { *echo };
                out.extend([8, 10]);
                out.extend(value.to_be_bytes());
                out.extend(echo.to_be_bytes());
            }
            TcpOption::Other(kind, body) => {
                out.extend([*kind, 2 + body.len() as u8]);
                out.extend(body);
            }
        }
    }

    /// What an injected ICMP error quotes.
    pub(super) fn quoted(&self, error: &IcmpError) -> Quoted {
        let (seq, len) = error.quoted;
        let mut payload = Vec::with_capacity(20);
        payload.extend(self.local.port().to_be_bytes());
        payload.extend(self.remote.port().to_be_bytes());
        payload.extend(seq.wrapping_add(self.offset()).to_be_bytes());
        payload.extend([0; 4]);
        payload.extend([5 << 4, Flags::ACK.bits(), 0, 0, 0, 0, 0, 0]);
        Quoted {
            src: self.local.ip(),
            dst: self.remote.ip(),
            protocol: Protocol::TCP,
            total_len: (40 + len) as u16,
            payload,
        }
    }

    /// A segment that came out, in the script's numbers but for the value of its timestamp.
    pub(super) fn seen(&self, sent: &Sent) -> Result<Segment, String> {
        let (segment, _) = read(sent)?;
        let has_ack = segment.flags.contains(Flags::ACK);
        Ok(Segment {
            seq: segment.seq.wrapping_sub(self.offset()),
            ack: if has_ack { segment.ack } else { 0 },
            ..segment
        })
    }
}

/// The ends of a packet that came out: who sent it, and to whom.
pub(super) fn ends(sent: &Sent) -> Option<(SocketAddr, SocketAddr)> {
    let [a, b, c, d, ..] = sent.packet[..] else { return None };
    Some((
        SocketAddr::new(sent.header.src, u16::from_be_bytes([a, b])),
        SocketAddr::new(sent.header.dst, u16::from_be_bytes([c, d])),
    ))
}

/// A segment as it stands on the wire, and its data.
pub(super) fn read(sent: &Sent) -> Result<(Segment, &[u8]), String> {
    let bytes = &sent.packet[..];
    let header_len = bytes.get(12).map_or(0, |byte| usize::from(byte >> 4) * 4);
    if header_len < 20 || bytes.len() < header_len {
        return Err(format!("a header that is not whole: {bytes:02x?}"));
    }
    let (src, dst) = (sent.header.src, sent.header.dst);
    if !Sum::pseudo_header(src, dst, 6, bytes.len()).bytes(bytes).is_valid() {
        return Err("a wrong checksum".to_string());
    }
    let payload = &bytes[header_len..];
    let segment = Segment {
        flags: Flags::from_bits_retain(bytes[13]),
        seq: word(&bytes[4..8]),
        len: payload.len(),
        ack: word(&bytes[8..12]),
        window: Some(word(&bytes[14..16]) as u16),
        urgent: word(&bytes[18..20]) as u16,
        options: Some(read_options(&bytes[20..header_len])?),
    };
    Ok((segment, payload))
}

fn read_options(mut raw: &[u8]) -> Result<Vec<TcpOption>, String> {
    let mut options = Vec::new();
    while let [kind, rest @ ..] = raw {
        if *kind < 2 {
            options.push(if *kind == 0 { TcpOption::End } else { TcpOption::Nop });
            raw = rest;
            continue;
        }
        let len = rest.first().map_or(0, |len| usize::from(*len));
        let body = raw.get(2..len).ok_or_else(|| format!("options that do not end: {raw:02x?}"))?;
        options.push(match (kind, body) {
            (2, [a, b]) => TcpOption::Mss(u16::from_be_bytes([*a, *b])),
            (3, [shift]) => TcpOption::WindowScale(*shift),
            (4, []) => TcpOption::SackPermitted,
            (5, blocks) if blocks.len() % 8 == 0 => TcpOption::Sack(
                blocks.chunks(8).map(|block| (word(&block[..4]), word(&block[4..]))).collect(),
            ),
            (8, body) if body.len() == 8 => {
                TcpOption::Timestamps { value: word(&body[..4]), echo: word(&body[4..]) }
            }
            (kind, body) => TcpOption::Other(*kind, body.to_vec()),
        });
        raw = &raw[len..];
    }
    Ok(options)
}

/// At most four bytes, big end first.
fn word(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// Whether an IP header's second byte is as expected.
pub(super) fn tos_matches(expected: TosField, seen: u8) -> bool {
    match expected {
        TosField::Ecn(ecn) => Tos(seen).ecn() == ecn,
        TosField::AnyEct => matches!(Tos(seen).ecn(), Ecn::Ect0 | Ecn::Ect1),
        TosField::Byte(byte) => byte == seen,
    }
}
