//! Explicit congestion notification (RFC 3168 §6.1).

use ip::{Ecn, Tos};
use netdev::cases;

use super::Make;
use super::steps::{
    MS, MSS, SECOND, bytes, end, expect_within, flood, listen, next_text, set, texts,
};
use crate::testing::{Script, Seg, seg};
use crate::{EcnMode, Flags, Setting};

cases! { ($) ecn_cases: Make, Script;
    Must 2 "RFC 3168 §6.1.1" the_syn_asks_for_it
        "Before a TCP connection can use ECN, Host A sends an ECN-setup SYN packet.";
    Must 2 "RFC 3168 §6.1.1" the_syn_ack_agrees
        "When Host B sends an ECN-setup SYN-ACK packet, it sets the ECE flag but not the CWR \
         flag.";
    Must 2 "RFC 3168 §6.1.1" nothing_is_agreed_that_was_not_asked_for
        "If a host has received an ECN-setup SYN packet, then it MAY send an ECN-setup SYN-ACK \
         packet. Otherwise, it MUST NOT send an ECN-setup SYN-ACK packet.";
    Must 2 "RFC 3168 §6.1.1" a_reflected_syn_is_no_agreement
        "We call a SYN-ACK packet with any other configuration of the ECE and CWR flags a \
         \"non-ECN-setup SYN-ACK packet\".";
    Should 2 "RFC 3168 §6.1.1.1" a_syn_that_nobody_answers_asks_no_more
        "A host that receives no reply to an ECN-setup SYN … may resend the SYN and any \
         subsequent SYN retransmissions with CWR and ECE cleared.";
    Should 2 "RFC 3168 §6.1.1" new_text_is_marked_as_capable
        "The TCP sender sets an ECT codepoint in the IP header of data packets to indicate to the \
         network that the transport is capable and willing to participate in ECN for this packet.";
    Must 2 "RFC 3168 §6.1.1" no_syn_is_marked
        "A host MUST NOT set ECT on SYN or SYN-ACK packets.";
    Must 2 "RFC 3168 §6.1.4" no_acknowledgment_is_marked
        "For the current generation of TCP congestion control algorithms, pure acknowledgement \
         packets … MUST be sent with the not-ECT codepoint.";
    Must 2 "RFC 3168 §6.1.5" no_retransmission_is_marked
        "ECN-capable TCP implementations MUST NOT set either ECT codepoint (ECT(0) or ECT(1)) in \
         the IP header for retransmitted data packets.";
    Must 2 "RFC 3168 §6.1.6" no_window_probe_is_marked
        "The TCP data sender MUST NOT set either an ECT codepoint or the CWR bit on window probe \
         packets.";
    Must 3 "RFC 3168 §6.1.3" a_mark_is_echoed_until_it_is_heard_of
        "The TCP receiver … sets the ECN-Echo flag in the TCP header of the subsequent ACK packet \
         … until it receives a CWR packet.";
    Must 2 "RFC 3168 §6.1.3" a_mark_without_agreement_is_not_echoed
        "… for a TCP connection …, ECN-capable … only.";
    Must 3 "RFC 3168 §6.1.2" an_echo_halves_the_window
        "The indication of congestion should be treated just as a congestion loss in \
         non-ECN-Capable TCP.";
    Must 3 "RFC 3168 §6.1.2" the_window_is_halved_once_in_a_round_trip
        "TCP … should not react to congestion indications more than once every window of data.";
    Must 2 "RFC 3168 §6.1.2" the_peer_is_told_with_the_next_new_text
        "When an ECN-Capable TCP sender reduces its congestion window for any reason … the TCP \
         sender sets the CWR flag in the TCP header of the first new data packet sent after the \
         window reduction.";
}

const ON: Setting = Setting::Ecn(EcnMode::On);
const ACCEPT: Setting = Setting::Ecn(EcnMode::Accept);

/// A connection that uses ECN, and Reno.
fn agreed(script: &mut Script) {
    let listener = listen(script, Some(ACCEPT));
    script.inject(seg("SEW").seq(0).mss(1460));
    script.expect(seg("SAE").seq(0).ack(1));
    script.inject(seg("A"));
    script.accept(listener);
}

