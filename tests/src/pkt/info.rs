//! `tcp_info`, field by field.

use std::time::Duration;

use tcp::{CaState, Info, State};

/// A field, in Linux's units; `None` where there is none of that name here.
pub(super) fn field(info: &Info, name: &str) -> Option<i64> {
    let micros = |time: Duration| time.as_micros() as i64;
    let millis = |time: Duration| time.as_millis() as i64;
    let rate = |rate: u64| i64::try_from(rate).unwrap_or(i64::MAX);
    Some(match name.strip_prefix("tcpi_")? {
        "state" => state(info.state),
        "ca_state" => match info.ca_state {
            CaState::Open => 0,
            CaState::Disorder => 1,
            CaState::Cwr => 2,
            CaState::Recovery => 3,
            CaState::Loss => 4,
        },
        "retransmits" => info.backoff.into(),
        "backoff" => info.backoff.into(),
        "options" => {
            let options = &info.options;
            i64::from(options.timestamps)
                | i64::from(options.sack) << 1
                | i64::from(options.window_scale.is_some()) << 2
                | i64::from(options.ecn) << 3
        }
        "snd_wscale" => info.options.window_scale.map_or(0, |(peer, _)| peer.into()),
        "rcv_wscale" => info.options.window_scale.map_or(0, |(_, own)| own.into()),
        "rto" => micros(info.rto),
        "ato" => micros(info.ato),
        "snd_mss" => info.snd_mss.into(),
        "rcv_mss" => info.rcv_mss.into(),
        "advmss" => info.advmss.into(),
        "unacked" => info.unacked.into(),
        "sacked" => info.sacked.into(),
        "lost" => info.lost.into(),
        "retrans" => info.retrans.into(),
        "total_retrans" => info.total_retrans.into(),
        "reordering" => info.reordering.into(),
        "pmtu" => info.pmtu.into(),
        "rtt" => micros(info.rtt),
        "rttvar" => micros(info.rttvar),
        "min_rtt" => micros(info.min_rtt),
        // Linux's infinity.
        "snd_ssthresh" => info.ssthresh.min(0x7fff_ffff).into(),
        "snd_cwnd" => info.cwnd.into(),
        "snd_wnd" => info.snd_wnd.into(),
        "rcv_wnd" => info.rcv_wnd.into(),
        "last_data_sent" => millis(info.last_data_sent),
        "last_data_recv" => millis(info.last_data_recv),
        "last_ack_recv" => millis(info.last_ack_recv),
        "notsent_bytes" => info.notsent_bytes.into(),
        "bytes_acked" => rate(info.bytes_acked),
        "bytes_received" => rate(info.bytes_received),
        "bytes_sent" => rate(info.bytes_sent),
        "bytes_retrans" => rate(info.bytes_retrans),
        "segs_out" => rate(info.segs_out),
        "segs_in" => rate(info.segs_in),
        "data_segs_out" => rate(info.data_segs_out),
        "data_segs_in" => rate(info.data_segs_in),
        "delivery_rate" => rate(info.delivery_rate),
        "pacing_rate" => rate(info.pacing_rate),
        "busy_time" => micros(info.busy_time),
        "rwnd_limited" => micros(info.rwnd_limited),
        "sndbuf_limited" => micros(info.sndbuf_limited),
        "delivered" => info.delivered.into(),
        "delivered_ce" => info.delivered_ce.into(),
        "received_ce" => info.received_ce.into(),
        "dsack_dups" => info.dsack_dups.into(),
        "rcv_ooopack" => info.rcv_ooopack.into(),
        _ => return None,
    })
}

fn state(state: State) -> i64 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed => 7,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Listen => 10,
        State::Closing => 11,
    }
}
