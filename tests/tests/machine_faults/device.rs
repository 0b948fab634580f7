//! A device that fails as it is told to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netdev::{Capabilities, Device, DropReason, Instant, Interest, LinkState, Packet, Stats};

/// How a device can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not at all.
    None,
    /// EAGAIN: there is no room for what is sent.
    Full,
    /// EIO: every read and write fails, for the time being, and what was on its way is lost.
    Broken,
    /// Reads bring only the beginning of a frame.
    Short,
    /// It was deleted, for good.
    Gone,
}

impl Fault {
    /// Those that pass.
    pub(crate) const PASSING: [Fault; 3] = [Fault::Full, Fault::Broken, Fault::Short];
}

/// What makes a [`Faulty`] device fail, and sees that it did.
#[derive(Clone, Debug)]
pub(crate) struct Switch(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    fault: Fault,
    /// How often it was met.
    met: u64,
    rng: fastrand::Rng,
}

impl Switch {
    /// From now on; counts anew how often it is met.
    pub(crate) fn set(&self, fault: Fault) {
        let mut state = self.lock();
        (state.fault, state.met) = (fault, 0);
    }

    /// How often the fault was met since it was set.
    pub(crate) fn met(&self) -> u64 {
        self.lock().met
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A device between the stack and a good one.
pub(crate) struct Faulty<D> {
    good: D,
    switch: Switch,
    errors: Stats,
}

impl<D: Device> Faulty<D> {
    /// A device that works until the switch says otherwise; all chance follows from `seed`.
    pub(crate) fn new(good: D, seed: u64) -> (Faulty<D>, Switch) {
        let rng = fastrand::Rng::with_seed(seed);
        let switch = Switch(Arc::new(Mutex::new(State { fault: Fault::None, met: 0, rng })));
        (Faulty { good, switch: switch.clone(), errors: Stats::default() }, switch)
    }
}

impl<D: Device> Device for Faulty<D> {
    fn name(&self) -> &str {
        "faulty0"
    }

    fn capabilities(&self) -> Capabilities {
        self.good.capabilities()
    }

    fn transmit(&mut self, now: Instant, packet: Packet) -> Result<(), Packet> {
        let mut state = self.switch.lock();
        match state.fault {
            Fault::None | Fault::Short => self.good.transmit(now, packet),
            Fault::Full => {
                state.met += 1;
                Err(packet)
            }
            Fault::Broken | Fault::Gone => {
                state.met += 1;
                self.errors.tx_errors += 1;
                self.errors.drops.add(DropReason::NoPeer);
                Ok(())
            }
        }
    }

    fn receive(&mut self, now: Instant) -> Option<Packet> {
        let mut state = self.switch.lock();
        match state.fault {
            Fault::None | Fault::Full => self.good.receive(now),
            Fault::Short => {
                let mut packet = self.good.receive(now)?;
                state.met += 1;
                let len = state.rng.usize(..packet.len());
                packet.truncate(len);
                Some(packet)
            }
            Fault::Broken => {
                while self.good.receive(now).is_some() {
                    state.met += 1;
                    self.errors.rx_errors += 1;
                }
                None
            }
            Fault::Gone => None,
        }
    }

    fn flush(&mut self, now: Instant) {
        self.good.flush(now);
    }

    fn poll_at(&self) -> Option<Instant> {
        match self.switch.lock().fault {
            Fault::Gone => None,
            _ => self.good.poll_at(),
        }
    }

    fn interest(&self) -> Option<Interest<'_>> {
        if self.switch.lock().fault == Fault::Gone { None } else { self.good.interest() }
    }

    fn link(&self) -> LinkState {
        match self.switch.lock().fault {
            Fault::Broken => LinkState::Down("input/output error".into()),
            Fault::Gone => LinkState::Down("it was deleted".into()),
            _ => self.good.link(),
        }
    }

    fn stats(&self) -> Stats {
        let mut stats = self.good.stats();
        stats.rx_errors += self.errors.rx_errors;
        stats.tx_errors += self.errors.tx_errors;
        stats.drops.merge(&self.errors.drops);
        stats
    }
}
