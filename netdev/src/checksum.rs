//! The Internet checksum (RFC 1071), and its update in place (RFC 1624).

use std::net::IpAddr;

/// Words of 64 bits that are summed side by side.
const LANES: usize = 8;

/// A sum in progress, in the byte order of the wire.
///
/// ```
/// use netdev::checksum::Sum;
/// let mut header = [0x45, 0, 0, 20, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
/// let check = Sum::default().bytes(&header).finish();
/// header[10..12].copy_from_slice(&check.to_be_bytes());
/// assert!(Sum::default().bytes(&header).is_valid());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes. A piece of odd length is padded with a zero (RFC 1071 §1), so only the last
    /// piece of what is summed may have one.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Sum {
        // One's complement addition does not care about word size (RFC 1071 §2 (C)), nor about byte
        // order until the end (B). Words of 64 bits are added up whole, which loses the carries, and
        // their upper halves apart, which loses nothing; the lower halves are what the first sum has
        // beside the second. That takes three instructions a word, or eight words side by side:
        // enough lanes for vectors of any processor.
        let (words, rest) = bytes.as_chunks::<8>();
        let (rows, words) = words.as_chunks::<LANES>();
        // A header is shorter than a row.
        let (mut whole, mut upper) = if rows.is_empty() { (0, 0) } else { side_by_side(rows) };
        for word in words {
            let word = u64::from_ne_bytes(*word);
            whole = whole.wrapping_add(word);
            upper += word >> 32;
        }
        let mut sum = upper + whole.wrapping_sub(upper << 32);
        let mut words = rest.chunks_exact(2);
        for word in &mut words {
            sum += u64::from(u16::from_ne_bytes([word[0], word[1]]));
        }
        if let [last] = words.remainder() {
            sum += u64::from(u16::from_ne_bytes([*last, 0]));
        }
        self.word(u16::from_be(fold(sum)))
    }

    /// Adds one 16-bit word.
    #[must_use]
    pub fn word(self, word: u16) -> Sum {
        Sum(self.0 + u64::from(word))
    }

    /// The pseudo header of UDP and TCP (RFC 768, RFC 9293 §3.1; RFC 8200 §8.1 for IPv6).
    #[must_use]
    pub fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, len: usize) -> Sum {
        let sum = match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                Sum::default().bytes(&src.octets()).bytes(&dst.octets())
            }
            (src, dst) => Sum::default().bytes(&v6(src)).bytes(&v6(dst)),
        };
        let len = len as u32;
        sum.word(u16::from(protocol)).word((len >> 16) as u16).word(len as u16)
    }

    /// The sum folded to 16 bits and not inverted: what a device that fills checksums in wants to
    /// find in the checksum field.
    pub fn folded(self) -> u16 {
        fold(self.0)
    }

    /// The checksum to write into the packet.
    pub fn finish(self) -> u16 {
        !fold(self.0)
    }

    /// Whether a sum over data that includes its checksum comes out right.
    pub fn is_valid(self) -> bool {
        fold(self.0) == 0xffff
    }
}

/// The checksum after one 16-bit word changed from `old` to `new` (RFC 1624 §3, equation 3).
pub fn update(check: u16, old: u16, new: u16) -> u16 {
    !fold(u64::from(!check) + u64::from(!old) + u64::from(new))
}

/// The sum of whole words, without carries, and the sum of their upper halves.
fn side_by_side(rows: &[[[u8; 8]; LANES]]) -> (u64, u64) {
    let (mut whole, mut upper) = ([0u64; LANES], [0u64; LANES]);
    for row in rows {
        for ((whole, upper), word) in whole.iter_mut().zip(&mut upper).zip(row) {
            let word = u64::from_ne_bytes(*word);
            *whole = whole.wrapping_add(word);
            *upper += word >> 32;
        }
    }
    (whole.into_iter().fold(0, u64::wrapping_add), upper.into_iter().sum())
}

fn fold(mut sum: u64) -> u16 {
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

fn v6(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().octets(),
        IpAddr::V6(addr) => addr.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 §3 gives this example.
    #[test]
    fn rfc1071_example() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().bytes(&bytes).folded(), 0xddf2);
    }

    /// What would carry most: all ones are zero in one's complement, at whatever length.
    #[test]
    fn nothing_is_lost_of_the_largest_words() {
        for len in [8, 64, 72, 65_535, 1 << 20] {
            let ones = vec![0xff; len];
            let odd = if len % 2 == 1 { 0xff00 } else { 0xffff };
            assert_eq!(Sum::default().bytes(&ones).folded(), odd, "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn wide_sums_equal_the_definition(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut sum = 0u32;
            for pair in bytes.chunks(2) {
                sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
            }
            while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16); }
            prop_assert_eq!(Sum::default().bytes(&bytes).folded(), sum as u16);
        }

        #[test]
        fn update_equals_summing_again(mut bytes in prop::collection::vec(any::<u8>(), 20), new: u16) {
            let check = Sum::default().bytes(&bytes).finish();
            let old = u16::from_be_bytes([bytes[4], bytes[5]]);
            bytes[4..6].copy_from_slice(&new.to_be_bytes());
            let again = Sum::default().bytes(&bytes).finish();
            let updated = update(check, old, new);
            // 0x0000 and 0xffff are both zero in one's complement.
            prop_assert!(updated == again || (updated ^ again) == 0xffff && updated.min(again) == 0);
        }
    }
}
