//! How the cache resolves: who is asked and how often, who waits, what is learnt.

use super::*;

/// RFC 826, packet generation; RFC 1122 §2.3.2.2: the datagram waits.
#[test]
fn the_first_datagram_waits_for_the_answer_and_is_not_lost() {
    let mut bench = Bench::cache(Config::default());
    assert_eq!(bench.send(PEER_ADDR, b"first"), Event::None);
    assert_eq!(bench.send(PEER_ADDR, b"second"), Event::None);
    assert_eq!(bench.link.datagrams(), []);
    assert_eq!(
        bench.link.arp(),
        [(MacAddr::BROADCAST, request(ME, MY_ADDR, PEER_ADDR))],
        "one request for both"
    );
    assert_eq!(bench.state(PEER_ADDR), Some(State::Incomplete));
    assert_eq!(bench.arp.entries(bench.now)[0].waiting, 2);

    assert_eq!(bench.input(reply(PEER, PEER_ADDR)), Event::None);
    assert_eq!(bench.link.datagrams(), [(PEER, b"first".to_vec()), (PEER, b"second".to_vec())]);
    assert_eq!(bench.state(PEER_ADDR), Some(State::Reachable));
    assert_eq!(bench.send(PEER_ADDR, b"third"), Event::None);
    assert_eq!(bench.link.datagrams(), [(PEER, b"third".to_vec())]);
    assert_eq!(bench.link.arp(), []);
}

#[test]
fn a_neighbour_is_asked_five_times_a_second_apart_and_then_its_datagrams_come_back() {
    let mut bench = Bench::cache(Config::default());
    let start = bench.now;
    let _ = bench.send(PEER_ADDR, b"one");
    let _ = bench.send(PEER_ADDR, b"two");
    let mut times = Vec::new();
    let mut lost = None;
    while lost.is_none() {
        times.extend(bench.link.arp().iter().map(|_| (bench.now - start).as_secs()));
        lost = bench.secs(1).pop();
    }
    assert_eq!(times, [0, 1, 2, 3, 4]);
    assert_eq!((bench.now - start).as_secs(), 5);
    assert_eq!(lost, Some(unreachable(&[b"one", b"two"])));
    assert_eq!(bench.state(PEER_ADDR), Some(State::Failed));
}

#[test]
fn datagrams_of_several_dead_neighbours_come_back_in_the_order_of_sending() {
    let mut bench = Bench::cache(Config::default());
    for (hop, data) in [(OTHER_ADDR, b"1"), (PEER_ADDR, b"2"), (OTHER_ADDR, b"3")] {
        let _ = bench.send(hop, data);
    }
    assert_eq!(bench.secs(5), [unreachable(&[b"1", b"2", b"3"])]);
}

/// RFC 1122 §2.3.2.1: no ARP flooding; one request a second to one destination at most.
#[test]
fn a_dead_neighbour_is_not_asked_more_than_once_a_second_however_much_is_sent() {
    let mut bench = Bench::cache(Config::default());
    let mut last: Option<Instant> = None;
    for _ in 0..600 {
        let _ = bench.send(PEER_ADDR, b"again");
        for _ in bench.link.arp() {
            assert!(last.is_none_or(|last| bench.now - last >= Duration::from_secs(1)));
            last = Some(bench.now);
        }
        bench.pass(Duration::from_millis(100));
    }
    assert!(bench.count("requests sent") >= 30, "but it is asked again and again");
}

#[test]
fn a_failure_is_remembered_shortly_and_then_the_neighbour_gets_another_chance() {
    let mut bench = Bench::cache(Config::default());
    let _ = bench.send(PEER_ADDR, b"one");
    bench.secs(5);
    bench.link.arp();
    assert_eq!(bench.send(PEER_ADDR, b"two"), unreachable(&[b"two"]));
    assert_eq!(bench.link.arp(), []);
    bench.secs(3);
    assert_eq!(bench.send(PEER_ADDR, b"three"), Event::None);
    assert_eq!(bench.link.arp().len(), 1);
    let _ = bench.input(reply(PEER, PEER_ADDR));
    assert_eq!(bench.link.datagrams(), [(PEER, b"three".to_vec())]);
}

#[test]
fn a_failed_neighbour_that_speaks_is_used_again_at_once() {
    let mut bench = Bench::cache(Config::default());
    let _ = bench.send(PEER_ADDR, b"one");
    bench.secs(5);
    let _ = bench.input(request(PEER, PEER_ADDR, MY_ADDR));
    assert_eq!(bench.send(PEER_ADDR, b"two"), Event::None);
    assert_eq!(bench.link.datagrams(), [(PEER, b"two".to_vec())]);
}

