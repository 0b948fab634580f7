//! The `input` of the layers under TCP, both implementations of each side by side with what lies
//! around them played by lists.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use arp::{Event, Link, Resolver};
use icmp::ControlMessages;
use ip::{
    Cause, Cidr, Datagram, Handle, Header, Hop, IfIndex, Interface, Internet, NextHop, Offload,
    Output, Protocol, Quoted, Report, Route, RouteEntry, RouteOrigin, SendError,
};
use netdev::{
    Cast, Checksum, Counter, EtherType, Instant, MacAddr, Medium, Packet, Segmentation,
    checksum::Sum,
};
use udp::Datagrams;

use super::choices::Choices;
use super::forge;

const ME: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const MY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fn total(counters: Vec<Counter>) -> u64 {
    counters.iter().map(|counter| counter.count).sum()
}

fn count(counters: &[Counter], name: &str) -> u64 {
    let found = counters.iter().find(|counter| counter.name == name);
    found.unwrap_or_else(|| panic!("no counter {name}")).count
}

/// What a resolver sent: datagrams, and its own packets.
#[derive(Default)]
struct Frames {
    datagrams: usize,
    own: usize,
}

impl Link for Frames {
    fn transmit(&mut self, _: Instant, dst: MacAddr, ethertype: EtherType, packet: Packet) {
        match ethertype {
            EtherType::ARP => {
                assert_eq!(packet.len(), 28, "RFC 826 for Ethernet and IPv4");
                self.own += 1;
            }
            _ => {
                assert!(!dst.is_group(), "a datagram for a neighbour to a group");
                self.datagrams += 1;
            }
        }
    }
}

/// [`arp::Cache`] and [`arp::StaticTable`]: packets as they come or nearly right, datagrams to
/// send, time. No datagram is ever lost: it went, came back, waits, or is counted.
pub fn arp_input(data: &[u8]) {
    let mut choices = Choices::new(data);
    let config = arp::Config { entries: 6, queue: 3, queue_total: 8, ..arp::Config::default() };
    let mut table = arp::StaticTable::new(MY_MAC);
    let mut cache = arp::Cache::new(MY_MAC, config, 1);
    let (mut now, mut link) = (Instant::ZERO, Frames::default());
    let (mut given, mut back) = (0, 0);
    let mut returned = |event: Event| {
        if let Event::Unreachable(packets) = event {
            back += packets.len();
        }
    };
    let mut aside = Frames::default();
    for resolver in [&mut cache as &mut dyn Resolver, &mut table] {
        let add = arp::Change::AddAddress(ME.into());
        resolver.configure(now, add, &mut aside).expect("an address");
    }
    while let Some(event) = choices.next() {
        let neighbour = |byte: u8| IpAddr::from([10, 0, 0, byte % 12]);
        match event % 8 {
            0 => {
                given += 1;
                let packet = Packet::from_payload(b"datagram");
                returned(cache.send(now, neighbour(choices.byte()), packet, &mut link));
            }
            1..=4 => {
                let bytes = if event % 8 == 1 { choices.bytes(60) } else { arp(&mut choices) };
                for resolver in [&mut cache as &mut dyn Resolver, &mut table] {
                    let before = total(resolver.counters());
                    returned(resolver.input(now, Packet::from_payload(&bytes), &mut link));
                    assert!(total(resolver.counters()) > before, "not counted: {bytes:02x?}");
                }
            }
            5 => now += choices.time(),
            6 => {
                cache.confirm(now, neighbour(choices.byte()));
                cache.doubt(now, neighbour(choices.byte()));
            }
            _ => {
                let (addr, mac) = (neighbour(choices.byte()), MacAddr([2, 0, 0, 0, 1, 1]));
                let change = match choices.byte() % 5 {
                    0 => arp::Change::AddStatic(addr, mac),
                    1 => arp::Change::Remove(addr),
                    2 => arp::Change::Flush,
                    3 => arp::Change::AddAddress(addr),
                    _ => arp::Change::RemoveAddress(addr),
                };
                let _ = cache.configure(now, change, &mut link);
            }
        }
        for _ in 0..1000 {
            if cache.poll_at().is_none_or(|due| due > now) {
                break;
            }
            returned(cache.poll(now, &mut link));
        }
        assert!(cache.poll_at().is_none_or(|due| due > now), "polled again and again");
        let entries = cache.entries(now);
        assert!(entries.len() <= 6, "{} entries", entries.len());
        assert!(entries.iter().map(|entry| entry.waiting).sum::<usize>() <= 8);
    }
    let waiting: usize = cache.entries(now).iter().map(|entry| entry.waiting).sum();
    let known = link.datagrams + back + waiting;
    let dropped = count(&cache.counters(), "waiting queue full") as usize;
    assert!(known <= given, "a datagram twice");
    assert!(given <= known + dropped, "a datagram vanished");
}

