//! What a socket sends, and under which header: RFC 1122 §4.1.3.5, §4.1.3.6 and §4.1.4.

use std::net::IpAddr;

use ip::{Cause, SocketError, Tos, Ttl};
use netdev::cases;

use super::Make;
use super::bench::{Bench, at};
use crate::Setting;
use ip::conformance::below::{ANY, ME, ME_TOO, NOWHERE, PEER, PEER_TOO};

cases! { ($) sending_cases: Make, Bench;
    Must 2 "RFC 1122 §4.1.3.5" a_bound_socket_sends_from_its_address
        "An application program MUST be able to specify the IP source address to be used for \
         sending a UDP datagram";
    Must 2 "RFC 1122 §4.1.3.5" else_the_route_s_source_is_taken
        "… or to leave it unspecified (in which case the networking software will choose an \
         appropriate source address).";
    Should 2 "RFC 1122 §4.1.3.5" the_chosen_source_is_told
        "There SHOULD be a way to communicate the chosen source address up to the application \
         layer";
    Must 2 "RFC 1122 §4.1.3.6" a_datagram_leaves_from_an_address_of_ours
        "When a host sends a UDP datagram, the source address MUST be (one of) the IP address(es) \
         of the host.";
    Must 2 "RFC 1122 §4.1.4" the_ttl_can_be_set
        "An application-layer program MUST be able to set the TTL and TOS values as well as IP \
         options for sending a UDP datagram, and these values must be passed transparently to the \
         IP layer.";
    Must 1 "RFC 1122 §3.2.1.7" a_ttl_of_zero_is_refused
        "A host MUST NOT send a datagram with a Time-to-Live (TTL) value of zero.";
    Must 2 "RFC 1122 §4.1.4" the_tos_can_be_set
        "An application-layer program MUST be able to set the TTL and TOS values as well as IP \
         options for sending a UDP datagram";
    Ours 1 "RFC 3168 §5" ecn_is_not_set_by_a_program
        "UDP does not react to congestion marks, and must not ask for them.";
    Must 2 "RFC 768" the_longest_datagram_is_sent
        "Length is the length in octets of this user datagram including this header and the data.";
    Ours 2 "RFC 768" a_longer_datagram_is_refused
        "What no length field can hold is an error, not a wrong length.";
    Ours 1 "RFC 1191" with_df_a_datagram_beyond_the_path_mtu_is_refused
        "Who sets DF wants to know the path MTU; who does not is fragmented.";
    Ours 1 "RFC 1122 §4.1.4" what_ip_refuses_is_told
        "A send that went nowhere does not look like one that went.";
    Ours 1 "RFC 1122 §3.3.1" without_a_route_nothing_is_sent
        "No route is an error of the call.";
    Ours 1 "RFC 768" a_destination_must_make_sense
        "No datagram goes to port zero or to the unspecified address.";
    Ours 1 "RFC 768" without_a_destination_nothing_is_sent
        "An unconnected socket has to be told where to.";
}

fn a_bound_socket_sends_from_its_address(bench: &mut Bench) {
    for ours in [ME, ME_TOO] {
        let socket = bench.bound(ours, 7);
        let (header, _) = bench.send_well(socket, at(PEER, 80), b"data");
        bench.record.expect_eq("the source", header.src, IpAddr::V4(ours));
    }
}

fn else_the_route_s_source_is_taken(bench: &mut Bench) {
    let socket = bench.bound(ANY, 7);
    for (to, ours) in [(PEER, ME), (PEER_TOO, ME_TOO), (PEER, ME)] {
        let (header, _) = bench.send_well(socket, at(to, 80), b"data");
        bench.record.expect_eq("the source", header.src, IpAddr::V4(ours));
    }
}

fn the_chosen_source_is_told(bench: &mut Bench) {
    let socket = bench.open();
    let seen = bench.connect(socket, Some(at(PEER_TOO, 80)));
    bench.record.expect_eq("of connect", seen, Ok(()));
    let local = bench.info(socket).local;
    bench.record.expect_eq("the local address", local.ip(), IpAddr::V4(ME_TOO));
    bench.record.expect("a local port", local.port() != 0);
}

fn a_datagram_leaves_from_an_address_of_ours(bench: &mut Bench) {
    let [bound, unbound, any] = [bench.bound(ME_TOO, 7), bench.open(), bench.bound(ANY, 9)];
    for socket in [bound, unbound, any] {
        for to in [PEER, PEER_TOO] {
            let (header, _) = bench.send_well(socket, at(to, 80), b"data");
            let ours = [ME, ME_TOO].map(IpAddr::V4).contains(&header.src);
            bench.record.expect(&format!("an address of ours, not {}", header.src), ours);
        }
    }
}

