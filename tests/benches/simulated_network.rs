//! How many events a second the simulated network has: `cargo bench -p tests`.
//!
//! An event is a packet that arrives at a node, or a timer of a node that is due. A second is one
//! that this thread had of a processor, so that a busy machine does not count; where the system
//! does not say (it is Linux that does), it is one of the clock. The last column is the network's
//! own time.

use std::time::{Duration, Instant as Clock};

use netdev::{FaultConfig, GilbertElliott, Instant, Probability};
use tests::sim::programs::{EchoServer, Pinger, Receiver, Requester, Sender, Visitor};
use tests::sim::{LinkConfig, Network, NodeId};

const MS: Duration = Duration::from_millis(1);

fn main() {
    for (name, build) in [
        ("pings among 100 hosts", pings as fn(&mut Network)),
        ("requests of 100 clients", requests),
        ("bulk of 20 senders", bulk),
        ("bulk through 3 routers", routed),
        ("an hour of 40 visitors", visitors),
    ] {
        // `cargo bench -p tests -- pings` runs the one.
        if std::env::args().skip(1).any(|arg| !arg.starts_with('-') && !name.contains(&arg)) {
            continue;
        }
        let mut net = Network::new(1);
        build(&mut net);
        let (start, used) = (Clock::now(), processor());
        net.run_until_idle(u64::MAX).expect("it comes to rest");
        let used = processor().zip(used).map(|(now, then)| now.saturating_sub(then));
        let took = used.unwrap_or(start.elapsed()).as_secs_f64();
        let events = net.events();
        println!(
            "{name:26} {events:9} events in {took:6.3} s: {:5.2} million a second; {:8.1} s passed",
            events as f64 / took / 1e6,
            net.elapsed().as_secs_f64(),
        );
    }
}

/// How much time this thread has had of a processor.
fn processor() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(stat.split(' ').next()?.parse().ok()?))
}

fn lan(net: &mut Network, count: u8, config: LinkConfig) -> Vec<NodeId> {
    let switch = net.switch("switch");
    let host = |number| {
        let host = net.host(&format!("h{number}"));
        net.link(host.at(&format!("10.0.0.{number}/24")), switch, config);
        host
    };
    (1..=count).map(host).collect()
}

fn pings(net: &mut Network) {
    for (number, host) in lan(net, 100, LinkConfig::delay(MS)).into_iter().enumerate() {
        let other = format!("10.0.0.{}", (number + 37) % 100 + 1);
        net.start(host, Pinger::new(&other, 2_000, 10 * MS));
    }
}

fn requests(net: &mut Network) {
    let hosts = lan(net, 101, LinkConfig::delay(MS));
    net.start(hosts[0], EchoServer::new(7));
    for host in &hosts[1..] {
        net.start(*host, Requester::new("10.0.0.1:7", 200, 1_000, MS));
    }
}

fn gigabit() -> LinkConfig {
    let rate = "1gbit".parse().ok();
    LinkConfig::both(FaultConfig { rate, delay: MS, ..FaultConfig::default() })
}

fn bulk(net: &mut Network) {
    let hosts = lan(net, 21, gigabit());
    net.start(hosts[0], Receiver::new(80));
    for host in &hosts[1..] {
        net.start(*host, Sender::new("10.0.0.1:80", 20_000_000));
    }
}

fn routed(net: &mut Network) {
    let mut before = net.host("a");
    net.start(before, Sender::new("10.0.3.9:80", 200_000_000));
    for number in 0..3 {
        let router = net.router(&format!("r{number}"));
        let plug = before.at(&format!("10.0.{number}.1/24"));
        let gateway = format!("10.0.{number}.2");
        net.link(plug.via(&gateway), router.at(&format!("{gateway}/24")), gigabit());
        if number > 0 {
            net.route(router, "10.0.0.0/24", &format!("10.0.{number}.1"));
        }
        before = router;
    }
    let last = net.host("b");
    net.link(before.at("10.0.3.1/24"), last.at("10.0.3.9/24").via("10.0.3.1"), gigabit());
    net.start(last, Receiver::new(80));
}

fn visitors(net: &mut Network) {
    let chance = Probability::new;
    let bad = FaultConfig {
        loss: GilbertElliott::new(chance(0.001), chance(0.25)).into(),
        reorder: chance(0.002),
        duplicate: chance(0.001),
        rate: "100mbit".parse().ok(),
        delay: 5 * MS,
        jitter: MS,
        ..FaultConfig::default()
    };
    let hosts = lan(net, 41, LinkConfig::both(bad));
    net.start(hosts[0], Receiver::new(80));
    let until = Instant::from_secs(3_600);
    for (number, host) in hosts[1..].iter().enumerate() {
        let pause = Duration::from_secs(2);
        net.start(*host, Visitor::new("10.0.0.1:80", pause, 400_000, until, number as u64));
    }
}
