use super::*;
use ip::{Header, IfIndex, Protocol};
use proptest::prelude::*;
use std::net::Ipv4Addr;

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

fn datagram(payload: Packet) -> Datagram {
    Datagram {
        header: Header::new(A, B, Protocol::TCP),
        iface: IfIndex(1),
        cast: Cast::Unicast,
        header_len: 0,
        payload,
    }
}

fn sample() -> Segment {
    Segment {
        window: 1000,
        options: Options { mss: Some(1460), window_scale: Some(3), ..Options::default() },
        len: 5,
        ..Segment::new(1234, 80, SeqNum(7), SeqNum(9), Flags::SYN | Flags::ACK | Flags::PSH)
    }
}

#[test]
fn emitted_and_parsed_it_is_the_same() {
    let packet = sample().emit(Packet::from_payload(b"hello"), A, B, false);
    let mut datagram = datagram(packet);
    assert_eq!(Segment::parse(&mut datagram), Ok(sample()));
    assert_eq!(&datagram.payload[..], b"hello");
}

#[test]
fn a_partial_checksum_is_good_and_completes_to_the_same_bytes() {
    let full = sample().emit(Packet::from_payload(b"hello"), A, B, false);
    let mut partial = sample().emit(Packet::from_payload(b"hello"), A, B, true);
    assert!(Segment::parse(&mut datagram(partial.clone())).is_ok());
    partial.complete_checksum();
    assert_eq!(full[..], partial[..]);
}

#[test]
fn what_is_broken_is_dropped_with_its_reason() {
    let good = sample().emit(Packet::from_payload(b"hello"), A, B, false);
    let spoilt = |at: usize, byte: u8| {
        let mut packet = good.clone();
        packet[at] = byte;
        Segment::parse(&mut datagram(packet))
    };
    assert_eq!(spoilt(30, !good[30]), Err(DropReason::Checksum));
    assert_eq!(spoilt(12, 0xf0), Err(DropReason::Truncated));
    assert_eq!(spoilt(21, 1), Err(DropReason::Options));
    let mut short = good.clone();
    short.truncate(19);
    assert_eq!(Segment::parse(&mut datagram(short)), Err(DropReason::Truncated));
    let mut zero = good.clone();
    zero[0..2].fill(0);
    assert_eq!(Segment::parse(&mut datagram(zero)), Err(DropReason::PortZero));
    let mut group = datagram(good.clone());
    group.cast = Cast::Broadcast;
    assert_eq!(Segment::parse(&mut group), Err(DropReason::Group));
}

#[test]
fn defect_a_data_offset_under_five_is_dropped() {
    let good = sample().emit(Packet::from_payload(b"hello"), A, B, false);
    for offset in 0..5 {
        let mut packet = good.clone();
        packet[12] = offset << 4;
        assert_eq!(Segment::parse(&mut datagram(packet)), Err(DropReason::DataOffset));
    }
}

/// RFC 7323 §2.2: "this option MUST NOT be sent in a non-SYN segment".
#[test]
fn options_of_a_syn_count_on_a_syn_only() {
    let data = Segment { flags: Flags::ACK, ..sample() };
    let packet = data.emit(Packet::from_payload(b"hello"), A, B, false);
    let parsed = Segment::parse(&mut datagram(packet)).unwrap();
    assert_eq!((parsed.options.mss, parsed.options.window_scale), (None, None));
}

/// RFC 9293 §3.10.7.1.
#[test]
fn the_reset_that_answers() {
    let syn = Segment { len: 0, ..Segment::new(1, 2, SeqNum(100), SeqNum(0), Flags::SYN) };
    let rst = syn.reset().unwrap();
    assert_eq!((rst.seq, rst.ack, rst.flags), (SeqNum(0), SeqNum(101), Flags::RST | Flags::ACK));
    let ack = Segment::new(1, 2, SeqNum(100), SeqNum(55), Flags::ACK);
    let rst = ack.reset().unwrap();
    assert_eq!((rst.seq, rst.flags, rst.src_port, rst.dst_port), (SeqNum(55), Flags::RST, 2, 1));
    assert_eq!(rst.reset(), None);
}

proptest! {
    #[test]
    fn any_bytes_parse_or_are_dropped(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut datagram = datagram(Packet::from_payload(&bytes));
        let _ = Segment::parse(&mut datagram);
        let _ = Segment::parse_header(&bytes);
    }

    /// Where etherparse accepts, pnet reads the same.
    #[test]
    fn a_second_reader_agrees(bytes in prop::collection::vec(any::<u8>(), 20..100)) {
        let Ok((segment, header_len)) = Segment::parse_header(&bytes) else { return Ok(()) };
        let other = pnet_packet::tcp::TcpPacket::new(&bytes).unwrap();
        prop_assert_eq!(segment.src_port, other.get_source());
        prop_assert_eq!(segment.dst_port, other.get_destination());
        prop_assert_eq!(segment.seq.0, other.get_sequence());
        prop_assert_eq!(segment.ack.0, other.get_acknowledgement());
        prop_assert_eq!(segment.flags.bits(), other.get_flags());
        prop_assert_eq!(segment.window, other.get_window());
        prop_assert_eq!(segment.urgent, other.get_urgent_ptr());
        prop_assert_eq!(header_len, usize::from(other.get_data_offset()) * 4);
    }
}
