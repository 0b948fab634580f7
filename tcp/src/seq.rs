//! Sequence numbers (RFC 9293 §3.4): 32-bit counters that wrap, compared modulo 2³².

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// A sequence or acknowledgment number.
///
/// There is no `Ord`: "less" on a circle is a relation of two numbers less than 2³¹ apart, and is
/// not transitive.
///
/// ```
/// use tcp::SeqNum;
/// let before_wrap = SeqNum(0xffff_fff0);
/// assert!(before_wrap.lt(before_wrap + 0x20));
/// assert_eq!((before_wrap + 0x20) - before_wrap, 0x20);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeqNum(pub u32);

impl SeqNum {
    /// Whether `self` comes before `other`.
    pub const fn lt(self, other: SeqNum) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// Whether `self` comes before `other` or is it.
    pub const fn le(self, other: SeqNum) -> bool {
        !other.lt(self)
    }

    /// Whether `self` comes after `other`.
    pub const fn gt(self, other: SeqNum) -> bool {
        other.lt(self)
    }

    /// Whether `self` comes after `other` or is it.
    pub const fn ge(self, other: SeqNum) -> bool {
        !self.lt(other)
    }

    /// The later of two.
    #[must_use]
    pub const fn max(self, other: SeqNum) -> SeqNum {
        if self.lt(other) { other } else { self }
    }

    /// The earlier of two.
    #[must_use]
    pub const fn min(self, other: SeqNum) -> SeqNum {
        if self.lt(other) { self } else { other }
    }

    /// Whether `self` lies in `from..to`.
    pub const fn within(self, from: SeqNum, to: SeqNum) -> bool {
        self.ge(from) && self.lt(to)
    }
}

impl Add<u32> for SeqNum {
    type Output = SeqNum;
    fn add(self, bytes: u32) -> SeqNum {
        SeqNum(self.0.wrapping_add(bytes))
    }
}

impl AddAssign<u32> for SeqNum {
    fn add_assign(&mut self, bytes: u32) {
        *self = *self + bytes;
    }
}

impl Sub<u32> for SeqNum {
    type Output = SeqNum;
    fn sub(self, bytes: u32) -> SeqNum {
        SeqNum(self.0.wrapping_sub(bytes))
    }
}

/// The distance from `other` up to `self`, modulo 2³².
impl Sub<SeqNum> for SeqNum {
    type Output = u32;
    fn sub(self, other: SeqNum) -> u32 {
        self.0.wrapping_sub(other.0)
    }
}

impl fmt::Debug for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 9293 §3.4: "all arithmetic dealing with sequence numbers must be performed modulo
    /// 2**32". As unsigned integers, numbers across the wrap compare the wrong way round.
    #[test]
    fn defect_sequence_numbers_do_not_compare_as_unsigned_integers() {
        let (before, after) = (SeqNum(u32::MAX), SeqNum(0));
        assert!(before.lt(after) && !after.lt(before));
        assert!(before.le(after) && after.gt(before) && after.ge(before));
        assert_eq!((before.max(after), before.min(after)), (after, before));
        assert!(after.within(before, SeqNum(5)) && !SeqNum(5).within(before, SeqNum(5)));
    }

    proptest! {
        /// Where 64-bit places in a stream are less than 2^31 apart, their sequence numbers
        /// compare and subtract as they do.
        #[test]
        fn they_are_places_in_a_stream(place in 0u64..1 << 60, ahead in 0u64..1 << 31) {
            let (here, there) = (SeqNum(place as u32), SeqNum((place + ahead) as u32));
            prop_assert_eq!(here.lt(there), ahead > 0);
            prop_assert_eq!(here.ge(there), ahead == 0);
            prop_assert!(here.le(there) && there.ge(here));
            prop_assert_eq!(u64::from(there - here), ahead);
            prop_assert_eq!(here + ahead as u32, there);
            prop_assert_eq!(there - ahead as u32, here);
            prop_assert_eq!((here.max(there), here.min(there)), (there, here));
        }
    }
}
