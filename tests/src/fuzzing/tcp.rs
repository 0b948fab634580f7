//! One TCP with its sockets, and the fuzzer as everybody else: peers, path, clock and program.
//!
//! A byte's value is a function of its sequence number in what peers send, and of its place in the
//! stream in what the program sends. So any data segment, however forged, says the same of the same
//! bytes, and what is delivered can be compared.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ip::{Cause, Handle, Header, Protocol, Quoted, Readiness, SocketError, Tos};
use netdev::{Counter, Packet, Reason as _};
use tcp::testing::{Host, Sent, pattern};
use tcp::{
    DropReason, EcnMode, Flags, Info, Input, KeepAlive, Setting, Settings, Shutdown, SmallTcp,
    State, Streams, Tcp,
};

use super::choices::Choices;
use super::forge::{self, ACK, SYN, Segment};

const ME: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const LISTENING: [u16; 2] = [80, 81];
/// Sockets that the program has open at most.
const SOCKETS: usize = 12;
/// Segments that one event may call forth: a window of them, sent anew a few times.
const MOST_AT_ONCE: usize = 20_000;

/// [`tcp::Tcp`] with every part and setting that the bytes ask for.
pub fn tcp_input(data: &[u8]) {
    let mut choices = Choices::new(data);
    let [what, parts] = [choices.byte(), choices.byte()];
    let config = tcp::Config {
        recovery: &tcp::LOSS_RECOVERIES[usize::from(parts & 15) % tcp::LOSS_RECOVERIES.len()],
        congestion: &tcp::CONGESTION_CONTROLS
            [usize::from(parts >> 4) % tcp::CONGESTION_CONTROLS.len()],
        timestamps: what & 1 == 0,
        sack: what & 2 == 0,
        window_scaling: what & 4 == 0,
        ecn: if what & 8 == 0 { EcnMode::Off } else { EcnMode::On },
        syn_cookies: what & 16 == 0,
        syn_queue: if what & 32 == 0 { 1024 } else { 2 },
        max_time_wait: 8,
        max_orphans: 8,
        memory: if what & 64 == 0 { 1 << 30 } else { 100_000 },
        ..tcp::Config::default()
    };
    let limits = Limits { memory: Some(config.memory + (2 << 20)), follows_mtu: true };
    Session::new(Box::new(Tcp::new(config, 1)), limits, choices).run();
}

/// [`tcp::SmallTcp`], which has no settings.
pub fn tcp_small_input(data: &[u8]) {
    let tcp = Box::new(SmallTcp::new(1));
    Session::new(tcp, Limits { memory: None, follows_mtu: false }, Choices::new(data)).run();
}

/// What an implementation promises.
struct Limits {
    /// It looks at the path's MTU for each segment, and not at the handshake alone.
    follows_mtu: bool,
    /// Bytes that all buffers may take together; the least that each connection has is over it.
    memory: Option<usize>,
}

/// What the program knows of one of its sockets.
struct Socket {
    handle: Handle,
    listens: bool,
    written: usize,
    read: usize,
    /// What may be the number of the first byte that is delivered: one for each SYN that a peer
    /// sent to this connection and that what was delivered until now does not rule out.
    firsts: Option<Vec<u32>>,
}

struct Session<'a> {
    choices: Choices<'a>,
    host: Host,
    limits: Limits,
    sockets: Vec<Socket>,
    /// The numbers behind the SYNs that peers sent, by local and peer port.
    peers: BTreeMap<(u16, u16), Vec<u32>>,
    /// The numbers behind the stack's own SYNs.
    own: BTreeMap<(u16, u16), Vec<u32>>,
    last: Option<Sent>,
    inputs: u64,
    dropped: BTreeMap<&'static str, u64>,
}