/// The ECN field of what is sent next, and that.
#[track_caller]
fn next_mark(script: &mut Script) -> (Ecn, Seg) {
    // The clock stands: it is there already.
    let Some(mark) = script.host.out.sent.first().map(|sent| sent.header.tos.ecn()) else {
        script.record().fail("a segment", "nothing");
    };
    (mark, script.next_within(SECOND).expect("just seen"))
}

fn marked() -> Tos {
    Tos::default().with_ecn(Ecn::Ce)
}

/// A connection attempt with ECN, as far as the SYN.
fn ask(script: &mut Script) -> (Ecn, Seg) {
    let socket = script.host.open();
    script.socket = Some(socket);
    set(script, ON);
    let peer = script.peer;
    let begun = script.host.call(|tcp, now, out| tcp.connect(now, socket, peer, out));
    script.record().expect_eq("connect", begun, Err(ip::SocketError::InProgress));
    script.port = script.host.info(socket).expect("an open socket").local.port();
    next_mark(script)
}

fn the_syn_asks_for_it(script: &mut Script) {
    let (_, syn) = ask(script);
    script.record().expect_eq("flags", syn.flags, Flags::SYN | Flags::ECE | Flags::CWR);
}

fn the_syn_ack_agrees(script: &mut Script) {
    listen(script, Some(ACCEPT));
    script.inject(seg("SEW").seq(0).mss(1460));
    script.expect(seg("SAE").seq(0).ack(1));
}

fn nothing_is_agreed_that_was_not_asked_for(script: &mut Script) {
    let listener = listen(script, Some(ON));
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.inject(seg("A"));
    script.accept(listener);
    script.send(b"text");
    script.record().expect_eq("the mark", next_mark(script).0, Ecn::NotEct);
}

fn a_reflected_syn_is_no_agreement(script: &mut Script) {
    ask(script);
    script.inject(seg("SAEW").mss(1460));
    script.expect(seg("A").seq(1).ack(1));
    script.send(b"text");
    script.record().expect_eq("the mark", next_mark(script).0, Ecn::NotEct);
}

fn a_syn_that_nobody_answers_asks_no_more(script: &mut Script) {
    ask(script);
    for _ in 0..3 {
        let again = script.next_within(20 * SECOND).unwrap_or_default();
        if again.flags == Flags::SYN {
            return;
        }
    }
    script.record().fail("a SYN without ECE and CWR, of three more", "none");
}

fn new_text_is_marked_as_capable(script: &mut Script) {
    agreed(script);
    script.send(b"text");
    let (mark, sent) = next_mark(script);
    script.record().expect_eq("bytes", sent.payload_len(), 4);
    script.record().expect("ECT(0) or ECT(1)", matches!(mark, Ecn::Ect0 | Ecn::Ect1));
}

fn no_syn_is_marked(script: &mut Script) {
    listen(script, Some(ON));
    script.inject(seg("SEW").seq(0).mss(1460));
    let (mark, _) = next_mark(script);
    script.record().expect_eq("the mark of the SYN-ACK", mark, Ecn::NotEct);
    let (mark, _) = ask(script);
    script.record().expect_eq("the mark of the SYN", mark, Ecn::NotEct);
}

fn no_acknowledgment_is_marked(script: &mut Script) {
    agreed(script);
    script.inject(seg("A").seq(101).len(100));
    let (mark, ack) = next_mark(script);
    script.record().expect_eq("acknowledgment", ack.ack, Some(1));
    script.record().expect_eq("the mark", mark, Ecn::NotEct);
}

fn no_retransmission_is_marked(script: &mut Script) {
    agreed(script);
    script.send(b"text");
    let (mark, _) = next_mark(script);
    script.record().expect("new text is marked", mark != Ecn::NotEct);
    while script.host.out.sent.is_empty() && script.now() < netdev::Instant::from_micros(9_000_000)
    {
        script.wait(10 * MS);
    }
    let (mark, again) = next_mark(script);
    script.record().expect_eq("what comes again", again.seq, Some(1));
    script.record().expect_eq("the mark", mark, Ecn::NotEct);
}

