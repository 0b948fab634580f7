//! What a received datagram must fulfil before anything else is done with it: RFC 1122 §3.2.1,
//! RFC 1812 §5.2.2 and §5.3.7.

use std::net::Ipv4Addr;

use netdev::checksum::Sum;
use netdev::{Cast, Checksum, Packet};

use crate::groups::Groups;
use crate::interfaces::Interfaces;
use crate::wire::Ipv4Fields;
use crate::{DropReason, Interface, Protocol};

/// What a destination means to this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// It is for this host, and perhaps for others too.
    Here(Cast),
    /// It is for one other host.
    Elsewhere,
}

/// Reads the header and trims what the link appended behind the datagram (Ethernet pads to 60
/// bytes). Looks at no address.
pub(crate) fn well_formed(packet: &mut Packet) -> Result<Ipv4Fields, DropReason> {
    let ip = Ipv4Fields::parse(packet)?;
    if ip.total_len < ip.header_len() || ip.total_len > packet.len() {
        return Err(DropReason::Truncated);
    }
    // A device that vouches for the transport's checksum has looked at the IP header's too; a
    // packet whose checksum is partial comes from a kernel on this machine and saw no wire.
    let vouched = packet.checksum() != Checksum::None;
    if !vouched && !Sum::default().bytes(&packet[..ip.header_len()]).is_valid() {
        return Err(DropReason::Checksum);
    }
    packet.truncate(ip.total_len);
    Ok(ip)
}

/// RFC 1122 §3.2.1.3: a source is one host's address, and not one of ours where it comes from
/// another.
pub(crate) fn source(
    ip: &Ipv4Fields,
    from: &Interface,
    interfaces: &Interfaces,
) -> Result<(), DropReason> {
    // RFC 1122 §3.2.1.3 (a): a host that does not know its address yet says 0.0.0.0, to everybody.
    if ip.src.is_unspecified() && ip.dst.is_broadcast() {
        return Ok(());
    }
    let ours = interfaces.is_local(ip.src);
    let martian = !is_host(ip.src)
        || interfaces.is_broadcast(ip.src)
        || ours != from.loopback
        || ip.src.is_loopback() && !from.loopback;
    if martian { Err(DropReason::Martian) } else { Ok(()) }
}

/// For whom a datagram is that came in a frame to `cast`.
pub(crate) fn destination(
    ip: &Ipv4Fields,
    cast: Cast,
    from: &Interface,
    interfaces: &Interfaces,
    groups: &Groups,
) -> Result<Destination, DropReason> {
    let dst = ip.dst;
    if dst.is_broadcast() {
        return Ok(Destination::Here(Cast::Broadcast));
    }
    if dst.is_multicast() {
        // A copy that was looped back came out of another interface.
        let member = if from.loopback { groups.any(dst) } else { groups.has(from.index, dst) };
        let here = Destination::Here(stricter(cast, Cast::Multicast));
        return if member { Ok(here) } else { Err(DropReason::NotMember) };
    }
    // RFC 1122 §3.2.1.3 (g): loopback addresses stay inside the host.
    if !is_host(dst) || dst.is_loopback() && !from.loopback {
        return Err(DropReason::BadDestination);
    }
    if interfaces.is_broadcast(dst) {
        // RFC 2644: a broadcast for another network of ours is not forwarded to it.
        return if from.is_broadcast(dst) || from.loopback {
            Ok(Destination::Here(Cast::Broadcast))
        } else {
            Err(DropReason::NotForUs)
        };
    }
    // RFC 1122 §3.3.6, RFC 1812 §5.3.4: else one such frame had every host of the link answer.
    if cast != Cast::Unicast {
        return Err(DropReason::BroadcastFrame);
    }
    if interfaces.is_local(dst) {
        return Ok(Destination::Here(Cast::Unicast));
    }
    // RFC 2131 §4.1: a DHCP server sends to the address that it is about to give, in a frame to the
    // link address that asks for it. Who has no address yet takes it.
    if from.addrs.is_empty() && !from.loopback && ip.protocol == Protocol::UDP {
        return Ok(Destination::Here(Cast::Unicast));
    }
    Ok(Destination::Elsewhere)
}

/// Whether one host can have the address: not "this network" (0/8), a group, or reserved (240/4).
pub(crate) fn is_host(addr: Ipv4Addr) -> bool {
    !matches!(addr.octets()[0], 0 | 224..)
}

/// Of what frame and datagram say, what reaches more hosts.
pub(crate) fn stricter(a: Cast, b: Cast) -> Cast {
    match (a, b) {
        (Cast::Broadcast, _) | (_, Cast::Broadcast) => Cast::Broadcast,
        (Cast::Multicast, _) | (_, Cast::Multicast) => Cast::Multicast,
        (Cast::Unicast, Cast::Unicast) => Cast::Unicast,
    }
}
