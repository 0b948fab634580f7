//! What happened: the last events in full, all of them as a number.

use std::fmt;

use netdev::{Instant, Medium, Packet, describe};

use super::NodeId;

/// Events that are remembered.
const REMEMBERED: usize = 64;
/// Bytes of a packet that are remembered: down to the options of TCP. Its checksum is among them,
/// and that is a matter of every byte.
const HEAD: usize = 96;
/// Nodes that [`Exhausted`] names.
const BUSIEST: usize = 8;

/// The events of a network so far.
#[derive(Debug)]
pub(super) struct Trace {
    last: Vec<Event>,
    /// How many there were.
    pub(super) events: u64,
    hash: u64,
}

#[derive(Clone, Debug)]
struct Event {
    at: Instant,
    node: NodeId,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// A packet came from there.
    Packet { from: NodeId, len: usize, head: [u8; HEAD] },
    /// A timer was due.
    Timer,
}

/// A run came to the bound of its events, and there was more to do.
///
/// What it prints begins with who was busy; the last events follow.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Exhausted {
    /// The network's seed.
    pub seed: u64,
    /// How many events the run had.
    pub events: u64,
    /// What time it was.
    pub at: Instant,
    /// The busiest nodes and how many of the run's events were theirs, the busiest first.
    pub busy: Vec<(String, u64)>,
    /// The last events, the oldest first.
    pub last: Vec<String>,
}

impl Trace {
    pub(super) fn new() -> Trace {
        Trace { last: Vec::with_capacity(REMEMBERED), events: 0, hash: 0 }
    }

    /// A packet arrives at a node.
    pub(super) fn packet(&mut self, at: Instant, from: NodeId, node: NodeId, packet: &Packet) {
        let mut head = [0; HEAD];
        let len = packet.len().min(HEAD);
        head[..len].copy_from_slice(&packet[..len]);
        self.mix(at.nanos());
        self.mix(u64::from(node.0) << 32 | packet.len() as u64);
        for word in head.chunks_exact(8) {
            self.mix(u64::from_le_bytes(word.try_into().expect("eight bytes")));
        }
        self.remember(Event { at, node, what: What::Packet { from, len: packet.len(), head } });
    }

    /// A timer of a node is due.
    pub(super) fn timer(&mut self, at: Instant, node: NodeId) {
        self.mix(at.nanos());
        self.mix(u64::from(node.0));
        self.remember(Event { at, node, what: What::Timer });
    }

    /// A number that follows from all events: their times, nodes and packets.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// The last events in words, the oldest first.
    pub(super) fn last<'a>(&'a self, name: &'a dyn Fn(NodeId) -> &'a str) -> Vec<String> {
        let oldest = if self.last.len() < REMEMBERED { 0 } else { self.place() };
        let events = self.last[oldest..].iter().chain(&self.last[..oldest]);
        events
            .map(|Event { at, node, what }| match what {
                What::Timer => format!("{at} {}: timer", name(*node)),
                What::Packet { from, len, head } => {
                    let packet = describe(Medium::Ethernet, &head[..*len.min(&HEAD)]);
                    format!("{at} {} > {}: {packet} ({len} bytes)", name(*from), name(*node))
                }
            })
            .collect()
    }

    /// Where the next event is remembered.
    fn place(&self) -> usize {
        (self.events % REMEMBERED as u64) as usize
    }

    fn remember(&mut self, event: Event) {
        let place = self.place();
        match self.last.get_mut(place) {
            Some(old) => *old = event,
            None => self.last.push(event),
        }
        self.events += 1;
    }

    /// Not for enemies: an odd multiplier and a rotation, so that order matters.
    fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
}

impl Exhausted {
    pub(super) fn new(
        seed: u64,
        at: Instant,
        events: u64,
        last: Vec<String>,
        mut busy: Vec<(String, u64)>,
    ) -> Exhausted {
        busy.sort_by_key(|(_, events)| std::cmp::Reverse(*events));
        busy.truncate(BUSIEST);
        Exhausted { seed, events, at, busy, last }
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exhausted { seed, events, at, busy, last } = self;
        writeln!(
            f,
            "{events} events, and at {at} there are more to come (seed {seed:#x}); of them"
        )?;
        for (node, count) in busy {
            writeln!(f, "  {count} at {node}")?;
        }
        writeln!(f, "the last ones:")?;
        last.iter().try_for_each(|event| writeln!(f, "  {event}"))
    }
}
