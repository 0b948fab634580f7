//! Fragments in (RFC 791 §3.2, RFC 1122 §3.3.2, RFC 5722).

use std::time::Duration;

use netdev::{Instant, Packet, Reason};

use super::bench::*;
use crate::{Cause, Config, Datagram, DropReason, Input, Internet, Router};

const TIMEOUT: Duration = Duration::from_secs(30);

fn data() -> Vec<u8> {
    (0..3000).map(|i| (i * 13) as u8).collect()
}

fn whole(input: Input) -> Datagram {
    let Input::Deliver(datagram) = input else { panic!("{input:?}") };
    datagram
}

fn put(ip: &mut Router, at: Instant, forge: &Forge) -> Input {
    arrive_at(ip, at, NEAR, forge.packet()).0
}

fn drop_of(input: Input) -> DropReason {
    let Input::Dropped(reason) = input else { panic!("{input:?}") };
    reason
}

fn poll(ip: &mut Router, at: Instant) -> Vec<crate::Report> {
    ip.poll(at, &mut Below::default())
}

#[test]
fn fragments_in_any_order_become_the_datagram() {
    let data = data();
    let cuts = [(0, 1480), (1480, 2960), (2960, 3000)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut ip = router();
        let mut last = None;
        for index in order {
            assert!(last.is_none_or(|input| matches!(input, Input::Consumed)));
            let (from, to) = cuts[index];
            last = Some(put(&mut ip, T0, &Forge::fragment(&data, from, to)));
        }
        assert_eq!(whole(last.unwrap()).payload[..], data[..], "{order:?}");
        assert_eq!(ip.poll_at(), None, "nothing waits any more");
        assert_eq!(count(&ip, "datagrams reassembled"), 1);
        assert_eq!(count(&ip, "fragments received"), 3);
    }
}

/// The header that ICMP quotes is that of the first fragment, and the data follows it.
#[test]
fn r08_a_reassembled_datagram_can_be_quoted() {
    let data = data();
    let first = Forge { options: vec![148, 4, 0, 0], ttl: 7, ..Forge::fragment(&data, 0, 1480) };
    let mut ip = router();
    let _ = put(&mut ip, T0, &Forge { ttl: 9, ..Forge::fragment(&data, 1480, 3000) });
    let datagram = whole(put(&mut ip, T0, &first));
    assert_eq!(datagram.header.ttl.0, 7);
    let quoted = datagram.into_whole();
    assert_eq!(quoted[..24], first.bytes()[..24]);
    assert_eq!(quoted[24..], data[..]);
}

/// RFC 1122 §3.3.2, RFC 792: 11/1 quotes the first fragment.
#[test]
fn after_the_timeout_the_first_fragment_is_reported() {
    let data = data();
    let first = Forge::fragment(&data, 0, 1480);
    let mut ip = router();
    let _ = put(&mut ip, Instant::from_secs(5), &Forge::fragment(&data, 2960, 3000));
    // A later fragment does not prolong the wait.
    let _ = put(&mut ip, Instant::from_secs(30), &first);
    let due = Instant::from_secs(5) + TIMEOUT;
    assert_eq!(ip.poll_at(), Some(due));
    assert!(poll(&mut ip, Instant::from_nanos(due.nanos() - 1)).is_empty());
    let reports = poll(&mut ip, due);
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].cause, Cause::ReassemblyTimeout);
    assert_eq!(reports[0].packet[..], first.bytes()[..]);
    assert_eq!(count(&ip, DropReason::ReassemblyTimeout.text()), 1);
    assert_eq!(ip.poll_at(), None);
    let late = put(&mut ip, due, &Forge::fragment(&data, 1480, 2960));
    assert!(matches!(late, Input::Consumed), "it begins a new wait");
    assert_eq!(ip.poll_at(), Some(due + TIMEOUT));
}

/// RFC 792: "If fragment zero is not available then no time exceeded need be sent at all."
#[test]
fn without_the_first_fragment_the_timeout_is_silent_but_counted() {
    let mut ip = router();
    let _ = put(&mut ip, T0, &Forge::fragment(&data(), 1480, 2960));
    assert!(poll(&mut ip, T0 + TIMEOUT).is_empty());
    assert_eq!(count(&ip, DropReason::ReassemblyTimeout.text()), 1);
}

