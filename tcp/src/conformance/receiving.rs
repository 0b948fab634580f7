//! The stream that is received, and its acknowledgment: RFC 9293 §3.10.7.4 seventh and eighth,
//! §3.8.6.3, RFC 5681 §4.2.

use ip::Readiness;
use netdev::cases;

use super::{Make, SECOND};
use crate::State;
use crate::testing::{Script, pattern, seg};

cases! { ($) receiving_cases: Make, Script;
    Must 2 "RFC 9293 §3.10.7.4, seventh" text_in_order_is_delivered
        "Once in the ESTABLISHED state, it is possible to deliver segment data to user RECEIVE \
         buffers.";
    Must 2 "RFC 9293 §3.10.7.4, seventh" text_wakes_the_reader
        "Data from segments can be moved into buffers until either the buffer is full or the \
         segment is empty.";
    Must 2 "RFC 9293 §3.9.1.3 (MAY-17)" text_without_push_is_delivered_as_well
        "A TCP receiver MAY pass a received PSH bit to the application layer …, but it is not \
         required: what arrived is not held back for one.";
    Should 3 "RFC 9293 §3.10.7.4 (SHLD-31)" text_out_of_order_is_kept
        "Segments with higher beginning sequence numbers SHOULD be held for later processing.";
    Must 3 "RFC 9293 §3.10.7.4, first" text_out_of_order_is_delivered_in_order
        "Segments are processed in sequence. … further processing is done in SEG.SEQ order.";
    Must 3 "RFC 9293 §3.10" overlapping_segments_make_one_stream
        "When a segment overlaps other already received segments, we reconstruct the segment to \
         contain just the new data and adjust the header fields to be consistent.";
    Must 2 "RFC 9293 §3.10" a_segment_that_covers_what_waits_is_taken_whole
        "When a segment overlaps other already received segments, we reconstruct the segment to \
         contain just the new data.";
    Must 2 "RFC 9293 §3.10.7.4, first" a_duplicate_is_delivered_once
        "Initial tests on arrival are used to discard old duplicates.";
    Must 2 "RFC 9293 §3.10.7.4, first" a_duplicate_out_of_order_is_delivered_once
        "Initial tests on arrival are used to discard old duplicates.";
    Should 2 "RFC 5681 §4.2" text_above_a_gap_brings_a_duplicate_ack_at_once
        "The receiver SHOULD send an immediate duplicate ACK when it receives a data segment \
         above a gap in the sequence space.";
    Should 2 "RFC 5681 §4.2" text_that_fills_a_gap_is_acknowledged_at_once
        "The receiver SHOULD send an immediate ACK when it receives a data segment that fills in \
         all or part of a gap in the sequence space.";
    Must 2 "RFC 9293 §3.8.6.3 (MUST-40)" an_acknowledgment_waits_less_than_half_a_second
        "An ACK should not be excessively delayed; in particular, the delay MUST be less than 0.5 \
         seconds.";
    Should 2 "RFC 9293 §3.8.6.3 (SHLD-19)" every_second_full_segment_is_acknowledged_at_once
        "An ACK SHOULD be generated for at least every second full-sized segment or 2*RMSS bytes \
         of new data.";
    Must 3 "RFC 9293 §3.10.7.4 (MUST-58, MUST-59)" a_batch_is_processed_before_it_is_acknowledged
        "If the TCP endpoint is processing a series of queued segments, it MUST process them all \
         before sending any ACK segments.";
    Must 2 "RFC 9293 §3.10.7.4, seventh" an_acknowledgment_rides_on_data_that_goes_the_other_way
        "This acknowledgment should be piggybacked on a segment being transmitted if possible \
         without incurring undue delay.";
    Must 3 "RFC 9293 §3.10.7.4, eighth" a_fin_out_of_order_waits_for_its_turn
        "If the FIN bit is set, … advance RCV.NXT over the FIN, and send an acknowledgment for \
         the FIN: in SEG.SEQ order as all else.";
    Must 2 "RFC 9293 §3.10.7.4, eighth" text_and_fin_in_one_segment_are_both_taken
        "FIN implies PUSH for any segment text not yet delivered to the user.";
    Must 2 "RFC 9293 §3.10.7.4, seventh" text_behind_the_fin_is_ignored
        "CLOSE-WAIT STATE: This should not occur since a FIN has been received from the remote \
         side. Ignore the segment text.";
    Must 2 "RFC 9293 §3.8.6" the_window_shrinks_by_what_nobody_reads
        "The window sent in each segment indicates the range of sequence numbers the sender of \
         the window (the data receiver) is currently prepared to accept.";
    Should 3 "RFC 9293 §3.8.6 (SHLD-14)" the_right_edge_of_the_window_never_moves_back
        "A TCP receiver SHOULD NOT shrink the window, i.e., move the right window edge to the \
         left.";
    Must 2 "RFC 9293 §3.10.3" reading_opens_a_window_that_was_shut
        "When the receiving TCP peer has a zero window …: the peer is told when it opens again.";
    Ours 2 "RFC 9293 §3.10.7.4" a_packet_that_stands_for_many_segments_is_taken
        "A packet of up to 64 KiB, as a device with receive offload merges it, is taken as the \
         segments would be.";
}

