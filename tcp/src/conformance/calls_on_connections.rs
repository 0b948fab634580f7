//! SEND, RECEIVE, CLOSE, ABORT and STATUS in each state: RFC 9293 §3.10.2 to §3.10.6.

use std::time::Duration;

use ip::{Readiness, SocketError};
use netdev::cases;

use super::states::reach;
use super::{MINUTE, Make, SECOND};
use crate::testing::{Script, seg};
use crate::{Flags, ReceiveFlags, Setting, Shutdown, State};

cases! { ($) calls_on_connections_cases: Make, Script;
    Must 1 "RFC 9293 §3.10.2" a_send_without_a_connection_is_an_error
        "CLOSED STATE: … return \"error: connection does not exist\".";
    Must 2 "RFC 9293 §3.10.2" a_send_before_the_handshake_is_over_goes_after_it
        "SYN-SENT STATE: Queue the data for transmission after entering ESTABLISHED state. If no \
         space to queue, respond with \"error: insufficient resources\".";
    Must 1 "RFC 9293 §3.10.2" a_send_after_the_fin_is_an_error
        "FIN-WAIT-1 STATE …: Return \"error: connection closing\" and do not service request.";
    Must 1 "RFC 9293 §3.10.2" a_send_in_last_ack_is_an_error
        "LAST-ACK STATE: Return \"error: connection closing\" and do not service request.";
    Must 2 "RFC 9293 §3.10.2" a_send_without_room_takes_what_fits
        "If there is insufficient space to remember this buffer, simply return \"error: \
         insufficient resources\".";
    Must 1 "RFC 9293 §3.10.3" a_receive_without_a_connection_is_an_error
        "CLOSED STATE: … return \"error: connection does not exist\".";
    Must 1 "RFC 9293 §3.10.3" a_receive_waits_where_there_is_nothing
        "If insufficient incoming segments are queued to satisfy the request, queue the request.";
    Must 2 "RFC 9293 §3.10.3" a_receive_in_close_wait_gives_what_is_left_then_the_end
        "RECEIVEs must be satisfied by data already on hand …. If no text is awaiting delivery, \
         the RECEIVE will get an \"error: connection closing\" response.";
    Ours 2 "RFC 9293 §3.10.3" a_receive_gives_no_more_than_it_was_asked_for
        "Reassemble queued incoming segments into receive buffer and return to user.";
    Ours 1 "RFC 9293 §3.10.3" a_peek_leaves_the_bytes_where_they_are
        "MSG_PEEK: the next call gives the same bytes.";
    Must 1 "RFC 9293 §3.10.4" a_close_in_syn_sent_leaves_nothing
        "SYN-SENT STATE: Delete the TCB and return \"error: closing\" responses to any queued \
         SENDs, or RECEIVEs.";
    Must 1 "RFC 9293 §3.10.4" a_close_of_a_listener_leaves_nothing
        "LISTEN STATE: … Delete TCB, enter CLOSED state, and return.";
    Must 2 "RFC 9293 §3.10.4" a_second_close_sends_no_second_fin
        "An \"ok\" response would be acceptable, too, as long as a second FIN is not emitted.";
    Must 2 "RFC 9293 §3.10.5" an_abort_sends_a_reset
        "Send a reset segment: <SEQ=SND.NXT><CTL=RST>. … all segments queued for transmission … \
         or retransmission should be flushed. Delete the TCB, enter CLOSED state, and return.";
    Must 1 "RFC 9293 §3.10.5" an_abort_in_syn_sent_sends_nothing
        "SYN-SENT STATE: … Delete the TCB, enter CLOSED state, and return.";
    Should 1 "RFC 9293 §3.10.6" the_status_is_told_in_each_state
        "Return \"state = LISTEN\" and the TCB pointer. … Return \"state = SYN-SENT\" …";
    Should 2 "RFC 9293 §3.9.1.5" the_status_has_the_variables
        "Local socket, remote socket, … receive window, send window, connection state, number of \
         buffers awaiting acknowledgment, number of buffers pending receipt.";
    Must 2 "RFC 9293 §3.6 (MUST-12)" the_end_of_the_stream_wakes_the_reader
        "The TCP implementation will signal a user, even if no RECEIVEs are outstanding, that the \
         remote peer has closed, so the user can terminate their side gracefully.";
    Ours 2 "RFC 9293 §3.10.1" the_end_of_an_attempt_wakes_who_connects
        "Readiness tells when a connect has succeeded or failed.";
}

fn a_send_without_a_connection_is_an_error(script: &mut Script) {
    let socket = script.act("open", |host| host.open());
    let sent = script.act("send", |host| host.send(socket, b"x"));
    let refused = sent.is_err_and(|error| error != SocketError::WouldBlock);
    script.expect_that("the send is refused", refused);
    let listener = script.listen(8);
    let sent = script.act("send on a listener", |host| host.send(listener, b"x"));
    let refused = sent.is_err_and(|error| error != SocketError::WouldBlock);
    script.expect_that("the send is refused", refused);
    script.expect_nothing();
}

