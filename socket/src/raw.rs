//! Raw sockets: whole IP datagrams, as they came and as a program makes them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use ip::{
    Cause, Datagram, Handle, Header, IfIndex, NextHop, Output, Protocol, Quoted, Readiness,
    SocketError, Tos, Ttl,
};
use netdev::{Cast, Counts, Instant, Packet, checksum::Sum};

use crate::DropReason;
use crate::calls::RawOutput;

/// How many raw sockets there may be: each is asked about every datagram.
const MAX_SOCKETS: usize = 256;
/// Bytes of datagrams that may wait in one socket, as Linux's default SO_RCVBUF.
const RECEIVE_BUFFER: usize = 212_992;
/// The shortest IPv4 header (RFC 791 §3.1).
const MIN_HEADER: usize = 20;

/// A datagram taken out of a raw socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawReceived {
    /// Who sent it.
    pub from: IpAddr,
    /// To which address.
    pub to: IpAddr,
    /// Where it came in.
    pub iface: IfIndex,
    /// To whom it was sent.
    pub cast: Cast,
    /// With how many hops left.
    pub ttl: Ttl,
    /// When.
    pub at: Instant,
    /// The datagram from its IP header on, whole and byte for byte as it came.
    pub packet: Packet,
    /// Bytes of IP header in front of the payload.
    pub header_len: usize,
}

/// An option of a raw socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RawSetting {
    /// Hops of what is sent (IP_TTL), 1 to 255.
    Ttl(Ttl),
    /// Service class of what is sent (IP_TOS).
    Tos(Tos),
    /// Whether DF is set on what is sent (IP_MTU_DISCOVER).
    DontFragment(bool),
    /// Whether what is sent begins with an IP header of its own (IP_HDRINCL).
    HeaderIncluded(bool),
    /// Whether broadcasts may be sent (SO_BROADCAST).
    Broadcast(bool),
    /// Bytes that may wait to be read (SO_RCVBUF).
    ReceiveBuffer(usize),
}

/// A raw socket as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawInfo {
    /// Its handle.
    pub handle: Handle,
    /// Which protocol it receives; `None`: all.
    pub protocol: Option<Protocol>,
    /// Bound to; `None`: every address of this host.
    pub local: Option<IpAddr>,
    /// Connected to.
    pub peer: Option<IpAddr>,
    /// Bytes that wait to be read.
    pub receive_queue: usize,
    /// Datagrams dropped because the queue was full.
    pub drops: u64,
    /// Hops of what is sent.
    pub ttl: Ttl,
}

/// All raw sockets of a stack. The calls are those of [`udp::Datagrams`] where they mean the same.
#[derive(Debug, Default)]
pub struct RawSockets {
    sockets: BTreeMap<u32, Socket>,
    next: u32,
    changed: BTreeSet<u32>,
    counts: Counts<DropReason>,
    /// Identification of datagrams that bring a header without one.
    ident: u16,
}

#[derive(Debug)]
struct Socket {
    protocol: Option<Protocol>,
    local: Option<IpAddr>,
    peer: Option<IpAddr>,
    ttl: Ttl,
    tos: Tos,
    dont_fragment: bool,
    header_included: bool,
    broadcast: bool,
    queue: VecDeque<RawReceived>,
    queued: usize,
    limit: usize,
    drops: u64,
    error: Option<SocketError>,
}

impl Socket {
    fn takes(&self, datagram: &Datagram) -> bool {
        let Header { src, dst, protocol, .. } = datagram.header;
        self.protocol.is_none_or(|p| p == protocol)
            && self.local.is_none_or(|local| local == dst)
            && self.peer.is_none_or(|peer| peer == src)
    }
}

impl RawSockets {
    /// A new socket that receives every datagram of `protocol`, or of all.
    pub fn open(&mut self, protocol: Option<Protocol>) -> Result<Handle, SocketError> {
        if self.sockets.len() >= MAX_SOCKETS {
            return Err(SocketError::NoBuffers);
        }
        while self.sockets.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let index = self.next;
        self.next = self.next.wrapping_add(1);
        self.sockets.insert(
            index,
            Socket {
                protocol,
                local: None,
                peer: None,
                ttl: Ttl::DEFAULT,
                tos: Tos::default(),
                dont_fragment: false,
                header_included: false,
                broadcast: false,
                queue: VecDeque::new(),
                queued: 0,
                limit: RECEIVE_BUFFER,
                drops: 0,
                error: None,
            },
        );
        Ok(Handle { index, generation: 0 })
    }

