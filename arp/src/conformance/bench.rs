//! The bench of the kit: a resolver on virtual time, with a list of frames in place of the link.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use netdev::conformance::{self, Record, Subject};
use netdev::{Direction, EtherType, Instant, MacAddr, Medium, Packet};

use super::Make;
use super::message::{Message, REQUEST};
use crate::{Change, Error, Event, Link, Resolver, State};

/// The link address of the interface under test.
pub const MY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
/// Its IP address.
pub const MY_ADDR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(super) const PEER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
pub(super) const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(super) const OTHER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 3]);
pub(super) const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);

/// So many polls at one time: more, and the event loop above would spin.
const POLLS: usize = 10_000;

/// A resolver under test, for an interface with [`MY_MAC`] and [`MY_ADDR`].
pub struct Bench {
    arp: Box<dyn Resolver>,
    link: Frames,
    pub(super) now: Instant,
    pub(super) record: Record,
}

/// What the resolver sent and no expectation has taken yet.
struct Frames {
    sent: Vec<(MacAddr, EtherType, Packet)>,
    record: Record,
}

impl Link for Frames {
    fn transmit(&mut self, now: Instant, dst: MacAddr, ethertype: EtherType, packet: Packet) {
        let what = match Message::parse(&packet) {
            Some(message) if ethertype == EtherType::ARP => format!("{message:?}"),
            _ => format!("{} bytes of type {:04x}", packet.len(), ethertype.0),
        };
        self.record.step(now, format!("  sent to {dst}: {what}"), "");
        capture(&self.record, now, Direction::Tx, dst, MY_MAC, ethertype, &packet);
        self.sent.push((dst, ethertype, packet));
    }
}

fn capture(
    record: &Record,
    now: Instant,
    direction: Direction,
    dst: MacAddr,
    src: MacAddr,
    ethertype: EtherType,
    packet: &[u8],
) {
    let mut frame = Packet::from_payload(packet);
    let header = frame.prepend(14);
    header[..6].copy_from_slice(&dst.0);
    header[6..12].copy_from_slice(&src.0);
    header[12..].copy_from_slice(&ethertype.0.to_be_bytes());
    record.packet(now, "eth0", Medium::Ethernet, direction, &frame);
}

impl conformance::Bench<Make> for Bench {
    fn new(subject: &Subject<Make>) -> Bench {
        let record = subject.record.clone();
        let link = Frames { sent: Vec::new(), record: record.clone() };
        let mut bench = Bench { arp: subject.make(), link, now: Instant::from_secs(1), record };
        bench.set(Change::AddAddress(MY_ADDR.into()));
        bench
    }
}

/// The datagram that a case calls by a number, from `src` to `hop`: whole and valid, for some
/// resolvers look into what they send.
pub(super) fn datagram(src: Ipv4Addr, hop: Ipv4Addr, number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    let mut bytes = vec![0x45, 0, 0, 22, 0, 0, 0x40, 0, 64, 253, 0, 0];
    bytes.extend(src.octets());
    bytes.extend(hop.octets());
    let check = netdev::checksum::Sum::default().bytes(&bytes).finish();
    bytes[10..12].copy_from_slice(&check.to_be_bytes());
    bytes.extend([high, low]);
    bytes
}

impl Bench {
    /// What the resolver knows, in one line.
    fn values(&self) -> String {
        let mut text = String::from("table:");
        let entries = self.arp.entries(self.now);
        for entry in entries.iter().take(6) {
            let mac = entry.mac.map_or_else(|| "?".to_owned(), |mac| mac.to_string());
            let _ = write!(text, " {} {mac} {:?}", entry.addr, entry.state);
            if let Some(timeout) = entry.timeout {
                let _ = write!(text, " for {:.3} s", timeout.as_secs_f64());
            }
            if entry.waiting > 0 {
                let _ = write!(text, " {} waiting", entry.waiting);
            }
            text.push(';');
        }
        match entries.len() {
            0 => text.push_str(" empty;"),
            count if count > 6 => _ = write!(text, " and {} more;", count - 6),
            _ => {}
        }
        match self.arp.poll_at() {
            None => text.push_str(" no timer"),
            Some(at) => _ = write!(text, " timer at {at}"),
        }
        text
    }

    fn step(&self, what: impl std::fmt::Display) {
        self.record.step(self.now, what, self.values());
    }

    /// A change that must succeed.
    pub(super) fn set(&mut self, change: Change) {
        let result = self.change(change);
        self.record.expect_eq("the change", result, Ok(()));
    }

    pub(super) fn change(&mut self, change: Change) -> Result<(), Error> {
        let result = self.arp.configure(self.now, change, &mut self.link);
        self.step(format_args!("configure {change:?}: {result:?}"));
        result
    }

    /// Sends datagram `number` to the neighbour `hop`.
    pub(super) fn send(&mut self, hop: Ipv4Addr, number: u16) -> Event {
        self.send_from(MY_ADDR, hop, number)
    }

