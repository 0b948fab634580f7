//! The words and signs of a block of code.

use super::Value;
use crate::pkt::report::{Result, failed};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(Value),
    Text(String),
    Word(String),
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: [&str; 27] = [
    "==", "!=", "<=", ">=", "<<", ">>", "//", "<", ">", "+", "-", "*", "/", "%", "(", ")", ",",
    "=", "&", "|", "^", "~", ";", ":", ".", "[", "]",
];

/// Each statement with its line and its text.
pub(super) fn statements(source: &str, line: u32) -> Result<Vec<(u32, String, Vec<Token>)>> {
    let mut statements = Vec::new();
    let (mut tokens, mut text, mut at, mut depth) = (Vec::new(), String::new(), line, 0_i32);
    let mut end = |tokens: &mut Vec<Token>, text: &mut String, at: u32| {
        if !tokens.is_empty() {
            statements.push((at, text.trim().to_string(), std::mem::take(tokens)));
        }
        text.clear();
    };
    for (number, row) in source.lines().enumerate() {
        let row_line = line + number as u32;
        let mut rest = row;
        loop {
            rest = rest.trim_start();
            if rest.is_empty() || rest.starts_with('#') {
                break;
            }
            if tokens.is_empty() {
                at = row_line;
            }
            // A backslash before the end of the line joins the next one to it.
            if rest.trim_end() == "\\" {
                depth += 1;
                break;
            }
            let (token, len) = token(rest).ok_or_else(|| {
                failed(row_line, format!("cannot read the code at `{}`", rest.trim_end()))
            })?;
            if token == Token::Sign(";") {
                end(&mut tokens, &mut text, at);
            } else {
                depth += match token {
                    Token::Sign("(") => 1,
                    Token::Sign(")") => -1,
                    _ => 0,
                };
                let tight = text.ends_with('(') || matches!(&rest[..len], ")" | ",");
                let space = if tight { "" } else { " " };
                text.push_str(space);
                text.push_str(&rest[..len]);
                tokens.push(token);
            }
            rest = &rest[len..];
        }
        if depth <= 0 {
            end(&mut tokens, &mut text, at);
            depth = 0;
        } else if row.trim_end().ends_with('\\') {
            depth -= 1;
        }
    }
    end(&mut tokens, &mut text, at);
    Ok(statements)
}

/// The token that `text` begins with, and its length.
fn token(text: &str) -> Option<(Token, usize)> {
    let first = text.chars().next()?;
    let fraction = first == '.' && text[1..].starts_with(|c: char| c.is_ascii_digit());
    if first.is_ascii_digit() || fraction {
        let len = text
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_')
            .unwrap_or(text.len());
        let digits = text[..len].replace('_', "");
        let value = match digits.strip_prefix("0x") {
            Some(hex) => Value::Int(i64::from_str_radix(hex, 16).ok()?),
            None => match digits.parse() {
                Ok(value) => Value::Int(value),
                Err(_) => Value::Float(digits.parse().ok()?),
            },
        };
        return Some((Token::Number(value), len));
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let len = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        return Some((Token::Word(text[..len].to_string()), len));
    }
    if first == '\'' || first == '"' {
        let len = text[1..].find(first)?;
        return Some((Token::Text(text[1..=len].to_string()), len + 2));
    }
    let sign = SIGNS.into_iter().find(|sign| text.starts_with(sign))?;
    Some((Token::Sign(sign), sign.len()))
}
