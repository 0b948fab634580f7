//! Tests against the kernel, each in a network of its own.
//!
//! A test process has threads, so it cannot enter a user namespace, and a test must not disturb
//! the others' network. So a test runs *itself* once more: the same binary, told to run this one
//! test, started inside new namespaces. The body looks like this:
//!
//! ```
//! # fn a_frame_reaches_the_kernel() {
//! if !netdev::in_namespace!() {
//!     return; // it ran in there, and passed, or this panicked; or it was skipped, loudly
//! }
//! // From here on: a network with nothing but `lo`, and root over it.
//! # }
//! ```
//!
//! Where namespaces cannot be had the test prints `SKIPPED: …` on standard error, whatever the
//! test harness captures, and passes. With `TAPIP_REQUIRE_NET=1` in the environment it fails
//! instead. The same for [`in_namespace_with_tap!`](crate::in_namespace_with_tap) where
//! /dev/net/tun cannot be opened, except that an ordinary user is not required to have it.

use std::env;
use std::io::{self, Write};
use std::process::Command;

use super::command_in_new;
use crate::linux::{Error, sys, tap};

/// The variable that says, to the process inside, which test it is in there for.
const INSIDE: &str = "TAPIP_TEST_INSIDE";
/// The variable that forbids to skip.
const REQUIRE: &str = "TAPIP_REQUIRE_NET";

/// What became of a test that was to run in a namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It ran.
    Ran {
        /// Whether it passed.
        success: bool,
        /// What it printed, standard output first.
        output: String,
    },
    /// It could not be run.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// Runs the test of this name (its full path, as the test harness lists it) of the current test
/// binary in a new namespace.
pub fn rerun_in_namespace(test: &str) -> Outcome {
    let skipped = |reason| Outcome::Skipped { reason };
    let binary = match env::current_exe() {
        Ok(path) => path,
        Err(error) => return skipped(format!("this program's path: {error}")),
    };
    let mut command = Command::new(binary);
    command.args([test, "--exact", "--nocapture"]);
    command.env(INSIDE, test);
    match command_in_new(&mut command).output() {
        Err(error) => skipped(Error::from_unshare(error).to_string()),
        Ok(output) => {
            let stdout = String::from_utf8_lossy(&output.stdout);
            let stderr = String::from_utf8_lossy(&output.stderr);
            // A name that matches no test would pass too.
            let success = output.status.success() && stdout.contains("1 passed");
            Outcome::Ran { success, output: format!("{stdout}{stderr}") }
        }
    }
}

/// Whether this process is the one in the namespace, made for this test. Where it is not, the
/// test is run in there.
///
/// # Panics
/// Where the test fails in there, or must not be skipped.
pub fn inside(test: &str) -> bool {
    if env::var_os(INSIDE).is_some_and(|name| name == test) {
        return true;
    }
    match rerun_in_namespace(test) {
        Outcome::Ran { success: true, .. } => {}
        Outcome::Ran { success: false, output } => {
            panic!("in its namespace, {test} failed:\n{output}")
        }
        Outcome::Skipped { reason } => skip(test, &reason, true),
    }
    false
}

/// As [`inside`], for a test that needs /dev/net/tun.
///
/// # Panics
/// Where the test fails in there, or must not be skipped.
pub fn inside_with_tap(test: &str) -> bool {
    match tap::open_tun() {
        Ok(_) => inside(test),
        Err(why) => {
            // An ordinary user may well have none; root is expected to.
            skip(test, &why.to_string(), sys::effective_user() == 0);
            false
        }
    }
}

fn skip(test: &str, reason: &str, expected: bool) {
    let required = env::var_os(REQUIRE).is_some_and(|value| value == "1");
    assert!(!(required && expected), "{test} must not be skipped ({REQUIRE}=1): {reason}");
    // Not eprintln: the harness would swallow it.
    let _ = writeln!(io::stderr(), "SKIPPED: {test}: {reason}");
}

/// The test's path for the harness, from the name of a function within it: without the crate and
/// the inner function.
#[doc(hidden)]
pub fn test_path<T>(_: T) -> &'static str {
    let path = std::any::type_name::<T>();
    let path = path.split_once("::").map_or(path, |(_, path)| path);
    path.rsplit_once("::").map_or(path, |(path, _)| path)
}

/// Whether the test that this stands in is the one inside a namespace: see
/// [`testing`](crate::namespace::testing).
#[macro_export]
macro_rules! in_namespace {
    () => {{
        fn here() {}
        $crate::namespace::testing::inside($crate::namespace::testing::test_path(here))
    }};
}

/// As [`in_namespace!`], for a test that needs /dev/net/tun.
#[macro_export]
macro_rules! in_namespace_with_tap {
    () => {{
        fn here() {}
        $crate::namespace::testing::inside_with_tap($crate::namespace::testing::test_path(here))
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_the_one_that_the_harness_lists() {
        fn here() {}
        let path = "linux::namespace::testing::tests::the_path_is_the_one_that_the_harness_lists";
        assert_eq!(test_path(here), path);
    }

    #[test]
    fn a_test_that_does_not_exist_did_not_pass() {
        match rerun_in_namespace("no::such::test") {
            Outcome::Ran { success, output } => assert!(!success, "{output}"),
            Outcome::Skipped { reason } => skip("no::such::test", &reason, true),
        }
    }

    #[test]
    fn a_failure_inside_is_a_failure_outside() {
        fn here() {}
        let test = test_path(here);
        if env::var_os(INSIDE).is_some_and(|name| name == test) {
            panic!("as it should");
        }
        match rerun_in_namespace(test) {
            Outcome::Ran { success, output } => {
                assert!(!success && output.contains("as it should"), "{output}");
            }
            Outcome::Skipped { reason } => skip(test, &reason, true),
        }
    }
}
