//! What fits into a send buffer, counted as Linux counts it.
//!
//! A program that was written for Linux knows how much it can write before it has to wait, and
//! when it is woken. There a send buffer is a list of bursts, each with book-keeping that counts
//! as its bytes do, and two rules follow from that:
//!
//! - A write fills the last burst up whatever else waits, and begins another while the sum is
//!   below the limit: so one write can take more than the limit, by a burst.
//! - A writer is woken when a third of the limit is free again.
//!
//! The limit is what the stack gives ([`Config::send_buffer`]), which includes the book-keeping;
//! where the program has set it ([`Setting::SendBuffer`](crate::Setting::SendBuffer)) it is twice
//! that, for the book-keeping, which is what C programs read back.
//!
//! Here there is no such list. How many bursts there would be follows from what is in the buffer:
//! what was sent went out in bursts of a millisecond at the pacing rate, what was not lies in
//! bursts of half the peer's window.

use crate::Config;
use crate::tcb::Tcb;

/// What a burst takes beside its bytes: on a 64-bit Linux its `sk_buff` (256), the header space
/// with the shared info behind it (1024).
const BOOK_KEEPING: usize = 1280;

/// The most that a burst holds: 64 KiB, less the room that Linux leaves for headers (320).
const MOST: usize = 65_215;

/// Whether no further burst is begun.
pub(crate) fn is_full(tcb: &Tcb, config: &Config) -> bool {
    in_use(tcb, config) >= allowance(tcb)
}

/// Whether it is worth waking a writer.
pub(crate) fn is_roomy(tcb: &Tcb, config: &Config) -> bool {
    in_use(tcb, config) <= allowance(tcb) / 3 * 2
}

/// What a buffer has to be allowed so that `bytes` fit, all of them sent.
pub(crate) fn for_bytes(tcb: &Tcb, config: &Config, bytes: usize) -> usize {
    bytes.saturating_add(bytes.div_ceil(burst_sent(tcb, config)).saturating_mul(BOOK_KEEPING))
}

/// The bytes of a burst that waits to be sent: half of the largest window that the peer had (all
/// of a tiny one), in full segments.
pub(crate) fn burst_unsent(tcb: &Tcb) -> usize {
    let mss = tcb.snd.mss as usize;
    let window = match tcb.snd.max_wnd as usize {
        0 => MOST,
        tiny @ 1..=536 => tiny,
        window => window / 2,
    };
    window.clamp(mss, MOST.max(mss)) / mss * mss
}

/// The bytes of a burst that was sent: as many as the pacing rate sends in a millisecond, or so.
fn burst_sent(tcb: &Tcb, config: &Config) -> usize {
    let mss = u64::from(tcb.snd.mss);
    let least = mss * u64::from(config.min_burst.max(1));
    ((pacing_rate(tcb) >> 10) / mss * mss).clamp(least, least.max(MOST as u64)) as usize
}

fn allowance(tcb: &Tcb) -> usize {
    match tcb.settings.send_buffer_fixed {
        true => tcb.snd.buffer.limit.saturating_mul(2),
        false => tcb.snd.buffer.limit,
    }
}

fn in_use(tcb: &Tcb, config: &Config) -> usize {
    let len = tcb.snd.buffer.len();
    if len == 0 {
        return 0;
    }
    // A small segment takes as much room in a burst as a full one.
    let sent = (tcb.board.len() * tcb.snd.mss as usize).div_ceil(burst_sent(tcb, config));
    let unsent = tcb.unsent().div_ceil(burst_unsent(tcb));
    len + (sent + unsent) * BOOK_KEEPING
}

/// Bytes a second at which sending is paced, or would be: twice what the windows of a round trip
/// are in slow start, where the window doubles, else 1.2 times (Linux's formula); `u64::MAX`
/// before the first sample of the round trip.
pub(crate) fn pacing_rate(tcb: &Tcb) -> u64 {
    if let Some(rate) = tcb.congestion.pacing_rate() {
        return rate;
    }
    let srtt = tcb.rtt.srtt().map_or(0, |srtt| srtt.as_micros() as u64);
    let (cwnd, ssthresh) = (tcb.congestion.cwnd(), tcb.congestion.ssthresh());
    let percent = if cwnd < ssthresh / 2 { 200 } else { 120 };
    let bytes = u64::from(cwnd.max(tcb.board.flight()));
    // Four gigabytes, two hundred per cent and a million microseconds are below 2^64.
    (bytes * percent * 10_000).checked_div(srtt).unwrap_or(u64::MAX)
}
