//! The implementations with one another: neither may depend on the other side being itself.

use fastrand::Rng;
use ip::SocketError;
use tcp::testing::{LinkConfig, Side, World, pattern};
use tcp::{Config, Shutdown, SmallTcp, Streams, Tcp};

fn small(seed: u64) -> Box<dyn Streams> {
    Box::new(SmallTcp::new(seed))
}

fn whole(seed: u64) -> Box<dyn Streams> {
    Box::new(Tcp::new(Config::default(), seed))
}

#[test]
fn small_connects_to_whole() {
    bulk(|seed, link| World::with_link(seed, link, small(1), whole(2)));
}

#[test]
fn whole_connects_to_small() {
    bulk(|seed, link| World::with_link(seed, link, whole(1), small(2)));
}

#[test]
fn whatever_small_and_whole_do() {
    for seed in 0..30 {
        anything(seed, |seed, link| World::with_link(seed, link, small(seed), whole(!seed)));
    }
}

#[test]
fn whatever_two_small_ones_do() {
    for seed in 0..30 {
        anything(seed, |seed, link| World::with_link(seed, link, small(seed), small(!seed)));
    }
}

#[test]
fn whatever_two_whole_ones_do() {
    for seed in 0..30 {
        anything(seed, |seed, link| World::with_link(seed, link, whole(seed), whole(!seed)));
    }
}

fn bulk(new: impl Fn(u64, LinkConfig) -> World) {
    let mut world = new(1, LinkConfig::default());
    let pair = world.connect_pair(80);
    world.exchange(pair, &pattern(0, 3_000_000), &pattern(9, 3_000_000));
    for seed in 2..8 {
        let mut world = new(seed, LinkConfig::bad());
        let pair = world.connect_pair(80);
        world.exchange(pair, &pattern(0, 300_000), &pattern(9, 200_000));
    }
}

/// Sends, reads, shuts and closes at random over a bad link: what is read is what was sent, up to
/// some point; up to the end, where nobody closed with bytes unread; and nothing is left behind.
fn anything(seed: u64, new: impl Fn(u64, LinkConfig) -> World) {
    let mut rng = Rng::with_seed(seed);
    let link = LinkConfig {
        loss: rng.f64() * 0.1,
        duplication: rng.f64() * 0.1,
        reordering: rng.f64() * 0.3,
        corruption: rng.f64() * 0.02,
        ..LinkConfig::default()
    };
    let mut world = new(seed, link);
    let pair = world.connect_pair(80);
    let (mut sent, mut read, mut open) = ([0; 2], [0; 2], [true; 2]);
    let (mut shut, mut ended, mut failed) = ([false; 2], [false; 2], [false; 2]);
    for _ in 0..400 {
        let side = if rng.bool() { Side::A } else { Side::B };
        let (me, you, socket) = (side as usize, side.other() as usize, pair.at(side));
        let host = world.host(side);
        match rng.u8(..40) {
            _ if !open[me] => {}
            0..12 => match host.send(socket, &pattern(sent[me], rng.usize(1..20_000))) {
                Ok(bytes) => sent[me] += bytes,
                Err(SocketError::WouldBlock) => {}
                Err(SocketError::BrokenPipe) if shut[me] => {}
                Err(error) => assert!(note(error, &mut failed), "send: {error}"),
            },
            12..30 => match host.receive(socket, rng.usize(1..20_000)) {
                Ok(some) if some.is_empty() => ended[me] = true,
                Ok(some) => {
                    assert!(some == pattern(read[me], some.len()), "wrong bytes at {}", read[me]);
                    read[me] += some.len();
                }
                Err(SocketError::WouldBlock) => {}
                Err(error) => assert!(note(error, &mut failed), "receive: {error}"),
            },
            30 if rng.u8(..8) == 0 => {
                shut[me] |= host.shutdown(socket, Shutdown::Write).is_ok();
            }
            31 if rng.u8(..16) == 0 => {
                host.close(socket);
                open[me] = false;
            }
            _ => {
                for _ in 0..rng.u8(..20) {
                    world.step();
                }
            }
        }
        assert!(read[me] <= sent[you], "{} bytes read of {}", read[me], sent[you]);
        // The end comes after all that was sent, unless a reset cut it short.
        if ended[me] && open[you] && !failed[0] && !failed[1] {
            assert!(shut[you] && read[me] == sent[you], "{} of {}", read[me], sent[you]);
        }
    }
    // Who is still there reads to the end and closes.
    for side in [Side::A, Side::B] {
        if open[side as usize] {
            let _ = world.host(side).shutdown(pair.at(side), Shutdown::Write);
        }
    }
    for side in [Side::A, Side::B].into_iter().filter(|side| open[*side as usize]) {
        let (me, you, socket) = (side as usize, side.other() as usize, pair.at(side));
        let over = world.drive_until(|world| match world.host(side).receive_all(socket) {
            Ok((some, end)) => {
                assert!(some == pattern(read[me], some.len()), "wrong bytes at {}", read[me]);
                read[me] += some.len();
                end
            }
            Err(_) => {
                failed[me] = true;
                true
            }
        });
        // The reset of one who closed may have been lost: that is a peer that vanished.
        assert!(over || !open[you], "{side:?} never saw the end");
        if open[0] && open[1] && !failed[0] && !failed[1] {
            assert_eq!(read[me], sent[you], "{side:?} has not got it all");
        }
    }
    for side in [Side::A, Side::B].into_iter().filter(|side| open[*side as usize]) {
        world.host(side).close(pair.at(side));
    }
    world.drive_for(std::time::Duration::from_secs(3600));
    for host in [&world.a, &world.b] {
        assert_eq!(host.tcp.sockets(host.now), [], "something is left");
        assert_eq!(host.tcp.poll_at(), None, "a timer of nothing");
    }
}

/// A reset may have come where somebody closed before all was read.
fn note(error: SocketError, failed: &mut [bool; 2]) -> bool {
    *failed = [true; 2];
    matches!(error, SocketError::Reset | SocketError::BrokenPipe)
}
