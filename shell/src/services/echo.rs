//! RFC 862: whatever comes goes back.

use std::io::{self, Read, Write};

use socket::TcpStream;

use super::{DatagramService, StreamService};

/// Bytes that are in hand at a time.
const BUFFER: usize = 64 * 1024;

/// The echo service.
pub(crate) struct Echo;

impl StreamService for Echo {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(()),
                len => stream.write_all(&buffer[..len])?,
            }
        }
    }
}

impl DatagramService for Echo {
    fn answer(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        Some(datagram.to_vec())
    }
}
