//! Our stack beside others, on links of their own: `cargo bench -p tests --bench peers`.
//!
//! ```text
//!   peers                    reads the command line, makes the tables
//!    └─ peers arena JOB      one measurement, in a network namespace of its own; loads the stack
//!        └─ a stack          `tapip`, or `peers serve JOB`, or a program of `--peers`
//! ```
//!
//! Each measurement has a new stack in a new network, so that none inherits what another left. In
//! a round every row is measured for one stack after the other; what is compared was measured
//! within seconds. The stack has the last of the processors, the client the first.
//!
//! [`Row`] says what is measured, [`Stack`] for whom, `client` how; `place` has the networks, and
//! `servers` the stacks that are linked in.

mod arena;
mod client;
mod meter;
mod options;
mod peers;
mod place;
mod plot;
mod progress;
mod report;
mod row;
mod sample;
mod servers;
mod stack;
mod streams;
mod sys;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};
use clap::Parser as _;
use netdev::namespace::command_in_new;
use serde::{Deserialize, Serialize};

use options::{Args, Role};
use progress::Progress;
pub use report::Report;
pub use row::Row;
pub use sample::{Sample, Summary, median, summarize};
pub use stack::Stack;

/// What the processes below are told.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Job {
    round: u32,
    stack: Stack,
    row: Row,
    seconds: f64,
    tapip: Option<PathBuf>,
    tapip_args: Vec<String>,
    /// What `tapip --offload` wants to hear to do without.
    no_offload: String,
    /// The program of [`Stack::Lwip`] or [`Stack::Gvisor`].
    peer: Option<PathBuf>,
}

/// The benchmark: what its command line asks for, and the status that it ends with.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.role {
        None => compare(&args),
        Some(Role::Arena { job }) => parse(job).and_then(|job| {
            let sample = arena::run(&job)?;
            println!("{}", serde_json::to_string(&sample)?);
            Ok(())
        }),
        Some(Role::Serve { job }) => parse(job).and_then(|job| servers::serve(&job)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse(job: &str) -> Result<Job> {
    serde_json::from_str(job).context("not a job")
}

fn compare(args: &Args) -> Result<()> {
    let rows = args.rows();
    if rows.is_empty() {
        // `cargo bench -p tests -- WORD` runs what has the word in its name: nothing here.
        return Ok(());
    }
    if let Err(why) = can_measure() {
        println!("peers: nothing can be measured here: {why:#}");
        return Ok(());
    }
    let tapip = args.tapip();
    let help = Command::new(&tapip).arg("--help").output();
    let help = help.with_context(|| format!("cannot run {}", tapip.display()))?;
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let built = peers::build(&args.stacks())?;
    let can = |stack: Stack, row| {
        let known = |option| !stack.is_tapip() || help.contains(option);
        stack.has(row)
            && (row != Row::RrBusy || known("--busy-poll"))
            && (stack.offloads() || known("--offload"))
            && (!stack.is_extra() || built.contains_key(&stack))
    };
    // A truth value, or a word.
    let no_offload = if help.contains("--offload <BOOL>") { "false" } else { "off" };
    for option in ["--offload", "--busy-poll"] {
        if !help.contains(option) {
            eprintln!("peers: {} has no {option}: without what needs it", tapip.display());
        }
    }
    let mut todo = Vec::new();
    for round in 1..=args.rounds {
        for row in &rows {
            for stack in args.stacks().into_iter().filter(|stack| can(*stack, *row)) {
                todo.push(Job {
                    round,
                    stack,
                    row: *row,
                    seconds: args.seconds,
                    tapip: Some(tapip.clone()),
                    tapip_args: args.tapip_arg.clone(),
                    no_offload: no_offload.into(),
                    peer: built.get(&stack).cloned(),
                });
            }
        }
    }
    let mut progress = Progress::new(todo.len(), io::stderr().is_terminal());
    let mut samples = Vec::new();
    for job in &todo {
        progress.begin(job.stack, job.row);
        let sample = measure(job).unwrap_or_else(|error| {
            Sample::failed(job.round, job.stack, job.row, format!("{error:#}"))
        });
        progress.end(&sample);
        samples.push(sample);
    }
    progress.close();
    let report = Report::new(args.seconds, args.rounds, samples);
    print!("{}", report.text());
    let write = |file: &Option<PathBuf>, text: String| match file {
        Some(file) => {
            std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
        }
        None => Ok(()),
    };
    write(&args.json, report.json()?)?;
    write(&args.markdown, report.text())?;
    write(&args.svg, plot::svg(&report))
}

/// Whether this user may have a network of its own with a TAP in it, and the tools that set it up
/// are there.
fn can_measure() -> Result<()> {
    std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
        .context("/dev/net/tun cannot be opened")?;
    for (tool, arguments) in [("ip", ["-V"]), ("nft", ["-v"])] {
        let mut command = Command::new(tool);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().with_context(|| format!("{tool} cannot be run"))?;
    }
    let mut nothing = Command::new("true");
    command_in_new(&mut nothing).status().context("no network namespace can be made")?;
    Ok(())
}

fn measure(job: &Job) -> Result<Sample> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["arena", &serde_json::to_string(job)?]);
    command.stdin(Stdio::null());
    let output = command_in_new(&mut command).output().context("cannot start a measurement")?;
    if output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout);
        return serde_json::from_str(&text).with_context(|| format!("not a sample: {text}"));
    }
    // Whatever the processes below had to say, in one line.
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    anyhow::bail!("{}", if lines.is_empty() { output.status.to_string() } else { lines.join("; ") })
}

/// `tapip`, built like this program: beside it, or for `cargo bench` by cargo.
fn own_tapip() -> PathBuf {
    let me = std::env::current_exe().unwrap_or_default();
    let dir = me.parent().unwrap_or(Path::new("."));
    if dir.ends_with("deps") { crate::binary().into() } else { dir.join("tapip") }
}
