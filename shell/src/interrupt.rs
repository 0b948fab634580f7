//! ^C, and the order to end: a flag that running commands watch and are woken by.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Asks whatever runs under it to end soon. Clones are the same flag.
///
/// The shell has one that ^C raises; it is lowered before each line. Every job has its own, that
/// `kill` raises. Whoever waits does so in [`Interrupt::wait`] or [`Interrupt::sleep`]; whoever
/// waits elsewhere registers with [`Interrupt::on_raise`] what wakes it there.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    raised: bool,
    terminated: bool,
    next_hook: u64,
    hooks: Vec<(u64, Arc<dyn Fn() + Send + Sync>)>,
}

impl Interrupt {
    /// A flag that is down.
    pub fn new() -> Interrupt {
        Interrupt::default()
    }

    /// ^C: what runs is to end, what comes after may run.
    pub fn raise(&self) {
        self.signal(false);
    }

    /// SIGTERM: everything is to end, in order. Cannot be taken back.
    pub fn terminate(&self) {
        self.signal(true);
    }

    fn signal(&self, terminate: bool) {
        let hooks = {
            let mut state = self.lock();
            state.raised = true;
            state.terminated |= terminate;
            state.hooks.clone()
        };
        self.0.changed.notify_all();
        // Outside of the lock: a hook may well ask whether the flag is up.
        for (_, hook) in hooks {
            hook();
        }
    }

    /// Takes ^C back, before the next command. [`Interrupt::terminate`] stays in force.
    pub fn lower(&self) {
        let mut state = self.lock();
        state.raised = state.terminated;
    }

    /// Whether what runs is to end.
    pub fn is_raised(&self) -> bool {
        self.lock().raised
    }

    /// Whether everything is to end.
    pub fn is_terminated(&self) -> bool {
        self.lock().terminated
    }

    /// Waits until the flag is up.
    pub fn wait(&self) {
        let mut state = self.lock();
        while !state.raised {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for `time`, or until the flag is up; says whether it is.
    pub fn sleep(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.lock();
        while !state.raised {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return false };
            (state, _) =
                self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Calls `wake`, from whatever thread raises the flag, each time that happens while the
    /// [`Hook`] lives; at once where the flag is up already.
    #[must_use = "dropping the hook takes it away"]
    pub fn on_raise(&self, wake: impl Fn() + Send + Sync + 'static) -> Hook {
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(wake);
        let (id, raised) = {
            let mut state = self.lock();
            let id = state.next_hook;
            state.next_hook += 1;
            state.hooks.push((id, wake.clone()));
            (id, state.raised)
        };
        if raised {
            wake();
        }
        Hook { of: Arc::downgrade(&self.0), id }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Interrupt")
            .field("raised", &state.raised)
            .field("terminated", &state.terminated)
            .finish_non_exhaustive()
    }
}

/// Keeps what [`Interrupt::on_raise`] registered.
pub struct Hook {
    of: Weak<Inner>,
    id: u64,
}

impl Drop for Hook {
    fn drop(&mut self) {
        if let Some(inner) = self.of.upgrade() {
            let mut state = inner.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.hooks.retain(|(id, _)| *id != self.id);
        }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn whoever_sleeps_is_woken_and_termination_stays() {
        let interrupt = Interrupt::new();
        assert!(!interrupt.sleep(Duration::from_millis(1)));
        let sleeper = {
            let interrupt = interrupt.clone();
            std::thread::spawn(move || interrupt.sleep(Duration::from_secs(60)))
        };
        interrupt.raise();
        assert!(sleeper.join().unwrap());
        interrupt.lower();
        assert!(!interrupt.is_raised());
        interrupt.terminate();
        interrupt.lower();
        assert!(interrupt.is_raised() && interrupt.is_terminated());
        interrupt.wait();
    }

    #[test]
    fn hooks_run_while_they_live_and_at_once_where_it_is_too_late() {
        let interrupt = Interrupt::new();
        let calls = Arc::new(AtomicU32::new(0));
        let count = || {
            let calls = calls.clone();
            move || {
                calls.fetch_add(1, Ordering::SeqCst);
            }
        };
        let hook = interrupt.on_raise(count());
        interrupt.raise();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        let late = interrupt.on_raise(count());
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        drop((hook, late));
        interrupt.raise();
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}
