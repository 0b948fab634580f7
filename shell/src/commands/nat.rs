//! `nat`: the address translation.

use std::fmt::Write as _;
use std::io::Write;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Arg, ArgMatches, value_parser};
use ip::{Change, Cidr, Filtering, IfIndex, NatView, PortForward, Protocol};
use socket::InterfaceView;

use super::names::HostPort;
use super::{Command, links, seconds};
use crate::table::columns;
use crate::{Context, ExitStatus};

/// `nat`.
pub(super) struct Nat;

/// RFC 4787 §5's names for who may answer.
const FILTERS: [(&str, Filtering); 3] = [
    ("endpoint-independent", Filtering::EndpointIndependent),
    ("address-dependent", Filtering::AddressDependent),
    ("address-and-port-dependent", Filtering::AddressAndPortDependent),
];

/// What has ports to forward.
const TRANSPORTS: [(&str, Protocol); 2] = [("tcp", Protocol::TCP), ("udp", Protocol::UDP)];

impl Command for Nat {
    fn name(&self) -> &'static str {
        "nat"
    }

    fn grammar(&self) -> clap::Command {
        let option = |name: &'static str, value, help: &'static str| {
            Arg::new(name).long(name).value_name(value).help(help)
        };
        let count =
            |name, help| option(name, "N", help).value_parser(value_parser!(u32).range(1..));
        let time = |name, help| {
            let least = Duration::from_secs(1);
            option(name, "SECONDS", help).value_parser(move |text: &str| seconds(text, least))
        };
        let on = clap::Command::new("on")
            .about("Hide the hosts behind one interface from those behind another")
            .arg(option("out", "IF", "Whose address they share").required(true))
            .arg(option("in", "IF|NET", "Whose hosts are hidden: an interface, or its network [default: the only other one]"))
            .arg(
                option("ports", "N-N", "Outside ports and ICMP identifiers [default: 16384-32767]")
                    .value_parser(ports),
            )
            .arg(
                option("filter", "WORD", "Who outside may send to a mapping (RFC 4787 §5) [default: address-dependent]")
                    .value_parser(FILTERS.map(|(word, _)| word)),
            )
            .arg(count("sessions", "Sessions in all [default: 8192]"))
            .arg(count("sessions-per-host", "Sessions of one host inside [default: 2048]"))
            .arg(time("udp", "How long a UDP session is kept [default: 300]"))
            .arg(time("tcp", "How long an established connection is kept [default: 7440]"))
            .arg(time("tcp-transitory", "How long one that opens or closes is [default: 240]"))
            .arg(time("icmp", "How long an ICMP query is [default: 60]"));
        let port = || {
            let port = value_parser!(u16).range(1..);
            Arg::new("port").value_name("PORT").required(true).value_parser(port)
        };
        let protocol = || {
            let names = TRANSPORTS.map(|(name, _)| name);
            Arg::new("protocol").value_name("PROTO").required(true).value_parser(names)
        };
        let forward = clap::Command::new("forward")
            .about("Give a port of the outside address to a server inside, or take it back")
            .subcommand_required(true)
            .disable_help_subcommand(true)
            .subcommand(
                clap::Command::new("add")
                    .about("Everybody outside reaches the server by that port")
                    .arg(protocol())
                    .arg(port().help("The port outside"))
                    .arg(
                        Arg::new("to")
                            .value_name("HOST:PORT")
                            .required(true)
                            .value_parser(|text: &str| text.parse::<HostPort>())
                            .help("The server inside"),
                    ),
            )
            .subcommand(
                clap::Command::new("del")
                    .about("No longer; connections over it are forgotten")
                    .arg(protocol())
                    .arg(port().help("The port outside")),
            );
        clap::Command::new(self.name())
            .about("Show the address translation and its sessions, or begin or end it")
            .disable_help_subcommand(true)
            .subcommand(on)
            .subcommand(forward)
            .subcommand(clap::Command::new("off").about("End it: every session is forgotten"))
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        match arguments.subcommand() {
            Some(("on", arguments)) => on(context, arguments)?,
            Some(("forward", arguments)) => match forward(context, arguments)? {
                Some(change) => context.net.with(|stack, now| stack.configure(now, change))?,
                None => return Ok(ExitStatus::INTERRUPTED),
            },
            Some(_) => context.net.with(|stack, now| {
                ensure!(stack.nat(now).is_some(), "it is off");
                Ok(stack.configure(now, Change::Nat(None))?)
            })?,
            None => {
                let (view, interfaces) =
                    context.net.with(|stack, now| (stack.nat(now), stack.interfaces()));
                let text = view.map_or_else(
                    || "off; `nat on --out IF` begins it\n".to_string(),
                    |view| show(&view, &interfaces),
                );
                context.out.write_all(text.as_bytes())?;
            }
        }
        Ok(ExitStatus::SUCCESS)
    }
}

