//! What ICMP errors teach: path MTUs (RFC 1191) and redirects (RFC 1122 §3.2.2.2).

use std::time::Duration;

use netdev::{Instant, Packet};

use super::bench::*;
use crate::{Cause, Config, Header, Internet, Protocol, Quoted, RouteOrigin, Router};

const REMOTE: &str = "192.0.2.1";

fn host() -> Router {
    let mut ip = Router::new(Config::default(), 7);
    configured(&mut ip);
    ip
}

fn quoted(dst: &str, len: usize) -> Quoted {
    let forge = Forge { payload: vec![0; len - 20], ..Forge::between("10.0.0.1", dst) };
    Quoted::parse(&forge.bytes()).unwrap()
}

fn too_long(ip: &mut Router, at: Instant, mtu: u16, quoted: &Quoted) {
    ip.error(at, addr("203.0.113.9"), Cause::FragmentationNeeded { mtu }, quoted);
}

fn mtu(ip: &Router, at: Instant, dst: &str) -> usize {
    ip.route(at, addr(dst), None).unwrap().mtu
}

/// RFC 1191 §3, §6.3.
#[test]
fn a_path_mtu_is_lowered_used_and_forgotten() {
    let mut ip = host();
    too_long(&mut ip, T0, 1400, &quoted(REMOTE, 1500));
    assert_eq!(mtu(&ip, T0, REMOTE), 1400);
    assert_eq!(mtu(&ip, T0, "192.0.2.2"), 1500, "another destination's stays");

    let header = Header::new(addr("0.0.0.0"), addr(REMOTE), Protocol::UDP);
    let df = Header { dont_fragment: true, ..header.clone() };
    let data = Packet::from_payload(&[0; 1400]);
    let error = ip.send(T0, &df, data.clone(), &mut Below::default()).unwrap_err();
    assert_eq!(error.cause, Cause::FragmentationNeeded { mtu: 1400 });
    let mut below = Below::default();
    ip.send(T0, &header, data, &mut below).unwrap();
    assert_eq!(below.0.iter().map(|out| out.2.len()).collect::<Vec<_>>(), [1396, 44]);

    let later = T0 + Duration::from_secs(600);
    assert_eq!(mtu(&ip, Instant::from_nanos(later.nanos() - 1), REMOTE), 1400);
    assert_eq!(mtu(&ip, later, REMOTE), 1500, "RFC 1191 §6.3: after ten minutes it is tried again");
}

/// RFC 1191 §3: "A host MUST not increase its estimate of the Path MTU in response".
#[test]
fn a_path_mtu_is_never_raised_nor_brought_under_68() {
    let mut ip = host();
    too_long(&mut ip, T0, 1000, &quoted(REMOTE, 1500));
    too_long(&mut ip, T0, 1200, &quoted(REMOTE, 1500));
    assert_eq!(mtu(&ip, T0, REMOTE), 1000);
    too_long(&mut ip, T0, 20, &quoted(REMOTE, 1000));
    assert_eq!(mtu(&ip, T0, REMOTE), 68);
    assert_eq!(count(&ip, "path MTUs lowered"), 2);
    assert_eq!(count(&ip, "path MTUs and redirects ignored"), 1);
}

#[test]
fn a_message_that_cannot_be_true_changes_nothing() {
    let mut ip = host();
    // Shorter than what is said to be allowed.
    too_long(&mut ip, T0, 1400, &quoted(REMOTE, 1400));
    // Not from this host.
    let foreign = Quoted { src: addr("10.0.0.7"), ..quoted(REMOTE, 1500) };
    too_long(&mut ip, T0, 1400, &foreign);
    // To this host, and to everybody.
    too_long(&mut ip, T0, 1400, &quoted("127.0.0.1", 1500));
    too_long(&mut ip, T0, 1400, &quoted("10.0.0.1", 1500));
    assert_eq!(mtu(&ip, T0, REMOTE), 1500);
    assert_eq!(mtu(&ip, T0, "127.0.0.1"), 65535);
    assert_eq!(count(&ip, "path MTUs and redirects ignored"), 4);
    // The other causes are the transport's.
    ip.error(T0, addr(REMOTE), Cause::PortUnreachable, &quoted(REMOTE, 100));
    assert_eq!(count(&ip, "path MTUs and redirects ignored"), 4);
}

