//! What `serve` serves: the small services of RFC 862 to 864, and a web server.

pub(crate) mod chargen;
mod datagrams;
pub(crate) mod discard;
pub(crate) mod echo;
pub(crate) mod http;
mod streams;
mod workers;

pub(crate) use datagrams::DatagramServer;
pub(crate) use streams::StreamServer;

use std::io;

use socket::TcpStream;

/// Serves one connection at a time to each of many threads.
pub(crate) trait StreamService: Send + Sync {
    /// Serves `stream` until its end. The server closes it afterwards; an error is the peer's
    /// business alone, and is logged.
    fn serve(&self, stream: TcpStream) -> io::Result<()>;
}

/// Answers datagrams.
pub(crate) trait DatagramService: Send {
    /// Takes one, and gives the answer to it, if there is one.
    fn answer(&mut self, datagram: &[u8]) -> Option<Vec<u8>>;
}
