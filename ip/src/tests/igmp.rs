//! IGMP, the host's side: RFC 3376, RFC 2236, RFC 1112 appendix I.

use std::time::Duration;

use netdev::checksum::Sum;
use netdev::{Cast, Instant, Packet, Reason};
use proptest::prelude::*;

use super::bench::*;
use crate::{Change, Config, DropReason, Hop, Input, Internet, Router};

const GROUP: &str = "239.1.2.3";
const OTHER: &str = "239.1.2.4";

/// A host, its clock, and what it sent.
struct Bench {
    ip: Router,
    now: Instant,
}

/// A message that left: when, where to, and its bytes.
#[derive(Debug, PartialEq)]
struct Said(Instant, String, Vec<u8>);

impl Bench {
    fn new() -> Bench {
        let mut ip = Router::new(Config::default(), 7);
        configured(&mut ip);
        Bench { ip, now: T0 }
    }

    fn join(&mut self, group: &str) {
        self.ip.configure(self.now, Change::Join(NEAR, addr(group))).unwrap();
    }

    fn leave(&mut self, group: &str) {
        self.ip.configure(self.now, Change::Leave(NEAR, addr(group))).unwrap();
    }

    /// Time passes; gives what was said meanwhile.
    fn pass(&mut self, secs: u64) -> Vec<Said> {
        let end = self.now + Duration::from_secs(secs);
        let mut said = Vec::new();
        for turn in 0.. {
            assert!(turn < 1000, "it runs in circles");
            let Some(at) = self.ip.poll_at().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            let mut below = Below::default();
            let _ = self.ip.poll(self.now, &mut below);
            said.extend(below.0.into_iter().map(|sent| self.said(sent)));
        }
        self.now = end;
        said
    }

    /// RFC 3376 §4, RFC 2236 §2: a TTL of one, and a Router Alert.
    fn said(&self, (iface, hop, packet): (crate::IfIndex, Hop, Packet)) -> Said {
        let seen = see(&packet);
        assert_eq!((iface, hop), (NEAR, Hop::Group(seen.dst.into())));
        assert_eq!((seen.protocol, seen.ttl, seen.tos), (2, 1, 0xc0));
        assert_eq!(seen.options, [148, 4, 0, 0]);
        assert_eq!(seen.src, v4("10.0.0.1"));
        assert!(Sum::default().bytes(&seen.payload).is_valid());
        Said(self.now, seen.dst.to_string(), seen.payload)
    }

    fn hear_from(&mut self, src: &str, dst: &str, options: &[u8], message: &[u8]) -> Input {
        let mut payload = message.to_vec();
        let check = Sum::default().bytes(&payload).finish();
        payload[2..4].copy_from_slice(&check.to_be_bytes());
        let forge = Forge {
            protocol: 2,
            ttl: 1,
            options: options.to_vec(),
            payload,
            ..Forge::between(src, dst)
        };
        self.ip.input(self.now, NEAR, Cast::Multicast, forge.packet(), &mut Below::default())
    }

    /// From a router on the link, as it has to be.
    fn hear(&mut self, dst: &str, message: &[u8]) {
        let input = self.hear_from("10.0.0.254", dst, &[148, 4, 0, 0], message);
        assert!(matches!(input, Input::Deliver(_)), "raw sockets get a copy: {input:?}");
    }

    fn bad(&self) -> u64 {
        count(&self.ip, DropReason::Igmp.text())
    }
}

fn octets(group: &str) -> [u8; 4] {
    v4(group).octets()
}

fn query3(group: &str, code: u8, sources: &[&str]) -> Vec<u8> {
    let mut bytes =
        [&[0x11, code, 0, 0][..], &octets(group), &[2, 125, 0, sources.len() as u8]].concat();
    bytes.extend(sources.iter().flat_map(|source| octets(source)));
    bytes
}

fn query2(group: &str, code: u8) -> Vec<u8> {
    [&[0x11, code, 0, 0][..], &octets(group)].concat()
}

/// A version 3 report's records: type, group, sources.
fn records(report: &[u8]) -> Vec<(u8, String, usize)> {
    assert_eq!(report[0], 0x22);
    let count = usize::from(report[7]);
    let mut at = 8;
    let mut all = Vec::new();
    for _ in 0..count {
        let sources = usize::from(report[at + 3]);
        let group: [u8; 4] = report[at + 4..at + 8].try_into().unwrap();
        all.push((report[at], std::net::Ipv4Addr::from(group).to_string(), sources));
        at += 8 + 4 * sources;
    }
    assert_eq!(at, report.len());
    all
}

