//! Who said that it is where: every message that is received, whether it is believed or not.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use netdev::{Instant, MacAddr};

use crate::Sighting;

/// Between two warnings: whoever forges many messages is not to fill a log with them.
const WARNING_INTERVAL: Duration = Duration::from_secs(1);

/// The latest of each sender, as many as there is room for.
#[derive(Debug, Default)]
pub(crate) struct Snoop {
    seen: BTreeMap<Ipv4Addr, Sighting>,
    limit: usize,
    warned: Option<Instant>,
}

impl Snoop {
    pub(crate) fn new(limit: usize) -> Snoop {
        Snoop { limit, ..Snoop::default() }
    }

    /// `addr` says that it is at `mac`; whether it was elsewhere before.
    pub(crate) fn note(&mut self, now: Instant, addr: Ipv4Addr, mac: MacAddr) -> bool {
        if let Some(seen) = self.seen.get_mut(&addr) {
            let before = seen.mac;
            (seen.last, seen.mac) = (now, mac);
            if before == mac {
                return false;
            }
            seen.changes += 1;
            seen.before = Some(before);
            if self.warned.is_none_or(|last| now - last >= WARNING_INTERVAL) {
                self.warned = Some(now);
                tracing::warn!(%addr, from = %before, to = %mac, "link address changed");
            }
            return true;
        }
        if self.limit == 0 {
            return false;
        }
        if self.seen.len() >= self.limit {
            // The one that was silent for longest. A look at every row, in a full table alone.
            let oldest = self.seen.iter().min_by_key(|(_, seen)| seen.last).map(|(addr, _)| *addr);
            oldest.and_then(|addr| self.seen.remove(&addr));
        }
        let new =
            Sighting { addr: addr.into(), mac, before: None, changes: 0, first: now, last: now };
        self.seen.insert(addr, new);
        false
    }

    pub(crate) fn rows(&self) -> Vec<Sighting> {
        self.seen.values().copied().collect()
    }
}
