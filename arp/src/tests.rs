//! Tests of the layer, on virtual time: the layer below is a `Vec`.

mod ageing;
mod cache;
mod claims;
mod hostile;
mod shared;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use netdev::{EtherType, Instant, MacAddr, Packet};

use crate::wire::{Message, Operation};
use crate::{Cache, Change, Config, Event, Link, Resolver, State};

pub(crate) const ME: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
pub(crate) const PEER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
pub(crate) const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 3]);
pub(crate) const MY_ADDR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const PEER_ADDR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const OTHER_ADDR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);

/// More polls than this in one wait, and the event loop above would spin.
const MOST_POLLS: usize = 10_000;

/// What a resolver sent.
#[derive(Default)]
pub(crate) struct Sent(pub(crate) Vec<(MacAddr, EtherType, Packet)>);

impl Link for Sent {
    fn transmit(&mut self, _: Instant, dst: MacAddr, ethertype: EtherType, packet: Packet) {
        self.0.push((dst, ethertype, packet));
    }
}

impl Sent {
    /// The ARP messages sent since the last call, with their destinations.
    pub(crate) fn arp(&mut self) -> Vec<(MacAddr, Message)> {
        let arp = self.0.extract_if(.., |(_, ethertype, _)| *ethertype == EtherType::ARP);
        arp.map(|(dst, _, packet)| (dst, Message::parse(&packet).expect("own packet"))).collect()
    }

    /// The datagrams sent since the last call, with their destinations.
    pub(crate) fn datagrams(&mut self) -> Vec<(MacAddr, Vec<u8>)> {
        let ip = self.0.extract_if(.., |(_, ethertype, _)| *ethertype == EtherType::IPV4);
        ip.map(|(dst, _, packet)| (dst, packet.to_vec())).collect()
    }
}

/// A resolver with its link and a clock.
pub(crate) struct Bench {
    pub(crate) arp: Box<dyn Resolver>,
    pub(crate) link: Sent,
    pub(crate) now: Instant,
}

impl Bench {
    /// Over any resolver, which gets the address `MY_ADDR`.
    pub(crate) fn over(arp: Box<dyn Resolver>) -> Bench {
        let mut bench = Bench { arp, link: Sent::default(), now: Instant::from_secs(1) };
        bench.set(Change::AddAddress(MY_ADDR.into()));
        bench
    }

    pub(crate) fn cache(config: Config) -> Bench {
        Bench::over(Box::new(Cache::new(ME, config, 1)))
    }

    pub(crate) fn set(&mut self, change: Change) {
        self.arp.configure(self.now, change, &mut self.link).expect("change");
    }

    pub(crate) fn send(&mut self, hop: Ipv4Addr, data: &[u8]) -> Event {
        self.arp.send(self.now, hop.into(), Packet::from_payload(data), &mut self.link)
    }

    pub(crate) fn input(&mut self, message: Message) -> Event {
        self.arp.input(self.now, message.packet(), &mut self.link)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Event {
        self.arp.input(self.now, Packet::from_payload(bytes), &mut self.link)
    }

    /// Lets time pass, polling when the resolver wants it; gives what came of it.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Event> {
        let end = self.now + time;
        let mut events = Vec::new();
        let mut polls = 0;
        while let Some(at) = self.arp.poll_at().filter(|at| *at <= end) {
            polls += 1;
            assert!(polls < MOST_POLLS, "poll_at() says {at} for ever");
            self.now = self.now.max(at);
            match self.arp.poll(self.now, &mut self.link) {
                Event::None => {}
                event => events.push(event),
            }
        }
        self.now = end;
        events
    }

    pub(crate) fn secs(&mut self, secs: u64) -> Vec<Event> {
        self.pass(Duration::from_secs(secs))
    }

    pub(crate) fn state(&self, addr: Ipv4Addr) -> Option<State> {
        let entries = self.arp.entries(self.now);
        entries.iter().find(|entry| entry.addr == IpAddr::from(addr)).map(|entry| entry.state)
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        let counters = self.arp.counters();
        counters.iter().find(|counter| counter.name == name).expect("a counter of that name").count
    }
}

/// A request for `target`.
pub(crate) fn request(mac: MacAddr, sender: Ipv4Addr, target: Ipv4Addr) -> Message {
    Message::request(mac, sender, target)
}

/// A reply to us.
pub(crate) fn reply(mac: MacAddr, sender: Ipv4Addr) -> Message {
    Message {
        operation: Operation::Reply,
        sender_mac: mac,
        sender,
        target_mac: ME,
        target: MY_ADDR,
    }
}

pub(crate) fn unreachable(datagrams: &[&[u8]]) -> Event {
    Event::Unreachable(datagrams.iter().map(|data| Packet::from_payload(data)).collect())
}
