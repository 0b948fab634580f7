//! The scoreboard on its own, and against a plain list.

use proptest::prelude::*;

use super::*;

fn board() -> Scoreboard {
    let mut board = Scoreboard::default();
    for i in 0..4 {
        // Across the wrap of sequence numbers.
        board.push(SeqNum(0xffff_ff00) + i * 100, 100, false, Instant::ZERO);
    }
    board
}

#[test]
fn a_partly_acknowledged_segment_keeps_its_rest() {
    let mut board = board();
    let mut whole = 0;
    board.acknowledge(SeqNum(0xffff_ff00) + 150, |_| whole += 1);
    assert_eq!((whole, board.flight(), board.len()), (1, 250, 3));
    assert_eq!(board.at(0).map(|sent| sent.len), Some(50));
}

/// RFC 6675 §4: what is lost, or has arrived, is not in the pipe; a retransmission is.
#[test]
fn the_pipe_counts_what_is_in_the_network() {
    let mut board = board();
    board.set_fate(0, Fate::Lost);
    board.set_fate(2, Fate::Sacked);
    assert_eq!(board.pipe(), 200);
    board.retransmitted(0, Instant::ZERO);
    assert_eq!((board.pipe(), board.first_lost()), (300, None));
    board.all_lost();
    assert_eq!((board.pipe(), board.tally().lost), (0, 3));
}

#[test]
fn a_split_segment_sums_to_the_same() {
    let mut board = Scoreboard::default();
    board.push(SeqNum(0), 1001, true, Instant::ZERO);
    assert!(board.longer_lost(400));
    board.split(0, 400);
    board.split(1, 400);
    let lens: Vec<_> = board.iter().map(|sent| (sent.len, sent.fin)).collect();
    assert_eq!(lens, [(400, false), (400, false), (201, true)]);
    assert_eq!((board.flight(), board.pipe()), (1001, 0));
}

/// A FIN takes a sequence number and no byte of a packet.
#[test]
fn a_fin_makes_no_segment_too_long() {
    let mut board = Scoreboard::default();
    board.push(SeqNum(0), 401, true, Instant::ZERO);
    assert!(!board.longer_lost(400));
    assert!(board.longer_lost(399));
}

/// Nothing that a peer can make longer is left out of what a connection takes.
#[test]
fn each_list_takes_memory() {
    let mut board = Scoreboard::default();
    (0..1000).for_each(|i| board.push(SeqNum(i * 100), 100, false, Instant::ZERO));
    (0..500).for_each(|i| board.sack(SeqNum(i * 200 + 100), SeqNum(i * 200 + 200), |_| {}));
    let lists = board.0.as_ref().expect("in use");
    let (segments, runs, order) =
        (lists.segments.capacity() * size_of::<Sent>(), &lists.runs, &lists.order);
    assert!((500 * 8..4 * 500 * 8).contains(&runs.memory()), "{}", runs.memory());
    assert!((1000 * 16..4 * 1000 * 16).contains(&order.memory()), "{}", order.memory());
    let all = segments + runs.memory() + order.memory() + size_of::<Board>();
    assert_eq!(board.memory(), all);
}

#[test]
fn every_segment_takes_memory() {
    let mut board = Scoreboard::default();
    for i in 0..1000 {
        board.push(SeqNum(i * 100), 100, false, Instant::ZERO);
    }
    let least = 1000 * size_of::<Sent>();
    assert!((least..4 * least).contains(&board.memory()), "{} of {least}", board.memory());
}

/// RFC 2018 §3: blocks tell of whole segments; what they cover in part is left alone.
#[test]
fn a_block_marks_the_segments_that_lie_in_it_wholly() {
    let mut board = board();
    let una = SeqNum(0xffff_ff00);
    let mut seen = Vec::new();
    board.sack(una + 150, una + 399, |sent| seen.push(sent.seq - una));
    assert_eq!((seen, board.pipe(), board.len()), (vec![200], 300, 4));
    assert_eq!(board.fack(), Some(una + 300));
    board.sack(una + 100, una + 400, |_| {});
    assert_eq!((board.pipe(), board.tally().sacked), (100, 3));
}

