//! The options of a TCP header (RFC 9293 §3.1, RFC 6691, RFC 7323, RFC 2018).
//!
//! Read from the raw bytes and not with etherparse's iterator: that one ends at the first kind it
//! does not know, and RFC 9293 (MUST-6) wants unknown options skipped by their length.

use crate::SeqNum;

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// The largest shift that a window scale option may ask for (RFC 7323 §2.3).
pub(crate) const MAX_WINDOW_SCALE: u8 = 14;

/// Bytes of options that a header has room for.
pub(crate) const MAX_LEN: usize = 40;

/// What a segment's options say. Options that it does not have are `None`, `false`, or empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The largest segment that the sender of a SYN takes, in bytes of data (RFC 6691).
    pub mss: Option<u16>,
    /// The shift of the windows that the sender of a SYN will announce, 0 to 14 (RFC 7323 §2).
    pub window_scale: Option<u8>,
    /// Whether the sender of a SYN understands selective acknowledgments (RFC 2018 §2).
    pub sack_permitted: bool,
    /// Timestamps (RFC 7323 §3).
    pub timestamps: Option<Timestamps>,
    /// Selectively acknowledged blocks, the first [`Options::sack_count`] of them
    /// (RFC 2018 §3).
    pub sack: [SackBlock; 4],
    /// How many of [`Options::sack`] there are.
    pub sack_count: u8,
}

/// The two clocks of a timestamps option, in ticks of whoever owns them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timestamps {
    /// TSval: the sender's clock.
    pub value: u32,
    /// TSecr: what it last had from the other side.
    pub echo: u32,
}

/// Received data beyond a gap: `left..right`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SackBlock {
    /// Its first sequence number.
    pub left: SeqNum,
    /// The sequence number after its last.
    pub right: SeqNum,
}

/// An option whose length does not fit: below two, beyond the header, or not that of its kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

impl Options {
    /// Reads options as they stand on the wire.
    ///
    /// # Errors
    /// [`Malformed`], where what follows a broken length cannot be told (RFC 9293, MUST-7). A
    /// window scale beyond 14 is no error and read as 14 (RFC 7323 §2.3).
    pub fn parse(mut raw: &[u8]) -> Result<Options, Malformed> {
        let mut options = Options::default();
        while let [kind, rest @ ..] = raw {
            match *kind {
                END => break,
                NOP => raw = rest,
                kind => {
                    let len = usize::from(*rest.first().ok_or(Malformed)?);
                    if len < 2 {
                        return Err(Malformed);
                    }
                    let body = raw.get(2..len).ok_or(Malformed)?;
                    options.read(kind, body)?;
                    raw = &raw[len..];
                }
            }
        }
        Ok(options)
    }

    fn read(&mut self, kind: u8, body: &[u8]) -> Result<(), Malformed> {
        match (kind, body) {
            (MSS, &[a, b]) => self.mss = Some(u16::from_be_bytes([a, b])),
            (WINDOW_SCALE, &[shift]) => self.window_scale = Some(shift.min(MAX_WINDOW_SCALE)),
            (SACK_PERMITTED, []) => self.sack_permitted = true,
            (TIMESTAMPS, &[a, b, c, d, e, f, g, h]) => {
                self.timestamps = Some(Timestamps {
                    value: u32::from_be_bytes([a, b, c, d]),
                    echo: u32::from_be_bytes([e, f, g, h]),
                });
            }
            (SACK, blocks) if matches!(blocks.len(), 8 | 16 | 24 | 32) => {
                self.sack_count = 0;
                for block in blocks.chunks_exact(8) {
                    let half = |at: usize| {
                        SeqNum(u32::from_be_bytes([
                            block[at],
                            block[at + 1],
                            block[at + 2],
                            block[at + 3],
                        ]))
                    };
                    self.push_sack(SackBlock { left: half(0), right: half(4) });
                }
            }
            (MSS | WINDOW_SCALE | SACK_PERMITTED | TIMESTAMPS | SACK, _) => return Err(Malformed),
            (_unknown, _) => {}
        }
        Ok(())
    }

    /// The selectively acknowledged blocks.
    pub fn sack_blocks(&self) -> &[SackBlock] {
        &self.sack[..usize::from(self.sack_count)]
    }

    /// Adds a block where there is room for it; whether there was.
    pub fn push_sack(&mut self, block: SackBlock) -> bool {
        let Some(place) = self.sack.get_mut(usize::from(self.sack_count)) else { return false };
        *place = block;
        self.sack_count += 1;
        true
    }

