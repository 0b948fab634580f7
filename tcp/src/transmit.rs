//! Segments on their way to IP: each kind that is ever sent has its function here.

use ip::{Datagram, Header, Output, Protocol};
use netdev::{Instant, Packet, Segmentation};
use tracing::trace;

use crate::options::{MAX_LEN, Options, Timestamps};
use crate::receive::ReceiveSpace;
use crate::segment::{Flags, Segment};
use crate::stats::Event;
use crate::table::Tuple;
use crate::tcb::{Context, Tcb, header_len};
use crate::time_wait::Remains;
use crate::timestamps::Clock;
use crate::{SeqNum, timestamps, urgent};

/// `<SEQ=ISS><CTL=SYN>`, with everything that is offered.
pub(crate) fn syn(tcb: &mut Tcb, cx: &mut Context<'_>) {
    let ecn = tcb.ecn.on_syn(tcb.settings.ecn, tcb.retries > 0);
    let mut segment = blank(tcb, tcb.snd.iss, Flags::SYN | ecn);
    segment.ack = SeqNum(0);
    segment.options = Options {
        mss: Some(tcb.snd.advmss),
        sack_permitted: tcb.sack.in_use,
        window_scale: cx.config.window_scaling.then_some(tcb.rcv.scale),
        timestamps: tcb.timestamps.map(|clock| Timestamps { value: clock.value(cx.now), echo: 0 }),
        ..Options::default()
    };
    segment.window = tcb.rcv.offer_on_syn();
    give(tcb, cx, segment, Packet::with_capacity(0));
}

/// `<SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>`, with what both sides want.
pub(crate) fn syn_ack(tcb: &mut Tcb, cx: &mut Context<'_>, scaled: bool) {
    let mut segment = blank(tcb, tcb.snd.iss, Flags::SYN | Flags::ACK | tcb.ecn.on_syn_ack());
    segment.options = Options {
        mss: Some(tcb.snd.advmss),
        sack_permitted: tcb.sack.in_use,
        window_scale: scaled.then_some(tcb.rcv.scale),
        timestamps: timestamps(tcb, cx.now),
        ..Options::default()
    };
    segment.window = tcb.rcv.offer_on_syn();
    acknowledged(tcb);
    give(tcb, cx, segment, Packet::with_capacity(0));
}

/// `<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>`.
pub(crate) fn ack(tcb: &mut Tcb, cx: &mut Context<'_>) {
    let segment = blank(tcb, acceptable_seq(tcb), Flags::ACK);
    with_window(tcb, cx, segment, Packet::with_capacity(0), 0);
}

/// An acknowledgment that an attacker can provoke: no more of them than the limits allow
/// (RFC 5961 §7).
pub(crate) fn challenge_ack(tcb: &mut Tcb, cx: &mut Context<'_>) {
    if cx.challenges.allow(cx.now, &mut tcb.challenge) {
        cx.events.add(Event::ChallengeAcks);
        ack(tcb, cx);
    } else {
        cx.events.add(Event::ChallengesLimited);
    }
}

/// A segment that the peer has to answer, since it lies before its window: the probe of a zero
/// window and of an idle connection (RFC 9293 §3.8.4, `SEG.SEQ = SND.NXT-1`).
pub(crate) fn probe(tcb: &mut Tcb, cx: &mut Context<'_>) {
    let segment = blank(tcb, tcb.snd.una - 1, Flags::ACK);
    with_window(tcb, cx, segment, Packet::with_capacity(0), 0);
}

/// `<SEQ=SND.NXT><ACK=RCV.NXT><CTL=RST,ACK>`: this side ends the connection.
pub(crate) fn reset(tcb: &mut Tcb, cx: &mut Context<'_>) {
    cx.events.add(Event::ResetsOut);
    let mut segment = blank(tcb, acceptable_seq(tcb), Flags::RST | Flags::ACK);
    segment.options.timestamps = timestamps(tcb, cx.now);
    give(tcb, cx, segment, Packet::with_capacity(0));
}

