//! The language of `%{ … }%`: assignments and assertions over the fields of `tcp_info`.
//!
//! As much of an expression language as tests need, with the words and the precedence of Python's:
//! `or`, `and`, `not`, comparisons (chained: `1 <= x <= 2`), `|`, `^`, `&`, shifts, `+ -`,
//! `* / // %`, signs and `~`, numbers, strings, tuples, a few functions, and `%` to format a
//! message. A statement ends with its line, but for open brackets, or with `;`.

mod eval;
mod lex;

use super::report::{Result, failed, unsupported};
use lex::Token;

pub(super) use eval::{Value, Variables};

#[derive(Clone, Debug)]
pub(super) enum Statement {
    /// `name = value`
    Assign { line: u32, name: String, value: Term },
    /// `assert condition, message`
    Assert { line: u32, condition: Term, text: String, message: Option<Term> },
    /// `print(…)`, which says nothing here.
    Nothing,
}

#[derive(Clone, Debug)]
pub(super) enum Term {
    Value(Value),
    Name(String),
    Tuple(Vec<Term>),
    Unary(&'static str, Box<Term>),
    Binary(&'static str, Box<Term>, Box<Term>),
    /// `a < b <= c`: each pair in turn.
    Compare(Box<Term>, Vec<(&'static str, Term)>),
    Apply(String, Vec<Term>),
}

/// The binary operators, loosest first, that are neither `and`, `or` nor comparisons.
const BINARY: [&[&str]; 6] =
    [&["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "//", "/", "%"]];
const COMPARISONS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];

/// The statements of a block that begins on `line`.
pub(super) fn statements(source: &str, line: u32) -> Result<Vec<Statement>> {
    lex::statements(source, line)?
        .into_iter()
        .map(|(line, text, tokens)| Parser { line, tokens: &tokens }.statement(text))
        .collect()
}

struct Parser<'a> {
    line: u32,
    tokens: &'a [Token],
}

impl Parser<'_> {
    fn statement(mut self, text: String) -> Result<Statement> {
        let line = self.line;
        let statement = match self.tokens {
            [Token::Word(word), ..] if word == "assert" => {
                self.tokens = &self.tokens[1..];
                let condition = self.or()?;
                let message = if self.eat(",") { Some(self.or()?) } else { None };
                Statement::Assert { line, condition, text, message }
            }
            [Token::Word(word), ..] if word == "print" => return Ok(Statement::Nothing),
            [Token::Word(word), ..]
                if matches!(&word[..], "if" | "for" | "while" | "def" | "import" | "from") =>
            {
                return Err(unsupported(line, format!("`{word}` in a block of code")));
            }
            [Token::Word(name), Token::Sign("="), ..] => {
                let name = name.clone();
                self.tokens = &self.tokens[2..];
                Statement::Assign { line, name, value: self.or()? }
            }
            _ => return Err(unsupported(line, format!("the statement `{text}`"))),
        };
        if self.tokens.is_empty() { Ok(statement) } else { Err(self.error()) }
    }

    fn or(&mut self) -> Result<Term> {
        let mut left = self.and()?;
        while self.eat_word("or") {
            left = Term::Binary("or", Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Term> {
        let mut left = self.not()?;
        while self.eat_word("and") {
            left = Term::Binary("and", Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Term> {
        if self.eat_word("not") {
            return Ok(Term::Unary("not", Box::new(self.not()?)));
        }
        let first = self.binary(0)?;
        let mut rest = Vec::new();
        while let Some(operator) = COMPARISONS.into_iter().find(|operator| self.eat(operator)) {
            rest.push((operator, self.binary(0)?));
        }
        Ok(if rest.is_empty() { first } else { Term::Compare(Box::new(first), rest) })
    }

    fn binary(&mut self, level: usize) -> Result<Term> {
        let Some(operators) = BINARY.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.eat(operator)) {
            let right = self.binary(level + 1)?;
            left = Term::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Term> {
        match ["-", "+", "~"].into_iter().find(|sign| self.eat(sign)) {
            Some(sign) => Ok(Term::Unary(sign, Box::new(self.unary()?))),
            None => self.primary(),
        }
    }

    fn primary(&mut self) -> Result<Term> {
        let [token, rest @ ..] = self.tokens else { return Err(self.error()) };
        match token {
            Token::Number(value) => {
                self.tokens = rest;
                Ok(Term::Value(value.clone()))
            }
            Token::Text(_) => {
                let mut all = String::new();
                while let [Token::Text(text), rest @ ..] = self.tokens {
                    all.push_str(text);
                    self.tokens = rest;
                }
                Ok(Term::Value(Value::Text(all)))
            }
            Token::Word(word) => {
                self.tokens = rest;
                if self.eat("(") {
                    let (args, _) = self.until_closed()?;
                    return Ok(Term::Apply(word.clone(), args));
                }
                Ok(Term::Name(word.clone()))
            }
            Token::Sign("(") => {
                self.tokens = rest;
                let (mut terms, comma) = self.until_closed()?;
                Ok(match terms.pop() {
                    Some(term) if terms.is_empty() && !comma => term,
                    last => {
                        terms.extend(last);
                        Term::Tuple(terms)
                    }
                })
            }
            Token::Sign(_) => Err(self.error()),
        }
    }

    /// Terms up to `)`, and whether a comma stood before it.
    fn until_closed(&mut self) -> Result<(Vec<Term>, bool)> {
        let (mut terms, mut comma) = (Vec::new(), false);
        while !self.eat(")") {
            terms.push(self.or()?);
            comma = self.eat(",");
            if !comma && !matches!(self.tokens, [Token::Sign(")"), ..]) {
                return Err(self.error());
            }
        }
        Ok((terms, comma))
    }

    fn eat(&mut self, sign: &str) -> bool {
        match self.tokens {
            [Token::Sign(found), rest @ ..] if *found == sign => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        match self.tokens {
            [Token::Word(found), rest @ ..] if found == word => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn error(&self) -> super::report::Stop {
        let found = self.tokens.first().map_or("its end".to_string(), |token| format!("{token:?}"));
        failed(self.line, format!("cannot read the code at {found}"))
    }
}
