//! The parts of a TCP that can be exchanged, found by name.

use std::fmt;

use crate::Config;

/// One implementation of a swap point.
pub struct Part<T: ?Sized + 'static> {
    /// What a person calls it.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Makes one for a new connection.
    pub make: fn(&Config) -> Box<T>,
}

impl<T: ?Sized> fmt::Debug for Part<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The one of `parts` with this name.
///
/// ```
/// use tcp::{CONGESTION_CONTROLS, find};
/// assert!(find(CONGESTION_CONTROLS, "newreno").is_some());
/// assert!(find(CONGESTION_CONTROLS, "oldreno").is_none());
/// ```
pub fn find<T: ?Sized>(parts: &'static [Part<T>], name: &str) -> Option<&'static Part<T>> {
    parts.iter().find(|part| part.name == name)
}
