//! Which packets are lost.

use std::fmt;
use std::str::FromStr;

use super::quantity::{ParseQuantityError, Probability};

/// How packets are lost: each on its own, or in bursts.
///
/// ```
/// use netdev::{GilbertElliott, Loss, Probability};
/// assert_eq!("2%".parse(), Ok(Loss::Random(Probability::new(0.02))));
/// let bursts = GilbertElliott::new(Probability::new(0.01), Probability::new(0.25));
/// assert_eq!("ge:1%,25%".parse(), Ok(Loss::Bursts(bursts)));
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Loss {
    /// Each on its own.
    Random(Probability),
    /// As the link is good or bad for a while.
    Bursts(GilbertElliott),
}

/// Losses in bursts, by Gilbert and Elliott: the link is good or bad, goes from one to the other
/// by chance at each packet, and loses another share of the packets in either state.
///
/// It is good at first. It is bad for 1/`improves` packets on average, and for a share of
/// `worsens` / (`worsens` + `improves`) of all.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct GilbertElliott {
    /// The chance that a good link turns bad, at each packet.
    pub worsens: Probability,
    /// The chance that a bad link turns good, at each packet.
    pub improves: Probability,
    /// The share of packets that a bad link loses.
    pub lost_when_bad: Probability,
    /// The share of packets that a good link loses.
    pub lost_when_good: Probability,
}

impl Loss {
    /// Nothing is lost.
    pub const NEVER: Loss = Loss::Random(Probability::NEVER);
    /// All is lost.
    pub const ALWAYS: Loss = Loss::Random(Probability::ALWAYS);

    /// Whether nothing is ever lost.
    pub fn is_never(&self) -> bool {
        match self {
            Loss::Random(chance) => *chance == Probability::NEVER,
            Loss::Bursts(GilbertElliott {
                worsens,
                improves: _,
                lost_when_bad,
                lost_when_good,
            }) => {
                let never = Probability::NEVER;
                *lost_when_good == never && (*lost_when_bad == never || *worsens == never)
            }
        }
    }

    /// The share of packets that is lost in the long run.
    pub fn share(&self) -> f64 {
        match self {
            Loss::Random(chance) => chance.value(),
            Loss::Bursts(model) => model.share(),
        }
    }

    /// Whether the next packet is lost; `is_bad` is the state of the link.
    pub(super) fn happens(&self, is_bad: &mut bool, rng: &mut fastrand::Rng) -> bool {
        match self {
            Loss::Random(chance) => chance.happens(rng),
            Loss::Bursts(model) => model.loses(is_bad, rng),
        }
    }
}

impl GilbertElliott {
    /// Gilbert's simple model: a good link loses nothing, a bad one all.
    pub fn new(worsens: Probability, improves: Probability) -> GilbertElliott {
        GilbertElliott {
            worsens,
            improves,
            lost_when_bad: Probability::ALWAYS,
            lost_when_good: Probability::NEVER,
        }
    }

    /// The share of packets that is lost in the long run.
    pub fn share(&self) -> f64 {
        let GilbertElliott { worsens, improves, lost_when_bad, lost_when_good } = *self;
        let changes = worsens.value() + improves.value();
        // A link that never changes stays as it is at first: good.
        let bad = if changes == 0.0 { 0.0 } else { worsens.value() / changes };
        bad * lost_when_bad.value() + (1.0 - bad) * lost_when_good.value()
    }

    /// Whether the next packet is lost; `is_bad` is the state of the link, which may change by it.
    pub fn loses(&self, is_bad: &mut bool, rng: &mut fastrand::Rng) -> bool {
        let turns = if *is_bad { self.improves } else { self.worsens };
        if turns.happens(rng) {
            *is_bad = !*is_bad;
        }
        if *is_bad { self.lost_when_bad } else { self.lost_when_good }.happens(rng)
    }
}

impl Default for Loss {
    fn default() -> Loss {
        Loss::NEVER
    }
}

impl From<Probability> for Loss {
    fn from(chance: Probability) -> Loss {
        Loss::Random(chance)
    }
}

impl From<GilbertElliott> for Loss {
    fn from(model: GilbertElliott) -> Loss {
        Loss::Bursts(model)
    }
}

