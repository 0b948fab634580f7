//! Datagrams in and out, and the way of one among few and many routes: `cargo bench -p ip`.

mod host;

use std::hint::black_box;
use std::net::Ipv4Addr;

use divan::Bencher;
use host::{Below, IFACE, NOW, host};
use ip::{Change, Cidr, Header, Input, Internet as _, Protocol, RouteEntry, RouteOrigin};
use netdev::{Cast, Packet};

fn main() {
    divan::main();
}

fn header() -> Header {
    Header::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), Protocol::UDP)
}

/// The header is built, and the datagram handed down.
#[divan::bench]
fn send(bencher: Bencher<'_, '_>) {
    let (mut ip, mut below, header) = (host(1), Below::default(), header());
    bencher.bench_local(|| {
        ip.send(NOW, &header, Packet::with_capacity(0), &mut below).expect("a way");
        below.0.pop()
    });
}

/// The header is read and checked, and the datagram is for this host.
#[divan::bench]
fn deliver(bencher: Bencher<'_, '_>) {
    let (mut here, mut there, mut below) = (host(2), host(1), Below::default());
    there.send(NOW, &header(), Packet::from_payload(&[0; 64]), &mut below).expect("a way");
    let datagram = below.0.pop().expect("the datagram");
    bencher.with_inputs(|| datagram.clone()).bench_local_values(|datagram| {
        let input = here.input(NOW, IFACE, Cast::Unicast, datagram, &mut below);
        assert!(matches!(input, Input::Deliver(_)));
        input
    });
}

/// The way to a destination, where `count` networks are routed.
#[divan::bench(args = [1, 100, 1000])]
fn route(bencher: Bencher<'_, '_>, count: u32) {
    let mut ip = host(1);
    let network = |number: u32| Ipv4Addr::from(0x0b00_0000 | number << 8);
    for number in 0..count {
        let entry = RouteEntry {
            dst: Cidr::new(network(number).into(), 24).expect("a prefix"),
            gateway: Some([10, 0, 0, 254].into()),
            iface: IFACE,
            metric: 0,
            source: None,
            origin: RouteOrigin::Static,
        };
        ip.configure(NOW, Change::AddRoute(entry)).expect("a route");
    }
    let mut number = 0;
    bencher.bench_local(|| {
        number = (number + 387) % count;
        let dst = u32::from(network(number)) + 9;
        ip.route(NOW, black_box(Ipv4Addr::from(dst).into()), None).expect("a way")
    });
}
