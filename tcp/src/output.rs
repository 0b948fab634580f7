//! What may be sent now, and why not (RFC 9293 §3.8).

use std::time::Duration;

use crate::ack::Due;
use crate::chrono::Pace;
use crate::tcb::{Context, Tcb};
use crate::timers::Timer;
use crate::{SeqNum, State, autotune, send_memory, stats::Event, transmit};

/// What the rules say about the next segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Send `len` bytes, full segments or one that is not; with the FIN or not.
    Send { len: usize, fin: bool },
    /// Nothing.
    Wait(Why),
}

/// What holds the next segment back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// There is none.
    Nothing,
    /// The peer's window is closed, or so nearly that using it would be silly.
    Window,
    /// The congestion window.
    Congestion,
    /// A segment that was not full is unacknowledged (Nagle).
    Nagle,
    /// The user promised more.
    Cork,
}

/// What the decision depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// D: bytes that wait to be sent.
    pub(crate) unsent: usize,
    /// A FIN follows them.
    pub(crate) fin: bool,
    /// Eff.snd.MSS.
    pub(crate) mss: usize,
    /// U: the usable window, `SND.UNA + SND.WND - SND.NXT`.
    pub(crate) usable: usize,
    /// Max(SND.WND).
    pub(crate) max_window: usize,
    /// What the congestion window leaves.
    pub(crate) room: usize,
    /// A segment that was not full is in flight.
    pub(crate) small_in_flight: bool,
    pub(crate) no_delay: bool,
    /// Cork is set, or the last send said that more follows.
    pub(crate) hold: bool,
    /// The override timeout is over.
    pub(crate) overridden: bool,
    /// The bytes are urgent, or another record follows them, or the user pushes.
    pub(crate) push: bool,
}

/// What a sender is held up by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flow {
    /// The congestion window, or a rule of this side's own.
    Free,
    /// The peer's window.
    Window,
    /// There is nothing more to send.
    Drained,
}

/// The rules, in one place. RFC 9293 §3.8.6.2.1 (sender's silly window avoidance) numbers them.
pub(crate) fn decide(view: &View) -> Verdict {
    let View { unsent, mss, usable, .. } = *view;
    if unsent == 0 {
        return match view.fin {
            // The FIN takes a sequence number and needs a window like any other.
            true if usable > 0 => Verdict::Send { len: 0, fin: true },
            true => Verdict::Wait(Why::Window),
            false => Verdict::Wait(Why::Nothing),
        };
    }
    // (1) "if a maximum-sized segment can be sent, i.e., if min(D,U) >= Eff.snd.MSS".
    let sendable = unsent.min(usable);
    if sendable >= mss {
        let len = sendable.min(view.room) / mss * mss;
        if len == 0 {
            return Verdict::Wait(Why::Congestion);
        }
        let fin = view.fin && len == unsent && usable > len;
        return Verdict::Send { len, fin };
    }
    if sendable == 0 {
        return Verdict::Wait(Why::Window);
    }
    if sendable < unsent {
        // Some of the data fits, less than a segment of it. (3) "if at least a fraction Fs of the
        // maximum window can be sent", with the recommended Fs = 1/2; (4) "or if the override
        // timeout occurs".
        if sendable < view.max_window / 2 && !view.overridden {
            return Verdict::Wait(Why::Window);
        }
    } else {
        // All of the data fits, which is not a segment. (2) "if the data is pushed and all queued
        // data can be sent now": it always is pushed; a FIN pushes too. Brackets: Nagle.
        let last = view.fin || view.overridden || view.push;
        if view.hold && !last {
            return Verdict::Wait(Why::Cork);
        }
        if view.small_in_flight && !view.no_delay && !last {
            return Verdict::Wait(Why::Nagle);
        }
    }
    if sendable > view.room {
        return Verdict::Wait(Why::Congestion);
    }
    Verdict::Send { len: sendable, fin: view.fin && sendable == unsent && usable > sendable }
}

