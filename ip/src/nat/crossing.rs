//! What the router translates: datagrams between the two interfaces, each way.

use std::net::Ipv4Addr;

use netdev::{Cast, Instant, Packet};

use super::content::{self, Content, Endpoint, Flags, Kind};
use super::rewrite::{Ends, Rewrite, renumber};
use super::{Nat, NatView, Table};
use crate::counters::Traffic;
use crate::output::Segments;
use crate::wire::Ipv4Fields;
use crate::{Cause, DropReason, Error, IfIndex, Input, Interface, NextHop, Router};

impl Router {
    /// Begins to translate, or ends it. Whatever was mapped is forgotten.
    pub(crate) fn set_nat(&mut self, nat: Option<Nat>) -> Result<(), Error> {
        let Some(nat) = nat else {
            self.nat = None;
            return Ok(());
        };
        for index in [nat.inside, nat.outside] {
            let interface = self.interfaces.get(index).ok_or(Error::NoInterface(index))?;
            if interface.loopback {
                return Err(Error::Unsupported("translate what stays on this host"));
            }
        }
        if nat.inside == nat.outside {
            return Err(Error::Unsupported("translate between an interface and itself"));
        }
        if nat.ports.is_empty() || *nat.ports.start() == 0 {
            return Err(Error::Unsupported("translate without ports"));
        }
        let addr = self.interfaces.get(nat.outside).and_then(Interface::first_addr);
        let mut table = Table::new(nat, self.seed);
        table.set_forwarding_addr(addr);
        self.nat = Some(table);
        Ok(())
    }

    pub(crate) fn nat_view(&self, now: Instant) -> Option<NatView> {
        let table = self.nat.as_ref()?;
        let forwards = table.forwards.rows();
        Some(NatView { nat: table.nat.clone(), forwards, sessions: table.sessions(now) })
    }

    /// Whether a fragment has to wait for the others, since only the first names its ports
    /// (RFC 4787 REQ-14).
    pub(crate) fn nat_wants_whole(&self, iface: IfIndex, dst: Ipv4Addr) -> bool {
        self.nat.as_ref().is_some_and(|table| {
            let out = self.table_route(dst).map(|entry| entry.iface);
            iface == table.nat.inside && out == Some(table.nat.outside)
        })
    }

    /// What becomes of a datagram that came by `iface` for an address of the router's own:
    /// `None` where it is really for the router.
    pub(crate) fn nat_inbound(
        &mut self,
        now: Instant,
        iface: IfIndex,
        ip: &Ipv4Fields,
        packet: &Packet,
        below: &dyn NextHop,
    ) -> Result<Option<Rewrite>, DropReason> {
        let Some(table) = self.nat.as_mut().filter(|_| self.forwarding) else { return Ok(None) };
        let hairpin = iface == table.nat.inside;
        if !hairpin && iface != table.nat.outside {
            return Ok(None);
        }
        match content::read(ip, packet) {
            Some(Content::Flow { kind, src, dst, flags }) if hairpin => {
                table.hairpin(now, kind, (src, dst), flags, below)
            }
            Some(Content::Flow { kind, src, dst, flags }) => {
                let inside = table.inbound(now, kind, (dst, src), flags).transpose()?;
                // RFC 5382 REQ-4: a SYN that nobody asked for is not answered, so that the host
                // inside that sends one at the same time is not disturbed.
                if inside.is_none() && table.holds(kind, dst.port, flags, below) {
                    return Err(DropReason::NatFiltered);
                }
                Ok(inside.map(|inside| Rewrite::to(kind, inside)))
            }
            Some(Content::Query { id, request: false }) if !hairpin => {
                let (outside, peer) = (Endpoint { addr: ip.dst, port: id }, host(ip.src));
                let ends = (outside, peer);
                let inside = table.inbound(now, Kind::Icmp, ends, Flags::default()).transpose()?;
                Ok(inside.map(|inside| Rewrite::to(Kind::Icmp, inside)))
            }
            // Requests are the router's own to answer.
            Some(Content::Query { .. }) | None => Ok(None),
            Some(Content::Error { kind, src, dst }) => Ok(table.error_in(kind, src, dst, hairpin)),
        }
    }

    /// What becomes of a datagram that is forwarded from the first to the second interface; `addr`
    /// is the address of the second.
    pub(crate) fn nat_outbound(
        &mut self,
        now: Instant,
        (from, to): (IfIndex, IfIndex),
        addr: Option<Ipv4Addr>,
        ip: &Ipv4Fields,
        packet: &Packet,
        below: &dyn NextHop,
    ) -> Result<Option<Rewrite>, DropReason> {
        let Some(table) = &mut self.nat else { return Ok(None) };
        let (inside, outside) = (table.nat.inside, table.nat.outside);
        if (from, to) == (outside, inside) {
            return Err(DropReason::NatFiltered);
        }
        if (from, to) != (inside, outside) {
            return Ok(None);
        }
        let addr = addr.ok_or(DropReason::NatFull)?;
        match content::read(ip, packet).ok_or(DropReason::NatProtocol)? {
            Content::Flow { kind, src, dst, flags } => {
                let outside = table.outbound(now, kind, (src, dst), flags, addr, below)?;
                Ok(Some(Rewrite::from(kind, outside)))
            }
            Content::Query { id, request: true } => {
                let ends = (Endpoint { addr: ip.src, port: id }, host(ip.dst));
                let flags = Flags::default();
                let outside = table.outbound(now, Kind::Icmp, ends, flags, addr, below)?;
                Ok(Some(Rewrite::from(Kind::Icmp, outside)))
            }
            Content::Query { request: false, .. } => Err(DropReason::NatFiltered),
            // RFC 5508 REQ-5: about something that came in, else it is nobody's.
            Content::Error { kind, dst, .. } => {
                let outside = table.outside_of(kind, dst).ok_or(DropReason::NatFiltered)?;
                Ok(Some(Rewrite {
                    kind: Kind::Icmp,
                    ends: Ends { src: Some(outside), dst: None },
                    quoted: Some((kind, Ends { src: None, dst: Some(outside) })),
                }))
            }
        }
    }