    /// Receives only what is sent to `local`, and sends from it.
    pub fn bind(
        &mut self,
        socket: Handle,
        local: IpAddr,
        out: &RawOutput<'_>,
    ) -> Result<(), SocketError> {
        let socket = self.socket(socket)?;
        if !local.is_unspecified() && !out.0.is_local(local) {
            return Err(SocketError::AddrNotAvailable);
        }
        socket.local = (!local.is_unspecified()).then_some(local);
        Ok(())
    }

    /// Receives only from `peer`, sends to it, and hears of ICMP errors.
    pub fn connect(&mut self, socket: Handle, peer: Option<IpAddr>) -> Result<(), SocketError> {
        self.socket(socket)?.peer = peer;
        Ok(())
    }

    /// Sends `data` to `to`, or to the peer: what follows an IP header, or with
    /// [`RawSetting::HeaderIncluded`] the header too. Its length and checksum are always filled
    /// in, its source and identification where they are zero; the rest stays as it is.
    pub fn send(
        &mut self,
        now: Instant,
        socket: Handle,
        to: Option<IpAddr>,
        data: &[u8],
        out: &mut RawOutput<'_>,
    ) -> Result<usize, SocketError> {
        let ident = self.ident;
        let socket = self.socket(socket)?;
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        if socket.header_included {
            socket.send_own_header(now, to, data, ident, out)?;
            self.ident = ident.wrapping_add(1);
            return Ok(data.len());
        }
        let dst = to.or(socket.peer).ok_or(SocketError::DestinationRequired)?;
        let protocol = socket.protocol.ok_or(SocketError::Invalid)?;
        let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let mut header = Header::new(socket.local.unwrap_or(unspecified), dst, protocol);
        header.ttl = socket.ttl;
        header.tos = socket.tos;
        header.dont_fragment = socket.dont_fragment;
        let route = out.0.route(now, dst, socket.local)?;
        if route.hop == ip::Hop::Broadcast && !socket.broadcast {
            return Err(SocketError::Denied);
        }
        match out.0.send(now, &header, Packet::from_payload(data)) {
            Ok(()) => Ok(data.len()),
            Err(refused) => Err(refused.cause.into()),
        }
    }

    /// The oldest datagram received; with `peek` it stays.
    pub fn receive(&mut self, socket: Handle, peek: bool) -> Result<RawReceived, SocketError> {
        let socket = self.socket(socket)?;
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        if peek {
            return socket.queue.front().cloned().ok_or(SocketError::WouldBlock);
        }
        let received = socket.queue.pop_front().ok_or(SocketError::WouldBlock)?;
        socket.queued -= received.packet.len();
        Ok(received)
    }

    /// Changes an option.
    pub fn set(&mut self, socket: Handle, setting: RawSetting) -> Result<(), SocketError> {
        let socket = self.socket(socket)?;
        match setting {
            // RFC 1122 §3.2.1.7: never sent as zero.
            RawSetting::Ttl(Ttl(0)) => return Err(SocketError::Invalid),
            RawSetting::Ttl(ttl) => socket.ttl = ttl,
            RawSetting::Tos(tos) => socket.tos = tos,
            RawSetting::DontFragment(on) => socket.dont_fragment = on,
            RawSetting::HeaderIncluded(on) => socket.header_included = on,
            RawSetting::Broadcast(on) => socket.broadcast = on,
            RawSetting::ReceiveBuffer(bytes) => socket.limit = bytes,
        }
        Ok(())
    }

    /// Takes the error that an ICMP message left.
    pub fn take_error(&mut self, socket: Handle) -> Option<SocketError> {
        self.socket(socket).ok()?.error.take()
    }

    /// What the socket is ready for; empty for a bad handle.
    pub fn readiness(&self, socket: Handle) -> Readiness {
        let Some(socket) = self.sockets.get(&socket.index) else { return Readiness::empty() };
        let mut ready = Readiness::WRITABLE;
        ready.set(Readiness::READABLE, !socket.queue.is_empty() || socket.error.is_some());
        ready.set(Readiness::ERROR, socket.error.is_some());
        ready
    }

    /// The socket as a person sees it.
    pub fn info(&self, socket: Handle) -> Result<RawInfo, SocketError> {
        let found = self.sockets.get(&socket.index).ok_or(SocketError::BadHandle)?;
        Ok(info(socket.index, found))
    }

    /// Closes; what was received and not read is dropped.
    pub fn close(&mut self, socket: Handle) {
        self.sockets.remove(&socket.index);
        self.changed.remove(&socket.index);
    }

