//! Answers datagrams, one after the other.

use std::io;
use std::net::SocketAddr;

use socket::{Net, UdpSocket};

use super::DatagramService;
use crate::Interrupt;
use crate::waiter::{Waited, Waiter};

/// The largest UDP datagram over IPv4 in bytes.
const MAX_DATAGRAM: usize = 65_507;
/// Ports below this are services. A datagram from one is not answered: with a forged source two
/// services would talk to each other for ever (the reason why RFC 862 to 864 have a bad name).
const FIRST_CLIENT_PORT: u16 = 1024;

/// A service at a UDP port.
pub(crate) struct DatagramServer {
    net: Net,
    socket: UdpSocket,
    service: Box<dyn DatagramService>,
}

impl DatagramServer {
    /// Takes datagrams at `addr`.
    pub(crate) fn bind(
        net: &Net,
        addr: SocketAddr,
        service: Box<dyn DatagramService>,
    ) -> io::Result<DatagramServer> {
        let socket = UdpSocket::bind(net, addr)?;
        socket.set_nonblocking(true)?;
        Ok(DatagramServer { net: net.clone(), socket, service })
    }

    /// Answers until `stop` is raised.
    pub(crate) fn run(mut self, stop: &Interrupt) -> io::Result<()> {
        let waiter = Waiter::new(&self.net, &self.socket, stop)?;
        let mut buffer = vec![0; MAX_DATAGRAM];
        while !stop.is_raised() {
            let (len, from) = match self.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if waiter.wait(None)? == Waited::Interrupted {
                        break;
                    }
                    continue;
                }
                // The link or the stack is gone for good: it would say so again and again.
                Err(error) if error.kind() == io::ErrorKind::NetworkDown => return Err(error),
                // An answer of ours came to nothing; that is no reason to end.
                Err(error) => {
                    tracing::debug!(%error, "receive");
                    continue;
                }
            };
            let Some(answer) = self.service.answer(&buffer[..len]) else { continue };
            if from.port() < FIRST_CLIENT_PORT {
                tracing::debug!(%from, "not answered: a service's port");
                continue;
            }
            if let Err(error) = self.socket.send_to(&answer, from) {
                tracing::debug!(%from, %error, "answer");
            }
        }
        Ok(())
    }
}
