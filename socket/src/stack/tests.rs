//! Two stacks and a wire on virtual time.

use std::net::SocketAddr;
use std::time::Duration;

use ip::{Handle, Protocol, Readiness, SocketError};
use netdev::{Cast, Counter, Device, Instant, Packet, Wire};

use crate::testing::*;
use crate::{RawReceived, RawSetting, Stack};

fn raw(stack: &mut Stack, protocol: Protocol) -> Handle {
    stack.with_raw(Instant::ZERO, |raw, _| raw.open(Some(protocol))).unwrap()
}

fn send(stack: &mut Stack, now: Instant, socket: Handle, to: &str, data: &[u8]) {
    let sent = stack.with_raw(now, |raw, out| raw.send(now, socket, Some(addr(to)), data, out));
    assert_eq!(sent, Ok(data.len()));
}

fn receive(stack: &mut Stack, socket: Handle) -> Result<RawReceived, SocketError> {
    stack.with_raw(Instant::ZERO, |raw, _| raw.receive(socket, false))
}

fn count(stack: &Stack, layer: &str, name: &str) -> u64 {
    let layer = stack.counters().into_iter().find(|l| l.layer == layer).unwrap();
    let found = layer.counters.iter().find(|Counter { name: n, .. }| *n == name);
    found.unwrap_or_else(|| panic!("no counter `{name}`")).count
}

/// Everything a socket heard that is an echo reply: its data.
fn replies(stack: &mut Stack, socket: Handle) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| receive(stack, socket).ok())
        .filter(|received| payload(&received.packet)[0] == 0)
        .map(|received| payload(&received.packet)[8..].to_vec())
        .collect()
}

#[test]
fn a_ping_over_raw_sockets_is_answered_even_the_first() {
    let mut net = pair();
    let socket = raw(&mut net.stacks[0], Protocol::ICMP);
    send(&mut net.stacks[0], net.now, socket, "10.0.0.2", &echo_request(1, 1, b"are you there"));
    assert_eq!(receive(&mut net.stacks[0], socket), Err(SocketError::WouldBlock));
    net.millis(10);
    let reply = receive(&mut net.stacks[0], socket).unwrap();
    assert_eq!(
        (reply.from, reply.to, reply.cast),
        (addr("10.0.0.2"), addr("10.0.0.1"), Cast::Unicast)
    );
    // ARP there and back, then the echo there and back, 1 ms each.
    assert_eq!(reply.at, Instant::from_millis(4));
    assert_eq!(payload(&reply.packet)[..2], [0, 0]);
    assert_eq!(payload(&reply.packet)[4..8], [0, 1, 0, 1]);
    assert_eq!(&payload(&reply.packet)[8..], b"are you there");
}

#[test]
fn defect_raw_copies_are_whole() {
    let mut net = pair();
    let data: Vec<u8> = (0..6000).map(|i| i as u8).collect();
    let mine = raw(&mut net.stacks[0], Protocol::ICMP);
    let theirs = raw(&mut net.stacks[1], Protocol::ICMP);
    let request = echo_request(7, 1, &data);
    send(&mut net.stacks[0], net.now, mine, "10.0.0.2", &request);
    net.millis(10);
    let seen = receive(&mut net.stacks[1], theirs).unwrap();
    assert_eq!(seen.packet.len(), seen.header_len + request.len(), "fragments were put together");
    assert_eq!(payload(&seen.packet), request);
    assert_eq!(replies(&mut net.stacks[0], mine), [data]);
}

#[test]
fn own_addresses_and_all_of_127_answer() {
    let mut net = pair();
    let socket = raw(&mut net.stacks[0], Protocol::ICMP);
    for (to, len) in [("10.0.0.1", 56), ("127.0.0.1", 56), ("127.1.2.3", 56), ("10.0.0.1", 65000)] {
        let data = vec![0xa5; len];
        send(&mut net.stacks[0], net.now, socket, to, &echo_request(1, 1, &data));
        net.millis(1);
        assert_eq!(replies(&mut net.stacks[0], socket), [data], "{to}");
    }
    let wire = net.stacks[0].interfaces().pop().unwrap();
    assert_eq!((wire.name.as_str(), wire.stats.tx_packets), ("wire0", 0));
}

