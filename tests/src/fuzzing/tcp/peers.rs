//! The peers and the path: segments that are right, nearly right and wrong, ICMP errors, another MTU.

use super::*;

impl Session<'_> {
    /// Bytes of a peer's stream from a number on.
    pub(super) fn numbered(seq: u32, len: usize) -> Vec<u8> {
        pattern(seq as usize, len)
    }

    pub(super) fn input(&mut self, segment: &Segment) {
        self.input_bytes(&segment.bytes(PEER, ME), segment);
    }

    pub(super) fn input_bytes(&mut self, bytes: &[u8], segment: &Segment) {
        if segment.flags & SYN != 0 {
            let ports = (segment.ports.1, segment.ports.0);
            self.peers.entry(ports).or_default().push(segment.seq.wrapping_add(1));
        }
        let mut header = Header::new(PEER.into(), ME.into(), Protocol::TCP);
        header.tos = Tos(self.choices.of(&[0, 0, 0, 1, 2, 3]));
        self.inputs += 1;
        if let Input::Dropped(reason) = self.host.input(header, Packet::from_payload(bytes)) {
            *self.dropped.entry(reason.text()).or_default() += 1;
        }
    }

    /// A segment of a connection with any flags and numbers near the right ones.
    pub(super) fn forged_segment(&mut self) {
        let Some(info) = self.connection() else { return self.syn() };
        let flags = match self.choices.byte() {
            often @ 0..=191 => {
                [ACK, ACK, ACK | 8, ACK | 1, SYN, SYN | ACK, 4, 4 | ACK][usize::from(often % 8)]
            }
            any => any,
        };
        let seq = self.choices.near(info.rcv_nxt);
        let ack = match self.choices.flag() {
            true => self.choices.near(info.snd_nxt),
            false => self.choices.near(info.snd_una),
        };
        let len = if self.choices.flag() { 0 } else { self.choices.len(3000) };
        let window = self.choices.of(&[65535, 65535, 0, 1, 500, 20000]);
        let urgent = if flags & 32 != 0 { self.choices.word() } else { 0 };
        let echo = self.last.as_ref().map_or(0, |sent| timestamp(sent).unwrap_or(0));
        let options = forge::tcp_options(&mut self.choices, info.snd_una, echo);
        // What a SYN carries begins one number behind it.
        let first = seq.wrapping_add(u32::from(flags & SYN != 0));
        let payload = Self::numbered(first, len);
        let ports = (info.peer.port(), info.local.port());
        self.input(&Segment { ports, seq, ack, flags, window, urgent, options, payload });
    }

    /// The segment that a sound peer might send: it opens, acknowledges everything, carries the
    /// bytes that come next, and where `fin` ends the stream.
    pub(super) fn expected_segment(&mut self, fin: bool) {
        let Some(info) = self.connection() else { return self.syn() };
        let ports = (info.peer.port(), info.local.port());
        let opens = info.state == State::SynSent;
        let seq = if opens { self.choices.long() } else { info.rcv_nxt };
        let len = if opens { 0 } else { self.choices.len(3000) };
        let flags = ACK | if opens { SYN } else { 0 } | u8::from(fin && !opens);
        let payload = Self::numbered(seq, len);
        let mut options = Vec::new();
        if opens {
            options.extend([2, 4, 5, 180, 4, 2, 1, 3, 3, 7]);
        }
        if let Some(value) = self.last.as_ref().and_then(timestamp) {
            options.extend([1, 1, 8, 10]);
            options.extend((self.host.now.millis() as u32 + 1).to_be_bytes());
            options.extend(value.to_be_bytes());
        }
        let (ack, window) = (info.snd_nxt, 65535);
        self.input(&Segment { ports, seq, ack, flags, window, urgent: 0, options, payload });
    }

    pub(super) fn syn(&mut self) {
        let ports = (1024 + u16::from(self.choices.byte() % 8), self.choices.of(&LISTENING));
        let seq = self.choices.long();
        let options = match self.choices.flag() {
            true => vec![2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7],
            false => forge::tcp_options(&mut self.choices, 0, 0),
        };
        let flags = SYN | self.choices.of(&[0, 0, 0, 0xc0]);
        let segment = Segment { ports, seq, flags, window: 65535, options, ..Segment::default() };
        self.input(&segment);
    }

    /// Bytes that may be anything but a segment with data for a connection: what those say must
    /// fit.
    pub(super) fn raw_segment(&mut self) {
        let mut bytes = self.choices.bytes(60);
        if self.choices.flag() && bytes.len() >= 4 {
            bytes[2..4].copy_from_slice(&80_u16.to_be_bytes());
        }
        // From a port that no connection is with, so that no data of it is anybody's.
        if bytes.len() >= 2 {
            bytes[0] = 3;
        }
        forge::fill_tcp_checksum(&mut bytes, PEER, ME);
        self.input_bytes(&bytes, &Segment::default());
    }

    /// An ICMP error about the last segment that was sent, or about something like it.
    pub(super) fn icmp(&mut self) {
        let Some(sent) = &self.last else { return };
        let mut payload = sent.packet[..sent.packet.len().min(8 + self.choices.below(20))].to_vec();
        if self.choices.one_in(4) {
            let place = self.choices.below(payload.len());
            payload[place] ^= 1 << self.choices.below(8);
        }
        let quoted = Quoted {
            src: sent.header.src,
            dst: sent.header.dst,
            protocol: Protocol::TCP,
            total_len: self.choices.of(&[(20 + sent.packet.len()) as u16, 0, 576, 1500, 65535]),
            payload,
        };
        let gateway = IpAddr::from([10, 0, 0, 3]);
        let cause = match self.choices.byte() % 8 {
            0 => Cause::NetworkUnreachable,
            1 => Cause::HostUnreachable,
            2 => Cause::ProtocolUnreachable,
            3 => Cause::PortUnreachable,
            4 => Cause::TtlExceeded,
            5 => Cause::SourceQuench,
            6 => Cause::Redirect { gateway, host: true },
            _ => Cause::FragmentationNeeded { mtu: self.choices.word() },
        };
        self.host.call(|tcp, now, out| tcp.error(now, cause, &quoted, out));
    }

    /// The path changes.
    pub(super) fn path(&mut self) {
        let offload = self.choices.flag();
        self.host.out.offload.checksum = offload;
        self.host.out.offload.tcp_segmentation = if offload { 65_000 } else { 0 };
        let mtu = self.choices.of(&[1500, 9000, 576, 1280]);
        if self.limits.follows_mtu {
            self.host.out.mtu = mtu;
        }
        let unreachable = self.choices.one_in(4);
        self.host.out.unreachable = unreachable.then_some(Cause::HostUnreachable);
    }
}

/// The timestamp of a segment that was sent.
fn timestamp(sent: &Sent) -> Option<u32> {
    let options = tcp::Options::parse(sent.seg.options.as_deref()?).ok()?;
    options.timestamps.map(|timestamps| timestamps.value)
}
