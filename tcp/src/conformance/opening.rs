//! Opening a connection: RFC 9293 §3.5.

use ip::SocketError;
use netdev::cases;

use super::{MINUTE, Make, SECOND};
use crate::State;
use crate::testing::{Script, seg};

cases! { ($) opening_cases: Make, Script;
    Must 2 "RFC 9293 §3.10.7.2" a_syn_to_a_listener_is_answered
        "If there was no RST and no ACK, and there is a SYN: ISS should be selected and a SYN \
         segment sent of the form <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>.";
    Must 2 "RFC 9293 §3.10.1" an_active_open_sends_a_bare_syn
        "A SYN segment of the form <SEQ=ISS><CTL=SYN> is sent. Set SND.UNA to ISS, SND.NXT to \
         ISS+1, enter SYN-SENT state, and return.";
    Must 2 "RFC 9293 §3.10.7.3" the_syn_ack_is_acknowledged_and_the_connection_is_there
        "If SND.UNA > ISS (our SYN has been ACKed), change the connection state to ESTABLISHED, \
         form an ACK segment <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK> and send it.";
    Must 2 "RFC 9293 §3.10.7.4, fifth" only_the_third_segment_establishes
        "SYN-RECEIVED STATE: If SND.UNA < SEG.ACK =< SND.NXT, then enter ESTABLISHED state and \
         continue processing.";
    Must 2 "RFC 9293 §3.10.7.4, fifth" the_third_segment_may_carry_data
        "… then enter ESTABLISHED state and continue processing with the variables below set.";
    Should 3 "RFC 9293 §3.10.7.3" text_on_the_syn_ack_is_taken
        "If there are other controls or text in the segment, then continue processing at the \
         sixth step under Section 3.10.7.4 where the URG bit is checked.";
    Must 3 "RFC 9293 §3.5" text_on_a_syn_is_not_delivered_before_the_handshake
        "… so long as the receiving TCP endpoint doesn't deliver the data to the user until it is \
         clear the data is valid.";
    Should 4 "RFC 9293 §3.10.7.2" text_on_a_syn_is_kept_until_the_handshake_is_done
        "Any other control or text should be queued for processing later.";
    Must 4 "RFC 9293 §3.5 (MUST-10)" simultaneous_open
        "A TCP implementation MUST support simultaneous open attempts.";
    Must 3 "RFC 9293 §3.4" text_behind_a_syn_that_comes_again_keeps_its_place
        "For sequence number purposes, the SYN is considered to occur before the first actual data \
         octet of the segment in which it occurs.";
    Must 3 "RFC 9293 §3.5, figure 8" an_old_duplicate_syn_does_no_lasting_harm
        "TCP Peer B, on receiving the RST, returns to the LISTEN state. When the original SYN \
         finally arrives at line 6, the synchronization proceeds normally.";
    Must 2 "RFC 9293 §3.3.1" a_segment_goes_to_the_connection_of_both_its_ends
        "The local and remote IP addresses and port numbers … identify the connection: two \
         connections of one local port differ by their peer.";
    Must 2 "RFC 9293 §3.10.8" a_lost_syn_is_sent_again
        "If the retransmission timeout expires on a segment in the retransmission queue, send the \
         segment at the front of the retransmission queue again.";
    Must 2 "RFC 6298 (5.5)" the_time_between_syns_doubles
        "The host MUST set RTO <- RTO * 2 (\"back off the timer\").";
    Must 2 "RFC 9293 §3.10.8" a_lost_syn_ack_is_sent_again
        "If the retransmission timeout expires on a segment in the retransmission queue, send the \
         segment at the front of the retransmission queue again.";
    Should 2 "RFC 9293 §3.10.7.4, first" a_repeated_syn_is_answered_again
        "If an incoming segment is not acceptable, an acknowledgment should be sent in reply.";
    Must 2 "RFC 9293 §3.8.3 (MUST-23)" a_syn_is_repeated_for_three_minutes
        "R2 for a SYN segment MUST be set large enough to provide retransmission of the segment \
         for at least 3 minutes.";
    Must 2 "RFC 9293 §3.8.3 (MUST-20)" an_open_that_nobody_answers_ends_with_an_error
        "When the number of transmissions of the same segment reaches a threshold R2 …, close the \
         connection.";
    Should 2 "RFC 9293 §3.8.3" a_half_open_connection_does_not_last_for_ever
        "When the number of transmissions of the same segment reaches a threshold R2 …, close the \
         connection.";
    Ours 3 "RFC 4987 §3" a_flood_of_syns_does_not_shut_the_listener
        "While forged SYNs fill the SYN queue, whoever completes a handshake is still served.";
    Ours 3 "RFC 9293 §3.9.1.1" a_full_accept_queue_puts_off_and_does_not_refuse
        "A SYN that finds no room in the accept queue is dropped, not reset: it comes again, by \
         when there may be room.";
}

