//! The retransmission timer (RFC 6298), rule by rule, and when it gives up.

use std::time::Duration;

use ip::SocketError;
use netdev::cases;

use super::Make;
use super::steps::{MS, MSS, SECOND, accept_after, expect_between, next_text, set};
use crate::testing::{Script, seg};
use crate::{Setting, State};

cases! { ($) retransmission_cases: Make, Script;
    Should 2 "RFC 6298 (2.1)" the_first_rto_is_a_second
        "Until a round-trip time (RTT) measurement has been made …, the sender SHOULD set RTO <- \
         1 second.";
    Must 3 "RFC 6298 (2.2)" the_first_round_trip_sets_the_rto
        "When the first RTT measurement R is made, the host MUST set SRTT <- R … RTTVAR <- R/2 … \
         RTO <- SRTT + max (G, K*RTTVAR) where K = 4.";
    Must 4 "RFC 6298 (2.3)" later_round_trips_are_smoothed
        "When a subsequent RTT measurement R' is made, a host MUST set RTTVAR <- (1 - beta) * \
         RTTVAR + beta * |SRTT - R'| … SRTT <- (1 - alpha) * SRTT + alpha * R'.";
    Should 2 "RFC 6298 (2.4)" the_rto_is_a_second_at_least
        "Whenever RTO is computed, if it is less than 1 second, then the RTO SHOULD be rounded up \
         to 1 second.";
    Must 2 "RFC 6298 (2.5)" the_rto_may_grow_to_a_minute
        "A maximum value MAY be placed on RTO provided it is at least 60 seconds.";
    Must 3 "RFC 6298 §3" a_late_ack_of_a_retransmission_is_no_sample
        "RTT samples MUST NOT be made using segments that were retransmitted.";
    Must 3 "RFC 6298 §3" an_early_ack_of_a_retransmission_is_no_sample
        "RTT samples MUST NOT be made using segments that were retransmitted.";
    Must 3 "RFC 6298 §3" every_round_trip_is_measured
        "A TCP implementation MUST take at least one RTT measurement per RTT (unless that is not \
         possible per Karn's algorithm).";
    Must 2 "RFC 6298 §4" a_round_trip_that_never_varies_leaves_a_margin
        "If the K*RTTVAR term in the RTO calculation equals zero, the variance term MUST be \
         rounded to G seconds.";
    Should 2 "RFC 6298 (5.1)" a_running_timer_is_not_started_again
        "Every time a packet containing data is sent …, if the timer is not running, start it \
         running so that it will expire after RTO seconds.";
    Should 1 "RFC 6298 (5.2)" no_timer_runs_when_all_is_acknowledged
        "When all outstanding data has been acknowledged, turn off the retransmission timer.";
    Should 3 "RFC 6298 (5.3)" what_is_acknowledged_starts_the_timer_again
        "When an ACK is received that acknowledges new data, restart the retransmission timer so \
         that it will expire after RTO seconds.";
    Should 2 "RFC 6298 (5.4)" the_earliest_segment_is_sent_again
        "Retransmit the earliest segment that has not been acknowledged by the TCP receiver.";
    Must 3 "RFC 6298 (5.5)" each_timeout_doubles_the_rto
        "The host MUST set RTO <- RTO * 2 (\"back off the timer\").";
    Should 2 "RFC 6298 (5.6)" a_retransmission_is_waited_for_twice_as_long
        "Start the retransmission timer, such that it expires after RTO seconds (for the value of \
         RTO after the doubling operation outlined in 5.5).";
    Must 3 "RFC 6298 (5.7)" after_a_lost_syn_the_rto_is_three_seconds
        "If the timer expires awaiting the ACK of a SYN segment …, the RTO MUST be re-initialized \
         to 3 seconds when data transmission begins.";
    Should 2 "RFC 6298 §5" a_new_sample_ends_the_backing_off
        "Once a new RTT measurement is obtained … the computations outlined in … are performed, \
         including the computation of RTO, which may result in \"collapsing\" RTO back down.";
    Must 2 "RFC 9293 §3.8.3 (MUST-20)" ip_is_told_of_many_retransmissions
        "When the number of transmissions of the same segment reaches or exceeds threshold R1, \
         pass negative advice … to the IP layer.";
    Must 3 "RFC 9293 §3.8.3 (MUST-20)" a_peer_that_is_gone_is_given_up
        "When the number of transmissions of the same segment reaches a threshold R2 greater than \
         R1, close the connection.";
    Should 2 "RFC 9293 §3.8.3 (SHLD-11)" a_peer_is_not_given_up_within_100_seconds
        "The value of R2 SHOULD correspond to at least 100 seconds.";
    Must 2 "RFC 9293 §3.8.3 (MUST-21)" the_user_says_when_to_give_up
        "An application MUST (MUST-21) be able to set the value for R2 for a particular \
         connection.";
}

/// How late a timer may be, for a clock that is coarse.
const LATE: Duration = Duration::from_millis(60);

