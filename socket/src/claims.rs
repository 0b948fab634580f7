//! Addresses that are asked for before they are used (RFC 5227).

use std::net::IpAddr;
use std::str::FromStr;

use ip::{Cidr, IfIndex};
use netdev::{Instant, MacAddr};

use crate::configure::default_route;
use crate::dhcp::{Outcome, Probed};
use crate::{ConfigError, Stack};

/// Claims that are remembered; the oldest that has ended makes room.
const MOST: usize = 64;

/// An address that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressClaim {
    /// On which interface.
    pub iface: IfIndex,
    /// Which.
    pub addr: Cidr,
    /// The gateway to everywhere that is used with it.
    pub gateway: Option<IpAddr>,
    /// When it is used.
    pub probe: Probe,
    /// What became of it.
    pub state: ClaimState,
}

/// What became of a wanted address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimState {
    /// The others on the link are asked; it is not used yet.
    Probing,
    /// The others are asked, and it is used meanwhile.
    Optimistic,
    /// Nobody has it: it is used, and was announced.
    InUse,
    /// Another host has it: it is not used.
    Refused(MacAddr),
}

/// When a wanted address is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// When nobody answered: four to seven seconds later (RFC 5227 §2.1).
    First,
    /// At once; it is given up when somebody answers. What RFC 4429 allows for IPv6, and RFC 5227
    /// does not for IPv4: a neighbour may send to the wrong one of the two hosts until the other
    /// has defended its address (§2.4), which our first ARP request makes it do.
    Meanwhile,
    /// At once, and nobody is asked: there is nobody else on the link.
    Never,
}

/// `first`, `meanwhile` or `never`.
impl FromStr for Probe {
    type Err = ParseProbeError;
    fn from_str(text: &str) -> Result<Probe, ParseProbeError> {
        match text {
            "first" => Ok(Probe::First),
            "meanwhile" => Ok(Probe::Meanwhile),
            "never" => Ok(Probe::Never),
            _ => Err(ParseProbeError),
        }
    }
}

/// Not one of the words for a [`Probe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is `first`, `meanwhile` and `never`")]
pub struct ParseProbeError;

impl ClaimState {
    /// Whether the others are still being asked.
    pub fn is_under_way(self) -> bool {
        matches!(self, ClaimState::Probing | ClaimState::Optimistic)
    }
}

impl Stack {
    /// Gives an interface one more address, as [`Stack::add_address`] does, but only when nobody
    /// else on the link has it (RFC 5227 §2.1): that takes some seconds, and [`Stack::claims`] says
    /// what came of it. Where there is nobody to ask, the address is in use at once. With the
    /// address comes a default route by `gateway`.
    pub fn claim_address(
        &mut self,
        now: Instant,
        iface: IfIndex,
        addr: Cidr,
        gateway: Option<IpAddr>,
        probe: Probe,
    ) -> Result<(), ConfigError> {
        self.claims.retain(|claim| (claim.iface, claim.addr.addr) != (iface, addr.addr));
        if self.claims.len() >= MOST {
            let ended = self.claims.iter().position(|claim| !claim.state.is_under_way());
            self.claims.remove(ended.unwrap_or(0));
        }
        if probe != Probe::First {
            self.use_address(now, iface, addr, gateway)?;
        }
        let asked = match probe {
            Probe::Never => false,
            Probe::First | Probe::Meanwhile => {
                match self.configure_arp(now, iface, arp::Change::ProbeAddress(addr.addr)) {
                    Ok(()) => true,
                    Err(ConfigError::NoResolver(_)) => false,
                    Err(ConfigError::Arp(arp::Error::Unsupported(_))) => false,
                    Err(refused) => return Err(refused),
                }
            }
        };
        let state = match (asked, probe) {
            (true, Probe::First) => ClaimState::Probing,
            (true, _) => ClaimState::Optimistic,
            (false, _) => {
                self.use_address(now, iface, addr, gateway)?;
                ClaimState::InUse
            }
        };
        self.claims.push(AddressClaim { iface, addr, gateway, probe, state });
        Ok(())
    }

    /// What became of the addresses that were wanted, the oldest first.
    pub fn claims(&self) -> &[AddressClaim] {
        &self.claims
    }

    /// Nobody answered: the address is used from now on.
    pub(crate) fn claimed(&mut self, now: Instant, iface: IfIndex, addr: IpAddr) {
        let Some(claim) = self.claim_mut(iface, addr) else {
            self.tell_dhcp(iface, addr, Outcome::Free);
            return;
        };
        claim.state = ClaimState::InUse;
        let (cidr, gateway) = (claim.addr, claim.gateway);
        if let Err(refused) = self.use_address(now, iface, cidr, gateway) {
            tracing::warn!(%cidr, interface = %iface, %refused, "address not added");
            let _ = self.configure_arp(now, iface, arp::Change::RemoveAddress(addr));
            self.claims.retain(|claim| (claim.iface, claim.addr.addr) != (iface, addr));
        }
    }

