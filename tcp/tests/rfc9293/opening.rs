//! Opening and reopening: §3.5, §3.6.1, §3.9.1.1, §3.9.2.3.

use std::net::{IpAddr, SocketAddr};

use ip::{Datagram, Header, IfIndex, Protocol, SocketError};
use netdev::{Cast, Packet};
use tcp::testing::{PEER, seg};
use tcp::{Config, DropReason, Input, Setting, State};

use super::{SECOND, established, script, syn_with_timestamps, timestamps};

/// Whether it came from a passive or an active OPEN decides what a reset in SYN-RECEIVED means:
/// back to LISTEN, or "connection refused".
#[test]
fn must_11_syn_received_remembers_where_it_came_from() {
    let mut passive = script(Config::default());
    let listener = passive.host.listen(80, 5);
    passive.inject(seg("S").mss(1460));
    passive.expect(seg("SA"));
    assert_eq!(passive.host.states(80, 5000), [State::SynReceived]);
    passive.host.take_woken();
    passive.inject(seg("R").seq(1));
    assert_eq!(passive.host.states(80, 5000), []);
    assert_eq!(passive.host.state(listener), State::Listen);
    assert_eq!(passive.host.take_woken(), [], "the user need not be informed");

    let mut active = script(Config::default());
    active.connect();
    active.inject(seg("S").mss(1460));
    active.expect(seg("SA"));
    active.expect_state(State::SynReceived);
    active.inject(seg("R").seq(1));
    active.expect_state(State::Closed);
    let socket = active.current();
    assert_eq!(active.host.take_error(socket), Some(SocketError::Refused));
}

/// A port may be listened on while a connection from it is in SYN-SENT, and while others to it
/// are in SYN-RECEIVED; neither harms those that are there already.
#[test]
fn must_41_42_a_passive_open_goes_beside_connections_of_its_port() {
    let mut script = script(Config::default());
    let connecting = script.host.open();
    script.host.set(connecting, Setting::ReuseAddr(true)).unwrap();
    script.host.bind(connecting, 80).unwrap();
    let far: SocketAddr = "10.0.0.9:7000".parse().unwrap();
    let begun = script.host.call(|tcp, now, out| tcp.connect(now, connecting, far, out));
    assert_eq!(begun, Err(SocketError::InProgress));
    let syn = script.host.out.sent.remove(0).seg;

    let listener = script.host.open();
    script.host.set(listener, Setting::ReuseAddr(true)).unwrap();
    script.host.bind(listener, 80).unwrap();
    script.host.call(|tcp, _, _| tcp.listen(listener, 5)).unwrap();
    assert_eq!(script.host.state(connecting), State::SynSent);
    // Two that begin before either has ended.
    for port in [5001, 5002] {
        script.inject(seg("S").from(SocketAddr::new(PEER, port)).seq(0).mss(1460));
        assert_eq!(script.host.states(80, port), [State::SynReceived]);
    }
    assert_eq!(script.host.state(connecting), State::SynSent);
    script.host.out.sent.clear();

    let ack = syn.seq.unwrap().wrapping_add(1);
    script.inject(seg("SA").from(far).seq(0).ack(ack).mss(1460));
    assert_eq!(script.host.state(connecting), State::Established);
}

/// IP is asked for the source of the first SYN; from then on it is the connection's, though the
/// host gets another address.
#[test]
fn must_44_45_the_source_address_is_ips_choice_and_stays() {
    let mut script = script(Config::default());
    script.connect();
    let (own, other): (IpAddr, IpAddr) = (script.host.addr(), [10, 0, 0, 77].into());
    assert_eq!(script.info().unwrap().local.ip(), own);
    script.host.out.addr = other;
    let again = script.expect_within(2 * SECOND, seg("S").seq(0));
    assert_eq!(again.src.unwrap().ip(), own);
}

