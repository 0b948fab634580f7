//! A small TCP, to be read from top to bottom in an evening.
//!
//! Lay the diagram of RFC 9293 §3.3.2 (figure 5) beside it. The order is the RFC's: what there is
//! to know of a connection (§3.3.1), the user's calls (§3.10.1 to §3.10.6), the segment that
//! arrives (§3.10.7, one function a step), the timeouts (§3.10.8), and what all of these lead to:
//! sending. No event sends by itself but where it must: it changes what is known of the
//! connection, and then [`Tcb::settle`] sends what may be sent, the ACK that is due, and starts
//! the timer. This file has all that concerns one connection ([`Tcb`]); how an event finds the
//! connection that it is for, and the calls of [`Streams`], stand in `small/sockets.rs`.
//!
//! It has all eleven states, simultaneous open and close, a backlog, a SYN queue that a flood does
//! not close, retransmission with RFC 6298's timeouts, an out-of-order queue, zero-window probes,
//! both silly-window rules, Nagle, half-close, an MSS, and RFC 5961's answers to blind attacks.
//!
//! It has no window scaling and so no window above 64 KiB, no SACK, no timestamps, no congestion
//! control, and only a timeout tells it of a loss. It acknowledges each packet at once, keeps no
//! text that comes on a SYN, has no ECN, no urgent data out of line, no path MTU discovery (its
//! segments may be fragmented), no keep-alive, no linger, no reuse of a TIME-WAIT, and buffers of
//! one size. [`Tcp`](crate::Tcp) does those.
//!
//! What can be exchanged one by one, or is not TCP's own, has a file of its own, and `Tcp` uses it
//! too: the wire form (`segment`), the buffers, the receive window (`receive`), the out-of-order
//! queue ([`Reassembly`](crate::Reassembly)), the round-trip time ([`RttEstimator`]), who has which
//! port (`table`), what nobody may guess (`isn`, `ports`). [`Config`] names the parts, and has
//! times and limits, with their [`deviations`](crate::deviations) from the RFCs.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ip::{Cause, Datagram, Handle, Header, Output, Protocol, Quoted, Readiness};
use ip::{SocketError, Ttl};
use netdev::{Counter, Counts, Instant, Packet};
use tracing::{debug, trace};

use crate::challenge::PerConnection;
use crate::icmp::quoted_segment;
use crate::isn::IsnGenerator;
use crate::receive::{Placed, ReceiveSpace};
use crate::send_buffer::SendBuffer;
use crate::slab::Slab;
use crate::table::{Owner, Table, Tuple};
use crate::tcb::ConnId;
use crate::transmit::{hand_over, stray_reset};
use crate::{Config, DropReason, Flags, Info, Input, Options, ReceiveFlags, RttEstimator, Segment};
use crate::{SendFlags, SeqNum, Setting, Settings, Shutdown, State, Streams, Timer};
use State::*;

mod sockets;

pub use sockets::SmallTcp;

/// The most that the window field can say without scaling, and so the largest receive buffer.
const MAX_WINDOW: usize = 65_535;
/// Headers of IPv4 and TCP without options: the MTU less these is the MSS (RFC 6691 §2).
const HEADERS: usize = 40;
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const NOWHERE: SocketAddr = SocketAddr::new(ANY, 0);

/// What a call gives its user.
type Reply<T = ()> = Result<T, SocketError>;
/// What becomes of a segment: `Err` where the RFC says "drop the segment and return".
type Verdict = Result<(), DropReason>;

fn ensure<E>(so: bool, error: E) -> Result<(), E> {
    if so { Ok(()) } else { Err(error) }
}

/// A transmission control block (RFC 9293 §3.3.1): a connection, or a listener.
struct Tcb {
    state: State,
    /// This side's end, once it is bound.
    local: SocketAddr,
    /// The other, once the connection begins.
    peer: SocketAddr,
    holder: Holder,
    config: Arc<Config>,
    settings: Settings,
    queue: Queue,
    /// What ended it, until the user is told.
    error: Option<SocketError>,
    snd: Snd,
    /// The bytes from SND.UNA on.
    sending: SendBuffer,
    /// The receive sequence space, what waits to be read, and what came ahead of a gap.
    rcv: ReceiveSpace,
    rtt: Box<dyn RttEstimator>,
    /// While anything waits to be acknowledged, be it for a window to open, the retransmission
    /// timer. In FIN-WAIT-2 and TIME-WAIT it ends them.
    timer: Option<Instant>,
    /// The peer has to be told RCV.NXT, or the window.
    ack_due: bool,
    challenge: PerConnection,
}

