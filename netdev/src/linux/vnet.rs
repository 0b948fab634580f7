//! The header that a TAP or a packet socket puts in front of a frame: what is left to be done to it.
//!
//! `struct virtio_net_hdr` (virtio 1.2 §5.1.6), in the form of 10 bytes without the number of
//! buffers, which both /dev/net/tun and AF_PACKET take; in the byte order of the machine, which is
//! the kernel's choice for local descriptors.
//!
//! ```text
//!   0       1        2 3      4 5      6 7        8 9
//! flags  gso_type  hdr_len  gso_size  csum_start  csum_offset
//! ```

use crate::{Checksum, Packet, Segmentation};

/// Bytes of the header.
pub const LEN: usize = 10;

/// The checksum is to be filled in: VIRTIO_NET_HDR_F_NEEDS_CSUM.
const NEEDS_CSUM: u8 = 1;
/// The checksum was found right: VIRTIO_NET_HDR_F_DATA_VALID.
const DATA_VALID: u8 = 2;

const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_UDP_L4: u8 = 5;
/// Set beside a type where the TCP header has CWR in it. It asks that only the first segment
/// keeps CWR, and says nothing that the TCP header does not.
const GSO_ECN: u8 = 0x80;

/// A header that makes no sense with its frame, or asks for what this stack cannot do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// What `header` says of the frame of `len` bytes behind it.
///
/// # Errors
/// [`Malformed`] where the checksum's place is not in the frame, or where the frame stands for
/// several of another kind than TCP over IPv4 or UDP (which nobody has offered to take).
pub fn decode(header: &[u8; LEN], len: usize) -> Result<(Checksum, Segmentation), Malformed> {
    let word = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
    let [flags, gso_type, ..] = *header;
    let checksum = if flags & NEEDS_CSUM != 0 {
        let (start, offset) = (usize::from(word(6)), usize::from(word(8)));
        if start + offset + 2 > len {
            return Err(Malformed);
        }
        Checksum::Partial { start, offset }
    } else if flags & DATA_VALID != 0 {
        Checksum::Verified
    } else {
        Checksum::None
    };
    let size = word(4);
    let segmentation = match gso_type & !GSO_ECN {
        GSO_NONE => Segmentation::None,
        GSO_TCPV4 if size > 0 => Segmentation::Tcp4 { size },
        GSO_UDP_L4 if size > 0 => Segmentation::Udp4 { size },
        _ => return Err(Malformed),
    };
    Ok((checksum, segmentation))
}

