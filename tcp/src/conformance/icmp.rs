//! What an ICMP error does: RFC 9293 §3.9.2.2, RFC 5927, RFC 1191.

use ip::{Cause, Protocol, Quoted, SocketError};
use netdev::cases;

use super::{MINUTE, Make, SECOND};
use crate::State;
use crate::testing::{Script, Seg, seg};

cases! { ($) icmp_cases: Make, Script;
    Must 2 "RFC 9293 §3.9.2.2 (MUST-55)" source_quench_is_ignored
        "TCP implementations MUST silently discard any received ICMP Source Quench messages.";
    Must 3 "RFC 9293 §3.9.2.2 (MUST-56)" soft_errors_end_no_connection
        "Since these Unreachable messages indicate soft error conditions, a TCP implementation \
         MUST NOT abort the connection.";
    Must 3 "RFC 9293 §3.9.2.2 (MUST-56)" soft_errors_end_no_attempt
        "… a TCP implementation MUST NOT abort the connection.";
    Should 2 "RFC 9293 §3.9.2.2 (SHLD-25)" soft_errors_are_told
        "… and it SHOULD make the information available to the application.";
    Should 2 "RFC 9293 §3.9.2.2 (SHLD-26)" a_hard_error_ends_an_attempt
        "These are hard error conditions, so TCP implementations SHOULD abort the connection.";
    Ours 3 "RFC 5927 §5.2" a_hard_error_ends_no_synchronized_connection
        "Some implementations do not abort connections when an ICMP hard error is received for a \
         connection that is in any of the synchronized states: anybody could forge it.";
    Must 2 "RFC 9293 §3.9.2.2 (MUST-54)" an_error_goes_to_the_connection_that_it_is_about
        "TCP implementations MUST act on an ICMP error message passed up from the IP layer, \
         directing it to the connection that created the error.";
    Should 3 "RFC 5927 §4.1" an_error_about_a_number_not_in_flight_is_ignored
        "The sequence number in the quoted segment has to be in flight: \
         SND.UNA =< SEG.SEQ < SND.NXT.";
    Must 1 "RFC 5927 §4.1" a_quote_that_is_cut_short_does_no_harm
        "A message that does not quote the sequence number cannot be checked.";
    Must 3 "RFC 1191 §6.4" fragmentation_needed_makes_segments_smaller
        "The host MUST reduce its estimate of the path MTU, and TCP sends again what was too long \
         in segments that fit.";
    Should 3 "RFC 5927 §7.2" fragmentation_needed_of_no_less_than_was_sent_is_ignored
        "A message that claims an MTU that the quoted segment did not exceed is not about it.";
    Should 3 "RFC 5927 §7.2" fragmentation_needed_about_a_number_not_in_flight_is_ignored
        "The sequence number in the quoted segment has to be in flight.";
    Must 2 "RFC 1191 §3" an_mtu_below_the_least_does_no_harm
        "A host MUST never reduce its estimate of the Path MTU below 68 octets.";
    Should 3 "RFC 1191 §5" an_old_router_that_names_no_mtu_is_understood
        "A next-hop MTU of zero is that of a router older than this: the next lower value of the \
         table is tried.";
    Must 2 "RFC 1191 §6.4" fragmentation_needed_ends_no_attempt
        "A Datagram Too Big message is no sign that the destination cannot be reached.";
}

/// Destination Unreachable 0, 1 and 5, Time Exceeded, Parameter Problem.
const SOFT: [Cause; 6] = [
    Cause::NetworkUnreachable,
    Cause::HostUnreachable,
    Cause::SourceRouteFailed,
    Cause::TtlExceeded,
    Cause::ReassemblyTimeout,
    Cause::ParameterProblem { pointer: 20 },
];

/// Four full segments in flight, of 1460 bytes from number 1 on.
fn four_in_flight(script: &mut Script) {
    script.accept_one(80);
    script.send(&[7; 4 * 1460]);
    let sent: usize = script.drain().iter().map(Seg::payload_len).sum();
    script.expect_eq("bytes sent", sent, 4 * 1460);
}

fn largest(sent: &[Seg]) -> usize {
    sent.iter().map(Seg::payload_len).max().unwrap_or(0)
}

fn source_quench_is_ignored(script: &mut Script) {
    four_in_flight(script);
    let before = script.info();
    script.icmp(Cause::SourceQuench, 1, 1500);
    script.expect_nothing();
    script.expect_that("nothing about the connection has changed", script.info() == before);
    script.expect_error(None);
    script.inject(seg("A").seq(1).ack(1 + 4 * 1460));
    script.expect_state(State::Established);
}

fn soft_errors_end_no_connection(script: &mut Script) {
    four_in_flight(script);
    for cause in SOFT {
        script.icmp(cause, 1, 1500);
        script.expect_state(State::Established);
    }
    let socket = script.current();
    script.act("take the error", |host| host.take_error(socket));
    script.inject(seg("A").seq(1).ack(1 + 4 * 1460).data(b"hello"));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"hello");
}

fn soft_errors_end_no_attempt(script: &mut Script) {
    script.connect();
    script.icmp(Cause::HostUnreachable, 0, 44);
    script.expect_state(State::SynSent);
    script.inject(seg("SA").seq(0).ack(1).mss(1460));
    script.expect(seg("A").seq(1).ack(1));
}

