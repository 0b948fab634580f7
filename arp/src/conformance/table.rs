//! The table as a person sees and changes it, and its limits.

use std::net::{IpAddr, Ipv4Addr};

use netdev::{MacAddr, cases};

use super::Make;
use super::bench::{Bench, MY_ADDR, OTHER, OTHER_MAC, PEER, PEER_MAC};
use super::message::Message;
use crate::{Change, Entry, Error, State};

/// Entries that no table here has room for.
const MANY: u32 = 5_000;

cases! { ($) table_cases: Make, Bench;
    Ours 2 "arp -s" a_static_entry_is_used_without_a_question
        "A permanent entry is sent to at once.";
    Ours 2 "arp -s" a_static_entry_is_not_changed_by_the_wire
        "What a person set, no packet changes.";
    Ours 1 "arp -s" a_static_entry_lets_go_what_waits
        "Datagrams that wait for an address leave when it is set.";
    Ours 1 "arp -s" a_static_entry_does_not_age
        "A permanent entry has no timeout.";
    Ours 1 "arp -d" a_removed_entry_is_gone
        "A removed entry is not used any more, and cannot be removed twice.";
    Ours 1 "ip link" a_flush_keeps_static_entries
        "Flushing forgets every entry but the permanent ones.";
    Ours 1 "arp -a" entries_are_in_the_order_of_their_addresses
        "The table is ordered by address.";
    Ours 2 "arp -a" an_entry_shows_what_is_known_and_what_waits
        "Incomplete without a link address while asked for; then Reachable with it.";
    Ours 1 "arp -s" a_change_that_makes_no_sense_is_refused
        "No static entry for a group's address, nor with a group's link address.";
    Ours 3 "RFC 1122 §2.3.2" a_flood_of_requests_is_bounded
        "A table has a limit: what anybody can send does not make it grow beyond.";
    Ours 2 "RFC 1122 §2.3.2" a_full_table_still_serves
        "A full table makes room for a neighbour that is sent to.";
    Ours 2 "RFC 1122 §2.3.2" a_scan_of_the_net_is_bounded
        "Datagrams that wait for many hosts have a limit together; each is sent or comes back, or \
         is counted.";
    Ours 2 "RFC 1122 §2.3.2" what_is_discarded_is_counted
        "Nothing vanishes silently: a discarded packet counts somewhere.";
    Ours 1 "arp -a" counters_have_names_and_their_rows_stay
        "Every counter is listed, the ones at zero too.";
}

fn a_static_entry_is_used_without_a_question(bench: &mut Bench) {
    bench.set(Change::AddStatic(PEER.into(), PEER_MAC));
    bench.expect_known(PEER, PEER_MAC);
}

fn a_static_entry_is_not_changed_by_the_wire(bench: &mut Bench) {
    bench.set(Change::AddStatic(PEER.into(), PEER_MAC));
    let _ = bench.input(Message::request(OTHER_MAC, PEER, MY_ADDR));
    let _ = bench.input(Message::request(OTHER_MAC, PEER, PEER));
    bench.expect_known(PEER, PEER_MAC);
}

fn a_static_entry_lets_go_what_waits(bench: &mut Bench) {
    bench.send_well(PEER, 1);
    bench.set(Change::AddStatic(PEER.into(), PEER_MAC));
    bench.expect_sent(PEER, PEER_MAC, &[1]);
}

fn a_static_entry_does_not_age(bench: &mut Bench) {
    bench.set(Change::AddStatic(PEER.into(), PEER_MAC));
    let _ = bench.secs(100_000);
    bench.expect_known(PEER, PEER_MAC);
    let _ = bench.secs(60);
    bench.expect_silence();
    let expected = Entry {
        addr: PEER.into(),
        mac: Some(PEER_MAC),
        state: State::Permanent,
        timeout: None,
        waiting: 0,
    };
    bench.record.expect_eq("the entry", bench.entry(PEER), Some(expected));
}

fn a_removed_entry_is_gone(bench: &mut Bench) {
    bench.set(Change::AddStatic(PEER.into(), PEER_MAC));
    bench.set(Change::Remove(PEER.into()));
    bench.record.expect_eq("the entry of the peer", bench.entry(PEER), None);
    let again = bench.change(Change::Remove(PEER.into()));
    bench.record.expect_eq("removing again", again, Err(Error::NoEntry(PEER.into())));
    let _ = bench.send(PEER, 1);
    bench.expect_sent(PEER, PEER_MAC, &[]);
}

fn a_flush_keeps_static_entries(bench: &mut Bench) {
    bench.set(Change::AddStatic(PEER.into(), PEER_MAC));
    bench.set(Change::Flush);
    bench.expect_known(PEER, PEER_MAC);
}

