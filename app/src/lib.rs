//! `tapip`: wires the layers into one program.
//!
//! The only crate that names concrete implementations: `registry` lists them, `wiring` puts
//! them upon each other, and the rest turns words into arguments for the two.

mod addresses;
#[cfg(target_os = "linux")]
mod bridge;
mod faults;
mod identity;
mod instance;
mod link;
mod log;
mod options;
mod registry;
mod tcp_defaults;
mod wiring;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use shell::{DebugSwitch as _, DebugTarget, Environment, HostEnd, Shell, Terminal};
use socket::Net;

use identity::Identity;
use instance::Instance;
use link::{Lan, Link, Opened};
use options::{Cli, Command, HostArgs, Options, RunArgs};
use wiring::{Attachment, Decorations};

/// How long the end waits for connections to end in order.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The second stack's of `--link sim`.
const PEER_MAC: netdev::MacAddr = netdev::MacAddr([0x02, 0, 0, 0, 0, 0x02]);

/// The program: what the command line asks for, and the status that it ends with.
pub fn main() -> ExitCode {
    let Cli { command, run: bare } = Cli::parse();
    let done = match command {
        Some(Command::Layers) => {
            print!("{}", registry::listing());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Host(args)) => host(args),
        #[cfg(target_os = "linux")]
        Some(Command::Bridge(args)) => bridge::run(args),
        Some(Command::Run(args)) => run(*args),
        None => run(bare),
    };
    done.unwrap_or_else(|error| {
        eprintln!("tapip: {error:#}");
        ExitCode::FAILURE
    })
}

/// Whether `text` can stand in a `tapip.toml`: everything that is read before a link is made.
///
/// # Errors
/// What is wrong, as a person is told.
pub fn check(text: &str) -> anyhow::Result<()> {
    let options = options::parse(text)?;
    Identity::all(&options)?;
    faults::parse(&options)?;
    chosen_layers(&options)?;
    options.debug.iter().try_for_each(|word| debug_targets(word).map(drop))
}

fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let (options, commands) = args.resolve()?;
    // All checked before anything is made, so that a typing error leaves nothing behind.
    let identities = Identity::all(&options)?;
    let seed = wiring::seed(&options)?;
    faults::parse(&options)?;

    // Both before the first thread: a process with threads cannot change its user namespace.
    let is_any = |is: fn(&Link) -> bool| identities.iter().any(|identity| is(&identity.link));
    let has_kernel = is_any(Link::has_kernel);
    let instance = match has_kernel {
        true => Some(Instance::register(options.name.as_deref())?),
        false => None,
    };
    if is_any(|link| *link == Link::Namespace) {
        enter_namespace()?;
    }

    let terminal = Terminal::process();
    let logs = log::Logs::install(&terminal);
    for word in &options.debug {
        debug_targets(word)?.into_iter().for_each(|target| logs.set(target, true));
    }

    let Links { attachments, peers, hosts, lans, banner } =
        open_links(identities, &options, seed, &terminal)?;
    // Dropped after all that is made from here on, however this ends.
    let _lans = lans;
    let net = wiring::start(&options, seed, attachments)?;
    let start_peer = |peer: Peer| start_peer(peer, seed);
    let peers = peers.into_iter().map(start_peer).collect::<anyhow::Result<Vec<_>>>()?;

    let interactive = commands.is_none() && std::io::stdin().is_terminal();
    let faulty = faults::parse(&options)? != Default::default();
    if interactive || faulty {
        let mut text = format!("tapip {}: {banner}; seed {seed}", env!("CARGO_PKG_VERSION"));
        if let Some(instance) = instance.as_ref().filter(|instance| instance.name != "tapip") {
            text += &format!("; instance {}", instance.name);
        }
        terminal.err().line(&text);
    }
    match interactive {
        true => addresses::report_later(&net, &terminal),
        false => addresses::obtain(&net, &terminal)?,
    }

    let mut environment = Environment::new(net.clone())?;
    environment.debug = Box::new(logs);
    environment.terminal = terminal;
    environment.layers = chosen_layers(&options)?;
    environment.host_ends = hosts;
    if has_kernel {
        environment.host_command = Some(Box::new(unix_shell));
    }
    let mut shell = Shell::new(environment);
    shell.catch_signals().context("cannot catch signals")?;
    let status = match commands {
        Some(commands) => shell.run_script(&commands),
        None if interactive => shell.run_interactive()?,
        None => shell.run_stdin()?,
    };
    drop(shell);
    net.shutdown(LAST_WORDS);
    drop(peers);
    Ok(ExitCode::from(status.0))
}

/// Every link of a run, opened.
#[derive(Default)]
struct Links {
    attachments: Vec<Attachment>,
    peers: Vec<Peer>,
    hosts: Vec<HostEnd>,
    lans: Vec<Lan>,
    banner: String,
}

/// The far end of `sim`, for a second stack.
struct Peer {
    device: Box<dyn netdev::Device>,
    /// Of this process's first stack.
    facing: Identity,
}

