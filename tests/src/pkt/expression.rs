//! The arguments and results of calls.

use super::report::Result;
use super::script::{Expr, Field};
use super::text::Text;

/// `(…)`, the arguments of a call.
pub(super) fn arguments(text: &mut Text<'_>) -> Result<Vec<Expr>> {
    text.expect("(")?;
    list(text, ")", expression)
}

pub(super) fn expression(text: &mut Text<'_>) -> Result<Expr> {
    let mut value = primary(text)?;
    while text.eat("|") {
        value = Expr::Or(Box::new(value), Box::new(primary(text)?));
    }
    Ok(value)
}

fn primary(text: &mut Text<'_>) -> Result<Expr> {
    if text.eat("...") {
        return Ok(Expr::Any);
    }
    match text.peek() {
        Some('[') => {
            text.expect("[")?;
            Ok(Expr::List(list(text, "]", expression)?))
        }
        Some('{') => {
            text.expect("{")?;
            Ok(Expr::Struct(list(text, "}", field)?))
        }
        Some('"') => string(text),
        Some('0'..='9' | '-') => text.integer().map(Expr::Int),
        _ => match text.word() {
            Some(word) if text.starts_with("(") => {
                Ok(Expr::Apply(word.to_string(), arguments(text)?))
            }
            Some(word) => Ok(Expr::Word(word.to_string())),
            None => Err(text.error("a value")),
        },
    }
}

/// A member of a structure: `fd=4`, `msg_iov(1)=[…]`, or a bare value.
fn field(text: &mut Text<'_>) -> Result<Field> {
    let value = expression(text)?;
    if !text.eat("=") {
        return Ok(Field { name: None, value });
    }
    let name = match value {
        // The argument is the length of what follows, which says it itself.
        Expr::Word(name) | Expr::Apply(name, _) => name,
        _ => return Err(text.error("the name of a member before `=`")),
    };
    Ok(Field { name: Some(name), value: expression(text)? })
}

/// Items up to `end`, between commas.
fn list<T>(
    text: &mut Text<'_>,
    end: &str,
    mut item: impl FnMut(&mut Text<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut items = Vec::new();
    if text.eat(end) {
        return Ok(items);
    }
    loop {
        items.push(item(text)?);
        if text.eat(end) {
            return Ok(items);
        }
        text.expect(",")?;
    }
}

/// Strings side by side are one.
fn string(text: &mut Text<'_>) -> Result<Expr> {
    let mut all = String::new();
    while text.eat("\"") {
        let mut raw = text.take_until("\"")?.to_string();
        while raw.ends_with('\\') {
            raw.pop();
            raw.push('"');
            raw.push_str(text.take_until("\"")?);
        }
        all.push_str(&raw.replace("\\n", "\n").replace("\\r", "\r").replace("\\0", "\0"));
    }
    // `"abc"...`: what follows is not looked at.
    text.eat("...");
    Ok(Expr::Str(all))
}
