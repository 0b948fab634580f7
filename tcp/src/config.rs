//! What a stack's TCP is made with.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::congestion::CONGESTION_CONTROLS;
use crate::parts::Part;
use crate::reassembly::REASSEMBLIES;
use crate::recovery::LOSS_RECOVERIES;
use crate::rtt::ESTIMATORS;
use crate::{CongestionControl, EcnMode, LossRecovery, Reassembly, RttEstimator, Settings, Tuned};
use ip::{Tos, Ttl};

/// The parts, limits and timers of a TCP. The defaults are Linux's wherever Linux has the thing;
/// where that is not what the RFC says, `deviations` gives the reason.
#[derive(Clone, Debug)]
pub struct Config {
    /// Reassembly of what comes out of order.
    pub reassembly: &'static Part<dyn Reassembly>,
    /// The estimator of the round-trip time.
    pub rtt: &'static Part<dyn RttEstimator>,
    /// Loss recovery.
    pub recovery: &'static Part<dyn LossRecovery>,
    /// The congestion control of a socket that chooses none itself.
    pub congestion: &'static Part<dyn CongestionControl>,

    /// Whether timestamps are offered and taken (RFC 7323 §3).
    pub timestamps: bool,
    /// Whether selective acknowledgment is offered and taken (RFC 2018).
    pub sack: bool,
    /// Whether what came twice is told of (RFC 2883).
    pub dsack: bool,
    /// Whether the tail of a flight is probed before the timeout (RFC 8985 §7).
    pub tail_loss_probe: bool,
    /// Whether a timeout for nothing is found out by what the next acknowledgments tell (F-RTO,
    /// RFC 5682); without this by timestamps and duplicate SACKs only.
    pub frto: bool,
    /// Segments beyond a gap that tell a loss where nothing was seen reordered: DupThresh of
    /// RFC 5681 and RFC 6675, and of RFC 8985 §6.2. As Linux's `tcp_reordering`.
    pub reordering: u32,
    /// Whether window scaling is (RFC 7323 §2).
    pub window_scaling: bool,
    /// Whether explicit congestion notification is used (RFC 3168) by a socket that does not say.
    pub ecn: EcnMode,
    /// The initial window in segments (RFC 6928).
    pub initial_window: u32,
    /// Whether the first slow start ends before the queue on the path overflows (HyStart++,
    /// RFC 9406).
    pub hystart: bool,
    /// Segments that are sent in one burst at least, as far as the size of send buffers goes
    /// (Linux's `tcp_min_tso_segs`): each burst takes book-keeping beside its bytes.
    pub min_burst: u32,
    /// Whether the window shrinks while nothing is sent (RFC 5681 §4.1).
    pub slow_start_after_idle: bool,
    /// Whether a congestion window that is not used is validated by RFC 7661: it grows while half
    /// of it is used and stays while less is, for five minutes, and a loss counts from what was
    /// used. Without this, as Linux: it grows while all of it is used, in slow start half.
    pub window_validation: bool,
    /// The MSS of a peer that names none, in bytes (RFC 9293 §3.7.1: 536).
    pub default_mss: u16,
    /// The least MSS that a peer may ask for: room for all options and eight bytes of data, as
    /// Linux (against CVE-2019-11479).
    pub min_mss: u16,

    /// The least path MTU that segments are made to fit, in bytes, 68 at least: as Linux's
    /// `min_pmtu`.
    pub min_path_mtu: u32,
    /// Timeouts in a row of a full segment after which a smaller one is tried: a path MTU black
    /// hole (RFC 2923 §2.1).
    pub black_hole: u32,

    /// RTO before the first sample (RFC 6298 (2.1)).
    pub rto_initial: Duration,
    /// Floor of the RTO's variance term.
    pub rto_min: Duration,
    /// Ceiling of the RTO (RFC 6298 (2.5)).
    pub rto_max: Duration,
    /// How often a SYN is sent again.
    pub syn_retries: u32,
    /// How often a SYN-ACK is.
    pub syn_ack_retries: u32,
    /// After how many retransmissions of the same data the trouble is told (RFC 9293 §3.8.3, R1).
    pub retries_told: u32,
    /// How often data is, before the connection is given up (RFC 9293 §3.8.3, R2).
    pub retries: u32,
    /// The same for a connection without a socket.
    pub orphan_retries: u32,
    /// The least and the most time that an acknowledgment waits (RFC 9293 §3.8.6.3: under half a
    /// second).
    pub delayed_ack: (Duration, Duration),
    /// How long a partial segment is held back by cork.
    pub cork: Duration,
    /// How long TIME-WAIT lasts (RFC 9293 §3.4.2: 2·MSL).
    pub time_wait: Duration,
    /// How long FIN-WAIT-2 lasts without a socket.
    pub fin_wait2: Duration,

