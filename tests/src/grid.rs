//! One transfer over one path, on virtual time: what a table of many is made of.
//!
//! The path is the bench's link (`tcp::testing`), with a queue before it that holds one round
//! trip and 64 packets, and drops what does not fit. Everything follows from a seed.

use std::time::Duration;

use ip::{Readiness, SocketError};
use netdev::{GilbertElliott, Instant, Probability};
use tcp::testing::{LinkConfig, Side, World, pattern};
use tcp::{Config, Streams, Tcp};

/// A packet on the wire, in bytes.
const PACKET: u64 = 1500;
/// Packets that the queue holds beyond a round trip's worth.
const QUEUED: u64 = 64;
/// Packets of the log that a failure may want to print.
const LOGGED: usize = 1000;
/// Bytes that the two users send and receive at once, at most.
const CHUNK: usize = 1 << 14;
/// How long the ends of a closed connection may last: TIME-WAIT, and what was lost before it.
const ENDING: Duration = Duration::from_secs(600);

/// What goes wrong on a path. Shares are of 1, of the packets of each direction.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Trouble {
    /// Packets lost, each on its own.
    pub loss: f64,
    /// Packets lost in bursts (see [`Bursts`]).
    pub bursts: f64,
    /// Packets that come late, by up to a quarter of the round trip.
    pub reordering: f64,
    /// Packets that come twice.
    pub duplication: f64,
}

/// A path between two hosts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Path {
    /// Bits a second.
    pub bandwidth: u64,
    /// The round trip, without what waits in the queue.
    pub rtt: Duration,
    /// What goes wrong.
    pub trouble: Trouble,
}

/// What came of a transfer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Outcome {
    /// From the first byte's sending to the last one's receipt.
    pub time: Duration,
    /// Bits of data a second, as the receiver saw them.
    pub goodput: f64,
    /// Segments that the sender sent again.
    pub retransmitted: u32,
    /// Timeouts of its retransmission timer.
    pub timeouts: u64,
}

/// Losses in bursts, each direction on its own: half of the packets while a path is bad, for
/// eight packets on average.
#[derive(Debug)]
pub struct Bursts {
    rng: fastrand::Rng,
    model: GilbertElliott,
    is_bad: [bool; 2],
}

impl Bursts {
    /// The share of packets that a bad path loses.
    const LOST: f64 = 0.5;
    /// The chance that a bad path turns good.
    const IMPROVES: f64 = 1.0 / 8.0;

    /// Losses that come to `share` of all packets in the long run; less than a half.
    pub fn new(share: f64, seed: u64) -> Bursts {
        let bad = share / Self::LOST;
        let worsens = Self::IMPROVES * bad / (1.0 - bad);
        let model = GilbertElliott {
            worsens: Probability::new(worsens),
            improves: Probability::new(Self::IMPROVES),
            lost_when_bad: Probability::new(Self::LOST),
            lost_when_good: Probability::NEVER,
        };
        Bursts { rng: fastrand::Rng::with_seed(seed), model, is_bad: [false; 2] }
    }

    /// Whether the next packet from `from` is lost.
    pub fn lose(&mut self, from: Side) -> bool {
        self.model.loses(&mut self.is_bad[from as usize], &mut self.rng)
    }
}

impl Path {
    /// A world with this path between two TCPs of the same making.
    pub fn world(&self, config: &Config, seed: u64) -> World {
        let [a, b] = [1, 2].map(|n| Box::new(Tcp::new(config.clone(), seed << 8 | n)));
        self.world_of(a, b, seed)
    }

