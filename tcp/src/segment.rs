//! The wire form of a segment (RFC 9293 §3.1).

use std::fmt;

use etherparse::{TcpHeader, TcpHeaderSlice};
use ip::Datagram;
use netdev::checksum::Sum;
use netdev::{Cast, Checksum, Packet};
use std::net::IpAddr;

use crate::{DropReason, Options, SeqNum};

/// Where in a header the checksum stands.
const CHECKSUM_OFFSET: usize = 16;

/// A segment's header, and how much data follows it. The data itself stays in its [`Packet`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The sender's port.
    pub src_port: u16,
    /// The receiver's port.
    pub dst_port: u16,
    /// SEG.SEQ: of the first data byte, or of the SYN.
    pub seq: SeqNum,
    /// SEG.ACK: the next that the sender expects; means something with [`Flags::ACK`] only.
    pub ack: SeqNum,
    /// The control bits.
    pub flags: Flags,
    /// SEG.WND as it stands on the wire, not scaled.
    pub window: u16,
    /// SEG.UP: means something with [`Flags::URG`] only.
    pub urgent: u16,
    /// The options; the ones that belong on a SYN are there on a SYN only.
    pub options: Options,
    /// Bytes of data.
    pub len: usize,
}

bitflags::bitflags! {
    /// The control bits, in the order of the wire.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Flags: u8 {
        /// No more data from the sender.
        const FIN = 1;
        /// Synchronize sequence numbers.
        const SYN = 2;
        /// Reset the connection.
        const RST = 4;
        /// Push function.
        const PSH = 8;
        /// The acknowledgment field is significant.
        const ACK = 16;
        /// The urgent pointer is significant.
        const URG = 32;
        /// ECN-echo (RFC 3168).
        const ECE = 64;
        /// Congestion window reduced (RFC 3168).
        const CWR = 128;
    }
}

impl Segment {
    /// A segment without data, options and window.
    pub fn new(src_port: u16, dst_port: u16, seq: SeqNum, ack: SeqNum, flags: Flags) -> Segment {
        Segment {
            src_port,
            dst_port,
            seq,
            ack,
            flags,
            window: 0,
            urgent: 0,
            options: Options::default(),
            len: 0,
        }
    }

    /// Reads and checks a received segment, and strips its header from the datagram's payload.
    ///
    /// # Errors
    /// Why the segment has to be dropped: it is cut short, its data offset or its options do not
    /// fit, its checksum is wrong, a port is zero, or it was sent to or from a group
    /// (RFC 1122 §4.2.3.10). The datagram is as it was.
    pub fn parse(datagram: &mut Datagram) -> Result<Segment, DropReason> {
        let (src, dst) = (datagram.header.src, datagram.header.dst);
        if datagram.cast != Cast::Unicast || is_group(src) || is_group(dst) {
            return Err(DropReason::Group);
        }
        let (segment, header_len) = Segment::parse_header(&datagram.payload)?;
        let known = !matches!(datagram.payload.checksum(), Checksum::None);
        if !known
            && !pseudo_header(src, dst, datagram.payload.len()).bytes(&datagram.payload).is_valid()
        {
            return Err(DropReason::Checksum);
        }
        datagram.payload.strip(header_len);
        Ok(segment)
    }

    /// Reads a header without looking at checksum or addresses; gives its length too.
    ///
    /// # Errors
    /// As [`Segment::parse`].
    pub fn parse_header(bytes: &[u8]) -> Result<(Segment, usize), DropReason> {
        use etherparse::err::tcp::{HeaderError, HeaderSliceError};
        let header = TcpHeaderSlice::from_slice(bytes).map_err(|error| match error {
            HeaderSliceError::Content(HeaderError::DataOffsetTooSmall { .. }) => {
                DropReason::DataOffset
            }
            HeaderSliceError::Len(_) => DropReason::Truncated,
        })?;
        if header.source_port() == 0 || header.destination_port() == 0 {
            return Err(DropReason::PortZero);
        }
        let mut options = Options::parse(header.options()).map_err(|_| DropReason::Options)?;
        let flags = Flags::from_bits_retain(header.slice()[13]);
        if !flags.contains(Flags::SYN) {
            // RFC 9293 §3.2, RFC 7323 §2.2, RFC 2018 §2: these may be sent in a SYN only.
            options = Options { mss: None, window_scale: None, sack_permitted: false, ..options };
        }
        let header_len = header.slice().len();
        let segment = Segment {
            src_port: header.source_port(),
            dst_port: header.destination_port(),
            seq: SeqNum(header.sequence_number()),
            ack: SeqNum(header.acknowledgment_number()),
            flags,
            window: header.window_size(),
            urgent: header.urgent_pointer(),
            options,
            len: bytes.len() - header_len,
        };
        Ok((segment, header_len))
    }

