//! The echo service (RFC 862).

use std::collections::BTreeMap;

use ip::{Handle, SocketError};
use socket::Key;

use crate::sim::{Event, Io, Program};

/// Bytes that are taken from a connection at once.
const CHUNK: usize = 1 << 14;

/// An echo server for TCP and UDP at one port.
#[derive(Debug)]
pub struct EchoServer {
    port: u16,
    listener: Option<Handle>,
    connections: BTreeMap<Handle, Echo>,
    buffer: Vec<u8>,
    /// Connections that it accepted.
    pub accepted: u64,
    /// Connections that ended with an error.
    pub failed: u64,
    /// Bytes and datagrams that it sent back.
    pub echoed: (u64, u64),
}

/// What a connection's peer is still to get.
#[derive(Debug, Default)]
struct Echo {
    held: Vec<u8>,
}

impl EchoServer {
    /// At a port.
    pub fn new(port: u16) -> EchoServer {
        EchoServer {
            port,
            listener: None,
            connections: BTreeMap::new(),
            buffer: vec![0; CHUNK],
            accepted: 0,
            failed: 0,
            echoed: (0, 0),
        }
    }

    /// Connections that it has now.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    fn datagrams(&mut self, socket: Handle, io: &mut Io<'_>) {
        loop {
            match io.receive_from(socket) {
                Ok(received) => {
                    let sent = io.send_to(socket, received.from, &received.data);
                    self.echoed.1 += u64::from(sent.is_ok());
                }
                Err(SocketError::WouldBlock) => return,
                // Of an earlier datagram: whoever asked is gone.
                Err(_) => {}
            }
        }
    }

    /// Sends back what can be; whether the connection is over.
    fn echo(&mut self, socket: Handle, io: &mut Io<'_>) -> Result<bool, SocketError> {
        let Some(echo) = self.connections.get_mut(&socket) else { return Ok(false) };
        loop {
            while !echo.held.is_empty() {
                let count = match io.send(socket, &echo.held) {
                    Err(SocketError::WouldBlock) => return Ok(false),
                    sent => sent?,
                };
                echo.held.drain(..count);
                self.echoed.0 += count as u64;
            }
            let count = match io.receive(socket, &mut self.buffer) {
                Ok(0) => return Ok(true),
                Err(SocketError::WouldBlock) => return Ok(false),
                received => received?,
            };
            // What cannot be sent now is held, and no more is read before it is gone.
            echo.held.extend(&self.buffer[..count]);
        }
    }
}

impl Program for EchoServer {
    fn on(&mut self, event: Event, io: &mut Io<'_>) {
        match event {
            Event::Start => {
                self.listener = Some(io.listen(self.port, 128).expect("a free port"));
                io.udp(self.port).expect("a free port");
            }
            Event::Ready(Key::Tcp(socket)) if Some(socket) == self.listener => {
                while let Ok((connection, _)) = io.accept(socket) {
                    self.accepted += 1;
                    self.connections.insert(connection, Echo::default());
                    // What came before it was accepted has made no event of its own.
                    self.on(Event::Ready(Key::Tcp(connection)), io);
                }
            }
            Event::Ready(Key::Tcp(socket)) => {
                let over = self.echo(socket, io);
                self.failed += u64::from(over.is_err());
                if over.unwrap_or(true) {
                    self.connections.remove(&socket);
                    io.close(Key::Tcp(socket));
                }
            }
            Event::Ready(Key::Udp(socket)) => self.datagrams(socket, io),
            Event::Ready(Key::Raw(_)) | Event::Alarm => {}
        }
    }
}
