//! What waits in a socket, and what a program is told of it: RFC 768, RFC 1122 §4.1.3.5 and §4.1.4.

use std::net::IpAddr;
use std::time::Duration;

use ip::{Readiness, SocketError, Tos, Ttl};
use netdev::cases;

use super::Make;
use super::bench::{Bench, at, segment};
use crate::{Input, Setting};
use ip::conformance::below::{ANY, ME, ME_TOO, PEER};

cases! { ($) queue_cases: Make, Bench;
    Must 3 "RFC 768" the_sender_is_told
        "… receive operations on the receive ports that return the data octets and an indication \
         of source port and source address";
    Must 2 "RFC 1122 §4.1.3.5" the_specific_destination_is_told
        "When a UDP datagram is received, its specific-destination address MUST be passed up to \
         the application layer.";
    May 1 "RFC 1122 §4.1.4" the_received_tos_is_told
        "UDP MAY pass the received TOS up to the application layer.";
    Ours 1 "RFC 1122 §4.1.4" the_received_ttl_and_time_are_told
        "With how many hops left, and when.";
    Must 2 "RFC 768" datagrams_keep_their_bounds_and_their_order
        "Each receive gives one datagram, the oldest.";
    Ours 1 "MSG_PEEK" a_peeked_datagram_stays
        "To look does not take.";
    Ours 2 "SO_RCVBUF" a_full_queue_drops_what_comes_last
        "What waits is kept, in its order, and what no longer goes in is counted.";
    Ours 2 "SO_RCVBUF" a_flood_of_empty_datagrams_is_bounded
        "Also a datagram without data takes memory.";
    Ours 1 "SO_RCVBUF" the_receive_buffer_can_be_set
        "A smaller buffer holds fewer.";
    Ours 1 "SO_RCVBUF" one_full_socket_is_not_the_others_matter
        "Each socket has a queue of its own.";
    Ours 2 "poll(2)" readiness_follows_the_queue
        "Readable while something waits; writable always.";
    Ours 1 "poll(2)" a_changed_socket_is_named
        "Who waits for a socket hears of it once, until he looks.";
    Ours 1 "RFC 1122 §1.2.3" what_is_discarded_is_counted
        "Nothing vanishes silently: a discarded datagram counts somewhere.";
    Ours 1 "RFC 1122 §1.2.3" counters_have_names_and_their_rows_stay
        "Every counter is listed, the ones at zero too.";
}

fn the_sender_is_told(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    for from in [at(PEER, 4000), at(PEER, 1), at([198, 51, 100, 7].into(), 65_535)] {
        let input = bench.input(from, at(ME, 7), b"data");
        bench.expect_delivered(input);
        let received = bench.expect_received(socket, b"data");
        bench.record.expect_eq("from whom", received.from, from);
    }
}

fn the_specific_destination_is_told(bench: &mut Bench) {
    let socket = bench.bound(ANY, 7);
    for ours in [ME, ME_TOO] {
        bench.arrive(at(ours, 7), b"data");
        let received = bench.expect_received(socket, b"data");
        bench.record.expect_eq("to which address", received.to, IpAddr::V4(ours));
    }
}

fn the_received_tos_is_told(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    for tos in [0, 0xb8, 0x13] {
        bench.tos = Tos(tos);
        bench.arrive(at(ME, 7), b"data");
        let received = bench.expect_received(socket, b"data");
        bench.record.expect_eq("the service class", received.tos, Tos(tos));
    }
}

fn the_received_ttl_and_time_are_told(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    for ttl in [1, 64, 255] {
        bench.ttl = Ttl(ttl);
        bench.pass(Duration::from_millis(7));
        let now = bench.now();
        bench.arrive(at(ME, 7), b"data");
        bench.pass(Duration::from_millis(7));
        let received = bench.expect_received(socket, b"data");
        bench.record.expect_eq("ttl and time", (received.ttl, received.at), (Ttl(ttl), now));
    }
}

fn datagrams_keep_their_bounds_and_their_order(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let datagrams: [&[u8]; 5] = [b"one", b"", b"three", &[3; 1472], b"five"];
    for data in datagrams {
        bench.arrive(at(ME, 7), data);
    }
    for data in datagrams {
        bench.expect_received(socket, data);
    }
    bench.expect_nothing(socket);
}

fn a_peeked_datagram_stays(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    bench.arrive(at(ME, 7), b"one");
    bench.arrive(at(ME, 7), b"two");
    for _ in 0..2 {
        let peeked = bench.receive_or_peek(socket, true).map(|received| received.data.to_vec());
        bench.record.expect_eq("what is seen", peeked, Ok(b"one".to_vec()));
    }
    bench.expect_received(socket, b"one");
    bench.expect_received(socket, b"two");
}

