//! Disjoint ranges in an ordered map.

use std::collections::BTreeMap;

use super::Reassembly;

/// Memory that a range takes beside its bytes: its place in the map, its allocation,
/// and its place in the map of spans.
const OVERHEAD: usize = 96;

/// Each range that arrived is an entry of an ordered map, keyed by its start. An insertion looks
/// at its neighbours only and copies its own bytes only, so no order of arrival makes it costly
/// (CVE-2018-5390, "SegmentSmack"); tiny ranges are charged with what they really take.
pub struct Ordered {
    /// What is kept; while nothing is, it takes no room.
    kept: Option<Box<Kept>>,
    /// The most memory, in bytes.
    limit: usize,
}

struct Kept {
    /// Start to bytes; they neither overlap nor touch where they could be appended.
    ranges: BTreeMap<u64, Vec<u8>>,
    /// Start to end of what lies there without a gap: ranges that touch are one.
    spans: BTreeMap<u64, u64>,
    len: usize,
    /// Bytes allocated, with [`OVERHEAD`] for each range.
    memory: usize,
    /// The most of that.
    limit: usize,
    /// Where the last insertion went.
    latest: u64,
}

impl Ordered {
    /// An empty one that takes `limit` bytes of memory at most.
    pub fn new(limit: usize) -> Ordered {
        Ordered { kept: None, limit }
    }
}

impl Kept {
    fn new(limit: usize) -> Kept {
        Kept {
            ranges: BTreeMap::new(),
            spans: BTreeMap::new(),
            len: 0,
            memory: 0,
            limit,
            latest: 0,
        }
    }

    /// Keeps bytes that lie in a gap.
    fn fill(&mut self, at: u64, data: &[u8]) -> bool {
        if let Some((start, before)) = self.ranges.range_mut(..at).next_back()
            && start + before.len() as u64 == at
        {
            let old = before.capacity();
            if self.memory + data.len() > self.limit {
                return false;
            }
            before.extend_from_slice(data);
            self.memory += before.capacity() - old;
        } else {
            if self.memory + data.len() + OVERHEAD > self.limit {
                return false;
            }
            self.ranges.insert(at, data.to_vec());
            self.memory += data.len() + OVERHEAD;
        }
        self.len += data.len();
        self.join(at, at + data.len() as u64);
        true
    }

    /// A gap, or a part of it, is filled: with the spans that it touches it is one.
    fn join(&mut self, start: u64, end: u64) {
        let end = self.spans.remove(&end).unwrap_or(end);
        match self.spans.range_mut(..start).next_back() {
            Some((_, before)) if *before == start => *before = end,
            _ => _ = self.spans.insert(start, end),
        }
    }

    fn remove_first(&mut self) -> Option<(u64, Vec<u8>)> {
        let (at, bytes) = self.ranges.pop_first()?;
        self.len -= bytes.len();
        self.memory -= bytes.capacity() + OVERHEAD;
        Some((at, bytes))
    }
}

impl Reassembly for Ordered {
    fn insert(&mut self, at: u64, data: &[u8]) -> usize {
        let limit = self.limit;
        let fresh = self.kept.get_or_insert_with(|| Box::new(Kept::new(limit))).insert(at, data);
        self.kept.take_if(|kept| kept.ranges.is_empty());
        fresh
    }

    fn take(&mut self, at: u64, to: &mut dyn FnMut(&[u8])) -> u64 {
        let after = self.kept.as_mut().map_or(at, |kept| kept.take(at, to));
        self.kept.take_if(|kept| kept.ranges.is_empty());
        after
    }

    fn ranges(&self) -> Vec<(u64, u64)> {
        self.kept.as_ref().map_or_else(Vec::new, |kept| kept.ranges())
    }

    fn around(&self, at: u64) -> Option<(u64, u64)> {
        self.kept.as_ref()?.around(at)
    }

    fn is_empty(&self) -> bool {
        self.kept.is_none()
    }

    fn len(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.len)
    }

    fn memory(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.memory)
    }

    fn clear(&mut self) {
        self.kept = None;
    }
}

impl Kept {
    fn insert(&mut self, at: u64, data: &[u8]) -> usize {
        let end = at + data.len() as u64;
        let mut next = at;
        if let Some((start, before)) = self.ranges.range(..=at).next_back() {
            next = next.max(start + before.len() as u64);
        }
        let mut kept = 0;
        while next < end {
            let following = self
                .ranges
                .range(next..)
                .next()
                .map(|(start, bytes)| (*start, start + bytes.len() as u64));
            let gap_end = following.map_or(end, |(start, _)| start.min(end));
            if gap_end > next {
                let piece = &data[(next - at) as usize..(gap_end - at) as usize];
                if !self.fill(next, piece) {
                    break;
                }
                kept += piece.len();
                self.latest = next;
            }
            next = following.map_or(end, |(_, after)| after);
        }
        kept
    }

