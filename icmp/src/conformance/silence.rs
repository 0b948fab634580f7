//! When no error is sent: RFC 1122 §3.2.2, RFC 1812 §4.3.2.7 and §4.3.2.8.

use std::net::Ipv4Addr;
use std::time::Duration;

use ip::{Cause, Protocol};
use netdev::{Cast, cases};

use super::Make;
use super::bench::{Bench, datagram, udp};
use ip::conformance::below::{FAR, ME, NOWHERE, PEER, SUBNET};

cases! { ($) silence_cases: Make, Bench;
    Must 3 "RFC 1122 §3.2.2" no_error_about_an_error
        "An ICMP error message MUST NOT be sent as the result of receiving: an ICMP error message";
    Ours 1 "RFC 1122 §3.2.2" no_error_about_a_message_that_may_be_an_error
        "Of an ICMP message of unknown type, or without a type, nobody knows that it is a query.";
    Must 2 "RFC 1122 §3.2.2" no_error_about_a_broadcast
        "… a datagram destined to an IP broadcast … address";
    Must 2 "RFC 1122 §3.2.2" no_error_about_a_subnet_s_broadcast
        "… a datagram destined to an IP broadcast … address";
    Must 2 "RFC 1122 §3.2.2" no_error_about_a_multicast
        "… a datagram destined to an … IP multicast address";
    Must 2 "RFC 1122 §3.2.2" no_error_about_a_link_layer_broadcast
        "… a datagram sent as a link-layer broadcast";
    Must 1 "RFC 1812 §4.3.2.7" no_error_about_a_link_layer_multicast
        "A packet sent as a Link Layer broadcast or multicast";
    Must 3 "RFC 1122 §3.2.2" no_error_about_a_later_fragment
        "… a non-initial fragment";
    Must 2 "RFC 1122 §3.2.2" no_error_to_a_zero_address
        "… a datagram whose source address does not define a single host -- e.g., a zero address";
    Must 2 "RFC 1122 §3.2.2" no_error_to_a_loopback_address_from_elsewhere
        "… a loopback address";
    Must 2 "RFC 1122 §3.2.2" no_error_to_a_broadcast_address
        "… a broadcast address";
    Must 2 "RFC 1122 §3.2.2" no_error_to_a_multicast_address
        "… a multicast address";
    Must 1 "RFC 1122 §3.2.2" no_error_to_a_class_e_address
        "… or a Class E address.";
    Ours 1 "RFC 792" no_error_about_what_is_no_datagram
        "What has no whole IPv4 header cannot be quoted.";
    Ours 1 "RFC 1122 §3.2.2" no_error_where_there_is_no_way_back
        "Where there is no route to the source, it cannot be told.";
    Should 3 "RFC 1812 §4.3.2.8" errors_are_limited
        "A router SHOULD also be able to limit the rate at which it sends other sorts of ICMP \
         error messages (Destination Unreachable, Redirect, Time Exceeded, Parameter Problem).";
    Ours 1 "RFC 1812 §4.3.2.8" after_a_quiet_time_errors_are_sent_again
        "A limit on the rate, not on the number.";
    Ours 1 "RFC 1812 §4.3.2.8" the_limit_on_errors_does_not_hold_back_echo_replies
        "A flood to closed ports does not silence ping.";
    Ours 1 "RFC 1122 §1.2.3" what_is_not_sent_is_counted
        "Nothing vanishes silently: an error that was not sent counts somewhere.";
}

/// Such a datagram is not answered, and a good one of the same host is.
fn silent(bench: &mut Bench, cause: Cause, about: &[u8], cast: Cast) {
    let result = bench.report_cast(cause, about, cast);
    bench.record.expect("the report to be refused", result.is_err());
    bench.expect_silence();
}

/// About a datagram that has nothing wrong with it an error is sent.
fn heard(bench: &mut Bench) {
    let result = bench.report(Cause::PortUnreachable, &udp(PEER, ME, b"data"));
    bench.record.expect_eq("of a good report", result, Ok(()));
    bench.expect_error(3, 3, [0; 4]);
}

fn no_error_about_an_error(bench: &mut Bench) {
    for kind in [3, 4, 5, 11, 12] {
        let inner = udp(ME, PEER, b"data");
        let error = [&[kind, 0, 0, 0, 0, 0, 0, 0], &inner[..]].concat();
        for cause in [Cause::TtlExceeded, Cause::ProtocolUnreachable, Cause::HostUnreachable] {
            let about = datagram(PEER, FAR, Protocol::ICMP, &error);
            silent(bench, cause, &about, Cast::Unicast);
        }
    }
    heard(bench);
}

fn no_error_about_a_message_that_may_be_an_error(bench: &mut Bench) {
    for message in [&[200, 0, 0, 0, 0, 0, 0, 0][..], &[]] {
        let about = datagram(PEER, FAR, Protocol::ICMP, message);
        silent(bench, Cause::TtlExceeded, &about, Cast::Unicast);
    }
    heard(bench);
}

