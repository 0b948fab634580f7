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
    const NO_REUSE: &str = "TIME-WAIT is waited for to its end";
    const NO_LINGER: &str = "it has no linger, and so no ABORT but that of unread data";
    const NO_URGENT: &str = "urgent data is data to it, as RFC 6093 recommends";

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
        ("an_urgent_pointer_is_told", NO_URGENT),
        ("an_urgent_pointer_that_moves_on_is_told_again", NO_URGENT),
        ("urgent_data_may_be_longer_than_a_segment", NO_URGENT),
        ("how_much_urgent_data_is_left_is_told", NO_URGENT),
        ("with_the_window_shut_an_urgent_pointer_counts", NO_URGENT),
        ("a_newer_syn_reopens_from_time_wait", NO_REUSE),
        ("a_newer_timestamp_reopens_from_time_wait", NO_REUSE),
        ("an_abort_sends_a_reset", NO_LINGER),
        ("an_abort_in_syn_sent_sends_nothing", NO_LINGER),
        ("a_batch_is_processed_before_it_is_acknowledged", "each segment is acknowledged by itself"),
        ("text_on_the_syn_ack_is_taken", "it is to be sent again, when a window was offered"),
        ("text_on_a_syn_is_kept_until_the_handshake_is_done", "it is to be sent again"),
    ]);
}
