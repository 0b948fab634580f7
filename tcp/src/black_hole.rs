//! Path MTU black holes (RFC 2923 §2.1, RFC 4821 §7.7): routers that drop what is too long, and a
//! network that drops the message which would say so.
//!
//! Small segments get through, full ones never do, so a connection opens and then hangs. Where
//! full segments time out again and again, smaller ones are tried: if the path is dead, that does
//! no harm. Nothing larger is tried later; that would be PLPMTUD (RFC 8899).

use tracing::debug;

use crate::stats::Event;
use crate::tcb::{Context, Tcb, header_len};

/// Path MTUs to try, in bytes: room for 1024 bytes of data, with which RFC 4821 §7.2 begins, and
/// what every host has to take (RFC 791).
const STEPS: [u32; 2] = [1024 + 20 + 20, 576];

/// The retransmission timer has run out for the segment in front. Output, which is about to send
/// it again, sees the new limit.
pub(crate) fn timed_out(tcb: &mut Tcb, cx: &mut Context<'_>) {
    // Fragments would get through, and once DF is off there is nobody left to ask.
    if !tcb.settings.mtu_discover || tcb.retries < cx.config.black_hole {
        return;
    }
    let Some(front) = tcb.board.at(0) else { return };
    let longest = front.len - u32::from(front.fin);
    if longest < tcb.snd.mss {
        return;
    }
    let total = longest + header_len(&tcb.tuple) as u32 + tcb.option_len();
    let Some(step) = STEPS.into_iter().find(|&step| step < total) else { return };
    cx.events.add(Event::BlackHoles);
    debug!(conn = %tcb.tuple, from = tcb.snd.pmtu, to = step, "path MTU black hole");
    tcb.snd.pmtu_limit = step;
}
