//! TIMEOUTS (RFC 9293 §3.10.8): what happens when a timer runs out.

use ip::SocketError;
use tracing::debug;

use crate::output::{self, output};
use crate::recovery::Change;
use crate::stats::Event;
use crate::tcb::{Context, Signals, Tcb};
use crate::timers::Timer;
use crate::{CaState, Notice, State, Timeout, black_hole, transmit};

/// Fires every timer of the connection that is due, then sends what that allows.
pub(crate) fn timeouts(tcb: &mut Tcb, cx: &mut Context<'_>) {
    while let Some(timer) = tcb.timers.expired(cx.now) {
        match timer {
            Timer::Retransmit => retransmit(tcb, cx),
            Timer::Persist => persist(tcb, cx),
            Timer::DelayedAck => {
                cx.events.add(Event::DelayedAcks);
                tcb.ack.timed_out();
            }
            Timer::KeepAlive => keep_alive(tcb, cx),
            Timer::Unowned if tcb.state == State::FinWait2 => {
                tcb.end(None, "FIN-WAIT-2 timeout");
            }
            Timer::Unowned => crate::fsm::waited_for_data(tcb, cx),
            Timer::Cork => tcb.snd.overridden = true,
            Timer::Recovery => recovery(tcb, cx),
        }
        if tcb.state == State::Closed {
            return;
        }
    }
    output(tcb, cx);
}

/// RFC 8985 §6.2 and §7.3: something is late, or the tail of what was sent is to be probed.
fn recovery(tcb: &mut Tcb, cx: &mut Context<'_>) {
    let (flight, before) = (tcb.board.flight(), tcb.recovery.ca_state());
    match tcb.recovery.timer(&tcb.moment(cx.now), &mut tcb.board) {
        Change::Began => {
            cx.events.add(Event::FastRecoveries);
            tcb.reduce_for_loss(cx.now, flight);
            tcb.reduce_gradually(cx.now, tcb.snd.mss);
            tcb.tell_recovery(before, "late");
        }
        Change::Probe => output::probe_tail(tcb, cx),
        _ => {}
    }
}

fn retransmit(tcb: &mut Tcb, cx: &mut Context<'_>) {
    cx.events.add(Event::Timeouts);
    let limit = match tcb.state {
        State::SynSent => cx.config.syn_retries,
        State::SynReceived => cx.config.syn_ack_retries,
        _ if tcb.is_orphan() => cx.config.orphan_retries,
        _ => cx.config.retries,
    };
    let user_timeout = tcb.user_timeout_left(cx.now).map(|left| left.is_zero());
    // RFC 9293 §3.8.3: R2, in retransmissions or, where the user says so, in time.
    if user_timeout.unwrap_or(tcb.retries >= limit) {
        give_up(tcb, cx, "no answer");
        return;
    }
    let again = tcb.retries > 0;
    tcb.retries += 1;
    tcb.rtt.back_off();
    if tcb.retries == cx.config.retries_told {
        // RFC 9293 §3.8.3 (b): "negative advice" to IP (RFC 1122 §3.3.1.4), and to whoever watches.
        cx.events.add(Event::InTrouble);
        debug!(conn = %tcb.tuple, retries = tcb.retries, rto = ?tcb.rtt.rto(), "R1");
        cx.out.doubt(cx.now, tcb.tuple.peer().ip());
        if tcb.settings.report_trouble {
            let silent = cx.now.since(tcb.totals.progress);
            let notice = Notice::Trouble { retries: tcb.retries, silent };
            let taken = tcb.notices.get_or_insert_default().push(notice);
            cx.events.add_many(Event::NoticesDropped, u64::from(!taken));
            tcb.signals |= Signals::READY;
        }
    }
    match tcb.state {
        State::SynSent => {
            transmit::syn(tcb, cx);
            tcb.restart_retransmit_timer(cx.now);
        }
        State::SynReceived => {
            let scaled = tcb.rcv.scale > 0 || tcb.snd.scale > 0;
            transmit::syn_ack(tcb, cx, scaled);
            tcb.restart_retransmit_timer(cx.now);
        }
        _ => {
            black_hole::timed_out(tcb, cx);
            // (5.4) "Retransmit the earliest segment": output does, since nothing is in the pipe
            // any more, and starts the timer again (5.6).
            let (flight, before) = (tcb.board.flight(), tcb.recovery.ca_state());
            tcb.recovery.timed_out(&tcb.moment(cx.now), &mut tcb.board);
            let timeout = match before {
                _ if again => Timeout::Again,
                CaState::Recovery if tcb.undoable => Timeout::InRecovery,
                _ => Timeout::First,
            };
            tcb.congestion.timed_out(cx.now, flight, timeout);
            tcb.ecn.reduced();
            tcb.undoable = true;
            tcb.snd.retransmit_first = true;
            tcb.tell_recovery(before, "timeout");
        }
    }
}

/// RFC 9293 §3.8.6.1: probes go on for as long as the peer answers (MUST-37); without an answer
/// they end as retransmissions do.
fn persist(tcb: &mut Tcb, cx: &mut Context<'_>) {
    let orphan = tcb.is_orphan();
    let limit = if orphan { cx.config.orphan_retries } else { cx.config.retries };
    let silent = cx.now.since(tcb.totals.last_ack_received);
    let timed_out = tcb.settings.user_timeout.is_some_and(|most| tcb.probes > 1 && silent >= most);
    // Nobody waits for an orphan to end: a peer that never opens its window must not keep it.
    if tcb.probes >= limit || timed_out || (orphan && tcb.probe_backoff >= limit) {
        give_up(tcb, cx, "window never opened");
        return;
    }
    tcb.probes += 1;
    tcb.probe_backoff += 1;
    if output::view(tcb).usable > 0 {
        // The override timeout of silly window avoidance.
        tcb.snd.overridden = true;
    } else {
        cx.events.add(Event::WindowProbes);
        transmit::probe(tcb, cx);
    }
}

/// RFC 9293 §3.8.4.
fn keep_alive(tcb: &mut Tcb, cx: &mut Context<'_>) {
    let Some(settings) = tcb.settings.keep_alive else { return };
    if !tcb.state.is_synchronized() {
        return;
    }
    let heard = tcb.totals.last_ack_received.max(tcb.totals.last_data_received);
    if !tcb.board.is_empty() || tcb.unsent() > 0 {
        // Retransmissions and window probes ask already.
        tcb.timers.set(Timer::KeepAlive, cx.now + settings.idle);
    } else if cx.now.since(heard) < settings.idle {
        tcb.timers.set(Timer::KeepAlive, heard + settings.idle);
    } else if tcb
        .settings
        .user_timeout
        .map_or(tcb.probes >= settings.count, |most| tcb.probes > 0 && cx.now.since(heard) >= most)
    {
        // As Linux, the user timeout takes the place of the count (RFC 5482 §4.2).
        transmit::reset(tcb, cx);
        give_up(tcb, cx, "keep-alive");
    } else {
        tcb.probes += 1;
        cx.events.add(Event::KeepAlives);
        transmit::probe(tcb, cx);
        tcb.timers.set(Timer::KeepAlive, cx.now + settings.interval);
    }
}

/// "Signal the user 'error: connection aborted due to user timeout'", or what ICMP said was wrong
/// (RFC 1122 §4.2.3.9).
fn give_up(tcb: &mut Tcb, cx: &mut Context<'_>, cause: &'static str) {
    cx.events.add(Event::TimedOut);
    let error = tcb.soft_error.take().unwrap_or(SocketError::TimedOut);
    tcb.end(Some(error), cause);
}
