//! Datagrams: what is sent in one piece comes in one piece.

use ip::{Readiness, SocketError};
use netdev::cases;
use tcp::ReceiveFlags;

use super::bench::{Bench, at};
use super::{A, ALL, B, Host, Kind, Make, Setting};

cases! { ($) datagram_cases: Make, Bench;
    Must 2 "RFC 768, User Interface" a_datagram_tells_who_sent_it
        "\"… receive operations on the receive ports that return the data octets and an \
         indication of source port and source address …\"";
    Must 2 "POSIX recv()" each_datagram_comes_by_itself
        "For message-based sockets one call gives one message.";
    Must 2 "POSIX recv()" a_datagram_that_does_not_fit_is_cut_off
        "The excess bytes are discarded, and MSG_TRUNC tells of it.";
    Must 2 "RFC 768, Length" an_empty_datagram_is_a_datagram
        "The minimum value of the length is eight: no data at all, and not the end of anything.";
    Must 1 "POSIX recv()" a_receive_of_datagrams_does_not_wait
        "EAGAIN where the socket does not block and no message is there.";
    Must 1 "POSIX recv()" a_peeked_datagram_stays
        "MSG_PEEK: the next receive gives it still.";
    Must 2 "POSIX send()" a_datagram_without_a_destination_is_refused
        "EDESTADDRREQ: the socket is not connected, and no address is given.";
    Must 2 "POSIX sendto()" a_datagram_that_is_too_long_is_refused
        "EMSGSIZE: the message cannot be sent all at once; nothing of it is.";
    Must 2 "RFC 1122 §3.3.3" a_datagram_longer_than_a_packet_arrives
        "It is fragmented, and put together again.";
    Ours 2 "ip(7), IP_MTU_DISCOVER" a_datagram_that_may_not_be_fragmented_is_refused
        "EMSGSIZE where it is longer than the MTU and DF is set.";
    Must 3 "POSIX sendto()" a_broadcast_needs_a_permission
        "EACCES where SO_BROADCAST is not set.";
    Must 3 "RFC 1122 §3.3.6" a_broadcast_reaches_who_is_bound_to_every_address
        "With the permission it goes to every host of the network.";
    Ours 1 "udp(7)" a_broadcast_does_not_come_to_who_is_bound_to_one_address
        "Whoever is bound to one address hears what is sent to that one.";
    Must 1 "RFC 1122 §4.1.4" a_datagram_without_a_route_is_refused
        "What IP tells is passed on: ENETUNREACH.";
}

fn a_datagram_tells_who_sent_it(bench: &mut Bench) {
    let server = bench.datagrams(Host::B, at(B, 7));
    let client = bench.datagrams(Host::A, at(A, 1234));
    bench.send_well_to(client, at(B, 7), b"ping");
    let message = bench.expect_message(server, b"ping");
    bench.expect_eq("the source", message.from, Some(at(A, 1234)));
    bench.send_well_to(server, at(A, 1234), b"pong");
    let message = bench.expect_message(client, b"pong");
    bench.expect_eq("the source", message.from, Some(at(B, 7)));
}

fn each_datagram_comes_by_itself(bench: &mut Bench) {
    let (left, right) = bench.connected_datagrams();
    bench.send_well(left, b"one");
    bench.send_well(left, b"two");
    bench.send_well(left, b"three");
    for expected in [&b"one"[..], b"two", b"three"] {
        bench.expect_message(right, expected);
    }
    bench.expect_nothing(right);
}

fn a_datagram_that_does_not_fit_is_cut_off(bench: &mut Bench) {
    let (left, right) = bench.connected_datagrams();
    bench.send_well(left, b"too long for this");
    bench.send_well(left, b"next");
    let (data, message) = bench.next_message(right, 8);
    bench.expect_eq("the beginning", &data[..], b"too long");
    bench.expect_eq("the whole length", message.whole, 17);
    bench.expect_message(right, b"next");
}

fn an_empty_datagram_is_a_datagram(bench: &mut Bench) {
    let (left, right) = bench.connected_datagrams();
    bench.send_well(left, b"");
    bench.send_well(left, b"not the end");
    let message = bench.expect_message(right, b"");
    bench.expect_eq("the source", message.from, Some(at(A, 1000)));
    bench.expect_message(right, b"not the end");
}

