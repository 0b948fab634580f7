//! What was sent and is not acknowledged yet, segment by segment.

use std::collections::VecDeque;
use std::collections::vec_deque;
use std::ops::{Deref, DerefMut};

use netdev::Instant;

use crate::SeqNum;

mod count;
mod order;
mod runs;
#[cfg(test)]
mod tests;

use order::Order;
use runs::Runs;

/// The segments between SND.UNA and SND.NXT, oldest first, with what is known of each.
///
/// Loss recovery writes it (which segments are lost), selective acknowledgments do (which have
/// arrived beyond a gap), output reads it (what to send again), and its sums say how much is in
/// flight. Nothing that one acknowledgment asks of it looks at the whole window.
///
/// While nothing is in flight it takes a pointer; what it can do is in [`Board`].
#[derive(Default)]
pub struct Scoreboard(Option<Box<Board>>);

/// A [`Scoreboard`] with something in it.
#[derive(Default)]
pub struct Board {
    segments: VecDeque<Sent>,
    /// Of all segments.
    total: u32,
    /// Of those of each fate, in the order of [`Fate`].
    sums: [Sum; 5],
    /// Bytes that duplicate ACKs said have left the network, no one knows which
    /// (RFC 6582; a peer without SACK).
    left_network: u32,
    /// No lost segment begins before this one, so that looking for the first need not begin at
    /// the front each time.
    lost_from: Option<SeqNum>,
    /// Which neighbours have arrived.
    runs: Runs,
    /// Segments by the time when they were sent last.
    order: Order,
    /// The end of the highest segment that was delivered, SACK or ACK (RFC 8985 §6.1: RACK.fack).
    fack: Option<SeqNum>,
    history: History,
}

/// What was sent, since there was last nothing in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Bytes, retransmissions too; wraps.
    pub bytes: u32,
    /// Retransmissions; wraps.
    pub retransmissions: u32,
    /// When the first retransmission was made since [`Board::forget_retransmissions`].
    pub first_retransmission: Option<Instant>,
}

/// Bytes and segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    bytes: u32,
    segments: u32,
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
    /// It was sent again though nobody takes it for lost: both are on their way (RFC 6675 §4,
    /// NextSeg (3)).
    Doubled,
}

impl Sent {
    /// The sequence number after its last.
    pub fn end(&self) -> SeqNum {
        self.seq + self.len
    }

    /// RFC 8985 §6.1, RACK_sent_after: whether it was sent after another, or with it and behind
    /// it.
    pub fn sent_after(&self, at: Instant, end: SeqNum) -> bool {
        self.sent_at > at || (self.sent_at == at && self.end().gt(end))
    }

    fn is_open(&self) -> bool {
        matches!(self.fate, Fate::InFlight | Fate::Retransmitted | Fate::Doubled)
    }
}

impl Scoreboard {
    /// See [`Board::acknowledge`].
    pub fn acknowledge(&mut self, una: SeqNum, seen: impl FnMut(&Sent)) {
        let Some(board) = &mut self.0 else { return };
        board.acknowledge(una, seen);
        if board.is_empty() {
            self.0 = None;
        }
    }

    /// See [`Board::first_lost`].
    pub fn first_lost(&mut self) -> Option<usize> {
        self.0.as_mut()?.first_lost()
    }

    /// See [`Board::oldest_sent`].
    pub fn oldest_sent(&mut self) -> Option<usize> {
        self.0.as_mut()?.oldest_sent()
    }

    /// See [`Board::sack`].
    pub fn sack(&mut self, left: SeqNum, right: SeqNum, seen: impl FnMut(&Sent)) {
        if let Some(board) = &mut self.0 {
            board.sack(left, right, seen);
        }
    }

    /// See [`Board::none_lost`].
    pub fn none_lost(&mut self) {
        if let Some(board) = &mut self.0 {
            board.none_lost();
        }
    }

    /// See [`Board::set_left_network`].
    pub fn set_left_network(&mut self, bytes: u32) {
        if let Some(board) = &mut self.0 {
            board.set_left_network(bytes);
        }
    }

    /// Bytes of memory that it holds beyond the pointer.
    pub fn memory(&self) -> usize {
        self.0.as_ref().map_or(0, |board| size_of::<Board>() + board.memory())
    }
}

impl Deref for Scoreboard {
    type Target = Board;
    fn deref(&self) -> &Board {
        static EMPTY: Board = Board::new();
        self.0.as_deref().unwrap_or(&EMPTY)
    }
}

