//! The one thread that drives a running stack.
//!
//! It sleeps in epoll until a device has something, the stack's `poll_at()` is due, or a program
//! thread has made something due sooner. There is no tick: an idle stack does nothing at all.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use ip::IfIndex;
use netdev::sooner;

use crate::core::{self, Core, Phase, Sleep};
use crate::lead::Leader;
use crate::{Stack, sys};

/// The token of the signal; devices have their index.
const SIGNAL: u64 = u64::MAX;
/// The token of the alarm that a thread sets when it goes away with the devices.
const ALARM: u64 = u64::MAX - 1;
/// After so many wake-ups in a row by a descriptor that says it is broken, without anything
/// received, the descriptor is watched no longer.
const BROKEN_LIMIT: u32 = 16;
/// The shortest sleep after so many turns in a row in which the time was due, or a device's
/// descriptor ready, but nothing became of it: a layer at fault, or a device whose every read
/// fails, must not take a whole processor.
pub(crate) const IDLE_LIMIT: u32 = 1000;
const IDLE_SLEEP: Duration = Duration::from_millis(1);

/// Starts the thread.
pub(crate) fn start(core: Arc<Core>) -> io::Result<JoinHandle<()>> {
    let mut selector = sys::Selector::new()?;
    selector.set(core.signal.as_fd().as_raw_fd(), SIGNAL, false)?;
    if let Some(remote) = selector.remote(ALARM) {
        let _ = core.loop_watch.set(remote);
    }
    let watch = Watch {
        selector,
        devices: Vec::new(),
        woken: Vec::new(),
        broken: BTreeMap::new(),
        fruitless: 0,
    };
    std::thread::Builder::new().name("tapip-net".to_string()).spawn(move || {
        // Also where a layer panics: nobody may wait for a loop that is not there.
        let _end = End(&core);
        // A batch may be large.
        core::moved(usize::MAX);
        run(&core, watch);
    })
}

/// The end of the loop, however it comes.
struct End<'a>(&'a Core);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut locked = self.0.lock();
        locked.phase = Phase::Stopped;
        locked.wake_all();
    }
}

fn run(core: &Core, mut watch: Watch) {
    let mut idle = 0u32;
    let mut until = None;
    loop {
        let mut locked = core.lock();
        locked.sleep = None;
        if locked.phase == Phase::Stopped {
            return;
        }
        let now = core.now();
        locked.asked = now;
        let progress = locked.stack.poll(now);
        watch.give_up_broken(&mut locked.stack, progress.received);
        if progress.more {
            continue;
        }
        let now = core.now();
        // A deadline that was withdrawn since the last sleep is kept: at most one wake-up too
        // many. Without that every request would wake the loop for the retransmission timeout
        // that it sets and that the response takes away.
        until = sooner(locked.stack.poll_at(), until.filter(|at| *at > now));
        let mut timeout = until.map(|at| at.since(now));
        idle = if timeout == Some(Duration::ZERO) && progress.received == 0 {
            idle.saturating_add(1)
        } else {
            0
        };
        if timeout == Some(Duration::ZERO) {
            if idle < IDLE_LIMIT {
                continue;
            }
            timeout = Some(IDLE_SLEEP);
        }
        let watched = watch.update(&locked.stack, locked.leader.as_ref()).to_vec();
        locked.sleep = Some(Sleep { until, watched });
        drop(locked);
        if watch.fruitless >= IDLE_LIMIT {
            // The descriptor is ready still, and would end the wait at once.
            std::thread::sleep(IDLE_SLEEP);
        }
        loop {
            match watch.wait(core, timeout) {
                Ok(true) => break,
                Ok(false) => timeout = until.map(|at| at.since(core.now())),
                Err(error) => {
                    tracing::error!(%error, "the event loop cannot wait for its descriptors");
                    return;
                }
            }
        }
    }
}

/// Which descriptors are watched.
struct Watch {
    selector: sys::Selector,
    /// Of each interface with one: its descriptor, and whether for writing too.
    devices: Vec<(IfIndex, (RawFd, bool))>,
    /// Devices that had something since the last wait.
    woken: Vec<IfIndex>,
    /// How often in a row a descriptor was broken.
    broken: BTreeMap<IfIndex, u32>,
    /// How often in a row a descriptor woke the loop and nothing was received.
    fruitless: u32,
}

impl Watch {
    /// Asks every device what it waits for. What another thread reads is left to that: it sees to
    /// it that the loop watches it again.
    fn update(&mut self, stack: &Stack, leader: Option<&Leader>) -> &[(IfIndex, (RawFd, bool))] {
        let wanted: Vec<_> = stack.interests().collect();
        if leader.is_some() && wanted == self.devices {
            return &self.devices;
        }
        let stays = |old: &(IfIndex, (RawFd, bool))| {
            wanted.iter().any(|new| new.0 == old.0 && new.1.0 == old.1.0)
        };
        // First what goes: its number may be that of a new one.
        for (_, (fd, _)) in self.devices.iter().filter(|old| !stays(old)) {
            self.selector.remove(*fd);
        }
        for new in &wanted {
            // A device that has had something may have closed its descriptor and opened another
            // with the same number: one peer left, the next was there. Closing ends the watch.
            if self.devices.contains(new) && !self.woken.contains(&new.0) {
                continue;
            }
            let (IfIndex(index), (fd, write)) = *new;
            if let Err(error) = self.selector.set(fd, u64::from(index), write) {
                tracing::error!(%error, interface = index, "cannot wait for the device");
            }
        }
        self.woken.clear();
        self.devices = wanted;
        &self.devices
    }

    /// Gives up descriptors that only say that they are broken.
    fn give_up_broken(&mut self, stack: &mut Stack, received: usize) {
        if received > 0 {
            self.broken.clear();
            self.fruitless = 0;
        }
        for (&index, _) in self.broken.iter().filter(|(_, times)| **times >= BROKEN_LIMIT) {
            stack.give_up(index);
        }
    }

    /// Sleeps until `timeout` is over, or something happens; `false` where that is nothing that
    /// the loop has to do anything about.
    fn wait(&mut self, core: &Core, timeout: Option<Duration>) -> io::Result<bool> {
        let ready = self.selector.wait(timeout)?;
        let mut turn = ready.is_empty();
        for ready in ready {
            match ready.token {
                SIGNAL => core.signal.clear(),
                ALARM => {
                    let over = core.absence.is_over(core.now(), core.loop_watch.get());
                    turn |= over && core.lock().replace_absent();
                    continue;
                }
                index => self.note(IfIndex(index as u32), ready.broken),
            }
            turn = true;
        }
        Ok(turn)
    }

    /// A device's descriptor woke the loop.
    fn note(&mut self, device: IfIndex, broken: bool) {
        self.woken.push(device);
        self.fruitless = self.fruitless.saturating_add(1);
        if broken {
            *self.broken.entry(device).or_default() += 1;
        } else {
            self.broken.remove(&device);
        }
    }
}
