//! MSS, window scaling and timestamps (RFC 6691, RFC 7323).

use ip::SocketError;

use super::*;
use crate::Tuning;

#[test]
fn a_syn_offers_everything_in_linuxs_order() {
    let mut script = script(Config::default());
    script.host.connect(script.peer);
    let syn = script.host.out.sent.remove(0).seg;
    let options = syn.options.unwrap();
    assert_eq!(options[..8], [2, 4, 5, 180, 4, 2, 8, 10], "mss, sackOK, TS");
    assert_eq!(options[16..], [1, 3, 3, 8], "nop, wscale 8");
    assert_eq!(syn.window, Some(65_535));
}

/// RFC 7323 §1.3, §2.2: both offer, or there is none; the SYN-ACK echoes only what was offered.
#[test]
fn a_syn_ack_answers_only_what_was_offered() {
    let mut script = script(Config::default());
    script.host.listen(80, 5);
    script.inject(seg("S").seq(0).mss(1460));
    let plain = script.expect(seg("SA").seq(0).ack(1));
    assert_eq!(plain.options, Some(vec![2, 4, 5, 180]));
    let other = "10.0.0.2:5001".parse().unwrap();
    script.peer = other;
    script.inject(full_syn().from(other));
    let full = script.expect(seg("SA").seq(0).ack(1));
    assert_eq!(clocks(&full).1, 100, "TSecr is the SYN's TSval");
    assert_eq!(full.option(3), Some(&[8][..]));
}

fn with_timestamps() -> (Script, u32) {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 5);
    script.inject(full_syn());
    let ours = clocks(&script.expect(seg("SA").seq(0).ack(1))).0;
    script.inject(seg("A").options(&timestamps(110, ours)));
    script.socket = Some(script.host.accept(listener).unwrap().0);
    (script, ours)
}

/// RFC 6691: the MSS option does not count other options, the segment's room does.
#[test]
fn timestamps_take_their_room_from_the_segment() {
    let (mut script, ours) = with_timestamps();
    script.send(&pattern(0, 3000));
    let first = script.expect(seg("A").seq(1).len(1448));
    assert_eq!(clocks(&first), (ours, 110));
    assert_eq!(script.info().unwrap().snd_mss, 1448);
}

/// RFC 7323 §5.3: an old duplicate is acknowledged and dropped, unless it is a reset.
#[test]
fn paws_drops_old_duplicates() {
    let (mut script, ours) = with_timestamps();
    script.inject(seg("A").data(b"new").options(&timestamps(200, ours)));
    script.expect(seg("A").ack(4));
    script.inject(seg("A").seq(4).data(b"old").options(&timestamps(150, ours)));
    script.expect(seg("A").ack(4));
    assert_eq!(script.receive(), b"new");
    assert_eq!(script.host.counter("old timestamp"), 1);
    script.inject(seg("R").seq(4).options(&timestamps(150, 0)));
    script.expect_state(State::Closed);
}

/// RFC 7323 §4.3: with a gap, TS.Recent stays that of the last segment in order.
#[test]
fn the_echo_is_that_of_the_segment_before_the_gap() {
    let (mut script, ours) = with_timestamps();
    script.inject(seg("A").seq(1).len(100).options(&timestamps(200, ours)));
    assert_eq!(clocks(&script.expect(seg("A").ack(101))).1, 200);
    script.inject(seg("A").seq(201).len(100).options(&timestamps(220, ours)));
    assert_eq!(clocks(&script.expect(seg("A").ack(101))).1, 200);
    script.inject(seg("A").seq(101).len(100).options(&timestamps(240, ours)));
    assert_eq!(clocks(&script.expect(seg("A").ack(301))).1, 240);
}

/// RFC 7323 §4.1: RTTM measures what was sent twice too, which Karn's algorithm cannot.
#[test]
fn a_timestamp_measures_a_retransmission() {
    let (mut script, _) = with_timestamps();
    script.wait(50 * MS);
    script.drain();
    script.send(b"lost");
    script.expect(seg("PA").data(b"lost"));
    let again = script.expect_within(5 * SECOND, seg("PA").data(b"lost"));
    script.wait(300 * MS);
    script.inject(seg("A").ack(5).options(&timestamps(300, clocks(&again).0)));
    let rtt = script.info().unwrap().rtt;
    // The handshake took none; an eighth of 300 ms.
    assert!((30 * MS..45 * MS).contains(&rtt), "{rtt:?}");
}

