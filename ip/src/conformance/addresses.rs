//! For whom a datagram is (RFC 1122 §3.2.1.3, §3.3.6; RFC 1112 §7).

use netdev::{Cast, cases};

use super::host::{addr, link};
use super::{FAR, Frame, Host, LO, Make, NEAR, Wire};
use crate::{Change, IfIndex};

cases! { ($) addresses_cases: Make, Host;
    Must 1 "RFC 1122 §3.2.1.3" a_datagram_for_another_host_is_discarded
        "A host MUST silently discard an incoming datagram that is not destined for the host.";
    Must 1 "RFC 1122 §3.3.6" the_limited_broadcast_is_received
        "Limited Broadcast: {-1, -1} … A host MUST recognize any of these forms in the \
         destination address of an incoming datagram.";
    Must 1 "RFC 1122 §3.3.6" the_broadcast_of_its_network_is_received
        "Subnet Directed Broadcast: {<Network-number>,<Subnet-number>,-1} … A host MUST \
         recognize any of these forms in the destination address of an incoming datagram.";
    Must 2 "RFC 1122 §3.2.1.3" the_broadcast_of_another_network_is_discarded
        "… (2) an IP broadcast address valid for the connected network …";
    Should 2 "RFC 1122 §3.3.6" a_unicast_datagram_in_a_broadcast_frame_is_discarded
        "A host SHOULD silently discard a datagram that is received via a link-layer broadcast … \
         but does not specify an IP multicast or broadcast destination address.";
    Ours 2 "RFC 1122 §3.2.2" what_reaches_more_hosts_is_told_to_the_transport
        "Of what frame and destination say, the stricter is passed up: no error and no reset \
         answers a broadcast.";
    Should 1 "RFC 1122 §3.3.7" every_host_is_in_the_all_hosts_group
        "If IGMP is not implemented, a host SHOULD still join the \"all-hosts\" group (224.0.0.1) \
         when the IP layer is initialized and remain a member …";
    Must 1 "RFC 1112 §7.2" a_group_that_nobody_joined_is_discarded
        "Incoming datagrams destined to groups to which the host does not belong are discarded \
         without generating any error report or log entry.";
    Must 1 "RFC 1112 §7.1" a_group_is_heard_once_it_is_joined
        "The JoinHostGroup operation requests that this host become a member of the host group \
         identified by \"group-address\" on the given network interface.";
    Must 1 "RFC 1112 §7.1" a_group_is_not_heard_after_it_was_left
        "The LeaveGroup operation requests that this host give up its membership in the host group \
         identified by \"group-address\" on the given network interface.";
    Should 2 "RFC 1112 §7.2" a_group_is_heard_until_the_last_who_joined_has_left
        "Each membership should have an associated reference count or similar mechanism to handle \
         multiple requests to join and leave the same group.";
    Must 3 "RFC 1112 §7.2" a_membership_is_one_interface_s
        "… if a datagram arrives via one interface, destined for a group to which the host belongs \
         only on a different interface, the datagram is quietly discarded.";
    Ours 1 "RFC 1112 §7.2" a_membership_ends_with_its_interface
        "… a list of host group memberships associated with each network interface.";
    Ours 1 "RFC 1112 §4" only_groups_can_be_joined
        "Host groups are identified by class D IP addresses, i.e., those with \"1110\" as their \
         high-order four bits.";
    Must 2 "RFC 1122 §3.2.1.3" loopback_is_no_destination_on_a_link
        "{ 127, <any> } Internal host loopback address. Addresses of this form MUST NOT appear \
         outside a host.";
    Should 1 "RFC 1812 §5.3.7" this_network_and_class_e_are_no_destinations
        "An IP destination address is invalid if it … is a Class E address (except \
         255.255.255.255).";
    Must 2 "RFC 791 §3.2" an_interface_has_several_addresses
        "… there must be a mapping between internet host addresses and network/host interfaces \
         that allows several internet addresses to correspond to one interface.";
    Must 2 "RFC 791 §3.2" an_address_that_was_taken_away_is_another_host_s
        "… a mapping between internet host addresses and network/host interfaces …";
    Ours 2 "RFC 1122 §3.3.4.2" an_address_of_another_interface_is_answered_for
        "The weak ES model: a datagram may come in by an interface that its destination address \
         does not correspond to.";
    Must 3 "RFC 3021 §2.1" a_prefix_of_31_bits_has_no_broadcast
        "In a point-to-point link with a 31-bit subnet mask, the two addresses above MUST be \
         interpreted as host addresses.";
    Ours 1 "RFC 1122 §3.2.1.3" an_address_that_no_host_can_have_is_not_given_to_an_interface
        "IP addresses are not permitted to have the value 0 or -1 for any of the <Host-number>, \
         <Network-number>, or <Subnet-number> fields …";
    Ours 1 "RFC 1122 §3.2.1.3" a_whole_network_is_the_host_s_own_on_the_loopback_interface
        "{ 127, <any> } Internal host loopback address.";
}

