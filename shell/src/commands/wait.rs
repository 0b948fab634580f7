//! `wait`: keeps services up in a script.

use anyhow::bail;
use clap::{Arg, ArgMatches, value_parser};

use super::Command;
use crate::{Context, ExitStatus};

/// `wait`.
pub(super) struct Wait;

impl Command for Wait {
    fn name(&self) -> &'static str {
        "wait"
    }

    fn grammar(&self) -> clap::Command {
        clap::Command::new(self.name())
            .about("Keep the stack and its services up: until ^C, or until a service has ended")
            .arg(
                Arg::new("job")
                    .value_parser(value_parser!(u32))
                    .help("Wait for this one, as `jobs` lists it; without it, for all of them"),
            )
    }

    /// A signal is how waiting is meant to end: that is success.
    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let job = arguments.get_one::<u32>("job").copied();
        if job.is_none() && context.jobs.list().is_empty() {
            context.interrupt.wait();
        } else if !context.jobs.wait(job, &context.interrupt) {
            bail!("{}: no such job; `jobs` lists them", job.unwrap_or_default());
        }
        Ok(ExitStatus::SUCCESS)
    }
}
