//! What the cases of several files do.

use std::time::Duration;

use ip::Handle;

use crate::testing::{Script, Seg, seg};
use crate::{SendFlags, Setting};

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// The payload of a full segment, where the peer's MSS is 1460 and there are no options.
pub(super) const MSS: usize = 1460;

/// Options as they stand in a SYN (RFC 9293 §3.2, RFC 7323, RFC 2018), padded to words.
pub(super) const MSS_1460: [u8; 4] = [2, 4, 0x05, 0xb4];
pub(super) const SACK_PERMITTED: [u8; 4] = [4, 2, 1, 1];

/// A window scale option.
pub(super) fn scale(shift: u8) -> [u8; 4] {
    [3, 3, shift, 1]
}

/// A timestamps option, laid out as RFC 7323's appendix A advises.
pub(super) fn stamp(tsval: u32, tsecr: u32) -> [u8; 12] {
    let mut option = [1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0];
    option[4..8].copy_from_slice(&tsval.to_be_bytes());
    option[8..].copy_from_slice(&tsecr.to_be_bytes());
    option
}

/// TSval and TSecr of a segment.
pub(super) fn stamp_of(seg: &Seg) -> Option<(u32, u32)> {
    let option = seg.option(8).filter(|option| option.len() == 8)?;
    let word = |at: usize| u32::from_be_bytes(option[at..at + 4].try_into().expect("four bytes"));
    Some((word(0), word(4)))
}

/// A listener, one setting of which is changed; accepted sockets have it too.
pub(super) fn listen(script: &mut Script, setting: Option<Setting>) -> Handle {
    let listener = script.listen(8);
    script.socket = Some(listener);
    if let Some(setting) = setting {
        set(script, setting);
    }
    listener
}

/// Passive open from a SYN with these options, each side answering at once; the SYN-ACK.
pub(super) fn accept_with(script: &mut Script, options: &[u8]) -> Seg {
    let listener = listen(script, None);
    script.inject(seg("S").seq(0).options(options));
    let syn_ack = script.expect(seg("SA").seq(0).ack(1));
    let mut ack = seg("A");
    if let Some((tsval, _)) = stamp_of(&syn_ack) {
        let ours = options.windows(2).position(|kind| kind == [8, 10]).expect("a timestamp");
        let theirs = u32::from_be_bytes(options[ours + 2..ours + 6].try_into().expect("four"));
        ack = ack.options(&stamp(theirs, tsval));
    }
    script.inject(ack);
    script.accept(listener);
    syn_ack
}

/// Passive open over a path of this round trip, as its handshake shows it to the listener.
pub(super) fn accept_after(script: &mut Script, round_trip: Duration) {
    let listener = listen(script, None);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.wait(round_trip);
    script.inject(seg("A"));
    script.accept(listener);
}

/// Changes a setting of the script's socket.
pub(super) fn set(script: &mut Script, setting: Setting) {
    let socket = script.current();
    let what = format!("set {setting:?}");
    let result = script.act(&what, |host| host.set(socket, setting));
    script.expect_eq(&what, result, Ok(()));
}

/// Sends with flags; all of it has to fit.
pub(super) fn send_with(script: &mut Script, data: &[u8], flags: SendFlags) {
    let socket = script.current();
    let what = format!("send {} bytes, {flags:?}", data.len());
    let taken = script
        .act(&what, |host| host.call(|tcp, now, out| tcp.send(now, socket, data, flags, out)));
    script.expect_eq("bytes taken", taken, Ok(data.len()));
}

/// Everything that was sent, as far as it has text.
pub(super) fn texts(script: &mut Script) -> Vec<Seg> {
    let mut texts = script.drain();
    texts.retain(|seg| seg.payload_len() > 0);
    texts
}

/// The bytes of text in these segments.
pub(super) fn bytes(segments: &[Seg]) -> usize {
    segments.iter().map(Seg::payload_len).sum()
}

/// The number after the last of these segments, or `before`.
pub(super) fn end(segments: &[Seg], before: u32) -> u32 {
    let ends = segments.iter().map(|seg| seg.seq.expect("seen") + seg.seq_len());
    ends.max().unwrap_or(before).max(before)
}

/// Sends far more than any window takes at first, and gives what goes out of it at once.
pub(super) fn flood(script: &mut Script) -> Vec<Seg> {
    script.send(&[7; 120_000]);
    let first = texts(script);
    script.record().expect("text is sent", !first.is_empty());
    first
}

/// Acknowledges each of these segments on its own, and gives what is sent for that.
pub(super) fn acknowledge_each(script: &mut Script, segments: &[Seg]) -> Vec<Seg> {
    let mut sent = Vec::new();
    for segment in segments {
        script.inject(seg("A").ack(segment.seq.expect("seen") + segment.seq_len()));
        sent.extend(texts(script));
    }
    sent
}

/// The next segment with text that is sent within `limit`, and in what time it is.
pub(super) fn next_text(script: &mut Script, limit: Duration) -> (Duration, Seg) {
    let (start, deadline) = (script.now(), script.now() + limit);
    while let Some(sent) = script.next_within(deadline.since(script.now())) {
        if sent.payload_len() > 0 {
            return (script.now() - start, sent);
        }
    }
    script.record().fail(format_args!("text within {limit:?}"), "none");
}

/// A duration has to lie within these bounds.
pub(super) fn expect_between(
    script: &Script,
    what: &str,
    seen: Duration,
    least: Duration,
    most: Duration,
) {
    if !(least..=most).contains(&seen) {
        script
            .record()
            .fail(format_args!("{what}: {least:?} to {most:?}"), format_args!("{seen:?}"));
    }
}

/// A number has to lie within these bounds.
pub(super) fn expect_within(script: &Script, what: &str, seen: usize, bounds: [usize; 2]) {
    let [least, most] = bounds;
    if !(least..=most).contains(&seen) {
        script.record().fail(format_args!("{what}: {least} to {most}"), seen);
    }
}

/// A peer that keeps what comes out of order, and acknowledges each segment.
pub(super) struct Receiver {
    next: u32,
    /// What is beyond a gap: the first number of each segment, and the one after its last.
    held: Vec<(u32, u32)>,
}

impl Receiver {
    /// It has everything before `next`.
    pub(super) fn new(next: u32) -> Receiver {
        Receiver { next, held: Vec::new() }
    }

    /// A segment arrives; the acknowledgment for it.
    pub(super) fn take(&mut self, segment: &Seg) -> u32 {
        let first = segment.seq.expect("seen");
        self.held.push((first, first + segment.seq_len()));
        while let Some(at) = self.held.iter().position(|(first, _)| *first <= self.next) {
            self.next = self.next.max(self.held.swap_remove(at).1);
        }
        self.next
    }
}
