//! The plumbing of the small TCP: its sockets, and what leads an event to the connection that it
//! is for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;

use ip::{Cause, Datagram, Handle, Output, Quoted, Readiness, SocketError, Ttl};
use netdev::{Counter, Counts, Instant};
use siphasher::sip::SipHasher13;
use tracing::trace;

use super::{Count, Cx, DELAYED_ACK, MAX_WINDOW, SEND_BUFFER, TIME_WAIT, Tcb};
use crate::{DropReason, Flags, Info, Input, ReceiveFlags, Segment, SendFlags, SeqNum, Setting};
use crate::{Settings, Shutdown, State, Streams, Timer};

/// The most sockets and connections together, those in TIME-WAIT too.
const MAX_SOCKETS: usize = 4096;
/// The most connections of a listener that are half open, and the largest backlog.
const SYN_QUEUE: usize = 128;
/// RFC 6335 §6: the dynamic ports.
const EPHEMERAL: Range<u16> = 49152..65535;
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const NOWHERE: SocketAddr = SocketAddr::new(ANY, 0);

/// The small TCP: a second implementation of [`Streams`], to be read in an evening. See
/// `small.rs` for what it does and what it leaves out.
pub struct SmallTcp {
    /// By a number that is never used twice.
    sockets: BTreeMap<Id, Socket>,
    /// Who has which port: (local port, local address, peer; none while bound or listening).
    ports: BTreeMap<Key, Id>,
    /// The next deadline of each socket that has one.
    timers: BTreeSet<(Instant, Id)>,
    /// What [`Streams::changed`] will say.
    changed: BTreeSet<Handle>,
    next_id: Id,
    secret: SipHasher13,
    drops: Counts<DropReason>,
    counts: Counts<Count>,
}

type Id = u64;
type Key = (u16, IpAddr, Option<SocketAddr>);

/// A socket, or a connection that has none yet or none any more.
struct Socket {
    tcb: Tcb,
    owner: Owner,
    local: SocketAddr,
    reuse_addr: bool,
    // A listener's connections, in the order in which they began, and in which they were ready.
    backlog: usize,
    half_open: Vec<Id>,
    ready: VecDeque<Id>,
    // What `settle` last told the tables.
    announced: Readiness,
    scheduled: Option<Instant>,
}

/// Who will end it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// A user, who has its handle.
    User,
    /// A listener: its handshake is not done.
    HalfOpen(Id),
    /// A listener: it waits to be accepted.
    Ready,
    /// It ends by itself.
    Nobody,
}

impl SmallTcp {
    /// A TCP without sockets. Sequence numbers and ports follow from `seed`.
    pub fn new(seed: u64) -> SmallTcp {
        SmallTcp {
            sockets: BTreeMap::new(),
            ports: BTreeMap::new(),
            timers: BTreeSet::new(),
            changed: BTreeSet::new(),
            next_id: 0,
            secret: SipHasher13::new_with_keys(seed, !seed),
            drops: Counts::default(),
            counts: Counts::default(),
        }
    }

    fn insert(&mut self, tcb: Tcb, owner: Owner, local: SocketAddr) -> Option<Id> {
        if self.sockets.len() >= MAX_SOCKETS {
            // The TIME-WAIT that would end first makes room.
            let mut due = self.timers.iter().map(|(_, id)| *id);
            let oldest = due.find(|id| {
                let socket = &self.sockets[id];
                socket.tcb.state == State::TimeWait && socket.owner == Owner::Nobody
            })?;
            self.sockets.get_mut(&oldest)?.tcb.die(None);
            self.settle(oldest);
        }
        let id = self.next_id;
        self.next_id += 1;
        let socket = Socket {
            tcb,
            owner,
            local,
            reuse_addr: false,
            backlog: 0,
            half_open: Vec::new(),
            ready: VecDeque::new(),
            announced: Readiness::empty(),
            scheduled: None,
        };
        self.sockets.insert(id, socket);
        Some(id)
    }

