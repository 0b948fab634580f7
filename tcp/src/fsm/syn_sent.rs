//! SEGMENT ARRIVES in SYN-SENT (RFC 9293 §3.10.7.3), and what a SYN's options settle.

use ip::SocketError;

use super::seventh_process_text;
use super::{Arrival, Step, acknowledge, eighth_check_fin, establish, sixth_check_urg};
use crate::segment::{Flags, Segment};
use crate::stats::Event;
use crate::tcb::{Context, Tcb};
use crate::timers::Timer;
use crate::{DropReason, State, timestamps, transmit};

pub(super) fn segment_arrives(
    tcb: &mut Tcb,
    cx: &mut Context<'_>,
    arrival: &mut Arrival<'_>,
) -> Step {
    let acceptable_ack = first_check_ack(tcb, cx, arrival)?;
    second_check_rst(tcb, cx, arrival, acceptable_ack)?;
    // Third, check the security: there is none.
    fourth_check_syn(tcb, cx, arrival, acceptable_ack)
}

/// First, check the ACK bit: whether there is an acceptable acknowledgment.
fn first_check_ack(
    tcb: &mut Tcb,
    cx: &mut Context<'_>,
    arrival: &Arrival<'_>,
) -> Result<bool, DropReason> {
    if !arrival.has(Flags::ACK) {
        return Ok(false);
    }
    let ack = arrival.segment.ack;
    if ack.le(tcb.snd.iss) || ack.gt(tcb.snd.nxt) {
        acknowledge::reset_for(tcb, cx, &arrival.segment);
        return Err(DropReason::UnacceptableAck);
    }
    Ok(true)
}

/// Second, check the RST bit.
fn second_check_rst(
    tcb: &mut Tcb,
    cx: &mut Context<'_>,
    arrival: &Arrival<'_>,
    acceptable_ack: bool,
) -> Step {
    if !arrival.has(Flags::RST) {
        return Ok(());
    }
    if acceptable_ack {
        cx.events.add(Event::ResetsIn);
        tcb.end(Some(SocketError::Refused), "reset");
    }
    Err(DropReason::StrayReset)
}

/// Fourth, check the SYN bit; fifth, drop what has neither SYN nor RST.
fn fourth_check_syn(
    tcb: &mut Tcb,
    cx: &mut Context<'_>,
    arrival: &mut Arrival<'_>,
    acceptable_ack: bool,
) -> Step {
    if !arrival.has(Flags::SYN) {
        return Err(DropReason::NoAck);
    }
    let scaled = learn_options(tcb, cx, &arrival.segment);
    tcb.rcv.synchronize(arrival.segment.seq);
    arrival.seq += 1;
    // The window of a SYN is not scaled (RFC 7323 §2.2).
    let window = u32::from(arrival.segment.window);
    if acceptable_ack {
        tcb.snd.una = arrival.segment.ack;
        establish(tcb, cx, &arrival.segment, window);
        tcb.ack.at_once();
        // "If there are other controls or text in the segment, then continue processing at the
        // sixth step". The offer of a window has yet to be made, so text is let in by what the
        // SYN offered.
        tcb.rcv.offer_on_syn();
        let room = tcb.rcv.window() as usize;
        if arrival.text.len() > room {
            arrival.text = &arrival.text[..room];
            arrival.fin = false;
        }
        sixth_check_urg(tcb, arrival);
        seventh_process_text(tcb, cx, arrival)?;
        eighth_check_fin(tcb, cx, arrival);
        return Ok(());
    }
    // Simultaneous open (§3.5, figure 8).
    tcb.enter(State::SynReceived, "SYN received");
    (tcb.snd.wnd, tcb.snd.wl1) = (window, arrival.segment.seq);
    transmit::syn_ack(tcb, cx, scaled);
    // "Queue them for processing after the ESTABLISHED state has been reached".
    tcb.rcv.queue(arrival.seq, arrival.text, arrival.fin);
    // What was retransmitted was a SYN; this is another segment, with a timer of its own.
    tcb.timers.clear(Timer::Retransmit);
    tcb.restart_retransmit_timer(cx.now);
    Ok(())
}

/// What both sides offered is in use from now on. Whether windows are scaled.
pub(crate) fn learn_options(tcb: &mut Tcb, cx: &mut Context<'_>, segment: &Segment) -> bool {
    let options = &segment.options;
    // RFC 9293 §3.7.1 (MUST-15): 536 where there is no MSS option.
    tcb.snd.peer_mss = options.mss.unwrap_or(cx.config.default_mss).max(cx.config.min_mss);
    let scaled = cx.config.window_scaling && options.window_scale.is_some();
    match options.window_scale {
        Some(shift) if scaled => tcb.snd.scale = shift,
        _ => tcb.rcv.scale = 0,
    }
    match (&mut tcb.timestamps, options.timestamps) {
        (Some(clock), Some(theirs)) => {
            (clock.recent, clock.recent_at) = (theirs.value, timestamps::second(cx.now));
        }
        (clock, _) => *clock = None,
    }
    // RFC 2018 §2: it may be used where both have sent the option.
    tcb.sack.in_use &= options.sack_permitted;
    tcb.ecn.negotiate(tcb.settings.ecn, segment, tcb.snd.iss + 1);
    tcb.update_mss(cx.config);
    scaled
}
