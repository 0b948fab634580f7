//! Losses that are repaired before the timer: fast retransmit (RFC 5681), NewReno (RFC 6582),
//! limited transmit (RFC 3042), and what comes with them.

use netdev::cases;

use super::Make;
use super::steps::{
    MS, MSS, MSS_1460, SACK_PERMITTED, SECOND, accept_after, bytes, end, expect_between,
    expect_within, listen, next_text, texts,
};
use crate::testing::{Script, Seg, seg};

cases! { ($) fast_recovery_cases: Make, Script;
    Should 3 "RFC 5681 §3.2" three_duplicate_acks_bring_what_is_missing
        "The fast retransmit algorithm uses the arrival of 3 duplicate ACKs … as an indication \
         that a segment has been lost.";
    Must 2 "RFC 5681 §3.2" two_duplicate_acks_bring_nothing_again
        "On the first and second duplicate ACKs received at a sender, a TCP SHOULD send a segment \
         of previously unsent data per [RFC3042].";
    Should 2 "RFC 5681 §2" an_ack_with_another_window_is_no_duplicate
        "An acknowledgment is considered a \"duplicate\" … when … the advertised window in the \
         incoming acknowledgment equals the advertised window in the last incoming \
         acknowledgment.";
    Should 2 "RFC 5681 §2" an_ack_with_text_is_no_duplicate
        "An acknowledgment is considered a \"duplicate\" … when … the incoming acknowledgment \
         carries no data.";
    Should 1 "RFC 5681 §3.2" what_is_missing_is_sent_once
        "The lost segment starting at SND.UNA MUST be retransmitted.";
    Should 3 "RFC 6582 §3.2" a_partial_ack_brings_the_next_that_is_missing
        "If this ACK does *not* acknowledge all of the data up to and including recover, then \
         this is a partial ACK. In this case, retransmit the first unacknowledged segment.";
    Should 3 "RFC 6582 §3.2" partial_acks_repair_a_whole_window
        "If this ACK does *not* acknowledge all of the data up to and including recover, then \
         this is a partial ACK. In this case, retransmit the first unacknowledged segment.";
    Should 2 "RFC 5681 §3.2" further_duplicate_acks_bring_new_text
        "For each additional duplicate ACK received (after the third), cwnd MUST be incremented \
         by SMSS.";
    Should 2 "RFC 3042 §2" the_first_duplicate_acks_bring_new_text
        "… calls for a TCP sender to transmit new data upon the arrival of the first two \
         consecutive duplicate ACKs.";
    Must 2 "RFC 3042 §2" limited_transmit_keeps_to_the_window
        "The receiver's advertised window allows the transmission of the segment.";
    Must 2 "RFC 5681 §3.2" limited_transmit_sends_one_segment_for_each
        "The FlightSize … would remain less than or equal to cwnd plus 2*SMSS.";
    May 4 "RFC 5682 §2.1" a_timeout_for_nothing_is_found_out
        "If the acknowledgment advances the window (i.e., if it acknowledges data that was not \
         retransmitted after the timeout), declare the timeout spurious.";
    Should 4 "RFC 8985 §7.2" the_last_segment_is_probed_for
        "If SRTT is available: PTO = 2 * SRTT.";
    Should 2 "RFC 5681 §3.2" a_lost_retransmission_waits_for_the_timer
        "The lost segment starting at SND.UNA MUST be retransmitted.";
}

/// Ten segments in flight over a path of 400 ms, with nothing more to send, or less where the
/// sender may not; the number after them.
fn ten_segments(script: &mut Script) -> u32 {
    accept_after(script, 400 * MS);
    in_flight(script, 10)
}

/// So many segments in flight, after as many round trips as it takes.
fn in_flight(script: &mut Script, segments: usize) -> u32 {
    let mut edge = 1;
    for _ in 0..8 {
        script.send(&vec![7; segments * MSS]);
        let mut sent = texts(script);
        let first = sent.first().and_then(|seg| seg.seq).unwrap_or(edge);
        let all = bytes(&sent) == segments * MSS;
        if all {
            return first + (segments * MSS) as u32;
        }
        while !sent.is_empty() {
            script.wait(100 * MS);
            edge = end(&sent, edge);
            script.inject(seg("A").ack(edge));
            sent = texts(script);
        }
    }
    script.record().fail(format_args!("{segments} segments in flight at once"), "fewer");
}

