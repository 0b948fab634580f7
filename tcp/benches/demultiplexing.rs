//! Segments for one of few and many connections: `cargo bench -p tcp`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use divan::Bencher;
use ip::{Cause, Datagram, Header, Hop, IfIndex, Offload, Output, Protocol, Route, SendError};
use netdev::{Cast, Instant, Packet};
use tcp::{Config, Flags, Segment, SeqNum, Streams as _, Tcp};

const NOW: Instant = Instant::ZERO;
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// Connections of one client address; the next come from another one.
const PORTS: usize = 50_000;
const BACKLOG: usize = 100;

fn main() {
    divan::main();
}

/// The layer below: it keeps what is sent.
#[derive(Default)]
struct Below(Vec<Packet>);

impl Output for Below {
    fn route(&self, _: Instant, dst: IpAddr, _: Option<IpAddr>) -> Result<Route, Cause> {
        let (iface, hop) = (IfIndex(1), Hop::Neighbour(dst));
        let (source, offload) = (SERVER.into(), Offload::default());
        Ok(Route { source, iface, hop, mtu: 1500, local: false, offload })
    }
    fn send(&mut self, _: Instant, _: &Header, packet: Packet) -> Result<(), SendError> {
        self.0.push(packet);
        Ok(())
    }
    fn is_local(&self, addr: IpAddr) -> bool {
        addr == IpAddr::from(SERVER)
    }
}

fn client(number: usize) -> SocketAddr {
    let addr = Ipv4Addr::new(10, 1, 0, 1 + (number / PORTS) as u8);
    SocketAddr::new(addr.into(), 1000 + (number % PORTS) as u16)
}

/// What `client` sends.
fn from(client: SocketAddr, seq: u32, ack: u32, flags: Flags) -> Datagram {
    let window = 0xffff;
    let segment =
        Segment { window, ..Segment::new(client.port(), 80, SeqNum(seq), SeqNum(ack), flags) };
    let payload = segment.emit(Packet::with_capacity(0), client.ip(), SERVER.into(), false);
    let header = Header::new(client.ip(), SERVER.into(), Protocol::TCP);
    let (iface, cast) = (IfIndex(1), Cast::Unicast);
    Datagram { header, iface, cast, header_len: 0, payload }
}

/// A server with `count` connections, and for each an acknowledgment that tells it nothing new.
fn connections(count: usize) -> (Tcp, Vec<Datagram>) {
    let (mut tcp, mut below) = (Tcp::new(Config::default(), 1), Below::default());
    let listener = tcp.open().expect("a socket");
    tcp.bind(listener, (SERVER, 80).into(), &below).expect("an address");
    tcp.listen(listener, BACKLOG).expect("a listener");
    let connect = |number| {
        let client = client(number);
        let _ = tcp.input(NOW, from(client, 0, 0, Flags::SYN), &mut below);
        tcp.poll(NOW, &mut below);
        let answer = below.0.pop().expect("a SYN-ACK");
        let (answer, _) = Segment::parse_header(&answer).expect("a good header");
        let ack = from(client, 1, answer.seq.0.wrapping_add(1), Flags::ACK);
        let _ = tcp.input(NOW, ack.clone(), &mut below);
        tcp.accept(listener).expect("a connection");
        ack
    };
    let all = (0..count).map(connect).collect();
    (tcp, all)
}

/// All in turn, in an order that no cache foresees.
#[divan::bench(args = [1, 1_000, 100_000], sample_count = 1_000)]
fn acknowledgment(bencher: Bencher<'_, '_>, count: usize) {
    let (mut tcp, all) = connections(count);
    let (mut below, mut number) = (Below::default(), 0);
    bencher
        .with_inputs(|| {
            number = (number + 61_813) % count;
            all[number].clone()
        })
        .bench_local_values(|datagram| tcp.input(NOW, datagram, &mut below));
    assert!(below.0.is_empty(), "it was answered");
}

/// A poll in which nothing is due.
#[divan::bench(args = [1, 1_000, 100_000])]
fn idle(bencher: Bencher<'_, '_>, count: usize) {
    let ((mut tcp, _), mut below) = (connections(count), Below::default());
    bencher.bench_local(|| {
        tcp.poll(NOW, &mut below);
        tcp.poll_at()
    });
}
