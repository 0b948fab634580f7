//! A thread that waits for a socket reads the devices itself.
//!
//! Were it always the event loop that reads them, each packet that a thread waits for would cost
//! two switches between threads: to the loop, and from there to the thread. So a thread that has
//! to wait *leads*: the loop watches the devices no longer, the thread does, and what comes in is
//! handled on it, whomever it is for. When that makes its own socket ready, it gives the devices
//! back and returns to its program. A thread that has to wait while another leads takes over: it
//! is the one that has just done something, and is likely to be answered first.
//!
//! That pays where packets are few, and each is waited for. Where they come and go without end, the
//! thread would give the devices back and take them again for each batch; the loop, which has
//! nothing else to do, takes in the next one while the thread works. So nobody leads whose wait
//! was preceded by much traffic.
//!
//! The loop keeps the timers, and everything else. Nothing depends on who leads, or on whether
//! anybody does: whoever reads a device does so under the lock, and both may.

use std::cell::OnceCell;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use ip::IfIndex;
use netdev::Stats;

use crate::bell::Bell;
use crate::core::{Phase, Wait};
use crate::locked::Locked;
use crate::sys::{self, Signal, Woken};

/// After so many wake-ups in a row by a device from which nothing comes, the loop may find out
/// what is wrong with it.
const FRUITLESS_LIMIT: u32 = 16;

/// A thread does not lead where more than this crossed the devices since a thread waited last, in
/// packets of [`FULL`] bytes. A connection that is opened, asked for one answer, and closed takes
/// about ten, in three waits; a request and its answer, three.
const FLOW: u64 = 4;
/// What a packet on Ethernet carries, in bytes.
const FULL: u64 = 1500;

thread_local! {
    /// What wakes this thread while it leads. Only the thread itself clears it.
    static SIGNAL: OnceCell<Arc<Signal>> = const { OnceCell::new() };
}

/// The thread that reads the devices instead of the event loop.
#[derive(Debug)]
pub(crate) struct Leader {
    signal: Arc<Signal>,
    watched: Vec<(IfIndex, RawFd)>,
}

/// How leading ended.
enum Outcome {
    /// The bell was rung.
    Rung,
    /// The time is over.
    TimedOut,
    /// Another thread leads, or none can; there is still something to wait for.
    Deposed,
}

