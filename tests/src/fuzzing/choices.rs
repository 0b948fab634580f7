//! Bytes read as choices.

use std::time::Duration;

use arbitrary::Unstructured;

/// A fuzzer's bytes, taken from the front one choice at a time. When they are used up every choice
/// is zero, and [`Choices::next`] says that there is no more.
#[derive(Debug)]
pub(super) struct Choices<'a>(Unstructured<'a>);

impl<'a> Choices<'a> {
    pub(super) fn new(data: &'a [u8]) -> Choices<'a> {
        Choices(Unstructured::new(data))
    }

    /// What to do next, if there is anything.
    pub(super) fn next(&mut self) -> Option<u8> {
        (!self.0.is_empty()).then(|| self.byte())
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or_default()
    }

    pub(super) fn word(&mut self) -> u16 {
        self.0.arbitrary().unwrap_or_default()
    }

    pub(super) fn long(&mut self) -> u32 {
        self.0.arbitrary().unwrap_or_default()
    }

    pub(super) fn flag(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    /// Whether it is this time, of so many.
    pub(super) fn one_in(&mut self, times: u8) -> bool {
        self.byte().is_multiple_of(times)
    }

    /// A number from 0 to `count` − 1, for up to 256 of them.
    pub(super) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    /// One of several.
    pub(super) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// At most `most` (255 or fewer) bytes.
    pub(super) fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.below(most + 1).min(self.0.len());
        self.0.bytes(len).unwrap_or_default().to_vec()
    }

    /// A number at, near, or far from `base`, around the circle of 32 bits.
    pub(super) fn near(&mut self, base: u32) -> u32 {
        match self.byte() % 8 {
            0..=2 => base,
            3 => base.wrapping_add_signed(i32::from(self.byte() as i8)),
            4 => base.wrapping_add_signed(i32::from(self.word() as i16)),
            5 => base.wrapping_add(u32::from(self.word()) << 8),
            6 => base.wrapping_add(1 << 31).wrapping_add_signed(i32::from(self.byte() as i8)),
            _ => self.long(),
        }
    }

    /// A length: often small, sometimes up to `most`.
    pub(super) fn len(&mut self, most: usize) -> usize {
        match self.byte() {
            small @ 0..=127 => usize::from(small).min(most),
            _ => usize::from(self.word()) % (most + 1),
        }
    }

    /// A time from a microsecond to some hours.
    pub(super) fn time(&mut self) -> Duration {
        let byte = self.byte();
        Duration::from_micros(u64::from(byte & 15) + 1) * 4_u32.pow(u32::from(byte >> 4))
    }
}
