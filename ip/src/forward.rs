//! Passing datagrams on for others (RFC 1812 §5.2 and §5.3).

use std::net::Ipv4Addr;

use netdev::checksum::{self, Sum};
use netdev::{Cast, Instant, Packet, Segmentation};

use crate::counters::Traffic;
use crate::nat::Rewrite;
use crate::options::{self, Role};
use crate::output::Segments;
use crate::settings::MAX_DATAGRAM;
use crate::ways::next_hop;
use crate::wire::{Ipv4Fields, MIN_HEADER};
use crate::{Cause, DropReason, Hop, IfIndex, Input, NextHop, Options, Report, Router, Ttl};

/// Where the TTL stands in the header; the protocol follows, and then the checksum.
const TTL: usize = 8;
const CHECKSUM: usize = 10;

impl Router {
    /// Forwards `packet`, which came in by `iface` for one other host: for the one that it names,
    /// or the one that `translation` says it is really for.
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        iface: IfIndex,
        ip: Ipv4Fields,
        mut packet: Packet,
        translation: Option<Rewrite>,
        below: &mut dyn NextHop,
    ) -> Input {
        let inbound = translation.and_then(|rewrite| rewrite.ends.dst);
        let dst = inbound.map_or(ip.dst, |end| end.addr);
        // `checks::destination` lets no other frame come this far.
        let cast = Cast::Unicast;
        // RFC 1812 §5.3.1: a router that would bring it to zero drops it.
        if ip.ttl.0 <= 1 {
            return self.refuse(DropReason::TtlExceeded, Cause::TtlExceeded, cast, packet);
        }
        let way = self.table_route(dst).and_then(|entry| {
            let out = self.interfaces.up(entry.iface).filter(|out| !out.loopback)?;
            let hop = next_hop(dst, entry, out);
            Some((out.index, out.mtu, hop, self.source(out, entry.gateway.unwrap_or(dst.into()))))
        });
        let Some((out, mtu, hop @ Hop::Neighbour(next), own)) = way else {
            return self.refuse(DropReason::NoRoute, Cause::NetworkUnreachable, cast, packet);
        };

        match fit(&ip, &packet, mtu) {
            Fit::Passes => {}
            Fit::Recut(segmentation) => packet.set_segmentation(segmentation),
            Fit::Not => {
                let cause = Cause::FragmentationNeeded { mtu: mtu.min(MAX_DATAGRAM) as u16 };
                return self.refuse(DropReason::FragmentationNeeded, cause, cast, packet);
            }
        }

        let translation = match translation {
            Some(translation) => Some(translation),
            None => match self.nat_outbound(now, (iface, out), own, &ip, &packet, below) {
                Ok(translation) => translation,
                Err(reason) => return self.nat_refuse(reason, packet),
            },
        };

        // RFC 1812 §5.2.7.2: its source could have sent it to the next hop itself.
        let from = self.interfaces.get(iface);
        let net = from.and_then(|from| from.network_of(ip.src.into()));
        let detour = out == iface
            && translation.is_none()
            && next != ip.src
            && net.is_some_and(|net| net.contains(next));
        let redirect = detour.then(|| {
            let cause = Cause::Redirect { gateway: next, host: true };
            Report { cause, packet: packet.clone(), cast }
        });

        decrement_ttl(&mut packet);
        let mut ip = Ipv4Fields { ttl: Ttl(ip.ttl.0 - 1), ..ip };
        if let Some(rewrite) = translation {
            self.nat_apply(&rewrite, &mut ip, &mut packet);
        }
        if let Some(own) = own.filter(|_| !ip.options.is_empty()) {
            self.record_passage(now, own, &mut ip, &mut packet);
        }
        self.counts.traffic(Traffic::Forwarded);
        tracing::trace!(src = %ip.src, dst = %ip.dst, %out, ?hop, ttl = ip.ttl.0, "forward");
        self.emit(now, &ip, packet, (out, hop, mtu), below);
        redirect.map_or(Input::Consumed, Input::Report)
    }

    /// RFC 1812 §5.3.13.5, §5.3.13.6: with the address that the next hop knows.
    fn record_passage(
        &mut self,
        now: Instant,
        own: Ipv4Addr,
        ip: &mut Ipv4Fields,
        packet: &mut Packet,
    ) {
        let options = MIN_HEADER..ip.header_len();
        if options::has_router_alert(&packet[options.clone()]) {
            self.counts.traffic(Traffic::RouterAlerts);
        }
        let ours = |addr| self.interfaces.is_local(addr);
        let mut recorded = packet[options.clone()].to_vec();
        if !options::record(&mut recorded, Role::Router, own, now, ours) {
            return;
        }
        let sum = |bytes: &[u8]| Sum::default().bytes(bytes).folded();
        let (old, new) = (sum(&packet[options.clone()]), sum(&recorded));
        let check = u16::from_be_bytes([packet[CHECKSUM], packet[CHECKSUM + 1]]);
        let check = checksum::update(check, old, new);
        packet[CHECKSUM..CHECKSUM + 2].copy_from_slice(&check.to_be_bytes());
        ip.options = Options::from_wire(&recorded).unwrap_or(ip.options);
        packet[options].copy_from_slice(&recorded);
    }

    /// Drops a datagram whose source is told why.
    pub(crate) fn refuse(
        &mut self,
        reason: DropReason,
        cause: Cause,
        cast: Cast,
        packet: Packet,
    ) -> Input {
        self.counts.drops(reason, 1);
        tracing::trace!(%reason, %cause, "refused");
        Input::Report(Report { cause, packet, cast })
    }
}

/// How a datagram gets through a link.
enum Fit {
    /// Whole, or in fragments.
    Passes,
    /// In shorter segments.
    Recut(Segmentation),
    /// Not at all.
    Not,
}

fn fit(ip: &Ipv4Fields, packet: &Packet, mtu: usize) -> Fit {
    let segments = Segments::of_datagram(ip.header_len(), packet);
    let longest = segments.map_or(packet.len(), |segments| segments.longest());
    if longest <= mtu {
        return Fit::Passes;
    }
    match (packet.segmentation(), segments) {
        _ if ip.dont_fragment => Fit::Not,
        (Segmentation::None, _) => Fit::Passes,
        // The segments were put together on this machine; TCP lets them be cut differently again.
        (Segmentation::Tcp4 { .. }, Some(segments)) if segments.headers < mtu => {
            Fit::Recut(Segmentation::Tcp4 { size: (mtu - segments.headers) as u16 })
        }
        (Segmentation::Tcp4 { .. } | Segmentation::Udp4 { .. }, _) => Fit::Not,
    }
}

/// RFC 1624: the checksum follows one changed word without a sum over the others, and so a header
/// that was damaged in this host's memory does not leave it with a good checksum.
fn decrement_ttl(packet: &mut Packet) {
    let word = |packet: &Packet, at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    let old = word(packet, TTL);
    let check = checksum::update(word(packet, CHECKSUM), old, old - 0x100);
    packet[TTL] -= 1;
    packet[CHECKSUM..CHECKSUM + 2].copy_from_slice(&check.to_be_bytes());
}
