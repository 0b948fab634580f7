//! A hash keyed by the seed: nobody outside can choose addresses that collide, and the same seed
//! gives the same run.

use std::hash::BuildHasher;

use siphasher::sip::SipHasher13;

#[derive(Clone, Debug)]
pub(crate) struct SeededState(u64);

impl SeededState {
    pub(crate) fn new(seed: u64) -> SeededState {
        SeededState(seed)
    }
}

impl BuildHasher for SeededState {
    type Hasher = SipHasher13;
    fn build_hasher(&self) -> SipHasher13 {
        // The second key only sets this table apart from others with the same seed.
        SipHasher13::new_with_keys(self.0, u64::from_be_bytes(*b"arp\0\0\0\0\0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_seed_is_another_hash() {
        let hash = |seed| SeededState::new(seed).hash_one(7);
        assert_eq!(hash(1), hash(1));
        assert_ne!(hash(1), hash(2));
    }
}
