//! Closing connections: RFC 9293 §3.6.

use std::net::SocketAddr;
use std::time::Duration;

use ip::{Readiness, SocketError};
use tcp::testing::{Script, Side, World, pattern, seg};
use tcp::{Flags, Shutdown, State};

use crate::New;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Everything has ended, on both sides.
fn assert_nothing_left(world: &mut World) {
    world.drive_for(10 * MINUTE);
    for host in [&world.a, &world.b] {
        assert_eq!(host.tcp.sockets(host.now), []);
        assert_eq!(host.tcp.poll_at(), None);
    }
}

fn closes_first(new: New, first: Side) {
    let mut world = World::new(1, new(1), new(2));
    let pair = world.connect_pair(80);
    let ports = {
        let info = world.a.info(pair.a).unwrap();
        [(info.local.port(), 80), (80, info.local.port())]
    };
    world.exchange(pair, b"one", b"two");
    let second = first.other();
    world.host(first).close(pair.at(first));
    world.drive_for(SECOND);
    assert_eq!(world.host(second).state(pair.at(second)), State::CloseWait);
    assert_eq!(world.host(second).receive(pair.at(second), 10), Ok(vec![]));
    world.host(second).close(pair.at(second));
    world.drive_for(SECOND);
    let (local, peer) = ports[first as usize];
    assert_eq!(world.host(first).states(local, peer), [State::TimeWait]);
    let (local, peer) = ports[second as usize];
    assert_eq!(world.host(second).states(local, peer), []);
    assert_nothing_left(&mut world);
}

pub(crate) fn a_closes_first(new: New) {
    closes_first(new, Side::A);
}

pub(crate) fn b_closes_first(new: New) {
    closes_first(new, Side::B);
}

pub(crate) fn simultaneous_close(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let pair = world.connect_pair(80);
    world.exchange(pair, b"one", b"two");
    world.drive_for(SECOND);
    let port = world.a.info(pair.a).unwrap().local.port();
    world.a.close(pair.a);
    world.b.close(pair.b);
    world.drive_for(SECOND);
    assert_eq!(world.a.states(port, 80), [State::TimeWait]);
    assert_eq!(world.b.states(80, port), [State::TimeWait]);
    assert_nothing_left(&mut world);
}

pub(crate) fn a_lost_fin_is_sent_again(new: New) {
    for loser in [Side::A, Side::B] {
        let mut world = World::new(1, new(1), new(2));
        let pair = world.connect_pair(80);
        world.exchange(pair, b"one", b"two");
        world.lose_next(move |from, seg| from == loser && seg.flags.contains(Flags::FIN));
        world.a.close(pair.a);
        assert!(world.drive_until(|world| world.b.receive(pair.b, 1) == Ok(vec![])));
        world.b.close(pair.b);
        assert_nothing_left(&mut world);
    }
}

/// §3.10.7.4 eighth, TIME-WAIT: the peer's FIN again is acknowledged again.
pub(crate) fn the_last_ack_is_repeated(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.close();
    script.expect(seg("FA").seq(1).ack(1));
    script.inject(seg("A").ack(2));
    script.inject(seg("FA").seq(1));
    script.expect(seg("A").seq(2).ack(2));
    for _ in 0..3 {
        script.inject(seg("FA").seq(1));
        script.expect(seg("A").seq(2).ack(2));
    }
    // Each begins the 2 MSL anew.
    for _ in 0..3 {
        script.wait(Duration::from_secs(50));
        assert_eq!(script.info().unwrap().state, State::TimeWait);
        script.inject(seg("FA").seq(1));
        script.expect(seg("A").seq(2).ack(2));
    }
}

