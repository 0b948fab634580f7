//! Getting an address: a DHCP client (RFC 2131, RFC 2132).
//!
//! ```text
//!          +------+  DISCOVER   +-----------+  OFFER, REQUEST  +------------+
//!   ------>| Init |------------>| Selecting |----------------->| Requesting |
//!          +------+             +-----------+                  +------------+
//!             ^   NAK, end of lease, DECLINE                         | ACK
//!             |                                                      v
//!             |                 T2: REQUEST to all    nobody  +---------+
//!             |  +-----------+       +----------+     has it  | Probing |
//!             +--| Rebinding |<------| Renewing |   +---------+---------+
//!                +-----------+       +----------+   |
//!                      | ACK           | ACK ^      v
//!                      |               v     |  +-------+
//!                      +------------------------| Bound |
//!                                      T1:      +-------+
//!                                 REQUEST to its server
//! ```
//!
//! [`Client`] is the machine (`client.rs`): no socket, no clock, as a protocol crate's.
//! [`Message`] is the wire format (`message.rs`, `options.rs`), [`Lease`] what is granted,
//! `glue.rs` makes a [`Stack`](crate::Stack) follow: address, route, MTU and DNS servers come and
//! go with the lease. Whether an address is free is ARP's to find out (RFC 5227), and to announce.
//!
//! # What it keeps
//! RFC 2131 §3.1, §3.2 (INIT-REBOOT, also after a link was down), §4.1 (backoff), §4.4; RFC 2132's
//! options for mask, router, DNS servers, host and domain name, MTU, times, server and client
//! identifier, overload, message size; RFC 3396 (long options); RFC 5227 §2.1 and §2.3.
//!
//! # Deviations
//! - RFC 2131 §4.4.1 wants a random wait of 1 to 10 s before the first message, for houses full of
//!   hosts after a power failure; a person who starts one program is not made to wait.
//! - The first fit offer is taken, as the RFC allows.
//! - An MTU below 576 is not believed (RFC 2132 §5.1 allows 68), nor one above the device's.
//! - Answers are asked for by broadcast (§4.1), so that it works over every IP implementation;
//!   what comes by unicast is taken nevertheless where IP lets it through.

mod client;
mod glue;
mod lease;
mod message;
mod options;

use std::net::Ipv4Addr;

use netdev::{Instant, MacAddr};

pub use client::{Client, Event, Loss, State};
pub use glue::View;
pub(crate) use glue::{Clients, Outcome, Probed};
pub use lease::{Lease, Unfit};
pub use message::{Kind, Malformed, Message};
pub use options::Options;

/// Where servers and clients listen (RFC 2131 §4.1).
pub const SERVER_PORT: u16 = 67;
/// Where clients listen.
pub const CLIENT_PORT: u16 = 68;

/// What a client needs from below.
pub trait Network {
    /// Sends to 255.255.255.255, port 67, from port 68 of `src`, which may be 0.0.0.0.
    fn broadcast(&mut self, now: Instant, src: Ipv4Addr, message: &[u8]);

    /// Sends to port 67 of `server`, from the address of the lease.
    fn unicast(&mut self, now: Instant, server: Ipv4Addr, message: &[u8]);

    /// Begins to ask the link whether anybody has an address (RFC 5227 §2.1). [`Client::free`] or
    /// [`Client::contested`] says some seconds later what came of it. False where there is nobody
    /// to ask.
    fn probe(&mut self, now: Instant, addr: Ipv4Addr) -> bool;
}

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// The interface's link address.
    pub mac: MacAddr,
    /// The name that this host would like to have.
    pub host_name: Option<String>,
    /// An address that it had before and would like to keep (INIT-REBOOT).
    pub previous: Option<Ipv4Addr>,
    /// Whether to ask for answers by broadcast; see the deviations.
    pub broadcast: bool,
    /// Whether to ask the link for somebody who has the address already (RFC 5227). Takes 4 to 7
    /// seconds.
    pub probe: bool,
    /// The largest message in bytes that is understood, IP and UDP headers included; 576 at least
    /// (RFC 2132 §9.10).
    pub max_size: u16,
}

impl Config {
    /// The defaults, for the interface with this link address.
    pub fn new(mac: MacAddr) -> Config {
        Config {
            mac,
            host_name: None,
            previous: None,
            broadcast: true,
            probe: true,
            // What an Ethernet frame takes.
            max_size: 1500,
        }
    }
}

netdev::reasons! {
    /// Why what came to the client's port was ignored.
    pub enum DropReason {
        /// Not a message, or one with malformed options.
        Malformed = "malformed message",
        /// Another client's, another transaction's, or no reply.
        NotForUs = "not for this client or transaction",
        /// Of a kind that nothing was asked for with.
        Unexpected = "not expected in this state",
        /// From a server whose offer was not taken.
        OtherServer = "from a server that was not chosen",
        /// It grants what no host can use, or misses what it must say.
        Unfit = "grants nothing usable",
    }
}

netdev::reasons! {
    /// What happened.
    pub(crate) enum Stat {
        /// A first lease.
        Bound = "leases obtained",
        /// More time.
        Renewed = "leases renewed",
        /// A server said no.
        Refused = "refused by a server",
        /// Somebody had the address.
        Declined = "addresses declined",
        /// Given back.
        Released = "leases released",
    }
}
