//! A script from its text.

use super::code;
use super::expression::{self, expression};
use super::parse_packet::packet;
use super::report::{Result, failed};
use super::script::{Action, At, Call, Event, Flag, Script};
use super::text::Text;

pub(super) fn script(source: &str) -> Result<Script> {
    let mut text = Text::new(source);
    let mut script = Script::default();
    while text.starts_with("--") {
        script.flags.push(flag(&mut text));
    }
    while !text.at_end() {
        script.events.push(event(&mut text)?);
    }
    if script.events.is_empty() {
        return Err(failed(text.line(), "a script without events"));
    }
    Ok(script)
}

fn flag(text: &mut Text<'_>) -> Flag {
    let line = text.line();
    text.eat("--");
    let all = text.take_while(|c| !c.is_whitespace());
    let (name, value) = all.split_once('=').unwrap_or((all, ""));
    let value = value.trim_matches('"');
    Flag { line, name: name.to_string(), value: value.to_string() }
}

fn event(text: &mut Text<'_>) -> Result<Event> {
    let line = text.line();
    // Commands at the top and at the end stand without a time.
    if text.starts_with("`") {
        let action = action(text)?;
        return Ok(Event { line, at: At::Relative(Default::default(), None), action });
    }
    let at = time(text)?;
    let action = action(text)?;
    let exact = matches!(at, At::Absolute(_, None) | At::Relative(_, None));
    if !exact && !matches!(action, Action::Expect(_)) {
        return Err(failed(line, "only an expected packet can have a range of times"));
    }
    Ok(Event { line, at, action })
}

fn time(text: &mut Text<'_>) -> Result<At> {
    if text.eat("*") {
        return Ok(At::Any);
    }
    if text.eat("+") {
        let from = text.seconds()?;
        let to = if text.eat("~") {
            text.expect("+")?;
            Some(text.seconds()?)
        } else {
            None
        };
        return Ok(At::Relative(from, to));
    }
    let from = text.seconds()?;
    let to = if text.eat("~") { Some(text.seconds()?) } else { None };
    Ok(At::Absolute(from, to))
}

fn action(text: &mut Text<'_>) -> Result<Action> {
    if text.eat("`") {
        return Ok(Action::Shell(text.take_until("`")?.to_string()));
    }
    if text.starts_with("%{") {
        let line = text.line();
        text.eat("%{");
        return Ok(Action::Code(code::statements(text.take_until("}%")?, line)?));
    }
    if text.eat("<") {
        return Ok(Action::Inject(packet(text, true)?));
    }
    if text.eat(">") {
        return Ok(Action::Expect(packet(text, false)?));
    }
    call(text).map(Action::Call)
}

fn call(text: &mut Text<'_>) -> Result<Call> {
    let end = if text.eat("...") { Some(text.seconds()?) } else { None };
    let Some(name) = text.word() else {
        return Err(text.error("a packet, a call, a command or code"));
    };
    let args = expression::arguments(text)?;
    text.expect("=")?;
    let result = expression(text)?;
    let errno = text.word().map(str::to_string);
    // `(Resource temporarily unavailable)`, `(flags O_RDWR)`: for people.
    if text.eat("(") {
        text.take_until(")")?;
    }
    Ok(Call { name: name.to_string(), args, end, result, errno })
}
