//! Which way a datagram goes (RFC 1122 §3.3.1, RFC 1812 §5.2.4).

use netdev::cases;

use super::host::{addr, header, link, neighbour, onlink, via};
use super::{FAR, Host, Make, NEAR};
use crate::{Cause, Change, IfIndex, Interface, RouteEntry, RouteOrigin};

cases! { ($) routing_cases: Make, Host;
    Must 1 "RFC 1122 §3.3.1" a_neighbour_is_sent_to_directly
        "If the destination is on a connected network, the datagram is sent directly to the \
         destination host …";
    Must 1 "RFC 1122 §3.3.1.2" what_is_not_near_goes_to_the_default_gateway
        "If the route cache contains no information for a particular destination, the host chooses \
         a \"default\" gateway and sends the datagram to it.";
    Must 2 "RFC 1122 §3.3.1.1" the_mask_decides_what_is_near
        "If the IP destination address bits extracted by the address mask match the IP source \
         address bits extracted by the same mask, then the destination is on the corresponding \
         connected network …";
    Must 2 "RFC 1122 §3.3.1.1" a_host_without_a_gateway_reaches_its_neighbours
        "The host IP layer MUST operate correctly in a minimal network environment, and in \
         particular, when there are no gateways.";
    Must 1 "RFC 1812 §5.2.4.3" without_a_route_the_sender_is_told
        "If the set ever becomes empty, the packet is discarded because the destination is \
         unreachable.";
    Must 2 "RFC 1122 §3.2.1.3" no_route_leads_to_an_impossible_destination
        "{ 0, 0 } This host on this network. MUST NOT be sent …";
    Must 3 "RFC 1812 §5.2.4.3" the_longest_prefix_wins
        "Longest Match … examines the remaining routes to determine which among them have the \
         largest route.length values. All except these are discarded.";
    Must 2 "RFC 1812 §5.2.4.3" the_order_of_the_routes_does_not_matter
        "… which among them have the largest route.length values. All except these are discarded.";
    Must 2 "RFC 1812 §5.2.4.3" a_route_to_one_host_wins_over_its_network
        "For example, if a packet's IP Destination Address is 10.144.2.5 and there are network \
         prefixes 10.144.2.0/24, 10.144.0.0/16, and 10.0.0.0/8, then this rule would keep only the \
         first …";
    Must 3 "RFC 1812 §5.2.4.3" prefixes_of_all_lengths_are_told_apart
        "… the most significant route.length bits of route.dest and ip.dest are equal.";
    Must 3 "RFC 1122 §3.3.1.2" there_are_several_default_gateways
        "The IP layer MUST support multiple default gateways.";
    Ours 2 "RFC 1812 §5.2.4.4" of_equal_prefixes_the_lower_metric_wins
        "Of two routes with the same prefix the lower metric wins.";
    Ours 1 "RFC 1122 §3.3.1.6" a_route_with_the_same_destination_and_metric_is_replaced
        "A route with the same destination and metric is replaced.";
    Ours 1 "RFC 1122 §3.3.1.6" a_route_that_was_taken_away_leads_nowhere
        "What was set can be taken away, and only that.";
    Ours 2 "RFC 1812 §5.2.4.2" a_gateway_has_to_be_a_neighbour
        "The next hop is on a network that the interface is on, and is another host.";
    Ours 2 "RFC 1812 §5.2.4.3" a_worse_route_stands_in_while_the_better_one_s_link_is_down
        "Of several routes to one network the best of those that lead somewhere now is taken.";
    Must 2 "RFC 1812 §5.3.12.3" an_interface_that_is_down_is_no_way_out
        "If an interface fails or is disabled a router MUST remove and stop advertising all routes \
         in its forwarding database that make use of that interface.";
    Must 2 "RFC 1812 §5.3.12.3" the_routes_of_an_interface_go_with_it
        "… a router MUST remove … all routes in its forwarding database that make use of that \
         interface.";
    Must 2 "RFC 1812 §5.3.12.4" an_interface_that_comes_up_again_is_a_way_out_again
        "If an interface that had not been available becomes available, a router MUST reenable any \
         static routes that use that interface.";
    Ours 1 "RFC 1812 §5.2.4.2" a_route_without_a_gateway_makes_its_hosts_neighbours
        "A route without a gateway: the destination is a neighbour itself.";
    Ours 1 "RFC 1812 §5.2.4.3" the_table_is_in_the_order_of_lookup
        "The routes are shown in the order in which they are looked up: longest prefix first.";
    Must 1 "RFC 1122 §3.3.3" a_route_tells_the_transport_how_much_fits
        "A host MUST implement a mechanism to allow the transport layer to learn MMS_S, the \
         maximum transport-layer message size that may be sent …";
}

