//! Numbers that nobody outside can foresee, from a seed.

use std::hash::Hasher;
use std::time::Duration;

use siphasher::sip::SipHasher13;

/// A keyed hash of a counter: who has seen some of the numbers knows nothing of the next, and the
/// same seed gives the same ones.
///
/// ```
/// use netdev::Random;
/// use std::time::Duration;
///
/// let mut random = Random::new(7, b"an examp");
/// assert!(random.between(Duration::from_secs(1), Duration::from_secs(2)).as_secs() <= 2);
/// let mut again = Random::new(7, b"an examp");
/// again.number();
/// assert_eq!(random.number(), again.number());
/// ```
#[derive(Clone, Debug)]
pub struct Random {
    seed: u64,
    purpose: u64,
    counter: u64,
}

impl Random {
    /// `purpose` sets apart what is made from the same seed.
    pub fn new(seed: u64, purpose: &[u8; 8]) -> Random {
        Random { seed, purpose: u64::from_be_bytes(*purpose), counter: 0 }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.counter += 1;
        let mut hasher = SipHasher13::new_with_keys(self.seed, self.purpose);
        hasher.write_u64(self.counter);
        hasher.finish()
    }

    /// A number from 0 to `most`.
    pub fn up_to(&mut self, most: u64) -> u64 {
        // As good as uniform, where `most` is far from 2^64.
        self.number() % most.saturating_add(1)
    }

    /// A time from `least` to `most`.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_nanos() as u64;
        least + Duration::from_nanos(self.up_to(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_purpose_give_the_same_numbers_and_others_do_not() {
        let numbers = |seed, purpose| {
            let mut random = Random::new(seed, purpose);
            [random.number(), random.number(), random.number()]
        };
        let some = numbers(1, b"a test..");
        assert_eq!(some, numbers(1, b"a test.."));
        assert_ne!(some, numbers(2, b"a test.."));
        assert_ne!(some, numbers(1, b"another."));
        assert_ne!(some[0], some[1]);
    }

    #[test]
    fn both_ends_of_a_range_come_and_nothing_beyond() {
        let mut random = Random::new(3, b"a test..");
        let seen: Vec<u64> = (0..1000).map(|_| random.up_to(3)).collect();
        assert!((0..4).all(|number| seen.contains(&number)) && seen.iter().all(|n| *n < 4));
        let exactly = Duration::from_secs(5);
        assert_eq!(random.between(exactly, exactly), exactly);
        random.up_to(u64::MAX);
    }
}
