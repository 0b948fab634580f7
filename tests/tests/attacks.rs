//! What a host on the link can send who means harm, against whole stacks on virtual time: memory
//! stays bounded, nothing is amplified, and service goes on for others, and on the very link.
//!
//! Single layers are held against their floods by the conformance kits, and the program itself by
//! `hostile.rs`.

use std::net::Ipv4Addr;
use std::time::Duration;

use ip::Handle;
use netdev::checksum::Sum;
use netdev::{Device as _, Packet, Wire, WireEnd};
use tests::virtual_net::{World, attach, echo_request, mac, rfc9293, stack};

const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const HONEST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const BROADCAST: [u8; 6] = [0xff; 6];
const UDP: u8 = 17;
const TCP: u8 = 6;
const ICMP: u8 = 1;

/// 10.0.0.1 on the attacker's link, and 10.0.1.1 on another, with a friend at 10.0.1.2.
struct Scene {
    world: World,
    link: WireEnd,
    random: fastrand::Rng,
    friends: [(usize, Handle); 2],
}

impl Scene {
    fn new() -> Scene {
        let (link, ours) = Wire::pair(Duration::ZERO);
        let (left, right) = Wire::pair(Duration::from_millis(1));
        let mut world = World::new([stack(rfc9293, 1), stack(rfc9293, 2)]);
        attach(&mut world.stacks[0], ours, 1, "10.0.0.1/24", Some("10.0.0.254"));
        attach(&mut world.stacks[0], left, 3, "10.0.1.1/24", None);
        attach(&mut world.stacks[1], right, 4, "10.0.1.2/24", None);
        let (theirs, ours) = world.connection(1, 0, "10.0.1.1:80");
        let friends = [(1, theirs), (0, ours)];
        let mut scene = Scene { world, link, random: fastrand::Rng::with_seed(7), friends };
        scene.goes_on();
        scene
    }

    /// Sends frames, some in each millisecond; gives what came back.
    fn attack(&mut self, frames: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
        let mut answers = Vec::new();
        for (n, frame) in frames.into_iter().enumerate() {
            self.link.transmit(self.world.now, Packet::from_payload(&frame)).expect("room");
            if n % 16 == 15 {
                self.world.millis(1);
                answers.extend(self.received());
            }
        }
        self.world.millis(1);
        answers.extend(self.received());
        answers
    }

    fn received(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.link.receive(self.world.now)).map(|p| p.to_vec()).collect()
    }

    /// The connection that was there moves data both ways, a new one can be made, and an honest
    /// host on the attacker's link is answered.
    fn goes_on(&mut self) {
        self.world.exchange(self.friends, [&[1; 30_000], &[2; 30_000]]);
        let port = self.random.u16(1000..60_000);
        let (theirs, ours) = self.world.connection(1, 0, &format!("10.0.1.1:{port}"));
        self.world.exchange([(1, theirs), (0, ours)], [&[3; 3000], &[4; 3000]]);
        self.world.close(1, theirs);
        self.world.close(0, ours);
        let ping = datagram(HONEST, US, ICMP, &echo_request(1, 2, b"still there?"));
        let answers = self.attack([arp(mac(9).0, HONEST, US), ping]);
        let pong = |frame: &Vec<u8>| frame[..6] == mac(9).0 && frame.ends_with(b"still there?");
        assert!(answers.iter().any(pong), "an honest host is not answered: {answers:02x?}");
    }

    fn count(&self, layer: &str, name: &str) -> u64 {
        self.world.count(0, layer, name)
    }

    fn stranger(&mut self) -> Ipv4Addr {
        Ipv4Addr::from(self.random.u32(0x0b00_0000..0x7e00_0000))
    }
}

fn frame(to: [u8; 6], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&to[..], &mac(0x66).0, &ethertype.to_be_bytes(), payload].concat()
}

/// `fragment` is flags and offset as the header has them.
fn fragment(src: Ipv4Addr, dst: Ipv4Addr, (id, fragment): (u16, u16), data: &[u8]) -> Vec<u8> {
    ip(mac(1).0, (src, dst), UDP, (id, fragment), data)
}

