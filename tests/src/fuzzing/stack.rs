//! Two whole stacks with their sockets, and the fuzzer as the link between them, as a third host
//! that forges packets, and as the programs.
//!
//! Frames wait at the link until the fuzzer delivers, loses, doubles, overtakes, cuts or corrupts
//! them. It forges anything in the name of a third host; in the name of the two it forges what an
//! attacker may who sees every number, but with the bytes that the stream has at that place: who
//! can see a connection can also write into it, and no TCP can tell (RFC 9293 §7).

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ip::{Handle, Protocol, SocketError};
use netdev::{Device as _, Instant, Packet, Wire, WireEnd, sooner};
use socket::Stack;
use tcp::testing::pattern;
use tcp::{KeepAlive, ReceiveFlags, SendFlags, Setting, Shutdown, State};

use super::choices::Choices;
use super::forge::{self, ACK, SYN, Segment};
use crate::probe;
use crate::virtual_net::{attach, counter, echo_request, mac, rfc9293, small, stack as new_stack};

const HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
/// The third host's number, of its addresses.
const THIRD: u8 = 9;
const THIRD_ADDR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, THIRD);
const STREAMS: u16 = 80;
const DATAGRAMS: u16 = 7;
/// Frames that wait at the link in one direction at most; the oldest are lost.
const QUEUE: usize = 512;
/// Connections that the programs have at most.
const CONNECTIONS: usize = 4;
/// Datagrams that the programs send at most.
const MOST_DATAGRAMS: usize = 64;
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// Two stacks and a hostile network between them.
pub fn stack(data: &[u8]) {
    let mut net = Net::new(Choices::new(data));
    while let Some(event) = net.choices.next() {
        net.event(event);
        net.settle();
    }
    net.read_everything();
    net.count();
}

/// A frame at the link.
struct Frame {
    bytes: Vec<u8>,
    /// A bit of it was flipped. One: that is seen by every checksum, two may cancel each other out.
    flipped: bool,
}

/// One end of a connection.
#[derive(Clone, Copy)]
struct End {
    handle: Handle,
    written: usize,
    read: usize,
}

/// A connection from host 0 or 1 to the other.
struct Connection {
    from: usize,
    port: u16,
    ends: [Option<End>; 2],
}

struct Net<'a> {
    choices: Choices<'a>,
    stacks: [Stack; 2],
    /// The link's ends, each towards the stack of the same number.
    link: [WireEnd; 2],
    now: Instant,
    /// What each stack sent, for the other.
    queues: [VecDeque<Frame>; 2],
    /// Frames that each stack was given.
    given: [u64; 2],
    listeners: [Handle; 2],
    connections: Vec<Connection>,
    udp: [Handle; 2],
    raw: [Handle; 2],
    /// Every datagram that was sent, by its number: its length.
    datagrams: BTreeMap<u32, usize>,
    /// What the third host opened and a program accepted.
    strangers: Vec<(usize, Handle)>,
    ident: u16,
}

