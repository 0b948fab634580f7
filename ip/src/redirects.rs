//! Better first hops that routers told of (RFC 1122 §3.2.2.2 and §3.3.1.2).

use std::net::{IpAddr, Ipv4Addr};

use netdev::Instant;

use crate::learnt::Learnt;
use crate::settings::Config;
use crate::{Cidr, RouteEntry, RouteOrigin};

/// Redirects by destination: network redirects count for the one destination too, as RFC 1122
/// §3.2.2.2 wants it.
#[derive(Debug)]
pub(crate) struct Redirects(Learnt<Redirect>);

/// One redirect.
#[derive(Clone, Copy, Debug)]
struct Redirect {
    /// The gateway that sent it: it holds while the route leads there.
    instead_of: IpAddr,
    /// Where to send from now on.
    route: RouteEntry,
}

impl Redirects {
    pub(crate) fn new(config: &Config) -> Redirects {
        Redirects(Learnt::new(config.redirect_timeout, config.learnt_entries))
    }

    /// The route to `dst` that corrects `route`, where there is one.
    pub(crate) fn correct(
        &self,
        now: Instant,
        dst: Ipv4Addr,
        route: &RouteEntry,
    ) -> Option<&RouteEntry> {
        let redirect = self.0.find(now, dst)?;
        let holds =
            route.gateway == Some(redirect.instead_of) && route.iface == redirect.route.iface;
        holds.then_some(&redirect.route)
    }

    /// Follows a redirect: what went by `route` goes by `gateway` from now on. A gateway that is
    /// the destination itself says that it is a neighbour.
    pub(crate) fn follow(
        &mut self,
        now: Instant,
        dst: Ipv4Addr,
        route: &RouteEntry,
        gateway: IpAddr,
    ) {
        let Some(instead_of) = route.gateway else { return };
        let route = RouteEntry {
            dst: Cidr::host(dst.into()),
            gateway: (gateway != IpAddr::V4(dst)).then_some(gateway),
            origin: RouteOrigin::Redirect,
            ..*route
        };
        self.0.learn(now, dst, Redirect { instead_of, route });
    }

    pub(crate) fn forget(&mut self, dst: Ipv4Addr) -> bool {
        self.0.forget(dst)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn tidy(&mut self, now: Instant) {
        self.0.tidy(now);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &RouteEntry> {
        self.0.iter().map(|(_, redirect)| &redirect.route)
    }
}