    fn take(&mut self, at: u64, to: &mut dyn FnMut(&[u8])) -> u64 {
        let mut next = at;
        while let Some((&start, _)) = self.ranges.first_key_value() {
            if start > next {
                break;
            }
            let Some((start, bytes)) = self.remove_first() else { break };
            if let Some(fresh) = bytes.get((next - start) as usize..).filter(|b| !b.is_empty()) {
                to(fresh);
                next += fresh.len() as u64;
            }
        }
        while let Some(first) = self.spans.first_entry().filter(|first| *first.key() < next) {
            let end = first.remove();
            if end > next {
                self.spans.insert(next, end);
            }
        }
        next
    }

    fn ranges(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = self.spans.iter().map(|(&a, &b)| (a, b)).collect();
        if let Some(i) = ranges.iter().position(|r| (r.0..r.1).contains(&self.latest)) {
            ranges[..=i].rotate_right(1);
        }
        ranges
    }

    fn around(&self, at: u64) -> Option<(u64, u64)> {
        let (&start, &end) = self.spans.range(..=at).next_back()?;
        (at < end).then_some((start, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against an array of bytes where each place knows whether it is there.
        #[test]
        fn it_is_an_array_with_gaps(
            pieces in prop::collection::vec((0u64..300, 1usize..60), 1..40),
            takes in prop::collection::vec(any::<bool>(), 40),
        ) {
            let mut ordered = Ordered::new(1 << 20);
            let mut model = vec![None; 400];
            let mut next = 0u64;
            for (i, (at, len)) in pieces.into_iter().enumerate() {
                let data: Vec<u8> = (0..len).map(|j| (i * 7 + j) as u8).collect();
                let skip = next.saturating_sub(at).min(len as u64) as usize;
                let (at, data) = (at + skip as u64, &data[skip..]);
                let mut fresh = 0;
                for (j, &byte) in data.iter().enumerate() {
                    let place = &mut model[at as usize + j];
                    if place.is_none() {
                        *place = Some(byte);
                        fresh += 1;
                    }
                }
                prop_assert_eq!(ordered.insert(at, data), fresh);
                if takes[i] {
                    let mut out = Vec::new();
                    let after = ordered.take(next, &mut |bytes| out.extend_from_slice(bytes));
                    let mut expected = Vec::new();
                    while let Some(byte) = model[next as usize] {
                        expected.push(byte);
                        next += 1;
                    }
                    prop_assert_eq!(out, expected);
                    prop_assert_eq!(after, next);
                }
                let there = model[next as usize..].iter().filter(|b| b.is_some()).count();
                prop_assert_eq!(ordered.len(), there);
                for place in next..400 {
                    let around = ordered.around(place);
                    prop_assert_eq!(around.is_some(), model[place as usize].is_some());
                    let gap = |place: u64| model.get(place as usize).is_none_or(Option::is_none);
                    if let Some((start, end)) = around {
                        prop_assert!((start..end).contains(&place));
                        prop_assert!((start..end).all(|place| !gap(place)) && gap(end));
                        prop_assert!(start == next || gap(start - 1));
                    }
                }
            }
        }
    }

    /// CVE-2018-5390: many tiny ranges are bounded by what they take, not by their bytes.
    #[test]
    fn tiny_ranges_are_charged_in_full() {
        let mut ordered = Ordered::new(10_000);
        let kept: usize = (0..1000).map(|i| ordered.insert(i * 2 + 1, b"x")).sum();
        assert!(kept < 200, "{kept}");
        assert!(ordered.memory() <= 10_000);
        ordered.clear();
        assert_eq!((ordered.memory(), ordered.len()), (0, 0));
    }

    /// RFC 2018 §4: the block that holds what came last is first.
    #[test]
    fn the_range_that_grew_last_comes_first() {
        let mut ordered = Ordered::new(10_000);
        ordered.insert(10, b"aa");
        ordered.insert(30, b"bb");
        ordered.insert(20, b"cc");
        ordered.insert(22, b"dd");
        assert_eq!(ordered.ranges(), [(20, 24), (10, 12), (30, 32)]);
    }
}
