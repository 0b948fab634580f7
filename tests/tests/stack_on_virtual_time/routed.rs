//! A host, a router, a host: 10.0.1.1, 10.0.1.254 and 10.0.2.254, 10.0.2.2.

use std::time::Duration;

use ip::{Protocol, SocketError, Ttl};
use netdev::Instant;
use socket::RawSetting;
use tests::virtual_net::*;

const FAR: &str = "10.0.2.2";

#[test]
fn the_first_ping_gets_through_though_three_neighbours_are_unknown() {
    let mut world = World::routed(rfc9293);
    let socket = world.raw(0, Protocol::ICMP);
    world.send_raw(0, socket, FAR, &echo_request(1, 1, b"through")).unwrap();
    world.millis(20);
    let reply = world.receive_raw(0, socket).unwrap();
    assert_eq!((reply.from, reply.ttl), (addr(FAR), Ttl(63)));
    // ARP on each wire (the far host learns from the request), then the echo: 8 ms.
    assert_eq!(reply.at, Instant::from_millis(8));
}

#[test]
fn a_spent_ttl_reaches_the_raw_and_the_udp_socket_that_spent_it() {
    let mut world = World::routed(rfc9293);
    let raw = world.raw(0, Protocol(200));
    let datagrams = world.udp(0, "0.0.0.0:0");
    world.connect_udp(0, datagrams, "10.0.2.2:9");
    let now = world.now;
    world.stacks[0].with_raw(now, |sockets, _| {
        sockets.connect(raw, Some(addr(FAR))).unwrap();
        sockets.set(raw, RawSetting::Ttl(Ttl(1))).unwrap();
    });
    world.stacks[0].with_udp(now, |udp, _| udp.set(datagrams, udp::Setting::Ttl(Ttl(1)))).unwrap();
    let icmp = world.raw(0, Protocol::ICMP);
    world.send_raw(0, raw, FAR, b"one hop").unwrap();
    world.send_udp(0, datagrams, "", b"one hop").unwrap();
    world.millis(20);
    assert_eq!(world.receive_raw(0, raw), Err(SocketError::HostUnreachable));
    assert_eq!(world.receive_udp(0, datagrams), Err(SocketError::HostUnreachable));
    // As a traceroute sees it.
    for _ in 0..2 {
        let message = world.receive_raw(0, icmp).unwrap();
        assert_eq!(message.from, addr("10.0.1.254"));
        assert_eq!(message.packet[message.header_len..][..2], [11, 0]);
    }
    // One hop more, and it is there.
    world.stacks[0].with_udp(now, |udp, _| udp.set(datagrams, udp::Setting::Ttl(Ttl(2)))).unwrap();
    let server = world.udp(2, "0.0.0.0:9");
    world.send_udp(0, datagrams, "", b"two hops").unwrap();
    world.millis(20);
    assert_eq!(world.receive_udp(2, server).unwrap().ttl, Ttl(1));
}

/// Makes the router's way to the far host a narrow one, of which the hosts know nothing.
fn narrow(world: &mut World, mtu: usize) {
    let index = world.stacks[1].interfaces()[2].index;
    world.stacks[1].set_mtu(world.now, index, mtu).unwrap();
}

#[test]
fn the_router_fragments_fragments_and_the_far_host_has_the_whole() {
    let mut world = World::routed(rfc9293);
    narrow(&mut world, 300);
    let server = world.udp(2, "0.0.0.0:9");
    let client = world.udp(0, "0.0.0.0:0");
    let data = tests::payload(1, 6000);
    world.send_udp(0, client, "10.0.2.2:9", &data).unwrap();
    world.millis(20);
    assert!(world.receive_udp(2, server).unwrap().data[..] == data[..]);
    // 1480 bytes a fragment from the host, 280 at most (276, eights) from the router.
    let sent = world.stacks[1].interfaces()[2].stats.tx_packets;
    assert!(sent > 20, "only {sent} frames left the router");
}

