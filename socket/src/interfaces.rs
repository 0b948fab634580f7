//! The interfaces of a stack: a device, and what finds the neighbours behind it.

use std::collections::VecDeque;
use std::net::IpAddr;

use arp::{Event, Link, Resolver};
use ip::{
    Cause, Cidr, Header, Hop, IfIndex, Internet, NextHop, Offload, Output, Protocol, Route,
    SendError,
};
use netdev::{Counts, EtherType, Instant, LinkState, MacAddr, Medium, Packet, Port, sooner};
use tcp::Streams;
use udp::Datagrams;

use crate::DropReason;

/// One interface: its device behind the Ethernet framing, its resolver, its addresses.
pub(crate) struct Interface {
    pub(crate) index: IfIndex,
    pub(crate) port: Port,
    /// None where the medium has no link addresses.
    pub(crate) resolver: Option<Box<dyn Resolver>>,
    pub(crate) addrs: Vec<Cidr>,
    pub(crate) loopback: bool,
    /// What a person wants (`ifconfig up`, `down`).
    pub(crate) admin_up: bool,
    /// What the device says, as of the last poll.
    pub(crate) link: LinkState,
    /// Whether the device is gone for good, as of the last poll.
    pub(crate) gone: bool,
    /// The event loop has found that the device's descriptor is broken.
    pub(crate) given_up: bool,
    /// What the resolver would have sent while [`Interface::admin_up`] was false.
    pub(crate) unsent: u64,
}

impl Interface {
    /// Whether the device will never work again: the link is down, and there is neither a
    /// descriptor nor a time to wait for. A link that is only down for now (no peer yet, a cable
    /// out) loses packets as any link may; TCP tries again until it comes back.
    pub(crate) fn is_gone(&self) -> bool {
        let device = self.port.device();
        let waits = device.poll_at().is_some() || (device.interest().is_some() && !self.given_up);
        self.link != LinkState::Up && !waits
    }

    /// The interface as IP is told of it.
    pub(crate) fn for_ip(&self) -> ip::Interface {
        let can = self.port.capabilities();
        ip::Interface {
            index: self.index,
            name: self.port.device().name().to_string(),
            addrs: self.addrs.clone(),
            mtu: can.mtu,
            medium: can.medium,
            loopback: self.loopback,
            up: self.admin_up && !self.gone,
            offload: Offload {
                checksum: can.checksum,
                tcp_segmentation: can.tcp_segmentation,
                udp_segmentation: can.udp_segmentation,
            },
        }
    }

    /// Runs a call of the resolver with the interface's own port as its link.
    fn resolve(
        &mut self,
        call: impl FnOnce(&mut dyn Resolver, &mut dyn Link) -> Event,
    ) -> Option<Event> {
        let resolver = self.resolver.as_mut()?;
        let mut link = Framed { port: &mut self.port, up: self.admin_up, unsent: &mut self.unsent };
        Some(call(&mut **resolver, &mut link))
    }

    /// Changes the resolver; `None` where there is none.
    pub(crate) fn configure_resolver(
        &mut self,
        now: Instant,
        change: arp::Change,
    ) -> Option<Result<(), arp::Error>> {
        let resolver = self.resolver.as_mut()?;
        let mut link = Framed { port: &mut self.port, up: self.admin_up, unsent: &mut self.unsent };
        Some(resolver.configure(now, change, &mut link))
    }
}

/// A port as the link that a resolver sends by.
struct Framed<'a> {
    port: &'a mut Port,
    up: bool,
    unsent: &'a mut u64,
}

impl Link for Framed<'_> {
    fn transmit(&mut self, now: Instant, dst: MacAddr, ethertype: EtherType, packet: Packet) {
        match self.up {
            true => self.port.transmit(now, dst, ethertype, packet),
            false => *self.unsent += 1,
        }
    }
}

/// All interfaces, by index.
#[derive(Default)]
pub(crate) struct Interfaces {
    list: Vec<Interface>,
    /// The highest index given away so far; none is given twice.
    last: u32,
    /// What resolvers said while something else was under way. It is dealt with when that is
    /// done, not in the middle of it.
    events: VecDeque<(IfIndex, Event)>,
    pub(crate) counts: Counts<DropReason>,
}

impl Interfaces {
    pub(crate) fn add(&mut self, port: Port, resolver: Option<Box<dyn Resolver>>) -> IfIndex {
        self.last += 1;
        self.insert(IfIndex(self.last), port, resolver, false)
    }

    /// The loopback interface has index 0, by convention.
    pub(crate) fn add_loopback(&mut self, port: Port) -> IfIndex {
        let index = IfIndex(0);
        self.remove(index);
        self.insert(index, port, None, true)
    }

    fn insert(
        &mut self,
        index: IfIndex,
        port: Port,
        resolver: Option<Box<dyn Resolver>>,
        loopback: bool,
    ) -> IfIndex {
        let link = port.device().link();
        let addrs = Vec::new();
        let new = Interface {
            index,
            port,
            resolver,
            addrs,
            loopback,
            admin_up: true,
            link,
            gone: false,
            given_up: false,
            unsent: 0,
        };
        let at = self.list.partition_point(|i| i.index < index);
        self.list.insert(at, new);
        index
    }

