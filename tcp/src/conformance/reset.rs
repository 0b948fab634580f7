//! When a reset is sent, and when one must not be: RFC 9293 §3.5.2, its three groups of states.

use netdev::cases;

use super::Make;
use super::states::reach;
use crate::State;
use crate::testing::{Script, seg};

cases! { ($) reset_cases: Make, Script;
    Must 1 "RFC 9293 §3.10.7.1" a_syn_to_a_closed_port_is_reset
        "If the ACK bit is off, sequence number zero is used, \
         <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>";
    Must 2 "RFC 9293 §3.10.7.1" a_reset_acknowledges_text_syn_and_fin
        "The reset has sequence number zero and the ACK field is set to the sum of the sequence \
         number and segment length of the incoming segment.";
    Must 2 "RFC 9293 §3.10.7.1" an_acknowledgment_to_a_closed_port_is_reset_at_its_number
        "If the ACK bit is on, <SEQ=SEG.ACK><CTL=RST>";
    Must 2 "RFC 9293 §3.10.7.1" a_reset_to_a_closed_port_is_not_answered
        "An incoming segment containing a RST is discarded.";
    Must 2 "RFC 9293 §3.10.7.2, second" an_acknowledgment_to_a_listener_is_reset
        "Any acknowledgment is bad if it arrives on a connection still in the LISTEN state. An \
         acceptable reset segment should be formed for any arriving ACK-bearing segment.";
    Must 2 "RFC 9293 §3.10.7.2, second" a_syn_ack_to_a_listener_is_reset
        "A SYN-ACK is returned and causes TCP A to generate a RST (the ACK in line 3 is not \
         acceptable).";
    Must 2 "RFC 9293 §3.10.7.2, fourth" what_has_neither_syn_nor_ack_does_nothing_to_a_listener
        "Fourth, other data or control: This should not be reached. Drop the segment and return.";
    Must 2 "RFC 9293 §3.10.7.3, first" an_acknowledgment_that_is_not_of_the_syn_is_reset
        "If SEG.ACK =< ISS or SEG.ACK > SND.NXT, send a reset … <SEQ=SEG.ACK><CTL=RST> and \
         discard the segment.";
    Must 2 "RFC 9293 §3.10.7.3, first" an_acknowledgment_of_the_iss_itself_is_reset
        "If SEG.ACK =< ISS or SEG.ACK > SND.NXT, send a reset.";
    Must 2 "RFC 9293 §3.10.7.3, fifth" in_syn_sent_nothing_happens_without_syn_or_rst
        "Fifth, if neither of the SYN or RST bits is set, then drop the segment and return.";
    Must 3 "RFC 9293 §3.10.7.4, fifth" in_syn_received_a_bad_acknowledgment_is_reset
        "If the segment acknowledgment is not acceptable, form a reset segment \
         <SEQ=SEG.ACK><CTL=RST> and send it. The connection remains in the same state.";
    Must 2 "RFC 9293 §3.5.2, 3." what_is_unacceptable_is_acknowledged_in_established
        "If the connection is in a synchronized state …, any unacceptable segment … must be \
         responded to with an empty acknowledgment segment …, and the connection remains in the \
         same state.";
    Must 1 "RFC 9293 §3.5.2, 3." what_is_unacceptable_is_acknowledged_in_fin_wait_1
        "Any unacceptable segment (out-of-window sequence number or unacceptable acknowledgment \
         number) must be responded to with an empty acknowledgment segment.";
    Must 1 "RFC 9293 §3.5.2, 3." what_is_unacceptable_is_acknowledged_in_fin_wait_2
        "Any unacceptable segment (out-of-window sequence number or unacceptable acknowledgment \
         number) must be responded to with an empty acknowledgment segment.";
    Must 1 "RFC 9293 §3.5.2, 3." what_is_unacceptable_is_acknowledged_in_close_wait
        "Any unacceptable segment (out-of-window sequence number or unacceptable acknowledgment \
         number) must be responded to with an empty acknowledgment segment.";
    Must 1 "RFC 9293 §3.5.2, 3." what_is_unacceptable_is_acknowledged_in_closing
        "Any unacceptable segment (out-of-window sequence number or unacceptable acknowledgment \
         number) must be responded to with an empty acknowledgment segment.";
    Must 1 "RFC 9293 §3.5.2, 3." what_is_unacceptable_is_acknowledged_in_last_ack
        "Any unacceptable segment (out-of-window sequence number or unacceptable acknowledgment \
         number) must be responded to with an empty acknowledgment segment.";
    Must 1 "RFC 9293 §3.5.2, 3." what_is_unacceptable_is_acknowledged_in_time_wait
        "Any unacceptable segment (out-of-window sequence number or unacceptable acknowledgment \
         number) must be responded to with an empty acknowledgment segment.";
}

fn a_syn_to_a_closed_port_is_reset(script: &mut Script) {
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("RA").from(script.local()).to(script.peer).ack(1));
    let reset = script.host.out.sent.len();
    script.expect_eq("more than one answer", reset, 0);
}

fn a_reset_acknowledges_text_syn_and_fin(script: &mut Script) {
    for (segment, ack) in [
        (seg("S").seq(100).data(b"ten bytes!"), 111),
        (seg("").seq(200).data(b"ten bytes!"), 210),
        (seg("F").seq(300).data(b"ten bytes!"), 311),
        (seg("SF").seq(400), 402),
    ] {
        script.inject(segment);
        script.expect(seg("RA").ack(ack));
    }
}

