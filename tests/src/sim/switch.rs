//! A switch that learns who is where (IEEE 802.1D §7.8 and §7.9, without a spanning tree).

use std::collections::BTreeMap;
use std::time::Duration;

use netdev::{Instant, MacAddr};

/// How long an address is remembered where nothing comes from it: the recommended value of IEEE
/// 802.1D §7.9.2.
const AGEING: Duration = Duration::from_secs(300);
/// Addresses that are remembered at most, as by a switch for an office.
const ADDRESSES: usize = 8192;

/// Which address is behind which port.
#[derive(Debug, Default)]
pub(super) struct Switch {
    table: BTreeMap<MacAddr, (usize, Instant)>,
}

/// Where a frame goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// Out of one port.
    To(usize),
    /// Out of every port but the one that it came from.
    Flood,
    /// Nowhere: it came from where it wants to go, or is no frame.
    Nowhere,
}

impl Switch {
    /// Learns from a frame, and says where it goes.
    pub(super) fn forward(&mut self, now: Instant, from: usize, frame: &[u8]) -> Way {
        let Some(&[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5]) = frame.first_chunk() else {
            return Way::Nowhere;
        };
        let (dst, src) = (MacAddr([d0, d1, d2, d3, d4, d5]), MacAddr([s0, s1, s2, s3, s4, s5]));
        self.learn(now, from, src);
        if is_group(dst) {
            return Way::Flood;
        }
        match self.table.get(&dst) {
            Some((port, seen)) if now.since(*seen) < AGEING => {
                if *port == from {
                    Way::Nowhere
                } else {
                    Way::To(*port)
                }
            }
            _ => Way::Flood,
        }
    }

    fn learn(&mut self, now: Instant, port: usize, src: MacAddr) {
        // A group cannot send.
        if is_group(src) {
            return;
        }
        if let Some(known) = self.table.get_mut(&src) {
            *known = (port, now);
            return;
        }
        if self.table.len() >= ADDRESSES {
            self.table.retain(|_, (_, seen)| now.since(*seen) < AGEING);
        }
        if self.table.len() < ADDRESSES {
            self.table.insert(src, (port, now));
        }
    }
}

/// Whether it is the address of a group, or of everybody.
fn is_group(mac: MacAddr) -> bool {
    mac.0[0] & 1 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(dst: u8, src: u8) -> Vec<u8> {
        [[2, 0, 0, 0, 0, dst], [2, 0, 0, 0, 0, src]].concat()
    }

    #[test]
    fn it_learns_forwards_filters_and_forgets() {
        let mut switch = Switch::default();
        let start = Instant::ZERO;
        assert_eq!(switch.forward(start, 0, &frame(2, 1)), Way::Flood);
        assert_eq!(switch.forward(start, 1, &frame(1, 2)), Way::To(0));
        assert_eq!(switch.forward(start, 0, &frame(2, 1)), Way::To(1));
        // Both behind one port: a hub there has carried it already.
        assert_eq!(switch.forward(start, 1, &frame(2, 3)), Way::Nowhere);
        // A host that moves is found where it was heard last.
        assert_eq!(switch.forward(start, 2, &frame(1, 2)), Way::To(0));
        assert_eq!(switch.forward(start, 0, &frame(2, 1)), Way::To(2));
        let later = start + AGEING;
        assert_eq!(switch.forward(later, 0, &frame(2, 1)), Way::Flood);
        let broadcast = [[0xff; 6], [2, 0, 0, 0, 0, 1]].concat();
        assert_eq!(switch.forward(later, 0, &broadcast), Way::Flood);
        assert_eq!(switch.forward(later, 0, &broadcast[..11]), Way::Nowhere);
    }

    #[test]
    fn a_flood_of_addresses_does_not_grow_it_without_bound() {
        let mut switch = Switch::default();
        for number in 0..20_000u32 {
            let [a, b, c, d] = number.to_be_bytes();
            let frame = [[2, 0, 0, 0, 0, 1], [2, 1, a, b, c, d]].concat();
            switch.forward(Instant::ZERO, 0, &frame);
        }
        assert_eq!(switch.table.len(), ADDRESSES);
        // What is old makes room.
        switch.forward(Instant::ZERO + AGEING, 3, &frame(1, 9));
        assert_eq!(switch.forward(Instant::ZERO + AGEING, 0, &frame(9, 8)), Way::To(3));
    }
}
