//! `wait`: keeps services up in a script.

use anyhow::bail;
use clap::{Arg, ArgMatches, value_parser};

use super::Command;
use crate::jobs::Waited;
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

    /// A signal is how waiting is meant to end: that is success. A service that ended by itself has
    /// failed, and has said why.
    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let job = arguments.get_one::<u32>("job").copied();
        match (context.jobs.wait(job, &context.interrupt), job) {
            (Waited::Failed, _) => return Ok(ExitStatus::FAILURE),
            (Waited::None, Some(job)) => bail!("{job}: no such job; `jobs` lists them"),
            (Waited::None, None) => context.interrupt.wait(),
            (Waited::Ended | Waited::Interrupted, _) => {}
        }
        Ok(ExitStatus::SUCCESS)
    }
}