    fn id(&self, handle: Handle) -> Result<Id, SocketError> {
        let id = Id::from(handle.generation) << 32 | Id::from(handle.index);
        let open = self.sockets.get(&id).is_some_and(|socket| socket.owner == Owner::User);
        if open { Ok(id) } else { Err(SocketError::BadHandle) }
    }

    fn user(&mut self, handle: Handle) -> Result<(Id, &mut Socket), SocketError> {
        let id = self.id(handle)?;
        Ok((id, self.sockets.get_mut(&id).expect("id() found it")))
    }

    /// Something happens to a connection.
    fn event<R>(
        &mut self,
        now: Instant,
        id: Id,
        out: &mut dyn Output,
        f: impl FnOnce(&mut Tcb, &mut Cx<'_>) -> R,
    ) -> R {
        let socket = self.sockets.get_mut(&id).expect("the caller found it");
        let result = f(&mut socket.tcb, &mut Cx { now, out, counts: &mut self.counts });
        self.settle(id);
        result
    }

    /// Brings what is kept about a connection outside of it in line with what it is now.
    fn settle(&mut self, id: Id) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        let deadline = socket.tcb.deadline();
        if deadline != socket.scheduled {
            socket.scheduled.map(|at| self.timers.remove(&(at, id)));
            deadline.map(|at| self.timers.insert((at, id)));
            socket.scheduled = deadline;
        }
        let readiness = socket.readiness();
        if socket.owner == Owner::User && readiness != socket.announced {
            self.changed.insert(handle(id));
        }
        socket.announced = readiness;
        let (state, key) = (socket.tcb.state, socket.key());
        if let Owner::HalfOpen(listener) = socket.owner
            && state != State::SynReceived
        {
            // It has come through, or has failed.
            let alive = state != State::Closed;
            socket.owner = if alive { Owner::Ready } else { Owner::Nobody };
            if let Some(listener) = self.sockets.get_mut(&listener) {
                listener.half_open.retain(|child| *child != id);
                listener.ready.extend(Some(id).filter(|_| alive));
            }
            self.settle(listener);
        }
        let socket = &self.sockets[&id];
        let over = socket.owner == Owner::Nobody || socket.tcb.ends.is_some();
        if state == State::Closed && over {
            if self.ports.get(&key) == Some(&id) {
                self.ports.remove(&key);
            }
            if socket.owner == Owner::Nobody {
                self.sockets.remove(&id);
            }
        }
    }

    fn find(&self, local: SocketAddr, peer: SocketAddr) -> Option<Id> {
        let get = |addr, peer| self.ports.get(&(local.port(), addr, peer)).copied();
        get(local.ip(), Some(peer)).or_else(|| get(local.ip(), None)).or_else(|| get(ANY, None))
    }

    /// Whether a bind to `local` has to be refused. Old connections of the port do not matter to
    /// one who says so with SO_REUSEADDR.
    fn in_use(&self, local: SocketAddr, reuse: bool) -> bool {
        let (port, addr) = (local.port(), local.ip());
        let on_port = self.ports.range((port, ANY, None)..).map(|(key, _)| key);
        on_port.take_while(|(used, ..)| *used == port).any(|(_, used, peer)| {
            (*used == addr || *used == ANY || addr == ANY) && !(peer.is_some() && reuse)
        })
    }

    /// A free port, from a start that nobody can guess (RFC 6056 §3.3.3).
    fn ephemeral(&self, addr: IpAddr, peer: SocketAddr) -> Result<u16, SocketError> {
        let count = u64::from(EPHEMERAL.end - EPHEMERAL.start);
        let start = self.hash((addr, peer, self.next_id)) % count;
        let mut ports = (0..count).map(|i| EPHEMERAL.start + ((start + i) % count) as u16);
        let free = ports.find(|port| !self.in_use(SocketAddr::new(ANY, *port), false));
        free.ok_or(SocketError::AddrNotAvailable)
    }

    /// RFC 6528 §3: a clock of 4 µs, and a hash so that nobody can guess another's numbers.
    fn isn(&self, now: Instant, local: SocketAddr, peer: SocketAddr) -> SeqNum {
        SeqNum((now.micros() / 4).wrapping_add(self.hash((local, peer))) as u32)
    }

