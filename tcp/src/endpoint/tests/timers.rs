//! Retransmission, persist, delayed ACK, keep-alive and the user timeout (RFC 6298,
//! RFC 9293 §3.8).

use super::*;
use crate::KeepAlive;
use ip::SocketError;

/// RFC 6298 (2.1), (5.5): 1 s, doubled; RFC 9293 §3.8.3: up to the limit.
#[test]
fn r12_a_syn_is_sent_again_after_1_3_7_seconds_and_so_on() {
    let mut script = script(Config::default());
    script.connect();
    for at in [1, 3, 7, 15, 31] {
        script.expect_within(100 * SECOND, seg("S").seq(0));
        assert_eq!(script.now().millis(), at * 1000);
    }
    script.expect_quiet(32 * SECOND);
    script.expect_state(State::Closed);
    assert_eq!(script.host.take_error(script.current()), Some(SocketError::TimedOut));
    assert_eq!(script.now().millis(), 63_000);
}

#[test]
fn r12_a_syn_ack_is_sent_again_and_given_up() {
    let mut script = script(Config::default());
    script.host.listen(80, 5);
    script.inject(seg("S").seq(0).mss(1460));
    for at in [0, 1, 3, 7, 15, 31] {
        script.expect_within(100 * SECOND, seg("SA").seq(0).ack(1));
        assert_eq!(script.now().millis(), at * 1000);
    }
    script.expect_quiet(1000 * SECOND);
    assert!(script.info().is_none_or(|info| info.state == State::Listen));
    assert_eq!(script.host.tcp.poll_at(), None, "nothing is left to wait for");
}

/// RFC 6298 (5.4) to (5.6), and §3.8.3: R2.
#[test]
fn data_is_sent_again_fifteen_times() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.send(b"anybody?");
    script.expect(seg("PA").data(b"anybody?"));
    let mut waits = Vec::new();
    for _ in 0..15 {
        let before = script.now();
        script.expect_within(200 * SECOND, seg("PA").seq(1).data(b"anybody?"));
        waits.push(script.now() - before);
    }
    // The handshake took no time, so the first wait is the floor.
    assert_eq!(waits[..4], [200 * MS, 400 * MS, 800 * MS, 1600 * MS]);
    assert_eq!(waits[14], 120 * SECOND, "the ceiling");
    script.expect_quiet(121 * SECOND);
    script.expect_receive_error(SocketError::TimedOut);
}

/// RFC 9293 §3.9.1.1, TCP_USER_TIMEOUT.
#[test]
fn the_user_timeout_ends_a_connection_sooner() {
    let mut script = script(Config::default());
    script.accept_one(80);
    let socket = script.current();
    script.host.set(socket, Setting::UserTimeout(Some(5 * SECOND))).unwrap();
    script.send(b"anybody?");
    script.wait(4999 * MS);
    script.expect_state(State::Established);
    script.wait(2 * MS);
    script.expect_state(State::Closed);
    script.expect_receive_error(SocketError::TimedOut);
}

/// RFC 9293 §3.8.6.1 (SHLD-29, SHLD-30, MUST-37).
#[test]
fn a_closed_window_is_probed_at_growing_intervals() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.inject(seg("A").win(0));
    script.send(b"patience");
    script.expect_nothing();
    let mut waits = Vec::new();
    for _ in 0..40 {
        let before = script.now();
        script.expect_within(200 * SECOND, seg("A").seq(0).ack(1));
        waits.push(script.now() - before);
        script.inject(seg("A").ack(1).win(0));
        script.expect_nothing();
    }
    assert_eq!(waits[..3], [200 * MS, 400 * MS, 800 * MS]);
    assert_eq!(waits[39], 120 * SECOND);
    script.inject(seg("A").ack(1).win(100));
    script.expect(seg("PA").seq(1).data(b"patience"));
}

/// MUST-37's other side: without an answer, probes end as retransmissions do.
#[test]
fn a_closed_window_without_answers_is_given_up() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.inject(seg("A").win(0));
    script.send(b"patience");
    script.wait(3600 * SECOND);
    assert_eq!(script.drain().len(), 15);
    script.expect_receive_error(SocketError::TimedOut);
}

/// RFC 9293 §3.8.6 (MUST-34): a peer that takes its window back drops what lies beyond it, so
/// acknowledgments come from before its edge.
#[test]
fn acknowledgments_stay_within_a_window_that_shrank() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.send(&[1; 1000]);
    script.expect(seg("PA").seq(1).len(1000));
    script.inject(seg("A").ack(1).win(300));
    script.inject(seg("A").ack(1).win(300).len(100));
    script.expect(seg("A").seq(301).ack(101));
    script.inject(seg("A").ack(1001).len(100));
    script.expect(seg("A").seq(1001).ack(201));
}

