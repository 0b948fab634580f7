//! Answering for hosts behind a router (RFC 1027, RFC 925).

use std::net::Ipv4Addr;

/// Networks whose addresses are answered for.
#[derive(Debug, Default)]
pub(crate) struct Proxies(Vec<(Ipv4Addr, u8)>);

impl Proxies {
    pub(crate) fn add(&mut self, addr: Ipv4Addr, prefix: u8) {
        let network = (network(addr, prefix), prefix);
        if !self.0.contains(&network) {
            self.0.push(network);
        }
    }

    /// Whether there was such a network.
    pub(crate) fn remove(&mut self, addr: Ipv4Addr, prefix: u8) -> bool {
        let before = self.0.len();
        self.0.retain(|known| *known != (network(addr, prefix), prefix));
        self.0.len() != before
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether `asker` is to be answered when it asks for `target`. RFC 1027 §2.4: not where the
    /// two are on the same side, for then the target answers for itself. Who asks from no address
    /// probes whether it may use the target itself, and a proxy must not forbid it.
    pub(crate) fn answers(&self, asker: Ipv4Addr, target: Ipv4Addr) -> bool {
        let behind = |addr, (net, prefix): &(Ipv4Addr, u8)| network(addr, *prefix) == *net;
        !asker.is_unspecified()
            && self.0.iter().any(|proxy| behind(target, proxy) && !behind(asker, proxy))
    }
}

fn network(addr: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    Ipv4Addr::from(u32::from(addr) & mask)
}
