//! Which segments are looked at: RFC 9293 §3.10.7.4 first and fifth, and whether its sequence
//! number counts.

use netdev::cases;

use super::{Make, SECOND};
use crate::State;
use crate::testing::{Script, pattern, seg};

cases! { ($) segment_checks_cases: Make, Script;
    Must 2 "RFC 9293 §3.10.7.4, table 6" empty_at_the_next_number_is_acceptable
        "Segment Length 0, Receive Window >0: RCV.NXT =< SEG.SEQ < RCV.NXT+RCV.WND";
    Must 2 "RFC 9293 §3.10.7.4, table 6" empty_ahead_in_the_window_is_acceptable
        "Segment Length 0, Receive Window >0: RCV.NXT =< SEG.SEQ < RCV.NXT+RCV.WND";
    Must 2 "RFC 9293 §3.10.7.4, table 6" empty_before_the_window_is_answered_and_not_used
        "If an incoming segment is not acceptable, an acknowledgment should be sent in reply …: \
         <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>";
    Must 2 "RFC 9293 §3.10.7.4, table 6" empty_beyond_the_window_is_answered_and_not_used
        "If an incoming segment is not acceptable, an acknowledgment should be sent in reply …: \
         <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>";
    Must 3 "RFC 9293 §3.10.7.4, table 6" with_the_window_shut_an_acknowledgment_counts
        "Segment Length 0, Receive Window 0: SEG.SEQ = RCV.NXT";
    Must 3 "RFC 9293 §3.10.7.4, table 6" with_the_window_shut_text_is_answered_and_not_taken
        "Segment Length >0, Receive Window 0: not acceptable";
    Must 3 "RFC 9293 §3.4 (MUST-66)" with_the_window_shut_a_reset_counts
        "A TCP receiver MUST process the RST and URG fields of all incoming segments, even when \
         the receive window is zero.";
    Must 2 "RFC 9293 §3.10.7.4, table 6" text_that_ends_in_the_window_is_taken_from_where_it_is_new
        "RCV.NXT =< SEG.SEQ+SEG.LEN-1 < RCV.NXT+RCV.WND: … if a segment's contents straddle the \
         boundary between old and new, only the new parts are processed.";
    Must 2 "RFC 9293 §3.10.7.4, first" text_that_is_all_old_is_acknowledged_again
        "After sending the acknowledgment, drop the unacceptable segment and return.";
    Must 2 "RFC 9293 §3.10.7.4, first" text_beyond_the_window_is_answered_and_not_kept
        "After sending the acknowledgment, drop the unacceptable segment and return.";
    Must 3 "RFC 9293 §3.10.7.4, first" text_across_the_right_edge_is_cut_there
        "One could tailor actual segments to fit this assumption by trimming off any portions \
         that lie outside the window (including SYN and FIN).";
    Must 2 "RFC 9293 §3.10.7.4, first" a_fin_beyond_the_window_does_not_count
        "… trimming off any portions that lie outside the window (including SYN and FIN).";
    Must 2 "RFC 9293 §3.10.7.4, fifth" without_the_ack_bit_nothing_is_taken
        "If the ACK bit is off, drop the segment and return.";
    Must 2 "RFC 9293 §3.10.7.4, fifth" a_repeated_acknowledgment_does_not_keep_text_out
        "If the ACK is a duplicate (SEG.ACK =< SND.UNA), it can be ignored.";
    Must 2 "RFC 9293 §3.10.7.4, first" an_acceptable_acknowledgment_is_not_answered
        "If an incoming segment is not acceptable, an acknowledgment should be sent in reply: \
         what is acceptable and carries nothing has no reply.";
    Must 3 "RFC 9293 §3.4" numbers_wrap_while_receiving
        "It is essential to remember that the actual sequence number space is finite …: all \
         arithmetic dealing with sequence numbers must be performed modulo 2^32.";
    Must 3 "RFC 9293 §3.4" the_window_wraps
        "All arithmetic dealing with sequence numbers must be performed modulo 2^32.";
}

