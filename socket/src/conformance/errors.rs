//! Each error, as a program sees it: brought about by a call, and its kind in `std::io`.
//!
//! A kind is MUST where `std` has one for the number that POSIX gives; where it has none, a system
//! of its own may choose, and the case is this project's.

use std::io::ErrorKind;
use std::time::Duration;

use ip::{Protocol, Readiness, SocketError};
use netdev::cases;

use super::bench::{Bench, at};
use super::{A, ALL, B, Host, Kind, Make, NOBODY, NOWHERE, SECOND, Setting};

cases! { ($) error_cases: Make, Bench;
    Must 1 "std::io, EAGAIN" would_block_is_would_block
        "A receive that would have to wait.";
    Ours 1 "std::io, EINPROGRESS" a_connect_in_progress_would_block
        "A connect that would have to wait.";
    Must 1 "std::io, EINVAL" what_makes_no_sense_is_invalid_input
        "A TTL of zero.";
    Must 1 "std::io, EADDRINUSE" a_taken_address_is_addr_in_use
        "A bind to somebody else's port.";
    Must 1 "std::io, EADDRNOTAVAIL" a_strange_address_is_addr_not_available
        "A bind to another host's address.";
    Must 1 "std::io, ENOTCONN" no_connection_is_not_connected
        "A receive on a fresh stream.";
    Ours 1 "std::io, EISCONN" a_connection_that_exists_already_exists
        "A second connect.";
    Ours 1 "std::io, EDESTADDRREQ" a_missing_destination_is_invalid_input
        "A send without a peer.";
    Must 1 "std::io, ECONNREFUSED" a_refusal_is_connection_refused
        "A datagram to a port that nobody has.";
    Must 1 "std::io, ECONNRESET" a_reset_is_connection_reset
        "A receive after it.";
    Must 1 "std::io, EPIPE" a_broken_pipe_is_broken_pipe
        "A send after a shutdown.";
    Must 2 "std::io, ETIMEDOUT" a_timeout_is_timed_out
        "A receive after the peer was given up.";
    Must 2 "std::io, EHOSTUNREACH" a_silent_neighbour_is_host_unreachable
        "A receive after nobody has answered for the address.";
    Must 1 "std::io, ENETUNREACH" no_route_is_network_unreachable
        "A send to where no route leads.";
    Must 1 "std::io, EACCES" a_broadcast_without_permission_is_permission_denied
        "A send to the broadcast address.";
    Ours 1 "std::io, EMSGSIZE" a_message_too_long_is_invalid_input
        "A datagram beyond what UDP can carry.";
    Ours 2 "std::io, ENOPROTOOPT" an_unknown_protocol_is_unsupported
        "A receive after ICMP has told of it.";
    Must 1 "std::io, EOPNOTSUPP" what_it_has_not_is_unsupported
        "TCP's option on a datagram socket.";
    Ours 2 "connect(2); std::io, ECONNABORTED" a_stream_that_failed_was_aborted
        "A second connect on a stream whose error was taken.";
    Ours 1 "std::io, ENOBUFS" no_room_is_out_of_memory
        "One raw socket more than there may be.";
    Ours 1 "std::io, EBADF" a_closed_handle_is_invalid_input
        "A receive from a socket that was closed.";
}

fn would_block_is_would_block(bench: &mut Bench) {
    let socket = bench.datagrams(Host::A, at(A, 7));
    let got = bench.receive(socket, 100);
    bench.expect_kind(got, SocketError::WouldBlock, ErrorKind::WouldBlock);
}

fn a_connect_in_progress_would_block(bench: &mut Bench) {
    let socket = bench.stream();
    let begun = bench.connect(socket, at(B, 80));
    bench.expect_kind(begun, SocketError::InProgress, ErrorKind::WouldBlock);
}

fn what_makes_no_sense_is_invalid_input(bench: &mut Bench) {
    let socket = bench.stream();
    let set = bench.set(socket, Setting::Ttl(0));
    bench.expect_kind(set, SocketError::Invalid, ErrorKind::InvalidInput);
}

fn a_taken_address_is_addr_in_use(bench: &mut Bench) {
    bench.datagrams(Host::A, at(A, 7));
    let socket = bench.open(Host::A, Kind::Datagram);
    let bound = bench.bind(socket, at(A, 7));
    bench.expect_kind(bound, SocketError::AddrInUse, ErrorKind::AddrInUse);
}

fn a_strange_address_is_addr_not_available(bench: &mut Bench) {
    let socket = bench.open(Host::A, Kind::Datagram);
    let bound = bench.bind(socket, at(B, 7));
    bench.expect_kind(bound, SocketError::AddrNotAvailable, ErrorKind::AddrNotAvailable);
}

fn no_connection_is_not_connected(bench: &mut Bench) {
    let socket = bench.stream();
    let got = bench.receive(socket, 100);
    bench.expect_kind(got, SocketError::NotConnected, ErrorKind::NotConnected);
}

fn a_connection_that_exists_already_exists(bench: &mut Bench) {
    let (_client, server) = bench.connection();
    let again = bench.connect(server, at(A, 80));
    bench.expect_kind(again, SocketError::AlreadyConnected, ErrorKind::AlreadyExists);
}

