//! Between which endpoints a datagram passes, and of which datagram an ICMP error speaks.

use std::net::Ipv4Addr;

use netdev::checksum::Sum;
use netdev::{Checksum, Packet};

use crate::Protocol;
use crate::wire::Ipv4Fields;

/// An address with a port, or with an ICMP identifier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Endpoint {
    pub(crate) addr: Ipv4Addr,
    pub(crate) port: u16,
}

/// What has endpoints that can be translated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Kind {
    Icmp,
    Tcp,
    Udp,
}

impl Kind {
    pub(crate) fn of(protocol: Protocol) -> Option<Kind> {
        match protocol {
            Protocol::ICMP => Some(Kind::Icmp),
            Protocol::TCP => Some(Kind::Tcp),
            Protocol::UDP => Some(Kind::Udp),
            _ => None,
        }
    }

    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Kind::Icmp => Protocol::ICMP,
            Kind::Tcp => Protocol::TCP,
            Kind::Udp => Protocol::UDP,
        }
    }
}

/// What of a TCP segment moves its connection on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
}

/// What a datagram carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    /// Something from one endpoint to another.
    Flow { kind: Kind, src: Endpoint, dst: Endpoint, flags: Flags },
    /// An ICMP query, by its identifier: a request goes out, a reply comes back.
    Query { id: u16, request: bool },
    /// An ICMP error, about a datagram from one endpoint to another.
    Error { kind: Kind, src: Endpoint, dst: Endpoint },
}

/// Reads a whole datagram; `None` where nothing can be translated in it.
pub(crate) fn read(ip: &Ipv4Fields, packet: &Packet) -> Option<Content> {
    let payload = packet.get(ip.header_len()..)?;
    let kind = Kind::of(ip.protocol)?;
    if kind == Kind::Icmp {
        return read_icmp(payload, packet.checksum() == Checksum::None);
    }
    let (src, dst) = endpoints(kind, ip, payload)?;
    let flags = match (kind, payload.get(13)) {
        (Kind::Tcp, None) => return None,
        (Kind::Tcp, Some(byte)) => {
            Flags { fin: byte & 1 != 0, syn: byte & 2 != 0, rst: byte & 4 != 0 }
        }
        _ => Flags::default(),
    };
    Some(Content::Flow { kind, src, dst, flags })
}

/// Bytes of an ICMP header, which the quote of an error follows.
pub(crate) const ICMP_HEADER: usize = 8;

fn read_icmp(icmp: &[u8], unverified: bool) -> Option<Content> {
    let header = icmp.get(..ICMP_HEADER)?;
    let id = u16::from_be_bytes([header[4], header[5]]);
    match header[0] {
        // Echo and timestamp; information and mask, which nobody sends any more, are as they.
        8 | 13 | 15 | 17 => Some(Content::Query { id, request: true }),
        0 | 14 | 16 | 18 => Some(Content::Query { id, request: false }),
        3 | 11 | 12 => {
            // RFC 5508 REQ-3 a: what is damaged is not passed on. The checksum of the quoted
            // transport is not looked at, for the quote is short.
            if unverified && !Sum::default().bytes(icmp).is_valid() {
                return None;
            }
            let quote = &icmp[ICMP_HEADER..];
            let ip = Ipv4Fields::parse(quote).ok()?;
            let header_len = ip.header_len();
            if ip.offset != 0 || !Sum::default().bytes(&quote[..header_len]).is_valid() {
                return None;
            }
            let kind = Kind::of(ip.protocol)?;
            let (src, dst) = endpoints(kind, &ip, quote.get(header_len..)?)?;
            Some(Content::Error { kind, src, dst })
        }
        _ => None,
    }
}

/// The endpoints in a transport's header, or in the first bytes of it. An ICMP query has one
/// identifier, which is that of whoever asks.
fn endpoints(kind: Kind, ip: &Ipv4Fields, payload: &[u8]) -> Option<(Endpoint, Endpoint)> {
    let word = |at: usize| Some(u16::from_be_bytes([*payload.get(at)?, *payload.get(at + 1)?]));
    let (from, to) = match kind {
        // RFC 5508 §4: the quoted one is a request of inside, or a reply to it.
        Kind::Icmp if matches!(payload.first()?, 0 | 8 | 13..=18) => (word(4)?, 0),
        Kind::Icmp => return None,
        Kind::Tcp | Kind::Udp => (word(0)?, word(2)?),
    };
    Some((Endpoint { addr: ip.src, port: from }, Endpoint { addr: ip.dst, port: to }))
}
