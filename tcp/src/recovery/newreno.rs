//! Three duplicate ACKs and partial ACKs: recovery without SACK (RFC 6582).

use super::prr::Prr;
use super::{AckSeen, Change, Chosen, LossRecovery, Moment};
use crate::scoreboard::Fate;
use crate::{CaState, Config, Scoreboard, SeqNum};

#[cfg(test)]
mod tests;

/// Fast retransmit and NewReno's fast recovery, with limited transmit (RFC 3042). The window comes
/// down by proportional rate reduction (RFC 6937), and a timeout for nothing is found out by the
/// basic F-RTO (RFC 5682 §2.1), or, as a recovery for nothing, by a timestamp (RFC 3522).
///
/// The RFCs inflate the congestion window by a segment for each duplicate ACK; here the ACK takes
/// a segment out of the pipe instead ([`Scoreboard::set_left_network`]). What may be sent is the
/// same, limited transmit comes by itself, and algorithms with SACK share the bookkeeping.
///
/// There is no tail loss probe: RFC 8985 §7.1 has it only with SACK, since without it nobody can
/// tell whether the probe repaired a loss.
pub struct ThreeDuplicates {
    chosen: Chosen,
    dupacks: u32,
    phase: Phase,
    /// DeliveredData of the last acknowledgment (RFC 6937 §3), as far as duplicates tell.
    delivered: u32,
    prr: Option<Box<Prr>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Until `recover` is acknowledged: fast recovery.
    Recovery {
        recover: SeqNum,
    },
    /// Until `recover` is acknowledged: everything is sent again after a timeout, and duplicate
    /// ACKs tell of that, not of new losses (RFC 6582 §4.1).
    Loss {
        recover: SeqNum,
        frto: Frto,
    },
}

/// F-RTO (RFC 5682 §2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Frto {
    /// Not in use, or the timeout was right.
    Off,
    /// Step 1: the first segment was sent again.
    First,
    /// Step 2: its acknowledgment came; new data is sent, and the next acknowledgment tells.
    NewData,
    /// Step 3 (a): duplicate ACKs did, one for each segment of the new data.
    Refuted,
}

/// Segments of new data in step 2 (b).
const NEW_SEGMENTS: u32 = 2;

impl LossRecovery for ThreeDuplicates {
    fn acked(&mut self, ack: &AckSeen, board: &mut Scoreboard) -> Change {
        self.delivered = 0;
        if ack.newly_acked > 0 {
            self.progress(ack, board)
        } else if ack.duplicate {
            self.duplicate(ack, board)
        } else {
            Change::None
        }
    }

    fn timed_out(&mut self, at: &Moment, board: &mut Scoreboard) {
        board.all_lost();
        // RFC 5682 §2.1, step 1: not where another timeout is being recovered from.
        let frto = match self.phase {
            Phase::Open if self.chosen.frto => Frto::First,
            Phase::Open | Phase::Recovery { .. } | Phase::Loss { .. } => Frto::Off,
        };
        if self.phase == Phase::Open {
            board.forget_retransmissions();
        }
        (self.dupacks, self.prr) = (0, None);
        self.phase = Phase::Loss { recover: at.nxt, frto };
    }

    fn reduce(&mut self, ssthresh: u32, _delivered: u32, at: &Moment, board: &Scoreboard) {
        // Without a threshold there is nothing to come down to.
        if let Some(prr) = &mut self.prr
            && ssthresh < u32::MAX
        {
            // Whatever advances in a recovery tells of a further loss: never the bound for what
            // is safe.
            prr.delivered(self.delivered, ssthresh, false, at.mss, board);
        }
    }

    fn window(&self, cwnd: u32) -> u32 {
        self.prr.as_ref().and_then(|prr| prr.window()).unwrap_or(cwnd)
    }

    fn reduces_by_itself(&self) -> bool {
        true
    }

    fn tries_new_data(&self) -> bool {
        matches!(self.phase, Phase::Loss { frto: Frto::NewData, .. })
    }

    fn ca_state(&self) -> CaState {
        match self.phase {
            Phase::Open if self.dupacks == 0 => CaState::Open,
            Phase::Open => CaState::Disorder,
            Phase::Recovery { .. } => CaState::Recovery,
            Phase::Loss { .. } => CaState::Loss,
        }
    }

