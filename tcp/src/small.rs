//! A small TCP, to be read from top to bottom in an evening.
//!
//! This file is the machine: one connection, as RFC 9293 describes it. Lay the diagram of its
//! §3.3.2 (figure 5) beside it. The order is the RFC's: what there is to know of a connection
//! (§3.3.1), the user's calls (§3.10.1 to §3.10.6), the segment that arrives (§3.10.7, one function
//! a step), the timeouts (§3.10.8); and then what all of these lead to: sending, and putting the
//! received stream together. `small/sockets.rs` is the plumbing around it: who has which port,
//! whose timer is due, and the calls of [`Streams`](crate::Streams), handed to the connection that
//! they are for.
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

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use ip::{Cause, Header, Output, Protocol, Readiness, SocketError, Ttl};
use netdev::{Counts, Instant, Packet, sooner};
use tracing::{debug, trace};

use crate::{DropReason, Flags, Options, Segment, SeqNum, Shutdown, State};

mod sockets;

pub use sockets::SmallTcp;

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
/// R2 of RFC 9293 §3.8.3: after so many timeouts in a row a connection is given up. From the least
/// RTO on these are 102 s, over the 100 s asked for; 183 s for a SYN, over three minutes; and 63 s
/// for a half-open connection, which nobody here asked for.
const GIVE_UP: u32 = 9;
const GIVE_UP_SYN: u32 = 8;
const GIVE_UP_HALF_OPEN: u32 = 6;
/// Twice the maximum segment lifetime; and how long FIN-WAIT-2 lasts without a socket.
const TIME_WAIT: Duration = Duration::from_secs(60);
/// Duplicate and challenge ACKs that a connection sends in a second (RFC 5961 §7).
const CHALLENGES: u32 = 10;

/// A transmission control block (RFC 9293 §3.3.1): one connection. Names are the RFC's.
#[derive(Default)]
struct Tcb {
    state: State,
    /// This side and the other, once they are known.
    ends: Ends,
    /// Whether a listener began it (passive OPEN).
    passive: bool,
    /// Whether the user called CLOSE: nobody will read any more.
    closed: bool,
    /// What ended it, until the user is told.
    error: Option<SocketError>,
    /// What an ICMP error said, which may explain a timeout.
    soft_error: Option<SocketError>,
    no_delay: bool,
    ttl: Ttl,

    // The send sequence space (figure 3), and the bytes from SND.UNA on.
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
    /// Whether a FIN follows the last of `sending`.
    fin: bool,
    partial_checksum: bool,

    // The receive sequence space (figure 4), and the bytes up to RCV.NXT and beyond.
    irs: SeqNum,
    rcv_nxt: SeqNum,
    /// The right edge of the window as the peer knows it: RCV.NXT + RCV.WND.
    rcv_adv: SeqNum,
    own_mss: usize,
    received: Received,
    receive_limit: usize,
    read_shut: bool,
    peer_fin: Option<SeqNum>,
    ack_now: bool,

    /// Runs while anything waits to be acknowledged, be it for a window: the persist timer too.
    retransmit_at: Option<Instant>,
    ack_at: Option<Instant>,
    /// The end of TIME-WAIT, and of FIN-WAIT-2 after CLOSE.
    expires_at: Option<Instant>,
    rto: Duration,
    /// Timeouts since the peer last answered.
    unanswered: u32,
    srtt: Option<Duration>,
    rttvar: Duration,
    /// The segment that is timed: the number after its end, and when it was sent.
    timed: Option<(SeqNum, Instant)>,

    // Fast retransmission: losses up to `recover` are dealt with (RFC 6582 §3.2).
    duplicate_acks: u32,
    recover: SeqNum,
    recovering: bool,
    /// Challenge ACKs in the second that began then.
    challenges: (Instant, u32),
}

type Ends = Option<(SocketAddr, SocketAddr)>;

impl Tcb {
    fn new() -> Tcb {
        Tcb { send_limit: SEND_BUFFER, receive_limit: MAX_WINDOW, ..Tcb::default() }
    }

    /// Both ends are known: the connection begins.
    fn begin(&mut self, local: SocketAddr, peer: SocketAddr, iss: SeqNum, route: &ip::Route) {
        self.ends = Some((local, peer));
        (self.iss, self.snd_una, self.snd_nxt, self.snd_max) = (iss, iss, iss, iss);
        (self.recover, self.rto) = (iss, INITIAL_RTO);
        self.own_mss = route.mtu.saturating_sub(HEADERS).clamp(MIN_MSS, MAX_WINDOW);
        self.partial_checksum = route.offload.checksum;
    }

