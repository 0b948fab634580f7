//! Closing a connection: RFC 9293 §3.6, and every way through figure 5 from ESTABLISHED on.

use ip::SocketError;
use netdev::cases;

use super::states::reach;
use super::{MINUTE, Make, SECOND};
use crate::testing::{Script, Seg, pattern, seg};
use crate::{Flags, Shutdown, State};

cases! { ($) closing_cases: Make, Script;
    Must 2 "RFC 9293 §3.10.4" a_close_sends_a_fin
        "Queue this until all preceding SENDs have been segmentized, then form a FIN segment and \
         send it. In any case, enter FIN-WAIT-1 state.";
    Must 2 "RFC 9293 §3.10.4" all_that_was_taken_goes_before_the_fin
        "A TCP implementation will reliably deliver all buffers SENT before the connection was \
         CLOSED.";
    Must 3 "RFC 9293 §3.10.7.4, fifth" fin_wait_1_waits_for_the_acknowledgment_of_the_fin
        "FIN-WAIT-1 STATE: In addition …, if the FIN segment is now acknowledged, then enter \
         FIN-WAIT-2 and continue processing in that state.";
    Must 2 "RFC 9293 §3.10.7.4, eighth" a_fin_leads_from_established_to_close_wait
        "SYN-RECEIVED STATE, ESTABLISHED STATE: Enter the CLOSE-WAIT state.";
    Must 2 "RFC 9293 §3.10.7.4, eighth" a_fin_with_the_third_segment_leads_to_close_wait
        "SYN-RECEIVED STATE, ESTABLISHED STATE: Enter the CLOSE-WAIT state.";
    Must 2 "RFC 9293 §3.10.7.4, eighth" a_fin_leads_from_fin_wait_2_to_time_wait
        "FIN-WAIT-2 STATE: Enter the TIME-WAIT state. Start the time-wait timer.";
    Must 3 "RFC 9293 §3.10.7.4, eighth" a_fin_leads_from_fin_wait_1_to_closing
        "If our FIN has been ACKed (perhaps in this segment), then enter TIME-WAIT …; otherwise, \
         enter the CLOSING state.";
    Must 3 "RFC 9293 §3.10.7.4, eighth"
        a_fin_with_the_acknowledgment_leads_from_fin_wait_1_to_time_wait
        "If our FIN has been ACKed (perhaps in this segment), then enter TIME-WAIT, start the \
         time-wait timer.";
    Must 2 "RFC 9293 §3.10.7.4, fifth" the_acknowledgment_leads_from_closing_to_time_wait
        "CLOSING STATE: … if the ACK acknowledges our FIN, then enter the TIME-WAIT state; \
         otherwise, ignore the segment.";
    Must 2 "RFC 9293 §3.10.4" a_close_leads_from_close_wait_to_last_ack
        "CLOSE-WAIT STATE: Queue this request until all preceding SENDs have been segmentized; \
         then send a FIN segment, enter LAST-ACK state.";
    Must 2 "RFC 9293 §3.10.7.4, fifth" the_acknowledgment_ends_last_ack
        "LAST-ACK STATE: … If our FIN is now acknowledged, delete the TCB, enter the CLOSED \
         state, and return.";
    Must 2 "RFC 9293 §3.10.8" a_lost_fin_is_sent_again
        "All segments preceding and including FIN will be retransmitted until acknowledged.";
    Must 2 "RFC 9293 §3.10.7.4, first" a_repeated_fin_is_acknowledged_again
        "If an incoming segment is not acceptable, an acknowledgment should be sent in reply.";
    Must 2 "RFC 9293 §3.6" a_half_closed_connection_still_receives
        "The user who CLOSEs may continue to RECEIVE until the TCP receiver is told that the \
         remote peer has CLOSED also.";
    Must 2 "RFC 9293 §3.6.1" a_half_closed_connection_still_sends
        "A host is permitted to continue sending data in the open direction on a half-closed \
         connection.";
    Must 2 "RFC 9293 §3.6 (MUST-12)" the_end_of_the_stream_is_no_error
        "The local application MUST be informed whether it closed normally or was aborted.";
    Should 3 "RFC 9293 §3.6.1 (SHLD-3)" a_close_with_unread_text_resets
        "If such a host issues a CLOSE call while received data is still pending in the TCP \
         connection, … its TCP implementation SHOULD send a RST to show that data was lost.";
    Should 3 "RFC 9293 §3.6.1 (SHLD-3)" text_that_comes_after_the_close_is_reset
        "… or if new data is received after CLOSE is called, its TCP implementation SHOULD send a \
         RST to show that data was lost.";
    Must 2 "RFC 9293 §3.6" a_fin_that_nobody_acknowledges_ends_after_the_user_timeout
        "If an ACK is not forthcoming, after the user timeout the connection is aborted and the \
         user is told.";
    Ours 2 "RFC 9293 §3.3.2" fin_wait_2_without_a_user_does_not_last_for_ever
        "The peer may never close. A connection that nobody can read from ends by itself, as on \
         every system.";
    Must 2 "RFC 9293 §3.10.7.4, eighth" a_window_that_is_shut_keeps_no_fin_of_ours_back_for_ever
        "CLOSE is intended to be a graceful operation in the sense that outstanding SENDs will be \
         transmitted (and retransmitted), as flow control permits, until all have been serviced.";
}

