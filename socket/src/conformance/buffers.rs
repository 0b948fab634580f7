//! How much a socket holds, and what it tells of that.

use ip::Readiness;
use netdev::cases;

use super::bench::{Bench, at};
use super::{B, Host, Kind, Make, SOON, Setting, Socket};

cases! { ($) buffer_cases: Make, Bench;
    Must 2 "POSIX setsockopt(), SO_SNDBUF" a_send_buffer_reads_back
        "As it was set, or twice that as on Linux, where book-keeping counts.";
    Must 2 "POSIX setsockopt(), SO_RCVBUF" a_receive_buffer_reads_back
        "As it was set, or twice that as on Linux, where book-keeping counts.";
    Must 2 "POSIX setsockopt(), SO_RCVBUF" a_stream_that_nobody_reads_holds_a_bounded_queue
        "The receive buffer bounds what waits; the window says so to the peer.";
    Must 2 "POSIX setsockopt(), SO_SNDBUF" small_buffers_take_little
        "What is taken and not read is no more than both buffers hold.";
    Must 2 "POSIX setsockopt(), SO_RCVBUF" datagrams_that_nobody_reads_are_bounded
        "What finds the queue full is dropped; what is in it stays.";
    Ours 1 "tcp(7), SIOCINQ" unread_bytes_are_counted
        "The bytes that a receive would give.";
    Ours 1 "tcp(7), SIOCOUTQ" acknowledged_bytes_are_counted_no_longer
        "Nothing waits when the peer has everything.";
    Ours 2 "tcp(7), SIOCOUTQ" unacknowledged_bytes_are_counted
        "What was sent counts until the peer has acknowledged it.";
}

/// What was set reads back, as `n` or as `2 * n`.
fn expect_buffer(bench: &mut Bench, socket: Socket, setting: impl Fn(usize) -> Setting, n: usize) {
    bench.set_well(socket, setting(n));
    let seen = bench.get(socket, setting(0));
    bench.expect(&format!("{n}, or twice that"), [setting(n), setting(2 * n)].contains(&seen));
}

fn a_send_buffer_reads_back(bench: &mut Bench) {
    let socket = bench.stream();
    for bytes in [16_384, 50_000, 20_000] {
        expect_buffer(bench, socket, Setting::SendBuffer, bytes);
    }
}

fn a_receive_buffer_reads_back(bench: &mut Bench) {
    for kind in [Kind::Stream, Kind::Datagram] {
        let socket = bench.open(Host::A, kind);
        for bytes in [16_384, 50_000, 20_000] {
            expect_buffer(bench, socket, Setting::ReceiveBuffer, bytes);
        }
    }
}

/// A connection whose buffers are small on both sides.
fn small(bench: &mut Bench) -> (Socket, Socket) {
    let listener = bench.listener(Host::B, at(B, 80), 8);
    bench.set_well(listener, Setting::ReceiveBuffer(8192));
    let client = bench.stream();
    bench.set_well(client, Setting::SendBuffer(8192));
    bench.connect_well(client, at(B, 80));
    let (server, _) = bench.accept_well(listener);
    (client, server)
}

fn a_stream_that_nobody_reads_holds_a_bounded_queue(bench: &mut Bench) {
    let (client, server) = small(bench);
    bench.fill(client);
    let unread = bench.unread(server);
    bench.expect("something waits", unread > 0);
    bench.expect("no more than twice what was set", unread <= 2 * 8192);
}

fn small_buffers_take_little(bench: &mut Bench) {
    let (client, _server) = small(bench);
    let taken = bench.fill(client);
    bench.expect("at least a buffer of them", taken >= 8192);
    bench.expect("no more than a few of them", taken <= 8 * 8192);
}

fn datagrams_that_nobody_reads_are_bounded(bench: &mut Bench) {
    let receiver = bench.datagrams(Host::B, at(B, 7));
    bench.set_well(receiver, Setting::ReceiveBuffer(8192));
    let sender = bench.open(Host::A, Kind::Datagram);
    for number in 0..50 {
        bench.send_well_to(sender, at(B, 7), &[number; 1000]);
    }
    bench.wait(receiver, Readiness::READABLE);
    bench.settle();
    for number in 0.. {
        match bench.receive(receiver, 2048) {
            Ok(data) => bench.expect_eq("the datagrams in order", data, vec![number; 1000]),
            Err(_) => {
                bench.expect("some of them were kept", number > 0);
                bench.expect("no more than the buffer holds", number <= 2 * 8);
                break;
            }
        }
    }
}

fn unread_bytes_are_counted(bench: &mut Bench) {
    let (client, server) = bench.connection();
    let unread = bench.unread(server);
    bench.expect_eq("bytes unread", unread, 0);
    bench.send_well(client, b"eleven more");
    bench.wait(server, Readiness::READABLE);
    let unread = bench.unread(server);
    bench.expect_eq("bytes unread", unread, 11);
    bench.expect_data(server, b"eleven");
    let unread = bench.unread(server);
    bench.expect_eq("bytes unread", unread, 5);
}

fn acknowledged_bytes_are_counted_no_longer(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.send_well(client, b"hello");
    bench.expect_data(server, b"hello");
    // An acknowledgment may be put off by half a second (RFC 9293 §3.8.6.3).
    bench.pass(50 * SOON);
    let waits = bench.unacknowledged(client);
    bench.expect_eq("bytes unacknowledged", waits, 0);
}

fn unacknowledged_bytes_are_counted(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.lose(true);
    bench.send_well(client, b"hello");
    bench.settle();
    let waits = bench.unacknowledged(client);
    bench.expect_eq("bytes unacknowledged", waits, 5);
    bench.lose(false);
    bench.expect_data(server, b"hello");
    bench.pass(50 * SOON);
    let waits = bench.unacknowledged(client);
    bench.expect_eq("bytes unacknowledged", waits, 0);
}
