//! What a connection costs, and what bounds it.

use super::*;
use crate::congestion::Cubic;
use crate::reassembly::Ordered;
use crate::recovery::Rack;
use crate::rtt::Rfc6298;
use crate::tcb::Tcb;

/// An idle established connection costs a KiB beyond its buffers, and it has none.
#[test]
fn an_idle_connection_takes_a_kibibyte() {
    let parts =
        size_of::<Cubic>() + size_of::<Ordered>() + size_of::<Rack>() + size_of::<Rfc6298>();
    let size = size_of::<Tcb>() + parts;
    assert!(size <= 1024, "{size} bytes, {} of them the TCB", size_of::<Tcb>());
    let mut world = world(Config::default());
    let pair = world.connect_pair(80);
    world.exchange(pair, &pattern(0, 100_000), &pattern(0, 100_000));
    world.drive_for(10 * SECOND);
    assert_eq!(world.a.counter("bytes of buffer memory"), 0);
    assert_eq!(world.b.counter("bytes of buffer memory"), 0);
}

/// 100,000 idle connections: a poll looks at none of them.
#[test]
fn idle_connections_have_nothing_to_wait_for() {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 4096);
    for port in 1..=2000u16 {
        script.peer.set_port(port);
        script.inject(seg("S").seq(0).mss(1460));
        script.host.out.sent.clear();
        let local = script.local();
        let info = script.host.tcp.sockets(script.host.now);
        let iss = info.iter().find(|info| info.peer == script.peer).unwrap().snd_una;
        // Relative to what the script saw last, which is not this one's.
        let ack = seg("A").seq(script.peer_isn.wrapping_add(1)).ack(iss.wrapping_add(1)).win(1000);
        let packet = ack.from(script.peer).to(local).emit();
        let header = ip::Header::new(PEER, local.ip(), ip::Protocol::TCP);
        script.host.input(header, netdev::Packet::from_payload(&packet));
        script.host.call(|tcp, _, _| tcp.accept(listener)).unwrap();
    }
    script.host.poll();
    script.wait(10 * SECOND);
    assert_eq!(script.host.tcp.poll_at(), None);
    assert_eq!(script.host.counter("connections"), 2000);
}

/// The stack's memory: windows stop growing and new connections are refused, what was
/// acknowledged is kept.
#[test]
fn a_stack_short_of_memory_takes_no_new_connections() {
    let mut script = script(Config { memory: 10_000, ..Config::default() });
    let listener = script.accept_one(80);
    for _ in 0..10 {
        script.inject(seg("A").len(1460));
    }
    script.drain();
    script.peer.set_port(6000);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect_nothing();
    assert_eq!(script.host.counter("memory limit"), 1);
    script.peer.set_port(5000);
    script.inject(seg("A").seq(20_000).len(1000));
    assert_eq!(script.host.counter("memory limit"), 2);
    assert_eq!(script.receive().len(), 14_600);
    script.drain();
    script.peer.set_port(6001);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.host.close(listener);
}

/// Windows shrink for all, and whatever was acknowledged is there when it is read at last.
#[test]
fn memory_of_readers_that_do_not_read_is_bounded_and_nothing_is_lost() {
    const LIMIT: usize = 400_000;
    let receiver = Config { memory: LIMIT, ..Config::default() };
    let mut world = World::new(1, tcp(Config::default(), 1), tcp(receiver, 2));
    let listener = world.b.listen(80, 64);
    let pairs: Vec<_> = (0..20).map(|_| world.connect_to(listener, 80)).collect();
    let data = pattern(0, 200_000);
    for pair in &pairs {
        assert_eq!(world.a.send(pair.a, &data), Ok(data.len()));
    }
    let mut most = 0;
    for _ in 0..100 {
        world.drive_for(100 * MS);
        most = most.max(world.b.counter("bytes of buffer memory") as usize);
    }
    // What was offered before memory was short still comes: at most the first windows, and as
    // much again where a buffer has grown by doubling.
    assert!((LIMIT * 3 / 4..20 * 65_535 * 2).contains(&most), "{most}");
    let before = most;
    world.drive_for(100 * SECOND);
    assert!(world.b.counter("bytes of buffer memory") as usize <= before);
    let mut got = vec![Vec::new(); pairs.len()];
    let done = world.drive_until(|world| {
        for (pair, got) in pairs.iter().zip(&mut got) {
            if let Ok((bytes, _)) = world.b.receive_all(pair.b) {
                got.extend(bytes);
            }
        }
        got.iter().all(|got| got.len() >= data.len())
    });
    assert!(done && got.iter().all(|got| *got == data));
    assert_eq!(world.b.counter("bytes of buffer memory"), 0);
}

/// A sender short of memory takes less, says so, and goes on.
#[test]
fn memory_of_writers_is_bounded() {
    const LIMIT: usize = 200_000;
    let sender = Config { memory: LIMIT, ..Config::default() };
    let mut world = World::new(1, tcp(sender, 1), tcp(Config::default(), 2));
    let listener = world.b.listen(80, 64);
    let pairs: Vec<_> = (0..20).map(|_| world.connect_to(listener, 80)).collect();
    let data = pattern(0, 100_000);
    let (mut sent, mut got, mut short) = ([0; 20], vec![Vec::new(); 20], 0);
    let done = world.drive_until(|world| {
        for (i, pair) in pairs.iter().enumerate() {
            while sent[i] < data.len()
                && world.a.tcp.readiness(pair.a).contains(ip::Readiness::WRITABLE)
            {
                let rest = &data[sent[i]..];
                let len = world.a.send(pair.a, rest).expect("what writable promised");
                sent[i] += len;
                short += usize::from(len < rest.len());
            }
            let memory = world.a.counter("bytes of buffer memory") as usize;
            assert!(memory < LIMIT + 2 * data.len() + 20 * 2 * 4096, "{memory}");
            got[i].extend(world.b.receive_all(pair.b).unwrap().0);
        }
        got.iter().all(|got| got.len() >= data.len())
    });
    assert!(done && got.iter().all(|got| *got == data));
    assert!(short > 0, "there was memory enough");
    world.drive_for(SECOND);
    assert_eq!(world.a.counter("bytes of buffer memory"), 0);
}

#[test]
fn sockets_and_connections_are_limited() {
    let config = Config { max_sockets: 2, max_connections: 1, ..Config::default() };
    let mut script = script(config);
    let first = script.host.connect(script.peer);
    let second = script.host.open();
    let third = script.host.call(|tcp, _, _| tcp.open());
    assert_eq!(third, Err(ip::SocketError::NoBuffers));
    let peer = script.peer;
    let result = script.host.call(|tcp, now, out| tcp.connect(now, second, peer, out));
    assert_eq!(result, Err(ip::SocketError::NoBuffers));
    script.host.close(first);
    let result = script.host.call(|tcp, now, out| tcp.connect(now, second, peer, out));
    assert_eq!(result, Err(ip::SocketError::InProgress));
}

/// CVE-2018-5390: every second byte of the window, as slowly as it can be.
#[test]
fn tiny_pieces_out_of_order_are_bounded() {
    let mut script = script(Config::default());
    script.accept_one(80);
    for place in (1..60_000).step_by(2) {
        script.inject(seg("A").seq(1 + place).data(b"x"));
        script.host.out.sent.clear();
    }
    let info = script.info().unwrap();
    assert!(info.memory < 4 << 20, "{}", info.memory);
    script.inject(seg("A").seq(1).len(60_000));
    assert_eq!(script.receive().len(), 60_000);
    assert_eq!(script.host.counter("bytes of buffer memory"), 0);
}
