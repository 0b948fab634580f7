//! A small TCP: one file, to be read from top to bottom in an evening.
//!
//! Lay RFC 9293's diagram (§3.3.2, figure 5) beside it. The order is that of the RFC: the user's
//! calls (§3.9.1, §3.10.1 to §3.10.6), the segment that arrives (§3.10.7, one function a step, in
//! the RFC's order), the timeouts (§3.10.8), and what they all lead to: sending, and putting the
//! received stream together.
//!
//! It has all eleven states, simultaneous open and close, a backlog, retransmission by RFC 6298
//! and after three duplicate ACKs, an out-of-order queue, zero-window probes, both silly-window
//! rules, Nagle, delayed ACKs, and RFC 5961's answers to blind attacks. It has no window scaling
//! and so no window above 64 KiB, no SACK, no timestamps, no congestion control, no urgent data
//! out of line, no path MTU discovery (its segments may be fragmented), no keep-alive: `Tcp` does
//! those.
//!
//! Where it deviates from the RFCs, and why:
//! - RFC 6298 §2.4 wants a retransmission timeout of a second at least. [`MIN_RTO`] is 200 ms, as
//!   in Linux, above any delayed ACK.
//! - RFC 9293 §3.4.1 wants a TIME-WAIT of 4 minutes. [`TIME_WAIT`] is one, as in Linux.
//! - RFC 1122 §4.2.3.9 wants a connect to go on after an ICMP unreachable. Here it fails at once,
//!   as in Linux: a person waits for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use ip::{Cause, Datagram, Handle, Header, Output, Protocol, Quoted, Readiness, SocketError, Ttl};
use netdev::{Counter, Counts, Instant, Packet, sooner};
use siphasher::sip::SipHasher13;
use tracing::{debug, trace};

use crate::{DropReason, Flags, Info, Input, Options, ReceiveFlags, Segment, SendFlags, SeqNum};
use crate::{Setting, Settings, Shutdown, State, Streams, Timer};

/// The most sockets and connections together, those in TIME-WAIT too.
const MAX_SOCKETS: usize = 4096;
/// The most connections of a listener that are half open (tapip's backlog limit is the same).
const SYN_QUEUE: usize = 128;
/// The most that the window field can say without scaling, and so the largest receive buffer.
const MAX_WINDOW: usize = 65535;
/// Bytes taken from the user and not yet acknowledged; a window and as much again to follow it.
const SEND_BUFFER: usize = 128 * 1024;
/// Pieces of stream that may stand beyond a gap; a segment that would add one more is dropped.
const MAX_PIECES: usize = 64;
/// What the peer takes if its SYN does not say (RFC 9293 §3.7.1, MUST-15).
const DEFAULT_MSS: usize = 536;
/// The least segment that a peer can talk this side into, so that it cannot multiply packets.
const MIN_MSS: usize = 64;
/// Headers of IPv4 and TCP without options: the MTU less these is the MSS (RFC 6691 §2).
const HEADERS: usize = 40;
/// Before the first sample (RFC 6298 §2.1), and the bounds after it (§2.4, §2.5).
const INITIAL_RTO: Duration = Duration::from_secs(1);
const MIN_RTO: Duration = Duration::from_millis(200);
const MAX_RTO: Duration = Duration::from_secs(60);
/// How long the second full segment is waited for (RFC 9293 §3.8.6.3: under half a second).
const DELAYED_ACK: Duration = Duration::from_millis(40);
/// R2 of RFC 9293 §3.8.3: unanswered for so long, a connection is given up. For a SYN three
/// minutes at least; a half-open connection that nobody here asked for has less.
const GIVE_UP: Duration = Duration::from_secs(100);
const GIVE_UP_SYN: Duration = Duration::from_secs(180);
const GIVE_UP_HALF_OPEN: Duration = Duration::from_secs(60);
/// Twice the maximum segment lifetime; and how long FIN-WAIT-2 lasts without a socket.
const TIME_WAIT: Duration = Duration::from_secs(60);
/// Duplicate and challenge ACKs that a connection sends in a second (RFC 5961 §7).
const CHALLENGES: u32 = 10;
/// RFC 6335 §6: the dynamic ports.
const EPHEMERAL: Range<u16> = 49152..65535;
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const NOWHERE: SocketAddr = SocketAddr::new(ANY, 0);

/// The small TCP. See the head of its file.
pub struct SmallTcp {
    /// Transmission control blocks, by a number that is never used twice.
    tcbs: BTreeMap<Id, Tcb>,
    /// Who has which port: (local port, local address, peer; none while bound or listening).
    ports: BTreeMap<(u16, IpAddr, Option<SocketAddr>), Id>,
    /// The next deadline of each TCB that has one.
    timers: BTreeSet<(Instant, Id)>,
    /// What [`Streams::changed`] will say.
    changed: BTreeSet<Handle>,
    next_id: Id,
    secret: SipHasher13,
    drops: Counts<DropReason>,
    counts: Counts<Count>,
}

type Id = u64;

netdev::reasons! {
    /// What is counted beside drops.
    enum Count {
        /// Received, good or bad.
        SegmentsIn = "segments in",
        /// Sent, resets too.
        SegmentsOut = "segments out",
        /// Sent again.
        Retransmitted = "segments retransmitted",
        /// Sent with RST.
        ResetsOut = "resets out",
    }
}

/// What every event brings along: the time, and the way out.
struct Cx<'a> {
    now: Instant,
    out: &'a mut dyn Output,
    counts: &'a mut Counts<Count>,
}

impl SmallTcp {
    /// A TCP without sockets. Sequence numbers and ports follow from `seed`.
    pub fn new(seed: u64) -> SmallTcp {
        SmallTcp {
            tcbs: BTreeMap::new(),
            ports: BTreeMap::new(),
            timers: BTreeSet::new(),
            changed: BTreeSet::new(),
            next_id: 0,
            secret: SipHasher13::new_with_keys(seed, !seed),
            drops: Counts::default(),
            counts: Counts::default(),
        }
    }

    fn insert(&mut self, tcb: Tcb) -> Option<Id> {
        if self.tcbs.len() >= MAX_SOCKETS {
            // The TIME-WAIT that would end first makes room.
            let mut due = self.timers.iter().map(|(_, id)| *id);
            let oldest = due.find(|id| self.tcbs[id].state == State::TimeWait)?;
            self.tcbs.get_mut(&oldest)?.die(None);
            self.settle(oldest);
        }
        let id = self.next_id;
        self.next_id += 1;
        self.tcbs.insert(id, tcb);
        Some(id)
    }

    fn id(&self, socket: Handle) -> Result<Id, SocketError> {
        let id = Id::from(socket.generation) << 32 | Id::from(socket.index);
        let open = self.tcbs.get(&id).is_some_and(|tcb| tcb.open);
        if open { Ok(id) } else { Err(SocketError::BadHandle) }
    }

