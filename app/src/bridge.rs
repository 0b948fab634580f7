//! `tapip bridge`: the stack on a real LAN, as a neighbour of its host.
//!
//! ```text
//!            before                              after `up`
//!
//!   LAN ---- eth0  10.20.133.21        LAN ---- eth0 (port)
//!            routes by way of eth0                |
//!                                               br0  10.20.133.21, the same Ethernet address
//!                                                 |  routes by way of br0
//!                                               tap0 (port) ---- the stack  10.20.133.22
//! ```
//!
//! The host keeps its address, its routes and its Ethernet address, so nobody on the LAN notices.
//! What was there is written to a [`journal`] before the first change; [`plan`] says which
//! commands lead there and back; [`iproute`] has the kernel do them; [`checks`] are the reasons
//! not to begin.

mod checks;
mod iproute;
mod journal;
mod plan;
mod session;
mod state;
mod words;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use iproute::OnError;
use journal::{Directory, Journal, Lock};
use state::State;

pub(crate) use session::Session;

#[derive(Args, Debug)]
pub(crate) struct BridgeArgs {
    #[command(subcommand)]
    command: BridgeCommand,
}

#[derive(Subcommand, Debug)]
enum BridgeCommand {
    /// Put a NIC and a new TAP on a new bridge; the host's addresses and routes go to the bridge
    Up(UpArgs),
    /// Say what is there, and whether it is whole (exit status 0) or not (1)
    Status {
        /// The NIC, where there are several
        #[arg(long, value_name = "NIC")]
        nic: Option<String>,
    },
    /// Put everything back, after an `up` that ended at any point
    Down(DownArgs),
}

#[derive(Args, Debug, Clone, Default)]
pub(crate) struct UpArgs {
    /// The NIC that is on the LAN
    #[arg(long, value_name = "NIC")]
    nic: String,
    /// The name of the bridge [default: the first free of br0, br1, …]
    #[arg(long, value_name = "NAME")]
    bridge: Option<String>,
    /// The name of the TAP [default: the first free of tap0, tap1, …]
    #[arg(long, value_name = "NAME")]
    tap: Option<String>,
    /// Who may use the TAP [default: who called sudo]
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Print the commands, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the commands
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Args, Debug, Default)]
struct DownArgs {
    /// The NIC, where there are several
    #[arg(long, value_name = "NIC")]
    nic: Option<String>,
    /// Print the commands, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the commands
    #[arg(short, long)]
    verbose: bool,
    /// Begin when standard input ends: for a guard of a session that may be killed
    #[arg(long, hide = true)]
    after_input: bool,
}

