//! Devices, Ethernet, and the vocabulary that every layer shares.
#![warn(missing_docs)]

mod api;
mod capture;
pub mod checksum;
mod counters;
mod direction;
mod dump;
mod ethernet;
mod faults;
mod framing;
mod instant;
#[cfg(target_os = "linux")]
mod linux;
mod loopback;
mod mac;
mod packet;
mod pool;
mod port;
mod segment;
mod tracer;
mod unix_link;
mod wire;

pub use api::{Capabilities, Device, DropReason, Interest, LinkState, Medium, Stats};
pub use capture::{Capture, CaptureError, CaptureFile};
pub use counters::{Counter, Counts, Reason};
pub use direction::{Direction, Directions};
pub use dump::describe;
pub use faults::{
    FaultConfig, FaultControl, FaultCounts, FaultInjector, ParseQuantityError, Probability, Rate,
    parse_duration,
};
pub use instant::{Instant, sooner};
#[cfg(target_os = "linux")]
pub use linux::{
    Error as LinuxError, PacketOptions, PacketSocket, Tap, TapFacts, TapOptions, namespace, vnet,
};
pub use loopback::Loopback;
pub use mac::{Cast, EtherType, MacAddr, ParseMacError};
pub use packet::{Checksum, Faults, HEADROOM, Packet, Segmentation};
pub use port::{Frame, Port};
pub use tracer::{TraceSink, Tracer};
pub use unix_link::{UnixLink, UnixLinkError};
pub use wire::{Wire, WireConfig, WireEnd};
