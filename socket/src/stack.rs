//! The stack: every layer, and the glue between them.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use arp::Event;
use icmp::ControlMessages;
use ip::{Cause, Datagram, Handle, IfIndex, Internet, Protocol, Quoted, Report};
use netdev::{Cast, EtherType, Frame, Instant, Packet, sooner};
use tcp::Streams;
use udp::Datagrams;

use crate::claims::AddressClaim;
use crate::dns::Names;
use crate::interfaces::{Below, Crossing, Interfaces};
use crate::raw::RawSockets;
use crate::{DropReason, dhcp};

/// How many frames of one interface are taken in a row before the next has its turn, timers run
/// and what was put off (acknowledgments) is sent. As Linux's NAPI budget.
const BATCH: usize = 64;

/// The layers of a stack, each behind its trait.
#[allow(missing_debug_implementations)]
pub struct Layers {
    /// Addresses, routes, forwarding, fragments.
    pub ip: Box<dyn Internet>,
    /// Control messages.
    pub icmp: Box<dyn ControlMessages>,
    /// Datagrams with ports.
    pub udp: Box<dyn Datagrams>,
    /// Reliable streams.
    pub tcp: Box<dyn Streams>,
}

/// A whole stack without threads and without a clock: it does something when it is called, at the
/// time that it is told.
///
/// The rhythm is that of every layer: [`Stack::poll`] when a device has something or
/// [`Stack::poll_at`] is due, the calls of users between ([`Stack::with_tcp`],
/// [`Stack::with_udp`], [`Stack::with_raw`]). A [`Net`](crate::Net) does that from a thread and a
/// clock; a test does it from a loop over virtual time.
pub struct Stack {
    pub(crate) interfaces: Interfaces,
    pub(crate) ip: Box<dyn Internet>,
    pub(crate) icmp: Box<dyn ControlMessages>,
    pub(crate) udp: Box<dyn Datagrams>,
    pub(crate) tcp: Box<dyn Streams>,
    pub(crate) raw: RawSockets,
    /// Which UDP sockets are members of which groups.
    pub(crate) memberships: BTreeSet<(Handle, IfIndex, IpAddr)>,
    /// Addresses that are wanted and were asked for first.
    pub(crate) claims: Vec<AddressClaim>,
    pub(crate) dhcp: dhcp::Clients,
    /// What came of asking for addresses, for the DHCP clients.
    pub(crate) probed: VecDeque<dhcp::Probed>,
    pub(crate) dns: Names,
    /// Which interface is served first; the next one at the next poll.
    first: usize,
    /// The latest time that anybody told.
    pub(crate) seen: Instant,
    /// Whether the device of any interface is gone for good.
    pub(crate) any_gone: bool,
    /// Whether that changed since the waiters were told.
    pub(crate) gone_changed: bool,
}

/// What a [`Stack::poll`] did and left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Frames taken from devices.
    pub received: usize,
    /// Whether to poll again at once: a device may have more.
    pub more: bool,
}

/// Which devices a poll asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    /// Those that said they have something now: loopback, but no descriptor.
    Due,
}

impl Stack {
    /// A stack without interfaces.
    pub fn new(layers: Layers) -> Stack {
        let Layers { ip, icmp, udp, tcp } = layers;
        let (interfaces, raw) = (Interfaces::default(), RawSockets::default());
        Stack {
            interfaces,
            ip,
            icmp,
            udp,
            tcp,
            raw,
            memberships: BTreeSet::new(),
            claims: Vec::new(),
            dhcp: dhcp::Clients::default(),
            probed: VecDeque::new(),
            dns: Names::new(),
            first: 0,
            seen: Instant::ZERO,
            any_gone: false,
            gone_changed: false,
        }
    }

    /// Takes what the devices received, a bounded batch of each, and lets every layer do what is
    /// due. Never waits.
    pub fn poll(&mut self, now: Instant) -> Progress {
        self.turn(now, Which::All)
    }

