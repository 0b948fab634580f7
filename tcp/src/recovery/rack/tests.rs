//! RACK-TLP on a scoreboard of its own.

use super::*;
use crate::Sent;
use crate::options::SackBlock;
use crate::recovery::Delivery;

const MSS: u32 = 1000;

/// A sender that has sent ten segments at time zero over a path of 100 ms.
struct Bench {
    rack: Rack,
    board: Scoreboard,
    una: u32,
    nxt: u32,
}

impl Bench {
    fn new() -> Bench {
        let mut bench = Bench {
            rack: Rack::new(&Config::default()),
            board: Scoreboard::default(),
            una: 0,
            nxt: 0,
        };
        bench.send(0, 10);
        bench
    }

    fn at(&self, ms: u64) -> Moment {
        Moment::test(ms, self.una * MSS, self.nxt * MSS)
    }

    fn send(&mut self, ms: u64, count: u32) {
        for _ in 0..count {
            let now = Instant::from_millis(ms);
            self.board.push(SeqNum(self.nxt * MSS), MSS, false, now);
            self.nxt += 1;
        }
    }

    /// Sends what is lost again; how many that was.
    fn retransmit(&mut self, ms: u64) -> u32 {
        let mut count = 0;
        while let Some(index) = self.board.first_lost() {
            self.board.retransmitted(index, Instant::from_millis(ms));
            self.rack.sent_again(&self.board.at(index).copied().expect("just marked"));
            count += 1;
        }
        count
    }

    /// An acknowledgment of all before segment `una`, and of some beyond it.
    fn ack(
        &mut self,
        ms: u64,
        una: u32,
        sacked: &[u32],
        more: impl FnOnce(&mut AckSeen),
    ) -> Change {
        let (fack, history) = (self.board.fack(), *self.board.history());
        let mut delivery = Delivery::default();
        self.board.acknowledge(SeqNum(una * MSS), |sent: &Sent| delivery.acked(sent));
        for &segment in sacked {
            let left = SeqNum(segment * MSS);
            self.board.sack(left, left + MSS, |sent| delivery.sacked(sent));
        }
        let newly_acked = (una - self.una) * MSS;
        self.una = una;
        let mut seen = AckSeen {
            at: self.at(ms),
            newly_acked,
            duplicate: newly_acked == 0,
            delivery,
            dsack: None,
            original: false,
            fack,
            history,
        };
        more(&mut seen);
        self.rack.acked(&seen, &mut self.board)
    }

    fn sacks(&mut self, ms: u64, segments: &[u32]) -> Change {
        let una = self.una;
        self.ack(ms, una, segments, |_| {})
    }

    /// Runs the timer that was asked for; when that was, in milliseconds.
    fn timer(&mut self, from_ms: u64) -> (u64, Change) {
        let due = self.rack.schedule(&self.at(from_ms), &self.board).expect("a timer");
        let ms = due.millis();
        (ms, self.rack.timer(&self.at(ms), &mut self.board))
    }

    fn lost(&self) -> u32 {
        self.board.tally().lost
    }
}

fn twice(segment: u32) -> impl FnOnce(&mut AckSeen) {
    let left = SeqNum(segment * MSS);
    move |seen| seen.dsack = Some(SackBlock { left, right: left + MSS })
}

/// RFC 8985 §6.2, step 4: where nothing was reordered yet, three segments beyond the gap are
/// enough, at once.
#[test]
fn three_segments_beyond_a_gap_tell_a_loss() {
    let mut bench = Bench::new();
    assert_eq!(bench.sacks(100, &[1]), Change::None);
    assert_eq!(bench.rack.ca_state(), CaState::Disorder);
    assert_eq!(bench.sacks(100, &[2]), Change::None);
    assert_eq!(bench.sacks(100, &[3]), Change::Began);
    assert_eq!((bench.lost(), bench.board.first_lost()), (1, Some(0)));
    assert_eq!(bench.rack.ca_state(), CaState::Recovery);
    bench.retransmit(100);
    assert_eq!(bench.ack(200, 10, &[], |_| {}), Change::Ended);
    assert_eq!(bench.rack.ca_state(), CaState::Open);
}

/// §6.2, step 5: with fewer, a quarter of the least round trip decides.
#[test]
fn one_segment_beyond_a_gap_tells_it_after_the_reordering_window() {
    let mut bench = Bench::new();
    assert_eq!(bench.sacks(100, &[4]), Change::None);
    assert_eq!(bench.timer(100), (127, Change::Began));
    assert_eq!(bench.lost(), 4);
    assert!(!bench.rack.waits_to_probe());
}

