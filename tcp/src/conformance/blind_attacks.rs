//! RFC 5961: what somebody can do who sees no segment and guesses the numbers. (RFC 9293
//! §3.10.7.4 says what its three parts are.)

use netdev::cases;

use super::{Make, SECOND};
use crate::State;
use crate::testing::{Script, seg};

cases! { ($) blind_attacks_cases: Make, Script;
    Must 3 "RFC 5961 §3.2 (RFC 9293 §3.10.7.4, second)" a_reset_beside_the_next_number_is_challenged
        "If the RST bit is set and the sequence number does not exactly match the next expected \
         sequence value, yet is within the current receive window, TCP endpoints MUST send an \
         acknowledgment (challenge ACK).";
    Must 2 "RFC 5961 §3.2 (RFC 9293 §3.10.7.4, second)" a_reset_outside_the_window_is_dropped
        "If the RST bit is set and the sequence number is outside the current receive window, \
         silently drop the segment.";
    Must 3 "RFC 5961 §3.2 (RFC 9293 §3.10.7.4, second)" whoever_means_a_reset_answers_the_challenge
        "If the RST bit is set and the sequence number exactly matches the next expected sequence \
         number (RCV.NXT), then TCP endpoints MUST reset the connection.";
    Must 3 "RFC 5961 §4.2 (RFC 9293 §3.10.7.4, fourth)" a_syn_in_the_window_is_challenged
        "If the SYN bit is set, irrespective of the sequence number, TCP endpoints MUST send a \
         \"challenge ACK\" to the remote peer.";
    Must 2 "RFC 5961 §4.2 (RFC 9293 §3.10.7.4, fourth)" a_syn_at_the_next_number_is_challenged
        "If the SYN bit is set, irrespective of the sequence number, TCP endpoints MUST send a \
         \"challenge ACK\" to the remote peer.";
    Must 2 "RFC 5961 §4.2 (RFC 9293 §3.10.7.4, fourth)" a_syn_outside_the_window_is_challenged
        "If the SYN bit is set, irrespective of the sequence number, TCP endpoints MUST send a \
         \"challenge ACK\" to the remote peer.";
    Must 2 "RFC 5961 §4.2 (RFC 9293 §3.10.7.4, fourth)" a_syn_ack_is_challenged
        "If the SYN bit is set, irrespective of the sequence number, TCP endpoints MUST send a \
         \"challenge ACK\" to the remote peer.";
    Must 2 "RFC 5961 §4.2 (RFC 9293 §3.10.7.4, fourth)" text_on_a_challenged_syn_is_not_taken
        "TCP implementations MUST drop the unacceptable segment and stop processing further.";
    Must 3 "RFC 5961 §5.2 (RFC 9293 §3.10.7.4, fifth)" what_acknowledges_unsent_data_is_not_taken
        "All incoming segments whose ACK value doesn't satisfy the above condition MUST be \
         discarded and an ACK sent back.";
    Must 3 "RFC 5961 §5.2 (RFC 9293 §3.10.7.4, fifth)" what_acknowledges_the_far_past_is_not_taken
        "The ACK value is acceptable only if it is in the range of ((SND.UNA - MAX.SND.WND) =< \
         SEG.ACK =< SND.NXT).";
    Must 2 "RFC 5961 §5.2 (RFC 9293 §3.10.7.4, fifth)" an_old_acknowledgment_of_late_is_acceptable
        "The ACK value is acceptable only if it is in the range of ((SND.UNA - MAX.SND.WND) =< \
         SEG.ACK =< SND.NXT).";
    Should 3 "RFC 5961 §7" challenges_are_limited
        "Challenge ACKs are to be throttled, so that they are no way to make a host send.";
    Must 2 "RFC 5961 §3.2 (RFC 9293 §3.10.7.4, second)"
        a_reset_beside_the_number_is_challenged_in_syn_received
        "If the RST bit is set and the sequence number does not exactly match the next expected \
         sequence value, yet is within the current receive window, TCP endpoints MUST send an \
         acknowledgment (challenge ACK).";
}

