//! `arp`: the neighbours, and those that a person names.

use std::io::Write;
use std::net::Ipv4Addr;

use anyhow::Context as _;
use arp::{Change, Entry, State};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use netdev::MacAddr;

use super::{Command, links};
use crate::table::columns;
use crate::{Context, ExitStatus};

/// `arp`.
pub(super) struct Arp;

impl Command for Arp {
    fn name(&self) -> &'static str {
        "arp"
    }

    fn grammar(&self) -> clap::Command {
        clap::Command::new(self.name())
            .about("Show the neighbours, name one for good (-s), or forget one (-d)")
            .override_usage(
                "arp [-n] [-i IF] [IP]\n       arp -s IP MAC [-i IF]\n       arp -d IP [-i IF]",
            )
            .arg(
                Arg::new("set")
                    .short('s')
                    .long("set")
                    .num_args(2)
                    .value_names(["IP", "MAC"])
                    .conflicts_with_all(["delete", "ip"])
                    .help("The neighbour IP has the link address MAC, for good"),
            )
            .arg(
                Arg::new("delete")
                    .short('d')
                    .long("delete")
                    .value_name("IP")
                    .value_parser(value_parser!(Ipv4Addr))
                    .conflicts_with("ip")
                    .help("Forget a neighbour, also one that -s has named"),
            )
            .arg(
                Arg::new("interface")
                    .short('i')
                    .long("interface")
                    .value_name("IF")
                    .help("On this interface [default: that of the route; shown: all]"),
            )
            .arg(
                Arg::new("numeric")
                    .short('n')
                    .action(ArgAction::SetTrue)
                    .help("Numbers instead of names (it is always so)"),
            )
            .arg(
                Arg::new("ip")
                    .value_name("IP")
                    .value_parser(value_parser!(Ipv4Addr))
                    .help("Show only this neighbour"),
            )
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let said = arguments.get_one::<String>("interface");
        let change = if let Some(mut words) = arguments.get_many::<String>("set") {
            let (addr, mac) = words.next().zip(words.next()).context("an address and a MAC")?;
            let addr: Ipv4Addr =
                addr.parse().ok().with_context(|| format!("-s {addr}: not an IPv4 address"))?;
            let mac: MacAddr =
                mac.parse().map_err(|why| anyhow::anyhow!("-s {addr} {mac}: {why}"))?;
            Some((addr, Change::AddStatic(addr.into(), mac)))
        } else {
            let gone = arguments.get_one::<Ipv4Addr>("delete");
            gone.map(|&addr| (addr, Change::Remove(addr.into())))
        };
        if let Some((addr, change)) = change {
            let view = links::towards(context, said, addr)?;
            context.net.with(|stack, now| stack.configure_arp(now, view.index, change))?;
            return Ok(ExitStatus::SUCCESS);
        }
        let only = said.map(|name| links::named(context, name)).transpose()?;
        let addr = arguments.get_one::<Ipv4Addr>("ip");
        let (entries, interfaces) =
            context.net.with(|stack, now| (stack.arp_entries(now), stack.interfaces()));
        let shown = entries.into_iter().filter(|(index, entry)| {
            only.as_ref().is_none_or(|view| view.index == *index)
                && addr.is_none_or(|addr| entry.addr == *addr)
        });
        let rows: Vec<_> =
            shown.map(|(index, entry)| (entry, links::name_of(&interfaces, index))).collect();
        if let (true, Some(addr)) = (rows.is_empty(), addr) {
            anyhow::bail!("{addr}: no entry");
        }
        context.out.write_all(table(&rows).as_bytes())?;
        Ok(ExitStatus::SUCCESS)
    }
}

/// In arp(8)'s columns; its flags are C for a complete entry and M for one that a person has set.
fn table(entries: &[(Entry, String)]) -> String {
    let header = ["Address", "HWtype", "HWaddress", "Flags", "Iface", "State"];
    let mut rows = vec![header.map(String::from).to_vec()];
    for (entry, interface) in entries {
        let mac = entry.mac.map_or("(incomplete)".into(), |mac| mac.to_string());
        let flags = match (entry.state, entry.mac) {
            (State::Permanent, _) => "CM",
            (_, Some(_)) => "C",
            (_, None) => "",
        };
        let kind = if entry.mac.is_some() { "ether" } else { "" };
        let state = format!("{:?}", entry.state);
        let cells = [&entry.addr.to_string(), kind, &mac, flags, interface, &state];
        rows.push(cells.map(|cell: &str| cell.to_string()).to_vec());
    }
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn entries_in_the_columns_of_arp() {
        let entry = |last, mac: Option<&str>, state| Entry {
            addr: IpAddr::from([10, 0, 0, last]),
            mac: mac.map(|mac| mac.parse().unwrap()),
            state,
            timeout: None,
            waiting: 0,
        };
        let entries = [
            (entry(2, Some("02:00:00:00:00:02"), State::Permanent), "tap0".into()),
            (entry(9, None, State::Incomplete), "tap0".into()),
        ];
        assert_eq!(
            table(&entries),
            "Address   HWtype  HWaddress          Flags  Iface  State\n\
             10.0.0.2  ether   02:00:00:00:00:02  CM     tap0   Permanent\n\
             10.0.0.9          (incomplete)              tap0   Incomplete\n"
        );
    }
}
