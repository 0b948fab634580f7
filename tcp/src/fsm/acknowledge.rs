//! An acceptable acknowledgment: what it takes off the retransmission queue, and what it teaches
//! the estimator, loss recovery and congestion control.

use std::time::Duration;

use netdev::{Instant, Packet};

use super::Arrival;
use crate::congestion::Acked;
use crate::ecn;
use crate::recovery::{AckSeen, Change};
use crate::sack::Heard;
use crate::segment::{Flags, Segment};
use crate::stats::Event;
use crate::tcb::{Context, Signals, Tcb};
use crate::timers::Timer;
use crate::{CaState, SeqNum};

/// RFC 9293 §3.10.7.4, fifth, ESTABLISHED; in the states beyond it as well.
pub(super) fn process(tcb: &mut Tcb, cx: &mut Context<'_>, arrival: &Arrival<'_>) {
    let segment = &arrival.segment;
    let (ack, window) = (segment.ack, tcb.scaled(segment.window));
    // RFC 5681 §2: outstanding data, no data, no SYN or FIN, the greatest acknowledgment so far,
    // and the window as it was.
    let duplicate = !tcb.board.is_empty()
        && segment.len == 0
        && !segment.flags.contains(Flags::FIN)
        && ack == tcb.snd.una
        && window == tcb.snd.wnd;
    let flight = tcb.board.flight();
    let newly_acked = if ack.gt(tcb.snd.una) { ack - tcb.snd.una } else { 0 };
    let mut rtt = None;
    if newly_acked > 0 {
        rtt = advance(tcb, cx.now, segment, ack);
        if cx.now.since(tcb.totals.confirmed) >= Duration::from_secs(1) {
            tcb.totals.confirmed = cx.now;
            cx.out.confirm(cx.now, tcb.tuple.peer().ip());
        }
    }
    let heard = hear(tcb, cx, segment);
    if tcb.recovery.uses_sack() {
        heard.blocks().iter().for_each(|block| tcb.board.sack(block.left, block.right, |_| {}));
    }
    // The peer lives, whatever it says.
    tcb.totals.last_ack_received = cx.now;
    tcb.probes = 0;
    update_window(tcb, segment, window, newly_acked > 0);
    if tcb.snd.wnd == 0 {
        // RFC 9293 §3.8.6.1 (MUST-37): a closed window is no reason to give up while the peer
        // acknowledges.
        tcb.retries = 0;
    }
    let before = tcb.recovery.ca_state();
    let counted_out = tcb.board.left_network();
    let seen = AckSeen {
        now: cx.now,
        una: tcb.snd.una,
        nxt: tcb.snd.nxt,
        newly_acked,
        duplicate,
        mss: tcb.snd.mss,
    };
    let change = tcb.recovery.acked(&seen, &mut tcb.board);
    let marked = ecn::acknowledged(tcb, cx, segment, flight, newly_acked);
    match change {
        Change::Began => {
            cx.events.add(Event::FastRecoveries);
            if !tcb.ecn.reducing() {
                tcb.congestion.congested(cx.now, flight);
                tcb.ecn.reduced();
            }
            tcb.snd.retransmit_first = true;
        }
        Change::Ended if before == CaState::Recovery => {
            tcb.congestion.recovered(cx.now, tcb.board.flight());
        }
        Change::Again => tcb.snd.retransmit_first = true,
        Change::Undone if tcb.ecn.reducing() => {}
        Change::Undone => tcb.congestion.undo(),
        Change::None | Change::Ended => {
            if newly_acked > 0 && !marked && tcb.recovery.ca_state() != CaState::Recovery {
                let (cwnd, ssthresh) = (tcb.congestion.cwnd(), tcb.congestion.ssthresh());
                // What duplicate ACKs counted as arrived has made room already; the segment that
                // they waited for is new in any case.
                let arrived = newly_acked.saturating_sub(counted_out);
                tcb.congestion.acked(&Acked {
                    now: cx.now,
                    bytes: arrived.max(newly_acked.min(tcb.snd.mss)),
                    flight,
                    una: tcb.snd.una,
                    nxt: tcb.snd.nxt,
                    cwnd_limited: tcb.snd.usage.may_grow(cwnd, cwnd < ssthresh),
                    rtt,
                    srtt: tcb.rtt.srtt(),
                });
            }
        }
    }
    match change {
        Change::Began => tcb.tell_recovery(before, "loss"),
        Change::Ended => tcb.tell_recovery(before, "recovered"),
        Change::Undone => tcb.tell_recovery(before, "no loss"),
        Change::None | Change::Again => {}
    }
}

