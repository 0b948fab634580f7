//! Hours of connections that come and go.

use std::time::Duration;

use netdev::{FaultConfig, GilbertElliott, Instant, Probability};
use tests::sim::programs::{Receiver, Visitor};
use tests::sim::{LinkConfig, Network};

/// Simulated time in which connections are opened.
const HOURS: u64 = 2;
const VISITORS: u8 = 8;

#[test]
fn two_hours_of_visitors_leave_nothing_behind() {
    let chance = Probability::new;
    let bad = LinkConfig::both(FaultConfig {
        loss: GilbertElliott::new(chance(0.002), chance(0.3)).into(),
        duplicate: chance(0.002),
        reorder: chance(0.01),
        corrupt: chance(0.001),
        rate: "20mbit".parse().ok(),
        queue: 60,
        delay: Duration::from_millis(8),
        jitter: Duration::from_millis(2),
        ..FaultConfig::default()
    });
    let mut net = Network::new(2026);
    let switch = net.switch("switch");
    let server = net.host("server");
    net.link(server.at("10.0.0.1/24"), switch, bad);
    let receiver = net.start(server, Receiver::new(80));
    let until = Instant::from_secs(HOURS * 3600);
    let mut hosts = vec![server];
    let mut visitors = Vec::new();
    let mut links = Vec::new();
    for number in 2..2 + VISITORS {
        let host = net.host(&format!("visitor {number}"));
        links.push(net.link(host.at(&format!("10.0.0.{number}/24")), switch, bad));
        let pause = Duration::from_secs(10);
        let visitor = Visitor::new("10.0.0.1:80", pause, 100_000, until, number.into());
        visitors.push(net.start(host, visitor));
        hosts.push(host);
    }
    // Now and then a cable is out for a while.
    for minute in 0..HOURS * 60 {
        let link = links[minute as usize % links.len()];
        if minute % 7 == 3 {
            net.cut(link);
            net.run_for(Duration::from_secs(15)).unwrap();
            net.set_link(link, bad);
        }
        net.run_until(Instant::from_secs((minute + 1) * 60)).unwrap();
    }
    net.run_until_idle(100_000).unwrap();

    let sum = |of: fn(&Visitor) -> u64| visitors.iter().map(|it| of(&net[*it])).sum::<u64>();
    let (begun, done) = (sum(|it| it.begun), sum(|it| it.done));
    let failed: Vec<_> = visitors.iter().flat_map(|it| &net[*it].failed).collect();
    assert!(begun > 5_000 && done == begun, "{done} of {begun}: {failed:?}");
    assert_eq!(net[receiver].complete, begun);
    assert_eq!(net[receiver].received, sum(|it| it.bytes));
    // Sockets, timers and packets are gone: nothing is due, and the listener alone is open.
    assert_eq!((net.on_the_way(), net[receiver].connections()), (0, 0));
    assert_eq!(sum(|it| it.under_way() as u64), 0);
    for host in hosts {
        let sockets = net.stack(host).tcp_sockets(net.now());
        let listening = sockets.iter().filter(|info| info.state == tcp::State::Listen).count();
        assert_eq!(sockets.len(), listening, "{} keeps {sockets:?}", net.name(host));
        assert_eq!(net.stack(host).poll_at(), None, "a timer is left at {}", net.name(host));
    }
    println!("{begun} connections, {} events, {:?}", net.events(), net.elapsed());
}
