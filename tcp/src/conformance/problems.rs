//! The problems that RFC 2525 found in the TCPs of its time: a case for each, named for it.

use std::time::Duration;

use netdev::cases;

use super::Make;
use super::steps::{
    MS, MSS, MSS_1460, Receiver, SECOND, accept_after, accept_with, acknowledge_each, bytes, end,
    expect_between, expect_within, flood, next_text, set, stamp, stamp_of, texts,
};
use crate::testing::{Script, pattern, seg};
use crate::{Flags, KeepAlive, Setting, State};

cases! { ($) problems_cases: Make, Script;
    Must 3 "RFC 2525 §2.1" no_initial_slow_start
        "A TCP that fails to initialize and increment cwnd in this fashion exhibits \"No initial \
         slow start\".";
    Must 3 "RFC 2525 §2.2" no_slow_start_after_retransmission_timeout
        "A TCP that fails to enter slow start upon a timeout exhibits \"No slow start after \
         retransmission timeout\".";
    Must 3 "RFC 2525 §2.3" uninitialized_cwnd
        "If the option fails to arrive, then cwnd is instead initialized to a very large value.";
    Must 4 "RFC 2525 §2.4" inconsistent_retransmission
        "If, for a given sequence number, a sending TCP retransmits different data than \
         previously sent for that sequence number …";
    Should 3 "RFC 2525 §2.5" failure_to_retain_above_sequence_data
        "When a TCP receives an \"above sequence\" segment, … it SHOULD queue the segment for \
         later delivery.";
    Must 3 "RFC 2525 §2.6" extra_additive_constant_in_congestion_avoidance
        "Some TCP implementations add an additional fraction of a segment (typically MSS/8) to \
         cwnd for each ACK received for new data.";
    Should 2 "RFC 2525 §2.7" initial_rto_too_low
        "In environments with large RTTs (where \"large\" means any value larger than the initial \
         RTO), TCPs will experience very poor performance.";
    Must 3 "RFC 2525 §2.8" failure_of_window_deflation_after_loss_recovery
        "When an ACK arrives that covers new data, cwnd is to be reduced by the amount by which \
         it was artificially increased.";
    Must 2 "RFC 2525 §2.9" excessively_short_keepalive_connection_timeout
        "If a keep-alive mechanism is implemented it MUST NOT interpret failure to respond to any \
         specific probe as a dead connection.";
    Must 3 "RFC 2525 §2.10" failure_to_back_off_retransmission_timeout
        "Each time a segment is retransmitted, the timeout is adjusted according to an \
         exponential backoff algorithm, doubling each time.";
    Must 2 "RFC 2525 §2.11" insufficient_interval_between_keepalives
        "The interval between keep-alive packets MUST be configurable, and MUST default to no \
         less than two hours.";
    Must 3 "RFC 2525 §2.12" window_probe_deadlock
        "A negative argument to a signed comparison causes all further new data to be considered \
         outside the window.";
    Should 2 "RFC 2525 §2.13" stretch_ack_violation
        "Specifically, ACKs SHOULD be sent for every second full-sized segment that arrives.";
    Must 3 "RFC 2525 §2.14" retransmission_sends_multiple_packets
        "When a TCP retransmits a segment due to a timeout expiration or beginning a fast \
         retransmission sequence, it should only transmit a single segment.";
    Should 2 "RFC 2525 §2.15" failure_to_send_fin_notification_promptly
        "When an application closes a connection, the corresponding TCP should send the FIN \
         notification promptly to its peer.";
    Should 2 "RFC 2525 §2.16" failure_to_send_a_rst_after_half_duplex_close
        "RFC 1122 4.2.2.13 states that a TCP SHOULD send a RST if data is received after \"half \
         duplex close\", i.e. if it cannot be delivered to the application.";
    Should 2 "RFC 2525 §2.17" failure_to_rst_on_close_with_data_pending
        "When an application closes a connection in such a way that it can no longer read any \
         received data, the TCP SHOULD, … send a RST if there is any unread received data.";
    Must 2 "RFC 2525 §2.18" options_missing_from_tcp_mss_calculation
        "When a TCP determines how much data to send per packet, it calculates a segment size \
         based on the MTU of the path. It must then subtract from that MTU the size of the IP and \
         TCP headers in the packet.";
}

