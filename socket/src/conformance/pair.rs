//! Two stacks on virtual time, as a network for the kit.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ip::{Handle, Readiness, SocketError};
use netdev::{Instant, Loopback, MacAddr, Wire, sooner};
use tcp::{ReceiveFlags, SendFlags, Shutdown};

use super::spied::{Links, Spied, lock};
use super::{A, A_TOO, B, B_TOO, Host, Kind, Message, Network, Queues, Setting, Sighting, Socket};
use crate::pollers::{Pollers, Registration};
use crate::waiters::{Key, PollerId, Woken};
use crate::{Event, Interest, Layers, Mode, Stack, error, sys};

mod settings;

/// From the one host to the other.
const LATENCY: Duration = Duration::from_millis(1);

/// What one host is made of.
#[allow(missing_debug_implementations)]
pub struct Parts {
    /// Its layers.
    pub layers: Layers,
    /// What finds its neighbours, on either link.
    pub resolvers: [Box<dyn arp::Resolver>; 2],
}

/// Two [`Stack`]s with two [`Wire`]s between them, on virtual time.
pub struct Pair {
    hosts: [Side; 2],
    sockets: BTreeMap<Socket, (Host, Key)>,
    opened: u32,
    links: Arc<Mutex<Links>>,
    now: Instant,
}

/// One host, and who watches its sockets.
struct Side {
    stack: Stack,
    pollers: Pollers,
    poller: PollerId,
}

impl Pair {
    /// Hosts of these parts. `make` is given the link addresses of either interface.
    ///
    /// # Panics
    /// Where the layers refuse the interfaces of a [`Network`]: there is nothing to be tested then.
    pub fn new(make: impl Fn(Host, [MacAddr; 2]) -> Parts) -> Pair {
        let links = Arc::default();
        let (left, right) = Wire::pair(LATENCY);
        let (left_too, right_too) = Wire::pair(LATENCY);
        let spied = |wire, name| Spied::new(wire, name, &links);
        let a = [(A, spied(left, Some("a0"))), (A_TOO, spied(left_too, Some("a1")))];
        let b = [(B, spied(right, None)), (B_TOO, spied(right_too, None))];
        let side = |host, ends: [(&str, Spied); 2]| {
            let mac = |number| MacAddr([2, 0, 0, 0, number, 1 + host as u8]);
            let Parts { layers, resolvers } = make(host, [mac(0), mac(1)]);
            let mut stack = Stack::new(layers);
            stack.add_loopback(Instant::ZERO, Box::new(Loopback::new())).expect("a loopback");
            for ((number, (addr, end)), resolver) in (0..).zip(ends).zip(resolvers) {
                let addrs = [format!("{addr}/24").parse().expect("an address")];
                let (end, mac, resolver) = (Box::new(end), mac(number), Some(resolver));
                stack
                    .add_interface(Instant::ZERO, end, mac, resolver, &addrs, None)
                    .expect("an interface");
            }
            let mut pollers = Pollers::default();
            let signal = sys::Signal::new().expect("a descriptor");
            let poller = pollers.add(Arc::new(signal));
            Side { stack, pollers, poller }
        };
        let hosts = [side(Host::A, a), side(Host::B, b)];
        Pair { hosts, sockets: BTreeMap::new(), opened: 0, links, now: Instant::ZERO }
    }

    fn name(&mut self, host: Host, key: Key) -> Socket {
        self.opened += 1;
        self.sockets.insert(Socket(self.opened), (host, key));
        Socket(self.opened)
    }

    /// A call of the stack that the socket is of.
    fn with<T>(
        &mut self,
        socket: Socket,
        call: impl FnOnce(&mut Stack, Instant, Key) -> Result<T, SocketError>,
    ) -> Result<T, SocketError> {
        let (host, key) = *self.sockets.get(&socket).ok_or(SocketError::BadHandle)?;
        let side = &mut self.hosts[host as usize];
        let result = call(&mut side.stack, self.now, key);
        side.note_changes();
        result
    }

