//! The receive sequence space (RFC 9293 §3.3.1, figure 4): what came, and the window for more.

use crate::options::MAX_WINDOW_SCALE;
use crate::receive_buffer::ReceiveBuffer;
use crate::urgent::Mark;
use crate::{Config, Reassembly, SeqNum};

/// What was received, and how much more may come.
pub(crate) struct ReceiveSpace {
    pub(crate) irs: SeqNum,
    pub(crate) nxt: SeqNum,
    /// Bytes that came in order: the place of RCV.NXT in the stream.
    pub(crate) position: u64,
    /// RCV.NXT + RCV.WND as the peer knows it. It never moves to the left (RFC 9293 §3.8.6.2.2,
    /// SHLD-14).
    edge: SeqNum,
    /// The shift of our windows.
    pub(crate) scale: u8,
    /// In order and not read.
    pub(crate) buffer: ReceiveBuffer,
    /// Ahead of a gap.
    pub(crate) reassembly: Box<dyn Reassembly>,
    /// How many bytes both may have.
    pub(crate) limit: usize,
    /// Where the stream ends, where a FIN came ahead of a gap.
    pub(crate) fin: Option<SeqNum>,
    /// The FIN was taken in order: nothing follows.
    pub(crate) closed: bool,
    /// The user reads no more: what comes is acknowledged whether there is room for it or not.
    pub(crate) shut: bool,
    /// And there was none: what comes is dropped.
    dropping: bool,
    /// The size of the peer's segments, as far as was seen.
    pub(crate) mss: u32,
    /// The urgent byte that was announced (RFC 9293 §3.8.5): few connections have one.
    pub(crate) urgent: Option<Box<Mark>>,
}

/// What became of a piece of text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Placed {
    /// It was next.
    InOrder,
    /// It was next, and what waited behind it as well.
    FilledGap,
    /// It waits for others.
    OutOfOrder,
    /// It would have to, and there is no memory for it.
    NoRoom,
}

impl ReceiveSpace {
    pub(crate) fn new(config: &Config, limit: usize) -> ReceiveSpace {
        ReceiveSpace {
            irs: SeqNum(0),
            nxt: SeqNum(0),
            position: 0,
            edge: SeqNum(0),
            scale: 0,
            buffer: ReceiveBuffer::default(),
            reassembly: (config.reassembly.make)(config),
            limit,
            fin: None,
            closed: false,
            shut: false,
            dropping: false,
            mss: u32::from(config.default_mss),
            urgent: None,
        }
    }

    /// The shift that a SYN offers: enough for the largest buffer (RFC 7323 §2.3).
    pub(crate) fn offered_scale(config: &Config, limit: usize) -> u8 {
        let largest = config.receive_buffer.max.max(limit);
        (0..MAX_WINDOW_SCALE).find(|shift| largest >> shift <= 65_535).unwrap_or(MAX_WINDOW_SCALE)
    }

    /// The peer's SYN came.
    pub(crate) fn synchronize(&mut self, irs: SeqNum) {
        self.irs = irs;
        self.nxt = irs + 1;
        self.edge = self.nxt;
    }

    /// RCV.WND.
    pub(crate) fn window(&self) -> u32 {
        if self.edge.gt(self.nxt) { self.edge - self.nxt } else { 0 }
    }

    /// Bytes for which there is room.
    pub(crate) fn free(&self) -> usize {
        self.limit.saturating_sub(self.buffer.len() + self.reassembly.len())
    }

    /// The window that would be offered now, where that can be chosen freely.
    ///
    /// Receiver's silly window avoidance (RFC 9293 §3.8.6.2.2): the right edge stays until it can
    /// move by a segment, or by half the buffer.
    pub(crate) fn next_window(&self, pressure: bool) -> u32 {
        let current = self.window();
        let most = 65_535usize << self.scale;
        // Little memory is left: what was promised is kept, and beyond that a few segments, which
        // every connection needs to get on at all.
        let most = if pressure { most.min(self.few()) } else { most };
        let free = (self.free().min(most) as u32) >> self.scale << self.scale;
        let step = self.mss.min((self.limit / 2) as u32);
        if free < current.saturating_add(step) { current } else { free }
    }

    /// What is left of four segments, as Linux has it.
    fn few(&self) -> usize {
        (4 * self.mss as usize).saturating_sub(self.buffer.len() + self.reassembly.len())
    }

    /// RFC 9293 §3.8.6.2.2: the user made room; whether the peer is to be told though there is
    /// nothing else to tell it, which is worth a segment when the window at least doubles, as Linux
    /// has it. Between that, data's acknowledgments tell it.
    pub(crate) fn update_is_due(&self, pressure: bool) -> bool {
        let (current, next) = (self.window(), self.next_window(pressure));
        next > current && next >= current.saturating_mul(2)
    }

    /// Chooses the window to offer, moves the edge, and gives the field of the header.
    pub(crate) fn offer(&mut self, pressure: bool) -> u16 {
        let window = self.next_window(pressure);
        // Rounded up, since rounding down would move the edge to the left.
        let field = (window + ((1 << self.scale) - 1)) >> self.scale;
        let field = field.min(65_535) as u16;
        self.edge = self.edge.max(self.nxt + (u32::from(field) << self.scale));
        field
    }

    /// The same for a SYN, whose window is never scaled (RFC 7323 §2.2).
    pub(crate) fn offer_on_syn(&mut self) -> u16 {
        let field = self.free().min(65_535) as u16;
        self.edge = self.edge.max(self.nxt + u32::from(field));
        field
    }

