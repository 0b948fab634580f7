//! The datagram that an ICMP error quotes.

use std::net::{IpAddr, Ipv4Addr};

use crate::Protocol;

/// The start of one of our own datagrams, as an ICMP error brought it back: its addresses, and
/// what follows the IP header, eight bytes at least (RFC 792), so that a transport finds its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Who had sent it.
    pub src: IpAddr,
    /// To whom.
    pub dst: IpAddr,
    /// With which transport.
    pub protocol: Protocol,
    /// The total length that its header gives, in bytes.
    pub total_len: u16,
    /// What is there of the transport's header and data.
    pub payload: Vec<u8>,
}

impl Quoted {
    /// Reads a quote. It is cut short by nature, and routers on the way may have changed its TTL
    /// and checksum: neither is looked at. `None` where even the header is not whole, where it is
    /// not IPv4, or where it is a fragment other than the first, whose payload names no port.
    pub fn parse(bytes: &[u8]) -> Option<Quoted> {
        let (ip, _) = etherparse::LaxIpv4Slice::from_slice(bytes).ok()?;
        let header = ip.header();
        if header.fragments_offset().value() != 0 {
            return None;
        }
        Some(Quoted {
            src: Ipv4Addr::from(header.source()).into(),
            dst: Ipv4Addr::from(header.destination()).into(),
            protocol: Protocol(header.protocol().0),
            total_len: header.total_len(),
            payload: bytes.get(header.slice().len()..).unwrap_or_default().to_vec(),
        })
    }

    /// Source and destination port: the first four bytes of UDP and of TCP.
    pub fn ports(&self) -> Option<(u16, u16)> {
        let [a, b, c, d, ..] = self.payload[..] else { return None };
        Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }
}
