//! `kill`: ends services.

use anyhow::bail;
use clap::{Arg, ArgMatches, value_parser};

use super::Command;
use crate::{Context, ExitStatus};

/// `kill`.
pub(super) struct Kill;

impl Command for Kill {
    fn name(&self) -> &'static str {
        "kill"
    }

    fn grammar(&self) -> clap::Command {
        clap::Command::new(self.name()).about("End services that run in the background").arg(
            Arg::new("job")
                .required(true)
                .num_args(1..)
                .value_parser(value_parser!(u32))
                .help("Their numbers, as `jobs` lists them"),
        )
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        for &number in arguments.get_many::<u32>("job").unwrap_or_default() {
            if !context.jobs.kill(number) {
                bail!("{number}: no such job; `jobs` lists them");
            }
        }
        Ok(ExitStatus::SUCCESS)
    }
}
