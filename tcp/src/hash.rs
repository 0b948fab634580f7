//! Keyed hashes: what an outsider must not guess, and tables that an outsider must not unbalance.
//!
//! Keys come from the seed that the stack is made with, so a run with the same seed is the same
//! run, down to the order of a table.

use std::hash::{BuildHasher, Hash, Hasher};

use siphasher::sip::SipHasher13;

/// A key of SipHash-1-3, and the hasher of the tables.
#[derive(Clone, Copy)]
pub(crate) struct SeededState {
    key: (u64, u64),
}

impl SeededState {
    /// The key for one purpose. Different purposes must not share one: what a table's order
    /// betrays would help to guess sequence numbers.
    pub(crate) fn new(seed: u64, purpose: &str) -> SeededState {
        let half = |salt: u8| {
            let mut hasher = SipHasher13::new_with_keys(seed, u64::from(salt));
            hasher.write(purpose.as_bytes());
            hasher.finish()
        };
        SeededState { key: (half(0), half(1)) }
    }

    /// The hash of a value.
    pub(crate) fn of(&self, value: &impl Hash) -> u64 {
        self.hash_one(value)
    }
}

impl BuildHasher for SeededState {
    type Hasher = SipHasher13;
    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.key.0, self.key.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_and_seeds_give_different_hashes_and_the_same_ones_the_same() {
        let of = |seed, purpose| SeededState::new(seed, purpose).of(&"value");
        assert_eq!(of(1, "a"), of(1, "a"));
        assert_ne!(of(1, "a"), of(1, "b"));
        assert_ne!(of(1, "a"), of(2, "a"));
    }
}
