//! ICMP errors on the wire, byte for byte.

use std::time::Duration;

use ip::Protocol;
use netdev::Instant;
use tests::probe::{DF, Ipv4, MF, Probe, parse, udp};
use tests::virtual_net::{World, rfc9293, stack};

/// A stack at 10.0.0.1, and its peer 10.0.0.2 in the test's hand.
fn host() -> (World, Probe) {
    let mut stack = stack(rfc9293, 1);
    let probe = Probe::attach(&mut stack, 0, false);
    (World::new([stack]), probe)
}

fn from_peer(protocol: Protocol) -> Ipv4 {
    Ipv4::new("10.0.0.2", "10.0.0.1", protocol)
}

/// Sends datagrams, and gives the ICMP messages that came back.
fn answers(world: &mut World, probe: &mut Probe, datagrams: &[Vec<u8>]) -> Vec<Vec<u8>> {
    for datagram in datagrams {
        probe.send(world.now, datagram);
    }
    world.millis(1);
    messages(world.now, probe)
}

/// The ICMP messages that came by now. Each is well formed, and has hops to go.
fn messages(now: Instant, probe: &mut Probe) -> Vec<Vec<u8>> {
    let datagrams = probe.datagrams(now);
    let message = |datagram: &Vec<u8>| {
        let (src, dst, ttl, message) = parse(datagram);
        assert_eq!((src.to_string(), dst.to_string()), ("10.0.0.1".into(), "10.0.0.2".into()));
        assert_eq!((datagram[9], ttl), (1, 64), "ICMP, with the default TTL");
        assert!(netdev::checksum::Sum::default().bytes(message).is_valid());
        message.to_vec()
    };
    datagrams.iter().map(message).collect()
}

/// The one message among `messages`: type and code, and what it quotes.
fn only(messages: &[Vec<u8>]) -> ([u8; 2], &[u8]) {
    assert_eq!(messages.len(), 1, "{messages:02x?}");
    ([messages[0][0], messages[0][1]], &messages[0][8..])
}

#[test]
fn r06_port_unreachable_quotes_what_was_on_the_wire() {
    let (mut world, mut probe) = host();
    let mut header = from_peer(Protocol::UDP);
    (header.ttl, header.ident) = (7, 0xabcd);
    // Options, and a payload of odd length: both were misread by the ancestor.
    header.options = vec![1, 1, 1, 0];
    let datagram = header.bytes(&udp(4660, 9, b"odd"));
    let back = answers(&mut world, &mut probe, std::slice::from_ref(&datagram));
    assert_eq!(only(&back), ([3, 3], &datagram[..]));
    // As much of a long one as fits into 576 bytes (RFC 1812 §4.3.2.3).
    let datagram = from_peer(Protocol::UDP).bytes(&udp(4660, 9, &[0x5a; 1400]));
    let back = answers(&mut world, &mut probe, std::slice::from_ref(&datagram));
    assert_eq!(only(&back), ([3, 3], &datagram[..576 - 28]));
}

#[test]
fn r07_port_unreachable_is_sent_for_a_datagram_with_df() {
    let (mut world, mut probe) = host();
    let datagram = Ipv4 { fragment: DF, ..from_peer(Protocol::UDP) }.bytes(&udp(4660, 9, b"df"));
    let back = answers(&mut world, &mut probe, std::slice::from_ref(&datagram));
    assert_eq!(only(&back), ([3, 3], &datagram[..]));
}

/// A UDP datagram in three fragments.
fn fragments() -> [Vec<u8>; 3] {
    let whole = udp(4660, 9, &(0..2000).map(|i| i as u8).collect::<Vec<_>>());
    let cut = |from: usize, to: usize, more: u16| {
        let fragment = more | (from / 8) as u16;
        Ipv4 { fragment, ..from_peer(Protocol::UDP) }.bytes(&whole[from..to])
    };
    [cut(0, 800, MF), cut(800, 1600, MF), cut(1600, 2008, 0)]
}

#[test]
fn r08_port_unreachable_is_sent_for_a_reassembled_datagram() {
    let (mut world, mut probe) = host();
    let [first, second, third] = fragments();
    let back = answers(&mut world, &mut probe, &[third, first.clone(), second]);
    let (kind, quote) = only(&back);
    assert_eq!(kind, [3, 3]);
    // The first fragment's header is quoted as it came, and what followed it.
    assert_eq!(quote, &first[..quote.len()]);
    assert!(quote.len() >= 28, "the ports are in it");
}

