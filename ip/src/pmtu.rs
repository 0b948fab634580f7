//! Path MTU discovery, IP's half of it (RFC 1191): which sizes are known to get through.

use std::net::Ipv4Addr;

use netdev::Instant;

use crate::learnt::Learnt;
use crate::settings::Config;

/// RFC 1191 §7.1: the MTUs that are common enough to be guessed, where a router does not say its.
const PLATEAUS: [u16; 11] = [65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68];

/// Path MTUs by destination, where one is smaller than the first link's.
#[derive(Debug)]
pub(crate) struct PathMtus {
    known: Learnt<u16>,
    least: u16,
}

impl PathMtus {
    pub(crate) fn new(config: &Config) -> PathMtus {
        let known = Learnt::new(config.path_mtu_timeout, config.learnt_entries);
        PathMtus { known, least: config.min_path_mtu.max(crate::settings::MIN_MTU) }
    }

    /// The path MTU to `dst`, where the first link takes `link` bytes.
    pub(crate) fn mtu(&self, now: Instant, dst: Ipv4Addr, link: usize) -> usize {
        self.known.find(now, dst).map_or(link, |mtu| link.min((*mtu).into()))
    }

    /// A router said that a datagram of `len` bytes was too long for a link of `mtu` bytes (0: it
    /// did not say of how many); `present` is the path MTU so far. Gives the new one, where it is
    /// lower.
    pub(crate) fn lower(
        &mut self,
        now: Instant,
        dst: Ipv4Addr,
        mtu: u16,
        len: u16,
        present: usize,
    ) -> Option<u16> {
        // Never up (RFC 1191 §3), and a datagram of this size would have passed.
        let known_too_long = usize::from(len).min(present);
        let mtu = if mtu == 0 {
            PLATEAUS.into_iter().find(|plateau| usize::from(*plateau) < known_too_long)?
        } else {
            mtu
        };
        if usize::from(mtu) >= known_too_long {
            return None;
        }
        let mtu = mtu.max(self.least);
        if usize::from(mtu) >= present {
            return None;
        }
        self.known.learn(now, dst, mtu);
        Some(mtu)
    }

    pub(crate) fn tidy(&mut self, now: Instant) {
        self.known.tidy(now);
    }
}
