//! [`SmallTcp`] around its connections: which one an event is for, SYN queues, timers, and the
//! calls of [`Streams`].

use super::*;
use crate::segment::is_group;

/// The small TCP: a second implementation of [`Streams`]. What it does and what it leaves out
/// stands at the top of `small.rs`.
pub struct SmallTcp {
    tcbs: Slab<Tcb>,
    /// Who has which port.
    table: Table,
    /// When the timer of each connection that has one runs out.
    timers: BTreeSet<(Instant, Handle)>,
    /// What [`Streams::changed`] will say.
    changed: BTreeSet<Handle>,
    config: Arc<Config>,
    isn: IsnGenerator,
    received: u64,
    drops: Counts<DropReason>,
}

impl SmallTcp {
    /// A TCP without sockets. Sequence numbers and ports follow from `seed`.
    pub fn new(seed: u64) -> SmallTcp {
        let mut config = Config { max_sockets: 1 << 16, ..Config::default() };
        // RFC 9293 §3.8.3, MUST-23: three minutes at least.
        config.syn_retries = 7;
        // A window, and as much again to follow it.
        config.send_buffer.default = 2 * MAX_WINDOW;
        config.receive_buffer.default = MAX_WINDOW;
        SmallTcp {
            tcbs: Slab::new(),
            table: Table::new(config.ports.clone(), seed),
            timers: BTreeSet::new(),
            changed: BTreeSet::new(),
            isn: IsnGenerator::new(seed),
            config: Arc::new(config),
            received: 0,
            drops: Counts::default(),
        }
    }

    fn insert(&mut self, holder: Holder, settings: Settings) -> Option<Handle> {
        let tcb = Tcb::new(holder, settings, &self.config);
        (self.tcbs.len() < self.config.max_sockets).then(|| self.tcbs.insert(tcb))
    }

    /// A user's socket.
    fn socket(&self, id: Handle) -> Reply<&Tcb> {
        let tcb = self.tcbs.get(id).filter(|tcb| tcb.holder == Holder::User);
        tcb.ok_or(SocketError::BadHandle)
    }

    fn socket_mut(&mut self, id: Handle) -> Reply<&mut Tcb> {
        let tcb = self.tcbs.get_mut(id).filter(|tcb| tcb.holder == Holder::User);
        tcb.ok_or(SocketError::BadHandle)
    }