/// The connection is as good as it was.
fn expect_alive(script: &mut Script) {
    script.expect_state(State::Established);
    script.inject(seg("PA").seq(1).ack(1).data(b"alive"));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"alive");
}

fn a_reset_beside_the_next_number_is_challenged(script: &mut Script) {
    script.accept_one(80);
    for seq in [2, 100, 10_000] {
        script.inject(seg("R").seq(seq));
        script.expect(seg("A").seq(1).ack(1));
        script.wait(SECOND);
    }
    expect_alive(script);
}

fn a_reset_outside_the_window_is_dropped(script: &mut Script) {
    script.accept_one(80);
    let window = script.info().expect("a connection").rcv_wnd;
    for seq in [0, u32::MAX - 100, 1 + window + 1, 0x7000_0000] {
        script.inject(seg("R").seq(seq));
        script.expect_nothing();
        script.wait(SECOND);
    }
    expect_alive(script);
}

fn whoever_means_a_reset_answers_the_challenge(script: &mut Script) {
    script.accept_one(80);
    // A segment of the peer was lost, and its reset is ahead of the gap.
    script.inject(seg("R").seq(100));
    let challenge = script.expect(seg("A").seq(1).ack(1));
    script.inject(seg("R").seq(challenge.ack.expect("an acknowledgment")));
    script.expect_nothing();
    script.expect_state(State::Closed);
}

fn expect_challenge(script: &mut Script, flags: &str, seq: u32) {
    script.accept_one(80);
    script.inject(seg(flags).seq(seq).ack(1).mss(1460));
    script.expect(seg("A").seq(1).ack(1));
    script.expect_nothing();
    expect_alive(script);
}

fn a_syn_in_the_window_is_challenged(script: &mut Script) {
    expect_challenge(script, "S", 100);
}

fn a_syn_at_the_next_number_is_challenged(script: &mut Script) {
    expect_challenge(script, "S", 1);
}

fn a_syn_outside_the_window_is_challenged(script: &mut Script) {
    expect_challenge(script, "S", 0x4000_0000);
}

fn a_syn_ack_is_challenged(script: &mut Script) {
    expect_challenge(script, "SA", 1);
}

fn text_on_a_challenged_syn_is_not_taken(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("SA").seq(1).ack(1).data(b"forged"));
    script.expect(seg("A").seq(1).ack(1));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"");
    expect_alive(script);
}

fn what_acknowledges_unsent_data_is_not_taken(script: &mut Script) {
    script.accept_one(80);
    script.send(b"12345");
    script.expect(seg("A").seq(1).data(b"12345"));
    script.inject(seg("PA").seq(1).ack(7).data(b"forged"));
    script.expect(seg("A").seq(6).ack(1));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"");
    let queued = script.info().map(|info| info.send_queue);
    script.expect_eq("bytes not acknowledged", queued, Some(5));
}

fn what_acknowledges_the_far_past_is_not_taken(script: &mut Script) {
    script.accept_one(80);
    // The largest window that the peer ever offered is 65535.
    script.inject(seg("PA").seq(1).ack(1_u32.wrapping_sub(65_536)).data(b"forged"));
    script.expect(seg("A").seq(1).ack(1));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"");
    expect_alive(script);
}

fn an_old_acknowledgment_of_late_is_acceptable(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").seq(1).ack(1_u32.wrapping_sub(60_000)).data(b"late"));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"late");
}

fn challenges_are_limited(script: &mut Script) {
    script.accept_one(80);
    let mut answers = 0;
    for _ in 0..1000 {
        script.inject(seg("S").seq(100).mss(1460));
        answers += script.drain().len();
    }
    script.expect_that(&format!("{answers} answers to 1000 SYNs"), (1..=100).contains(&answers));
}

fn a_reset_beside_the_number_is_challenged_in_syn_received(script: &mut Script) {
    let listener = script.listen(8);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.inject(seg("R").seq(2));
    script.expect(seg("A").seq(1).ack(1));
    script.expect_connections(&[State::SynReceived]);
    script.inject(seg("A").seq(1).ack(1));
    script.accept(listener);
}
