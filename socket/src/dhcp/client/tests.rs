//! The client against a server of a few lines, on virtual time.

use netdev::sooner;

use super::*;
use crate::dhcp::options::code;

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

#[derive(Debug, PartialEq)]
enum Sent {
    /// From this address, to everybody.
    All(Ipv4Addr, Message),
    /// To this server.
    One(Ipv4Addr, Message),
    /// A question to the link.
    Probe(Ipv4Addr),
}

/// How long the link takes to say that an address is free.
const PROBING: Duration = Duration::from_secs(6);

#[derive(Default)]
struct Wire {
    sent: Vec<(Instant, Sent)>,
    /// What the link was asked for, and when it answers.
    asked: Option<(Instant, Ipv4Addr)>,
    /// There is no ARP to ask by.
    dumb: bool,
}

impl Network for Wire {
    fn broadcast(&mut self, now: Instant, src: Ipv4Addr, message: &[u8]) {
        self.sent.push((now, Sent::All(src, Message::parse(message).unwrap())));
    }
    fn unicast(&mut self, now: Instant, server: Ipv4Addr, message: &[u8]) {
        self.sent.push((now, Sent::One(server, Message::parse(message).unwrap())));
    }
    fn probe(&mut self, now: Instant, addr: Ipv4Addr) -> bool {
        if self.dumb {
            return false;
        }
        self.sent.push((now, Sent::Probe(addr)));
        self.asked = Some((now + PROBING, addr));
        true
    }
}

struct World {
    client: Client,
    wire: Wire,
    now: Instant,
    events: Vec<(Instant, Event)>,
}

impl World {
    fn new(change: impl FnOnce(&mut Config)) -> World {
        let mut config = Config::new(MAC);
        change(&mut config);
        let now = Instant::from_secs(100);
        let client = Client::new(now, config, 7);
        World { client, wire: Wire::default(), now, events: Vec::new() }
    }

    /// One that got 10.0.0.50 for 1000 s, without probes; nothing is left of the way there.
    fn bound() -> World {
        let mut world = World::new(|config| config.probe = false);
        world.run(0);
        world.answer(Kind::Offer, |_| {});
        world.answer(Kind::Ack, |_| {});
        assert_eq!(world.client.state(), State::Bound);
        world.wire.sent.clear();
        world.events.clear();
        world
    }

    /// Lets time pass, from event to event.
    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        for turn in 0.. {
            assert!(turn < 10_000, "it never comes to rest");
            let answer = self.wire.asked.map(|(at, _)| at);
            match sooner(self.client.poll_at(), answer) {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => break,
            }
            let event = match self.wire.asked.take_if(|(at, _)| *at <= self.now) {
                Some((_, addr)) => self.client.free(addr),
                None => self.client.poll(self.now, &mut self.wire),
            };
            self.note(event);
        }
        self.now = end;
    }

    fn note(&mut self, event: Event) {
        if event != Event::None {
            self.events.push((self.now, event));
        }
    }

    /// The server's answer to what was sent last.
    fn answer(&mut self, kind: Kind, change: impl FnOnce(&mut Message)) {
        let mut reply = Message::new(kind, true, self.client.xid, MAC);
        reply.options.set(code::SERVER_ID, SERVER.octets());
        if kind != Kind::Nak {
            reply.yiaddr = Ipv4Addr::new(10, 0, 0, 50);
            reply.options.set(code::SUBNET_MASK, [255, 255, 255, 0]);
            reply.options.set(code::LEASE_TIME, 1000u32.to_be_bytes());
            reply.options.set(code::ROUTER, [10, 0, 0, 2, 10, 0, 0, 3]);
            reply.options.set(code::DNS, [10, 0, 0, 4]);
            reply.options.set(code::DOMAIN, *b"lan");
            reply.options.set(code::MTU, 1400u16.to_be_bytes());
        }
        change(&mut reply);
        let event = self.client.input(self.now, &reply.to_bytes(), &mut self.wire);
        self.note(event);
    }

    /// The messages sent since the last time, with their times in seconds.
    fn sent(&mut self) -> Vec<(f64, Kind)> {
        let time = |at: Instant| at.since(Instant::from_secs(100)).as_secs_f64();
        let kind = |sent: &Sent| match sent {
            Sent::All(_, message) | Sent::One(_, message) => Some(message.kind),
            Sent::Probe(_) => None,
        };
        let all = std::mem::take(&mut self.wire.sent);
        all.iter().filter_map(|(at, sent)| Some((time(*at), kind(sent)?))).collect()
    }

    fn last(&self) -> &Sent {
        &self.wire.sent.last().expect("something was sent").1
    }

    fn count(&self, name: &str) -> u64 {
        let counters = self.client.counters();
        counters.iter().find(|counter| counter.name == name).expect("a counter").count
    }

    fn lease(&self) -> &Lease {
        self.client.lease().expect("a lease")
    }
}

