use clap::ArgMatches;

use super::Command;
use crate::{Context, ExitStatus};

/// `jobs`.
pub(super) struct Jobs;

impl Command for Jobs {
    fn grammar(&self) -> clap::Command {
        clap::Command::new("jobs").about("List the services that run in the background")
    }

    fn run(&self, context: &mut Context, _: &ArgMatches) -> anyhow::Result<ExitStatus> {
        for (number, what) in context.jobs.list() {
            context.out.line(&format!("[{number}] {what}"));
        }
        Ok(ExitStatus::SUCCESS)
    }
}
