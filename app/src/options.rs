//! What can be said on the command line and in `tapip.toml`: one structure for both, so that
//! neither can know an option that the other does not.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use serde::Deserialize;

use crate::tcp_defaults::TcpDefaults;

/// A complete TCP/IP stack in a program of your own, on a link to the kernel's.
#[derive(Parser, Debug)]
#[command(name = "tapip", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run a stack and its net shell (the default)
    Run(Box<RunArgs>),
    /// Run a command at the kernel's end of a running instance's link
    Host(HostArgs),
    /// Put the stack on the LAN of a NIC, beside this host
    #[cfg(target_os = "linux")]
    Bridge(crate::bridge::BridgeArgs),
    /// List the implementations of each layer
    Layers,
}

#[derive(Args, Debug)]
pub(crate) struct HostArgs {
    /// Which instance, where several run
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

#[derive(Args, Debug, Default)]
pub(crate) struct RunArgs {
    /// Read options from this file; without it, from ./tapip.toml where that exists
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Run these shell commands instead of reading them: 'CMD; CMD'
    #[arg(short = 'c', value_name = "CMDS")]
    pub(crate) commands: Option<String>,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// Everything that shapes a run. Unset is `None`, so that the command line can win over the file
/// and the file over the defaults.
#[derive(Args, Deserialize, Debug, Default, Clone)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Options {
    /// The link: `ns` (a namespace of its own, the default), `tap:NAME`, `tun:NAME`, `bridge:NIC`,
    /// `macvtap:NIC`, `packet:NIC`, `unix:PATH` or `sim`
    #[arg(long, value_name = "LINK")]
    pub(crate) link: Option<String>,
    /// One interface more, as `link=tap:t1,addr=10.1.0.1/24` (again for more). It has `link`,
    /// `addr`, `gw`, `host-addr`, `mac`, `mtu`, `neighbour`, `probe`, `offload` and `tun-pi`, as the
    /// options of these names; those say what the first interface is, unless all are given here
    #[arg(long, value_name = "KEY=VALUE,…")]
    #[serde(default)]
    pub(crate) interface: Vec<InterfaceOptions>,
    /// The name of this instance, for `tapip host --name`
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The stack's address, or `dhcp` to get one from a server on the link [default: 10.0.0.1/24;
    /// on `bridge:NIC`, `macvtap:NIC` and `packet:NIC` dhcp]
    #[arg(long, value_name = "ADDR/LEN")]
    pub(crate) addr: Option<String>,
    /// The stack's default gateway, or `none` [default: the kernel's end]
    #[arg(long, value_name = "ADDR")]
    pub(crate) gw: Option<String>,
    /// A DNS server to look names up at (again for more) [default: those that DHCP names]
    #[arg(long, value_name = "ADDR")]
    #[serde(default)]
    pub(crate) dns: Vec<String>,
    /// A domain that short names may be in (again for more), before the one that DHCP names
    #[arg(long, value_name = "DOMAIN")]
    #[serde(default)]
    pub(crate) search: Vec<String>,
    /// The address of the kernel's end of the link [default: 10.0.0.2/24, or the second address of
    /// the stack's network]
    #[arg(long, value_name = "ADDR/LEN")]
    pub(crate) host_addr: Option<String>,
    /// The stack's Ethernet address [default: 00:34:45:67:89:ab]
    #[arg(long, value_name = "MAC")]
    pub(crate) mac: Option<String>,
    /// The largest IP datagram in bytes [default: the device's, 1500]
    #[arg(long, value_name = "BYTES")]
    pub(crate) mtu: Option<usize>,
    /// Whether the link is asked who has the address: `first` (and used then, some seconds later),
    /// `meanwhile` (and given up when somebody answers) or `never` [default: first where there may
    /// be strangers (bridge, macvtap, packet), meanwhile on tap and unix, never on ns, sim and tun]
    #[arg(long, value_name = "WHEN")]
    pub(crate) probe: Option<String>,
    /// Checksums and segmentation: `auto` leaves to the kernel what it takes, on the links that
    /// lead to it; `off` leaves it nothing [default: auto]
    #[arg(long, value_name = "WHAT")]
    pub(crate) offload: Option<Offload>,
    /// Ask the devices again and again for so long before a program that waits may sleep: it has its
    /// answer sooner, and takes a processor meanwhile [default: no; without TIME 200us]
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "200us")]
    pub(crate) busy_poll: Option<String>,
    /// Have a `tun_pi` header in front of each frame of a TAP or TUN [default: false]
    #[arg(long, value_name = "BOOL")]
    pub(crate) tun_pi: Option<bool>,
    /// Defend an address for ever when another host claims it again and again, instead of giving it
    /// up: for hosts that others must find where they are (RFC 5227 §2.4 (c)) [default: false]
    #[arg(long, value_name = "BOOL")]
    pub(crate) hold_address: Option<bool>,
    /// Forward datagrams that are for other hosts [default: true]
    #[arg(long, value_name = "BOOL")]
    pub(crate) forward: Option<bool>,
    /// Write every packet to this file, for Wireshark (pcapng)
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
    /// Print a line for every packet
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(crate) trace: Option<bool>,
    /// Lose packets: `1%`, in bursts `ge:1%,25%` (turns bad, turns good), or `1%/2%` for out and in
    #[arg(long, value_name = "LOSS", help_heading = "Faults (OUT/IN, or one for both)")]
    pub(crate) loss: Option<String>,
    /// Duplicate packets
    #[arg(long, value_name = "SHARE", help_heading = "Faults (OUT/IN, or one for both)")]
    pub(crate) dup: Option<String>,
    /// Let packets overtake others
    #[arg(long, value_name = "SHARE", help_heading = "Faults (OUT/IN, or one for both)")]
    pub(crate) reorder: Option<String>,
    /// Flip a bit in packets
    #[arg(long, value_name = "SHARE", help_heading = "Faults (OUT/IN, or one for both)")]
    pub(crate) corrupt: Option<String>,
    /// Mark packets "congestion experienced", where they allow it (RFC 3168)
    #[arg(long, value_name = "SHARE", help_heading = "Faults (OUT/IN, or one for both)")]
    pub(crate) mark: Option<String>,
    /// Hold packets back: `20ms`
    #[arg(long, value_name = "TIME", help_heading = "Faults (OUT/IN, or one for both)")]
    pub(crate) delay: Option<String>,
    /// Hold packets back by a random time more, up to this
    #[arg(long, value_name = "TIME", help_heading = "Faults (OUT/IN, or one for both)")]
    pub(crate) jitter: Option<String>,
    /// Let through no more than this: `10mbit`
    #[arg(long, value_name = "RATE", help_heading = "Faults (OUT/IN, or one for both)")]
    pub(crate) rate: Option<String>,
    /// The seed of all that is random [default: from the system]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// The implementation of address resolution (see `tapip layers`)
    #[arg(long, value_name = "NAME", help_heading = "Layers")]
    pub(crate) arp: Option<String>,
    /// The implementation of the internet layer
    #[arg(long, value_name = "NAME", help_heading = "Layers")]
    pub(crate) ip: Option<String>,
    /// The implementation of control messages
    #[arg(long, value_name = "NAME", help_heading = "Layers")]
    pub(crate) icmp: Option<String>,
    /// The implementation of datagrams
    #[arg(long, value_name = "NAME", help_heading = "Layers")]
    pub(crate) udp: Option<String>,
    /// The implementation of streams
    #[arg(long, value_name = "NAME", help_heading = "Layers")]
    pub(crate) tcp: Option<String>,
    /// TCP's congestion control
    #[arg(long, value_name = "NAME", help_heading = "Layers")]
    pub(crate) cc: Option<String>,
    /// TCP's loss recovery
    #[arg(long, value_name = "NAME", help_heading = "Layers")]
    pub(crate) recovery: Option<String>,
    /// TCP's reassembly of what comes out of order
    #[arg(long, value_name = "NAME", help_heading = "Layers")]
    pub(crate) reassembly: Option<String>,
    /// TCP's estimator of the round-trip time
    #[arg(long, value_name = "NAME", help_heading = "Layers")]
    pub(crate) rtt: Option<String>,
    /// TCP's explicit congestion notification: `off` (the default), `accept` or `on`
    #[arg(long, value_name = "MODE", help_heading = "Layers")]
    pub(crate) ecn: Option<String>,
    /// One of TCP's defaults, as `rto-min=100ms` (again for more); all of them: `[tcp-defaults]`
    /// in the file
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Layers")]
    #[serde(skip)]
    pub(crate) tcp_set: Vec<String>,
    /// The same in the file.
    #[arg(skip)]
    pub(crate) tcp_defaults: Option<TcpDefaults>,
    /// A permanent neighbour, as `10.0.0.2=02:00:00:00:00:02` (again for more)
    #[arg(long, value_name = "ADDR=MAC")]
    #[serde(default)]
    pub(crate) neighbour: Vec<String>,
    /// Log these from the start: dev l2 arp ip icmp udp tcp tcpstate all
    #[arg(long, value_name = "WORD")]
    #[serde(default)]
    pub(crate) debug: Vec<String>,
}