pub(crate) fn half_close_leaves_the_other_direction(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let pair = world.connect_pair(80);
    world.a.shutdown(pair.a, Shutdown::Write).unwrap();
    assert_eq!(world.a.send(pair.a, b"x"), Err(SocketError::BrokenPipe));
    assert!(world.drive_until(|world| world.b.receive(pair.b, 1) == Ok(vec![])));
    world.transfer(pair, Side::B, &pattern(0, 300_000));
    assert_eq!(world.a.state(pair.a), State::FinWait2);
    // FIN-WAIT-2 lasts as long as there is a socket.
    world.drive_for(10 * MINUTE);
    world.transfer(pair, Side::B, &pattern(0, 300_000));
    world.b.close(pair.b);
    assert!(world.drive_until(|world| world.a.receive(pair.a, 1) == Ok(vec![])));
    world.a.close(pair.a);
    assert_nothing_left(&mut world);
}

pub(crate) fn all_that_was_taken_is_sent_before_the_fin(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let pair = world.connect_pair(80);
    let data = pattern(0, 500_000);
    let taken = world.a.send(pair.a, &data).unwrap();
    assert!(taken > 10_000, "only {taken} bytes were taken");
    world.a.close(pair.a);
    assert_eq!(world.a.send(pair.a, b"x"), Err(SocketError::BadHandle));
    let mut received = Vec::new();
    let ended = world.drive_until(|world| {
        let (some, end) = world.b.receive_all(pair.b).unwrap();
        received.extend(some);
        end
    });
    assert!(ended && received == data[..taken], "{} bytes of {taken}", received.len());
    world.b.close(pair.b);
    assert_nothing_left(&mut world);
}

/// RFC 9293 §3.8.6: a FIN takes its place in the window like a byte, so it waits while the data
/// before it fills that.
pub(crate) fn a_fin_waits_for_room_in_the_window(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.inject(seg("A").win(1000));
    script.send(&[7; 1000]);
    script.shutdown(Shutdown::Write);
    assert!(!script.expect(seg("PA").seq(1).len(1000)).flags.contains(Flags::FIN));
    script.expect_nothing();
    script.inject(seg("A").ack(501).win(501));
    script.expect(seg("FA").seq(1001).ack(1));
}

pub(crate) fn defect_a_fin_out_of_order_waits_for_its_turn(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.inject(seg("FPA").seq(6).data(b"world"));
    script.expect_state(State::Established);
    script.expect(seg("A").ack(1));
    let socket = script.current();
    assert!(!script.host.readiness(socket).contains(Readiness::READ_CLOSED));
    script.inject(seg("A").seq(1).data(b"hello"));
    script.expect(seg("A").ack(12));
    script.expect_state(State::CloseWait);
    assert_eq!(script.receive(), b"helloworld");
    script.expect_end();
}

pub(crate) fn defect_fin_wait_1_is_left_only_by_the_ack_of_the_fin(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.send(b"last words");
    script.shutdown(Shutdown::Write);
    script.expect(seg("PA").seq(1).data(b"last words"));
    script.expect(seg("FA").seq(11));
    script.inject(seg("A").ack(1));
    script.expect_state(State::FinWait1);
    script.inject(seg("A").ack(11));
    script.expect_state(State::FinWait1);
    script.inject(seg("A").ack(12));
    script.expect_state(State::FinWait2);
}

pub(crate) fn defect_the_end_of_the_stream_is_not_an_error(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.inject(seg("FA"));
    for _ in 0..3 {
        script.expect_end();
    }
    let socket = script.current();
    assert_eq!(script.host.take_error(socket), None);
}

/// RFC 2525 §2.17, RFC 1122 §4.2.2.13.
pub(crate) fn unread_data_at_close_resets(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let pair = world.connect_pair(80);
    world.a.send(pair.a, b"never read").unwrap();
    world.drive_for(SECOND);
    world.b.close(pair.b);
    world.drive_for(SECOND);
    assert!(world.sent(Side::B).last().unwrap().flags.contains(Flags::RST));
    assert_eq!(world.a.receive(pair.a, 1), Err(SocketError::Reset));
    world.a.close(pair.a);
    assert_nothing_left(&mut world);
}

