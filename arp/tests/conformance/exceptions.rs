//! What the implementations of this crate are known not to keep of the kit, and why. Whoever grades
//! them reads it too.

use netdev::conformance::Exception;

const ASKS_NOBODY: &str = "neighbours are set by hand: nobody is asked, and nothing waits";
const LEARNS_NOTHING: &str = "neighbours are set by hand: nothing is learnt from the wire";

/// `StaticTable`.
pub(crate) const STATIC_TABLE: &[Exception] = &[
    ("a_confirmation_from_above_saves_the_question", ASKS_NOBODY),
    ("a_doubt_from_above_begins_the_question", ASKS_NOBODY),
    ("a_flush_forgets", ASKS_NOBODY),
    ("a_flush_hands_back_what_waits", ASKS_NOBODY),
    ("a_neighbour_that_answers_is_never_cut_off", ASKS_NOBODY),
    ("a_neighbour_that_moved_silently_is_found", ASKS_NOBODY),
    ("an_entry_is_not_believed_for_ever", ASKS_NOBODY),
    ("an_old_entry_is_checked_once_a_second_at_most", ASKS_NOBODY),
    ("an_unused_entry_is_forgotten", ASKS_NOBODY),
    ("the_time_that_is_left_is_shown", ASKS_NOBODY),
    ("a_conflict_is_answered_with_an_announcement", "a conflict is only told"),
    ("an_announcement_updates_a_neighbour", LEARNS_NOTHING),
    ("a_new_address_supersedes_the_old_at_once", LEARNS_NOTHING),
    ("a_reply_updates_a_known_sender", LEARNS_NOTHING),
    ("a_request_for_another_updates_a_known_sender", LEARNS_NOTHING),
    ("a_request_of_a_waited_for_host_ends_the_wait", ASKS_NOBODY),
    ("an_answer_is_taken_whatever_its_target_fields", ASKS_NOBODY),
    ("who_asks_is_learnt", LEARNS_NOTHING),
    ("a_failed_neighbour_that_speaks_is_used_at_once", LEARNS_NOTHING),
    ("a_known_neighbour_is_sent_to_at_once", ASKS_NOBODY),
    ("a_lost_request_is_repeated", ASKS_NOBODY),
    ("a_neighbour_that_nobody_sends_to_is_left_alone", ASKS_NOBODY),
    ("a_silent_neighbour_is_asked_once_a_second_at_most", ASKS_NOBODY),
    ("a_silent_neighbour_s_datagrams_come_back", ASKS_NOBODY),
    ("after_a_failure_the_neighbour_gets_another_chance", ASKS_NOBODY),
    ("an_answer_releases_only_what_waits_for_it", ASKS_NOBODY),
    ("an_unknown_neighbour_is_asked_for_by_broadcast", ASKS_NOBODY),
    ("each_neighbour_is_asked_for_by_itself", ASKS_NOBODY),
    ("no_entry_is_no_reason_to_be_unreachable", ASKS_NOBODY),
    ("nothing_comes_back_while_the_question_is_open", ASKS_NOBODY),
    ("one_request_is_enough_for_many_datagrams", ASKS_NOBODY),
    ("the_first_datagram_waits_for_the_answer", ASKS_NOBODY),
    ("the_latest_datagram_is_among_those_that_wait", ASKS_NOBODY),
    ("the_request_comes_from_the_datagram_s_address", ASKS_NOBODY),
    ("what_waits_for_one_neighbour_is_bounded", ASKS_NOBODY),
    ("what_waits_leaves_in_the_order_of_sending", ASKS_NOBODY),
    ("a_full_table_still_serves", ASKS_NOBODY),
    ("a_static_entry_lets_go_what_waits", ASKS_NOBODY),
    ("an_entry_shows_what_is_known_and_what_waits", ASKS_NOBODY),
];
