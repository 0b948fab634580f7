//! The conformance kit: cases that hold any [`Internet`] against the RFCs.
//!
//! Compiled under the feature `conformance`. In a file of `tests/`, one line makes a test of each
//! case, for an implementation that has a `new(seed: u64)`:
//!
//! ```no_run
//! # // A test binary is made of it: there is nothing to run here.
//! ip::conformance_tests!(ip::SimpleHost, chapters: [input_checks, options]);
//! # fn main() {}
//! ```
//!
//! Each file is a chapter, and `chapters` says which an implementation is held against: without
//! it, all. What it does not have of a chapter it may leave out, with a reason:
//! `conformance_tests!(MyIp, except: [("a_redirect_is_followed", "none are")])`. Such a case has
//! to fail.
//!
//! The cases act on a [`Host`]: the implementation at 10.0.0.1/24, with queues in the place of the
//! layers around it.

use netdev::conformance::Case;

use crate::Internet;

pub mod addresses;
pub mod below;
pub mod broken_fragments;
pub mod errors;
pub mod forwarding;
pub mod fragmenting;
mod host;
pub mod input_checks;
pub mod options;
pub mod path_mtu;
pub mod reassembly;
pub mod redirects;
pub mod routing;
pub mod source_addresses;
mod wire;

pub use host::{FAR, Host, LO, NEAR, Sent};
#[doc(hidden)]
pub use netdev::conformance::{Again, check};
pub use wire::{Frame, Wire};

/// Makes an implementation from a seed.
pub type Make = fn(u64) -> Box<dyn Internet>;

/// Every case, a slice for each chapter.
pub const KIT: &[&[Case<Make>]] = &[
    input_checks::CASES,
    addresses::CASES,
    source_addresses::CASES,
    routing::CASES,
    redirects::CASES,
    fragmenting::CASES,
    reassembly::CASES,
    broken_fragments::CASES,
    forwarding::CASES,
    path_mtu::CASES,
    options::CASES,
    errors::CASES,
];

/// Makes a test of each case of the kit.
///
/// `conformance_tests!(MyIp)` calls `MyIp::new(seed)`;
/// `conformance_tests!(make: |seed| Box::new(…))` says how else to make one. Both take
/// `chapters: [input_checks, …]` and `except: [("name", "reason"), …]` after that.
#[macro_export]
macro_rules! conformance_tests {
    (make: $make:expr $(, except: [$($exception:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! {
            make: $make,
            chapters: [
                input_checks, addresses, source_addresses, routing, redirects, fragmenting,
                reassembly, broken_fragments, forwarding, path_mtu, options, errors
            ],
            except: [$($($exception),*)?]
        }
    };
    (make: $make:expr, chapters: [$($chapter:ident),+ $(,)?]
     $(, except: [$($exception:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! {
            make: $make, chapters: [$($chapter),+], exceptions: &[$($($exception),*)?]
        }
    };
    (make: $make:expr, chapters: [$($chapter:ident),+ $(,)?], exceptions: $exceptions:expr $(,)?) => {
        const MAKE: $crate::conformance::Make = $make;
        const EXCEPTIONS: &[(&str, &str)] = $exceptions;

        $($crate::conformance_tests! { @chapter $chapter })+
    };
    ($ip:ty, chapters: [$($chapter:ident),+ $(,)?], exceptions: $exceptions:expr $(,)?) => {
        $crate::conformance_tests! {
            make: |seed| Box::new(<$ip>::new(seed)),
            chapters: [$($chapter),+], exceptions: $exceptions
        }
    };
    ($ip:ty $(, chapters: [$($chapter:ident),+ $(,)?])?
     $(, except: [$($exception:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! {
            make: |seed| Box::new(<$ip>::new(seed))
            $(, chapters: [$($chapter),+])? $(, except: [$($exception),*])?
        }
    };
    (@chapter input_checks) => { $crate::conformance_tests! { @ input_checks input_checks_cases } };
    (@chapter addresses) => { $crate::conformance_tests! { @ addresses addresses_cases } };
    (@chapter source_addresses) => {
        $crate::conformance_tests! { @ source_addresses source_addresses_cases }
    };
    (@chapter routing) => { $crate::conformance_tests! { @ routing routing_cases } };
    (@chapter redirects) => { $crate::conformance_tests! { @ redirects redirects_cases } };
    (@chapter fragmenting) => { $crate::conformance_tests! { @ fragmenting fragmenting_cases } };
    (@chapter reassembly) => { $crate::conformance_tests! { @ reassembly reassembly_cases } };
    (@chapter broken_fragments) => {
        $crate::conformance_tests! { @ broken_fragments broken_fragments_cases }
    };
    (@chapter forwarding) => { $crate::conformance_tests! { @ forwarding forwarding_cases } };
    (@chapter path_mtu) => { $crate::conformance_tests! { @ path_mtu path_mtu_cases } };
    (@chapter options) => { $crate::conformance_tests! { @ options options_cases } };
    (@chapter errors) => { $crate::conformance_tests! { @ errors errors_cases } };
    (@ $file:ident $tests:ident) => {
        mod $file {
            $crate::$tests! {
                $crate::conformance::check, $crate::conformance::Again::new,
                $crate::conformance::$file::CASES, super::MAKE, super::EXCEPTIONS
            }
        }
    };
}
