//! [`SmallTcp`] around its connections: who has which port, SYN queues, timers, and the calls of
//! [`Streams`].

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use ip::{Cause, Datagram, Handle, Header, Output, Protocol, Quoted, Readiness, SocketError, Ttl};
use netdev::{Counter, Counts, Instant, Packet};
use tracing::trace;

use super::{ANY, Cx, Event, Holder, MAX_WINDOW, NOWHERE, Queue, Reply, SEND_BUFFER, Tcb, Verdict};
use crate::challenge::ChallengeLimit;
use crate::isn::IsnGenerator;
use crate::ports::Ports;
use crate::slab::Slab;
use crate::table::{Owner, Table, Tuple};
use crate::tcb::ConnId;
use crate::{
    Config, DropReason, EcnMode, Flags, Info, Input, ReceiveFlags, Segment, SendFlags, SeqNum,
    Setting, Settings, Shutdown, State, Streams,
};
use State::*;

/// The small TCP: a second implementation of [`Streams`]. What it does and what it leaves out
/// stands at the top of `small.rs`.
pub struct SmallTcp {
    tcbs: Slab<Tcb>,
    /// Who has which port.
    table: Table,
    /// The next deadline of each connection that has one.
    timers: BTreeSet<(Instant, Handle)>,
    /// What [`Streams::changed`] will say.
    changed: BTreeSet<Handle>,
    config: Config,
    isn: IsnGenerator,
    ports: Ports,
    challenges: ChallengeLimit,
    drops: Counts<DropReason>,
    events: Counts<Event>,
}

impl SmallTcp {
    /// A TCP without sockets. Sequence numbers and ports follow from `seed`.
    pub fn new(seed: u64) -> SmallTcp {
        let config = Config {
            max_sockets: 1 << 16,
            // RFC 9293 §3.8.3, MUST-23: three minutes at least.
            syn_retries: 7,
            ..Config::default()
        };
        SmallTcp {
            tcbs: Slab::new(),
            table: Table::new(seed),
            timers: BTreeSet::new(),
            changed: BTreeSet::new(),
            isn: IsnGenerator::new(seed),
            ports: Ports::new(config.ports.clone(), seed),
            challenges: ChallengeLimit::new(config.challenge_acks, seed),
            config,
            drops: Counts::default(),
            events: Counts::default(),
        }
    }

    fn insert(&mut self, holder: Holder, settings: Settings) -> Option<Handle> {
        let tcb = Tcb::new(holder, settings, &self.config);
        (self.tcbs.len() < self.config.max_sockets).then(|| self.tcbs.insert(tcb))
    }

    /// A user's socket.
    fn socket(&self, handle: Handle) -> Reply<&Tcb> {
        let tcb = self.tcbs.get(handle).filter(|tcb| tcb.holder == Holder::User);
        tcb.ok_or(SocketError::BadHandle)
    }

    fn socket_mut(&mut self, handle: Handle) -> Reply<&mut Tcb> {
        self.socket(handle)?;
        self.tcbs.get_mut(handle).ok_or(SocketError::BadHandle)
    }

