//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum as _};

use super::{Row, Stack, own_tapip};

/// Measures tapip beside smoltcp, the kernel, and what the TAP allows.
#[derive(Parser, Debug)]
#[command(name = "peers", args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) role: Option<Role>,
    /// Only rows that have one of these in their name, as `cargo bench -- WORD` has it
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// These rows only
    #[arg(long, value_name = "ROW", value_enum, value_delimiter = ',')]
    rows: Vec<Row>,
    /// These stacks only
    #[arg(long, value_name = "STACK", value_enum, value_delimiter = ',')]
    stacks: Vec<Stack>,
    /// lwIP (liblwip-dev) and gVisor (golang-go, golang-gvisor-gvisor-dev) too
    #[arg(long)]
    peers: bool,
    /// How often each row is measured
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(super) rounds: u32,
    /// How long, in seconds; rows with loss four times as long
    #[arg(long, value_name = "S", default_value_t = 0.5)]
    pub(super) seconds: f64,
    /// Every sample and every summary, in this file
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// The tables, in this file
    #[arg(long, value_name = "FILE")]
    pub(super) markdown: Option<PathBuf>,
    /// A plot, in this file
    #[arg(long, value_name = "FILE")]
    pub(super) svg: Option<PathBuf>,
    /// The tapip that is measured [default: built like this program]
    #[arg(long, value_name = "FILE")]
    tapip: Option<PathBuf>,
    /// An option for it (again for more)
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub(super) tapip_arg: Vec<String>,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What this program is when it has started itself.
#[derive(Subcommand, Debug)]
pub(super) enum Role {
    /// One measurement, in the namespace that it was started in
    #[command(hide = true)]
    Arena {
        /// A `Job` as JSON
        job: String,
    },
    /// One of the stacks that are linked in
    #[command(hide = true)]
    Serve {
        /// A `Job` as JSON
        job: String,
    },
}

impl Args {
    /// The rows that are asked for.
    pub(super) fn rows(&self) -> Vec<Row> {
        let named = |row: &Row| {
            (self.rows.is_empty() || self.rows.contains(row))
                && (self.words.is_empty() || self.words.iter().any(|word| row.id().contains(word)))
        };
        Row::value_variants().iter().copied().filter(named).collect()
    }

    /// The stacks that are asked for.
    pub(super) fn stacks(&self) -> Vec<Stack> {
        let named = |stack: &Stack| match self.stacks.is_empty() {
            true => self.peers || !stack.is_extra(),
            false => self.stacks.contains(stack) || (self.peers && stack.is_extra()),
        };
        Stack::value_variants().iter().copied().filter(named).collect()
    }

    /// Our binary.
    pub(super) fn tapip(&self) -> PathBuf {
        self.tapip.clone().unwrap_or_else(own_tapip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn rows_and_stacks_are_those_that_are_named() {
        let all = Args::parse_from(["peers", "--bench"]);
        assert_eq!(all.rows(), Row::value_variants());
        assert!(all.stacks().len() == 8 && !all.stacks().contains(&Stack::Lwip));
        let some = Args::parse_from(["peers", "--rows", "rr,out", "--stacks", "ideal,tapip"]);
        assert_eq!(some.rows(), [Row::Out, Row::Rr]);
        assert_eq!(some.stacks(), [Stack::Tapip, Stack::Ideal]);
        let words = Args::parse_from(["peers", "loss", "--bench", "--peers"]);
        assert_eq!(words.rows(), [Row::LossOut, Row::LossIn]);
        assert!(words.stacks().contains(&Stack::Gvisor));
        assert!(Args::parse_from(["peers", "pings"]).rows().is_empty());
    }

    #[test]
    fn a_role_is_no_word() {
        let args = Args::parse_from(["peers", "serve", "{}"]);
        assert!(matches!(args.role, Some(Role::Serve { .. })));
    }
}
