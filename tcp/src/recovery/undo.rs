//! Whether a recovery was begun for nothing.

use super::AckSeen;
use crate::SeqNum;

/// What was known when a recovery began, and has been learnt since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Undo {
    /// SND.UNA then.
    una: SeqNum,
    /// Retransmissions that had been made then.
    before: u32,
    /// How many were made in it, once it is over.
    made: Option<u32>,
    /// How many of them came to the peer twice.
    twice: u32,
}

impl Undo {
    /// A recovery begins after so many retransmissions.
    pub(super) fn new(una: SeqNum, before: u32) -> Undo {
        Undo { una, before, made: None, twice: 0 }
    }

    /// Takes in what an acknowledgment says came twice; a probe's duplicate (RFC 8985 §7.4.2) is
    /// not of this recovery.
    pub(super) fn hear(&mut self, ack: &AckSeen, probe_end: Option<SeqNum>) {
        if ack.dsack.is_some_and(|dsack| dsack.left.ge(self.una) && Some(dsack.right) != probe_end)
        {
            self.twice += 1;
        }
    }

    /// All is acknowledged that was sent before it began; what came twice may be told of yet.
    pub(super) fn over(&mut self, ack: &AckSeen) {
        self.made = Some(self.made(ack));
    }

    /// Whether nothing was sent again in it: what arrives is the originals, and where nothing is
    /// left that seems lost, nothing was.
    pub(super) fn nothing_was_made(&self, ack: &AckSeen) -> bool {
        self.made.is_none() && self.made(ack) == 0
    }

    /// Whether nothing was lost: the acknowledgment answers an original by its timestamp
    /// (RFC 3522, RFC 4015), or all that was retransmitted came twice (RFC 3708).
    pub(super) fn was_for_nothing(&self, ack: &AckSeen) -> bool {
        let by_timestamp = self.made.is_none() && ack.original;
        by_timestamp || (self.twice > 0 && self.twice == self.made(ack))
    }

    fn made(&self, ack: &AckSeen) -> u32 {
        self.made.unwrap_or(ack.history.retransmissions.wrapping_sub(self.before))
    }
}
