//! Connections begin: connect, listen, accept.

use ip::{Readiness, SocketError};
use netdev::cases;
use tcp::Shutdown;

use super::bench::{Bench, at};
use super::{A, B, Host, Make, NOBODY, NOWHERE};

cases! { ($) opening_cases: Make, Bench;
    Must 2 "POSIX connect()" a_connect_that_does_not_wait_is_in_progress
        "A connect that cannot be completed at once fails with EINPROGRESS, and goes on.";
    Must 2 "POSIX connect()" a_connected_stream_becomes_writable
        "When the connection is there, poll tells that the socket can be written to; SO_ERROR is 0.";
    Must 3 "RFC 9293 §3.5.2" a_closed_port_refuses
        "\"If the connection does not exist (CLOSED), then a reset is sent in response to any \
         incoming segment except another reset.\"";
    Must 2 "RFC 9293 §3.9.1.1" a_refused_stream_can_say_why_once
        "The error of the failed connect waits in SO_ERROR, and taking it clears it.";
    Must 2 "POSIX connect()" a_network_without_a_route_is_told_at_once
        "ENETUNREACH: no route to the network is present.";
    Must 3 "RFC 1122 §2.3.2.2" a_neighbour_that_does_not_answer_is_told
        "The link layer tells that there is no such host, and connect fails with EHOSTUNREACH.";
    Must 4 "RFC 9293 §3.8.3 (MUST-20)" a_peer_that_never_answers_is_given_up
        "When the number of transmissions of the SYN reaches R2, the connection is closed: ETIMEDOUT.";
    Must 2 "POSIX connect()" a_connected_stream_cannot_be_connected_again
        "EISCONN: the socket is connected.";
    Must 2 "POSIX accept()" accept_does_not_wait
        "EAGAIN where the socket does not block and no connection is there.";
    Must 2 "POSIX accept()" connections_are_accepted_in_their_order
        "The first connection on the queue of pending ones is taken.";
    Must 2 "POSIX accept()" an_accepted_socket_tells_its_peer
        "The address of the peer comes with it, and is the one that it was connected from.";
    Must 2 "POSIX accept()" only_a_listener_accepts
        "EINVAL: the socket is not accepting connections.";
    Must 3 "POSIX listen()" the_backlog_bounds_what_waits
        "The backlog limits the queue of connections; as on every system one more may be there.";
    Ours 3 "RFC 9293 §3.9.1.1" a_full_backlog_puts_off_and_does_not_refuse
        "What finds the queue full comes again, and is taken when there is room.";
    Must 3 "RFC 9293 §3.10.4" a_listener_that_closes_resets_what_waits
        "Nobody will ever accept it: the peer is told by a reset.";
    Must 2 "RFC 9293 §3.9.1.2" a_listener_goes_on_after_its_connections
        "What it was asked to listen for does not end with the first.";
    Ours 1 "POSIX connect()" a_refused_stream_is_not_connected
        "It has no peer, and shutting it down is ENOTCONN.";
}

fn a_connect_that_does_not_wait_is_in_progress(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at(B, 80), 8);
    let client = bench.stream();
    let begun = bench.connect(client, at(B, 80));
    bench.expect_error(begun, SocketError::InProgress);
    bench.accept_well(listener);
}

fn a_connected_stream_becomes_writable(bench: &mut Bench) {
    bench.listener(Host::B, at(B, 80), 8);
    let client = bench.stream();
    let _ = bench.connect(client, at(B, 80));
    bench.wait(client, Readiness::WRITABLE);
    bench.expect_not_ready(client, Readiness::ERROR | Readiness::READABLE);
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR", error, None);
    let peer = bench.peer(client);
    bench.expect_eq("the peer", peer, Ok(at(B, 80)));
}

/// A stream on host A that was refused.
fn refused(bench: &mut Bench) -> super::Socket {
    let client = bench.stream();
    let begun = bench.connect(client, at(B, 81));
    bench.expect_error(begun, SocketError::InProgress);
    bench.wait(client, Readiness::ERROR);
    client
}

fn a_closed_port_refuses(bench: &mut Bench) {
    let client = refused(bench);
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::Refused));
}

fn a_refused_stream_can_say_why_once(bench: &mut Bench) {
    let client = refused(bench);
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::Refused));
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR once more", error, None);
    bench.expect_not_ready(client, Readiness::ERROR);
}

fn a_network_without_a_route_is_told_at_once(bench: &mut Bench) {
    let client = bench.stream();
    let begun = bench.connect(client, at(NOWHERE, 80));
    bench.expect_error(begun, SocketError::NetworkUnreachable);
}

