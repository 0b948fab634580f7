//! Two hosts and a link between them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ip::{Handle, SocketError};
use netdev::{Instant, sooner};

use super::windows::Windows;
use super::{Host, Link, LinkConfig, Payload, Seg};
use crate::{State, Streams};

/// How long [`World::transfer`] and its kin let virtual time pass before they call it a failure.
const PATIENCE: Duration = Duration::from_secs(3600);
/// The most events at one point in time that are sane.
const MAX_AT_ONCE: usize = 100_000;
/// Bytes of payload that are kept in the log.
const LOGGED: usize = 100;
/// How many of the last packets a failure prints.
const PRINTED: usize = 200;

/// One of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// 10.0.0.1.
    A = 0,
    /// 10.0.0.2.
    B = 1,
}

impl Side {
    /// Its address.
    pub const fn addr(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1 + self as u8))
    }

    /// The opposite one.
    #[must_use]
    pub const fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The socket of host A.
    pub a: Handle,
    /// The socket of host B.
    pub b: Handle,
}

impl Pair {
    /// The socket of a side.
    pub fn at(self, side: Side) -> Handle {
        match side {
            Side::A => self.a,
            Side::B => self.b,
        }
    }
}

/// What [`World::drive_bounded`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driven {
    /// Nothing is on its way and no timer runs.
    Quiet,
    /// The bound was hit, and there would be more to do.
    Bound,
}

/// A packet that was sent in a [`World`].
#[derive(Clone, Debug)]
pub struct Logged {
    /// When.
    pub at: Instant,
    /// By whom.
    pub from: Side,
    /// What; of a longer payload only the length.
    pub seg: Seg,
    /// What the link did to it, in a word; empty where it arrives as it should.
    pub fate: &'static str,
}

/// Which packets to lose.
type Rule = Box<dyn FnMut(Side, &Seg) -> bool>;

/// Two hosts, [`Side::A`] and [`Side::B`], and a [`Link`] between them. Time passes only in
/// [`World::step`] and what is built on it: it jumps to the next arrival or timer.
pub struct World {
    /// 10.0.0.1.
    pub a: Host,
    /// 10.0.0.2.
    pub b: Host,
    /// What lies between them.
    pub link: Link,
    /// Everything that was sent, from the start.
    pub log: Vec<Logged>,
    seed: u64,
    lose: Vec<Rule>,
    loses: Option<Rule>,
    /// Events since the clock last moved.
    at_once: usize,
    windows: Windows,
}

impl World {
    /// A world with a good link; all chance in it follows from `seed`, which a failure prints.
    pub fn new(seed: u64, a: Box<dyn Streams>, b: Box<dyn Streams>) -> World {
        World::with_link(seed, LinkConfig::default(), a, b)
    }

    /// A world with a link that behaves as `config` says.
    pub fn with_link(
        seed: u64,
        config: LinkConfig,
        a: Box<dyn Streams>,
        b: Box<dyn Streams>,
    ) -> World {
        World {
            a: Host::new(Side::A.addr(), a),
            b: Host::new(Side::B.addr(), b),
            link: Link::new(config, seed),
            log: Vec::new(),
            seed,
            lose: Vec::new(),
            loses: None,
            at_once: 0,
            windows: Windows::default(),
        }
    }

    /// A host.
    pub fn host(&mut self, side: Side) -> &mut Host {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        self.a.now
    }

    /// Loses the next packet for which `rule` says so, given who sent it; once. Several rules
    /// wait for a packet each.
    pub fn lose_next(&mut self, rule: impl FnMut(Side, &Seg) -> bool + 'static) {
        self.lose.push(Box::new(rule));
    }

    /// Loses every packet for which `rule` says so, until another rule takes its place.
    pub fn lose_all(&mut self, rule: impl FnMut(Side, &Seg) -> bool + 'static) {
        self.loses = Some(Box::new(rule));
    }