/// A share such as `2%`, or `ge:WORSENS,IMPROVES[,LOST-WHEN-BAD[,LOST-WHEN-GOOD]]`; without the
/// last two a bad link loses all and a good one nothing.
impl FromStr for Loss {
    type Err = ParseQuantityError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(model) = text.trim().strip_prefix("ge:") else {
            return text.parse().map(Loss::Random);
        };
        let parts: Vec<Probability> =
            model.split(',').map(str::parse).collect::<Result<_, ParseQuantityError>>()?;
        let simple = |worsens, improves| GilbertElliott::new(worsens, improves);
        Ok(Loss::Bursts(match parts[..] {
            [p, r] => simple(p, r),
            [p, r, lost_when_bad] => GilbertElliott { lost_when_bad, ..simple(p, r) },
            [p, r, lost_when_bad, lost_when_good] => {
                GilbertElliott { lost_when_bad, lost_when_good, ..simple(p, r) }
            }
            _ => return Err(ParseQuantityError::Bursts(text.to_string())),
        }))
    }
}

/// As it is read.
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Random(chance) => chance.fmt(f),
            Loss::Bursts(GilbertElliott { worsens, improves, lost_when_bad, lost_when_good }) => {
                write!(f, "ge:{worsens},{improves},{lost_when_bad},{lost_when_good}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chance(value: f64) -> Probability {
        Probability::new(value)
    }

    #[test]
    fn texts_and_their_meaning() {
        let simple = GilbertElliott::new(chance(0.01), chance(0.25));
        assert_eq!("ge:1%,0.25".parse(), Ok(Loss::Bursts(simple)));
        assert_eq!(simple.lost_when_bad, Probability::ALWAYS);
        let half = GilbertElliott { lost_when_bad: chance(0.5), ..simple };
        assert_eq!("ge:1%, 25%, 50%".parse(), Ok(Loss::Bursts(half)));
        let all = GilbertElliott { lost_when_good: chance(0.001), ..half };
        assert_eq!("ge:1%,25%,50%,0.1%".parse(), Ok(Loss::Bursts(all)));
        assert_eq!(Loss::Bursts(all).to_string(), "ge:1%,25%,50%,0.1%");
        assert_eq!("3%".parse(), Ok(Loss::Random(chance(0.03))));
        for bad in ["", "ge:", "ge:1%", "ge:1%,2%,3%,4%,5%", "ge:1%,,3%", "ge:1%,200%", "GE"] {
            let error = bad.parse::<Loss>().unwrap_err().to_string();
            assert!(error.contains("ge:") || error.contains("probability"), "{bad}: {error}");
        }
    }

    #[test]
    fn bursts_come_to_their_share_and_are_bursts() {
        // Bad for eight packets on average, of which it loses half: 2 % of all.
        let model = GilbertElliott {
            lost_when_bad: chance(0.5),
            ..GilbertElliott::new(chance(0.125 * 0.04 / 0.96), chance(0.125))
        };
        assert!((model.share() - 0.02).abs() < 1e-9, "{}", model.share());
        let (mut is_bad, mut rng) = (false, fastrand::Rng::with_seed(1));
        let lost: Vec<bool> = (0..1_000_000).map(|_| model.loses(&mut is_bad, &mut rng)).collect();
        let both = |pair: &[bool]| pair.iter().all(|lost| *lost);
        let share = lost.iter().filter(|lost| **lost).count() as f64 / 1e6;
        assert!((0.018..0.022).contains(&share), "{share}");
        let pairs = lost.windows(2).filter(|pair| both(pair)).count() as f64 / 1e6;
        // Each on its own would make 0.0004 of it; a burst goes on with 7/8 of a half.
        assert!((0.3..0.6).contains(&(pairs / share)), "{pairs}");
    }

    #[test]
    fn a_model_that_can_lose_nothing_is_known_as_such() {
        let never = Probability::NEVER;
        assert!(Loss::default().is_never() && !Loss::ALWAYS.is_never());
        assert!(Loss::Bursts(GilbertElliott::new(never, chance(0.5))).is_never());
        let harmless = GilbertElliott {
            lost_when_bad: never,
            ..GilbertElliott::new(chance(0.5), chance(0.5))
        };
        assert!(Loss::from(harmless).is_never());
        assert!(!Loss::from(GilbertElliott::new(chance(0.1), chance(0.5))).is_never());
        assert_eq!(Loss::from(GilbertElliott::new(never, never)).share(), 0.0);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(ge:)?.{0,20}") {
            let _ = text.parse::<Loss>();
        }

        #[test]
        fn what_is_shown_is_read_back(parts in proptest::array::uniform4(0u32..=100)) {
            let [worsens, improves, lost_when_bad, lost_when_good] =
                parts.map(|part| chance(f64::from(part) / 100.0));
            let model = GilbertElliott { worsens, improves, lost_when_bad, lost_when_good };
            prop_assert_eq!(Loss::Bursts(model).to_string().parse(), Ok(Loss::Bursts(model)));
        }
    }
}
