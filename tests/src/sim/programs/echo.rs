//! The echo service (RFC 862).

use std::collections::BTreeMap;

use ip::{Handle, SocketError};
use socket::Key;

use crate::sim::{Event, Io, Program};

/// Bytes of a connection that wait to be sent back, at most: then it reads no more.
const HELD: usize = 1 << 16;

/// An echo server for TCP and UDP at one port.
#[derive(Debug)]
pub struct EchoServer {
    port: u16,
    listener: Option<Handle>,
    connections: BTreeMap<Handle, Echo>,
    /// Connections that it accepted.
    pub accepted: u64,
    /// Connections that ended with an error.
    pub failed: u64,
    /// Bytes and datagrams that it sent back.
    pub echoed: (u64, u64),
}

#[derive(Debug, Default)]
struct Echo {
    held: Vec<u8>,
    ended: bool,
}

impl EchoServer {
    /// At a port.
    pub fn new(port: u16) -> EchoServer {
        let connections = BTreeMap::new();
        EchoServer { port, listener: None, connections, accepted: 0, failed: 0, echoed: (0, 0) }
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
            let mut stuck = true;
            if !echo.ended && echo.held.len() < HELD {
                let held = echo.held.len();
                echo.held.resize(HELD, 0);
                let received = io.receive(socket, &mut echo.held[held..]);
                echo.held.truncate(held + *received.as_ref().unwrap_or(&0));
                match received {
                    Ok(0) => echo.ended = true,
                    Ok(_) => stuck = false,
                    Err(SocketError::WouldBlock) => {}
                    Err(error) => return Err(error),
                }
            }
            if !echo.held.is_empty() {
                match io.send(socket, &echo.held) {
                    Ok(count) => {
                        echo.held.drain(..count);
                        self.echoed.0 += count as u64;
                        stuck = false;
                    }
                    Err(SocketError::WouldBlock) => {}
                    Err(error) => return Err(error),
                }
            }
            if stuck {
                return Ok(echo.ended && echo.held.is_empty());
            }
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
