//! RACK-TLP: loss by time, and probes of the tail (RFC 8985).

use std::time::Duration;

use netdev::Instant;

use super::prr::Prr;
use super::undo::Undo;
use super::{AckSeen, Change, Chosen, LossRecovery, Moment, ThreeDuplicates};
use crate::scoreboard::Fate;
use crate::{CaState, Config, Scoreboard, Sent, SeqNum};

#[cfg(test)]
mod tests;

/// RFC 8985 §7.2, TLP.max_ack_delay: how long a peer may delay the acknowledgment of one segment.
const MAX_ACK_DELAY: Duration = Duration::from_millis(200);
/// What every timer of this waits in addition: on a path of microseconds a quarter of the round
/// trip is less than what the hosts themselves take. Two of Linux's ticks.
const TICKS: Duration = Duration::from_millis(2);
/// The least step by which the reordering window grows, and the least of what bounds it, where
/// reordering was seen. §6.2 has a quarter of the least round trip and a round trip; where that is
/// some microseconds, a segment which waits on a host for the next ones is later than both.
const LEAST_STEP: Duration = Duration::from_micros(250);
const LEAST_BOUND: Duration = Duration::from_millis(1);
/// §7.2: the probe timeout before a round trip was measured.
const PTO_INITIAL: Duration = Duration::from_secs(1);
/// §6.2, step 4: for so many recoveries a window that grew is kept.
const PERSIST: u8 = 16;
/// The largest degree of reordering that is told of. As Linux's.
const MAX_REORDERING: u32 = 300;

/// A segment is lost when one that was sent after it has arrived, and it is later than a round
/// trip and a reordering window; when nothing more arrives, the last segment is sent again after
/// two round trips, so that the answer tells. The window comes down by proportional rate reduction
/// (RFC 6937), and what was done for nothing is undone: found out by F-RTO after a timeout
/// (RFC 5682 §3.1), by timestamps (RFC 4015) and by duplicate SACKs (RFC 3708).
///
/// The RFC needs SACK (§3.1); for a peer without, [`ThreeDuplicates`] does the work.
pub struct Rack {
    chosen: Chosen,
    phase: Phase,
    /// Both sides use SACK.
    sack: bool,
    plain: ThreeDuplicates,
    /// RACK.xmit_ts and RACK.end_seq: when the last sent of all that were delivered was sent
    /// ([`NEVER`]: none was), and its end.
    xmit_ts: Instant,
    end_seq: SeqNum,
    /// RACK.rtt: its round trip, in nanoseconds.
    rtt: u64,
    /// When the next segment is late enough to be lost, if no acknowledgment comes before;
    /// otherwise [`NEVER`].
    reorder_at: Instant,
    reordering: Reordering,
    probe: Probe,
    /// What may have to be undone, and how the window comes down.
    episode: Option<Box<Episode>>,
    /// The last look found something lost.
    found: bool,
    /// Something has arrived beyond a gap.
    gap: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Open, or Disorder.
    Open,
    /// Until `recover` is acknowledged: fast recovery.
    Recovery { recover: SeqNum },
    /// After a timeout.
    Loss { recover: SeqNum, frto: Frto },
}

/// F-RTO (RFC 5682 §3.1, with SACK).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Frto {
    /// Not in use, or the timeout was right.
    Off,
    /// Step 1: the first segment was sent again.
    First,
    /// Step 2: its acknowledgment came, and new data is sent instead of what seems lost.
    NewData,
    /// Step 3: it was sent; the next acknowledgment tells.
    Waiting,
}

/// What is known of reordering.
struct Reordering {
    /// RACK.reordering_seen.
    seen: bool,
    /// In segments, at most, as far as was seen.
    degree: u32,
    /// RACK.reo_wnd_mult.
    mult: u8,
    /// RACK.reo_wnd_persist.
    persist: u8,
    /// RACK.dsack_round: until it is acknowledged, one duplicate is as good as many.
    round: Option<SeqNum>,
}

