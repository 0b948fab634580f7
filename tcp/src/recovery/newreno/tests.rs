//! Recovery without SACK, on a scoreboard of its own.

use super::*;
use netdev::Instant;

const MSS: u32 = 1000;

/// Ten segments in flight.
fn board() -> Scoreboard {
    let mut board = Scoreboard::default();
    (0..10).for_each(|i| board.push(SeqNum(i * MSS), MSS, false, Instant::ZERO));
    board
}

fn ack(una: u32, newly_acked: u32) -> AckSeen {
    let at = Moment { sack: false, ..Moment::test(0, una * MSS, 10 * MSS) };
    AckSeen { newly_acked: newly_acked * MSS, duplicate: newly_acked == 0, ..AckSeen::test(at) }
}

/// RFC 3042: each of the first two duplicate ACKs makes room for one segment; RFC 5681 §3.2:
/// the third begins recovery with the first segment.
#[test]
fn the_third_duplicate_begins_recovery() {
    let (mut recovery, mut board) = (ThreeDuplicates::new(&Config::default()), board());
    assert_eq!(recovery.acked(&ack(0, 0), &mut board), Change::None);
    assert_eq!((board.pipe(), recovery.ca_state()), (9 * MSS, CaState::Disorder));
    assert_eq!(recovery.acked(&ack(0, 0), &mut board), Change::None);
    assert_eq!(recovery.acked(&ack(0, 0), &mut board), Change::Began);
    assert_eq!((board.first_lost(), board.pipe()), (Some(0), 6 * MSS));
}

/// RFC 6582 §3.2: a partial acknowledgment shows the next loss, a full one ends recovery.
#[test]
fn a_partial_acknowledgment_retransmits_the_next_hole() {
    let (mut recovery, mut board) = (ThreeDuplicates::new(&Config::default()), board());
    (0..8).for_each(|_| _ = recovery.acked(&ack(0, 0), &mut board));
    board.retransmitted(0, Instant::ZERO);
    assert_eq!(board.pipe(), 2 * MSS);
    board.acknowledge(SeqNum(4 * MSS), |_| {});
    assert_eq!(recovery.acked(&ack(4, 4), &mut board), Change::Again);
    assert_eq!(board.first_lost(), Some(0));
    // Six are left: five of them arrived, the lost one is not in the network.
    assert_eq!(board.pipe(), 0);
    board.acknowledge(SeqNum(10 * MSS), |_| {});
    assert_eq!(recovery.acked(&ack(10, 6), &mut board), Change::Ended);
    assert_eq!(recovery.ca_state(), CaState::Open);
}

/// RFC 6582 §4.1: after a timeout, duplicates of what was sent again begin nothing.
#[test]
fn duplicates_after_a_timeout_begin_no_recovery() {
    let (mut recovery, mut board) = (ThreeDuplicates::new(&Config::default()), board());
    recovery.timed_out(&Moment::test(0, 0, 10 * MSS), &mut board);
    assert_eq!(board.tally().lost, 10);
    for _ in 0..5 {
        assert_eq!(recovery.acked(&ack(0, 0), &mut board), Change::None);
    }
    assert_eq!(recovery.ca_state(), CaState::Loss);
}

fn at(una: u32, nxt: u32) -> Moment {
    Moment { sack: false, may_send_new: true, ..Moment::test(300, una * MSS, nxt * MSS) }
}

/// A timeout with ten segments in flight; the first is sent again.
fn timed_out() -> (ThreeDuplicates, Scoreboard) {
    let (mut recovery, mut board) = (ThreeDuplicates::new(&Config::default()), board());
    recovery.timed_out(&at(0, 10), &mut board);
    board.retransmitted(0, Instant::from_millis(300));
    (recovery, board)
}

/// Acknowledges all before `una`, of which `newly` segments are new.
fn advance(
    recovery: &mut ThreeDuplicates,
    board: &mut Scoreboard,
    una: u32,
    newly: u32,
    new: bool,
) -> Change {
    board.acknowledge(SeqNum(una * MSS), |_| {});
    let mut seen = ack(una, newly);
    seen.at.may_send_new = new;
    recovery.acked(&seen, board)
}

/// RFC 5682 §2.1 (2b), (3b): two acknowledgments that advance, and new data between them.
#[test]
fn a_second_advance_after_a_timeout_undoes_it() {
    let (mut recovery, mut board) = timed_out();
    assert_eq!(advance(&mut recovery, &mut board, 1, 1, true), Change::None);
    assert!(recovery.tries_new_data());
    (10..12).for_each(|i| board.push(SeqNum(i * MSS), MSS, false, Instant::ZERO));
    assert_eq!(advance(&mut recovery, &mut board, 2, 1, true), Change::Undone);
    assert_eq!((board.tally().lost, board.pipe()), (0, 10 * MSS));
    assert_eq!(recovery.ca_state(), CaState::Open);
}

