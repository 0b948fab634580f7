//! What was sent and is not acknowledged yet, segment by segment.

use std::collections::VecDeque;
use std::collections::vec_deque;

use netdev::Instant;

use crate::SeqNum;

/// The segments between SND.UNA and SND.NXT, oldest first, with what is known of each.
///
/// Loss recovery writes it (which segments are lost, which have arrived beyond a gap), output
/// reads it (what to send again), and its sums say how much is in flight.
#[derive(Default)]
pub struct Scoreboard {
    segments: VecDeque<Sent>,
    /// Bytes of all segments, of the lost ones, of those that arrived, of retransmissions that
    /// are on their way.
    total: u32,
    lost: u32,
    sacked: u32,
    retransmitted: u32,
    /// Bytes that duplicate ACKs said have left the network, no one knows which
    /// (RFC 6582; a peer without SACK).
    left_network: u32,
    /// No lost segment begins before this one, so that looking for the first need not begin at
    /// the front each time.
    lost_from: Option<SeqNum>,
}

/// A segment that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its first sequence number.
    pub seq: SeqNum,
    /// Sequence numbers that it takes: its bytes, and one for a FIN.
    pub len: u32,
    /// Whether it ends with the FIN.
    pub fin: bool,
    /// When it was sent last.
    pub sent_at: Instant,
    /// How often it was sent again.
    pub retransmissions: u8,
    /// What is thought of it.
    pub fate: Fate,
}

/// What is thought to have become of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// On its way.
    InFlight,
    /// The peer has it, beyond a gap (RFC 2018).
    Sacked,
    /// Lost, and to be sent again.
    Lost,
    /// It was lost; a retransmission is on its way.
    Retransmitted,
}

impl Sent {
    /// The sequence number after its last.
    pub fn end(&self) -> SeqNum {
        self.seq + self.len
    }
}

impl Scoreboard {
    /// Adds a segment that was just sent.
    pub fn push(&mut self, seq: SeqNum, len: u32, fin: bool, now: Instant) {
        self.total += len;
        self.segments.push_back(Sent {
            seq,
            len,
            fin,
            sent_at: now,
            retransmissions: 0,
            fate: Fate::InFlight,
        });
    }

    /// Takes off what `una` acknowledges; gives each segment that it covers wholly to `seen`. A
    /// segment that it covers in part keeps its rest.
    pub fn acknowledge(&mut self, una: SeqNum, mut seen: impl FnMut(&Sent)) {
        while let Some(&first) = self.segments.front() {
            if first.end().gt(una) {
                if first.seq.lt(una) {
                    let covered = una - first.seq;
                    self.count(first.fate, covered, false);
                    self.total -= covered;
                    let first = &mut self.segments[0];
                    (first.seq, first.len) = (una, first.len - covered);
                }
                break;
            }
            self.count(first.fate, first.len, false);
            self.total -= first.len;
            seen(&first);
            self.segments.pop_front();
        }
        if self.segments.is_empty() {
            self.segments = VecDeque::new();
        }
    }

    /// Says what has become of a segment.
    pub fn set_fate(&mut self, index: usize, fate: Fate) {
        let segment = &mut self.segments[index];
        let (old, len) = (std::mem::replace(&mut segment.fate, fate), segment.len);
        if fate == Fate::Lost {
            let seq = segment.seq;
            self.lost_from = Some(self.lost_from.map_or(seq, |from| from.min(seq)));
        }
        self.count(old, len, false);
        self.count(fate, len, true);
    }

    /// Notes that a segment was sent again.
    pub fn retransmitted(&mut self, index: usize, now: Instant) {
        self.set_fate(index, Fate::Retransmitted);
        let segment = &mut self.segments[index];
        segment.sent_at = now;
        segment.retransmissions = segment.retransmissions.saturating_add(1);
    }

    /// Takes everything that has not arrived for lost (RFC 6298 §5.4, after a timeout).
    pub fn all_lost(&mut self) {
        for index in 0..self.segments.len() {
            if self.segments[index].fate != Fate::Sacked {
                self.set_fate(index, Fate::Lost);
            }
        }
        self.left_network = 0;
    }

    /// Takes everything longer than `mss` bytes for lost; whether there was any (RFC 1191 §6.4).
    pub fn longer_lost(&mut self, mss: u32) -> bool {
        let mut any = false;
        for index in 0..self.segments.len() {
            let Sent { len, fin, fate, .. } = self.segments[index];
            if len - u32::from(fin) > mss && fate != Fate::Sacked {
                self.set_fate(index, Fate::Lost);
                any = true;
            }
        }
        any
    }