/// CVE-2019-11477's class: a block that says again what is known costs no look at the segments.
#[test]
fn what_is_known_is_not_looked_at_again() {
    let mut board = Scoreboard::default();
    (0..1000).for_each(|i| board.push(SeqNum(i * 100), 100, false, Instant::ZERO));
    let mut looked_at = 0;
    for i in (1..1000).step_by(2) {
        board.sack(SeqNum(i * 100), SeqNum(i * 100 + 100), |_| looked_at += 1);
    }
    assert_eq!(board.runs.len(), 500);
    for _ in 0..100 {
        board.sack(SeqNum(100), SeqNum(100_000), |_| looked_at += 1);
    }
    assert_eq!((looked_at, board.runs.len()), (999, 1));
}

/// Retransmissions go to the end of the order of sending; what is no longer on its way leaves it.
#[test]
fn the_oldest_transmission_is_found_without_a_search() {
    let mut board = board();
    let ms = Instant::from_millis;
    board.set_fate(0, Fate::Lost);
    board.retransmitted(0, ms(10));
    assert_eq!(board.oldest_sent(), Some(1));
    board.sack(SeqNum(0xffff_ff00) + 100, SeqNum(0xffff_ff00) + 400, |_| {});
    assert_eq!(board.oldest_sent(), Some(0));
    assert_eq!(board.history().first_retransmission, Some(ms(10)));
    board.all_lost();
    assert_eq!(board.oldest_sent(), None);
    board.none_lost();
    assert_eq!(board.oldest_sent(), Some(0));
}

/// The order stays short however often one segment is sent again.
#[test]
fn the_order_of_sending_is_bounded() {
    let mut board = board();
    for ms in 0..10_000 {
        board.set_fate(1, Fate::Lost);
        board.retransmitted(1, Instant::from_millis(ms));
    }
    assert!(board.memory() < 20_000, "{}", board.memory());
    assert_eq!(board.oldest_sent(), Some(0));
}

/// RFC 2018 §8.
#[test]
fn a_peer_may_take_back_what_it_had() {
    let mut board = board();
    board.sack(SeqNum(0xffff_ff00), SeqNum(0xffff_ff00) + 200, |_| {});
    board.reneged();
    assert_eq!((board.tally().sacked, board.tally().lost, board.first_lost()), (0, 2, Some(0)));
}

proptest! {
    /// Against a list that knows of each byte whether it was reported.
    #[test]
    fn blocks_in_any_order_mark_what_they_cover(
        blocks in prop::collection::vec((0u32..60, 0u32..30), 1..40),
        una in 0u32..30,
    ) {
        let start = SeqNum(u32::MAX - 100);
        let mut board = Scoreboard::default();
        (0..20).for_each(|i| board.push(start + i * 3, 3, false, Instant::ZERO));
        let mut sacked = [false; 20];
        for (i, (left, len)) in blocks.into_iter().enumerate() {
            if i == 10 {
                board.acknowledge(start + una, |_| {});
            }
            board.sack(start + left, start + left + len, |_| {});
            for (index, sacked) in sacked.iter_mut().enumerate() {
                let (from, to) = (index as u32 * 3, index as u32 * 3 + 3);
                let from = if i >= 10 { from.max(una) } else { from };
                *sacked |= left <= from && to <= left + len;
            }
        }
        let mut bytes = 0;
        for sent in board.iter() {
            let index = ((sent.end() - start) / 3 - 1) as usize;
            prop_assert_eq!(sent.fate == Fate::Sacked, sacked[index], "{}", index);
            bytes += if sacked[index] { 0 } else { sent.len };
        }
        prop_assert_eq!(board.pipe(), bytes);
    }
}
