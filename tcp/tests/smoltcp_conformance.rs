//! What the conformance kit calls a MUST, held against smoltcp: a stack that others wrote, and so a
//! judge of the kit that does not share our mistakes. Where it fails a case, that is something it
//! does not have or does otherwise, and listed here with the reason; or the case asked for more
//! than the RFC does, and was mended.

mod smoltcp_streams;

mod musts {
    use std::net::Ipv4Addr;

    use smoltcp::socket::tcp::CongestionControl;
    use tcp::Streams;

    use crate::smoltcp_streams::SmolTcp;

    /// A host with the address that a [`Script`](tcp::testing::Script) gives it.
    fn make(seed: u64) -> Box<dyn Streams> {
        // As without the feature that the cases on congestion control need.
        let congestion = CongestionControl::None;
        Box::new(SmolTcp::new(Ipv4Addr::new(10, 0, 0, 1), congestion, 65_535, seed))
    }

    const NO_SETTING: &str = "it has no such setting";
    const NOT_TOLD: &str = "it does not tell its variables";
    const NO_CONTROL: &str = "its congestion control is off unless it is asked for";
    const NO_ICMP: &str = "its TCP is told of no ICMP error";
    const NO_URGENT: &str = "it has no urgent data";
    const NO_CHALLENGE: &str = "it drops a SYN, and a RST beside the number, without an answer";
    const NO_PAWS: &str = "it echoes timestamps and compares none";
    const OLD_ACK: &str = "it drops a segment with an old acknowledgment, text and all";
    const EARLY_FIN: &str = "it forgets a FIN that comes ahead of a gap";
    const TEN_SECONDS: &str = "TIME-WAIT lasts for 10 s, whatever comes";

    tcp::conformance_tests!(musts, make: make, except: [
        (
            "ecn cork_does_not_hold_for_ever a_passive_open_leaves_other_connections_alone \
             a_port_takes_connections_while_others_are_half_open an_abort_sends_a_reset \
             an_abort_in_syn_sent_sends_nothing",
            NO_SETTING,
        ),
        (
            "an_active_open_sends_a_bare_syn a_shift_of_more_than_14_counts_as_14 \
             the_window_of_a_syn_is_not_scaled windows_are_scaled_only_where_both_offered_it",
            NOT_TOLD,
        ),
        ("ip_chooses_the_local_address_otherwise", "it is given one address here"),
        (
            "after_lost_syns_the_initial_window_is_one_segment \
             slow_start_adds_a_segment_for_each_that_is_acknowledged \
             the_initial_window_counts_small_segments_too \
             the_initial_window_is_ten_segments_at_most no_initial_slow_start \
             no_slow_start_after_retransmission_timeout retransmission_sends_multiple_packets \
             uninitialized_cwnd",
            NO_CONTROL,
        ),
        (
            "an_error_goes_to_the_connection_that_it_is_about \
             fragmentation_needed_makes_segments_smaller",
            NO_ICMP,
        ),
        (
            "urgent_data_is_announced_before_it_is_reached urgent_data_is_pointed_to \
             an_urgent_pointer_is_told an_urgent_pointer_that_moves_on_is_told_again \
             how_much_urgent_data_is_left_is_told urgent_data_may_be_longer_than_a_segment \
             with_the_window_shut_an_urgent_pointer_counts",
            NO_URGENT,
        ),
        (
            "a_reset_beside_the_next_number_is_challenged \
             a_reset_beside_the_number_is_challenged_in_syn_received a_syn_ack_is_challenged \
             a_syn_in_the_window_is_challenged a_syn_at_the_next_number_is_challenged \
             a_syn_outside_the_window_is_challenged text_on_a_challenged_syn_is_not_taken \
             whoever_means_a_reset_answers_the_challenge all_flags_at_once_are_a_reset_first \
             a_peer_that_restarted_finds_the_connection_half_open \
             an_old_syn_does_not_reopen_from_time_wait",
            NO_CHALLENGE,
        ),
        (
            "an_equal_timestamp_is_taken an_old_timestamp_is_dropped_and_acknowledged \
             timestamps_go_round",
            NO_PAWS,
        ),
        (
            "an_old_acknowledgment_of_late_is_acceptable \
             what_acknowledges_the_far_past_is_not_taken \
             a_repeated_acknowledgment_does_not_keep_text_out",
            OLD_ACK,
        ),
        ("a_fin_out_of_order_waits_for_its_turn", EARLY_FIN),
        ("text_behind_the_fin_is_ignored", "it takes text in CLOSE-WAIT"),
        ("a_fin_beyond_the_window_does_not_count", "it takes a FIN that there is no room for"),
        ("time_wait_lasts_and_ends a_repeated_fin_starts_time_wait_anew", TEN_SECONDS),
        ("a_repeated_fin_is_acknowledged_again", "it answers one such segment a second"),
        ("the_acknowledgment_ends_last_ack", "it answers an ACK that says nothing new"),
        ("a_close_in_syn_sent_leaves_nothing", "it sends a reset"),
        ("a_connect_to_a_group_is_an_error", "it begins"),
        ("a_syn_to_a_group_is_dropped_silently", "it answers"),
        ("a_reset_acknowledges_text_syn_and_fin", "its resets acknowledge nothing but a SYN"),
        (
            "sequence_numbers_of_one_pair_move_on_with_the_clock",
            "they are random",
        ),
        ("a_silly_window_is_not_used", "it uses any window"),
        ("the_window_does_not_open_by_a_little", "what it answers with tells of any room"),
        ("an_older_segment_does_not_change_the_window", "it takes the window of every segment"),
        (
            "a_window_that_shrank_to_nothing_is_probed",
            "its timer runs out, and nothing is sent for ever after",
        ),
        ("after_a_lost_syn_the_rto_is_three_seconds", "it is what the timeouts made of it"),
        ("ip_is_told_of_many_retransmissions", "there is no such call below it"),
        (
            "a_peer_that_is_gone_is_given_up an_open_that_nobody_answers_ends_with_an_error \
             a_fin_that_nobody_acknowledges_ends_after_the_user_timeout",
            "it tries for ever, but for a timeout that ends idle connections as well",
        ),
        ("insufficient_interval_between_keepalives", "it probes at once when it is told to probe"),
    ]);
}
