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

/// RFC 8985 §7.3: the last segment again, but as long as the path is now (RFC 1191 §6.4); the probe
/// was once of the size of before, which IP refuses.
#[test]
fn defect_a_tail_loss_probe_fits_the_path_as_it_is_now() {
    let mut script = with_sack(Config::default());
    script.send(&[1; 1000]);
    script.drain();
    script.host.out.mtu = 600;
    // The bench refuses whatever is longer than the path takes.
    script.wait(210 * MS);
    let lens: Vec<_> = script.host.out.sent.iter().map(|sent| sent.seg.payload_len()).collect();
    assert_eq!((&lens[..2], script.host.counter("retransmission timeouts")), (&[560, 440][..], 0));
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

/// CVE-2019-11479's class: nobody makes us send a header for every few bytes; IP cuts up what the
/// path does not take, and DF is off for that.
#[test]
fn a_tiny_path_mtu_does_not_make_tiny_segments() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.send(&pattern(0, 1460));
    let sent = script.host.out.sent[0].clone();
    assert!(sent.header.dont_fragment);
    script.drain();
    let cause = Cause::FragmentationNeeded { mtu: 68 };
    icmp(&mut script, cause, &sent.seg, sent.seg.seq.unwrap());
    let again: Vec<_> = script.host.out.sent.drain(..).collect();
    assert_eq!(again.len(), 3);
    assert_eq!(again[0].seg.payload_len(), 512);
    assert!(!again[0].header.dont_fragment);
}

/// RFC 5927 §4: an error that quotes another connection's ports, a number that is acknowledged
/// already or not sent yet, or a message cut short, changes nothing.
#[test]
fn an_error_counts_for_what_is_in_flight() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.send(&pattern(0, 1460));
    let sent = script.host.out.sent[0].seg.clone();
    script.drain();
    script.inject(seg("A").ack(1461));
    script.send(&pattern(0, 1460));
    let first = sent.seq.unwrap();
    for seq in [first, first.wrapping_add(1459), first.wrapping_add(2920), first ^ 0x8000_0000] {
        icmp(&mut script, Cause::FragmentationNeeded { mtu: 1000 }, &sent, seq);
        icmp(&mut script, Cause::PortUnreachable, &sent, seq);
    }
    let other = Seg { src: Some(([10, 0, 0, 1], 81).into()), ..sent.clone() };
    icmp(&mut script, Cause::FragmentationNeeded { mtu: 1000 }, &other, first.wrapping_add(1460));
    assert_eq!(script.info().unwrap().pmtu, 1500);
    assert_eq!(script.host.take_error(script.current()), None);
    assert_eq!(script.host.counter("ICMP errors that fit no segment in flight"), 9);
    icmp(&mut script, Cause::FragmentationNeeded { mtu: 1000 }, &sent, first.wrapping_add(1460));
    assert_eq!(script.info().unwrap().pmtu, 1000);
}

/// RFC 2923 §2.1: a path that drops full segments and says nothing.
#[test]
fn a_black_hole_is_got_around() {
    let mut world = world(Config::default());
    let pair = world.connect_pair(80);
    world.lose_all(|_, seg| seg.payload_len() > 1100);
    world.transfer(pair, Side::A, &pattern(0, 100_000));
    assert_eq!(world.a.counter("path MTU black holes suspected"), 1);
    assert_eq!(world.a.info(pair.a).unwrap().pmtu, 1064);
    assert!(world.now() < netdev::Instant::from_secs(20), "{}", world.now());
    world.lose_all(|_, seg| seg.payload_len() > 600);
    world.transfer(pair, Side::B, &pattern(0, 100_000));
    assert_eq!(world.b.info(pair.b).unwrap().pmtu, 576);
}

/// A peer that is gone is no black hole, and neither is small data that is lost.
#[test]
fn small_segments_that_time_out_are_no_black_hole() {
    let mut script = script(Config::default());
    script.accept_one(80);
    script.send(&[1; 500]);
    script.wait(2000 * SECOND);
    assert_eq!(script.host.counter("path MTU black holes suspected"), 0);
    assert_eq!(script.host.counter("connections that reached R1"), 1);
    script.expect_receive_error(SocketError::TimedOut);
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
