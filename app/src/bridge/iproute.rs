//! The `ip` command: what the kernel has, by `ip -j`, and changes, by `ip -batch`.
//!
//! Why not netlink itself: each command can be shown to the reader, who may type it as well, and a
//! batch is applied within milliseconds by a program that every system has.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::journal::Lock;
use super::state::State;

/// An ordinary user's PATH often lacks the last two.
const PLACES: &[&str] = &["ip", "/usr/sbin/ip", "/sbin/ip"];

/// Where a run is to be cut short, for tests: see [`cut`].
const CUT: &str = "TAPIP_BRIDGE_CUT";

/// Everything there is now.
pub(super) fn state() -> anyhow::Result<State> {
    State::parse(
        &query(&["-d", "-j", "link", "show"])?,
        &query(&["-j", "address", "show"])?,
        &query(&["-4", "-d", "-j", "route", "show", "table", "all"])?,
        &query(&["-6", "-d", "-j", "route", "show", "table", "all"])?,
    )
}

/// What `ip ARGS` prints.
pub(super) fn query(args: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(program(PLACES)?);
    let output = command.args(args).stdin(Stdio::null()).output().context("cannot run `ip`")?;
    if !output.status.success() {
        bail!("`ip {}`: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What to do when a command fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OnError {
    /// Leave the rest undone.
    Stop,
    /// Do the rest.
    Continue,
}

/// Has the kernel do `commands`, in order. `phase` names them for [`cut`].
///
/// # Errors
/// One failed: the text says which, and `ip`'s words.
pub(super) fn apply(
    commands: &[String],
    phase: &str,
    on_error: OnError,
    lock: &Lock,
) -> anyhow::Result<()> {
    let cut = std::env::var(CUT).ok().and_then(|text| cut(&text, phase));
    let now = cut.map_or(commands.len(), |(after, _)| after.min(commands.len()));
    run(&commands[..now], on_error, lock)?;
    match cut {
        None => Ok(()),
        Some((_, End::Fail)) => bail!("cut short after {now} commands ({CUT})"),
        Some((_, End::Kill)) => {
            // Nothing is unwound and no file is flushed, as with any other `kill -9`.
            let me = std::process::id().to_string();
            let _ = Command::new("kill").args(["-9", &me]).status();
            bail!("still alive")
        }
    }
}

fn run(commands: &[String], on_error: OnError, lock: &Lock) -> anyhow::Result<()> {
    if commands.is_empty() {
        return Ok(());
    }
    let mut command = Command::new(program(PLACES)?);
    if on_error == OnError::Continue {
        command.arg("-force");
    }
    command.args(["-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    // It prints nothing there; see the journal for why it holds the lock.
    command.stdout(lock.share()?);
    let mut child = command.spawn().context("cannot run `ip`")?;
    let text: String = commands.iter().map(|command| format!("{command}\n")).collect();
    // It reads no further than to the first that fails.
    let written = child.stdin.take().context("`ip` has an input")?.write_all(text.as_bytes());
    let output = child.wait_with_output().context("cannot wait for `ip`")?;
    if output.status.success() {
        return written.context("cannot write to `ip`");
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("{}", explain(&said, commands))
}

/// `ip`'s words, with the command in place of its number.
fn explain(said: &str, commands: &[String]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in said.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let number = line.strip_prefix("Command failed -:").and_then(|n| n.parse::<usize>().ok());
        match number.and_then(|n| commands.get(n.checked_sub(1)?)) {
            Some(command) => lines.push(format!("(`ip {command}`)")),
            None => lines.push(line.to_string()),
        }
    }
    lines.join(" ")
}

/// The first of `places` that can be run.
fn program(places: &'static [&'static str]) -> anyhow::Result<&'static str> {
    let works = |place: &&&str| {
        let mut command = Command::new(place);
        let status = command.arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    places.iter().find(works).copied().context(
        "the command `ip` was not found: install iproute2 (`sudo apt install iproute2`, \
         `sudo dnf install iproute`)",
    )
}

/// How a run that is cut short ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Fail,
    Kill,
}

/// `up:3:kill` and the like: end phase `up` after its third command, for the tests of what is left
/// then.
fn cut(text: &str, phase: &str) -> Option<(usize, End)> {
    let mut words = text.split(':');
    let ours = words.next()? == phase;
    let after = words.next()?.parse().ok()?;
    let end = match words.next()? {
        "fail" => End::Fail,
        "kill" => End::Kill,
        _ => return None,
    };
    ours.then_some((after, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_ip_is_told_what_to_install() {
        let error = program(&["/nowhere/ip", "/nowhere/else/ip"]).unwrap_err().to_string();
        assert!(error.contains("install iproute2"), "{error}");
    }

    #[test]
    fn a_failed_command_is_named_with_the_kernels_words() {
        let said = "Error: Device can not be enslaved.\nCommand failed -:2\n";
        let commands = ["link set a up".to_string(), "link set a master b".to_string()];
        assert_eq!(
            explain(said, &commands),
            "Error: Device can not be enslaved. (`ip link set a master b`)"
        );
    }

    #[test]
    fn the_cut_is_of_one_phase() {
        assert_eq!(cut("up:3:kill", "up"), Some((3, End::Kill)));
        assert_eq!(cut("up:3:fail", "up"), Some((3, End::Fail)));
        assert_eq!(cut("up:3:kill", "down"), None);
        assert_eq!(cut("up:3", "up"), None);
    }
}