fn record(kind: u8, group: &str) -> Vec<(u8, String, usize)> {
    vec![(kind, group.to_string(), 0)]
}

/// RFC 3376 §5.1: at once, and once more within a second, for one report may be lost.
#[test]
fn a_join_and_a_leave_are_told_twice() {
    let mut bench = Bench::new();
    bench.join(GROUP);
    for (change, kind) in [("join", 4), ("leave", 3)] {
        if change == "leave" {
            bench.leave(GROUP);
        }
        let start = bench.now;
        let said = bench.pass(10);
        assert_eq!(said.len(), 2, "{change}: {said:?}");
        assert_eq!(said[0].0, start);
        assert!(said[1].0 - start <= Duration::from_secs(1));
        for Said(_, to, report) in &said {
            assert_eq!((&to[..], records(report)), ("224.0.0.22", record(kind, GROUP)));
        }
    }
    assert_eq!(count(&bench.ip, "IGMP messages sent"), 4);
    assert_eq!(bench.ip.poll_at(), None);
}

/// The first join of several counts, and the last leave; and the group of all hosts never does
/// (RFC 3376 §5). Nor does a loopback interface have routers.
#[test]
fn only_the_hosts_membership_is_told() {
    let mut bench = Bench::new();
    bench.join(GROUP);
    let _ = bench.pass(10);
    bench.join(GROUP);
    bench.leave(GROUP);
    bench.join("224.0.0.1");
    bench.ip.configure(bench.now, Change::Join(LO, addr(GROUP))).unwrap();
    assert_eq!(bench.pass(10), []);
    bench.leave(GROUP);
    assert_eq!(bench.pass(10).len(), 2);
}

/// RFC 3376 §5.2: one report for all groups, at a random time that hosts do not share.
#[test]
fn a_general_query_is_answered_for_all_groups_within_its_time() {
    let mut delays = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let mut bench = Bench::new();
        bench.ip = Router::new(Config::default(), delays.len() as u64);
        configured(&mut bench.ip);
        bench.join(GROUP);
        bench.join(OTHER);
        let _ = bench.pass(10);
        let start = bench.now;
        bench.hear("224.0.0.1", &query3("0.0.0.0", 100, &[]));
        let said = bench.pass(20);
        assert_eq!(said.len(), 1, "{said:?}");
        let both = vec![(2, GROUP.to_string(), 0), (2, OTHER.to_string(), 0)];
        assert_eq!(records(&said[0].2), both);
        assert!(said[0].0 - start <= Duration::from_secs(10));
        delays.insert(said[0].0 - start);
    }
    assert!(delays.len() > 10, "{delays:?}");
}

/// RFC 3376 §5.2, rules 1 to 5.
#[test]
fn a_groups_query_is_answered_for_it_and_for_the_sources_that_it_names() {
    let mut bench = Bench::new();
    bench.join(GROUP);
    bench.join(OTHER);
    let _ = bench.pass(10);
    bench.hear(GROUP, &query3(GROUP, 10, &[]));
    let said = bench.pass(1);
    assert_eq!((said.len(), records(&said[0].2)), (1, record(2, GROUP)));
    // Of the sources that are asked for, all are wanted.
    bench.hear(GROUP, &query3(GROUP, 10, &["192.0.2.1", "192.0.2.2"]));
    bench.hear(GROUP, &query3(GROUP, 10, &["192.0.2.2", "192.0.2.3"]));
    let said = bench.pass(1);
    assert_eq!((said.len(), records(&said[0].2)), (1, vec![(1, GROUP.to_string(), 3)]));
    // A question for the whole group includes them; so does one for all groups that is due sooner.
    bench.hear(GROUP, &query3(GROUP, 10, &["192.0.2.1"]));
    bench.hear(GROUP, &query3(GROUP, 10, &[]));
    let said = bench.pass(1);
    assert_eq!((said.len(), records(&said[0].2)), (1, record(2, GROUP)));
    bench.hear("224.0.0.1", &query3("0.0.0.0", 0, &[]));
    bench.hear(GROUP, &query3(GROUP, 10, &[]));
    let said = bench.pass(2);
    assert_eq!((said.len(), records(&said[0].2).len()), (1, 2));
    // Nobody here is a member of another.
    let _ =
        bench.hear_from("10.0.0.254", "239.9.9.9", &[148, 4, 0, 0], &query3("239.9.9.9", 10, &[]));
    let _ =
        bench.hear_from("10.0.0.254", "10.0.0.1", &[148, 4, 0, 0], &query3("239.9.9.9", 10, &[]));
    assert_eq!(bench.pass(2), []);
}

