//! `nc`, netcat in both directions, and `snc`, tapip's, which goes one way at a time.

mod datagrams;
mod pump;
mod snc;
mod streams;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::names::Host;
use super::{Command, seconds};
use crate::{Context, ExitStatus};

pub(super) use snc::Snc;

/// `nc`.
pub(super) struct Nc;

/// What is joined to standard input and output, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    udp: bool,
    end: End,
    /// Whether standard input is sent.
    send: bool,
    /// Whether what comes is printed.
    show: bool,
    /// At the end of the input the connection is closed in that direction.
    half_close: bool,
    /// After the end of the input, how long the peer may be silent before all is over; `None`:
    /// for ever.
    after_input: Option<Duration>,
    /// How long both may be silent, and how long connecting may take.
    idle: Option<Duration>,
    broadcast: bool,
    verbose: bool,
}

/// Which end this is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// Goes to the peer, from an address of its own where that was said.
    Connect { peer: SocketAddr, local: Option<SocketAddr> },
    /// Waits for one there, or for one after another.
    Listen { local: SocketAddr, again: bool },
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Done,
    Interrupted,
}

impl Plan {
    fn run(&self, context: &mut Context) -> anyhow::Result<Over> {
        match (self.udp, &self.end) {
            (false, End::Connect { peer, local }) => streams::connect(context, self, *peer, *local),
            (false, End::Listen { local, again }) => streams::listen(context, self, *local, *again),
            (true, End::Connect { peer, local }) => {
                datagrams::connect(context, self, *peer, *local)
            }
            (true, End::Listen { local, again }) => {
                datagrams::listen(context, self, *local, *again)
            }
        }
    }
}

impl Command for Nc {
    fn name(&self) -> &'static str {
        "nc"
    }

    fn grammar(&self) -> clap::Command {
        let flag = |name: &'static str, short, help: &'static str| {
            Arg::new(name).short(short).action(ArgAction::SetTrue).help(help)
        };
        let time = |name: &'static str, short, least, help: &'static str| {
            Arg::new(name)
                .short(short)
                .value_name("SECONDS")
                .value_parser(move |text: &str| seconds(text, least))
                .help(help)
        };
        clap::Command::new(self.name())
            .about("Join standard input and output to a connection, or with -u to datagrams")
            .override_usage(
                "nc [-u] [-N] [-d] [-v] [-w SECONDS] [-q SECONDS] [-s ADDR] [-p PORT] HOST PORT\n       \
                 nc -l [-u] [-k] [-N] [-d] [-v] [-w SECONDS] [-q SECONDS] [ADDR] PORT\n       \
                 nc -z [-v] [-w SECONDS] HOST PORT[-PORT]",
            )
            .arg(flag("udp", 'u', "UDP instead of TCP"))
            .arg(flag("listen", 'l', "Wait for a peer, at ADDR or every address of this host"))
            .arg(flag("keep", 'k', "With -l: when a peer has gone, wait for the next").requires("listen"))
            .arg(flag("shutdown", 'N', "Close the connection in our direction at the end of the input"))
            .arg(flag("detach", 'd', "Send nothing: standard input is left alone"))
            .arg(flag("zero", 'z', "Only see which ports take a connection").conflicts_with_all(["listen", "udp"]))
            .arg(flag("broadcast", 'b', "Let datagrams go to a broadcast address"))
            .arg(flag("verbose", 'v', "Say who is connected"))
            .arg(flag("numeric", 'n', "Only addresses are meant, no names"))
            .arg(time("wait", 'w', MILLISECOND, "Give up where connecting takes so long, or nothing is sent or received for so long"))
            .arg(time("quit", 'q', Duration::ZERO, "After the end of the input, end when the peer is silent for so long"))
            .arg(
                Arg::new("source")
                    .short('s')
                    .value_name("ADDR")
                    .value_parser(value_parser!(Ipv4Addr))
                    .help("From this address of this host"),
            )
            .arg(
                Arg::new("port")
                    .short('p')
                    .value_name("PORT")
                    .value_parser(value_parser!(u16).range(1..))
                    .help("From this port; with -l the port to wait at"),
            )
            .arg(Arg::new("host").value_name("HOST").help("The peer's IPv4 address or name"))
            .arg(Arg::new("service").value_name("PORT").help("Its port"))
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        if arguments.get_flag("zero") {
            return scan(context, arguments);
        }
        let Some(end) = end(context, arguments)? else { return Ok(ExitStatus::INTERRUPTED) };
        let time = |name| arguments.get_one::<Duration>(name).copied();
        let plan = Plan {
            udp: arguments.get_flag("udp"),
            end,
            send: !arguments.get_flag("detach"),
            show: true,
            half_close: arguments.get_flag("shutdown"),
            after_input: time("quit"),
            idle: time("wait"),
            broadcast: arguments.get_flag("broadcast"),
            verbose: arguments.get_flag("verbose"),
        };
        Ok(match plan.run(context)? {
            Over::Done => ExitStatus::SUCCESS,
            Over::Interrupted => ExitStatus::INTERRUPTED,
        })
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);

