//! Changes of a stack's configuration: interfaces, addresses, routes, neighbours.

use std::net::IpAddr;

use arp::Resolver;
use ip::{Cidr, IfIndex, RouteEntry, RouteOrigin};
use netdev::{Device, Instant, MacAddr, Port};

use crate::Stack;
use crate::interfaces::Interface;

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
    /// The port of DHCP clients cannot be had.
    #[error("the DHCP client cannot use its port: {0}")]
    Dhcp(ip::SocketError),
    /// The device cannot have this MTU.
    #[error("the device cannot have an MTU of {0}")]
    BadMtu(usize),
}

/// The route to everywhere by `gateway`. Of several interfaces that have one, the first that is up
/// is used: each has a worse metric than the one before.
pub(crate) fn default_route(gateway: IpAddr, iface: IfIndex) -> RouteEntry {
    RouteEntry {
        dst: Cidr { addr: IpAddr::from([0, 0, 0, 0]), prefix: 0 },
        gateway: Some(gateway),
        iface,
        metric: 100 * iface.0.saturating_sub(1),
        source: None,
        origin: RouteOrigin::Static,
    }
}

impl Stack {
    /// Adds an interface with its addresses; with a `gateway` also a default route by it. `mac`
    /// is the interface's own link address, and `resolver` finds those of others: `None` for a
    /// device without link addresses ([`netdev::Medium::Ip`]).
    pub fn add_interface(
        &mut self,
        now: Instant,
        device: Box<dyn Device>,
        mac: MacAddr,
        resolver: Option<Box<dyn Resolver>>,
        addrs: &[Cidr],
        gateway: Option<IpAddr>,
    ) -> Result<IfIndex, ConfigError> {
        let index = self.interfaces.add(Port::new(device, mac), resolver);
        let done = self.set_up(now, index, addrs, gateway);
        if done.is_err() {
            let _ = self.remove_interface(now, index);
        }
        done.map(|()| index)
    }

    /// Adds the loopback interface, with 127.0.0.1/8. It always has index 0.
    pub fn add_loopback(
        &mut self,
        now: Instant,
        device: Box<dyn Device>,
    ) -> Result<IfIndex, ConfigError> {
        let index = self.interfaces.add_loopback(Port::new(device, MacAddr::ZERO));
        let loopback = Cidr { addr: IpAddr::from([127, 0, 0, 1]), prefix: 8 };
        self.set_up(now, index, &[loopback], None)?;
        Ok(index)
    }

    fn set_up(
        &mut self,
        now: Instant,
        index: IfIndex,
        addrs: &[Cidr],
        gateway: Option<IpAddr>,
    ) -> Result<(), ConfigError> {
        self.update_ip(now, index)?;
        for &addr in addrs {
            self.add_address(now, index, addr)?;
        }
        match gateway {
            Some(gateway) => {
                self.configure(now, ip::Change::AddRoute(default_route(gateway, index)))
            }
            None => Ok(()),
        }
    }

    /// Takes an interface away, with its addresses and routes, and gives its device back to be
    /// dropped.
    pub fn remove_interface(&mut self, now: Instant, index: IfIndex) -> Result<(), ConfigError> {
        self.interfaces.remove(index).ok_or(ConfigError::NoInterface(index))?;
        self.claims.retain(|claim| claim.iface != index);
        Ok(self.ip.configure(now, ip::Change::RemoveInterface(index))?)
    }

    /// Tells IP the facts of an interface, after any of them changed.
    pub(crate) fn update_ip(&mut self, now: Instant, index: IfIndex) -> Result<(), ConfigError> {
        let facts = self.interface(index)?.for_ip();
        Ok(self.ip.configure(now, ip::Change::SetInterface(facts))?)
    }

    pub(crate) fn interface(&self, index: IfIndex) -> Result<&Interface, ConfigError> {
        self.interfaces.find(index).ok_or(ConfigError::NoInterface(index))
    }

    pub(crate) fn interface_mut(&mut self, index: IfIndex) -> Result<&mut Interface, ConfigError> {
        self.interfaces.find_mut(index).ok_or(ConfigError::NoInterface(index))
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

    /// Takes an address away from an interface. Its connections stay, as on Linux: they say nothing
    /// and hear nothing until they give up, or go on when the address comes back before that.
    pub fn remove_address(
        &mut self,
        now: Instant,
        index: IfIndex,
        addr: Cidr,
    ) -> Result<(), ConfigError> {
        let claimed = self.forget_claim(index, addr);
        let interface = self.interface_mut(index)?;
        match interface.addrs.iter().position(|a| *a == addr) {
            Some(at) => drop(interface.addrs.remove(at)),
            // It is only asked for yet.
            None if claimed => {}
            None => return Err(ConfigError::NoAddress(addr)),
        }
        self.update_ip(now, index)?;
        match self.configure_arp(now, index, arp::Change::RemoveAddress(addr.addr)) {
            Err(ConfigError::NoResolver(_)) => Ok(()),
            done => done,
        }
    }

    /// Takes an interface into use, or out of it. Its addresses and routes stay, and are used again
    /// when it is up, while the link is asked anew whether the addresses are still free where that
    /// was asked before; of its neighbours only the permanent ones are remembered. What arrives
    /// meanwhile, and what would leave, is dropped and counted.
    pub fn set_interface_up(
        &mut self,
        now: Instant,
        index: IfIndex,
        up: bool,
    ) -> Result<(), ConfigError> {
        let interface = self.interface_mut(index)?;
        if interface.admin_up && !up {
            // Who is there when it comes up again is not known.
            let _ = interface.configure_resolver(now, arp::Change::Flush);
        }
        let connected = up && !interface.admin_up;
        interface.admin_up = up;
        self.update_ip(now, index)?;
        if connected {
            self.reconnected(now, index);
        }
        Ok(())
    }

    /// Changes the largest datagram of an interface, in bytes.
    pub fn set_mtu(&mut self, now: Instant, index: IfIndex, mtu: usize) -> Result<(), ConfigError> {
        if !self.interface_mut(index)?.port.set_mtu(mtu) {
            return Err(ConfigError::BadMtu(mtu));
        }
        self.update_ip(now, index)
    }
}
