//! Raw sockets: whole IP datagrams.

use ip::{Protocol, Readiness, SocketError};
use netdev::cases;
use netdev::checksum::Sum;

use super::bench::{Bench, at};
use super::{A, A_TOO, ALL, B, B_TOO, Host, Make, Setting, Socket};

cases! { ($) raw_cases: Make, Bench;
    Must 3 "RFC 1122 §3.2.2.6" an_echo_request_is_answered
        "\"Every host MUST implement an ICMP Echo server function …\"";
    Must 2 "RFC 1122 §3.2.2.6" one_s_own_address_answers_too
        "What is sent to an address of this host comes back to it.";
    Ours 2 "raw(7)" the_ip_header_comes_first
        "What is received begins with it, as it came.";
    Ours 2 "raw(7)" a_header_is_made_for_what_is_sent
        "With the socket's protocol, the route's source, and the TTL that was set.";
    Ours 2 "raw(7), IP_HDRINCL" a_header_of_one_s_own_is_sent
        "Length and checksum are filled in, source and identification where they are zero; the rest \
         stays.";
    Ours 1 "raw(7), IP_HDRINCL" a_header_that_is_none_is_refused
        "EINVAL where it is shorter than a header can be.";
    Must 2 "raw(7)" only_its_protocol_is_received
        "A socket of one protocol hears nothing of another.";
    Ours 2 "raw(7)" every_raw_socket_gets_a_copy
        "Each that asked for the protocol, and each a whole datagram.";
    Ours 1 "raw(7)" a_transport_still_gets_its_datagrams
        "Whoever looks on takes nothing away.";
    Must 2 "raw(7)" a_bound_raw_socket_hears_its_address_alone
        "What is sent to another address of the host is not for it.";
    Must 2 "raw(7)" a_connected_raw_socket_hears_its_peer_alone
        "And sends to it.";
    Must 1 "POSIX send()" a_raw_datagram_without_a_destination_is_refused
        "EDESTADDRREQ.";
    Must 1 "POSIX sendto()" a_raw_broadcast_needs_a_permission
        "EACCES where SO_BROADCAST is not set.";
    Should 3 "RFC 1122 §3.2.2.1" a_protocol_that_nobody_speaks_is_told
        "Protocol unreachable (code 2) \"when the designated transport protocol is not supported\": \
         ENOPROTOOPT to a connected socket.";
}

/// For experiments (RFC 3692).
const MINE: Protocol = Protocol(253);

/// An ICMP echo request, or the reply to it.
fn echo(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, 0x12, 0x34, 0, 1];
    message.extend(data);
    let check = Sum::default().bytes(&message).finish();
    message[2..4].copy_from_slice(&check.to_be_bytes());
    message
}

/// What comes after the IP header.
fn payload(datagram: &[u8]) -> &[u8] {
    let header = usize::from(datagram[0] & 0xf) * 4;
    &datagram[header..]
}

/// Receives until `payload` comes.
fn expect_payload(bench: &mut Bench, socket: Socket, expected: &[u8]) -> Vec<u8> {
    let (datagram, _) = bench.next_message(socket, 2048);
    bench.expect_eq("the payload", payload(&datagram), expected);
    datagram
}

fn an_echo_request_is_answered(bench: &mut Bench) {
    let socket = bench.raw(Host::A, Protocol::ICMP);
    bench.send_well_to(socket, at(B, 0), &echo(8, b"ping"));
    let (datagram, message) = bench.next_message(socket, 2048);
    bench.expect_eq("the source", message.from, Some(at(B, 0)));
    bench.expect_eq("the reply", payload(&datagram), &echo(0, b"ping"));
}

fn one_s_own_address_answers_too(bench: &mut Bench) {
    for addr in [A, "127.0.0.1"] {
        let socket = bench.raw(Host::A, Protocol::ICMP);
        bench.send_well_to(socket, at(addr, 0), &echo(8, b"myself"));
        expect_payload(bench, socket, &echo(8, b"myself"));
        expect_payload(bench, socket, &echo(0, b"myself"));
        bench.close(socket);
    }
}

fn the_ip_header_comes_first(bench: &mut Bench) {
    let socket = bench.raw(Host::A, Protocol::ICMP);
    bench.send_well_to(socket, at(B, 0), &echo(8, b"ping"));
    let (datagram, _) = bench.next_message(socket, 2048);
    bench.expect_eq("version and header length", datagram[0], 0x45);
    let length = u16::from_be_bytes([datagram[2], datagram[3]]);
    bench.expect_eq("the total length", usize::from(length), datagram.len());
    bench.expect_eq("the protocol", datagram[9], 1);
    bench.expect_eq("source and destination", &datagram[12..20], &[10, 0, 0, 2, 10, 0, 0, 1]);
    let sum = Sum::default().bytes(&datagram[..20]);
    bench.expect("the header's checksum is right", sum.is_valid());
}

fn a_header_is_made_for_what_is_sent(bench: &mut Bench) {
    let receiver = bench.raw(Host::B, MINE);
    let sender = bench.raw(Host::A, MINE);
    bench.set_well(sender, Setting::Ttl(7));
    bench.send_well_to(sender, at(B_TOO, 0), b"experiment");
    let datagram = expect_payload(bench, receiver, b"experiment");
    bench.expect_eq("TTL and protocol", &datagram[8..10], &[7, 253]);
    bench.expect_eq("source and destination", &datagram[12..20], &[10, 0, 1, 1, 10, 0, 1, 2]);
}

