//! Ports that belong to servers inside.

use super::*;
use crate::{Error, PortForward, Protocol};

fn forward(protocol: Protocol, port: u16, to: &str) -> Change {
    let (addr, to) = end(to);
    Change::Forward(PortForward { protocol, port, to: (addr.into(), to) })
}

/// Of 10.0.0.1 the ports TCP 80 and UDP 53 are those of 10.0.1.2 with the numbers 8080 and 5353.
fn forwarding() -> Router {
    let mut ip = nat();
    ip.configure(T0, forward(Protocol::TCP, 80, "10.0.1.2:8080")).unwrap();
    ip.configure(T0, forward(Protocol::UDP, 53, "10.0.1.2:5353")).unwrap();
    ip
}

/// Everybody may, whatever the filtering; and the server is one endpoint outside (RFC 4787 REQ-1),
/// which answers from where it was asked and begins from there too.
#[test]
fn a_server_inside_is_reached_by_its_port_outside() {
    let mut ip = forwarding();
    let own = "10.0.0.1:80";
    for peer in ["10.0.0.2:40000", "10.0.0.3:40000"] {
        let syn = crosses(&mut ip, OUTSIDE, &tcp(peer, own, SYN));
        assert_eq!((syn.iface, &syn.from[..], &syn.to[..]), (INSIDE, peer, "10.0.1.2:8080"));
        let back = crosses(&mut ip, INSIDE, &tcp("10.0.1.2:8080", peer, SYN | ACK));
        assert_eq!((&back.from[..], &back.to[..]), (own, peer));
        crosses(&mut ip, OUTSIDE, &tcp(peer, own, ACK));
    }
    let view = ip.nat(T0).unwrap();
    assert!(view.sessions.len() == 2 && view.sessions.iter().all(|session| session.established));
    let begun = crosses(&mut ip, INSIDE, &tcp("10.0.1.2:8080", "10.0.0.4:9", SYN));
    assert_eq!(begun.from, own);
    // What is in no connection is stray, as ever; other protocols are not meant.
    drops(&mut ip, OUTSIDE, &tcp("10.0.0.5:1", own, ACK), DropReason::NatFiltered);
    is_the_routers(&mut ip, OUTSIDE, &udp("10.0.0.2:40000", own));
    // When every session has ended, the port is still the server's.
    let later = secs(10_000);
    let _ = ip.poll(later, &mut Below::default());
    assert!(ip.nat(later).unwrap().sessions.is_empty());
    assert_eq!(
        crosses_at(&mut ip, later, OUTSIDE, &tcp("10.0.0.2:1", own, SYN)).to,
        "10.0.1.2:8080"
    );
}

/// Datagrams of strangers take no room in the table, however many come; the answer makes a session.
#[test]
fn a_flood_to_a_forwarded_port_makes_no_session() {
    let mut ip = forwarding();
    for host in 2..250 {
        let from = format!("10.0.0.{host}:5000");
        assert_eq!(
            crosses(&mut ip, OUTSIDE, &udp(&from, "10.0.0.1:53")).to,
            "10.0.1.2:5353",
            "{from}"
        );
    }
    assert!(ip.nat(T0).unwrap().sessions.is_empty());
    let answer = crosses(&mut ip, INSIDE, &udp("10.0.1.2:5353", "10.0.0.9:5000"));
    assert_eq!(answer.from, "10.0.0.1:53");
    assert_eq!(ip.nat(T0).unwrap().sessions.len(), 1);
    // The server's error about a datagram without a session is about what the peer has sent.
    let asked = crosses(&mut ip, OUTSIDE, &udp("10.0.0.7:5000", "10.0.0.1:53"));
    let told = error("10.0.1.2", "10.0.0.7", (3, 3), &asked.bytes, 200);
    let back = crosses(&mut ip, INSIDE, &told);
    assert_eq!((back.seen.src, back.seen.dst), (v4("10.0.0.1"), v4("10.0.0.7")));
    let quote = see(&back.seen.payload[8..]);
    let sent = udp("10.0.0.7:5000", "10.0.0.1:53");
    assert_eq!((quote.src, quote.dst, quote.payload), (sent.src, sent.dst, sent.payload));
}

/// Connections that strangers begin count for the server's host, and are bounded with its own.
#[test]
fn connections_to_a_server_are_bounded() {
    let mut ip = nat_with(|nat| nat.sessions_per_host = 10);
    ip.configure(T0, forward(Protocol::TCP, 80, "10.0.1.2:8080")).unwrap();
    for port in 1..=50 {
        let from = format!("10.0.0.2:{port}");
        let _ = arrive(&mut ip, OUTSIDE, tcp(&from, "10.0.0.1:80", SYN).packet());
    }
    assert_eq!(ip.nat(T0).unwrap().sessions.len(), 10);
    crosses(&mut ip, INSIDE, &tcp("10.0.1.3:5000", "10.0.0.2:80", SYN));
}

