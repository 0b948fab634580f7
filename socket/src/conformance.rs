//! The conformance kit: cases that hold any system with sockets against the RFCs and POSIX.
//!
//! Compiled under the feature `conformance`. What it is generic over is [`Network`]: two hosts that
//! have sockets, and a link between them. A whole [`Stack`](crate::Stack) on each side is one
//! ([`Pair`], on virtual time, with any layers in it); the kernel's own sockets are another (in
//! this crate's `tests/`, on its own time), which tells whether the cases themselves are right.
//!
//! In a file of `tests/`, one line makes a test of each case:
//!
//! ```no_run
//! # // A test binary is made of it: there is nothing to run here.
//! use socket::Layers;
//! use socket::conformance::{Host, Pair, Parts};
//!
//! socket::conformance_tests!(make: |seed| Box::new(Pair::new(|host, macs| {
//!     let seed = seed * 2 + host as u64;
//!     Parts {
//!         layers: Layers {
//!             ip: Box::new(ip::Router::new(ip::Config::default(), seed)),
//!             icmp: Box::new(icmp::Icmp::new(icmp::Config::default(), seed)),
//!             udp: Box::new(udp::Udp::new(udp::Config::default(), seed)),
//!             tcp: Box::new(tcp::SmallTcp::new(seed)),
//!         },
//!         resolvers: macs.map(|mac| -> Box<dyn arp::Resolver> {
//!             Box::new(arp::Cache::new(mac, arp::Config::default(), seed))
//!         }),
//!     }
//! })));
//! # fn main() {}
//! ```
//!
//! What an implementation does not have, it may leave out, with a reason: `make: …, except:
//! [("an_urgent_byte_is_taken_out_of_line", "no urgent data")]`. Such a case has to fail.
//!
//! Where a sentence has quotation marks it is the RFC's; what POSIX and the manual pages say is told
//! in words of our own. POSIX's "shall" counts as MUST.

use std::time::Duration;

use netdev::conformance::Case;

mod bench;
mod network;
mod pair;
mod spied;

pub mod buffers;
pub mod closing;
pub mod datagrams;
pub mod errors;
pub mod names;
pub mod opening;
pub mod options;
pub mod peers;
pub mod ports;
pub mod raw;
pub mod readiness;
pub mod streams;
pub mod watching;

pub use bench::Bench;
pub use network::{Host, Kind, Message, Network, Queues, Setting, Sighting, Socket};
pub use pair::{Pair, Parts};

#[doc(hidden)]
pub use netdev::conformance::{Again, check};

/// Host A on the first link.
pub const A: &str = "10.0.0.1";
/// Host B on the first link.
pub const B: &str = "10.0.0.2";
/// Host A on the second link.
pub const A_TOO: &str = "10.0.1.1";
/// Host B on the second link.
pub const B_TOO: &str = "10.0.1.2";
/// Nobody, on the first link.
const NOBODY: &str = "10.0.0.77";
/// An address that there is no route to.
const NOWHERE: &str = "192.0.2.1";
/// Everybody on the first link.
const ALL: &str = "10.0.0.255";

/// For whatever is on its way to arrive, on a link of a millisecond; less than any timer of TCP.
const SOON: Duration = Duration::from_millis(10);
const SECOND: Duration = Duration::from_secs(1);

/// Makes a network from a seed.
pub type Make = fn(u64) -> Box<dyn Network>;

/// Every case, a slice for each file.
pub const KIT: &[&[Case<Make>]] = &[
    opening::CASES,
    streams::CASES,
    closing::CASES,
    options::CASES,
    buffers::CASES,
    datagrams::CASES,
    peers::CASES,
    ports::CASES,
    raw::CASES,
    readiness::CASES,
    watching::CASES,
    names::CASES,
    errors::CASES,
];

/// Makes a test of each case of the kit.
///
/// `conformance_tests!(make: |seed| Box::new(…))` says how a [`Network`] is made; `except:
/// [("name", "reason"), …]` may follow, or `exceptions: A_LIST` of the same. With `check: path` in
/// front another function runs the cases in the place of [`check`]: for a system that each needs a
/// process for itself.
#[macro_export]
macro_rules! conformance_tests {
    (make: $($rest:tt)*) => {
        $crate::conformance_tests! { check: $crate::conformance::check, make: $($rest)* }
    };
    (
        check: $check:path,
        make: $make:expr
        $(, except: [$($exception:expr),* $(,)?])? $(,)?
    ) => {
        $crate::conformance_tests! {
            check: $check, make: $make, exceptions: &[$($($exception),*)?]
        }
    };
    (check: $check:path, make: $make:expr, exceptions: $exceptions:expr $(,)?) => {
        const MAKE: $crate::conformance::Make = $make;
        const EXCEPTIONS: &[(&str, &str)] = $exceptions;

        $crate::conformance_tests! { @files $check;
            opening opening_cases
            streams stream_cases
            closing closing_cases
            options option_cases
            buffers buffer_cases
            datagrams datagram_cases
            peers peer_cases
            ports port_cases
            raw raw_cases
            readiness readiness_cases
            watching watching_cases
            names name_cases
            errors error_cases
        }
    };
    (@files $check:path; $($file:ident $tests:ident)+) => {
        $crate::conformance_tests! { @each ($check) $($file $tests)+ }
    };
    (@each $check:tt $($file:ident $tests:ident)+) => {
        $($crate::conformance_tests! { @file $check $file $tests })+
    };
    (@file ($check:path) $file:ident $tests:ident) => {
        mod $file {
            $crate::$tests! {
                $check, $crate::conformance::Again::new,
                $crate::conformance::$file::CASES, super::MAKE, super::EXCEPTIONS
            }
        }
    };
}