/// A packet of RFC 826 that is right or nearly so.
fn arp(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut message = vec![0, 1, 8, 0, 6, 4, 0, choices.of(&[1, 2, 1, 2, 3])];
    for _ in 0..2 {
        message.extend([2, 0, 0, 0, 0, choices.byte() % 16, 10, 0, 0, choices.byte() % 12]);
    }
    if choices.one_in(8) {
        let (place, byte) = (choices.below(28), choices.byte());
        message[place] = byte;
    }
    message
}

/// What IP sent, by next hop.
#[derive(Default)]
struct Hops(usize);

impl NextHop for Hops {
    fn send(&mut self, _: Instant, iface: IfIndex, _: Hop, packet: Packet) {
        assert!(iface.0 < 3, "out of an interface that is not there");
        assert!(packet.len() >= 20 && packet[0] >> 4 == 4, "no datagram: {:02x?}", &packet[..]);
        let header = usize::from(packet[0] & 15) * 4;
        assert!(Sum::default().bytes(&packet[..header]).is_valid(), "a bad header checksum");
        let len = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        assert_eq!(len, packet.len(), "a length that is not its own");
        self.0 += 1;
    }
}

fn interface(index: u32, addr: [u8; 4], mtu: usize) -> Interface {
    Interface {
        index: IfIndex(index),
        name: format!("if{index}"),
        addrs: vec![Cidr { addr: addr.into(), prefix: if index == 0 { 8 } else { 24 } }],
        mtu,
        medium: if index == 0 { Medium::Ip } else { Medium::Ethernet },
        loopback: index == 0,
        up: true,
        offload: Offload::default(),
    }
}

/// [`ip::Router`] and [`ip::SimpleHost`]: datagrams as they come or nearly right, with options and
/// in fragments, ICMP errors, time. Each datagram counts, and for what became of it.
pub fn ip_input(data: &[u8]) {
    let mut choices = Choices::new(data);
    let config = ip::Config {
        forwarding: choices.flag(),
        reassembly_bytes: 20_000,
        reassembly_bytes_per_source: 10_000,
        reassembly_fragments: 20,
        learnt_entries: 4,
        ..ip::Config::default()
    };
    let mut layers: Vec<Box<dyn Internet>> =
        vec![Box::new(ip::Router::new(config, 1)), Box::new(ip::SimpleHost::new(1))];
    let mut now = Instant::ZERO;
    for (number, layer) in layers.iter_mut().enumerate() {
        let mut set = |change| layer.configure(now, change);
        set(ip::Change::SetInterface(interface(0, [127, 0, 0, 1], 65_535))).expect("lo");
        set(ip::Change::SetInterface(interface(1, [10, 0, 0, 1], 1500))).expect("an interface");
        if number == 0 {
            set(ip::Change::SetInterface(interface(2, [10, 0, 1, 1], 300))).expect("another");
            set(ip::Change::Join(IfIndex(1), [224, 0, 0, 5].into())).expect("a group");
            let entry = RouteEntry {
                dst: Cidr { addr: [0, 0, 0, 0].into(), prefix: 0 },
                gateway: Some([10, 0, 0, 254].into()),
                iface: IfIndex(1),
                metric: 0,
                source: None,
                origin: RouteOrigin::Static,
            };
            set(ip::Change::AddRoute(entry)).expect("a route");
        }
    }
    while let Some(event) = choices.next() {
        match event % 8 {
            0..=4 => {
                let bytes = match event % 8 {
                    0 => choices.bytes(80),
                    _ => odd_datagram(&mut choices),
                };
                let cast =
                    choices.of(&[Cast::Unicast, Cast::Unicast, Cast::Broadcast, Cast::Multicast]);
                let iface = IfIndex(choices.of(&[1, 1, 1, 2, 0]));
                for layer in &mut layers {
                    give_ip(&mut **layer, now, iface, cast, &bytes);
                }
            }
            5 => now += choices.time(),
            6 => {
                let bytes = odd_datagram(&mut choices);
                let Some(quoted) = Quoted::parse(&bytes) else { continue };
                let gateway = [10, 0, 0, choices.byte()].into();
                let cause = match choices.flag() {
                    true => Cause::Redirect { gateway, host: true },
                    false => Cause::FragmentationNeeded { mtu: choices.word() },
                };
                for layer in &mut layers {
                    layer.error(now, [10, 0, 0, 254].into(), cause, &quoted);
                }
            }
            _ => {
                let len = choices.len(4000);
                let dst = Ipv4Addr::from([10, 0, choices.byte() % 3, choices.byte()]);
                let mut header = Header::new(ME.into(), dst.into(), Protocol(200));
                header.dont_fragment = choices.flag();
                header.options =
                    ip::Options::from_wire(&forge::ip_options(&mut choices)).unwrap_or_default();
                for layer in &mut layers {
                    let packet = Packet::from_payload(&vec![7; len]);
                    let sent = layer.send(now, &header, packet, &mut Hops::default());
                    // A refused packet comes back as it was given.
                    assert!(
                        sent.map_err(|refused| refused.packet.len()).err().unwrap_or(len) == len
                    );
                }
            }
        }
        for layer in &mut layers {
            for report in layer.poll(now, &mut Hops::default()) {
                assert!(report.packet.len() >= 20);
            }
            assert!(layer.poll_at().is_none_or(|due| due > now), "polled again and again");
        }
    }
}

