//! smoltcp as the peer: a TCP that others wrote, and so a judge that does not share our mistakes.
//!
//! Over the bench's link, on virtual time, in both roles. smoltcp wants whole IP datagrams: the
//! IPv4 headers around segments are put on and taken off here.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use etherparse::{IpNumber, Ipv4Header, Ipv4Slice};
use ip::{Handle, Header, Protocol, SocketError};
use netdev::{Instant, Packet, sooner};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State as PeerState};
use smoltcp::wire::{HardwareAddress, IpCidr};
use tcp::testing::{Host, Link, LinkConfig, Seg, Sent, Side, pattern};
use tcp::{Shutdown, SmallTcp, State, Streams, Tcp};

const PORT: u16 = 80;
const OUR_ADDR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const THEIR_ADDR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const THEIRS: SocketAddr = SocketAddr::new(IpAddr::V4(THEIR_ADDR), PORT);

/// Makes the implementation under test from a seed.
type New = fn(u64) -> Box<dyn Streams>;

fn small(seed: u64) -> Box<dyn Streams> {
    Box::new(SmallTcp::new(seed))
}

fn whole(seed: u64) -> Box<dyn Streams> {
    Box::new(Tcp::new(tcp::Config::default(), seed))
}

/// One test for each implementation and each name.
macro_rules! tests {
    ($($name:ident),+ $(,)?) => {
        mod small_tcp {
            $(#[test] fn $name() { super::$name(super::small) })+
        }
        mod whole_tcp {
            $(#[test] fn $name() { super::$name(super::whole) })+
        }
    };
}

tests! {
    bulk_both_ways_when_smoltcp_connects,
    bulk_both_ways_when_we_connect,
    bulk_over_bad_links_in_both_roles,
    a_coarse_grid_of_paths_in_both_roles,
    we_close_first,
    smoltcp_closes_first,
    both_close_at_once,
    we_abort_with_unread_data,
    smoltcp_aborts,
    smoltcp_refuses,
    its_window_shuts_and_opens,
    our_window_shuts_and_opens,
}

fn bulk_both_ways_when_smoltcp_connects(new: New) {
    let mut world = World::new(1, LinkConfig::default(), new(1), 65536);
    let socket = world.accept();
    world.exchange(socket, &pattern(0, 3_000_000), &pattern(5, 2_000_000));
}

fn bulk_both_ways_when_we_connect(new: New) {
    let mut world = World::new(2, LinkConfig::default(), new(1), 500_000);
    let socket = world.connect();
    world.exchange(socket, &pattern(0, 3_000_000), &pattern(5, 2_000_000));
}

fn bulk_over_bad_links_in_both_roles(new: New) {
    for seed in 0..6 {
        let config = match seed % 3 {
            0 => LinkConfig::bad(),
            1 => LinkConfig { loss: 0.05, ..LinkConfig::bad() },
            _ => LinkConfig { reordering: 0.3, duplication: 0.1, ..LinkConfig::bad() },
        };
        let mut world = World::new(seed, config, new(seed), 65536);
        let socket = if seed % 2 == 0 { world.accept() } else { world.connect() };
        world.exchange(socket, &pattern(0, 300_000), &pattern(5, 200_000));
        world.ours.close(socket);
        assert!(world.drive_until(|world| !world.peer().may_recv()));
        world.peer().close();
        world.assert_all_ends();
    }
}

/// Bandwidths, round trips and troubles; both ways at once, and every byte is compared.
fn a_coarse_grid_of_paths_in_both_roles(new: New) {
    let clean = LinkConfig::default();
    let troubles = [
        clean.clone(),
        LinkConfig { loss: 0.02, ..clean.clone() },
        LinkConfig { loss: 0.1, ..clean.clone() },
        LinkConfig { reordering: 0.05, duplication: 0.05, ..clean },
    ];
    let mut seed = 100;
    for (rate, micros) in [1, 100, 10_000]
        .into_iter()
        .flat_map(|mbit| [50, 20_000, 300_000].map(|micros| (mbit * 125_000, micros)))
    {
        for trouble in &troubles {
            seed += 1;
            let rtt = Duration::from_micros(micros);
            let queue = rtt + Duration::from_nanos(64 * 1500 * 1_000_000_000 / rate);
            let (latency, delay, rate) = (rtt / 2, rtt / 4, Some(rate));
            let config = LinkConfig { latency, delay, rate, queue, ..trouble.clone() };
            let mut world = World::new(seed, config, new(seed), 65536);
            let socket = if seed % 2 == 0 { world.accept() } else { world.connect() };
            world.exchange(socket, &pattern(0, 100_000), &pattern(5, 100_000));
        }
    }
}

fn we_close_first(new: New) {
    let mut world = World::new(3, LinkConfig::default(), new(1), 65536);
    let socket = world.connect();
    world.exchange(socket, b"one", b"two");
    world.ours.shutdown(socket, Shutdown::Write).unwrap();
    assert!(world.drive_until(|world| world.peer().state() == PeerState::CloseWait));
    assert!(world.drive_until(|world| world.ours.state(socket) == State::FinWait2));
    world.peer().send_slice(b"more").unwrap();
    assert!(world.drive_until(|world| world.ours.receive(socket, 9) == Ok(b"more".to_vec())));
    world.peer().close();
    assert!(world.drive_until(|world| world.ours.state(socket) == State::TimeWait));
    assert_eq!(world.ours.receive(socket, 9), Ok(vec![]));
    world.ours.close(socket);
    world.assert_all_ends();
}

fn smoltcp_closes_first(new: New) {
    let mut world = World::new(4, LinkConfig::default(), new(1), 65536);
    let socket = world.accept();
    world.exchange(socket, b"one", b"two");
    world.peer().close();
    assert!(world.drive_until(|world| world.ours.receive(socket, 9) == Ok(vec![])));
    assert_eq!(world.ours.state(socket), State::CloseWait);
    world.ours.send(socket, b"more").unwrap();
    assert!(world.drive_until(|world| world.peer().recv_queue() == 4));
    world.ours.close(socket);
    assert!(world.drive_until(|world| world.peer().state() == PeerState::TimeWait));
    world.assert_all_ends();
}

fn both_close_at_once(new: New) {
    let mut world = World::new(5, LinkConfig::default(), new(1), 65536);
    let socket = world.accept();
    world.exchange(socket, b"one", b"two");
    world.ours.close(socket);
    world.peer().close();
    world.assert_all_ends();
}

fn we_abort_with_unread_data(new: New) {
    let mut world = World::new(6, LinkConfig::default(), new(1), 65536);
    let socket = world.accept();
    world.peer().send_slice(b"never read").unwrap();
    assert!(world.drive_until(|world| world.ours.info(socket).unwrap().receive_queue == 10));
    world.ours.close(socket);
    assert!(world.drive_until(|world| world.peer().state() == PeerState::Closed));
    world.assert_all_ends();
}

fn smoltcp_aborts(new: New) {
    let mut world = World::new(7, LinkConfig::default(), new(1), 65536);
    let socket = world.connect();
    world.peer().abort();
    assert!(world.drive_until(|world| world.ours.state(socket) == State::Closed));
    assert_eq!(world.ours.receive(socket, 9), Err(SocketError::Reset));
}

fn smoltcp_refuses(new: New) {
    let mut world = World::new(8, LinkConfig::default(), new(1), 65536);
    let socket = world.ours.connect(THEIRS);
    assert!(world.drive_until(|world| world.ours.state(socket) == State::Closed));
    assert_eq!(world.ours.take_error(socket), Some(SocketError::Refused));
}

fn its_window_shuts_and_opens(new: New) {
    let mut world = World::new(9, LinkConfig::default(), new(1), 10_000);
    let socket = world.connect();
    let data = pattern(0, 30_000);
    let mut sent = world.ours.send(socket, &data).unwrap();
    assert!(world.drive_until(|world| world.peer().recv_queue() == 10_000), "it never fills");
    world.drive_for_secs(500);
    assert_eq!(world.ours.state(socket), State::Established);
    let mut received = Vec::new();
    assert!(world.drive_until(|world| {
        if let Ok(bytes) = world.ours.send(socket, &data[sent..]) {
            sent += bytes;
        }
        received.extend(world.peer_receive());
        received.len() >= data.len()
    }));
    assert!(received == data, "wrong bytes");
}

fn our_window_shuts_and_opens(new: New) {
    let mut world = World::new(10, LinkConfig::default(), new(1), 65536);
    let socket = world.accept();
    let data = pattern(0, 10_000_000);
    let mut sent = 0;
    let shut = world.drive_until(|world| {
        sent += world.peer_send(&data[sent..]);
        world.ours.info(socket).unwrap().rcv_wnd == 0
    });
    assert!(shut, "it never fills");
    world.drive_for_secs(500);
    let mut received = Vec::new();
    let limit = sent + 300_000;
    assert!(world.drive_until(|world| {
        sent += world.peer_send(&data[sent..limit]);
        received.extend(world.ours.receive_all(socket).unwrap().0);
        received.len() == limit
    }));
    assert!(received == data[..limit], "wrong bytes");
}

/// Our host, smoltcp's, and a link.
struct World {
    ours: Host,
    link: Link,
    iface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    wire: Wire,
    seed: u64,
}

impl World {
    /// smoltcp gets one socket with buffers of so many bytes.
    fn new(seed: u64, config: LinkConfig, tcp: Box<dyn Streams>, buffers: usize) -> World {
        let mut wire = Wire::default();
        let mut hardware = Config::new(HardwareAddress::Ip);
        hardware.random_seed = seed;
        let mut iface = Interface::new(hardware, &mut wire, to_smoltcp(Instant::ZERO));
        let addr = IpCidr::new(THEIR_ADDR.into(), 24);
        iface.update_ip_addrs(|addrs| addrs.push(addr).expect("room for one"));
        let mut sockets = SocketSet::new(Vec::new());
        let buffer = || SocketBuffer::new(vec![0; buffers]);
        let handle = sockets.add(Socket::new(buffer(), buffer()));
        let link = Link::new(config, seed);
        World { ours: Host::new(OUR_ADDR.into(), tcp), link, iface, sockets, handle, wire, seed }
    }

    fn peer(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    /// smoltcp connects to us.
    fn accept(&mut self) -> Handle {
        let listener = self.ours.listen(PORT, 1);
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        socket
            .connect(self.iface.context(), (OUR_ADDR, PORT), 50_000)
            .expect("a connect that begins");
        let mut accepted = None;
        assert!(self.drive_until(|world| {
            accepted = accepted.or_else(|| world.ours.accept(listener).ok());
            accepted.is_some() && world.peer().state() == PeerState::Established
        }));
        self.ours.close(listener);
        accepted.expect("just seen").0
    }

    /// We connect to smoltcp.
    fn connect(&mut self) -> Handle {
        self.peer().listen(PORT).expect("listen");
        let socket = self.ours.connect(THEIRS);
        assert!(self.drive_until(|world| {
            world.ours.state(socket) == State::Established
                && world.peer().state() == PeerState::Established
        }));
        socket
    }

    fn peer_send(&mut self, data: &[u8]) -> usize {
        if self.peer().can_send() { self.peer().send_slice(data).expect("it can") } else { 0 }
    }

    fn peer_receive(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while self.peer().can_recv() {
            let some = self.peer().recv(|bytes| (bytes.len(), bytes.to_vec()));
            all.extend(some.expect("it can"));
        }
        all
    }

    /// Moves data both ways, and compares it.
    fn exchange(&mut self, socket: Handle, from_us: &[u8], from_peer: &[u8]) {
        let (mut sent, mut peer_sent) = (0, 0);
        let (mut received, mut peer_received) = (Vec::new(), Vec::new());
        let done = self.drive_until(|world| {
            while let Some(rest) = from_us.get(sent..).filter(|rest| !rest.is_empty()) {
                match world.ours.send(socket, rest) {
                    Ok(bytes) => sent += bytes,
                    Err(SocketError::WouldBlock) => break,
                    Err(error) => panic!("send: {error}"),
                }
            }
            peer_sent += world.peer_send(&from_peer[peer_sent..]);
            received.extend(world.ours.receive_all(socket).expect("received").0);
            peer_received.extend(world.peer_receive());
            received.len() >= from_peer.len() && peer_received.len() >= from_us.len()
        });
        assert!(done, "stuck with {} and {} bytes", received.len(), peer_received.len());
        assert!(received == from_peer, "we received wrong bytes");
        assert!(peer_received == from_us, "smoltcp received wrong bytes");
    }

    /// Nothing of the connection is left after a while, on either side.
    fn assert_all_ends(&mut self) {
        self.drive_for_secs(600);
        assert_eq!(self.ours.tcp.sockets(self.ours.now), []);
        assert_eq!(self.peer().state(), PeerState::Closed);
    }

    fn drive_for_secs(&mut self, secs: u64) {
        let end = self.ours.now + Duration::from_secs(secs);
        while self.step(end) {}
    }

    /// Lets things happen until `done`; `false` where an hour passes before that.
    fn drive_until(&mut self, mut done: impl FnMut(&mut World) -> bool) -> bool {
        let end = self.ours.now + Duration::from_secs(3600);
        loop {
            if done(self) {
                return true;
            }
            if !self.step(end) {
                return false;
            }
        }
    }

    /// Lets the next thing happen that does by `end`, or moves the clock there.
    fn step(&mut self, end: Instant) -> bool {
        // smoltcp sends what its user gave it only when it is polled.
        self.poll();
        let peer_at = self.iface.poll_at(to_smoltcp(self.ours.now), &self.sockets);
        let timers = sooner(self.ours.tcp.poll_at(), peer_at.map(from_smoltcp));
        let next = sooner(self.link.next_arrival(), timers);
        let Some(next) = next.filter(|at| *at <= end) else {
            self.ours.now = end;
            return false;
        };
        self.ours.now = next.max(self.ours.now);
        while let Some((to, sent)) = self.link.leave(self.ours.now) {
            match to {
                Side::A => drop(self.ours.input(sent.header, sent.packet)),
                Side::B => self.wire.received.push_back(wrap(sent)),
            }
        }
        self.poll();
        true
    }

    fn poll(&mut self) {
        let now = self.ours.now;
        self.ours.poll();
        self.iface.poll(to_smoltcp(now), &mut self.wire, &mut self.sockets);
        for sent in self.ours.out.sent.drain(..) {
            self.link.enter(Side::B, sent);
        }
        for datagram in self.wire.sent.drain(..) {
            self.link.enter(Side::A, unwrap(now, &datagram));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let peer = self.peer().state();
            eprintln!("seed {:#x} at {}: smoltcp is {peer}", self.seed, self.ours.now);
            eprintln!("{:#?}", self.ours.tcp.sockets(self.ours.now));
        }
    }
}

/// The IPv4 header in front of a segment.
fn wrap(sent: Sent) -> Vec<u8> {
    let ends = (sent.header.src, sent.header.dst);
    let (IpAddr::V4(src), IpAddr::V4(dst)) = ends else { panic!("{ends:?}") };
    let (len, ttl) = (sent.packet.len() as u16, sent.header.ttl.0);
    let header = Ipv4Header::new(len, ttl, IpNumber::TCP, src.octets(), dst.octets());
    let mut datagram = Vec::new();
    header.expect("a length that fits").write(&mut datagram).expect("memory");
    datagram.extend(&sent.packet[..]);
    datagram
}

/// A segment without its IPv4 header.
fn unwrap(at: Instant, datagram: &[u8]) -> Sent {
    let slice = Ipv4Slice::from_slice(datagram).expect("smoltcp writes whole datagrams");
    let header = slice.header();
    let [src, dst] = [header.source(), header.destination()].map(Ipv4Addr::from).map(IpAddr::V4);
    let payload = slice.payload().payload;
    let port = |addr| SocketAddr::new(addr, 0);
    let seg = Seg::parse(port(src), port(dst), payload).expect("and whole segments");
    let packet = Packet::from_payload(payload);
    Sent { at, header: Header::new(src, dst, Protocol::TCP), packet, seg }
}

/// smoltcp counts in microseconds; rounded up, so that it never wakes before its time.
fn from_smoltcp(at: smoltcp::time::Instant) -> Instant {
    Instant::from_micros(at.total_micros() as u64)
}

fn to_smoltcp(at: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(at.nanos().div_ceil(1000) as i64)
}

/// smoltcp's device: two queues of datagrams.
#[derive(Default)]
struct Wire {
    received: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

impl Device for Wire {
    type RxToken<'a> = Received;
    type TxToken<'a> = Transmit<'a>;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Received, Transmit<'_>)> {
        let datagram = self.received.pop_front()?;
        Some((Received(datagram), Transmit(&mut self.sent)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Transmit<'_>> {
        Some(Transmit(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities.checksum = ChecksumCapabilities::default();
        capabilities
    }
}

struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Transmit<'a>(&'a mut Vec<Vec<u8>>);

impl TxToken for Transmit<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut datagram = vec![0; len];
        let result = f(&mut datagram);
        self.0.push(datagram);
        result
    }
}
