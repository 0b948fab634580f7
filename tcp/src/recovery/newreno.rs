//! Three duplicate ACKs and partial ACKs: recovery without SACK (RFC 6582).

use super::{AckSeen, Change, LossRecovery, Moment};
use crate::scoreboard::Fate;
use crate::{CaState, Scoreboard, SeqNum};

/// RFC 5681 §3.2: "the third duplicate ACK".
const DUP_THRESH: u32 = 3;

/// Fast retransmit and NewReno's fast recovery, with limited transmit (RFC 3042).
///
/// The RFCs inflate the congestion window by a segment for each duplicate ACK; here the ACK takes
/// a segment out of the pipe instead ([`Scoreboard::set_left_network`]). What may be sent is the
/// same, limited transmit comes by itself, and algorithms with SACK share the bookkeeping.
#[derive(Default)]
pub struct ThreeDuplicates {
    dupacks: u32,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Open,
    /// Until `recover` is acknowledged: fast recovery.
    Recovery { recover: SeqNum },
    /// Until `recover` is acknowledged: everything is sent again after a timeout, and duplicate
    /// ACKs tell of that, not of new losses (RFC 6582 §4.1).
    Loss { recover: SeqNum },
}

impl LossRecovery for ThreeDuplicates {
    fn acked(&mut self, ack: &AckSeen, board: &mut Scoreboard) -> Change {
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
        self.dupacks = 0;
        self.phase = Phase::Loss { recover: at.nxt };
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
        DUP_THRESH
    }
}

impl ThreeDuplicates {
    fn duplicate(&mut self, ack: &AckSeen, board: &mut Scoreboard) -> Change {
        match self.phase {
            Phase::Loss { .. } => return Change::None,
            Phase::Open => {
                self.dupacks += 1;
                board.set_left_network(self.dupacks * ack.at.mss);
            }
            Phase::Recovery { .. } => {
                board.set_left_network(board.left_network() + ack.at.mss);
                return Change::None;
            }
        }
        if self.dupacks < DUP_THRESH {
            return Change::None;
        }
        self.phase = Phase::Recovery { recover: ack.at.nxt };
        mark_first_lost(board);
        Change::Began
    }

    fn progress(&mut self, ack: &AckSeen, board: &mut Scoreboard) -> Change {
        self.dupacks = 0;
        match self.phase {
            Phase::Open => {
                board.set_left_network(0);
                Change::None
            }
            Phase::Recovery { recover } | Phase::Loss { recover } if ack.at.una.ge(recover) => {
                board.set_left_network(0);
                self.phase = Phase::Open;
                Change::Ended
            }
            Phase::Recovery { .. } => {
                // RFC 6582 §3.2, partial acknowledgment: the next segment was lost as well. Of
                // what is acknowledged all but the one that was lost had been counted out by
                // duplicate ACKs.
                let arrived = ack.newly_acked.saturating_sub(ack.at.mss);
                board.set_left_network(board.left_network().saturating_sub(arrived));
                mark_first_lost(board);
                Change::Again
            }
            Phase::Loss { .. } => Change::None,
        }
    }
}

fn mark_first_lost(board: &mut Scoreboard) {
    if board.at(0).is_some_and(|sent| sent.fate == Fate::InFlight) {
        board.set_fate(0, Fate::Lost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netdev::Instant;

    const MSS: u32 = 1000;

    /// Ten segments in flight.
    fn board() -> Scoreboard {
        let mut board = Scoreboard::default();
        (0..10).for_each(|i| board.push(SeqNum(i * MSS), MSS, false, Instant::ZERO));
        board
    }

    fn ack(una: u32, newly_acked: u32) -> AckSeen {
        AckSeen {
            at: Moment { sack: false, ..Moment::test(0, una * MSS, 10 * MSS) },
            newly_acked: newly_acked * MSS,
            duplicate: newly_acked == 0,
            delivery: Default::default(),
            dsack: None,
            original: false,
            fack: None,
            history: Default::default(),
        }
    }

    /// RFC 3042: each of the first two duplicate ACKs makes room for one segment; RFC 5681 §3.2:
    /// the third begins recovery with the first segment.
    #[test]
    fn the_third_duplicate_begins_recovery() {
        let (mut recovery, mut board) = (ThreeDuplicates::default(), board());
        assert_eq!(recovery.acked(&ack(0, 0), &mut board), Change::None);
        assert_eq!((board.pipe(), recovery.ca_state()), (9 * MSS, CaState::Disorder));
        assert_eq!(recovery.acked(&ack(0, 0), &mut board), Change::None);
        assert_eq!(recovery.acked(&ack(0, 0), &mut board), Change::Began);
        assert_eq!((board.first_lost(), board.pipe()), (Some(0), 6 * MSS));
    }

    /// RFC 6582 §3.2: a partial acknowledgment shows the next loss, a full one ends recovery.
    #[test]
    fn a_partial_acknowledgment_retransmits_the_next_hole() {
        let (mut recovery, mut board) = (ThreeDuplicates::default(), board());
        (0..8).for_each(|_| _ = recovery.acked(&ack(0, 0), &mut board));
        board.retransmitted(0, Instant::ZERO);
        assert_eq!(board.pipe(), 2 * MSS);
        board.acknowledge(SeqNum(4 * MSS), |_| {});
        assert_eq!(recovery.acked(&ack(4, 4), &mut board), Change::Again);
        assert_eq!(board.first_lost(), Some(0));
        // Six are left: five of them arrived, the lost one is not in the network.
        assert_eq!(board.pipe(), 0);
        board.acknowledge(SeqNum(10 * MSS), |_| {});
        assert_eq!(recovery.acked(&ack(10, 6), &mut board), Change::Ended);
        assert_eq!(recovery.ca_state(), CaState::Open);
    }

    /// RFC 6582 §4.1: after a timeout, duplicates of what was sent again begin nothing.
    #[test]
    fn duplicates_after_a_timeout_begin_no_recovery() {
        let (mut recovery, mut board) = (ThreeDuplicates::default(), board());
        recovery.timed_out(&Moment::test(0, 0, 10 * MSS), &mut board);
        assert_eq!(board.tally().lost, 10);
        for _ in 0..5 {
            assert_eq!(recovery.acked(&ack(0, 0), &mut board), Change::None);
        }
        assert_eq!(recovery.ca_state(), CaState::Loss);
    }
}