const GROUP: &str = "239.1.2.3";

fn a_datagram_for_another_host_is_discarded(host: &mut Host) {
    host.drops(Wire::to("10.0.0.77"));
    host.drops(Wire::to("192.0.2.1"));
    host.still_delivers();
}

fn the_limited_broadcast_is_received(host: &mut Host) {
    let wire = Wire::to("255.255.255.255");
    let datagram = host.completes(Frame::from(&wire).cast(Cast::Broadcast), &wire.payload);
    host.record().expect_eq("to whom it was sent", datagram.cast, Cast::Broadcast);
}

fn the_broadcast_of_its_network_is_received(host: &mut Host) {
    let wire = Wire::to("10.0.0.255");
    let datagram = host.completes(Frame::from(&wire).cast(Cast::Broadcast), &wire.payload);
    host.record().expect_eq("to whom it was sent", datagram.cast, Cast::Broadcast);
}

fn the_broadcast_of_another_network_is_discarded(host: &mut Host) {
    host.drops(Frame::from(Wire::to("10.0.1.255")).cast(Cast::Broadcast));
    host.drops(Frame::from(Wire::to("10.255.255.255")).cast(Cast::Broadcast));
    host.still_delivers();
}

fn a_unicast_datagram_in_a_broadcast_frame_is_discarded(host: &mut Host) {
    for cast in [Cast::Broadcast, Cast::Multicast] {
        host.drops(Frame::from(Wire::default()).cast(cast));
    }
    host.still_delivers();
}

fn what_reaches_more_hosts_is_told_to_the_transport(host: &mut Host) {
    for (dst, frame, cast) in [
        ("10.0.0.255", Cast::Unicast, Cast::Broadcast),
        ("224.0.0.1", Cast::Multicast, Cast::Multicast),
        ("224.0.0.1", Cast::Unicast, Cast::Multicast),
        ("224.0.0.1", Cast::Broadcast, Cast::Broadcast),
    ] {
        let datagram = host.delivers(Frame::from(Wire::to(dst)).cast(frame));
        host.record().expect_eq("to whom it was sent", datagram.cast, cast);
    }
}

fn group(dst: &str) -> Frame {
    Frame::from(Wire::to(dst)).cast(Cast::Multicast)
}

fn every_host_is_in_the_all_hosts_group(host: &mut Host) {
    host.delivers(group("224.0.0.1"));
}

fn a_group_that_nobody_joined_is_discarded(host: &mut Host) {
    host.configure(Change::Join(NEAR, addr(GROUP)));
    host.drops(group("239.1.2.4"));
    host.delivers(group(GROUP));
}

fn a_group_is_heard_once_it_is_joined(host: &mut Host) {
    host.configure(Change::Join(NEAR, addr(GROUP)));
    let datagram = host.delivers(group(GROUP));
    host.record().expect_eq("to whom it was sent", datagram.cast, Cast::Multicast);
}

fn a_group_is_not_heard_after_it_was_left(host: &mut Host) {
    host.configure(Change::Join(NEAR, addr(GROUP)));
    host.delivers(group(GROUP));
    host.configure(Change::Leave(NEAR, addr(GROUP)));
    host.drops(group(GROUP));
    host.refuses_change(Change::Leave(NEAR, addr(GROUP)));
}

fn a_group_is_heard_until_the_last_who_joined_has_left(host: &mut Host) {
    host.configure(Change::Join(NEAR, addr(GROUP)));
    host.configure(Change::Join(NEAR, addr(GROUP)));
    host.configure(Change::Leave(NEAR, addr(GROUP)));
    host.delivers(group(GROUP));
    host.configure(Change::Leave(NEAR, addr(GROUP)));
    host.drops(group(GROUP));
}

