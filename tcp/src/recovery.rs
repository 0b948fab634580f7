//! Loss recovery: a swap point. What was lost, and when to send it again.

use std::time::Duration;

use netdev::Instant;

use crate::options::SackBlock;
use crate::parts::Part;
use crate::scoreboard::History;
use crate::{CaState, Config, Scoreboard, Sent, SeqNum};

mod delivery;
mod newreno;
mod prr;
mod rack;
mod sack;
mod undo;

pub use delivery::Delivery;
pub use newreno::ThreeDuplicates;
pub(crate) use prr::Prr;
pub use rack::Rack;
pub use sack::CountSacks;

/// Finds out what was lost.
///
/// It writes its findings into the [`Scoreboard`]; the connection's output sends lost segments
/// again, before new ones, as the congestion window has room. What it returns tells the
/// [`CongestionControl`](crate::CongestionControl) that the network was congested, or is no more.
pub trait LossRecovery: Send {
    /// Whether it has a use for selective acknowledgments: else the scoreboard is not told.
    fn uses_sack(&self) -> bool {
        false
    }

    /// An acceptable acknowledgment came; the scoreboard has taken it in.
    fn acked(&mut self, ack: &AckSeen, board: &mut Scoreboard) -> Change;

    /// The retransmission timer ran out: marks as lost what is to be sent again.
    fn timed_out(&mut self, at: &Moment, board: &mut Scoreboard);

    /// All is sent that may be: when [`LossRecovery::timer`] wants to be called, for a reordering
    /// timer or a tail loss probe (RFC 8985). Asked again after every change.
    fn schedule(&mut self, at: &Moment, board: &Scoreboard) -> Option<Instant> {
        let _ = (at, board);
        None
    }

    /// Whether what [`LossRecovery::schedule`] waits for is a probe.
    fn waits_to_probe(&self) -> bool {
        false
    }

    /// Its timer is due.
    fn timer(&mut self, at: &Moment, board: &mut Scoreboard) -> Change {
        let _ = (at, board);
        Change::None
    }

    /// Nothing is lost, and there is no new data or the peer has no room for it, but the network
    /// has: what to send again nevertheless (RFC 6675 §4, NextSeg (3) and (4)).
    fn next_segment(&mut self, at: &Moment, board: &mut Scoreboard) -> Option<usize> {
        let _ = (at, board);
        None
    }

    /// A segment that it had marked as lost is sent again.
    fn sent_again(&mut self, sent: &Sent) {
        let _ = sent;
    }

    /// The probe that [`Change::Probe`] asked for was sent: new data, or the last segment again.
    fn probed(&mut self, nxt: SeqNum, again: bool) {
        let _ = (nxt, again);
    }

    /// The connection is in fast recovery, the congestion control has set its threshold, and
    /// `delivered` bytes have arrived: how much may be sent until the next acknowledgment.
    fn reduce(&mut self, ssthresh: u32, delivered: u32, at: &Moment, board: &Scoreboard) {
        let _ = (ssthresh, delivered, at, board);
    }

    /// How many bytes may be in flight, where it is not `cwnd`: proportional rate reduction
    /// (RFC 6937) has its own idea while it recovers.
    fn window(&self, cwnd: u32) -> u32 {
        cwnd
    }

    /// Whether [`LossRecovery::window`] leads to the threshold by itself, so that nothing that was
    /// held back is let go when recovery ends.
    fn reduces_by_itself(&self) -> bool {
        false
    }

    /// Whether new data is to be sent before what is lost, to see what becomes of it (F-RTO).
    fn tries_new_data(&self) -> bool {
        false
    }

    /// How it stands.
    fn ca_state(&self) -> CaState;

    /// By how many segments the network is thought to reorder at most.
    fn reordering(&self) -> u32;
}

