//! A flood of SYNs: SYN cookies, and recycling without them (RFC 4987).

use super::*;
use crate::DropReason;
use ip::Handle;
use std::net::SocketAddr;

const QUEUE: usize = 4;

/// A listener, and a flood that has filled its SYN queue.
fn flooded(config: Config) -> (Script, Handle) {
    let mut script = script(Config { syn_queue: QUEUE, ..config });
    let listener = script.host.listen(80, 5);
    for port in 1..=QUEUE as u16 {
        let from = SocketAddr::new(PEER, port);
        script.inject(seg("S").from(from).seq(0).mss(1460));
    }
    script.host.out.sent.clear();
    assert_eq!(script.host.counter("connections"), QUEUE as u64);
    (script, listener)
}

fn accept(script: &mut Script, listener: Handle) {
    script.socket = Some(script.host.accept(listener).expect("a connection").0);
}

/// RFC 4987 §3.6: nothing is remembered, and the acknowledgment opens the connection.
#[test]
fn a_full_syn_queue_is_no_obstacle() {
    let (mut script, listener) = flooded(Config::default());
    script.inject(seg("S").seq(0).mss(1400));
    let answer = script.expect(seg("SA").seq(0).ack(1));
    assert_eq!(answer.option(2), Some(&1460u16.to_be_bytes()[..]));
    assert_eq!(script.host.counter("connections"), QUEUE as u64);
    assert_eq!(script.host.counter("SYN cookies sent"), 1);
    script.inject(seg("A").seq(1).ack(1));
    assert_eq!(script.host.counter("SYN cookies accepted"), 1);
    accept(&mut script, listener);
    let info = script.info().unwrap();
    assert_eq!((info.state, info.snd_mss), (State::Established, 1400));
    assert_eq!((info.rto, info.rtt), (SECOND, Duration::ZERO), "nobody knows the round trip");
    script.send(b"hello");
    script.expect(seg("PA").seq(1).ack(1).data(b"hello"));
    script.inject(seg("PA").seq(1).data(b"hello yourself"));
    assert_eq!(script.receive(), b"hello yourself");
}

/// With timestamps nothing is lost: the options are in the low bits of what is echoed.
#[test]
fn timestamps_carry_the_options() {
    let (mut script, listener) = flooded(Config::default());
    script.wait(12_345 * MS);
    script.host.out.sent.clear();
    script.inject(full_syn());
    let answer = script.expect(seg("SA").seq(0).ack(1));
    let (value, echo) = clocks(&answer);
    assert_eq!((echo, answer.option(3)), (100, Some(&[8][..])));
    script.wait(80 * MS);
    script.host.out.sent.clear();
    script.inject(seg("A").seq(1).ack(1).win(100).options(&timestamps(180, value)));
    accept(&mut script, listener);
    let info = script.info().unwrap();
    assert_eq!((info.snd_wnd, info.snd_mss), (100 << 7, 1448));
    assert_eq!(info.options.window_scale, Some((7, 8)));
    assert!(info.options.timestamps && info.options.sack);
    // The clock goes on from there and never back.
    script.send(b"hello");
    let (later, _) = clocks(&script.expect(seg("PA").seq(1).data(b"hello")));
    assert!((80..80 + 64).contains(&later.wrapping_sub(value)), "{later} after {value}");
}

/// Without timestamps there is nowhere to put them, so they are not agreed to.
#[test]
fn without_timestamps_a_cookie_has_no_options() {
    let (mut script, listener) = flooded(Config::default());
    // mss 1460, nop, wscale 7
    script.inject(seg("S").seq(0).options(&[2, 4, 5, 180, 1, 3, 3, 7]));
    let answer = script.expect(seg("SA").seq(0).ack(1));
    assert_eq!((answer.option(3), answer.option(4), answer.option(8)), (None, None, None));
    script.inject(seg("A").seq(1).ack(1).win(1000));
    accept(&mut script, listener);
    assert_eq!(script.info().unwrap().snd_wnd, 1000);
}

