//! What `ss -i` and `ss -o` print of a connection: the fields of Linux's `tcp_info` by the names
//! that ss gives them.

use std::time::Duration;

use tcp::{CaState, Info, Timer};

/// The line below a connection. What is zero for lack of a sample or an event is left out, as ss
/// does.
pub(super) fn info(info: &Info) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut word = |shown: bool, text: String| {
        if shown {
            words.push(text);
        }
    };
    let options = &info.options;
    word(options.timestamps, "ts".into());
    word(options.sack, "sack".into());
    word(options.ecn, "ecn".into());
    word(!info.congestion.is_empty(), info.congestion.into());
    if let Some((theirs, ours)) = options.window_scale {
        word(true, format!("wscale:{theirs},{ours}"));
    }
    word(true, format!("rto:{}", millis(info.rto)));
    word(info.backoff > 0, format!("backoff:{}", info.backoff));
    let rtt = !info.rtt.is_zero();
    word(rtt, format!("rtt:{}/{}", millis(info.rtt), millis(info.rttvar)));
    word(!info.ato.is_zero(), format!("ato:{}", millis(info.ato)));
    word(true, format!("mss:{}", info.snd_mss));
    word(info.pmtu > 0, format!("pmtu:{}", info.pmtu));
    word(info.rcv_mss > 0, format!("rcvmss:{}", info.rcv_mss));
    word(info.advmss > 0, format!("advmss:{}", info.advmss));
    word(true, format!("cwnd:{}", info.cwnd));
    word(info.ssthresh != u32::MAX, format!("ssthresh:{}", info.ssthresh));
    let state = match info.ca_state {
        CaState::Open => "",
        CaState::Disorder => "disorder",
        CaState::Cwr => "cwr",
        CaState::Recovery => "recovery",
        CaState::Loss => "loss",
    };
    word(!state.is_empty(), format!("ca_state:{state}"));
    for (name, count) in [
        ("bytes_sent", info.bytes_sent),
        ("bytes_retrans", info.bytes_retrans),
        ("bytes_acked", info.bytes_acked),
        ("bytes_received", info.bytes_received),
        ("segs_out", info.segs_out),
        ("segs_in", info.segs_in),
        ("data_segs_out", info.data_segs_out),
        ("data_segs_in", info.data_segs_in),
    ] {
        word(count > 0, format!("{name}:{count}"));
    }
    if rtt && info.cwnd > 0 {
        // What the window lets through in a round trip.
        let bytes = u64::from(info.cwnd) * u64::from(info.snd_mss);
        word(true, format!("send {}", rate((bytes as f64 / info.rtt.as_secs_f64()) as u64)));
    }
    word(true, format!("lastsnd:{}", info.last_data_sent.as_millis()));
    word(true, format!("lastrcv:{}", info.last_data_recv.as_millis()));
    word(true, format!("lastack:{}", info.last_ack_recv.as_millis()));
    word(info.pacing_rate != u64::MAX, format!("pacing_rate {}", rate(info.pacing_rate)));
    word(info.delivery_rate > 0, format!("delivery_rate {}", rate(info.delivery_rate)));
    word(info.delivered > 0, format!("delivered:{}", info.delivered));
    word(info.app_limited, "app_limited".into());
    word(info.delivered_ce > 0, format!("delivered_ce:{}", info.delivered_ce));
    word(!info.busy_time.is_zero(), format!("busy:{}ms", info.busy_time.as_millis()));
    for (name, time) in
        [("rwnd_limited", info.rwnd_limited), ("sndbuf_limited", info.sndbuf_limited)]
    {
        let share = 100.0 * time.as_secs_f64() / info.busy_time.as_secs_f64();
        word(!time.is_zero(), format!("{name}:{}ms({share:.1}%)", time.as_millis()));
    }
    word(info.unacked > 0, format!("unacked:{}", info.unacked));
    let retransmitted = info.retrans > 0 || info.total_retrans > 0;
    word(retransmitted, format!("retrans:{}/{}", info.retrans, info.total_retrans));
    for (name, count) in
        [("lost", info.lost), ("sacked", info.sacked), ("dsack_dups", info.dsack_dups)]
    {
        word(count > 0, format!("{name}:{count}"));
    }
    // Three is what every connection begins with.
    word(info.reordering > 0 && info.reordering != 3, format!("reordering:{}", info.reordering));
    word(!info.rcv_rtt.is_zero(), format!("rcv_rtt:{}", millis(info.rcv_rtt)));
    word(info.rcv_space > 0, format!("rcv_space:{}", info.rcv_space));
    word(info.notsent_bytes > 0, format!("notsent:{}", info.notsent_bytes));
    word(!info.min_rtt.is_zero(), format!("minrtt:{}", millis(info.min_rtt)));
    word(info.rcv_ooopack > 0, format!("rcv_ooopack:{}", info.rcv_ooopack));
    word(info.snd_wnd > 0, format!("snd_wnd:{}", info.snd_wnd));
    word(info.rcv_wnd > 0, format!("rcv_wnd:{}", info.rcv_wnd));
    words.join(" ")
}

