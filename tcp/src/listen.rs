//! LISTEN: the listener, its two queues, and SEGMENT ARRIVES in that state
//! (RFC 9293 §3.10.7.2).

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use crate::segment::{Flags, Segment};
use crate::tcb::{ConnId, Tcb};
use crate::{Config, DropReason, SeqNum, Settings};

/// A socket in state LISTEN.
pub(crate) struct Listener {
    pub(crate) local: SocketAddr,
    pub(crate) settings: Arc<Settings>,
    /// How many may wait to be accepted.
    pub(crate) backlog: usize,
    /// The SYN queue: connections in SYN-RECEIVED.
    pub(crate) half_open: BTreeSet<ConnId>,
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
}

impl Listener {
    pub(crate) fn new(local: SocketAddr, settings: Arc<Settings>, backlog: usize) -> Listener {
        let (half_open, ready) = (BTreeSet::new(), VecDeque::new());
        Listener { local, settings, backlog, half_open, ready }
    }

    /// Whether one more connection may be established.
    pub(crate) fn has_room(&self) -> bool {
        self.ready.len() < self.backlog
    }

    /// One function a step here too, each of them short.
    pub(crate) fn segment_arrives(&self, segment: &Segment, config: &Config) -> Verdict {
        // First, check for a RST: "should be ignored".
        if segment.flags.contains(Flags::RST) {
            return Verdict::Drop(DropReason::StrayReset);
        }
        // Second, check for an ACK: "any acknowledgment is bad".
        if segment.flags.contains(Flags::ACK) {
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
            return Verdict::Drop(DropReason::SynQueue);
        }
        Verdict::Open
    }
}

/// "Set RCV.NXT to SEG.SEQ+1, IRS is set to SEG.SEQ, and any other control or text should be
/// queued for processing later."
pub(crate) fn receive_syn(tcb: &mut Tcb, segment: &Segment, text: &[u8]) {
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
        let config = Config { syn_queue: 2, ..Config::default() };
        let segment = Segment::new(1, 80, SeqNum(1), SeqNum(2), flags);
        listener.segment_arrives(&segment, &config)
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
    fn full_queues_drop_a_syn() {
        let id = |index| ConnId(Handle { index, generation: 0 });
        let mut listener = listener(1);
        listener.half_open = [id(1), id(2)].into();
        assert_eq!(arrives(&listener, Flags::SYN), Verdict::Drop(DropReason::SynQueue));
        listener.ready.push_back(id(3));
        assert_eq!(arrives(&listener, Flags::SYN), Verdict::Drop(DropReason::AcceptQueue));
    }
}
