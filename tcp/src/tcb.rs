//! The connection: its "transmission control block" (RFC 9293 §3.3.1), and what surrounds it.

use std::sync::Arc;
use std::time::Duration;

use ip::{Cause, Handle, Output, Readiness, Route, SocketError};
use netdev::{Counts, Instant};
use tracing::debug;

use crate::ack::AckPolicy;
use crate::autotune::ReceiveTuning;
use crate::challenge::{ChallengeLimit, PerConnection};
use crate::chrono::Chrono;
use crate::ecn::Ecn;
use crate::notices::Notices;
use crate::rate::{DeliveryRate, MinRtt};
use crate::receive::ReceiveSpace;
use crate::recovery::Moment;
use crate::sack::Report;
use crate::send::SendSpace;
use crate::stats::Event;
use crate::table::Tuple;
use crate::timers::{Timer, Timers};
use crate::timestamps::Clock;
use crate::{
    CaState, Config, CongestionControl, LossRecovery, RttEstimator, Scoreboard, SeqNum, Settings,
    State, find,
};

/// Names a connection within its stack.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ConnId(pub(crate) Handle);

/// A connection.
pub(crate) struct Tcb {
    pub(crate) tuple: Tuple,
    pub(crate) state: State,
    /// The listener it came from; `None` for an active OPEN.
    pub(crate) listener: Option<Handle>,
    /// Its socket; `None` before it is accepted and after it is closed.
    pub(crate) socket: Option<Handle>,
    /// Shared with the listener, or with all sockets, until they are changed.
    pub(crate) settings: Arc<Settings>,
    pub(crate) snd: SendSpace,
    pub(crate) rcv: ReceiveSpace,
    pub(crate) ack: AckPolicy,
    /// Selective acknowledgment.
    pub(crate) sack: Report,
    pub(crate) board: Scoreboard,
    pub(crate) rtt: Box<dyn RttEstimator>,
    pub(crate) recovery: Box<dyn LossRecovery>,
    pub(crate) congestion: Box<dyn CongestionControl>,
    pub(crate) timers: Timers,
    pub(crate) timestamps: Option<Clock>,
    pub(crate) challenge: PerConnection,
    pub(crate) ecn: Ecn,
    /// Why the connection ended, until the user has been told.
    pub(crate) error: Option<SocketError>,
    /// What an ICMP message said that does not end it (RFC 1122 §4.2.3.9).
    pub(crate) soft_error: Option<SocketError>,
    /// What has to be done for it outside, when the call that is in progress is over.
    pub(crate) signals: Signals,
    pub(crate) totals: Totals,
    pub(crate) tuning: ReceiveTuning,
    pub(crate) chrono: Chrono,
    pub(crate) rate: DeliveryRate,
    pub(crate) min_rtt: MinRtt,
    /// The error queue, where one was asked for.
    pub(crate) notices: Option<Box<Notices>>,
    /// Retransmissions in a row of the same data, or of the SYN.
    pub(crate) retries: u32,
    /// Probes in a row, of a zero window or of an idle connection, that nobody answered.
    pub(crate) probes: u32,
    /// Times that the interval between probes was doubled.
    pub(crate) probe_backoff: u32,
    /// The last reduction of the congestion window was for a loss, and so may be undone.
    pub(crate) undoable: bool,
    /// Buffer memory that is counted in the stack's sum.
    pub(crate) charged: u32,
    /// What the stack counts it as.
    pub(crate) standing: Standing,
    /// It is in the stack's list of connections with something to send.
    pub(crate) has_work: bool,
    /// The readiness of its socket, as it was last looked at.
    pub(crate) readiness: Readiness,
    /// It was established at some time.
    pub(crate) was_established: bool,
    /// It was opened by a SYN cookie: nobody knows when its SYN-ACK was sent.
    pub(crate) by_cookie: bool,
}

/// What the limits of the stack count a connection as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// One of a socket.
    Owned,
    /// In a listener's SYN queue, under this number.
    HalfOpen(u32),
    /// In a listener's accept queue.
    Waiting,
    /// Its socket is closed.
    Orphan,
}