/// RFC 2131 §3.1 and §4.4.1.
#[test]
fn from_discover_to_bound() {
    let mut world = World::new(|config| config.host_name = Some("box".into()));
    world.run(0);
    let Sent::All(src, discover) = world.last() else { panic!() };
    assert_eq!((*src, discover.kind, discover.broadcast), (NONE, Kind::Discover, true));
    assert_eq!((discover.ciaddr, discover.chaddr, discover.reply), (NONE, MAC, false));
    let text = |code| discover.options.bytes(code).unwrap().to_vec();
    // RFC 2132 §9.14, §9.10, §3.14.
    assert_eq!(text(code::CLIENT_ID), [1, 2, 0, 0, 0, 0, 1]);
    assert_eq!(text(code::MAX_SIZE), 1500u16.to_be_bytes());
    assert_eq!(text(code::HOST_NAME), b"box");
    assert!(text(code::PARAMETERS).contains(&code::ROUTER));
    let xid = discover.xid;

    world.answer(Kind::Offer, |_| {});
    let Sent::All(src, request) = world.last() else { panic!() };
    // Table 5: the same transaction; the address and the server among the options.
    assert_eq!((*src, request.kind, request.xid), (NONE, Kind::Request, xid));
    assert_eq!((request.ciaddr, request.secs), (NONE, 0));
    assert_eq!(request.options.addr(code::REQUESTED), Ok(Some([10, 0, 0, 50].into())));
    assert_eq!(request.options.addr(code::SERVER_ID), Ok(Some(SERVER)));

    world.answer(Kind::Ack, |_| {});
    assert_eq!((world.client.state(), world.client.lease()), (State::Probing, None));
    assert_eq!(*world.last(), Sent::Probe([10, 0, 0, 50].into()));
    world.wire.sent.clear();
    world.run(20);
    assert!(world.wire.sent.is_empty(), "it asks once");
    let [(when, Event::Bound(lease))] = &world.events[..] else { panic!("{:?}", world.events) };
    assert_eq!(*when, Instant::from_secs(100) + PROBING, "bound when the link has said so");
    assert_eq!(lease, world.lease());
    assert_eq!((lease.addr.to_string().as_str(), lease.server), ("10.0.0.50/24", SERVER));
    assert_eq!(lease.routers, [Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 3)]);
    assert_eq!((lease.dns.as_slice(), lease.mtu), (&[Ipv4Addr::new(10, 0, 0, 4)][..], Some(1400)));
    assert_eq!(lease.domain.as_deref(), Some("lan"));
    // §4.4.1: it counts from the request, not from the end of the probes. §4.4.5: T1 and T2.
    assert_eq!(lease.since, Instant::from_secs(100));
    assert_eq!(lease.t1.since(lease.since), Duration::from_secs(500));
    assert_eq!(lease.t2.since(lease.since), Duration::from_secs(875));
}

/// RFC 2131 §4.1.
#[test]
fn discovers_are_repeated_ever_more_slowly_each_at_a_random_time() {
    let mut world = World::new(|_| {});
    world.run(400);
    let sent = world.sent();
    let gaps: Vec<f64> = sent.windows(2).map(|two| two[1].0 - two[0].0).collect();
    for (gap, usual) in gaps.iter().zip([4.0, 8.0, 16.0, 32.0, 64.0, 64.0, 64.0]) {
        assert!((gap - usual).abs() <= 1.0, "{gaps:?}");
        assert!((gap - usual).abs() > 1e-6, "moved at random: {gaps:?}");
    }
    assert!(gaps.len() >= 7 && sent.iter().all(|(_, kind)| *kind == Kind::Discover));
    // Another seed, other times.
    let mut other = World::new(|_| {});
    other.client.random = Random::new(8, b"rfc 2131");
    other.run(400);
    assert_ne!(sent, other.sent());
}

