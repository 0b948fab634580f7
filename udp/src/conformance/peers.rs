//! Connected sockets, and the ICMP errors that they are told: RFC 1122 §4.1.3.3.

use ip::{Cause, Readiness, SocketError};
use netdev::cases;

use super::Make;
use super::bench::{Bench, at};
use crate::Setting;
use ip::conformance::below::{ANY, ME, ME_TOO, NOWHERE, OTHER, PEER, PEER_TOO};

cases! { ($) peer_cases: Make, Bench;
    Ours 2 "connect(2)" a_connected_socket_hears_its_peer_alone
        "Neither another host nor another port of the peer.";
    Ours 2 "connect(2)" the_connected_socket_comes_before_the_bound_one
        "Of several sockets at a port the most specific one receives.";
    Ours 1 "connect(2)" a_connected_socket_sends_to_its_peer
        "A destination need not be given, and may.";
    Ours 1 "connect(2)" a_socket_can_be_connected_again
        "The new peer takes the old one's place.";
    Ours 1 "connect(2)" a_disconnected_socket_hears_everybody
        "Without a peer it is as it was bound.";
    Ours 1 "connect(2)" a_connect_that_fails_changes_nothing
        "No route: the old peer stays.";
    Must 3 "RFC 1122 §4.1.3.3" a_port_unreachable_is_told_to_the_connected_socket
        "UDP MUST pass to the application layer all ICMP error messages that it receives from the \
         IP layer.";
    Must 2 "RFC 1122 §4.1.3.3" every_error_is_told
        "UDP MUST pass to the application layer all ICMP error messages that it receives from the \
         IP layer.";
    Ours 2 "RFC 1122 §4.1.3.3" an_error_is_told_once
        "The next call gives it; the one after that works.";
    Ours 1 "RFC 1122 §4.1.3.3" an_error_comes_before_what_waits
        "It is told by whichever call comes first, and no datagram is lost by that.";
    Ours 1 "poll(2)" an_error_makes_a_socket_ready
        "Who waits is woken.";
    Ours 2 "RFC 1122 §4.1.3.3" an_error_about_another_s_datagram_is_not_told
        "The application is also responsible to avoid confusion: the quote names both ends.";
    Ours 1 "RFC 1122 §4.1.3.3" an_unconnected_socket_is_not_told
        "It talks to many, and would have to guess which of them is meant.";
    Ours 1 "RFC 6633 §5" source_quench_and_redirect_are_not_told
        "Transports ignore source quench; a redirect is IP's, and the datagram went on.";
    Ours 1 "RFC 1191 §6" fragmentation_needed_is_told_to_who_set_df
        "Who lets IP fragment has nothing to do about it.";
}

fn a_connected_socket_hears_its_peer_alone(bench: &mut Bench) {
    let socket = bench.connected(7, at(PEER, 4000));
    for from in [at(OTHER, 4000), at(PEER, 4001)] {
        let input = bench.input(from, at(ME, 7), b"not the peer");
        bench.expect_unreachable(input);
    }
    bench.expect_nothing(socket);
    bench.arrive(at(ME, 7), b"the peer");
    bench.expect_received(socket, b"the peer");
}

fn the_connected_socket_comes_before_the_bound_one(bench: &mut Bench) {
    let connected = bench.open();
    let seen = bench.connect(connected, Some(at(PEER, 4000)));
    bench.record.expect_eq("of connect", seen, Ok(()));
    let local = bench.info(connected).local;
    let bound = bench.bound(ME_TOO, local.port());
    bench.arrive(local, b"of the peer");
    bench.expect_received(connected, b"of the peer");
    bench.expect_nothing(bound);
    bench.arrive(at(ME_TOO, local.port()), b"of anybody");
    bench.expect_received(bound, b"of anybody");
}

