//! Who the stack is on each of its links, with the defaults filled in.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::bail;
use ip::Cidr;
use netdev::MacAddr;
use socket::Probe;

use crate::link::Link;
use crate::options::{InterfaceOptions, Offload, Options};

/// The ancestor's address, which its users know from their captures; the next interface's is one
/// more.
const DEFAULT_MAC: MacAddr = MacAddr([0x00, 0x34, 0x45, 0x67, 0x89, 0xab]);
const DEFAULT_ADDR: &str = "10.0.0.1/24";
/// Where the kernel's end is when the stack's address is not known before.
const DEFAULT_HOST_ADDR: &str = "10.0.0.2/24";
/// What `--addr` says for "from a server".
const DHCP: &str = "dhcp";

/// What one interface of the stack is to be.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) link: Link,
    /// `None`: DHCP gives one.
    pub(crate) addr: Option<Cidr>,
    pub(crate) gateway: Option<IpAddr>,
    /// Whether the user chose it.
    pub(crate) gateway_said: bool,
    pub(crate) host_addr: Cidr,
    pub(crate) mac: MacAddr,
    /// Whether the user chose it.
    pub(crate) mac_said: bool,
    pub(crate) mtu: Option<usize>,
    /// Whether the others are asked for the address.
    pub(crate) probe: Probe,
    /// The permanent neighbours that were said.
    pub(crate) neighbours: Vec<(IpAddr, MacAddr)>,
    /// Whether checksums and segmentation are left to the kernel.
    pub(crate) offload: bool,
    pub(crate) tun_pi: bool,
}

impl Identity {
    /// Of every interface.
    pub(crate) fn all(options: &Options) -> anyhow::Result<Vec<Identity>> {
        let interfaces = options.interfaces();
        let mut all: Vec<Identity> = Vec::new();
        for (number, options) in interfaces.iter().enumerate() {
            let identity = Identity::of(options, number)?;
            let same = |other: &&Identity| {
                other.addr.is_some_and(|a| identity.addr.is_some_and(|b| a.addr == b.addr))
            };
            if let (Some(addr), Some(other)) = (identity.addr, all.iter().find(same)) {
                bail!("--addr {addr}: it is the stack's on {} already", other.link);
            }
            let twice =
                |other: &&Identity| other.link.is_exclusive() && other.link == identity.link;
            if all.iter().any(|other| twice(&other)) {
                bail!("--link {}: it is said of two interfaces", identity.link);
            }
            all.push(identity);
        }
        Ok(all)
    }