fn datagram(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, data: &[u8]) -> Vec<u8> {
    ip(mac(1).0, (src, dst), protocol, (1, 0), data)
}

fn ip(
    to: [u8; 6],
    (src, dst): (Ipv4Addr, Ipv4Addr),
    protocol: u8,
    (id, fragment): (u16, u16),
    data: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![0x45, 0];
    bytes.extend((20 + data.len() as u16).to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([64, protocol, 0, 0]);
    bytes.extend(src.octets());
    bytes.extend(dst.octets());
    let check = Sum::default().bytes(&bytes).finish();
    bytes[10..12].copy_from_slice(&check.to_be_bytes());
    bytes.extend(data);
    frame(to, 0x0800, &bytes)
}

fn arp(from: [u8; 6], sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let fixed = [0, 1, 8, 0, 6, 4, 0, 1];
    let parts = [&fixed[..], &from, &sender.octets(), &[0; 6], &target.octets()];
    frame(BROADCAST, 0x0806, &parts.concat())
}

/// Ports, and no checksum.
fn udp(from: u16, to: u16) -> Vec<u8> {
    let [a, b] = from.to_be_bytes();
    let [c, d] = to.to_be_bytes();
    vec![a, b, c, d, 0, 12, 0, 0, 1, 2, 3, 4]
}

fn syn((src, from): (Ipv4Addr, u16), (dst, to): (Ipv4Addr, u16)) -> Vec<u8> {
    let mut bytes = [from.to_be_bytes(), to.to_be_bytes()].concat();
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x10, 0, 0, 0, 0, 0]);
    let sum = Sum::pseudo_header(src.into(), dst.into(), TCP, bytes.len()).bytes(&bytes);
    bytes[16..18].copy_from_slice(&sum.finish().to_be_bytes());
    datagram(src, dst, TCP, &bytes)
}

/// An ICMP error that quotes a datagram with these first bytes of its transport.
fn error(
    from: Ipv4Addr,
    (kind, code, word): (u8, u8, [u8; 4]),
    (src, dst, protocol): (Ipv4Addr, Ipv4Addr, u8),
    quoted: &[u8],
) -> Vec<u8> {
    let quote = ip([0; 6], (src, dst), protocol, (1, 0), quoted)[14..].to_vec();
    let mut bytes = [&[kind, code, 0, 0][..], &word, &quote].concat();
    let check = Sum::default().bytes(&bytes).finish();
    bytes[2..4].copy_from_slice(&check.to_be_bytes());
    datagram(from, US, ICMP, &bytes)
}

/// RFC 1122 §3.3.2, RFC 1858: first fragments without end, from everywhere and from one place.
#[test]
fn fragments_that_never_complete_hold_no_more_than_their_share() {
    const COUNT: u64 = 12_000;
    const LEN: usize = 1400;
    let mut scene = Scene::new();
    let sources: Vec<Ipv4Addr> = (0..COUNT / 2).map(|_| scene.stranger()).collect();
    let one = Ipv4Addr::new(10, 0, 0, 66);
    let frames = (0..COUNT).map(|n| {
        let src = if n % 2 == 0 { one } else { sources[n as usize / 2] };
        fragment(src, US, (n as u16, 0x2000), &[0; LEN])
    });
    let answers = scene.attack(frames);
    let refused = scene.count("ip", "reassembly memory full");
    let held = COUNT - refused;
    let most = ip::Config::default().reassembly_bytes / LEN;
    assert!((1..=most as u64).contains(&held), "{held} held, {most} are allowed");
    assert!(answers.is_empty(), "nobody is told yet");
    scene.goes_on();
    // RFC 792: each source may be told that the rest is missing; in all, so many a second.
    scene.world.run(Duration::from_secs(31));
    assert_eq!(scene.count("ip", "reassembly timed out"), held);
    let limit = u64::from(icmp::Config::default().errors_per_second) * 3;
    assert!(scene.count("icmp", "errors sent") <= limit);
    scene.goes_on();
}