#[test]
fn an_unknown_protocol_is_reported_to_its_source() {
    let mut net = pair();
    let odd = Protocol(200);
    let socket = raw(&mut net.stacks[0], odd);
    net.stacks[0].with_raw(net.now, |raw, _| raw.connect(socket, Some(addr("10.0.0.2")))).unwrap();
    send(&mut net.stacks[0], net.now, socket, "10.0.0.2", b"hello?");
    net.millis(10);
    let ready = net.stacks[0].raw.readiness(socket);
    assert!(ready.contains(Readiness::ERROR | Readiness::READABLE));
    assert_eq!(receive(&mut net.stacks[0], socket), Err(SocketError::ProtocolUnreachable));
    assert_eq!(count(&net.stacks[1], "stack", "unknown protocol"), 1);
    // A raw socket at the other end makes it a known one.
    let theirs = raw(&mut net.stacks[1], odd);
    send(&mut net.stacks[0], net.now, socket, "10.0.0.2", b"hello!");
    net.millis(10);
    assert_eq!(receive(&mut net.stacks[0], socket), Err(SocketError::WouldBlock));
    assert_eq!(payload(&receive(&mut net.stacks[1], theirs).unwrap().packet), b"hello!");
}

#[test]
fn an_unknown_protocol_in_a_broadcast_is_not() {
    let mut net = pair();
    let socket = raw(&mut net.stacks[0], Protocol(200));
    let icmp = raw(&mut net.stacks[0], Protocol::ICMP);
    let to_all = Some(addr("10.0.0.255"));
    let now = net.now;
    net.stacks[0].with_raw(now, |raw, out| {
        assert_eq!(raw.send(now, socket, to_all, b"all", out), Err(SocketError::Denied));
        raw.set(socket, RawSetting::Broadcast(true)).unwrap();
        assert_eq!(raw.send(now, socket, to_all, b"all", out), Ok(3));
    });
    net.millis(10);
    assert_eq!(count(&net.stacks[1], "stack", "unknown protocol"), 1);
    assert_eq!(receive(&mut net.stacks[0], icmp), Err(SocketError::WouldBlock));
}

#[test]
fn a_silent_neighbour_is_told_to_udp_and_raw_sockets() {
    let mut net = pair();
    let now = net.now;
    let nobody: SocketAddr = "10.0.0.9:80".parse().unwrap();
    let datagrams = udp(&mut net.stacks[0], "0.0.0.0:0");
    let odd = raw(&mut net.stacks[0], Protocol(200));
    net.stacks[0].with_raw(now, |raw, _| raw.connect(odd, Some(nobody.ip()))).unwrap();
    send(&mut net.stacks[0], now, odd, "10.0.0.9", b"x");
    net.stacks[0].with_udp(now, |udp, out| {
        udp.connect(now, datagrams, Some(nobody), out).unwrap();
        udp.send(now, datagrams, None, b"x", out).unwrap();
    });
    net.run(Duration::from_secs(10));
    let error = net.stacks[0].with_udp(net.now, |udp, _| udp.take_error(datagrams));
    assert_eq!(error, Some(SocketError::HostUnreachable));
    assert_eq!(receive(&mut net.stacks[0], odd), Err(SocketError::HostUnreachable));
    // A local sender is told by a call: nothing but ARP requests went out.
    let stats = &net.stacks[0].interfaces()[1].stats;
    assert_eq!(stats.tx_bytes, stats.tx_packets * 42);
}

#[test]
fn a_router_tells_the_source_of_a_silent_neighbour() {
    let (a_end, r_left) = Wire::pair(Duration::from_millis(1));
    let (r_right, _nobody) = Wire::pair(Duration::from_millis(1));
    let (mut a, mut router) = (stack(1), stack(2));
    attach(&mut a, a_end, 1, "10.0.0.1/24", Some("10.0.0.254"));
    attach(&mut router, r_left, 2, "10.0.0.254/24", None);
    attach(&mut router, r_right, 3, "10.0.1.254/24", None);
    router.configure(Instant::ZERO, ip::Change::Forwarding(true)).unwrap();
    let mut net = World { stacks: [a, router], now: Instant::ZERO };
    let socket = raw(&mut net.stacks[0], Protocol::ICMP);
    net.stacks[0].with_raw(net.now, |raw, _| raw.connect(socket, Some(addr("10.0.1.7")))).unwrap();
    send(&mut net.stacks[0], net.now, socket, "10.0.1.7", &echo_request(1, 1, b""));
    net.run(Duration::from_secs(10));
    let error = net.stacks[0].with_raw(net.now, |raw, _| raw.take_error(socket));
    assert_eq!(error, Some(SocketError::HostUnreachable));
}

