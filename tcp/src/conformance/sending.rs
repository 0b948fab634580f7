//! Cutting the stream into segments, and when to send one that is not full.

use netdev::cases;

use super::Make;
use super::steps::{
    MSS, MSS_1460, SECOND, accept_with, bytes, expect_within, send_with, set, stamp_of, texts,
};
use crate::testing::{Script, pattern, seg};
use crate::{Flags, SendFlags, Setting, Shutdown};

cases! { ($) sending_cases: Make, Script;
    Must 1 "RFC 9293 §3.4" segments_follow_one_another
        "A fundamental notion in the design is that every octet of data sent over a TCP \
         connection has a sequence number.";
    Must 2 "RFC 9293 §3.7.1 (MUST-16)" segments_fit_the_peers_mss
        "The maximum size of a segment that a TCP endpoint really sends, the \"effective send \
         MSS\", MUST be the smaller (MUST-16) of the send MSS … and the largest transmission size \
         permitted by the IP layer.";
    Must 2 "RFC 9293 §3.7.1 (MUST-15)" a_silent_peer_gets_536_bytes_at_most
        "If an MSS Option is not received at connection setup, TCP implementations MUST assume a \
         default send MSS of 536.";
    Must 2 "RFC 9293 §3.7.1 (MUST-16)" segments_fit_the_way
        "The maximum size of a segment that a TCP endpoint really sends, the \"effective send \
         MSS\", MUST be the smaller (MUST-16) of the send MSS … and the largest transmission size \
         permitted by the IP layer.";
    Should 2 "RFC 9293 §3.9.1.2 (SHLD-28)" a_full_segment_is_sent_where_there_is_one
        "A TCP implementation SHOULD send a maximum-sized segment whenever possible (SHLD-28) to \
         improve performance.";
    Must 2 "RFC 9293 §3.9.1.2 (MUST-61)" psh_stands_on_the_last_segment
        "[It] MUST set the PSH bit in the last buffered segment (i.e., when there is no more \
         queued data to be sent).";
    Must 1 "RFC 9293 §3.1" an_established_connection_always_acknowledges
        "Once a connection is established, this is always sent.";
    Should 2 "RFC 9293 §3.7.4 (SHLD-7)" a_small_write_waits_for_the_ack_of_another
        "A TCP implementation SHOULD implement the Nagle algorithm to coalesce short segments.";
    Should 2 "RFC 9293 §3.7.4" what_waited_goes_as_one_segment
        "The sending TCP endpoint buffers all user data … until the outstanding data has been \
         acknowledged or until the TCP endpoint can send a full-sized segment.";
    Should 2 "RFC 9293 §3.7.4" a_full_segment_does_not_wait
        "… until the outstanding data has been acknowledged or until the TCP endpoint can send a \
         full-sized segment (Eff.snd.MSS bytes).";
    Must 2 "RFC 9293 §3.7.4 (MUST-17)" nagle_can_be_turned_off
        "There MUST be a way for an application to disable the Nagle algorithm on an individual \
         connection.";
    Ours 1 "RFC 9293 §3.7.4" turning_nagle_off_sends_what_waited
        "As with TCP_NODELAY on Linux.";
    Should 2 "RFC 9293 §3.8.6.2.1" a_fin_does_not_wait_for_nagle
        "… or if the data is pushed and all queued data can be sent now.";
    Ours 2 "TCP_CORK" cork_holds_what_is_not_full
        "As on Linux: only full segments are sent, and the rest when the cork is pulled.";
    Must 2 "RFC 9293 §3.9.1.2 (MUST-60)" cork_does_not_hold_for_ever
        "The sending TCP peer: (1) MUST NOT buffer data indefinitely.";
    Ours 1 "MSG_MORE" more_joins_two_writes
        "As on Linux: a write that more follows waits for it.";
    Must 3 "RFC 9293 §3.8.6.2.1 (MUST-38)" a_silly_window_is_not_used
        "A TCP implementation MUST include a SWS avoidance algorithm in the sender.";
    Should 2 "RFC 9293 §3.8.6.2.1" half_of_the_largest_window_is_used
        "… or if at least a fraction Fs of the maximum window can be sent, i.e., if: … min(D,U) \
         >= Fs * Max(SND.WND).";
    Should 2 "RFC 9293 §3.8.6.2.1" a_silly_window_is_used_in_the_end
        "Send data: … or if the override timeout occurs.";
    Must 3 "RFC 9293 §3.8.5 (MUST-30, MUST-62)" urgent_data_is_pointed_to
        "The urgent pointer MUST point to the sequence number of the octet following the urgent \
         data.";
    Must 2 "RFC 9293 §3.10.2" urgent_data_is_announced_before_it_is_reached
        "If the URGENT flag is set, then SND.UP <- SND.NXT and set the urgent pointer in the \
         outgoing segments.";
    Ours 1 "MSG_EOR" a_record_ends_a_segment
        "What follows a record is not joined to it in one segment.";
    Must 2 "RFC 7323 §3.2" nobody_is_sent_timestamps_who_sent_none
        "[A TCP] MAY send a TSopt in <SYN,ACK> only if it received a TSopt in the initial <SYN> \
         segment for the connection.";
}

