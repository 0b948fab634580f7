//! A segment as a test writes it and reads it.

use std::fmt;
use std::net::SocketAddr;

use etherparse::TcpHeaderSlice;
use netdev::checksum::Sum;

use crate::Flags;

/// tcpdump's letters, in its order.
const LETTERS: [(char, Flags); 8] = [
    ('F', Flags::FIN),
    ('S', Flags::SYN),
    ('R', Flags::RST),
    ('P', Flags::PSH),
    ('A', Flags::ACK),
    ('U', Flags::URG),
    ('E', Flags::ECE),
    ('W', Flags::CWR),
];

/// Control bits from tcpdump's letters: `"SA"` is SYN and ACK (tcpdump itself writes a dot for ACK).
fn flags(letters: &str) -> Flags {
    letters.chars().fold(Flags::empty(), |flags, letter| {
        match LETTERS.iter().find(|(known, _)| *known == letter) {
            Some((_, flag)) => flags | *flag,
            None => panic!("no TCP flag is called {letter:?}: {letters:?}"),
        }
    })
}

fn letters(flags: Flags) -> String {
    let set = LETTERS.iter().filter(|(_, flag)| flags.contains(*flag));
    set.map(|(letter, _)| *letter).collect()
}

/// A segment with control bits in tcpdump's letters (`"SA"`: SYN and ACK), everything else left
/// open. See [`Seg`].
///
/// # Panics
/// On a letter that is none of `FSRPAUEW`.
pub fn seg(letters: &str) -> Seg {
    Seg { flags: flags(letters), ..Seg::default() }
}

/// A segment: one to inject, one to expect, or one that was seen. What is not said has a default
/// in a segment to inject, and is not compared in one to expect; only the payload is empty in
/// both, if nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seg {
    /// Who sends. Default: the peer of the script.
    pub src: Option<SocketAddr>,
    /// Who receives. Default: the socket under test.
    pub dst: Option<SocketAddr>,
    /// The control bits; compared exactly, but for PSH, which nothing may depend on.
    pub flags: Flags,
    /// Sequence number. Default: the one after all that was injected.
    pub seq: Option<u32>,
    /// Acknowledgment number. Default: all that was seen, where ACK is set.
    pub ack: Option<u32>,
    /// Window in bytes, as it stands in the header. Default: 65535.
    pub window: Option<u16>,
    /// Urgent pointer. Default: 0.
    pub urgent: Option<u16>,
    /// Options as on the wire, padded. Default: none.
    pub options: Option<Vec<u8>>,
    /// The data; `None` for any.
    pub payload: Payload,
    /// Data offset in words, where it is to be a wrong one.
    pub data_offset: Option<u8>,
    /// Whether the checksum is to be a wrong one.
    pub bad_checksum: bool,
}

/// The data of a [`Seg`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many of any; in a segment to inject, of [`pattern`](super::pattern).
    Len(usize),
    /// Any, or none.
    Any,
}

impl Default for Payload {
    fn default() -> Payload {
        Payload::Bytes(Vec::new())
    }
}

impl Payload {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Payload::Bytes(bytes) => bytes.clone(),
            Payload::Len(len) => super::pattern(0, *len),
            Payload::Any => Vec::new(),
        }
    }
}

impl Seg {
    /// Sent from there.
    #[must_use]
    pub fn from(self, src: SocketAddr) -> Seg {
        Seg { src: Some(src), ..self }
    }

    /// Sent to there.
    #[must_use]
    pub fn to(self, dst: SocketAddr) -> Seg {
        Seg { dst: Some(dst), ..self }
    }

    /// With this sequence number.
    #[must_use]
    pub fn seq(self, seq: u32) -> Seg {
        Seg { seq: Some(seq), ..self }
    }

    /// With this acknowledgment number.
    #[must_use]
    pub fn ack(self, ack: u32) -> Seg {
        Seg { ack: Some(ack), ..self }
    }

    /// With this window.
    #[must_use]
    pub fn win(self, window: u16) -> Seg {
        Seg { window: Some(window), ..self }
    }

    /// With this urgent pointer.
    #[must_use]
    pub fn urgent(self, pointer: u16) -> Seg {
        Seg { urgent: Some(pointer), ..self }
    }

    /// With these options and no others; padded with "end of list" to whole words.
    #[must_use]
    pub fn options(self, wire: &[u8]) -> Seg {
        let mut options = wire.to_vec();
        options.resize(options.len().next_multiple_of(4), 0);
        Seg { options: Some(options), ..self }
    }

