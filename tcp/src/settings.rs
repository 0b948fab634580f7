//! The options of a socket, with Linux's meaning where Linux has them.

use std::borrow::Cow;
use std::time::Duration;

use ip::{SocketError, Tos, Ttl};
use netdev::Instant;

use crate::{EcnMode, Tuned, Tuning};

/// A change of one option.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setting {
    /// Nagle's algorithm off (TCP_NODELAY; RFC 9293 §3.7.4).
    NoDelay(bool),
    /// Partial segments wait for more, 200 ms at most (TCP_CORK).
    Cork(bool),
    /// Probes on an idle connection (SO_KEEPALIVE and its three times); `None`: off. Times under a
    /// second and a count of zero are [`SocketError::Invalid`](ip::SocketError::Invalid).
    KeepAlive(Option<KeepAlive>),
    /// What close does with unsent data (SO_LINGER): `Some(0)` resets.
    Linger(Option<Duration>),
    /// Bind although an old connection of the port is in TIME-WAIT (SO_REUSEADDR).
    ReuseAddr(bool),
    /// Bytes that may wait to be acknowledged (SO_SNDBUF), fixed from now on: without this the
    /// size follows the congestion window. As on Linux it takes twice that of memory, since each
    /// burst of what was written has book-keeping beside its bytes, a burst is filled up once it
    /// was begun, and a writer is woken when a third is free (the module `send_memory` says how
    /// that is counted). Whoever speaks C's names doubles what is read back of a fixed size.
    SendBuffer(usize),
    /// Bytes that may wait to be read (SO_RCVBUF), fixed from now on: without this the size
    /// follows what arrives in a round trip. Here bytes are bytes; whoever
    /// speaks C's names doubles what is read back.
    ReceiveBuffer(usize),
    /// Hops (IP_TTL), 1 to 255.
    Ttl(Ttl),
    /// Service class (IP_TOS); its ECN bits are TCP's own.
    Tos(Tos),
    /// The largest segment in bytes (TCP_MAXSEG).
    MaxSegment(u16),
    /// How long sent data may stay unacknowledged (TCP_USER_TIMEOUT, RFC 9293 §3.9.1.1); `None`:
    /// as long as the retransmission limit says.
    UserTimeout(Option<Duration>),
    /// A write is taken only while fewer unsent bytes than this wait, and readiness tells it when
    /// they are fewer than half (TCP_NOTSENT_LOWAT); 0: no such limit.
    NotSentLowat(usize),
    /// Acknowledge at once; off: begin to delay now, even early in a connection (TCP_QUICKACK).
    QuickAck(bool),
    /// The congestion control by name (TCP_CONGESTION).
    Congestion(Cow<'static, str>),
    /// Explicit congestion notification (RFC 3168), for a connection that is yet to be opened.
    Ecn(EcnMode),
    /// A connection is accepted only when it has data, or after this time (TCP_DEFER_ACCEPT).
    DeferAccept(Option<Duration>),
    /// Urgent data stays in the stream (SO_OOBINLINE), as it does unless this is off
    /// (RFC 6093 §4.1); sockets of C begin with it off.
    OobInline(bool),
    /// Whether DF is set and the path MTU discovered (IP_MTU_DISCOVER).
    MtuDiscover(bool),
    /// ICMP errors come as notices (IP_RECVERR).
    ReceiveErrors(bool),
    /// When bytes are scheduled, sent, acknowledged comes as notices (SO_TIMESTAMPING).
    Timestamping(bool),
    /// How long FIN-WAIT-2 lasts without a socket (TCP_LINGER2).
    FinWait2Timeout(Duration),
    /// Many retransmissions come as a notice (RFC 9293 §3.8.3, SHLD-9), which no kernel tells of.
    ReportTrouble(bool),
    /// One of the stack's defaults, for this socket.
    Tune(Tuning),
}