fn segments_follow_one_another(script: &mut Script) {
    script.accept_one(80);
    let data = pattern(0, 30_000);
    script.send(&data);
    let mut seen: Vec<u8> = Vec::new();
    while seen.len() < data.len() {
        let segments = texts(script);
        script.record().expect("text is sent", !segments.is_empty());
        for segment in &segments {
            let next = 1 + seen.len() as u32;
            script.record().expect_eq("the next sequence number", segment.seq, Some(next));
            seen.extend(segment.payload());
        }
        script.inject(seg("A"));
    }
    script.record().expect("the bytes are those that were given", seen == data);
}

fn segments_fit_the_peers_mss(script: &mut Script) {
    accept_with(script, &[2, 4, 0x02, 0xbc]);
    script.send(&[1; 2100]);
    for at in [1, 701, 1401] {
        let sent = script.next_within(SECOND).unwrap_or_default();
        script.record().expect_eq("sequence number", sent.seq, Some(at));
        script.record().expect_eq("bytes", sent.payload_len(), 700);
        script.inject(seg("A"));
    }
}

fn a_silent_peer_gets_536_bytes_at_most(script: &mut Script) {
    accept_with(script, &[]);
    script.send(&[1; 1072]);
    for at in [1, 537] {
        let sent = script.next_within(SECOND).unwrap_or_default();
        script.record().expect_eq("sequence number", sent.seq, Some(at));
        script.record().expect_eq("bytes", sent.payload_len(), 536);
        script.inject(seg("A"));
    }
}

fn segments_fit_the_way(script: &mut Script) {
    script.host.out.mtu = 600;
    script.accept_one(80);
    script.send(&[1; 1120]);
    for at in [1, 561] {
        let sent = script.next_within(SECOND).unwrap_or_default();
        script.record().expect_eq("sequence number", sent.seq, Some(at));
        script.record().expect_eq("bytes", sent.payload_len(), 560);
        script.inject(seg("A"));
    }
}

fn a_full_segment_is_sent_where_there_is_one(script: &mut Script) {
    script.accept_one(80);
    // While this is unacknowledged, what follows is collected.
    script.send(b"x");
    script.expect(seg("A").seq(1).data(b"x"));
    for _ in 0..20 {
        script.send(&[2; 73]);
    }
    script.inject(seg("A"));
    script.expect(seg("A").seq(2).len(MSS));
}

fn psh_stands_on_the_last_segment(script: &mut Script) {
    script.accept_one(80);
    script.send(&[1; 2 * MSS]);
    let sent = texts(script);
    script.record().expect_eq("bytes", bytes(&sent), 2 * MSS);
    let last = sent.last().expect("bytes are in a segment");
    script.record().expect("PSH on the last segment", last.flags.contains(Flags::PSH));
}

fn an_established_connection_always_acknowledges(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("A").len(100));
    script.drain();
    script.send(b"text");
    script.expect(seg("A").seq(1).ack(101).data(b"text"));
    script.inject(seg("A"));
    script.shutdown(Shutdown::Write);
    script.expect(seg("FA").seq(5).ack(101));
}

fn a_small_write_waits_for_the_ack_of_another(script: &mut Script) {
    script.accept_one(80);
    script.send(b"a");
    script.expect(seg("A").seq(1).data(b"a"));
    script.send(b"b");
    script.expect_nothing();
    script.inject(seg("A").ack(2));
    script.expect(seg("A").seq(2).data(b"b"));
}

fn what_waited_goes_as_one_segment(script: &mut Script) {
    script.accept_one(80);
    script.send(b"a");
    script.expect(seg("A").seq(1).data(b"a"));
    for byte in [b"b", b"c", b"d"] {
        script.send(byte);
    }
    script.inject(seg("A").ack(2));
    script.expect(seg("A").seq(2).data(b"bcd"));
}

fn a_full_segment_does_not_wait(script: &mut Script) {
    script.accept_one(80);
    script.send(b"a");
    script.expect(seg("A").seq(1).data(b"a"));
    script.send(&[2; MSS - 1]);
    script.expect_nothing();
    script.send(&[2; 1]);
    script.expect(seg("A").seq(2).len(MSS));
}