/// The header that goes in front of `frame`, from its offload facts.
///
/// # Errors
/// [`Malformed`] where the checksum's place is not in the frame, or where a frame that stands for
/// several has no partial checksum: every segment needs one of its own.
pub fn encode(frame: &Packet) -> Result<[u8; LEN], Malformed> {
    let mut header = [0; LEN];
    let Checksum::Partial { start, offset } = frame.checksum() else {
        return match frame.segmentation() {
            Segmentation::None => Ok(header),
            Segmentation::Tcp4 { .. } | Segmentation::Udp4 { .. } => Err(Malformed),
        };
    };
    if start + offset + 2 > frame.len() {
        return Err(Malformed);
    }
    let mut put = |at: usize, value: usize| {
        let value = u16::try_from(value).map_err(|_| Malformed)?;
        header[at..at + 2].copy_from_slice(&value.to_ne_bytes());
        Ok(())
    };
    put(6, start)?;
    put(8, offset)?;
    let (gso_type, size, transport_len) = match frame.segmentation() {
        Segmentation::None => (GSO_NONE, 0, 0),
        Segmentation::Tcp4 { size } => {
            // RFC 9293 §3.1: the data offset is the upper half of byte 12, in words of 32 bits.
            let words = frame.front().get(start + 12).ok_or(Malformed)? >> 4;
            (GSO_TCPV4, size, 4 * usize::from(words))
        }
        Segmentation::Udp4 { size } => (GSO_UDP_L4, size, 8),
    };
    if gso_type != GSO_NONE {
        if size == 0 || start + transport_len > frame.len() {
            return Err(Malformed);
        }
        put(2, start + transport_len)?;
        put(4, usize::from(size))?;
    }
    header[0] = NEEDS_CSUM;
    header[1] = gso_type;
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(flags: u8, gso: u8, words: [u16; 4]) -> [u8; LEN] {
        let mut header = [flags, gso, 0, 0, 0, 0, 0, 0, 0, 0];
        for (at, word) in words.into_iter().enumerate() {
            header[2 + 2 * at..4 + 2 * at].copy_from_slice(&word.to_ne_bytes());
        }
        header
    }

    #[test]
    fn flags_become_checksum_facts() {
        let partial = Checksum::Partial { start: 34, offset: 16 };
        let of = |flags, words| decode(&header(flags, 0, words), 60);
        assert_eq!(of(0, [0; 4]), Ok((Checksum::None, Segmentation::None)));
        assert_eq!(of(DATA_VALID, [0; 4]), Ok((Checksum::Verified, Segmentation::None)));
        assert_eq!(of(NEEDS_CSUM, [0, 0, 34, 16]), Ok((partial, Segmentation::None)));
    }

    #[test]
    fn a_checksum_outside_the_frame_is_malformed() {
        let of = |start, offset| decode(&header(NEEDS_CSUM, 0, [0, 0, start, offset]), 60);
        assert!(of(42, 16).is_ok(), "its last byte is the frame's last");
        assert_eq!(of(43, 16), Err(Malformed));
        assert_eq!(of(u16::MAX, u16::MAX), Err(Malformed));
    }

    #[test]
    fn segmentation_is_told_by_kind_and_size() {
        let of = |gso, size| decode(&header(0, gso, [54, size, 0, 0]), 60).map(|(_, s)| s);
        assert_eq!(of(GSO_TCPV4, 1448), Ok(Segmentation::Tcp4 { size: 1448 }));
        assert_eq!(of(GSO_TCPV4 | GSO_ECN, 1448), Ok(Segmentation::Tcp4 { size: 1448 }));
        assert_eq!(of(GSO_UDP_L4, 1200), Ok(Segmentation::Udp4 { size: 1200 }));
        assert_eq!(of(GSO_TCPV4, 0), Err(Malformed), "no segment is empty");
        assert_eq!(of(4, 1448), Err(Malformed), "TCP over IPv6");
        assert_eq!(of(3, 1448), Err(Malformed), "UDP fragmentation");
    }

    #[test]
    fn what_is_sent_is_what_the_packet_says() {
        let mut frame = Packet::from_payload(&[0; 2000]);
        assert_eq!(encode(&frame), Ok([0; LEN]));
        frame.set_checksum(Checksum::Verified);
        assert_eq!(encode(&frame), Ok([0; LEN]), "a checksum that is there needs no flag");
        frame[34 + 12] = 8 << 4;
        frame.set_checksum(Checksum::Partial { start: 34, offset: 16 });
        assert_eq!(encode(&frame), Ok(header(NEEDS_CSUM, 0, [0, 0, 34, 16])));
        frame.set_segmentation(Segmentation::Tcp4 { size: 1448 });
        assert_eq!(encode(&frame), Ok(header(NEEDS_CSUM, GSO_TCPV4, [66, 1448, 34, 16])));
        frame.set_segmentation(Segmentation::Udp4 { size: 1200 });
        assert_eq!(encode(&frame), Ok(header(NEEDS_CSUM, GSO_UDP_L4, [42, 1200, 34, 16])));
    }

    #[test]
    fn segments_without_a_checksum_to_fill_in_are_refused() {
        let mut frame = Packet::from_payload(&[0; 2000]);
        frame.set_segmentation(Segmentation::Tcp4 { size: 1448 });
        assert_eq!(encode(&frame), Err(Malformed));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_is_taken_fits(header: [u8; LEN], len in 0usize..70_000) {
            if let Ok((Checksum::Partial { start, offset }, _)) = decode(&header, len) {
                prop_assert!(start + offset + 2 <= len);
            }
        }

        #[test]
        fn encoding_never_panics_and_decodes_to_the_same(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            start in 0usize..310, offset in 0usize..40, size: u16, kind in 0..3,
        ) {
            let mut frame = Packet::from_payload(&bytes);
            frame.set_checksum(Checksum::Partial { start, offset });
            frame.set_segmentation(match kind {
                0 => Segmentation::None,
                1 => Segmentation::Tcp4 { size },
                _ => Segmentation::Udp4 { size },
            });
            if let Ok(header) = encode(&frame) {
                prop_assert_eq!(
                    decode(&header, frame.len()),
                    Ok((frame.checksum(), frame.segmentation()))
                );
            }
        }
    }
}
