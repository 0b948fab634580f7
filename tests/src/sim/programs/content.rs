//! What bulk transfers carry, so that any wrong byte is seen.

use std::net::SocketAddr;
use std::sync::OnceLock;

use ip::{Handle, SocketError};

use crate::sim::Io;

/// The content repeats after so many bytes; a prime, so that no power of two of bytes lost or
/// doubled goes unseen.
const PERIOD: usize = 65_521;

/// The bytes of one connection's stream, which are others for every client and port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    offset: usize,
}

impl Content {
    /// What a client sends on a connection that it opened from `client`.
    pub(super) fn of(client: SocketAddr) -> Content {
        let host = match client.ip() {
            std::net::IpAddr::V4(addr) => addr.to_bits() as usize,
            std::net::IpAddr::V6(addr) => addr.to_bits() as usize,
        };
        Content { offset: (host % PERIOD * 251 + usize::from(client.port()) * 97) % PERIOD }
    }

    /// The bytes from a place on: `most` of them, or as many as can be had in a row, but one.
    pub(super) fn at(self, place: u64, most: usize) -> &'static [u8] {
        let start = (self.offset + (place % PERIOD as u64) as usize) % PERIOD;
        &table()[start..][..most.min(PERIOD)]
    }

    /// Whether `bytes` are what is at a place.
    pub(super) fn is_at(self, mut place: u64, bytes: &[u8]) -> bool {
        bytes.chunks(PERIOD).all(|chunk| {
            let same = self.at(place, chunk.len()) == chunk;
            place += chunk.len() as u64;
            same
        })
    }
}

/// What is sent on a connection that was just made, or why it was not.
pub(super) fn connected(socket: Handle, io: &mut Io<'_>) -> Result<Content, SocketError> {
    // A connect that has failed is writable as well.
    io.take_error(socket).map_or(Ok(()), Err)?;
    Ok(Content::of(io.info(socket)?.local))
}

/// Two periods, so that one is in a row from anywhere.
fn table() -> &'static [u8] {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut rng = fastrand::Rng::with_seed(0x7e57);
        let period: Vec<u8> = (0..PERIOD).map(|_| rng.u8(..)).collect();
        [&period[..], &period].concat()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_at_a_wrong_place_or_of_another_stream_is_wrong() {
        let content = Content::of("10.0.0.1:1000".parse().unwrap());
        for place in [0, 1, 65_000, 65_520, 1 << 40] {
            let bytes = content.at(place, 3000);
            assert_eq!(bytes.len(), 3000);
            assert!(content.is_at(place, bytes));
            for shift in [1, 1448, 65_536, 1 << 20] {
                assert!(!content.is_at(place + shift, bytes), "{place} + {shift}");
            }
        }
        for other in ["10.0.0.1:1001", "10.0.0.2:1000"] {
            let other = Content::of(other.parse().unwrap());
            assert!(!content.is_at(0, other.at(0, 100)));
        }
        let long = [content.at(0, PERIOD), content.at(0, PERIOD)].concat();
        assert!(content.is_at(PERIOD as u64, &long) && !content.is_at(1, &long));
    }
}
