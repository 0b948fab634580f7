//! What a whole stack puts on a wire beside errors, and what it keeps off it.

use std::collections::BTreeSet;

use ip::Protocol;
use netdev::MacAddr;
use tests::probe::{Ipv4, Probe, Seen, udp};
use tests::virtual_net::*;

const EVERYBODY: MacAddr = MacAddr([0xff; 6]);

#[test]
fn r01_rarp_frames_cost_nothing() {
    let mut stack = stack(rfc9293, 1);
    let mut probe = Probe::attach(&mut stack, 0, false);
    let mut world = World::new([stack]);
    for round in 0..20 {
        for _ in 0..500 {
            probe.frame(world.now, EVERYBODY, [0x80, 0x35], &[0; 46]);
        }
        world.millis(1);
        let request = echo_request(1, round, b"alive?");
        probe.send(world.now, &Ipv4::new("10.0.0.2", "10.0.0.1", Protocol::ICMP).bytes(&request));
        world.millis(1);
        assert_eq!(probe.frames(world.now).len(), 1, "one reply, to the ping");
    }
    let drops = world.stacks[0].interfaces().pop().unwrap().stats.drops;
    assert!(drops.iter().any(|row| row == (netdev::DropReason::Rarp, 10_000)), "{drops:?}");
}

#[test]
fn r14_every_datagram_of_a_socket_has_an_id_of_its_own() {
    let mut stack = stack(rfc9293, 1);
    let mut probe = Probe::attach(&mut stack, 0, false);
    let mut world = World::new([stack]);
    let socket = world.udp(0, "0.0.0.0:0");
    for _ in 0..300 {
        world.send_udp(0, socket, "10.0.0.2:9", b"x").unwrap();
    }
    let sent = probe.datagrams(world.now);
    let ids: BTreeSet<[u8; 2]> = sent.iter().map(|d| [d[4], d[5]]).collect();
    assert_eq!((sent.len(), ids.len()), (300, 300));
}

/// A router with a probe on each side, the right one its default gateway.
fn router() -> (World, [Probe; 2]) {
    let mut stack = stack(rfc9293, 1);
    stack.configure(netdev::Instant::ZERO, ip::Change::Forwarding(true)).unwrap();
    let left = Probe::attach(&mut stack, 0, false);
    let right = Probe::attach(&mut stack, 1, true);
    (World::new([stack]), [left, right])
}

#[test]
fn r15_a_multicast_is_not_forwarded() {
    let (mut world, [mut left, mut right]) = router();
    let bytes = udp(5353, 5353, b"who is there");
    let group = Ipv4::new("10.0.0.2", "224.0.0.251", Protocol::UDP);
    left.frame(world.now, MacAddr([1, 0, 0x5e, 0, 0, 0xfb]), [8, 0], &group.bytes(&bytes));
    // Even where the frame says that it is for us.
    left.send(world.now, &Ipv4::new("10.0.0.2", "239.1.2.3", Protocol::UDP).bytes(&bytes));
    // Nor is a broadcast, limited or directed (RFC 2644), or what came in a broadcast frame.
    left.send(world.now, &Ipv4::new("10.0.0.2", "255.255.255.255", Protocol::UDP).bytes(&bytes));
    left.send(world.now, &Ipv4::new("10.0.0.2", "10.0.1.255", Protocol::UDP).bytes(&bytes));
    let unicast = Ipv4::new("10.0.0.2", "10.0.1.2", Protocol::UDP).bytes(&bytes);
    left.frame(world.now, EVERYBODY, [8, 0], &unicast);
    world.millis(5000);
    assert_eq!(right.frames(world.now), []);
    assert_eq!(left.frames(world.now), []);
    // The same datagram in a frame for us is forwarded.
    left.send(world.now, &unicast);
    world.millis(1);
    let forwarded = right.datagrams(world.now);
    assert_eq!((forwarded.len(), forwarded[0][8]), (1, 63), "{forwarded:02x?}");
}

#[test]
fn r15_a_broadcast_goes_to_everybody_and_asks_nobody() {
    let (mut world, [mut left, mut right]) = router();
    let socket = world.udp(0, "0.0.0.0:0");
    world.stacks[0]
        .with_udp(world.now, |udp, _| udp.set(socket, udp::Setting::Broadcast(true)))
        .unwrap();
    world.send_udp(0, socket, "10.0.0.255:9", b"all").unwrap();
    world.send_udp(0, socket, "224.0.0.1:9", b"group").unwrap();
    world.millis(5000);
    let frames = left.frames(world.now);
    assert_eq!(frames.len(), 1, "no ARP request for 10.0.0.255: {frames:02x?}");
    assert_eq!((frames[0].dst, frames[0].ethertype), (EVERYBODY, 0x0800));
    // The group has a link address of its own (RFC 1112 §6.4); the default route is its way.
    let frames: Vec<Seen> = right.frames(world.now);
    assert_eq!(frames.len(), 1, "{frames:02x?}");
    assert_eq!(frames[0].dst, MacAddr([1, 0, 0x5e, 0, 0, 1]));
}

#[test]
fn udp_is_demultiplexed_by_the_address_that_a_socket_is_bound_to() {
    let mut world = World::pair(rfc9293);
    let index = world.stacks[1].interfaces()[1].index;
    world.stacks[1].add_address(world.now, index, "10.0.0.22/24".parse().unwrap()).unwrap();
    let sockets = ["10.0.0.2:53", "10.0.0.22:53", "127.0.0.1:53"].map(|at| world.udp(1, at));
    let client = world.udp(0, "0.0.0.0:0");
    world.send_udp(0, client, "10.0.0.22:53", b"for 22").unwrap();
    world.send_udp(0, client, "10.0.0.2:53", b"for 2").unwrap();
    world.millis(10);
    assert_eq!(&world.receive_udp(1, sockets[0]).unwrap().data[..], b"for 2");
    let received = world.receive_udp(1, sockets[1]).unwrap();
    assert_eq!((&received.data[..], received.to), (&b"for 22"[..], addr("10.0.0.22")));
    for socket in sockets {
        assert_eq!(world.receive_udp(1, socket), Err(ip::SocketError::WouldBlock));
    }
    // The answer comes from the address that was asked.
    let to = received.from.to_string();
    world.send_udp(1, sockets[1], &to, b"from 22").unwrap();
    world.millis(10);
    assert_eq!(world.receive_udp(0, client).unwrap().from.ip(), addr("10.0.0.22"));
}

#[test]
fn many_first_packets_wait_for_one_neighbour() {
    let mut world = World::pair(rfc9293);
    let server = world.udp(1, "0.0.0.0:7");
    let client = world.udp(0, "0.0.0.0:0");
    let pings = world.raw(0, Protocol::ICMP);
    world.send_raw(0, pings, "10.0.0.2", &echo_request(1, 1, b"first")).unwrap();
    world.send_raw(0, pings, "10.0.0.2", &echo_request(1, 2, b"second")).unwrap();
    world.send_udp(0, client, "10.0.0.2:7", b"third").unwrap();
    world.millis(4);
    let reply = |received: socket::RawReceived| received.packet[received.header_len + 8..].to_vec();
    assert_eq!(world.receive_raw(0, pings).map(reply), Ok(b"first".to_vec()));
    assert_eq!(world.receive_raw(0, pings).map(reply), Ok(b"second".to_vec()));
    assert_eq!(&world.receive_udp(1, server).unwrap().data[..], b"third");
    // One ARP request, three datagrams.
    assert_eq!(world.stacks[0].interfaces()[1].stats.tx_packets, 4);
}