/// §3.2: a segment that comes late, but within the window, is not lost.
#[test]
fn reordering_within_the_window_is_no_loss() {
    let mut bench = Bench::new();
    assert_eq!(bench.sacks(100, &[1, 2]), Change::None);
    assert_eq!(bench.ack(120, 3, &[], |_| {}), Change::None);
    assert_eq!((bench.lost(), bench.rack.ca_state()), (0, CaState::Open));
    // Segment 0 arrived behind segment 2.
    assert_eq!((bench.rack.reordering.seen, bench.rack.reordering()), (true, 3));
    // From now on three segments are not enough.
    assert_eq!(bench.sacks(121, &[4, 5, 6, 7]), Change::None);
}

/// §6.2, figure 4: a retransmission that is lost as well is found, without a timeout.
#[test]
fn a_lost_retransmission_is_lost() {
    let mut bench = Bench::new();
    bench.sacks(100, &[1, 2, 3]);
    assert_eq!(bench.retransmit(100), 1);
    bench.send(101, 1);
    assert_eq!((bench.sacks(200, &[4, 5, 6]), bench.lost()), (Change::None, 0));
    bench.sacks(201, &[10]);
    assert_eq!(bench.lost(), 4, "0, sent before 10; 7, 8 and 9 with the first");
}

/// §6.2, step 2: what answers faster than any round trip answers the original.
#[test]
fn an_answer_that_is_too_fast_is_not_to_the_retransmission() {
    let mut bench = Bench::new();
    bench.sacks(100, &[1, 2, 3]);
    bench.retransmit(100);
    bench.ack(110, 1, &[], |_| {});
    assert_eq!(bench.rack.xmit_ts, Instant::ZERO);
}

/// §6.2, step 4: each round with a duplicate widens the window, and sixteen recoveries without
/// one close it again.
#[test]
fn duplicates_widen_the_window_for_a_while() {
    let mut bench = Bench::new();
    bench.sacks(100, &[1, 2, 3]);
    bench.retransmit(100);
    let window = |bench: &Bench| bench.rack.window_of_reordering(&bench.at(0), &bench.board);
    assert_eq!(window(&bench), Duration::ZERO);
    assert_eq!(bench.ack(110, 10, &[], twice(0)), Change::Undone);
    assert_eq!((bench.rack.reordering.mult, window(&bench).as_millis()), (2, 50));
    for round in 1..=16 {
        assert_eq!(bench.rack.reordering.mult, 2);
        let (ms, first) = (round * 1000, bench.nxt);
        bench.send(ms, 10);
        bench.sacks(ms + 100, &[first + 1]);
        assert_eq!(bench.timer(ms + 100).1, Change::Began);
        bench.retransmit(ms + 150);
        assert_eq!(bench.ack(ms + 250, first + 10, &[], |_| {}), Change::Ended);
    }
    assert_eq!((bench.rack.reordering.mult, window(&bench).as_millis()), (1, 25));
}

/// §6.2, step 4, on a path of 40 µs: steps of 250 µs, bounded by a millisecond.
#[test]
fn the_window_has_a_floor_once_reordering_was_seen() {
    let mut bench = Bench::new();
    let micros = |bench: &Bench| {
        let rtt = Some(Duration::from_micros(40));
        let at = Moment { min_rtt: rtt, srtt: rtt, ..bench.at(0) };
        bench.rack.window_of_reordering(&at, &bench.board).as_micros()
    };
    assert_eq!(micros(&bench), 10);
    bench.rack.reordering.seen = true;
    assert_eq!(micros(&bench), 250);
    (0..9).for_each(|_| bench.rack.reordering.widen(SeqNum(0)));
    assert_eq!(micros(&bench), 1000);
}

/// RFC 3708: all that was sent again came twice, told while it recovers or after it.
#[test]
fn duplicates_of_all_retransmissions_undo_the_recovery() {
    let mut bench = Bench::new();
    bench.sacks(100, &[2, 3, 4]);
    assert_eq!(bench.retransmit(100), 2);
    assert_eq!(bench.ack(150, 1, &[5], twice(0)), Change::None);
    assert_eq!(bench.ack(151, 2, &[6], twice(1)), Change::Undone);
    assert_eq!(bench.rack.ca_state(), CaState::Disorder);
    let mut bench = Bench::new();
    bench.sacks(100, &[1, 2, 3]);
    bench.retransmit(100);
    assert_eq!(bench.ack(150, 10, &[], |_| {}), Change::Ended);
    assert_eq!(bench.ack(200, 10, &[], twice(0)), Change::Undone);
    assert_eq!(bench.ack(201, 10, &[], twice(0)), Change::None, "once");
}