    /// As [`Stack::poll`], but leaves alone the devices that a descriptor speaks for: for a
    /// thread that has just sent something, and to which only loopback can answer at once.
    pub fn poll_due(&mut self, now: Instant) -> Progress {
        self.turn(now, Which::Due)
    }

    /// When [`Stack::poll`] has something to do next though no device has received anything;
    /// `None`: not before another call.
    pub fn poll_at(&self) -> Option<Instant> {
        [self.tcp.poll_at(), self.udp.poll_at(), self.icmp.poll_at(), self.ip.poll_at()]
            .into_iter()
            .chain([self.dhcp.poll_at()])
            .fold(self.interfaces.poll_at(), sooner)
    }

    fn turn(&mut self, now: Instant, which: Which) -> Progress {
        self.seen = self.seen.max(now);
        let mut received = 0;
        let mut more = false;
        let count = self.interfaces.len();
        for place in 0..count {
            let place = (self.first + place) % count;
            if which == Which::Due && !is_due(self.interfaces.at(place).port.poll_at(), now) {
                continue;
            }
            let taken = self.receive(now, place);
            received += taken;
            more |= taken == BATCH;
        }
        self.first = self.first.wrapping_add(1) % count.max(1);
        self.run_timers(now);
        self.handle_events(now);
        self.interfaces.flush(now);
        self.watch_links(now);
        if self.dhcp.is_any() {
            self.drive_dhcp(now);
        }
        more |= self.interfaces.iter().any(|i| i.loopback && is_due(i.port.poll_at(), now));
        Progress { received, more }
    }

    /// Takes up to a batch of frames from one device and hands each to its layer.
    fn receive(&mut self, now: Instant, place: usize) -> usize {
        for taken in 0..BATCH {
            let interface = self.interfaces.at(place);
            let index = interface.index;
            let Some(frame) = interface.port.receive(now) else { return taken };
            let Frame { cast, ethertype, packet } = frame;
            if !interface.admin_up {
                self.interfaces.counts.add(DropReason::InterfaceDown);
                continue;
            }
            match ethertype {
                EtherType::ARP => {
                    self.interfaces.arp_input(now, index, packet);
                }
                EtherType::IPV4 => {
                    let mut below = Crossing {
                        interfaces: &mut self.interfaces,
                        tcp: &*self.tcp,
                        udp: &*self.udp,
                    };
                    match self.ip.input(now, index, cast, packet, &mut below) {
                        ip::Input::Deliver(datagram) => self.deliver(now, datagram),
                        ip::Input::Report(report) => self.report(now, report),
                        ip::Input::Consumed | ip::Input::Dropped(_) => {}
                    }
                }
                _ => self.interfaces.counts.add(DropReason::UnknownType),
            }
            self.handle_events(now);
        }
        BATCH
    }

    /// Hands a datagram for this host to the raw sockets, then to its transport.
    fn deliver(&mut self, now: Instant, datagram: Datagram) {
        let seen = self.raw.input(now, &datagram);
        let mut below = Below { ip: &mut *self.ip, interfaces: &mut self.interfaces };
        match datagram.header.protocol {
            Protocol::TCP => {
                let _ = self.tcp.input(now, datagram, &mut below);
            }
            Protocol::UDP => match self.udp.input(now, datagram) {
                udp::Input::Unreachable(datagram) => {
                    self.report_about(now, Cause::PortUnreachable, datagram);
                }
                udp::Input::Delivered | udp::Input::Dropped(_) => {}
            },
            Protocol::ICMP => match self.icmp.input(now, datagram, &mut below) {
                icmp::Input::Error { from, cause, quoted } => {
                    self.error_from(now, from, cause, &quoted);
                }
                icmp::Input::Consumed | icmp::Input::Dropped(_) => {}
            },
            // IP has acted on it; raw sockets have had their copies.
            Protocol::IGMP => {}
            _ if seen => {}
            // RFC 1122 §3.2.2.1: a host SHOULD send it; §3.2.2: but never about a group's.
            _ => {
                self.interfaces.counts.add(DropReason::UnknownProtocol);
                if datagram.cast == Cast::Unicast {
                    self.report_about(now, Cause::ProtocolUnreachable, datagram);
                }
            }
        }
    }

