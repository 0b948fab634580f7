//! `tapip`: wires the layers into one program.
//!
//! The only crate that names concrete implementations: `registry` lists them, `wiring` puts
//! them upon each other, and the rest turns words into arguments for the two.

#[cfg(target_os = "linux")]
mod bridge;
mod faults;
mod instance;
mod lease;
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

use instance::Instance;
use link::Link;
use options::{Cli, Command, HostArgs, Options, RunArgs};
use wiring::Identity;

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
    Identity::of(&options)?;
    options.link.as_deref().unwrap_or("ns").parse::<Link>()?;
    faults::parse(&options)?;
    chosen_layers(&options)?;
    wiring::neighbours(&options, None)?;
    options.debug.iter().try_for_each(|word| debug_targets(word).map(drop))
}

fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let (options, commands) = args.resolve()?;
    let identity = Identity::of(&options)?;
    let link: Link = options.link.as_deref().unwrap_or("ns").parse()?;
    // Checked before anything is made, so that a typing error leaves nothing behind.
    faults::parse(&options)?;

    if matches!(link, Link::Bridge(_)) && options.addr.is_none() {
        anyhow::bail!(
            "--link bridge: say which address of the LAN is the stack's, --addr ADDR/LEN, or `dhcp`"
        );
    }

    // Both before the first thread: a process with threads cannot change its user namespace.
    let instance = match link {
        Link::Namespace | Link::Tap(_) | Link::Bridge(_) => {
            Some(Instance::register(options.name.as_deref())?)
        }
        Link::Unix(_) | Link::Sim => None,
    };
    if link == Link::Namespace {
        enter_namespace()?;
    }

    let terminal = Terminal::process();
    let logs = log::Logs::install(&terminal);
    for word in &options.debug {
        debug_targets(word)?.into_iter().for_each(|target| logs.set(target, true));
    }

    // On the other links, who else is there is not known.
    if let (Link::Namespace | Link::Sim, Some(doubt)) = (&link, identity.doubt()) {
        terminal.err().line(&format!("tapip: warning: {doubt}"));
    }

    let mut opened = link::open(&link, identity.host_addr, options.mtu)?;
    // Dropped after all that is made from here on, however this ends.
    let lan = opened.lan.take();
    let host = opened.host.as_ref().and_then(|host| host.addr);
    let identity = match &lan {
        Some(lan) => identity.on_lan(host, lan.gateway, lan.mac)?,
        None => identity.facing(host),
    };
    let device = wiring::decorate(opened.device, &options, identity.seed, &terminal)?;
    let mut known = opened.host.as_ref().and_then(|host| Some((host.addr?.addr, host.mac?)));
    if link == Link::Sim {
        known = Some((identity.host_addr.addr, PEER_MAC));
    }
    let neighbours = wiring::neighbours(&options, known)?;
    let net = wiring::start(&options, &identity, device, &neighbours)?;
    let peer = opened.peer.map(|device| start_peer(&identity, device)).transpose()?;

    let interactive = commands.is_none() && std::io::stdin().is_terminal();
    let faulty = faults::parse(&options)? != Default::default();
    if interactive || faulty {
        terminal.err().line(&banner(&identity, &opened.about, instance.as_ref()));
    }

    if identity.addr.is_none() {
        match interactive {
            true => lease::report_later(&net, &terminal),
            false => lease::obtain(&net, &terminal)?,
        }
    }

    let mut environment = Environment::new(net.clone())?;
    environment.debug = Box::new(logs);
    environment.terminal = terminal;
    environment.layers = chosen_layers(&options)?;
    if let Some(host) = &opened.host {
        environment.host_command = Some(Box::new(unix_shell));
        environment.host_end = Some(HostEnd { ..host.clone() });
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
    drop(peer);
    Ok(ExitCode::from(status.0))
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
fn start_peer(
    identity: &Identity,
    device: Box<dyn netdev::Device>,
) -> anyhow::Result<(Net, Shell)> {
    let options = Options::default();
    let identity = Identity {
        addr: Some(identity.host_addr),
        gateway: None,
        host_addr: identity.addr.unwrap_or(identity.host_addr),
        mac: PEER_MAC,
        seed: !identity.seed,
        ..identity.clone()
    };
    let net = wiring::start(&options, &identity, device, &[])?;
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

fn banner(identity: &Identity, link: &str, instance: Option<&Instance>) -> String {
    let mut text = format!(
        "tapip {}: {} ({}) on {link}; the other end is {}; seed {}",
        env!("CARGO_PKG_VERSION"),
        identity.addr.map_or_else(|| "an address by DHCP".to_string(), |addr| addr.to_string()),
        identity.mac,
        identity.host_addr,
        identity.seed,
    );
    if let Some(instance) = instance.filter(|instance| instance.name != "tapip") {
        text.push_str(&format!("; instance {}", instance.name));
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
