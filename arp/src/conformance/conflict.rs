//! Two hosts with one address: RFC 5227.

use std::net::Ipv4Addr;
use std::time::Duration;

use netdev::{MacAddr, cases};

use super::Make;
use super::bench::{Bench, MY_ADDR, MY_MAC, OTHER, OTHER_MAC, PEER, PEER_MAC};
use super::message::Message;
use crate::Event;

cases! { ($) conflict_cases: Make, Bench;
    Must 2 "RFC 5227 §2.4" a_request_from_our_address_is_a_conflict
        "An ARP packet (Request or Reply) with one of our addresses as the sender's, and a link \
         address that is not ours, is a conflicting ARP packet.";
    Must 2 "RFC 5227 §2.4" a_reply_from_our_address_is_a_conflict
        "An ARP packet (Request or Reply) with one of our addresses as the sender's, and a link \
         address that is not ours, is a conflicting ARP packet.";
    Must 1 "RFC 5227 §2.4" our_own_packet_is_no_conflict
        "… and the sender hardware address does not match any of the host's own.";
    Must 3 "RFC 5227 §2.4 (c)" an_address_is_defended_once_in_ten_seconds_at_most
        "Within DEFEND_INTERVAL (10 s) of an earlier conflict, no other defensive announcement is \
         sent: two such hosts would not end.";
    Must 2 "RFC 5227 §2.4 (b)" an_address_that_is_given_up_is_not_used_any_more
        "A host that sees a second conflict within DEFEND_INTERVAL either ceases using the address \
         at once, or holds it, and says which.";
    Ours 1 "RFC 5227 §2.4 (c)" a_conflict_is_answered_with_an_announcement
        "To defend an address is to broadcast one announcement: a request with it as the sender's \
         and as the target's.";
    Must 2 "RFC 5227 §1.1" a_probe_is_answered
        "Who probes for an address in use is to hear so: a request from 0.0.0.0 is answered.";
    Must 1 "RFC 5227 §1.1" a_probe_teaches_nothing
        "The sender's address of a probe is all zeroes, to avoid polluting the caches of others.";
    Ours 1 "RFC 5227 §2.4" a_probe_is_no_conflict
        "Who probes does not use the address yet.";
    Must 2 "RFC 5227 §1.1" an_announcement_updates_a_neighbour
        "An announcement makes sure that other hosts do not have stale entries for the address.";
    Ours 2 "RFC 826" an_announcement_teaches_nothing_new
        "Whose target is not us, adds nothing to the table.";
    Must 1 "RFC 5227 §2.4" our_address_is_no_neighbour
        "What claims our address is not to be learnt from.";
}

fn conflict(bench: &mut Bench, message: Message) {
    let event = bench.input(message);
    bench.record.expect_eq("of the packet", event, contested());
}

fn contested() -> Event {
    Event::Conflict { addr: MY_ADDR.into(), mac: PEER_MAC }
}

/// A conflict that may be the second in a row; whether the address was given up for it.
fn conflict_again(bench: &mut Bench) -> bool {
    let event = bench.input(Message::request(PEER_MAC, MY_ADDR, MY_ADDR));
    let lost = event == Event::Lost { addr: MY_ADDR.into(), mac: PEER_MAC };
    if !lost {
        bench.record.expect_eq("of the packet", event, contested());
    }
    lost
}

fn a_request_from_our_address_is_a_conflict(bench: &mut Bench) {
    conflict(bench, Message::request(PEER_MAC, MY_ADDR, OTHER));
    let _ = bench.pass(Duration::from_secs(11));
    conflict(bench, Message::request(PEER_MAC, MY_ADDR, MY_ADDR));
}

fn a_reply_from_our_address_is_a_conflict(bench: &mut Bench) {
    conflict(bench, Message::reply(PEER_MAC, MY_ADDR, MacAddr([2, 0, 0, 0, 0, 9]), OTHER));
}

