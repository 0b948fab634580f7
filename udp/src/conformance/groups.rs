//! Broadcast and multicast: RFC 1122 §3.3.6, RFC 1112 §6.

use std::net::Ipv4Addr;

use ip::{Handle, IfIndex, SocketError, Ttl};
use netdev::cases;

use super::Make;
use super::bench::{Bench, at};
use crate::Setting;
use ip::conformance::below::{ANY, ME, OTHER, PEER, SUBNET};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

cases! { ($) group_cases: Make, Bench;
    Ours 2 "SO_BROADCAST" a_broadcast_has_to_be_allowed
        "Nobody speaks to everybody by mistake.";
    Ours 1 "SO_BROADCAST" a_connect_to_a_broadcast_has_to_be_allowed
        "As for sending.";
    Ours 2 "RFC 1122 §3.3.6" a_broadcast_is_for_every_socket_at_the_port
        "Each has a copy of its own.";
    Must 3 "RFC 1122 §3.2.2" a_broadcast_for_nobody_is_not_unreachable
        "An ICMP error message MUST NOT be sent as the result of receiving: a datagram destined to \
         an IP broadcast or IP multicast address";
    Must 2 "RFC 1122 §3.2.2" a_multicast_for_nobody_is_not_unreachable
        "An ICMP error message MUST NOT be sent as the result of receiving: a datagram destined to \
         an IP broadcast or IP multicast address";
    Ours 1 "connect(2)" a_broadcast_passes_by_who_is_connected_to_others
        "A connected socket hears its peer alone.";
    Ours 2 "RFC 1112 §7.1" a_multicast_is_for_members
        "Who has not joined the group does not hear it.";
    Ours 1 "RFC 1112 §7.1" who_left_hears_no_more
        "Leaving ends it.";
    Ours 1 "RFC 1112 §7.1" only_groups_can_be_joined
        "Nobody joins a host, or twice, or leaves where he is not.";
    Should 2 "RFC 1112 §6.1" a_multicast_has_one_hop
        "If the upper-layer protocol chooses not to specify a time-to-live, it should default to 1 \
         for all multicast IP datagrams";
    Should 1 "RFC 1112 §6.1" the_hops_of_a_multicast_can_be_set
        "the service interface should provide a way for the upper-layer protocol to specify the IP \
         time-to-live of an outgoing multicast datagram";
    Should 1 "RFC 1112 §6.1" an_own_multicast_is_heard_unless_its_sender_says_no
        "the service interface should provide a way for the upper-layer protocol to inhibit local \
         delivery";
}

fn a_broadcast_has_to_be_allowed(bench: &mut Bench) {
    let socket = bench.bound(ANY, 7);
    for to in [SUBNET, Ipv4Addr::BROADCAST] {
        let seen = bench.send(socket, Some(at(to, 80)), b"everybody");
        bench.record.expect_eq("of send", seen, Err(SocketError::Denied));
    }
    bench.expect_silence();
    bench.set_well(socket, Setting::Broadcast(true));
    for to in [SUBNET, Ipv4Addr::BROADCAST] {
        let (header, _) = bench.send_well(socket, at(to, 80), b"everybody");
        bench.record.expect_eq("the destination", header.dst, to.into());
    }
}

fn a_connect_to_a_broadcast_has_to_be_allowed(bench: &mut Bench) {
    let socket = bench.bound(ANY, 7);
    let seen = bench.connect(socket, Some(at(SUBNET, 80)));
    bench.record.expect_eq("of connect", seen, Err(SocketError::Denied));
    bench.set_well(socket, Setting::Broadcast(true));
    let seen = bench.connect(socket, Some(at(SUBNET, 80)));
    bench.record.expect_eq("of connect", seen, Ok(()));
}

/// Two sockets at one port: of its address, and of another.
fn a_broadcast_is_for_every_socket_at_the_port(bench: &mut Bench) {
    let any = bench.bound(ANY, 7);
    let elsewhere = bench.bound(ANY, 8);
    for to in [SUBNET, Ipv4Addr::BROADCAST] {
        bench.arrive(at(to, 7), b"everybody");
        let received = bench.expect_received(any, b"everybody");
        bench.record.expect_eq("to which address", received.to, to.into());
        bench.expect_nothing(elsewhere);
    }
}

fn a_broadcast_for_nobody_is_not_unreachable(bench: &mut Bench) {
    let _bound = bench.bound(ANY, 7);
    for to in [SUBNET, Ipv4Addr::BROADCAST] {
        let input = bench.input(at(PEER, 4000), at(to, 8), b"anybody?");
        bench.expect_dropped(input);
    }
    let input = bench.input(at(PEER, 4000), at(ME, 8), b"anybody?");
    bench.expect_unreachable(input);
}

