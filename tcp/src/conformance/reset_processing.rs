//! What a reset does that arrives: RFC 9293 §3.5.3 and §3.10.7, RFC 1337.

use ip::{Readiness, SocketError};
use netdev::cases;

use super::Make;
use super::states::reach;
use crate::State;
use crate::testing::{Script, seg};

cases! { ($) reset_processing_cases: Make, Script;
    Must 2 "RFC 9293 §3.10.7.2, first" a_listener_ignores_resets
        "An incoming RST segment could not be valid … An incoming RST should be ignored.";
    Must 2 "RFC 9293 §3.10.7.3, second" a_reset_that_acknowledges_the_syn_refuses_the_connection
        "If the ACK was acceptable, then signal to the user \"error: connection reset\", drop the \
         segment, enter CLOSED state, delete TCB, and return.";
    Must 2 "RFC 9293 §3.10.7.3, second" a_reset_that_acknowledges_nothing_refuses_nothing
        "Otherwise (no ACK), drop the segment and return.";
    Must 2 "RFC 9293 §3.10.7.3, first" a_reset_with_a_bad_acknowledgment_is_dropped_in_syn_sent
        "Send a reset (unless the RST bit is set, if so drop the segment and return).";
    Must 3 "RFC 9293 §3.5.3 (MUST-11)" a_reset_sends_a_passive_open_back_to_listen
        "If the receiver was in SYN-RECEIVED state and had previously been in the LISTEN state, \
         then the receiver returns to the LISTEN state.";
    Must 3 "RFC 9293 §3.10.7.4, second (MUST-11)" a_reset_refuses_a_simultaneous_open
        "If this connection was initiated with an active OPEN …, then the connection was refused; \
         signal the user \"connection refused\".";
    Must 2 "RFC 9293 §3.10.7.4, second" a_reset_ends_an_established_connection
        "If the RST bit is set, then any outstanding RECEIVEs and SEND should receive \"reset\" \
         responses. … Enter the CLOSED state, delete the TCB, and return.";
    Must 2 "RFC 9293 §3.6 (MUST-12)" a_reset_is_told_and_wakes_who_waits
        "The local application MUST be informed whether it closed normally or was aborted.";
    Should 1 "RFC 9293 §3.5.3 (SHLD-2)" a_reset_may_have_data
        "TCP implementations SHOULD allow a received RST segment to include data.";
    Must 1 "RFC 9293 §3.10.7.4, second" a_reset_ends_fin_wait_1
        "FIN-WAIT-1 STATE: If the RST bit is set … Enter the CLOSED state, delete the TCB.";
    Must 1 "RFC 9293 §3.10.7.4, second" a_reset_ends_fin_wait_2
        "FIN-WAIT-2 STATE: If the RST bit is set … Enter the CLOSED state, delete the TCB.";
    Must 1 "RFC 9293 §3.10.7.4, second" a_reset_ends_close_wait
        "CLOSE-WAIT STATE: If the RST bit is set … Enter the CLOSED state, delete the TCB.";
    Must 1 "RFC 9293 §3.10.7.4, second" a_reset_ends_closing
        "CLOSING STATE: If the RST bit is set, then enter the CLOSED state, delete the TCB.";
    Must 1 "RFC 9293 §3.10.7.4, second" a_reset_ends_last_ack
        "LAST-ACK STATE: If the RST bit is set, then enter the CLOSED state, delete the TCB.";
    Ours 2 "RFC 1337 §3" a_reset_does_not_end_time_wait
        "(F1) Ignore RST segments in TIME-WAIT state.";
    Must 2 "RFC 9293 §3.5.1, figure 9" a_peer_that_restarted_finds_the_connection_half_open
        "TCP Peer B, being in a synchronized state, … responds with an acknowledgment … TCP Peer A \
         … sends a reset (RST) because it has detected a half-open connection. TCP Peer B aborts.";
    Must 2 "RFC 9293 §3.10.7.4, second" after_a_reset_nothing_is_sent_any_more
        "All segment queues should be flushed.";
}

fn a_listener_ignores_resets(script: &mut Script) {
    let listener = script.listen(8);
    for segment in [seg("R").seq(0), seg("RA").seq(0).ack(1), seg("RS").seq(0)] {
        script.inject(segment);
        script.expect_nothing();
        script.expect_connections(&[]);
    }
    script.expect_eq("the listener", script.host.state(listener), State::Listen);
    script.handshake();
    script.accept(listener);
}

fn a_reset_that_acknowledges_the_syn_refuses_the_connection(script: &mut Script) {
    script.connect();
    script.inject(seg("RA").seq(0).ack(1));
    script.expect_nothing();
    script.expect_state(State::Closed);
    script.expect_error(Some(SocketError::Refused));
}