fn a_close_sends_a_fin(script: &mut Script) {
    script.accept_one(80);
    script.close();
    script.expect(seg("FA").seq(1).ack(1));
    script.expect_connections(&[State::FinWait1]);
}

fn all_that_was_taken_goes_before_the_fin(script: &mut Script) {
    script.accept_one(80);
    let text = pattern(0, 50_000);
    script.send(&text);
    script.close();
    let mut seen: Vec<u8> = Vec::new();
    let mut fin = None;
    for _ in 0..100 {
        for segment in script.drain() {
            script.expect_that("nothing follows the FIN", fin.is_none());
            let seq = segment.seq.expect("a number");
            script.expect_eq("the sequence number", seq, 1 + seen.len() as u32);
            seen.extend(segment.payload());
            fin = segment.flags.contains(Flags::FIN).then_some(seq);
        }
        if fin.is_some() {
            break;
        }
        script.inject(seg("A").seq(1));
    }
    script.expect_that("the bytes are all there, and in order", seen == text);
    script.expect_that("and then the FIN", fin.is_some());
}

fn fin_wait_1_waits_for_the_acknowledgment_of_the_fin(script: &mut Script) {
    script.accept_one(80);
    script.send(b"last words");
    script.shutdown(Shutdown::Write);
    script.drain();
    for ack in [1, 6, 11] {
        script.inject(seg("A").seq(1).ack(ack));
        script.expect_state(State::FinWait1);
    }
    script.inject(seg("A").seq(1).ack(12));
    script.expect_state(State::FinWait2);
}

fn a_fin_leads_from_established_to_close_wait(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("FA").seq(1).ack(1));
    script.expect_within(SECOND / 2, seg("A").seq(1).ack(2));
    script.expect_state(State::CloseWait);
}

fn a_fin_with_the_third_segment_leads_to_close_wait(script: &mut Script) {
    let listener = script.listen(8);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.inject(seg("FA").seq(1).ack(1).data(b"hi"));
    script.expect_within(SECOND / 2, seg("A").seq(1).ack(4));
    script.accept(listener);
    script.expect_state(State::CloseWait);
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"hi");
}

fn a_fin_leads_from_fin_wait_2_to_time_wait(script: &mut Script) {
    reach(script, State::FinWait2);
    script.inject(seg("FA").seq(1).ack(2));
    script.expect_within(SECOND / 2, seg("A").seq(2).ack(2));
    script.expect_connections(&[State::TimeWait]);
}

fn a_fin_leads_from_fin_wait_1_to_closing(script: &mut Script) {
    reach(script, State::FinWait1);
    script.inject(seg("FA").seq(1).ack(1));
    script.expect_within(SECOND / 2, seg("A").seq(2).ack(2));
    script.expect_state(State::Closing);
}

fn a_fin_with_the_acknowledgment_leads_from_fin_wait_1_to_time_wait(script: &mut Script) {
    reach(script, State::FinWait1);
    script.inject(seg("FA").seq(1).ack(2));
    script.expect_within(SECOND / 2, seg("A").seq(2).ack(2));
    script.expect_connections(&[State::TimeWait]);
}

fn the_acknowledgment_leads_from_closing_to_time_wait(script: &mut Script) {
    reach(script, State::Closing);
    script.inject(seg("A").seq(2).ack(1));
    script.expect_state(State::Closing);
    script.inject(seg("A").seq(2).ack(2));
    script.expect_connections(&[State::TimeWait]);
}

fn a_close_leads_from_close_wait_to_last_ack(script: &mut Script) {
    reach(script, State::CloseWait);
    script.send(b"bye");
    script.shutdown(Shutdown::Write);
    let sent = script.drain();
    let data: Vec<u8> = sent.iter().flat_map(|segment| segment.payload().to_vec()).collect();
    script.expect_eq("the bytes", &data[..], b"bye");
    let fins = sent.iter().filter(|segment| segment.flags.contains(Flags::FIN)).count();
    script.expect_eq("FINs", fins, 1);
    script.expect_state(State::LastAck);
}

