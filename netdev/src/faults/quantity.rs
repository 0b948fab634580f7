//! Probabilities, rates and times as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How likely something is, from 0 (never) to 1 (always).
///
/// ```
/// use netdev::Probability;
/// assert_eq!("2%".parse(), Ok(Probability::new(0.02)));
/// assert_eq!("0.02".parse(), Ok(Probability::new(0.02)));
/// assert!("102%".parse::<Probability>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default)]
pub struct Probability(f64);

/// A number of bits in a second; never 0.
///
/// ```
/// use netdev::Rate;
/// assert_eq!("10mbit".parse(), Rate::from_bits_per_second(10_000_000).ok_or_else(|| panic!()));
/// assert_eq!("1.5kbyte".parse::<Rate>().unwrap().bits_per_second(), 12_000);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rate(u64);

/// Why a text is no probability, rate or time.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseQuantityError {
    /// Not a probability.
    #[error("`{0}` is not a probability: 0% to 100%, or 0 to 1, as `2%` or `0.02`")]
    Probability(String),
    /// Not a model of bursts.
    #[error(
        "`{0}` is no model of losses in bursts: ge:WORSENS,IMPROVES[,LOST-WHEN-BAD\
         [,LOST-WHEN-GOOD]], as `ge:1%,25%`"
    )]
    Bursts(String),
    /// Not a rate.
    #[error(
        "`{0}` is not a rate: a number above 0 with bit, kbit, mbit, gbit, byte, kbyte, mbyte or \
         gbyte (a second), as `10mbit`"
    )]
    Rate(String),
    /// Not a time.
    #[error("`{0}` is not a time: a number with ns, us, ms or s, as `20ms`")]
    Duration(String),
}

impl Probability {
    /// It does not happen.
    pub const NEVER: Probability = Probability(0.0);
    /// It happens each time.
    pub const ALWAYS: Probability = Probability(1.0);

    /// The nearest probability to a number; not a number is [`Probability::NEVER`].
    pub fn new(value: f64) -> Probability {
        Probability(if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) })
    }

    /// The number from 0 to 1.
    pub fn value(self) -> f64 {
        self.0
    }

    /// Whether it happens this time.
    pub(crate) fn happens(self, rng: &mut fastrand::Rng) -> bool {
        // In [0, 1), so that never is never and always always. No number is drawn for what never
        // happens: switching one fault on leaves the dice of the others as they were.
        self.0 > 0.0 && rng.f64() < self.0
    }
}

impl Rate {
    /// A rate; `None` for 0, at which nothing would ever arrive.
    pub fn from_bits_per_second(bits: u64) -> Option<Rate> {
        (bits != 0).then_some(Rate(bits))
    }

    /// Bits in a second.
    pub fn bits_per_second(self) -> u64 {
        self.0
    }

    /// How long `bytes` take.
    pub(crate) fn time_for(self, bytes: usize) -> Duration {
        let nanos = bytes as u128 * 8 * 1_000_000_000 / u128::from(self.0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Reads a time such as `20ms`, `1.5s`, `100us`, `500ns`; `0` needs no unit.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(netdev::parse_duration("1.5ms"), Ok(Duration::from_micros(1500)));
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, ParseQuantityError> {
    let bad = || ParseQuantityError::Duration(text.to_string());
    let (number, unit) = number_and_unit(text).ok_or_else(bad)?;
    let second = match unit.as_str() {
        "s" | "sec" => 1.0,
        "ms" => 1e-3,
        "us" | "µs" => 1e-6,
        "ns" => 1e-9,
        "" if number == 0.0 => 1.0,
        _ => return Err(bad()),
    };
    Duration::try_from_secs_f64(number * second).map_err(|_| bad())
}

impl FromStr for Probability {
    type Err = ParseQuantityError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let value = match number_and_unit(text) {
            Some((number, unit)) if unit == "%" => number / 100.0,
            Some((number, unit)) if unit.is_empty() => number,
            _ => f64::NAN,
        };
        if (0.0..=1.0).contains(&value) {
            Ok(Probability(value))
        } else {
            Err(ParseQuantityError::Probability(text.to_string()))
        }
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the noise of binary fractions: 0.07 * 100 is 7.000000000000001.
        write!(f, "{}%", (self.0 * 1e8).round() / 1e6)
    }
}

impl FromStr for Rate {
    type Err = ParseQuantityError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseQuantityError::Rate(text.to_string());
        let (number, unit) = number_and_unit(text).ok_or_else(bad)?;
        let bits = match unit.as_str() {
            "bit" => 1.0,
            "kbit" => 1e3,
            "mbit" => 1e6,
            "gbit" => 1e9,
            "byte" => 8.0,
            "kbyte" => 8e3,
            "mbyte" => 8e6,
            "gbyte" => 8e9,
            _ => return Err(bad()),
        };
        // A float that is too big becomes the largest integer.
        Rate::from_bits_per_second((number * bits).round() as u64).ok_or_else(bad)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (size, unit) in [(1_000_000_000, "gbit"), (1_000_000, "mbit"), (1_000, "kbit")] {
            if self.0.is_multiple_of(size) {
                return write!(f, "{}{unit}", self.0 / size);
            }
        }
        write!(f, "{}bit", self.0)
    }
}

/// A decimal number that is not negative, and what follows it in lower case.
fn number_and_unit(text: &str) -> Option<(f64, String)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim_start().to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_and_their_meaning() {
        assert_eq!("0".parse(), Ok(Probability::NEVER));
        assert_eq!("100%".parse(), Ok(Probability::ALWAYS));
        assert_eq!("0.5 %".parse(), Ok(Probability::new(0.005)));
        assert_eq!(Probability::new(0.07).to_string(), "7%");
        for bad in ["", "%", "-1%", "1.01", "half", "1%%", "NaN", "inf", "1.1.1"] {
            assert!(bad.parse::<Probability>().is_err(), "{bad}");
        }
        for (text, bits, shown) in [
            ("9600bit", 9600, "9600bit"),
            ("10Mbit", 10_000_000, "10mbit"),
            ("2.5gbit", 2_500_000_000, "2500mbit"),
            ("100 kbyte", 800_000, "800kbit"),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.bits_per_second(), rate.to_string().as_str()), (bits, shown));
        }
        for bad in ["", "10", "0mbit", "-1mbit", "mbit", "10mbps"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("500us"), Ok(Duration::from_micros(500)));
        assert_eq!(parse_duration("2s"), Ok(Duration::from_secs(2)));
        for bad in ["", "20", "ms", "1h", "1e3s", "99999999999999999999999s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_clamped() {
        assert_eq!(Probability::new(-1.0), Probability::NEVER);
        assert_eq!(Probability::new(7.0), Probability::ALWAYS);
        assert_eq!(Probability::new(f64::NAN), Probability::NEVER);
    }

    #[test]
    fn a_rate_gives_each_packet_its_time() {
        let rate: Rate = "12mbit".parse().unwrap();
        assert_eq!(rate.time_for(1500), Duration::from_millis(1));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = text.parse::<Probability>();
            let _ = text.parse::<Rate>();
            let _ = parse_duration(&text);
        }

        #[test]
        fn what_is_shown_is_read_back(bits in 1u64..1 << 50) {
            let rate = Rate::from_bits_per_second(bits).unwrap();
            // Up to the precision of a float's 53 bits.
            prop_assert_eq!(rate.to_string().parse::<Rate>().unwrap(), rate);
        }
    }
}