/// RFC 6928 §2: one segment where the SYN was lost more than once.
#[test]
fn the_initial_window_is_one_segment_after_two_lost_syns() {
    for (lost, segments) in [(0, 10), (1, 10), (2, 1)] {
        let mut script = script(Config::default());
        script.connect();
        for _ in 0..lost {
            script.expect_within(2 * SECOND, seg("S"));
        }
        script.inject(seg("SA").seq(0).ack(1).mss(1460));
        let info = script.info().expect("a connection");
        assert_eq!((info.state, info.cwnd), (State::Established, segments), "{lost} lost");
    }
}

/// RFC 9293 §3.8.4 (MUST-24 to MUST-28).
#[test]
fn an_idle_connection_is_kept_alive_only_if_asked() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.expect_quiet(100_000 * SECOND);
    let keep_alive = KeepAlive { idle: 60 * SECOND, interval: 5 * SECOND, count: 3 };
    let socket = script.current();
    script.host.set(socket, Setting::KeepAlive(Some(keep_alive))).unwrap();
    script.expect_quiet(59 * SECOND);
    script.expect_within(SECOND, seg("A").seq(0).ack(1));
    script.inject(seg("A"));
    script.expect_quiet(59 * SECOND);
    for _ in 0..3 {
        script.expect_within(5 * SECOND, seg("A").seq(0).ack(1));
    }
    script.expect_within(5 * SECOND, seg("RA").seq(1));
    script.expect_receive_error(SocketError::TimedOut);
}

/// RFC 9293 §3.8.4, §3.10.7.4: a peer that asks whether this side is alive is told each time,
/// whatever else is told within limits only.
#[test]
fn a_keep_alive_probe_is_always_answered() {
    let mut script = script(Config::default());
    script.accept_one(80);
    for _ in 0..5 {
        script.inject(seg("A").seq(0));
        script.expect(seg("A").seq(1).ack(1));
    }
}

/// With no time between them, probes that data in flight puts off are due again at once, and the
/// stack never came to rest.
#[test]
fn keep_alive_times_of_zero_are_refused() {
    let mut script = script(Config::default());
    script.accept_one(80);
    let socket = script.current();
    let least = KeepAlive { idle: SECOND, interval: SECOND, count: 1 };
    for times in [
        KeepAlive { idle: Duration::ZERO, ..least },
        KeepAlive { interval: Duration::ZERO, ..least },
        KeepAlive { idle: 999 * MS, ..least },
        KeepAlive { interval: 999 * MS, ..least },
        KeepAlive { count: 0, ..least },
    ] {
        let refused = script.host.set(socket, Setting::KeepAlive(Some(times)));
        assert_eq!(refused, Err(SocketError::Invalid), "{times:?}");
    }
    script.host.set(socket, Setting::KeepAlive(Some(least))).unwrap();
    script.send(b"x");
    script.expect(seg("PA").seq(1).data(b"x"));
    script.wait(10 * SECOND);
    assert_eq!(script.host.counter("keep-alive probes sent"), 0, "what is in flight asks already");
}

/// RFC 5482 §4.2: with a user timeout, keep-alive ends a connection by that.
#[test]
fn the_user_timeout_takes_the_place_of_the_keep_alive_count() {
    let mut script = script(Config::default());
    script.accept_one(80);
    let keep_alive = KeepAlive { idle: 10 * SECOND, interval: 5 * SECOND, count: 1 };
    let socket = script.current();
    script.host.set(socket, Setting::UserTimeout(Some(22 * SECOND))).unwrap();
    script.host.set(socket, Setting::KeepAlive(Some(keep_alive))).unwrap();
    script.expect_quiet(9999 * MS);
    for _ in 0..3 {
        script.expect_within(5 * SECOND, seg("A").seq(0).ack(1));
    }
    script.expect_within(5 * SECOND, seg("RA").seq(1));
    assert_eq!(script.now().millis(), 25_000);
    script.expect_receive_error(SocketError::TimedOut);
}

/// RFC 9293 §3.8.4: what is in flight asks already, and data starts the idle time again.
#[test]
fn keep_alive_is_for_idle_connections() {
    let mut script = script(Config::default());
    script.accept_one(80);
    let keep_alive = KeepAlive { idle: 10 * SECOND, interval: 5 * SECOND, count: 1 };
    let socket = script.current();
    script.host.set(socket, Setting::KeepAlive(Some(keep_alive))).unwrap();
    script.wait(8 * SECOND);
    script.inject(seg("A").len(10));
    script.expect(seg("A").ack(11));
    script.expect_quiet(9999 * MS);
    script.send(b"x");
    script.expect(seg("PA").seq(1).data(b"x"));
    script.wait(12 * SECOND);
    assert_eq!(script.host.counter("keep-alive probes sent"), 0);
    assert!(script.drain().iter().all(|seg| seg.payload_len() == 1));
}