/// RFC 7323 §2.2, §2.3: windows are scaled after the SYN, not on it.
#[test]
fn windows_are_scaled_both_ways() {
    let (mut script, ours) = with_timestamps();
    let info = script.info().unwrap();
    assert_eq!(info.options.window_scale, Some((7, 8)));
    script.inject(seg("A").win(1000).len(1).options(&timestamps(120, ours)));
    let answer = script.expect(seg("A").ack(2));
    let info = script.info().unwrap();
    assert_eq!(info.snd_wnd, 128_000);
    assert_eq!(u32::from(answer.window.unwrap()) << 8, info.rcv_wnd);
    assert!(info.rcv_wnd > 500_000, "{}", info.rcv_wnd);
}

/// CVE-2019-11479: a tiny MSS makes no tiny segments.
#[test]
fn a_tiny_mss_is_raised_to_the_floor() {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 5);
    script.inject(seg("S").seq(0).mss(1));
    script.expect(seg("SA").seq(0).ack(1));
    script.inject(seg("A"));
    script.socket = Some(script.host.accept(listener).unwrap().0);
    script.send(&[7; 100]);
    script.expect(seg("A").len(48));
}

/// TCP_MAXSEG, and the MSS option that follows from it.
#[test]
fn the_user_may_ask_for_smaller_segments() {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 5);
    script.host.set(listener, Setting::MaxSegment(1000)).unwrap();
    script.inject(seg("S").seq(0).mss(1460));
    assert_eq!(script.expect(seg("SA").seq(0).ack(1)).mss_option(), Some(1000));
    script.inject(seg("A"));
    script.socket = Some(script.host.accept(listener).unwrap().0);
    script.send(&[7; 1500]);
    script.expect(seg("A").len(1000));
}

/// The stack's defaults are each socket's own, where it says so; accepted ones have the listener's.
#[test]
fn what_is_the_stacks_default_can_be_a_sockets_own() {
    let mut script = script(Config::default());
    let tune = |script: &mut Script, socket, tuning| {
        script.host.set(socket, Setting::Tune(tuning)).unwrap();
    };
    let listener = script.host.listen(80, 5);
    tune(&mut script, listener, Tuning::Timestamps(false));
    tune(&mut script, listener, Tuning::WindowScaling(false));
    tune(&mut script, listener, Tuning::InitialWindow(3));
    tune(&mut script, listener, Tuning::RtoMin(50 * MS));
    tune(&mut script, listener, Tuning::LossRecovery("newreno".into()));
    script.inject(
        seg("S").seq(0).options(&[2, 4, 3, 232, 1, 3, 3, 7, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0]),
    );
    let syn_ack = script.expect(seg("SA"));
    assert_eq!(syn_ack.options.unwrap(), [2, 4, 5, 180], "neither timestamps nor window scale");
    script.wait(100 * MS);
    script.inject(seg("A"));
    let (socket, _) = script.host.accept(listener).unwrap();
    script.socket = Some(socket);
    script.send(&[7; 10_000]);
    assert_eq!(script.drain().len(), 3);
    // RFC 6298 (2.2): half of the round trip is its deviation, which is more than the floor.
    assert_eq!(script.info().unwrap().rto, 300 * MS);

    // Another socket of the same stack has what the stack has.
    script.connect();
    assert!(script.info().unwrap().rto >= SECOND);
    let other = script.current();
    let refused = [
        Tuning::InitialWindow(0),
        Tuning::SynRetries(128),
        Tuning::DelayedAck(40 * MS, 500 * MS),
        Tuning::RtoMax(10 * MS),
        Tuning::LossRecovery("hope".into()),
        Tuning::DefaultMss(47),
        Tuning::Reordering(0),
        Tuning::RtoInitial(Duration::ZERO),
    ];
    for tuning in refused {
        let setting = Setting::Tune(tuning.clone());
        assert_eq!(script.host.set(other, setting), Err(SocketError::Invalid), "{tuning:?}");
    }
    // How often a SYN is sent again counts at once.
    tune(&mut script, other, Tuning::SynRetries(1));
    script.wait(5 * SECOND);
    script.expect_state(State::Closed);
}