/// The send sequence space (§3.3.1, figure 3), and retransmission.
#[derive(Default)]
struct Snd {
    iss: SeqNum,
    una: SeqNum,
    nxt: SeqNum,
    wnd: u32,
    wl1: SeqNum,
    /// The largest window that the peer ever offered.
    max_wnd: u32,
    mss: usize,
    /// Whether a FIN follows the last byte.
    fin: bool,
    /// The segment that is timed: the number after its end, and when it was sent.
    timed: Option<(SeqNum, Instant)>,
    /// Timeouts since the peer last answered.
    unanswered: u32,
    /// While losses are repaired: SND.NXT at the timeout that told of them.
    recover: Option<SeqNum>,
    retransmitted: u32,
}

/// A listener's connections: in the order in which they began, and in which they were ready.
#[derive(Default)]
struct Queue {
    backlog: usize,
    half_open: VecDeque<Handle>,
    ready: VecDeque<Handle>,
}

/// Who will end it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// A user, who knows its handle.
    User,
    /// This listener: the handshake is not done.
    HalfOpen(Handle),
    /// A listener: it waits to be accepted.
    Ready,
    /// It ends by itself: the user has called CLOSE.
    Nobody,
}

/// What every event brings along: the time, and the way out.
struct Cx<'a> {
    now: Instant,
    out: &'a mut dyn Output,
}

impl Tcb {
    fn new(holder: Holder, settings: Settings, config: &Arc<Config>) -> Tcb {
        Tcb {
            state: Closed,
            local: NOWHERE,
            peer: NOWHERE,
            holder,
            config: config.clone(),
            rcv: ReceiveSpace::new(config, settings.receive_buffer),
            settings,
            queue: Queue::default(),
            error: None,
            snd: Snd::default(),
            sending: SendBuffer::new(SeqNum(0), 0),
            rtt: (config.rtt.make)(config),
            timer: None,
            ack_due: false,
            challenge: PerConnection::default(),
        }
    }

    fn ends(&self) -> Tuple {
        Tuple::new(self.local, self.peer)
    }

    fn enter(&mut self, to: State, cause: &'static str) {
        debug!(conn = %self.ends(), from = %self.state, %to, cause, "state");
        self.state = to;
    }

    /// The handshake is not done.
    fn is_opening(&self) -> bool {
        matches!(self.state, SynSent | SynReceived)
    }

    /// The connection is no more; what was received can still be read.
    fn die(&mut self, error: Option<SocketError>) {
        if self.state != Closed {
            self.enter(Closed, "the end");
        }
        self.error = self.error.or(error);
        self.snd = Snd::default();
        self.sending = SendBuffer::new(SeqNum(0), 0);
        self.rcv.reassembly.clear();
    }

    // ---- The user's calls, as far as they concern one connection.

    /// RFC 9293 §3.10.1: an active OPEN, or a passive one that a SYN came for.
    fn open(&mut self, ends: Tuple, iss: SeqNum, syn: Option<&Segment>, cx: &Cx<'_>) {
        (self.local, self.peer) = (ends.local(), ends.peer());
        self.snd = Snd { iss, una: iss, nxt: iss, ..Snd::default() };
        self.sending = SendBuffer::new(iss + 1, self.settings.send_buffer);
        let route = cx.out.route(cx.now, self.peer.ip(), Some(self.local.ip()));
        // Where there is none now, there may be one when the SYN is sent again.
        let mtu =
            route.map_or(0, |route| route.mtu).max(HEADERS + usize::from(self.config.min_mss));
        self.rcv.mss = (mtu - HEADERS).min(MAX_WINDOW) as u32;
        match syn {
            None => self.enter(SynSent, "open"),
            Some(syn) => self.syn_received(syn),
        }
    }