bitflags::bitflags! {
    /// What the stack has to do about a connection.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub(crate) struct Signals: u8 {
        /// A passive OPEN is complete: to the accept queue with it.
        const ESTABLISHED = 1;
        /// The state is CLOSED.
        const CLOSED = 2;
        /// The state is TIME-WAIT.
        const TIME_WAIT = 4;
        /// The socket may be ready for something.
        const READY = 8;
        /// There may be something to send when the batch is over.
        const OUTPUT = 16;
    }
}

/// Sums for a person; segments are counted modulo 2^32, as in Linux's `tcp_info`.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) bytes_acked: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_retrans: u64,
    pub(crate) segs_out: u32,
    pub(crate) segs_in: u32,
    pub(crate) data_segs_out: u32,
    pub(crate) data_segs_in: u32,
    pub(crate) retransmissions: u32,
    pub(crate) out_of_order: u32,
    pub(crate) duplicate_sacks: u32,
    /// Segments that arrived at the peer.
    pub(crate) delivered: u32,
    pub(crate) last_data_sent: Instant,
    pub(crate) last_data_received: Instant,
    pub(crate) last_ack_received: Instant,
    /// When SND.UNA moved last, or data was first waiting for it.
    pub(crate) progress: Instant,
    /// The second in which the neighbour was last confirmed to be reachable.
    pub(crate) confirmed: u32,
    /// Of the last acceptable segment.
    pub(crate) received_tos: ip::Tos,
}

/// What a connection needs of the stack during one call.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) out: &'a mut dyn Output,
    pub(crate) config: &'a Config,
    pub(crate) events: &'a mut Counts<Event>,
    pub(crate) challenges: &'a mut ChallengeLimit,
    /// The listener that the connection came from has room in its accept queue.
    pub(crate) room_to_accept: bool,
    /// The stack has little memory left: windows are kept small.
    pub(crate) pressure: bool,
    /// It has none: nothing is taken that was not promised.
    pub(crate) exhausted: bool,
    /// The way to the peer, looked up when it is first needed.
    pub(crate) route: Option<Result<Route, Cause>>,
}

impl Context<'_> {
    /// The way to the connection's peer.
    pub(crate) fn route(&mut self, tuple: &Tuple) -> Result<Route, Cause> {
        let (peer, local) = (tuple.peer().ip(), tuple.local().ip());
        *self.route.get_or_insert_with(|| self.out.route(self.now, peer, Some(local)))
    }
}

/// Header bytes in front of a segment's options: IP without options, and TCP.
pub(crate) fn header_len(tuple: &Tuple) -> usize {
    if tuple.peer().is_ipv4() { 20 + 20 } else { 40 + 20 }
}

impl Tcb {
    /// A connection that has sent and received nothing.
    pub(crate) fn new(
        config: &Config,
        now: Instant,
        tuple: Tuple,
        iss: SeqNum,
        settings: Arc<Settings>,
    ) -> Tcb {
        let congestion =
            find(crate::CONGESTION_CONTROLS, settings.congestion).unwrap_or(config.congestion);
        let totals = Totals {
            last_data_sent: now,
            last_data_received: now,
            last_ack_received: now,
            progress: now,
            ..Totals::default()
        };
        Tcb {
            tuple,
            state: State::Closed,
            listener: None,
            socket: None,
            snd: SendSpace::new(config, iss, settings.send_buffer),
            rcv: ReceiveSpace::new(config, settings.receive_buffer),
            sack: Report::default(),
            ack: AckPolicy::new(config, settings.quick_ack),
            board: Scoreboard::default(),
            rtt: (config.rtt.make)(config),
            recovery: (config.recovery.make)(config),
            congestion: (congestion.make)(config),
            timers: Timers::new(),
            timestamps: None,
            challenge: PerConnection::default(),
            ecn: Ecn::default(),
            error: None,
            soft_error: None,
            signals: Signals::empty(),
            totals,
            tuning: ReceiveTuning::new(now),
            chrono: Chrono::default(),
            rate: DeliveryRate::default(),
            min_rtt: MinRtt::default(),
            notices: None,
            retries: 0,
            probes: 0,
            probe_backoff: 0,
            undoable: false,
            charged: 0,
            standing: Standing::Owned,
            has_work: false,
            readiness: Readiness::empty(),
            was_established: false,
            by_cookie: false,
            settings,
        }
    }

