//! Two stacks on a wire, and the time for both.

use std::time::Duration;

use ip::{Handle, SocketError};
use netdev::{Capabilities, Instant, Loopback, MacAddr, Medium, Wire, WireConfig};
use socket::{Layers, Stack};
use tcp::{ReceiveFlags, SendFlags, Setting};

/// Ethernet with an MTU of 1500, and nothing left to the device.
pub(crate) const PLAIN: Capabilities = Capabilities::plain(Medium::Ethernet, 1500);

/// The same with all that a TAP with a vnet header takes over. What it does not is done by
/// nobody: packets arrive whole, their checksums left out, as between two guests of one machine.
pub(crate) const OFFLOAD: Capabilities = Capabilities {
    checksum: true,
    tcp_segmentation: 65_535 - 40,
    udp_segmentation: 65_535 - 28,
    ..PLAIN
};

/// One of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Whose work is counted; 10.0.0.1.
    Here,
    /// Its peer; 10.0.0.2.
    There,
}

/// Two stacks, 10.0.0.1 and 10.0.0.2, on a wire without latency.
#[derive(Debug)]
pub struct Pair {
    stacks: [Stack; 2],
    /// The time.
    pub now: Instant,
}

impl Pair {
    /// On a wire whose ends can do `capabilities`.
    pub fn new(capabilities: Capabilities) -> Pair {
        Pair::with_tcp(capabilities, tcp::Config::default())
    }

    /// The same with a configuration for both TCPs.
    pub fn with_tcp(capabilities: Capabilities, config: tcp::Config) -> Pair {
        let wire = WireConfig { capabilities, ..WireConfig::default() };
        let (left, right) = Wire::pair_with(wire);
        let stacks = [(1, left), (2, right)].map(|(number, device)| {
            let seed = u64::from(number);
            let mut stack = Stack::new(Layers {
                ip: Box::new(ip::Router::new(ip::Config::default(), seed)),
                icmp: Box::new(icmp::Icmp::new(icmp::Config::default(), seed)),
                udp: Box::new(udp::Udp::new(udp::Config::default(), seed)),
                tcp: Box::new(tcp::Tcp::new(config.clone(), seed)),
            });
            let loopback = stack.add_loopback(Instant::ZERO, Box::new(Loopback::new()));
            loopback.expect("a loopback interface");
            let mac = MacAddr([2, 0, 0, 0, 0, number]);
            let arp = Box::new(arp::Cache::new(mac, arp::Config::default(), seed));
            let addr = format!("10.0.0.{number}/24").parse().expect("an address");
            let device = Box::new(device);
            stack
                .add_interface(Instant::ZERO, device, mac, Some(arp), &[addr], None)
                .expect("an interface");
            stack
        });
        let mut pair = Pair { stacks, now: Instant::ZERO };
        pair.introduce();
        pair
    }

    /// Lets ARP find both: a step is not the first that is sent.
    fn introduce(&mut self) {
        for side in [Side::Here, Side::There] {
            let (now, to) = (self.now, Some((side.other().addr(), 9).into()));
            let socket = self.stack(side).with_udp(now, |udp, out| {
                let socket = udp.open().expect("a socket");
                udp.send(now, socket, to, b"", out).expect("it is sent");
                socket
            });
            self.settle();
            self.stack(side).close_udp(now, socket);
            self.tell(side);
        }
    }

    /// A stack.
    pub fn stack(&mut self, side: Side) -> &mut Stack {
        &mut self.stacks[side as usize]
    }

    /// Lets a stack take what has come.
    pub fn poll(&mut self, side: Side) {
        let now = self.now;
        while self.stack(side).poll(now).more {}
    }

    /// Lets both, until neither has anything left, and as many more rounds as ARP needs.
    pub fn settle(&mut self) {
        for _ in 0..4 {
            self.poll(Side::Here);
            self.poll(Side::There);
        }
    }

