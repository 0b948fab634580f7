//! Requests and responses.

use std::net::SocketAddr;
use std::time::Duration;

use ip::{Handle, Readiness, SocketError};
use netdev::Instant;
use socket::Key;

use super::content::{Content, connected};
use crate::sim::{Event, Io, Program};

/// Asks an [`EchoServer`](super::EchoServer) over one connection: sends a request, waits for the
/// whole response, compares it, pauses, and asks again.
#[derive(Debug)]
pub struct Requester {
    peer: SocketAddr,
    len: usize,
    count: usize,
    pause: Duration,
    socket: Option<Handle>,
    content: Option<Content>,
    /// Bytes sent and received, of all requests.
    place: (u64, u64),
    buffer: Vec<u8>,
    asked: Instant,
    /// How long each response took.
    pub times: Vec<Duration>,
    /// How it ended, and when.
    pub ended: Option<(Instant, Result<(), SocketError>)>,
}

impl Requester {
    /// `count` requests of `len` bytes each, with a pause between.
    ///
    /// # Panics
    /// Where `peer` is not an address and a port, or nothing is to be asked.
    pub fn new(peer: &str, len: usize, count: usize, pause: Duration) -> Requester {
        assert!(len > 0 && count > 0, "nothing to ask");
        Requester {
            peer: peer.parse().expect("an address and a port"),
            len,
            count,
            pause,
            socket: None,
            content: None,
            place: (0, 0),
            buffer: vec![0; 4096],
            asked: Instant::ZERO,
            times: Vec::new(),
            ended: None,
        }
    }

    /// Whether all was answered.
    pub fn is_done(&self) -> bool {
        matches!(self.ended, Some((_, Ok(()))))
    }

    fn step(&mut self, io: &mut Io<'_>) -> Result<(), SocketError> {
        let Some(socket) = self.socket else { return Err(SocketError::WouldBlock) };
        let content = match self.content {
            Some(content) => content,
            None if !io.readiness(socket).contains(Readiness::WRITABLE) => {
                return Err(io.take_error(socket).unwrap_or(SocketError::WouldBlock));
            }
            None => {
                self.asked = io.now();
                *self.content.insert(connected(socket, io)?)
            }
        };
        let end = (self.times.len() as u64 + 1) * self.len as u64;
        loop {
            let (sent, received) = self.place;
            // Both ways at once: a request may be longer than all buffers on the way.
            let mut stuck = true;
            if sent < end {
                match io.send(socket, content.at(sent, (end - sent).min(1 << 14) as usize)) {
                    Ok(count) => (self.place.0, stuck) = (sent + count as u64, false),
                    Err(SocketError::WouldBlock) => {}
                    Err(error) => return Err(error),
                }
            }
            match io.receive(socket, &mut self.buffer) {
                Ok(0) => return Err(SocketError::Reset),
                Ok(count) => {
                    let right = content.is_at(received, &self.buffer[..count]);
                    assert!(right, "a wrong response at {received} + {count}, {}", io.now());
                    self.place.1 = received + count as u64;
                }
                Err(SocketError::WouldBlock) if stuck => return Err(SocketError::WouldBlock),
                Err(SocketError::WouldBlock) => {}
                Err(error) => return Err(error),
            }
            if self.place.1 == end {
                self.times.push(io.now() - self.asked);
                if self.times.len() == self.count {
                    return Ok(());
                }
                io.set_alarm(Some(io.now() + self.pause));
                self.asked = Instant::FAR_FUTURE;
                return Err(SocketError::WouldBlock);
            }
        }
    }
}

/// # Panics
/// Where a response is not what was asked.
impl Program for Requester {
    fn on(&mut self, event: Event, io: &mut Io<'_>) {
        let done = match event {
            Event::Start => match io.connect(self.peer) {
                Ok(socket) => {
                    self.socket = Some(socket);
                    return;
                }
                Err(error) => Err(error),
            },
            Event::Alarm => {
                self.asked = io.now();
                self.step(io)
            }
            // In a pause only the connection's end would be news, and it will be seen after it.
            Event::Ready(_) if self.asked == Instant::FAR_FUTURE => return,
            Event::Ready(_) => self.step(io),
        };
        if done != Err(SocketError::WouldBlock) {
            self.ended = Some((io.now(), done));
            self.socket.take().into_iter().for_each(|socket| io.close(Key::Tcp(socket)));
        }
    }
}
