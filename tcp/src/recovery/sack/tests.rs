//! RFC 6675 on a scoreboard of its own.

use super::*;
use crate::recovery::Delivery;
use netdev::Instant;

const MSS: u32 = 1000;

/// A sender that has sent ten segments.
struct Bench {
    recovery: CountSacks,
    board: Scoreboard,
    una: u32,
    nxt: u32,
}

impl Bench {
    fn new() -> Bench {
        let recovery = CountSacks { sack: true, ..CountSacks::new(&Config::default()) };
        let mut bench = Bench { recovery, board: Scoreboard::default(), una: 0, nxt: 0 };
        bench.send(10);
        bench
    }

    fn send(&mut self, count: u32) {
        for _ in 0..count {
            self.board.push(SeqNum(self.nxt * MSS), MSS, false, Instant::ZERO);
            self.nxt += 1;
        }
    }

    fn at(&self) -> Moment {
        Moment::test(100, self.una * MSS, self.nxt * MSS)
    }

    /// An acknowledgment of all before segment `una`, and of some beyond it.
    fn ack(&mut self, una: u32, sacked: &[u32]) -> Change {
        let mut delivery = Delivery::default();
        self.board.acknowledge(SeqNum(una * MSS), |sent| delivery.acked(sent));
        for &segment in sacked {
            let left = SeqNum(segment * MSS);
            self.board.sack(left, left + MSS, |sent| delivery.sacked(sent));
        }
        let newly_acked = (una - self.una) * MSS;
        self.una = una;
        let seen = AckSeen {
            at: self.at(),
            newly_acked,
            duplicate: newly_acked == 0,
            delivery,
            dsack: None,
            original: false,
            fack: None,
            history: Default::default(),
        };
        self.recovery.acked(&seen, &mut self.board)
    }

    fn sacks(&mut self, sacked: &[u32]) -> Change {
        self.ack(self.una, sacked)
    }

    /// NextSeg() (1): the segments that are lost are sent again, `most` of them.
    fn retransmit(&mut self, most: usize) -> Vec<u32> {
        let mut sent = Vec::new();
        while sent.len() < most
            && let Some(index) = self.board.first_lost()
        {
            self.board.retransmitted(index, Instant::ZERO);
            let segment = *self.board.at(index).expect("just marked");
            self.recovery.sent_again(&segment);
            sent.push(segment.seq.0 / MSS);
        }
        sent
    }

    /// NextSeg() (3) and (4).
    fn next(&mut self) -> Option<u32> {
        let at = self.at();
        let index = self.recovery.next_segment(&at, &mut self.board)?;
        self.board.at(index).map(|sent| sent.seq.0 / MSS)
    }

    fn pipe(&self) -> u32 {
        self.board.pipe() / MSS
    }
}

/// §5 (1): the third acknowledgment that tells of something new.
#[test]
fn three_duplicates_begin_recovery() {
    let mut bench = Bench::new();
    assert_eq!(bench.sacks(&[1]), Change::None);
    assert_eq!(bench.sacks(&[1]), Change::None, "nothing new: not a duplicate by §2");
    assert_eq!((bench.sacks(&[2]), bench.recovery.ca_state()), (Change::None, CaState::Disorder));
    assert_eq!((bench.sacks(&[3]), bench.recovery.ca_state()), (Change::Began, CaState::Recovery));
    assert_eq!(bench.retransmit(9), [0]);
}

/// §5 (2): one acknowledgment for many segments is enough, where they are more bytes than two
/// segments have, or three runs.
#[test]
fn one_acknowledgment_may_tell_a_loss() {
    for (sacked, lost) in [(&[2, 3, 4][..], &[0, 1][..]), (&[1, 3, 5], &[0]), (&[1, 4, 5], &[0])] {
        let mut bench = Bench::new();
        assert_eq!(bench.sacks(sacked), Change::Began, "{sacked:?}");
        assert_eq!(bench.retransmit(9), lost, "{sacked:?}");
    }
    assert_eq!(Bench::new().sacks(&[2, 3]), Change::None);
    assert_eq!(Bench::new().sacks(&[2, 9]), Change::None);
}

/// §5: "a cumulative acknowledgment MUST reset DupAcks", and may be a duplicate itself.
#[test]
fn an_advance_counts_anew() {
    let mut bench = Bench::new();
    bench.sacks(&[1]);
    bench.sacks(&[2]);
    assert_eq!(bench.ack(3, &[4]), Change::None);
    assert_eq!(bench.sacks(&[5]), Change::None);
    assert_eq!(bench.sacks(&[6]), Change::Began);
}

