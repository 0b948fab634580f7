//! A thread that uses a socket reads the devices itself.
//!
//! Were it always the event loop that reads them, each packet that a thread waits for would cost
//! two switches between threads: to the loop, and from there to the thread; and a thread that
//! sends as fast as it can would meet the loop at the lock for each acknowledgment. So a thread
//! that waits *leads*: the loop watches the devices no longer, the thread does, and what comes in
//! is handled on it, whomever it is for. When that makes its own socket ready, it returns to its
//! program.
//!
//! It is *away* then. A thread whose calls have followed each other without delay is trusted to
//! go on like that, and keeps the devices: nobody else needs to wake for what comes meanwhile,
//! since its next call takes that in as well, whatever the call is for. The loop looks after it
//! ([`ABSENCE`]), and takes the devices if it stays away; then it has to earn its trust anew, with
//! twice as many calls. One that is not trusted gives the devices back at once.
//!
//! A thread that has to wait while another leads takes over, unless that one has just been served:
//! then it is more likely to be served next than the one that came.
//!
//! Many threads that move much keep each other waiting, and the leader or the loop among them. So
//! whoever has the stack then asks the devices for all ([`ASK_FOR_ALL`]).
//!
//! The loop keeps the timers, and everything else. Nothing depends on who leads, or on whether
//! anybody does: whoever reads a device does so under the lock, and both may.

use std::cell::{Cell, OnceCell};
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant as Clock};

use ip::IfIndex;
use netdev::Instant;

use crate::bell::Bell;
use crate::core::{Phase, Wait};
use crate::locked::Locked;
use crate::sys::{self, Remote, Signal, Woken};

/// How long a thread may be away with the devices: the longest that what is for others may lie
/// there unseen, but for the time that the loop takes to find out.
const ABSENCE: Duration = Duration::from_micros(1000);
/// How often at most a thread that leads asks the devices without having to wait for them.
const ASK: Duration = Duration::from_micros(20);
/// How long the devices are left alone at most while threads wait in line for the stack.
const ASK_FOR_ALL: Duration = Duration::from_micros(100);
/// So many calls of a thread have to follow each other before it is trusted.
const TRUST: u32 = 8;
/// So many where it has disappointed often.
const LEAST_TRUST: u32 = 1 << 16;
/// For how long a thread that was served is taken to be served again.
const FRESH: Duration = Duration::from_millis(1);
/// After so many wake-ups in a row by a device from which nothing comes, the loop may find out
/// what is wrong with it.
const FRUITLESS_LIMIT: u32 = 16;

thread_local! {
    static HABIT: Habit = const { Habit::new() };
}

/// What a thread keeps about itself.
struct Habit {
    /// What wakes it while it leads. Only the thread itself clears it.
    signal: OnceCell<Arc<Signal>>,
    /// When it was last in a call.
    seen: Cell<Instant>,
    /// When it was served last, as the leader.
    served: Cell<Instant>,
    /// How many calls followed each other without delay.
    calls: Cell<u32>,
    /// How many it takes for trust.
    needed: Cell<u32>,
}

impl Habit {
    const fn new() -> Habit {
        Habit {
            signal: OnceCell::new(),
            seen: Cell::new(Instant::ZERO),
            served: Cell::new(Instant::ZERO),
            calls: Cell::new(0),
            needed: Cell::new(TRUST),
        }
    }

    fn signal(&self) -> Option<Arc<Signal>> {
        if self.signal.get().is_none() {
            let _ = self.signal.set(Arc::new(Signal::new().ok()?));
        }
        self.signal.get().cloned()
    }

    /// A call begins.
    fn calls(&self, now: Instant) {
        if now.since(self.seen.replace(now)) < ABSENCE {
            self.calls.set(self.calls.get().saturating_add(1));
            return;
        }
        if self.is_trusted() {
            self.needed.set(self.needed.get().saturating_mul(2).min(LEAST_TRUST));
        }
        self.calls.set(0);
    }

