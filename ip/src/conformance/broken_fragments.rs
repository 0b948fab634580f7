//! Fragments that do not fit together, and those that are meant to harm (RFC 8200 §4.5, RFC 5722,
//! RFC 1858).

use std::time::Duration;

use netdev::cases;

use super::host::data;
use super::wire::v4;
use super::{Host, Make, Wire};

cases! { ($) broken_fragments_cases: Make, Host;
    Must 2 "RFC 791 §3.2" a_fragment_that_comes_twice_does_no_harm
        "In the case that two or more fragments contain the same data either identically or \
         through a partial overlap, this procedure will use the more recently arrived copy …";
    Ours 4 "RFC 5722 §4" an_overlap_with_the_fragment_before_is_refused
        "If any of the fragments being reassembled overlap with any other fragments being \
         reassembled for the same packet, reassembly of that packet must be abandoned … (made for \
         IPv6)";
    Ours 4 "RFC 5722 §4" an_overlap_with_the_fragment_behind_is_refused
        "… reassembly of that packet must be abandoned and all the fragments that have been \
         received for that packet must be discarded …";
    Must 4 "RFC 791 §3.2" an_overlap_does_not_make_up_for_a_hole
        "If this fragment completes the datagram (tested by checking the bits set in the fragment \
         block table), then the datagram is sent to the next step in datagram processing …";
    Ours 4 "RFC 5722 §4" a_fragment_inside_another_is_refused
        "Teardrop: a second fragment that begins and ends within the first.";
    Ours 3 "RFC 5722 §4" a_fragment_around_another_is_refused
        "… overlap with any other fragments being reassembled for the same packet …";
    Ours 3 "RFC 5722 §4" other_bytes_at_the_same_place_are_refused
        "RFC 1858's attack: a filter saw the first, the host takes the second.";
    Ours 2 "RFC 5722 §4" an_overlap_is_told_to_nobody
        "… and no ICMP error messages should be sent.";
    Ours 2 "RFC 5722 §4" after_an_overlap_the_id_can_be_used_again
        "What was refused is forgotten when its time is up.";
    Must 4 "RFC 791 §3.1" a_datagram_beyond_65535_bytes_is_refused
        "This field allows the length of a datagram to be up to 65,535 octets.";
    Must 3 "RFC 791 §3.1" the_first_fragment_s_header_counts_too
        "Total Length is the length of the datagram, measured in octets, including internet header \
         and data.";
    Ours 2 "RFC 791 §3.2" a_fragment_not_in_eights_is_refused
        "What follows it could begin at no offset: it was made by nobody who fragments.";
    Ours 2 "RFC 815" a_fragment_without_data_is_refused
        "It fills no hole, and could be kept without end.";
    Ours 3 "RFC 815" two_ends_are_refused
        "A datagram ends at one place: where its fragment without MF does.";
    Ours 3 "RFC 815" data_behind_the_end_is_refused
        "A datagram ends at one place, and nothing is behind it.";
    Ours 3 "RFC 815" an_end_before_data_that_came_is_refused
        "A datagram ends at one place, and nothing is behind it.";
    Ours 4 "RFC 1122 §3.3.2" a_flood_of_one_source_costs_others_nothing
        "Memory for incomplete datagrams is limited for each source: the flood drops its own.";
    Ours 3 "RFC 1122 §3.3.2" a_flood_of_many_sources_ends
        "Memory for incomplete datagrams is limited in all, and the newest can be completed.";
}

/// Where a fragment begins and ends.
type Cut = (usize, usize);

/// Between the fragments `before` and `after`, which are a whole datagram, comes an odd one: it is
/// not delivered.
fn never_delivered(host: &mut Host, data: &[u8], (before, after): (&[Cut], &[Cut]), odd: Wire) {
    for (from, to) in before {
        host.waits(Wire::fragment(data, *from, *to));
    }
    host.does_not_deliver(odd);
    for (from, to) in after {
        host.does_not_deliver(Wire::fragment(data, *from, *to));
    }
    // Without the odd one it is.
    let all = [before, after].concat();
    let ((from, to), early) = all.split_last().expect("some fragments");
    for (from, to) in early {
        host.waits(Wire { id: 7, ..Wire::fragment(data, *from, *to) });
    }
    host.completes(Wire { id: 7, ..Wire::fragment(data, *from, *to) }, data);
}

