//! ICMP errors and the path MTU (RFC 1122 §4.2.3.9, RFC 5927, RFC 1191).

use super::*;
use ip::{Cause, Protocol, Quoted, SocketError};

/// The error comes back with the first eight bytes of a segment that was sent.
fn icmp(script: &mut Script, cause: Cause, seg: &Seg, seq: u32) {
    let (src, dst) = (seg.src.unwrap(), seg.dst.unwrap());
    let mut payload = Vec::new();
    payload.extend(src.port().to_be_bytes());
    payload.extend(dst.port().to_be_bytes());
    payload.extend(seq.to_be_bytes());
    let (src, dst, protocol) = (src.ip(), dst.ip(), Protocol::TCP);
    let quoted = Quoted { src, dst, protocol, total_len: 1500, payload };
    script.host.call(|tcp, now, out| tcp.error(now, cause, &quoted, out));
}

/// As every system, whatever RFC 1122 says of soft errors (a listed deviation).
#[test]
fn an_error_ends_a_connection_attempt() {
    for (cause, error) in [
        (Cause::PortUnreachable, SocketError::Refused),
        (Cause::HostUnreachable, SocketError::HostUnreachable),
        (Cause::NetworkUnreachable, SocketError::NetworkUnreachable),
        (Cause::ProtocolUnreachable, SocketError::ProtocolUnreachable),
        (Cause::TtlExceeded, SocketError::HostUnreachable),
    ] {
        let mut script = script(Config::default());
        script.socket = Some(script.host.connect(script.peer));
        let syn = script.host.out.sent[0].seg.clone();
        icmp(&mut script, cause, &syn, syn.seq.unwrap() + 1);
        script.expect_state(State::SynSent);
        icmp(&mut script, cause, &syn, syn.seq.unwrap());
        script.expect_state(State::Closed);
        assert_eq!(script.host.take_error(script.current()), Some(error));
    }
}

/// RFC 5927 §5.2: a synchronized connection goes on, and the error tells why it failed at last.
#[test]
fn an_error_on_a_connection_is_remembered_only() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.send(b"hello");
    let sent = script.host.out.sent[0].seg.clone();
    icmp(&mut script, Cause::PortUnreachable, &sent, sent.seq.unwrap());
    script.expect_state(State::Established);
    script.wait(2000 * SECOND);
    script.expect_receive_error(SocketError::Refused);
}

/// RFC 1191 §6.4: at once, in smaller segments, and without a smaller window.
#[test]
fn a_smaller_path_mtu_cuts_what_is_in_flight() {
    let mut script = script(Config::default());
    script.accept_one(80);
    let cwnd = script.info().unwrap().cwnd_bytes;
    script.send(&pattern(0, 2920));
    let sent = script.host.out.sent[0].seg.clone();
    script.drain();
    let cause = Cause::FragmentationNeeded { mtu: 1000 };
    icmp(&mut script, cause, &sent, sent.seq.unwrap() + 5000);
    script.expect_nothing();
    icmp(&mut script, cause, &sent, sent.seq.unwrap());
    let again: Vec<_> = script.drain().iter().map(|s| (s.seq.unwrap(), s.payload_len())).collect();
    assert_eq!(again, [(1, 960), (961, 500), (1461, 960), (2421, 500)]);
    let info = script.info().unwrap();
    assert_eq!((info.snd_mss, info.pmtu, info.cwnd_bytes), (960, 1000, cwnd));
    script.inject(seg("A").ack(2921));
    script.send(&[1; 960]);
    script.expect(seg("PA").len(960));
}

/// RFC 5927 §7.2: a limit that the datagram kept cannot have stopped it; RFC 1191 §7.1: plateaus
/// for a router that names none.
#[test]
fn a_limit_has_to_make_sense() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.send(&pattern(0, 1460));
    let sent = script.host.out.sent[0].seg.clone();
    script.drain();
    for mtu in [1500, 9000, 20] {
        icmp(&mut script, Cause::FragmentationNeeded { mtu }, &sent, sent.seq.unwrap());
        assert_eq!(script.info().unwrap().pmtu, 1500);
    }
    icmp(&mut script, Cause::FragmentationNeeded { mtu: 0 }, &sent, sent.seq.unwrap());
    assert_eq!(script.info().unwrap().pmtu, 1492);
}

/// The route is the authority: what IP learns, or forgets, a connection follows.
#[test]
fn the_route_changes_the_size_of_segments() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.host.out.mtu = 600;
    script.send(&[1; 560]);
    script.expect(seg("PA").len(560));
    script.inject(seg("A"));
    script.host.out.mtu = 1500;
    script.send(&[1; 1460]);
    script.expect(seg("PA").len(1460));
}
