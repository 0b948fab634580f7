//! Cutting datagrams into fragments (RFC 791 §3.2, RFC 1812 §4.2.2.7, RFC 6864).

use std::collections::BTreeSet;

use netdev::{Checksum, Packet, cases, checksum::Sum};

use super::host::{data, header, link, neighbour};
use super::{FAR, Host, LO, Make, NEAR, Sent, Wire};
use crate::{Cause, Change, Header, Options, Protocol, Tos, Ttl};

cases! { ($) fragmenting_cases: Make, Host;
    May 1 "RFC 1122 §3.3.3" a_datagram_that_is_too_long_leaves_in_fragments
        "Optionally, the IP layer MAY implement a mechanism to fragment outgoing datagrams \
         intentionally.";
    Must 1 "RFC 791 §3.2" a_datagram_of_the_mtu_leaves_whole
        "If the total length is less than or equal the maximum transmission unit then submit this \
         datagram to the next step in datagram processing …";
    Must 2 "RFC 791 §3.2" fragments_are_cut_in_eights
        "If an internet datagram is fragmented, its data portion must be broken on 8 octet \
         boundaries.";
    Must 1 "RFC 791 §3.2" only_the_last_fragment_has_no_more_fragments
        "The More Fragments flag bit (MF) is set if the datagram is not the last fragment.";
    Must 2 "RFC 791 §3.2" fragments_have_what_the_datagram_had
        "The fields which may be affected by fragmentation include: (1) options field (2) more \
         fragments flag (3) fragment offset (4) internet header length field (5) total length \
         field (6) header checksum";
    Must 1 "RFC 791 §3.2" fragments_have_the_type_of_service_of_the_datagram
        "(1) Copy the original internet header; … (7) Selectively copy the internet header …";
    Should 1 "RFC 1812 §4.2.2.7" there_are_no_more_fragments_than_needed
        "When a router fragments an IP datagram, it SHOULD minimize the number of fragments.";
    Should 1 "RFC 1812 §4.2.2.7" fragments_leave_in_order
        "When a router fragments an IP datagram, it SHOULD send the fragments in order.";
    Must 3 "RFC 791 §3.1" later_fragments_have_the_copied_options_alone
        "The copied flag indicates that this option is copied into all fragments on \
         fragmentation.";
    Must 3 "RFC 791 §3.2" the_longest_header_fits_the_least_mtu
        "This is because an internet header may be up to 60 octets, and the minimum fragment is 8 \
         octets.";
    Must 2 "RFC 791 §3.2" what_must_not_be_fragmented_is_refused_with_the_mtu
        "If the Don't Fragment flag (DF) bit is set, then internet fragmentation of this datagram \
         is NOT permitted …";
    Must 1 "RFC 791 §3.1" the_longest_datagram_has_65535_bytes
        "This field allows the length of a datagram to be up to 65,535 octets.";
    Must 3 "RFC 6864 §4.3" datagrams_that_can_be_fragmented_have_different_ids
        "Sources emitting non-atomic datagrams MUST NOT repeat IPv4 ID values within one MDL for a \
         given source address/destination address/protocol tuple.";
    Ours 2 "RFC 7739 §5" ids_to_one_destination_tell_nothing_of_another
        "Whoever sees some IDs cannot tell those that others get, nor how much is sent to them.";
    Must 4 "RFC 791 §3.2" a_fragment_of_a_fragment_keeps_its_place
        "OFO <- FO; OMF <- MF; … FO <- OFO + NFB; MF <- OMF; Recompute Checksum;";
    Must 2 "RFC 791 §3.2" a_datagram_is_fragmented_on_its_way
        "IF TL =< MTU THEN Submit this datagram to the next step in datagram processing ELSE IF DF \
         = 1 THEN discard the datagram ELSE To produce the first fragment …";
    Ours 3 "RFC 768" a_checksum_left_to_the_device_is_filled_in_before_the_cut
        "The transport's checksum runs over data that no fragment has whole.";
}

/// That these are the fragments of `whole`, each but the last with `each` bytes of data.
#[track_caller]
fn are_fragments(host: &Host, sent: &[Sent], whole: &[u8], each: usize) {
    let shape = |wires: &mut dyn Iterator<Item = (usize, usize, bool)>| wires.collect::<Vec<_>>();
    let mut cuts = (0..whole.len()).step_by(each).map(|from| {
        let to = (from + each).min(whole.len());
        (from, to - from, to < whole.len())
    });
    let mut seen = sent.iter().map(|Sent { wire, .. }| (wire.offset, wire.payload.len(), wire.mf));
    let what = "the fragments' offsets, lengths and MF";
    host.record().expect_eq(what, shape(&mut seen), shape(&mut cuts));
    let joined: Vec<u8> = sent.iter().flat_map(|sent| sent.wire.payload.clone()).collect();
    host.same_bytes("their data", &joined, whole);
}

