//! How fast data arrives at the peer (draft-cheng-iccrg-delivery-rate-estimation, as BBR uses
//! it), and the least round trip.

use std::collections::VecDeque;
use std::time::Duration;

use netdev::Instant;

use crate::SeqNum;

/// The estimator. What it keeps of a flight goes with the flight.
#[derive(Default)]
pub(crate) struct DeliveryRate {
    flight: Option<Box<Flight>>,
    /// In bytes a second, as it was measured last; its 24 bits are more than is exact of it.
    rate: f32,
    /// It was measured while there was too little to send.
    rate_app_limited: bool,
    /// The next flight begins with too little to send.
    begins_app_limited: bool,
}

/// C.delivered and its kin.
struct Flight {
    /// C.delivered, in bytes, since the flight began.
    delivered: u64,
    /// C.delivered_time.
    delivered_at: Instant,
    /// C.first_sent_time.
    first_sent_at: Instant,
    /// C.app_limited: what is delivered up to here was sent while there was too little to send.
    app_limited: Option<u64>,
    /// What is in flight, by bursts that were sent in the same moment.
    bursts: VecDeque<Burst>,
}

/// A burst in flight: P.delivered and its kin, the same for all of its segments.
struct Burst {
    /// The sequence number after its last.
    end: SeqNum,
    sent_at: Instant,
    delivered: u64,
    delivered_at: Instant,
    first_sent_at: Instant,
    app_limited: bool,
    /// Some of it was sent again, which leaves unknown when what arrives was sent.
    again: bool,
}

/// What one acknowledgment shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sample {
    /// In bytes a second.
    pub(crate) rate: u64,
    /// Over how long it was measured.
    pub(crate) interval: Duration,
    /// There was too little to send when it was sent.
    pub(crate) app_limited: bool,
}

impl DeliveryRate {
    /// §3.2, SendPacket: data up to `end` is sent for the first time; `idle`: nothing was in
    /// flight.
    pub(crate) fn sent(&mut self, now: Instant, end: SeqNum, idle: bool) {
        if idle {
            self.flight = None;
        }
        let limited = self.begins_app_limited;
        let flight = self.flight.get_or_insert_with(|| {
            Box::new(Flight {
                delivered: 0,
                delivered_at: now,
                first_sent_at: now,
                app_limited: limited.then_some(0),
                bursts: VecDeque::new(),
            })
        });
        let app_limited = flight.app_limited.is_some();
        match flight.bursts.back_mut() {
            Some(last)
                if last.sent_at == now
                    && last.delivered == flight.delivered
                    && last.app_limited == app_limited =>
            {
                last.end = end;
            }
            _ => flight.bursts.push_back(Burst {
                end,
                sent_at: now,
                delivered: flight.delivered,
                delivered_at: flight.delivered_at,
                first_sent_at: flight.first_sent_at,
                app_limited,
                again: false,
            }),
        }
    }

    /// The segment that begins at `seq` is sent again.
    pub(crate) fn sent_again(&mut self, seq: SeqNum) {
        let Some(flight) = &mut self.flight else { return };
        let index = flight.bursts.partition_point(|burst| burst.end.le(seq));
        if let Some(burst) = flight.bursts.get_mut(index) {
            burst.again = true;
        }
    }

    /// §3.4: all that was to be sent is sent, and the window has room: `pipe` bytes are in
    /// flight.
    pub(crate) fn app_limited(&mut self, pipe: u32) {
        self.begins_app_limited = true;
        if let Some(flight) = &mut self.flight {
            flight.app_limited = Some(flight.delivered + u64::from(pipe));
        }
    }

    /// §3.3: an acknowledgment says that `bytes` more were delivered, the latest of them the one
    /// before `newest`. Rates over less than `min_rtt` are none: they come of acknowledgments
    /// that were held back.
    pub(crate) fn acked(
        &mut self,
        now: Instant,
        una: SeqNum,
        newest: SeqNum,
        bytes: u64,
        min_rtt: Duration,
    ) -> Option<Sample> {
        let flight = self.flight.as_mut().filter(|_| bytes > 0)?;
        let mut sample = None;
        flight.delivered += bytes;
        flight.delivered_at = now;
        let index = flight.bursts.partition_point(|burst| burst.end.lt(newest));
        if let Some(burst) = flight.bursts.get(index).filter(|burst| !burst.again) {
            let send_elapsed = burst.sent_at.since(burst.first_sent_at);
            let ack_elapsed = now.since(burst.delivered_at);
            let interval = send_elapsed.max(ack_elapsed);
            let rate = per_second(flight.delivered - burst.delivered, interval);
            flight.first_sent_at = flight.first_sent_at.max(burst.sent_at);
            // What was sent while there was too little to send shows a lower bound only.
            let counts = !burst.app_limited || rate >= self.rate as u64;
            if !interval.is_zero() && interval >= min_rtt && counts {
                (self.rate, self.rate_app_limited) = (rate as f32, burst.app_limited);
            }
            if !interval.is_zero() && interval >= min_rtt {
                sample = Some(Sample { rate, interval, app_limited: burst.app_limited });
            }
        }
        if flight.app_limited.is_some_and(|limit| flight.delivered > limit) {
            (flight.app_limited, self.begins_app_limited) = (None, false);
        }
        let acked = flight.bursts.partition_point(|burst| burst.end.le(una));
        flight.bursts.drain(..acked);
        if flight.bursts.is_empty() {
            self.flight = None;
        }
        sample
    }

