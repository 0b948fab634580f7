//! One host: a TCP, its clock, and a queue in place of the layers below it.

use std::net::{IpAddr, SocketAddr};

use ip::{
    Cause, Datagram, Handle, Header, Hop, IfIndex, Offload, Output, Readiness, Route, SendError,
    SocketError,
};
use netdev::checksum::Sum;
use netdev::{Cast, Checksum, Instant, Packet, Segmentation};

use super::Seg;
use crate::{Info, Input, ReceiveFlags, SendFlags, Setting, Shutdown, State, Streams};

/// A TCP with its clock and its [`Outbox`], and the socket calls in short form.
///
/// Each call goes through [`Host::call`], which then checks that every socket whose readiness
/// changed was named by [`Streams::changed`].
pub struct Host {
    /// The implementation under test.
    pub tcp: Box<dyn Streams>,
    /// What it sent and nobody took yet.
    pub out: Outbox,
    /// The time that its calls are told.
    pub now: Instant,
    /// Sockets that [`Streams::changed`] named, in order, until [`Host::take_woken`].
    woken: Vec<Handle>,
    /// The sockets opened here, with the readiness they were seen with.
    watched: Vec<(Handle, Readiness)>,
}

impl Host {
    /// A host with one address, at time zero.
    pub fn new(addr: IpAddr, tcp: Box<dyn Streams>) -> Host {
        let out = Outbox::new(addr);
        Host { tcp, out, now: Instant::ZERO, woken: Vec::new(), watched: Vec::new() }
    }

    /// Its address.
    pub fn addr(&self) -> IpAddr {
        self.out.addr
    }

    /// Makes any call, and checks the readiness contract after it.
    pub fn call<R>(&mut self, f: impl FnOnce(&mut dyn Streams, Instant, &mut Outbox) -> R) -> R {
        let result = f(&mut *self.tcp, self.now, &mut self.out);
        let first_new = self.woken.len();
        while let Some(handle) = self.tcp.changed() {
            self.woken.push(handle);
            assert!(self.woken.len() - first_new < 1 << 20, "changed() never ends: {handle:?}");
        }
        let named = &self.woken[first_new..];
        for (handle, seen) in &mut self.watched {
            let readiness = self.tcp.readiness(*handle);
            assert!(
                readiness == *seen || named.contains(handle),
                "{handle:?}: readiness went from {seen:?} to {readiness:?}, \
                 and changed() did not name it"
            );
            *seen = readiness;
        }
        result
    }

    /// The sockets that [`Streams::changed`] named since this was last asked.
    pub fn take_woken(&mut self) -> Vec<Handle> {
        std::mem::take(&mut self.woken)
    }

    fn watch(&mut self, socket: Handle) {
        let readiness = self.tcp.readiness(socket);
        self.watched.push((socket, readiness));
    }

    /// A new socket.
    pub fn open(&mut self) -> Handle {
        let socket = self.call(|tcp, _, _| tcp.open()).expect("a new socket");
        self.watch(socket);
        socket
    }

    /// A socket that listens on a port of every address.
    pub fn listen(&mut self, port: u16, backlog: usize) -> Handle {
        let socket = self.open();
        self.bind(socket, port).expect("a free port");
        self.call(|tcp, _, _| tcp.listen(socket, backlog)).expect("listen");
        socket
    }

    /// [`Streams::bind`] to a port of every address.
    pub fn bind(&mut self, socket: Handle, port: u16) -> Result<(), SocketError> {
        let local = SocketAddr::new([0, 0, 0, 0].into(), port);
        self.call(|tcp, _, out| tcp.bind(socket, local, out))
    }

    /// A socket that connects to `peer`.
    pub fn connect(&mut self, peer: SocketAddr) -> Handle {
        let socket = self.open();
        let result = self.call(|tcp, now, out| tcp.connect(now, socket, peer, out));
        assert_eq!(result, Err(SocketError::InProgress), "a connect that begins");
        socket
    }

