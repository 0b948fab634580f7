//! Urgent data (RFC 9293 §3.8.5, RFC 6093).
//!
//! The urgent pointer gives the byte after the urgent data (RFC 6093 §2.1), of which programs
//! take the last byte for *the* urgent one. It stays in its place of the stream, as RFC 6093
//! §3.1 has it, or a program takes it out of line (SO_OOBINLINE off); then reading the stream
//! goes past it. Either way one read stops in front of it, so that its place, the mark, can be
//! found. There is one mark at a time: a later pointer takes the place of an earlier one, whose
//! byte then is one of the stream's (RFC 6093 §3.3).

use ip::SocketError;

use crate::receive::ReceiveSpace;
use crate::segment::{Flags, Segment};
use crate::send::SendSpace;

/// An urgent byte that was announced.
#[derive(Debug)]
pub(crate) struct Mark {
    /// Its place in the stream: RCV.UP is the one after it.
    place: u64,
    /// The program has taken it out of line.
    taken: bool,
}

impl Mark {
    /// Whether the program has yet to be told, or to act.
    pub(crate) fn is_pending(&self) -> bool {
        !self.taken
    }

    /// Bytes of the stream in front of it, read up to `consumed`.
    pub(crate) fn ahead(&self, consumed: u64) -> u64 {
        self.place.saturating_sub(consumed)
    }
}

/// Puts the urgent pointer on a segment from before SND.UP (RFC 9293 §3.8.5: on each of them,
/// which has data or not).
pub(crate) fn announce(snd: &SendSpace, segment: &mut Segment) {
    if let Some(up) = snd.buffer.records.up()
        && segment.seq.lt(up)
    {
        segment.flags |= Flags::URG;
        // One that is too far away for the field is announced again from nearer to it.
        segment.urgent = (up - segment.seq).min(0xffff) as u16;
    }
}

/// A pointer came: the urgent data ends in front of the place `up`, which lies beyond RCV.NXT.
/// Whether it is news (RFC 9293 §3.8.5, MUST-32: the program is told then).
pub(crate) fn arrived(rcv: &mut ReceiveSpace, inline: bool, up: u64) -> bool {
    let place = up - 1;
    if rcv.urgent.as_ref().is_some_and(|mark| mark.place >= place) {
        return false;
    }
    if !inline && at_mark(rcv) {
        rcv.buffer.skip(1);
    }
    rcv.urgent = Some(Box::new(Mark { place, taken: false }));
    true
}

/// Whether the next byte of the stream is the urgent one, and there.
fn at_mark(rcv: &ReceiveSpace) -> bool {
    let consumed = rcv.consumed();
    rcv.urgent.as_ref().is_some_and(|mark| mark.place == consumed) && !rcv.buffer.is_empty()
}

/// Bytes that a read of the stream gives.
pub(crate) fn readable(rcv: &ReceiveSpace, inline: bool) -> usize {
    rcv.buffer.len() - usize::from(!inline && at_mark(rcv))
}

/// Reads the stream as far as the mark, or from there on.
pub(crate) fn read(rcv: &mut ReceiveSpace, inline: bool, to: &mut [u8], peek: bool) -> usize {
    let Some(mark) = &rcv.urgent else { return rcv.buffer.read(to, peek) };
    let (ahead, place) = (mark.ahead(rcv.consumed()), mark.place);
    if ahead > 0 {
        let most = to.len().min(usize::try_from(ahead).unwrap_or(usize::MAX));
        return rcv.buffer.read(&mut to[..most], peek);
    }
    if peek {
        return rcv.buffer.peek(usize::from(!inline && at_mark(rcv)), to);
    }
    if !inline && at_mark(rcv) {
        rcv.buffer.skip(1);
    }
    let len = rcv.buffer.read(to, false);
    if rcv.consumed() > place {
        rcv.urgent = None;
    }
    len
}

/// Takes the urgent byte out of line (MSG_OOB).
///
/// # Errors
/// `Invalid` where there is none, it was taken, or it is in line; `WouldBlock` where it was
/// announced and is not there yet.
pub(crate) fn take(
    rcv: &mut ReceiveSpace,
    inline: bool,
    to: &mut [u8],
    peek: bool,
) -> Result<usize, SocketError> {
    let consumed = rcv.consumed();
    let mark = match &mut rcv.urgent {
        Some(mark) if !inline && mark.is_pending() => mark,
        _ => return Err(SocketError::Invalid),
    };
    let at = usize::try_from(mark.ahead(consumed)).unwrap_or(usize::MAX);
    if at >= rcv.buffer.len() {
        let over = rcv.closed || rcv.shut;
        return if over { Ok(0) } else { Err(SocketError::WouldBlock) };
    }
    mark.taken |= !peek;
    let len = to.len().min(1);
    rcv.buffer.peek(at, &mut to[..len]);
    Ok(len)
}
