//! Ports of the outside address that belong to servers inside.
//!
//! A forwarded port is a mapping that nobody has to begin and that no silence ends: its endpoint
//! inside is that port outside whatever it sends, so that independence of the peer (RFC 4787 REQ-1)
//! holds for servers too. Therefore one endpoint inside has one port outside at most.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::content::{Endpoint, Kind};
use super::{PortForward, Table};
use crate::{Change, Error, Protocol, Router};

/// How many there may be: each is somebody's typed line.
const MAX: usize = 1024;

/// Which port outside is which endpoint inside, both ways.
#[derive(Debug, Default)]
pub(crate) struct Forwards {
    /// The first address of the outside interface, at which the ports are.
    addr: Option<Ipv4Addr>,
    inside: BTreeMap<(Kind, u16), Endpoint>,
    ports: BTreeMap<(Kind, Endpoint), u16>,
}

impl Forwards {
    pub(crate) fn inside_of(&self, kind: Kind, outside: Endpoint) -> Option<Endpoint> {
        self.addr.filter(|addr| *addr == outside.addr)?;
        self.inside.get(&(kind, outside.port)).copied()
    }

    pub(crate) fn outside_of(&self, kind: Kind, inside: Endpoint) -> Option<Endpoint> {
        let port = *self.ports.get(&(kind, inside))?;
        Some(Endpoint { addr: self.addr?, port })
    }

    pub(crate) fn has_port(&self, kind: Kind, port: u16) -> bool {
        self.inside.contains_key(&(kind, port))
    }

    /// Each, by protocol and port.
    pub(crate) fn rows(&self) -> Vec<PortForward> {
        let row = |(&(kind, port), inside): (&(Kind, u16), &Endpoint)| PortForward {
            protocol: kind.protocol(),
            port,
            to: (inside.addr.into(), inside.port),
        };
        self.inside.iter().map(row).collect()
    }
}

impl Table {
    /// The outside interface's first address is this one.
    pub(crate) fn set_forwarding_addr(&mut self, addr: Option<Ipv4Addr>) {
        self.forwards.addr = addr;
    }

    /// Gives a port to an endpoint inside. What either was mapped to before is forgotten.
    fn forward(&mut self, kind: Kind, port: u16, inside: Endpoint) -> Result<(), Error> {
        let forwards = &self.forwards;
        if forwards.ports.get(&(kind, inside)).is_some_and(|other| *other != port) {
            return Err(Error::Unsupported("forward two ports to one endpoint"));
        }
        if !forwards.has_port(kind, port) && forwards.inside.len() >= MAX {
            return Err(Error::Full(MAX, "forwarded ports"));
        }
        self.end_forward(kind, port);
        self.forget_mappings(|of, from, to| of == kind && (from == inside || to.port == port));
        self.forwards.inside.insert((kind, port), inside);
        self.forwards.ports.insert((kind, inside), port);
        Ok(())
    }

    /// Takes it back, with every session over it. Gives whether there was any.
    fn end_forward(&mut self, kind: Kind, port: u16) -> bool {
        let Some(inside) = self.forwards.inside.remove(&(kind, port)) else { return false };
        self.forwards.ports.remove(&(kind, inside));
        self.forget_mappings(|of, from, _| (of, from) == (kind, inside));
        true
    }
}

impl Router {
    /// Does what [`Change::Forward`] and [`Change::RemoveForward`] ask.
    pub(crate) fn change_forwards(&mut self, change: Change) -> Result<(), Error> {
        let on = Error::Unsupported("forward a port without a translation");
        match change {
            Change::Forward(PortForward { protocol, port, to: (addr, to) }) => {
                let kind = transport(protocol)?;
                let IpAddr::V4(host) = addr else {
                    return Err(Error::BadAddress(addr, "a host inside"));
                };
                if port == 0 || to == 0 {
                    return Err(Error::Unsupported("forward port 0"));
                }
                let Some(table) = &self.nat else { return Err(on) };
                let way = self.table_route(host).map(|entry| entry.iface);
                if way != Some(table.nat.inside) || self.interfaces.is_local(host) {
                    return Err(Error::BadAddress(addr, "a host inside"));
                }
                let Some(table) = &mut self.nat else { return Err(on) };
                table.forward(kind, port, Endpoint { addr: host, port: to })
            }
            Change::RemoveForward { protocol, port } => {
                let kind = transport(protocol)?;
                let Some(table) = &mut self.nat else { return Err(on) };
                let ended = table.end_forward(kind, port);
                ended.then_some(()).ok_or(Error::Unsupported("end a forward that it does not have"))
            }
            _ => Ok(()),
        }
    }
}

fn transport(protocol: Protocol) -> Result<Kind, Error> {
    let kind = Kind::of(protocol).filter(|kind| *kind != Kind::Icmp);
    kind.ok_or(Error::Unsupported("forward ports of a protocol that has none"))
}
