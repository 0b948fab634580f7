//! Completion of commands, options and words, from the same tree that parses and explains them.

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use socket::Net;

use crate::lexer;

/// Interfaces as they are called now.
type Interfaces<'a> = &'a dyn Fn() -> Vec<String>;

/// What the line editor asks.
#[derive(rustyline::Helper, rustyline::Hinter, rustyline::Validator, rustyline::Highlighter)]
pub(crate) struct Helper {
    grammar: clap::Command,
    net: Net,
}

impl Helper {
    pub(crate) fn new(mut grammar: clap::Command, net: Net) -> Helper {
        grammar.build();
        Helper { grammar, net }
    }

    fn interfaces(&self) -> Vec<String> {
        let all = self.net.with(|stack, _| stack.interfaces());
        all.into_iter().map(|view| view.name).collect()
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
        match candidates(&self.grammar, &line[..pos], &|| self.interfaces()) {
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

/// What the last word of an unfinished line may become, where `interfaces` are those of the stack;
/// nothing where that is a path.
pub fn completions(line: &str, interfaces: &[&str]) -> Vec<String> {
    let mut grammar = crate::commands::grammar();
    grammar.build();
    let interfaces = || interfaces.iter().map(|name| name.to_string()).collect();
    match candidates(&grammar, line, &interfaces) {
        Candidates::Words(_, words) => words,
        Candidates::Path => Vec::new(),
    }
}

fn candidates(grammar: &clap::Command, line: &str, interfaces: Interfaces<'_>) -> Candidates {
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
    } else if after.last().is_some_and(|option| wants_interface(command, option)) {
        all = interfaces();
    } else {
        let position = after.iter().filter(|word| !word.starts_with('-')).count();
        let positional = command.get_positionals().nth(position);
        if positional.is_some_and(|arg| arg.get_value_hint() == clap::ValueHint::DirPath) {
            return Candidates::Path;
        }
        // The last positional argument may take any number of words.
        if let Some(arg) = positional.or_else(|| command.get_positionals().last()) {
            if names_interface(arg) {
                all.extend(interfaces());
            }
            let values = arg.get_possible_values();
            all.extend(values.iter().map(|value| value.get_name().to_string()));
        }
    }
    all.retain(|candidate| candidate.starts_with(word.as_str()));
    Candidates::Words(start, all)
}

/// Whether an interface follows the word `before`: an option of the command, or `dev` among the
/// words of `route add`.
fn wants_interface(command: &clap::Command, before: &str) -> bool {
    let is = |arg: &clap::Arg| {
        let short = arg.get_short().is_some_and(|short| before == format!("-{short}"));
        short || arg.get_long().is_some_and(|long| before == format!("--{long}"))
    };
    let option = command.get_opts().any(|arg| is(arg) && names_interface(arg));
    let keyword =
        |arg: &clap::Arg| arg.get_possible_values().iter().any(|value| value.get_name() == before);
    option || before == "dev" && command.get_positionals().any(keyword)
}

/// By what it is called in the help: `IF`, or `IF|NET` where more may stand there.
fn names_interface(arg: &clap::Arg) -> bool {
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().any(|name| name.split('|').next() == Some("IF"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(line: &str) -> Vec<String> {
        let mut grammar = crate::commands::grammar();
        grammar.build();
        let interfaces = || ["lo", "tap0", "tap1"].map(String::from).to_vec();
        match candidates(&grammar, line, &interfaces) {
            Candidates::Words(_, words) => words,
            Candidates::Path => vec!["(path)".into()],
        }
    }

    #[test]
    fn interfaces_where_one_is_expected() {
        assert_eq!(complete("ifconfig "), ["lo", "tap0", "tap1"]);
        assert_eq!(complete("ifconfig ta"), ["tap0", "tap1"]);
        assert_eq!(complete("tcpdump -i l"), ["lo"]);
        assert_eq!(complete("tcpdump --interface tap1"), ["tap1"]);
        assert_eq!(complete("arping -I "), ["lo", "tap0", "tap1"]);
        assert_eq!(complete("nat on --out t"), ["tap0", "tap1"]);
        assert_eq!(complete("nat on --in l"), ["lo"]);
        assert_eq!(complete("route add default dev "), ["lo", "tap0", "tap1"]);
        assert_eq!(complete("route del 10.0.0.0/8 via 10.0.0.2 dev lo"), ["lo"]);
        assert!(complete("ifconfig tap0 ").is_empty());
        assert!(complete("ping -c ").is_empty());
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
