//! What time it is for a running stack.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use netdev::Instant;

/// The system's monotonic clock, in the stack's time: it goes on from where the stack was, and
/// never goes back.
///
/// The system promises the latter as well, but for faults of the machine (a virtual machine that
/// was moved, processors whose counters disagree). Were it believed then, every timer would wait
/// until the old time has come again. So time that goes back stands still for one reading, and
/// goes on from there. A jump forward is taken as it is: what was due meanwhile is due now.
#[derive(Debug)]
pub(crate) struct StackClock {
    source: Source,
    /// The latest time that anybody was told, in nanoseconds.
    told: AtomicU64,
    /// What is to be added to the source's time, in nanoseconds; it may be less than nothing, and
    /// wraps then.
    offset: AtomicU64,
    /// Whoever changes `offset` holds this.
    mending: Mutex<()>,
}

impl StackClock {
    /// A clock that shows `start` now.
    pub(crate) fn new(start: Instant) -> StackClock {
        StackClock::on(Source::new(), start)
    }

    pub(crate) fn on(source: Source, start: Instant) -> StackClock {
        let offset = start.nanos().wrapping_sub(source.nanos());
        StackClock {
            source,
            told: AtomicU64::new(start.nanos()),
            offset: AtomicU64::new(offset),
            mending: Mutex::new(()),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        // What was told is loaded before the source is read: only a source that goes back can be
        // behind it, not one that another thread has read in between.
        let told = self.told.load(Ordering::Acquire);
        let mut at = self.read();
        if is_before(at, told) {
            at = self.mend();
        }
        Instant::from_nanos(self.told.fetch_max(at, Ordering::AcqRel).max(at))
    }

    /// Makes the source's time, which has gone back, go on from the latest that was told.
    #[cold]
    fn mend(&self) -> u64 {
        let _one_at_a_time = self.mending.lock().unwrap_or_else(PoisonError::into_inner);
        let told = self.told.load(Ordering::Acquire);
        let at = self.read();
        if !is_before(at, told) {
            return at;
        }
        let back = told.wrapping_sub(at);
        tracing::warn!(back = ?Duration::from_nanos(back), "the system's clock went back");
        self.offset.fetch_add(back, Ordering::AcqRel);
        told
    }

    fn read(&self) -> u64 {
        self.source.nanos().wrapping_add(self.offset.load(Ordering::Acquire))
    }
}

/// Also where a source that went back has wrapped.
fn is_before(at: u64, told: u64) -> bool {
    at.wrapping_sub(told).cast_signed() < 0
}

/// Where the time comes from.
#[derive(Debug)]
pub(crate) struct Source {
    start: std::time::Instant,
    /// What a test adds to it.
    #[cfg(test)]
    pub(crate) skew: std::sync::Arc<AtomicU64>,
}

impl Source {
    pub(crate) fn new() -> Source {
        Source {
            start: std::time::Instant::now(),
            #[cfg(test)]
            skew: Default::default(),
        }
    }

    fn nanos(&self) -> u64 {
        let nanos = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        #[cfg(test)]
        let nanos = nanos.wrapping_add(self.skew.load(Ordering::SeqCst));
        nanos
    }
}

#[cfg(test)]
mod tests;