/// Which end is meant; `None` where ^C came before the peer's address.
fn end(context: &Context, arguments: &ArgMatches) -> anyhow::Result<Option<End>> {
    let word = |name| arguments.get_one::<String>(name).map(String::as_str);
    let (host, service) = (word("host"), word("service"));
    let said = arguments.get_one::<u16>("port").copied();
    let source = arguments.get_one::<Ipv4Addr>("source").copied();
    let any = Ipv4Addr::UNSPECIFIED;
    if arguments.get_flag("listen") {
        let (addr, at) = match (host, service) {
            // `nc -l 9`, `nc -l 10.0.0.1 9`; `nc -l -p 9`, `nc -l -p 9 10.0.0.1`.
            (Some(at), None) if said.is_none() => (None, Some(port(at)?)),
            (addr, at) => (addr, at.map(port).transpose()?),
        };
        let addr = match addr {
            Some(text) => {
                text.parse().ok().with_context(|| format!("{text}: not an IPv4 address"))?
            }
            None => source.unwrap_or(any),
        };
        let at = match (at, said) {
            (Some(at), None) | (None, Some(at)) => at,
            (Some(_), Some(_)) => bail!("the port is said twice"),
            (None, None) => bail!("at which port? as `nc -l 1234`"),
        };
        let again = arguments.get_flag("keep");
        return Ok(Some(End::Listen { local: SocketAddrV4::new(addr, at).into(), again }));
    }
    let (Some(host), Some(service)) = (host, service) else {
        bail!("to whom? as `nc 10.0.0.2 1234`, or `nc -l 1234` to wait");
    };
    let Some(addr) = peer(context, arguments, host)? else { return Ok(None) };
    let local = (said.is_some() || source.is_some())
        .then(|| SocketAddrV4::new(source.unwrap_or(any), said.unwrap_or(0)).into());
    let peer = SocketAddrV4::new(addr, port(service)?).into();
    Ok(Some(End::Connect { peer, local }))
}

fn peer(context: &Context, arguments: &ArgMatches, text: &str) -> anyhow::Result<Option<Ipv4Addr>> {
    let host: Host = text.parse().map_err(|why| anyhow::anyhow!("{text}: {why}"))?;
    let named = matches!(host, Host::Name(_));
    ensure!(!(named && arguments.get_flag("numeric")), "{text}: not an IPv4 address");
    host.addr(context)
}

fn port(text: &str) -> anyhow::Result<u16> {
    let port = text.parse().ok().filter(|port| *port != 0);
    port.with_context(|| format!("{text}: not a port from 1 to 65535"))
}

/// `-z`: says which ports of a range take a connection. 0 where any does.
fn scan(context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
    let word = |name| arguments.get_one::<String>(name).map(String::as_str);
    let (Some(host), Some(ports)) = (word("host"), word("service")) else {
        bail!("whose ports? as `nc -z 10.0.0.2 20-30`");
    };
    let (first, last) = match ports.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(ports)?, port(ports)?),
    };
    ensure!(first <= last, "{ports}: the first port is above the last");
    let Some(addr) = peer(context, arguments, host)? else { return Ok(ExitStatus::INTERRUPTED) };
    let wait = arguments.get_one::<Duration>("wait").copied();
    let mut any = false;
    for port in first..=last {
        let peer = SocketAddrV4::new(addr, port).into();
        match streams::open(context, peer, None, wait) {
            Ok(None) => return Ok(ExitStatus::INTERRUPTED),
            Ok(Some(_)) => {
                any = true;
                context.err.line(&format!("Connection to {addr} {port} port succeeded!"));
            }
            Err(error) if arguments.get_flag("verbose") => {
                context.err.line(&format!("nc: {error:#}"));
            }
            Err(_) => {}
        }
    }
    Ok(if any { ExitStatus::SUCCESS } else { ExitStatus::FAILURE })
}
