//! Addresses that are probed for, announced, answered for others, and overheard: RFC 5227, RFC
//! 1027.

use super::*;

const NEW: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);

fn probing() -> Bench {
    let mut bench = Bench::cache(Config::default());
    bench.set(Change::ProbeAddress(NEW.into()));
    bench
}

/// Lets time pass step by step, and gives each ARP message with the time when it was sent.
fn overhear(bench: &mut Bench, secs: u64) -> (Vec<(Duration, Message)>, Vec<Event>) {
    let (start, end) = (bench.now, bench.now + Duration::from_secs(secs));
    let (mut sent, mut events) = (Vec::new(), Vec::new());
    let mut polls = 0;
    while let Some(at) = bench.arp.poll_at().filter(|at| *at <= end) {
        polls += 1;
        assert!(polls < MOST_POLLS, "poll_at() says {at} for ever");
        bench.now = bench.now.max(at);
        let event = bench.arp.poll(bench.now, &mut bench.link);
        events.extend(Some(event).filter(|event| *event != Event::None));
        let at = bench.now - start;
        sent.extend(bench.link.arp().into_iter().map(|(to, message)| {
            assert_eq!(to, MacAddr::BROADCAST);
            (at, message)
        }));
    }
    bench.now = end;
    (sent, events)
}

fn claimed() -> Event {
    Event::Claimed { addr: NEW.into() }
}

/// RFC 5227 §2.1.1, §2.3: three probes that claim nothing, two announcements; each at its time.
#[test]
fn an_address_is_probed_for_three_times_and_then_announced_twice() {
    let mut bench = probing();
    let (sent, events) = overhear(&mut bench, 20);
    assert_eq!(events, [claimed()]);
    let (times, messages): (Vec<Duration>, Vec<Message>) = sent.into_iter().unzip();
    let probe = request(ME, Ipv4Addr::UNSPECIFIED, NEW);
    let announcement = request(ME, NEW, NEW);
    assert_eq!(messages, [probe, probe, probe, announcement, announcement]);
    let secs = Duration::from_secs;
    assert!(times[0] <= secs(1), "{times:?}");
    for probes in times[..3].windows(2) {
        assert!((secs(1)..=secs(2)).contains(&(probes[1] - probes[0])), "{times:?}");
    }
    assert_eq!((times[3] - times[2], times[4] - times[3]), (secs(2), secs(2)));
    // It is answered for, and defended.
    assert_eq!(bench.input(request(PEER, PEER_ADDR, NEW)), Event::None);
    assert_eq!(bench.link.arp()[0].1.sender, NEW);
    let conflict = Event::Conflict { addr: NEW.into(), mac: PEER };
    assert_eq!(bench.input(request(PEER, NEW, NEW)), conflict);
    assert_eq!(bench.link.arp()[0].1, announcement);
}

/// RFC 5227 §1.1: hosts that are switched on together do not speak together.
#[test]
fn probes_come_at_random_times() {
    let firsts: std::collections::BTreeSet<Duration> = (0..20)
        .map(|seed| {
            let mut bench = Bench::over(Box::new(Cache::new(ME, Config::default(), seed)));
            bench.set(Change::ProbeAddress(NEW.into()));
            overhear(&mut bench, 20).0[0].0
        })
        .collect();
    assert!(firsts.len() > 10, "{firsts:?}");
}

/// RFC 5227 §2.1.1: whoever has it, and whoever probes for it at the same time; not our own probe
/// that a switch sends back.
#[test]
fn whoever_has_an_address_or_wants_it_too_keeps_us_from_it() {
    for message in [
        Message { target_mac: ME, target: Ipv4Addr::UNSPECIFIED, ..reply(PEER, NEW) },
        request(PEER, NEW, OTHER_ADDR),
        request(PEER, Ipv4Addr::UNSPECIFIED, NEW),
    ] {
        let mut bench = probing();
        let _ = overhear(&mut bench, 2);
        assert_eq!(bench.input(request(ME, Ipv4Addr::UNSPECIFIED, NEW)), Event::None);
        let conflict = Event::Conflict { addr: NEW.into(), mac: PEER };
        assert_eq!(bench.input(message), conflict, "{message:?}");
        let (sent, events) = overhear(&mut bench, 20);
        assert_eq!((sent, events), (vec![], vec![]), "it is not asked for any more, nor used");
        assert_eq!(bench.input(request(PEER, PEER_ADDR, NEW)), Event::None);
        assert_eq!(bench.link.arp(), [], "nor answered for");
    }
}

