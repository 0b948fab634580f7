//! Completion of commands, options and words, from the same tree that parses and explains them.

use rustyline::completion::{Completer, FilenameCompleter, Pair};

use crate::lexer;

/// What the line editor asks.
#[derive(rustyline::Helper, rustyline::Hinter, rustyline::Validator, rustyline::Highlighter)]
pub(crate) struct Helper {
    grammar: clap::Command,
}

impl Helper {
    pub(crate) fn new(mut grammar: clap::Command) -> Helper {
        grammar.build();
        Helper { grammar }
    }
}

impl Completer for Helper {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        context: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        match candidates(&self.grammar, &line[..pos]) {
            Candidates::Path => FilenameCompleter::new().complete(line, pos, context),
            Candidates::Words(start, words) => {
                let pair = |word: String| Pair { replacement: format!("{word} "), display: word };
                Ok((start, words.into_iter().map(pair).collect()))
            }
        }
    }
}

/// What the last word of a line may become.
#[derive(Debug, PartialEq, Eq)]
enum Candidates {
    /// One of these, from that byte of the line on.
    Words(usize, Vec<String>),
    /// A file or a directory.
    Path,
}

/// What the last word of an unfinished line may become; nothing where that is a path.
pub fn completions(line: &str) -> Vec<String> {
    let mut grammar = crate::commands::grammar();
    grammar.build();
    match candidates(&grammar, line) {
        Candidates::Words(_, words) => words,
        Candidates::Path => Vec::new(),
    }
}

fn candidates(grammar: &clap::Command, line: &str) -> Candidates {
    let Some((words, start)) = lexer::last_command(line) else {
        return Candidates::Words(line.len(), Vec::new());
    };
    let Some((word, before)) = words.split_last() else {
        return Candidates::Words(start, Vec::new());
    };
    let mut command = grammar;
    let mut after: &[String] = before;
    // Down the tree: `serve http` is a command of `serve`.
    while let Some((name, rest)) = after.split_first() {
        let Some(found) = command.find_subcommand(name) else { break };
        (command, after) = (found, rest);
    }
    let mut all = Vec::new();
    if after.is_empty() {
        all.extend(command.get_subcommands().map(|command| command.get_name().to_string()));
    }
    if word.starts_with('-') {
        for arg in command.get_arguments() {
            all.extend(arg.get_short().map(|short| format!("-{short}")));
            all.extend(arg.get_long().map(|long| format!("--{long}")));
        }
    } else {
        let position = after.iter().filter(|word| !word.starts_with('-')).count();
        let positional = command.get_positionals().nth(position);
        if positional.is_some_and(|arg| arg.get_value_hint() == clap::ValueHint::DirPath) {
            return Candidates::Path;
        }
        // The last positional argument may take any number of words.
        if let Some(arg) = positional.or_else(|| command.get_positionals().last()) {
            let values = arg.get_possible_values();
            all.extend(values.iter().map(|value| value.get_name().to_string()));
        }
    }
    all.retain(|candidate| candidate.starts_with(word.as_str()));
    Candidates::Words(start, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(line: &str) -> Vec<String> {
        let mut grammar = crate::commands::grammar();
        grammar.build();
        match candidates(&grammar, line) {
            Candidates::Words(_, words) => words,
            Candidates::Path => vec!["(path)".into()],
        }
    }

    #[test]
    fn commands_options_and_words() {
        assert_eq!(complete("pi"), ["ping", "ping2"]);
        assert_eq!(complete("route; arpc"), ["arpcache"]);
        assert_eq!(complete("route "), ["add", "del"]);
        assert_eq!(complete("route add def"), ["default"]);
        assert_eq!(complete("route add default v"), ["via"]);
        assert_eq!(complete("route add default via 10.0.0.2 "), ["via", "dev", "metric"]);
        assert!(complete("ping -").contains(&"-c".to_string()));
        assert_eq!(complete("ping --co"), ["--count"]);
        assert_eq!(complete("serve "), ["echo", "discard", "chargen", "http"]);
        assert_eq!(complete("serve h"), ["http"]);
        assert_eq!(complete("serve http 80 "), ["(path)"]);
        assert_eq!(complete("serve http 80 sr"), ["(path)"]);
        assert!(complete("serve http ").is_empty());
        assert_eq!(complete("debug arp ip tc"), ["tcp", "tcpstate"]);
        assert_eq!(complete("debug -n tcp"), ["tcp", "tcpstate"]);
        assert!(complete("help sn").contains(&"snc".to_string()));
        assert!(complete("!cur").is_empty());
        assert!(complete("nonsense ").is_empty());
        assert!(complete("").len() > 10);
    }
}