    /// Something happens to the TCB of a socket.
    fn on<R>(
        &mut self,
        now: Instant,
        socket: Handle,
        out: &mut dyn Output,
        f: impl FnOnce(&mut Tcb, &mut Cx<'_>) -> Result<R, SocketError>,
    ) -> Result<R, SocketError> {
        let id = self.id(socket)?;
        self.event(now, id, out, f)
    }

    /// Something happens to a TCB.
    fn event<R, E>(
        &mut self,
        now: Instant,
        id: Id,
        out: &mut dyn Output,
        f: impl FnOnce(&mut Tcb, &mut Cx<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let tcb = self.tcbs.get_mut(&id).expect("the caller found it");
        let result = f(tcb, &mut Cx { now, out, counts: &mut self.counts });
        self.settle(id);
        result
    }

    /// Brings everything that is kept about a TCB outside of it in line with what it is now.
    fn settle(&mut self, id: Id) {
        let Some(tcb) = self.tcbs.get_mut(&id) else { return };
        let deadline = tcb.deadline();
        if deadline != tcb.scheduled {
            tcb.scheduled.map(|at| self.timers.remove(&(at, id)));
            deadline.map(|at| self.timers.insert((at, id)));
            tcb.scheduled = deadline;
        }
        let readiness = tcb.readiness();
        if tcb.open && readiness != tcb.announced {
            self.changed.insert(handle(id));
        }
        tcb.announced = readiness;
        let dead = tcb.state == State::Closed && (!tcb.open || tcb.peer != NOWHERE);
        let gone = dead && !tcb.open && tcb.place != Place::Ready;
        let key = tcb.key();
        // A half-open connection has come through, or has failed.
        if let Place::HalfOpen(listener) = tcb.place
            && tcb.state != State::SynReceived
        {
            tcb.place = if dead { Place::User } else { Place::Ready };
            if let Some(listener) = self.tcbs.get_mut(&listener) {
                listener.half_open.retain(|child| *child != id);
                if !dead {
                    listener.ready.push_back(id);
                }
            }
            self.settle(listener);
            return self.settle(id);
        }
        if dead && self.ports.get(&key) == Some(&id) {
            self.ports.remove(&key);
        }
        if gone {
            self.tcbs.remove(&id);
        }
    }

    fn find(&self, local: SocketAddr, peer: SocketAddr) -> Option<Id> {
        let key = |addr, peer| self.ports.get(&(local.port(), addr, peer)).copied();
        key(local.ip(), Some(peer)).or_else(|| key(local.ip(), None)).or_else(|| key(ANY, None))
    }

    /// Whether a bind to `local` has to be refused. Old connections of the port do not matter to
    /// one who says so with SO_REUSEADDR.
    fn in_use(&self, local: SocketAddr, reuse: bool) -> bool {
        let (port, addr) = (local.port(), local.ip());
        self.ports.range((port, ANY, None)..).take_while(|((used, ..), _)| *used == port).any(
            |((_, used, peer), _)| {
                (*used == addr || *used == ANY || addr == ANY) && !(peer.is_some() && reuse)
            },
        )
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

    /// RFC 9293 §3.10.7: which state's rules a segment falls under.
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
            && let Some(old) = self.tcbs.get_mut(&id)
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
            return Err(match segment.reset() {
                Some(reset) => cx.reply(local.ip(), peer.ip(), reset, DropReason::NoConnection),
                None => DropReason::StrayReset,
            });
        };
        let tcb = &self.tcbs[&id];
        match (tcb.state, tcb.place) {
            (State::Listen, _) => self.segment_in_listen(now, id, local, peer, &segment, out),
            (State::SynSent, _) => self.event(now, id, out, |tcb, cx| {
                tcb.segment_in_syn_sent(&segment, &datagram.payload, cx)
            }),
            // It stays half open while no more may wait to be accepted.
            (State::SynReceived, Place::HalfOpen(listener))
                if !segment.flags.intersects(Flags::RST | Flags::SYN)
                    && self.tcbs[&listener].queue_full() =>
            {
                Err(DropReason::AcceptQueue)
            }
            _ => self.event(now, id, out, |tcb, cx| {
                tcb.segment_in_other_states(&segment, &datagram.payload, cx)
            }),
        }
    }

    /// RFC 9293 §3.10.7.2. The listener stays; a TCB of its own enters SYN-RECEIVED.
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
        let flags = segment.flags;
        match segment.reset() {
            None => return Err(DropReason::StrayReset),
            Some(reset) if flags.contains(Flags::ACK) => {
                return Err(cx.reply(local.ip(), peer.ip(), reset, DropReason::UnacceptableAck));
            }
            Some(_) if flags.contains(Flags::SYN) => {}
            Some(_) => return Err(DropReason::NoAck),
        }
        if peer.ip() == ANY {
            return Err(DropReason::Group);
        }
        let parent = &self.tcbs[&listener];
        if parent.queue_full() {
            return Err(DropReason::AcceptQueue);
        }
        if parent.half_open.len() >= SYN_QUEUE {
            return Err(DropReason::SynQueue);
        }
        let route = cx.out.route(now, peer.ip(), Some(local.ip()));
        let route = route.map_err(|_| DropReason::NoConnection)?;
        let mut child = Tcb {
            place: Place::HalfOpen(listener),
            open: false,
            no_delay: parent.no_delay,
            reuse_addr: parent.reuse_addr,
            ttl: parent.ttl,
            send_limit: parent.send_limit,
            receive_limit: parent.receive_limit,
            ..Tcb::new()
        };
        let iss = self.isn(now, local, peer);
        child.begin(local, peer, iss, &route);
        child.take_syn(segment);
        let key = child.key();
        let id = self.insert(child).ok_or(DropReason::Memory)?;
        self.ports.insert(key, id);
        self.tcbs.get_mut(&listener).expect("found above").half_open.push(id);
        self.event(now, id, out, |child, cx| {
            child.enter(State::SynReceived, "SYN");
            child.send_syn(cx);
            Ok(())
        })
    }
}

/// The user's calls (RFC 9293 §3.9.1, §3.10.1 to §3.10.6).
impl Streams for SmallTcp {
    fn open(&mut self) -> Result<Handle, SocketError> {
        self.insert(Tcb::new()).map(handle).ok_or(SocketError::NoBuffers)
    }

    fn bind(
        &mut self,
        socket: Handle,
        mut local: SocketAddr,
        out: &dyn Output,
    ) -> Result<(), SocketError> {
        let id = self.id(socket)?;
        let tcb = &self.tcbs[&id];
        if tcb.state != State::Closed || tcb.local != NOWHERE {
            return Err(SocketError::Invalid);
        }
        if local.ip() != ANY && !out.is_local(local.ip()) {
            return Err(SocketError::AddrNotAvailable);
        }
        if local.port() == 0 {
            local.set_port(self.ephemeral(local.ip(), NOWHERE)?);
        } else if self.in_use(local, tcb.reuse_addr) {
            return Err(SocketError::AddrInUse);
        }
        self.ports.insert((local.port(), local.ip(), None), id);
        self.tcbs.get_mut(&id).expect("found above").local = local;
        Ok(())
    }

    fn listen(&mut self, socket: Handle, backlog: usize) -> Result<(), SocketError> {
        let id = self.id(socket)?;
        let tcb = &self.tcbs[&id];
        if !(tcb.state == State::Listen || tcb.state == State::Closed && tcb.peer == NOWHERE) {
            return Err(SocketError::Invalid);
        }
        let mut local = tcb.local;
        if local == NOWHERE {
            local.set_port(self.ephemeral(ANY, NOWHERE)?);
            self.ports.insert((local.port(), ANY, None), id);
        }
        let tcb = self.tcbs.get_mut(&id).expect("found above");
        (tcb.local, tcb.backlog) = (local, backlog.clamp(1, SYN_QUEUE));
        if tcb.state != State::Listen {
            tcb.enter(State::Listen, "listen");
        }
        Ok(())
    }

