//! A decorator that makes a link as bad as wanted.

mod loss;
mod path;
mod quantity;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use loss::{GilbertElliott, Loss};
pub use path::{FaultConfig, FaultCounts, FaultPath};
pub use quantity::{ParseQuantityError, Probability, Rate, parse_duration};

use crate::ethernet;
use crate::segment::segment;
use crate::{
    Capabilities, Checksum, Counts, Device, Direction, DropReason, Instant, Interest, LinkState,
    Medium, Packet, Segmentation, Stats, sooner,
};

/// Packets that one call of [`Device::receive`] takes from the inner device, so that an endless
/// stream of packets that are all lost does not hold the event loop.
const PACKETS_A_CALL: usize = 256;

/// A device with a bad link in front: packets are lost, doubled, reordered, corrupted, delayed,
/// and kept to a rate, in each direction on its own.
///
/// All dice are rolled from one seed, and time is the caller's: the same calls with the same seed
/// give the same faults. What was done to a packet is noted in it ([`Packet::faults`]), so that a
/// [`Capture`](crate::Capture) can say it.
///
/// Faults happen to packets as a wire would carry them. Where a direction has faults, packets that
/// stand for several are cut up, and checksums are filled in, before; and a sender is told that
/// there is no offload.
///
/// ```
/// use netdev::{Device, FaultConfig, FaultInjector, Instant, Packet, Wire};
/// use std::time::Duration;
/// let (near, mut far) = Wire::pair(Duration::ZERO);
/// let slow = FaultConfig { delay: Duration::from_millis(20), ..FaultConfig::default() };
/// let mut near = FaultInjector::new(Box::new(near), slow, FaultConfig::default(), 1);
///
/// near.transmit(Instant::ZERO, Packet::from_payload(&[0; 60])).unwrap();
/// assert_eq!(far.receive(Instant::ZERO), None);
/// let due = near.poll_at().unwrap();
/// assert_eq!(due, Instant::from_millis(20));
/// near.flush(due);
/// assert!(far.receive(due).is_some());
/// ```
pub struct FaultInjector {
    inner: Box<dyn Device>,
    medium: Medium,
    control: FaultControl,
    tx: FaultPath,
    rx: FaultPath,
    /// When receiving stopped with packets still waiting.
    unfinished: Option<Instant>,
    /// What the inner device's full queue and senseless packets cost.
    drops: Counts<DropReason>,
}

/// A handle on a [`FaultInjector`] that is built into a stack: it reads the counters, and changes
/// the faults.
#[derive(Clone, Debug)]
pub struct FaultControl(Arc<Mutex<[Way; 2]>>);

#[derive(Clone, Copy, Debug, Default)]
struct Way {
    config: FaultConfig,
    counts: FaultCounts,
}

impl FaultInjector {
    /// Puts the faults `tx` on what is sent through `inner`, and `rx` on what it receives.
    pub fn new(
        inner: Box<dyn Device>,
        tx: FaultConfig,
        rx: FaultConfig,
        seed: u64,
    ) -> FaultInjector {
        let way = |config| Way { config, counts: FaultCounts::default() };
        // Dice of its own for each direction: what one carries does not change the other's luck.
        let mut seeds = fastrand::Rng::with_seed(seed);
        FaultInjector {
            medium: inner.capabilities().medium,
            inner,
            control: FaultControl(Arc::new(Mutex::new([way(rx), way(tx)]))),
            tx: FaultPath::new(seeds.u64(..)),
            rx: FaultPath::new(seeds.u64(..)),
            unfinished: None,
            drops: Counts::default(),
        }
    }

    /// A handle for reading the counters and changing the faults.
    pub fn control(&self) -> FaultControl {
        self.control.clone()
    }

    /// Gives the inner device what is through by now.
    fn pump(&mut self, now: Instant) {
        if self.tx.is_empty() {
            return;
        }
        let config = self.control.faults(Direction::Tx);
        while let Some(packet) = self.tx.pop(now, &config) {
            if self.inner.transmit(now, packet).is_err() {
                self.drops.add(DropReason::QueueFull);
            }
        }
    }

