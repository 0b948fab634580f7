//! Links: two ways, each with faults of its own.

use std::time::Duration;

use netdev::{
    CaptureInterface, Direction, FaultConfig, FaultCounts, FaultPath, Instant, Medium, Packet,
};

use super::NodeId;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// What a link is like. The default is perfect: no delay, no loss, no limit but an MTU of 1500.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LinkConfig {
    /// The way from the end that was named first to the other one.
    pub there: FaultConfig,
    /// The way back.
    pub back: FaultConfig,
    /// The largest IP datagram in bytes. The interfaces of hosts and routers at its ends are made
    /// with it; whatever is longer nevertheless (beyond a switch, a host does not know) is lost.
    pub mtu: usize,
}

/// What became of the packets of one way of a link.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct LinkCounts {
    /// Entered it.
    pub entered: u64,
    /// Came out at the far end; duplicates count.
    pub arrived: u64,
    /// Lost because they were longer than the MTU.
    pub too_long: u64,
    /// What chance, the rate and the queue did.
    pub faults: FaultCounts,
}

/// One way of a link.
#[derive(Debug)]
pub(super) struct Lane {
    path: FaultPath,
    pub(super) config: FaultConfig,
    pub(super) mtu: usize,
    counts: LinkCounts,
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    /// The port of the node that it leads to.
    pub(super) port: usize,
    capture: Option<Taps>,
}

/// Where what passes a lane is recorded: at both ends, since not all that enters it comes out.
struct Taps {
    near: CaptureInterface,
    far: CaptureInterface,
}

impl LinkConfig {
    /// The same both ways.
    pub fn both(faults: FaultConfig) -> LinkConfig {
        LinkConfig { there: faults, back: faults, ..LinkConfig::default() }
    }

    /// Perfect, but it takes a time to get through.
    pub fn delay(delay: Duration) -> LinkConfig {
        LinkConfig::both(FaultConfig { delay, ..FaultConfig::default() })
    }

    /// As it is, with another MTU.
    #[must_use]
    pub fn with_mtu(self, mtu: usize) -> LinkConfig {
        LinkConfig { mtu, ..self }
    }
}

impl Default for LinkConfig {
    fn default() -> LinkConfig {
        let (there, back) = (FaultConfig::default(), FaultConfig::default());
        LinkConfig { there, back, mtu: 1500 }
    }
}

impl Lane {
    pub(super) fn new(seed: u64, from: NodeId, to: NodeId, port: usize) -> Lane {
        Lane {
            path: FaultPath::new(seed),
            config: FaultConfig::default(),
            mtu: 1500,
            counts: LinkCounts::default(),
            from,
            to,
            port,
            capture: None,
        }
    }

    /// Records what passes from now on.
    pub(super) fn capture(&mut self, near: CaptureInterface, far: CaptureInterface) {
        self.capture = Some(Taps { near, far });
    }

    /// Takes a frame, complete with its checksums.
    pub(super) fn enter(&mut self, now: Instant, packet: Packet) {
        if let Some(taps) = &self.capture {
            taps.near.record(now, Direction::Tx, &packet);
        }
        self.counts.entered += 1;
        if packet.len() > self.mtu + ETHERNET {
            self.counts.too_long += 1;
            return;
        }
        self.path.push(now, Medium::Ethernet, &self.config, &mut self.counts.faults, packet);
    }

    /// The next frame that is through by now.
    pub(super) fn leave(&mut self, now: Instant) -> Option<Packet> {
        let packet = self.path.pop(now, &self.config)?;
        if let Some(taps) = &self.capture {
            taps.far.record(now, Direction::Rx, &packet);
        }
        self.counts.arrived += 1;
        Some(packet)
    }

    /// When the next frame is through.
    pub(super) fn due(&self) -> Option<Instant> {
        self.path.poll_at()
    }

    /// How many are on their way.
    pub(super) fn on_the_way(&self) -> usize {
        self.path.len()
    }

    pub(super) fn counts(&self) -> LinkCounts {
        self.counts
    }
}

impl std::fmt::Debug for Taps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Taps")
    }
}
