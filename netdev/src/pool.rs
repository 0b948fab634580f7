//! Where packet buffers come from and go back to.
//!
//! A free list a thread for each size class: no lock, no handle to carry about, and a bound on
//! what lies idle. A buffer that is freed on another thread simply joins that thread's list.

use std::cell::RefCell;

/// Bytes in a buffer of each class, and how many a thread keeps. The classes are a full Ethernet
/// frame, a jumbo frame, and the largest IP datagram, each with headroom.
const CLASSES: [(usize, usize); 3] = [(2 << 10, 1024), (16 << 10, 32), (68 << 10, 64)];

thread_local! {
    static FREE: RefCell<[Vec<Vec<u8>>; CLASSES.len()]> = const { RefCell::new([const { Vec::new() }; 3]) };
}

/// A buffer of at least `len` bytes, content unspecified (old packets or zeros).
pub(crate) fn take(len: usize) -> Vec<u8> {
    let Some(class) = CLASSES.iter().position(|(size, _)| len <= *size) else {
        return vec![0; len];
    };
    FREE.try_with(|free| free.borrow_mut()[class].pop())
        .ok()
        .flatten()
        .unwrap_or_else(|| vec![0; CLASSES[class].0])
}

/// Takes a buffer back; one of no class, or too many of one, goes to the allocator.
pub(crate) fn give(buffer: Vec<u8>) {
    let Some(class) = CLASSES.iter().position(|(size, _)| buffer.len() == *size) else { return };
    // A thread that is ending has no list any more, which is as good as a full one.
    let _ = FREE.try_with(|free| {
        let list = &mut free.borrow_mut()[class];
        if list.len() < CLASSES[class].1 {
            list.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_the_list_is_bounded() {
        let buffer = take(100);
        let place = buffer.as_ptr();
        give(buffer);
        let again = take(1500);
        assert_eq!(again.as_ptr(), place, "the same class gives the same buffer");
        give(again);
        let many: Vec<_> = (0..2000).map(|_| take(100)).collect();
        many.into_iter().for_each(give);
        assert_eq!(FREE.with(|free| free.borrow()[0].len()), CLASSES[0].1);
    }

    #[test]
    fn a_size_beyond_all_classes_is_served_and_not_kept() {
        let buffer = take(1 << 20);
        assert_eq!(buffer.len(), 1 << 20);
        give(buffer);
    }
}
