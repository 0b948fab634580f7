//! What is sent, and into which window: §3.1, §3.8.6, §3.9.1.2.

use ip::SocketError;
use tcp::testing::{pattern, seg};
use tcp::{Config, Flags, Shutdown, State};

use super::{HOUR, MINUTE, SECOND, established, script};

/// A window with its highest bit set is a large one; scaled, it needs all of 32 bits.
#[test]
fn must_1_rec_1_windows_are_unsigned_and_32_bits_wide() {
    let mut script = script(Config { initial_window: 60, ..Config::default() });
    script.accept_one(80);
    assert_eq!(script.info().unwrap().snd_wnd, 65_535);
    script.send(&pattern(0, 65_000));
    let sent: usize = script.drain().iter().map(|seg| seg.payload_len()).sum();
    assert!(sent > 1 << 15, "{sent} bytes into a window of 65,535");

    let mut script = self::script(Config::default());
    let listener = script.host.listen(80, 5);
    script.inject(seg("S").seq(0).options(&[2, 4, 5, 180, 1, 3, 3, 14]));
    script.expect(seg("SA"));
    script.inject(seg("A"));
    script.socket = Some(script.host.accept(listener).unwrap().0);
    assert_eq!(script.info().unwrap().snd_wnd, 65_535 << 14);
}

/// There is no PUSH in SEND: data goes out as soon as it may, with PSH on the last of it, and once
/// however many writes it was.
#[test]
fn must_60_61_shld_27_psh_stands_on_the_last_segment_alone() {
    let mut script = established();
    script.inject(seg("A").win(0));
    for _ in 0..3 {
        script.send(&[7; 700]);
    }
    script.expect_nothing();
    script.inject(seg("A").win(65_535));
    let first = script.expect(seg("A").len(1460));
    let last = script.expect(seg("A").len(640));
    assert!(!first.flags.contains(Flags::PSH) && last.flags.contains(Flags::PSH));
    script.expect_nothing();
}

/// Every list of options ends where a word ends, and each option has its length.
#[test]
fn must_68_69_option_lists_are_whole_words() {
    for (timestamps, window_scaling) in [(false, false), (false, true), (true, false), (true, true)]
    {
        let config = Config { timestamps, window_scaling, ..Config::default() };
        let mut script = script(config);
        let (socket, peer) = (script.host.open(), script.peer);
        let begun = script.host.call(|tcp, now, out| tcp.connect(now, socket, peer, out));
        assert_eq!(begun, Err(SocketError::InProgress));
        script.port = script.host.info(socket).unwrap().local.port();
        let mut sent = script.drain();
        let answer = [2, 4, 5, 180, 1, 3, 3, 7, 1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0];
        script.inject(seg("SA").options(&answer));
        sent.extend(script.drain());
        assert_eq!(sent.len(), 2, "a SYN and an ACK");
        for segment in sent {
            let mut rest = segment.options.as_deref().unwrap();
            assert_eq!(rest.len() % 4, 0);
            while let [kind, ..] = *rest {
                let len = if kind == 1 { 1 } else { usize::from(rest[1]) };
                assert!(kind != 0 && len <= rest.len(), "{segment}");
                rest = &rest[len..];
            }
        }
    }
}

/// An MSS is named in SYNs and nowhere else.
#[test]
fn must_65_an_mss_is_sent_on_syns_only() {
    let mut script = established();
    script.send(b"data");
    script.inject(seg("A").data(b"more"));
    script.shutdown(Shutdown::Write);
    script.inject(seg("S").seq(1));
    let sent = script.drain();
    assert!(sent.len() >= 3, "{sent:?}");
    assert!(sent.iter().all(|seg| seg.mss_option().is_none()), "{sent:?}");
}

/// The window shrinks below what is in flight: nothing new is sent; what lies within it is sent
/// again, and what lies beyond waits until it is let in.
#[test]
fn must_34_shld_15_16_a_window_that_shrank_is_respected() {
    let mut script = established();
    script.send(&pattern(0, 2920));
    assert_eq!(script.drain().len(), 2);
    script.send(&pattern(2920, 2920));
    assert_eq!(script.drain().len(), 2);
    script.inject(seg("A").ack(1).win(1500));
    script.send(b"new");
    script.expect_nothing();
    for _ in 0..3 {
        script.expect_within(10 * SECOND, seg("A").seq(1).len(1460));
        script.expect_nothing();
    }
    script.inject(seg("A").ack(1461).win(1460));
    script.expect(seg("A").seq(1461).len(1460));
    script.expect_nothing();
    script.inject(seg("A").ack(2921).win(65_535));
    let mut rest = script.drain();
    script.inject(seg("A").ack(5841).win(65_535));
    rest.extend(script.drain());
    assert_eq!(rest.first().and_then(|seg| seg.seq), Some(2921));
    assert_eq!(rest.last().map(|seg| seg.payload()), Some(&b"new"[..]), "new data comes last");
}

/// The window shrinks to nothing below what is in flight: the oldest segment probes it, and the
/// connection stays for as long as that is answered.
#[test]
fn must_35_shld_17_a_window_that_shrank_to_zero_is_probed_for_ever() {
    let mut script = established();
    script.send(&pattern(0, 2920));
    assert_eq!(script.drain().len(), 2);
    script.inject(seg("A").ack(1).win(0));
    let (begun, mut probes) = (script.now(), 0);
    while script.now() - begun < 5 * HOUR {
        let probe = script.expect_within(3 * MINUTE, seg("A").any_data());
        assert!(probe.seq.unwrap() <= 1, "{probe}");
        script.inject(seg("A").seq(1).ack(1).win(0));
        script.expect_state(State::Established);
        probes += 1;
    }
    assert!(probes > 100, "{probes} probes");
    script.inject(seg("A").ack(1).win(65_535));
    script.wait(3 * MINUTE);
    assert_eq!(script.drain().first().map(|seg| seg.seq), Some(Some(1)));
    script.inject(seg("A").ack(1461).win(65_535));
    script.wait(MINUTE);
    let last = script.drain();
    assert!(last.iter().any(|seg| seg.seq == Some(1461)), "{last:?}");
}