/// The user's choice comes before IP's.
#[test]
fn must_43_the_local_address_can_be_given() {
    let mut script = script(Config::default());
    let own = script.host.addr();
    let socket = script.host.open();
    let local = SocketAddr::new(own, 0);
    script.host.call(|tcp, _, out| tcp.bind(socket, local, out)).unwrap();
    let peer = script.peer;
    let begun = script.host.call(|tcp, now, out| tcp.connect(now, socket, peer, out));
    assert_eq!(begun, Err(SocketError::InProgress));
    assert_eq!(script.host.out.sent[0].header.src, own);
}

#[test]
fn must_46_a_group_cannot_be_connected_to() {
    for peer in ["255.255.255.255:80", "224.0.0.1:80", "239.1.2.3:80"] {
        let mut script = script(Config::default());
        let (socket, peer) = (script.host.open(), peer.parse().unwrap());
        let result = script.host.call(|tcp, now, out| tcp.connect(now, socket, peer, out));
        assert_eq!(result, Err(SocketError::NetworkUnreachable), "{peer}");
        script.expect_nothing();
    }
}

/// Neither a connection nor a reset comes of what was sent to, or as if from, more than one host.
#[test]
fn must_57_63_segments_to_and_from_groups_are_dropped_silently() {
    let own: IpAddr = [10, 0, 0, 1].into();
    let cases = [
        (PEER, own, Cast::Broadcast),
        (PEER, own, Cast::Multicast),
        (PEER, [255, 255, 255, 255].into(), Cast::Broadcast),
        (PEER, [224, 0, 0, 1].into(), Cast::Multicast),
        ([255, 255, 255, 255].into(), own, Cast::Unicast),
        ([224, 0, 0, 1].into(), own, Cast::Unicast),
        ([0, 0, 0, 0].into(), own, Cast::Unicast),
    ];
    for (src, dst, cast) in cases {
        for port in [80, 81] {
            let mut script = script(Config::default());
            script.host.listen(80, 5);
            let (from, to) = (SocketAddr::new(src, 5000), SocketAddr::new(dst, port));
            let bytes = seg("S").from(from).to(to).mss(1460).emit();
            let datagram = Datagram {
                header: Header::new(src, dst, Protocol::TCP),
                iface: IfIndex(1),
                cast,
                header_len: 0,
                payload: Packet::from_payload(&bytes),
            };
            let input = script.host.call(|tcp, now, out| tcp.input(now, datagram, out));
            assert_eq!(input, Input::Dropped(DropReason::Group), "{src} to {dst}");
            script.host.poll();
            script.expect_nothing();
            assert_eq!(script.host.tcp.sockets(script.now()).len(), 1, "the listener alone");
        }
    }
}

/// RFC 6191: a SYN with a later timestamp ends TIME-WAIT, whatever its sequence number.
#[test]
fn shld_4_a_newer_timestamp_shortens_time_wait() {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 5);
    script.inject(syn_with_timestamps(1000));
    let answer = script.expect(seg("SA").ack(1));
    let value = u32::from_be_bytes(answer.option(8).unwrap()[..4].try_into().unwrap());
    let options = timestamps(1001, value);
    script.inject(seg("A").options(&options));
    script.socket = Some(script.host.accept(listener).unwrap().0);
    script.close();
    script.expect(seg("FA").seq(1));
    script.inject(seg("FA").ack(2).options(&options));
    script.expect(seg("A").ack(2));
    assert_eq!(script.host.states(80, 5000), [State::TimeWait]);
    // Before the old numbers, and no later: an old duplicate.
    script.inject(syn_with_timestamps(1001));
    script.expect(seg("A"));
    assert_eq!(script.host.states(80, 5000), [State::TimeWait]);
    script.inject(syn_with_timestamps(1002));
    script.expect(seg("SA").ack(1));
    assert_eq!(script.host.states(80, 5000), [State::SynReceived]);
}

/// §3.9.1.4, §3.5.3: a user is told at once that its connection was aborted, even though it waits
/// to write and not to read.
#[test]
fn must_12_an_abort_reaches_the_writer() {
    let mut script = established();
    let socket = script.current();
    script.host.take_woken();
    script.inject(seg("R"));
    assert!(script.host.take_woken().contains(&socket));
    assert_eq!(script.host.send(socket, b"x"), Err(SocketError::Reset));
}