/// What is left to the kernel.
#[derive(clap::ValueEnum, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Offload {
    /// What it takes.
    Auto,
    /// Nothing.
    Off,
}

/// What shapes one interface: each field is the option of its name.
#[derive(Deserialize, Debug, Default, Clone, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct InterfaceOptions {
    pub(crate) link: Option<String>,
    pub(crate) addr: Option<String>,
    pub(crate) gw: Option<String>,
    pub(crate) host_addr: Option<String>,
    pub(crate) mac: Option<String>,
    pub(crate) mtu: Option<usize>,
    pub(crate) probe: Option<String>,
    pub(crate) offload: Option<Offload>,
    pub(crate) tun_pi: Option<bool>,
    #[serde(default)]
    pub(crate) neighbour: Vec<String>,
}

/// `link=tap:t1,addr=10.1.0.1/24`: the keys of an `[[interface]]` table. A key that is a list may
/// come again.
impl FromStr for InterfaceOptions {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> anyhow::Result<InterfaceOptions> {
        use toml::Value;
        let mut table = toml::Table::new();
        for pair in text.split(',') {
            let (key, value) =
                pair.split_once('=').with_context(|| format!("`{pair}`: as KEY=VALUE"))?;
            let string = Value::String(value.into());
            let value = match key {
                "neighbour" => match table.remove(key) {
                    Some(Value::Array(mut list)) => {
                        list.push(string);
                        Value::Array(list)
                    }
                    _ => Value::Array(vec![string]),
                },
                "mtu" | "tun-pi" => value
                    .parse()
                    .map(Value::Integer)
                    .or_else(|_| value.parse().map(Value::Boolean))
                    .unwrap_or(string),
                _ => string,
            };
            if table.insert(key.into(), value).is_some() {
                anyhow::bail!("`{key}` is said twice");
            }
        }
        // The parser says in a line of its own which key it is about.
        InterfaceOptions::deserialize(table)
            .map_err(|why| anyhow::anyhow!("{}", why.to_string().trim().replace('\n', " ")))
    }
}

