//! The bytes that a program gave and the peer has not acknowledged.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use netdev::{CHUNK, Packet, give_chunk, take_chunk};

use crate::SeqNum;
use crate::records::Records;

/// The least that is allocated at once; the most is a [`CHUNK`], which is about a burst.
const LEAST: usize = 512;

/// Bytes from SND.UNA on, sent and not sent. Allocated as they come; of many connections most are
/// idle, and those hold a pointer.
///
/// They are written into chunks, once, and stay where they are until they are acknowledged. A
/// packet can share them ([`SendBuffer::share`]): what is in a chunk is not changed any more.
pub(crate) struct SendBuffer {
    held: Option<Box<Held>>,
    /// The sequence number of the first.
    start: SeqNum,
    /// How many it takes; `send_memory` says what counts.
    pub(crate) limit: usize,
    /// Where segments must not be joined.
    pub(crate) records: Records,
}

/// What is in a buffer that is not empty.
#[derive(Default)]
struct Held {
    /// Bytes that may be shared, oldest first.
    sealed: VecDeque<Piece>,
    /// The chunk that is being filled, behind them.
    open: BytesMut,
    /// Whether that is one of the pool's.
    pooled: bool,
    /// How many bytes there were before what is in `open`, acknowledged ones too.
    sealed_end: u64,
    /// How many were acknowledged.
    released: u64,
    /// How many of them lie in the oldest chunk, which is still there.
    stale: usize,
}

struct Piece {
    bytes: Bytes,
    /// How many bytes there were up to its last.
    end: u64,
    /// It is the last of its chunk.
    ends_chunk: bool,
}

impl Held {
    fn len(&self) -> usize {
        (self.sealed_end - self.released) as usize + self.open.len()
    }

    fn append(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let room = self.open.capacity() - self.open.len();
            if room == 0 {
                // Each chunk is as large as all before it, so that few bytes take little memory.
                let wanted = data.len().max(self.len()).max(LEAST).next_power_of_two();
                self.seal(self.open.len(), true);
                self.pooled = wanted >= CHUNK;
                self.open = match wanted {
                    CHUNK.. => take_chunk(),
                    less => BytesMut::with_capacity(less),
                };
                continue;
            }
            let (now, later) = data.split_at(room.min(data.len()));
            self.open.extend_from_slice(now);
            data = later;
        }
    }

    /// Makes the first `len` bytes of the open chunk ones that may be shared.
    fn seal(&mut self, len: usize, ends_chunk: bool) {
        if len > 0 {
            self.sealed_end += len as u64;
            let bytes = self.open.split_to(len).freeze();
            self.sealed.push_back(Piece { bytes, end: self.sealed_end, ends_chunk });
        } else if let Some(last) = self.sealed.back_mut().filter(|_| ends_chunk) {
            last.ends_chunk = true;
        }
    }

    /// The sealed bytes from place `from` on, `len` of them at most, in their pieces.
    fn pieces(&self, from: usize, len: usize) -> impl Iterator<Item = Bytes> {
        let from = self.released + from as u64;
        let to = from + len as u64;
        let first = self.sealed.partition_point(|piece| piece.end <= from);
        self.sealed.range(first..).map_while(move |piece| {
            let begin = piece.end - piece.bytes.len() as u64;
            let part = from.max(begin)..to.min(piece.end);
            (part.start < part.end).then(|| {
                piece.bytes.slice((part.start - begin) as usize..(part.end - begin) as usize)
            })
        })
    }

    /// Of the open chunk those from place `from` on, `len` of them at most.
    fn open_part(&self, from: usize, len: usize) -> &[u8] {
        let sealed = self.len() - self.open.len();
        let end = (from + len).saturating_sub(sealed).min(self.open.len());
        &self.open[from.saturating_sub(sealed).min(end)..end]
    }

    fn release(&mut self, len: usize) {
        self.released += len as u64;
        self.stale += len;
        while let Some(piece) = self.sealed.front_mut() {
            let begin = piece.end - piece.bytes.len() as u64;
            if piece.end > self.released {
                piece.bytes.advance(self.released.saturating_sub(begin) as usize);
                return;
            }
            let (end, ends_chunk) = (piece.end, piece.ends_chunk);
            let piece = self.sealed.pop_front();
            if let Some(piece) = piece.filter(|_| ends_chunk) {
                self.stale = (self.released - end) as usize;
                give_chunk(piece.bytes);
            }
        }
        self.open.advance((self.released - self.sealed_end) as usize);
        self.sealed_end = self.released;
    }

    fn memory(&self) -> usize {
        let pieces = self.sealed.capacity() * size_of::<Piece>();
        let bytes = self.stale + self.len() - self.open.len() + self.open.capacity();
        size_of::<Held>() + pieces + bytes
    }
}

