//! The socket calls: RFC 9293 §3.9.1.

use std::net::SocketAddr;
use std::time::Duration;

use ip::{Handle, Readiness, SocketError, Ttl};
use tcp::testing::{Pair, Script, Side, World, pattern, seg};
use tcp::{Setting, Shutdown, State};

use crate::New;

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn a_port_in_use_is_refused(new: New) {
    let mut script = Script::new(new(1));
    let first = script.host.listen(80, 5);
    let second = script.host.open();
    assert_eq!(script.host.bind(second, 80), Err(SocketError::AddrInUse));
    assert_eq!(script.host.bind(second, 81), Ok(()));
    script.host.close(first);
    let third = script.host.open();
    assert_eq!(script.host.bind(third, 80), Ok(()), "a closed listener leaves its port");
}

pub(crate) fn foreign_addresses_are_refused(new: New) {
    let mut script = Script::new(new(1));
    let socket = script.host.open();
    let foreign = "192.0.2.1:80".parse().unwrap();
    let result = script.host.call(|tcp, _, out| tcp.bind(socket, foreign, out));
    assert_eq!(result, Err(SocketError::AddrNotAvailable));
    let own = SocketAddr::new(script.host.addr(), 80);
    let result = script.host.call(|tcp, _, out| tcp.bind(socket, own, out));
    assert_eq!(result, Ok(()));
}

pub(crate) fn bad_handles_are_told(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    let closed = script.host.open();
    script.host.close(closed);
    let fresh = script.host.open();
    assert_ne!(closed, fresh, "a handle is not given away again");
    for bad in [closed, Handle { index: 9999, generation: 7 }] {
        assert_eq!(script.host.send(bad, b"x"), Err(SocketError::BadHandle));
        assert_eq!(script.host.receive(bad, 1), Err(SocketError::BadHandle));
        assert_eq!(script.host.bind(bad, 1), Err(SocketError::BadHandle));
        assert_eq!(script.host.accept(bad), Err(SocketError::BadHandle));
        assert_eq!(script.host.shutdown(bad, Shutdown::Both), Err(SocketError::BadHandle));
        assert_eq!(script.host.info(bad).map(drop), Err(SocketError::BadHandle));
        assert_eq!(script.host.readiness(bad), Readiness::empty());
        assert_eq!(script.host.take_error(bad), None);
        script.host.close(bad);
    }
}

pub(crate) fn a_call_too_early_or_too_late_is_refused(new: New) {
    let mut script = Script::new(new(1));
    let peer = script.peer;
    let fresh = script.host.open();
    assert_eq!(script.host.receive(fresh, 1), Err(SocketError::NotConnected));
    assert_eq!(script.host.shutdown(fresh, Shutdown::Write), Err(SocketError::NotConnected));
    assert!(script.host.accept(fresh).is_err_and(|error| error != SocketError::WouldBlock));
    script.accept_one(80);
    let socket = script.current();
    let again = script.host.call(|tcp, now, out| tcp.connect(now, socket, peer, out));
    assert_eq!(again, Err(SocketError::AlreadyConnected));
    assert_eq!(script.host.bind(socket, 90), Err(SocketError::Invalid));
    assert!(script.host.accept(socket).is_err_and(|error| error != SocketError::WouldBlock));
    assert_eq!(script.host.set(socket, Setting::Ttl(Ttl(0))), Err(SocketError::Invalid));
    script.host.set(socket, Setting::Ttl(Ttl(9))).unwrap();
    script.host.send(socket, b"x").unwrap();
    assert_eq!(script.host.out.sent[0].header.ttl, Ttl(9));
}

pub(crate) fn readiness_follows_the_connection(new: New) {
    let mut script = Script::new(new(1));
    script.connect();
    let socket = script.current();
    let both = Readiness::READABLE | Readiness::WRITABLE;
    assert!(!script.host.readiness(socket).intersects(both), "while it connects");
    script.host.take_woken();
    script.inject(seg("SA").mss(1460));
    assert!(script.host.take_woken().contains(&socket));
    assert_eq!(script.host.readiness(socket), Readiness::WRITABLE);
    script.inject(seg("PA").data(b"x"));
    assert!(script.host.take_woken().contains(&socket));
    assert_eq!(script.host.readiness(socket), both);
    assert_eq!(script.receive(), b"x");
    assert_eq!(script.host.readiness(socket), Readiness::WRITABLE);
    script.inject(seg("FA"));
    assert!(script.host.take_woken().contains(&socket));
    assert_eq!(script.host.readiness(socket), both | Readiness::READ_CLOSED);
    script.shutdown(Shutdown::Write);
    assert!(script.host.readiness(socket).contains(Readiness::WRITE_CLOSED | both));
}

