//! Fragments out (RFC 791 §3.2), and that what goes out comes in again whole.

use netdev::{Cast, Packet};
use proptest::prelude::*;

use super::bench::*;
use crate::{Change, Header, Input, Internet, Options, Protocol, Router};

fn send(ip: &mut Router, header: &Header, data: &[u8]) -> Vec<Packet> {
    let mut below = Below::default();
    ip.send(T0, header, Packet::from_payload(data), &mut below).unwrap();
    below.0.into_iter().map(|(_, _, packet)| packet).collect()
}

fn header() -> Header {
    Header::new(addr("0.0.0.0"), addr("10.0.0.2"), Protocol::UDP)
}

#[test]
fn a_long_datagram_leaves_in_fragments_of_eights() {
    let data: Vec<u8> = (0..4000).map(|i| (i * 7) as u8).collect();
    let mut ip = router();
    let parts: Vec<Seen> = send(&mut ip, &header(), &data).iter().map(|part| see(part)).collect();
    let shape: Vec<_> = parts.iter().map(|p| (p.offset, p.payload.len(), p.mf)).collect();
    assert_eq!(shape, [(0, 1480, true), (1480, 1480, true), (2960, 1040, false)]);
    assert!(parts.iter().all(|part| part.id == parts[0].id));
    assert_eq!(parts.iter().flat_map(|part| part.payload.clone()).collect::<Vec<_>>(), data);
    assert_eq!(count(&ip, "datagrams fragmented"), 1);
    assert_eq!(count(&ip, "fragments made"), 3);
    assert_eq!(count(&ip, "datagrams sent"), 1);
}

/// A datagram from this host's far twin: sent by one router, received by another.
fn deliver(parts: &[Packet], order: &[usize]) -> Option<Vec<u8>> {
    let mut ip = Router::new(crate::Config::default(), 8);
    ip.configure(T0, Change::SetInterface(eth(NEAR, "10.0.0.2/24", 1500))).unwrap();
    let mut whole = None;
    for index in order {
        let part = parts[*index].clone();
        match ip.input(T0, NEAR, Cast::Unicast, part, &mut Below::default()) {
            Input::Consumed => {}
            Input::Deliver(datagram) => whole = whole.or(Some(datagram.payload.to_vec())),
            other => panic!("{other:?}"),
        }
    }
    whole
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever the lengths, the order and the duplicates.
    #[test]
    fn what_was_cut_is_put_together_again(
        data in prop::collection::vec(any::<u8>(), 1..6000),
        mtu in 68usize..1600,
        words in 0usize..=10,
        seed: u64,
    ) {
        let mut sender = router();
        sender.configure(T0, Change::SetInterface(eth(NEAR, "10.0.0.1/24", mtu))).unwrap();
        let header = Header { options: Options::from_wire(&vec![1; words * 4]).unwrap(), ..header() };
        let parts = send(&mut sender, &header, &data);
        prop_assert!(parts.iter().all(|part| part.len() <= mtu));
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut order: Vec<usize> = (0..parts.len()).collect();
        rng.shuffle(&mut order);
        // Each is repeated now and then before the last one comes.
        for at in (1..order.len()).rev() {
            if rng.bool() {
                order.insert(at, order[rng.usize(..at)]);
            }
        }
        prop_assert_eq!(deliver(&parts, &order), Some(data));
    }
}
