//! Whether a recovery was begun for nothing.

use super::AckSeen;
use crate::options::SackBlock;
use crate::{Sent, SeqNum};

/// Retransmissions of one recovery that are remembered. With more, duplicates tell nothing: who
/// sends so much again has lost something.
const REMEMBERED: usize = 256;

/// What was known when a recovery began, and has been learnt since.
#[derive(Clone, Debug)]
pub(super) struct Undo {
    /// Retransmissions that had been made then.
    before: u32,
    /// All is acknowledged that was sent before it began.
    over: bool,
    /// Where the segments end that were sent again and did not come twice yet.
    once: Vec<SeqNum>,
    /// One of them did.
    twice: bool,
    /// There were too many.
    full: bool,
}

impl Undo {
    /// A recovery begins after so many retransmissions.
    pub(super) fn new(before: u32) -> Undo {
        Undo { before, over: false, once: Vec::new(), twice: false, full: false }
    }

    /// A segment is sent again in it.
    pub(super) fn sent_again(&mut self, sent: &Sent) {
        self.full |= self.once.len() == REMEMBERED;
        if !self.full {
            self.once.push(sent.end());
        }
    }

    /// The peer says what came twice (RFC 2883). Whether any of it had been sent again: else the
    /// network doubled it, which tells nothing.
    pub(super) fn hear(&mut self, dsack: SackBlock) -> bool {
        let before = self.once.len();
        let mut end = dsack.left;
        while let Some(next) = self.next_end(end).filter(|next| next.le(dsack.right)) {
            let index = self.once.iter().position(|end| *end == next);
            index.map(|index| self.once.swap_remove(index));
            end = next;
        }
        let heard = self.once.len() < before;
        self.twice |= heard;
        heard
    }

    fn next_end(&self, after: SeqNum) -> Option<SeqNum> {
        self.once.iter().copied().filter(|end| end.gt(after)).reduce(SeqNum::min)
    }

    /// All is acknowledged that was sent before it began; what came twice may be told of yet.
    pub(super) fn over(&mut self) {
        self.over = true;
    }

    /// Whether nothing was sent again in it: what arrives is the originals, and where nothing is
    /// left that seems lost, nothing was.
    pub(super) fn nothing_was_made(&self, ack: &AckSeen) -> bool {
        !self.over && ack.history.retransmissions == self.before
    }

    /// Whether nothing was lost: the acknowledgment answers an original by its timestamp
    /// (RFC 3522, RFC 4015), or all that was retransmitted came twice (RFC 3708).
    pub(super) fn was_for_nothing(&self, ack: &AckSeen) -> bool {
        let by_timestamp = !self.over && ack.original;
        by_timestamp || (self.twice && self.once.is_empty() && !self.full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fate;
    use crate::recovery::Moment;
    use netdev::Instant;

    fn undo(segments: &[u32]) -> Undo {
        let mut undo = Undo::new(0);
        for seq in segments {
            let (seq, sent_at) = (SeqNum(seq * 1000), Instant::ZERO);
            let fate = Fate::Retransmitted;
            undo.sent_again(&Sent {
                seq,
                len: 1000,
                fin: false,
                sent_at,
                retransmissions: 1,
                fate,
            });
        }
        undo
    }

    fn block(from: u32, to: u32) -> SackBlock {
        SackBlock { left: SeqNum(from * 1000), right: SeqNum(to * 1000) }
    }

    fn done(undo: &Undo) -> bool {
        undo.twice && undo.once.is_empty() && !undo.full
    }

    /// RFC 3708 §2: what the network doubled was not sent again, and what was sent again twice has
    /// to come three times.
    #[test]
    fn each_retransmission_has_to_come_twice() {
        let mut undo = undo(&[3, 5, 3]);
        assert!(!undo.hear(block(4, 5)));
        assert!(undo.hear(block(3, 4)) && undo.hear(block(5, 6)) && !done(&undo));
        assert!(!undo.hear(block(5, 6)));
        assert!(undo.hear(block(3, 4)) && done(&undo));
    }

    /// One block may tell of neighbours that a network card has put together.
    #[test]
    fn a_block_may_tell_of_several() {
        let mut undo = undo(&[3, 4, 6]);
        assert!(undo.hear(block(3, 5)) && !done(&undo));
        assert!(undo.hear(block(6, 7)) && done(&undo));
    }

    /// RFC 3522 §3.2, RFC 4015 §3: what a timestamp tells is of the recovery that lasts. Of one that
    /// is over, only duplicates tell.
    #[test]
    fn after_the_end_only_duplicates_tell() {
        let ack = AckSeen { original: true, ..AckSeen::test(Moment::test(0, 0, 10_000)) };
        let mut undo = undo(&[3]);
        assert!(undo.was_for_nothing(&ack) && undo.nothing_was_made(&ack));
        undo.over();
        assert!(!undo.was_for_nothing(&ack) && !undo.nothing_was_made(&ack));
        undo.hear(block(3, 4));
        assert!(undo.was_for_nothing(&ack));
    }

    #[test]
    fn too_many_are_not_remembered() {
        let many: Vec<u32> = (0..300).collect();
        let mut undo = undo(&many);
        undo.hear(block(0, 300));
        assert!(undo.once.is_empty() && !done(&undo));
    }
}
