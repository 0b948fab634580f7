//! The one owned buffer that travels through all layers.

use std::fmt;
use std::ops::{Deref, DerefMut};

use bytes::Bytes;

use crate::pool;

mod tail;

use tail::Tail;

/// Room in front of a fresh packet: an Ethernet header, the longest IPv4 and TCP headers, and
/// what a device may want before the frame.
pub const HEADROOM: usize = 14 + 60 + 60 + 26;

/// Bytes on their way up or down, with room in front for the headers to come.
///
/// A layer *prepends* its header on the way down and *strips* it on the way up, both in place. A
/// stripped header stays where it was, byte for byte as it arrived, and [`Packet::unstrip`] brings
/// it back: that is how ICMP quotes a datagram. The buffer goes back to a pool on drop.
///
/// A packet that a transport makes may share its payload with the transport's send buffer
/// ([`Packet::share`]): headers are prepended in front of bytes that are not copied, and a device
/// that can write from several places ([`Packet::parts`]) never copies them either. Nobody needs
/// to know: whoever looks at such a packet as one slice gets one, at the price of the copy.
///
/// ```
/// use netdev::Packet;
/// let mut packet = Packet::from_payload(b"data");
/// packet.prepend(2).copy_from_slice(b"h:");
/// assert_eq!(&packet[..], b"h:data");
/// packet.strip(2);
/// assert_eq!(&packet[..], b"data");
/// packet.unstrip(2);
/// assert_eq!(&packet[..], b"h:data");
/// ```
pub struct Packet {
    storage: Vec<u8>,
    start: usize,
    end: usize,
    /// What is shared, and follows the storage.
    tail: Option<Box<Tail>>,
    checksum: State,
    segmentation: Segmentation,
    faults: Faults,
}

/// What is known of the transport checksum of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Checksum {
    /// Nothing: it is in the packet, and whoever needs it right checks it.
    #[default]
    None,
    /// Already found right by the device, or by a layer: it need not be summed again.
    Verified,
    /// To be filled in by the device: the Internet checksum from `start` to the packet's end,
    /// stored `offset` bytes after `start`. The field holds the folded pseudo header.
    Partial {
        /// Bytes from the packet's front to the first byte that is summed.
        start: usize,
        /// Bytes from `start` to the checksum field.
        offset: usize,
    },
}

/// Whether a packet stands for several that the device, or the kernel beyond it, cuts up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Segmentation {
    /// It is one packet.
    #[default]
    None,
    /// TCP over IPv4, to be sent as segments with `size` bytes of payload each (the last may have
    /// less).
    Tcp4 {
        /// Bytes of payload in a segment.
        size: u16,
    },
    /// UDP over IPv4, to be sent as datagrams with `size` bytes of payload each.
    Udp4 {
        /// Bytes of payload in a datagram.
        size: u16,
    },
}

bitflags::bitflags! {
    /// What a fault injector did to a packet, so that a capture can say it.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Faults: u8 {
        /// A second copy of a packet.
        const DUPLICATED = 1;
        /// Let others pass.
        const REORDERED = 2;
        /// Bits were flipped.
        const CORRUPTED = 4;
        /// Kept back by a delay, jitter or a rate.
        const DELAYED = 8;
        /// Taken away (seen only by a capture in front of the injector's queue).
        const LOST = 16;
        /// Marked "congestion experienced" (RFC 3168).
        const MARKED = 32;
    }
}

/// The names of the faults, for a comment: `duplicated, delayed`.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, _)) in self.iter_names().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}", name.to_lowercase())?;
        }
        Ok(())
    }
}

/// As [`Checksum`], with the place counted from the start of the storage, where prepending and
/// stripping do not move it.
#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    None,
    Verified,
    Partial {
        at: usize,
        offset: usize,
    },
}

