//! Ethernet addresses and types.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A 48-bit Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// All ones: every host of the link.
    pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);
    /// All zeros: no address, as in the target of an ARP request.
    pub const ZERO: MacAddr = MacAddr([0; 6]);

    /// Whether this is the broadcast address.
    pub fn is_broadcast(self) -> bool {
        self == Self::BROADCAST
    }

    /// Whether the group bit is set: multicast, and broadcast as its special case.
    pub fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// The group address of an IPv4 multicast group (RFC 1112 §6.4): 01:00:5e and its low 23 bits.
    pub fn of_ipv4_group(group: Ipv4Addr) -> MacAddr {
        let [_, b, c, d] = group.octets();
        MacAddr([0x01, 0x00, 0x5e, b & 0x7f, c, d])
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not an Ethernet address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an Ethernet address: six hexadecimal bytes with colons, as 00:34:45:67:89:ab"
)]
pub struct ParseMacError(String);

impl FromStr for MacAddr {
    type Err = ParseMacError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseMacError(text.to_string());
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().ok_or_else(bad)?;
            if part.is_empty() || part.len() > 2 {
                return Err(bad());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() { Err(bad()) } else { Ok(MacAddr(bytes)) }
    }
}

/// What an Ethernet frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    /// RFC 894.
    pub const IPV4: EtherType = EtherType(0x0800);
    /// RFC 826.
    pub const ARP: EtherType = EtherType(0x0806);
    /// RFC 903, which this stack does not speak.
    pub const RARP: EtherType = EtherType(0x8035);
    /// RFC 2464, for later.
    pub const IPV6: EtherType = EtherType(0x86dd);
    /// IEEE 802.1Q tag, which this stack does not take.
    pub const VLAN: EtherType = EtherType(0x8100);
    /// IEEE 802.1ad outer tag.
    pub const QINQ: EtherType = EtherType(0x88a8);
}

impl fmt::Debug for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// To whom a frame or a datagram was sent. RFC 1122 forbids many answers to group addresses,
/// so this travels up with everything received.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Cast {
    /// One host.
    #[default]
    Unicast,
    /// A group.
    Multicast,
    /// Everybody.
    Broadcast,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let mac: MacAddr = "00:34:45:67:89:ab".parse().unwrap();
        assert_eq!(mac, MacAddr([0, 0x34, 0x45, 0x67, 0x89, 0xab]));
        assert_eq!(mac.to_string(), "00:34:45:67:89:ab");
        for bad in ["", "00:34:45:67:89", "00:34:45:67:89:ab:cd", "0g:0:0:0:0:0", "000:0:0:0:0:0"] {
            assert!(bad.parse::<MacAddr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_ipv4_group_maps_its_low_23_bits() {
        let mac = MacAddr::of_ipv4_group(Ipv4Addr::new(224, 129, 2, 3));
        assert_eq!(mac.to_string(), "01:00:5e:01:02:03");
        assert!(mac.is_group() && !mac.is_broadcast());
    }
}
