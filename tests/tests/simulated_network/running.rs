//! How time passes: bounds, idle hosts, and the same run again.

use std::time::Duration;

use netdev::{FaultConfig, GilbertElliott, Instant, Probability};
use tests::sim::programs::{EchoServer, Pinger, Receiver, Requester, Sender};
use tests::sim::{Event, Io, LinkConfig, Network};

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_storm_hits_the_bound_and_names_who_was_busy() {
    // Two switches with two links between them: one broadcast goes round for ever.
    let mut net = Network::new(1);
    let host = net.host("talker");
    let switches = [net.switch("left"), net.switch("right")];
    net.link(host.at("10.0.0.1/24"), switches[0], LinkConfig::default());
    net.link(switches[0], switches[1], LinkConfig::delay(MS));
    net.link(switches[0], switches[1], LinkConfig::delay(MS));
    net.start(host, Pinger::new("10.0.0.2", 1, MS));
    let exhausted = net.run_until_idle(10_000).unwrap_err();
    assert_eq!(exhausted.seed, 1);
    assert!(exhausted.events >= 10_000 && exhausted.events < 10_010, "{}", exhausted.events);
    let count =
        |name| exhausted.busy.iter().find(|(busy, _)| busy == name).map(|(_, count)| *count);
    assert!(count("left") > Some(3_000) && count("right") > Some(3_000), "{:?}", exhausted.busy);
    assert_eq!(exhausted.busy.iter().map(|(_, count)| count).sum::<u64>(), exhausted.events);
    let text = exhausted.to_string();
    assert!(text.contains("seed 0x1") && text.contains("who-has 10.0.0.2"), "{text}");
    // It can go on from there, and still does.
    net.set_bound(100);
    assert!(net.run_for(Duration::from_secs(1)).is_err());
}

#[test]
fn a_program_that_never_rests_hits_the_bound() {
    let mut net = Network::new(1);
    let host = net.host("restless");
    net.start(host, |_: Event, io: &mut Io<'_>| io.set_alarm(Some(io.now())));
    let exhausted = net.run_until_idle(1_000).unwrap_err();
    assert_eq!(exhausted.busy, [("restless".to_string(), 1_000)]);
    assert_eq!((exhausted.at, exhausted.last.len()), (Instant::ZERO, 64));
}

#[test]
fn what_is_idle_costs_nothing() {
    let mut net = Network::new(1);
    let switch = net.switch("switch");
    for number in 1..=200 {
        let host = net.host("idle");
        net.link(host.at(&format!("10.0.0.{number}/24")), switch, LinkConfig::default());
    }
    net.run_until_idle(1_000).unwrap();
    let before = net.events();
    net.run_for(Duration::from_secs(86_400)).unwrap();
    assert_eq!(net.events(), before);
    assert_eq!(net.elapsed(), Duration::from_secs(86_400));
}

#[test]
fn alarms_ring_at_their_time_and_only_the_last_setting() {
    let mut net = Network::new(1);
    let host = net.host("sleeper");
    let rang = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let notes = std::rc::Rc::clone(&rang);
    net.start(host, move |event: Event, io: &mut Io<'_>| match event {
        Event::Start => {
            io.set_alarm(Some(io.now() + 5 * MS));
            io.set_alarm(Some(io.now() + 7 * MS));
        }
        _ => notes.borrow_mut().push((event, io.now())),
    });
    net.run_until_idle(100).unwrap();
    assert_eq!(*rang.borrow(), [(Event::Alarm, Instant::from_millis(7))]);
}

/// A network in which everything goes wrong now and then.
fn bad_run(seed: u64) -> (u64, u64, Vec<Option<Duration>>) {
    let mut net = Network::new(seed);
    let chance = Probability::new;
    let bad = LinkConfig::both(FaultConfig {
        loss: GilbertElliott::new(chance(0.01), chance(0.3)).into(),
        duplicate: chance(0.02),
        corrupt: chance(0.01),
        reorder: chance(0.05),
        delay: 5 * MS,
        jitter: 2 * MS,
        rate: "20mbit".parse().ok(),
        queue: 50,
        ..FaultConfig::default()
    });
    let [a, b] = [net.host("a"), net.host("b")];
    let router = net.router("r");
    net.link(a.at("10.0.1.1/24").via("10.0.1.254"), router.at("10.0.1.254/24"), bad);
    net.link(b.at("10.0.2.1/24").via("10.0.2.254"), router.at("10.0.2.254/24"), bad);
    let receiver = net.start(b, Receiver::new(80));
    net.start(b, EchoServer::new(7));
    let sender = net.start(a, Sender::new("10.0.2.1:80", 1_000_000));
    let requester = net.start(a, Requester::new("10.0.2.1:7", 3_000, 20, 50 * MS));
    let pinger = net.start(b, Pinger::new("10.0.1.1", 100, 20 * MS));
    net.run_until_idle(1_000_000).unwrap();
    assert!(net[sender].is_done() && net[requester].is_done());
    assert_eq!(net[receiver].received, 1_000_000);
    (net.events(), net.trace_hash(), net[pinger].times.clone())
}

#[test]
fn one_seed_is_one_run_and_another_seed_another() {
    let (first, again, other) = (bad_run(7), bad_run(7), bad_run(8));
    assert_eq!(first, again);
    assert_ne!(first.1, other.1);
    assert_ne!(first.2, other.2);
}

#[test]
fn what_passes_a_link_can_be_recorded() {
    let mut net = Network::new(1);
    let [a, b] = [net.host("a"), net.host("b")];
    let twice = FaultConfig { duplicate: Probability::ALWAYS, ..FaultConfig::default() };
    let config = LinkConfig { there: twice, ..LinkConfig::delay(MS) };
    let link = net.link(a.at("10.0.0.1/24"), b.at("10.0.0.2/24"), config);
    let scratch = tests::scratch("simulated-link");
    let path = scratch.join("link.pcapng");
    let file = netdev::CaptureFile::create(&path, std::time::SystemTime::UNIX_EPOCH).unwrap();
    net.capture(link, &file);
    let pinger = net.start(a, Pinger::new("10.0.0.2", 1, MS));
    net.run_until_idle(100).unwrap();
    assert_eq!(net[pinger].duplicates, 1);
    let [there, back] = net.counts(link);
    file.flush();
    let bytes = std::fs::read(&path).unwrap();
    // Enhanced packet blocks (type 6), each at a multiple of four bytes.
    let mut blocks = Vec::new();
    let mut rest = &bytes[..];
    while let [t0, t1, t2, t3, l0, l1, l2, l3, ..] = *rest {
        blocks.push(u32::from_le_bytes([t0, t1, t2, t3]));
        rest = &rest[u32::from_le_bytes([l0, l1, l2, l3]) as usize..];
    }
    let packets = blocks.iter().filter(|kind| **kind == 6).count() as u64;
    assert_eq!(packets, there.entered + there.arrived + back.entered + back.arrived);
    assert_eq!(blocks.iter().filter(|kind| **kind == 1).count(), 2, "an interface at each end");
    let says = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(says("a (to b)") && says("b (to a)") && says("duplicated"));
}