impl Options {
    /// The interfaces, in order: what the options of the whole run say is the first, unless they
    /// say nothing of it and others are listed.
    pub(crate) fn interfaces(&self) -> Vec<InterfaceOptions> {
        let first = InterfaceOptions {
            link: self.link.clone(),
            addr: self.addr.clone(),
            gw: self.gw.clone(),
            host_addr: self.host_addr.clone(),
            mac: self.mac.clone(),
            mtu: self.mtu,
            probe: self.probe.clone(),
            offload: self.offload,
            tun_pi: self.tun_pi,
            neighbour: self.neighbour.clone(),
        };
        let others = self.interface.iter().cloned();
        match first == InterfaceOptions::default() && !self.interface.is_empty() {
            true => others.collect(),
            false => std::iter::once(first).chain(others).collect(),
        }
    }

    /// The options of `self`, and those of `under` where `self` says nothing.
    fn over(self, under: Options) -> Options {
        // Destructured without `..`, so that a new option cannot be forgotten here.
        let Options {
            link,
            interface,
            name,
            addr,
            gw,
            dns,
            search,
            host_addr,
            mac,
            mtu,
            probe,
            offload,
            busy_poll,
            tun_pi,
            hold_address,
            forward,
            pcap,
            trace,
            loss,
            dup,
            reorder,
            corrupt,
            mark,
            delay,
            jitter,
            rate,
            seed,
            arp,
            ip,
            icmp,
            udp,
            tcp,
            cc,
            recovery,
            reassembly,
            rtt,
            ecn,
            tcp_set,
            tcp_defaults,
            neighbour,
            debug,
        } = self;
        fn longer<T>(ours: Vec<T>, theirs: Vec<T>) -> Vec<T> {
            if ours.is_empty() { theirs } else { ours }
        }
        Options {
            link: link.or(under.link),
            interface: longer(interface, under.interface),
            name: name.or(under.name),
            addr: addr.or(under.addr),
            gw: gw.or(under.gw),
            dns: longer(dns, under.dns),
            search: longer(search, under.search),
            host_addr: host_addr.or(under.host_addr),
            mac: mac.or(under.mac),
            mtu: mtu.or(under.mtu),
            probe: probe.or(under.probe),
            offload: offload.or(under.offload),
            busy_poll: busy_poll.or(under.busy_poll),
            tun_pi: tun_pi.or(under.tun_pi),
            hold_address: hold_address.or(under.hold_address),
            forward: forward.or(under.forward),
            pcap: pcap.or(under.pcap),
            trace: trace.or(under.trace),
            loss: loss.or(under.loss),
            dup: dup.or(under.dup),
            reorder: reorder.or(under.reorder),
            corrupt: corrupt.or(under.corrupt),
            mark: mark.or(under.mark),
            delay: delay.or(under.delay),
            jitter: jitter.or(under.jitter),
            rate: rate.or(under.rate),
            seed: seed.or(under.seed),
            arp: arp.or(under.arp),
            ip: ip.or(under.ip),
            icmp: icmp.or(under.icmp),
            udp: udp.or(under.udp),
            tcp: tcp.or(under.tcp),
            cc: cc.or(under.cc),
            recovery: recovery.or(under.recovery),
            reassembly: reassembly.or(under.reassembly),
            rtt: rtt.or(under.rtt),
            ecn: ecn.or(under.ecn),
            tcp_set: longer(tcp_set, under.tcp_set),
            tcp_defaults: tcp_defaults.or(under.tcp_defaults),
            neighbour: longer(neighbour, under.neighbour),
            debug: longer(debug, under.debug),
        }
    }
}

