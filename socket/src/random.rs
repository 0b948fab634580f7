//! Numbers that nobody outside can foresee, from a seed.

use std::hash::Hasher;
use std::time::Duration;

use siphasher::sip::SipHasher13;

/// A keyed hash of a counter: who has seen some of the numbers knows nothing of the next, and the
/// same seed gives the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    seed: u64,
    purpose: u64,
    counter: u64,
}

impl Random {
    /// `purpose` sets apart what is made from the same seed.
    pub(crate) fn new(seed: u64, purpose: &[u8; 8]) -> Random {
        Random { seed, purpose: u64::from_be_bytes(*purpose), counter: 0 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.counter += 1;
        let mut hasher = SipHasher13::new_with_keys(self.seed, self.purpose);
        hasher.write_u64(self.counter);
        hasher.finish()
    }

    /// A time from `least` to `most`.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_nanos() as u64;
        // As good as uniform: a span is minutes, and 2^64 ns are centuries.
        least + Duration::from_nanos(self.next() % span.saturating_add(1).max(1))
    }
}
