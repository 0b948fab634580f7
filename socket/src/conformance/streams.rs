//! Bytes of a connection.

use ip::{Readiness, SocketError};
use netdev::cases;
use tcp::{ReceiveFlags, SendFlags};

use super::bench::{Bench, at};
use super::{B, Host, Make, SOON, Setting};

cases! { ($) stream_cases: Make, Bench;
    Must 3 "RFC 9293 §2.2" bytes_arrive_whole_and_in_order
        "\"TCP provides a reliable, in-order, byte-stream service to applications.\"";
    Must 2 "RFC 9293 §2.2" both_directions_work_at_once
        "\"Data flow is supported bidirectionally over TCP connections\".";
    Must 2 "POSIX recv()" receive_does_not_wait
        "EAGAIN where the socket does not block and no data is there.";
    Must 1 "POSIX recv()" what_is_not_read_at_once_is_read_later
        "A stream knows no messages: what did not fit comes with the next call.";
    Must 2 "POSIX recv()" a_peek_leaves_the_bytes
        "MSG_PEEK: the data is treated as unread, and the next receive gives it.";
    Must 3 "POSIX send()" a_full_send_buffer_takes_no_more
        "EAGAIN where there is no room; poll does not tell that there is.";
    Must 3 "POSIX poll()" room_is_told_when_the_peer_has_read
        "POLLOUT: data may be written without waiting.";
    Must 1 "POSIX recv()" a_stream_that_was_never_connected_has_nothing
        "ENOTCONN: a receive is attempted on a connection-mode socket that is not connected.";
    Must 2 "POSIX send()" a_stream_that_was_never_connected_takes_nothing
        "It is not connected, or can send no more: an error in either case.";
    Ours 2 "send(2), MSG_MORE" more_holds_a_small_segment_back
        "What follows at once makes one segment of two writes.";
    Ours 2 "tcp(7), TCP_CORK" a_cork_holds_small_segments_back
        "Partial segments wait until the cork is taken out.";
    Must 2 "RFC 9293 §3.7.4" without_nagle_small_segments_go_at_once
        "\"… there MUST be a way for an application to disable the Nagle algorithm on an individual \
         connection (MUST-17).\"";
    Must 3 "RFC 9293 §3.9.1.4 (MUST-31)" an_urgent_byte_is_taken_out_of_line
        "Urgent data is told, and with SO_OOBINLINE off one byte of it is taken with MSG_OOB.";
    Must 2 "POSIX sockatmark()" the_mark_stands_where_the_urgent_byte_was
        "A receive does not pass the mark, and there sockatmark gives 1.";
    Must 1 "POSIX recv()" without_urgent_data_there_is_none
        "EINVAL: MSG_OOB is set and no out-of-band data is available.";
}

/// Bytes that are not all the same.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

fn bytes_arrive_whole_and_in_order(bench: &mut Bench) {
    let (client, server) = bench.connection();
    let data = pattern(200_000);
    let (mut sent, mut got) = (0, Vec::new());
    while got.len() < data.len() {
        if sent < data.len() {
            match bench.send(client, &data[sent..]) {
                Ok(taken) => sent += taken,
                Err(error) => bench.expect_eq("room, or none", error, SocketError::WouldBlock),
            }
        }
        bench.wait(server, Readiness::READABLE);
        let more = bench.receive(server, 50_000);
        got.extend(bench.ok("bytes", more));
    }
    bench.expect("the bytes are those that were sent", got == data);
}

fn both_directions_work_at_once(bench: &mut Bench) {
    let (client, server) = bench.connection();
    for (number, size) in [1, 1000, 3000].into_iter().enumerate() {
        let there = pattern(size);
        let back: Vec<u8> = there.iter().map(|byte| byte ^ number as u8 ^ 0x55).collect();
        bench.send_well(client, &there);
        bench.send_well(server, &back);
        bench.expect_data(server, &there);
        bench.expect_data(client, &back);
    }
}

fn receive_does_not_wait(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.expect_nothing(server);
    bench.send_well(client, b"now");
    bench.expect_data(server, b"now");
    bench.expect_nothing(server);
}

fn what_is_not_read_at_once_is_read_later(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.send_well(client, b"three words here");
    bench.expect_data(server, b"three");
    bench.expect_ready(server, Readiness::READABLE);
    bench.expect_data(server, b" words here");
    bench.expect_not_ready(server, Readiness::READABLE);
}

fn a_peek_leaves_the_bytes(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.send_well(client, b"peek");
    bench.wait(server, Readiness::READABLE);
    for _ in 0..2 {
        let peeked = bench.receive_message(server, 100, ReceiveFlags::PEEK);
        let (peeked, _) = bench.ok("the bytes", peeked);
        bench.expect_eq("the bytes", &peeked[..], b"peek");
    }
    bench.expect_data(server, b"peek");
    bench.expect_nothing(server);
}