/// Sends text on an idle connection, which is lost; the time until it comes again.
fn lose(script: &mut Script, text: &[u8]) -> Duration {
    script.send(text);
    let sent = script.next_within(Duration::ZERO).unwrap_or_default();
    script.record().expect_eq("bytes sent at once", sent.payload_len(), text.len());
    let (wait, again) = next_text(script, Duration::from_secs(200));
    script.record().expect_eq("the sequence number that comes again", again.seq, sent.seq);
    wait
}

/// Sends text, which is acknowledged after this time.
fn round_trip(script: &mut Script, time: Duration) {
    script.send(b"text");
    script.expect(seg("A").data(b"text"));
    script.expect_quiet(time);
    script.inject(seg("A"));
}

fn the_first_rto_is_a_second(script: &mut Script) {
    script.connect();
    let start = script.now();
    script.expect_quiet(SECOND - MS);
    script.expect_within(3 * SECOND, seg("S").seq(0));
    expect_between(script, "the first RTO", script.now() - start, SECOND, 3 * SECOND);
}

fn the_first_round_trip_sets_the_rto(script: &mut Script) {
    accept_after(script, 400 * MS);
    let rto = lose(script, b"text");
    expect_between(script, "RTO after R = 0.4 s", rto, 1200 * MS, 1200 * MS + LATE);
}

fn later_round_trips_are_smoothed(script: &mut Script) {
    // SRTT 0.4, RTTVAR 0.2; then 0.45 and 0.25; then 0.6438 and 0.575.
    accept_after(script, 400 * MS);
    round_trip(script, 800 * MS);
    round_trip(script, 1400 * MS);
    let srtt = 0.45 * 7.0 / 8.0 + 1.4 / 8.0;
    let rttvar = 0.25 * 0.75 + (1.4 - 0.45) / 4.0;
    let rto = Duration::from_secs_f64(srtt + 4.0 * rttvar);
    let seen = lose(script, b"text");
    expect_between(script, "RTO after 0.4 s, 0.8 s, 1.4 s", seen, rto - 5 * MS, rto + LATE);
}

fn the_rto_is_a_second_at_least(script: &mut Script) {
    accept_after(script, 10 * MS);
    let rto = lose(script, b"text");
    expect_between(script, "RTO after R = 10 ms", rto, SECOND, SECOND + LATE);
}

fn the_rto_may_grow_to_a_minute(script: &mut Script) {
    accept_after(script, 400 * MS);
    let mut wait = lose(script, b"text");
    while wait < 60 * SECOND {
        let (next, _) = next_text(script, 4 * wait);
        let least = (wait * 19 / 10).min(60 * SECOND);
        expect_between(script, "the next interval", next, least, 3 * wait);
        wait = next;
    }
}

fn a_late_ack_of_a_retransmission_is_no_sample(script: &mut Script) {
    accept_after(script, 200 * MS);
    let rto = lose(script, b"one");
    script.wait(rto * 3 / 2);
    script.inject(seg("A"));
    script.drain();
    // It may still be backed off, but no more than that.
    let after = lose(script, b"two");
    expect_between(script, "the RTO then", after, 600 * MS, 2 * rto + LATE);
}

fn an_early_ack_of_a_retransmission_is_no_sample(script: &mut Script) {
    accept_after(script, 800 * MS);
    let rto = lose(script, b"text");
    expect_between(script, "RTO after R = 0.8 s", rto, 2400 * MS, 2400 * MS + LATE);
    for _ in 0..10 {
        script.wait(MS);
        script.inject(seg("A"));
        let rto = lose(script, b"text");
        expect_between(script, "the RTO then", rto, 2400 * MS, 130 * SECOND);
    }
}

fn every_round_trip_is_measured(script: &mut Script) {
    accept_after(script, 500 * MS);
    for _ in 0..16 {
        round_trip(script, 1400 * MS);
    }
    // Without a sample of these it would be 1.5 s.
    let rto = lose(script, b"text");
    expect_between(script, "RTO after 16 times 1.4 s", rto, 1530 * MS, 4 * SECOND);
}

fn a_round_trip_that_never_varies_leaves_a_margin(script: &mut Script) {
    accept_after(script, 900 * MS);
    for time in [1100, 1300].into_iter().chain([1500; 60]) {
        round_trip(script, time * MS);
    }
    let rto = lose(script, b"text");
    let bounds = [1501 * MS, 2100 * MS];
    expect_between(script, "RTO after 60 times 1.5 s", rto, bounds[0], bounds[1]);
}

fn a_running_timer_is_not_started_again(script: &mut Script) {
    accept_after(script, 400 * MS);
    script.send(&[1; MSS]);
    script.expect(seg("A").seq(1).len(MSS));
    script.expect_quiet(600 * MS);
    script.send(&[2; MSS]);
    script.expect(seg("A").seq(1 + MSS as u32).len(MSS));
    let (wait, again) = next_text(script, 5 * SECOND);
    script.record().expect_eq("the sequence number that comes again", again.seq, Some(1));
    expect_between(script, "what is left of the RTO", wait, 600 * MS, 600 * MS + LATE);
}