    /// Drops what cannot be translated. RFC 5508 REQ-8: for want of room, its host is told so.
    pub(crate) fn nat_refuse(&mut self, reason: DropReason, packet: Packet) -> Input {
        if reason == DropReason::NatFull {
            return self.refuse(reason, Cause::Prohibited, Cast::Unicast, packet);
        }
        self.counts.drops(reason, 1);
        tracing::trace!(%reason, "drop");
        Input::Dropped(reason)
    }

    /// Translates a datagram that is about to leave.
    pub(crate) fn nat_apply(
        &mut self,
        rewrite: &Rewrite,
        ip: &mut Ipv4Fields,
        packet: &mut Packet,
    ) {
        self.counts.traffic(Traffic::Translated);
        let header_len = ip.header_len();
        rewrite.apply(packet, header_len);
        ip.dst = rewrite.ends.dst.map_or(ip.dst, |end| end.addr);
        if let Some(end) = rewrite.ends.src {
            ip.src = end.addr;
            // RFC 6864 §5.3: as if it came from the router, to which all look alike.
            let segments = Segments::of_datagram(header_len, packet);
            let ids = segments.map_or(1, |segments| segments.count);
            ip.id = self.ident.take(ip.src, ip.dst, ip.protocol, ids);
            renumber(packet, ip.id);
        }
    }

    /// Gives a datagram that was translated the endpoints back that its source knows.
    pub(crate) fn nat_undo(&self, packet: &mut Packet) {
        let Some(table) = &self.nat else { return };
        let Ok(ip) = Ipv4Fields::parse(packet) else { return };
        let (kind, src, dst) = match content::read(&ip, packet) {
            _ if ip.offset != 0 => return,
            Some(Content::Flow { kind, src, dst, .. }) => (kind, Some(src), Some(dst)),
            Some(Content::Query { id, request: true }) => {
                (Kind::Icmp, Some(Endpoint { addr: ip.src, port: id }), None)
            }
            Some(Content::Query { id, request: false }) => {
                (Kind::Icmp, None, Some(Endpoint { addr: ip.dst, port: id }))
            }
            Some(Content::Error { .. }) | None => return,
        };
        let ends = Ends {
            src: src.and_then(|src| table.inside_of(kind, src)),
            dst: dst.and_then(|dst| table.outside_of(kind, dst)),
        };
        if ends != Ends::default() {
            Rewrite { kind, ends, quoted: None }.apply(packet, ip.header_len());
        }
    }
}

impl Table {
    /// From one host inside to the outside endpoint of another: it sees the first one's outside
    /// endpoint too (RFC 4787 REQ-9 a).
    fn hairpin(
        &mut self,
        now: Instant,
        kind: Kind,
        (src, dst): (Endpoint, Endpoint),
        flags: Flags,
        below: &dyn NextHop,
    ) -> Result<Option<Rewrite>, DropReason> {
        if self.inside_of(kind, dst).is_none() {
            return Ok(None);
        }
        let from = self.outbound(now, kind, (src, dst), flags, dst.addr, below)?;
        let Some(to) = self.inbound(now, kind, (dst, from), flags).transpose()? else {
            return Ok(None);
        };
        Ok(Some(Rewrite { kind, ends: Ends { src: Some(from), dst: Some(to) }, quoted: None }))
    }

    /// An ICMP error about a datagram that went out as `src` to `dst`. It goes to the host that
    /// sent that, which has to have: an error is easily forged (RFC 5927).
    fn error_in(&self, kind: Kind, src: Endpoint, dst: Endpoint, hairpin: bool) -> Option<Rewrite> {
        let inside = self.inside_of(kind, src)?;
        // To a host inside it went by that one's outside endpoint, which the sender knows.
        let peer = if hairpin { self.outside_of(kind, dst)? } else { dst };
        if !self.has_session(kind, inside, peer) {
            return None;
        }
        Some(Rewrite {
            kind: Kind::Icmp,
            ends: Ends { src: hairpin.then_some(peer), dst: Some(inside) },
            quoted: Some((kind, Ends { src: Some(inside), dst: hairpin.then_some(peer) })),
        })
    }
}

impl Rewrite {
    fn from(kind: Kind, src: Endpoint) -> Rewrite {
        Rewrite { kind, ends: Ends { src: Some(src), dst: None }, quoted: None }
    }

    fn to(kind: Kind, dst: Endpoint) -> Rewrite {
        Rewrite { kind, ends: Ends { src: None, dst: Some(dst) }, quoted: None }
    }
}

/// A peer of ICMP queries, which have no port at its side.
fn host(addr: Ipv4Addr) -> Endpoint {
    Endpoint { addr, port: 0 }
}
