//! What is known to get through (RFC 1191).

use std::time::Duration;

use netdev::cases;

use super::host::{addr, data, header, link, quoted};
use super::{Host, Make, NEAR};
use crate::{Cause, Change, Header, Quoted};

cases! { ($) path_mtu_cases: Make, Host;
    Must 2 "RFC 1191 §3" a_path_mtu_is_lowered
        "When a host receives a Datagram Too Big message, it MUST reduce its estimate of the PMTU \
         for the relevant path, based on the value of the Next-Hop MTU field in the message …";
    Must 2 "RFC 1191 §3" a_path_mtu_is_lowered_again
        "Hosts using PMTU Discovery MUST detect decreases in Path MTU as fast as possible.";
    Should 2 "RFC 1191 §6.2" other_destinations_keep_theirs
        "In general, the IP layer should associate each PMTU value that it has learned with a \
         specific path.";
    Must 2 "RFC 1191 §3" a_path_mtu_is_not_raised_by_a_message
        "A host MUST not increase its estimate of the Path MTU in response to the contents of a \
         Datagram Too Big message.";
    Must 2 "RFC 1191 §3" a_path_mtu_is_never_under_68
        "A host MUST never reduce its estimate of the Path MTU below 68 octets.";
    Must 3 "RFC 1191 §3" an_old_router_that_names_no_mtu_is_understood
        "Hosts MUST be able to deal with Datagram Too Big messages that do not include the \
         next-hop MTU …";
    Should 3 "RFC 1191 §5" without_an_mtu_the_next_plateau_is_tried
        "… use as the next PMTU estimate the greatest plateau value that is less than the returned \
         Total Length field …";
    Must 3 "RFC 1191 §3" a_path_mtu_is_believed_for_five_minutes_at_least
        "An attempt to detect an increase … MUST NOT be done less than 5 minutes after a Datagram \
         Too Big message has been received for the given destination …";
    Should 2 "RFC 1191 §6.3" after_ten_minutes_more_is_tried
        "We recommend setting these timers at twice their minimum values (10 minutes and 2 \
         minutes, respectively).";
    Must 2 "RFC 1191 §3" nothing_longer_is_sent_whole_any_more
        "We do require that after receiving a Datagram Too Big message, a host MUST attempt to \
         avoid eliciting more such messages in the near future.";
    Must 3 "RFC 1191 §3" what_may_be_fragmented_is_cut_to_the_path
        "The host may either reduce the size of the datagrams it is sending along the path, or \
         cease setting the Don't Fragment bit …";
    Ours 3 "RFC 5927 §7" a_message_about_somebody_else_s_datagram_is_ignored
        "An error about a datagram that this host did not send was made up.";
    Ours 3 "RFC 5927 §7" a_message_that_contradicts_itself_is_ignored
        "What was no longer than the MTU that the message names would have passed.";
    Ours 2 "RFC 1191 §4" an_mtu_above_the_link_s_changes_nothing
        "The first link's MTU is the path's at most.";
    Ours 2 "RFC 1122 §3.2.2.1" other_errors_change_no_path_mtu
        "They are the transport's concern alone.";
    Ours 2 "RFC 1191 §6.2" the_way_to_itself_has_no_routers
        "No message about a datagram to an own address can be true.";
    Ours 4 "RFC 1191 §6.3" forged_messages_fill_no_memory
        "The table is limited; who comes last is known.";
}

const REMOTE: &str = "192.0.2.1";

/// A router says that `len` bytes to [`REMOTE`] were too many for `mtu`.
fn too_big(host: &mut Host, mtu: u16, len: usize) {
    host.learns("203.0.113.9", Cause::FragmentationNeeded { mtu }, &quoted(REMOTE, len));
}

#[track_caller]
fn mtu_is(host: &mut Host, dst: &str, expected: usize) {
    let seen = host.route(dst).mtu;
    host.record().expect_eq(&format!("the path MTU to {dst}"), seen, expected);
}

fn a_path_mtu_is_lowered(host: &mut Host) {
    mtu_is(host, REMOTE, 1500);
    too_big(host, 1400, 1500);
    mtu_is(host, REMOTE, 1400);
}

fn a_path_mtu_is_lowered_again(host: &mut Host) {
    for (mtu, len) in [(1400, 1500), (1006, 1400), (576, 1006)] {
        too_big(host, mtu, len);
        mtu_is(host, REMOTE, mtu.into());
    }
}

fn other_destinations_keep_theirs(host: &mut Host) {
    too_big(host, 1400, 1500);
    mtu_is(host, "192.0.2.2", 1500);
    mtu_is(host, "10.0.0.254", 1500);
    mtu_is(host, REMOTE, 1400);
}

fn a_path_mtu_is_not_raised_by_a_message(host: &mut Host) {
    too_big(host, 1000, 1500);
    too_big(host, 1200, 1500);
    mtu_is(host, REMOTE, 1000);
    too_big(host, 1200, 1400);
    mtu_is(host, REMOTE, 1000);
}

