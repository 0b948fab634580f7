//! LISTEN: the listener, its two queues, and SEGMENT ARRIVES in that state
//! (RFC 9293 §3.10.7.2).

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use netdev::Instant;

use crate::segment::{Flags, Segment};
use crate::tcb::{ConnId, Context, Standing, Tcb};
use crate::{Config, DropReason, SeqNum, Settings, State, fsm, transmit};

/// A socket in state LISTEN.
pub(crate) struct Listener {
    pub(crate) local: SocketAddr,
    pub(crate) settings: Arc<Settings>,
    /// How many may wait to be accepted.
    pub(crate) backlog: usize,
    /// The SYN queue: connections in SYN-RECEIVED, oldest first, by numbers that grow
    /// (until they wrap; then the order is wrong for as long as a handshake takes).
    pub(crate) half_open: BTreeMap<u32, ConnId>,
    /// The number of the next.
    next: u32,
    /// Until when a SYN cookie can come back; the past where none was sent.
    pub(crate) cookies_until: Instant,
    /// The accept queue, in the order in which the handshakes ended.
    pub(crate) ready: VecDeque<ConnId>,
}

/// What is to be done with a segment that came to a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Drop it.
    Drop(DropReason),
    /// Answer it with a reset.
    Reset(DropReason),
    /// Open a connection.
    Open,
    /// The same, at the cost of the oldest half-open one.
    Recycle,
    /// Answer it with a SYN cookie.
    SendCookie,
    /// It may bring one back.
    TakeCookie,
}

impl Listener {
    pub(crate) fn new(local: SocketAddr, settings: Arc<Settings>, backlog: usize) -> Listener {
        let (half_open, ready) = (BTreeMap::new(), VecDeque::new());
        let cookies_until = Instant::ZERO;
        Listener { local, settings, backlog, half_open, next: 0, cookies_until, ready }
    }

    /// One more in the SYN queue.
    pub(crate) fn enqueue_half_open(&mut self, id: ConnId) -> Standing {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.half_open.insert(number, id);
        Standing::HalfOpen(number)
    }

    /// A connection leaves the SYN queue.
    pub(crate) fn leave(&mut self, standing: Standing) {
        if let Standing::HalfOpen(number) = standing {
            self.half_open.remove(&number);
        }
    }

    /// Whether one more connection may be established.
    pub(crate) fn has_room(&self) -> bool {
        self.ready.len() < self.backlog
    }

    /// One function a step here too, each of them short.
    pub(crate) fn segment_arrives(
        &self,
        now: Instant,
        segment: &Segment,
        config: &Config,
    ) -> Verdict {
        // First, check for a RST: "should be ignored".
        if segment.flags.contains(Flags::RST) {
            return Verdict::Drop(DropReason::StrayReset);
        }
        // Second, check for an ACK: "any acknowledgment is bad", but for one with a SYN cookie.
        if segment.flags.contains(Flags::ACK) {
            if now < self.cookies_until && !segment.flags.contains(Flags::SYN) {
                return Verdict::TakeCookie;
            }
            return Verdict::Reset(DropReason::NoConnection);
        }
        // Third, check for a SYN; fourth, other data or control.
        if !segment.flags.contains(Flags::SYN) {
            return Verdict::Drop(DropReason::NoAck);
        }
        // A SYN that is dropped is sent again, by when there may be room; a reset would tell the
        // peer that nobody listens.
        if !self.has_room() {
            return Verdict::Drop(DropReason::AcceptQueue);
        }
        if self.half_open.len() >= config.syn_queue {
            return match config.syn_cookies {
                true => Verdict::SendCookie,
                false => Verdict::Recycle,
            };
        }
        Verdict::Open
    }
}

