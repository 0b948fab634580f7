//! OPEN: RFC 9293 §3.9.1.1 and §3.10.1, under the names that programs know: open, bind, listen,
//! accept, connect.

use std::net::{IpAddr, SocketAddr};

use ip::{Cause, Handle, Readiness, SocketError};
use netdev::cases;

use super::states::reach;
use super::{Make, SECOND};
use crate::testing::{PEER, Script, seg};
use crate::{Setting, State};

cases! { ($) calls_cases: Make, Script;
    Must 1 "RFC 9293 §3.10.1" a_connect_on_a_connection_is_an_error
        "SYN-SENT STATE … TIME-WAIT STATE: Return \"error: connection already exists\".";
    Must 1 "RFC 9293 §3.10.1" a_connect_while_one_is_under_way_is_an_error
        "SYN-SENT STATE … TIME-WAIT STATE: Return \"error: connection already exists\".";
    Must 1 "RFC 9293 §3.10.1" a_connect_to_nowhere_is_an_error
        "If active and the remote socket is unspecified, return \"error: remote socket \
         unspecified\".";
    Must 2 "RFC 9293 §3.9.1.1 (MUST-46)" a_connect_to_a_group_is_an_error
        "A TCP implementation MUST reject as an error a local OPEN call for an invalid remote IP \
         address (e.g., a broadcast or multicast address).";
    Ours 1 "RFC 9293 §3.9.2.3" a_connect_without_a_route_is_an_error
        "A destination that IP has no way to is told at once.";
    Must 2 "RFC 9293 §3.9.1.1 (MUST-43)" a_local_address_may_be_given
        "The optional \"local IP address\" parameter MUST be supported to allow the specification \
         of the local IP address.";
    Must 2 "RFC 9293 §3.9.1.1 (MUST-44)" ip_chooses_the_local_address_otherwise
        "If an application … does not specify the local IP address …, then the TCP implementation \
         MUST ask the IP layer to select a local IP address before sending the (first) SYN.";
    Must 2 "RFC 9293 §3.9.1.1 (MUST-45)" the_local_address_stays
        "TCP implementations MUST use the same local address that was used in those previous \
         segments.";
    Must 1 "RFC 9293 §3.10.1" an_address_of_another_host_is_refused
        "If the caller does not have access to the local socket specified, return \"error: \
         connection illegal for this process\".";
    Must 1 "RFC 9293 §3.9.1.1" a_port_that_is_listened_on_is_refused
        "Every passive OPEN call either creates a new connection record in LISTEN state, or it \
         returns an error.";
    Must 2 "RFC 9293 §3.9.1.1 (MUST-41)" a_passive_open_leaves_other_connections_alone
        "It MUST NOT affect any previously created connection record.";
    Must 2 "RFC 9293 §3.9.1.1 (MUST-42)" a_port_takes_connections_while_others_are_half_open
        "… an OPEN call that will functionally allow an application to LISTEN on a port while a \
         connection block with the same local port is in SYN-SENT or SYN-RECEIVED state.";
    Ours 1 "RFC 9293 §3.9.1.1" a_socket_is_bound_once
        "A second bind would leave it open which address is meant.";
    Ours 1 "RFC 9293 §3.10.1" a_listener_does_not_connect
        "RFC 9293 turns a passive OPEN active; programs take a socket each.";
    Ours 2 "RFC 9293 §3.9.1.1" accept_is_in_the_order_in_which_handshakes_end
        "The connection that has waited longest comes first.";
    Ours 1 "RFC 9293 §3.9.1.1" a_listener_is_readable_while_a_connection_waits
        "Readiness tells when to call accept.";
    Ours 2 "RFC 9293 §3.10.4" a_closed_listener_resets_what_waits
        "Nobody will ever accept the connections in its queues: their peers are told.";
    Ours 1 "RFC 9293 §3.9.1" a_call_on_a_handle_that_was_closed_is_an_error
        "Error: connection not open. A handle is not given away again.";
}

fn connect(script: &mut Script, socket: Handle, peer: SocketAddr) -> Result<(), SocketError> {
    script.act(&format!("connect to {peer}"), |host| {
        host.call(|tcp, now, out| tcp.connect(now, socket, peer, out))
    })
}

fn bind(script: &mut Script, socket: Handle, local: SocketAddr) -> Result<(), SocketError> {
    script.act(&format!("bind to {local}"), |host| {
        host.call(|tcp, _, out| tcp.bind(socket, local, out))
    })
}

fn open(script: &mut Script) -> Handle {
    script.act("open", |host| host.open())
}

fn a_connect_on_a_connection_is_an_error(script: &mut Script) {
    reach(script, State::Established);
    let (socket, peer) = (script.current(), script.peer);
    let again = connect(script, socket, peer);
    script.expect_eq("a connect", again, Err(SocketError::AlreadyConnected));
    script.expect_nothing();
    script.expect_state(State::Established);
}

