//! What the tests of this crate build their networks from.

use std::net::IpAddr;
use std::sync::mpsc;
use std::time::Duration;

use ip::Protocol;
use netdev::{Device, Instant, Loopback, MacAddr, Packet, UnixLink, Wire, checksum::Sum, sooner};

use crate::{Layers, Net, Stack};

pub(crate) fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Which TCP.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Full,
    Small,
}

/// A stack with a loopback interface.
pub(crate) fn stack(seed: u64) -> Stack {
    stack_of(Kind::Full, seed)
}

/// The same with another TCP.
pub(crate) fn stack_of(kind: Kind, seed: u64) -> Stack {
    let mut stack = Stack::new(Layers {
        ip: Box::new(ip::Router::new(ip::Config::default(), seed)),
        icmp: Box::new(icmp::Icmp::new(icmp::Config::default(), seed)),
        udp: Box::new(udp::Udp::new(udp::Config::default(), seed)),
        tcp: match kind {
            Kind::Full => Box::new(tcp::Tcp::new(tcp::Config::default(), seed)),
            Kind::Small => Box::new(tcp::SmallTcp::new(seed)),
        },
    });
    stack.add_loopback(Instant::ZERO, Box::new(Loopback::new())).unwrap();
    stack
}

/// Adds an Ethernet interface with the address `cidr`; the last byte of its MAC is `number`.
pub(crate) fn attach(
    stack: &mut Stack,
    device: impl Device + 'static,
    number: u8,
    cidr: &str,
    gateway: Option<&str>,
) -> ip::IfIndex {
    let mac = MacAddr([2, 0, 0, 0, 0, number]);
    let arp = arp::Cache::new(mac, arp::Config::default(), u64::from(number));
    let addrs = [cidr.parse().unwrap()];
    let gateway = gateway.map(addr);
    let (device, arp) = (Box::new(device), Box::new(arp));
    stack.add_interface(Instant::ZERO, device, mac, Some(arp), &addrs, gateway).unwrap()
}

/// Stacks on virtual time.
pub(crate) struct World<const N: usize> {
    pub(crate) stacks: [Stack; N],
    pub(crate) now: Instant,
}

/// 10.0.0.1 and 10.0.0.2 on a wire of 1 ms.
pub(crate) fn pair() -> World<2> {
    pair_of(Kind::Full)
}

/// The same with another TCP.
pub(crate) fn pair_of(kind: Kind) -> World<2> {
    let (left, right) = Wire::pair(Duration::from_millis(1));
    let (mut a, mut b) = (stack_of(kind, 1), stack_of(kind, 2));
    attach(&mut a, left, 1, "10.0.0.1/24", None);
    attach(&mut b, right, 2, "10.0.0.2/24", None);
    World { stacks: [a, b], now: Instant::ZERO }
}

impl<const N: usize> World<N> {
    /// Lets `time` pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        for turn in 0.. {
            assert!(turn < 1_000_000, "the stacks never come to rest");
            let mut more = false;
            for stack in &mut self.stacks {
                more |= stack.poll(self.now).more;
            }
            let due = self.stacks.iter().fold(None, |due, stack| sooner(due, stack.poll_at()));
            match due {
                _ if more => {}
                Some(due) if due <= end => self.now = self.now.max(due),
                _ => break,
            }
        }
        self.now = end;
    }

    pub(crate) fn millis(&mut self, millis: u64) {
        self.run(Duration::from_millis(millis));
    }
}

/// An ICMP echo request, checksum and all.
pub(crate) fn echo_request(ident: u16, seq: u16, data: &[u8]) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0];
    message.extend(ident.to_be_bytes());
    message.extend(seq.to_be_bytes());
    message.extend(data);
    let check = Sum::default().bytes(&message).finish();
    message[2..4].copy_from_slice(&check.to_be_bytes());
    message
}

/// An IPv4 header as a program writes it, with nothing in it that is filled in for it.
pub(crate) fn bare_header(src: &str, dst: &str, protocol: Protocol, ttl: u8) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, ttl, protocol.0, 0, 0];
    for text in [src, dst] {
        let IpAddr::V4(addr) = addr(text) else { panic!("{text} is IPv6") };
        header.extend(addr.octets());
    }
    header
}

/// The payload of a datagram that a raw socket received.
pub(crate) fn payload(packet: &Packet) -> &[u8] {
    &packet[usize::from(packet[0] & 0xf) * 4..]
}

/// 10.0.0.1 and 10.0.0.2, each with an event loop, over a pair of Unix sockets.
pub(crate) fn nets() -> (Net, Net) {
    nets_of(Kind::Full)
}

/// The same with another TCP.
pub(crate) fn nets_of(kind: Kind) -> (Net, Net) {
    let (left, right) = UnixLink::pair().unwrap();
    (net(stack_of(kind, 1), left, 1), net(stack_of(kind, 2), right, 2))
}

/// `stack` at 10.0.0.`number`, running.
pub(crate) fn net(mut stack: Stack, device: impl Device + 'static, number: u8) -> Net {
    attach(&mut stack, device, number, &format!("10.0.0.{number}/24"), None);
    Net::start(stack).unwrap()
}

/// Only a loopback interface.
pub(crate) fn alone() -> Net {
    alone_of(Kind::Full)
}

/// The same with another TCP.
pub(crate) fn alone_of(kind: Kind) -> Net {
    Net::start(stack_of(kind, 1)).unwrap()
}

/// Runs what might hang if something is wrong, and says so instead of hanging. A bound for
/// failures only: no test waits for it.
pub(crate) fn soon<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let result = test();
        let _ = done.send(());
        result
    });
    if let Err(mpsc::RecvTimeoutError::Timeout) = wait.recv_timeout(Duration::from_secs(60)) {
        panic!("it hangs");
    }
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Waits until another thread has brought something about.
pub(crate) fn until(mut done: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never happens");
        std::thread::yield_now();
    }
}

/// A thread, and a way to know that it has gone to sleep in a call on a socket of `net`.
pub(crate) fn blocked<T: Send + 'static>(
    net: &Net,
    call: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    let before = net.core().lock().sleepers();
    let thread = std::thread::spawn(call);
    until(|| thread.is_finished() || net.core().lock().sleepers() > before);
    thread
}
