//! What is sent: RFC 826's "Packet Generation", and RFC 1122 §2.3.2 on floods and queues.

use std::net::Ipv4Addr;
use std::time::Duration;

use netdev::{Instant, MacAddr, Packet, cases};

use super::Make;
use super::bench::{Bench, MY_ADDR, MY_MAC, OTHER, OTHER_MAC, PEER, PEER_MAC, datagram};
use super::message::Message;
use crate::{Change, Event};

cases! { ($) resolving_cases: Make, Bench;
    Must 3 "RFC 826, Packet Generation" an_unknown_neighbour_is_asked_for_by_broadcast
        "It then causes this packet to be broadcast to all stations on the Ethernet cable";
    Must 3 "RFC 1122 §2.4" no_entry_is_no_reason_to_be_unreachable
        "The link layer MUST NOT report a Destination Unreachable error to IP solely because \
         there is no ARP cache entry for a destination.";
    Should 3 "RFC 1122 §2.3.2.2" the_first_datagram_waits_for_the_answer
        "The link layer SHOULD save (rather than discard) at least one (the latest) packet of \
         each set of packets destined to the same unresolved IP address, and transmit the saved \
         packet when the address has been resolved.";
    Should 2 "RFC 1122 §2.3.2.2" the_latest_datagram_is_among_those_that_wait
        "… at least one (the latest) packet of each set of packets …";
    Ours 1 "RFC 1122 §2.3.2.2" what_waits_leaves_in_the_order_of_sending
        "Nothing that waits overtakes, none is sent twice.";
    Must 2 "RFC 826, Packet Generation" a_known_neighbour_is_sent_to_at_once
        "If it finds the pair, it gives the corresponding 48.bit Ethernet address back to the \
         caller (hardware driver) which then transmits the packet.";
    Must 2 "RFC 1122 §2.3.2.1" one_request_is_enough_for_many_datagrams
        "A mechanism to prevent ARP flooding … MUST be included.";
    Must 4 "RFC 1122 §2.3.2.1" a_silent_neighbour_is_asked_once_a_second_at_most
        "A mechanism to prevent ARP flooding (repeatedly sending an ARP Request for the same IP \
         address, at a high rate) MUST be included. The recommended maximum rate is 1 per second \
         per destination.";
    Must 2 "RFC 1122 §2.3.2.1" each_neighbour_is_asked_for_by_itself
        "The recommended maximum rate is 1 per second per destination.";
    Must 2 "RFC 826, Packet Reception" an_answer_releases_only_what_waits_for_it
        "If the pair <protocol type, sender protocol address> is already in my translation table";
    Ours 2 "RFC 826" a_lost_request_is_repeated
        "A request may be lost as any frame: the neighbour is asked again without a new datagram.";
    Ours 3 "RFC 1812 §3.3.2" a_silent_neighbour_s_datagrams_come_back
        "It SHOULD … reply that the destination is unreachable to one of the queued datagrams only \
         when this proves fruitless.";
    Ours 1 "RFC 1812 §3.3.2" nothing_comes_back_while_the_question_is_open
        "… only when this proves fruitless.";
    Ours 1 "RFC 1122 §2.3.2.1" a_neighbour_that_nobody_sends_to_is_left_alone
        "After a failure nothing is asked until there is something to send.";
    Ours 2 "RFC 1122 §2.3.2.1" after_a_failure_the_neighbour_gets_another_chance
        "A host that was down is found once it is up.";
    Ours 1 "RFC 826, Packet Reception" a_failed_neighbour_that_speaks_is_used_at_once
        "Who asks for us is up.";
    Ours 2 "RFC 826" an_unsolicited_reply_teaches_nothing
        "A reply that nobody asked for creates no entry: it would be an invitation to poison.";
    Ours 1 "RFC 826, Packet Generation" the_request_comes_from_the_datagram_s_address
        "… ar$spa with the protocol address of itself: of several, the one the neighbour shares.";
    Ours 1 "RFC 1122 §3.2.1.3" a_next_hop_that_no_host_can_be_is_handed_back
        "Nobody is asked for a broadcast, multicast or loopback address.";
    Ours 2 "RFC 1122 §2.3.2.2" what_waits_for_one_neighbour_is_bounded
        "The queue has a limit; at the limit the latest datagram stays.";
}