fn no_timer_runs_when_all_is_acknowledged(script: &mut Script) {
    accept_after(script, 400 * MS);
    round_trip(script, 400 * MS);
    script.expect_quiet(Duration::from_secs(300));
}

fn what_is_acknowledged_starts_the_timer_again(script: &mut Script) {
    accept_after(script, 400 * MS);
    script.send(&[1; 2 * MSS]);
    script.expect(seg("A").seq(1).len(MSS));
    script.expect(seg("A").seq(1 + MSS as u32).len(MSS));
    script.expect_quiet(400 * MS);
    script.inject(seg("A").ack(1 + MSS as u32));
    // SRTT 0.4 and RTTVAR 0.15 make a second; without the sample it would be 1.2 s.
    let (wait, again) = next_text(script, 5 * SECOND);
    script.record().expect_eq("what comes again", again.seq, Some(1 + MSS as u32));
    expect_between(script, "the time since the ACK", wait, SECOND, 1200 * MS + LATE);
}

fn the_earliest_segment_is_sent_again(script: &mut Script) {
    accept_after(script, 400 * MS);
    script.send(&[1; 3 * MSS]);
    script.drain();
    script.inject(seg("A").ack(1 + MSS as u32));
    let (_, again) = next_text(script, 5 * SECOND);
    script.record().expect_eq("what comes again", again.seq, Some(1 + MSS as u32));
}

fn each_timeout_doubles_the_rto(script: &mut Script) {
    accept_after(script, 400 * MS);
    let mut wait = lose(script, b"text");
    for _ in 0..4 {
        let (next, _) = next_text(script, 10 * wait);
        expect_between(script, "the next interval", next, wait * 19 / 10, wait * 2 + LATE);
        wait = next;
    }
}

fn a_retransmission_is_waited_for_twice_as_long(script: &mut Script) {
    accept_after(script, 400 * MS);
    lose(script, b"text");
    let (wait, again) = next_text(script, 10 * SECOND);
    script.record().expect_eq("what comes again", again.seq, Some(1));
    expect_between(script, "the RTO, doubled", wait, 2400 * MS - LATE, 2400 * MS + LATE);
}

fn after_a_lost_syn_the_rto_is_three_seconds(script: &mut Script) {
    script.connect();
    script.expect_within(3 * SECOND, seg("S").seq(0));
    script.wait(10 * MS);
    script.inject(seg("SA").mss(1460));
    script.expect(seg("A").seq(1).ack(1));
    let rto = lose(script, b"text");
    expect_between(script, "RTO after a lost SYN", rto, 3 * SECOND, 3 * SECOND + LATE);
}

fn a_new_sample_ends_the_backing_off(script: &mut Script) {
    accept_after(script, 400 * MS);
    lose(script, b"text");
    for _ in 0..3 {
        next_text(script, 60 * SECOND);
    }
    script.inject(seg("A"));
    for _ in 0..4 {
        round_trip(script, 400 * MS);
    }
    let rto = lose(script, b"text");
    expect_between(script, "the RTO then", rto, 600 * MS, 1300 * MS);
}

fn ip_is_told_of_many_retransmissions(script: &mut Script) {
    script.accept_one(80);
    lose(script, b"text");
    let addr = script.peer.ip();
    for _ in 0..8 {
        if script.host.out.doubted.iter().any(|(_, doubted)| *doubted == addr) {
            return;
        }
        next_text(script, 200 * SECOND);
    }
    script.record().fail("Output::doubt of the peer after at most eight retransmissions", "none");
}

/// Sends text that nobody answers; how long until the socket has an error.
fn give_up(script: &mut Script) -> Duration {
    script.send(b"text");
    let start = script.now();
    while script.now().since(start) < Duration::from_secs(3 * 3600) {
        script.wait(SECOND);
        let socket = script.current();
        let gone = script.host.info(socket).is_ok_and(|info| info.state == State::Closed);
        if gone {
            script.expect_receive_error(SocketError::TimedOut);
            return script.now() - start;
        }
    }
    script.record().fail("an end within three hours", "none");
}

fn a_peer_that_is_gone_is_given_up(script: &mut Script) {
    script.accept_one(80);
    give_up(script);
    script.drain();
    script.expect_quiet(Duration::from_secs(600));
}

fn a_peer_is_not_given_up_within_100_seconds(script: &mut Script) {
    script.accept_one(80);
    let time = give_up(script);
    expect_between(script, "until R2", time, 100 * SECOND, Duration::from_secs(3 * 3600));
}

fn the_user_says_when_to_give_up(script: &mut Script) {
    script.accept_one(80);
    set(script, Setting::UserTimeout(Some(20 * SECOND)));
    let time = give_up(script);
    expect_between(script, "the user's timeout of 20 s", time, 15 * SECOND, 60 * SECOND);
}