impl DerefMut for Scoreboard {
    fn deref_mut(&mut self) -> &mut Board {
        self.0.get_or_insert_default()
    }
}

impl Board {
    const fn new() -> Board {
        let none = Sum { bytes: 0, segments: 0 };
        Board {
            segments: VecDeque::new(),
            total: 0,
            sums: [none; 5],
            left_network: 0,
            lost_from: None,
            runs: Runs::new(),
            order: Order::new(),
            fack: None,
            history: History { bytes: 0, retransmissions: 0, first_retransmission: None },
        }
    }

    /// Adds a segment that was just sent.
    pub fn push(&mut self, seq: SeqNum, len: u32, fin: bool, now: Instant) {
        let (retransmissions, fate) = (0, Fate::InFlight);
        let sent = Sent { seq, len, fin, sent_at: now, retransmissions, fate };
        self.total += len;
        self.count(fate, len, true);
        self.history.bytes = self.history.bytes.wrapping_add(len);
        self.segments.push_back(sent);
        self.note_sent(now, sent.end());
    }

    fn note_sent(&mut self, now: Instant, end: SeqNum) {
        self.order.push(now, end);
        // Loss recovery may have no use for the order and never look at it.
        if self.order.len() > 64 + 4 * self.segments.len() {
            let segments = &self.segments;
            self.order.retain(|at, end| find(segments, at, end).is_some());
        }
    }

    /// Takes off what `una` acknowledges; gives each segment that it covers wholly to `seen`. A
    /// segment that it covers in part keeps its rest.
    pub fn acknowledge(&mut self, una: SeqNum, mut seen: impl FnMut(&Sent)) {
        while let Some(&first) = self.segments.front() {
            if first.end().gt(una) {
                if first.seq.lt(una) {
                    let covered = una - first.seq;
                    self.count(first.fate, first.len, false);
                    self.count(first.fate, first.len - covered, true);
                    self.total -= covered;
                    let first = &mut self.segments[0];
                    (first.seq, first.len) = (una, first.len - covered);
                }
                break;
            }
            self.count(first.fate, first.len, false);
            self.total -= first.len;
            self.raise_fack(first.end());
            seen(&first);
            self.segments.pop_front();
        }
        self.runs.acknowledge(una);
    }