fn a_connected_socket_sends_to_its_peer(bench: &mut Bench) {
    let socket = bench.connected(7, at(PEER, 4000));
    let seen = bench.send(socket, None, b"data");
    bench.record.expect_eq("of send", seen, Ok(4));
    let (header, packet) = bench.expect_sent();
    let seen = (header.dst, u16::from_be_bytes([packet[2], packet[3]]));
    bench.record.expect_eq("where to", seen, (PEER.into(), 4000));
    let (header, packet) = bench.send_well(socket, at(OTHER, 5000), b"data");
    let seen = (header.dst, u16::from_be_bytes([packet[2], packet[3]]));
    bench.record.expect_eq("where to", seen, (OTHER.into(), 5000));
}

fn a_socket_can_be_connected_again(bench: &mut Bench) {
    let socket = bench.connected(7, at(PEER, 4000));
    let seen = bench.connect(socket, Some(at(OTHER, 5000)));
    bench.record.expect_eq("of connect", seen, Ok(()));
    let input = bench.input(at(PEER, 4000), at(ME, 7), b"the old peer");
    bench.expect_unreachable(input);
    let input = bench.input(at(OTHER, 5000), at(ME, 7), b"the new one");
    bench.expect_delivered(input);
    bench.expect_received(socket, b"the new one");
}

fn a_disconnected_socket_hears_everybody(bench: &mut Bench) {
    let socket = bench.bound(ANY, 7);
    for peer in [Some(at(PEER_TOO, 4000)), None] {
        let seen = bench.connect(socket, peer);
        bench.record.expect_eq("of connect", seen, Ok(()));
    }
    for (from, to) in [(PEER, ME), (OTHER, ME), (PEER_TOO, ME_TOO)] {
        let input = bench.input(at(from, 4000), at(to, 7), b"data");
        bench.expect_delivered(input);
        bench.expect_received(socket, b"data");
    }
    let seen = bench.send(socket, None, b"data");
    bench.record.expect_eq("of send", seen, Err(SocketError::DestinationRequired));
}

fn a_connect_that_fails_changes_nothing(bench: &mut Bench) {
    let socket = bench.connected(7, at(PEER, 4000));
    let seen = bench.connect(socket, Some(at(NOWHERE, 80)));
    bench.record.expect_eq("of connect", seen, Err(SocketError::NetworkUnreachable));
    bench.record.expect_eq("the peer", bench.info(socket).peer, Some(at(PEER, 4000)));
    bench.arrive(at(ME, 7), b"data");
    bench.expect_received(socket, b"data");
}

fn a_port_unreachable_is_told_to_the_connected_socket(bench: &mut Bench) {
    let socket = bench.connected(7, at(PEER, 4000));
    let seen = bench.send(socket, None, b"anybody?");
    bench.record.expect_eq("of send", seen, Ok(8));
    bench.error(Cause::PortUnreachable, at(ME, 7), at(PEER, 4000));
    let seen = bench.receive(socket);
    bench.record.expect_eq("of receive", seen, Err(SocketError::Refused));
}

fn every_error_is_told(bench: &mut Bench) {
    let socket = bench.connected(7, at(PEER, 4000));
    for (cause, error) in [
        (Cause::NetworkUnreachable, SocketError::NetworkUnreachable),
        (Cause::HostUnreachable, SocketError::HostUnreachable),
        (Cause::ProtocolUnreachable, SocketError::ProtocolUnreachable),
        (Cause::PortUnreachable, SocketError::Refused),
        (Cause::SourceRouteFailed, SocketError::HostUnreachable),
        (Cause::Prohibited, SocketError::HostUnreachable),
        (Cause::Unreachable { code: 7 }, SocketError::HostUnreachable),
        (Cause::TtlExceeded, SocketError::HostUnreachable),
        (Cause::ReassemblyTimeout, SocketError::HostUnreachable),
        (Cause::ParameterProblem { pointer: 9 }, SocketError::Invalid),
    ] {
        bench.error(cause, at(ME, 7), at(PEER, 4000));
        let seen = bench.take_error(socket);
        bench.record.expect_eq(&format!("of \"{cause}\""), seen, Some(error));
    }
}

