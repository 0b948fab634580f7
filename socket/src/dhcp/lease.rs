//! What a server grants.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ip::Cidr;
use netdev::Instant;

use super::message::{Malformed, Message};
use super::options::code;

/// RFC 1122 §3.3.3: every host takes datagrams of 576 bytes. RFC 2132 §5.1 allows 68, but a lease
/// that cuts everything to pieces is a mistake or an attack.
const LEAST_MTU: u16 = 576;
/// Addresses of a list that are kept.
const LONGEST_LIST: usize = 8;
/// The shortest lease that is taken: below it there is no time to renew.
const SHORTEST: Duration = Duration::from_secs(4);

/// An address for some time, and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address on its network.
    pub addr: Cidr,
    /// Who granted it.
    pub server: Ipv4Addr,
    /// Routers on the network, best first.
    pub routers: Vec<Ipv4Addr>,
    /// DNS servers, best first.
    pub dns: Vec<Ipv4Addr>,
    /// The domain of this host, and so where short names are looked up.
    pub domain: Option<String>,
    /// The name that the server has for this host.
    pub host_name: Option<String>,
    /// The largest datagram in bytes, where the server says one of 576 or more.
    pub mtu: Option<u16>,
    /// Since when: when it was asked for.
    pub since: Instant,
    /// From then on it is renewed with its own server.
    pub t1: Instant,
    /// From then on with any server.
    pub t2: Instant,
    /// From then on the address must not be used.
    pub end: Instant,
}

/// What makes an offer one that nobody can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// An option that is not what it has to be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It does not say who offers.
    #[error("no server identifier")]
    NoServer,
    /// It does not say for how long, or for less than four seconds.
    #[error("no lease time")]
    NoTime,
    /// Not an address that one host on a network can have.
    #[error("not the address of a host")]
    BadAddress,
}

impl Lease {
    /// What an offer or an acknowledgment grants to who asked at `since`.
    ///
    /// Options that only add to a lease (DNS servers, names, MTU) are left out where they are
    /// malformed: better an address without them than none.
    pub fn read(message: &Message, since: Instant) -> Result<Lease, Unfit> {
        let options = &message.options;
        let server = options.addr(code::SERVER_ID)?.filter(|server| is_host(*server));
        let time = options.time(code::LEASE_TIME)?.filter(|time| *time >= SHORTEST);
        let time = time.ok_or(Unfit::NoTime)?;
        let mask = options.addr(code::SUBNET_MASK)?;
        let addr = on_network(message.yiaddr, mask)?;
        // RFC 2131 §4.4.5: half of it, and seven eighths; and a server's own only in order.
        let said = (options.time(code::T1)?, options.time(code::T2)?);
        let (t1, t2) = match said {
            (Some(t1), Some(t2)) if !t1.is_zero() && t1 < t2 && t2 < time => (t1, t2),
            (Some(t1), None) if !t1.is_zero() && t1 < time * 7 / 8 => (t1, time * 7 / 8),
            (None, Some(t2)) if t2 > time / 2 && t2 < time => (time / 2, t2),
            _ => (time / 2, time * 7 / 8),
        };
        let list = |code| {
            let mut addrs = options.addrs(code).unwrap_or_default();
            addrs.retain(|addr| is_host(*addr) && !addr.is_loopback());
            addrs.truncate(LONGEST_LIST);
            addrs
        };
        Ok(Lease {
            addr,
            server: server.ok_or(Unfit::NoServer)?,
            routers: list(code::ROUTER),
            dns: list(code::DNS),
            domain: options.text(code::DOMAIN).ok().flatten(),
            host_name: options.text(code::HOST_NAME).ok().flatten(),
            mtu: options.half(code::MTU).ok().flatten().filter(|mtu| *mtu >= LEAST_MTU),
            since,
            t1: since + t1,
            t2: since + t2,
            end: since + time,
        })
    }

    /// The address alone.
    pub fn ip(&self) -> Ipv4Addr {
        match self.addr.addr {
            IpAddr::V4(addr) => addr,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        }
    }

    /// For how long it was granted.
    pub fn time(&self) -> Duration {
        self.end.since(self.since)
    }
}

/// The address with its mask, or that of its class where there is none (RFC 950).
fn on_network(addr: Ipv4Addr, mask: Option<Ipv4Addr>) -> Result<Cidr, Unfit> {
    let prefix = match mask.map(u32::from) {
        Some(mask) if mask.leading_ones() + mask.trailing_zeros() == 32 => mask.leading_ones(),
        Some(_) => return Err(Malformed::Option(code::SUBNET_MASK).into()),
        None => match addr.octets()[0] {
            ..128 => 8,
            128..192 => 16,
            _ => 24,
        },
    };
    let cidr = Cidr::new(addr.into(), prefix as u8).ok_or(Unfit::BadAddress)?;
    let of_network = prefix < 31 && cidr.network().addr == cidr.addr;
    let usable = is_host(addr) && !addr.is_loopback() && prefix > 0;
    if !usable || of_network || cidr.broadcast() == Some(cidr.addr) {
        return Err(Unfit::BadAddress);
    }
    Ok(cidr)
}

/// Whether one host can have the address (RFC 1122 §3.2.1.3).
fn is_host(addr: Ipv4Addr) -> bool {
    !matches!(addr.octets()[0], 0 | 224..)
}