    /// Lets both stacks do what there is to do now, and gives when there is more.
    fn poll(&mut self) -> Option<Instant> {
        let mut more = false;
        for side in &mut self.hosts {
            more |= side.stack.poll(self.now).more;
            side.note_changes();
        }
        if more {
            return Some(self.now);
        }
        self.hosts.iter().fold(None, |due, side| sooner(due, side.stack.poll_at()))
    }

    /// Lets time pass until `enough`, or to `end`, and says whether it was enough.
    fn run(&mut self, end: Instant, mut enough: impl FnMut(&mut Pair) -> bool) -> bool {
        for turn in 0.. {
            assert!(turn < 1_000_000, "the stacks never come to rest");
            if enough(self) {
                return true;
            }
            let due = self.poll();
            if enough(self) {
                return true;
            }
            match due {
                Some(due) if due <= end => self.now = self.now.max(due),
                _ => break,
            }
        }
        self.now = end;
        false
    }

    /// The poller of the socket's host.
    fn watched(&mut self, socket: Socket) -> io::Result<(&mut Side, Key)> {
        let found = self.sockets.get(&socket).ok_or(io::ErrorKind::InvalidInput)?;
        Ok((&mut self.hosts[found.0 as usize], found.1))
    }
}

impl Side {
    /// Tells the poller of the sockets that changed.
    fn note_changes(&mut self) {
        while let Some(key) = self.stack.changed() {
            self.mark(key);
        }
    }

    fn mark(&mut self, key: Key) {
        self.pollers.mark(self.poller, key, &mut Woken::default());
    }
}

fn ready(stack: &Stack, key: Key) -> Readiness {
    match key {
        Key::Tcp(handle) => stack.tcp.readiness(handle),
        Key::Udp(handle) => stack.udp.readiness(handle),
        Key::Raw(handle) => stack.raw.readiness(handle),
    }
}

/// The handle of a stream; what else has a socket, has not this call.
fn stream(key: Key) -> Result<Handle, SocketError> {
    match key {
        Key::Tcp(handle) => Ok(handle),
        Key::Udp(_) | Key::Raw(_) => Err(SocketError::Unsupported),
    }
}

impl Network for Pair {
    fn open(&mut self, host: Host, kind: Kind) -> Result<Socket, SocketError> {
        let stack = &mut self.hosts[host as usize].stack;
        let key = match kind {
            Kind::Stream => Key::Tcp(stack.with_tcp(self.now, |tcp, _| tcp.open())?),
            Kind::Datagram => Key::Udp(stack.with_udp(self.now, |udp, _| udp.open())?),
            Kind::Raw(protocol) => {
                Key::Raw(stack.with_raw(self.now, |raw, _| raw.open(Some(protocol)))?)
            }
        };
        Ok(self.name(host, key))
    }

    fn bind(&mut self, socket: Socket, local: SocketAddr) -> Result<(), SocketError> {
        self.with(socket, |stack, now, key| match key {
            Key::Tcp(handle) => stack.with_tcp(now, |tcp, out| tcp.bind(handle, local, out)),
            Key::Udp(handle) => stack.with_udp(now, |udp, out| udp.bind(handle, local, out)),
            Key::Raw(handle) => stack.with_raw(now, |raw, out| raw.bind(handle, local.ip(), out)),
        })
    }

    fn listen(&mut self, socket: Socket, backlog: usize) -> Result<(), SocketError> {
        self.with(socket, |stack, now, key| {
            let handle = stream(key)?;
            stack.with_tcp(now, |tcp, _| tcp.listen(handle, backlog))
        })
    }

    fn accept(&mut self, socket: Socket) -> Result<(Socket, SocketAddr), SocketError> {
        let (handle, peer) = self.with(socket, |stack, now, key| {
            let handle = stream(key)?;
            stack.with_tcp(now, |tcp, _| tcp.accept(handle))
        })?;
        let (host, _) = self.sockets[&socket];
        Ok((self.name(host, Key::Tcp(handle)), peer))
    }

