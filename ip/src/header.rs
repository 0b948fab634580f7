//! The plain types that stand for an IP header above this layer.

use std::fmt;
use std::net::IpAddr;

use netdev::{Cast, Packet};

/// What a datagram is sent under, and what of its header matters to who receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who sends; unspecified for "as the route says".
    pub src: IpAddr,
    /// Who receives.
    pub dst: IpAddr,
    /// Which transport.
    pub protocol: Protocol,
    /// How many hops it may make.
    pub ttl: Ttl,
    /// Differentiated services and ECN.
    pub tos: Tos,
    /// Whether it must not be fragmented (path MTU discovery, RFC 1191).
    pub dont_fragment: bool,
    /// IP options.
    pub options: Options,
}

impl Header {
    /// A header with the default TTL, no service class, no options, and fragmentation allowed.
    pub fn new(src: IpAddr, dst: IpAddr, protocol: Protocol) -> Header {
        Header {
            src,
            dst,
            protocol,
            ttl: Ttl::DEFAULT,
            tos: Tos::default(),
            dont_fragment: false,
            options: Options::default(),
        }
    }
}

/// A received datagram, whole and for this host.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// Its header.
    pub header: Header,
    /// Where it came in.
    pub iface: IfIndex,
    /// To whom it was sent: the stricter of what the frame and the IP destination say.
    pub cast: Cast,
    /// Bytes of IP header that lie stripped in front of `payload`.
    pub header_len: usize,
    /// The transport's header and data.
    pub payload: Packet,
}

impl Datagram {
    /// The datagram from its IP header on, byte for byte as it came: what a raw socket receives
    /// and what ICMP quotes. A reassembled one has the header of its first fragment.
    pub fn into_whole(self) -> Packet {
        let mut packet = self.payload;
        packet.unstrip(self.header_len);
        packet
    }
}

/// The number of an interface in its stack.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IfIndex(pub u32);

impl fmt::Display for IfIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The protocol number of an IP header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// RFC 792.
    pub const ICMP: Protocol = Protocol(1);
    /// RFC 3376, for later.
    pub const IGMP: Protocol = Protocol(2);
    /// RFC 9293.
    pub const TCP: Protocol = Protocol(6);
    /// RFC 768.
    pub const UDP: Protocol = Protocol(17);
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Protocol::ICMP => f.write_str("ICMP"),
            Protocol::IGMP => f.write_str("IGMP"),
            Protocol::TCP => f.write_str("TCP"),
            Protocol::UDP => f.write_str("UDP"),
            Protocol(other) => write!(f, "protocol {other}"),
        }
    }
}

/// Hops that are left to a datagram. Never sent as zero (RFC 1122 §3.2.1.7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ttl(pub u8);

impl Ttl {
    /// RFC 1700's recommendation, and Linux's default.
    pub const DEFAULT: Ttl = Ttl(64);
}

impl Default for Ttl {
    fn default() -> Ttl {
        Ttl::DEFAULT
    }
}

/// The second byte of an IPv4 header: six bits of service class (RFC 2474), two of ECN (RFC 3168).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Tos(pub u8);

impl Tos {
    /// The ECN field.
    pub fn ecn(self) -> Ecn {
        match self.0 & 3 {
            0 => Ecn::NotEct,
            1 => Ecn::Ect1,
            2 => Ecn::Ect0,
            _ => Ecn::Ce,
        }
    }

    /// The same service class with another ECN field.
    #[must_use]
    pub fn with_ecn(self, ecn: Ecn) -> Tos {
        let bits = match ecn {
            Ecn::NotEct => 0,
            Ecn::Ect1 => 1,
            Ecn::Ect0 => 2,
            Ecn::Ce => 3,
        };
        Tos(self.0 & !3 | bits)
    }

    /// The differentiated services code point.
    pub fn dscp(self) -> u8 {
        self.0 >> 2
    }
}

/// RFC 3168 §5.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ecn {
    /// The transport does not do ECN.
    NotEct,
    /// It does.
    Ect1,
    /// It does.
    Ect0,
    /// A router on the way was congested.
    Ce,
}

/// IP options as they stand on the wire, at most 40 bytes, a multiple of four.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Options {
    len: u8,
    bytes: Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Bytes([u8; 40]);

impl Default for Bytes {
    fn default() -> Bytes {
        Bytes([0; 40])
    }
}

impl Options {
    /// Options from their wire form, padded with "end of list" to a multiple of four; `None`
    /// where they are longer than 40 bytes.
    pub fn from_wire(bytes: &[u8]) -> Option<Options> {
        let mut options = Options::default();
        options.bytes.0.get_mut(..bytes.len())?.copy_from_slice(bytes);
        options.len = bytes.len().next_multiple_of(4) as u8;
        Some(options)
    }

    /// The wire form.
    pub fn as_wire(&self) -> &[u8] {
        &self.bytes.0[..usize::from(self.len)]
    }

    /// The wire form, to fill in what it leaves open.
    pub(crate) fn as_wire_mut(&mut self) -> &mut [u8] {
        &mut self.bytes.0[..usize::from(self.len)]
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x?}", self.as_wire())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2474 §3, RFC 3168 §5: six bits of service class, two of congestion.
    #[test]
    fn a_service_class_stands_beside_its_congestion_mark() {
        let expedited = Tos(46 << 2).with_ecn(Ecn::Ce);
        assert_eq!((expedited.dscp(), expedited.ecn(), expedited.0), (46, Ecn::Ce, 0xbb));
        assert_eq!(expedited.with_ecn(Ecn::NotEct), Tos(46 << 2));
    }

    /// RFC 791 §3.1: in words of four bytes, ten at most.
    #[test]
    fn options_are_padded_to_words() {
        assert!(Options::default().is_empty());
        let alert = Options::from_wire(&[148, 4, 0, 0, 1]).expect("it fits");
        assert_eq!((alert.is_empty(), alert.as_wire()), (false, &[148, 4, 0, 0, 1, 0, 0, 0][..]));
        assert_eq!(Options::from_wire(&[1; 41]), None);
    }
}
