//! A device that tells what passes it, and can lose it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netdev::{Capabilities, Device, Direction, EtherType, Instant, Packet, Stats, WireEnd};

use super::Sighting;

/// What all links have in common.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) lose: bool,
    pub(super) seen: Vec<Sighting>,
}

/// One end of a wire.
#[derive(Debug)]
pub(super) struct Spied {
    wire: WireEnd,
    /// What it is called in the capture; `None` where the other end tells already.
    name: Option<&'static str>,
    links: Arc<Mutex<Links>>,
}

impl Spied {
    pub(super) fn new(
        wire: WireEnd,
        name: Option<&'static str>,
        links: &Arc<Mutex<Links>>,
    ) -> Spied {
        Spied { wire, name, links: Arc::clone(links) }
    }

    fn tell(&self, at: Instant, direction: Direction, packet: &Packet) {
        if let Some(interface) = self.name {
            let (medium, packet) = (self.wire.capabilities().medium, packet.clone());
            let sighting = Sighting { at, interface, medium, direction, packet };
            lock(&self.links).seen.push(sighting);
        }
    }
}

impl Device for Spied {
    fn name(&self) -> &str {
        self.wire.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.wire.capabilities()
    }

    fn transmit(&mut self, now: Instant, packet: Packet) -> Result<(), Packet> {
        self.tell(now, Direction::Tx, &packet);
        if lock(&self.links).lose && packet[12..14] == EtherType::IPV4.0.to_be_bytes() {
            return Ok(());
        }
        self.wire.transmit(now, packet)
    }

    fn receive(&mut self, now: Instant) -> Option<Packet> {
        let packet = self.wire.receive(now)?;
        self.tell(now, Direction::Rx, &packet);
        Some(packet)
    }

    fn poll_at(&self) -> Option<Instant> {
        self.wire.poll_at()
    }

    fn stats(&self) -> Stats {
        self.wire.stats()
    }
}

pub(super) fn lock(links: &Mutex<Links>) -> MutexGuard<'_, Links> {
    // Nothing panics with the lock held.
    links.lock().unwrap_or_else(PoisonError::into_inner)
}