    /// RFC 9293 §3.10.2.
    fn send(&mut self, data: &[u8]) -> Reply<usize> {
        self.error.take().map_or(Ok(()), Err)?;
        ensure(self.peer != NOWHERE, SocketError::NotConnected)?;
        ensure(!self.is_opening(), SocketError::WouldBlock)?;
        ensure(!self.snd.fin && self.state != Closed, SocketError::BrokenPipe)?;
        let taken = self.sending.write(data);
        ensure(taken > 0 || data.is_empty(), SocketError::WouldBlock)?;
        Ok(taken)
    }

    /// RFC 9293 §3.10.3.
    fn receive(&mut self, buffer: &mut [u8], peek: bool) -> Reply<usize> {
        ensure(self.peer != NOWHERE, SocketError::NotConnected)?;
        if self.rcv.buffer.is_empty() && !buffer.is_empty() {
            self.error.take().map_or(Ok(()), Err)?;
            ensure(self.no_more_to_read(), SocketError::WouldBlock)?;
        }
        let len = self.rcv.buffer.read(buffer, peek);
        self.ack_due |= self.may_receive() && self.rcv.update_is_due(false);
        Ok(len)
    }

    /// A listener that may let no more wait to be accepted.
    fn is_full(&self) -> bool {
        self.queue.ready.len() >= self.queue.backlog
    }

    fn no_more_to_read(&self) -> bool {
        self.rcv.shut || matches!(self.state, CloseWait | Closing | LastAck | TimeWait | Closed)
    }

    /// RFC 9293 §3.6, case 1: a half-close, in either direction.
    fn shutdown(&mut self, how: Shutdown) -> Reply {
        ensure(self.state.is_synchronized(), SocketError::NotConnected)?;
        if how != Shutdown::Write {
            self.rcv.shut();
        }
        if how != Shutdown::Read {
            self.close_sending();
        }
        Ok(())
    }

    /// RFC 9293 §3.10.4.
    fn close(&mut self, cx: &mut Cx<'_>) {
        match self.state {
            Closed | Listen | SynSent => self.die(None),
            // RFC 2525 §2.17: the peer has to learn that its data was thrown away.
            _ if !self.rcv.buffer.is_empty() => self.abort(cx),
            _ => self.close_sending(),
        }
    }

    fn close_sending(&mut self) {
        match self.state {
            // Queued until ESTABLISHED.
            SynReceived => {}
            Established => self.enter(FinWait1, "close"),
            CloseWait => self.enter(LastAck, "close"),
            _ => return,
        }
        self.snd.fin = true;
    }

    /// RFC 9293 §3.10.5.
    fn abort(&mut self, cx: &mut Cx<'_>) {
        if matches!(self.state, SynReceived | Established | FinWait1 | FinWait2 | CloseWait) {
            self.transmit(self.acceptable_seq(), Flags::RST | Flags::ACK, 0, cx);
        }
        self.die(Some(SocketError::Aborted));
    }

    /// What the user may do without waiting.
    fn readiness(&self) -> Readiness {
        let mut ready = Readiness::empty();
        ready.set(Readiness::ERROR, self.error.is_some());
        ready.set(Readiness::READABLE, !self.queue.ready.is_empty());
        if self.peer == NOWHERE || self.is_opening() {
            return ready;
        }
        let no_more = self.no_more_to_read();
        let write_closed = self.snd.fin || self.state == Closed;
        ready.set(Readiness::READ_CLOSED, no_more);
        ready.set(Readiness::READABLE, no_more || !self.rcv.buffer.is_empty());
        ready.set(Readiness::WRITE_CLOSED, write_closed);
        ready.set(Readiness::WRITABLE, write_closed || self.sending.free() > 0);
        ready
    }

