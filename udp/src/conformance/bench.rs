//! The bench of the kit: datagrams on virtual time, over a list of what they sent.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ip::{
    Cause, Datagram, Handle, Header, IfIndex, Protocol, Quoted, Readiness, SocketError, Tos, Ttl,
};
use netdev::checksum::Sum;
use netdev::conformance::{self, Record, Subject};
use netdev::{Cast, Direction, Instant, Packet};

use super::Make;
use crate::{Datagrams, Info, Input, Received, Setting};
use ip::conformance::below::{ANY, Below, ME, PEER, SUBNET};

/// Datagrams under test, on a host with two networks.
pub struct Bench {
    udp: Box<dyn Datagrams>,
    /// One with other secrets.
    other: Box<dyn Datagrams>,
    pub(super) below: Below,
    now: Instant,
    pub(super) record: Record,
    /// What the next [`Bench::input`] comes under.
    pub(super) ttl: Ttl,
    pub(super) tos: Tos,
}

impl conformance::Bench<Make> for Bench {
    fn new(subject: &Subject<Make>) -> Bench {
        let record = subject.record.clone();
        Bench {
            udp: subject.make(),
            other: subject.make_another(1),
            below: Below::new(record.clone()),
            now: Instant::from_secs(1),
            record,
            ttl: Ttl::DEFAULT,
            tos: Tos::default(),
        }
    }
}

pub(super) fn at(addr: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::new(addr.into(), port)
}

