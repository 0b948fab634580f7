//! Readers of what people write: command lines, configurations, scripts, numbers with units.

use netdev::{FaultConfig, Loss, MacAddr, Medium, Probability, Rate, parse_duration};
use shell::filter::Filter;
use shell::lexer::{self, Item};

use crate::pkt::{self, Options, Outcome};

/// The text that the bytes are, whatever they are.
fn text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// What has a value that can be shown is read back as that value.
fn reads_back<T>(text: &str)
where
    T: std::str::FromStr + std::fmt::Display + PartialEq + std::fmt::Debug,
{
    if let Ok(value) = text.parse::<T>() {
        let shown = value.to_string();
        let again = shown.parse::<T>().ok();
        assert_eq!(again.as_ref(), Some(&value), "{text:?} is shown as {shown:?}");
    }
}

/// Addresses, prefixes, times, shares, rates, losses.
pub fn quantities(data: &[u8]) {
    let text = text(data);
    reads_back::<MacAddr>(&text);
    reads_back::<ip::Cidr>(&text);
    reads_back::<Rate>(&text);
    // A share is shown rounded, so that it is read back nearly.
    if let Ok(probability) = text.parse::<Probability>() {
        let again: Probability = probability.to_string().parse().expect("what is shown is read");
        assert!((again.value() - probability.value()).abs() < 1e-6);
    }
    if let Ok(loss) = text.parse::<Loss>() {
        loss.to_string().parse::<Loss>().expect("what is shown is read");
        assert!((0.0..=1.0).contains(&loss.share()));
        let _ = FaultConfig { loss, ..FaultConfig::default() }.is_perfect();
    }
    let _ = parse_duration(&text);
}

/// The shell's lines: what is quoted comes out as it was put in, and every command's grammar takes
/// or refuses its words.
pub fn shell_line(data: &[u8]) {
    let text = text(data);
    let _ = lexer::last_command(&text);
    let quoted = format!("'{}'", text.replace('\'', "'\\''"));
    let words = vec![text.to_string()];
    if !text.is_empty() {
        assert_eq!(lexer::parse(&quoted), Ok(vec![Item::Words(words)]), "{quoted}");
    }
    let Ok(items) = lexer::parse(&text) else { return };
    let mut grammar = shell::commands::grammar();
    for item in items {
        match item {
            Item::Words(words) => {
                assert!(!words.is_empty());
                let _ = grammar.try_get_matches_from_mut(&words).map_err(|e| e.to_string());
            }
            Item::Host(command) => assert_eq!(command, command.trim()),
        }
    }
    let _ = shell::completions(&text, &["lo", "tap0"]);
}

/// A filter of packets: refused with a place in the text, or printed so that it is read as the same;
/// and whatever it is held against, there is an answer.
pub fn packet_filter(data: &[u8]) {
    let (text, packet) = data.split_at(data.iter().position(|b| *b == 0).unwrap_or(data.len()));
    let text = self::text(text);
    match text.parse::<Filter>() {
        Ok(filter) => {
            let shown = filter.to_string();
            assert_eq!(shown.parse().as_ref(), Ok(&filter), "{text:?} is shown as {shown:?}");
            filter.matches(Medium::Ethernet, packet);
            filter.matches(Medium::Ip, packet);
        }
        Err(error) => {
            assert!(error.column >= 1 && error.column <= text.chars().count() + 1, "{error}");
            assert!(!error.why.is_empty());
        }
    }
}

/// `tapip.toml`: taken or refused with a reason.
pub fn tapip_toml(data: &[u8]) {
    if let Err(error) = app::check(&text(data)) {
        assert!(!format!("{error:#}").is_empty());
    }
}

/// The packet-script language: a script passes, fails or is unsupported, and the TCP that it plays
/// with never panics.
pub fn packet_script(data: &[u8]) {
    if let Outcome::Fail(failure) = pkt::run(&text(data), &Options::default()) {
        assert!(!failure.reason.starts_with("it panics"), "{}", failure.reason);
    }
}
