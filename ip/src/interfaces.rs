//! The interfaces, and which addresses they make this host's own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use netdev::Medium;

use crate::checks::is_host;
use crate::settings::MIN_MTU;
use crate::{Cidr, Error, IfIndex, Interface, RouteEntry};

/// The interfaces by index.
#[derive(Debug, Default)]
pub(crate) struct Interfaces(BTreeMap<IfIndex, Interface>);

impl Interfaces {
    /// Adds or changes one.
    pub(crate) fn set(&mut self, interface: Interface, limit: usize) -> Result<(), Error> {
        if interface.mtu < MIN_MTU.into() {
            return Err(Error::Unsupported("use an MTU under 68 bytes"));
        }
        if interface.addrs.len() > limit {
            return Err(Error::Full(limit, "addresses on an interface"));
        }
        for cidr in &interface.addrs {
            match cidr.addr {
                IpAddr::V6(_) => return Err(Error::Unsupported("use IPv6 addresses")),
                IpAddr::V4(addr) if !is_host(addr) || cidr.broadcast() == Some(cidr.addr) => {
                    return Err(Error::BadAddress(cidr.addr, "the address of an interface"));
                }
                // RFC 1122 §3.2.1.3 (g): they would leave the host.
                IpAddr::V4(addr) if addr.is_loopback() && !interface.loopback => {
                    return Err(Error::BadAddress(cidr.addr, "the address of a link"));
                }
                IpAddr::V4(_) => {}
            }
        }
        if !self.0.contains_key(&interface.index) && self.0.len() >= limit {
            return Err(Error::Full(limit, "interfaces"));
        }
        self.0.insert(interface.index, interface);
        Ok(())
    }

    pub(crate) fn remove(&mut self, index: IfIndex) -> Result<(), Error> {
        self.0.remove(&index).map(drop).ok_or(Error::NoInterface(index))
    }

    pub(crate) fn get(&self, index: IfIndex) -> Option<&Interface> {
        self.0.get(&index)
    }

    /// One that can be used now.
    pub(crate) fn up(&self, index: IfIndex) -> Option<&Interface> {
        self.get(index).filter(|interface| interface.up)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Interface> {
        self.0.values()
    }

    /// The interface of a route, where that can be used now.
    pub(crate) fn usable(&self, route: &RouteEntry) -> Option<&Interface> {
        let neighbour = |of: &&Interface| route.gateway.is_none_or(|gateway| of.reaches(gateway));
        self.up(route.iface).filter(neighbour)
    }

    /// The way from this host to itself.
    pub(crate) fn loopback(&self) -> Option<&Interface> {
        self.iter().find(|interface| interface.loopback && interface.up)
    }

    /// Whether `addr` is this host's own. RFC 1122 §3.3.4.2: on whichever interface it is asked
    /// for (the weak host model), also on one that is down.
    pub(crate) fn is_local(&self, addr: Ipv4Addr) -> bool {
        self.iter().any(|interface| interface.owns(addr))
    }

    /// The interface whose address `addr` is.
    pub(crate) fn owner(&self, addr: Ipv4Addr) -> Option<&Interface> {
        self.iter().find(|interface| interface.owns(addr))
    }

    /// Whether `addr` means everybody on the network of any interface.
    pub(crate) fn is_broadcast(&self, addr: Ipv4Addr) -> bool {
        self.iter().any(|interface| interface.is_broadcast(addr))
    }
}

impl Interface {
    /// Whether `addr` is one of its own. To a loopback interface its whole networks are: every
    /// address in 127/8 answers (RFC 1122 §3.2.1.3 (g)).
    pub(crate) fn owns(&self, addr: Ipv4Addr) -> bool {
        let addr = IpAddr::V4(addr);
        self.addrs.iter().any(|own| own.addr == addr || self.loopback && own.contains(addr))
    }

    /// Whether `addr` means everybody on one of its networks.
    pub(crate) fn is_broadcast(&self, addr: Ipv4Addr) -> bool {
        let addr = Some(IpAddr::V4(addr));
        !self.loopback && self.addrs.iter().any(|own| own.broadcast() == addr)
    }

    /// The network that `addr` is a neighbour on.
    pub(crate) fn network_of(&self, addr: IpAddr) -> Option<&Cidr> {
        self.addrs.iter().find(|own| own.contains(addr))
    }

    /// Whether `addr` can be a next hop there. A bare IP link has one peer, whatever its address.
    pub(crate) fn reaches(&self, addr: IpAddr) -> bool {
        self.medium == Medium::Ip && !self.loopback || self.network_of(addr).is_some()
    }

    /// The first of its addresses.
    pub(crate) fn first_addr(&self) -> Option<Ipv4Addr> {
        self.addrs.iter().find_map(|own| match own.addr {
            IpAddr::V4(addr) => Some(addr),
            IpAddr::V6(_) => None,
        })
    }
}
