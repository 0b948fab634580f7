//! Limits of memory that are reached: errors for who asks for more, counters for what is dropped,
//! and everything as before when there is room again.

use std::time::Duration;

use ip::{Handle, Protocol, SocketError};
use netdev::{Instant, Loopback, Wire};
use socket::{Layers, Stack};
use tests::probe::{Ipv4, MF, Probe, parse};
use tests::sim;
use tests::virtual_net::{World, attach, counter, echo_request, rfc9293, stack};

/// A stack of these layers and a loopback.
fn stack_of(layers: Layers) -> Stack {
    let mut stack = Stack::new(layers);
    stack.add_loopback(Instant::ZERO, Box::new(Loopback::new())).unwrap();
    stack
}

/// 10.0.0.1 with these layers, and 10.0.0.2 with ordinary ones.
fn pair(layers: Layers) -> World {
    let (left, right) = Wire::pair(Duration::from_millis(1));
    let mut world = World::new([stack_of(layers), stack(rfc9293, 2)]);
    attach(&mut world.stacks[0], left, 1, "10.0.0.1/24", None);
    attach(&mut world.stacks[1], right, 2, "10.0.0.2/24", None);
    world
}

/// Readers that do not read fill TCP's memory: who connects then is refused room until they do.
#[test]
fn tcp_short_of_memory_recovers() {
    const LIMIT: usize = 300_000;
    let config = tcp::Config { memory: LIMIT, ..Default::default() };
    let tcp = Box::new(tcp::Tcp::new(config, 1));
    let mut world = pair(Layers { tcp, ..sim::layers(1) });
    let listener = world.listen(0, "10.0.0.1:80", 64);
    let mut connections: Vec<(Handle, Handle)> = Vec::new();
    for _ in 0..20 {
        let client = world.connect(1, "10.0.0.1:80");
        world.millis(10);
        let (server, _) = world.accept(0, listener).unwrap();
        connections.push((client, server));
    }
    let data = tests::payload(1, 150_000);
    for (client, _) in &connections {
        assert_eq!(world.send(1, *client, &data), data.len());
    }
    world.run(Duration::from_secs(10));
    let memory = world.count(0, "tcp", "bytes of buffer memory") as usize;
    // Beside what is over the limit because it was offered before: a first window each.
    assert!(memory > LIMIT * 3 / 4 && memory < LIMIT + 20 * 65_535 * 2, "{memory}");
    // The peer's SYN is dropped, as on a network that is too full, and sent again.
    let late = world.connect(1, "10.0.0.1:80");
    world.millis(10);
    assert_eq!(world.accept(0, listener).unwrap_err(), SocketError::WouldBlock);
    assert!(world.count(0, "tcp", "memory limit") > 0);
    // A sender here gets no room, but an answer.
    let (client, server) = connections[0];
    let sent = world.send(0, server, &data);
    assert!(sent < data.len(), "{sent}");

    let mut got = vec![Vec::new(); connections.len()];
    let done = world.until(|world| {
        for ((_, server), got) in connections.iter().zip(&mut got) {
            while let Ok(bytes) = world.receive(0, *server) {
                assert!(!bytes.is_empty());
                got.extend(bytes);
            }
        }
        got.iter().all(|got| got.len() >= data.len())
    });
    assert!(done && got.iter().all(|got| *got == data));
    let mut accepted = None;
    assert!(world.until(|world| {
        accepted = accepted.or_else(|| world.accept(0, listener).ok());
        accepted.is_some()
    }));
    let server_late = accepted.unwrap().0;
    world.exchange([(1, late), (0, server_late)], [&data, &data]);
    // What was taken from the sender at the limit has come too.
    assert_eq!(world.receive(1, client).map_or(0, |bytes| bytes.len()), sent);
    world.millis(1000);
    assert_eq!(world.count(0, "tcp", "bytes of buffer memory"), 0);
}

#[test]
fn udp_at_its_limits_refuses_and_drops() {
    let config = udp::Config { sockets: 2, receive_buffer: 20_000, ..Default::default() };
    let udp = Box::new(udp::Udp::new(config, 1));
    let mut world = pair(Layers { udp, ..sim::layers(1) });
    let receiver = world.udp(0, "0.0.0.0:9");
    let _another = world.udp(0, "0.0.0.0:10");
    let now = world.now;
    let third = world.stacks[0].with_udp(now, |udp, _| udp.open());
    assert_eq!(third, Err(SocketError::NoBuffers));
    let sender = world.udp(1, "0.0.0.0:0");
    for number in 0..100u8 {
        world.send_udp(1, sender, "10.0.0.1:9", &[number; 1000]).unwrap();
        world.millis(10);
    }
    let dropped = world.count(0, "udp", "receive queue full");
    assert!((80..100).contains(&dropped), "{dropped}");
    // The first ones, whole and in order; then there is room again.
    for number in 0..100 - dropped as u8 {
        assert_eq!(world.receive_udp(0, receiver).unwrap().data[..], [number; 1000]);
    }
    assert_eq!(world.receive_udp(0, receiver).unwrap_err(), SocketError::WouldBlock);
    world.send_udp(1, sender, "10.0.0.1:9", b"again").unwrap();
    world.millis(10);
    assert_eq!(&world.receive_udp(0, receiver).unwrap().data[..], b"again");
}