impl Locked<'_> {
    /// Waits until `bell` is rung, and reads the devices meanwhile if they can be read by any
    /// thread; `false` where the time is over first.
    pub(crate) fn wait_for(&mut self, bell: &Arc<Bell>, wait: Wait) -> bool {
        if wait == Wait::Never {
            return false;
        }
        let count = bell.count();
        if let Some(signal) = self.take_lead(bell) {
            let outcome = self.lead(bell, count, &signal, wait);
            bell.led_no_longer(&signal);
            match outcome {
                Outcome::Rung => return true,
                Outcome::TimedOut => return false,
                Outcome::Deposed => {}
            }
        }
        self.sleep_on(bell, count, wait)
    }

    /// Takes the devices from the loop, or from the thread that leads so far.
    fn take_lead(&mut self, bell: &Bell) -> Option<Arc<Signal>> {
        let loop_watch = self.core().loop_watch.get()?;
        let crossed = self.crossed();
        let before = std::mem::replace(&mut self.last_crossed, crossed);
        // An interface may have gone, and its part with it.
        if crossed.abs_diff(before) > FLOW {
            return None;
        }
        let watched = self.watchable()?;
        let signal = SIGNAL.with(|signal| match signal.get() {
            Some(made) => Some(Arc::clone(made)),
            None => {
                let new = Arc::new(Signal::new().ok()?);
                Some(Arc::clone(signal.get_or_init(|| new)))
            }
        })?;
        bell.led_by(&signal);
        let leader = Leader { signal: Arc::clone(&signal), watched };
        match self.leader.replace(leader) {
            Some(before) => before.signal.raise(),
            None => {
                for (index, fd) in &self.leader.as_ref().expect("set").watched {
                    loop_watch.pause(*fd, u64::from(index.0));
                }
            }
        }
        Some(signal)
    }

    /// What has crossed the devices so far, in packets, of which a large one counts as several.
    fn crossed(&self) -> u64 {
        let count = |stats: Stats| {
            let packets = stats.rx_packets + stats.tx_packets;
            packets + (stats.rx_bytes + stats.tx_bytes) / FULL
        };
        self.stack.traffic().map(count).sum()
    }

    /// The descriptors of the devices; `None` where there is none, or where more is to be waited
    /// for than that one of them can be read.
    fn watchable(&self) -> Option<Vec<(IfIndex, RawFd)>> {
        let watched: Option<Vec<_>> = (self.stack.interests())
            .map(|(index, (fd, write))| (!write).then_some((index, fd)))
            .collect();
        watched.filter(|watched| !watched.is_empty() && self.phase == Phase::Running)
    }

    fn lead(&mut self, bell: &Arc<Bell>, count: u64, me: &Arc<Signal>, wait: Wait) -> Outcome {
        let fds: Vec<RawFd> = match &self.leader {
            Some(leader) => leader.watched.iter().map(|(_, fd)| *fd).collect(),
            None => return Outcome::Deposed,
        };
        let busy = self.core().busy_poll();
        let mut spin_until = Clock::now() + busy;
        let mut fruitless = 0;
        loop {
            let spins = !busy.is_zero() && Clock::now() < spin_until;
            self.release();
            let woken = if spins {
                // Others may want the processor.
                std::thread::yield_now();
                Woken { device: true, ..Woken::default() }
            } else {
                sys::wait_readable(&fds, me, wait.left())
            };
            if woken.signal {
                me.clear();
            }
            self.acquire();
            if bell.count() != count {
                return self.step_down(me, Outcome::Rung);
            }
            if !self.is_led_by(me) {
                return Outcome::Deposed;
            }
            if woken.device {
                match self.take_in(bell) {
                    None => return self.step_down(me, Outcome::Rung),
                    Some(0) if !spins => fruitless += 1,
                    Some(0) => {}
                    Some(_) => {
                        fruitless = 0;
                        spin_until = Clock::now() + busy;
                    }
                }
            }
            let changed = self.watchable() != self.leader.as_ref().map(|now| now.watched.clone());
            if changed || woken.broken || fruitless == FRUITLESS_LIMIT {
                return self.step_down(me, Outcome::Deposed);
            }
            if wait.left() == Some(Duration::ZERO) {
                return self.step_down(me, Outcome::TimedOut);
            }
        }
    }

    fn is_led_by(&self, signal: &Arc<Signal>) -> bool {
        self.leader.as_ref().is_some_and(|now| Arc::ptr_eq(&now.signal, signal))
    }

    /// Handles a batch of what the devices have: how many packets, or `None` where this thread's
    /// own bell is to be rung. What is left keeps the descriptors ready; between two batches others
    /// have their turn, and those who got something are woken.
    fn take_in(&mut self, bell: &Arc<Bell>) -> Option<usize> {
        let now = self.core().now();
        let polled = catch_unwind(AssertUnwindSafe(|| self.stack.poll(now)));
        let Ok(progress) = polled else {
            // As where it happens on the loop: the stack ends, not the program. It has been told
            // on standard error.
            self.phase = Phase::Stopped;
            self.wake_all();
            self.core().signal.raise();
            return None;
        };
        self.note_changes();
        if self.waiters.woken.has(bell) { None } else { Some(progress.received) }
    }

    /// Gives the devices back to the loop, unless another thread has taken them.
    fn step_down(&mut self, me: &Arc<Signal>, outcome: Outcome) -> Outcome {
        if self.is_led_by(me)
            && let Some(leader) = self.leader.take()
            && let Some(loop_watch) = self.core().loop_watch.get()
        {
            for (index, fd) in leader.watched {
                loop_watch.resume(fd, u64::from(index.0));
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests;
