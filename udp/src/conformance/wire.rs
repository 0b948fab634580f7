//! Header and checksum: RFC 768, RFC 1122 §4.1.3.4.

use std::net::IpAddr;

use ip::SocketError;
use netdev::{Checksum, Packet, cases};

use super::Make;
use super::bench::{Bench, at, segment, sum};
use ip::conformance::below::{ANY, ME, ME_TOO, PEER};

cases! { ($) wire_cases: Make, Bench;
    Must 2 "RFC 768" a_sent_datagram_has_ports_and_length
        "Length is the length in octets of this user datagram including this header and the data.";
    Must 3 "RFC 1122 §4.1.3.4" a_sent_datagram_has_a_right_checksum
        "A host MUST implement the facility to generate and validate UDP checksums.";
    Must 2 "RFC 1122 §4.1.3.4" checksumming_is_on_by_default
        "An application MAY optionally be able to control whether a UDP checksum will be \
         generated, but it MUST default to checksumming on.";
    Must 3 "RFC 768" a_computed_zero_is_sent_as_all_ones
        "If the computed checksum is zero, it is transmitted as all ones (the equivalent in one's \
         complement arithmetic).";
    Must 2 "RFC 768" a_datagram_without_a_checksum_is_taken
        "An all zero transmitted checksum value means that the transmitter generated no checksum";
    Must 3 "RFC 1122 §4.1.3.4" a_bad_checksum_is_silently_discarded
        "If a UDP datagram is received with a checksum that is non-zero and invalid, UDP MUST \
         silently discard the datagram.";
    Must 2 "RFC 768" the_checksum_covers_the_pseudo_header
        "The pseudo header … contains the source address, the destination address, the protocol, \
         and the UDP length. This information gives protection against misrouted datagrams.";
    Must 2 "RFC 1122 §4.1.3.4" all_ones_is_a_good_checksum_of_zero
        "No special action is required at the receiver, since zero and 65535 are equivalent in 1's \
         complement arithmetic.";
    Must 2 "RFC 768" a_length_under_eight_is_discarded
        "This means the minimum value of the length is eight.";
    Must 2 "RFC 768" a_datagram_shorter_than_its_length_is_discarded
        "Length is the length in octets of this user datagram including this header and the data.";
    Must 2 "RFC 768" what_is_behind_the_length_is_cut_off
        "Length is the length in octets of this user datagram including this header and the data.";
    Ours 1 "RFC 768" a_cut_header_is_discarded
        "A datagram has eight bytes of header.";
    Must 1 "RFC 768" a_source_port_of_zero_is_taken
        "Source Port is an optional field … If not used, a value of zero is inserted.";
    Ours 1 "RFC 768" a_destination_port_of_zero_is_discarded
        "Nobody can be bound to port zero.";
    Must 2 "RFC 768" an_empty_datagram_is_a_datagram
        "This means the minimum value of the length is eight.";
    Ours 1 "RFC 1122 §4.1.3.4" a_checksum_that_the_device_has_verified_is_not_summed
        "What a device or a local kernel vouches for is good.";
    Ours 1 "RFC 1122 §4.1.3.4" the_checksum_is_left_to_a_device_that_fills_it_in
        "Such a device finds the folded pseudo header in the field.";
}

fn a_sent_datagram_has_ports_and_length(bench: &mut Bench) {
    let socket = bench.bound(ANY_PORT.0, ANY_PORT.1);
    for len in [0_usize, 1, 5, 1472, 9000] {
        let (header, packet) = bench.send_well(socket, at(PEER, 0xabcd), &vec![7; len]);
        bench.record.expect_eq("the destination", header.dst, PEER.into());
        let [high, low] = (8 + len as u16).to_be_bytes();
        let expected = vec![0x12, 0x34, 0xab, 0xcd, high, low];
        bench.record.expect_eq("ports and length", packet[..6].to_vec(), expected);
        bench.record.expect("the data as it was given", packet[8..] == vec![7; len]);
    }
}