fn soft_errors_are_told(script: &mut Script) {
    four_in_flight(script);
    script.icmp(Cause::HostUnreachable, 1, 1500);
    script.expect_error(Some(SocketError::HostUnreachable));
    script.expect_state(State::Established);
}

fn a_hard_error_ends_an_attempt(script: &mut Script) {
    script.connect();
    script.icmp(Cause::PortUnreachable, 0, 44);
    script.expect_state(State::Closed);
    script.expect_error(Some(SocketError::Refused));
    script.expect_quiet(MINUTE);
}

fn a_hard_error_ends_no_synchronized_connection(script: &mut Script) {
    four_in_flight(script);
    for cause in [Cause::PortUnreachable, Cause::ProtocolUnreachable] {
        script.icmp(cause, 1, 1500);
        script.expect_state(State::Established);
    }
}

fn an_error_goes_to_the_connection_that_it_is_about(script: &mut Script) {
    script.connect();
    let first = script.current();
    script.peer.set_port(5001);
    script.connect();
    let second = script.current();
    script.icmp(Cause::PortUnreachable, 0, 44);
    script.expect_eq("the second's state", script.host.state(second), State::Closed);
    script.expect_eq("the first's state", script.host.state(first), State::SynSent);
}

fn an_error_about_a_number_not_in_flight_is_ignored(script: &mut Script) {
    script.connect();
    for seq in [u32::MAX, 1, 1000, 0x8000_0000] {
        script.icmp(Cause::PortUnreachable, seq, 44);
        script.expect_state(State::SynSent);
    }
    script.icmp(Cause::PortUnreachable, 0, 44);
    script.expect_state(State::Closed);
}

fn a_quote_that_is_cut_short_does_no_harm(script: &mut Script) {
    script.connect();
    let (local, peer) = (script.local(), script.peer);
    let ports = [local.port(), peer.port()].map(u16::to_be_bytes).concat();
    for len in 0..4 {
        let quoted = Quoted {
            src: local.ip(),
            dst: peer.ip(),
            protocol: Protocol::TCP,
            total_len: 44,
            payload: ports[..len].to_vec(),
        };
        let cause = Cause::PortUnreachable;
        script.host.call(|tcp, now, out| tcp.error(now, cause, &quoted, out));
        script.expect_state(State::SynSent);
    }
    script.inject(seg("SA").seq(0).ack(1).mss(1460));
    script.expect(seg("A").seq(1).ack(1));
}

fn fragmentation_needed_makes_segments_smaller(script: &mut Script) {
    four_in_flight(script);
    script.icmp(Cause::FragmentationNeeded { mtu: 1000 }, 1, 1500);
    script.wait(5 * SECOND);
    let again = script.drain();
    let first = again.first().map(|first| (first.seq, first.payload_len()));
    script.expect_eq("what is sent again first", first, Some((Some(1), 960)));
    script.expect_that("no segment is too long any more", largest(&again) <= 960);
}

/// What is sent next of this connection is as long as before.
fn expect_full_segments(script: &mut Script) {
    script.drain();
    script.inject(seg("A").seq(1).ack(1 + 4 * 1460));
    script.send(&[7; 4 * 1460]);
    let sent = script.drain();
    script.expect_eq("the longest segment", largest(&sent), 1460);
}

fn fragmentation_needed_of_no_less_than_was_sent_is_ignored(script: &mut Script) {
    four_in_flight(script);
    // The quoted segment was of 400 bytes, it says.
    script.icmp(Cause::FragmentationNeeded { mtu: 600 }, 1, 400);
    expect_full_segments(script);
}

fn fragmentation_needed_about_a_number_not_in_flight_is_ignored(script: &mut Script) {
    four_in_flight(script);
    for seq in [0, 1 + 4 * 1460, 0x8000_0000] {
        script.icmp(Cause::FragmentationNeeded { mtu: 600 }, seq, 1500);
    }
    expect_full_segments(script);
}

fn an_mtu_below_the_least_does_no_harm(script: &mut Script) {
    four_in_flight(script);
    for mtu in [1, 20, 40, 67] {
        script.icmp(Cause::FragmentationNeeded { mtu }, 1, 1500);
    }
    expect_full_segments(script);
}

fn an_old_router_that_names_no_mtu_is_understood(script: &mut Script) {
    four_in_flight(script);
    script.icmp(Cause::FragmentationNeeded { mtu: 0 }, 1, 1500);
    script.wait(5 * SECOND);
    let again = script.drain();
    let longest = largest(&again);
    // RFC 1191 §7.1: 1492 is the next value of the table.
    script.expect_that(&format!("{longest} bytes at most"), (500..=1452).contains(&longest));
}

fn fragmentation_needed_ends_no_attempt(script: &mut Script) {
    script.connect();
    script.icmp(Cause::FragmentationNeeded { mtu: 576 }, 0, 60);
    script.expect_state(State::SynSent);
    script.inject(seg("SA").seq(0).ack(1).mss(1460));
    script.expect(seg("A").seq(1).ack(1));
    script.expect_state(State::Established);
}