#[test]
fn a_datagram_with_df_that_is_too_long_is_told_to_its_socket() {
    let mut world = World::routed(rfc9293);
    narrow(&mut world, 600);
    let client = world.udp(0, "0.0.0.0:0");
    world.connect_udp(0, client, "10.0.2.2:9");
    let df = udp::Setting::DontFragment(true);
    world.stacks[0].with_udp(world.now, |udp, _| udp.set(client, df)).unwrap();
    world.send_udp(0, client, "", &[0; 1000]).unwrap();
    world.millis(20);
    assert_eq!(world.receive_udp(0, client), Err(SocketError::MessageTooLong));
    // From now on the stack knows the path, and says so before it sends.
    let now = world.now;
    assert_eq!(world.stacks[0].route(now, addr(FAR)).unwrap().mtu, 600);
    assert_eq!(world.send_udp(0, client, "", &[0; 1000]), Err(SocketError::MessageTooLong));
    let server = world.udp(2, "0.0.0.0:9");
    assert_eq!(world.send_udp(0, client, "", &[7; 572]), Ok(572));
    world.millis(20);
    assert_eq!(world.receive_udp(2, server).unwrap().data.len(), 572);
}

#[test]
fn what_a_host_cannot_be_reached_by_reaches_the_sockets() {
    let mut world = World::routed(rfc9293);
    let raw = world.raw(0, Protocol(200));
    world.stacks[0]
        .with_raw(world.now, |raws, _| raws.connect(raw, Some(addr("10.0.2.9"))))
        .unwrap();
    let silent = world.udp(0, "0.0.0.0:0");
    world.connect_udp(0, silent, "10.0.2.9:9");
    let nowhere = world.udp(0, "0.0.0.0:0");
    world.connect_udp(0, nowhere, "192.168.1.1:9");
    let closed = world.udp(0, "0.0.0.0:0");
    world.connect_udp(0, closed, "10.0.2.2:9");
    world.send_raw(0, raw, "10.0.2.9", b"x").unwrap();
    for socket in [silent, nowhere, closed] {
        world.send_udp(0, socket, "", b"x").unwrap();
    }
    world.run(Duration::from_secs(10));
    assert_eq!(world.receive_raw(0, raw), Err(SocketError::HostUnreachable));
    assert_eq!(world.receive_udp(0, silent), Err(SocketError::HostUnreachable));
    assert_eq!(world.receive_udp(0, nowhere), Err(SocketError::NetworkUnreachable));
    assert_eq!(world.receive_udp(0, closed), Err(SocketError::Refused));
}

#[test]
fn a_redirect_shows_the_better_way_and_is_no_error() {
    // Two routers on the hosts' wire would need a switch; one router with a worse route does as
    // well: it sends what is for 10.0.1.2 back to where it came from, and says so.
    let mut world = World::routed(rfc9293);
    let raw = world.raw(0, Protocol(200));
    world.stacks[0]
        .with_raw(world.now, |raws, _| raws.connect(raw, Some(addr("10.0.3.3"))))
        .unwrap();
    let entry = ip::RouteEntry {
        dst: "10.0.3.0/24".parse().unwrap(),
        gateway: Some(addr("10.0.1.77")),
        iface: world.stacks[1].interfaces()[1].index,
        metric: 0,
        source: None,
        origin: ip::RouteOrigin::Static,
    };
    world.stacks[1].configure(world.now, ip::Change::AddRoute(entry)).unwrap();
    let icmp = world.raw(0, Protocol::ICMP);
    world.send_raw(0, raw, "10.0.3.3", b"x").unwrap();
    world.millis(20);
    let message = world.receive_raw(0, icmp).unwrap();
    assert_eq!(message.packet[message.header_len..][..2], [5, 1]);
    assert_eq!(message.packet[message.header_len..][4..8], [10, 0, 1, 77]);
    assert_eq!(world.receive_raw(0, raw), Err(SocketError::WouldBlock), "it was forwarded");
    let route = world.stacks[0].route(world.now, addr("10.0.3.3")).unwrap();
    assert_eq!(route.hop, ip::Hop::Neighbour(addr("10.0.1.77")));
}
