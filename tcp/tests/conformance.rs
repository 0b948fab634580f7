//! The conformance kit, held against each TCP of this crate.

mod whole {
    use tcp::{Config, Tcp};

    tcp::conformance_tests!(make: |seed| Box::new(Tcp::new(Config::default(), seed)), except: [
        ("a_syn_is_repeated_for_three_minutes", "63 s, as Linux: see `deviations`"),
    ]);
}

mod small {
    tcp::conformance_tests!(tcp::SmallTcp, except: [
        ("text_on_the_syn_ack_is_taken", "it is to be sent again, when a window was offered"),
        ("text_on_a_syn_is_kept_until_the_handshake_is_done", "it is to be sent again"),
    ]);
}
