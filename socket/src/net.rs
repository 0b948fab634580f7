//! A running stack.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant as Clock};

use netdev::Instant;

use crate::core::{Core, Phase, after};
use crate::stack_clock::StackClock;
use crate::{Stack, event_loop};

/// How long the drop of the last handle waits for connections to end.
const DROP_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a shutdown waits for peers that only have to send a FIN of their own: all of ours has
/// arrived, and they may take for ever.
const PEER_FIN: Duration = Duration::from_millis(200);

/// A handle of a running stack: sockets are made with it, and it may be cloned freely.
///
/// One thread, the event loop, drives the stack; the threads of the program call it under the
/// same lock, and what they send goes out on their own time. When the last handle is dropped the
/// stack ends, even if sockets are still there: their calls then fail with
/// [`NetworkDown`](io::ErrorKind::NetworkDown).
#[derive(Clone, Debug)]
pub struct Net {
    owner: Arc<Owner>,
}

#[derive(Debug)]
struct Owner {
    core: Arc<Core>,
    event_loop: Mutex<Option<JoinHandle<()>>>,
}

impl Net {
    /// Starts the event loop of a stack. Time goes on from the latest that the stack has seen.
    ///
    /// # Errors
    /// Where the system gives no thread or no descriptor for it.
    pub fn start(stack: Stack) -> io::Result<Net> {
        let clock = StackClock::new(stack.seen);
        Net::start_on(stack, clock)
    }

    pub(crate) fn start_on(stack: Stack, clock: StackClock) -> io::Result<Net> {
        let core = Arc::new(Core::new(stack, clock)?);
        let thread = event_loop::start(Arc::clone(&core))?;
        Ok(Net { owner: Arc::new(Owner { core, event_loop: Mutex::new(Some(thread)) }) })
    }

    /// Calls the stack, at the time that it is: to look at it, or to configure it. The event loop
    /// and every socket wait meanwhile, so `call` must not take long.
    ///
    /// # Panics
    /// Where `call` uses or drops a socket of this stack, which would wait for itself for ever.
    pub fn with<T>(&self, call: impl FnOnce(&mut Stack, Instant) -> T) -> T {
        self.core().with(call)
    }

    /// Waits until `look` sees in the stack what it looks for, `timeout` at most. It is called
    /// again whenever anything has happened.
    pub fn wait_until<T>(
        &self,
        timeout: Duration,
        mut look: impl FnMut(&Stack, Instant) -> Option<T>,
    ) -> Option<T> {
        let deadline = after(timeout);
        let mut locked = self.core().lock();
        while locked.phase == Phase::Running {
            if let Some(seen) = look(&locked.stack, self.core().now()) {
                return Some(seen);
            }
            if !locked.wait_turn(deadline) {
                return None;
            }
        }
        None
    }

    /// How long a thread that waits for a socket asks the devices again and again before it sleeps:
    /// it answers sooner, and takes a processor meanwhile. Zero, as at first: not at all.
    pub fn set_busy_poll(&self, busy: Duration) {
        self.core().set_busy_poll(busy);
    }

    /// Now, in the stack's time.
    pub fn now(&self) -> Instant {
        self.core().now()
    }

    /// Whether the stack runs: until [`Net::shutdown`] was called.
    pub fn is_running(&self) -> bool {
        self.core().lock().phase == Phase::Running
    }

    /// Ends the stack in order: closes every socket, sends what is to be sent and the FINs that
    /// are due, and waits for their acknowledgments, `timeout` at most; then the event loop ends.
    /// TIME-WAIT is not waited for. Calls on sockets that wait meanwhile, or come later, fail
    /// with [`NetworkDown`](io::ErrorKind::NetworkDown). Gives whether every connection ended in
    /// time.
    pub fn shutdown(&self, timeout: Duration) -> bool {
        self.owner.shutdown(timeout)
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.owner.core
    }
}

impl Owner {
    fn shutdown(&self, timeout: Duration) -> bool {
        let start = Clock::now();
        let deadline = after(timeout);
        let mut locked = self.core.lock();
        if locked.phase == Phase::Running {
            locked.phase = Phase::Draining;
            let now = self.core.now();
            locked.stack.close_all(now);
            locked.wake_all();
        }
        let mut drained;
        loop {
            drained = locked.stack.drained(self.core.now(), start.elapsed() > PEER_FIN);
            if drained || locked.phase == Phase::Stopped {
                break;
            }
            let step = if start.elapsed() > PEER_FIN { deadline } else { start + PEER_FIN };
            let in_time = locked.wait_turn(step.min(deadline));
            if !in_time && Clock::now() >= deadline {
                break;
            }
        }
        locked.phase = Phase::Stopped;
        locked.wake_all();
        drop(locked);
        self.core.signal.raise();
        let thread = self.event_loop.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The loop itself can hold the last handle, in a waker; it ends by itself then.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
        drained
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shutdown(DROP_TIMEOUT);
        // Sockets may be there still, and hold the rest; but a TAP is free for the next.
        self.core.lock().stack.interfaces.clear();
    }
}

#[cfg(test)]
mod tests;