fn expect_received(script: &mut Script, bytes: &[u8]) {
    let received = script.receive();
    if received != bytes {
        let (seen, expected) =
            (String::from_utf8_lossy(&received), String::from_utf8_lossy(bytes).into_owned());
        script.expect_eq("the bytes", &seen[..], &expected[..]);
    }
}

fn text_in_order_is_delivered(script: &mut Script) {
    script.accept_one(80);
    for text in ["one ", "two ", "three"] {
        script.inject(seg("PA").ack(1).data(text.as_bytes()));
    }
    expect_received(script, b"one two three");
    script.wait(SECOND);
    let last = script.drain().pop().and_then(|last| last.ack);
    script.expect_eq("the acknowledgment", last, Some(14));
}

fn text_wakes_the_reader(script: &mut Script) {
    script.accept_one(80);
    let socket = script.current();
    script.host.take_woken();
    script.inject(seg("PA").ack(1).data(b"x"));
    let woken = script.host.take_woken().contains(&socket);
    script.expect_that("whoever waits for the socket is woken", woken);
    let readable = script.host.readiness(socket).contains(Readiness::READABLE);
    script.expect_that("it is readable", readable);
    expect_received(script, b"x");
    let readable = script.host.readiness(socket).contains(Readiness::READABLE);
    script.expect_that("it is readable no more", !readable);
}

fn text_without_push_is_delivered_as_well(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("A").ack(1).data(b"no push"));
    expect_received(script, b"no push");
}

fn text_out_of_order_is_kept(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").seq(6).ack(1).data(b"world"));
    expect_received(script, b"");
    script.inject(seg("PA").seq(1).ack(1).data(b"hello"));
    expect_received(script, b"helloworld");
}

fn text_out_of_order_is_delivered_in_order(script: &mut Script) {
    script.accept_one(80);
    let text = pattern(0, 9000);
    // Each is sent until it is acknowledged: a receiver that keeps nothing is right as well.
    for round in 0..9 {
        for at in [8, 3, 5, 7, 1, 0, 2, 6, 4] {
            let part = &text[at * 1000..][..1000];
            script.inject(seg("A").seq(1 + at as u32 * 1000).ack(1).data(part));
        }
        let last = script.drain().pop().and_then(|last| last.ack);
        if last == Some(9001) {
            break;
        }
        script.expect_that("it gets on in each round", last > Some(1 + round * 1000));
    }
    let received = script.receive();
    script.expect_that("the bytes are in order", received == text);
}

