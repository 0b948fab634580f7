//! One lookup against servers of a few lines, on virtual time.

use super::*;
use crate::dns::Data;

const CNAME: u16 = 5;
const SOA: u16 = 6;

struct World {
    lookup: Lookup,
    cache: Cache,
    now: Instant,
    /// What was sent last.
    sent: Vec<u8>,
    to: SocketAddr,
    via: Via,
}

fn server(number: u8) -> SocketAddr {
    ([10, 0, 0, number], 53).into()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A record as it lies in an answer, without compression.
fn record(of: &str, kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = name(of).as_wire().to_vec();
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes.extend(ttl.to_be_bytes());
    bytes.extend((data.len() as u16).to_be_bytes());
    bytes.extend(data);
    bytes
}

fn a(of: &str, ttl: u32) -> Vec<u8> {
    record(of, 1, ttl, &[192, 0, 2, 1])
}

fn cname(of: &str, ttl: u32, to: &str) -> Vec<u8> {
    record(of, CNAME, ttl, name(to).as_wire())
}

/// A start of authority whose least TTL is `minimum`.
fn soa(ttl: u32, minimum: u32) -> Vec<u8> {
    let mut data = vec![0, 0];
    data.extend([0; 16]);
    data.extend(minimum.to_be_bytes());
    record("org", SOA, ttl, &data)
}

impl World {
    fn new(names: &[&str], kind: Kind, servers: &[u8]) -> World {
        World::with(Cache::default(), names, kind, servers)
    }

    fn with(cache: Cache, names: &[&str], kind: Kind, servers: &[u8]) -> World {
        let servers: Vec<IpAddr> = servers.iter().map(|number| server(*number).ip()).collect();
        let names = names.iter().map(|text| name(text)).collect();
        let random = Random::new(7, b"a test..");
        let lookup = Lookup::new(names, kind, &servers, random).unwrap();
        let (now, via) = (Instant::from_secs(100), Via::Datagram);
        World { lookup, cache, now, sent: Vec::new(), to: server(0), via }
    }

    /// What it says next; what it sends is remembered.
    fn poll(&mut self) -> Step {
        let step = self.lookup.poll(self.now, &mut self.cache);
        match &step {
            Step::Datagram(to, message) => {
                (self.sent, self.to, self.via) = (message.clone(), *to, Via::Datagram);
            }
            Step::Stream(to, framed) => {
                let (len, message) = framed.split_first_chunk().unwrap();
                assert_eq!(usize::from(u16::from_be_bytes(*len)), message.len());
                (self.sent, self.to, self.via) = (message.to_vec(), *to, Via::Stream);
            }
            Step::Wait(_) | Step::Done(_) => {}
        }
        step
    }

    /// The server and the time of each question until the end.
    fn silence(&mut self) -> (Vec<(SocketAddr, u64)>, Result<Answer, Error>) {
        let mut asked = Vec::new();
        loop {
            match self.poll() {
                Step::Datagram(to, _) | Step::Stream(to, _) => {
                    asked.push((to, self.now.since(Instant::from_secs(100)).as_secs()));
                }
                Step::Wait(until) => self.now = until,
                Step::Done(result) => return (asked, result),
            }
        }
    }

    fn asked(&mut self) -> String {
        let step = self.poll();
        assert!(matches!(step, Step::Datagram(..) | Step::Stream(..)), "{step:?}");
        let mut at = 12;
        Name::read(&self.sent, &mut at).unwrap().to_string()
    }

    fn result(&mut self) -> Result<Answer, Error> {
        match self.poll() {
            Step::Done(result) => result,
            step => panic!("{step:?}"),
        }
    }

    /// An answer to what was sent last; `flags` beside "response".
    fn reply(&self, flags: u16, answers: &[Vec<u8>], authority: &[Vec<u8>]) -> Vec<u8> {
        let mut at = 12;
        Name::read(&self.sent, &mut at).unwrap();
        let mut reply = self.sent[..2].to_vec();
        let counts = [1, answers.len() as u16, authority.len() as u16, 0];
        for half in [0x8180 | flags].into_iter().chain(counts) {
            reply.extend(half.to_be_bytes());
        }
        reply.extend(&self.sent[12..at + 4]);
        reply.extend(answers.concat());
        reply.extend(authority.concat());
        reply
    }

    fn answer(&mut self, flags: u16, answers: &[Vec<u8>], authority: &[Vec<u8>]) {
        let reply = self.reply(flags, answers, authority);
        self.bring(&reply);
    }

    fn bring(&mut self, reply: &[u8]) {
        self.lookup.input(self.now, self.via, self.to, reply, &mut self.cache);
    }
}

#[test]
fn a_name_is_found_and_remembered() {
    let mut world = World::new(&["www.org"], Kind::A, &[1]);
    assert_eq!(world.asked(), "www.org");
    assert_eq!(world.poll(), Step::Wait(Instant::from_secs(102)));
    world.answer(0, &[a("WWW.org", 60), a("www.org", 50)], &[]);
    let answer = world.result().unwrap();
    assert_eq!(answer.data, vec![Data::A([192, 0, 2, 1].into()); 2]);
    assert_eq!((answer.name, answer.ttl), (name("www.org"), Duration::from_secs(50)));
    // The second time nobody is asked.
    let mut again = World::with(world.cache, &["www.org"], Kind::A, &[1]);
    assert_eq!(again.result().unwrap().data.len(), 2);
    again.now += Duration::from_secs(50);
    let mut late =
        World { now: again.now, ..World::with(again.cache, &["www.org"], Kind::A, &[1]) };
    assert_eq!(late.asked(), "www.org");
}

/// RFC 1035 §4.2.1 and RFC 1123 §6.1.3.3: all servers, with pauses that grow, and an end.
#[test]
fn silent_servers_are_asked_in_turn_and_given_up() {
    let mut world = World::new(&["www.org", "www.org.lan"], Kind::A, &[1, 2]);
    let (asked, result) = world.silence();
    let expected = [(1, 0), (2, 2), (1, 4), (2, 8), (1, 12), (2, 20)];
    assert_eq!(asked, expected.map(|(number, at)| (server(number), at)));
    assert_eq!(result, Err(Error::NoAnswer), "nobody answers for the other candidate either");
    assert_eq!(world.now, Instant::from_secs(128));
}

/// RFC 5452 §9.1 and §9.2.
#[test]
fn only_the_answer_to_the_question_is_believed() {
    let mut world = World::new(&["www.org"], Kind::A, &[1, 2]);
    world.asked();
    let good = world.reply(0, &[a("www.org", 60)], &[]);
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let count = world.sent.len();
    assert!(count > 12);
    // The ID, the name, the type.
    for at in [0, 1, 14, 22] {
        world.bring(&changed(at));
    }
    // Our own question that came back, a second question, and bytes that are no message.
    let mut echo = good.clone();
    echo[2] &= 0x7f;
    world.bring(&echo);
    world.bring(&changed(5)[..12]);
    world.bring(&good[..11]);
    // Another server, another way.
    let now = world.now;
    for (via, from) in [
        (Via::Datagram, server(2)),
        (Via::Stream, server(1)),
        (Via::Datagram, SocketAddr::new(server(1).ip(), 54)),
    ] {
        world.lookup.input(now, via, from, &good, &mut world.cache);
    }
    assert_eq!(world.lookup.take_ignored(), 10);
    assert!(matches!(world.poll(), Step::Wait(_)));
    world.bring(&good);
    assert!(world.result().is_ok());
}

#[test]
fn ids_cannot_be_foreseen_and_follow_from_the_seed() {
    let ids = || {
        let mut world = World::new(&["www.org"], Kind::A, &[1, 2]);
        let mut ids = Vec::new();
        loop {
            match world.poll() {
                Step::Wait(until) => world.now = until,
                Step::Done(_) => return ids,
                _ => ids.push(u16::from_be_bytes([world.sent[0], world.sent[1]])),
            }
        }
    };
    let first = ids();
    let mut different = first.clone();
    different.sort();
    different.dedup();
    assert_eq!((first.len(), different.len()), (6, 6), "{first:?}");
    assert!(first.windows(2).any(|two| two[1].wrapping_sub(two[0]) > 1000), "{first:?}");
    assert_eq!(first, ids());
}

/// RFC 1034 §3.6.2.
#[test]
fn aliases_are_followed_in_the_answer_and_beyond() {
    let mut world = World::new(&["www.org"], Kind::A, &[1]);
    world.asked();
    // In any order.
    world.answer(
        0,
        &[a("c.org", 60), cname("b.org", 30, "c.org"), cname("www.org", 90, "b.org")],
        &[],
    );
    let answer = world.result().unwrap();
    assert_eq!((answer.name, answer.ttl), (name("c.org"), Duration::from_secs(30)));
    assert_eq!(answer.aliases, [name("www.org"), name("b.org")]);

    // The server leaves the end to be asked for.
    let mut world = World::new(&["www.org"], Kind::A, &[1]);
    world.asked();
    world.answer(0, &[cname("www.org", 90, "x.net")], &[]);
    assert_eq!(world.asked(), "x.net");
    world.answer(0, &[a("x.net", 600)], &[]);
    let answer = world.result().unwrap();
    assert_eq!((answer.aliases.as_slice(), answer.ttl.as_secs()), (&[name("www.org")][..], 90));
    let mut again = World::with(world.cache, &["www.org"], Kind::A, &[1]);
    assert_eq!(again.result().unwrap().aliases, [name("www.org")]);

    // An alias of what is known already.
    let mut world = World::with(again.cache, &["y.org"], Kind::A, &[1]);
    world.asked();
    world.answer(0, &[cname("y.org", 90, "www.org")], &[]);
    let answer = world.result().unwrap();
    assert_eq!(answer.aliases, [name("y.org"), name("www.org")]);
}

#[test]
fn aliases_in_circles_and_without_end_are_given_up() {
    let mut world = World::new(&["a.org"], Kind::A, &[1]);
    world.asked();
    world.answer(0, &[cname("a.org", 9, "b.org"), cname("b.org", 9, "a.org")], &[]);
    assert_eq!(world.result(), Err(Error::AliasLoop));
    let mut world = World::new(&["self.org"], Kind::A, &[1]);
    world.asked();
    world.answer(0, &[cname("self.org", 9, "self.org")], &[]);
    assert_eq!(world.result(), Err(Error::AliasLoop));
    // A server that invents another one each time.
    let mut world = World::new(&["n0.org"], Kind::A, &[1]);
    for n in 0.. {
        assert!(n <= MOST_ALIASES + 1, "it goes on for ever");
        if let Step::Done(result) = world.poll() {
            assert_eq!(result, Err(Error::AliasLoop));
            break;
        }
        world.answer(0, &[cname(&format!("n{n}.org"), 9, &format!("n{}.org", n + 1))], &[]);
    }
}

/// RFC 7766 §5 and §8.
#[test]
fn a_truncated_answer_is_fetched_over_tcp() {
    let mut world = World::new(&["big.org"], Kind::A, &[1, 2]);
    world.asked();
    world.answer(0x200, &[], &[]);
    let Step::Stream(to, _) = world.poll() else { panic!() };
    assert_eq!(to, server(1), "the same server");
    // The datagram's late twin is nothing now.
    let twin = world.reply(0, &[a("big.org", 9)], &[]);
    world.lookup.input(world.now, Via::Datagram, server(1), &twin, &mut world.cache);
    assert!(matches!(world.poll(), Step::Wait(_)));
    world.answer(0, &vec![a("big.org", 9); 100], &[]);
    assert_eq!(world.result().unwrap().data.len(), 100);

    // Where the connection fails the next server is asked.
    let mut world = World::new(&["big.org"], Kind::A, &[1, 2]);
    world.asked();
    world.answer(0x200, &[], &[]);
    assert!(matches!(world.poll(), Step::Stream(..)));
    world.lookup.unreachable(Via::Stream);
    world.asked();
    assert_eq!((world.to, world.via), (server(2), Via::Datagram));
}

/// RFC 2308 §2, §5.
#[test]
fn that_there_is_nothing_is_remembered_as_long_as_the_zone_says() {
    for (flags, error) in [(3, Error::NotFound), (0, Error::NoData)] {
        let mut world = World::new(&["no.org"], Kind::A, &[1]);
        world.asked();
        world.answer(flags, &[], &[soa(600, 20)]);
        assert_eq!(world.result(), Err(error.clone()));
        let mut again = World::with(world.cache, &["no.org"], Kind::A, &[1]);
        assert_eq!(again.result(), Err(error.clone()));
        let mut late = World::with(again.cache, &["no.org"], Kind::A, &[1]);
        late.now += Duration::from_secs(20);
        late.asked();
        // Without an SOA it holds for this once.
        late.answer(flags, &[], &[]);
        assert_eq!(late.result(), Err(error));
        let now = late.now;
        World { now, ..World::with(late.cache, &["no.org"], Kind::A, &[1]) }.asked();
    }
}

#[test]
fn an_alias_of_nothing_is_nothing() {
    let mut world = World::new(&["www.org"], Kind::A, &[1]);
    world.asked();
    world.answer(0, &[cname("www.org", 9, "x.org")], &[soa(60, 60)]);
    assert_eq!(world.result(), Err(Error::NoData));
    let mut world = World::new(&["www.org"], Kind::A, &[1]);
    world.asked();
    world.answer(3, &[cname("www.org", 9, "x.org")], &[soa(60, 60)]);
    assert_eq!(world.result(), Err(Error::NotFound));
}

#[test]
fn the_search_list_is_tried_in_order() {
    let mut world = World::new(&["nas.lan", "nas.org", "nas"], Kind::A, &[1]);
    assert_eq!(world.asked(), "nas.lan");
    world.answer(3, &[], &[]);
    assert_eq!(world.asked(), "nas.org");
    world.answer(0, &[a("nas.org", 9)], &[]);
    assert_eq!(world.result().unwrap().name, name("nas.org"));
    // One of them exists, if without an address: that is what is told.
    let mut world = World::new(&["nas.lan", "nas"], Kind::A, &[1]);
    world.asked();
    world.answer(0, &[], &[]);
    assert_eq!(world.asked(), "nas");
    world.answer(3, &[], &[]);
    assert_eq!(world.result(), Err(Error::NoData));
    // The server does not tell of the first: that the second does not exist is not the answer.
    let mut world = World::new(&["www.org", "www.org.lan"], Kind::A, &[1]);
    world.asked();
    world.answer(5, &[], &[]);
    assert_eq!(world.asked(), "www.org.lan");
    world.answer(3, &[], &[]);
    assert_eq!(world.result(), Err(Error::Server(5)));
}

#[test]
fn a_server_that_fails_is_left_for_the_next() {
    let mut world = World::new(&["www.org"], Kind::A, &[1, 2]);
    world.asked();
    // REFUSED.
    world.answer(5, &[], &[]);
    world.asked();
    assert_eq!((world.to, world.now), (server(2), Instant::from_secs(100)));
    world.answer(0, &[a("www.org", 9)], &[]);
    assert!(world.result().is_ok());
    // All of them: at once, and with the reason.
    let mut world = World::new(&["www.org"], Kind::A, &[1, 2]);
    world.asked();
    world.answer(5, &[], &[]);
    world.asked();
    world.answer(2, &[], &[]);
    assert_eq!(world.result(), Err(Error::Server(2)));
    // An ICMP error says the same sooner than the clock.
    let mut world = World::new(&["www.org"], Kind::A, &[1, 2]);
    world.asked();
    world.lookup.unreachable(Via::Datagram);
    world.asked();
    assert_eq!((world.to, world.now), (server(2), Instant::from_secs(100)));
}

/// RFC 6891 §7.
#[test]
fn a_server_without_edns_is_asked_without() {
    let mut world = World::new(&["www.org"], Kind::A, &[1]);
    world.asked();
    assert_eq!(world.sent[11], 1, "an OPT record");
    // It may not even repeat the question.
    let mut reply = world.sent[..12].to_vec();
    reply[2..].copy_from_slice(&[0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]);
    world.bring(&reply);
    assert_eq!(world.asked(), "www.org");
    assert_eq!((world.to, world.sent[11]), (server(1), 0));
    world.answer(0, &[a("www.org", 9)], &[]);
    assert!(world.result().is_ok());
}

#[test]
fn records_of_other_names_and_kinds_are_not_the_answer() {
    let mut world = World::new(&["www.org"], Kind::A, &[1]);
    world.asked();
    let other = record("www.org", 28, 9, &[0x20; 16]);
    world.answer(0, &[a("evil.org", 9), other.clone()], &[]);
    assert_eq!(world.result(), Err(Error::NoData));
    let mut world = World::new(&["www.org"], Kind::Aaaa, &[1]);
    world.asked();
    world.answer(0, &[a("www.org", 9), other], &[]);
    assert_eq!(world.result().unwrap().data, [Data::Aaaa([0x20; 16].into())]);
}