/// The tail loss probe.
struct Probe {
    /// When one is due; else [`NEVER`].
    at: Instant,
    /// TLP.end_seq: where the one ends that was sent; and TLP.is_retrans. (Together they take the
    /// room of the first.)
    sent: Option<(SeqNum, bool)>,
    /// SND.NXT and SND.UNA when `at` was set: progress sets it anew.
    set_at: (SeqNum, SeqNum),
}

/// An `Option` would take twice the room, in every connection.
const NEVER: Instant = Instant::FAR_FUTURE;

const NO_PROBE: Probe = Probe { at: NEVER, sent: None, set_at: (SeqNum(0), SeqNum(0)) };

struct Episode {
    undo: Undo,
    prr: Prr,
    /// SND.UNA when PRR was last asked.
    una: SeqNum,
}

impl Rack {
    /// One that has seen nothing.
    pub fn new(config: &Config) -> Rack {
        let chosen = Chosen::of(config);
        Rack {
            chosen,
            phase: Phase::Open,
            sack: false,
            plain: ThreeDuplicates::new(config),
            xmit_ts: NEVER,
            end_seq: SeqNum(0),
            rtt: 0,
            reorder_at: NEVER,
            reordering: Reordering {
                seen: false,
                degree: chosen.dup_thresh(),
                mult: 1,
                persist: 0,
                round: None,
            },
            probe: NO_PROBE,
            episode: None,
            found: false,
            gap: false,
        }
    }
}

impl LossRecovery for Rack {
    fn uses_sack(&self) -> bool {
        true
    }

    fn acked(&mut self, ack: &AckSeen, board: &mut Scoreboard) -> Change {
        self.sack = ack.at.sack;
        if !self.sack {
            return self.plain.acked(ack, board);
        }
        self.measure(ack);
        // A duplicate of a probe (§7.4.2) tells nothing of this recovery.
        let dsack = ack.dsack.filter(|dsack| Some(dsack.right) != self.probe.end());
        let twice = match (&mut self.episode, dsack) {
            (Some(episode), Some(dsack)) => episode.undo.hear(dsack),
            _ => false,
        };
        self.notice_reordering(ack, twice);
        let repaired = self.probe.acked(ack);
        let change = match self.phase {
            Phase::Open => self.open(ack, board, repaired),
            Phase::Recovery { recover } => self.recovery(ack, board, recover),
            Phase::Loss { recover, frto } => self.loss(ack, board, recover, frto),
        };
        self.gap = board.tally().sacked > 0;
        change
    }

    /// RFC 8985 §6.3: the first segment is lost, and all that are late; not what was sent just
    /// now.
    fn timed_out(&mut self, at: &Moment, board: &mut Scoreboard) {
        self.sack = at.sack;
        if !self.sack {
            return self.plain.timed_out(at, board);
        }
        if board.at(0).is_some_and(|first| first.fate == Fate::Sacked) {
            board.reneged();
        }
        let late = Duration::from_nanos(self.rtt) + self.window_of_reordering(at, board);
        for index in 0..board.len() {
            let Some(&sent) = board.at(index) else { break };
            let lost = index == 0 || sent.sent_at + late <= at.now;
            if lost && sent.fate != Fate::Sacked {
                board.set_fate(index, Fate::Lost);
            }
        }
        let frto = match self.phase {
            Phase::Open if self.chosen.frto => Frto::First,
            Phase::Open | Phase::Recovery { .. } | Phase::Loss { .. } => Frto::Off,
        };
        if self.phase == Phase::Open || self.episode.is_none() {
            self.begin(at, board);
        }
        self.phase = Phase::Loss { recover: at.nxt, frto };
        (self.reorder_at, self.probe) = (NEVER, NO_PROBE);
    }

    fn schedule(&mut self, at: &Moment, board: &Scoreboard) -> Option<Instant> {
        if !at.sack {
            return None;
        }
        let quiet = self.phase == Phase::Open && !board.is_empty() && board.tally().sacked == 0;
        self.probe.schedule(at, quiet && self.probe.sent.is_none(), board);
        let due = self.reorder_at.min(self.probe.at);
        (due != NEVER).then_some(due)
    }

