//! Where the large pieces of send buffers come from and go back to.
//!
//! They are filled on the thread of a program and let go of on that of the event loop, where the
//! acknowledgments come in. So there is one list for all threads; its lock is taken once in
//! [`CHUNK`] bytes. The allocator would give such pieces back to the system each time, and the
//! system would clear them before it gives them again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// Bytes in a chunk.
pub const CHUNK: usize = 64 << 10;

/// How many lie idle at most: as much as one connection may hold.
const IDLE: usize = 64;

static FREE: Mutex<Vec<BytesMut>> = Mutex::new(Vec::new());

/// An empty chunk.
pub fn take_chunk() -> BytesMut {
    free().pop().unwrap_or_else(|| BytesMut::with_capacity(CHUNK))
}

/// Takes a chunk back, of which `bytes` are the last that anybody used; where somebody else still
/// holds some of it, or it was none, it goes to the allocator in its time.
pub fn give_chunk(bytes: Bytes) {
    let Ok(mut chunk) = bytes.try_into_mut() else { return };
    chunk.clear();
    if chunk.try_reclaim(CHUNK) {
        let mut free = free();
        if free.len() < IDLE {
            free.push(chunk);
        }
    }
}

fn free() -> MutexGuard<'static, Vec<BytesMut>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_comes_back_whole_from_its_last_bytes() {
        let mut chunk = take_chunk();
        assert!(chunk.is_empty() && chunk.capacity() >= CHUNK);
        chunk.extend_from_slice(&[7; 1000]);
        let first = chunk.split_to(900).freeze();
        let last = chunk.freeze();
        // While the first bytes are in use it cannot come back.
        give_chunk(last.clone());
        drop(first);
        give_chunk(last);
        assert!(take_chunk().capacity() >= CHUNK);
    }

    #[test]
    fn what_is_no_chunk_is_not_kept() {
        give_chunk(Bytes::from(vec![1; 100]));
        give_chunk(Bytes::from_static(b"static"));
        (0..2 * IDLE).map(|_| take_chunk()).collect::<Vec<_>>().into_iter().for_each(
            |mut chunk| {
                chunk.extend_from_slice(b"used");
                give_chunk(chunk.freeze());
            },
        );
        assert!(free().iter().all(|chunk| chunk.capacity() >= CHUNK));
        assert!(free().len() <= IDLE);
    }
}
