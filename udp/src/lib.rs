//! Datagrams with ports (RFC 768).
//!
//! ```text
//!  socket      UdpSocket: bind, connect, send, receive
//!  udp     <-- you are here: which socket is a datagram for?
//!  ip          carries it to the host; icmp reports what became of it
//!  arp
//!  netdev
//! ```
//!
//! UDP adds two ports and a checksum to IP. What is left to do is to find the one socket, of
//! perhaps thousands, that a datagram is for:
//!
//! ```text
//!  a datagram from 10.0.0.2:4000 to 10.0.0.1:53 is for the first there is of
//!    a socket connected from 10.0.0.1:53 to 10.0.0.2:4000
//!    a socket bound to 10.0.0.1:53
//!    a socket bound to 0.0.0.0:53
//!    nobody: Input::Unreachable, and ICMP tells the sender
//!  a broadcast or multicast is for all of them that can mean it; and for nobody, silently
//! ```
//!
//! Where to read: [`Datagrams`] (the trait), `wire.rs` (header and checksum), `table.rs` (the
//! search above, in three hash tables), `ports.rs` (ephemeral ports), `socket.rs` (one socket and
//! its queue), `udp.rs` (the calls of sockets), `delivery.rs` (what arrives), `simple.rs` (the second implementation, in one file).
//!
//! # Which RFCs it keeps
//! 768, 1122 §4.1, 6056 §3.3.1 (ephemeral ports), 1112 §6.1 (multicast), 1191 (with
//! [`Setting::DontFragment`]).
//!
//! # What it does not do (yet)
//! IPv6, IP options (RFC 1122 §4.1.3.2), UDP-Lite, segmentation offload, binding to a subnet's
//! broadcast address.
//!
//! # Deviations
//! - RFC 1122 §4.1.3.3 wants every ICMP error passed to the application. As on Linux (and with
//!   `std::net`) only a connected socket is told: an unconnected one talks to many, and would
//!   have to guess which of them an error on its next call means. Source quench is ignored
//!   (RFC 6633), redirects are IP's, and "fragmentation needed" concerns only who set DF.
//! - Where Linux keeps "soft" errors (network, host unreachable) from a connected socket unless
//!   it asked for them, this layer follows the RFC and passes them on.
//! - A multicast is for the sockets that joined its group, on whichever interface; not (as Linux
//!   does by default) for every socket at the port.
//! - A unicast datagram for a port where only sockets connected to other peers are is answered as
//!   if nobody listened, as on Linux: else a busy port could be told from a closed one.
//! - The queue counts 512 bytes for each datagram beside its data.
//!
//! # On virtual time
//! ```
//! use std::net::IpAddr;
//! use ip::{Cause, Datagram, Header, Hop, IfIndex, Output, Route, SendError};
//! use netdev::{Cast, Instant, Packet};
//! use udp::{Config, Datagrams, Input, Udp};
//!
//! /// The layers below are a `Vec`, and everything is on one link.
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
//! let (mut below, now) = (Sent(Vec::new()), Instant::ZERO);
//! let mut udp = Udp::new(Config::default(), 42);
//! let socket = udp.open()?;
//! udp.bind(socket, "10.0.0.1:7".parse().unwrap(), &below)?;
//! udp.send(now, socket, Some("10.0.0.2:7".parse().unwrap()), b"hello", &mut below)?;
//!
//! // The wire turns the datagram round: with both ports the same, the checksum stays right.
//! let (sent, packet) = below.0.remove(0);
//! let header = Header { src: sent.dst, dst: sent.src, ..sent };
//! let (iface, cast) = (IfIndex(1), Cast::Unicast);
//! let echoed = Datagram { header, iface, cast, header_len: 0, payload: packet };
//! assert!(matches!(udp.input(now, echoed), Input::Delivered));
//! assert_eq!(udp.changed(), Some(socket));
//! assert_eq!(&udp.receive(socket, false)?.data[..], b"hello");
//! # Ok::<(), ip::SocketError>(())
//! ```
#![warn(missing_docs)]

mod api;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod delivery;
mod drop_reason;
mod hash;
mod ports;
mod simple;
mod socket;
mod stat;
mod table;
#[cfg(test)]
mod tests;
mod udp;
mod wire;

pub use api::{Datagrams, Info, Input, Received, Setting};
pub use config::Config;
pub use drop_reason::DropReason;
pub use simple::SimpleUdp;
pub use udp::Udp;
