//! Cutting up a packet that stands for several, where the device cannot.

use std::net::Ipv4Addr;

use crate::checksum::Sum;
use crate::{Checksum, DropReason, Packet, Segmentation};

const TCP: u8 = 6;
const UDP: u8 = 17;
const UDP_HEADER_LEN: usize = 8;

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// Cuts a TCP or UDP packet into the ones that it stands for and gives them to `each` in order,
/// with everything in their headers right: lengths, identification, sequence numbers, flags and
/// both checksums. Its IP header begins `l3` bytes from the front; what is before goes in front of
/// each piece as it is. A packet that stands for itself alone comes through whole.
///
/// `Err` where it is not what its [`Segmentation`] says.
pub(crate) fn segment(
    mut packet: Packet,
    l3: usize,
    each: &mut dyn FnMut(Packet),
) -> Result<(), DropReason> {
    let (protocol, size) = match packet.segmentation() {
        Segmentation::None => {
            each(packet);
            return Ok(());
        }
        Segmentation::Tcp4 { size } => (TCP, usize::from(size)),
        Segmentation::Udp4 { size } => (UDP, usize::from(size)),
    };
    let Layout { l4, payload, end } =
        Layout::of(&packet, l3, protocol).filter(|_| size != 0).ok_or(DropReason::Framing)?;
    packet.truncate(end);
    if end - payload <= size {
        packet.set_segmentation(Segmentation::None);
        packet.complete_checksum();
        each(packet);
        return Ok(());
    }

    // A UDP checksum of zero means that the sender made none (RFC 768), and none is made for it.
    let unsummed = protocol == UDP
        && !matches!(packet.checksum(), Checksum::Partial { .. })
        && be16(&packet, l4 + 6) == 0;
    let id = be16(&packet, l3 + 4);
    for (index, from) in (payload..end).step_by(size).enumerate() {
        let to = end.min(from + size);
        let mut piece = Packet::with_capacity(payload + to - from);
        piece.append(&packet[..payload]);
        piece.append(&packet[from..to]);
        piece.note_fault(packet.faults());

        // RFC 6864 §4.2: a datagram that may be fragmented has an identification of its own.
        put16(&mut piece, l3 + 4, id.wrapping_add(index as u16));
        let total_len = piece.len() - l3;
        put16(&mut piece, l3 + 2, total_len as u16);
        put16(&mut piece, l3 + 10, 0);
        let check = Sum::default().bytes(&piece[l3..l4]).finish();
        put16(&mut piece, l3 + 10, check);

        let field = if protocol == TCP {
            let seq = be32(&packet, l4 + 4).wrapping_add((from - payload) as u32);
            piece[l4 + 4..l4 + 8].copy_from_slice(&seq.to_be_bytes());
            if to != end {
                piece[l4 + 13] &= !(FIN | PSH);
            }
            if from != payload {
                // RFC 3168 §6.1.2: CWR is on the first new packet after the reduction alone.
                piece[l4 + 13] &= !CWR;
            }
            l4 + 16
        } else {
            let len = piece.len() - l4;
            put16(&mut piece, l4 + 4, len as u16);
            l4 + 6
        };
        if unsummed {
            each(piece);
            continue;
        }
        let pseudo = pseudo_header(&piece, l3, protocol, piece.len() - l4);
        put16(&mut piece, field, pseudo);
        piece.set_checksum(Checksum::Partial { start: l4, offset: field - l4 });
        piece.complete_checksum();
        each(piece);
    }
    Ok(())
}

/// Payload bytes of a packet that stands for several; `None` where it is not what it says.
pub(crate) fn payload_len(packet: &Packet, l3: usize) -> Option<usize> {
    let protocol = match packet.segmentation() {
        Segmentation::None => return None,
        Segmentation::Tcp4 { .. } => TCP,
        Segmentation::Udp4 { .. } => UDP,
    };
    Layout::of(packet, l3, protocol).map(|layout| layout.end - layout.payload)
}

/// Where the parts of a packet begin, in bytes from its front.
struct Layout {
    l4: usize,
    payload: usize,
    end: usize,
}

impl Layout {
    /// `None` where the packet is no whole datagram of `protocol` over IPv4.
    fn of(packet: &Packet, l3: usize, protocol: u8) -> Option<Layout> {
        // The headers; what they describe may lie elsewhere.
        let front = packet.front();
        let datagram = front.get(l3..)?;
        let header = etherparse::Ipv4HeaderSlice::from_slice(datagram).ok()?;
        if header.protocol().0 != protocol || header.is_fragmenting_payload() {
            return None;
        }
        let l4 = l3 + header.slice().len();
        let end = l3 + usize::from(header.total_len());
        if end > packet.len() {
            return None;
        }
        let transport = front.get(l4..end.min(front.len()))?;
        let header_len = match protocol {
            TCP => etherparse::TcpHeaderSlice::from_slice(transport).ok()?.slice().len(),
            _ => etherparse::UdpHeaderSlice::from_slice(transport).ok().map(|_| UDP_HEADER_LEN)?,
        };
        Some(Layout { l4, payload: l4 + header_len, end })
    }
}

fn pseudo_header(packet: &[u8], l3: usize, protocol: u8, len: usize) -> u16 {
    let addr = |at: usize| Ipv4Addr::from(be32(packet, at));
    Sum::pseudo_header(addr(l3 + 12).into(), addr(l3 + 16).into(), protocol, len).folded()
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn put16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

#[cfg(test)]
mod tests;
