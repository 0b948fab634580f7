//! Putting fragments together (RFC 791 §3.2, RFC 815, RFC 1122 §3.3.2).

use std::time::Duration;

use netdev::{Cast, cases};

use super::host::data;
use super::wire::v4;
use super::{Frame, Host, Make, Wire};
use crate::{Cause, Ecn, Ttl};

cases! { ($) reassembly_cases: Make, Host;
    Must 1 "RFC 1122 §3.3.2" fragments_become_the_datagram
        "The IP layer MUST implement reassembly of IP datagrams.";
    Must 3 "RFC 791 §3.2" fragments_come_in_any_order
        "The data from the fragment is placed in the data buffer according to its fragment offset \
         and length …";
    Must 2 "RFC 1122 §3.3.2" a_datagram_of_576_bytes_is_reassembled_from_the_smallest_fragments
        "EMTU_R MUST be greater than or equal to 576 …";
    Should 2 "RFC 1122 §3.3.2" a_datagram_of_the_mtu_is_reassembled
        "EMTU_R … SHOULD be greater than or equal to the MTU of the connected network(s).";
    Should 3 "RFC 1122 §3.3.2" the_longest_datagram_is_reassembled
        "EMTU_R … SHOULD be either configurable or indefinite …";
    Must 2 "RFC 791 §3.2" fragments_with_different_ids_are_kept_apart
        "The protocol module assembling fragments judges fragments to belong to the same datagram \
         if they have the same source, destination, protocol, and Identifier.";
    Must 2 "RFC 791 §3.2" fragments_of_different_sources_are_kept_apart
        "… if they have the same source, destination, protocol, and Identifier.";
    Must 2 "RFC 791 §3.2" fragments_to_different_destinations_are_kept_apart
        "… if they have the same source, destination, protocol, and Identifier.";
    Must 2 "RFC 791 §3.2" fragments_of_different_protocols_are_kept_apart
        "… if they have the same source, destination, protocol, and Identifier.";
    Must 2 "RFC 791 §3.2" a_whole_datagram_does_not_wait_for_fragments
        "If this is a whole datagram (that is both the fragment offset and the more fragments \
         fields are zero), then … the datagram is forwarded to the next step in datagram \
         processing.";
    Must 2 "RFC 791 §3.2" the_header_is_the_first_fragment_s
        "If this is the first fragment (that is the fragment offset is zero) this header is placed \
         in the header buffer.";
    Must 2 "RFC 791 §3.2" the_options_are_the_first_fragment_s
        "When fragmentation occurs, some options are copied, but others remain with the first \
         fragment only.";
    Ours 2 "RFC 792" a_reassembled_datagram_can_be_quoted
        "The internet header plus the first 64 bits of the original datagram's data are what an \
         ICMP error needs.";
    Must 3 "RFC 1122 §3.3.2" fragments_do_not_wait_for_ever
        "There MUST be a reassembly timeout.";
    Must 2 "RFC 791 §3.2" fragments_wait_15_seconds_at_least
        "The current recommendation for the initial timer setting is 15 seconds.";
    Should 3 "RFC 1122 §3.3.2" a_later_fragment_does_not_prolong_the_wait
        "The reassembly timeout value SHOULD be a fixed value, not set from the remaining TTL.";
    Must 3 "RFC 1122 §3.3.2" after_the_timeout_the_source_is_told
        "If this timeout expires, the partially-reassembled datagram MUST be discarded and an ICMP \
         Time Exceeded message sent to the source host (if fragment zero has been received).";
    Must 3 "RFC 1122 §3.3.2" without_fragment_zero_nobody_is_told
        "… an ICMP Time Exceeded message sent to the source host (if fragment zero has been \
         received).";
    Must 2 "RFC 791 §3.2" an_id_can_be_used_again
        "… the sender must choose the Identifier to be unique … for the time the datagram (or any \
         fragment of it) could be alive in the internet.";
    Must 2 "RFC 3168 §5.3" congestion_that_one_fragment_met_is_the_datagram_s
        "… if any fragment of an IP packet to be reassembled has the CE codepoint set, then one \
         of two actions MUST be taken: * Set the CE codepoint on the reassembled packet. …";
    Must 3 "RFC 3168 §5.3" congestion_is_not_laid_on_who_does_not_speak_of_it
        "However, this MUST NOT occur if any of the other fragments contributing to this reassembly \
         carries the Not-ECT codepoint.";
    Ours 2 "RFC 1122 §3.2.2" a_datagram_that_came_in_part_by_broadcast_is_one
        "No error answers a datagram of which any fragment was sent to everybody.";
}

const LONG: Duration = Duration::from_secs(120);

fn fragments_become_the_datagram(host: &mut Host) {
    let data = data(3000);
    host.waits(Wire::fragment(&data, 0, 1480));
    host.waits(Wire::fragment(&data, 1480, 2960));
    host.completes(Wire::fragment(&data, 2960, 3000), &data);
}