const ANY_PORT: (std::net::Ipv4Addr, u16) = (ANY, 0x1234);

fn a_sent_datagram_has_a_right_checksum(bench: &mut Bench) {
    let socket = bench.bound(ANY_PORT.0, ANY_PORT.1);
    for len in (0..70).chain([1471, 1472, 65_507]) {
        let data: Vec<u8> = (0..len).map(|n: usize| (n * 31 + 200) as u8).collect();
        let (header, packet) = bench.send_well(socket, at(PEER, 80), &data);
        let valid = sum(header.src, header.dst, &packet).is_valid();
        bench.record.expect(&format!("a right checksum over {len} bytes of data"), valid);
    }
}

fn checksumming_is_on_by_default(bench: &mut Bench) {
    let socket = bench.bound(ANY_PORT.0, ANY_PORT.1);
    let (_, packet) = bench.send_well(socket, at(PEER, 80), b"data");
    bench.record.expect("a checksum in the field", packet[6..8] != [0, 0]);
}

/// The checksum of two zero bytes, sent as data, makes all of it sum up to 0xffff.
fn a_computed_zero_is_sent_as_all_ones(bench: &mut Bench) {
    let socket = bench.bound(ME, 1234);
    let (_, packet) = bench.send_well(socket, at(PEER, 80), &[0, 0]);
    let data = packet[6..8].to_vec();
    let (_, packet) = bench.send_well(socket, at(PEER, 80), &data);
    bench.record.expect_eq("the checksum field", packet[6..8].to_vec(), vec![0xff, 0xff]);
}

fn a_datagram_without_a_checksum_is_taken(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let mut bytes = segment(at(PEER, 4000), at(ME, 7), b"data");
    bytes[6..8].fill(0);
    let input = bench.input_bytes(PEER.into(), ME.into(), &bytes);
    bench.expect_delivered(input);
    bench.expect_received(socket, b"data");
}

fn a_bad_checksum_is_silently_discarded(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let good = segment(at(PEER, 4000), at(ME, 7), b"some data");
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let input = bench.input_bytes(PEER.into(), ME.into(), &bad);
        bench.expect_dropped(input);
    }
    bench.expect_nothing(socket);
    bench.expect_silence();
    let input = bench.input_bytes(PEER.into(), ME.into(), &good);
    bench.expect_delivered(input);
}

/// Sent to another host, and brought here by mistake: its checksum is that of the other.
fn the_checksum_covers_the_pseudo_header(bench: &mut Bench) {
    let socket = bench.bound(ANY, 7);
    let bytes = segment(at(PEER, 4000), at(ME, 7), b"data");
    let input = bench.input_bytes(PEER.into(), ME_TOO.into(), &bytes);
    bench.expect_dropped(input);
    let input = bench.input_bytes([10, 0, 0, 3].into(), ME.into(), &bytes);
    bench.expect_dropped(input);
    bench.expect_nothing(socket);
    let input = bench.input_bytes(PEER.into(), ME.into(), &bytes);
    bench.expect_delivered(input);
}

fn all_ones_is_a_good_checksum_of_zero(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let zeros = segment(at(PEER, 4000), at(ME, 7), &[0, 0]);
    let mut bytes = segment(at(PEER, 4000), at(ME, 7), &zeros[6..8]);
    bench.record.expect_eq("the bench's checksum", bytes[6..8].to_vec(), vec![0, 0]);
    bytes[6..8].fill(0xff);
    let input = bench.input_bytes(PEER.into(), ME.into(), &bytes);
    bench.expect_delivered(input);
    bench.expect_received(socket, &zeros[6..8]);
}