    fn connect(&mut self, socket: Socket, peer: Option<SocketAddr>) -> Result<(), SocketError> {
        self.with(socket, |stack, now, key| match key {
            Key::Tcp(handle) => {
                let peer = peer.ok_or(SocketError::Unsupported)?;
                stack.with_tcp(now, |tcp, out| tcp.connect(now, handle, peer, out))
            }
            Key::Udp(handle) => stack.with_udp(now, |udp, out| udp.connect(now, handle, peer, out)),
            Key::Raw(handle) => {
                stack.with_raw(now, |raw, _| raw.connect(handle, peer.map(|peer| peer.ip())))
            }
        })
    }

    fn send(
        &mut self,
        socket: Socket,
        to: Option<SocketAddr>,
        data: &[u8],
        flags: SendFlags,
    ) -> Result<usize, SocketError> {
        self.with(socket, |stack, now, key| match key {
            Key::Tcp(handle) => {
                stack.with_tcp(now, |tcp, out| tcp.send(now, handle, data, flags, out))
            }
            Key::Udp(handle) => {
                stack.with_udp(now, |udp, out| udp.send(now, handle, to, data, out))
            }
            Key::Raw(handle) => {
                let to = to.map(|to| to.ip());
                stack.with_raw(now, |raw, out| raw.send(now, handle, to, data, out))
            }
        })
    }

    fn receive(
        &mut self,
        socket: Socket,
        buffer: &mut [u8],
        flags: ReceiveFlags,
    ) -> Result<Message, SocketError> {
        let peek = flags.contains(ReceiveFlags::PEEK);
        let (data, from) = self.with(socket, |stack, now, key| match key {
            Key::Tcp(handle) => {
                let len =
                    stack.with_tcp(now, |tcp, out| tcp.receive(now, handle, buffer, flags, out))?;
                Ok((netdev::Packet::from_payload(&buffer[..len]), None))
            }
            Key::Udp(handle) => {
                let got = stack.with_udp(now, |udp, _| udp.receive(handle, peek))?;
                Ok((got.data, Some(got.from)))
            }
            Key::Raw(handle) => {
                let got = stack.with_raw(now, |raw, _| raw.receive(handle, peek))?;
                Ok((got.packet, Some(SocketAddr::new(got.from, 0))))
            }
        })?;
        let len = data.len().min(buffer.len());
        buffer[..len].copy_from_slice(&data[..len]);
        Ok(Message { len, whole: data.len(), from })
    }

    fn shutdown(&mut self, socket: Socket, how: Shutdown) -> Result<(), SocketError> {
        self.with(socket, |stack, now, key| {
            let handle = stream(key)?;
            stack.with_tcp(now, |tcp, out| tcp.shutdown(now, handle, how, out))
        })
    }

    fn close(&mut self, socket: Socket) -> Result<(), SocketError> {
        self.with(socket, |stack, now, key| {
            match key {
                Key::Tcp(handle) => stack.with_tcp(now, |tcp, out| tcp.close(now, handle, out)),
                Key::Udp(handle) => stack.close_udp(now, handle),
                Key::Raw(handle) => stack.with_raw(now, |raw, _| raw.close(handle)),
            }
            Ok(())
        })?;
        if let Some((host, key)) = self.sockets.remove(&socket) {
            let side = &mut self.hosts[host as usize];
            side.pollers.deregister(side.poller, key);
        }
        Ok(())
    }

    fn set(&mut self, socket: Socket, setting: Setting) -> Result<(), SocketError> {
        self.with(socket, |stack, now, key| settings::change(stack, now, key, setting))
    }

    fn get(&mut self, socket: Socket, like: Setting) -> Result<Setting, SocketError> {
        self.with(socket, |stack, _, key| settings::read(stack, key, like))
    }

    fn local(&mut self, socket: Socket) -> Result<SocketAddr, SocketError> {
        self.with(socket, |stack, now, key| match key {
            Key::Tcp(handle) => Ok(stack.tcp.info(now, handle)?.local),
            Key::Udp(handle) => Ok(stack.udp.info(handle)?.local),
            Key::Raw(handle) => {
                let local = stack.raw.info(handle)?.local;
                Ok(SocketAddr::new(local.unwrap_or([0, 0, 0, 0].into()), 0))
            }
        })
    }

