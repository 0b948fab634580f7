//! An acceptable acknowledgment: what it takes off the retransmission queue, and what it teaches
//! the estimator, loss recovery and congestion control.

use std::time::Duration;

use netdev::{Instant, Packet};

use super::Arrival;
use crate::congestion::{Acked, RateSample};
use crate::ecn;
use crate::recovery::{AckSeen, Change, Delivery};
use crate::sack::Heard;
use crate::scoreboard::History;
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
    let (flight, pipe) = (tcb.board.flight(), tcb.board.pipe());
    let awaited = tcb.board.awaited();
    let newly_acked = if ack.gt(tcb.snd.una) { ack - tcb.snd.una } else { 0 };
    let (fack, history) = (tcb.board.fack(), *tcb.board.history());
    let mut delivery = Delivery::default();
    if newly_acked > 0 {
        advance(tcb, cx.now, ack, &mut delivery);
        let second = (cx.now.millis() / 1000) as u32;
        if tcb.totals.confirmed != second {
            tcb.totals.confirmed = second;
            cx.out.confirm(cx.now, tcb.tuple.peer().ip());
        }
    }
    let heard = hear(tcb, cx, segment);
    if tcb.recovery.uses_sack() {
        for block in heard.blocks() {
            tcb.board.sack(block.left, block.right, |sent| delivery.sacked(sent));
        }
    }
    let rtt = round_trip(tcb, cx.now, segment, newly_acked, &delivery);
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
        at: tcb.moment(cx.now),
        newly_acked,
        duplicate,
        delivery,
        dsack: heard.duplicate,
        original: newly_acked > 0 && is_older(tcb, segment, &history),
        fack,
        history,
    };
    let change = tcb.recovery.acked(&seen, &mut tcb.board);
    let marked = ecn::acknowledged(tcb, cx, segment, flight, newly_acked);
    delivered(tcb, cx, segment, awaited, pipe, rtt);
    match change {
        Change::Began => {
            cx.events.add(Event::FastRecoveries);
            tcb.reduce_for_loss(cx.now, flight);
            tcb.snd.retransmit_first = true;
        }
        Change::Ended if before == CaState::Recovery => {
            tcb.end_recovery(cx.now);
        }
        Change::Repaired => {
            // RFC 8985 §7.4.2: "notify the congestion control that a loss was detected".
            if tcb.reduce_for_loss(cx.now, flight) {
                tcb.end_recovery(cx.now);
            }
        }
        Change::Again => tcb.snd.retransmit_first = true,
        Change::Undone => tcb.undo_reduction(),
        Change::None | Change::Ended | Change::Probe => {
            if newly_acked > 0 && !marked && tcb.recovery.ca_state() != CaState::Recovery {
                let (cwnd, ssthresh) = (tcb.congestion.cwnd(), tcb.congestion.ssthresh());
                // What duplicate ACKs counted as arrived has made room already; the segment that
                // they waited for is new in any case.
                let arrived = match seen.at.sack {
                    true => delivery.bytes,
                    false => newly_acked.saturating_sub(counted_out),
                };
                tcb.congestion.acked(&Acked {
                    now: cx.now,
                    bytes: arrived.max(newly_acked.min(tcb.snd.mss)),
                    flight,
                    una: tcb.snd.una,
                    nxt: tcb.snd.nxt,
                    cwnd_limited: tcb.snd.usage.may_grow(cx.now, cwnd, cwnd < ssthresh),
                    rtt,
                    srtt: tcb.rtt.srtt(),
                });
            }
        }
    }
    tcb.reduce_gradually(cx.now, delivery.bytes);
    match change {
        Change::Began => tcb.tell_recovery(before, "loss"),
        Change::Ended => tcb.tell_recovery(before, "recovered"),
        Change::Undone => {
            cx.events.add(Event::RecoveriesUndone);
            tcb.tell_recovery(before, "no loss");
        }
        Change::Repaired => tcb.tell_recovery(before, "repaired by a probe"),
        Change::None | Change::Again | Change::Probe => {}
    }
}

/// RFC 3522 §3.2: whether the acknowledgment answers something that was sent before the first
/// retransmission.
fn is_older(tcb: &Tcb, segment: &Segment, history: &History) -> bool {
    let (Some(clock), Some(ts)) = (tcb.timestamps, segment.options.timestamps) else {
        return false;
    };
    history
        .first_retransmission
        .is_some_and(|at| ts.echo != 0 && SeqNum(ts.echo).lt(SeqNum(clock.value(at))))
}

/// Takes the round trip that the acknowledgment shows.
fn round_trip(
    tcb: &mut Tcb,
    now: Instant,
    segment: &Segment,
    newly_acked: u32,
    delivery: &Delivery,
) -> Option<Duration> {
    // Karn's algorithm (RFC 6298 §3): what was sent twice tells nothing, nor does what waited
    // behind it. A timestamp does (RFC 7323 §4.1).
    let sacked = delivery.first_sacked.map(|at| now.since(at));
    let rtt = match (delivery.latest, delivery.latest_again, tcb.timestamps) {
        _ if newly_acked == 0 => sacked,
        (Some(sent), None, _) if delivery.sacked == 0 => Some(now.since(sent.sent_at)),
        (_, _, Some(clock)) => clock.round_trip(now, segment).or(sacked),
        (_, None, _) => sacked,
        _ => None,
    };
    if let Some(rtt) = rtt {
        tcb.rtt.sample(rtt);
        tcb.min_rtt.sample(now, rtt);
    }
    rtt
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

/// What the acknowledgment says about how fast data arrives, and to whoever follows it.
fn delivered(
    tcb: &mut Tcb,
    cx: &mut Context<'_>,
    segment: &Segment,
    before: (u32, u32),
    prior_in_flight: u32,
    rtt: Option<Duration>,
) {
    let (bytes, segments) = tcb.board.awaited();
    let bytes = before.0.saturating_sub(bytes);
    if bytes > 0 {
        let segments = before.1.saturating_sub(segments);
        tcb.totals.delivered = tcb.totals.delivered.wrapping_add(segments);
        let una = tcb.snd.una;
        // RFC 2018 §4: the first block is the one that the latest segment is in.
        let newest =
            segment.options.sack_blocks().first().map_or(una, |block| block.right.max(una));
        let (nxt, min_rtt) = (tcb.snd.nxt, tcb.min_rtt.least());
        let sample = tcb.rate.acked(cx.now, una, newest, bytes.into(), min_rtt.unwrap_or_default());
        tcb.snd.usage.delivered(cx.now, una, nxt, bytes, tcb.rtt.srtt());
        tcb.congestion.delivered(&RateSample {
            now: cx.now,
            bytes,
            prior_in_flight,
            in_flight: tcb.board.pipe(),
            delivery_rate: sample.map(|sample| sample.rate),
            interval: sample.map_or(Duration::ZERO, |sample| sample.interval),
            is_app_limited: sample.is_some_and(|sample| sample.app_limited),
            rtt,
            min_rtt,
            una,
            nxt,
        });
    }
    if let Some(notices) = &mut tcb.notices {
        cx.events.add_many(Event::NoticesDropped, notices.acknowledged(cx.now, tcb.snd.una));
    }
}

/// "Set SND.UNA <- SEG.ACK. Any segments on the retransmission queue that are thereby entirely
/// acknowledged are removed."
fn advance(tcb: &mut Tcb, now: Instant, ack: SeqNum, delivery: &mut Delivery) {
    tcb.board.acknowledge(ack, |sent| delivery.acked(sent));
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
