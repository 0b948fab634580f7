//! When what was received is acknowledged, and what window is offered with it.

use std::time::Duration;

use netdev::cases;

use super::Make;
use super::steps::{MS, MSS, SECOND, expect_within};
use crate::testing::{Script, Seg, pattern, seg};

cases! { ($) acknowledging_cases: Make, Script;
    Should 2 "RFC 9293 §3.8.6.3 (SHLD-18)" not_every_small_segment_is_acknowledged
        "A TCP endpoint SHOULD implement a delayed ACK.";
    Must 2 "RFC 5681 §4.2" one_ack_a_segment_at_most
        "A TCP receiver MUST NOT generate more than one ACK for every incoming segment, other \
         than to update the offered window.";
    Should 2 "RFC 5681 §4.2" each_segment_beyond_a_gap_is_answered
        "Out-of-order data segments SHOULD be acknowledged immediately, in order to accelerate \
         loss recovery.";
    Should 2 "RFC 5681 §4.2" what_fills_a_part_of_a_gap_is_acknowledged_at_once
        "The receiver SHOULD send an immediate ACK when it receives a data segment that fills in \
         all or part of a gap in the sequence space.";
    Must 2 "RFC 9293 §3.4" nothing_beyond_a_gap_is_acknowledged
        "The acknowledgment mechanism employed is cumulative so that an acknowledgment of \
         sequence number X indicates that all octets up to but not including X have been \
         received.";
    Must 2 "RFC 9293 §3.4" an_acknowledgment_is_not_acknowledged
        "The ACK does not occupy sequence number space (if it did, we would wind up ACKing \
         ACKs!).";
    Must 2 "RFC 9293 §3.8.6" the_window_is_what_can_be_taken
        "The window sent in each segment indicates the range of sequence numbers the sender of \
         the window (the data receiver) is currently prepared to accept.";
    Must 3 "RFC 9293 §3.8.6.2.2 (MUST-39)" the_window_does_not_open_by_a_little
        "A TCP implementation MUST include a SWS avoidance algorithm in the receiver.";
    Must 3 "RFC 9293 §3.8.6.1" a_probe_of_the_shut_window_is_answered
        "When the receiving TCP peer has a zero window and a segment arrives, it must still send \
         an acknowledgment showing its next expected sequence number and current window (zero).";
    Must 2 "RFC 2018 §4" no_block_without_permission
        "If the data receiver has not received a SACK-Permitted option for a given connection, it \
         MUST NOT send SACK options on that connection.";
}

fn not_every_small_segment_is_acknowledged(script: &mut Script) {
    script.accept_one(80);
    for _ in 0..40 {
        script.inject(seg("A").data(b"x"));
        script.wait(3 * MS);
    }
    script.wait(SECOND);
    let acks = script.drain();
    script.record().expect_eq("the last ACK", acks.last().and_then(|ack| ack.ack), Some(41));
    expect_within(script, "ACKs for 40 small segments", acks.len(), [1, 39]);
}

fn one_ack_a_segment_at_most(script: &mut Script) {
    script.accept_one(80);
    let mut acked = None;
    for at in [0, 1, 4, 3, 2, 5, 5, 0] {
        script.inject(seg("A").seq(1 + 500 * at).len(500));
        let acks = script.drain();
        expect_within(script, "ACKs for one segment", acks.len(), [0, 1]);
        acked = acks.last().map_or(acked, |ack| ack.ack);
    }
    acked = script.next_within(SECOND).map_or(acked, |ack| ack.ack);
    script.record().expect_eq("the last acknowledgment", acked, Some(3001));
    script.expect_quiet(5 * SECOND);
}

fn each_segment_beyond_a_gap_is_answered(script: &mut Script) {
    script.accept_one(80);
    for at in 1..=4 {
        script.inject(seg("A").seq(1 + 500 * at).len(500));
        script.expect(seg("A").seq(1).ack(1));
    }
}

fn what_fills_a_part_of_a_gap_is_acknowledged_at_once(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("A").seq(1001).len(500));
    script.drain();
    script.inject(seg("A").seq(1).len(300));
    script.expect(seg("A").seq(1).ack(301));
}

