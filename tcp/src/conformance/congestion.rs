//! How much may be in flight, for the network's sake (RFC 5681 and what came after it).

use netdev::cases;

use super::Make;
use super::steps::{
    MS, MSS, Receiver, SECOND, accept_after, accept_with, acknowledge_each, bytes, end,
    expect_within, flood, next_text, set, texts,
};
use crate::Setting;
use crate::testing::{Script, Seg, seg};

cases! { ($) congestion_cases: Make, Script;
    Must 3 "RFC 6928 §2" the_initial_window_is_ten_segments_at_most
        "The upper bound for the initial window will be: min (10*MSS, max (2*MSS, 14600)).";
    Must 2 "RFC 6928 §2" the_initial_window_counts_small_segments_too
        "The upper bound for the initial window will be: min (10*MSS, max (2*MSS, 14600)).";
    Must 2 "RFC 5681 §3.1" after_lost_syns_the_initial_window_is_one_segment
        "If the SYN or SYN/ACK is lost, the initial window used by a sender after a correctly \
         transmitted SYN MUST be one segment.";
    Must 3 "RFC 5681 §3.1" slow_start_adds_a_segment_for_each_that_is_acknowledged
        "During slow start, a TCP increments cwnd by at most SMSS bytes for each ACK received \
         that cumulatively acknowledges new data.";
    Should 2 "RFC 5681 §3.1" slow_start_doubles_the_window_in_a_round_trip
        "RECOMMENDED … cwnd += min (N, SMSS).";
    Must 2 "RFC 5681 §3.1" an_ack_of_many_segments_adds_one
        "During slow start, a TCP increments cwnd by at most SMSS bytes for each ACK received \
         that cumulatively acknowledges new data.";
    Should 3 "RFC 5681 §3.1" an_ack_in_pieces_adds_no_more
        "This adjustment … provides robustness against misbehaving receivers that may attempt to \
         induce a sender to artificially inflate cwnd using a mechanism known as \"ACK \
         Division\".";
    Must 3 "RFC 5681 §3.2" a_loss_halves_the_window
        "When the third duplicate ACK is received, a TCP MUST set ssthresh to no more than the \
         value given in equation (4).";
    Must 3 "RFC 5681 §3.1" a_timeout_leaves_one_segment
        "Upon a timeout … cwnd MUST be set to no more than the loss window, LW, which equals 1 \
         full-sized segment.";
    Must 3 "RFC 5681 §3.1" after_a_timeout_slow_start_ends_at_half
        "… increase the window from 1 full-sized segment to the new value of ssthresh, at which \
         point congestion avoidance again takes over.";
    Must 2 "RFC 5681 §3.1" a_second_timeout_leaves_the_threshold
        "When a TCP sender detects segment loss using the retransmission timer and the given \
         segment has already been retransmitted … at least once, the value of ssthresh is held \
         constant.";
    Must 3 "RFC 5681 §3.1" congestion_avoidance_adds_a_segment_in_a_round_trip
        "During congestion avoidance, cwnd is incremented by roughly 1 full-sized segment per \
         round-trip time (RTT).";
    Should 2 "RFC 5681 §3.1" congestion_avoidance_does_grow
        "SHOULD increment cwnd per equation (2) once per RTT.";
    Should 2 "RFC 5681 §4.1" after_a_long_silence_the_window_is_small
        "A TCP SHOULD set cwnd to no more than RW before beginning transmission if the TCP has \
         not sent data in an interval exceeding the retransmission timeout.";
    Ours 2 "RFC 7661" a_window_that_is_not_used_does_not_grow
        "An idle or slow sender learns nothing of the path, and has no reason to send more at \
         once later.";
    Should 3 "RFC 9438 §4.6" cubic_leaves_seven_tenths
        "The parameter beta_cubic SHOULD be set to 0.7.";
    Ours 1 "TCP_CONGESTION" an_unknown_control_is_refused
        "A congestion control by a name that there is not is an error, and the one in force \
         stays.";
}

/// A connection with Reno's congestion control.
fn reno(script: &mut Script) {
    accept_after(script, 100 * MS);
    set(script, Setting::Congestion("newreno".into()));
}

/// Sends far more than any window takes at first; what goes out at once has to be less than the
/// peer's window would take.
fn limited_flood(script: &mut Script) -> Vec<Seg> {
    let first = flood(script);
    let bounds = [1, 32_000];
    expect_within(script, "bytes at first into a window of 65535", bytes(&first), bounds);
    first
}

/// Keeps text at hand for whatever the window lets out, and acknowledges a flight segment by
/// segment after a round trip; the next flight.
fn next_flight(script: &mut Script, flight: &[Seg]) -> Vec<Seg> {
    script.wait(100 * MS);
    top_up(script);
    acknowledge_each(script, flight)
}

/// The user gives as much as is taken.
fn top_up(script: &mut Script) {
    let socket = script.current();
    for _ in 0..10 {
        if script.host.send(socket, &[7; 20_000]).is_err() {
            return;
        }
    }
}