/// Sends what may be sent: lost data again, new data, and an acknowledgment that is due. Leaves
/// the timers as they have to be.
pub(crate) fn output(tcb: &mut Tcb, cx: &mut Context<'_>) {
    let mut blocked = Why::Nothing;
    if sends_data(tcb.state) {
        follow_path(tcb, cx);
        if !tcb.recovery.tries_new_data() {
            retransmit_lost(tcb, cx);
        }
        // New data never overtakes lost data that waits for its turn, but for finding out whether
        // that is lost at all (RFC 5682).
        blocked = match tcb.board.first_lost() {
            Some(_) if !tcb.recovery.tries_new_data() => Why::Congestion,
            _ => send_new(tcb, cx),
        };
        if matches!(blocked, Why::Nothing | Why::Window) {
            send_what_may_be_lost(tcb, cx);
        }
        account(tcb, cx, blocked);
    }
    match tcb.ack.due() {
        Due::No => tcb.timers.clear(Timer::DelayedAck),
        Due::Now if tcb.state.is_synchronized() => transmit::ack(tcb, cx),
        Due::Now => {}
        Due::Later if tcb.timers.is_set(Timer::DelayedAck) => {}
        Due::Later => {
            tcb.timers.set(Timer::DelayedAck, cx.now + tcb.ack.delay(tcb.rtt.srtt()));
        }
    }
    arm(tcb, cx, blocked);
}

/// What the sending that is over, for now, shows: to the stop-watches, to whoever follows bytes,
/// and for the size of the buffer.
fn account(tcb: &mut Tcb, cx: &mut Context<'_>, blocked: Why) {
    let flow = match blocked {
        Why::Window => Flow::Window,
        Why::Nothing => Flow::Drained,
        Why::Congestion | Why::Nagle | Why::Cork => Flow::Free,
    };
    tcb.snd.starved &= !send_memory::is_roomy(tcb, cx.config);
    let starved = tcb.snd.starved;
    if flow == Flow::Drained {
        tcb.snd.push = false;
        let window = tcb.window();
        if tcb.board.pipe() < window && tcb.board.first_lost().is_none() {
            tcb.rate.app_limited(tcb.board.pipe());
        }
    }
    tcb.chrono.turn(
        cx.now,
        match flow {
            Flow::Drained if tcb.board.is_empty() => Pace::Idle,
            Flow::Drained if starved => Pace::Buffer,
            Flow::Window => Pace::Window,
            Flow::Drained | Flow::Free => Pace::Busy,
        },
    );
    if let Some(notices) = &mut tcb.notices {
        let dropped = notices.sent(cx.now, tcb.snd.nxt);
        cx.events.add_many(Event::NoticesDropped, dropped);
    }
    autotune::send_buffer(tcb, cx.config, cx.pressure, flow);
}

/// The states in which data or a FIN may be on its way.
pub(crate) fn sends_data(state: State) -> bool {
    matches!(
        state,
        State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck
    )
}

/// A path MTU that IP has learnt, or forgotten, changes the size of segments. Whether it is less
/// than before, so that what was too long is lost.
fn follow_path(tcb: &mut Tcb, cx: &mut Context<'_>) -> bool {
    let Ok(route) = cx.route(&tcb.tuple) else { return false };
    let mtu = (route.mtu as u32).min(tcb.snd.pmtu_limit);
    let less = mtu < tcb.snd.pmtu;
    if mtu != tcb.snd.pmtu {
        tcb.snd.pmtu = mtu;
        tcb.update_mss(cx.config);
        if less {
            // RFC 1191 §6.4: send them again, at once and without a smaller window.
            tcb.board.longer_lost(tcb.snd.mss);
        }
    }
    less
}

