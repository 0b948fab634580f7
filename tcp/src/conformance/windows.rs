//! Keeping to the window that the peer offers, and finding out when a shut one opens.

use std::time::Duration;

use netdev::cases;

use super::Make;
use super::steps::{
    MS, MSS, MSS_1460, SECOND, accept_with, acknowledge_each, bytes, end, expect_between,
    expect_within, flood, scale, texts,
};
use crate::State;
use crate::testing::{Script, seg};

cases! { ($) windows_cases: Make, Script;
    Must 3 "RFC 9293 §3.8.6" no_byte_goes_beyond_the_window
        "The window sent in each segment indicates the range of sequence numbers the sender of \
         the window (the data receiver) is currently prepared to accept.";
    Must 2 "RFC 9293 §3.8.6.2.1" what_is_in_flight_counts
        "The \"usable window\" is: U = SND.UNA + SND.WND - SND.NXT.";
    Must 2 "RFC 9293 §3.8.6.2.1" the_window_moves_with_the_acknowledgment
        "The \"usable window\" is: U = SND.UNA + SND.WND - SND.NXT.";
    Must 2 "RFC 9293 §3.10.7.4" a_wider_window_is_used_at_once
        "If SND.UNA =< SEG.ACK =< SND.NXT, the send window should be updated.";
    Must 3 "RFC 9293 §3.10.7.4" an_older_segment_does_not_change_the_window
        "If (SND.WL1 < SEG.SEQ or (SND.WL1 = SEG.SEQ and SND.WL2 =< SEG.ACK)), set SND.WND <- \
         SEG.WND.";
    Must 2 "RFC 9293 §3.10.7.4" an_older_acknowledgment_does_not_change_the_window
        "If (SND.WL1 < SEG.SEQ or (SND.WL1 = SEG.SEQ and SND.WL2 =< SEG.ACK)), set SND.WND <- \
         SEG.WND.";
    Must 3 "RFC 9293 §3.8.6.1 (MUST-36)" a_shut_window_is_probed
        "Probing of zero (offered) windows MUST be supported.";
    Should 2 "RFC 9293 §3.8.6.1 (SHLD-29)" the_first_probe_waits_for_the_rto
        "The transmitting host SHOULD send the first zero-window probe when a zero window has \
         existed for the retransmission timeout period.";
    Should 2 "RFC 9293 §3.8.6.1 (SHLD-30)" probes_come_ever_more_slowly
        "… and SHOULD increase exponentially the interval between successive probes.";
    Must 3 "RFC 9293 §3.8.6.1 (MUST-37)" a_connection_lives_while_probes_are_answered
        "As long as the receiving TCP peer continues to send acknowledgments in response to the \
         probe segments, the sending TCP peer MUST allow the connection to stay open.";
    Must 2 "RFC 9293 §3.8.6 (MUST-34)" a_window_that_shrinks_is_survived
        "A sending TCP peer MUST be robust against window shrinking, which may cause the \"usable \
         window\" … to become negative.";
    Should 2 "RFC 9293 §3.8.6 (SHLD-15)" nothing_new_goes_into_a_window_that_shrank
        "If this happens, the sender SHOULD NOT send new data.";
    Should 2 "RFC 9293 §3.8.6 (SHLD-16)" what_a_window_that_shrank_still_holds_is_sent_again
        "… but SHOULD retransmit normally the old unacknowledged data between SND.UNA and \
         SND.UNA+SND.WND.";
    Must 2 "RFC 9293 §3.8.6 (MUST-35)" a_window_that_shrank_to_nothing_is_probed
        "If the window shrinks to zero, the TCP implementation MUST probe it in the standard way.";
    Must 2 "RFC 7323 §2.2" the_window_on_a_syn_ack_is_not_shifted
        "The window field in a segment where the SYN bit is set (i.e., a <SYN> or <SYN,ACK>) MUST \
         NOT be scaled.";
    Must 2 "RFC 7323 §1.3" without_the_peers_option_nothing_is_scaled
        "Both sides must send Window Scale options in their <SYN> segments to enable window \
         scaling in either direction.";
    Must 3 "RFC 7323 §2.3" the_offered_window_is_scaled_and_kept
        "The window field (SEG.WND) of every outgoing segment, with the exception of <SYN> \
         segments, MUST be right-shifted by Rcv.Wind.Shift bits.";
    Ours 2 "RFC 7323 §2.1" more_than_64_kib_are_in_flight
        "A scaled window is there to be used.";
}

fn no_byte_goes_beyond_the_window(script: &mut Script) {
    script.peer_window = 3000;
    script.accept_one(80);
    script.send(&[7; 10_000]);
    let sent = texts(script);
    expect_within(script, "bytes into a window of 3000", bytes(&sent), [MSS, 3000]);
    script.expect_nothing();
}