fn fragments_come_in_any_order(host: &mut Host) {
    let data = data(1300);
    let cuts = [(0, 400), (400, 808), (808, 1200), (1200, 1300)];
    for (order, id) in permutations().into_iter().zip(1..) {
        for (place, index) in order.into_iter().enumerate() {
            let (from, to) = cuts[index];
            let fragment = Wire { id, ..Wire::fragment(&data, from, to) };
            if place < 3 {
                host.waits(&fragment);
            } else {
                host.completes(&fragment, &data);
            }
        }
    }
}

/// All orders of four.
fn permutations() -> Vec<[usize; 4]> {
    let digits = |n: usize| [n / 64 % 4, n / 16 % 4, n / 4 % 4, n % 4];
    let all = |of: &[usize; 4]| (0..4).all(|digit| of.contains(&digit));
    (0..256).map(digits).filter(all).collect()
}

fn a_datagram_of_576_bytes_is_reassembled_from_the_smallest_fragments(host: &mut Host) {
    let data = data(556);
    let mut from = 0;
    while from + 8 < data.len() {
        host.waits(Wire::fragment(&data, from, from + 8));
        from += 8;
    }
    host.completes(Wire::fragment(&data, from, data.len()), &data);
}

fn a_datagram_of_the_mtu_is_reassembled(host: &mut Host) {
    let data = data(1480);
    host.waits(Wire::fragment(&data, 0, 736));
    host.completes(Wire::fragment(&data, 736, 1480), &data);
}

fn the_longest_datagram_is_reassembled(host: &mut Host) {
    let data = data(65_515);
    let cuts: Vec<usize> = (0..data.len()).step_by(1480).collect();
    for from in cuts.iter().skip(1) {
        host.waits(Wire::fragment(&data, *from, (from + 1480).min(data.len())));
    }
    host.completes(Wire::fragment(&data, 0, 1480), &data);
}

/// The fragments of two datagrams come in turn.
fn kept_apart(host: &mut Host, mut one: Wire, mut other: Wire) {
    let (ones, others) = (vec![1; 16], vec![2; 16]);
    let half = |of: &mut Wire, data: &[u8], from, to| {
        let Wire { mf, offset, payload, .. } = Wire::fragment(data, from, to);
        (of.mf, of.offset, of.payload) = (mf, offset, payload);
        of.clone()
    };
    host.waits(half(&mut one, &ones, 0, 8));
    host.waits(half(&mut other, &others, 8, 16));
    host.completes(half(&mut one, &ones, 8, 16), &ones);
    host.completes(half(&mut other, &others, 0, 8), &others);
}

fn fragments_with_different_ids_are_kept_apart(host: &mut Host) {
    kept_apart(host, Wire { id: 1, ..Wire::default() }, Wire { id: 2, ..Wire::default() });
}

fn fragments_of_different_sources_are_kept_apart(host: &mut Host) {
    kept_apart(host, Wire::default(), Wire::between("10.0.0.3", "10.0.0.1"));
}

fn fragments_to_different_destinations_are_kept_apart(host: &mut Host) {
    kept_apart(host, Wire::default(), Wire::to("224.0.0.1"));
}

fn fragments_of_different_protocols_are_kept_apart(host: &mut Host) {
    kept_apart(host, Wire::default(), Wire { protocol: 253, ..Wire::default() });
}

fn a_whole_datagram_does_not_wait_for_fragments(host: &mut Host) {
    let whole = data(16);
    host.waits(Wire { id: 1, ..Wire::fragment(&whole, 0, 8) });
    host.completes(Wire { id: 2, payload: b"whole".to_vec(), ..Wire::default() }, b"whole");
    host.completes(Wire { id: 1, ..Wire::fragment(&whole, 8, 16) }, &whole);
}

fn the_header_is_the_first_fragment_s(host: &mut Host) {
    let data = data(1000);
    let first = Wire { ttl: 7, ..Wire::fragment(&data, 0, 800) };
    let second = Wire { ttl: 9, ..Wire::fragment(&data, 800, 1000) };
    for (early, last) in [(&second, &first), (&first, &second)] {
        host.waits(early);
        let datagram = host.completes(last, &data);
        host.record().expect_eq("the TTL", datagram.header.ttl, Ttl(7));
    }
}

fn the_options_are_the_first_fragment_s(host: &mut Host) {
    let data = data(1000);
    let options = vec![148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0];
    let first = Wire { options, tos: 0x28, ..Wire::fragment(&data, 0, 800) };
    host.waits(&first);
    let second = Wire { options: vec![148, 4, 0, 0], ..Wire::fragment(&data, 800, 1000) };
    let datagram = host.completes(second, &data);
    host.record().expect_eq("the type of service", datagram.header.tos.0, 0x28);
    host.same_bytes("the options", datagram.header.options.as_wire(), &first.options);
}

fn a_reassembled_datagram_can_be_quoted(host: &mut Host) {
    let data = data(1000);
    let first = Wire { options: vec![148, 4, 0, 0], ..Wire::fragment(&data, 0, 800) };
    host.waits(&first);
    let datagram = host.completes(Wire::fragment(&data, 800, 1000), &data);
    let quoted = datagram.into_whole();
    host.same_bytes("the first fragment's header", &quoted[..24], &first.bytes()[..24]);
    host.same_bytes("the data behind it", &quoted[24..], &data);
}

