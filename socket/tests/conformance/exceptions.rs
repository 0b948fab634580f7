//! What the implementations of this crate are known not to keep of the kit, and why. Whoever grades
//! them reads it too.

use netdev::conformance::Exception;

const NO_SETTING: &str = "it has no such setting";
const NO_URGENT: &str = "urgent data is data to it, as RFC 6093 recommends";

/// Two stacks with `SmallTcp`.
pub(crate) const SMALL_TCP: &[Exception] = &[
    (
        "a_send_buffer_reads_back a_receive_buffer_reads_back small_buffers_take_little \
                 a_stream_that_nobody_reads_holds_a_bounded_queue",
        "its buffers have one size",
    ),
    (
        "a_keepalive_finds_out_that_the_peer_is_gone keepalive_times_read_back \
                 a_keepalive_lets_a_peer_live_that_answers linger_reads_back \
                 a_linger_of_seconds_loses_nothing a_linger_of_zero_aborts \
                 what_came_before_a_reset_is_read_first a_user_timeout_reads_back \
                 a_user_timeout_ends_a_connection_sooner a_cork_reads_back \
                 a_cork_holds_small_segments_back more_holds_a_small_segment_back \
                 options_of_a_listener_are_those_of_its_connections",
        NO_SETTING,
    ),
    (
        "urgent_data_is_told an_urgent_byte_is_taken_out_of_line \
                 the_mark_stands_where_the_urgent_byte_was without_urgent_data_there_is_none",
        NO_URGENT,
    ),
    ("a_listener_without_a_port_is_given_one", "it listens where it was bound"),
    ("a_stream_that_failed_was_aborted", "to it such a call is invalid"),
];