fn overlapping_segments_make_one_stream(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").seq(4).ack(1).data(b"defg"));
    script.inject(seg("PA").seq(10).ack(1).data(b"jkl"));
    script.inject(seg("PA").seq(6).ack(1).data(b"fghijk"));
    script.inject(seg("PA").seq(1).ack(1).data(b"abcde"));
    expect_received(script, b"abcdefghijkl");
    script.wait(SECOND);
    let last = script.drain().pop().and_then(|last| last.ack);
    script.expect_eq("the acknowledgment", last, Some(13));
}

fn a_segment_that_covers_what_waits_is_taken_whole(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").seq(3).ack(1).data(b"cd"));
    script.inject(seg("PA").seq(7).ack(1).data(b"gh"));
    script.inject(seg("PA").seq(1).ack(1).data(b"abcdefghij"));
    expect_received(script, b"abcdefghij");
}

fn a_duplicate_is_delivered_once(script: &mut Script) {
    script.accept_one(80);
    for _ in 0..3 {
        script.inject(seg("PA").seq(1).ack(1).data(b"once"));
    }
    expect_received(script, b"once");
    script.inject(seg("PA").seq(1).ack(1).data(b"once"));
    expect_received(script, b"");
}

fn a_duplicate_out_of_order_is_delivered_once(script: &mut Script) {
    script.accept_one(80);
    for _ in 0..3 {
        script.inject(seg("PA").seq(3).ack(1).data(b"cd"));
    }
    script.inject(seg("PA").seq(1).ack(1).data(b"ab"));
    script.inject(seg("PA").seq(3).ack(1).data(b"cd"));
    expect_received(script, b"abcd");
}

fn text_above_a_gap_brings_a_duplicate_ack_at_once(script: &mut Script) {
    script.accept_one(80);
    for at in 1..4 {
        script.inject(seg("A").seq(1 + at * 1000).ack(1).len(1000));
        script.expect(seg("A").seq(1).ack(1));
    }
    script.expect_nothing();
}

fn text_that_fills_a_gap_is_acknowledged_at_once(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("A").seq(1001).ack(1).len(1000));
    script.inject(seg("A").seq(3001).ack(1).len(1000));
    script.drain();
    script.inject(seg("A").seq(1).ack(1).len(1000));
    script.expect(seg("A").seq(1).ack(2001));
    script.inject(seg("A").seq(2001).ack(1).len(1000));
    script.expect(seg("A").seq(1).ack(4001));
}

fn an_acknowledgment_waits_less_than_half_a_second(script: &mut Script) {
    script.accept_one(80);
    let mut next = 1;
    for _ in 0..20 {
        script.inject(seg("PA").seq(next).ack(1).len(10));
        next += 10;
        script.expect_within(SECOND / 2, seg("A").seq(1).ack(next));
        script.wait(SECOND);
    }
}

fn every_second_full_segment_is_acknowledged_at_once(script: &mut Script) {
    script.accept_one(80);
    let mut acknowledged = 1;
    for number in 1..=20 {
        script.inject(seg("A").ack(1).len(1460));
        let last = script.drain().pop().and_then(|last| last.ack);
        acknowledged = last.unwrap_or(acknowledged);
        let behind = 1 + number * 1460 - acknowledged;
        let what = format!("{behind} bytes are unacknowledged: under two segments");
        script.expect_that(&what, behind < 2 * 1460);
    }
}

fn a_batch_is_processed_before_it_is_acknowledged(script: &mut Script) {
    script.accept_one(80);
    script.inject_batch((0..6).map(|at| seg("A").seq(1 + 1000 * at).ack(1).len(1000)));
    script.expect(seg("A").seq(1).ack(6001));
    script.expect_nothing();
}

fn an_acknowledgment_rides_on_data_that_goes_the_other_way(script: &mut Script) {
    script.accept_one(80);
    // Early in a connection ACKs may be sent at once.
    for _ in 0..40 {
        script.inject(seg("PA").ack(1).len(1460));
        script.receive();
        script.wait(SECOND);
    }
    script.drain();
    script.inject_batch([seg("PA").ack(1).data(b"ping")]);
    script.drain();
    script.send(b"pong");
    script.expect(seg("A").seq(1).ack(1 + 40 * 1460 + 4).data(b"pong"));
    script.inject(seg("A").ack(5));
    script.expect_quiet(SECOND);
}