    fn waits_to_probe(&self) -> bool {
        self.reorder_at == NEVER && self.probe.at != NEVER
    }

    fn timer(&mut self, at: &Moment, board: &mut Scoreboard) -> Change {
        if self.reorder_at <= at.now {
            self.detect(at, board);
            if self.found && self.phase == Phase::Open {
                self.begin(at, board);
                self.phase = Phase::Recovery { recover: at.nxt };
                return Change::Began;
            }
        } else if self.probe.at <= at.now {
            self.probe.at = NEVER;
            return Change::Probe;
        }
        Change::None
    }

    fn sent_again(&mut self, sent: &Sent) {
        if let Some(episode) = &mut self.episode {
            episode.undo.sent_again(sent);
        }
    }

    fn probed(&mut self, nxt: SeqNum, again: bool) {
        self.probe.sent = Some((nxt, again));
    }

    fn reduce(&mut self, ssthresh: u32, delivered: u32, at: &Moment, board: &Scoreboard) {
        if !self.sack {
            return self.plain.reduce(ssthresh, delivered, at, board);
        }
        // Without a threshold there is nothing to come down to.
        if let Some(episode) = &mut self.episode
            && ssthresh < u32::MAX
        {
            let safe = at.una.gt(episode.una) && !self.found;
            episode.una = at.una;
            episode.prr.delivered(delivered, ssthresh, safe, at.mss, board);
        }
    }

    fn window(&self, cwnd: u32) -> u32 {
        match (self.phase, &self.episode) {
            _ if !self.sack => self.plain.window(cwnd),
            (Phase::Recovery { .. }, Some(episode)) => episode.prr.window().unwrap_or(cwnd),
            _ => cwnd,
        }
    }

    fn reduces_by_itself(&self) -> bool {
        true
    }

    fn tries_new_data(&self) -> bool {
        match self.phase {
            _ if !self.sack => self.plain.tries_new_data(),
            Phase::Loss { frto, .. } => frto == Frto::NewData,
            Phase::Open | Phase::Recovery { .. } => false,
        }
    }

    fn ca_state(&self) -> CaState {
        match self.phase {
            _ if !self.sack => self.plain.ca_state(),
            Phase::Open if self.gap => CaState::Disorder,
            Phase::Open => CaState::Open,
            Phase::Recovery { .. } => CaState::Recovery,
            Phase::Loss { .. } => CaState::Loss,
        }
    }

    fn reordering(&self) -> u32 {
        self.reordering.degree
    }
}

impl Rack {
    /// §6.2, steps 1 and 2: the most recently sent of what was delivered, and its round trip.
    fn measure(&mut self, ack: &AckSeen) {
        let delivery = &ack.delivery;
        // What was sent again may be delivered by the original: an answer that is too fast, or
        // that echoes an older timestamp, is not to the retransmission.
        let least = ack.at.min_rtt.unwrap_or_default();
        let again = delivery
            .latest_again
            .filter(|sent| !ack.original && ack.at.now.since(sent.sent_at) >= least);
        for sent in [delivery.latest, again].into_iter().flatten() {
            if self.xmit_ts == NEVER || sent.sent_after(self.xmit_ts, self.end_seq) {
                (self.xmit_ts, self.end_seq) = (sent.sent_at, sent.end());
                self.rtt = ack.at.now.since(sent.sent_at).as_nanos() as u64;
            }
        }
    }

    /// §6.2, step 3, and the adaptation of step 4.
    fn notice_reordering(&mut self, ack: &AckSeen, twice: bool) {
        let reordering = &mut self.reordering;
        if let (Some(lowest), Some(fack)) = (ack.delivery.lowest_seq(), ack.fack)
            && lowest.lt(fack)
        {
            reordering.seen = true;
            let degree = (fack - lowest).div_ceil(ack.at.mss).min(MAX_REORDERING);
            reordering.degree = reordering.degree.max(degree);
        }
        if reordering.round.is_some_and(|round| ack.at.una.ge(round)) {
            reordering.round = None;
        }
        if twice && reordering.round.is_none() {
            reordering.widen(ack.at.nxt);
        }
    }