    fn hash(&self, of: impl Hash) -> u64 {
        let mut hasher = self.secret;
        of.hash(&mut hasher);
        hasher.finish()
    }

    /// RFC 9293 §3.10.7: under which state's rules a segment falls.
    fn segment_arrives(
        &mut self,
        now: Instant,
        mut datagram: Datagram,
        out: &mut dyn Output,
    ) -> Result<(), DropReason> {
        let segment = Segment::parse(&mut datagram)?;
        let local = SocketAddr::new(datagram.header.dst, segment.dst_port);
        let peer = SocketAddr::new(datagram.header.src, segment.src_port);
        trace!(%local, %peer, ?segment, "in");
        let mut found = self.find(local, peer);
        // §3.10.7.4, RFC 1122 §4.2.2.13: a SYN beyond the old connection's numbers may reopen it.
        if let Some(id) = found
            && let Some(Socket { tcb: old, .. }) = self.sockets.get_mut(&id)
            && old.state == State::TimeWait
            && segment.flags & (Flags::SYN | Flags::ACK | Flags::RST) == Flags::SYN
            && segment.seq.gt(old.rcv_nxt)
        {
            old.die(None);
            self.settle(id);
            found = self.find(local, peer);
        }
        let Some(id) = found else {
            let mut cx = Cx { now, out, counts: &mut self.counts };
            return Err(cx.refuse(Some((local, peer)), &segment, DropReason::NoConnection));
        };
        let socket = &self.sockets[&id];
        if let Owner::HalfOpen(listener) = socket.owner
            && !segment.flags.intersects(Flags::RST | Flags::SYN)
            && self.sockets[&listener].queue_full()
        {
            // It stays half open while no more may wait to be accepted.
            return Err(DropReason::AcceptQueue);
        }
        let data = &datagram.payload;
        match socket.tcb.state {
            State::Listen => self.segment_in_listen(now, id, local, peer, &segment, out),
            State::SynSent => {
                self.event(now, id, out, |tcb, cx| tcb.segment_in_syn_sent(&segment, data, cx))
            }
            _ => self.event(now, id, out, |tcb, cx| tcb.segment_in_others(&segment, data, cx)),
        }
    }

    /// RFC 9293 §3.10.7.2. The listener stays; a connection of its own enters SYN-RECEIVED.
    fn segment_in_listen(
        &mut self,
        now: Instant,
        listener: Id,
        local: SocketAddr,
        peer: SocketAddr,
        segment: &Segment,
        out: &mut dyn Output,
    ) -> Result<(), DropReason> {
        let mut cx = Cx { now, out, counts: &mut self.counts };
        if segment.flags.intersects(Flags::RST | Flags::ACK) {
            return Err(cx.refuse(Some((local, peer)), segment, DropReason::UnacceptableAck));
        }
        if !segment.flags.contains(Flags::SYN) {
            return Err(DropReason::NoAck);
        }
        let parent = &self.sockets[&listener];
        if parent.queue_full() {
            return Err(DropReason::AcceptQueue);
        }
        if parent.half_open.len() >= SYN_QUEUE {
            return Err(DropReason::SynQueue);
        }
        let route = cx.out.route(now, peer.ip(), Some(local.ip()));
        let route = route.map_err(|_| DropReason::NoConnection)?;
        let mut tcb = Tcb { passive: true, ..parent.tcb.heir() };
        tcb.begin(local, peer, self.isn(now, local, peer), &route);
        let owner = Owner::HalfOpen(listener);
        let id = self.insert(tcb, owner, local).ok_or(DropReason::Memory)?;
        self.ports.insert((local.port(), local.ip(), Some(peer)), id);
        self.sockets.get_mut(&listener).expect("found above").half_open.push(id);
        self.event(now, id, out, |tcb, cx| {
            tcb.take_syn(segment);
            tcb.enter(State::SynReceived, "SYN");
            tcb.send_syn(cx);
        });
        Ok(())
    }
}

