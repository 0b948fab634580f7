//! What grows with what a stack has to keep, and what must not: `cargo bench -p tests --bench growth`.
//!
//! Times are taken in pairs: few and many in turn, round after round, so that both see the same
//! machine, and the ratio is the median of the rounds' ratios. A figure beyond its goal is marked.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant as Clock;

use arp::Resolver as _;
use ip::{Internet as _, RouteEntry, RouteOrigin};
use netdev::{EtherType, Instant, MacAddr, Medium, Packet};
use scenarios::growth::{Backlog, Idle};

const ROUNDS: usize = 41;
const CONNECTIONS: usize = 100_000;
const MIB: f64 = (1 << 20) as f64;

fn main() {
    println!("{:<46} {:>10} {:>10} {:>7}", "", "few", "many", "ratio");
    idle_connections();
    table("a route among 1 and 1,000", 2.0, 4_000, route(1), route(1_000));
    table(
        "a datagram by ARP among 1 and 4,096 entries",
        1.5,
        2_000,
        neighbour(1),
        neighbour(4_096),
    );
    let backlog = |count| {
        let mut backlog = Backlog::new(count);
        move || backlog.step()
    };
    table("SYN to accept, 1 and 4,096 in the backlog", 1.5, 50, backlog(1), backlog(4_096));
}

/// Polls and packets beside connections that do nothing; and what those take.
fn idle_connections() {
    let (before, start) = (resident(), Clock::now());
    let mut many = Idle::new(CONNECTIONS);
    let (after, took) = (resident(), start.elapsed().as_secs_f64());
    let mut few = Idle::new(1);
    let poll = |idle: &mut Idle| idle.poll();
    let byte = |idle: &mut Idle| idle.byte();
    for (name, step, calls) in [
        ("a poll beside 1 and 100,000 connections", poll as fn(&mut Idle), 5_000),
        ("a byte there and back beside them", byte, 500),
    ] {
        table(name, 1.2, calls, || step(&mut few), || step(&mut many));
    }
    // Both ends of each are in this process.
    let ends = 2.0 * CONNECTIONS as f64;
    let accounted = many.accounted() as f64;
    println!(
        "{:<46} {:>10} {:>8.1} us",
        "a connection made, both ends",
        "",
        took * 1e6 / CONNECTIONS as f64
    );
    for (name, bytes) in [
        ("100,000 connections, as TCP counts them", Some(accounted * CONNECTIONS as f64)),
        (
            "100,000 connections, as the system counts",
            after
                .zip(before)
                .map(|(after, before)| (after - before) as f64 / ends * CONNECTIONS as f64),
        ),
    ] {
        let Some(bytes) = bytes else { continue };
        let each = bytes / CONNECTIONS as f64;
        let over = match (bytes > 200.0 * MIB, each > 1024.0) {
            (true, _) => "  over the goal of 200 MiB",
            (_, true) => "  over the goal of 1,024 B",
            _ => "",
        };
        println!("{name:<46} {:>7.0} B  {:>6.1} MiB{over}", each, bytes / MIB);
    }
}

/// The row of two steps that should cost the same: nanoseconds of each, and their ratio.
fn table(name: &str, goal: f64, calls: usize, mut few: impl FnMut(), mut many: impl FnMut()) {
    let time = |step: &mut dyn FnMut()| {
        let start = Clock::now();
        (0..calls).for_each(|_| step());
        start.elapsed().as_secs_f64() * 1e9 / calls as f64
    };
    let (mut fews, mut manys, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // The first round warms up.
    for round in 0..=ROUNDS {
        let (few, many) = (time(&mut few), time(&mut many));
        if round > 0 {
            fews.push(few);
            manys.push(many);
            ratios.push(many / few);
        }
    }
    let [few, many, ratio] = [fews, manys, ratios].map(median);
    let over = if ratio > goal { format!("  over the goal of {goal}") } else { String::new() };
    println!("{name:<46} {few:>7.0} ns {many:>7.0} ns {ratio:>7.2}{over}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Bytes of memory that this process has; `None` where the system does not say.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// Asks for the way to networks of a table of `count`, one after another.
fn route(count: u32) -> impl FnMut() {
    let iface = ip::IfIndex(1);
    let mut router = ip::Router::new(ip::Config { max_routes: 4_096, ..ip::Config::default() }, 1);
    let interface = ip::Interface {
        index: iface,
        name: "wire0".to_string(),
        addrs: vec!["10.0.0.1/24".parse().expect("an address")],
        mtu: 1500,
        medium: Medium::Ethernet,
        loopback: false,
        up: true,
        offload: Default::default(),
    };
    let network = |number: u32| Ipv4Addr::from(0x0b00_0000 | number << 8);
    let interface = ip::Change::SetInterface(interface);
    router.configure(Instant::ZERO, interface).expect("an interface");
    for number in 0..count {
        let entry = RouteEntry {
            dst: ip::Cidr::new(network(number).into(), 24).expect("a prefix"),
            gateway: Some([10, 0, 0, 254].into()),
            iface,
            metric: 0,
            source: None,
            origin: RouteOrigin::Static,
        };
        router.configure(Instant::ZERO, ip::Change::AddRoute(entry)).expect("a route");
    }
    let mut number = 0;
    move || {
        number = (number + 387) % count;
        let dst = Ipv4Addr::from(u32::from(network(number)) + 9);
        black_box(router.route(Instant::ZERO, dst.into(), None)).expect("a way");
    }
}

/// The link below a cache: what is sent is dropped.
struct Nowhere;

impl arp::Link for Nowhere {
    fn transmit(&mut self, _: Instant, _: MacAddr, _: EtherType, _: Packet) {}
}

/// Sends to one after another of `count` neighbours that are known.
fn neighbour(count: u32) -> impl FnMut() {
    let now = Instant::ZERO;
    let own = MacAddr([2, 0, 0, 0, 0, 1]);
    let config = arp::Config { entries: count as usize, ..arp::Config::default() };
    let mut cache = arp::Cache::new(own, config, 1);
    let addr = |number: u32| IpAddr::from(Ipv4Addr::from(0x0a00_0002 + number));
    let us = arp::Change::AddAddress([10, 0, 0, 1].into());
    cache.configure(now, us, &mut Nowhere).expect("an address");
    for number in 0..count {
        let IpAddr::V4(sender) = addr(number) else { unreachable!("an IPv4 address") };
        let [.., a, b] = number.to_be_bytes();
        let head = [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 1, a, b];
        let request = [&head[..], &sender.octets(), &[0; 6], &[10, 0, 0, 1]].concat();
        let _ = cache.input(now, Packet::from_payload(&request), &mut Nowhere);
    }
    assert_eq!(cache.entries(now).len(), count as usize, "it knows them all");
    let mut number = 0;
    move || {
        number = (number + 1_237) % count;
        let sent = cache.send(now, addr(number), Packet::with_capacity(0), &mut Nowhere);
        assert_eq!(sent, arp::Event::None);
    }
}
