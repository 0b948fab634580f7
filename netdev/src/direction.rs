//! Which way a packet passes a device.

use std::fmt;

/// Which way a packet passes a device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// Received: on its way up into the stack.
    Rx,
    /// Sent: on its way down to the wire.
    Tx,
}

bitflags::bitflags! {
    /// One direction or both.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Directions: u8 {
        /// What is received.
        const RX = 1;
        /// What is sent.
        const TX = 2;
    }
}

impl Direction {
    /// Whether this is one of `directions`.
    pub fn is_in(self, directions: Directions) -> bool {
        directions.contains(match self {
            Direction::Rx => Directions::RX,
            Direction::Tx => Directions::TX,
        })
    }
}

/// As tcpdump says it: `In` and `Out`.
impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Direction::Rx => "In",
            Direction::Tx => "Out",
        })
    }
}
