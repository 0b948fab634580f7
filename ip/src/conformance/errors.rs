//! What is said of a datagram that goes no further: to its source, to its sender, and to who reads
//! the counters.

use netdev::{Cast, Reason, cases};

use super::host::{data, header, link};
use super::{Frame, Host, Make, NEAR, Wire};
use crate::{Cause, Change, DropReason, Header, Hop, IfIndex, Interface, Ttl};

cases! { ($) errors_cases: Make, Host;
    Ours 1 "RFC 1812 §5.2.2" every_reason_has_a_counter
        "Every counter is shown, the ones at zero too.";
    Ours 3 "RFC 1812 §5.2.2" a_broken_header_is_counted_under_what_is_broken
        "It is desirable for purposes of error reporting, though not always entirely possible, to \
         determine why a header was invalid.";
    Ours 2 "RFC 1812 §5.3.7" a_martian_is_counted_as_one
        "If a router discards a packet because of these rules, it SHOULD log at least the IP \
         source address …";
    Ours 2 "RFC 1122 §3.2.1.3" what_is_for_others_is_counted_under_why
        "Another host, a group that was not joined, and a frame to everybody are different \
         reasons.";
    Ours 2 "RFC 1122 §3.2.1.8" what_is_refused_is_counted_too
        "A datagram whose source is told of it has not arrived either.";
    Must 2 "RFC 1812 §4.3.2.3" a_refused_datagram_is_quoted_as_it_came
        "The returned IP header (and user data) MUST be identical to that which was received …";
    Must 3 "RFC 1122 §3.2.2" a_refused_broadcast_is_known_as_one
        "An ICMP error message MUST NOT be sent as the result of receiving: … a datagram destined \
         to an IP broadcast or IP multicast address …";
    Must 2 "RFC 1122 §3.2.1.3" a_martian_is_told_nothing
        "A host MUST silently discard an incoming datagram containing an IP source address that is \
         invalid by the rules of this section.";
    Must 2 "RFC 1122 §3.2.1.2" a_damaged_datagram_is_told_nothing
        "A host MUST … silently discard every datagram that has a bad checksum.";
    Ours 2 "RFC 1122 §3.3.4.2" an_interface_that_is_down_takes_nothing
        "What an interface that is down or unknown brings is dropped, and counted.";
    Ours 1 "RFC 1122 §3.4" a_sender_without_a_route_is_told
        "SEND … result: an error, at once, and the packet as it was given.";
    Ours 1 "RFC 1122 §3.3.3" a_sender_of_too_much_is_told_how_much_fits
        "The sender learns the MTU of the way, and has the packet as it was given.";
    Ours 1 "RFC 1122 §3.2.1.3" a_sender_under_a_foreign_address_is_told
        "The IP source address MUST be one of its own IP addresses; who asks for another is told.";
    Must 2 "RFC 1122 §3.2.1.7" nothing_is_sent_with_a_ttl_of_zero
        "A host MUST NOT send a datagram with a Time-to-Live (TTL) value of zero.";
    Must 1 "RFC 1122 §3.2.1.7" a_transport_sets_the_ttl
        "The IP layer MUST provide a means for the transport layer to set the TTL field of every \
         datagram that is sent.";
    Must 1 "RFC 1122 §3.2.1.6" a_transport_sets_the_type_of_service
        "The IP layer MUST provide a means for the transport layer to set the TOS field of every \
         datagram that is sent; the default is all zero bits.";
    Must 1 "RFC 1812 §4.2.2.3" the_reserved_bit_is_not_sent
        "A router MUST NOT set either of these bits to one in datagrams originated by the router.";
}

fn every_reason_has_a_counter(host: &mut Host) {
    for reason in DropReason::ALL {
        let count = host.count(*reason);
        host.record().expect_eq(reason.text(), count, 0);
    }
    host.still_delivers();
}

/// It is dropped for a reason, and that alone is counted.
#[track_caller]
fn counted(host: &mut Host, frame: impl Into<Frame>, reason: DropReason) {
    let counts = |host: &Host| DropReason::ALL.iter().map(|r| host.count(*r)).collect::<Vec<_>>();
    let mut expected = counts(host);
    host.drops_for(frame, reason);
    expected[reason.index()] += 1;
    host.record().expect_eq("the counters of drops", counts(host), expected);
}

fn a_broken_header_is_counted_under_what_is_broken(host: &mut Host) {
    let wire = Wire::default();
    let mut damaged = wire.bytes();
    damaged[8] += 1;
    counted(host, &wire.with(0, 0x65)[..], DropReason::Version);
    counted(host, &wire.with(0, 0x44)[..], DropReason::HeaderLength);
    counted(host, &wire.with(3, 19)[..], DropReason::Truncated);
    counted(host, &wire.with(3, 29)[..], DropReason::Truncated);
    counted(host, &damaged[..], DropReason::Checksum);
}

fn a_martian_is_counted_as_one(host: &mut Host) {
    counted(host, Wire::between("127.0.0.1", "10.0.0.1"), DropReason::Martian);
    counted(host, Wire::between("10.0.0.255", "10.0.0.1"), DropReason::Martian);
    counted(host, Wire::to("127.0.0.1"), DropReason::BadDestination);
}

