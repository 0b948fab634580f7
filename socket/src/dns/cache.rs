//! Answers that hold for some time (RFC 1035 §7.4, RFC 2308).

use std::collections::BTreeMap;
use std::time::Duration;

use netdev::Instant;

use super::{Answer, Error, Kind, Name};

/// A program asks for a few names.
const MOST: usize = 256;
/// RFC 2181 §8 lets a resolver bound what a server says; RFC 8767 §4 speaks of days.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// RFC 2308 §5: one to three hours work well.
const LONGEST_NEGATIVE: Duration = Duration::from_secs(3600);

/// What was found out, and that there was nothing to be found.
#[derive(Debug, Default)]
pub struct Cache(BTreeMap<(Name, Kind), (Instant, Result<Answer, Error>)>);

impl Cache {
    /// What is known, with the time that is left to it.
    pub(super) fn find(
        &self,
        now: Instant,
        name: &Name,
        kind: Kind,
    ) -> Option<Result<Answer, Error>> {
        let (until, known) = self.0.get(&(name.clone(), kind))?;
        if *until <= now {
            return None;
        }
        let ttl = until.since(now);
        Some(known.clone().map(|answer| Answer { ttl, ..answer }))
    }

    /// Remembers an answer for its TTL, or a negative one for `negative`.
    pub(super) fn keep(
        &mut self,
        now: Instant,
        name: &Name,
        kind: Kind,
        found: &Result<Answer, Error>,
        negative: Duration,
    ) {
        let ttl = match found {
            Ok(answer) => answer.ttl.min(LONGEST),
            Err(_) => negative.min(LONGEST_NEGATIVE),
        };
        if ttl.is_zero() {
            return;
        }
        let key = (name.clone(), kind);
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            // What ends first is worth least.
            let first = self.0.iter().min_by_key(|(_, (until, _))| *until);
            if let Some(first) = first.map(|(key, _)| key.clone()) {
                self.0.remove(&first);
            }
        }
        self.0.insert(key, (now + ttl, found.clone()));
    }

    /// Forgets everything: other servers may know other names.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Data;

    fn answer(ttl: u64) -> Result<Answer, Error> {
        let data = vec![Data::A([10, 0, 0, 1].into())];
        let name: Name = "a".parse().unwrap();
        Ok(Answer { name, aliases: Vec::new(), data, ttl: Duration::from_secs(ttl) })
    }

    #[test]
    fn an_answer_holds_for_its_ttl_and_no_longer_than_a_day() {
        let mut cache = Cache::default();
        let name: Name = "a".parse().unwrap();
        let zero = Duration::ZERO;
        cache.keep(Instant::ZERO, &name, Kind::A, &answer(10), zero);
        let found = cache.find(Instant::from_secs(4), &name, Kind::A).unwrap().unwrap();
        assert_eq!(found.ttl, Duration::from_secs(6));
        assert!(cache.find(Instant::from_secs(10), &name, Kind::A).is_none());
        assert!(cache.find(Instant::ZERO, &name, Kind::Aaaa).is_none());
        cache.keep(Instant::ZERO, &name, Kind::A, &answer(1_000_000), zero);
        assert!(cache.find(Instant::ZERO + LONGEST, &name, Kind::A).is_none());
        // Not at all: RFC 1035 §3.2.1.
        let other: Name = "b".parse().unwrap();
        cache.keep(Instant::ZERO, &other, Kind::A, &answer(0), zero);
        assert!(cache.find(Instant::ZERO, &other, Kind::A).is_none());
    }

    #[test]
    fn it_has_an_end_and_what_ends_first_goes() {
        let mut cache = Cache::default();
        let name = |n: usize| format!("n{n}").parse::<Name>().unwrap();
        for n in 0..MOST + 10 {
            let ttl = if n == 7 { 5 } else { 100 + n as u64 };
            cache.keep(Instant::ZERO, &name(n), Kind::A, &answer(ttl), Duration::ZERO);
        }
        assert_eq!(cache.0.len(), MOST);
        assert!(cache.find(Instant::ZERO, &name(7), Kind::A).is_none());
        assert!(cache.find(Instant::ZERO, &name(MOST + 9), Kind::A).is_some());
    }
}
