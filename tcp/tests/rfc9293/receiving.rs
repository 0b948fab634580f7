//! What is received, and how it is acknowledged: §3.1, §3.8.5, §3.8.6.3, §3.10.7.4.

use ip::{Readiness, Tos};
use tcp::testing::{pattern, seg};
use tcp::{Config, Input, Setting};

use super::{SECOND, established, script};

/// An option is read on any segment, one that nobody knows is passed over on any, and one that
/// belongs on a SYN means nothing elsewhere.
#[test]
fn must_5_6_options_are_received_on_any_segment() {
    let mut script = established();
    let unknown = [253, 6, 0xab, 0xcd, 1, 2];
    for options in [&unknown[..], &[2, 4, 1, 0], &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0]] {
        let input = script.inject(seg("PA").data(b"x").options(options));
        assert_eq!(input, Input::Consumed, "{options:?}");
        assert_eq!(script.receive(), b"x");
    }
    assert_eq!(script.info().unwrap().snd_mss, 1460);
    script.drain();
    script.inject(seg("FA").options(&unknown));
    script.expect_end();
}

/// A batch of segments is one acknowledgment, sent when all of them have been looked at.
#[test]
fn must_58_59_a_batch_is_acknowledged_once_and_last() {
    let mut script = established();
    script.inject_batch((0..6).map(|at| seg("A").seq(1 + 1000 * at).len(1000)));
    script.expect(seg("A").ack(6001));
    script.expect_nothing();
    // What waited behind a gap is counted in the acknowledgment of what fills it.
    script.inject(seg("A").seq(7001).len(1000));
    script.expect(seg("A").ack(6001));
    script.inject_batch([seg("A").seq(6001).len(1000), seg("A").seq(8001).len(1000)]);
    script.expect(seg("A").ack(9001));
    script.expect_nothing();
}

/// The urgent pointer counts from the segment's number to the byte after the urgent data. The
/// program hears of it before the data is there, when it moves on, and until it has read up to it.
#[test]
fn must_30_31_32_33_62_urgent_data_is_told_until_it_is_read() {
    let mut script = established();
    let socket = script.current();
    let urgent =
        |script: &tcp::testing::Script| script.host.readiness(socket).contains(Readiness::URGENT);
    assert!(!urgent(&script));
    script.host.take_woken();
    script.inject(seg("UA").urgent(3000).data(&pattern(0, 1000)));
    assert!(urgent(&script), "though most of it has not come yet");
    assert!(script.host.take_woken().contains(&socket));
    script.inject(seg("UA").urgent(4000).data(&pattern(1000, 1000)));
    assert!(script.host.take_woken().contains(&socket), "the pointer has moved");
    script.inject(seg("A").data(&pattern(2000, 2500)));
    let mut received = Vec::new();
    for _ in 0..4 {
        received.extend(script.host.receive(socket, 999).unwrap());
        assert!(urgent(&script), "{} of 5000 bytes are read", received.len());
    }
    received.extend(script.receive());
    assert!(urgent(&script) && received == pattern(0, 4500));
    // The pointer of the second segment was 1001 + 4000: 5000 bytes after the SYN.
    script.inject(seg("A").data(&pattern(4500, 500)));
    received.extend(script.receive());
    assert!(received == pattern(0, 5000) && !urgent(&script));
}

/// With the window shut the text is refused, the urgent pointer is not.
#[test]
fn must_66_urg_counts_though_the_window_is_shut() {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 5);
    script.host.set(listener, Setting::ReceiveBuffer(4096)).unwrap();
    script.handshake();
    script.socket = Some(script.host.accept(listener).unwrap().0);
    script.inject(seg("A").len(4096));
    assert_eq!(script.info().unwrap().rcv_wnd, 0);
    let socket = script.current();
    assert!(!script.host.readiness(socket).contains(Readiness::URGENT));
    script.inject(seg("UA").urgent(1).data(b"!"));
    assert!(script.host.readiness(socket).contains(Readiness::URGENT));
    assert_eq!(script.receive().len(), 4096);
}

/// A program that reads nothing keeps its window shut for as long as it likes, and probes of it
/// are answered.
#[test]
fn may_8_the_window_may_stay_shut() {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 5);
    script.host.set(listener, Setting::ReceiveBuffer(4096)).unwrap();
    script.handshake();
    script.socket = Some(script.host.accept(listener).unwrap().0);
    script.inject(seg("A").len(4096));
    script.drain();
    for _ in 0..1000 {
        script.wait(60 * SECOND);
        script.inject(seg("A").seq(4097).data(b"?"));
        script.expect(seg("A").ack(4097).win(0));
    }
    assert_eq!(script.receive().len(), 4096);
}

/// A program can ask for the service class of what came last; what is not acceptable tells nothing.
#[test]
fn may_9_the_received_service_class_is_told() {
    let mut script = established();
    for tos in [0x10, 0xb8, 0] {
        script.tos = Tos(tos);
        script.inject(seg("A").data(b"x"));
        assert_eq!(script.info().unwrap().received_tos, Tos(tos));
    }
    script.tos = Tos(0x20);
    script.inject(seg("A").seq(1_000_000).data(b"x"));
    assert_eq!(script.info().unwrap().received_tos, Tos(0));
}
