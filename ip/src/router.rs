//! The internet layer in full: [`Router`].

use std::net::IpAddr;

use netdev::{Cast, Counter, Instant, Packet, sooner};

use crate::checks::{self, Destination};
use crate::counters::{Counters, Traffic};
use crate::groups::Groups;
use crate::ident::Ident;
use crate::igmp::Igmp;
use crate::interfaces::Interfaces;
use crate::nat::{NatView, Table};
use crate::options::Role;
use crate::pmtu::PathMtus;
use crate::reassembly::{Outcome, Reassembly};
use crate::redirects::Redirects;
use crate::routes::Routes;
use crate::settings::Config;
use crate::wire::Ipv4Fields;
use crate::{
    Cause, Change, Cidr, Datagram, DropReason, Error, Header, IfIndex, Input, Interface, Internet,
    NextHop, Protocol, Quoted, Report, Route, RouteEntry, RouteOrigin, SendError, options,
};

/// A host with any number of interfaces, or a router between them.
#[derive(Debug)]
pub struct Router {
    pub(crate) config: Config,
    pub(crate) forwarding: bool,
    pub(crate) interfaces: Interfaces,
    pub(crate) routes: Routes,
    pub(crate) groups: Groups,
    pub(crate) igmp: Igmp,
    pub(crate) redirects: Redirects,
    pub(crate) path_mtus: PathMtus,
    pub(crate) reassembly: Reassembly,
    pub(crate) ident: Ident,
    pub(crate) nat: Option<Table>,
    pub(crate) seed: u64,
    pub(crate) counts: Counters,
}

impl Router {
    /// A router without interfaces yet; [`Change::SetInterface`] adds them. The seed makes the
    /// datagrams' identifications hard to guess.
    pub fn new(config: Config, seed: u64) -> Router {
        Router {
            forwarding: config.forwarding,
            interfaces: Interfaces::default(),
            routes: Routes::default(),
            groups: Groups::default(),
            igmp: Igmp::new(seed),
            redirects: Redirects::new(&config),
            path_mtus: PathMtus::new(&config),
            reassembly: Reassembly::new(&config),
            ident: Ident::new(seed),
            nat: None,
            seed,
            counts: Counters::default(),
            config,
        }
    }

    /// [`Internet::input`] step by step; `Err` drops the datagram without a word to its source.
    fn receive(
        &mut self,
        now: Instant,
        iface: IfIndex,
        cast: Cast,
        mut packet: Packet,
        below: &mut dyn NextHop,
    ) -> Result<Input, DropReason> {
        let from = self.interfaces.up(iface).ok_or(DropReason::InterfaceDown)?;
        let ip = checks::well_formed(&mut packet)?;
        checks::source(&ip, from, &self.interfaces)?;
        let to = checks::destination(&ip, cast, from, &self.interfaces, &self.groups)?;
        // What is neither for us nor to be forwarded is nothing to complain about.
        let cast = match to {
            Destination::Here(cast) => cast,
            Destination::Elsewhere if self.forwarding => Cast::Unicast,
            Destination::Elsewhere => return Err(DropReason::NotForUs),
        };
        if let Err(cause) = options::check(ip.options.as_wire()) {
            return Ok(self.refuse(DropReason::Options, cause, cast, packet));
        }
        let forwards = to == Destination::Elsewhere;
        let waits = ip.is_fragment() && (!forwards || self.nat_wants_whole(iface, ip.dst));
        if !waits {
            return Ok(self.dispatch(now, iface, to, ip, packet, below));
        }
        match self.collect(now, cast, &ip, &packet)? {
            None => Ok(Input::Consumed),
            Some((fields, cast, payload)) => {
                let to = if forwards { to } else { Destination::Here(cast) };
                Ok(self.reassembled(now, iface, to, fields, payload, below))
            }
        }
    }

