//! The address translation: RFC 4787, RFC 5382, RFC 5508.

use std::time::Duration;

use netdev::checksum::Sum;
use netdev::{Checksum, Instant, Packet, Reason, Segmentation};
use proptest::prelude::*;

mod content;
mod errors;
mod forwards;

use super::bench::*;
use crate::{Cause, Change, DropReason, Filtering, Hop, Input, Internet, Nat, Router};

const INSIDE: crate::IfIndex = FAR;
const OUTSIDE: crate::IfIndex = NEAR;

/// Hosts in 10.0.1.0/24 are behind 10.0.0.1, which is on a network with its peers.
fn nat_with(change: impl FnOnce(&mut Nat)) -> Router {
    let mut ip = router();
    let mut nat = Nat::new(INSIDE, OUTSIDE);
    change(&mut nat);
    ip.configure(T0, Change::Nat(Some(nat))).unwrap();
    ip
}

fn nat() -> Router {
    nat_with(|_| {})
}

const SYN: u8 = 2;
const ACK: u8 = 16;
const RST: u8 = 4;
const FIN: u8 = 1;

/// A transport's header with data, and a right checksum.
fn transport(forge: &Forge, head: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = head.to_vec();
    bytes.extend_from_slice(b"some data");
    let len = bytes.len();
    let sum = match forge.protocol {
        1 => Sum::default(),
        protocol => Sum::pseudo_header(forge.src.into(), forge.dst.into(), protocol, len),
    };
    let check = sum.bytes(&bytes).finish();
    bytes[at..at + 2].copy_from_slice(&check.to_be_bytes());
    bytes
}

fn end(text: &str) -> (std::net::Ipv4Addr, u16) {
    let end: std::net::SocketAddrV4 = text.parse().unwrap();
    (*end.ip(), end.port())
}

fn udp(from: &str, to: &str) -> Forge {
    let ((src, sport), (dst, dport)) = (end(from), end(to));
    let mut forge = Forge { src, dst, protocol: 17, ..Forge::default() };
    let [a, b, c, d] = [sport.to_be_bytes(), dport.to_be_bytes()].concat()[..] else { panic!() };
    forge.payload = transport(&forge, &[a, b, c, d, 0, 17, 0, 0], 6);
    forge
}

fn tcp(from: &str, to: &str, flags: u8) -> Forge {
    let ((src, sport), (dst, dport)) = (end(from), end(to));
    let mut forge = Forge { src, dst, protocol: 6, ..Forge::default() };
    let mut head = [0; 20];
    head[..2].copy_from_slice(&sport.to_be_bytes());
    head[2..4].copy_from_slice(&dport.to_be_bytes());
    (head[12], head[13]) = (0x50, flags);
    forge.payload = transport(&forge, &head, 16);
    forge
}

/// An ICMP query: 8 asks, 0 answers.
fn echo(src: &str, dst: &str, kind: u8, id: u16) -> Forge {
    let mut forge = Forge { protocol: 1, ..Forge::between(src, dst) };
    let [a, b] = id.to_be_bytes();
    forge.payload = transport(&forge, &[kind, 0, 0, 0, a, b, 0, 1], 2);
    forge
}

/// An ICMP error that quotes `about`, cut to `len` bytes.
fn error(src: &str, dst: &str, (kind, code): (u8, u8), about: &[u8], len: usize) -> Forge {
    let mut forge = Forge { protocol: 1, ..Forge::between(src, dst) };
    forge.payload = vec![kind, code, 0, 0, 0, 0, 0, 0];
    forge.payload.extend_from_slice(&about[..len.min(about.len())]);
    let check = Sum::default().bytes(&forge.payload).finish();
    forge.payload[2..4].copy_from_slice(&check.to_be_bytes());
    forge
}

/// What was sent, with the endpoints that it names; its transport's checksum must be right.
struct Crossed {
    iface: crate::IfIndex,
    hop: Hop,
    from: String,
    to: String,
    seen: Seen,
    bytes: Vec<u8>,
}