    fn is_trusted(&self) -> bool {
        self.calls.get() >= self.needed.get()
    }
}

/// The thread that reads the devices instead of the event loop.
#[derive(Debug)]
pub(crate) struct Leader {
    signal: Arc<Signal>,
    watched: Vec<(IfIndex, RawFd)>,
    /// Whether it is away, or waits for the devices.
    away: bool,
    /// When it was served last.
    served: Instant,
}

/// Since when the leader is away. The loop looks at it without the lock, which the leader has more
/// often than not.
#[derive(Debug)]
pub(crate) struct Absence {
    /// In nanoseconds of the stack's time.
    since: AtomicU64,
    /// Whether the loop is going to look.
    alarm: AtomicBool,
}

impl Absence {
    const NONE: u64 = u64::MAX;

    pub(crate) const fn new() -> Absence {
        Absence { since: AtomicU64::new(Absence::NONE), alarm: AtomicBool::new(false) }
    }

    fn begins(&self, now: Instant, loop_watch: Option<&Remote>) {
        self.since.store(now.nanos(), SeqCst);
        self.set_alarm(loop_watch);
    }

    fn ends(&self) {
        self.since.store(Absence::NONE, SeqCst);
    }

    fn set_alarm(&self, loop_watch: Option<&Remote>) {
        if let Some(loop_watch) = loop_watch
            && !self.alarm.swap(true, SeqCst)
        {
            loop_watch.wake_after(ABSENCE);
        }
    }

    /// The alarm has woken the loop: whether it is to see to it that the leader is replaced. If
    /// not, it is woken again where somebody is away.
    pub(crate) fn is_over(&self, now: Instant, loop_watch: Option<&Remote>) -> bool {
        if let Some(loop_watch) = loop_watch {
            loop_watch.clear_alarm();
        }
        // Before the look at the time: who goes away now sets it again.
        self.alarm.store(false, SeqCst);
        if self.is_long(now) {
            return true;
        }
        if self.since.load(SeqCst) != Absence::NONE {
            self.set_alarm(loop_watch);
        }
        false
    }

