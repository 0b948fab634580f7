//! SEGMENT ARRIVES (RFC 9293 §3.10.7): lay it beside the RFC.
//!
//! | RFC 9293 | here |
//! |---|---|
//! | §3.10.7.1 CLOSED | [`crate::transmit::stray_reset`] |
//! | §3.10.7.2 LISTEN | [`crate::listen`] |
//! | §3.10.7.3 SYN-SENT | [`syn_sent`] |
//! | §3.10.7.4 first to eighth | [`first_check_sequence`] to [`eighth_check_fin`], one function a step |
//! | §3.10.7.4 TIME-WAIT | [`crate::time_wait`], where connections in that state live |
//!
//! A step returns `Err` where the RFC says "drop the segment and return".

use netdev::{Instant, Segmentation};

use crate::ack::Due;
use crate::ecn;
use crate::receive::Placed;
use crate::segment::{Flags, Segment};
use crate::stats::Event;
use crate::tcb::{Context, Signals, Tcb};
use crate::timers::Timer;
use crate::{DropReason, SeqNum, State, sack, transmit, urgent};
use ip::{Datagram, SocketError};

mod acknowledge;
mod syn_sent;

pub(crate) use syn_sent::learn_options;

/// A segment as it is worked on: "trimming off any portions that lie outside the window".
pub(crate) struct Arrival<'a> {
    /// As it came.
    pub(crate) segment: Segment,
    /// SEG.SEQ of what is left.
    pub(crate) seq: SeqNum,
    /// The text that is left.
    pub(crate) text: &'a [u8],
    /// Whether the FIN is left.
    pub(crate) fin: bool,
    /// Bytes of text in each of the segments that it stands for.
    pub(crate) size: u32,
    /// A router marked it (RFC 3168 §5).
    pub(crate) marked: bool,
    /// The service class under which it came.
    pub(crate) tos: ip::Tos,
}