fn a_neighbour_is_sent_to_directly(host: &mut Host) {
    host.goes("10.0.0.77", NEAR, neighbour("10.0.0.77"));
    let sent = host.sends(&header("10.0.0.77"), b"data");
    host.one(sent, NEAR, neighbour("10.0.0.77"));
}

fn what_is_not_near_goes_to_the_default_gateway(host: &mut Host) {
    host.goes("192.0.2.1", NEAR, neighbour("10.0.0.254"));
    let sent = host.sends(&header("192.0.2.1"), b"data");
    let sent = host.one(sent, NEAR, neighbour("10.0.0.254"));
    host.record().expect_eq("the destination", sent.wire.dst.to_string(), "192.0.2.1".to_owned());
}

fn the_mask_decides_what_is_near(host: &mut Host) {
    for (cidr, near, far) in [
        ("10.0.0.1/24", "10.0.0.254", "10.0.1.0"),
        ("10.0.0.1/25", "10.0.0.126", "10.0.0.128"),
        ("10.0.0.1/22", "10.0.3.254", "10.0.4.0"),
        ("10.0.0.1/30", "10.0.0.2", "10.0.0.4"),
    ] {
        host.configure(Change::SetInterface(link(NEAR, cidr, 1500)));
        host.add_route(via("0.0.0.0/0", "10.0.0.2", NEAR));
        host.goes(near, NEAR, neighbour(near));
        host.goes(far, NEAR, neighbour("10.0.0.2"));
    }
}

fn a_host_without_a_gateway_reaches_its_neighbours(host: &mut Host) {
    host.remove_route("0.0.0.0/0");
    host.sends_one(&header("10.0.0.2"), b"data");
    host.knows_no_way("192.0.2.1");
}

fn without_a_route_the_sender_is_told(host: &mut Host) {
    host.remove_route("0.0.0.0/0");
    host.knows_no_way("192.0.2.1");
    let cause = host.cannot_send(&header("192.0.2.1"), b"data");
    host.record().expect_eq("the cause", cause, Cause::NetworkUnreachable);
    host.goes("10.0.0.2", NEAR, neighbour("10.0.0.2"));
}

fn no_route_leads_to_an_impossible_destination(host: &mut Host) {
    for dst in ["0.0.0.0", "0.0.0.9", "240.0.0.1"] {
        host.knows_no_way(dst);
        host.cannot_send(&header(dst), b"data");
    }
    host.goes("192.0.2.1", NEAR, neighbour("10.0.0.254"));
}

fn the_longest_prefix_wins(host: &mut Host) {
    host.add_route(via("172.16.0.0/12", "10.0.0.12", NEAR));
    host.add_route(via("172.16.0.0/16", "10.0.0.16", NEAR));
    host.add_route(via("172.16.5.0/24", "10.0.0.24", NEAR));
    host.goes("172.16.5.9", NEAR, neighbour("10.0.0.24"));
    host.goes("172.16.6.9", NEAR, neighbour("10.0.0.16"));
    host.goes("172.17.5.9", NEAR, neighbour("10.0.0.12"));
    host.goes("172.32.0.1", NEAR, neighbour("10.0.0.254"));
}

