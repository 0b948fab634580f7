//! `route add` and `route del`.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, bail, ensure};
use ip::{Change, Cidr, IfIndex, RouteEntry, RouteOrigin};

use crate::Context;
use crate::commands::{links, words};

/// What may stand behind a destination.
pub(super) const KEYWORDS: &[&str] = &["via", "dev", "metric"];

/// A route as a person says it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    dst: Cidr,
    via: Option<Ipv4Addr>,
    dev: Option<String>,
    metric: Option<u32>,
}

impl Said {
    fn read<'a>(dst: &str, words: impl IntoIterator<Item = &'a String>) -> anyhow::Result<Said> {
        let [via, dev, metric] = words::pairs(["via", "dev", "metric"], words)?;
        let via = via.map(|text| text.parse().ok().with_context(|| not_an_address("via", text)));
        let metric = metric.map(|text| {
            text.parse()
                .ok()
                .with_context(|| format!("metric {text}: not a number up to {}", u32::MAX))
        });
        Ok(Said {
            dst: destination(dst)?,
            via: via.transpose()?,
            dev: dev.map(String::from),
            metric: metric.transpose()?,
        })
    }

    /// Whether a route of the table is meant.
    fn means(&self, route: &RouteEntry, dev: Option<IfIndex>) -> bool {
        route.dst == self.dst
            && self.via.is_none_or(|via| route.gateway == Some(via.into()))
            && dev.is_none_or(|dev| route.iface == dev)
            && self.metric.is_none_or(|metric| route.metric == metric)
    }
}

fn not_an_address(what: &str, text: &str) -> String {
    format!("{what} {text}: not an IPv4 address, as 10.0.0.2")
}

/// `default`, a network, or one host.
fn destination(text: &str) -> anyhow::Result<Cidr> {
    if text == "default" {
        return Ok(Cidr { addr: Ipv4Addr::UNSPECIFIED.into(), prefix: 0 });
    }
    let cidr = match text.parse::<Ipv4Addr>() {
        Ok(addr) => Cidr::host(addr.into()),
        Err(_) => {
            text.parse::<Cidr>().ok().filter(|cidr| cidr.addr.is_ipv4()).with_context(|| {
                format!("{text}: not a destination, as 10.1.0.0/16, 10.1.2.3 or default")
            })?
        }
    };
    // 10.1.2.3/16 may be a slip of one number or of the other.
    ensure!(cidr == cidr.network(), "{cidr}: not a network; {} is one", cidr.network());
    Ok(cidr)
}

/// Adds a route.
pub(super) fn add<'a>(
    context: &Context,
    dst: &str,
    words: impl IntoIterator<Item = &'a String>,
) -> anyhow::Result<()> {
    let said = Said::read(dst, words)?;
    let iface = match (&said.dev, said.via) {
        (Some(name), _) => links::named(context, name)?.index,
        (None, Some(via)) => {
            let on = |view: &&socket::InterfaceView| {
                !view.loopback && view.addrs.iter().any(|own| own.contains(via.into()))
            };
            let all = context.net.with(|stack, _| stack.interfaces());
            let found = all.iter().find(on).map(|view| view.index);
            found.with_context(|| format!("via {via}: on no network of this host; say `dev IF`"))?
        }
        (None, None) => bail!("by which way? `via HOP`, or `dev IF` where it is on the link"),
    };
    let entry = RouteEntry {
        dst: said.dst,
        gateway: said.via.map(IpAddr::V4),
        iface,
        metric: said.metric.unwrap_or(0),
        source: None,
        origin: RouteOrigin::Static,
    };
    context.net.with(|stack, now| {
        let same = |old: &RouteEntry| {
            (old.origin, old.dst, old.metric) == (RouteOrigin::Static, entry.dst, entry.metric)
        };
        ensure!(
            !stack.routes().iter().any(same),
            "{} with metric {} is there already; `route del` it, or choose another metric",
            entry.dst,
            entry.metric
        );
        Ok(stack.configure(now, Change::AddRoute(entry))?)
    })
}

/// Takes the best route away that is meant.
pub(super) fn remove<'a>(
    context: &Context,
    dst: &str,
    words: impl IntoIterator<Item = &'a String>,
) -> anyhow::Result<()> {
    let said = Said::read(dst, words)?;
    let dev = said.dev.as_ref().map(|name| links::named(context, name)).transpose()?;
    let dev = dev.map(|view| view.index);
    context.net.with(|stack, now| {
        let routes = stack.routes();
        let mut meant = routes.iter().filter(|route| said.means(route, dev)).peekable();
        ensure!(meant.peek().is_some(), "{}: no such route; `route` lists them", said.dst);
        let own = |route: &&RouteEntry| {
            matches!(route.origin, RouteOrigin::Local | RouteOrigin::Connected)
        };
        let Some(route) = meant.find(|route| !own(route)) else {
            bail!("{}: it goes with an interface's address", said.dst);
        };
        let (dst, gateway, metric) = (route.dst, route.gateway, Some(route.metric));
        Ok(stack.configure(now, Change::RemoveRoute { dst, gateway, metric })?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Said, String> {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        Said::read(&words[0], &words[1..]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_route_as_a_person_says_it() {
        let said = read("10.1.0.0/16 metric 7 via 10.0.0.2").unwrap();
        assert_eq!(said.dst.to_string(), "10.1.0.0/16");
        assert_eq!((said.via, said.metric), (Some([10, 0, 0, 2].into()), Some(7)));
        assert_eq!(read("default via 10.0.0.2").unwrap().dst.to_string(), "0.0.0.0/0");
        assert_eq!(read("10.1.2.3 dev tap0").unwrap().dst.to_string(), "10.1.2.3/32");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, complaint) in [
            ("10.1.2.3/16", "10.1.2.3/16: not a network; 10.1.0.0/16 is one"),
            ("nas", "nas: not a destination, as 10.1.0.0/16, 10.1.2.3 or default"),
            ("::/0", "::/0: not a destination, as 10.1.0.0/16, 10.1.2.3 or default"),
            ("default via x", "via x: not an IPv4 address, as 10.0.0.2"),
            ("default metric -1", "metric -1: not a number up to 4294967295"),
            ("default gw 10.0.0.2", "`gw`: not one of via, dev, metric"),
        ] {
            assert_eq!(read(line), Err(complaint.into()));
        }
    }
}
