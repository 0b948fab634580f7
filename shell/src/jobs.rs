//! Services that run in the background, by number.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use crate::Interrupt;

/// The jobs of a shell. Dropping it ends them all.
#[derive(Debug, Default)]
pub struct Jobs {
    jobs: BTreeMap<u32, Job>,
    /// Those that ended badly and were not waited for yet.
    failed: Vec<u32>,
    ended: Arc<Ended>,
}

/// What came of waiting for jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// They have ended, each as it was told to.
    Ended,
    /// They have ended, and not all of them well.
    Failed,
    /// The interrupt came first.
    Interrupted,
    /// There is no such job, or none at all.
    None,
}

#[derive(Debug)]
struct Job {
    what: String,
    stop: Interrupt,
    /// Set when it has ended: whether it ended well.
    done: Arc<OnceLock<bool>>,
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
    /// interrupt that it is given is raised; it says whether it ended well. Gives the job's number.
    pub fn start(
        &mut self,
        what: String,
        work: impl FnOnce(&Interrupt) -> bool + Send + 'static,
    ) -> std::io::Result<u32> {
        self.forget_ended();
        let number = self.jobs.last_key_value().map_or(1, |(number, _)| number + 1);
        let stop = Interrupt::new();
        let done = Arc::new(OnceLock::new());
        let (stopped, ended, told) = (stop.clone(), self.ended.clone(), done.clone());
        let thread = std::thread::Builder::new().name(what.clone()).spawn(move || {
            /// Tells even when the work panics.
            struct Tell(Arc<Ended>, Arc<OnceLock<bool>>, bool);
            impl Drop for Tell {
                fn drop(&mut self) {
                    self.0.notify(|| _ = self.1.set(self.2));
                }
            }
            let mut tell = Tell(ended, told, false);
            tell.2 = work(&stopped);
        })?;
        self.failed.retain(|failed| *failed != number);
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
    /// is raised. A job that failed before is told of once.
    pub fn wait(&mut self, number: Option<u32>, interrupt: &Interrupt) -> Waited {
        let is_meant = |job: &u32| number.is_none_or(|number| number == *job);
        if !self.jobs.keys().chain(&self.failed).any(is_meant) {
            return Waited::None;
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
            if done {
                let failed = self.failed.iter().any(is_meant);
                self.failed.retain(|job| !is_meant(job));
                return if failed { Waited::Failed } else { Waited::Ended };
            }
            if interrupt.is_raised() {
                return Waited::Interrupted;
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
        let failed = &mut self.failed;
        self.jobs.retain(|number, job| {
            let done = job.done.get();
            failed.extend(done.filter(|well| !**well).map(|_| *number));
            done.is_none()
        });
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
                tell.send(name).is_ok()
            })
            .unwrap();
        }
        assert_eq!(jobs.list(), [(1, "one".into()), (2, "two".into())]);
        assert!(jobs.kill(1));
        assert_eq!(told.try_recv().unwrap(), "one");
        assert!(!jobs.kill(1));
        assert_eq!(jobs.start("three".into(), |_| true).unwrap(), 3);
        drop(jobs);
        assert_eq!(told.try_recv().unwrap(), "two");
    }

    #[test]
    fn waiting_ends_with_the_job_or_with_an_interrupt() {
        let mut jobs = Jobs::default();
        let interrupt = Interrupt::new();
        let (end, ended) = channel::<()>();
        let number = jobs.start("ends".into(), move |_| ended.recv().is_ok()).unwrap();
        let raiser = {
            let interrupt = interrupt.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                interrupt.raise();
            })
        };
        assert_eq!(jobs.wait(None, &interrupt), Waited::Interrupted);
        assert_eq!(jobs.list().len(), 1);
        raiser.join().unwrap();
        interrupt.lower();
        end.send(()).unwrap();
        assert_eq!(jobs.wait(Some(number), &interrupt), Waited::Ended);
        assert!(jobs.list().is_empty());
        assert_eq!(jobs.wait(Some(number), &interrupt), Waited::None);
    }

    #[test]
    fn a_job_that_failed_is_told_of_once_also_when_it_is_over() {
        let mut jobs = Jobs::default();
        let interrupt = Interrupt::new();
        jobs.start("fails".into(), |_| false).unwrap();
        while !jobs.list().is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(jobs.wait(None, &interrupt), Waited::Failed);
        assert_eq!(jobs.wait(None, &interrupt), Waited::None);
        let panics = jobs.start("panics".into(), |_| panic!("on purpose")).unwrap();
        assert_eq!(jobs.wait(Some(panics), &interrupt), Waited::Failed);
        // A number is given again: it means the new job.
        jobs.start("fails".into(), |_| false).unwrap();
        while !jobs.list().is_empty() {
            std::thread::yield_now();
        }
        let well = jobs.start("well".into(), |_| true).unwrap();
        assert_eq!(jobs.wait(Some(well), &interrupt), Waited::Ended);
    }
}
