//! Proportional rate reduction (RFC 6937): how the window comes down to the threshold.

use crate::Scoreboard;

/// Neither at once, which would leave the line silent for half a round trip, nor in a burst: for
/// each byte that arrives, so much is sent that the threshold is reached when all that was in
/// flight has been acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prr {
    /// RecoverFS: the window when it began. (Linux's choice; the RFC takes the flight size.)
    prior: u32,
    /// prr_delivered.
    delivered: u32,
    /// All that had been sent when it began: what was sent since is prr_out.
    sent_before: u32,
    /// A retransmission begins it.
    repairs: bool,
    /// How many bytes may be in flight until the next acknowledgment.
    window: Option<u32>,
}

impl Prr {
    /// Recovery begins at a window of `prior` bytes.
    pub(crate) fn new(prior: u32, board: &Scoreboard) -> Prr {
        let sent_before = board.history().bytes;
        Prr { prior: prior.max(1), delivered: 0, sent_before, repairs: true, window: None }
    }

    /// The window comes down for a congestion mark: nothing was lost.
    pub(crate) fn for_mark(prior: u32, board: &Scoreboard) -> Prr {
        Prr { repairs: false, ..Prr::new(prior, board) }
    }

    /// `delivered` bytes have arrived. With `safe` the acknowledgment advanced and told of no
    /// further loss, so that the sender may catch up a little (RFC 6937 §3: slow-start reduction
    /// bound; else the conservative bound; which of them is Linux's choice).
    pub(crate) fn delivered(
        &mut self,
        delivered: u32,
        ssthresh: u32,
        safe: bool,
        mss: u32,
        board: &Scoreboard,
    ) {
        if delivered == 0 {
            return;
        }
        self.delivered = self.delivered.saturating_add(delivered);
        let (pipe, out) = (board.pipe(), board.history().bytes.wrapping_sub(self.sent_before));
        let mut send = if pipe > ssthresh {
            let share = u64::from(self.delivered) * u64::from(ssthresh);
            (share.div_ceil(self.prior.into()) as u32).saturating_sub(out)
        } else {
            let bound = self.delivered.saturating_sub(out).max(delivered);
            (bound + if safe { mss } else { 0 }).min(ssthresh - pipe)
        };
        if out == 0 && self.repairs {
            // The fast retransmission itself.
            send = send.max(mss);
        }
        self.window = Some(pipe + send);
    }

    pub(crate) fn window(&self) -> Option<u32> {
        self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fate, SeqNum};
    use netdev::Instant;

    const MSS: u32 = 1000;

    /// RFC 6937 §5, figure 2: twenty in flight, one lost, halved: a segment for every second ACK,
    /// spread over the round trip.
    #[test]
    fn the_window_comes_down_evenly() {
        let mut board = Scoreboard::default();
        (0..20).for_each(|i| board.push(SeqNum(i * MSS), MSS, false, Instant::ZERO));
        let mut prr = Prr::new(20 * MSS, &board);
        board.set_fate(0, Fate::Lost);
        (1..4).for_each(|i| board.set_fate(i, Fate::Sacked));
        let mut nxt = 20;
        let mut sent = Vec::new();
        for i in 3..20 {
            if i > 3 {
                board.set_fate(i, Fate::Sacked);
            }
            prr.delivered(MSS, 10 * MSS, false, MSS, &board);
            while board.pipe() + MSS <= prr.window().unwrap() {
                if board.first_lost().is_some() {
                    board.retransmitted(0, Instant::ZERO);
                } else {
                    board.push(SeqNum(nxt * MSS), MSS, false, Instant::ZERO);
                    nxt += 1;
                }
                sent.push(i);
            }
        }
        assert_eq!(sent[..5], [3, 6, 8, 10, 12], "at every second ACK, after the first");
        assert_eq!(board.pipe(), 10 * MSS);
    }

    /// RFC 6937 §3.1: more was lost than the reduction asks for: the conservative bound sends what
    /// was delivered, the slow-start bound a segment more.
    #[test]
    fn a_burst_of_losses_does_not_burst() {
        let mut board = Scoreboard::default();
        (0..20).for_each(|i| board.push(SeqNum(i * MSS), MSS, false, Instant::ZERO));
        (0..17).for_each(|i| board.set_fate(i, Fate::Lost));
        let mut prr = Prr::new(20 * MSS, &board);
        prr.delivered(MSS, 10 * MSS, false, MSS, &board);
        assert_eq!(prr.window(), Some(3 * MSS + MSS));
        board.retransmitted(0, Instant::ZERO);
        prr.delivered(MSS, 10 * MSS, true, MSS, &board);
        assert_eq!(prr.window(), Some(4 * MSS + 2 * MSS));
    }
}