fn a_fin_out_of_order_waits_for_its_turn(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("FA").seq(6).ack(1).data(b"world"));
    script.expect_state(State::Established);
    expect_received(script, b"");
    script.inject(seg("PA").seq(1).ack(1).data(b"hello"));
    let last = script.drain().pop().and_then(|last| last.ack);
    if last == Some(6) {
        // It kept neither text nor FIN, and gets them again.
        script.inject(seg("FA").seq(6).ack(1).data(b"world"));
    }
    script.expect_state(State::CloseWait);
    expect_received(script, b"helloworld");
    script.expect_end();
}

fn text_and_fin_in_one_segment_are_both_taken(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("FA").seq(1).ack(1).data(b"goodbye"));
    script.expect_within(SECOND, seg("A").seq(1).ack(9));
    script.expect_state(State::CloseWait);
    expect_received(script, b"goodbye");
    script.expect_end();
}

fn text_behind_the_fin_is_ignored(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("FA").seq(1).ack(1).data(b"end"));
    script.wait(SECOND);
    script.drain();
    script.inject(seg("PA").seq(5).ack(1).data(b"more"));
    script.expect_state(State::CloseWait);
    expect_received(script, b"end");
    script.expect_end();
    let expected = script.info().map(|info| info.rcv_nxt.wrapping_sub(script.peer_isn));
    script.expect_eq("RCV.NXT", expected, Some(5));
}

fn the_window_shrinks_by_what_nobody_reads(script: &mut Script) {
    script.accept_one(80);
    let all = super::segment_checks::fill_the_window(script, 0);
    script.inject(seg("A").seq(1 + all).ack(1).data(b"?"));
    script.expect(seg("A").seq(1).ack(1 + all).win(0));
    let waiting = script.info().map(|info| info.receive_queue);
    script.expect_eq("bytes to be read", waiting, Some(all as usize));
}

fn the_right_edge_of_the_window_never_moves_back(script: &mut Script) {
    script.accept_one(80);
    let edge_of = |segment: &crate::testing::Seg| {
        segment.ack.unwrap_or(0) + u32::from(segment.window.unwrap_or(0))
    };
    let (mut edge, mut next) = (0, 1);
    for number in 0..2000 {
        let len = 1 + (number * 37) % 1460;
        if next + len > edge && edge > 0 {
            break;
        }
        script.inject(seg("A").seq(next).ack(1).len(len as usize));
        next += len;
        script.wait(SECOND);
        for segment in script.drain() {
            let now = edge_of(&segment);
            let what = format!("the right edge, at {edge}, moves to {now}");
            script.expect_that(&what, now >= edge);
            edge = now;
        }
        if number % 7 == 0 {
            let socket = script.current();
            script
                .act("receive 100", |host| host.receive(socket, 100).map(|bytes| bytes.len()))
                .expect("bytes");
        }
    }
    script.expect_that("there was an acknowledgment", edge > 0);
}

fn reading_opens_a_window_that_was_shut(script: &mut Script) {
    script.accept_one(80);
    let all = super::segment_checks::fill_the_window(script, 0);
    script.expect_nothing();
    let received = script.receive();
    script.expect_eq("bytes read", received.len(), all as usize);
    let update = script.expect_within(SECOND, seg("A").seq(1).ack(1 + all));
    script.expect_that("the window is a segment at least", update.window >= Some(1460));
}

fn a_packet_that_stands_for_many_segments_is_taken(script: &mut Script) {
    script.accept_one(80);
    let text = pattern(0, 60_000);
    script.inject(seg("A").seq(1).ack(1).data(&text));
    let last = script.drain().pop().and_then(|last| last.ack);
    script.expect_eq("the acknowledgment", last, Some(60_001));
    let received = script.receive();
    script.expect_that("the bytes are in order", received == text);
}