    /// Cuts a segment in two after `len` bytes, where it is longer.
    pub fn split(&mut self, index: usize, len: u32) {
        let segment = self.segments[index];
        if segment.len - u32::from(segment.fin) <= len {
            return;
        }
        let first = &mut self.segments[index];
        (first.len, first.fin) = (len, false);
        let rest = Sent { seq: segment.seq + len, len: segment.len - len, ..segment };
        self.segments.insert(index + 1, rest);
    }

    /// The first lost segment.
    pub fn first_lost(&mut self) -> Option<usize> {
        let from = self.lost_from.filter(|_| self.lost > 0)?;
        let start = self.segments.partition_point(|segment| segment.seq.lt(from));
        let mut rest = self.segments.range(start..);
        let index = start + rest.position(|segment| segment.fate == Fate::Lost)?;
        self.lost_from = Some(self.segments[index].seq);
        Some(index)
    }

    /// Sets how many bytes left the network beyond the gap, as duplicate ACKs tell.
    pub fn set_left_network(&mut self, bytes: u32) {
        self.left_network = bytes.min(self.total);
    }

    /// See [`Scoreboard::set_left_network`].
    pub fn left_network(&self) -> u32 {
        self.left_network
    }

    /// An estimate of the bytes in the network (RFC 6675 §4, "pipe").
    pub fn pipe(&self) -> u32 {
        self.total.saturating_sub(self.lost + self.sacked + self.left_network)
    }

    /// Bytes sent and not acknowledged ("FlightSize", RFC 5681 §2).
    pub fn flight(&self) -> u32 {
        self.total
    }

    /// The segments, oldest first.
    pub fn iter(&self) -> vec_deque::Iter<'_, Sent> {
        self.segments.iter()
    }

    /// A segment by its place.
    pub fn at(&self, index: usize) -> Option<&Sent> {
        self.segments.get(index)
    }

    /// How many segments there are.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether nothing is unacknowledged.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// How many segments are lost and were not sent again; how many retransmissions are on their
    /// way; how many have arrived.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        if self.lost + self.retransmitted + self.sacked > 0 {
            for segment in &self.segments {
                match segment.fate {
                    Fate::InFlight => {}
                    Fate::Sacked => tally.sacked += 1,
                    Fate::Lost => tally.lost += 1,
                    Fate::Retransmitted => tally.retransmitted += 1,
                }
            }
        }
        tally
    }

    /// Bytes of memory that the list holds.
    pub fn memory(&self) -> usize {
        self.segments.capacity() * size_of::<Sent>()
    }

    fn count(&mut self, fate: Fate, len: u32, add: bool) {
        let sum = match fate {
            Fate::InFlight => return,
            Fate::Sacked => &mut self.sacked,
            Fate::Lost => &mut self.lost,
            Fate::Retransmitted => &mut self.retransmitted,
        };
        *sum = if add { *sum + len } else { *sum - len };
    }
}

/// Segments by their fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Arrived beyond a gap.
    pub sacked: u32,
    /// Lost and not sent again yet.
    pub lost: u32,
    /// Sent again, and on their way.
    pub retransmitted: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Scoreboard {
        let mut board = Scoreboard::default();
        for i in 0..4 {
            // Across the wrap of sequence numbers.
            board.push(SeqNum(0xffff_ff00) + i * 100, 100, false, Instant::ZERO);
        }
        board
    }

    #[test]
    fn a_partly_acknowledged_segment_keeps_its_rest() {
        let mut board = board();
        let mut whole = 0;
        board.acknowledge(SeqNum(0xffff_ff00) + 150, |_| whole += 1);
        assert_eq!((whole, board.flight(), board.len()), (1, 250, 3));
        assert_eq!(board.at(0).map(|sent| sent.len), Some(50));
    }

    /// RFC 6675 §4: what is lost, or has arrived, is not in the pipe; a retransmission is.
    #[test]
    fn the_pipe_counts_what_is_in_the_network() {
        let mut board = board();
        board.set_fate(0, Fate::Lost);
        board.set_fate(2, Fate::Sacked);
        assert_eq!(board.pipe(), 200);
        board.retransmitted(0, Instant::ZERO);
        assert_eq!((board.pipe(), board.first_lost()), (300, None));
        board.all_lost();
        assert_eq!((board.pipe(), board.tally().lost), (0, 3));
    }

    #[test]
    fn a_split_segment_sums_to_the_same() {
        let mut board = Scoreboard::default();
        board.push(SeqNum(0), 1001, true, Instant::ZERO);
        assert!(board.longer_lost(400));
        board.split(0, 400);
        board.split(1, 400);
        let lens: Vec<_> = board.iter().map(|sent| (sent.len, sent.fin)).collect();
        assert_eq!(lens, [(400, false), (400, false), (201, true)]);
        assert_eq!((board.flight(), board.pipe()), (1001, 0));
    }
}