fn crossed(iface: crate::IfIndex, hop: Hop, packet: &Packet) -> Crossed {
    let seen = see(packet);
    let word = |at: usize| u16::from_be_bytes([seen.payload[at], seen.payload[at + 1]]);
    let len = seen.payload.len();
    let sum = match seen.protocol {
        1 => Sum::default(),
        protocol => Sum::pseudo_header(seen.src.into(), seen.dst.into(), protocol, len),
    };
    let unsummed = seen.protocol == 17 && word(6) == 0;
    assert!(unsummed || sum.bytes(&seen.payload).is_valid(), "the transport's checksum");
    let (from, to) = if seen.protocol == 1 { (word(4), word(4)) } else { (word(0), word(2)) };
    let (from, to) = (format!("{}:{from}", seen.src), format!("{}:{to}", seen.dst));
    Crossed { iface, hop, from, to, seen, bytes: packet.to_vec() }
}

/// It crosses, as one datagram.
#[track_caller]
fn crosses_at(ip: &mut Router, now: Instant, iface: crate::IfIndex, forge: &Forge) -> Crossed {
    let (input, mut below) = arrive_at(ip, now, iface, forge.packet());
    assert!(matches!(input, Input::Consumed), "{input:?}");
    let (iface, hop, packet) = below.one();
    crossed(iface, hop, &packet)
}

#[track_caller]
fn crosses(ip: &mut Router, iface: crate::IfIndex, forge: &Forge) -> Crossed {
    crosses_at(ip, T0, iface, forge)
}

#[track_caller]
fn drops_at(ip: &mut Router, now: Instant, iface: crate::IfIndex, forge: &Forge, why: DropReason) {
    let (input, below) = arrive_at(ip, now, iface, forge.packet());
    assert!(matches!(input, Input::Dropped(reason) if reason == why), "{input:?}");
    assert!(below.0.is_empty());
}

#[track_caller]
fn drops(ip: &mut Router, iface: crate::IfIndex, forge: &Forge, why: DropReason) {
    drops_at(ip, T0, iface, forge, why);
}

#[track_caller]
fn is_the_routers(ip: &mut Router, iface: crate::IfIndex, forge: &Forge) {
    let (input, _) = arrive(ip, iface, forge.packet());
    assert!(matches!(input, Input::Deliver(_)), "{input:?}");
}

