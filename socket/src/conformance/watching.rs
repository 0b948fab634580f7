//! Many sockets watched at once, as epoll does it.

use std::io::ErrorKind;

use ip::Readiness;
use netdev::cases;

use super::bench::{Bench, at};
use super::{A, B, Host, Make, Socket};
use crate::{Interest, Mode};

cases! { ($) watching_cases: Make, Bench;
    Ours 2 "epoll(7)" level_tells_as_long_as_it_is_so
        "A socket with unread data is told of each time.";
    Ours 3 "epoll(7)" edge_tells_each_time_something_comes
        "Once for what came, and again for what comes next, though the first was not read.";
    Ours 2 "epoll(7)" what_comes_together_is_told_together
        "Two datagrams before the wait are one event.";
    Ours 2 "epoll_ctl(2), EPOLLONESHOT" oneshot_tells_once_until_it_is_armed_again
        "After an event it is silent, whatever comes.";
    Ours 2 "epoll_ctl(2)" what_is_ready_already_is_told
        "Whoever adds a socket late misses nothing, with the edge neither.";
    Ours 2 "epoll_ctl(2)" only_what_is_asked_for_is_told
        "And it may be changed.";
    Ours 2 "epoll_ctl(2)" an_error_is_told_unasked
        "EPOLLERR is always waited for.";
    Ours 1 "epoll_ctl(2)" what_is_removed_is_told_no_longer
        "Though it is ready.";
    Ours 1 "epoll_ctl(2)" a_socket_is_added_once
        "EEXIST: it is there already.";
    Ours 1 "epoll_ctl(2)" only_what_was_added_is_changed_or_removed
        "ENOENT: it is not there.";
    Ours 2 "epoll(7)" a_closed_socket_is_told_no_longer
        "It is taken out by the close.";
    Ours 2 "epoll(7)" only_the_ready_ones_are_told
        "Of many that are watched.";
    Ours 2 "epoll(7)" a_connection_that_is_made_is_an_edge
        "So that a program may connect many at once.";
    Ours 2 "epoll(7)" the_end_of_a_stream_is_an_edge
        "Also where data that came before it was told of already.";
}

/// A socket of host B to which `left` sends.
fn two(bench: &mut Bench) -> (Socket, Socket) {
    bench.connected_datagrams()
}

/// Something comes.
fn arrive(bench: &mut Bench, left: Socket, right: Socket) {
    bench.send_well(left, b"something");
    bench.wait(right, Readiness::READABLE);
    bench.settle();
}

fn level_tells_as_long_as_it_is_so(bench: &mut Bench) {
    let (left, right) = two(bench);
    bench.watch(right, Interest::READABLE, Mode::Level);
    bench.expect_events(&[]);
    arrive(bench, left, right);
    bench.expect_events(&[right]);
    bench.expect_events(&[right]);
    bench.expect_message(right, b"something");
    bench.expect_events(&[]);
}

fn edge_tells_each_time_something_comes(bench: &mut Bench) {
    let (left, right) = two(bench);
    bench.watch(right, Interest::READABLE, Mode::Edge);
    arrive(bench, left, right);
    bench.expect_events(&[right]);
    bench.expect_events(&[]);
    arrive(bench, left, right);
    bench.expect_events(&[right]);
    bench.expect_events(&[]);
}

fn what_comes_together_is_told_together(bench: &mut Bench) {
    let (left, right) = two(bench);
    bench.watch(right, Interest::READABLE, Mode::Edge);
    for _ in 0..2 {
        arrive(bench, left, right);
    }
    bench.expect_events(&[right]);
    bench.expect_events(&[]);
    bench.expect_message(right, b"something");
    bench.expect_message(right, b"something");
}

fn oneshot_tells_once_until_it_is_armed_again(bench: &mut Bench) {
    let (left, right) = two(bench);
    bench.watch(right, Interest::READABLE, Mode::Oneshot);
    arrive(bench, left, right);
    bench.expect_events(&[right]);
    arrive(bench, left, right);
    bench.expect_events(&[]);
    let armed = bench.watch_again(right, Interest::READABLE, Mode::Oneshot);
    bench.expect_eq("of arming it", armed, Ok(()));
    bench.expect_events(&[right]);
    bench.expect_events(&[]);
}

fn what_is_ready_already_is_told(bench: &mut Bench) {
    for mode in [Mode::Level, Mode::Edge, Mode::Oneshot] {
        let (left, right) = two(bench);
        arrive(bench, left, right);
        bench.watch(right, Interest::READABLE, mode);
        bench.expect_events(&[right]);
        bench.close(left);
        bench.close(right);
    }
}