/// Injects so many duplicates of the ACK of `ack`.
fn duplicates(script: &mut Script, ack: u32, count: usize) -> Vec<Seg> {
    (0..count)
        .flat_map(|_| {
            script.inject(seg("A").ack(ack));
            texts(script)
        })
        .collect()
}

fn three_duplicate_acks_bring_what_is_missing(script: &mut Script) {
    let end = ten_segments(script);
    let first = end - (10 * MSS) as u32;
    let sent = duplicates(script, first, 3);
    script.record().expect_eq("what is sent", sent.first().and_then(|seg| seg.seq), Some(first));
    script.record().expect_eq("its length", sent[0].payload_len(), MSS);
}

fn two_duplicate_acks_bring_nothing_again(script: &mut Script) {
    let end = ten_segments(script);
    let first = end - (10 * MSS) as u32;
    let sent = duplicates(script, first, 2);
    script.record().expect_eq("what is sent again", bytes(&sent), 0);
    // All of it arrived, only not in order.
    script.inject(seg("A").ack(end));
    script.expect_quiet(10 * SECOND);
}

fn an_ack_with_another_window_is_no_duplicate(script: &mut Script) {
    let end = ten_segments(script);
    let first = end - (10 * MSS) as u32;
    for window in [60_000, 59_000, 58_000, 57_000, 56_000] {
        script.inject(seg("A").ack(first).win(window));
        script.expect_nothing();
    }
    script.inject(seg("A").ack(end));
    script.expect_quiet(10 * SECOND);
}

fn an_ack_with_text_is_no_duplicate(script: &mut Script) {
    let end = ten_segments(script);
    let first = end - (10 * MSS) as u32;
    for _ in 0..5 {
        script.inject(seg("A").ack(first).len(100));
        script.record().expect_eq("bytes sent", bytes(&texts(script)), 0);
    }
    script.inject(seg("A").ack(end));
    script.record().expect_eq("bytes sent", bytes(&texts(script)), 0);
}

fn what_is_missing_is_sent_once(script: &mut Script) {
    let end = ten_segments(script);
    let first = end - (10 * MSS) as u32;
    let mut sent = duplicates(script, first, 9);
    sent.retain(|seg| seg.seq == Some(first));
    script.record().expect_eq("how often it is sent again", sent.len(), 1);
}

fn a_partial_ack_brings_the_next_that_is_missing(script: &mut Script) {
    let end = ten_segments(script);
    let first = end - (10 * MSS) as u32;
    duplicates(script, first, 8);
    // The first is there, the fifth is missing as well.
    script.wait(100 * MS);
    let next = first + (4 * MSS) as u32;
    script.inject(seg("A").ack(next));
    let sent = texts(script);
    script.record().expect_eq("what is sent", sent.first().and_then(|seg| seg.seq), Some(next));
}

fn partial_acks_repair_a_whole_window(script: &mut Script) {
    let end = ten_segments(script);
    let first = end - (10 * MSS) as u32;
    let start = script.now();
    duplicates(script, first, 5);
    // Every second one is missing.
    for lost in 1..5 {
        script.wait(100 * MS);
        let next = first + (2 * lost * MSS) as u32;
        script.inject(seg("A").ack(next));
        let sent = texts(script);
        let repaired = sent.iter().any(|seg| seg.seq == Some(next));
        script.record().expect("the next missing segment is sent at once", repaired);
    }
    script.inject(seg("A").ack(end));
    script.expect_quiet(10 * SECOND);
    expect_between(script, "the time it took", script.now() - start, 10 * SECOND, 11 * SECOND);
}

fn further_duplicate_acks_bring_new_text(script: &mut Script) {
    let end = ten_segments(script);
    let first = end - (10 * MSS) as u32;
    script.send(&[8; 20 * MSS]);
    texts(script);
    let sent = duplicates(script, first, 9);
    // Half of what was in flight has left the network: some of the others may take its place.
    let new = sent.iter().filter(|seg| seg.seq >= Some(end)).count();
    expect_within(script, "new segments for nine duplicate ACKs", new, [1, 8]);
}