fn the_order_of_the_routes_does_not_matter(host: &mut Host) {
    host.add_route(via("172.16.5.0/24", "10.0.0.24", NEAR));
    host.add_route(via("172.16.0.0/12", "10.0.0.12", NEAR));
    host.add_route(via("172.16.0.0/16", "10.0.0.16", NEAR));
    host.goes("172.16.5.9", NEAR, neighbour("10.0.0.24"));
    host.goes("172.16.6.9", NEAR, neighbour("10.0.0.16"));
}

fn a_route_to_one_host_wins_over_its_network(host: &mut Host) {
    host.add_route(via("192.0.2.7/32", "10.0.0.7", NEAR));
    host.add_route(via("192.0.2.0/24", "10.0.0.8", NEAR));
    // Also over the network that the host itself is on.
    host.add_route(via("10.0.0.77/32", "10.0.0.7", NEAR));
    host.goes("192.0.2.7", NEAR, neighbour("10.0.0.7"));
    host.goes("192.0.2.8", NEAR, neighbour("10.0.0.8"));
    host.goes("10.0.0.77", NEAR, neighbour("10.0.0.7"));
    host.goes("10.0.0.78", NEAR, neighbour("10.0.0.78"));
}

fn prefixes_of_all_lengths_are_told_apart(host: &mut Host) {
    for prefix in 1..=32u8 {
        host.add_route(via(
            &format!("150.51.113.77/{prefix}"),
            &format!("10.0.0.{}", 100 + prefix),
            NEAR,
        ));
    }
    let dst: u32 = "150.51.113.77".parse::<std::net::Ipv4Addr>().expect("an address").into();
    for prefix in 1..32u8 {
        // It has so many bits in common with the destinations, and not one more.
        let other = std::net::Ipv4Addr::from(dst ^ 1 << (31 - prefix)).to_string();
        host.goes(&other, NEAR, neighbour(&format!("10.0.0.{}", 100 + prefix)));
    }
    host.goes("150.51.113.77", NEAR, neighbour("10.0.0.132"));
    host.goes("150.51.113.76", NEAR, neighbour("10.0.0.131"));
}

fn there_are_several_default_gateways(host: &mut Host) {
    host.second_link();
    host.add_route(RouteEntry { metric: 5, ..via("0.0.0.0/0", "10.0.1.254", FAR) });
    host.goes("192.0.2.1", NEAR, neighbour("10.0.0.254"));
    host.remove_route("0.0.0.0/0");
    host.goes("192.0.2.1", FAR, neighbour("10.0.1.254"));
}

fn of_equal_prefixes_the_lower_metric_wins(host: &mut Host) {
    for (metric, gateway) in [(20, "10.0.0.20"), (10, "10.0.0.10"), (30, "10.0.0.30")] {
        host.add_route(RouteEntry { metric, ..via("192.0.2.0/24", gateway, NEAR) });
    }
    host.goes("192.0.2.1", NEAR, neighbour("10.0.0.10"));
    host.remove_route("192.0.2.0/24");
    host.goes("192.0.2.1", NEAR, neighbour("10.0.0.20"));
}

fn a_route_with_the_same_destination_and_metric_is_replaced(host: &mut Host) {
    host.add_route(via("0.0.0.0/0", "10.0.0.9", NEAR));
    host.goes("192.0.2.1", NEAR, neighbour("10.0.0.9"));
    host.remove_route("0.0.0.0/0");
    host.knows_no_way("192.0.2.1");
}

fn a_route_that_was_taken_away_leads_nowhere(host: &mut Host) {
    let dst = "0.0.0.0/0".parse().expect("an address with a prefix");
    let by = |gateway| Change::RemoveRoute { dst, gateway: Some(addr(gateway)), metric: None };
    host.refuses_change(by("10.0.0.9"));
    host.goes("192.0.2.1", NEAR, neighbour("10.0.0.254"));
    host.configure(by("10.0.0.254"));
    host.knows_no_way("192.0.2.1");
    host.refuses_change(by("10.0.0.254"));
}