fn a_send_before_the_handshake_is_over_goes_after_it(script: &mut Script) {
    script.connect();
    let socket = script.current();
    let early = script.act("send", |host| host.send(socket, b"early"));
    script.expect_nothing();
    script.inject(seg("SA").seq(0).ack(1).mss(1460));
    match early {
        Ok(_) => {}
        Err(SocketError::WouldBlock) => {
            // There was no space to queue it; there is now.
            script.send(b"early");
        }
        Err(error) => script.expect_eq("a send", Err(error), Ok(5)),
    }
    script.wait(SECOND);
    let sent = script.drain();
    let data = sent.iter().find(|segment| segment.payload_len() > 0);
    let data = data.map(|segment| (segment.seq, segment.payload().to_vec()));
    script.expect_eq("what is sent", data, Some((Some(1), b"early".to_vec())));
}

fn expect_closing(script: &mut Script, state: State) {
    reach(script, state);
    let socket = script.current();
    let sent = script.act("send", |host| host.send(socket, b"x"));
    script.expect_eq("a send", sent, Err(SocketError::BrokenPipe));
    script.expect_nothing();
    script.expect_state(state);
}

fn a_send_after_the_fin_is_an_error(script: &mut Script) {
    expect_closing(script, State::FinWait1);
}

fn a_send_in_last_ack_is_an_error(script: &mut Script) {
    expect_closing(script, State::LastAck);
}

fn a_send_without_room_takes_what_fits(script: &mut Script) {
    script.accept_one(80);
    let socket = script.current();
    let mut taken = 0;
    let full = loop {
        match script.act("send 10000", |host| host.send(socket, &[7; 10_000])) {
            Ok(bytes) => taken += bytes,
            Err(error) => break error,
        }
        assert!(taken < 1 << 27, "a send buffer that never ends");
    };
    script.expect_eq("a send into a full buffer", full, SocketError::WouldBlock);
    let writable = script.host.readiness(socket).contains(Readiness::WRITABLE);
    script.expect_that("it is not writable", !writable);
    script.host.take_woken();
    for _ in 0..10_000 {
        if script.host.readiness(socket).contains(Readiness::WRITABLE) {
            break;
        }
        script.drain();
        script.inject(seg("A").seq(1));
    }
    let woken = script.host.take_woken().contains(&socket);
    script.expect_that("whoever waits for room is woken", woken);
    let sent = script.act("send 1", |host| host.send(socket, b"x"));
    script.expect_eq("a send when there is room", sent, Ok(1));
}

fn a_receive_without_a_connection_is_an_error(script: &mut Script) {
    let socket = script.act("open", |host| host.open());
    let received = script.act("receive", |host| host.receive(socket, 1));
    script.expect_eq("a receive", received, Err(SocketError::NotConnected));
}

fn a_receive_waits_where_there_is_nothing(script: &mut Script) {
    script.accept_one(80);
    script.expect_receive_error(SocketError::WouldBlock);
    script.inject(seg("PA").seq(1).ack(1).data(b"x"));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"x");
    script.expect_receive_error(SocketError::WouldBlock);
}

fn a_receive_in_close_wait_gives_what_is_left_then_the_end(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").seq(1).ack(1).data(b"left over"));
    script.inject(seg("FA").seq(10).ack(1));
    script.expect_state(State::CloseWait);
    let socket = script.current();
    let received = script.act("receive", |host| host.receive(socket, 100));
    script.expect_eq("the bytes", received, Ok(b"left over".to_vec()));
    script.expect_end();
}

fn a_receive_gives_no_more_than_it_was_asked_for(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").seq(1).ack(1).data(b"abcdef"));
    let socket = script.current();
    for expected in [&b"abcd"[..], b"ef"] {
        let received = script.act("receive 4", |host| host.receive(socket, 4));
        script.expect_eq("the bytes", received, Ok(expected.to_vec()));
    }
}

fn a_peek_leaves_the_bytes_where_they_are(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").seq(1).ack(1).data(b"look"));
    let socket = script.current();
    let mut buffer = [0; 10];
    for _ in 0..2 {
        let peeked = script.act("peek", |host| {
            host.call(|tcp, now, out| {
                tcp.receive(now, socket, &mut buffer, ReceiveFlags::PEEK, out)
            })
        });
        script.expect_eq("a peek", peeked, Ok(4));
        script.expect_eq("the bytes", &buffer[..4], b"look");
    }
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"look");
}

fn a_close_in_syn_sent_leaves_nothing(script: &mut Script) {
    script.connect();
    script.close();
    script.expect_connections(&[]);
    script.expect_quiet(10 * MINUTE);
    script.inject(seg("SA").seq(0).ack(1).mss(1460));
    script.expect(seg("R").seq(1));
}

