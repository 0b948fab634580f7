//! What is due when.

use netdev::Instant;

/// Children of a place in the heap: four are next to each other in memory, and make half as many
/// levels as two.
const ARITY: usize = 4;
/// Place of a slot that has nothing due.
const NOWHERE: u32 = u32::MAX;

/// A heap of slots by the time when each is due. A slot is in it once at most, wherever its time
/// moves to, so that timers which are set again and again leave nothing behind.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: Vec<Entry>,
    /// Where in the heap each slot is.
    places: Vec<u32>,
    /// Counts the settings: of what is due at the same time, the first that was set comes first.
    set: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Entry {
    at: Instant,
    set: u64,
    slot: u32,
}

impl Agenda {
    /// Says when a slot is due; `None`: not at all.
    pub(super) fn set(&mut self, slot: u32, at: Option<Instant>) {
        if self.places.len() <= slot as usize {
            self.places.resize(slot as usize + 1, NOWHERE);
        }
        let place = self.places[slot as usize];
        match at {
            None if place == NOWHERE => {}
            None => self.remove(place as usize),
            Some(at) if place == NOWHERE => {
                self.heap.push(self.entry(at, slot));
                self.set += 1;
                self.rise(self.heap.len() - 1);
            }
            // What is due at the same time as before keeps its turn.
            Some(at) if self.heap[place as usize].at == at => {}
            Some(at) => {
                let old = self.heap[place as usize].at;
                self.heap[place as usize] = self.entry(at, slot);
                self.set += 1;
                if at < old { self.rise(place as usize) } else { self.sink(place as usize) }
            }
        }
    }

    /// The slot that is due first, and when.
    pub(super) fn first(&self) -> Option<(Instant, u32)> {
        self.heap.first().map(|entry| (entry.at, entry.slot))
    }

    fn entry(&self, at: Instant, slot: u32) -> Entry {
        Entry { at, set: self.set, slot }
    }

    fn remove(&mut self, place: usize) {
        let removed = self.heap.swap_remove(place);
        self.places[removed.slot as usize] = NOWHERE;
        if place < self.heap.len() {
            self.rise(place);
            // It may have to go down instead: the last of the heap is of another branch.
            self.sink(self.places[self.heap[place].slot as usize] as usize);
        }
    }

    fn rise(&mut self, mut place: usize) {
        let entry = self.heap[place];
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if self.heap[parent] < entry {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        self.put(place, entry);
    }

    fn sink(&mut self, mut place: usize) {
        let entry = self.heap[place];
        loop {
            let first = ARITY * place + 1;
            let children = first..(first + ARITY).min(self.heap.len());
            let Some(least) = children.min_by_key(|child| self.heap[*child]) else { break };
            if entry < self.heap[least] {
                break;
            }
            self.put(place, self.heap[least]);
            place = least;
        }
        self.put(place, entry);
    }

    fn put(&mut self, place: usize, entry: Entry) {
        self.heap[place] = entry;
        self.places[entry.slot as usize] = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Option<Instant> {
        Some(Instant::from_millis(millis))
    }

    #[test]
    fn the_first_that_was_set_comes_first() {
        let mut agenda = Agenda::default();
        agenda.set(3, at(5));
        agenda.set(1, at(5));
        agenda.set(2, at(4));
        // Again the same: it keeps its turn. Later and back: it loses it.
        agenda.set(3, at(5));
        let mut order = Vec::new();
        while let Some((_, slot)) = agenda.first() {
            order.push(slot);
            agenda.set(slot, None);
        }
        assert_eq!(order, [2, 3, 1]);
    }

    proptest! {
        #[test]
        fn it_is_as_a_list_that_is_sorted(
            settings in proptest::collection::vec((0u32..40, proptest::option::of(0u64..30)), 0..300),
        ) {
            let mut agenda = Agenda::default();
            let mut model: Vec<(Instant, u64, u32)> = Vec::new();
            for (number, (slot, millis)) in settings.into_iter().enumerate() {
                let due = millis.map(Instant::from_millis);
                agenda.set(slot, due);
                let same = model.iter().any(|(at, _, s)| *s == slot && Some(*at) == due);
                if !same {
                    model.retain(|(_, _, s)| *s != slot);
                    model.extend(due.map(|at| (at, number as u64, slot)));
                }
                model.sort_unstable();
                prop_assert_eq!(agenda.first(), model.first().map(|(at, _, slot)| (*at, *slot)));
                prop_assert_eq!(agenda.heap.len(), model.len());
            }
        }
    }
}
