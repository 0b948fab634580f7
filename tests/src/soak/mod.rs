//! The long form of the tests: rounds of them, each from a fresh seed, until the time is over or
//! one fails.
//!
//! `cargo run -p tests --bin soak -- --minutes 60`. What a round does is in [`TRIALS`]; all of it is
//! on virtual time, so that a failure comes again with its seed.

mod hostile;
mod inputs;
mod kits;
mod visitors;

use std::any::Any;
use std::io::{self, Write};
use std::time::{Duration, Instant};

pub use hostile::{Cut, hostile};
pub use visitors::{Visits, visitors};

/// A part of a round.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// What `--only` calls it.
    pub name: &'static str,
    /// Does it with this seed, and says what that was; panics where something is wrong.
    pub run: fn(u64) -> String,
}

/// What a round is made of.
pub const TRIALS: &[Trial] = &[
    Trial { name: "visitors", run: visitors::half_an_hour },
    Trial { name: "hostile", run: hostile::hostile_networks },
    Trial { name: "kits", run: kits::kits },
    Trial { name: "scripts", run: inputs::scripts },
    Trial { name: "corpora", run: inputs::corpora },
];

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The first round's seed, from which those of the others follow.
    pub seed: u64,
    /// No round begins after so long.
    pub time: Duration,
    /// Rounds at most.
    pub rounds: u64,
}

/// Runs rounds of `trials`, and writes a line for each; `false` where one failed, which is the end.
///
/// # Errors
/// Where `out` cannot be written to.
pub fn soak(trials: &[Trial], plan: &Plan, out: &mut dyn Write) -> io::Result<bool> {
    let start = Instant::now();
    let mut seeds = fastrand::Rng::with_seed(plan.seed);
    let (mut seed, mut round) = (plan.seed, 0);
    // The first round is run in any case: a soak that does nothing has shown nothing.
    while round < plan.rounds.max(1) && (round == 0 || start.elapsed() < plan.time) {
        round += 1;
        let begun = Instant::now();
        let mut said = Vec::new();
        for Trial { name, run } in trials {
            match std::panic::catch_unwind(|| run(seed)) {
                Ok(what) => said.push(what),
                Err(cause) => {
                    writeln!(out, "round {round}: {name} FAILED: {}", message(&*cause))?;
                    writeln!(
                        out,
                        "again: cargo run -p tests --bin soak -- --rounds 1 --seed {seed} \
                         --only {name}"
                    )?;
                    return Ok(false);
                }
            }
        }
        let time = begun.elapsed();
        writeln!(out, "round {round}: seed {seed}: {}; {time:.1?}", said.join("; "))?;
        out.flush()?;
        seed = seeds.u64(..);
    }
    writeln!(out, "{round} rounds in {:.1?}, none failed", start.elapsed())?;
    Ok(true)
}

fn message(cause: &(dyn Any + Send)) -> &str {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}
