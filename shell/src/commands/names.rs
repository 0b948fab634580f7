//! Hosts as a person writes them: by address or by name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use anyhow::Context as _;
use socket::dns::{Answer, Data, Kind, Name, Resolving};

use crate::Context;

/// An address, or a name that has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Addr(Ipv4Addr),
    Name(String),
}

impl FromStr for Host {
    type Err = String;
    fn from_str(text: &str) -> Result<Host, String> {
        if let Ok(addr) = text.parse() {
            return Ok(Host::Addr(addr));
        }
        // RFC 1123 §2.1: what looks like an address is one, so a slip of the finger asks nobody.
        if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err("not an IPv4 address, as 10.0.0.2".to_string());
        }
        match text.parse::<Name>() {
            Ok(_) => Ok(Host::Name(text.to_string())),
            Err(why) => Err(format!("neither an IPv4 address, as 10.0.0.2, nor a name: {why}")),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Addr(addr) => addr.fmt(f),
            Host::Name(name) => name.fmt(f),
        }
    }
}

impl Host {
    /// Its address; `None` where ^C came first.
    pub(super) fn addr(&self, context: &Context) -> anyhow::Result<Option<Ipv4Addr>> {
        let name = match self {
            Host::Addr(addr) => return Ok(Some(*addr)),
            Host::Name(name) => name,
        };
        let found = Resolving::name(&context.net, name, Kind::A)
            .and_then(|resolving| wait(context, resolving))
            .with_context(|| name.clone())?;
        let Some(answer) = found else { return Ok(None) };
        let addr = answer.data.iter().find_map(|data| match data {
            Data::A(addr) => Some(*addr),
            Data::Aaaa(_) | Data::Cname(_) | Data::Ptr(_) => None,
        });
        Ok(Some(addr.with_context(|| format!("{name}: no IPv4 address"))?))
    }
}

/// A host with a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostPort {
    pub(super) host: Host,
    pub(super) port: u16,
}

impl FromStr for HostPort {
    type Err = String;
    fn from_str(text: &str) -> Result<HostPort, String> {
        let wrong = || "not an address or a name with a port, as 10.0.0.2:9 or nas.lan:9";
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        Ok(HostPort { host: host.parse()?, port })
    }
}

impl HostPort {
    /// Its address; `None` where ^C came first.
    pub(super) fn addr(&self, context: &Context) -> anyhow::Result<Option<SocketAddr>> {
        let addr = self.host.addr(context)?;
        Ok(addr.map(|addr| SocketAddr::new(IpAddr::V4(addr), self.port)))
    }
}

/// Waits for an answer; `None` where ^C came first.
pub(super) fn wait(context: &Context, resolving: Resolving) -> std::io::Result<Option<Answer>> {
    let poller = resolving.poller().clone();
    let _hook = context.interrupt.on_raise(move || poller.notify());
    resolving.wait(|| context.interrupt.is_raised())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names() {
        assert_eq!("10.0.0.2".parse(), Ok(Host::Addr([10, 0, 0, 2].into())));
        assert_eq!("nas.lan".parse(), Ok(Host::Name("nas.lan".into())));
        for wrong in ["10.0.0", "10.0.0.256", "1.2.3.4.5", "", "a b", "::1", "a..b"] {
            assert!(wrong.parse::<Host>().is_err(), "{wrong}");
        }
        let both: HostPort = "nas.lan:80".parse().unwrap();
        assert_eq!((both.host.to_string().as_str(), both.port), ("nas.lan", 80));
        for wrong in ["nas.lan", "nas:x", "10.0.0.300:80", ":80", "a:99999"] {
            assert!(wrong.parse::<HostPort>().is_err(), "{wrong}");
        }
    }
}