fn a_multicast_for_nobody_is_not_unreachable(bench: &mut Bench) {
    let input = bench.input(at(PEER, 4000), at(GROUP, 8), b"anybody?");
    bench.expect_dropped(input);
    let input = bench.input(at(PEER, 4000), at(ME, 8), b"anybody?");
    bench.expect_unreachable(input);
}

fn a_broadcast_passes_by_who_is_connected_to_others(bench: &mut Bench) {
    let socket = bench.bound(ANY, 7);
    let seen = bench.connect(socket, Some(at(PEER, 4000)));
    bench.record.expect_eq("of connect", seen, Ok(()));
    let input = bench.input(at(OTHER, 4000), at(SUBNET, 7), b"everybody");
    bench.expect_dropped(input);
    bench.expect_nothing(socket);
    bench.arrive(at(SUBNET, 7), b"everybody");
    bench.expect_received(socket, b"everybody");
}

/// A socket at port 7 that others may join.
fn shared(bench: &mut Bench) -> Handle {
    let socket = bench.open();
    bench.set_well(socket, Setting::ReuseAddr(true));
    let seen = bench.bind(socket, at(ANY, 7));
    bench.record.expect_eq("of bind", seen, Ok(()));
    socket
}

fn a_multicast_is_for_members(bench: &mut Bench) {
    let sockets = [shared(bench), shared(bench), shared(bench)];
    for member in &sockets[..2] {
        bench.set_well(*member, Setting::Membership(IfIndex(1), GROUP.into(), true));
    }
    bench.arrive(at(GROUP, 7), b"members");
    for member in &sockets[..2] {
        bench.expect_received(*member, b"members");
    }
    bench.expect_nothing(sockets[2]);
    let input = bench.input(at(PEER, 4000), at([239, 1, 2, 4].into(), 7), b"another group");
    bench.expect_dropped(input);
}

fn who_left_hears_no_more(bench: &mut Bench) {
    let socket = bench.bound(ANY, 7);
    bench.set_well(socket, Setting::Membership(IfIndex(1), GROUP.into(), true));
    bench.arrive(at(GROUP, 7), b"members");
    bench.expect_received(socket, b"members");
    bench.set_well(socket, Setting::Membership(IfIndex(1), GROUP.into(), false));
    let input = bench.input(at(PEER, 4000), at(GROUP, 7), b"members");
    bench.expect_dropped(input);
}

fn only_groups_can_be_joined(bench: &mut Bench) {
    let socket = bench.bound(ANY, 7);
    let member = |group: Ipv4Addr, join| Setting::Membership(IfIndex(1), group.into(), join);
    let seen = bench.set(socket, member(PEER, true));
    bench.record.expect_eq("joining a host", seen, Err(SocketError::Invalid));
    bench.set_well(socket, member(GROUP, true));
    let seen = bench.set(socket, member(GROUP, true));
    bench.record.expect_eq("joining twice", seen, Err(SocketError::AddrInUse));
    bench.set_well(socket, member(GROUP, false));
    let seen = bench.set(socket, member(GROUP, false));
    bench.record.expect_eq("leaving twice", seen, Err(SocketError::AddrNotAvailable));
}

fn a_multicast_has_one_hop(bench: &mut Bench) {
    let socket = bench.bound(ANY, 7);
    let (header, _) = bench.send_well(socket, at(GROUP, 80), b"members");
    bench.record.expect_eq("the ttl of a multicast", header.ttl, Ttl(1));
    let (header, _) = bench.send_well(socket, at(PEER, 80), b"one");
    bench.record.expect("more hops for a unicast", header.ttl > Ttl(1));
}

fn the_hops_of_a_multicast_can_be_set(bench: &mut Bench) {
    let socket = bench.bound(ANY, 7);
    bench.set_well(socket, Setting::MulticastTtl(Ttl(5)));
    bench.set_well(socket, Setting::Ttl(Ttl(9)));
    let (header, _) = bench.send_well(socket, at(GROUP, 80), b"members");
    bench.record.expect_eq("the ttl of a multicast", header.ttl, Ttl(5));
    let (header, _) = bench.send_well(socket, at(PEER, 80), b"one");
    bench.record.expect_eq("the ttl of a unicast", header.ttl, Ttl(9));
}

/// IP brings own multicasts back: they arrive as any.
fn an_own_multicast_is_heard_unless_its_sender_says_no(bench: &mut Bench) {
    let socket = bench.bound(ANY, 7);
    bench.set_well(socket, Setting::Membership(IfIndex(1), GROUP.into(), true));
    for heard in [true, false, true] {
        bench.set_well(socket, Setting::MulticastLoop(heard));
        let _ = bench.send_well(socket, at(GROUP, 7), b"members");
        let input = bench.input(at(ME, 7), at(GROUP, 7), b"members");
        if heard {
            bench.expect_delivered(input);
            bench.expect_received(socket, b"members");
        } else {
            bench.expect_dropped(input);
            bench.expect_nothing(socket);
        }
    }
}