fn a_fragment_that_comes_twice_does_no_harm(host: &mut Host) {
    let data = data(3000);
    let last = Wire::fragment(&data, 2960, 3000);
    for fragment in [Wire::fragment(&data, 0, 1480), last.clone()] {
        host.waits(&fragment);
        host.does_not_deliver(&fragment);
    }
    host.does_not_deliver(Wire::fragment(&data, 0, 1480));
    host.completes(Wire::fragment(&data, 1480, 2960), &data);
}

fn an_overlap_with_the_fragment_before_is_refused(host: &mut Host) {
    let data = data(2000);
    let odd = Wire::fragment(&data, 792, 1600);
    never_delivered(host, &data, (&[(0, 800)], &[(800, 2000)]), odd);
}

fn an_overlap_with_the_fragment_behind_is_refused(host: &mut Host) {
    let data = data(2000);
    let odd = Wire::fragment(&data, 0, 808);
    never_delivered(host, &data, (&[(800, 2000)], &[(0, 800)]), odd);
}

fn an_overlap_does_not_make_up_for_a_hole(host: &mut Host) {
    let data = data(2400);
    // In each eight bytes came twice and eight never, so that their number is right.
    for (id, cuts) in [
        (1, [(0, 800), (792, 1600), (1608, 2400)]),
        (2, [(1608, 2400), (800, 1600), (0, 808)]),
        (3, [(0, 800), (808, 1600), (1592, 2400)]),
    ] {
        for (from, to) in cuts {
            host.does_not_deliver(Wire { id, ..Wire::fragment(&data, from, to) });
        }
    }
    host.waits(Wire { id: 7, ..Wire::fragment(&data, 0, 800) });
    host.completes(Wire { id: 7, ..Wire::fragment(&data, 800, 2400) }, &data);
}

fn a_fragment_inside_another_is_refused(host: &mut Host) {
    let data = data(2000);
    let odd = Wire { mf: false, ..Wire::fragment(&data, 24, 28) };
    never_delivered(host, &data, (&[(0, 800)], &[(800, 2000)]), odd);
}

fn a_fragment_around_another_is_refused(host: &mut Host) {
    let data = data(2000);
    let odd = Wire::fragment(&data, 400, 1600);
    never_delivered(host, &data, (&[(800, 1200), (1200, 2000)], &[(0, 800)]), odd);
}

fn other_bytes_at_the_same_place_are_refused(host: &mut Host) {
    let data = data(2000);
    let mut odd = Wire::fragment(&data, 0, 800);
    odd.payload[20] ^= 1;
    never_delivered(host, &data, (&[(0, 800)], &[(800, 2000)]), odd);
}

fn an_overlap_is_told_to_nobody(host: &mut Host) {
    let data = data(2000);
    host.waits(Wire { id: 1, ..Wire::fragment(&data, 0, 800) });
    host.does_not_deliver(Wire { id: 1, ..Wire::fragment(&data, 792, 1600) });
    host.waits(Wire { id: 2, ..Wire::fragment(&data, 0, 800) });
    let told = host.wait(Duration::from_secs(120));
    host.record().expect_eq("errors", told.len(), 1);
    host.same_bytes("the ID of the one without overlap", &told[0].packet[4..6], &[0, 2]);
}

fn after_an_overlap_the_id_can_be_used_again(host: &mut Host) {
    let data = data(2000);
    host.waits(Wire::fragment(&data, 0, 800));
    host.does_not_deliver(Wire::fragment(&data, 792, 1600));
    host.wait(Duration::from_secs(120));
    host.waits(Wire::fragment(&data, 0, 800));
    host.completes(Wire::fragment(&data, 800, 2000), &data);
}

fn a_datagram_beyond_65535_bytes_is_refused(host: &mut Host) {
    let data = data(65_515);
    let cuts: Vec<usize> = (0..data.len() - 1480).step_by(1480).collect();
    for from in &cuts {
        host.waits(Wire { id: 1, ..Wire::fragment(&data, *from, from + 1480) });
    }
    let from = cuts.len() * 1480;
    // One byte more than there can be.
    let payload = vec![0; data.len() - from + 1];
    host.does_not_deliver(Wire { id: 1, offset: from, payload, ..Wire::default() });
    host.does_not_deliver(Wire { id: 2, offset: 65_528, payload: vec![0; 400], ..Wire::default() });
    for from in &cuts {
        host.waits(Wire { id: 3, ..Wire::fragment(&data, *from, from + 1480) });
    }
    host.completes(Wire { id: 3, ..Wire::fragment(&data, from, data.len()) }, &data);
}