/// LISTEN to SYN-RECEIVED, all but the answer. Whether windows are scaled.
pub(crate) fn synchronize(
    tcb: &mut Tcb,
    cx: &mut Context<'_>,
    syn: &Segment,
    text: &[u8],
    timestamp_offset: u32,
) -> bool {
    // Without a way back nothing is sent, and the peer's next SYN finds one or not.
    let _ = transmit::learn_path(tcb, cx);
    transmit::offer(tcb, cx, timestamp_offset);
    let scaled = fsm::learn_options(tcb, cx, syn);
    receive_syn(tcb, syn, text);
    tcb.enter(State::SynReceived, "SYN received");
    scaled
}

/// "Set RCV.NXT to SEG.SEQ+1, IRS is set to SEG.SEQ, and any other control or text should be
/// queued for processing later."
fn receive_syn(tcb: &mut Tcb, segment: &Segment, text: &[u8]) {
    tcb.rcv.synchronize(segment.seq);
    tcb.snd.nxt = tcb.snd.iss + 1;
    tcb.snd.una = tcb.snd.iss;
    tcb.snd.wnd = u32::from(segment.window);
    tcb.snd.wl1 = segment.seq;
    let first: SeqNum = tcb.rcv.nxt;
    // Not beyond what the SYN-ACK will offer.
    let room = tcb.rcv.free().min(65_535);
    let fits = text.len() <= room;
    tcb.rcv.queue(first, &text[..text.len().min(room)], segment.flags.contains(Flags::FIN) && fits);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ip::Handle;

    fn listener(backlog: usize) -> Listener {
        let local = "0.0.0.0:80".parse().unwrap();
        Listener::new(local, Config::default().settings().into(), backlog)
    }

    fn arrives(listener: &Listener, flags: Flags) -> Verdict {
        arrives_at(listener, flags, &Config { syn_queue: 2, ..Config::default() })
    }

    fn arrives_at(listener: &Listener, flags: Flags, config: &Config) -> Verdict {
        let segment = Segment::new(1, 80, SeqNum(1), SeqNum(2), flags);
        listener.segment_arrives(Instant::from_secs(1), &segment, config)
    }

    /// RFC 9293 §3.10.7.2.
    #[test]
    fn rst_ack_and_syn_in_the_order_of_the_rfc() {
        let listener = listener(5);
        let drop = Verdict::Drop(DropReason::StrayReset);
        assert_eq!(arrives(&listener, Flags::RST | Flags::ACK | Flags::SYN), drop);
        let reset = Verdict::Reset(DropReason::NoConnection);
        assert_eq!(arrives(&listener, Flags::SYN | Flags::ACK), reset);
        assert_eq!(arrives(&listener, Flags::SYN), Verdict::Open);
        assert_eq!(arrives(&listener, Flags::FIN), Verdict::Drop(DropReason::NoAck));
    }

    #[test]
    fn full_queues_drop_a_syn_or_do_without_it() {
        let id = |index| ConnId(Handle { index, generation: 0 });
        let mut listener = listener(1);
        let first = listener.enqueue_half_open(id(1));
        listener.enqueue_half_open(id(2));
        assert_eq!(arrives(&listener, Flags::SYN), Verdict::SendCookie);
        let config = Config { syn_queue: 2, syn_cookies: false, ..Config::default() };
        assert_eq!(arrives_at(&listener, Flags::SYN, &config), Verdict::Recycle);
        listener.leave(first);
        assert_eq!(arrives(&listener, Flags::SYN), Verdict::Open);
        listener.ready.push_back(id(3));
        assert_eq!(arrives(&listener, Flags::SYN), Verdict::Drop(DropReason::AcceptQueue));
    }

    /// RFC 4987 §3.6: while there are cookies under way, and not otherwise.
    #[test]
    fn an_acknowledgment_is_asked_for_its_cookie_for_a_while() {
        let mut listener = listener(1);
        listener.cookies_until = Instant::from_secs(2);
        assert_eq!(arrives(&listener, Flags::ACK), Verdict::TakeCookie);
        let reset = Verdict::Reset(DropReason::NoConnection);
        assert_eq!(arrives(&listener, Flags::SYN | Flags::ACK), reset);
        listener.cookies_until = Instant::from_secs(1);
        assert_eq!(arrives(&listener, Flags::ACK), reset);
    }
}
