//! `snc`: netcat, one way at a time.

use std::net::SocketAddrV4;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches};

use super::{End, Over, Plan};
use crate::commands::debug::On;
use crate::commands::names::HostPort;
use crate::commands::{Command, ipv4_and_port};
use crate::{Context, DebugTarget, ExitStatus};

/// How long a peer may be silent after our end before the connection is closed under it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// `snc`.
pub(in crate::commands) struct Snc;

impl Command for Snc {
    fn name(&self) -> &'static str {
        "snc"
    }

    fn grammar(&self) -> clap::Command {
        clap::Command::new(self.name())
            .about("One-way netcat: -b prints what arrives, -c sends standard input")
            .arg(
                Arg::new("debug")
                    .short('d')
                    .action(ArgAction::SetTrue)
                    .help("Show what the transport does meanwhile"),
            )
            .arg(Arg::new("udp").short('u').action(ArgAction::SetTrue).help("UDP instead of TCP"))
            .arg(
                Arg::new("bind")
                    .short('b')
                    .value_name("ADDR:PORT")
                    .value_parser(ipv4_and_port)
                    .help("Wait there, and print what arrives"),
            )
            .arg(
                Arg::new("connect")
                    .short('c')
                    .value_name("HOST:PORT")
                    .value_parser(|text: &str| text.parse::<HostPort>())
                    .help("Connect there, and send standard input"),
            )
            .group(clap::ArgGroup::new("direction").args(["bind", "connect"]).required(true))
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let udp = arguments.get_flag("udp");
        let _on = arguments.get_flag("debug").then(|| match udp {
            true => On::new(context, &[DebugTarget::Udp]),
            false => On::new(context, &[DebugTarget::Tcp, DebugTarget::TcpState]),
        });
        let end = match arguments.get_one::<HostPort>("connect") {
            Some(peer) => match peer.addr(context)? {
                Some(peer) => End::Connect { peer, local: None },
                None => return Ok(ExitStatus::INTERRUPTED),
            },
            None => match arguments.get_one::<SocketAddrV4>("bind") {
                // Datagrams of everybody, a stream of one.
                Some(addr) => End::Listen { local: (*addr).into(), again: udp },
                None => return Ok(ExitStatus::USAGE),
            },
        };
        let sends = matches!(end, End::Connect { .. });
        let plan = Plan {
            udp,
            end,
            send: sends,
            // One way: what the peer says is not shown. But were it left unread, closing would be
            // a reset (RFC 2525 §2.17), and that may take from the peer what is still on its way.
            show: !sends,
            half_close: true,
            after_input: Some(if udp { Duration::ZERO } else { LAST_WORDS }),
            idle: None,
            broadcast: false,
            verbose: false,
        };
        Ok(match plan.run(context)? {
            Over::Interrupted if sends || !udp => ExitStatus::INTERRUPTED,
            // Nothing else ends the printing of datagrams: that is success.
            _ => ExitStatus::SUCCESS,
        })
    }
}
