use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{Options, Tos, Ttl};

fn fields(source: u8, id: u16, offset: usize, len: usize, more_fragments: bool) -> Ipv4Fields {
    Ipv4Fields {
        src: Ipv4Addr::new(10, 0, 0, source),
        dst: Ipv4Addr::new(10, 0, 0, 1),
        protocol: Protocol::UDP,
        ttl: Ttl::DEFAULT,
        tos: Tos::default(),
        id,
        dont_fragment: false,
        more_fragments,
        offset,
        total_len: 20 + len,
        options: Options::default(),
    }
}

fn fragment(fields: &Ipv4Fields, data: &[u8]) -> Packet {
    let mut packet = Packet::from_payload(data);
    fields.write(packet.prepend(20));
    packet
}

/// Every account and index says the same.
fn check(table: &Reassembly) {
    let sum: usize = table.incomplete.values().map(|entry| entry.bytes).sum();
    assert_eq!(table.bytes, sum);
    assert_eq!(table.by_source.values().sum::<usize>(), sum);
    assert_eq!(table.by_age.len(), table.incomplete.len());
    for (born, key) in &table.by_age {
        assert_eq!(table.incomplete[key].born, *born);
    }
    assert!(table.bytes <= table.config.reassembly_bytes);
    assert!(table.by_source.values().all(|b| *b <= table.config.reassembly_bytes_per_source));
    for entry in table.incomplete.values() {
        let State::Collecting(collected) = &entry.state else { continue };
        assert_eq!(collected.len, collected.fragments.iter().map(|f| f.data.len()).sum::<usize>());
        assert!(collected.fragments.is_sorted_by(|a, b| a.end() <= b.start));
    }
}

proptest! {
    /// Whatever comes, memory stays within its limits and the indexes agree.
    #[test]
    fn any_flood_is_bounded(
        flood in prop::collection::vec(
            (0u8..4, 0u16..6, 0usize..8200, 0usize..3000, any::<bool>(), 0u64..3), 1..200),
    ) {
        let mut table = Reassembly::new(&Config {
            reassembly_bytes: 20_000,
            reassembly_bytes_per_source: 8_000,
            reassembly_fragments: 20,
            ..Config::default()
        });
        let mut now = Instant::ZERO;
        for (source, id, unit, len, more, seconds) in flood {
            now += Duration::from_secs(seconds);
            let fields = fields(source, id, unit * 8, len, more);
            let packet = fragment(&fields, &vec![0; len]);
            let mut evicted = 0;
            let _ = table.add(now, &fields, Cast::Unicast, &packet, &mut evicted);
            check(&table);
            let _ = table.poll(now);
            check(&table);
            prop_assert!(table.poll_at().is_none_or(|at| at > now));
        }
        let _ = table.poll(now + Duration::from_secs(30));
        prop_assert!(table.incomplete.is_empty() && table.bytes == 0);
        prop_assert!(table.by_source.is_empty());
    }

    /// Fragments of one datagram cut at any places, overlapping or not: what comes out is the
    /// datagram, or nothing.
    #[test]
    fn what_comes_out_is_what_went_in(
        cuts in prop::collection::vec((0usize..8, 1usize..4), 1..30),
    ) {
        let data: Vec<u8> = (0..61).collect();
        let mut table = Reassembly::new(&Config::default());
        for (start, units) in cuts {
            let (from, to) = (start * 8, (start * 8 + units * 8).min(data.len()));
            let fields = fields(2, 1, from, to - from, to < data.len());
            let packet = fragment(&fields, &data[from..to]);
            let outcome = table.add(Instant::ZERO, &fields, Cast::Unicast, &packet, &mut 0);
            if let Ok(Outcome::Whole { payload, .. }) = outcome {
                prop_assert_eq!(&payload[..], &data[..]);
            }
        }
    }
}

#[test]
fn limits_too_small_for_one_datagram_refuse_it_once() {
    let config = Config { reassembly_bytes_per_source: 1000, ..Config::default() };
    let mut table = Reassembly::new(&config);
    let fields = fields(2, 1, 0, 1480, true);
    let mut evicted = 0;
    let packet = fragment(&fields, &[0; 1480]);
    let outcome = table.add(Instant::ZERO, &fields, Cast::Unicast, &packet, &mut evicted);
    assert!(matches!(outcome, Err(DropReason::ReassemblyLimit)), "{outcome:?}");
    assert_eq!((evicted, table.bytes), (0, 0));
}