impl Packet {
    /// An empty packet with [`HEADROOM`] in front and room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Packet {
        Packet {
            storage: pool::take(HEADROOM + capacity),
            start: HEADROOM,
            end: HEADROOM,
            tail: None,
            checksum: State::None,
            segmentation: Segmentation::None,
            faults: Faults::empty(),
        }
    }

    /// A packet of `len` bytes of no particular content, for a device to read into. Follow with
    /// [`Packet::truncate`].
    pub fn for_receive(len: usize) -> Packet {
        let mut packet = Packet::with_capacity(len);
        packet.end = packet.start + len;
        packet
    }

    /// A packet with a copy of `payload`, and headroom in front.
    pub fn from_payload(payload: &[u8]) -> Packet {
        let mut packet = Packet::with_capacity(payload.len());
        packet.append(payload);
        packet
    }

    /// Makes `len` bytes of room at the front and gives them to be filled; they hold no
    /// particular content. Copies the packet only where the headroom is used up.
    #[inline]
    pub fn prepend(&mut self, len: usize) -> &mut [u8] {
        self.changes();
        if len > self.start {
            self.grow_headroom(len);
        }
        self.start -= len;
        &mut self.storage[self.start..self.start + len]
    }

    /// Takes `len` bytes off the front. They stay in the headroom, for [`Packet::unstrip`].
    ///
    /// # Panics
    /// Where the packet is shorter than `len`: the caller has parsed the header that it strips.
    #[inline]
    pub fn strip(&mut self, len: usize) {
        assert!(len <= self.len(), "strip of {len} from {} bytes", self.len());
        if len > self.end - self.start {
            self.gather();
        }
        self.changes();
        self.start += len;
    }

    /// Brings back `len` bytes that were stripped, as they were.
    ///
    /// # Panics
    /// Where there is not as much in front of the packet.
    #[inline]
    pub fn unstrip(&mut self, len: usize) {
        assert!(len <= self.start, "unstrip of {len} with {} bytes in front", self.start);
        self.changes();
        self.start -= len;
    }

    /// Adds bytes at the end.
    pub fn append(&mut self, bytes: &[u8]) {
        self.gather();
        let end = self.end + bytes.len();
        if end > self.storage.len() {
            let mut storage = pool::take(end);
            // With the stripped headers in front.
            storage[..self.end].copy_from_slice(&self.storage[..self.end]);
            pool::give(std::mem::replace(&mut self.storage, storage));
        }
        self.storage[self.end..end].copy_from_slice(bytes);
        self.end = end;
    }

    /// Adds bytes at the end that somebody else holds as well, and nobody changes. They are not
    /// copied.
    pub fn share(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.tail.get_or_insert_default().push(bytes);
        }
    }

    /// Bytes in the packet.
    #[inline]
    #[allow(clippy::len_without_is_empty)] // The slice has that.
    pub fn len(&self) -> usize {
        self.end - self.start + self.tail.as_ref().map_or(0, |tail| tail.len())
    }

    /// The packet from its front as far as it lies in one piece: all of it, or the headers that
    /// were prepended in front of bytes that are shared.
    #[inline]
    pub fn front(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }

    /// Makes one piece of the packet, in storage of its own: for whoever will look at it more than
    /// once.
    #[inline]
    pub fn gather(&mut self) {
        if self.tail.is_some() {
            self.take_over();
        }
    }

    /// The packet in the pieces that it lies in, one after the other; [`Packet::front`] is the
    /// first.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let shared = self.tail.iter().flat_map(|tail| tail.pieces());
        std::iter::once(self.front()).chain(shared)
    }

    /// Drops everything after `len` bytes; does nothing where the packet is shorter.
    pub fn truncate(&mut self, len: usize) {
        self.gather();
        self.end = self.end.min(self.start + len);
    }

    /// Bytes in front that [`Packet::prepend`] can use without a copy.
    pub fn headroom(&self) -> usize {
        self.start
    }

    /// What is known of the transport checksum.
    pub fn checksum(&self) -> Checksum {
        match self.checksum {
            State::None => Checksum::None,
            State::Verified => Checksum::Verified,
            State::Partial { at, offset } => {
                Checksum::Partial { start: at.saturating_sub(self.start), offset }
            }
        }
    }

    /// Says what is known of the transport checksum.
    pub fn set_checksum(&mut self, checksum: Checksum) {
        self.checksum = match checksum {
            Checksum::None => State::None,
            Checksum::Verified => State::Verified,
            Checksum::Partial { start, offset } => {
                State::Partial { at: self.start + start, offset }
            }
        };
    }

    /// Fills in a checksum that was left to the device; does nothing where none was. For devices
    /// without the offload, and for whoever has to change or cut a packet on its way.
    pub fn complete_checksum(&mut self) {
        let Checksum::Partial { start, offset } = self.checksum() else { return };
        let field = start + offset;
        self.gather();
        if field + 2 <= self.len() {
            let check = match crate::checksum::Sum::default().bytes(&self[start..]).finish() {
                // RFC 768: a UDP checksum of zero means none, so zero is sent as all ones, which
                // is the same number; harmless for TCP.
                0 => 0xffff,
                check => check,
            };
            self[field..field + 2].copy_from_slice(&check.to_be_bytes());
        }
        self.checksum = State::Verified;
    }

    /// Whether the packet stands for several.
    pub fn segmentation(&self) -> Segmentation {
        self.segmentation
    }

    /// Says that the packet stands for several.
    pub fn set_segmentation(&mut self, segmentation: Segmentation) {
        self.segmentation = segmentation;
    }

    /// What fault injectors did to it.
    pub fn faults(&self) -> Faults {
        self.faults
    }

    /// Notes what a fault injector did to it.
    pub fn note_fault(&mut self, fault: Faults) {
        self.faults |= fault;
    }

    /// What was put together for a reader is so no longer.
    #[inline]
    fn changes(&mut self) {
        if let Some(tail) = &mut self.tail {
            tail.forget_whole();
        }
    }

    #[cold]
    fn take_over(&mut self) {
        let Some(tail) = self.tail.take() else { return };
        let end = self.end + tail.len();
        if end > self.storage.len() {
            // With the stripped headers in front.
            let mut storage = pool::take(end);
            storage[..self.end].copy_from_slice(&self.storage[..self.end]);
            pool::give(std::mem::replace(&mut self.storage, storage));
        }
        tail.pieces().for_each(|piece| self.append(piece));
    }

    #[cold]
    fn grow_headroom(&mut self, len: usize) {
        let old = self.start;
        let start = len + HEADROOM;
        let end = start + self.front().len();
        let mut storage = pool::take(end);
        storage[start..end].copy_from_slice(self.front());
        pool::give(std::mem::replace(&mut self.storage, storage));
        if let State::Partial { at, .. } = &mut self.checksum {
            *at = *at - old + start;
        }
        (self.start, self.end) = (start, end);
    }
}

