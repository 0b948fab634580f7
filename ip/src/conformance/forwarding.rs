//! Passing datagrams on for others (RFC 1812 §5.2, §5.3).

use netdev::{Cast, cases};

use super::host::{addr, data, neighbour, onlink, via};
use super::{FAR, Frame, Host, LO, Make, NEAR, Wire};
use crate::{Cause, Change, Input};

cases! { ($) forwarding_cases: Make, Host;
    Must 1 "RFC 1812 §5.2.1.2" a_datagram_for_another_host_goes_on
        "The forwarder determines the next hop IP address for the packet, usually by looking up \
         the packet's destination in the router's routing table.";
    Must 2 "RFC 1122 §3.3.1" a_host_does_not_forward_until_it_is_told_to
        "A host … MUST silently discard an incoming datagram that is not destined for the host.";
    Must 2 "RFC 1812 §5.3.1" the_ttl_is_one_less
        "When a router forwards a packet, it MUST reduce the TTL by at least one.";
    Must 3 "RFC 1812 §5.3.1" a_datagram_whose_ttl_runs_out_goes_no_further
        "If the TTL is reduced to zero (or less), the packet MUST be discarded, and if the \
         destination is not a multicast address the router MUST send an ICMP Time Exceeded \
         message …";
    Must 2 "RFC 1812 §5.3.1" a_ttl_that_is_enough_for_one_hop_is_enough
        "Note that a router MUST NOT discard an IP unicast or broadcast packet with a non-zero TTL \
         merely because it can predict that another router on the path … will decrement the TTL to \
         zero.";
    Must 3 "RFC 1812 §4.2.2.5" the_checksum_is_right_again
        "A router MAY use incremental IP header checksum updating when the only change to the IP \
         header is the time to live.";
    Must 2 "RFC 1812 §5.3.13.1" nothing_else_is_changed
        "Unrecognized IP options in forwarded packets MUST be passed through unchanged.";
    Must 2 "RFC 1812 §5.2.4.3" it_goes_by_the_gateway_of_its_route
        "Otherwise, the packet must be forwarded through another router to reach its Immediate \
         Destination.";
    Must 2 "RFC 1812 §5.2.7.1" without_a_route_the_source_is_told
        "A router MUST be able to generate ICMP Destination Unreachable messages and SHOULD choose \
         a response code that most closely matches the reason …";
    Must 3 "RFC 1191 §4" what_must_not_be_fragmented_is_refused_with_the_mtu
        "… the router MUST include the MTU of that next-hop network in the low-order 16 bits of \
         the ICMP header field that is labelled \"unused\" …";
    Must 2 "RFC 1812 §5.2.6" fragments_go_on_as_they_are
        "A router MUST NOT reassemble any datagram before forwarding it.";
    Must 2 "RFC 1812 §5.2.7.2" a_detour_is_taken_and_told
        "Routers MUST be able to generate the Redirect for Host message (Code 1) …";
    Must 3 "RFC 1812 §5.2.7.2" no_redirect_for_another_interface
        "Routers MUST NOT generate a Redirect Message unless … The packet is being forwarded out \
         the same physical interface that it was received from …";
    Must 3 "RFC 1812 §5.2.7.2" no_redirect_for_a_source_elsewhere
        "… The IP source address in the packet is on the same Logical IP (sub)network as the \
         next-hop IP address …";
    Must 3 "RFC 1812 §5.3.4" what_came_in_a_broadcast_frame_is_not_forwarded
        "A router MUST NOT forward any packet that the router received as a Link Layer broadcast, \
         unless it is directed to an IP Multicast address.";
    Must 2 "RFC 1812 §5.3.4" what_came_in_a_multicast_frame_is_not_forwarded
        "A router MUST NOT forward any packet which the router received as a Link Layer multicast \
         unless the packet's destination address is an IP multicast address.";
    Must 1 "RFC 1812 §5.3.5.1" a_limited_broadcast_is_taken_and_not_forwarded
        "Limited broadcasts MUST NOT be forwarded. Limited broadcasts MUST NOT be discarded.";
    Ours 3 "RFC 2644 §2" a_broadcast_for_another_network_is_not_forwarded
        "Directed broadcasts are not forwarded unless somebody asks for it: RFC 1812 §5.3.5.2 \
         wanted the contrary, and served attacks.";
    Ours 2 "RFC 1812 §5.2.1.3" a_group_is_not_forwarded
        "Without multicast routing a group is the link's, whatever routes there are.";
    Should 3 "RFC 1812 §5.3.7" martian_sources_are_not_forwarded
        "A router SHOULD NOT forward any packet that has an invalid IP source address or a source \
         address on network 0.";
    Should 2 "RFC 1812 §5.3.7" martian_destinations_are_not_forwarded
        "A router SHOULD NOT forward any packet that has an invalid IP destination address or a \
         destination address on network 0.";
    Must 1 "RFC 1812 §5.2.3" what_is_for_the_router_is_not_forwarded
        "The packet is delivered locally and not considered for forwarding in the following \
         cases: … The packet's destination address exactly matches one of the router's IP \
         addresses …";
    Must 2 "RFC 1812 §5.2.2" a_damaged_header_is_not_forwarded
        "If the packet fails any of the following tests, it MUST be silently discarded …";
    Must 1 "RFC 1812 §5.3.12.1" forwarding_ends_when_it_is_turned_off
        "When a router ceases forwarding, it essentially ceases being a router. It is still a \
         host, and must follow all of the requirements of Host Requirements …";
    Should 2 "RFC 1812 §5.3.7" nothing_is_forwarded_into_the_loopback_interface
        "A router SHOULD NOT forward, except over a loopback interface, any packet that has a \
         destination address on network 127.";
    Must 3 "RFC 1812 §5.3.13.5" a_route_is_recorded
        "Routers MUST support the Record Route option in forwarded packets.";
    Must 2 "RFC 791 §3.1" a_full_route_is_passed_on
        "If the route data area is already full … the datagram is forwarded without inserting the \
         address into the recorded route.";
    Must 2 "RFC 791 §3.1" who_finds_no_room_for_the_time_is_counted
        "If the timestamp data area is already full … the datagram is forwarded without inserting \
         the timestamp, but the overflow count is incremented by one.";
    Must 3 "RFC 1812 §5.3.13.6" a_time_is_stamped
        "Routers MUST support the timestamp option in forwarded packets.";
}