    /// RACK.reo_wnd (§6.2, step 4).
    fn window_of_reordering(&self, at: &Moment, board: &Scoreboard) -> Duration {
        let step = at.min_rtt.unwrap_or_default() / 4;
        let bound = at.srtt.unwrap_or_default();
        if self.reordering.seen {
            let steps = u32::from(self.reordering.mult);
            return (step.max(LEAST_STEP) * steps).min(bound.max(LEAST_BOUND));
        }
        match self.phase {
            Phase::Open if board.tally().sacked < self.chosen.dup_thresh() => step.min(bound),
            _ => Duration::ZERO,
        }
    }

    /// §6.2, step 5: takes for lost what was sent before the latest delivered segment and is late.
    fn detect(&mut self, at: &Moment, board: &mut Scoreboard) {
        (self.found, self.reorder_at) = (false, NEVER);
        let (latest, end) = (self.xmit_ts, self.end_seq);
        if latest == NEVER {
            return;
        }
        let late = Duration::from_nanos(self.rtt) + self.window_of_reordering(at, board);
        while let Some(index) = board.oldest_sent() {
            let Some(&sent) = board.at(index) else { return };
            if sent.sent_after(latest, end) || (sent.sent_at, sent.end()) == (latest, end) {
                return;
            }
            if sent.sent_at + late > at.now {
                // When the last of them will be late, so that one timer does for all.
                self.reorder_at =
                    board.sent_before(latest, end).map_or(NEVER, |at| at + late + TICKS);
                return;
            }
            board.set_fate(index, Fate::Lost);
            self.found = true;
        }
    }

    fn begin(&mut self, at: &Moment, board: &mut Scoreboard) {
        board.forget_retransmissions();
        self.episode = Some(Box::new(Episode {
            undo: Undo::new(board.history().retransmissions),
            prr: Prr::new(at.cwnd, board),
            una: at.una,
        }));
        self.probe = NO_PROBE;
    }

    fn open(&mut self, ack: &AckSeen, board: &mut Scoreboard, repaired: bool) -> Change {
        self.detect(&ack.at, board);
        if self.found {
            self.begin(&ack.at, board);
            self.phase = Phase::Recovery { recover: ack.at.nxt };
            return Change::Began;
        }
        if repaired {
            return Change::Repaired;
        }
        // The last word of a recovery that is over.
        match self.for_nothing(ack) {
            true => self.undo(ack, board),
            false => Change::None,
        }
    }

    fn recovery(&mut self, ack: &AckSeen, board: &mut Scoreboard, recover: SeqNum) -> Change {
        let over = ack.newly_acked > 0 && ack.at.una.ge(recover);
        let by_dsack = ack.dsack.is_some();
        // A partial acknowledgment may be luck: not while retransmissions are on their way.
        let by_ack = ack.newly_acked > 0 && board.tally().retransmitted == 0;
        if (over || by_dsack || by_ack) && self.for_nothing(ack) {
            return self.undo(ack, board);
        }
        // Acknowledgments come in batches, and what was sent again goes out after the last.
        let nothing_made =
            self.episode.as_ref().is_some_and(|episode| episode.undo.nothing_was_made(ack));
        if nothing_made && ack.delivery.bytes > 0 && board.tally().lost == 0 {
            return self.undo(ack, board);
        }
        if over {
            return self.end(ack, board);
        }
        self.detect(&ack.at, board);
        Change::None
    }

