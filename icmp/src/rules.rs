//! When an ICMP error must not be sent: RFC 1122 §3.2.2, RFC 1812 §4.3.2.7.

use std::net::{IpAddr, Ipv4Addr};

use ip::{Hop, Output, Protocol, Report, Route};
use netdev::{Cast, Instant};

use crate::Suppressed;
use crate::wire::is_query;

/// The way that an error about a datagram goes.
#[derive(Debug)]
pub(crate) struct Answer {
    /// To whom: who sent the datagram.
    pub(crate) to: IpAddr,
    /// From which address.
    pub(crate) from: IpAddr,
    /// Whether it stays within this host.
    pub(crate) local: bool,
}

/// Whether the datagram in `report` may be answered with an error, and to whom.
pub(crate) fn check(now: Instant, report: &Report, out: &dyn Output) -> Result<Answer, Suppressed> {
    let datagram = &report.packet[..];
    // Only what is looked at is checked: the datagram may be the very one whose header is broken
    // (parameter problem), or reassembled, so that its length field is that of a fragment.
    let (Some(header), Some(b)) = (datagram.get(..20), datagram.first()) else {
        return Err(Suppressed::Malformed);
    };
    let header_len = usize::from(b & 0xf) * 4;
    if b >> 4 != 4 || header_len < 20 || header_len > datagram.len() {
        return Err(Suppressed::Malformed);
    }
    let fragment_offset = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
    if fragment_offset != 0 {
        return Err(Suppressed::AboutFragment);
    }
    let src = Ipv4Addr::new(header[12], header[13], header[14], header[15]);
    let dst = Ipv4Addr::new(header[16], header[17], header[18], header[19]);
    // Without even its type byte it cannot be known to be a query.
    if Protocol(header[9]) == Protocol::ICMP
        && !datagram.get(header_len).copied().is_some_and(is_query)
    {
        return Err(Suppressed::AboutError);
    }
    if report.cast != Cast::Unicast || dst.is_multicast() || dst.is_broadcast() {
        return Err(Suppressed::AboutGroup);
    }
    // The subnet's broadcast address, which only the routes know.
    if out.route(now, dst.into(), None).is_ok_and(|route| is_group(&route)) {
        return Err(Suppressed::AboutGroup);
    }
    let local = out.is_local(dst.into());
    // A loopback source is one host where the datagram never left it; coming from elsewhere it
    // names nobody.
    let class_e = src.octets()[0] >= 240;
    let nobody = src.octets()[0] == 0 || src.is_multicast() || class_e;
    if nobody || (src.is_loopback() && !local) {
        return Err(Suppressed::BadSource);
    }
    // RFC 1812 §4.3.2.4: from the address that the datagram was sent to, if it is ours.
    let from = local.then_some(IpAddr::V4(dst));
    let route = out.route(now, src.into(), from).map_err(|_| Suppressed::NoRoute)?;
    if is_group(&route) {
        return Err(Suppressed::BadSource);
    }
    Ok(Answer { to: src.into(), from: from.unwrap_or(route.source), local: route.local })
}

fn is_group(route: &Route) -> bool {
    match route.hop {
        Hop::Neighbour(_) => false,
        Hop::Group(_) | Hop::Broadcast => true,
    }
}
