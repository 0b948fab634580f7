//! Interfaces that are changed while they are in use: what `ifconfig` does to sockets.

use ip::{Cause, IfIndex, Protocol, SocketError};
use socket::{ClaimState, Probe};
use tests::virtual_net::{World, addr, echo_request, mac, rfc9293, small};

const IF: IfIndex = IfIndex(1);

fn take(world: &mut World, cidr: &str) {
    let now = world.now;
    world.stacks[0].remove_address(now, IF, cidr.parse().unwrap()).unwrap();
}

fn give(world: &mut World, cidr: &str) {
    let now = world.now;
    world.stacks[0].add_address(now, IF, cidr.parse().unwrap()).unwrap();
}

/// As on Linux: the connection waits for its address, and goes on with it.
#[test]
fn a_connection_outlives_its_address_for_a_while() {
    for tcp in [rfc9293, small] {
        let mut world = World::pair(tcp);
        let (client, server) = world.connection(0, 1, "10.0.0.2:80");
        take(&mut world, "10.0.0.1/24");
        assert_eq!(world.send(0, client, b"from nowhere"), 12, "taken, as for a link that is down");
        assert_eq!(world.send(1, server, b"to nowhere"), 10);
        world.millis(1_000);
        assert_eq!(
            world.receive(1, server),
            Err(SocketError::WouldBlock),
            "nothing leaves from it"
        );
        assert_eq!(world.receive(0, client), Err(SocketError::WouldBlock), "nor reaches it");
        give(&mut world, "10.0.0.1/24");
        world.millis(10_000);
        assert_eq!(world.receive(1, server).as_deref(), Ok(&b"from nowhere"[..]));
        assert_eq!(world.receive(0, client).as_deref(), Ok(&b"to nowhere"[..]));
    }
}

#[test]
fn a_connection_whose_address_stays_away_ends_with_an_error() {
    let mut world = World::pair(rfc9293);
    let (client, _server) = world.connection(0, 1, "10.0.0.2:80");
    take(&mut world, "10.0.0.1/24");
    world.send(0, client, b"from nowhere");
    // RFC 9293 §3.8.3 (R2): some quarter of an hour of retransmissions.
    world.millis(1_200_000);
    let error = world.receive(0, client).expect_err("it gave up");
    assert!(matches!(error, SocketError::TimedOut | SocketError::NetworkUnreachable), "{error:?}");
}

/// A socket that is bound to the address cannot send from it, and is not lost either.
#[test]
fn a_bound_datagram_socket_waits_for_its_address() {
    let mut world = World::pair(rfc9293);
    let (here, there) = (world.udp(0, "10.0.0.1:5000"), world.udp(1, "10.0.0.2:6000"));
    take(&mut world, "10.0.0.1/24");
    assert!(world.send_udp(0, here, "10.0.0.2:6000", b"gone").is_err());
    world.send_udp(1, there, "10.0.0.1:5000", b"gone").unwrap();
    world.millis(100);
    give(&mut world, "10.0.0.1/24");
    // Beyond the time for which an unanswered neighbour is not asked again.
    world.millis(10_000);
    let _ = world.receive_udp(1, there);
    world.send_udp(0, here, "10.0.0.2:6000", b"back").unwrap();
    world.millis(1_000);
    assert_eq!(world.receive_udp(1, there).unwrap().data[..], *b"back");
}

