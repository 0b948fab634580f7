//! Recovery by counting selective acknowledgments (RFC 6675).

use super::{AckSeen, Change, Chosen, LossRecovery, Moment, ThreeDuplicates};
use crate::scoreboard::Fate;
use crate::{CaState, Config, Scoreboard, Sent, SeqNum};

#[cfg(test)]
mod tests;

/// RFC 6675, to be laid beside it: its functions and its variables have their names here.
///
/// | the RFC's | here |
/// |---|---|
/// | HighACK, HighData | SND.UNA - 1, SND.NXT - 1 |
/// | Update() | [`Board::sack`](crate::Board::sack), before an acknowledgment gets here |
/// | DupThresh | [`Config::reordering`] |
/// | IsLost() | [`Board::lost_below`](crate::Board::lost_below), for all segments at once |
/// | SetPipe() | [`Board::pipe`](crate::Board::pipe), kept up to date |
/// | NextSeg() (1) | [`Fate::Lost`]: output sends those first, in their order |
/// | NextSeg() (2) | new data, which output sends next |
/// | NextSeg() (3), (4) | [`LossRecovery::next_segment`], which output asks where there is none |
///
/// Compared with [`Rack`](super::Rack): a retransmission that is lost waits for the timeout, and
/// packets that three others pass are lost. For a peer without SACK [`ThreeDuplicates`] does the
/// work.
pub struct CountSacks {
    chosen: Chosen,
    /// Both sides use SACK.
    sack: bool,
    plain: ThreeDuplicates,
    dup_acks: u32,
    phase: Phase,
    /// Something has arrived beyond a gap.
    gap: bool,
    /// Below this, all that IsLost() names is marked.
    marked: SeqNum,
    /// The number after HighRxt.
    high_rxt: SeqNum,
    /// The number after RescueRxt; `None`: undefined.
    rescue_rxt: Option<SeqNum>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Until RecoveryPoint is acknowledged: loss recovery.
    Recovery {
        recovery_point: SeqNum,
    },
    /// Until it is: no new recovery begins after a timeout (§5.1).
    Loss {
        recovery_point: SeqNum,
    },
}

impl LossRecovery for CountSacks {
    fn uses_sack(&self) -> bool {
        true
    }

    /// §5.
    fn acked(&mut self, ack: &AckSeen, board: &mut Scoreboard) -> Change {
        self.sack = ack.at.sack;
        if !self.sack {
            return self.plain.acked(ack, board);
        }
        self.gap = board.tally().sacked > 0;
        if ack.newly_acked > 0 {
            self.dup_acks = 0;
        }
        match self.phase {
            Phase::Open => self.count(ack, board),
            // (A)
            Phase::Recovery { recovery_point } | Phase::Loss { recovery_point }
                if ack.newly_acked > 0 && ack.at.una.ge(recovery_point) =>
            {
                self.phase = Phase::Open;
                match self.count(ack, board) {
                    Change::Began => Change::Began,
                    _ => Change::Ended,
                }
            }
            // (B)
            Phase::Recovery { .. } => {
                self.mark(&ack.at, board);
                Change::None
            }
            Phase::Loss { .. } => Change::None,
        }
    }

    /// §5.1: RecoveryPoint is HighData. What is sent again is all that has not arrived.
    fn timed_out(&mut self, at: &Moment, board: &mut Scoreboard) {
        self.sack = at.sack;
        if !self.sack {
            return self.plain.timed_out(at, board);
        }
        if board.at(0).is_some_and(|first| first.fate == Fate::Sacked) {
            board.reneged();
        }
        board.all_lost();
        self.dup_acks = 0;
        self.phase = Phase::Loss { recovery_point: at.nxt };
    }

    /// NextSeg() (§4), rules 3 and 4.
    fn next_segment(&mut self, at: &Moment, board: &mut Scoreboard) -> Option<usize> {
        let Phase::Recovery { recovery_point } = self.phase else { return None };
        // (3): what lies beyond HighRxt (1.a) and below the highest octet that was selectively
        // acknowledged (1.b), without being lost by count (1.c).
        if let Some(index) = board.first_gap(self.high_rxt.max(at.una))
            && let Some(&sent) = board.at(index)
        {
            board.set_fate(index, Fate::Doubled);
            // §5 (C.2)
            self.high_rxt = sent.end();
            return Some(index);
        }
        // (4): once in a recovery, and not before more was acknowledged than the first
        // retransmission, the last segment that has not arrived. HighRxt stays.
        if self.rescue_rxt.is_none_or(|rescued| at.una.gt(rescued)) {
            self.rescue_rxt = Some(recovery_point);
            return board.last_awaited();
        }
        None
    }

    fn sent_again(&mut self, sent: &Sent) {
        if let Phase::Recovery { .. } = self.phase {
            self.high_rxt = self.high_rxt.max(sent.end());
            // §5 (4.3): the first retransmission.
            self.rescue_rxt.get_or_insert(sent.end());
        }
    }

    fn reduce(&mut self, ssthresh: u32, delivered: u32, at: &Moment, board: &Scoreboard) {
        if !self.sack {
            self.plain.reduce(ssthresh, delivered, at, board);
        }
    }

    fn window(&self, cwnd: u32) -> u32 {
        if self.sack { cwnd } else { self.plain.window(cwnd) }
    }

    fn reduces_by_itself(&self) -> bool {
        // The pipe is known, so nothing was held back.
        true
    }

    fn tries_new_data(&self) -> bool {
        !self.sack && self.plain.tries_new_data()
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
        self.chosen.dup_thresh()
    }
}

impl CountSacks {
    /// One that has seen nothing.
    pub fn new(config: &Config) -> CountSacks {
        CountSacks {
            chosen: Chosen::of(config),
            sack: false,
            plain: ThreeDuplicates::new(config),
            dup_acks: 0,
            phase: Phase::Open,
            gap: false,
            marked: SeqNum(0),
            high_rxt: SeqNum(0),
            rescue_rxt: None,
        }
    }

    /// §5, not in loss recovery. A duplicate acknowledgment (§2) is one that tells of octets which
    /// were not known to have arrived.
    fn count(&mut self, ack: &AckSeen, board: &mut Scoreboard) -> Change {
        if ack.delivery.sacked == 0 {
            return Change::None;
        }
        self.dup_acks += 1;
        let dup_thresh = self.chosen.dup_thresh();
        // (1), (2). Else (3), limited transmit: what has arrived left the pipe, which makes room.
        let is_lost =
            board.lost_below(dup_thresh, ack.at.mss).is_some_and(|below| below.gt(ack.at.una));
        if self.dup_acks < dup_thresh && !is_lost {
            return Change::None;
        }
        // (4.1)
        self.phase = Phase::Recovery { recovery_point: ack.at.nxt };
        (self.marked, self.high_rxt, self.rescue_rxt) = (ack.at.una, ack.at.una, None);
        // (4.3): the first segment is presumed dropped in any case.
        if let Some(first) = board.at(0).copied() {
            board.mark_lost(first.seq, first.end());
        }
        self.mark(&ack.at, board);
        Change::Began
    }

    /// Marks what IsLost() names by now.
    fn mark(&mut self, at: &Moment, board: &mut Scoreboard) {
        self.marked = self.marked.max(at.una);
        if let Some(below) = board.lost_below(self.chosen.dup_thresh(), at.mss)
            && below.gt(self.marked)
        {
            board.mark_lost(self.marked, below);
            self.marked = below;
        }
    }
}
