//! A connection as a person sees it: Linux's `tcp_info`, and what `ss` prints beside it.

use std::net::SocketAddr;
use std::time::Duration;

use ip::{Handle, Tos};

use crate::State;

/// The facts of one socket or connection. Byte counts are of payload; what an implementation does
/// not keep is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its socket; `None` for a connection that has none any more, or none yet.
    pub handle: Option<Handle>,
    /// RFC 9293 §3.3.2.
    pub state: State,
    /// This side's address.
    pub local: SocketAddr,
    /// The other side's; unspecified while there is none.
    pub peer: SocketAddr,
    /// Bytes received and not read (SIOCINQ; TCP_INQ counts one more at the end of the stream); of
    /// a listener, connections waiting to be accepted.
    pub receive_queue: usize,
    /// Bytes sent or to be sent, and not acknowledged (SIOCOUTQ; [`Info::notsent_bytes`] is
    /// SIOCOUTQNSD); of a listener, the backlog.
    pub send_queue: usize,
    /// What the congestion control is called.
    pub congestion: &'static str,
    /// How loss recovery stands.
    pub ca_state: CaState,
    /// Timeouts in a row.
    pub backoff: u32,
    /// Options in use.
    pub options: NegotiatedOptions,
    /// Retransmission timeout.
    pub rto: Duration,
    /// Delay of acknowledgments in force.
    pub ato: Duration,
    /// The largest segment that is sent, in bytes of payload.
    pub snd_mss: u32,
    /// The largest that was received.
    pub rcv_mss: u32,
    /// The MSS option that was sent.
    pub advmss: u32,
    /// Segments in flight.
    pub unacked: u32,
    /// Of these, selectively acknowledged (or counted as duplicate ACKs).
    pub sacked: u32,
    /// Of these, taken for lost.
    pub lost: u32,
    /// Of these, retransmitted.
    pub retrans: u32,
    /// Retransmissions in all.
    pub total_retrans: u32,
    /// Segments that the network may reorder by, as seen so far.
    pub reordering: u32,
    /// The path MTU in bytes.
    pub pmtu: u32,
    /// Smoothed round-trip time; zero before the first sample.
    pub rtt: Duration,
    /// Its mean deviation.
    pub rttvar: Duration,
    /// The least round trip seen lately.
    pub min_rtt: Duration,
    /// Slow-start threshold in segments; `u32::MAX`: not set yet.
    pub ssthresh: u32,
    /// Congestion window in segments.
    pub cwnd: u32,
    /// The same in bytes.
    pub cwnd_bytes: u32,
    /// The peer's window in bytes.
    pub snd_wnd: u32,
    /// This side's window in bytes.
    pub rcv_wnd: u32,
    /// First unacknowledged sequence number.
    pub snd_una: u32,
    /// Next to be sent.
    pub snd_nxt: u32,
    /// Next expected.
    pub rcv_nxt: u32,
    /// Since data was last sent.
    pub last_data_sent: Duration,
    /// Since data was last received.
    pub last_data_recv: Duration,
    /// Since an acknowledgment was last received.
    pub last_ack_recv: Duration,
    /// Bytes taken by the user that were never sent.
    pub notsent_bytes: u32,
    /// Bytes acknowledged by the peer.
    pub bytes_acked: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Bytes sent, retransmissions too.
    pub bytes_sent: u64,
    /// Bytes retransmitted.
    pub bytes_retrans: u64,
    /// Segments sent.
    pub segs_out: u64,
    /// Segments received.
    pub segs_in: u64,
    /// Segments with data sent.
    pub data_segs_out: u64,
    /// Segments with data received.
    pub data_segs_in: u64,
    /// Bytes a second that arrive at the peer.
    pub delivery_rate: u64,
    /// The last sample of it was taken while there was too little to send.
    pub app_limited: bool,
    /// Bytes a second at which sending is paced, or would be; `u64::MAX`: not known yet.
    pub pacing_rate: u64,
    /// Time with data to send.
    pub busy_time: Duration,
    /// Of it, held up by the peer's window.
    pub rwnd_limited: Duration,
    /// Of it, held up by the send buffer.
    pub sndbuf_limited: Duration,
    /// The round trip as receiving shows it, for sizing the receive buffer.
    pub rcv_rtt: Duration,
    /// Bytes that the receive buffer may take, as it is sized now.
    pub rcv_space: u64,
    /// Bytes that can be read before the urgent one (`Some(0)`: at the mark, SIOCATMARK); `None`:
    /// none was announced.
    pub urgent: Option<u64>,
    /// Segments delivered, and how many of them with a congestion mark.
    pub delivered: u32,
    /// See [`Info::delivered`].
    pub delivered_ce: u32,
    /// Segments that came with a congestion mark.
    pub received_ce: u32,
    /// The service class of the last acceptable segment (RFC 9293 §3.9.1.9).
    pub received_tos: Tos,
    /// Duplicate SACKs seen.
    pub dsack_dups: u32,
    /// Out-of-order segments received.
    pub rcv_ooopack: u32,
    /// Bytes of memory that the connection holds, buffers included.
    pub memory: usize,
    /// Which timer is due first, and in what time, for `ss -o`.
    pub timer: Option<(Timer, Duration)>,
}