/// RFC 3376 §5.2: what a query wants to know of a group, nobody tells once the host has left it.
#[test]
fn a_leave_takes_the_answer_with_it() {
    let mut bench = Bench::new();
    bench.join(GROUP);
    let _ = bench.pass(10);
    bench.hear(GROUP, &query3(GROUP, 100, &[]));
    bench.leave(GROUP);
    let told = |said: Vec<Said>| -> Vec<_> {
        said.iter().flat_map(|said| records(&said.2)).map(|(kind, ..)| kind).collect()
    };
    assert_eq!(told(bench.pass(20)), [3, 3]);
}

/// The deviation: of more than [`MOST_SOURCES`](crate::igmp) sources, all are told of.
#[test]
fn too_many_sources_are_answered_for_all_of_them() {
    for (count, told) in [(64, 64), (65, 0), (66, 0)] {
        let mut bench = Bench::new();
        bench.join(GROUP);
        let _ = bench.pass(10);
        let sources: Vec<_> = (1..=count).map(|host| format!("192.0.2.{host}")).collect();
        let sources: Vec<_> = sources.iter().map(String::as_str).collect();
        bench.hear(GROUP, &query3(GROUP, 10, &sources));
        let said = bench.pass(1);
        let kind = if told == 0 { 2 } else { 1 };
        assert_eq!(records(&said[0].2), vec![(kind, GROUP.to_string(), told)]);
    }
}

/// RFC 3376 §4.1.1: seven bits of number, or a floating point of up to 3174.4 s.
#[test]
fn long_response_times_are_floating_point() {
    let mut bench = Bench::new();
    bench.join(GROUP);
    let _ = bench.pass(10);
    let latest = (0..40).map(|_| {
        bench.hear("224.0.0.1", &query3("0.0.0.0", 0x9f, &[]));
        let start = bench.now;
        bench.pass(200)[0].0 - start
    });
    // 0x1f << 4 tenths: 49.6 s.
    let latest = latest.max().unwrap();
    assert!(
        (Duration::from_secs(30)..=Duration::from_millis(49_600)).contains(&latest),
        "{latest:?}"
    );
}

/// RFC 3376 §7.2.1, RFC 2236 §3: a report to the group itself, and a leave to all routers.
#[test]
fn a_version_2_router_is_spoken_to_in_version_2() {
    let mut bench = Bench::new();
    bench.join(GROUP);
    let _ = bench.pass(10);
    bench.hear("224.0.0.1", &query2("0.0.0.0", 100));
    let said = bench.pass(10);
    assert_eq!(said.len(), 1);
    let report =
        |kind: u8, group: &str| [&[kind, 0][..], &said[0].2[2..4], &octets(group)].concat();
    assert_eq!((&said[0].1[..], &said[0].2), (GROUP, &report(0x16, GROUP)));
    bench.join(OTHER);
    let joined = bench.pass(20);
    assert!(joined.len() == 2 && joined.iter().all(|said| said.1 == OTHER && said.2[0] == 0x16));
    bench.leave(GROUP);
    let left = bench.pass(20);
    assert_eq!((left.len(), &left[0].1[..], left[0].2[0]), (1, "224.0.0.2", 0x17));
    assert_eq!(left[0].2[4..], octets(GROUP));
    // RFC 3376 §8.12: twice the query interval and the response time later it is forgotten.
    let _ = bench.pass(260);
    bench.leave(OTHER);
    assert_eq!(records(&bench.pass(5)[0].2), record(3, OTHER));
}

/// RFC 2236 §3: another member's report is as good; and who was not the last to report does not
/// say that it leaves.
#[test]
fn another_members_report_silences_this_one_in_version_2() {
    let mut bench = Bench::new();
    bench.join(GROUP);
    let _ = bench.pass(10);
    let report = [&[0x16, 0, 0, 0][..], &octets(GROUP)].concat();
    bench.hear("224.0.0.1", &query2("0.0.0.0", 100));
    let _ = bench.hear_from("10.0.0.9", GROUP, &[], &report);
    assert_eq!(bench.pass(20), []);
    bench.leave(GROUP);
    assert_eq!(bench.pass(20), []);

    // RFC 2236 §10: not by a forged one from elsewhere.
    let mut bench = Bench::new();
    bench.join(GROUP);
    let _ = bench.pass(10);
    bench.hear("224.0.0.1", &query2("0.0.0.0", 100));
    let _ = bench.hear_from("192.0.2.9", GROUP, &[], &report);
    assert_eq!((bench.pass(20).len(), bench.bad()), (1, 1));
}

