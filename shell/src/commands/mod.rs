//! The commands: one a file, one line each in [`ALL`].

use std::time::Duration;

use clap::ArgMatches;

use crate::{Context, ExitStatus};

mod arp;
mod arpcache;
mod arping;
mod clear;
mod debug;
mod exit;
mod help;
mod host;
mod ifconfig;
mod jobs;
mod kill;
mod links;
mod names;
mod nat;
mod nc;
mod netstat;
mod ping;
mod route;
mod serve;
mod ss;
mod stat;
mod tcpdump;
mod traceroute;
pub(crate) mod unix;
mod wait;
mod words;

/// A word of the shell.
pub trait Command: Sync {
    /// What a person types.
    fn name(&self) -> &'static str;

    /// Its options and its help: parsing, help and completion all come from here.
    fn grammar(&self) -> clap::Command;

    /// Does it. An error is printed behind the command's name and gives status 1.
    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus>;
}

/// Every command, in the order of `help`.
pub const ALL: &[&dyn Command] = &[
    &help::Help,
    &clear::Clear,
    &exit::Exit,
    &debug::Debug,
    &arp::Arp,
    &arpcache::ArpCache,
    &route::Route,
    &nat::Nat,
    &ifconfig::IfConfig,
    &stat::Stat,
    &netstat::Netstat,
    &host::Host,
    &ping::Ping,
    &ping::Ping2,
    &arping::Arping,
    &traceroute::Traceroute,
    &nc::Nc,
    &nc::Snc,
    &tcpdump::Tcpdump,
    &ss::Ss,
    &serve::Serve,
    &jobs::Jobs,
    &kill::Kill,
    &wait::Wait,
];

/// The tree of all commands: what parses their lines, explains and completes them.
pub fn grammar() -> clap::Command {
    clap::Command::new("net-shell")
        // The first word is the command's name, not the program's.
        .multicall(true)
        .disable_help_subcommand(true)
        .color(clap::ColorChoice::Never)
        .subcommands(ALL.iter().map(|command| command.grammar()))
}

/// The command of that name.
pub(crate) fn named(name: &str) -> Option<&'static dyn Command> {
    ALL.iter().copied().find(|command| command.name() == name)
}

/// Reads an IPv4 address with a port.
fn ipv4_and_port(text: &str) -> Result<std::net::SocketAddrV4, String> {
    text.parse().map_err(|_| "not an IPv4 address with a port, as 10.0.0.2:9".to_string())
}

/// Reads a time in seconds, `least` at least and a day at most.
fn seconds(text: &str, least: Duration) -> Result<Duration, String> {
    let time = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match time {
        Some(time) if (least..=DAY).contains(&time) => Ok(time),
        _ => Err(format!("not a number of seconds from {} to 86400", least.as_secs_f64())),
    }
}

const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_consistent_and_every_option_is_explained() {
        grammar().debug_assert();
        for command in grammar().get_subcommands() {
            assert!(named(command.get_name()).is_some(), "{}", command.get_name());
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{} {}", command.get_name(), arg.get_id());
            }
        }
    }
}
