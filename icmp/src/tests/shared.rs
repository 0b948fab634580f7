//! What every implementation does: each test runs over both.

use ip::{Tos, Ttl};
use netdev::{Checksum, Faults};

use super::*;
use crate::{DropReason, EchoOnly};

macro_rules! for_each_implementation {
    ($($test:ident),+ $(,)?) => {
        mod whole {
            use super::*;
            $(#[test] fn $test() { super::$test(Bench::icmp()); })+
        }
        mod echo_only {
            use super::*;
            $(#[test] fn $test() { super::$test(Bench::over(Box::new(EchoOnly::new()))); })+
        }
    };
}

for_each_implementation!(
    an_echo_is_answered_byte_for_byte_from_the_address_that_was_asked,
    echoes_of_every_length_are_answered,
    r16_an_echo_reply_does_not_copy_the_ttl,
    an_echo_reply_has_the_service_class_of_its_request,
    an_echo_reply_has_nothing_of_what_devices_noted_on_the_request,
    an_echo_to_a_group_is_not_answered,
    an_echo_from_a_broadcast_address_is_not_answered,
    an_echo_without_a_way_back_is_counted,
    a_bad_checksum_is_dropped_and_a_verified_one_is_not_summed,
    a_short_message_is_dropped,
    replies_are_for_raw_sockets_alone,
    obsolete_requests_are_not_answered,
    unknown_types_are_silently_discarded,
    counters_have_a_row_for_every_reason,
);

fn echo(data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![8, 0, 0, 0, 0xab, 0xcd, 0, 1];
    bytes.extend_from_slice(data);
    bytes
}

/// RFC 792; RFC 1122 §3.2.2.6: "the IP source address in an ICMP Echo Reply MUST be the same as
/// the specific-destination address of the corresponding ICMP Echo Request".
fn an_echo_is_answered_byte_for_byte_from_the_address_that_was_asked(mut bench: Bench) {
    let asked = Ipv4Addr::new(192, 168, 0, 1);
    assert_eq!(bench.input(message(PEER, asked, &echo(b"odd"))), Input::Consumed);
    let (header, reply) = bench.sent();
    assert_eq!((header.src, header.dst), (IpAddr::V4(asked), IpAddr::V4(PEER)));
    assert_eq!(reply[..2], [0, 0]);
    assert_eq!(reply[4..], echo(b"odd")[4..]);
    assert_eq!((bench.count("echo requests received"), bench.count("echo replies sent")), (1, 1));
}

/// Up to the largest datagram; all data must be returned (RFC 1122 §3.2.2.6).
fn echoes_of_every_length_are_answered(mut bench: Bench) {
    for len in [0, 1, 2, 55, 56, 1471, 1472, 1473, 65_506, 65_507] {
        let data: Vec<u8> = (0..len).map(|n| ((n * 31) >> 3) as u8).collect();
        assert_eq!(bench.input(message(PEER, ME, &echo(&data))), Input::Consumed);
        assert_eq!(bench.sent().1[8..], data, "{len} bytes");
    }
}

fn r16_an_echo_reply_does_not_copy_the_ttl(mut bench: Bench) {
    for ttl in [1, 7, 255] {
        let mut request = message(PEER, ME, &echo(b"x"));
        request.header.ttl = Ttl(ttl);
        assert_eq!(bench.input(request), Input::Consumed);
        assert_eq!(bench.sent().0.ttl, Ttl::DEFAULT);
    }
}

/// RFC 1349 §5.1; ECN is not part of a service class (RFC 3168 §5).
fn an_echo_reply_has_the_service_class_of_its_request(mut bench: Bench) {
    let mut request = message(PEER, ME, &echo(b"x"));
    request.header.tos = Tos(0xb9);
    assert_eq!(bench.input(request), Input::Consumed);
    assert_eq!(bench.sent().0.tos, Tos(0xb8));
}

/// Or a capture would say that a fault injector had delayed the reply.
fn an_echo_reply_has_nothing_of_what_devices_noted_on_the_request(mut bench: Bench) {
    let mut request = message(PEER, ME, &echo(b"x"));
    request.payload.note_fault(Faults::DELAYED);
    request.payload.set_checksum(Checksum::Verified);
    assert_eq!(bench.input(request), Input::Consumed);
    let (_, reply) = bench.below.sent.remove(0);
    assert_eq!((reply.faults(), reply.checksum()), (Faults::empty(), Checksum::None));
}

fn an_echo_to_a_group_is_not_answered(mut bench: Bench) {
    for cast in [Cast::Multicast, Cast::Broadcast] {
        let mut request = message(PEER, ME, &echo(b"x"));
        request.cast = cast;
        assert_eq!(bench.input(request), Input::Dropped(DropReason::GroupEcho));
    }
    assert!(bench.below.sent.is_empty());
}

fn an_echo_from_a_broadcast_address_is_not_answered(mut bench: Bench) {
    for src in [[10, 0, 0, 255], [255, 255, 255, 255], [224, 0, 0, 1]] {
        let request = message(src.into(), ME, &echo(b"x"));
        assert_eq!(bench.input(request), Input::Dropped(DropReason::EchoSource));
    }
    assert!(bench.below.sent.is_empty());
}

fn an_echo_without_a_way_back_is_counted(mut bench: Bench) {
    let request = message(Ipv4Addr::new(203, 0, 113, 1), ME, &echo(b"x"));
    assert_eq!(bench.input(request), Input::Dropped(DropReason::EchoSource));
}

fn a_bad_checksum_is_dropped_and_a_verified_one_is_not_summed(mut bench: Bench) {
    let mut request = message(PEER, ME, &echo(b"x"));
    request.payload[3] ^= 1;
    assert_eq!(bench.input(request.clone()), Input::Dropped(DropReason::Checksum));
    assert_eq!(bench.count("bad checksum"), 1);
    request.payload.set_checksum(Checksum::Verified);
    assert_eq!(bench.input(request), Input::Consumed);
    bench.sent();
}

fn a_short_message_is_dropped(mut bench: Bench) {
    for len in 0..8 {
        let datagram = message(PEER, ME, &echo(b"")[..len]);
        assert_eq!(bench.input(datagram), Input::Dropped(DropReason::Truncated));
    }
}

fn replies_are_for_raw_sockets_alone(mut bench: Bench) {
    for kind in [0, 16] {
        assert_eq!(bench.input(message(PEER, ME, &[kind, 0, 0, 0, 0, 0, 0, 0])), Input::Consumed);
    }
    assert!(bench.below.sent.is_empty());
    assert_eq!(bench.count("replies received"), 2);
}

/// RFC 1122 §3.2.2.7 and §3.2.2.9; tapip drops them too.
fn obsolete_requests_are_not_answered(mut bench: Bench) {
    for kind in [15, 17] {
        let mut bytes = [0; 20];
        bytes[0] = kind;
        let request = message(PEER, ME, &bytes);
        assert_eq!(bench.input(request), Input::Dropped(DropReason::Unanswered));
    }
    assert!(bench.below.sent.is_empty());
}

/// RFC 1122 §3.2.2.
fn unknown_types_are_silently_discarded(mut bench: Bench) {
    for kind in [1, 2, 6, 7, 9, 10, 19, 40, 255] {
        let unknown = message(PEER, ME, &[kind, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bench.input(unknown), Input::Dropped(DropReason::UnknownType), "type {kind}");
    }
    assert!(bench.below.sent.is_empty());
}

fn counters_have_a_row_for_every_reason(bench: Bench) {
    use netdev::Reason;
    let counters = bench.icmp.counters();
    let has = |name| counters.iter().any(|row| row.name == name);
    assert!(DropReason::ALL.iter().all(|reason| has(reason.text())));
    assert!(Suppressed::ALL.iter().all(|rule| has(rule.text())));
    assert!(counters.iter().all(|row| row.count == 0));
    assert_eq!(bench.icmp.poll_at(), None);
}

/// Not shared: what makes the second implementation what it is.
#[test]
fn echo_only_neither_sends_nor_reads_errors() {
    let mut bench = Bench::over(Box::new(EchoOnly::new()));
    let about = udp_from_peer(b"x");
    assert_eq!(bench.report(Cause::PortUnreachable, &about), Err(Suppressed::Unsupported));
    let mut error = vec![3, 3, 0, 0, 0, 0, 0, 0];
    error.extend(datagram(ME, PEER, Protocol::UDP, &[0; 8]));
    assert_eq!(bench.input(message(PEER, ME, &error)), Input::Dropped(DropReason::Unsupported));
    assert!(bench.below.sent.is_empty());
    assert_eq!(bench.count("not sent: unsupported"), 1);
}
