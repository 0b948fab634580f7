//! Words and signs, each with its place.

/// A word or a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    /// Where it begins, in characters from 1.
    pub(super) column: usize,
}

/// Cuts a text into words: at blanks, parentheses, `!`, `&&` and `||`. Behind the last one is an
/// empty one.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut column) = (text, 1);
    loop {
        let trimmed = rest.trim_start();
        column += rest[..rest.len() - trimmed.len()].chars().count();
        rest = trimmed;
        let len = ["&&", "||", "(", ")", "!"]
            .into_iter()
            .find(|sign| rest.starts_with(sign))
            .map_or_else(|| word(rest), str::len);
        let (token, after) = rest.split_at(len);
        tokens.push(Token { text: token, column });
        if token.is_empty() {
            return tokens;
        }
        column += token.chars().count();
        rest = after;
    }
}

/// Bytes of the word at the front.
fn word(text: &str) -> usize {
    let ends = |(at, c): (usize, char)| {
        let sign = matches!(c, '(' | ')' | '!') || c.is_whitespace();
        let double = text[at..].starts_with("&&") || text[at..].starts_with("||");
        (sign || double).then_some(at)
    };
    text.char_indices().find_map(ends).unwrap_or(text.len())
}