    /// Of the interface with this number, from 0 on.
    fn of(options: &InterfaceOptions, number: usize) -> anyhow::Result<Identity> {
        let link: Link = match options.link.as_deref() {
            Some(text) => text.parse()?,
            None if number == 0 => Link::Namespace,
            None => bail!("--interface: say its link, as link=tap:t1"),
        };
        let addr: Option<Cidr> = match options.addr.as_deref() {
            Some(DHCP) => None,
            Some(text) => Some(parse("addr", text)?),
            None if link.is_lan() => None,
            None if number == 0 => Some(parse("addr", DEFAULT_ADDR)?),
            None => bail!("--interface link={link}: say its address, addr=ADDR/LEN or addr=dhcp"),
        };
        if addr.is_none() && matches!(link, Link::Tun(_)) {
            bail!(
                "--addr dhcp: {link} has no Ethernet address, by which a server knows its clients"
            );
        }
        let host_addr = match (options.host_addr.as_deref(), addr) {
            (Some(text), _) => parse("host-addr", text)?,
            (None, Some(addr)) => beside(addr),
            (None, None) => parse("host-addr", DEFAULT_HOST_ADDR)?,
        };
        for (option, cidr) in [("addr", addr), ("host-addr", Some(host_addr))] {
            if let Some(cidr) = cidr.filter(|cidr| !is_one_hosts(*cidr)) {
                bail!("--{option} {cidr}: not the IPv4 address of one host");
            }
        }
        if addr.is_some_and(|addr| addr.addr == host_addr.addr) {
            bail!("--host-addr {host_addr}: it is the stack's own (--addr); choose another");
        }
        let gateway = match (options.gw.as_deref(), addr) {
            (Some(text), None) => bail!("--gw {text}: with --addr dhcp the server names it"),
            (Some("none"), _) | (None, None) => None,
            (Some(text), Some(_)) => Some(parse("gw", text)?),
            (None, Some(addr)) if number == 0 => usual_gateway(addr, host_addr),
            // One way out is usual; another one has to be meant.
            (None, Some(_)) => None,
        };
        if let (Some(gateway), Some(addr)) = (gateway, addr) {
            if !addr.contains(gateway) {
                bail!("--gw {gateway}: not on the network of --addr {addr}; `none` for no gateway");
            }
            if gateway == addr.addr || !is_one_hosts(Cidr { addr: gateway, ..addr }) {
                bail!("--gw {gateway}: not the address of another host");
            }
        }
        let mac = mac(&link, options, number)?;
        if let Some(mtu) = options.mtu.filter(|mtu| !(68..=65_535).contains(mtu)) {
            bail!("--mtu {mtu}: 68 (RFC 791) to 65535");
        }
        let probe = match options.probe.as_deref() {
            Some(text) => parse("probe", text)?,
            None => link.usual_probe(),
        };
        if options.tun_pi == Some(true) && !matches!(link, Link::Tap(_) | Link::Tun(_)) {
            bail!("--tun-pi: only a TAP or TUN of this host has that header, not {link}");
        }
        let gateway_said = options.gw.is_some() || number > 0;
        Ok(Identity {
            addr,
            gateway,
            gateway_said,
            host_addr,
            mac,
            mac_said: options.mac.is_some(),
            mtu: options.mtu,
            probe,
            neighbours: neighbours(&link, options)?,
            offload: options.offload != Some(Offload::Off),
            tun_pi: options.tun_pi.unwrap_or(false),
            link,
        })
    }

    /// The same, where the other end turns out to have this address: a TAP of the host had its own
    /// before.
    pub(crate) fn facing(self, host: Option<Cidr>) -> Identity {
        let Some(host_addr) = host else { return self };
        let gateway = match self.addr {
            Some(addr) if !self.gateway_said => usual_gateway(addr, host_addr),
            _ => self.gateway,
        };
        Identity { gateway, host_addr, ..self }
    }

    /// The same on a LAN, where the host at the other end is a neighbour like others: the gateway
    /// is the host's own, and the Ethernet address one that no other stack there has.
    pub(crate) fn on_lan(
        self,
        host: Option<Cidr>,
        gateway: Option<IpAddr>,
        mac: MacAddr,
    ) -> anyhow::Result<Identity> {
        let host_addr = host.unwrap_or(self.host_addr);
        let mut usual = None;
        if let Some(addr) = self.addr {
            if host.is_some_and(|host| host.addr == addr.addr) {
                bail!("--addr {addr}: it is this host's own on that LAN; choose a free one");
            }
            usual = gateway.filter(|gw| addr.contains(*gw) && *gw != addr.addr);
        }
        let gateway = if self.gateway_said { self.gateway } else { usual };
        let mac = if self.mac_said { self.mac } else { mac };
        Ok(Identity { gateway, host_addr, mac, ..self })
    }

    /// What is allowed, but hardly what was meant.
    pub(crate) fn doubt(&self) -> Option<String> {
        let Identity { addr: Some(addr), host_addr, .. } = self else { return None };
        let meet = addr.contains(host_addr.addr) && host_addr.contains(addr.addr);
        (!meet).then(|| {
            format!(
                "the stack is at --addr {addr} and the other end at --host-addr {host_addr}: on \
                 different networks, they do not reach each other without routes"
            )
        })
    }
}

