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
//! A datagram on its way **up**, through [`Internet::input`]: `checks.rs` reads its header and
//! says whether it is well formed, where it may have come from and for whom it is. For another
//! host: `forward.rs` passes it on. A fragment for this host waits in `reassembly.rs`. The rest is
//! delivered: it comes out of `input` as a value, and the stack's glue hands it to a transport.
//!
//! A datagram on its way **down**, through [`Internet::send`]: `ways.rs` asks `routes.rs`,
//! `redirects.rs` and `pmtu.rs` for the way, `output.rs` writes the header (with an ID of
//! `ident.rs`) and hands it to the [`NextHop`] below, in pieces (`fragments.rs`) where it is too
//! long.
//!
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
mod counters;
mod drop_reason;
mod forward;
mod fragments;
mod groups;
mod header;
mod ident;
mod interfaces;
mod learnt;
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
#[cfg(test)]
mod tests;
mod transport;
mod ways;
mod wire;

pub use api::{
    Change, Error, Hop, Input, Internet, NextHop, Offload, Output, Report, Route, SendError,
};
pub use cause::Cause;
pub use config::{Cidr, Interface, ParseCidrError, RouteEntry, RouteOrigin};
pub use drop_reason::DropReason;
pub use header::{Datagram, Ecn, Header, IfIndex, Options, Protocol, Tos, Ttl};
pub use quoted::Quoted;
pub use router::Router;
pub use settings::Config;
pub use simple::SimpleHost;
pub use transport::{Handle, Readiness, SocketError};