fn an_error_is_told_once(bench: &mut Bench) {
    let socket = bench.connected(7, at(PEER, 4000));
    bench.error(Cause::PortUnreachable, at(ME, 7), at(PEER, 4000));
    let seen = bench.send(socket, None, b"data");
    bench.record.expect_eq("of the first send", seen, Err(SocketError::Refused));
    bench.expect_silence();
    let seen = bench.send(socket, None, b"data");
    bench.record.expect_eq("of the second send", seen, Ok(4));
    bench.expect_nothing(socket);
}

fn an_error_comes_before_what_waits(bench: &mut Bench) {
    let socket = bench.connected(7, at(PEER, 4000));
    bench.arrive(at(ME, 7), b"data");
    bench.error(Cause::PortUnreachable, at(ME, 7), at(PEER, 4000));
    let seen = bench.receive(socket);
    bench.record.expect_eq("of receive", seen, Err(SocketError::Refused));
    bench.expect_received(socket, b"data");
}

fn an_error_makes_a_socket_ready(bench: &mut Bench) {
    let socket = bench.connected(7, at(PEER, 4000));
    let _ = bench.changed();
    bench.error(Cause::PortUnreachable, at(ME, 7), at(PEER, 4000));
    bench.expect_changed(&[socket]);
    let ready = bench.readiness(socket);
    let wanted = Readiness::ERROR | Readiness::READABLE;
    bench.record.expect(&format!("ready for an error, not {ready:?}"), ready.contains(wanted));
    let _ = bench.take_error(socket);
    bench.record.expect_eq("readiness", bench.readiness(socket), Readiness::WRITABLE);
}

fn an_error_about_another_s_datagram_is_not_told(bench: &mut Bench) {
    let socket = bench.connected(7, at(PEER, 4000));
    bench.error(Cause::PortUnreachable, at(ME, 7), at(OTHER, 4000));
    bench.error(Cause::PortUnreachable, at(ME, 7), at(PEER, 4001));
    bench.error(Cause::PortUnreachable, at(ME, 8), at(PEER, 4000));
    bench.error(Cause::PortUnreachable, at(ME_TOO, 7), at(PEER, 4000));
    bench.expect_nothing(socket);
    bench.error(Cause::PortUnreachable, at(ME, 7), at(PEER, 4000));
    let seen = bench.take_error(socket);
    bench.record.expect_eq("of its own", seen, Some(SocketError::Refused));
}

fn an_unconnected_socket_is_not_told(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let _ = bench.send_well(socket, at(PEER, 4000), b"data");
    bench.error(Cause::PortUnreachable, at(ME, 7), at(PEER, 4000));
    bench.expect_nothing(socket);
    let _ = bench.send_well(socket, at(PEER, 4000), b"data");
}

fn source_quench_and_redirect_are_not_told(bench: &mut Bench) {
    let socket = bench.connected(7, at(PEER, 4000));
    let redirect = Cause::Redirect { gateway: OTHER.into(), host: true };
    for cause in [Cause::SourceQuench, redirect] {
        bench.error(cause, at(ME, 7), at(PEER, 4000));
        bench.expect_nothing(socket);
    }
    bench.error(Cause::HostUnreachable, at(ME, 7), at(PEER, 4000));
    let seen = bench.take_error(socket);
    bench.record.expect_eq("of another", seen, Some(SocketError::HostUnreachable));
}

fn fragmentation_needed_is_told_to_who_set_df(bench: &mut Bench) {
    let socket = bench.connected(7, at(PEER, 4000));
    let cause = Cause::FragmentationNeeded { mtu: 1400 };
    bench.error(cause, at(ME, 7), at(PEER, 4000));
    bench.expect_nothing(socket);
    bench.set_well(socket, Setting::DontFragment(true));
    bench.error(cause, at(ME, 7), at(PEER, 4000));
    let seen = bench.take_error(socket);
    bench.record.expect_eq("with DF", seen, Some(SocketError::MessageTooLong));
}
