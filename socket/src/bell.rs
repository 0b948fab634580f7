//! What a waiting thread sleeps on.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant as Clock;

use crate::sys::Signal;

/// Rung for everybody who waits for it. A ring between [`Bell::count`] and [`Bell::wait`] is not
/// lost, so the one can be done under the stack's lock and the other without it: a thread that
/// slept on the lock's own condition variable would have to get the lock before anybody new, and
/// the event loop under load never leaves it free for long enough.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    state: Mutex<State>,
    condvar: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rings: u64,
    /// Threads that sleep.
    asleep: usize,
    /// Wakes the thread that leads while it waits for this bell (see `lead`).
    leader: Option<Arc<Signal>>,
}

impl Bell {
    /// How often it was rung so far.
    pub(crate) fn count(&self) -> u64 {
        self.state().rings
    }

    pub(crate) fn ring(&self) {
        let mut state = self.state();
        state.rings += 1;
        let leader = state.leader.clone();
        let asleep = state.asleep;
        // Who is woken wants the lock first of all.
        drop(state);
        if let Some(leader) = leader {
            leader.raise();
        }
        // That is a system call, whether anybody hears it or not.
        if asleep > 0 {
            self.condvar.notify_all();
        }
    }

    /// Whoever waits for this bell waits for `signal` as well.
    pub(crate) fn led_by(&self, signal: &Arc<Signal>) {
        self.state().leader = Some(Arc::clone(signal));
    }

    /// Undoes [`Bell::led_by`].
    pub(crate) fn led_no_longer(&self, signal: &Arc<Signal>) {
        self.state().leader.take_if(|leader| Arc::ptr_eq(leader, signal));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until it has been rung more often than `count` times, or until `deadline` (`None`:
    /// for ever), and says whether it was rung.
    pub(crate) fn wait(&self, count: u64, deadline: Option<Clock>) -> bool {
        let mut state = self.state();
        state.asleep += 1;
        while state.rings == count {
            state = match deadline {
                None => self.condvar.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Clock::now());
                    if left.is_zero() {
                        break;
                    }
                    let waited = self.condvar.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.asleep -= 1;
        state.rings != count
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