fn nagle_can_be_turned_off(script: &mut Script) {
    script.accept_one(80);
    set(script, Setting::NoDelay(true));
    for (at, byte) in [b"a", b"b", b"c"].into_iter().enumerate() {
        script.send(byte);
        script.expect(seg("A").seq(1 + at as u32).data(byte));
    }
}

fn turning_nagle_off_sends_what_waited(script: &mut Script) {
    script.accept_one(80);
    script.send(b"a");
    script.expect(seg("A").seq(1).data(b"a"));
    script.send(b"b");
    script.expect_nothing();
    set(script, Setting::NoDelay(true));
    script.expect(seg("A").seq(2).data(b"b"));
}

fn a_fin_does_not_wait_for_nagle(script: &mut Script) {
    script.accept_one(80);
    script.send(b"a");
    script.expect(seg("A").seq(1).data(b"a"));
    script.send(b"b");
    script.shutdown(Shutdown::Write);
    script.expect(seg("FA").seq(2).data(b"b"));
}

fn cork_holds_what_is_not_full(script: &mut Script) {
    script.accept_one(80);
    set(script, Setting::Cork(true));
    script.send(b"part");
    script.expect_nothing();
    script.send(&[2; MSS]);
    script.expect(seg("A").seq(1).any_data());
    script.expect_nothing();
    script.inject(seg("A").ack(1 + MSS as u32));
    script.expect_nothing();
    set(script, Setting::Cork(false));
    script.expect(seg("A").seq(1 + MSS as u32).len(4));
}

fn cork_does_not_hold_for_ever(script: &mut Script) {
    script.accept_one(80);
    set(script, Setting::Cork(true));
    script.send(b"part");
    script.expect_nothing();
    script.expect_within(SECOND, seg("A").seq(1).data(b"part"));
}

fn more_joins_two_writes(script: &mut Script) {
    script.accept_one(80);
    send_with(script, b"head", SendFlags::MORE);
    script.expect_nothing();
    script.send(b"body");
    script.expect(seg("A").seq(1).data(b"headbody"));
}

fn a_silly_window_is_not_used(script: &mut Script) {
    script.peer_window = 2 * MSS as u16;
    script.accept_one(80);
    script.send(&[7; 10 * MSS]);
    let first = bytes(&texts(script));
    expect_within(script, "bytes into the first window", first, [MSS, 2 * MSS]);
    // All is acknowledged, and there is room for a hundred bytes: neither a full segment nor half
    // of the largest window.
    script.inject(seg("A").win(100));
    script.expect_nothing();
    script.inject(seg("A").win(MSS as u16));
    script.expect(seg("A").len(MSS));
}

fn half_of_the_largest_window_is_used(script: &mut Script) {
    script.peer_window = 1000;
    script.accept_one(80);
    script.send(&[7; 5000]);
    script.expect(seg("A").seq(1).len(1000));
    script.inject(seg("A").win(500));
    script.expect(seg("A").seq(1001).len(500));
}

fn a_silly_window_is_used_in_the_end(script: &mut Script) {
    script.peer_window = 2 * MSS as u16;
    script.accept_one(80);
    script.send(&[7; 10 * MSS]);
    texts(script);
    script.inject(seg("A").win(100));
    let sent = script.next_within(5 * SECOND).unwrap_or_default();
    expect_within(script, "bytes after the override timeout", sent.payload_len(), [1, 100]);
}

fn urgent_data_is_pointed_to(script: &mut Script) {
    script.accept_one(80);
    send_with(script, b"now!", SendFlags::URGENT);
    script.expect(seg("UA").seq(1).urgent(4).data(b"now!"));
    script.inject(seg("A"));
    script.send(b"later");
    script.expect(seg("A").seq(5).data(b"later"));
}

fn urgent_data_is_announced_before_it_is_reached(script: &mut Script) {
    script.accept_one(80);
    send_with(script, &[1; MSS + 1], SendFlags::URGENT);
    script.expect(seg("UA").seq(1).urgent(MSS as u16 + 1).len(MSS));
}

fn a_record_ends_a_segment(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("A").win(0));
    send_with(script, b"one", SendFlags::END_OF_RECORD);
    script.send(b"two");
    script.expect_nothing();
    script.inject(seg("A"));
    script.expect(seg("A").seq(1).data(b"one"));
    script.inject(seg("A"));
    script.expect(seg("A").seq(4).data(b"two"));
}

fn nobody_is_sent_timestamps_who_sent_none(script: &mut Script) {
    let syn_ack = accept_with(script, &MSS_1460);
    script.record().expect_eq("timestamps", stamp_of(&syn_ack), None);
    script.send(b"text");
    let sent = script.next_within(SECOND).unwrap_or_default();
    script.record().expect_eq("bytes", sent.payload(), &b"text"[..]);
    script.record().expect_eq("timestamps", stamp_of(&sent), None);
}
