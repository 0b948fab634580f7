//! What every implementation does: each test runs over both.

use super::*;
use crate::{Error, StaticTable};

macro_rules! for_each_implementation {
    ($($test:ident),+ $(,)?) => {
        mod cache {
            use super::*;
            $(#[test] fn $test() { super::$test(Bench::cache(Config::default())); })+
        }
        mod static_table {
            use super::*;
            $(#[test] fn $test() { super::$test(Bench::over(Box::new(StaticTable::new(ME)))); })+
        }
    };
}

for_each_implementation!(
    a_request_for_our_address_is_answered_to_who_asked,
    a_request_for_another_address_is_not_answered,
    an_added_address_is_answered_until_it_is_removed,
    a_probe_is_answered_though_it_has_no_sender_address,
    a_static_entry_sends_at_once_and_asks_nobody,
    a_static_entry_is_not_changed_by_the_wire,
    a_removed_static_entry_is_gone,
    a_reply_creates_nothing,
    who_uses_our_address_is_reported_and_not_answered,
    our_own_packet_that_came_back_is_ignored,
    a_group_sender_is_ignored,
    bad_changes_are_refused,
    counters_have_a_row_for_every_reason,
);

/// RFC 826, packet reception: swap the fields, send to the hardware address of the asker.
fn a_request_for_our_address_is_answered_to_who_asked(mut bench: Bench) {
    assert_eq!(bench.input(request(PEER, PEER_ADDR, MY_ADDR)), Event::None);
    let answer = Message {
        operation: Operation::Reply,
        sender_mac: ME,
        sender: MY_ADDR,
        target_mac: PEER,
        target: PEER_ADDR,
    };
    assert_eq!(bench.link.arp(), [(PEER, answer)]);
    assert_eq!((bench.count("requests received"), bench.count("replies sent")), (1, 1));
}

fn a_request_for_another_address_is_not_answered(mut bench: Bench) {
    assert_eq!(bench.input(request(PEER, PEER_ADDR, OTHER_ADDR)), Event::None);
    assert!(bench.link.0.is_empty());
    assert_eq!(bench.count("about other hosts"), 1);
    assert!(bench.arp.entries(bench.now).is_empty());
}

fn an_added_address_is_answered_until_it_is_removed(mut bench: Bench) {
    bench.set(Change::AddAddress(OTHER_ADDR.into()));
    let _ = bench.input(request(PEER, PEER_ADDR, OTHER_ADDR));
    assert_eq!(bench.link.arp().len(), 1);
    bench.set(Change::RemoveAddress(OTHER_ADDR.into()));
    let _ = bench.input(request(PEER, PEER_ADDR, OTHER_ADDR));
    assert_eq!(bench.link.arp(), []);
}

/// RFC 5227 §2.1.1: a probe has an all-zero sender address, and an answer tells the prober that
/// the address is taken.
fn a_probe_is_answered_though_it_has_no_sender_address(mut bench: Bench) {
    assert_eq!(bench.input(request(PEER, Ipv4Addr::UNSPECIFIED, MY_ADDR)), Event::None);
    let [(PEER, answer)] = bench.link.arp()[..] else { panic!("one answer") };
    assert_eq!((answer.sender, answer.target), (MY_ADDR, Ipv4Addr::UNSPECIFIED));
    assert!(bench.arp.entries(bench.now).is_empty(), "nothing is learnt from a probe");
}

fn a_static_entry_sends_at_once_and_asks_nobody(mut bench: Bench) {
    bench.set(Change::AddStatic(PEER_ADDR.into(), PEER));
    assert_eq!(bench.send(PEER_ADDR, b"one"), Event::None);
    assert_eq!(bench.link.arp(), []);
    assert_eq!(bench.link.datagrams(), [(PEER, b"one".to_vec())]);
    let [entry] = bench.arp.entries(bench.now)[..] else { panic!("one entry") };
    assert_eq!(
        (entry.state, entry.mac, entry.timeout, entry.waiting),
        (State::Permanent, Some(PEER), None, 0)
    );
    assert_eq!(bench.arp.poll_at(), None);
    bench.set(Change::Flush);
    bench.secs(100_000);
    assert_eq!(bench.state(PEER_ADDR), Some(State::Permanent));
}

fn a_static_entry_is_not_changed_by_the_wire(mut bench: Bench) {
    bench.set(Change::AddStatic(PEER_ADDR.into(), PEER));
    let _ = bench.input(reply(OTHER, PEER_ADDR));
    let _ = bench.input(request(OTHER, PEER_ADDR, MY_ADDR));
    bench.arp.confirm(bench.now, PEER_ADDR.into());
    assert_eq!(bench.arp.entries(bench.now)[0].mac, Some(PEER));
    assert_eq!(bench.state(PEER_ADDR), Some(State::Permanent));
}

fn a_removed_static_entry_is_gone(mut bench: Bench) {
    bench.set(Change::AddStatic(PEER_ADDR.into(), PEER));
    bench.set(Change::Remove(PEER_ADDR.into()));
    assert!(bench.arp.entries(bench.now).is_empty());
    let again = bench.arp.configure(bench.now, Change::Remove(PEER_ADDR.into()), &mut bench.link);
    assert_eq!(again, Err(Error::NoEntry(PEER_ADDR.into())));
}

fn a_reply_creates_nothing(mut bench: Bench) {
    assert_eq!(bench.input(reply(PEER, PEER_ADDR)), Event::None);
    assert!(bench.arp.entries(bench.now).is_empty());
    assert_eq!(bench.count("unsolicited reply"), 1);
}

/// RFC 5227 §2.4.
fn who_uses_our_address_is_reported_and_not_answered(mut bench: Bench) {
    let event = bench.input(request(PEER, MY_ADDR, MY_ADDR));
    assert_eq!(event, Event::Conflict { addr: MY_ADDR.into(), mac: PEER });
    let answers = bench.link.arp();
    assert!(answers.iter().all(|(_, m)| m.operation == Operation::Request), "{answers:?}");
    assert!(bench.arp.entries(bench.now).is_empty());
    assert_eq!(bench.count("address conflicts"), 1);
}

fn our_own_packet_that_came_back_is_ignored(mut bench: Bench) {
    assert_eq!(bench.input(request(ME, MY_ADDR, PEER_ADDR)), Event::None);
    assert_eq!(bench.input(request(ME, MY_ADDR, MY_ADDR)), Event::None);
    assert!(bench.link.0.is_empty());
    assert_eq!(bench.count("our own packet"), 2);
}

fn a_group_sender_is_ignored(mut bench: Bench) {
    for mac in [MacAddr::BROADCAST, MacAddr::ZERO, MacAddr([1, 0, 0x5e, 0, 0, 1])] {
        assert_eq!(bench.input(request(mac, PEER_ADDR, MY_ADDR)), Event::None);
    }
    assert!(bench.link.0.is_empty());
    assert!(bench.arp.entries(bench.now).is_empty());
    assert_eq!(bench.count("sender's link address is not one host's"), 3);
}

fn bad_changes_are_refused(mut bench: Bench) {
    let mut set = |change| bench.arp.configure(bench.now, change, &mut bench.link);
    let group: IpAddr = [224, 0, 0, 1].into();
    let six: IpAddr = "fe80::1".parse().unwrap();
    assert_eq!(set(Change::AddAddress(group)), Err(Error::BadAddress(group)));
    assert_eq!(set(Change::AddAddress(six)), Err(Error::BadAddress(six)));
    assert_eq!(set(Change::AddStatic(group, PEER)), Err(Error::BadAddress(group)));
    let mac = MacAddr::BROADCAST;
    assert_eq!(set(Change::AddStatic(PEER_ADDR.into(), mac)), Err(Error::BadMac(mac)));
    let other = IpAddr::from(OTHER_ADDR);
    assert_eq!(set(Change::RemoveAddress(other)), Err(Error::NoEntry(other)));
}

fn counters_have_a_row_for_every_reason(bench: Bench) {
    let counters = bench.arp.counters();
    for reason in <crate::DropReason as netdev::Reason>::ALL {
        assert!(counters.iter().any(|row| row.name == netdev::Reason::text(*reason)));
    }
    assert!(counters.iter().all(|row| row.count == 0));
}

/// Not shared: here the implementations differ by design.
#[test]
fn the_static_table_hands_a_datagram_for_an_unknown_neighbour_back_at_once() {
    let mut bench = Bench::over(Box::new(StaticTable::new(ME)));
    assert_eq!(bench.send(PEER_ADDR, b"one"), unreachable(&[b"one"]));
    assert!(bench.link.0.is_empty());
    assert_eq!(bench.arp.poll_at(), None);
    assert_eq!(bench.count("neighbour unreachable"), 1);
}