/// RFC 826: the merge comes before the question who is meant.
#[test]
fn any_packet_of_a_neighbour_that_is_asked_for_ends_the_wait() {
    let mut bench = Bench::cache(Config::default());
    let _ = bench.send(PEER_ADDR, b"one");
    let _ = bench.input(request(PEER, PEER_ADDR, OTHER_ADDR));
    assert_eq!(bench.link.datagrams(), [(PEER, b"one".to_vec())]);
    // RFC 4861 §7.2.5: it does not prove that the neighbour hears us.
    assert_eq!(bench.state(PEER_ADDR), Some(State::Delay));
}

#[test]
fn who_asks_for_us_is_learnt_as_stale_and_sent_to_without_a_request() {
    let mut bench = Bench::cache(Config::default());
    let _ = bench.input(request(PEER, PEER_ADDR, MY_ADDR));
    bench.link.arp();
    assert_eq!(bench.state(PEER_ADDR), Some(State::Stale));
    let _ = bench.send(PEER_ADDR, b"one");
    assert_eq!(bench.link.datagrams(), [(PEER, b"one".to_vec())]);
    assert_eq!(bench.link.arp(), []);
}

#[test]
fn a_gratuitous_packet_updates_an_entry_and_creates_none() {
    let mut bench = Bench::cache(Config::default());
    let _ = bench.input(request(OTHER, PEER_ADDR, PEER_ADDR));
    assert_eq!(bench.state(PEER_ADDR), None);
    let _ = bench.send(PEER_ADDR, b"one");
    let _ = bench.input(reply(PEER, PEER_ADDR));
    let _ = bench.input(request(OTHER, PEER_ADDR, PEER_ADDR));
    let [entry] = bench.arp.entries(bench.now)[..] else { panic!("one entry") };
    assert_eq!((entry.mac, entry.state), (Some(OTHER), State::Stale));
    assert_eq!(bench.count("neighbours with a new link address"), 1);
}

/// The request comes from the address that the datagram comes from: a neighbour on one of our
/// nets need not have a way to the others.
#[test]
fn a_request_is_sent_from_the_address_of_the_datagram_that_waits() {
    let mut bench = Bench::cache(Config::default());
    let second = Ipv4Addr::new(192, 168, 7, 1);
    bench.set(Change::AddAddress(second.into()));
    let mut datagram = [0; 20];
    datagram[12..16].copy_from_slice(&second.octets());
    let hop = Ipv4Addr::new(192, 168, 7, 9);
    let _ = bench.send(hop, &datagram);
    assert_eq!(bench.link.arp(), [(MacAddr::BROADCAST, request(ME, second, hop))]);
    datagram[12..16].copy_from_slice(&[8, 8, 8, 8]);
    let _ = bench.send(OTHER_ADDR, &datagram);
    assert_eq!(
        bench.link.arp(),
        [(MacAddr::BROADCAST, request(ME, MY_ADDR, OTHER_ADDR))],
        "a forwarded datagram's source is not ours to ask from"
    );
}

#[test]
fn a_full_queue_drops_the_oldest_and_counts_it() {
    let mut bench = Bench::cache(Config { queue: 2, ..Config::default() });
    for data in [b"1", b"2", b"3"] {
        let _ = bench.send(PEER_ADDR, data);
    }
    assert_eq!(bench.count("waiting queue full"), 1);
    let _ = bench.input(reply(PEER, PEER_ADDR));
    assert_eq!(bench.link.datagrams(), [(PEER, b"2".to_vec()), (PEER, b"3".to_vec())]);
}

#[test]
fn all_queues_together_have_a_limit() {
    let mut bench = Bench::cache(Config { queue_total: 3, ..Config::default() });
    for host in 2..12 {
        let _ = bench.send(Ipv4Addr::new(10, 0, 0, host), b"x");
    }
    let waiting: usize = bench.arp.entries(bench.now).iter().map(|entry| entry.waiting).sum();
    assert_eq!((waiting, bench.count("waiting queue full")), (3, 7));
    // What came back no longer counts.
    bench.secs(5);
    let _ = bench.send(Ipv4Addr::new(10, 0, 0, 20), b"x");
    assert_eq!(bench.count("waiting queue full"), 7);
}

/// However a datagram ends its wait, there is room for another one afterwards, and for no more.
#[test]
fn what_waits_is_counted_exactly() {
    let config = Config { queue: 2, queue_total: 4, ..Config::default() };
    let fill = |bench: &mut Bench, dropped: u64| {
        for host in [40, 41] {
            for data in [b"1", b"2"] {
                let _ = bench.send(Ipv4Addr::new(10, 0, 0, host), data);
            }
        }
        assert_eq!(bench.count("waiting queue full"), dropped, "room for four");
        let _ = bench.send(Ipv4Addr::new(10, 0, 0, 42), b"5");
        assert_eq!(bench.count("waiting queue full"), dropped + 1, "and for no more");
    };
    let mut bench = Bench::cache(config.clone());
    for data in [b"1", b"2", b"3", b"4"] {
        let _ = bench.send(PEER_ADDR, data);
    }
    assert_eq!(bench.count("waiting queue full"), 2, "displaced");
    let _ = bench.input(reply(PEER, PEER_ADDR));
    assert_eq!(bench.link.datagrams().len(), 2, "sent");
    fill(&mut bench, 2);

    let mut bench = Bench::cache(config);
    for data in [b"1", b"2"] {
        let _ = bench.send(PEER_ADDR, data);
        let _ = bench.send(OTHER_ADDR, data);
    }
    assert_eq!(bench.secs(5).len(), 1, "handed back");
    fill(&mut bench, 0);
}