/// Does what the command line says.
pub(crate) fn run(args: BridgeArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        BridgeCommand::Up(args) => {
            if let Some(journal) = up(&args)? {
                let Journal { nic, bridge, tap, user, .. } = &journal;
                println!("{nic} and the TAP {tap} (of user {user}) are on the bridge {bridge}");
                println!("run the stack there: tapip run --link bridge:{nic} --addr ADDR/LEN");
            }
            Ok(ExitCode::SUCCESS)
        }
        BridgeCommand::Status { nic } => status(nic.as_deref()),
        BridgeCommand::Down(args) => {
            if args.after_input {
                let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            }
            down(&args)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Makes the bridge; `None` where that was only to be shown.
fn up(args: &UpArgs) -> anyhow::Result<Option<Journal>> {
    let nic = args.nic.as_str();
    let directory = Directory::usual()?;
    if !args.dry_run {
        checks::may_change(Path::new("/proc"), &format!("tapip bridge up --nic {nic}"))?;
    }
    let lock = if args.dry_run { None } else { Some(directory.lock()?) };
    let state = iproute::state()?;
    if let Some(journal) = directory.read(nic)? {
        let Journal { bridge, tap, .. } = &journal;
        let faults = plan::faults(&journal, &state);
        if faults.is_empty() {
            bail!("{nic} is on the bridge {bridge} already, with the TAP {tap}");
        }
        bail!(
            "an earlier `up` left traces: {}. `sudo tapip bridge down --nic {nic}` puts back what \
             was there before",
            faults.join("; ")
        );
    }
    let link = checks::usable(&state, nic, Path::new("/sys"))?;
    for warning in checks::warnings(link, &iproute::query(&["-j", "rule"])?, Path::new("/")) {
        eprintln!("tapip: warning: {warning}");
    }
    let bridge = free_name(&state, "bridge", args.bridge.as_deref(), "br")?;
    let tap = free_name(&state, "tap", args.tap.as_deref(), "tap")?;
    if bridge == tap {
        bail!("--bridge {bridge} --tap {tap}: two interfaces need two names");
    }
    let journal = directory.begin(link, &state, (bridge, tap), owner(args.user.as_deref())?)?;
    let commands = plan::up(&journal);
    if args.dry_run || args.verbose {
        show(&commands);
    }
    let Some(lock) = lock else { return Ok(None) };
    directory.write(&journal, &lock)?;
    let done = iproute::apply(&commands, "up", OnError::Stop, &lock).and_then(|()| {
        let faults = plan::faults(&journal, &iproute::state()?);
        if !faults.is_empty() {
            bail!("it is not as it should be: {}", faults.join("; "));
        }
        Ok(())
    });
    if let Err(why) = done {
        let undone = undo(&directory, &journal, args.verbose, &lock);
        undone.with_context(|| format!("the bridge could not be made: {why:#}; nor undone"))?;
        bail!("the bridge could not be made: {why:#}. Everything is as it was before");
    }
    Ok(Some(journal))
}

/// Puts back what was there.
fn down(args: &DownArgs) -> anyhow::Result<()> {
    let directory = Directory::usual()?;
    if !args.dry_run {
        checks::may_change(Path::new("/proc"), "tapip bridge down")?;
    }
    let Some(journal) = find(&directory, args.nic.as_deref())? else {
        match &args.nic {
            Some(nic) => println!("{nic} is on no bridge of tapip's: nothing to do"),
            None => println!("there is no bridge of tapip's: nothing to do"),
        }
        return Ok(());
    };
    if args.dry_run {
        show(&plan::down(&journal, &iproute::state()?, journal.age()));
        return Ok(());
    }
    let lock = directory.lock()?;
    // Somebody else may have been at it until the lock was had.
    let Some(journal) = directory.read(&journal.nic)? else { return Ok(()) };
    undo(&directory, &journal, args.verbose, &lock)?;
    println!("{} is as it was before", journal.nic);
    Ok(())
}

/// From any state between before `up` and after it to that before.
fn undo(
    directory: &Directory,
    journal: &Journal,
    verbose: bool,
    lock: &Lock,
) -> anyhow::Result<()> {
    let now = iproute::state()?;
    let commands = plan::down(journal, &now, journal.age());
    if verbose {
        show(&commands);
    }
    let told = iproute::apply(&commands, "down", OnError::Continue, lock);
    let now = iproute::state()?;
    let Journal { nic, bridge, tap, .. } = journal;
    if !journal.is_nic(&now) {
        directory.remove(nic, lock)?;
        bail!("{nic} is gone, or is another interface now: its addresses cannot be put back");
    }
    let mut left = plan::missing(journal, &now, nic);
    if now.link(bridge).is_some_and(|link| journal.made_bridge(link)) {
        left.push(format!("{bridge} is still there"));
    }
    if now.link(tap).is_some_and(|link| journal.made_tap(link)) {
        left.push(format!("{tap} is still there"));
    }
    if !left.is_empty() {
        let told = told.err().map(|why| format!(" ({why:#})")).unwrap_or_default();
        bail!(
            "not everything could be put back: {}{told}. What was there is written in {}: put it \
             back by hand, and remove that file",
            left.join("; "),
            directory.file(nic).display()
        );
    }
    directory.remove(nic, lock)
}

fn status(nic: Option<&str>) -> anyhow::Result<ExitCode> {
    let directory = Directory::usual()?;
    let journals = match nic {
        Some(nic) => directory.read(nic)?.into_iter().collect(),
        None => directory.all()?,
    };
    if journals.is_empty() {
        println!("no bridge of tapip's");
        return Ok(ExitCode::FAILURE);
    }
    let state = iproute::state()?;
    let mut whole = true;
    for journal in &journals {
        let Journal { nic, bridge, tap, user, .. } = journal;
        println!("{nic}: on the bridge {bridge}, with the TAP {tap} of user {user}");
        for address in state.addresses_of(bridge) {
            if let Some(local) = address.local {
                println!("  {local}/{} on {bridge}", address.prefixlen);
            }
        }
        let faults = plan::faults(journal, &state);
        for fault in &faults {
            println!("  broken: {fault}");
        }
        if faults.is_empty() {
            println!("  whole");
        } else {
            println!("  `sudo tapip bridge down --nic {nic}` puts back what was there before");
        }
        whole &= faults.is_empty();
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The journal of `nic`, or the only one.
fn find(directory: &Directory, nic: Option<&str>) -> anyhow::Result<Option<Journal>> {
    if let Some(nic) = nic {
        return directory.read(nic);
    }
    let mut all = directory.all()?;
    if all.len() > 1 {
        let nics: Vec<_> = all.iter().map(|journal| journal.nic.as_str()).collect();
        bail!("several NICs are on bridges: {}; say --nic", nics.join(", "));
    }
    Ok(all.pop())
}

/// The name that was said, where it is free, or the first free one.
fn free_name(
    state: &State,
    option: &str,
    said: Option<&str>,
    usual: &str,
) -> anyhow::Result<String> {
    if let Some(name) = said {
        // They become words of commands.
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 15 || !name.chars().all(good) || name.starts_with('-') {
            bail!("--{option} {name}: letters, digits, -, _ and ., 15 at most");
        }
        if state.link(name).is_some() {
            bail!("--{option} {name}: there is such an interface already; choose another name");
        }
        return Ok(name.into());
    }
    let mut names = (0..).map(|n| format!("{usual}{n}"));
    Ok(names.find(|name| state.link(name).is_none()).expect("the names go on for ever"))
}

/// Who is to own the TAP. Without an owner everybody could use it.
fn owner(said: Option<&str>) -> anyhow::Result<String> {
    let user = match said {
        Some(user) => user.to_string(),
        None => std::env::var("SUDO_UID").unwrap_or_else(|_| "0".into()),
    };
    let good = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    if user.is_empty() || user.starts_with('-') || !user.chars().all(good) {
        bail!("--user {user}: the name or the number of a user");
    }
    Ok(user)
}

fn show(commands: &[String]) {
    for command in commands {
        println!("ip {command}");
    }
}

#[cfg(test)]
mod tests;
