//! Addresses and routes in the words of `ip`, as it takes them in a batch.

use std::fmt::Write as _;

use anyhow::bail;
use serde_json::Value;

use super::state::{Address, FOREVER, Hop, Route, Via};

/// The commands that give `link` an address.
///
/// An IPv6 address that was in use a moment ago needs no detection of duplicates (RFC 4862 §5.4),
/// during which it could not be used: it is added without, and has its own flags afterwards.
pub(super) fn add_address(address: &Address, link: &str) -> Vec<String> {
    let whole = with_flags(address, link);
    if !address.is_v6() || address.tentative {
        return vec![format!("address add {whole}")];
    }
    let change = change_address(address, link).filter(|_| !address.nodad);
    [format!("address add {whole} nodad")].into_iter().chain(change).collect()
}

/// The command that gives an IPv6 address of `link` its flags; those of IPv4 have theirs at once.
pub(super) fn change_address(address: &Address, link: &str) -> Option<String> {
    let nodad = if address.nodad { " nodad" } else { "" };
    address.is_v6().then(|| format!("address change {}{nodad}", with_flags(address, link)))
}

pub(super) fn delete_address(address: &Address, link: &str) -> String {
    format!("address del {} dev {link}", ends(address))
}

fn ends(address: &Address) -> String {
    let Address { local, address, prefixlen, .. } = address;
    let text = |ip: &Option<std::net::IpAddr>| ip.map(|ip| ip.to_string()).unwrap_or_default();
    match address {
        None => format!("{}/{prefixlen}", text(local)),
        Some(peer) => format!("{} peer {peer}/{prefixlen}", text(local)),
    }
}

fn with_flags(address: &Address, link: &str) -> String {
    let mut words = format!("{} dev {link}", ends(address));
    let Address { broadcast, label, metric, .. } = address;
    if !address.is_v6() {
        if let Some(broadcast) = broadcast {
            let _ = write!(words, " broadcast {broadcast}");
        }
        let _ = write!(words, " scope {}", address.scope);
        if let Some(label) = label {
            let _ = write!(words, " label {label}");
        }
    }
    if let Some(metric) = metric {
        let _ = write!(words, " metric {metric}");
    }
    for (set, word) in [
        (address.noprefixroute, "noprefixroute"),
        (address.autojoin, "autojoin"),
        (address.home, "home"),
        (address.mngtmpaddr, "mngtmpaddr"),
    ] {
        if set {
            let _ = write!(words, " {word}");
        }
    }
    let (valid, preferred) = (address.valid_life_time, address.preferred_life_time);
    if (valid, preferred) != (FOREVER, FOREVER) {
        let lifetime = |seconds: u32| match seconds {
            FOREVER => "forever".to_string(),
            seconds => seconds.to_string(),
        };
        let (valid, preferred) = (lifetime(valid), lifetime(preferred));
        let _ = write!(words, " valid_lft {valid} preferred_lft {preferred}");
    }
    words
}

/// Appended, not added: the same route by way of another interface may be there still, and stays
/// in use until it is deleted.
pub(super) fn append_route(route: &Route) -> String {
    let mut words = format!("route append {}", key(route));
    if let Some(source) = &route.prefsrc {
        let _ = write!(words, " src {source}");
    }
    words.push_str(&hop(route));
    for metrics in &route.metrics {
        for (name, value) in metrics {
            words.push_str(&metric(name, value).unwrap_or_default());
        }
    }
    if let Some(pref) = &route.pref {
        let _ = write!(words, " pref {pref}");
    }
    if let Some(expires) = route.expires {
        let _ = write!(words, " expires {expires}");
    }
    words + &hops(route)
}

pub(super) fn delete_route(route: &Route) -> String {
    format!("route del {}{}{}", key(route), hop(route), hops(route))
}

/// What tells a route from others to the same place, without its paths.
fn key(route: &Route) -> String {
    // A batch has both families, and `default` would be of either.
    let dst = match (route.dst.as_str(), route.v6) {
        ("default", false) => "0.0.0.0/0",
        ("default", true) => "::/0",
        (dst, _) => dst,
    };
    let mut words = format!("{} {dst}", route.kind);
    let mut option = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = write!(words, " {name} {value}");
        }
    };
    option("from", route.from.as_deref());
    option("tos", route.tos.as_deref());
    option("table", Some(&route.table));
    option("protocol", Some(&route.protocol));
    // IPv6 has no scope of routes, though `ip` prints one.
    option("scope", (!route.v6).then_some(&route.scope));
    option("metric", route.metric.map(|metric| metric.to_string()).as_deref());
    words
}

fn hop(route: &Route) -> String {
    path(&route.gateway, &route.via, &route.dev, &route.flags)
}

fn hops(route: &Route) -> String {
    let one = |hop: &Hop| {
        let weight = hop.weight.map(|weight| format!(" weight {weight}")).unwrap_or_default();
        format!(" nexthop{}{weight}", path(&hop.gateway, &hop.via, &hop.dev, &hop.flags))
    };
    route.nexthops.iter().map(one).collect()
}

fn path(
    gateway: &Option<String>,
    via: &Option<Via>,
    dev: &Option<String>,
    flags: &[String],
) -> String {
    let mut words = String::new();
    if let Some(gateway) = gateway {
        let _ = write!(words, " via {gateway}");
    }
    if let Some(Via { family, host }) = via {
        let _ = write!(words, " via {family} {host}");
    }
    if let Some(dev) = dev {
        let _ = write!(words, " dev {dev}");
    }
    if flags.iter().any(|flag| flag == "onlink") {
        words.push_str(" onlink");
    }
    words
}

/// The words for one of a route's metrics, where they are known to be read back as they were
/// printed. (Round-trip times are not: they are printed in other units.)
fn metric(name: &str, value: &Value) -> Option<String> {
    match name {
        "mtu" | "window" | "ssthresh" | "cwnd" | "advmss" | "reordering" | "hoplimit"
        | "initcwnd" | "initrwnd" | "quickack" => Some(format!(" {name} {}", value.as_u64()?)),
        "rto_min" => Some(format!(" rto_min {}ms", value.as_u64()?)),
        "congestion" => Some(format!(" congctl {}", value.as_str()?)),
        "ecn" => Some(" features ecn".into()),
        _ => None,
    }
}

/// # Errors
/// There are no words for something in it.
pub(super) fn check(route: &Route) -> anyhow::Result<()> {
    for (name, value) in route.metrics.iter().flatten() {
        if metric(name, value).is_none() {
            bail!("its metric `{name}` cannot be given back to `ip` as it was printed");
        }
    }
    Ok(())
}
