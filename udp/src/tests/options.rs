//! What only the whole implementation does: address reuse, multicast, path MTU, buffer sizes,
//! ephemeral ports that cannot be guessed.

use ip::{Tos, Ttl};

use super::*;
use crate::{DropReason, Setting};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

fn bench() -> Bench {
    Bench::udp(Config::default())
}

fn set(bench: &mut Bench, socket: Handle, setting: Setting) {
    bench.udp.set(socket, setting).expect("setting");
}

/// SO_REUSEADDR on both: the last one bound receives a unicast, all receive a broadcast.
#[test]
fn sockets_that_allow_it_share_a_port() {
    let mut bench = bench();
    let sockets: Vec<Handle> = (0..3).map(|_| bench.open()).collect();
    for socket in &sockets {
        set(&mut bench, *socket, Setting::ReuseAddr(true));
        bench.bind(*socket, at(ANY, 53)).unwrap();
    }
    let refuses = bench.open();
    assert_eq!(bench.bind(refuses, at(ANY, 53)), Err(SocketError::AddrInUse));
    let _ = bench.arrive(at(ME, 53), b"one");
    let _ = bench.arrive(at(SUBNET_BROADCAST, 53), b"all");
    let counts: Vec<usize> = sockets.iter().map(|s| bench.drain(*s).len()).collect();
    assert_eq!(counts, [1, 1, 2]);
    bench.udp.close(sockets[2]);
    let _ = bench.arrive(at(ME, 53), b"one");
    assert_eq!(bench.drain(sockets[1]), [b"one"]);
}

/// What a server with a socket a client does: the connected one gets its peer's, the bound one
/// the rest.
#[test]
fn a_connected_socket_comes_before_one_at_the_same_port() {
    let mut bench = bench();
    let (server, client) = (bench.open(), bench.open());
    for socket in [server, client] {
        set(&mut bench, socket, Setting::ReuseAddr(true));
        bench.bind(socket, at(ANY, 53)).unwrap();
    }
    bench.connect(client, at(PEER, 4000)).unwrap();
    let _ = bench.arrive(at(ME, 53), b"peer");
    let _ = bench.input(datagram(at(PEER, 4001), at(ME, 53), b"other"));
    let _ = bench.arrive(at(ME_TOO, 53), b"other address");
    assert_eq!(bench.drain(client), [b"peer"]);
    assert_eq!(bench.drain(server), [&b"other"[..], b"other address"]);
}

/// RFC 1112 §7.1.
#[test]
fn a_multicast_is_for_the_members_of_its_group() {
    let mut bench = bench();
    let (member, stranger) = (bench.open(), bench.open());
    for socket in [member, stranger] {
        set(&mut bench, socket, Setting::ReuseAddr(true));
        bench.bind(socket, at(ANY, 5353)).unwrap();
    }
    let unclaimed = bench.arrive(at(GROUP, 5353), b"x");
    assert!(matches!(unclaimed, Input::Dropped(DropReason::GroupUnclaimed)));
    set(&mut bench, member, Setting::Membership(IfIndex(1), GROUP.into(), true));
    assert!(matches!(bench.arrive(at(GROUP, 5353), b"x"), Input::Delivered));
    assert_eq!(bench.receive(member).unwrap().cast, Cast::Multicast);
    assert_eq!(bench.drain(stranger).len(), 0);
    set(&mut bench, member, Setting::Membership(IfIndex(1), GROUP.into(), false));
    assert!(matches!(bench.arrive(at(GROUP, 5353), b"x"), Input::Dropped(_)));
    // RFC 1112 §4: every host is a member of 224.0.0.1.
    let all_hosts = at([224, 0, 0, 1].into(), 5353);
    assert!(matches!(bench.arrive(all_hosts, b"x"), Input::Delivered));
    assert_eq!((bench.drain(member).len(), bench.drain(stranger).len()), (1, 1));
}

#[test]
fn memberships_are_checked_and_bounded() {
    let mut bench = bench();
    let socket = bench.open();
    let mut join = |group: Ipv4Addr, on| {
        bench.udp.set(socket, Setting::Membership(IfIndex(1), group.into(), on))
    };
    assert_eq!(join(PEER, true), Err(SocketError::Invalid));
    assert_eq!(join(GROUP, false), Err(SocketError::AddrNotAvailable));
    assert_eq!(join(GROUP, true), Ok(()));
    assert_eq!(join(GROUP, true), Err(SocketError::AddrInUse));
    for n in 1..20 {
        assert_eq!(join([239, 0, 0, n].into(), true), Ok(()));
    }
    assert_eq!(join([239, 0, 0, 20].into(), true), Err(SocketError::NoBuffers));
}