/// `timer:(on,204ms,0)`: which, when, and how often it expired in a row.
pub(super) fn timer(timer: Timer, due: Duration, backoff: u32) -> String {
    let name = match timer {
        Timer::Retransmit | Timer::LossProbe | Timer::Reorder => "on",
        Timer::Persist => "persist",
        Timer::KeepAlive => "keepalive",
        Timer::DelayedAck => "ack",
        Timer::FinWait2 => "finwait2",
        Timer::TimeWait => "timewait",
    };
    let due = match due.as_millis() {
        ms @ 0..1_000 => format!("{ms}ms"),
        ms @ 1_000..60_000 => format!("{:.1}sec", ms as f64 / 1e3),
        ms => format!("{}min", ms / 60_000),
    };
    format!("timer:({name},{due},{backoff})")
}

/// Milliseconds with as many decimals as matter.
fn millis(time: Duration) -> String {
    let text = format!("{:.3}", time.as_secs_f64() * 1e3);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Bytes a second, in bits.
fn rate(bytes: u64) -> String {
    match bytes as f64 * 8.0 {
        bits @ 1e9.. => format!("{:.2}Gbps", bits / 1e9),
        bits @ 1e6.. => format!("{:.2}Mbps", bits / 1e6),
        bits @ 1e3.. => format!("{:.2}kbps", bits / 1e3),
        bits => format!("{bits:.0}bps"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_by_the_names_of_ss() {
        let (local, peer) = ("10.0.0.1:7".parse().unwrap(), "10.0.0.2:9".parse().unwrap());
        let mut facts = Info::new(None, tcp::State::Established, local, peer);
        facts.congestion = "newreno";
        facts.rto = Duration::from_millis(204);
        facts.rtt = Duration::from_micros(1500);
        facts.rttvar = Duration::from_micros(750);
        facts.snd_mss = 1460;
        facts.cwnd = 10;
        facts.total_retrans = 2;
        facts.options.window_scale = Some((7, 6));
        let text = info(&facts);
        assert!(text.starts_with("newreno wscale:7,6 rto:204 rtt:1.5/0.75 mss:1460 cwnd:10 "));
        assert!(text.contains(" send 77.87Mbps ") && text.ends_with(" retrans:0/2"), "{text}");
        assert!(!text.contains("ssthresh") && !text.contains("pacing_rate"), "{text}");
    }

    /// As iproute2's `tcp_stats_print` orders them.
    #[test]
    fn what_a_sender_waited_for_comes_with_its_share_of_the_time() {
        let any = "0.0.0.0:0".parse().unwrap();
        let mut facts = Info::new(None, tcp::State::Established, any, any);
        facts.busy_time = Duration::from_millis(400);
        facts.rwnd_limited = Duration::from_millis(50);
        facts.delivery_rate = 125_000;
        facts.delivered = 7;
        facts.app_limited = true;
        facts.reordering = 3;
        facts.notsent_bytes = 9;
        facts.min_rtt = Duration::from_micros(1250);
        facts.rcv_ooopack = 2;
        facts.snd_wnd = 1000;
        let text = info(&facts);
        let end = "delivery_rate 1.00Mbps delivered:7 app_limited busy:400ms \
                   rwnd_limited:50ms(12.5%) notsent:9 minrtt:1.25 rcv_ooopack:2 snd_wnd:1000";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn timers() {
        let text = |ms| timer(Timer::Retransmit, Duration::from_millis(ms), 1);
        assert_eq!(text(204), "timer:(on,204ms,1)");
        assert_eq!(text(1_500), "timer:(on,1.5sec,1)");
        assert_eq!(text(7_200_000), "timer:(on,120min,1)");
    }
}
