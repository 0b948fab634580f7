//! The implementations that there are: one line each. This file and `wiring.rs` are the only
//! places in the project that name concrete layers.
//!
//! To run a layer of your own inside the whole stack, add its line here and start
//! `tapip --tcp yours`.

use anyhow::{Context as _, bail};
use netdev::MacAddr;
use tcp::{EcnMode, Part};

use crate::options::Options;

/// One implementation of a layer.
pub(crate) struct Entry<Make> {
    /// What `--LAYER` calls it.
    pub(crate) name: &'static str,
    /// What `tapip layers` says of it.
    pub(crate) about: &'static str,
    /// Makes one.
    pub(crate) make: Make,
}

type Resolver = fn(MacAddr, u64, &Options) -> Box<dyn arp::Resolver>;
type Internet = fn(u64, bool) -> Box<dyn ip::Internet>;
type ControlMessages = fn(u64) -> Box<dyn icmp::ControlMessages>;
type Datagrams = fn(u64) -> Box<dyn udp::Datagrams>;
type Streams = fn(u64, &Options) -> anyhow::Result<Box<dyn tcp::Streams>>;

const fn entry<Make>(name: &'static str, about: &'static str, make: Make) -> Entry<Make> {
    Entry { name, about, make }
}

/// Address resolution.
pub(crate) const ARP: &[Entry<Resolver>] = &[
    entry("cache", "RFC 826 with states, retries and limits", |mac, seed, options| {
        let yield_address = !options.hold_address.unwrap_or(false);
        let config = arp::Config { yield_address, ..arp::Config::default() };
        Box::new(arp::Cache::new(mac, config, seed))
    }),
    entry("static", "a table set by hand (--neighbour); asks nobody", |mac, _, _| {
        Box::new(arp::StaticTable::new(mac))
    }),
];

/// The internet layer.
pub(crate) const IP: &[Entry<Internet>] = &[
    entry("router", "several interfaces, fragments, forwarding", |seed, forwarding| {
        Box::new(ip::Router::new(ip::Config { forwarding, ..ip::Config::default() }, seed))
    }),
    entry("simple", "one interface, no fragments, no forwarding", |seed, _| {
        Box::new(ip::SimpleHost::new(seed))
    }),
];

/// Control messages.
pub(crate) const ICMP: &[Entry<ControlMessages>] = &[
    entry("full", "echo, and errors out and in (RFC 792, RFC 1122)", |seed| {
        Box::new(icmp::Icmp::new(icmp::Config::default(), seed))
    }),
    entry("echo", "answers echo requests, nothing else", |_| Box::new(icmp::EchoOnly::new())),
];

/// Datagrams.
pub(crate) const UDP: &[Entry<Datagrams>] = &[
    entry("full", "RFC 768 with every option of a socket", |seed| {
        Box::new(udp::Udp::new(udp::Config::default(), seed))
    }),
    entry("simple", "bound and connected sockets in a short table", |seed| {
        Box::new(udp::SimpleUdp::new(seed))
    }),
];

/// Streams.
pub(crate) const TCP: &[Entry<Streams>] = &[
    entry("rfc9293", "all of RFC 9293, and what came since; its parts follow", |seed, options| {
        let mut config = tcp::Config::default();
        let defaults = options.tcp_defaults.clone().unwrap_or_default();
        defaults.with(&options.tcp_set)?.apply(&mut config)?;
        set("cc", &mut config.congestion, tcp::CONGESTION_CONTROLS, &options.cc)?;
        set("recovery", &mut config.recovery, tcp::LOSS_RECOVERIES, &options.recovery)?;
        set("reassembly", &mut config.reassembly, tcp::REASSEMBLIES, &options.reassembly)?;
        set("rtt", &mut config.rtt, tcp::ESTIMATORS, &options.rtt)?;
        if let Some(mode) = &options.ecn {
            config.ecn = match mode.as_str() {
                "off" => EcnMode::Off,
                "accept" => EcnMode::Accept,
                "on" => EcnMode::On,
                _ => bail!("there is no --ecn `{mode}`; there is: off, accept, on"),
            };
        }
        Ok(Box::new(tcp::Tcp::new(config, seed)))
    }),
    entry("small", "a TCP for one evening: no options, no congestion control", |seed, options| {
        for (option, name) in [
            ("cc", &options.cc),
            ("recovery", &options.recovery),
            ("reassembly", &options.reassembly),
            ("rtt", &options.rtt),
        ] {
            if let Some(name) = name {
                bail!(
                    "--tcp small has its parts built in, so --{option} {name} means nothing to it"
                );
            }
        }
        if let Some(mode) = options.ecn.as_deref().filter(|mode| *mode != "off") {
            bail!("--tcp small has no ECN, so --ecn {mode} means nothing to it");
        }
        if options.tcp_defaults.is_some() || !options.tcp_set.is_empty() {
            bail!(
                "--tcp small has nothing to set, so --tcp-set and [tcp-defaults] mean nothing to it"
            );
        }
        Ok(Box::new(tcp::SmallTcp::new(seed)))
    }),
];

