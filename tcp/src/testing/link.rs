//! The link between two hosts, and what it does to packets.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use netdev::{Checksum, Instant, sooner};

use super::{Sent, Side};

/// How long a packet that lets others pass waits for them.
const WAIT: Duration = Duration::from_millis(20);

/// What a link does to packets. Probabilities are from 0 to 1, for each packet on its own.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// Time from one end to the other.
    pub latency: Duration,
    /// The probability that a packet is lost.
    pub loss: f64,
    /// That it arrives twice.
    pub duplication: f64,
    /// That it arrives later than it should, by up to [`LinkConfig::delay`].
    pub reordering: f64,
    /// By how much a reordered packet is late at most.
    pub delay: Duration,
    /// That it lets one to four others of its direction pass, or as many as come within 20 ms: as
    /// `netdev`'s fault injector reorders.
    pub overtaking: f64,
    /// That a bit of it is flipped. A packet whose checksum was left to the device is spared.
    pub corruption: f64,
    /// Bytes a second; `None`: no limit.
    pub rate: Option<u64>,
    /// How long a packet may wait for the link to be free; one that would wait longer is lost.
    pub queue: Duration,
}

impl Default for LinkConfig {
    /// A good link: 5 ms long, and nothing goes wrong on it.
    fn default() -> LinkConfig {
        LinkConfig {
            latency: Duration::from_millis(5),
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            delay: Duration::from_millis(20),
            overtaking: 0.0,
            corruption: 0.0,
            rate: None,
            queue: Duration::from_millis(100),
        }
    }
}

impl LinkConfig {
    /// A bad link: 2 % loss, 1 % duplicates, 5 % reordered.
    pub fn bad() -> LinkConfig {
        LinkConfig { loss: 0.02, duplication: 0.01, reordering: 0.05, ..LinkConfig::default() }
    }
}

/// A link with two ends and the packets on their way.
#[derive(Debug)]
pub struct Link {
    /// What it does; may be changed at any time, for packets that enter it then.
    pub config: LinkConfig,
    /// What the round trip is longer by for segments from or to a port of B, beyond the link.
    pub detours: BTreeMap<u16, Duration>,
    rng: Rng,
    /// By arrival, then by the order of entering.
    on_the_way: BTreeMap<(Instant, u64), (Side, Sent)>,
    /// Packets that let others pass: how many more, and when they go even so.
    aside: Vec<(u32, Instant, Side, Sent)>,
    entered: u64,
    /// When each direction is free to take the next packet.
    free_at: [Instant; 2],
}

impl Link {
    /// An empty link whose every accident follows from `seed`.
    pub fn new(config: LinkConfig, seed: u64) -> Link {
        let rng = Rng::with_seed(seed);
        Link {
            config,
            detours: BTreeMap::new(),
            rng,
            on_the_way: BTreeMap::new(),
            aside: Vec::new(),
            entered: 0,
            free_at: Default::default(),
        }
    }

    /// Takes a packet for the host `to`; says in a word what became of it.
    pub fn enter(&mut self, to: Side, sent: Sent) -> &'static str {
        let LinkConfig { latency, loss, duplication, reordering, delay, rate, queue, .. } =
            self.config;
        let LinkConfig { overtaking, corruption, .. } = self.config;
        if self.rng.f64() < loss {
            return "lost";
        }
        let free_at = &mut self.free_at[to as usize];
        let start = (*free_at).max(sent.at);
        if start - sent.at > queue {
            return "lost (queue full)";
        }
        let nanos = rate.map_or(0, |rate| (sent.packet.len() as u64 + 20) * 1_000_000_000 / rate);
        *free_at = start + Duration::from_nanos(nanos);
        let b = if to == Side::B { sent.seg.dst } else { sent.seg.src };
        let round = b.and_then(|b| self.detours.get(&b.port()));
        let detour = round.map_or(Duration::ZERO, |round| *round / 2);
        let mut arrival = *free_at + latency + detour;
        let mut fate = "";
        if self.rng.f64() < reordering {
            arrival += delay.mul_f64(self.rng.f64());
            fate = "late";
        }
        let mut sent = sent;
        if self.rng.f64() < corruption && sent.packet.checksum() == Checksum::None {
            let bit = self.rng.usize(..sent.packet.len() * 8);
            sent.packet[bit / 8] ^= 1 << (bit % 8);
            fate = "corrupted";
        }
        if self.rng.f64() < duplication {
            let again = arrival + delay.mul_f64(self.rng.f64());
            self.put(again, to, sent.clone());
            fate = "twice";
        }
        if overtaking > 0.0 && self.rng.f64() < overtaking {
            let others = self.rng.u32(1..=4);
            self.aside.push((others, arrival + WAIT, to, sent));
            return "overtaken";
        }
        self.put(arrival, to, sent);
        self.one_passed(arrival, to);
        fate
    }

    /// Whoever has let enough others pass goes right behind the last of them.
    fn one_passed(&mut self, arrival: Instant, way: Side) {
        let mut ready = Vec::new();
        self.aside.retain_mut(|(others, _, to, sent)| {
            *others -= u32::from(*to == way);
            if *others == 0 {
                ready.push(sent.clone());
            }
            *others > 0
        });
        ready.into_iter().for_each(|sent| self.put(arrival, way, sent));
    }

    /// When the next packet arrives.
    pub fn next_arrival(&self) -> Option<Instant> {
        let first = self.on_the_way.first_key_value().map(|((at, _), _)| *at);
        sooner(first, self.aside.iter().map(|(_, until, ..)| *until).min())
    }

    /// Takes out a packet that has arrived by `now`, and for whom it is.
    pub fn leave(&mut self, now: Instant) -> Option<(Side, Sent)> {
        while let Some(index) = self.aside.iter().position(|(_, until, ..)| *until <= now) {
            let (_, until, to, sent) = self.aside.remove(index);
            self.put(until, to, sent);
        }
        self.next_arrival().filter(|at| *at <= now)?;
        self.on_the_way.pop_first().map(|(_, arrived)| arrived)
    }

    fn put(&mut self, at: Instant, to: Side, sent: Sent) {
        self.entered += 1;
        self.on_the_way.insert((at, self.entered), (to, sent));
    }
}