fn give_ip(layer: &mut dyn Internet, now: Instant, iface: IfIndex, cast: Cast, bytes: &[u8]) {
    let before = layer.counters();
    let mut hops = Hops::default();
    let input = layer.input(now, iface, cast, Packet::from_payload(bytes), &mut hops);
    let after = layer.counters();
    let more = |name: &str| count(&after, name) - count(&before, name);
    assert_eq!(more("datagrams received"), 1);
    match input {
        ip::Input::Deliver(datagram) => {
            assert_eq!(more("datagrams delivered"), 1);
            assert!(datagram.payload.len() <= 65_515);
            let header = datagram.header.clone();
            assert!(datagram.header_len <= 60);
            if header.options.is_empty() && datagram.header_len > 0 {
                let whole = datagram.into_whole();
                assert!(whole[0] >> 4 == 4, "the header is still in front");
            }
        }
        ip::Input::Dropped(reason) => assert!(more(&reason.to_string()) >= 1, "{reason}"),
        ip::Input::Report(Report { packet, .. }) => {
            let differs = packet[..] != bytes[..packet.len().min(bytes.len())];
            assert!(!differs, "what is reported is as it came");
        }
        ip::Input::Consumed => {
            assert!(total(after) > total(before) + 1, "consumed and not counted")
        }
    }
}

/// A datagram with a right checksum and hardly anything else.
fn odd_datagram(choices: &mut Choices<'_>) -> Vec<u8> {
    let addrs = [PEER, ME, Ipv4Addr::new(10, 0, 1, 7), Ipv4Addr::new(224, 0, 0, 5)];
    let more = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::BROADCAST, Ipv4Addr::new(10, 0, 0, 255)];
    let all = [&addrs[..], &more[..], &[Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED]].concat();
    let src = if choices.flag() { PEER } else { choices.of(&all) };
    let dst = if choices.flag() { ME } else { choices.of(&all) };
    let protocol = Protocol(choices.of(&[17, 6, 1, 200]));
    let payload = match choices.flag() {
        true => vec![5; choices.len(3000)],
        false => choices.bytes(64),
    };
    let mut bytes = match choices.flag() {
        true => forge::datagram(choices, src, dst, protocol, &payload),
        false => fragment(choices, src, protocol, &payload),
    };
    if choices.one_in(8) {
        let place = choices.below(20);
        bytes[place] = choices.byte();
        if choices.flag() {
            forge::fill_ip_checksum(&mut bytes);
        }
    }
    bytes
}

/// A fragment of one of a few datagrams, so that they meet.
fn fragment(
    choices: &mut Choices<'_>,
    src: Ipv4Addr,
    protocol: Protocol,
    payload: &[u8],
) -> Vec<u8> {
    let mut ip = crate::probe::Ipv4::new("0.0.0.0", "10.0.0.1", protocol);
    ip.src = src;
    ip.ident = u16::from(choices.byte() % 3);
    let offset = match choices.byte() {
        small @ 0..=199 => u16::from(small % 32),
        _ => choices.word() & 0x1fff,
    };
    ip.fragment = offset | if choices.flag() { 0x2000 } else { 0 };
    let payload = if choices.flag() { &payload[..payload.len() & !7] } else { payload };
    ip.bytes(payload)
}

/// What lies below a transport or ICMP: a route to anywhere, and a count of what was sent.
#[derive(Default)]
struct Below {
    unreachable: bool,
    sent: Vec<(Header, Packet)>,
}