    /// The place in the stream of a sequence number that is not before RCV.NXT.
    pub(crate) fn place(&self, seq: SeqNum) -> u64 {
        self.position + u64::from(seq - self.nxt)
    }

    /// Takes text that lies within the window.
    pub(crate) fn text(&mut self, seq: SeqNum, data: &[u8], exhausted: bool) -> Placed {
        if seq != self.nxt {
            // Many small pieces take more memory than bytes; they have as much again as the
            // buffer. What is not acknowledged may be dropped (RFC 2018 §8 even then).
            if exhausted || self.reassembly.memory() > 2 * self.limit {
                return Placed::NoRoom;
            }
            let place = self.place(seq);
            self.reassembly.insert(place, data);
            return Placed::OutOfOrder;
        }
        self.deliver(data);
        if self.reassembly.is_empty() {
            return Placed::InOrder;
        }
        self.drain();
        Placed::FilledGap
    }

    /// Keeps text until the connection is there (RFC 9293 §3.10.7.2: "queued for processing
    /// later").
    pub(crate) fn queue(&mut self, seq: SeqNum, data: &[u8], fin: bool) {
        let place = self.place(seq);
        if !data.is_empty() {
            self.reassembly.insert(place, data);
        }
        if fin {
            self.fin = Some(seq + data.len() as u32);
        }
    }

    /// Takes what was queued and is next.
    pub(crate) fn drain(&mut self) {
        let (buffer, dropping) = (&mut self.buffer, self.dropping);
        let after = self.reassembly.take(self.position, &mut |bytes| {
            if !dropping {
                buffer.push(bytes);
            }
        });
        self.nxt += (after - self.position) as u32;
        self.position = after;
        self.drop_unread();
    }

    fn deliver(&mut self, data: &[u8]) {
        if !self.dropping {
            self.buffer.push(data);
        }
        self.nxt += data.len() as u32;
        self.position += data.len() as u64;
        self.drop_unread();
    }

    /// The user reads no more; what there is can still be read, as on Linux. Whether that made
    /// room.
    pub(crate) fn shut(&mut self) -> bool {
        let before = self.buffer.len();
        self.shut = true;
        self.drop_unread();
        self.buffer.len() < before
    }

    /// Where nobody has to read, what is unread must not shut the window for ever.
    fn drop_unread(&mut self) {
        if self.shut && !self.dropping && self.buffer.len() > self.limit / 2 {
            self.dropping = true;
            self.urgent = None;
            self.buffer.clear();
        }
    }

    /// Where the user has read up to.
    pub(crate) fn consumed(&self) -> u64 {
        self.position - self.buffer.len() as u64
    }

    pub(crate) fn memory(&self) -> usize {
        self.buffer.memory() + self.reassembly.memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(limit: usize) -> ReceiveSpace {
        let mut receive = ReceiveSpace::new(&Config::default(), limit);
        receive.mss = 1000;
        receive.synchronize(SeqNum(u32::MAX));
        receive
    }

    /// RFC 9293 §3.8.6.2.2.
    #[test]
    fn the_window_opens_by_a_segment_and_never_shrinks() {
        let mut rcv = receive(10_000);
        assert_eq!(rcv.offer(false), 10_000);
        rcv.text(SeqNum(0), &[1; 10_000], false);
        assert_eq!(rcv.offer(false), 0);
        rcv.buffer.read(&mut [0; 999], false);
        assert_eq!(rcv.offer(false), 0, "silly");
        rcv.buffer.read(&mut [0; 1], false);
        assert_eq!(rcv.offer(false), 1000);
        rcv.limit = 100;
        assert_eq!(rcv.offer(false), 1000, "never to the left");
    }

    /// Short of memory: a few segments at a time, but never less than was offered.
    #[test]
    fn under_pressure_windows_shrink_to_a_few_segments() {
        let mut rcv = receive(100_000);
        assert_eq!(rcv.offer(true), 4000);
        rcv.text(SeqNum(0), &[1; 3000], false);
        assert_eq!(rcv.offer(true), 1000);
        rcv.buffer.read(&mut [0; 3000], false);
        assert_eq!(rcv.offer(true), 4000);
        assert_eq!(rcv.offer(false), 65_535);
        assert_eq!(rcv.offer(true), 65_535, "never to the left");
    }

    #[test]
    fn a_scaled_window_keeps_the_edge_too() {
        let mut rcv = receive(1 << 20);
        rcv.scale = 7;
        let edge = |rcv: &ReceiveSpace| rcv.nxt + rcv.window();
        let field = rcv.offer(false);
        assert_eq!(u32::from(field) << 7, 1 << 20);
        let before = edge(&rcv);
        rcv.text(SeqNum(0), &[1; 77], false);
        rcv.offer(false);
        assert!(edge(&rcv).ge(before));
    }

    #[test]
    fn the_scale_is_large_enough_for_the_largest_buffer() {
        let config = Config::default();
        assert_eq!(ReceiveSpace::offered_scale(&config, 0), 8);
    }

    #[test]
    fn text_after_a_gap_waits_for_it() {
        let mut rcv = receive(10_000);
        rcv.offer(false);
        assert_eq!(rcv.text(SeqNum(3), b"def", false), Placed::OutOfOrder);
        assert_eq!(rcv.text(SeqNum(0), b"abc", false), Placed::FilledGap);
        let mut out = [0; 10];
        assert_eq!((rcv.buffer.read(&mut out, false), rcv.nxt, rcv.position), (6, SeqNum(6), 6));
        assert_eq!(&out[..6], b"abcdef");
    }
}
