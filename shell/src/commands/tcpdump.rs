//! `tcpdump`: the packets of an interface, while they pass.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use ip::IfIndex;
use netdev::{CaptureFile, CaptureInterface, Instant, describe};
use socket::{InterfaceView, Seen, Watch};

use super::{Command, links};
use crate::filter::Filter;
use crate::{Context, ExitStatus, Interrupt, Terminal};

/// Bytes of packets that may wait to be printed: libpcap's usual buffer.
const ROOM: usize = 2 << 20;
/// The name that stands for all interfaces.
const ANY: &str = "any";

/// `tcpdump`.
pub(super) struct Tcpdump;

impl Command for Tcpdump {
    fn name(&self) -> &'static str {
        "tcpdump"
    }

    fn grammar(&self) -> clap::Command {
        let flag = |name: &'static str, short, help: &'static str| {
            Arg::new(name).short(short).action(ArgAction::SetTrue).help(help)
        };
        clap::Command::new(self.name())
            .about("Show the packets of an interface while they pass")
            .after_help(
                "EXPR says which packets, in a part of the language of pcap-filter(7):\n  \
                 [ip|arp] [src|dst] host ADDR | net ADDR/LEN    [tcp|udp] [src|dst] port N | portrange N-N\n  \
                 ip ip6 arp tcp udp icmp igmp, ip proto N       ether [src|dst] host MAC\n  \
                 syn fin rst psh ack urg (TCP's flags)          less N, greater N (bytes)\n  \
                 not, and, or, ( ); `and` and `or` bind alike, from left to right",
            )
            .arg(
                Arg::new("interface")
                    .short('i')
                    .long("interface")
                    .value_name("IF")
                    .help("Of this interface, or `any` [default: the first but lo]"),
            )
            .arg(
                Arg::new("count")
                    .short('c')
                    .value_name("N")
                    .value_parser(value_parser!(u64).range(1..))
                    .help("Stop after so many packets; without it, at ^C"),
            )
            .arg(
                Arg::new("write")
                    .short('w')
                    .value_name("FILE")
                    .value_parser(value_parser!(PathBuf))
                    .help("Write them to this file (pcapng) instead of showing them"),
            )
            .arg(flag("background", 'b', "Run in the background, as a service does: `kill` ends it"))
            .arg(flag("numeric", 'n', "Numbers instead of names (it is always so)"))
            .arg(
                Arg::new("expression")
                    .value_name("EXPR")
                    .num_args(0..)
                    .trailing_var_arg(true)
                    .help("Which packets; without it, all"),
            )
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let words: Vec<&str> = arguments
            .get_many::<String>("expression")
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let text = words.join(" ");
        let filter: Filter = match text.parse() {
            Ok(filter) => filter,
            Err(why) => {
                context.err.line(&format!("tcpdump: in `{text}`: {why}"));
                return Ok(ExitStatus::USAGE);
            }
        };
        let said = arguments.get_one::<String>("interface").map(String::as_str);
        let dump = Dump::begin(
            context,
            said,
            filter,
            arguments.get_one::<PathBuf>("write"),
            arguments.get_one::<u64>("count").copied(),
        )?;
        if arguments.get_flag("background") {
            let line = ["tcpdump"].into_iter().chain(words).collect::<Vec<_>>().join(" ");
            let number = context.jobs.start(line.clone(), move |stop| {
                dump.run(stop);
                true
            })?;
            context.out.line(&format!("[{number}] {line}"));
            return Ok(ExitStatus::SUCCESS);
        }
        dump.run(&context.interrupt);
        Ok(ExitStatus::SUCCESS)
    }
}

/// A dump that has begun: packets are collected from now on.
struct Dump {
    watch: Watch,
    interfaces: Vec<InterfaceView>,
    file: Option<File>,
    count: Option<u64>,
    out: Terminal,
    err: Terminal,
}

/// A capture file, with the interfaces that it has so far.
struct File {
    file: CaptureFile,
    interfaces: Vec<(IfIndex, CaptureInterface)>,
}

impl Dump {
    fn begin(
        context: &Context,
        said: Option<&str>,
        filter: Filter,
        path: Option<&PathBuf>,
        count: Option<u64>,
    ) -> anyhow::Result<Dump> {
        let all = context.net.with(|stack, _| stack.interfaces());
        let chosen = match said {
            Some(ANY) => None,
            Some(name) => Some(links::named(context, name)?),
            None => match all.iter().find(|view| !view.loopback) {
                Some(view) => Some(view.clone()),
                None => bail!("there is no interface but lo; `-i lo` shows that"),
            },
        };
        let file = path.map(|path| File::create(path, context.net.now())).transpose()?;
        let index = chosen.as_ref().map(|view| view.index);
        let wanted = Arc::new(move |medium, packet: &[u8]| filter.matches(medium, packet));
        let watch = context.net.with(|stack, _| stack.watch(index, ROOM, wanted))?;
        let name = chosen.map_or(ANY.to_string(), |view| view.name);
        context.err.line(&format!("tcpdump: listening on {name}"));
        let (out, err) = (context.out.clone(), context.err.clone());
        Ok(Dump { watch, interfaces: all, file, count, out, err })
    }

    fn run(mut self, stop: &Interrupt) {
        let _hook = stop.on_raise(self.watch.waker());
        let mut shown = 0;
        while !stop.is_raised() && self.count != Some(shown) {
            match self.watch.take() {
                Some(seen) => {
                    shown += 1;
                    self.show(&seen);
                }
                None => drop(self.watch.wait(None)),
            }
        }
        // A file has what passed before the end; on a terminal, ^C means now.
        while self.file.is_some() && self.count != Some(shown) {
            let Some(seen) = self.watch.take() else { break };
            shown += 1;
            self.show(&seen);
        }
        let counts = self.watch.counts();
        let gap = if stop.is_raised() { "\n" } else { "" };
        self.err.line(&format!(
            "{gap}{shown} packets captured\n{} packets received by filter\n{} packets dropped, \
             for want of room",
            counts.wanted, counts.dropped
        ));
    }

    fn show(&mut self, seen: &Seen) {
        let name = links::name_of(&self.interfaces, seen.iface);
        match &mut self.file {
            Some(file) => file.record(seen, &name),
            None => {
                let text = describe(seen.medium, &seen.packet);
                self.out.line(&format!("{} {name} {:<3} {text}", seen.at, seen.direction));
            }
        }
    }
}

impl File {
    fn create(path: &PathBuf, now: Instant) -> anyhow::Result<File> {
        // The file has the date of the stack's zero.
        let epoch = SystemTime::now()
            .checked_sub(Duration::from_nanos(now.nanos()))
            .context("the clock stands before 1970")?;
        let file = CaptureFile::create(path, epoch)?;
        Ok(File { file, interfaces: Vec::new() })
    }

    fn record(&mut self, seen: &Seen, name: &str) {
        let known = self.interfaces.iter().position(|(index, _)| *index == seen.iface);
        let at = known.unwrap_or_else(|| {
            self.interfaces.push((seen.iface, self.file.interface(name, seen.medium)));
            self.interfaces.len() - 1
        });
        self.interfaces[at].1.record(seen.at, seen.direction, &seen.packet);
        // Whoever reads along sees each packet as it comes.
        self.file.flush();
    }
}