/// RFC 2131 §3.1, 5: four requests, some 60 s, then all begins again.
#[test]
fn a_request_without_an_answer_leads_back_to_the_beginning() {
    let mut world = World::new(|_| {});
    world.run(0);
    let first = world.client.xid;
    world.answer(Kind::Offer, |_| {});
    world.run(70);
    let kinds: Vec<_> = world.sent().into_iter().map(|(_, kind)| kind).collect();
    let (discover, request) = (Kind::Discover, Kind::Request);
    assert_eq!(kinds[..6], [discover, request, request, request, request, discover]);
    assert_ne!(world.client.xid, first);
}

/// RFC 2131 §4.4.5: by unicast at T1, by broadcast at T2, and the time counts anew.
#[test]
fn a_lease_is_renewed_with_its_server_and_then_with_any() {
    let mut world = World::bound();
    world.run(499);
    assert!(world.wire.sent.is_empty());
    world.run(1);
    assert_eq!(world.client.state(), State::Renewing);
    let Sent::One(to, request) = world.last() else { panic!() };
    assert_eq!((*to, request.ciaddr, request.broadcast), (SERVER, [10, 0, 0, 50].into(), false));
    // Table 5: MUST NOT.
    assert_eq!(request.options.bytes(code::REQUESTED), None);
    assert_eq!(request.options.bytes(code::SERVER_ID), None);
    world.answer(Kind::Ack, |_| {});
    assert_eq!(world.client.state(), State::Bound);
    assert!(matches!(world.events[..], [(_, Event::Bound(_))]));
    assert_eq!(world.lease().since, Instant::from_secs(600));

    // Nobody answers: half of the time that is left to T2, a minute at least.
    world.wire.sent.clear();
    world.run(874);
    let times: Vec<_> = world.sent().into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [1000.0, 1187.5, 1281.25, 1341.25]);
    world.run(1);
    assert_eq!(world.client.state(), State::Rebinding);
    let Sent::All(src, request) = world.last() else { panic!() };
    assert_eq!((*src, request.ciaddr), ([10, 0, 0, 50].into(), [10, 0, 0, 50].into()));
    // Any server may answer.
    world.answer(Kind::Ack, |ack| ack.options.set(code::SERVER_ID, [10, 0, 0, 3]));
    assert_eq!((world.client.state(), world.lease().server), (State::Bound, [10, 0, 0, 3].into()));
    assert_eq!((world.count("leases renewed"), world.count("leases obtained")), (2, 1));
}

/// RFC 2131 §4.4.5: "MUST immediately stop any other network processing".
#[test]
fn a_lease_that_ends_takes_the_address_away() {
    let mut world = World::bound();
    world.run(999);
    assert!(world.events.is_empty() && world.client.lease().is_some());
    world.run(1);
    assert_eq!(world.events, [(world.now, Event::Lost(Loss::Expired))]);
    assert_eq!((world.client.lease(), world.client.state()), (None, State::Selecting));
    assert_eq!(world.sent().last().unwrap().1, Kind::Discover);
}

/// RFC 2131 §4.4.1 and §4.4.4, RFC 5227 §2.1.1.
#[test]
fn an_address_that_somebody_has_is_declined() {
    let addr = Ipv4Addr::new(10, 0, 0, 50);
    let mut world = World::new(|_| {});
    world.run(0);
    world.answer(Kind::Offer, |_| {});
    world.answer(Kind::Ack, |_| {});
    // Not what was granted.
    let other = [10, 0, 0, 51].into();
    assert_eq!(world.client.contested(world.now, other, OTHER, &mut world.wire), Event::None);
    assert_eq!(world.client.free([10, 0, 0, 51].into()), Event::None);
    assert_eq!(world.client.state(), State::Probing);
    world.wire.asked = None;
    assert_eq!(world.client.contested(world.now, addr, OTHER, &mut world.wire), Event::None);
    let Sent::All(src, decline) = world.last() else { panic!() };
    assert_eq!((*src, decline.kind, decline.ciaddr), (NONE, Kind::Decline, NONE));
    assert_eq!(decline.options.addr(code::REQUESTED), Ok(Some([10, 0, 0, 50].into())));
    assert_eq!(decline.options.addr(code::SERVER_ID), Ok(Some(SERVER)));
    // Table 5: MUST NOT.
    assert_eq!(decline.options.bytes(code::PARAMETERS), None);
    // §3.1, 5: ten seconds at least.
    world.wire.sent.clear();
    world.run(9);
    assert!(world.wire.sent.is_empty() && world.events.is_empty());
    world.run(1);
    assert_eq!(world.sent()[0].1, Kind::Discover);
    assert_eq!(world.count("addresses declined"), 1);
    // What the link says late is not heard.
    assert_eq!(world.client.free(addr), Event::None);
}

