//! From the words of `--loss 1%/2%` to the two configurations of a fault injector.

use std::fmt::Display;
use std::str::FromStr;

use anyhow::anyhow;
use netdev::{FaultConfig, parse_duration};

use crate::options::Options;

/// The faults of both directions: what is sent, what is received.
pub(crate) fn parse(options: &Options) -> anyhow::Result<(FaultConfig, FaultConfig)> {
    let mut faults = (FaultConfig::default(), FaultConfig::default());
    let (tx, rx) = (&mut faults.0, &mut faults.1);
    set("loss", &options.loss, FromStr::from_str, [&mut tx.loss, &mut rx.loss])?;
    set("dup", &options.dup, FromStr::from_str, [&mut tx.duplicate, &mut rx.duplicate])?;
    set("reorder", &options.reorder, FromStr::from_str, [&mut tx.reorder, &mut rx.reorder])?;
    set("corrupt", &options.corrupt, FromStr::from_str, [&mut tx.corrupt, &mut rx.corrupt])?;
    set("mark", &options.mark, FromStr::from_str, [&mut tx.mark, &mut rx.mark])?;
    set("delay", &options.delay, parse_duration, [&mut tx.delay, &mut rx.delay])?;
    set("jitter", &options.jitter, parse_duration, [&mut tx.jitter, &mut rx.jitter])?;
    let some_rate = |text: &str| netdev::Rate::from_str(text).map(Some);
    set("rate", &options.rate, some_rate, [&mut tx.rate, &mut rx.rate])?;
    Ok(faults)
}

/// Reads `OUT/IN`, or one value for both.
fn set<T, E: Display>(
    option: &str,
    text: &Option<String>,
    parse: impl Fn(&str) -> Result<T, E>,
    [tx, rx]: [&mut T; 2],
) -> anyhow::Result<()> {
    let Some(text) = text else { return Ok(()) };
    let (out, inward) = text.split_once('/').unwrap_or((text, text));
    let parse = |part: &str| parse(part).map_err(|why| anyhow!("--{option} {text}: {why}"));
    (*tx, *rx) = (parse(out)?, parse(inward)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_value_is_for_both_directions_and_two_for_each() {
        let options = Options {
            loss: Some("1%/0.5".into()),
            delay: Some("20ms".into()),
            ..Options::default()
        };
        let (tx, rx) = parse(&options).unwrap();
        assert_eq!((tx.loss.share(), rx.loss.share()), (0.01, 0.5));
        assert_eq!((tx.delay, rx.delay), (Duration::from_millis(20), Duration::from_millis(20)));
        assert!(parse(&Options::default()).unwrap().0.is_perfect());
    }

    #[test]
    fn losses_may_come_in_bursts() {
        let options = Options { loss: Some("ge:1%,25%/2%".into()), ..Options::default() };
        let (tx, rx) = parse(&options).unwrap();
        assert_eq!(tx.loss.to_string(), "ge:1%,25%,100%,0%");
        assert_eq!(rx.loss.to_string(), "2%");
    }

    #[test]
    fn a_bad_value_names_its_option() {
        let options = Options { reorder: Some("often".into()), ..Options::default() };
        let error = parse(&options).unwrap_err().to_string();
        assert!(error.contains("--reorder") && error.contains("often"), "{error}");
    }
}
