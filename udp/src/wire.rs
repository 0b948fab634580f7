//! The header of RFC 768.

use std::net::{IpAddr, SocketAddr};

use etherparse::UdpHeaderSlice;
use ip::{Datagram, Protocol};
use netdev::checksum::Sum;
use netdev::{Checksum, Packet, Segmentation};

use crate::DropReason;

/// Bytes of header.
pub(crate) const HEADER: usize = 8;

/// The most data that an IPv4 datagram without options holds behind a UDP header.
pub(crate) const LONGEST: usize = 65_535 - 20 - HEADER;

/// Where in the header the checksum is.
const CHECK: usize = 6;

/// What a received header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    /// Of header and data. What is behind them is padding, to be cut off.
    pub(crate) len: usize,
}

/// Reads the header of a received datagram and checks length and checksum.
pub(crate) fn parse(datagram: &Datagram) -> Result<Header, DropReason> {
    let packet = &datagram.payload;
    let header = UdpHeaderSlice::from_slice(packet).map_err(|_| DropReason::Truncated)?;
    let len = usize::from(header.length());
    if len < HEADER {
        return Err(DropReason::Length);
    }
    let covered = packet.get(..len).ok_or(DropReason::Truncated)?;
    // RFC 1122 §4.1.3.4: zero is "no checksum"; any other must be right.
    if header.checksum() != 0 && packet.checksum() == Checksum::None {
        let (src, dst) = (datagram.header.src, datagram.header.dst);
        let sum = Sum::pseudo_header(src, dst, Protocol::UDP.0, len).bytes(covered);
        if !sum.is_valid() {
            return Err(DropReason::Checksum);
        }
    }
    if header.destination_port() == 0 {
        return Err(DropReason::PortZero);
    }
    Ok(Header { src_port: header.source_port(), dst_port: header.destination_port(), len })
}

/// A datagram to send; `data` is not longer than [`LONGEST`]. The checksum is left to the device
/// where it fills them in (`offload`).
pub(crate) fn build(src: SocketAddr, dst: SocketAddr, data: &[u8], offload: bool) -> Packet {
    let len = HEADER + data.len();
    let mut packet = Packet::from_payload(data);
    let header = packet.prepend(HEADER);
    header[..2].copy_from_slice(&src.port().to_be_bytes());
    header[2..4].copy_from_slice(&dst.port().to_be_bytes());
    header[4..6].copy_from_slice(&(len as u16).to_be_bytes());
    header[6..].fill(0);
    let pseudo = Sum::pseudo_header(src.ip(), dst.ip(), Protocol::UDP.0, len);
    let check = if offload {
        packet.set_checksum(Checksum::Partial { start: 0, offset: CHECK });
        pseudo.folded()
    } else {
        // RFC 768: a computed zero is sent as all ones, since zero means none.
        match pseudo.bytes(&packet).finish() {
            0 => 0xffff,
            check => check,
        }
    };
    packet[CHECK..HEADER].copy_from_slice(&check.to_be_bytes());
    packet
}

/// The data of the datagrams that a packet stands for: nearly always itself. A kernel or device
/// with UDP segmentation hands several over as one, to be cut into pieces of equal size.
pub(crate) fn pieces(data: Packet) -> impl Iterator<Item = Packet> {
    let size = match data.segmentation() {
        Segmentation::Udp4 { size } if size > 0 => usize::from(size),
        _ => usize::MAX,
    };
    let (one, many) = if data.len() <= size { (Some(data), None) } else { (None, Some(data)) };
    let cut = move |data: Packet| -> Vec<Packet> {
        data.chunks(size).map(Packet::from_payload).collect()
    };
    one.into_iter().chain(many.into_iter().flat_map(cut))
}

/// Whether an address names every one of this host's.
pub(crate) fn is_any(addr: IpAddr) -> bool {
    addr.is_unspecified()
}