/// Fragments of datagrams that are never completed, from everywhere.
#[test]
fn reassembly_at_its_limit_stays_there_and_recovers() {
    let mut stack = stack(rfc9293, 1);
    let mut probe = Probe::attach(&mut stack, 0, true);
    let mut world = World::new([stack]);
    let flood = |world: &mut World, probe: &mut Probe| {
        for number in 0..8_000u32 {
            let src = format!("10.1.{}.{}", number % 250, number / 250 % 250);
            let mut header = Ipv4::new(&src, "10.0.0.1", Protocol::UDP);
            (header.ident, header.fragment) = (number as u16, MF | 7);
            probe.send(world.now, &header.bytes(&[0; 1400]));
            if number % 100 == 99 {
                world.millis(1);
                probe.frames(world.now);
            }
        }
    };
    let ping = |world: &mut World, probe: &mut Probe, pieces: &[(u16, &[u8])]| {
        for (fragment, bytes) in pieces {
            let mut header = Ipv4::new("10.0.0.2", "10.0.0.1", Protocol::ICMP);
            (header.ident, header.fragment) = (9, *fragment);
            probe.send(world.now, &header.bytes(bytes));
        }
        world.millis(1);
        let is_reply = |datagram: &Vec<u8>| {
            let (_, dst, _, payload) = parse(datagram);
            dst.to_string() == "10.0.0.2" && payload[0] == 0
        };
        probe.datagrams(world.now).iter().any(is_reply)
    };
    let request = echo_request(1, 1, &[7; 1992]);
    let short = echo_request(1, 1, &[7; 100]);
    flood(&mut world, &mut probe);
    assert!(world.count(0, "ip", "reassembly memory full") > 0);
    assert!(ping(&mut world, &mut probe, &[(0, &short)]), "what is whole needs no memory");
    let split = request.split_at(1000);
    let pieces = [(MF, split.0), (125, split.1)];
    // In a minute all that was incomplete has been given up.
    world.run(Duration::from_secs(60));
    probe.frames(world.now);
    assert!(world.count(0, "ip", "reassembly timed out") > 0);
    assert!(ping(&mut world, &mut probe, &pieces), "there is room again");
    assert_eq!(world.stacks[0].poll_at(), None, "a timer is left");
}

/// Datagrams for neighbours that do not exist.
#[test]
fn arp_queues_at_their_limit_drop_and_every_sender_is_told() {
    let mut world = World::pair(rfc9293);
    let sockets: Vec<_> = (3..=250)
        .map(|host| {
            let socket = world.udp(0, "0.0.0.0:0");
            world.connect_udp(0, socket, &format!("10.0.0.{host}:9"));
            socket
        })
        .collect();
    for _ in 0..10 {
        for socket in &sockets {
            world.send_udp(0, *socket, "", &[0; 1000]).unwrap();
        }
    }
    assert!(counter(&world.stacks[0], "arp", "waiting queue full") > 1000);
    // Who is there is reached in the middle of it, if not by the datagram that found no room.
    let receiver = world.udp(1, "0.0.0.0:9");
    let sender = world.udp(0, "0.0.0.0:0");
    for _ in 0..2 {
        world.send_udp(0, sender, "10.0.0.2:9", b"through").unwrap();
        world.millis(10);
    }
    assert_eq!(&world.receive_udp(1, receiver).unwrap().data[..], b"through");
    world.run(Duration::from_secs(6));
    for socket in sockets {
        // One whose datagrams had all made room for others hears of it when it sends again.
        let told = match world.receive_udp(0, socket) {
            Err(SocketError::WouldBlock) => world.send_udp(0, socket, "", b"x").map(drop),
            other => other.map(drop),
        };
        assert_eq!(told, Err(SocketError::HostUnreachable));
    }
    world.run(Duration::from_secs(3600));
    assert_eq!(world.stacks[0].poll_at(), None, "a timer is left");
}
