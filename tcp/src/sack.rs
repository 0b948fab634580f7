//! Selective acknowledgment (RFC 2018, RFC 2883): what this side reports, and what a peer's blocks
//! are worth.

use crate::SeqNum;
use crate::options::{Options, SackBlock};
use crate::receive::ReceiveSpace;

#[cfg(test)]
mod tests;

/// How many ranges are remembered, the most that an option has room for.
const BLOCKS: usize = 4;

/// What the acknowledgments of a connection report beside RCV.NXT.
#[derive(Default)]
pub(crate) struct Report {
    /// Both SYNs had SACK-permitted.
    pub(crate) in_use: bool,
    count: u8,
    /// A byte in each of the ranges that were reported last, the latest first (RFC 2018 §4).
    recent: [SeqNum; BLOCKS],
    /// What came twice, and was not told of yet (RFC 2883 §4).
    duplicate: Option<SackBlock>,
}

impl Report {
    /// Text beyond a gap was put into its place.
    pub(crate) fn received(&mut self, seq: SeqNum, rcv: &ReceiveSpace) {
        let Some((start, end)) = around(seq, rcv) else { return };
        // Where ranges have grown together, one byte of them is enough.
        let others = self.recent.into_iter().take(self.count.into());
        let mut next = [seq; BLOCKS];
        let mut count = 1;
        for other in others.filter(|other| !(other.ge(start) && other.lt(end))) {
            if count < BLOCKS && other.ge(rcv.nxt) {
                next[count] = other;
                count += 1;
            }
        }
        (self.recent, self.count) = (next, count as u8);
    }

    /// `left..right` came, and was there already.
    pub(crate) fn duplicated(&mut self, left: SeqNum, right: SeqNum) {
        if self.in_use && left.lt(right) {
            self.duplicate = Some(SackBlock { left, right });
        }
    }

    /// How many bytes [`Report::fill`] would take of `room`: nothing while nothing is missing.
    pub(crate) fn option_len(&self, rcv: &ReceiveSpace, room: usize) -> usize {
        if !self.in_use || (self.duplicate.is_none() && self.count == 0) {
            return 0;
        }
        let recent = &self.recent[..self.count.into()];
        let ranges = recent.iter().filter(|&&seq| around(seq, rcv).is_some()).count();
        match (ranges + usize::from(self.duplicate.is_some())).min(room.saturating_sub(4) / 8) {
            0 => 0,
            blocks => 4 + 8 * blocks,
        }
    }

    /// Puts as many blocks into `options` as there is `room` for, in bytes of options.
    ///
    /// RFC 2883 §4: a duplicate comes first, in one acknowledgment only; then, RFC 2018 §4, the
    /// range that grew last, then those reported before it.
    /// Where `dsack` is off, duplicates are kept for oneself.
    pub(crate) fn fill(
        &mut self,
        options: &mut Options,
        rcv: &ReceiveSpace,
        room: usize,
        dsack: bool,
    ) {
        self.duplicate = self.duplicate.filter(|_| dsack);
        let most = room.saturating_sub(4) / 8;
        if !self.in_use || most == 0 || (self.duplicate.is_none() && self.count == 0) {
            return;
        }
        if let Some(duplicate) = self.duplicate.take() {
            options.push_sack(duplicate);
        }
        for &seq in &self.recent[..self.count.into()] {
            let Some((left, right)) = around(seq, rcv) else { continue };
            if options.sack_blocks().len() < most {
                options.push_sack(SackBlock { left, right });
            }
        }
        if rcv.reassembly.is_empty() {
            self.count = 0;
        }
    }
}

/// The range beyond the gap in which `seq` lies.
fn around(seq: SeqNum, rcv: &ReceiveSpace) -> Option<(SeqNum, SeqNum)> {
    if seq.lt(rcv.nxt) {
        return None;
    }
    let (start, end) = rcv.reassembly.around(rcv.place(seq))?;
    Some((rcv.nxt + (start - rcv.position) as u32, rcv.nxt + (end - rcv.position) as u32))
}

/// Which part of the `len` bytes at `seq`, beyond the gap, is there already: the first that is.
pub(crate) fn already_there(rcv: &ReceiveSpace, seq: SeqNum, len: u32) -> Option<(SeqNum, SeqNum)> {
    let end = seq + len;
    if let Some((_, to)) = around(seq, rcv) {
        return Some((seq, to.min(end)));
    }
    around(end - 1, rcv).map(|(from, _)| (from, end))
}

/// A peer's blocks, sorted out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Something that came to the peer twice (RFC 2883 §4).
    pub(crate) duplicate: Option<SackBlock>,
    /// What it has beyond a gap, in order; the first [`Heard::count`].
    blocks: [SackBlock; BLOCKS],
    count: usize,
    /// Blocks that speak of nothing that was sent.
    pub(crate) bogus: u32,
}

impl Heard {
    /// Looks at the blocks of a segment that acknowledges `ack`. `una` is SND.UNA with it taken
    /// in; nothing before `oldest` can be told of any more.
    pub(crate) fn of(
        options: &Options,
        ack: SeqNum,
        oldest: SeqNum,
        una: SeqNum,
        nxt: SeqNum,
    ) -> Heard {
        let mut heard = Heard::default();
        let blocks = options.sack_blocks();
        for (place, &block) in blocks.iter().enumerate() {
            let SackBlock { left, right } = block;
            if !left.lt(right) || right.gt(nxt) || left.lt(oldest) {
                heard.bogus += 1;
            } else if place == 0 && is_duplicate(block, ack, blocks.get(1)) {
                heard.duplicate = Some(block);
            } else if right.gt(una) {
                heard.add(SackBlock { left: left.max(una), right });
            }
            // Else it has been overtaken by a later acknowledgment.
        }
        heard
    }

    /// The blocks beyond the gap, sorted.
    pub(crate) fn blocks(&self) -> &[SackBlock] {
        &self.blocks[..self.count]
    }

    fn add(&mut self, block: SackBlock) {
        let place = self.blocks().partition_point(|other| other.left.lt(block.left));
        self.blocks.copy_within(place..self.count, place + 1);
        self.blocks[place] = block;
        self.count += 1;
    }
}

/// RFC 2883 §4.2.1: the first block lies below the acknowledgment, or in the second.
fn is_duplicate(first: SackBlock, ack: SeqNum, second: Option<&SackBlock>) -> bool {
    first.right.le(ack)
        || second.is_some_and(|second| {
            first.left.ge(second.left) && first.right.le(second.right) && first.left.ge(ack)
        })
}
