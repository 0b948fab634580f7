//! Address translation, claims of addresses, and recorded routes, through whole stacks.

use std::net::SocketAddr;

use ip::{Change, IfIndex, Nat, Protocol, SocketError};
use socket::ClaimState;
use tests::virtual_net::{World, addr, echo_request, mac, rfc9293};

/// 10.0.1.1 behind 10.0.2.254, before a server at 10.0.2.2 that has no way back to 10.0.1/24.
fn translated() -> World {
    let mut world = World::routed(rfc9293);
    let now = world.now;
    let nat = Nat::new(IfIndex(1), IfIndex(2));
    world.stacks[1].configure(now, Change::Nat(Some(nat))).unwrap();
    let any = "0.0.0.0/0".parse().unwrap();
    world.stacks[2]
        .configure(now, Change::RemoveRoute { dst: any, gateway: None, metric: None })
        .unwrap();
    world
}

fn sessions(world: &World) -> usize {
    world.stacks[1].nat(world.now).unwrap().sessions.len()
}

/// RFC 5382: a connection both ways at once, which the server sees from the router.
#[test]
fn a_host_behind_the_router_reaches_a_server_by_tcp() {
    let mut world = translated();
    let (client, server) = (0, 2);
    let (here, there) = world.connection(client, server, "10.0.2.2:80");
    assert_eq!(world.info(server, there).peer.ip(), addr("10.0.2.254"));
    world.exchange([(client, here), (server, there)], [&[1; 200_000], &[2; 200_000]]);
    assert!(world.stacks[1].nat(world.now).unwrap().sessions[0].established);
}

/// RFC 4787, and RFC 5508 for the port that nobody has: the socket behind the router is told.
#[test]
fn datagrams_and_errors_find_their_socket() {
    let mut world = translated();
    let server = world.udp(2, "10.0.2.2:53");
    let client = world.udp(0, "10.0.1.1:5353");
    world.send_udp(0, client, "10.0.2.2:53", &[7; 4000]).unwrap();
    world.millis(100);
    let question = world.receive_udp(2, server).unwrap();
    assert_eq!((question.from.ip(), question.data.len()), (addr("10.0.2.254"), 4000));
    world.send_udp(2, server, &question.from.to_string(), &[8; 3000]).unwrap();
    world.millis(100);
    let answer = world.receive_udp(0, client).unwrap();
    assert_eq!(answer.from, "10.0.2.2:53".parse::<SocketAddr>().unwrap());
    assert_eq!(&answer.data[..], &[8; 3000]);

    world.connect_udp(0, client, "10.0.2.2:54");
    world.send_udp(0, client, "", b"anybody there?").unwrap();
    world.millis(100);
    assert_eq!(world.receive_udp(0, client), Err(SocketError::Refused));
    // A neighbour of the router's that does not answer: its word comes back too.
    let quiet = world.udp(0, "10.0.1.1:5354");
    world.connect_udp(0, quiet, "10.0.2.77:54");
    world.send_udp(0, quiet, "", b"anybody there?").unwrap();
    world.millis(10_000);
    assert_eq!(world.receive_udp(0, quiet), Err(SocketError::HostUnreachable));
    assert_eq!(sessions(&world), 3);
}

/// RFC 5508: and a ping of more than a link takes.
#[test]
fn pings_cross() {
    let mut world = translated();
    let raw = world.raw(0, Protocol::ICMP);
    for (seq, len) in [(1, 56), (2, 6000)] {
        world.send_raw(0, raw, "10.0.2.2", &echo_request(99, seq, &vec![3; len])).unwrap();
        world.millis(100);
        let reply = world.receive_raw(0, raw).unwrap();
        let icmp = &reply.packet[20..];
        assert_eq!((icmp[0], &icmp[4..8]), (0, &[0, 99, 0, seq as u8][..]));
        assert_eq!(icmp.len(), 8 + len);
    }
}

/// RFC 5227 §2.1: one that nobody has is used, one that somebody has is not.
#[test]
fn an_address_is_used_only_when_nobody_has_it() {
    let mut world = World::pair(rfc9293);
    let now = world.now;
    for taken in ["10.0.0.1/24", "10.0.0.7/24"] {
        world.stacks[1].claim_address(now, IfIndex(1), taken.parse().unwrap()).unwrap();
    }
    assert!(world.stacks[1].claims().iter().all(|claim| claim.state == ClaimState::Probing));
    world.millis(500);
    let addrs = |world: &World| world.stacks[1].interfaces()[1].addrs.len();
    assert_eq!(addrs(&world), 1, "not yet");
    world.millis(10_000);
    let states: Vec<ClaimState> = world.stacks[1].claims().iter().map(|c| c.state).collect();
    assert_eq!(states, [ClaimState::Refused(mac(1)), ClaimState::InUse]);
    assert_eq!(addrs(&world), 2);
    let raw = world.raw(0, Protocol::ICMP);
    world.send_raw(0, raw, "10.0.0.7", &echo_request(1, 1, b"new")).unwrap();
    world.millis(100);
    assert!(world.receive_raw(0, raw).is_ok());
}