    /// Puts this header in front of its data. With `partial` the checksum is left to the device,
    /// else it is filled in.
    pub fn emit(&self, mut packet: Packet, src: IpAddr, dst: IpAddr, partial: bool) -> Packet {
        debug_assert_eq!(packet.len(), self.len, "the data is that which the header speaks of");
        let mut header = TcpHeader::new(self.src_port, self.dst_port, self.seq.0, self.window);
        header.acknowledgment_number = self.ack.0;
        header.urgent_pointer = self.urgent;
        let has = |flag| self.flags.contains(flag);
        (header.fin, header.syn, header.rst, header.psh) =
            (has(Flags::FIN), has(Flags::SYN), has(Flags::RST), has(Flags::PSH));
        (header.ack, header.urg, header.ece, header.cwr) =
            (has(Flags::ACK), has(Flags::URG), has(Flags::ECE), has(Flags::CWR));
        // Cannot fail: a wire form is 40 bytes at most.
        let _ = header.set_options_raw(&self.options.to_wire());
        let mut bytes = header.to_bytes();
        let mut sum = pseudo_header(src, dst, bytes.len() + packet.len());
        let field = CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2;
        if partial {
            bytes[field].copy_from_slice(&sum.folded().to_be_bytes());
        } else {
            sum = sum.bytes(&bytes).bytes(&packet);
            bytes[field].copy_from_slice(&sum.finish().to_be_bytes());
        }
        packet.prepend(bytes.len()).copy_from_slice(&bytes);
        if partial {
            packet.set_checksum(Checksum::Partial { start: 0, offset: CHECKSUM_OFFSET });
        }
        packet
    }

    /// SEG.LEN: the sequence numbers that it takes, SYN and FIN counted (RFC 9293 §3.4).
    pub fn seq_len(&self) -> u32 {
        self.len as u32
            + u32::from(self.flags.contains(Flags::SYN))
            + u32::from(self.flags.contains(Flags::FIN))
    }

    /// The sequence number after its last.
    pub fn end(&self) -> SeqNum {
        self.seq + self.seq_len()
    }

    /// The reset that answers a segment of no connection (RFC 9293 §3.10.7.1); `None` for a
    /// reset, which is never answered.
    pub fn reset(&self) -> Option<Segment> {
        if self.flags.contains(Flags::RST) {
            return None;
        }
        let (seq, ack, flags) = if self.flags.contains(Flags::ACK) {
            (self.ack, SeqNum(0), Flags::RST)
        } else {
            (SeqNum(0), self.end(), Flags::RST | Flags::ACK)
        };
        Some(Segment::new(self.dst_port, self.src_port, seq, ack, flags))
    }
}

fn pseudo_header(src: IpAddr, dst: IpAddr, len: usize) -> Sum {
    Sum::pseudo_header(src, dst, ip::Protocol::TCP.0, len)
}

/// An address that stands for more or less than one host (RFC 9293 §3.9.1.1, §3.9.2.3).
pub(crate) fn is_group(addr: IpAddr) -> bool {
    addr.is_multicast()
        || addr.is_unspecified()
        || matches!(addr, IpAddr::V4(addr) if addr.is_broadcast())
}

/// As tcpdump prints it: `S.`, `P.`, `R`.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: [(Flags, &str); 8] = [
            (Flags::SYN, "S"),
            (Flags::FIN, "F"),
            (Flags::RST, "R"),
            (Flags::PSH, "P"),
            (Flags::URG, "U"),
            (Flags::CWR, "W"),
            (Flags::ECE, "E"),
            (Flags::ACK, "."),
        ];
        for (flag, letter) in LETTERS {
            if self.contains(flag) {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

/// `1234>80 S 7:8(0) ack 3 win 100 …`
impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Segment { src_port, dst_port, seq, ack, flags, window, urgent, options, len } = self;
        write!(f, "{src_port}>{dst_port} {flags:?} {seq}:{}({len})", *seq + *len as u32)?;
        if flags.contains(Flags::ACK) {
            write!(f, " ack {ack}")?;
        }
        write!(f, " win {window}")?;
        if flags.contains(Flags::URG) {
            write!(f, " urg {urgent}")?;
        }
        if let Some(mss) = options.mss {
            write!(f, " mss {mss}")?;
        }
        if options.sack_permitted {
            f.write_str(" sackOK")?;
        }
        if let Some(ts) = options.timestamps {
            write!(f, " TS {} ecr {}", ts.value, ts.echo)?;
        }
        if let Some(shift) = options.window_scale {
            write!(f, " wscale {shift}")?;
        }
        for block in options.sack_blocks() {
            write!(f, " sack {}:{}", block.left, block.right)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