fn a_syn_to_a_listener_is_answered(script: &mut Script) {
    script.listen(8);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.expect_connections(&[State::SynReceived]);
}

fn an_active_open_sends_a_bare_syn(script: &mut Script) {
    script.connect();
    script.expect_state(State::SynSent);
    script.expect_nothing();
    let info = script.info().expect("a connection");
    script.expect_eq("SND.UNA - ISS", info.snd_una.wrapping_sub(script.isn()), 0);
    script.expect_eq("SND.NXT - ISS", info.snd_nxt.wrapping_sub(script.isn()), 1);
}

fn the_syn_ack_is_acknowledged_and_the_connection_is_there(script: &mut Script) {
    script.connect();
    script.inject(seg("SA").seq(0).ack(1).mss(1460));
    script.expect(seg("A").seq(1).ack(1));
    script.expect_state(State::Established);
    script.expect_nothing();
}

fn only_the_third_segment_establishes(script: &mut Script) {
    let listener = script.listen(8);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    let early = script.act("accept", |host| host.accept(listener));
    script.expect_eq("an early accept", early, Err(SocketError::WouldBlock));
    script.inject(seg("A").seq(1).ack(1));
    script.accept(listener);
    script.expect_state(State::Established);
    script.expect_nothing();
}

fn the_third_segment_may_carry_data(script: &mut Script) {
    let listener = script.listen(8);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.inject(seg("PA").seq(1).ack(1).data(b"hello"));
    script.accept(listener);
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"hello");
    script.expect_within(SECOND, seg("A").seq(1).ack(6));
}

fn text_on_the_syn_ack_is_taken(script: &mut Script) {
    script.connect();
    script.inject(seg("SA").seq(0).ack(1).mss(1460).data(b"welcome"));
    script.expect_state(State::Established);
    let acknowledged = script.drain().pop().and_then(|last| last.ack);
    script.expect_eq("the acknowledgment", acknowledged, Some(8));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"welcome");
}

fn text_on_a_syn_is_not_delivered_before_the_handshake(script: &mut Script) {
    let listener = script.listen(8);
    script.inject(seg("S").seq(0).mss(1460).data(b"forged"));
    let answer = script.expect(seg("SA").seq(0));
    script.expect_that("it acknowledges the SYN, or the text too", answer.ack >= Some(1));
    let early = script.act("accept", |host| host.accept(listener));
    script.expect_eq("an early accept", early, Err(SocketError::WouldBlock));
    // Whoever was asked never asked for it.
    script.inject(seg("R").seq(answer.ack.expect("an acknowledgment")));
    let late = script.act("accept", |host| host.accept(listener));
    script.expect_eq("an accept after the reset", late, Err(SocketError::WouldBlock));
    script.expect_connections(&[]);
}

fn text_on_a_syn_is_kept_until_the_handshake_is_done(script: &mut Script) {
    let listener = script.listen(8);
    script.inject(seg("S").seq(0).mss(1460).data(b"early"));
    script.expect(seg("SA").seq(0));
    script.inject(seg("A").seq(6).ack(1));
    script.accept(listener);
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"early");
}

fn simultaneous_open(script: &mut Script) {
    script.connect();
    script.inject(seg("S").seq(0).mss(1460));
    script.expect_state(State::SynReceived);
    script.expect(seg("SA").seq(0).ack(1));
    script.inject(seg("SA").seq(0).ack(1).mss(1460));
    let state = script.info().map(|info| info.state);
    if state == Some(State::SynReceived) {
        // By the letter of §3.10.7.4 the other SYN is out of the window, and it takes the ACK that
        // answers the ACK for that to end the handshake.
        script.inject(seg("A").seq(1).ack(1));
    }
    script.expect_state(State::Established);
    script.drain();
    script.inject(seg("PA").seq(1).ack(1).data(b"hello"));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"hello");
}

fn text_behind_a_syn_that_comes_again_keeps_its_place(script: &mut Script) {
    script.connect();
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    // The other end of a simultaneous open answers, and has something to say already.
    script.inject(seg("SA").seq(0).ack(1).mss(1460).data(b"hello"));
    // Whoever does not take it from there takes it when it is sent again.
    script.inject(seg("A").seq(1).ack(1));
    script.inject(seg("PA").seq(1).ack(1).data(b"hello, world"));
    script.expect_state(State::Established);
    script.drain();
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"hello, world");
}

