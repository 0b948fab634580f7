//! A hash keyed by the seed: nobody outside can choose ports that collide, and the same seed gives
//! the same run.

use std::hash::BuildHasher;

use siphasher::sip::SipHasher13;

#[derive(Clone, Debug)]
pub(crate) struct SeededState {
    seed: u64,
    purpose: u64,
}

impl SeededState {
    /// `purpose` sets apart what is hashed with the same seed.
    pub(crate) fn new(seed: u64, purpose: u64) -> SeededState {
        SeededState { seed, purpose }
    }
}

impl BuildHasher for SeededState {
    type Hasher = SipHasher13;
    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.seed, self.purpose)
    }
}
