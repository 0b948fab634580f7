//! From a line to its commands.

use std::fmt;

/// One command of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A word of the shell's own and its arguments.
    Words(Vec<String>),
    /// What stands behind `!`: for a Unix shell at the kernel's end of the link, with its quotes.
    Host(String),
}

/// Why a line cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// What is missing.
    pub expected: &'static str,
    /// Where the part begins that lacks it, in characters from 1.
    pub column: usize,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {} is missing", self.column, self.expected)
    }
}

/// Reads a line: words between blanks, commands between semicolons, the rest after ` #` ignored.
///
/// `'…'` keeps everything, `"…"` everything but `\"` and `\\`, a backslash the next character. A
/// command that begins with `!` is kept as it stands up to a semicolon outside of quotes.
///
/// ```
/// use shell::lexer::{Item, parse};
/// let items = parse("ping -c 1 10.0.0.2; !echo 'a;b'").unwrap();
/// assert_eq!(items.len(), 2);
/// assert_eq!(items[1], Item::Host("echo 'a;b'".into()));
/// ```
pub fn parse(line: &str) -> Result<Vec<Item>, SyntaxError> {
    let mut items = Vec::new();
    let mut words = Vec::new();
    let mut chars = Cursor { rest: line, column: 1 };
    loop {
        chars.skip_blanks();
        match chars.peek() {
            None => break,
            Some('#') => break,
            Some(';') => {
                chars.next();
                flush(&mut words, &mut items);
            }
            Some('!') if words.is_empty() => {
                chars.next();
                let command = host(&mut chars)?;
                if !command.is_empty() {
                    items.push(Item::Host(command));
                }
            }
            Some(_) => words.push(word(&mut chars)?),
        }
    }
    flush(&mut words, &mut items);
    Ok(items)
}

/// The words of the last command of an unfinished line, and the byte at which the last of them
/// begins: what completion works on. `None` inside quotes and behind `!`.
pub fn last_command(line: &str) -> Option<(Vec<String>, usize)> {
    let mut chars = Cursor { rest: line, column: 1 };
    let mut words = Vec::new();
    loop {
        chars.skip_blanks();
        let start = line.len() - chars.rest.len();
        match chars.peek() {
            None => {
                words.push(String::new());
                return Some((words, start));
            }
            Some('#') => return None,
            Some(';') => {
                chars.next();
                words.clear();
            }
            Some('!') if words.is_empty() => {
                chars.next();
                host(&mut chars).ok()?;
                if chars.rest.is_empty() {
                    return None;
                }
            }
            Some(_) => {
                words.push(word(&mut chars).ok()?);
                if chars.rest.is_empty() {
                    return Some((words, start));
                }
            }
        }
    }
}

fn flush(words: &mut Vec<String>, items: &mut Vec<Item>) {
    if !words.is_empty() {
        items.push(Item::Words(std::mem::take(words)));
    }
}

fn word(chars: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    let mut word = String::new();
    while let Some(c) = chars.peek() {
        if c.is_whitespace() || c == ';' {
            break;
        }
        let column = chars.column;
        chars.next();
        match c {
            '\'' => loop {
                match chars.next() {
                    Some('\'') => break,
                    Some(c) => word.push(c),
                    None => return Err(SyntaxError { expected: "the closing '", column }),
                }
            },
            '"' => loop {
                match chars.next() {
                    Some('"') => break,
                    Some('\\') if matches!(chars.peek(), Some('"' | '\\')) => {
                        word.extend(chars.next());
                    }
                    Some(c) => word.push(c),
                    None => return Err(SyntaxError { expected: "the closing \"", column }),
                }
            },
            '\\' => match chars.next() {
                Some(c) => word.push(c),
                None => {
                    return Err(SyntaxError { expected: "the character after \\", column });
                }
            },
            c => word.push(c),
        }
    }
    Ok(word)
}

fn host(chars: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    let whole = chars.rest;
    let mut quote: Option<(char, usize)> = None;
    while let Some(c) = chars.peek() {
        if c == ';' && quote.is_none() {
            break;
        }
        let column = chars.column;
        chars.next();
        match (c, quote) {
            ('\\', None | Some(('"', _))) => drop(chars.next()),
            ('\'' | '"', None) => quote = Some((c, column)),
            (c, Some((open, _))) if c == open => quote = None,
            _ => {}
        }
    }
    match quote {
        Some(('\'', column)) => Err(SyntaxError { expected: "the closing '", column }),
        Some((_, column)) => Err(SyntaxError { expected: "the closing \"", column }),
        None => Ok(whole[..whole.len() - chars.rest.len()].trim().to_string()),
    }
}

struct Cursor<'a> {
    rest: &'a str,
    column: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.column += 1;
        Some(c)
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<String>> {
        let only_words = |item| match item {
            Item::Words(words) => words,
            Item::Host(command) => panic!("host command {command}"),
        };
        parse(line).unwrap().into_iter().map(only_words).collect()
    }

    #[test]
    fn blanks_semicolons_and_quotes() {
        assert_eq!(words("  ping\t-c 3   10.0.0.2 "), [["ping", "-c", "3", "10.0.0.2"]]);
        assert_eq!(words("a;b ;; c"), [["a"], ["b"], ["c"]]);
        assert_eq!(words(r#"a'b c'"d;\"e\n"\ f"#), [[r#"ab cd;"e\n f"#]]);
        assert_eq!(words("serve http 80 ''"), [["serve", "http", "80", ""]]);
        assert_eq!(words("stat # and the rest; is a remark"), [["stat"]]);
        assert_eq!(words("a#b"), [["a#b"]]);
        assert!(words(" ; ").is_empty());
        assert!(words("").is_empty());
    }

    #[test]
    fn a_host_command_keeps_its_quotes_and_ends_at_a_bare_semicolon() {
        let items = parse(r#"!curl -s "http://x/?a;b" | wc -c; route; !sh -c 'a;b' \; c"#).unwrap();
        assert_eq!(
            items,
            [
                Item::Host(r#"curl -s "http://x/?a;b" | wc -c"#.into()),
                Item::Words(vec!["route".into()]),
                Item::Host(r"sh -c 'a;b' \; c".into()),
            ]
        );
        assert_eq!(parse("!").unwrap(), []);
    }

    #[test]
    fn what_is_not_closed_is_named_with_its_column() {
        assert_eq!(
            parse("ab 'cd").unwrap_err(),
            SyntaxError { expected: "the closing '", column: 4 }
        );
        assert_eq!(parse("\"x").unwrap_err().column, 1);
        assert_eq!(parse("!a \"x").unwrap_err().column, 4);
        assert_eq!(
            parse("a \\").unwrap_err().to_string(),
            "column 3: the character after \\ is missing"
        );
    }

    #[test]
    fn completion_sees_the_last_command() {
        let last = |line: &str| last_command(line).map(|(words, at)| (words.join("|"), at));
        assert_eq!(last(""), Some((String::new(), 0)));
        assert_eq!(last("ping -c"), Some(("ping|-c".into(), 5)));
        assert_eq!(last("ping -c "), Some(("ping|-c|".into(), 8)));
        assert_eq!(last("route; pi"), Some(("pi".into(), 7)));
        assert_eq!(last("!ls; de"), Some(("de".into(), 5)));
        assert_eq!(last("!ls"), None);
        assert_eq!(last("a 'b"), None);
    }
}