#[test]
fn an_error_about_a_datagram_of_somebody_else_is_counted_and_not_passed_on() {
    let mut net = pair();
    let socket = raw(&mut net.stacks[0], Protocol(200));
    net.stacks[0].with_raw(net.now, |raw, _| raw.connect(socket, Some(addr("10.0.0.7")))).unwrap();
    let forger = raw(&mut net.stacks[1], Protocol::ICMP);
    let mut message = vec![3, 1, 0, 0, 0, 0, 0, 0];
    let mut quoted = bare_header("10.0.0.66", "10.0.0.7", Protocol(200), 64);
    quoted[2..4].copy_from_slice(&28u16.to_be_bytes());
    message.extend(quoted);
    message.extend([0; 8]);
    let check = netdev::checksum::Sum::default().bytes(&message).finish();
    message[2..4].copy_from_slice(&check.to_be_bytes());
    send(&mut net.stacks[1], net.now, forger, "10.0.0.1", &message);
    net.millis(10);
    assert_eq!(net.stacks[0].raw.take_error(socket), None);
    assert_eq!(count(&net.stacks[0], "icmp", "error about a datagram of another host"), 1);
}

#[test]
fn a_header_of_ones_own_is_completed_and_otherwise_kept() {
    let mut net = pair();
    let (mine, theirs) =
        (raw(&mut net.stacks[0], Protocol::ICMP), raw(&mut net.stacks[1], Protocol::ICMP));
    let mut datagram = bare_header("0.0.0.0", "10.0.0.2", Protocol::ICMP, 3);
    datagram[1] = 0x28;
    datagram.extend(echo_request(5, 5, b"own"));
    let now = net.now;
    net.stacks[0].with_raw(now, |raw, out| {
        raw.set(mine, RawSetting::HeaderIncluded(true)).unwrap();
        assert_eq!(raw.send(now, mine, None, &datagram, out), Ok(datagram.len()));
        assert_eq!(raw.send(now, mine, None, &datagram[..19], out), Err(SocketError::Invalid));
        let long = [&datagram[..], &[0; 1500]].concat();
        assert_eq!(raw.send(now, mine, None, &long, out), Err(SocketError::MessageTooLong));
    });
    net.millis(10);
    let seen = receive(&mut net.stacks[1], theirs).unwrap();
    assert_eq!((seen.from, seen.ttl.0, seen.packet[1]), (addr("10.0.0.1"), 3, 0x28));
    assert_eq!(replies(&mut net.stacks[0], mine), [b"own"]);
}

#[test]
fn a_raw_socket_that_nobody_reads_holds_a_bounded_queue() {
    let mut net = pair();
    let mine = raw(&mut net.stacks[0], Protocol::ICMP);
    let theirs = raw(&mut net.stacks[1], Protocol::ICMP);
    net.stacks[1]
        .with_raw(net.now, |raw, _| raw.set(theirs, RawSetting::ReceiveBuffer(300)))
        .unwrap();
    for seq in 0..5 {
        send(&mut net.stacks[0], net.now, mine, "10.0.0.2", &echo_request(1, seq, &[0; 72]));
        net.millis(10);
    }
    let info = net.stacks[1].raw.info(theirs).unwrap();
    assert_eq!((info.receive_queue, info.drops), (300, 2));
    assert_eq!(count(&net.stacks[1], "stack", "raw socket's queue full"), 2);
    receive(&mut net.stacks[1], theirs).unwrap();
    assert_eq!(net.stacks[1].raw.info(theirs).unwrap().receive_queue, 200);
}