fn the_acknowledgment_ends_last_ack(script: &mut Script) {
    reach(script, State::LastAck);
    script.inject(seg("A").seq(2).ack(1));
    script.expect_state(State::LastAck);
    script.inject(seg("A").seq(2).ack(2));
    script.expect_state(State::Closed);
    script.expect_error(None);
    // The port is free at once.
    script.inject(seg("S").seq(5000).mss(1460));
    script.expect(seg("SA").ack(5001));
}

fn a_lost_fin_is_sent_again(script: &mut Script) {
    reach(script, State::FinWait1);
    script.expect_within(4 * SECOND, seg("FA").seq(1).ack(1));
    script.inject(seg("A").seq(1).ack(2));
    script.expect_state(State::FinWait2);
    script.expect_quiet(MINUTE);
}

fn a_repeated_fin_is_acknowledged_again(script: &mut Script) {
    reach(script, State::CloseWait);
    for _ in 0..3 {
        script.inject(seg("FA").seq(1).ack(1));
        script.expect_within(SECOND / 2, seg("A").seq(1).ack(2));
        script.expect_state(State::CloseWait);
    }
}

fn a_half_closed_connection_still_receives(script: &mut Script) {
    reach(script, State::FinWait1);
    script.inject(seg("PA").seq(1).ack(1).data(b"in FIN-WAIT-1"));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"in FIN-WAIT-1");
    script.expect_within(SECOND / 2, seg("A").seq(2).ack(14));
    script.inject(seg("PA").seq(14).ack(2).data(b"in FIN-WAIT-2"));
    script.expect_state(State::FinWait2);
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"in FIN-WAIT-2");
    script.expect_within(SECOND / 2, seg("A").seq(2).ack(27));
}

fn a_half_closed_connection_still_sends(script: &mut Script) {
    reach(script, State::CloseWait);
    script.send(&pattern(0, 2 * 1460));
    let sent: usize = script.drain().iter().map(Seg::payload_len).sum();
    script.expect_eq("bytes sent", sent, 2 * 1460);
    script.inject(seg("A").seq(2).ack(1 + 2 * 1460));
    script.expect_state(State::CloseWait);
    let queued = script.info().map(|info| info.send_queue);
    script.expect_eq("bytes not acknowledged", queued, Some(0));
}

fn the_end_of_the_stream_is_no_error(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("FA").seq(1).ack(1).data(b"end"));
    let socket = script.current();
    let received = script.act("receive", |host| host.receive(socket, 10));
    script.expect_eq("the bytes", received, Ok(b"end".to_vec()));
    for _ in 0..3 {
        script.expect_end();
    }
    script.expect_error(None);
}

fn a_close_with_unread_text_resets(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").seq(1).ack(1).data(b"never read"));
    script.wait(SECOND);
    script.drain();
    script.close();
    let answer = script.drain().pop().expect("an answer");
    script.expect_that("it is a reset", answer.flags.contains(Flags::RST));
    script.expect_eq("its number", answer.seq, Some(1));
    script.expect_connections(&[]);
}

fn text_that_comes_after_the_close_is_reset(script: &mut Script) {
    script.accept_one(80);
    script.close();
    script.expect(seg("FA").seq(1).ack(1));
    script.inject(seg("A").seq(1).ack(2));
    script.expect_connections(&[State::FinWait2]);
    script.inject(seg("PA").seq(1).ack(2).data(b"too late"));
    let answer = script.drain().pop().expect("an answer");
    script.expect_that("it is a reset", answer.flags.contains(Flags::RST));
    script.expect_connections(&[]);
}

fn a_fin_that_nobody_acknowledges_ends_after_the_user_timeout(script: &mut Script) {
    reach(script, State::LastAck);
    script.wait(60 * MINUTE);
    let again = script.drain().len();
    script.expect_that(&format!("it was sent again {again} times"), again > 2);
    script.expect_state(State::Closed);
    script.expect_error(Some(SocketError::TimedOut));
}

fn fin_wait_2_without_a_user_does_not_last_for_ever(script: &mut Script) {
    script.accept_one(80);
    script.close();
    script.expect(seg("FA").seq(1).ack(1));
    script.inject(seg("A").seq(1).ack(2));
    script.expect_connections(&[State::FinWait2]);
    script.wait(10 * MINUTE);
    script.expect_connections(&[]);
}

fn a_window_that_is_shut_keeps_no_fin_of_ours_back_for_ever(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("A").seq(1).ack(1).win(0));
    script.send(b"waits");
    script.close();
    script.wait(10 * SECOND);
    script.drain();
    script.inject(seg("A").seq(1).ack(1).win(1000));
    script.wait(10 * SECOND);
    let sent = script.drain();
    let fins = sent.iter().filter(|segment| segment.flags.contains(Flags::FIN)).count();
    script.expect_that("text and FIN were sent when it opened", fins > 0);
}
