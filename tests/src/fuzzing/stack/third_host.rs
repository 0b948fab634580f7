//! The host on the link that forges whatever it likes.

use super::*;

impl Net<'_> {
    pub(super) fn frame_to(&mut self, host: usize, ethertype: u16, payload: &[u8]) {
        let to = mac(host as u8 + 1).0;
        let frame = [&to[..], &mac(THIRD).0, &ethertype.to_be_bytes(), payload].concat();
        self.give(host, &frame);
    }

    /// A segment in the name of a connection's other end, with numbers near the right ones.
    pub(super) fn forge_segment(&mut self) {
        let Some((place, host)) = self.pick() else { return };
        let connection = &self.connections[place];
        let Some(end) = connection.ends[host] else { return };
        let client = connection.from != host;
        let ports = if client { (connection.port, STREAMS) } else { (STREAMS, connection.port) };
        let now = self.now;
        let Ok(info) = self.stacks[host].with_tcp(now, |tcp, _| tcp.info(now, end.handle)) else {
            return;
        };
        let mut flags = match self.choices.byte() {
            often @ 0..=191 => {
                [ACK, ACK, ACK | 8, ACK | 1, SYN, SYN | ACK, 4, 4 | ACK][usize::from(often % 8)]
            }
            any => any,
        };
        // Before the handshake is done it decides which numbers the stream has.
        if matches!(info.state, State::SynSent | State::SynReceived | State::Closed) {
            flags &= !SYN;
        }
        let seq = self.choices.near(info.rcv_nxt);
        let ack = match self.choices.flag() {
            true => self.choices.near(info.snd_nxt),
            false => self.choices.near(info.snd_una),
        };
        let len = if self.choices.flag() { 0 } else { self.choices.len(1400) };
        let window = self.choices.of(&[65535, 0, 1, 500, 20_000]);
        // An urgent pointer that is not the sender's changes no byte of the stream.
        let urgent = if flags & 32 != 0 { self.choices.word() } else { 0 };
        let options = forge::tcp_options(&mut self.choices, info.snd_una, now.millis() as u32);
        let payload = match info.state {
            State::Established | State::FinWait1 | State::FinWait2 => {
                // The stream's own bytes at that place: rcv_nxt is where the next unread one is.
                let next = end.read + info.receive_queue;
                let first = seq.wrapping_add(u32::from(flags & SYN != 0));
                let ahead = first.wrapping_sub(info.rcv_nxt) as i32 as isize;
                let at = next as isize + ahead;
                let before = usize::try_from(-at).unwrap_or(0).min(len);
                let mut payload = vec![0; before];
                payload.extend(Self::said_by(1 - host, at.max(0) as usize, len - before));
                payload
            }
            _ => Vec::new(),
        };
        let (src, dst) = (HOSTS[1 - host], HOSTS[host]);
        let segment =
            Segment { ports, seq, ack, flags, window, urgent, options, payload }.bytes(src, dst);
        let mut ip = probe::Ipv4::new("0.0.0.0", "0.0.0.0", Protocol::TCP);
        (ip.src, ip.dst) = (src, dst);
        self.frame_to(host, 0x0800, &ip.bytes(&segment));
    }

    /// A segment from the third host, which may open connections of its own.
    pub(super) fn forge_stranger(&mut self) {
        let host = usize::from(self.choices.flag());
        let ports = (1024 + u16::from(self.choices.byte() % 16), STREAMS);
        let now = self.now;
        let mut known = self.stacks[host].tcp_sockets(now);
        known.retain(|info| info.peer == SocketAddr::new(THIRD_ADDR.into(), ports.0));
        let (flags, seq, ack) = match known.first() {
            Some(info) => {
                let flags = self.choices.of(&[ACK, ACK | 1, SYN, 4, ACK | 8]);
                (flags, self.choices.near(info.rcv_nxt), self.choices.near(info.snd_nxt))
            }
            None => (SYN, self.choices.long(), 0),
        };
        let options = forge::tcp_options(&mut self.choices, ack, 0);
        let payload = self.choices.bytes(100);
        let window = self.choices.word();
        let segment = Segment { ports, seq, ack, flags, window, urgent: 0, options, payload };
        let segment = segment.bytes(THIRD_ADDR, HOSTS[host]);
        let datagram =
            forge::datagram(&mut self.choices, THIRD_ADDR, HOSTS[host], Protocol::TCP, &segment);
        self.frame_to(host, 0x0800, &datagram);
    }

    /// An ICMP error that quotes a frame at the link.
    pub(super) fn forge_error(&mut self) {
        let Some((from, frame)) = self.take() else { return };
        let quoted = frame.bytes.get(ETHERNET..).unwrap_or_default();
        let message = forge::icmp_error(&mut self.choices, quoted);
        self.queues[from].push_back(frame);
        let src = self.choices.of(&[THIRD_ADDR, HOSTS[1 - from], Ipv4Addr::new(10, 0, 0, 254)]);
        let mut ip = probe::Ipv4::new("0.0.0.0", "0.0.0.0", Protocol::ICMP);
        (ip.src, ip.dst) = (src, HOSTS[from]);
        self.frame_to(from, 0x0800, &ip.bytes(&message));
    }

    /// A datagram of the third host: UDP, ICMP, fragments, for the host or to be forwarded.
    pub(super) fn forge_datagram(&mut self) {
        let host = usize::from(self.choices.flag());
        let protocol = Protocol(self.choices.of(&[17, 17, 1, 6, 2, 200]));
        let mut payload = self.choices.bytes(200);
        match protocol {
            Protocol::UDP => {
                let to = self.choices.of(&[DATAGRAMS, 9]);
                payload = probe::udp(DATAGRAMS, to, &payload);
            }
            Protocol::ICMP => forge::fill_icmp_checksum(&mut payload),
            _ => {}
        }
        let dst = match self.choices.byte() {
            0..=191 => HOSTS[host],
            192..=207 => Ipv4Addr::new(10, 0, 0, 255),
            208..=223 => Ipv4Addr::new(224, 0, 0, 1),
            224..=239 => Ipv4Addr::new(10, 0, 1, 1),
            other => Ipv4Addr::new(10, 0, 0, other),
        };
        let datagram = forge::datagram(&mut self.choices, THIRD_ADDR, dst, protocol, &payload);
        self.frame_to(host, 0x0800, &datagram);
    }

    pub(super) fn forge_arp(&mut self) {
        let host = usize::from(self.choices.flag());
        let mut message = vec![0, 1, 8, 0, 6, 4, 0, self.choices.of(&[1, 2, 1, 2, 3])];
        for _ in 0..2 {
            message.extend(mac(self.choices.of(&[1, 2, THIRD, 200])).0);
            message.extend([10, 0, 0, self.choices.of(&[1, 2, THIRD, 254, self.ident as u8])]);
        }
        if self.choices.one_in(4) {
            let place = self.choices.below(message.len());
            message[place] = self.choices.byte();
        }
        self.frame_to(host, 0x0806, &message);
    }

    /// Bytes of any kind, but not in the name of one of the two.
    pub(super) fn forge_frame(&mut self) {
        let host = usize::from(self.choices.flag());
        let ethertype = self.choices.of(&[0x0800, 0x0800, 0x0806, 0x86dd, 0x8100, 40]);
        let mut bytes = self.choices.bytes(120);
        if ethertype == 0x0800 && self.choices.flag() && bytes.len() >= 20 {
            bytes[0] = 0x45;
            let len = bytes.len() as u16;
            bytes[2..4].copy_from_slice(&len.to_be_bytes());
            bytes[12..16].copy_from_slice(&THIRD_ADDR.octets());
            bytes[16..20].copy_from_slice(&HOSTS[host].octets());
            forge::fill_ip_checksum(&mut bytes);
        } else if ethertype == 0x0800 && bytes.len() >= 16 {
            bytes[12..16].copy_from_slice(&THIRD_ADDR.octets());
        }
        self.frame_to(host, ethertype, &bytes);
    }
}