/// RFC 1122 §2.3.2.1, RFC 826: whoever asks is put into the table, and a flood of them puts itself
/// out again.
#[test]
fn requests_from_random_senders_displace_each_other_alone() {
    let mut scene = Scene::new();
    // The honest host is known, since it was answered.
    let frames: Vec<Vec<u8>> = (0..20_000)
        .map(|_| {
            let sender = Ipv4Addr::from(0x0a00_0003 + scene.random.u32(0..200));
            let sender = if scene.random.bool() { sender } else { scene.stranger() };
            let from = [2, 1, scene.random.u8(..), scene.random.u8(..), 0, 1];
            arp(from, sender, US)
        })
        .collect();
    let answers = scene.attack(frames);
    assert!(answers.len() <= 20_000 + 100, "an answer for a question: {}", answers.len());
    let config = arp::Config::default();
    let entries = scene.world.stacks[0].arp_entries(scene.world.now);
    assert!(entries.len() <= 2 * config.entries, "{} entries", entries.len());
    assert!(scene.world.stacks[0].arp_sightings().len() <= 2 * config.sightings);
    let honest = entries.iter().find(|(_, entry)| entry.addr == HONEST).expect("still known");
    assert_eq!(honest.1.mac, Some(mac(9)));
    scene.goes_on();
}

/// RFC 1812 §4.3.2.8: closed ports are told of so many times a second, whoever asks.
#[test]
fn datagrams_to_closed_ports_are_answered_at_a_bounded_rate() {
    let mut scene = Scene::new();
    let start = scene.world.now;
    let frames: Vec<Vec<u8>> = (0..30_000)
        .map(|n| {
            let src = Ipv4Addr::from(0x0a00_0003 + scene.random.u32(0..200));
            datagram(src, US, UDP, &udp(1000, 1 + (n % 60_000) as u16))
        })
        .collect();
    let _ = scene.attack(frames);
    let took = (scene.world.now - start).as_secs_f64();
    let config = icmp::Config::default();
    let most = f64::from(config.errors_per_second) * took + f64::from(config.error_burst);
    let sent = scene.count("icmp", "errors sent");
    assert!(sent > 0 && sent as f64 <= most, "{sent} in {took} s");
    assert_eq!(sent + scene.count("icmp", "not sent: rate limit"), 30_000);
    scene.goes_on();
}

/// RFC 5927: of what nobody sent; and of a connection that is there, with a number that is not in
/// its window.
#[test]
fn forged_errors_neither_end_a_connection_nor_fill_a_table() {
    let mut scene = Scene::new();
    let (stack, ours) = scene.friends[1];
    let info = scene.world.info(stack, ours);
    let peer = Ipv4Addr::new(10, 0, 1, 2);
    let mss = info.snd_mss;
    let ports = [info.local.port().to_be_bytes(), info.peer.port().to_be_bytes()];
    let (mut frames, mut dsts) = (Vec::new(), Vec::new());
    for n in 0..6000u32 {
        let from = scene.stranger();
        let what = match n % 4 {
            0 => (3, 4, [0, 0, 0, 68]),
            1 => (3, 2, [0; 4]),
            2 => (3, 3, [0; 4]),
            _ => (5, 1, [10, 0, 0, 66]),
        };
        // A connection that is there, at a number far from its own.
        let seq = n.wrapping_mul(700_001) | 0x4000_0000;
        let tcp = [&ports.concat()[..], &seq.to_be_bytes()].concat();
        let local = Ipv4Addr::new(10, 0, 1, 1);
        frames.push(error(from, what, (local, peer, TCP), &tcp));
        // A datagram that was never sent, to anywhere.
        let dst = scene.stranger();
        dsts.push(dst);
        let sent = [udp(999, 53), vec![0; 1400]].concat();
        frames.push(error(from, what, (US, dst, UDP), &sent));
        frames.push(error(from, what, (dst, from, UDP), &udp(999, 53)));
    }
    let answers = scene.attack(frames);
    assert_eq!(answers.len(), 0, "RFC 1122 §3.2.2: no error about an error");
    assert_eq!(scene.world.info(stack, ours).snd_mss, mss, "RFC 5927 §7");
    // IP cannot tell for UDP, so its table is full, and no fuller.
    let known = |dst: &&Ipv4Addr| {
        let route = scene.world.stacks[0].route(scene.world.now, (**dst).into());
        route.is_ok_and(|route| route.mtu < 1500)
    };
    assert_eq!(dsts.iter().filter(known).count(), ip::Config::default().learnt_entries);
    assert_eq!(scene.count("ip", "redirects followed"), 0, "not from the gateway");
    let routes = scene.world.stacks[0].routes().len();
    assert!(routes < 10, "{routes} routes");
    scene.goes_on();
}