fn a_receive_of_datagrams_does_not_wait(bench: &mut Bench) {
    let (left, right) = bench.connected_datagrams();
    bench.expect_nothing(right);
    bench.send_well(left, b"now");
    bench.expect_message(right, b"now");
    bench.expect_nothing(right);
}

fn a_peeked_datagram_stays(bench: &mut Bench) {
    let (left, right) = bench.connected_datagrams();
    bench.send_well(left, b"peek");
    bench.wait(right, Readiness::READABLE);
    let peeked = bench.receive_message(right, 100, ReceiveFlags::PEEK);
    let (peeked, _) = bench.ok("the datagram", peeked);
    bench.expect_eq("the datagram", &peeked[..], b"peek");
    bench.expect_message(right, b"peek");
    bench.expect_nothing(right);
}

fn a_datagram_without_a_destination_is_refused(bench: &mut Bench) {
    let socket = bench.open(Host::A, Kind::Datagram);
    let sent = bench.send(socket, b"where?");
    bench.expect_error(sent, SocketError::DestinationRequired);
}

fn a_datagram_that_is_too_long_is_refused(bench: &mut Bench) {
    let (left, right) = bench.connected_datagrams();
    let sent = bench.send(left, &vec![0; 65_536]);
    bench.expect_error(sent, SocketError::MessageTooLong);
    // 65,535 bytes less both headers.
    let sent = bench.send(left, &vec![0; 65_508]);
    bench.expect_error(sent, SocketError::MessageTooLong);
    bench.settle();
    bench.expect_nothing(right);
}

fn a_datagram_longer_than_a_packet_arrives(bench: &mut Bench) {
    let (left, right) = bench.connected_datagrams();
    let data: Vec<u8> = (0..8000u32).map(|at| (at % 253) as u8).collect();
    bench.send_well(left, &data);
    let (got, message) = bench.next_message(right, 10_000);
    bench.expect("the bytes are those that were sent", got == data);
    bench.expect_eq("its length", message.whole, 8000);
}

fn a_datagram_that_may_not_be_fragmented_is_refused(bench: &mut Bench) {
    let (left, right) = bench.connected_datagrams();
    bench.set_well(left, Setting::DontFragment(true));
    let sent = bench.send(left, &[0; 1473]);
    bench.expect_error(sent, SocketError::MessageTooLong);
    bench.send_well(left, &[1; 1472]);
    bench.expect_message(right, &[1; 1472]);
}

fn a_broadcast_needs_a_permission(bench: &mut Bench) {
    let everybody = bench.datagrams(Host::B, at("0.0.0.0", 7));
    let sender = bench.datagrams(Host::A, at(A, 1234));
    let sent = bench.send_to(sender, at(ALL, 7), b"not allowed");
    bench.expect_error(sent, SocketError::Denied);
    bench.settle();
    bench.expect_nothing(everybody);
}

fn a_broadcast_reaches_who_is_bound_to_every_address(bench: &mut Bench) {
    let everybody = bench.datagrams(Host::B, at("0.0.0.0", 7));
    let sender = bench.datagrams(Host::A, at(A, 1234));
    bench.set_well(sender, Setting::Broadcast(true));
    bench.send_well_to(sender, at(ALL, 7), b"everybody");
    let message = bench.expect_message(everybody, b"everybody");
    bench.expect_eq("the source", message.from, Some(at(A, 1234)));
}

fn a_broadcast_does_not_come_to_who_is_bound_to_one_address(bench: &mut Bench) {
    let one = bench.datagrams(Host::B, at(B, 7));
    let sender = bench.datagrams(Host::A, at(A, 1234));
    bench.set_well(sender, Setting::Broadcast(true));
    bench.send_well_to(sender, at(ALL, 7), b"everybody");
    bench.send_well_to(sender, at(B, 7), b"you");
    bench.expect_message(one, b"you");
}

fn a_datagram_without_a_route_is_refused(bench: &mut Bench) {
    let socket = bench.open(Host::A, Kind::Datagram);
    let sent = bench.send_to(socket, at(super::NOWHERE, 7), b"lost");
    bench.expect_error(sent, SocketError::NetworkUnreachable);
}
