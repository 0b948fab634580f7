//! Connections that come and go for hours.

use std::time::Duration;

use ip::SocketError;
use netdev::{FaultConfig, GilbertElliott, Instant, Probability};

use crate::sim::programs::{Receiver, Visitor};
use crate::sim::{LinkConfig, Network};

/// What [`visitors`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visits {
    /// Connections that were begun.
    pub begun: u64,
    /// Events of the network.
    pub events: u64,
}

/// Hosts that visit a server over bad links for so many simulated minutes, in which cables are out
/// now and then.
///
/// # Panics
/// Where a transfer fails that has begun to, a byte is wrong, or anything is left behind.
pub fn visitors(seed: u64, minutes: u64, visitors_count: u8) -> Visits {
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
    let mut net = Network::new(seed);
    let switch = net.switch("switch");
    let server = net.host("server");
    net.link(server.at("10.0.0.1/24"), switch, bad);
    let receiver = net.start(server, Receiver::new(80));
    let until = Instant::from_secs(minutes * 60);
    let mut hosts = vec![server];
    let mut visitors = Vec::new();
    let mut links = Vec::new();
    for number in 2..2 + visitors_count {
        let host = net.host(&format!("visitor {number}"));
        links.push(net.link(host.at(&format!("10.0.0.{number}/24")), switch, bad));
        let pause = Duration::from_secs(10);
        let visitor = Visitor::new("10.0.0.1:80", pause, 100_000, until, seed ^ u64::from(number));
        visitors.push(net.start(host, visitor));
        hosts.push(host);
    }
    // Now and then a cable is out for a while.
    for minute in 0..minutes {
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
    // Who begins while the cable is out for longer than ARP asks is told so; nothing else fails.
    let excused = failed.iter().filter(|error| ***error == SocketError::HostUnreachable).count();
    assert!(done > 0 && done + excused as u64 == begun, "{done} of {begun}: {failed:?}");
    assert!(excused as u64 <= begun / 50, "{excused} of {begun} were not reached");
    assert_eq!(net[receiver].complete, done);
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
    Visits { begun, events: net.events() }
}

/// Half an hour of them.
pub(super) fn half_an_hour(seed: u64) -> String {
    let Visits { begun, events } = visitors(seed, 30, 4);
    format!("{begun} connections, {events} events")
}