/// Addresses and routes stay, and are used again; what arrives and would leave is counted.
#[test]
fn an_interface_that_is_down_drops_with_a_reason_and_comes_back_with_its_routes() {
    let mut world = World::pair(rfc9293);
    let (client, server) = world.connection(0, 1, "10.0.0.2:80");
    let (now, far) = (world.now, "192.0.2.0/24".parse().unwrap());
    let route = ip::RouteEntry {
        dst: far,
        gateway: Some(addr("10.0.0.2")),
        iface: IF,
        metric: 5,
        source: None,
        origin: ip::RouteOrigin::Static,
    };
    world.stacks[0].configure(now, ip::Change::AddRoute(route)).unwrap();
    world.stacks[0].set_interface_up(now, IF, false).unwrap();
    for dst in ["10.0.0.2", "192.0.2.9"] {
        let way = world.stacks[0].route(now, addr(dst));
        assert_eq!(way.map(|_| ()), Err(Cause::NetworkUnreachable), "{dst}");
    }
    let down = |world: &World| world.count(0, "stack", "interface down");
    let before = down(&world);
    world.send(1, server, b"hello?");
    world.millis(100);
    assert!(down(&world) > before, "what arrived");
    let sent = world.stacks[0].interfaces()[1].stats.tx_packets;
    assert_eq!(world.send(0, client, b"hello?"), 6);
    world.millis(2_000);
    assert_eq!(world.stacks[0].interfaces()[1].stats.tx_packets, sent, "nothing left");
    assert!(world.stacks[0].arp_entries(world.now).is_empty(), "neighbours are asked for anew");

    let now = world.now;
    world.stacks[0].set_interface_up(now, IF, true).unwrap();
    for dst in ["10.0.0.2", "192.0.2.9"] {
        assert!(world.stacks[0].route(now, addr(dst)).is_ok(), "{dst}");
    }
    world.millis(10_000);
    assert_eq!(world.receive(1, server).as_deref(), Ok(&b"hello?"[..]));
    assert_eq!(world.receive(0, client).as_deref(), Ok(&b"hello?"[..]));
}

/// ARP's own timers must not send by an interface that is down: here a probe for an address.
#[test]
fn a_resolver_sends_nothing_by_an_interface_that_is_down() {
    let mut world = World::pair(rfc9293);
    let (now, wanted) = (world.now, "10.0.0.7/24".parse().unwrap());
    world.stacks[0].claim_address(now, IF, wanted, None, Probe::First).unwrap();
    world.stacks[0].set_interface_up(now, IF, false).unwrap();
    let sent = world.stacks[0].interfaces()[1].stats.tx_packets;
    world.millis(10_000);
    assert_eq!(world.stacks[0].interfaces()[1].stats.tx_packets, sent);
    assert!(world.count(0, "stack", "interface down") >= 3, "three probes at least");
}

/// RFC 5227 §2.1: a link that is back may be another one.
#[test]
fn an_interface_that_is_up_again_asks_for_its_address_anew() {
    let mut world = World::pair(rfc9293);
    let (now, wanted) = (world.now, "10.0.0.7/24".parse().unwrap());
    let claim = |world: &World| world.stacks[0].claims()[0].state;
    world.stacks[0].claim_address(now, IF, wanted, None, Probe::First).unwrap();
    world.millis(10_000);
    assert_eq!(claim(&world), ClaimState::InUse);
    for another_came in [false, true] {
        let now = world.now;
        world.stacks[0].set_interface_up(now, IF, false).unwrap();
        if another_came {
            world.stacks[1].add_address(now, IF, wanted).unwrap();
        }
        world.millis(10_000);
        let now = world.now;
        world.stacks[0].set_interface_up(now, IF, true).unwrap();
        assert_eq!(claim(&world), ClaimState::Optimistic, "used meanwhile");
        world.millis(10_000);
        let owned = world.stacks[0].interfaces()[1].addrs.contains(&wanted);
        assert_eq!(owned, !another_came);
        let state = if another_came { ClaimState::Refused(mac(2)) } else { ClaimState::InUse };
        assert_eq!(claim(&world), state);
    }
}

/// What is sent after it fits the new MTU.
#[test]
fn a_smaller_mtu_counts_from_the_next_datagram_on() {
    let mut world = World::pair(rfc9293);
    let raw = world.raw(0, Protocol::ICMP);
    let ping = |world: &mut World, seq| {
        world.send_raw(0, raw, "10.0.0.2", &echo_request(1, seq, &[7; 1400])).unwrap();
        world.millis(100);
        world.receive_raw(0, raw).unwrap();
    };
    ping(&mut world, 1);
    let created = world.count(0, "ip", "fragments made");
    assert_eq!(created, 0);
    let now = world.now;
    world.stacks[0].set_mtu(now, IF, 600).unwrap();
    assert_eq!(world.stacks[0].interfaces()[1].mtu, 600);
    ping(&mut world, 2);
    assert_eq!(world.count(0, "ip", "fragments made"), 3);
}