/// The frame's destination may say otherwise: some hosts send broadcasts to one station.
fn not_about(bench: &mut Bench, dst: Ipv4Addr, cast: Cast) {
    for cast in [cast, Cast::Unicast] {
        for cause in [Cause::PortUnreachable, Cause::ProtocolUnreachable] {
            silent(bench, cause, &udp(PEER, dst, b"data"), cast);
        }
    }
    heard(bench);
}

fn no_error_about_a_broadcast(bench: &mut Bench) {
    not_about(bench, Ipv4Addr::BROADCAST, Cast::Broadcast);
}

fn no_error_about_a_subnet_s_broadcast(bench: &mut Bench) {
    not_about(bench, SUBNET, Cast::Broadcast);
}

fn no_error_about_a_multicast(bench: &mut Bench) {
    not_about(bench, Ipv4Addr::new(224, 0, 0, 1), Cast::Multicast);
    not_about(bench, Ipv4Addr::new(239, 255, 255, 250), Cast::Multicast);
}

fn no_error_about_a_link_layer_broadcast(bench: &mut Bench) {
    silent(bench, Cause::PortUnreachable, &udp(PEER, ME, b"data"), Cast::Broadcast);
    heard(bench);
}

fn no_error_about_a_link_layer_multicast(bench: &mut Bench) {
    silent(bench, Cause::PortUnreachable, &udp(PEER, ME, b"data"), Cast::Multicast);
    heard(bench);
}

fn no_error_about_a_later_fragment(bench: &mut Bench) {
    for (high, low) in [(0x20, 1), (0, 185), (0x1f, 0), (0x3f, 0xff), (0, 1)] {
        let mut about = udp(PEER, FAR, b"data");
        (about[6], about[7]) = (high, low);
        silent(bench, Cause::TtlExceeded, &about, Cast::Unicast);
    }
    heard(bench);
}

fn not_to(bench: &mut Bench, src: Ipv4Addr) {
    silent(bench, Cause::PortUnreachable, &udp(src, ME, b"data"), Cast::Unicast);
    silent(bench, Cause::TtlExceeded, &udp(src, FAR, b"data"), Cast::Unicast);
    heard(bench);
}

fn no_error_to_a_zero_address(bench: &mut Bench) {
    not_to(bench, Ipv4Addr::UNSPECIFIED);
    not_to(bench, Ipv4Addr::new(0, 0, 0, 7));
}

fn no_error_to_a_loopback_address_from_elsewhere(bench: &mut Bench) {
    silent(bench, Cause::TtlExceeded, &udp(Ipv4Addr::LOCALHOST, FAR, b"data"), Cast::Unicast);
    heard(bench);
}

fn no_error_to_a_broadcast_address(bench: &mut Bench) {
    not_to(bench, Ipv4Addr::BROADCAST);
    not_to(bench, SUBNET);
}

fn no_error_to_a_multicast_address(bench: &mut Bench) {
    not_to(bench, Ipv4Addr::new(224, 0, 0, 5));
}

fn no_error_to_a_class_e_address(bench: &mut Bench) {
    not_to(bench, Ipv4Addr::new(240, 0, 0, 1));
}

fn no_error_about_what_is_no_datagram(bench: &mut Bench) {
    let good = udp(PEER, ME, b"data");
    let mut six = good.clone();
    six[0] = 0x65;
    for about in [&[][..], &good[..19], &six] {
        silent(bench, Cause::PortUnreachable, about, Cast::Unicast);
    }
    heard(bench);
}

fn no_error_where_there_is_no_way_back(bench: &mut Bench) {
    let about = udp(NOWHERE, ME, b"data");
    silent(bench, Cause::PortUnreachable, &about, Cast::Unicast);
    heard(bench);
}

/// Reports for `millis`, ten each millisecond; how many errors were sent.
fn flood(bench: &mut Bench, millis: u32) -> usize {
    let about = udp(PEER, ME, b"data");
    for _ in 0..millis {
        for _ in 0..10 {
            let _ = bench.report(Cause::PortUnreachable, &about);
        }
        bench.pass(Duration::from_millis(1));
    }
    bench.count_sent()
}

fn errors_are_limited(bench: &mut Bench) {
    let _ = flood(bench, 1000);
    let sent = flood(bench, 1000);
    let most = 5000;
    if sent > most {
        bench.record.fail(format_args!("{most} errors a second at most of 10000"), sent);
    }
    bench.record.expect("some errors to be sent all the same", sent > 0);
}

fn after_a_quiet_time_errors_are_sent_again(bench: &mut Bench) {
    let _ = flood(bench, 500);
    bench.pass(Duration::from_secs(10));
    heard(bench);
}

fn the_limit_on_errors_does_not_hold_back_echo_replies(bench: &mut Bench) {
    let _ = flood(bench, 500);
    bench.expect_alive();
    let sent = flood(bench, 500);
    bench.record.expect("errors to be sent", sent > 0);
}

fn what_is_not_sent_is_counted(bench: &mut Bench) {
    let about = udp(PEER, Ipv4Addr::BROADCAST, b"data");
    let before = bench.counted();
    silent(bench, Cause::PortUnreachable, &about, Cast::Broadcast);
    bench.record.expect("the error that was not sent to count", bench.counted() > before);
    heard(bench);
}
