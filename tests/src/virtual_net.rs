//! Whole stacks on virtual time: no thread, no clock, no device of the machine.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ip::{Handle, IfIndex, Protocol, SocketError};
use netdev::{Counter, Device, Instant, Loopback, MacAddr, Wire, checksum::Sum, sooner};
use socket::{Layers, RawReceived, Stack};
use tcp::{ReceiveFlags, SendFlags, Streams};
use udp::Received;

/// Makes a TCP from a seed.
pub type MakeTcp = fn(u64) -> Box<dyn Streams>;

/// All of RFC 9293.
pub fn rfc9293(seed: u64) -> Box<dyn Streams> {
    Box::new(tcp::Tcp::new(tcp::Config::default(), seed))
}

/// The TCP that is read in one evening.
pub fn small(seed: u64) -> Box<dyn Streams> {
    Box::new(tcp::SmallTcp::new(seed))
}

/// A test of each name for each TCP: the functions of those names take a [`MakeTcp`].
#[macro_export]
macro_rules! with_each_tcp {
    ($($name:ident),+ $(,)?) => {
        mod rfc9293 {
            $(#[test] fn $name() { super::$name(tests::virtual_net::rfc9293) })+
        }
        mod small {
            $(#[test] fn $name() { super::$name(tests::virtual_net::small) })+
        }
    };
}

/// Reads an address that a test wrote.
pub fn addr(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A stack with a loopback interface and the first implementation of every other layer.
pub fn stack(tcp: MakeTcp, seed: u64) -> Stack {
    let mut stack = Stack::new(Layers {
        ip: Box::new(ip::Router::new(ip::Config::default(), seed)),
        icmp: Box::new(icmp::Icmp::new(icmp::Config::default(), seed)),
        udp: Box::new(udp::Udp::new(udp::Config::default(), seed)),
        tcp: tcp(seed),
    });
    stack.add_loopback(Instant::ZERO, Box::new(Loopback::new())).expect("loopback");
    stack
}

/// The link address that [`attach`] gives to `number`.
pub fn mac(number: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, number])
}

/// Adds an Ethernet interface with the address `cidr` to a stack.
pub fn attach(
    stack: &mut Stack,
    device: impl Device + 'static,
    number: u8,
    cidr: &str,
    gateway: Option<&str>,
) -> IfIndex {
    let mac = mac(number);
    let arp = Box::new(arp::Cache::new(mac, arp::Config::default(), number.into()));
    let addrs = [cidr.parse().expect("an address and a prefix length")];
    let gateway = gateway.map(addr);
    stack
        .add_interface(Instant::ZERO, Box::new(device), mac, Some(arp), &addrs, gateway)
        .expect("an interface")
}

/// Stacks, and the time that it is for all of them.
#[derive(Debug)]
pub struct World {
    /// In the order in which they are polled.
    pub stacks: Vec<Stack>,
    /// The time.
    pub now: Instant,
}

impl World {
    /// A world at time zero.
    pub fn new(stacks: impl Into<Vec<Stack>>) -> World {
        World { stacks: stacks.into(), now: Instant::ZERO }
    }

    /// 10.0.0.1 and 10.0.0.2 on a wire of 1 ms.
    pub fn pair(tcp: MakeTcp) -> World {
        let (left, right) = Wire::pair(Duration::from_millis(1));
        World::pair_on(tcp, left, right)
    }

    /// 10.0.0.1 and 10.0.0.2 on the two ends of a wire of one's own making.
    pub fn pair_on(
        tcp: MakeTcp,
        left: impl Device + 'static,
        right: impl Device + 'static,
    ) -> World {
        let mut world = World::new([stack(tcp, 1), stack(tcp, 2)]);
        attach(&mut world.stacks[0], left, 1, "10.0.0.1/24", None);
        attach(&mut world.stacks[1], right, 2, "10.0.0.2/24", None);
        world
    }

    /// 10.0.1.1, a router (10.0.1.254 and 10.0.2.254), and 10.0.2.2, on wires of 1 ms.
    pub fn routed(tcp: MakeTcp) -> World {
        let [left, right] = [(), ()].map(|()| Wire::pair(Duration::from_millis(1)));
        let mut world = World::new([1, 2, 3].map(|seed| stack(tcp, seed)));
        attach(&mut world.stacks[0], left.0, 1, "10.0.1.1/24", Some("10.0.1.254"));
        attach(&mut world.stacks[1], left.1, 2, "10.0.1.254/24", None);
        attach(&mut world.stacks[1], right.0, 3, "10.0.2.254/24", None);
        attach(&mut world.stacks[2], right.1, 4, "10.0.2.2/24", Some("10.0.2.254"));
        world.stacks[1].configure(world.now, ip::Change::Forwarding(true)).expect("a router");
        world
    }

    /// Lets every stack do what is to be done at the time that it is; whether there is more.
    fn poll(&mut self) -> bool {
        let mut more = false;
        for stack in &mut self.stacks {
            more |= stack.poll(self.now).more;
        }
        more
    }

    /// Moves the clock to what is due next; `false` where nothing is until `end`, and it is `end`
    /// now.
    fn jump(&mut self, end: Instant) -> bool {
        let due = self.stacks.iter().fold(None, |due, stack| sooner(due, stack.poll_at()));
        self.now = due.filter(|due| *due <= end).unwrap_or(end).max(self.now);
        due.is_some_and(|due| due <= end)
    }

    /// Lets `time` pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..1_000_000 {
            if !self.poll() && !self.jump(end) {
                return;
            }
        }
        panic!("the stacks never come to rest");
    }

    /// Lets some milliseconds pass.
    pub fn millis(&mut self, millis: u64) {
        self.run(Duration::from_millis(millis));
    }

    /// Lets things happen until `done`; `false` where an hour passes before that.
    pub fn until(&mut self, mut done: impl FnMut(&mut World) -> bool) -> bool {
        let end = self.now + Duration::from_secs(3600);
        loop {
            // Asked before and after: what is done needs no poll, and what a poll brought about
            // is not to wait for the next timer.
            if done(self) {
                return true;
            }
            let more = self.poll();
            if done(self) {
                return true;
            }
            if !more && !self.jump(end) {
                return false;
            }
        }
    }

    /// A counter of one stack, summed over its interfaces.
    pub fn count(&self, stack: usize, layer: &str, name: &str) -> u64 {
        counter(&self.stacks[stack], layer, name)
    }

    /// A raw socket of a stack.
    pub fn raw(&mut self, stack: usize, protocol: Protocol) -> Handle {
        let open = self.stacks[stack].with_raw(self.now, |raw, _| raw.open(Some(protocol)));
        open.expect("a raw socket")
    }

    /// Sends by a raw socket.
    pub fn send_raw(
        &mut self,
        stack: usize,
        socket: Handle,
        to: &str,
        data: &[u8],
    ) -> Result<usize, SocketError> {
        let (now, to) = (self.now, Some(addr(to)));
        self.stacks[stack].with_raw(now, |raw, out| raw.send(now, socket, to, data, out))
    }

    /// The oldest datagram that a raw socket received.
    pub fn receive_raw(
        &mut self,
        stack: usize,
        socket: Handle,
    ) -> Result<RawReceived, SocketError> {
        self.stacks[stack].with_raw(self.now, |raw, _| raw.receive(socket, false))
    }

    /// A UDP socket of a stack, bound to `local`.
    pub fn udp(&mut self, stack: usize, local: &str) -> Handle {
        let local = local.parse().expect("an address and a port");
        self.stacks[stack]
            .with_udp(self.now, |udp, out| {
                let socket = udp.open()?;
                udp.bind(socket, local, out).map(|()| socket)
            })
            .expect("a UDP socket")
    }

    /// Gives a UDP socket its only peer.
    pub fn connect_udp(&mut self, stack: usize, socket: Handle, peer: &str) {
        let (now, peer) = (self.now, Some(peer.parse().expect("an address and a port")));
        let done = self.stacks[stack].with_udp(now, |udp, out| udp.connect(now, socket, peer, out));
        done.expect("a connected UDP socket");
    }

    /// Sends a datagram to `to`, or with `""` to the peer.
    pub fn send_udp(
        &mut self,
        stack: usize,
        socket: Handle,
        to: &str,
        data: &[u8],
    ) -> Result<usize, SocketError> {
        let (now, to) = (self.now, to.parse().ok());
        self.stacks[stack].with_udp(now, |udp, out| udp.send(now, socket, to, data, out))
    }

    /// The oldest datagram that a UDP socket received.
    pub fn receive_udp(&mut self, stack: usize, socket: Handle) -> Result<Received, SocketError> {
        self.stacks[stack].with_udp(self.now, |udp, _| udp.receive(socket, false))
    }

    /// A listening TCP socket of a stack.
    pub fn listen(&mut self, stack: usize, local: &str, backlog: usize) -> Handle {
        let local = local.parse().expect("an address and a port");
        self.stacks[stack]
            .with_tcp(self.now, |tcp, out| {
                let socket = tcp.open()?;
                tcp.bind(socket, local, out)?;
                tcp.listen(socket, backlog).map(|()| socket)
            })
            .expect("a listener")
    }

    /// Begins to connect.
    pub fn connect(&mut self, stack: usize, peer: &str) -> Handle {
        let (now, peer) = (self.now, peer.parse().expect("an address and a port"));
        self.stacks[stack].with_tcp(now, |tcp, out| {
            let socket = tcp.open().expect("a TCP socket");
            assert_eq!(tcp.connect(now, socket, peer, out), Err(SocketError::InProgress));
            socket
        })
    }

    /// The connection that has waited longest, and its peer.
    pub fn accept(
        &mut self,
        stack: usize,
        listener: Handle,
    ) -> Result<(Handle, SocketAddr), SocketError> {
        self.stacks[stack].with_tcp(self.now, |tcp, _| tcp.accept(listener))
    }

    /// A connection from stack `client` to stack `server`, where `to` is its address.
    pub fn connection(&mut self, client: usize, server: usize, to: &str) -> (Handle, Handle) {
        let listener = self.listen(server, to, 1);
        let connected = self.connect(client, to);
        let mut accepted = None;
        let done = self.until(|world| {
            accepted = accepted.or_else(|| world.accept(server, listener).ok());
            accepted.is_some()
        });
        assert!(done, "no connection to {to}");
        self.close(server, listener);
        (connected, accepted.expect("just seen").0)
    }

    /// Takes bytes into a connection's send buffer; 0 where it is full.
    pub fn send(&mut self, stack: usize, socket: Handle, data: &[u8]) -> usize {
        let now = self.now;
        let sent = self.stacks[stack]
            .with_tcp(now, |tcp, out| tcp.send(now, socket, data, SendFlags::empty(), out));
        match sent {
            Err(SocketError::WouldBlock) => 0,
            sent => sent.unwrap_or_else(|error| panic!("send: {error}")),
        }
    }

    /// What a connection received; empty bytes are the end.
    pub fn receive(&mut self, stack: usize, socket: Handle) -> Result<Vec<u8>, SocketError> {
        let now = self.now;
        let mut buffer = vec![0; 65536];
        let received = self.stacks[stack].with_tcp(now, |tcp, out| {
            tcp.receive(now, socket, &mut buffer, ReceiveFlags::empty(), out)
        });
        received.map(|len| {
            buffer.truncate(len);
            buffer
        })
    }

    /// Closes a TCP socket.
    pub fn close(&mut self, stack: usize, socket: Handle) {
        let now = self.now;
        self.stacks[stack].with_tcp(now, |tcp, out| tcp.close(now, socket, out));
    }

    /// The facts of a connection.
    pub fn info(&mut self, stack: usize, socket: Handle) -> tcp::Info {
        let now = self.now;
        self.stacks[stack].with_tcp(now, |tcp, _| tcp.info(now, socket)).expect("an open socket")
    }

    /// Moves data both ways at once over a connection of two (stack, socket), and compares it.
    pub fn exchange(&mut self, ends: [(usize, Handle); 2], data: [&[u8]; 2]) {
        let mut sent = [0; 2];
        let mut received = [Vec::new(), Vec::new()];
        let done = self.until(|world| {
            for (end, (stack, socket)) in ends.into_iter().enumerate() {
                loop {
                    let rest = &data[end][sent[end]..];
                    match if rest.is_empty() { 0 } else { world.send(stack, socket, rest) } {
                        0 => break,
                        count => sent[end] += count,
                    }
                }
                while let Ok(bytes) = world.receive(stack, socket) {
                    assert!(!bytes.is_empty(), "the stream ended early");
                    received[end].extend(bytes);
                }
            }
            received[0].len() >= data[1].len() && received[1].len() >= data[0].len()
        });
        assert!(done, "stuck with {} and {} bytes", received[1].len(), received[0].len());
        assert!(received[0] == data[1] && received[1] == data[0], "other bytes than were sent");
    }
}

/// A counter of a stack, summed over its interfaces.
///
/// # Panics
/// Where there is none of that name.
pub fn counter(stack: &Stack, layer: &str, name: &str) -> u64 {
    let layers = stack.counters().into_iter().filter(|l| l.layer == layer);
    let rows = layers.flat_map(|layer| layer.counters);
    let mut found = rows.filter(|Counter { name: n, .. }| *n == name).peekable();
    assert!(found.peek().is_some(), "{layer} has no counter `{name}`");
    found.map(|counter| counter.count).sum()
}

/// An ICMP echo request, checksum and all.
pub fn echo_request(ident: u16, seq: u16, data: &[u8]) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0];
    message.extend(ident.to_be_bytes());
    message.extend(seq.to_be_bytes());
    message.extend(data);
    let check = Sum::default().bytes(&message).finish();
    message[2..4].copy_from_slice(&check.to_be_bytes());
    message
}
