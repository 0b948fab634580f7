//! Opening: queues, text on a SYN, and what the handshake leaves behind.

use super::*;
use std::net::SocketAddr;

fn syn_from(script: &mut Script, port: u16) {
    script.peer = SocketAddr::new(PEER, port);
    script.inject(seg("S").seq(0).mss(1460));
}

/// The limit of half-open connections, and that they end.
#[test]
fn r13_the_syn_queue_has_a_limit() {
    let mut script = script(Config { syn_queue: 3, syn_cookies: false, ..Config::default() });
    script.host.listen(80, 100);
    for port in 1..=10 {
        syn_from(&mut script, port);
    }
    assert_eq!(script.drain().len(), 10);
    assert_eq!(script.host.counter("connections"), 3);
    assert_eq!(script.host.counter("half-open connections recycled"), 7);
    script.wait(64 * SECOND);
    assert_eq!(script.host.counter("connections"), 0);
    script.drain();
    syn_from(&mut script, 99);
    script.expect(seg("SA").ack(1));
}

/// The last ACK finds the accept queue full: it is ignored, and there is room for a later one.
#[test]
fn a_handshake_waits_for_room_in_the_accept_queue() {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 1);
    syn_from(&mut script, 1);
    script.expect(seg("SA"));
    syn_from(&mut script, 2);
    script.expect(seg("SA"));
    script.inject(seg("A").seq(1).ack(1));
    script.peer = SocketAddr::new(PEER, 1);
    script.expect_within(SECOND, seg("SA").seq(0).ack(1));
    script.inject(seg("A").seq(1).ack(1));
    assert_eq!(script.host.states(80, 2), [State::Established]);
    assert_eq!(script.host.states(80, 1), [State::SynReceived]);
    assert_eq!(script.host.counter("accept queue full"), 1);
    assert_eq!(script.host.accept(listener).unwrap().1.port(), 2);
    script.expect_within(3 * SECOND, seg("SA").seq(0).ack(1));
    script.inject(seg("A").seq(1).ack(1));
    assert_eq!(script.host.accept(listener).unwrap().1.port(), 1);
}

/// RFC 9293 §3.10.7.2: "queued for processing later": neither acknowledged nor lost.
#[test]
fn text_on_a_syn_is_delivered_after_the_handshake() {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 5);
    script.inject(seg("SF").seq(0).data(b"early"));
    script.expect(seg("SA").seq(0).ack(1));
    script.inject(seg("A").seq(1).ack(1));
    script.socket = Some(script.host.accept(listener).unwrap().0);
    assert_eq!(script.receive(), b"early");
    script.expect_end();
    script.expect(seg("A").ack(7));
    script.expect_state(State::CloseWait);
}

#[test]
fn text_on_a_syn_is_acknowledged_after_the_handshake() {
    let mut script = script(Config::default());
    script.host.listen(80, 5);
    script.inject(seg("S").seq(0).data(b"early"));
    script.expect(seg("SA").seq(0).ack(1));
    script.inject(seg("A").seq(6).ack(1));
    script.expect(seg("A").ack(6));
}

/// RFC 9293 §3.10.7.3: the same on the SYN-ACK.
#[test]
fn text_on_a_syn_ack_is_taken_at_once() {
    let mut script = script(Config::default());
    script.connect();
    script.inject(seg("SA").seq(0).data(b"welcome"));
    script.expect(seg("A").seq(1).ack(8));
    assert_eq!(script.receive(), b"welcome");
}

/// RFC 9293 §3.10.7.4, second and fourth: a passive open that fails is nobody's business.
#[test]
fn a_half_open_connection_goes_silently() {
    for ending in [seg("R").seq(1), seg("S").seq(5)] {
        let mut script = script(Config::default());
        let listener = script.host.listen(80, 5);
        script.inject(seg("S").seq(0).mss(1460));
        script.expect(seg("SA"));
        script.inject(ending);
        script.expect_nothing();
        assert_eq!(script.host.counter("connections"), 0);
        assert_eq!(script.host.accept(listener), Err(ip::SocketError::WouldBlock));
    }
}

/// RFC 9293 §3.5, figure 8, with a SYN-ACK that is lost on one side.
#[test]
fn r03_simultaneous_open_survives_losses() {
    let mut script = script(Config::default());
    script.connect();
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.expect_state(State::SynReceived);
    script.expect_within(5 * SECOND, seg("SA").seq(0).ack(1));
    script.inject(seg("SA").seq(0).ack(1).mss(1460));
    script.expect_state(State::Established);
    script.send(b"hello");
    script.expect(seg("PA").seq(1).ack(1).data(b"hello"));
}

/// RFC 7323 §2.2: "the window field in a SYN segment […] MUST NOT be scaled", on this one neither.
#[test]
fn r03_the_window_of_a_simultaneous_syn_ack_is_not_scaled() {
    let mut script = script(Config::default());
    script.connect();
    script.inject(full_syn().win(1000));
    script.expect(seg("SA").seq(0).ack(1));
    script.inject(seg("SA").seq(0).ack(1).win(1000).options(&timestamps(101, 0)));
    script.expect_state(State::Established);
    let window = script.info().unwrap().snd_wnd;
    assert!((800..=1000).contains(&window), "{window}");
}

#[test]
fn what_is_sent_before_the_handshake_ends_goes_out_after_it() {
    let mut script = script(Config::default());
    script.connect();
    script.send(b"early bird");
    script.shutdown(Shutdown::Write);
    script.expect_nothing();
    script.inject(seg("SA").mss(1460));
    script.expect(seg("FPA").seq(1).ack(1).data(b"early bird"));
    script.expect_state(State::FinWait1);
}