impl<'a> Session<'a> {
    fn new(tcp: Box<dyn Streams>, limits: Limits, choices: Choices<'a>) -> Session<'a> {
        let mut session = Session {
            choices,
            host: Host::new(ME.into(), tcp),
            limits,
            sockets: Vec::new(),
            peers: BTreeMap::new(),
            own: BTreeMap::new(),
            last: None,
            inputs: 0,
            dropped: BTreeMap::new(),
        };
        for port in LISTENING {
            let handle = session.host.listen(port, 3);
            session.add(handle, true);
        }
        session
    }

    fn run(mut self) {
        while let Some(event) = self.choices.next() {
            self.event(event);
            self.settle();
        }
        self.count();
    }

    fn add(&mut self, handle: Handle, listens: bool) {
        self.sockets.push(Socket { handle, listens, written: 0, read: 0, firsts: None });
    }

    fn event(&mut self, event: u8) {
        match event % 20 {
            0..=3 => self.forged_segment(),
            4 => self.expected_segment(false),
            5 => self.expected_segment(true),
            6 => self.syn(),
            7 => self.raw_segment(),
            8 | 9 => {
                let time = self.choices.time();
                self.pass(time);
            }
            10 | 11 => self.send(),
            12 | 13 => self.receive(),
            14 => self.accept(),
            15 => self.connect(),
            16 => self.shutdown(),
            17 => self.set(),
            18 => self.icmp(),
            _ => self.path(),
        }
    }

    /// One of the connections, and what is known of it.
    fn connection(&mut self) -> Option<Info> {
        let mut all = self.host.tcp.sockets(self.host.now);
        all.retain(|info| info.state != State::Listen && info.peer.port() != 0);
        let which = self.choices.below(all.len());
        (!all.is_empty()).then(|| all.swap_remove(which))
    }

    /// One of the program's sockets, by its place.
    fn socket(&mut self) -> Option<usize> {
        let which = self.choices.below(self.sockets.len());
        (which < self.sockets.len()).then_some(which)
    }

    /// Bytes of a peer's stream from a number on.
    fn numbered(seq: u32, len: usize) -> Vec<u8> {
        pattern(seq as usize, len)
    }

    fn input(&mut self, segment: &Segment) {
        self.input_bytes(&segment.bytes(PEER, ME), segment);
    }

    fn input_bytes(&mut self, bytes: &[u8], segment: &Segment) {
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
    fn forged_segment(&mut self) {
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
    fn expected_segment(&mut self, fin: bool) {
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

    fn syn(&mut self) {
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
    fn raw_segment(&mut self) {
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

    fn pass(&mut self, time: Duration) {
        let end = self.host.now + time;
        // A bound on work, not on time: what is left to happen goes on at the next event.
        for _ in 0..200 {
            let Some(due) = self.host.tcp.poll_at().filter(|due| *due <= end) else { break };
            self.host.now = due.max(self.host.now);
            self.settle();
        }
        if self.host.tcp.poll_at().is_none_or(|due| due > end) {
            self.host.now = end;
        }
    }

    fn send(&mut self) {
        let (Some(at), len) = (self.socket(), self.choices.len(20_000)) else { return };
        let Socket { handle, written, .. } = self.sockets[at];
        if let Ok(taken) = self.host.send(handle, &pattern(written, len)) {
            assert!(taken <= len && (taken > 0 || len == 0), "{taken} of {len} bytes taken");
            self.sockets[at].written += taken;
        }
    }

    fn receive(&mut self) {
        let (Some(at), len) = (self.socket(), self.choices.len(60_000)) else { return };
        let handle = self.sockets[at].handle;
        let info = self.host.info(handle).expect("an open socket");
        let Ok(bytes) = self.host.receive(handle, len) else { return };
        assert!(bytes.len() <= len);
        let socket = &mut self.sockets[at];
        let ports = (info.local.port(), info.peer.port());
        let firsts = socket
            .firsts
            .get_or_insert_with(|| self.peers.get(&ports).cloned().unwrap_or_default());
        let read = socket.read;
        firsts
            .retain(|first| Self::numbered(first.wrapping_add(read as u32), bytes.len()) == bytes);
        assert!(bytes.is_empty() || !firsts.is_empty(), "wrong bytes at {read}");
        socket.read += bytes.len();
    }

    fn accept(&mut self) {
        let which = self.choices.below(LISTENING.len());
        let listener = self.sockets.iter().filter(|socket| socket.listens).nth(which);
        let Some(listener) = listener.map(|socket| socket.handle) else { return };
        if let Ok((handle, _)) = self.host.accept(listener) {
            self.add(handle, false);
            if self.sockets.len() > SOCKETS {
                let oldest = self.sockets.iter().position(|socket| !socket.listens);
                self.close(oldest.expect("one that was accepted"));
            }
        }
    }

    fn connect(&mut self) {
        if self.sockets.len() >= SOCKETS {
            return;
        }
        let peer = SocketAddr::new(PEER.into(), 2000 + u16::from(self.choices.byte() % 4));
        let handle = self.host.open();
        // From a port that is known, so that old connections meet new ones.
        let from = 3000 + u16::from(self.choices.byte() % 4);
        let _ = self.host.set(handle, Setting::ReuseAddr(true));
        let bound = self.host.bind(handle, from);
        let begun = self.host.call(|tcp, now, out| tcp.connect(now, handle, peer, out));
        match begun {
            Err(SocketError::InProgress) => self.add(handle, false),
            _ => {
                assert!(begun.is_err(), "connected at once: {bound:?}");
                self.host.close(handle);
            }
        }
    }

    fn shutdown(&mut self) {
        let Some(at) = self.socket().filter(|at| !self.sockets[*at].listens) else { return };
        match self.choices.byte() % 4 {
            0 => self.close(at),
            how => {
                let how = [Shutdown::Write, Shutdown::Read, Shutdown::Both][usize::from(how) - 1];
                let _ = self.host.shutdown(self.sockets[at].handle, how);
            }
        }
    }

    fn close(&mut self, at: usize) {
        let socket = self.sockets.remove(at);
        self.host.close(socket.handle);
        let gone: Result<Settings, _> = self.host.tcp.settings(socket.handle);
        assert_eq!(gone, Err(SocketError::BadHandle));
    }

    fn set(&mut self) {
        let Some(at) = self.socket() else { return };
        let seconds = Duration::from_secs(u64::from(self.choices.byte()));
        let on = self.choices.flag();
        let some = on.then_some(seconds);
        let setting = match self.choices.byte() % 14 {
            0 => Setting::NoDelay(on),
            1 => Setting::Cork(on),
            2 => Setting::KeepAlive(on.then_some(KeepAlive {
                idle: seconds,
                interval: seconds,
                count: 3,
            })),
            3 => Setting::Linger(some),
            4 => Setting::SendBuffer(self.choices.word().into()),
            5 => Setting::ReceiveBuffer(self.choices.word().into()),
            6 => Setting::MaxSegment(self.choices.word()),
            7 => Setting::UserTimeout(some),
            8 => Setting::NotSentLowat(self.choices.word().into()),
            9 => Setting::QuickAck(on),
            10 => Setting::DeferAccept(some),
            11 => Setting::MtuDiscover(on),
            12 => Setting::ReceiveErrors(on),
            _ => Setting::FinWait2Timeout(seconds),
        };
        let _ = self.host.set(self.sockets[at].handle, setting);
        let _ = self.host.take_error(self.sockets[at].handle);
        while self.host.tcp.take_notice(self.sockets[at].handle).is_some() {}
    }

    /// An ICMP error about the last segment that was sent, or about something like it.
    fn icmp(&mut self) {
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
    fn path(&mut self) {
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

    /// Lets the TCP do what is due now, and looks at what it did.
    fn settle(&mut self) {
        let mut turns = 0;
        loop {
            self.host.poll();
            if self.host.tcp.poll_at().is_none_or(|due| due > self.host.now) {
                break;
            }
            turns += 1;
            assert!(turns < 1000, "polled again and again at {}", self.host.now);
        }
        let sent = std::mem::take(&mut self.host.out.sent);
        assert!(sent.len() < MOST_AT_ONCE, "{} segments at once", sent.len());
        for sent in &sent {
            self.look_at(sent);
        }
        self.last = sent.into_iter().next_back().or(self.last.take());
        self.host.take_woken();
        self.limits();
    }

    /// What is sent has the program's bytes at the program's places.
    fn look_at(&mut self, sent: &Sent) {
        let port = |addr: Option<SocketAddr>| addr.expect("seen on the way").port();
        let ports = (port(sent.seg.src), port(sent.seg.dst));
        let seq = sent.seg.seq.expect("a segment has a number");
        if sent.seg.flags.contains(Flags::SYN) {
            self.number_own(ports.0, ports.1, seq);
        }
        let len = sent.seg.payload_len();
        if len == 0 {
            return;
        }
        let payload = &sent.packet[sent.packet.len() - len..];
        let firsts = self.own.get(&ports).map(Vec::as_slice).unwrap_or_default();
        let fits = firsts.iter().any(|first| {
            // One byte in front of the first is a keep-alive's (RFC 9293 §3.8.4).
            let place = seq.wrapping_sub(*first);
            payload == pattern(place as usize, len) || len == 1
        });
        assert!(fits, "bytes that nobody wrote: {}", sent.seg);
    }

    /// The stack's SYN of a connection has this number.
    fn number_own(&mut self, local: u16, peer: u16, seq: u32) {
        let firsts = self.own.entry((local, peer)).or_default();
        let first = seq.wrapping_add(1);
        if !firsts.contains(&first) {
            firsts.push(first);
        }
    }

    fn limits(&mut self) {
        let infos = self.host.tcp.sockets(self.host.now);
        // A SYN that found no way out is not seen, but has its number.
        for info in &infos {
            if matches!(info.state, State::SynSent | State::SynReceived) {
                self.number_own(info.local.port(), info.peer.port(), info.snd_una);
            }
        }
        // Listeners' queues and TIME-WAIT have limits of their own, far under this.
        assert!(infos.len() < 200, "{} connections", infos.len());
        if let Some(limit) = self.limits.memory {
            let memory: usize = infos.iter().map(|info| info.memory).sum();
            assert!(memory <= limit, "{memory} bytes of {limit}");
        }
        for socket in &self.sockets {
            let info = self.host.info(socket.handle).expect("an open socket");
            let settings = self.host.tcp.settings(socket.handle).expect("an open socket");
            assert!(info.receive_queue <= settings.receive_buffer.max(15 << 20));
            assert!(
                info.receive_queue == 0
                    || self.host.readiness(socket.handle).contains(Readiness::READABLE)
                    || info.state == State::Closed,
                "{} bytes, and not readable: {:?}",
                info.receive_queue,
                info.state
            );
        }
    }

    /// Every segment was counted, and every drop under the reason that was given for it.
    fn count(&self) {
        assert_eq!(self.host.counter("segments received"), self.inputs);
        for Counter { name, count } in self.host.tcp.counters() {
            if DropReason::ALL.iter().any(|reason| reason.text() == name) {
                assert_eq!(count, self.dropped.get(name).copied().unwrap_or(0), "{name}");
            }
        }
    }
}

/// The timestamp of a segment that was sent.
fn timestamp(sent: &Sent) -> Option<u32> {
    let options = tcp::Options::parse(sent.seg.options.as_deref()?).ok()?;
    options.timestamps.map(|timestamps| timestamps.value)
}
