//! `arping`: asks a neighbour by ARP, or whether an address is free.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use arp::{Message, Operation};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use netdev::{Direction, EtherType, MacAddr, Medium};
use socket::{InterfaceView, Watch};

use super::names::Host;
use super::{Command, links, seconds};
use crate::{Context, ExitStatus, Terminal};

/// Bytes of ARP packets that may wait.
const ROOM: usize = 1 << 20;
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

// RFC 5227 §1.1, for `-D`.
const PROBE_NUM: u64 = 3;
const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);

/// `arping`.
pub(super) struct Arping;

impl Command for Arping {
    fn name(&self) -> &'static str {
        "arping"
    }

    fn grammar(&self) -> clap::Command {
        let time = |text: &str| seconds(text, Duration::from_millis(1));
        let flag = |name: &'static str, short, help: &'static str| {
            Arg::new(name).short(short).action(ArgAction::SetTrue).help(help)
        };
        clap::Command::new(self.name())
            .about("Ask a neighbour for its link address, or whether an address is free (-D)")
            .arg(
                Arg::new("count")
                    .short('c')
                    .value_name("N")
                    .value_parser(value_parser!(u64).range(1..))
                    .help("Stop after so many requests; without it, at ^C [with -D: 3]"),
            )
            .arg(
                Arg::new("interface")
                    .short('I')
                    .value_name("IF")
                    .help("By this interface [default: that of the route]"),
            )
            .arg(
                Arg::new("interval")
                    .short('i')
                    .value_name("SECONDS")
                    .default_value("1")
                    .value_parser(time)
                    .help("Time between requests"),
            )
            .arg(
                Arg::new("timeout")
                    .short('w')
                    .value_name("SECONDS")
                    .value_parser(time)
                    .help("How long to wait after the last request [default: the interval; with -D: 2]"),
            )
            .arg(flag("duplicate", 'D', "Is the address free? Asks without an address of its own (RFC 5227 §2.1.1); 0 where nobody has it"))
            .arg(flag("broadcast", 'b', "Go on with broadcasts after the first reply"))
            .arg(flag("first", 'f', "Stop at the first reply"))
            .arg(
                Arg::new("host")
                    .value_name("HOST")
                    .required(true)
                    .value_parser(|text: &str| text.parse::<Host>())
                    .help("The neighbour's IPv4 address or name"),
            )
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let host = arguments.get_one::<Host>("host").context("no address")?;
        let Some(target) = host.addr(context)? else { return Ok(ExitStatus::INTERRUPTED) };
        let said = arguments.get_one::<String>("interface");
        let view = links::towards(context, said, target)?;
        ensure!(
            view.medium == Medium::Ethernet && !view.loopback,
            "{}: there are no link addresses",
            view.name
        );
        let duplicate = arguments.get_flag("duplicate");
        let source = source(&view, target);
        ensure!(duplicate || source.is_some(), "{}: it has no address to ask from", view.name);
        let interval = *arguments.get_one::<Duration>("interval").context("no interval")?;
        let timeout = arguments.get_one::<Duration>("timeout").copied();
        let count = arguments.get_one::<u64>("count").copied();
        let ask = Ask {
            target,
            source: source.filter(|_| !duplicate).unwrap_or(Ipv4Addr::UNSPECIFIED),
            mac: view.mac,
            count: if duplicate { count.or(Some(PROBE_NUM)) } else { count },
            interval,
            patience: timeout.unwrap_or(if duplicate { ANNOUNCE_WAIT } else { interval }),
            duplicate,
            broadcast: arguments.get_flag("broadcast"),
            first: arguments.get_flag("first") || duplicate,
        };
        ask.run(context, &view)
    }
}

/// The own address that the neighbour should answer to.
fn source(view: &InterfaceView, target: Ipv4Addr) -> Option<Ipv4Addr> {
    let near = view.addrs.iter().find(|own| own.contains(target.into()));
    match near.or(view.addrs.first())?.addr {
        IpAddr::V4(addr) => Some(addr),
        IpAddr::V6(_) => None,
    }
}