/// A SYN from oneself to oneself, by address or by network (CERT CA-1997-28).
#[test]
fn land_is_a_martian() {
    let mut scene = Scene::new();
    let listener = scene.world.listen(0, "10.0.0.1:139", 5);
    let other = Ipv4Addr::new(10, 0, 1, 1);
    let loopback = Ipv4Addr::LOCALHOST;
    let frames =
        [syn((US, 139), (US, 139)), syn((other, 139), (US, 139)), syn((loopback, 9), (US, 139))];
    let answers = scene.attack(frames.into_iter().cycle().take(3000));
    assert_eq!((answers.len(), scene.count("ip", "martian source")), (0, 3000));
    assert!(scene.world.accept(0, listener).is_err());
    scene.goes_on();
}

/// Echo requests to everybody in the name of a victim (CERT CA-1998-01, RFC 2644), the other way
/// about, and by UDP's echo (CERT CA-1996-01).
#[test]
fn smurf_and_fraggle_find_no_amplifier() {
    let mut scene = Scene::new();
    let echo = scene.world.udp(0, "0.0.0.0:7");
    let victim = Ipv4Addr::new(10, 0, 0, 77);
    let request = echo_request(1, 1, &[0; 500]);
    let subnet = Ipv4Addr::new(10, 0, 0, 255);
    let far = Ipv4Addr::new(10, 0, 1, 255);
    let mut frames = Vec::new();
    for dst in [subnet, Ipv4Addr::BROADCAST, Ipv4Addr::new(224, 0, 0, 1), far] {
        frames.push(ip(BROADCAST, (victim, dst), ICMP, (1, 0), &request));
        frames.push(ip(BROADCAST, (victim, dst), UDP, (1, 0), &udp(7, 9999)));
        frames.push(ip(mac(1).0, (dst, US), ICMP, (1, 0), &request));
        frames.push(ip(mac(1).0, (dst, US), UDP, (1, 0), &udp(7, 9999)));
    }
    frames.push(ip(BROADCAST, (victim, US), ICMP, (1, 0), &request));
    scene.world.run(Duration::from_secs(10));
    let _ = scene.received();
    let friend = scene.world.count(1, "ip", "datagrams received");
    let answers = scene.attack(frames.into_iter().cycle().take(3400));
    assert_eq!(answers.len(), 0, "{:02x?}", answers.first());
    assert_eq!(scene.world.count(1, "ip", "datagrams received"), friend, "RFC 2644: none goes on");
    assert!(scene.world.receive_udp(0, echo).is_err());
    scene.goes_on();
}

/// Fragments that overlap, one within the other (CERT CA-1997-28), that end beyond 65,535 bytes
/// (CERT CA-1996-26), or in the header that a filter looked at (RFC 3128).
#[test]
fn teardrop_and_its_kin_are_dropped_and_counted() {
    let mut scene = Scene::new();
    let attacker = Ipv4Addr::new(10, 0, 0, 66);
    let mut frames = Vec::new();
    for n in 0..1000u16 {
        let id = n * 4;
        frames.push(fragment(attacker, US, (id, 0x2000), &[0; 36 / 8 * 8]));
        frames.push(fragment(attacker, US, (id, 24 / 8), &[1; 4]));
        frames.push(fragment(attacker, US, (id + 1, 0x1fff), &[1; 100]));
        frames.push(fragment(attacker, US, (id + 2, 0x2000), &[0; 24]));
        frames.push(fragment(attacker, US, (id + 2, 0x2000 | 1), &[0; 24]));
    }
    let answers = scene.attack(frames);
    assert_eq!(answers.len(), 0);
    assert_eq!(scene.count("ip", "overlapping fragments"), 2000);
    assert_eq!(scene.count("ip", "malformed fragment"), 1000);
    assert_eq!(scene.count("ip", "datagrams reassembled"), 0);
    scene.goes_on();
}
