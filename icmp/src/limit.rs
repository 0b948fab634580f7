//! The token bucket that bounds the errors this host sends (RFC 1812 §4.3.2.8).

use std::time::Duration;

use netdev::{Instant, Random};

use crate::Config;

/// A bucket of time: each error costs the time in which one token drips in.
#[derive(Debug)]
pub(crate) struct Limit {
    cost: Duration,
    burst: u32,
    credit: Duration,
    last: Instant,
    random: Random,
}

impl Limit {
    pub(crate) fn new(config: &Config, seed: u64) -> Limit {
        let cost = match config.errors_per_second {
            0 => Duration::MAX,
            rate => Duration::from_secs(1) / rate,
        };
        let burst = config.error_burst.max(1);
        let random = Random::new(seed, b"icmp lim");
        Limit { cost, burst, credit: Duration::MAX, last: Instant::ZERO, random }
    }

    /// Takes a token; `false` where there is none.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.credit = self.credit.saturating_add(now - self.last);
        self.last = now;
        if self.cost == Duration::MAX {
            return false;
        }
        let full = self.cost * self.burst;
        if self.credit >= full {
            // A burst of known length lets an attacker off the path count which of his forged
            // probes were answered, and so find open ports (SAD DNS, CVE-2020-25705).
            self.credit = full - self.cost * self.random.up_to(u64::from(self.burst / 4)) as u32;
        }
        let Some(rest) = self.credit.checked_sub(self.cost) else { return false };
        self.credit = rest;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burst(limit: &mut Limit, now: Instant) -> u32 {
        (0..1000).take_while(|_| limit.take(now)).count() as u32
    }

    #[test]
    fn a_burst_is_bounded_and_its_length_is_not_known_outside() {
        let mut limit = Limit::new(&Config::default(), 7);
        let bursts: Vec<u32> =
            (1..20).map(|secs| burst(&mut limit, Instant::from_secs(secs))).collect();
        assert!(bursts.iter().all(|burst| (38..=50).contains(burst)), "{bursts:?}");
        assert!(bursts.iter().any(|burst| *burst != bursts[0]), "{bursts:?}");
    }

    #[test]
    fn the_long_run_keeps_the_rate() {
        let mut limit = Limit::new(&Config::default(), 7);
        let sent = (0..100_000).filter(|n| limit.take(Instant::from_micros(n * 100))).count();
        assert!((9_900..=10_050).contains(&sent), "{sent} in ten seconds");
    }

    #[test]
    fn a_rate_of_zero_is_silence_and_a_burst_of_one_is_not() {
        let silent = Config { errors_per_second: 0, ..Config::default() };
        assert!(!Limit::new(&silent, 1).take(Instant::from_secs(1)));
        let single = Config { error_burst: 1, ..Config::default() };
        let mut limit = Limit::new(&single, 1);
        assert_eq!(burst(&mut limit, Instant::from_secs(1)), 1);
        assert_eq!(burst(&mut limit, Instant::from_secs(2)), 1);
    }
}