fn retransmit_lost(tcb: &mut Tcb, cx: &mut Context<'_>) {
    while let Some(index) = tcb.board.first_lost() {
        tcb.board.split(index, tcb.snd.mss);
        let Some(&sent) = tcb.board.at(index) else { return };
        let window = tcb.window();
        let pipe = tcb.board.pipe();
        // RFC 5681 §3.2, step 3: the first goes out whatever the window says.
        let first = std::mem::take(&mut tcb.snd.retransmit_first);
        if !first && pipe > 0 && pipe + sent.len > window {
            tcb.snd.usage.sent(tcb.snd.una, tcb.snd.nxt, tcb.board.flight(), true);
            return;
        }
        // RFC 9293 §3.8.6 (MUST-34): a window that shrank is respected, but the oldest segment is
        // sent nevertheless, which probes it.
        if index > 0 && sent.end().gt(tcb.snd.una + tcb.snd.wnd) {
            return;
        }
        let len = (sent.len - u32::from(sent.fin)) as usize;
        tcb.board.retransmitted(index, cx.now);
        tcb.recovery.sent_again(&sent);
        tcb.totals.retransmissions += 1;
        tcb.totals.bytes_retrans += len as u64;
        cx.events.add(Event::Retransmitted);
        tcb.rate.sent_again(sent.seq);
        transmit::data(tcb, cx, sent.seq, len, sent.fin, false);
        if index == 0 {
            // What the timer is for has just been sent.
            tcb.restart_retransmit_timer(cx.now);
        }
    }
    // Nothing was lost after all: the exception must not wait for another loss.
    tcb.snd.retransmit_first = false;
}

/// Uses what the network has room for, where neither lost nor new data does (RFC 6675 §5 (C)).
fn send_what_may_be_lost(tcb: &mut Tcb, cx: &mut Context<'_>) {
    loop {
        let window = tcb.window();
        if tcb.board.is_empty() || window.saturating_sub(tcb.board.pipe()) < tcb.snd.mss {
            return;
        }
        let Some(index) = tcb.recovery.next_segment(&tcb.moment(cx.now), &mut tcb.board) else {
            return;
        };
        resend(tcb, cx, index);
    }
}

/// Sends a segment again that nobody takes for lost.
fn resend(tcb: &mut Tcb, cx: &mut Context<'_>, index: usize) {
    tcb.board.split(index, tcb.snd.mss);
    let Some(&sent) = tcb.board.at(index) else { return };
    let len = (sent.len - u32::from(sent.fin)) as usize;
    tcb.board.probed(index, cx.now);
    tcb.totals.retransmissions += 1;
    tcb.totals.bytes_retrans += len as u64;
    cx.events.add(Event::Retransmitted);
    tcb.rate.sent_again(sent.seq);
    transmit::data(tcb, cx, sent.seq, len, sent.fin, false);
}

/// A tail loss probe (RFC 8985 §7.3): a segment of new data if the peer's window has room for it,
/// else the last one again; beyond the congestion window if need be.
pub(crate) fn probe_tail(tcb: &mut Tcb, cx: &mut Context<'_>) {
    // Where the path has got narrower, IP takes no segment of the old size; and output sends again
    // what was too long, which is as good as a probe.
    if follow_path(tcb, cx) {
        tcb.restart_retransmit_timer(cx.now);
        return;
    }
    let view = view(tcb);
    let len = view.unsent.min(view.mss);
    let again = len == 0 || len > view.usable;
    if again {
        let Some(last) = tcb.board.len().checked_sub(1) else { return };
        tcb.board.split(last, tcb.snd.mss);
        let last = tcb.board.len() - 1;
        resend(tcb, cx, last);
    } else {
        let fin = view.fin && len == view.unsent && view.usable > len;
        send_one(tcb, cx, len, len, fin);
    }
    cx.events.add(Event::TailLossProbes);
    tcb.recovery.probed(tcb.snd.nxt, again);
    tcb.restart_retransmit_timer(cx.now);
}

/// The most data in one packet: what an IP datagram has room for beside the longest headers.
const MOST: usize = 65_535 - 120;

