//! Connections end: shutdown, close, resets, and peers that vanish.

use std::time::Duration;

use ip::{Readiness, SocketError};
use netdev::cases;
use tcp::{KeepAlive, Shutdown};

use super::bench::Bench;
use super::{Make, SECOND, Setting};

cases! { ($) closing_cases: Make, Bench;
    Must 2 "RFC 9293 §3.6" a_close_is_the_end_for_the_other_side
        "CLOSE is an operation meaning \"I have no more data to send.\"";
    Must 2 "RFC 9293 §3.6" what_was_sent_comes_before_the_end
        "The FIN has the last sequence number: all that was taken is delivered, then the end.";
    Must 1 "POSIX recv()" the_end_stays_the_end
        "0 where no messages are available and the peer has shut down, as often as it is asked.";
    Must 3 "RFC 9293 §3.6" a_half_closed_connection_still_receives
        "\"The user who CLOSEs may continue to RECEIVE until the TCP receiver is told that the \
         remote peer has CLOSED also.\"";
    Must 2 "POSIX send()" after_the_shutdown_of_sending_the_pipe_is_broken
        "EPIPE: the socket is shut down for writing.";
    Must 2 "POSIX shutdown()" after_the_shutdown_of_receiving_there_is_the_end
        "SHUT_RD disables further receive operations.";
    Must 1 "POSIX shutdown()" only_a_connection_is_shut_down
        "ENOTCONN: the socket is not connected.";
    Should 3 "RFC 9293 §3.6.1" closing_with_unread_bytes_resets
        "\"… its TCP implementation SHOULD send a RST to show that data was lost (SHLD-3).\"";
    Must 3 "RFC 9293 §3.9.1.6" a_linger_of_zero_aborts
        "\"… the TCB to be removed, and a special RST message to be sent to the remote TCP peer …\"";
    Must 2 "POSIX setsockopt(), SO_LINGER" a_linger_of_seconds_loses_nothing
        "What is unsent at close is still transmitted.";
    Must 2 "RFC 9293 §3.10.7.4, second" a_reset_is_told_to_who_receives
        "\"Users should also receive an unsolicited general\" signal that the connection was reset.";
    Must 2 "POSIX getsockopt(), SO_ERROR" an_error_is_told_once
        "Whichever call gives the error clears it.";
    Must 2 "POSIX send()" after_a_reset_the_pipe_is_broken
        "EPIPE: the socket is no longer connected; the reset itself was told already.";
    Ours 2 "RFC 9293 §3.10.7.4, second" what_came_before_a_reset_is_read_first
        "What was received in order can still be read, then the error comes.";
    Must 4 "RFC 9293 §3.8.3 (MUST-20)" a_peer_that_vanishes_is_given_up
        "When the number of transmissions reaches R2, close the connection: ETIMEDOUT.";
    Must 3 "RFC 9293 §3.9.1.1" a_user_timeout_ends_a_connection_sooner
        "\"If data is not successfully delivered to the destination within the timeout period, the \
         TCP endpoint will abort the connection.\"";
    May 3 "RFC 9293 §3.8.4" a_keepalive_finds_out_that_the_peer_is_gone
        "An idle connection is probed, and given up after so many probes without an answer.";
    May 2 "RFC 9293 §3.8.4" a_keepalive_lets_a_peer_live_that_answers
        "What answers is there.";
    Must 1 "POSIX close()" a_closed_socket_is_none
        "EBADF: not an open file descriptor.";
}

fn a_close_is_the_end_for_the_other_side(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.close(client);
    bench.expect_end(server);
}

fn what_was_sent_comes_before_the_end(bench: &mut Bench) {
    let (client, server) = bench.connection();
    let last = vec![b'x'; 20_000];
    bench.send_well(client, &last);
    bench.close(client);
    bench.expect_data(server, &last);
    bench.expect_end(server);
}

fn the_end_stays_the_end(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.close(client);
    for _ in 0..3 {
        bench.expect_end(server);
    }
}

fn a_half_closed_connection_still_receives(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.send_well(client, b"that was all");
    let shut = bench.shutdown(client, Shutdown::Write);
    bench.ok("a shutdown", shut);
    bench.expect_data(server, b"that was all");
    bench.expect_end(server);
    bench.send_well(server, b"the answer");
    bench.expect_data(client, b"the answer");
    bench.close(server);
    bench.expect_end(client);
}

fn after_the_shutdown_of_sending_the_pipe_is_broken(bench: &mut Bench) {
    let (client, _server) = bench.connection();
    let shut = bench.shutdown(client, Shutdown::Write);
    bench.ok("a shutdown", shut);
    let sent = bench.send(client, b"more");
    bench.expect_error(sent, SocketError::BrokenPipe);
}

