//! All cases of a kit, and what they come to.

use std::fmt;

use super::run::{exception, message, run, seed};
use super::{Case, Exception, Level};

/// What an implementation has reached.
#[derive(Clone, Debug)]
pub struct Grade {
    /// What was graded.
    pub name: String,
    /// A mark for each case, in the kit's order.
    pub marks: Vec<Mark>,
}

/// How one case went.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The file and the function.
    pub case: String,
    /// How much the RFC wants it.
    pub level: Level,
    /// Where it stands.
    pub section: &'static str,
    /// What it counts.
    pub points: u32,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// Why it is known to fail, where that is written down: a feature that is left out.
    pub exception: Option<&'static str>,
}

/// Runs every case against what `maker` makes.
///
/// A case that fails also prints its panic, as a test would; install a panic hook to be spared
/// that.
pub fn grade<M: Copy>(name: &str, kit: &[&[Case<M>]], maker: M) -> Grade {
    grade_from(name, kit, maker, seed())
}

/// [`grade`] with this seed, whatever `TAPIP_SEED` says.
pub fn grade_from<M: Copy>(name: &str, kit: &[&[Case<M>]], maker: M, seed: u64) -> Grade {
    let marks = kit.iter().copied().flatten().map(|case| {
        let failure = run(case, maker, seed).failure;
        Mark {
            case: case.path(),
            level: case.level,
            section: case.section,
            points: case.points,
            failure: failure.map(|cause| message(&*cause).to_owned()),
            exception: None,
        }
    });
    Grade { name: name.to_owned(), marks: marks.collect() }
}

impl Grade {
    /// The points of the cases that are kept.
    pub fn points(&self) -> u32 {
        self.marks.iter().filter(|mark| mark.failure.is_none()).map(|mark| mark.points).sum()
    }

    /// The points of all cases.
    pub fn of(&self) -> u32 {
        self.marks.iter().map(|mark| mark.points).sum()
    }

    /// With what is written down about the implementation: what it does not keep for a reason.
    #[must_use]
    pub fn except(mut self, exceptions: &[Exception]) -> Grade {
        for mark in &mut self.marks {
            mark.exception = mark.failure.as_ref().and_then(|_| exception(exceptions, &mark.case));
        }
        self
    }

    /// The cases that are neither kept nor excepted.
    pub fn failures(&self) -> impl Iterator<Item = &Mark> {
        self.marks.iter().filter(|mark| mark.failure.is_some() && mark.exception.is_none())
    }

    /// How many cases of a level are kept, and how many there are.
    pub fn cases(&self, level: Level) -> (usize, usize) {
        let of: Vec<&Mark> = self.marks.iter().filter(|mark| mark.level == level).collect();
        (of.iter().filter(|mark| mark.failure.is_none()).count(), of.len())
    }
}

/// What is not kept, a line each, and the sums.
impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mark in &self.marks {
            let Mark { case, level, section, points, failure, exception } = mark;
            let Some(failure) = failure else { continue };
            let (word, why) = match exception {
                Some(reason) => ("LACK", *reason),
                None => ("FAIL", failure.lines().next().unwrap_or_default()),
            };
            writeln!(f, "{word} {level:6} {points:2}  {case}  ({section}): {why}")?;
        }
        write!(f, "{}: {} of {} points", self.name, self.points(), self.of())?;
        for level in [Level::Must, Level::Should, Level::May, Level::Ours] {
            let (kept, of) = self.cases(level);
            if of > 0 {
                write!(f, ", {level} {kept}/{of}")?;
            }
        }
        Ok(())
    }
}
