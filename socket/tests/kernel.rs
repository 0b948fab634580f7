//! The conformance kit, held against the kernel's own sockets: an independent opinion on whether
//! the cases themselves are right.
//!
//! Each case runs in a process and a network of its own, on the kernel's time. Where no namespaces
//! can be had they are skipped, loudly.
#![cfg(target_os = "linux")]

#[path = "kernel/errno.rs"]
mod errno;
#[path = "kernel/hosts.rs"]
mod hosts;
#[path = "kernel/network.rs"]
mod network;
#[path = "kernel/settings.rs"]
mod settings;
#[path = "kernel/sys.rs"]
mod sys;

use std::io::Write;
use std::process::Command;

use netdev::conformance::{Again, Case, Exception};
use socket::conformance::Make;

/// As [`socket::conformance::check`], in a namespace made for the case.
fn check(cases: &[Case<Make>], name: &str, make: Make, except: &[Exception], again: &Again) {
    if Command::new("ip").arg("-V").output().is_err() {
        let required = std::env::var_os("TAPIP_REQUIRE_NET").is_some_and(|value| value == "1");
        assert!(!required, "{name} must not be skipped (TAPIP_REQUIRE_NET=1): no iproute2");
        // Not eprintln: the harness would swallow it.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {name}: no iproute2");
        return;
    }
    let case = cases.iter().find(|case| case.name == name).expect("a case of this file");
    // The modules of the tests are called as the files of the kit.
    if netdev::namespace::testing::inside(&case.path()) {
        socket::conformance::check(cases, name, make, except, again);
    }
}

const LOSS: &str =
    "its links lose nothing, or it is a matter of minutes that are not to be waited for";
const NO_KIND: &str = "std has no stable kind for the number";

socket::conformance_tests!(
    check: crate::check,
    make: |_seed| Box::new(crate::network::Kernel::new()),
    except: [
        (
            // RFC 1122 §4.1.3.3 wants every error to be passed on. Linux keeps those that may pass
            // (an unreachable host, not an unreachable port) from programs that do not ask for them.
            "a_datagram_to_a_silent_neighbour_is_told a_silent_neighbour_is_host_unreachable",
            "a datagram socket is told of a soft error only with IP_RECVERR",
        ),
        (
            "a_peer_that_never_answers_is_given_up a_peer_that_vanishes_is_given_up \
             a_user_timeout_ends_a_connection_sooner a_keepalive_finds_out_that_the_peer_is_gone \
             a_keepalive_lets_a_peer_live_that_answers unacknowledged_bytes_are_counted \
             a_stream_is_writable_when_it_is_connected a_timeout_is_timed_out",
            LOSS,
        ),
        (
            "a_connect_in_progress_would_block a_connection_that_exists_already_exists \
             a_missing_destination_is_invalid_input a_message_too_long_is_invalid_input \
             an_unknown_protocol_is_unsupported a_closed_handle_is_invalid_input",
            NO_KIND,
        ),
        ("no_room_is_out_of_memory", "its limit is that of descriptors, EMFILE"),
    ],
);
