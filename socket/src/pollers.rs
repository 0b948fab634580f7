//! All pollers of a stack, as they are kept under its lock.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ip::Readiness;

use crate::bell::Bell;
use crate::waiters::{Key, PollerId, Woken};
use crate::{Event, Interest, Mode, sys};

/// As many events as one [`Poller::wait`](crate::Poller::wait) gives at most.
const MAX_EVENTS: usize = 1024;

/// All pollers of a stack.
#[derive(Debug, Default)]
pub(crate) struct Pollers {
    pub(crate) states: HashMap<PollerId, State>,
    last: PollerId,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) sockets: HashMap<Key, Registration>,
    /// Sockets that may be ready, each once.
    pub(crate) ready: VecDeque<Key>,
    bell: Arc<Bell>,
    blocked: usize,
    notified: bool,
    signal: Arc<sys::Signal>,
    /// Whether anybody asked for the descriptor: until then it is not worth a system call.
    watched: bool,
    raised: bool,
}

#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) key: usize,
    pub(crate) interest: Interest,
    pub(crate) mode: Mode,
    pub(crate) armed: bool,
    /// Whether it is in [`State::ready`].
    pub(crate) queued: bool,
}

impl State {
    /// Wakes who waits, and makes the descriptor say what is the case.
    fn update(&mut self, woken: Option<&mut Woken>) {
        let pending = self.notified || !self.ready.is_empty();
        if let (true, true, Some(woken)) = (pending, self.blocked > 0, woken) {
            woken.add(&self.bell);
        }
        if self.watched && pending != self.raised {
            if pending {
                self.signal.raise()
            } else {
                self.signal.clear()
            }
            self.raised = pending;
        }
    }
}

impl Pollers {
    pub(crate) fn add(&mut self, signal: Arc<sys::Signal>) -> PollerId {
        self.last += 1;
        let state = State {
            sockets: HashMap::new(),
            ready: VecDeque::new(),
            bell: Arc::default(),
            blocked: 0,
            notified: false,
            signal,
            watched: false,
            raised: false,
        };
        self.states.insert(self.last, state);
        self.last
    }

    pub(crate) fn remove(&mut self, poller: PollerId) -> Vec<Key> {
        let state = self.states.remove(&poller);
        state.map(|s| s.sockets.into_keys().collect()).unwrap_or_default()
    }

    pub(crate) fn register(&mut self, poller: PollerId, socket: Key, new: Registration) -> bool {
        let Some(state) = self.states.get_mut(&poller) else { return false };
        if state.sockets.contains_key(&socket) {
            return false;
        }
        state.sockets.insert(socket, new);
        true
    }

    pub(crate) fn registration(
        &mut self,
        poller: PollerId,
        socket: Key,
    ) -> Option<&mut Registration> {
        self.states.get_mut(&poller)?.sockets.get_mut(&socket)
    }

    pub(crate) fn deregister(&mut self, poller: PollerId, socket: Key) -> bool {
        let Some(state) = self.states.get_mut(&poller) else { return false };
        let Some(gone) = state.sockets.remove(&socket) else { return false };
        if gone.queued {
            state.ready.retain(|s| *s != socket);
            state.update(None);
        }
        true
    }

    /// A watched socket's readiness may have changed.
    pub(crate) fn mark(&mut self, poller: PollerId, socket: Key, woken: &mut Woken) {
        let Some(state) = self.states.get_mut(&poller) else { return };
        let Some(found) = state.sockets.get_mut(&socket) else { return };
        if found.armed && !found.queued {
            found.queued = true;
            state.ready.push_back(socket);
        }
        state.update(Some(woken));
    }

    pub(crate) fn notify(&mut self, poller: PollerId, woken: &mut Woken) {
        if let Some(state) = self.states.get_mut(&poller) {
            state.notified = true;
            state.update(Some(woken));
        }
    }

    pub(crate) fn watch(&mut self, poller: PollerId) {
        if let Some(state) = self.states.get_mut(&poller) {
            state.watched = true;
            state.update(None);
        }
    }

    /// The events that wait, and whether there was a notification. `readiness` says what a socket
    /// is ready for now: what was true when it was marked may have passed.
    pub(crate) fn collect(
        &mut self,
        poller: PollerId,
        events: &mut Vec<Event>,
        readiness: impl Fn(Key) -> Readiness,
    ) -> bool {
        let Some(state) = self.states.get_mut(&poller) else { return false };
        let most = events.len() + MAX_EVENTS;
        // As many as there are now: those that stay ready are put behind them.
        for _ in 0..state.ready.len() {
            if events.len() == most {
                break;
            }
            let Some(socket) = state.ready.pop_front() else { break };
            let Some(found) = state.sockets.get_mut(&socket) else { continue };
            found.queued = false;
            let told = found.interest.of(readiness(socket));
            if told.is_empty() || !found.armed {
                continue;
            }
            events.push(Event { key: found.key, readiness: told });
            match found.mode {
                Mode::Level => {
                    found.queued = true;
                    state.ready.push_back(socket);
                }
                Mode::Edge => {}
                Mode::Oneshot => found.armed = false,
            }
        }
        let notified = std::mem::take(&mut state.notified);
        state.update(None);
        notified
    }

    /// A thread is about to wait on what this gives.
    pub(crate) fn block(&mut self, poller: PollerId) -> Option<Arc<Bell>> {
        let state = self.states.get_mut(&poller)?;
        state.blocked += 1;
        Some(Arc::clone(&state.bell))
    }

    pub(crate) fn unblock(&mut self, poller: PollerId) {
        if let Some(state) = self.states.get_mut(&poller) {
            state.blocked -= 1;
        }
    }

    #[cfg(test)]
    pub(crate) fn blocked(&self) -> usize {
        self.states.values().map(|state| state.blocked).sum()
    }

    /// Wakes everybody: the stack has ended.
    pub(crate) fn wake_all(&mut self, woken: &mut Woken) {
        for state in self.states.values_mut() {
            state.notified = true;
            state.update(Some(woken));
        }
    }
}
