use proptest::prelude::*;

use super::*;
use crate::IfIndex;

fn entry(dst: Cidr, metric: u32) -> RouteEntry {
    RouteEntry {
        dst: dst.network(),
        gateway: None,
        iface: IfIndex(1),
        metric,
        source: None,
        origin: RouteOrigin::Static,
    }
}

fn to(dst: &str, metric: u32) -> RouteEntry {
    entry(dst.parse().unwrap(), metric)
}

fn found(routes: &Routes, dst: &str) -> Option<(String, u32)> {
    let entry = routes.lookup(dst.parse().unwrap(), |_| true)?;
    Some((entry.dst.to_string(), entry.metric))
}

#[test]
fn the_longest_prefix_wins_and_then_the_lowest_metric() {
    let mut routes = Routes::default();
    for route in [
        to("0.0.0.0/0", 0),
        to("10.0.0.0/8", 0),
        to("10.1.0.0/16", 20),
        to("10.1.0.0/16", 10),
        to("10.1.2.3/32", 99),
    ] {
        routes.add(route, 100).unwrap();
    }
    for (dst, expected, metric) in [
        ("10.1.2.3", "10.1.2.3/32", 99),
        ("10.1.2.4", "10.1.0.0/16", 10),
        ("10.2.0.1", "10.0.0.0/8", 0),
        ("11.0.0.1", "0.0.0.0/0", 0),
    ] {
        assert_eq!(found(&routes, dst), Some((expected.to_string(), metric)), "{dst}");
    }
    let unusable = routes.lookup("10.1.2.4".parse().unwrap(), |entry| entry.metric != 10);
    assert_eq!(unusable.map(|entry| entry.metric), Some(20));
    let order: Vec<String> = routes.iter().map(|route| route.dst.to_string()).collect();
    let expected = ["10.1.2.3/32", "10.1.0.0/16", "10.1.0.0/16", "10.0.0.0/8", "0.0.0.0/0"];
    assert_eq!(order, expected);
}

#[test]
fn a_route_with_the_same_destination_and_metric_is_replaced() {
    let mut routes = Routes::default();
    let gateway = |text: &str| Some(text.parse().unwrap());
    for via in ["10.0.0.1", "10.0.0.2"] {
        routes.add(RouteEntry { gateway: gateway(via), ..to("192.0.2.0/24", 1) }, 1).unwrap();
    }
    let all: Vec<_> = routes.iter().map(|route| route.gateway).collect();
    assert_eq!(all, [gateway("10.0.0.2")]);
    assert_eq!(routes.add(to("192.0.2.0/24", 2), 1), Err(Error::Full(1, "routes")));
    let dst = "192.0.2.0/24".parse().unwrap();
    assert_eq!(routes.remove(dst, gateway("10.0.0.1"), None), Err(Error::NoRoute(dst)));
    routes.remove(dst, gateway("10.0.0.2"), None).unwrap();
    assert_eq!(found(&routes, "192.0.2.1"), None);
    routes.add(to("192.0.2.0/24", 2), 1).unwrap();
}

#[test]
fn a_refused_or_removed_route_leaves_no_empty_place() {
    let mut routes = Routes::default();
    routes.add(to("192.0.2.0/24", 0), 0).unwrap_err();
    routes.remove("192.0.2.0/24".parse().unwrap(), None, None).unwrap_err();
    assert!(routes.by_prefix.iter().all(BTreeMap::is_empty));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// The table finds what a search through a list finds.
    #[test]
    fn a_lookup_equals_a_linear_search(
        list in prop::collection::vec((any::<u32>(), 0u8..=32, 0u32..4), 0..1000),
        dsts in prop::collection::vec(any::<u32>(), 1..50),
        // A few bits only, so that many prefixes meet.
        mask in prop::sample::select(vec![u32::MAX, 0xc000_0003, 0x0f00_00f0]),
    ) {
        let mut routes = Routes::default();
        let mut linear: Vec<RouteEntry> = Vec::new();
        for (addr, prefix, metric) in list {
            let addr = IpAddr::V4(Ipv4Addr::from(addr & mask));
            let route = entry(Cidr { addr, prefix }, metric);
            routes.add(route, 1000).unwrap();
            linear.retain(|old| (old.dst, old.metric) != (route.dst, route.metric));
            linear.push(route);
        }
        prop_assert_eq!(routes.iter().count(), linear.len());
        for dst in dsts {
            let dst = Ipv4Addr::from(dst & mask);
            let best = linear
                .iter()
                .filter(|route| route.dst.contains(dst.into()))
                .min_by_key(|route| (std::cmp::Reverse(route.dst.prefix), route.metric));
            prop_assert_eq!(routes.lookup(dst, |_| true), best);
        }
    }
}
