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

/// A datagram that comes in fragments, as an array of bytes where each knows whether it is there.
#[derive(Default)]
struct Model {
    bytes: Vec<Option<u8>>,
    /// The fragments as they came: where they begin, and their bytes.
    pieces: Vec<(usize, Vec<u8>)>,
    end: Option<usize>,
    refused: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Waits,
    Duplicate,
    Whole(Vec<u8>),
    Dropped(DropReason),
}

impl Model {
    fn add(&mut self, start: usize, data: &[u8], more: bool) -> Expected {
        let end = start + data.len();
        if data.is_empty() || (more && !data.len().is_multiple_of(8)) {
            return Expected::Dropped(DropReason::BadFragment);
        }
        if self.refused {
            return Expected::Dropped(DropReason::Overlap);
        }
        if self.pieces.contains(&(start, data.to_vec())) {
            return Expected::Duplicate;
        }
        self.bytes.resize(self.bytes.len().max(end), None);
        let reason = if self.bytes[start..end].iter().any(Option::is_some) {
            Some(DropReason::Overlap)
        } else if more {
            self.end.is_some_and(|whole| end > whole).then_some(DropReason::BadFragment)
        } else {
            let beyond = self.bytes[end..].iter().any(Option::is_some);
            let other = self.end.is_some_and(|whole| whole != end);
            (beyond || other).then_some(DropReason::BadFragment)
        };
        if let Some(reason) = reason {
            self.refused = true;
            return Expected::Dropped(reason);
        }
        self.end = if more { self.end } else { Some(end) };
        self.pieces.push((start, data.to_vec()));
        for (place, byte) in self.bytes[start..end].iter_mut().zip(data) {
            *place = Some(*byte);
        }
        let whole = self.end.and_then(|end| self.bytes[..end].iter().copied().collect());
        whole.map_or(Expected::Waits, Expected::Whole)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Fragments of two datagrams at any places, in any order, with any bytes: what becomes of each
    /// is what an array of bytes says.
    #[test]
    fn it_is_an_array_of_bytes_with_gaps(
        fragments in prop::collection::vec(
            // Which datagram, where in units of eight, how long, whether more follow, and seldom
            // other bytes than the rest.
            (0u16..2, 0usize..6, 1usize..25, prop::bool::weighted(0.7), prop::bool::weighted(0.1)),
            1..25,
        ),
        whole_units in prop::bool::weighted(0.9),
    ) {
        let mut table = Reassembly::new(&Config::default());
        let mut models = [Model::default(), Model::default()];
        for (id, unit, len, more, other) in fragments {
            let len = if whole_units && more { len.next_multiple_of(8) } else { len };
            let start = unit * 8;
            let byte = |place: usize| (place * 2 + usize::from(other)) as u8 ^ id as u8;
            let data: Vec<u8> = (start..start + len).map(byte).collect();
            let fields = fields(2, id, start, len, more);
            let packet = fragment(&fields, &data);
            let outcome = table.add(Instant::ZERO, &fields, Cast::Unicast, &packet, &mut 0);
            let seen = match outcome {
                Ok(Outcome::Waits) => Expected::Waits,
                Ok(Outcome::Duplicate) => Expected::Duplicate,
                Ok(Outcome::Whole { payload, .. }) => Expected::Whole(payload.to_vec()),
                Err(reason) => Expected::Dropped(reason),
            };
            let model = &mut models[usize::from(id)];
            let expected = model.add(start, &data, more);
            prop_assert_eq!(&seen, &expected, "{} bytes at {}, more: {}", len, start, more);
            // What is whole is forgotten: the same number is another datagram's from then on.
            if matches!(expected, Expected::Whole(_)) {
                *model = Model::default();
            }
            check(&table);
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
