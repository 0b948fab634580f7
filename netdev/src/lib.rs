//! Devices, Ethernet, and the vocabulary that every layer shares.
//!
//! ```text
//!   app      wires everything into one program
//!   shell    commands
//!   socket   sockets, the stack, its event loop
//!   tcp  udp  icmp
//!   ip
//!   arp
//! > netdev   devices, decorators, Ethernet; Instant, Packet, MacAddr, checksum
//! ```
//!
//! # The tour
//!
//! **What everybody speaks.** A [`Packet`] is the one owned buffer that goes through all layers;
//! headers are prepended and stripped in place, and it knows what is left to the device to do
//! ([`Checksum`], [`Segmentation`]). [`Instant`] is a time that the caller gives. [`Counts`] and
//! [`reasons!`] make sure that nothing is dropped without a name and a number. [`checksum`] is the
//! Internet checksum. Read `packet.rs` first.
//!
//! **The trait.** A [`Device`] sends and receives packets and never blocks; `api.rs` is all that
//! another implementation has to know.
//!
//! | device | what it is | where it runs |
//! | --- | --- | --- |
//! | [`Loopback`] | oneself | anywhere |
//! | [`Wire`] | a cable in memory, on virtual time | anywhere |
//! | [`UnixLink`] | a Unix socket, to another process or a QEMU guest | any Unix |
//! | `Tap` | the kernel at the other end | Linux |
//! | `PacketSocket` | an interface that exists | Linux |
//!
//! **Decorators** are devices around a device, in any order: a [`FaultInjector`] loses, doubles,
//! reorders, corrupts, marks and delays; a [`Capture`] records pcapng for Wireshark; a [`Tracer`]
//! says a line a packet ([`describe`] is its pure part).
//!
//! **Ethernet.** A [`Port`] is what the stack holds: a device with a [`MacAddr`]. On the way up it
//! takes ARP and IPv4 and drops, with a reason, what is too short, for others, from ourselves, or
//! of a type that nobody here speaks. On the way down it adds the header, and does in software
//! what a device without offload does not.
//!
//! ```text
//!               arp  ip                        transmit v   ^ receive
//!              +--------+
//!              |  Port  |  header, demultiplexing, checksums and segments in software
//!              +--------+
//!              |Capture |  what is received, after the faults
//!              | Faults |  each direction on its own
//!              |Capture |  what is sent, after the faults
//!              +--------+
//!              | Device |  wire, loopback, Unix socket, TAP, TUN, macvtap, packet socket
//!              +--------+
//! ```
//!
//! # Which RFCs it keeps
//!
//! RFC 894 and RFC 1122 §2.3.3 (IP over Ethernet; 802.3 encapsulation is recognised and dropped),
//! RFC 1112 §6.4 (the Ethernet address of a multicast group), RFC 1071 and RFC 1624 (the checksum
//! and its update), RFC 3168 §5 and §6.1.2 (the marks of a congested router, CWR when a segment is
//! cut). On a stream socket it frames as QEMU does.
//!
//! # What it does not do
//!
//! VLAN tags and IPv6 are dropped and counted. A port takes the frames of every multicast group:
//! IP knows which ones it is a member of. Frames are not padded to Ethernet's 60 bytes, which is
//! the business of whatever puts them on a real cable. Urgent data is not looked after when a
//! segment is cut.
//!
//! # An example
//!
//! Two ports over a wire that takes 5 ms, one of them behind a link that doubles everything and
//! takes 20 ms more. No clock is read: time goes from one [`Port::poll_at`] to the next.
//!
//! ```
//! use netdev::{
//!     EtherType, FaultConfig, FaultInjector, Instant, MacAddr, Packet, Port, Probability, Wire,
//! };
//! use std::time::Duration;
//!
//! let (a, b) = Wire::pair(Duration::from_millis(5));
//! let bad = FaultConfig {
//!     duplicate: Probability::ALWAYS,
//!     delay: Duration::from_millis(20),
//!     ..FaultConfig::default()
//! };
//! let a = FaultInjector::new(Box::new(a), bad, FaultConfig::default(), 1);
//! let mut a = Port::new(Box::new(a), "02:00:00:00:00:0a".parse()?);
//! let mut b = Port::new(Box::new(b), "02:00:00:00:00:0b".parse()?);
//!
//! let mut now = Instant::ZERO;
//! a.transmit(now, b.mac(), EtherType::IPV4, Packet::from_payload(b"a datagram"));
//! assert!(b.receive(now).is_none());
//!
//! let mut seen = Vec::new();
//! while let Some(at) = netdev::sooner(a.poll_at(), b.poll_at()) {
//!     now = at;
//!     a.flush(now);
//!     while let Some(frame) = b.receive(now) {
//!         assert_eq!(&frame.packet[..], b"a datagram");
//!         seen.push(now.millis());
//!     }
//! }
//! assert_eq!(seen, [25, 25]);
//! # Ok::<(), netdev::ParseMacError>(())
//! ```
#![warn(missing_docs)]

mod api;
mod capture;
pub mod checksum;
mod chunks;
#[cfg(feature = "conformance")]
pub mod conformance;
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
mod random;
mod segment;
mod tracer;
mod unix_link;
mod watch;
mod wire;

pub use api::{Capabilities, Device, DropReason, Interest, LinkState, Medium, Stats};
pub use capture::{Capture, CaptureError, CaptureFile, CaptureInterface};
pub use chunks::{CHUNK, give_chunk, take_chunk};
pub use counters::{Counter, Counts, Reason};
pub use direction::{Direction, Directions};
pub use dump::describe;
pub use faults::{
    FaultConfig, FaultControl, FaultCounts, FaultInjector, FaultPath, GilbertElliott, Loss,
    ParseQuantityError, Probability, Rate, parse_duration,
};
pub use instant::{Instant, sooner};
#[cfg(target_os = "linux")]
pub use linux::{
    Error as LinuxError, Macvtap, Mode as TapMode, PacketOptions, PacketSocket, Tap, TapFacts,
    TapOptions, namespace, vnet,
};
pub use loopback::Loopback;
pub use mac::{Cast, EtherType, MacAddr, ParseMacError};
pub use packet::{Checksum, Faults, HEADROOM, Packet, Segmentation};
pub use port::{Frame, Port};
pub use random::Random;
pub use tracer::{TraceSink, Tracer};
pub use unix_link::{UnixLink, UnixLinkError};
pub use watch::Watcher;
pub use wire::{Wire, WireConfig, WireEnd};
