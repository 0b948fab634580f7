//! TCP in whole stacks.

use std::time::Duration;

use ip::{Protocol, SocketError};
use netdev::{FaultConfig, FaultInjector, Instant, Probability, Wire};
use tcp::State;
use tests::probe::{Ipv4, Probe, parse};
use tests::virtual_net::*;
use tests::{payload, with_each_tcp};

with_each_tcp! {
    bulk_goes_both_ways_through_a_router,
    bulk_survives_a_narrow_link_behind_the_router,
    r05_an_idle_connection_is_silent,
    r12_a_lost_syn_and_a_lost_syn_ack_are_sent_again,
    r13_a_flood_of_syns_is_bounded,
    defect_time_wait_list_keeps_the_survivors,
    an_unreachable_host_fails_the_connect,
    the_same_seeds_give_the_same_run,
}

fn bulk_goes_both_ways_through_a_router(tcp: MakeTcp) {
    let mut world = World::routed(tcp);
    let (client, server) = world.connection(0, 2, "10.0.2.2:80");
    let data = [payload(1, 1_000_000), payload(2, 1_000_000)];
    world.exchange([(0, client), (2, server)], [&data[0], &data[1]]);
    world.close(0, client);
    world.millis(100);
    assert_eq!(world.receive(2, server), Ok(vec![]), "the end of the stream");
    world.close(2, server);
    world.run(Duration::from_secs(300));
    for stack in &world.stacks {
        assert_eq!(stack.tcp_sockets(world.now), []);
    }
}

/// With path MTU discovery the sender's segments become small enough; without, the router cuts
/// them up.
fn bulk_survives_a_narrow_link_behind_the_router(tcp: MakeTcp) {
    let mut world = World::routed(tcp);
    let index = world.stacks[1].interfaces()[2].index;
    world.stacks[1].set_mtu(world.now, index, 600).unwrap();
    let (client, server) = world.connection(0, 2, "10.0.2.2:80");
    let data = [payload(1, 200_000), payload(2, 200_000)];
    world.exchange([(0, client), (2, server)], [&data[0], &data[1]]);
    // The connection's own: what a message says of TCP's path, TCP alone can check.
    let (narrow, mss) = (world.info(0, client).pmtu, world.info(0, client).snd_mss);
    if narrow == 600 {
        assert!((540..=560).contains(&mss), "the MSS did not follow the path MTU: {mss}");
    } else {
        assert!(world.count(1, "ip", "fragments made") > 0, "neither discovered nor fragmented");
    }
}

#[test]
fn the_whole_tcp_discovers_the_path_mtu() {
    let mut world = World::routed(rfc9293);
    let index = world.stacks[1].interfaces()[2].index;
    world.stacks[1].set_mtu(world.now, index, 600).unwrap();
    let (client, server) = world.connection(0, 2, "10.0.2.2:80");
    assert!(world.info(0, client).snd_mss > 1400);
    let data = payload(1, 100_000);
    world.exchange([(0, client), (2, server)], [&data, b""]);
    assert!(world.info(0, client).snd_mss <= 560);
    assert_eq!(world.info(0, client).pmtu, 600);
}

/// Every frame of both stacks so far.
fn frames(world: &World) -> u64 {
    let sent = |stack: &socket::Stack| stack.interfaces()[1].stats.tx_packets;
    world.stacks.iter().map(sent).sum()
}

fn r05_an_idle_connection_is_silent(tcp: MakeTcp) {
    let mut world = World::pair(tcp);
    let (client, server) = world.connection(0, 1, "10.0.0.2:80");
    world.exchange([(0, client), (1, server)], [b"one", b"two"]);
    // One side's delayed ACK may still be due; it is not answered.
    world.run(Duration::from_secs(1));
    let before = frames(&world);
    world.run(Duration::from_secs(20));
    let after = frames(&world);
    // ARP may look whether its neighbour is still there, no more.
    assert!(after - before <= 4, "{} frames on an idle connection", after - before);
    assert_eq!(world.info(1, server).state, State::Established);
}

fn r12_a_lost_syn_and_a_lost_syn_ack_are_sent_again(tcp: MakeTcp) {
    for lossy in [0, 1] {
        let (left, right) = Wire::pair(Duration::from_millis(1));
        let perfect = FaultConfig::default();
        let left = FaultInjector::new(Box::new(left), perfect, perfect, 1);
        let right = FaultInjector::new(Box::new(right), perfect, perfect, 1);
        let controls = [left.control(), right.control()];
        let mut world = World::pair_on(tcp, left, right);
        // The neighbours are known, so that TCP's own segment is the one that is lost.
        world.connection(0, 1, "10.0.0.2:79");
        let all = FaultConfig { loss: netdev::Loss::ALWAYS, ..perfect };
        controls[lossy].set_faults(netdev::Direction::Tx, all);
        let listener = world.listen(1, "10.0.0.2:80", 1);
        let client = world.connect(0, "10.0.0.2:80");
        world.millis(100);
        assert_eq!(world.info(0, client).state, State::SynSent);
        controls[lossy].set_faults(netdev::Direction::Tx, perfect);
        world.run(Duration::from_secs(4));
        assert_eq!(world.info(0, client).state, State::Established, "after the loss at {lossy}");
        assert!(world.accept(1, listener).is_ok());
    }
}

