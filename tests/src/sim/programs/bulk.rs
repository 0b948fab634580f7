//! Bulk transfers, each byte checked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use ip::{Handle, Readiness, SocketError};
use netdev::Instant;
use socket::Key;

use super::content::{Content, connected};
use crate::sim::{Event, Io, Program};

/// Bytes that are sent and received at once.
const CHUNK: usize = 1 << 14;

/// Connects to a [`Receiver`], sends it bytes, and closes when it has closed.
#[derive(Debug)]
pub struct Sender {
    peer: SocketAddr,
    len: u64,
    socket: Option<Handle>,
    content: Option<Content>,
    shut: bool,
    /// When it began.
    pub began: Option<Instant>,
    /// Bytes that the stack took so far.
    pub sent: u64,
    /// How it ended, and when: well, if the receiver had all and closed.
    pub ended: Option<(Instant, Result<(), SocketError>)>,
}

/// Takes connections of [`Sender`]s, and compares what they send.
#[derive(Debug)]
pub struct Receiver {
    port: u16,
    listener: Option<Handle>,
    connections: BTreeMap<Handle, (Content, u64)>,
    buffer: Vec<u8>,
    /// Bytes received on all connections; every one was right.
    pub received: u64,
    /// Connections that came to the end of their stream.
    pub complete: u64,
    /// Why the others ended.
    pub failed: Vec<SocketError>,
}

impl Sender {
    /// Sends `len` bytes to `peer`.
    ///
    /// # Panics
    /// Where `peer` is not an address and a port.
    pub fn new(peer: &str, len: u64) -> Sender {
        Sender::to(peer.parse().expect("an address and a port"), len)
    }

    /// Sends `len` bytes to `peer`.
    pub(super) fn to(peer: SocketAddr, len: u64) -> Sender {
        Sender {
            peer,
            len,
            socket: None,
            content: None,
            shut: false,
            began: None,
            sent: 0,
            ended: None,
        }
    }

    /// Whether it ended well.
    pub fn is_done(&self) -> bool {
        matches!(self.ended, Some((_, Ok(()))))
    }

    /// How long it took.
    pub fn took(&self) -> Option<Duration> {
        Some(self.ended?.0 - self.began?)
    }

    /// Its socket, as long as it has one.
    pub(super) fn socket(&self) -> Option<Handle> {
        self.socket
    }

    fn step(&mut self, socket: Handle, io: &mut Io<'_>) -> Result<(), SocketError> {
        let content = match self.content {
            Some(content) => content,
            None if !io.readiness(socket).contains(Readiness::WRITABLE) => {
                return Err(io.take_error(socket).unwrap_or(SocketError::WouldBlock));
            }
            None => *self.content.insert(connected(socket, io)?),
        };
        while self.sent < self.len {
            let most = (self.len - self.sent).min(CHUNK as u64) as usize;
            self.sent += io.send(socket, content.at(self.sent, most))? as u64;
        }
        if !self.shut {
            io.shutdown(socket)?;
            self.shut = true;
        }
        match io.receive(socket, &mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => panic!("a receiver sends nothing"),
            Err(error) => Err(error),
        }
    }
}

impl Program for Sender {
    fn on(&mut self, event: Event, io: &mut Io<'_>) {
        let done = match event {
            Event::Start => {
                self.began = Some(io.now());
                match io.connect(self.peer) {
                    Ok(socket) => {
                        self.socket = Some(socket);
                        return;
                    }
                    Err(error) => Err(error),
                }
            }
            Event::Ready(Key::Tcp(socket)) => self.step(socket, io),
            _ => return,
        };
        if done != Err(SocketError::WouldBlock) {
            self.ended = Some((io.now(), done));
            self.socket.take().into_iter().for_each(|socket| io.close(Key::Tcp(socket)));
        }
    }
}

impl Receiver {
    /// At a port.
    pub fn new(port: u16) -> Receiver {
        Receiver {
            port,
            listener: None,
            connections: BTreeMap::new(),
            buffer: vec![0; CHUNK],
            received: 0,
            complete: 0,
            failed: Vec::new(),
        }
    }

    /// Connections that it has now.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    fn step(&mut self, socket: Handle, io: &mut Io<'_>) -> Result<(), SocketError> {
        let Some((content, place)) = self.connections.get_mut(&socket) else {
            return Err(SocketError::WouldBlock);
        };
        loop {
            match io.receive(socket, &mut self.buffer)? {
                0 => return Ok(()),
                count => {
                    let right = content.is_at(*place, &self.buffer[..count]);
                    assert!(right, "wrong bytes at {place} + {count} at {}", io.now());
                    *place += count as u64;
                    self.received += count as u64;
                }
            }
        }
    }
}

/// # Panics
/// Where a byte is wrong.
impl Program for Receiver {
    fn on(&mut self, event: Event, io: &mut Io<'_>) {
        match event {
            Event::Start => self.listener = Some(io.listen(self.port, 128).expect("a free port")),
            Event::Ready(Key::Tcp(listener)) if Some(listener) == self.listener => {
                while let Ok((socket, peer)) = io.accept(listener) {
                    self.connections.insert(socket, (Content::of(peer), 0));
                    // What came before it was accepted has made no event of its own.
                    self.on(Event::Ready(Key::Tcp(socket)), io);
                }
            }
            Event::Ready(Key::Tcp(socket)) => {
                let done = self.step(socket, io);
                if done == Err(SocketError::WouldBlock) {
                    return;
                }
                self.connections.remove(&socket);
                match done {
                    Ok(()) => self.complete += 1,
                    Err(error) => self.failed.push(error),
                }
                io.close(Key::Tcp(socket));
            }
            _ => {}
        }
    }
}