fn mac(link: &Link, options: &InterfaceOptions, number: usize) -> anyhow::Result<MacAddr> {
    let mac: MacAddr = match options.mac.as_deref() {
        Some(text) if matches!(link, Link::Tun(_)) => {
            bail!("--mac {text}: {link} has no Ethernet addresses")
        }
        Some(text) => parse("mac", text)?,
        None => {
            let MacAddr(mut bytes) = DEFAULT_MAC;
            bytes[5] = bytes[5].wrapping_add(number as u8);
            MacAddr(bytes)
        }
    };
    if mac.is_group() || mac == MacAddr::ZERO {
        bail!("--mac {mac}: not the address of one host (the first byte even, not all of them 0)");
    }
    Ok(mac)
}

fn neighbours(link: &Link, options: &InterfaceOptions) -> anyhow::Result<Vec<(IpAddr, MacAddr)>> {
    let one = |text: &String| {
        let Some((addr, mac)) = text.split_once('=') else {
            bail!("--neighbour {text}: as 10.0.0.2=02:00:00:00:00:02");
        };
        if matches!(link, Link::Tun(_)) {
            bail!("--neighbour {text}: {link} has no Ethernet addresses");
        }
        Ok((parse("neighbour", addr)?, parse("neighbour", mac)?))
    };
    options.neighbour.iter().map(one).collect()
}

/// Where the other end is, if nobody says: the second address of the stack's network, or the first
/// where the stack has that one.
fn beside(addr: Cidr) -> Cidr {
    let network = addr.network();
    let IpAddr::V4(base) = network.addr else { return addr };
    let nth = |n| Cidr { addr: Ipv4Addr::from(u32::from(base).wrapping_add(n)).into(), ..network };
    // RFC 3021: a network of 31 bits has its hosts at 0 and 1.
    let (first, second) = if addr.prefix < 31 { (nth(1), nth(2)) } else { (nth(0), nth(1)) };
    if second.addr == addr.addr { first } else { second }
}

/// The kernel's end, unless the stack was put on another network.
fn usual_gateway(addr: Cidr, host_addr: Cidr) -> Option<IpAddr> {
    Some(host_addr.addr).filter(|gw| addr.contains(*gw) && *gw != addr.addr)
}

/// Whether one host may have this address: not the network's, nor its broadcast address.
fn is_one_hosts(cidr: Cidr) -> bool {
    let Cidr { addr, prefix } = cidr;
    // RFC 3021: a network of 31 bits has two hosts and nothing else.
    let of_network = prefix < 31 && (addr == cidr.network().addr || Some(addr) == cidr.broadcast());
    addr.is_ipv4() && !addr.is_unspecified() && !addr.is_multicast() && !of_network
}