fn a_datagram_that_is_too_long_leaves_in_fragments(host: &mut Host) {
    let data = data(4000);
    let sent = host.sends(&header("10.0.0.2"), &data);
    are_fragments(host, &sent, &data, 1480);
    for part in sent {
        let to = (part.iface, part.hop);
        host.record().expect_eq("sent to", to, (NEAR, neighbour("10.0.0.2")));
    }
}

fn a_datagram_of_the_mtu_leaves_whole(host: &mut Host) {
    let sent = host.sends_one(&header("10.0.0.2"), &data(1480));
    host.record().expect_eq("MF and offset", (sent.wire.mf, sent.wire.offset), (false, 0));
    host.record().expect_eq("its length", sent.packet.len(), 1500);
}

fn fragments_are_cut_in_eights(host: &mut Host) {
    let data = data(3000);
    for mtu in 576..=584 {
        host.configure(Change::SetInterface(link(NEAR, "10.0.0.1/24", mtu)));
        let sent = host.sends(&header("10.0.0.2"), &data);
        let longest = sent.iter().map(|part| part.packet.len()).max();
        host.record().expect("no fragment is longer than the MTU", longest <= Some(mtu));
        for part in &sent[..sent.len() - 1] {
            host.record().expect_eq("data over eights", part.wire.payload.len() % 8, 0);
        }
        let last = sent.last().map(|last| last.wire.offset + last.wire.payload.len());
        host.record().expect_eq("the end", last, Some(3000));
        host.record().expect("there is more than one", sent.len() > 1);
    }
}

fn only_the_last_fragment_has_no_more_fragments(host: &mut Host) {
    let sent = host.sends(&header("10.0.0.2"), &data(4440));
    let more: Vec<bool> = sent.iter().map(|part| part.wire.mf).collect();
    host.record().expect_eq("MF", more, vec![true, true, false]);
}

fn fragments_have_what_the_datagram_had(host: &mut Host) {
    let header = Header { ttl: Ttl(7), protocol: Protocol(99), ..header("10.0.0.2") };
    let sent = host.sends(&header, &data(4000));
    host.record().expect("there is more than one", sent.len() > 1);
    let first = sent[0].wire.clone();
    for Sent { wire, .. } in &sent {
        host.record().expect_eq("TTL and protocol", (wire.ttl, wire.protocol), (7, 99));
        host.record().expect_eq("DF", wire.df, false);
        host.record().expect_eq("the ID", wire.id, first.id);
        let expected = (first.src, "10.0.0.2".to_owned());
        host.record().expect_eq("the addresses", (wire.src, wire.dst.to_string()), expected);
    }
}

fn fragments_have_the_type_of_service_of_the_datagram(host: &mut Host) {
    let sent = host.sends(&Header { tos: Tos(0x2a), ..header("10.0.0.2") }, &data(4000));
    let seen: Vec<u8> = sent.iter().map(|part| part.wire.tos).collect();
    host.record().expect_eq("the type of service", seen, vec![0x2a; 3]);
}

fn there_are_no_more_fragments_than_needed(host: &mut Host) {
    for (len, count) in [(1481, 2), (2960, 2), (2961, 3), (14_800, 10)] {
        let sent = host.sends(&header("10.0.0.2"), &data(len));
        host.record().expect_eq("fragments", sent.len(), count);
    }
}

fn fragments_leave_in_order(host: &mut Host) {
    let sent = host.sends(&header("10.0.0.2"), &data(10_000));
    let offsets: Vec<usize> = sent.iter().map(|part| part.wire.offset).collect();
    host.record().expect("there is more than one", offsets.len() > 1);
    host.record().expect("the offsets rise", offsets.is_sorted());
}

fn later_fragments_have_the_copied_options_alone(host: &mut Host) {
    let record_route = [7, 7, 4, 0, 0, 0, 0];
    let router_alert = [148, 4, 0, 0];
    let options = [&record_route[..], &[1], &router_alert].concat();
    let wire = Options::from_wire(&options).expect("options");
    let sent = host.sends(&Header { options: wire, ..header("10.0.0.2") }, &data(3000));
    host.record().expect_eq("fragments", sent.len(), 3);
    host.same_bytes("the first one's options", &sent[0].wire.options, &options);
    for later in &sent[1..] {
        host.same_bytes("a later one's options", &later.wire.options, &router_alert);
    }
    let joined: Vec<u8> = sent.iter().flat_map(|part| part.wire.payload.clone()).collect();
    host.same_bytes("their data", &joined, &data(3000));
}

