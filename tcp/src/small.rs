//! A small TCP, to be read from top to bottom in an evening.
//!
//! Lay the diagram of RFC 9293 §3.3.2 (figure 5) beside it. The order is the RFC's: what there is
//! to know of a connection (§3.3.1), the user's calls (§3.10.1 to §3.10.6), the segment that
//! arrives (§3.10.7, one function a step), the timeouts (§3.10.8), and what all of these lead to:
//! sending. This file has all that concerns one connection ([`Tcb`]); how an event finds the
//! connection that it is for, and the calls of [`Streams`], stand in `small/sockets.rs`.
//!
//! It has all eleven states, simultaneous open and close, a backlog, a SYN queue that a flood does
//! not close, retransmission after a timeout (RFC 6298) and after three duplicate ACKs, an
//! out-of-order queue, zero-window probes, both silly-window rules, Nagle, and RFC 5961's answers
//! to blind attacks. It has no window scaling and so no window above 64 KiB, no SACK, no
//! timestamps, no congestion control, no ECN, no delayed ACKs, no urgent data out of line, no path MTU
//! discovery (its segments may be fragmented), no keep-alive, no reuse of a TIME-WAIT, and buffers
//! of one size: [`Tcp`](crate::Tcp) does those.
//!
//! What can be exchanged one by one, or is not TCP's own, has a file of its own, and `Tcp` uses it
//! too: the wire form (`segment`), the buffers, the receive window (`receive`), the out-of-order
//! queue ([`Reassembly`](crate::Reassembly)), the round-trip time ([`RttEstimator`]), who has which
//! port (`table`), what nobody may guess (`isn`, `ports`, `challenge`). [`Config`] names the parts,
//! and has times and limits, with their [`deviations`](crate::deviations) from the RFCs.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ip::{Cause, Handle, Header, Output, Protocol, Readiness, Route, SocketError};
use netdev::{Counts, Instant, Packet, sooner};
use tracing::{debug, trace};

use crate::buffers::SendBuffer;
use crate::challenge::{ChallengeLimit, PerConnection};
use crate::receive::{Placed, ReceiveSpace};
use crate::table::Tuple;
use crate::{
    Config, DropReason, Flags, Info, Options, RttEstimator, Segment, SeqNum, Settings, Shutdown,
    State, Timer,
};
use State::*;

mod sockets;

pub use sockets::SmallTcp;

/// The most that the window field can say without scaling, and so the largest receive buffer.
const MAX_WINDOW: usize = 65_535;
/// Headers of IPv4 and TCP without options: the MTU less these is the MSS (RFC 6691 §2).
const HEADERS: usize = 40;
/// Bytes taken from the user and not yet acknowledged; a window and as much again to follow it.
const SEND_BUFFER: usize = 128 * 1024;
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const NOWHERE: SocketAddr = SocketAddr::new(ANY, 0);

/// What a call gives its user.
type Reply<T> = Result<T, SocketError>;
/// What becomes of a segment.
type Verdict = Result<(), DropReason>;

/// A transmission control block (RFC 9293 §3.3.1): a connection, or a listener.
struct Tcb {
    state: State,
    /// This side's end, once it is bound; both ends, once the connection begins.
    local: SocketAddr,
    tuple: Option<Tuple>,
    holder: Holder,
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
    /// When an ACK is due that nothing else has carried by then.
    ack_at: Option<Instant>,
    challenge: PerConnection,
    partial_checksum: bool,
}

/// The send sequence space (§3.3.1, figure 3), and retransmission.
#[derive(Default)]
struct Snd {
    iss: SeqNum,
    una: SeqNum,
    nxt: SeqNum,
    wnd: u32,
    wl1: SeqNum,
    wl2: SeqNum,
    /// The largest window that the peer ever offered.
    max_wnd: u32,
    mss: usize,
    /// Whether a FIN follows the last byte.
    fin: bool,
    /// The segment that is timed: the number after its end, and when it was sent.
    timed: Option<(SeqNum, Instant)>,
    /// Timeouts since the peer last answered.
    unanswered: u32,
    duplicate_acks: u32,
    /// While losses are repaired: SND.NXT when they were noticed (RFC 6582 §3.2).
    recover: Option<SeqNum>,
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

/// What every event brings along: the time, the way out, and what all connections share.
struct Cx<'a> {
    now: Instant,
    out: &'a mut dyn Output,
    config: &'a Config,
    challenges: &'a mut ChallengeLimit,
    events: &'a mut Counts<Event>,
}

