//! The ladder: from options to a running stack. Read [`start`] from bottom to top and you have
//! the picture in ARCHITECTURE.md.

use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use ip::{Cidr, IfIndex};
use netdev::{
    Capture, CaptureFile, Device, Directions, FaultInjector, Instant, Loopback, MacAddr, Tracer,
};
use shell::Terminal;
use socket::{Layers, Net, Stack};

use crate::options::Options;
use crate::{faults, registry};

/// The ancestor's address, which its users know from their captures.
const DEFAULT_MAC: MacAddr = MacAddr([0x00, 0x34, 0x45, 0x67, 0x89, 0xab]);
const DEFAULT_ADDR: &str = "10.0.0.1/24";
/// Where the kernel's end is when the stack's address is not known before.
const DEFAULT_HOST_ADDR: &str = "10.0.0.2/24";
/// What `--addr` says for "from a server".
const DHCP: &str = "dhcp";

/// Who the stack is, with the defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// `None`: DHCP gives one.
    pub(crate) addr: Option<Cidr>,
    pub(crate) gateway: Option<IpAddr>,
    /// Whether the user chose it.
    pub(crate) gateway_said: bool,
    pub(crate) host_addr: Cidr,
    pub(crate) mac: MacAddr,
    /// Whether the user chose it.
    pub(crate) mac_said: bool,
    pub(crate) seed: u64,
}

impl Identity {
    pub(crate) fn of(options: &Options) -> anyhow::Result<Identity> {
        let addr: Option<Cidr> = match options.addr.as_deref() {
            Some(DHCP) => None,
            text => Some(parse("addr", text.unwrap_or(DEFAULT_ADDR))?),
        };
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
            (None, Some(addr)) => usual_gateway(addr, host_addr),
        };
        if let (Some(gateway), Some(addr)) = (gateway, addr) {
            if !addr.contains(gateway) {
                bail!("--gw {gateway}: not on the network of --addr {addr}; `none` for no gateway");
            }
            if gateway == addr.addr || !is_one_hosts(Cidr { addr: gateway, ..addr }) {
                bail!("--gw {gateway}: not the address of another host");
            }
        }
        let mac: MacAddr = match options.mac.as_deref() {
            Some(text) => parse("mac", text)?,
            None => DEFAULT_MAC,
        };
        if mac.is_group() || mac == MacAddr::ZERO {
            bail!(
                "--mac {mac}: not the address of one host (the first byte even, not all of them 0)"
            );
        }
        if let Some(mtu) = options.mtu.filter(|mtu| !(68..=65_535).contains(mtu)) {
            bail!("--mtu {mtu}: 68 (RFC 791) to 65535");
        }
        let seed = match options.seed {
            Some(seed) => seed,
            None => getrandom::u64().context("the system has no random numbers")?,
        };
        let (gateway_said, mac_said) = (options.gw.is_some(), options.mac.is_some());
        Ok(Identity { addr, gateway, gateway_said, host_addr, mac, mac_said, seed })
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

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    option: &str,
    text: &str,
) -> anyhow::Result<T> {
    text.parse().map_err(|why| anyhow::anyhow!("--{option} {text}: {why}"))
}

/// Puts the decorators around a device, innermost first: what is sent is captured after the
/// faults, what is received before it is traced; so a capture shows what the stack saw of a bad
/// wire and what the bad wire took from it.
pub(crate) fn decorate(
    mut device: Box<dyn Device>,
    options: &Options,
    seed: u64,
    terminal: &Terminal,
) -> anyhow::Result<Box<dyn Device>> {
    let capture = match &options.pcap {
        Some(path) => Some(
            // The capture's times are the clock's; the stack's start at zero, now.
            CaptureFile::create(path, SystemTime::now())
                .with_context(|| format!("--pcap {}", path.display()))?,
        ),
        None => None,
    };
    if let Some(file) = &capture {
        device = Box::new(Capture::new(device, file.clone(), Directions::TX));
    }
    let (tx, rx) = faults::parse(options)?;
    if !(tx.is_perfect() && rx.is_perfect()) {
        device = Box::new(FaultInjector::new(device, tx, rx, seed));
    }
    if let Some(file) = capture {
        device = Box::new(Capture::new(device, file, Directions::RX));
    }
    if options.trace == Some(true) {
        let err = terminal.err();
        device = Box::new(Tracer::new(
            device,
            Box::new(move |now, direction, line| err.line(&format!("{now} {direction:<3} {line}"))),
        ));
    }
    Ok(device)
}

