//! Interfaces as a person names them.

use std::net::Ipv4Addr;

use anyhow::{Context as _, bail};
use ip::{Hop, IfIndex};
use socket::InterfaceView;

use crate::Context;

/// The interface of that name.
pub(super) fn named(context: &Context, name: &str) -> anyhow::Result<InterfaceView> {
    let mut all = context.net.with(|stack, _| stack.interfaces());
    let Some(at) = all.iter().position(|view| view.name == name) else {
        let names: Vec<&str> = all.iter().map(|view| view.name.as_str()).collect();
        bail!("no interface `{name}`; there are {}", names.join(", "));
    };
    Ok(all.swap_remove(at))
}

/// The name of an interface; its number where it has gone meanwhile.
pub(super) fn name_of(interfaces: &[InterfaceView], index: IfIndex) -> String {
    let found = interfaces.iter().find(|view| view.index == index);
    found.map_or_else(|| index.to_string(), |view| view.name.clone())
}

/// The interface on whose network the neighbour `addr` is: the one that was said, or that of the
/// route.
pub(super) fn towards(
    context: &Context,
    said: Option<&String>,
    addr: Ipv4Addr,
) -> anyhow::Result<InterfaceView> {
    if let Some(name) = said {
        return named(context, name);
    }
    let (route, all) =
        context.net.with(|stack, now| (stack.route(now, addr.into()), stack.interfaces()));
    let near = route.ok().filter(|way| !way.local && way.hop == Hop::Neighbour(addr.into()));
    let found = near.and_then(|way| all.into_iter().find(|view| view.index == way.iface));
    found.with_context(|| format!("{addr} is on no network of this host; say which interface"))
}