/// RFC 4787 REQ-9: a host inside reaches the server by the port outside, and is seen by its own.
#[test]
fn a_host_inside_reaches_the_server_by_its_port_outside() {
    let mut ip = forwarding();
    let there = crosses(&mut ip, INSIDE, &tcp("10.0.1.3:20000", "10.0.0.1:80", SYN));
    assert_eq!(
        (there.iface, &there.from[..], &there.to[..]),
        (INSIDE, "10.0.0.1:20000", "10.0.1.2:8080")
    );
    let back = crosses(&mut ip, INSIDE, &tcp("10.0.1.2:8080", "10.0.0.1:20000", SYN | ACK));
    assert_eq!((&back.from[..], &back.to[..]), ("10.0.0.1:80", "10.0.1.3:20000"));
}

/// RFC 4787 REQ-3: neither a port nor an endpoint is given twice.
#[test]
fn a_forwarded_port_is_given_to_nobody_else() {
    let mut ip = nat();
    // Both ends are mapped already, to others.
    let before = crosses(&mut ip, INSIDE, &udp("10.0.1.3:20000", "10.0.0.2:53"));
    assert_eq!(before.from, "10.0.0.1:20000");
    crosses(&mut ip, INSIDE, &udp("10.0.1.2:5353", "10.0.0.2:53"));
    ip.configure(T0, forward(Protocol::UDP, 20_000, "10.0.1.2:5353")).unwrap();
    assert!(ip.nat(T0).unwrap().sessions.is_empty(), "they are forgotten");
    let other = crosses(&mut ip, INSIDE, &udp("10.0.1.3:20000", "10.0.0.2:53"));
    assert_ne!(other.from, "10.0.0.1:20000");
    let server = crosses(&mut ip, INSIDE, &udp("10.0.1.2:5353", "10.0.0.2:53"));
    assert_eq!(server.from, "10.0.0.1:20000");

    let second = forward(Protocol::UDP, 20_001, "10.0.1.2:5353");
    assert!(matches!(ip.configure(T0, second), Err(Error::Unsupported(_))));
    // The same port for another: the first one's session goes with it.
    ip.configure(T0, forward(Protocol::UDP, 20_000, "10.0.1.9:1")).unwrap();
    assert_eq!(ip.nat(T0).unwrap().sessions.len(), 1);
    assert_eq!(crosses(&mut ip, OUTSIDE, &udp("10.0.0.2:53", "10.0.0.1:20000")).to, "10.0.1.9:1");
    assert_eq!(ip.nat(T0).unwrap().forwards.len(), 1);
}

#[test]
fn a_port_is_taken_back_with_its_connections() {
    let mut ip = forwarding();
    crosses(&mut ip, OUTSIDE, &tcp("10.0.0.2:40000", "10.0.0.1:80", SYN));
    let end = Change::RemoveForward { protocol: Protocol::TCP, port: 80 };
    ip.configure(T0, end.clone()).unwrap();
    assert!(ip.nat(T0).unwrap().sessions.is_empty());
    is_the_routers(&mut ip, OUTSIDE, &tcp("10.0.0.2:40000", "10.0.0.1:80", SYN));
    assert!(ip.configure(T0, end).is_err(), "once");
    assert_eq!(ip.poll_at(), None);
}

/// `ifconfig` changes the outside address: the ports are at the new one.
#[test]
fn forwarded_ports_move_with_the_outside_address() {
    let mut ip = forwarding();
    crosses(&mut ip, OUTSIDE, &tcp("10.0.0.2:40000", "10.0.0.1:80", SYN));
    ip.configure(T0, Change::SetInterface(eth(OUTSIDE, "10.0.0.7/24", 1500))).unwrap();
    assert!(ip.nat(T0).unwrap().sessions.is_empty());
    let syn = tcp("10.0.0.2:40000", "10.0.0.7:80", SYN);
    assert_eq!(crosses(&mut ip, OUTSIDE, &syn).to, "10.0.1.2:8080");
}

#[test]
fn only_a_host_inside_is_forwarded_to() {
    let mut ip = forwarding();
    for to in ["10.0.0.2:80", "10.0.1.1:80", "127.0.0.1:80", "10.0.1.2:0"] {
        assert!(ip.configure(T0, forward(Protocol::TCP, 81, to)).is_err(), "{to}");
    }
    assert!(ip.configure(T0, forward(Protocol::TCP, 0, "10.0.1.2:1")).is_err());
    assert!(ip.configure(T0, forward(Protocol::ICMP, 81, "10.0.1.2:1")).is_err());
    for port in 1000..2022 {
        ip.configure(T0, forward(Protocol::TCP, port, &format!("10.0.1.4:{port}"))).unwrap();
    }
    let more = forward(Protocol::TCP, 82, "10.0.1.5:82");
    assert_eq!(ip.configure(T0, more), Err(Error::Full(1024, "forwarded ports")));
    ip.configure(T0, Change::Nat(None)).unwrap();
    assert!(ip.configure(T0, forward(Protocol::TCP, 81, "10.0.1.2:1")).is_err());
}