/// Until it is claimed it is not answered for: another's probe would be refused by us both.
#[test]
fn an_address_that_is_probed_for_is_not_answered_for() {
    let mut bench = probing();
    let _ = overhear(&mut bench, 1);
    assert_eq!(bench.input(request(PEER, PEER_ADDR, NEW)), Event::None);
    assert!(bench.link.arp().is_empty());
}

/// RFC 5227 §2.1.1: MAX_CONFLICTS and RATE_LIMIT_INTERVAL; a success ends it.
#[test]
fn after_ten_conflicts_a_probe_begins_once_a_minute() {
    let mut bench = Bench::cache(Config::default());
    for round in 0..12 {
        bench.set(Change::ProbeAddress(NEW.into()));
        let wait = bench.arp.poll_at().unwrap() - bench.now;
        assert_eq!(wait >= Duration::from_secs(60), round >= 10, "round {round}: {wait:?}");
        let _ = bench.input(request(PEER, NEW, NEW));
    }
    bench.set(Change::ProbeAddress(NEW.into()));
    assert_eq!(overhear(&mut bench, 100).1, [claimed()]);
    bench.set(Change::ProbeAddress(OTHER_ADDR.into()));
    assert!(bench.arp.poll_at().unwrap() - bench.now <= Duration::from_secs(1));
}

/// RFC 5227 §2.4 (b): defended once, and given up when that did not help within DEFEND_INTERVAL.
#[test]
fn an_address_is_given_up_at_the_second_conflict_in_ten_seconds() {
    let mut bench = Bench::cache(Config::default());
    let conflict = |bench: &mut Bench| bench.input(request(PEER, MY_ADDR, OTHER_ADDR));
    let told = || Event::Conflict { addr: MY_ADDR.into(), mac: PEER };
    // Ten seconds apart, each is the first.
    for _ in 0..5 {
        assert_eq!(conflict(&mut bench), told());
        assert_eq!(bench.link.arp(), [(MacAddr::BROADCAST, request(ME, MY_ADDR, MY_ADDR))]);
        bench.secs(10);
    }
    assert_eq!(conflict(&mut bench), told());
    bench.link.arp();
    bench.secs(9);
    assert_eq!(conflict(&mut bench), Event::Lost { addr: MY_ADDR.into(), mac: PEER });
    assert_eq!(bench.link.arp(), [], "not defended again");
    assert_eq!(conflict(&mut bench), Event::None, "it is the other's");
    let _ = bench.input(request(PEER, PEER_ADDR, MY_ADDR));
    assert_eq!(bench.link.arp(), [], "nor answered for");
    assert_eq!((bench.count("address conflicts"), bench.count("addresses given up")), (7, 1));
}

/// Two own addresses are defended each on its own.
#[test]
fn the_conflict_of_one_address_costs_no_other() {
    let mut bench = Bench::cache(Config::default());
    bench.set(Change::AddAddress(NEW.into()));
    for addr in [MY_ADDR, NEW] {
        let told = Event::Conflict { addr: addr.into(), mac: PEER };
        assert_eq!(bench.input(request(PEER, addr, addr)), told);
        assert_eq!(bench.link.arp(), [(MacAddr::BROADCAST, request(ME, addr, addr))]);
    }
}

/// RFC 5227 §2.4 (c): a host that others must find where it is holds its address.
#[test]
fn an_address_can_be_held_for_ever() {
    let mut bench = Bench::cache(Config { yield_address: false, ..Config::default() });
    let mut announced = 0;
    for _ in 0..100 {
        let told = Event::Conflict { addr: MY_ADDR.into(), mac: PEER };
        assert_eq!(bench.input(request(PEER, MY_ADDR, MY_ADDR)), told);
        announced += bench.link.arp().len();
        bench.secs(1);
    }
    assert_eq!(announced, 10);
}