    fn accept(&mut self, socket: Handle) -> Result<(Handle, SocketAddr), SocketError> {
        let listener = self.id(socket)?;
        let parent = self.tcbs.get_mut(&listener).expect("found above");
        if parent.state != State::Listen {
            return Err(SocketError::Invalid);
        }
        let id = parent.ready.pop_front().ok_or(SocketError::WouldBlock)?;
        let child = self.tcbs.get_mut(&id).expect("a TCB that waits to be accepted stays");
        (child.open, child.place, child.announced) = (true, Place::User, Readiness::empty());
        let peer = child.peer;
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
        let id = self.id(socket)?;
        let tcb = &self.tcbs[&id];
        match tcb.state {
            State::Closed if tcb.peer == NOWHERE => {}
            State::SynSent | State::SynReceived => return Err(SocketError::InProgress),
            State::Closed | State::Listen => return Err(SocketError::Invalid),
            _ => return Err(SocketError::AlreadyConnected),
        }
        if peer.port() == 0 || peer.ip() == ANY || peer.ip().is_multicast() {
            return Err(SocketError::Invalid);
        }
        let bound = tcb.local;
        let route = out.route(now, peer.ip(), Some(bound.ip()).filter(|addr| *addr != ANY))?;
        let addr = if bound.ip() == ANY { route.source } else { bound.ip() };
        let port = match bound.port() {
            0 => self.ephemeral(addr, peer)?,
            port => port,
        };
        let local = SocketAddr::new(addr, port);
        if self.ports.contains_key(&(port, addr, Some(peer))) {
            return Err(SocketError::AddrInUse);
        }
        self.ports.remove(&(port, bound.ip(), None));
        self.ports.insert((port, addr, Some(peer)), id);
        let iss = self.isn(now, local, peer);
        self.on(now, socket, out, |tcb, cx| {
            tcb.begin(local, peer, iss, &route);
            tcb.enter(State::SynSent, "connect");
            tcb.send_syn(cx);
            Err(SocketError::InProgress)
        })
    }

    fn send(
        &mut self,
        now: Instant,
        socket: Handle,
        data: &[u8],
        flags: SendFlags,
        out: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        if flags.contains(SendFlags::URGENT) {
            return Err(SocketError::Unsupported);
        }
        self.on(now, socket, out, |tcb, cx| tcb.send(data, cx))
    }

    fn receive(
        &mut self,
        now: Instant,
        socket: Handle,
        buffer: &mut [u8],
        flags: ReceiveFlags,
        out: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        if flags.contains(ReceiveFlags::URGENT) {
            return Err(SocketError::Unsupported);
        }
        let peek = flags.contains(ReceiveFlags::PEEK);
        self.on(now, socket, out, |tcb, cx| tcb.receive(buffer, peek, cx))
    }

    fn shutdown(
        &mut self,
        now: Instant,
        socket: Handle,
        how: Shutdown,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        self.on(now, socket, out, |tcb, cx| {
            if !tcb.state.is_synchronized() {
                return Err(SocketError::NotConnected);
            }
            if how != Shutdown::Write {
                tcb.read_shut = true;
                tcb.discard();
            }
            if how != Shutdown::Read {
                tcb.close_sending(cx);
            }
            Ok(())
        })
    }

    fn close(&mut self, now: Instant, socket: Handle, out: &mut dyn Output) {
        let Ok(id) = self.id(socket) else { return };
        let tcb = self.tcbs.get_mut(&id).expect("found above");
        tcb.open = false;
        let waiting = tcb.half_open.drain(..).chain(tcb.ready.drain(..)).collect::<Vec<_>>();
        for child in waiting {
            let _ = self.event::<(), ()>(now, child, out, |child, cx| {
                child.place = Place::User;
                child.abort(cx);
                Ok(())
            });
        }
        let _ = self.event::<(), ()>(now, id, out, |tcb, cx| {
            tcb.close(cx);
            Ok(())
        });
        self.changed.remove(&socket);
    }

    fn set(
        &mut self,
        now: Instant,
        socket: Handle,
        setting: Setting,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        self.on(now, socket, out, |tcb, cx| {
            match setting {
                Setting::NoDelay(on) => tcb.no_delay = on,
                Setting::ReuseAddr(on) => tcb.reuse_addr = on,
                Setting::Ttl(Ttl(0)) => return Err(SocketError::Invalid),
                Setting::Ttl(ttl) => tcb.ttl = ttl,
                Setting::SendBuffer(bytes) => tcb.send_limit = bytes.clamp(1, SEND_BUFFER),
                Setting::ReceiveBuffer(bytes) => tcb.receive_limit = bytes.clamp(1, MAX_WINDOW),
                _ => return Err(SocketError::Unsupported),
            }
            tcb.output(cx);
            Ok(())
        })
    }

    fn settings(&self, socket: Handle) -> Result<Settings, SocketError> {
        Ok(self.tcbs[&self.id(socket)?].settings())
    }

    fn info(&self, now: Instant, socket: Handle) -> Result<Info, SocketError> {
        let id = self.id(socket)?;
        Ok(self.tcbs[&id].info(now, id))
    }

    fn readiness(&self, socket: Handle) -> Readiness {
        self.id(socket).map(|id| self.tcbs[&id].readiness()).unwrap_or_default()
    }

    fn take_error(&mut self, socket: Handle) -> Option<SocketError> {
        let id = self.id(socket).ok()?;
        let tcb = self.tcbs.get_mut(&id)?;
        let error = tcb.error.take().or_else(|| tcb.soft_error.take());
        self.settle(id);
        error
    }

    fn input(&mut self, now: Instant, datagram: Datagram, out: &mut dyn Output) -> Input {
        self.counts.add(Count::SegmentsIn);
        match self.segment_arrives(now, datagram, out) {
            Ok(()) => Input::Consumed,
            Err(reason) => {
                self.drops.add(reason);
                match reason {
                    DropReason::NoConnection => Input::Consumed,
                    reason => Input::Dropped(reason),
                }
            }
        }
    }

    fn error(&mut self, now: Instant, cause: Cause, quoted: &Quoted, out: &mut dyn Output) {
        let [a, b, c, d, e, f, g, h, ..] = quoted.payload[..] else { return };
        let local = SocketAddr::new(quoted.src, u16::from_be_bytes([a, b]));
        let peer = SocketAddr::new(quoted.dst, u16::from_be_bytes([c, d]));
        let seq = SeqNum(u32::from_be_bytes([e, f, g, h]));
        let Some(id) = self.ports.get(&(local.port(), local.ip(), Some(peer))).copied() else {
            return;
        };
        let _ = self.event::<(), ()>(now, id, out, |tcb, _| {
            // RFC 5927 §4.1: who does not know what is in flight has made it up.
            let in_flight = seq.ge(tcb.snd_una) && seq.lt(tcb.snd_max);
            match (tcb.state, cause) {
                _ if !in_flight => {}
                (_, Cause::SourceQuench | Cause::Redirect { .. }) => {}
                (_, Cause::FragmentationNeeded { .. }) => {}
                (State::SynSent, cause) => tcb.die(Some(cause.into())),
                (_, cause) => tcb.soft_error = Some(cause.into()),
            }
            Ok(())
        });
    }

