//! The interface to oneself.

use std::collections::VecDeque;

use crate::ethernet::too_long;
use crate::{Capabilities, Device, DropReason, Instant, Medium, Packet, Stats};

/// The largest IPv4 datagram (RFC 791 §3.1: the total length has 16 bits). No wire asks for
/// less here, and nothing sent to oneself should be fragmented. (Linux says 65536, one byte more
/// than any datagram can have; tapip says 1500 and fragments what it sends to itself.)
const MTU: usize = 65535;

/// Packets that wait at most: as many as Linux lets wait for its loopback
/// (`net.core.netdev_max_backlog`).
const QUEUE: usize = 1000;

/// `lo`: what is sent comes back in the next [`Device::receive`]. A queue lies between, so that
/// sending never recurses into receiving.
///
/// Nothing can be damaged on the way, so a checksum that was left to be filled in stays so, and
/// the receiver takes it for a good one.
///
/// ```
/// use netdev::{Device, Instant, Loopback, Packet};
/// let mut lo = Loopback::new();
/// lo.transmit(Instant::ZERO, Packet::from_payload(b"to myself")).unwrap();
/// assert_eq!(&lo.receive(Instant::ZERO).unwrap()[..], b"to myself");
/// ```
#[derive(Debug)]
pub struct Loopback {
    queue: VecDeque<Packet>,
    /// When the last packet was sent: it can be received at once.
    sent: Instant,
    capabilities: Capabilities,
    stats: Stats,
}

impl Loopback {
    /// An empty loopback.
    pub fn new() -> Loopback {
        Loopback {
            queue: VecDeque::new(),
            sent: Instant::ZERO,
            capabilities: Capabilities { checksum: true, ..Capabilities::plain(Medium::Ip, MTU) },
            stats: Stats::default(),
        }
    }
}

impl Default for Loopback {
    fn default() -> Loopback {
        Loopback::new()
    }
}

impl Device for Loopback {
    fn name(&self) -> &str {
        "lo"
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn transmit(&mut self, now: Instant, packet: Packet) -> Result<(), Packet> {
        if too_long(&packet, &self.capabilities) {
            self.stats.drops.add(DropReason::TooLong);
            return Ok(());
        }
        if self.queue.len() == QUEUE {
            return Err(packet);
        }
        self.stats.sent(packet.len());
        self.sent = now;
        self.queue.push_back(packet);
        Ok(())
    }

    fn receive(&mut self, _now: Instant) -> Option<Packet> {
        let packet = self.queue.pop_front()?;
        self.stats.received(packet.len());
        Some(packet)
    }

    fn poll_at(&self) -> Option<Instant> {
        (!self.queue.is_empty()).then_some(self.sent)
    }

    fn stats(&self) -> Stats {
        self.stats.clone()
    }

    fn set_mtu(&mut self, mtu: usize) -> bool {
        let fits = (crate::api::LEAST_MTU..=MTU).contains(&mtu);
        if fits {
            self.capabilities.mtu = mtu;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Checksum;

    #[test]
    fn packets_come_back_in_order_with_what_is_known_of_them() {
        let mut lo = Loopback::new();
        let now = Instant::from_secs(1);
        assert_eq!(lo.poll_at(), None);
        let mut packet = Packet::from_payload(&[0x45; 40]);
        packet.set_checksum(Checksum::Partial { start: 20, offset: 6 });
        lo.transmit(now, packet).unwrap();
        lo.transmit(now, Packet::from_payload(b"second")).unwrap();
        assert_eq!(lo.poll_at(), Some(now));
        let first = lo.receive(now).unwrap();
        assert_eq!(first.checksum(), Checksum::Partial { start: 20, offset: 6 });
        assert_eq!(&lo.receive(now).unwrap()[..], b"second");
        assert_eq!((lo.receive(now), lo.poll_at()), (None, None));
        let stats = lo.stats();
        assert_eq!((stats.tx_packets, stats.rx_packets, stats.rx_bytes), (2, 2, 46));
    }

    #[test]
    fn the_queue_is_bounded_and_hands_the_packet_back() {
        let mut lo = Loopback::new();
        for _ in 0..QUEUE {
            lo.transmit(Instant::ZERO, Packet::from_payload(b"x")).unwrap();
        }
        let back = lo.transmit(Instant::ZERO, Packet::from_payload(b"last")).unwrap_err();
        assert_eq!(&back[..], b"last");
        assert_eq!(lo.stats().tx_packets, QUEUE as u64);
    }

    #[test]
    fn the_mtu_can_be_lowered_and_is_kept() {
        let mut lo = Loopback::new();
        assert!(!lo.set_mtu(67) && !lo.set_mtu(65536) && lo.set_mtu(1500));
        lo.transmit(Instant::ZERO, Packet::from_payload(&[0x45; 1501])).unwrap();
        assert_eq!(lo.receive(Instant::ZERO), None);
        assert_eq!(lo.stats().drops[DropReason::TooLong], 1);
    }
}