/// RFC 4015: an answer to the original undoes it, once no retransmission is on its way.
#[test]
fn a_timestamp_undoes_the_recovery() {
    let mut bench = Bench::new();
    bench.sacks(100, &[1, 2, 3]);
    bench.retransmit(100);
    assert_eq!(bench.ack(110, 4, &[], |seen| seen.original = true), Change::Undone);
    assert_eq!((bench.lost(), bench.rack.ca_state()), (0, CaState::Open));
}

/// §7.2, §7.3: after two round trips the tail is probed, once.
#[test]
fn the_tail_is_probed_once() {
    let mut bench = Bench::new();
    bench.ack(100, 5, &[], |_| {});
    assert_eq!(bench.timer(100), (302, Change::Probe));
    bench.board.probed(4, Instant::from_millis(300));
    bench.rack.probed(SeqNum(bench.nxt * MSS), true);
    assert_eq!(bench.rack.schedule(&bench.at(300), &bench.board), None);
    // The last segment was lost with the others before it.
    assert_eq!((bench.sacks(400, &[9]), bench.lost()), (Change::Began, 4));
}

/// §7.2: one segment may wait for a delayed acknowledgment; never later than the timeout, and no
/// probe while RACK watches a gap.
#[test]
fn a_probe_comes_after_a_delayed_ack_and_not_after_the_timeout() {
    let mut bench = Bench::new();
    bench.ack(100, 9, &[], |_| {});
    let at = Moment { rto_at: Some(Instant::from_millis(2000)), ..bench.at(100) };
    assert_eq!(bench.rack.schedule(&at, &bench.board), Some(Instant::from_millis(500)));
    assert!(bench.rack.waits_to_probe());
    bench.send(150, 1);
    let at = Moment { rto_at: Some(Instant::from_millis(250)), ..bench.at(150) };
    assert_eq!(bench.rack.schedule(&at, &bench.board), at.rto_at);
    bench.sacks(260, &[10]);
    bench.rack.schedule(&bench.at(260), &bench.board);
    assert!(!bench.rack.waits_to_probe());
}

/// §7.4.2: the probe repaired the loss of the last segment, which counts as congestion; or it came
/// twice, and there was none.
#[test]
fn a_loss_that_the_probe_repaired_counts() {
    for (duplicate, expected) in [(false, Change::Repaired), (true, Change::None)] {
        let mut bench = Bench::new();
        bench.ack(100, 9, &[], |_| {});
        bench.board.probed(0, Instant::from_millis(500));
        bench.rack.probed(SeqNum(bench.nxt * MSS), true);
        assert_eq!(bench.ack(600, 10, &[], |_| {}), Change::None);
        bench.send(601, 1);
        let change = bench.ack(701, 11, &[], |seen| {
            if duplicate {
                twice(9)(seen);
            }
        });
        assert_eq!(change, expected);
    }
}

/// RFC 5682 §3.1: new data goes out after the first acknowledgment, and what was sent once before
/// the timeout arrives: nothing was lost.
#[test]
fn a_spurious_timeout_is_undone() {
    let mut bench = Bench::new();
    bench.rack.timed_out(&bench.at(300), &mut bench.board);
    assert_eq!((bench.lost(), bench.rack.ca_state()), (10, CaState::Loss));
    bench.board.retransmitted(0, Instant::from_millis(300));
    bench.ack(310, 1, &[], |seen| seen.at.may_send_new = true);
    assert!(bench.rack.tries_new_data());
    bench.send(310, 2);
    assert_eq!(bench.ack(311, 2, &[], |_| {}), Change::Undone);
    assert_eq!((bench.lost(), bench.rack.ca_state()), (0, CaState::Open));
}