/// Five bytes that were sent and wait to be acknowledged.
fn five_in_flight(script: &mut Script) {
    script.accept_one(80);
    script.send(b"12345");
    script.expect(seg("A").seq(1).data(b"12345"));
}

fn queued(script: &Script) -> Option<usize> {
    script.info().map(|info| info.send_queue)
}

/// Text that nobody reads comes until the window is no larger than `limit`; gives how much that
/// was.
pub(super) fn fill_the_window(script: &mut Script, limit: u32) -> u32 {
    let mut all = 0;
    while let Some(window) = script.info().map(|info| info.rcv_wnd)
        && window > limit
    {
        let len = window.min(1460);
        script.inject(seg("A").seq(1 + all).len(len as usize));
        script.wait(SECOND);
        script.drain();
        all += len;
        assert!(all < 1 << 24, "a window that never ends");
    }
    all
}

fn empty_at_the_next_number_is_acceptable(script: &mut Script) {
    five_in_flight(script);
    script.inject(seg("A").seq(1).ack(6));
    script.expect_eq("bytes not acknowledged", queued(script), Some(0));
    script.expect_nothing();
}

fn empty_ahead_in_the_window_is_acceptable(script: &mut Script) {
    five_in_flight(script);
    script.inject(seg("A").seq(1000).ack(6));
    script.expect_eq("bytes not acknowledged", queued(script), Some(0));
}

fn empty_before_the_window_is_answered_and_not_used(script: &mut Script) {
    five_in_flight(script);
    script.inject(seg("A").seq(0).ack(6));
    script.expect(seg("A").seq(6).ack(1));
    script.expect_eq("bytes not acknowledged", queued(script), Some(5));
}

fn empty_beyond_the_window_is_answered_and_not_used(script: &mut Script) {
    five_in_flight(script);
    let window = script.info().expect("a connection").rcv_wnd;
    script.inject(seg("A").seq(1 + window + 1).ack(6));
    script.expect(seg("A").seq(6).ack(1));
    script.expect_eq("bytes not acknowledged", queued(script), Some(5));
}

fn with_the_window_shut_an_acknowledgment_counts(script: &mut Script) {
    five_in_flight(script);
    script.inject(seg("A").seq(1).ack(1));
    let all = fill_the_window(script, 0);
    script.inject(seg("A").seq(1 + all).ack(6));
    script.expect_eq("bytes not acknowledged", queued(script), Some(0));
}

fn with_the_window_shut_text_is_answered_and_not_taken(script: &mut Script) {
    script.accept_one(80);
    let all = fill_the_window(script, 0);
    script.inject(seg("PA").seq(1 + all).ack(1).data(b"x"));
    script.expect(seg("A").seq(1).ack(1 + all).win(0));
    let waiting = script.info().map(|info| info.receive_queue);
    script.expect_eq("bytes to be read", waiting, Some(all as usize));
}

fn with_the_window_shut_a_reset_counts(script: &mut Script) {
    script.accept_one(80);
    let all = fill_the_window(script, 0);
    script.inject(seg("R").seq(1 + all));
    script.expect_nothing();
    script.expect_state(State::Closed);
}

fn text_that_ends_in_the_window_is_taken_from_where_it_is_new(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").seq(1).ack(1).data(b"abcde"));
    script.inject(seg("PA").seq(3).ack(1).data(b"CDEfgh"));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"abcdefgh");
    script.wait(SECOND);
    let last = script.drain().pop().and_then(|last| last.ack);
    script.expect_eq("the acknowledgment", last, Some(9));
}

fn text_that_is_all_old_is_acknowledged_again(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").seq(1).ack(1).data(b"abcde"));
    script.wait(SECOND);
    script.drain();
    script.inject(seg("PA").seq(1).ack(1).data(b"abcde"));
    script.expect(seg("A").seq(1).ack(6));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"abcde");
}

