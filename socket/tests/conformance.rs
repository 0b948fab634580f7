//! The conformance kit, held against two stacks with each TCP, on virtual time, and against nothing.

#[path = "conformance/exceptions.rs"]
mod exceptions;
#[path = "conformance/nothing.rs"]
mod nothing;

use socket::Layers;
use socket::conformance::{Host, Pair, Parts};
use tcp::Streams;

/// Two stacks of the whole layers, with this TCP.
fn pair(seed: u64, tcp: impl Fn(u64) -> Box<dyn Streams>) -> Box<Pair> {
    Box::new(Pair::new(|host, macs| {
        let seed = match host {
            Host::A => seed,
            Host::B => !seed,
        };
        Parts {
            layers: Layers {
                ip: Box::new(ip::Router::new(ip::Config::default(), seed)),
                icmp: Box::new(icmp::Icmp::new(icmp::Config::default(), seed)),
                udp: Box::new(udp::Udp::new(udp::Config::default(), seed)),
                tcp: tcp(seed),
            },
            resolvers: macs.map(|mac| -> Box<dyn arp::Resolver> {
                Box::new(arp::Cache::new(mac, arp::Config::default(), seed))
            }),
        }
    }))
}

mod whole {
    use tcp::{Config, Tcp};

    socket::conformance_tests!(make: |seed| {
        super::pair(seed, |seed| Box::new(Tcp::new(Config::default(), seed)))
    });
}

mod small {
    use tcp::SmallTcp;

    socket::conformance_tests!(
        make: |seed| super::pair(seed, |seed| Box::new(SmallTcp::new(seed))),
        exceptions: super::exceptions::SMALL_TCP,
    );
}
