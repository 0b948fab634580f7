//! The stack: every layer, and the glue between them.

use std::net::IpAddr;

use arp::{Event, Resolver};
use icmp::ControlMessages;
use ip::{
    Cause, Cidr, Datagram, IfIndex, Internet, Output, Protocol, Quoted, Report, RouteEntry,
    RouteOrigin,
};
use netdev::{Cast, Device, EtherType, Frame, Instant, LinkState, MacAddr, Packet, Port, sooner};
use tcp::Streams;
use udp::Datagrams;

use crate::interfaces::{Below, Interface, Interfaces};
use crate::raw::RawSockets;
use crate::waiters::Key;
use crate::{ConfigError, DropReason};

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
    /// Which interface is served first; the next one at the next poll.
    first: usize,
    /// Whether the device of any interface is gone for good.
    any_gone: bool,
    /// Whether that changed since the waiters were told.
    gone_changed: bool,
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
            first: 0,
            any_gone: false,
            gone_changed: false,
        }
    }

    /// Adds an interface with its addresses; with a `gateway` also a default route by it. `mac`
    /// is the interface's own link address, and `resolver` finds those of others: `None` for a
    /// device without link addresses ([`netdev::Medium::Ip`]).
    pub fn add_interface(
        &mut self,
        now: Instant,
        device: Box<dyn Device>,
        mac: MacAddr,
        resolver: Option<Box<dyn Resolver>>,
        addrs: &[Cidr],
        gateway: Option<IpAddr>,
    ) -> Result<IfIndex, ConfigError> {
        let index = self.interfaces.add(Port::new(device, mac), resolver);
        let done = self.set_up(now, index, addrs, gateway);
        if done.is_err() {
            let _ = self.remove_interface(now, index);
        }
        done.map(|()| index)
    }

    /// Adds the loopback interface, with 127.0.0.1/8. It always has index 0.
    pub fn add_loopback(
        &mut self,
        now: Instant,
        device: Box<dyn Device>,
    ) -> Result<IfIndex, ConfigError> {
        let index = self.interfaces.add_loopback(Port::new(device, MacAddr::ZERO));
        let loopback = Cidr { addr: IpAddr::from([127, 0, 0, 1]), prefix: 8 };
        self.set_up(now, index, &[loopback], None)?;
        Ok(index)
    }

    fn set_up(
        &mut self,
        now: Instant,
        index: IfIndex,
        addrs: &[Cidr],
        gateway: Option<IpAddr>,
    ) -> Result<(), ConfigError> {
        self.update_ip(now, index)?;
        for &addr in addrs {
            self.add_address(now, index, addr)?;
        }
        if let Some(gateway) = gateway {
            let any = IpAddr::from([0, 0, 0, 0]);
            self.configure(
                now,
                ip::Change::AddRoute(RouteEntry {
                    dst: Cidr { addr: any, prefix: 0 },
                    gateway: Some(gateway),
                    iface: index,
                    metric: 0,
                    source: None,
                    origin: RouteOrigin::Static,
                }),
            )?;
        }
        Ok(())
    }

    /// Takes an interface away, with its addresses and routes, and gives its device back to be
    /// dropped.
    pub fn remove_interface(&mut self, now: Instant, index: IfIndex) -> Result<(), ConfigError> {
        self.interfaces.remove(index).ok_or(ConfigError::NoInterface(index))?;
        Ok(self.ip.configure(now, ip::Change::RemoveInterface(index))?)
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
            .fold(self.interfaces.poll_at(), sooner)
    }

    /// A call of TCP, with everything below it to send by; what it sends goes out at once.
    pub fn with_tcp<T>(
        &mut self,
        now: Instant,
        call: impl FnOnce(&mut dyn Streams, &mut dyn Output) -> T,
    ) -> T {
        let mut below = Below { ip: &mut *self.ip, interfaces: &mut self.interfaces };
        let result = call(&mut *self.tcp, &mut below);
        self.after_call(now);
        result
    }

    /// A call of UDP, with everything below it to send by; what it sends goes out at once.
    pub fn with_udp<T>(
        &mut self,
        now: Instant,
        call: impl FnOnce(&mut dyn Datagrams, &mut dyn Output) -> T,
    ) -> T {
        let mut below = Below { ip: &mut *self.ip, interfaces: &mut self.interfaces };
        let result = call(&mut *self.udp, &mut below);
        self.after_call(now);
        result
    }

    /// A call of the raw sockets.
    pub fn with_raw<T>(
        &mut self,
        now: Instant,
        call: impl FnOnce(&mut RawSockets, &mut RawOutput<'_>) -> T,
    ) -> T {
        let mut below = RawOutput(Below { ip: &mut *self.ip, interfaces: &mut self.interfaces });
        let result = call(&mut self.raw, &mut below);
        self.after_call(now);
        result
    }

    fn after_call(&mut self, now: Instant) {
        self.handle_events(now);
        self.interfaces.flush(now);
    }

    fn turn(&mut self, now: Instant, which: Which) -> Progress {
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
            match ethertype {
                EtherType::ARP => self.interfaces.arp_input(now, index, packet),
                EtherType::IPV4 => {
                    match self.ip.input(now, index, cast, packet, &mut self.interfaces) {
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
        if !self.ip.is_local(quoted.src) {
            return self.interfaces.counts.add(DropReason::ForeignQuote);
        }
        self.ip.error(now, from, cause, quoted);
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
    fn handle_events(&mut self, now: Instant) {
        while let Some((index, event)) = self.interfaces.next_event() {
            match event {
                Event::None => {}
                Event::Unreachable(packets) => {
                    for packet in packets {
                        self.unreachable(now, packet);
                    }
                }
                Event::Conflict { addr, mac } => {
                    tracing::warn!(%addr, %mac, interface = %index, "address used by another host");
                }
            }
        }
    }

    /// A neighbour did not answer: whoever sent the datagram is told, a socket of this host by a
    /// call, another host by ICMP (RFC 1122 §2.3.2.2, §3.3.1).
    fn unreachable(&mut self, now: Instant, packet: Packet) {
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

    /// Notices links that went down or came up.
    fn watch_links(&mut self, now: Instant) {
        for place in 0..self.interfaces.len() {
            let interface = self.interfaces.at(place);
            let index = interface.index;
            let (link, gone) = (interface.port.device().link(), interface.is_gone());
            if interface.link != link {
                let name = interface.port.device().name();
                tracing::debug!(interface = name, from = ?interface.link, to = ?link, "link");
                interface.link = link;
                if interface.link == LinkState::Up {
                    // Other neighbours may be there now.
                    let _ = interface.configure_resolver(now, arp::Change::Flush);
                }
            }
            if interface.gone != gone {
                interface.gone = gone;
                self.gone_changed = true;
                let _ = self.update_ip(now, index);
            }
        }
        self.any_gone = self.interfaces.iter().any(|i| i.gone);
    }

    /// Tells IP the facts of an interface, after any of them changed.
    pub(crate) fn update_ip(&mut self, now: Instant, index: IfIndex) -> Result<(), ConfigError> {
        let facts = self.interface(index)?.for_ip();
        Ok(self.ip.configure(now, ip::Change::SetInterface(facts))?)
    }

    pub(crate) fn interface(&self, index: IfIndex) -> Result<&Interface, ConfigError> {
        self.interfaces.find(index).ok_or(ConfigError::NoInterface(index))
    }

    pub(crate) fn interface_mut(&mut self, index: IfIndex) -> Result<&mut Interface, ConfigError> {
        self.interfaces.find_mut(index).ok_or(ConfigError::NoInterface(index))
    }

    /// A socket whose readiness may have changed since this was last asked.
    pub(crate) fn changed(&mut self) -> Option<Key> {
        (self.tcp.changed().map(Key::Tcp))
            .or_else(|| self.udp.changed().map(Key::Udp))
            .or_else(|| self.raw.changed().map(Key::Raw))
    }

    /// Whether a connection has bytes, or a FIN, that its peer has not acknowledged.
    pub(crate) fn owes_peer(&self, socket: ip::Handle) -> bool {
        use tcp::State::*;
        self.tcp.info(Instant::ZERO, socket).is_ok_and(|info| match info.state {
            Closed | Listen | SynSent | SynReceived | FinWait2 | TimeWait => false,
            Established | CloseWait | FinWait1 | Closing | LastAck => true,
        })
    }

    /// Closes every socket: listeners first, so that no connection comes in meanwhile.
    pub(crate) fn close_all(&mut self, now: Instant) {
        let mut sockets = self.tcp.sockets(now);
        sockets.sort_by_key(|info| info.state != tcp::State::Listen);
        for handle in sockets.into_iter().filter_map(|info| info.handle) {
            self.with_tcp(now, |tcp, out| tcp.close(now, handle, out));
        }
        for info in self.udp.sockets() {
            self.udp.close(info.handle);
        }
        for info in self.raw.sockets() {
            self.raw.close(info.handle);
        }
    }

    /// Whether every connection has come to its end: all its bytes and its FIN acknowledged, and
    /// unless `peer_fin_waived` also the peer's FIN received. TIME-WAIT is such an end.
    pub(crate) fn drained(&self, now: Instant, peer_fin_waived: bool) -> bool {
        use tcp::State::*;
        self.tcp.sockets(now).iter().all(|info| match info.state {
            Closed | Listen | TimeWait => true,
            FinWait2 => peer_fin_waived,
            SynSent | SynReceived | Established | CloseWait | FinWait1 | Closing | LastAck => false,
        })
    }

    /// How many devices hold packets back until their descriptor can be written to.
    pub(crate) fn devices_to_write(&self) -> usize {
        let waits = |i: &&Interface| i.port.device().interest().is_some_and(|i| i.write);
        self.interfaces.iter().filter(waits).count()
    }

    /// Whether the device of any interface is gone for good.
    pub(crate) fn any_gone(&self) -> bool {
        self.any_gone
    }

    /// Whether a device went, or came back, since this was last asked.
    pub(crate) fn take_gone_change(&mut self) -> bool {
        std::mem::take(&mut self.gone_changed)
    }

    /// The event loop's word that the descriptor of an interface is of no use any more.
    pub(crate) fn give_up(&mut self, index: IfIndex) {
        if let Some(interface) = self.interfaces.find_mut(index) {
            interface.given_up = true;
        }
    }

    /// Whether `local` can send nothing because its device is gone: its own interface's, or for
    /// the unspecified address every one's but the loopback's.
    pub(crate) fn is_cut_off(&self, local: IpAddr) -> bool {
        let mut others = self.interfaces.iter().filter(|i| !i.loopback).peekable();
        if local.is_unspecified() {
            return others.peek().is_some() && others.all(|i| i.gone);
        }
        others.any(|i| i.gone && i.addrs.iter().any(|a| a.addr == local))
    }
}

fn is_due(at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| at <= now)
}

/// What raw sockets send by: IP with a header of its making, or the interfaces directly for a
/// datagram that brings its own.
pub struct RawOutput<'a>(pub(crate) Below<'a>);

impl std::fmt::Debug for RawOutput<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawOutput")
    }
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stack").field("interfaces", &self.interfaces.len()).finish_non_exhaustive()
    }
}