fn a_close_of_a_listener_leaves_nothing(script: &mut Script) {
    let listener = script.listen(8);
    script.act("close", |host| host.close(listener));
    script.expect_nothing();
    let sockets = script.host.tcp.sockets(script.now()).len();
    script.expect_eq("sockets", sockets, 0);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("RA").ack(1));
}

fn a_second_close_sends_no_second_fin(script: &mut Script) {
    reach(script, State::FinWait2);
    script.shutdown(Shutdown::Write);
    script.expect_nothing();
    script.expect_state(State::FinWait2);
    script.close();
    script.expect_nothing();
    script.expect_connections(&[State::FinWait2]);
}

fn abort(script: &mut Script) {
    let socket = script.current();
    let result = script.act("abort: linger of zero, close", |host| {
        host.set(socket, Setting::Linger(Some(Duration::ZERO)))?;
        host.close(socket);
        Ok(())
    });
    script.expect_eq("an abort", result, Ok::<(), SocketError>(()));
}

fn an_abort_sends_a_reset(script: &mut Script) {
    script.accept_one(80);
    script.send(b"lost");
    script.drain();
    abort(script);
    let reset = script.drain().pop();
    let reset = reset.map(|reset| (reset.flags.contains(Flags::RST), reset.seq));
    script.expect_eq("a reset, and its number", reset, Some((true, Some(5))));
    script.expect_connections(&[]);
    script.expect_quiet(10 * MINUTE);
}

fn an_abort_in_syn_sent_sends_nothing(script: &mut Script) {
    script.connect();
    abort(script);
    script.expect_nothing();
    script.expect_connections(&[]);
    script.expect_quiet(10 * MINUTE);
}

fn the_status_is_told_in_each_state(script: &mut Script) {
    let socket = script.act("open", |host| host.open());
    script.expect_eq("a fresh socket", script.host.state(socket), State::Closed);
    script.port = 90;
    let listener = script.listen(8);
    script.expect_eq("a listener", script.host.state(listener), State::Listen);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.expect_connections(&[State::SynReceived]);
    script.inject(seg("R").seq(1));
    script.connect();
    script.expect_state(State::SynSent);
}

fn the_status_has_the_variables(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").seq(1).ack(1).win(5000).data(b"12345"));
    script.send(b"123");
    script.drain();
    let info = script.info().expect("a connection");
    script.expect_eq("both ends", (info.local, info.peer), (script.local(), script.peer));
    script.expect_eq("its socket", info.handle, script.socket);
    let queues = (info.receive_queue, info.send_queue);
    script.expect_eq("bytes to be read, and to be acknowledged", queues, (5, 3));
    let una = info.snd_una.wrapping_sub(script.isn());
    let nxt = info.snd_nxt.wrapping_sub(script.isn());
    script.expect_eq("SND.UNA and SND.NXT", (una, nxt), (1, 4));
    script.expect_eq("RCV.NXT", info.rcv_nxt.wrapping_sub(script.peer_isn), 6);
    script.expect_eq("SND.WND", info.snd_wnd, 5000);
    script.expect_that("the retransmission timer runs", info.timer.is_some());
}

fn the_end_of_the_stream_wakes_the_reader(script: &mut Script) {
    script.accept_one(80);
    let socket = script.current();
    script.host.take_woken();
    script.inject(seg("FA").seq(1).ack(1));
    let woken = script.host.take_woken().contains(&socket);
    script.expect_that("whoever waits for the socket is woken", woken);
    let ready = script.host.readiness(socket);
    let end = Readiness::READABLE | Readiness::READ_CLOSED;
    script.expect_that(&format!("{ready:?} has {end:?}"), ready.contains(end));
}

fn the_end_of_an_attempt_wakes_who_connects(script: &mut Script) {
    script.connect();
    let socket = script.current();
    let both = Readiness::READABLE | Readiness::WRITABLE;
    let early = script.host.readiness(socket).intersects(both);
    script.expect_that("it is not ready while it connects", !early);
    script.host.take_woken();
    script.inject(seg("SA").seq(0).ack(1).mss(1460));
    let woken = script.host.take_woken().contains(&socket);
    script.expect_that("whoever waits for the socket is woken", woken);
    script.expect_eq("its readiness", script.host.readiness(socket), Readiness::WRITABLE);
    script.drain();
    script.peer.set_port(5001);
    script.connect();
    let socket = script.current();
    script.host.take_woken();
    script.inject(seg("RA").seq(0).ack(1));
    let woken = script.host.take_woken().contains(&socket);
    script.expect_that("whoever waits for a connection that fails is woken", woken);
    let writable = script.host.readiness(socket).contains(Readiness::WRITABLE);
    script.expect_that("it is writable, so that its error is asked for", writable);
}
