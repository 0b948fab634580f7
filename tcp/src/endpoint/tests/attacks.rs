//! Blind attacks (RFC 5961) and old segments.

use super::*;

/// RFC 5961 §3, §4, §7: within limits, on each connection.
#[test]
fn challenge_acks_are_few() {
    let mut script = script(Config::default());
    script.accept_one(80);
    for _ in 0..100 {
        script.inject(seg("S").seq(500));
        script.inject(seg("R").seq(500));
    }
    assert_eq!(script.drain().len(), 1);
    assert_eq!(script.host.counter("challenge ACKs sent"), 1);
    assert_eq!(script.host.counter("challenge ACKs kept back"), 199);
    script.wait(500 * MS);
    script.inject(seg("S").seq(500));
    script.expect(seg("A").seq(1).ack(1));
    script.expect_state(State::Established);
}

/// RFC 5961 §5: an acknowledgment from beyond the largest window is none.
#[test]
fn data_with_an_old_acknowledgment_is_not_taken() {
    let mut script = script(Config::default());
    script.peer_window = 1000;
    script.accept_one(80);
    script.send(&[1; 900]);
    script.drain();
    script.inject(seg("A").ack(901));
    let forged = seg("PA").ack(901u32.wrapping_sub(1001)).data(b"forged");
    script.inject(forged);
    script.expect(seg("A").ack(1));
    assert_eq!(script.receive(), b"");
    script.inject(seg("PA").seq(1).ack(1).data(b"merely old"));
    assert_eq!(script.receive(), b"merely old");
}

/// An acknowledgment of what was never sent changes nothing, and two ends that disagree fall
/// silent.
#[test]
fn acknowledgments_of_the_future_are_challenged_within_limits() {
    let mut script = script(Config::default());
    script.accept_one(80);
    for _ in 0..50 {
        script.inject(seg("A").ack(5000));
    }
    assert_eq!(script.drain().len(), 1);
    assert_eq!(script.host.counter("unacceptable acknowledgment"), 50);
}

/// RFC 9293 §3.10.7.4, first: "special allowance should be made to accept valid […] RSTs".
#[test]
fn a_reset_with_a_message_counts_though_the_window_is_closed() {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 5);
    script.host.set(listener, Setting::ReceiveBuffer(4096)).unwrap();
    script.handshake();
    script.socket = Some(script.host.accept(listener).unwrap().0);
    script.inject(seg("A").len(4096));
    assert_eq!(script.info().unwrap().rcv_wnd, 0);
    script.inject(seg("R").data(b"go away"));
    script.expect_state(State::Closed);
}

/// RFC 9293 §3.10.7.4, first: with no window, an acknowledgment still counts, text does not.
#[test]
fn an_acknowledgment_counts_though_the_window_is_closed() {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 5);
    script.host.set(listener, Setting::ReceiveBuffer(4096)).unwrap();
    script.handshake();
    script.socket = Some(script.host.accept(listener).unwrap().0);
    for _ in 0..2 {
        script.inject(seg("A").len(2048));
    }
    script.drain();
    assert_eq!(script.info().unwrap().rcv_wnd, 0);
    script.send(b"data");
    script.drain();
    script.inject(seg("A").ack(5).len(1000));
    script.expect(seg("A").ack(4097).win(0));
    assert_eq!(script.info().unwrap().unacked, 0);
    assert_eq!(script.receive().len(), 4096);
}
