//! The bytes between a program and its connection.

use std::collections::VecDeque;

use netdev::Packet;

use crate::SeqNum;
use crate::records::Records;

/// Bytes that the user gave and the peer has not acknowledged. Allocated as they come.
pub(crate) struct SendBuffer {
    bytes: VecDeque<u8>,
    /// The sequence number of the first.
    start: SeqNum,
    /// How many it takes; `send_memory` says what counts.
    pub(crate) limit: usize,
    /// Where segments must not be joined.
    pub(crate) records: Records,
}

impl SendBuffer {
    pub(crate) fn new(start: SeqNum, limit: usize) -> SendBuffer {
        SendBuffer { bytes: VecDeque::new(), start, limit, records: Records::default() }
    }

    /// Takes as many bytes as fit.
    pub(crate) fn write(&mut self, data: &[u8]) -> usize {
        let len = data.len().min(self.free());
        self.append(&data[..len]);
        len
    }

    /// Takes bytes; that they fit is `send_memory`'s business.
    pub(crate) fn append(&mut self, data: &[u8]) {
        self.bytes.extend(data);
    }

    /// Adds `len` bytes from `seq` on to a packet.
    pub(crate) fn copy(&self, seq: SeqNum, len: usize, packet: &mut Packet) {
        let from = (seq - self.start) as usize;
        let (first, second) = self.bytes.as_slices();
        let in_first = first.len().saturating_sub(from).min(len);
        if in_first > 0 {
            packet.append(&first[from..from + in_first]);
        }
        if in_first < len {
            let from = (from + in_first) - first.len();
            packet.append(&second[from..from + len - in_first]);
        }
    }

    /// Lets go of what comes before `una`.
    pub(crate) fn acknowledge(&mut self, una: SeqNum) {
        if una.gt(self.start) {
            let len = ((una - self.start) as usize).min(self.bytes.len());
            self.bytes.drain(..len);
            self.start += len as u32;
            self.records.acknowledge(una);
        }
        if self.bytes.is_empty() {
            // Of many connections most are idle: those hold nothing.
            self.bytes = VecDeque::new();
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
        self.bytes.capacity() + self.records.memory()
    }

    pub(crate) fn clear(&mut self) {
        self.start = self.end();
        self.bytes = VecDeque::new();
        self.records = Records::default();
    }
}

/// Bytes that came in order and the user has not read. Allocated as they come; that they do not
/// exceed a limit is the receive window's business.
#[derive(Default)]
pub(crate) struct ReceiveBuffer {
    bytes: VecDeque<u8>,
}

impl ReceiveBuffer {
    pub(crate) fn push(&mut self, data: &[u8]) {
        self.bytes.extend(data);
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
        let len = to.len().min(self.bytes.len().saturating_sub(from));
        let (first, second) = self.bytes.as_slices();
        let in_first = first.len().saturating_sub(from).min(len);
        if in_first > 0 {
            to[..in_first].copy_from_slice(&first[from..from + in_first]);
        }
        if in_first < len {
            let from = from + in_first - first.len();
            to[in_first..len].copy_from_slice(&second[from..from + len - in_first]);
        }
        len
    }

    /// Takes bytes away from the front.
    pub(crate) fn skip(&mut self, len: usize) {
        self.bytes.drain(..len);
        if self.bytes.is_empty() {
            self.bytes = VecDeque::new();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes = VecDeque::new();
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