fn r13_a_flood_of_syns_is_bounded(tcp: MakeTcp) {
    let mut stack = stack(tcp, 1);
    let mut probe = Probe::attach(&mut stack, 0, true);
    let mut world = World::new([stack]);
    world.listen(0, "10.0.0.1:80", 16);
    for n in 0..20_000u32 {
        let source = format!("172.16.{}.{}", n >> 8 & 0xff, n & 0xff);
        let header = Ipv4::new(&source, "10.0.0.1", Protocol::TCP);
        let syn = tests::probe::tcp(&header, (1024 + (n >> 16) as u16, 80), n, 0, 0x02);
        probe.send(world.now, &header.bytes(&syn));
        if n % 64 == 63 {
            world.stacks[0].poll(world.now);
            probe.frames(world.now);
        }
    }
    let half_open = world.stacks[0].tcp_sockets(world.now).len() - 1;
    assert!((1..=4096).contains(&half_open), "{half_open} half-open connections");
    // They do not stay, and the listener still listens.
    world.run(Duration::from_secs(300));
    probe.frames(world.now);
    assert_eq!(world.stacks[0].tcp_sockets(world.now).len(), 1);
    let header = Ipv4::new("10.0.0.2", "10.0.0.1", Protocol::TCP);
    probe.send(world.now, &header.bytes(&tests::probe::tcp(&header, (5000, 80), 7, 0, 0x02)));
    world.millis(1);
    let answers = probe.datagrams(world.now);
    assert_eq!(answers.len(), 1);
    assert_eq!(parse(&answers[0]).3[13], 0x12, "a SYN-ACK");
}

/// The ancestor took a whole list down when one connection in it came to its end.
fn defect_time_wait_list_keeps_the_survivors(tcp: MakeTcp) {
    let mut world = World::pair(tcp);
    let mut ports = Vec::new();
    for _ in 0..5 {
        let (client, server) = world.connection(0, 1, "10.0.0.2:80");
        ports.push(world.info(0, client).local.port());
        world.close(0, client);
        world.millis(10);
        world.close(1, server);
        // So that each comes to its end at a time of its own.
        world.run(Duration::from_millis(200));
    }
    let waiting = |world: &World| {
        let sockets = world.stacks[0].tcp_sockets(world.now).into_iter();
        let waits = |info: &tcp::Info| info.state == State::TimeWait;
        sockets.filter(waits).map(|info| info.local.port()).collect::<Vec<_>>()
    };
    let sorted = |ports: &[u16]| {
        let mut ports = ports.to_vec();
        ports.sort_unstable();
        ports
    };
    assert_eq!(waiting(&world), sorted(&ports));
    // One after the other goes, the oldest first, and the others stay.
    for gone in 1..=5 {
        assert!(world.until(|world| waiting(world).len() <= 5 - gone));
        assert_eq!(waiting(&world), sorted(&ports[gone..]));
    }
}

fn an_unreachable_host_fails_the_connect(tcp: MakeTcp) {
    let mut world = World::routed(tcp);
    let silent = world.connect(0, "10.0.2.9:80");
    let nowhere = world.connect(0, "192.168.1.1:80");
    world.run(Duration::from_secs(600));
    let now = world.now;
    world.stacks[0].with_tcp(now, |tcp, _| {
        assert_eq!(tcp.take_error(silent), Some(SocketError::HostUnreachable));
        assert_eq!(tcp.take_error(nowhere), Some(SocketError::NetworkUnreachable));
    });
}

fn the_same_seeds_give_the_same_run(tcp: MakeTcp) {
    let run = || {
        let (left, right) = Wire::pair(Duration::from_millis(1));
        let chance = |value| Probability::new(value);
        let bad = FaultConfig {
            loss: chance(0.03).into(),
            reorder: chance(0.05),
            duplicate: chance(0.02),
            corrupt: chance(0.01),
            jitter: Duration::from_millis(3),
            ..FaultConfig::default()
        };
        let left = FaultInjector::new(Box::new(left), bad, bad, 2026);
        let control = left.control();
        let mut world = World::pair_on(tcp, left, right);
        let (client, server) = world.connection(0, 1, "10.0.0.2:80");
        let data = [payload(1, 100_000), payload(2, 100_000)];
        world.exchange([(0, client), (1, server)], [&data[0], &data[1]]);
        let counters: Vec<_> = world.stacks.iter().flat_map(|stack| stack.counters()).collect();
        let faults = control.counts(netdev::Direction::Tx);
        assert!(faults.lost > 0 && faults.reordered > 0, "the link was too good");
        (world.now, world.info(0, client), format!("{faults:?} {counters:?}"))
    };
    let first = run();
    assert!(first.0 > Instant::ZERO && first == run());
}