    /// Something happens to a connection; then what is kept outside of it follows.
    fn event<R>(
        &mut self,
        id: Handle,
        cx: &mut Cx<'_>,
        f: impl FnOnce(&mut Tcb, &mut Cx<'_>) -> R,
    ) -> R {
        let tcb = self.tcbs.get_mut(id).expect("whoever names a connection has found it");
        let (ready, due) = (tcb.readiness(), tcb.timer);
        let result = f(tcb, cx);
        tcb.settle(cx);
        if tcb.holder == Holder::User && tcb.readiness() != ready {
            self.changed.insert(id);
        }
        if tcb.timer != due {
            due.map(|at| self.timers.remove(&(at, id)));
            tcb.timer.map(|at| self.timers.insert((at, id)));
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

    /// In state CLOSED its ends are free, and it is gone where nobody has anything to learn of it
    /// any more.
    fn forget_if_closed(&mut self, id: Handle) {
        let Some(tcb) = self.tcbs.get(id).filter(|tcb| tcb.state == Closed) else { return };
        if self.table.owner(&tcb.ends()) == Some(Owner::Connection(ConnId(id))) {
            self.table.remove(&tcb.ends());
        }
        if tcb.holder == Holder::Nobody {
            self.tcbs.remove(id);
        }
    }

    /// RFC 9293 §3.10.7: under which state's rules a segment falls.
    fn arrive(&mut self, datagram: &mut Datagram, cx: &mut Cx<'_>) -> Verdict {
        let segment = Segment::parse(datagram)?;
        let (src, dst, data) = (datagram.header.src, datagram.header.dst, &datagram.payload);
        trace!(%src, %dst, ?segment, "in");
        let ends = Tuple::new((dst, segment.dst_port).into(), (src, segment.src_port).into());
        let verdict = match (self.table.owner(&ends), self.table.listener(ends.local())) {
            (Some(Owner::Connection(ConnId(id))), _) => {
                ensure(!self.is_held_back(id, &segment), DropReason::AcceptQueue)?;
                self.event(id, cx, |tcb, cx| tcb.segment_arrives(&segment, data, cx))
            }
            (_, Some(listener)) => self.listens(listener, ends, &segment, cx),
            _ => Err(DropReason::NoConnection),
        };
        // §3.5.2, groups 1 and 2: what is for no connection, or acknowledges what was never sent
        // while there is none yet, is answered with a reset, if it is none itself.
        if verdict == Err(DropReason::NoConnection) {
            let answered = stray_reset(cx.now, cx.out, datagram, &segment);
            ensure(answered, DropReason::StrayReset)?;
        }
        verdict
    }

    /// While no more may wait to be accepted, the ACK of a handshake is not looked at: the
    /// connection stays half open.
    fn is_held_back(&self, id: Handle, segment: &Segment) -> bool {
        let holder = self.tcbs.get(id).map(|tcb| tcb.holder);
        let Some(Holder::HalfOpen(listener)) = holder else { return false };
        let resets = segment.flags.intersects(Flags::RST | Flags::SYN);
        !resets && self.tcbs.get(listener).is_some_and(Tcb::is_full)
    }

    /// RFC 9293 §3.10.7.2. The listener stays; a connection of its own enters SYN-RECEIVED.
    fn listens(&mut self, id: Handle, ends: Tuple, syn: &Segment, cx: &mut Cx<'_>) -> Verdict {
        ensure(!syn.flags.intersects(Flags::RST | Flags::ACK), DropReason::NoConnection)?;
        ensure(syn.flags.contains(Flags::SYN), DropReason::NoAck)?;
        let parent = self.tcbs.get_mut(id).ok_or(DropReason::NoConnection)?;
        ensure(!parent.is_full(), DropReason::AcceptQueue)?;
        let settings = parent.settings.clone();
        // RFC 4987 §3.4: where the SYN queue is full, the oldest half-open connection goes. A real
        // handshake takes a round trip, so that one is almost surely a forged one.
        if parent.queue.half_open.len() >= self.config.syn_queue
            && let Some(oldest) = parent.queue.half_open.pop_front()
        {
            self.drops.add(DropReason::SynQueue);
            self.event(oldest, cx, |tcb, _| tcb.die(None));
        }
        let child = self.insert(Holder::HalfOpen(id), settings).ok_or(DropReason::Memory)?;
        if let Some(parent) = self.tcbs.get_mut(id) {
            parent.queue.half_open.push_back(child);
        }
        self.begin(child, ends, Some(syn), cx);
        Ok(())
    }

    /// A connection begins, with this side's SYN or the peer's.
    fn begin(&mut self, id: Handle, ends: Tuple, syn: Option<&Segment>, cx: &mut Cx<'_>) {
        self.table.insert(ends, Owner::Connection(ConnId(id)));
        let iss = self.isn.next(cx.now, &ends);
        self.event(id, cx, |tcb, cx| tcb.open(ends, iss, syn, cx));
    }
}

/// The user's calls (RFC 9293 §3.9.1).
impl Streams for SmallTcp {
    fn open(&mut self) -> Reply<Handle> {
        let settings = Settings {
            congestion: "none",
            mtu_discover: false,
            quick_ack: true,
            ..self.config.settings()
        };
        self.insert(Holder::User, settings).ok_or(SocketError::NoBuffers)
    }

    fn bind(&mut self, id: Handle, local: SocketAddr, out: &dyn Output) -> Reply {
        let tcb = self.socket(id)?;
        let reuse = tcb.settings.reuse_addr;
        ensure(tcb.local == NOWHERE, SocketError::Invalid)?;
        let ours = local.ip() == ANY || out.is_local(local.ip());
        ensure(ours, SocketError::AddrNotAvailable)?;
        let local = self.table.bind(local, id, reuse)?;
        self.socket_mut(id)?.local = local;
        Ok(())
    }

    fn listen(&mut self, id: Handle, backlog: usize) -> Reply {
        let tcb = self.socket(id)?;
        ensure(tcb.peer == NOWHERE && tcb.local != NOWHERE, SocketError::Invalid)?;
        ensure(self.table.listen(tcb.local, id), SocketError::AddrInUse)?;
        let backlog = backlog.clamp(1, self.config.max_backlog);
        let tcb = self.socket_mut(id)?;
        tcb.queue.backlog = backlog;
        tcb.enter(Listen, "listen");
        Ok(())
    }

    fn accept(&mut self, id: Handle) -> Reply<(Handle, SocketAddr)> {
        let listener = self.socket_mut(id)?;
        ensure(listener.state == Listen, SocketError::Invalid)?;
        let child = listener.queue.ready.pop_front().ok_or(SocketError::WouldBlock)?;
        self.changed.extend([id, child]);
        let tcb = self.tcbs.get_mut(child).ok_or(SocketError::Aborted)?;
        tcb.holder = Holder::User;
        Ok((child, tcb.peer))
    }

    fn connect(
        &mut self,
        now: Instant,
        id: Handle,
        peer: SocketAddr,
        out: &mut dyn Output,
    ) -> Reply {
        let tcb = self.socket(id)?;
        let mut local = tcb.local;
        match tcb.state {
            Closed if tcb.peer == NOWHERE => {}
            SynSent | SynReceived => return Err(SocketError::InProgress),
            Closed | Listen => return Err(SocketError::Invalid),
            _ => return Err(SocketError::AlreadyConnected),
        }
        let sensible = peer.port() != 0 && !is_group(peer.ip());
        ensure(sensible, SocketError::Invalid)?;
        let route = out.route(now, peer.ip(), Some(local.ip()).filter(|addr| *addr != ANY))?;
        local.set_ip(route.source);
        if local.port() == 0 {
            let port = self.table.port_to(local.ip(), peer, |_, owner| owner.is_none());
            local.set_port(port.ok_or(SocketError::AddrNotAvailable)?);
        }
        let ends = Tuple::new(local, peer);
        ensure(self.table.owner(&ends).is_none(), SocketError::AddrInUse)?;
        self.begin(id, ends, None, &mut Cx { now, out });
        Err(SocketError::InProgress)
    }

    fn send(
        &mut self,
        now: Instant,
        id: Handle,
        data: &[u8],
        flags: SendFlags,
        out: &mut dyn Output,
    ) -> Reply<usize> {
        self.socket(id)?;
        ensure(!flags.contains(SendFlags::URGENT), SocketError::Unsupported)?;
        self.event(id, &mut Cx { now, out }, |tcb, _| tcb.send(data))
    }

    fn receive(
        &mut self,
        now: Instant,
        id: Handle,
        buffer: &mut [u8],
        flags: ReceiveFlags,
        out: &mut dyn Output,
    ) -> Reply<usize> {
        self.socket(id)?;
        ensure(!flags.contains(ReceiveFlags::URGENT), SocketError::Unsupported)?;
        let peek = flags.contains(ReceiveFlags::PEEK);
        self.event(id, &mut Cx { now, out }, |tcb, _| tcb.receive(buffer, peek))
    }

    fn shutdown(&mut self, now: Instant, id: Handle, how: Shutdown, out: &mut dyn Output) -> Reply {
        self.socket(id)?;
        self.event(id, &mut Cx { now, out }, |tcb, _| tcb.shutdown(how))
    }

    fn close(&mut self, now: Instant, id: Handle, out: &mut dyn Output) {
        let Ok(tcb) = self.socket_mut(id) else { return };
        tcb.holder = Holder::Nobody;
        let (port, queue) = (tcb.local.port(), std::mem::take(&mut tcb.queue));
        self.table.unbind(port, id);
        for child in queue.half_open.into_iter().chain(queue.ready) {
            self.event(child, &mut Cx { now, out }, |tcb, cx| {
                tcb.holder = Holder::Nobody;
                tcb.abort(cx);
            });
        }
        self.event(id, &mut Cx { now, out }, |tcb, cx| tcb.close(cx));
        self.changed.remove(&id);
    }

    fn set(&mut self, now: Instant, id: Handle, setting: Setting, out: &mut dyn Output) -> Reply {
        let settings = &mut self.socket_mut(id)?.settings;
        match setting {
            Setting::NoDelay(on) => settings.no_delay = on,
            Setting::ReuseAddr(on) => settings.reuse_addr = on,
            Setting::Ttl(Ttl(0)) => return Err(SocketError::Invalid),
            Setting::Ttl(ttl) => settings.ttl = ttl,
            _ => return Err(SocketError::Unsupported),
        }
        self.event(id, &mut Cx { now, out }, |_, _| Ok(()))
    }

    fn settings(&self, id: Handle) -> Reply<Settings> {
        Ok(self.socket(id)?.settings.clone())
    }

    fn info(&self, now: Instant, id: Handle) -> Reply<Info> {
        Ok(self.socket(id)?.info(now, id))
    }

    fn readiness(&self, id: Handle) -> Readiness {
        self.socket(id).map(Tcb::readiness).unwrap_or_default()
    }

    fn take_error(&mut self, id: Handle) -> Option<SocketError> {
        let error = self.socket_mut(id).ok()?.error.take();
        self.changed.insert(id);
        error
    }

    fn input(&mut self, now: Instant, mut datagram: Datagram, out: &mut dyn Output) -> Input {
        self.received += 1;
        let verdict = self.arrive(&mut datagram, &mut Cx { now, out });
        let Err(reason) = verdict else { return Input::Consumed };
        self.drops.add(reason);
        Input::Dropped(reason)
    }

    fn error(&mut self, now: Instant, cause: Cause, quoted: &Quoted, out: &mut dyn Output) {
        if let Some((ends, seq)) = quoted_segment(quoted)
            && let Some(Owner::Connection(ConnId(id))) = self.table.owner(&ends)
        {
            self.event(id, &mut Cx { now, out }, |tcb, _| tcb.icmp_error(cause, seq));
        }
    }

    fn abandon(&mut self, now: Instant, local: IpAddr, out: &mut dyn Output) {
        let uses =
            |tcb: &Tcb| tcb.local.ip() == local && !matches!(tcb.state, Closed | Listen | TimeWait);
        let ids: Vec<Handle> =
            self.tcbs.iter().filter(|(_, tcb)| uses(tcb)).map(|(id, _)| id).collect();
        for id in ids {
            self.event(id, &mut Cx { now, out }, |tcb, cx| tcb.abort(cx));
        }
    }

    fn poll(&mut self, now: Instant, out: &mut dyn Output) {
        while let Some((_, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.event(id, &mut Cx { now, out }, |tcb, cx| tcb.timeout(cx));
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
        let received = Counter { name: "segments received", count: self.received };
        self.drops.rows().chain([received]).collect()
    }
}
