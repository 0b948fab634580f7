//! The Ethernet header (RFC 894), and which frames are for us.

use crate::{Capabilities, Cast, DropReason, EtherType, MacAddr, Medium, Packet, Segmentation};

/// Bytes of an Ethernet header: two addresses and a type.
pub(crate) const HEADER_LEN: usize = 14;

/// The least value of the type field that is a type; below, it is an IEEE 802.3 length
/// (RFC 1122 §2.3.3, RFC 5342 §2.3).
const LEAST_TYPE: u16 = 0x0600;

/// What stands in front of every Ethernet frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) dst: MacAddr,
    pub(crate) src: MacAddr,
    pub(crate) ethertype: EtherType,
}

impl Header {
    /// The header of a frame; `None` where the frame is too short to have one.
    pub(crate) fn parse(frame: &[u8]) -> Option<Header> {
        let slice = etherparse::Ethernet2HeaderSlice::from_slice(frame.get(..HEADER_LEN)?).ok()?;
        Some(Header {
            dst: MacAddr(slice.destination()),
            src: MacAddr(slice.source()),
            ethertype: EtherType(slice.ether_type().0),
        })
    }

    /// Puts the header in front of `packet`.
    pub(crate) fn prepend_to(self, packet: &mut Packet) {
        let bytes = packet.prepend(HEADER_LEN);
        bytes[..6].copy_from_slice(&self.dst.0);
        bytes[6..12].copy_from_slice(&self.src.0);
        bytes[12..].copy_from_slice(&self.ethertype.0.to_be_bytes());
    }

    /// To whom the frame was sent, or why `own` has no use for it.
    pub(crate) fn admit(&self, own: MacAddr) -> Result<Cast, DropReason> {
        // A bridge can send our own broadcasts back to us; taken for another's, they would look
        // like a second host with our addresses.
        if self.src == own {
            return Err(DropReason::OwnSource);
        }
        let cast = match self.dst {
            dst if dst == own => Cast::Unicast,
            MacAddr::BROADCAST => Cast::Broadcast,
            dst if dst.is_group() => Cast::Multicast,
            _ => return Err(DropReason::Foreign),
        };
        carried(self.ethertype).map(|()| cast)
    }
}

/// Whether the stack has a layer for `ethertype`.
pub(crate) fn carried(ethertype: EtherType) -> Result<(), DropReason> {
    match ethertype {
        EtherType::IPV4 | EtherType::ARP => Ok(()),
        EtherType::RARP => Err(DropReason::Rarp),
        EtherType::VLAN | EtherType::QINQ => Err(DropReason::Vlan),
        EtherType::IPV6 => Err(DropReason::Ipv6),
        EtherType(length) if length < LEAST_TYPE => Err(DropReason::Length),
        _ => Err(DropReason::UnknownType),
    }
}

/// The type that an Ethernet header would have given a datagram of a medium without one: the
/// version is in its first four bits (RFC 791 §3.1). `None` where there is not even a byte.
pub(crate) fn type_of_datagram(datagram: &[u8]) -> Option<EtherType> {
    Some(match datagram.first()? >> 4 {
        4 => EtherType::IPV4,
        6 => EtherType::IPV6,
        // A value that IEEE has reserved: it names no protocol.
        _ => EtherType(0xffff),
    })
}

/// Bytes of the link header on a medium.
pub(crate) fn header_len(medium: Medium) -> usize {
    match medium {
        Medium::Ethernet => HEADER_LEN,
        Medium::Ip => 0,
    }
}

/// Whether `packet` is longer than a device takes: its datagram beyond the MTU, unless it is one
/// that is cut up later.
pub(crate) fn too_long(packet: &Packet, capabilities: &Capabilities) -> bool {
    packet.segmentation() == Segmentation::None
        && packet.len() > header_len(capabilities.medium) + capabilities.mtu
}

#[cfg(test)]
mod tests {
    use pnet_packet::ethernet::EthernetPacket;
    use proptest::prelude::*;

    use super::*;

    const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const PEER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

    fn admit(dst: MacAddr, src: MacAddr, ethertype: u16) -> Result<Cast, DropReason> {
        Header { dst, src, ethertype: EtherType(ethertype) }.admit(OWN)
    }

    #[test]
    fn a_header_is_read_back_as_written() {
        let header = Header { dst: PEER, src: OWN, ethertype: EtherType::ARP };
        let mut packet = Packet::from_payload(b"arp");
        header.prepend_to(&mut packet);
        assert_eq!(Header::parse(&packet), Some(header));
        assert_eq!(Header::parse(&packet[..13]), None);
        assert_eq!(packet.len(), 17);
    }

    #[test]
    fn destinations_are_classed() {
        assert_eq!(admit(OWN, PEER, 0x0800), Ok(Cast::Unicast));
        assert_eq!(admit(MacAddr::BROADCAST, PEER, 0x0806), Ok(Cast::Broadcast));
        assert_eq!(admit(MacAddr([1, 0, 0x5e, 0, 0, 1]), PEER, 0x0800), Ok(Cast::Multicast));
        assert_eq!(admit(PEER, PEER, 0x0800), Err(DropReason::Foreign));
        assert_eq!(admit(MacAddr::BROADCAST, OWN, 0x0806), Err(DropReason::OwnSource));
    }

    #[test]
    fn types_without_a_layer_are_told_apart() {
        for (ethertype, reason) in [
            (0x8035, DropReason::Rarp),
            (0x8100, DropReason::Vlan),
            (0x88a8, DropReason::Vlan),
            (0x86dd, DropReason::Ipv6),
            (46, DropReason::Length),
            (0x05ff, DropReason::Length),
            (0x0600, DropReason::UnknownType),
            (0x88cc, DropReason::UnknownType),
        ] {
            assert_eq!(admit(OWN, PEER, ethertype), Err(reason), "{ethertype:#06x}");
        }
    }

    proptest! {
        /// A second opinion: another library reads the same fields.
        #[test]
        fn pnet_reads_the_same(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let ours = Header::parse(&bytes);
            let theirs = EthernetPacket::new(&bytes).map(|packet| Header {
                dst: MacAddr(packet.get_destination().octets()),
                src: MacAddr(packet.get_source().octets()),
                ethertype: EtherType(packet.get_ethertype().0),
            });
            prop_assert_eq!(ours, theirs);
        }
    }
}
