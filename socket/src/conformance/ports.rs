//! Who has which port.

use ip::{Readiness, SocketError};
use netdev::cases;

use super::bench::{Bench, at};
use super::{A, A_TOO, B, B_TOO, Host, Kind, Make, Setting};

cases! { ($) port_cases: Make, Bench;
    Must 1 "POSIX bind(); RFC 6056 §3.2" an_ephemeral_port_is_chosen
        "For port 0, one that is neither zero nor one of the well-known ones.";
    Must 2 "POSIX bind()" ephemeral_ports_differ
        "An address that is in use is not given to another.";
    Must 2 "POSIX bind()" a_port_is_bound_once
        "EADDRINUSE: the specified address is already in use.";
    Must 1 "POSIX bind()" a_socket_is_bound_once
        "EINVAL: the socket is already bound to an address.";
    Must 1 "RFC 768; RFC 9293 §3.1" streams_and_datagrams_have_ports_of_their_own
        "The same number in each protocol names another port.";
    Must 2 "POSIX bind()" the_wildcard_is_every_address
        "Whoever is bound to all of them is in the way of one that wants one.";
    Must 2 "POSIX bind()" the_same_port_may_be_bound_on_each_address
        "Two addresses, two endpoints.";
    Must 2 "RFC 1122 §3.3.4.2" another_host_s_address_cannot_be_bound
        "EADDRNOTAVAIL: the address is not available from the local machine.";
    Must 3 "RFC 9293 §3.3.1" a_connection_has_the_port_of_its_own_address_alone
        "At another address of the host the port is free.";
    Must 1 "POSIX close()" a_closed_socket_gives_its_port_back
        "What is closed is in nobody's way.";
    Ours 2 "socket(7), SO_REUSEADDR" datagram_sockets_may_share_a_port
        "Where all of them say so.";
    Must 2 "POSIX setsockopt(), SO_REUSEADDR" sharing_needs_the_consent_of_both
        "One that did not say so keeps its port to itself.";
    Must 2 "socket(7), SO_REUSEADDR" a_listener_shares_its_port_with_nobody
        "Not with the option either, as long as it listens.";
    Must 3 "RFC 9293 §3.9.1.2; socket(7), SO_REUSEADDR" a_server_may_start_again_in_time_wait
        "With the option a port is free while old connections of it are in TIME-WAIT; without, it \
         is in use.";
    Ours 2 "listen(2)" a_listener_without_a_port_is_given_one
        "Whoever listens without a bind gets an ephemeral port, on every address.";
}

fn an_ephemeral_port_is_chosen(bench: &mut Bench) {
    for kind in [Kind::Stream, Kind::Datagram] {
        let socket = bench.bound(Host::A, kind, at(A, 0));
        let local = bench.local(socket);
        bench.expect("its port is 1024 or more", local.port() >= 1024);
        bench.expect_eq("its address", local.ip(), at(A, 0).ip());
    }
}

fn ephemeral_ports_differ(bench: &mut Bench) {
    for kind in [Kind::Stream, Kind::Datagram] {
        let mut ports = std::collections::BTreeSet::new();
        for _ in 0..20 {
            let socket = bench.bound(Host::A, kind, at(A, 0));
            ports.insert(bench.local(socket).port());
        }
        bench.expect_eq("ports in use", ports.len(), 20);
    }
}

fn a_port_is_bound_once(bench: &mut Bench) {
    for kind in [Kind::Stream, Kind::Datagram] {
        bench.bound(Host::A, kind, at(A, 700));
        let second = bench.open(Host::A, kind);
        let bound = bench.bind(second, at(A, 700));
        bench.expect_error(bound, SocketError::AddrInUse);
        let bound = bench.bind(second, at(A, 701));
        bench.ok("a bind to another port", bound);
    }
}

fn a_socket_is_bound_once(bench: &mut Bench) {
    for kind in [Kind::Stream, Kind::Datagram] {
        let socket = bench.bound(Host::A, kind, at(A, 700));
        let again = bench.bind(socket, at(A, 701));
        bench.expect_error(again, SocketError::Invalid);
        let local = bench.local(socket);
        bench.expect_eq("its address", local, at(A, 700));
    }
}

fn streams_and_datagrams_have_ports_of_their_own(bench: &mut Bench) {
    bench.listener(Host::B, at(B, 80), 8);
    let datagrams = bench.datagrams(Host::B, at(B, 80));
    let sender = bench.open(Host::A, Kind::Datagram);
    bench.send_well_to(sender, at(B, 80), b"a datagram");
    bench.expect_message(datagrams, b"a datagram");
}

fn the_wildcard_is_every_address(bench: &mut Bench) {
    for kind in [Kind::Stream, Kind::Datagram] {
        bench.bound(Host::A, kind, at("0.0.0.0", 700));
        bench.bound(Host::A, kind, at(A, 701));
        let second = bench.open(Host::A, kind);
        for taken in [at(A, 700), at(A_TOO, 700), at("0.0.0.0", 701)] {
            let bound = bench.bind(second, taken);
            bench.expect_error(bound, SocketError::AddrInUse);
        }
    }
}