/// RFC 5722 §4. The second of these is Teardrop: a fragment inside another.
#[test]
fn an_overlap_drops_the_datagram_and_what_still_comes_of_it() {
    let data = data();
    for (from, to) in [(792, 2000), (800, 808), (0, 800), (1000, 1480)] {
        let mut ip = router();
        let _ = put(&mut ip, T0, &Forge::fragment(&data, 0, 1480));
        let overlap = put(&mut ip, T0, &Forge::fragment(&data, from, to));
        assert_eq!(drop_of(overlap), DropReason::Overlap, "{from}..{to}");
        assert!(ip.reassembly.bytes() < 300, "what was collected is gone");
        let rest = put(&mut ip, T0, &Forge::fragment(&data, 1480, 3000));
        assert_eq!(drop_of(rest), DropReason::Overlap, "the datagram is refused as a whole");
        assert!(poll(&mut ip, T0 + TIMEOUT).is_empty(), "and silently");
        // The ID may be used again.
        let _ = put(&mut ip, T0 + TIMEOUT, &Forge::fragment(&data, 0, 1480));
        let input = put(&mut ip, T0 + TIMEOUT, &Forge::fragment(&data, 1480, 3000));
        assert_eq!(whole(input).payload[..], data[..]);
    }
}

/// A link may duplicate, which is no attack; the same place with other bytes is one.
#[test]
fn an_exact_duplicate_is_ignored_but_not_another_content() {
    let data = data();
    let first = Forge::fragment(&data, 0, 1480);
    let mut ip = router();
    let _ = put(&mut ip, T0, &first);
    assert!(matches!(put(&mut ip, T0, &first), Input::Consumed));
    assert_eq!(count(&ip, "duplicate fragments ignored"), 1);
    let mut other = first.clone();
    other.payload[100] ^= 1;
    assert_eq!(drop_of(put(&mut ip, T0, &other)), DropReason::Overlap);
}

/// "Ping of death": 65,535 bytes are the most that a datagram can have.
#[test]
fn a_datagram_beyond_65535_bytes_is_refused() {
    let mut ip = router();
    let forge = |len| Forge { offset: 65_512 - 8, payload: vec![0; len], ..Forge::default() };
    assert_eq!(drop_of(put(&mut ip, T0, &forge(12))), DropReason::BadFragment);
    assert!(matches!(put(&mut ip, T0, &forge(11)), Input::Consumed));

    // The first fragment's header may be longer than the last one's.
    let data = vec![1; 65_515];
    let mut ip = router();
    let _ = put(&mut ip, T0, &Forge::fragment(&data, 32_000, 65_515));
    let first = Forge { options: vec![1; 4], ..Forge::fragment(&data, 0, 32_000) };
    assert_eq!(drop_of(put(&mut ip, T0, &first)), DropReason::BadFragment);
    let mut ip = router();
    let _ = put(&mut ip, T0, &Forge::fragment(&data, 32_000, 65_515));
    let input = put(&mut ip, T0, &Forge::fragment(&data, 0, 32_000));
    assert_eq!(whole(input).payload.len(), 65_515);
}

#[test]
fn malformed_fragments_are_refused() {
    let data = data();
    let more = |forge: Forge| Forge { mf: true, ..forge };
    for (what, bad) in [
        ("not in eights", more(Forge { payload: vec![0; 9], ..Forge::default() })),
        ("empty", more(Forge { payload: vec![], ..Forge::default() })),
        ("empty at the end", Forge { offset: 8, payload: vec![], ..Forge::default() }),
    ] {
        assert_eq!(drop_of(put(&mut router(), T0, &bad)), DropReason::BadFragment, "{what}");
    }
    let end = Forge::fragment(&data, 1480, 3000);
    for (what, bad) in [
        ("behind the end", more(Forge { offset: 3000, ..Forge::default() })),
        ("another end", Forge { offset: 3008, ..Forge::default() }),
    ] {
        let mut ip = router();
        let _ = put(&mut ip, T0, &end);
        assert_eq!(drop_of(put(&mut ip, T0, &bad)), DropReason::BadFragment, "{what}");
    }
    let mut ip = router();
    let _ = put(&mut ip, T0, &more(Forge { offset: 2000, ..Forge::default() }));
    let early = Forge { offset: 1000, ..Forge::default() };
    assert_eq!(drop_of(put(&mut ip, T0, &early)), DropReason::BadFragment, "an end too early");
}

