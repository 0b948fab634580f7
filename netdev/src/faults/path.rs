//! One direction of a bad link.

use std::collections::VecDeque;
use std::time::Duration;

use super::loss::Loss;
use super::quantity::{Probability, Rate};
use crate::checksum;
use crate::ethernet;
use crate::{Checksum, EtherType, Faults, Instant, Medium, Packet, sooner};

/// Packets that one direction holds at most, whatever the reason: enough for 10 Gbit/s and 75 ms.
const HELD: usize = 1 << 16;

/// How long a packet that lets others pass waits for them.
const REORDER_WAIT: Duration = Duration::from_millis(20);

/// How many others it lets pass at most. From three on, TCP takes it for lost (RFC 5681 §3.2).
const REORDER_DEPTH: u32 = 4;

/// What one direction of a link does to its packets. The default is a perfect link.
///
/// The faults are rolled for each packet in the order of the fields: a lost packet takes no part
/// of the rate, a duplicate is a packet of its own behind the first.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct FaultConfig {
    /// It is lost.
    pub loss: Loss,
    /// It comes twice.
    pub duplicate: Probability,
    /// One bit of it is flipped, behind the link header. Only in IPv4 datagrams: on a real link a
    /// frame check sequence guards the header and what has no checksum of its own, such as ARP.
    pub corrupt: Probability,
    /// A router on the way says "congestion experienced" (RFC 3168 §5), where the packet allows
    /// it.
    pub mark: Probability,
    /// It lets 1 to 4 others pass, or as many as come within 20 ms.
    pub reorder: Probability,
    /// Bits a second that pass; `None` for no limit.
    pub rate: Option<Rate>,
    /// Packets that wait for their turn by the rate at most. More are dropped.
    pub queue: usize,
    /// How long each packet is on its way.
    pub delay: Duration,
    /// By how much more or less, at random. Packets do not overtake each other by it.
    pub jitter: Duration,
}

/// How many packets met which fault, in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FaultCounts {
    /// Lost by chance.
    pub lost: u64,
    /// Doubled.
    pub duplicated: u64,
    /// With a bit flipped.
    pub corrupted: u64,
    /// Marked "congestion experienced".
    pub marked: u64,
    /// Passed by others.
    pub reordered: u64,
    /// Dropped because too many waited.
    pub overflowed: u64,
    /// Kept back by a rate, delay or jitter.
    pub delayed: u64,
}

/// The packets on their way in one direction of a link, and the dice that say what becomes of
/// them: what a [`FaultInjector`](crate::FaultInjector) has two of, for whoever builds links.
///
/// It has no configuration of its own: that may be another at each call.
#[derive(Debug)]
pub struct FaultPath {
    rng: fastrand::Rng,
    /// With the time when each is through; times never go down.
    on_the_way: VecDeque<(Instant, Packet)>,
    /// Packets that let others pass.
    aside: Vec<Aside>,
    /// Whether losses in bursts are in a burst.
    is_bad: bool,
    /// When each packet that waits by the rate has left.
    departures: VecDeque<Instant>,
    /// When the last packet is through.
    last: Instant,
}

#[derive(Debug)]
struct Aside {
    packet: Packet,
    /// How many others are still to pass.
    others: u32,
    /// When it goes even so.
    until: Instant,
}

impl Default for FaultConfig {
    fn default() -> FaultConfig {
        FaultConfig {
            loss: Loss::NEVER,
            duplicate: Probability::NEVER,
            corrupt: Probability::NEVER,
            mark: Probability::NEVER,
            reorder: Probability::NEVER,
            rate: None,
            // What Linux gives a network interface (txqueuelen).
            queue: 1000,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
        }
    }
}

impl FaultConfig {
    /// Whether the link is perfect.
    pub fn is_perfect(&self) -> bool {
        let FaultConfig { loss, duplicate, corrupt, mark, reorder, rate, queue: _, delay, jitter } =
            *self;
        loss.is_never()
            && [duplicate, corrupt, mark, reorder].iter().all(|p| *p == Probability::NEVER)
            && rate.is_none()
            && [delay, jitter] == [Duration::ZERO; 2]
    }
}

