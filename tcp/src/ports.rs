//! Ephemeral ports (RFC 6056).

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use crate::hash::SeededState;

/// Chooses local ports by RFC 6056's double-hash algorithm (§3.3.4): for one peer they follow one
/// another, so that none comes again soon; for different peers they start at unrelated places, so
/// that nobody guesses one from another.
pub(crate) struct Ports {
    range: RangeInclusive<u16>,
    offset_key: SeededState,
    bucket_key: SeededState,
    counters: [u16; Self::BUCKETS],
}

impl Ports {
    /// RFC 6056 §3.3.4 suggests ten or more; more make ports less predictable.
    const BUCKETS: usize = 64;

    pub(crate) fn new(range: RangeInclusive<u16>, seed: u64) -> Ports {
        Ports {
            range,
            offset_key: SeededState::new(seed, "port offsets"),
            bucket_key: SeededState::new(seed, "port counters"),
            counters: [0; Self::BUCKETS],
        }
    }

    /// A port for a connection from `local` to `peer` that `free` agrees to; `None` where it
    /// agrees to none of the range.
    pub(crate) fn choose(
        &mut self,
        local: IpAddr,
        peer: SocketAddr,
        free: impl Fn(u16) -> bool,
    ) -> Option<u16> {
        let (low, count) = (*self.range.start(), self.range.len() as u32);
        let offset = self.offset_key.of(&(local, peer)) as u32;
        let bucket = self.bucket_key.of(&(local, peer)) as usize % Self::BUCKETS;
        for _ in 0..count {
            let next = offset.wrapping_add(u32::from(self.counters[bucket])) % count;
            self.counters[bucket] = self.counters[bucket].wrapping_add(1);
            let port = low + next as u16;
            if free(port) {
                return Some(port);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ports_stay_in_the_range_and_come_once_each() {
        let mut ports = Ports::new(50_000..=50_099, 1);
        let (local, peer) = ("10.0.0.1".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
        let mut used = BTreeSet::new();
        for _ in 0..100 {
            let port = ports.choose(local, peer, |port| !used.contains(&port)).unwrap();
            assert!((50_000..=50_099).contains(&port));
            assert!(used.insert(port));
        }
        assert_eq!(ports.choose(local, peer, |port| !used.contains(&port)), None);
    }

    #[test]
    fn different_peers_start_at_different_ports() {
        let mut ports = Ports::new(32_768..=61_440, 1);
        let local = "10.0.0.1".parse().unwrap();
        let starts: BTreeSet<_> = (1..20)
            .map(|n| ports.choose(local, ([10, 0, 0, n], 80).into(), |_| true).unwrap())
            .collect();
        assert!(starts.len() > 15);
    }
}
