//! Interfaces, prefixes and routes as they are configured.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use netdev::Medium;

use crate::{IfIndex, Offload};

/// An interface as IP knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface {
    /// Its number.
    pub index: IfIndex,
    /// Its name.
    pub name: String,
    /// Its addresses, each with the prefix of its network.
    pub addrs: Vec<Cidr>,
    /// The largest datagram in bytes (68 at least, RFC 791).
    pub mtu: usize,
    /// Ethernet has broadcasts and neighbours, a bare IP link has not.
    pub medium: Medium,
    /// Whether it leads back to this host.
    pub loopback: bool,
    /// Whether it takes and gives packets.
    pub up: bool,
    /// What it does for transports.
    pub offload: Offload,
}

/// An address with the length of its network's prefix: `10.0.0.1/24`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    /// The address.
    pub addr: IpAddr,
    /// Bits of network, 0 to 32 (IPv6: 128).
    pub prefix: u8,
}

impl Cidr {
    /// An address with its prefix length; `None` where that is longer than the address.
    pub fn new(addr: IpAddr, prefix: u8) -> Option<Cidr> {
        let bits = if addr.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then_some(Cidr { addr, prefix })
    }

    /// One address, with all its bits.
    pub fn host(addr: IpAddr) -> Cidr {
        Cidr { addr, prefix: if addr.is_ipv4() { 32 } else { 128 } }
    }

    /// Whether `other` is in the network.
    pub fn contains(&self, other: IpAddr) -> bool {
        match (self.addr, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let mask = mask_v4(self.prefix);
                u32::from(a) & mask == u32::from(b) & mask
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                u128::from(a) & mask == u128::from(b) & mask
            }
            _ => false,
        }
    }

    /// The network: the same prefix with all host bits zero.
    pub fn network(&self) -> Cidr {
        let addr = match self.addr {
            IpAddr::V4(a) => Ipv4Addr::from(u32::from(a) & mask_v4(self.prefix)).into(),
            IpAddr::V6(a) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                std::net::Ipv6Addr::from(u128::from(a) & mask).into()
            }
        };
        Cidr { addr, prefix: self.prefix }
    }

    /// The network's broadcast address: all host bits one. None for a prefix of 31 or 32 bits
    /// (RFC 3021), nor for IPv6.
    pub fn broadcast(&self) -> Option<IpAddr> {
        match self.addr {
            IpAddr::V4(a) if self.prefix < 31 => {
                Some(Ipv4Addr::from(u32::from(a) | !mask_v4(self.prefix)).into())
            }
            _ => None,
        }
    }

    /// The prefix as a mask: `255.255.255.0`.
    pub fn netmask(&self) -> Ipv4Addr {
        Ipv4Addr::from(mask_v4(self.prefix))
    }
}

fn mask_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not an address with a prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address with a prefix length, as 10.0.0.1/24")]
pub struct ParseCidrError(String);

impl FromStr for Cidr {
    type Err = ParseCidrError;
    fn from_str(text: &str) -> Result<Cidr, ParseCidrError> {
        let bad = || ParseCidrError(text.to_string());
        let (addr, prefix) = text.split_once('/').ok_or_else(bad)?;
        let prefix = prefix.parse().map_err(|_| bad())?;
        Cidr::new(addr.parse().map_err(|_| bad())?, prefix).ok_or_else(bad)
    }
}

/// A line of the routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteEntry {
    /// Which destinations.
    pub dst: Cidr,
    /// By which neighbour; `None`: the destination is one itself.
    pub gateway: Option<IpAddr>,
    /// Out of which interface.
    pub iface: IfIndex,
    /// Of two with the same prefix the lower wins.
    pub metric: u32,
    /// The source that goes with it; `None`: the interface's first address.
    pub source: Option<IpAddr>,
    /// How it came about.
    pub origin: RouteOrigin,
}

/// How a route came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteOrigin {
    /// From an interface's own address: leads back to this host.
    Local,
    /// From an interface's network.
    Connected,
    /// Set by a person or a program.
    Static,
    /// An ICMP redirect.
    Redirect,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let cidr: Cidr = "10.1.2.3/24".parse().unwrap();
        assert!(cidr.contains("10.1.2.255".parse().unwrap()));
        assert!(!cidr.contains("10.1.3.0".parse().unwrap()));
        assert_eq!(cidr.network().to_string(), "10.1.2.0/24");
        assert_eq!(cidr.broadcast(), Some("10.1.2.255".parse().unwrap()));
        assert_eq!(cidr.netmask(), Ipv4Addr::new(255, 255, 255, 0));
        let long: Cidr = "2001:db8:1:2::3/48".parse().unwrap();
        assert_eq!(long.network().to_string(), "2001:db8:1::/48");
        let all: Cidr = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("255.1.1.1".parse().unwrap()));
        assert!("10.0.0.1/31".parse::<Cidr>().unwrap().broadcast().is_none());
        let six: Cidr = "2001:db8::1/32".parse().unwrap();
        assert!(six.contains("2001:db8:ffff::".parse().unwrap()));
        assert!(!six.contains("2001:db9::".parse().unwrap()));
        for bad in ["10.0.0.1", "10.0.0.1/33", "10.0.0/8", "x/8", "10.0.0.1/-1"] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }
}
