//! Echo: RFC 792, RFC 1122 §3.2.2.6.

use std::net::{IpAddr, Ipv4Addr};

use ip::{Options, Tos, Ttl};
use netdev::{Cast, Checksum, Packet, cases};

use super::Make;
use super::bench::{Bench, Sent, echo, message};
use crate::Input;
use ip::conformance::below::{FAR, ME, ME_TOO, NOWHERE, PEER, SUBNET};

cases! { ($) echo_cases: Make, Bench;
    Must 3 "RFC 1122 §3.2.2.6" an_echo_request_is_answered
        "Every host MUST implement an ICMP Echo server function that receives Echo Requests and \
         sends corresponding Echo Replies.";
    Must 2 "RFC 1122 §3.2.2.6" the_reply_has_all_the_data
        "Data received in an ICMP Echo Request MUST be entirely included in the resulting Echo \
         Reply.";
    Must 2 "RFC 792, Echo" the_reply_has_identifier_and_sequence_number
        "The echoer returns these same values in the echo reply.";
    Must 2 "RFC 1122 §3.2.2.6" the_reply_comes_from_the_address_that_was_asked
        "The IP source address in an ICMP Echo Reply MUST be the same as the specific-destination \
         address … of the corresponding ICMP Echo Request message.";
    Must 2 "RFC 792, Echo" the_reply_s_checksum_is_right
        "If the total length is odd, the received data is padded with one octet of zeros for \
         computing the checksum.";
    Must 2 "RFC 792, Echo" a_bad_checksum_is_discarded
        "The checksum is the 16-bit ones's complement of the one's complement sum of the ICMP \
         message starting with the ICMP Type.";
    Ours 1 "RFC 1122 §3.2.2.6" a_checksum_that_the_device_has_verified_is_not_summed
        "What a device or a local kernel vouches for is good.";
    Must 2 "RFC 1812 §4.3.2.2" the_reply_has_a_ttl_of_its_own
        "The TTL for ICMP responses must not be taken from the packet that triggered the response.";
    Must 1 "RFC 1812 §4.3.2.5" the_reply_has_the_precedence_of_the_request
        "An ICMP reply message MUST have its IP Precedence field set to the same value as the IP \
         Precedence field in the ICMP request that provoked the reply.";
    Should 1 "RFC 1812 §4.3.2.5" the_reply_has_the_tos_of_the_request
        "An ICMP reply message SHOULD have its TOS bits set to the same value as the TOS bits in \
         the ICMP request that provoked the reply.";
    Ours 1 "RFC 3168 §5" the_reply_does_not_copy_ecn
        "ICMP does not react to congestion, and must not claim to.";
    Must 1 "RFC 1122 §3.2.2.6" an_echo_reply_is_taken_and_not_answered
        "Echo Reply messages MUST be passed to the ICMP user interface";
    May 1 "RFC 1122 §3.2.2.6" an_echo_request_to_a_group_is_not_answered
        "An ICMP Echo Request destined to an IP broadcast or IP multicast address MAY be silently \
         discarded.";
    Ours 2 "RFC 1122 §3.2.1.3" an_echo_request_from_a_group_is_not_answered
        "A reply to everybody would make many packets of one.";
    Ours 1 "RFC 792" a_cut_echo_request_is_discarded
        "An echo request has eight bytes at least.";
    Ours 1 "RFC 1812 §4.3.2.8" echo_replies_keep_up_with_the_requests
        "Ping counts: echo replies are not held back by the limit on errors.";
    Ours 1 "RFC 1122 §3.2.2.6" an_echo_request_without_a_way_back_is_dropped
        "Where there is no route to the source, nothing is sent.";
    Must 1 "RFC 1122 §3.2.2.6" a_source_route_is_reversed
        "If a Source Route option is received in an ICMP Echo Request, the return route MUST be \
         reversed and used as a Source Route option for the Echo Reply message.";
    Should 1 "RFC 1122 §3.2.2.6" a_recorded_route_comes_back
        "If a Record Route and/or Time Stamp option is received in an ICMP Echo Request, this \
         option … SHOULD be updated to include the current host and included in the IP header of \
         the Echo Reply message";
}