    /// Ephemeral ports.
    pub ports: RangeInclusive<u16>,
    /// Sockets, at most.
    pub max_sockets: usize,
    /// Connections in all states, at most, TIME-WAIT not counted.
    pub max_connections: usize,
    /// Connections without a socket, at most; one more is reset.
    pub max_orphans: usize,
    /// Connections in TIME-WAIT, at most; one more ends the oldest.
    pub max_time_wait: usize,
    /// Connections of one listener that are not established yet, at most.
    pub syn_queue: usize,
    /// Whether a full SYN queue is answered with SYN cookies (RFC 4987 §3.6); without them the
    /// oldest half-open connection makes room (§3.4).
    pub syn_cookies: bool,
    /// Connections of one listener that wait to be accepted, at most, whatever it asks for.
    pub max_backlog: usize,
    /// Challenge ACKs in a second, about, of all connections together (RFC 5961 §7).
    pub challenge_acks: u32,
    /// Bytes of send buffer: least (half of Linux's minimum, which reads back doubled), default and most that a socket may have. Between the default
    /// and the most the size follows the congestion window, where the socket has not set it.
    pub send_buffer: Sizes,
    /// The same of receive buffer, which follows what arrives in a round trip.
    pub receive_buffer: Sizes,
    /// The most memory that one connection's out-of-order data takes, in bytes.
    pub reassembly_limit: usize,
    /// The most that the buffers of all connections take, in bytes. Beyond it windows shrink and
    /// new connections are refused; what was acknowledged is kept.
    pub memory: usize,
}

/// Sizes of a buffer in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The least that can be asked for.
    pub min: usize,
    /// Without being asked.
    pub default: usize,
    /// The most.
    pub max: usize,
}

impl Sizes {
    /// What is given to who asks for `bytes`.
    pub fn clamp(&self, bytes: usize) -> usize {
        bytes.clamp(self.min, self.max)
    }
}

impl Config {
    /// The options of a new socket.
    pub fn settings(&self) -> Settings {
        Settings {
            no_delay: false,
            cork: false,
            keep_alive: None,
            linger: None,
            reuse_addr: false,
            send_buffer: self.send_buffer.default,
            send_buffer_fixed: false,
            receive_buffer: self.receive_buffer.default,
            receive_buffer_fixed: false,
            ttl: Ttl::DEFAULT,
            tos: Tos::default(),
            max_segment: None,
            user_timeout: None,
            not_sent_lowat: usize::MAX,
            quick_ack: false,
            congestion: self.congestion.name,
            ecn: self.ecn,
            defer_accept: None,
            // Urgent data stays in the stream (RFC 6093 §4.1).
            oob_inline: true,
            mtu_discover: true,
            receive_errors: false,
            timestamping: false,
            fin_wait2_timeout: self.fin_wait2,
            report_trouble: false,
            tuned: Tuned::default(),
        }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            reassembly: &REASSEMBLIES[0],
            rtt: &ESTIMATORS[0],
            recovery: &LOSS_RECOVERIES[0],
            congestion: &CONGESTION_CONTROLS[0],
            timestamps: true,
            sack: true,
            dsack: true,
            tail_loss_probe: true,
            frto: true,
            reordering: 3,
            window_scaling: true,
            ecn: EcnMode::Off,
            initial_window: 10,
            hystart: true,
            min_burst: 2,
            slow_start_after_idle: false,
            window_validation: false,
            default_mss: 536,
            min_mss: 48,
            min_path_mtu: 552,
            black_hole: 4,
            rto_initial: Duration::from_secs(1),
            rto_min: Duration::from_millis(200),
            rto_max: Duration::from_secs(120),
            syn_retries: 5,
            syn_ack_retries: 5,
            retries_told: 3,
            retries: 15,
            orphan_retries: 8,
            delayed_ack: (Duration::from_millis(40), Duration::from_millis(200)),
            cork: Duration::from_millis(200),
            time_wait: Duration::from_secs(60),
            fin_wait2: Duration::from_secs(60),
            ports: 32_768..=61_440,
            max_sockets: 1 << 20,
            max_connections: 1 << 20,
            max_orphans: 16_384,
            max_time_wait: 32_768,
            syn_queue: 1024,
            syn_cookies: true,
            max_backlog: 4096,
            challenge_acks: 1000,
            send_buffer: Sizes { min: 2304, default: 256 << 10, max: 4 << 20 },
            receive_buffer: Sizes { min: 1152, default: 540_000, max: 15 << 20 },
            reassembly_limit: 15 << 20,
            memory: 1 << 30,
        }
    }
}