fn send_new(tcb: &mut Tcb, cx: &mut Context<'_>) -> Why {
    let from = tcb.snd.nxt;
    let idle = cx.now.since(tcb.totals.last_data_sent);
    tcb.validate_window(cx.now, cx.config);
    let mut restart = tcb.board.is_empty() && idle > tcb.rtt.rto() && !tcb.snd.usage.validates();
    loop {
        let view = view(tcb);
        let (len, fin) = match decide(&view) {
            Verdict::Send { len, fin } => (len, fin),
            Verdict::Wait(why) => {
                note_usage(tcb, from, why);
                return why;
            }
        };
        if std::mem::take(&mut restart) {
            tcb.congestion.idle(idle, tcb.rtt.rto());
            continue;
        }
        // Whoever cuts a burst up does not know how to count the urgent pointer down.
        let offload = match tcb.ecn.cwr_due() || tcb.snd.buffer.records.up().is_some() {
            true => 0,
            false => {
                cx.route(&tcb.tuple).map_or(0, |route| route.offload.tcp_segmentation.min(MOST))
            }
        };
        send_one(tcb, cx, len.min(offload.max(view.mss) / view.mss * view.mss), len, fin);
    }
}

/// What was sent from `from` on, and why no more, shows how much of the window is in use.
fn note_usage(tcb: &mut Tcb, from: SeqNum, why: Why) {
    let window = tcb.window();
    let full = why == Why::Congestion || tcb.board.pipe().saturating_add(tcb.snd.mss) > window;
    if tcb.snd.nxt != from || why == Why::Congestion {
        tcb.snd.usage.sent(tcb.snd.una, tcb.snd.nxt, tcb.board.flight(), full);
    }
}

/// Sends the first `burst` of `len` bytes that may go, as one packet.
fn send_one(tcb: &mut Tcb, cx: &mut Context<'_>, burst: usize, len: usize, fin: bool) {
    let (mss, seq, now) = (transmit::segment_size(tcb), tcb.snd.nxt, cx.now);
    let fin = fin && burst == len;
    let idle = tcb.board.is_empty();
    if idle {
        tcb.totals.progress = now;
        tcb.congestion.flight_begins(now);
    }
    // The scoreboard knows segments, whoever cuts them.
    let mut at = seq;
    let end = seq + burst as u32;
    while at.lt(end) || (fin && at == end && burst == 0) {
        let size = (end - at).min(mss);
        let last = fin && at + size == end;
        tcb.board.push(at, size + u32::from(last), last, now);
        at += size;
        if size < mss {
            tcb.snd.small_end = at;
            break;
        }
    }
    tcb.snd.nxt = end + u32::from(fin);
    tcb.rate.sent(now, tcb.snd.nxt, idle);
    if fin {
        tcb.snd.fin = Some(end);
    }
    tcb.snd.overridden = false;
    tcb.ack.answered(cx.now);
    transmit::data(tcb, cx, seq, burst, fin, burst > mss as usize);
}

pub(crate) fn view(tcb: &Tcb) -> View {
    let snd = &tcb.snd;
    let edge = snd.una + snd.wnd;
    let room = tcb.window().saturating_sub(tcb.board.pipe());
    let all = tcb.unsent();
    // A segment never goes beyond the end of its record.
    let record = snd.buffer.records.end_after(snd.nxt);
    let unsent = record.map_or(all, |end| all.min((end - snd.nxt) as usize));
    View {
        unsent,
        fin: snd.fin_queued && snd.fin.is_none() && unsent == all,
        mss: transmit::segment_size(tcb) as usize,
        usable: if edge.gt(snd.nxt) { (edge - snd.nxt) as usize } else { 0 },
        max_window: snd.max_wnd as usize,
        room: room as usize,
        small_in_flight: snd.small_end.gt(snd.una) && snd.small_end.le(snd.nxt),
        no_delay: tcb.settings.no_delay,
        hold: tcb.settings.cork || snd.more,
        overridden: snd.overridden,
        push: snd.push || unsent < all || snd.buffer.records.up().is_some(),
    }
}