/// A sender whose congestion window is full, or the peer's where it has none, with text left.
fn full(script: &mut Script) -> u32 {
    script.accept_one(80);
    script.send(&[7; 60 * MSS]);
    end(&texts(script), 1)
}

fn the_first_duplicate_acks_bring_new_text(script: &mut Script) {
    let mut edge = full(script);
    for _ in 0..2 {
        script.inject(seg("A").ack(1));
        script.expect(seg("A").seq(edge).len(MSS));
        script.expect_nothing();
        edge += MSS as u32;
    }
}

fn limited_transmit_keeps_to_the_window(script: &mut Script) {
    script.peer_window = 4 * MSS as u16;
    script.accept_one(80);
    script.send(&[7; 20 * MSS]);
    let mut sent = texts(script);
    let mut edge = end(&sent, 1);
    // As many as it takes to fill the peer's window.
    while edge < 1 + 4 * MSS as u32 {
        script.peer_window -= MSS as u16;
        script.inject(seg("A").ack(1 + MSS as u32));
        sent = texts(script);
        script.record().expect("text is sent", !sent.is_empty());
        edge = end(&sent, edge);
    }
    let sent = duplicates(script, edge - 4 * MSS as u32, 2);
    script.record().expect_eq("bytes sent", bytes(&sent), 0);
}

fn limited_transmit_sends_one_segment_for_each(script: &mut Script) {
    let edge = full(script);
    let sent = duplicates(script, 1, 2);
    expect_within(script, "bytes for two duplicate ACKs", bytes(&sent), [0, 2 * MSS]);
    let first = sent.first().and_then(|seg| seg.seq).unwrap_or(edge);
    script.record().expect_eq("what is sent", first, edge);
}

/// A connection with SACK over a path of 400 ms.
fn with_sack(script: &mut Script) {
    let listener = listen(script, None);
    script.inject(seg("S").seq(0).options(&[MSS_1460, SACK_PERMITTED].concat()));
    script.expect(seg("SA").seq(0).ack(1));
    script.wait(400 * MS);
    script.inject(seg("A"));
    script.accept(listener);
}

fn a_timeout_for_nothing_is_found_out(script: &mut Script) {
    with_sack(script);
    let end = in_flight(script, 6);
    let first = end - (6 * MSS) as u32;
    script.send(&[8; 40 * MSS]);
    texts(script);
    // Probes for the tail may come first.
    for _ in 0..3 {
        let (_, sent) = next_text(script, 20 * SECOND);
        if sent.seq == Some(first) {
            break;
        }
    }
    script.drain();
    // The path was only slow: the acknowledgments of what was sent first arrive one by one.
    let mut sent = Vec::new();
    for arrived in 1..=6 {
        script.inject(seg("A").ack(first + (arrived * MSS) as u32));
        sent.extend(texts(script));
    }
    let old = sent.iter().filter(|seg| seg.seq < Some(end)).count();
    script.record().expect_eq("segments sent again for nothing", old, 0);
    script.record().expect("new text is sent", !sent.is_empty());
}

fn the_last_segment_is_probed_for(script: &mut Script) {
    with_sack(script);
    script.send(&[7; 3 * MSS]);
    texts(script);
    script.wait(400 * MS);
    script.inject(seg("A").ack(1 + MSS as u32));
    script.drain();
    // SRTT 0.4 and RTTVAR 0.15 make an RTO of a second.
    let (wait, probe) = next_text(script, 5 * SECOND);
    script.record().expect_eq("the probe", probe.seq, Some(1 + 2 * MSS as u32));
    expect_between(script, "the time until it", wait, 400 * MS, 990 * MS);
}

fn a_lost_retransmission_waits_for_the_timer(script: &mut Script) {
    let end = ten_segments(script);
    let first = end - (10 * MSS) as u32;
    let sent = duplicates(script, first, 9);
    script.record().expect("it is sent again", sent.iter().any(|seg| seg.seq == Some(first)));
    let (_, again) = next_text(script, 5 * SECOND);
    script.record().expect_eq("what comes again", again.seq, Some(first));
    script.inject(seg("A").ack(end));
    script.expect_quiet(10 * SECOND);
}
