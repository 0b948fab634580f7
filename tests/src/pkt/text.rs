//! The characters of a script: blanks, comments, words and numbers.
//!
//! The language has no tokens that hold everywhere (`P.` is a pair of flags, `<` a direction or the
//! start of the options), so its parser reads characters, with the helpers here.

use std::time::Duration;

use super::report::{Result, Stop, failed};

pub(super) struct Text<'a> {
    rest: &'a str,
    line: u32,
}

impl<'a> Text<'a> {
    pub(super) fn new(source: &'a str) -> Text<'a> {
        Text { rest: source, line: 1 }
    }

    /// The line of the next character that means something.
    pub(super) fn line(&mut self) -> u32 {
        self.skip_blank();
        self.line
    }

    pub(super) fn at_end(&mut self) -> bool {
        self.skip_blank();
        self.rest.is_empty()
    }

    pub(super) fn error(&mut self, expected: &str) -> Stop {
        let line = self.line();
        let found: String = self.rest.chars().take_while(|c| *c != '\n').take(30).collect();
        failed(line, format!("cannot read the script: expected {expected}, found `{found}`"))
    }

    /// The next character, after blanks and comments.
    pub(super) fn peek(&mut self) -> Option<char> {
        self.skip_blank();
        self.rest.chars().next()
    }

    pub(super) fn starts_with(&mut self, text: &str) -> bool {
        self.skip_blank();
        self.rest.starts_with(text)
    }

    /// Takes `text` where it comes next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.starts_with(text);
        if found {
            self.take(text.len());
        }
        found
    }

    /// Takes `word` where it comes next and ends there.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.starts_with(word) && !self.rest[word.len()..].starts_with(in_word);
        if found {
            self.take(word.len());
        }
        found
    }

    pub(super) fn expect(&mut self, text: &str) -> Result<()> {
        if self.eat(text) { Ok(()) } else { Err(self.error(&format!("`{text}`"))) }
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.eat_word(word) { Ok(()) } else { Err(self.error(&format!("`{word}`"))) }
    }

    /// Letters, digits and underscores, not beginning with a digit; `None` where there are none.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        self.skip_blank();
        if !self.rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return None;
        }
        Some(self.take_while(in_word))
    }

    /// Takes characters as long as they are such, without skipping anything before them.
    pub(super) fn take_while(&mut self, such: impl Fn(char) -> bool) -> &'a str {
        let len = self.rest.find(|c| !such(c)).unwrap_or(self.rest.len());
        self.take(len)
    }

    /// Takes all before `end`, and `end` itself.
    pub(super) fn take_until(&mut self, end: &str) -> Result<&'a str> {
        let Some(len) = self.rest.find(end) else {
            return Err(self.error(&format!("`{end}` somewhere")));
        };
        let taken = self.take(len);
        self.take(end.len());
        Ok(taken)
    }

    /// An integer, decimal or `0x…`, with a sign or without.
    pub(super) fn integer(&mut self) -> Result<i64> {
        self.skip_blank();
        let before = (self.rest, self.line);
        let negative = self.eat("-");
        let hex = self.rest.starts_with("0x") || self.rest.starts_with("0X");
        let value = if hex {
            self.take(2);
            let digits = self.take_while(|c| c.is_ascii_hexdigit());
            i64::from_str_radix(digits, 16)
        } else {
            self.take_while(|c| c.is_ascii_digit()).parse()
        };
        match value {
            Ok(value) => Ok(if negative { -value } else { value }),
            Err(_) => {
                (self.rest, self.line) = before;
                Err(self.error("a number"))
            }
        }
    }

    /// An integer that fits.
    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Result<T> {
        let line = self.line();
        let value = self.integer()?;
        T::try_from(value).map_err(|_| failed(line, format!("the number {value} is out of range")))
    }

    /// Seconds, with a fraction or without.
    pub(super) fn seconds(&mut self) -> Result<Duration> {
        self.skip_blank();
        let whole = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let mut len = whole;
        // `0...0.1` is a range that begins at 0: a dot is a fraction's only before a digit.
        if let Some(fraction) = self.rest[whole..].strip_prefix('.') {
            let digits = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
            if digits > 0 {
                len += 1 + digits;
            }
        }
        match self.rest[..len].parse::<f64>() {
            Ok(seconds) => {
                self.take(len);
                // Microseconds are the language's resolution.
                Ok(Duration::from_micros((seconds * 1e6).round() as u64))
            }
            Err(_) => Err(self.error("a time in seconds")),
        }
    }

    fn skip_blank(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if self.rest.starts_with("//") || self.rest.starts_with('#') {
                self.take_while(|c| c != '\n');
            } else if self.rest.starts_with("/*") {
                let len = self.rest.find("*/").map_or(self.rest.len(), |at| at + 2);
                self.take(len);
            } else {
                return;
            }
        }
    }

    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(len);
        self.line += taken.matches('\n').count() as u32;
        self.rest = rest;
        taken
    }
}

fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
