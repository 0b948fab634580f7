//! Urgent data that is received: RFC 9293 §3.8.5 and §3.10.7.4 sixth, RFC 6093.

use ip::Readiness;
use netdev::cases;

use super::Make;
use super::segment_checks::fill_the_window;
use crate::State;
use crate::testing::{Script, pattern, seg};

cases! { ($) urgent_cases: Make, Script;
    Must 2 "RFC 9293 §3.8.5 (MUST-32)" an_urgent_pointer_is_told
        "A TCP implementation MUST inform the application layer asynchronously whenever it \
         receives an urgent pointer and there was previously no pending urgent data.";
    Must 2 "RFC 9293 §3.8.5 (MUST-32)" an_urgent_pointer_that_moves_on_is_told_again
        "… or whenever the urgent pointer advances in the data stream.";
    Must 3 "RFC 9293 §3.8.5 (MUST-31)" urgent_data_may_be_longer_than_a_segment
        "A TCP implementation MUST support a sequence of urgent data of any length.";
    Must 3 "RFC 9293 §3.8.5 (MUST-33, MUST-62)" how_much_urgent_data_is_left_is_told
        "Provide a way for the application to learn how much urgent data remains to be read from \
         the connection. The urgent pointer MUST point to … the octet following the urgent data.";
    Should 2 "RFC 6093 §3.1" urgent_data_stays_in_its_place_of_the_stream
        "The urgent mechanism does not take bytes out of the stream: they are delivered in line.";
    Must 3 "RFC 9293 §3.4 (MUST-66)" with_the_window_shut_an_urgent_pointer_counts
        "A TCP receiver MUST process the RST and URG fields of all incoming segments, even when \
         the receive window is zero.";
    Must 1 "RFC 9293 §3.1" without_the_urg_bit_the_pointer_means_nothing
        "This field is only to be interpreted in segments with the URG control bit set.";
    Must 2 "RFC 9293 §3.10.7.4, sixth" an_urgent_pointer_behind_the_fin_is_ignored
        "CLOSE-WAIT STATE: This should not occur since a FIN has been received from the remote \
         side. Ignore the URG.";
    Must 2 "RFC 9293 §3.8.5" an_urgent_pointer_into_the_past_does_no_harm
        "The urgent pointer cannot \"recede\" in the sequence space, but a TCP receiver should be \
         robust to invalid urgent pointer values.";
}

fn is_urgent(script: &Script) -> bool {
    script.host.readiness(script.current()).contains(Readiness::URGENT)
}

fn an_urgent_pointer_is_told(script: &mut Script) {
    script.accept_one(80);
    let socket = script.current();
    script.expect_that("nothing is urgent yet", !is_urgent(script));
    script.host.take_woken();
    script.inject(seg("UA").seq(1).ack(1).urgent(3000).data(&pattern(0, 1000)));
    script.expect_that("it is, though most of it has not come yet", is_urgent(script));
    let woken = script.host.take_woken().contains(&socket);
    script.expect_that("whoever waits for the socket is woken", woken);
}

fn an_urgent_pointer_that_moves_on_is_told_again(script: &mut Script) {
    script.accept_one(80);
    let socket = script.current();
    script.inject(seg("UA").seq(1).ack(1).urgent(1000).data(&pattern(0, 500)));
    script.receive();
    script.host.take_woken();
    script.inject(seg("UA").seq(501).ack(1).urgent(1000).data(&pattern(500, 500)));
    let woken = script.host.take_woken().contains(&socket);
    script.expect_that("whoever waits for the socket is woken", woken);
    script.expect_that("there is more that is urgent", is_urgent(script));
}

fn urgent_data_may_be_longer_than_a_segment(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("UA").seq(1).ack(1).urgent(5000).data(&pattern(0, 1000)));
    for at in 1..5 {
        script.expect_that("some of it is yet to come", is_urgent(script));
        script.inject(seg("A").seq(1 + at * 1000).ack(1).data(&pattern(at as usize * 1000, 1000)));
    }
    let socket = script.current();
    let mut received = Vec::new();
    for _ in 0..8 {
        script.expect_that("some of it is yet to be read", is_urgent(script));
        let some = script.act("receive 999", |host| host.receive(socket, 999)).expect("bytes");
        received.extend(some);
        if received.len() == 5000 {
            break;
        }
    }
    script.expect_that("all is read", !is_urgent(script));
    script.expect_that("the bytes are in order", received == pattern(0, 5000));
}

fn how_much_urgent_data_is_left_is_told(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("UA").seq(1).ack(1).urgent(4).data(b"abcdefgh"));
    let left = |script: &Script| script.info().and_then(|info| info.urgent);
    script.expect_eq("bytes before the urgent one", left(script), Some(3));
    let socket = script.current();
    let some = script.act("receive 2", |host| host.receive(socket, 2));
    script.expect_eq("the bytes", some, Ok(b"ab".to_vec()));
    script.expect_eq("bytes before the urgent one", left(script), Some(1));
}

fn urgent_data_stays_in_its_place_of_the_stream(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("UA").seq(1).ack(1).urgent(4).data(b"abcdefgh"));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"abcdefgh");
}

fn with_the_window_shut_an_urgent_pointer_counts(script: &mut Script) {
    script.accept_one(80);
    let all = fill_the_window(script, 0);
    script.expect_that("nothing is urgent yet", !is_urgent(script));
    script.inject(seg("UA").seq(1 + all).ack(1).urgent(1).data(b"!"));
    script.expect_that("it is now", is_urgent(script));
    let received = script.receive();
    script.expect_eq("bytes read", received.len(), all as usize);
}

fn without_the_urg_bit_the_pointer_means_nothing(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").seq(1).ack(1).urgent(3).data(b"abcdefgh"));
    script.expect_that("nothing is urgent", !is_urgent(script));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"abcdefgh");
}

fn an_urgent_pointer_behind_the_fin_is_ignored(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("FA").seq(1).ack(1));
    script.expect_state(State::CloseWait);
    script.inject(seg("UA").seq(2).ack(1).urgent(100));
    script.expect_that("nothing is urgent", !is_urgent(script));
    script.expect_state(State::CloseWait);
    script.expect_end();
}

fn an_urgent_pointer_into_the_past_does_no_harm(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").seq(1).ack(1).data(b"abcd"));
    let before = script.receive();
    script.expect_eq("the bytes", &before[..], b"abcd");
    // A retransmission, whose pointer is of what was read long ago.
    script.inject(seg("UA").seq(1).ack(1).urgent(2).data(b"abcd"));
    script.inject(seg("UA").seq(5).ack(1).urgent(0).data(b"efgh"));
    let after = script.receive();
    script.expect_eq("the bytes", &after[..], b"efgh");
    script.expect_that("nothing is urgent", !is_urgent(script));
}