/// Header and data with a right checksum.
pub(super) fn segment(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Vec<u8> {
    let len = 8 + data.len();
    let mut bytes = Vec::with_capacity(len);
    bytes.extend(from.port().to_be_bytes());
    bytes.extend(to.port().to_be_bytes());
    bytes.extend((len as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(data);
    let check = sum(from.ip(), to.ip(), &bytes).finish();
    bytes[6..8].copy_from_slice(&check.to_be_bytes());
    bytes
}

/// The sum of pseudo header, header and data.
pub(super) fn sum(src: IpAddr, dst: IpAddr, bytes: &[u8]) -> Sum {
    Sum::pseudo_header(src, dst, Protocol::UDP.0, bytes.len()).bytes(bytes)
}

impl Bench {
    fn values(&self, socket: Handle) -> String {
        match self.udp.info(socket) {
            Err(error) => format!("socket {}: {error}", socket.index),
            Ok(Info { local, peer, receive_queue, drops, .. }) => {
                let peer = peer.map_or_else(|| "anybody".to_owned(), |peer| peer.to_string());
                let ready = self.udp.readiness(socket);
                format!(
                    "socket {}: {local} to {peer}, {receive_queue} bytes queued, {drops} dropped, \
                     {ready:?}",
                    socket.index
                )
            }
        }
    }

    fn step(&self, socket: Handle, what: impl std::fmt::Display) {
        self.record.step(self.now, what, self.values(socket));
    }

    pub(super) fn open(&mut self) -> Handle {
        match self.udp.open() {
            Ok(socket) => socket,
            Err(error) => self.record.fail("a new socket", error),
        }
    }

    pub(super) fn try_open(&mut self) -> Result<Handle, SocketError> {
        self.udp.open()
    }

    pub(super) fn bind(&mut self, socket: Handle, local: SocketAddr) -> Result<(), SocketError> {
        let result = self.udp.bind(socket, local, &self.below);
        self.step(socket, format_args!("bind to {local}: {result:?}"));
        result
    }

    /// A new socket, bound.
    pub(super) fn bound(&mut self, addr: Ipv4Addr, port: u16) -> Handle {
        let socket = self.open();
        let result = self.bind(socket, at(addr, port));
        self.record.expect_eq("of bind", result, Ok(()));
        socket
    }

    pub(super) fn connect(
        &mut self,
        socket: Handle,
        peer: Option<SocketAddr>,
    ) -> Result<(), SocketError> {
        let result = self.udp.connect(self.now, socket, peer, &self.below);
        self.step(socket, format_args!("connect to {peer:?}: {result:?}"));
        result
    }

    /// A new socket, bound to `ME` and `port`, connected.
    pub(super) fn connected(&mut self, port: u16, peer: SocketAddr) -> Handle {
        let socket = self.bound(ME, port);
        let result = self.connect(socket, Some(peer));
        self.record.expect_eq("of connect", result, Ok(()));
        socket
    }

    pub(super) fn send(
        &mut self,
        socket: Handle,
        to: Option<SocketAddr>,
        data: &[u8],
    ) -> Result<usize, SocketError> {
        let to_whom = to.map_or_else(|| "the peer".to_owned(), |to| to.to_string());
        let result = self.udp.send(self.now, socket, to, data, &mut self.below);
        self.step(socket, format_args!("send {} bytes to {to_whom}: {result:?}", data.len()));
        result
    }

    /// [`Bench::send`] that succeeds; what was sent.
    pub(super) fn send_well(
        &mut self,
        socket: Handle,
        to: SocketAddr,
        data: &[u8],
    ) -> (Header, Packet) {
        let result = self.send(socket, Some(to), data);
        self.record.expect_eq("of send", result, Ok(data.len()));
        self.expect_sent()
    }

    /// The one datagram that was sent since the last look.
    pub(super) fn expect_sent(&mut self) -> (Header, Packet) {
        let mut sent = std::mem::take(&mut self.below.sent);
        self.record.expect_eq("datagrams sent", sent.len(), 1);
        let (header, packet) = sent.remove(0);
        self.record.expect_eq("its protocol", header.protocol, Protocol::UDP);
        self.record.expect("eight bytes of header", packet.len() >= 8);
        (header, packet)
    }

    pub(super) fn expect_silence(&mut self) {
        self.record.expect_eq("datagrams sent", self.below.sent.len(), 0);
    }

    /// A good datagram arrives.
    pub(super) fn input(&mut self, from: SocketAddr, to: SocketAddr, data: &[u8]) -> Input {
        self.input_bytes(from.ip(), to.ip(), &segment(from, to, data))
    }

    /// Any bytes of header and data arrive.
    pub(super) fn input_bytes(&mut self, src: IpAddr, dst: IpAddr, bytes: &[u8]) -> Input {
        self.input_packet(src, dst, Packet::from_payload(bytes))
    }

    pub(super) fn input_packet(&mut self, src: IpAddr, dst: IpAddr, payload: Packet) -> Input {
        let cast = match dst {
            IpAddr::V4(v4) if v4.is_broadcast() || v4 == SUBNET => Cast::Broadcast,
            dst if dst.is_multicast() => Cast::Multicast,
            _ => Cast::Unicast,
        };
        let mut header = Header::new(src, dst, Protocol::UDP);
        (header.ttl, header.tos) = (self.ttl, self.tos);
        self.record.datagram(self.now, Direction::Rx, (src, dst), Protocol::UDP.0, &payload);
        let head: Vec<String> = payload.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let what = format!(
            "received {src} to {dst}: {} and {} bytes",
            head.join(" "),
            payload.len().saturating_sub(8)
        );
        let iface = IfIndex(1);
        let datagram = Datagram { header, iface, cast, header_len: 0, payload };
        let input = self.udp.input(self.now, datagram);
        let became = match &input {
            Input::Delivered => "delivered".to_owned(),
            Input::Unreachable(_) => "unreachable".to_owned(),
            Input::Dropped(reason) => format!("dropped, {reason}"),
        };
        self.record.step(self.now, format_args!("{what}: {became}"), "");
        input
    }

    /// A datagram of the peer's port 4000 arrives and is taken.
    pub(super) fn arrive(&mut self, to: SocketAddr, data: &[u8]) {
        let input = self.input(at(PEER, 4000), to, data);
        self.expect_delivered(input);
    }

    #[track_caller]
    pub(super) fn expect_delivered(&mut self, input: Input) {
        if !matches!(input, Input::Delivered) {
            self.record.fail("the datagram to be delivered", format_args!("{input:?}"));
        }
    }

    pub(super) fn expect_dropped(&mut self, input: Input) {
        if !matches!(input, Input::Dropped(_)) {
            self.record.fail("the datagram to be dropped", format_args!("{input:?}"));
        }
    }

    pub(super) fn expect_unreachable(&mut self, input: Input) -> Datagram {
        match input {
            Input::Unreachable(datagram) => datagram,
            other => self.record.fail("the port to be unreachable", format_args!("{other:?}")),
        }
    }

    pub(super) fn receive(&mut self, socket: Handle) -> Result<Received, SocketError> {
        self.receive_or_peek(socket, false)
    }

    pub(super) fn receive_or_peek(
        &mut self,
        socket: Handle,
        peek: bool,
    ) -> Result<Received, SocketError> {
        let result = self.udp.receive(socket, peek);
        let seen = match &result {
            Ok(received) => format!("{} bytes from {}", received.data.len(), received.from),
            Err(error) => error.to_string(),
        };
        self.step(socket, format_args!("{}: {seen}", if peek { "peek" } else { "receive" }));
        result
    }

    /// A datagram waits, and it is this one.
    pub(super) fn expect_received(&mut self, socket: Handle, data: &[u8]) -> Received {
        match self.receive(socket) {
            Ok(received) => {
                let seen = received.data.to_vec();
                self.record.expect_eq("the data received", seen, data.to_vec());
                received
            }
            Err(error) => self.record.fail("a datagram to receive", error),
        }
    }

    /// Nothing waits, no error either.
    pub(super) fn expect_nothing(&mut self, socket: Handle) {
        let seen = self.receive(socket);
        self.record.expect_eq("what there is to receive", seen, Err(SocketError::WouldBlock));
    }

    pub(super) fn set(&mut self, socket: Handle, setting: Setting) -> Result<(), SocketError> {
        let result = self.udp.set(socket, setting);
        self.step(socket, format_args!("set {setting:?}: {result:?}"));
        result
    }

    pub(super) fn set_well(&mut self, socket: Handle, setting: Setting) {
        let result = self.set(socket, setting);
        self.record.expect_eq("of the setting", result, Ok(()));
    }

    /// An ICMP error about what was sent from `local` to `peer` comes back.
    pub(super) fn error(&mut self, cause: Cause, local: SocketAddr, peer: SocketAddr) {
        let mut payload = local.port().to_be_bytes().to_vec();
        payload.extend(peer.port().to_be_bytes());
        payload.extend([0, 8, 0, 0]);
        let (src, dst, protocol) = (local.ip(), peer.ip(), Protocol::UDP);
        let quoted = Quoted { src, dst, protocol, total_len: 28, payload };
        self.udp.error(self.now, cause, &quoted);
        let what = format!("ICMP error \"{cause}\" about {local} to {peer}");
        self.record.step(self.now, what, "");
    }

    pub(super) fn take_error(&mut self, socket: Handle) -> Option<SocketError> {
        let error = self.udp.take_error(socket);
        self.step(socket, format_args!("take error: {error:?}"));
        error
    }

    pub(super) fn close(&mut self, socket: Handle) {
        self.udp.close(socket);
        self.step(socket, "close");
    }

    pub(super) fn info(&self, socket: Handle) -> Info {
        match self.udp.info(socket) {
            Ok(info) => info,
            Err(error) => self.record.fail("an open socket", error),
        }
    }

    pub(super) fn readiness(&self, socket: Handle) -> Readiness {
        self.udp.readiness(socket)
    }

    /// Every socket named as changed since the last look.
    pub(super) fn changed(&mut self) -> Vec<Handle> {
        std::iter::from_fn(|| self.udp.changed()).take(1000).collect()
    }

    pub(super) fn expect_changed(&mut self, sockets: &[Handle]) {
        let seen = self.changed();
        self.record.expect_eq("sockets that changed", seen, sockets.to_vec());
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        if self.udp.poll_at().is_some_and(|at| at <= self.now) {
            self.udp.poll(self.now, &mut self.below);
        }
    }

    /// The port that a new socket gets for port 0; of the implementation with other secrets where
    /// `other` says so.
    pub(super) fn ephemeral(&mut self, other: bool) -> u16 {
        let udp = if other { &mut self.other } else { &mut self.udp };
        let result = udp.open().and_then(|socket| {
            udp.bind(socket, at(ANY, 0), &self.below)?;
            udp.info(socket)
        });
        match result {
            Ok(info) => {
                self.record.step(self.now, format_args!("bind to port 0: {}", info.local), "");
                info.local.port()
            }
            Err(error) => self.record.fail("an ephemeral port", error),
        }
    }

    pub(super) fn sockets(&self) -> Vec<Info> {
        self.udp.sockets()
    }

    pub(super) fn now(&self) -> Instant {
        self.now
    }

    pub(super) fn counter_names(&self) -> Vec<&'static str> {
        self.udp.counters().iter().map(|counter| counter.name).collect()
    }

    /// The sum of all counters.
    pub(super) fn counted(&self) -> u64 {
        self.udp.counters().iter().map(|counter| counter.count).sum()
    }
}