fn only_what_is_asked_for_is_told(bench: &mut Bench) {
    let (left, right) = two(bench);
    arrive(bench, left, right);
    bench.watch(right, Interest::WRITABLE, Mode::Level);
    let events = bench.events();
    bench.expect_eq("writable, and no more", events, vec![(right, Readiness::WRITABLE)]);
    let changed = bench.watch_again(right, Interest::READABLE, Mode::Level);
    bench.expect_eq("of the change", changed, Ok(()));
    let events = bench.events();
    bench.expect_eq("readable, and no more", events, vec![(right, Readiness::READABLE)]);
    let changed = bench.watch_again(right, Interest::BOTH, Mode::Level);
    bench.expect_eq("of the change", changed, Ok(()));
    let events = bench.events();
    let both = Readiness::READABLE | Readiness::WRITABLE;
    bench.expect_eq("readable and writable", events, vec![(right, both)]);
}

fn an_error_is_told_unasked(bench: &mut Bench) {
    let nothing = Interest { readable: false, writable: false };
    let socket = bench.datagrams(Host::A, at(A, 1234));
    let connected = bench.connect(socket, at(B, 9));
    bench.ok("a connect", connected);
    bench.watch(socket, nothing, Mode::Level);
    bench.expect_events(&[]);
    bench.send_well(socket, b"anybody?");
    bench.wait(socket, Readiness::ERROR);
    let events = bench.events();
    bench.expect_eq("the error", events, vec![(socket, Readiness::ERROR)]);
}

fn what_is_removed_is_told_no_longer(bench: &mut Bench) {
    let (left, right) = two(bench);
    bench.watch(right, Interest::READABLE, Mode::Level);
    arrive(bench, left, right);
    bench.expect_events(&[right]);
    let removed = bench.unwatch(right);
    bench.expect_eq("of removing it", removed, Ok(()));
    bench.expect_events(&[]);
}

fn a_socket_is_added_once(bench: &mut Bench) {
    let (_, right) = two(bench);
    bench.watch(right, Interest::READABLE, Mode::Level);
    let again = bench.watch_result(right, Interest::BOTH, Mode::Edge);
    bench.expect_eq("of adding it again", again, Err(ErrorKind::AlreadyExists));
}

fn only_what_was_added_is_changed_or_removed(bench: &mut Bench) {
    let (_, right) = two(bench);
    let changed = bench.watch_again(right, Interest::READABLE, Mode::Level);
    bench.expect_eq("of changing it", changed, Err(ErrorKind::NotFound));
    let removed = bench.unwatch(right);
    bench.expect_eq("of removing it", removed, Err(ErrorKind::NotFound));
}

fn a_closed_socket_is_told_no_longer(bench: &mut Bench) {
    let (left, right) = two(bench);
    bench.watch(right, Interest::BOTH, Mode::Level);
    arrive(bench, left, right);
    bench.expect_events(&[right]);
    bench.close(right);
    bench.expect_events(&[]);
}

fn only_the_ready_ones_are_told(bench: &mut Bench) {
    let sockets: Vec<_> = (0..20).map(|n| bench.datagrams(Host::B, at(B, 3000 + n))).collect();
    for socket in &sockets {
        bench.watch(*socket, Interest::READABLE, Mode::Level);
    }
    let sender = bench.datagrams(Host::A, at(A, 1000));
    for number in [3, 17] {
        bench.send_well_to(sender, at(B, 3000 + number), b"you");
        bench.wait(sockets[usize::from(number)], Readiness::READABLE);
    }
    bench.expect_events(&[sockets[3], sockets[17]]);
}

fn a_connection_that_is_made_is_an_edge(bench: &mut Bench) {
    bench.listener(Host::B, at(B, 80), 8);
    let client = bench.stream();
    let _ = bench.connect(client, at(B, 80));
    bench.watch(client, Interest::WRITABLE, Mode::Edge);
    bench.wait(client, Readiness::WRITABLE);
    bench.expect_events(&[client]);
    bench.expect_events(&[]);
}

fn the_end_of_a_stream_is_an_edge(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.watch(server, Interest::READABLE, Mode::Edge);
    bench.send_well(client, b"data");
    bench.wait(server, Readiness::READABLE);
    bench.expect_events(&[server]);
    bench.expect_events(&[]);
    bench.close(client);
    bench.wait(server, Readiness::READ_CLOSED);
    bench.expect_events(&[server]);
}