/// How a connection stands when loss recovery is asked.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// What time it is.
    pub now: Instant,
    /// SND.UNA.
    pub una: SeqNum,
    /// SND.NXT.
    pub nxt: SeqNum,
    /// Bytes in a full segment.
    pub mss: u32,
    /// Whether both sides use SACK.
    pub sack: bool,
    /// The congestion window in bytes.
    pub cwnd: u32,
    /// The smoothed round trip.
    pub srtt: Option<Duration>,
    /// The least round trip.
    pub min_rtt: Option<Duration>,
    /// When the retransmission timer is due.
    pub rto_at: Option<Instant>,
    /// There is new data, and the peer's window has room for it.
    pub may_send_new: bool,
}

/// An acknowledgment, as loss recovery sees it.
#[derive(Clone, Copy, Debug)]
pub struct AckSeen {
    /// How the connection stands, with it taken in.
    pub at: Moment,
    /// Sequence numbers that it newly acknowledged.
    pub newly_acked: u32,
    /// Whether it is a duplicate by RFC 5681 §2.
    pub duplicate: bool,
    /// What it told to have arrived.
    pub delivery: Delivery,
    /// What it told to have arrived twice (RFC 2883).
    pub dsack: Option<SackBlock>,
    /// By its timestamp it answers something that was sent before the first retransmission of
    /// this recovery (RFC 3522 §3.2, the Eifel detection).
    pub original: bool,
    /// The end of the highest segment that had arrived before it came.
    pub fack: Option<SeqNum>,
    /// What was sent before it came.
    pub history: History,
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
    /// A probe has repaired a loss that nobody saw (RFC 8985 §7.4.2).
    Repaired,
    /// A probe is to be sent (RFC 8985 §7.3).
    Probe,
}

/// What the algorithms take from the [`Config`].
#[derive(Clone, Copy, Debug)]
struct Chosen {
    /// [`Config::reordering`].
    dup_thresh: u16,
    /// [`Config::frto`].
    frto: bool,
}

impl Chosen {
    fn of(config: &Config) -> Chosen {
        // Nobody has more than that in flight beyond a gap.
        let dup_thresh = config.reordering.clamp(1, u16::MAX.into()) as u16;
        Chosen { dup_thresh, frto: config.frto }
    }

    fn dup_thresh(self) -> u32 {
        self.dup_thresh.into()
    }
}

/// The algorithms, the default first.
pub static LOSS_RECOVERIES: &[Part<dyn LossRecovery>] = &[
    Part {
        name: "rack",
        about: "by time, and probes of the tail (RFC 8985, RFC 6937, RFC 5682)",
        make: |config: &Config| Box::new(Rack::new(config)),
    },
    Part {
        name: "sack",
        about: "by the count of selective acknowledgments (RFC 6675)",
        make: |config: &Config| Box::new(CountSacks::new(config)),
    },
    Part {
        name: "newreno",
        about: "three duplicate ACKs and partial ACKs, without SACK (RFC 6582, RFC 6937, RFC 5682)",
        make: |config: &Config| Box::new(ThreeDuplicates::new(config)),
    },
];

#[cfg(test)]
impl AckSeen {
    /// For tests: one that told of nothing.
    fn test(at: Moment) -> AckSeen {
        AckSeen {
            at,
            newly_acked: 0,
            duplicate: false,
            delivery: Delivery::default(),
            dsack: None,
            original: false,
            fack: None,
            history: History::default(),
        }
    }
}

#[cfg(test)]
impl Moment {
    /// For tests: a moment with a round trip of 100 ms.
    fn test(ms: u64, una: u32, nxt: u32) -> Moment {
        let rtt = Some(Duration::from_millis(100));
        Moment {
            now: Instant::from_millis(ms),
            una: SeqNum(una),
            nxt: SeqNum(nxt),
            mss: 1000,
            sack: true,
            cwnd: 10_000,
            srtt: rtt,
            min_rtt: rtt,
            rto_at: Some(Instant::from_millis(ms + 300)),
            may_send_new: false,
        }
    }
}