/// An address that is used while it is asked for: for a start that does not wait.
#[test]
fn an_own_address_is_used_while_it_is_probed_for() {
    let mut bench = Bench::cache(Config::default());
    bench.set(Change::AddAddress(NEW.into()));
    bench.set(Change::ProbeAddress(NEW.into()));
    assert_eq!(bench.input(request(PEER, PEER_ADDR, NEW)), Event::None);
    assert_eq!(bench.link.arp()[0].1.sender, NEW, "answered for");
    let (sent, events) = overhear(&mut bench, 20);
    assert_eq!(events, [claimed()]);
    let asked = |(_, message): &&(Duration, Message)| message.sender.is_unspecified();
    assert_eq!((sent.iter().filter(asked).count(), sent.len()), (3, 5));

    bench.set(Change::ProbeAddress(NEW.into()));
    let _ = overhear(&mut bench, 2);
    let reply = Message { target_mac: ME, target: Ipv4Addr::UNSPECIFIED, ..reply(OTHER, NEW) };
    assert_eq!(bench.input(reply), Event::Conflict { addr: NEW.into(), mac: OTHER });
    bench.set(Change::RemoveAddress(NEW.into()));
    let _ = bench.input(request(PEER, PEER_ADDR, NEW));
    assert_eq!(bench.link.arp(), []);
}

#[test]
fn a_claim_can_be_given_up_and_an_own_address_announced() {
    let mut bench = probing();
    bench.set(Change::RemoveAddress(NEW.into()));
    assert_eq!(overhear(&mut bench, 20), (vec![], vec![]));
    bench.set(Change::Announce(MY_ADDR.into()));
    let (sent, _) = overhear(&mut bench, 20);
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|(_, message)| *message == request(ME, MY_ADDR, MY_ADDR)));
    let foreign = bench.arp.configure(bench.now, Change::Announce(NEW.into()), &mut bench.link);
    assert!(foreign.is_err());
}

/// One poll tells of one thing, and of the other when it is asked again.
#[test]
fn a_claim_does_not_hide_what_came_back_at_the_same_time() {
    let mut bench = probing();
    let mut polls = 0;
    while bench.arp.poll(bench.now, &mut bench.link) != claimed() {
        bench.now = bench.arp.poll_at().expect("a claim under way");
        polls += 1;
        assert!(polls < 10, "probed for three times");
    }
    let when = bench.now;

    // The same seed, the same times.
    let mut bench = probing();
    assert_eq!(bench.pass(when - bench.now - Duration::from_millis(1)), []);
    let _ = bench.send(PEER_ADDR, b"one");
    bench.set(Change::Flush);
    bench.now = when;
    assert_eq!(bench.arp.poll(when, &mut bench.link), claimed());
    assert!(bench.arp.poll_at().is_some_and(|at| at <= when), "there is more");
    assert_eq!(bench.arp.poll(when, &mut bench.link), unreachable(&[b"one"]));
}

#[test]
fn a_proxy_s_network_has_a_prefix_of_32_bits_at_most() {
    let mut bench = Bench::cache(Config::default());
    let addr = IpAddr::from(OTHER_ADDR);
    for change in [Change::AddProxy(addr, 33), Change::RemoveProxy(addr, 33)] {
        let refused = bench.arp.configure(bench.now, change, &mut bench.link);
        assert_eq!(refused, Err(crate::Error::BadAddress(addr)));
    }
    bench.set(Change::AddProxy(addr, 32));
    let _ = bench.input(request(PEER, PEER_ADDR, OTHER_ADDR));
    assert_eq!(bench.link.arp().len(), 1);
}

/// The networks that are answered for are bounded.
#[test]
fn no_more_networks_are_answered_for_than_the_limit() {
    let mut bench = Bench::cache(Config { proxies: 2, ..Config::default() });
    let mut add = |host| {
        let change = Change::AddProxy([10, 0, 1, host].into(), 32);
        bench.arp.configure(bench.now, change, &mut bench.link)
    };
    assert_eq!([add(1), add(2), add(3)], [Ok(()), Ok(()), Err(crate::Error::Full(2))]);
}

