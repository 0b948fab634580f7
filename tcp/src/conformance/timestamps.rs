//! Timestamps, the round trips they measure, and protection against old numbers (RFC 7323).

use std::time::Duration;

use ip::SocketError;
use netdev::cases;

use super::Make;
use super::steps::{
    MS, MSS, MSS_1460, SECOND, accept_with, expect_between, expect_within, listen, next_text,
    stamp, stamp_of,
};
use crate::testing::{Script, Seg, seg};
use crate::{Shutdown, State};

cases! { ($) timestamps_cases: Make, Script;
    Must 2 "RFC 7323 §3.2" the_syn_ack_echoes_the_syn
        "When the ACK bit is set in an outgoing segment, the sender MUST echo a recently received \
         timestamp value sent by the remote TCP in the TSval field of a Timestamps option.";
    Must 3 "RFC 7323 §3.2" every_segment_has_a_timestamp
        "Once TSopt has been successfully negotiated, that is both <SYN> and <SYN,ACK> contain \
         TSopt, the TSopt MUST be sent in every non-<RST> segment for the duration of the \
         connection.";
    Should 2 "RFC 7323 §3.2" a_segment_without_a_timestamp_is_dropped
        "If a non-<RST> segment is received without a TSopt, a TCP SHOULD silently drop the \
         segment.";
    Must 2 "RFC 7323 §5.4" the_clock_ticks
        "Based upon these considerations, we choose a timestamp clock frequency in the range 1 ms \
         to 1 sec per tick.";
    Must 3 "RFC 7323 §4.3" the_echo_is_of_the_latest_in_order
        "If SEG.TSval >= TS.Recent and SEG.SEQ <= Last.ACK.sent then SEG.TSval is copied to \
         TS.Recent.";
    Should 3 "RFC 7323 §4.3" of_segments_acknowledged_together_the_first_is_echoed
        "When delayed ACKs are in use, the receiver should reply with the TSval field from the \
         earliest unacknowledged segment.";
    Should 3 "RFC 7323 §4.3" beyond_a_gap_the_echo_stays
        "An ACK for an out-of-order segment should therefore contain the timestamp from the most \
         recent segment that advanced the window.";
    Must 3 "RFC 7323 §4.3" what_fills_a_gap_is_echoed
        "Thus, the timestamp from the latest segment (which filled the hole) must be echoed.";
    Must 4 "RFC 7323 §5.3" an_old_timestamp_is_dropped_and_acknowledged
        "If there is a Timestamps option in the arriving segment, SEG.TSval < TS.Recent, … treat \
         the arriving segment as not acceptable: Send an acknowledgment in reply … and drop the \
         segment.";
    Must 2 "RFC 7323 §5.3" an_equal_timestamp_is_taken
        "If there is a Timestamps option in the arriving segment, SEG.TSval < TS.Recent, … treat \
         the arriving segment as not acceptable.";
    Must 2 "RFC 7323 §5.2" timestamps_go_round
        "If s and t are timestamp values, s < t if 0 < (t - s) < 2**31, computed in unsigned \
         32-bit arithmetic.";
    Must 2 "RFC 7323 §5.2" a_reset_counts_whatever_its_timestamp
        "When an <RST> segment is received, it MUST NOT be subjected to the PAWS check by \
         verifying an acceptable value in SEG.TSval.";
    Must 3 "RFC 7323 §5.5" after_24_days_every_timestamp_is_new
        "If a connection remains idle long enough for the timestamp clock of the other TCP to \
         wrap its sign bit, then the value saved in TS.Recent will become too old.";
    Must 3 "RFC 7323 §4.1" what_acknowledges_nothing_is_no_sample
        "A TSecr value received in a segment MAY be used to update the averaged RTT measurement \
         only if the segment advances the left edge of the send window, i.e., SND.UNA is \
         increased.";
    May 3 "RFC 6298 §3" a_retransmission_is_measured
        "The timestamp option removes the ambiguity regarding which instance of the data segment \
         triggered the acknowledgment.";
    Must 2 "RFC 9293 §3.7.1" segments_leave_room_for_the_option
        "For each segment sent, the sender should adjust the data length accordingly, within the \
         Eff.snd.MSS.";
    Must 1 "RFC 7323 §3.2" the_syn_echoes_nothing
        "If the ACK bit is not set in the outgoing TCP header, the sender of that segment SHOULD \
         set the TSecr field to zero.";
}

/// A connection with timestamps whose peer's clock stands at 1000; the TSval of the SYN-ACK.
fn stamped(script: &mut Script) -> u32 {
    stamped_from(script, 1000)
}

fn stamped_from(script: &mut Script, clock: u32) -> u32 {
    let options = [&MSS_1460[..], &stamp(clock, 0)].concat();
    let syn_ack = accept_with(script, &options);
    match stamp_of(&syn_ack) {
        Some((tsval, _)) => tsval,
        None => script.record().fail("timestamps on the SYN-ACK", "none"),
    }
}

