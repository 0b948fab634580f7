//! `exit`: ends the shell.

use clap::{Arg, ArgMatches, value_parser};

use super::Command;
use crate::{Context, ExitStatus};

/// `exit`.
pub(super) struct Exit;

impl Command for Exit {
    fn name(&self) -> &'static str {
        "exit"
    }

    fn grammar(&self) -> clap::Command {
        clap::Command::new(self.name()).about("End the shell and its services").arg(
            Arg::new("status")
                .value_parser(value_parser!(u8))
                .help("The exit status, 0 to 255; without it the last command's"),
        )
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let status = match arguments.get_one::<u8>("status") {
            Some(&status) => ExitStatus(status),
            None => context.last,
        };
        context.exit = Some(status);
        Ok(status)
    }
}