    /// A fragment that waits for the others; gives the datagram when it is the last.
    fn collect(
        &mut self,
        now: Instant,
        cast: Cast,
        ip: &Ipv4Fields,
        packet: &Packet,
    ) -> Result<Option<(Ipv4Fields, Cast, Packet)>, DropReason> {
        self.counts.traffic(Traffic::FragmentsReceived);
        let mut evicted = 0;
        let outcome = self.reassembly.add(now, ip, cast, packet, &mut evicted);
        self.counts.drops(DropReason::ReassemblyLimit, evicted);
        match outcome? {
            Outcome::Waits => Ok(None),
            Outcome::Duplicate => {
                self.counts.traffic(Traffic::DuplicateFragments);
                Ok(None)
            }
            Outcome::Whole { fields, cast, payload } => {
                self.counts.traffic(Traffic::Reassembled);
                Ok(Some((fields, cast, payload)))
            }
        }
    }

    /// A datagram whose fragments are all there. For this host it keeps the header of the first;
    /// whoever is behind the address translation gets it with one that speaks of the whole.
    fn reassembled(
        &mut self,
        now: Instant,
        iface: IfIndex,
        to: Destination,
        fields: Ipv4Fields,
        mut payload: Packet,
        below: &mut dyn NextHop,
    ) -> Input {
        if self.nat.is_none() {
            let cast = if let Destination::Here(cast) = to { cast } else { Cast::Unicast };
            return self.deliver(now, iface, cast, &fields, fields.header_len(), payload);
        }
        let whole = Ipv4Fields {
            // It came in pieces, and may leave in pieces.
            dont_fragment: false,
            more_fragments: false,
            total_len: fields.header_len() + payload.len(),
            ..fields
        };
        whole.write(payload.prepend(whole.header_len()));
        self.dispatch(now, iface, to, whole, payload, below)
    }

    /// A whole datagram, or a fragment for another host: to its transport, or to the next hop.
    fn dispatch(
        &mut self,
        now: Instant,
        iface: IfIndex,
        to: Destination,
        ip: Ipv4Fields,
        mut packet: Packet,
        below: &mut dyn NextHop,
    ) -> Input {
        if let Destination::Here(cast) = to {
            let inbound = match cast {
                Cast::Unicast => self.nat_inbound(now, iface, &ip, &packet, below),
                Cast::Multicast | Cast::Broadcast => Ok(None),
            };
            match inbound {
                Err(reason) => return self.nat_refuse(reason, packet),
                Ok(Some(rewrite)) => {
                    return self.forward(now, iface, ip, packet, Some(rewrite), below);
                }
                Ok(None) => {}
            }
            packet.strip(ip.header_len());
            return self.deliver(now, iface, cast, &ip, ip.header_len(), packet);
        }
        self.forward(now, iface, ip, packet, None, below)
    }

    fn deliver(
        &mut self,
        now: Instant,
        iface: IfIndex,
        cast: Cast,
        ip: &Ipv4Fields,
        header_len: usize,
        payload: Packet,
    ) -> Input {
        if ip.protocol == Protocol::IGMP {
            self.igmp_input(now, iface, ip, &payload);
        }
        self.counts.traffic(Traffic::Delivered);
        tracing::trace!(src = %ip.src, dst = %ip.dst, protocol = ?ip.protocol,
            len = payload.len(), "deliver");
        let mut header = ip.header();
        if !header.options.is_empty() && cast == Cast::Unicast {
            // RFC 1122 §3.2.1.8 (e): before the transport, or ICMP, sees them. The bytes stay as
            // they came.
            let ours = |addr| self.interfaces.is_local(addr);
            let options = header.options.as_wire_mut();
            options::record(options, Role::Destination, ip.dst, now, ours);
        }
        Input::Deliver(Datagram { header, iface, cast, header_len, payload })
    }

    /// A datagram of ours was too long for a router on its way.
    fn fragmentation_needed(&mut self, now: Instant, mtu: u16, quoted: &Quoted) -> bool {
        let (Ok(route), IpAddr::V4(dst)) = (self.way(now, quoted.dst, None), quoted.dst) else {
            return false;
        };
        if route.local {
            return false;
        }
        let lowered = self.path_mtus.lower(now, dst, mtu, quoted.total_len, route.mtu);
        if let Some(mtu) = lowered {
            tracing::debug!(%dst, from = route.mtu, to = mtu, "path MTU lowered");
            self.counts.traffic(Traffic::PathMtuLowered);
        }
        lowered.is_some()
    }

