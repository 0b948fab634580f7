//! How a run ends.

use std::fmt;

/// What came of a script.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Everything was as it says.
    Pass,
    /// Something was not.
    Fail(Failure),
    /// It asks for something that cannot be done here.
    Unsupported {
        /// Where in the script; 0: nowhere in particular.
        line: u32,
        /// What.
        reason: String,
    },
}

/// Where and why a script failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Where in the script.
    pub line: u32,
    /// Why, in a line.
    pub reason: String,
    /// What was expected, and what was seen in its place, in the script's own words.
    pub difference: Option<(String, String)>,
    /// All that went on up to there, a line an event.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "line {}: {}", self.line, self.reason)?;
        if let Some((expected, seen)) = &self.difference {
            writeln!(f, "    expected  {expected}")?;
            writeln!(f, "    seen      {seen}")?;
        }
        self.trace.iter().try_for_each(|line| writeln!(f, "    | {line}"))
    }
}

/// Why a run stops before its end.
#[derive(Debug)]
pub(super) enum Stop {
    Failed(Failure),
    Unsupported { line: u32, reason: String },
}

pub(super) type Result<T> = std::result::Result<T, Stop>;

/// A failure without a packet to show.
pub(super) fn failed(line: u32, reason: impl Into<String>) -> Stop {
    Stop::Failed(Failure { line, reason: reason.into(), difference: None, trace: Vec::new() })
}

/// Something that cannot be done here.
pub(super) fn unsupported(line: u32, reason: impl Into<String>) -> Stop {
    Stop::Unsupported { line, reason: reason.into() }
}
