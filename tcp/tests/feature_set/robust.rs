//! Segments that should not be, and peers that are no more.

use std::net::SocketAddr;
use std::time::Duration;

use ip::{Readiness, SocketError};
use tcp::testing::{Driven, PEER, Script, Seg, World, pattern, seg};
use tcp::{DropReason, Flags, Input, State};

use crate::New;

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn r10_a_reset_wakes_the_reader(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    let socket = script.current();
    assert_eq!(script.host.receive(socket, 1), Err(SocketError::WouldBlock));
    script.host.take_woken();
    script.inject(seg("R"));
    assert!(script.host.take_woken().contains(&socket));
    let ready = script.host.readiness(socket);
    assert!(ready.contains(Readiness::READABLE | Readiness::WRITABLE | Readiness::ERROR));
    script.expect_receive_error(SocketError::Reset);
    script.expect_end();
    assert_eq!(script.host.send(socket, b"x"), Err(SocketError::BrokenPipe));
    script.expect_nothing();
}

pub(crate) fn r10_a_reset_wakes_the_connecting(new: New) {
    let mut script = Script::new(new(1));
    script.connect();
    let socket = script.current();
    script.host.take_woken();
    script.inject(seg("RA").seq(0));
    assert!(script.host.take_woken().contains(&socket));
    assert!(script.host.readiness(socket).contains(Readiness::WRITABLE));
    assert_eq!(script.host.take_error(socket), Some(SocketError::Refused));
}

/// RFC 5961 §4.2.
pub(crate) fn r18_a_syn_in_the_window_is_challenged(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.inject(seg("S").seq(100).mss(1460));
    script.expect(seg("A").seq(1).ack(1));
    script.expect_state(State::Established);
    assert_eq!(script.host.counter("SYN on a connection"), 1);
}

pub(crate) fn r18_the_connection_lives_on_after_a_syn(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    for seq in [1, 2, 1000] {
        script.inject(seg("S").seq(seq));
        script.inject(seg("SA").seq(seq));
    }
    script.drain();
    script.inject(seg("PA").seq(1).data(b"alive"));
    assert_eq!(script.receive(), b"alive");
    script.send(b"too");
    let sent = script.drain().pop().expect("data");
    assert_eq!(seg("A").seq(1).ack(6).data(b"too").mismatch(&sent), None);
}

/// RFC 5961 §3.2.
pub(crate) fn a_reset_beside_the_mark_is_challenged(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.inject(seg("R").seq(2));
    script.expect(seg("A").seq(1).ack(1));
    script.expect_state(State::Established);
    script.inject(seg("R").seq(1));
    script.expect_nothing();
    script.expect_state(State::Closed);
}

pub(crate) fn a_reset_outside_the_window_is_ignored(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    for seq in [0, u32::MAX - 100, 0x7000_0000] {
        script.inject(seg("R").seq(seq));
        script.expect_nothing();
    }
    script.expect_state(State::Established);
    assert_eq!(script.host.counter("reset out of place"), 3);
}

pub(crate) fn a_bad_checksum_is_dropped_and_counted(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    let input = script.inject(seg("PA").data(b"broken").bad_checksum());
    assert_eq!(input, Input::Dropped(DropReason::Checksum));
    assert_eq!(script.host.counter("bad checksum"), 1);
    script.expect_nothing();
    assert_eq!(script.receive(), b"");
    script.inject(seg("PA").seq(1).data(b"whole"));
    assert_eq!(script.receive(), b"whole");
}

pub(crate) fn defect_a_data_offset_under_five_is_dropped_and_counted(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    for words in 0..5 {
        let input = script.inject(seg("PA").seq(1).len(40).data_offset(words));
        assert_eq!(input, Input::Dropped(DropReason::DataOffset));
    }
    let input = script.inject(seg("PA").seq(1).data(b"x").data_offset(15));
    assert_eq!(input, Input::Dropped(DropReason::Truncated));
    assert_eq!(script.host.counter("bad data offset"), 5);
    assert_eq!(script.host.counter("segment shorter than its header"), 1);
    script.expect_nothing();
}

