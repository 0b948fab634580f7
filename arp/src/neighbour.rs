//! One entry of the cache.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use netdev::{Instant, MacAddr, Packet};

use crate::State;

/// A neighbour, or somebody who might be one.
#[derive(Debug)]
pub(crate) struct Neighbour {
    pub(crate) phase: Phase,
    /// When the phase ends by itself.
    pub(crate) until: Instant,
    /// The tick of the cache when a datagram last went its way: the oldest is evicted.
    pub(crate) used: u64,
    /// From which of our own addresses it is asked.
    pub(crate) source: Ipv4Addr,
}

/// [`State`], with what each state knows.
#[derive(Debug)]
pub(crate) enum Phase {
    Incomplete { asked: u32, queue: VecDeque<Waiting> },
    Reachable(MacAddr),
    Stale(MacAddr),
    Delay(MacAddr),
    Probe { mac: MacAddr, asked: u32 },
    Failed,
    Permanent(MacAddr),
}

/// A datagram that waits, with the tick when it came.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) tick: u64,
    pub(crate) packet: Packet,
}

impl Phase {
    pub(crate) fn state(&self) -> State {
        match self {
            Phase::Incomplete { .. } => State::Incomplete,
            Phase::Reachable(_) => State::Reachable,
            Phase::Stale(_) => State::Stale,
            Phase::Delay(_) => State::Delay,
            Phase::Probe { .. } => State::Probe,
            Phase::Failed => State::Failed,
            Phase::Permanent(_) => State::Permanent,
        }
    }

    pub(crate) fn mac(&self) -> Option<MacAddr> {
        match *self {
            Phase::Incomplete { .. } | Phase::Failed => None,
            Phase::Reachable(mac)
            | Phase::Stale(mac)
            | Phase::Delay(mac)
            | Phase::Probe { mac, .. }
            | Phase::Permanent(mac) => Some(mac),
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        match self {
            Phase::Incomplete { queue, .. } => queue.len(),
            _ => 0,
        }
    }

    /// What waits for an address, taken out of the phase.
    pub(crate) fn take_queue(&mut self) -> VecDeque<Waiting> {
        match self {
            Phase::Incomplete { queue, .. } => std::mem::take(queue),
            _ => VecDeque::new(),
        }
    }
}
