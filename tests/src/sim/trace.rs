//! What happened: the last events in full, all of them as a number.

use std::fmt;

use netdev::{Instant, Medium, Packet, describe};

use super::NodeId;

/// Events that are remembered.
const REMEMBERED: usize = 64;
/// Bytes of a packet that are remembered, and make the hash: down to some options of TCP. Its
/// checksum is among them, and that is a matter of every byte.
const HEAD: usize = 80;
/// Nodes that [`Exhausted`] names.
const BUSIEST: usize = 8;

/// The events of a network so far.
#[derive(Debug)]
pub(super) struct Trace {
    /// A ring.
    last: Box<[Event; REMEMBERED]>,
    /// How many there were.
    pub(super) events: u64,
    hash: u64,
}

#[derive(Clone, Copy, Debug)]
struct Event {
    at: Instant,
    node: NodeId,
    /// Where the packet came from, and its length; `None`: a timer was due.
    packet: Option<(NodeId, u32)>,
    /// The packet's first bytes.
    head: [u8; HEAD],
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
        let none = Event { at: Instant::ZERO, node: NodeId(0), packet: None, head: [0; HEAD] };
        Trace { last: Box::new([none; REMEMBERED]), events: 0, hash: 0 }
    }

    /// A packet arrives at a node.
    pub(super) fn packet(&mut self, at: Instant, from: NodeId, node: NodeId, packet: &Packet) {
        let event = self.next();
        (event.at, event.node) = (at, node);
        event.packet = Some((from, packet.len() as u32));
        match packet.first_chunk() {
            Some(head) => event.head = *head,
            None => {
                event.head = [0; HEAD];
                event.head[..packet.len()].copy_from_slice(packet);
            }
        }
        let head = event.head;
        self.mix(at.nanos());
        self.mix(u64::from(node.0) << 32 | packet.len() as u64);
        for word in head.chunks_exact(8) {
            self.mix(u64::from_le_bytes(word.try_into().expect("eight bytes")));
        }
    }

    /// A timer of a node is due.
    pub(super) fn timer(&mut self, at: Instant, node: NodeId) {
        let event = self.next();
        (event.at, event.node, event.packet) = (at, node, None);
        self.mix(at.nanos());
        self.mix(u64::from(node.0));
    }

    /// A number that follows from all events: their times, nodes and packets.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// The last events in words, the oldest first.
    pub(super) fn last<'a>(&'a self, name: &'a dyn Fn(NodeId) -> &'a str) -> Vec<String> {
        let oldest = self.events.saturating_sub(REMEMBERED as u64);
        let events = (oldest..self.events).map(|number| &self.last[place(number)]);
        let words = |Event { at, node, packet, head }: &Event| match packet {
            None => format!("{at} {}: timer", name(*node)),
            Some((from, len)) => {
                let head = &head[..HEAD.min(*len as usize)];
                let packet = describe(Medium::Ethernet, head);
                format!("{at} {} > {}: {packet} ({len} bytes)", name(*from), name(*node))
            }
        };
        events.map(words).collect()
    }

    /// Counts an event, and gives the place where it is remembered.
    fn next(&mut self) -> &mut Event {
        self.events += 1;
        &mut self.last[place(self.events - 1)]
    }

    /// Not for enemies: an odd multiplier and a rotation, so that order matters.
    fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
}

/// Where in the ring the event of a number is.
fn place(number: u64) -> usize {
    (number % REMEMBERED as u64) as usize
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