#[test]
fn what_is_learnt_is_bounded_and_the_oldest_goes_first() {
    let mut ip = Router::new(Config { learnt_entries: 10, ..Config::default() }, 7);
    configured(&mut ip);
    let dsts: Vec<String> = (1..=20).map(|i| format!("192.0.2.{i}")).collect();
    for (index, dst) in dsts.iter().enumerate() {
        too_long(&mut ip, Instant::from_secs(index as u64), 1400, &quoted(dst, 1500));
    }
    let now = Instant::from_secs(20);
    let known: Vec<bool> = dsts.iter().map(|dst| mtu(&ip, now, dst) == 1400).collect();
    assert_eq!(known, [[false; 10], [true; 10]].concat());
}

fn redirect(ip: &mut Router, from: &str, gateway: &str) {
    let cause = Cause::Redirect { gateway: addr(gateway), host: false };
    ip.error(T0, addr(from), cause, &quoted(REMOTE, 100));
}

fn hop(ip: &Router, at: Instant) -> crate::Hop {
    ip.route(at, addr(REMOTE), None).unwrap().hop
}

/// RFC 1122 §3.2.2.2: a host route, by the gateway it names.
#[test]
fn a_redirect_of_the_present_gateway_is_followed_for_a_while() {
    let mut ip = host();
    redirect(&mut ip, "10.0.0.254", "10.0.0.253");
    assert_eq!(hop(&ip, T0), neighbour("10.0.0.253"));
    let other = ip.route(T0, addr("192.0.2.2"), None).unwrap();
    assert_eq!(other.hop, neighbour("10.0.0.254"), "for the one destination only");
    let route = ip.routes().into_iter().find(|r| r.origin == RouteOrigin::Redirect).unwrap();
    assert_eq!((route.dst, route.gateway), (cidr("192.0.2.1/32"), Some(addr("10.0.0.253"))));
    assert_eq!(count(&ip, "redirects followed"), 1);

    // Now the second gateway is the present one.
    redirect(&mut ip, "10.0.0.254", "10.0.0.252");
    assert_eq!(hop(&ip, T0), neighbour("10.0.0.253"));
    redirect(&mut ip, "10.0.0.253", "10.0.0.252");
    assert_eq!(hop(&ip, T0), neighbour("10.0.0.252"));

    let later = T0 + Duration::from_secs(600);
    assert_eq!(hop(&ip, later), neighbour("10.0.0.254"));
    let _ = ip.poll(later, &mut Below::default());
    assert!(ip.routes().iter().all(|route| route.origin != RouteOrigin::Redirect));
}

#[test]
fn an_implausible_redirect_is_ignored() {
    for (from, gateway, why) in [
        ("10.0.0.9", "10.0.0.253", "not from the gateway"),
        ("10.0.0.254", "10.1.0.1", "not to a neighbour"),
        ("10.0.0.254", "10.0.0.254", "to itself"),
        ("10.0.0.254", "10.0.0.1", "to this host"),
        ("10.0.0.254", "10.0.0.255", "to everybody"),
        ("10.0.0.254", "224.0.0.1", "to a group"),
    ] {
        let mut ip = host();
        redirect(&mut ip, from, gateway);
        assert_eq!(hop(&ip, T0), neighbour("10.0.0.254"), "{why}");
        assert_eq!(count(&ip, "path MTUs and redirects ignored"), 1, "{why}");
    }
    // About a neighbour there is nothing to tell.
    let mut ip = host();
    let cause = Cause::Redirect { gateway: addr("10.0.0.253"), host: true };
    ip.error(T0, addr("10.0.0.2"), cause, &quoted("10.0.0.2", 100));
    let route = ip.route(T0, addr("10.0.0.2"), None).unwrap();
    assert_eq!(route.hop, neighbour("10.0.0.2"));
}
