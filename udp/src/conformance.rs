//! The conformance kit: cases that hold any [`Datagrams`] against the RFCs.
//!
//! Compiled under the feature `conformance`. In a file of `tests/`, one line makes a test of each
//! case, for an implementation that has a `new(seed: u64)`:
//!
//! ```no_run
//! # // A test binary is made of it: there is nothing to run here.
//! udp::conformance_tests!(udp::SimpleUdp);
//! # fn main() {}
//! ```
//!
//! What an implementation does not have, it may leave out, with a reason:
//! `conformance_tests!(MyUdp, except: [("a_multicast_is_for_members", "no groups")])`. Such a case
//! has to fail.

use netdev::conformance::Case;

use crate::Datagrams;

mod bench;

pub mod groups;
pub mod peers;
pub mod ports;
pub mod queue;
pub mod sending;
pub mod wire;

pub use bench::Bench;

#[doc(hidden)]
pub use netdev::conformance::{Again, check};

/// Makes an implementation from a seed.
pub type Make = fn(u64) -> Box<dyn Datagrams>;

/// Every case, a slice for each file.
pub const KIT: &[&[Case<Make>]] =
    &[wire::CASES, ports::CASES, sending::CASES, queue::CASES, peers::CASES, groups::CASES];

/// Makes a test of each case of the kit.
///
/// `conformance_tests!(MyUdp)` calls `MyUdp::new(seed)`;
/// `conformance_tests!(make: |seed| Box::new(…))` says how else to make one. Both take
/// `except: [("name", "reason"), …]` after that, or `exceptions: A_LIST` of the same.
#[macro_export]
macro_rules! conformance_tests {
    (make: $make:expr $(, except: [$($exception:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { make: $make, exceptions: &[$($($exception),*)?] }
    };
    (make: $make:expr, exceptions: $exceptions:expr $(,)?) => {
        const MAKE: $crate::conformance::Make = $make;
        const EXCEPTIONS: &[(&str, &str)] = $exceptions;

        $crate::conformance_tests! {
            @files wire wire_cases ports port_cases sending sending_cases queue queue_cases
            peers peer_cases groups group_cases
        }
    };
    ($udp:ty, exceptions: $exceptions:expr $(,)?) => {
        $crate::conformance_tests! {
            make: |seed| Box::new(<$udp>::new(seed)), exceptions: $exceptions
        }
    };
    ($udp:ty $(, except: [$($exception:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! {
            make: |seed| Box::new(<$udp>::new(seed)) $(, except: [$($exception),*])?
        }
    };
    (@files $($file:ident $tests:ident)+) => {
        $(mod $file {
            $crate::$tests! {
                $crate::conformance::check, $crate::conformance::Again::new,
                $crate::conformance::$file::CASES, super::MAKE, super::EXCEPTIONS
            }
        })+
    };
}
