//! What can be seen from outside: readiness, `tcp_info`, the list of sockets, counters.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ip::{Handle, Readiness, SocketError};
use netdev::{Counter, Instant};

use super::{Kind, Tcp};
use crate::listen::Listener;
use crate::tcb::Tcb;
use crate::timers::Timer;
use crate::{Config, Info, NegotiatedOptions, Settings, State, info, send_memory, urgent};

const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

impl Tcp {
    pub(super) fn readiness_of(&self, handle: Handle) -> Readiness {
        match self.sockets.get(handle).map(|socket| &socket.kind) {
            None | Some(Kind::Fresh { .. }) => Readiness::empty(),
            Some(Kind::Listener(listener)) if listener.ready.is_empty() => Readiness::empty(),
            Some(Kind::Listener(_)) => Readiness::READABLE,
            Some(Kind::Stream(id)) => {
                self.connections.get(id.0).map_or(Readiness::empty(), |tcb| {
                    readiness(tcb, tcb.settings.tuned.or(&self.config))
                })
            }
        }
    }

    pub(super) fn settings_of(&self, handle: Handle) -> Result<Settings, SocketError> {
        Ok(match &self.socket(handle)?.kind {
            Kind::Fresh { settings, .. } => (**settings).clone(),
            Kind::Listener(listener) => (*listener.settings).clone(),
            Kind::Stream(id) => {
                let tcb = self.tcb(*id)?;
                Settings {
                    send_buffer: tcb.snd.buffer.limit,
                    receive_buffer: tcb.rcv.limit,
                    ..(*tcb.settings).clone()
                }
            }
        })
    }

    pub(super) fn info_of(&self, now: Instant, handle: Handle) -> Result<Info, SocketError> {
        Ok(match &self.socket(handle)?.kind {
            Kind::Fresh { settings, local } => {
                let mut info =
                    Info::new(Some(handle), State::Closed, local.unwrap_or(NOWHERE), NOWHERE);
                info.congestion = settings.congestion;
                info
            }
            Kind::Listener(listener) => of_listener(handle, listener),
            Kind::Stream(id) => self.of_connection(now, self.tcb(*id)?),
        })
    }

    pub(super) fn all_sockets(&self, now: Instant) -> Vec<Info> {
        let with_handle =
            self.sockets.iter().filter_map(|(handle, _)| self.info_of(now, handle).ok());
        let without = self
            .connections
            .iter()
            .filter(|(_, tcb)| tcb.socket.is_none())
            .map(|(_, tcb)| self.of_connection(now, tcb));
        let over = self.time_wait.iter().filter(|(_, remains)| remains.id.is_none()).map(
            |(tuple, remains)| {
                let mut info = Info::new(None, State::TimeWait, tuple.local(), tuple.peer());
                (info.snd_una, info.snd_nxt) = (remains.snd_nxt.0, remains.snd_nxt.0);
                info.rcv_nxt = remains.rcv_nxt.0;
                let left = self.time_wait.left(now, tuple);
                info.timer = left.map(|left| (info::Timer::TimeWait, left));
                info
            },
        );
        let mut all: Vec<Info> = with_handle.chain(without).chain(over).collect();
        all.sort_by_key(|info| (info.local.port(), info.peer, info.local));
        all
    }

    fn of_connection(&self, now: Instant, tcb: &Tcb) -> Info {
        let mut info = connection(now, tcb);
        if tcb.state == State::TimeWait {
            let left = self.time_wait.left(now, &tcb.tuple);
            info.timer = left.map(|left| (info::Timer::TimeWait, left));
        }
        info
    }

    pub(super) fn all_counters(&self) -> Vec<Counter> {
        let gauge = |name, count: usize| Counter { name, count: count as u64 };
        let gauges = [
            gauge("sockets", self.sockets.len()),
            gauge("connections", self.connections.len()),
            gauge("connections without a socket", self.orphans),
            gauge("connections in TIME-WAIT", self.time_wait.len()),
            gauge("timers", self.timers.len() + self.time_wait.len()),
            gauge("bytes of buffer memory", self.memory),
        ];
        self.events.rows().chain(gauges).chain(self.drops.rows()).collect()
    }
}

/// What a connection's socket is ready for.
pub(super) fn readiness(tcb: &Tcb, config: &Config) -> Readiness {
    let mut ready = Readiness::empty();
    let over = tcb.state == State::Closed;
    let read_closed = tcb.rcv.closed || tcb.rcv.shut || over || tcb.state == State::TimeWait;
    let readable = urgent::readable(&tcb.rcv, tcb.settings.oob_inline) > 0;
    ready.set(Readiness::READABLE, read_closed || readable);
    ready.set(Readiness::READ_CLOSED, read_closed);
    let notices = tcb.notices.as_ref().is_some_and(|notices| !notices.is_empty());
    ready.set(Readiness::ERROR, tcb.error.is_some() || notices);
    ready.set(Readiness::URGENT, tcb.rcv.urgent.as_ref().is_some_and(|mark| mark.is_pending()));
    let connecting = matches!(tcb.state, State::SynSent | State::SynReceived);
    let write_closed = !tcb.may_send();
    ready.set(Readiness::WRITE_CLOSED, write_closed);
    let room = send_memory::is_roomy(tcb, config);
    // The same for what is unsent: half of the limit.
    let lowat = tcb.settings.not_sent_lowat;
    let room = room && !tcb.snd.short && (lowat == usize::MAX || tcb.unsent() * 2 < lowat);
    ready.set(Readiness::WRITABLE, (!connecting && (room || write_closed)) || over);
    ready
}