/// The acknowledgment was lost: the data that follows it has the cookie too.
#[test]
fn the_first_data_brings_the_cookie_as_well() {
    let (mut script, listener) = flooded(Config::default());
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA"));
    script.inject(seg("PA").seq(1).ack(1).data(b"GET /"));
    accept(&mut script, listener);
    assert_eq!(script.receive(), b"GET /");
    script.expect(seg("A").seq(1).ack(6));
}

#[test]
fn what_is_no_cookie_is_answered_with_a_reset() {
    let (mut script, listener) = flooded(Config::default());
    script.inject(seg("A").seq(1).ack(1));
    script.expect(seg("R"));
    assert_eq!(script.host.counter("SYN cookies that did not fit"), 0, "none was under way");
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA"));
    script.inject(seg("A").seq(1).ack(2));
    script.expect(seg("R"));
    assert_eq!(script.host.counter("SYN cookies that did not fit"), 1);
    script.inject(seg("R").seq(1));
    script.expect_nothing();
    // A cookie does not keep.
    script.wait(200 * SECOND);
    script.drain();
    script.inject(seg("A").seq(1).ack(1));
    script.expect(seg("R"));
    assert!(script.host.accept(listener).is_err());
}

/// The limit of the accept queue holds for cookies too.
#[test]
fn a_cookie_waits_for_room_in_the_accept_queue() {
    let (mut script, listener) = flooded(Config::default());
    script.host.call(|tcp, _, _| tcp.listen(listener, 1)).unwrap();
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA"));
    let first = SocketAddr::new(PEER, 1);
    let isn =
        script.host.tcp.sockets(script.now()).iter().find(|i| i.peer == first).unwrap().snd_una;
    let own = script.host.tcp.sockets(script.now()).len();
    let ack = isn.wrapping_add(1);
    let packet = seg("A").from(first).to(script.local()).win(9).seq(script.peer_isn + 1).ack(ack);
    let header = ip::Header::new(PEER, script.local().ip(), ip::Protocol::TCP);
    script.host.input(header, netdev::Packet::from_payload(&packet.emit()));
    let input = script.inject(seg("A").seq(1).ack(1));
    assert_eq!(input, crate::Input::Dropped(DropReason::AcceptQueue));
    assert_eq!(script.host.tcp.sockets(script.now()).len(), own);
    script.host.accept(listener).unwrap();
    script.inject(seg("PA").seq(1).ack(1).data(b"once more"));
    accept(&mut script, listener);
    assert_eq!(script.receive(), b"once more");
}

/// 50,000 SYNs in a second from everywhere, and somebody who means it.
#[test]
fn a_flood_does_not_shut_the_door() {
    for syn_cookies in [true, false] {
        let mut script = script(Config { syn_cookies, ..Config::default() });
        let listener = script.host.listen(80, 5);
        for i in 0..50_000u32 {
            let from = SocketAddr::new([10, 9, (i >> 8) as u8, i as u8].into(), 1024);
            let syn = seg("S").from(from).to(script.local()).seq(i).win(1000).mss(1460);
            let header = ip::Header::new(from.ip(), script.local().ip(), ip::Protocol::TCP);
            script.host.input(header, netdev::Packet::from_payload(&syn.emit()));
            script.host.poll();
            script.host.out.sent.clear();
            if i % 50 == 0 {
                script.host.now += MS;
            }
        }
        script.host.out.sent.clear();
        assert_eq!(script.host.counter("connections"), 1024);
        script.handshake();
        accept(&mut script, listener);
        script.inject(seg("PA").data(b"let me in"));
        assert_eq!(script.receive(), b"let me in");
        script.close();
    }
}

/// RFC 4987 §3.4: without cookies the oldest goes.
#[test]
fn without_cookies_the_oldest_half_open_connection_goes() {
    let (mut script, listener) = flooded(Config { syn_cookies: false, ..Config::default() });
    script.handshake();
    accept(&mut script, listener);
    assert_eq!(script.host.states(80, 1), []);
    assert_eq!(script.host.states(80, 2), [State::SynReceived]);
    assert_eq!(script.host.counter("half-open connections recycled"), 1);
}