    /// Something happens to a connection; then what is kept outside of it follows.
    fn event<R>(
        &mut self,
        now: Instant,
        id: Handle,
        out: &mut dyn Output,
        f: impl FnOnce(&mut Tcb, &mut Cx<'_>) -> R,
    ) -> R {
        let tcb = self.tcbs.get_mut(id).expect("whoever names a connection has found it");
        let (ready, due) = (tcb.readiness(), tcb.deadline());
        let SmallTcp { config, challenges, events, .. } = self;
        let result = f(tcb, &mut Cx { now, out, config, challenges, events });
        if tcb.holder == Holder::User && tcb.readiness() != ready {
            self.changed.insert(id);
        }
        if tcb.deadline() != due {
            due.map(|at| self.timers.remove(&(at, id)));
            tcb.deadline().map(|at| self.timers.insert((at, id)));
        }
        if let Holder::HalfOpen(listener) = tcb.holder
            && tcb.state != SynReceived
        {
            self.handshake_over(id, listener);
        }
        self.forget_if_closed(id);
        result
    }

    /// A listener's connection has come through, or has failed.
    fn handshake_over(&mut self, id: Handle, listener: Handle) {
        let Some(tcb) = self.tcbs.get_mut(id) else { return };
        let done = tcb.state != Closed;
        tcb.holder = if done { Holder::Ready } else { Holder::Nobody };
        let Some(parent) = self.tcbs.get_mut(listener) else { return };
        parent.queue.half_open.retain(|child| *child != id);
        parent.queue.ready.extend(done.then_some(id));
        self.changed.insert(listener);
    }

    fn forget_if_closed(&mut self, id: Handle) {
        let Some(tcb) = self.tcbs.get(id).filter(|tcb| tcb.state == Closed) else { return };
        if let Some(ends) = tcb.tuple
            && self.table.owner(&ends) == Some(Owner::Connection(ConnId(id)))
        {
            self.table.remove(&ends);
        }
        if tcb.holder == Holder::Nobody {
            self.tcbs.remove(id);
        }
    }

    /// RFC 9293 §3.10.7: under which state's rules a segment falls.
    fn segment_arrives(
        &mut self,
        now: Instant,
        mut datagram: Datagram,
        out: &mut dyn Output,
    ) -> Verdict {
        let segment = Segment::parse(&mut datagram)?;
        let (Header { src, dst, .. }, data) = (datagram.header, &datagram.payload);
        trace!(%src, %dst, ?segment, "in");
        let ends = Tuple::new((dst, segment.dst_port).into(), (src, segment.src_port).into());
        let (state, id) = self.find(&ends);
        let verdict = match (state, id) {
            (Closed, _) | (_, None) => Err(DropReason::NoConnection),
            (Listen, Some(id)) => self.segment_in_listen(now, id, ends, &segment, out),
            (SynReceived, Some(id)) if self.is_held_back(id, &segment) => {
                Err(DropReason::AcceptQueue)
            }
            (SynSent, Some(id)) => self.event(now, id, out, |t, cx| t.syn_sent(&segment, data, cx)),
            (_, Some(id)) => self.event(now, id, out, |t, cx| t.others(&segment, data, cx)),
        };
        // §3.5.2, groups 1 and 2: a reset answers what is for no connection, and what acknowledges
        // too much while there is none yet. A reset is never answered.
        if let Err(DropReason::NoConnection | DropReason::UnacceptableAck) = verdict
            && !state.is_synchronized()
        {
            let reset = segment.reset().ok_or(DropReason::StrayReset)?;
            let SmallTcp { config, challenges, events, .. } = self;
            let mut cx = Cx { now, out, config, challenges, events };
            let header = Header::new(dst, src, Protocol::TCP);
            cx.send(&header, reset, Packet::with_capacity(0), false);
        }
        verdict
    }

    /// The connection between these ends, or the listener at this one.
    fn find(&self, ends: &Tuple) -> (State, Option<Handle>) {
        let id = match self.table.owner(ends) {
            Some(Owner::Connection(ConnId(id))) => Some(id),
            _ => self.table.listener(ends.local()),
        };
        (id.and_then(|id| self.tcbs.get(id)).map_or(Closed, |tcb| tcb.state), id)
    }

    /// While no more may wait to be accepted, the ACK of a handshake is not looked at: the
    /// connection stays half open.
    fn is_held_back(&self, id: Handle, segment: &Segment) -> bool {
        let Some(Holder::HalfOpen(listener)) = self.tcbs.get(id).map(|tcb| tcb.holder) else {
            return false;
        };
        !segment.flags.intersects(Flags::RST | Flags::SYN)
            && self.tcbs.get(listener).is_some_and(|parent| parent.queue.is_full())
    }

    /// RFC 9293 §3.10.7.2. The listener stays; a connection of its own enters SYN-RECEIVED.
    fn segment_in_listen(
        &mut self,
        now: Instant,
        listener: Handle,
        ends: Tuple,
        segment: &Segment,
        out: &mut dyn Output,
    ) -> Verdict {
        if segment.flags.intersects(Flags::RST | Flags::ACK) {
            return Err(DropReason::UnacceptableAck);
        }
        if !segment.flags.contains(Flags::SYN) {
            return Err(DropReason::NoAck);
        }
        let parent = self.tcbs.get(listener).ok_or(DropReason::NoConnection)?;
        if parent.queue.is_full() {
            return Err(DropReason::AcceptQueue);
        }
        let settings = parent.settings.clone();
        let route = out.route(now, ends.peer().ip(), Some(ends.local().ip()));
        let route = route.map_err(|_| DropReason::NoConnection)?;
        self.make_room(now, listener, out);
        let id = self.insert(Holder::HalfOpen(listener), settings).ok_or(DropReason::Memory)?;
        if let Some(parent) = self.tcbs.get_mut(listener) {
            parent.queue.half_open.push_back(id);
        }
        let iss = self.register(now, id, ends);
        self.event(now, id, out, |tcb, cx| tcb.open(ends, iss, &route, Some(segment), cx));
        Ok(())
    }

    /// RFC 4987 §3.4: where the SYN queue is full, the oldest half-open connection goes. A real
    /// handshake takes a round trip, so that one is almost surely a forged one.
    fn make_room(&mut self, now: Instant, listener: Handle, out: &mut dyn Output) {
        let Some(parent) = self.tcbs.get_mut(listener) else { return };
        if parent.queue.half_open.len() >= self.config.syn_queue
            && let Some(oldest) = parent.queue.half_open.pop_front()
        {
            self.drops.add(DropReason::SynQueue);
            self.event(now, oldest, out, |tcb, _| tcb.die(None));
        }
    }

    /// The connection of these two ends is `id`'s; gives its ISS.
    fn register(&mut self, now: Instant, id: Handle, ends: Tuple) -> SeqNum {
        self.table.insert(ends, Owner::Connection(ConnId(id)));
        self.isn.next(now, &ends)
    }

    fn ephemeral(&mut self, local: IpAddr, peer: SocketAddr) -> Reply<u16> {
        let port = self.ports.choose(local, peer, |port| self.table.is_unused(port));
        port.ok_or(SocketError::AddrNotAvailable)
    }
}

impl Queue {
    fn is_full(&self) -> bool {
        self.ready.len() >= self.backlog
    }
}

/// The user's calls (RFC 9293 §3.9.1).
impl Streams for SmallTcp {
    fn open(&mut self) -> Reply<Handle> {
        let settings = Settings {
            send_buffer: SEND_BUFFER,
            receive_buffer: MAX_WINDOW,
            congestion: "none",
            ecn: EcnMode::Off,
            mtu_discover: false,
            quick_ack: true,
            ..self.config.settings()
        };
        self.insert(Holder::User, settings).ok_or(SocketError::NoBuffers)
    }