/// RFC 5227 §2.4 (b), RFC 2131 §3.1, 5: one that was in use, and that another host insists on.
#[test]
fn a_bound_address_that_is_lost_is_declined_and_another_asked_for() {
    let addr = Ipv4Addr::new(10, 0, 0, 50);
    for seconds in [0, 600, 900] {
        let mut world = World::bound();
        world.run(seconds);
        world.wire.sent.clear();
        let other = [10, 0, 0, 51].into();
        assert_eq!(world.client.contested(world.now, other, OTHER, &mut world.wire), Event::None);
        assert!(world.client.lease().is_some() && world.wire.sent.is_empty());
        let event = world.client.contested(world.now, addr, OTHER, &mut world.wire);
        assert_eq!(event, Event::Lost(Loss::Taken), "after {seconds} s");
        let Sent::All(src, decline) = world.last() else { panic!() };
        assert_eq!((*src, decline.kind), (NONE, Kind::Decline));
        assert_eq!(decline.options.addr(code::REQUESTED), Ok(Some(addr)));
        assert_eq!(world.client.lease(), None);
        world.wire.sent.clear();
        world.run(9);
        assert!(world.wire.sent.is_empty(), "ten seconds at least");
        world.run(1);
        let Sent::All(_, discover) = world.last() else { panic!() };
        assert_eq!(discover.kind, Kind::Discover);
        assert_eq!(discover.options.addr(code::REQUESTED), Ok(None), "not that one again");
        assert_eq!(world.count("addresses declined"), 1);
    }
    // Given back already: there is nothing to decline.
    let mut world = World::bound();
    world.client.release(world.now, &mut world.wire);
    assert_eq!(world.client.contested(world.now, addr, OTHER, &mut world.wire), Event::None);
}

/// Where nobody can be asked for it the address is used at once; where nobody answers, another one
/// is asked for.
#[test]
fn a_link_that_says_nothing_is_not_waited_for_for_ever() {
    let mut world = World::new(|_| {});
    world.wire.dumb = true;
    world.run(0);
    world.answer(Kind::Offer, |_| {});
    world.answer(Kind::Ack, |_| {});
    assert!(matches!(world.events[..], [(_, Event::Bound(_))]));

    let mut world = World::new(|_| {});
    world.run(0);
    world.answer(Kind::Offer, |_| {});
    world.answer(Kind::Ack, |_| {});
    world.wire.asked = None;
    world.run(74);
    assert_eq!(world.client.state(), State::Probing);
    world.run(1);
    assert_eq!((world.client.state(), world.client.lease()), (State::Selecting, None));
}

/// RFC 2131 §3.1, 4 and §4.4.5.
#[test]
fn a_nak_takes_everything_back() {
    let mut world = World::new(|_| {});
    world.run(0);
    world.answer(Kind::Offer, |_| {});
    world.answer(Kind::Nak, |nak| nak.options.set(code::SERVER_ID, [10, 0, 0, 3]));
    assert_eq!(world.count("from a server that was not chosen"), 1);
    world.answer(Kind::Nak, |_| {});
    assert_eq!((world.client.state(), world.events.len()), (State::Init, 0));

    for seconds in [500, 875] {
        let mut world = World::bound();
        world.run(seconds);
        world.answer(Kind::Nak, |_| {});
        assert_eq!(world.events, [(world.now, Event::Lost(Loss::Refused))]);
        world.run(1);
        assert_eq!(world.client.state(), State::Selecting);
    }
}