#[test]
fn a_socket_that_is_bound_to_a_group_hears_nothing_else_and_sends_from_the_route_s_source() {
    let mut bench = bench();
    let socket = bench.bound(GROUP, 5353);
    set(&mut bench, socket, Setting::Membership(IfIndex(1), GROUP.into(), true));
    assert!(matches!(bench.arrive(at(GROUP, 5353), b"x"), Input::Delivered));
    assert!(matches!(bench.arrive(at(ME, 5353), b"x"), Input::Unreachable(_)));
    bench.send(socket, Some(at(PEER, 7)), b"x").unwrap();
    assert_eq!(bench.below.sent[0].0.src, IpAddr::V4(ME));
}

/// RFC 1112 §6.1: the TTL of a multicast is one unless the program says otherwise.
#[test]
fn a_multicast_has_a_ttl_of_its_own() {
    let mut bench = bench();
    let socket = bench.bound(ANY, 5353);
    set(&mut bench, socket, Setting::Ttl(Ttl(99)));
    bench.send(socket, Some(at(GROUP, 5353)), b"x").unwrap();
    set(&mut bench, socket, Setting::MulticastTtl(Ttl(8)));
    bench.send(socket, Some(at(GROUP, 5353)), b"x").unwrap();
    let ttls: Vec<u8> = bench.below.sent.iter().map(|(header, _)| header.ttl.0).collect();
    assert_eq!(ttls, [1, 8]);
}

/// IP brings an own multicast back; IP_MULTICAST_LOOP of the sender says whether it is heard.
#[test]
fn an_own_multicast_is_heard_unless_its_sender_says_no() {
    let mut bench = bench();
    let sender = bench.bound(ANY, 4000);
    let member = bench.bound(ANY, 5353);
    set(&mut bench, member, Setting::Membership(IfIndex(1), GROUP.into(), true));
    let back = |bench: &mut Bench| {
        bench.send(sender, Some(at(GROUP, 5353)), b"x").unwrap();
        let (header, packet) = bench.below.sent.remove(0);
        bench.input(Datagram { iface: IfIndex(0), ..raw(header.src, header.dst, packet) })
    };
    assert!(matches!(back(&mut bench), Input::Delivered));
    set(&mut bench, sender, Setting::MulticastLoop(false));
    assert!(matches!(back(&mut bench), Input::Dropped(DropReason::OwnMulticast)));
    // Another host's at the same port is none of ours.
    assert!(matches!(bench.arrive(at(GROUP, 5353), b"x"), Input::Delivered));
}

#[test]
fn a_broadcast_goes_past_sockets_that_are_connected_to_others() {
    let mut bench = bench();
    let socket = bench.bound(ANY, 67);
    bench.connect(socket, at(PEER, 4001)).unwrap();
    let past = bench.arrive(at(SUBNET_BROADCAST, 67), b"x");
    assert!(matches!(past, Input::Dropped(DropReason::NotPeer)));
    bench.connect(socket, at(PEER, 4000)).unwrap();
    assert!(matches!(bench.arrive(at(SUBNET_BROADCAST, 67), b"x"), Input::Delivered));
}

#[test]
fn the_service_class_is_sent_without_ecn() {
    let mut bench = bench();
    let socket = bench.open();
    set(&mut bench, socket, Setting::Tos(Tos(0xbb)));
    bench.send(socket, Some(at(PEER, 7)), b"x").unwrap();
    assert_eq!(bench.below.sent[0].0.tos, Tos(0xb8));
}

/// RFC 1191.
#[test]
fn with_df_a_datagram_beyond_the_path_mtu_is_refused() {
    let mut bench = bench();
    let socket = bench.bound(ANY, 53);
    bench.send(socket, Some(at(PEER, 7)), &[0; 1473]).unwrap();
    set(&mut bench, socket, Setting::DontFragment(true));
    bench.send(socket, Some(at(PEER, 7)), &[0; 1472]).unwrap();
    let too_long = bench.send(socket, Some(at(PEER, 7)), &[0; 1473]);
    assert_eq!(too_long, Err(SocketError::MessageTooLong));
    let df: Vec<bool> = bench.below.sent.iter().map(|(h, _)| h.dont_fragment).collect();
    assert_eq!(df, [false, true]);
}

#[test]
fn fragmentation_needed_is_told_only_to_who_set_df() {
    let mut bench = bench();
    let socket = bench.bound(ANY, 53);
    bench.connect(socket, at(PEER, 7)).unwrap();
    let needed = Cause::FragmentationNeeded { mtu: 1400 };
    bench.error(needed, at(ME, 53), at(PEER, 7));
    assert_eq!(bench.udp.take_error(socket), None);
    set(&mut bench, socket, Setting::DontFragment(true));
    bench.error(needed, at(ME, 53), at(PEER, 7));
    assert_eq!(bench.udp.take_error(socket), Some(SocketError::MessageTooLong));
}

