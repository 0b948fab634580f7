//! The timers of a stack by themselves, for benches.

use ip::Handle;
use netdev::Instant;

use crate::tcb::ConnId;
use crate::timers::{Timer, TimerQueue, Timers};

/// The queue of all timers, and connections that are nothing but a retransmission timer each.
#[allow(missing_debug_implementations)]
pub struct TimerBench {
    queue: TimerQueue,
    connections: Vec<Timers>,
}

impl TimerBench {
    /// `count` connections, none of whose timers runs.
    pub fn new(count: usize) -> TimerBench {
        let connections = std::iter::repeat_with(Timers::new).take(count).collect();
        TimerBench { queue: TimerQueue::new(), connections }
    }

    /// Lets the timer of a connection run out at `at`, as with each segment.
    pub fn arm(&mut self, number: usize, at: Instant) {
        let timers = &mut self.connections[number];
        timers.set(Timer::Retransmit, at);
        self.queue.schedule(id(number), timers);
    }

    /// Lets what is due by `now` run out, as [`Streams::poll`](crate::Streams::poll) does; gives
    /// how many timers did.
    pub fn fire(&mut self, now: Instant) -> usize {
        let mut fired = 0;
        while let Some((at, id)) = self.queue.pop(now) {
            let timers = &mut self.connections[id.0.index as usize];
            TimerQueue::looked_at(at, timers);
            while timers.expired(now).is_some() {
                fired += 1;
            }
            self.queue.schedule(id, timers);
        }
        fired
    }
}

fn id(number: usize) -> ConnId {
    ConnId(Handle { index: number as u32, generation: 0 })
}