/// RFC 2131 §4.4.6.
#[test]
fn a_lease_is_given_back() {
    let mut world = World::bound();
    world.client.release(world.now, &mut world.wire);
    let Sent::One(to, release) = world.last() else { panic!() };
    assert_eq!((*to, release.kind), (SERVER, Kind::Release));
    assert_eq!(release.ciaddr, Ipv4Addr::new(10, 0, 0, 50));
    assert_eq!(release.options.addr(code::SERVER_ID), Ok(Some(SERVER)));
    // Table 5: MUST NOT.
    assert_eq!(release.options.bytes(code::REQUESTED), None);
    assert_eq!(release.options.bytes(code::PARAMETERS), None);
    world.client.release(world.now, &mut world.wire);
    world.run(5000);
    assert_eq!(world.events, [(Instant::from_secs(101), Event::Lost(Loss::Released))]);
    assert_eq!((world.wire.sent.len(), world.client.poll_at()), (1, None));
    // Without a lease there is nothing to say.
    let mut early = World::new(|_| {});
    early.run(0);
    early.wire.sent.clear();
    early.client.release(early.now, &mut early.wire);
    early.run(5000);
    assert!(early.wire.sent.is_empty() && early.events.is_empty());
}

/// RFC 2131 §3.2 and §4.4.2.
#[test]
fn an_address_of_old_is_asked_for_again() {
    let mut world = World::new(|config| config.previous = Some([10, 0, 0, 50].into()));
    world.run(0);
    let Sent::All(src, request) = world.last() else { panic!() };
    assert_eq!((*src, request.kind, request.ciaddr), (NONE, Kind::Request, NONE));
    assert_eq!(request.options.addr(code::REQUESTED), Ok(Some([10, 0, 0, 50].into())));
    assert_eq!(request.options.bytes(code::SERVER_ID), None, "table 5: MUST NOT");
    world.answer(Kind::Ack, |_| {});
    world.run(10);
    assert_eq!(world.client.state(), State::Bound);

    // Nobody knows it: a new one.
    let mut world = World::new(|config| config.previous = Some([10, 0, 0, 50].into()));
    world.run(100);
    assert_eq!(world.client.state(), State::Selecting);
}

/// RFC 2131 §3.7: another network, perhaps.
#[test]
fn a_link_that_comes_up_again_makes_sure_of_the_address() {
    let mut world = World::bound();
    world.run(10);
    world.client.link_up(world.now);
    world.run(0);
    assert_eq!(world.client.state(), State::Rebooting);
    assert!(world.client.lease().is_some(), "used meanwhile");
    world.answer(Kind::Nak, |_| {});
    assert_eq!(world.events, [(world.now, Event::Lost(Loss::Refused))]);

    let mut world = World::bound();
    world.client.link_up(world.now);
    world.run(0);
    world.answer(Kind::Ack, |_| {});
    assert!(matches!(world.events[..], [(_, Event::Bound(_))]), "no probes of what is in use");

    // §3.2, 4: nobody answers, and the old lease still holds; but not past its end.
    let mut world = World::bound();
    world.client.link_up(world.now);
    world.run(100);
    assert_eq!(world.client.state(), State::Bound);
    let mut world = World::bound();
    world.run(990);
    world.client.link_up(world.now);
    world.run(10);
    assert_eq!(world.events, [(world.now, Event::Lost(Loss::Expired))]);
}

#[test]
fn what_is_no_answer_or_grants_nothing_is_ignored_and_counted() {
    let mut world = World::new(|_| {});
    world.run(0);
    world.answer(Kind::Offer, |offer| offer.xid ^= 1);
    world.answer(Kind::Offer, |offer| offer.chaddr = OTHER);
    world.answer(Kind::Offer, |offer| offer.reply = false);
    assert_eq!(world.count("not for this client or transaction"), 3);
    world.answer(Kind::Ack, |_| {});
    world.answer(Kind::Nak, |_| {});
    assert_eq!(world.count("not expected in this state"), 2);
    let event = world.client.input(world.now, &[2, 1, 6, 0], &mut world.wire);
    assert_eq!((event, world.count("malformed message")), (Event::None, 1));

    type Change = fn(&mut Message);
    let unfit: [Change; 9] = [
        |offer| offer.yiaddr = NONE,
        |offer| offer.yiaddr = [224, 0, 0, 1].into(),
        |offer| offer.yiaddr = [127, 0, 0, 1].into(),
        |offer| offer.yiaddr = [10, 0, 0, 255].into(),
        |offer| offer.yiaddr = [10, 0, 0, 0].into(),
        |offer| offer.options.set(code::SUBNET_MASK, [255, 0, 255, 0]),
        |offer| offer.options.remove(code::SERVER_ID),
        |offer| offer.options.remove(code::LEASE_TIME),
        |offer| offer.options.set(code::LEASE_TIME, 3u32.to_be_bytes()),
    ];
    for (number, change) in unfit.into_iter().enumerate() {
        world.answer(Kind::Offer, change);
        assert_eq!(world.count("grants nothing usable"), number as u64 + 1);
        assert_eq!(world.client.state(), State::Selecting);
    }
    // What only adds something is left out where it is malformed.
    world.answer(Kind::Offer, |offer| {
        offer.options.set(code::DNS, [1, 2, 3]);
        offer.options.set(code::DOMAIN, *b"\x1b[2J");
        offer.options.set(code::MTU, 68u16.to_be_bytes());
        offer.options.set(code::ROUTER, [0, 0, 0, 0]);
        offer.options.remove(code::SUBNET_MASK);
    });
    let offered = world.client.lease.clone().unwrap();
    assert_eq!((offered.dns, offered.domain, offered.mtu), (vec![], None, None));
    // RFC 950: without a mask, that of its class.
    assert_eq!((offered.routers, offered.addr.prefix), (vec![], 8));
}

