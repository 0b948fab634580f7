//! The stack as a person sees it, and changes of its configuration.

use ip::{Cidr, IfIndex, RouteEntry};
use netdev::{Counter, Instant, LinkState, MacAddr, Medium, Stats};

use crate::{RawInfo, Stack};

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
    /// `arp`, `ip`, `icmp`, `udp`, `tcp`, or `stack` for the glue between them.
    pub layer: &'static str,
    /// Which interface, for the layers that exist once for each.
    pub interface: Option<String>,
    /// Every counter, the ones at zero too.
    pub counters: Vec<Counter>,
}

/// Why a change of configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// By IP.
    #[error(transparent)]
    Ip(#[from] ip::Error),
    /// By the address resolution.
    #[error(transparent)]
    Arp(#[from] arp::Error),
    /// There is no such interface.
    #[error("no interface {0}")]
    NoInterface(IfIndex),
    /// The interface needs no address resolution, so it has none.
    #[error("interface {0} has no address resolution")]
    NoResolver(IfIndex),
    /// The interface has no such address.
    #[error("no address {0} on the interface")]
    NoAddress(Cidr),
    /// The device cannot have this MTU.
    #[error("the device cannot have an MTU of {0}")]
    BadMtu(usize),
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

    /// The neighbours of every interface.
    pub fn arp_entries(&self, now: Instant) -> Vec<(IfIndex, arp::Entry)> {
        let resolvers =
            self.interfaces.iter().filter_map(|i| Some((i.index, i.resolver.as_ref()?)));
        resolvers
            .flat_map(|(index, r)| r.entries(now).into_iter().map(move |e| (index, e)))
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
        let mut glue = self.interfaces.counts.clone();
        glue.merge(self.raw.counts());
        arp.chain([
            one("ip", self.ip.counters()),
            one("icmp", self.icmp.counters()),
            one("udp", self.udp.counters()),
            one("tcp", self.tcp.counters()),
            one("stack", glue.rows().collect()),
        ])
        .collect()
    }

    /// Changes routes, memberships or forwarding. Interfaces and addresses have calls of their
    /// own here.
    pub fn configure(&mut self, now: Instant, change: ip::Change) -> Result<(), ConfigError> {
        Ok(self.ip.configure(now, change)?)
    }

    /// Changes an interface's neighbours.
    pub fn configure_arp(
        &mut self,
        now: Instant,
        index: IfIndex,
        change: arp::Change,
    ) -> Result<(), ConfigError> {
        let interface = self.interface_mut(index)?;
        let done = interface.configure_resolver(now, change);
        let done = done.ok_or(ConfigError::NoResolver(index))?;
        self.interfaces.flush(now);
        Ok(done?)
    }

    /// Gives an interface one more address.
    pub fn add_address(
        &mut self,
        now: Instant,
        index: IfIndex,
        addr: Cidr,
    ) -> Result<(), ConfigError> {
        let interface = self.interface_mut(index)?;
        if interface.addrs.contains(&addr) {
            return Ok(());
        }
        interface.addrs.push(addr);
        // IP decides whether it can be an address; only then do the neighbours hear of it.
        if let Err(refused) = self.update_ip(now, index) {
            self.interface_mut(index)?.addrs.pop();
            self.update_ip(now, index)?;
            return Err(refused);
        }
        match self.configure_arp(now, index, arp::Change::AddAddress(addr.addr)) {
            Err(ConfigError::NoResolver(_)) => Ok(()),
            done => done,
        }
    }

    /// Takes an address away from an interface.
    pub fn remove_address(
        &mut self,
        now: Instant,
        index: IfIndex,
        addr: Cidr,
    ) -> Result<(), ConfigError> {
        let interface = self.interface_mut(index)?;
        let at = interface.addrs.iter().position(|a| *a == addr);
        interface.addrs.remove(at.ok_or(ConfigError::NoAddress(addr))?);
        self.update_ip(now, index)?;
        match self.configure_arp(now, index, arp::Change::RemoveAddress(addr.addr)) {
            Err(ConfigError::NoResolver(_)) => Ok(()),
            done => done,
        }
    }

    /// Takes an interface into use, or out of it.
    pub fn set_interface_up(
        &mut self,
        now: Instant,
        index: IfIndex,
        up: bool,
    ) -> Result<(), ConfigError> {
        self.interface_mut(index)?.admin_up = up;
        self.update_ip(now, index)
    }

    /// Changes the largest datagram of an interface, in bytes.
    pub fn set_mtu(&mut self, now: Instant, index: IfIndex, mtu: usize) -> Result<(), ConfigError> {
        if !self.interface_mut(index)?.port.set_mtu(mtu) {
            return Err(ConfigError::BadMtu(mtu));
        }
        self.update_ip(now, index)
    }
}