impl<'a> Arrival<'a> {
    /// A segment that came with its text in `datagram`.
    pub(crate) fn of(segment: Segment, datagram: &'a Datagram) -> Arrival<'a> {
        let size = match datagram.payload.segmentation() {
            Segmentation::Tcp4 { size } if size > 0 => u32::from(size),
            _ => segment.len as u32,
        };
        let (seq, fin) = (segment.seq, segment.flags.contains(Flags::FIN));
        let tos = datagram.header.tos;
        let marked = tos.ecn() == ip::Ecn::Ce;
        Arrival { segment, seq, text: &datagram.payload, fin, size, marked, tos }
    }

    fn has(&self, flag: Flags) -> bool {
        self.segment.flags.contains(flag)
    }

    /// The text is taken off, and what follows it.
    fn without_text(&mut self) {
        (self.text, self.fin) = (&[], false);
    }
}

/// What a step says.
type Step = Result<(), DropReason>;

/// A segment arrives for a connection.
pub(crate) fn segment_arrives(
    tcb: &mut Tcb,
    cx: &mut Context<'_>,
    mut arrival: Arrival<'_>,
) -> Step {
    tcb.totals.segs_in = tcb.totals.segs_in.wrapping_add(1);
    tcb.signals |= Signals::OUTPUT;
    match tcb.state {
        // A connection that is over has left the table of four-tuples.
        State::Closed | State::Listen | State::TimeWait => Err(DropReason::NoConnection),
        State::SynSent => syn_sent::segment_arrives(tcb, cx, &mut arrival),
        _ => {
            deferred_has_room(tcb, cx, &arrival)?;
            first_check_sequence(tcb, cx, &mut arrival)?;
            second_check_rst(tcb, cx, &arrival)?;
            // Third, check security: there is none (RFC 9293, Appendix A.1).
            fourth_check_syn(tcb, cx, &arrival)?;
            fifth_check_ack(tcb, cx, &arrival)?;
            // RFC 9293 §3.9.1.9 (MAY-9).
            tcb.totals.received_tos = arrival.tos;
            sixth_check_urg(tcb, &arrival);
            seventh_process_text(tcb, cx, &arrival)?;
            eighth_check_fin(tcb, cx, &arrival);
            if is_deferred(tcb) && (tcb.rcv.position > 0 || tcb.rcv.closed) {
                to_the_listener(tcb);
            }
            Ok(())
        }
    }
}

/// First, check sequence number.
fn first_check_sequence(tcb: &mut Tcb, cx: &mut Context<'_>, arrival: &mut Arrival<'_>) -> Step {
    if tcb.state == State::SynReceived && arrival.has(Flags::SYN) && arrival.seq == tcb.rcv.irs {
        if !arrival.has(Flags::ACK) {
            // The SYN that is known: its answer was lost.
            if !arrival.has(Flags::ECE | Flags::CWR) {
                // RFC 3168 §6.1.1.1: it asks no more.
                tcb.ecn.withdraw();
            }
            let scaled = tcb.rcv.scale > 0 || tcb.snd.scale > 0;
            transmit::syn_ack(tcb, cx, scaled);
            return Err(DropReason::UnexpectedSyn);
        }
        // Simultaneous open (figure 8): the part of the segment that is old is the SYN.
        arrival.seq += 1;
        tcb.ecn.negotiate(tcb.settings.ecn, &arrival.segment, tcb.snd.iss + 1);
        arrival.segment.flags.remove(Flags::SYN);
        // RFC 7323 §2.2: its window is not scaled, as that of what is left of it would be.
        arrival.segment.window >>= tcb.snd.scale;
    }
    if tcb.timestamps.is_some_and(|clock| clock.is_old(cx.now, &arrival.segment)) {
        // RFC 7323 §5.3 (R1).
        acknowledge_unacceptable(tcb, cx, arrival);
        return Err(DropReason::Paws);
    }
    let (nxt, window) = (tcb.rcv.nxt, tcb.rcv.window());
    let edge = nxt + window;
    let len = match arrival.has(Flags::RST) {
        // What text a reset has is words for a person (§3.5.3), and takes no room.
        true => 0,
        false => {
            arrival.text.len() as u32 + u32::from(arrival.fin) + u32::from(arrival.has(Flags::SYN))
        }
    };
    let acceptable = match (len, window) {
        // Appendix A.2: a sender whose data fills the window acknowledges from its right edge.
        (0, _) => arrival.seq.ge(nxt) && arrival.seq.le(edge),
        (_, 0) => false,
        (len, _) => arrival.seq.within(nxt, edge) || (arrival.seq + (len - 1)).within(nxt, edge),
    };
    if !acceptable {
        if arrival.has(Flags::RST) {
            return Err(DropReason::StrayReset);
        }
        if window == 0 && arrival.seq == nxt && !arrival.has(Flags::SYN) {
            // "If the RCV.WND is zero, […] special allowance should be made to accept valid ACKs".
            // A FIN takes no buffer, so it is let in as well where nothing comes before it.
            tcb.ack.at_once();
            if !arrival.text.is_empty() {
                arrival.without_text();
            }
            return Ok(());
        }
        if window == 0 && arrival.segment.seq_len() == 0 && arrival.seq == nxt + 1 {
            // The same for a peer that counts the byte of its window probe as sent.
            return Ok(());
        }
        acknowledge_unacceptable(tcb, cx, arrival);
        return Err(match arrival.has(Flags::SYN) {
            true => DropReason::UnexpectedSyn,
            false => DropReason::OutOfWindow,
        });
    }
    if arrival.seq.lt(nxt) {
        let old = (nxt - arrival.seq) as usize;
        let known = old.min(arrival.text.len()) as u32;
        tcb.sack.duplicated(arrival.seq, arrival.seq + known);
        arrival.text = arrival.text.get(old..).unwrap_or_default();
        arrival.seq = nxt;
        // A retransmission: our acknowledgment was lost, or late.
        tcb.ack.at_once();
    }
    let room = (edge - arrival.seq) as usize;
    if arrival.text.len() > room {
        arrival.text = &arrival.text[..room];
        arrival.fin = false;
        tcb.ack.at_once();
    }
    Ok(())
}

/// "An acknowledgment should be sent in reply", but two ends that both do it for ever must not be
/// made to (RFC 5961 §7): what carries nothing is answered within limits. A probe always is.
fn acknowledge_unacceptable(tcb: &mut Tcb, cx: &mut Context<'_>, arrival: &Arrival<'_>) {
    if !arrival.text.is_empty() && arrival.segment.seq.lt(tcb.rcv.nxt) {
        // RFC 2883 §4.1.1.
        tcb.sack.duplicated(arrival.segment.seq, arrival.segment.end().min(tcb.rcv.nxt));
    }
    let probe = arrival.segment.seq == tcb.rcv.nxt - 1;
    if arrival.has(Flags::SYN) || (arrival.segment.seq_len() == 0 && !probe) {
        transmit::challenge_ack(tcb, cx);
    } else {
        transmit::ack(tcb, cx);
    }
}

/// Second, check the RST bit (with RFC 5961 §3).
fn second_check_rst(tcb: &mut Tcb, cx: &mut Context<'_>, arrival: &Arrival<'_>) -> Step {
    if !arrival.has(Flags::RST) {
        return Ok(());
    }
    if arrival.segment.seq != tcb.rcv.nxt {
        transmit::challenge_ack(tcb, cx);
        return Err(DropReason::StrayReset);
    }
    cx.events.add(Event::ResetsIn);
    match tcb.state {
        // "return this connection to LISTEN state […] The user need not be informed."
        State::SynReceived if tcb.listener.is_some() => tcb.end(None, "reset"),
        State::SynReceived => tcb.end(Some(SocketError::Refused), "reset"),
        State::Closing | State::LastAck => tcb.end(None, "reset"),
        State::CloseWait => tcb.end(Some(SocketError::BrokenPipe), "reset"),
        _ => tcb.end(Some(SocketError::Reset), "reset"),
    }
    Err(DropReason::StrayReset)
}

/// Fourth, check the SYN bit (with RFC 5961 §4).
fn fourth_check_syn(tcb: &mut Tcb, cx: &mut Context<'_>, arrival: &Arrival<'_>) -> Step {
    if !arrival.has(Flags::SYN) {
        return Ok(());
    }
    if tcb.state == State::SynReceived && tcb.listener.is_some() {
        tcb.end(None, "another SYN");
    } else {
        transmit::challenge_ack(tcb, cx);
    }
    Err(DropReason::UnexpectedSyn)
}

/// Fifth, check the ACK field.
fn fifth_check_ack(tcb: &mut Tcb, cx: &mut Context<'_>, arrival: &Arrival<'_>) -> Step {
    if !arrival.has(Flags::ACK) {
        return Err(DropReason::NoAck);
    }
    let ack = arrival.segment.ack;
    if tcb.state == State::SynReceived {
        if !(ack.gt(tcb.snd.una) && ack.le(tcb.snd.nxt)) {
            acknowledge::reset_for(tcb, cx, &arrival.segment);
            return Err(DropReason::UnacceptableAck);
        }
        if tcb.listener.is_some() && !cx.room_to_accept {
            // The SYN-ACK is sent again later, and with the answer to that there may be room.
            return Err(DropReason::AcceptQueue);
        }
        tcb.snd.una = tcb.snd.iss + 1;
        // Scaled: only the window of a SYN is not (RFC 7323 §2.2).
        let window = tcb.scaled(arrival.segment.window);
        establish(tcb, cx, &arrival.segment, window);
    }
    // RFC 5961 §5: (SND.UNA - MAX.SND.WND) =< SEG.ACK =< SND.NXT.
    if ack.gt(tcb.snd.nxt) || ack.lt(tcb.snd.una - tcb.snd.max_wnd) {
        transmit::challenge_ack(tcb, cx);
        return Err(DropReason::UnacceptableAck);
    }
    // RFC 7323 §4.3 (2) asks for an acceptable segment. Not before the acknowledgment is known to
    // fit as well: else one forged segment with a timestamp from the future would make PAWS drop
    // all that follow.
    if let Some(clock) = &mut tcb.timestamps {
        clock.take(cx.now, &arrival.segment);
    }
    acknowledge::process(tcb, cx, arrival);
    match tcb.state {
        State::FinWait1 if tcb.fin_acked() => {
            tcb.enter(State::FinWait2, "FIN acknowledged");
            start_fin_wait2_timer(tcb, cx.now);
        }
        State::Closing if tcb.fin_acked() => tcb.enter(State::TimeWait, "FIN acknowledged"),
        State::LastAck if tcb.fin_acked() => tcb.end(None, "FIN acknowledged"),
        _ => {}
    }
    Ok(())
}

/// Sixth, check the URG bit: "RCV.UP <- max(RCV.UP,SEG.UP), and signal the user".
fn sixth_check_urg(tcb: &mut Tcb, arrival: &Arrival<'_>) {
    if !arrival.has(Flags::URG) || !tcb.may_receive() {
        return;
    }
    let up = arrival.segment.seq + u32::from(arrival.segment.urgent);
    if up.gt(tcb.rcv.nxt) {
        let (place, inline) = (tcb.rcv.place(up), tcb.settings.oob_inline);
        if urgent::arrived(&mut tcb.rcv, inline, place) {
            tcb.signals |= Signals::READY;
        }
    }
}

/// Seventh, process the segment text.
fn seventh_process_text(tcb: &mut Tcb, cx: &mut Context<'_>, arrival: &Arrival<'_>) -> Step {
    if arrival.text.is_empty()
        || !matches!(tcb.state, State::Established | State::FinWait1 | State::FinWait2)
    {
        return Ok(());
    }
    let both_shut = tcb.rcv.shut && tcb.state != State::Established;
    if tcb.is_orphan() || both_shut {
        // RFC 9293 §3.6.1, RFC 2525 §2.17: data that nobody will read must not seem delivered.
        // There is no socket any more, so the reset is that of §3.10.7.1, as Linux has it; after a
        // shutdown of both directions it is the same to the peer.
        acknowledge::reset_for(tcb, cx, &arrival.segment);
        let error = both_shut.then_some(SocketError::Reset);
        tcb.end(error, "data after close");
        return Err(DropReason::AfterClose);
    }
    let len = arrival.text.len() as u32;
    tcb.tuning.arrived(cx.now, tcb.timestamps.as_ref(), &arrival.segment, &tcb.rcv);
    tcb.rcv.mss = tcb.rcv.mss.max(arrival.size.min(u32::from(tcb.snd.advmss)));
    let segments = len.div_ceil(arrival.size.max(1));
    tcb.totals.data_segs_in = tcb.totals.data_segs_in.wrapping_add(segments);
    tcb.totals.last_data_received = cx.now;
    if let Some((left, right)) = sack::already_there(&tcb.rcv, arrival.seq, len) {
        tcb.sack.duplicated(left, right);
    }
    ecn::text_arrives(tcb, cx, arrival.segment.flags, arrival.marked, segments);
    match tcb.rcv.text(arrival.seq, arrival.text, cx.exhausted) {
        Placed::InOrder => {
            tcb.ack.in_order(cx.now, len, tcb.rcv.mss, tcb.rtt.rto());
            tcb.signals |= Signals::READY;
        }
        Placed::FilledGap => {
            tcb.ack.at_once();
            tcb.signals |= Signals::READY;
        }
        Placed::OutOfOrder => {
            cx.events.add(Event::OutOfOrder);
            tcb.totals.out_of_order += 1;
            tcb.ack.quick_phase();
            tcb.sack.received(arrival.seq, &tcb.rcv);
            // RFC 5681 §4.2: a duplicate ACK at once, for each segment, not for the batch: three
            // of them make the peer send what is missing. A block says it in one.
            let segments = if tcb.sack.in_use { 1 } else { len.div_ceil(arrival.size.max(1)) };
            for _ in 0..segments.min(3) {
                transmit::ack(tcb, cx);
            }
        }
        Placed::NoRoom => {
            transmit::ack(tcb, cx);
            return Err(DropReason::Memory);
        }
    }
    Ok(())
}

/// Eighth, check the FIN bit.
fn eighth_check_fin(tcb: &mut Tcb, cx: &mut Context<'_>, arrival: &Arrival<'_>) {
    if !tcb.may_receive() || tcb.state == State::SynReceived {
        return;
    }
    if arrival.fin {
        let end = arrival.seq + arrival.text.len() as u32;
        // What lies before RCV.NXT by now is where it belongs.
        tcb.rcv.fin = Some(if end.le(tcb.rcv.nxt) { tcb.rcv.nxt } else { end });
    }
    // A FIN ahead of a gap waits as the text before it does, and brings a duplicate ACK as text
    // would (RFC 5681 §4.2).
    if tcb.rcv.fin != Some(tcb.rcv.nxt) {
        if arrival.fin && arrival.text.is_empty() {
            transmit::ack(tcb, cx);
        }
        return;
    }
    tcb.rcv.nxt += 1;
    tcb.rcv.closed = true;
    tcb.ack.at_once();
    tcb.signals |= Signals::READY;
    match tcb.state {
        State::Established => tcb.enter(State::CloseWait, "FIN received"),
        // Had it been acknowledged, the fifth step would have gone to FIN-WAIT-2.
        State::FinWait1 => tcb.enter(State::Closing, "FIN received"),
        State::FinWait2 => tcb.enter(State::TimeWait, "FIN received"),
        _ => {}
    }
    if tcb.state == State::TimeWait && tcb.ack.due() != Due::No {
        transmit::ack(tcb, cx);
    }
}

/// The handshake is over: ESTABLISHED, or FIN-WAIT-1 where the user has closed already.
pub(crate) fn establish(tcb: &mut Tcb, cx: &mut Context<'_>, segment: &Segment, window: u32) {
    let snd = &mut tcb.snd;
    (snd.wnd, snd.wl1, snd.wl2) = (window, segment.seq, segment.ack);
    snd.max_wnd = window;
    if tcb.by_cookie {
        // The RTO stays the initial one until there is a sample.
    } else if tcb.retries == 0 {
        let rtt = cx.now.since(tcb.totals.progress);
        tcb.rtt.sample(rtt);
        tcb.min_rtt.sample(cx.now, rtt);
    } else {
        // RFC 6298 (5.7).
        tcb.rtt.restart(cx.config.rto_initial * 3);
    }
    // RFC 6928 §2: one segment where the SYN was lost more than once.
    let initial = if tcb.retries > 1 { 1 } else { cx.config.initial_window };
    tcb.congestion.start(tcb.snd.mss, initial.saturating_mul(tcb.snd.mss));
    tcb.retries = 0;
    tcb.totals.progress = cx.now;
    tcb.totals.last_ack_received = cx.now;
    // Linux counts from here, where no data came yet.
    tcb.totals.last_data_received = cx.now;
    tcb.timers.clear(Timer::Retransmit);
    let queued = tcb.rcv.position;
    tcb.rcv.drain();
    if tcb.rcv.position > queued {
        tcb.ack.at_once();
    }
    if tcb.snd.fin_queued {
        tcb.enter(State::FinWait1, "handshake, closed before");
    } else {
        tcb.enter(State::Established, "handshake");
    }
    if let Some(keep_alive) = tcb.settings.keep_alive {
        tcb.timers.set(Timer::KeepAlive, cx.now + keep_alive.idle);
    }
    tcb.was_established = true;
    match tcb.settings.defer_accept {
        Some(time) if tcb.listener.is_some() => {
            tcb.timers.set(Timer::Unowned, cx.now + time);
        }
        _ => to_the_listener(tcb),
    }
    cx.out.confirm(cx.now, tcb.tuple.peer().ip());
}

/// A connection that came from a listener can be accepted.
fn to_the_listener(tcb: &mut Tcb) {
    tcb.timers.clear(Timer::Unowned);
    if tcb.listener.is_some() {
        tcb.signals |= Signals::ESTABLISHED;
    }
}

/// TCP_DEFER_ACCEPT: the time is over, and no data came.
pub(crate) fn waited_for_data(tcb: &mut Tcb, cx: &Context<'_>) {
    if cx.room_to_accept {
        to_the_listener(tcb);
    } else {
        tcb.timers.set(Timer::Unowned, cx.now + cx.config.rto_initial);
    }
}

/// The data that a deferred connection waits for brings it into the accept queue, if that has
/// room; else it is sent again.
fn deferred_has_room(tcb: &Tcb, cx: &Context<'_>, arrival: &Arrival<'_>) -> Step {
    let brings = !arrival.text.is_empty() || arrival.fin;
    if brings && is_deferred(tcb) && !cx.room_to_accept {
        return Err(DropReason::AcceptQueue);
    }
    Ok(())
}

/// Established, and kept from the listener until there is data.
fn is_deferred(tcb: &Tcb) -> bool {
    tcb.listener.is_some() && tcb.timers.is_set(Timer::Unowned)
}

/// FIN-WAIT-2 ends by itself only where no socket is left that could read.
pub(crate) fn start_fin_wait2_timer(tcb: &mut Tcb, now: Instant) {
    if tcb.is_orphan() && tcb.state == State::FinWait2 {
        tcb.timers.set(Timer::Unowned, now + tcb.settings.fin_wait2_timeout);
    }
}

#[cfg(test)]
mod tests {
    use ip::{Header, IfIndex, Protocol};
    use netdev::{Cast, Packet};

    use super::*;

    /// What a device put together counts as the segments that came.
    #[test]
    fn segments_that_were_put_together_have_the_size_that_each_had() {
        let size_of = |segmentation| {
            let mut payload = Packet::from_payload(&[7; 3000]);
            payload.set_segmentation(segmentation);
            let addr: std::net::IpAddr = [10, 0, 0, 1].into();
            let header = Header::new(addr, addr, Protocol::TCP);
            let (iface, cast) = (IfIndex(1), Cast::Unicast);
            let datagram = Datagram { header, iface, cast, header_len: 20, payload };
            let segment = Segment::new(1, 2, SeqNum(0), SeqNum(0), Flags::ACK);
            Arrival::of(Segment { len: 3000, ..segment }, &datagram).size
        };
        assert_eq!(size_of(Segmentation::Tcp4 { size: 1000 }), 1000);
        assert_eq!(size_of(Segmentation::Tcp4 { size: 0 }), 3000);
        assert_eq!(size_of(Segmentation::None), 3000);
    }
}