fn entries_are_in_the_order_of_their_addresses(bench: &mut Bench) {
    let hosts = [9, 200, 3, 100, 45].map(|host| Ipv4Addr::new(10, 0, 0, host));
    for host in hosts {
        bench.set(Change::AddStatic(host.into(), PEER_MAC));
    }
    let seen: Vec<IpAddr> = bench.entries().iter().map(|entry| entry.addr).collect();
    let mut expected = hosts.map(IpAddr::V4).to_vec();
    expected.sort();
    bench.record.expect_eq("the addresses of the table", seen, expected);
}

fn an_entry_shows_what_is_known_and_what_waits(bench: &mut Bench) {
    bench.send_well(PEER, 1);
    let shown = bench.entry(PEER).map(|entry| (entry.mac, entry.state, entry.waiting));
    bench.record.expect_eq("the entry", shown, Some((None, State::Incomplete, 1)));
    bench.answer();
    let shown = bench.entry(PEER).map(|entry| (entry.mac, entry.state, entry.waiting));
    bench.record.expect_eq("the entry", shown, Some((Some(PEER_MAC), State::Reachable, 0)));
}

fn a_change_that_makes_no_sense_is_refused(bench: &mut Bench) {
    let group = IpAddr::from([224, 0, 0, 1]);
    let seen = bench.change(Change::AddStatic(group, PEER_MAC));
    bench.record.expect_eq("a static entry", seen, Err(Error::BadAddress(group)));
    let seen = bench.change(Change::AddStatic(PEER.into(), MacAddr::BROADCAST));
    bench.record.expect_eq("a static entry", seen, Err(Error::BadMac(MacAddr::BROADCAST)));
    bench.expect_state(PEER, None);
}

/// A request for us from each of very many hosts.
fn flood(bench: &mut Bench) {
    for number in 0..MANY {
        let [_, a, b, c] = number.to_be_bytes();
        let (mac, addr) = (MacAddr([2, 9, 9, a, b, c]), Ipv4Addr::new(11, a, b, c));
        let _ = bench.input(Message::request(mac, addr, MY_ADDR));
        let _ = bench.arp();
    }
}

fn a_flood_of_requests_is_bounded(bench: &mut Bench) {
    bench.set(Change::AddStatic(PEER.into(), PEER_MAC));
    flood(bench);
    let most = 4_096;
    let held = bench.entries().len();
    if held > most {
        bench.record.fail(format_args!("{most} entries at most"), held);
    }
    bench.expect_known(PEER, PEER_MAC);
    bench.expect_alive();
}

fn a_full_table_still_serves(bench: &mut Bench) {
    flood(bench);
    bench.know_as(OTHER, OTHER_MAC);
    bench.expect_known(OTHER, OTHER_MAC);
}

fn a_scan_of_the_net_is_bounded(bench: &mut Bench) {
    bench.set(Change::AddStatic(PEER.into(), PEER_MAC));
    let before = bench.counted();
    let mut back = 0;
    for number in 0..MANY {
        let [_, _, b, c] = number.to_be_bytes();
        if let crate::Event::Unreachable(packets) = bench.send(Ipv4Addr::new(11, 0, b, c), 1) {
            back += packets.len();
        }
        let _ = bench.arp();
    }
    let waiting: usize = bench.entries().iter().map(|entry| entry.waiting).sum();
    let most = 4_096;
    if waiting > most {
        bench.record.fail(format_args!("{most} datagrams at most to wait"), waiting);
    }
    back += bench.secs(300).len();
    let counted = bench.counted() - before;
    let all = back as u64 + counted >= u64::from(MANY);
    bench.record.expect("every datagram that is not sent to come back or to count", all);
    let waiting: usize = bench.entries().iter().map(|entry| entry.waiting).sum();
    bench.record.expect_eq("datagrams that still wait", waiting, 0);
    bench.expect_known(PEER, PEER_MAC);
}

fn what_is_discarded_is_counted(bench: &mut Bench) {
    let good = Message::request(PEER_MAC, PEER, MY_ADDR);
    let cut = good.bytes()[..20].to_vec();
    for (bytes, what) in [
        (cut, "a cut packet"),
        (Message { hrd: 6, ..good }.bytes(), "a packet of other hardware"),
        (Message { pro: 0x86dd, ..good }.bytes(), "a packet of another protocol"),
        (Message { op: 9, ..good }.bytes(), "another operation"),
        (Message { tpa: OTHER, ..good }.bytes(), "a request for another host"),
    ] {
        let before = bench.counted();
        let _ = bench.input_bytes(&bytes, what);
        bench.record.expect(&format!("{what} to count"), bench.counted() > before);
    }
}

fn counters_have_names_and_their_rows_stay(bench: &mut Bench) {
    let names = bench.counter_names();
    bench.record.expect("counters", !names.is_empty());
    let _ = bench.send(PEER, 1);
    let _ = bench.arp();
    bench.expect_alive();
    let later = bench.counter_names();
    bench.record.expect_eq("the rows of the counters", later, names.clone());
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    bench.record.expect_eq("different names", unique.len(), names.len());
}
