//! The implementations that are graded with the conformance kits.

use netdev::conformance::Exception;
use socket::conformance::{Host, Network, Pair, Parts};

#[path = "../../arp/tests/conformance/exceptions.rs"]
mod arp_exceptions;
#[path = "../../icmp/tests/conformance/exceptions.rs"]
mod icmp_exceptions;
#[path = "../../ip/tests/conformance/exceptions.rs"]
mod ip_exceptions;
#[path = "../../socket/tests/conformance/exceptions.rs"]
mod socket_exceptions;
#[path = "../../tcp/tests/conformance/exceptions.rs"]
mod tcp_exceptions;
#[path = "../../udp/tests/conformance/exceptions.rs"]
mod udp_exceptions;

/// The implementations of a layer: the name that `tapip` knows it by, how it is made, and what it is
/// known not to keep.
pub type Known<Make> = [(&'static str, Make, &'static [Exception])];

/// Of ARP.
pub const ARP: &Known<arp::conformance::Make> = &[
    (
        "cache",
        |seed| Box::new(arp::Cache::new(arp::conformance::MY_MAC, arp::Config::default(), seed)),
        &[],
    ),
    (
        "static",
        |_seed| Box::new(arp::StaticTable::new(arp::conformance::MY_MAC)),
        arp_exceptions::STATIC_TABLE,
    ),
];

/// Of IP.
pub const IP: &Known<ip::conformance::Make> = &[
    ("router", |seed| Box::new(ip::Router::new(ip::Config::default(), seed)), &[]),
    ("simple", |seed| Box::new(ip::SimpleHost::new(seed)), ip_exceptions::SIMPLE_HOST),
];

/// Of ICMP.
pub const ICMP: &Known<icmp::conformance::Make> = &[
    (
        "full",
        |seed| Box::new(icmp::Icmp::new(icmp::Config::default(), seed)),
        icmp_exceptions::ICMP,
    ),
    ("echo", |_seed| Box::new(icmp::EchoOnly::new()), icmp_exceptions::ECHO_ONLY),
];

/// Of UDP.
pub const UDP: &Known<udp::conformance::Make> = &[
    ("full", |seed| Box::new(udp::Udp::new(udp::Config::default(), seed)), &[]),
    ("simple", |seed| Box::new(udp::SimpleUdp::new(seed)), udp_exceptions::SIMPLE_UDP),
];

/// Of TCP.
pub const TCP: &Known<tcp::conformance::Make> = &[
    ("rfc9293", |seed| Box::new(tcp::Tcp::new(tcp::Config::default(), seed)), tcp_exceptions::TCP),
    ("small", |seed| Box::new(tcp::SmallTcp::new(seed)), tcp_exceptions::SMALL_TCP),
];

/// Two whole stacks, by their TCP.
pub const SOCKET: &Known<socket::conformance::Make> = &[
    (
        "rfc9293",
        |seed| stacks(seed, |seed| Box::new(tcp::Tcp::new(tcp::Config::default(), seed))),
        &[],
    ),
    (
        "small",
        |seed| stacks(seed, |seed| Box::new(tcp::SmallTcp::new(seed))),
        socket_exceptions::SMALL_TCP,
    ),
];

fn stacks(seed: u64, tcp: tcp::conformance::Make) -> Box<dyn Network> {
    Box::new(Pair::new(|host, macs| {
        let seed = match host {
            Host::A => seed,
            Host::B => !seed,
        };
        Parts {
            layers: socket::Layers {
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
