//! Who waits for which socket.
//!
//! Readiness is data that the transports keep. Everything here is under the one lock of the stack:
//! a waiter looks at the readiness and joins the list without letting go of it, and whoever
//! changes the readiness does so under it as well. Therefore no wake-up can be lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;

use ip::Handle;

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

/// All that wait for one socket.
#[derive(Debug, Default)]
struct Entry {
    bell: Arc<Bell>,
    /// Threads that wait for `bell`.
    blocked: usize,
    wakers: Vec<Waker>,
    pollers: Vec<PollerId>,
}

impl Entry {
    fn is_empty(&self) -> bool {
        self.blocked == 0 && self.wakers.is_empty() && self.pollers.is_empty()
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
    pub(crate) fn block(&mut self, key: Key) -> Arc<Bell> {
        let entry = self.entries.entry(key).or_default();
        entry.blocked += 1;
        Arc::clone(&entry.bell)
    }

    /// It waits no longer.
    pub(crate) fn unblock(&mut self, key: Key) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.blocked = entry.blocked.saturating_sub(1);
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

    /// The socket's readiness changed: threads and tasks are to be woken; the pollers that watch
    /// it are given back.
    pub(crate) fn changed(&mut self, key: Key) -> Vec<PollerId> {
        let Some(entry) = self.entries.get_mut(&key) else { return Vec::new() };
        if entry.blocked > 0 {
            self.woken.add(&entry.bell);
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
        self.entries.values().map(|entry| entry.blocked).sum()
    }

    fn tidy(&mut self, key: Key) {
        if self.entries.get(&key).is_some_and(Entry::is_empty) {
            self.entries.remove(&key);
        }
    }
}
