//! A frame's way through a port, header and all, and a packet's buffer: `cargo bench -p netdev`.

use std::hint::black_box;

use divan::Bencher;
use netdev::{Device as _, EtherType, Instant, MacAddr, Packet, Port, Wire};

const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const PEER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const NOW: Instant = Instant::ZERO;

fn main() {
    divan::main();
}

/// The buffer comes from the pool and goes back.
#[divan::bench(args = [64, 1500, 65_535])]
fn buffer(len: usize) -> Packet {
    Packet::for_receive(black_box(len))
}

#[divan::bench(args = [64, 1500, 65_535])]
fn copied(bencher: Bencher<'_, '_>, len: usize) {
    let bytes = vec![0x5a; len];
    bencher.bench_local(|| Packet::from_payload(black_box(&bytes)));
}

/// The header is built, the frame crosses a wire in memory and is dropped at its end.
#[divan::bench]
fn transmit(bencher: Bencher<'_, '_>) {
    let (left, mut right) = Wire::pair(std::time::Duration::ZERO);
    let mut port = Port::new(Box::new(left), OWN);
    bencher.bench_local(|| {
        port.transmit(NOW, PEER, EtherType::IPV4, Packet::with_capacity(64));
        right.receive(NOW).expect("the frame")
    });
}

/// The frame comes from a wire in memory, and its header is read, judged and stripped.
#[divan::bench]
fn receive(bencher: Bencher<'_, '_>) {
    let (left, mut right) = Wire::pair(std::time::Duration::ZERO);
    let mut port = Port::new(Box::new(left), OWN);
    let frame = [&OWN.0[..], &PEER.0, &[8, 0], &[0; 50]].concat();
    bencher.bench_local(|| {
        right.transmit(NOW, Packet::from_payload(&frame)).expect("room on the wire");
        port.receive(NOW).expect("the frame")
    });
}

/// The same frame without a port: what the two above cost beside it.
#[divan::bench]
fn wire_alone(bencher: Bencher<'_, '_>) {
    let (mut left, mut right) = Wire::pair(std::time::Duration::ZERO);
    let frame = [0; 64];
    bencher.bench_local(|| {
        right.transmit(NOW, Packet::from_payload(&frame)).expect("room on the wire");
        left.receive(NOW).expect("the frame")
    });
}