/// Datagrams to port 7 until one is dropped; how many were not.
fn fill(bench: &mut Bench, data: &[u8]) -> usize {
    for count in 0..20_000 {
        let bytes = [&(count as u32).to_be_bytes(), data].concat();
        let data = if data.is_empty() { &[] } else { &bytes[..] };
        match bench.input(at(PEER, 4000), at(ME, 7), data) {
            Input::Delivered => {}
            Input::Dropped(_) => return count,
            other => bench.record.fail("delivered, or dropped", format_args!("{other:?}")),
        }
    }
    bench.record.fail("a queue that is full after 20000 datagrams at most", "it takes them all")
}

fn a_full_queue_drops_what_comes_last(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let held = fill(bench, &[7; 1000]);
    bench.record.expect("room for one at least", held > 0);
    let drops = bench.info(socket).drops;
    bench.record.expect_eq("drops of the socket", drops, 1);
    for count in 0..held {
        bench.expect_received(socket, &[&(count as u32).to_be_bytes(), &[7; 1000][..]].concat());
    }
    bench.expect_nothing(socket);
    bench.arrive(at(ME, 7), b"room again");
    bench.expect_received(socket, b"room again");
}

fn a_flood_of_empty_datagrams_is_bounded(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let held = fill(bench, b"");
    bench.record.expect("room for one at least", held > 0);
    for _ in 0..held {
        bench.expect_received(socket, b"");
    }
    bench.expect_nothing(socket);
}

fn the_receive_buffer_can_be_set(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    bench.set_well(socket, Setting::ReceiveBuffer(8_000));
    let small = fill(bench, &[7; 1000]);
    bench
        .record
        .expect(&format!("room for 1 to 8 datagrams, not {small}"), (1..=8).contains(&small));
    while bench.receive(socket).is_ok() {}
    bench.set_well(socket, Setting::ReceiveBuffer(32_000));
    let large = fill(bench, &[7; 1000]);
    bench.record.expect(&format!("room for more than {small}, not {large}"), large > small);
}

fn one_full_socket_is_not_the_others_matter(bench: &mut Bench) {
    let _full = bench.bound(ME, 7);
    let other = bench.bound(ME, 8);
    let _ = fill(bench, &[7; 1000]);
    bench.arrive(at(ME, 8), b"data");
    bench.expect_received(other, b"data");
}

fn readiness_follows_the_queue(bench: &mut Bench) {
    let socket = bench.bound(ME, 7);
    let (idle, full) = (Readiness::WRITABLE, Readiness::WRITABLE | Readiness::READABLE);
    bench.record.expect_eq("readiness", bench.readiness(socket), idle);
    bench.arrive(at(ME, 7), b"one");
    bench.arrive(at(ME, 7), b"");
    bench.record.expect_eq("readiness", bench.readiness(socket), full);
    bench.expect_received(socket, b"one");
    bench.record.expect_eq("readiness", bench.readiness(socket), full);
    bench.expect_received(socket, b"");
    bench.record.expect_eq("readiness", bench.readiness(socket), idle);
    bench.close(socket);
    bench.record.expect_eq("readiness", bench.readiness(socket), Readiness::empty());
}

fn a_changed_socket_is_named(bench: &mut Bench) {
    let (one, two) = (bench.bound(ME, 7), bench.bound(ME, 8));
    let _ = bench.changed();
    for _ in 0..3 {
        bench.arrive(at(ME, 8), b"data");
    }
    bench.expect_changed(&[two]);
    bench.expect_changed(&[]);
    bench.arrive(at(ME, 7), b"data");
    bench.arrive(at(ME, 8), b"data");
    bench.close(two);
    bench.expect_changed(&[one]);
}

fn what_is_discarded_is_counted(bench: &mut Bench) {
    let _socket = bench.bound(ME, 7);
    let good = segment(at(PEER, 4000), at(ME, 7), b"data");
    let mut bad = good.clone();
    bad[6] ^= 1;
    let mut long = good.clone();
    long[4] = 1;
    for bytes in [&good[..4], &bad, &long] {
        let before = bench.counted();
        let input = bench.input_bytes(PEER.into(), ME.into(), bytes);
        bench.expect_dropped(input);
        bench.record.expect("the datagram to count", bench.counted() > before);
    }
}

fn counters_have_names_and_their_rows_stay(bench: &mut Bench) {
    let names = bench.counter_names();
    bench.record.expect("counters", !names.is_empty());
    let socket = bench.bound(ME, 7);
    bench.arrive(at(ME, 7), b"data");
    let _ = bench.input_bytes(PEER.into(), ME.into(), &[]);
    let _ = bench.send_well(socket, at(PEER, 80), b"data");
    bench.record.expect_eq("the rows of the counters", bench.counter_names(), names.clone());
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    bench.record.expect_eq("different names", unique.len(), names.len());
    let seen = bench.receive(socket).map(|received| received.data.len());
    bench.record.expect_eq("bytes received", seen, Ok::<_, SocketError>(4));
}
