//! Explicit congestion notification (RFC 3168 §6.1).

use super::*;
use crate::{CaState, EcnMode};
use ip::Ecn;

fn config(ecn: EcnMode) -> Config {
    Config { ecn, ..Config::default() }
}

/// A connection that was accepted with ECN.
fn accepted() -> Script {
    let mut script = script(config(EcnMode::Accept));
    let listener = script.host.listen(80, 5);
    script.inject(seg("SEW").seq(0).mss(1460));
    script.expect(seg("SAE").seq(0).ack(1));
    script.inject(seg("A").seq(1).ack(1));
    script.socket = Some(script.host.accept(listener).unwrap().0);
    assert!(script.info().unwrap().options.ecn);
    script
}

/// Injects a segment that a router marked.
fn inject_marked(script: &mut Script, segment: Seg) {
    script.tos = script.tos.with_ecn(Ecn::Ce);
    script.inject(segment);
    script.tos = script.tos.with_ecn(Ecn::Ect0);
}

/// The marks of the next packets, which stay to be expected.
fn marks(script: &Script) -> Vec<Ecn> {
    script.host.out.sent.iter().map(|sent| sent.header.tos.ecn()).collect()
}

/// §6.1.1: both flags ask, one agrees; on SYNs and SYN-ACKs there is no mark.
#[test]
fn a_listener_agrees_if_it_may_and_is_asked() {
    for (mode, asks, answer) in [
        (EcnMode::Off, "SEW", "SA"),
        (EcnMode::Accept, "SEW", "SAE"),
        (EcnMode::On, "SEW", "SAE"),
        (EcnMode::On, "S", "SA"),
        (EcnMode::On, "SE", "SA"),
    ] {
        let mut script = script(config(mode));
        script.host.listen(80, 5);
        script.inject(seg(asks).seq(0).mss(1460));
        assert_eq!(marks(&script), [Ecn::NotEct]);
        script.expect(seg(answer).seq(0).ack(1));
    }
}

/// §6.1.1, §6.1.1.1: what comes of asking. Both flags back come from a host that knows nothing.
#[test]
fn a_connect_asks_if_it_may() {
    for (answer, agreed) in [("SAE", true), ("SA", false), ("SAEW", false)] {
        let mut script = script(config(EcnMode::On));
        let socket = script.host.connect(script.peer);
        script.socket = Some(socket);
        script.port = script.host.info(socket).unwrap().local.port();
        assert_eq!(marks(&script), [Ecn::NotEct]);
        script.expect(seg("SEW").seq(0));
        script.inject(seg(answer).mss(1460));
        script.expect(seg("A").seq(1).ack(1));
        assert_eq!(script.info().unwrap().options.ecn, agreed, "{answer}");
    }
    let mut script = script(config(EcnMode::Accept));
    script.connect();
}

/// §6.1.1.1: a SYN that is not answered may have been dropped for its flags.
#[test]
fn a_syn_that_is_sent_again_asks_no_more() {
    let mut script = script(config(EcnMode::On));
    let socket = script.host.connect(script.peer);
    script.socket = Some(socket);
    script.port = script.host.info(socket).unwrap().local.port();
    script.expect(seg("SEW").seq(0));
    script.expect_within(SECOND, seg("S").seq(0));
    script.inject(seg("SAE").mss(1460));
    script.expect(seg("A").seq(1).ack(1));
    assert!(!script.info().unwrap().options.ecn);
}

#[test]
fn a_peer_that_asks_no_more_gets_none() {
    let mut script = script(config(EcnMode::Accept));
    script.host.listen(80, 5);
    script.inject(seg("SEW").seq(0).mss(1460));
    script.expect(seg("SAE"));
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA"));
    script.inject(seg("A").seq(1).ack(1));
    assert!(!script.info().unwrap().options.ecn);
}

/// §6.1.1, §6.1.4 to §6.1.6: new data carries ECT(0), and nothing else does.
#[test]
fn only_new_data_is_capable() {
    let mut script = accepted();
    script.send(&pattern(0, 2000));
    assert_eq!(marks(&script), [Ecn::Ect0, Ecn::Ect0]);
    script.drain();
    script.wait(200 * MS);
    assert_eq!(marks(&script), [Ecn::NotEct], "a retransmission");
    script.expect(seg("A").seq(1).len(1460));
    script.inject(seg("A").ack(2001));
    script.drain();
    script.tos = ip::Tos(0);
    script.inject(seg("A").len(10));
    assert_eq!(marks(&script), [Ecn::NotEct], "an acknowledgment");
    script.drain();
    script.inject(seg("A").win(0));
    script.send(b"x");
    script.expect_within(2 * SECOND, seg("A"));
    script.inject(seg("A"));
    assert_eq!(marks(&script), [Ecn::Ect0]);
    script.expect(seg("PAW").seq(2001).data(b"x"));
    let mut plain = super::script(Config::default());
    plain.accept_one(80);
    plain.send(b"x");
    assert_eq!(marks(&plain), [Ecn::NotEct]);
}

