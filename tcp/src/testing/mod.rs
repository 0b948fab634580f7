//! The bench: any [`Streams`](crate::Streams) on virtual time, with nothing real around it.
//!
//! Compiled under the feature `testing`, for the tests of this crate and for whoever writes a TCP
//! of their own.
//!
//! - [`World`]: two hosts and a link between them that delays, loses, duplicates, reorders and
//!   corrupts, from a seed. For what two machines do to each other.
//! - [`Script`]: one host, and the test itself as its peer: it injects hand-made segments and
//!   expects others. For what a host does, segment by segment.
//! - [`Seg`]: a segment, to be sent or to be expected.
//! - [`Host`]: a TCP with its clock and its [`Outbox`]; both worlds are made of it. It holds what
//!   is true of every TCP against each call and each packet: right checksums, no segment longer
//!   than the path takes, and no readiness that changes without [`Streams::changed`] saying so;
//!   a [`World`] adds that no data goes beyond the window that the other side offered.
//! - [`TimerBench`]: the queue of timers by itself.
//!
//! A test that fails prints its seed and every step so far with its virtual time.
//!
//! ```
//! use tcp::SmallTcp;
//! use tcp::testing::{Side, World};
//!
//! let mut world = World::new(1, Box::new(SmallTcp::new(1)), Box::new(SmallTcp::new(2)));
//! let pair = world.connect_pair(80);
//! world.transfer(pair, Side::A, b"hello");
//! ```
//!
//! [`Streams::changed`]: crate::Streams::changed

mod host;
mod link;
mod script;
mod seg;
mod timers;
mod windows;
mod world;

#[cfg(test)]
mod tests;

pub use host::{Host, Outbox, Sent};
pub use link::{Link, LinkConfig};
pub use script::{PEER, PEER_PORT, Script};
pub use seg::{Payload, Seg, seg};
pub use timers::TimerBench;
pub use world::{Driven, Logged, Pair, Side, World, pattern};