fn an_acknowledgment_to_a_closed_port_is_reset_at_its_number(script: &mut Script) {
    for segment in
        [seg("A").seq(1), seg("PA").seq(1).data(b"x"), seg("FA").seq(1), seg("SA").seq(1)]
    {
        script.inject(segment.ack(777));
        script.expect(seg("R").seq(777));
    }
}

fn a_reset_to_a_closed_port_is_not_answered(script: &mut Script) {
    script.inject(seg("R").seq(1));
    script.inject(seg("RA").seq(1).ack(1));
    script.expect_nothing();
    script.inject(seg("S").seq(0));
    script.expect(seg("RA").ack(1));
}

/// The listener answers this with a reset at 777, and is still there.
fn expect_reset_by_a_listener(script: &mut Script, flags: &str) {
    let listener = script.listen(8);
    script.inject(seg(flags).seq(0).ack(777));
    script.expect(seg("R").seq(777));
    script.expect_nothing();
    script.expect_eq("the listener", script.host.state(listener), State::Listen);
    script.expect_connections(&[]);
    script.handshake();
}

fn an_acknowledgment_to_a_listener_is_reset(script: &mut Script) {
    expect_reset_by_a_listener(script, "A");
}

fn a_syn_ack_to_a_listener_is_reset(script: &mut Script) {
    expect_reset_by_a_listener(script, "SA");
}

fn what_has_neither_syn_nor_ack_does_nothing_to_a_listener(script: &mut Script) {
    script.listen(8);
    for flags in ["", "F", "P", "U", "FPU"] {
        script.inject(seg(flags).seq(0).data(b"x"));
        script.expect_nothing();
        script.expect_connections(&[]);
    }
    script.handshake();
}

fn an_acknowledgment_that_is_not_of_the_syn_is_reset(script: &mut Script) {
    script.connect();
    for segment in [seg("A").seq(0).ack(500), seg("SA").seq(0).ack(2).mss(1460)] {
        let ack = segment.ack.expect("an acknowledgment");
        script.inject(segment);
        script.expect(seg("R").seq(ack));
        script.expect_state(State::SynSent);
    }
    script.inject(seg("SA").seq(0).ack(1).mss(1460));
    script.expect(seg("A").seq(1).ack(1));
    script.expect_state(State::Established);
}

fn an_acknowledgment_of_the_iss_itself_is_reset(script: &mut Script) {
    script.connect();
    script.inject(seg("SA").seq(0).ack(0).mss(1460));
    script.expect(seg("R").seq(0));
    script.expect_state(State::SynSent);
}

fn in_syn_sent_nothing_happens_without_syn_or_rst(script: &mut Script) {
    script.connect();
    for segment in [seg("A").seq(0).ack(1), seg("FA").seq(0).ack(1).data(b"x"), seg("P").seq(0)] {
        script.inject(segment);
        script.expect_nothing();
        script.expect_state(State::SynSent);
    }
    script.inject(seg("SA").seq(0).ack(1).mss(1460));
    script.expect(seg("A").seq(1).ack(1));
}

fn in_syn_received_a_bad_acknowledgment_is_reset(script: &mut Script) {
    let listener = script.listen(8);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    for ack in [0, 2, 500] {
        script.inject(seg("A").seq(1).ack(ack));
        script.expect(seg("R").seq(ack));
        script.expect_connections(&[State::SynReceived]);
    }
    script.inject(seg("A").seq(1).ack(1));
    script.accept(listener);
}

/// What is beyond the window, and then what acknowledges too much, is answered with what is
/// expected, and changes nothing.
fn expect_acknowledged(script: &mut Script, state: State) {
    let at = reach(script, state);
    let reply = seg("A").seq(at.snd_nxt).ack(at.rcv_nxt);
    script.inject(seg("A").seq(0x4000_0000).ack(at.snd_nxt).data(b"beyond"));
    script.expect(reply.clone());
    script.expect_connections(&[state]);
    // Answers may be limited in number a second (RFC 5961 §7).
    script.wait(super::SECOND);
    script.drain();
    script.inject(seg("A").seq(at.rcv_nxt).ack(at.snd_nxt + 1000).data(b"not sent"));
    script.expect(reply);
    script.expect_connections(&[state]);
}

fn what_is_unacceptable_is_acknowledged_in_established(script: &mut Script) {
    expect_acknowledged(script, State::Established);
}

fn what_is_unacceptable_is_acknowledged_in_fin_wait_1(script: &mut Script) {
    expect_acknowledged(script, State::FinWait1);
}

fn what_is_unacceptable_is_acknowledged_in_fin_wait_2(script: &mut Script) {
    expect_acknowledged(script, State::FinWait2);
}

fn what_is_unacceptable_is_acknowledged_in_close_wait(script: &mut Script) {
    expect_acknowledged(script, State::CloseWait);
}

fn what_is_unacceptable_is_acknowledged_in_closing(script: &mut Script) {
    expect_acknowledged(script, State::Closing);
}

fn what_is_unacceptable_is_acknowledged_in_last_ack(script: &mut Script) {
    expect_acknowledged(script, State::LastAck);
}

fn what_is_unacceptable_is_acknowledged_in_time_wait(script: &mut Script) {
    expect_acknowledged(script, State::TimeWait);
}
