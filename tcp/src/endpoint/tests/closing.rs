//! CLOSE, ABORT, FIN-WAIT-2 and TIME-WAIT (RFC 9293 §3.6).

use super::*;
use ip::SocketError;

/// RFC 9293 §3.9.1.6: ABORT, by SO_LINGER with zero.
#[test]
fn linger_of_zero_resets() {
    let mut script = script(Config::default());
    script.accept_one(80);
    let socket = script.current();
    script.host.set(socket, Setting::Linger(Some(Duration::ZERO))).unwrap();
    script.send(b"never mind");
    script.drain();
    script.close();
    script.expect(seg("RA").seq(11).ack(1));
    assert_eq!(script.host.states(80, 5000), []);
    assert_eq!(script.host.counter("connections without a socket"), 0);
}

fn in_time_wait(config: Config) -> Script {
    let mut script = script(config);
    script.accept_one(80);
    script.close();
    script.expect(seg("FA").seq(1).ack(1));
    script.inject(seg("A").ack(2));
    assert_eq!(script.host.states(80, 5000), [State::FinWait2]);
    script.inject(seg("FA").ack(2));
    script.expect(seg("A").seq(2).ack(2));
    assert_eq!(script.host.states(80, 5000), [State::TimeWait]);
    script
}

/// RFC 9293 §3.10.7.4: a FIN again restarts the timeout; RFC 1337: a reset does not end it.
#[test]
fn time_wait_lasts_2msl_and_is_restarted_by_the_fin() {
    let mut script = in_time_wait(Config::default());
    script.wait(50 * SECOND);
    script.inject(seg("FA").seq(1).ack(2));
    script.expect(seg("A").seq(2).ack(2));
    script.inject(seg("R").seq(2));
    script.expect_quiet(59 * SECOND);
    assert_eq!(script.host.states(80, 5000), [State::TimeWait]);
    script.wait(2 * SECOND);
    assert_eq!(script.host.states(80, 5000), []);
    assert_eq!(script.host.counter("connections in TIME-WAIT"), 0);
}

/// RFC 9293 §3.6.1 (MAY-2): numbers beyond the old ones on both sides.
#[test]
fn a_syn_beyond_the_old_numbers_takes_the_tuple_over() {
    let mut script = in_time_wait(Config::default());
    let old = script.host.out.sent.len();
    assert_eq!(old, 0);
    script.inject(seg("S").seq(1).mss(1460));
    script.expect(seg("A").seq(2).ack(2));
    let before = script.info().unwrap().snd_nxt;
    script.inject(seg("S").seq(1000).mss(1460));
    let new = script.expect(seg("SA").ack(1001));
    assert_eq!(new.seq, Some(0));
    assert_eq!(script.host.states(80, 5000), [State::SynReceived]);
    let after = script.host.tcp.sockets(script.host.now);
    let after = after.iter().find(|info| info.state == State::SynReceived).unwrap();
    assert!(crate::SeqNum(after.snd_una).gt(crate::SeqNum(before)));
}

/// RFC 6191 §2: with timestamps, numbers may start anywhere.
#[test]
fn a_syn_with_a_newer_timestamp_takes_the_tuple_over() {
    for (clock, taken) in [(101, true), (99, false)] {
        let mut script = script(Config::default());
        let listener = script.host.listen(80, 5);
        script.inject(full_syn());
        let (value, _) = clocks(&script.expect(seg("SA").seq(0).ack(1)));
        script.inject(seg("A").options(&timestamps(100, value)));
        script.socket = Some(script.host.accept(listener).unwrap().0);
        script.close();
        script.expect(seg("FA").seq(1).ack(1));
        script.inject(seg("FA").ack(2).options(&timestamps(100, value)));
        script.expect(seg("A").seq(2).ack(2));
        let mut options = FULL;
        options[9..12].copy_from_slice(&[0, 0, clock]);
        script.inject(seg("S").seq(0u32.wrapping_sub(5000)).options(&options));
        match taken {
            true => script.expect(seg("SA").ack(0u32.wrapping_sub(4999))),
            false => script.expect(seg("A").seq(2).ack(2)),
        };
    }
}