impl Info {
    /// The facts of a socket in `state` that has done nothing yet.
    pub fn new(handle: Option<Handle>, state: State, local: SocketAddr, peer: SocketAddr) -> Info {
        Info {
            handle,
            state,
            local,
            peer,
            receive_queue: 0,
            send_queue: 0,
            congestion: "",
            ca_state: CaState::Open,
            backoff: 0,
            options: NegotiatedOptions::default(),
            rto: Duration::ZERO,
            ato: Duration::ZERO,
            snd_mss: 0,
            rcv_mss: 0,
            advmss: 0,
            unacked: 0,
            sacked: 0,
            lost: 0,
            retrans: 0,
            total_retrans: 0,
            reordering: 0,
            pmtu: 0,
            rtt: Duration::ZERO,
            rttvar: Duration::ZERO,
            min_rtt: Duration::ZERO,
            ssthresh: u32::MAX,
            cwnd: 0,
            cwnd_bytes: 0,
            snd_wnd: 0,
            rcv_wnd: 0,
            snd_una: 0,
            snd_nxt: 0,
            rcv_nxt: 0,
            last_data_sent: Duration::ZERO,
            last_data_recv: Duration::ZERO,
            last_ack_recv: Duration::ZERO,
            notsent_bytes: 0,
            bytes_acked: 0,
            bytes_received: 0,
            bytes_sent: 0,
            bytes_retrans: 0,
            segs_out: 0,
            segs_in: 0,
            data_segs_out: 0,
            data_segs_in: 0,
            delivery_rate: 0,
            app_limited: false,
            pacing_rate: u64::MAX,
            busy_time: Duration::ZERO,
            rwnd_limited: Duration::ZERO,
            sndbuf_limited: Duration::ZERO,
            rcv_rtt: Duration::ZERO,
            rcv_space: 0,
            urgent: None,
            delivered: 0,
            delivered_ce: 0,
            received_ce: 0,
            received_tos: Tos::default(),
            dsack_dups: 0,
            rcv_ooopack: 0,
            memory: 0,
            timer: None,
        }
    }
}

/// How loss recovery stands, in Linux's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CaState {
    /// Nothing is wrong.
    #[default]
    Open,
    /// Duplicate ACKs came, too few to act.
    Disorder,
    /// The window was reduced for a congestion mark.
    Cwr,
    /// Fast recovery.
    Recovery,
    /// After a timeout.
    Loss,
}

/// What both sides agreed on in their SYNs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NegotiatedOptions {
    /// Timestamps.
    pub timestamps: bool,
    /// Selective acknowledgment.
    pub sack: bool,
    /// Window scaling: (of the peer's window, of ours).
    pub window_scale: Option<(u8, u8)>,
    /// ECN.
    pub ecn: bool,
}

/// Which timer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Retransmission.
    Retransmit,
    /// Zero-window probe.
    Persist,
    /// Keep-alive.
    KeepAlive,
    /// Delayed acknowledgment.
    DelayedAck,
    /// FIN-WAIT-2.
    FinWait2,
    /// TIME-WAIT.
    TimeWait,
    /// Tail loss probe.
    LossProbe,
    /// RACK's reordering timer.
    Reorder,
}