/// The two timestamps of a segment that has to have them.
fn stamps(script: &Script, segment: &Seg) -> (u32, u32) {
    let found = stamp_of(segment);
    found.unwrap_or_else(|| script.record().fail("timestamps", format_args!("< {segment}")))
}

/// Injects `len` bytes from a number of the peer's, stamped so; what is sent for that.
fn text(script: &mut Script, seq: u32, len: usize, tsval: u32, echo: u32) -> Seg {
    script.inject(seg("A").seq(seq).len(len).options(&stamp(tsval, echo)));
    script.next_within(SECOND).unwrap_or_default()
}

fn the_syn_ack_echoes_the_syn(script: &mut Script) {
    let options = [&MSS_1460[..], &stamp(0xdead_beef, 0)].concat();
    let syn_ack = accept_with(script, &options);
    let (_, echo) = stamps(script, &syn_ack);
    script.record().expect_eq("TSecr", echo, 0xdead_beef);
}

fn every_segment_has_a_timestamp(script: &mut Script) {
    let echo = stamped(script);
    let ack = text(script, 1, 100, 1001, echo);
    stamps(script, &ack);
    let beyond = text(script, 201, 100, 1002, echo);
    stamps(script, &beyond);
    script.send(b"text");
    let sent = script.next_within(SECOND).unwrap_or_default();
    stamps(script, &sent);
    let (_, again) = next_text(script, 5 * SECOND);
    stamps(script, &again);
    script.inject(seg("A").seq(301).options(&stamp(1003, echo)));
    script.drain();
    script.shutdown(Shutdown::Write);
    let fin = script.next_within(SECOND).unwrap_or_default();
    stamps(script, &fin);
}

fn a_segment_without_a_timestamp_is_dropped(script: &mut Script) {
    let echo = stamped(script);
    script.inject(seg("A").seq(1).len(100));
    script.expect_quiet(SECOND);
    script.record().expect_eq("bytes to read", script.receive().len(), 0);
    let ack = text(script, 1, 100, 1001, echo);
    script.record().expect_eq("acknowledgment", ack.ack, Some(101));
}

fn the_clock_ticks(script: &mut Script) {
    let echo = stamped(script);
    let ack = text(script, 1, 100, 1001, echo);
    let (before, _) = stamps(script, &ack);
    script.wait(10 * SECOND);
    let ack = text(script, 101, 100, 1002, echo);
    let (after, _) = stamps(script, &ack);
    let ticks = after.wrapping_sub(before) as usize;
    expect_within(script, "ticks in ten seconds", ticks, [10, 12_000]);
}

fn the_echo_is_of_the_latest_in_order(script: &mut Script) {
    let echo = stamped(script);
    for at in 0..4 {
        let ack = text(script, 1 + at * 100, 100, 2000 + at, echo);
        script.record().expect_eq("acknowledgment", ack.ack, Some(101 + at * 100));
        script.record().expect_eq("TSecr", stamps(script, &ack).1, 2000 + at);
    }
}

fn of_segments_acknowledged_together_the_first_is_echoed(script: &mut Script) {
    let echo = stamped(script);
    script.inject_batch(
        (0..2)
            .map(|at| seg("A").seq(1 + at * MSS as u32).len(MSS).options(&stamp(2000 + at, echo))),
    );
    let ack = script.next_within(SECOND).unwrap_or_default();
    script.record().expect_eq("acknowledgment", ack.ack, Some(1 + 2 * MSS as u32));
    script.record().expect_eq("TSecr", stamps(script, &ack).1, 2000);
}

fn beyond_a_gap_the_echo_stays(script: &mut Script) {
    let echo = stamped(script);
    let ack = text(script, 1, 100, 2000, echo);
    script.record().expect_eq("TSecr", stamps(script, &ack).1, 2000);
    let ack = text(script, 301, 100, 2001, echo);
    script.record().expect_eq("acknowledgment", ack.ack, Some(101));
    script.record().expect_eq("TSecr", stamps(script, &ack).1, 2000);
}

fn what_fills_a_gap_is_echoed(script: &mut Script) {
    let echo = stamped(script);
    text(script, 101, 100, 2001, echo);
    let ack = text(script, 1, 100, 2002, echo);
    script.record().expect_eq("acknowledgment", ack.ack, Some(201));
    script.record().expect_eq("TSecr", stamps(script, &ack).1, 2002);
}

