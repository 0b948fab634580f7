//! Loss recovery: a swap point. What was lost, and when to send it again.

use netdev::Instant;

use crate::parts::Part;
use crate::{CaState, Scoreboard, SeqNum};

mod newreno;

pub use newreno::ThreeDuplicates;

/// Finds out what was lost.
///
/// It writes its findings into the [`Scoreboard`]; the connection's output sends lost segments
/// again, before new ones, as the congestion window has room. What it returns tells the
/// [`CongestionControl`](crate::CongestionControl) that the network was congested, or is no more.
pub trait LossRecovery: Send {
    /// An acceptable acknowledgment came, and the scoreboard has what it acknowledges taken off.
    fn acked(&mut self, ack: &AckSeen, board: &mut Scoreboard) -> Change;

    /// Whether it has a use for selective acknowledgments: else the scoreboard is not told.
    fn uses_sack(&self) -> bool {
        false
    }

    /// The retransmission timer ran out: everything is marked lost already.
    fn timed_out(&mut self, snd_nxt: SeqNum, board: &mut Scoreboard);

    /// When [`LossRecovery::timer`] wants to be called: a reordering timer or a tail loss probe
    /// (RFC 8985).
    fn timer_at(&self) -> Option<Instant> {
        None
    }

    /// Its timer is due.
    fn timer(&mut self, now: Instant, board: &mut Scoreboard) -> Change {
        let _ = (now, board);
        Change::None
    }

    /// How many bytes may be in flight, where it is not `cwnd`: proportional rate reduction
    /// (RFC 6937) has its own idea while it recovers.
    fn window(&self, cwnd: u32) -> u32 {
        cwnd
    }

    /// How it stands.
    fn ca_state(&self) -> CaState;

    /// By how many segments the network is thought to reorder at most.
    fn reordering(&self) -> u32;
}

/// An acknowledgment, as loss recovery sees it.
#[derive(Clone, Copy, Debug)]
pub struct AckSeen {
    /// When it came.
    pub now: Instant,
    /// SND.UNA with it taken in.
    pub una: SeqNum,
    /// SND.NXT.
    pub nxt: SeqNum,
    /// Sequence numbers that it newly acknowledged.
    pub newly_acked: u32,
    /// Whether it is a duplicate by RFC 5681 §2.
    pub duplicate: bool,
    /// Bytes in a full segment.
    pub mss: u32,
}

/// What an acknowledgment changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that the congestion control need know.
    None,
    /// Something was lost: recovery begins.
    Began,
    /// Something else was lost as well, and is sent again whatever the window says.
    Again,
    /// All that was in flight when it began is acknowledged.
    Ended,
    /// It had begun for nothing.
    Undone,
}

/// The algorithms, the default first.
pub static LOSS_RECOVERIES: &[Part<dyn LossRecovery>] = &[Part {
    name: "newreno",
    about: "three duplicate ACKs and partial ACKs (RFC 5681, RFC 6582, RFC 3042)",
    make: |_| Box::new(ThreeDuplicates::default()),
}];
