//! From the word behind `--link` to a device.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use ip::Cidr;
use netdev::{Device, MacAddr, Medium, UnixLink};
use shell::HostEnd;
use socket::Probe;

use crate::identity::Identity;

/// What `--link` can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// A namespace of the program's own, with the kernel at the other end.
    Namespace,
    /// A TAP of this host.
    Tap(String),
    /// A TUN of this host.
    Tun(String),
    /// The LAN of a NIC of this host, by a bridge.
    Bridge(String),
    /// The LAN of a NIC of this host, by a macvtap that is there or is made on the NIC.
    Macvtap(String),
    /// The LAN of a NIC of this host, by a packet socket.
    Packet(String),
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
            ("tun", name) if !name.is_empty() => Ok(Link::Tun(name.into())),
            ("macvtap", name) if !name.is_empty() => Ok(Link::Macvtap(name.into())),
            ("packet", nic) if !nic.is_empty() => Ok(Link::Packet(nic.into())),
            ("bridge", nic) if !nic.is_empty() => Ok(Link::Bridge(nic.into())),
            ("unix", path) if !path.is_empty() => Ok(Link::Unix(path.into())),
            _ => bail!(
                "--link {text}: there is `ns`, `tap:NAME`, `tun:NAME`, `bridge:NIC`, \
                 `macvtap:NIC`, `packet:NIC`, `unix:PATH` and `sim`"
            ),
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Link::Namespace => f.write_str("ns"),
            Link::Sim => f.write_str("sim"),
            Link::Tap(name) => write!(f, "tap:{name}"),
            Link::Tun(name) => write!(f, "tun:{name}"),
            Link::Bridge(name) => write!(f, "bridge:{name}"),
            Link::Macvtap(name) => write!(f, "macvtap:{name}"),
            Link::Packet(name) => write!(f, "packet:{name}"),
            Link::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Link {
    /// Whether it leads to a network of others, as a host among them.
    pub(crate) fn is_lan(&self) -> bool {
        matches!(self, Link::Bridge(_) | Link::Macvtap(_) | Link::Packet(_))
    }

    /// Whether the kernel is involved, so that commands can be run at its end.
    pub(crate) fn has_kernel(&self) -> bool {
        !matches!(self, Link::Unix(_) | Link::Sim)
    }

    /// Whether two interfaces cannot share it.
    pub(crate) fn is_exclusive(&self) -> bool {
        !matches!(self, Link::Namespace | Link::Sim | Link::Macvtap(_))
    }

    /// Who is asked for an address before it is used, if nobody says: on a LAN of strangers an
    /// address may well be somebody's, and the others would suffer; on a link of this machine it
    /// may be, and a start should not take seconds; where there is one known peer, or nobody to
    /// ask, nothing is to be found out.
    pub(crate) fn usual_probe(&self) -> Probe {
        match self {
            Link::Bridge(_) | Link::Macvtap(_) | Link::Packet(_) => Probe::First,
            Link::Tap(_) | Link::Unix(_) => Probe::Meanwhile,
            Link::Namespace | Link::Tun(_) | Link::Sim => Probe::Never,
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

/// A LAN, and the bridge to it where there is one, which is kept until this is dropped.
pub(crate) struct Lan {
    /// The gateway that the host uses, as far as it is known.
    pub(crate) gateway: Option<IpAddr>,
    /// An Ethernet address for the stack that nobody on the LAN should have.
    pub(crate) mac: MacAddr,
    #[cfg(target_os = "linux")]
    _session: Option<crate::bridge::Session>,
}

/// An Ethernet address for a stack on the LAN of a NIC: different on every LAN port, and the same on
/// each run, so that neighbours and DHCP servers know it again. It is the NIC's with the bit of
/// locally administered ones set, or with another bit changed where it is set already (a virtual
/// machine's NIC).
pub(crate) fn mac_beside(nic: MacAddr) -> MacAddr {
    const LOCAL: u8 = 0x02;
    let MacAddr(mut bytes) = nic;
    bytes[0] = if bytes[0] & LOCAL == 0 { bytes[0] | LOCAL } else { bytes[0] ^ 0x04 };
    MacAddr(bytes)
}

impl Opened {
    fn without_host(device: impl Device + 'static, about: String) -> Opened {
        Opened { device: Box::new(device), host: None, peer: None, about, lan: None }
    }
}

/// Opens the device of an interface. For [`Link::Namespace`] the process must be in its namespace
/// already; `number` tells several of them apart.
pub(crate) fn open(identity: &Identity, number: usize) -> anyhow::Result<Opened> {
    match &identity.link {
        Link::Namespace => open_namespace(identity, number),
        Link::Tap(name) => open_tap(name, Medium::Ethernet, identity),
        Link::Tun(name) => open_tap(name, Medium::Ip, identity),
        Link::Bridge(nic) => open_bridge(nic, identity),
        Link::Macvtap(name) => open_macvtap(name, identity),
        Link::Packet(nic) => open_packet(nic, identity),
        Link::Unix(path) => {
            let link = UnixLink::open(path)?;
            Ok(Opened::without_host(link, format!("unix socket {}", path.display())))
        }
        Link::Sim => {
            let (ours, theirs) = UnixLink::pair().context("cannot make the simulated link")?;
            let about = "a second stack in this process".to_string();
            let name = format!("sim{number}");
            let mut opened = Opened::without_host(ours.named(&name), about);
            opened.peer = Some(Box::new(theirs.named(&name)));
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
    use netdev::{Macvtap, PacketOptions, PacketSocket, Tap, TapOptions};

    pub(crate) fn open_namespace(identity: &Identity, number: usize) -> anyhow::Result<Opened> {
        let config = config(&format!("tap{number}"), Medium::Ethernet, identity)?;
        let link = namespace::open_link(&config)?;
        let about = format!("{} in a namespace of its own", link.kind);
        Ok(opened(link.device, &link.kernel, about))
    }

    /// A TAP or TUN that has no address yet is given the other end's: nobody else set it up.
    pub(crate) fn open_tap(
        name: &str,
        medium: Medium,
        identity: &Identity,
    ) -> anyhow::Result<Opened> {
        let link = namespace::open_tap(&config(name, medium, identity)?)?;
        let kind = if medium == Medium::Ip { "TUN" } else { "TAP" };
        Ok(opened(link.device, &link.kernel, format!("the {kind} {name} of this host")))
    }

    /// A TAP that is a port of a bridge: the kernel's end is the bridge, with the host's address.
    pub(crate) fn open_bridge(nic: &str, identity: &Identity) -> anyhow::Result<Opened> {
        let (session, at) = Session::start(nic)?;
        let vnet_hdr = identity.offload;
        let options = TapOptions { name: Some(at.tap.clone()), vnet_hdr, ..TapOptions::default() };
        let tap = Tap::open(options)?;
        at.wait_until_forwarding()?;
        let host = HostEnd {
            name: at.bridge.clone(),
            mac: Some(at.mac),
            addr: at.host,
            mtu: Some(at.mtu),
        };
        let about = format!("the LAN of {nic}, by the TAP {} and the bridge {}", at.tap, at.bridge);
        let (mac, session) = (mac_beside(at.mac), Some(session));
        let lan = Lan { gateway: at.gateway, mac, _session: session };
        let device = Box::new(tap);
        Ok(Opened { device, host: Some(host), peer: None, about, lan: Some(lan) })
    }

    /// The card takes frames for no other address than the interface's.
    pub(crate) fn open_macvtap(name: &str, identity: &Identity) -> anyhow::Result<Opened> {
        let device = Macvtap::open(name, identity.offload)?;
        let (mac, own) = (device.mac(), device.name());
        let about = match device.is_made() {
            true => format!("the LAN of {name}, by the macvtap {own}"),
            false => format!("the LAN of the macvtap {own}"),
        };
        if identity.mac_said && identity.mac != mac {
            bail!(
                "--mac {}: the macvtap {own} has {mac}, and the card takes frames for no other. \
                 `ip link set {own} address …` changes it",
                identity.mac
            );
        }
        Ok(on_lan(device, mac, about))
    }

    /// Beside the host, which has the card as before: the two do not see each other.
    pub(crate) fn open_packet(nic: &str, identity: &Identity) -> anyhow::Result<Opened> {
        let mac = mac_beside(KernelEnd::of(nic)?.mac);
        let vnet_hdr = identity.offload;
        let options = PacketOptions { vnet_hdr, promiscuous: true, ..PacketOptions::default() };
        let device = PacketSocket::open(nic, options)?;
        Ok(on_lan(device, mac, format!("the LAN of {nic}, by a packet socket")))
    }

    fn on_lan(device: impl Device + 'static, mac: MacAddr, about: String) -> Opened {
        let lan = Lan { gateway: None, mac, _session: None };
        Opened { lan: Some(lan), ..Opened::without_host(device, about) }
    }

    fn config(name: &str, medium: Medium, identity: &Identity) -> anyhow::Result<KernelEndConfig> {
        let (address, prefix) = v4(identity.host_addr)?;
        let default = KernelEndConfig::default();
        Ok(KernelEndConfig {
            name: name.into(),
            address,
            prefix,
            mtu: identity.mtu.unwrap_or(default.mtu),
            vnet_hdr: identity.offload,
            medium,
            packet_info: identity.tun_pi,
        })
    }

    fn opened(device: Box<dyn Device>, kernel: &KernelEnd, about: String) -> Opened {
        let host = HostEnd {
            name: kernel.name.clone(),
            // A TUN has none.
            mac: Some(kernel.mac).filter(|mac| *mac != MacAddr::ZERO),
            addr: kernel.address.and_then(|(addr, prefix)| Cidr::new(addr.into(), prefix)),
            mtu: Some(kernel.mtu),
        };
        Opened { device, host: Some(host), peer: None, about, lan: None }
    }
}
#[cfg(target_os = "linux")]
use linux::{open_bridge, open_macvtap, open_namespace, open_packet, open_tap};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::*;

    fn needs_linux(link: &Link) -> anyhow::Result<Opened> {
        bail!("--link {link} needs Linux; `--link sim` and `--link unix:PATH` work here")
    }

    pub(crate) fn open_namespace(identity: &Identity, _: usize) -> anyhow::Result<Opened> {
        needs_linux(&identity.link)
    }

    pub(crate) fn open_tap(_: &str, _: Medium, identity: &Identity) -> anyhow::Result<Opened> {
        needs_linux(&identity.link)
    }

    pub(crate) fn open_bridge(_: &str, identity: &Identity) -> anyhow::Result<Opened> {
        needs_linux(&identity.link)
    }

    pub(crate) fn open_macvtap(_: &str, identity: &Identity) -> anyhow::Result<Opened> {
        needs_linux(&identity.link)
    }

    pub(crate) fn open_packet(_: &str, identity: &Identity) -> anyhow::Result<Opened> {
        needs_linux(&identity.link)
    }
}
#[cfg(not(target_os = "linux"))]
use elsewhere::{open_bridge, open_macvtap, open_namespace, open_packet, open_tap};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_link() {
        assert_eq!("ns".parse::<Link>().unwrap(), Link::Namespace);
        assert_eq!("tap:tap3".parse::<Link>().unwrap(), Link::Tap("tap3".into()));
        assert_eq!("bridge:eth0".parse::<Link>().unwrap(), Link::Bridge("eth0".into()));
        assert_eq!("unix:/a:b".parse::<Link>().unwrap(), Link::Unix("/a:b".into()));
        for same in
            ["ns", "sim", "tap:t", "tun:t", "bridge:e", "macvtap:e", "packet:e", "unix:/a:b"]
        {
            assert_eq!(same.parse::<Link>().unwrap().to_string(), same);
        }
        for bad in ["", "tap", "tap:", "tun:", "macvtap:", "packet:", "bridge:", "unix:", "ns:x"] {
            let error = bad.parse::<Link>().unwrap_err().to_string();
            assert!(error.contains("sim"), "{error}");
        }
    }

    #[test]
    fn the_stacks_address_is_a_local_one_beside_the_nics() {
        let of = |mac: &str| mac_beside(mac.parse().unwrap()).to_string();
        assert_eq!(of("00:0c:29:f6:52:47"), "02:0c:29:f6:52:47");
        assert_eq!(of("52:54:00:12:34:56"), "56:54:00:12:34:56");
    }
}
