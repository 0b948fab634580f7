//! What the router does for IGMP: hands it what comes, and sends what it has to say.

use std::net::Ipv4Addr;

use netdev::{Instant, Packet};

use super::{Received, ToSend};
use crate::counters::Traffic;
use crate::wire::{Ipv4Fields, MIN_HEADER};
use crate::{Hop, IfIndex, NextHop, Options, Protocol, Router, Tos, Ttl, options};

/// RFC 2113: "Router shall examine packet".
const ROUTER_ALERT: [u8; 4] = [148, 4, 0, 0];
/// RFC 3376 §4: Internetwork Control.
const TOS: Tos = Tos(0xc0);

impl Router {
    /// Whether there may be routers on the link that want to know.
    pub(crate) fn tells_routers(&self, iface: IfIndex) -> bool {
        self.config.igmp && self.interfaces.up(iface).is_some_and(|of| !of.loopback)
    }

    /// An interface came up, and routers behind it know of no membership; or it went down.
    pub(crate) fn igmp_link(&mut self, now: Instant, iface: IfIndex) {
        self.igmp.remove(iface);
        if self.tells_routers(iface) {
            for group in self.groups.on(iface) {
                self.igmp.joined(now, iface, group);
            }
        }
    }

    pub(crate) fn igmp_input(
        &mut self,
        now: Instant,
        iface: IfIndex,
        ip: &Ipv4Fields,
        payload: &Packet,
    ) {
        self.counts.traffic(Traffic::IgmpReceived);
        if !self.tells_routers(iface) {
            return;
        }
        let network = self.interfaces.get(iface).and_then(|of| of.network_of(ip.src.into()));
        let received = Received {
            iface,
            src: ip.src,
            dst: ip.dst,
            neighbour: network.is_some(),
            to_us: self.interfaces.is_local(ip.dst),
            router_alert: options::has_router_alert(ip.options.as_wire()),
            payload,
        };
        if let Err(reason) = self.igmp.input(now, received, &self.groups) {
            self.counts.drops(reason, 1);
            tracing::trace!(%iface, src = %ip.src, %reason, "drop");
        }
    }

    pub(crate) fn igmp_poll(&mut self, now: Instant, below: &mut dyn NextHop) {
        let mtu = |iface| self.interfaces.get(iface).map_or(0, |of| of.mtu);
        for ToSend { iface, dst, payload } in self.igmp.poll(now, &self.groups, mtu) {
            let Some(interface) = self.interfaces.up(iface) else { continue };
            let mtu = interface.mtu;
            let ip = Ipv4Fields {
                // RFC 3376 §4.2.13: who has no address yet says so.
                src: interface.first_addr().unwrap_or(Ipv4Addr::UNSPECIFIED),
                dst,
                protocol: Protocol::IGMP,
                ttl: Ttl(1),
                tos: TOS,
                id: self.ident.take(Ipv4Addr::UNSPECIFIED, dst, Protocol::IGMP, 1),
                dont_fragment: false,
                more_fragments: false,
                offset: 0,
                total_len: MIN_HEADER + ROUTER_ALERT.len() + payload.len(),
                options: Options::from_wire(&ROUTER_ALERT).unwrap_or_default(),
            };
            let mut packet = payload;
            ip.write(packet.prepend(ip.header_len()));
            self.counts.traffic(Traffic::IgmpSent);
            tracing::debug!(%iface, %dst, "IGMP message");
            self.emit(now, &ip, packet, (iface, Hop::Group(dst.into()), mtu), below);
        }
    }
}
