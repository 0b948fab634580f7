//! The implementations that there are: one line each. This file and `wiring.rs` are the only
//! places in the project that name concrete layers.
//!
//! To run a layer of your own inside the whole stack, add its line here and start
//! `tapip --tcp yours`.

use anyhow::{Context as _, bail};
use netdev::MacAddr;
use tcp::EcnMode;

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

type Resolver = fn(MacAddr, u64) -> Box<dyn arp::Resolver>;
type Internet = fn(u64, bool) -> Box<dyn ip::Internet>;
type ControlMessages = fn(u64) -> Box<dyn icmp::ControlMessages>;
type Datagrams = fn(u64) -> Box<dyn udp::Datagrams>;
type Streams = fn(u64, &Options) -> anyhow::Result<Box<dyn tcp::Streams>>;

const fn entry<Make>(name: &'static str, about: &'static str, make: Make) -> Entry<Make> {
    Entry { name, about, make }
}

/// Address resolution.
pub(crate) const ARP: &[Entry<Resolver>] = &[
    entry("cache", "RFC 826 with states, retries and limits", |mac, seed| {
        Box::new(arp::Cache::new(mac, arp::Config::default(), seed))
    }),
    entry("static", "a table set by hand (--neighbour); asks nobody", |mac, _| {
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
    entry("rfc9293", "all of RFC 9293, NewReno, window scaling, timestamps", |seed, options| {
        let mut config = tcp::Config::default();
        if let Some(name) = &options.cc {
            let names: Vec<_> = tcp::CONGESTION_CONTROLS.iter().map(|part| part.name).collect();
            config.congestion = tcp::find(tcp::CONGESTION_CONTROLS, name).with_context(|| {
                format!("there is no --cc `{name}`; there is: {}", names.join(", "))
            })?;
        }
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
    entry("small", "a TCP to be read in one evening", |seed, options| {
        if let Some(cc) = &options.cc {
            bail!("--tcp small has no congestion control, so --cc {cc} means nothing to it");
        }
        if let Some(mode) = options.ecn.as_deref().filter(|mode| *mode != "off") {
            bail!("--tcp small has no ECN, so --ecn {mode} means nothing to it");
        }
        Ok(Box::new(tcp::SmallTcp::new(seed)))
    }),
];

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

/// What `tapip layers` prints.
pub(crate) fn listing() -> String {
    fn rows<Make>(layer: &str, entries: &[Entry<Make>]) -> String {
        let row = |(n, entry): (usize, &Entry<Make>)| {
            let layer = if n == 0 { layer } else { "" };
            let default = if n == 0 { " (default)" } else { "" };
            format!("{layer:<6}{:<10}{}{default}\n", entry.name, entry.about)
        };
        entries.iter().enumerate().map(row).collect()
    }
    [rows("arp", ARP), rows("ip", IP), rows("icmp", ICMP), rows("udp", UDP), rows("tcp", TCP)]
        .concat()
}
