//! Addresses: a socket's own, its peer's, and how they are chosen.

use ip::SocketError;
use netdev::cases;

use super::bench::{Bench, at};
use super::{A, A_TOO, B, B_TOO, Host, Kind, Make};

cases! { ($) name_cases: Make, Bench;
    Must 2 "POSIX getsockname()" both_ends_of_a_connection_agree_on_its_names
        "The one's own address is the other's peer.";
    Must 1 "POSIX getpeername()" what_is_not_connected_has_no_peer
        "ENOTCONN, also of a listener.";
    Must 1 "POSIX getsockname()" a_fresh_socket_has_no_port
        "What was not bound has the unspecified address and port 0.";
    Must 3 "RFC 1122 §3.3.4.3" the_source_is_that_of_the_route
        "The local address is chosen by the interface that leads to the peer.";
    Must 2 "RFC 1122 §4.1.3.5" a_wildcard_socket_sends_from_the_route_s_address
        "Each datagram has the address of the interface that it leaves by, and the port that was \
         bound.";
    Must 3 "RFC 9293 §3.9.1.1" a_wildcard_listener_takes_every_address
        "A passive open without a local address takes connections to any; each has the address that \
         its peer asked for.";
    Must 2 "RFC 9293 §3.9.1.1 (MUST-43)" a_listener_at_one_address_takes_that_alone
        "Its other addresses are closed.";
    Must 1 "RFC 9293 §3.3.1" each_address_may_have_a_listener_of_its_own
        "And each gets what is meant for it.";
    Must 2 "RFC 9293 §3.9.1.1 (MUST-43)" a_bound_stream_connects_from_there
        "What the program chose is kept, port and address.";
    Must 2 "RFC 1122 §3.2.1.3 (g)" loopback_stays_within_the_host
        "Who listens on 127.0.0.1 is not reached from another host, and is from this one.";
    Must 2 "RFC 1122 §3.2.1.3 (g)" loopback_works_by_every_own_address
        "A stream to an address of this host comes back to it, on whichever interface.";
    Ours 1 "udp(7)" a_datagram_to_oneself_comes_back
        "From the address that it was sent to.";
}

fn both_ends_of_a_connection_agree_on_its_names(bench: &mut Bench) {
    let (client, server) = bench.connection();
    let (mine, yours) = (bench.local(client), bench.local(server));
    bench.expect_eq("the client's host", mine.ip(), at(A, 0).ip());
    bench.expect_eq("the server", yours, at(B, 80));
    let (of_client, of_server) = (bench.peer(client), bench.peer(server));
    bench.expect_eq("the client's peer", of_client, Ok(yours));
    bench.expect_eq("the server's peer", of_server, Ok(mine));
}

fn what_is_not_connected_has_no_peer(bench: &mut Bench) {
    let sockets =
        [bench.stream(), bench.listener(Host::B, at(B, 80), 8), bench.datagrams(Host::A, at(A, 7))];
    for socket in sockets {
        let peer = bench.peer(socket);
        bench.expect_error(peer, SocketError::NotConnected);
    }
    let [_, _, datagrams] = sockets;
    let connected = bench.connect(datagrams, at(B, 7));
    bench.ok("a connect", connected);
    let peer = bench.peer(datagrams);
    bench.expect_eq("the peer", peer, Ok(at(B, 7)));
}

fn a_fresh_socket_has_no_port(bench: &mut Bench) {
    for kind in [Kind::Stream, Kind::Datagram] {
        let socket = bench.open(Host::A, kind);
        let local = bench.local(socket);
        bench.expect_eq("its address", local, at("0.0.0.0", 0));
        let bound = bench.bind(socket, at("0.0.0.0", 700));
        bench.ok("a bind", bound);
        let local = bench.local(socket);
        bench.expect_eq("its address", local, at("0.0.0.0", 700));
    }
}

