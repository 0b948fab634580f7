//! Stacks that keep much, for what must not grow with it.

use std::collections::VecDeque;
use std::time::Duration;

use ip::Handle;

use crate::idle::connections;
use crate::pair::{PLAIN, Pair, Side};

/// Two stacks with connections between them that do nothing, but for one.
#[derive(Debug)]
pub struct Idle {
    pair: Pair,
    all: Vec<(Handle, Handle)>,
    buffer: [u8; 64],
}

impl Idle {
    /// With `count` connections.
    pub fn new(count: usize) -> Idle {
        let mut pair = Pair::new(PLAIN);
        let all = connections(&mut pair, count);
        let (here, there) = all[all.len() / 2];
        pair.no_delay([here, there]);
        Idle { pair, all, buffer: [0; 64] }
    }

    /// A poll that finds nothing.
    pub fn poll(&mut self) {
        self.pair.now += Duration::from_micros(1);
        self.pair.poll(Side::Here);
    }

    /// A byte goes there and comes back.
    pub fn byte(&mut self) {
        let Idle { pair, all, buffer } = self;
        let (here, there) = all[all.len() / 2];
        pair.now += Duration::from_micros(50);
        for (side, from, to) in [(Side::There, there, here), (Side::Here, here, there)] {
            pair.send(side, from, b"?");
            pair.poll(side.other());
            pair.tell(side.other());
            assert_eq!(pair.receive(side.other(), to, buffer), 1);
        }
    }

    /// Bytes that TCP says a connection takes; the mean of all.
    pub fn accounted(&mut self) -> usize {
        let (now, all) = (self.pair.now, &self.all);
        let sum: usize = self.pair.stack(Side::Here).with_tcp(now, |tcp, _| {
            all.iter().map(|(here, _)| tcp.info(now, *here).map_or(0, |info| info.memory)).sum()
        });
        sum / all.len()
    }
}

/// A listener with connections that wait to be accepted, and room for one more.
#[derive(Debug)]
pub struct Backlog {
    pair: Pair,
    listener: Handle,
    /// The other ends of those that wait, in the order in which they will be accepted.
    waiting: VecDeque<Handle>,
}

impl Backlog {
    /// One with a backlog of `count`, in which all but one wait.
    pub fn new(count: usize) -> Backlog {
        let time_wait = Duration::from_millis(1);
        let mut pair = Pair::with_tcp(PLAIN, tcp::Config { time_wait, ..tcp::Config::default() });
        let listener = pair.listen(Side::Here, 80, count);
        let mut waiting = VecDeque::new();
        for _ in 1..count {
            waiting.push_back(pair.connect(Side::There, 80));
            pair.settle();
        }
        pair.pass(Duration::from_secs(10));
        for side in [Side::Here, Side::There] {
            pair.tell(side);
        }
        Backlog { pair, listener, waiting }
    }

    /// One more connects; the one that has waited longest is accepted, and both its ends close.
    pub fn step(&mut self) {
        let Backlog { pair, listener, waiting } = self;
        pair.now += Duration::from_millis(2);
        waiting.push_back(pair.connect(Side::There, 80));
        pair.poll(Side::Here);
        pair.poll(Side::There);
        pair.poll(Side::Here);
        pair.tell(Side::Here);
        let here = pair.accept(Side::Here, *listener);
        pair.close(Side::Here, here);
        pair.poll(Side::There);
        pair.tell(Side::There);
        let there = waiting.pop_front().expect("just put there");
        pair.close(Side::There, there);
        pair.poll(Side::Here);
        pair.poll(Side::There);
    }
}