fn what_is_for_others_is_counted_under_why(host: &mut Host) {
    counted(host, Wire::to("10.0.0.77"), DropReason::NotForUs);
    counted(host, Frame::from(Wire::to("239.1.2.3")).cast(Cast::Multicast), DropReason::NotMember);
    counted(host, Frame::from(Wire::default()).cast(Cast::Broadcast), DropReason::BroadcastFrame);
}

fn what_is_refused_is_counted_too(host: &mut Host) {
    let wire = Wire::with_options(&[7, 1, 1, 1]);
    host.refuses(wire, Cause::ParameterProblem { pointer: 21 });
    let count = host.count(DropReason::Options);
    host.record().expect_eq(DropReason::Options.text(), count, 1);
}

fn a_refused_datagram_is_quoted_as_it_came(host: &mut Host) {
    let wire = Wire {
        tos: 0xb9,
        ttl: 1,
        df: true,
        payload: data(900),
        ..Wire::with_options(&[7, 1, 1, 1])
    };
    let report = host.refuses(&wire, Cause::ParameterProblem { pointer: 21 });
    host.record().expect_eq("the frame's cast", report.cast, Cast::Unicast);
}

fn a_refused_broadcast_is_known_as_one(host: &mut Host) {
    for (dst, frame, expected) in [
        ("10.0.0.255", Cast::Broadcast, Cast::Broadcast),
        ("10.0.0.255", Cast::Unicast, Cast::Broadcast),
        ("224.0.0.1", Cast::Multicast, Cast::Multicast),
    ] {
        let wire = Wire { options: vec![7, 1, 1, 1], ..Wire::to(dst) };
        let cause = Cause::ParameterProblem { pointer: 21 };
        let report = host.refuses(Frame::from(wire).cast(frame), cause);
        host.record().expect_eq("to whom it was sent", report.cast, expected);
    }
}

fn a_martian_is_told_nothing(host: &mut Host) {
    for src in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "10.0.0.255"] {
        host.drops(Wire { options: vec![7, 1, 1, 1], ..Wire::between(src, "10.0.0.1") });
    }
    host.refuses(Wire::with_options(&[7, 1, 1, 1]), Cause::ParameterProblem { pointer: 21 });
}

fn a_damaged_datagram_is_told_nothing(host: &mut Host) {
    let mut bytes = Wire::with_options(&[7, 7, 4, 0, 0, 0, 0, 0]).bytes();
    bytes[21] = 1;
    host.drops(&bytes[..]);
    host.refuses(Wire::with_options(&[7, 1, 1, 1]), Cause::ParameterProblem { pointer: 21 });
}

fn an_interface_that_is_down_takes_nothing(host: &mut Host) {
    host.still_delivers();
    counted(host, Frame::from(Wire::default()).on(IfIndex(9)), DropReason::InterfaceDown);
    let near = Interface { up: false, ..link(NEAR, "10.0.0.1/24", 1500) };
    host.configure(Change::SetInterface(near));
    counted(host, Wire::default(), DropReason::InterfaceDown);
}

fn a_sender_without_a_route_is_told(host: &mut Host) {
    host.sends_one(&header("192.0.2.1"), b"data");
    host.remove_route("0.0.0.0/0");
    let cause = host.cannot_send(&header("192.0.2.1"), b"data");
    host.record().expect_eq("the cause", cause, Cause::NetworkUnreachable);
}

fn a_sender_of_too_much_is_told_how_much_fits(host: &mut Host) {
    let whole = Header { dont_fragment: true, ..header("192.0.2.1") };
    let cause = host.cannot_send(&whole, &data(2000));
    host.record().expect_eq("the cause", cause, Cause::FragmentationNeeded { mtu: 1500 });
}

fn a_sender_under_a_foreign_address_is_told(host: &mut Host) {
    let foreign = Header { src: super::host::addr("10.0.0.9"), ..header("10.0.0.2") };
    let cause = host.cannot_send(&foreign, b"data");
    host.record().expect_eq("the cause", cause, Cause::Prohibited);
}

fn nothing_is_sent_with_a_ttl_of_zero(host: &mut Host) {
    let sent = host.sends_one(&Header { ttl: Ttl(0), ..header("10.0.0.2") }, b"data");
    host.record().expect("the TTL is not zero", sent.wire.ttl > 0);
}

fn a_transport_sets_the_ttl(host: &mut Host) {
    for ttl in [1, 64, 255] {
        let sent = host.sends_one(&Header { ttl: Ttl(ttl), ..header("10.0.0.2") }, b"data");
        host.record().expect_eq("the TTL", sent.wire.ttl, ttl);
    }
}

fn a_transport_sets_the_type_of_service(host: &mut Host) {
    let sent = host.sends_one(&Header { tos: crate::Tos(0xb8), ..header("10.0.0.2") }, b"data");
    host.record().expect_eq("the type of service", sent.wire.tos, 0xb8);
    let sent = host.sends_one(&header("10.0.0.2"), b"data");
    host.record().expect_eq("the type of service", sent.wire.tos, 0);
}

fn the_reserved_bit_is_not_sent(host: &mut Host) {
    let sent = host.sends_one(&header("255.255.255.255"), b"data");
    host.record().expect_eq("the reserved bit", sent.wire.reserved, false);
    host.record().expect_eq("sent to", sent.hop, Hop::Broadcast);
}