fn a_connect_while_one_is_under_way_is_an_error(script: &mut Script) {
    script.connect();
    let (socket, peer) = (script.current(), script.peer);
    let again = connect(script, socket, peer);
    script.expect_eq("a connect", again, Err(SocketError::InProgress));
    script.expect_nothing();
    script.expect_connections(&[State::SynSent]);
}

fn a_connect_to_nowhere_is_an_error(script: &mut Script) {
    let socket = open(script);
    let result = connect(script, socket, SocketAddr::new(PEER, 0));
    let refused = result.is_err_and(|error| error != SocketError::InProgress);
    script.expect_that("port 0 is refused", refused);
    script.expect_nothing();
    // The socket is as good as it was.
    let result = connect(script, socket, script.peer);
    script.expect_eq("a connect", result, Err(SocketError::InProgress));
    script.expect_that("a SYN", script.host.out.sent.len() == 1);
}

fn a_connect_to_a_group_is_an_error(script: &mut Script) {
    for peer in ["224.0.0.1:80", "239.1.2.3:80", "255.255.255.255:80"] {
        let socket = open(script);
        let result = connect(script, socket, peer.parse().expect("an address"));
        let refused = result.is_err_and(|error| error != SocketError::InProgress);
        script.expect_that(&format!("{peer} is refused"), refused);
        script.expect_nothing();
    }
}

fn a_connect_without_a_route_is_an_error(script: &mut Script) {
    script.host.out.unreachable = Some(Cause::NetworkUnreachable);
    let (socket, peer) = (open(script), script.peer);
    let result = connect(script, socket, peer);
    script.expect_eq("a connect", result, Err(SocketError::NetworkUnreachable));
    script.expect_eq("when it is to be called next", script.host.tcp.poll_at(), None);
}

fn a_local_address_may_be_given(script: &mut Script) {
    let (socket, peer) = (open(script), script.peer);
    let local = SocketAddr::new(script.host.addr(), 4000);
    let bound = bind(script, socket, local);
    script.expect_eq("a bind", bound, Ok(()));
    let begun = connect(script, socket, peer);
    script.expect_eq("a connect", begun, Err(SocketError::InProgress));
    script.port = 4000;
    script.expect(seg("S").from(local).to(peer).seq(0));
}

fn ip_chooses_the_local_address_otherwise(script: &mut Script) {
    let chosen: IpAddr = [10, 0, 0, 77].into();
    script.host.out.addr = chosen;
    let (socket, peer) = (open(script), script.peer);
    let begun = connect(script, socket, peer);
    script.expect_eq("a connect", begun, Err(SocketError::InProgress));
    let syn = script.host.out.sent.remove(0);
    script.expect_eq("the source", syn.header.src, chosen);
    let local = script.host.info(socket).map(|info| info.local.ip());
    script.expect_eq("the local address", local, Ok(chosen));
}

fn the_local_address_stays(script: &mut Script) {
    script.connect();
    let own = script.host.addr();
    script.host.out.addr = [10, 0, 0, 77].into();
    let deadline = script.now() + 10 * SECOND;
    while script.host.out.sent.is_empty() && script.now() < deadline {
        script.wait(SECOND);
    }
    let again = script.host.out.sent.first().map(|sent| sent.header.src);
    script.expect_eq("the source of the second SYN", again, Some(own));
}

fn an_address_of_another_host_is_refused(script: &mut Script) {
    let socket = open(script);
    let foreign = bind(script, socket, "192.0.2.1:80".parse().expect("an address"));
    script.expect_eq("a bind", foreign, Err(SocketError::AddrNotAvailable));
    let own = bind(script, socket, SocketAddr::new(script.host.addr(), 80));
    script.expect_eq("a bind", own, Ok(()));
}

fn a_port_that_is_listened_on_is_refused(script: &mut Script) {
    let first = script.listen(8);
    let (second, any) = (open(script), SocketAddr::new([0, 0, 0, 0].into(), 80));
    let bound = bind(script, second, any);
    script.expect_eq("a bind", bound, Err(SocketError::AddrInUse));
    script.act("close the first", |host| host.close(first));
    let bound = bind(script, second, any);
    script.expect_eq("a bind after that", bound, Ok(()));
}

/// A second socket that listens at the script's port, where others have it.
fn listen_beside(script: &mut Script) -> Handle {
    let (listener, port) = (open(script), script.port);
    let result = script.act("listen beside", |host| {
        host.set(listener, Setting::ReuseAddr(true))?;
        host.bind(listener, port)?;
        host.call(|tcp, _, _| tcp.listen(listener, 8))
    });
    script.expect_eq("a listen", result, Ok(()));
    listener
}

