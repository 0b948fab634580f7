//! The conformance kit, held against each TCP of this crate.

mod whole {
    use tcp::{Config, Tcp};

    tcp::conformance_tests!(make: |seed| Box::new(Tcp::new(Config::default(), seed)), except: [
        ("a_syn_is_repeated_for_three_minutes", "63 s, as Linux: see `deviations`"),
        ("soft_errors_end_no_attempt", "they do, as on every system: see `deviations`"),
    ]);
}

mod small {
    const NO_OPTIONS: &str = "it has no option but the MSS";
    const NO_PATH_MTU: &str = "it leaves the path's MTU to IP";

    tcp::conformance_tests!(tcp::SmallTcp, except: [
        ("a_window_scale_is_offered", NO_OPTIONS),
        ("the_peers_scaled_window_is_read", NO_OPTIONS),
        ("a_shift_of_more_than_14_counts_as_14", NO_OPTIONS),
        ("sack_is_offered_and_agreed_to", NO_OPTIONS),
        ("soft_errors_end_no_attempt", "they do, as on every system: see `deviations`"),
        ("soft_errors_are_told", "only those that end an attempt"),
        ("fragmentation_needed_makes_segments_smaller", NO_PATH_MTU),
        ("an_old_router_that_names_no_mtu_is_understood", NO_PATH_MTU),
        ("fragmentation_needed_ends_no_attempt", NO_PATH_MTU),
        ("text_on_the_syn_ack_is_taken", "it is to be sent again, when a window was offered"),
        ("text_on_a_syn_is_kept_until_the_handshake_is_done", "it is to be sent again"),
    ]);
}