fn our_own_packet_is_no_conflict(bench: &mut Bench) {
    let event = bench.input(Message::request(MY_MAC, MY_ADDR, OTHER));
    bench.record.expect_eq("of our own packet", event, Event::None);
    bench.expect_silence();
    conflict(bench, Message::request(PEER_MAC, MY_ADDR, OTHER));
}

fn announcements(bench: &mut Bench) -> usize {
    bench.arp().iter().filter(|(_, message)| message.spa == MY_ADDR).count()
}

fn an_address_is_defended_once_in_ten_seconds_at_most(bench: &mut Bench) {
    let mut last = None;
    for _ in 0..600 {
        if conflict_again(bench) {
            // Given up: there is nothing left to defend.
            let more = announcements(bench);
            bench.record.expect_eq("announcements", more, 0);
            break;
        }
        for _ in 0..announcements(bench) {
            let early = last.is_some_and(|last| bench.now - last < Duration::from_secs(10));
            bench.record.expect("ten seconds at least between two announcements", !early);
            last = Some(bench.now);
        }
        let _ = bench.pass(Duration::from_millis(100));
    }
}

fn an_address_that_is_given_up_is_not_used_any_more(bench: &mut Bench) {
    conflict(bench, Message::request(PEER_MAC, MY_ADDR, MY_ADDR));
    announcements(bench);
    let _ = bench.pass(Duration::from_secs(1));
    let lost = conflict_again(bench);
    let more = announcements(bench);
    bench.record.expect_eq("announcements", more, 0);
    let event = bench.input(Message::request(OTHER_MAC, OTHER, MY_ADDR));
    bench.record.expect_eq("of a question", event, Event::None);
    let answers = announcements(bench);
    bench.record.expect_eq("answers, where it is held", answers, usize::from(!lost));
}

fn a_conflict_is_answered_with_an_announcement(bench: &mut Bench) {
    conflict(bench, Message::request(PEER_MAC, MY_ADDR, MY_ADDR));
    bench.expect_asked(MY_ADDR);
}

fn a_probe_is_answered(bench: &mut Bench) {
    let event = bench.input(Message::request(PEER_MAC, Ipv4Addr::UNSPECIFIED, MY_ADDR));
    bench.record.expect_eq("of the probe", event, Event::None);
    bench.expect_answered(PEER_MAC, Ipv4Addr::UNSPECIFIED, MY_ADDR);
}

fn a_probe_teaches_nothing(bench: &mut Bench) {
    let _ = bench.input(Message::request(PEER_MAC, Ipv4Addr::UNSPECIFIED, MY_ADDR));
    bench.expect_answered(PEER_MAC, Ipv4Addr::UNSPECIFIED, MY_ADDR);
    bench.record.expect_eq("entries", bench.entries(), Vec::new());
}

fn a_probe_is_no_conflict(bench: &mut Bench) {
    let event = bench.input(Message::request(PEER_MAC, Ipv4Addr::UNSPECIFIED, MY_ADDR));
    bench.record.expect_eq("of the probe", event, Event::None);
    conflict(bench, Message::request(PEER_MAC, MY_ADDR, MY_ADDR));
}

fn an_announcement_updates_a_neighbour(bench: &mut Bench) {
    let moved = MacAddr([2, 0, 0, 0, 0, 9]);
    bench.know();
    let _ = bench.input(Message::request(moved, PEER, PEER));
    bench.send_well(PEER, 1);
    bench.expect_sent(PEER, moved, &[1]);
}

fn an_announcement_teaches_nothing_new(bench: &mut Bench) {
    let _ = bench.input(Message::request(PEER_MAC, PEER, PEER));
    let _ = bench.input(Message::reply(PEER_MAC, PEER, MacAddr::BROADCAST, PEER));
    bench.expect_unknown(PEER);
    bench.expect_alive();
}

fn our_address_is_no_neighbour(bench: &mut Bench) {
    conflict(bench, Message::request(PEER_MAC, MY_ADDR, MY_ADDR));
    bench.record.expect_eq("the entry of our address", bench.entry(MY_ADDR), None);
}