fn an_unknown_neighbour_is_asked_for_by_broadcast(bench: &mut Bench) {
    let _ = bench.send(PEER, 1);
    bench.expect_asked(PEER);
}

fn no_entry_is_no_reason_to_be_unreachable(bench: &mut Bench) {
    bench.send_well(PEER, 1);
    bench.expect_asked(PEER);
}

fn the_first_datagram_waits_for_the_answer(bench: &mut Bench) {
    bench.send_well(PEER, 1);
    bench.expect_sent(PEER, PEER_MAC, &[]);
    bench.answer();
    bench.expect_sent(PEER, PEER_MAC, &[1]);
}

fn the_latest_datagram_is_among_those_that_wait(bench: &mut Bench) {
    for number in 1..=5 {
        bench.send_well(PEER, number);
    }
    bench.answer();
    let latest = bench.datagrams().pop();
    let expected = Some((PEER_MAC, datagram(MY_ADDR, PEER, 5)));
    bench.record.expect_eq("the last datagram sent", latest, expected);
}

fn what_waits_leaves_in_the_order_of_sending(bench: &mut Bench) {
    for number in 1..=5 {
        bench.send_well(PEER, number);
    }
    bench.answer();
    let sent = bench.datagrams();
    let all: Vec<_> = (1..=5).map(|n| (PEER_MAC, datagram(MY_ADDR, PEER, n))).collect();
    bench.record.expect("something to leave once there is an answer", !sent.is_empty());
    let suffix = all[all.len() - sent.len().min(5)..].to_vec();
    bench.record.expect_eq("datagrams sent", sent, suffix);
    bench.answer();
    bench.expect_sent(PEER, PEER_MAC, &[]);
}

fn a_known_neighbour_is_sent_to_at_once(bench: &mut Bench) {
    bench.know();
    for number in 1..=3 {
        bench.send_well(PEER, number);
        bench.expect_sent(PEER, PEER_MAC, &[number]);
        bench.expect_silence();
    }
}

fn one_request_is_enough_for_many_datagrams(bench: &mut Bench) {
    for number in 1..=100 {
        let _ = bench.send(PEER, number);
    }
    bench.expect_asked(PEER);
}

/// The requests for the peer while a datagram is sent to it ten times a second.
fn requests_at(bench: &mut Bench, seconds: u16) -> Vec<Instant> {
    let mut times = Vec::new();
    for number in 0..seconds * 10 {
        let _ = bench.send(PEER, number);
        for step in 0..2 {
            for (_, message) in bench.arp() {
                bench.record.expect_eq("asked for", message.tpa, PEER);
                times.push(bench.now);
            }
            if step == 0 {
                let _ = bench.pass(Duration::from_millis(100));
            }
        }
    }
    times
}

fn a_silent_neighbour_is_asked_once_a_second_at_most(bench: &mut Bench) {
    let times = requests_at(bench, 60);
    for pair in times.windows(2) {
        let gap = pair[1] - pair[0];
        if gap < Duration::from_secs(1) {
            let seen = format!("{} s, at {} and {}", gap.as_secs_f64(), pair[0], pair[1]);
            bench.record.fail("a second at least between two requests", seen);
        }
    }
    bench.record.expect("two requests at least in a minute of sending", times.len() >= 2);
}

/// The limit is no limit on asking for several at once.
fn each_neighbour_is_asked_for_by_itself(bench: &mut Bench) {
    for host in 2..12 {
        let hop = Ipv4Addr::new(10, 0, 0, host);
        let _ = bench.send(hop, 1);
        bench.expect_asked(hop);
    }
}

fn an_answer_releases_only_what_waits_for_it(bench: &mut Bench) {
    bench.send_well(PEER, 1);
    bench.send_well(OTHER, 2);
    bench.answer();
    bench.expect_sent(PEER, PEER_MAC, &[1]);
    bench.answer_as(OTHER, OTHER_MAC);
    bench.expect_sent(OTHER, OTHER_MAC, &[2]);
}

fn a_lost_request_is_repeated(bench: &mut Bench) {
    bench.send_well(PEER, 1);
    bench.expect_asked(PEER);
    for _ in 0..30 {
        let _ = bench.pass(Duration::from_millis(100));
        if !bench.arp().is_empty() {
            bench.answer();
            return bench.expect_sent(PEER, PEER_MAC, &[1]);
        }
    }
    bench.record.fail("a second request within three seconds", "none");
}