/// From the near network to the far one.
fn across() -> Wire {
    Wire::to("10.0.1.2")
}

fn passes(router: &mut Host, frame: impl Into<Frame>) -> Wire {
    router.forwards(frame, FAR, neighbour("10.0.1.2")).wire
}

fn a_datagram_for_another_host_goes_on(router: &mut Host) {
    router.router();
    let wire = passes(router, across());
    router.record().expect_eq("the destination", wire.dst.to_string(), "10.0.1.2".to_owned());
    router.same_bytes("the payload", &wire.payload, &across().payload);
}

fn a_host_does_not_forward_until_it_is_told_to(host: &mut Host) {
    host.second_link();
    host.drops(across());
    host.drops(Wire::to("192.0.2.1"));
    host.configure(Change::Forwarding(true));
    passes(host, across());
}

fn the_ttl_is_one_less(router: &mut Host) {
    router.router();
    for ttl in [255, 64, 3] {
        let wire = passes(router, Wire { ttl, ..across() });
        router.record().expect_eq("the TTL", wire.ttl, ttl - 1);
    }
}

fn a_datagram_whose_ttl_runs_out_goes_no_further(router: &mut Host) {
    router.router();
    for ttl in [1, 0] {
        let report = router.refuses(Wire { ttl, ..across() }, Cause::TtlExceeded);
        router.record().expect_eq("the frame's cast", report.cast, Cast::Unicast);
    }
}

fn a_ttl_that_is_enough_for_one_hop_is_enough(router: &mut Host) {
    router.router();
    let wire = passes(router, Wire { ttl: 2, ..across() });
    router.record().expect_eq("the TTL", wire.ttl, 1);
}

