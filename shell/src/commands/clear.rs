//! `clear`: an empty screen.

use std::io::Write;

use clap::ArgMatches;

use super::Command;
use crate::{Context, ExitStatus};

/// `clear`.
pub(super) struct Clear;

impl Command for Clear {
    fn name(&self) -> &'static str {
        "clear"
    }

    fn grammar(&self) -> clap::Command {
        clap::Command::new(self.name()).about("Clear the screen")
    }

    fn run(&self, context: &mut Context, _: &ArgMatches) -> anyhow::Result<ExitStatus> {
        // ECMA-48: cursor to the top left, erase all.
        context.out.write_all(b"\x1b[H\x1b[2J")?;
        context.out.flush()?;
        Ok(ExitStatus::SUCCESS)
    }
}
