//! Arguments in the manner of ip(8): words that each say what the next one is.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};

/// Takes any word, and offers some for completion: those that announce the next one.
#[derive(Clone, Copy)]
pub(super) struct Keywords(pub(super) &'static [&'static str]);

impl TypedValueParser for Keywords {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        let text = value.to_str().map(str::to_string);
        text.ok_or_else(|| clap::Error::new(clap::error::ErrorKind::InvalidUtf8).with_cmd(command))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(PossibleValue::new)))
    }
}

/// Reads `words` as pairs of a word of `known` and its value; gives the values in the order of
/// `known`, `None` for those that were not said.
pub(super) fn pairs<'a, const N: usize>(
    known: [&str; N],
    words: impl IntoIterator<Item = &'a String>,
) -> anyhow::Result<[Option<&'a str>; N]> {
    let mut values = [None; N];
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let Some(at) = known.iter().position(|known| known == word) else {
            anyhow::bail!("`{word}`: not one of {}", known.join(", "));
        };
        let Some(value) = words.next() else { anyhow::bail!("`{word}`: what follows is missing") };
        if values[at].replace(value.as_str()).is_some() {
            anyhow::bail!("`{word}`: said twice");
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_their_values_in_any_order() {
        let read = |text: &str| {
            let words: Vec<String> = text.split_whitespace().map(String::from).collect();
            let pairs = pairs(["via", "dev"], &words).map_err(|error| error.to_string());
            pairs.map(|values| values.map(|value| value.map(String::from)))
        };
        let some = |text: &str| Some(text.to_string());
        assert_eq!(read(""), Ok([None, None]));
        assert_eq!(read("dev tap0 via 10.0.0.2"), Ok([some("10.0.0.2"), some("tap0")]));
        assert_eq!(read("by x"), Err("`by`: not one of via, dev".into()));
        assert_eq!(read("dev"), Err("`dev`: what follows is missing".into()));
        assert_eq!(read("dev a dev b"), Err("`dev`: said twice".into()));
    }
}
