//! What one acknowledgment says has arrived.

use netdev::Instant;

use crate::SeqNum;
use crate::scoreboard::{Fate, Sent};

/// The segments that one acknowledgment delivered: those that it acknowledged and that were not
/// known to have arrived, and those that its blocks told of first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivery {
    /// Bytes of them ("DeliveredData", RFC 6937 §3).
    pub bytes: u32,
    /// Bytes of those beyond a gap.
    pub sacked: u32,
    /// The one of those sent once that was sent last.
    pub latest: Option<Sent>,
    /// The one of those sent again that was sent last.
    pub latest_again: Option<Sent>,
    /// The lowest of those sent once.
    pub lowest: Option<Sent>,
    /// When the first of those sent once and beyond a gap was sent.
    pub first_sacked: Option<Instant>,
}

impl Delivery {
    /// Adds a segment that the acknowledgment covers.
    pub fn acked(&mut self, sent: &Sent) {
        if sent.fate != Fate::Sacked {
            self.add(sent);
        }
    }

    /// Adds one beyond a gap.
    pub fn sacked(&mut self, sent: &Sent) {
        self.sacked += sent.len;
        if sent.retransmissions == 0 {
            let at = self.first_sacked.map_or(sent.sent_at, |at| at.min(sent.sent_at));
            self.first_sacked = Some(at);
        }
        self.add(sent);
    }

    fn add(&mut self, sent: &Sent) {
        self.bytes += sent.len;
        let latest = match sent.retransmissions {
            0 => &mut self.latest,
            _ => &mut self.latest_again,
        };
        if latest.is_none_or(|latest| sent.sent_after(latest.sent_at, latest.end())) {
            *latest = Some(*sent);
        }
        let lower = |lowest: Sent| sent.seq.lt(lowest.seq);
        if sent.retransmissions == 0 && self.lowest.is_none_or(lower) {
            self.lowest = Some(*sent);
        }
    }

    /// The lowest sequence number of those sent once.
    pub fn lowest_seq(&self) -> Option<SeqNum> {
        self.lowest.map(|sent| sent.seq)
    }
}