impl Tcb {
    fn new(holder: Holder, settings: Settings, config: &Config) -> Tcb {
        Tcb {
            state: Closed,
            local: NOWHERE,
            tuple: None,
            holder,
            rcv: ReceiveSpace::new(config, settings.receive_buffer),
            settings,
            queue: Queue::default(),
            error: None,
            snd: Snd::default(),
            sending: SendBuffer::new(SeqNum(0), 0),
            rtt: (config.rtt.make)(config),
            timer: None,
            ack_at: None,
            challenge: PerConnection::default(),
            partial_checksum: false,
        }
    }

    fn enter(&mut self, to: State, cause: &'static str) {
        debug!(conn = ?self.tuple, from = %self.state, %to, cause, "state");
        self.state = to;
    }

    /// The connection is no more; what was received can still be read.
    fn die(&mut self, error: Option<SocketError>) {
        self.enter(Closed, "the end");
        self.error = self.error.or(error);
        self.sending.clear();
        self.rcv.reassembly.clear();
        (self.timer, self.ack_at) = (None, None);
    }

    // ---- The user's calls, as far as they concern one connection.

    /// RFC 9293 §3.10.1: an active OPEN, or a passive one that a SYN came for.
    fn open(
        &mut self,
        ends: Tuple,
        iss: SeqNum,
        route: &Route,
        syn: Option<&Segment>,
        cx: &mut Cx<'_>,
    ) {
        (self.local, self.tuple) = (ends.local(), Some(ends));
        self.snd = Snd { iss, una: iss, nxt: iss, ..Snd::default() };
        self.sending = SendBuffer::new(iss + 1, self.settings.send_buffer);
        self.rcv.mss = route.mtu.saturating_sub(HEADERS).clamp(1, MAX_WINDOW) as u32;
        self.partial_checksum = route.offload.checksum;
        match syn {
            None => self.enter(SynSent, "connect"),
            Some(segment) => self.syn_received(segment, cx.config),
        }
        self.send_syn(cx);
    }