fn fragments_do_not_wait_for_ever(host: &mut Host) {
    let data = data(1000);
    host.waits(Wire::fragment(&data, 0, 800));
    host.wait(LONG);
    host.does_not_deliver(Wire::fragment(&data, 800, 1000));
    host.completes(Wire::fragment(&data, 0, 800), &data);
}

fn fragments_wait_15_seconds_at_least(host: &mut Host) {
    let data = data(1000);
    host.waits(Wire::fragment(&data, 0, 800));
    let told = host.wait(Duration::from_secs(15)).len();
    host.record().expect_eq("errors so far", told, 0);
    host.completes(Wire::fragment(&data, 800, 1000), &data);
}

fn a_later_fragment_does_not_prolong_the_wait(host: &mut Host) {
    let data = data(10_000);
    // One every ten seconds, each of them with the longest time to live.
    for index in 0..20 {
        let (from, to) = (index * 400, index * 400 + 400);
        let fragment = Wire { ttl: 255, ..Wire::fragment(&data, from, to) };
        host.waits(&fragment);
        if host.wait(Duration::from_secs(10)).iter().any(|r| r.cause == Cause::ReassemblyTimeout) {
            return;
        }
    }
    host.record().fail("given up within 120 seconds of the first", "still waiting after 200");
}

fn after_the_timeout_the_source_is_told(host: &mut Host) {
    let data = data(3000);
    let first = Wire { options: vec![148, 4, 0, 0], ..Wire::fragment(&data, 0, 1472) };
    host.waits(Wire::fragment(&data, 2952, 3000));
    host.waits(&first);
    let told = host.wait(LONG);
    host.record().expect_eq("errors", told.len(), 1);
    host.record().expect_eq("the cause", told[0].cause, Cause::ReassemblyTimeout);
    host.same_bytes("the fragment as it came", &told[0].packet, &first.bytes());
    let again = host.wait(LONG).len();
    host.record().expect_eq("errors after that", again, 0);
}

fn without_fragment_zero_nobody_is_told(host: &mut Host) {
    let data = data(3000);
    host.waits(Wire { id: 1, ..Wire::fragment(&data, 1480, 2960) });
    host.waits(Wire { id: 1, ..Wire::fragment(&data, 2960, 3000) });
    host.waits(Wire { id: 2, ..Wire::fragment(&data, 0, 1480) });
    let told = host.wait(LONG);
    host.record().expect_eq("errors", told.len(), 1);
    let id = &told[0].packet[4..6];
    host.same_bytes("the ID of the one with fragment zero", id, &[0, 2]);
}

fn an_id_can_be_used_again(host: &mut Host) {
    for len in [1000, 1200, 900] {
        let data = data(len);
        host.waits(Wire::fragment(&data, 0, 800));
        host.completes(Wire::fragment(&data, 800, len), &data);
        let due = host.ip().poll_at();
        host.record().expect_eq("what is due, with nothing waiting", due, None);
    }
}

fn congestion_that_one_fragment_met_is_the_datagram_s(host: &mut Host) {
    let data = data(1000);
    for (id, first, second, expected) in
        [(1, 2, 3, Ecn::Ce), (2, 3, 2, Ecn::Ce), (3, 2, 2, Ecn::Ect0)]
    {
        host.waits(Wire { id, tos: first, ..Wire::fragment(&data, 0, 800) });
        let last = Wire { id, tos: second, ..Wire::fragment(&data, 800, 1000) };
        let datagram = host.completes(last, &data);
        host.record().expect_eq("the ECN field", datagram.header.tos.ecn(), expected);
    }
}

fn congestion_is_not_laid_on_who_does_not_speak_of_it(host: &mut Host) {
    let data = data(1000);
    for (id, first, second) in [(1, 3, 0), (2, 0, 3)] {
        host.waits(Wire { id, tos: first, ..Wire::fragment(&data, 0, 800) });
        // "The packet is dropped" is the other of the two actions.
        host.does_not_deliver(Wire { id, tos: second, ..Wire::fragment(&data, 800, 1000) });
    }
    host.waits(Wire { id: 3, ..Wire::fragment(&data, 0, 800) });
    host.completes(Wire { id: 3, ..Wire::fragment(&data, 800, 1000) }, &data);
}

fn a_datagram_that_came_in_part_by_broadcast_is_one(host: &mut Host) {
    let data = data(1000);
    let fragment = |from, to| Wire { dst: v4("224.0.0.1"), ..Wire::fragment(&data, from, to) };
    host.waits(Frame::from(fragment(0, 800)).cast(Cast::Broadcast));
    let last = Frame::from(fragment(800, 1000)).cast(Cast::Multicast);
    let datagram = host.completes(last, &data);
    host.record().expect_eq("to whom it was sent", datagram.cast, Cast::Broadcast);
}