fn the_same_port_may_be_bound_on_each_address(bench: &mut Bench) {
    for kind in [Kind::Stream, Kind::Datagram] {
        for addr in [A, A_TOO, "127.0.0.1"] {
            let socket = bench.bound(Host::A, kind, at(addr, 700));
            let local = bench.local(socket);
            bench.expect_eq("its address", local, at(addr, 700));
        }
    }
}

fn a_connection_has_the_port_of_its_own_address_alone(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at(B, 80), 8);
    bench.connection_to(listener);
    bench.close(listener);
    let other = bench.open(Host::B, Kind::Stream);
    let bound = bench.bind(other, at(B, 80));
    bench.expect_error(bound, SocketError::AddrInUse);
    let bound = bench.bind(other, at(B_TOO, 80));
    bench.ok("a bind to the other address", bound);
}

fn another_host_s_address_cannot_be_bound(bench: &mut Bench) {
    for kind in [Kind::Stream, Kind::Datagram] {
        let socket = bench.open(Host::A, kind);
        let bound = bench.bind(socket, at(B, 700));
        bench.expect_error(bound, SocketError::AddrNotAvailable);
    }
}

fn a_closed_socket_gives_its_port_back(bench: &mut Bench) {
    for kind in [Kind::Stream, Kind::Datagram] {
        let first = bench.bound(Host::A, kind, at(A, 700));
        let second = bench.open(Host::A, kind);
        let bound = bench.bind(second, at(A, 700));
        bench.expect_error(bound, SocketError::AddrInUse);
        bench.close(first);
        let bound = bench.bind(second, at(A, 700));
        bench.ok("a bind after the close", bound);
    }
}

fn datagram_sockets_may_share_a_port(bench: &mut Bench) {
    for _ in 0..2 {
        let socket = bench.open(Host::A, Kind::Datagram);
        bench.set_well(socket, Setting::ReuseAddr(true));
        let bound = bench.bind(socket, at(A, 700));
        bench.ok("a bind", bound);
        let local = bench.local(socket);
        bench.expect_eq("its address", local, at(A, 700));
    }
}

fn sharing_needs_the_consent_of_both(bench: &mut Bench) {
    bench.bound(Host::A, Kind::Datagram, at(A, 700));
    let second = bench.open(Host::A, Kind::Datagram);
    bench.set_well(second, Setting::ReuseAddr(true));
    let bound = bench.bind(second, at(A, 700));
    bench.expect_error(bound, SocketError::AddrInUse);
}

fn a_listener_shares_its_port_with_nobody(bench: &mut Bench) {
    let listener = bench.open(Host::B, Kind::Stream);
    bench.set_well(listener, Setting::ReuseAddr(true));
    let bound = bench.bind(listener, at(B, 80));
    bench.ok("a bind", bound);
    let listening = bench.listen(listener, 1);
    bench.ok("a listen", listening);
    let second = bench.open(Host::B, Kind::Stream);
    bench.set_well(second, Setting::ReuseAddr(true));
    let bound = bench.bind(second, at(B, 80));
    bench.expect_error(bound, SocketError::AddrInUse);
}

fn a_server_may_start_again_in_time_wait(bench: &mut Bench) {
    let listener = bench.open(Host::B, Kind::Stream);
    bench.set_well(listener, Setting::ReuseAddr(true));
    let bound = bench.bind(listener, at(B, 80));
    bench.ok("a bind", bound);
    let listening = bench.listen(listener, 1);
    bench.ok("a listen", listening);
    let (client, server) = bench.connection_to(listener);
    // Who closes first is in TIME-WAIT.
    bench.close(server);
    bench.expect_end(client);
    bench.close(client);
    bench.close(listener);
    bench.settle();
    let again = bench.open(Host::B, Kind::Stream);
    let bound = bench.bind(again, at(B, 80));
    bench.expect_error(bound, SocketError::AddrInUse);
    bench.set_well(again, Setting::ReuseAddr(true));
    let bound = bench.bind(again, at(B, 80));
    bench.ok("a bind with SO_REUSEADDR", bound);
    let listening = bench.listen(again, 1);
    bench.ok("a listen", listening);
    let client = bench.stream();
    bench.connect_well(client, at(B, 80));
    bench.wait(again, Readiness::READABLE);
}

fn a_listener_without_a_port_is_given_one(bench: &mut Bench) {
    let listener = bench.open(Host::B, Kind::Stream);
    let listening = bench.listen(listener, 1);
    bench.ok("a listen", listening);
    let port = bench.local(listener).port();
    bench.expect("it has a port", port != 0);
    let client = bench.stream();
    bench.connect_well(client, at(B, port));
}