/// Selective acknowledgments: what they tell is in flight, or they tell nothing.
fn hear(tcb: &mut Tcb, cx: &mut Context<'_>, segment: &Segment) -> Heard {
    if !tcb.sack.in_use || segment.options.sack_count == 0 {
        return Heard::default();
    }
    let snd = &tcb.snd;
    let heard = Heard::of(&segment.options, segment.ack, snd.una - snd.max_wnd, snd.una, snd.nxt);
    if heard.duplicate.is_some() {
        cx.events.add(Event::DuplicateSacks);
        tcb.totals.duplicate_sacks += 1;
    }
    (0..heard.bogus).for_each(|_| cx.events.add(Event::BogusSacks));
    heard
}

/// "Set SND.UNA <- SEG.ACK. Any segments on the retransmission queue that are thereby entirely
/// acknowledged are removed." Gives the round trip that it shows.
fn advance(tcb: &mut Tcb, now: Instant, segment: &Segment, ack: SeqNum) -> Option<Duration> {
    let (mut sent_at, mut ambiguous) = (None, false);
    tcb.board.acknowledge(ack, |sent| match sent.retransmissions {
        0 => sent_at = Some(sent.sent_at),
        _ => ambiguous = true,
    });
    // Karn's algorithm (RFC 6298 §3): what was sent twice tells nothing, nor does what waited
    // behind it. A timestamp does (RFC 7323 §4.1).
    let rtt = match (sent_at, tcb.timestamps) {
        (Some(at), ..) if !ambiguous => Some(now.since(at)),
        (_, Some(clock)) => clock.round_trip(now, segment),
        _ => None,
    };
    if let Some(rtt) = rtt {
        tcb.rtt.sample(rtt);
    }
    let data_before = tcb.snd.buffer.len();
    tcb.snd.una = ack;
    tcb.snd.buffer.acknowledge(ack);
    tcb.totals.bytes_acked += (data_before - tcb.snd.buffer.len()) as u64;
    tcb.totals.progress = now;
    tcb.retries = 0;
    tcb.soft_error = None;
    tcb.snd.short = false;
    tcb.signals |= Signals::READY;
    // RFC 6298 (5.2), (5.3).
    if tcb.board.is_empty() {
        tcb.timers.clear(Timer::Retransmit);
    } else {
        tcb.restart_retransmit_timer(now);
    }
    rtt
}

/// "The check here prevents using old segments to update the window." One that acknowledges
/// something new is not old, whatever its sequence number: the window counts from SND.UNA, so
/// leaving it would move the edge to where the peer never offered it.
fn update_window(tcb: &mut Tcb, segment: &Segment, window: u32, advanced: bool) {
    let snd = &mut tcb.snd;
    if segment.ack.lt(snd.una) {
        return;
    }
    let newer = snd.wl1.lt(segment.seq) || (snd.wl1 == segment.seq && snd.wl2.le(segment.ack));
    if advanced || newer {
        (snd.wnd, snd.wl1, snd.wl2) = (window, segment.seq, segment.ack);
        snd.max_wnd = snd.max_wnd.max(window);
        if window > 0 {
            tcb.timers.clear(Timer::Persist);
        }
    }
}

/// `<SEQ=SEG.ACK><CTL=RST>`: an acknowledgment of something that this connection never sent, or
/// data that nobody will read.
pub(super) fn reset_for(tcb: &Tcb, cx: &mut Context<'_>, segment: &Segment) {
    let Some(reset) = segment.reset() else { return };
    let (src, dst) = (tcb.tuple.local().ip(), tcb.tuple.peer().ip());
    cx.events.add(Event::ResetsOut);
    cx.events.add(Event::SegmentsOut);
    let partial = cx.route(&tcb.tuple).is_ok_and(|route| route.offload.checksum);
    let packet = reset.emit(Packet::with_capacity(0), src, dst, partial);
    let header = ip::Header::new(src, dst, ip::Protocol::TCP);
    if cx.out.send(cx.now, &header, packet).is_err() {
        cx.events.add(Event::NotSent);
    }
}