    /// What a listener's connections begin with.
    fn heir(&self) -> Tcb {
        let Tcb { no_delay, ttl, send_limit, receive_limit, .. } = *self;
        Tcb { no_delay, ttl, send_limit, receive_limit, ..Tcb::default() }
    }

    fn enter(&mut self, to: State, cause: &'static str) {
        debug!(conn = ?self.ends, from = %self.state, %to, cause, "state");
        self.state = to;
    }

    /// The connection is no more; what was received can still be read.
    fn die(&mut self, error: Option<SocketError>) {
        self.enter(State::Closed, "the end");
        self.error = self.error.or(error);
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
            _ if self.ends.is_none() => return Err(SocketError::NotConnected),
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
        if self.ends.is_none() {
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

    /// RFC 9293 §3.6, case 1: a half-close, in either direction.
    fn shutdown(&mut self, how: Shutdown, cx: &mut Cx<'_>) -> Result<(), SocketError> {
        if !self.state.is_synchronized() {
            return Err(SocketError::NotConnected);
        }
        if how != Shutdown::Write {
            self.read_shut = true;
            self.discard();
        }
        if how != Shutdown::Read {
            self.close_sending(cx);
        }
        Ok(())
    }

    /// RFC 9293 §3.10.4.
    fn close(&mut self, cx: &mut Cx<'_>) {
        self.closed = true;
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

    /// What the user may do without waiting.
    fn readiness(&self) -> Readiness {
        let mut ready = Readiness::empty();
        ready.set(Readiness::ERROR, self.error.is_some());
        if self.ends.is_none() || matches!(self.state, State::SynSent | State::SynReceived) {
            return ready;
        }
        let no_more = self.no_more_to_read();
        let write_closed = self.fin || self.state == State::Closed;
        let room = self.sending.len() < self.send_limit;
        ready.set(Readiness::READ_CLOSED, no_more);
        ready.set(Readiness::READABLE, no_more || self.received.readable > 0);
        ready.set(Readiness::WRITE_CLOSED, write_closed);
        ready.set(Readiness::WRITABLE, write_closed || room);
        ready
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
        if self.unanswered > 0 && self.srtt.is_none() {
            // RFC 6298 §5.7.
            self.rto = Duration::from_secs(3);
        }
        (self.unanswered, self.retransmit_at) = (0, None);
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
            return Err(cx.refuse(self.ends, segment, DropReason::UnacceptableAck));
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
    fn segment_in_others(
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
    /// One that begins at RCV.NXT counts in any window, for the sake of its ACK and RST; so does a
    /// bare ACK behind the byte that probed a shut window.
    fn check_sequence(&mut self, segment: &Segment, cx: &mut Cx<'_>) -> Result<(), DropReason> {
        let (seq, end) = (segment.seq, segment.end());
        let acceptable = seq == self.rcv_nxt
            || match segment.seq_len() {
                0 if self.rcv_adv == self.rcv_nxt => seq == self.rcv_nxt + 1,
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
            if ack != self.iss + 1 {
                return Err(cx.refuse(self.ends, segment, DropReason::UnacceptableAck));
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
        let advances = ack.gt(self.snd_una);
        // SND.WND counts from SND.UNA: what moves the one has to set the other. The RFC's rule
        // alone (WL1, WL2) would let an old segment's new ACK push the right edge ahead.
        let newer = advances
            || self.snd_wl1.lt(segment.seq)
            || self.snd_wl1 == segment.seq && self.snd_wl2.le(ack);
        if advances {
            self.acknowledged(ack, cx);
        }
        if newer && ack.ge(self.snd_una) {
            if self.snd_wnd == 0 {
                // §3.8.6.1: probes go on for as long as they are answered; and what waited for
                // the window need not wait for the next probe.
                self.unanswered = 0;
                if segment.window > 0 {
                    (self.rto, self.retransmit_at) = (self.base_rto(), None);
                }
            }
            self.set_window(segment);
        }
        self.duplicate_acks += u32::from(duplicate && self.snd_wnd > 0);
        if duplicate && self.duplicate_acks == 3 && self.snd_una.ge(self.recover) {
            // RFC 5681 §3.2.
            (self.recover, self.recovering) = (self.snd_max, true);
            self.retransmit(cx);
        } else if advances && self.recovering {
            // RFC 6582 §3.2: a partial ACK tells of the next loss.
            self.retransmit(cx);
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
        (self.rto, self.retransmit_at) = (self.base_rto(), None);
        (self.unanswered, self.duplicate_acks) = (0, 0);
        if let Some((_, peer)) = self.ends {
            cx.out.confirm(cx.now, peer.ip());
        }
        self.recovering &= ack.lt(self.recover);
        if numbers > bytes {
            // The FIN is acknowledged.
            match self.state {
                State::FinWait1 => {
                    self.enter(State::FinWait2, "FIN acknowledged");
                    self.expires_at = Some(cx.now + TIME_WAIT).filter(|_| self.closed);
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
        if self.closed && end.gt(self.rcv_nxt) {
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

    /// An ICMP error about a segment of this connection (RFC 9293 §3.9.2.2).
    fn icmp_error(&mut self, cause: Cause, seq: SeqNum) {
        // RFC 5927 §4.1: who does not know what is in flight has made it up.
        if !seq.within(self.snd_una, self.snd_max) {
            return;
        }
        match (self.state, cause) {
            (_, Cause::SourceQuench | Cause::Redirect { .. }) => {}
            (_, Cause::FragmentationNeeded { .. }) => {}
            (State::SynSent, cause) => self.die(Some(cause.into())),
            (_, cause) => self.soft_error = Some(cause.into()),
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
        let patience = match self.state {
            State::SynReceived if self.passive => GIVE_UP_HALF_OPEN,
            State::SynSent | State::SynReceived => GIVE_UP_SYN,
            _ => GIVE_UP,
        };
        self.unanswered += 1;
        if self.unanswered >= patience {
            return self.die(Some(self.soft_error.unwrap_or(SocketError::TimedOut)));
        }
        self.rto = (self.rto * 2).min(MAX_RTO);
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
            self.retransmit_at = None;
        } else if self.retransmit_at.is_none() {
            self.retransmit_at = Some(now + self.rto);
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
        let mut packet = Packet::for_receive(data.len());
        copy(&self.sending, data.start, &mut packet);
        let syn = flags.contains(Flags::SYN);
        let mss = Some(self.own_mss as u16).filter(|_| syn);
        let ack = if flags.contains(Flags::ACK) { self.rcv_nxt } else { SeqNum(0) };
        let segment = Segment {
            window: self.announce_window(),
            options: Options { mss, ..Options::default() },
            len: data.len(),
            ..Segment::new(0, 0, seq, ack, flags)
        };
        let end = segment.end();
        if segment.seq_len() > 0 {
            if seq == self.snd_max {
                self.timed = self.timed.or(Some((end, cx.now)));
            } else {
                self.timed = None; // Karn's rule (RFC 6298 §3).
                cx.counts.add(Count::Retransmitted);
            }
            self.snd_max = self.snd_max.max(end);
        }
        (self.ack_now, self.ack_at) = (false, None);
        cx.transmit(self.ends, self.ttl, segment, packet, self.partial_checksum);
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

impl Cx<'_> {
    /// Hands a segment between `ends` to IP. What IP cannot send is lost like any other: the timer
    /// sends it again.
    fn transmit(&mut self, ends: Ends, ttl: Ttl, segment: Segment, data: Packet, partial: bool) {
        let Some((local, peer)) = ends else { return };
        let segment = Segment { src_port: local.port(), dst_port: peer.port(), ..segment };
        trace!(%local, %peer, ?segment, "out");
        self.counts.add(Count::SegmentsOut);
        if segment.flags.contains(Flags::RST) {
            self.counts.add(Count::ResetsOut);
        }
        let packet = segment.emit(data, local.ip(), peer.ip(), partial);
        let header = Header { ttl, ..Header::new(local.ip(), peer.ip(), Protocol::TCP) };
        let _ = self.out.send(self.now, &header, packet);
    }

    /// Answers a segment that is dropped with a reset; a reset is never answered.
    fn refuse(&mut self, ends: Ends, segment: &Segment, reason: DropReason) -> DropReason {
        let Some(reset) = segment.reset() else { return DropReason::StrayReset };
        self.transmit(ends, Ttl::DEFAULT, reset, Packet::with_capacity(0), false);
        reason
    }
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
