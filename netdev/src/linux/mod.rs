//! Links to the Linux kernel: a TAP, or a packet socket on one end of a cable, and the private
//! network in which an ordinary user can have them.
//!
//! ```text
//!   the stack                               the kernel's own stack
//!   ---------                               ----------------------
//!   Device: Tap ------ /dev/net/tun ------- interface tap0, 10.0.0.2/24
//!   Device: PacketSocket --- veth pair ---- interface tap0, 10.0.0.2/24
//! ```
//!
//! [`namespace`] makes either, with everything around it, in one call.

mod error;
#[cfg(test)]
mod exchange;
mod frames;
pub mod namespace;
mod netlink;
mod packet_socket;
mod sys;
mod tap;
pub mod vnet;

pub use error::Error;
pub use packet_socket::{PacketOptions, PacketSocket};
pub use tap::{Tap, TapFacts, TapOptions};
