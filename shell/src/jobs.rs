//! Services that run in the background, by number.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::Interrupt;

/// The jobs of a shell. Dropping it ends them all.
#[derive(Debug, Default)]
pub struct Jobs {
    jobs: BTreeMap<u32, Job>,
    ended: Arc<Ended>,
}

#[derive(Debug)]
struct Job {
    what: String,
    stop: Interrupt,
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Who waits for a job is woken here.
#[derive(Debug, Default)]
struct Ended {
    count: Mutex<u64>,
    changed: Condvar,
}

impl Ended {
    /// Wakes everybody after `change`, which happens under the lock, so that nobody looks just
    /// before it and sleeps just after it.
    fn notify(&self, change: impl FnOnce()) {
        let mut count = self.lock();
        change();
        *count += 1;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Jobs {
    /// Runs `work` in a thread of its own until it returns, which it does soon after the
    /// interrupt that it is given is raised. Gives the job's number.
    pub fn start(
        &mut self,
        what: String,
        work: impl FnOnce(&Interrupt) + Send + 'static,
    ) -> std::io::Result<u32> {
        self.forget_ended();
        let number = self.jobs.last_key_value().map_or(1, |(number, _)| number + 1);
        let stop = Interrupt::new();
        let done = Arc::new(AtomicBool::new(false));
        let (stopped, ended, told) = (stop.clone(), self.ended.clone(), done.clone());
        let thread = std::thread::Builder::new().name(what.clone()).spawn(move || {
            /// Tells even when the work panics.
            struct Tell(Arc<Ended>, Arc<AtomicBool>);
            impl Drop for Tell {
                fn drop(&mut self) {
                    self.0.notify(|| self.1.store(true, Ordering::SeqCst));
                }
            }
            let _tell = Tell(ended, told);
            work(&stopped);
        })?;
        self.jobs.insert(number, Job { what, stop, done, thread: Some(thread) });
        Ok(number)
    }

    /// Numbers and descriptions of the jobs that run.
    pub fn list(&mut self) -> Vec<(u32, String)> {
        self.forget_ended();
        self.jobs.iter().map(|(number, job)| (*number, job.what.clone())).collect()
    }

    /// Ends a job and waits until it has ended; `false` where there is none of that number.
    pub fn kill(&mut self, number: u32) -> bool {
        self.forget_ended();
        self.jobs.remove(&number).is_some()
    }

    /// Waits until the job of that number, or without one every job, has ended, or `interrupt`
    /// is raised. `false` where there is none of that number.
    pub fn wait(&mut self, number: Option<u32>, interrupt: &Interrupt) -> bool {
        if number.is_some_and(|number| !self.jobs.contains_key(&number)) {
            return false;
        }
        let ended = self.ended.clone();
        let woken = ended.clone();
        let _hook = interrupt.on_raise(move || woken.notify(|| ()));
        let mut count = ended.lock();
        loop {
            self.forget_ended();
            let done = match number {
                Some(number) => !self.jobs.contains_key(&number),
                None => self.jobs.is_empty(),
            };
            if done || interrupt.is_raised() {
                return true;
            }
            let before = *count;
            while *count == before {
                count = ended.changed.wait(count).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Ends all jobs: first all are told, then each is waited for.
    pub fn end(&mut self) {
        for job in self.jobs.values() {
            job.stop.terminate();
        }
        self.jobs.clear();
    }

    fn forget_ended(&mut self) {
        self.jobs.retain(|_, job| !job.done.load(Ordering::SeqCst));
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.end();
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.stop.terminate();
        if let Some(thread) = self.thread.take() {
            // A job that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn jobs_have_numbers_and_end_when_told() {
        let mut jobs = Jobs::default();
        let (tell, told) = channel();
        for name in ["one", "two"] {
            let tell = tell.clone();
            jobs.start(name.into(), move |stop| {
                stop.wait();
                tell.send(name).unwrap();
            })
            .unwrap();
        }
        assert_eq!(jobs.list(), [(1, "one".into()), (2, "two".into())]);
        assert!(jobs.kill(1));
        assert_eq!(told.try_recv().unwrap(), "one");
        assert!(!jobs.kill(1));
        assert_eq!(jobs.start("three".into(), |_| ()).unwrap(), 3);
        drop(jobs);
        assert_eq!(told.try_recv().unwrap(), "two");
    }

    #[test]
    fn waiting_ends_with_the_job_or_with_an_interrupt() {
        let mut jobs = Jobs::default();
        let interrupt = Interrupt::new();
        let (end, ended) = channel::<()>();
        let number = jobs.start("ends".into(), move |_| _ = ended.recv()).unwrap();
        let raiser = {
            let interrupt = interrupt.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                interrupt.raise();
            })
        };
        assert!(jobs.wait(None, &interrupt));
        assert_eq!(jobs.list().len(), 1);
        raiser.join().unwrap();
        interrupt.lower();
        end.send(()).unwrap();
        assert!(jobs.wait(Some(number), &interrupt));
        assert!(jobs.list().is_empty() && !jobs.wait(Some(number), &interrupt));
    }
}