fn nothing_beyond_a_gap_is_acknowledged(script: &mut Script) {
    script.accept_one(80);
    let data = pattern(0, 1500);
    for at in [1000, 500] {
        script.inject(seg("A").seq(1 + at as u32).data(&data[at..][..500]));
        script.wait(SECOND);
        for ack in script.drain() {
            script.record().expect_eq("acknowledgment", ack.ack, Some(1));
        }
        script.record().expect_eq("bytes to read", script.receive().len(), 0);
    }
    script.inject(seg("A").seq(1).data(&data[..500]));
    script.expect_within(SECOND, seg("A").ack(1501));
    let received = script.receive();
    script.record().expect("the bytes are in order", received == data);
}

fn an_acknowledgment_is_not_acknowledged(script: &mut Script) {
    script.accept_one(80);
    for window in [65535, 65535, 30_000, 60_000] {
        script.inject(seg("A").win(window));
    }
    script.expect_quiet(2 * SECOND);
    script.inject(seg("PA").data(b"text"));
    script.expect_within(SECOND, seg("A").ack(5));
}

/// Fills the window with segments of at most `size` bytes, until it is shut; the bytes.
fn shut(script: &mut Script, size: usize) -> usize {
    // The window that is offered before there is any text.
    script.inject(seg("A").data(b"x"));
    let first = script.next_within(SECOND).unwrap_or_default();
    let (mut sent, mut window) = (1, usize::from(first.window.unwrap_or(0)));
    script.record().expect("a window is offered", window > 0);
    while window > 0 {
        script.inject(seg("A").len(window.min(size)));
        sent += window.min(size);
        window -= window.min(size);
        let acks = script.drain();
        let told = acks.last().map(|ack| edge(ack) - 1 - sent);
        window = told.unwrap_or(window);
        script.record().expect("the window shuts in the end", sent < 100_000_000);
    }
    script.wait(SECOND);
    script.drain();
    sent
}

/// The right edge of the window that this offers.
fn edge(ack: &Seg) -> usize {
    ack.ack.expect("an ACK") as usize + usize::from(ack.window.expect("seen"))
}

fn the_window_is_what_can_be_taken(script: &mut Script) {
    script.accept_one(80);
    let sent = shut(script, MSS);
    // A byte too many is not taken.
    script.inject(seg("A").data(b"!"));
    let answer = script.next_within(SECOND).unwrap_or_default();
    script.record().expect_eq("acknowledgment", answer.ack, Some(1 + sent as u32));
    script.record().expect_eq("bytes to read", script.receive().len(), sent);
}

fn the_window_does_not_open_by_a_little(script: &mut Script) {
    script.accept_one(80);
    let sent = shut(script, MSS);
    let socket = script.current();
    for _ in 0..60 {
        let read = script.host.receive(socket, 100).map(|bytes| bytes.len());
        script.record().expect_eq("bytes read", read, Ok(100));
        script.inject(seg("A").seq(1 + sent as u32).len(1));
        for ack in script.drain() {
            let window = edge(&ack) - 1 - sent;
            script
                .record()
                .expect("a window of nothing, or of a segment", !(1..1459).contains(&window));
            if window > 0 {
                return;
            }
        }
    }
    script.record().fail("a window, once there is room for segments", "none");
}

fn a_probe_of_the_shut_window_is_answered(script: &mut Script) {
    script.accept_one(80);
    let next = 1 + shut(script, MSS) as u32;
    for wait in [1, 2, 4, 8, 16, 32, 60] {
        script.wait(Duration::from_secs(wait));
        script.inject(seg("A").seq(next).data(b"?"));
        script.expect(seg("A").ack(next).win(0));
    }
}

fn no_block_without_permission(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("A").seq(501).len(500));
    let answer = script.next_within(SECOND).unwrap_or_default();
    script.record().expect_eq("acknowledgment", answer.ack, Some(1));
    script.record().expect_eq("a SACK option", answer.option(5), None);
}
