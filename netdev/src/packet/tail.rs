//! The bytes at a packet's end that it does not own alone.

use std::sync::OnceLock;

use bytes::Bytes;

/// Slices of a send buffer, one after the other.
#[derive(Default)]
pub(super) struct Tail {
    pieces: Vec<Bytes>,
    len: usize,
    /// The whole packet in one piece, for a reader that wanted it so.
    whole: OnceLock<Vec<u8>>,
}

impl Tail {
    pub(super) fn push(&mut self, piece: Bytes) {
        self.forget_whole();
        self.len += piece.len();
        self.pieces.push(piece);
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(|piece| &piece[..])
    }

    /// `front` and the pieces behind it as one slice.
    pub(super) fn whole(&self, front: &[u8]) -> &[u8] {
        self.whole.get_or_init(|| {
            let mut whole = Vec::with_capacity(front.len() + self.len);
            whole.extend_from_slice(front);
            self.pieces().for_each(|piece| whole.extend_from_slice(piece));
            whole
        })
    }

    pub(super) fn forget_whole(&mut self) {
        self.whole.take();
    }
}

impl Clone for Tail {
    fn clone(&self) -> Tail {
        Tail { pieces: self.pieces.clone(), len: self.len, whole: OnceLock::new() }
    }
}