/// Data from `seq` on, sent for the first time or again, with a FIN after it or not. With
/// `segmented` it stands for as many full segments as it has room for.
pub(crate) fn data(
    tcb: &mut Tcb,
    cx: &mut Context<'_>,
    seq: SeqNum,
    len: usize,
    fin: bool,
    segmented: bool,
) {
    let mut flags = Flags::ACK;
    flags.set(Flags::FIN, fin);
    // RFC 9293 §3.9.1.2: on the last segment that the user's data gives, or a record of it.
    let end = seq + len as u32;
    let ends = end == tcb.snd.buffer.end() || tcb.snd.buffer.records.ends_at(end);
    flags.set(Flags::PSH, len > 0 && ends);
    // Who fills in the checksum of a segment has to look at all of it, and may as well copy it.
    let unseen = segmented && cx.route(&tcb.tuple).is_ok_and(|route| route.offload.checksum);
    let mut packet = Packet::with_capacity(if unseen { 0 } else { len });
    match unseen {
        true => tcb.snd.buffer.share(seq, len, &mut packet),
        false => tcb.snd.buffer.copy(seq, len, &mut packet),
    }
    let full = segment_size(tcb);
    if segmented {
        packet.set_segmentation(Segmentation::Tcp4 { size: full as u16 });
    }
    let mut segment = blank(tcb, seq, flags);
    segment.len = len;
    if len > 0 {
        let segments = if segmented { (len as u32).div_ceil(full) } else { 1 };
        tcb.totals.data_segs_out = tcb.totals.data_segs_out.wrapping_add(segments);
        tcb.totals.segs_out = tcb.totals.segs_out.wrapping_add(segments - 1);
        tcb.totals.bytes_sent += len as u64;
        tcb.totals.last_data_sent = cx.now;
    }
    with_window(tcb, cx, segment, packet, if segmented { full as usize } else { len });
}

/// The reset that answers a segment which belongs to no connection; nothing for a reset.
pub(crate) fn stray_reset(
    now: Instant,
    out: &mut dyn Output,
    datagram: &Datagram,
    segment: &Segment,
) -> bool {
    let Some(reset) = segment.reset() else { return false };
    let (src, dst) = (datagram.header.dst, datagram.header.src);
    hand_over(now, out, &Header::new(src, dst, Protocol::TCP), &reset, Packet::with_capacity(0))
}

/// The acknowledgment of a connection in TIME-WAIT.
pub(crate) fn time_wait_ack(now: Instant, out: &mut dyn Output, tuple: &Tuple, of: &Remains) {
    let (local, peer) = (tuple.local(), tuple.peer());
    let mut segment = Segment::new(local.port(), peer.port(), of.snd_nxt, of.rcv_nxt, Flags::ACK);
    segment.window = of.window;
    segment.options.timestamps = of.timestamps.map(|(recent, offset)| Timestamps {
        value: offset.wrapping_add(now.millis() as u32),
        echo: recent,
    });
    let header =
        Header { ttl: of.ttl, tos: of.tos, ..Header::new(local.ip(), peer.ip(), Protocol::TCP) };
    // An acknowledgment that is lost here is asked for again.
    let _ = hand_over(now, out, &header, &segment, Packet::with_capacity(0));
}

/// Hands a segment to IP, as the route wants it: whether IP took it.
pub(crate) fn hand_over(
    now: Instant,
    out: &mut dyn Output,
    header: &Header,
    segment: &Segment,
    data: Packet,
) -> bool {
    let (src, dst) = (header.src, header.dst);
    trace!(%src, %dst, ?segment, "out");
    let partial = out.route(now, dst, Some(src)).is_ok_and(|route| route.offload.checksum);
    out.send(now, header, segment.emit(data, src, dst, partial)).is_ok()
}

/// The MSS to name to the peer (RFC 6691: without options), and the path MTU, by the route.
pub(crate) fn learn_path(tcb: &mut Tcb, cx: &mut Context<'_>) -> Result<(), ip::Cause> {
    let route = cx.route(&tcb.tuple)?;
    tcb.snd.pmtu = route.mtu as u32;
    let path = route.mtu.saturating_sub(header_len(&tcb.tuple)).min(65_495) as u16;
    let user = tcb.settings.max_segment.unwrap_or(u16::MAX);
    tcb.snd.advmss = path.min(user).max(cx.config.min_mss);
    tcb.update_mss(cx.config);
    Ok(())
}

