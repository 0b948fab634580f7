//! Finding neighbours among few and many: `cargo bench -p arp`.

use std::net::{IpAddr, Ipv4Addr};

use arp::{Cache, Change, Config, Event, Link, Resolver as _};
use divan::Bencher;
use netdev::{EtherType, Instant, MacAddr, Packet};

const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const NOW: Instant = Instant::ZERO;

fn main() {
    divan::main();
}

/// The layer below: whatever is sent is dropped, and counted.
#[derive(Default)]
struct Below(usize);

impl Link for Below {
    fn transmit(&mut self, _: Instant, _: MacAddr, _: EtherType, _: Packet) {
        self.0 += 1;
    }
}

fn neighbour(number: usize) -> (Ipv4Addr, MacAddr) {
    let [.., a, b] = (number as u32 + 2).to_be_bytes();
    (Ipv4Addr::new(10, 0, a, b), MacAddr([2, 0, 0, 1, a, b]))
}

/// An ARP packet for Ethernet and IPv4 (RFC 826), from `number` to us.
fn message(operation: u8, number: usize) -> Packet {
    let (addr, mac) = neighbour(number);
    let head = [0, 1, 8, 0, 6, 4, 0, operation];
    let bytes = [&head[..], &mac.0, &addr.octets(), &OWN.0, &[10, 0, 0, 1]].concat();
    Packet::from_payload(&bytes)
}

/// A cache that knows `count` neighbours, each from its own request.
fn cache(count: usize) -> Cache {
    let config = Config { entries: count.max(1), ..Config::default() };
    let (mut cache, mut below) = (Cache::new(OWN, config, 1), Below::default());
    let own = IpAddr::from([10, 0, 0, 1]);
    cache.configure(NOW, Change::AddAddress(own), &mut below).expect("an address");
    for number in 0..count {
        let _ = cache.input(NOW, message(1, number), &mut below);
    }
    assert_eq!(cache.entries(NOW).len(), count, "it knows them all");
    cache
}

/// A datagram to a neighbour that is known.
#[divan::bench(args = [1, 1024, 4096])]
fn known(bencher: Bencher<'_, '_>, count: usize) {
    let (mut cache, mut below, mut number) = (cache(count), Below::default(), 0);
    bencher.bench_local(|| {
        number = (number + 1237) % count;
        let packet = Packet::with_capacity(0);
        cache.send(NOW, neighbour(number).0.into(), packet, &mut below)
    });
    assert!(below.0 > 0, "nothing was sent");
}

/// A request is read and answered.
#[divan::bench(args = [1, 1024, 4096])]
fn answered(bencher: Bencher<'_, '_>, count: usize) {
    let (mut cache, mut below, mut number) = (cache(count), Below::default(), 0);
    bencher
        .with_inputs(|| {
            number = (number + 1237) % count;
            message(1, number)
        })
        .bench_local_values(|request| cache.input(NOW, request, &mut below));
    assert!(below.0 > 0, "nothing was answered");
}

/// A poll in which nothing is due.
#[divan::bench(args = [1, 1024, 4096])]
fn idle(bencher: Bencher<'_, '_>, count: usize) {
    let (mut cache, mut below) = (cache(count), Below::default());
    bencher.bench_local(|| {
        assert_eq!(cache.poll(NOW, &mut below), Event::None);
        cache.poll_at()
    });
}
