//! Datagrams to and from few and many sockets: `cargo bench -p udp`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use divan::Bencher;
use ip::{Cause, Datagram, Header, Hop, IfIndex, Offload, Output, Protocol, Route, SendError};
use netdev::{Cast, Instant, Packet};
use udp::{Config, Datagrams as _, Input, Udp};

const NOW: Instant = Instant::ZERO;
const PEER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
/// Sockets on one address; the next have another one.
const PORTS: usize = 50_000;

fn main() {
    divan::main();
}

/// The layer below: it keeps the last that was sent.
#[derive(Default)]
struct Below(Option<Packet>);

impl Output for Below {
    fn route(&self, _: Instant, dst: IpAddr, src: Option<IpAddr>) -> Result<Route, Cause> {
        let (iface, hop) = (IfIndex(1), Hop::Neighbour(dst));
        let source = src.unwrap_or(local(0).ip());
        Ok(Route { source, iface, hop, mtu: 1500, local: false, offload: Offload::default() })
    }
    fn send(&mut self, _: Instant, _: &Header, packet: Packet) -> Result<(), SendError> {
        self.0 = Some(packet);
        Ok(())
    }
    /// Both ends are here.
    fn is_local(&self, _: IpAddr) -> bool {
        true
    }
}

fn local(number: usize) -> SocketAddr {
    let addr = Ipv4Addr::new(10, 0, 0, 1 + (number / PORTS) as u8);
    SocketAddr::new(addr.into(), 1000 + (number % PORTS) as u16)
}

/// A UDP with `count` sockets, each on an address and port of its own.
fn sockets(count: usize) -> (Udp, Vec<ip::Handle>) {
    let mut udp = Udp::new(Config { sockets: count, ..Config::default() }, 1);
    let below = Below::default();
    let open = |number| {
        let socket = udp.open().expect("a socket");
        udp.bind(socket, local(number), &below).expect("an address");
        socket
    };
    let all = (0..count).map(open).collect();
    (udp, all)
}

/// A datagram of 64 bytes, as the peer's UDP makes it.
fn sent(to: SocketAddr) -> Packet {
    let (mut udp, mut below) = (Udp::new(Config::default(), 2), Below::default());
    let socket = udp.open().expect("a socket");
    udp.bind(socket, (PEER, 9).into(), &below).expect("an address");
    udp.send(NOW, socket, Some(to), &[0x5a; 64], &mut below).expect("it is sent");
    below.0.expect("it was sent")
}

/// The header is read and checked, its socket found, and the datagram taken out of it.
#[divan::bench(args = [1, 1_000, 100_000])]
fn received(bencher: Bencher<'_, '_>, count: usize) {
    let (mut udp, sockets) = sockets(count);
    let known: Vec<_> = (0..count.min(1_000))
        .map(|index| index * 7_919 % count)
        .map(|number| (number, sent(local(number))))
        .collect();
    let mut next = 0;
    bencher
        .with_inputs(|| {
            next = (next + 1) % known.len();
            let (number, packet) = &known[next];
            let header = Header::new(PEER.into(), local(*number).ip(), Protocol::UDP);
            let (iface, cast, payload) = (IfIndex(1), Cast::Unicast, packet.clone());
            (sockets[*number], Datagram { header, iface, cast, header_len: 0, payload })
        })
        .bench_local_values(|(socket, datagram)| {
            assert!(matches!(udp.input(NOW, datagram), Input::Delivered));
            let changed = udp.changed();
            (changed, udp.receive(socket, false).expect("the datagram"))
        });
}

/// The header is built, and the datagram handed down.
#[divan::bench(args = [64, 1472])]
fn send(bencher: Bencher<'_, '_>, len: usize) {
    let ((mut udp, sockets), mut below) = (sockets(1), Below::default());
    let (data, to) = (vec![0x5a; len], Some((PEER, 9).into()));
    bencher.bench_local(|| udp.send(NOW, sockets[0], to, &data, &mut below));
    assert!(below.0.is_some(), "nothing was sent");
}
