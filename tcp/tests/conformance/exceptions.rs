//! What the implementations of this crate are known not to keep of the kit, and why. Whoever grades
//! them reads it too.

use netdev::conformance::Exception;

const NO_OPTIONS: &str = "it has no option but the MSS";
const NO_CONTROL: &str = "it has no congestion control";
const NO_SETTING: &str = "it has no such setting";
const NO_PATH_MTU: &str = "it leaves the path's MTU to IP";
const NO_REUSE: &str = "TIME-WAIT is waited for to its end";
const NO_LINGER: &str = "it has no linger, and so no ABORT but that of unread data";
const NO_URGENT: &str = "urgent data is data to it, as RFC 6093 recommends";

/// `Tcp`.
pub(crate) const TCP: &[Exception] = &[
    ("a_syn_is_repeated_for_three_minutes", "63 s, as Linux: see `deviations`"),
    ("soft_errors_end_no_attempt", "they do, as on every system: see `deviations`"),
    (
        "the_rto_is_a_second_at_least an_ack_of_many_segments_adds_one \
             after_a_long_silence_the_window_is_small a_segment_without_a_timestamp_is_dropped",
        "as Linux: see `deviations`",
    ),
];

/// `SmallTcp`.
pub(crate) const SMALL_TCP: &[Exception] = &[
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
    ("sack timestamps ecn", NO_OPTIONS),
    (
        "the_offered_window_is_scaled_and_kept more_than_64_kib_are_in_flight \
             options_missing_from_tcp_mss_calculation",
        NO_OPTIONS,
    ),
    (
        "congestion no_initial_slow_start uninitialized_cwnd \
             extra_additive_constant_in_congestion_avoidance \
             failure_of_window_deflation_after_loss_recovery \
             the_first_duplicate_acks_bring_new_text",
        NO_CONTROL,
    ),
    (
        "a_lost_retransmission_waits_for_the_timer \
             a_partial_ack_brings_the_next_that_is_missing a_timeout_for_nothing_is_found_out \
             further_duplicate_acks_bring_new_text partial_acks_repair_a_whole_window \
             the_last_segment_is_probed_for three_duplicate_acks_bring_what_is_missing \
             what_is_missing_is_sent_once",
        "it waits for the timeout",
    ),
    ("not_every_small_segment_is_acknowledged", "each segment is acknowledged by itself"),
    ("ip_is_told_of_many_retransmissions", "it leaves that to the whole TCP"),
    ("the_rto_is_a_second_at_least", "as Linux: see `deviations`"),
    (
        "a_record_ends_a_segment cork_does_not_hold_for_ever cork_holds_what_is_not_full \
             more_joins_two_writes the_user_says_when_to_give_up \
             excessively_short_keepalive_connection_timeout \
             insufficient_interval_between_keepalives",
        NO_SETTING,
    ),
    ("urgent_data_is_announced_before_it_is_reached urgent_data_is_pointed_to", NO_URGENT),
];