/// The reply to an echo request of the peer for `dst`.
fn reply(bench: &mut Bench, dst: Ipv4Addr, request: &[u8]) -> Sent {
    let input = bench.input(PEER, dst, request);
    bench.record.expect_eq("of the echo request", input, Input::Consumed);
    bench.expect_sent()
}

fn an_echo_request_is_answered(bench: &mut Bench) {
    let sent = reply(bench, ME, &echo(b"data"));
    bench.record.expect_eq("where the reply goes", sent.header.dst, PEER.into());
    let seen = (sent.bytes[0], sent.bytes[1]);
    bench.record.expect_eq("type and code", seen, (0, 0));
    let sent = {
        let input = bench.input(FAR, ME, &echo(b"data"));
        bench.record.expect_eq("of the echo request", input, Input::Consumed);
        bench.expect_sent()
    };
    bench.record.expect_eq("where the reply goes", sent.header.dst, FAR.into());
}

fn the_reply_has_all_the_data(bench: &mut Bench) {
    for len in [0, 1, 2, 3, 56, 57, 1472, 1473, 9000, 65_507] {
        let data: Vec<u8> = (0..len).map(|n: u32| (n * 7 + n / 256) as u8).collect();
        let sent = reply(bench, ME, &echo(&data));
        bench.record.expect_eq("the length of the data", sent.bytes.len() - 8, data.len());
        bench.record.expect("the data as it came", sent.bytes[8..] == data[..]);
    }
}

fn the_reply_has_identifier_and_sequence_number(bench: &mut Bench) {
    for word in [[0, 0, 0, 0], [0x12, 0x34, 0x56, 0x78], [0xff, 0xff, 0xff, 0xff]] {
        let request = message(&[&[8, 0, 0, 0], &word[..], b"data"].concat());
        let sent = reply(bench, ME, &request);
        let seen = sent.bytes[4..8].to_vec();
        bench.record.expect_eq("identifier and sequence number", seen, word.to_vec());
    }
}

fn the_reply_comes_from_the_address_that_was_asked(bench: &mut Bench) {
    for asked in [ME, ME_TOO, ME] {
        let sent = reply(bench, asked, &echo(b"data"));
        bench.record.expect_eq("the reply's source", sent.header.src, IpAddr::V4(asked));
    }
}

/// Among all of these sums one carries, and one is 0xffff.
fn the_reply_s_checksum_is_right(bench: &mut Bench) {
    for word in (0..=0xffff_u16).step_by(0x101) {
        let [high, low] = word.to_be_bytes();
        for data in [&[high, low][..], &[high, low, 0xff], &[0xff; 55]] {
            let request = message(&[&[8, 0, 0, 0, high, low, low, high], data].concat());
            // It is the bench that sums.
            let _ = reply(bench, ME, &request);
        }
    }
}

fn a_bad_checksum_is_discarded(bench: &mut Bench) {
    let good = echo(b"some data");
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let input = bench.input(PEER, ME, &bad);
        bench.expect_dropped(input);
    }
    bench.expect_alive();
}

fn a_checksum_that_the_device_has_verified_is_not_summed(bench: &mut Bench) {
    for checksum in [Checksum::Verified, Checksum::Partial { start: 0, offset: 2 }] {
        let mut request = echo(b"data");
        request[2] ^= 0x55;
        let mut packet = Packet::from_payload(&request);
        packet.set_checksum(checksum);
        let input = bench.input_packet(PEER, ME, packet);
        bench.record.expect_eq("of the echo request", input, Input::Consumed);
        let _ = bench.expect_sent();
    }
}

fn the_reply_has_a_ttl_of_its_own(bench: &mut Bench) {
    for ttl in [1, 2, 255] {
        bench.ttl = Ttl(ttl);
        let sent = reply(bench, ME, &echo(b"data"));
        let fresh = (32..=128).contains(&sent.header.ttl.0);
        bench.record.expect(&format!("a fresh ttl, not {}", sent.header.ttl.0), fresh);
    }
}