/// The user's calls (RFC 9293 §3.9.1).
impl Streams for SmallTcp {
    fn open(&mut self) -> Result<Handle, SocketError> {
        let id = self.insert(Tcb::new(), Owner::User, NOWHERE);
        id.map(handle).ok_or(SocketError::NoBuffers)
    }

    fn bind(
        &mut self,
        socket: Handle,
        mut local: SocketAddr,
        out: &dyn Output,
    ) -> Result<(), SocketError> {
        let (id, socket) = self.user(socket)?;
        if socket.tcb.state != State::Closed || socket.local != NOWHERE {
            return Err(SocketError::Invalid);
        }
        if local.ip() != ANY && !out.is_local(local.ip()) {
            return Err(SocketError::AddrNotAvailable);
        }
        let reuse = socket.reuse_addr;
        if local.port() == 0 {
            local.set_port(self.ephemeral(local.ip(), NOWHERE)?);
        } else if self.in_use(local, reuse) {
            return Err(SocketError::AddrInUse);
        }
        self.sockets.get_mut(&id).expect("found above").local = local;
        self.ports.insert((local.port(), local.ip(), None), id);
        Ok(())
    }

    fn listen(&mut self, socket: Handle, backlog: usize) -> Result<(), SocketError> {
        let id = self.id(socket)?;
        if self.sockets[&id].local == NOWHERE {
            let port = self.ephemeral(ANY, NOWHERE)?;
            self.ports.insert((port, ANY, None), id);
            self.sockets.get_mut(&id).expect("found above").local.set_port(port);
        }
        let socket = self.sockets.get_mut(&id).expect("found above");
        match socket.tcb.state {
            State::Listen => {}
            State::Closed if socket.tcb.ends.is_none() => {
                socket.tcb.enter(State::Listen, "listen");
            }
            _ => return Err(SocketError::Invalid),
        }
        socket.backlog = backlog.clamp(1, SYN_QUEUE);
        Ok(())
    }

    fn accept(&mut self, socket: Handle) -> Result<(Handle, SocketAddr), SocketError> {
        let (listener, parent) = self.user(socket)?;
        if parent.tcb.state != State::Listen {
            return Err(SocketError::Invalid);
        }
        let id = parent.ready.pop_front().ok_or(SocketError::WouldBlock)?;
        let child = self.sockets.get_mut(&id).expect("what waits to be accepted stays");
        (child.owner, child.announced) = (Owner::User, Readiness::empty());
        let peer = child.peer();
        self.settle(id);
        self.settle(listener);
        Ok((handle(id), peer))
    }

    fn connect(
        &mut self,
        now: Instant,
        socket: Handle,
        peer: SocketAddr,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        let (id, socket) = self.user(socket)?;
        match socket.tcb.state {
            State::Closed if socket.tcb.ends.is_none() => {}
            State::SynSent | State::SynReceived => return Err(SocketError::InProgress),
            State::Closed | State::Listen => return Err(SocketError::Invalid),
            _ => return Err(SocketError::AlreadyConnected),
        }
        if peer.port() == 0 || peer.ip() == ANY || peer.ip().is_multicast() {
            return Err(SocketError::Invalid);
        }
        let bound = socket.local;
        let route = out.route(now, peer.ip(), Some(bound.ip()).filter(|addr| *addr != ANY))?;
        let mut local = bound;
        if bound.ip() == ANY {
            local.set_ip(route.source);
        }
        if bound.port() == 0 {
            local.set_port(self.ephemeral(local.ip(), peer)?);
        }
        if self.ports.contains_key(&(local.port(), local.ip(), Some(peer))) {
            return Err(SocketError::AddrInUse);
        }
        self.ports.remove(&(bound.port(), bound.ip(), None));
        self.ports.insert((local.port(), local.ip(), Some(peer)), id);
        self.sockets.get_mut(&id).expect("found above").local = local;
        let iss = self.isn(now, local, peer);
        self.event(now, id, out, |tcb, cx| {
            tcb.begin(local, peer, iss, &route);
            tcb.enter(State::SynSent, "connect");
            tcb.send_syn(cx);
        });
        Err(SocketError::InProgress)
    }

