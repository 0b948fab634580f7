//! The internet layer as a student writes it first: [`SimpleHost`].

use std::net::{IpAddr, Ipv4Addr};

use netdev::{Cast, Counter, Instant, Packet};

use crate::checks::{self, Destination};
use crate::counters::{Counters, Traffic};
use crate::groups::Groups;
use crate::ident::Ident;
use crate::interfaces::Interfaces;
use crate::output::Segments;
use crate::settings::MAX_DATAGRAM;
use crate::wire::{Ipv4Fields, MIN_HEADER};
use crate::{
    Cause, Change, Datagram, DropReason, Error, Header, Hop, IfIndex, Input, Interface, Internet,
    NextHop, Quoted, Report, Route, RouteEntry, RouteOrigin, SendError, Ttl, options,
};

/// A host on one link, with a default gateway.
///
/// It has one interface beside the loopback one, makes and takes no fragments, forwards nothing,
/// and learns neither path MTUs nor redirects. All that it receives is checked as a
/// [`Router`](crate::Router) checks it.
#[derive(Debug)]
pub struct SimpleHost {
    interfaces: Interfaces,
    gateway: Option<RouteEntry>,
    groups: Groups,
    ident: Ident,
    counts: Counters,
}

/// Joins that it can hold.
const MAX_GROUPS: usize = 16;

impl SimpleHost {
    /// A host without an interface yet.
    pub fn new(seed: u64) -> SimpleHost {
        SimpleHost {
            interfaces: Interfaces::default(),
            gateway: None,
            groups: Groups::default(),
            ident: Ident::new(seed),
            counts: Counters::default(),
        }
    }

    /// The interface to the link.
    fn link(&self) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| !interface.loopback && interface.up)
    }

    fn receive(
        &mut self,
        iface: IfIndex,
        cast: Cast,
        mut packet: Packet,
    ) -> Result<Input, DropReason> {
        let from = self.interfaces.up(iface).ok_or(DropReason::InterfaceDown)?;
        let ip = checks::well_formed(&mut packet)?;
        checks::source(&ip, from, &self.interfaces)?;
        let to = checks::destination(&ip, cast, from, &self.interfaces, &self.groups)?;
        let Destination::Here(cast) = to else { return Err(DropReason::NotForUs) };
        if let Err(cause) = options::check(ip.options.as_wire()) {
            self.counts.drops(DropReason::Options, 1);
            return Ok(Input::Report(Report { cause, packet, cast }));
        }
        if ip.is_fragment() {
            return Err(DropReason::Fragment);
        }
        self.counts.traffic(Traffic::Delivered);
        let header_len = ip.header_len();
        packet.strip(header_len);
        Ok(Input::Deliver(Datagram {
            header: ip.header(),
            iface,
            cast,
            header_len,
            payload: packet,
        }))
    }

    /// RFC 1122 §3.3.1.1: to ourselves, to a neighbour, or to the gateway.
    fn way(&self, dst: IpAddr, src: Option<IpAddr>) -> Result<Route, Cause> {
        let IpAddr::V4(addr) = dst else { return Err(Cause::NetworkUnreachable) };
        let local = self.interfaces.is_local(addr);
        let interface = if local {
            self.interfaces.loopback().ok_or(Cause::HostUnreachable)?
        } else {
            self.link().ok_or(Cause::NetworkUnreachable)?
        };
        let hop = if local {
            Hop::Neighbour(dst)
        } else if addr.is_multicast() {
            Hop::Group(dst)
        } else if addr.is_broadcast() || interface.is_broadcast(addr) {
            Hop::Broadcast
        } else if !checks::is_host(addr) || addr.is_loopback() {
            return Err(Cause::NetworkUnreachable);
        } else if interface.network_of(dst).is_some() {
            Hop::Neighbour(dst)
        } else {
            let gateway = self.gateway.and_then(|entry| entry.gateway);
            Hop::Neighbour(gateway.ok_or(Cause::NetworkUnreachable)?)
        };
        let source = match (src.filter(|src| !src.is_unspecified()), interface.first_addr()) {
            (Some(src), _) => src,
            (None, _) if local && !addr.is_loopback() => dst,
            (None, Some(first)) => first.into(),
            // RFC 1122 §3.2.1.3 (a): it asks for its address.
            (None, None) if addr.is_broadcast() => Ipv4Addr::UNSPECIFIED.into(),
            (None, None) => return Err(Cause::NetworkUnreachable),
        };
        // RFC 1122 §3.2.1.3 (g): 127/8 stays inside.
        if !local && source.is_loopback() {
            return Err(Cause::NetworkUnreachable);
        }
        let mtu = interface.mtu.min(MAX_DATAGRAM);
        let (iface, offload) = (interface.index, interface.offload);
        Ok(Route { source, iface, hop, mtu, local, offload })
    }

    fn prepare(&mut self, header: &Header, packet: &Packet) -> Result<(Route, Ipv4Fields), Cause> {
        let route = self.way(header.dst, Some(header.src))?;
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (route.source, header.dst) else {
            return Err(Cause::NetworkUnreachable);
        };
        if !self.interfaces.is_local(src) && !src.is_unspecified() {
            return Err(Cause::Prohibited);
        }
        let header_len = MIN_HEADER + header.options.as_wire().len();
        let total_len = header_len + packet.len();
        let segments = Segments::of(header_len, packet);
        let on_the_wire = segments.map_or(total_len, Segments::longest);
        let ids = segments.map_or(1, |segments| segments.count);
        if on_the_wire > route.mtu || total_len > MAX_DATAGRAM {
            return Err(Cause::FragmentationNeeded { mtu: route.mtu as u16 });
        }
        let ip = Ipv4Fields {
            src,
            dst,
            protocol: header.protocol,
            ttl: if header.ttl.0 == 0 { Ttl::DEFAULT } else { header.ttl },
            tos: header.tos,
            id: self.ident.take(src, dst, header.protocol, ids),
            dont_fragment: header.dont_fragment,
            more_fragments: false,
            offset: 0,
            total_len,
            options: header.options,
        };
        Ok((route, ip))
    }
}