/// What is asked, and how.
struct Ask {
    target: Ipv4Addr,
    /// Unspecified in a probe.
    source: Ipv4Addr,
    mac: MacAddr,
    count: Option<u64>,
    interval: Duration,
    patience: Duration,
    duplicate: bool,
    broadcast: bool,
    first: bool,
}

/// What was heard so far.
#[derive(Default)]
struct Heard {
    replies: u64,
    /// Who answered first: later requests go to it alone.
    mac: Option<MacAddr>,
}

impl Ask {
    fn run(&self, context: &Context, view: &InterfaceView) -> anyhow::Result<ExitStatus> {
        let is_arp = |_: Medium, frame: &[u8]| {
            frame.get(12..ETHERNET).is_some_and(|kind| *kind == EtherType::ARP.0.to_be_bytes())
        };
        let watch =
            context.net.with(|stack, _| stack.watch(Some(view.index), ROOM, Arc::new(is_arp)))?;
        let _hook = context.interrupt.on_raise(watch.waker());
        let Ask { target, source, .. } = self;
        context.out.line(&format!("ARPING {target} from {source} {}", view.name));
        let (mut heard, mut sent, mut broadcasts) = (Heard::default(), 0, 0);
        let mut next = Instant::now();
        let mut last = next;
        loop {
            self.hear(&watch, last, &mut heard, &context.out);
            if context.interrupt.is_raised() || self.first && heard.replies > 0 {
                break;
            }
            let done = self.count == Some(sent);
            let until = if done { last + self.patience } else { next };
            let now = Instant::now();
            if now < until {
                watch.wait(Some(until - now));
                continue;
            }
            if done {
                break;
            }
            let to = heard.mac.filter(|_| !self.broadcast).unwrap_or(MacAddr::BROADCAST);
            let request = Message::request(self.mac, *source, *target).packet();
            context.net.with(|stack, now| {
                stack.send_frame(now, view.index, to, EtherType::ARP, request)
            })?;
            sent += 1;
            broadcasts += u64::from(to == MacAddr::BROADCAST);
            (last, next) = (now, now + self.interval);
        }
        let gap = if context.interrupt.is_raised() { "\n" } else { "" };
        context.out.line(&format!(
            "{gap}Sent {sent} probes ({broadcasts} broadcast(s))\nReceived {} response(s)",
            heard.replies
        ));
        // With -D an answer is the bad news.
        Ok(match (heard.replies > 0) == self.duplicate {
            _ if sent == 0 => ExitStatus::INTERRUPTED,
            true => ExitStatus::FAILURE,
            false => ExitStatus::SUCCESS,
        })
    }

    /// Takes what came in.
    fn hear(&self, watch: &Watch, sent: Instant, heard: &mut Heard, out: &Terminal) {
        while let Some(seen) = watch.take() {
            if seen.direction == Direction::Tx {
                continue;
            }
            let Some(mac) = seen.packet.get(ETHERNET..).and_then(|arp| self.answered_by(arp))
            else {
                continue;
            };
            heard.replies += 1;
            heard.mac.get_or_insert(mac);
            let unicast = seen.packet.first_chunk() == Some(&self.mac.0);
            let cast = if unicast { "Unicast" } else { "Broadcast" };
            let time = sent.elapsed().as_secs_f64() * 1000.0;
            out.line(&format!("{cast} reply from {} [{mac}]  {time:.3}ms", self.target));
        }
    }

    /// Who says in this packet that it has the address; in a search for duplicates also who is
    /// about to take it (RFC 5227 §2.1.1).
    fn answered_by(&self, packet: &[u8]) -> Option<MacAddr> {
        let Message { operation, sender_mac, sender, target_mac, target } =
            Message::parse(packet).ok()?;
        if sender_mac == self.mac {
            return None;
        }
        let says = match self.duplicate {
            true => {
                let probes = operation == Operation::Request && sender.is_unspecified();
                sender == self.target || probes && target == self.target
            }
            false => {
                operation == Operation::Reply && sender == self.target && target_mac == self.mac
            }
        };
        says.then_some(sender_mac)
    }
}
