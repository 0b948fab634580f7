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