/// A window that does not move any more, since what came takes nearly all the room; gives the
/// number of its left edge, and its size.
fn a_small_window(script: &mut Script) -> (u32, u32) {
    script.accept_one(80);
    let all = fill_the_window(script, 4000);
    (1 + all, script.info().expect("a connection").rcv_wnd)
}

/// Everything up to the window's right edge is acknowledged and to be read, and no more.
fn expect_filled_to(script: &mut Script, edge: u32) {
    script.wait(SECOND);
    let last = script.drain().pop().and_then(|last| last.ack);
    script.expect_eq("the acknowledgment", last, Some(edge));
    let waiting = script.info().map(|info| info.receive_queue);
    script.expect_eq("bytes to be read", waiting, Some(edge as usize - 1));
    script.expect_state(State::Established);
}

fn text_beyond_the_window_is_answered_and_not_kept(script: &mut Script) {
    let (left, window) = a_small_window(script);
    script.inject(seg("A").seq(left + window).ack(1).data(b"beyond"));
    script.expect(seg("A").seq(1).ack(left));
    // What fills the window does not bring it out.
    script.inject(seg("A").seq(left).ack(1).len(window as usize));
    expect_filled_to(script, left + window);
}

fn text_across_the_right_edge_is_cut_there(script: &mut Script) {
    let (left, window) = a_small_window(script);
    script.inject(seg("A").seq(left).ack(1).len(window as usize + 500));
    expect_filled_to(script, left + window);
}

fn a_fin_beyond_the_window_does_not_count(script: &mut Script) {
    let (left, window) = a_small_window(script);
    script.inject(seg("FA").seq(left).ack(1).len(window as usize + 1));
    expect_filled_to(script, left + window);
}

fn without_the_ack_bit_nothing_is_taken(script: &mut Script) {
    script.accept_one(80);
    for flags in ["", "P", "F", "U", "FPU"] {
        script.inject(seg(flags).seq(1).data(b"x"));
        script.expect_state(State::Established);
    }
    script.inject(seg("PA").seq(1).ack(1).data(b"hello"));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"hello");
}

fn a_repeated_acknowledgment_does_not_keep_text_out(script: &mut Script) {
    five_in_flight(script);
    script.inject(seg("A").seq(1).ack(6));
    script.inject(seg("PA").seq(1).ack(1).data(b"late"));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"late");
    script.expect_eq("bytes not acknowledged", queued(script), Some(0));
}

fn an_acceptable_acknowledgment_is_not_answered(script: &mut Script) {
    five_in_flight(script);
    for _ in 0..10 {
        script.inject(seg("A").seq(1).ack(6));
        script.expect_quiet(SECOND);
    }
}

fn numbers_wrap_while_receiving(script: &mut Script) {
    script.peer_isn = u32::MAX - 1000;
    script.accept_one(80);
    let data = pattern(0, 5000);
    // The last first: what is ahead of a gap lies beyond the wrap.
    for at in [4, 3, 1, 2, 0] {
        script.inject(seg("A").seq(1 + at * 1000).ack(1).data(&data[at as usize * 1000..][..1000]));
    }
    script.wait(SECOND);
    let last = script.drain().pop().and_then(|last| last.ack);
    script.expect_eq("the acknowledgment", last, Some(5001));
    let received = script.receive();
    script.expect_that("the bytes are in order", received == data);
}

fn the_window_wraps(script: &mut Script) {
    // RCV.NXT is the last number of all.
    script.peer_isn = u32::MAX - 1;
    script.accept_one(80);
    let window = script.info().expect("a connection").rcv_wnd;
    script.inject(seg("R").seq(1 + window + 1));
    script.inject(seg("R").seq(0));
    script.expect_nothing();
    script.expect_state(State::Established);
    script.inject(seg("A").seq(2).ack(1).data(b"bc"));
    script.inject(seg("A").seq(1).ack(1).data(b"a"));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"abc");
}