fn an_old_timestamp_is_dropped_and_acknowledged(script: &mut Script) {
    let echo = stamped(script);
    text(script, 1, 100, 2000, echo);
    script.drain();
    script.receive();
    script.drain();
    script.inject(seg("A").seq(101).len(100).options(&stamp(1999, echo)));
    script.expect(seg("A").ack(101));
    script.record().expect_eq("bytes to read", script.receive().len(), 0);
    let ack = text(script, 101, 100, 2001, echo);
    script.record().expect_eq("acknowledgment", ack.ack, Some(201));
}

fn an_equal_timestamp_is_taken(script: &mut Script) {
    let echo = stamped(script);
    for at in 0..3 {
        let ack = text(script, 1 + at * 100, 100, 2000, echo);
        script.record().expect_eq("acknowledgment", ack.ack, Some(101 + at * 100));
    }
    let ack = text(script, 301, 100, 1999, echo);
    script.record().expect_eq("acknowledgment of an older one", ack.ack, Some(301));
}

fn timestamps_go_round(script: &mut Script) {
    let echo = stamped_from(script, 0xffff_fff0);
    for (at, tsval) in [0xffff_fffe, 3, 0x7000_0000].into_iter().enumerate() {
        let at = at as u32;
        let ack = text(script, 1 + at * 100, 100, tsval, echo);
        script.record().expect_eq("acknowledgment", ack.ack, Some(101 + at * 100));
        script.record().expect_eq("TSecr", stamps(script, &ack).1, tsval);
    }
    let ack = text(script, 301, 100, 0xffff_fffe, echo);
    script.record().expect_eq("acknowledgment of an older one", ack.ack, Some(301));
}

fn a_reset_counts_whatever_its_timestamp(script: &mut Script) {
    let echo = stamped(script);
    text(script, 1, 100, 2000, echo);
    script.receive();
    script.drain();
    script.inject(seg("R").seq(101).options(&stamp(1, echo)));
    script.expect_state(State::Closed);
    script.expect_receive_error(SocketError::Reset);
}

fn after_24_days_every_timestamp_is_new(script: &mut Script) {
    let echo = stamped(script);
    text(script, 1, 100, 2000, echo);
    script.wait(Duration::from_secs(25 * 86_400));
    script.drain();
    // The peer's clock ticked each millisecond, and so half way round and more.
    let clock = 2000_u32.wrapping_add((25_u64 * 86_400_000) as u32);
    script.record().expect("this is older than 2000", clock.wrapping_sub(2000) >= 1 << 31);
    let ack = text(script, 101, 100, clock, echo);
    script.record().expect_eq("acknowledgment", ack.ack, Some(201));
}

fn what_acknowledges_nothing_is_no_sample(script: &mut Script) {
    let first = stamped(script);
    // Each of these echoes a time long ago, and acknowledges nothing.
    for at in 0..30 {
        script.wait(SECOND);
        text(script, 1 + at * 100, 100, 2000 + at, first);
        script.drain();
    }
    script.send(b"text");
    script.drain();
    let (wait, _) = next_text(script, 100 * SECOND);
    expect_between(script, "the RTO", wait, 100 * MS, 1500 * MS);
}

fn a_retransmission_is_measured(script: &mut Script) {
    let listener = listen(script, None);
    script.inject(seg("S").seq(0).options(&[&MSS_1460[..], &stamp(1000, 0)].concat()));
    let syn_ack = script.expect(seg("SA").seq(0).ack(1));
    let (echo, _) = stamps(script, &syn_ack);
    script.wait(200 * MS);
    script.inject(seg("A").options(&stamp(1001, echo)));
    script.accept(listener);
    // Each of these is lost once, and takes 1.5 s the second time.
    let mut last = Duration::ZERO;
    for round in 0..12 {
        script.send(b"text");
        script.drain();
        let (wait, again) = next_text(script, 200 * SECOND);
        last = wait;
        let (tsval, _) = stamps(script, &again);
        if round < 11 {
            let acked = again.seq.expect("seen") + again.seq_len();
            script.wait(1500 * MS);
            script.drain();
            script.inject(seg("A").ack(acked).options(&stamp(1002 + round, tsval)));
            script.drain();
        }
    }
    // The first RTO was 0.6 s; these make it about 1.5 s and a margin, and no backing off is left.
    expect_between(script, "the RTO", last, 1400 * MS, 4 * SECOND);
}

fn segments_leave_room_for_the_option(script: &mut Script) {
    stamped(script);
    script.send(&[7; 2 * MSS]);
    let sent = script.next_within(SECOND).unwrap_or_default();
    script.record().expect("timestamps on it", stamp_of(&sent).is_some());
    script.record().expect_eq("bytes of text", sent.payload_len(), MSS - 12);
}

fn the_syn_echoes_nothing(script: &mut Script) {
    let socket = script.host.connect(script.peer);
    script.socket = Some(socket);
    let syn = script.next_within(SECOND).unwrap_or_default();
    let (_, echo) = stamps(script, &syn);
    script.record().expect_eq("TSecr", echo, 0);
}