fn a_gateway_has_to_be_a_neighbour(host: &mut Host) {
    for gateway in ["10.0.1.9", "192.0.2.1"] {
        host.refuses_change(Change::AddRoute(via("0.0.0.0/0", gateway, NEAR)));
    }
    host.refuses_change(Change::AddRoute(via("0.0.0.0/0", "10.0.0.9", IfIndex(9))));
    host.add_route(via("0.0.0.0/0", "10.0.0.9", NEAR));
}

fn down(host: &mut Host) {
    let near = Interface { up: false, ..link(NEAR, "10.0.0.1/24", 1500) };
    host.configure(Change::SetInterface(near));
}

fn an_interface_that_is_down_is_no_way_out(host: &mut Host) {
    host.sends_one(&header("10.0.0.2"), b"data");
    down(host);
    host.knows_no_way("10.0.0.2");
    host.knows_no_way("192.0.2.1");
    host.cannot_send(&header("10.0.0.2"), b"data");
}

fn the_routes_of_an_interface_go_with_it(host: &mut Host) {
    host.goes("192.0.2.1", NEAR, neighbour("10.0.0.254"));
    host.configure(Change::RemoveInterface(NEAR));
    host.knows_no_way("10.0.0.2");
    host.knows_no_way("192.0.2.1");
    let left = host.ip().routes().iter().filter(|route| route.iface == NEAR).count();
    host.record().expect_eq("routes by the interface", left, 0);
}

fn an_interface_that_comes_up_again_is_a_way_out_again(host: &mut Host) {
    down(host);
    host.knows_no_way("192.0.2.1");
    host.configure(Change::SetInterface(link(NEAR, "10.0.0.1/24", 1500)));
    host.goes("192.0.2.1", NEAR, neighbour("10.0.0.254"));
    host.goes("10.0.0.2", NEAR, neighbour("10.0.0.2"));
}

fn a_route_without_a_gateway_makes_its_hosts_neighbours(host: &mut Host) {
    host.add_route(onlink("192.0.2.0/24", NEAR));
    host.goes("192.0.2.1", NEAR, neighbour("192.0.2.1"));
    host.goes("192.0.3.1", NEAR, neighbour("10.0.0.254"));
}

fn the_table_is_in_the_order_of_lookup(host: &mut Host) {
    let table = host.ip().routes();
    let prefixes: Vec<u8> = table.iter().map(|route| route.dst.prefix).collect();
    host.record().expect("the longest prefix is first", prefixes.is_sorted_by(|a, b| a >= b));
    for (dst, origin) in [
        ("10.0.0.1/32", RouteOrigin::Local),
        ("10.0.0.0/24", RouteOrigin::Connected),
        ("0.0.0.0/0", RouteOrigin::Static),
    ] {
        let found = table.iter().find(|route| route.dst.to_string() == dst);
        let seen = found.map(|route| route.origin);
        host.record().expect_eq(&format!("the route to {dst}"), seen, Some(origin));
    }
}

fn a_route_tells_the_transport_how_much_fits(host: &mut Host) {
    for (mtu, len) in [(1500, 1480), (600, 580), (68, 48)] {
        host.configure(Change::SetInterface(link(NEAR, "10.0.0.1/24", mtu)));
        let route = host.route("10.0.0.2");
        host.record().expect_eq("the MTU of the way", route.mtu, mtu);
        let sent = host.sends_one(&header("10.0.0.2"), &vec![1; len]);
        host.record().expect_eq("the datagram's length", sent.packet.len(), mtu);
    }
    host.refuses_change(Change::SetInterface(link(NEAR, "10.0.0.1/24", 67)));
}

fn a_worse_route_stands_in_while_the_better_one_s_link_is_down(host: &mut Host) {
    host.second_link();
    let worse = via("0.0.0.0/0", "10.0.1.254", FAR);
    host.add_route(RouteEntry { metric: 10, ..worse });
    host.goes("192.0.2.1", NEAR, neighbour("10.0.0.254"));
    down(host);
    host.goes("192.0.2.1", FAR, neighbour("10.0.1.254"));
    host.configure(Change::SetInterface(link(NEAR, "10.0.0.1/24", 1500)));
    host.goes("192.0.2.1", NEAR, neighbour("10.0.0.254"));
}
