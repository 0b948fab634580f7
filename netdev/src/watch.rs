//! Whoever looks on while packets pass a port.

use crate::{Direction, Instant, Medium, Packet};

/// Sees every packet that passes a [`Port`](crate::Port), as the device gives or gets it: with its
/// link header, those for others too, and one that stands for several as one.
///
/// It is called in the midst of receiving and sending, so it has to be quick and never waits.
pub trait Watcher: Send {
    /// A packet passes.
    fn saw(&mut self, now: Instant, direction: Direction, medium: Medium, packet: &Packet);

    /// Whether nobody wants to know any more: the port forgets it then.
    fn is_over(&self) -> bool;
}
