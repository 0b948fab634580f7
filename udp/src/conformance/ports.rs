//! Ports: RFC 768, RFC 1122 §4.1.3.1 and §4.1.3.5, RFC 6056.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ip::SocketError;
use netdev::cases;

use super::Make;
use super::bench::{Bench, at, segment};
use crate::Setting;
use ip::conformance::below::{ANY, ME, ME_TOO, NOWHERE, PEER};

cases! { ($) port_cases: Make, Bench;
    Should 3 "RFC 1122 §4.1.3.1" a_datagram_for_a_closed_port_is_unreachable
        "If a datagram arrives addressed to a UDP port for which there is no pending LISTEN call, \
         UDP SHOULD send an ICMP Port Unreachable message.";
    Must 1 "RFC 1122 §3.2.2" the_unreachable_datagram_comes_back_as_it_came
        "… this header and data MUST be unchanged from the received datagram.";
    Must 3 "RFC 768" a_datagram_is_for_the_socket_at_its_port
        "A user interface should allow the creation of new receive ports";
    Must 2 "RFC 768" a_port_is_that_of_its_address
        "Destination Port has a meaning within the context of a particular internet destination \
         address.";
    Must 1 "RFC 1122 §4.1.3.5" a_socket_for_every_address_receives_at_each
        "An application program MUST be able to specify the IP source address … or to leave it \
         unspecified";
    Ours 2 "RFC 1122 §4.1.3.5" the_socket_of_the_address_comes_first
        "Of several sockets at a port the most specific one receives.";
    Ours 2 "RFC 768" a_port_is_bound_once
        "Two sockets at one port and address would not know whose a datagram is.";
    Must 2 "RFC 1122 §4.1.3.6" an_address_that_is_not_ours_cannot_be_bound
        "When a host sends a UDP datagram, the source address MUST be (one of) the IP address(es) \
         of the host.";
    Ours 1 "RFC 768" a_bound_socket_cannot_be_bound_again
        "A socket has one local address.";
    Ours 1 "RFC 768" closing_frees_the_port
        "What is closed receives nothing, and its port can be bound again.";
    Ours 1 "RFC 768" the_handle_of_a_closed_socket_is_dead
        "A handle is not used again for another socket.";
    Ours 1 "RFC 768" a_first_send_binds_to_a_port
        "The answer has to find the way back.";
    Must 2 "RFC 6056 §3.2" an_ephemeral_port_is_no_well_known_one
        "Ephemeral ports are chosen from 1024 to 65535.";
    Must 2 "RFC 6056 §3.1" each_ephemeral_port_is_free
        "A port that is in use is not chosen.";
    Should 3 "RFC 6056 §3.3" successive_ephemeral_ports_are_not_neighbours
        "Who knows one port must not know the next.";
    Should 2 "RFC 6056 §3.3" another_secret_chooses_other_ports
        "Ports are chosen at random, not alike on every host.";
    Ours 2 "RFC 6056 §3.1" ports_or_sockets_run_out_with_an_error
        "The end of the range is an error, not an endless search.";
    Ours 1 "SO_REUSEADDR" sockets_that_allow_it_share_a_port
        "Both have to allow it; a unicast is for the last one.";
    Ours 1 "netstat" sockets_are_listed_by_port
        "Every open socket, in the order of its port.";
}

fn a_datagram_for_a_closed_port_is_unreachable(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let input = bench.input(at(PEER, 4000), at(ME, 8), b"anybody?");
    bench.expect_unreachable(input);
    bench.expect_nothing(socket);
}

fn the_unreachable_datagram_comes_back_as_it_came(bench: &mut Bench) {
    let bytes = segment(at(PEER, 4000), at(ME, 8), b"anybody?");
    let input = bench.input_bytes(PEER.into(), ME.into(), &bytes);
    let back = bench.expect_unreachable(input);
    let seen = (back.header.src, back.header.dst);
    bench.record.expect_eq("its addresses", seen, (PEER.into(), ME.into()));
    bench.record.expect_eq("its bytes", back.payload.to_vec(), bytes);
}

