//! `jobs`: what runs in the background.

use clap::ArgMatches;

use super::Command;
use crate::{Context, ExitStatus};

/// `jobs`.
pub(super) struct Jobs;

impl Command for Jobs {
    fn name(&self) -> &'static str {
        "jobs"
    }

    fn grammar(&self) -> clap::Command {
        clap::Command::new(self.name()).about("List the services that run in the background")
    }

    fn run(&self, context: &mut Context, _: &ArgMatches) -> anyhow::Result<ExitStatus> {
        for (number, what) in context.jobs.list() {
            context.out.line(&format!("[{number}] {what}"));
        }
        Ok(ExitStatus::SUCCESS)
    }
}
