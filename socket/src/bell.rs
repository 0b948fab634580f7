//! What a waiting thread sleeps on.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant as Clock;

/// Rung for everybody who waits for it. A ring between [`Bell::count`] and [`Bell::wait`] is not
/// lost, so the one can be done under the stack's lock and the other without it: a thread that
/// slept on the lock's own condition variable would have to get the lock before anybody new, and
/// the event loop under load never leaves it free for long enough.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rings: Mutex<u64>,
    condvar: Condvar,
}

impl Bell {
    /// How often it was rung so far.
    pub(crate) fn count(&self) -> u64 {
        *self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ring(&self) {
        *self.rings.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.condvar.notify_all();
    }

    /// Sleeps until it has been rung more often than `count` times, or until `deadline` (`None`:
    /// for ever), and says whether it was rung.
    pub(crate) fn wait(&self, count: u64, deadline: Option<Clock>) -> bool {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        while *rings == count {
            rings = match deadline {
                None => self.condvar.wait(rings).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Clock::now());
                    if left.is_zero() {
                        return false;
                    }
                    let waited = self.condvar.wait_timeout(rings, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_ring_before_the_wait_is_not_lost() {
        let bell = Bell::default();
        let count = bell.count();
        bell.ring();
        assert!(bell.wait(count, None));
        let count = bell.count();
        assert!(!bell.wait(count, Some(Clock::now() + Duration::from_millis(1))));
    }
}