#[test]
fn reassembly_times_out_after_thirty_seconds_and_quotes_the_first_fragment() {
    let (mut world, mut probe) = host();
    let [first, second, _] = fragments();
    world.run(Duration::from_secs(5));
    // The second begins the wait; the first does not begin it again.
    let end = world.now + Duration::from_secs(30);
    assert!(answers(&mut world, &mut probe, &[second]).is_empty());
    world.run(Duration::from_secs(9));
    assert!(answers(&mut world, &mut probe, std::slice::from_ref(&first)).is_empty());
    world.run(end - world.now - Duration::from_nanos(1));
    assert!(messages(world.now, &mut probe).is_empty(), "a nanosecond too early");
    world.run(Duration::from_nanos(1));
    let back = messages(world.now, &mut probe);
    assert_eq!(only(&back), ([11, 1], &first[..576 - 28]));
    // What comes too late begins anew, and is not told of: RFC 792 wants fragment zero for that.
    let [_, _, third] = fragments();
    assert!(answers(&mut world, &mut probe, &[third]).is_empty());
    world.run(Duration::from_secs(100));
    assert!(messages(world.now, &mut probe).is_empty());
}

#[test]
fn r09_every_error_leaves_with_the_default_ttl() {
    // `messages` looks at the TTL of each.
    let (mut world, mut probe) = host();
    let unknown = from_peer(Protocol(200)).bytes(b"?");
    assert_eq!(only(&answers(&mut world, &mut probe, &[unknown])).0, [3, 2]);
    let closed = Ipv4 { ttl: 1, ..from_peer(Protocol::UDP) }.bytes(&udp(1, 9, b""));
    assert_eq!(only(&answers(&mut world, &mut probe, &[closed])).0, [3, 3]);
    // For others, through us as a router.
    world.stacks[0].configure(world.now, ip::Change::Forwarding(true)).unwrap();
    let elsewhere = Ipv4 { ttl: 9, ..Ipv4::new("10.0.0.2", "10.9.9.9", Protocol::UDP) };
    let lost = elsewhere.bytes(&udp(1, 9, b""));
    assert_eq!(only(&answers(&mut world, &mut probe, &[lost])).0, [3, 0]);
    let spent = Ipv4 { ttl: 1, ..Ipv4::new("10.0.0.2", "10.0.0.3", Protocol::UDP) };
    assert_eq!(only(&answers(&mut world, &mut probe, &[spent.bytes(&udp(1, 9, b""))])).0, [11, 0]);
    let nonsense = Ipv4 { options: vec![7, 0, 0, 0], ..from_peer(Protocol::UDP) };
    assert_eq!(only(&answers(&mut world, &mut probe, &[nonsense.bytes(b"")])).0, [12, 0]);
}

#[test]
fn no_error_is_sent_about_what_must_not_be_answered() {
    let (mut world, mut probe) = host();
    let bytes = udp(4660, 9, b"x");
    let to = |dst: &str| Ipv4::new("10.0.0.2", dst, Protocol::UDP);
    let from = |src: &str| Ipv4::new(src, "10.0.0.1", Protocol::UDP);
    let mut error = vec![3, 3, 0xfc, 0xfc, 0, 0, 0, 0];
    error.extend(from_peer(Protocol(200)).bytes(&[0; 8]));
    let quiet = [
        // RFC 1122 §3.2.2: to a group or a broadcast, about an error, about a later fragment,
        // or to a source that is not one host.
        to("10.0.0.255").bytes(&bytes),
        to("255.255.255.255").bytes(&bytes),
        to("224.0.0.1").bytes(&bytes),
        from_peer(Protocol::ICMP).bytes(&error),
        Ipv4 { fragment: 100, ..from_peer(Protocol(200)) }.bytes(&bytes),
        from("0.0.0.0").bytes(&bytes),
        from("255.255.255.255").bytes(&bytes),
        from("224.0.0.1").bytes(&bytes),
        from("127.0.0.1").bytes(&bytes),
    ];
    for datagram in quiet {
        let back = answers(&mut world, &mut probe, std::slice::from_ref(&datagram));
        assert!(back.is_empty(), "{datagram:02x?} was answered: {back:02x?}");
    }
    // Nor to the frame that went to everybody, whatever its datagram says (RFC 1122 §3.2.2).
    let everybody = netdev::MacAddr([0xff; 6]);
    probe.frame(world.now, everybody, [8, 0], &from_peer(Protocol::UDP).bytes(&bytes));
    world.millis(1);
    assert!(messages(world.now, &mut probe).is_empty());
}

#[test]
fn r16_an_echo_reply_has_a_ttl_of_its_own() {
    let (mut world, mut probe) = host();
    let request = tests::virtual_net::echo_request(1, 2, b"how far?");
    for ttl in [1, 3, 200] {
        let datagram = Ipv4 { ttl, ..from_peer(Protocol::ICMP) }.bytes(&request);
        // `messages` looks at the TTL.
        let back = answers(&mut world, &mut probe, &[datagram]);
        assert_eq!((back.len(), back[0][0], &back[0][4..]), (1, 0, &request[4..]));
    }
}