fn secs(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

/// RFC 4787 REQ-1, REQ-3: one endpoint inside is one outside, whomever it speaks to; and two are
/// two, though they have the same port.
#[test]
fn an_endpoint_inside_is_one_endpoint_outside() {
    let mut ip = nat();
    let out = crosses(&mut ip, INSIDE, &udp("10.0.1.2:20000", "10.0.0.2:53"));
    assert_eq!((out.iface, out.hop), (OUTSIDE, neighbour("10.0.0.2")));
    assert_eq!((&out.from[..], &out.to[..]), ("10.0.0.1:20000", "10.0.0.2:53"));
    assert_eq!(out.seen.ttl, 63);
    let other = crosses(&mut ip, INSIDE, &udp("10.0.1.2:20000", "10.0.0.3:99"));
    assert_eq!(other.from, "10.0.0.1:20000", "whoever is asked");
    let second = crosses(&mut ip, INSIDE, &udp("10.0.1.3:20000", "10.0.0.2:53"));
    assert_ne!(second.from, "10.0.0.1:20000");

    let back = crosses(&mut ip, OUTSIDE, &udp("10.0.0.2:53", &second.from));
    assert_eq!((back.iface, back.hop), (INSIDE, neighbour("10.0.1.3")));
    assert_eq!((&back.from[..], &back.to[..]), ("10.0.0.2:53", "10.0.1.3:20000"));
    let back = crosses(&mut ip, OUTSIDE, &udp("10.0.0.2:53", "10.0.0.1:20000"));
    assert_eq!(back.to, "10.0.1.2:20000");
    assert_eq!(count(&ip, "datagrams translated"), 5);
    let view = ip.nat(T0).unwrap();
    assert_eq!(view.sessions.len(), 3);
    assert_eq!(view.sessions[0].inside, (addr("10.0.1.2"), 20000));
}

/// RFC 4787 REQ-4: RTP goes to an even port and RTCP to the odd one behind it. Ports come from the
/// translation's own range, so that none of the router's sockets loses datagrams.
#[test]
fn a_port_outside_has_the_parity_of_the_one_inside_and_is_of_the_own_range() {
    let mut ip = nat();
    for port in [1, 2, 4998, 4999, 40_000, 65_535] {
        let from = format!("10.0.1.2:{port}");
        let out = crosses(&mut ip, INSIDE, &udp(&from, "10.0.0.2:53"));
        let (_, outside) = end(&out.from);
        assert!((16_384..=32_767).contains(&outside), "{outside}");
        assert_eq!(outside % 2, port % 2, "{port} became {outside}");
    }
}

/// A range of four ports: four hosts fill it, whatever the parity, and the fifth is told so
/// (RFC 5508 REQ-8). The other protocols have ports of their own.
#[test]
fn ports_are_given_once_and_run_out() {
    let mut ip = nat_with(|nat| nat.ports = 20_000..=20_003);
    let mut seen = std::collections::BTreeSet::new();
    for host in 2..6 {
        let from = format!("10.0.1.{host}:5000");
        seen.insert(crosses(&mut ip, INSIDE, &udp(&from, "10.0.0.2:53")).from);
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
    let forge = udp("10.0.1.6:5000", "10.0.0.2:53");
    let (input, _) = arrive(&mut ip, INSIDE, forge.packet());
    let Input::Report(report) = input else { panic!("{input:?}") };
    assert_eq!(report.cause, Cause::Prohibited);
    assert_eq!(report.packet[..], forge.bytes()[..], "as it came");
    assert_eq!(count(&ip, DropReason::NatFull.text()), 1);
    crosses(&mut ip, INSIDE, &tcp("10.0.1.6:5000", "10.0.0.2:80", SYN));
}

#[test]
fn a_port_that_a_socket_of_the_router_has_is_given_to_nobody() {
    let mut ip = nat();
    let out = crosses(&mut ip, INSIDE, &udp("10.0.1.2:17000", "10.0.0.2:53"));
    let port = end(&out.from).1;
    assert!(port != TAKEN && port.is_multiple_of(2), "{port}");
    // What comes for it is the router's own.
    is_the_routers(&mut ip, OUTSIDE, &udp("10.0.0.2:53", "10.0.0.1:17000"));
    is_the_routers(&mut ip, OUTSIDE, &tcp("10.0.0.2:53", "10.0.0.1:17000", SYN));
    // Where it is the only one there is none.
    let mut ip = nat_with(|nat| nat.ports = TAKEN..=TAKEN);
    let (input, _) = arrive(&mut ip, INSIDE, udp("10.0.1.2:5000", "10.0.0.2:53").packet());
    let Input::Report(report) = input else { panic!("{input:?}") };
    assert_eq!(report.cause, Cause::Prohibited);
}

/// RFC 5382 REQ-4: silence, so that two hosts that open at once through translations can meet.
#[test]
fn a_syn_that_nobody_asked_for_is_not_answered() {
    let mut ip = nat();
    let asked = tcp("10.0.0.2:80", "10.0.0.1:20000", SYN);
    drops(&mut ip, OUTSIDE, &asked, DropReason::NatFiltered);
    // The host inside sends one itself: then the other one's is its answer.
    assert_eq!(
        crosses(&mut ip, INSIDE, &tcp("10.0.1.2:20000", "10.0.0.2:80", SYN)).from,
        "10.0.0.1:20000"
    );
    assert_eq!(crosses(&mut ip, OUTSIDE, &asked).to, "10.0.1.2:20000");
    // Ports beyond the translation's, and segments that begin nothing, are the router's to answer.
    is_the_routers(&mut ip, OUTSIDE, &tcp("10.0.0.2:80", "10.0.0.1:80", SYN));
    is_the_routers(&mut ip, OUTSIDE, &tcp("10.0.0.2:80", "10.0.0.1:20001", ACK));
}

/// The table is bounded, and by host too: a host that scans takes its own share alone.
#[test]
fn a_host_that_opens_sessions_without_end_costs_the_others_nothing() {
    let mut ip = nat_with(|nat| (nat.sessions, nat.sessions_per_host) = (100, 50));
    for port in 0..1000 {
        let to = format!("10.0.0.2:{}", port + 1);
        let _ = arrive(&mut ip, INSIDE, udp("10.0.1.2:5000", &to).packet());
    }
    assert_eq!(ip.nat(T0).unwrap().sessions.len(), 50);
    assert_eq!(count(&ip, DropReason::NatFull.text()), 950);
    crosses(&mut ip, INSIDE, &udp("10.0.1.3:5000", "10.0.0.2:53"));
    for host in 4..200 {
        let from = format!("10.0.1.{host}:5000");
        let _ = arrive(&mut ip, INSIDE, udp(&from, "10.0.0.2:53").packet());
    }
    assert_eq!(ip.nat(T0).unwrap().sessions.len(), 100);
    // When they have ended there is room again.
    let _ = ip.poll(secs(301), &mut Below::default());
    assert_eq!(ip.nat(secs(301)).unwrap().sessions.len(), 0);
    crosses_at(&mut ip, secs(301), INSIDE, &udp("10.0.1.2:5000", "10.0.0.2:53"));
}

/// RFC 4787 REQ-8.
#[test]
fn who_may_answer_is_as_the_filtering_says() {
    use Filtering::*;
    for (filtering, other_port, stranger) in [
        (EndpointIndependent, true, true),
        (AddressDependent, true, false),
        (AddressAndPortDependent, false, false),
    ] {
        let mut ip = nat_with(|nat| nat.filtering = filtering);
        let own = crosses(&mut ip, INSIDE, &udp("10.0.1.2:20000", "10.0.0.2:53")).from;
        crosses(&mut ip, OUTSIDE, &udp("10.0.0.2:53", &own));
        for (from, may) in [("10.0.0.2:54", other_port), ("10.0.0.3:53", stranger)] {
            let forge = udp(from, &own);
            if may {
                assert_eq!(crosses(&mut ip, OUTSIDE, &forge).to, "10.0.1.2:20000");
            } else {
                drops(&mut ip, OUTSIDE, &forge, DropReason::NatFiltered);
            }
        }
    }
}

/// What no mapping has is the router's, and what goes to an address inside goes nowhere.
#[test]
fn nothing_comes_in_that_nobody_asked_for() {
    let mut ip = nat();
    is_the_routers(&mut ip, OUTSIDE, &udp("10.0.0.2:53", "10.0.0.1:20000"));
    is_the_routers(&mut ip, OUTSIDE, &tcp("10.0.0.2:53", "10.0.0.1:22", SYN));
    is_the_routers(&mut ip, INSIDE, &udp("10.0.1.2:53", "10.0.0.1:53"));
    is_the_routers(&mut ip, INSIDE, &udp("10.0.1.2:53", "10.0.1.1:53"));
    drops(&mut ip, OUTSIDE, &udp("10.0.0.2:53", "10.0.1.2:20000"), DropReason::NatFiltered);
    let gre = Forge { protocol: 47, ..Forge::between("10.0.1.2", "10.0.0.2") };
    drops(&mut ip, INSIDE, &gre, DropReason::NatProtocol);
}

/// RFC 4787 REQ-5, REQ-6: what goes out keeps a mapping; what comes in does not.
#[test]
fn a_udp_mapping_lives_as_long_as_it_is_used_from_inside() {
    let mut ip = nat();
    let (out, answer) =
        (udp("10.0.1.2:20000", "10.0.0.2:53"), udp("10.0.0.2:53", "10.0.0.1:20000"));
    crosses(&mut ip, INSIDE, &out);
    crosses_at(&mut ip, secs(200), INSIDE, &out);
    crosses_at(&mut ip, secs(499), OUTSIDE, &answer);
    let _ = ip.poll(secs(499), &mut Below::default());
    assert_eq!(ip.poll_at(), Some(secs(500)));
    let (input, _) = arrive_at(&mut ip, secs(500), OUTSIDE, answer.packet());
    assert!(matches!(input, Input::Deliver(_)), "no longer mapped: {input:?}");
}

/// RFC 5382 REQ-5: two hours and four minutes while it is established, four minutes before and
/// after.
#[test]
fn a_connection_is_kept_as_long_as_its_state_says() {
    let timeout = |ip: &Router| ip.nat(T0).unwrap().sessions[0].timeout;
    let (minutes, established) = (Duration::from_secs(240), Duration::from_secs(7440));
    let mut ip = nat();
    let (here, there, own) = ("10.0.1.2:20000", "10.0.0.2:80", "10.0.0.1:20000");
    crosses(&mut ip, INSIDE, &tcp(here, there, SYN));
    assert_eq!(timeout(&ip), minutes);
    crosses(&mut ip, OUTSIDE, &tcp(there, own, SYN | ACK));
    crosses(&mut ip, INSIDE, &tcp(here, there, ACK));
    assert_eq!(timeout(&ip), established);
    assert!(ip.nat(T0).unwrap().sessions[0].established);
    // A reset that was forged: the connection goes on.
    crosses(&mut ip, OUTSIDE, &tcp(there, own, RST));
    assert_eq!(timeout(&ip), minutes);
    crosses(&mut ip, INSIDE, &tcp(here, there, ACK));
    assert_eq!(timeout(&ip), established);
    crosses(&mut ip, INSIDE, &tcp(here, there, FIN | ACK));
    assert_eq!(timeout(&ip), established, "half closed");
    crosses(&mut ip, OUTSIDE, &tcp(there, own, FIN | ACK));
    assert_eq!(timeout(&ip), minutes);
    assert_eq!(ip.poll_at(), Some(secs(240)));
    // The same ports once more.
    crosses_at(&mut ip, secs(100), INSIDE, &tcp(here, there, SYN));
    crosses_at(&mut ip, secs(100), OUTSIDE, &tcp(there, own, SYN | ACK));
    let _ = ip.poll(secs(7539), &mut Below::default());
    assert_eq!(ip.nat(secs(7539)).unwrap().sessions.len(), 1);
    let _ = ip.poll(secs(7540), &mut Below::default());
    assert_eq!(ip.nat(secs(7540)).unwrap().sessions.len(), 0);
    assert_eq!(ip.poll_at(), None);
}

/// A segment of no connection makes no session, whichever way it goes.
#[test]
fn a_connection_begins_with_a_syn() {
    let mut ip = nat();
    let (here, there) = ("10.0.1.2:20000", "10.0.0.2:80");
    for flags in [ACK, RST, FIN | ACK, SYN | RST] {
        drops(&mut ip, INSIDE, &tcp(here, there, flags), DropReason::NatFiltered);
    }
    assert!(ip.nat(T0).unwrap().sessions.is_empty());
    crosses(&mut ip, INSIDE, &tcp(here, there, SYN));
    let (stray, own) = ("10.0.0.2:81", "10.0.0.1:20000");
    drops(&mut ip, OUTSIDE, &tcp(stray, own, ACK), DropReason::NatFiltered);
    // RFC 5382 REQ-2: a connection that both begin at once; from the host that was asked.
    crosses(&mut ip, OUTSIDE, &tcp(there, own, SYN));
    crosses(&mut ip, OUTSIDE, &tcp(stray, own, SYN));
    drops(&mut ip, OUTSIDE, &tcp("10.0.0.3:80", own, SYN), DropReason::NatFiltered);
}

/// RFC 5508 REQ-1, REQ-2: queries are told apart by their identifiers, for sixty seconds.
#[test]
fn two_hosts_ping_with_one_identifier() {
    let mut ip = nat();
    let first = crosses(&mut ip, INSIDE, &echo("10.0.1.2", "10.0.0.2", 8, 20_000)).from;
    let second = crosses(&mut ip, INSIDE, &echo("10.0.1.3", "10.0.0.2", 8, 20_000)).from;
    assert_ne!(first, second);
    let (_, id) = end(&second);
    let back = crosses(&mut ip, OUTSIDE, &echo("10.0.0.2", "10.0.0.1", 0, id));
    assert_eq!(back.to, "10.0.1.3:20000");
    // Whoever was not asked does not answer; and the router answers for itself.
    drops(&mut ip, OUTSIDE, &echo("10.0.0.3", "10.0.0.1", 0, id), DropReason::NatFiltered);
    is_the_routers(&mut ip, OUTSIDE, &echo("10.0.0.2", "10.0.0.1", 8, id));
    is_the_routers(&mut ip, INSIDE, &echo("10.0.1.2", "10.0.0.1", 8, id));
    let _ = ip.poll(secs(60), &mut Below::default());
    assert!(ip.nat(secs(60)).unwrap().sessions.is_empty());
}

/// RFC 4787 REQ-9 a: by their outside endpoints, and both see only those.
#[test]
fn two_hosts_inside_reach_each_other_by_their_outside_endpoints() {
    let mut ip = nat();
    let a = crosses(&mut ip, INSIDE, &udp("10.0.1.2:5001", "10.0.0.2:53")).from;
    let b = crosses(&mut ip, INSIDE, &udp("10.0.1.3:5001", "10.0.0.2:53")).from;
    // Filtered as anybody, until the other has sent too.
    drops(&mut ip, INSIDE, &udp("10.0.1.2:5001", &b), DropReason::NatFiltered);
    let to_a = crosses(&mut ip, INSIDE, &udp("10.0.1.3:5001", &a));
    assert_eq!((to_a.iface, &to_a.from[..], &to_a.to[..]), (INSIDE, &b[..], "10.0.1.2:5001"));
    let to_b = crosses(&mut ip, INSIDE, &udp("10.0.1.2:5001", &b));
    assert_eq!((&to_b.from[..], &to_b.to[..]), (&a[..], "10.0.1.3:5001"));
    // RFC 5508 REQ-7: and its error comes back the same way.
    let told = error("10.0.1.3", "10.0.0.1", (3, 3), &to_b.bytes, 200);
    let back = crosses(&mut ip, INSIDE, &told);
    assert_eq!((back.seen.src, back.seen.dst), (v4("10.0.0.1"), v4("10.0.1.2")));
    let quote = see(&back.seen.payload[8..]);
    let sent = udp("10.0.1.2:5001", &b);
    assert_eq!((quote.src, quote.dst, quote.payload), (sent.src, sent.dst, sent.payload));
}

/// `ifconfig` changes the outside address: what was mapped to the old one is forgotten. So is all
/// of it with either interface.
#[test]
fn mappings_go_with_their_address() {
    let mut ip = nat();
    crosses(&mut ip, INSIDE, &udp("10.0.1.2:20000", "10.0.0.2:53"));
    ip.configure(T0, Change::SetInterface(eth(OUTSIDE, "10.0.0.7/24", 1500))).unwrap();
    assert!(ip.nat(T0).unwrap().sessions.is_empty());
    let out = crosses(&mut ip, INSIDE, &udp("10.0.1.2:20000", "10.0.0.2:53"));
    assert_eq!(out.from, "10.0.0.7:20000");
    ip.configure(T0, Change::RemoveInterface(INSIDE)).unwrap();
    assert!(ip.nat(T0).is_none());
    for (inside, outside) in [(LO, OUTSIDE), (INSIDE, OUTSIDE), (OUTSIDE, OUTSIDE)] {
        let nat = Change::Nat(Some(Nat::new(inside, outside)));
        assert!(ip.configure(T0, nat).is_err(), "{inside} to {outside}");
    }
}
