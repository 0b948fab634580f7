//! Address translation, claims of addresses, and recorded routes, through whole stacks.

use std::net::SocketAddr;

use ip::{Change, IfIndex, Nat, Protocol, SocketError};
use socket::{ClaimState, Probe};
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
        let taken = taken.parse().unwrap();
        world.stacks[1].claim_address(now, IfIndex(1), taken, None, Probe::First).unwrap();
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

/// Used at once, and given up when somebody answers; nobody is harmed who was there before.
#[test]
fn an_address_can_be_used_while_it_is_asked_for() {
    let mut world = World::pair(rfc9293);
    let claim = |world: &mut World, wanted: &str| {
        let (now, wanted) = (world.now, wanted.parse().unwrap());
        world.stacks[1].claim_address(now, IfIndex(1), wanted, None, Probe::Meanwhile).unwrap();
    };
    let states = |world: &World| -> Vec<ClaimState> {
        world.stacks[1].claims().iter().map(|claim| claim.state).collect()
    };
    claim(&mut world, "10.0.0.7/24");
    let raw = world.raw(0, Protocol::ICMP);
    world.send_raw(0, raw, "10.0.0.7", &echo_request(1, 1, b"at once")).unwrap();
    world.millis(100);
    assert!(world.receive_raw(0, raw).is_ok(), "it answers before anybody else could");
    claim(&mut world, "10.0.0.1/24");
    assert_eq!(states(&world), [ClaimState::Optimistic; 2]);
    world.millis(10_000);
    assert_eq!(states(&world), [ClaimState::InUse, ClaimState::Refused(mac(1))]);
    let of = |world: &World, stack: usize| world.stacks[stack].interfaces()[1].addrs.clone();
    let texts = |addrs: Vec<ip::Cidr>| addrs.iter().map(|a| a.to_string()).collect::<Vec<_>>();
    assert_eq!(texts(of(&world, 1)), ["10.0.0.2/24", "10.0.0.7/24"]);
    assert_eq!(texts(of(&world, 0)), ["10.0.0.1/24"], "who had it keeps it");
}

/// Where nobody is asked, nothing is sent.
#[test]
fn an_address_that_nobody_is_asked_for_is_used_at_once() {
    let mut world = World::pair(rfc9293);
    let (now, wanted) = (world.now, "10.0.0.7/24".parse().unwrap());
    let before = world.count(1, "arp", "requests sent");
    world.stacks[1].claim_address(now, IfIndex(1), wanted, None, Probe::Never).unwrap();
    assert_eq!(world.stacks[1].claims()[0].state, ClaimState::InUse);
    world.millis(10_000);
    assert_eq!(world.count(1, "arp", "requests sent"), before);
}

/// RFC 5227 §2.4 (b), and "before abandoning an address due to a conflict, hosts should actively
/// attempt to reset any existing connections using that address".
#[test]
fn an_address_that_another_host_insists_on_is_given_up_and_its_connections_reset() {
    let mut world = World::pair(rfc9293);
    let (client, server) = world.connection(0, 1, "10.0.0.2:80");
    let listener = world.listen(0, "10.0.0.1:99", 5);
    let now = world.now;
    let theirs = addr("10.0.0.1");
    for change in [arp::Change::AddAddress(theirs), arp::Change::Announce(theirs)] {
        world.stacks[1].configure_arp(now, IfIndex(1), change).unwrap();
    }
    world.millis(5_000);
    assert!(world.stacks[0].interfaces()[1].addrs.is_empty());
    assert_eq!(world.count(0, "arp", "addresses given up"), 1);
    assert_eq!(world.receive(0, client), Err(SocketError::Aborted));
    assert_eq!(world.receive(1, server), Err(SocketError::Reset));
    assert_eq!(world.info(0, listener).state, tcp::State::Listen, "it waits for a better time");
}

/// Whoever asked for it may think better of it meanwhile.
#[test]
fn an_address_that_is_not_wanted_any_more_is_not_asked_for() {
    let mut world = World::pair(rfc9293);
    let (now, wanted) = (world.now, "10.0.0.7/24".parse().unwrap());
    for probe in [Probe::First, Probe::Meanwhile] {
        world.stacks[1].claim_address(now, IfIndex(1), wanted, None, probe).unwrap();
        world.stacks[1].remove_address(now, IfIndex(1), wanted).unwrap();
        assert_eq!(world.stacks[1].claims(), []);
        assert!(world.stacks[1].remove_address(now, IfIndex(1), wanted).is_err());
    }
    world.millis(20_000);
    assert_eq!(world.stacks[1].interfaces()[1].addrs.len(), 1);
    assert_eq!(world.count(1, "arp", "requests sent"), 0);
}

fn neighbour(world: &World) -> arp::Entry {
    world.stacks[0].arp_entries(world.now)[0].1
}

/// RFC 4861 §7.3.1, RFC 1122 §2.3.2.1: acknowledgments of new data say that the neighbour hears us.
#[test]
fn tcp_progress_confirms_a_neighbour_that_is_never_asked_again() {
    let mut world = World::pair(rfc9293);
    let (client, server) = world.connection(0, 1, "10.0.0.2:80");
    let asked = world.count(0, "arp", "requests sent");
    for _ in 0..20 {
        world.send(0, client, b"still there");
        world.millis(100_000);
        assert_eq!(world.receive(1, server).as_deref(), Ok(&b"still there"[..]));
        assert_eq!(neighbour(&world).state, arp::State::Reachable);
    }
    assert_eq!(world.count(0, "arp", "requests sent"), asked, "in two thousand seconds");
    // Datagrams that nobody answers confirm nothing.
    let udp = world.udp(0, "10.0.0.1:5000");
    let _peer = world.udp(1, "10.0.0.2:6000");
    for _ in 0..20 {
        world.send_udp(0, udp, "10.0.0.2:6000", b"one way").unwrap();
        world.millis(100_000);
    }
    assert!(world.count(0, "arp", "requests sent") > asked);
}

/// RFC 1122 §3.3.1.4: a TCP that has to send again and again doubts the way.
#[test]
fn a_peer_that_falls_silent_is_asked_for_long_before_its_entry_is_old() {
    let mut world = World::pair(rfc9293);
    let (client, _server) = world.connection(0, 1, "10.0.0.2:80");
    world.send(0, client, b"hello");
    world.millis(1_000);
    assert_eq!(neighbour(&world).state, arp::State::Reachable);
    let now = world.now;
    world.stacks[1].set_interface_up(now, IfIndex(1), false).unwrap();
    let asked = world.count(0, "arp", "requests sent");
    world.send(0, client, b"anybody?");
    world.millis(60_000);
    assert!(world.count(0, "arp", "requests sent") > asked, "a minute, not ten");
}