    /// Enters a state.
    pub(crate) fn enter(&mut self, to: State, cause: &'static str) {
        debug!(
            conn = %self.tuple,
            from = %self.state,
            to = %to,
            cause,
            "state"
        );
        self.state = to;
        self.signals |= Signals::READY;
        match to {
            State::Closed => self.signals |= Signals::CLOSED,
            State::TimeWait => self.signals |= Signals::TIME_WAIT,
            _ => {}
        }
    }

    /// Loss recovery begins, ends, or is given up for a timeout.
    pub(crate) fn tell_recovery(&self, from: CaState, cause: &'static str) {
        debug!(
            conn = %self.tuple,
            from = ?from,
            to = ?self.recovery.ca_state(),
            cause,
            cwnd = self.congestion.cwnd(),
            ssthresh = self.congestion.ssthresh(),
            una = %self.snd.una,
            nxt = %self.snd.nxt,
            "recovery"
        );
    }

    /// How it stands, for loss recovery.
    pub(crate) fn moment(&self, now: Instant) -> Moment {
        let snd = &self.snd;
        Moment {
            now,
            una: snd.una,
            nxt: snd.nxt,
            mss: snd.mss,
            sack: self.sack.in_use,
            cwnd: self.congestion.cwnd(),
            srtt: self.rtt.srtt(),
            min_rtt: self.min_rtt.least(),
            rto_at: self.timers.due_at(Timer::Retransmit),
            may_send_new: self.unsent() > 0 && (snd.una + snd.wnd).gt(snd.nxt),
        }
    }

    /// Data was lost where `flight` bytes were in flight: the congestion window comes down, unless
    /// a mark has brought it down in this round trip (RFC 3168 §6.1.2). Whether it does.
    pub(crate) fn reduce_for_loss(&mut self, now: Instant, flight: u32) -> bool {
        let reduces = !self.ecn.reducing();
        if reduces {
            self.congested(now, flight);
            self.ecn.reduced();
            self.undoable = true;
        }
        reduces
    }

    /// The congestion window comes down: from what of it was used, where that is what counts.
    pub(crate) fn congested(&mut self, now: Instant, flight: u32) {
        let cwnd = self.congestion.cwnd();
        let used = self.snd.usage.congested(now, cwnd, flight, self.totals.bytes_retrans);
        if let Some(used) = used {
            self.congestion.take_over(used, self.congestion.ssthresh());
        }
        self.congestion.congested(now, used.unwrap_or(flight));
    }

    /// The congestion is over (RFC 7661 §4.4.1).
    pub(crate) fn validate_after_congestion(&mut self) {
        let ssthresh = self.congestion.ssthresh();
        if let Some(cwnd) = self.snd.usage.recovered(ssthresh, self.totals.bytes_retrans) {
            self.congestion.take_over(cwnd.max(self.snd.mss), ssthresh);
        }
    }

    /// Data may be sent: a window that was not used for five minutes comes down (RFC 7661 §4.4.3).
    pub(crate) fn validate_window(&mut self, now: Instant, config: &Config) {
        for _ in 0..self.snd.usage.expired(now, self.congestion.cwnd()) {
            let (cwnd, ssthresh) = (self.congestion.cwnd(), self.congestion.ssthresh());
            let initial = config.initial_window.saturating_mul(self.snd.mss);
            self.congestion
                .take_over((cwnd / 2).max(initial).min(cwnd), ssthresh.max(cwnd / 4 * 3));
        }
    }

    /// Nothing was lost: the window is what it was. A mark was one whatever became of the packets.
    pub(crate) fn undo_reduction(&mut self) {
        if std::mem::take(&mut self.undoable) {
            self.congestion.undo();
            self.snd.usage.undone();
        }
    }

    /// How many bytes may be in flight.
    pub(crate) fn window(&self) -> u32 {
        let window = self.recovery.window(self.congestion.cwnd());
        match self.recovery.ca_state() {
            CaState::Open | CaState::Disorder => self.ecn.window(window),
            _ => window,
        }
    }

    /// While the window comes down, for a loss or a mark, so many bytes have arrived.
    pub(crate) fn reduce_gradually(&mut self, now: Instant, delivered: u32) {
        let ssthresh = self.congestion.ssthresh();
        if self.recovery.ca_state() == CaState::Recovery {
            let at = self.moment(now);
            self.recovery.reduce(ssthresh, delivered, &at, &self.board);
        } else {
            self.ecn.reduce(ssthresh, delivered, self.snd.mss, &self.board);
        }
    }