/// With the length `len` in the header, and a checksum that is right all the same, or none.
fn with_length(bench: &mut Bench, len: u16) -> [super::super::Input; 2] {
    let mut bytes = segment(at(PEER, 4000), at(ME, 7), b"data");
    bytes[4..6].copy_from_slice(&len.to_be_bytes());
    bytes[6..8].fill(0);
    let (src, dst): (IpAddr, IpAddr) = (PEER.into(), ME.into());
    let none = bench.input_bytes(src, dst, &bytes);
    let check = sum(src, dst, &bytes).finish();
    bytes[6..8].copy_from_slice(&check.to_be_bytes());
    [none, bench.input_bytes(src, dst, &bytes)]
}

fn a_length_under_eight_is_discarded(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    for len in 0..8 {
        for input in with_length(bench, len) {
            bench.expect_dropped(input);
        }
    }
    bench.expect_nothing(socket);
    for input in with_length(bench, 12) {
        bench.expect_delivered(input);
    }
}

fn a_datagram_shorter_than_its_length_is_discarded(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    for len in [13, 14, 100, 65_535] {
        for input in with_length(bench, len) {
            bench.expect_dropped(input);
        }
    }
    bench.expect_nothing(socket);
    for input in with_length(bench, 12) {
        bench.expect_delivered(input);
    }
}

fn what_is_behind_the_length_is_cut_off(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let mut bytes = segment(at(PEER, 4000), at(ME, 7), b"data");
    bytes.extend([0xa5; 6]);
    let input = bench.input_bytes(PEER.into(), ME.into(), &bytes);
    bench.expect_delivered(input);
    bench.expect_received(socket, b"data");
}

fn a_cut_header_is_discarded(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let whole = segment(at(PEER, 4000), at(ME, 7), b"");
    for len in 0..8 {
        let input = bench.input_bytes(PEER.into(), ME.into(), &whole[..len]);
        bench.expect_dropped(input);
    }
    bench.expect_nothing(socket);
    bench.arrive(at(ME, 7), b"data");
}

fn a_source_port_of_zero_is_taken(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let input = bench.input(at(PEER, 0), at(ME, 7), b"do not answer");
    bench.expect_delivered(input);
    let received = bench.expect_received(socket, b"do not answer");
    bench.record.expect_eq("from whom", received.from, at(PEER, 0));
}

fn a_destination_port_of_zero_is_discarded(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    // One that is not bound has no port; its table says zero.
    let _unbound = bench.open();
    let input = bench.input(at(PEER, 4000), at(ME, 0), b"data");
    bench.expect_dropped(input);
    bench.expect_nothing(socket);
    bench.arrive(at(ME, 7), b"data");
}

fn an_empty_datagram_is_a_datagram(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let (_, packet) = bench.send_well(socket, at(PEER, 4000), b"");
    bench.record.expect_eq("the length sent", packet.len(), 8);
    bench.arrive(at(ME, 7), b"");
    bench.expect_received(socket, b"");
    let seen = bench.receive(socket);
    bench.record.expect_eq("what is left", seen, Err(SocketError::WouldBlock));
}

fn a_checksum_that_the_device_has_verified_is_not_summed(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    for checksum in [Checksum::Verified, Checksum::Partial { start: 0, offset: 6 }] {
        let mut bytes = segment(at(PEER, 4000), at(ME, 7), b"data");
        bytes[6] ^= 0x55;
        let mut packet = Packet::from_payload(&bytes);
        packet.set_checksum(checksum);
        let input = bench.input_packet(PEER.into(), ME.into(), packet);
        bench.expect_delivered(input);
        bench.expect_received(socket, b"data");
    }
}

fn the_checksum_is_left_to_a_device_that_fills_it_in(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    bench.below.offload = true;
    let (_, packet) = bench.send_well(socket, at(PEER, 80), b"data");
    let expected = Checksum::Partial { start: 0, offset: 6 };
    bench.record.expect_eq("what is left to the device", packet.checksum(), expected);
    let pseudo = netdev::checksum::Sum::pseudo_header(ME.into(), PEER.into(), 17, 12).folded();
    let seen = u16::from_be_bytes([packet[6], packet[7]]);
    bench.record.expect_eq("the checksum field", seen, pseudo);
}
