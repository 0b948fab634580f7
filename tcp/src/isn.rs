//! Initial sequence numbers (RFC 6528).

use netdev::Instant;

use crate::SeqNum;
use crate::hash::SeededState;
use crate::table::Tuple;

/// `ISN = M + F(localip, localport, remoteip, remoteport, secretkey)`: a clock, so that a new
/// connection of the same four-tuple starts beyond the old one (RFC 9293 §3.4.1), and a keyed
/// hash, so that nobody else can tell where.
pub(crate) struct IsnGenerator {
    key: SeededState,
}

impl IsnGenerator {
    pub(crate) fn new(seed: u64) -> IsnGenerator {
        IsnGenerator { key: SeededState::new(seed, "initial sequence numbers") }
    }

    /// The ISN of a connection that begins now. M ticks every 4 µs (RFC 9293 §3.4.1).
    pub(crate) fn next(&self, now: Instant, tuple: &Tuple) -> SeqNum {
        let clock = (now.micros() / 4) as u32;
        SeqNum((self.key.of(tuple) as u32).wrapping_add(clock))
    }

    /// Where the timestamp clock of a connection starts: another keyed hash, so that one
    /// connection's timestamps tell neither the uptime nor another's (RFC 7323 §5.4).
    pub(crate) fn timestamp_offset(&self, tuple: &Tuple) -> u32 {
        (self.key.of(tuple) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(port: u16) -> Tuple {
        Tuple::new("10.0.0.1:80".parse().unwrap(), ([10, 0, 0, 2], port).into())
    }

    /// RFC 6528 §3: monotonic for one tuple, unrelated between tuples and between boots.
    #[test]
    fn the_same_tuple_goes_on_with_the_clock_and_others_are_elsewhere() {
        let isn = IsnGenerator::new(7);
        let first = isn.next(Instant::from_secs(1), &tuple(5));
        let second = isn.next(Instant::from_secs(2), &tuple(5));
        assert_eq!(second - first, 250_000);
        assert_ne!(isn.next(Instant::from_secs(1), &tuple(6)), first);
        assert_ne!(IsnGenerator::new(8).next(Instant::from_secs(1), &tuple(5)), first);
    }
}
