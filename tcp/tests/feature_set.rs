//! What every TCP of this crate has to do, each test run against each implementation; and, set
//! apart, what the small one leaves out.
//!
//! A test takes the implementation as an argument and knows nothing else of it. Tests named
//! `r02_…` and the like stand for a defect that the program had which this stack succeeds.

use tcp::{Config, SmallTcp, Streams, Tcp};

#[path = "feature_set/closing.rs"]
mod closing;
#[path = "feature_set/flow.rs"]
mod flow;
#[path = "feature_set/loss.rs"]
mod loss;
#[path = "feature_set/opening.rs"]
mod opening;
#[path = "feature_set/robust.rs"]
mod robust;
#[path = "feature_set/sockets.rs"]
mod sockets;

/// Makes the implementation under test from a seed.
type New = fn(u64) -> Box<dyn Streams>;

fn small(seed: u64) -> Box<dyn Streams> {
    Box::new(SmallTcp::new(seed))
}

fn whole(seed: u64) -> Box<dyn Streams> {
    Box::new(Tcp::new(Config::default(), seed))
}

/// One test for each implementation and each name.
macro_rules! tests {
    ($($module:ident: $($name:ident),+;)+) => {
        mod small_tcp {
            $(mod $module { $(#[test] fn $name() { crate::$module::$name(crate::small) })+ })+
        }
        mod whole_tcp {
            $(mod $module { $(#[test] fn $name() { crate::$module::$name(crate::whole) })+ })+
        }
    };
}

tests! {
    opening:
        simultaneous_open,
        r03_simultaneous_open_segment_by_segment,
        r12_a_lost_syn_is_sent_again,
        r12_a_lost_syn_ack_is_sent_again,
        a_lost_last_ack_is_made_up_for,
        r13_half_open_connections_are_limited_and_end,
        defect_accept_is_in_the_order_of_arrival,
        defect_the_backlog_applies,
        a_reset_answers_a_closed_port,
        a_refused_connect_tells_so,
        nobody_there_times_out,
        the_mss_option_is_sent_and_obeyed,
        an_mss_behind_an_unknown_option_counts,
        without_an_mss_option_536_is_sent,
        the_first_sequence_numbers_differ;
    flow:
        both_ways_at_once,
        through_offload,
        r02_sending_into_a_shut_window_waits_for_it_to_open,
        r11_a_full_window_that_drains_is_announced,
        a_shut_window_is_probed_for_as_long_as_it_is_answered,
        a_lost_window_update_is_survived,
        r17_data_without_psh_reaches_the_reader,
        r05_pure_acks_are_not_answered,
        an_ack_is_delayed_half_a_second_at_most,
        every_second_segment_is_acknowledged_at_once,
        defect_the_send_window_counts_what_is_in_flight,
        silly_windows_are_not_announced,
        silly_windows_are_not_filled,
        small_writes_wait_for_the_ack_of_the_first,
        no_delay_sends_them_at_once,
        the_right_edge_never_moves_back,
        the_ack_on_an_old_segment_does_not_widen_the_window,
        an_ack_counts_while_the_window_is_shut;
    loss:
        random_loss_duplication_and_reordering,
        corruption,
        a_slow_link_with_a_short_queue,
        lost_data_is_sent_again_with_growing_patience,
        karns_rule,
        r04_data_and_fin_in_one_segment,
        data_out_of_order_is_put_in_order,
        overlapping_segments_are_put_together,
        defect_sequence_numbers_wrap_while_sending,
        defect_sequence_numbers_wrap_while_receiving,
        a_packet_of_64_kib_is_taken;
    closing:
        a_closes_first,
        b_closes_first,
        simultaneous_close,
        a_lost_fin_is_sent_again,
        the_last_ack_is_repeated,
        half_close_leaves_the_other_direction,
        all_that_was_taken_is_sent_before_the_fin,
        a_fin_waits_for_room_in_the_window,
        defect_a_fin_out_of_order_waits_for_its_turn,
        defect_fin_wait_1_is_left_only_by_the_ack_of_the_fin,
        defect_the_end_of_the_stream_is_not_an_error,
        unread_data_at_close_resets,
        data_after_close_resets,
        time_wait_ends,
        fin_wait_2_without_a_socket_ends,
        the_connections_of_an_abandoned_address_are_reset,
        a_closed_listener_resets_what_waits;
    robust:
        r10_a_reset_wakes_the_reader,
        r10_a_reset_wakes_the_connecting,
        r18_a_syn_in_the_window_is_challenged,
        r18_the_connection_lives_on_after_a_syn,
        a_reset_beside_the_mark_is_challenged,
        a_reset_outside_the_window_is_ignored,
        a_bad_checksum_is_dropped_and_counted,
        defect_a_data_offset_under_five_is_dropped_and_counted,
        malformed_options_are_dropped_and_counted,
        any_bytes_at_all_are_survived,
        two_confused_ends_do_not_talk_for_ever,
        a_peer_that_vanishes_times_out,
        an_idle_connection_costs_nothing;
    sockets:
        a_port_in_use_is_refused,
        foreign_addresses_are_refused,
        bad_handles_are_told,
        a_call_too_early_or_too_late_is_refused,
        readiness_follows_the_connection,
        a_full_send_buffer_is_not_writable,
        shut_reading_acknowledges_and_drops,
        facts_are_told,
        a_connection_to_oneself,
        five_hundred_connections;
}

/// The small TCP waits for a timeout.
mod fast_retransmit {
    #[test]
    fn three_duplicate_acks_bring_what_was_lost_at_once() {
        crate::loss::three_duplicate_acks_bring_what_was_lost_at_once(crate::whole);
    }
}