    /// The wire form, a multiple of four bytes.
    ///
    /// A SYN's options stand in Linux's order: `mss,sackOK,TS,nop,wscale`, with NOPs in the place
    /// of what is left out, so that each field is aligned. A block that has no room any more
    /// beside the others is left out (RFC 2018 §3).
    pub fn to_wire(&self) -> Wire {
        let mut wire = Wire { bytes: [NOP; MAX_LEN], len: 0 };
        if let Some(mss) = self.mss {
            let [a, b] = mss.to_be_bytes();
            wire.push(&[MSS, 4, a, b]);
        }
        match (self.sack_permitted, self.timestamps.is_some()) {
            (true, _) if self.timestamps.is_some() => wire.push(&[SACK_PERMITTED, 2]),
            (true, _) => wire.push(&[NOP, NOP, SACK_PERMITTED, 2]),
            (false, true) => wire.push(&[NOP, NOP]),
            (false, false) => {}
        }
        if let Some(Timestamps { value, echo }) = self.timestamps {
            let ([a, b, c, d], [e, f, g, h]) = (value.to_be_bytes(), echo.to_be_bytes());
            wire.push(&[TIMESTAMPS, 10, a, b, c, d, e, f, g, h]);
        }
        if let Some(shift) = self.window_scale {
            wire.push(&[NOP, WINDOW_SCALE, 3, shift]);
        }
        let room = (MAX_LEN - wire.len).saturating_sub(4) / 8;
        let blocks = &self.sack_blocks()[..usize::from(self.sack_count).min(room)];
        if !blocks.is_empty() {
            wire.push(&[NOP, NOP, SACK, 2 + 8 * blocks.len() as u8]);
            for block in blocks {
                wire.push(&block.left.0.to_be_bytes());
                wire.push(&block.right.0.to_be_bytes());
            }
        }
        wire
    }

    /// Bytes of the wire form.
    pub fn wire_len(&self) -> usize {
        self.to_wire().len
    }
}

/// Options as they stand on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl Wire {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

impl std::ops::Deref for Wire {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TS: Timestamps = Timestamps { value: 0x0102_0304, echo: 0x0506_0708 };

    #[test]
    fn a_syn_has_its_options_in_the_usual_order() {
        let all = Options {
            mss: Some(1460),
            window_scale: Some(8),
            sack_permitted: true,
            timestamps: Some(TS),
            ..Options::default()
        };
        let wire = [2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 8];
        assert_eq!(all.to_wire()[..], wire);
        let without = Options { timestamps: None, ..all };
        assert_eq!(without.to_wire()[..], [2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 8]);
        let neither = Options { sack_permitted: false, ..without };
        assert_eq!(neither.to_wire()[..], [2, 4, 5, 180, 1, 3, 3, 8]);
    }

    /// RFC 9293, MUST-6: an option that is not implemented is skipped.
    #[test]
    fn an_unknown_option_does_not_hide_what_follows() {
        let options = Options::parse(&[253, 6, 0xf9, 0x89, 0, 0, 1, 2, 4, 5, 180, 0]).unwrap();
        assert_eq!(options, Options { mss: Some(1460), ..Options::default() });
    }

    /// RFC 9293, MUST-7.
    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let bad: [&[u8]; 8] = [
            &[2],
            &[2, 0, 0, 0],
            &[2, 1, 0, 0],
            &[2, 4, 5],
            &[2, 3, 5, 1],
            &[3, 2],
            &[5, 9, 0, 0, 0, 0, 0, 0, 0],
            &[253, 200, 0, 0],
        ];
        for raw in bad {
            assert_eq!(Options::parse(raw), Err(Malformed), "{raw:?}");
        }
    }

    /// RFC 7323 §2.3.
    #[test]
    fn a_window_scale_beyond_fourteen_is_fourteen() {
        assert_eq!(Options::parse(&[3, 3, 200, 1]).unwrap().window_scale, Some(14));
    }

    #[test]
    fn four_blocks_fit_alone_and_three_beside_timestamps() {
        let mut options = Options::default();
        for i in 0..4 {
            assert!(options.push_sack(SackBlock { left: SeqNum(i), right: SeqNum(i + 1) }));
        }
        assert!(!options.push_sack(SackBlock::default()));
        assert_eq!(Options::parse(&options.to_wire()).unwrap(), options);
        let beside = Options { timestamps: Some(TS), ..options };
        assert_eq!(Options::parse(&beside.to_wire()).unwrap().sack_blocks(), &options.sack[..3]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(raw in prop::collection::vec(any::<u8>(), 0..44)) {
            if let Ok(options) = Options::parse(&raw) {
                prop_assert!(options.wire_len() <= MAX_LEN);
            }
        }
    }
}