fn the_longest_header_fits_the_least_mtu(host: &mut Host) {
    host.configure(Change::SetInterface(link(NEAR, "10.0.0.1/24", 68)));
    let options = Options::from_wire(&[148, 4, 0, 0].repeat(10)).expect("options");
    let data = data(100);
    let sent = host.sends(&Header { options, ..header("10.0.0.2") }, &data);
    are_fragments(host, &sent, &data, 8);
}

fn what_must_not_be_fragmented_is_refused_with_the_mtu(host: &mut Host) {
    let whole = Header { dont_fragment: true, ..header("10.0.0.2") };
    let cause = host.cannot_send(&whole, &data(1481));
    host.record().expect_eq("the cause", cause, Cause::FragmentationNeeded { mtu: 1500 });
    let sent = host.sends_one(&whole, &data(1480));
    host.record().expect_eq("DF", sent.wire.df, true);
}

fn the_longest_datagram_has_65535_bytes(host: &mut Host) {
    host.cannot_send(&header("10.0.0.1"), &data(65_516));
    let sent = host.sends(&header("10.0.0.1"), &data(65_515));
    let sent = host.one(sent, LO, neighbour("10.0.0.1"));
    host.record().expect_eq("its length", sent.packet.len(), 65_535);
}

fn datagrams_that_can_be_fragmented_have_different_ids(host: &mut Host) {
    let mut ids = Vec::new();
    for len in [20, 2000].repeat(500) {
        let sent = host.sends(&header("10.0.0.2"), &data(len));
        // One with DF that is no fragment needs none (§4.1).
        ids.extend(sent.first().filter(|first| !first.wire.df).map(|first| first.wire.id));
    }
    host.record().expect("what was fragmented had no DF", ids.len() >= 500);
    let different: BTreeSet<u16> = ids.iter().copied().collect();
    host.record().expect_eq("different IDs", different.len(), ids.len());
}

fn ids_to_one_destination_tell_nothing_of_another(host: &mut Host) {
    let mut ids = |dst: &str| -> Vec<u16> {
        (0..10).map(|_| host.sends_one(&header(dst), b"data").wire.id).collect()
    };
    let (near, far) = (ids("10.0.0.2"), ids("192.0.2.1"));
    let apart = far[0].wrapping_sub(near[9]);
    host.record().expect("the IDs to one do not go on from those to another", apart > 100);
    host.record().expect("the IDs do not begin at zero", near[0] > 1 || far[0] > 1);
}

fn a_fragment_of_a_fragment_keeps_its_place(host: &mut Host) {
    host.router();
    let whole = data(4000);
    let mut parts = Vec::new();
    for (from, to) in [(1480, 2960), (2960, 4000)] {
        let fragment =
            Wire { dst: super::wire::v4("10.0.1.2"), ..Wire::fragment(&whole, from, to) };
        parts.extend(host.arrives(&fragment).1);
    }
    let shape: Vec<_> =
        parts.iter().map(|p| (p.wire.offset, p.wire.payload.len(), p.wire.mf)).collect();
    let expected = [
        (1480, 576, true),
        (2056, 576, true),
        (2632, 328, true),
        (2960, 576, true),
        (3536, 464, false),
    ];
    host.record().expect_eq("offsets, lengths and MF", shape, expected.to_vec());
    for Sent { wire, .. } in &parts {
        let part = &whole[wire.offset..wire.offset + wire.payload.len()];
        host.same_bytes("the data at its offset", &wire.payload, part);
        host.record().expect_eq("the ID", wire.id, 0x1234);
    }
}

fn a_datagram_is_fragmented_on_its_way(host: &mut Host) {
    host.router();
    let data = data(1400);
    let wire = Wire { payload: data.clone(), ..Wire::to("10.0.1.2") };
    let (_, sent) = host.arrives(&wire);
    are_fragments(host, &sent, &data, 576);
    for part in sent {
        host.record().expect_eq("the TTL", part.wire.ttl, 63);
        let to = (part.iface, part.hop);
        host.record().expect_eq("sent to", to, (FAR, neighbour("10.0.1.2")));
    }
}

fn a_checksum_left_to_the_device_is_filled_in_before_the_cut(host: &mut Host) {
    let mut data = data(3000);
    // The field holds the sum of the pseudo header.
    data[6..8].copy_from_slice(&0x1234_u16.to_be_bytes());
    let mut packet = Packet::from_payload(&data);
    packet.set_checksum(Checksum::Partial { start: 0, offset: 6 });
    let sent = host.sends_packet(&header("10.0.0.2"), packet);
    let joined: Vec<u8> = sent.iter().flat_map(|part| part.wire.payload.clone()).collect();
    let check = Sum::default().bytes(&data).finish();
    host.same_bytes("the checksum", &joined[6..8], &check.to_be_bytes());
    host.record().expect_eq("fragments", sent.len(), 3);
}
