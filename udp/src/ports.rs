//! Ephemeral ports (RFC 6056).

use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use crate::hash::SeededState;

/// Chooses ports that nobody outside can foresee.
///
/// RFC 6056 §3.3.1, algorithm 1: begin at a random port and go on to the next until one is free.
/// The random number is a keyed hash of a counter and of the addresses, so that the same seed
/// chooses the same ports. The algorithms that never repeat a port soon (3 and 4) spare TCP its
/// TIME-WAIT; UDP has none, and their successive ports for the same peer would be foreseeable to
/// who has seen one.
#[derive(Debug)]
pub(crate) struct Ephemeral {
    range: RangeInclusive<u16>,
    random: SeededState,
    counter: u64,
}

impl Ephemeral {
    pub(crate) fn new(range: RangeInclusive<u16>, seed: u64) -> Ephemeral {
        let random = SeededState::new(seed, u64::from_be_bytes(*b"rfc 6056"));
        Ephemeral { range, random, counter: 0 }
    }

    /// A port that is not `taken`; `None` where all are.
    pub(crate) fn pick(
        &mut self,
        local: IpAddr,
        peer: Option<SocketAddr>,
        taken: impl Fn(u16) -> bool,
    ) -> Option<u16> {
        self.counter += 1;
        let random = self.random.hash_one((self.counter, local, peer));
        let (first, last) = (u32::from(*self.range.start()), u32::from(*self.range.end()));
        let count = (last + 1).checked_sub(first)?;
        let start = (random % u64::from(count.max(1))) as u32;
        (0..count).map(|n| (first + (start + n) % count) as u16).find(|port| !taken(*port))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ANY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

    #[test]
    fn ports_are_spread_over_the_range() {
        let mut ports = Ephemeral::new(0x8000..=0xf000, 1);
        let mut sixteenths = [0; 16];
        let mut neighbours = 0;
        let mut last = 0u16;
        for _ in 0..16_000 {
            let port = ports.pick(ANY, None, |_| false).unwrap();
            assert!((0x8000..=0xf000).contains(&port));
            sixteenths[usize::from(port - 0x8000) * 16 / 0x7001] += 1;
            neighbours += usize::from(port.abs_diff(last) <= 1);
            last = port;
        }
        assert!(sixteenths.iter().all(|count| (850..1150).contains(count)), "{sixteenths:?}");
        assert!(neighbours < 20, "{neighbours} successive ports are neighbours");
    }

    #[test]
    fn every_port_is_found_and_then_none() {
        let mut ports = Ephemeral::new(40_000..=40_099, 1);
        let mut taken = BTreeSet::new();
        for _ in 0..100 {
            let port = ports.pick(ANY, None, |port| taken.contains(&port)).unwrap();
            assert!(taken.insert(port));
        }
        assert_eq!(ports.pick(ANY, None, |port| taken.contains(&port)), None);
    }

    #[test]
    fn a_seed_decides() {
        let run = |seed| {
            let mut ports = Ephemeral::new(0x8000..=0xf000, seed);
            (0..10).filter_map(|_| ports.pick(ANY, None, |_| false)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn the_range_may_reach_the_last_port_or_be_empty() {
        let mut ports = Ephemeral::new(0xffff..=0xffff, 1);
        assert_eq!(ports.pick(ANY, None, |_| false), Some(0xffff));
        #[allow(clippy::reversed_empty_ranges)]
        let mut none = Ephemeral::new(2..=1, 1);
        assert_eq!(none.pick(ANY, None, |_| false), None);
    }
}
