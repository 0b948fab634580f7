//! The long form of the tests: rounds from fresh seeds, a line each, until the time is over or one
//! fails; exit status 0 only if none did.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;
use tests::soak::{Plan, TRIALS, soak};

/// Repeats the tests on virtual time with fresh seeds, and stops at the first failure.
#[derive(Parser)]
struct Args {
    /// No round begins after so many minutes; one is run in any case.
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    minutes: f64,
    /// The first round's seed; a random one without it.
    #[arg(long)]
    seed: Option<u64>,
    /// Rounds at most.
    #[arg(long, value_name = "N", default_value_t = u64::MAX)]
    rounds: u64,
    /// Only this part of each round.
    #[arg(long, value_name = "PART", value_parser = TRIALS.iter().map(|t| t.name).collect::<Vec<_>>())]
    only: Option<String>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if std::env::var_os("TAPIP_SEED").is_some() {
        bail!("TAPIP_SEED is set; the soak has seeds of its own (--seed)");
    }
    let Ok(time) = Duration::try_from_secs_f64(args.minutes * 60.0) else {
        bail!("--minutes {}: not a time", args.minutes);
    };
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    let mut trials = TRIALS.to_vec();
    trials.retain(|trial| args.only.as_ref().is_none_or(|only| only == trial.name));
    let plan = Plan { seed, time, rounds: args.rounds };
    let good = soak(&trials, &plan, &mut std::io::stdout().lock())?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
