//! What an ICMP error means to a connection (RFC 1122 §4.2.3.9, RFC 5927, RFC 1191).

use ip::{Cause, Quoted, SocketError};
use tracing::debug;

use crate::output::output;
use crate::stats::Event;
use crate::table::Tuple;
use crate::tcb::{Context, Signals, Tcb};
use crate::{Notice, SeqNum, State};

/// MTUs of common links, for a router that does not say which it is (RFC 1191 §7.1).
pub(crate) const PLATEAUS: [u32; 10] = [32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68];

/// Which connection sent the quoted segment, and its SEG.SEQ: an error has the first eight bytes of
/// the header at least (RFC 792).
pub(crate) fn quoted_segment(quoted: &Quoted) -> Option<(Tuple, SeqNum)> {
    let (src_port, dst_port) = quoted.ports()?;
    let seq = quoted.payload.get(4..8)?.try_into().ok()?;
    let (local, peer) = ((quoted.src, src_port).into(), (quoted.dst, dst_port).into());
    Some((Tuple::new(local, peer), SeqNum(u32::from_be_bytes(seq))))
}

/// The quoted segment is one of ours, in flight, and was `total_len` bytes long with its IP
/// header.
pub(crate) fn error(tcb: &mut Tcb, cx: &mut Context<'_>, cause: Cause, total_len: u16) {
    debug!(conn = %tcb.tuple, %cause, state = %tcb.state, "ICMP error");
    match cause {
        Cause::FragmentationNeeded { mtu } => too_long(tcb, cx, mtu.into(), total_len.into()),
        // RFC 6633; and a redirect is IP's business.
        Cause::SourceQuench | Cause::Redirect { .. } => {}
        _ => unreachable(tcb, cause.into()),
    }
    if tcb.settings.receive_errors {
        let notice = Notice::Error { error: cause.into(), cause };
        let taken = tcb.notices.get_or_insert_default().push(notice);
        cx.events.add_many(Event::NoticesDropped, u64::from(!taken));
        tcb.signals |= Signals::READY;
    }
}

/// RFC 1122 §4.2.3.9 has hard errors end a connection; RFC 5927 §5.2 has them end none that is
/// synchronized, since anybody can forge them: it goes on, and the error is told where it fails
/// after all. One that is not synchronized has nothing to lose but time.
fn unreachable(tcb: &mut Tcb, error: SocketError) {
    match tcb.state {
        State::SynSent => tcb.end(Some(error), "ICMP error"),
        _ => tcb.soft_error = Some(error),
    }
}

/// RFC 1191, with the checks of RFC 5927 §7.2: the limit must be below what was sent.
fn too_long(tcb: &mut Tcb, cx: &mut Context<'_>, mtu: u32, sent: u32) {
    let mtu = match mtu {
        0 => PLATEAUS.into_iter().find(|&plateau| plateau < sent).unwrap_or(68),
        mtu => mtu,
    };
    if mtu >= sent || mtu >= tcb.snd.pmtu || mtu < 68 {
        return;
    }
    let known = cx.route(&tcb.tuple).is_ok_and(|route| route.mtu <= mtu as usize);
    if !known {
        tcb.snd.pmtu_limit = mtu;
    }
    // Output sees the new size, and sends what was too long again.
    output(tcb, cx);
}