fn a_membership_is_one_interface_s(host: &mut Host) {
    host.second_link();
    host.configure(Change::Join(FAR, addr(GROUP)));
    host.drops(group(GROUP));
    host.delivers(Frame::from(Wire::between("10.0.1.2", GROUP)).on(FAR).cast(Cast::Multicast));
}

fn a_membership_ends_with_its_interface(host: &mut Host) {
    host.configure(Change::Join(NEAR, addr(GROUP)));
    host.delivers(group(GROUP));
    host.configure(Change::RemoveInterface(NEAR));
    host.configure(Change::SetInterface(link(NEAR, "10.0.0.1/24", 1500)));
    host.drops(group(GROUP));
}

fn only_groups_can_be_joined(host: &mut Host) {
    host.configure(Change::Join(NEAR, addr(GROUP)));
    for unicast in ["10.0.0.9", "255.255.255.255", "223.255.255.255", "240.0.0.0"] {
        host.refuses_change(Change::Join(NEAR, addr(unicast)));
    }
}

fn loopback_is_no_destination_on_a_link(host: &mut Host) {
    host.drops(Wire::to("127.0.0.1"));
    host.drops(Wire::to("127.1.2.3"));
    host.still_delivers();
}

fn this_network_and_class_e_are_no_destinations(host: &mut Host) {
    for dst in ["0.0.0.0", "0.0.0.1", "240.0.0.1", "255.255.255.254"] {
        host.drops(Wire::to(dst));
    }
    host.still_delivers();
}

fn with_two_addresses(host: &mut Host) {
    let mut near = link(NEAR, "10.0.0.1/24", 1500);
    near.addrs.push("172.16.0.1/16".parse().expect("an address with a prefix"));
    host.configure(Change::SetInterface(near));
}

fn an_interface_has_several_addresses(host: &mut Host) {
    with_two_addresses(host);
    host.delivers(Wire::default());
    host.delivers(Wire::between("172.16.3.4", "172.16.0.1"));
    let broadcast = Wire::between("172.16.3.4", "172.16.255.255");
    host.delivers(Frame::from(broadcast).cast(Cast::Broadcast));
}

fn an_address_that_was_taken_away_is_another_host_s(host: &mut Host) {
    with_two_addresses(host);
    host.delivers(Wire::to("172.16.0.1"));
    host.configure(Change::SetInterface(link(NEAR, "10.0.0.1/24", 1500)));
    host.drops(Wire::to("172.16.0.1"));
    let known = host.ip().is_local(addr("172.16.0.1"));
    host.record().expect_eq("172.16.0.1 is its own", known, false);
}

fn an_address_of_another_interface_is_answered_for(host: &mut Host) {
    host.second_link();
    host.delivers(Wire::to("10.0.1.1"));
    host.delivers(Frame::from(Wire::between("10.0.1.2", "10.0.0.1")).on(FAR));
}

fn a_prefix_of_31_bits_has_no_broadcast(host: &mut Host) {
    host.configure(Change::SetInterface(link(NEAR, "10.0.0.1/31", 1500)));
    host.delivers(Wire::between("10.0.0.0", "10.0.0.1"));
    host.configure(Change::SetInterface(link(NEAR, "10.0.0.0/31", 1500)));
    host.delivers(Wire::between("10.0.0.1", "10.0.0.0"));
    host.goes("10.0.0.1", NEAR, super::host::neighbour("10.0.0.1"));
}

fn an_address_that_no_host_can_have_is_not_given_to_an_interface(host: &mut Host) {
    for bad in ["224.0.0.1/24", "0.0.0.0/8", "127.0.0.2/8", "10.0.0.255/24", "240.0.0.1/24"] {
        host.refuses_change(Change::SetInterface(link(NEAR, bad, 1500)));
    }
    host.still_delivers();
}

fn a_whole_network_is_the_host_s_own_on_the_loopback_interface(host: &mut Host) {
    for (dst, own) in [
        ("127.0.0.1", true),
        ("127.200.1.2", true),
        ("10.0.0.1", true),
        ("10.0.0.2", false),
        ("126.0.0.1", false),
        ("128.0.0.1", false),
    ] {
        let seen = host.ip().is_local(addr(dst));
        host.record().expect_eq(&format!("{dst} is its own"), seen, own);
    }
    host.delivers(Frame::from(Wire::between("127.0.0.1", "127.9.9.9")).on(LO));
    host.drops(Frame::from(Wire::default()).on(IfIndex(9)));
}