fn of_listener(handle: Handle, listener: &Listener) -> Info {
    let mut info = Info::new(Some(handle), State::Listen, listener.local, NOWHERE);
    (info.receive_queue, info.send_queue) = (listener.ready.len(), listener.backlog);
    info.congestion = listener.settings.congestion;
    info
}

/// `tcp_info`.
fn connection(now: Instant, tcb: &Tcb) -> Info {
    let Tcb { snd, rcv, board, totals, .. } = tcb;
    let tally = board.tally();
    let mss = snd.mss.max(1);
    let cwnd = tcb.window();
    let ssthresh = match tcb.congestion.ssthresh() {
        u32::MAX => u32::MAX,
        bytes => bytes / mss,
    };
    let (busy_time, rwnd_limited, sndbuf_limited) = tcb.chrono.sums(now);
    let timer = tcb.timers.next().map(|(timer, at)| (shown(tcb, timer), at.since(now)));
    Info {
        receive_queue: rcv.buffer.len(),
        send_queue: snd.buffer.len(),
        congestion: tcb.congestion.name(),
        ca_state: tcb.ecn.ca_state(tcb.recovery.ca_state()),
        backoff: tcb.retries.max(tcb.probe_backoff),
        options: NegotiatedOptions {
            timestamps: tcb.timestamps.is_some(),
            sack: tcb.sack.in_use,
            window_scale: (rcv.scale > 0 || snd.scale > 0).then_some((snd.scale, rcv.scale)),
            ecn: tcb.ecn.is_on(),
        },
        rto: tcb.rtt.rto(),
        ato: tcb.ack.delay(tcb.rtt.srtt()),
        snd_mss: snd.mss,
        rcv_mss: rcv.mss,
        advmss: snd.advmss.into(),
        unacked: board.len() as u32,
        sacked: tally.sacked + board.left_network() / mss,
        // Linux counts what was lost and sent again as both.
        lost: tally.lost + tally.retransmitted,
        retrans: tally.retransmitted,
        total_retrans: totals.retransmissions,
        reordering: tcb.recovery.reordering(),
        pmtu: snd.pmtu,
        rtt: tcb.rtt.srtt().unwrap_or_default(),
        rttvar: tcb.rtt.rttvar(),
        min_rtt: tcb.min_rtt.least().unwrap_or_default(),
        ssthresh,
        cwnd: cwnd / mss,
        cwnd_bytes: cwnd,
        snd_wnd: snd.wnd,
        rcv_wnd: rcv.window(),
        snd_una: snd.una.0,
        snd_nxt: snd.nxt.0,
        rcv_nxt: rcv.nxt.0,
        last_data_sent: now.since(totals.last_data_sent),
        last_data_recv: now.since(totals.last_data_received),
        last_ack_recv: now.since(totals.last_ack_received),
        notsent_bytes: tcb.unsent() as u32,
        bytes_acked: totals.bytes_acked,
        bytes_received: rcv.position,
        bytes_sent: totals.bytes_sent,
        bytes_retrans: totals.bytes_retrans,
        segs_out: totals.segs_out.into(),
        segs_in: totals.segs_in.into(),
        data_segs_out: totals.data_segs_out.into(),
        data_segs_in: totals.data_segs_in.into(),
        delivery_rate: tcb.rate.bytes_per_second(),
        app_limited: tcb.rate.is_app_limited(),
        pacing_rate: send_memory::pacing_rate(tcb),
        busy_time,
        rwnd_limited,
        sndbuf_limited,
        delivered: totals.delivered,
        dsack_dups: totals.duplicate_sacks,
        rcv_rtt: tcb.tuning.rtt(tcb.rtt.srtt()),
        rcv_space: rcv.limit as u64,
        urgent: rcv.urgent.as_ref().map(|mark| mark.ahead(rcv.consumed())),
        rcv_ooopack: totals.out_of_order,
        delivered_ce: tcb.ecn.delivered_ce,
        received_ce: tcb.ecn.received_ce,
        received_tos: totals.received_tos,
        memory: tcb.memory() + size_of::<Tcb>(),
        timer,
        ..Info::new(tcb.socket, tcb.state, tcb.tuple.local(), tcb.tuple.peer())
    }
}

fn shown(tcb: &Tcb, timer: Timer) -> info::Timer {
    match timer {
        Timer::Retransmit => info::Timer::Retransmit,
        Timer::Persist | Timer::Cork => info::Timer::Persist,
        Timer::DelayedAck => info::Timer::DelayedAck,
        Timer::KeepAlive => info::Timer::KeepAlive,
        Timer::Unowned => info::Timer::FinWait2,
        Timer::Recovery if tcb.recovery.waits_to_probe() => info::Timer::LossProbe,
        Timer::Recovery => info::Timer::Reorder,
    }
}
