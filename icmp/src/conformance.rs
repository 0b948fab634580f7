//! The conformance kit: cases that hold any [`ControlMessages`] against the RFCs.
//!
//! Compiled under the feature `conformance`. In a file of `tests/`, one line makes a test of each
//! case, for an implementation that has a `new(seed: u64)`:
//!
//! ```no_run
//! # // A test binary is made of it: there is nothing to run here.
//! icmp::conformance_tests!(make: |seed| Box::new(icmp::Icmp::new(Default::default(), seed)));
//! # fn main() {}
//! ```
//!
//! What an implementation does not have, it may leave out, with a reason:
//! `conformance_tests!(MyIcmp, except: [("errors_are_limited", "no limit")])`. Such a case has to
//! fail.

use netdev::conformance::Case;

use crate::ControlMessages;

mod bench;

pub mod echo;
pub mod errors_in;
pub mod errors_out;
pub mod queries;
pub mod silence;

pub use bench::Bench;

#[doc(hidden)]
pub use netdev::conformance::{Again, check};

/// Makes an implementation from a seed.
pub type Make = fn(u64) -> Box<dyn ControlMessages>;

/// Every case, a slice for each file.
pub const KIT: &[&[Case<Make>]] =
    &[echo::CASES, queries::CASES, errors_in::CASES, errors_out::CASES, silence::CASES];

/// Makes a test of each case of the kit.
///
/// `conformance_tests!(MyIcmp)` calls `MyIcmp::new(seed)`;
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
            @files echo echo_cases queries query_cases errors_in error_in_cases
            errors_out error_out_cases silence silence_cases
        }
    };
    ($icmp:ty, exceptions: $exceptions:expr $(,)?) => {
        $crate::conformance_tests! {
            make: |seed| Box::new(<$icmp>::new(seed)), exceptions: $exceptions
        }
    };
    ($icmp:ty $(, except: [$($exception:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! {
            make: |seed| Box::new(<$icmp>::new(seed)) $(, except: [$($exception),*])?
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