    /// RFC 9293 §3.10.6.
    fn info(&self, now: Instant, handle: Handle) -> Info {
        let timer = match self.state {
            FinWait2 => Timer::FinWait2,
            TimeWait => Timer::TimeWait,
            _ => Timer::Retransmit,
        };
        let handle = Some(handle).filter(|_| self.holder == Holder::User);
        Info {
            // Of a listener the one and the other (as `ss` has them), of a connection the bytes.
            receive_queue: self.queue.ready.len() + self.rcv.buffer.len(),
            send_queue: self.queue.backlog + self.sending.len(),
            congestion: self.settings.congestion,
            rto: self.rtt.rto(),
            rtt: self.rtt.srtt().unwrap_or_default(),
            total_retrans: self.snd.retransmitted,
            snd_mss: self.snd.mss as u32,
            advmss: self.rcv.mss,
            snd_wnd: self.snd.wnd,
            rcv_wnd: self.rcv.window(),
            snd_una: self.snd.una.0,
            snd_nxt: self.snd.nxt.0,
            rcv_nxt: self.rcv.nxt.0,
            memory: self.sending.memory() + self.rcv.memory(),
            timer: self.timer.map(|at| (timer, at.since(now))),
            ..Info::new(handle, self.state, self.local, self.peer)
        }
    }

    // ---- The segment that arrives.

    /// The peer's SYN; it is to be answered with this side's.
    fn syn_received(&mut self, segment: &Segment) {
        self.enter(SynReceived, "SYN");
        self.rcv.synchronize(segment.seq);
        // RFC 9293 §3.7.1, MUST-15 and MUST-16.
        let mss = segment.options.mss.unwrap_or(self.config.default_mss).max(self.config.min_mss);
        self.snd.mss = usize::from(mss).min(self.rcv.mss as usize);
        self.set_window(segment);
    }

    fn set_window(&mut self, segment: &Segment) {
        self.snd.wnd = u32::from(segment.window);
        self.snd.wl1 = segment.seq;
        self.snd.max_wnd = self.snd.max_wnd.max(self.snd.wnd);
    }

    /// RFC 9293 §3.10.7.3.
    fn syn_sent(&mut self, segment: &Segment, cx: &mut Cx<'_>) -> Verdict {
        let has = |flag| segment.flags.contains(flag);
        ensure(!has(Flags::ACK) || segment.ack == self.snd.iss + 1, DropReason::NoConnection)?;
        ensure(has(Flags::ACK) || !has(Flags::RST), DropReason::StrayReset)?;
        if has(Flags::RST) {
            self.die(Some(SocketError::Refused));
            return Ok(());
        }
        ensure(has(Flags::SYN), DropReason::NoAck)?;
        self.syn_received(segment);
        if has(Flags::ACK) {
            self.ack_due = true;
            return self.check_ack(segment, cx);
        }
        // Simultaneous open (§3.5, figure 8): SYN and ACK.
        self.retransmit(cx);
        Ok(())
    }

    /// RFC 9293 §3.10.7.4: all other states, step by step. Security (third) is history, and urgent
    /// data (sixth) stays in the stream.
    fn segment_arrives(&mut self, segment: &Segment, data: &[u8], cx: &mut Cx<'_>) -> Verdict {
        if self.state == SynSent {
            return self.syn_sent(segment, cx);
        }
        self.check_sequence(segment, cx)?; // first
        self.check_reset(segment, cx)?; // second
        self.check_syn(segment, cx)?; // fourth
        self.check_ack(segment, cx)?; // fifth
        self.take_text(segment, data, cx)?; // seventh
        self.take_fin(segment); // eighth
        Ok(())
    }

    /// First: some of it has to touch the window, or what was just before it, for the sake of its
    /// ACK. A shut window counts as one byte: the one that the peer may have probed it with.
    fn check_sequence(&mut self, segment: &Segment, cx: &mut Cx<'_>) -> Verdict {
        let (nxt, edge) = (self.rcv.nxt, self.rcv.nxt + self.rcv.window().max(1));
        if segment.seq.le(edge) && segment.end().ge(nxt) {
            return Ok(());
        }
        if segment.flags.contains(Flags::RST) {
            return Err(DropReason::StrayReset);
        }
        self.ack_due |= segment.seq_len() > 0 || self.challenge.allow(cx.now);
        Err(DropReason::OutOfWindow)
    }