    fn is_long(&self, now: Instant) -> bool {
        let since = self.since.load(SeqCst);
        since != Absence::NONE && now.since(Instant::from_nanos(since)) >= ABSENCE
    }
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
        let mut in_time = None;
        if let Some(signal) = self.take_lead(bell) {
            let outcome = self.lead(bell, count, &signal, wait);
            bell.led_no_longer(&signal);
            in_time = match outcome {
                Outcome::Rung => Some(true),
                Outcome::TimedOut => Some(false),
                Outcome::Deposed => None,
            };
        }
        let in_time = in_time.unwrap_or_else(|| self.sleep_on(bell, count, wait));
        // To wait is not to be away.
        HABIT.with(|habit| habit.seen.set(self.core().now()));
        in_time
    }

    /// A call of this thread begins.
    pub(crate) fn call_begins(&self, now: Instant) {
        HABIT.with(|habit| habit.calls(now));
    }

    /// A call of this thread has done what it was for.
    pub(crate) fn call_ends(&mut self, now: Instant) {
        if self.core().is_waited_for() && now.since(self.asked) >= ASK_FOR_ALL {
            self.take_in();
        }
        let known = HABIT.with(|habit| {
            let trusted = habit.is_trusted();
            // Who has none has never led, and will not before it is trusted.
            let signal = if trusted { habit.signal() } else { habit.signal.get().cloned() };
            signal.map(|signal| (signal, trusted))
        });
        let Some((signal, trusted)) = known else { return };
        match &self.leader {
            Some(leader) if Arc::ptr_eq(&leader.signal, &signal) => {
                if !trusted {
                    return self.give_back();
                }
                if now.since(self.asked) >= ASK {
                    self.take_in();
                }
                self.is_away(now);
            }
            None if trusted => {
                let Some(watched) = self.watchable() else { return };
                self.appoint(Leader { signal, watched, away: true, served: now });
                self.is_away(now);
            }
            _ => {}
        }
    }

    /// Takes the devices from the loop, or from the thread that leads so far.
    fn take_lead(&mut self, bell: &Bell) -> Option<Arc<Signal>> {
        let now = self.core().now();
        let (signal, served) = HABIT.with(|habit| Some((habit.signal()?, habit.served.get())))?;
        if let Some(Leader { away: false, served, .. }) = &self.leader
            && now.since(*served) < FRESH
        {
            return None;
        }
        let watched = self.watchable()?;
        bell.led_by(&signal);
        self.appoint(Leader { signal: Arc::clone(&signal), watched, away: false, served });
        self.core().absence.ends();
        Some(signal)
    }

    fn appoint(&mut self, leader: Leader) {
        match self.leader.take() {
            Some(before) if !before.away => before.signal.raise(),
            Some(_) => {}
            None => {
                if let Some(loop_watch) = self.core().loop_watch.get() {
                    for (index, fd) in &leader.watched {
                        loop_watch.pause(*fd, u64::from(index.0));
                    }
                }
            }
        }
        self.leader = Some(leader);
    }

    /// The descriptors of the devices; `None` where there is none, or where more is to be waited
    /// for than that one of them can be read.
    fn watchable(&self) -> Option<Vec<(IfIndex, RawFd)>> {
        self.core().loop_watch.get()?;
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
                return self.go_away(me);
            }
            if !self.is_led_by(me) {
                return Outcome::Deposed;
            }
            if woken.device {
                let received = self.take_in();
                if self.waiters.woken.has(bell) {
                    return self.go_away(me);
                }
                if received > 0 {
                    fruitless = 0;
                    spin_until = Clock::now() + busy;
                } else if !spins {
                    fruitless += 1;
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

    /// Handles a batch of what the devices have, and says how many packets that were. What is left
    /// keeps the descriptors ready; between two batches others have their turn, and those who got
    /// something are woken.
    fn take_in(&mut self) -> usize {
        let now = self.core().now();
        self.asked = now;
        let polled = catch_unwind(AssertUnwindSafe(|| self.stack.poll(now)));
        let Ok(progress) = polled else {
            // As where it happens on the loop: the stack ends, not the program. It has been told
            // on standard error.
            self.phase = Phase::Stopped;
            self.wake_all();
            self.core().signal.raise();
            return 0;
        };
        self.note_changes();
        progress.received
    }

    /// This thread has what it waited for.
    fn go_away(&mut self, me: &Arc<Signal>) -> Outcome {
        let now = self.core().now();
        let trusted = HABIT.with(|habit| {
            habit.served.set(now);
            habit.is_trusted()
        });
        if !trusted || self.phase != Phase::Running {
            return self.step_down(me, Outcome::Rung);
        }
        if self.is_led_by(me) {
            self.is_away(now);
        }
        Outcome::Rung
    }

    /// The leader returns to its program.
    fn is_away(&mut self, now: Instant) {
        if let Some(leader) = &mut self.leader {
            leader.away = true;
            self.core().absence.begins(now, self.core().loop_watch.get());
        }
    }

    /// The leader has been away for long, as it seemed without the lock: then the devices are the
    /// loop's again. Says whether they are.
    pub(crate) fn replace_absent(&mut self) -> bool {
        let late = self.core().absence.is_long(self.core().now());
        if late {
            self.give_back();
        }
        late
    }

    /// Gives the devices back to the loop, unless another thread has taken them.
    fn step_down(&mut self, me: &Arc<Signal>, outcome: Outcome) -> Outcome {
        if self.is_led_by(me) {
            self.give_back();
        }
        outcome
    }

    fn give_back(&mut self) {
        self.core().absence.ends();
        if let Some(leader) = self.leader.take()
            && let Some(loop_watch) = self.core().loop_watch.get()
        {
            for (index, fd) in leader.watched {
                loop_watch.resume(fd, u64::from(index.0));
            }
        }
    }
}

#[cfg(test)]
mod tests;