fn no_initial_slow_start(script: &mut Script) {
    script.accept_one(80);
    let first = flood(script);
    // RFC 6928 allows ten at first; then it doubles.
    expect_within(script, "bytes at first", bytes(&first), [1, 10 * MSS]);
    script.wait(100 * MS);
    let second = acknowledge_each(script, &first);
    let double = 2 * bytes(&first) + MSS;
    expect_within(script, "bytes in the next round trip", bytes(&second), [1, double]);
}

fn no_slow_start_after_retransmission_timeout(script: &mut Script) {
    accept_after(script, 100 * MS);
    let flight = flood(script);
    expect_within(script, "segments at first", flight.len(), [2, 45]);
    let (_, again) = next_text(script, 10 * SECOND);
    script.record().expect_eq("what comes again", again.seq, Some(1));
    script.expect_nothing();
    let mut peer = Receiver::new(1);
    let mut arrives = vec![again];
    for most in [2, 4, 8] {
        script.wait(100 * MS);
        let mut sent = Vec::new();
        for segment in arrives {
            let ack = peer.take(&segment);
            script.inject(seg("A").ack(ack));
            sent.extend(texts(script));
        }
        expect_within(script, "segments in the next round trip", sent.len(), [1, most]);
        arrives = sent;
    }
}

fn uninitialized_cwnd(script: &mut Script) {
    script.connect();
    script.inject(seg("SA"));
    script.expect(seg("A").seq(1).ack(1));
    let first = flood(script);
    expect_within(script, "bytes without the peer's MSS", bytes(&first), [1, 10 * 536]);
}

fn inconsistent_retransmission(script: &mut Script) {
    script.accept_one(80);
    // One byte is under way, the others wait; then all of it has to come again.
    let data = pattern(0, 700);
    script.send(&data[..1]);
    script.expect(seg("A").seq(1).data(&data[..1]));
    script.send(&data[1..300]);
    script.send(&data[300..]);
    let (mut arrived, mut lost) = (0, 0);
    while arrived < data.len() {
        let (_, sent) = next_text(script, 200 * SECOND);
        let from = sent.seq.expect("seen") as usize - 1;
        let same = data.get(from..from + sent.payload_len()) == Some(sent.payload());
        script.record().expect("the bytes of the first time", same);
        lost += 1;
        // Each is lost twice.
        if lost % 3 == 0 {
            arrived = arrived.max(from + sent.payload_len());
            script.inject(seg("A").ack(1 + arrived as u32));
        }
    }
}

fn failure_to_retain_above_sequence_data(script: &mut Script) {
    script.accept_one(80);
    let data = pattern(0, 5000);
    for at in [4000, 2000, 3000, 1000] {
        script.inject(seg("A").seq(1 + at as u32).data(&data[at..at + 1000]));
    }
    script.drain();
    script.inject(seg("A").seq(1).data(&data[..1000]));
    script.expect_within(SECOND, seg("A").ack(5001));
    let received = script.receive();
    script.record().expect("the bytes are in order", received == data);
}

fn extra_additive_constant_in_congestion_avoidance(script: &mut Script) {
    accept_after(script, 100 * MS);
    set(script, Setting::Congestion("newreno".into()));
    let mut flight = flood(script);
    let socket = script.current();
    // A loss ends slow start.
    let (_, again) = next_text(script, 10 * SECOND);
    let (mut peer, mut sizes) = (Receiver::new(1), Vec::new());
    flight.remove(0);
    flight.push(again);
    for _ in 0..24 {
        script.wait(100 * MS);
        while script.host.send(socket, &[7; 20_000]).is_ok() {}
        let mut sent = Vec::new();
        for segment in flight {
            let ack = peer.take(&segment);
            script.inject(seg("A").ack(ack));
            sent.extend(texts(script));
        }
        sizes.push(bytes(&sent));
        flight = sent;
    }
    for pair in sizes[12..].windows(2) {
        let what = format!("bytes of the next of {sizes:?}");
        expect_within(script, &what, pair[1], [MSS, pair[0] + MSS]);
    }
    let more = sizes[23] - sizes[12].min(sizes[23]);
    expect_within(script, &format!("bytes more, of {sizes:?}"), more, [MSS, 12 * MSS]);
}

