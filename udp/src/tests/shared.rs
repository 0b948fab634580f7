//! What every implementation does: each test runs over both.

use ip::{Readiness, Ttl};
use netdev::{Checksum, Segmentation};
use pnet_packet::udp::{UdpPacket, ipv4_checksum};

use super::*;
use crate::{DropReason, Setting, SimpleUdp};

macro_rules! for_each_implementation {
    ($($test:ident),+ $(,)?) => {
        mod whole {
            use super::*;
            $(#[test] fn $test() { super::$test(Bench::udp(Config::default())); })+
        }
        mod simple {
            use super::*;
            $(#[test] fn $test() { super::$test(Bench::over(Box::new(SimpleUdp::new(1)))); })+
        }
    };
}

for_each_implementation!(
    a_sent_datagram_has_ports_length_and_checksum,
    a_computed_checksum_of_zero_is_sent_as_all_ones,
    the_checksum_is_left_to_a_device_that_fills_it_in,
    a_datagram_without_a_checksum_is_taken,
    a_bad_checksum_is_dropped_unless_somebody_vouches_for_it,
    the_checksum_of_an_odd_length_is_right,
    a_datagram_shorter_than_its_length_is_dropped,
    a_length_below_eight_is_dropped,
    padding_behind_the_length_is_cut_off,
    port_zero_is_dropped,
    a_port_is_bound_once,
    an_address_that_is_not_ours_cannot_be_bound,
    port_zero_binds_to_an_ephemeral_port,
    a_first_send_binds,
    datagrams_are_received_whole_and_in_order,
    an_empty_datagram_is_a_datagram,
    a_peeked_datagram_stays,
    defect_udp_demux_respects_the_bound_address,
    defect_udp_connect_is_possible,
    a_connected_socket_hears_its_peer_alone,
    the_connected_socket_comes_before_the_bound_one,
    the_bound_socket_comes_before_one_at_every_address,
    a_socket_can_be_connected_again_and_disconnected,
    a_connect_that_fails_changes_nothing,
    a_socket_that_is_bound_to_an_address_keeps_it,
    a_datagram_for_nobody_comes_back_as_it_was,
    a_broadcast_is_for_every_socket_at_the_port,
    a_broadcast_for_nobody_is_dropped_and_not_answered,
    a_broadcast_must_be_allowed,
    a_connected_socket_is_told_of_an_error_once,
    an_unconnected_socket_is_not_told_of_errors,
    source_quench_and_redirect_tell_nobody,
    a_datagram_is_65507_bytes_at_most,
    what_ip_refuses_is_told_to_the_sender,
    a_destination_must_make_sense,
    the_ttl_can_be_set_but_not_to_zero,
    a_full_queue_drops_the_newest_and_counts_it,
    no_more_waits_than_the_receive_buffer_holds,
    readiness_follows_the_queue,
    a_changed_socket_is_named_once,
    a_receive_names_its_socket_where_it_took_something,
    a_closed_socket_is_gone_and_its_handle_with_it,
    sockets_are_listed_by_port,
    a_segmented_packet_is_several_datagrams,
    counters_have_a_row_for_every_reason,
);

/// RFC 768. pnet computes the checksum as a second opinion.
fn a_sent_datagram_has_ports_length_and_checksum(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    assert_eq!(bench.send(socket, Some(at(PEER, 4000)), b"hello"), Ok(5));
    let (header, packet) = bench.below.sent.remove(0);
    assert_eq!((header.src, header.dst), (IpAddr::V4(ME), IpAddr::V4(PEER)));
    assert_eq!((header.protocol, header.ttl), (Protocol::UDP, Ttl::DEFAULT));
    let udp = UdpPacket::new(&packet).unwrap();
    assert_eq!((udp.get_source(), udp.get_destination(), udp.get_length()), (53, 4000, 13));
    assert_eq!(udp.get_checksum(), ipv4_checksum(&udp, &ME, &PEER));
    assert_eq!(&packet[8..], b"hello");
    assert_eq!(bench.count("datagrams sent"), 1);
}

/// RFC 768: zero means that there is none.
fn a_computed_checksum_of_zero_is_sent_as_all_ones(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    bench.send(socket, Some(at(PEER, 4000)), &[0, 0]).unwrap();
    let check = |packet: &[u8]| u16::from_be_bytes([packet[6], packet[7]]);
    // Data that brings the sum to all ones: the checksum of the same with zeros in its place.
    let data = check(&bench.below.sent.remove(0).1).to_be_bytes();
    bench.send(socket, Some(at(PEER, 4000)), &data).unwrap();
    let (_, packet) = bench.below.sent.remove(0);
    assert_eq!(check(&packet), 0xffff);
    // And it is taken as right where it arrives.
    let arrived =
        raw(PEER.into(), ME.into(), wire::build(at(PEER, 4000), at(ME, 53), &data, false));
    assert!(matches!(bench.input(arrived), Input::Delivered));
}

fn the_checksum_is_left_to_a_device_that_fills_it_in(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    for data in [&b"even"[..], b"odd", b""] {
        bench.below.checksum_offload = true;
        bench.send(socket, Some(at(PEER, 4000)), data).unwrap();
        let (_, mut partial) = bench.below.sent.remove(0);
        assert_eq!(partial.checksum(), Checksum::Partial { start: 0, offset: 6 });
        partial.complete_checksum();
        bench.below.checksum_offload = false;
        bench.send(socket, Some(at(PEER, 4000)), data).unwrap();
        assert_eq!(partial[..], bench.below.sent.remove(0).1[..]);
    }
}

/// RFC 1122 §4.1.3.4.
fn a_datagram_without_a_checksum_is_taken(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    let mut datagram = datagram(at(PEER, 4000), at(ME, 53), b"x");
    datagram.payload[6..8].fill(0);
    assert!(matches!(bench.input(datagram), Input::Delivered));
    assert_eq!(bench.drain(socket), [b"x"]);
}

/// RFC 1122 §4.1.3.4: silently discarded. A device, or a local kernel that left the sum to be
/// filled in, is believed.
fn a_bad_checksum_is_dropped_unless_somebody_vouches_for_it(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    let mut bad = datagram(at(PEER, 4000), at(ME, 53), b"x");
    bad.payload[7] ^= 0x10;
    assert!(matches!(bench.input(bad.clone()), Input::Dropped(DropReason::Checksum)));
    assert_eq!(bench.count("bad checksum"), 1);
    for known in [Checksum::Verified, Checksum::Partial { start: 0, offset: 6 }] {
        bad.payload.set_checksum(known);
        assert!(matches!(bench.input(bad.clone()), Input::Delivered));
    }
    assert_eq!(bench.drain(socket).len(), 2);
    // The pseudo header counts: the same bytes from another address are wrong.
    let mut moved = datagram(at(PEER, 4000), at(ME, 53), b"x");
    moved.header.src = [10, 0, 0, 3].into();
    assert!(matches!(bench.input(moved), Input::Dropped(DropReason::Checksum)));
}

fn the_checksum_of_an_odd_length_is_right(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    for len in 0..40 {
        let data = vec![0xa5; len];
        assert!(matches!(bench.arrive(at(ME, 53), &data), Input::Delivered), "{len} bytes");
        assert_eq!(bench.drain(socket), [data]);
    }
}

fn a_datagram_shorter_than_its_length_is_dropped(mut bench: Bench) {
    bench.bound(ANY, 53);
    let whole = datagram(at(PEER, 4000), at(ME, 53), b"data");
    for len in 0..12 {
        let mut cut = whole.clone();
        cut.payload.truncate(len);
        assert!(matches!(bench.input(cut), Input::Dropped(DropReason::Truncated)), "{len} bytes");
    }
}

fn a_length_below_eight_is_dropped(mut bench: Bench) {
    bench.bound(ANY, 53);
    for len in 0..8 {
        let mut bad = datagram(at(PEER, 4000), at(ME, 53), b"data");
        bad.payload[4..8].copy_from_slice(&[0, len, 0, 0]);
        assert!(matches!(bench.input(bad), Input::Dropped(DropReason::Length)), "length {len}");
    }
}

/// The IP payload may be longer than the UDP length; what is behind it is not summed either.
fn padding_behind_the_length_is_cut_off(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    let mut padded = datagram(at(PEER, 4000), at(ME, 53), b"data");
    padded.payload.append(&[0xff; 7]);
    assert!(matches!(bench.input(padded), Input::Delivered));
    assert_eq!(bench.drain(socket), [b"data"]);
}

fn port_zero_is_dropped(mut bench: Bench) {
    assert!(matches!(bench.arrive(at(ME, 0), b"x"), Input::Dropped(DropReason::PortZero)));
    // RFC 768: a source port of zero only says that no answer is wanted.
    let socket = bench.bound(ANY, 53);
    let silent = datagram(at(PEER, 0), at(ME, 53), b"x");
    assert!(matches!(bench.input(silent), Input::Delivered));
    assert_eq!(bench.receive(socket).unwrap().from, at(PEER, 0));
}

fn a_port_is_bound_once(mut bench: Bench) {
    let first = bench.bound(ME, 53);
    assert_eq!(bench.bind(first, at(ME, 54)), Err(SocketError::Invalid), "one binds once");
    let other = bench.open();
    assert_eq!(bench.bind(other, at(ME, 53)), Err(SocketError::AddrInUse));
    assert_eq!(bench.bind(other, at(ANY, 53)), Err(SocketError::AddrInUse), "overlaps");
    assert_eq!(bench.bind(other, at(ME_TOO, 53)), Ok(()), "another address");
    bench.udp.close(first);
    bench.bound(ME, 53);
    bench.bound(ANY, 54);
    let third = bench.open();
    assert_eq!(bench.bind(third, at(ME, 54)), Err(SocketError::AddrInUse));
}

fn an_address_that_is_not_ours_cannot_be_bound(mut bench: Bench) {
    let socket = bench.open();
    assert_eq!(bench.bind(socket, at(PEER, 53)), Err(SocketError::AddrNotAvailable));
    assert_eq!(bench.local(socket).port(), 0);
    assert_eq!(bench.bind(socket, at(Ipv4Addr::LOCALHOST, 53)), Ok(()));
}

fn port_zero_binds_to_an_ephemeral_port(mut bench: Bench) {
    let sockets: Vec<Handle> = (0..100).map(|_| bench.bound(ANY, 0)).collect();
    let mut ports: Vec<u16> = sockets.iter().map(|s| bench.local(*s).port()).collect();
    assert!(ports.iter().all(|port| (0x8000..=0xf000).contains(port)), "tapip's range");
    ports.sort();
    ports.dedup();
    assert_eq!(ports.len(), 100);
}

fn a_first_send_binds(mut bench: Bench) {
    let socket = bench.open();
    bench.send(socket, Some(at(PEER, 7)), b"x").unwrap();
    let local = bench.local(socket);
    assert!(local.ip().is_unspecified() && local.port() >= 0x8000, "{local}");
    let answer = datagram(at(PEER, 7), at(ME, local.port()), b"answer");
    assert!(matches!(bench.input(answer), Input::Delivered));
    assert_eq!(bench.drain(socket), [b"answer"]);
    bench.send(socket, Some(at(PEER, 7)), b"y").unwrap();
    assert_eq!(bench.local(socket), local);
}

fn datagrams_are_received_whole_and_in_order(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    assert_eq!(bench.receive(socket), Err(SocketError::WouldBlock));
    let mut first = datagram(at(PEER, 4000), at(ME, 53), b"one");
    first.header.ttl = Ttl(17);
    first.header.tos = ip::Tos(0x28);
    assert!(matches!(bench.input(first), Input::Delivered));
    assert!(matches!(bench.arrive(at(ME_TOO, 53), b"two"), Input::Delivered));
    let received = bench.receive(socket).unwrap();
    assert_eq!((received.from, received.to), (at(PEER, 4000), ME.into()));
    assert_eq!((received.ttl, received.tos, received.at), (Ttl(17), ip::Tos(0x28), bench.now));
    assert_eq!((received.iface, received.cast), (IfIndex(1), Cast::Unicast));
    assert_eq!(&received.data[..], b"one");
    assert_eq!(bench.receive(socket).unwrap().to, IpAddr::V4(ME_TOO));
    assert_eq!(bench.receive(socket), Err(SocketError::WouldBlock));
}

fn an_empty_datagram_is_a_datagram(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    assert_eq!(bench.send(socket, Some(at(PEER, 7)), b""), Ok(0));
    assert_eq!(bench.below.sent.len(), 1);
    assert!(matches!(bench.arrive(at(ME, 53), b""), Input::Delivered));
    assert!(bench.udp.readiness(socket).contains(Readiness::READABLE));
    assert!(bench.receive(socket).unwrap().data.is_empty());
}

fn a_peeked_datagram_stays(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    let _ = bench.arrive(at(ME, 53), b"x");
    let peeked = bench.udp.receive(socket, true).unwrap();
    assert_eq!(bench.receive(socket), Ok(peeked));
    assert_eq!(bench.udp.receive(socket, true), Err(SocketError::WouldBlock));
}

/// tapip found a socket by its port alone.
fn defect_udp_demux_respects_the_bound_address(mut bench: Bench) {
    let one = bench.bound(ME, 53);
    let two = bench.bound(ME_TOO, 53);
    assert!(matches!(bench.arrive(at(ME, 53), b"one"), Input::Delivered));
    assert!(matches!(bench.arrive(at(ME_TOO, 53), b"two"), Input::Delivered));
    assert_eq!(bench.drain(one), [b"one"]);
    assert_eq!(bench.drain(two), [b"two"]);
    let elsewhere = bench.arrive(at(Ipv4Addr::LOCALHOST, 53), b"x");
    assert!(matches!(elsewhere, Input::Unreachable(_)));
}

/// tapip's UDP sockets could not be connected.
fn defect_udp_connect_is_possible(mut bench: Bench) {
    let socket = bench.open();
    assert_eq!(bench.send(socket, None, b"x"), Err(SocketError::DestinationRequired));
    assert_eq!(bench.connect(socket, at(PEER, 7)), Ok(()));
    let info = bench.udp.info(socket).unwrap();
    assert_eq!((info.local.ip(), info.peer), (IpAddr::V4(ME), Some(at(PEER, 7))));
    assert_eq!(bench.send(socket, None, b"x"), Ok(1));
    let (header, packet) = bench.below.sent.remove(0);
    assert_eq!((header.dst, &packet[2..4]), (PEER.into(), &[0, 7][..]));
    let answer = datagram(at(PEER, 7), info.local, b"answer");
    assert!(matches!(bench.input(answer), Input::Delivered));
    assert_eq!(bench.drain(socket), [b"answer"]);
}

fn a_connected_socket_hears_its_peer_alone(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    bench.connect(socket, at(PEER, 4000)).unwrap();
    for from in [at(PEER, 4001), at([10, 0, 0, 3].into(), 4000)] {
        let other = bench.input(datagram(from, at(ME, 53), b"x"));
        assert!(matches!(other, Input::Unreachable(_)), "from {from}");
    }
    assert!(matches!(bench.arrive(at(ME, 53), b"x"), Input::Delivered));
    // The route chose the address, and there it hears.
    assert!(matches!(bench.arrive(at(ME_TOO, 53), b"x"), Input::Unreachable(_)));
}

/// Two sockets come to have the same address and port where a connect moves one to the address
/// that the other is bound to.
fn the_connected_socket_comes_before_the_bound_one(mut bench: Bench) {
    let connected = bench.bound(ANY, 53);
    bench.connect(connected, at(PEER, 4000)).unwrap();
    let bound = bench.bound(ME_TOO, 53);
    bench.connect(connected, at(ME_TOO, 4000)).unwrap();
    assert_eq!(bench.local(connected), bench.local(bound));
    let _ = bench.input(datagram(at(ME_TOO, 4000), at(ME_TOO, 53), b"one"));
    let _ = bench.input(datagram(at(ME_TOO, 4001), at(ME_TOO, 53), b"two"));
    assert_eq!(bench.drain(connected), [b"one"]);
    assert_eq!(bench.drain(bound), [b"two"]);
}

/// Two that could not be bound like this come to it when one is disconnected.
fn the_bound_socket_comes_before_one_at_every_address(mut bench: Bench) {
    let (any, bound) = (bench.bound(ANY, 53), bench.open());
    bench.connect(any, at(PEER, 4000)).unwrap();
    bench.bind(bound, at(ME_TOO, 53)).unwrap();
    bench.disconnect(any);
    assert_eq!(bench.local(any), at(ANY, 53));
    let _ = bench.arrive(at(ME_TOO, 53), b"x");
    let _ = bench.arrive(at(ME, 53), b"y");
    assert_eq!((bench.drain(bound), bench.drain(any)), (vec![b"x".to_vec()], vec![b"y".to_vec()]));
}

fn a_socket_can_be_connected_again_and_disconnected(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    bench.connect(socket, at(PEER, 4000)).unwrap();
    bench.connect(socket, at(Ipv4Addr::LOCALHOST, 9)).unwrap();
    assert_eq!(bench.local(socket), at(Ipv4Addr::LOCALHOST, 53), "by the new route");
    assert!(matches!(bench.arrive(at(ME, 53), b"x"), Input::Unreachable(_)));
    bench.disconnect(socket);
    let info = bench.udp.info(socket).unwrap();
    assert_eq!((info.local, info.peer), (at(ANY, 53), None));
    assert!(matches!(bench.arrive(at(ME, 53), b"x"), Input::Delivered));
    assert_eq!(bench.send(socket, None, b"x"), Err(SocketError::DestinationRequired));
}

fn a_connect_that_fails_changes_nothing(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    let nowhere = at([203, 0, 113, 1].into(), 7);
    assert_eq!(bench.connect(socket, nowhere), Err(SocketError::NetworkUnreachable));
    assert_eq!(bench.local(socket), at(ANY, 53));
    bench.connect(socket, at(PEER, 4000)).unwrap();
    let before = bench.udp.info(socket);
    for peer in [nowhere, at(PEER, 0), at(SUBNET_BROADCAST, 7)] {
        assert!(bench.connect(socket, peer).is_err());
        assert_eq!(bench.udp.info(socket), before);
    }
    let unbound = bench.open();
    assert!(bench.connect(unbound, nowhere).is_err());
    assert_eq!(bench.local(unbound).port(), 0);
}

fn a_socket_that_is_bound_to_an_address_keeps_it(mut bench: Bench) {
    let socket = bench.bound(ME_TOO, 53);
    bench.connect(socket, at(PEER, 4000)).unwrap();
    bench.send(socket, None, b"x").unwrap();
    assert_eq!(bench.below.sent[0].0.src, IpAddr::V4(ME_TOO));
    bench.disconnect(socket);
    assert_eq!(bench.local(socket), at(ME_TOO, 53));
    bench.send(socket, Some(at(PEER, 9)), b"x").unwrap();
    assert_eq!(bench.below.sent[1].0.src, IpAddr::V4(ME_TOO));
}

/// RFC 1122 §4.1.3.1: port unreachable, and ICMP quotes what came.
fn a_datagram_for_nobody_comes_back_as_it_was(mut bench: Bench) {
    let mut packet = Packet::from_payload(b"IP header");
    packet.append(&wire::build(at(PEER, 4000), at(ME, 99), b"x", false));
    packet.append(b"padding");
    let whole = packet.clone();
    packet.strip(9);
    let mut datagram = raw(PEER.into(), ME.into(), packet);
    datagram.header_len = 9;
    let Input::Unreachable(back) = bench.input(datagram) else { panic!("unreachable") };
    assert_eq!(back.into_whole(), whole);
    assert_eq!(bench.count("datagrams to a port without a listener"), 1);
}

fn a_broadcast_is_for_every_socket_at_the_port(mut bench: Bench) {
    let one = bench.bound(ANY, 67);
    let elsewhere = bench.bound(ANY, 68);
    assert!(matches!(bench.arrive(at(Ipv4Addr::BROADCAST, 67), b"x"), Input::Delivered));
    assert!(matches!(bench.arrive(at(SUBNET_BROADCAST, 67), b"y"), Input::Delivered));
    assert_eq!(bench.receive(one).unwrap().cast, Cast::Broadcast);
    assert_eq!(bench.drain(one), [b"y"]);
    assert_eq!(bench.drain(elsewhere), [[0; 0]; 0]);
}

/// RFC 1122 §3.2.2: never an error about a broadcast.
fn a_broadcast_for_nobody_is_dropped_and_not_answered(mut bench: Bench) {
    for dst in [Ipv4Addr::BROADCAST, SUBNET_BROADCAST, Ipv4Addr::new(224, 0, 0, 251)] {
        let input = bench.arrive(at(dst, 67), b"x");
        assert!(matches!(input, Input::Dropped(DropReason::GroupUnclaimed)), "to {dst}");
    }
}

/// SO_BROADCAST.
fn a_broadcast_must_be_allowed(mut bench: Bench) {
    let socket = bench.bound(ANY, 67);
    for dst in [Ipv4Addr::BROADCAST, SUBNET_BROADCAST] {
        assert_eq!(bench.send(socket, Some(at(dst, 67)), b"x"), Err(SocketError::Denied));
        assert_eq!(bench.connect(socket, at(dst, 67)), Err(SocketError::Denied));
    }
    assert!(bench.below.sent.is_empty());
    bench.udp.set(socket, Setting::Broadcast(true)).unwrap();
    assert_eq!(bench.send(socket, Some(at(SUBNET_BROADCAST, 67)), b"x"), Ok(1));
    assert!(bench.udp.info(socket).unwrap().broadcast);
}

/// RFC 1122 §4.1.3.3. By every call, but once.
fn a_connected_socket_is_told_of_an_error_once(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    bench.connect(socket, at(PEER, 7)).unwrap();
    let told = [
        (Cause::PortUnreachable, SocketError::Refused),
        (Cause::HostUnreachable, SocketError::HostUnreachable),
        (Cause::NetworkUnreachable, SocketError::NetworkUnreachable),
    ];
    for (cause, error) in told {
        bench.changed();
        bench.error(cause, at(ME, 53), at(PEER, 7));
        assert_eq!(bench.changed(), [socket]);
        let readiness = bench.udp.readiness(socket);
        assert!(readiness.contains(Readiness::ERROR | Readiness::READABLE | Readiness::WRITABLE));
        assert_eq!(bench.receive(socket), Err(error));
        assert_eq!(bench.receive(socket), Err(SocketError::WouldBlock));
        assert!(!bench.udp.readiness(socket).contains(Readiness::ERROR));

        bench.error(cause, at(ME, 53), at(PEER, 7));
        assert_eq!(bench.send(socket, None, b"x"), Err(error));
        assert_eq!(bench.send(socket, None, b"x"), Ok(1));

        bench.error(cause, at(ME, 53), at(PEER, 7));
        assert_eq!(bench.udp.take_error(socket), Some(error));
        assert_eq!(bench.udp.take_error(socket), None);
    }
    assert_eq!(bench.count("ICMP errors passed on"), 9);
}

/// See the deviations in `lib.rs`.
fn an_unconnected_socket_is_not_told_of_errors(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    let other = bench.bound(ANY, 54);
    bench.connect(other, at(PEER, 7)).unwrap();
    bench.send(socket, Some(at(PEER, 7)), b"x").unwrap();
    bench.error(Cause::PortUnreachable, at(ME, 53), at(PEER, 7));
    bench.error(Cause::PortUnreachable, at(ME, 54), at(PEER, 8));
    assert_eq!(bench.udp.take_error(socket), None);
    assert_eq!(bench.udp.take_error(other), None);
    assert_eq!(bench.count("ICMP errors without a connected socket"), 2);
}

/// RFC 6633 §5; RFC 1122 §3.2.2.2.
fn source_quench_and_redirect_tell_nobody(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    bench.connect(socket, at(PEER, 7)).unwrap();
    let gateway = [10, 0, 0, 3].into();
    for cause in [Cause::SourceQuench, Cause::Redirect { gateway, host: true }] {
        bench.error(cause, at(ME, 53), at(PEER, 7));
        assert_eq!(bench.udp.take_error(socket), None);
    }
}

fn a_datagram_is_65507_bytes_at_most(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    let too_long = bench.send(socket, Some(at(PEER, 7)), &[1; 65_508]);
    assert_eq!(too_long, Err(SocketError::MessageTooLong));
    assert!(bench.below.sent.is_empty());
    assert_eq!(bench.send(socket, Some(at(PEER, 7)), &[1; 65_507]), Ok(65_507));
    let (_, packet) = bench.below.sent.remove(0);
    assert_eq!((packet.len(), &packet[4..6]), (65_515, &65_515u16.to_be_bytes()[..]));
    assert!(matches!(bench.arrive(at(ME, 53), &[2; 65_507]), Input::Delivered));
    assert_eq!(bench.drain(socket)[0].len(), 65_507);
}

fn what_ip_refuses_is_told_to_the_sender(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    let nowhere = at([203, 0, 113, 1].into(), 7);
    assert_eq!(bench.send(socket, Some(nowhere), b"x"), Err(SocketError::NetworkUnreachable));
    assert_eq!(bench.connect(socket, nowhere), Err(SocketError::NetworkUnreachable));
    bench.below.refuse = Some(Cause::HostUnreachable);
    let refused = bench.send(socket, Some(at(PEER, 7)), b"x");
    assert_eq!(refused, Err(SocketError::HostUnreachable));
    assert_eq!(bench.count("datagrams refused by IP"), 1);
}

fn a_destination_must_make_sense(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    for to in [at(PEER, 0), at(ANY, 7)] {
        assert_eq!(bench.send(socket, Some(to), b"x"), Err(SocketError::Invalid));
        assert_eq!(bench.connect(socket, to), Err(SocketError::Invalid));
    }
    let six: SocketAddr = "[::1]:7".parse().unwrap();
    assert!(bench.send(socket, Some(six), b"x").is_err());
    assert!(bench.connect(socket, six).is_err());
}

fn the_ttl_can_be_set_but_not_to_zero(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    assert_eq!(bench.udp.set(socket, Setting::Ttl(Ttl(0))), Err(SocketError::Invalid));
    bench.udp.set(socket, Setting::Ttl(Ttl(3))).unwrap();
    bench.send(socket, Some(at(PEER, 7)), b"x").unwrap();
    assert_eq!(bench.below.sent[0].0.ttl, Ttl(3));
    assert_eq!(bench.udp.info(socket).unwrap().ttl, Ttl(3));
}

fn a_full_queue_drops_the_newest_and_counts_it(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    let mut taken = 0;
    while matches!(bench.arrive(at(ME, 53), &[taken as u8]), Input::Delivered) {
        taken += 1;
        assert!(taken < 100_000, "no limit");
    }
    assert!(taken >= 64);
    assert!(matches!(bench.arrive(at(ME, 53), b"x"), Input::Dropped(DropReason::QueueFull)));
    let info = bench.udp.info(socket).unwrap();
    assert_eq!((info.drops, info.receive_queue), (2, taken));
    assert_eq!(bench.count("receive queue full"), 2);
    assert_eq!(&bench.receive(socket).unwrap().data[..], [0], "the oldest is still there");
    assert!(matches!(bench.arrive(at(ME, 53), b"x"), Input::Delivered));
    assert_eq!(bench.drain(socket).len(), taken);
    assert_eq!(bench.udp.info(socket).unwrap().receive_queue, 0);
}

fn no_more_waits_than_the_receive_buffer_holds(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    while matches!(bench.arrive(at(ME, 53), &[0; 65_507]), Input::Delivered) {}
    let info = bench.udp.info(socket).unwrap();
    let room = info.receive_buffer.checked_sub(info.receive_queue);
    assert!(room.is_some() && info.receive_queue >= 65_507, "{info:?}");
}

fn readiness_follows_the_queue(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    assert_eq!(bench.udp.readiness(socket), Readiness::WRITABLE);
    let _ = bench.arrive(at(ME, 53), b"x");
    assert_eq!(bench.udp.readiness(socket), Readiness::WRITABLE | Readiness::READABLE);
    bench.receive(socket).unwrap();
    assert_eq!(bench.udp.readiness(socket), Readiness::WRITABLE);
}

fn a_changed_socket_is_named_once(mut bench: Bench) {
    let (one, two) = (bench.bound(ANY, 53), bench.bound(ANY, 54));
    bench.changed();
    for _ in 0..3 {
        let _ = bench.arrive(at(ME, 53), b"x");
        let _ = bench.arrive(at(ME, 54), b"x");
    }
    assert_eq!(bench.changed(), [one, two]);
    assert_eq!(bench.changed(), []);
    let _ = bench.arrive(at(ME, 54), b"x");
    assert_eq!(bench.changed(), [two]);
    let _ = bench.arrive(at(ME, 54), b"x");
    bench.udp.close(two);
    assert_eq!(bench.changed(), [], "a closed socket is not named");
}

fn a_receive_names_its_socket_where_it_took_something(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    bench.changed();
    assert_eq!(bench.receive(socket), Err(SocketError::WouldBlock));
    assert_eq!(bench.changed(), []);
    let _ = bench.arrive(at(ME, 53), b"x");
    assert_eq!(bench.changed(), [socket]);
    bench.udp.receive(socket, true).expect("a datagram waits");
    assert_eq!(bench.changed(), []);
    bench.receive(socket).expect("a datagram waits");
    assert_eq!(bench.changed(), [socket]);
}

fn a_closed_socket_is_gone_and_its_handle_with_it(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    bench.udp.close(socket);
    assert!(matches!(bench.arrive(at(ME, 53), b"x"), Input::Unreachable(_)));
    let again = bench.bound(ANY, 53);
    assert_ne!(socket, again);
    let _ = bench.arrive(at(ME, 53), b"x");
    let bad = SocketError::BadHandle;
    assert_eq!(bench.receive(socket), Err(bad));
    assert_eq!(bench.send(socket, Some(at(PEER, 7)), b"x"), Err(bad));
    assert_eq!(bench.bind(socket, at(ANY, 55)), Err(bad));
    assert_eq!(bench.connect(socket, at(PEER, 7)), Err(bad));
    assert_eq!(bench.udp.set(socket, Setting::Broadcast(true)), Err(bad));
    assert_eq!(bench.udp.info(socket).map(|_| ()), Err(bad));
    assert_eq!(bench.udp.take_error(socket), None);
    assert_eq!(bench.udp.readiness(socket), Readiness::empty());
    bench.udp.close(socket);
    assert_eq!(bench.drain(again), [b"x"]);
}

fn sockets_are_listed_by_port(mut bench: Bench) {
    for port in [90, 70, 80] {
        bench.bound(ANY, port);
    }
    let ports: Vec<u16> = bench.udp.sockets().iter().map(|info| info.local.port()).collect();
    assert_eq!(ports, [70, 80, 90]);
}

/// A kernel with UDP segmentation offload hands several datagrams over as one packet.
fn a_segmented_packet_is_several_datagrams(mut bench: Bench) {
    let socket = bench.bound(ANY, 53);
    let mut datagram = datagram(at(PEER, 4000), at(ME, 53), b"aaabbbcc");
    datagram.payload.set_segmentation(Segmentation::Udp4 { size: 3 });
    assert!(matches!(bench.input(datagram), Input::Delivered));
    assert_eq!(bench.drain(socket), [&b"aaa"[..], b"bbb", b"cc"]);
}

fn counters_have_a_row_for_every_reason(bench: Bench) {
    use netdev::Reason;
    let counters = bench.udp.counters();
    let has = |name| counters.iter().any(|row| row.name == name);
    assert!(DropReason::ALL.iter().all(|reason| has(reason.text())));
    assert!(counters.iter().all(|row| row.count == 0));
    assert_eq!(bench.udp.poll_at(), None);
}