    fn bind(&mut self, socket: Handle, mut local: SocketAddr, out: &dyn Output) -> Reply<()> {
        let tcb = self.socket(socket)?;
        let reuse = tcb.settings.reuse_addr;
        if tcb.state != Closed || tcb.local != NOWHERE {
            return Err(SocketError::Invalid);
        }
        if local.ip() != ANY && !out.is_local(local.ip()) {
            return Err(SocketError::AddrNotAvailable);
        }
        if local.port() == 0 {
            local.set_port(self.ephemeral(local.ip(), NOWHERE)?);
        } else if !self.table.may_bind(local, reuse) {
            return Err(SocketError::AddrInUse);
        }
        self.table.bind(local, socket, reuse);
        self.socket_mut(socket)?.local = local;
        Ok(())
    }

    fn listen(&mut self, socket: Handle, backlog: usize) -> Reply<()> {
        let tcb = self.socket(socket)?;
        if tcb.tuple.is_some() || tcb.local == NOWHERE {
            return Err(SocketError::Invalid);
        }
        if !self.table.listen(tcb.local, socket) {
            return Err(SocketError::AddrInUse);
        }
        let backlog = backlog.clamp(1, self.config.max_backlog);
        let tcb = self.socket_mut(socket)?;
        tcb.queue.backlog = backlog;
        tcb.enter(Listen, "listen");
        Ok(())
    }

    fn accept(&mut self, socket: Handle) -> Reply<(Handle, SocketAddr)> {
        let listener = self.socket_mut(socket)?;
        if listener.state != Listen {
            return Err(SocketError::Invalid);
        }
        let id = listener.queue.ready.pop_front().ok_or(SocketError::WouldBlock)?;
        let child = self.tcbs.get_mut(id).ok_or(SocketError::WouldBlock)?;
        child.holder = Holder::User;
        let peer = child.tuple.map_or(NOWHERE, |ends| ends.peer());
        self.changed.extend([socket, id]);
        Ok((id, peer))
    }

    fn connect(
        &mut self,
        now: Instant,
        socket: Handle,
        peer: SocketAddr,
        out: &mut dyn Output,
    ) -> Reply<()> {
        let tcb = self.socket(socket)?;
        match tcb.state {
            Closed if tcb.tuple.is_none() => {}
            SynSent | SynReceived => return Err(SocketError::InProgress),
            Closed | Listen => return Err(SocketError::Invalid),
            _ => return Err(SocketError::AlreadyConnected),
        }
        if peer.port() == 0 || peer.ip() == ANY || peer.ip().is_multicast() {
            return Err(SocketError::Invalid);
        }
        let mut local = tcb.local;
        let route = out.route(now, peer.ip(), Some(local.ip()).filter(|addr| *addr != ANY))?;
        if local.ip() == ANY {
            local.set_ip(route.source);
        }
        if local.port() == 0 {
            local.set_port(self.ephemeral(local.ip(), peer)?);
        }
        let ends = Tuple::new(local, peer);
        if self.table.owner(&ends).is_some() {
            return Err(SocketError::AddrInUse);
        }
        let iss = self.register(now, socket, ends);
        self.event(now, socket, out, |tcb, cx| tcb.open(ends, iss, &route, None, cx));
        Err(SocketError::InProgress)
    }