    pub(super) fn send_from(&mut self, src: Ipv4Addr, hop: Ipv4Addr, number: u16) -> Event {
        let packet = Packet::from_payload(&datagram(src, hop, number));
        let event = self.arp.send(self.now, hop.into(), packet, &mut self.link);
        self.step(format_args!("send datagram {number} to {hop}: {}", name(&event)));
        event
    }

    /// [`Bench::send`] where nothing is to come back.
    pub(super) fn send_well(&mut self, hop: Ipv4Addr, number: u16) {
        let event = self.send(hop, number);
        self.record.expect_eq("of the send", event, Event::None);
    }

    pub(super) fn input(&mut self, message: Message) -> Event {
        self.input_bytes(&message.bytes(), format!("{message:?}"))
    }

    /// Any bytes as an ARP packet; `what` names them in the report.
    pub(super) fn input_bytes(&mut self, bytes: &[u8], what: impl std::fmt::Display) -> Event {
        let packet = Packet::from_payload(bytes);
        let src = Message::parse(bytes).map_or(PEER_MAC, |message| message.sha);
        let (rx, arp) = (Direction::Rx, EtherType::ARP);
        capture(&self.record, self.now, rx, MacAddr::BROADCAST, src, arp, bytes);
        let event = self.arp.input(self.now, packet, &mut self.link);
        self.step(format_args!("received {what}: {}", name(&event)));
        event
    }

    /// The peer answers our request.
    pub(super) fn answer(&mut self) {
        self.answer_as(PEER, PEER_MAC);
    }

    pub(super) fn answer_as(&mut self, addr: Ipv4Addr, mac: MacAddr) {
        let event = self.input(Message::reply(mac, addr, MY_MAC, MY_ADDR));
        self.record.expect_eq("of the answer", event, Event::None);
    }

    /// Asked for and answered: the peer is a neighbour, and nothing is left of how it became one.
    pub(super) fn know(&mut self) {
        self.know_as(PEER, PEER_MAC);
    }

    pub(super) fn know_as(&mut self, addr: Ipv4Addr, mac: MacAddr) {
        self.send_well(addr, 60_000);
        self.answer_as(addr, mac);
        let out = self.datagrams();
        self.record.expect_eq(
            "the datagram that waited, once there is an answer",
            out,
            vec![(mac, datagram(MY_ADDR, addr, 60_000))],
        );
        self.link.sent.clear();
    }

