//! Headers of segments, read and built: `cargo bench -p tcp`.

use std::hint::black_box;
use std::net::IpAddr;

use divan::Bencher;
use ip::{Datagram, Header, IfIndex, Protocol};
use netdev::{Cast, Packet};
use tcp::{Flags, Options, Segment, SeqNum, Timestamps};

const SRC: [u8; 4] = [10, 0, 0, 1];
const DST: [u8; 4] = [10, 0, 0, 2];
/// An acknowledgment, one byte, and a full segment.
const SIZES: [usize; 3] = [0, 1, 1448];

fn main() {
    divan::main();
}

fn segment(len: usize) -> Segment {
    let timestamps = Some(Timestamps { value: 1, echo: 2 });
    let options = Options { timestamps, ..Options::default() };
    let window = 0xffff;
    Segment {
        options,
        window,
        len,
        ..Segment::new(4000, 80, SeqNum(1), SeqNum(2), Flags::ACK | Flags::PSH)
    }
}

fn emit(segment: &Segment, packet: Packet, partial: bool) -> Packet {
    segment.emit(packet, IpAddr::from(SRC), IpAddr::from(DST), partial)
}

/// The header is built, and the checksum filled in.
#[divan::bench(args = SIZES)]
fn build(bencher: Bencher<'_, '_>, len: usize) {
    let (segment, data) = (segment(len), vec![0x5a; len]);
    bencher
        .with_inputs(|| Packet::from_payload(&data))
        .bench_local_values(|packet| emit(black_box(&segment), packet, false));
}

/// The header is built, and the checksum left to the device.
#[divan::bench(args = SIZES)]
fn build_offloaded(bencher: Bencher<'_, '_>, len: usize) {
    let (segment, data) = (segment(len), vec![0x5a; len]);
    bencher
        .with_inputs(|| Packet::from_payload(&data))
        .bench_local_values(|packet| emit(black_box(&segment), packet, true));
}

/// The header is read, and the checksum verified.
#[divan::bench(args = SIZES)]
fn parse(bencher: Bencher<'_, '_>, len: usize) {
    let packet = emit(&segment(len), Packet::from_payload(&vec![0x5a; len]), false);
    bencher
        .with_inputs(|| {
            let header = Header::new(SRC.into(), DST.into(), Protocol::TCP);
            let (iface, cast, payload) = (IfIndex(1), Cast::Unicast, packet.clone());
            Datagram { header, iface, cast, header_len: 0, payload }
        })
        .bench_local_refs(|datagram| Segment::parse(datagram).expect("a good segment"));
}

/// The header is read, and the checksum left alone.
#[divan::bench]
fn parse_header(bencher: Bencher<'_, '_>) {
    let packet = emit(&segment(0), Packet::with_capacity(0), false);
    bencher.bench_local(|| Segment::parse_header(black_box(&packet)).expect("a good header"));
}
