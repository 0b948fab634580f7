//! Control messages (RFC 792).
//!
//! ```text
//!  socket      raw sockets read replies
//!  tcp  udp    learn from errors     +---------------------------+
//!  icmp    <-- you are here: ping is answered, senders are told  |
//!  ip          carries messages as any datagram, and learns the path MTU from errors
//!  arp
//!  netdev
//! ```
//!
//! Three things happen here, and each is one call:
//! - an echo request comes in ([`ControlMessages::input`]) and its reply goes out;
//! - an error about one of our datagrams comes in, and goes up as the value [`Input::Error`], for
//!   IP and the transport that sent it;
//! - a layer could not do something with a received datagram ([`ControlMessages::report`]), and
//!   its source is told, unless a rule of RFC 1122 §3.2.2 forbids it ([`Suppressed`] lists them).
//!
//! Where to read: [`ControlMessages`] (the trait), `wire.rs` (types, codes, and their
//! [`ip::Cause`]), `rules.rs` (when not to send), `limit.rs` (how often), `icmp.rs` (the layer),
//! `echo_only.rs` (the second implementation).
//!
//! # Which RFCs it keeps
//! 792, 1122 §3.2.2, 1812 §4.3 and §5.2.7, 1191 §4 (the MTU in 3/4), 6633 (no source quench).
//!
//! # What it does not do (yet)
//! Router discovery (RFC 1256), the extension structure of RFC 4884: it is behind the quote, and
//! ignored.
//!
//! # Deviations
//! - RFC 1122 §3.2.2 forbids errors to a loopback source. Where the datagram never left the host
//!   (127.0.0.1 to a closed port of itself) the source is one host, and its socket wants to know.
//! - RFC 1122 §3.2.2.6 wants an echo reply to carry the request's source route, reversed. IP refuses
//!   them (RFC 7126).
//! - A timestamp reply counts milliseconds from the start of the program, and says so by the highest
//!   bit (RFC 792): there is no calendar here.
//! - RFC 1812 §4.3.2.5 lets errors have the precedence of what they are about, or 6 or 7: here
//!   always 6, as Linux does it.
//! - RFC 1812 §4.3.2.8 leaves the kind of limit open: one bucket for all destinations here. What
//!   stays within the host is not limited.
//!
//! # On virtual time
//! ```
//! use icmp::{Config, ControlMessages, Icmp, Input};
//! use ip::{Cause, Datagram, Header, Hop, IfIndex, Output, Protocol, Route, SendError};
//! use netdev::{Cast, Instant, Packet, checksum::Sum};
//! use std::net::IpAddr;
//!
//! /// The layers below are a `Vec`, with a neighbour at every address.
//! struct Sent(Vec<(Header, Packet)>);
//! impl Output for Sent {
//!     fn route(&self, _: Instant, dst: IpAddr, _: Option<IpAddr>) -> Result<Route, Cause> {
//!         let source = [10, 0, 0, 1].into();
//!         let hop = Hop::Neighbour(dst);
//!         let (iface, mtu, offload) = (IfIndex(1), 1500, Default::default());
//!         Ok(Route { source, iface, hop, mtu, local: false, offload })
//!     }
//!     fn send(&mut self, _: Instant, header: &Header, p: Packet) -> Result<(), SendError> {
//!         self.0.push((header.clone(), p));
//!         Ok(())
//!     }
//!     fn is_local(&self, addr: IpAddr) -> bool {
//!         addr == IpAddr::from([10, 0, 0, 1])
//!     }
//! }
//!
//! let mut ping = *b"\x08\0\0\0\x12\x34\0\x01data";
//! let check = Sum::default().bytes(&ping).finish();
//! ping[2..4].copy_from_slice(&check.to_be_bytes());
//! let datagram = Datagram {
//!     header: Header::new([10, 0, 0, 2].into(), [10, 0, 0, 1].into(), Protocol::ICMP),
//!     iface: IfIndex(1),
//!     cast: Cast::Unicast,
//!     header_len: 0,
//!     payload: Packet::from_payload(&ping),
//! };
//!
//! let mut below = Sent(Vec::new());
//! let mut icmp = Icmp::new(Config::default(), 42);
//! assert_eq!(icmp.input(Instant::ZERO, datagram, &mut below), Input::Consumed);
//! let (header, pong) = &below.0[0];
//! assert_eq!(header.dst, IpAddr::from([10, 0, 0, 2]));
//! assert_eq!((pong[0], &pong[8..]), (0, &b"data"[..]));
//! ```
#![warn(missing_docs)]

mod api;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod drop_reason;
mod echo_only;
mod icmp;
mod limit;
mod rules;
mod stat;
#[cfg(test)]
mod tests;
mod wire;

pub use api::{ControlMessages, Input, Suppressed};
pub use config::Config;
pub use drop_reason::DropReason;
pub use echo_only::EchoOnly;
pub use icmp::Icmp;