fn segments(flight: &[Seg]) -> usize {
    bytes(flight).div_ceil(MSS)
}

fn the_initial_window_is_ten_segments_at_most(script: &mut Script) {
    script.accept_one(80);
    let first = flood(script);
    expect_within(script, "bytes at first", bytes(&first), [1, 10 * MSS]);
}

fn the_initial_window_counts_small_segments_too(script: &mut Script) {
    accept_with(script, &[2, 4, 0x02, 0x18]);
    let first = flood(script);
    expect_within(script, "bytes at first", bytes(&first), [1, 10 * 536]);
}

fn after_lost_syns_the_initial_window_is_one_segment(script: &mut Script) {
    script.connect();
    for _ in 0..2 {
        script.expect_within(10 * SECOND, seg("S").seq(0));
    }
    script.inject(seg("SA").mss(1460));
    script.expect(seg("A").seq(1).ack(1));
    let first = flood(script);
    expect_within(script, "bytes at first", bytes(&first), [1, MSS]);
}

fn slow_start_adds_a_segment_for_each_that_is_acknowledged(script: &mut Script) {
    script.accept_one(80);
    let first = limited_flood(script);
    let next = first[0].seq.expect("seen") + first[0].seq_len();
    script.inject(seg("A").ack(next));
    let sent = texts(script);
    expect_within(script, "bytes for one segment acknowledged", bytes(&sent), [1, 2 * MSS]);
}

fn slow_start_doubles_the_window_in_a_round_trip(script: &mut Script) {
    reno(script);
    let first = flood(script);
    let second = next_flight(script, &first);
    let bounds = [bytes(&first) * 3 / 2, bytes(&first) * 2 + MSS];
    expect_within(script, "bytes in the second round trip", bytes(&second), bounds);
}

fn an_ack_of_many_segments_adds_one(script: &mut Script) {
    reno(script);
    let first = flood(script);
    // The initial window may be small: a second one has a few segments at least.
    let flight = next_flight(script, &first);
    script.wait(100 * MS);
    top_up(script);
    script.inject(seg("A").ack(end(&flight, 1)));
    let sent = texts(script);
    expect_within(script, "bytes for it", bytes(&sent), [1, bytes(&flight) + MSS]);
}

fn an_ack_in_pieces_adds_no_more(script: &mut Script) {
    script.accept_one(80);
    let first = limited_flood(script);
    let before = end(&first, 1);
    for piece in 1..=20 {
        script.inject(seg("A").ack(1 + piece * 73));
    }
    let sent = texts(script);
    let more = end(&sent, before) - before;
    expect_within(script, "bytes for one segment in 20 pieces", more as usize, [1, 3 * MSS]);
}

/// Grows the window until a good many segments are in flight.
fn grow(script: &mut Script) -> Vec<Seg> {
    let mut flight = flood(script);
    while segments(&flight) < 24 {
        let before = bytes(&flight);
        flight = next_flight(script, &flight);
        script.record().expect("the window grows", bytes(&flight) > before);
    }
    script.wait(100 * MS);
    flight
}

/// Loses the first segment of a flight, and repairs it by fast retransmit; what was in flight at
/// the loss, and the flight a round trip later.
fn fast_recovery(script: &mut Script) -> (usize, Vec<Seg>) {
    let flight = grow(script);
    let (first, edge) = (flight[0].seq.expect("seen"), end(&flight, 1));
    top_up(script);
    let mut sent = Vec::new();
    for _ in 1..flight.len() {
        script.inject(seg("A").ack(first));
        sent.extend(texts(script));
    }
    let again = sent.iter().any(|seg| seg.seq == Some(first));
    script.record().expect("the lost segment is sent again", again);
    script.wait(100 * MS);
    script.inject(seg("A").ack(edge));
    sent.retain(|seg| seg.seq >= Some(edge));
    sent.extend(texts(script));
    (bytes(&flight), sent)
}

fn a_loss_halves_the_window(script: &mut Script) {
    reno(script);
    let (before, after) = fast_recovery(script);
    // Limited transmit may have added two segments to what was in flight.
    let half = before / 2 + 2 * MSS;
    expect_within(script, "bytes in flight after it", bytes(&after), [1, half]);
    let flight = next_flight(script, &after);
    expect_within(script, "bytes in the next round trip", bytes(&flight), [MSS, half]);
}

fn a_timeout_leaves_one_segment(script: &mut Script) {
    reno(script);
    let flight = grow(script);
    let (_, again) = next_text(script, 10 * SECOND);
    script.record().expect_eq("what is sent again", again.seq, flight[0].seq);
    expect_within(script, "its bytes", again.payload_len(), [1, MSS]);
    script.expect_nothing();
}