    fn send(
        &mut self,
        now: Instant,
        socket: Handle,
        data: &[u8],
        flags: SendFlags,
        out: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        let id = self.id(socket)?;
        if flags.contains(SendFlags::URGENT) {
            return Err(SocketError::Unsupported);
        }
        self.event(now, id, out, |tcb, cx| tcb.send(data, cx))
    }

    fn receive(
        &mut self,
        now: Instant,
        socket: Handle,
        buffer: &mut [u8],
        flags: ReceiveFlags,
        out: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        let id = self.id(socket)?;
        if flags.contains(ReceiveFlags::URGENT) {
            return Err(SocketError::Unsupported);
        }
        let peek = flags.contains(ReceiveFlags::PEEK);
        self.event(now, id, out, |tcb, cx| tcb.receive(buffer, peek, cx))
    }

    fn shutdown(
        &mut self,
        now: Instant,
        socket: Handle,
        how: Shutdown,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        let id = self.id(socket)?;
        self.event(now, id, out, |tcb, cx| tcb.shutdown(how, cx))
    }

    fn close(&mut self, now: Instant, socket: Handle, out: &mut dyn Output) {
        let Ok((id, closed)) = self.user(socket) else { return };
        closed.owner = Owner::Nobody;
        let mut waiting: Vec<Id> = closed.half_open.drain(..).collect();
        waiting.extend(closed.ready.drain(..));
        for child in waiting {
            self.sockets.get_mut(&child).expect("what waits stays").owner = Owner::Nobody;
            self.event(now, child, out, |tcb, cx| tcb.abort(cx));
        }
        self.event(now, id, out, |tcb, cx| tcb.close(cx));
        self.changed.remove(&socket);
    }

    fn set(
        &mut self,
        now: Instant,
        socket: Handle,
        setting: Setting,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        let (id, socket) = self.user(socket)?;
        match setting {
            Setting::NoDelay(on) => socket.tcb.no_delay = on,
            Setting::ReuseAddr(on) => socket.reuse_addr = on,
            Setting::Ttl(Ttl(0)) => return Err(SocketError::Invalid),
            Setting::Ttl(ttl) => socket.tcb.ttl = ttl,
            Setting::SendBuffer(bytes) => socket.tcb.send_limit = bytes.clamp(1, SEND_BUFFER),
            Setting::ReceiveBuffer(bytes) => socket.tcb.receive_limit = bytes.clamp(1, MAX_WINDOW),
            _ => return Err(SocketError::Unsupported),
        }
        self.event(now, id, out, |tcb, cx| tcb.output(cx));
        Ok(())
    }

    fn settings(&self, socket: Handle) -> Result<Settings, SocketError> {
        Ok(self.sockets[&self.id(socket)?].settings())
    }

    fn info(&self, now: Instant, socket: Handle) -> Result<Info, SocketError> {
        let id = self.id(socket)?;
        Ok(self.sockets[&id].info(now, id))
    }

    fn readiness(&self, socket: Handle) -> Readiness {
        self.id(socket).map(|id| self.sockets[&id].readiness()).unwrap_or_default()
    }

    fn take_error(&mut self, socket: Handle) -> Option<SocketError> {
        let (id, socket) = self.user(socket).ok()?;
        let error = socket.tcb.error.take().or_else(|| socket.tcb.soft_error.take());
        self.settle(id);
        error
    }

    fn input(&mut self, now: Instant, datagram: Datagram, out: &mut dyn Output) -> Input {
        self.counts.add(Count::SegmentsIn);
        let Err(reason) = self.segment_arrives(now, datagram, out) else { return Input::Consumed };
        self.drops.add(reason);
        match reason {
            DropReason::NoConnection => Input::Consumed,
            reason => Input::Dropped(reason),
        }
    }