/// RFC 5682 §2.1 (2a), (3a), and (2b) where there is nothing new to send.
#[test]
fn without_proof_the_timeout_was_right() {
    let (mut recovery, mut board) = timed_out();
    recovery.acked(&ack(0, 0), &mut board);
    assert_eq!(advance(&mut recovery, &mut board, 1, 1, true), Change::None);
    assert!(!recovery.tries_new_data());

    let (mut recovery, mut board) = timed_out();
    advance(&mut recovery, &mut board, 1, 1, true);
    assert_eq!(recovery.acked(&ack(1, 0), &mut board), Change::None);
    assert!(!recovery.tries_new_data());
    assert_eq!(advance(&mut recovery, &mut board, 2, 1, true), Change::None);
    assert_eq!(board.tally().lost, 8);

    let (mut recovery, mut board) = timed_out();
    advance(&mut recovery, &mut board, 1, 1, false);
    assert_eq!(advance(&mut recovery, &mut board, 2, 1, true), Change::None);
    assert_eq!(recovery.ca_state(), CaState::Loss);
}

/// RFC 5682 §2.1, step 1: a timeout in a recovery from another is taken as it is.
#[test]
fn a_second_timeout_is_not_doubted() {
    let (mut recovery, mut board) = timed_out();
    recovery.timed_out(&at(0, 10), &mut board);
    advance(&mut recovery, &mut board, 1, 1, true);
    assert!(!recovery.tries_new_data());
}

/// RFC 3522 §3.2: the acknowledgment answers what was sent before the retransmission.
#[test]
fn a_timestamp_undoes_a_recovery() {
    let (mut recovery, mut board) = (ThreeDuplicates::new(&Config::default()), board());
    (0..3).for_each(|_| _ = recovery.acked(&ack(0, 0), &mut board));
    board.retransmitted(0, Instant::ZERO);
    board.acknowledge(SeqNum(4 * MSS), |_| {});
    let seen = AckSeen { original: true, ..ack(4, 4) };
    assert_eq!(recovery.acked(&seen, &mut board), Change::Undone);
    assert_eq!((board.pipe(), recovery.ca_state()), (6 * MSS, CaState::Open));
}

/// RFC 6937 §3: a segment for each duplicate; of an acknowledgment that advances, what no
/// duplicate had counted.
#[test]
fn what_is_delivered_is_counted_by_duplicates() {
    let (mut recovery, mut board) = (ThreeDuplicates::new(&Config::default()), board());
    for _ in 0..7 {
        recovery.acked(&ack(0, 0), &mut board);
        assert_eq!(recovery.delivered, MSS);
    }
    // 1 to 4 and 7 to 9 had been counted; now 0 came, and 5 is missing.
    advance(&mut recovery, &mut board, 5, 5, false);
    assert_eq!((recovery.delivered, board.left_network()), (MSS, 3 * MSS));
    // 5 came, and 6 with it, whose duplicate was lost.
    board.push(SeqNum(10 * MSS), MSS, false, Instant::ZERO);
    advance(&mut recovery, &mut board, 10, 5, false);
    assert_eq!(recovery.delivered, 2 * MSS);
}

/// [`Config::frto`] off: after a timeout what was in flight is sent again, and nothing undoes it;
/// [`Config::reordering`]: so many duplicates begin a recovery.
#[test]
fn both_can_be_chosen_otherwise() {
    let config = Config { frto: false, reordering: 5, ..Config::default() };
    let (mut recovery, mut board) = (ThreeDuplicates::new(&config), board());
    for _ in 0..4 {
        assert_eq!(recovery.acked(&ack(0, 0), &mut board), Change::None);
    }
    assert_eq!((recovery.acked(&ack(0, 0), &mut board), recovery.reordering()), (Change::Began, 5));

    let (mut recovery, mut board) = (ThreeDuplicates::new(&config), super::tests::board());
    recovery.timed_out(&at(0, 10), &mut board);
    for una in 1..3 {
        board.acknowledge(SeqNum(una * MSS), |_| {});
        let seen = AckSeen { at: at(una, 10), ..ack(una, 1) };
        assert_eq!(recovery.acked(&seen, &mut board), Change::None);
        assert!(!recovery.tries_new_data());
    }
    assert_eq!(recovery.ca_state(), CaState::Loss);
}

/// RFC 6937 §3: the window comes down to the threshold; without one it stays.
#[test]
fn without_a_threshold_the_window_stays() {
    let (mut recovery, mut board) = (ThreeDuplicates::new(&Config::default()), board());
    (0..3).for_each(|_| _ = recovery.acked(&ack(0, 0), &mut board));
    recovery.reduce(u32::MAX, 0, &at(0, 10), &board);
    assert_eq!(recovery.window(10 * MSS), 10 * MSS);
    recovery.reduce(5 * MSS, 0, &at(0, 10), &board);
    // Six are in the pipe, and the retransmission begins it.
    assert_eq!(recovery.window(10 * MSS), 7 * MSS);
}