#[test]
fn the_receive_buffer_bounds_what_waits() {
    let mut bench = bench();
    let socket = bench.bound(ANY, 53);
    set(&mut bench, socket, Setting::ReceiveBuffer(10_000));
    let taken = (0..100)
        .filter(|_| matches!(bench.arrive(at(ME, 53), &[0; 1000]), Input::Delivered))
        .count();
    assert_eq!(taken, 6, "1,000 bytes and 512 of overhead each");
    // One that is larger than the buffer is taken where nothing else waits.
    bench.drain(socket);
    assert!(matches!(bench.arrive(at(ME, 53), &[0; 20_000]), Input::Delivered));
    set(&mut bench, socket, Setting::ReceiveBuffer(usize::MAX));
    assert_eq!(bench.udp.info(socket).unwrap().receive_buffer, 16 << 20);
}

/// A broadcast is delivered where one of its receivers has room, whichever that is.
#[test]
fn a_broadcast_is_delivered_where_one_socket_has_room() {
    for full in 0..2 {
        let mut bench = bench();
        let sockets = [(); 2].map(|()| {
            let socket = bench.open();
            set(&mut bench, socket, Setting::ReuseAddr(true));
            bench.bind(socket, at(ANY, 7)).unwrap();
            socket
        });
        set(&mut bench, sockets[full], Setting::ReceiveBuffer(1));
        let to = at(Ipv4Addr::BROADCAST, 7);
        assert!(matches!(bench.arrive(to, b"first"), Input::Delivered));
        assert!(matches!(bench.arrive(to, b"second"), Input::Delivered));
        assert_eq!(bench.drain(sockets[full]).len(), 1);
        assert_eq!(bench.drain(sockets[1 - full]).len(), 2);
        assert_eq!(bench.count("receive queue full"), 1);
    }
}

/// Empty datagrams take memory too.
#[test]
fn a_flood_of_empty_datagrams_is_bounded() {
    let mut bench = bench();
    bench.bound(ANY, 53);
    let taken =
        (0..10_000).filter(|_| matches!(bench.arrive(at(ME, 53), b""), Input::Delivered)).count();
    assert_eq!(taken, (256 << 10) / 512);
}

#[test]
fn sockets_are_bounded_and_their_places_used_again() {
    let mut bench = Bench::udp(Config { sockets: 2, ..Config::default() });
    let one = bench.open();
    bench.open();
    assert_eq!(bench.udp.open(), Err(SocketError::NoBuffers));
    bench.udp.close(one);
    let again = bench.open();
    assert_eq!((again.index, again.generation), (one.index, one.generation + 1));
}

/// RFC 6056 §3.3.
#[test]
fn ephemeral_ports_run_out_with_an_error_and_come_back() {
    let mut bench = Bench::udp(Config { ephemeral: 50_000..=50_009, ..Config::default() });
    let sockets: Vec<Handle> = (0..10).map(|_| bench.bound(ANY, 0)).collect();
    let last = bench.open();
    let none = Err(SocketError::AddrNotAvailable);
    assert_eq!(bench.bind(last, at(ANY, 0)), none);
    assert_eq!(bench.connect(last, at(PEER, 7)), none);
    assert_eq!(bench.send(last, Some(at(PEER, 7)), b"x").map(|_| ()), none);
    let freed = bench.local(sockets[3]);
    bench.udp.close(sockets[3]);
    assert_eq!(bench.bind(last, at(ANY, 0)), Ok(()));
    assert_eq!(bench.local(last), freed);
}

#[test]
fn a_seed_decides_the_ports_and_another_chooses_others() {
    let ports = |seed| {
        let mut bench = Bench::over(Box::new(Udp::new(Config::default(), seed)));
        (0..20)
            .map(|_| {
                let socket = bench.bound(ANY, 0);
                bench.local(socket).port()
            })
            .collect::<Vec<u16>>()
    };
    assert_eq!(ports(1), ports(1));
    assert_ne!(ports(1), ports(2));
}

#[test]
fn many_sockets_each_get_their_own() {
    let mut bench = bench();
    let sockets: Vec<(Handle, u16)> =
        (1000..11_000).map(|port| (bench.bound(ANY, port), port)).collect();
    for (_, port) in &sockets {
        assert!(matches!(bench.arrive(at(ME, *port), &port.to_be_bytes()), Input::Delivered));
    }
    for (socket, port) in sockets {
        assert_eq!(bench.drain(socket), [port.to_be_bytes()]);
    }
}
