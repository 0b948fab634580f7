//! The shell's traceroute through routers of every temper.

use std::time::Duration;

use shell::traceroute::{Options, Patience};
use tests::sim::programs::Traceroute;
use tests::sim::{LinkConfig, LinkId, Network, NodeId};

const MS: Duration = Duration::from_millis(1);

const OPTIONS: Options = Options {
    first: 1,
    hops: 5,
    queries: 2,
    patience: Patience { most: Duration::from_secs(5), here: 3, near: 10 },
};

/// a (10.0.1.1) – r1 – r2 – r3 – b (10.0.4.1), 1 ms each; the links from left to right.
fn chain(net: &mut Network) -> (NodeId, [NodeId; 3], [LinkId; 4]) {
    let (a, b) = (net.host("a"), net.host("b"));
    let r = ["r1", "r2", "r3"].map(|name| net.router(name));
    let ms = LinkConfig::delay(MS);
    let links = [
        net.link(a.at("10.0.1.1/24").via("10.0.1.254"), r[0].at("10.0.1.254/24"), ms),
        net.link(r[0].at("10.0.2.1/24"), r[1].at("10.0.2.2/24").via("10.0.2.1"), ms),
        net.link(r[1].at("10.0.3.1/24"), r[2].at("10.0.3.2/24").via("10.0.3.1"), ms),
        net.link(b.at("10.0.4.1/24").via("10.0.4.254"), r[2].at("10.0.4.254/24"), ms),
    ];
    net.route(r[0], "10.0.3.0/24", "10.0.2.2");
    net.route(r[0], "10.0.4.0/24", "10.0.2.2");
    net.route(r[1], "10.0.4.0/24", "10.0.3.2");
    (a, r, links)
}

/// What it prints, each way of probing; both must say the same.
fn traced(peer: &str, damage: impl Fn(&mut Network, [NodeId; 3], [LinkId; 4])) -> String {
    let texts = [true, false].map(|icmp| {
        let mut net = Network::new(5);
        let (a, routers, links) = chain(&mut net);
        // Neighbours are known, so that times are those of the way alone.
        let warm = net.start(a, Traceroute::new("10.0.4.1", true, OPTIONS));
        net.run_for(Duration::from_secs(1)).unwrap();
        assert!(net[warm].text.contains("10.0.4.1"), "{}", net[warm].text);
        damage(&mut net, routers, links);
        let trace = net.start(a, Traceroute::new(peer, icmp, OPTIONS));
        net.run_until_idle(100_000).unwrap();
        std::mem::take(&mut net[trace].text)
    });
    assert_eq!(texts[0], texts[1]);
    texts[0].clone()
}

#[test]
fn each_router_and_the_destination() {
    assert_eq!(
        traced("10.0.4.1", |_, _, _| ()),
        " 1  10.0.1.254  2.000 ms  2.000 ms\n \
          2  10.0.2.2  4.000 ms  4.000 ms\n \
          3  10.0.3.2  6.000 ms  6.000 ms\n \
          4  10.0.4.1  8.000 ms  8.000 ms\n"
    );
}

#[test]
fn a_network_that_nobody_knows() {
    // RFC 1812 §5.3.1: the first router counts the hops before it looks for the way.
    assert_eq!(
        traced("192.0.2.1", |_, _, _| ()),
        " 1  10.0.1.254  2.000 ms  2.000 ms\n \
          2  10.0.1.254  2.000 ms !N  2.000 ms !N\n"
    );
}

#[test]
fn a_host_that_is_not_there() {
    // The last router asks for it for five seconds; nobody waits so long.
    let text = traced("10.0.4.77", |_, _, _| ());
    assert!(text.contains("\n 3  10.0.3.2  6.000 ms  6.000 ms\n 4  * *\n 5 "), "{text}");
    // Asked with more patience, the router says so.
    let mut net = Network::new(5);
    let (a, ..) = chain(&mut net);
    let most = Duration::from_secs(60);
    let patient = Options { first: 4, patience: Patience { most, here: 3, near: 10 }, ..OPTIONS };
    let trace = net.start(a, Traceroute::new("10.0.4.77", false, patient));
    net.run_until_idle(100_000).unwrap();
    let text = &net[trace].text;
    assert!(text.starts_with(" 4  10.0.3.2  ") && text.contains(" ms !H"), "{text}");
}

#[test]
fn a_link_that_is_cut() {
    let text = traced("10.0.4.1", |net, _, links| net.cut(links[2]));
    assert_eq!(
        text,
        " 1  10.0.1.254  2.000 ms  2.000 ms\n \
          2  10.0.2.2  4.000 ms  4.000 ms\n \
          3  * *\n \
          4  * *\n \
          5  * *\n"
    );
}

#[test]
fn a_link_that_delays_more_than_others() {
    let text = traced("10.0.4.1", |net, _, links| {
        net.set_link(links[1], LinkConfig::delay(30 * MS));
    });
    assert!(text.contains("\n 2  10.0.2.2  62.000 ms  62.000 ms\n"), "{text}");
}