    /// A world with this path between any two TCPs.
    pub fn world_of(&self, a: Box<dyn Streams>, b: Box<dyn Streams>, seed: u64) -> World {
        let bytes = (self.bandwidth / 8).max(1);
        let link = LinkConfig {
            latency: self.rtt / 2,
            loss: self.trouble.loss,
            duplication: self.trouble.duplication,
            reordering: self.trouble.reordering,
            delay: self.rtt / 4,
            rate: Some(bytes),
            queue: self.rtt + Duration::from_nanos(QUEUED * PACKET * 1_000_000_000 / bytes),
            ..LinkConfig::default()
        };
        let mut world = World::with_link(seed, link, a, b);
        if self.trouble.bursts > 0.0 {
            let mut bursts = Bursts::new(self.trouble.bursts, seed);
            world.lose_all(move |from, _| bursts.lose(from));
        }
        world
    }

    /// As [`Path::transfer_in`], between two TCPs of the same making.
    pub fn transfer(&self, config: &Config, len: usize, seed: u64) -> Outcome {
        self.transfer_in(self.world(config, seed), len)
    }

    /// Sends `len` bytes from A, which connects, to B; compares each, and closes both ends.
    ///
    /// # Panics
    /// Where a byte is wrong, the transfer stops, or something is left of the connection.
    pub fn transfer_in(&self, mut world: World, len: usize) -> Outcome {
        let pair = world.connect_pair(80);
        let start = world.now();
        let mut sent = 0;
        let mut received = 0;
        // What is to be sent next, and did not fit yet.
        let mut chunk = Vec::new();
        let mut end: Option<Instant> = None;
        let mut step = |world: &mut World| {
            while sent < len && world.a.readiness(pair.a).contains(Readiness::WRITABLE) {
                if chunk.is_empty() {
                    chunk = pattern(sent, CHUNK.min(len - sent));
                }
                match world.a.send(pair.a, &chunk) {
                    Ok(bytes) => {
                        sent += bytes;
                        chunk.drain(..bytes);
                    }
                    Err(SocketError::WouldBlock) => break,
                    Err(error) => panic!("{self:?}: sending at {sent}: {error}"),
                }
            }
            while received < len && world.b.readiness(pair.b).contains(Readiness::READABLE) {
                let some = match world.b.receive(pair.b, CHUNK) {
                    Ok(some) => some,
                    Err(SocketError::WouldBlock) => break,
                    Err(error) => panic!("{self:?}: receiving at {received}: {error}"),
                };
                assert!(!some.is_empty(), "{self:?}: the end, at {received}");
                let expected = pattern(received, some.len());
                assert!(some == expected, "{self:?}: wrong bytes at {received}");
                received += some.len();
            }
            forget(world);
            if received == len {
                end = end.or(Some(world.now()));
            }
            (received, end)
        };
        // For as long as it goes on, though that be a week.
        let mut before = 0;
        let end = loop {
            world.drive_until(|world| step(world).1.is_some());
            match step(&mut world) {
                (_, Some(end)) => break end,
                (received, None) => {
                    assert!(received > before, "{self:?}: stuck with {received} of {len} bytes");
                    before = received;
                }
            }
        };
        let time = end - start;
        let info = world.a.info(pair.a).expect("an open socket");
        // TCPs that others wrote count none.
        let counters = world.a.tcp.counters();
        let timeouts = counters.iter().find(|counter| counter.name == "retransmission timeouts");
        let outcome = Outcome {
            time,
            goodput: len as f64 * 8.0 / time.as_secs_f64(),
            retransmitted: info.total_retrans,
            timeouts: timeouts.map_or(0, |counter| counter.count),
        };
        world.a.close(pair.a);
        assert!(
            world.drive_until(|world| world.b.receive(pair.b, 1) == Ok(vec![])),
            "{self:?}: no end of the stream"
        );
        world.b.close(pair.b);
        world.drive_for(ENDING);
        for host in [&world.a, &world.b] {
            assert_eq!(host.tcp.sockets(host.now), [], "{self:?}: something is left");
            assert_eq!(host.tcp.poll_at(), None, "{self:?}: a timer is left");
        }
        outcome
    }
}

/// Keeps the log short.
fn forget(world: &mut World) {
    if world.log.len() > 10 * LOGGED {
        let old = world.log.len() - LOGGED;
        world.log.drain(..old);
    }
}
