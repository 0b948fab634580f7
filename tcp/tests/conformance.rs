//! The conformance kit, held against each TCP of this crate.

mod whole {
    use tcp::{Config, Tcp};

    tcp::conformance_tests!(make: |seed| Box::new(Tcp::new(Config::default(), seed)), except: [
        ("a_syn_is_repeated_for_three_minutes", "63 s, as Linux: see `deviations`"),
    ]);
}

mod small {
    const NO_OPTIONS: &str = "it has no option but the MSS";

    tcp::conformance_tests!(tcp::SmallTcp, except: [
        ("a_window_scale_is_offered", NO_OPTIONS),
        ("the_peers_scaled_window_is_read", NO_OPTIONS),
        ("a_shift_of_more_than_14_counts_as_14", NO_OPTIONS),
        ("sack_is_offered_and_agreed_to", NO_OPTIONS),
        ("text_on_the_syn_ack_is_taken", "it is to be sent again, when a window was offered"),
        ("text_on_a_syn_is_kept_until_the_handshake_is_done", "it is to be sent again"),
    ]);
}