/// All options in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// See [`Setting::NoDelay`].
    pub no_delay: bool,
    /// See [`Setting::Cork`].
    pub cork: bool,
    /// See [`Setting::KeepAlive`].
    pub keep_alive: Option<KeepAlive>,
    /// See [`Setting::Linger`].
    pub linger: Option<Duration>,
    /// See [`Setting::ReuseAddr`].
    pub reuse_addr: bool,
    /// See [`Setting::SendBuffer`]; of a connection, the size that it has now.
    pub send_buffer: usize,
    /// The size was set, and does not follow the congestion window.
    pub send_buffer_fixed: bool,
    /// See [`Setting::ReceiveBuffer`]; of a connection, the size that it has now.
    pub receive_buffer: usize,
    /// The size was set, and does not follow what arrives.
    pub receive_buffer_fixed: bool,
    /// See [`Setting::Ttl`].
    pub ttl: Ttl,
    /// See [`Setting::Tos`].
    pub tos: Tos,
    /// See [`Setting::MaxSegment`]; `None`: as the path says.
    pub max_segment: Option<u16>,
    /// See [`Setting::UserTimeout`].
    pub user_timeout: Option<Duration>,
    /// See [`Setting::NotSentLowat`]; `usize::MAX`: no limit.
    pub not_sent_lowat: usize,
    /// See [`Setting::QuickAck`].
    pub quick_ack: bool,
    /// See [`Setting::Congestion`].
    pub congestion: &'static str,
    /// See [`Setting::Ecn`].
    pub ecn: EcnMode,
    /// See [`Setting::DeferAccept`].
    pub defer_accept: Option<Duration>,
    /// See [`Setting::OobInline`].
    pub oob_inline: bool,
    /// See [`Setting::MtuDiscover`].
    pub mtu_discover: bool,
    /// See [`Setting::ReceiveErrors`].
    pub receive_errors: bool,
    /// See [`Setting::Timestamping`].
    pub timestamping: bool,
    /// See [`Setting::FinWait2Timeout`].
    pub fin_wait2_timeout: Duration,
    /// See [`Setting::ReportTrouble`].
    pub report_trouble: bool,
    /// See [`Setting::Tune`].
    pub tuned: Tuned,
}

/// When an idle connection is probed (RFC 9293 §3.8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Idle time before the first probe (TCP_KEEPIDLE).
    pub idle: Duration,
    /// Time between probes (TCP_KEEPINTVL).
    pub interval: Duration,
    /// Unanswered probes before the connection is given up (TCP_KEEPCNT).
    pub count: u32,
}

impl KeepAlive {
    /// Linux' least as well. With a time of zero the timer would be due again whenever it has
    /// fired.
    const SHORTEST: Duration = Duration::from_secs(1);

    /// Whether probes at these times come one after the other, and there are any.
    pub(crate) fn are_sound(&self) -> bool {
        self.idle.min(self.interval) >= KeepAlive::SHORTEST && self.count > 0
    }
}

impl Default for KeepAlive {
    /// Two hours (RFC 9293 §3.8.4), then nine probes 75 s apart, as Linux does.
    fn default() -> KeepAlive {
        KeepAlive { idle: Duration::from_secs(7200), interval: Duration::from_secs(75), count: 9 }
    }
}

bitflags::bitflags! {
    /// How to send.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct SendFlags: u8 {
        /// More follows at once: hold a partial segment back, 200 ms at most (MSG_MORE).
        const MORE = 1;
        /// The last byte is urgent (MSG_OOB, RFC 6093).
        const URGENT = 2;
        /// A record ends with the last byte: what follows is not joined to it in one segment, when
        /// it is sent again neither (MSG_EOR).
        const END_OF_RECORD = 4;
        /// Tell by a [`Notice::Released`] when the bytes are not needed any more (MSG_ZEROCOPY).
        /// They are copied all the same, which Linux does too where it has to, and says so.
        const ZERO_COPY = 8;
    }
}

bitflags::bitflags! {
    /// How to receive.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct ReceiveFlags: u8 {
        /// Leave the bytes where they are (MSG_PEEK).
        const PEEK = 1;
        /// The urgent byte, not the stream (MSG_OOB); never waits. `Invalid` where there is none.
        const URGENT = 2;
    }
}

/// Something that a socket learns beside its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// An ICMP error came (IP_RECVERR); it can be taken as the socket's error as well.
    Error {
        /// What it means to the connection.
        error: SocketError,
        /// What it said.
        cause: ip::Cause,
    },
    /// R1: the same data was sent again so often that something is wrong (RFC 9293 §3.8.3). The
    /// connection goes on until R2 ([`Setting::ReportTrouble`]).
    Trouble {
        /// How often.
        retries: u32,
        /// For how long nothing was acknowledged.
        silent: Duration,
    },
    /// The byte before `offset` (counted from the start of the stream) came so far
    /// (SO_TIMESTAMPING). Told of the last byte of each write that was made with
    /// [`Setting::Timestamping`].
    Timestamp {
        /// How far.
        stage: Stage,
        /// The byte after it.
        offset: u64,
        /// When.
        at: Instant,
    },
    /// The peer has the bytes of these writes with [`SendFlags::ZERO_COPY`], counted from 0.
    Released {
        /// The first of them.
        first: u32,
        /// The last.
        last: u32,
    },
}

/// How far a byte came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// TCP took it into a segment.
    Scheduled,
    /// The segment was given to IP.
    Sent,
    /// The peer acknowledged it.
    Acknowledged,
}
