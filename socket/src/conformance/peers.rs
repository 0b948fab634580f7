//! Datagram sockets with a peer, and the ICMP errors that they are told.

use ip::{Readiness, SocketError};
use netdev::cases;

use super::bench::{Bench, at};
use super::{A, B, Host, Kind, Make, NOBODY, Socket};

cases! { ($) peer_cases: Make, Bench;
    Must 1 "POSIX connect()" a_connected_datagram_socket_needs_no_destination
        "The peer's address is where later sends go.";
    Must 2 "POSIX connect()" a_connected_datagram_socket_hears_its_peer_alone
        "The peer's address also limits who is heard: neither another host nor another port.";
    Must 1 "POSIX connect()" a_datagram_socket_may_be_connected_again
        "The peer changes; the old one is heard no longer.";
    Must 2 "POSIX connect()" a_disconnected_datagram_socket_hears_everybody
        "With AF_UNSPEC the peer's address is reset.";
    Must 3 "RFC 1122 §4.1.3.3" a_port_without_a_socket_refuses
        "\"UDP MUST pass to the application layer all ICMP error messages that it receives from the \
         IP layer.\" A port unreachable is ECONNREFUSED.";
    Must 2 "POSIX getsockopt(), SO_ERROR" a_refusal_is_told_once
        "The next call after it works.";
    Ours 1 "udp(7)" a_refusal_is_told_by_a_send_too
        "By whichever call comes first.";
    Ours 2 "RFC 1122 §4.1.3.3" an_unconnected_datagram_socket_is_not_told
        "It talks to many, and would have to guess which of them is meant.";
    Must 2 "RFC 1122 §2.3.2.2" a_datagram_to_a_silent_neighbour_is_told
        "The link layer tells that there is no such host: EHOSTUNREACH.";
    Ours 2 "udp(7)" the_most_specific_socket_receives
        "Of two at a port, a connected one comes before one that is only bound.";
}

fn a_connected_datagram_socket_needs_no_destination(bench: &mut Bench) {
    let (left, right) = bench.connected_datagrams();
    bench.send_well(left, b"there");
    bench.expect_message(right, b"there");
    bench.send_well(right, b"back");
    bench.expect_message(left, b"back");
}

fn a_connected_datagram_socket_hears_its_peer_alone(bench: &mut Bench) {
    let (left, right) = bench.connected_datagrams();
    let other_port = bench.datagrams(Host::A, at(A, 1001));
    bench.send_well_to(other_port, at(B, 2000), b"another port");
    let itself = bench.datagrams(Host::B, at(B, 1000));
    bench.send_well_to(itself, at(B, 2000), b"another host");
    bench.send_well(left, b"the peer");
    bench.expect_message(right, b"the peer");
    bench.settle();
    bench.expect_nothing(right);
}

fn a_datagram_socket_may_be_connected_again(bench: &mut Bench) {
    let (left, right) = bench.connected_datagrams();
    let other = bench.datagrams(Host::A, at(A, 1001));
    let again = bench.connect(right, at(A, 1001));
    bench.ok("another connect", again);
    let peer = bench.peer(right);
    bench.expect_eq("the peer", peer, Ok(at(A, 1001)));
    bench.send_well(left, b"the old one");
    bench.send_well_to(other, at(B, 2000), b"the new one");
    bench.expect_message(right, b"the new one");
    bench.settle();
    bench.expect_nothing(right);
}

fn a_disconnected_datagram_socket_hears_everybody(bench: &mut Bench) {
    let (_, right) = bench.connected_datagrams();
    let disconnected = bench.disconnect(right);
    bench.ok("a disconnect", disconnected);
    let peer = bench.peer(right);
    bench.expect_error(peer, SocketError::NotConnected);
    let other = bench.datagrams(Host::A, at(A, 1001));
    bench.send_well_to(other, at(B, 2000), b"anybody");
    bench.expect_message(right, b"anybody");
    let sent = bench.send(right, b"to whom?");
    bench.expect_error(sent, SocketError::DestinationRequired);
}

/// A socket whose peer has none at the port, and was sent something.
fn refused(bench: &mut Bench) -> Socket {
    let client = bench.datagrams(Host::A, at(A, 1234));
    let connected = bench.connect(client, at(B, 9));
    bench.ok("a connect", connected);
    bench.send_well(client, b"anybody?");
    bench.wait(client, Readiness::ERROR);
    client
}

fn a_port_without_a_socket_refuses(bench: &mut Bench) {
    let client = refused(bench);
    let got = bench.receive(client, 100);
    bench.expect_error(got, SocketError::Refused);
}

fn a_refusal_is_told_once(bench: &mut Bench) {
    let client = refused(bench);
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::Refused));
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR once more", error, None);
    bench.expect_not_ready(client, Readiness::ERROR | Readiness::READABLE);
    let server = bench.datagrams(Host::B, at(B, 9));
    bench.send_well(client, b"now?");
    bench.expect_message(server, b"now?");
}

fn a_refusal_is_told_by_a_send_too(bench: &mut Bench) {
    let client = refused(bench);
    let sent = bench.send(client, b"hello?");
    bench.expect_error(sent, SocketError::Refused);
}

fn an_unconnected_datagram_socket_is_not_told(bench: &mut Bench) {
    let client = bench.datagrams(Host::A, at(A, 1234));
    let server = bench.datagrams(Host::B, at(B, 7));
    bench.send_well_to(client, at(B, 9), b"nobody is here");
    bench.settle();
    bench.expect_not_ready(client, Readiness::ERROR);
    bench.send_well_to(client, at(B, 7), b"somebody is here");
    bench.expect_message(server, b"somebody is here");
}

fn a_datagram_to_a_silent_neighbour_is_told(bench: &mut Bench) {
    let client = bench.open(Host::A, Kind::Datagram);
    let connected = bench.connect(client, at(NOBODY, 7));
    bench.ok("a connect", connected);
    bench.send_well(client, b"anybody?");
    bench.wait(client, Readiness::ERROR);
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::HostUnreachable));
}

fn the_most_specific_socket_receives(bench: &mut Bench) {
    use super::Setting::ReuseAddr;
    let sockets = [0; 2].map(|_| bench.open(Host::B, Kind::Datagram));
    for socket in sockets {
        bench.set_well(socket, ReuseAddr(true));
        let bound = bench.bind(socket, at(B, 2000));
        bench.ok("a bind", bound);
    }
    let [connected, bound] = sockets;
    let peer = bench.connect(connected, at(A, 1000));
    bench.ok("a connect", peer);
    for (port, message) in [(1000, &b"the peer"[..]), (1001, b"another")] {
        let sender = bench.datagrams(Host::A, at(A, port));
        bench.send_well_to(sender, at(B, 2000), message);
    }
    bench.expect_message(connected, b"the peer");
    bench.expect_message(bound, b"another");
    bench.expect_nothing(connected);
    bench.expect_nothing(bound);
}
