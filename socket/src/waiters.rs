//! Who waits for which socket.
//!
//! Readiness is data that the transports keep. Everything here is under the one lock of the stack:
//! a waiter looks at the readiness and joins the list without letting go of it, and whoever
//! changes the readiness does so under it as well. Therefore no wake-up can be lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;

use ip::{Handle, Readiness};

use crate::bell::Bell;

/// A socket of any transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Of TCP.
    Tcp(Handle),
    /// Of UDP.
    Udp(Handle),
    /// A raw one.
    Raw(Handle),
}

/// The number of a [`Poller`](crate::Poller).
pub(crate) type PollerId = u64;

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// That it can receive or accept.
    Read,
    /// That it can send.
    Write,
    /// Any change.
    Any,
}

impl Want {
    /// Whether it is worth a try. One who sends and one who receives with the same socket would
    /// else wake each other for nothing, again and again.
    fn is_met_by(self, ready: Readiness) -> bool {
        let write = Readiness::WRITABLE | Readiness::WRITE_CLOSED;
        match self {
            Want::Read => ready.intersects(!write),
            Want::Write => ready.intersects(write | Readiness::ERROR),
            Want::Any => true,
        }
    }
}

/// All that wait for one socket.
#[derive(Debug, Default)]
struct Entry {
    threads: Vec<Threads>,
    wakers: Vec<Waker>,
    pollers: Vec<PollerId>,
}

/// Those that want the same.
#[derive(Debug)]
struct Threads {
    want: Want,
    bell: Arc<Bell>,
    /// How many there are: while there is none, the bell is kept for the next.
    blocked: usize,
}

impl Entry {
    fn is_empty(&self) -> bool {
        self.blocked() == 0 && self.wakers.is_empty() && self.pollers.is_empty()
    }

    fn blocked(&self) -> usize {
        self.threads.iter().map(|threads| threads.blocked).sum()
    }

    fn threads(&mut self, want: Want) -> &mut Threads {
        let at = self.threads.iter().position(|threads| threads.want == want);
        let at = at.unwrap_or_else(|| {
            self.threads.push(Threads { want, bell: Arc::default(), blocked: 0 });
            self.threads.len() - 1
        });
        &mut self.threads[at]
    }
}

/// All that wait for any socket.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    entries: HashMap<Key, Entry>,
    /// Woken as soon as the lock is released: not before, or they would only run into it.
    pub(crate) woken: Woken,
}

/// Who is to be woken.
#[derive(Debug, Default)]
pub(crate) struct Woken {
    bells: Vec<Arc<Bell>>,
    wakers: Vec<Waker>,
}

impl Woken {
    /// Wakes them. A waker runs foreign code: not under the lock.
    pub(crate) fn wake(self) {
        for bell in self.bells {
            bell.ring();
        }
        for waker in self.wakers {
            waker.wake();
        }
    }

    pub(crate) fn add(&mut self, bell: &Arc<Bell>) {
        self.bells.push(Arc::clone(bell));
    }

    /// Whether `bell` is to be rung.
    pub(crate) fn has(&self, bell: &Arc<Bell>) -> bool {
        self.bells.iter().any(|other| Arc::ptr_eq(other, bell))
    }
}

impl Waiters {
    /// A thread is about to wait on what this gives. [`Waiters::unblock`] follows.
    pub(crate) fn block(&mut self, key: Key, want: Want) -> Arc<Bell> {
        let threads = self.entries.entry(key).or_default().threads(want);
        threads.blocked += 1;
        Arc::clone(&threads.bell)
    }

    /// It waits no longer.
    pub(crate) fn unblock(&mut self, key: Key, want: Want) {
        if let Some(entry) = self.entries.get_mut(&key) {
            let threads = entry.threads(want);
            threads.blocked = threads.blocked.saturating_sub(1);
            self.tidy(key);
        }
    }

    /// A task waits until its waker is called, once.
    pub(crate) fn add_waker(&mut self, key: Key, waker: &Waker) {
        let entry = self.entries.entry(key).or_default();
        if !entry.wakers.iter().any(|w| w.will_wake(waker)) {
            entry.wakers.push(waker.clone());
        }
    }

    pub(crate) fn add_poller(&mut self, key: Key, poller: PollerId) {
        self.entries.entry(key).or_default().pollers.push(poller);
    }

    pub(crate) fn remove_poller(&mut self, key: Key, poller: PollerId) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.pollers.retain(|p| *p != poller);
            self.tidy(key);
        }
    }

    /// Whether anybody waits for the socket.
    pub(crate) fn is_awaited(&self, key: Key) -> bool {
        self.entries.contains_key(&key)
    }

    /// The socket's readiness changed, and is `ready` now: threads and tasks are to be woken; the
    /// pollers that watch it are given back.
    pub(crate) fn changed(&mut self, key: Key, ready: Readiness) -> Vec<PollerId> {
        let Some(entry) = self.entries.get_mut(&key) else { return Vec::new() };
        for threads in &entry.threads {
            if threads.blocked > 0 && threads.want.is_met_by(ready) {
                self.woken.add(&threads.bell);
            }
        }
        self.woken.wakers.append(&mut entry.wakers);
        let pollers = entry.pollers.clone();
        self.tidy(key);
        pollers
    }

    /// The sockets that somebody waits for.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.entries.keys().copied().collect()
    }

    #[cfg(test)]
    pub(crate) fn blocked(&self) -> usize {
        self.entries.values().map(Entry::blocked).sum()
    }

    fn tidy(&mut self, key: Key) {
        if self.entries.get(&key).is_some_and(Entry::is_empty) {
            self.entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_to_receive_is_not_woken_because_something_can_be_sent() {
        let key = Key::Tcp(Handle { index: 1, generation: 0 });
        let mut waiters = Waiters::default();
        let [read, write, any] =
            [Want::Read, Want::Write, Want::Any].map(|want| waiters.block(key, want));
        let mut woken = |ready| {
            waiters.changed(key, ready);
            let woken = std::mem::take(&mut waiters.woken);
            [&read, &write, &any].map(|bell| woken.has(bell))
        };
        assert_eq!(woken(Readiness::WRITABLE), [false, true, true]);
        assert_eq!(woken(Readiness::READABLE), [true, false, true]);
        assert_eq!(woken(Readiness::READABLE | Readiness::WRITABLE), [true, true, true]);
        assert_eq!(woken(Readiness::ERROR), [true, true, true]);
        assert_eq!(woken(Readiness::URGENT), [true, false, true]);
        assert_eq!(woken(Readiness::WRITE_CLOSED), [false, true, true]);
        assert_eq!(woken(Readiness::empty()), [false, false, true]);
    }
}
