//! A device that fails under a stack without threads, on virtual time.

use std::time::Duration;

use ip::SocketError;
use netdev::{DropReason, Instant, Wire};
use tests::virtual_net::{MakeTcp, World, rfc9293};

use super::device::{Fault, Faulty, Switch};

const SEED: u64 = 4;

/// 10.0.0.1, whose device fails when the switch says so, and 10.0.0.2.
fn pair(tcp: MakeTcp) -> (World, Switch) {
    let (left, right) = Wire::pair(Duration::from_millis(1));
    let (left, switch) = Faulty::new(left, SEED);
    (World::pair_on(tcp, left, right), switch)
}

/// Sends `data` both ways over a connection; `fault` comes up in the middle, for `outage`.
fn transfer(tcp: MakeTcp, fault: Fault, outage: Duration) {
    let (mut world, switch) = pair(tcp);
    let (client, server) = world.connection(1, 0, "10.0.0.1:80");
    let ends = [(1, client), (0, server)];
    let data = tests::payload(SEED, 300_000);
    let (mut sent, mut got) = ([0; 2], [Vec::new(), Vec::new()]);
    // When the fault came up.
    let mut since: Option<Instant> = None;
    let mut over = false;
    let done = world.until(|world| {
        for (end, (stack, socket)) in ends.into_iter().enumerate() {
            while sent[end] < data.len() {
                match world.send(stack, socket, &data[sent[end]..]) {
                    0 => break,
                    count => sent[end] += count,
                }
            }
            while let Ok(bytes) = world.receive(stack, socket) {
                assert!(!bytes.is_empty(), "{fault:?}: the stream ended early");
                got[end].extend(bytes);
            }
        }
        if since.is_none() && got[0].len() > data.len() / 3 {
            switch.set(fault);
            since = Some(world.now);
        }
        if !over && since.is_some_and(|since| world.now >= since + outage) {
            assert!(switch.met() > 0, "{fault:?} was never met");
            switch.set(Fault::None);
            over = true;
        }
        over && got.iter().all(|got| got.len() >= data.len())
    });
    assert!(done, "{fault:?} for {outage:?}: stuck with {} and {}", got[0].len(), got[1].len());
    assert!(got.iter().all(|got| *got == data), "{fault:?}: other bytes than were sent");
    if fault == Fault::Full {
        let stats = &world.stacks[0].interfaces()[1].stats;
        assert!(stats.drops[DropReason::QueueFull] > 0, "{stats:?}");
    }
}

fn outlived(tcp: MakeTcp) {
    for fault in Fault::PASSING {
        for millis in [50, 3_000, 60_000] {
            transfer(tcp, fault, Duration::from_millis(millis));
        }
    }
}

#[test]
fn a_transfer_outlives_every_fault_that_passes() {
    outlived(rfc9293);
}

#[test]
fn the_small_tcp_does_too() {
    // It gives up sooner.
    for fault in Fault::PASSING {
        transfer(tests::virtual_net::small, fault, Duration::from_secs(3));
    }
}

/// Without an event loop nobody tells the sockets; but what they send fails, and they give up in
/// the time that they have.
#[test]
fn when_the_device_is_gone_sockets_get_errors() {
    let (mut world, switch) = pair(rfc9293);
    let (_client, server) = world.connection(1, 0, "10.0.0.1:80");
    let udp = world.udp(0, "0.0.0.0:9");
    let raw = world.raw(0, ip::Protocol(200));
    let first = world.connect(0, "10.0.0.2:81");
    switch.set(Fault::Gone);
    assert!(world.send(0, server, &[1; 100_000]) > 0);
    world.millis(1);
    let down = [SocketError::NetworkUnreachable, SocketError::HostUnreachable];
    let error = world.send_udp(0, udp, "10.0.0.2:9", b"x").unwrap_err();
    assert!(down.contains(&error), "{error}");
    let error = world.send_raw(0, raw, "10.0.0.2", b"x").unwrap_err();
    assert!(down.contains(&error), "{error}");
    let now = world.now;
    let another = world.stacks[0].with_tcp(now, |tcp, out| {
        let socket = tcp.open().unwrap();
        tcp.connect(now, socket, "10.0.0.2:82".parse().unwrap(), out)
    });
    assert!(down.contains(&another.unwrap_err()));
    for socket in [server, first] {
        let ended = world.until(|world| {
            let result = world.receive(0, socket);
            !matches!(result, Err(SocketError::WouldBlock | SocketError::NotConnected))
        });
        assert!(ended, "a connection over a device that is gone for ever");
    }
    world.run(Duration::from_secs(3600));
    assert_eq!(world.stacks[0].poll_at(), None, "a timer runs for ever");
}