fn a_full_send_buffer_takes_no_more(bench: &mut Bench) {
    let (client, _server) = bench.connection();
    bench.fill(client);
    let more = bench.send(client, b"more");
    bench.expect_error(more, SocketError::WouldBlock);
    bench.expect_not_ready(client, Readiness::WRITABLE);
}

fn room_is_told_when_the_peer_has_read(bench: &mut Bench) {
    let (client, server) = bench.connection();
    let total = bench.fill(client);
    bench.expect_not_ready(client, Readiness::WRITABLE);
    let mut read = 0;
    while read < total {
        bench.wait(server, Readiness::READABLE);
        let more = bench.receive(server, 1_000_000);
        read += bench.ok("bytes", more).len();
    }
    bench.expect_eq("bytes in all", read, total);
    bench.wait(client, Readiness::WRITABLE);
    bench.send_well(client, b"more");
    bench.expect_data(server, b"more");
}

fn a_stream_that_was_never_connected_has_nothing(bench: &mut Bench) {
    let fresh = bench.stream();
    let got = bench.receive(fresh, 100);
    bench.expect_error(got, SocketError::NotConnected);
}

fn a_stream_that_was_never_connected_takes_nothing(bench: &mut Bench) {
    let fresh = bench.stream();
    let sent = bench.send(fresh, b"nowhere");
    // POSIX names both, and systems differ in which they give.
    let either = [Err(SocketError::NotConnected), Err(SocketError::BrokenPipe)];
    bench.expect("it is not connected, or a broken pipe", either.contains(&sent));
}

fn more_holds_a_small_segment_back(bench: &mut Bench) {
    let (client, server) = bench.connection();
    let taken = bench.send_with(client, b"head", SendFlags::MORE);
    bench.expect_eq("bytes taken", taken, Ok(4));
    bench.settle();
    bench.expect_nothing(server);
    bench.send_well(client, b"+body");
    bench.wait_at_most(server, Readiness::READABLE, SOON);
    let both = bench.receive(server, 100);
    bench.expect_eq("both writes at once", both, Ok(b"head+body".to_vec()));
}

fn a_cork_holds_small_segments_back(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.set_well(client, Setting::Cork(true));
    bench.send_well(client, b"one");
    bench.send_well(client, b"two");
    bench.settle();
    bench.expect_nothing(server);
    bench.set_well(client, Setting::Cork(false));
    bench.wait_at_most(server, Readiness::READABLE, SOON);
    let both = bench.receive(server, 100);
    bench.expect_eq("both writes at once", both, Ok(b"onetwo".to_vec()));
}

fn without_nagle_small_segments_go_at_once(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.set_well(client, Setting::NoDelay(true));
    for _ in 0..5 {
        bench.send_well(client, b".");
    }
    // Half a round trip: what waited for an acknowledgment would not be there.
    bench.pass(SOON / 5 - SOON / 20);
    let got = bench.receive(server, 100);
    bench.expect_eq("all that was written", got, Ok(b".....".to_vec()));
}

fn an_urgent_byte_is_taken_out_of_line(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at(B, 80), 8);
    let (client, server) = bench.connection_to(listener);
    bench.set_well(server, Setting::OobInline(false));
    bench.send_well(client, b"before");
    let taken = bench.send_with(client, b"!", SendFlags::URGENT);
    bench.expect_eq("bytes taken", taken, Ok(1));
    bench.send_well(client, b"after");
    bench.wait(server, Readiness::URGENT);
    let urgent = bench.receive_message(server, 10, ReceiveFlags::URGENT);
    let (urgent, _) = bench.ok("the urgent byte", urgent);
    bench.expect_eq("the urgent byte", &urgent[..], b"!");
    bench.expect_data(server, b"beforeafter");
}

fn the_mark_stands_where_the_urgent_byte_was(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.set_well(server, Setting::OobInline(false));
    bench.send_well(client, b"before");
    let _ = bench.send_with(client, b"!", SendFlags::URGENT);
    bench.send_well(client, b"after");
    bench.wait(server, Readiness::URGENT);
    bench.settle();
    let at_mark = bench.at_mark(server);
    bench.expect_eq("at the mark before reading", at_mark, false);
    let first = bench.receive(server, 100);
    bench.expect_eq("what comes before the mark", first, Ok(b"before".to_vec()));
    let at_mark = bench.at_mark(server);
    bench.expect_eq("at the mark", at_mark, true);
    bench.expect_data(server, b"after");
}

fn without_urgent_data_there_is_none(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.set_well(server, Setting::OobInline(false));
    bench.send_well(client, b"plain");
    bench.wait(server, Readiness::READABLE);
    let none = bench.receive_message(server, 10, ReceiveFlags::URGENT);
    bench.expect_error(none, SocketError::Invalid);
}
