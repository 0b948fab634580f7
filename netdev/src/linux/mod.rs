//! Links to the Linux kernel: a TAP or TUN, or a packet socket on one end of a cable, and the
//! private network in which an ordinary user can have them; and links to where the kernel's own
//! lead, a macvtap on a network card or a packet socket on it.
//!
//! ```text
//!   the stack                               the kernel's own stack
//!   ---------                               ----------------------
//!   Device: Tap ------ /dev/net/tun ------- interface tap0, 10.0.0.2/24
//!   Device: PacketSocket --- veth pair ---- interface tap0, 10.0.0.2/24
//!
//!   Device: Macvtap ----- /dev/tap7 ------ eth0 ---- its network
//!   Device: PacketSocket ----------------- eth0 ---- its network
//! ```
//!
//! [`namespace`] makes one of the first two, with everything around it, in one call.

mod error;
#[cfg(test)]
mod exchange;
mod format;
mod frames;
mod macvtap;
pub mod namespace;
mod netlink;
mod packet_socket;
mod sys;
mod tap;
pub mod vnet;

pub use error::Error;
pub use macvtap::Macvtap;
pub use packet_socket::{PacketOptions, PacketSocket};
pub use tap::{Mode, Tap, TapFacts, TapOptions};
