//! What is true of every sender: it keeps to the window that it was offered.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::{Seg, Side};
use crate::{Flags, SeqNum};

/// The right edges of all windows in a [`World`](super::World), by who offered them.
#[derive(Debug, Default)]
pub(super) struct Windows {
    edges: HashMap<(SocketAddr, SocketAddr), Edge>,
}

/// What one end of a connection offered so far.
#[derive(Clone, Copy, Debug, Default)]
struct Edge {
    /// The furthest right edge; none before its first ACK.
    right: Option<SeqNum>,
    /// The shift of its windows, as its SYN says.
    shift: Option<u8>,
}

impl Windows {
    /// Looks at a segment as it is sent. An edge counts from here on, though it has not arrived
    /// yet: so the check is fair to every sender.
    ///
    /// # Panics
    /// Where it holds data beyond the furthest edge that the other end ever offered, but for the
    /// byte that probes a shut window (RFC 9293 §3.8.6.1).
    pub(super) fn check(&mut self, from: Side, seg: &Seg) {
        let (Some(src), Some(dst)) = (seg.src, seg.dst) else { return };
        let (seq, ack) = (SeqNum(seg.seq.unwrap_or(0)), SeqNum(seg.ack.unwrap_or(0)));
        let window = u32::from(seg.window.unwrap_or(0));
        let theirs = self.edges.get(&(dst, src)).copied().unwrap_or_default();
        if let Some(right) = theirs.right.filter(|_| seg.payload_len() > 1) {
            let end = seq + seg.payload_len() as u32;
            assert!(end.le(right), "{from:?} sends {seg}, and was offered no more than to {right}");
        }
        let mine = self.edges.entry((src, dst)).or_default();
        if seg.flags.contains(Flags::SYN) {
            // Windows are scaled if both SYNs say so, and not on a SYN (RFC 7323 §2.2).
            let shift = seg.option(3).map(|shift| shift[0].min(14));
            *mine = Edge { right: None, shift };
        }
        if seg.flags.contains(Flags::ACK) && !seg.flags.contains(Flags::RST) {
            let scaled = !seg.flags.contains(Flags::SYN) && theirs.shift.is_some();
            let shift = mine.shift.filter(|_| scaled).unwrap_or(0);
            let right = ack + (window << shift);
            mine.right = Some(mine.right.map_or(right, |known| known.max(right)));
        }
    }
}
