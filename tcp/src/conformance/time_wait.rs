//! TIME-WAIT: RFC 9293 §3.6.1 and §3.10.7.4, RFC 6191.

use ip::SocketError;
use netdev::cases;

use super::states::reach;
use super::{MINUTE, Make, SECOND};
use crate::testing::{Script, Seg, seg};
use crate::{Flags, State};

cases! { ($) time_wait_cases: Make, Script;
    Must 3 "RFC 9293 §3.6.1 (MUST-13)" time_wait_lasts_and_ends
        "When a connection is closed actively, it MUST linger in the TIME-WAIT state for a time \
         2xMSL (Maximum Segment Lifetime).";
    Must 3 "RFC 9293 §3.10.7.4, eighth" a_repeated_fin_starts_time_wait_anew
        "Remain in the TIME-WAIT state. Restart the 2 MSL time-wait timeout.";
    Must 2 "RFC 9293 §3.10.7.4, fifth" a_repeated_fin_in_time_wait_is_acknowledged
        "The only thing that can arrive in this state is a retransmission of the remote FIN. \
         Acknowledge it, and restart the 2 MSL timeout.";
    Must 2 "RFC 9293 §3.6" time_wait_outlives_the_socket
        "The TCP endpoint … lingers though its user has gone.";
    Must 2 "RFC 9293 §3.6" whoever_is_closed_second_has_no_time_wait
        "The TCP endpoint then waits until its own FIN is acknowledged whereupon it deletes the \
         connection.";
    Must 2 "RFC 9293 §3.6.1" an_old_syn_does_not_reopen_from_time_wait
        "It MAY accept a new SYN … to reopen the connection directly from TIME-WAIT state, if … \
         [it] returns to TIME-WAIT state if the SYN turns out to be an old duplicate.";
    May 3 "RFC 9293 §3.6.1 (MAY-2)" a_newer_syn_reopens_from_time_wait
        "It MAY accept a new SYN from the remote TCP endpoint to reopen the connection directly \
         from TIME-WAIT state.";
    Must 3 "RFC 9293 §3.6.1 (MAY-2)" the_new_numbers_lie_beyond_the_old_ones
        "… if it: (1) assigns its initial sequence number for the new connection to be larger \
         than the largest sequence number it used on the previous connection incarnation.";
    Should 3 "RFC 6191 §2 (RFC 9293 SHLD-4)" a_newer_timestamp_reopens_from_time_wait
        "When the TCP Timestamp Options are available, an improved algorithm … SHOULD be \
         implemented: a SYN with a later timestamp is new whatever its number.";
    Must 2 "RFC 9293 §3.10.7.4" text_in_time_wait_is_not_taken
        "TIME-WAIT STATE: This should not occur since a FIN has been received from the remote \
         side. Ignore the segment text.";
    Ours 2 "RFC 9293 §3.6.1" the_port_is_in_use_during_time_wait
        "An old segment could be taken for one of a new connection: the port is not given away \
         before it is over.";
}

/// It stays for half of the shortest time that is in use, 30 s (an MSL of 15 s), and ends within
/// the RFC's own 4 minutes.
fn time_wait_lasts_and_ends(script: &mut Script) {
    reach(script, State::TimeWait);
    script.expect_quiet(29 * SECOND);
    script.expect_connections(&[State::TimeWait]);
    script.expect_quiet(4 * MINUTE);
    let state = script.host.states(script.port, script.peer.port());
    let over = matches!(state[..], [] | [State::Closed]);
    script.expect_that(&format!("it is over: {state:?}"), over);
}

/// How long it lasts in this implementation.
fn duration(script: &mut Script) -> std::time::Duration {
    let start = script.now();
    while script.host.states(script.port, script.peer.port()) == [State::TimeWait] {
        script.wait(SECOND);
        assert!(script.now() - start < 10 * MINUTE, "a TIME-WAIT that never ends");
    }
    script.now() - start
}

fn a_repeated_fin_starts_time_wait_anew(script: &mut Script) {
    reach(script, State::TimeWait);
    script.wait(25 * SECOND);
    script.inject(seg("FA").seq(1).ack(2));
    script.drain();
    let restarted = duration(script);
    // Without the restart it would be 25 s shorter than the whole of another.
    script.peer.set_port(5001);
    script.port = 81;
    let listener = script.listen(8);
    script.handshake();
    script.accept(listener);
    script.close();
    script.expect(seg("FA").seq(1).ack(1));
    script.inject(seg("FA").seq(1).ack(2));
    script.expect_connections(&[State::TimeWait]);
    let whole = duration(script);
    let what = format!("{restarted:?} after the second FIN, {whole:?} without");
    script.expect_that(&what, restarted + SECOND >= whole);
}

fn a_repeated_fin_in_time_wait_is_acknowledged(script: &mut Script) {
    reach(script, State::TimeWait);
    for _ in 0..3 {
        script.wait(SECOND);
        script.inject(seg("FA").seq(1).ack(2));
        script.expect(seg("A").seq(2).ack(2));
        script.expect_connections(&[State::TimeWait]);
    }
}

