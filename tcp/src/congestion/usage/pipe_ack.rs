//! Congestion window validation by what was acknowledged (RFC 7661).

use std::time::Duration;

use netdev::Instant;

use crate::SeqNum;

/// §4.2, the pipeACK sampling period: three round trips, a second at least.
const ROUND_TRIPS: u32 = 3;
const LEAST_PERIOD: Duration = Duration::from_secs(1);
/// §4.4.3, the non-validated period: for so long a window that is not used is kept.
const NON_VALIDATED: Duration = Duration::from_secs(300);

/// pipeACK, and which phase follows from it: *validated* while it is half of cwnd or more, else
/// *non-validated*.
pub(super) struct PipeAck {
    /// SND.NXT when the sample under way began: it is what is acknowledged until that is.
    round: SeqNum,
    acked: u32,
    /// The largest sample of the half of the sampling period that is under way, and of the half
    /// before.
    most: u32,
    before: u32,
    /// There is a sample: else pipeACK is "undefined", and the phase validated (§4.2).
    defined: bool,
    /// When the half began, and how long it is.
    since: Instant,
    half: Duration,
    /// When the non-validated phase began.
    entered: Option<Instant>,
    /// Max(pipeACK, LossFlightSize) when congestion came in it, and what had been sent again then.
    loss: Option<(u32, u64)>,
}

impl PipeAck {
    /// Nothing was sent yet after `iss`.
    pub(super) fn new(iss: SeqNum) -> PipeAck {
        PipeAck {
            round: iss,
            acked: 0,
            most: 0,
            before: 0,
            defined: false,
            since: Instant::ZERO,
            half: LEAST_PERIOD / 2,
            entered: None,
            loss: None,
        }
    }

    /// `bytes` more have arrived: what does within a round trip is a sample.
    pub(super) fn delivered(
        &mut self,
        now: Instant,
        una: SeqNum,
        nxt: SeqNum,
        bytes: u32,
        srtt: Duration,
    ) {
        self.acked = self.acked.saturating_add(bytes);
        if una.lt(self.round) {
            return;
        }
        let halves = self.halves(now);
        if !self.defined || halves > 0 {
            self.before = if halves == 1 { self.most } else { 0 };
            (self.most, self.since) = (0, now);
            self.half = (srtt * ROUND_TRIPS).max(LEAST_PERIOD) / 2;
        }
        (self.most, self.defined) = (self.most.max(self.acked), true);
        (self.round, self.acked) = (nxt, 0);
    }

    /// Halves of a sampling period that have passed since the last sample's began.
    fn halves(&self, now: Instant) -> u32 {
        (now.since(self.since).as_nanos() / self.half.as_nanos()).min(2) as u32
    }

    /// pipeACK in bytes; `None`: undefined.
    fn value(&self, now: Instant) -> Option<u32> {
        self.defined.then(|| match self.halves(now) {
            0 => self.most.max(self.before),
            1 => self.most,
            _ => 0,
        })
    }

    /// Which phase it is (§4.3).
    pub(super) fn is_validated(&mut self, now: Instant, cwnd: u32) -> bool {
        let enough = cwnd / 2;
        if self.value(now).is_none_or(|pipe_ack| pipe_ack >= enough) {
            self.entered = None;
            return true;
        }
        // Nobody looks while nothing happens: it began when the samples were too old.
        let began = match (self.most >= enough, self.before >= enough) {
            (true, _) => self.since + self.half * 2,
            (false, true) => self.since + self.half,
            (false, false) => now,
        };
        self.entered.get_or_insert(began);
        false
    }

    /// §4.4.1 and §4.4.2: Max(pipeACK, LossFlightSize) in the non-validated phase.
    pub(super) fn congested(
        &mut self,
        now: Instant,
        cwnd: u32,
        flight: u32,
        retransmitted: u64,
    ) -> Option<u32> {
        if self.is_validated(now, cwnd) {
            return None;
        }
        let used = self.value(now).unwrap_or(0).max(flight).min(cwnd);
        self.loss = Some((used, retransmitted));
        Some(used)
    }