/// RFC 9293 §3.8.6.3: later, but within half a second; and at once for what cannot wait.
#[test]
fn acknowledgments_wait_after_the_quick_phase() {
    let mut script = script(Config::default());
    script.accept_one(80);
    for i in 0..16 {
        script.inject(seg("A").len(100));
        script.expect(seg("A").ack(101 + i * 100));
    }
    script.inject(seg("A").len(100));
    script.expect_nothing();
    script.expect_within(200 * MS, seg("A").ack(1701));
    script.inject(seg("A").len(100));
    script.expect_nothing();
    script.inject(seg("FA"));
    script.expect(seg("A").ack(1802));
}

/// RFC 9293 §3.7.4; cork gives up after 200 ms.
#[test]
fn cork_holds_a_partial_segment_for_200_ms() {
    let mut script = script(Config::default());
    script.accept_one(80);
    let socket = script.current();
    script.host.set(socket, Setting::Cork(true)).unwrap();
    script.send(&[1; 100]);
    script.expect_nothing();
    script.send(&[1; 1400]);
    script.expect(seg("A").len(1460));
    script.inject(seg("A"));
    script.expect_quiet(199 * MS);
    script.expect_within(MS, seg("PA").len(40));
    script.inject(seg("A"));
    script.send(&[1; 10]);
    script.expect_nothing();
    script.host.set(socket, Setting::Cork(false)).unwrap();
    script.expect(seg("PA").len(10));
}

#[test]
fn msg_more_holds_until_the_next_send() {
    let mut script = script(Config::default());
    script.accept_one(80);
    let socket = script.current();
    let more = crate::SendFlags::MORE;
    let sent = script.host.call(|tcp, now, out| tcp.send(now, socket, b"head", more, out));
    assert_eq!(sent, Ok(4));
    script.expect_nothing();
    script.send(b"body");
    script.expect(seg("PA").data(b"headbody"));
}

/// TCP_USER_TIMEOUT behind a shut window: one probe that nobody answered may be lost itself.
#[test]
fn the_user_timeout_waits_for_two_window_probes() {
    let mut script = script(Config::default());
    script.accept_one(80);
    let socket = script.current();
    script.host.set(socket, Setting::UserTimeout(Some(300 * MS))).unwrap();
    script.inject(seg("A").win(0));
    script.send(b"patience");
    script.wait(1399 * MS);
    assert_eq!(script.drain().len(), 2, "after 200 ms and 400 ms more");
    script.expect_state(State::Established);
    script.wait(MS);
    script.expect_state(State::Closed);
    script.expect_receive_error(SocketError::TimedOut);
}

/// RFC 9293 §3.8.4: window probes ask already; the connection lasts as long as they do, and not as
/// keep-alive would have it.
#[test]
fn keep_alive_leaves_a_shut_window_to_its_probes() {
    let mut script = script(Config::default());
    script.accept_one(80);
    let keep_alive = KeepAlive { idle: SECOND, interval: SECOND, count: 1 };
    let socket = script.current();
    script.host.set(socket, Setting::KeepAlive(Some(keep_alive))).unwrap();
    script.inject(seg("A").win(0));
    script.send(b"patience");
    script.wait(60 * SECOND);
    script.expect_state(State::Established);
    assert_eq!(script.host.counter("keep-alive probes sent"), 0);
}

/// RFC 9293 §3.8.3 (b): who watches is told at R1; a notice counts as dropped where too many wait.
#[test]
fn trouble_is_told_or_counted_as_dropped() {
    for (waiting, dropped) in [(0, 0), (1000, 1)] {
        let mut script = script(Config::default());
        script.accept_one(80);
        let socket = script.current();
        script.host.set(socket, Setting::Timestamping(true)).unwrap();
        // Each write leaves three notices until nobody has room for more.
        for place in 0..waiting {
            script.send(b"x");
            script.inject(seg("A").ack(2 + place));
        }
        script.drain();
        script.host.set(socket, Setting::Timestamping(false)).unwrap();
        script.host.set(socket, Setting::ReportTrouble(true)).unwrap();
        let before = script.host.counter("notices dropped");
        script.send(b"anybody?");
        script.wait(10 * SECOND);
        assert_eq!(script.host.counter("notices dropped") - before, dropped, "{waiting} wait");
    }
}