/// §4, SetPipe(): neither what has arrived, nor what is lost and was not sent again; twice what
/// was sent again and is not lost.
#[test]
fn the_pipe_is_what_is_in_the_network() {
    let mut bench = Bench::new();
    bench.sacks(&[2, 3, 4, 6]);
    assert_eq!(bench.pipe(), 10 - 4 - 2);
    bench.retransmit(1);
    assert_eq!(bench.pipe(), 5);
    bench.retransmit(1);
    assert_eq!((bench.next(), bench.pipe()), (Some(5), 7), "5 is not lost: the original counts");
    bench.sacks(&[7, 8, 9]);
    assert_eq!(bench.pipe(), 3, "now it is: 0, 1 and 5 were sent again");
    assert_eq!(bench.retransmit(9), []);
}

/// §4, NextSeg() (1): what is lost, from the lowest up, once each.
#[test]
fn rule_1_sends_each_lost_segment_once() {
    let mut bench = Bench::new();
    bench.sacks(&[1, 4, 5, 6]);
    assert_eq!(bench.retransmit(2), [0, 2]);
    bench.sacks(&[7]);
    assert_eq!(bench.retransmit(9), [3]);
    bench.sacks(&[8, 9]);
    assert_eq!(bench.retransmit(9), []);
}

/// §4, NextSeg() (3): what is not lost by count, below something that has arrived; after it only
/// what lies beyond (1.a), and nothing beyond the highest that has arrived (1.b).
#[test]
fn rule_3_sends_what_may_be_lost() {
    let mut bench = Bench::new();
    bench.sacks(&[1, 2, 3]);
    bench.sacks(&[5, 7]);
    assert_eq!(bench.retransmit(9), [0]);
    assert_eq!((bench.next(), bench.next()), (Some(4), Some(6)));
    assert_eq!(bench.next(), None, "8 and 9 are above; the rescue waits for an advance");
    // Later they are lost by count, and were sent again already.
    bench.sacks(&[8, 9]);
    assert_eq!(bench.retransmit(9), []);
}

/// §4, NextSeg() (4): the last segment, once in a recovery, when more is acknowledged than the
/// first retransmission.
#[test]
fn rule_4_rescues_the_tail_once() {
    let mut bench = Bench::new();
    bench.sacks(&[1, 2, 3]);
    assert_eq!((bench.retransmit(9), bench.next()), (vec![0], None));
    let pipe = bench.pipe();
    assert_eq!(bench.ack(4, &[]), Change::None);
    assert_eq!((bench.next(), bench.next()), (Some(9), None));
    assert_eq!(bench.pipe(), pipe - 1, "a rescue is not counted");
    assert_eq!(bench.ack(5, &[]), Change::None);
    assert_eq!(bench.next(), None);
    assert_eq!(bench.recovery.high_rxt, SeqNum(MSS), "HighRxt stays");
}

/// The last that has not arrived, not the last.
#[test]
fn rule_4_passes_over_what_has_arrived() {
    let mut bench = Bench::new();
    bench.sacks(&[1, 2, 3, 8, 9]);
    assert_eq!(bench.retransmit(9), [0]);
    assert_eq!([bench.next(), bench.next(), bench.next(), bench.next()], [4, 5, 6, 7].map(Some));
    bench.ack(4, &[]);
    assert_eq!(bench.next(), Some(7));
}

/// §5 (A): RecoveryPoint ends it; what was lost since begins another.
#[test]
fn the_recovery_point_ends_it() {
    let mut bench = Bench::new();
    bench.sacks(&[1, 2, 3]);
    bench.retransmit(9);
    bench.send(5);
    assert_eq!((bench.ack(9, &[11]), bench.recovery.ca_state()), (Change::None, CaState::Recovery));
    assert_eq!(bench.ack(10, &[12]), Change::Ended);
    bench.send(5);
    assert_eq!(bench.sacks(&[13]), Change::Began);
}

/// §5.1: after a timeout nothing that has arrived is sent again, and no recovery begins before
/// all that had been sent is acknowledged.
#[test]
fn a_timeout_fills_the_gaps() {
    let mut bench = Bench::new();
    bench.sacks(&[4, 6]);
    let at = bench.at();
    bench.recovery.timed_out(&at, &mut bench.board);
    assert_eq!(bench.retransmit(20), [0, 1, 2, 3, 5, 7, 8, 9]);
    assert_eq!((bench.sacks(&[7, 8, 9]), bench.next()), (Change::None, None));
    assert_eq!(bench.recovery.ca_state(), CaState::Loss);
    assert_eq!(bench.ack(10, &[]), Change::Ended);
}

/// §2, DupThresh: another number of segments beyond a gap.
#[test]
fn dup_thresh_can_be_chosen() {
    let mut bench = Bench::new();
    bench.recovery = CountSacks {
        sack: true,
        ..CountSacks::new(&Config { reordering: 5, ..Config::default() })
    };
    assert_eq!(bench.sacks(&[1, 2, 3, 4]), Change::None);
    assert_eq!(bench.sacks(&[5]), Change::Began);
}