fn after_the_shutdown_of_receiving_there_is_the_end(bench: &mut Bench) {
    let (client, server) = bench.connection();
    let shut = bench.shutdown(client, Shutdown::Read);
    bench.ok("a shutdown", shut);
    bench.expect_end(client);
    // The other direction is not concerned.
    bench.send_well(client, b"I can speak");
    bench.expect_data(server, b"I can speak");
}

fn only_a_connection_is_shut_down(bench: &mut Bench) {
    let fresh = bench.stream();
    let shut = bench.shutdown(fresh, Shutdown::Both);
    bench.expect_error(shut, SocketError::NotConnected);
}

fn closing_with_unread_bytes_resets(bench: &mut Bench) {
    let client = bench.reset_connection();
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::Reset));
}

fn a_linger_of_zero_aborts(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.set_well(client, Setting::Linger(Some(Duration::ZERO)));
    bench.close(client);
    bench.wait(server, Readiness::ERROR);
    let error = bench.take_error(server);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::Reset));
}

fn a_linger_of_seconds_loses_nothing(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.set_well(client, Setting::Linger(Some(5 * SECOND)));
    bench.send_well(client, b"to the last byte");
    bench.close(client);
    bench.expect_data(server, b"to the last byte");
    bench.expect_end(server);
}

fn a_reset_is_told_to_who_receives(bench: &mut Bench) {
    let client = bench.reset_connection();
    let got = bench.receive(client, 100);
    bench.expect_error(got, SocketError::Reset);
}

fn an_error_is_told_once(bench: &mut Bench) {
    let client = bench.reset_connection();
    let got = bench.receive(client, 100);
    bench.expect_error(got, SocketError::Reset);
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR after it was told", error, None);
    bench.expect_end(client);
}

fn after_a_reset_the_pipe_is_broken(bench: &mut Bench) {
    let client = bench.reset_connection();
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::Reset));
    let sent = bench.send(client, b"anybody?");
    bench.expect_error(sent, SocketError::BrokenPipe);
}

fn what_came_before_a_reset_is_read_first(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.send_well(server, b"last words");
    bench.wait(client, Readiness::READABLE);
    bench.set_well(server, Setting::Linger(Some(Duration::ZERO)));
    bench.close(server);
    bench.wait(client, Readiness::ERROR);
    bench.expect_data(client, b"last words");
    let got = bench.receive(client, 100);
    bench.expect_error(got, SocketError::Reset);
}

fn a_peer_that_vanishes_is_given_up(bench: &mut Bench) {
    let (client, _server) = bench.connection();
    bench.lose(true);
    bench.send_well(client, b"hello?");
    bench.wait_at_most(client, Readiness::ERROR, 3600 * SECOND);
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::TimedOut));
}

fn a_user_timeout_ends_a_connection_sooner(bench: &mut Bench) {
    let (client, _server) = bench.connection();
    bench.set_well(client, Setting::UserTimeout(Some(10 * SECOND)));
    bench.lose(true);
    bench.send_well(client, b"hello?");
    bench.pass(9 * SECOND);
    bench.expect_not_ready(client, Readiness::ERROR);
    bench.wait_at_most(client, Readiness::ERROR, 20 * SECOND);
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::TimedOut));
}

/// Ten seconds, then three probes.
const IMPATIENT: KeepAlive =
    KeepAlive { idle: Duration::from_secs(10), interval: SECOND, count: 3 };

fn a_keepalive_finds_out_that_the_peer_is_gone(bench: &mut Bench) {
    let (client, _server) = bench.connection();
    bench.set_well(client, Setting::KeepAlive(Some(IMPATIENT)));
    bench.lose(true);
    bench.pass(10 * SECOND);
    bench.expect_not_ready(client, Readiness::ERROR);
    bench.wait_at_most(client, Readiness::ERROR, 6 * SECOND);
    let error = bench.take_error(client);
    bench.expect_eq("SO_ERROR", error, Some(SocketError::TimedOut));
}

fn a_keepalive_lets_a_peer_live_that_answers(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.set_well(client, Setting::KeepAlive(Some(IMPATIENT)));
    bench.pass(300 * SECOND);
    bench.send_well(client, b"still there");
    bench.expect_data(server, b"still there");
}

fn a_closed_socket_is_none(bench: &mut Bench) {
    let (client, _server) = bench.connection();
    bench.close(client);
    let sent = bench.send(client, b"who?");
    bench.expect_error(sent, SocketError::BadHandle);
}