/// RFC 1112 appendix I, RFC 2236 §4: a query that leaves the time zero; nothing is said on leaving.
#[test]
fn a_version_1_router_is_spoken_to_in_version_1() {
    let mut bench = Bench::new();
    bench.join(GROUP);
    let _ = bench.pass(10);
    let _ = bench.hear_from("10.0.0.254", "224.0.0.1", &[], &query2("0.0.0.0", 0));
    let said = bench.pass(10);
    assert_eq!((said.len(), &said[0].1[..], said[0].2[0]), (1, GROUP, 0x12));
    bench.leave(GROUP);
    assert_eq!(bench.pass(20), []);
}

/// RFC 3376 §9.1, RFC 2236 §10; and what is cut short or damaged.
#[test]
fn a_query_that_no_router_sends_is_ignored() {
    let mut bench = Bench::new();
    bench.join(GROUP);
    let _ = bench.pass(10);
    let alert = &[148, 4, 0, 0][..];
    for (dst, options, message) in [
        ("224.0.0.1", &[][..], query3("0.0.0.0", 0, &[])),
        ("224.0.0.1", &[], query2("0.0.0.0", 1)),
        (GROUP, alert, query3("0.0.0.0", 0, &[])),
        ("224.0.0.1", alert, query3(GROUP, 0, &[])),
        ("224.0.0.1", alert, query3("10.0.0.1", 0, &[])),
        ("224.0.0.1", alert, query3("0.0.0.0", 0, &["192.0.2.1"])),
        ("224.0.0.1", alert, query3("0.0.0.0", 0, &[])[..10].to_vec()),
        (GROUP, alert, query3(GROUP, 0, &["192.0.2.1"])[..14].to_vec()),
        ("224.0.0.1", alert, query2("0.0.0.0", 1)[..6].to_vec()),
    ] {
        let before = bench.bad();
        let _ = bench.hear_from("10.0.0.254", dst, options, &message);
        assert_eq!((bench.pass(20), bench.bad()), (vec![], before + 1), "{message:?}");
    }
    // A wrong checksum, beside which nothing is wrong.
    let before = bench.bad();
    let damaged = Forge {
        protocol: 2,
        ttl: 1,
        options: alert.to_vec(),
        payload: query2("0.0.0.0", 9),
        ..Forge::between("10.0.0.254", "224.0.0.1")
    };
    let _ =
        bench.ip.input(bench.now, NEAR, Cast::Multicast, damaged.packet(), &mut Below::default());
    assert_eq!((bench.pass(20), bench.bad()), (vec![], before + 1));
}

/// Routers behind an interface that was down know nothing.
#[test]
fn memberships_are_told_again_when_a_link_comes_up() {
    let mut bench = Bench::new();
    bench.join(GROUP);
    let _ = bench.pass(10);
    let down = crate::Interface { up: false, ..eth(NEAR, "10.0.0.1/24", 1500) };
    bench.ip.configure(bench.now, Change::SetInterface(down)).unwrap();
    assert_eq!(bench.pass(10), []);
    bench.ip.configure(bench.now, Change::SetInterface(eth(NEAR, "10.0.0.1/24", 1500))).unwrap();
    assert_eq!(records(&bench.pass(10)[0].2), record(4, GROUP));
}

/// RFC 3376 §4.2.16: as many reports as it takes, each of the link's size.
#[test]
fn a_report_is_no_longer_than_the_link_takes() {
    let mut bench = Bench::new();
    for n in 0..250 {
        bench.join(&format!("239.0.0.{n}"));
    }
    let _ = bench.pass(10);
    bench.hear("224.0.0.1", &query3("0.0.0.0", 10, &[]));
    let said = bench.pass(10);
    assert_eq!(said.len(), 2);
    assert!(said.iter().all(|said| said.2.len() + 24 <= 1500));
    assert_eq!(said.iter().map(|said| records(&said.2).len()).sum::<usize>(), 250);
}

proptest! {
    #[test]
    fn arbitrary_messages_do_no_harm(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 4..40), 0..40),
    ) {
        let mut bench = Bench::new();
        bench.join(GROUP);
        for mut message in messages {
            message[0] = 0x11;
            let dst = if message.len() % 2 == 0 { "224.0.0.1" } else { GROUP };
            let _ = bench.hear_from("10.0.0.254", dst, &[148, 4, 0, 0], &message);
        }
        prop_assert!(bench.pass(10_000).len() < 50);
    }
}