    /// With an MSS option and no other.
    #[must_use]
    pub fn mss(self, mss: u16) -> Seg {
        let [high, low] = mss.to_be_bytes();
        self.options(&[2, 4, high, low])
    }

    /// With these bytes.
    #[must_use]
    pub fn data(self, bytes: &[u8]) -> Seg {
        Seg { payload: Payload::Bytes(bytes.to_vec()), ..self }
    }

    /// With so many bytes.
    #[must_use]
    pub fn len(self, bytes: usize) -> Seg {
        Seg { payload: Payload::Len(bytes), ..self }
    }

    /// With any bytes, or none: only to expect.
    #[must_use]
    pub fn any_data(self) -> Seg {
        Seg { payload: Payload::Any, ..self }
    }

    /// With a wrong data offset, in words.
    #[must_use]
    pub fn data_offset(self, words: u8) -> Seg {
        Seg { data_offset: Some(words), ..self }
    }

    /// With a wrong checksum.
    #[must_use]
    pub fn bad_checksum(self) -> Seg {
        Seg { bad_checksum: true, ..self }
    }

    /// The sequence numbers it takes: its bytes, its SYN, its FIN (RFC 9293 §3.4).
    pub fn seq_len(&self) -> u32 {
        let controls = (self.flags & (Flags::SYN | Flags::FIN)).bits().count_ones();
        self.payload_len() as u32 + controls
    }

    /// Bytes of data.
    pub fn payload_len(&self) -> usize {
        match &self.payload {
            Payload::Bytes(bytes) => bytes.len(),
            Payload::Len(len) => *len,
            Payload::Any => 0,
        }
    }

    /// The data of a segment that was seen.
    pub fn payload(&self) -> &[u8] {
        match &self.payload {
            Payload::Bytes(bytes) => bytes,
            Payload::Len(_) | Payload::Any => &[],
        }
    }

    /// The content of the first option of a kind, found by walking the lengths.
    pub fn option(&self, kind: u8) -> Option<&[u8]> {
        let mut rest = self.options.as_deref()?;
        loop {
            match *rest {
                [1, ..] => rest = &rest[1..],
                [found, len, ..] if found != 0 && (2..=rest.len()).contains(&usize::from(len)) => {
                    let (option, after) = rest.split_at(usize::from(len));
                    if found == kind {
                        return Some(&option[2..]);
                    }
                    rest = after;
                }
                _ => return None,
            }
        }
    }