fn a_datagram_is_for_the_socket_at_its_port(bench: &mut Bench) {
    let ports = [7, 8, 65_535, 1];
    let sockets = ports.map(|port| bench.bound(ME, port));
    for (port, socket) in ports.into_iter().zip(sockets) {
        let data = port.to_be_bytes();
        bench.arrive(at(ME, port), &data);
        bench.expect_received(socket, &data);
    }
    for socket in sockets {
        bench.expect_nothing(socket);
    }
}

fn a_port_is_that_of_its_address(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let input = bench.input(at(PEER, 4000), at(ME_TOO, 7), b"not for it");
    bench.expect_unreachable(input);
    bench.expect_nothing(socket);
    bench.arrive(at(ME, 7), b"for it");
    bench.expect_received(socket, b"for it");
}

fn a_socket_for_every_address_receives_at_each(bench: &mut Bench) {
    let socket = bench.bound(ANY, 7);
    for ours in [ME, ME_TOO] {
        bench.arrive(at(ours, 7), &ours.octets());
        bench.expect_received(socket, &ours.octets());
    }
}

fn the_socket_of_the_address_comes_first(bench: &mut Bench) {
    let one = bench.bound(ME, 7);
    let two = bench.bound(ME_TOO, 7);
    bench.arrive(at(ME, 7), b"one");
    bench.arrive(at(ME_TOO, 7), b"two");
    bench.expect_received(one, b"one");
    bench.expect_received(two, b"two");
    bench.expect_nothing(one);
}

fn a_port_is_bound_once(bench: &mut Bench) {
    let _first = bench.bound(ME, 7);
    for addr in [ME, ANY] {
        let socket = bench.open();
        let seen = bench.bind(socket, at(addr, 7));
        bench.record.expect_eq("of bind", seen, Err(SocketError::AddrInUse));
    }
    let _elsewhere = bench.bound(ME_TOO, 7);
}

fn an_address_that_is_not_ours_cannot_be_bound(bench: &mut Bench) {
    let socket = bench.open();
    for addr in [PEER, NOWHERE] {
        let seen = bench.bind(socket, at(addr, 7));
        bench.record.expect_eq("of bind", seen, Err(SocketError::AddrNotAvailable));
    }
    let seen = bench.bind(socket, at(ME, 7));
    bench.record.expect_eq("of bind", seen, Ok(()));
}

fn a_bound_socket_cannot_be_bound_again(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let seen = bench.bind(socket, at(ME, 8));
    bench.record.expect_eq("of the second bind", seen, Err(SocketError::Invalid));
    bench.arrive(at(ME, 7), b"data");
}

fn closing_frees_the_port(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    bench.close(socket);
    let input = bench.input(at(PEER, 4000), at(ME, 7), b"anybody?");
    bench.expect_unreachable(input);
    let again = bench.bound(ME, 7);
    bench.arrive(at(ME, 7), b"data");
    bench.expect_received(again, b"data");
}

fn the_handle_of_a_closed_socket_is_dead(bench: &mut Bench) {
    let dead = bench.bound(ME, 7);
    bench.close(dead);
    let alive = bench.bound(ME, 7);
    bench.arrive(at(ME, 7), b"data");
    let seen = bench.receive(dead);
    bench.record.expect_eq("of a dead handle", seen, Err(SocketError::BadHandle));
    let seen = bench.send(dead, Some(at(PEER, 80)), b"x");
    bench.record.expect_eq("of a dead handle", seen, Err(SocketError::BadHandle));
    bench.close(dead);
    bench.expect_received(alive, b"data");
}

fn a_first_send_binds_to_a_port(bench: &mut Bench) {
    let socket = bench.open();
    let (header, packet) = bench.send_well(socket, at(PEER, 4000), b"question");
    let port = u16::from_be_bytes([packet[0], packet[1]]);
    bench.record.expect("a source port", port != 0);
    let IpAddr::V4(source) = header.src else {
        bench.record.fail("an IPv4 source", header.src);
    };
    bench.record.expect_eq("the port it is bound to", bench.info(socket).local.port(), port);
    bench.arrive(at(source, port), b"answer");
    bench.expect_received(socket, b"answer");
    let (_, packet) = bench.send_well(socket, at(PEER, 4001), b"another");
    let again = u16::from_be_bytes([packet[0], packet[1]]);
    bench.record.expect_eq("the source port of the next", again, port);
}

