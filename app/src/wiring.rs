//! The ladder: from options to a running stack. Read [`start`] from bottom to top and you have
//! the picture in ARCHITECTURE.md.

use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use anyhow::{Context as _, anyhow};
use netdev::{
    Capture, CaptureFile, Device, Directions, FaultConfig, FaultInjector, Instant, Loopback,
    MacAddr, Medium, Tracer,
};
use shell::Terminal;
use socket::{Layers, Net, Stack};

use crate::identity::{Identity, parse};
use crate::options::Options;
use crate::{faults, registry};

/// What is put around every device of a run.
pub(crate) struct Decorations {
    capture: Option<CaptureFile>,
    faults: (FaultConfig, FaultConfig),
    trace: Option<Terminal>,
    /// Of the next device's faults.
    seed: u64,
    /// Whether a traced line has to say which interface it is of.
    several: bool,
}

impl Decorations {
    /// For a run with so many interfaces.
    pub(crate) fn new(
        options: &Options,
        seed: u64,
        terminal: &Terminal,
        interfaces: usize,
    ) -> anyhow::Result<Decorations> {
        let capture = match &options.pcap {
            Some(path) => Some(
                // The capture's times are the clock's; the stack's start at zero, now.
                CaptureFile::create(path, SystemTime::now())
                    .with_context(|| format!("--pcap {}", path.display()))?,
            ),
            None => None,
        };
        let trace = (options.trace == Some(true)).then(|| terminal.err());
        let (faults, several) = (faults::parse(options)?, interfaces > 1);
        Ok(Decorations { capture, faults, trace, seed, several })
    }

    /// Puts them around a device, innermost first: what is sent is captured after the faults, what
    /// is received before it is traced; so a capture shows what the stack saw of a bad wire and
    /// what the bad wire took from it.
    pub(crate) fn around(&mut self, mut device: Box<dyn Device>) -> Box<dyn Device> {
        if let Some(file) = &self.capture {
            device = Box::new(Capture::new(device, file.clone(), Directions::TX));
        }
        let (tx, rx) = self.faults;
        let seed = self.seed;
        self.seed = Seeds(seed).next();
        if !(tx.is_perfect() && rx.is_perfect()) {
            device = Box::new(FaultInjector::new(device, tx, rx, seed));
        }
        if let Some(file) = &self.capture {
            device = Box::new(Capture::new(device, file.clone(), Directions::RX));
        }
        if let Some(terminal) = &self.trace {
            let err = terminal.err();
            let name = if self.several { format!("{} ", device.name()) } else { String::new() };
            device = Box::new(Tracer::new(
                device,
                Box::new(move |now, direction, line| {
                    err.line(&format!("{now} {name}{direction:<3} {line}"));
                }),
            ));
        }
        device
    }
}

/// An interface to be, with what it is made of.
pub(crate) struct Attachment {
    pub(crate) identity: Identity,
    pub(crate) device: Box<dyn Device>,
    /// The other end of the link, for a resolver that asks nobody.
    pub(crate) known: Option<(IpAddr, MacAddr)>,
}

/// Makes every layer, puts one upon the other, and starts the whole.
pub(crate) fn start(
    options: &Options,
    seed: u64,
    attachments: Vec<Attachment>,
) -> anyhow::Result<Net> {
    // Each layer has a seed of its own, so that one that asks for more numbers changes no other.
    let mut seeds = Seeds(seed);
    let pick = registry::pick(registry::TCP, "tcp", &options.tcp)?;
    let tcp = (pick.make)(seeds.next(), options)?;
    let udp = (registry::pick(registry::UDP, "udp", &options.udp)?.make)(seeds.next());
    let icmp = (registry::pick(registry::ICMP, "icmp", &options.icmp)?.make)(seeds.next());
    let pick = registry::pick(registry::IP, "ip", &options.ip)?;
    let ip = (pick.make)(seeds.next(), options.forward.unwrap_or(true));

    let now = Instant::ZERO;
    let mut stack = Stack::new(Layers { ip, icmp, udp, tcp });
    stack.add_loopback(now, Box::new(Loopback::new()))?;
    let mut by_dhcp = Vec::new();
    for Attachment { identity, device, known } in attachments {
        let arp = registry::pick(registry::ARP, "arp", &options.arp)?;
        let seed = seeds.next();
        let (mac, resolver) = match device.capabilities().medium {
            Medium::Ethernet => (identity.mac, Some((arp.make)(identity.mac, seed, options))),
            Medium::Ip => (MacAddr::ZERO, None),
        };
        let index = stack.add_interface(now, device, mac, resolver, &[], None)?;
        if let Some(mtu) = identity.mtu {
            stack.set_mtu(now, index, mtu).with_context(|| format!("--mtu {mtu}"))?;
        }
        // Known before anything is sent.
        let asks_nobody = options.arp.as_deref() == Some("static");
        for (addr, mac) in neighbours(&identity, known.filter(|_| asks_nobody)) {
            stack
                .configure_arp(now, index, arp::Change::AddStatic(addr, mac))
                .with_context(|| format!("--neighbour {addr}={mac}"))?;
        }
        match identity.addr {
            Some(addr) => {
                let Identity { gateway, probe, .. } = identity;
                stack
                    .claim_address(now, index, addr, gateway, probe)
                    .with_context(|| format!("--addr {addr}"))?;
            }
            None => by_dhcp.push(index),
        }
    }
    stack.names().configure(dns(options)?, seeds.next());
    for index in by_dhcp {
        stack.start_dhcp(now, index, seeds.next(), |config| {
            config.host_name = options.name.clone();
        })?;
    }
    let busy_poll = options.busy_poll.as_deref().map(|text| {
        netdev::parse_duration(text).map_err(|why| anyhow!("--busy-poll {text}: {why}"))
    });
    let busy_poll = busy_poll.transpose()?;
    let net = Net::start(stack).context("cannot start the stack's event loop")?;
    if let Some(busy_poll) = busy_poll {
        net.set_busy_poll(busy_poll);
    }
    Ok(net)
}

/// The permanent neighbours: those that were said, and the other end where it is `known`.
fn neighbours(
    identity: &Identity,
    known: Option<(IpAddr, MacAddr)>,
) -> impl Iterator<Item = (IpAddr, MacAddr)> {
    let said = &identity.neighbours;
    let known = known.filter(|(addr, _)| said.iter().all(|(other, _)| other != addr));
    said.iter().copied().chain(known)
}

/// The seed of the run: the one that was said, or one from the system.
pub(crate) fn seed(options: &Options) -> anyhow::Result<u64> {
    match options.seed {
        Some(seed) => Ok(seed),
        None => getrandom::u64().context("the system has no random numbers"),
    }
}

/// Who is asked for names.
fn dns(options: &Options) -> anyhow::Result<socket::dns::Config> {
    let servers: Result<Vec<Ipv4Addr>, _> =
        options.dns.iter().map(|text| parse("dns", text)).collect();
    let search: Result<_, _> = options.search.iter().map(|text| parse("search", text)).collect();
    let servers = servers?.into_iter().map(IpAddr::V4).collect();
    Ok(socket::dns::Config { servers, search: search? })
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
    fn the_same_seed_gives_the_same_seeds() {
        let (mut a, mut b) = (Seeds(7), Seeds(7));
        let first = a.next();
        assert_eq!(first, b.next());
        assert_ne!(first, a.next());
    }
}