fn a_passive_open_leaves_other_connections_alone(script: &mut Script) {
    let first = script.accept_one(80);
    script.act("close the listener", |host| host.close(first));
    let connection = script.current();
    let second = listen_beside(script);
    script.expect_state(State::Established);
    script.inject(seg("PA").seq(1).ack(1).data(b"still here"));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"still here");
    script.peer.set_port(5001);
    script.drain();
    script.handshake();
    script.accept(second);
    script.expect_that("they are two", script.current() != connection);
}

fn a_port_takes_connections_while_others_are_half_open(script: &mut Script) {
    let (connecting, port) = (open(script), script.port);
    let far: SocketAddr = "10.0.0.9:7000".parse().expect("an address");
    let begun = script.act("connect from the port", |host| {
        host.set(connecting, Setting::ReuseAddr(true))?;
        host.bind(connecting, port)?;
        host.call(|tcp, now, out| tcp.connect(now, connecting, far, out))
    });
    script.expect_eq("a connect", begun, Err(SocketError::InProgress));
    script.host.out.sent.clear();
    let listener = listen_beside(script);
    for port in [5001, 5002] {
        script.peer.set_port(port);
        script.inject(seg("S").seq(0).mss(1460));
        script.expect(seg("SA").seq(0).ack(1));
        script.expect_connections(&[State::SynReceived]);
    }
    script.inject(seg("A").seq(1).ack(1));
    script.accept(listener);
    script.expect_state(State::Established);
    let state = script.host.state(connecting);
    script.expect_eq("the first connection's state", state, State::SynSent);
}

fn a_socket_is_bound_once(script: &mut Script) {
    let socket = open(script);
    let any = |port| SocketAddr::new([0, 0, 0, 0].into(), port);
    let first = bind(script, socket, any(80));
    script.expect_eq("the first bind", first, Ok(()));
    let second = bind(script, socket, any(81));
    script.expect_eq("the second bind", second, Err(SocketError::Invalid));
}

fn a_listener_does_not_connect(script: &mut Script) {
    let (listener, peer) = (script.listen(8), script.peer);
    let result = connect(script, listener, peer);
    script.expect_eq("a connect", result, Err(SocketError::Invalid));
    script.expect_eq("the listener", script.host.state(listener), State::Listen);
    script.handshake();
}

fn accept_is_in_the_order_in_which_handshakes_end(script: &mut Script) {
    let listener = script.listen(8);
    let mut acks = Vec::new();
    for port in [5001, 5002, 5003] {
        script.inject(seg("S").from(SocketAddr::new(PEER, port)).seq(0).mss(1460));
        let answer = script.host.out.sent.pop().expect("a SYN-ACK").seg;
        // No segment was expected, so 0 is still the real 0 on this side.
        acks.push(answer.seq.expect("a number").wrapping_add(1));
    }
    for at in [1, 0, 2] {
        let from = SocketAddr::new(PEER, 5001 + at as u16);
        script.inject(seg("A").from(from).seq(1).ack(acks[at]));
    }
    let accepted = std::iter::from_fn(|| script.host.accept(listener).ok()).take(4);
    let order: Vec<u16> = accepted.map(|(_, peer)| peer.port()).collect();
    script.expect_eq("the order", &order[..], &[5002, 5001, 5003]);
}

fn a_listener_is_readable_while_a_connection_waits(script: &mut Script) {
    let listener = script.listen(8);
    let readable = |script: &Script| script.host.readiness(listener).contains(Readiness::READABLE);
    script.expect_that("not before", !readable(script));
    script.host.take_woken();
    script.handshake();
    let woken = script.host.take_woken().contains(&listener);
    script.expect_that("whoever waits for the listener is woken", woken);
    script.expect_that("it is readable", readable(script));
    script.accept(listener);
    script.expect_that("not after", !readable(script));
}

fn a_closed_listener_resets_what_waits(script: &mut Script) {
    let listener = script.listen(8);
    script.handshake();
    script.act("close the listener", |host| host.close(listener));
    let answer = script.drain().pop().map(|answer| answer.flags.contains(crate::Flags::RST));
    script.expect_eq("a reset", answer, Some(true));
    script.expect_connections(&[]);
}

fn a_call_on_a_handle_that_was_closed_is_an_error(script: &mut Script) {
    script.accept_one(80);
    let socket = open(script);
    script.act("close", |host| host.close(socket));
    let fresh = open(script);
    script.expect_that("a handle is not given away again", fresh != socket);
    let bad = Err(SocketError::BadHandle);
    let sent = script.act("send", |host| host.send(socket, b"x"));
    script.expect_eq("a send", sent, bad);
    let received = script.act("receive", |host| host.receive(socket, 1));
    script.expect_eq("a receive", received, Err(SocketError::BadHandle));
    let bound = script.act("bind", |host| host.bind(socket, 90));
    script.expect_eq("a bind", bound, Err(SocketError::BadHandle));
    let info = script.act("info", |host| host.info(socket).map(drop));
    script.expect_eq("its facts", info, Err(SocketError::BadHandle));
    script.expect_eq("its readiness", script.host.readiness(socket), Readiness::empty());
}