fn time_wait_outlives_the_socket(script: &mut Script) {
    reach(script, State::TimeWait);
    script.close();
    script.expect_nothing();
    script.expect_connections(&[State::TimeWait]);
    script.inject(seg("FA").seq(1).ack(2));
    script.expect(seg("A").seq(2).ack(2));
}

fn whoever_is_closed_second_has_no_time_wait(script: &mut Script) {
    reach(script, State::CloseWait);
    script.close();
    script.expect(seg("FA").seq(1).ack(2));
    script.inject(seg("A").seq(2).ack(2));
    script.expect_connections(&[]);
}

fn an_old_syn_does_not_reopen_from_time_wait(script: &mut Script) {
    reach(script, State::TimeWait);
    for seq in [0, 1, u32::MAX - 1000] {
        script.inject(seg("S").seq(seq).mss(1460));
        script.expect(seg("A").seq(2).ack(2));
        script.expect_connections(&[State::TimeWait]);
        script.wait(SECOND);
    }
}

fn a_newer_syn_reopens_from_time_wait(script: &mut Script) {
    reach(script, State::TimeWait);
    script.close();
    script.inject(seg("S").seq(100_000).mss(1460));
    script.expect(seg("SA").ack(100_001));
    script.expect_connections(&[State::SynReceived]);
}

fn the_new_numbers_lie_beyond_the_old_ones(script: &mut Script) {
    reach(script, State::TimeWait);
    script.close();
    let last = script.isn().wrapping_add(2);
    let mut syn = script.peer_isn.wrapping_add(100_000);
    // Where TIME-WAIT is not left for it, the SYN comes again until it is.
    let answer = loop {
        script.inject(seg("S").seq(syn.wrapping_sub(script.peer_isn)).mss(1460));
        let answers = script.drain();
        if let Some(answer) = answers.into_iter().find(|seg| seg.flags.contains(Flags::SYN)) {
            break answer;
        }
        script.wait(10 * SECOND);
        syn = syn.wrapping_add(1000);
        assert!(script.now().millis() < 600_000, "a TIME-WAIT that never ends");
    };
    script.expect_eq("the acknowledgment", answer.ack, Some(syn + 1 - script.peer_isn));
    let beyond = script.isn().wrapping_sub(last);
    script.expect_that(&format!("the ISN is {beyond} beyond the old numbers"), beyond < 1 << 31);
}

/// A SYN with an MSS of 1460 and timestamps.
fn syn(seq: u32, value: u32) -> Seg {
    let mut options = vec![2, 4, 5, 180];
    options.extend(timestamps(value, 0));
    seg("S").seq(seq).options(&options)
}

fn timestamps(value: u32, echo: u32) -> Vec<u8> {
    [&[1, 1, 8, 10][..], &value.to_be_bytes(), &echo.to_be_bytes()].concat()
}

fn a_newer_timestamp_reopens_from_time_wait(script: &mut Script) {
    let listener = script.listen(8);
    script.inject(syn(0, 1000));
    let answer = script.expect(seg("SA").seq(0).ack(1));
    let own = answer.option(8).and_then(|option| option[..4].try_into().ok());
    let options = timestamps(1001, own.map_or(0, u32::from_be_bytes));
    script.inject(seg("A").seq(1).ack(1).options(&options));
    script.accept(listener);
    script.close();
    script.expect(seg("FA").seq(1).ack(1));
    script.inject(seg("FA").seq(1).ack(2).options(&options));
    script.expect_within(SECOND, seg("A").seq(2).ack(2));
    script.expect_connections(&[State::TimeWait]);
    // Its number is that of the first SYN, but it is later.
    script.inject(syn(0, 2000));
    script.expect(seg("SA").ack(1));
    script.expect_connections(&[State::SynReceived]);
}

fn text_in_time_wait_is_not_taken(script: &mut Script) {
    reach(script, State::TimeWait);
    script.inject(seg("PA").seq(2).ack(2).data(b"ghost"));
    script.expect_connections(&[State::TimeWait]);
    script.expect_end();
    script.drain();
    script.inject(seg("FA").seq(1).ack(2));
    script.expect_within(SECOND, seg("A").seq(2).ack(2));
}

fn the_port_is_in_use_during_time_wait(script: &mut Script) {
    script.connect_one();
    script.close();
    script.expect(seg("FA").seq(1).ack(1));
    script.inject(seg("FA").seq(1).ack(2));
    script.expect_connections(&[State::TimeWait]);
    let (socket, port) = (script.host.open(), script.port);
    let bound = script.act("bind", |host| host.bind(socket, port));
    script.expect_eq("a bind", bound, Err(SocketError::AddrInUse));
    script.wait(5 * MINUTE);
    let bound = script.act("bind", |host| host.bind(socket, port));
    script.expect_eq("a bind when it is over", bound, Ok(()));
}
