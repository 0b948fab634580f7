//! A stream's segments behind a gap, in good and bad order: `cargo bench -p tcp`.

use divan::Bencher;
use divan::counter::ItemsCount;
use tcp::{Config, REASSEMBLIES};

const SEGMENT: usize = 1448;

fn main() {
    divan::main();
}

/// In which order segments come.
#[derive(Clone, Copy, Debug)]
enum Order {
    Sent,
    Reversed,
    /// Every second one, then those between: as many ranges as there can be.
    Interleaved,
    /// The middle of the widest gap, again and again.
    Halves,
}

impl Order {
    fn of(self, count: usize) -> Vec<usize> {
        match self {
            Order::Sent => (0..count).collect(),
            Order::Reversed => (0..count).rev().collect(),
            Order::Interleaved => (0..count).step_by(2).chain((1..count).step_by(2)).collect(),
            Order::Halves => {
                let bits = count.next_power_of_two().trailing_zeros();
                let reversed = |at: usize| at.reverse_bits() >> (usize::BITS - bits);
                (0..1 << bits).map(reversed).filter(|at| *at < count).collect()
            }
        }
    }
}

/// 512 segments and 8,192, which fill a window of 740 KB and one of 12 MB, and all of them are
/// taken when the gap before them is filled. The figure is that of a segment.
#[divan::bench(args = [Order::Sent, Order::Reversed, Order::Interleaved, Order::Halves], consts = [512, 8_192])]
fn segments<const COUNT: usize>(bencher: Bencher<'_, '_>, order: Order) {
    let (order, data) = (order.of(COUNT), [0x5a; SEGMENT]);
    let mut queue = (REASSEMBLIES[0].make)(&Config::default());
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| {
        for &at in &order {
            let at = (1 + at as u64) * SEGMENT as u64;
            queue.insert(at, &data);
            // What a duplicate acknowledgment reports.
            divan::black_box(queue.around(at));
        }
        let mut taken = 0;
        queue.take(SEGMENT as u64, &mut |piece| taken += piece.len());
        assert_eq!(taken, COUNT * SEGMENT);
    });
}