fn an_old_duplicate_syn_does_no_lasting_harm(script: &mut Script) {
    let listener = script.listen(8);
    // Ten before the real one: figure 8's 90 and 100.
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.inject(seg("R").seq(1));
    script.expect_nothing();
    script.expect_connections(&[]);
    script.inject(seg("S").seq(10).mss(1460));
    script.expect(seg("SA").seq(0).ack(11));
    script.inject(seg("A").seq(11).ack(1));
    script.accept(listener);
    script.expect_state(State::Established);
}

fn a_segment_goes_to_the_connection_of_both_its_ends(script: &mut Script) {
    let listener = script.accept_one(80);
    let first = script.current();
    script.peer.set_port(5001);
    script.handshake();
    script.accept(listener);
    let second = script.current();
    script.inject(seg("PA").seq(1).data(b"second"));
    let seen = script.act("receive on the first", |host| host.receive(first, 10));
    script.expect_eq("the first connection", seen, Err(SocketError::WouldBlock));
    let seen = script.act("receive on the second", |host| host.receive(second, 10));
    script.expect_eq("the second connection", seen, Ok(b"second".to_vec()));
}

fn a_lost_syn_is_sent_again(script: &mut Script) {
    script.connect();
    // RFC 6298 (2.1) starts with a second; three seconds were right before.
    script.expect_within(4 * SECOND, seg("S").seq(0));
    script.inject(seg("SA").seq(0).ack(1).mss(1460));
    script.expect(seg("A").seq(1).ack(1));
}

fn the_time_between_syns_doubles(script: &mut Script) {
    script.connect();
    let mut waits = Vec::new();
    for _ in 0..4 {
        let before = script.now();
        script.expect_within(2 * MINUTE, seg("S").seq(0));
        waits.push(script.now() - before);
    }
    for pair in waits.windows(2) {
        script.expect_that(
            &format!("each wait is twice as long as the one before: {waits:?}"),
            pair[1] >= pair[0] * 19 / 10 && pair[1] <= pair[0] * 21 / 10,
        );
    }
}

fn a_lost_syn_ack_is_sent_again(script: &mut Script) {
    script.listen(8);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.expect_within(4 * SECOND, seg("SA").seq(0).ack(1));
}

fn a_repeated_syn_is_answered_again(script: &mut Script) {
    let listener = script.listen(8);
    for _ in 0..2 {
        script.inject(seg("S").seq(0).mss(1460));
        let answer = script.drain().pop().expect("an answer");
        script.expect_eq("the acknowledgment", answer.ack, Some(1));
    }
    script.expect_connections(&[State::SynReceived]);
    script.inject(seg("A").seq(1).ack(1));
    script.accept(listener);
}

fn a_syn_is_repeated_for_three_minutes(script: &mut Script) {
    script.connect();
    script.wait(3 * MINUTE);
    script.expect_state(State::SynSent);
    let again = script.drain().len();
    script.expect_that(&format!("sent again {again} times"), again >= 2);
}

fn an_open_that_nobody_answers_ends_with_an_error(script: &mut Script) {
    script.connect();
    script.wait(20 * MINUTE);
    script.expect_state(State::Closed);
    script.expect_error(Some(SocketError::TimedOut));
    script.drain();
    script.expect_quiet(60 * MINUTE);
}

fn a_half_open_connection_does_not_last_for_ever(script: &mut Script) {
    script.listen(8);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.wait(10 * MINUTE);
    script.expect_connections(&[]);
    script.drain();
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
}

fn a_flood_of_syns_does_not_shut_the_listener(script: &mut Script) {
    let listener = script.listen(8);
    for port in 10_000..14_000 {
        script.peer.set_port(port);
        script.inject(seg("S").seq(0).mss(1460));
        script.drain();
    }
    let connections = script.host.tcp.sockets(script.now()).len();
    script.expect_that(&format!("{connections} half-open ones are limited"), connections < 4000);
    script.peer.set_port(7000);
    script.handshake();
    script.accept(listener);
    script.inject(seg("PA").seq(1).ack(1).data(b"let me in"));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"let me in");
}

fn a_full_accept_queue_puts_off_and_does_not_refuse(script: &mut Script) {
    let listener = script.listen(2);
    // Linux lets one more wait than it was told.
    for port in 5001..5004 {
        script.peer.set_port(port);
        script.inject(seg("S").seq(0).mss(1460));
        if script.drain().is_empty() {
            break;
        }
        script.inject(seg("A").seq(1).ack(1));
    }
    let waiting = script.host.info(listener).expect("a listener").receive_queue;
    script.expect_that(&format!("{waiting} wait, of a backlog of 2"), (2..=3).contains(&waiting));
    script.peer.set_port(6000);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect_nothing();
    script.accept(listener);
    script.accept(listener);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
}