    /// The congestion window is what recovery has led to.
    pub(crate) fn end_recovery(&mut self, now: Instant) {
        let flight = match self.recovery.reduces_by_itself() {
            // Nothing was held back.
            true => self.congestion.ssthresh().min(1 << 30),
            false => self.board.flight(),
        };
        self.congestion.recovered(now, flight);
        self.validate_after_congestion();
    }

    /// Ends the connection at once; its user is told `error`.
    pub(crate) fn end(&mut self, error: Option<SocketError>, cause: &'static str) {
        if self.state == State::Closed {
            return;
        }
        self.error = error.or(self.error);
        self.timers.clear_all();
        self.board = Scoreboard::default();
        self.rate = DeliveryRate::default();
        self.snd.buffer.clear();
        self.rcv.reassembly.clear();
        self.ack.nothing_due();
        self.enter(State::Closed, cause);
    }

    /// Whether the user may still give data to be sent.
    pub(crate) fn may_send(&self) -> bool {
        !self.snd.fin_queued
            && matches!(
                self.state,
                State::SynSent | State::SynReceived | State::Established | State::CloseWait
            )
    }

    /// Whether more data may come from the peer.
    pub(crate) fn may_receive(&self) -> bool {
        matches!(
            self.state,
            State::SynSent
                | State::SynReceived
                | State::Established
                | State::FinWait1
                | State::FinWait2
        )
    }

    /// Whether nobody is left who could read or write.
    pub(crate) fn is_orphan(&self) -> bool {
        self.standing == Standing::Orphan
    }

    /// Whether the peer has acknowledged our FIN.
    pub(crate) fn fin_acked(&self) -> bool {
        self.snd.fin.is_some_and(|fin| self.snd.una.gt(fin))
    }

    /// The offered window as the peer's segments give it, in bytes.
    pub(crate) fn scaled(&self, window: u16) -> u32 {
        u32::from(window) << self.snd.scale
    }

    /// Bytes that were given to send and were not sent.
    pub(crate) fn unsent(&self) -> usize {
        let end = self.snd.buffer.end();
        if end.gt(self.snd.nxt) { (end - self.snd.nxt) as usize } else { 0 }
    }

    /// The place in the stream of SND.UNA.
    pub(crate) fn acked_offset(&self) -> u64 {
        self.totals.bytes_acked
    }

    /// The sizes of segments follow from the path MTU, the peer's MSS, and the options.
    pub(crate) fn update_mss(&mut self, config: &Config) {
        // A router, or who plays one, may say that hardly anything gets through. Below this,
        // segments are cut up by IP instead, which costs less than a header for every few bytes.
        let path = self.snd.pmtu.max(config.min_path_mtu) - header_len(&self.tuple) as u32;
        let user = self.settings.max_segment.map_or(u32::MAX, u32::from);
        let mss = u32::from(self.snd.peer_mss).min(path).min(user).max(u32::from(config.min_mss));
        let mss = mss - self.option_len();
        if mss != self.snd.mss {
            self.snd.mss = mss;
            self.congestion.set_mss(mss);
        }
    }

    /// Bytes of options on every segment.
    pub(crate) fn option_len(&self) -> u32 {
        if self.timestamps.is_some() { 12 } else { 0 }
    }

    /// How long until the user timeout (RFC 9293 §3.8.3) runs out; `None` where there is none.
    pub(crate) fn user_timeout_left(&self, now: Instant) -> Option<Duration> {
        let limit = self.settings.user_timeout?;
        Some(limit.saturating_sub(now.since(self.totals.progress)))
    }

    /// Gives the retransmission timer a fresh RTO (RFC 6298 (5.1), (5.3)), cut to the user
    /// timeout.
    pub(crate) fn restart_retransmit_timer(&mut self, now: Instant) {
        let mut after = self.rtt.rto();
        if let Some(left) = self.user_timeout_left(now) {
            after = after.min(left.max(Duration::from_millis(1)));
        }
        self.timers.set(Timer::Retransmit, now + after);
    }

    /// Bytes of memory in buffers.
    pub(crate) fn memory(&self) -> usize {
        self.snd.buffer.memory()
            + self.rcv.memory()
            + self.board.memory()
            + self.rate.memory()
            + self.notices.as_ref().map_or(0, |notices| notices.memory())
    }
}
