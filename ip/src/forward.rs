//! Passing datagrams on for others (RFC 1812 §5.2 and §5.3).

use netdev::{Cast, Instant, Packet, Segmentation, checksum};

use crate::counters::Traffic;
use crate::output::segments;
use crate::wire::Ipv4Fields;
use crate::{Cause, DropReason, Hop, IfIndex, Input, NextHop, Report, Router, Ttl};

/// Where the TTL stands in the header; the protocol follows, and then the checksum.
const TTL: usize = 8;
const CHECKSUM: usize = 10;

impl Router {
    /// Forwards `packet`, which came in by `iface` for one other host.
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        iface: IfIndex,
        ip: Ipv4Fields,
        mut packet: Packet,
        below: &mut dyn NextHop,
    ) -> Result<Input, DropReason> {
        if !self.forwarding {
            return Err(DropReason::NotForUs);
        }
        // RFC 1812 §5.3.1: a router that would bring it to zero drops it.
        if ip.ttl.0 <= 1 {
            return Ok(self.refuse(
                DropReason::TtlExceeded,
                Cause::TtlExceeded,
                Cast::Unicast,
                packet,
            ));
        }
        let way = self.table_route(ip.dst).and_then(|entry| {
            let out = self.interfaces.up(entry.iface).filter(|out| !out.loopback)?;
            Some((out.index, out.mtu, self.hop(ip.dst, entry)))
        });
        let Some((out, mtu, hop @ Hop::Neighbour(next))) = way else {
            return Ok(self.refuse(
                DropReason::NoRoute,
                Cause::NetworkUnreachable,
                Cast::Unicast,
                packet,
            ));
        };

        let on_the_wire = self.on_the_wire(&ip, &packet);
        if on_the_wire > mtu && (ip.dont_fragment || packet.segmentation() != Segmentation::None) {
            let cause = Cause::FragmentationNeeded { mtu: mtu.min(usize::from(u16::MAX)) as u16 };
            return Ok(self.refuse(DropReason::FragmentationNeeded, cause, Cast::Unicast, packet));
        }

        // RFC 1812 §5.2.7.2: its source could have sent it to the next hop itself.
        let source_net = self.interfaces.get(iface).and_then(|from| from.network_of(ip.src.into()));
        let redirect =
            (out == iface && source_net.is_some_and(|net| net.contains(next))).then(|| Report {
                cause: Cause::Redirect { gateway: next, host: true },
                packet: packet.clone(),
                cast: Cast::Unicast,
            });

        decrement_ttl(&mut packet);
        let ip = Ipv4Fields { ttl: Ttl(ip.ttl.0 - 1), ..ip };
        self.counts.traffic(Traffic::Forwarded);
        tracing::trace!(src = %ip.src, dst = %ip.dst, %out, ?hop, ttl = ip.ttl.0, "forward");
        self.emit(now, &ip, packet, (out, hop, mtu), below);
        Ok(redirect.map_or(Input::Consumed, Input::Report))
    }

    /// How long the longest of the datagrams is that `packet` stands for.
    fn on_the_wire(&self, ip: &Ipv4Fields, packet: &Packet) -> usize {
        let payload = &packet[ip.header_len()..];
        segments(ip.header_len(), payload, packet.segmentation())
            .map_or(packet.len(), |(_, longest)| longest)
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

/// RFC 1624: the checksum follows one changed word without a sum over the others, and so a header
/// that was damaged in this host's memory does not leave it with a good checksum.
fn decrement_ttl(packet: &mut Packet) {
    let word = |packet: &Packet, at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    let old = word(packet, TTL);
    let check = checksum::update(word(packet, CHECKSUM), old, old - 0x100);
    packet[TTL] -= 1;
    packet[CHECKSUM..CHECKSUM + 2].copy_from_slice(&check.to_be_bytes());
}