/// Exchanges one of TCP's parts, where `name` names another.
fn set<T: ?Sized>(
    option: &str,
    part: &mut &'static Part<T>,
    parts: &'static [Part<T>],
    name: &Option<String>,
) -> anyhow::Result<()> {
    let Some(name) = name else { return Ok(()) };
    *part = tcp::find(parts, name).with_context(|| {
        let names: Vec<_> = parts.iter().map(|part| part.name).collect();
        format!("there is no --{option} `{name}`; there is: {}", names.join(", "))
    })?;
    Ok(())
}

/// The entry called `name`, or the first where no name is given.
pub(crate) fn pick<'a, Make>(
    entries: &'a [Entry<Make>],
    layer: &str,
    name: &Option<String>,
) -> anyhow::Result<&'a Entry<Make>> {
    let Some(name) = name else { return Ok(&entries[0]) };
    match entries.iter().find(|entry| entry.name == name) {
        Some(entry) => Ok(entry),
        None => {
            let names: Vec<_> = entries.iter().map(|entry| entry.name).collect();
            bail!("there is no --{layer} `{name}`; there is: {}", names.join(", "))
        }
    }
}

/// What `tapip layers` prints: by its option, each implementation of a layer, then of TCP's parts.
pub(crate) fn listing() -> String {
    fn rows<'a>(option: &str, entries: impl Iterator<Item = (&'a str, &'a str)>) -> String {
        let row = |(n, (name, about)): (usize, (&str, &str))| {
            let option = if n == 0 { option } else { "" };
            let default = if n == 0 { " (default)" } else { "" };
            format!("{option:<12}{name:<10}{about}{default}\n")
        };
        entries.enumerate().map(row).collect()
    }
    fn layer<Make>(option: &str, entries: &[Entry<Make>]) -> String {
        rows(option, entries.iter().map(|entry| (entry.name, entry.about)))
    }
    fn part<T: ?Sized>(option: &str, parts: &'static [Part<T>]) -> String {
        rows(option, parts.iter().map(|part| (part.name, part.about)))
    }
    [
        layer("arp", ARP),
        layer("ip", IP),
        layer("icmp", ICMP),
        layer("udp", UDP),
        layer("tcp", TCP),
        part("cc", tcp::CONGESTION_CONTROLS),
        part("recovery", tcp::LOSS_RECOVERIES),
        part("reassembly", tcp::REASSEMBLIES),
        part("rtt", tcp::ESTIMATORS),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use netdev::{EtherType, Instant, Packet};

    use super::*;

    struct Nowhere;

    impl arp::Link for Nowhere {
        fn transmit(&mut self, _: Instant, _: MacAddr, _: EtherType, _: Packet) {}
    }

    /// What comes of an address that another host speaks from twice.
    fn after_two_conflicts(hold_address: Option<bool>) -> arp::Event {
        let (own, other) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
        let options = Options { hold_address, ..Options::default() };
        let mut cache = (pick(ARP, "arp", &None).unwrap().make)(own, 1, &options);
        let addr = IpAddr::from([10, 0, 0, 1]);
        cache.configure(Instant::ZERO, arp::Change::AddAddress(addr), &mut Nowhere).unwrap();
        // Ethernet and IPv4, a request, from the other's link address and our own IP address.
        let mut request = vec![0, 1, 8, 0, 6, 4, 0, 1];
        request.extend(other.0);
        request.extend([10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1]);
        let mut claim = || cache.input(Instant::ZERO, Packet::from_payload(&request), &mut Nowhere);
        assert!(matches!(claim(), arp::Event::Conflict { .. }));
        claim()
    }

    #[test]
    fn an_address_is_given_up_unless_it_is_to_be_held() {
        assert!(matches!(after_two_conflicts(None), arp::Event::Lost { .. }));
        assert!(matches!(after_two_conflicts(Some(false)), arp::Event::Lost { .. }));
        assert!(matches!(after_two_conflicts(Some(true)), arp::Event::Conflict { .. }));
    }
}
