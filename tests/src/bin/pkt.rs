//! Runs packet scripts: a line a file, a total, and exit status 0 only if nothing failed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser;
use tests::pkt::{IMPLEMENTATIONS, Options, Outcome, run};

/// Runs packet scripts against a TCP of this project, on virtual time.
#[derive(Parser)]
struct Args {
    /// The TCP that they are run on.
    #[arg(long, default_value = "rfc9293", value_parser = IMPLEMENTATIONS.iter().map(|i| i.name).collect::<Vec<_>>())]
    tcp: String,
    /// Print all that goes on in scripts that fail.
    #[arg(long, short)]
    verbose: bool,
    /// Compare the PSH flag, too.
    #[arg(long)]
    compare_psh: bool,
    /// How far off times may be, at least, whatever the script says.
    #[arg(long, value_name = "N")]
    tolerance_usecs: Option<u64>,
    /// Scripts, and folders of them (`*.pkt`).
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let implementation = IMPLEMENTATIONS.iter().find(|known| known.name == args.tcp);
    let options = Options {
        implementation: implementation.context("no such TCP")?,
        compare_psh: args.compare_psh,
        tolerance: args.tolerance_usecs.map(Duration::from_micros),
    };
    let mut files = Vec::new();
    for path in &args.paths {
        collect(path, &mut files).with_context(|| format!("cannot read {}", path.display()))?;
    }
    let mut out = std::io::stdout().lock();
    let start = Instant::now();
    let (mut passed, mut failed, mut unsupported) = (0, 0, 0);
    for file in &files {
        let shown = file.display();
        let source =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
        match run(&source, &options) {
            Outcome::Pass => {
                passed += 1;
                writeln!(out, "PASS        {shown}")?;
            }
            Outcome::Fail(mut failure) => {
                failed += 1;
                if !args.verbose {
                    // The last few events are enough for most.
                    let early = failure.trace.len().saturating_sub(8);
                    failure.trace.drain(..early);
                }
                write!(out, "FAIL        {shown}: {failure}")?;
            }
            Outcome::Unsupported { line, reason } => {
                unsupported += 1;
                writeln!(out, "UNSUPPORTED {shown}: line {line}: {reason}")?;
            }
        }
    }
    let time = start.elapsed();
    writeln!(
        out,
        "{} scripts in {time:.2?}: {passed} passed, {failed} failed, {unsupported} unsupported",
        files.len()
    )?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A script, or those of a folder and its folders, in order.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    let mut entries: Vec<_> =
        std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() || entry.extension().is_some_and(|extension| extension == "pkt") {
            collect(&entry, files)?;
        }
    }
    Ok(())
}