    /// Lets time pass for both, from timer to timer.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let due = self.stacks.iter().filter_map(Stack::poll_at).min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
        }
        self.now = end;
    }

    /// A listener on `there` or `here`, at any address.
    pub fn listen(&mut self, side: Side, port: u16, backlog: usize) -> Handle {
        let (now, local) = (self.now, ([0, 0, 0, 0], port).into());
        self.stack(side)
            .with_tcp(now, |tcp, out| {
                let socket = tcp.open()?;
                tcp.bind(socket, local, out)?;
                tcp.listen(socket, backlog)?;
                Ok::<_, SocketError>(socket)
            })
            .expect("a listener")
    }

    /// Begins to connect to the other side.
    pub fn connect(&mut self, side: Side, port: u16) -> Handle {
        let (now, peer) = (self.now, (side.other().addr(), port).into());
        self.stack(side).with_tcp(now, |tcp, out| {
            let socket = tcp.open().expect("a socket");
            assert_eq!(tcp.connect(now, socket, peer, out), Err(SocketError::InProgress));
            socket
        })
    }

    /// The connection that has waited longest.
    pub fn accept(&mut self, side: Side, listener: Handle) -> Handle {
        let now = self.now;
        let accepted = self.stack(side).with_tcp(now, |tcp, _| tcp.accept(listener));
        accepted.expect("a connection that waits").0
    }

    /// Nagle's algorithm is off from now on, at both ends of a connection. Each has settings of its
    /// own then.
    pub fn no_delay(&mut self, ends: [Handle; 2]) {
        let now = self.now;
        for (side, socket) in [Side::Here, Side::There].into_iter().zip(ends) {
            let set = self
                .stack(side)
                .with_tcp(now, |tcp, out| tcp.set(now, socket, Setting::NoDelay(true), out));
            set.expect("an option");
        }
    }

    /// A connection that `there` has opened, with Nagle's algorithm off: its ends here and there.
    pub fn connection(&mut self) -> [Handle; 2] {
        let listener = self.listen(Side::Here, 80, 16);
        let there = self.connect(Side::There, 80);
        self.settle();
        let here = self.accept(Side::Here, listener);
        self.close(Side::Here, listener);
        self.no_delay([here, there]);
        self.settle();
        [here, there]
    }

    /// Writes all of `data`.
    pub fn send(&mut self, side: Side, socket: Handle, data: &[u8]) {
        let now = self.now;
        let sent = self
            .stack(side)
            .with_tcp(now, |tcp, out| tcp.send(now, socket, data, SendFlags::empty(), out));
        assert_eq!(sent, Ok(data.len()), "the send buffer is too small");
    }

    /// Reads until there is no more; gives how much that was.
    pub fn receive(&mut self, side: Side, socket: Handle, buffer: &mut [u8]) -> usize {
        let (now, flags, mut total) = (self.now, ReceiveFlags::empty(), 0);
        self.stack(side).with_tcp(now, |tcp, out| {
            while let Ok(len) = tcp.receive(now, socket, buffer, flags, out)
                && len > 0
            {
                total += len;
            }
        });
        total
    }

    /// Closes a TCP socket.
    pub fn close(&mut self, side: Side, socket: Handle) {
        let now = self.now;
        self.stack(side).with_tcp(now, |tcp, out| tcp.close(now, socket, out));
    }

    /// Asks for what may have changed, as whoever drives a stack does after each call.
    pub fn tell(&mut self, side: Side) -> usize {
        let stack = self.stack(side);
        std::iter::from_fn(|| stack.changed()).count()
    }
}

impl Side {
    /// Its address.
    pub fn addr(self) -> [u8; 4] {
        match self {
            Side::Here => [10, 0, 0, 1],
            Side::There => [10, 0, 0, 2],
        }
    }

    /// The other one.
    pub fn other(self) -> Side {
        match self {
            Side::Here => Side::There,
            Side::There => Side::Here,
        }
    }
}