    /// The peer has `left..right`, beyond a gap (RFC 2018). Each segment that lies in it wholly
    /// and was not known to have arrived is given to `seen`. A segment that lies in it in part is
    /// left as it is: cutting it would let a peer make the list as long as it likes
    /// (CVE-2019-11477, CVE-2019-11478).
    pub fn sack(&mut self, left: SeqNum, right: SeqNum, mut seen: impl FnMut(&Sent)) {
        let mut at = left;
        while at.lt(right) {
            // What is in a run was looked at before; only the gaps between runs were not, and
            // each that is filled is one run less, so that all blocks together cost no more than
            // the segments that they tell of.
            let (past, next) = self.runs.around(at);
            at = at.max(past.unwrap_or(at));
            let gap_end = next.map_or(right, |next| next.min(right));
            let first = self.segments.partition_point(|segment| segment.seq.lt(at));
            let mut index = first;
            while let Some(&segment) = self.segments.get(index) {
                if segment.end().gt(gap_end) {
                    break;
                }
                if segment.fate != Fate::Sacked {
                    seen(&segment);
                    self.set_fate(index, Fate::Sacked);
                }
                index += 1;
            }
            if index > first {
                let (from, to) = (self.segments[first].seq, self.segments[index - 1].end());
                self.runs.add(from, to);
                self.raise_fack(to);
            }
            at = gap_end;
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

    /// Notes that a lost segment was sent again.
    pub fn retransmitted(&mut self, index: usize, now: Instant) {
        self.set_fate(index, Fate::Retransmitted);
        self.history.first_retransmission.get_or_insert(now);
        self.sent_again(index, now);
    }

    /// Notes that a segment was sent again that nobody takes for lost: a probe (RFC 8985 §7.3).
    pub fn probed(&mut self, index: usize, now: Instant) {
        self.sent_again(index, now);
    }

    fn sent_again(&mut self, index: usize, now: Instant) {
        let segment = &mut self.segments[index];
        segment.sent_at = now;
        segment.retransmissions = segment.retransmissions.saturating_add(1);
        let (end, len) = (segment.end(), segment.len);
        self.history.bytes = self.history.bytes.wrapping_add(len);
        self.history.retransmissions = self.history.retransmissions.wrapping_add(1);
        self.note_sent(now, end);
    }

    /// From now on [`History::first_retransmission`] is that of a new recovery.
    pub fn forget_retransmissions(&mut self) {
        self.history.first_retransmission = None;
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

    /// Nothing was lost after all: what was taken for lost is on its way.
    pub fn none_lost(&mut self) {
        if self.sum(Fate::Lost).segments == 0 {
            return;
        }
        for index in 0..self.segments.len() {
            if self.segments[index].fate == Fate::Lost {
                self.set_fate(index, Fate::InFlight);
            }
        }
        self.order = Order::of(self.segments.iter().filter(|sent| sent.is_open()));
    }

    /// Forgets every selective acknowledgment: the peer has dropped what it had told of, as it
    /// may ("reneging", RFC 2018 §8). All of it counts as lost.
    pub fn reneged(&mut self) {
        self.runs = Runs::default();
        for index in 0..self.segments.len() {
            if self.segments[index].fate == Fate::Sacked {
                self.set_fate(index, Fate::Lost);
            }
        }
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
        self.count(segment.fate, segment.len, false);
        self.count(segment.fate, len, true);
        self.count(segment.fate, rest.len, true);
    }

    /// The first lost segment.
    pub fn first_lost(&mut self) -> Option<usize> {
        let from = self.lost_from.filter(|_| self.sum(Fate::Lost).segments > 0)?;
        let start = self.segments.partition_point(|segment| segment.seq.lt(from));
        let mut rest = self.segments.range(start..);
        let index = start + rest.position(|segment| segment.fate == Fate::Lost)?;
        self.lost_from = Some(self.segments[index].seq);
        Some(index)
    }

    /// The segment on its way that was sent longest ago.
    pub fn oldest_sent(&mut self) -> Option<usize> {
        while let Some((at, end)) = self.order.first() {
            if let Some(index) = find(&self.segments, at, end) {
                return Some(index);
            }
            self.order.pop();
        }
        None
    }

    /// When the last transmission was made before one at `at` of a segment that ends at `end`.
    pub fn sent_before(&self, at: Instant, end: SeqNum) -> Option<Instant> {
        self.order.before(at, end)
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
        let gone = self.sum(Fate::Lost).bytes + self.sum(Fate::Sacked).bytes + self.left_network;
        (self.total + self.sum(Fate::Doubled).bytes).saturating_sub(gone)
    }

    /// Bytes sent and not acknowledged ("FlightSize", RFC 5681 §2).
    pub fn flight(&self) -> u32 {
        self.total
    }

    /// Bytes and segments that are not known to have arrived.
    pub(crate) fn awaited(&self) -> (u32, u32) {
        let sacked = self.sum(Fate::Sacked);
        (self.total - sacked.bytes, (self.segments.len() as u32).saturating_sub(sacked.segments))
    }

    /// The end of the highest segment that was delivered.
    pub fn fack(&self) -> Option<SeqNum> {
        self.fack
    }

    /// What was sent since there was last nothing in flight.
    pub fn history(&self) -> &History {
        &self.history
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
        Tally {
            sacked: self.sum(Fate::Sacked).segments,
            lost: self.sum(Fate::Lost).segments,
            retransmitted: self.sum(Fate::Retransmitted).segments
                + self.sum(Fate::Doubled).segments,
        }
    }

    /// Bytes of memory that the lists hold.
    pub fn memory(&self) -> usize {
        self.segments.capacity() * size_of::<Sent>() + self.runs.memory() + self.order.memory()
    }

    fn raise_fack(&mut self, end: SeqNum) {
        self.fack = Some(self.fack.map_or(end, |fack| fack.max(end)));
    }

    fn sum(&self, fate: Fate) -> Sum {
        self.sums[fate as usize]
    }

    fn count(&mut self, fate: Fate, len: u32, add: bool) {
        let sum = &mut self.sums[fate as usize];
        if add {
            (sum.bytes, sum.segments) = (sum.bytes + len, sum.segments + 1);
        } else {
            (sum.bytes, sum.segments) = (sum.bytes - len, sum.segments - 1);
        }
    }
}

/// The segment on its way whose last transmission this was: it ends there. (Its start moves when
/// a part of it is acknowledged.)
fn find(segments: &VecDeque<Sent>, at: Instant, end: SeqNum) -> Option<usize> {
    let index = segments.partition_point(|segment| segment.end().lt(end));
    let segment = segments.get(index)?;
    (segment.end() == end && segment.sent_at == at && segment.is_open()).then_some(index)
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
