//! Under which address a datagram leaves, and how a destination that is everybody is reached
//! (RFC 1122 §3.2.1.3, §3.3.4, RFC 1112 §6).

use netdev::cases;

use super::host::{addr, data, header, link, neighbour, via};
use super::{FAR, Frame, Host, LO, Make, NEAR};
use crate::{Cause, Change, Header, Hop, Interface, RouteEntry};

cases! { ($) source_addresses_cases: Make, Host;
    Must 1 "RFC 1122 §3.3.4.2" a_source_is_chosen_for_who_names_none
        "In the absence of such a specification, the networking software MUST choose a source \
         address.";
    Must 1 "RFC 1122 §3.3.4.2" a_source_that_is_named_is_taken
        "An application MUST be able to explicitly specify the source address for initiating a \
         connection or a request.";
    Must 2 "RFC 1122 §3.2.1.3" a_source_of_somebody_else_is_refused
        "When a host sends any datagram, the IP source address MUST be one of its own IP addresses \
         (but not a broadcast or multicast address).";
    Must 3 "RFC 1122 §3.2.1.3" loopback_does_not_leave_the_host
        "{ 127, <any> } Internal host loopback address. Addresses of this form MUST NOT appear \
         outside a host.";
    Ours 2 "RFC 1122 §3.2.1.3" what_is_sent_to_an_own_address_stays_in_the_host
        "An own address, on whichever interface, is reached through the loopback interface.";
    Should 3 "RFC 1122 §3.3.4.3" the_source_is_on_the_network_of_the_destination
        "If the remote Internet address lies on one of the (sub-) nets to which the host is \
         directly connected, a corresponding source address may be chosen …";
    Should 3 "RFC 1122 §3.3.4.3" the_source_is_on_the_network_of_the_gateway
        "The default gateways may be consulted. If these gateways are assigned to different \
         interfaces, the interface corresponding to the gateway … may be chosen.";
    May 1 "RFC 1122 §3.3.4.3" a_route_can_name_the_source
        "The table of static routes, if any (see Section 3.3.1.2) may be similarly consulted.";
    Ours 2 "RFC 1122 §3.3.4.2" a_named_source_does_not_choose_the_interface
        "The weak ES model: route(dest IP addr, TOS) -> gateway, interface";
    Must 1 "RFC 1122 §3.3.1.1" the_limited_broadcast_is_sent_to_everybody_on_the_link
        "For a limited broadcast or a multicast address, simply pass the datagram to the link \
         layer for the appropriate interface.";
    Must 2 "RFC 1122 §3.3.6" the_broadcast_of_the_network_is_sent_to_everybody_on_the_link
        "When a host sends a datagram to a link-layer broadcast address, the IP destination \
         address MUST be a legal IP broadcast or IP multicast address.";
    Must 2 "RFC 1112 §6.2" a_group_is_sent_to_on_the_link_and_not_by_the_gateway
        "if IP-destination is on the same local network or IP-destination is a host group, send \
         datagram locally to IP-destination";
    Must 2 "RFC 1112 §6.2" a_member_hears_what_it_sends
        "If the sending host is itself a member of the destination group on the outgoing \
         interface, a copy of the outgoing datagram must be looped-back for local delivery …";
    Must 2 "RFC 1122 §3.2.1.3" a_host_without_an_address_asks_from_0_0_0_0
        "{ 0, 0 } This host on this network. MUST NOT be sent, except as a source address as part \
         of an initialization procedure by which the host learns its own IP address.";
    Must 2 "RFC 1122 §3.2.1.3" nothing_else_is_sent_without_an_address
        "{ 0, 0 } … MUST NOT be sent, except as … part of an initialization procedure …";
}

fn from(src: &str, dst: &str) -> Header {
    Header { src: addr(src), ..header(dst) }
}

fn a_source_is_chosen_for_who_names_none(host: &mut Host) {
    let sent = host.sends_one(&header("10.0.0.2"), b"data");
    host.record().expect_eq("the source", sent.wire.src.to_string(), "10.0.0.1".to_owned());
}

/// A second address on the near link.
fn with_two_addresses(host: &mut Host) {
    let mut near = link(NEAR, "10.0.0.1/24", 1500);
    near.addrs.push("172.16.0.1/16".parse().expect("an address with a prefix"));
    host.configure(Change::SetInterface(near));
}

fn a_source_that_is_named_is_taken(host: &mut Host) {
    with_two_addresses(host);
    let sent = host.sends_one(&from("172.16.0.1", "10.0.0.2"), b"data");
    host.record().expect_eq("the source", sent.wire.src.to_string(), "172.16.0.1".to_owned());
    let route = host.ask("10.0.0.2", Some("172.16.0.1"));
    host.record().expect_eq("the route's", route.map(|r| r.source), Ok(addr("172.16.0.1")));
}

fn a_source_of_somebody_else_is_refused(host: &mut Host) {
    for src in ["10.0.0.9", "192.0.2.1", "10.0.0.255", "224.0.0.1", "255.255.255.255"] {
        host.cannot_send(&from(src, "10.0.0.2"), b"data");
    }
    host.sends_one(&from("10.0.0.1", "10.0.0.2"), b"data");
}

fn loopback_does_not_leave_the_host(host: &mut Host) {
    for dst in ["10.0.0.2", "192.0.2.1", "10.0.0.255"] {
        host.cannot_send(&from("127.0.0.1", dst), b"data");
    }
    let sent = host.sends(&header("127.1.2.3"), b"data");
    host.one(sent, LO, neighbour("127.1.2.3"));
    host.configure(Change::RemoveInterface(LO));
    host.cannot_send(&header("127.0.0.1"), b"data");
}