#[test]
fn a_raw_socket_receives_only_what_it_is_bound_and_connected_to() {
    let mut net = pair();
    let mine = raw(&mut net.stacks[0], Protocol::ICMP);
    let [bound, connected, everything] = [Some(Protocol::ICMP), Some(Protocol::ICMP), None]
        .map(|p| net.stacks[1].with_raw(Instant::ZERO, |raw, _| raw.open(p)).unwrap());
    net.stacks[1].with_raw(net.now, |raw, out| {
        assert_eq!(raw.bind(bound, addr("10.0.0.77"), out), Err(SocketError::AddrNotAvailable));
        raw.bind(bound, addr("127.0.0.1"), out).unwrap();
        raw.connect(connected, Some(addr("10.0.0.3"))).unwrap();
    });
    send(&mut net.stacks[0], net.now, mine, "10.0.0.2", &echo_request(1, 1, b""));
    net.millis(10);
    assert_eq!(receive(&mut net.stacks[1], bound), Err(SocketError::WouldBlock));
    assert_eq!(receive(&mut net.stacks[1], connected), Err(SocketError::WouldBlock));
    assert!(receive(&mut net.stacks[1], everything).is_ok());
}

#[test]
fn addresses_come_and_go() {
    let mut net = pair();
    let socket = raw(&mut net.stacks[0], Protocol::ICMP);
    let second = "10.0.0.22/24".parse().unwrap();
    let index = net.stacks[1].interfaces()[1].index;
    net.stacks[1].add_address(net.now, index, second).unwrap();
    send(&mut net.stacks[0], net.now, socket, "10.0.0.22", &echo_request(1, 1, b"22"));
    net.millis(10);
    assert_eq!(replies(&mut net.stacks[0], socket), [b"22"]);
    net.stacks[1].remove_address(net.now, index, second).unwrap();
    send(&mut net.stacks[0], net.now, socket, "10.0.0.22", &echo_request(1, 2, b"22"));
    net.millis(10);
    assert!(replies(&mut net.stacks[0], socket).is_empty());
    // An address that cannot be one is refused and leaves nothing behind.
    let broadcast = "10.0.0.255/24".parse().unwrap();
    assert!(net.stacks[1].add_address(net.now, index, broadcast).is_err());
    assert_eq!(net.stacks[1].interfaces()[1].addrs.len(), 1);
}

#[test]
fn an_interface_that_is_down_says_nothing() {
    let mut net = pair();
    let socket = raw(&mut net.stacks[0], Protocol::ICMP);
    let index = net.stacks[1].interfaces()[1].index;
    net.stacks[1].set_interface_up(net.now, index, false).unwrap();
    send(&mut net.stacks[0], net.now, socket, "10.0.0.2", &echo_request(1, 1, b"1"));
    net.millis(10);
    // Not even ARP is answered.
    assert_eq!(net.stacks[1].interfaces()[1].stats.tx_packets, 0);
    assert_eq!(count(&net.stacks[1], "stack", "interface down"), 1);
    net.stacks[1].set_interface_up(net.now, index, true).unwrap();
    net.run(Duration::from_secs(2));
    assert_eq!(replies(&mut net.stacks[0], socket), [b"1"], "ARP had asked again");
}

#[test]
fn an_interface_that_is_removed_takes_its_routes_along() {
    let mut net = pair();
    let index = net.stacks[0].interfaces()[1].index;
    assert!(net.stacks[0].route(net.now, addr("10.0.0.2")).is_ok());
    net.stacks[0].remove_interface(net.now, index).unwrap();
    assert_eq!(net.stacks[0].route(net.now, addr("10.0.0.2")), Err(ip::Cause::NetworkUnreachable));
    assert!(net.stacks[0].remove_interface(net.now, index).is_err());
    net.millis(10);
    // The other end sees that the link is gone for good, and sockets there are told.
    assert!(net.stacks[1].any_gone() && net.stacks[1].take_gone_change());
    assert!(
        net.stacks[1].is_cut_off(addr("10.0.0.2")) && net.stacks[1].is_cut_off(addr("0.0.0.0"))
    );
    assert!(!net.stacks[1].is_cut_off(addr("127.0.0.1")));
}

