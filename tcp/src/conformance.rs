//! The conformance kit: cases that hold any [`Streams`] against the RFCs.
//!
//! Compiled under the feature `conformance`. In a file of `tests/`, one line makes a test of each
//! case, for an implementation that has a `new(seed: u64)`:
//!
//! ```no_run
//! # // A test binary is made of it: there is nothing to run here.
//! tcp::conformance_tests!(tcp::SmallTcp);
//! # fn main() {}
//! ```
//!
//! What an implementation does not have, it may leave out, with a reason:
//! `conformance_tests!(MyTcp, except: [("timestamps_are_echoed", "no options but MSS")])`. Such a
//! case has to fail. One reason may stand for several names, with blanks between them.

use std::time::Duration;

use netdev::conformance::{Bench, Case, Subject};

use crate::Streams;
use crate::testing::Script;

pub mod acknowledging;
pub mod blind_attacks;
pub mod calls;
pub mod calls_on_connections;
pub mod closing;
pub mod congestion;
pub mod ecn;
pub mod fast_recovery;
pub mod icmp;
pub mod malformed;
pub mod opening;
pub mod problems;
pub mod receiving;
pub mod reset;
pub mod reset_processing;
pub mod retransmission;
pub mod sack;
pub mod secrets;
pub mod segment_checks;
pub mod sending;
pub mod syn_options;
pub mod time_wait;
pub mod timestamps;
pub mod urgent;
pub mod windows;

mod states;
mod steps;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[doc(hidden)]
pub use netdev::conformance::{Again, check};

/// Makes an implementation from a seed.
pub type Make = fn(u64) -> Box<dyn Streams>;

/// Every case, a slice for each file.
pub const KIT: &[&[Case<Make>]] = &[
    opening::CASES,
    syn_options::CASES,
    reset::CASES,
    reset_processing::CASES,
    blind_attacks::CASES,
    calls::CASES,
    calls_on_connections::CASES,
    secrets::CASES,
    closing::CASES,
    time_wait::CASES,
    receiving::CASES,
    urgent::CASES,
    segment_checks::CASES,
    malformed::CASES,
    icmp::CASES,
    sending::CASES,
    acknowledging::CASES,
    windows::CASES,
    retransmission::CASES,
    fast_recovery::CASES,
    congestion::CASES,
    sack::CASES,
    timestamps::CASES,
    ecn::CASES,
    problems::CASES,
];

impl Bench<Make> for Script {
    fn new(subject: &Subject<Make>) -> Script {
        Script::recording(subject.make(), subject.record.clone())
    }
}

/// Makes a test of each case of the kit.
///
/// `conformance_tests!(MyTcp)` calls `MyTcp::new(seed)`;
/// `conformance_tests!(make: |seed| Box::new(…))` says how else to make one. Both take
/// `except: [("name", "reason"), …]` after that, or `exceptions: A_LIST` of the same.
/// `conformance_tests!(musts, make: …)` makes tests of what is a MUST only.
#[macro_export]
macro_rules! conformance_tests {
    (musts, make: $make:expr $(, except: [$($exception:expr),* $(,)?])? $(,)?) => {
        const MAKE: $crate::conformance::Make = $make;
        const EXCEPTIONS: &[(&str, &str)] = &[$($($exception),*)?];

        $crate::conformance_tests! { @kit musts }
    };
    (make: $make:expr $(, except: [$($exception:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! { make: $make, exceptions: &[$($($exception),*)?] }
    };
    (make: $make:expr, exceptions: $exceptions:expr $(,)?) => {
        const MAKE: $crate::conformance::Make = $make;
        const EXCEPTIONS: &[(&str, &str)] = $exceptions;

        $crate::conformance_tests! { @kit }
    };
    ($tcp:ty, exceptions: $exceptions:expr $(,)?) => {
        $crate::conformance_tests! {
            make: |seed| Box::new(<$tcp>::new(seed)), exceptions: $exceptions
        }
    };
    ($tcp:ty $(, except: [$($exception:expr),* $(,)?])? $(,)?) => {
        $crate::conformance_tests! {
            make: |seed| Box::new(<$tcp>::new(seed)) $(, except: [$($exception),*])?
        }
    };
    (@kit $($musts:ident)?) => {
        $crate::conformance_tests! {
            @files ($($musts)?)
            opening opening_cases
            syn_options syn_options_cases
            reset reset_cases
            reset_processing reset_processing_cases
            blind_attacks blind_attacks_cases
            calls calls_cases
            calls_on_connections calls_on_connections_cases
            secrets secrets_cases
            closing closing_cases
            time_wait time_wait_cases
            receiving receiving_cases
            urgent urgent_cases
            segment_checks segment_checks_cases
            malformed malformed_cases
            icmp icmp_cases
            sending sending_cases
            acknowledging acknowledging_cases
            windows windows_cases
            retransmission retransmission_cases
            fast_recovery fast_recovery_cases
            congestion congestion_cases
            sack sack_cases
            timestamps timestamps_cases
            ecn ecn_cases
            problems problems_cases
        }
    };
    (@files $which:tt $($file:ident $tests:ident)+) => {
        $($crate::conformance_tests! { @file $which $file $tests })+
    };
    (@file ($($musts:ident)?) $file:ident $tests:ident) => {
        mod $file {
            $crate::$tests! {
                $($musts)? $crate::conformance::check, $crate::conformance::Again::new,
                $crate::conformance::$file::CASES, super::MAKE, super::EXCEPTIONS
            }
        }
    };
}
