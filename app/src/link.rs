//! From the word behind `--link` to a device.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use ip::Cidr;
use netdev::{Device, MacAddr, UnixLink};
use shell::HostEnd;

/// What `--link` can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// A namespace of the program's own, with the kernel at the other end.
    Namespace,
    /// A TAP of this host.
    Tap(String),
    /// The LAN of a NIC of this host, by a bridge.
    Bridge(String),
    /// A socket to another stack or a guest.
    Unix(PathBuf),
    /// A second stack in this process.
    Sim,
}

impl FromStr for Link {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> anyhow::Result<Link> {
        match text.split_once(':').unwrap_or((text, "")) {
            ("ns", "") => Ok(Link::Namespace),
            ("sim", "") => Ok(Link::Sim),
            ("tap", name) if !name.is_empty() => Ok(Link::Tap(name.into())),
            ("bridge", nic) if !nic.is_empty() => Ok(Link::Bridge(nic.into())),
            ("unix", path) if !path.is_empty() => Ok(Link::Unix(path.into())),
            _ => bail!(
                "--link {text}: there is `ns`, `tap:NAME`, `bridge:NIC`, `unix:PATH` and `sim`"
            ),
        }
    }
}

/// A device, and what is known of its other end.
pub(crate) struct Opened {
    pub(crate) device: Box<dyn Device>,
    /// The kernel's interface at the other end, where there is one.
    pub(crate) host: Option<HostEnd>,
    /// The far end of `sim`, for a second stack.
    pub(crate) peer: Option<Box<dyn Device>>,
    /// What to tell the user of it.
    pub(crate) about: String,
    /// The LAN that `bridge` leads to.
    pub(crate) lan: Option<Lan>,
}

/// A LAN, and the bridge to it, which is kept until this is dropped.
pub(crate) struct Lan {
    /// The gateway that the host uses.
    pub(crate) gateway: Option<IpAddr>,
    /// An Ethernet address for the stack that nobody on the LAN should have.
    pub(crate) mac: MacAddr,
    #[cfg(target_os = "linux")]
    _session: crate::bridge::Session,
}

impl Opened {
    fn without_host(device: impl Device + 'static, about: String) -> Opened {
        Opened { device: Box::new(device), host: None, peer: None, about, lan: None }
    }
}

/// Opens the device of `link`. For [`Link::Namespace`] the process must be in its namespace
/// already.
pub(crate) fn open(link: &Link, host_addr: Cidr, mtu: Option<usize>) -> anyhow::Result<Opened> {
    match link {
        Link::Namespace => open_namespace(host_addr, mtu),
        Link::Tap(name) => open_tap(name, host_addr, mtu),
        Link::Bridge(nic) => open_bridge(nic),
        Link::Unix(path) => {
            let link = UnixLink::open(path)?;
            Ok(Opened::without_host(link, format!("unix socket {}", path.display())))
        }
        Link::Sim => {
            let (ours, theirs) = UnixLink::pair().context("cannot make the simulated link")?;
            let about = "a second stack in this process".to_string();
            let mut opened = Opened::without_host(ours.named("sim0"), about);
            opened.peer = Some(Box::new(theirs.named("sim0")));
            Ok(opened)
        }
    }
}

/// The kernel's end needs an IPv4 address.
fn v4(cidr: Cidr) -> anyhow::Result<(Ipv4Addr, u8)> {
    match cidr.addr {
        IpAddr::V4(addr) => Ok((addr, cidr.prefix)),
        IpAddr::V6(_) => bail!("--host-addr {cidr}: IPv4 only"),
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;
    use crate::bridge::Session;
    use netdev::namespace::{self, KernelEnd, KernelEndConfig};
    use netdev::{Tap, TapOptions};

    pub(crate) fn open_namespace(host_addr: Cidr, mtu: Option<usize>) -> anyhow::Result<Opened> {
        let link = namespace::open_link(&config("tap0", host_addr, mtu)?)?;
        let about = format!("{} in a namespace of its own", link.kind);
        Ok(opened(link.device, &link.kernel, about))
    }

    /// A TAP that has no address yet is given `host_addr`: nobody else set it up.
    pub(crate) fn open_tap(
        name: &str,
        host_addr: Cidr,
        mtu: Option<usize>,
    ) -> anyhow::Result<Opened> {
        let link = namespace::open_tap(&config(name, host_addr, mtu)?)?;
        Ok(opened(link.device, &link.kernel, format!("the TAP {name} of this host")))
    }

    /// A TAP that is a port of a bridge: the kernel's end is the bridge, with the host's address.
    pub(crate) fn open_bridge(nic: &str) -> anyhow::Result<Opened> {
        let (session, at) = Session::start(nic)?;
        let tap = Tap::open(TapOptions { name: Some(at.tap.clone()), ..TapOptions::default() })?;
        at.wait_until_forwarding()?;
        let host = HostEnd {
            name: at.bridge.clone(),
            mac: Some(at.mac),
            addr: at.host,
            mtu: Some(at.mtu),
        };
        let about = format!("the LAN of {nic}, by the TAP {} and the bridge {}", at.tap, at.bridge);
        let lan = Lan { gateway: at.gateway, mac: at.stack_mac(), _session: session };
        let device = Box::new(tap);
        Ok(Opened { device, host: Some(host), peer: None, about, lan: Some(lan) })
    }

    fn config(name: &str, addr: Cidr, mtu: Option<usize>) -> anyhow::Result<KernelEndConfig> {
        let (address, prefix) = v4(addr)?;
        let default = KernelEndConfig::default();
        let mtu = mtu.unwrap_or(default.mtu);
        Ok(KernelEndConfig { name: name.into(), address, prefix, mtu, ..default })
    }

    fn opened(device: Box<dyn Device>, kernel: &KernelEnd, about: String) -> Opened {
        let host = HostEnd {
            name: kernel.name.clone(),
            mac: Some(kernel.mac),
            addr: kernel.address.and_then(|(addr, prefix)| Cidr::new(addr.into(), prefix)),
            mtu: Some(kernel.mtu),
        };
        Opened { device, host: Some(host), peer: None, about, lan: None }
    }
}
#[cfg(target_os = "linux")]
use linux::{open_bridge, open_namespace, open_tap};

#[cfg(not(target_os = "linux"))]
fn open_namespace(_: Cidr, _: Option<usize>) -> anyhow::Result<Opened> {
    bail!("--link ns needs Linux; `--link sim` and `--link unix:PATH` work here")
}

#[cfg(not(target_os = "linux"))]
fn open_tap(_: &str, _: Cidr, _: Option<usize>) -> anyhow::Result<Opened> {
    bail!("--link tap needs Linux; `--link sim` and `--link unix:PATH` work here")
}

#[cfg(not(target_os = "linux"))]
fn open_bridge(_: &str) -> anyhow::Result<Opened> {
    bail!("--link bridge needs Linux; `--link sim` and `--link unix:PATH` work here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_link() {
        assert_eq!("ns".parse::<Link>().unwrap(), Link::Namespace);
        assert_eq!("tap:tap3".parse::<Link>().unwrap(), Link::Tap("tap3".into()));
        assert_eq!("bridge:eth0".parse::<Link>().unwrap(), Link::Bridge("eth0".into()));
        assert_eq!("unix:/a:b".parse::<Link>().unwrap(), Link::Unix("/a:b".into()));
        for bad in ["", "tap", "tap:", "bridge:", "unix:", "ns:x", "eth0"] {
            let error = bad.parse::<Link>().unwrap_err().to_string();
            assert!(error.contains("sim"), "{error}");
        }
    }
}