impl FaultPath {
    /// An empty path; all its accidents follow from `seed`.
    pub fn new(seed: u64) -> FaultPath {
        FaultPath {
            rng: fastrand::Rng::with_seed(seed),
            on_the_way: VecDeque::new(),
            aside: Vec::new(),
            is_bad: false,
            departures: VecDeque::new(),
            last: Instant::ZERO,
        }
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many packets are on their way.
    pub fn len(&self) -> usize {
        self.on_the_way.len() + self.aside.len()
    }

    /// Sends a packet on its way. It is one packet, with all its checksums in it.
    pub fn push(
        &mut self,
        now: Instant,
        medium: Medium,
        config: &FaultConfig,
        counts: &mut FaultCounts,
        mut packet: Packet,
    ) {
        self.release(now, config);
        if config.loss.happens(&mut self.is_bad, &mut self.rng) {
            counts.lost += 1;
            return;
        }
        let copy = config.duplicate.happens(&mut self.rng).then(|| packet.clone());
        if config.corrupt.happens(&mut self.rng) && self.corrupt(medium, &mut packet) {
            packet.note_fault(Faults::CORRUPTED);
            counts.corrupted += 1;
        }
        if config.mark.happens(&mut self.rng) && mark(medium, &mut packet) {
            packet.note_fault(Faults::MARKED);
            counts.marked += 1;
        }
        self.queue(now, config, counts, packet);
        if let Some(mut copy) = copy {
            copy.note_fault(Faults::DUPLICATED);
            counts.duplicated += 1;
            self.queue(now, config, counts, copy);
        }
    }

    /// The next packet that is through.
    pub fn pop(&mut self, now: Instant, config: &FaultConfig) -> Option<Packet> {
        self.release(now, config);
        self.on_the_way.front().filter(|(at, _)| *at <= now)?;
        self.on_the_way.pop_front().map(|(_, packet)| packet)
    }

    /// When the next packet is through.
    pub fn poll_at(&self) -> Option<Instant> {
        let aside = self.aside.iter().map(|aside| aside.until).min();
        sooner(aside, self.on_the_way.front().map(|(at, _)| *at))
    }

    /// Has a packet wait for its turn, and sets it aside if others are to pass it.
    fn queue(
        &mut self,
        now: Instant,
        config: &FaultConfig,
        counts: &mut FaultCounts,
        mut packet: Packet,
    ) {
        while self.departures.front().is_some_and(|at| *at <= now) {
            self.departures.pop_front();
        }
        if self.departures.len() > config.queue || self.on_the_way.len() + self.aside.len() >= HELD
        {
            counts.overflowed += 1;
            return;
        }
        let mut departure = now;
        if let Some(rate) = config.rate {
            departure = self.departures.back().map_or(now, |at| now.max(*at));
            departure += rate.time_for(packet.len());
            self.departures.push_back(departure);
        }
        if config.reorder.happens(&mut self.rng) {
            packet.note_fault(Faults::REORDERED);
            counts.reordered += 1;
            let others = self.rng.u32(1..=REORDER_DEPTH);
            self.aside.push(Aside { packet, others, until: departure + REORDER_WAIT });
            return;
        }
        let arrival = self.arrival(departure, config);
        if arrival > now {
            packet.note_fault(Faults::DELAYED);
            counts.delayed += 1;
        }
        self.on_the_way.push_back((arrival, packet));
        self.let_one_pass();
    }

    /// When a packet that departs now is through: not before the one ahead of it.
    fn arrival(&mut self, departure: Instant, config: &FaultConfig) -> Instant {
        let mut delay = config.delay;
        if config.jitter != Duration::ZERO {
            let jitter = u64::try_from(config.jitter.as_nanos()).unwrap_or(u64::MAX);
            let more = Duration::from_nanos(self.rng.u64(0..=jitter.saturating_mul(2)));
            delay = delay.saturating_add(more).saturating_sub(config.jitter);
        }
        let arrival = departure + delay;
        self.last = self.last.max(arrival);
        self.last
    }

    /// Tells those aside that one has passed; who has waited enough goes right behind it.
    fn let_one_pass(&mut self) {
        for aside in &mut self.aside {
            aside.others -= 1;
        }
        for aside in self.aside.extract_if(.., |aside| aside.others == 0) {
            self.on_the_way.push_back((self.last, aside.packet));
        }
    }

    /// Sends on those aside whom nobody passed in time.
    fn release(&mut self, now: Instant, config: &FaultConfig) {
        while let Some(at) = self.aside.iter().position(|aside| aside.until <= now) {
            let Aside { packet, until, .. } = self.aside.remove(at);
            let arrival = self.arrival(until, config);
            self.on_the_way.push_back((arrival, packet));
        }
    }

    /// Flips one bit of an IPv4 datagram. The Internet checksum finds every single bit.
    fn corrupt(&mut self, medium: Medium, packet: &mut Packet) -> bool {
        let Some(l3) = datagram(medium, packet) else { return false };
        let bit = self.rng.usize(0..(packet.len() - l3) * 8);
        packet[l3 + bit / 8] ^= 1 << (bit % 8);
        packet.set_checksum(Checksum::None);
        true
    }
}

/// Where the IPv4 datagram of a packet begins, if there is one.
fn datagram(medium: Medium, packet: &[u8]) -> Option<usize> {
    let l3 = ethernet::header_len(medium);
    let is_ipv4 = match medium {
        Medium::Ethernet => {
            ethernet::Header::parse(packet).is_some_and(|h| h.ethertype == EtherType::IPV4)
        }
        Medium::Ip => ethernet::type_of_datagram(packet) == Some(EtherType::IPV4),
    };
    (is_ipv4 && packet.len() > l3).then_some(l3)
}

/// Sets "congestion experienced" in a datagram that is sent by an ECN-capable transport (RFC 3168
/// §5), and corrects its header checksum (RFC 1624).
fn mark(medium: Medium, packet: &mut Packet) -> bool {
    let Some(header) = datagram(medium, packet).and_then(|l3| packet.get_mut(l3..l3 + 20)) else {
        return false;
    };
    if !matches!(header[1] & 3, 1 | 2) {
        return false;
    }
    let word = |header: &[u8], at| u16::from_be_bytes([header[at], header[at + 1]]);
    let (old, check) = (word(header, 0), word(header, 10));
    header[1] |= 3;
    let check = checksum::update(check, old, word(header, 0));
    header[10..12].copy_from_slice(&check.to_be_bytes());
    true
}
