//! Threads for the connections of a service, used again and again.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Stack of a thread in bytes: buffers are on the heap.
const THREAD_STACK: usize = 256 * 1024;
/// How long a thread without work waits for some. To make a thread takes as long as to serve a
/// short connection.
const IDLE: Duration = Duration::from_secs(2);

type Work = Box<dyn FnOnce() + Send>;

/// As many threads as there is work at a time.
#[derive(Clone, Default)]
pub(super) struct Workers {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    /// Threads that wait, less those that work is waiting for.
    idle: usize,
    /// No more work comes.
    over: bool,
}

impl Workers {
    /// Does `work` on a thread of its own, at once.
    ///
    /// # Errors
    /// Where the system gives no thread; the work is dropped.
    pub(super) fn start(&self, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let work: Work = Box::new(work);
        let mut state = self.shared.lock();
        if state.idle > 0 {
            state.idle -= 1;
            state.waiting.push_back(work);
            drop(state);
            self.shared.more.notify_one();
            return Ok(());
        }
        drop(state);
        let shared = Arc::clone(&self.shared);
        std::thread::Builder::new()
            .name("serve".to_string())
            .stack_size(THREAD_STACK)
            .spawn(move || {
                work();
                while let Some(work) = shared.next() {
                    work();
                }
            })
            .map(drop)
    }

    /// Lets the threads without work go.
    pub(super) fn end(&self) {
        self.shared.lock().over = true;
        self.shared.more.notify_all();
    }
}

impl Shared {
    /// Waits for work; `None` where there is none for long.
    fn next(&self) -> Option<Work> {
        let mut state = self.lock();
        if state.over {
            return None;
        }
        state.idle += 1;
        let wait = |state| {
            let none = |state: &mut State| state.waiting.is_empty() && !state.over;
            self.more.wait_timeout_while(state, IDLE, none).unwrap_or_else(PoisonError::into_inner)
        };
        state = wait(state).0;
        let work = state.waiting.pop_front();
        if work.is_none() {
            state.idle -= 1;
        }
        work
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread::ThreadId;

    use super::*;

    /// Starts work that tells which thread does it, and is done when told.
    fn work(workers: &Workers) -> (ThreadId, mpsc::Sender<()>) {
        let (tell, told) = mpsc::channel();
        let (done, until) = mpsc::channel();
        workers
            .start(move || {
                tell.send(std::thread::current().id()).unwrap();
                until.recv().unwrap();
            })
            .unwrap();
        (told.recv().unwrap(), done)
    }

    fn until_idle(workers: &Workers, count: usize) {
        while workers.shared.lock().idle != count {
            std::thread::yield_now();
        }
    }

    #[test]
    fn each_work_has_a_thread_at_once_and_threads_are_used_again() {
        let workers = Workers::default();
        let (first, first_done) = work(&workers);
        let (second, second_done) = work(&workers);
        assert_ne!(first, second);
        first_done.send(()).unwrap();
        until_idle(&workers, 1);
        let (third, third_done) = work(&workers);
        assert_eq!(third, first);
        second_done.send(()).unwrap();
        third_done.send(()).unwrap();
        until_idle(&workers, 2);
        workers.end();
        until_idle(&workers, 0);
    }
}