fn initial_rto_too_low(script: &mut Script) {
    script.connect();
    script.expect_quiet(SECOND - MS);
    script.inject(seg("SA").mss(1460));
    script.expect(seg("A").seq(1).ack(1));
    // The round trip is measured now, and no reason for patience less than it.
    script.send(b"text");
    script.expect(seg("A").seq(1).data(b"text"));
    script.expect_quiet(SECOND);
}

fn failure_of_window_deflation_after_loss_recovery(script: &mut Script) {
    accept_after(script, 100 * MS);
    set(script, Setting::Congestion("newreno".into()));
    let mut flight = flood(script);
    let socket = script.current();
    while flight.len() < 16 {
        script.wait(100 * MS);
        while script.host.send(socket, &[7; 20_000]).is_ok() {}
        flight = acknowledge_each(script, &flight);
    }
    script.wait(100 * MS);
    let first = flight[0].seq.expect("seen");
    let mut sent = Vec::new();
    for _ in 1..flight.len() {
        script.inject(seg("A").ack(first));
        sent.extend(texts(script));
    }
    script.wait(100 * MS);
    let edge = end(&flight, first);
    script.inject(seg("A").ack(edge));
    sent.retain(|seg| seg.seq >= Some(edge));
    let burst = texts(script);
    sent.extend(burst);
    let half = bytes(&flight) / 2 + 2 * MSS;
    expect_within(script, "bytes in flight after the recovery", bytes(&sent), [1, half]);
}

fn excessively_short_keepalive_connection_timeout(script: &mut Script) {
    script.accept_one(80);
    set(script, Setting::KeepAlive(Some(KeepAlive::default())));
    let first = script.next_within(Duration::from_secs(3 * 3600));
    script.record().expect("a probe within three hours", first.is_some());
    // Three probes are lost, and some minutes.
    for _ in 0..3 {
        let probe = script.next_within(Duration::from_secs(3 * 3600));
        script.record().expect("another one", probe.is_some());
    }
    script.expect_state(State::Established);
    script.inject(seg("A"));
    script.expect_quiet(Duration::from_secs(7000));
    script.expect_state(State::Established);
}

fn failure_to_back_off_retransmission_timeout(script: &mut Script) {
    accept_after(script, 400 * MS);
    script.send(b"text");
    script.expect(seg("A").seq(1).data(b"text"));
    let (mut wait, _) = next_text(script, 10 * SECOND);
    for _ in 0..4 {
        let (next, again) = next_text(script, 100 * SECOND);
        script.record().expect_eq("what comes again", again.seq, Some(1));
        expect_between(script, "the next interval", next, wait * 19 / 10, wait * 21 / 10);
        wait = next;
    }
}

fn insufficient_interval_between_keepalives(script: &mut Script) {
    script.accept_one(80);
    set(script, Setting::KeepAlive(Some(KeepAlive::default())));
    for _ in 0..3 {
        script.expect_quiet(Duration::from_secs(7199));
        let probe = script.next_within(Duration::from_secs(7200));
        script.record().expect("a probe after two hours", probe.is_some());
        script.inject(seg("A"));
    }
    // And it can be set.
    let often = KeepAlive { idle: 60 * SECOND, interval: 10 * SECOND, count: 3 };
    set(script, Setting::KeepAlive(Some(often)));
    let probe = script.next_within(62 * SECOND);
    script.record().expect("a probe after a minute", probe.is_some());
}

