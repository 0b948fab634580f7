//! Many transfers after another.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use ip::{Handle, SocketError};
use netdev::Instant;
use socket::Key;

use super::Sender;
use crate::sim::{Event, Io, Program};

/// Makes transfers to a [`Receiver`](super::Receiver) at random times, of random lengths, several
/// at once where it comes so.
#[derive(Debug)]
pub struct Visitor {
    peer: SocketAddr,
    rng: fastrand::Rng,
    until: Instant,
    pause: Duration,
    most: u64,
    senders: BTreeMap<Handle, Sender>,
    /// Transfers that were begun.
    pub begun: u64,
    /// Transfers that ended well.
    pub done: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// How the others ended.
    pub failed: Vec<SocketError>,
}

impl Visitor {
    /// A transfer each `pause` on average, of `most` bytes at most, begun before `until`; all
    /// chance follows from `seed`.
    ///
    /// # Panics
    /// Where `peer` is not an address and a port.
    pub fn new(peer: &str, pause: Duration, most: u64, until: Instant, seed: u64) -> Visitor {
        Visitor {
            peer: peer.parse().expect("an address and a port"),
            rng: fastrand::Rng::with_seed(seed),
            until,
            pause,
            most,
            senders: BTreeMap::new(),
            begun: 0,
            done: 0,
            bytes: 0,
            failed: Vec::new(),
        }
    }

    /// Transfers that are under way.
    pub fn under_way(&self) -> usize {
        self.senders.len()
    }

    fn begin(&mut self, io: &mut Io<'_>) {
        // Many are short and few are long, as in life.
        let len = (self.most as f64 * self.rng.f64().powi(4)) as u64;
        let mut sender = Sender::to(self.peer, len);
        self.begun += 1;
        sender.on(Event::Start, io);
        match (sender.socket(), sender.ended) {
            (Some(socket), _) => drop(self.senders.insert(socket, sender)),
            (None, ended) => self.failed.extend(ended.and_then(|(_, result)| result.err())),
        }
    }
}

impl Program for Visitor {
    fn on(&mut self, event: Event, io: &mut Io<'_>) {
        match event {
            Event::Start => io.set_alarm(Some(io.now() + self.pause.mul_f64(self.rng.f64()))),
            Event::Alarm if io.now() < self.until => {
                self.begin(io);
                io.set_alarm(Some(io.now() + self.pause.mul_f64(2.0 * self.rng.f64())));
            }
            Event::Alarm => {}
            Event::Ready(Key::Tcp(socket)) => {
                let Some(sender) = self.senders.get_mut(&socket) else { return };
                sender.on(event, io);
                let Some((_, result)) = sender.ended else { return };
                match result {
                    Ok(()) => (self.done, self.bytes) = (self.done + 1, self.bytes + sender.sent),
                    Err(error) => self.failed.push(error),
                }
                self.senders.remove(&socket);
            }
            Event::Ready(_) => {}
        }
    }
}