fn what_is_in_flight_counts(script: &mut Script) {
    script.peer_window = 3000;
    script.accept_one(80);
    script.send(&[7; 10_000]);
    let sent = end(&texts(script), 1);
    script.inject(seg("A").ack(1).win(3000));
    script.inject(seg("A").ack(1461).win(3000 - 1460));
    let sent = end(&texts(script), sent);
    expect_within(script, "the end of what was sent", sent as usize, [1461, 3001]);
}

fn the_window_moves_with_the_acknowledgment(script: &mut Script) {
    script.peer_window = 2 * MSS as u16;
    script.accept_one(80);
    script.send(&[7; 10 * MSS]);
    texts(script);
    let mut acked = 1;
    for _ in 0..5 {
        acked += MSS as u32;
        script.inject(seg("A").ack(acked));
        let edge = acked + 2 * MSS as u32;
        let sent = end(&texts(script), acked);
        expect_within(
            script,
            "the end of what was sent",
            sent as usize,
            [edge as usize - MSS, edge as usize],
        );
    }
}

fn a_wider_window_is_used_at_once(script: &mut Script) {
    script.peer_window = MSS as u16;
    script.accept_one(80);
    script.send(&[7; 2 * MSS]);
    script.expect(seg("A").seq(1).len(MSS));
    script.expect_nothing();
    script.inject(seg("A").ack(1).win(2 * MSS as u16));
    script.expect(seg("A").seq(1 + MSS as u32).len(MSS));
}

fn an_older_segment_does_not_change_the_window(script: &mut Script) {
    script.peer_window = 2 * MSS as u16;
    script.accept_one(80);
    script.send(&[7; 10 * MSS]);
    let sent = end(&texts(script), 1);
    // The peer's first hundred bytes are late: what follows them tells of a later window.
    script.inject(seg("A").seq(101).len(100).ack(1).win(2 * MSS as u16));
    script.inject(seg("A").seq(1).len(100).ack(1).win(60_000));
    let sent = end(&texts(script), sent);
    expect_within(script, "the end of what was sent", sent as usize, [1 + MSS, 1 + 2 * MSS]);
}

fn an_older_acknowledgment_does_not_change_the_window(script: &mut Script) {
    script.peer_window = 2 * MSS as u16;
    script.accept_one(80);
    script.send(&[7; 10 * MSS]);
    let sent = end(&texts(script), 1);
    script.inject(seg("A").ack(1 + MSS as u32).win(MSS as u16));
    script.inject(seg("A").ack(1).win(60_000));
    let sent = end(&texts(script), sent);
    expect_within(script, "the end of what was sent", sent as usize, [1 + MSS, 1 + 2 * MSS]);
}

/// A connection whose peer's window is shut, and text that waits for it.
fn shut_out(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("A").win(0));
    script.send(b"waits");
    script.expect_nothing();
}

/// The next probe, and how long it took.
fn probe(script: &mut Script) -> Duration {
    let before = script.now();
    let probe = script.next_within(Duration::from_secs(200));
    let probe = probe.unwrap_or_else(|| script.record().fail("a probe within 200 s", "none"));
    expect_within(script, "bytes of a probe", probe.payload_len(), [0, 1]);
    script.now() - before
}

fn a_shut_window_is_probed(script: &mut Script) {
    shut_out(script);
    probe(script);
    script.inject(seg("A").ack(1).win(0));
    probe(script);
    // The answer to the probe says that it is open: of the text, a byte may be there already.
    script.inject(seg("A").ack(1).win(1000));
    script.expect_within(SECOND, seg("A").seq(1).data(b"waits"));
}

fn the_first_probe_waits_for_the_rto(script: &mut Script) {
    shut_out(script);
    // The handshake took no time, so that an RTO is what its floor is: 200 ms to 3 s.
    let wait = probe(script);
    expect_between(script, "the time until the first probe", wait, 100 * MS, 3 * SECOND);
}

fn probes_come_ever_more_slowly(script: &mut Script) {
    shut_out(script);
    let mut waits = Vec::new();
    for _ in 0..5 {
        waits.push(probe(script));
        script.inject(seg("A").ack(1).win(0));
    }
    for pair in waits.windows(2) {
        expect_between(script, "the next interval", pair[1], pair[0] * 18 / 10, pair[0] * 22 / 10);
    }
}

fn a_connection_lives_while_probes_are_answered(script: &mut Script) {
    shut_out(script);
    let start = script.now();
    while script.now().since(start) < Duration::from_secs(4 * 3600) {
        probe(script);
        script.inject(seg("A").ack(1).win(0));
        script.expect_state(State::Established);
    }
    script.inject(seg("A").ack(1).win(1000));
    script.expect_within(SECOND, seg("A").seq(1).data(b"waits"));
}