fn a_reset_that_acknowledges_nothing_refuses_nothing(script: &mut Script) {
    script.connect();
    script.inject(seg("R").seq(0));
    script.expect_nothing();
    script.expect_state(State::SynSent);
    script.expect_error(None);
}

fn a_reset_with_a_bad_acknowledgment_is_dropped_in_syn_sent(script: &mut Script) {
    script.connect();
    for ack in [0, 2, 500] {
        script.inject(seg("RA").seq(0).ack(ack));
        script.expect_nothing();
        script.expect_state(State::SynSent);
    }
}

fn a_reset_sends_a_passive_open_back_to_listen(script: &mut Script) {
    let listener = script.listen(8);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.expect_connections(&[State::SynReceived]);
    script.inject(seg("R").seq(1));
    script.expect_nothing();
    script.expect_connections(&[]);
    script.expect_eq("the listener", script.host.state(listener), State::Listen);
    let accepted = script.act("accept", |host| host.accept(listener));
    script.expect_eq("an accept", accepted, Err(SocketError::WouldBlock));
    script.expect_quiet(10 * super::SECOND);
    let error = script.act("take the error", |host| host.take_error(listener));
    script.expect_eq("the listener's error: the user need not be informed", error, None);
}

fn a_reset_refuses_a_simultaneous_open(script: &mut Script) {
    script.connect();
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.expect_state(State::SynReceived);
    script.inject(seg("R").seq(1));
    script.expect_nothing();
    script.expect_state(State::Closed);
    script.expect_error(Some(SocketError::Refused));
}

fn a_reset_ends_an_established_connection(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("R").seq(1));
    script.expect_nothing();
    script.expect_state(State::Closed);
    script.inject(seg("A").seq(1).ack(1));
    script.expect(seg("R").seq(1));
}

fn a_reset_is_told_and_wakes_who_waits(script: &mut Script) {
    script.accept_one(80);
    let socket = script.current();
    script.host.take_woken();
    script.inject(seg("R").seq(1));
    let woken = script.host.take_woken().contains(&socket);
    script.expect_that("whoever waits for the socket is woken", woken);
    let ready = script.host.readiness(socket);
    let all = Readiness::READABLE | Readiness::WRITABLE | Readiness::ERROR;
    script.expect_that(&format!("{ready:?} has {all:?}"), ready.contains(all));
    script.expect_receive_error(SocketError::Reset);
    script.expect_end();
}

fn a_reset_may_have_data(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("R").seq(1).data(b"out of memory"));
    script.expect_nothing();
    script.expect_state(State::Closed);
}

fn expect_ended(script: &mut Script, state: State) {
    let at = reach(script, state);
    script.inject(seg("R").seq(at.rcv_nxt));
    script.expect_nothing();
    script.expect_state(State::Closed);
    script.expect_quiet(300 * super::SECOND);
}

fn a_reset_ends_fin_wait_1(script: &mut Script) {
    expect_ended(script, State::FinWait1);
}

fn a_reset_ends_fin_wait_2(script: &mut Script) {
    expect_ended(script, State::FinWait2);
}

fn a_reset_ends_close_wait(script: &mut Script) {
    expect_ended(script, State::CloseWait);
}

fn a_reset_ends_closing(script: &mut Script) {
    expect_ended(script, State::Closing);
}

fn a_reset_ends_last_ack(script: &mut Script) {
    expect_ended(script, State::LastAck);
}

fn a_reset_does_not_end_time_wait(script: &mut Script) {
    let at = reach(script, State::TimeWait);
    script.inject(seg("R").seq(at.rcv_nxt));
    script.drain();
    script.expect_connections(&[State::TimeWait]);
}

fn a_peer_that_restarted_finds_the_connection_half_open(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("S").seq(0x2000_0000).mss(1460));
    let answer = script.expect(seg("A").seq(1).ack(1));
    script.inject(seg("R").seq(answer.ack.expect("an acknowledgment")));
    script.expect_nothing();
    script.expect_state(State::Closed);
    script.inject(seg("S").seq(0x2000_0000).mss(1460));
    script.expect(seg("SA").ack(0x2000_0001));
}

fn after_a_reset_nothing_is_sent_any_more(script: &mut Script) {
    script.accept_one(80);
    script.send(&[7; 10_000]);
    script.drain();
    script.inject(seg("R").seq(1));
    script.expect_state(State::Closed);
    script.expect_quiet(300 * super::SECOND);
    let queued = script.info().map_or(0, |info| info.send_queue);
    script.expect_eq("bytes queued", queued, 0);
}