impl Output for Below {
    fn route(&self, _: Instant, dst: IpAddr, _: Option<IpAddr>) -> Result<Route, Cause> {
        if self.unreachable {
            return Err(Cause::NetworkUnreachable);
        }
        let hop = match dst {
            IpAddr::V4(dst) if dst.is_broadcast() || dst.octets()[3] == 255 => Hop::Broadcast,
            dst if dst.is_multicast() => Hop::Group(dst),
            dst => Hop::Neighbour(dst),
        };
        let (source, iface, offload) = (ME.into(), IfIndex(1), Offload::default());
        Ok(Route { source, iface, hop, mtu: 1500, local: dst == IpAddr::from(ME), offload })
    }

    fn send(&mut self, _: Instant, header: &Header, packet: Packet) -> Result<(), SendError> {
        if self.unreachable {
            return Err(SendError { cause: Cause::NetworkUnreachable, packet });
        }
        self.sent.push((header.clone(), packet));
        Ok(())
    }

    fn is_local(&self, addr: IpAddr) -> bool {
        addr == IpAddr::from(ME)
    }
}

/// A received datagram as IP delivers it, its header in front.
fn delivered(choices: &mut Choices<'_>, protocol: Protocol, bytes: &[u8]) -> Datagram {
    let src = choices.of(&[PEER, PEER, PEER, ME, Ipv4Addr::BROADCAST, Ipv4Addr::UNSPECIFIED]);
    let (cast, dst) = choices.of(&[
        (Cast::Unicast, ME),
        (Cast::Unicast, ME),
        (Cast::Unicast, ME),
        (Cast::Broadcast, Ipv4Addr::BROADCAST),
        (Cast::Multicast, Ipv4Addr::new(224, 0, 0, 5)),
    ]);
    let mut ip = crate::probe::Ipv4::new("0.0.0.0", "0.0.0.0", protocol);
    (ip.src, ip.dst) = (src, dst);
    let mut payload = Packet::from_payload(&ip.bytes(bytes));
    payload.strip(20);
    match choices.byte() % 16 {
        0 => payload.set_checksum(Checksum::Verified),
        1 => payload.set_checksum(Checksum::Partial { start: 0, offset: 6 }),
        2 => payload.set_segmentation(Segmentation::Udp4 { size: 100 }),
        3 => payload.set_segmentation(Segmentation::Tcp4 { size: 100 }),
        _ => {}
    }
    let header = Header::new(src.into(), dst.into(), protocol);
    Datagram { header, iface: IfIndex(1), cast, header_len: 20, payload }
}

/// [`icmp::Icmp`] and [`icmp::EchoOnly`]: messages as they come or with a right checksum, and
/// datagrams to report.
pub fn icmp_input(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut layers: Vec<Box<dyn ControlMessages>> = vec![
        Box::new(icmp::Icmp::new(icmp::Config::default(), 1)),
        Box::new(icmp::EchoOnly::new()),
    ];
    let mut now = Instant::ZERO;
    while let Some(event) = choices.next() {
        let mut below = Below { unreachable: event & 64 != 0, ..Below::default() };
        match event % 4 {
            0 => now += choices.time(),
            1 => {
                let bytes = odd_datagram(&mut choices);
                let cause = choices.of(&[
                    Cause::TtlExceeded,
                    Cause::PortUnreachable,
                    Cause::FragmentationNeeded { mtu: 576 },
                    Cause::ParameterProblem { pointer: 20 },
                    Cause::ReassemblyTimeout,
                    Cause::SourceQuench,
                ]);
                let cast = choices.of(&[Cast::Unicast, Cast::Unicast, Cast::Broadcast]);
                for layer in &mut layers {
                    let packet = Packet::from_payload(&bytes);
                    let report = Report { cause, packet, cast };
                    let before = total(layer.counters());
                    let told = layer.report(now, report, &mut below);
                    assert!(total(layer.counters()) > before, "{told:?} and not counted");
                }
            }
            which => {
                let mut bytes = choices.bytes(120);
                if which == 3 {
                    let quoted = odd_datagram(&mut choices);
                    bytes = forge::icmp_error(&mut choices, &quoted);
                } else {
                    forge::fill_icmp_checksum(&mut bytes);
                }
                for layer in &mut layers {
                    let datagram = delivered(&mut choices, Protocol::ICMP, &bytes);
                    let before = total(layer.counters());
                    let input = layer.input(now, datagram, &mut below);
                    assert!(total(layer.counters()) >= before + 2, "{input:?} and not counted");
                }
            }
        }
        assert!(below.sent.len() <= 2, "more than one answer each");
        for (header, packet) in &below.sent {
            // RFC 1812 §4.3.2.3: no error is longer than 576 bytes; an echo's reply is as it was.
            assert!(packet.len() <= 576 || packet[0] == 0, "{} bytes", packet.len());
            assert!(Sum::default().bytes(packet).is_valid(), "a bad checksum");
            assert!(!header.dst.is_multicast() && header.dst != IpAddr::from([255; 4]));
        }
        for layer in &mut layers {
            layer.poll(now, &mut below);
        }
    }
}