    /// Second: a reset has to hit RCV.NXT (RFC 5961 §3.2), and none ends TIME-WAIT (RFC 1337).
    fn check_reset(&mut self, segment: &Segment, cx: &mut Cx<'_>) -> Verdict {
        if !segment.flags.contains(Flags::RST) {
            return Ok(());
        }
        if segment.seq != self.rcv.nxt || self.state == TimeWait {
            self.challenge(cx);
        } else {
            let refused = self.state == SynReceived;
            self.die(Some(if refused { SocketError::Refused } else { SocketError::Reset }));
        }
        Err(DropReason::StrayReset)
    }

    /// Fourth: RFC 5961 §4.2. In SYN-RECEIVED it is the peer's SYN once more: alone it asks for the
    /// answer that was lost; with an ACK (simultaneous open) that counts.
    fn check_syn(&mut self, segment: &Segment, cx: &mut Cx<'_>) -> Verdict {
        let again = self.state == SynReceived && segment.seq == self.rcv.irs;
        let ack = segment.flags.contains(Flags::ACK);
        if !segment.flags.contains(Flags::SYN) || again && ack {
            return Ok(());
        }
        if again {
            self.retransmit(cx);
        } else {
            self.challenge(cx);
        }
        Err(DropReason::UnexpectedSyn)
    }

    /// Fifth.
    fn check_ack(&mut self, segment: &Segment, cx: &mut Cx<'_>) -> Verdict {
        ensure(segment.flags.contains(Flags::ACK), DropReason::NoAck)?;
        let (ack, una) = (segment.ack, self.snd.una);
        if self.state == SynReceived {
            ensure(ack == self.snd.iss + 1, DropReason::NoConnection)?;
            // A CLOSE may have been queued.
            self.enter(if self.snd.fin { FinWait1 } else { Established }, "SYN acknowledged");
            if self.snd.unanswered > 0 {
                self.rtt.restart(Duration::from_secs(3)); // RFC 6298 §5.7.
            }
        }
        // RFC 5961 §5.2: not of what was never sent, and not from too long ago.
        if ack.gt(self.snd.nxt) || ack.lt(una - self.snd.max_wnd) {
            self.challenge(cx);
            return Err(DropReason::UnacceptableAck);
        }
        let (advances, shut) = (ack.gt(una), self.snd.wnd == 0);
        if advances {
            self.acknowledged(ack, cx);
        }
        // SND.WND counts from SND.UNA: what advances the one has to set the other, be the segment
        // an old one by WL1. (With SEG.ACK = SND.UNA, WL2 says nothing more.)
        if advances || ack == una && self.snd.wl1.le(segment.seq) {
            self.set_window(segment);
        }
        if shut {
            self.snd.unanswered = 0; // §3.8.6.1: probes go on for as long as they are answered.
        }
        // There is room for the byte that probed the window; or what followed the segment that was
        // lost is sent again as well, one segment an ACK.
        let opened = shut && self.snd.wnd > 0 && self.snd.nxt != self.snd.una;
        if opened || advances && self.snd.recover.is_some() {
            self.retransmit(cx);
        }
        Ok(())
    }

    /// The peer has everything before `ack`.
    fn acknowledged(&mut self, ack: SeqNum, cx: &mut Cx<'_>) {
        self.snd.una = ack;
        self.sending.acknowledge(ack);
        if let Some((_, sent)) = self.snd.timed.take_if(|(end, _)| end.le(ack)) {
            self.rtt.sample(cx.now.since(sent));
        }
        self.snd.recover = self.snd.recover.filter(|recover| ack.lt(*recover));
        (self.timer, self.snd.unanswered) = (None, 0);
        cx.out.confirm(cx.now, self.peer.ip());
        if ack == self.sending.end() + 1 {
            // Of the FIN, which comes after all data.
            match self.state {
                FinWait1 => self.enter(FinWait2, "FIN acknowledged"),
                Closing => self.enter(TimeWait, "FIN acknowledged"),
                LastAck => self.die(None),
                _ => {}
            }
        }
    }

