//! The largest datagram in 45 fragments, cut up and put together: `cargo bench -p ip`.

mod host;

use divan::Bencher;
use host::{Below, IFACE, NOW, host};
use ip::{Header, Input, Internet as _, Protocol};
use netdev::{Cast, Packet};

/// What UDP can give at most.
const LEN: usize = 65_515;

fn main() {
    divan::main();
}

/// In which order the fragments come.
#[derive(Clone, Copy, Debug)]
enum Order {
    Sent,
    Reversed,
    /// Every second one, then those between: as many holes as there can be.
    Interleaved,
}

fn datagram() -> Vec<Packet> {
    let header = Header::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), Protocol::UDP);
    let mut below = Below::default();
    let payload = Packet::from_payload(&[0x5a; LEN]);
    host(1).send(NOW, &header, payload, &mut below).expect("a way");
    below.0
}

#[divan::bench]
fn cut(bencher: Bencher<'_, '_>) {
    let header = Header::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), Protocol::UDP);
    let (mut ip, mut below) = (host(1), Below::default());
    let payload = vec![0x5a; LEN];
    bencher.bench_local(|| {
        below.0.clear();
        ip.send(NOW, &header, Packet::from_payload(&payload), &mut below).expect("a way");
    });
    assert_eq!(below.0.len(), 45);
}

#[divan::bench(args = [Order::Sent, Order::Reversed, Order::Interleaved])]
fn reassemble(bencher: Bencher<'_, '_>, order: Order) {
    let sent = datagram();
    let order: Vec<usize> = match order {
        Order::Sent => (0..sent.len()).collect(),
        Order::Reversed => (0..sent.len()).rev().collect(),
        Order::Interleaved => {
            (0..sent.len()).step_by(2).chain((1..sent.len()).step_by(2)).collect()
        }
    };
    let (mut ip, mut below) = (host(2), Below::default());
    bencher
        .with_inputs(|| order.iter().map(|&at| sent[at].clone()).collect::<Vec<_>>())
        .bench_local_values(|fragments| {
            let mut whole = 0;
            for fragment in fragments {
                let input = ip.input(NOW, IFACE, Cast::Unicast, fragment, &mut below);
                if let Input::Deliver(datagram) = input {
                    whole += datagram.payload.len();
                }
            }
            assert_eq!(whole, LEN);
        });
}