impl SendBuffer {
    pub(crate) fn new(start: SeqNum, limit: usize) -> SendBuffer {
        SendBuffer { held: None, start, limit, records: Records::default() }
    }

    /// Takes as many bytes as fit.
    pub(crate) fn write(&mut self, data: &[u8]) -> usize {
        let len = data.len().min(self.free());
        self.append(&data[..len]);
        len
    }

    /// Takes bytes; that they fit is `send_memory`'s business.
    pub(crate) fn append(&mut self, data: &[u8]) {
        if !data.is_empty() {
            self.held.get_or_insert_default().append(data);
        }
    }

    /// Adds a copy of `len` bytes from `seq` on to a packet.
    pub(crate) fn copy(&self, seq: SeqNum, len: usize, packet: &mut Packet) {
        let Some(held) = &self.held else { return };
        let from = (seq - self.start) as usize;
        held.pieces(from, len).for_each(|piece| packet.append(&piece));
        packet.append(held.open_part(from, len));
    }

    /// Lets a packet share `len` bytes from `seq` on, at its end.
    pub(crate) fn share(&mut self, seq: SeqNum, len: usize, packet: &mut Packet) {
        let Some(held) = &mut self.held else { return };
        let from = (seq - self.start) as usize;
        let end = (from + len).min(held.len());
        let sealed = held.len() - held.open.len();
        held.seal(end.saturating_sub(sealed), false);
        held.pieces(from, len).for_each(|piece| packet.share(piece));
    }

    /// Lets go of what comes before `una`.
    pub(crate) fn acknowledge(&mut self, una: SeqNum) {
        if una.gt(self.start) {
            let len = ((una - self.start) as usize).min(self.len());
            if let Some(held) = &mut self.held {
                held.release(len);
            }
            if let Some(held) = self.held.take_if(|held| held.len() == 0)
                && held.pooled
            {
                give_chunk(held.open.freeze());
            }
            self.start += len as u32;
            self.records.acknowledge(una);
        }
    }

    /// The sequence number after the last byte.
    pub(crate) fn end(&self) -> SeqNum {
        self.start + self.len() as u32
    }

    pub(crate) fn free(&self) -> usize {
        self.limit.saturating_sub(self.len())
    }