pub(crate) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    option: &str,
    text: &str,
) -> anyhow::Result<T> {
    text.parse().map_err(|why| anyhow::anyhow!("--{option} {text}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(change: impl FnOnce(&mut InterfaceOptions)) -> anyhow::Result<Identity> {
        let mut options = InterfaceOptions::default();
        change(&mut options);
        Identity::of(&options, 0)
    }

    #[test]
    fn the_gateway_is_the_kernels_end_where_that_is_on_the_network() {
        let usual = identity(|_| {}).unwrap();
        assert_eq!(usual.gateway, Some("10.0.0.2".parse().unwrap()));
        let apart = identity(|o| {
            o.addr = Some("192.168.7.1/24".into());
            o.host_addr = Some("10.0.0.2/24".into());
        });
        assert_eq!(apart.unwrap().gateway, None);
    }

    #[test]
    fn the_other_end_is_on_the_stacks_network_where_nobody_says() {
        for (addr, host_addr) in [
            ("10.0.0.1/24", "10.0.0.2/24"),
            ("10.0.0.2/24", "10.0.0.1/24"),
            ("192.168.7.77/24", "192.168.7.2/24"),
            ("10.1.1.0/31", "10.1.1.1/31"),
            ("10.1.1.1/31", "10.1.1.0/31"),
        ] {
            let identity = identity(|o| o.addr = Some(addr.into())).unwrap();
            assert_eq!(identity.host_addr.to_string(), host_addr);
            assert_eq!(identity.gateway, Some(identity.host_addr.addr));
        }
    }

    #[test]
    fn with_dhcp_the_server_says_the_rest() {
        let identity_of = |gw: Option<&str>| {
            identity(|o| (o.addr, o.gw) = (Some("dhcp".into()), gw.map(String::from)))
        };
        let usual = identity_of(None).unwrap();
        assert_eq!((usual.addr, usual.gateway), (None, None));
        assert_eq!(usual.host_addr.to_string(), "10.0.0.2/24");
        let host = Some("10.0.0.9/24".parse().unwrap());
        assert_eq!(usual.facing(host).gateway, None);
        let error = identity_of(Some("10.0.0.2")).unwrap_err().to_string();
        assert!(error.starts_with("--gw"), "{error}");
    }

    #[test]
    fn a_link_that_has_its_address_already_decides() {
        let host = Some("10.0.0.9/24".parse().unwrap());
        let usual = identity(|_| {}).unwrap().facing(host);
        assert_eq!(usual.gateway, Some("10.0.0.9".parse().unwrap()));
        let said = identity(|o| o.gw = Some("10.0.0.5".into())).unwrap().facing(host);
        assert_eq!(said.gateway, Some("10.0.0.5".parse().unwrap()));
    }

    #[test]
    fn on_a_lan_the_gateway_is_the_hosts() {
        let (host, gateway) = ("10.1.0.2/24".parse().unwrap(), "10.1.0.1".parse().unwrap());
        let (mac, said) = (MacAddr([2, 0, 0, 0, 0, 7]), MacAddr([2, 0, 0, 0, 0, 8]));
        let on_lan = |change: fn(&mut InterfaceOptions)| {
            identity(change).unwrap().on_lan(Some(host), Some(gateway), mac)
        };
        let usual = on_lan(|o| o.addr = Some("10.1.0.9/24".into())).unwrap();
        assert_eq!((usual.gateway, usual.mac, usual.host_addr), (Some(gateway), mac, host));
        let chosen = on_lan(|o| {
            o.addr = Some("10.1.0.9/24".into());
            o.gw = Some("none".into());
            o.mac = Some("02:00:00:00:00:08".into());
        });
        let chosen = chosen.unwrap();
        assert_eq!((chosen.gateway, chosen.mac), (None, said));
        let elsewhere = on_lan(|o| o.addr = Some("10.2.0.9/24".into())).unwrap();
        assert_eq!(elsewhere.gateway, None, "the host's gateway is not on that network");
        let error = on_lan(|o| o.addr = Some("10.1.0.2/24".into())).unwrap_err().to_string();
        assert!(error.contains("this host's own"), "{error}");
    }

    #[test]
    fn two_ends_on_different_networks_are_doubted() {
        assert_eq!(identity(|_| {}).unwrap().doubt(), None);
        let two_hosts = identity(|o| {
            o.addr = Some("172.16.0.1/31".into());
            o.host_addr = Some("172.16.0.0/31".into());
        });
        assert_eq!(two_hosts.unwrap().doubt(), None);
        let apart = identity(|o| {
            o.addr = Some("192.168.7.1/24".into());
            o.host_addr = Some("10.0.0.2/24".into());
        });
        let doubt = apart.unwrap().doubt().unwrap();
        assert!(doubt.contains("--host-addr 10.0.0.2/24"), "{doubt}");
    }

    #[test]
    fn nonsense_is_refused_with_the_option_that_said_it() {
        type Change = fn(&mut InterfaceOptions);
        let bad: [(&str, Change); 21] = [
            ("--addr", |o| o.addr = Some("10.0.0.0/24".into())),
            ("--addr", |o| o.addr = Some("10.0.0.255/24".into())),
            ("--addr", |o| o.addr = Some("::1/64".into())),
            ("--gw", |o| o.gw = Some("10.0.0.1".into())),
            ("--gw", |o| o.gw = Some("10.0.0.255".into())),
            ("--mac", |o| o.mac = Some("00:00:00:00:00:00".into())),
            ("--host-addr", |o| o.host_addr = Some("10.0.0.1/24".into())),
            ("--host-addr", |o| o.host_addr = Some("::2/64".into())),
            ("--addr", |o| o.addr = Some("10.0.0.1".into())),
            ("--addr", |o| o.addr = Some("224.0.0.1/24".into())),
            ("--gw", |o| o.gw = Some("10.9.9.9".into())),
            ("--mac", |o| o.mac = Some("01:00:5e:00:00:01".into())),
            ("--mtu", |o| o.mtu = Some(67)),
            ("--host-addr", |o| o.host_addr = Some("x".into())),
            ("--neighbour", |o| o.neighbour = vec!["10.0.0.2".into()]),
            ("--probe", |o| o.probe = Some("later".into())),
            ("--tun-pi", |o| o.tun_pi = Some(true)),
            ("--addr", |o| (o.link, o.addr) = (Some("tun:t".into()), Some("dhcp".into()))),
            ("--link", |o| o.link = Some("eth0".into())),
            ("--mac", |o| {
                (o.link, o.mac) = (Some("tun:t".into()), Some("02:00:00:00:00:08".into()));
            }),
            ("--neighbour", |o| {
                o.link = Some("tun:t".into());
                o.neighbour = vec!["10.0.0.2=02:00:00:00:00:02".into()];
            }),
        ];
        for (option, change) in bad {
            let error = identity(change).unwrap_err().to_string();
            assert!(error.starts_with(option), "{error}");
        }
    }

    /// A stranger's address is worth waiting for; where there are none, nobody is asked.
    #[test]
    fn the_link_says_who_is_asked_for_an_address() {
        let probe = |link: &str, said: Option<&str>| {
            let (link, said) = (Some(link.to_string()), said.map(str::to_string));
            identity(|o| (o.link, o.probe, o.addr) = (link, said, Some("10.0.0.9/24".into())))
                .unwrap()
                .probe
        };
        for (link, usual) in [
            ("ns", Probe::Never),
            ("sim", Probe::Never),
            ("tun:t", Probe::Never),
            ("tap:t", Probe::Meanwhile),
            ("unix:/t", Probe::Meanwhile),
            ("bridge:eth0", Probe::First),
            ("macvtap:eth0", Probe::First),
            ("packet:eth0", Probe::First),
        ] {
            assert_eq!(probe(link, None), usual, "{link}");
            assert_eq!(probe(link, Some("first")), Probe::First);
            assert_eq!(probe(link, Some("never")), Probe::Never);
        }
    }

    #[test]
    fn a_second_interface_says_where_and_who_it_is() {
        let all = |list: &[&str]| {
            let interface = list.iter().map(|text| text.parse().unwrap()).collect();
            Identity::all(&Options { interface, ..Options::default() })
        };
        let two = ["link=tap:t1,addr=10.1.0.1/24", "link=bridge:eth0"];
        let (macs, gateways): (Vec<_>, Vec<_>) =
            all(&two).unwrap().into_iter().map(|i| (i.mac.to_string(), i.gateway)).unzip();
        assert_eq!(macs, ["00:34:45:67:89:ab", "00:34:45:67:89:ac"]);
        assert_eq!(gateways, [Some("10.1.0.2".parse().unwrap()), None]);
        assert_eq!(all(&two).unwrap()[1].addr, None, "by DHCP");
        for (list, words) in [
            (["link=tap:t1,addr=10.1.0.1/24", "addr=10.2.0.1/24"], "say its link"),
            (["link=tap:t1", "link=tap:t2"], "say its address"),
            (["link=tap:t1", "link=tap:t2,addr=10.0.0.1/8"], "already"),
            (["link=tap:t1", "link=tap:t1,addr=10.2.0.1/24"], "two interfaces"),
        ] {
            let error = all(&list).unwrap_err().to_string();
            assert!(error.contains(words), "{list:?}: {error}");
        }
    }
}