/// RFC 5227 §2.1.1: between probes a random time of one to two seconds, and not the two seconds
/// that an announcement waits.
#[test]
fn the_times_between_probes_are_random() {
    let mut gaps = std::collections::BTreeSet::new();
    for seed in 0..10 {
        let mut bench = Bench::over(Box::new(Cache::new(ME, Config::default(), seed)));
        bench.set(Change::ProbeAddress(NEW.into()));
        let (sent, _) = overhear(&mut bench, 20);
        gaps.extend(sent[..3].windows(2).map(|pair| pair[1].0 - pair[0].0));
    }
    assert!(gaps.len() > 15, "{gaps:?}");
}

/// RFC 1027 §2.
#[test]
fn a_proxy_answers_for_the_hosts_behind_it_alone() {
    let behind = Ipv4Addr::new(10, 0, 0, 130);
    let mut bench = Bench::cache(Config::default());
    bench.set(Change::AddProxy(behind.into(), 25));
    assert_eq!(bench.input(request(PEER, PEER_ADDR, behind)), Event::None);
    let (to, answer) = bench.link.arp().remove(0);
    assert_eq!((to, answer.sender, answer.sender_mac), (PEER, behind, ME));
    assert_eq!((answer.target, answer.target_mac), (PEER_ADDR, PEER));
    let beside = Ipv4Addr::new(10, 0, 0, 131);
    for (what, message) in [
        ("another network", request(PEER, PEER_ADDR, OTHER_ADDR)),
        ("one behind it asks for another", request(OTHER, beside, behind)),
        ("an announcement", request(OTHER, behind, behind)),
        ("a probe", request(OTHER, Ipv4Addr::UNSPECIFIED, behind)),
        ("a reply", Message { target: behind, ..reply(PEER, PEER_ADDR) }),
    ] {
        let _ = bench.input(message);
        assert_eq!(bench.link.arp(), [], "{what}");
    }
    // Who is known on this link answers for itself.
    let _ = bench.input(request(OTHER, beside, MY_ADDR));
    let _ = bench.link.arp();
    let _ = bench.input(request(PEER, PEER_ADDR, beside));
    assert_eq!(bench.link.arp(), []);
    bench.set(Change::RemoveProxy(behind.into(), 25));
    let _ = bench.input(request(PEER, PEER_ADDR, behind));
    assert_eq!(bench.link.arp(), []);
    assert_eq!(bench.count("replies sent for others"), 1);
}

/// What is not believed is seen all the same; and the log has its bound.
#[test]
fn every_sender_is_noted_with_its_changes() {
    let mut bench = Bench::cache(Config { sightings: 8, ..Config::default() });
    let _ = bench.input(reply(PEER, PEER_ADDR));
    assert_eq!(bench.state(PEER_ADDR), None, "not believed");
    bench.now += Duration::from_secs(5);
    let _ = bench.input(request(OTHER, PEER_ADDR, OTHER_ADDR));
    let seen = bench.arp.sightings()[0];
    assert_eq!((seen.addr, seen.mac, seen.before), (PEER_ADDR.into(), OTHER, Some(PEER)));
    assert_eq!((seen.changes, seen.last - seen.first), (1, Duration::from_secs(5)));
    assert_eq!(bench.count("link addresses that changed on the link"), 1);
    let _ = bench.input(request(OTHER, Ipv4Addr::UNSPECIFIED, OTHER_ADDR));
    assert_eq!(bench.arp.sightings().len(), 1, "a probe is nobody's");
    for host in 10..200 {
        bench.now += Duration::from_secs(1);
        let _ = bench.input(request(PEER, Ipv4Addr::new(10, 0, 0, host), OTHER_ADDR));
        assert!(bench.arp.sightings().len() <= 8);
    }
    assert_eq!(bench.arp.sightings()[7].addr, IpAddr::from([10, 0, 0, 199]));
}