fn what_is_sent_to_an_own_address_stays_in_the_host(host: &mut Host) {
    for (dst, src) in [("10.0.0.1", "10.0.0.1"), ("127.9.9.9", "127.0.0.1")] {
        let data = data(9000);
        let sent = host.sends(&header(dst), &data);
        let sent = host.one(sent, LO, neighbour(dst));
        let datagram = host.completes(Frame::from(sent.packet).on(LO), &data);
        host.record().expect_eq("the source", datagram.header.src, addr(src));
        let local = host.route(dst).local;
        host.record().expect_eq("the route is local", local, true);
    }
}

fn source_to(host: &mut Host, dst: &str, expected: &str) {
    let seen = host.route(dst).source;
    host.record().expect_eq(&format!("the source to {dst}"), seen, addr(expected));
}

fn the_source_is_on_the_network_of_the_destination(host: &mut Host) {
    host.second_link();
    with_two_addresses(host);
    source_to(host, "10.0.0.2", "10.0.0.1");
    source_to(host, "172.16.3.4", "172.16.0.1");
    source_to(host, "10.0.1.2", "10.0.1.1");
}

fn the_source_is_on_the_network_of_the_gateway(host: &mut Host) {
    host.second_link();
    with_two_addresses(host);
    host.add_route(via("192.0.2.0/24", "172.16.0.9", NEAR));
    host.add_route(via("198.51.100.0/24", "10.0.1.9", FAR));
    source_to(host, "192.0.2.7", "172.16.0.1");
    source_to(host, "198.51.100.7", "10.0.1.1");
    source_to(host, "203.0.113.7", "10.0.0.1");
}

fn a_route_can_name_the_source(host: &mut Host) {
    with_two_addresses(host);
    let source = Some(addr("172.16.0.1"));
    host.add_route(RouteEntry { source, ..via("192.0.2.0/24", "10.0.0.9", NEAR) });
    source_to(host, "192.0.2.7", "172.16.0.1");
    source_to(host, "192.0.3.7", "10.0.0.1");
}

fn a_named_source_does_not_choose_the_interface(host: &mut Host) {
    host.second_link();
    let sent = host.sends_one(&from("10.0.1.1", "10.0.0.2"), b"data");
    host.record().expect_eq("the interface", sent.iface, NEAR);
    host.record().expect_eq("the source", sent.wire.src.to_string(), "10.0.1.1".to_owned());
}

fn the_limited_broadcast_is_sent_to_everybody_on_the_link(host: &mut Host) {
    let sent = host.sends_one(&header("255.255.255.255"), b"data");
    host.record().expect_eq("sent to", (sent.iface, sent.hop), (NEAR, Hop::Broadcast));
    host.record().expect_eq("the source", sent.wire.src.to_string(), "10.0.0.1".to_owned());
}

fn the_broadcast_of_the_network_is_sent_to_everybody_on_the_link(host: &mut Host) {
    let sent = host.sends_one(&header("10.0.0.255"), b"data");
    host.record().expect_eq("sent to", (sent.iface, sent.hop), (NEAR, Hop::Broadcast));
    let sent = host.sends_one(&header("10.0.0.254"), b"data");
    host.record().expect_eq("sent to", (sent.iface, sent.hop), (NEAR, neighbour("10.0.0.254")));
}

fn a_group_is_sent_to_on_the_link_and_not_by_the_gateway(host: &mut Host) {
    let sent = host.sends_one(&header("224.0.0.251"), b"data");
    let group = Hop::Group(addr("224.0.0.251"));
    host.record().expect_eq("sent to", (sent.iface, sent.hop), (NEAR, group));
}

fn a_member_hears_what_it_sends(host: &mut Host) {
    host.configure(Change::Join(NEAR, addr("239.1.1.1")));
    for (dst, hears) in [("239.1.1.1", true), ("239.1.1.2", false)] {
        let sent = host.sends(&header(dst), b"all");
        let copies: Vec<_> = sent.into_iter().filter(|sent| sent.iface == LO).collect();
        host.record().expect_eq("copies to itself", copies.len(), usize::from(hears));
        for copy in copies {
            host.completes(Frame::from(copy.packet).on(LO), b"all");
        }
    }
}

fn without_an_address(host: &mut Host) {
    let near = Interface { addrs: vec![], ..link(NEAR, "10.0.0.1/24", 1500) };
    host.configure(Change::SetInterface(near));
}

fn a_host_without_an_address_asks_from_0_0_0_0(host: &mut Host) {
    without_an_address(host);
    let sent = host.sends_one(&header("255.255.255.255"), b"discover");
    host.record().expect_eq("sent to", (sent.iface, sent.hop), (NEAR, Hop::Broadcast));
    host.record().expect_eq("the source", sent.wire.src.to_string(), "0.0.0.0".to_owned());
}

fn nothing_else_is_sent_without_an_address(host: &mut Host) {
    without_an_address(host);
    for dst in ["10.0.0.2", "192.0.2.1", "224.0.0.5"] {
        let cause = host.cannot_send(&header(dst), b"data");
        host.record().expect_eq("the cause", cause, Cause::NetworkUnreachable);
    }
    host.configure(Change::SetInterface(link(NEAR, "10.0.0.1/24", 1500)));
    host.sends_one(&header("10.0.0.2"), b"data");
}