#[test]
fn times_of_a_server_count_where_they_are_in_order() {
    for (t1, t2, expected) in [
        (Some(10), Some(20), (10, 20)),
        (Some(10), None, (10, 875)),
        (None, Some(900), (500, 900)),
        (Some(20), Some(10), (500, 875)),
        (Some(0), Some(10), (500, 875)),
        (Some(10), Some(1000), (500, 875)),
        (None, None, (500, 875)),
    ] {
        let mut world = World::new(|config| config.probe = false);
        world.run(0);
        world.answer(Kind::Offer, |_| {});
        world.answer(Kind::Ack, |ack| {
            for (code, time) in [(code::T1, t1), (code::T2, t2)] {
                if let Some(time) = time {
                    ack.options.set(code, u32::to_be_bytes(time));
                }
            }
        });
        let lease = world.lease();
        let seconds = |at: Instant| at.since(lease.since).as_secs();
        assert_eq!((seconds(lease.t1), seconds(lease.t2)), expected, "{t1:?} {t2:?}");
    }
}

/// An address that changes on renewal is probed like the first, and the old one goes at once.
#[test]
fn another_address_on_renewal_is_a_new_one() {
    let mut world = World::new(|_| {});
    world.run(0);
    world.answer(Kind::Offer, |_| {});
    world.answer(Kind::Ack, |_| {});
    world.run(500);
    assert_eq!(world.client.state(), State::Renewing);
    world.events.clear();
    world.answer(Kind::Ack, |ack| ack.yiaddr = [10, 0, 0, 60].into());
    assert_eq!(world.events, [(world.now, Event::Lost(Loss::Refused))]);
    world.run(10);
    assert_eq!(world.lease().ip(), Ipv4Addr::new(10, 0, 0, 60));
}

proptest::proptest! {
    /// Whatever a server says and when, the client goes on, and has no lease that is over.
    #[test]
    fn no_sequence_of_answers_stops_it(
        steps in proptest::collection::vec(
            (0usize..6, 0u64..700, proptest::num::u32::ANY, proptest::num::u8::ANY), 1..40),
    ) {
        let mut world = World::new(|_| {});
        for (what, seconds, time, byte) in steps {
            world.run(seconds);
            match what {
                0 => world.answer(Kind::Offer, |_| {}),
                1 => world.answer(Kind::Ack, |_| {}),
                2 => world.answer(Kind::Ack, |ack| {
                    ack.options.set(code::LEASE_TIME, time.to_be_bytes());
                    ack.yiaddr = [10, 0, 0, byte].into();
                }),
                3 => world.answer(Kind::Nak, |_| {}),
                4 => world.client.link_up(world.now),
                _ => {
                    let addr = [10, 0, 0, 50 + byte % 2].into();
                    let event = world.client.contested(world.now, addr, OTHER, &mut world.wire);
                    world.note(event);
                }
            }
            world.run(0);
            proptest::prop_assert!(world.client.poll_at().is_some());
            if let Some(lease) = world.client.lease() {
                proptest::prop_assert!(lease.end > world.now);
            }
        }
    }
}
