//! From a destination to a [`Route`]: next hop, interface and source (RFC 1122 §3.3.1, §3.3.4.3).

use std::net::{IpAddr, Ipv4Addr};

use netdev::Instant;

use crate::checks::is_host;
use crate::settings::MAX_DATAGRAM;
use crate::{Cause, Hop, Interface, Route, RouteEntry, RouteOrigin, Router};

impl Router {
    /// The way that a datagram of this host takes to `dst`.
    pub(crate) fn way(
        &self,
        now: Instant,
        dst: IpAddr,
        src: Option<IpAddr>,
    ) -> Result<Route, Cause> {
        let IpAddr::V4(dst) = dst else { return Err(Cause::NetworkUnreachable) };
        let src = match src {
            Some(IpAddr::V6(_)) => return Err(Cause::NetworkUnreachable),
            Some(IpAddr::V4(src)) if !src.is_unspecified() => Some(src),
            _ => None,
        };
        let route = if dst.is_broadcast() || dst.is_multicast() {
            self.way_to_group(dst, src)?
        } else {
            self.way_to_host(now, dst, src)?
        };
        // RFC 1122 §3.2.1.3 (g): 127/8 must not appear outside the host.
        if !route.local && src.is_some_and(|src| src.is_loopback()) {
            return Err(Cause::NetworkUnreachable);
        }
        Ok(route)
    }

    /// The best route of the table that leads somewhere now.
    pub(crate) fn table_route(&self, dst: Ipv4Addr) -> Option<&RouteEntry> {
        self.routes.lookup(dst, |entry| {
            entry.origin == RouteOrigin::Local || self.interfaces.usable(entry).is_some()
        })
    }

    fn way_to_host(
        &self,
        now: Instant,
        dst: Ipv4Addr,
        src: Option<Ipv4Addr>,
    ) -> Result<Route, Cause> {
        let entry = self.table_route(dst).ok_or(Cause::NetworkUnreachable)?;
        if entry.origin == RouteOrigin::Local {
            return self.way_to_self(dst, src);
        }
        // RFC 1122 §3.2.1.3: no host elsewhere has such an address.
        if !is_host(dst) || dst.is_loopback() {
            return Err(Cause::NetworkUnreachable);
        }
        let entry = self.redirects.correct(now, dst, entry).unwrap_or(entry);
        let interface = self.interfaces.usable(entry).ok_or(Cause::NetworkUnreachable)?;
        let hop = next_hop(dst, entry, interface);
        let configured =
            entry.source.and_then(v4).filter(|source| self.interfaces.is_local(*source));
        let source = src
            .or(configured)
            .or_else(|| self.source(interface, entry.gateway.unwrap_or(dst.into())))
            .ok_or(Cause::NetworkUnreachable)?;
        let mtu = self.path_mtus.mtu(now, dst, interface.mtu);
        Ok(route(interface, hop, source, mtu))
    }

    /// An own address, on whichever interface, is reached through the loopback interface.
    fn way_to_self(&self, dst: Ipv4Addr, src: Option<Ipv4Addr>) -> Result<Route, Cause> {
        let lo = self.interfaces.loopback().ok_or(Cause::HostUnreachable)?;
        // Whoever speaks to an own address is best known by the same one; whoever speaks to
        // 127.1.2.3, by 127.0.0.1.
        let source = src
            .or_else(|| if dst.is_loopback() { lo.first_addr() } else { Some(dst) })
            .ok_or(Cause::HostUnreachable)?;
        Ok(Route { local: true, ..route(lo, Hop::Neighbour(dst.into()), source, lo.mtu) })
    }

    /// Broadcasts and groups are on a link and have no route of their own: they leave by the
    /// interface of the source, where the sender chose one; or by that which the table names for
    /// them; or by the first.
    fn way_to_group(&self, dst: Ipv4Addr, src: Option<Ipv4Addr>) -> Result<Route, Cause> {
        let of_source = src.and_then(|src| self.interfaces.owner(src)).filter(|owner| owner.up);
        let of_table = || {
            let entry = self.table_route(dst)?;
            self.interfaces.up(entry.iface)
        };
        let first = || self.interfaces.iter().find(|interface| interface.up && !interface.loopback);
        let interface =
            of_source.or_else(of_table).or_else(first).ok_or(Cause::NetworkUnreachable)?;
        let hop = if dst.is_broadcast() { Hop::Broadcast } else { Hop::Group(dst.into()) };
        let source = match src.or_else(|| interface.first_addr()) {
            Some(source) => source,
            // RFC 1122 §3.2.1.3 (a): asking for an address without having one (RFC 2131 §4.1).
            None if dst.is_broadcast() => Ipv4Addr::UNSPECIFIED,
            None => return Err(Cause::NetworkUnreachable),
        };
        let local = interface.loopback;
        Ok(Route { local, ..route(interface, hop, source, interface.mtu) })
    }

    /// RFC 1122 §3.3.4.3: an address on the network of the next hop, or another of the interface,
    /// or, where it has none at all, one of another interface.
    pub(crate) fn source(&self, interface: &Interface, next: IpAddr) -> Option<Ipv4Addr> {
        let near = interface.network_of(next).and_then(|own| v4(own.addr));
        let others = || self.interfaces.iter().filter(|other| other.up && !other.loopback);
        near.or_else(|| interface.first_addr()).or_else(|| others().find_map(Interface::first_addr))
    }
}

/// Where `entry` sends a datagram for `dst` next: never to a neighbour that is everybody.
pub(crate) fn next_hop(dst: Ipv4Addr, entry: &RouteEntry, interface: &Interface) -> Hop {
    match entry.gateway {
        Some(gateway) => Hop::Neighbour(gateway),
        None if interface.is_broadcast(dst) => Hop::Broadcast,
        None => Hop::Neighbour(dst.into()),
    }
}

fn route(interface: &Interface, hop: Hop, source: Ipv4Addr, mtu: usize) -> Route {
    Route {
        source: source.into(),
        iface: interface.index,
        hop,
        mtu: mtu.min(MAX_DATAGRAM),
        local: false,
        offload: interface.offload,
    }
}

fn v4(addr: IpAddr) -> Option<Ipv4Addr> {
    match addr {
        IpAddr::V4(addr) => Some(addr),
        IpAddr::V6(_) => None,
    }
}
