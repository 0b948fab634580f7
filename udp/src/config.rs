//! The limits of UDP.

use std::ops::RangeInclusive;

/// The settings of [`Udp`](crate::Udp).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Sockets at once.
    pub sockets: usize,
    /// Ports for who asks for none: tapip's range, in which no service has a well-known one.
    pub ephemeral: RangeInclusive<u16>,
    /// A new socket's receive buffer in bytes.
    pub receive_buffer: usize,
    /// The largest that a socket may ask for.
    pub receive_buffer_max: usize,
    /// Group memberships of a socket (Linux's IP_MAX_MEMBERSHIPS).
    pub memberships: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            sockets: 65_536,
            ephemeral: 0x8000..=0xf000,
            receive_buffer: 256 << 10,
            receive_buffer_max: 16 << 20,
            memberships: 20,
        }
    }
}