/// RFC 1122 §4.2.2.13.
pub(crate) fn data_after_close_resets(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.close();
    script.expect(seg("FA").seq(1).ack(1));
    script.inject(seg("A").ack(2));
    assert_eq!(script.info().unwrap().state, State::FinWait2);
    script.inject(seg("PA").data(b"too late"));
    let answer = script.drain().pop().expect("a reset");
    assert!(answer.flags.contains(Flags::RST), "{answer}");
    let left = script.info().map(|info| info.state);
    assert!(left.is_none_or(|state| state == State::Closed), "{left:?}");
    assert_eq!(script.host.counter("data after close"), 1);
}

pub(crate) fn time_wait_ends(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let pair = world.connect_pair(80);
    let port = world.a.info(pair.a).unwrap().local.port();
    world.a.close(pair.a);
    world.drive_for(SECOND);
    world.b.close(pair.b);
    world.drive_for(SECOND);
    assert_eq!(world.a.states(port, 80), [State::TimeWait]);
    // The port is in use as long as it lasts, and for no longer.
    let socket = world.a.open();
    assert_eq!(world.a.bind(socket, port), Err(SocketError::AddrInUse));
    world.drive_for(5 * MINUTE);
    assert_eq!(world.a.states(port, 80), []);
    assert_eq!(world.a.bind(socket, port), Ok(()));
}

pub(crate) fn fin_wait_2_without_a_socket_ends(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let pair = world.connect_pair(80);
    world.a.close(pair.a);
    world.drive_for(10 * MINUTE);
    assert_eq!(world.a.tcp.sockets(world.now()), [], "B never closed its side");
    // What B does now meets a reset.
    world.b.send(pair.b, b"too late").unwrap();
    world.drive_for(SECOND);
    assert!(world.b.readiness(pair.b).contains(Readiness::ERROR));

    // The same, where the socket was half-closed for long before.
    let mut world = World::new(2, new(1), new(2));
    let pair = world.connect_pair(80);
    world.a.shutdown(pair.a, Shutdown::Write).unwrap();
    world.drive_for(10 * MINUTE);
    assert_eq!(world.a.state(pair.a), State::FinWait2);
    world.a.close(pair.a);
    world.drive_for(10 * MINUTE);
    assert_eq!(world.a.tcp.sockets(world.now()), []);
}

pub(crate) fn a_closed_listener_resets_what_waits(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let listener = world.b.listen(80, 5);
    let socket = world.a.connect(SocketAddr::new(Side::B.addr(), 80));
    assert!(world.drive_until(|world| world.a.state(socket) == State::Established));
    world.drive_for(SECOND);
    world.b.close(listener);
    world.drive_for(SECOND);
    assert_eq!(world.a.take_error(socket), Some(SocketError::Reset));
    assert_eq!(world.b.tcp.sockets(world.now()), []);
}

/// RFC 5227 §2.4: whoever abandons an address should reset the connections that use it. Those of
/// another address go on, and so does the listener.
pub(crate) fn the_connections_of_an_abandoned_address_are_reset(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let listener = world.b.listen(80, 5);
    let connect = |world: &mut World| {
        let socket = world.a.connect(SocketAddr::new(Side::B.addr(), 80));
        assert!(world.drive_until(|world| world.a.state(socket) == State::Established));
        world.drive_for(SECOND);
        (socket, world.b.accept(listener).unwrap().0)
    };
    let (a, b) = connect(&mut world);
    let asks = world.b.connect(SocketAddr::new(Side::A.addr(), 81));
    let abandon = |world: &mut World, addr| {
        world.b.call(|tcp, now, out| tcp.abandon(now, addr, out));
    };
    abandon(&mut world, Side::A.addr());
    assert_eq!(world.b.state(b), State::Established, "another host's address");
    abandon(&mut world, Side::B.addr());
    assert_eq!(world.b.take_error(b), Some(SocketError::Aborted));
    assert_eq!(world.b.take_error(asks), Some(SocketError::Aborted));
    assert_eq!(world.b.state(b), State::Closed);
    world.drive_for(SECOND);
    assert_eq!(world.a.take_error(a), Some(SocketError::Reset), "the peer is told");
    connect(&mut world);
}