fn the_source_is_that_of_the_route(bench: &mut Bench) {
    for (there, here) in [(B, A), (B_TOO, A_TOO)] {
        bench.listener(Host::B, at(there, 80), 8);
        let stream = bench.stream();
        bench.connect_well(stream, at(there, 80));
        let datagrams = bench.open(Host::A, Kind::Datagram);
        let connected = bench.connect(datagrams, at(there, 7));
        bench.ok("a connect", connected);
        for socket in [stream, datagrams] {
            let local = bench.local(socket);
            bench.expect_eq("its address", local.ip(), at(here, 0).ip());
            bench.expect("it has a port", local.port() != 0);
        }
    }
}

fn a_wildcard_socket_sends_from_the_route_s_address(bench: &mut Bench) {
    let sender = bench.datagrams(Host::A, at("0.0.0.0", 5000));
    for (there, here) in [(B, A), (B_TOO, A_TOO)] {
        let receiver = bench.datagrams(Host::B, at(there, 7));
        bench.send_well_to(sender, at(there, 7), b"from where?");
        let message = bench.expect_message(receiver, b"from where?");
        bench.expect_eq("the source", message.from, Some(at(here, 5000)));
    }
    let local = bench.local(sender);
    bench.expect_eq("its own address still", local, at("0.0.0.0", 5000));
}

fn a_wildcard_listener_takes_every_address(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at("0.0.0.0", 80), 8);
    for there in [B, B_TOO] {
        let client = bench.stream();
        bench.connect_well(client, at(there, 80));
        let (server, _) = bench.accept_well(listener);
        let local = bench.local(server);
        bench.expect_eq("the address that was asked for", local, at(there, 80));
    }
    let local = bench.local(listener);
    bench.expect_eq("the listener's address", local, at("0.0.0.0", 80));
}

fn a_listener_at_one_address_takes_that_alone(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at(B, 80), 8);
    let client = bench.stream();
    let _ = bench.connect(client, at(B_TOO, 80));
    bench.wait(client, ip::Readiness::ERROR);
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::Refused));
    bench.connection_to(listener);
}

fn each_address_may_have_a_listener_of_its_own(bench: &mut Bench) {
    let listeners = [B, B_TOO].map(|addr| (addr, bench.listener(Host::B, at(addr, 80), 8)));
    for (addr, listener) in listeners {
        let client = bench.stream();
        bench.connect_well(client, at(addr, 80));
        let (server, _) = bench.accept_well(listener);
        bench.send_well(server, addr.as_bytes());
        bench.expect_data(client, addr.as_bytes());
    }
}

fn a_bound_stream_connects_from_there(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at(B, 80), 8);
    let client = bench.bound(Host::A, Kind::Stream, at(A, 4321));
    bench.connect_well(client, at(B, 80));
    let (_, from) = bench.accept_well(listener);
    bench.expect_eq("the peer", from, at(A, 4321));
}

fn loopback_stays_within_the_host(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at("127.0.0.1", 80), 8);
    let outside = bench.stream();
    let _ = bench.connect(outside, at(B, 80));
    bench.wait(outside, ip::Readiness::ERROR);
    let error = bench.take_error(outside);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::Refused));
    let inside = bench.open(Host::B, Kind::Stream);
    bench.connect_well(inside, at("127.0.0.1", 80));
    let (_, from) = bench.accept_well(listener);
    bench.expect_eq("the peer's address", from.ip(), at("127.0.0.1", 0).ip());
}

fn loopback_works_by_every_own_address(bench: &mut Bench) {
    let listener = bench.listener(Host::A, at("0.0.0.0", 80), 8);
    for addr in ["127.0.0.1", A, A_TOO] {
        let client = bench.stream();
        bench.connect_well(client, at(addr, 80));
        let (server, _) = bench.accept_well(listener);
        bench.send_well(client, b"to myself");
        bench.expect_data(server, b"to myself");
        let (mine, yours) = (bench.local(client), bench.peer(server));
        bench.expect_eq("the address of the one is the other's peer", yours, Ok(mine));
    }
}

fn a_datagram_to_oneself_comes_back(bench: &mut Bench) {
    for addr in ["127.0.0.1", A, A_TOO] {
        let socket = bench.datagrams(Host::A, at(addr, 7));
        bench.send_well_to(socket, at(addr, 7), b"to myself");
        let message = bench.expect_message(socket, b"to myself");
        bench.expect_eq("the source", message.from, Some(at(addr, 7)));
    }
}
