//! The stack as a person sees it, and changes of its configuration.

use ip::{Cidr, IfIndex, RouteEntry};
use netdev::{Counter, Instant, LinkState, MacAddr, Medium, Stats};

use crate::{DropReason, RawInfo, Stack};

/// An interface, as `ifconfig` shows it.
#[derive(Clone, Debug)]
pub struct InterfaceView {
    /// Its number.
    pub index: IfIndex,
    /// Its name.
    pub name: String,
    /// Its own link address; zero where the medium has none.
    pub mac: MacAddr,
    /// Its addresses.
    pub addrs: Vec<Cidr>,
    /// The largest datagram in bytes.
    pub mtu: usize,
    /// What its packets begin with.
    pub medium: Medium,
    /// Whether it leads back to this host.
    pub loopback: bool,
    /// Whether a person wants it up.
    pub up: bool,
    /// Whether its device is usable.
    pub link: LinkState,
    /// Its traffic.
    pub stats: Stats,
}

/// The counters of one layer.
#[derive(Clone, Debug)]
pub struct LayerCounters {
    /// `arp`, `ip`, `icmp`, `udp`, `tcp`, `stack` for the glue between them, `dns`, or `dhcp`.
    pub layer: &'static str,
    /// Which interface, for the layers that exist once for each.
    pub interface: Option<String>,
    /// Every counter, the ones at zero too.
    pub counters: Vec<Counter>,
}

impl Stack {
    /// The interfaces, by index.
    pub fn interfaces(&self) -> Vec<InterfaceView> {
        let view = |interface: &crate::interfaces::Interface| {
            let device = interface.port.device();
            let can = interface.port.capabilities();
            InterfaceView {
                index: interface.index,
                name: device.name().to_string(),
                mac: interface.port.mac(),
                addrs: interface.addrs.clone(),
                mtu: can.mtu,
                medium: can.medium,
                loopback: interface.loopback,
                up: interface.admin_up,
                link: device.link(),
                stats: interface.port.stats(),
            }
        };
        self.interfaces.iter().map(view).collect()
    }

    /// The routes, in the order in which they are looked up.
    pub fn routes(&self) -> Vec<RouteEntry> {
        self.ip.routes()
    }

    /// The way to a destination, as `ip route get` shows it; `Err` is what a sender is told.
    pub fn route(&self, now: Instant, dst: std::net::IpAddr) -> Result<ip::Route, ip::Cause> {
        self.ip.route(now, dst, None)
    }

    /// The address translation, where there is one, with its sessions.
    pub fn nat(&self, now: Instant) -> Option<ip::NatView> {
        self.ip.nat(now)
    }

    /// The neighbours of every interface.
    pub fn arp_entries(&self, now: Instant) -> Vec<(IfIndex, arp::Entry)> {
        let resolvers =
            self.interfaces.iter().filter_map(|i| Some((i.index, i.resolver.as_ref()?)));
        resolvers
            .flat_map(|(index, r)| r.entries(now).into_iter().map(move |e| (index, e)))
            .collect()
    }

    /// Who said lately, on any interface, that it is where.
    pub fn arp_sightings(&self) -> Vec<(IfIndex, arp::Sighting)> {
        let resolvers =
            self.interfaces.iter().filter_map(|i| Some((i.index, i.resolver.as_ref()?)));
        resolvers
            .flat_map(|(index, r)| r.sightings().into_iter().map(move |s| (index, s)))
            .collect()
    }

    /// All TCP sockets and connections.
    pub fn tcp_sockets(&self, now: Instant) -> Vec<tcp::Info> {
        self.tcp.sockets(now)
    }

    /// All UDP sockets.
    pub fn udp_sockets(&self) -> Vec<udp::Info> {
        self.udp.sockets()
    }

    /// All raw sockets.
    pub fn raw_sockets(&self) -> Vec<RawInfo> {
        self.raw.sockets()
    }

    /// Which DNS servers are asked for names, and what is known.
    pub fn names(&mut self) -> &mut crate::dns::Names {
        &mut self.dns
    }

    /// Every counter of every layer, from the bottom up. Those of the devices are in
    /// [`InterfaceView::stats`].
    pub fn counters(&self) -> Vec<LayerCounters> {
        let arp = self.interfaces.iter().filter_map(|interface| {
            Some(LayerCounters {
                layer: "arp",
                interface: Some(interface.port.device().name().to_string()),
                counters: interface.resolver.as_ref()?.counters(),
            })
        });
        let one = |layer, counters| LayerCounters { layer, interface: None, counters };
        let dhcp = self.dhcp.counters().map(|(iface, counters)| LayerCounters {
            layer: "dhcp",
            interface: self.interfaces.find(iface).map(|i| i.port.device().name().to_string()),
            counters,
        });
        let mut glue = self.interfaces.counts.clone();
        glue.merge(self.raw.counts());
        let unsent = self.interfaces.iter().map(|interface| interface.unsent).sum();
        glue.add_many(DropReason::InterfaceDown, unsent);
        arp.chain([
            one("ip", self.ip.counters()),
            one("icmp", self.icmp.counters()),
            one("udp", self.udp.counters()),
            one("tcp", self.tcp.counters()),
            one("stack", glue.rows().collect()),
            one("dns", self.dns.counters()),
        ])
        .chain(dhcp)
        .collect()
    }
}