/// RFC 6298 (2.1), RFC 9293 §3.7.1: what counts before anything is known of a path and a peer.
#[test]
fn what_counts_at_first_can_be_a_sockets_own() {
    let mut script = script(Config::default());
    let socket = script.host.open();
    for tuning in [Tuning::RtoInitial(300 * MS), Tuning::DefaultMss(700), Tuning::Timestamps(false)]
    {
        script.host.set(socket, Setting::Tune(tuning)).unwrap();
    }
    let peer = script.peer;
    let began = script.host.call(|tcp, now, out| tcp.connect(now, socket, peer, out));
    assert_eq!(began, Err(SocketError::InProgress));
    script.socket = Some(socket);
    script.port = script.host.info(socket).unwrap().local.port();
    script.expect(seg("S").seq(0));
    script.expect_quiet(299 * MS);
    script.expect_within(2 * MS, seg("S").seq(0));
    script.inject(seg("SA"));
    script.expect(seg("A").seq(1).ack(1));
    script.send(&[7; 700]);
    script.expect(seg("PA").seq(1).len(700));
}

/// RFC 2883 is a socket's own choice, and how many segments beyond a gap tell of a loss (RFC 5681
/// §3.2).
#[test]
fn what_tells_of_losses_can_be_a_sockets_own() {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 5);
    for tuning in [
        Tuning::DuplicateSacks(false),
        Tuning::LossRecovery("newreno".into()),
        Tuning::Reordering(5),
    ] {
        script.host.set(listener, Setting::Tune(tuning)).unwrap();
    }
    // SACK permitted.
    script.inject(seg("S").seq(0).options(&[2, 4, 5, 180, 1, 1, 4, 2]));
    script.expect(seg("SA"));
    script.inject(seg("A"));
    script.socket = Some(script.host.accept(listener).unwrap().0);
    script.inject(seg("PA").seq(1).data(b"twice"));
    script.drain();
    script.inject(seg("PA").seq(1).data(b"twice"));
    assert_eq!(script.expect(seg("A").ack(6)).options.unwrap(), [], "no duplicate SACK");

    script.send(&[7; 10 * 1460]);
    assert_eq!(script.drain().len(), 10);
    for _ in 0..4 {
        script.inject(seg("A").seq(6).ack(1));
        assert_eq!(script.drain().iter().filter(|seg| seg.seq == Some(1)).count(), 0);
    }
    script.inject(seg("A").seq(6).ack(1));
    assert_eq!(script.drain().iter().filter(|seg| seg.seq == Some(1)).count(), 1);
}

/// TCP_MAXSEG below the floor (CVE-2019-11479) is refused, and changes nothing.
#[test]
fn a_maximum_below_the_floor_is_refused() {
    let config = Config::default();
    let mut script = script(config.clone());
    let socket = script.host.open();
    let set = |script: &mut Script, bytes| script.host.set(socket, Setting::MaxSegment(bytes));
    assert_eq!(set(&mut script, config.min_mss), Ok(()));
    assert_eq!(set(&mut script, config.min_mss - 1), Err(SocketError::Invalid));
    let settings = script.host.tcp.settings(socket).unwrap();
    assert_eq!(settings.max_segment, Some(config.min_mss));
}

/// RFC 7323 §2.2: a scale of zero is one, and the other side's counts.
#[test]
fn a_window_scale_of_zero_is_shown_beside_the_others() {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 5);
    script.inject(seg("S").seq(0).options(&[2, 4, 5, 180, 1, 3, 3, 0]));
    assert_eq!(script.expect(seg("SA")).option(3), Some(&[8][..]));
    script.inject(seg("A"));
    script.socket = Some(script.host.accept(listener).unwrap().0);
    assert_eq!(script.info().unwrap().options.window_scale, Some((0, 8)));
}