    pub(crate) fn len(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.len())
    }

    /// Bytes of memory that it holds. Packets that share some may hold a chunk for longer.
    pub(crate) fn memory(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.memory()) + self.records.memory()
    }

    pub(crate) fn clear(&mut self) {
        self.start = self.end();
        self.held = None;
        self.records = Records::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn copied(buffer: &SendBuffer, seq: SeqNum, len: usize) -> Packet {
        let mut packet = Packet::with_capacity(0);
        buffer.copy(seq, len, &mut packet);
        packet
    }

    fn shared(buffer: &mut SendBuffer, seq: SeqNum, len: usize) -> Packet {
        let mut packet = Packet::with_capacity(0);
        buffer.share(seq, len, &mut packet);
        packet
    }

    #[test]
    fn what_is_acknowledged_makes_room_and_the_rest_keeps_its_numbers() {
        let start = SeqNum(u32::MAX - 3);
        let mut buffer = SendBuffer::new(start, 10);
        assert_eq!(buffer.write(b"0123456789ab"), 10);
        buffer.acknowledge(start + 6);
        assert_eq!(buffer.write(b"ABCDEFGH"), 6);
        assert_eq!(&copied(&buffer, start + 7, 8)[..], b"789ABCDE");
        assert_eq!(buffer.end(), start + 16);
    }

    #[test]
    fn an_empty_buffer_holds_no_memory() {
        let mut buffer = SendBuffer::new(SeqNum(0), 1 << 20);
        buffer.append(&[7; 200_000]);
        assert!((200_000..=300_000).contains(&buffer.memory()), "{}", buffer.memory());
        buffer.acknowledge(SeqNum(200_000));
        assert_eq!((buffer.len(), buffer.memory()), (0, 0));
    }

    #[test]
    fn few_bytes_take_little_memory() {
        let mut buffer = SendBuffer::new(SeqNum(0), 1 << 20);
        for _ in 0..1000 {
            buffer.append(b"x");
        }
        assert!(buffer.memory() < 3000, "{}", buffer.memory());
    }

    #[test]
    fn what_is_shared_is_not_copied_and_outlives_its_acknowledgment() {
        let mut buffer = SendBuffer::new(SeqNum(0), 1 << 20);
        buffer.append(&[1; 30_000]);
        let (first, again) = (shared(&mut buffer, SeqNum(0), 20_000), &buffer.held);
        let sealed = &again.as_ref().unwrap().sealed[0].bytes;
        assert_eq!(first.parts().nth(1).unwrap().as_ptr(), sealed.as_ptr());
        buffer.append(&[2; 30_000]);
        buffer.acknowledge(SeqNum(60_000));
        assert!(first[..] == [1; 20_000]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Append(usize),
        Acknowledge(usize),
        Look { from: usize, len: usize, share: bool },
    }

    fn step() -> impl Strategy<Value = Step> {
        let size = prop_oneof![1usize..40, 1usize..100_000];
        prop_oneof![
            size.clone().prop_map(Step::Append),
            size.clone().prop_map(Step::Acknowledge),
            (size.clone(), size, any::<bool>()).prop_map(|(from, len, share)| Step::Look {
                from,
                len,
                share
            }),
        ]
    }

    proptest! {
        /// Against a plain vector.
        #[test]
        fn the_bytes_are_those_that_were_written(
            start: u32,
            steps in prop::collection::vec(step(), 1..40),
        ) {
            let mut buffer = SendBuffer::new(SeqNum(start), usize::MAX);
            let mut model: Vec<u8> = Vec::new();
            let (mut written, mut una) = (0u32, SeqNum(start));
            for step in steps {
                match step {
                    Step::Append(len) => {
                        let data: Vec<u8> =
                            (written..written + len as u32).map(|n| (n % 251) as u8).collect();
                        written += len as u32;
                        buffer.append(&data);
                        model.extend(data);
                    }
                    Step::Acknowledge(len) => {
                        let len = len.min(model.len());
                        una += len as u32;
                        buffer.acknowledge(una);
                        model.drain(..len);
                    }
                    Step::Look { from, len, share } => {
                        let from = from % (model.len() + 1);
                        let len = len.min(model.len() - from);
                        let seq = una + from as u32;
                        let seen = match share {
                            true => shared(&mut buffer, seq, len),
                            false => copied(&buffer, seq, len),
                        };
                        prop_assert!(seen[..] == model[from..from + len]);
                    }
                }
                prop_assert_eq!(buffer.len(), model.len());
                prop_assert_eq!(buffer.end(), una + model.len() as u32);
                prop_assert!(buffer.memory() >= model.len());
                prop_assert!(buffer.memory() <= 2 * model.len() + 2 * CHUNK + 40 * size_of::<Piece>() * 64);
            }
        }
    }
}