/// Sets what a first SYN offers.
pub(crate) fn offer(tcb: &mut Tcb, cx: &mut Context<'_>, timestamp_offset: u32) {
    if cx.config.window_scaling {
        tcb.rcv.scale = ReceiveSpace::offered_scale(cx.config, tcb.rcv.limit);
    }
    tcb.sack.in_use = cx.config.sack;
    if cx.config.timestamps {
        tcb.timestamps = Some(Clock {
            offset: timestamp_offset,
            recent: 0,
            recent_at: timestamps::second(cx.now),
            last_ack_sent: SeqNum(0),
        });
    }
}

/// SND.NXT, unless the peer took back so much of its window (RFC 9293 §3.8.6, MUST-34) that it
/// would not take a segment from there: then the edge of what it still takes.
fn acceptable_seq(tcb: &Tcb) -> SeqNum {
    let snd = &tcb.snd;
    let edge = snd.una + snd.wnd;
    // A peer that scales its window rounds it down.
    let rounding = (1 << snd.scale) - 1;
    if snd.nxt.gt(edge + rounding) { edge } else { snd.nxt }
}

fn blank(tcb: &Tcb, seq: SeqNum, flags: Flags) -> Segment {
    let (local, peer) = (tcb.tuple.local(), tcb.tuple.peer());
    Segment::new(local.port(), peer.port(), seq, tcb.rcv.nxt, flags)
}

fn timestamps(tcb: &Tcb, now: Instant) -> Option<Timestamps> {
    tcb.timestamps.map(|clock| clock.option(now))
}

/// How much new data is in a full segment now: Eff.snd.MSS (RFC 9293 §3.7.1), less the blocks that
/// RFC 2018 §4 wants in every acknowledgment while there is a gap. At least half of it is data.
pub(crate) fn segment_size(tcb: &Tcb) -> u32 {
    let room = (MAX_LEN - tcb.option_len() as usize).min(tcb.snd.mss as usize / 2);
    tcb.snd.mss - tcb.sack.option_len(&tcb.rcv, room) as u32
}

/// Completes an acknowledgment, with `data` bytes in each segment that it will be on the wire.
fn with_window(
    tcb: &mut Tcb,
    cx: &mut Context<'_>,
    mut segment: Segment,
    packet: Packet,
    data: usize,
) {
    segment.window = tcb.rcv.offer(cx.pressure);
    segment.options.timestamps = timestamps(tcb, cx.now);
    let room = MAX_LEN - segment.options.wire_len();
    let spare = (tcb.snd.mss as usize).saturating_sub(data);
    let room = if data > 0 { room.min(spare) } else { room };
    tcb.sack.fill(&mut segment.options, &tcb.rcv, room, cx.config.dsack);
    urgent::announce(&tcb.snd, &mut segment);
    acknowledged(tcb);
    give(tcb, cx, segment, packet);
}

/// Whatever is sent with an acknowledgment makes one of its own needless.
fn acknowledged(tcb: &mut Tcb) {
    tcb.ack.sent();
    tcb.timers.clear(crate::timers::Timer::DelayedAck);
    if let Some(clock) = &mut tcb.timestamps {
        clock.last_ack_sent = tcb.rcv.nxt;
    }
}

fn give(tcb: &mut Tcb, cx: &mut Context<'_>, mut segment: Segment, packet: Packet) {
    let (src, dst) = (tcb.tuple.local().ip(), tcb.tuple.peer().ip());
    tcb.totals.segs_out = tcb.totals.segs_out.wrapping_add(1);
    cx.events.add(Event::SegmentsOut);
    let Ok(route) = cx.route(&tcb.tuple) else {
        // As good as lost on the way; a timer sends it again.
        cx.events.add(Event::NotSent);
        return;
    };
    let ecn = tcb.ecn.outgoing(&mut segment);
    trace!(%src, %dst, ?segment, "out");
    let packet = segment.emit(packet, src, dst, route.offload.checksum);
    let header = Header {
        ttl: tcb.settings.ttl,
        tos: tcb.settings.tos.with_ecn(ecn),
        dont_fragment: tcb.settings.mtu_discover && tcb.snd.pmtu >= cx.config.min_path_mtu,
        ..Header::new(src, dst, Protocol::TCP)
    };
    if cx.out.send(cx.now, &header, packet).is_err() {
        cx.events.add(Event::NotSent);
    }
}