    /// The packets that a side sent so far.
    pub fn sent(&self, from: Side) -> impl Iterator<Item = &Seg> {
        self.log.iter().filter(move |logged| logged.from == from).map(|logged| &logged.seg)
    }

    /// Lets the next thing happen: packets arrive, or a timer is due. `false` where nothing is
    /// left to happen.
    ///
    /// # Panics
    /// Where a host asks to be polled again and again, and time does not pass.
    pub fn step(&mut self) -> bool {
        self.collect();
        let Some(at) = self.next_event() else { return false };
        self.at_once = if at > self.now() { 0 } else { self.at_once + 1 };
        assert!(self.at_once < MAX_AT_ONCE, "{MAX_AT_ONCE} events at {}, and no end", self.now());
        self.set_now(at.max(self.now()));
        while let Some((to, sent)) = self.link.leave(self.now()) {
            self.host(to).input(sent.header, sent.packet);
        }
        self.a.poll();
        self.b.poll();
        self.collect();
        true
    }

    /// Lets everything happen that does until a point in time, and moves the clock there.
    pub fn drive(&mut self, until: Instant) {
        self.collect();
        while self.next_event().is_some_and(|at| at <= until) {
            self.step();
        }
        self.set_now(until.max(self.now()));
    }

    /// As [`World::drive`], for so long.
    pub fn drive_for(&mut self, time: Duration) {
        self.drive(self.now() + time);
    }

    /// Lets at most `max_events` things happen, for as long as there are any.
    pub fn drive_bounded(&mut self, max_events: usize) -> Driven {
        for _ in 0..max_events {
            if !self.step() {
                return Driven::Quiet;
            }
        }
        match self.next_event() {
            Some(_) => Driven::Bound,
            None => Driven::Quiet,
        }
    }

    /// Lets things happen until `done`. `false` where they came to an end, or an hour passed,
    /// before that.
    pub fn drive_until(&mut self, mut done: impl FnMut(&mut World) -> bool) -> bool {
        let deadline = self.now() + PATIENCE;
        loop {
            if done(self) {
                return true;
            }
            if self.now() > deadline || !self.step() {
                return done(self);
            }
        }
    }

    /// A connection from A to a new listener on `port` of B, which is closed again.
    ///
    /// # Panics
    /// Where it does not come about.
    pub fn connect_pair(&mut self, port: u16) -> Pair {
        let listener = self.b.listen(port, 1);
        let pair = self.connect_to(listener, port);
        self.b.close(listener);
        pair
    }

    /// A connection from A to a listener of B.
    ///
    /// # Panics
    /// Where it does not come about.
    pub fn connect_to(&mut self, listener: Handle, port: u16) -> Pair {
        let a = self.a.connect(SocketAddr::new(Side::B.addr(), port));
        let mut accepted = None;
        let done = self.drive_until(|world| {
            accepted = accepted.or_else(|| world.b.accept(listener).ok());
            accepted.is_some() && world.a.state(a) == State::Established
        });
        assert!(done, "no connection: A is in {:?}", self.a.info(a).map(|info| info.state));
        Pair { a, b: accepted.expect("just seen").0 }
    }

    /// Moves `data` through a connection from one side to the other, and compares it.
    ///
    /// # Panics
    /// Where it does not arrive whole and right.
    pub fn transfer(&mut self, pair: Pair, from: Side, data: &[u8]) {
        match from {
            Side::A => self.exchange(pair, data, b""),
            Side::B => self.exchange(pair, b"", data),
        }
    }

