//! A cable in memory, for tests and for two stacks in one process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::ethernet::too_long;
use crate::{Capabilities, Device, DropReason, Instant, LinkState, Medium, Packet, Stats};

/// An in-memory wire: what is sent at one end arrives at the other after the wire's latency, on
/// the time that the callers give.
///
/// The two ends can live on two threads. They have no descriptor, so an event loop learns of
/// arrivals by [`Device::poll_at`] only when it looks: good for virtual time; for two event loops
/// on two threads use [`UnixLink::pair`](crate::UnixLink::pair).
///
/// ```
/// use netdev::{Device, Instant, Packet, Wire};
/// use std::time::Duration;
/// let (mut left, mut right) = Wire::pair(Duration::from_millis(5));
/// left.transmit(Instant::ZERO, Packet::from_payload(b"over the wire")).unwrap();
/// assert_eq!(right.receive(Instant::from_millis(4)), None);
/// assert_eq!(right.poll_at(), Some(Instant::from_millis(5)));
/// assert_eq!(&right.receive(Instant::from_millis(5)).unwrap()[..], b"over the wire");
/// ```
#[derive(Debug)]
pub enum Wire {}

/// How a [`Wire`] is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireConfig {
    /// From the sending of a packet to its arrival.
    pub latency: Duration,
    /// Packets that are on their way in one direction at most; beyond, the sender's queue is
    /// full.
    pub queue: usize,
    /// What both ends say that they can do. Offload is free: whatever was left to the device is
    /// still left undone when the packet arrives, as between two guests of one machine.
    pub capabilities: Capabilities,
}

/// One end of a [`Wire`].
#[derive(Debug)]
pub struct WireEnd {
    wire: Arc<Mutex<[Lane; 2]>>,
    /// The lane that this end receives from; it sends on the other one.
    side: usize,
    config: WireConfig,
    stats: Stats,
}

/// What is on its way to one end.
#[derive(Debug)]
struct Lane {
    /// With the time of arrival; times never go down, as the latency is constant.
    queue: VecDeque<(Instant, Packet)>,
    /// Whether the end that receives still exists.
    open: bool,
}

impl Wire {
    /// An Ethernet wire with an MTU of 1500.
    pub fn pair(latency: Duration) -> (WireEnd, WireEnd) {
        Wire::pair_with(WireConfig { latency, ..WireConfig::default() })
    }

    /// A wire of your own making.
    pub fn pair_with(config: WireConfig) -> (WireEnd, WireEnd) {
        let lane = || Lane { queue: VecDeque::new(), open: true };
        let wire = Arc::new(Mutex::new([lane(), lane()]));
        let end = |side| WireEnd { wire: Arc::clone(&wire), side, config, stats: Stats::default() };
        (end(0), end(1))
    }
}

impl Default for WireConfig {
    /// No latency, 1000 packets each way, Ethernet with an MTU of 1500 and no offload.
    fn default() -> WireConfig {
        WireConfig {
            latency: Duration::ZERO,
            queue: 1000,
            capabilities: Capabilities::plain(Medium::Ethernet, 1500),
        }
    }
}

