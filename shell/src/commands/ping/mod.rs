//! `ping` and `ping2`.

mod message;
mod run;
mod stats;

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::debug::On;
use super::names::Host;
use super::{Command, seconds};
use crate::{Context, DebugTarget, ExitStatus};

/// The most data that fits into a datagram: 65535 less 20 of IP and 8 of ICMP.
const MAX_SIZE: i64 = 65_507;

/// `ping`.
pub(super) struct Ping;

/// `ping2`: the same way through the stack, with what IP and ICMP do on it shown.
pub(super) struct Ping2;

/// What to do.
pub(super) struct Options {
    peer: Ipv4Addr,
    /// As a person wrote it, where that was a name.
    name: Option<String>,
    size: usize,
    count: Option<u64>,
    ttl: u8,
    broadcast: bool,
    interval: Duration,
    /// How long to wait for the last replies; `None`: by the round trips seen.
    patience: Option<Duration>,
}

impl Command for Ping {
    fn name(&self) -> &'static str {
        "ping"
    }

    fn grammar(&self) -> clap::Command {
        grammar(self.name()).about("Send echo requests to a host and print its replies")
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        run_it(context, arguments)
    }
}

impl Command for Ping2 {
    fn name(&self) -> &'static str {
        "ping2"
    }

    fn grammar(&self) -> clap::Command {
        grammar(self.name()).about("As ping, and show what IP and ICMP do meanwhile")
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let _on = On::new(context, &[DebugTarget::Ip, DebugTarget::Icmp]);
        run_it(context, arguments)
    }
}

fn grammar(name: &'static str) -> clap::Command {
    let option =
        |name: &'static str, short, value| Arg::new(name).short(short).long(name).value_name(value);
    clap::Command::new(name)
        .arg(
            option("size", 's', "BYTES")
                .default_value("56")
                .value_parser(value_parser!(u32).range(0..=MAX_SIZE))
                .help("Bytes of data in each request"),
        )
        .arg(
            option("count", 'c', "N")
                .value_parser(value_parser!(u64).range(1..))
                .help("Stop after so many requests; without it, at ^C"),
        )
        .arg(
            option("ttl", 't', "HOPS")
                .default_value("64")
                .value_parser(value_parser!(u8).range(1..))
                .help("Hops that a request may make"),
        )
        .arg(
            option("interval", 'i', "SECONDS")
                .default_value("1")
                .value_parser(|text: &str| seconds(text, Duration::from_millis(1)))
                .help("Time between requests"),
        )
        .arg(
            option("timeout", 'W', "SECONDS")
                .value_parser(|text: &str| seconds(text, Duration::from_millis(1)))
                .help("How long to wait for the last replies [default: by those that came, or 10]"),
        )
        .arg(
            Arg::new("broadcast")
                .short('b')
                .long("broadcast")
                .action(ArgAction::SetTrue)
                .help("Let a broadcast address be pinged"),
        )
        .arg(
            Arg::new("ip")
                .value_name("HOST")
                .required(true)
                .value_parser(|text: &str| text.parse::<Host>())
                .help("The host's IPv4 address or name"),
        )
}

fn run_it(context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
    let host = arguments.get_one::<Host>("ip").context("no address")?;
    let Some(peer) = host.addr(context)? else { return Ok(ExitStatus::INTERRUPTED) };
    let name = matches!(host, Host::Name(_)).then(|| host.to_string());
    run::run(context, &options(arguments, peer, name)?)
}

fn options(
    arguments: &ArgMatches,
    peer: Ipv4Addr,
    name: Option<String>,
) -> anyhow::Result<Options> {
    let time = |name| arguments.get_one::<Duration>(name).copied().context("no time");
    Ok(Options {
        peer,
        name,
        size: *arguments.get_one::<u32>("size").context("no size")? as usize,
        count: arguments.get_one("count").copied(),
        ttl: *arguments.get_one("ttl").context("no TTL")?,
        broadcast: arguments.get_flag("broadcast"),
        interval: time("interval")?,
        patience: arguments.get_one("timeout").copied(),
    })
}
