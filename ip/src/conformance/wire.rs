//! Datagrams as bytes, made and read without the implementation's help, so that no case takes its
//! word for what a header looks like. Broken ones can be made too.

use std::fmt;
use std::net::Ipv4Addr;

use netdev::checksum::Sum;
use netdev::{Cast, Packet};

use super::host::NEAR;
use crate::IfIndex;

/// A datagram, or a fragment of one. Without further ado it goes from the neighbour 10.0.0.2 to
/// 10.0.0.1, with eight bytes of UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The fields of the header (RFC 791 §3.1).
pub struct Wire {
    pub src: Ipv4Addr,
    pub dst: Ipv4Addr,
    pub protocol: u8,
    pub ttl: u8,
    pub tos: u8,
    pub id: u16,
    /// The bit of the flags that RFC 791 reserves.
    pub reserved: bool,
    /// Don't fragment.
    pub df: bool,
    /// More fragments.
    pub mf: bool,
    /// In bytes.
    pub offset: usize,
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Default for Wire {
    fn default() -> Wire {
        Wire {
            src: Ipv4Addr::new(10, 0, 0, 2),
            dst: Ipv4Addr::new(10, 0, 0, 1),
            protocol: 17,
            ttl: 64,
            tos: 0,
            id: 0x1234,
            reserved: false,
            df: false,
            mf: false,
            offset: 0,
            options: Vec::new(),
            payload: b"payload!".to_vec(),
        }
    }
}

impl Wire {
    /// From the neighbour to `dst`.
    pub fn to(dst: &str) -> Wire {
        Wire { dst: v4(dst), ..Wire::default() }
    }

    /// From `src` to `dst`.
    pub fn between(src: &str, dst: &str) -> Wire {
        Wire { src: v4(src), ..Wire::to(dst) }
    }

    /// From the neighbour, with these options.
    pub fn with_options(options: &[u8]) -> Wire {
        Wire { options: options.to_vec(), ..Wire::default() }
    }

    /// The fragment with the bytes `from..to` of `whole`.
    pub fn fragment(whole: &[u8], from: usize, to: usize) -> Wire {
        Wire {
            mf: to < whole.len(),
            offset: from,
            payload: whole[from..to].to_vec(),
            ..Wire::default()
        }
    }

    /// Bytes of header.
    pub fn header_len(&self) -> usize {
        20 + self.options.len()
    }

    /// The bytes, length and checksum included.
    pub fn bytes(&self) -> Vec<u8> {
        let header_len = self.header_len();
        let flags = u16::from(self.reserved) << 15
            | u16::from(self.df) << 14
            | u16::from(self.mf) << 13
            | (self.offset / 8) as u16;
        let mut bytes = vec![0x40 | (header_len / 4) as u8, self.tos];
        bytes.extend(((header_len + self.payload.len()) as u16).to_be_bytes());
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(flags.to_be_bytes());
        bytes.extend([self.ttl, self.protocol, 0, 0]);
        bytes.extend(self.src.octets());
        bytes.extend(self.dst.octets());
        bytes.extend(&self.options);
        bytes.extend(&self.payload);
        Wire::sum(&mut bytes);
        bytes
    }

    /// The bytes with `byte` at `at`, and a checksum that is right again.
    pub fn with(&self, at: usize, byte: u8) -> Vec<u8> {
        let mut bytes = self.bytes();
        bytes[at] = byte;
        Wire::sum(&mut bytes);
        bytes
    }

    /// Puts the checksum right, over as much of the header as its length field says and there is.
    fn sum(bytes: &mut [u8]) {
        let header_len = (usize::from(bytes[0] & 0xf) * 4).min(bytes.len());
        bytes[10..12].fill(0);
        let check = Sum::default().bytes(&bytes[..header_len]).finish();
        bytes[10..12].copy_from_slice(&check.to_be_bytes());
    }

    /// Reads a datagram; `Err` says what is wrong with it.
    pub(super) fn read(bytes: &[u8]) -> Result<Wire, String> {
        if bytes.len() < 20 {
            return Err(format!("{} bytes, which is no header", bytes.len()));
        }
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let addr =
            |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
        let header_len = usize::from(bytes[0] & 0xf) * 4;
        if bytes[0] >> 4 != 4 || header_len < 20 || header_len > bytes.len() {
            return Err(format!("a header that begins with {:#04x}", bytes[0]));
        }
        if usize::from(word(2)) != bytes.len() {
            return Err(format!("a total length of {} for {} bytes", word(2), bytes.len()));
        }
        if !Sum::default().bytes(&bytes[..header_len]).is_valid() {
            return Err(format!("a header checksum {:#06x}, which is wrong", word(10)));
        }
        Ok(Wire {
            src: addr(12),
            dst: addr(16),
            protocol: bytes[9],
            ttl: bytes[8],
            tos: bytes[1],
            id: word(4),
            reserved: word(6) & 0x8000 != 0,
            df: word(6) & 0x4000 != 0,
            mf: word(6) & 0x2000 != 0,
            offset: usize::from(word(6) & 0x1fff) * 8,
            options: bytes[20..header_len].to_vec(),
            payload: bytes[header_len..].to_vec(),
        })
    }
}

/// As tcpdump would write it.
impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wire { src, dst, protocol, ttl, tos, id, reserved, df, mf, offset, options, payload } =
            self;
        write!(f, "{src} > {dst} proto {protocol} ttl {ttl} id {id:#06x}")?;
        if *tos != 0 {
            write!(f, " tos {tos:#04x}")?;
        }
        for (flag, name) in [(reserved, "RF"), (df, "DF"), (mf, "MF")] {
            if *flag {
                write!(f, " {name}")?;
            }
        }
        if *mf || *offset != 0 {
            write!(f, " offset {offset}")?;
        }
        if !options.is_empty() {
            write!(f, " options {options:02x?}")?;
        }
        write!(f, ", {} bytes of payload", payload.len())
    }
}

/// A datagram as it arrives: where, and in what kind of frame. By itself a [`Wire`] arrives on
/// [`NEAR`](super::NEAR), in a frame for the host alone.
#[derive(Clone, Debug)]
pub struct Frame {
    pub(super) iface: IfIndex,
    pub(super) cast: Cast,
    pub(super) packet: Packet,
}

impl Frame {
    /// The same, on another interface.
    #[must_use]
    pub fn on(self, iface: IfIndex) -> Frame {
        Frame { iface, ..self }
    }

    /// The same, in a frame for others too.
    #[must_use]
    pub fn cast(self, cast: Cast) -> Frame {
        Frame { cast, ..self }
    }
}

impl From<Packet> for Frame {
    fn from(packet: Packet) -> Frame {
        Frame { iface: NEAR, cast: Cast::Unicast, packet }
    }
}

impl From<&[u8]> for Frame {
    fn from(bytes: &[u8]) -> Frame {
        Packet::from_payload(bytes).into()
    }
}

impl From<&Wire> for Frame {
    fn from(wire: &Wire) -> Frame {
        wire.bytes()[..].into()
    }
}

impl From<Wire> for Frame {
    fn from(wire: Wire) -> Frame {
        (&wire).into()
    }
}

/// What stands in the frame: a datagram, or what is left of one.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.iface)?;
        if self.cast != Cast::Unicast {
            write!(f, "in a {:?} frame ", self.cast)?;
        }
        match Wire::read(&self.packet) {
            Ok(wire) => write!(f, "{wire}"),
            Err(what) => write!(f, "{what}"),
        }
    }
}

/// An IPv4 address.
pub(super) fn v4(text: &str) -> Ipv4Addr {
    text.parse().expect("an IPv4 address")
}
