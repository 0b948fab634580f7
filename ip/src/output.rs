//! Sending (RFC 1122 §3.2.1, RFC 791 §3.2).

use std::net::IpAddr;

use netdev::{Instant, Packet, Segmentation};

use crate::counters::Traffic;
use crate::fragments::fragment;
use crate::options::{self, Role};
use crate::settings::MAX_DATAGRAM;
use crate::wire::{Ipv4Fields, MIN_HEADER};
use crate::{Cause, Header, Hop, IfIndex, NextHop, Route, Router, SendError, Ttl};

impl Router {
    pub(crate) fn transmit(
        &mut self,
        now: Instant,
        header: &Header,
        mut packet: Packet,
        below: &mut dyn NextHop,
    ) -> Result<(), SendError> {
        let prepared = self.prepare(now, header, &packet);
        let (route, ip) = match prepared {
            Ok(prepared) => prepared,
            Err(cause) => {
                self.counts.traffic(Traffic::Unsendable);
                tracing::debug!(dst = %header.dst, %cause, "not sent");
                return Err(SendError { cause, packet });
            }
        };
        ip.write(packet.prepend(ip.header_len()));
        self.counts.traffic(Traffic::Sent);
        tracing::trace!(src = %ip.src, dst = %ip.dst, protocol = ?ip.protocol, len = ip.total_len,
            iface = %route.iface, "send");
        self.loop_back(now, &ip, &route, &packet, below);
        self.emit(now, &ip, packet, (route.iface, route.hop, route.mtu), below);
        Ok(())
    }

    /// Decides everything before the packet is touched, so that a refused one goes back as it
    /// was given.
    fn prepare(
        &mut self,
        now: Instant,
        header: &Header,
        packet: &Packet,
    ) -> Result<(Route, Ipv4Fields), Cause> {
        let route = self.way(now, header.dst, Some(header.src))?;
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (route.source, header.dst) else {
            return Err(Cause::NetworkUnreachable);
        };
        // RFC 1122 §3.2.1.3: the source is one of the host's own addresses, or none yet.
        let ours = self.interfaces.is_local(src) || src.is_unspecified() && dst.is_broadcast();
        if !ours {
            return Err(Cause::Prohibited);
        }
        let header_len = MIN_HEADER + header.options.as_wire().len();
        let total_len = header_len + packet.len();
        if total_len > MAX_DATAGRAM {
            return Err(Cause::FragmentationNeeded { mtu: MAX_DATAGRAM as u16 });
        }
        let segments = Segments::of(header_len, packet);
        let on_the_wire = segments.map_or(total_len, Segments::longest);
        if on_the_wire > route.mtu && (header.dont_fragment || segments.is_some()) {
            return Err(Cause::FragmentationNeeded { mtu: route.mtu as u16 });
        }
        let mut options = header.options;
        if !options.is_empty() {
            let ours = |addr| self.interfaces.is_local(addr);
            options::record(options.as_wire_mut(), Role::Origin, src, now, ours);
        }
        let ids = segments.map_or(1, |segments| segments.count);
        let ip = Ipv4Fields {
            src,
            dst,
            protocol: header.protocol,
            // RFC 1122 §3.2.1.7: never zero.
            ttl: if header.ttl.0 == 0 { Ttl::DEFAULT } else { header.ttl },
            tos: header.tos,
            id: self.ident.take(src, dst, header.protocol, ids),
            dont_fragment: header.dont_fragment,
            more_fragments: false,
            offset: 0,
            total_len,
            options,
        };
        Ok((route, ip))
    }

    /// RFC 1112 §7.1 and RFC 919 §7: who belongs to those whom a group or broadcast datagram is
    /// for receives it too, though the link does not bring it back.
    fn loop_back(
        &mut self,
        now: Instant,
        ip: &Ipv4Fields,
        route: &Route,
        packet: &Packet,
        below: &mut dyn NextHop,
    ) {
        let member = match route.hop {
            Hop::Neighbour(_) => false,
            Hop::Group(_) => self.groups.has(route.iface, ip.dst),
            Hop::Broadcast => true,
        };
        let Some(lo) = self.interfaces.loopback().filter(|lo| member && lo.index != route.iface)
        else {
            return;
        };
        let way = (lo.index, route.hop, lo.mtu);
        self.counts.traffic(Traffic::LoopedBack);
        self.emit(now, ip, packet.clone(), way, below);
    }

    /// Hands a datagram down, in fragments where it is too long for the link. Whether it may be
    /// cut was decided before.
    pub(crate) fn emit(
        &mut self,
        now: Instant,
        ip: &Ipv4Fields,
        mut packet: Packet,
        (iface, hop, mtu): (IfIndex, Hop, usize),
        below: &mut dyn NextHop,
    ) {
        if packet.len() <= mtu || packet.segmentation() != Segmentation::None {
            below.send(now, iface, hop, packet);
            return;
        }
        self.counts.traffic(Traffic::Fragmented);
        let counts = &mut self.counts;
        fragment(ip, &mut packet, mtu, |piece| {
            counts.traffic(Traffic::FragmentsSent);
            below.send(now, iface, hop, piece);
        });
    }
}

/// The datagrams that one packet stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segments {
    /// How many.
    pub(crate) count: usize,
    /// Bytes of IP and transport header, which each has.
    pub(crate) headers: usize,
    /// Bytes of data in the longest.
    pub(crate) data: usize,
}

impl Segments {
    /// Those of the payload `packet`, which will have an IP header of `header_len` bytes in front
    /// of it; `None` where it is one datagram.
    pub(crate) fn of(header_len: usize, packet: &Packet) -> Option<Segments> {
        Segments::behind(0, header_len, packet)
    }

    /// As [`Segments::of`], of a packet whose header is there.
    pub(crate) fn of_datagram(header_len: usize, packet: &Packet) -> Option<Segments> {
        Segments::behind(header_len, header_len, packet)
    }

    /// Of the payload that begins `from` bytes from the packet's front.
    fn behind(from: usize, header_len: usize, packet: &Packet) -> Option<Segments> {
        let (transport, size) = match packet.segmentation() {
            Segmentation::None => return None,
            // RFC 9293 §3.1: the data offset, in words.
            Segmentation::Tcp4 { size } => {
                let words = packet.front().get(from + 12).map(|byte| usize::from(byte >> 4));
                (words.map_or(20, |words| words * 4), size)
            }
            Segmentation::Udp4 { size } => (8, size),
        };
        let data = packet.len().saturating_sub(from + transport);
        let size = usize::from(size.max(1));
        Some(Segments {
            count: data.div_ceil(size).max(1),
            headers: header_len + transport,
            data: data.min(size),
        })
    }

    /// Bytes on the wire, IP header included.
    pub(crate) fn longest(self) -> usize {
        self.headers + self.data
    }
}