/// Waits until datagrams come back.
fn until_given_up(bench: &mut Bench) -> Vec<Packet> {
    for _ in 0..120 {
        let back = bench.secs(1);
        if !back.is_empty() {
            return back;
        }
    }
    bench.record.fail("the datagram back within two minutes", "nothing came back");
}

fn a_silent_neighbour_s_datagrams_come_back(bench: &mut Bench) {
    bench.send_well(PEER, 1);
    bench.send_well(PEER, 2);
    let back: Vec<Vec<u8>> = until_given_up(bench).iter().map(|packet| packet.to_vec()).collect();
    let expected = Some(datagram(MY_ADDR, PEER, 2));
    bench.record.expect_eq("the last datagram to come back", back.last().cloned(), expected);
    bench.answer();
    bench.expect_sent(PEER, PEER_MAC, &[]);
}

fn nothing_comes_back_while_the_question_is_open(bench: &mut Bench) {
    bench.send_well(PEER, 1);
    let back = bench.pass(Duration::from_millis(900));
    bench.record.expect_eq("datagrams that came back", back.len(), 0);
    bench.answer();
    bench.expect_sent(PEER, PEER_MAC, &[1]);
    let back = bench.secs(30);
    bench.record.expect_eq("datagrams that came back", back.len(), 0);
}

fn a_neighbour_that_nobody_sends_to_is_left_alone(bench: &mut Bench) {
    bench.send_well(PEER, 1);
    bench.expect_asked(PEER);
    until_given_up(bench);
    let _ = bench.arp();
    let _ = bench.secs(3600);
    bench.expect_silence();
}

fn after_a_failure_the_neighbour_gets_another_chance(bench: &mut Bench) {
    bench.send_well(PEER, 1);
    until_given_up(bench);
    let _ = bench.secs(60);
    let _ = bench.arp();
    bench.send_well(PEER, 2);
    bench.expect_asked(PEER);
    bench.answer();
    bench.expect_sent(PEER, PEER_MAC, &[2]);
}

fn a_failed_neighbour_that_speaks_is_used_at_once(bench: &mut Bench) {
    bench.send_well(PEER, 1);
    until_given_up(bench);
    let _ = bench.input(Message::request(PEER_MAC, PEER, MY_ADDR));
    bench.send_well(PEER, 2);
    bench.expect_sent(PEER, PEER_MAC, &[2]);
}

fn an_unsolicited_reply_teaches_nothing(bench: &mut Bench) {
    let _ = bench.input(Message::reply(PEER_MAC, PEER, MY_MAC, MY_ADDR));
    bench.expect_unknown(PEER);
    bench.expect_alive();
}

fn the_request_comes_from_the_datagram_s_address(bench: &mut Bench) {
    let second = Ipv4Addr::new(192, 168, 7, 1);
    bench.set(Change::AddAddress(second.into()));
    let hop = Ipv4Addr::new(192, 168, 7, 9);
    let _ = bench.send_from(second, hop, 1);
    bench.expect_asked_from(second, hop);
    // What is forwarded has a source that is not ours to ask from.
    let _ = bench.send_from(Ipv4Addr::new(198, 51, 100, 7), PEER, 2);
    bench.expect_asked(PEER);
}

fn a_next_hop_that_no_host_can_be_is_handed_back(bench: &mut Bench) {
    for hop in [[224, 0, 0, 1], [255, 255, 255, 255], [127, 0, 0, 1], [0, 0, 0, 0]] {
        let hop = Ipv4Addr::from(hop);
        let event = bench.send(hop, 1);
        let packet = Packet::from_payload(&datagram(MY_ADDR, hop, 1));
        bench.record.expect_eq("of the send", event, Event::Unreachable(vec![packet]));
        bench.expect_silence();
        bench.expect_sent(hop, MacAddr::BROADCAST, &[]);
    }
}

fn what_waits_for_one_neighbour_is_bounded(bench: &mut Bench) {
    for number in 0..5_000 {
        let _ = bench.send(PEER, number);
    }
    bench.answer();
    let sent = bench.datagrams();
    let expected = Some(datagram(MY_ADDR, PEER, 4_999));
    let latest = sent.last().map(|(_, bytes)| bytes.clone());
    bench.record.expect_eq("the last datagram sent", latest, expected);
    let most = 1024;
    bench.record.expect(&format!("{most} datagrams at most to wait"), sent.len() <= most);
}
