//! `help`: what there is, from the tree that parses it.

use std::io::Write;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches};

use super::{ALL, Command};
use crate::{Context, ExitStatus};

/// `help`.
pub(super) struct Help;

impl Command for Help {
    fn name(&self) -> &'static str {
        "help"
    }

    fn grammar(&self) -> clap::Command {
        let names = ALL.iter().map(|command| command.name());
        clap::Command::new(self.name()).about("List the commands, or explain one").arg(
            Arg::new("command")
                .value_parser(PossibleValuesParser::new(names))
                .help("The command to explain"),
        )
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let mut grammar = super::grammar();
        if let Some(name) = arguments.get_one::<String>("command") {
            // The very words of `CMD --help`, which clap gives as an "error".
            let explained = grammar.try_get_matches_from_mut([name, "--help"]);
            let text = explained.err().map(|error| error.render().to_string());
            context.out.line(text.unwrap_or_default().trim_end());
            return Ok(ExitStatus::SUCCESS);
        }
        let mut text = String::new();
        for (number, command) in grammar.get_subcommands().enumerate() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            text += &format!("{:2}  {}: {about}\n", number + 1, command.get_name());
        }
        text += "\n`help CMD` or `CMD --help` explains a command. `;` stands between commands,\n\
                 `!CMD` runs CMD at the kernel's end of the link, ^C ends what runs, ^D the shell.\n";
        context.out.write_all(text.as_bytes())?;
        Ok(ExitStatus::SUCCESS)
    }
}
