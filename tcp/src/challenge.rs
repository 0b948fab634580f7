//! How many challenge ACKs are sent (RFC 5961 §7).

use std::time::Duration;

use netdev::Instant;

use crate::hash::SeededState;

/// The limit of the whole stack.
///
/// A limit that connections share is a side channel: who exhausts it on a connection of his own
/// and counts what is left learns whether his forged segments made another connection spend some
/// (CVE-2016-5696). Two things close it. Each connection has a limit of its own
/// ([`PerConnection`]), so that no connection can exhaust this one; and how much there is in each
/// second is drawn anew by a keyed hash, between half and one and a half of what is configured.
pub(crate) struct ChallengeLimit {
    key: SeededState,
    per_second: u32,
    second: u64,
    left: u32,
}

/// The limit of one connection: one challenge ACK in 500 ms.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PerConnection {
    /// None before this.
    next: Instant,
}

impl PerConnection {
    /// As Linux's `tcp_invalid_ratelimit`. RFC 5961 §7 suggests ten in five seconds, on average
    /// the same.
    const INTERVAL: Duration = Duration::from_millis(500);

    /// Whether this connection may send one now.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        let allowed = now >= self.next;
        if allowed {
            self.next = now + Self::INTERVAL;
        }
        allowed
    }
}

impl ChallengeLimit {
    pub(crate) fn new(per_second: u32, seed: u64) -> ChallengeLimit {
        let key = SeededState::new(seed, "challenge ACKs");
        ChallengeLimit { key, per_second, second: u64::MAX, left: 0 }
    }

    /// Whether the connection that `own` belongs to may send a challenge ACK now.
    pub(crate) fn allow(&mut self, now: Instant, own: &mut PerConnection) -> bool {
        if !own.allow(now) {
            return false;
        }
        let second = now.millis() / 1000;
        if second != self.second {
            self.second = second;
            let noise = self.key.of(&second) as u32 % self.per_second.max(1);
            self.left = self.per_second / 2 + noise;
        }
        let allowed = self.left > 0;
        self.left -= u32::from(allowed);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_connection_gets_one_in_half_a_second() {
        let mut limit = ChallengeLimit::new(1000, 1);
        let mut own = PerConnection::default();
        let sent = (0..1000).filter(|&ms| limit.allow(Instant::from_millis(ms), &mut own)).count();
        assert_eq!(sent, 2);
    }

    /// CVE-2016-5696: one connection's challenges must not show in what is left for another.
    #[test]
    fn the_budget_of_a_second_cannot_be_counted() {
        let mut limit = ChallengeLimit::new(100, 1);
        let budgets: Vec<_> = (0..8)
            .map(|second| {
                let now = Instant::from_secs(second);
                (0..1000).filter(|_| limit.allow(now, &mut PerConnection::default())).count()
            })
            .collect();
        assert!(budgets.iter().all(|&n| (50..150).contains(&n)), "{budgets:?}");
        assert!(budgets.windows(2).any(|pair| pair[0] != pair[1]), "{budgets:?}");
    }
}
