//! The bytes between a program and its connection.

use std::collections::VecDeque;

use netdev::Packet;

use crate::SeqNum;
use crate::records::Records;

/// Bytes that come at the back and go at the front. Of many connections most are idle: those hold
/// nothing, not even an empty queue.
#[derive(Default)]
#[allow(clippy::box_collection)] // An empty VecDeque is 24 bytes more, twice in each connection.
struct Bytes(Option<Box<VecDeque<u8>>>);

impl Bytes {
    fn push(&mut self, data: &[u8]) {
        if !data.is_empty() {
            self.0.get_or_insert_default().extend(data);
        }
    }

    fn drop_front(&mut self, len: usize) {
        if let Some(bytes) = &mut self.0 {
            bytes.drain(..len);
        }
        self.0.take_if(|bytes| bytes.is_empty());
    }

    /// The bytes from place `from` on, `len` of them at most; they may lie in two pieces.
    fn pieces(&self, from: usize, len: usize) -> (&[u8], &[u8]) {
        let (first, second) = self.0.as_ref().map_or((&[][..], &[][..]), |bytes| bytes.as_slices());
        let part = |piece: &[u8], from: usize, len: usize| {
            let from = from.min(piece.len());
            from..(from + len).min(piece.len())
        };
        let in_first = part(first, from, len);
        let in_second = part(second, from.saturating_sub(first.len()), len - in_first.len());
        (&first[in_first], &second[in_second])
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |bytes| bytes.len())
    }

    fn memory(&self) -> usize {
        self.0.as_ref().map_or(0, |bytes| size_of::<VecDeque<u8>>() + bytes.capacity())
    }
}

/// Bytes that the user gave and the peer has not acknowledged. Allocated as they come.
pub(crate) struct SendBuffer {
    bytes: Bytes,
    /// The sequence number of the first.
    start: SeqNum,
    /// How many it takes; `send_memory` says what counts.
    pub(crate) limit: usize,
    /// Where segments must not be joined.
    pub(crate) records: Records,
}

impl SendBuffer {
    pub(crate) fn new(start: SeqNum, limit: usize) -> SendBuffer {
        SendBuffer { bytes: Bytes::default(), start, limit, records: Records::default() }
    }

    /// Takes as many bytes as fit.
    pub(crate) fn write(&mut self, data: &[u8]) -> usize {
        let len = data.len().min(self.free());
        self.append(&data[..len]);
        len
    }

    /// Takes bytes; that they fit is `send_memory`'s business.
    pub(crate) fn append(&mut self, data: &[u8]) {
        self.bytes.push(data);
    }

    /// Adds `len` bytes from `seq` on to a packet.
    pub(crate) fn copy(&self, seq: SeqNum, len: usize, packet: &mut Packet) {
        let (first, second) = self.bytes.pieces((seq - self.start) as usize, len);
        packet.append(first);
        packet.append(second);
    }

    /// Lets go of what comes before `una`.
    pub(crate) fn acknowledge(&mut self, una: SeqNum) {
        if una.gt(self.start) {
            let len = ((una - self.start) as usize).min(self.bytes.len());
            self.bytes.drop_front(len);
            self.start += len as u32;
            self.records.acknowledge(una);
        }
    }

    /// The sequence number after the last byte.
    pub(crate) fn end(&self) -> SeqNum {
        self.start + self.bytes.len() as u32
    }

    pub(crate) fn free(&self) -> usize {
        self.limit.saturating_sub(self.bytes.len())
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn memory(&self) -> usize {
        self.bytes.memory() + self.records.memory()
    }

    pub(crate) fn clear(&mut self) {
        self.start = self.end();
        self.bytes = Bytes::default();
        self.records = Records::default();
    }
}

/// Bytes that came in order and the user has not read. Allocated as they come; that they do not
/// exceed a limit is the receive window's business.
#[derive(Default)]
pub(crate) struct ReceiveBuffer {
    bytes: Bytes,
}

impl ReceiveBuffer {
    pub(crate) fn push(&mut self, data: &[u8]) {
        self.bytes.push(data);
    }

    /// Copies bytes out from the front, and takes them away unless `peek`.
    pub(crate) fn read(&mut self, to: &mut [u8], peek: bool) -> usize {
        let len = self.peek(0, to);
        if !peek {
            self.skip(len);
        }
        len
    }

    /// Copies bytes out from place `from` on.
    pub(crate) fn peek(&self, from: usize, to: &mut [u8]) -> usize {
        let (first, second) = self.bytes.pieces(from, to.len());
        let (to_first, rest) = to.split_at_mut(first.len());
        to_first.copy_from_slice(first);
        rest[..second.len()].copy_from_slice(second);
        first.len() + second.len()
    }

    /// Takes bytes away from the front.
    pub(crate) fn skip(&mut self, len: usize) {
        self.bytes.drop_front(len);
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn memory(&self) -> usize {
        self.bytes.memory()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes = Bytes::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_acknowledged_makes_room_and_the_rest_keeps_its_numbers() {
        let start = SeqNum(u32::MAX - 3);
        let mut buffer = SendBuffer::new(start, 10);
        assert_eq!(buffer.write(b"0123456789ab"), 10);
        buffer.acknowledge(start + 6);
        assert_eq!(buffer.write(b"ABCDEFGH"), 6);
        // Ring storage: the bytes lie in two pieces.
        let mut packet = Packet::with_capacity(10);
        buffer.copy(start + 7, 8, &mut packet);
        assert_eq!(&packet[..], b"789ABCDE");
        assert_eq!(buffer.end(), start + 16);
    }

    #[test]
    fn an_empty_buffer_holds_no_memory() {
        let mut buffer = ReceiveBuffer::default();
        buffer.push(&[7; 100_000]);
        let mut out = vec![0; 100_000];
        assert_eq!((buffer.read(&mut out, true), buffer.len()), (100_000, 100_000));
        assert_eq!((buffer.read(&mut out, false), buffer.memory()), (100_000, 0));
        assert!(out.iter().all(|&byte| byte == 7));
    }
}
