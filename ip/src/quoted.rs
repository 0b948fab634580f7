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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// UDP from 10.0.0.1:4660 to 10.0.0.2:22136, of 100 bytes, of which a router quoted eight.
    const QUOTE: [u8; 28] = [
        0x45, 0, 0, 100, 0, 1, 0x40, 0, 0, 17, 0xde, 0xad, 10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34,
        0x56, 0x78, 0, 80, 0, 0,
    ];

    #[test]
    fn a_quote_that_is_cut_short_is_read() {
        let quoted = Quoted::parse(&QUOTE).unwrap();
        assert_eq!(quoted.src.to_string(), "10.0.0.1");
        assert_eq!(quoted.dst.to_string(), "10.0.0.2");
        assert_eq!((quoted.protocol, quoted.total_len), (Protocol::UDP, 100));
        assert_eq!(quoted.payload, QUOTE[20..]);
        assert_eq!(quoted.ports(), Some((0x1234, 0x5678)));
    }

    #[test]
    fn options_stand_before_the_payload() {
        let mut bytes = QUOTE.to_vec();
        bytes[0] = 0x46;
        bytes.splice(20..20, [148, 4, 0, 0]);
        assert_eq!(Quoted::parse(&bytes).unwrap().ports(), Some((0x1234, 0x5678)));
    }

    #[test]
    fn what_names_no_transport_is_no_quote() {
        let with = |at: usize, byte: u8| {
            let mut bytes = QUOTE;
            bytes[at] = byte;
            bytes
        };
        assert_eq!(Quoted::parse(&QUOTE[..19]), None);
        assert_eq!(Quoted::parse(&with(0, 0x65)), None, "version 6");
        assert_eq!(Quoted::parse(&with(0, 0x44)), None, "a header of 16 bytes");
        assert_eq!(Quoted::parse(&with(0, 0x4f)), None, "a header longer than the quote");
        assert_eq!(Quoted::parse(&with(7, 1)), None, "not the first fragment");
        assert!(Quoted::parse(&with(6, 0x20)).is_some(), "the first fragment");
        assert_eq!(Quoted::parse(&QUOTE[..23]).unwrap().ports(), None, "half a port");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(quoted) = Quoted::parse(&bytes) {
                prop_assert!(quoted.payload.len() + 20 <= bytes.len());
            }
        }
    }
}
