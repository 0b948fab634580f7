//! Frames on a byte stream, as QEMU's `-netdev stream` and `-netdev socket` carry them: four bytes
//! of length in network byte order, then the frame.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};

use crate::Packet;
use crate::ethernet::HEADER_LEN;

/// Bytes of the length in front of each frame.
const PREFIX_LEN: usize = 4;

/// The longest frame that is taken: an Ethernet header and the largest IPv4 datagram. More than
/// this in the length means that the stream is out of step, or that nobody speaks the format.
pub(crate) const LONGEST_FRAME: usize = HEADER_LEN + 65535;

/// Bytes that wait to be written at most; beyond, the link's queue is full. A few of the largest
/// frames, or some 170 of the usual ones.
const WRITE_LIMIT: usize = 256 << 10;

/// Takes frames out of a stream, however it is chopped up.
#[derive(Debug)]
pub(crate) struct FrameReader {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

/// What reading came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A frame.
    Frame(Packet),
    /// Nothing more for now.
    Wait,
    /// The stream has ended, or failed; in the middle of a frame where `torn`.
    Closed { torn: bool },
    /// A length that cannot be.
    Broken { len: usize },
}

impl FrameReader {
    pub(crate) fn new() -> FrameReader {
        let buffer = vec![0; PREFIX_LEN + LONGEST_FRAME].into();
        FrameReader { buffer, start: 0, end: 0 }
    }

    /// The next frame of `stream`, which does not block.
    pub(crate) fn next(&mut self, stream: &mut impl Read) -> Incoming {
        loop {
            let have = &self.buffer[self.start..self.end];
            if let Some((prefix, rest)) = have.split_first_chunk::<PREFIX_LEN>() {
                let len = u32::from_be_bytes(*prefix) as usize;
                if len == 0 || len > LONGEST_FRAME {
                    return Incoming::Broken { len };
                }
                if let Some(frame) = rest.get(..len) {
                    let packet = Packet::from_payload(frame);
                    self.start += PREFIX_LEN + len;
                    return Incoming::Frame(packet);
                }
            }
            // What is left is less than one frame, and the buffer holds the longest: with what is
            // left at the front there is always room to read into.
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            match stream.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Incoming::Closed { torn: self.end != 0 },
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Incoming::Wait,
                Err(_) => return Incoming::Closed { torn: self.end != 0 },
            }
        }
    }
}

/// Collects frames and writes them to a stream, however little it takes at a time.
#[derive(Debug, Default)]
pub(crate) struct FrameWriter {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are written.
    written: usize,
    /// Bytes of each frame that are still to be written, oldest first.
    frames: VecDeque<usize>,
}

impl FrameWriter {
    /// Whether another frame can be queued.
    pub(crate) fn is_full(&self) -> bool {
        self.buffer.len() - self.written >= WRITE_LIMIT
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Frames that are not written, or not in full.
    pub(crate) fn waiting(&self) -> usize {
        self.frames.len()
    }

    /// Queues a frame.
    pub(crate) fn push(&mut self, frame: &[u8]) {
        self.buffer.extend_from_slice(&(frame.len() as u32).to_be_bytes());
        self.buffer.extend_from_slice(frame);
        self.frames.push_back(PREFIX_LEN + frame.len());
    }

    /// Writes what `stream` takes without blocking. `Err` where it takes nothing any more.
    pub(crate) fn write_to(&mut self, stream: &mut impl Write) -> std::io::Result<()> {
        while self.written < self.buffer.len() {
            match stream.write(&self.buffer[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.wrote(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.buffer.drain(..self.written);
        self.written = 0;
        Ok(())
    }

    fn wrote(&mut self, mut count: usize) {
        self.written += count;
        while let Some(frame) = self.frames.front_mut() {
            if count < *frame {
                *frame -= count;
                break;
            }
            count -= *frame;
            self.frames.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A stream that gives and takes a few bytes at a time, and blocks in between.
    struct Chopped {
        bytes: VecDeque<u8>,
        sizes: Vec<usize>,
        turn: usize,
    }

    impl Chopped {
        fn size(&mut self) -> std::io::Result<usize> {
            self.turn += 1;
            match self.sizes[self.turn % self.sizes.len()] {
                0 => Err(ErrorKind::WouldBlock.into()),
                size => Ok(size),
            }
        }
    }

    impl Read for Chopped {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let size = self.size()?.min(buffer.len());
            self.bytes.read(&mut buffer[..size])
        }
    }

    impl Write for Chopped {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let size = self.size()?.min(bytes.len());
            self.bytes.extend(&bytes[..size]);
            Ok(size)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn read_all(mut stream: impl Read) -> (Vec<Packet>, Incoming) {
        let (mut reader, mut frames) = (FrameReader::new(), Vec::new());
        loop {
            match reader.next(&mut stream) {
                Incoming::Frame(frame) => frames.push(frame),
                Incoming::Wait => {}
                end => return (frames, end),
            }
        }
    }

    #[test]
    fn the_format_is_a_length_in_network_order_and_the_frame() {
        let mut writer = FrameWriter::default();
        writer.push(b"abc");
        let mut bytes = Vec::new();
        writer.write_to(&mut bytes).unwrap();
        assert_eq!(bytes, b"\0\0\0\x03abc");
        assert!(writer.is_empty());
    }

    #[test]
    fn lengths_that_cannot_be_are_told_and_torn_frames_too() {
        assert_eq!(read_all(&[0u8; 4][..]).1, Incoming::Broken { len: 0 });
        assert_eq!(read_all(&[0, 1, 0, 14, 1][..]).1, Incoming::Broken { len: 65550 });
        assert_eq!(read_all(&[0, 0, 0, 5, 1][..]).1, Incoming::Closed { torn: true });
        assert_eq!(read_all(&[0, 0, 0, 1, 1][..]).1, Incoming::Closed { torn: false });
        let longest = [&[0, 1, 0, 13][..], &[7; LONGEST_FRAME]].concat();
        assert_eq!(read_all(&longest[..]).0[0].len(), LONGEST_FRAME);
    }

    #[test]
    fn the_writer_fills_up_and_knows_what_waits() {
        let mut writer = FrameWriter::default();
        let mut frames = 0;
        while !writer.is_full() {
            writer.push(&[0; 1514]);
            frames += 1;
        }
        assert!((170..180).contains(&frames), "{frames}");
        let mut first = [0; 1518 + 10];
        let end = writer.write_to(&mut &mut first[..]).unwrap_err();
        assert_eq!(end.kind(), ErrorKind::WriteZero);
        assert_eq!(writer.waiting(), frames - 1, "the second is written in part");
    }

    proptest! {
        #[test]
        fn frames_survive_any_chopping(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
            sizes in prop::collection::vec(0usize..200, 1..8),
        ) {
            prop_assume!(sizes.iter().any(|size| *size != 0));
            let mut pipe = Chopped { bytes: VecDeque::new(), sizes, turn: 0 };
            let mut writer = FrameWriter::default();
            for frame in &frames {
                writer.push(frame);
                writer.write_to(&mut pipe).unwrap();
            }
            while !writer.is_empty() {
                writer.write_to(&mut pipe).unwrap();
            }
            let (read, end) = read_all(pipe);
            prop_assert_eq!(end, Incoming::Closed { torn: false });
            prop_assert_eq!(read.len(), frames.len());
            for (read, sent) in read.iter().zip(&frames) {
                prop_assert_eq!(&read[..], &sent[..]);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            read_all(&bytes[..]);
        }
    }
}
