//! The bytes that came in order and wait for the program.

use std::collections::VecDeque;

/// Bytes that come at the back and go at the front. Of many connections most are idle: those hold
/// nothing, not even an empty queue.
#[derive(Default)]
#[allow(clippy::box_collection)] // An empty VecDeque is 24 bytes more, in each connection.
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
    fn an_empty_buffer_holds_no_memory() {
        let mut buffer = ReceiveBuffer::default();
        buffer.push(&[7; 100_000]);
        let mut out = vec![0; 100_000];
        assert_eq!((buffer.read(&mut out, true), buffer.len()), (100_000, 100_000));
        assert_eq!((buffer.read(&mut out, false), buffer.memory()), (100_000, 0));
        assert!(out.iter().all(|&byte| byte == 7));
    }
}