    /// A router says that another is better. RFC 1122 §3.2.2.2: it must be the one that is asked
    /// for the destination now, and the other must be a neighbour on the same network.
    fn redirect(&mut self, now: Instant, from: IpAddr, gateway: IpAddr, quoted: &Quoted) -> bool {
        let (IpAddr::V4(dst), IpAddr::V4(better)) = (quoted.dst, gateway) else { return false };
        if dst.is_multicast() || dst.is_broadcast() {
            return false;
        }
        let Some(&route) = self.table_route(dst) else { return false };
        let present = self.redirects.correct(now, dst, &route).unwrap_or(&route);
        let Some(interface) = self.interfaces.up(route.iface) else { return false };
        let plausible = present.gateway == Some(from)
            && gateway != from
            && interface.network_of(gateway).is_some()
            && checks::is_host(better)
            && !self.interfaces.is_local(better)
            && !self.interfaces.is_broadcast(better);
        if plausible {
            tracing::debug!(%dst, %from, to = %gateway, "redirect followed");
            self.redirects.follow(now, dst, &route, gateway);
            self.counts.traffic(Traffic::RedirectsFollowed);
        }
        plausible
    }

    fn add_route(&mut self, entry: RouteEntry) -> Result<(), Error> {
        let interface = self.interfaces.get(entry.iface).ok_or(Error::NoInterface(entry.iface))?;
        if let Some(gateway) = entry.gateway {
            if !interface.reaches(gateway) {
                return Err(Error::GatewayUnreachable(gateway));
            }
            if self.is_local(gateway)
                || interface.network_of(gateway).and_then(Cidr::broadcast) == Some(gateway)
            {
                return Err(Error::BadAddress(gateway, "a gateway"));
            }
        }
        if let Some(source) = entry.source.filter(|source| !self.is_local(*source)) {
            return Err(Error::BadAddress(source, "the source of a route"));
        }
        let entry = RouteEntry { dst: entry.dst.network(), origin: RouteOrigin::Static, ..entry };
        self.routes.add(entry, self.config.max_routes)
    }

    fn remove_route(
        &mut self,
        dst: Cidr,
        gateway: Option<IpAddr>,
        metric: Option<u32>,
    ) -> Result<(), Error> {
        let removed = self.routes.remove(dst.network(), gateway, metric);
        // A redirect is a route to one host, and can be taken away like one.
        if let (Err(_), IpAddr::V4(addr), 32) = (&removed, dst.addr, dst.prefix)
            && self.redirects.forget(addr)
        {
            return Ok(());
        }
        removed
    }
}

impl Internet for Router {
    fn input(
        &mut self,
        now: Instant,
        iface: IfIndex,
        cast: Cast,
        packet: Packet,
        below: &mut dyn NextHop,
    ) -> Input {
        self.counts.traffic(Traffic::Received);
        self.receive(now, iface, cast, packet, below).unwrap_or_else(|reason| {
            self.counts.drops(reason, 1);
            tracing::trace!(%iface, %reason, "drop");
            Input::Dropped(reason)
        })
    }

    fn send(
        &mut self,
        now: Instant,
        header: &Header,
        packet: Packet,
        below: &mut dyn NextHop,
    ) -> Result<(), SendError> {
        self.transmit(now, header, packet, below)
    }

    fn route(&self, now: Instant, dst: IpAddr, src: Option<IpAddr>) -> Result<Route, Cause> {
        self.way(now, dst, src)
    }

    fn error(&mut self, now: Instant, from: IpAddr, cause: Cause, quoted: &Quoted) {
        let used = self.is_local(quoted.src)
            && match cause {
                Cause::FragmentationNeeded { mtu } => self.fragmentation_needed(now, mtu, quoted),
                Cause::Redirect { gateway, .. } => self.redirect(now, from, gateway, quoted),
                // The transport's concern alone.
                _ => return,
            };
        if !used {
            tracing::debug!(%from, %cause, dst = %quoted.dst, "error ignored");
            self.counts.traffic(Traffic::ErrorsIgnored);
        }
    }