    /// RFC 9293 §3.10.8.
    fn poll(&mut self, now: Instant, out: &mut dyn Output) {
        while let Some((_, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            let _ = self.event::<(), ()>(now, id, out, |tcb, cx| {
                tcb.timeout(cx);
                Ok(())
            });
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn changed(&mut self) -> Option<Handle> {
        self.changed.pop_first()
    }

    fn sockets(&self, now: Instant) -> Vec<Info> {
        let mut infos: Vec<_> = self.tcbs.iter().map(|(id, tcb)| tcb.info(now, *id)).collect();
        infos.sort_by_key(|info| (info.local.port(), info.peer));
        infos
    }

    fn counters(&self) -> Vec<Counter> {
        self.counts.rows().chain(self.drops.rows()).collect()
    }
}

/// A transmission control block (RFC 9293 §3.3.1): all that there is to know of a socket, a
/// listener or a connection. Names are the RFC's.
struct Tcb {
    state: State,
    local: SocketAddr,
    peer: SocketAddr,
    /// Whether a user holds its handle.
    open: bool,
    place: Place,
    error: Option<SocketError>,
    soft_error: Option<SocketError>,
    no_delay: bool,
    reuse_addr: bool,
    ttl: Ttl,

    // A listener's connections, in the order in which they began, and in which they were ready.
    backlog: usize,
    half_open: Vec<Id>,
    ready: VecDeque<Id>,

    // The send sequence space, and the bytes from SND.UNA on.
    iss: SeqNum,
    snd_una: SeqNum,
    snd_nxt: SeqNum,
    /// The highest that SND.NXT ever was: a timeout takes SND.NXT back.
    snd_max: SeqNum,
    snd_wnd: u32,
    snd_wl1: SeqNum,
    snd_wl2: SeqNum,
    /// The largest window that the peer ever offered.
    max_wnd: u32,
    mss: usize,
    sending: VecDeque<u8>,
    send_limit: usize,
    /// Whether a FIN follows after the last of `sending`.
    fin: bool,
    partial_checksum: bool,

    // The receive sequence space, and the bytes up to RCV.NXT and beyond.
    irs: SeqNum,
    rcv_nxt: SeqNum,
    /// The right edge of the window as the peer knows it: it never moves back.
    rcv_adv: SeqNum,
    own_mss: usize,
    received: Received,
    receive_limit: usize,
    read_shut: bool,
    peer_fin: Option<SeqNum>,
    ack_now: bool,

    // Timers. `retransmit_at` runs as long as anything waits to be acknowledged, so it is the
    // persist timer too.
    retransmit_at: Option<Instant>,
    ack_at: Option<Instant>,
    expires_at: Option<Instant>,
    /// Since when the peer owes an answer.
    waiting_since: Option<Instant>,
    rto: Duration,
    backoff: u32,
    srtt: Option<Duration>,
    rttvar: Duration,
    /// The segment that is timed: the number after its end, and when it was sent.
    timed: Option<(SeqNum, Instant)>,

    // Fast retransmission.
    duplicate_acks: u32,
    /// Losses up to here are dealt with (RFC 6582 §3.2).
    recover: SeqNum,
    recovering: bool,
    /// Challenge ACKs in the second that began then.
    challenges: (Instant, u32),

    // What `settle` last told the tables outside.
    announced: Readiness,
    scheduled: Option<Instant>,
}

/// To whom a TCB belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// To a user, or to nobody any more.
    User,
    /// To a listener, and its handshake is not done.
    HalfOpen(Id),
    /// To a listener, and it waits to be accepted.
    Ready,
}

impl Tcb {
    fn new() -> Tcb {
        Tcb {
            state: State::Closed,
            local: NOWHERE,
            peer: NOWHERE,
            open: true,
            place: Place::User,
            error: None,
            soft_error: None,
            no_delay: false,
            reuse_addr: false,
            ttl: Ttl::DEFAULT,
            backlog: 0,
            half_open: Vec::new(),
            ready: VecDeque::new(),
            iss: SeqNum(0),
            snd_una: SeqNum(0),
            snd_nxt: SeqNum(0),
            snd_max: SeqNum(0),
            snd_wnd: 0,
            snd_wl1: SeqNum(0),
            snd_wl2: SeqNum(0),
            max_wnd: 0,
            mss: DEFAULT_MSS,
            sending: VecDeque::new(),
            send_limit: SEND_BUFFER,
            fin: false,
            partial_checksum: false,
            irs: SeqNum(0),
            rcv_nxt: SeqNum(0),
            rcv_adv: SeqNum(0),
            own_mss: DEFAULT_MSS,
            received: Received::default(),
            receive_limit: MAX_WINDOW,
            read_shut: false,
            peer_fin: None,
            ack_now: false,
            retransmit_at: None,
            ack_at: None,
            expires_at: None,
            waiting_since: None,
            rto: INITIAL_RTO,
            backoff: 0,
            srtt: None,
            rttvar: Duration::ZERO,
            timed: None,
            duplicate_acks: 0,
            recover: SeqNum(0),
            recovering: false,
            challenges: (Instant::ZERO, 0),
            announced: Readiness::empty(),
            scheduled: None,
        }
    }

    fn begin(&mut self, local: SocketAddr, peer: SocketAddr, iss: SeqNum, route: &ip::Route) {
        (self.local, self.peer) = (local, peer);
        (self.iss, self.snd_una, self.snd_nxt, self.snd_max) = (iss, iss, iss, iss);
        self.recover = iss;
        self.own_mss = route.mtu.saturating_sub(HEADERS).clamp(MIN_MSS, MAX_WINDOW);
        self.partial_checksum = route.offload.checksum;
    }

    fn enter(&mut self, to: State, cause: &'static str) {
        debug!(conn = %self.peer, from = %self.state, %to, cause, "state");
        self.state = to;
    }

    /// The connection is no more; what was received can still be read.
    fn die(&mut self, error: Option<SocketError>) {
        self.enter(State::Closed, "the end");
        self.error = self.error.or(error.filter(|_| self.open || self.place == Place::Ready));
        self.sending.clear();
        (self.retransmit_at, self.ack_at, self.expires_at) = (None, None, None);
    }

    // ---- The user's calls, as far as they concern one connection.

    /// RFC 9293 §3.10.2.
    fn send(&mut self, data: &[u8], cx: &mut Cx<'_>) -> Result<usize, SocketError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        match self.state {
            State::SynSent | State::SynReceived => return Err(SocketError::WouldBlock),
            _ if self.peer == NOWHERE => return Err(SocketError::NotConnected),
            _ if self.fin || self.state == State::Closed => return Err(SocketError::BrokenPipe),
            _ => {}
        }
        let room = self.send_limit.saturating_sub(self.sending.len());
        let taken = &data[..data.len().min(room)];
        if taken.is_empty() && !data.is_empty() {
            return Err(SocketError::WouldBlock);
        }
        self.sending.extend(taken);
        self.output(cx);
        Ok(taken.len())
    }

    /// RFC 9293 §3.10.3.
    fn receive(
        &mut self,
        buffer: &mut [u8],
        peek: bool,
        cx: &mut Cx<'_>,
    ) -> Result<usize, SocketError> {
        if self.peer == NOWHERE {
            return Err(SocketError::NotConnected);
        }
        if self.received.readable == 0 && !buffer.is_empty() {
            return match self.error.take() {
                Some(error) => Err(error),
                None if self.no_more_to_read() => Ok(0),
                None => Err(SocketError::WouldBlock),
            };
        }
        let len = buffer.len().min(self.received.readable);
        copy(&self.received.bytes, 0, &mut buffer[..len]);
        if !peek {
            self.received.take(len);
            // A window update, when it is worth a segment (§3.8.6.2.2): what was read may have
            // opened a window that was shut, and nobody else will say so.
            let worth = (self.receive_limit / 4).max(2 * self.own_mss).min(self.receive_limit / 2);
            if self.may_receive() && self.window_growth() >= worth.max(1) {
                self.acknowledge(cx);
            }
        }
        Ok(len)
    }

    fn no_more_to_read(&self) -> bool {
        use State::*;
        self.read_shut || matches!(self.state, CloseWait | Closing | LastAck | TimeWait | Closed)
    }

    fn discard(&mut self) {
        self.received.take(self.received.readable);
    }

    /// RFC 9293 §3.10.4.
    fn close(&mut self, cx: &mut Cx<'_>) {
        match self.state {
            State::Closed | State::Listen | State::SynSent => self.die(None),
            // RFC 2525 §2.17: the peer has to learn that its data was thrown away.
            _ if self.received.readable > 0 => self.abort(cx),
            State::FinWait2 => self.expires_at = Some(cx.now + TIME_WAIT),
            _ => self.close_sending(cx),
        }
    }

    fn close_sending(&mut self, cx: &mut Cx<'_>) {
        match self.state {
            // Queued until ESTABLISHED.
            State::SynReceived => {}
            State::Established => self.enter(State::FinWait1, "close"),
            State::CloseWait => self.enter(State::LastAck, "close"),
            _ => return,
        }
        self.fin = true;
        self.output(cx);
    }

    /// RFC 9293 §3.10.5.
    fn abort(&mut self, cx: &mut Cx<'_>) {
        use State::*;
        if matches!(self.state, SynReceived | Established | FinWait1 | FinWait2 | CloseWait) {
            self.transmit(self.acceptable_seq(), Flags::RST | Flags::ACK, 0..0, cx);
        }
        self.die(Some(SocketError::Aborted));
    }

    // ---- The segment that arrives.

    /// The peer's SYN.
    fn take_syn(&mut self, segment: &Segment) {
        self.irs = segment.seq;
        self.rcv_nxt = segment.seq + 1;
        self.rcv_adv = self.rcv_nxt;
        let mss = segment.options.mss.map_or(DEFAULT_MSS, usize::from);
        self.mss = mss.min(self.own_mss).max(MIN_MSS);
        self.set_window(segment);
    }

    fn set_window(&mut self, segment: &Segment) {
        (self.snd_wnd, self.snd_wl1, self.snd_wl2) =
            (u32::from(segment.window), segment.seq, segment.ack);
        self.max_wnd = self.max_wnd.max(self.snd_wnd);
    }

    /// The peer has this side's SYN.
    fn established(&mut self, segment: &Segment, cx: &mut Cx<'_>) {
        self.enter(State::Established, "SYN acknowledged");
        self.round_trip(self.iss + 1, cx.now);
        self.snd_una = self.iss + 1;
        if self.backoff > 0 && self.srtt.is_none() {
            // RFC 6298 §5.7.
            self.rto = Duration::from_secs(3);
        }
        (self.backoff, self.retransmit_at, self.waiting_since) = (0, None, None);
        self.set_window(segment);
        if self.fin {
            self.enter(State::FinWait1, "close was queued");
        }
    }

    /// RFC 9293 §3.10.7.3.
    fn segment_in_syn_sent(
        &mut self,
        segment: &Segment,
        data: &[u8],
        cx: &mut Cx<'_>,
    ) -> Result<(), DropReason> {
        let has = |flag| segment.flags.contains(flag);
        if has(Flags::ACK) && segment.ack != self.iss + 1 {
            let reason = DropReason::UnacceptableAck;
            return Err(match segment.reset() {
                Some(reset) => cx.reply(self.local.ip(), self.peer.ip(), reset, reason),
                None => reason,
            });
        }
        if has(Flags::RST) {
            if !has(Flags::ACK) {
                return Err(DropReason::StrayReset);
            }
            self.die(Some(SocketError::Refused));
            return Ok(());
        }
        if !has(Flags::SYN) {
            return Err(DropReason::NoAck);
        }
        self.take_syn(segment);
        if !has(Flags::ACK) {
            // Simultaneous open (§3.5, figure 8).
            self.enter(State::SynReceived, "SYN crossed");
            self.send_syn(cx);
            return Ok(());
        }
        self.established(segment, cx);
        self.ack_now = true;
        let text = self.take_text(&Segment { seq: segment.seq + 1, ..*segment }, data, cx);
        self.take_fin(cx);
        self.respond(cx);
        text
    }

    /// RFC 9293 §3.10.7.4: all other states, step by step. Security and precedence (third) are
    /// history, urgent data (sixth) stays in the stream.
    fn segment_in_other_states(
        &mut self,
        segment: &Segment,
        data: &[u8],
        cx: &mut Cx<'_>,
    ) -> Result<(), DropReason> {
        self.check_sequence(segment, cx)?; // first
        self.check_reset(segment, cx)?; // second
        if self.state == State::Closed {
            return Ok(());
        }
        self.check_syn(segment, cx)?; // fourth
        self.check_ack(segment, cx)?; // fifth
        let text = self.take_text(segment, data, cx); // seventh
        self.take_fin(cx); // eighth
        self.respond(cx);
        text
    }

    /// First: any of it has to be in the window. The RFC's table asks for the first or the last
    /// byte; a packet that stands for many segments may begin before the window and end after it.
    /// One that begins at RCV.NXT counts in any window, since its ACK and RST do.
    fn check_sequence(&mut self, segment: &Segment, cx: &mut Cx<'_>) -> Result<(), DropReason> {
        let (seq, end) = (segment.seq, segment.end());
        let acceptable = seq == self.rcv_nxt
            || match segment.seq_len() {
                0 => seq.ge(self.rcv_nxt) && seq.le(self.rcv_adv),
                _ => seq.lt(self.rcv_adv) && end.gt(self.rcv_nxt),
            };
        if acceptable {
            return Ok(());
        }
        if segment.flags.contains(Flags::RST) {
            return Err(DropReason::StrayReset);
        }
        if self.state == State::SynReceived && segment.flags == Flags::SYN && seq == self.irs {
            // The peer's SYN once more: the SYN-ACK was lost.
            self.send_syn(cx);
        } else if segment.seq_len() > 0 {
            if self.state == State::TimeWait && segment.flags.contains(Flags::FIN) {
                self.expires_at = Some(cx.now + TIME_WAIT);
            }
            self.acknowledge(cx);
        } else {
            self.challenge(cx);
        }
        Err(DropReason::OutOfWindow)
    }

    /// Second: a reset has to hit RCV.NXT (RFC 5961 §3.2), and none ends TIME-WAIT (RFC 1337).
    fn check_reset(&mut self, segment: &Segment, cx: &mut Cx<'_>) -> Result<(), DropReason> {
        if !segment.flags.contains(Flags::RST) {
            return Ok(());
        }
        if segment.seq != self.rcv_nxt || self.state == State::TimeWait {
            self.challenge(cx);
            return Err(DropReason::StrayReset);
        }
        self.die(Some(match self.state {
            State::SynReceived => SocketError::Refused,
            _ => SocketError::Reset,
        }));
        Ok(())
    }

    /// Fourth: RFC 5961 §4.2.
    fn check_syn(&mut self, segment: &Segment, cx: &mut Cx<'_>) -> Result<(), DropReason> {
        if !segment.flags.contains(Flags::SYN) {
            return Ok(());
        }
        self.challenge(cx);
        Err(DropReason::UnexpectedSyn)
    }

    /// Fifth.
    fn check_ack(&mut self, segment: &Segment, cx: &mut Cx<'_>) -> Result<(), DropReason> {
        let ack = segment.ack;
        if !segment.flags.contains(Flags::ACK) {
            return Err(DropReason::NoAck);
        }
        if self.state == State::SynReceived {
            if let Some(reset) = segment.reset().filter(|_| ack != self.iss + 1) {
                let reason = DropReason::UnacceptableAck;
                return Err(cx.reply(self.local.ip(), self.peer.ip(), reset, reason));
            }
            self.established(segment, cx);
        }
        // RFC 5961 §5.2: not of what was never sent, and not from too long ago.
        if ack.gt(self.snd_max) || ack.lt(self.snd_una - self.max_wnd) {
            self.challenge(cx);
            return Err(DropReason::UnacceptableAck);
        }
        // RFC 5681 §2.
        let duplicate = ack == self.snd_una
            && segment.seq_len() == 0
            && self.snd_max != self.snd_una
            && u32::from(segment.window) == self.snd_wnd;
        if ack.gt(self.snd_una) {
            self.acknowledged(ack, cx);
        }
        let newer =
            self.snd_wl1.lt(segment.seq) || self.snd_wl1 == segment.seq && self.snd_wl2.le(ack);
        if newer && ack.ge(self.snd_una) {
            if self.snd_wnd == 0 {
                // §3.8.6.1: probes go on for as long as they are answered; and what waited for
                // the window need not wait for the next probe.
                self.waiting_since = None;
                if segment.window > 0 {
                    (self.backoff, self.rto, self.retransmit_at) = (0, self.base_rto(), None);
                }
            }
            self.set_window(segment);
        }
        if duplicate && self.snd_wnd > 0 {
            self.duplicate_acks += 1;
            if self.duplicate_acks == 3 && self.snd_una.ge(self.recover) {
                // RFC 5681 §3.2.
                (self.recover, self.recovering) = (self.snd_max, true);
                self.retransmit(cx);
            }
        }
        Ok(())
    }

    /// The peer has everything before `ack`.
    fn acknowledged(&mut self, ack: SeqNum, cx: &mut Cx<'_>) {
        let numbers = (ack - self.snd_una) as usize;
        let bytes = numbers.min(self.sending.len());
        self.sending.drain(..bytes);
        self.snd_una = ack;
        self.snd_nxt = self.snd_nxt.max(ack);
        self.round_trip(ack, cx.now);
        (self.backoff, self.rto) = (0, self.base_rto());
        (self.retransmit_at, self.waiting_since, self.duplicate_acks) = (None, None, 0);
        cx.out.confirm(cx.now, self.peer.ip());
        if self.recovering && ack.lt(self.recover) {
            // RFC 6582 §3.2: a partial ACK tells of the next loss.
            self.retransmit(cx);
        } else {
            self.recovering = false;
        }
        if numbers > bytes {
            // The FIN is acknowledged.
            match self.state {
                State::FinWait1 => {
                    self.enter(State::FinWait2, "FIN acknowledged");
                    self.expires_at = Some(cx.now + TIME_WAIT).filter(|_| !self.open);
                }
                State::Closing => self.time_wait(cx.now),
                State::LastAck => self.die(None),
                _ => {}
            }
        }
    }

    /// Seventh: the data, cut to the window.
    fn take_text(
        &mut self,
        segment: &Segment,
        data: &[u8],
        cx: &mut Cx<'_>,
    ) -> Result<(), DropReason> {
        let fin = segment.flags.contains(Flags::FIN);
        if !self.may_receive() || data.is_empty() && !fin {
            return Ok(());
        }
        let end = segment.seq + data.len() as u32;
        if !self.open && self.place == Place::User && end.gt(self.rcv_nxt) {
            // RFC 1122 §4.2.2.13: nobody will ever read it.
            self.abort(cx);
            return Err(DropReason::AfterClose);
        }
        let start = segment.seq.max(self.rcv_nxt);
        let data = data.get((start - segment.seq) as usize..).unwrap_or_default();
        let room = if start.lt(self.rcv_adv) { (self.rcv_adv - start) as usize } else { 0 };
        if fin && data.len() <= room {
            self.peer_fin = Some(end);
        }
        let data = &data[..data.len().min(room)];
        let new = self.received.store((start - self.rcv_nxt) as usize, data);
        let advanced = *new.as_ref().unwrap_or(&0);
        self.rcv_nxt += advanced as u32;
        // RFC 5681 §4.2: at once for what is out of order or fills a gap, and for every second
        // segment; RFC 9293 §3.8.6.3 lets the first wait.
        let in_order = advanced > 0 && advanced == data.len() && self.received.pieces.is_empty();
        if !in_order || advanced >= 2 * self.own_mss || self.ack_at.is_some() {
            self.ack_now = true;
        } else {
            self.ack_at = Some(cx.now + DELAYED_ACK);
        }
        if self.read_shut {
            self.discard();
        }
        new.map(drop)
    }

    /// Eighth: the FIN, when all before it is there.
    fn take_fin(&mut self, cx: &mut Cx<'_>) {
        if self.peer_fin != Some(self.rcv_nxt) {
            return;
        }
        match self.state {
            State::Established => self.enter(State::CloseWait, "FIN"),
            State::FinWait1 => self.enter(State::Closing, "FIN"),
            State::FinWait2 => self.time_wait(cx.now),
            _ => return,
        }
        self.peer_fin = None;
        self.rcv_nxt += 1;
        self.ack_now = true;
    }

    /// What a segment calls forth: data that may go now, with the ACK on it; or the ACK alone.
    fn respond(&mut self, cx: &mut Cx<'_>) {
        self.output(cx);
        if self.ack_now && self.state != State::Closed {
            self.acknowledge(cx);
        }
    }

    fn time_wait(&mut self, now: Instant) {
        self.enter(State::TimeWait, "both sides are done");
        (self.retransmit_at, self.expires_at) = (None, Some(now + TIME_WAIT));
    }

    /// RFC 5961 §7: so many a second, so that two confused ends cannot keep each other busy.
    fn challenge(&mut self, cx: &mut Cx<'_>) {
        if cx.now.since(self.challenges.0) >= Duration::from_secs(1) {
            self.challenges = (cx.now, 0);
        }
        self.challenges.1 += 1;
        if self.challenges.1 <= CHALLENGES {
            self.acknowledge(cx);
        }
    }

    // ---- Timeouts.

    /// RFC 9293 §3.10.8: whichever is due.
    fn timeout(&mut self, cx: &mut Cx<'_>) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= cx.now);
        if due(self.expires_at) {
            return self.die(None);
        }
        let retransmit = due(self.retransmit_at);
        if due(self.ack_at) {
            self.acknowledge(cx);
        }
        if retransmit {
            self.retransmission_timeout(cx);
        }
    }

    /// RFC 6298 §5.4 to §5.6; and, where the window is shut, the probe of RFC 9293 §3.8.6.1.
    fn retransmission_timeout(&mut self, cx: &mut Cx<'_>) {
        let patience = match (self.state, self.place) {
            (State::SynSent, _) => GIVE_UP_SYN,
            (_, Place::HalfOpen(_)) => GIVE_UP_HALF_OPEN,
            _ => GIVE_UP,
        };
        let since = *self.waiting_since.get_or_insert(cx.now);
        if cx.now.since(since) >= patience {
            return self.die(Some(self.soft_error.unwrap_or(SocketError::TimedOut)));
        }
        self.rto = (self.rto * 2).min(MAX_RTO);
        self.backoff += 1;
        self.retransmit_at = Some(cx.now + self.rto);
        // Go back N: what follows is sent again as the ACKs come in.
        (self.recover, self.recovering, self.duplicate_acks) = (self.snd_max, false, 0);
        self.retransmit(cx);
    }

    /// RFC 6298 §2: a sample, if `ack` covers the segment that is timed.
    fn round_trip(&mut self, ack: SeqNum, now: Instant) {
        let Some((_, sent)) = self.timed.filter(|(end, _)| end.le(ack)) else { return };
        self.timed = None;
        let r = now.since(sent);
        match self.srtt {
            None => (self.srtt, self.rttvar) = (Some(r), r / 2),
            Some(srtt) => {
                self.rttvar = (self.rttvar * 3 + srtt.abs_diff(r)) / 4;
                self.srtt = Some((srtt * 7 + r) / 8);
            }
        }
        self.rto = self.base_rto();
    }

    fn base_rto(&self) -> Duration {
        let rto = self.srtt.map_or(INITIAL_RTO, |srtt| srtt + 4 * self.rttvar);
        rto.clamp(MIN_RTO, MAX_RTO)
    }

    fn deadline(&self) -> Option<Instant> {
        sooner(sooner(self.retransmit_at, self.ack_at), self.expires_at)
    }

    /// Starts or stops the retransmission timer (RFC 6298 §5.1, §5.2).
    fn arm(&mut self, now: Instant) {
        use State::*;
        let outstanding = match self.state {
            SynSent | SynReceived => true,
            Established | CloseWait => !self.sending.is_empty(),
            FinWait1 | Closing | LastAck => true,
            Closed | Listen | FinWait2 | TimeWait => false,
        };
        if !outstanding {
            (self.retransmit_at, self.waiting_since) = (None, None);
        } else if self.retransmit_at.is_none() {
            self.retransmit_at = Some(now + self.rto);
            self.waiting_since.get_or_insert(now);
        }
    }

    // ---- Sending.

    /// Sends what may be sent now.
    fn output(&mut self, cx: &mut Cx<'_>) {
        use State::*;
        if !matches!(self.state, Established | FinWait1 | CloseWait | Closing | LastAck) {
            return;
        }
        loop {
            let sent = (self.snd_nxt - self.snd_una) as usize;
            let Some(unsent) = self.sending.len().checked_sub(sent) else { break };
            let usable = (self.snd_wnd as usize).saturating_sub(sent);
            let len = unsent.min(usable).min(self.mss);
            let last = len == unsent;
            let fin = self.fin && last && usable > len;
            // Silly windows (RFC 9293 §3.8.6.2.1) and Nagle (§3.7.4): a full segment, or all
            // there is and nothing is on its way, or half of what the peer could ever take; or
            // again what was sent before.
            let worth = len == self.mss
                || last && (sent == 0 || self.no_delay || self.fin)
                || len >= (self.max_wnd / 2) as usize
                || self.snd_nxt.lt(self.snd_max);
            if !(fin || len > 0 && worth) {
                break;
            }
            self.snd_nxt = self.send_from(sent, len, fin, cx);
        }
        self.arm(cx.now);
    }

    /// Sends the first that is not acknowledged once more, were it into a window that is shut.
    fn retransmit(&mut self, cx: &mut Cx<'_>) {
        self.timed = None; // Karn's rule (RFC 6298 §3).
        if matches!(self.state, State::SynSent | State::SynReceived) {
            return self.send_syn(cx);
        }
        let window = (self.snd_wnd as usize).max(1);
        let len = self.sending.len().min(window).min(self.mss);
        let fin = self.fin && len == self.sending.len();
        let end = self.send_from(0, len, fin, cx);
        if self.snd_wnd == 0 {
            // What goes into a shut window will not be taken: it does not count as sent.
            (self.snd_nxt, self.timed) = (self.snd_una, None);
        } else if !self.recovering {
            self.snd_nxt = end;
        }
        self.arm(cx.now);
    }

    /// Sends `len` bytes from `offset` after SND.UNA; gives the number after the segment.
    fn send_from(&mut self, offset: usize, len: usize, fin: bool, cx: &mut Cx<'_>) -> SeqNum {
        let last = offset + len == self.sending.len();
        let mut flags = Flags::ACK;
        flags.set(Flags::PSH, last && len > 0);
        flags.set(Flags::FIN, fin);
        self.transmit(self.snd_una + offset as u32, flags, offset..offset + len, cx)
    }

    fn send_syn(&mut self, cx: &mut Cx<'_>) {
        let answer = self.state == State::SynReceived;
        let flags = if answer { Flags::SYN | Flags::ACK } else { Flags::SYN };
        self.snd_nxt = self.transmit(self.iss, flags, 0..0, cx);
        self.arm(cx.now);
    }

    fn acknowledge(&mut self, cx: &mut Cx<'_>) {
        self.transmit(self.acceptable_seq(), Flags::ACK, 0..0, cx);
    }

    /// The number of a segment without data: after all that was sent, but in the peer's window,
    /// or the peer would not look at it.
    fn acceptable_seq(&self) -> SeqNum {
        self.snd_max.min(self.snd_una + self.snd_wnd)
    }

    /// One segment, with the acknowledgment and the window of the moment.
    fn transmit(
        &mut self,
        seq: SeqNum,
        flags: Flags,
        data: Range<usize>,
        cx: &mut Cx<'_>,
    ) -> SeqNum {
        let mut packet = Packet::with_capacity(data.len());
        if !data.is_empty() {
            packet = Packet::for_receive(data.len());
            copy(&self.sending, data.start, &mut packet);
        }
        let syn = flags.contains(Flags::SYN);
        let mss = Some(self.own_mss as u16).filter(|_| syn);
        let ack = if flags.contains(Flags::ACK) { self.rcv_nxt } else { SeqNum(0) };
        let segment = Segment {
            window: self.announce_window(),
            options: Options { mss, ..Options::default() },
            len: data.len(),
            ..Segment::new(self.local.port(), self.peer.port(), seq, ack, flags)
        };
        let end = segment.end();
        if segment.seq_len() > 0 {
            if end.gt(self.snd_max) {
                self.snd_max = end;
                self.timed = self.timed.or(Some((end, cx.now)));
            } else {
                cx.counts.add(Count::Retransmitted);
            }
        }
        (self.ack_now, self.ack_at) = (false, None);
        let ends = (self.local.ip(), self.peer.ip());
        cx.transmit(ends.0, ends.1, self.ttl, segment, packet, self.partial_checksum);
        end
    }

    // ---- The received stream.

    /// The states in which the peer still sends.
    fn may_receive(&self) -> bool {
        matches!(self.state, State::Established | State::FinWait1 | State::FinWait2)
    }

    /// By how much the right edge could move.
    fn window_growth(&self) -> usize {
        let free = self.receive_limit.saturating_sub(self.received.readable);
        free.saturating_sub((self.rcv_adv - self.rcv_nxt) as usize)
    }

    /// The window to announce. Its right edge moves in steps that are worth it (RFC 9293
    /// §3.8.6.2.2), and never back (§3.8.6, SHLD-14).
    fn announce_window(&mut self) -> u16 {
        if !self.rcv_adv.ge(self.rcv_nxt) {
            self.rcv_adv = self.rcv_nxt; // After a FIN beyond the window.
        }
        let growth = self.window_growth();
        if growth >= self.own_mss.min(self.receive_limit / 2) {
            self.rcv_adv += growth as u32;
        }
        (self.rcv_adv - self.rcv_nxt).min(MAX_WINDOW as u32) as u16
    }

    // ---- What others see.

    fn key(&self) -> (u16, IpAddr, Option<SocketAddr>) {
        let peer = Some(self.peer).filter(|peer| *peer != NOWHERE);
        (self.local.port(), self.local.ip(), peer)
    }

    fn queue_full(&self) -> bool {
        self.ready.len() >= self.backlog
    }

    fn readiness(&self) -> Readiness {
        let mut ready = Readiness::empty();
        match self.state {
            State::Listen => ready.set(Readiness::READABLE, !self.ready.is_empty()),
            State::Closed if self.peer == NOWHERE => {}
            State::SynSent | State::SynReceived => {}
            state => {
                let no_more = self.no_more_to_read();
                let write_closed = self.fin || state == State::Closed;
                let room = self.sending.len() < self.send_limit;
                ready.set(Readiness::READ_CLOSED, no_more);
                ready.set(Readiness::READABLE, no_more || self.received.readable > 0);
                ready.set(Readiness::WRITE_CLOSED, write_closed);
                ready.set(Readiness::WRITABLE, write_closed || room);
            }
        }
        ready.set(Readiness::ERROR, self.error.is_some());
        ready
    }

    fn info(&self, now: Instant, id: Id) -> Info {
        let handle = Some(handle(id)).filter(|_| self.open);
        let listens = self.state == State::Listen;
        let due = [
            (Timer::Retransmit, self.retransmit_at.filter(|_| self.snd_wnd > 0)),
            (Timer::Persist, self.retransmit_at.filter(|_| self.snd_wnd == 0)),
            (Timer::DelayedAck, self.ack_at),
            (Timer::FinWait2, self.expires_at.filter(|_| self.state == State::FinWait2)),
            (Timer::TimeWait, self.expires_at.filter(|_| self.state == State::TimeWait)),
        ];
        let timers = due.into_iter().filter_map(|(timer, at)| Some((timer, at?)));
        Info {
            receive_queue: if listens { self.ready.len() } else { self.received.readable },
            send_queue: if listens { self.backlog } else { self.sending.len() },
            backoff: self.backoff,
            rto: self.rto,
            ato: DELAYED_ACK,
            rtt: self.srtt.unwrap_or_default(),
            rttvar: self.rttvar,
            snd_mss: self.mss as u32,
            advmss: self.own_mss as u32,
            snd_wnd: self.snd_wnd,
            rcv_wnd: self.rcv_adv - self.rcv_nxt,
            snd_una: self.snd_una.0,
            snd_nxt: self.snd_nxt.0,
            rcv_nxt: self.rcv_nxt.0,
            congestion: "none",
            memory: size_of::<Tcb>() + self.sending.capacity() + self.received.bytes.capacity(),
            timer: timers.min_by_key(|(_, at)| *at).map(|(timer, at)| (timer, at.since(now))),
            ..Info::new(handle, self.state, self.local, self.peer)
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            no_delay: self.no_delay,
            cork: false,
            keep_alive: None,
            linger: None,
            reuse_addr: self.reuse_addr,
            send_buffer: self.send_limit,
            receive_buffer: self.receive_limit,
            ttl: self.ttl,
            tos: ip::Tos::default(),
            max_segment: None,
            user_timeout: None,
            not_sent_lowat: usize::MAX,
            quick_ack: false,
            congestion: "none",
            defer_accept: None,
            oob_inline: true,
            mtu_discover: false,
            receive_errors: false,
            timestamping: false,
            fin_wait2_timeout: TIME_WAIT,
        }
    }
}

/// What came of the peer's stream and was not read: the bytes up to RCV.NXT, and beyond it pieces
/// with gaps between them, whose bytes already stand in their places.
#[derive(Default)]
struct Received {
    bytes: VecDeque<u8>,
    /// How many of them are in order.
    readable: usize,
    /// Offsets from RCV.NXT, sorted, no two of them touching.
    pieces: Vec<Range<usize>>,
}

impl Received {
    /// Puts data `at` bytes beyond RCV.NXT; gives by how much RCV.NXT moves.
    fn store(&mut self, at: usize, data: &[u8]) -> Result<usize, DropReason> {
        if at == 0 && self.pieces.is_empty() {
            self.bytes.extend(data);
            self.readable += data.len();
            return Ok(data.len());
        }
        let piece = at..at + data.len();
        let first = self.pieces.partition_point(|other| other.end < piece.start);
        let after = self.pieces.partition_point(|other| other.start <= piece.end);
        let mut whole = piece.clone();
        if first < after {
            whole.start = whole.start.min(self.pieces[first].start);
            whole.end = whole.end.max(self.pieces[after - 1].end);
        } else if data.is_empty() {
            return Ok(0);
        } else if self.pieces.len() >= MAX_PIECES {
            return Err(DropReason::Memory);
        }
        self.pieces.splice(first..after, [whole]);
        let places = self.readable + piece.start..self.readable + piece.end;
        if self.bytes.len() < places.end {
            self.bytes.resize(places.end, 0);
        }
        for (place, byte) in self.bytes.range_mut(places).zip(data) {
            *place = *byte;
        }
        if self.pieces[0].start > 0 {
            return Ok(0);
        }
        let moved = self.pieces.remove(0).end;
        self.readable += moved;
        for piece in &mut self.pieces {
            *piece = piece.start - moved..piece.end - moved;
        }
        Ok(moved)
    }

