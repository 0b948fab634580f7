//! Source translation: a network of private addresses behind one address (RFC 4787 for UDP,
//! RFC 5382 for TCP, RFC 5508 for ICMP).
//!
//! ```text
//!   10.0.0.2:5000 --+                  +-- 192.0.2.1:16400 ---> 198.51.100.7:53
//!                   |   inside  outside|
//!   10.0.0.3:5000 --+------ router ----+-- 192.0.2.1:16402 ---> 198.51.100.7:53
//! ```
//!
//! `table.rs` knows which endpoint inside is which outside, and who outside may answer it;
//! `content.rs` reads the endpoints of a datagram, or of the one that an ICMP error quotes;
//! `rewrite.rs` exchanges them; `crossing.rs` does that to what the router forwards; `forwards.rs`
//! has the ports of servers inside.
//!
//! # What it keeps
//! - **Mapping** is independent of the endpoint outside (RFC 4787 REQ-1, RFC 5382 REQ-1, RFC 5508
//!   REQ-1): whatever a host sends from one port goes out from one port.
//! - **Ports**: the same as inside where it is free in [`Nat::ports`], else another of the same
//!   parity (REQ-4). None is given to two endpoints (REQ-3), nor one that a socket of the router has.
//! - **Filtering** as [`Filtering`] says (REQ-8).
//! - **Time**: what goes out keeps a mapping (REQ-6); what comes in does not, or a stranger could
//!   keep it for ever. An ICMP error neither keeps nor ends one (REQ-12, RFC 5382 REQ-10).
//! - **Hairpinning**: two hosts inside reach each other by their outside endpoints, and see them
//!   (REQ-9 a).
//! - **Errors** come to the host whose datagram they quote, with the quote as it was inside
//!   (RFC 5508 §4).
//! - **Fragments** are put together first, in whatever order they come (REQ-14).
//! - **IDs** are the router's own (RFC 6864 §5.3), for two hosts may have chosen the same.
//! - **Nothing comes in unasked**: an address inside is not reached from outside but by a mapping, or
//!   by a port that was forwarded to it ([`PortForward`]), which everybody may send to.
//!
//! # What it does not do
//! Translate other protocols (they are dropped and counted), look into payloads (no ALG, RFC 4787
//! REQ-10), use several outside addresses, keep ports under 1024 under 1024 (REQ-3 a), ask raw sockets
//! which ICMP identifiers they use: an echo reply for the router from a host that is also pinged from
//! inside, with an identifier of [`Nat::ports`], goes inside. Answer an unsolicited SYN after six
//! seconds of silence: RFC 5382 REQ-4 wants an ICMP error then, and allows (a) none.

mod content;
mod crossing;
mod forwards;
mod rewrite;
mod table;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

pub(crate) use rewrite::Rewrite;
pub(crate) use table::Table;

use crate::{IfIndex, Protocol};

/// A source translation between two interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nat {
    /// Whose hosts are hidden.
    pub inside: IfIndex,
    /// Whose address they share: its first, or that of the next hop's network.
    pub outside: IfIndex,
    /// Outside ports and ICMP identifiers. They should be nobody else's: the default is the 16,384
    /// below the range from which TCP and UDP take their ephemeral ones.
    pub ports: RangeInclusive<u16>,
    /// Who outside may send to a mapping.
    pub filtering: Filtering,
    /// Sessions that are remembered in all. For a session more, its host is told "prohibited"
    /// (RFC 5508 REQ-8).
    pub sessions: usize,
    /// Sessions of one host inside, so that none takes them all.
    pub sessions_per_host: usize,
    /// How long a UDP session is kept after the last datagram out: not under two minutes, and five
    /// or more are recommended (RFC 4787 REQ-5).
    pub udp: Duration,
    /// How long an established connection is kept: two hours and four minutes, so that keep-alives
    /// of the default interval are in time (RFC 5382 REQ-5).
    pub tcp_established: Duration,
    /// How long one is kept that is being opened or closed: four minutes (RFC 5382 REQ-5).
    pub tcp_transitory: Duration,
    /// How long an ICMP query is kept: sixty seconds (RFC 5508 REQ-2).
    pub icmp: Duration,
}

impl Nat {
    /// One that hides the hosts behind `inside` from those behind `outside`.
    pub fn new(inside: IfIndex, outside: IfIndex) -> Nat {
        Nat {
            inside,
            outside,
            ports: 16_384..=32_767,
            filtering: Filtering::default(),
            sessions: 8192,
            sessions_per_host: 2048,
            udp: Duration::from_secs(300),
            tcp_established: Duration::from_secs(2 * 3600 + 4 * 60),
            tcp_transitory: Duration::from_secs(4 * 60),
            icmp: Duration::from_secs(60),
        }
    }
}

/// Who outside may send to a mapping (RFC 4787 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filtering {
    /// Everybody, while there is a mapping: most programs work.
    EndpointIndependent,
    /// Whoever has an address that the endpoint inside has sent to. RFC 4787 REQ-8 recommends it
    /// where strictness counts more.
    #[default]
    AddressDependent,
    /// Only the very endpoints that it has sent to.
    AddressAndPortDependent,
}

/// A port of the outside address that is a server's inside. Everybody may send to it: that is what it
/// is for. It is no longer the router's own, even where a socket of the router has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortForward {
    /// UDP or TCP.
    pub protocol: Protocol,
    /// The port, at the outside interface's first address.
    pub port: u16,
    /// The server: its address and port.
    pub to: (IpAddr, u16),
}

/// One row of the translation's table: an endpoint inside and a peer of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatSession {
    /// UDP, TCP or ICMP.
    pub protocol: Protocol,
    /// The endpoint inside: address, and port or ICMP identifier.
    pub inside: (IpAddr, u16),
    /// What it is outside.
    pub outside: (IpAddr, u16),
    /// With whom it speaks; the port is zero for ICMP.
    pub peer: (IpAddr, u16),
    /// Whether it is a TCP connection that both sides have opened and not both closed.
    pub established: bool,
    /// How much longer it is remembered if nothing is sent.
    pub timeout: Duration,
}

/// The translation as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatView {
    /// As it was set.
    pub nat: Nat,
    /// Every forwarded port, by protocol and port.
    pub forwards: Vec<PortForward>,
    /// Every session, by protocol and endpoint inside.
    pub sessions: Vec<NatSession>,
}