    fn peer(&mut self, socket: Socket) -> Result<SocketAddr, SocketError> {
        let peer = self.with(socket, |stack, now, key| match key {
            Key::Tcp(handle) => {
                let info = stack.tcp.info(now, handle)?;
                Ok(Some(info.peer).filter(|_| info.state.is_synchronized()))
            }
            Key::Udp(handle) => Ok(stack.udp.info(handle)?.peer),
            Key::Raw(handle) => {
                Ok(stack.raw.info(handle)?.peer.map(|peer| SocketAddr::new(peer, 0)))
            }
        })?;
        peer.ok_or(SocketError::NotConnected)
    }

    fn queues(&mut self, socket: Socket) -> Result<Queues, SocketError> {
        self.with(socket, |stack, now, key| {
            let info = stack.tcp.info(now, stream(key)?)?;
            Ok(Queues { unread: info.receive_queue, unacknowledged: info.send_queue })
        })
    }

    fn at_mark(&mut self, socket: Socket) -> Result<bool, SocketError> {
        self.with(
            socket,
            |stack, now, key| Ok(stack.tcp.info(now, stream(key)?)?.urgent == Some(0)),
        )
    }

    fn take_error(&mut self, socket: Socket) -> Result<Option<SocketError>, SocketError> {
        self.with(socket, |stack, now, key| {
            Ok(match key {
                Key::Tcp(handle) => stack.with_tcp(now, |tcp, _| tcp.take_error(handle)),
                Key::Udp(handle) => stack.with_udp(now, |udp, _| udp.take_error(handle)),
                Key::Raw(handle) => stack.with_raw(now, |raw, _| raw.take_error(handle)),
            })
        })
    }

    fn readiness(&mut self, socket: Socket) -> Result<Readiness, SocketError> {
        self.with(socket, |stack, _, key| Ok(ready(stack, key)))
    }

    fn kind(&self, error: SocketError) -> io::ErrorKind {
        error::io(error).kind()
    }

    fn watch(&mut self, socket: Socket, interest: Interest, mode: Mode) -> io::Result<()> {
        let number = usize::try_from(socket.0).expect("at least 32 bits");
        let (side, key) = self.watched(socket)?;
        let new = Registration { key: number, interest, mode, armed: true, queued: false };
        if !side.pollers.register(side.poller, key, new) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        side.mark(key);
        Ok(())
    }

    fn watch_again(&mut self, socket: Socket, interest: Interest, mode: Mode) -> io::Result<()> {
        let (side, key) = self.watched(socket)?;
        let found = side.pollers.registration(side.poller, key).ok_or(io::ErrorKind::NotFound)?;
        *found = Registration { interest, mode, armed: true, ..*found };
        side.mark(key);
        Ok(())
    }

    fn unwatch(&mut self, socket: Socket) -> io::Result<()> {
        let (side, key) = self.watched(socket)?;
        if !side.pollers.deregister(side.poller, key) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(())
    }

    fn events(&mut self) -> io::Result<Vec<(Socket, Readiness)>> {
        let mut events = Vec::new();
        for Side { stack, pollers, poller } in &mut self.hosts {
            pollers.collect(*poller, &mut events, |key| ready(stack, key));
        }
        let named = |event: &Event| {
            (Socket(u32::try_from(event.key).expect("given as 32 bits")), event.readiness)
        };
        let mut named: Vec<_> = events.iter().map(named).collect();
        named.sort_by_key(|(socket, _)| *socket);
        Ok(named)
    }

    fn lose(&mut self, lose: bool) {
        lock(&self.links).lose = lose;
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn pass(&mut self, time: Duration) {
        self.run(self.now + time, |_| false);
    }

    fn wait(&mut self, socket: Socket, wanted: Readiness, at_most: Duration) -> bool {
        self.run(self.now + at_most, |pair| {
            pair.readiness(socket).is_ok_and(|ready| ready.intersects(wanted))
        })
    }

    fn describe(&mut self, socket: Socket) -> String {
        let described = self.with(socket, settings::describe);
        described.unwrap_or_else(|error| error.to_string())
    }

    fn packets(&mut self) -> Vec<Sighting> {
        std::mem::take(&mut lock(&self.links).seen)
    }
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("now", &self.now).finish_non_exhaustive()
    }
}