    /// An interface is connected, after it was not: other hosts may be there now. RFC 5227 §2.1: the
    /// link is asked anew for what was asked for before. What is in use stays so meanwhile.
    pub(crate) fn reconnected(&mut self, now: Instant, iface: IfIndex) {
        for at in 0..self.claims.len() {
            let AddressClaim { iface: of, addr, probe, state, .. } = self.claims[at];
            if of != iface || probe == Probe::Never || matches!(state, ClaimState::Refused(_)) {
                continue;
            }
            if self.configure_arp(now, iface, arp::Change::ProbeAddress(addr.addr)).is_ok() {
                self.claims[at].state = match state {
                    ClaimState::Probing => ClaimState::Probing,
                    _ => ClaimState::Optimistic,
                };
            }
        }
    }

    fn use_address(
        &mut self,
        now: Instant,
        iface: IfIndex,
        addr: Cidr,
        gateway: Option<IpAddr>,
    ) -> Result<(), ConfigError> {
        self.add_address(now, iface, addr)?;
        match gateway {
            Some(gateway) => {
                self.configure(now, ip::Change::AddRoute(default_route(gateway, iface)))
            }
            None => Ok(()),
        }
    }

    /// Somebody has it.
    pub(crate) fn contested(&mut self, now: Instant, iface: IfIndex, addr: IpAddr, mac: MacAddr) {
        let Some(claim) = self.claim_mut(iface, addr) else {
            if self.is_own(iface, addr) {
                tracing::warn!(%addr, %mac, interface = %iface, "address used by another host");
            }
            self.tell_dhcp(iface, addr, Outcome::Contested(mac));
            return;
        };
        let before = claim.state;
        if before.is_under_way() {
            claim.state = ClaimState::Refused(mac);
        }
        match before {
            ClaimState::Probing => {
                tracing::warn!(%addr, %mac, interface = %iface,
                    "another host has the address: it is not used");
            }
            ClaimState::Optimistic => {
                tracing::warn!(%addr, %mac, interface = %iface,
                    "another host has the address: it is given up");
                self.abandon(now, iface, addr);
            }
            ClaimState::InUse | ClaimState::Refused(_) => {
                tracing::warn!(%addr, %mac, interface = %iface, "address used by another host");
            }
        }
    }

    /// Somebody goes on using an address of ours, though it was defended (RFC 5227 §2.4 (b)).
    pub(crate) fn address_lost(
        &mut self,
        now: Instant,
        iface: IfIndex,
        addr: IpAddr,
        mac: MacAddr,
    ) {
        tracing::warn!(%addr, %mac, interface = %iface,
            "another host goes on using the address: it is given up");
        if let Some(claim) = self.claim_mut(iface, addr) {
            claim.state = ClaimState::Refused(mac);
        }
        self.abandon(now, iface, addr);
        self.tell_dhcp(iface, addr, Outcome::Lost(mac));
    }

    /// Takes an address out of use because another host has it. RFC 5227 §2.4: connections that use
    /// it are reset first, for their peers may reach the other host from now on.
    fn abandon(&mut self, now: Instant, iface: IfIndex, addr: IpAddr) {
        self.with_tcp(now, |tcp, out| tcp.abandon(now, addr, out));
        let of_iface = self.interfaces.find(iface);
        let own = of_iface.and_then(|i| i.addrs.iter().find(|own| own.addr == addr)).copied();
        if let Some(own) = own {
            // Only the resolver may have been faster, which is no matter.
            let _ = self.remove_address(now, iface, own);
        }
    }

    /// Forgets that an address was wanted, unless that is what has to be told: that another host has
    /// it. Says whether there was anything to forget.
    pub(crate) fn forget_claim(&mut self, iface: IfIndex, addr: Cidr) -> bool {
        let before = self.claims.len();
        self.claims.retain(|claim| {
            (claim.iface, claim.addr) != (iface, addr)
                || matches!(claim.state, ClaimState::Refused(_))
        });
        self.claims.len() < before
    }

    fn is_own(&self, iface: IfIndex, addr: IpAddr) -> bool {
        self.interfaces.find(iface).is_some_and(|i| i.addrs.iter().any(|own| own.addr == addr))
    }

    /// Where nobody else wanted the address, a DHCP client may have asked.
    fn tell_dhcp(&mut self, iface: IfIndex, addr: IpAddr, outcome: Outcome) {
        if self.dhcp.is_any() {
            self.probed.push_back(Probed { iface, addr, outcome });
        }
    }

    fn claim_mut(&mut self, iface: IfIndex, addr: IpAddr) -> Option<&mut AddressClaim> {
        self.claims.iter_mut().find(|claim| (claim.iface, claim.addr.addr) == (iface, addr))
    }
}
