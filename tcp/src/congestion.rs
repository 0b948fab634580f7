//! Congestion control (RFC 5681): a swap point. How much may be in flight.

use std::time::Duration;

use netdev::Instant;

use crate::parts::Part;
use crate::{Config, SeqNum};

mod cubic;
mod hystart;
mod none;
mod reno;
mod usage;

pub use cubic::Cubic;
pub use none::Unlimited;
pub use reno::NewReno;
pub(crate) use usage::Usage;

/// Decides how many bytes may be in flight. *That* something was lost is the business of
/// [`LossRecovery`](crate::LossRecovery), which also decides *what* is sent again; this decides
/// what follows from it for the window.
pub trait CongestionControl: Send {
    /// Its name, as the user chose it.
    fn name(&self) -> &'static str;

    /// The connection is there: the size of a segment and of the initial window, in bytes.
    fn start(&mut self, mss: u32, initial_window: u32);

    /// The windows are these from now on, in bytes: it takes over from another algorithm, or they
    /// were not used (RFC 7661 §4.4). Called after [`CongestionControl::start`].
    fn take_over(&mut self, cwnd: u32, ssthresh: u32) {
        let _ = (cwnd, ssthresh);
    }

    /// Segments have another size from now on.
    fn set_mss(&mut self, mss: u32);

    /// New data was acknowledged. Not called while lost data is being recovered.
    fn acked(&mut self, ack: &Acked);

    /// Data was delivered: called for every acknowledgment that says so, while lost data is being
    /// recovered too, and before [`CongestionControl::acked`]. A control that models the path, as
    /// BBR does, lives on this; one that counts what is acknowledged has no use for it.
    fn delivered(&mut self, sample: &RateSample) {
        let _ = sample;
    }

    /// Data was lost, or marked, for the first time in this round trip (RFC 5681 §3.2,
    /// RFC 3168 §6.1.2): `flight` bytes were in flight.
    fn congested(&mut self, now: Instant, flight: u32);

    /// All that was in flight when [`CongestionControl::congested`] came is acknowledged;
    /// `flight` bytes are in flight now.
    fn recovered(&mut self, now: Instant, flight: u32);

    /// The retransmission timer ran out (RFC 5681 §3.1).
    fn timed_out(&mut self, now: Instant, flight: u32, timeout: Timeout);

    /// Data is sent, and nothing was in flight before it: the time since the last acknowledgment
    /// is none in which the window was used (RFC 9438 §5.8).
    fn flight_begins(&mut self, now: Instant) {
        let _ = now;
    }

    /// Nothing was sent for `idle`, and `rto` is less than that (RFC 5681 §4.1).
    fn idle(&mut self, idle: Duration, rto: Duration);

    /// The loss was none: take back what it did to the window, all of it (RFC 4015, RFC 5682).
    fn undo(&mut self) {}

    /// The congestion window in bytes.
    fn cwnd(&self) -> u32;

    /// The slow-start threshold in bytes; `u32::MAX`: not set yet.
    fn ssthresh(&self) -> u32;

    /// Bytes a second at which to send; `None`: as fast as the window allows.
    fn pacing_rate(&self) -> Option<u64> {
        None
    }
}

/// A timeout beside what was lost before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timeout {
    /// Nothing was being recovered.
    First,
    /// In fast recovery. It lowers ssthresh again; an undo takes back both.
    InRecovery,
    /// For a segment that it had run out for before, which must not lower ssthresh once more.
    Again,
}

/// An acknowledgment of new data.
#[derive(Clone, Copy, Debug)]
pub struct Acked {
    /// When.
    pub now: Instant,
    /// Bytes that it newly acknowledges.
    pub bytes: u32,
    /// Bytes in flight before it came.
    pub flight: u32,
    /// SND.UNA with it taken in, and SND.NXT: what tells round trips apart.
    pub una: SeqNum,
    /// See [`Acked::una`].
    pub nxt: SeqNum,
    /// Whether the window was what held the sender back (RFC 7661): else it must not grow.
    pub cwnd_limited: bool,
    /// The round trip, where it gave one.
    pub rtt: Option<Duration>,
    /// The smoothed round trip, where there is one (RFC 6298).
    pub srtt: Option<Duration>,
}

/// What an acknowledgment shows of the path (draft-cheng-iccrg-delivery-rate-estimation §3.3, with
/// its names).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateSample {
    /// When.
    pub now: Instant,
    /// Bytes that it newly says to have arrived, in order or not.
    pub bytes: u32,
    /// Bytes in flight before it came, and now.
    pub prior_in_flight: u32,
    /// See [`RateSample::prior_in_flight`].
    pub in_flight: u32,
    /// rs.delivery_rate in bytes a second; `None` where it gave no sample: what arrived was sent
    /// twice, or in less than the least round trip.
    pub delivery_rate: Option<u64>,
    /// rs.interval: over how long that was measured; zero where it was not.
    pub interval: Duration,
    /// rs.is_app_limited: there was too little to send when it was sent, so the path may carry more.
    pub is_app_limited: bool,
    /// The round trip, where it gave one; and the least one lately.
    pub rtt: Option<Duration>,
    /// See [`RateSample::rtt`].
    pub min_rtt: Option<Duration>,
    /// SND.UNA with it taken in, and SND.NXT: what tells round trips apart.
    pub una: SeqNum,
    /// See [`RateSample::una`].
    pub nxt: SeqNum,
}

/// The algorithms, the default first.
pub static CONGESTION_CONTROLS: &[Part<dyn CongestionControl>] = &[
    Part {
        name: "cubic",
        about: "growth by a cubic function of time (RFC 9438), HyStart++ (RFC 9406)",
        make: |config: &Config| Box::new(Cubic::new(config)),
    },
    Part {
        name: "newreno",
        about: "additive increase, multiplicative decrease (RFC 5681), HyStart++ (RFC 9406)",
        make: |config: &Config| Box::new(NewReno::new(config)),
    },
    Part {
        name: "none",
        about: "no congestion window, for teaching",
        make: |_| Box::new(Unlimited),
    },
];

/// RFC 2861 §3 (RFC 5681 §4.1, gently): the window after `idle`, and the threshold. It is halved
/// for each timeout that passed, not below the restart window, rather than set to that at once;
/// the threshold remembers what the path could carry.
fn restart_window(
    cwnd: u32,
    ssthresh: u32,
    initial_window: u32,
    idle: Duration,
    rto: Duration,
) -> (u32, u32) {
    let halvings = (idle.as_nanos() / rto.as_nanos().max(1)).min(31) as u32;
    let restart = initial_window.min(cwnd);
    ((cwnd >> halvings).max(restart), ssthresh.max(cwnd / 4 * 3))
}