/// The default queue holds the 45 fragments of the largest datagram.
#[test]
fn no_fragment_of_a_first_large_datagram_is_lost() {
    let mut bench = Bench::cache(Config::default());
    for fragment in 0..45 {
        let _ = bench.send(PEER_ADDR, &[fragment; 1500]);
    }
    let _ = bench.input(reply(PEER, PEER_ADDR));
    let order: Vec<u8> = bench.link.datagrams().iter().map(|(_, data)| data[0]).collect();
    assert_eq!(order, (0..45).collect::<Vec<u8>>());
}

#[test]
fn a_full_table_forgets_the_least_recently_used_and_never_a_permanent_entry() {
    let mut bench = Bench::cache(Config { entries: 3, ..Config::default() });
    let hosts: Vec<Ipv4Addr> = (10..14).map(|host| Ipv4Addr::new(10, 0, 0, host)).collect();
    bench.set(Change::AddStatic(hosts[0].into(), OTHER));
    for host in &hosts[1..3] {
        let _ = bench.input(request(PEER, *host, MY_ADDR));
    }
    let _ = bench.send(hosts[2], b"x");
    let _ = bench.send(hosts[1], b"x");
    let _ = bench.send(hosts[3], b"waits");
    let left: Vec<IpAddr> = bench.arp.entries(bench.now).iter().map(|entry| entry.addr).collect();
    assert_eq!(left, [hosts[0], hosts[1], hosts[3]].map(IpAddr::from));
    assert_eq!(bench.count("entries evicted"), 1);

    // What waited for an entry that is evicted comes back.
    let _ = bench.send(hosts[1], b"x");
    let _ = bench.send(hosts[2], b"x");
    assert_eq!(bench.secs(0), [unreachable(&[b"waits"])]);
}

#[test]
fn a_table_full_of_permanent_entries_takes_no_other() {
    let mut bench = Bench::cache(Config { entries: 1, ..Config::default() });
    bench.set(Change::AddStatic(OTHER_ADDR.into(), OTHER));
    assert_eq!(bench.send(PEER_ADDR, b"x"), unreachable(&[b"x"]));
    let full =
        bench.arp.configure(bench.now, Change::AddStatic(PEER_ADDR.into(), PEER), &mut bench.link);
    assert_eq!(full, Err(crate::Error::Full(1)));
    let _ = bench.input(request(PEER, PEER_ADDR, MY_ADDR));
    assert_eq!(bench.link.arp().len(), 1, "requests are answered nevertheless");
}

#[test]
fn a_flush_hands_back_what_waits() {
    let mut bench = Bench::cache(Config::default());
    let _ = bench.send(PEER_ADDR, b"one");
    bench.set(Change::Flush);
    assert_eq!(bench.state(PEER_ADDR), None);
    assert_eq!(bench.secs(0), [unreachable(&[b"one"])]);
    assert_eq!(bench.arp.poll_at(), None);
}

#[test]
fn a_static_entry_lets_go_what_waits() {
    let mut bench = Bench::cache(Config::default());
    let _ = bench.send(PEER_ADDR, b"one");
    bench.set(Change::AddStatic(PEER_ADDR.into(), PEER));
    assert_eq!(bench.link.datagrams(), [(PEER, b"one".to_vec())]);
}

#[test]
fn a_next_hop_that_no_neighbour_can_have_is_refused() {
    let mut bench = Bench::cache(Config::default());
    for addr in [[0, 0, 0, 0], [224, 0, 0, 1], [255, 255, 255, 255], [127, 0, 0, 1]] {
        assert_eq!(bench.send(addr.into(), b"x"), unreachable(&[b"x"]));
    }
    assert!(bench.link.0.is_empty());
    assert_eq!(bench.count("next hop is not a neighbour's address"), 4);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = || {
        let mut bench = Bench::cache(Config { entries: 16, ..Config::default() });
        for host in 2..40 {
            let _ = bench.send(Ipv4Addr::new(10, 0, 0, host), &[host]);
        }
        let events = bench.secs(20);
        (events, bench.link.arp())
    };
    assert_eq!(run(), run());
}
