//! The shell: from lines to commands.

use std::io;
use std::os::unix::net::UnixStream;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;

use crate::commands::{self, unix};
use crate::complete::Helper;
use crate::lexer::{self, Item};
use crate::{Context, Environment, ExitStatus, Interrupt, sys};

/// tapip's prompt.
const PROMPT: &str = "[net shell]: ";
/// Lines of history that are kept.
const HISTORY: usize = 1000;

/// Runs commands, one after the other. Dropping it ends its services.
#[derive(Debug)]
pub struct Shell {
    context: Context,
    grammar: clap::Command,
}

impl Shell {
    /// A shell over what `environment` says.
    pub fn new(environment: Environment) -> Shell {
        let context = Context::new(environment);
        context.out.end_when_unread(&context.interrupt);
        Shell { context, grammar: commands::grammar() }
    }

    /// What ^C raises: for whoever has another way to stop a command, and for tests.
    pub fn interrupt(&self) -> Interrupt {
        self.context.interrupt.clone()
    }

    /// From now on SIGINT ends the running command, and SIGTERM or SIGHUP everything, in order.
    /// Once in a process.
    pub fn catch_signals(&self) -> io::Result<()> {
        let mut signals: UnixStream = sys::catch_signals()?;
        let (interrupt, terminal) = (self.interrupt(), self.context.out.clone());
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            while let Some(signal) = sys::read_signal(&mut signals) {
                match signal {
                    sys::Signal::Interrupt => interrupt.raise(),
                    sys::Signal::Terminate => {
                        interrupt.terminate();
                        // A line editor waits for a key, not for our flag; it takes SIGINT.
                        while terminal.is_editing() {
                            sys::interrupt_myself();
                            std::thread::sleep(std::time::Duration::from_millis(50));
                        }
                    }
                }
            }
        })?;
        Ok(())
    }

    /// Reads lines from a person at a terminal until `exit`, ^D or SIGTERM.
    pub fn run_interactive(&mut self) -> anyhow::Result<ExitStatus> {
        let config = rustyline::Config::builder()
            .max_history_size(HISTORY)?
            .completion_type(rustyline::CompletionType::List)
            .auto_add_history(true)
            .build();
        let mut editor = rustyline::Editor::<Helper, FileHistory>::with_config(config)?;
        editor.set_helper(Some(Helper::new(self.grammar.clone(), self.context.net.clone())));
        if let Ok(printer) = editor.create_external_printer() {
            self.context.out.attach(printer);
        }
        let history = history_file();
        if let Some(file) = &history {
            // There is none at first, and a shell without history is one nevertheless.
            let _ = editor.load_history(file);
        }
        let status = loop {
            self.context.interrupt.lower();
            self.context.out.edit(true);
            // Only after `edit`: from there on SIGTERM wakes the editor.
            let line = match self.context.interrupt.is_terminated() {
                true => Err(ReadlineError::Eof),
                false => editor.readline(PROMPT),
            };
            self.context.out.edit(false);
            match line {
                Ok(line) => {
                    self.context.interrupt.lower();
                    self.run_line(&line);
                }
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => break self.context.last,
                Err(error) => return Err(error.into()),
            }
            if let Some(status) = self.context.exit {
                break status;
            }
            if self.context.interrupt.is_terminated() {
                break self.context.last;
            }
        };
        if let Some(file) = &history {
            let _ = file.parent().map(std::fs::create_dir_all);
            let _ = editor.save_history(file);
        }
        self.context.jobs.end();
        Ok(status)
    }

    /// Runs the commands of a text, as `-c` gives them. Its status is the last command's. ^C
    /// ends the running command and leaves out the rest.
    pub fn run_script(&mut self, text: &str) -> ExitStatus {
        for line in text.lines() {
            if self.is_over() {
                break;
            }
            self.run_line(line);
        }
        self.context.jobs.end();
        self.context.exit.unwrap_or(self.context.last)
    }

    /// Runs the commands that standard input brings, without a terminal, line by line. A command
    /// that reads reads on behind its own line.
    pub fn run_stdin(&mut self) -> anyhow::Result<ExitStatus> {
        while !self.is_over() {
            let Some(line) = self.context.input.line(&self.context.interrupt)? else { break };
            self.run_line(&line);
        }
        self.context.jobs.end();
        Ok(self.context.exit.unwrap_or(self.context.last))
    }

    /// Runs one line; its last command's status.
    pub fn run_line(&mut self, line: &str) -> ExitStatus {
        let items = match lexer::parse(line) {
            Ok(items) => items,
            Err(error) => {
                self.context.err.line(&format!("-shell: {error}"));
                self.context.last = ExitStatus::USAGE;
                return ExitStatus::USAGE;
            }
        };
        for item in items {
            if self.is_over() {
                break;
            }
            self.context.last = match item {
                Item::Words(words) => self.run_words(&words),
                Item::Host(command) => unix::run(&mut self.context, &command)
                    .unwrap_or_else(|error| self.complain("!", &error)),
            };
        }
        self.context.last
    }

    fn is_over(&self) -> bool {
        self.context.exit.is_some() || self.context.interrupt.is_raised()
    }

    fn run_words(&mut self, words: &[String]) -> ExitStatus {
        let name = words[0].as_str();
        let Some(command) = commands::named(name) else {
            self.context.err.line(&format!("-shell: {name}: command not found"));
            return ExitStatus::NOT_FOUND;
        };
        let matches = match self.grammar.try_get_matches_from_mut(words) {
            Ok(matches) => matches,
            Err(error) => {
                // `--help` is an "error" that goes to standard output.
                let text = error.render().to_string();
                let (stream, status) = match error.use_stderr() {
                    true => (&self.context.err, ExitStatus::USAGE),
                    false => (&self.context.out, ExitStatus::SUCCESS),
                };
                stream.line(text.trim_end());
                return status;
            }
        };
        let Some((_, arguments)) = matches.subcommand() else { return ExitStatus::USAGE };
        command
            .run(&mut self.context, arguments)
            .unwrap_or_else(|error| self.complain(name, &error))
    }

    fn complain(&self, name: &str, error: &anyhow::Error) -> ExitStatus {
        self.context.err.line(&format!("{name}: {error:#}"));
        ExitStatus::FAILURE
    }
}

/// `$XDG_STATE_HOME/tapip/history`, by default below `~/.local/state`.
fn history_file() -> Option<std::path::PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let state = match set("XDG_STATE_HOME") {
        Some(state) => std::path::PathBuf::from(state),
        None => std::path::Path::new(&set("HOME")?).join(".local/state"),
    };
    Some(state.join("tapip/history"))
}
