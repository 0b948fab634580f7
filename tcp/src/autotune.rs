//! Buffers that follow what the path carries, where the user has not set their size.
//!
//! The receive buffer must hold what is delivered in a round trip, twice over: the sender's
//! window may double in the next one ("dynamic right-sizing", as Linux does it). RFC 7323 §2.2
//! lets the window grow that far. It is never made smaller, so the right edge never has to go
//! back (RFC 9293 §3.8.6.2.2, SHLD-14).

use std::time::Duration;

use netdev::Instant;

use crate::output::Flow;
use crate::receive::ReceiveSpace;
use crate::segment::Segment;
use crate::tcb::Tcb;
use crate::timestamps::Clock;
use crate::{Config, SeqNum, send_memory};

/// What a receiver measures to size its buffer. Times are in microseconds: one of these is in
/// every connection, and what is measured takes less than an hour.
pub(crate) struct ReceiveTuning {
    /// The round trip as a receiver sees it, smoothed towards its least; zero before the first.
    rtt: u32,
    /// With timestamps, the last echo that was measured. Without: a window takes a round trip at
    /// least; where the one that is measured ends, and when it began.
    mark: u32,
    window_at: u32,
    /// Where reading stood when the measurement in progress began, and when that was.
    from: u32,
    since: u32,
}

/// Two ticks of the timestamps' clock, which says little of shorter times.
const COARSE: u32 = 2000;

impl ReceiveTuning {
    pub(crate) fn new(now: Instant) -> ReceiveTuning {
        ReceiveTuning { rtt: 0, mark: 0, window_at: 0, from: 0, since: micros(now) }
    }

    /// Text came.
    pub(crate) fn arrived(
        &mut self,
        now: Instant,
        clock: Option<&Clock>,
        segment: &Segment,
        rcv: &ReceiveSpace,
    ) {
        if let (Some(clock), Some(times)) = (clock, segment.options.timestamps) {
            // An echo shows one round trip, and as many segments carry it as come in one; those
            // that are not full may have waited for the sender's program.
            if times.echo != self.mark && segment.len as u32 >= rcv.mss {
                self.mark = times.echo;
                if let Some(rtt) = clock.round_trip(now, segment) {
                    // As Linux: an eighth of the difference.
                    let rtt = rtt.as_micros() as u32;
                    let smooth = (u64::from(self.rtt) * 7 + u64::from(rtt)) / 8;
                    self.rtt = if self.rtt == 0 { rtt } else { smooth as u32 };
                }
            }
        } else if self.window_at == 0 || rcv.nxt.ge(SeqNum(self.mark)) {
            if self.window_at != 0 {
                // An upper bound, so that the least counts.
                let rtt = micros(now).wrapping_sub(self.window_at).max(1);
                self.rtt = if self.rtt == 0 { rtt } else { rtt.min(self.rtt) };
            }
            self.mark = (rcv.nxt + rcv.window().max(1)).0;
            self.window_at = micros(now).max(1);
        }
    }

    /// The round trip; `known`: as this side's own data shows it, or the handshake.
    pub(crate) fn rtt(&self, known: Option<Duration>) -> Duration {
        let seen = Duration::from_micros(self.rtt.into());
        match known {
            Some(known) if self.rtt == 0 => known,
            Some(known) if self.rtt < COARSE => known.min(seen),
            _ => seen,
        }
    }

    /// The program has read up to `consumed`. Once a round trip: the size that a buffer of
    /// `limit` bytes should have for that, where it should be another.
    fn read(&mut self, now: Instant, consumed: u64, rtt: Duration, limit: u64) -> Option<u64> {
        let elapsed = micros(now).wrapping_sub(self.since);
        if rtt.is_zero() || u128::from(elapsed) < rtt.as_micros() {
            return None;
        }
        let copied = (consumed as u32).wrapping_sub(self.from);
        (self.from, self.since) = (consumed as u32, micros(now));
        // What comes in a round trip fits twice, and the growth that is under way does too.
        let (copied, half) = (u64::from(copied), (limit / 2).max(1));
        (copied > half).then(|| 2 * copied + 2 * (2 * copied * (copied - half) / half))
    }
}

fn micros(now: Instant) -> u32 {
    (now.nanos() / 1000) as u32
}

/// The program has read: the receive buffer grows if it has to, up to the limit of the stack.
pub(crate) fn receive_buffer(tcb: &mut Tcb, now: Instant, config: &Config, pressure: bool) {
    let rtt = tcb.tuning.rtt(tcb.rtt.srtt());
    let wanted = tcb.tuning.read(now, tcb.rcv.consumed(), rtt, tcb.rcv.limit as u64);
    if let Some(wanted) = wanted.filter(|_| !pressure && !tcb.settings.receive_buffer_fixed) {
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        tcb.rcv.limit = tcb.rcv.limit.max(wanted.min(config.receive_buffer.max));
    }
}

/// Data was sent, or could not be: two congestion windows fit into the send buffer, one that is
/// in flight and one that the program fills meanwhile. It grows while that is what is missing:
/// what waits to be sent in a buffer that a shut window fills needs no more room.
pub(crate) fn send_buffer(tcb: &mut Tcb, config: &Config, pressure: bool, flow: Flow) {
    let limit = tcb.snd.buffer.limit;
    if tcb.settings.send_buffer_fixed
        || pressure
        || flow == Flow::Window
        || limit >= config.send_buffer.max
    {
        return;
    }
    let wanted = send_memory::for_bytes(tcb, config, 2 * tcb.congestion.cwnd() as usize);
    if wanted > limit && tcb.unsent() < limit / 4 {
        tcb.snd.buffer.limit = wanted.min(config.send_buffer.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    fn measured(rtt: u32) -> ReceiveTuning {
        ReceiveTuning { rtt, ..ReceiveTuning::new(Instant::ZERO) }
    }

    /// What the timestamps' clock cannot tell, this side's own data may.
    #[test]
    fn below_two_ticks_the_shorter_round_trip_counts() {
        assert_eq!(measured(0).rtt(Some(300 * US)), 300 * US);
        assert_eq!(measured(1500).rtt(Some(300 * US)), 300 * US);
        assert_eq!(measured(1500).rtt(Some(3000 * US)), 1500 * US);
        assert_eq!(measured(5000).rtt(Some(300 * US)), 5000 * US);
        assert_eq!(measured(5000).rtt(None), 5000 * US);
    }

    #[test]
    fn what_comes_in_a_round_trip_fits_twice_with_its_growth() {
        let at = |ms| Instant::from_millis(ms);
        let rtt = Duration::from_millis(10);
        let mut tuning = measured(10_000);
        assert_eq!(tuning.read(at(9), 600, rtt, 1000), None, "less than a round trip");
        // 600 bytes into half a buffer of 500: a fifth more, twice over.
        assert_eq!(tuning.read(at(10), 600, rtt, 1000), Some(2 * 600 + 2 * (2 * 600 / 5)));
        assert_eq!(tuning.read(at(19), 2000, rtt, 1000), None, "it begins anew");
        assert_eq!(tuning.read(at(20), 1100, rtt, 1000), None, "it fits");
        assert_eq!(tuning.read(at(30), 5000, Duration::ZERO, 1000), None, "no round trip is known");
    }
}
