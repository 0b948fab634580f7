//! A bounded table of what messages from the network said, each entry for a limited time.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use netdev::Instant;

/// Facts by destination. Nobody has to be called to let them age: one that is too old is not
/// found, and makes room first.
#[derive(Debug)]
pub(crate) struct Learnt<T> {
    facts: BTreeMap<Ipv4Addr, (T, Instant)>,
    /// No fact ends before this.
    soonest: Instant,
    lifetime: Duration,
    limit: usize,
}

impl<T> Learnt<T> {
    pub(crate) fn new(lifetime: Duration, limit: usize) -> Learnt<T> {
        Learnt { facts: BTreeMap::new(), soonest: Instant::FAR_FUTURE, lifetime, limit }
    }

    pub(crate) fn find(&self, now: Instant, dst: Ipv4Addr) -> Option<&T> {
        self.facts.get(&dst).filter(|(_, until)| now < *until).map(|(fact, _)| fact)
    }

    /// Remembers `fact` from now on. A full table forgets what it would forget next anyway; to
    /// find that it is searched whole, once for each ICMP error at most.
    pub(crate) fn learn(&mut self, now: Instant, dst: Ipv4Addr, fact: T) {
        if self.limit == 0 {
            return;
        }
        if !self.facts.contains_key(&dst) && self.facts.len() >= self.limit {
            let oldest = self.facts.iter().min_by_key(|(_, (_, until))| *until);
            if let Some(dst) = oldest.map(|(dst, _)| *dst) {
                self.facts.remove(&dst);
            }
        }
        let until = now + self.lifetime;
        self.soonest = self.soonest.min(until);
        self.facts.insert(dst, (fact, until));
    }

    pub(crate) fn forget(&mut self, dst: Ipv4Addr) -> bool {
        self.facts.remove(&dst).is_some()
    }

    pub(crate) fn clear(&mut self) {
        self.facts.clear();
    }

    /// Drops what is too old. Costs nothing while there is nothing to drop.
    pub(crate) fn tidy(&mut self, now: Instant) {
        if now < self.soonest {
            return;
        }
        self.facts.retain(|_, (_, until)| now < *until);
        let ends = self.facts.values().map(|(_, until)| *until);
        self.soonest = ends.min().unwrap_or(Instant::FAR_FUTURE);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Ipv4Addr, &T)> {
        self.facts.iter().map(|(dst, (fact, _))| (*dst, fact))
    }
}
