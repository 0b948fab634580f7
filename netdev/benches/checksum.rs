//! The Internet checksum, beside what only reads or copies the same bytes: `cargo bench -p netdev`.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::BytesCount;
use netdev::checksum::Sum;

/// A header, a segment, and the largest packet.
const SIZES: [usize; 3] = [20, 1460, 64 << 10];

fn main() {
    divan::main();
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 3) as u8).collect()
}

#[divan::bench(args = SIZES)]
fn checksum(bencher: Bencher<'_, '_>, len: usize) {
    let bytes = bytes(len);
    bencher
        .counter(BytesCount::new(len))
        .bench_local(|| Sum::default().bytes(black_box(&bytes)).finish());
}

/// A plain sum of words: no checksum is faster than the bytes can be read.
#[divan::bench(args = SIZES)]
fn read(bencher: Bencher<'_, '_>, len: usize) {
    let bytes = bytes(len);
    bencher.counter(BytesCount::new(len)).bench_local(|| {
        let (words, rest) = black_box(&bytes[..]).as_chunks::<8>();
        let sum = words.iter().fold(0u64, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)));
        rest.iter().fold(sum, |sum, byte| sum.wrapping_add(u64::from(*byte)))
    });
}

#[divan::bench(args = SIZES)]
fn copy(bencher: Bencher<'_, '_>, len: usize) {
    let (bytes, mut copy) = (bytes(len), vec![0; len]);
    bencher.counter(BytesCount::new(len)).bench_local(|| {
        copy.copy_from_slice(black_box(&bytes));
        black_box(&mut copy);
    });
}

/// After one word of a header has changed (RFC 1624).
#[divan::bench]
fn update() -> u16 {
    netdev::checksum::update(black_box(0x1234), black_box(0x4011), black_box(0x3f11))
}
