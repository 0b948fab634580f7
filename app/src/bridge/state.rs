//! What the kernel has, in the words of `ip -j`: links, addresses, routes.
//!
//! Addresses and links are read leniently, since only a few of their fields matter here. A route
//! is read strictly: one with a field that is not known could not be put back as it was, so it is
//! refused instead of moved in part.

use std::net::IpAddr;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What `ip -j` gives for a lifetime without an end.
pub(super) const FOREVER: u32 = u32::MAX;

/// An interface.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Link {
    pub(super) ifindex: u32,
    pub(super) ifname: String,
    pub(super) flags: Vec<String>,
    pub(super) mtu: u32,
    pub(super) link_type: String,
    /// The Ethernet address.
    pub(super) address: String,
    /// The bridge or bond whose port it is.
    pub(super) master: Option<String>,
    pub(super) ifalias: Option<String>,
    pub(super) linkinfo: LinkInfo,
}

/// Of what kind an interface is; empty for hardware.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LinkInfo {
    pub(super) info_kind: String,
    pub(super) info_data: Map<String, Value>,
    /// What its master knows of it.
    pub(super) info_slave_data: Map<String, Value>,
}

impl Link {
    pub(super) fn is_up(&self) -> bool {
        self.flags.iter().any(|flag| flag == "UP")
    }

    pub(super) fn is_bridge(&self) -> bool {
        self.linkinfo.info_kind == "bridge"
    }

    /// Whether it is a port through which frames pass.
    pub(super) fn is_forwarding(&self) -> bool {
        self.linkinfo.info_slave_data.get("state").is_some_and(|state| state == "forwarding")
    }

    pub(super) fn is_tap(&self) -> bool {
        self.linkinfo.info_kind == "tun"
            && self.linkinfo.info_data.get("type").is_some_and(|kind| kind == "tap")
    }
}

/// An address of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Address {
    pub(super) family: String,
    pub(super) local: Option<IpAddr>,
    /// The other end of a point-to-point address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<IpAddr>,
    pub(super) prefixlen: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) broadcast: Option<IpAddr>,
    pub(super) scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metric: Option<u32>,
    pub(super) noprefixroute: bool,
    pub(super) autojoin: bool,
    pub(super) home: bool,
    pub(super) mngtmpaddr: bool,
    pub(super) nodad: bool,
    pub(super) tentative: bool,
    pub(super) valid_life_time: u32,
    pub(super) preferred_life_time: u32,
}

impl Address {
    pub(super) fn is_v6(&self) -> bool {
        self.family == "inet6"
    }

    /// Whether the bridge only gets a copy: a link-local IPv6 address, of which every link has its
    /// own (RFC 4291 §2.8), stays where it is.
    pub(super) fn is_copied(&self) -> bool {
        self.is_v6() && self.scope == "link"
    }

    /// Whether both are the same address, whatever their lifetimes, labels and flags.
    pub(super) fn is(&self, other: &Address) -> bool {
        (self.local, self.address, self.prefixlen) == (other.local, other.address, other.prefixlen)
    }

    /// The networks whose routes the kernel makes for this address, and these routes' metric.
    fn made_routes(&self) -> (Vec<(IpAddr, u8)>, u32) {
        let mut nets = Vec::new();
        let network = |addr: Option<IpAddr>| Some(ip::Cidr::new(addr?, self.prefixlen)?.network());
        if self.is_v6() {
            // The other end's comes when detection of duplicates has ended, whatever the flags.
            nets.extend(self.address.map(|peer| (peer, 128)));
            nets.extend(network(self.local).map(|net| (net.addr, self.prefixlen)));
        } else if self.prefixlen < 32 || self.address.is_some() {
            nets.extend(network(self.address.or(self.local)).map(|net| (net.addr, net.prefix)));
        }
        if self.noprefixroute {
            nets.retain(|(addr, _)| self.is_v6() && Some(*addr) == self.address);
        }
        (nets, self.metric.unwrap_or(if self.is_v6() { 256 } else { 0 }))
    }
}

/// A route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Route {
    /// Of IPv6; `ip -j` leaves that to the one who asked.
    pub(super) v6: bool,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) dst: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tos: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gateway: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) via: Option<Via>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dev: Option<String>,
    pub(super) flags: Vec<String>,
    pub(super) table: String,
    pub(super) protocol: String,
    pub(super) scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prefsrc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metric: Option<u32>,
    pub(super) metrics: Vec<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<u32>,
    pub(super) nexthops: Vec<Hop>,
}

/// One of a route's several paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Hop {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gateway: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) via: Option<Via>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dev: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<u32>,
    pub(super) flags: Vec<String>,
}

/// A gateway of the other family (RFC 5549's IPv4 by way of IPv6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Via {
    pub(super) family: String,
    pub(super) host: String,
}

impl Route {
    /// Whether the kernel makes it by itself for an interface that is up and has `addresses`.
    pub(super) fn is_made_by(&self, addresses: &[Address]) -> bool {
        if self.protocol != "kernel" {
            return false;
        }
        if self.is_of_link() {
            return true;
        }
        // NetworkManager gives addresses without a route, and adds the route itself, with the
        // kernel's name on it.
        let whole = if self.v6 { 128 } else { 32 };
        addresses.iter().filter(|address| address.is_v6() == self.v6).any(|address| {
            let (nets, metric) = address.made_routes();
            let dst = nets.into_iter().map(|(net, prefix)| match prefix == whole {
                true => net.to_string(),
                false => format!("{net}/{prefix}"),
            });
            self.metric.unwrap_or(0) == metric && dst.into_iter().any(|dst| dst == self.dst)
        })
    }