fn the_reply_has_the_precedence_of_the_request(bench: &mut Bench) {
    for precedence in 0..8 {
        bench.tos = Tos(precedence << 5);
        let sent = reply(bench, ME, &echo(b"data"));
        bench.record.expect_eq("the precedence", sent.header.tos.0 >> 5, precedence);
    }
}

fn the_reply_has_the_tos_of_the_request(bench: &mut Bench) {
    for tos in [0, 0x10, 0x08, 0x1c, 0xb8, 0xfc] {
        bench.tos = Tos(tos);
        let sent = reply(bench, ME, &echo(b"data"));
        bench.record.expect_eq("the service class", sent.header.tos.0 & 0xfc, tos);
    }
}

fn the_reply_does_not_copy_ecn(bench: &mut Bench) {
    for ecn in 0..4 {
        bench.tos = Tos(0xb8 | ecn);
        let sent = reply(bench, ME, &echo(b"data"));
        bench.record.expect_eq("the ECN field", sent.header.tos.0 & 3, 0);
    }
}

fn an_echo_reply_is_taken_and_not_answered(bench: &mut Bench) {
    let input = bench.input(PEER, ME, &message(&[0, 0, 0, 0, 1, 2, 3, 4, 5]));
    bench.record.expect_eq("of an echo reply", input, Input::Consumed);
    bench.expect_silence();
    bench.expect_alive();
}

fn an_echo_request_to_a_group_is_not_answered(bench: &mut Bench) {
    for (cast, dst) in [
        (Cast::Broadcast, Ipv4Addr::BROADCAST),
        (Cast::Broadcast, SUBNET),
        (Cast::Multicast, Ipv4Addr::new(224, 0, 0, 1)),
        (Cast::Broadcast, ME),
    ] {
        bench.cast = cast;
        let input = bench.input(PEER, dst, &echo(b"everybody"));
        bench.expect_dropped(input);
    }
    bench.expect_alive();
}

fn an_echo_request_from_a_group_is_not_answered(bench: &mut Bench) {
    for src in [Ipv4Addr::BROADCAST, SUBNET, Ipv4Addr::new(224, 0, 0, 1)] {
        let input = bench.input(src, ME, &echo(b"smurf"));
        bench.expect_dropped(input);
    }
    bench.expect_alive();
}

fn a_cut_echo_request_is_discarded(bench: &mut Bench) {
    for len in 0..8 {
        let input = bench.input(PEER, ME, &message(&echo(b"")[..len]));
        bench.expect_dropped(input);
    }
    bench.expect_alive();
}

fn echo_replies_keep_up_with_the_requests(bench: &mut Bench) {
    for _ in 0..2000 {
        let _ = reply(bench, ME, &echo(b"data"));
    }
}

fn an_echo_request_without_a_way_back_is_dropped(bench: &mut Bench) {
    let input = bench.input(NOWHERE, ME, &echo(b"data"));
    bench.expect_dropped(input);
    bench.expect_alive();
}

/// A loose source route that went over 10.0.0.7 and has ended.
fn a_source_route_is_reversed(bench: &mut Bench) {
    bench.options = Options::from_wire(&[131, 7, 8, 10, 0, 0, 7, 0]).expect("eight bytes");
    let sent = reply(bench, ME, &echo(b"data"));
    let options = sent.header.options.as_wire().to_vec();
    let expected = vec![131, 7, 4, 10, 0, 0, 7, 0];
    bench.record.expect_eq("the options of the reply", options, expected);
}

/// Room for two addresses, of which a router took one.
fn a_recorded_route_comes_back(bench: &mut Bench) {
    let route = [7, 11, 8, 10, 0, 0, 254, 0, 0, 0, 0, 0];
    bench.options = Options::from_wire(&route).expect("twelve bytes");
    let sent = reply(bench, ME, &echo(b"data"));
    let options = sent.header.options.as_wire().to_vec();
    let expected = vec![7, 11, 12, 10, 0, 0, 254, 10, 0, 0, 1, 0];
    bench.record.expect_eq("the options of the reply", options, expected);
}