    /// Copies a datagram that IP delivered to every socket that takes it, and says whether there
    /// was one.
    pub(crate) fn input(&mut self, now: Instant, datagram: &Datagram) -> bool {
        let mut seen = false;
        for (&index, socket) in &mut self.sockets {
            if !socket.takes(datagram) {
                continue;
            }
            seen = true;
            let mut packet = datagram.clone().into_whole();
            // What loopback brought may have left its checksum to a device.
            packet.complete_checksum();
            if socket.queued + packet.len() > socket.limit {
                socket.drops += 1;
                self.counts.add(DropReason::RawQueueFull);
                continue;
            }
            socket.queued += packet.len();
            socket.queue.push_back(RawReceived {
                from: datagram.header.src,
                to: datagram.header.dst,
                iface: datagram.iface,
                cast: datagram.cast,
                ttl: datagram.header.ttl,
                at: now,
                packet,
                header_len: datagram.header_len,
            });
            self.changed.insert(index);
        }
        seen
    }

    /// An ICMP error about a datagram of `quoted`'s protocol: connected sockets are told, since
    /// only they can know whose it was.
    pub(crate) fn error(&mut self, cause: Cause, quoted: &Quoted) {
        // RFC 6633 §5: to be ignored. A redirect is IP's business: the datagram went on.
        if matches!(cause, Cause::SourceQuench | Cause::Redirect { .. }) {
            return;
        }
        for (&index, socket) in &mut self.sockets {
            if socket.protocol == Some(quoted.protocol)
                && socket.peer == Some(quoted.dst)
                && socket.local.is_none_or(|local| local == quoted.src)
            {
                socket.error = Some(cause.into());
                self.changed.insert(index);
            }
        }
    }

    /// A socket whose readiness may have changed since this was last asked.
    pub(crate) fn changed(&mut self) -> Option<Handle> {
        Some(Handle { index: self.changed.pop_first()?, generation: 0 })
    }

    /// All open sockets, in the order in which they were opened.
    pub fn sockets(&self) -> Vec<RawInfo> {
        self.sockets.iter().map(|(&index, socket)| info(index, socket)).collect()
    }

    pub(crate) fn counts(&self) -> &Counts<DropReason> {
        &self.counts
    }

    fn socket(&mut self, socket: Handle) -> Result<&mut Socket, SocketError> {
        self.sockets.get_mut(&socket.index).ok_or(SocketError::BadHandle)
    }
}

impl Socket {
    /// Past IP, since IP makes headers of its own: out of the interface that the route says, as
    /// one datagram.
    fn send_own_header(
        &self,
        now: Instant,
        to: Option<IpAddr>,
        data: &[u8],
        ident: u16,
        out: &mut RawOutput<'_>,
    ) -> Result<(), SocketError> {
        let (Some(&first), true) = (data.first(), data.len() >= MIN_HEADER) else {
            return Err(SocketError::Invalid);
        };
        let header_len = usize::from(first & 0xf) * 4;
        if first >> 4 != 4 || header_len < MIN_HEADER || header_len > data.len() {
            return Err(SocketError::Invalid);
        }
        let written = IpAddr::from(<[u8; 4]>::try_from(&data[16..20]).expect("four bytes"));
        let dst = to.or(self.peer).unwrap_or(written);
        let route = out.0.route(now, dst, self.local)?;
        let length = u16::try_from(data.len()).map_err(|_| SocketError::MessageTooLong)?;
        if data.len() > route.mtu {
            return Err(SocketError::MessageTooLong);
        }
        if route.hop == ip::Hop::Broadcast && !self.broadcast {
            return Err(SocketError::Denied);
        }
        let mut packet = Packet::from_payload(data);
        let header = &mut packet[..header_len];
        header[2..4].copy_from_slice(&length.to_be_bytes());
        if header[4..6] == [0, 0] {
            header[4..6].copy_from_slice(&ident.to_be_bytes());
        }
        if let (IpAddr::V4(source), [0, 0, 0, 0]) = (route.source, &header[12..16]) {
            header[12..16].copy_from_slice(&source.octets());
        }
        header[10..12].fill(0);
        let check = Sum::default().bytes(header).finish();
        header[10..12].copy_from_slice(&check.to_be_bytes());
        out.0.interfaces.send(now, route.iface, route.hop, packet);
        Ok(())
    }
}

fn info(index: u32, socket: &Socket) -> RawInfo {
    RawInfo {
        handle: Handle { index, generation: 0 },
        protocol: socket.protocol,
        local: socket.local,
        peer: socket.peer,
        receive_queue: socket.queued,
        drops: socket.drops,
        ttl: socket.ttl,
    }
}
