//! Addresses, routes, forwarding and fragments (RFC 791).
//!
//! ```text
//!    shell
//!    socket
//!    tcp  udp  icmp
//!  > ip <              from addresses to next hops, and back to transports
//!    arp
//!    netdev
//! ```
//!
//! [`Internet`] is the layer's trait; [`Router`] is the layer in full, [`SimpleHost`] the one that
//! a student writes first.
//!
//! A datagram on its way **up**, through [`Internet::input`]:
//!
//! ```text
//!  input -> checks.rs -+-> forward.rs -> fragments.rs ----> NextHop, below
//!           options.rs |      (for another host)
//!                      +-> reassembly.rs -+
//!                      |      (a fragment) |
//!                      +------------------+-> Input::Deliver: the transport's now
//! ```
//!
//! `checks.rs` reads its header and says whether it is well formed, where it may have come from
//! and for whom it is; what does not pass is dropped for a [`DropReason`], or comes back as a
//! [`Report`] for ICMP to tell its source.
//!
//! A datagram on its way **down**, through [`Internet::send`]:
//!
//! ```text
//!  send -> ways.rs ------> output.rs -> fragments.rs ----> NextHop, below
//!          routes.rs       ident.rs
//!          redirects.rs    wire.rs
//!          pmtu.rs
//! ```
//!
//! `ways.rs` finds interface, next hop, source and MTU, which [`Internet::route`] shows to
//! transports; `output.rs` writes the header and hands the datagram down, in pieces where it is
//! too long and may be cut.
//!
//! # What it keeps
//! RFC 791; RFC 1122 §3 (hosts); RFC 1812 §5 (routers), with RFC 2644; RFC 1112 §6 and §7, RFC 2236 and
//! RFC 3376 (IGMP, `igmp.rs`); RFC 919 (broadcasts); RFC 1191 (path MTUs); RFC 1624 (checksums in place); RFC 3021
//! (prefixes of 31 bits); RFC 3168 §5.3 (ECN in fragments); RFC 5722 (overlaps); RFC 6864 and
//! RFC 7739 (IDs); RFC 4787, RFC 5382 and RFC 5508 (translating addresses, `nat.rs`). Where it does something else: [`deviations`].
//!
//! # What it does not do
//! IPv6; following source routes; several paths at once, or routes by source.
//!
//! # Example
//! ```
//! use ip::{Change, Config, Header, Hop, IfIndex, Interface, Internet, NextHop, Protocol, Router};
//! use netdev::{Instant, Medium, Packet};
//!
//! /// The layer below, in a test: it only keeps what is sent.
//! #[derive(Default)]
//! struct Below(Vec<(Hop, Packet)>);
//! impl NextHop for Below {
//!     fn send(&mut self, _now: Instant, _iface: IfIndex, hop: Hop, packet: Packet) {
//!         self.0.push((hop, packet));
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut ip = Router::new(Config::default(), 1);
//! let interface = Interface {
//!     index: IfIndex(1),
//!     name: "tap0".into(),
//!     addrs: vec!["10.0.0.1/24".parse()?],
//!     mtu: 1500,
//!     medium: Medium::Ethernet,
//!     loopback: false,
//!     up: true,
//!     offload: Default::default(),
//! };
//! ip.configure(Instant::ZERO, Change::SetInterface(interface))?;
//!
//! let mut below = Below::default();
//! let header = Header::new("0.0.0.0".parse()?, "10.0.0.2".parse()?, Protocol::UDP);
//! let datagram = Packet::from_payload(&[0; 4000]);
//! ip.send(Instant::ZERO, &header, datagram, &mut below).map_err(|error| error.cause.to_string())?;
//!
//! let lengths: Vec<usize> = below.0.iter().map(|(_, packet)| packet.len()).collect();
//! assert_eq!(lengths, [1500, 1500, 20 + 4000 - 2 * 1480], "three fragments");
//! assert_eq!(below.0[0].0, Hop::Neighbour("10.0.0.2".parse()?));
//! # Ok(())
//! # }
//! ```
mod api;
mod cause;
mod checks;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod counters;
pub mod deviations;
mod drop_reason;
mod forward;
mod fragments;
mod groups;
mod header;
mod ident;
mod igmp;
mod interfaces;
mod learnt;
mod nat;
mod options;
mod output;
mod pmtu;
mod quoted;
mod reassembly;
mod redirects;
mod router;
mod routes;
mod settings;
mod simple;
mod transport;
mod ways;
mod wire;

#[cfg(test)]
mod tests;

pub use api::{
    Change, Error, Hop, Input, Internet, NextHop, Offload, Output, Report, Route, SendError,
};
pub use cause::Cause;
pub use config::{Cidr, Interface, ParseCidrError, RouteEntry, RouteOrigin};
pub use drop_reason::DropReason;
pub use header::{Datagram, Ecn, Header, IfIndex, Options, Protocol, Tos, Ttl};
pub use nat::{Filtering, Nat, NatSession, NatView, PortForward};
pub use quoted::Quoted;
pub use router::Router;
pub use settings::Config;
pub use simple::SimpleHost;
pub use transport::{Handle, Readiness, SocketError};
