//! `debug`: what the stack says of itself.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches};

use super::Command;
use crate::{Context, DebugTarget, ExitStatus};

/// `debug`.
pub(super) struct Debug;

impl Command for Debug {
    fn name(&self) -> &'static str {
        "debug"
    }

    fn grammar(&self) -> clap::Command {
        let words = DebugTarget::ALL.map(DebugTarget::name).into_iter().chain(["all"]);
        clap::Command::new(self.name())
            .about("Show what parts of the stack do: until ^C, or with -n from now on")
            .arg(
                Arg::new("clear")
                    .short('c')
                    .action(ArgAction::SetTrue)
                    .help("Switch off and return"),
            )
            .arg(
                Arg::new("now")
                    .short('n')
                    .action(ArgAction::SetTrue)
                    .conflicts_with("clear")
                    .help("Switch on and return"),
            )
            .arg(
                Arg::new("part")
                    .required(true)
                    .num_args(1..)
                    .value_parser(PossibleValuesParser::new(words))
                    .help("Which parts"),
            )
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let words = arguments.get_many::<String>("part").unwrap_or_default();
        let targets: Vec<DebugTarget> = words
            .flat_map(|word| match DebugTarget::named(word) {
                Some(target) => vec![target],
                None => DebugTarget::ALL.to_vec(),
            })
            .collect();
        let switch = |on: bool| targets.iter().for_each(|target| context.debug.set(*target, on));
        if arguments.get_flag("clear") {
            switch(false);
        } else if arguments.get_flag("now") {
            switch(true);
        } else {
            let _on = On::new(context, &targets);
            context.interrupt.wait();
        }
        Ok(ExitStatus::SUCCESS)
    }
}

/// Keeps targets switched on, and leaves them as they were.
pub(super) struct On {
    switch: std::sync::Arc<dyn crate::DebugSwitch>,
    were_off: Vec<DebugTarget>,
}

impl On {
    pub(super) fn new(context: &Context, targets: &[DebugTarget]) -> On {
        let switch = context.debug.clone();
        let mut were_off = targets.to_vec();
        were_off.retain(|target| !switch.is_on(*target));
        were_off.iter().for_each(|target| switch.set(*target, true));
        On { switch, were_off }
    }
}

impl Drop for On {
    fn drop(&mut self) {
        self.were_off.iter().for_each(|target| self.switch.set(*target, false));
    }
}