fn no_window_probe_is_marked(script: &mut Script) {
    agreed(script);
    script.inject(seg("A").win(0));
    script.send(b"text");
    script.expect_nothing();
    while script.host.out.sent.is_empty() && script.now() < netdev::Instant::from_micros(9_000_000)
    {
        script.wait(10 * MS);
    }
    let (mark, probe) = next_mark(script);
    expect_within(script, "bytes of a probe", probe.payload_len(), [0, 1]);
    script.record().expect_eq("the mark", mark, Ecn::NotEct);
    script.inject(seg("A").ack(1));
    let sent = texts(script);
    script.record().expect("the text is sent then", !sent.is_empty());
}

/// Injects text of 100 bytes that came under this mark; the flags of the answer.
fn receive(script: &mut Script, flags: &str, tos: Tos) -> Flags {
    script.tos = tos;
    script.inject(seg(flags).len(100));
    script.tos = Tos::default();
    let answer = script.next_within(SECOND);
    answer.map_or(Flags::empty(), |answer| answer.flags)
}

fn a_mark_is_echoed_until_it_is_heard_of(script: &mut Script) {
    agreed(script);
    let echo = Flags::ACK | Flags::ECE;
    script.record().expect_eq("before a mark", receive(script, "A", Tos::default()), Flags::ACK);
    script.record().expect_eq("with a mark", receive(script, "A", marked()), echo);
    for _ in 0..3 {
        script.record().expect_eq("after it", receive(script, "A", Tos::default()), echo);
    }
    script.record().expect_eq("with CWR", receive(script, "AW", Tos::default()), Flags::ACK);
    script.record().expect_eq("after CWR", receive(script, "A", Tos::default()), Flags::ACK);
    let both = receive(script, "AW", marked());
    script.record().expect_eq("with CWR and another mark", both, echo);
}

fn a_mark_without_agreement_is_not_echoed(script: &mut Script) {
    let listener = listen(script, Some(ON));
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.inject(seg("A"));
    script.accept(listener);
    script.record().expect_eq("with a mark", receive(script, "A", marked()), Flags::ACK);
}

/// A flight of text over a connection that uses ECN and Reno.
fn flight(script: &mut Script) -> Vec<Seg> {
    agreed(script);
    set(script, Setting::Congestion("newreno".into()));
    let flight = flood(script);
    expect_within(script, "segments at first", flight.len(), [4, 10]);
    script.wait(100 * MS);
    flight
}

fn an_echo_halves_the_window(script: &mut Script) {
    let flight = flight(script);
    script.inject(seg("AE").ack(1 + MSS as u32));
    let mut sent = texts(script);
    script.inject(seg("A").ack(end(&flight, 1)));
    sent.extend(texts(script));
    let half = bytes(&flight) / 2 + MSS;
    expect_within(script, "bytes in flight after it", bytes(&sent), [MSS, half]);
}

fn the_window_is_halved_once_in_a_round_trip(script: &mut Script) {
    let flight = flight(script);
    let mut sent = Vec::new();
    for segment in &flight {
        script.inject(seg("AE").ack(segment.seq.expect("seen") + segment.seq_len()));
        sent.extend(texts(script));
    }
    let bounds = [bytes(&flight) / 2 - MSS, bytes(&flight) / 2 + MSS];
    expect_within(script, "bytes in flight after it", bytes(&sent), bounds);
}

fn the_peer_is_told_with_the_next_new_text(script: &mut Script) {
    let flight = flight(script);
    let mut sent = Vec::new();
    for segment in &flight {
        script.inject(seg("AE").ack(segment.seq.expect("seen") + segment.seq_len()));
        sent.extend(texts(script));
    }
    let told: Vec<bool> = sent.iter().map(|seg| seg.flags.contains(Flags::CWR)).collect();
    script.record().expect_eq("CWR on the first", told.first(), Some(&true));
    let count = told.iter().filter(|cwr| **cwr).count();
    script.record().expect_eq("segments with CWR", count, 1);
    let (_, again) = next_text(script, 20 * SECOND);
    script.record().expect("no CWR on a retransmission", !again.flags.contains(Flags::CWR));
}