    /// [`Streams::accept`].
    pub fn accept(&mut self, listener: Handle) -> Result<(Handle, SocketAddr), SocketError> {
        let accepted = self.call(|tcp, _, _| tcp.accept(listener))?;
        self.watch(accepted.0);
        Ok(accepted)
    }

    /// [`Streams::send`] without flags.
    pub fn send(&mut self, socket: Handle, data: &[u8]) -> Result<usize, SocketError> {
        self.call(|tcp, now, out| tcp.send(now, socket, data, SendFlags::empty(), out))
    }

    /// [`Streams::receive`] of at most `limit` bytes; empty at the end of the stream.
    pub fn receive(&mut self, socket: Handle, limit: usize) -> Result<Vec<u8>, SocketError> {
        let mut buffer = vec![0; limit];
        let len = self.call(|tcp, now, out| {
            tcp.receive(now, socket, &mut buffer, ReceiveFlags::empty(), out)
        })?;
        buffer.truncate(len);
        Ok(buffer)
    }

    /// Everything that can be received now, and whether the stream ended.
    pub fn receive_all(&mut self, socket: Handle) -> Result<(Vec<u8>, bool), SocketError> {
        let mut all = Vec::new();
        loop {
            match self.receive(socket, 1 << 16) {
                Ok(some) if some.is_empty() => return Ok((all, true)),
                Ok(some) => all.extend(some),
                Err(SocketError::WouldBlock) => return Ok((all, false)),
                Err(error) => return Err(error),
            }
        }
    }

    /// [`Streams::shutdown`].
    pub fn shutdown(&mut self, socket: Handle, how: Shutdown) -> Result<(), SocketError> {
        self.call(|tcp, now, out| tcp.shutdown(now, socket, how, out))
    }

    /// [`Streams::close`].
    pub fn close(&mut self, socket: Handle) {
        self.watched.retain(|(watched, _)| *watched != socket);
        self.call(|tcp, now, out| tcp.close(now, socket, out));
    }

    /// [`Streams::set`].
    pub fn set(&mut self, socket: Handle, setting: Setting) -> Result<(), SocketError> {
        self.call(|tcp, now, out| tcp.set(now, socket, setting, out))
    }

    /// [`Streams::take_error`].
    pub fn take_error(&mut self, socket: Handle) -> Option<SocketError> {
        self.call(|tcp, _, _| tcp.take_error(socket))
    }

    /// [`Streams::readiness`].
    pub fn readiness(&self, socket: Handle) -> Readiness {
        self.tcp.readiness(socket)
    }

    /// [`Streams::info`].
    pub fn info(&self, socket: Handle) -> Result<Info, SocketError> {
        self.tcp.info(self.now, socket)
    }

    /// The state of an open socket.
    pub fn state(&self, socket: Handle) -> State {
        self.info(socket).expect("an open socket").state
    }

    /// The connections between a local port and a peer port, with a socket or without.
    pub fn states(&self, local: u16, peer: u16) -> Vec<State> {
        let mut infos = self.tcp.sockets(self.now);
        infos.retain(|info| info.local.port() == local && info.peer.port() == peer);
        infos.into_iter().map(|info| info.state).collect()
    }

    /// A counter by its name.
    ///
    /// # Panics
    /// Where there is none of that name.
    pub fn counter(&self, name: &str) -> u64 {
        let counters = self.tcp.counters();
        let found = counters.iter().find(|counter| counter.name == name);
        found.unwrap_or_else(|| panic!("no counter {name:?}")).count
    }

    /// [`Streams::input`] of a segment that came from another host under `header`.
    pub fn input(&mut self, header: Header, payload: Packet) -> Input {
        let datagram =
            Datagram { header, iface: IfIndex(1), cast: Cast::Unicast, header_len: 0, payload };
        self.call(|tcp, now, out| tcp.input(now, datagram, out))
    }

    /// [`Streams::poll`], as the stack calls it: after a batch of input and when it is due.
    pub fn poll(&mut self) {
        self.call(|tcp, now, out| tcp.poll(now, out));
    }
}