/// §6.1.3: ECE on every acknowledgment until CWR comes.
#[test]
fn a_mark_is_echoed_until_the_sender_knows() {
    let mut script = accepted();
    script.inject(seg("A").len(100));
    script.expect(seg("A").ack(101));
    inject_marked(&mut script, seg("A").len(100));
    script.expect(seg("AE").ack(201));
    script.inject(seg("A").len(100));
    script.expect(seg("AE").ack(301));
    script.send(b"x");
    script.expect(seg("PAE").ack(301).data(b"x"));
    script.inject(seg("AW").len(100));
    script.expect(seg("A").ack(401));
    // Marked again, on the segment that says that it knows of the last.
    inject_marked(&mut script, seg("AW").len(100));
    script.expect(seg("AE").ack(501));
    assert_eq!(script.info().unwrap().received_ce, 2);
    assert_eq!(script.host.counter("segments received with a congestion mark"), 2);
}

/// §6.1.5: a mark outside the window may be forged; on what carries no data it means nothing.
#[test]
fn a_mark_out_of_place_is_not_echoed() {
    let mut script = accepted();
    inject_marked(&mut script, seg("A"));
    inject_marked(&mut script, seg("A").seq(1u32.wrapping_sub(100)).len(100));
    script.expect(seg("A").ack(1));
    script.inject(seg("A").len(100));
    script.expect(seg("A").ack(101));
    assert_eq!(script.info().unwrap().received_ce, 0);
}

/// §6.1.2: as for a loss, once in a round trip, nothing is sent again, and the next new data says
/// so.
#[test]
fn an_echo_reduces_the_window_once_in_a_round_trip() {
    let mut script = accepted();
    script.send(&pattern(0, 60_000));
    assert_eq!(script.drain().len(), 10);
    let before = script.info().unwrap().cwnd;
    assert_eq!(before, 10);
    script.inject(seg("AE").ack(1461));
    let info = script.info().unwrap();
    assert_eq!((info.ssthresh, info.ca_state), (7, CaState::Cwr));
    script.expect_nothing();
    script.inject(seg("AE").ack(1 + 2 * 1460));
    // RFC 6937 §3: while ten arrive, seven are sent. The first says CWR.
    script.expect(seg("AW").seq(14_601).len(1460));
    script.inject(seg("AE").ack(1 + 3 * 1460));
    script.expect(seg("A").seq(16_061).len(1460));
    for acked in 4..=9 {
        script.inject(seg("A").ack(1 + acked * 1460));
    }
    assert_eq!(script.drain().len(), 4);
    // The last of the round trip: the CWR came behind it.
    script.inject(seg("AE").ack(14_601));
    script.expect(seg("A").len(1460));
    let info = script.info().unwrap();
    assert_eq!((info.cwnd, info.ssthresh, info.unacked), (7, 7, 7), "once");
    script.inject(seg("A").ack(16_061));
    let info = script.info().unwrap();
    assert_eq!((info.ca_state, info.delivered_ce), (CaState::Open, 4));
    assert_eq!(info.total_retrans, 0);
    script.drain();
    // The next round trip is another.
    script.inject(seg("AE").ack(17_521));
    assert!(script.info().unwrap().cwnd < 7);
    assert_eq!(script.host.counter("windows reduced for a congestion mark"), 2);
}

/// §6.1.2: a loss in a window that was reduced for a mark does not reduce it again; a loss alone
/// is told with CWR too.
#[test]
fn a_loss_beside_a_mark_is_one_congestion() {
    let mut script = accepted();
    script.send(&pattern(0, 60_000));
    script.drain();
    script.inject(seg("AE").ack(1461));
    assert_eq!(script.info().unwrap().ssthresh, 7);
    for _ in 0..3 {
        script.inject(seg("AE").ack(1461));
    }
    let info = script.info().unwrap();
    assert_eq!((info.ssthresh, info.ca_state), (7, CaState::Recovery));
}

/// Both ends, over a link that marks.
#[test]
fn two_ends_agree_and_data_arrives() {
    let mut world = world(config(EcnMode::On));
    let pair = world.connect_pair(80);
    world.exchange(pair, &pattern(0, 200_000), &pattern(1, 100_000));
    assert!(world.a.info(pair.a).unwrap().options.ecn);
}

/// A cookie's timestamp remembers that the peer asked.
#[test]
fn a_syn_cookie_agrees_too() {
    let mut script = script(Config { syn_queue: 0, ..config(EcnMode::Accept) });
    let listener = script.host.listen(80, 5);
    script.inject(seg("SEW").seq(0).options(&FULL));
    let (value, _) = clocks(&script.expect(seg("SAE").seq(0).ack(1)));
    script.inject(seg("A").seq(1).ack(1).options(&timestamps(101, value)));
    script.socket = Some(script.host.accept(listener).unwrap().0);
    assert!(script.info().unwrap().options.ecn);
    // Without timestamps there is nowhere to remember it.
    script.peer.set_port(6000);
    script.inject(seg("SEW").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
}