fn a_header_of_one_s_own_is_sent(bench: &mut Bench) {
    let receiver = bench.raw(Host::B, MINE);
    let sender = bench.raw(Host::A, MINE);
    bench.set_well(sender, Setting::HeaderIncluded(true));
    let mut datagram = vec![0x45, 0x10, 0, 0, 0, 0, 0, 0, 9, 253, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];
    datagram.extend(b"experiment");
    bench.send_well_to(sender, at(B, 0), &datagram);
    let got = expect_payload(bench, receiver, b"experiment");
    bench.expect_eq("the service class", got[1], 0x10);
    bench.expect_eq("the total length", &got[2..4], &[0, 30]);
    bench.expect_eq("TTL and protocol", &got[8..10], &[9, 253]);
    bench.expect_eq("the source, which was zero", &got[12..16], &[10, 0, 0, 1]);
    bench.expect("the checksum is right", Sum::default().bytes(&got[..20]).is_valid());
}

fn a_header_that_is_none_is_refused(bench: &mut Bench) {
    let sender = bench.raw(Host::A, MINE);
    bench.set_well(sender, Setting::HeaderIncluded(true));
    let sent = bench.send_to(sender, at(B, 0), &[0x45; 10]);
    bench.expect_error(sent, SocketError::Invalid);
}

fn only_its_protocol_is_received(bench: &mut Bench) {
    let other = bench.raw(Host::B, Protocol(254));
    let receiver = bench.raw(Host::B, MINE);
    let sender = bench.raw(Host::A, MINE);
    bench.send_well_to(sender, at(B, 0), b"experiment");
    expect_payload(bench, receiver, b"experiment");
    bench.expect_nothing(other);
}

fn every_raw_socket_gets_a_copy(bench: &mut Bench) {
    let receivers = [0; 3].map(|_| bench.raw(Host::B, MINE));
    let sender = bench.raw(Host::A, MINE);
    bench.send_well_to(sender, at(B, 0), b"for all");
    for receiver in receivers {
        expect_payload(bench, receiver, b"for all");
        bench.expect_nothing(receiver);
    }
}

fn a_transport_still_gets_its_datagrams(bench: &mut Bench) {
    let onlooker = bench.raw(Host::B, Protocol::UDP);
    let (left, right) = bench.connected_datagrams();
    bench.send_well(left, b"seen by both");
    bench.expect_message(right, b"seen by both");
    let (datagram, _) = bench.next_message(onlooker, 2048);
    let udp = payload(&datagram);
    bench.expect_eq("ports and length", &udp[..6], &[0x03, 0xe8, 0x07, 0xd0, 0, 20]);
    bench.expect_eq("the data", &udp[8..], b"seen by both");
}

fn a_bound_raw_socket_hears_its_address_alone(bench: &mut Bench) {
    let receiver = bench.raw(Host::B, MINE);
    let bound = bench.bind(receiver, at(B, 0));
    bench.ok("a bind", bound);
    let sender = bench.raw(Host::A, MINE);
    bench.send_well_to(sender, at(B_TOO, 0), b"the other address");
    bench.settle();
    bench.send_well_to(sender, at(B, 0), b"this address");
    expect_payload(bench, receiver, b"this address");
    let stranger = bench.raw(Host::B, MINE);
    let bound = bench.bind(stranger, at(A, 0));
    bench.expect_error(bound, SocketError::AddrNotAvailable);
}

fn a_connected_raw_socket_hears_its_peer_alone(bench: &mut Bench) {
    let receiver = bench.raw(Host::B, MINE);
    let connected = bench.connect(receiver, at(A_TOO, 0));
    bench.ok("a connect", connected);
    let sender = bench.raw(Host::A, MINE);
    bench.send_well_to(sender, at(B, 0), b"from 10.0.0.1");
    bench.settle();
    bench.send_well_to(sender, at(B_TOO, 0), b"from 10.0.1.1");
    expect_payload(bench, receiver, b"from 10.0.1.1");
    bench.send_well(receiver, b"back");
    let datagram = expect_payload(bench, sender, b"back");
    bench.expect_eq("source and destination", &datagram[12..20], &[10, 0, 1, 2, 10, 0, 1, 1]);
}

fn a_raw_datagram_without_a_destination_is_refused(bench: &mut Bench) {
    let socket = bench.raw(Host::A, MINE);
    let sent = bench.send(socket, b"where?");
    bench.expect_error(sent, SocketError::DestinationRequired);
}

fn a_raw_broadcast_needs_a_permission(bench: &mut Bench) {
    let receiver = bench.raw(Host::B, MINE);
    let sender = bench.raw(Host::A, MINE);
    let sent = bench.send_to(sender, at(ALL, 0), b"everybody");
    bench.expect_error(sent, SocketError::Denied);
    bench.set_well(sender, Setting::Broadcast(true));
    bench.send_well_to(sender, at(ALL, 0), b"everybody");
    expect_payload(bench, receiver, b"everybody");
}

fn a_protocol_that_nobody_speaks_is_told(bench: &mut Bench) {
    let socket = bench.raw(Host::A, MINE);
    let connected = bench.connect(socket, at(B, 0));
    bench.ok("a connect", connected);
    bench.send_well(socket, b"experiment");
    bench.wait(socket, Readiness::ERROR);
    let error = bench.take_error(socket);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::ProtocolUnreachable));
}