/// A flood from one address evicts its own, oldest first, and nobody else's.
#[test]
fn a_flood_of_fragments_is_bounded_and_costs_others_nothing() {
    let data = data();
    let config = Config {
        reassembly_bytes: 64 << 10,
        reassembly_bytes_per_source: 16 << 10,
        ..Config::default()
    };
    let mut ip = router_with(config);
    let _ = put(&mut ip, T0, &Forge::fragment(&data, 0, 1480));
    for id in 0..1000 {
        let flood = Forge { src: v4("10.0.0.66"), id, ..Forge::fragment(&data, 0, 8) };
        assert!(matches!(put(&mut ip, T0, &flood), Input::Consumed));
        assert!(ip.reassembly.bytes() <= 64 << 10);
    }
    let evicted = count(&ip, DropReason::ReassemblyLimit.text());
    assert!((900..1000).contains(&evicted), "{evicted}");
    let input = put(&mut ip, T0, &Forge::fragment(&data, 1480, 3000));
    assert_eq!(whole(input).payload[..], data[..], "the other source's survived");
    // Of the flood's, the newest are there and the oldest gone.
    let rest = |id| Forge { src: v4("10.0.0.66"), id, ..Forge::fragment(&data[..16], 8, 16) };
    let _ = put(&mut ip, T0, &Forge { mf: true, ..rest(0) });
    assert!(matches!(put(&mut ip, T0, &rest(999)), Input::Deliver(_)));
}

#[test]
fn the_limit_over_all_sources_evicts_the_oldest() {
    let data = data();
    let config = Config { reassembly_bytes: 16 << 10, ..Config::default() };
    let mut ip = router_with(config);
    let source = |index: u8| std::net::Ipv4Addr::new(10, 0, 0, 3 + index);
    for index in 0..20 {
        let _ = put(&mut ip, T0, &Forge { src: source(index), ..Forge::fragment(&data, 0, 1480) });
        assert!(ip.reassembly.bytes() <= 16 << 10);
    }
    assert_eq!(count(&ip, DropReason::ReassemblyLimit.text()), 20 - (16 << 10) / 1800);
    let end = |index| Forge { src: source(index), ..Forge::fragment(&data, 1480, 3000) };
    assert!(matches!(put(&mut ip, T0, &end(19)), Input::Deliver(_)));
    assert!(matches!(put(&mut ip, T0, &end(0)), Input::Consumed));
}

#[test]
fn one_datagram_has_a_limited_number_of_fragments() {
    let config = Config { reassembly_fragments: 10, ..Config::default() };
    let mut ip = router_with(config);
    let data = vec![0; 8 * 12];
    for index in 0..10 {
        let forge = Forge::fragment(&data, index * 8, index * 8 + 8);
        assert!(matches!(put(&mut ip, T0, &forge), Input::Consumed));
    }
    let eleventh = Forge::fragment(&data, 80, 88);
    assert_eq!(drop_of(put(&mut ip, T0, &eleventh)), DropReason::ReassemblyLimit);
}

/// No more than what arrives is kept: a byte of fragment costs a bounded number of ours.
#[test]
fn a_tiny_fragment_with_a_great_offset_costs_little() {
    let mut ip = router();
    let forge = Forge { mf: true, offset: 65_000, ..Forge::default() };
    let mut packet = Packet::for_receive(64 << 10);
    let bytes = forge.bytes();
    packet[..bytes.len()].copy_from_slice(&bytes);
    packet.truncate(bytes.len());
    let _ = arrive(&mut ip, NEAR, packet);
    assert!(ip.reassembly.bytes() < 400, "{}", ip.reassembly.bytes());
}