/// A copy for a second receiver; headroom and offload facts are kept.
impl Clone for Packet {
    fn clone(&self) -> Packet {
        let mut storage = pool::take(self.storage.len());
        // The stripped headers in front belong to the packet too.
        storage[..self.end].copy_from_slice(&self.storage[..self.end]);
        Packet { storage, tail: self.tail.clone(), ..*self }
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        pool::give(std::mem::take(&mut self.storage));
    }
}

impl Deref for Packet {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.tail {
            None => self.front(),
            Some(tail) => tail.whole(self.front()),
        }
    }
}

impl DerefMut for Packet {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.gather();
        &mut self.storage[self.start..self.end]
    }
}

impl PartialEq for Packet {
    fn eq(&self, other: &Packet) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Packet {}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packet({} bytes", self.len())?;
        if self.checksum() != Checksum::None {
            write!(f, ", {:?}", self.checksum())?;
        }
        if self.segmentation != Segmentation::None {
            write!(f, ", {:?}", self.segmentation)?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prepending_past_the_headroom_keeps_the_bytes_and_the_checksum_place() {
        let mut packet = Packet::from_payload(b"payload");
        packet.set_checksum(Checksum::Partial { start: 0, offset: 2 });
        packet.prepend(1000).fill(7);
        assert_eq!(packet.len(), 1007);
        assert_eq!(&packet[1000..], b"payload");
        assert_eq!(packet.checksum(), Checksum::Partial { start: 1000, offset: 2 });
    }

    #[test]
    fn a_clone_can_be_unstripped_too() {
        let mut packet = Packet::from_payload(b"header+data");
        packet.strip(7);
        let mut copy = packet.clone();
        copy.unstrip(7);
        assert_eq!(&copy[..], b"header+data");
    }

    #[test]
    fn a_partial_checksum_is_completed_once() {
        let mut packet = Packet::from_payload(&[0, 0, 0x12, 0x34]);
        packet.set_checksum(Checksum::Partial { start: 0, offset: 0 });
        packet.prepend(4).fill(0xee);
        packet.complete_checksum();
        assert_eq!(&packet[4..6], &(!0x1234u16).to_be_bytes());
        assert_eq!(packet.checksum(), Checksum::Verified);
    }

    /// A packet with `shared` behind `front`.
    fn sharing(front: &[u8], shared: &[&'static [u8]]) -> Packet {
        let mut packet = Packet::from_payload(front);
        for bytes in shared {
            packet.share(Bytes::from_static(bytes));
        }
        packet
    }

    #[test]
    fn a_packet_that_shares_its_payload_is_the_same_bytes_in_parts() {
        let mut packet = sharing(b"", &[b"pay", b"", b"load"]);
        packet.prepend(2).copy_from_slice(b"h:");
        assert_eq!((packet.len(), packet.front()), (9, &b"h:"[..]));
        assert_eq!(packet.parts().collect::<Vec<_>>(), [&b"h:"[..], b"pay", b"load"]);
        assert_eq!(&packet[..], b"h:payload");
        assert_eq!(packet, Packet::from_payload(b"h:payload"));
        packet.prepend(1).copy_from_slice(b"x");
        assert_eq!(&packet[..], b"xh:payload", "what was put together before is not kept");
        packet.strip(2);
        assert_eq!(&packet[..], b":payload");
        packet.unstrip(1);
        assert_eq!(&packet[..], b"h:payload");
    }

    #[test]
    fn changing_a_packet_that_shares_its_payload_changes_a_copy() {
        let payload = Bytes::from(b"payload".to_vec());
        let mut packet = Packet::from_payload(b"h:");
        packet.share(payload.clone());
        let mut other = packet.clone();
        packet[2..].make_ascii_uppercase();
        assert_eq!(
            (&packet[..], &other[..], &payload[..]),
            (&b"h:PAYLOAD"[..], &b"h:payload"[..], &b"payload"[..])
        );
        other.strip(4);
        assert_eq!(&other[..], b"yload", "beyond its own storage");
        other.unstrip(4);
        other.append(b"!");
        other.truncate(5);
        assert_eq!(&other[..], b"h:pay");
    }

    #[test]
    fn the_checksum_covers_what_is_shared() {
        let mut packet = sharing(&[0, 0, 0x12], &[&[0x34]]);
        packet.set_checksum(Checksum::Partial { start: 0, offset: 0 });
        packet.prepend(1000).fill(7);
        assert_eq!(packet.checksum(), Checksum::Partial { start: 1000, offset: 0 });
        packet.complete_checksum();
        assert_eq!(&packet[1000..1002], &(!0x1234u16).to_be_bytes());
    }

    #[test]
    fn appending_past_the_storage_grows_it() {
        let mut packet = Packet::from_payload(b"a");
        packet.append(&[b'b'; 5000]);
        assert_eq!((packet.len(), packet[0], packet[5000]), (5001, b'a', b'b'));
    }
}