/// What stands in for everything below a TCP: one address, one route, and a queue of what was
/// sent. Every packet is looked at as it goes by; a malformed one panics.
#[derive(Debug)]
pub struct Outbox {
    /// The host's address.
    pub addr: IpAddr,
    /// The MTU that [`Output::route`] tells, 1500 at first.
    pub mtu: usize,
    /// The offload that it tells, none at first.
    pub offload: Offload,
    /// Why there is no way to anywhere, where that is so.
    pub unreachable: Option<Cause>,
    /// What was sent, oldest first.
    pub sent: Vec<Sent>,
    /// What [`Output::doubt`] was told, and when.
    pub doubted: Vec<(Instant, IpAddr)>,
}

/// A packet that a TCP sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When.
    pub at: Instant,
    /// Its IP header.
    pub header: Header,
    /// Its bytes, from the TCP header on.
    pub packet: Packet,
    /// The same, read.
    pub seg: Seg,
}

impl Outbox {
    fn new(addr: IpAddr) -> Outbox {
        Outbox {
            addr,
            mtu: 1500,
            offload: Offload::default(),
            unreachable: None,
            sent: Vec::new(),
            doubted: Vec::new(),
        }
    }

    /// What is true of every segment that may be handed to IP.
    fn check(&self, header: &Header, packet: &Packet) -> Seg {
        let port = |addr| SocketAddr::new(addr, 0);
        let seg = Seg::parse(port(header.src), port(header.dst), packet);
        let seg = seg.unwrap_or_else(|| panic!("malformed segment {:02x?}", &packet[..]));
        assert!(header.ttl.0 > 0, "TTL 0 on {seg}");
        let pseudo = Sum::pseudo_header(header.src, header.dst, 6, packet.len());
        match packet.checksum() {
            Checksum::Partial { start: 0, offset: 16 } if self.offload.checksum => {
                let field = u16::from_be_bytes([packet[16], packet[17]]);
                assert_eq!(field, pseudo.folded(), "not the pseudo header's sum on {seg}");
            }
            Checksum::Partial { .. } => panic!("an odd partial checksum on {seg}: {packet:?}"),
            Checksum::None | Checksum::Verified => {
                assert!(pseudo.bytes(packet).is_valid(), "bad checksum on {seg}");
            }
        }
        match packet.segmentation() {
            Segmentation::None => {
                assert!(packet.len() + 20 <= self.mtu, "longer than the path takes: {seg}");
            }
            Segmentation::Tcp4 { size } => {
                assert!(size > 0, "segments of no size: {seg}");
                assert!(seg.payload_len() <= self.offload.tcp_segmentation, "too long: {seg}");
                let header_len = packet.len() - seg.payload_len();
                assert!(
                    header_len + usize::from(size) + 20 <= self.mtu,
                    "segments too long: {seg}"
                );
            }
            other => panic!("{other:?} on a segment"),
        }
        seg
    }
}

impl Output for Outbox {
    fn route(&self, _: Instant, dst: IpAddr, _: Option<IpAddr>) -> Result<Route, Cause> {
        match self.unreachable {
            Some(cause) => Err(cause),
            None => Ok(Route {
                source: self.addr,
                iface: IfIndex(1),
                hop: Hop::Neighbour(dst),
                mtu: self.mtu,
                local: self.is_local(dst),
                offload: self.offload,
            }),
        }
    }

    fn send(&mut self, now: Instant, header: &Header, packet: Packet) -> Result<(), SendError> {
        if let Some(cause) = self.unreachable {
            return Err(SendError { cause, packet });
        }
        let mut header = header.clone();
        if header.src.is_unspecified() {
            header.src = self.addr;
        }
        let seg = self.check(&header, &packet);
        self.sent.push(Sent { at: now, header, packet, seg });
        Ok(())
    }

    fn is_local(&self, addr: IpAddr) -> bool {
        addr == self.addr
    }

    fn doubt(&mut self, now: Instant, dst: IpAddr) {
        self.doubted.push((now, dst));
    }
}