    fn report_about(&mut self, now: Instant, cause: Cause, datagram: Datagram) {
        let cast = datagram.cast;
        self.report(now, Report { cause, packet: datagram.into_whole(), cast });
    }

    /// Lets ICMP tell a datagram's source what became of it; ICMP counts what it may not tell.
    fn report(&mut self, now: Instant, report: Report) {
        let mut below = Below { ip: &mut *self.ip, interfaces: &mut self.interfaces };
        let _ = self.icmp.report(now, report, &mut below);
    }

    /// An ICMP error came in: IP learns from it, and whoever sent the datagram is told.
    fn error_from(&mut self, now: Instant, from: IpAddr, cause: Cause, quoted: &Quoted) {
        // RFC 5927 §7.2: only TCP can tell by the number that is quoted whether a limit was forged,
        // and it keeps the limits of its connections itself.
        let path_mtu = matches!(cause, Cause::FragmentationNeeded { .. });
        if !(path_mtu && quoted.protocol == Protocol::TCP) {
            self.ip.error(now, from, cause, quoted);
        }
        self.tell_sender(now, cause, quoted);
    }

    /// Tells the transport and the raw sockets what became of a datagram that they sent.
    fn tell_sender(&mut self, now: Instant, cause: Cause, quoted: &Quoted) {
        self.raw.error(cause, quoted);
        match quoted.protocol {
            Protocol::UDP => self.udp.error(now, cause, quoted),
            Protocol::TCP => {
                let mut below = Below { ip: &mut *self.ip, interfaces: &mut self.interfaces };
                self.tcp.error(now, cause, quoted, &mut below);
            }
            _ => {}
        }
    }

    fn run_timers(&mut self, now: Instant) {
        let mut below = Below { ip: &mut *self.ip, interfaces: &mut self.interfaces };
        self.tcp.poll(now, &mut below);
        self.udp.poll(now, &mut below);
        self.icmp.poll(now, &mut below);
        self.interfaces.arp_poll(now);
        for report in self.ip.poll(now, &mut self.interfaces) {
            self.report(now, report);
        }
    }

    /// Deals with what resolvers said meanwhile. It comes to an end: a report about a datagram
    /// of our own goes to its socket, never onto the wire.
    pub(crate) fn handle_events(&mut self, now: Instant) {
        while let Some((index, event)) = self.interfaces.next_event() {
            match event {
                Event::None => {}
                Event::Unreachable(packets) => {
                    for packet in packets {
                        self.unreachable(now, packet);
                    }
                }
                Event::Claimed { addr } => self.claimed(now, index, addr),
                Event::Conflict { addr, mac } => self.contested(now, index, addr, mac),
                Event::Lost { addr, mac } => self.address_lost(now, index, addr, mac),
            }
        }
    }

    /// A neighbour did not answer: whoever sent the datagram is told, a socket of this host by a
    /// call, another host by ICMP (RFC 1122 §2.3.2.2, §3.3.1).
    fn unreachable(&mut self, now: Instant, mut packet: Packet) {
        self.ip.undo(&mut packet);
        match Quoted::parse(&packet) {
            Some(quoted) if self.ip.is_local(quoted.src) => {
                self.tell_sender(now, Cause::HostUnreachable, &quoted);
            }
            Some(_) => {
                let (cause, cast) = (Cause::HostUnreachable, Cast::Unicast);
                self.report(now, Report { cause, packet, cast });
            }
            None => self.interfaces.counts.add(DropReason::Undeliverable),
        }
    }
}

fn is_due(at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| at <= now)
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stack").field("interfaces", &self.interfaces.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tcp_tests;
#[cfg(test)]
mod tests;