    fn error(&mut self, now: Instant, cause: Cause, quoted: &Quoted, out: &mut dyn Output) {
        let [a, b, c, d, e, f, g, h, ..] = quoted.payload[..] else { return };
        let (local, peer) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let key = (local, quoted.src, Some(SocketAddr::new(quoted.dst, peer)));
        let seq = SeqNum(u32::from_be_bytes([e, f, g, h]));
        if let Some(id) = self.ports.get(&key).copied() {
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
        let mut infos: Vec<_> = self.sockets.iter().map(|(id, it)| it.info(now, *id)).collect();
        infos.sort_by_key(|info| (info.local.port(), info.peer));
        infos
    }

    fn counters(&self) -> Vec<Counter> {
        self.counts.rows().chain(self.drops.rows()).collect()
    }
}

impl Socket {
    fn peer(&self) -> SocketAddr {
        self.tcb.ends.map_or(NOWHERE, |(_, peer)| peer)
    }

    fn key(&self) -> Key {
        (self.local.port(), self.local.ip(), self.tcb.ends.map(|(_, peer)| peer))
    }

    fn queue_full(&self) -> bool {
        self.ready.len() >= self.backlog
    }

    fn readiness(&self) -> Readiness {
        match self.tcb.state {
            State::Listen if self.ready.is_empty() => Readiness::empty(),
            State::Listen => Readiness::READABLE,
            _ => self.tcb.readiness(),
        }
    }

    fn info(&self, now: Instant, id: Id) -> Info {
        let tcb = &self.tcb;
        let listens = tcb.state == State::Listen;
        let due = [
            (Timer::Retransmit, tcb.retransmit_at.filter(|_| tcb.snd_wnd > 0)),
            (Timer::Persist, tcb.retransmit_at.filter(|_| tcb.snd_wnd == 0)),
            (Timer::DelayedAck, tcb.ack_at),
            (Timer::FinWait2, tcb.expires_at.filter(|_| tcb.state == State::FinWait2)),
            (Timer::TimeWait, tcb.expires_at.filter(|_| tcb.state == State::TimeWait)),
        ];
        let timers = due.into_iter().filter_map(|(timer, at)| Some((timer, at?)));
        let handle = Some(handle(id)).filter(|_| self.owner == Owner::User);
        Info {
            receive_queue: if listens { self.ready.len() } else { tcb.received.readable },
            send_queue: if listens { self.backlog } else { tcb.sending.len() },
            congestion: "none",
            backoff: tcb.unanswered,
            rto: tcb.rto,
            ato: DELAYED_ACK,
            rtt: tcb.srtt.unwrap_or_default(),
            rttvar: tcb.rttvar,
            snd_mss: tcb.mss as u32,
            advmss: tcb.own_mss as u32,
            snd_wnd: tcb.snd_wnd,
            rcv_wnd: tcb.rcv_adv - tcb.rcv_nxt,
            snd_una: tcb.snd_una.0,
            snd_nxt: tcb.snd_nxt.0,
            rcv_nxt: tcb.rcv_nxt.0,
            memory: size_of::<Socket>() + tcb.sending.capacity() + tcb.received.bytes.capacity(),
            timer: timers.min_by_key(|(_, at)| *at).map(|(timer, at)| (timer, at.since(now))),
            ..Info::new(handle, tcb.state, self.local, self.peer())
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            no_delay: self.tcb.no_delay,
            cork: false,
            keep_alive: None,
            linger: None,
            reuse_addr: self.reuse_addr,
            send_buffer: self.tcb.send_limit,
            receive_buffer: self.tcb.receive_limit,
            ttl: self.tcb.ttl,
            tos: ip::Tos::default(),
            max_segment: None,
            user_timeout: None,
            not_sent_lowat: usize::MAX,
            quick_ack: false,
            congestion: "none",
            ecn: crate::EcnMode::Off,
            defer_accept: None,
            oob_inline: true,
            mtu_discover: false,
            receive_errors: false,
            timestamping: false,
            fin_wait2_timeout: TIME_WAIT,
        }
    }
}

fn handle(id: Id) -> Handle {
    Handle { index: id as u32, generation: (id >> 32) as u32 }
}