    fn reordering(&self) -> u32 {
        self.chosen.dup_thresh()
    }
}

impl ThreeDuplicates {
    /// One that has seen nothing.
    pub fn new(config: &Config) -> ThreeDuplicates {
        let chosen = Chosen::of(config);
        ThreeDuplicates { chosen, dupacks: 0, phase: Phase::Open, delivered: 0, prr: None }
    }

    fn duplicate(&mut self, ack: &AckSeen, board: &mut Scoreboard) -> Change {
        self.delivered = ack.at.mss;
        match self.phase {
            // RFC 5682 §2.1: the timeout was right.
            Phase::Loss { recover, frto: Frto::NewData | Frto::Refuted } => {
                // (3a): the new data has left the network, and makes room for what was lost.
                let left = board.left_network() + ack.at.mss;
                board.set_left_network(left.min(NEW_SEGMENTS * ack.at.mss));
                self.phase = Phase::Loss { recover, frto: Frto::Refuted };
                return Change::None;
            }
            Phase::Loss { recover, .. } => {
                // (2a).
                self.phase = Phase::Loss { recover, frto: Frto::Off };
                return Change::None;
            }
            Phase::Open => {
                self.dupacks += 1;
                board.set_left_network(self.dupacks * ack.at.mss);
            }
            Phase::Recovery { .. } => {
                board.set_left_network(board.left_network() + ack.at.mss);
                return Change::None;
            }
        }
        // RFC 5681 §3.2: "the third duplicate ACK", unless another number was chosen.
        if self.dupacks < self.chosen.dup_thresh() {
            return Change::None;
        }
        self.phase = Phase::Recovery { recover: ack.at.nxt };
        self.prr = Some(Box::new(Prr::new(ack.at.cwnd, board)));
        board.forget_retransmissions();
        mark_first_lost(board);
        Change::Began
    }

    fn progress(&mut self, ack: &AckSeen, board: &mut Scoreboard) -> Change {
        self.dupacks = 0;
        let over = match self.phase {
            Phase::Open => {
                board.set_left_network(0);
                return Change::None;
            }
            // RFC 3522 §3.2: it answers an original.
            Phase::Recovery { .. } | Phase::Loss { .. } if ack.original => {
                return self.undo(board);
            }
            Phase::Loss { frto: Frto::NewData, .. } => {
                // RFC 5682 §2.1 (3b): what was sent once, before the timeout, has arrived.
                return self.undo(board);
            }
            Phase::Recovery { recover } | Phase::Loss { recover, .. } => ack.at.una.ge(recover),
        };
        // Of what is acknowledged all but the one that was lost had been counted out by duplicate
        // ACKs.
        let others = ack.newly_acked.saturating_sub(ack.at.mss);
        let counted = board.left_network().min(others);
        self.delivered = ack.newly_acked - counted;
        if over {
            self.open(board);
            return Change::Ended;
        }
        match self.phase {
            Phase::Recovery { .. } => {
                // RFC 6582 §3.2, partial acknowledgment: the next segment was lost as well.
                board.set_left_network(board.left_network() - counted);
                mark_first_lost(board);
                return Change::Again;
            }
            // RFC 5682 §2.1 (2b): new data tells, if there is any.
            Phase::Loss { recover, frto: Frto::First } => {
                let frto = if ack.at.may_send_new { Frto::NewData } else { Frto::Off };
                self.phase = Phase::Loss { recover, frto };
            }
            Phase::Loss { .. } | Phase::Open => {}
        }
        Change::None
    }

    fn open(&mut self, board: &mut Scoreboard) {
        board.set_left_network(0);
        (self.phase, self.prr) = (Phase::Open, None);
    }

    fn undo(&mut self, board: &mut Scoreboard) -> Change {
        board.none_lost();
        self.open(board);
        Change::Undone
    }
}

fn mark_first_lost(board: &mut Scoreboard) {
    if board.at(0).is_some_and(|sent| sent.fate == Fate::InFlight) {
        board.set_fate(0, Fate::Lost);
    }
}