fn the_checksum_is_right_again(router: &mut Host) {
    router.router();
    // The bench sums each header that leaves; these make the sum wrap around everywhere.
    for step in 0..2048u16 {
        let id = step.wrapping_mul(32).wrapping_sub(16);
        passes(router, Wire { id, ttl: 2 + (step % 254) as u8, ..across() });
    }
    for id in 0..=300 {
        passes(router, Wire { id, ..across() });
    }
}

fn nothing_else_is_changed(router: &mut Host) {
    router.router();
    let options = vec![136, 4, 1, 2, 148, 4, 0, 0, 0x9e, 6, 1, 2, 3, 4, 1, 0];
    let sent = Wire { tos: 0xb9, df: true, protocol: 99, options, payload: data(99), ..across() };
    let seen = passes(router, &sent);
    router.record().expect_eq("the datagram", seen, Wire { ttl: 63, ..sent.clone() });
    // What the link padded does not go on.
    let padded = [&sent.bytes()[..], &[0xee; 9]].concat();
    let seen = passes(router, &padded[..]);
    router.record().expect_eq("the datagram", seen, Wire { ttl: 63, ..sent });
}

fn it_goes_by_the_gateway_of_its_route(router: &mut Host) {
    router.router();
    router.add_route(via("192.0.2.0/24", "10.0.1.9", FAR));
    router.forwards(Wire::to("192.0.2.1"), FAR, neighbour("10.0.1.9"));
    let back = Frame::from(Wire::between("10.0.1.2", "203.0.113.1")).on(FAR);
    router.forwards(back, NEAR, neighbour("10.0.0.254"));
}

fn without_a_route_the_source_is_told(router: &mut Host) {
    router.router();
    router.remove_route("0.0.0.0/0");
    router.refuses(Wire::to("192.0.2.1"), Cause::NetworkUnreachable);
    passes(router, across());
}

fn what_must_not_be_fragmented_is_refused_with_the_mtu(router: &mut Host) {
    router.router();
    let of = |len| Wire { df: true, payload: data(len), ..across() };
    router.refuses(of(581), Cause::FragmentationNeeded { mtu: 600 });
    passes(router, of(580));
}

fn fragments_go_on_as_they_are(router: &mut Host) {
    router.router();
    let data = data(1000);
    for (from, to) in [(504, 1000), (0, 504)] {
        let fragment = Wire { dst: across().dst, ..Wire::fragment(&data, from, to) };
        let seen = passes(router, &fragment);
        router.record().expect_eq("the fragment", seen, Wire { ttl: 63, ..fragment });
    }
}

/// It goes on by a router that its source could have asked itself.
fn detour(router: &mut Host, dst: &str, better: &str) {
    let wire = Wire::to(dst);
    let (input, sent) = router.arrives(&wire);
    let sent = router.one(sent, NEAR, neighbour(better));
    router.record().expect_eq("the TTL", sent.wire.ttl, 63);
    let Input::Report(report) = input else {
        router.record().fail("forwarded, and its source told", "no redirect")
    };
    let cause = Cause::Redirect { gateway: addr(better), host: true };
    router.record().expect_eq("the cause", report.cause, cause);
    router.same_bytes("the datagram as it came", &report.packet, &wire.bytes());
}

fn a_detour_is_taken_and_told(router: &mut Host) {
    router.router();
    detour(router, "192.0.2.1", "10.0.0.254");
    detour(router, "10.0.0.3", "10.0.0.3");
}

fn no_redirect_for_another_interface(router: &mut Host) {
    router.router();
    passes(router, across());
    // Though the destination looks as if it were near.
    router.add_route(onlink("10.0.0.200/32", FAR));
    router.forwards(Wire::to("10.0.0.200"), FAR, neighbour("10.0.0.200"));
}

fn no_redirect_for_a_source_elsewhere(router: &mut Host) {
    router.router();
    let wire = Wire::between("203.0.113.5", "192.0.2.1");
    router.forwards(wire, NEAR, neighbour("10.0.0.254"));
}

fn what_came_in_a_broadcast_frame_is_not_forwarded(router: &mut Host) {
    router.router();
    router.drops(Frame::from(across()).cast(Cast::Broadcast));
    router.drops(Frame::from(Wire::to("192.0.2.1")).cast(Cast::Broadcast));
    passes(router, across());
}