    /// Sends one packet on its way in one direction, as the packets that a wire would see.
    fn push(&mut self, now: Instant, direction: Direction, config: &FaultConfig, packet: Packet) {
        let path = match direction {
            Direction::Tx => &mut self.tx,
            Direction::Rx => &mut self.rx,
        };
        let (medium, control) = (self.medium, &self.control);
        let mut each = |mut packet: Packet| {
            packet.complete_checksum();
            // From here on the checksum has to be looked at again.
            packet.set_checksum(Checksum::None);
            let mut ways = control.ways();
            path.push(now, medium, config, &mut ways[direction as usize].counts, packet);
        };
        match packet.segmentation() {
            Segmentation::None => each(packet),
            _ => {
                if let Err(reason) = segment(packet, ethernet::header_len(medium), &mut each) {
                    self.drops.add(reason);
                }
            }
        }
    }
}

impl FaultControl {
    /// The faults of a direction.
    pub fn faults(&self, direction: Direction) -> FaultConfig {
        self.ways()[direction as usize].config
    }

    /// Changes the faults of a direction, for the packets to come.
    pub fn set_faults(&self, direction: Direction, config: FaultConfig) {
        self.ways()[direction as usize].config = config;
    }

    /// What has been done in a direction so far.
    pub fn counts(&self, direction: Direction) -> FaultCounts {
        self.ways()[direction as usize].counts
    }

    fn ways(&self) -> MutexGuard<'_, [Way; 2]> {
        // Plain numbers: whoever panicked left nothing half done that could matter.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device for FaultInjector {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = self.inner.capabilities();
        if self.control.faults(Direction::Tx).is_perfect() {
            capabilities
        } else {
            Capabilities::plain(capabilities.medium, capabilities.mtu)
        }
    }

    fn transmit(&mut self, now: Instant, packet: Packet) -> Result<(), Packet> {
        let config = self.control.faults(Direction::Tx);
        if config.is_perfect() && self.tx.is_empty() {
            return self.inner.transmit(now, packet);
        }
        if ethernet::too_long(&packet, &self.inner.capabilities()) {
            self.drops.add(DropReason::TooLong);
            return Ok(());
        }
        self.push(now, Direction::Tx, &config, packet);
        self.pump(now);
        Ok(())
    }

    fn receive(&mut self, now: Instant) -> Option<Packet> {
        self.unfinished = None;
        let config = self.control.faults(Direction::Rx);
        if config.is_perfect() && self.rx.is_empty() {
            return self.inner.receive(now);
        }
        for _ in 0..PACKETS_A_CALL {
            if let Some(packet) = self.rx.pop(now, &config) {
                return Some(packet);
            }
            let packet = self.inner.receive(now)?;
            self.push(now, Direction::Rx, &config, packet);
        }
        self.unfinished = Some(now);
        self.rx.pop(now, &config)
    }

    fn flush(&mut self, now: Instant) {
        self.pump(now);
        self.inner.flush(now);
    }

    fn poll_at(&self) -> Option<Instant> {
        let held = sooner(self.tx.poll_at(), self.rx.poll_at());
        sooner(sooner(held, self.unfinished), self.inner.poll_at())
    }

    fn interest(&self) -> Option<Interest<'_>> {
        self.inner.interest()
    }

    fn pending(&self) -> usize {
        self.tx.len() + self.inner.pending()
    }

    fn link(&self) -> LinkState {
        self.inner.link()
    }

    fn stats(&self) -> Stats {
        let mut stats = self.inner.stats();
        stats.drops.merge(&self.drops);
        for direction in [Direction::Rx, Direction::Tx] {
            let counts = self.control.counts(direction);
            stats.drops.add_many(DropReason::FaultLoss, counts.lost);
            stats.drops.add_many(DropReason::FaultQueue, counts.overflowed);
        }
        stats
    }

    fn set_mtu(&mut self, mtu: usize) -> bool {
        self.inner.set_mtu(mtu)
    }
}

#[cfg(test)]
mod tests;