    /// Seventh: the data, cut to the window.
    fn take_text(&mut self, segment: &Segment, data: &[u8], cx: &mut Cx<'_>) -> Verdict {
        // Old or new: what takes up sequence space is acknowledged.
        self.ack_due |= segment.seq_len() > 0;
        if !self.may_receive() {
            return Ok(());
        }
        // A SYN that comes again has the number in front of the text.
        let first = segment.seq + u32::from(segment.flags.contains(Flags::SYN));
        let end = first + data.len() as u32;
        if self.holder == Holder::Nobody && end.gt(self.rcv.nxt) {
            // RFC 1122 §4.2.2.13: nobody will ever read it.
            self.abort(cx);
            return Err(DropReason::AfterClose);
        }
        let start = first.max(self.rcv.nxt);
        let data = data.get((start - first) as usize..).unwrap_or_default();
        let room = self.rcv.window().saturating_sub(start - self.rcv.nxt) as usize;
        if segment.flags.contains(Flags::FIN) && data.len() <= room {
            self.rcv.fin = Some(end);
        }
        let data = &data[..data.len().min(room)];
        let placed = (!data.is_empty()).then(|| self.rcv.text(start, data, false));
        ensure(placed != Some(Placed::NoRoom), DropReason::Memory)
    }

    /// Eighth: the FIN, when all before it is there. In TIME-WAIT it comes again, and the time
    /// begins again.
    fn take_fin(&mut self, segment: &Segment) {
        let next = match self.state {
            Established => CloseWait,
            FinWait1 => Closing,
            FinWait2 | TimeWait => TimeWait,
            _ => return,
        };
        if self.rcv.fin == Some(self.rcv.nxt) {
            self.rcv.nxt += 1;
            self.enter(next, "FIN");
        }
        if self.state == TimeWait && segment.flags.contains(Flags::FIN) {
            self.timer = None;
        }
    }

    /// A challenge ACK (RFC 5961), so rarely that two confused ends cannot keep each other busy.
    fn challenge(&mut self, cx: &Cx<'_>) {
        self.ack_due |= self.challenge.allow(cx.now);
    }

    /// An ICMP error about a segment of this connection (RFC 9293 §3.9.2.2).
    fn icmp_error(&mut self, cause: Cause, seq: SeqNum) {
        // RFC 5927 §4.1: who does not know what is in flight has made it up; and (§5.2) only a
        // connection that waits for an answer has nothing to lose.
        let harmless = matches!(cause, Cause::SourceQuench | Cause::Redirect { .. });
        if self.state == SynSent && seq == self.snd.iss && !harmless {
            self.die(Some(cause.into()));
        }
    }

    // ---- Timeouts.

    /// RFC 9293 §3.10.8 and RFC 6298 §5.4 to §5.6; where the window is shut, the time for the probe
    /// of RFC 9293 §3.8.6.1.
    fn timeout(&mut self, cx: &mut Cx<'_>) {
        let limit = match self.state {
            FinWait2 | TimeWait => return self.die(None),
            SynSent | SynReceived => self.config.syn_retries,
            _ => self.config.retries,
        };
        if self.snd.unanswered >= limit {
            return self.die(Some(SocketError::TimedOut));
        }
        self.snd.unanswered += 1;
        self.rtt.back_off();
        self.snd.recover = Some(self.snd.nxt);
        self.retransmit(cx);
    }

    // ---- Sending.

