//! Looking up names: a stub resolver (RFC 1034 §5.3.1).
//!
//! ```text
//!   "nas"  search list    Lookup: ask server 1 ... n, three rounds      cache
//!     |    ------------>    |  question, random ID   +--------+  answer   ^
//!     v    nas.lan, nas     +----------------------->| server |-----------+
//!  Resolving: a UDP socket with a random port each   +--------+  alias: ask on
//!             time, or a connection                       |       truncated: TCP
//! ```
//!
//! [`Lookup`] is the machine (`lookup.rs`): no socket, no clock, as a protocol crate's.
//! `message.rs` and `name.rs` are the wire format, `cache.rs` what is known, `names.rs` which
//! servers are asked. `resolve.rs` brings it onto the stack's own sockets:
//! [`Net::resolve`](crate::Net::resolve) waits, [`Resolving`] does not.
//!
//! # What it keeps
//! RFC 1034 and 1035 (A, CNAME, PTR), 3596 (AAAA), 2181 §8 and 2308 (TTLs, negative answers), 5452
//! §9 (random ID and port, the answer's server, port and question are checked), 6891 (EDNS with
//! 1232 bytes, and without it for servers that do not know it), 7766 (a truncated answer is fetched
//! over TCP).
//!
//! # What it does not do
//! DNSSEC, DNS over TLS, IDNA (names in other scripts are typed in their `xn--` form), `/etc/hosts`,
//! RFC 5452's optional games with upper and lower case.

mod cache;
mod lookup;
mod message;
mod name;
mod names;
mod resolve;

use std::time::Duration;

pub use cache::Cache;
pub use lookup::{Lookup, Step, Via};
pub use message::{Data, Kind};
pub use name::{BadName, Name};
pub use names::{Config, Names};
pub use resolve::Resolving;

/// Where servers listen.
pub const SERVER_PORT: u16 = 53;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whose records they are: the name that was asked for, or what that is another name for.
    pub name: Name,
    /// The names that led there, first to last, `name` not among them.
    pub aliases: Vec<Name>,
    /// The records, of the kind that was asked for; never none.
    pub data: Vec<Data>,
    /// For how long that holds.
    pub ttl: Duration,
}

/// Why nothing was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nobody to ask.
    #[error("no DNS server is known: say one with --dns ADDR, or get one by --addr dhcp")]
    NoServers,
    /// Not a name.
    #[error(transparent)]
    BadName(#[from] BadName),
    /// There is no such name (RFC 2308 §2.1).
    #[error("no such name")]
    NotFound,
    /// The name exists, without a record of that kind (RFC 2308 §2.2).
    #[error("the name has no such record")]
    NoData,
    /// None of the servers answered.
    #[error("no answer from any DNS server")]
    NoAnswer,
    /// The servers could not or would not help, for this reason (RFC 1035 §4.1.1).
    #[error("the DNS server failed ({})", rcode(*.0))]
    Server(u8),
    /// Names that lead to each other, or too many.
    #[error("the name leads in circles")]
    AliasLoop,
}

fn rcode(code: u8) -> String {
    match code {
        1 => "FORMERR: it does not understand the question".to_string(),
        2 => "SERVFAIL: it found nothing out".to_string(),
        4 => "NOTIMP: it cannot do that".to_string(),
        5 => "REFUSED: it does not answer us".to_string(),
        other => format!("code {other}"),
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> std::io::Error {
        let kind = match error {
            Error::NotFound | Error::NoData => std::io::ErrorKind::NotFound,
            Error::BadName(_) => std::io::ErrorKind::InvalidInput,
            Error::NoAnswer => std::io::ErrorKind::TimedOut,
            Error::NoServers | Error::Server(_) | Error::AliasLoop => std::io::ErrorKind::Other,
        };
        std::io::Error::new(kind, error)
    }
}
