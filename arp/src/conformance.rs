//! The conformance kit: cases that hold any [`Resolver`] against the RFCs.
//!
//! Compiled under the feature `conformance`. In a file of `tests/`, one line makes a test of each
//! case, for an implementation that has a `new(mac: MacAddr, seed: u64)`:
//!
//! ```no_run
//! # // A test binary is made of it: there is nothing to run here.
//! # use arp::Cache;
//! arp::conformance_tests!(make: |seed| Box::new(Cache::new(
//!     arp::conformance::MY_MAC, arp::Config::default(), seed)));
//! # fn main() {}
//! ```
//!
//! What an implementation does not have, it may leave out, with a reason:
//! `conformance_tests!(MyArp, except: [("a_lost_request_is_repeated", "asks once")])`. Such a case
//! has to fail.

use netdev::conformance::Case;

use crate::Resolver;

mod bench;
mod message;

pub mod ageing;
pub mod conflict;
pub mod reception;
pub mod resolving;
pub mod table;

pub use bench::{Bench, MY_ADDR, MY_MAC};

#[doc(hidden)]
pub use netdev::conformance::{Again, check};

/// Makes an implementation from a seed, for an interface with the link address [`MY_MAC`].
pub type Make = fn(u64) -> Box<dyn Resolver>;

/// Every case, a slice for each file.
pub const KIT: &[&[Case<Make>]] =
    &[reception::CASES, resolving::CASES, ageing::CASES, conflict::CASES, table::CASES];

/// Makes a test of each case of the kit.
///
/// `conformance_tests!(MyArp)` calls `MyArp::new(mac, seed)`;
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
            @files reception reception_cases resolving resolving_cases ageing ageing_cases
            conflict conflict_cases table table_cases
        }
    };
    ($arp:ty, exceptions: $exceptions:expr $(,)?) => {
        $crate::conformance_tests! {
            make: |seed| Box::new(<$arp>::new($crate::conformance::MY_MAC, seed)), exceptions: $exceptions
        }
    };
    ($arp:ty $(, except: [$($exception:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! {
            make: |seed| Box::new(<$arp>::new($crate::conformance::MY_MAC, seed))
            $(, except: [$($exception),*])?
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