    /// Lets time pass, polling when the resolver wants it; gives what came back.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<Packet> {
        let end = self.now + time;
        let mut back = Vec::new();
        let mut polls = 0;
        while let Some(at) = self.arp.poll_at().filter(|at| *at <= end) {
            if at > self.now {
                (self.now, polls) = (at, 0);
            }
            polls += 1;
            if polls > POLLS {
                self.record.fail("poll_at() to move on after poll()", format_args!("still {at}"));
            }
            let event = self.arp.poll(self.now, &mut self.link);
            self.step(format_args!("poll: {}", name(&event)));
            if let Event::Unreachable(packets) = event {
                back.extend(packets);
            }
        }
        self.now = end;
        back
    }

    pub(super) fn secs(&mut self, secs: u64) -> Vec<Packet> {
        self.pass(Duration::from_secs(secs))
    }

    pub(super) fn confirm(&mut self, hop: Ipv4Addr) {
        self.arp.confirm(self.now, hop.into());
        self.step(format_args!("confirm {hop}"));
    }

    pub(super) fn doubt(&mut self, hop: Ipv4Addr) {
        self.arp.doubt(self.now, hop.into());
        self.step(format_args!("doubt {hop}"));
    }

    /// The ARP packets sent since the last look, with the frames' destinations.
    pub(super) fn arp(&mut self) -> Vec<(MacAddr, Message)> {
        let arp = self.link.sent.extract_if(.., |(_, ethertype, _)| *ethertype == EtherType::ARP);
        let arp: Vec<_> = arp.collect();
        let parse = |(dst, _, packet): (MacAddr, EtherType, Packet)| {
            let Some(message) = Message::parse(&packet) else {
                let seen = format!("{} bytes: {:02x?}", packet.len(), &packet[..]);
                self.record.fail("an ARP packet of 28 bytes", seen);
            };
            (dst, message)
        };
        arp.into_iter().map(parse).collect()
    }

    /// The datagrams sent since the last look, with the frames' destinations.
    pub(super) fn datagrams(&mut self) -> Vec<(MacAddr, Vec<u8>)> {
        let ip = self.link.sent.extract_if(.., |(_, ethertype, _)| *ethertype == EtherType::IPV4);
        ip.map(|(dst, _, packet)| (dst, packet.to_vec())).collect()
    }

    /// These datagrams to `hop`, all to `mac`, and no others, were sent since the last look.
    pub(super) fn expect_sent(&mut self, hop: Ipv4Addr, mac: MacAddr, numbers: &[u16]) {
        let datagrams = self.datagrams();
        let expected: Vec<_> =
            numbers.iter().map(|number| (mac, datagram(MY_ADDR, hop, *number))).collect();
        if datagrams != expected {
            let what = match numbers {
                [] => format!("no datagram to {hop}"),
                numbers => format!("datagrams {numbers:?} to {hop}, in frames to {mac}"),
            };
            let seen: Vec<String> =
                datagrams.iter().map(|(mac, bytes)| named(*mac, hop, bytes)).collect();
            let seen = if seen.is_empty() { "none".to_owned() } else { seen.join(", ") };
            self.record.fail(what, seen);
        }
    }

    /// One broadcast request for `target`, from our address, was sent since the last look.
    pub(super) fn expect_asked(&mut self, target: Ipv4Addr) {
        self.expect_asked_from(MY_ADDR, target);
    }

    pub(super) fn expect_asked_from(&mut self, src: Ipv4Addr, target: Ipv4Addr) {
        let mut seen = self.arp();
        for (_, message) in &mut seen {
            // "It does not set ar$tha to anything in particular" (RFC 826).
            message.tha = MacAddr::ZERO;
        }
        let expected = vec![(MacAddr::BROADCAST, Message::request(MY_MAC, src, target))];
        self.record.expect_eq("ARP packets sent", seen, expected);
    }

    /// One reply was sent to `mac` since the last look, that says where `ours` is.
    pub(super) fn expect_answered(&mut self, mac: MacAddr, addr: Ipv4Addr, ours: Ipv4Addr) {
        let expected = vec![(mac, Message::reply(MY_MAC, ours, mac, addr))];
        let seen = self.arp();
        self.record.expect_eq("ARP packets sent", seen, expected);
    }

    /// No ARP packet was sent since the last look.
    pub(super) fn expect_silence(&mut self) {
        let seen = self.arp();
        self.record.expect_eq("ARP packets sent", seen, Vec::new());
    }

    /// The resolver is alive: it answers a request.
    pub(super) fn expect_alive(&mut self) {
        let event = self.input(Message::request(OTHER_MAC, OTHER, MY_ADDR));
        self.record.expect_eq("of a good request", event, Event::None);
        self.expect_answered(OTHER_MAC, OTHER, MY_ADDR);
    }

    /// The resolver does not know where `addr` is: nothing goes there, whether it asks or hands
    /// the datagram back.
    pub(super) fn expect_unknown(&mut self, addr: Ipv4Addr) {
        self.link.sent.clear();
        let _ = self.send(addr, 50_000);
        self.expect_sent(addr, MacAddr::ZERO, &[]);
        self.link.sent.clear();
    }

    /// The resolver knows where `addr` is, and need not ask.
    pub(super) fn expect_known(&mut self, addr: Ipv4Addr, mac: MacAddr) {
        self.link.sent.clear();
        self.send_well(addr, 50_000);
        self.expect_sent(addr, mac, &[50_000]);
        let asked = self.arp().into_iter().any(|(_, message)| message.op == REQUEST);
        self.record.expect_eq("asked", asked, false);
    }

    pub(super) fn entries(&self) -> Vec<crate::Entry> {
        self.arp.entries(self.now)
    }

    pub(super) fn entry(&self, addr: Ipv4Addr) -> Option<crate::Entry> {
        self.entries().into_iter().find(|entry| entry.addr == IpAddr::V4(addr))
    }

    pub(super) fn expect_state(&self, addr: Ipv4Addr, state: Option<State>) {
        let seen = self.entry(addr).map(|entry| entry.state);
        self.record.expect_eq(&format!("the entry of {addr}"), seen, state);
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.arp.poll_at()
    }

    pub(super) fn counter_names(&self) -> Vec<&'static str> {
        self.arp.counters().iter().map(|counter| counter.name).collect()
    }

    /// The sum of all counters.
    pub(super) fn counted(&self) -> u64 {
        self.arp.counters().iter().map(|counter| counter.count).sum()
    }
}

/// A datagram that was sent: its number, where it is one of a case's to `hop`.
fn named(mac: MacAddr, hop: Ipv4Addr, bytes: &[u8]) -> String {
    let number = bytes.last_chunk().map_or(0, |last| u16::from_be_bytes(*last));
    if *bytes == datagram(MY_ADDR, hop, number) {
        format!("datagram {number} in a frame to {mac}")
    } else {
        format!("{bytes:02x?} in a frame to {mac}")
    }
}

fn name(event: &Event) -> String {
    match event {
        Event::None => "nothing comes back".to_owned(),
        Event::Unreachable(packets) => format!("{} unreachable", packets.len()),
        Event::Claimed { addr } => format!("{addr} is ours"),
        Event::Conflict { addr, mac } => format!("conflict: {addr} is used by {mac}"),
        Event::Lost { addr, mac } => format!("{addr} is given up to {mac}"),
    }
}