    /// What every event leads to: data that may be sent now, an ACK if nothing carried one, and the
    /// timer.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        while let Some(len) = self.sendable() {
            self.send_from(self.snd.nxt, len, cx);
        }
        if self.ack_due && self.state != Closed {
            self.transmit(self.acceptable_seq(), Flags::ACK, 0, cx);
        }
        self.arm(cx);
    }

    /// Starts the timer that the state asks for, or stops it (RFC 6298 §5.1, §5.2). One that runs
    /// goes on.
    fn arm(&mut self, cx: &Cx<'_>) {
        let waits = self.snd.nxt != self.snd.una || self.sending.len() > 0;
        let time = match self.state {
            TimeWait => Some(self.config.time_wait),
            FinWait2 => (self.holder == Holder::Nobody).then_some(self.config.fin_wait2),
            _ => waits.then(|| self.rtt.rto()),
        };
        self.timer = time.map(|time| self.timer.unwrap_or(cx.now + time));
    }

    /// How many of the bytes that wait to be sent are worth a segment now.
    fn sendable(&self) -> Option<usize> {
        if self.is_opening() {
            return (self.snd.nxt == self.snd.iss).then_some(0);
        }
        let end = self.sending.end();
        if self.snd.nxt.gt(end) {
            return None; // The FIN is sent.
        }
        let in_flight = self.snd.nxt - self.snd.una;
        let unsent = (end - self.snd.nxt) as usize;
        let usable = self.snd.wnd.saturating_sub(in_flight) as usize;
        let len = unsent.min(usable).min(self.snd.mss);
        // Silly windows (RFC 9293 §3.8.6.2.1) and Nagle (§3.7.4): a full segment, or all there is
        // and nothing is on its way, or half of what the peer could ever take.
        let all = len == unsent;
        let worth = len == self.snd.mss
            || len >= (self.snd.max_wnd / 2) as usize
            || all && (in_flight == 0 || self.settings.no_delay || self.snd.fin);
        (len > 0 && worth || all && self.fin_fits()).then_some(len)
    }

    /// Whether there is a FIN to follow the last byte, and it is in the window too. Without data
    /// in front of it, it is what probes a shut window.
    fn fin_fits(&self) -> bool {
        let end = self.sending.end();
        self.snd.fin && (end == self.snd.una || end.lt(self.snd.una + self.snd.wnd))
    }

    /// Sends the first that is not acknowledged once more, and a byte of it into a shut window.
    fn retransmit(&mut self, cx: &mut Cx<'_>) {
        self.timer = None;
        let window = self.snd.wnd.max(1) as usize;
        let len = self.sending.len().min(window).min(self.snd.mss);
        self.send_from(self.snd.una, len, cx);
    }

    /// Bytes of the stream, with the SYN that comes before all of them or the FIN that comes after.
    fn send_from(&mut self, seq: SeqNum, len: usize, cx: &mut Cx<'_>) {
        let last = seq + len as u32 == self.sending.end();
        let mut flags = Flags::empty();
        flags.set(Flags::SYN, self.is_opening());
        flags.set(Flags::ACK, self.state != SynSent);
        flags.set(Flags::PSH, last && len > 0);
        flags.set(Flags::FIN, last && self.fin_fits());
        self.transmit(seq, flags, len, cx);
    }

    /// The number of a segment without data: after all that was sent, but in the peer's window,
    /// or the peer would not look at it.
    fn acceptable_seq(&self) -> SeqNum {
        self.snd.nxt.min(self.snd.una + self.snd.wnd)
    }

    /// One segment, with the acknowledgment and the window of the moment. What IP cannot send is
    /// lost like any other: the timer sends it again.
    fn transmit(&mut self, seq: SeqNum, flags: Flags, len: usize, cx: &mut Cx<'_>) {
        let (local, peer) = (self.local, self.peer);
        let mut packet = Packet::with_capacity(len);
        self.sending.copy(seq, len, &mut packet);
        let mss = flags.contains(Flags::SYN).then_some(self.rcv.mss as u16);
        let segment = Segment {
            window: self.rcv.offer(false),
            options: Options { mss, ..Options::default() },
            len,
            ..Segment::new(local.port(), peer.port(), seq, self.rcv.nxt, flags)
        };
        if segment.seq_len() > 0 {
            // Karn's rule (RFC 6298 §3): what is sent again is not timed, nor what is before it.
            let first = seq == self.snd.nxt;
            let timed = self.snd.timed.or(Some((segment.end(), cx.now)));
            self.snd.timed = timed.filter(|_| first);
            self.snd.retransmitted += u32::from(!first);
        }
        self.snd.nxt = self.snd.nxt.max(segment.end());
        self.ack_due = false;
        let header = Header::new(local.ip(), peer.ip(), Protocol::TCP);
        let header = Header { ttl: self.settings.ttl, ..header };
        hand_over(cx.now, cx.out, &header, &segment, packet);
    }

    /// The states in which the peer still sends.
    fn may_receive(&self) -> bool {
        matches!(self.state, Established | FinWait1 | FinWait2)
    }
}
