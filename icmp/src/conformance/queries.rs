//! The other queries, what nobody knows, and what is counted: RFC 1122 §3.2.2, §3.2.2.7 to
//! §3.2.2.9.

use std::net::IpAddr;

use netdev::cases;

use super::Make;
use super::bench::{Bench, echo, message};
use crate::Input;
use ip::conformance::below::{ME, PEER};

cases! { ($) query_cases: Make, Bench;
    Must 2 "RFC 1122 §3.2.2" a_message_of_unknown_type_is_silently_discarded
        "If an ICMP message of unknown type is received, it MUST be silently discarded.";
    Should 1 "RFC 1122 §3.2.2.7" an_information_request_is_not_answered
        "A host SHOULD NOT implement these messages.";
    Must 1 "RFC 1122 §3.2.2.8" a_timestamp_is_answered_rightly_or_not_at_all
        "A host MAY implement Timestamp and Timestamp Reply. If they are implemented, the \
         following rules MUST be followed. … The IP source address in an ICMP Timestamp Reply MUST \
         be the same as the specific-destination address of the corresponding Timestamp Request";
    Must 1 "RFC 1122 §3.2.2.8" a_timestamp_reply_is_taken
        "Incoming Timestamp Reply messages MUST be passed up to the ICMP user interface.";
    Must 1 "RFC 1122 §3.2.2.9" an_address_mask_request_is_not_answered
        "A system MUST NOT send an Address Mask Reply unless it is an authoritative agent for \
         address masks.";
    Ours 1 "RFC 792" a_cut_message_is_discarded
        "No message is shorter than eight bytes.";
    Ours 2 "RFC 1122 §1.2.3" what_is_discarded_is_counted
        "Nothing vanishes silently: a discarded message counts somewhere.";
    Ours 1 "RFC 1122 §1.2.3" counters_have_names_and_their_rows_stay
        "Every counter is listed, the ones at zero too.";
}

const KNOWN: [u8; 15] = [0, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];

fn a_message_of_unknown_type_is_silently_discarded(bench: &mut Bench) {
    for kind in (0..=255).filter(|kind| !KNOWN.contains(kind)) {
        let input = bench.input(PEER, ME, &message(&[kind, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]));
        bench.expect_dropped(input);
    }
    bench.expect_alive();
}

fn an_information_request_is_not_answered(bench: &mut Bench) {
    let _ = bench.input(PEER, ME, &message(&[15, 0, 0, 0, 0, 1, 0, 1]));
    bench.expect_silence();
    bench.expect_alive();
}

fn a_timestamp_is_answered_rightly_or_not_at_all(bench: &mut Bench) {
    let words = [0, 1, 0, 2, 0x01, 0x02, 0x03, 0x04, 0, 0, 0, 0, 0, 0, 0, 0];
    let request = message(&[&[13, 0, 0, 0], &words[..]].concat());
    let input = bench.input(PEER, ME, &request);
    if matches!(input, Input::Dropped(_)) {
        bench.expect_silence();
    } else {
        let sent = bench.expect_sent();
        bench.record.expect_eq("the reply's source", sent.header.src, IpAddr::V4(ME));
        bench.record.expect_eq("the reply's length", sent.bytes.len(), 20);
        bench.record.expect_eq("the reply's type", sent.bytes[0], 14);
        let seen = sent.bytes[4..12].to_vec();
        let what = "identifier, sequence number and originate timestamp";
        bench.record.expect_eq(what, seen, words[..8].to_vec());
    }
    bench.expect_alive();
}

fn a_timestamp_reply_is_taken(bench: &mut Bench) {
    let reply = message(&[14, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
    let input = bench.input(PEER, ME, &reply);
    bench.record.expect_eq("of a timestamp reply", input, Input::Consumed);
    bench.expect_silence();
    bench.expect_alive();
}

fn an_address_mask_request_is_not_answered(bench: &mut Bench) {
    let _ = bench.input(PEER, ME, &message(&[17, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]));
    bench.expect_silence();
    bench.expect_alive();
}

fn a_cut_message_is_discarded(bench: &mut Bench) {
    for kind in [0, 3, 11, 13, 200] {
        for len in 0..8 {
            let input = bench.input(PEER, ME, &message(&[kind; 8][..len]));
            bench.expect_dropped(input);
        }
    }
    bench.expect_alive();
}

fn what_is_discarded_is_counted(bench: &mut Bench) {
    let mut bad = echo(b"data");
    bad[2] ^= 1;
    for bytes in [vec![8], bad, message(&[77, 0, 0, 0, 0, 0, 0, 0]), message(&[3; 8])] {
        let before = bench.counted();
        let input = bench.input(PEER, ME, &bytes);
        bench.expect_dropped(input);
        bench.record.expect("the message to count", bench.counted() > before);
    }
}

fn counters_have_names_and_their_rows_stay(bench: &mut Bench) {
    let names = bench.counter_names();
    bench.record.expect("counters", !names.is_empty());
    bench.expect_alive();
    let _ = bench.input(PEER, ME, &[]);
    bench.record.expect_eq("the rows of the counters", bench.counter_names(), names.clone());
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    bench.record.expect_eq("different names", unique.len(), names.len());
}