fn a_neighbour_that_does_not_answer_is_told(bench: &mut Bench) {
    let client = bench.stream();
    let begun = bench.connect(client, at(NOBODY, 80));
    bench.expect_error(begun, SocketError::InProgress);
    bench.wait(client, Readiness::ERROR);
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::HostUnreachable));
}

fn a_peer_that_never_answers_is_given_up(bench: &mut Bench) {
    bench.lose(true);
    let client = bench.stream();
    let _ = bench.connect(client, at(B, 80));
    bench.settle();
    bench.expect_not_ready(client, Readiness::WRITABLE | Readiness::ERROR);
    bench.wait_at_most(client, Readiness::ERROR, 600 * super::SECOND);
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::TimedOut));
}

fn a_connected_stream_cannot_be_connected_again(bench: &mut Bench) {
    // The accepted end: the first call on one that has just been connected may still tell of that.
    let (_client, server) = bench.connection();
    let again = bench.connect(server, at(A, 80));
    bench.expect_error(again, SocketError::AlreadyConnected);
}

fn accept_does_not_wait(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at(B, 80), 8);
    let none = bench.accept(listener);
    bench.expect_error(none, SocketError::WouldBlock);
    // Also after one was there.
    bench.connection_to(listener);
    let none = bench.accept(listener);
    bench.expect_error(none, SocketError::WouldBlock);
}

fn connections_are_accepted_in_their_order(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at(B, 80), 8);
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let client = bench.stream();
            bench.connect_well(client, at(B, 80));
            bench.settle();
            bench.local(client)
        })
        .collect();
    let accepted: Vec<_> = (0..4).map(|_| bench.accept_well(listener).1).collect();
    bench.expect_eq("the peers, in order", accepted, clients);
}

fn an_accepted_socket_tells_its_peer(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at(B, 80), 8);
    let client = bench.stream();
    bench.connect_well(client, at(B, 80));
    let (server, from) = bench.accept_well(listener);
    let local = bench.local(client);
    bench.expect_eq("the address that accept gives", from, local);
    bench.expect_eq("its host", local.ip(), at(A, 0).ip());
    let peer = bench.peer(server);
    bench.expect_eq("the peer's address", peer, Ok(local));
}

fn only_a_listener_accepts(bench: &mut Bench) {
    let (client, _) = bench.connection();
    let fresh = bench.stream();
    for socket in [client, fresh] {
        let accepted = bench.accept(socket);
        bench.expect_error(accepted, SocketError::Invalid);
    }
}

/// A stream that connects, or tries to. One after the other: many SYNs at once may be answered with
/// cookies (RFC 4987 §3.6), and then the listener knows nothing of who found its queue full.
fn one_more(bench: &mut Bench) -> super::Socket {
    let client = bench.stream();
    let _ = bench.connect(client, at(B, 80));
    bench.settle();
    client
}

fn the_backlog_bounds_what_waits(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at(B, 80), 2);
    for _ in 0..6 {
        one_more(bench);
    }
    bench.wait(listener, Readiness::READABLE);
    bench.settle();
    let mut waited = 0;
    while bench.accept(listener).is_ok() {
        waited += 1;
    }
    bench.expect("two waited, or one more", (2..=3).contains(&waited));
}

fn a_full_backlog_puts_off_and_does_not_refuse(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at(B, 80), 1);
    let clients: Vec<_> = (0..4).map(|_| one_more(bench)).collect();
    for _ in &clients {
        bench.accept_well(listener);
    }
    for client in clients {
        bench.expect_not_ready(client, Readiness::ERROR);
    }
}

fn a_listener_that_closes_resets_what_waits(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at(B, 80), 8);
    let client = bench.stream();
    bench.connect_well(client, at(B, 80));
    bench.wait(listener, Readiness::READABLE);
    bench.close(listener);
    bench.wait(client, Readiness::ERROR);
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::Reset));
}

fn a_listener_goes_on_after_its_connections(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at(B, 80), 8);
    let (client, server) = bench.connection_to(listener);
    bench.close(client);
    bench.close(server);
    let (client, server) = bench.connection_to(listener);
    bench.send_well(client, b"the second");
    bench.expect_data(server, b"the second");
}

fn a_refused_stream_is_not_connected(bench: &mut Bench) {
    let client = refused(bench);
    let peer = bench.peer(client);
    bench.expect_error(peer, SocketError::NotConnected);
    bench.take_error(client);
    let shut = bench.shutdown(client, Shutdown::Write);
    bench.expect_error(shut, SocketError::NotConnected);
}
