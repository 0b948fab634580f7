//! Blocks, sent and heard.

use super::*;
use crate::Config;

fn block(left: u32, right: u32) -> SackBlock {
    SackBlock { left: SeqNum(left), right: SeqNum(right) }
}

/// A receiver that expects 1000, and its report.
fn receiver() -> (ReceiveSpace, Report) {
    let mut rcv = ReceiveSpace::new(&Config::default(), 1 << 20);
    rcv.synchronize(SeqNum(999));
    (rcv, Report { in_use: true, ..Report::default() })
}

fn blocks(report: &mut Report, rcv: &ReceiveSpace, room: usize) -> Vec<(u32, u32)> {
    let mut options = Options::default();
    report.fill(&mut options, rcv, room, true);
    options.sack_blocks().iter().map(|block| (block.left.0, block.right.0)).collect()
}

/// RFC 2018 §4, §5: the range of the segment that came last is first, then the others by when
/// they were reported.
#[test]
fn the_latest_range_is_reported_first() {
    let (mut rcv, mut report) = receiver();
    for seq in [1100, 1300, 1500, 1700, 1900, 1200] {
        rcv.text(SeqNum(seq), &[1; 50], false);
        report.received(SeqNum(seq), &rcv);
    }
    let all = [(1200, 1250), (1900, 1950), (1700, 1750), (1500, 1550)];
    assert_eq!(blocks(&mut report, &rcv, 40), all);
    assert_eq!(blocks(&mut report, &rcv, 28), all[..3], "beside timestamps");
    rcv.text(SeqNum(1950), &[1; 50], false);
    report.received(SeqNum(1950), &rcv);
    let grown = [(1900, 2000), (1200, 1250), (1700, 1750), (1500, 1550)];
    assert_eq!(blocks(&mut report, &rcv, 40), grown);
    rcv.text(SeqNum(1000), &[1; 600], false);
    assert_eq!(blocks(&mut report, &rcv, 40), [(1900, 2000), (1700, 1750)]);
}

/// RFC 2883 §4.1.1, §4.1.3: once, in front of the range that it lies in.
#[test]
fn a_duplicate_is_reported_once() {
    let (mut rcv, mut report) = receiver();
    rcv.text(SeqNum(1500), &[1; 1000], false);
    report.received(SeqNum(1500), &rcv);
    let (left, right) = already_there(&rcv, SeqNum(2000), 500).unwrap();
    report.duplicated(left, right);
    assert_eq!(blocks(&mut report, &rcv, 40), [(2000, 2500), (1500, 2500)]);
    assert_eq!(blocks(&mut report, &rcv, 40), [(1500, 2500)]);
    assert_eq!(already_there(&rcv, SeqNum(1400), 200), Some((SeqNum(1500), SeqNum(1600))));
    assert_eq!(already_there(&rcv, SeqNum(2400), 200), Some((SeqNum(2400), SeqNum(2500))));
    assert_eq!(already_there(&rcv, SeqNum(2500), 200), None);
}

fn heard(blocks: &[SackBlock], ack: u32, una: u32, nxt: u32) -> Heard {
    let mut options = Options::default();
    blocks.iter().for_each(|&block| _ = options.push_sack(block));
    Heard::of(&options, SeqNum(ack), SeqNum(una - 10_000), SeqNum(una), SeqNum(nxt))
}

/// RFC 2883 §4: duplicates below and above the acknowledgment.
#[test]
fn a_duplicate_is_known_by_where_it_lies() {
    let below = heard(&[block(20_000, 20_500), block(22_000, 23_000)], 21_000, 21_000, 25_000);
    assert_eq!(below.duplicate, Some(block(20_000, 20_500)));
    assert_eq!(below.blocks(), [block(22_000, 23_000)]);
    let above = heard(&[block(22_000, 22_500), block(22_000, 23_000)], 21_000, 21_000, 25_000);
    assert_eq!((above.duplicate, above.count), (Some(block(22_000, 22_500)), 1));
    let none = heard(&[block(22_000, 22_500), block(23_000, 24_000)], 21_000, 21_000, 25_000);
    assert_eq!((none.duplicate, none.count), (None, 2));
}

/// Blocks come sorted, of what is in flight only.
#[test]
fn blocks_of_what_was_never_sent_are_counted_and_ignored() {
    let bad = [block(24_000, 25_001), block(23_000, 22_000), block(23_000, 23_000)];
    let heard_of = heard(&bad, 21_000, 21_000, 25_000);
    assert_eq!((heard_of.bogus, heard_of.count), (3, 0));
    let mixed = [block(24_000, 24_500), block(22_000, 22_500), block(20_500, 21_500)];
    let sorted = [block(21_000, 21_500), block(22_000, 22_500), block(24_000, 24_500)];
    assert_eq!(heard(&mixed, 21_000, 21_000, 25_000).blocks(), sorted);
}