fn window_probe_deadlock(script: &mut Script) {
    script.accept_one(80);
    let mut next = 1;
    loop {
        script.inject(seg("A").seq(next).len(MSS));
        script.wait(300 * MS);
        let Some(ack) = script.drain().pop() else { break };
        next = ack.ack.expect("seen");
        if ack.window == Some(0) {
            break;
        }
        script.record().expect("the window shuts in the end", next < 100_000_000);
    }
    // A byte is read, and the peer's probe takes its place.
    let socket = script.current();
    let read = script.host.receive(socket, 1).map(|bytes| bytes.len());
    script.record().expect_eq("bytes read", read, Ok(1));
    script.inject(seg("A").seq(next).data(b"?"));
    script.wait(SECOND);
    let next = script.drain().last().and_then(|answer| answer.ack).unwrap_or(next);
    // What this side sends is still acknowledged.
    for at in 0..3 {
        script.send(b"x");
        let sent = texts(script);
        script.record().expect_eq("what is sent", end(&sent, 1), 2 + at);
        script.inject(seg("A").seq(next).ack(2 + at));
    }
    script.wait(SECOND);
    script.drain();
    script.expect_quiet(100 * SECOND);
}

fn stretch_ack_violation(script: &mut Script) {
    script.accept_one(80);
    // A user that reads, as one of bulk data does: window updates must not take their place.
    let mut acked = 1;
    for sent in 1..=60 {
        script.inject(seg("A").len(MSS));
        script.receive();
        acked = script.drain().last().map_or(acked, |ack| ack.ack.unwrap_or(0) as usize);
        expect_within(script, "bytes unacknowledged", 1 + sent * MSS - acked, [0, MSS]);
    }
}

fn retransmission_sends_multiple_packets(script: &mut Script) {
    accept_after(script, 400 * MS);
    let flight = flood(script);
    expect_within(script, "segments at first", flight.len(), [2, 45]);
    for _ in 0..3 {
        let (_, again) = next_text(script, 20 * SECOND);
        script.record().expect_eq("what comes again", again.seq, Some(1));
        expect_within(script, "its bytes", again.payload_len(), [1, MSS]);
        script.expect_nothing();
    }
}

fn failure_to_send_fin_notification_promptly(script: &mut Script) {
    script.accept_one(80);
    script.send(b"a");
    script.expect(seg("A").seq(1).data(b"a"));
    script.send(b"b");
    script.close();
    let mut fin = false;
    for sent in script.drain() {
        fin |= sent.flags.contains(Flags::FIN);
    }
    script.record().expect("the FIN is sent at once, Nagle or not", fin);
}

fn failure_to_send_a_rst_after_half_duplex_close(script: &mut Script) {
    script.accept_one(80);
    script.close();
    script.expect(seg("FA").seq(1).ack(1));
    script.inject(seg("A").ack(2));
    script.inject(seg("PA").data(b"too late"));
    let answer = script.next_within(SECOND).unwrap_or_default();
    script.record().expect("a reset", answer.flags.contains(Flags::RST));
}

fn failure_to_rst_on_close_with_data_pending(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").data(b"never read"));
    script.wait(SECOND);
    script.drain();
    script.close();
    let answer = script.next_within(SECOND).unwrap_or_default();
    script.record().expect("a reset", answer.flags.contains(Flags::RST));
}

fn options_missing_from_tcp_mss_calculation(script: &mut Script) {
    let options = [&MSS_1460[..], &stamp(1, 0)].concat();
    let syn_ack = accept_with(script, &options);
    script.record().expect("timestamps are agreed on", stamp_of(&syn_ack).is_some());
    script.send(&[7; 2 * MSS]);
    let sent = script.next_within(SECOND).unwrap_or_default();
    let len = 40 + sent.options.as_ref().map_or(0, Vec::len) + sent.payload_len();
    script.record().expect_eq("bytes of the datagram", len, 1500);
}