impl WireEnd {
    fn lanes(&self) -> MutexGuard<'_, [Lane; 2]> {
        // Nothing panics with the lock held, and half a queue would be good as well.
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device for WireEnd {
    fn name(&self) -> &str {
        ["wire0", "wire1"][self.side]
    }

    fn capabilities(&self) -> Capabilities {
        self.config.capabilities
    }

    fn transmit(&mut self, now: Instant, packet: Packet) -> Result<(), Packet> {
        if too_long(&packet, &self.config.capabilities) {
            self.stats.drops.add(DropReason::TooLong);
            return Ok(());
        }
        let len = packet.len();
        let mut lanes = self.lanes();
        let lane = &mut lanes[1 - self.side];
        if !lane.open {
            drop(lanes);
            self.stats.drops.add(DropReason::NoPeer);
            return Ok(());
        }
        if lane.queue.len() >= self.config.queue {
            return Err(packet);
        }
        // Two ends on two clocks, or a caller that goes back in time, change no order.
        let earliest = lane.queue.back().map_or(Instant::ZERO, |(at, _)| *at);
        lane.queue.push_back(((now + self.config.latency).max(earliest), packet));
        drop(lanes);
        self.stats.sent(len);
        Ok(())
    }

    fn receive(&mut self, now: Instant) -> Option<Packet> {
        let (_, packet) = {
            let queue = &mut self.lanes()[self.side].queue;
            queue.front().filter(|(at, _)| *at <= now)?;
            queue.pop_front()?
        };
        self.stats.received(packet.len());
        Some(packet)
    }

    fn poll_at(&self) -> Option<Instant> {
        self.lanes()[self.side].queue.front().map(|(at, _)| *at)
    }

    fn link(&self) -> LinkState {
        if self.lanes()[1 - self.side].open {
            LinkState::Up
        } else {
            LinkState::Down("the other end of the wire is gone".to_string())
        }
    }

    fn stats(&self) -> Stats {
        self.stats.clone()
    }

    fn set_mtu(&mut self, mtu: usize) -> bool {
        let fits = (crate::api::LEAST_MTU..=65535).contains(&mtu);
        if fits {
            self.config.capabilities.mtu = mtu;
        }
        fits
    }
}

impl Drop for WireEnd {
    fn drop(&mut self) {
        let side = self.side;
        let mut lanes = self.lanes();
        lanes[side].open = false;
        lanes[side].queue.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(byte: u8) -> Packet {
        Packet::from_payload(&[byte; 60])
    }

    #[test]
    fn both_directions_keep_order_and_latency() {
        let (mut a, mut b) = Wire::pair(Duration::from_millis(10));
        for i in 0..3 {
            a.transmit(Instant::from_millis(i), packet(i as u8)).unwrap();
        }
        b.transmit(Instant::from_millis(5), packet(9)).unwrap();
        assert_eq!(b.receive(Instant::from_millis(9)), None);
        assert_eq!(b.receive(Instant::from_millis(10)).unwrap()[0], 0);
        assert_eq!(b.poll_at(), Some(Instant::from_millis(11)));
        assert_eq!(b.receive(Instant::from_millis(12)).unwrap()[0], 1);
        assert_eq!(b.receive(Instant::from_millis(12)).unwrap()[0], 2);
        assert_eq!(b.receive(Instant::from_millis(12)), None);
        assert_eq!(a.receive(Instant::from_millis(15)).unwrap()[0], 9);
        assert_eq!((a.poll_at(), b.poll_at()), (None, None));
        assert_eq!((a.stats().tx_packets, b.stats().rx_bytes), (3, 180));
    }

    #[test]
    fn a_full_wire_hands_the_packet_back() {
        let config = WireConfig { queue: 2, ..WireConfig::default() };
        let (mut a, mut b) = Wire::pair_with(config);
        a.transmit(Instant::ZERO, packet(1)).unwrap();
        a.transmit(Instant::ZERO, packet(2)).unwrap();
        assert_eq!(a.transmit(Instant::ZERO, packet(3)).unwrap_err()[0], 3);
        b.receive(Instant::ZERO).unwrap();
        a.transmit(Instant::ZERO, packet(3)).unwrap();
    }

    #[test]
    fn a_lost_end_is_noticed_and_counted() {
        let (mut a, b) = Wire::pair(Duration::ZERO);
        drop(b);
        a.transmit(Instant::ZERO, packet(1)).unwrap();
        assert_eq!(a.stats().drops[DropReason::NoPeer], 1);
        assert!(matches!(a.link(), LinkState::Down(_)));
    }

    #[test]
    fn frames_beyond_the_mtu_are_dropped_and_counted() {
        let (mut a, mut b) = Wire::pair(Duration::ZERO);
        a.transmit(Instant::ZERO, Packet::from_payload(&[0; 1515])).unwrap();
        a.transmit(Instant::ZERO, Packet::from_payload(&[0; 1514])).unwrap();
        assert_eq!(a.stats().drops[DropReason::TooLong], 1);
        assert_eq!(b.receive(Instant::ZERO).unwrap().len(), 1514);
        assert!(a.set_mtu(2000));
        a.transmit(Instant::ZERO, Packet::from_payload(&[0; 2014])).unwrap();
        assert_eq!(b.receive(Instant::ZERO).unwrap().len(), 2014);
    }

    #[test]
    fn the_ends_work_on_two_threads() {
        let (mut a, mut b) = Wire::pair(Duration::ZERO);
        let sender = std::thread::spawn(move || {
            for i in 0..100 {
                a.transmit(Instant::ZERO, packet(i)).unwrap();
            }
            a
        });
        let mut next = 0;
        while next < 100 {
            match b.receive(Instant::ZERO) {
                Some(packet) => {
                    assert_eq!(packet[0], next);
                    next += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        sender.join().unwrap();
    }
}