/// RFC 5682 §3.1 (3a): the new data arrives beyond a gap.
#[test]
fn a_timeout_that_was_right_is_not_undone() {
    let mut bench = Bench::new();
    bench.rack.timed_out(&bench.at(300), &mut bench.board);
    bench.board.retransmitted(0, Instant::from_millis(300));
    bench.ack(400, 1, &[], |seen| seen.at.may_send_new = true);
    bench.send(400, 2);
    assert_eq!(bench.sacks(500, &[10]), Change::None);
    assert!(!bench.rack.tries_new_data());
    assert_eq!((bench.lost(), bench.rack.ca_state()), (9, CaState::Loss));
    bench.retransmit(500);
    assert_eq!(bench.ack(600, 12, &[], |_| {}), Change::Ended);
}

/// RFC 8985 §6.3: a timeout does not take for lost what was sent just now.
#[test]
fn a_timeout_spares_what_is_not_late() {
    let mut bench = Bench::new();
    bench.ack(100, 5, &[], |_| {});
    bench.send(390, 3);
    bench.rack.timed_out(&bench.at(400), &mut bench.board);
    assert_eq!(bench.lost(), 5);
}

/// RFC 2018 §8: at a timeout what was told of may have been dropped.
#[test]
fn a_peer_that_took_back_what_it_had_gets_it_again() {
    let mut bench = Bench::new();
    bench.sacks(100, &[0, 1]);
    bench.rack.timed_out(&bench.at(400), &mut bench.board);
    assert_eq!((bench.lost(), bench.board.first_lost()), (10, Some(0)));
}

/// A batch of acknowledgments: the second shows that what the first took for lost was late, before
/// anything was sent again.
#[test]
fn what_arrives_before_it_is_sent_again_was_not_lost() {
    let mut bench = Bench::new();
    assert_eq!(bench.sacks(100, &[1, 2, 3]), Change::Began);
    assert_eq!(bench.ack(100, 4, &[], |_| {}), Change::Undone);
    assert!(bench.rack.reordering.seen);
}

/// RFC 8985 §6.2: DupThresh may be another, and F-RTO (RFC 5682) may be off: then an original that
/// arrives after a timeout undoes nothing.
#[test]
fn both_can_be_chosen_otherwise() {
    let config = Config { frto: false, reordering: 5, ..Config::default() };
    let mut bench = Bench::new();
    bench.rack = Rack::new(&config);
    assert_eq!(bench.sacks(100, &[1, 2, 3, 4]), Change::None);
    assert_eq!((bench.sacks(100, &[5]), bench.lost()), (Change::Began, 1));

    for (frto, change) in [(true, Change::Undone), (false, Change::None)] {
        let mut bench = Bench::new();
        bench.rack = Rack::new(&Config { frto, ..Config::default() });
        bench.rack.timed_out(&bench.at(300), &mut bench.board);
        bench.board.retransmitted(0, Instant::from_millis(300));
        assert_eq!(bench.ack(310, 1, &[], |seen| seen.at.may_send_new = true), Change::None);
        assert_eq!(bench.ack(320, 2, &[], |_| {}), change, "{frto}");
    }
}

/// RFC 5682 §3.1, step 2: duplicates do not tell whether the timeout was right; the next
/// acknowledgment that advances does.
#[test]
fn duplicates_before_the_first_advance_tell_nothing_of_a_timeout() {
    let mut bench = Bench::new();
    bench.rack.timed_out(&bench.at(300), &mut bench.board);
    bench.board.retransmitted(0, Instant::from_millis(300));
    assert_eq!(bench.ack(305, 0, &[], |_| {}), Change::None);
    bench.ack(310, 1, &[], |seen| seen.at.may_send_new = true);
    assert!(bench.rack.tries_new_data());
    assert_eq!(bench.ack(311, 2, &[], |_| {}), Change::Undone);
}

/// RFC 6937 §3: in a recovery the window comes down from what it was, a part for each delivery;
/// without a threshold there is nothing to come down to.
#[test]
fn the_window_of_a_recovery_comes_down_by_deliveries() {
    let mut bench = Bench::new();
    assert_eq!(bench.sacks(100, &[1, 2, 3]), Change::Began);
    bench.rack.reduce(u32::MAX, MSS, &bench.at(100), &bench.board);
    assert_eq!(bench.rack.window(5 * MSS), 5 * MSS);
    bench.rack.reduce(5 * MSS, MSS, &bench.at(100), &bench.board);
    // Six are in the pipe, and a retransmission begins it.
    assert_eq!(bench.rack.window(5 * MSS), 7 * MSS);
    bench.retransmit(100);
    assert_eq!(bench.ack(200, 10, &[], |_| {}), Change::Ended);
    assert_eq!(bench.rack.window(5 * MSS), 5 * MSS);
}