/// [`udp::Udp`] and [`udp::SimpleUdp`]: datagrams as they come or nearly right, and quotes of
/// ICMP errors, to sockets that have little room. They agree on all that is delivered.
pub fn udp_input(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (now, mut below) = (Instant::ZERO, Below::default());
    let mut layers: Vec<Box<dyn Datagrams>> =
        vec![Box::new(udp::Udp::new(udp::Config::default(), 1)), Box::new(udp::SimpleUdp::new(1))];
    let any = |port| SocketAddr::new([0, 0, 0, 0].into(), port);
    let sockets: Vec<[_; 2]> = layers
        .iter_mut()
        .map(|udp| {
            [7, 53].map(|port| {
                let socket = udp.open().expect("a socket");
                udp.bind(socket, any(port), &below).expect("a free port");
                let _ = udp.set(socket, udp::Setting::ReceiveBuffer(2000));
                socket
            })
        })
        .collect();
    for (udp, sockets) in layers.iter_mut().zip(&sockets) {
        let peer = Some(SocketAddr::new(PEER.into(), 4000));
        udp.connect(now, sockets[1], peer, &below).expect("a peer");
    }
    while let Some(event) = choices.next() {
        match event % 4 {
            0 => {
                let got = received(&mut layers, &sockets);
                assert_eq!(got[0], got[1]);
            }
            1 => {
                let (src, dst, protocol) = (ME.into(), PEER.into(), Protocol::UDP);
                let payload = choices.bytes(12);
                let quoted = Quoted { src, dst, protocol, total_len: choices.word(), payload };
                for udp in &mut layers {
                    udp.error(now, Cause::PortUnreachable, &quoted);
                }
            }
            which => {
                let mut bytes = choices.bytes(200);
                if which == 3 {
                    let ports = (choices.of(&[4000, 1]), choices.of(&[7, 53, 9]));
                    bytes = crate::probe::udp(ports.0, ports.1, &bytes);
                    bytes[5] = bytes[5].wrapping_add(choices.of(&[0, 0, 0, 1, 255]));
                }
                let datagram = delivered(&mut choices, Protocol::UDP, &bytes);
                let (mut came, mut full) = (Vec::new(), false);
                for udp in &mut layers {
                    let before = total(udp.counters());
                    let again = copy(&datagram);
                    let input = udp.input(now, again);
                    assert!(total(udp.counters()) >= before + 2, "{input:?} and not counted");
                    if let udp::Input::Unreachable(back) = &input {
                        assert_eq!(back.payload, datagram.payload, "it comes back as it was given");
                    }
                    full |= matches!(input, udp::Input::Dropped(udp::DropReason::QueueFull));
                    came.push(std::mem::discriminant(&input));
                }
                // They charge for a datagram differently: from a full queue on they go apart. And the
                // simple one knows no membership of a group.
                if full || datagram.cast == Cast::Multicast {
                    received(&mut layers, &sockets);
                } else {
                    assert_eq!(came[0], came[1], "the two disagree about {bytes:02x?}");
                }
            }
        }
        for (udp, sockets) in layers.iter_mut().zip(&sockets) {
            for socket in sockets {
                let info = udp.info(*socket).expect("an open socket");
                assert!(info.receive_queue <= info.receive_buffer, "{info:?}");
                let _ = udp.take_error(*socket);
            }
            udp.poll(now + Duration::from_secs(1), &mut below);
            while udp.changed().is_some() {}
        }
    }
}

/// What waits in every socket of each of them.
fn received(layers: &mut [Box<dyn Datagrams>], sockets: &[[Handle; 2]]) -> Vec<[Vec<Vec<u8>>; 2]> {
    let both = layers.iter_mut().zip(sockets);
    let all = both.map(|(udp, sockets)| {
        sockets.map(|socket| {
            let next = || udp.receive(socket, false).ok();
            std::iter::from_fn(next).map(|received| received.data.to_vec()).collect()
        })
    });
    all.collect()
}

fn copy(datagram: &Datagram) -> Datagram {
    let Datagram { header, iface, cast, header_len, payload } = datagram;
    Datagram {
        header: header.clone(),
        iface: *iface,
        cast: *cast,
        header_len: *header_len,
        payload: payload.clone(),
    }
}