/// The side that was in TIME-WAIT opens the connection again, from the port that it was bound to.
#[test]
fn a_connect_takes_its_own_time_wait_over_if_timestamps_allow() {
    for timestamps in [true, false] {
        let mut world = world(Config { timestamps, ..Config::default() });
        let listener = world.b.listen(80, 10);
        let connect = |world: &mut World| {
            let socket = world.a.open();
            world.a.set(socket, Setting::ReuseAddr(true)).unwrap();
            world.a.bind(socket, 7777).unwrap();
            let to = std::net::SocketAddr::new(world.b.addr(), 80);
            (socket, world.a.call(|tcp, now, out| tcp.connect(now, socket, to, out)))
        };
        let (first, begun) = connect(&mut world);
        assert_eq!(begun, Err(SocketError::InProgress));
        world.drive_for(SECOND);
        let (accepted, _) = world.b.accept(listener).unwrap();
        world.a.close(first);
        world.drive_for(500 * MS);
        world.b.close(accepted);
        world.drive_for(500 * MS);
        assert_eq!(world.a.states(7777, 80), [State::TimeWait]);
        let (early, refused) = connect(&mut world);
        assert_eq!(refused, Err(SocketError::AddrInUse), "less than a second old");
        world.a.close(early);
        world.drive_for(SECOND);
        let (second, begun) = connect(&mut world);
        if !timestamps {
            assert_eq!(begun, Err(SocketError::AddrInUse));
            continue;
        }
        assert_eq!(begun, Err(SocketError::InProgress));
        world.drive_for(SECOND);
        let (accepted, _) = world.b.accept(listener).unwrap();
        let pair = crate::testing::Pair { a: second, b: accepted };
        world.exchange(pair, &pattern(0, 10_000), &pattern(0, 10_000));
        assert_eq!(world.a.counter("TIME-WAIT reused by a SYN"), 1);
    }
}

#[test]
fn fin_wait_2_lasts_for_ever_with_a_socket_and_a_minute_without() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.shutdown(Shutdown::Write);
    script.expect(seg("FA").seq(1));
    script.inject(seg("A").ack(2));
    script.wait(1000 * SECOND);
    script.expect_state(State::FinWait2);
    script.close();
    script.wait(59 * SECOND);
    assert_eq!(script.host.states(80, 5000), [State::FinWait2]);
    script.wait(2 * SECOND);
    assert_eq!(script.host.states(80, 5000), []);
    script.expect_nothing();
}

/// An orphan whose peer never opens its window must not stay for ever.
#[test]
fn an_orphan_with_a_closed_window_ends() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.inject(seg("A").win(0));
    script.send(b"never read");
    script.close();
    for _ in 0..8 {
        script.expect_within(200 * SECOND, seg("A").seq(0));
        script.inject(seg("A").ack(1).win(0));
    }
    script.wait(200 * SECOND);
    assert_eq!(script.host.states(80, 5000), []);
    assert_eq!(script.host.counter("connections without a socket"), 0);
}

#[test]
fn one_orphan_too_many_is_reset() {
    let mut script = script(Config { max_orphans: 1, ..Config::default() });
    for port in [5000, 5001] {
        script.peer = std::net::SocketAddr::new(PEER, port);
        let listener = match port {
            5000 => script.accept_one(80),
            _ => {
                let isn = seg("S").seq(0).mss(1460);
                script.inject(isn);
                script.expect(seg("SA").seq(0));
                script.inject(seg("A").seq(1).ack(1));
                continue;
            }
        };
        script.close();
        script.expect(seg("FA"));
        script.socket = Some(listener);
    }
    let (second, _) = script.host.accept(script.current()).unwrap();
    script.socket = Some(second);
    script.close();
    script.expect(seg("RA"));
    assert_eq!(script.host.counter("orphaned connections reset"), 1);
    assert_eq!(script.host.counter("connections without a socket"), 1);
}

#[test]
fn time_waits_beyond_the_limit_end_the_oldest() {
    let mut world = world(Config { max_time_wait: 3, ..Config::default() });
    let listener = world.b.listen(80, 10);
    for _ in 0..5 {
        let pair = world.connect_to(listener, 80);
        world.a.close(pair.a);
        world.drive_for(SECOND);
        world.b.close(pair.b);
        world.drive_for(SECOND);
    }
    assert_eq!(world.a.counter("connections in TIME-WAIT"), 3);
    assert_eq!(world.a.counter("TIME-WAIT ended by the limit"), 2);
    world.drive_for(100 * SECOND);
    for host in [&world.a, &world.b] {
        assert_eq!(host.counter("connections"), 0);
        assert_eq!(host.counter("bytes of buffer memory"), 0);
    }
}

/// What came in order before a reset can be read; then the error comes, once (RFC 9293
/// §3.10.7.4, second; a listed deviation).
#[test]
fn r10_data_before_a_reset_is_read_before_the_error() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.inject(seg("PA").data(b"last words"));
    script.drain();
    script.inject(seg("R").seq(11));
    assert!(script.host.readiness(script.current()).contains(ip::Readiness::READABLE));
    let socket = script.current();
    assert_eq!(script.host.receive(socket, 100), Ok(b"last words".to_vec()));
    script.expect_receive_error(SocketError::Reset);
    script.expect_end();
}