    fn take(&mut self, len: usize) {
        self.bytes.drain(..len);
        self.readable -= len;
    }
}

impl Cx<'_> {
    fn transmit(
        &mut self,
        local: IpAddr,
        peer: IpAddr,
        ttl: Ttl,
        segment: Segment,
        data: Packet,
        partial: bool,
    ) {
        self.counts.add(Count::SegmentsOut);
        if segment.flags.contains(Flags::RST) {
            self.counts.add(Count::ResetsOut);
        }
        trace!(%local, %peer, ?segment, "out");
        let packet = segment.emit(data, local, peer, partial);
        let header = Header { ttl, ..Header::new(local, peer, Protocol::TCP) };
        // What IP cannot send is lost like any packet: the timer sends it again.
        let _ = self.out.send(self.now, &header, packet);
    }

    /// Answers a segment that is dropped for `reason`.
    fn reply(
        &mut self,
        local: IpAddr,
        peer: IpAddr,
        segment: Segment,
        reason: DropReason,
    ) -> DropReason {
        self.transmit(local, peer, Ttl::DEFAULT, segment, Packet::with_capacity(0), false);
        reason
    }
}

fn handle(id: Id) -> Handle {
    Handle { index: id as u32, generation: (id >> 32) as u32 }
}

/// Copies out of a queue, from place `at` on.
fn copy(queue: &VecDeque<u8>, at: usize, into: &mut [u8]) {
    let (front, back) = queue.as_slices();
    let in_front = front.len().saturating_sub(at).min(into.len());
    let (first, second) = into.split_at_mut(in_front);
    first.copy_from_slice(&front[front.len().min(at)..][..in_front]);
    let at = at.saturating_sub(front.len());
    second.copy_from_slice(&back[at..][..second.len()]);
}