fn on(context: &Context, arguments: &ArgMatches) -> anyhow::Result<()> {
    let outside = arguments.get_one::<String>("out").context("no interface")?;
    let outside = links::named(context, outside)?;
    let said = arguments.get_one::<String>("in").map(String::as_str);
    let inside = inside(context, said, outside.index)?;
    let mut nat = ip::Nat::new(inside, outside.index);
    if let Some(ports) = arguments.get_one::<RangeInclusive<u16>>("ports") {
        nat.ports = ports.clone();
    }
    if let Some(word) = arguments.get_one::<String>("filter") {
        let known = FILTERS.into_iter().find(|(name, _)| name == word);
        nat.filtering = known.context("no such filter")?.1;
    }
    for (name, limit) in
        [("sessions", &mut nat.sessions), ("sessions-per-host", &mut nat.sessions_per_host)]
    {
        if let Some(&count) = arguments.get_one::<u32>(name) {
            *limit = count as usize;
        }
    }
    for (name, time) in [
        ("udp", &mut nat.udp),
        ("tcp", &mut nat.tcp_established),
        ("tcp-transitory", &mut nat.tcp_transitory),
        ("icmp", &mut nat.icmp),
    ] {
        if let Some(&said) = arguments.get_one::<Duration>(name) {
            *time = said;
        }
    }
    context.net.with(|stack, now| {
        // Whoever translates for others forwards for them.
        stack.configure(now, Change::Forwarding(true))?;
        Ok(stack.configure(now, Change::Nat(Some(nat)))?)
    })
}

/// What `nat forward` asks for; `None` where ^C came before the server's address.
fn forward(context: &Context, arguments: &ArgMatches) -> anyhow::Result<Option<Change>> {
    let (verb, arguments) = arguments.subcommand().context("add or del?")?;
    let word = arguments.get_one::<String>("protocol").context("no protocol")?;
    let known = TRANSPORTS.into_iter().find(|(name, _)| name == word);
    let (_, protocol) = known.context("no such protocol")?;
    let port = *arguments.get_one::<u16>("port").context("no port")?;
    if verb == "del" {
        return Ok(Some(Change::RemoveForward { protocol, port }));
    }
    let to = arguments.get_one::<HostPort>("to").context("no server")?.addr(context)?;
    let forward = |to: SocketAddr| PortForward { protocol, port, to: (to.ip(), to.port()) };
    Ok(to.map(|to| Change::Forward(forward(to))))
}

/// The interface whose hosts are to be hidden: as it was said, or the only one that there is.
fn inside(context: &Context, said: Option<&str>, outside: IfIndex) -> anyhow::Result<IfIndex> {
    let all = context.net.with(|stack, _| stack.interfaces());
    let network = said.and_then(|text| text.parse::<Cidr>().ok());
    let found: Vec<&InterfaceView> = match (said, network) {
        (Some(_), Some(network)) => {
            let on = |own: &Cidr| own.network() == network.network();
            all.iter().filter(|view| view.addrs.iter().any(on)).collect()
        }
        (Some(name), None) => return Ok(links::named(context, name)?.index),
        (None, _) => all.iter().filter(|v| !v.loopback && v.index != outside).collect(),
    };
    match (found[..].first(), found.len()) {
        (Some(view), 1) => Ok(view.index),
        (None, _) if said.is_some() => {
            bail!("no interface is on the network {}", said.unwrap_or(""))
        }
        (None, _) => bail!("there is no other interface to be inside"),
        (Some(_), _) => bail!("several interfaces could be inside; `--in` says which"),
    }
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(first..=last),
        _ => Err("not a range of ports, as 16384-32767".to_string()),
    }
}

/// What is set, and a row for each session.
fn show(view: &NatView, interfaces: &[InterfaceView]) -> String {
    let NatView { nat, forwards, sessions } = view;
    let name = |index| links::name_of(interfaces, index);
    let filter = FILTERS.into_iter().find(|(_, filter)| *filter == nat.filtering);
    let mut text = format!(
        "{} hidden behind {}, ports {}-{}, {} filtering\n\
         {} sessions of {}, {} for one host\n",
        name(nat.inside),
        name(nat.outside),
        nat.ports.start(),
        nat.ports.end(),
        filter.map_or("", |(word, _)| word),
        sessions.len(),
        nat.sessions,
        nat.sessions_per_host,
    );
    for PortForward { protocol, port, to: (addr, to) } in forwards {
        let known = TRANSPORTS.into_iter().find(|(_, transport)| transport == protocol);
        let name = known.map_or("", |(name, _)| name);
        let _ = writeln!(text, "{name} port {port} forwarded to {addr}:{to}");
    }
    if sessions.is_empty() {
        return text;
    }
    let header = ["Proto", "Inside", "Outside", "Peer", "State", "Expires"];
    let mut rows = vec![header.map(String::from).to_vec()];
    for session in sessions {
        let proto = match session.protocol {
            Protocol::TCP => "tcp",
            Protocol::UDP => "udp",
            _ => "icmp",
        };
        let end = |(addr, port): (std::net::IpAddr, u16)| match port {
            0 => addr.to_string(),
            port => format!("{addr}:{port}"),
        };
        let state = match (session.protocol, session.established) {
            (Protocol::TCP, true) => "established",
            (Protocol::TCP, false) => "transitory",
            _ => "",
        };
        let expires = format!("{}s", session.timeout.as_secs());
        let ends = [session.inside, session.outside, session.peer].map(end);
        let mut row = vec![proto.to_string()];
        row.extend(ends);
        row.extend([state.to_string(), expires]);
        rows.push(row);
    }
    let _ = write!(text, "{}", columns(&rows));
    text
}