    /// Moves data both ways at once, and compares it.
    ///
    /// # Panics
    /// Where it does not arrive whole and right.
    pub fn exchange(&mut self, pair: Pair, from_a: &[u8], from_b: &[u8]) {
        let data = [from_a, from_b];
        let (mut sent, mut received) = ([0; 2], [0; 2]);
        let done = self.drive_until(|world| {
            for from in [Side::A, Side::B] {
                let (data, way) = (data[from as usize], from as usize);
                while sent[way] < data.len() {
                    match world.host(from).send(pair.at(from), &data[sent[way]..]) {
                        Ok(bytes) => sent[way] += bytes,
                        Err(SocketError::WouldBlock) => break,
                        Err(error) => panic!("{from:?} sends at {}: {error}", sent[way]),
                    }
                }
                let to = from.other();
                while received[way] < data.len() {
                    match world.host(to).receive(pair.at(to), 1 << 16) {
                        Ok(some) if some.is_empty() => panic!("the end at {}", received[way]),
                        Ok(some) => {
                            let expected = data.get(received[way]..received[way] + some.len());
                            assert!(
                                expected == Some(&some[..]),
                                "{to:?} got wrong bytes at {} + {}",
                                received[way],
                                some.len()
                            );
                            received[way] += some.len();
                        }
                        Err(SocketError::WouldBlock) => break,
                        Err(error) => panic!("{to:?} receives at {}: {error}", received[way]),
                    }
                }
            }
            received == [from_a.len(), from_b.len()]
        });
        assert!(done, "stuck with {received:?} of {:?} bytes", [from_a.len(), from_b.len()]);
    }

    /// What stands in the hosts' outboxes enters the link, in the order of time.
    fn collect(&mut self) {
        let mut fresh = Vec::new();
        for side in [Side::A, Side::B] {
            fresh.extend(self.host(side).out.sent.drain(..).map(|sent| (side, sent)));
        }
        fresh.sort_by_key(|(_, sent)| sent.at);
        for (from, mut sent) in fresh {
            self.windows.check(from, &sent.seg);
            let lost = self.is_lost(from, &sent.seg);
            if sent.seg.payload_len() > LOGGED {
                sent.seg.payload = Payload::Len(sent.seg.payload_len());
            }
            let (at, seg) = (sent.at, sent.seg.clone());
            let fate = if lost {
                "lost by the test"
            } else if sent.header.dst == from.addr() {
                self.link.enter(from, sent)
            } else {
                self.link.enter(from.other(), sent)
            };
            self.log.push(Logged { at, from, seg, fate });
        }
    }

    fn is_lost(&mut self, from: Side, seg: &Seg) -> bool {
        if let Some(rule) = self.lose.iter_mut().position(|rule| rule(from, seg)) {
            drop(self.lose.remove(rule));
            return true;
        }
        self.loses.as_mut().is_some_and(|rule| rule(from, seg))
    }

    fn next_event(&self) -> Option<Instant> {
        let timers = sooner(self.a.tcp.poll_at(), self.b.tcp.poll_at());
        sooner(self.link.next_arrival(), timers)
    }

    fn set_now(&mut self, now: Instant) {
        self.a.now = now;
        self.b.now = now;
    }
}

/// A failing test tells what happened.
impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        self.collect();
        let skipped = self.log.len().saturating_sub(PRINTED);
        eprintln!("world with seed {:#x} at {}:", self.seed, self.now());
        if skipped > 0 {
            eprintln!("  ({skipped} packets before these)");
        }
        for Logged { at, from, seg, fate } in &self.log[skipped..] {
            eprintln!("  {at} {from:?} > {:?} {seg} {fate}", from.other());
        }
        for host in [&self.a, &self.b] {
            for info in host.tcp.sockets(host.now) {
                eprintln!("  {}: {}", host.addr(), super::script::line(&info));
            }
        }
    }
}

/// `len` bytes to send, from place `from` of a sequence that has no short period, so that a byte
/// at a wrong place is a wrong byte.
pub fn pattern(from: usize, len: usize) -> Vec<u8> {
    // A prime above 2^24 spreads the place over all the bits that the byte is taken from.
    (from..from + len).map(|place| ((place as u32).wrapping_mul(0x9e37_79b1) >> 21) as u8).collect()
}
