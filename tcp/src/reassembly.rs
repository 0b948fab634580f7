//! Data that came ahead of a gap (RFC 9293 §3.10.7.4, SHLD-31): a swap point.

use crate::parts::Part;

mod ordered;

pub use ordered::Ordered;

/// Keeps what arrived out of order until the gap before it is filled.
///
/// Places in the stream are counted in bytes from its start, in 64 bits, so nothing wraps.
pub trait Reassembly: Send {
    /// Keeps `data`, which begins at `at`; what is there already stays as it came first. How many
    /// new bytes were kept: fewer than there are, where they were there or there is no room.
    fn insert(&mut self, at: u64, data: &[u8]) -> usize;

    /// Gives, piece by piece, what follows `at` without a gap, and forgets what lies before.
    /// Returns the place after it.
    fn take(&mut self, at: u64, to: &mut dyn FnMut(&[u8])) -> u64;

    /// The ranges that are there, the one that grew last first, for SACK (RFC 2018 §4).
    fn ranges(&self) -> Vec<(u64, u64)>;

    /// The range in which `at` lies: what the acknowledgment of a segment there reports
    /// (RFC 2018 §4). Asked for each segment that comes out of order.
    fn around(&self, at: u64) -> Option<(u64, u64)> {
        self.ranges().into_iter().find(|range| (range.0..range.1).contains(&at))
    }

    /// Whether nothing is kept.
    fn is_empty(&self) -> bool;

    /// Bytes that are kept.
    fn len(&self) -> usize;

    /// Bytes of memory that they take.
    fn memory(&self) -> usize;

    /// Forgets everything.
    fn clear(&mut self);
}

/// The ways to do it, the default first.
pub static REASSEMBLIES: &[Part<dyn Reassembly>] = &[
    Part {
        name: "ordered",
        about: "ranges in an ordered map, linear under any order",
        make: |config| Box::new(Ordered::new(config.reassembly_limit)),
    },
    Part {
        name: "none",
        about: "keeps nothing, so that all after a gap is sent again, for teaching",
        make: |_| Box::new(GoBackN),
    },
];

/// Keeps nothing: the sender has to go back to the gap.
struct GoBackN;

impl Reassembly for GoBackN {
    fn insert(&mut self, _at: u64, _data: &[u8]) -> usize {
        0
    }

    fn take(&mut self, at: u64, _to: &mut dyn FnMut(&[u8])) -> u64 {
        at
    }

    fn ranges(&self) -> Vec<(u64, u64)> {
        Vec::new()
    }

    fn is_empty(&self) -> bool {
        true
    }

    fn len(&self) -> usize {
        0
    }

    fn memory(&self) -> usize {
        0
    }

    fn clear(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn going_back_keeps_nothing_and_says_so() {
        let mut none = GoBackN;
        assert_eq!(none.insert(5, b"ahead"), 0);
        assert_eq!((none.ranges(), none.around(5)), (vec![], None));
        assert_eq!((none.is_empty(), none.len(), none.memory()), (true, 0, 0));
        assert_eq!(none.take(3, &mut |bytes| panic!("{bytes:?}")), 3);
    }
}