    fn loss(
        &mut self,
        ack: &AckSeen,
        board: &mut Scoreboard,
        recover: SeqNum,
        frto: Frto,
    ) -> Change {
        let advanced = ack.newly_acked > 0;
        if advanced && self.for_nothing(ack) {
            return self.undo(ack, board);
        }
        if advanced && ack.at.una.ge(recover) && frto != Frto::Waiting {
            return self.end(ack, board);
        }
        // RFC 5682 §3.1.
        let original = ack.delivery.lowest.is_some_and(|sent| sent.end().le(recover));
        let next = match frto {
            Frto::Off => Frto::Off,
            // (3b): data that was sent once, before the timeout, has arrived.
            _ if original => return self.undo(ack, board),
            // (2b): new data tells, if there is any.
            Frto::First if advanced && ack.at.may_send_new => Frto::NewData,
            Frto::First if advanced => Frto::Off,
            Frto::First => Frto::First,
            // (3a): the new data arrived beyond a gap: the rest is lost.
            _ if ack.delivery.sacked > 0 || ack.duplicate => Frto::Off,
            Frto::NewData | Frto::Waiting if !advanced => Frto::Waiting,
            Frto::NewData | Frto::Waiting => Frto::Off,
        };
        if advanced && ack.at.una.ge(recover) {
            return self.end(ack, board);
        }
        self.phase = Phase::Loss { recover, frto: next };
        if matches!(next, Frto::Off | Frto::First) {
            self.detect(&ack.at, board);
        }
        Change::None
    }

    /// All that was sent before it began is acknowledged; what was sent since may be lost as well.
    fn end(&mut self, ack: &AckSeen, board: &mut Scoreboard) -> Change {
        if let Some(episode) = &mut self.episode {
            episode.undo.over();
        }
        let reordering = &mut self.reordering;
        reordering.persist = reordering.persist.saturating_sub(1);
        if reordering.persist == 0 {
            reordering.mult = 1;
        }
        self.phase = Phase::Open;
        match self.open(ack, board, false) {
            Change::Began => Change::Began,
            _ => Change::Ended,
        }
    }

    fn for_nothing(&self, ack: &AckSeen) -> bool {
        self.episode.as_ref().is_some_and(|episode| episode.undo.was_for_nothing(ack))
    }

    /// What seemed lost was only late: it counts as reordering, as after a duplicate SACK.
    fn undo(&mut self, ack: &AckSeen, board: &mut Scoreboard) -> Change {
        board.none_lost();
        (self.episode, self.phase) = (None, Phase::Open);
        (self.reorder_at, self.found) = (NEVER, false);
        self.reordering.seen = true;
        if self.reordering.round.is_none() {
            self.reordering.widen(ack.at.nxt);
        }
        Change::Undone
    }
}

impl Reordering {
    /// The window was too small: once a round trip (§6.2, step 4).
    fn widen(&mut self, nxt: SeqNum) {
        self.round = Some(nxt);
        self.mult = self.mult.saturating_add(1);
        self.persist = PERSIST;
    }
}

impl Probe {
    /// §7.2: sets the timer where data was sent or acknowledged.
    fn schedule(&mut self, at: &Moment, wanted: bool, board: &Scoreboard) {
        if !wanted {
            self.at = NEVER;
            return;
        }
        if self.at != NEVER && self.set_at == (at.nxt, at.una) {
            return;
        }
        let mut pto = at.srtt.map_or(PTO_INITIAL, |srtt| srtt * 2);
        pto += if board.len() == 1 { MAX_ACK_DELAY } else { TICKS };
        let due = at.now + pto;
        // Not later than the retransmission timer, whose place it takes then.
        self.at = at.rto_at.map_or(due, |rto_at| due.min(rto_at));
        self.set_at = (at.nxt, at.una);
    }

    fn end(&self) -> Option<SeqNum> {
        self.sent.map(|(end, _)| end)
    }

    /// §7.4: whether the probe has repaired a loss.
    fn acked(&mut self, ack: &AckSeen) -> bool {
        let Some((end, again)) = self.sent.filter(|(end, _)| ack.at.una.ge(*end)) else {
            return false;
        };
        let twice = ack.dsack.is_some_and(|dsack| dsack.right == end);
        let repaired = again && !twice && ack.at.una.gt(end);
        let plain_duplicate = ack.duplicate && ack.delivery.sacked == 0;
        if !again || twice || repaired || plain_duplicate {
            self.sent = None;
        }
        repaired
    }
}