fn a_missing_destination_is_invalid_input(bench: &mut Bench) {
    let socket = bench.open(Host::A, Kind::Datagram);
    let sent = bench.send(socket, b"where?");
    bench.expect_kind(sent, SocketError::DestinationRequired, ErrorKind::InvalidInput);
}

fn a_refusal_is_connection_refused(bench: &mut Bench) {
    let socket = bench.datagrams(Host::A, at(A, 7));
    let connected = bench.connect(socket, at(B, 9));
    bench.ok("a connect", connected);
    bench.send_well(socket, b"anybody?");
    bench.wait(socket, Readiness::ERROR);
    let got = bench.receive(socket, 100);
    bench.expect_kind(got, SocketError::Refused, ErrorKind::ConnectionRefused);
}

fn a_reset_is_connection_reset(bench: &mut Bench) {
    let client = bench.reset_connection();
    let got = bench.receive(client, 100);
    bench.expect_kind(got, SocketError::Reset, ErrorKind::ConnectionReset);
}

fn a_broken_pipe_is_broken_pipe(bench: &mut Bench) {
    let (client, _server) = bench.connection();
    let shut = bench.shutdown(client, tcp::Shutdown::Both);
    bench.ok("a shutdown", shut);
    let sent = bench.send(client, b"more");
    bench.expect_kind(sent, SocketError::BrokenPipe, ErrorKind::BrokenPipe);
}

fn a_timeout_is_timed_out(bench: &mut Bench) {
    let (client, _server) = bench.connection();
    bench.lose(true);
    bench.send_well(client, b"hello?");
    bench.wait_at_most(client, Readiness::ERROR, 3600 * SECOND);
    let got = bench.receive(client, 100);
    bench.expect_kind(got, SocketError::TimedOut, ErrorKind::TimedOut);
}

fn a_silent_neighbour_is_host_unreachable(bench: &mut Bench) {
    let socket = bench.datagrams(Host::A, at(A, 7));
    let connected = bench.connect(socket, at(NOBODY, 7));
    bench.ok("a connect", connected);
    bench.send_well(socket, b"anybody?");
    bench.wait(socket, Readiness::ERROR);
    let got = bench.receive(socket, 100);
    bench.expect_kind(got, SocketError::HostUnreachable, ErrorKind::HostUnreachable);
}

fn no_route_is_network_unreachable(bench: &mut Bench) {
    let socket = bench.open(Host::A, Kind::Datagram);
    let sent = bench.send_to(socket, at(NOWHERE, 7), b"lost");
    bench.expect_kind(sent, SocketError::NetworkUnreachable, ErrorKind::NetworkUnreachable);
}

fn a_broadcast_without_permission_is_permission_denied(bench: &mut Bench) {
    let socket = bench.open(Host::A, Kind::Datagram);
    let sent = bench.send_to(socket, at(ALL, 7), b"everybody");
    bench.expect_kind(sent, SocketError::Denied, ErrorKind::PermissionDenied);
}

fn a_message_too_long_is_invalid_input(bench: &mut Bench) {
    let socket = bench.open(Host::A, Kind::Datagram);
    let sent = bench.send_to(socket, at(B, 7), &[0; 65_508]);
    bench.expect_kind(sent, SocketError::MessageTooLong, ErrorKind::InvalidInput);
}

fn an_unknown_protocol_is_unsupported(bench: &mut Bench) {
    let socket = bench.raw(Host::A, Protocol(253));
    let connected = bench.connect(socket, at(B, 0));
    bench.ok("a connect", connected);
    bench.send_well(socket, b"experiment");
    bench.wait(socket, Readiness::ERROR);
    let error = bench.take_error(socket).map_or(Ok(()), Err);
    bench.expect_kind(error, SocketError::ProtocolUnreachable, ErrorKind::Unsupported);
}

fn what_it_has_not_is_unsupported(bench: &mut Bench) {
    let socket = bench.open(Host::A, Kind::Datagram);
    let set = bench.set(socket, Setting::NoDelay(true));
    bench.expect_kind(set, SocketError::Unsupported, ErrorKind::Unsupported);
}

fn a_stream_that_failed_was_aborted(bench: &mut Bench) {
    let client = bench.stream();
    let _ = bench.connect(client, at(B, 81));
    bench.wait(client, Readiness::ERROR);
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::Refused));
    let again = bench.connect(client, at(B, 81));
    bench.expect_kind(again, SocketError::Aborted, ErrorKind::ConnectionAborted);
}

fn no_room_is_out_of_memory(bench: &mut Bench) {
    let opened = (0..10_000).map(|_| bench.try_open(Host::A, Kind::Raw(Protocol(253))));
    let refused = opened.filter_map(Result::err).next().map_or(Ok(()), Err);
    bench.expect_kind(refused, SocketError::NoBuffers, ErrorKind::OutOfMemory);
}

fn a_closed_handle_is_invalid_input(bench: &mut Bench) {
    let socket = bench.datagrams(Host::A, at(A, 7));
    bench.close(socket);
    bench.pass(Duration::from_millis(1));
    let got = bench.receive(socket, 100);
    bench.expect_kind(got, SocketError::BadHandle, ErrorKind::InvalidInput);
}