/// Retransmission timer while something is in flight; persist timer while nothing is and only the
/// window holds data back; cork's while cork does.
fn arm(tcb: &mut Tcb, cx: &mut Context<'_>, blocked: Why) {
    if !sends_data(tcb.state) {
        return;
    }
    if tcb.board.is_empty() {
        tcb.timers.clear(Timer::Retransmit);
    } else if !tcb.timers.is_set(Timer::Retransmit) {
        tcb.restart_retransmit_timer(cx.now);
    }
    if blocked == Why::Window && tcb.board.is_empty() {
        if !tcb.timers.is_set(Timer::Persist) {
            tcb.timers.set(Timer::Persist, cx.now + probe_interval(tcb, cx.config.rto_max));
        }
    } else {
        tcb.timers.clear(Timer::Persist);
        tcb.probe_backoff = 0;
    }
    match tcb.recovery.schedule(&tcb.moment(cx.now), &tcb.board) {
        Some(_) if tcb.recovery.waits_to_probe() && !cx.config.tail_loss_probe => {
            tcb.timers.clear(Timer::Recovery);
        }
        Some(at) => tcb.timers.set(Timer::Recovery, at),
        None => tcb.timers.clear(Timer::Recovery),
    }
    if blocked != Why::Cork {
        tcb.timers.clear(Timer::Cork);
    } else if !tcb.timers.is_set(Timer::Cork) {
        tcb.timers.set(Timer::Cork, cx.now + cx.config.cork);
    }
}

/// RFC 9293 §3.8.6.1 (SHLD-29, SHLD-30): the first probe after an RTO, then at intervals that
/// grow exponentially.
fn probe_interval(tcb: &Tcb, most: Duration) -> Duration {
    tcb.rtt.rto().saturating_mul(1 << tcb.probe_backoff.min(16)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: View = View {
        unsent: 5000,
        fin: false,
        mss: 1000,
        usable: 10_000,
        max_window: 10_000,
        room: 10_000,
        small_in_flight: false,
        no_delay: false,
        hold: false,
        overridden: false,
        push: false,
    };

    const fn send(len: usize) -> Verdict {
        Verdict::Send { len, fin: false }
    }

    #[test]
    fn full_segments_go_as_far_as_both_windows_let_them() {
        assert_eq!(decide(&FULL), send(5000));
        assert_eq!(decide(&View { room: 2500, ..FULL }), send(2000));
        assert_eq!(decide(&View { room: 999, ..FULL }), Verdict::Wait(Why::Congestion));
        assert_eq!(decide(&View { usable: 3500, ..FULL }), send(3000));
        assert_eq!(decide(&View { usable: 0, ..FULL }), Verdict::Wait(Why::Window));
    }

    /// RFC 9293 §3.8.6.2.1: the sender's silly window avoidance.
    #[test]
    fn a_small_window_is_not_used_unless_it_is_half_of_the_largest() {
        assert_eq!(decide(&View { usable: 300, ..FULL }), Verdict::Wait(Why::Window));
        assert_eq!(decide(&View { usable: 300, max_window: 600, ..FULL }), send(300));
        assert_eq!(decide(&View { usable: 300, overridden: true, ..FULL }), send(300));
    }

    /// RFC 9293 §3.7.4 (Nagle), in Minshall's form: only a small segment holds back another.
    #[test]
    fn nagle_cork_and_what_overrules_them() {
        let small = View { unsent: 10, small_in_flight: true, ..FULL };
        assert_eq!(decide(&small), Verdict::Wait(Why::Nagle));
        assert_eq!(decide(&View { small_in_flight: false, ..small }), send(10));
        assert_eq!(decide(&View { no_delay: true, ..small }), send(10));
        let with_fin = Verdict::Send { len: 10, fin: true };
        assert_eq!(decide(&View { fin: true, ..small }), with_fin);
        let corked = View { hold: true, no_delay: true, ..small };
        assert_eq!(decide(&corked), Verdict::Wait(Why::Cork));
        assert_eq!(decide(&View { overridden: true, ..corked }), send(10));
    }

    #[test]
    fn a_fin_needs_a_window_too() {
        let fin = View { unsent: 0, fin: true, ..FULL };
        assert_eq!(decide(&fin), Verdict::Send { len: 0, fin: true });
        assert_eq!(decide(&View { usable: 0, ..fin }), Verdict::Wait(Why::Window));
        let exact = View { unsent: 1000, usable: 1000, fin: true, ..FULL };
        assert_eq!(decide(&exact), send(1000));
    }
}