    /// The rate in bytes a second; zero before the first sample.
    pub(crate) fn bytes_per_second(&self) -> u64 {
        self.rate as u64
    }

    /// Whether it was measured while there was too little to send.
    pub(crate) fn is_app_limited(&self) -> bool {
        self.rate_app_limited
    }

    pub(crate) fn memory(&self) -> usize {
        self.flight
            .as_ref()
            .map_or(0, |flight| size_of::<Flight>() + flight.bursts.capacity() * size_of::<Burst>())
    }
}

fn per_second(bytes: u64, interval: Duration) -> u64 {
    let rate = u128::from(bytes) * 1_000_000_000 / interval.as_nanos().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// The least round trip of the last while: paths change.
pub(crate) struct MinRtt {
    /// Of the half of the window that is under way, and of the one before, in microseconds.
    now: u32,
    before: u32,
    /// When the half began, in seconds.
    since: u32,
}

/// Half of the window in seconds; the whole is 300 s as Linux's.
const HALF: u32 = 150;
/// There was no sample.
const NONE: u32 = u32::MAX;

impl Default for MinRtt {
    fn default() -> MinRtt {
        MinRtt { now: NONE, before: NONE, since: 0 }
    }
}

impl MinRtt {
    pub(crate) fn sample(&mut self, now: Instant, rtt: Duration) {
        let seconds = (now.millis() / 1000) as u32;
        if seconds.saturating_sub(self.since) >= HALF {
            // A value from before an idle time is better than none.
            self.before = if self.now == NONE { self.before } else { self.now };
            (self.now, self.since) = (NONE, seconds);
        }
        self.now = self.now.min(u32::try_from(rtt.as_micros()).unwrap_or(NONE));
    }

    /// `None` before the first sample.
    pub(crate) fn least(&self) -> Option<Duration> {
        let least = self.now.min(self.before);
        (least != NONE).then(|| Duration::from_micros(least.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    /// §3.3: the slower of sending and acknowledging is the rate.
    #[test]
    fn a_flight_is_delivered_at_the_rate_of_its_acknowledgments() {
        let mut rate = DeliveryRate::default();
        for i in 0..10 {
            rate.sent(at(0), SeqNum(1000 * (i + 1)), i == 0);
        }
        // Ten segments in one moment, acknowledged one a millisecond from 100 ms on.
        for i in 0..10 {
            let una = SeqNum(1000 * (i + 1));
            rate.acked(at(100 + u64::from(i)), una, una, 1000, 100 * MS);
            rate.sent(at(100 + u64::from(i)), SeqNum(11_000 + 1000 * i), false);
        }
        assert_eq!(rate.bytes_per_second(), 10_000 * 1000 / 109);
        for i in 0..10 {
            let una = SeqNum(11_000 + 1000 * i);
            rate.acked(at(201 + u64::from(i)), una, una, 1000, 100 * MS);
        }
        // It took 109 ms to send what lies between the first flight and the last of the second.
        assert_eq!(rate.bytes_per_second(), 10_000 * 1000 / 109);
        assert_eq!(rate.memory(), 0);
    }

    /// §3.4: too little to send shows nothing about the path, unless more than was known.
    #[test]
    fn an_application_that_is_slow_does_not_lower_the_rate() {
        let mut rate = DeliveryRate::default();
        rate.sent(at(0), SeqNum(10_000), true);
        rate.acked(at(10), SeqNum(10_000), SeqNum(10_000), 10_000, 10 * MS);
        assert_eq!((rate.bytes_per_second(), rate.is_app_limited()), (1_000_000, false));
        rate.app_limited(0);
        rate.sent(at(20), SeqNum(11_000), true);
        rate.acked(at(30), SeqNum(11_000), SeqNum(11_000), 1000, 10 * MS);
        assert_eq!((rate.bytes_per_second(), rate.is_app_limited()), (1_000_000, false));
    }

    /// Karn: what was sent again tells nothing.
    #[test]
    fn what_was_sent_again_gives_no_rate() {
        let mut rate = DeliveryRate::default();
        rate.sent(at(0), SeqNum(10_000), true);
        rate.sent_again(SeqNum(0));
        rate.acked(at(10), SeqNum(10_000), SeqNum(10_000), 10_000, 10 * MS);
        assert_eq!(rate.bytes_per_second(), 0);
    }

    #[test]
    fn the_least_round_trip_is_forgotten_in_time() {
        let mut min = MinRtt::default();
        min.sample(at(0), 10 * MS);
        min.sample(at(1000), 50 * MS);
        assert_eq!(min.least(), Some(10 * MS));
        min.sample(at(160_000), 40 * MS);
        assert_eq!(min.least(), Some(10 * MS));
        min.sample(at(320_000), 45 * MS);
        assert_eq!(min.least(), Some(40 * MS));
    }
}