fn a_path_mtu_is_never_under_68(host: &mut Host) {
    for mtu in [67, 20, 1] {
        too_big(host, mtu, 1500);
        let seen = host.route(REMOTE).mtu;
        host.record().expect("the path MTU is 68 at least", seen >= 68);
        host.record().expect("and was lowered", seen < 1500);
    }
}

fn an_old_router_that_names_no_mtu_is_understood(host: &mut Host) {
    let mut last = 1500;
    for _ in 0..4 {
        too_big(host, 0, last);
        let seen = host.route(REMOTE).mtu;
        host.record().expect("the path MTU is lower", seen < last);
        host.record().expect("and 68 at least", seen >= 68);
        last = seen;
    }
}

fn without_an_mtu_the_next_plateau_is_tried(host: &mut Host) {
    for (len, expected) in [(1500, 1492), (1492, 1006), (1006, 508), (508, 296), (296, 68)] {
        too_big(host, 0, len);
        mtu_is(host, REMOTE, expected);
    }
}

fn a_path_mtu_is_believed_for_five_minutes_at_least(host: &mut Host) {
    too_big(host, 1400, 1500);
    host.wait(Duration::from_secs(299));
    mtu_is(host, REMOTE, 1400);
}

fn after_ten_minutes_more_is_tried(host: &mut Host) {
    too_big(host, 1400, 1500);
    host.wait(Duration::from_secs(599));
    mtu_is(host, REMOTE, 1400);
    host.wait(Duration::from_secs(2));
    mtu_is(host, REMOTE, 1500);
}

fn nothing_longer_is_sent_whole_any_more(host: &mut Host) {
    let whole = Header { dont_fragment: true, ..header(REMOTE) };
    host.sends_one(&whole, &data(1480));
    too_big(host, 1400, 1500);
    let cause = host.cannot_send(&whole, &data(1381));
    host.record().expect_eq("the cause", cause, Cause::FragmentationNeeded { mtu: 1400 });
    host.sends_one(&whole, &data(1380));
}

fn what_may_be_fragmented_is_cut_to_the_path(host: &mut Host) {
    too_big(host, 1400, 1500);
    let sent = host.sends(&header(REMOTE), &data(1480));
    let lengths: Vec<usize> = sent.iter().map(|part| part.packet.len()).collect();
    host.record().expect_eq("the fragments' lengths", lengths, vec![1396, 124]);
}

fn a_message_about_somebody_else_s_datagram_is_ignored(host: &mut Host) {
    let foreign = Quoted { src: addr("10.0.0.7"), ..quoted(REMOTE, 1500) };
    host.learns("203.0.113.9", Cause::FragmentationNeeded { mtu: 1400 }, &foreign);
    mtu_is(host, REMOTE, 1500);
    too_big(host, 1400, 1500);
    mtu_is(host, REMOTE, 1400);
}

fn a_message_that_contradicts_itself_is_ignored(host: &mut Host) {
    too_big(host, 1400, 1400);
    too_big(host, 1400, 1000);
    mtu_is(host, REMOTE, 1500);
    too_big(host, 1400, 1401);
    mtu_is(host, REMOTE, 1400);
}

fn an_mtu_above_the_link_s_changes_nothing(host: &mut Host) {
    too_big(host, 1501, 9000);
    too_big(host, 65_535, 65_535);
    mtu_is(host, REMOTE, 1500);
    host.configure(Change::SetInterface(link(NEAR, "10.0.0.1/24", 1000)));
    mtu_is(host, REMOTE, 1000);
    too_big(host, 900, 1000);
    mtu_is(host, REMOTE, 900);
}

fn other_errors_change_no_path_mtu(host: &mut Host) {
    for cause in [
        Cause::HostUnreachable,
        Cause::PortUnreachable,
        Cause::TtlExceeded,
        Cause::ParameterProblem { pointer: 2 },
    ] {
        host.learns("203.0.113.9", cause, &quoted(REMOTE, 1500));
        mtu_is(host, REMOTE, 1500);
    }
    too_big(host, 1400, 1500);
    mtu_is(host, REMOTE, 1400);
}

fn the_way_to_itself_has_no_routers(host: &mut Host) {
    for own in ["10.0.0.1", "127.0.0.1"] {
        let before = host.route(own).mtu;
        host.learns("203.0.113.9", Cause::FragmentationNeeded { mtu: 68 }, &quoted(own, 1500));
        mtu_is(host, own, before);
    }
    too_big(host, 1400, 1500);
    mtu_is(host, REMOTE, 1400);
}

fn forged_messages_fill_no_memory(host: &mut Host) {
    for number in 0..20_000u32 {
        let dst = std::net::Ipv4Addr::from(0x0b00_0000 + number).to_string();
        let cause = Cause::FragmentationNeeded { mtu: 1400 };
        host.learns("203.0.113.9", cause, &quoted(&dst, 1500));
    }
    mtu_is(host, "11.0.78.31", 1400);
    mtu_is(host, "11.0.0.0", 1500);
}