/// Loses a whole flight, and its first segment as often again; then nothing more. The segments
/// that were in flight, and those of the flights that follow.
fn timeouts(script: &mut Script, timeouts: usize) -> (usize, Vec<usize>) {
    reno(script);
    let flight = grow(script);
    let mut arrives = Vec::new();
    for _ in 0..timeouts {
        let (_, again) = next_text(script, 100 * SECOND);
        script.record().expect_eq("what is sent again", again.seq, flight[0].seq);
        script.expect_nothing();
        arrives = vec![again];
    }
    let mut peer = Receiver::new(flight[0].seq.expect("seen"));
    let mut sizes = Vec::new();
    for _ in 0..8 {
        script.wait(100 * MS);
        top_up(script);
        let mut sent = Vec::new();
        for segment in arrives {
            let ack = peer.take(&segment);
            script.inject(seg("A").ack(ack));
            sent.extend(texts(script));
        }
        sizes.push(segments(&sent));
        arrives = sent;
    }
    (segments(&flight), sizes)
}

/// From one segment it doubles, and the last of eight round trips is about half of what was lost.
fn check_slow_start(script: &Script, before: usize, sizes: &[usize]) {
    for (at, size) in sizes[..3].iter().enumerate() {
        let what = format!("segments in round trip {} of {sizes:?}", at + 1);
        expect_within(script, &what, *size, [0, 2 << at]);
    }
    let bounds = [before * 3 / 8, before / 2 + 6];
    expect_within(script, &format!("segments in the last of {sizes:?}"), sizes[7], bounds);
}

fn after_a_timeout_slow_start_ends_at_half(script: &mut Script) {
    let (before, sizes) = timeouts(script, 1);
    check_slow_start(script, before, &sizes);
}

fn a_second_timeout_leaves_the_threshold(script: &mut Script) {
    let (before, sizes) = timeouts(script, 2);
    check_slow_start(script, before, &sizes);
}

/// The sizes in bytes of flights in congestion avoidance, one a round trip.
fn avoidance(script: &mut Script) -> Vec<usize> {
    reno(script);
    let (_, mut flight) = fast_recovery(script);
    let mut sizes = Vec::new();
    for _ in 0..10 {
        flight = next_flight(script, &flight);
        sizes.push(bytes(&flight));
    }
    // The first ones come back to the threshold.
    sizes.split_off(3)
}

fn congestion_avoidance_adds_a_segment_in_a_round_trip(script: &mut Script) {
    let sizes = avoidance(script);
    for pair in sizes.windows(2) {
        let what = format!("bytes of the next of {sizes:?}");
        expect_within(script, &what, pair[1], [MSS, pair[0] + MSS]);
    }
    let whole = sizes[6] - sizes[0].min(sizes[6]);
    expect_within(script, "bytes in six round trips", whole, [0, 6 * MSS]);
}

fn congestion_avoidance_does_grow(script: &mut Script) {
    let sizes = avoidance(script);
    let more = sizes[6] - sizes[0].min(sizes[6]);
    expect_within(script, &format!("bytes more, of {sizes:?}"), more, [4 * MSS, 7 * MSS]);
}

fn after_a_long_silence_the_window_is_small(script: &mut Script) {
    reno(script);
    let mut flight = flood(script);
    let mut most = 0;
    while !flight.is_empty() {
        most = most.max(segments(&flight));
        script.wait(100 * MS);
        flight = acknowledge_each(script, &flight);
    }
    expect_within(script, "segments in flight before it", most, [12, 45]);
    script.expect_quiet(60 * SECOND);
    let first = flood(script);
    expect_within(script, "bytes after a minute of silence", bytes(&first), [1, 10 * MSS]);
}

fn a_window_that_is_not_used_does_not_grow(script: &mut Script) {
    accept_after(script, 100 * MS);
    for _ in 0..60 {
        script.send(&[7; MSS]);
        script.expect(seg("A").len(MSS));
        script.wait(100 * MS);
        script.inject(seg("A"));
    }
    let first = flood(script);
    expect_within(script, "bytes at once", bytes(&first), [1, 20 * MSS]);
}

fn cubic_leaves_seven_tenths(script: &mut Script) {
    accept_after(script, 100 * MS);
    set(script, Setting::Congestion("cubic".into()));
    let (before, after) = fast_recovery(script);
    let flight = next_flight(script, &after);
    let bounds = [before * 6 / 10, before * 8 / 10];
    expect_within(script, "bytes in the next round trip", bytes(&flight), bounds);
}

fn an_unknown_control_is_refused(script: &mut Script) {
    script.accept_one(80);
    let socket = script.current();
    let before = script.host.tcp.settings(socket).map(|settings| settings.congestion);
    let refused = script.host.set(socket, Setting::Congestion("no-such".into()));
    script.record().expect("an error", refused.is_err());
    let after = script.host.tcp.settings(socket).map(|settings| settings.congestion);
    script.record().expect_eq("the control in force", after, before);
    set(script, Setting::Congestion("newreno".into()));
}
