//! Towards IP and towards the program: §3.9.1.8, §3.9.1.9, §3.9.2.

use ip::{Cause, Header, Options, Protocol, SocketError, Tos, Ttl};
use netdev::Packet;
use tcp::testing::seg;
use tcp::{Setting, State};

use super::{MINUTE, SECOND, established, icmp};

/// The service class and the hops are the program's, from one segment to the next, and reach IP
/// as they were given.
#[test]
fn must_48_49_shld_21_22_service_class_and_ttl_are_the_programs() {
    let mut script = established();
    let socket = script.current();
    for (tos, ttl) in [(Tos(0x28), Ttl(9)), (Tos(0xb8), Ttl(255)), (Tos(0), Ttl(64))] {
        script.host.set(socket, Setting::Tos(tos)).unwrap();
        script.host.set(socket, Setting::Ttl(ttl)).unwrap();
        script.host.send(socket, b"x").unwrap();
        let header = &script.host.out.sent.last().unwrap().header;
        assert_eq!((header.tos, header.ttl), (tos, ttl));
        // Acknowledgments have them too.
        script.drain();
        script.inject(seg("A").data(b"y"));
        script.wait(SECOND);
        let header = &script.host.out.sent.last().unwrap().header;
        assert_eq!((header.tos, header.ttl), (tos, ttl));
        script.drain();
    }
}

/// IP options mean nothing to it.
#[test]
fn must_50_ip_options_are_ignored() {
    let mut script = established();
    let data = seg("PA").from(script.peer).to(script.local()).data(b"x");
    let (seq, ack) = (script.peer_isn + 1, script.info().unwrap().snd_nxt);
    let (src, dst) = (script.peer.ip(), script.local().ip());
    let header = Header {
        options: Options::from_wire(&[68, 8, 5, 0, 0, 0, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0]).unwrap(),
        ..Header::new(src, dst, Protocol::TCP)
    };
    script.host.input(header, Packet::from_payload(&data.seq(seq).ack(ack).emit()));
    assert_eq!(script.receive(), b"x");
}

/// Soft errors end no connection, and the program can ask for them. It hears of no more than it
/// asks for.
#[test]
fn must_47_54_56_shld_20_25_soft_errors_are_told_and_end_nothing() {
    let told = [
        (Cause::NetworkUnreachable, SocketError::NetworkUnreachable),
        (Cause::HostUnreachable, SocketError::HostUnreachable),
        (Cause::SourceRouteFailed, SocketError::HostUnreachable),
        (Cause::TtlExceeded, SocketError::HostUnreachable),
        (Cause::ReassemblyTimeout, SocketError::HostUnreachable),
        (Cause::ParameterProblem { pointer: 20 }, SocketError::Invalid),
    ];
    for (cause, error) in told {
        let mut script = established();
        let socket = script.current();
        script.host.send(socket, b"hello").unwrap();
        let sent = script.host.out.sent[0].seg.clone();
        script.drain();
        icmp(&mut script, cause, &sent);
        script.expect_state(State::Established);
        assert_eq!(script.host.take_error(socket), Some(error), "{cause}");
        assert_eq!(script.host.take_error(socket), None);
        script.inject(seg("A").data(b"hello"));
        assert_eq!(script.receive(), b"hello");
        script.wait(MINUTE);
        script.expect_state(State::Established);
    }
}

#[test]
fn must_55_source_quench_is_discarded_silently() {
    let mut script = established();
    let socket = script.current();
    script.host.send(socket, b"hello").unwrap();
    let sent = script.host.out.sent[0].seg.clone();
    script.drain();
    let before = script.info().unwrap();
    script.host.take_woken();
    icmp(&mut script, Cause::SourceQuench, &sent);
    assert_eq!(script.info().unwrap(), before);
    assert_eq!((script.host.take_woken(), script.host.take_error(socket)), (vec![], None));
    script.inject(seg("A").ack(6));
    script.expect_quiet(100 * SECOND);
}