fn the_first_fragment_s_header_counts_too(host: &mut Host) {
    let data = data(65_515);
    for (id, options, fits) in [(1, vec![1; 4], false), (2, vec![], true)] {
        host.waits(Wire { id, ..Wire::fragment(&data, 32_000, 65_515) });
        let first = Wire { id, options, ..Wire::fragment(&data, 0, 32_000) };
        if fits {
            host.completes(&first, &data);
        } else {
            host.does_not_deliver(&first);
        }
    }
}

fn a_fragment_not_in_eights_is_refused(host: &mut Host) {
    let data = data(1000);
    host.drops(Wire { mf: true, payload: data[..801].to_vec(), ..Wire::default() });
    host.does_not_deliver(Wire { offset: 800, payload: data[801..].to_vec(), ..Wire::default() });
    let fragment = |from, to| Wire { id: 7, ..Wire::fragment(&data, from, to) };
    host.waits(fragment(0, 800));
    host.completes(fragment(800, 1000), &data);
}

fn a_fragment_without_data_is_refused(host: &mut Host) {
    let data = data(800);
    for odd in [
        Wire { id: 1, mf: true, payload: vec![], ..Wire::default() },
        Wire { id: 2, mf: true, offset: 8, payload: vec![], ..Wire::default() },
        Wire { id: 3, offset: 800, payload: vec![], ..Wire::default() },
    ] {
        host.drops(odd);
    }
    host.waits(Wire { id: 7, ..Wire::fragment(&data, 0, 400) });
    host.completes(Wire { id: 7, ..Wire::fragment(&data, 400, 800) }, &data);
}

fn two_ends_are_refused(host: &mut Host) {
    let data = data(2000);
    let odd = Wire { mf: false, ..Wire::fragment(&data, 800, 1200) };
    never_delivered(host, &data, (&[(1200, 2000), (0, 800)], &[(800, 1200)]), odd);
}

fn data_behind_the_end_is_refused(host: &mut Host) {
    let data = data(2000);
    let odd = Wire { mf: true, offset: 2000, payload: vec![0; 80], ..Wire::default() };
    never_delivered(host, &data, (&[(800, 2000)], &[(0, 800)]), odd);
}

fn an_end_before_data_that_came_is_refused(host: &mut Host) {
    let data = data(2000);
    let odd = Wire { mf: false, ..Wire::fragment(&data, 400, 800) };
    never_delivered(host, &data, (&[(800, 1600), (0, 400)], &[(400, 800), (1600, 2000)]), odd);
}

fn a_flood_of_one_source_costs_others_nothing(host: &mut Host) {
    let whole = data(2000);
    host.waits(Wire { src: v4("10.0.0.3"), ..Wire::fragment(&whole, 0, 1480) });
    let flood = Wire { src: v4("10.0.0.66"), ..Wire::fragment(&whole, 0, 1480) };
    for id in 0..20_000 {
        // What is not kept is dropped, or another in its place.
        let _ = host.arrives(Wire { id, ..flood.clone() });
    }
    let rest = Wire { src: v4("10.0.0.3"), ..Wire::fragment(&whole, 1480, 2000) };
    host.completes(&rest, &whole);
}

fn a_flood_of_many_sources_ends(host: &mut Host) {
    let whole = data(2000);
    for source in 0..20_000u32 {
        let src = std::net::Ipv4Addr::from(0x0b00_0001 + source);
        let _ = host.arrives(Wire { src, ..Wire::fragment(&whole, 0, 1480) });
    }
    let src = v4("10.0.0.3");
    host.waits(Wire { src, ..Wire::fragment(&whole, 0, 1480) });
    host.completes(Wire { src, ..Wire::fragment(&whole, 1480, 2000) }, &whole);
    // Of the flood's first, the memory was needed for others.
    let oldest = Wire { src: v4("11.0.0.1"), ..Wire::fragment(&whole, 1480, 2000) };
    host.does_not_deliver(oldest);
}