pub(crate) fn a_full_send_buffer_is_not_writable(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    let socket = script.current();
    let mut taken = 0;
    let full = loop {
        match script.host.send(socket, &[7; 10_000]) {
            Ok(bytes) => taken += bytes,
            Err(error) => break error,
        }
    };
    assert_eq!(full, SocketError::WouldBlock);
    assert!(taken > 10_000 && taken < 100_000_000, "{taken} bytes taken");
    assert!(!script.host.readiness(socket).contains(Readiness::WRITABLE));
    script.host.take_woken();
    while !script.host.readiness(socket).contains(Readiness::WRITABLE) {
        assert!(!script.drain().is_empty(), "it sends no more and is not writable");
        script.inject(seg("A"));
    }
    assert!(script.host.take_woken().contains(&socket));
    assert!(script.host.send(socket, b"x").is_ok());
}

pub(crate) fn shut_reading_acknowledges_and_drops(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let pair = world.connect_pair(80);
    world.b.shutdown(pair.b, Shutdown::Read).unwrap();
    let data = pattern(0, 1_000_000);
    let mut sent = 0;
    let all = world.drive_until(|world| {
        while sent < data.len() {
            match world.a.send(pair.a, &data[sent..]) {
                Ok(bytes) => sent += bytes,
                Err(error) => {
                    assert_eq!(error, SocketError::WouldBlock);
                    break;
                }
            }
        }
        sent == data.len() && world.a.info(pair.a).unwrap().send_queue == 0
    });
    assert!(all, "{sent} bytes");
    assert_eq!(world.b.receive(pair.b, 10), Ok(vec![]));
    world.transfer(pair, Side::B, b"the other way");
}

pub(crate) fn facts_are_told(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.inject(seg("PA").data(b"12345"));
    script.send(b"123");
    let sent = script.drain().pop().expect("data");
    let info = script.info().unwrap();
    assert_eq!((info.local, info.peer), (script.local(), script.peer));
    assert_eq!(info.handle, script.socket);
    assert_eq!((info.receive_queue, info.send_queue), (5, 3));
    assert_eq!(info.snd_nxt.wrapping_sub(info.snd_una), 3);
    assert_eq!(info.rcv_nxt, script.peer_isn.wrapping_add(6));
    assert_eq!((info.snd_mss, info.advmss), (1460, 1460));
    assert!(info.rto >= Duration::from_millis(200), "{:?}", info.rto);
    assert_eq!(sent.ack, Some(6));
    assert!(info.timer.is_some(), "the retransmission timer runs");
    let all = script.host.tcp.sockets(script.now());
    let states: Vec<_> = all.iter().map(|info| info.state).collect();
    assert_eq!(states, [State::Listen, State::Established]);
    assert!(!script.host.tcp.counters().is_empty());
}

/// RFC 9293 §3.5: a simultaneous open of one.
pub(crate) fn a_connection_to_oneself(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let listener = world.a.listen(80, 5);
    let client = world.a.connect(SocketAddr::new(Side::A.addr(), 80));
    let mut server = None;
    assert!(world.drive_until(|world| {
        server = server.or_else(|| world.a.accept(listener).ok());
        server.is_some() && world.a.state(client) == State::Established
    }));
    let (server, _) = server.unwrap();
    world.a.send(client, b"hello").unwrap();
    assert!(world.drive_until(|world| world.a.receive(server, 10) == Ok(b"hello".to_vec())));
    world.a.close(client);
    world.a.close(server);
    world.a.close(listener);
    world.drive_for(600 * SECOND);
    assert_eq!(world.a.tcp.sockets(world.now()), []);
}

pub(crate) fn five_hundred_connections(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let listener = world.b.listen(80, 128);
    let pairs: Vec<Pair> = (0..500).map(|_| world.connect_to(listener, 80)).collect();
    for (number, pair) in pairs.iter().enumerate() {
        world.a.send(pair.a, &pattern(number, 3000)).unwrap();
        world.b.send(pair.b, &pattern(number + 1, 2000)).unwrap();
    }
    world.drive_for(10 * SECOND);
    for (number, pair) in pairs.iter().enumerate() {
        assert_eq!(world.b.receive(pair.b, 10_000), Ok(pattern(number, 3000)));
        assert_eq!(world.a.receive(pair.a, 10_000), Ok(pattern(number + 1, 2000)));
        world.a.close(pair.a);
        world.b.close(pair.b);
    }
    world.b.close(listener);
    world.drive_for(600 * SECOND);
    for host in [&world.a, &world.b] {
        assert_eq!(host.tcp.sockets(host.now).len(), 0);
    }
}
