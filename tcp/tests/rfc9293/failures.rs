//! Connections that fail or fall silent: §3.8.3, §3.8.4.

use ip::{Readiness, SocketError};
use tcp::testing::{PEER, seg};
use tcp::{Config, KeepAlive, Notice, Setting, State};

use super::{HOUR, MINUTE, MS, SECOND, established, script};

/// By default a SYN is given up after a minute (a listed deviation); whoever wants R2 to be three
/// minutes sets it, for its connection or for the stack.
#[test]
fn must_21_22_23_a_syn_is_sent_for_as_long_as_the_program_says() {
    let mut script = script(Config::default());
    let (socket, peer) = (script.host.open(), script.peer);
    script.host.set(socket, Setting::UserTimeout(Some(3 * MINUTE))).unwrap();
    let begun = script.host.call(|tcp, now, out| tcp.connect(now, socket, peer, out));
    assert_eq!(begun, Err(SocketError::InProgress));
    script.wait(3 * MINUTE - MS);
    assert_eq!(script.host.state(socket), State::SynSent);
    assert_eq!(script.drain().len(), 8, "at 0, 1, 3, 7, 15, 31, 63 and 127 s");
    script.wait(MS);
    assert_eq!(script.host.take_error(socket), Some(SocketError::TimedOut));

    let mut script = self::script(Config { syn_retries: 7, ..Config::default() });
    script.connect();
    script.wait(4 * MINUTE);
    script.expect_state(State::SynSent);
}

/// R1 is three retransmissions of the same segment: IP is told that the way may be dead, once.
#[test]
fn must_20_22_shld_10_ip_is_told_after_three_retransmissions() {
    let mut script = established();
    script.send(b"anybody?");
    script.drain();
    for _ in 0..3 {
        assert_eq!(script.host.out.doubted, []);
        script.expect_within(MINUTE, seg("A").seq(1).len(8));
    }
    assert_eq!(script.host.out.doubted, [(script.now(), PEER)]);
    script.wait(HOUR);
    script.expect_state(State::Closed);
    assert_eq!(script.host.out.doubted.len(), 1);

    let mut script = self::script(Config::default());
    script.connect();
    script.wait(MINUTE);
    let told: Vec<_> = script.host.out.doubted.iter().map(|(at, _)| at.millis()).collect();
    assert_eq!(told, [7000], "a SYN's third retransmission");
}

/// R1 is told to the program that wants to know, once, and ends nothing.
#[test]
fn shld_9_a_program_is_told_of_many_retransmissions() {
    let mut script = established();
    let socket = script.current();
    script.host.set(socket, Setting::ReportTrouble(true)).unwrap();
    script.host.take_woken();
    script.send(b"anybody?");
    script.drain();
    for _ in 0..3 {
        assert!(!script.host.readiness(socket).contains(Readiness::ERROR));
        script.expect_within(MINUTE, seg("A").seq(1).len(8));
    }
    assert!(script.host.take_woken().contains(&socket));
    assert!(script.host.readiness(socket).contains(Readiness::ERROR));
    let mut take = || script.host.call(|tcp, _, _| tcp.take_notice(socket));
    let (told, more) = (take(), take());
    let Some(Notice::Trouble { retries: 3, silent }) = told else { panic!("{told:?}") };
    assert_eq!(more, None);
    assert!((SECOND..2 * SECOND).contains(&silent), "{silent:?}");
    script.expect_state(State::Established);
    script.inject(seg("A").ack(9));
    script.wait(HOUR);
    assert_eq!(script.host.call(|tcp, _, _| tcp.take_notice(socket)), None);
}

/// R2 may be no limit at all.
#[test]
fn must_21_a_program_may_wait_for_ever() {
    let mut script = established();
    let socket = script.current();
    script.host.set(socket, Setting::UserTimeout(Some(1_000_000 * HOUR))).unwrap();
    script.send(b"patience");
    script.wait(100 * HOUR);
    script.expect_state(State::Established);
    assert!(script.drain().len() > 2000);
}

/// Two hours at least, unless the program says otherwise; and one that has to be silent for a
/// while first.
#[test]
fn must_26_28_an_idle_connection_is_probed_after_two_hours() {
    let mut script = established();
    let socket = script.current();
    script.host.set(socket, Setting::KeepAlive(Some(KeepAlive::default()))).unwrap();
    script.expect_quiet(2 * HOUR - SECOND);
    // Whatever comes begins the interval anew.
    script.inject(seg("A").data(b"x"));
    script.expect(seg("A").ack(2));
    script.expect_quiet(2 * HOUR - SECOND);
    script.expect_within(SECOND, seg("A").seq(0).ack(2));
}

/// What is unacknowledged asks already.
#[test]
fn must_26_nothing_is_probed_while_data_is_outstanding() {
    let mut script = established();
    let socket = script.current();
    let keep_alive = KeepAlive { idle: 2 * SECOND, interval: SECOND, count: 3 };
    script.host.set(socket, Setting::KeepAlive(Some(keep_alive))).unwrap();
    script.send(b"data");
    script.wait(MINUTE);
    let sent = script.drain();
    assert!(sent.len() > 5 && sent.iter().all(|seg| seg.seq == Some(1)), "{sent:?}");
    script.expect_state(State::Established);
}

/// One probe without an answer, or several, say nothing; and none of them has data.
#[test]
fn must_29_shld_12_lost_answers_to_keep_alives_are_survived() {
    let mut script = established();
    let socket = script.current();
    let keep_alive = KeepAlive { idle: MINUTE, interval: SECOND, count: 5 };
    script.host.set(socket, Setting::KeepAlive(Some(keep_alive))).unwrap();
    for _ in 0..10 {
        for _ in 0..5 {
            script.expect_within(MINUTE, seg("A").seq(0).ack(1).len(0));
        }
        script.inject(seg("A").seq(1).ack(1));
        script.expect_state(State::Established);
    }
}