fn the_ttl_can_be_set(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let (header, _) = bench.send_well(socket, at(PEER, 80), b"data");
    bench.record.expect("a default ttl of 32 at least", header.ttl.0 >= 32);
    for ttl in [1, 7, 255] {
        bench.set_well(socket, Setting::Ttl(Ttl(ttl)));
        let (header, _) = bench.send_well(socket, at(PEER, 80), b"data");
        bench.record.expect_eq("the ttl", header.ttl, Ttl(ttl));
    }
}

fn a_ttl_of_zero_is_refused(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let seen = bench.set(socket, Setting::Ttl(Ttl(0)));
    bench.record.expect_eq("of the setting", seen, Err(SocketError::Invalid));
    let (header, _) = bench.send_well(socket, at(PEER, 80), b"data");
    bench.record.expect("the ttl as it was", header.ttl != Ttl(0));
}

fn the_tos_can_be_set(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    for tos in [0x10, 0xb8, 0] {
        bench.set_well(socket, Setting::Tos(Tos(tos)));
        let (header, _) = bench.send_well(socket, at(PEER, 80), b"data");
        bench.record.expect_eq("the service class", header.tos, Tos(tos));
    }
}

fn ecn_is_not_set_by_a_program(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    bench.set_well(socket, Setting::Tos(Tos(0xbb)));
    let (header, _) = bench.send_well(socket, at(PEER, 80), b"data");
    bench.record.expect_eq("the service class", header.tos, Tos(0xb8));
}

fn the_longest_datagram_is_sent(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let (_, packet) = bench.send_well(socket, at(PEER, 80), &[7; 65_507]);
    bench.record.expect_eq("bytes sent", packet.len(), 65_515);
    let length = u16::from_be_bytes([packet[4], packet[5]]);
    bench.record.expect_eq("the length field", length, 65_515);
}

fn a_longer_datagram_is_refused(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    for len in [65_508, 65_527, 65_528, 65_536, 100_000] {
        let seen = bench.send(socket, Some(at(PEER, 80)), &vec![7; len]);
        bench.record.expect_eq("of send", seen, Err(SocketError::MessageTooLong));
    }
    bench.expect_silence();
    let _ = bench.send_well(socket, at(PEER, 80), b"data");
}

fn with_df_a_datagram_beyond_the_path_mtu_is_refused(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let (header, _) = bench.send_well(socket, at(PEER, 80), &[7; 1473]);
    bench.record.expect_eq("DF", header.dont_fragment, false);
    bench.set_well(socket, Setting::DontFragment(true));
    let seen = bench.send(socket, Some(at(PEER, 80)), &[7; 1473]);
    bench.record.expect_eq("of send", seen, Err(SocketError::MessageTooLong));
    let (header, _) = bench.send_well(socket, at(PEER, 80), &[7; 1472]);
    bench.record.expect_eq("DF", header.dont_fragment, true);
}

fn what_ip_refuses_is_told(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    for (cause, error) in [
        (Cause::HostUnreachable, SocketError::HostUnreachable),
        (Cause::Prohibited, SocketError::HostUnreachable),
        (Cause::NetworkUnreachable, SocketError::NetworkUnreachable),
    ] {
        bench.below.refuse = Some(cause);
        let seen = bench.send(socket, Some(at(PEER, 80)), b"data");
        bench.record.expect_eq("of send", seen, Err(error));
    }
    bench.below.refuse = None;
    let _ = bench.send_well(socket, at(PEER, 80), b"data");
}

fn without_a_route_nothing_is_sent(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let seen = bench.send(socket, Some(at(NOWHERE, 80)), b"data");
    bench.record.expect_eq("of send", seen, Err(SocketError::NetworkUnreachable));
    bench.expect_silence();
    let _ = bench.send_well(socket, at(PEER, 80), b"data");
}

fn a_destination_must_make_sense(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    for to in [at(PEER, 0), at(ANY, 80)] {
        let seen = bench.send(socket, Some(to), b"data");
        bench.record.expect_eq("of send", seen, Err(SocketError::Invalid));
    }
    bench.expect_silence();
    let _ = bench.send_well(socket, at(PEER, 80), b"data");
}

fn without_a_destination_nothing_is_sent(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let seen = bench.send(socket, None, b"data");
    bench.record.expect_eq("of send", seen, Err(SocketError::DestinationRequired));
    bench.expect_silence();
}
