//! How entries age: RFC 4861 §7.3, over RFC 1122 §2.3.2.1.

use super::*;

/// A bench that knows the peer as reachable.
fn reachable() -> Bench {
    let mut bench = Bench::cache(Config::default());
    let _ = bench.send(PEER_ADDR, b"x");
    let _ = bench.input(reply(PEER, PEER_ADDR));
    bench.link = Sent::default();
    bench
}

#[test]
fn an_entry_is_reachable_for_600_seconds_then_stale_then_forgotten() {
    let mut bench = reachable();
    assert_eq!(bench.arp.entries(bench.now)[0].timeout, Some(Duration::from_secs(600)));
    bench.secs(599);
    assert_eq!(bench.arp.entries(bench.now)[0].timeout, Some(Duration::from_secs(1)));
    assert_eq!(bench.state(PEER_ADDR), Some(State::Reachable));
    bench.secs(1);
    assert_eq!(bench.state(PEER_ADDR), Some(State::Stale));
    bench.secs(600);
    assert_eq!(bench.state(PEER_ADDR), None);
    assert_eq!(bench.arp.poll_at(), None);
    assert!(bench.link.0.is_empty(), "an unused neighbour is never asked");
}

/// The whole cycle of RFC 4861 §7.3.3; nothing is held back meanwhile.
#[test]
fn a_stale_entry_in_use_is_probed_by_unicast_and_confirmed() {
    let mut bench = reachable();
    bench.secs(600);
    assert_eq!(bench.send(PEER_ADDR, b"one"), Event::None);
    assert_eq!(bench.state(PEER_ADDR), Some(State::Delay));
    assert_eq!(bench.link.datagrams(), [(PEER, b"one".to_vec())]);
    assert_eq!(bench.link.arp(), []);
    bench.secs(5);
    assert_eq!(bench.state(PEER_ADDR), Some(State::Probe));
    assert_eq!(bench.link.arp(), [(PEER, request(ME, MY_ADDR, PEER_ADDR))]);
    let _ = bench.send(PEER_ADDR, b"two");
    assert_eq!(bench.link.datagrams(), [(PEER, b"two".to_vec())]);
    let _ = bench.input(reply(PEER, PEER_ADDR));
    assert_eq!(bench.state(PEER_ADDR), Some(State::Reachable));
}

#[test]
fn a_neighbour_that_moved_silently_is_found_again_by_broadcast() {
    let mut bench = reachable();
    bench.secs(600);
    let _ = bench.send(PEER_ADDR, b"one");
    bench.secs(5 + 2);
    let probes = bench.link.arp();
    assert_eq!(probes.len(), 3);
    assert!(probes.iter().all(|(dst, _)| *dst == PEER));
    assert_eq!(bench.secs(1), [], "no datagram was held back, none comes back");
    assert_eq!(bench.state(PEER_ADDR), None);
    bench.link.datagrams();

    let _ = bench.send(PEER_ADDR, b"two");
    assert_eq!(bench.link.arp(), [(MacAddr::BROADCAST, request(ME, MY_ADDR, PEER_ADDR))]);
    let _ = bench.input(reply(OTHER, PEER_ADDR));
    assert_eq!(bench.link.datagrams(), [(OTHER, b"two".to_vec())]);
}

/// RFC 1122 §2.3.2.1 (4), RFC 4861 §7.3.1: advice from the layer above saves the probe.
#[test]
fn a_confirmation_from_above_saves_the_probe() {
    for waited in [0, 602, 606] {
        let mut bench = reachable();
        bench.secs(waited.min(600));
        let _ = bench.send(PEER_ADDR, b"one");
        bench.secs(waited.saturating_sub(600));
        bench.link.arp();
        bench.arp.confirm(bench.now, PEER_ADDR.into());
        assert_eq!(bench.state(PEER_ADDR), Some(State::Reachable), "after {waited} s");
        bench.secs(599);
        assert_eq!(bench.state(PEER_ADDR), Some(State::Reachable), "after {waited} s");
        assert_eq!(bench.link.arp(), []);
        bench.secs(1);
        assert_eq!(bench.state(PEER_ADDR), Some(State::Stale));
    }
}

/// RFC 1122 §3.3.1.4: negative advice. A neighbour that is doubted is asked, one that answers was
/// doubted in vain, and what is not known to be reachable is in doubt anyway.
#[test]
fn a_doubt_from_above_begins_the_probe() {
    let mut bench = reachable();
    bench.secs(10);
    bench.arp.doubt(bench.now, PEER_ADDR.into());
    assert_eq!(bench.state(PEER_ADDR), Some(State::Stale));
    assert_eq!(bench.link.arp(), []);
    let _ = bench.send(PEER_ADDR, b"one");
    assert_eq!(bench.link.datagrams(), [(PEER, b"one".to_vec())]);
    bench.arp.doubt(bench.now, PEER_ADDR.into());
    assert_eq!(bench.state(PEER_ADDR), Some(State::Delay));
    bench.secs(10);
    assert_eq!(bench.link.arp()[0], (PEER, request(ME, MY_ADDR, PEER_ADDR)));
    let stranger = Ipv4Addr::new(10, 0, 0, 99);
    bench.arp.doubt(bench.now, stranger.into());
    assert_eq!(bench.state(stranger), None);
}

#[test]
fn a_confirmation_of_an_unknown_neighbour_makes_none() {
    let mut bench = Bench::cache(Config::default());
    bench.arp.confirm(bench.now, PEER_ADDR.into());
    assert!(bench.arp.entries(bench.now).is_empty());
    let _ = bench.send(PEER_ADDR, b"x");
    bench.arp.confirm(bench.now, PEER_ADDR.into());
    assert_eq!(bench.state(PEER_ADDR), Some(State::Incomplete), "nor a link address");
}

/// RFC 4861 §7.2.5: an unsolicited word from where it is known to be changes nothing.
#[test]
fn a_request_from_a_reachable_neighbour_neither_confirms_nor_ages_it() {
    let mut bench = reachable();
    bench.secs(100);
    let _ = bench.input(request(PEER, PEER_ADDR, MY_ADDR));
    assert_eq!(bench.arp.entries(bench.now)[0].timeout, Some(Duration::from_secs(500)));
}

#[test]
fn a_probe_is_not_sent_from_an_address_that_was_taken_from_us() {
    let mut bench = reachable();
    bench.set(Change::AddAddress(OTHER_ADDR.into()));
    bench.set(Change::RemoveAddress(MY_ADDR.into()));
    bench.secs(600);
    let _ = bench.send(PEER_ADDR, b"x");
    bench.secs(5);
    assert_eq!(bench.link.arp(), [(PEER, request(ME, OTHER_ADDR, PEER_ADDR))]);
}

/// Only a reply to our own link address answers our question; one to somebody else's does not
/// prove that the neighbour hears us.
#[test]
fn a_reply_to_another_link_address_does_not_confirm() {
    let mut bench = Bench::cache(Config::default());
    let _ = bench.send(PEER_ADDR, b"x");
    let _ = bench.input(Message { target_mac: OTHER, ..reply(PEER, PEER_ADDR) });
    assert_eq!(bench.state(PEER_ADDR), Some(State::Delay));
    bench.secs(5);
    assert_eq!(bench.state(PEER_ADDR), Some(State::Probe));
    let _ = bench.input(Message { target_mac: OTHER, ..reply(PEER, PEER_ADDR) });
    assert_eq!(bench.state(PEER_ADDR), Some(State::Probe));
}