fn an_ephemeral_port_is_no_well_known_one(bench: &mut Bench) {
    for _ in 0..100 {
        let port = bench.ephemeral(false);
        bench.record.expect(&format!("1024 or more, not {port}"), port >= 1024);
    }
}

fn each_ephemeral_port_is_free(bench: &mut Bench) {
    let mut taken = BTreeSet::new();
    for _ in 0..200 {
        let port = bench.ephemeral(false);
        bench.record.expect(&format!("a port that is free, not {port}"), taken.insert(port));
    }
}

fn successive_ephemeral_ports_are_not_neighbours(bench: &mut Bench) {
    let ports: Vec<u16> = (0..200).map(|_| bench.ephemeral(false)).collect();
    let near = ports.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 8).count();
    bench.record.expect(&format!("a few near pairs of 199 at most, not {near}"), near <= 10);
    let (low, high) = (ports.iter().min(), ports.iter().max());
    let spread = high.zip(low).map_or(0, |(high, low)| high - low);
    bench.record.expect(&format!("a spread of 10000 at least, not {spread}"), spread >= 10_000);
}

fn another_secret_chooses_other_ports(bench: &mut Bench) {
    let one: Vec<u16> = (0..50).map(|_| bench.ephemeral(false)).collect();
    let two: Vec<u16> = (0..50).map(|_| bench.ephemeral(true)).collect();
    let same = one.iter().zip(&two).filter(|(one, two)| one == two).count();
    bench.record.expect(&format!("a few equal ports of 50 at most, not {same}"), same <= 3);
}

fn ports_or_sockets_run_out_with_an_error(bench: &mut Bench) {
    let mut sockets = Vec::new();
    let error = loop {
        let socket = match bench.try_open() {
            Ok(socket) => socket,
            Err(error) => break error,
        };
        if let Err(error) = bench.bind(socket, at(ANY, 0)) {
            break error;
        }
        sockets.push(socket);
        bench.record.expect("an end of the ports", sockets.len() < 65_536);
    };
    let known = matches!(error, SocketError::AddrNotAvailable | SocketError::NoBuffers);
    bench.record.expect(&format!("out of ports or sockets, not {error:?}"), known);
    bench.record.expect("one port at least", !sockets.is_empty());
    let one = sockets[sockets.len() / 2];
    let local = bench.info(one).local;
    bench.close(one);
    let again = bench.bound(ANY, 0);
    if error == SocketError::AddrNotAvailable {
        let seen = bench.info(again).local;
        bench.record.expect_eq("the one port that is free", seen, local);
    }
}

fn sockets_that_allow_it_share_a_port(bench: &mut Bench) {
    let first = bench.open();
    bench.set_well(first, Setting::ReuseAddr(true));
    let seen = bench.bind(first, at(ME, 7));
    bench.record.expect_eq("of bind", seen, Ok(()));
    let second = bench.open();
    let seen = bench.bind(second, at(ME, 7));
    bench.record.expect_eq("of bind", seen, Err(SocketError::AddrInUse));
    bench.set_well(second, Setting::ReuseAddr(true));
    let _selfish = bench.bound(ME, 8);
    let seen = bench.bind(second, at(ME, 8));
    bench.record.expect_eq("of bind", seen, Err(SocketError::AddrInUse));
    let seen = bench.bind(second, at(ME, 7));
    bench.record.expect_eq("of bind", seen, Ok(()));
    bench.arrive(at(ME, 7), b"for the last");
    bench.expect_received(second, b"for the last");
    bench.expect_nothing(first);
}

fn sockets_are_listed_by_port(bench: &mut Bench) {
    for port in [9, 7, 300, 8] {
        let _socket = bench.bound(ME, port);
    }
    let ports: Vec<u16> = bench.sockets().iter().map(|info| info.local.port()).collect();
    bench.record.expect_eq("the ports of the list", ports, vec![7, 8, 9, 300]);
}