/// Text into a window of three segments, which the peer then takes back to `window`.
fn shrunk(script: &mut Script, window: u16) -> u32 {
    script.peer_window = 3 * MSS as u16;
    script.accept_one(80);
    script.send(&[7; 10 * MSS]);
    let sent = end(&texts(script), 1);
    script.inject(seg("A").ack(1).win(window));
    script.peer_window = window;
    sent
}

fn a_window_that_shrinks_is_survived(script: &mut Script) {
    let sent = shrunk(script, 100);
    script.wait(5 * SECOND);
    script.drain();
    script.inject(seg("A").ack(sent).win(60_000));
    let segments = texts(script);
    script.record().expect_eq(
        "the next text",
        segments.first().and_then(|seg| seg.seq),
        Some(sent),
    );
}

fn nothing_new_goes_into_a_window_that_shrank(script: &mut Script) {
    let sent = shrunk(script, MSS as u16);
    script.expect_nothing();
    // Two segments of the three arrive: the window now ends where what was sent does.
    script.inject(seg("A").ack(1 + 2 * MSS as u32).win(0));
    script.wait(20 * SECOND);
    let furthest = end(&texts(script), 1);
    expect_within(script, "the end of what is sent", furthest as usize, [1, sent as usize + 1]);
    script.inject(seg("A").ack(sent).win(2 * MSS as u16));
    let next = script.next_within(SECOND).and_then(|seg| seg.seq);
    script.record().expect_eq("what is sent then", next, Some(sent));
}

fn what_a_window_that_shrank_still_holds_is_sent_again(script: &mut Script) {
    shrunk(script, MSS as u16);
    script.expect_within(5 * SECOND, seg("A").seq(1).len(MSS));
    script.inject(seg("A").ack(1 + MSS as u32));
    script.expect_within(5 * SECOND, seg("A").seq(1 + MSS as u32).len(MSS));
}

fn a_window_that_shrank_to_nothing_is_probed(script: &mut Script) {
    shrunk(script, 0);
    for _ in 0..40 {
        let probe = script.next_within(Duration::from_secs(200));
        script.record().expect("a probe within 200 s", probe.is_some());
        script.inject(seg("A").ack(1).win(0));
        script.drain();
    }
    script.expect_state(State::Established);
    script.inject(seg("A").ack(1).win(2 * MSS as u16));
    script.expect_within(Duration::from_secs(200), seg("A").seq(1).len(MSS));
}

fn the_window_on_a_syn_ack_is_not_shifted(script: &mut Script) {
    script.connect();
    let options = [MSS_1460, scale(8)].concat();
    script.inject(seg("SA").win(1000).options(&options));
    script.expect(seg("A").seq(1).ack(1));
    script.send(&[7; 20_000]);
    let sent = bytes(&texts(script));
    expect_within(script, "bytes into a window of 1000", sent, [1000, 1000]);
}

fn without_the_peers_option_nothing_is_scaled(script: &mut Script) {
    let syn_ack = accept_with(script, &MSS_1460);
    script.record().expect_eq("a window scale option", syn_ack.option(3), None);
    script.peer_window = 2 * MSS as u16;
    script.inject(seg("A"));
    script.send(&[7; 5000]);
    let sent = bytes(&texts(script));
    expect_within(script, "bytes into the window", sent, [2 * MSS, 2 * MSS]);
}

fn the_offered_window_is_scaled_and_kept(script: &mut Script) {
    let syn_ack = accept_with(script, &[MSS_1460, scale(0)].concat());
    let shift = syn_ack.option(3).map(|option| option[0]);
    let shift = shift.unwrap_or_else(|| script.record().fail("a window scale option", "none"));
    expect_within(script, "the shift", shift.into(), [0, 14]);
    script.inject(seg("A").data(b"x"));
    let ack = script.next_within(SECOND).unwrap_or_default();
    let window = usize::from(ack.window.unwrap_or(0)) << shift;
    script.record().expect("a window is offered", window > 0);
    let mut left = window;
    while left > 0 {
        script.inject(seg("A").len(left.min(MSS)));
        left -= left.min(MSS);
    }
    script.wait(SECOND);
    let acked = script.drain().last().and_then(|ack| ack.ack);
    script.record().expect_eq(
        "acknowledged, of all that was offered",
        acked,
        Some(2 + window as u32),
    );
    script.record().expect_eq("bytes to read", script.receive().len(), 1 + window);
}

fn more_than_64_kib_are_in_flight(script: &mut Script) {
    script.peer_window = 1024;
    accept_with(script, &[MSS_1460, scale(10)].concat());
    let mut flight = flood(script);
    for _ in 0..8 {
        script.wait(10 * MS);
        // The user always has more to send.
        let socket = script.current();
        while script.host.send(socket, &[7; 10_000]).is_ok() {}
        flight.extend(texts(script));
        if bytes(&flight) > 1 << 16 {
            return;
        }
        flight = acknowledge_each(script, &flight);
    }
    script.record().fail("more than 64 KiB in flight", bytes(&flight));
}