#[test]
fn a_flooded_interface_leaves_the_others_their_turn() {
    let (mut flood, flooded) = Wire::pair(Duration::ZERO);
    let mut host = stack(1);
    attach(&mut host, flooded, 1, "10.0.0.1/24", None);
    let (calm_end, calm) = Wire::pair(Duration::ZERO);
    attach(&mut host, calm, 2, "10.0.1.1/24", None);
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0];
    frame.extend(bare_header("10.0.0.9", "10.0.0.1", Protocol(200), 1));
    for _ in 0..1000 {
        flood.transmit(Instant::ZERO, Packet::from_payload(&frame)).unwrap();
    }
    let mut other = stack(2);
    attach(&mut other, calm_end, 3, "10.0.1.2/24", None);
    let socket = raw(&mut other, Protocol::ICMP);
    send(&mut other, Instant::ZERO, socket, "10.0.1.1", &echo_request(1, 1, b"calm"));
    // A few turns answer the calm one, though the flood is far from over.
    for _ in 0..3 {
        let progress = host.poll(Instant::ZERO);
        assert!(progress.more && progress.received <= 2 * 64 + 2);
        let _ = other.poll(Instant::ZERO);
    }
    assert_eq!(replies(&mut other, socket), [b"calm"]);
}

#[test]
fn the_same_seeds_give_the_same_run() {
    let run = || {
        let mut net = pair();
        let client = udp(&mut net.stacks[0], "0.0.0.0:0");
        send_udp(&mut net.stacks[0], net.now, client, "10.0.0.2:9", b"x").unwrap();
        net.run(Duration::from_secs(3));
        let counters: Vec<_> = net.stacks.iter().flat_map(|s| s.counters()).collect();
        (net.stacks[0].udp_sockets(), format!("{counters:?}"))
    };
    assert_eq!(run(), run());
}

fn udp(stack: &mut Stack, local: &str) -> Handle {
    stack.with_udp(Instant::ZERO, |udp, out| {
        let socket = udp.open().unwrap();
        udp.bind(socket, local.parse().unwrap(), out).unwrap();
        socket
    })
}

fn send_udp(
    stack: &mut Stack,
    now: Instant,
    socket: Handle,
    to: &str,
    data: &[u8],
) -> Result<usize, SocketError> {
    let to = Some(to.parse().unwrap());
    stack.with_udp(now, |udp, out| udp.send(now, socket, to, data, out))
}

proptest::proptest! {
    #[test]
    fn no_frame_makes_the_stack_panic_or_run_for_ever(
        frames in proptest::collection::vec(
            (0u8..8, proptest::collection::vec(proptest::num::u8::ANY, 0..120)),
            1..20,
        ),
    ) {
        let (mut wire, device) = Wire::pair(Duration::ZERO);
        let mut host = stack(1);
        attach(&mut host, device, 1, "10.0.0.1/24", None);
        let listener = udp(&mut host, "0.0.0.0:7");
        let odd = raw(&mut host, Protocol(200));
        let count = frames.len() as u64;
        for (kind, bytes) in frames {
            let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0];
            match kind {
                // As it is, then ARP, then what has a good IP header around it.
                0 => frame.clear(),
                1 => frame[13] = 6,
                _ => {
                    let protocol = [1, 6, 17, 200, 201, 2][usize::from(kind) - 2];
                    let mut header = bare_header("10.0.0.9", "10.0.0.1", Protocol(protocol), 9);
                    header[2..4].copy_from_slice(&(20 + bytes.len() as u16).to_be_bytes());
                    let check = netdev::checksum::Sum::default().bytes(&header).finish();
                    header[10..12].copy_from_slice(&check.to_be_bytes());
                    frame.extend(header);
                }
            }
            frame.extend(&bytes);
            wire.transmit(Instant::ZERO, Packet::from_payload(&frame)).unwrap();
        }
        let mut net = World { stacks: [host], now: Instant::ZERO };
        net.run(Duration::from_secs(100));
        let stats = &net.stacks[0].interfaces()[1].stats;
        proptest::prop_assert_eq!(stats.rx_packets, count);
        let _ = (listener, odd, net.stacks[0].counters());
    }
}