    fn poll(&mut self, now: Instant, below: &mut dyn NextHop) -> Vec<Report> {
        self.igmp_poll(now, below);
        self.path_mtus.tidy(now);
        self.redirects.tidy(now);
        if let Some(nat) = &mut self.nat {
            nat.tidy(now);
        }
        let given_up = self.reassembly.poll(now);
        self.counts.drops(DropReason::ReassemblyTimeout, given_up.count);
        given_up.reports
    }

    fn poll_at(&self) -> Option<Instant> {
        let nat = self.nat.as_ref().and_then(Table::poll_at);
        sooner(sooner(self.reassembly.poll_at(), nat), self.igmp.poll_at())
    }

    fn is_local(&self, addr: IpAddr) -> bool {
        match addr {
            IpAddr::V4(addr) => self.interfaces.is_local(addr),
            IpAddr::V6(_) => false,
        }
    }

    fn configure(&mut self, now: Instant, change: Change) -> Result<(), Error> {
        tracing::debug!(%now, ?change, "configure");
        match change {
            Change::SetInterface(interface) => {
                let (index, up) = (interface.index, interface.up);
                let was_up = self.interfaces.up(index).is_some();
                self.interfaces.set(interface, self.config.max_interfaces)?;
                self.routes.derive(&self.interfaces);
                // They may have been learnt of another network.
                self.redirects.clear();
                if up != was_up {
                    self.igmp_link(now, index);
                }
                if let Some(nat) = &mut self.nat {
                    let interfaces = &self.interfaces;
                    nat.forget_mappings(|_, _, outside| !interfaces.is_local(outside.addr));
                    let outside = interfaces.get(nat.nat.outside);
                    nat.set_forwarding_addr(outside.and_then(Interface::first_addr));
                }
            }
            Change::RemoveInterface(index) => {
                self.interfaces.remove(index)?;
                self.groups.remove(index);
                self.igmp.remove(index);
                self.nat.take_if(|table| [table.nat.inside, table.nat.outside].contains(&index));
                self.routes.derive(&self.interfaces);
                self.redirects.clear();
            }
            Change::AddRoute(entry) => self.add_route(entry)?,
            Change::RemoveRoute { dst, gateway, metric } => {
                self.remove_route(dst, gateway, metric)?;
            }
            Change::Join(iface, group) => {
                self.interfaces.get(iface).ok_or(Error::NoInterface(iface))?;
                if let Some(group) = self.groups.join(iface, group, self.config.max_groups)?
                    && self.tells_routers(iface)
                {
                    self.igmp.joined(now, iface, group);
                }
            }
            Change::Leave(iface, group) => {
                if let Some(group) = self.groups.leave(iface, group)?
                    && self.tells_routers(iface)
                {
                    self.igmp.left(now, iface, group);
                }
            }
            Change::Forwarding(on) => self.forwarding = on,
            Change::Nat(nat) => self.set_nat(nat)?,
            change @ (Change::Forward(_) | Change::RemoveForward { .. }) => {
                self.change_forwards(change)?;
            }
        }
        Ok(())
    }

    fn interfaces(&self) -> Vec<Interface> {
        self.interfaces.iter().cloned().collect()
    }

    fn routes(&self) -> Vec<RouteEntry> {
        // Redirects are asked before what they correct, and go to single hosts.
        let (hosts, nets): (Vec<RouteEntry>, Vec<RouteEntry>) =
            self.routes.iter().partition(|entry| entry.dst.prefix == 32);
        hosts.into_iter().chain(self.redirects.iter().copied()).chain(nets).collect()
    }

    fn counters(&self) -> Vec<Counter> {
        self.counts.rows()
    }

    fn nat(&self, now: Instant) -> Option<NatView> {
        self.nat_view(now)
    }

    fn undo(&self, packet: &mut Packet) {
        self.nat_undo(packet);
    }
}
