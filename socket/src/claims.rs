//! Addresses that are asked for before they are used (RFC 5227).

use std::net::IpAddr;

use ip::{Cidr, IfIndex};
use netdev::{Instant, MacAddr};

use crate::dhcp::Probed;
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
    /// What became of it.
    pub state: ClaimState,
}

/// What became of a wanted address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimState {
    /// The others on the link are asked; it is not used yet.
    Probing,
    /// Nobody has it: it is used, and was announced.
    InUse,
    /// Another host has it: it is not used.
    Refused(MacAddr),
}

impl Stack {
    /// Gives an interface one more address, as [`Stack::add_address`] does, but only when nobody
    /// else on the link has it (RFC 5227 §2.1): that takes some seconds, and [`Stack::claims`] says
    /// what came of it. Where there is nobody to ask, the address is in use at once.
    pub fn claim_address(
        &mut self,
        now: Instant,
        iface: IfIndex,
        addr: Cidr,
    ) -> Result<(), ConfigError> {
        self.claims.retain(|claim| (claim.iface, claim.addr.addr) != (iface, addr.addr));
        if self.claims.len() >= MOST {
            let ended = self.claims.iter().position(|claim| claim.state != ClaimState::Probing);
            self.claims.remove(ended.unwrap_or(0));
        }
        let state = match self.configure_arp(now, iface, arp::Change::ProbeAddress(addr.addr)) {
            Ok(()) => ClaimState::Probing,
            Err(ConfigError::NoResolver(_) | ConfigError::Arp(arp::Error::Unsupported(_))) => {
                self.add_address(now, iface, addr)?;
                ClaimState::InUse
            }
            Err(refused) => return Err(refused),
        };
        self.claims.push(AddressClaim { iface, addr, state });
        Ok(())
    }

    /// What became of the addresses that were wanted, the oldest first.
    pub fn claims(&self) -> &[AddressClaim] {
        &self.claims
    }

    /// Nobody answered: the address is used from now on.
    pub(crate) fn claimed(&mut self, now: Instant, iface: IfIndex, addr: IpAddr) {
        let Some(claim) = self.claim_mut(iface, addr) else {
            self.tell_dhcp(iface, addr, None);
            return;
        };
        claim.state = ClaimState::InUse;
        let cidr = claim.addr;
        if let Err(refused) = self.add_address(now, iface, cidr) {
            tracing::warn!(%cidr, interface = %iface, %refused, "address not added");
            let _ = self.configure_arp(now, iface, arp::Change::RemoveAddress(addr));
            self.claims.retain(|claim| (claim.iface, claim.addr.addr) != (iface, addr));
        }
    }

    /// Somebody has it.
    pub(crate) fn contested(&mut self, iface: IfIndex, addr: IpAddr, mac: MacAddr) {
        match self.claim_mut(iface, addr) {
            Some(claim) if claim.state == ClaimState::Probing => {
                claim.state = ClaimState::Refused(mac);
            }
            Some(_) => {}
            None => self.tell_dhcp(iface, addr, Some(mac)),
        }
    }

    /// Where nobody else wanted the address, a DHCP client may have asked.
    fn tell_dhcp(&mut self, iface: IfIndex, addr: IpAddr, holder: Option<MacAddr>) {
        if self.dhcp.is_any() {
            self.probed.push_back(Probed { iface, addr, holder });
        }
    }

    fn claim_mut(&mut self, iface: IfIndex, addr: IpAddr) -> Option<&mut AddressClaim> {
        self.claims.iter_mut().find(|claim| (claim.iface, claim.addr.addr) == (iface, addr))
    }
}