/// Makes every layer, puts one upon the other, and starts the whole.
pub(crate) fn start(
    options: &Options,
    identity: &Identity,
    device: Box<dyn Device>,
    neighbours: &[(IpAddr, MacAddr)],
) -> anyhow::Result<Net> {
    // Each layer has a seed of its own, so that one that asks for more numbers changes no other.
    let mut seeds = Seeds(identity.seed);
    let pick = registry::pick(registry::TCP, "tcp", &options.tcp)?;
    let tcp = (pick.make)(seeds.next(), options)?;
    let udp = (registry::pick(registry::UDP, "udp", &options.udp)?.make)(seeds.next());
    let icmp = (registry::pick(registry::ICMP, "icmp", &options.icmp)?.make)(seeds.next());
    let pick = registry::pick(registry::IP, "ip", &options.ip)?;
    let ip = (pick.make)(seeds.next(), options.forward.unwrap_or(true));
    let pick = registry::pick(registry::ARP, "arp", &options.arp)?;
    let arp = (pick.make)(identity.mac, seeds.next());

    let now = Instant::ZERO;
    let mut stack = Stack::new(Layers { ip, icmp, udp, tcp });
    stack.add_loopback(now, Box::new(Loopback::new()))?;
    let addrs = identity.addr.as_slice();
    let index =
        stack.add_interface(now, device, identity.mac, Some(arp), addrs, identity.gateway)?;
    if let Some(mtu) = options.mtu {
        stack.set_mtu(now, index, mtu).with_context(|| format!("--mtu {mtu}"))?;
    }
    for &(addr, mac) in neighbours {
        stack
            .configure_arp(now, index, arp::Change::AddStatic(addr, mac))
            .with_context(|| format!("--neighbour {addr}={mac}"))?;
    }
    debug_assert_eq!(index, IfIndex(1));
    stack.names().configure(dns(options)?, seeds.next());
    if identity.addr.is_none() {
        stack.start_dhcp(now, index, seeds.next(), |config| {
            config.host_name = options.name.clone();
        })?;
    }
    Net::start(stack).context("cannot start the stack's event loop")
}

/// Who is asked for names.
fn dns(options: &Options) -> anyhow::Result<socket::dns::Config> {
    let servers: Result<Vec<Ipv4Addr>, _> =
        options.dns.iter().map(|text| parse("dns", text)).collect();
    let search: Result<_, _> = options.search.iter().map(|text| parse("search", text)).collect();
    let servers = servers?.into_iter().map(IpAddr::V4).collect();
    Ok(socket::dns::Config { servers, search: search? })
}

/// The permanent neighbours: those that were said, and the other end, where it is `known`, for a
/// resolver that asks nobody.
pub(crate) fn neighbours(
    options: &Options,
    known: Option<(IpAddr, MacAddr)>,
) -> anyhow::Result<Vec<(IpAddr, MacAddr)>> {
    let mut neighbours = Vec::new();
    for text in &options.neighbour {
        let (addr, mac) = text
            .split_once('=')
            .with_context(|| format!("--neighbour {text}: as 10.0.0.2=02:00:00:00:00:02"))?;
        neighbours.push((parse("neighbour", addr)?, parse("neighbour", mac)?));
    }
    if options.arp.as_deref() == Some("static") {
        neighbours
            .extend(known.filter(|(addr, _)| neighbours.iter().all(|(other, _)| other != addr)));
    }
    Ok(neighbours)
}

/// Different seeds from one, by the increments of SplitMix64 (Steele, Lea and Flood 2014).
struct Seeds(u64);

impl Seeds {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(change: impl FnOnce(&mut Options)) -> anyhow::Result<Identity> {
        let mut options = Options::default();
        change(&mut options);
        Identity::of(&options)
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
    fn who_is_asked_for_names() {
        let options = |server: &str, domain: &str| Options {
            dns: vec![server.into()],
            search: vec![domain.into()],
            ..Options::default()
        };
        let config = dns(&options("10.0.0.2", "lan")).unwrap();
        assert_eq!(config.servers, ["10.0.0.2".parse::<IpAddr>().unwrap()]);
        assert_eq!(config.search[0].to_string(), "lan");
        for (server, domain, option) in [("nas", "lan", "--dns"), ("10.0.0.2", "a b", "--search")] {
            let error = dns(&options(server, domain)).unwrap_err().to_string();
            assert!(error.starts_with(option), "{error}");
        }
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
        let on_lan = |change: fn(&mut Options)| {
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
        type Change = fn(&mut Options);
        let bad: [(&str, Change); 14] = [
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
        ];
        for (option, change) in bad {
            let error = identity(change).unwrap_err().to_string();
            assert!(error.starts_with(option), "{error}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_seeds() {
        let (mut a, mut b) = (Seeds(7), Seeds(7));
        let first = a.next();
        assert_eq!(first, b.next());
        assert_ne!(first, a.next());
    }
}