fn open_links(
    identities: Vec<Identity>,
    options: &Options,
    seed: u64,
    terminal: &Terminal,
) -> anyhow::Result<Links> {
    let mut decorations = Decorations::new(options, seed, terminal, identities.len())?;
    let mut links = Links::default();
    for (number, identity) in identities.into_iter().enumerate() {
        let doubt = match identity.link {
            Link::Namespace | Link::Sim => identity.doubt(),
            // Who else is there is not known.
            _ => None,
        };
        if let Some(doubt) = doubt {
            terminal.err().line(&format!("tapip: warning: {doubt}"));
        }
        let Opened { device, host, peer, about, lan } = link::open(&identity, number)?;
        let at = host.as_ref().and_then(|host| host.addr);
        let identity = match &lan {
            Some(lan) => identity.on_lan(at, lan.gateway, lan.mac)?,
            None => identity.facing(at),
        };
        let mut known = host.as_ref().and_then(|host| Some((host.addr?.addr, host.mac?)));
        if identity.link == Link::Sim {
            known = Some((identity.host_addr.addr, PEER_MAC));
        }
        if number > 0 {
            links.banner += ", and ";
        }
        links.banner += &described(&identity, &about, host.as_ref());
        links.hosts.extend(host);
        links.lans.extend(lan);
        links.peers.extend(peer.map(|device| Peer { device, facing: identity.clone() }));
        let device = decorations.around(device);
        links.attachments.push(Attachment { identity, device, known });
    }
    Ok(links)
}

/// `tapip host`: becomes the command, in the namespaces of a running instance.
#[cfg(target_os = "linux")]
fn host(args: HostArgs) -> anyhow::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    let pid = instance::find(args.name.as_deref())?;
    netdev::namespace::enter(pid)?;
    let (program, arguments) = args.command.split_first().context("no command was given")?;
    // Comes back only where it failed.
    let error = std::process::Command::new(program).args(arguments).exec();
    let known = error.kind() == std::io::ErrorKind::NotFound;
    eprintln!("tapip: cannot run {}: {error}", program.to_string_lossy());
    // As a Unix shell has it: not found, or found and not runnable.
    Ok(ExitCode::from(if known { 127 } else { 126 }))
}

#[cfg(not(target_os = "linux"))]
fn host(_: HostArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("there is a kernel's end on Linux only")
}

#[cfg(target_os = "linux")]
fn enter_namespace() -> anyhow::Result<()> {
    netdev::namespace::Namespace::enter_new()?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn enter_namespace() -> anyhow::Result<()> {
    Ok(())
}

/// The second stack of `--link sim`: it has the kernel's address, and small services.
fn start_peer(Peer { device, facing }: Peer, seed: u64) -> anyhow::Result<(Net, Shell)> {
    let identity = Identity {
        addr: Some(facing.host_addr),
        gateway: None,
        mac: PEER_MAC,
        mtu: None,
        neighbours: Vec::new(),
        ..facing
    };
    let attachment = Attachment { identity, device, known: None };
    let net = wiring::start(&Options::default(), !seed, vec![attachment])?;
    let mut environment = Environment::new(net.clone())?;
    environment.terminal = Terminal::to(std::io::sink(), std::io::sink());
    let mut shell = Shell::new(environment);
    for line in ["serve echo 7", "serve discard 9", "serve chargen 19"] {
        shell.run_line(line);
    }
    Ok((net, shell))
}

/// How `!CMD` runs: this process is at the kernel's end already.
fn unix_shell(line: &str) -> std::process::Command {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", line]);
    command
}

/// Who the stack is on one of its links.
fn described(identity: &Identity, about: &str, host: Option<&HostEnd>) -> String {
    let addr = identity.addr.map_or_else(|| "an address by DHCP".to_string(), |a| a.to_string());
    let mut text = match identity.link {
        Link::Tun(_) => format!("{addr} on {about}"),
        _ => format!("{addr} ({}) on {about}", identity.mac),
    };
    // On a network of others there is no such end but where a host is known.
    if host.is_some() || !identity.link.is_lan() {
        text += &format!("; the other end is {}", identity.host_addr);
    }
    text
}

fn chosen_layers(options: &Options) -> anyhow::Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("arp", registry::pick(registry::ARP, "arp", &options.arp)?.name.into()),
        ("ip", registry::pick(registry::IP, "ip", &options.ip)?.name.into()),
        ("icmp", registry::pick(registry::ICMP, "icmp", &options.icmp)?.name.into()),
        ("udp", registry::pick(registry::UDP, "udp", &options.udp)?.name.into()),
        ("tcp", registry::pick(registry::TCP, "tcp", &options.tcp)?.name.into()),
    ])
}

fn debug_targets(word: &str) -> anyhow::Result<Vec<DebugTarget>> {
    if word == "all" {
        return Ok(DebugTarget::ALL.to_vec());
    }
    let target = DebugTarget::named(word).with_context(|| {
        let names: Vec<_> = DebugTarget::ALL.iter().map(|target| target.name()).collect();
        format!("--debug {word}: there is {} and all", names.join(", "))
    })?;
    Ok(vec![target])
}