impl RunArgs {
    /// The options of this run: the command line's over the file's.
    pub(crate) fn resolve(self) -> anyhow::Result<(Options, Option<String>)> {
        let path = self.config.or_else(|| {
            let usual = PathBuf::from("tapip.toml");
            usual.exists().then_some(usual)
        });
        let file = match path {
            Some(path) => read_file(&path)?,
            None => Options::default(),
        };
        Ok((self.options.over(file), self.commands))
    }
}

fn read_file(path: &Path) -> anyhow::Result<Options> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration {}", path.display()))?;
    parse(&text).with_context(|| format!("in the configuration {}", path.display()))
}

/// Reads what a `tapip.toml` says.
pub(crate) fn parse(text: &str) -> anyhow::Result<Options> {
    // The parser's own message names the line, shows it, and lists the keys that there are.
    Ok(toml::from_str(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let cli = Cli::parse_from(["tapip", "--loss", "1%", "--mtu", "900"]);
        let file: Options = toml::from_str("mtu = 1400\nhost-addr = '10.0.0.9/24'").unwrap();
        let options = cli.run.options.over(file);
        assert_eq!((options.mtu, options.loss.as_deref()), (Some(900), Some("1%")));
        assert_eq!(options.host_addr.as_deref(), Some("10.0.0.9/24"));
    }

    #[test]
    fn interfaces_are_listed_in_the_file_and_on_the_command_line() {
        let links = |options: &Options| -> Vec<Option<String>> {
            options.interfaces().into_iter().map(|interface| interface.link).collect()
        };
        let some = |text: &str| Some(text.to_string());
        assert_eq!(links(&Options::default()), [None]);
        let file = "mtu = 1400\n[[interface]]\nlink = 'tap:t1'\nneighbour = ['a=b', 'c=d']\n\
                    [[interface]]\nlink = 'tun:t2'\nmtu = 900\ntun-pi = true";
        let file: Options = toml::from_str(file).unwrap();
        assert_eq!(links(&file), [None, some("tap:t1"), some("tun:t2")], "the first has an MTU");
        assert_eq!(file.interfaces()[1].neighbour, ["a=b", "c=d"]);
        assert_eq!(
            (file.interfaces()[2].mtu, file.interfaces()[2].tun_pi),
            (Some(900), Some(true))
        );
        let alone: Options = toml::from_str("[[interface]]\nlink = 'tap:t1'").unwrap();
        assert_eq!(links(&alone), [some("tap:t1")], "nothing was said of another");

        let cli = Cli::parse_from([
            "tapip",
            "--interface",
            "link=tap:t1,addr=10.1.0.1/24,mtu=900,neighbour=10.1.0.2=02:00:00:00:00:02",
            "--interface",
            "link=tun:t2,offload=off",
        ]);
        let options = cli.run.options.over(file);
        assert_eq!(links(&options), [None, some("tap:t1"), some("tun:t2")]);
        let interfaces = options.interfaces();
        assert_eq!(interfaces[1].neighbour, ["10.1.0.2=02:00:00:00:00:02"]);
        assert_eq!((interfaces[1].mtu, interfaces[2].mtu), (Some(900), None), "not the file's");
        assert_eq!(interfaces[2].offload, Some(Offload::Off));
        for (bad, words) in [
            ("link", "KEY=VALUE"),
            ("link=ns,link=sim", "twice"),
            ("adr=10.0.0.1/24", "host-addr"),
            ("mtu=x", "mtu"),
        ] {
            let error = bad.parse::<InterfaceOptions>().unwrap_err().to_string();
            assert!(error.contains(words), "{bad}: {error}");
        }
    }

    #[test]
    fn a_wrong_key_is_named_with_its_line() {
        let error =
            toml::from_str::<Options>("mtu = 1400\nhost-adr = 'x'").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("host-adr"), "{error}");
        assert!(error.contains("host-addr"), "the right key is among those listed: {error}");
    }

    #[test]
    fn run_is_the_default_and_host_takes_a_command() {
        assert!(Cli::parse_from(["tapip"]).command.is_none());
        let cli = Cli::parse_from(["tapip", "host", "--name", "x", "--", "ping", "-c", "1"]);
        let Some(Command::Host(host)) = cli.command else { panic!() };
        assert_eq!(host.command, ["ping", "-c", "1"]);
        let cli = Cli::parse_from(["tapip", "run", "--trace", "-c", "ping 10.0.0.2"]);
        let Some(Command::Run(run)) = cli.command else { panic!() };
        assert_eq!(
            (run.options.trace, run.commands.as_deref()),
            (Some(true), Some("ping 10.0.0.2"))
        );
    }
}