    /// RFC 9293 §3.10.2.
    fn send(&mut self, data: &[u8], cx: &mut Cx<'_>) -> Reply<usize> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        match self.state {
            SynSent | SynReceived => return Err(SocketError::WouldBlock),
            _ if self.tuple.is_none() => return Err(SocketError::NotConnected),
            _ if self.snd.fin || self.state == Closed => return Err(SocketError::BrokenPipe),
            _ => {}
        }
        let taken = self.sending.write(data);
        if taken == 0 && !data.is_empty() {
            return Err(SocketError::WouldBlock);
        }
        self.output(cx);
        Ok(taken)
    }

    /// RFC 9293 §3.10.3.
    fn receive(&mut self, buffer: &mut [u8], peek: bool, cx: &mut Cx<'_>) -> Reply<usize> {
        if self.tuple.is_none() {
            return Err(SocketError::NotConnected);
        }
        if self.rcv.buffer.is_empty() && !buffer.is_empty() {
            return match self.error.take() {
                Some(error) => Err(error),
                None if self.no_more_to_read() => Ok(0),
                None => Err(SocketError::WouldBlock),
            };
        }
        let len = self.rcv.buffer.read(buffer, peek);
        // A window update, when it is worth a segment (§3.8.6.2.2): what was read may have opened
        // a window that was shut, and nobody else will say so.
        let limit = self.rcv.limit as u32;
        let worth = (limit / 4).max(2 * self.rcv.mss).min(limit / 2);
        if self.may_receive() && self.rcv.next_window(false) - self.rcv.window() >= worth {
            self.acknowledge(cx);
        }
        Ok(len)
    }

    fn no_more_to_read(&self) -> bool {
        self.rcv.shut || matches!(self.state, CloseWait | Closing | LastAck | TimeWait | Closed)
    }

    /// RFC 9293 §3.6, case 1: a half-close, in either direction.
    fn shutdown(&mut self, how: Shutdown, cx: &mut Cx<'_>) -> Reply<()> {
        if !self.state.is_synchronized() {
            return Err(SocketError::NotConnected);
        }
        if how != Shutdown::Write {
            self.rcv.shut();
        }
        if how != Shutdown::Read {
            self.close_sending(cx);
        }
        Ok(())
    }

    /// RFC 9293 §3.10.4.
    fn close(&mut self, cx: &mut Cx<'_>) {
        match self.state {
            Closed | Listen | SynSent => self.die(None),
            // RFC 2525 §2.17: the peer has to learn that its data was thrown away.
            _ if !self.rcv.buffer.is_empty() => self.abort(cx),
            FinWait2 => self.timer = Some(cx.now + cx.config.fin_wait2),
            _ => self.close_sending(cx),
        }
    }

    fn close_sending(&mut self, cx: &mut Cx<'_>) {
        match self.state {
            // Queued until ESTABLISHED.
            SynReceived => {}
            Established => self.enter(FinWait1, "close"),
            CloseWait => self.enter(LastAck, "close"),
            _ => return,
        }
        self.snd.fin = true;
        self.output(cx);
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
        if self.tuple.is_none() || matches!(self.state, SynSent | SynReceived) {
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
        let listens = self.state == Listen;
        let handle = Some(handle).filter(|_| self.holder == Holder::User);
        Info {
            receive_queue: if listens { self.queue.ready.len() } else { self.rcv.buffer.len() },
            send_queue: if listens { self.queue.backlog } else { self.sending.len() },
            congestion: self.settings.congestion,
            rto: self.rtt.rto(),
            rtt: self.rtt.srtt().unwrap_or_default(),
            rttvar: self.rtt.rttvar(),
            snd_mss: self.snd.mss as u32,
            advmss: self.rcv.mss,
            snd_wnd: self.snd.wnd,
            rcv_wnd: self.rcv.window(),
            snd_una: self.snd.una.0,
            snd_nxt: self.snd.nxt.0,
            rcv_nxt: self.rcv.nxt.0,
            memory: self.sending.memory() + self.rcv.memory(),
            timer: self.timer.map(|at| (timer, at.since(now))),
            ..Info::new(handle, self.state, self.local, self.tuple.map_or(NOWHERE, |t| t.peer()))
        }
    }

    // ---- The segment that arrives.

    /// The peer's SYN. It is answered with this side's.
    fn syn_received(&mut self, segment: &Segment, config: &Config) {
        self.enter(SynReceived, "SYN");
        self.rcv.synchronize(segment.seq);
        // RFC 9293 §3.7.1, MUST-15 and MUST-16.
        let mss = segment.options.mss.unwrap_or(config.default_mss).max(config.min_mss);
        self.snd.mss = usize::from(mss).min(self.rcv.mss as usize);
        self.set_window(segment);
    }

    fn set_window(&mut self, segment: &Segment) {
        self.snd.wnd = u32::from(segment.window);
        (self.snd.wl1, self.snd.wl2) = (segment.seq, segment.ack);
        self.snd.max_wnd = self.snd.max_wnd.max(self.snd.wnd);
    }

    /// The peer has this side's SYN.
    fn established(&mut self, segment: &Segment, cx: &mut Cx<'_>) {
        self.enter(Established, "SYN acknowledged");
        if self.snd.unanswered > 0 {
            self.rtt.restart(Duration::from_secs(3)); // RFC 6298 §5.7.
        }
        self.acknowledged(self.snd.iss + 1, cx);
        self.set_window(segment);
        if self.snd.fin {
            self.enter(FinWait1, "close was queued");
        }
    }

    /// RFC 9293 §3.10.7.3.
    fn syn_sent(&mut self, segment: &Segment, data: &[u8], cx: &mut Cx<'_>) -> Verdict {
        let has = |flag| segment.flags.contains(flag);
        if has(Flags::ACK) && segment.ack != self.snd.iss + 1 {
            return Err(DropReason::UnacceptableAck);
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
        self.syn_received(segment, cx.config);
        if !has(Flags::ACK) {
            // Simultaneous open (§3.5, figure 8).
            self.send_syn(cx);
            return Ok(());
        }
        self.established(segment, cx);
        self.ack_at = Some(cx.now);
        let text = self.take_text(&Segment { seq: segment.seq + 1, ..*segment }, data, cx);
        self.take_fin(cx);
        self.output(cx);
        text
    }

    /// RFC 9293 §3.10.7.4: all other states, step by step. Security (third) is history, and urgent
    /// data (sixth) stays in the stream.
    fn others(&mut self, segment: &Segment, data: &[u8], cx: &mut Cx<'_>) -> Verdict {
        self.check_sequence(segment, cx)?; // first
        self.check_reset(segment, cx)?; // second
        if self.state == Closed {
            return Ok(());
        }
        self.check_syn(segment, cx)?; // fourth
        self.check_ack(segment, cx)?; // fifth
        let text = self.take_text(segment, data, cx); // seventh
        self.take_fin(cx); // eighth
        self.output(cx);
        text
    }

    /// First: any of it has to be in the window. The RFC's table asks for the first or the last
    /// byte; a packet that stands for many segments may begin before the window and end after it.
    /// One that begins at RCV.NXT counts in any window, for the sake of its ACK and RST; so does a
    /// bare ACK behind the byte that probed a shut window.
    fn check_sequence(&mut self, segment: &Segment, cx: &mut Cx<'_>) -> Verdict {
        let (seq, end) = (segment.seq, segment.end());
        let (nxt, adv) = (self.rcv.nxt, self.rcv.nxt + self.rcv.window());
        let acceptable = seq == nxt
            || match segment.seq_len() {
                0 if adv == nxt => seq == nxt + 1,
                0 => seq.ge(nxt) && seq.le(adv),
                _ => seq.lt(adv) && end.gt(nxt),
            };
        if acceptable {
            return Ok(());
        }
        if segment.flags.contains(Flags::RST) {
            return Err(DropReason::StrayReset);
        }
        if self.state == SynReceived && segment.flags == Flags::SYN && seq + 1 == nxt {
            // The peer's SYN once more: the SYN-ACK was lost.
            self.send_syn(cx);
        } else if segment.seq_len() > 0 {
            if self.state == TimeWait && segment.flags.contains(Flags::FIN) {
                self.timer = Some(cx.now + cx.config.time_wait);
            }
            self.ack_at = Some(cx.now);
        } else {
            self.challenge(cx);
        }
        Err(DropReason::OutOfWindow)
    }

    /// Second: a reset has to hit RCV.NXT (RFC 5961 §3.2), and none ends TIME-WAIT (RFC 1337).
    fn check_reset(&mut self, segment: &Segment, cx: &mut Cx<'_>) -> Verdict {
        if !segment.flags.contains(Flags::RST) {
            return Ok(());
        }
        if segment.seq != self.rcv.nxt || self.state == TimeWait {
            self.challenge(cx);
            return Err(DropReason::StrayReset);
        }
        let refused = self.state == SynReceived;
        self.die(Some(if refused { SocketError::Refused } else { SocketError::Reset }));
        Ok(())
    }

    /// Fourth: RFC 5961 §4.2.
    fn check_syn(&mut self, segment: &Segment, cx: &mut Cx<'_>) -> Verdict {
        if !segment.flags.contains(Flags::SYN) {
            return Ok(());
        }
        self.challenge(cx);
        Err(DropReason::UnexpectedSyn)
    }

    /// Fifth.
    fn check_ack(&mut self, segment: &Segment, cx: &mut Cx<'_>) -> Verdict {
        if !segment.flags.contains(Flags::ACK) {
            return Err(DropReason::NoAck);
        }
        if self.state == SynReceived {
            if segment.ack != self.snd.iss + 1 {
                return Err(DropReason::UnacceptableAck);
            }
            self.established(segment, cx);
        }
        let (ack, una) = (segment.ack, self.snd.una);
        // RFC 5961 §5.2: not of what was never sent, and not from too long ago.
        if ack.gt(self.snd.nxt) || ack.lt(una - self.snd.max_wnd) {
            self.challenge(cx);
            return Err(DropReason::UnacceptableAck);
        }
        let (advances, duplicate) = (ack.gt(una), self.is_duplicate(segment));
        if advances {
            self.acknowledged(ack, cx);
        }
        let opened = self.update_window(segment, advances) && self.snd.nxt != self.snd.una;
        if opened || advances && self.snd.recover.is_some() {
            // There is room for the byte that probed the window; or (RFC 6582 §3.2) a partial ACK
            // tells of the next loss.
            self.retransmit(cx);
        } else if duplicate {
            self.duplicate_ack(cx);
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
        (self.timer, self.snd.unanswered, self.snd.duplicate_acks) = (None, 0, 0);
        if let Some(ends) = self.tuple {
            cx.out.confirm(cx.now, ends.peer().ip());
        }
        if ack == self.sending.end() + 1 {
            // Of the FIN, which comes after all data.
            match self.state {
                FinWait1 => {
                    self.enter(FinWait2, "FIN acknowledged");
                    let closed = self.holder == Holder::Nobody;
                    self.timer = closed.then(|| cx.now + cx.config.fin_wait2);
                }
                Closing => self.time_wait(cx),
                LastAck => self.die(None),
                _ => {}
            }
        }
    }

    /// SND.WND counts from SND.UNA: what `advances` the one has to set the other. The RFC's rule
    /// alone (WL1, WL2) would let an old segment's new ACK push the right edge ahead. Gives whether
    /// a shut window opens.
    fn update_window(&mut self, segment: &Segment, advances: bool) -> bool {
        let Snd { una, wl1, wl2, wnd, .. } = self.snd;
        let newer = wl1.lt(segment.seq) || wl1 == segment.seq && wl2.le(segment.ack);
        let old = !newer || segment.ack.lt(una);
        if old && !advances {
            return false;
        }
        self.set_window(segment);
        if wnd == 0 {
            self.snd.unanswered = 0; // §3.8.6.1: probes go on for as long as they are answered.
        }
        wnd == 0 && self.snd.wnd > 0
    }

    /// RFC 5681 §2.
    fn is_duplicate(&self, segment: &Segment) -> bool {
        segment.ack == self.snd.una
            && segment.seq_len() == 0
            && self.snd.nxt != self.snd.una
            && u32::from(segment.window) == self.snd.wnd
            && self.snd.wnd > 0
    }

    /// RFC 5681 §3.2, without its congestion control: the third one tells of a loss.
    fn duplicate_ack(&mut self, cx: &mut Cx<'_>) {
        self.snd.duplicate_acks += 1;
        if self.snd.duplicate_acks == 3 && self.snd.recover.is_none() {
            self.snd.recover = Some(self.snd.nxt);
            self.retransmit(cx);
        }
    }

    /// Seventh: the data, cut to the window.
    fn take_text(&mut self, segment: &Segment, data: &[u8], cx: &mut Cx<'_>) -> Verdict {
        let fin = segment.flags.contains(Flags::FIN);
        if !self.may_receive() || data.is_empty() && !fin {
            return Ok(());
        }
        let end = segment.seq + data.len() as u32;
        if self.holder == Holder::Nobody && end.gt(self.rcv.nxt) {
            // RFC 1122 §4.2.2.13: nobody will ever read it.
            self.abort(cx);
            return Err(DropReason::AfterClose);
        }
        // At the end of the batch (MUST-59), but not later: nothing here delays ACKs.
        self.ack_at = Some(cx.now);
        let start = segment.seq.max(self.rcv.nxt);
        let data = data.get((start - segment.seq) as usize..).unwrap_or_default();
        let room = (self.rcv.nxt + self.rcv.window() - start) as usize;
        if fin && data.len() <= room {
            self.rcv.fin = Some(end);
        }
        match self.rcv.text(start, &data[..data.len().min(room)], false) {
            Placed::NoRoom => return Err(DropReason::Memory),
            // RFC 5681 §4.2: each one, for the peer counts them.
            Placed::OutOfOrder => self.acknowledge(cx),
            Placed::InOrder | Placed::FilledGap => {}
        }
        Ok(())
    }

    /// Eighth: the FIN, when all before it is there.
    fn take_fin(&mut self, cx: &mut Cx<'_>) {
        if self.rcv.fin != Some(self.rcv.nxt) {
            return;
        }
        match self.state {
            Established => self.enter(CloseWait, "FIN"),
            FinWait1 => self.enter(Closing, "FIN"),
            FinWait2 => self.time_wait(cx),
            _ => return,
        }
        self.rcv.nxt += 1;
    }

    fn time_wait(&mut self, cx: &mut Cx<'_>) {
        self.enter(TimeWait, "both sides are done");
        self.timer = Some(cx.now + cx.config.time_wait);
    }

    /// A challenge ACK (RFC 5961), so rarely that two confused ends cannot keep each other busy.
    fn challenge(&mut self, cx: &mut Cx<'_>) {
        if cx.challenges.allow(cx.now, &mut self.challenge) {
            self.ack_at = Some(cx.now);
        }
    }

    /// An ICMP error about a segment of this connection (RFC 9293 §3.9.2.2).
    fn icmp_error(&mut self, cause: Cause, seq: SeqNum) {
        // RFC 5927 §4.1: who does not know what is in flight has made it up.
        if !seq.within(self.snd.una, self.snd.nxt) {
            return;
        }
        // RFC 5927 §5.2: only one who waits for an answer has nothing to lose.
        if self.state == SynSent && !matches!(cause, Cause::SourceQuench | Cause::Redirect { .. }) {
            self.die(Some(cause.into()));
        }
    }

    // ---- Timeouts.

    fn deadline(&self) -> Option<Instant> {
        sooner(self.timer, self.ack_at)
    }

    /// RFC 9293 §3.10.8: whatever is due.
    fn timeout(&mut self, cx: &mut Cx<'_>) {
        if self.ack_at.is_some_and(|at| at <= cx.now) {
            self.acknowledge(cx);
        }
        if self.timer.is_some_and(|at| at <= cx.now) {
            match self.state {
                FinWait2 | TimeWait => self.die(None),
                _ => self.retransmission_timeout(cx),
            }
        }
    }

    /// RFC 6298 §5.4 to §5.6; and, where the window is shut, the probe of RFC 9293 §3.8.6.1.
    fn retransmission_timeout(&mut self, cx: &mut Cx<'_>) {
        let limit = match self.state {
            SynSent => cx.config.syn_retries,
            SynReceived => cx.config.syn_ack_retries,
            _ if self.holder == Holder::Nobody => cx.config.orphan_retries,
            _ => cx.config.retries,
        };
        if self.snd.unanswered >= limit {
            return self.die(Some(SocketError::TimedOut));
        }
        self.snd.unanswered += 1;
        self.rtt.back_off();
        // What follows the first segment is sent again as the ACKs come in.
        self.snd.recover = Some(self.snd.nxt);
        self.retransmit(cx);
    }

    /// Starts or stops the retransmission timer (RFC 6298 §5.1, §5.2).
    fn arm(&mut self, now: Instant) {
        if self.snd.nxt == self.snd.una && self.sending.len() == 0 {
            self.timer = None;
        } else if self.timer.is_none() {
            self.timer = Some(now + self.rtt.rto());
        }
    }

    // ---- Sending.

    /// Sends what may be sent now.
    fn output(&mut self, cx: &mut Cx<'_>) {
        if !matches!(self.state, Established | FinWait1 | CloseWait | Closing | LastAck) {
            return;
        }
        while let Some(len) = self.sendable() {
            self.send_data(self.snd.nxt, len, cx);
        }
        self.arm(cx.now);
    }

    /// How many of the bytes that wait to be sent are worth a segment now.
    fn sendable(&self) -> Option<usize> {
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
        if matches!(self.state, SynSent | SynReceived) {
            return self.send_syn(cx);
        }
        let window = self.snd.wnd.max(1) as usize;
        let len = self.sending.len().min(window).min(self.snd.mss);
        self.send_data(self.snd.una, len, cx);
        self.arm(cx.now);
    }

    fn send_data(&mut self, seq: SeqNum, len: usize, cx: &mut Cx<'_>) {
        let last = seq + len as u32 == self.sending.end();
        let mut flags = Flags::ACK;
        flags.set(Flags::PSH, last && len > 0);
        flags.set(Flags::FIN, last && self.fin_fits());
        self.transmit(seq, flags, len, cx);
    }

    fn send_syn(&mut self, cx: &mut Cx<'_>) {
        let answer = self.state == SynReceived;
        let flags = if answer { Flags::SYN | Flags::ACK } else { Flags::SYN };
        self.transmit(self.snd.iss, flags, 0, cx);
        self.arm(cx.now);
    }

    fn acknowledge(&mut self, cx: &mut Cx<'_>) {
        self.transmit(self.acceptable_seq(), Flags::ACK, 0, cx);
    }

    /// The number of a segment without data: after all that was sent, but in the peer's window,
    /// or the peer would not look at it.
    fn acceptable_seq(&self) -> SeqNum {
        self.snd.nxt.min(self.snd.una + self.snd.wnd)
    }

    /// One segment, with the acknowledgment and the window of the moment.
    fn transmit(&mut self, seq: SeqNum, flags: Flags, len: usize, cx: &mut Cx<'_>) {
        let Some(ends) = self.tuple else { return };
        let (local, peer) = (ends.local(), ends.peer());
        let mut packet = Packet::with_capacity(len);
        if len > 0 {
            self.sending.copy(seq, len, &mut packet);
        }
        let mss = flags.contains(Flags::SYN).then_some(self.rcv.mss as u16);
        let ack = if flags.contains(Flags::ACK) { self.rcv.nxt } else { SeqNum(0) };
        let segment = Segment {
            window: self.rcv.offer(false),
            options: Options { mss, ..Options::default() },
            len,
            ..Segment::new(local.port(), peer.port(), seq, ack, flags)
        };
        if seq == self.snd.nxt && segment.seq_len() > 0 {
            self.snd.timed = self.snd.timed.or(Some((segment.end(), cx.now)));
        } else if segment.seq_len() > 0 {
            self.snd.timed = None; // Karn's rule (RFC 6298 §3).
            cx.events.add(Event::Retransmitted);
        }
        self.snd.nxt = self.snd.nxt.max(segment.end());
        self.ack_at = None;
        let header = Header::new(local.ip(), peer.ip(), Protocol::TCP);
        let header = Header { ttl: self.settings.ttl, ..header };
        cx.send(&header, segment, packet, self.partial_checksum);
    }

    /// The states in which the peer still sends.
    fn may_receive(&self) -> bool {
        matches!(self.state, Established | FinWait1 | FinWait2)
    }
}

impl Cx<'_> {
    /// Hands a segment to IP. What IP cannot send is lost like any other: the timer sends it again.
    fn send(&mut self, header: &Header, segment: Segment, data: Packet, partial_checksum: bool) {
        trace!(src = %header.src, dst = %header.dst, ?segment, "out");
        self.events.add(Event::SegmentsOut);
        if segment.flags.contains(Flags::RST) {
            self.events.add(Event::ResetsOut);
        }
        let packet = segment.emit(data, header.src, header.dst, partial_checksum);
        if self.out.send(self.now, header, packet).is_err() {
            self.events.add(Event::NotSent);
        }
    }
}

netdev::reasons! {
    /// What is counted beside drops.
    enum Event {
        /// Good or bad.
        SegmentsIn = "segments received",
        /// Retransmissions and resets too.
        SegmentsOut = "segments sent",
        Retransmitted = "segments retransmitted",
        ResetsOut = "resets sent",
        /// IP did not take them.
        NotSent = "segments that could not be sent",
    }
}