    /// §4.4.1, at the end of recovery: of Max(pipeACK, LossFlightSize) - R, where R is what had to
    /// be sent again, the share that the algorithm leaves; and pipeACK is undefined.
    pub(super) fn recovered(&mut self, ssthresh: u32, retransmitted: u64) -> Option<u32> {
        let (used, before) = self.loss.take()?;
        (self.defined, self.entered) = (false, None);
        let arrived = u64::from(used).saturating_sub(retransmitted - before);
        Some((u64::from(ssthresh) * arrived / u64::from(used.max(1))) as u32)
    }

    /// The congestion was none.
    pub(super) fn undone(&mut self) {
        self.loss = None;
    }

    /// §4.4.3: how many non-validated periods have passed; the next begins.
    pub(super) fn expired(&mut self, now: Instant, cwnd: u32) -> u32 {
        if self.is_validated(now, cwnd) {
            return 0;
        }
        let Some(entered) = &mut self.entered else { return 0 };
        let periods = (now.since(*entered).as_nanos() / NON_VALIDATED.as_nanos()).min(32) as u32;
        *entered += NON_VALIDATED * periods;
        periods
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CWND: u32 = 20_000;
    const RTT: Duration = Duration::from_millis(100);

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    /// `bytes` are sent and acknowledged in a round trip that ends at `ms`.
    fn round(pipe_ack: &mut PipeAck, ms: u64, bytes: u32) {
        let nxt = pipe_ack.round + bytes;
        pipe_ack.round = nxt;
        pipe_ack.delivered(at(ms), nxt, nxt, bytes, RTT);
    }

    /// §4.2: undefined, and so validated, before the first sample; the largest sample of the last
    /// second counts, and after that there is none.
    #[test]
    fn the_largest_sample_of_the_period_decides() {
        let mut pipe_ack = PipeAck::new(SeqNum(0));
        assert!(pipe_ack.is_validated(at(0), CWND));
        round(&mut pipe_ack, 100, 12_000);
        for ms in (200..=1000).step_by(100) {
            round(&mut pipe_ack, ms, 1000);
            assert!(pipe_ack.is_validated(at(ms), CWND), "{ms} ms");
        }
        for ms in (1100..=1300).step_by(100) {
            round(&mut pipe_ack, ms, 1000);
        }
        assert_eq!(pipe_ack.value(at(1300)), Some(1000));
        assert!(!pipe_ack.is_validated(at(1300), CWND));
        round(&mut pipe_ack, 1400, 10_000);
        assert!(pipe_ack.is_validated(at(1400), CWND), "half of cwnd");
        assert!(!pipe_ack.is_validated(at(60_000), CWND), "nothing was acknowledged lately");
    }

    /// §4.4.1: cwnd is Max(pipeACK, LossFlightSize) for the loss, and less by R after it.
    #[test]
    fn a_loss_counts_from_what_was_used() {
        let mut pipe_ack = PipeAck::new(SeqNum(0));
        round(&mut pipe_ack, 100, 12_000);
        assert_eq!(pipe_ack.congested(at(100), CWND, 9000, 0), None, "validated");
        round(&mut pipe_ack, 2000, 4000);
        assert_eq!(pipe_ack.congested(at(2000), CWND, 3000, 500), Some(4000));
        assert_eq!(pipe_ack.recovered(2000, 1500), Some(1500), "half of 4000 - 1000");
        assert!(pipe_ack.is_validated(at(2000), CWND), "undefined again");
        assert_eq!(pipe_ack.recovered(2000, 1500), None, "once");
    }

    /// §4.4.3: five minutes from when the samples ran out, whenever somebody looks.
    #[test]
    fn a_window_that_is_not_used_is_kept_for_five_minutes() {
        let mut pipe_ack = PipeAck::new(SeqNum(0));
        round(&mut pipe_ack, 100, 12_000);
        assert_eq!(pipe_ack.expired(at(301_000), CWND), 0);
        assert_eq!(pipe_ack.expired(at(301_100), CWND), 1);
        assert_eq!(pipe_ack.expired(at(301_200), CWND), 0, "the next period has begun");
        assert_eq!(pipe_ack.expired(at(901_100), CWND), 2);
        round(&mut pipe_ack, 1_000_000, 12_000);
        assert_eq!(pipe_ack.expired(at(1_000_000), CWND), 0);
    }
}