    /// Whether every link that is up has the like: for its own addresses, and link-local ones.
    pub(super) fn is_of_link(&self) -> bool {
        self.protocol == "kernel" && (self.table == "local" || self.dst == "fe80::/64")
    }

    /// The same route, by way of `to` wherever it goes by way of `from`.
    pub(super) fn moved(&self, from: &str, to: &str) -> Route {
        let mut route = self.clone();
        let of_hops = route.nexthops.iter_mut().map(|hop| &mut hop.dev);
        for dev in of_hops.chain([&mut route.dev]) {
            if dev.as_deref() == Some(from) {
                *dev = Some(to.into());
            }
        }
        route
    }

    /// Whether both are the same route, whatever the state of its link and its remaining time.
    pub(super) fn is(&self, other: &Route) -> bool {
        self.lasting() == other.lasting()
    }

    fn lasting(&self) -> Route {
        let mut route = self.clone();
        route.expires = None;
        let of_hops = route.nexthops.iter_mut().map(|hop| &mut hop.flags);
        for flags in of_hops.chain([&mut route.flags]) {
            flags.retain(|flag| flag == "onlink");
        }
        route
    }

    /// Without a gateway: others may need it to reach theirs.
    pub(super) fn is_direct(&self) -> bool {
        self.gateway.is_none() && self.via.is_none() && self.nexthops.is_empty()
    }
}

/// Everything there was at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) links: Vec<Link>,
    /// By the interface's name.
    addresses: Vec<(String, Address)>,
    /// Of both families, as they came.
    routes: Vec<(bool, Value)>,
}

impl State {
    /// From what these four print:
    /// `ip -d -j link`, `ip -j address`, `ip -4 -d -j route show table all` and the same with `-6`.
    pub(super) fn parse(
        links: &str,
        addresses: &str,
        routes4: &str,
        routes6: &str,
    ) -> anyhow::Result<State> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct WithAddresses {
            ifname: String,
            addr_info: Vec<Address>,
        }
        let mut state = State { links: list(links)?, ..State::default() };
        for link in list::<WithAddresses>(addresses)? {
            let name = link.ifname;
            state.addresses.extend(link.addr_info.into_iter().map(|info| (name.clone(), info)));
        }
        for (v6, text) in [(false, routes4), (true, routes6)] {
            state.routes.extend(list::<Value>(text)?.into_iter().map(|value| (v6, value)));
        }
        Ok(state)
    }

    pub(super) fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.ifname == name)
    }

    /// In the kernel's order.
    pub(super) fn addresses_of(&self, name: &str) -> Vec<Address> {
        let its = self.addresses.iter().filter(|(link, _)| link == name);
        its.map(|(_, address)| address.clone()).collect()
    }

    /// The routes by way of `name`, those without a gateway first.
    ///
    /// # Errors
    /// There is one that could not be put back as it is: the text says which, and why.
    pub(super) fn routes_of(&self, name: &str) -> anyhow::Result<Vec<Route>> {
        let mut routes = self.values_of(name).map(read_route).collect::<Result<Vec<_>, _>>()?;
        routes.sort_by_key(|route| !route.is_direct());
        Ok(routes)
    }

    /// As [`State::routes_of`], without those that could not be read.
    pub(super) fn known_routes_of(&self, name: &str) -> Vec<Route> {
        self.values_of(name).flat_map(read_route).collect()
    }

    fn values_of(&self, name: &str) -> impl Iterator<Item = &(bool, Value)> {
        self.routes.iter().filter(move |(_, value)| {
            let of_hops = value["nexthops"].as_array().into_iter().flatten();
            of_hops.chain([value]).any(|hop| hop["dev"] == name)
        })
    }
}

/// The elements of a list that `ip -j` printed. It prints nothing where there is nothing, and
/// empty objects in place of what it left out.
fn list<T: serde::de::DeserializeOwned>(text: &str) -> anyhow::Result<Vec<T>> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let values: Vec<Value> = serde_json::from_str(text).context("`ip -j` printed no JSON")?;
    let full = values.into_iter().filter(|value| value.as_object().is_some_and(|o| !o.is_empty()));
    full.map(|value| serde_json::from_value(value).context("`ip -j` printed something new"))
        .collect()
}

fn read_route((v6, value): &(bool, Value)) -> anyhow::Result<Route> {
    let what = || {
        let text = |key: &str| value[key].as_str().unwrap_or("?").to_string();
        format!("the route to {} in table {} cannot be moved", text("dst"), text("table"))
    };
    // It has two fields named `dst`, of which a reader of JSON keeps one.
    if value.get("encap").is_some() {
        anyhow::bail!("{}: it has an `encap`", what());
    }
    let mut value = value.clone();
    if value.get("nhid").is_some() {
        anyhow::bail!("{}: it uses a nexthop object (`ip nexthop`)", what());
    }
    if let Some(fields) = value.as_object_mut() {
        fields.insert("v6".into(), (*v6).into());
        // Only on routes that lead nowhere, and on dead ones: no part of what was asked for.
        fields.remove("error");
    }
    let route: Route = serde_json::from_value(value).with_context(what)?;
    super::words::check(&route).with_context(what)?;
    Ok(route)
}