    pub(crate) fn remove(&mut self, index: IfIndex) -> Option<Interface> {
        let at = self.list.iter().position(|i| i.index == index)?;
        Some(self.list.remove(at))
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Interface> {
        self.list.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// The interface at a place in the list, from 0 to [`Interfaces::len`].
    pub(crate) fn at(&mut self, place: usize) -> &mut Interface {
        &mut self.list[place]
    }

    pub(crate) fn find(&self, index: IfIndex) -> Option<&Interface> {
        self.list.iter().find(|i| i.index == index)
    }

    pub(crate) fn find_mut(&mut self, index: IfIndex) -> Option<&mut Interface> {
        self.list.iter_mut().find(|i| i.index == index)
    }

    /// Hands a received ARP packet to the interface's resolver.
    pub(crate) fn arp_input(&mut self, now: Instant, index: IfIndex, packet: Packet) {
        let event = self
            .find_mut(index)
            .and_then(|i| i.resolve(|resolver, link| resolver.input(now, packet, link)));
        self.keep(index, event, DropReason::NoResolver);
    }

    /// Lets the resolvers repeat requests and age what they know.
    pub(crate) fn arp_poll(&mut self, now: Instant) {
        for at in 0..self.list.len() {
            let interface = &mut self.list[at];
            let event = interface.resolve(|resolver, link| resolver.poll(now, link));
            let index = interface.index;
            self.keep_event(index, event.unwrap_or_default());
        }
    }

    /// The oldest of what resolvers had to say.
    pub(crate) fn next_event(&mut self) -> Option<(IfIndex, Event)> {
        self.events.pop_front()
    }

    pub(crate) fn flush(&mut self, now: Instant) {
        for interface in &mut self.list {
            interface.port.flush(now);
        }
    }

    pub(crate) fn poll_at(&self) -> Option<Instant> {
        self.list.iter().fold(None, |due, interface| {
            let resolver = interface.resolver.as_ref().and_then(|r| r.poll_at());
            sooner(due, sooner(resolver, interface.port.poll_at()))
        })
    }

    fn keep(&mut self, index: IfIndex, event: Option<Event>, otherwise: DropReason) {
        match event {
            Some(event) => self.keep_event(index, event),
            None => self.counts.add(otherwise),
        }
    }

    fn keep_event(&mut self, index: IfIndex, event: Event) {
        if event != Event::None {
            self.events.push_back((index, event));
        }
    }
}

/// What IP needs, from what the interfaces offer.
impl NextHop for Interfaces {
    fn send(&mut self, now: Instant, iface: IfIndex, hop: Hop, packet: Packet) {
        let Some(interface) = self.find_mut(iface) else {
            return self.counts.add(DropReason::NoInterface);
        };
        if !interface.admin_up {
            return self.counts.add(DropReason::InterfaceDown);
        }
        let to_all = interface.port.capabilities().medium == Medium::Ip;
        let mac = match hop {
            // There is one peer, and it needs no address.
            _ if to_all => MacAddr::BROADCAST,
            Hop::Broadcast => MacAddr::BROADCAST,
            Hop::Group(IpAddr::V4(group)) => MacAddr::of_ipv4_group(group),
            Hop::Group(IpAddr::V6(_)) => return self.counts.add(DropReason::NoResolver),
            Hop::Neighbour(hop) => {
                let event =
                    interface.resolve(|resolver, link| resolver.send(now, hop, packet, link));
                return self.keep(iface, event, DropReason::NoResolver);
            }
        };
        interface.port.transmit(now, mac, EtherType::IPV4, packet);
    }
}

/// What IP needs while it forwards: the interfaces, and whose ports are whose.
pub(crate) struct Crossing<'a> {
    pub(crate) interfaces: &'a mut Interfaces,
    pub(crate) tcp: &'a dyn Streams,
    pub(crate) udp: &'a dyn Datagrams,
}

impl NextHop for Crossing<'_> {
    fn send(&mut self, now: Instant, iface: IfIndex, hop: Hop, packet: Packet) {
        self.interfaces.send(now, iface, hop, packet);
    }

    fn is_taken(&self, protocol: Protocol, port: u16) -> bool {
        match protocol {
            Protocol::TCP => self.tcp.is_at(port),
            Protocol::UDP => self.udp.is_at(port),
            _ => false,
        }
    }
}

/// Everything below a transport.
pub(crate) struct Below<'a> {
    pub(crate) ip: &'a mut dyn Internet,
    pub(crate) interfaces: &'a mut Interfaces,
}

impl Below<'_> {
    /// Gives the neighbour that leads to `dst` to its resolver.
    fn advise(&mut self, now: Instant, dst: IpAddr, tell: impl FnOnce(&mut dyn Resolver, IpAddr)) {
        let Ok(Route { iface, hop: Hop::Neighbour(hop), .. }) = self.ip.route(now, dst, None)
        else {
            return;
        };
        if let Some(resolver) = self.interfaces.find_mut(iface).and_then(|i| i.resolver.as_mut()) {
            tell(&mut **resolver, hop);
        }
    }
}

/// What a transport needs, from what IP offers.
impl Output for Below<'_> {
    fn route(&self, now: Instant, dst: IpAddr, src: Option<IpAddr>) -> Result<Route, Cause> {
        self.ip.route(now, dst, src)
    }

    fn send(&mut self, now: Instant, header: &Header, packet: Packet) -> Result<(), SendError> {
        self.ip.send(now, header, packet, self.interfaces)
    }

    fn is_local(&self, addr: IpAddr) -> bool {
        self.ip.is_local(addr)
    }

    fn confirm(&mut self, now: Instant, dst: IpAddr) {
        self.advise(now, dst, |resolver, hop| resolver.confirm(now, hop));
    }

    fn doubt(&mut self, now: Instant, dst: IpAddr) {
        self.advise(now, dst, |resolver, hop| resolver.doubt(now, hop));
    }
}
