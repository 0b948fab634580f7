use std::net::Ipv4Addr;

use etherparse::{IpNumber, Ipv4Header, TcpHeader, UdpHeader};
use pnet_packet::{ipv4, tcp, udp};
use proptest::prelude::*;

use super::*;

const SRC: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const DST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// A TCP packet as a layer above builds it: the checksum field holds the folded pseudo header.
fn tcp_packet(l3: usize, payload: &[u8], size: u16) -> Packet {
    let mut tcp = TcpHeader::new(1000, 80, 0xffff_ff00, 4096);
    tcp.set_options_raw(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]).unwrap();
    (tcp.ack, tcp.psh, tcp.fin, tcp.cwr) = (true, true, true, true);
    let len = tcp.header_len() + payload.len();
    tcp.checksum = Sum::pseudo_header(SRC.into(), DST.into(), TCP, len).folded();
    let mut bytes = Vec::new();
    tcp.write(&mut bytes).unwrap();
    let mut packet = datagram(l3, IpNumber::TCP, &[&bytes, payload].concat());
    packet.set_checksum(Checksum::Partial { start: l3 + 20, offset: 16 });
    packet.set_segmentation(Segmentation::Tcp4 { size });
    packet
}

fn udp_packet(payload: &[u8], size: u16, checksum: bool) -> Packet {
    let length = (8 + payload.len()) as u16;
    let mut udp = UdpHeader { source_port: 5, destination_port: 6, length, checksum: 0 };
    if checksum {
        udp.checksum =
            Sum::pseudo_header(SRC.into(), DST.into(), UDP, usize::from(length)).folded();
    }
    let mut packet = datagram(0, IpNumber::UDP, &[&udp.to_bytes(), payload].concat());
    if checksum {
        packet.set_checksum(Checksum::Partial { start: 20, offset: 6 });
    }
    packet.set_segmentation(Segmentation::Udp4 { size });
    packet
}

fn datagram(l3: usize, protocol: IpNumber, transport: &[u8]) -> Packet {
    let len = transport.len() as u16;
    let mut ip = Ipv4Header::new(len, 64, protocol, SRC.octets(), DST.octets()).unwrap();
    ip.identification = 0xfffe;
    let mut bytes = vec![0xee; l3];
    ip.write(&mut bytes).unwrap();
    bytes.extend(transport);
    Packet::from_payload(&bytes)
}

fn cut(packet: Packet, l3: usize) -> Result<Vec<Packet>, DropReason> {
    let mut pieces = Vec::new();
    segment(packet, l3, &mut |piece| pieces.push(piece)).map(|()| pieces)
}

fn ip_is_right(piece: &[u8]) {
    let ip = ipv4::Ipv4Packet::new(piece).unwrap();
    assert_eq!(ip.get_checksum(), ipv4::checksum(&ip), "IP checksum, by pnet");
    assert_eq!(usize::from(ip.get_total_length()), piece.len());
}

#[test]
fn a_tcp_packet_is_cut_into_segments_that_are_right_in_every_field() {
    let payload: Vec<u8> = (0..2500u32).map(|i| i as u8).collect();
    for l3 in [0, 14] {
        let pieces = cut(tcp_packet(l3, &payload, 1000), l3).unwrap();
        assert_eq!(
            pieces.iter().map(|p| p.len()).collect::<Vec<_>>(),
            [l3 + 1052, l3 + 1052, l3 + 552]
        );
        let mut together: Vec<u8> = Vec::new();
        for (i, piece) in pieces.iter().enumerate() {
            assert!(piece[..l3].iter().all(|byte| *byte == 0xee), "the link header is kept");
            assert_eq!(piece.segmentation(), Segmentation::None);
            ip_is_right(&piece[l3..]);
            let ip = ipv4::Ipv4Packet::new(&piece[l3..]).unwrap();
            assert_eq!(ip.get_identification(), 0xfffe_u16.wrapping_add(i as u16));

            let segment = tcp::TcpPacket::new(&piece[l3 + 20..]).unwrap();
            let check = tcp::ipv4_checksum(&segment, &SRC, &DST);
            assert_eq!(segment.get_checksum(), check, "TCP checksum, by pnet");
            let seq = 0xffff_ff00_u32.wrapping_add(1000 * i as u32);
            assert_eq!(segment.get_sequence(), seq);
            let flags = segment.get_flags();
            assert_eq!(flags & (FIN | PSH), if i == 2 { FIN | PSH } else { 0 });
            assert_eq!(flags & CWR, if i == 0 { CWR } else { 0 });
            together.extend(&piece[l3 + 52..]);
        }
        assert_eq!(together, payload);
    }
}