    /// What an MSS option says.
    pub fn mss_option(&self) -> Option<u16> {
        self.option(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// Reads a segment off the wire; `None` where its header is not whole.
    pub fn parse(src: SocketAddr, dst: SocketAddr, bytes: &[u8]) -> Option<Seg> {
        let header = TcpHeaderSlice::from_slice(bytes).ok()?;
        Some(Seg {
            src: Some(SocketAddr::new(src.ip(), header.source_port())),
            dst: Some(SocketAddr::new(dst.ip(), header.destination_port())),
            flags: Flags::from_bits_retain(bytes[13]),
            seq: Some(header.sequence_number()),
            ack: Some(header.acknowledgment_number()),
            window: Some(header.window_size()),
            urgent: Some(header.urgent_pointer()),
            options: Some(header.options().to_vec()),
            payload: Payload::Bytes(bytes[header.slice().len()..].to_vec()),
            data_offset: None,
            bad_checksum: false,
        })
    }

    /// The wire form between two addresses; what is not said is 0, the window 65535.
    ///
    /// # Panics
    /// Where an end is missing.
    pub fn emit(&self) -> Vec<u8> {
        let (src, dst) = (self.src.expect("a source"), self.dst.expect("a destination"));
        let options = self.options.as_deref().unwrap_or_default();
        let words = self.data_offset.unwrap_or(5 + (options.len() / 4) as u8);
        let mut wire = Vec::with_capacity(20 + options.len() + self.payload_len());
        wire.extend(src.port().to_be_bytes());
        wire.extend(dst.port().to_be_bytes());
        wire.extend(self.seq.unwrap_or(0).to_be_bytes());
        wire.extend(self.ack.unwrap_or(0).to_be_bytes());
        wire.extend([words << 4, self.flags.bits()]);
        wire.extend(self.window.unwrap_or(0xffff).to_be_bytes());
        wire.extend([0, 0]);
        wire.extend(self.urgent.unwrap_or(0).to_be_bytes());
        wire.extend(options);
        wire.extend(self.payload.bytes());
        let sum = Sum::pseudo_header(src.ip(), dst.ip(), 6, wire.len()).bytes(&wire).finish();
        let sum = if self.bad_checksum { sum ^ 0x5555 } else { sum };
        wire[16..18].copy_from_slice(&sum.to_be_bytes());
        wire
    }

    /// What of `seen` is not as `self` expects it; `None` where all is.
    pub fn mismatch(&self, seen: &Seg) -> Option<String> {
        fn differs<T: PartialEq + fmt::Debug>(
            field: &str,
            expected: &Option<T>,
            seen: &Option<T>,
        ) -> Option<String> {
            let expected = expected.as_ref()?;
            let seen = seen.as_ref();
            (Some(expected) != seen).then(|| format!("{field}: {seen:?}, expected {expected:?}"))
        }
        let flags = |seg: &Seg| Some(letters(seg.flags - Flags::PSH));
        let payload = match &self.payload {
            Payload::Any => None,
            Payload::Len(len) => differs("length", &Some(*len), &Some(seen.payload_len())),
            Payload::Bytes(bytes) if bytes.len() != seen.payload_len() => {
                differs("length", &Some(bytes.len()), &Some(seen.payload_len()))
            }
            Payload::Bytes(bytes) => differs("data", &Some(&bytes[..]), &Some(seen.payload())),
        };
        differs("flags", &flags(self), &flags(seen))
            .or_else(|| differs("source", &self.src, &seen.src))
            .or_else(|| differs("destination", &self.dst, &seen.dst))
            .or_else(|| differs("sequence number", &self.seq, &seen.seq))
            .or_else(|| differs("acknowledgment", &self.ack, &seen.ack))
            .or_else(|| differs("window", &self.window, &seen.window))
            .or_else(|| differs("urgent pointer", &self.urgent, &seen.urgent))
            .or_else(|| differs("options", &self.options, &seen.options))
            .or(payload)
    }
}

/// One line, much like tcpdump's.
impl fmt::Display for Seg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<3}", letters(self.flags))?;
        if let Some(seq) = self.seq {
            write!(f, " {seq}:{}({})", seq.wrapping_add(self.seq_len()), self.payload_len())?;
        } else if self.payload_len() != 0 {
            write!(f, " ({})", self.payload_len())?;
        }
        if let Some(ack) = self.ack.filter(|_| self.flags.contains(Flags::ACK)) {
            write!(f, " ack {ack}")?;
        }
        if let Some(window) = self.window {
            write!(f, " win {window}")?;
        }
        if let Some(urgent) = self.urgent.filter(|_| self.flags.contains(Flags::URG)) {
            write!(f, " urg {urgent}")?;
        }
        if let Some(options) = self.options.as_deref().filter(|options| !options.is_empty()) {
            write!(f, " <{options:02x?}>")?;
        }
        if let Some(words) = self.data_offset {
            write!(f, " (data offset {words})")?;
        }
        if self.bad_checksum {
            write!(f, " (bad checksum)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Segment;

    #[test]
    fn what_is_emitted_is_read_back_and_the_crate_reads_the_same() {
        let (src, dst) = ("10.0.0.2:5000".parse().unwrap(), "10.0.0.1:80".parse().unwrap());
        let sent = seg("PA").from(src).to(dst).seq(7).ack(9).win(100).urgent(0).mss(1000).len(5);
        let wire = sent.emit();
        let read = Seg::parse(src, dst, &wire).unwrap();
        assert_eq!(sent.mismatch(&read), None);
        assert_eq!(read.mss_option(), Some(1000));
        let (segment, header_len) = Segment::parse_header(&wire).unwrap();
        assert_eq!((segment.seq.0, segment.ack.0, segment.window, header_len), (7, 9, 100, 24));
        assert_eq!((segment.flags, segment.len), (read.flags, read.payload_len()));
    }

    #[test]
    fn a_mismatch_names_the_field() {
        let seen = seg("A").seq(1).ack(2).data(b"x");
        assert_eq!(seg("PA").any_data().mismatch(&seen), None);
        assert!(seg("FA").any_data().mismatch(&seen).unwrap().starts_with("flags"));
        assert!(seg("A").seq(2).any_data().mismatch(&seen).unwrap().starts_with("sequence"));
        assert!(seg("A").mismatch(&seen).unwrap().starts_with("length"));
        assert!(seg("A").data(b"y").mismatch(&seen).unwrap().starts_with("data"));
    }
}
