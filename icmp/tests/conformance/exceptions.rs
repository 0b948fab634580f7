//! What the implementations of this crate are known not to keep of the kit, and why. Whoever grades
//! them reads it too.

use netdev::conformance::Exception;

const NO_OPTIONS: &str = "replies carry no options: see the deviations of the crate";

/// `Icmp`.
pub(crate) const ICMP: &[Exception] =
    &[("a_source_route_is_reversed", "source routes are refused by IP")];

/// `EchoOnly`.
pub(crate) const ECHO_ONLY: &[Exception] = &[
    ("a_source_route_is_reversed", NO_OPTIONS),
    ("a_recorded_route_comes_back", NO_OPTIONS),
    ("errors_in", "reads no errors"),
    ("errors_out", "sends no errors"),
    ("silence", "sends no errors, so that it cannot be told from a layer that is silent"),
];
