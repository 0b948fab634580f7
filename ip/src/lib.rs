//! Addresses, routes, forwarding and fragments (RFC 791).
mod api;
mod cause;
mod config;
mod drop_reason;
mod header;
mod quoted;
mod transport;

pub use api::{
    Change, Error, Hop, Input, Internet, NextHop, Offload, Output, Report, Route, SendError,
};
pub use cause::Cause;
pub use config::{Cidr, Interface, ParseCidrError, RouteEntry, RouteOrigin};
pub use drop_reason::DropReason;
pub use header::{Datagram, Ecn, Header, IfIndex, Options, Protocol, Tos, Ttl};
pub use quoted::Quoted;
pub use transport::{Handle, Readiness, SocketError};
