//! The congestion window as the whole machine grows it: slow start, HyStart++, applications that
//! do not use it, idleness.

use super::*;
use crate::{CONGESTION_CONTROLS, find};

const MSS: u32 = 1460;

/// A connection, whose peer acknowledges what the test says when it says.
struct Flow(Script);

impl Flow {
    fn new(config: Config) -> Flow {
        let mut script = script(config);
        script.accept_one(80);
        Flow(script)
    }

    fn write(&mut self, segments: u32) {
        self.0.send(&pattern(0, (segments * MSS) as usize));
    }

    /// Lets time pass, then acknowledges the first so many segments.
    fn ack(&mut self, after_ms: u32, segments: u32) {
        self.0.wait(MS * after_ms);
        self.0.inject(seg("A").ack(1 + segments * MSS));
    }

    /// Takes what was sent; how many segments.
    fn sent(&mut self) -> usize {
        self.0.drain().len()
    }

    /// cwnd and ssthresh in segments.
    fn windows(&self) -> (u32, u32) {
        let info = self.0.info().expect("a connection");
        (info.cwnd, info.ssthresh)
    }
}

/// RFC 5681 §3.1 with RFC 3465: by as much as is acknowledged, whether for every second segment
/// or for ten at once.
#[test]
fn slow_start_grows_by_what_is_acknowledged() {
    let mut flow = Flow::new(Config::default());
    flow.write(40);
    assert_eq!(flow.sent(), 10);
    for place in 1..=5 {
        flow.ack(20, 2 * place);
        assert_eq!((flow.sent(), flow.windows().0), (4, 10 + 2 * place));
    }
    flow.ack(20, 20);
    assert_eq!((flow.sent(), flow.windows().0), (10, 30));
}

/// RFC 7661's idea: a window that was full when it was sent grows, though nothing follows.
#[test]
fn a_window_that_was_just_full_grows() {
    let mut flow = Flow::new(Config::default());
    flow.write(10);
    assert_eq!(flow.sent(), 10);
    for place in 1..=5 {
        flow.ack(5, 2 * place);
        assert_eq!(flow.windows().0, 10 + 2 * place);
    }
}

/// ... and one of which half was used does not. In slow start more than half is enough.
#[test]
fn a_window_that_is_half_empty_does_not_grow() {
    let mut flow = Flow::new(Config::default());
    flow.write(5);
    assert_eq!(flow.sent(), 5);
    for place in [2, 4, 5] {
        flow.ack(5, place);
        assert_eq!(flow.windows().0, 10);
    }
    flow.write(7);
    assert_eq!(flow.sent(), 7);
    flow.ack(5, 12);
    assert_eq!(flow.windows().0, 17);
}

/// RFC 9406 §4.2 (with the two deviations): after eight samples that are higher by an eighth than
/// the round before, the ninth acknowledgment leaves slow start; from there it is four times
/// slower. With CUBIC and with NewReno.
#[test]
fn a_rise_of_the_round_trip_ends_slow_start() {
    for name in ["cubic", "newreno"] {
        let congestion = find(CONGESTION_CONTROLS, name).expect("in the list");
        let mut flow = Flow::new(Config { congestion, ..Config::default() });
        flow.write(170);
        assert_eq!(flow.sent(), 10);
        flow.ack(100, 10);
        assert_eq!((flow.sent(), flow.windows()), (20, (20, u32::MAX)));
        flow.ack(120, 12);
        for place in 1..8 {
            assert_eq!(flow.windows(), (20 + 2 * place, u32::MAX), "{name}");
            flow.ack(1, 12 + 2 * place);
        }
        assert_eq!(flow.windows(), (36, u32::MAX));
        flow.ack(1, 28);
        assert_eq!(flow.windows(), (36, 36), "{name}: CSS begins");
        flow.ack(1, 30);
        assert_eq!(flow.windows(), (36, 36));
        flow.ack(1, 32);
        assert_eq!(flow.windows(), (37, 36), "{name}: half a segment for two");
    }
}

/// RFC 2861 §3 (RFC 5681 §4.1): half of the window for each RTO of silence, the initial window at
/// least; once, however often the machine looks before it sends.
#[test]
fn the_window_shrinks_while_nothing_is_sent_where_that_is_wanted() {
    for (wanted, left) in [(false, 36), (true, 10)] {
        let mut flow = Flow::new(Config { slow_start_after_idle: wanted, ..Config::default() });
        flow.write(26);
        assert_eq!(flow.sent(), 10);
        flow.ack(100, 10);
        assert_eq!(flow.sent(), 16);
        flow.ack(100, 26);
        assert_eq!(flow.windows(), (36, u32::MAX));
        flow.0.wait(2 * SECOND);
        assert_eq!(flow.windows().0, 36);
        flow.write(20);
        assert_eq!(flow.windows().0, left);
        assert_eq!(flow.sent(), 20.min(left as usize));
    }
}

/// RFC 3042 sends new data on duplicate ACKs; when it was reordering after all, what they counted
/// out is not counted again, so that there is no burst.
#[test]
fn duplicates_that_were_reordering_do_not_count_twice() {
    let mut flow = Flow::new(Config::default());
    flow.write(30);
    assert_eq!(flow.sent(), 10);
    for _ in 0..2 {
        flow.ack(10, 0);
        assert_eq!(flow.sent(), 1);
    }
    flow.ack(10, 3);
    assert_eq!((flow.sent(), flow.windows().0), (2, 11));
}

/// Another algorithm takes over the windows of the one before it, and `Info` names it.
#[test]
fn changing_the_algorithm_keeps_the_windows() {
    let mut flow = Flow::new(Config::default());
    flow.write(10);
    flow.sent();
    flow.0.expect_within(SECOND, seg("A").seq(1).len(MSS as usize));
    assert_eq!(flow.windows(), (1, 7));
    let socket = flow.0.current();
    flow.0.host.set(socket, Setting::Congestion("newreno".into())).expect("in the list");
    assert_eq!(flow.0.info().expect("a connection").congestion, "newreno");
    assert_eq!(flow.windows(), (1, 7));
}

/// ... and it is full where not one segment more would fit. In congestion avoidance one that has
/// room for a segment does not grow, however often it is used so far.
#[test]
fn a_window_with_room_for_one_more_segment_does_not_grow() {
    let congestion = find(CONGESTION_CONTROLS, "newreno").expect("in the list");
    let mut flow = Flow::new(Config { congestion, ..Config::default() });
    flow.write(10);
    assert_eq!(flow.sent(), 10);
    flow.0.expect_within(SECOND, seg("A").seq(1).len(MSS as usize));
    flow.ack(5, 10);
    let (cwnd, ssthresh) = flow.windows();
    assert!(cwnd >= ssthresh, "{cwnd} of {ssthresh}: congestion avoidance");
    let mut acked = 10;
    for (less, grown) in [(1, 0), (0, 4)] {
        for _ in 0..4 {
            let segments = flow.windows().0 - less;
            flow.write(segments);
            assert_eq!(flow.sent(), segments as usize);
            acked += segments;
            flow.ack(5, acked);
        }
        assert_eq!(flow.windows().0, cwnd + grown);
    }
}