impl<'a> Net<'a> {
    fn new(mut choices: Choices<'a>) -> Net<'a> {
        let kind = choices.byte();
        let mut stacks = [kind & 1, kind >> 1 & 1]
            .map(|which| new_stack(if which == 0 { rfc9293 } else { small }, which.into()));
        let [a, b] = [(); 2].map(|()| Wire::pair(Duration::ZERO));
        let (mut listeners, mut udp, mut raw) = (Vec::new(), Vec::new(), Vec::new());
        for (number, device) in [a.1, b.1].into_iter().enumerate() {
            let stack = &mut stacks[number];
            let cidr = format!("{}/24", HOSTS[number]);
            attach(stack, device, number as u8 + 1, &cidr, Some("10.0.0.254"));
            stack
                .configure(Instant::ZERO, ip::Change::Forwarding(kind & 4 != 0))
                .expect("a router");
            let here = |port| SocketAddr::new([0, 0, 0, 0].into(), port);
            let listener = stack.with_tcp(Instant::ZERO, |tcp, out| {
                let socket = tcp.open()?;
                tcp.bind(socket, here(STREAMS), out)?;
                tcp.listen(socket, 4).map(|()| socket)
            });
            listeners.push(listener.expect("a listener"));
            let datagrams = stack.with_udp(Instant::ZERO, |udp, out| {
                let socket = udp.open()?;
                udp.bind(socket, here(DATAGRAMS), out).map(|()| socket)
            });
            udp.push(datagrams.expect("a UDP socket"));
            let open = stack.with_raw(Instant::ZERO, |raw, _| raw.open(Some(Protocol::ICMP)));
            raw.push(open.expect("a raw socket"));
        }
        let two = |all: Vec<Handle>| [all[0], all[1]];
        let mut net = Net {
            choices,
            stacks,
            link: [a.0, b.0],
            now: Instant::ZERO,
            queues: Default::default(),
            given: [0; 2],
            listeners: two(listeners),
            connections: Vec::new(),
            udp: two(udp),
            raw: two(raw),
            datagrams: BTreeMap::new(),
            strangers: Vec::new(),
            ident: 0x8000,
        };
        // Most of what there is to find lies behind a connection that is there.
        if kind & 8 == 0 {
            net.connect();
            net.calm(Duration::from_millis(10));
        }
        net
    }

    fn event(&mut self, event: u8) {
        match event % 32 {
            0..=3 => self.deliver(),
            4 => self.lose(),
            5 => self.double(),
            6 => self.corrupt(),
            7 => self.fragment(),
            8..=10 => {
                let time = self.choices.time();
                self.calm(time);
            }
            11 => {
                let time = self.choices.time();
                self.pass(time);
            }
            12..=14 => self.send(),
            15..=17 => self.receive(),
            18 => self.connect(),
            19 => self.accept(),
            20 => self.end(),
            21 => self.set(),
            22..=24 => self.forge_segment(),
            25 => self.forge_stranger(),
            26 => self.forge_error(),
            27 => self.forge_datagram(),
            28 => self.forge_arp(),
            29 => self.forge_frame(),
            30 => self.send_datagram(),
            _ => self.ping(),
        }
    }

    // The link.

    fn take(&mut self) -> Option<(usize, Frame)> {
        let from = usize::from(self.choices.flag());
        let place = self.choices.below(self.queues[from].len());
        self.queues[from].remove(place).map(|frame| (from, frame))
    }

    fn give(&mut self, to: usize, bytes: &[u8]) {
        self.link[to].transmit(self.now, Packet::from_payload(bytes)).expect("room on the wire");
        self.given[to] += 1;
    }

    fn deliver(&mut self) {
        if let Some((from, frame)) = self.take() {
            self.give(1 - from, &frame.bytes);
        }
    }

    fn lose(&mut self) {
        self.take();
    }

    fn double(&mut self) {
        if let Some((from, frame)) = self.take() {
            self.give(1 - from, &frame.bytes);
            self.queues[from].push_back(frame);
        }
    }

    fn corrupt(&mut self) {
        let Some((from, mut frame)) = self.take() else { return };
        let place = usize::from(self.choices.word()) % frame.bytes.len();
        if self.choices.flag() {
            frame.bytes.truncate(place.max(1));
        } else if !frame.flipped {
            frame.bytes[place] ^= 1 << self.choices.below(8);
            frame.flipped = true;
        }
        self.queues[from].push_front(frame);
    }

    /// A router on the way cuts a datagram in two, DF or not.
    fn fragment(&mut self) {
        let Some((from, mut frame)) = self.take() else { return };
        let cut = 8 * (1 + self.choices.below(180));
        let first = self.choices.flag();
        let bytes = &mut frame.bytes;
        let whole = bytes.len() > ETHERNET + 20 + cut
            && bytes[12..15] == [8, 0, 0x45]
            && bytes[20] & 0x20 == 0
            && bytes[20..22] != [0, 0]
            && bytes[20] & 0x1f == 0
            && bytes[21] == 0;
        if whole && bytes[20] & 0x40 != 0 {
            // A number that only these two have: nothing but an atomic datagram has DF, and its
            // own number means nothing (RFC 6864 §4.1).
            bytes[18..20].copy_from_slice(&self.ident.to_be_bytes());
            self.ident = self.ident.wrapping_add(1).max(0x8000);
            let at = ETHERNET + 20 + cut;
            let mut rest = bytes[..ETHERNET + 20].to_vec();
            rest.extend(&bytes[at..]);
            bytes.truncate(at);
            for (part, flags) in [(&mut *bytes, 0x2000), (&mut rest, (cut / 8) as u16)] {
                let len = (part.len() - ETHERNET) as u16;
                part[16..18].copy_from_slice(&len.to_be_bytes());
                part[20..22].copy_from_slice(&u16::to_be_bytes(flags));
                forge::fill_ip_checksum(&mut part[ETHERNET..]);
            }
            let rest = Frame { bytes: rest, flipped: frame.flipped };
            self.queues[from].push_front(rest);
        }
        match first {
            true => self.queues[from].push_front(frame),
            false => self.queues[from].push_back(frame),
        }
    }

    /// The link works for a time, a millisecond each way.
    fn calm(&mut self, time: Duration) {
        let end = self.now + time;
        // A bound on work, not on time: what is left to happen goes on at the next event.
        for _ in 0..40 {
            let mut idle = true;
            for from in 0..2 {
                for frame in std::mem::take(&mut self.queues[from]) {
                    idle = false;
                    self.give(1 - from, &frame.bytes);
                }
            }
            self.settle();
            let due = self.due().filter(|_| idle).unwrap_or(end);
            let due = if idle { due } else { self.now + Duration::from_millis(1) };
            if due > end {
                break;
            }
            self.now = due.max(self.now);
            if idle && due == end {
                break;
            }
        }
    }

    /// Time passes and the link holds everything back.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..40 {
            let Some(due) = self.due().filter(|due| *due <= end) else {
                self.now = end;
                break;
            };
            self.now = due.max(self.now);
            self.settle();
        }
    }

    fn due(&self) -> Option<Instant> {
        sooner(self.stacks[0].poll_at(), self.stacks[1].poll_at())
    }

    /// Lets both do what is due now, and takes what they sent.
    fn settle(&mut self) {
        for number in 0..2 {
            let mut turns = 0;
            loop {
                let stack = &mut self.stacks[number];
                let more = stack.poll(self.now).more;
                while stack.changed().is_some() {}
                if !more && stack.poll_at().is_none_or(|due| due > self.now) {
                    break;
                }
                turns += 1;
                assert!(turns < 10_000, "stack {number} never comes to rest at {}", self.now);
            }
            while let Some(packet) = self.link[number].receive(self.now) {
                let queue = &mut self.queues[number];
                queue.push_back(Frame { bytes: packet.to_vec(), flipped: false });
                if queue.len() > QUEUE {
                    queue.pop_front();
                }
            }
        }
    }

    // The programs.

    /// One end of a connection, by the place of the connection and the number of the host.
    fn pick(&mut self) -> Option<(usize, usize)> {
        let (which, host) = (self.choices.byte(), usize::from(self.choices.flag()));
        let place = usize::from(which) % self.connections.len().max(1);
        self.connections.get(place)?.ends[host].map(|_| (place, host))
    }

    /// What host `host` says on its connections, from a place on.
    fn said_by(host: usize, from: usize, len: usize) -> Vec<u8> {
        let flip = if host == 0 { 0 } else { 0x55 };
        pattern(from, len).into_iter().map(|byte| byte ^ flip).collect()
    }

    fn send(&mut self) {
        let (Some((place, host)), len) = (self.pick(), self.choices.len(30_000)) else { return };
        let Some(end) = &mut self.connections[place].ends[host] else { return };
        let data = Self::said_by(host, end.written, len);
        let flags = match self.choices.byte() % 8 {
            0 => SendFlags::MORE,
            1 => SendFlags::END_OF_RECORD,
            2 => SendFlags::ZERO_COPY,
            _ => SendFlags::empty(),
        };
        let (now, handle) = (self.now, end.handle);
        let taken = self.stacks[host].with_tcp(now, |tcp, out| {
            while tcp.take_notice(handle).is_some() {}
            tcp.send(now, handle, &data, flags, out)
        });
        if let Ok(taken) = taken {
            assert!(taken <= len && (taken > 0 || len == 0), "{taken} of {len} bytes taken");
            end.written += taken;
        }
    }

    fn receive(&mut self) {
        let (Some((place, host)), len) = (self.pick(), self.choices.len(60_000)) else { return };
        let peek = self.choices.one_in(8);
        self.receive_from(place, host, len, peek);
        self.receive_datagrams(host);
    }

    /// How many bytes were there; whatever is delivered is what the other side said.
    fn receive_from(&mut self, place: usize, host: usize, len: usize, peek: bool) -> usize {
        let Some(end) = &mut self.connections[place].ends[host] else { return 0 };
        let mut buffer = vec![0; len];
        let flags = if peek { ReceiveFlags::PEEK } else { ReceiveFlags::empty() };
        let (now, handle) = (self.now, end.handle);
        let received = self.stacks[host]
            .with_tcp(now, |tcp, out| tcp.receive(now, handle, &mut buffer, flags, out));
        let Ok(count) = received else { return 0 };
        let expected = Self::said_by(1 - host, end.read, count);
        assert!(buffer[..count] == expected, "host {host} got wrong bytes at {}", end.read);
        if !peek {
            end.read += count;
        }
        count
    }

    fn connect(&mut self) {
        let from = usize::from(self.choices.flag());
        if self.connections.len() >= CONNECTIONS {
            return;
        }
        let (now, peer) = (self.now, SocketAddr::new(HOSTS[1 - from].into(), STREAMS));
        let begun = self.stacks[from].with_tcp(now, |tcp, out| {
            let socket = tcp.open().expect("a socket");
            match tcp.connect(now, socket, peer, out) {
                Err(SocketError::InProgress) => {
                    Some((socket, tcp.info(now, socket).expect("it is open").local.port()))
                }
                _ => {
                    tcp.close(now, socket, out);
                    None
                }
            }
        });
        let Some((handle, port)) = begun else { return };
        let mut ends = [None; 2];
        ends[from] = Some(End { handle, written: 0, read: 0 });
        self.connections.push(Connection { from, port, ends });
    }

    fn accept(&mut self) {
        let host = usize::from(self.choices.flag());
        let listener = self.listeners[host];
        let accepted = self.stacks[host].with_tcp(self.now, |tcp, _| tcp.accept(listener));
        let Ok((handle, peer)) = accepted else { return };
        let end = Some(End { handle, written: 0, read: 0 });
        let theirs = self.connections.iter_mut().find(|connection| {
            peer == SocketAddr::new(HOSTS[connection.from].into(), connection.port)
                && connection.from != host
                && connection.ends[host].is_none()
        });
        match theirs {
            Some(connection) => connection.ends[host] = end,
            None => self.strangers.push((host, handle)),
        }
        if self.strangers.len() > CONNECTIONS {
            let (host, handle) = self.strangers.remove(0);
            let now = self.now;
            self.stacks[host].with_tcp(now, |tcp, out| tcp.close(now, handle, out));
        }
    }

    fn end(&mut self) {
        let Some((place, host)) = self.pick() else { return };
        let Some(end) = self.connections[place].ends[host] else { return };
        let (now, how) = (self.now, self.choices.byte());
        self.stacks[host].with_tcp(now, |tcp, out| match how % 8 {
            0 | 1 => tcp.close(now, end.handle, out),
            2 => {
                let _ = tcp.shutdown(now, end.handle, Shutdown::Read, out);
            }
            3 => {
                let _ = tcp.shutdown(now, end.handle, Shutdown::Both, out);
            }
            _ => {
                let _ = tcp.shutdown(now, end.handle, Shutdown::Write, out);
            }
        });
        if how % 8 < 2 {
            // Never picked again; when both are gone there is room for another connection.
            self.connections[place].ends[host] = None;
            if self.connections[place].ends.iter().all(Option::is_none) {
                self.connections.remove(place);
            }
        }
    }

    fn set(&mut self) {
        let Some((place, host)) = self.pick() else { return };
        let Some(end) = self.connections[place].ends[host] else { return };
        let on = self.choices.flag();
        let seconds = Duration::from_secs(u64::from(self.choices.byte()) + 1);
        let keep_alive = KeepAlive { idle: seconds, interval: seconds, count: 3 };
        let setting = match self.choices.byte() % 10 {
            0 => Setting::NoDelay(on),
            1 => Setting::Cork(on),
            2 => Setting::KeepAlive(on.then_some(keep_alive)),
            3 => Setting::Linger(on.then_some(seconds)),
            4 => Setting::SendBuffer(self.choices.word().into()),
            5 => Setting::ReceiveBuffer(self.choices.word().into()),
            6 => Setting::UserTimeout(on.then_some(seconds)),
            7 => Setting::MtuDiscover(on),
            8 => Setting::ReceiveErrors(on),
            _ => Setting::Timestamping(on),
        };
        let now = self.now;
        self.stacks[host].with_tcp(now, |tcp, out| {
            let _ = tcp.set(now, end.handle, setting, out);
            let _ = tcp.take_error(end.handle);
        });
    }

    fn send_datagram(&mut self) {
        let host = usize::from(self.choices.flag());
        let len = self.choices.len(9000);
        if self.datagrams.len() >= MOST_DATAGRAMS {
            return;
        }
        let number = self.datagrams.len() as u32;
        let mut data = number.to_be_bytes().to_vec();
        data.extend(pattern(number as usize, len));
        let (now, socket) = (self.now, self.udp[host]);
        let to = Some(SocketAddr::new(HOSTS[1 - host].into(), DATAGRAMS));
        let sent =
            self.stacks[host].with_udp(now, |udp, out| udp.send(now, socket, to, &data, out));
        if sent.is_ok() {
            self.datagrams.insert(number, len);
        }
    }

    /// Whatever is received from the other host is what it sent, whole.
    fn receive_datagrams(&mut self, host: usize) {
        let socket = self.udp[host];
        let receive =
            |stack: &mut Stack| stack.with_udp(self.now, |udp, _| udp.receive(socket, false));
        while let Ok(received) = receive(&mut self.stacks[host]) {
            if received.from != SocketAddr::new(HOSTS[1 - host].into(), DATAGRAMS) {
                continue;
            }
            let (number, rest) = received.data.split_first_chunk().expect("no number");
            let number = u32::from_be_bytes(*number);
            let len = *self.datagrams.get(&number).expect("a datagram that was sent");
            assert!(rest == pattern(number as usize, len), "datagram {number} is another");
        }
        let raw = self.raw[host];
        while self.stacks[host].with_raw(self.now, |all, _| all.receive(raw, false)).is_ok() {}
    }

    fn ping(&mut self) {
        let host = usize::from(self.choices.flag());
        let data = vec![7; self.choices.len(3000)];
        let (now, socket, to) = (self.now, self.raw[host], Some(IpAddr::from(HOSTS[1 - host])));
        let message = echo_request(1, 1, &data);
        let _ =
            self.stacks[host].with_raw(now, |raw, out| raw.send(now, socket, to, &message, out));
    }

    // The third host.

    fn frame_to(&mut self, host: usize, ethertype: u16, payload: &[u8]) {
        let to = mac(host as u8 + 1).0;
        let frame = [&to[..], &mac(THIRD).0, &ethertype.to_be_bytes(), payload].concat();
        self.give(host, &frame);
    }

    /// A segment in the name of a connection's other end, with numbers near the right ones.
    fn forge_segment(&mut self) {
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
    fn forge_stranger(&mut self) {
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
    fn forge_error(&mut self) {
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
    fn forge_datagram(&mut self) {
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

    fn forge_arp(&mut self) {
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
    fn forge_frame(&mut self) {
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

    // What holds at the end.

    fn read_everything(&mut self) {
        for host in 0..2 {
            for place in 0..self.connections.len() {
                while self.receive_from(place, host, 1 << 16, false) > 0 {}
            }
            self.receive_datagrams(host);
        }
    }

    /// Nothing vanished without a count, and no table grew beyond what it is for.
    fn count(&self) {
        for (number, stack) in self.stacks.iter().enumerate() {
            let count = |layer, name| counter(stack, layer, name);
            let interfaces = stack.interfaces();
            assert_eq!(interfaces[1].stats.rx_packets, self.given[number], "frames received");
            let received: u64 = interfaces.iter().map(|i| i.stats.rx_packets).sum();
            assert!(count("ip", "datagrams received") <= received);
            let carried = count("tcp", "segments received")
                + count("udp", "datagrams received")
                + count("icmp", "messages received")
                + count("ip", "IGMP messages received")
                + count("stack", "unknown protocol");
            assert_eq!(count("ip", "datagrams delivered"), carried, "host {number}");
            let sockets = stack.tcp_sockets(self.now).len();
            assert!(sockets < 1000, "{sockets} connections");
            let neighbours = stack.arp_entries(self.now).len();
            assert!(neighbours <= arp::Config::default().entries, "{neighbours} neighbours");
        }
    }
}