impl Internet for SimpleHost {
    fn input(
        &mut self,
        _now: Instant,
        iface: IfIndex,
        cast: Cast,
        packet: Packet,
        _below: &mut dyn NextHop,
    ) -> Input {
        self.counts.traffic(Traffic::Received);
        self.receive(iface, cast, packet).unwrap_or_else(|reason| {
            self.counts.drops(reason, 1);
            tracing::trace!(%iface, %reason, "drop");
            Input::Dropped(reason)
        })
    }

    fn send(
        &mut self,
        now: Instant,
        header: &Header,
        mut packet: Packet,
        below: &mut dyn NextHop,
    ) -> Result<(), SendError> {
        match self.prepare(header, &packet) {
            Ok((route, ip)) => {
                ip.write(packet.prepend(ip.header_len()));
                self.counts.traffic(Traffic::Sent);
                below.send(now, route.iface, route.hop, packet);
                Ok(())
            }
            Err(cause) => {
                self.counts.traffic(Traffic::Unsendable);
                Err(SendError { cause, packet })
            }
        }
    }

    fn route(&self, _now: Instant, dst: IpAddr, src: Option<IpAddr>) -> Result<Route, Cause> {
        self.way(dst, src)
    }

    fn error(&mut self, _now: Instant, _from: IpAddr, _cause: Cause, _quoted: &Quoted) {}

    fn poll(&mut self, _now: Instant, _below: &mut dyn NextHop) -> Vec<Report> {
        Vec::new()
    }

    fn poll_at(&self) -> Option<Instant> {
        None
    }

    fn is_local(&self, addr: IpAddr) -> bool {
        matches!(addr, IpAddr::V4(addr) if self.interfaces.is_local(addr))
    }

    fn configure(&mut self, _now: Instant, change: Change) -> Result<(), Error> {
        match change {
            Change::SetInterface(interface) => {
                let kind = |other: &&Interface| other.loopback == interface.loopback;
                let same_kind = self.interfaces.iter().find(kind);
                if same_kind.is_some_and(|other| other.index != interface.index) {
                    return Err(Error::Unsupported("use a second interface"));
                }
                self.interfaces.set(interface, 2)
            }
            Change::RemoveInterface(index) => {
                self.groups.remove(index);
                self.gateway = self.gateway.filter(|route| route.iface != index);
                self.interfaces.remove(index)
            }
            Change::AddRoute(entry) => {
                let interface =
                    self.interfaces.get(entry.iface).ok_or(Error::NoInterface(entry.iface))?;
                let Some(gateway) = entry.gateway.filter(|_| entry.dst.prefix == 0) else {
                    return Err(Error::Unsupported("route but by a default gateway"));
                };
                if !interface.reaches(gateway) {
                    return Err(Error::GatewayUnreachable(gateway));
                }
                self.gateway = Some(RouteEntry { origin: RouteOrigin::Static, ..entry });
                Ok(())
            }
            Change::RemoveRoute { dst, gateway, metric } => {
                let known = self.gateway.filter(|route| {
                    dst.prefix == 0
                        && (gateway.is_none() || gateway == route.gateway)
                        && metric.is_none_or(|metric| metric == route.metric)
                });
                known.ok_or(Error::NoRoute(dst))?;
                self.gateway = None;
                Ok(())
            }
            Change::Join(iface, group) => self.groups.join(iface, group, MAX_GROUPS).map(drop),
            Change::Leave(iface, group) => self.groups.leave(iface, group).map(drop),
            Change::Forwarding(false) => Ok(()),
            Change::Forwarding(true) => Err(Error::Unsupported("forward")),
            Change::Nat(None) => Ok(()),
            Change::Forward(_) | Change::RemoveForward { .. } => {
                Err(Error::Unsupported("forward ports"))
            }
            Change::Nat(Some(_)) => Err(Error::Unsupported("translate addresses")),
        }
    }

    fn interfaces(&self) -> Vec<Interface> {
        self.interfaces.iter().cloned().collect()
    }

    /// What [`SimpleHost`] does without a table, as a table.
    fn routes(&self) -> Vec<RouteEntry> {
        let mut routes = crate::routes::Routes::default();
        routes.derive(&self.interfaces);
        routes.iter().copied().chain(self.gateway).collect()
    }

    fn counters(&self) -> Vec<Counter> {
        self.counts.rows()
    }
}