/// RFC 9293 §3.1, MUST-7.
pub(crate) fn malformed_options_are_dropped_and_counted(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    for options in [&[2, 0, 1, 1][..], &[253, 1, 0, 0], &[1, 1, 1, 2], &[253, 9, 0, 0]] {
        let input = script.inject(seg("PA").seq(1).data(b"x").options(options));
        assert_eq!(input, Input::Dropped(DropReason::Options), "{options:?}");
    }
    assert_eq!(script.host.counter("malformed options"), 4);
    script.expect_nothing();
}

/// Whatever comes, nothing panics, nothing grows without bound, and nothing stops working.
pub(crate) fn any_bytes_at_all_are_survived(new: New) {
    for seed in 0..4 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut script = Script::new(new(seed));
        let listener = script.accept_one(80);
        for _ in 0..4000 {
            let small = |rng: &mut fastrand::Rng| rng.u32(..70_000).wrapping_sub(2000);
            let random = Seg {
                flags: Flags::from_bits_retain(rng.u8(..) & if rng.bool() { 0x3f } else { 0x1b }),
                ..seg("")
                    .seq(small(&mut rng))
                    .ack(small(&mut rng) >> 8)
                    .win(rng.u16(..))
                    .urgent(rng.u16(..))
                    .options(&std::iter::repeat_with(|| rng.u8(..9)).take(8).collect::<Vec<_>>())
                    .len(rng.usize(..50) * rng.usize(..50))
            };
            // Most of them without the options, which are mostly malformed.
            let random = if rng.u8(..8) > 0 { Seg { options: None, ..random } } else { random };
            let port = 5000 + rng.u16(..2) * rng.u16(..200);
            script.inject(random.from(SocketAddr::new(PEER, port)));
            if rng.u8(..50) == 0 {
                script.wait(Duration::from_millis(rng.u64(..2000)));
                let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(60).collect();
                script.inject_bytes(&bytes[..rng.usize(..60)]);
                while let Ok((socket, _)) = script.host.accept(listener) {
                    let _ = script.host.receive(socket, 100);
                    let _ = script.host.send(socket, b"x");
                    script.host.close(socket);
                }
            }
            script.drain();
        }
        let sockets = script.host.tcp.sockets(script.now());
        assert!(sockets.iter().all(|info| info.memory < 1 << 20), "{sockets:?}");
        script.wait(Duration::from_secs(1200));
        script.drain();
        while let Ok((socket, _)) = script.host.accept(listener) {
            script.host.close(socket);
        }
        // A new peer is served as if nothing had happened.
        script.peer.set_port(7000);
        script.inject(seg("S").seq(0).mss(1460));
        script.expect(seg("SA").seq(0).ack(1));
    }
}

/// Each finds the other's ACK out of its window, and answers with an ACK.
pub(crate) fn two_confused_ends_do_not_talk_for_ever(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    let mut answers = 0;
    for _ in 0..200 {
        script.inject(seg("A").seq(0x4000_0000).ack(0x5000_0000));
        answers += script.drain().len();
    }
    assert!(answers < 100, "{answers} answers to 200 ACKs out of the window");
}

pub(crate) fn a_peer_that_vanishes_times_out(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let pair = world.connect_pair(80);
    world.exchange(pair, &pattern(0, 100_000), &pattern(0, 100_000));
    world.lose_all(|_, _| true);
    let vanished = world.now();
    world.a.send(pair.a, b"anybody there?").unwrap();
    world.a.take_woken();
    assert_eq!(world.drive_bounded(1000), Driven::Quiet);
    assert!(world.a.take_woken().contains(&pair.a));
    assert_eq!(world.a.receive(pair.a, 1), Err(SocketError::TimedOut));
    assert_eq!(world.a.state(pair.a), State::Closed);
    // R2 of §3.8.3 is 100 s at least; Linux takes a quarter of an hour.
    let took = world.now() - vanished;
    assert!((100 * SECOND..1800 * SECOND).contains(&took), "{took:?}");
}

pub(crate) fn an_idle_connection_costs_nothing(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let pair = world.connect_pair(80);
    world.exchange(pair, b"one", b"two");
    world.drive_for(10 * SECOND);
    assert_eq!((world.a.tcp.poll_at(), world.b.tcp.poll_at()), (None, None));
    let sent = world.log.len();
    world.drive_for(24 * 3600 * SECOND);
    assert_eq!(world.log.len(), sent);
    world.exchange(pair, b"still", b"here");
}