#[test]
fn a_udp_packet_is_cut_into_datagrams_with_lengths_and_checksums() {
    let payload = [7; 250];
    for checksum in [true, false] {
        let pieces = cut(udp_packet(&payload, 100, checksum), 0).unwrap();
        assert_eq!(pieces.iter().map(|p| p.len()).collect::<Vec<_>>(), [128, 128, 78]);
        for piece in &pieces {
            ip_is_right(piece);
            let datagram = udp::UdpPacket::new(&piece[20..]).unwrap();
            assert_eq!(usize::from(datagram.get_length()), piece.len() - 20);
            let right = udp::ipv4_checksum(&datagram, &SRC, &DST);
            assert_eq!(datagram.get_checksum(), if checksum { right } else { 0 });
        }
    }
}

#[test]
fn a_packet_that_fits_stays_whole_and_loses_its_padding() {
    let mut packet = tcp_packet(0, b"short", 1000);
    packet.append(&[0; 9]);
    let pieces = cut(packet, 0).unwrap();
    assert_eq!(pieces.len(), 1);
    assert_eq!((pieces[0].len(), pieces[0].segmentation()), (57, Segmentation::None));
    let segment = tcp::TcpPacket::new(&pieces[0][20..]).unwrap();
    assert_eq!(segment.get_checksum(), tcp::ipv4_checksum(&segment, &SRC, &DST));
}

#[test]
fn what_is_not_what_it_says_is_refused() {
    let mut packet = tcp_packet(0, &[1; 100], 10);
    packet.set_segmentation(Segmentation::Udp4 { size: 10 });
    assert_eq!(cut(packet, 0), Err(DropReason::Framing));
    assert_eq!(cut(tcp_packet(0, &[1; 100], 0), 0), Err(DropReason::Framing));
    let mut fragment = tcp_packet(0, &[1; 100], 10);
    fragment[6] |= 0x20;
    assert_eq!(cut(fragment, 0), Err(DropReason::Framing));
}

proptest! {
    #[test]
    fn no_bytes_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        start in prop::collection::vec(any::<u8>(), 0..3),
        l3 in 0usize..40, size in 0u16..30, tcp: bool, offset in 0usize..200,
    ) {
        let mut bytes = bytes;
        // A plausible beginning, so that more than the first check is reached.
        if bytes.len() > 40 {
            bytes[0] = 0x45;
            let len = bytes.len() as u16;
            bytes[2..4].copy_from_slice(&len.to_be_bytes());
            bytes[6..8].fill(0);
            bytes[9] = if tcp { TCP } else { UDP };
        }
        for (at, byte) in start.iter().enumerate() {
            if let Some(place) = bytes.get_mut(at * 7) { *place = *byte }
        }
        let mut packet = Packet::from_payload(&bytes);
        packet.set_checksum(Checksum::Partial { start: offset.min(bytes.len()), offset: 3 });
        packet.set_segmentation(if tcp {
            Segmentation::Tcp4 { size }
        } else {
            Segmentation::Udp4 { size }
        });
        let l3 = if tcp { 0 } else { l3 };
        if let Ok(pieces) = cut(packet, l3) {
            prop_assert!(!pieces.is_empty());
        }
    }
}