fn what_came_in_a_multicast_frame_is_not_forwarded(router: &mut Host) {
    router.router();
    router.drops(Frame::from(across()).cast(Cast::Multicast));
    passes(router, across());
}

fn a_limited_broadcast_is_taken_and_not_forwarded(router: &mut Host) {
    router.router();
    router.delivers(Frame::from(Wire::to("255.255.255.255")).cast(Cast::Broadcast));
    passes(router, across());
}

fn a_broadcast_for_another_network_is_not_forwarded(router: &mut Host) {
    router.router();
    router.drops(Wire::to("10.0.1.255"));
    passes(router, across());
}

fn a_group_is_not_forwarded(router: &mut Host) {
    router.router();
    router.add_route(via("224.0.0.0/4", "10.0.1.9", FAR));
    router.drops(Frame::from(Wire::to("239.1.2.3")).cast(Cast::Multicast));
    router.drops(Wire::to("239.1.2.3"));
    passes(router, across());
}

fn martian_sources_are_not_forwarded(router: &mut Host) {
    router.router();
    for src in [
        "0.0.0.0",
        "0.0.0.9",
        "127.0.0.1",
        "224.0.0.9",
        "255.255.255.255",
        "240.0.0.1",
        "10.0.0.255",
        "10.0.1.255",
        "10.0.1.1",
    ] {
        router.drops(Wire::between(src, "10.0.1.2"));
    }
    passes(router, across());
}

fn martian_destinations_are_not_forwarded(router: &mut Host) {
    router.router();
    for dst in ["0.0.0.0", "0.0.0.9", "127.0.0.1", "240.0.0.1"] {
        router.drops(Wire::to(dst));
    }
    passes(router, across());
}

fn what_is_for_the_router_is_not_forwarded(router: &mut Host) {
    router.router();
    for dst in ["10.0.0.1", "10.0.1.1"] {
        router.delivers(Wire { ttl: 1, ..Wire::to(dst) });
    }
    passes(router, across());
}

fn a_damaged_header_is_not_forwarded(router: &mut Host) {
    router.router();
    let mut bytes = across().bytes();
    bytes[8] += 1;
    router.drops(&bytes[..]);
    passes(router, across());
}

fn forwarding_ends_when_it_is_turned_off(router: &mut Host) {
    router.router();
    passes(router, across());
    router.configure(Change::Forwarding(false));
    router.drops(across());
}

fn nothing_is_forwarded_into_the_loopback_interface(router: &mut Host) {
    router.router();
    router.add_route(onlink("198.51.100.0/24", LO));
    router.refuses(Wire::to("198.51.100.1"), Cause::NetworkUnreachable);
    passes(router, across());
}

fn a_route_is_recorded(router: &mut Host) {
    router.router();
    let options = vec![7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let seen = passes(router, Wire { options, ..across() });
    let recorded = [7, 11, 8, 10, 0, 1, 1, 0, 0, 0, 0, 0];
    router.same_bytes("the options", &seen.options, &recorded);
}

fn a_time_is_stamped(router: &mut Host) {
    router.router();
    // RFC 791 §3.1: addresses and times, and nothing recorded yet.
    let options = vec![68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let seen = passes(router, Wire { options, ..across() });
    let (pointer, address) = (seen.options[2], &seen.options[4..8]);
    router.record().expect_eq("the pointer", pointer, 13);
    router.same_bytes("the address", address, &[10, 0, 1, 1]);
}

fn a_full_route_is_passed_on(router: &mut Host) {
    router.router();
    let options = vec![7, 7, 8, 192, 0, 2, 1, 0];
    let seen = passes(router, Wire { options: options.clone(), ..across() });
    router.same_bytes("the options", &seen.options, &options);
}

fn who_finds_no_room_for_the_time_is_counted(router: &mut Host) {
    router.router();
    let options = vec![68, 8, 9, 0x20, 0, 0, 0, 1];
    let seen = passes(router, Wire { options, ..across() });
    router.same_bytes("the options", &seen.options, &[68, 8, 9, 0x30, 0, 0, 0, 1]);
}
