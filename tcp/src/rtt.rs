//! The round-trip time and the retransmission timeout (RFC 6298): a swap point.

use std::time::Duration;

use crate::Config;
use crate::parts::Part;

/// Learns from measured round trips how long to wait for an acknowledgment.
pub trait RttEstimator: Send {
    /// A round trip was measured, of a segment that was sent once (Karn's algorithm) or by
    /// timestamps.
    fn sample(&mut self, rtt: Duration);

    /// The timer ran out: wait longer next time (RFC 6298 §5.5). Lasts until the next sample.
    fn back_off(&mut self);

    /// The retransmission timeout, backed off.
    fn rto(&self) -> Duration;

    /// The smoothed round-trip time; `None` before the first sample.
    fn srtt(&self) -> Option<Duration>;

    /// Its mean deviation.
    fn rttvar(&self) -> Duration;

    /// The handshake is over and its SYN was retransmitted: start from `initial` (RFC 6298 §5.7).
    fn restart(&mut self, initial: Duration);
}

/// The estimators, the default first.
pub static ESTIMATORS: &[Part<dyn RttEstimator>] = &[
    Part {
        name: "rfc6298",
        about: "Jacobson's smoothed mean and deviation (RFC 6298)",
        make: |config| Box::new(Rfc6298::new(config)),
    },
    Part {
        name: "fixed",
        about: "always the initial timeout, for teaching",
        make: |config| Box::new(Fixed { rto: config.rto_initial }),
    },
];

/// RFC 6298. The clock is exact to the nanosecond, so its granularity G is nothing beside the
/// floor of the variance term, which stands in G's place: `RTO = SRTT + max(floor, 4·RTTVAR)`.
pub struct Rfc6298 {
    /// Eight times it, in microseconds, as all of these are: they are in every connection. This
    /// and the next are kept with the bits that their averages need. [`NONE`] before the first.
    srtt: u32,
    /// Four times it.
    rttvar: u32,
    /// Before backing off.
    rto: u32,
    floor: u32,
    ceiling: u32,
    /// How many times the timeout is doubled.
    backoff: u8,
}

impl Rfc6298 {
    fn new(config: &Config) -> Rfc6298 {
        Rfc6298 {
            srtt: NONE,
            rttvar: 0,
            rto: micros(config.rto_initial),
            backoff: 0,
            floor: micros(config.rto_min),
            ceiling: micros(config.rto_max),
        }
    }
}

/// An hour and more is as good as for ever.
pub(crate) fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

/// No sample was taken.
const NONE: u32 = u32::MAX;

/// Beyond this, a round trip is not measured any more: its eightfold has to fit.
const MOST: u32 = 1 << 28;

impl RttEstimator for Rfc6298 {
    fn sample(&mut self, rtt: Duration) {
        let rtt = micros(rtt).min(MOST);
        if self.srtt == NONE {
            // (2.2)
            self.srtt = rtt * 8;
            self.rttvar = rtt * 2;
        } else {
            // (2.3): with alpha 1/8 and beta 1/4, the deviation first.
            self.rttvar = self.rttvar - self.rttvar / 4 + self.srtt.abs_diff(rtt * 8) / 8;
            self.srtt = self.srtt - self.srtt / 8 + rtt;
        }
        self.rto = self.srtt / 8 + self.rttvar.max(self.floor);
        self.backoff = 0;
    }

    fn back_off(&mut self) {
        // (5.5); the number of doublings is bounded so that the shift is.
        self.backoff = (self.backoff + 1).min(16);
    }

    fn rto(&self) -> Duration {
        // (2.5): a maximum may be placed on it.
        let rto = u64::from(self.rto) << self.backoff;
        Duration::from_micros(rto.min(self.ceiling.into()))
    }

    fn srtt(&self) -> Option<Duration> {
        (self.srtt != NONE).then(|| Duration::from_micros((self.srtt / 8).into()))
    }

    fn rttvar(&self) -> Duration {
        Duration::from_micros((self.rttvar / 4).into())
    }

    fn restart(&mut self, initial: Duration) {
        if self.srtt == NONE {
            self.rto = micros(initial);
            self.backoff = 0;
        }
    }
}

/// One timeout for every path, as before Jacobson: too short for some, too long for most.
struct Fixed {
    rto: Duration,
}

impl RttEstimator for Fixed {
    fn sample(&mut self, _rtt: Duration) {}

    fn back_off(&mut self) {}

    fn rto(&self) -> Duration {
        self.rto
    }

    fn srtt(&self) -> Option<Duration> {
        None
    }

    fn rttvar(&self) -> Duration {
        Duration::ZERO
    }

    fn restart(&mut self, _initial: Duration) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn estimator() -> Rfc6298 {
        Rfc6298::new(&Config::default())
    }

    /// RFC 6298 (2.1), (2.2), (2.3).
    #[test]
    fn the_first_sample_sets_and_the_next_ones_smooth() {
        let mut rtt = estimator();
        assert_eq!(rtt.rto(), 1000 * MS);
        rtt.sample(100 * MS);
        assert_eq!((rtt.srtt(), rtt.rttvar(), rtt.rto()), (Some(100 * MS), 50 * MS, 300 * MS));
        rtt.sample(180 * MS);
        assert_eq!(rtt.rttvar(), Duration::from_micros(57_500));
        assert_eq!(rtt.srtt(), Some(110 * MS));
        assert_eq!(rtt.rto(), 110 * MS + 4 * Duration::from_micros(57_500));
    }

    /// The deviation from (2.4): Linux's 200 ms, on the variance term.
    #[test]
    fn a_steady_path_keeps_the_floor_above_its_round_trip() {
        let mut rtt = estimator();
        (0..100).for_each(|_| rtt.sample(10 * MS));
        assert_eq!(rtt.rto(), 210 * MS);
    }

    /// (5.5), (5.7) and Karn: doubled until a sample comes.
    #[test]
    fn backing_off_doubles_up_to_the_ceiling_and_a_sample_ends_it() {
        let mut rtt = estimator();
        rtt.back_off();
        assert_eq!(rtt.rto(), 2000 * MS);
        (0..40).for_each(|_| rtt.back_off());
        assert_eq!(rtt.rto(), Duration::from_secs(120));
        rtt.sample(10 * MS);
        assert!(rtt.rto() < 300 * MS);
    }
}