    fn send(
        &mut self,
        now: Instant,
        socket: Handle,
        data: &[u8],
        flags: SendFlags,
        out: &mut dyn Output,
    ) -> Reply<usize> {
        self.socket(socket)?;
        if flags.contains(SendFlags::URGENT) {
            return Err(SocketError::Unsupported);
        }
        self.event(now, socket, out, |tcb, cx| tcb.send(data, cx))
    }

    fn receive(
        &mut self,
        now: Instant,
        socket: Handle,
        buffer: &mut [u8],
        flags: ReceiveFlags,
        out: &mut dyn Output,
    ) -> Reply<usize> {
        self.socket(socket)?;
        if flags.contains(ReceiveFlags::URGENT) {
            return Err(SocketError::Unsupported);
        }
        let peek = flags.contains(ReceiveFlags::PEEK);
        self.event(now, socket, out, |tcb, cx| tcb.receive(buffer, peek, cx))
    }

    fn shutdown(
        &mut self,
        now: Instant,
        socket: Handle,
        how: Shutdown,
        out: &mut dyn Output,
    ) -> Reply<()> {
        self.socket(socket)?;
        self.event(now, socket, out, |tcb, cx| tcb.shutdown(how, cx))
    }

    fn close(&mut self, now: Instant, socket: Handle, out: &mut dyn Output) {
        let Ok(tcb) = self.socket_mut(socket) else { return };
        tcb.holder = Holder::Nobody;
        let (port, queue) = (tcb.local.port(), std::mem::take(&mut tcb.queue));
        self.table.unbind(port, socket);
        for child in queue.half_open.into_iter().chain(queue.ready) {
            self.event(now, child, out, |tcb, cx| {
                tcb.holder = Holder::Nobody;
                tcb.abort(cx);
            });
        }
        self.event(now, socket, out, |tcb, cx| tcb.close(cx));
        self.changed.remove(&socket);
    }

    fn set(
        &mut self,
        now: Instant,
        socket: Handle,
        setting: Setting,
        out: &mut dyn Output,
    ) -> Reply<()> {
        let settings = &mut self.socket_mut(socket)?.settings;
        match setting {
            Setting::NoDelay(on) => settings.no_delay = on,
            Setting::ReuseAddr(on) => settings.reuse_addr = on,
            Setting::Ttl(Ttl(0)) => return Err(SocketError::Invalid),
            Setting::Ttl(ttl) => settings.ttl = ttl,
            _ => return Err(SocketError::Unsupported),
        }
        self.event(now, socket, out, |tcb, cx| tcb.output(cx));
        Ok(())
    }

    fn settings(&self, socket: Handle) -> Reply<Settings> {
        Ok(self.socket(socket)?.settings.clone())
    }

    fn info(&self, now: Instant, socket: Handle) -> Reply<Info> {
        Ok(self.socket(socket)?.info(now, socket))
    }

    fn readiness(&self, socket: Handle) -> Readiness {
        self.socket(socket).map(Tcb::readiness).unwrap_or_default()
    }

    fn take_error(&mut self, socket: Handle) -> Option<SocketError> {
        let error = self.socket_mut(socket).ok()?.error.take();
        self.changed.insert(socket);
        error
    }

    fn input(&mut self, now: Instant, datagram: Datagram, out: &mut dyn Output) -> Input {
        self.events.add(Event::SegmentsIn);
        let Err(reason) = self.segment_arrives(now, datagram, out) else { return Input::Consumed };
        self.drops.add(reason);
        match reason {
            DropReason::NoConnection => Input::Consumed,
            reason => Input::Dropped(reason),
        }
    }

    fn error(&mut self, now: Instant, cause: Cause, quoted: &Quoted, out: &mut dyn Output) {
        let [a, b, c, d, e, f, g, h, ..] = quoted.payload[..] else { return };
        let local = SocketAddr::new(quoted.src, u16::from_be_bytes([a, b]));
        let peer = SocketAddr::new(quoted.dst, u16::from_be_bytes([c, d]));
        let seq = SeqNum(u32::from_be_bytes([e, f, g, h]));
        if let Some(Owner::Connection(ConnId(id))) = self.table.owner(&Tuple::new(local, peer)) {
            self.event(now, id, out, |tcb, _| tcb.icmp_error(cause, seq));
        }
    }

    fn poll(&mut self, now: Instant, out: &mut dyn Output) {
        while let Some((_, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.event(now, id, out, |tcb, cx| tcb.timeout(cx));
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn changed(&mut self) -> Option<Handle> {
        self.changed.pop_first()
    }

    fn sockets(&self, now: Instant) -> Vec<Info> {
        let mut infos: Vec<_> = self.tcbs.iter().map(|(id, tcb)| tcb.info(now, id)).collect();
        infos.sort_by_key(|info| (info.local.port(), info.peer));
        infos
    }

    fn counters(&self) -> Vec<Counter> {
        self.events.rows().chain(self.drops.rows()).collect()
    }
}
