//! What a socket is ready for.

use ip::Readiness;
use netdev::cases;
use tcp::{SendFlags, Shutdown};

use super::bench::{Bench, at};
use super::{A, B, Host, Kind, Make, Setting};

cases! { ($) readiness_cases: Make, Bench;
    Must 2 "POSIX accept()" a_listener_is_readable_when_a_connection_waits
        "And not before; when it was accepted, no longer.";
    Must 2 "POSIX poll()" a_stream_is_writable_when_it_is_connected
        "While the connect is under way it is ready for nothing.";
    Must 2 "POSIX poll()" a_stream_is_readable_when_data_is_there
        "POLLIN: data may be read without waiting; when all is read, no longer.";
    Must 2 "POSIX poll()" a_stream_is_readable_at_its_end
        "A receive would not wait: it gives 0. The peer's end is told as well.";
    Must 2 "POSIX poll()" a_stream_with_an_error_is_ready_for_everything
        "Neither a receive nor a send would wait: they give the error.";
    Must 2 "POSIX poll()" a_stream_that_both_ended_has_hung_up
        "POLLHUP: neither direction is open any more.";
    Ours 1 "poll(2), POLLRDHUP" a_stream_that_the_peer_ended_can_still_be_written
        "One direction has ended; the other is as it was.";
    Must 2 "POSIX poll()" urgent_data_is_told
        "POLLPRI: out-of-band data is there; when it was taken, no longer.";
    Must 2 "POSIX poll()" a_stream_is_writable_only_while_there_is_room
        "POLLOUT: at least a byte would be taken.";
    Must 1 "POSIX poll()" a_datagram_socket_is_writable_at_once
        "A send would not wait.";
    Must 2 "POSIX poll()" a_datagram_socket_is_readable_while_datagrams_wait
        "Until the last one is taken, be it empty.";
    Must 2 "POSIX poll()" an_error_makes_a_datagram_socket_ready
        "POLLERR, until the error was taken.";
}

fn a_listener_is_readable_when_a_connection_waits(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at(B, 80), 8);
    bench.expect_not_ready(listener, Readiness::READABLE | Readiness::ERROR);
    let client = bench.stream();
    bench.connect_well(client, at(B, 80));
    bench.wait(listener, Readiness::READABLE);
    bench.accept_well(listener);
    bench.expect_not_ready(listener, Readiness::READABLE);
}

fn a_stream_is_writable_when_it_is_connected(bench: &mut Bench) {
    bench.lose(true);
    bench.listener(Host::B, at(B, 80), 8);
    let client = bench.stream();
    let _ = bench.connect(client, at(B, 80));
    bench.settle();
    bench.expect_not_ready(client, Readiness::all());
    bench.lose(false);
    bench.wait(client, Readiness::WRITABLE);
    let peer = bench.peer(client);
    bench.expect_eq("the peer", peer, Ok(at(B, 80)));
}

fn a_stream_is_readable_when_data_is_there(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.settle();
    bench.expect_not_ready(server, Readiness::READABLE);
    bench.send_well(client, b"data");
    bench.wait(server, Readiness::READABLE);
    bench.expect_not_ready(server, Readiness::READ_CLOSED | Readiness::ERROR);
    bench.expect_data(server, b"data");
    bench.expect_not_ready(server, Readiness::READABLE);
}

fn a_stream_is_readable_at_its_end(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.close(client);
    bench.wait(server, Readiness::READ_CLOSED);
    bench.expect_ready(server, Readiness::READABLE | Readiness::READ_CLOSED);
    bench.expect_end(server);
    bench.expect_ready(server, Readiness::READABLE);
}

fn a_stream_with_an_error_is_ready_for_everything(bench: &mut Bench) {
    let client = bench.reset_connection();
    bench.expect_ready(client, Readiness::ERROR | Readiness::READABLE | Readiness::WRITABLE);
    bench.take_error(client);
    bench.expect_not_ready(client, Readiness::ERROR);
    bench.expect_ready(client, Readiness::READABLE | Readiness::WRITABLE);
}

fn a_stream_that_both_ended_has_hung_up(bench: &mut Bench) {
    let (client, server) = bench.connection();
    for socket in [client, server] {
        let shut = bench.shutdown(socket, Shutdown::Write);
        bench.ok("a shutdown", shut);
    }
    for socket in [client, server] {
        bench.wait(socket, Readiness::READ_CLOSED);
        bench.settle();
        bench.expect_ready(socket, Readiness::READ_CLOSED | Readiness::WRITE_CLOSED);
    }
}

fn a_stream_that_the_peer_ended_can_still_be_written(bench: &mut Bench) {
    let (client, server) = bench.connection();
    let shut = bench.shutdown(client, Shutdown::Write);
    bench.ok("a shutdown", shut);
    bench.wait(server, Readiness::READ_CLOSED);
    bench.expect_ready(server, Readiness::WRITABLE);
    bench.expect_not_ready(server, Readiness::WRITE_CLOSED | Readiness::ERROR);
}

fn urgent_data_is_told(bench: &mut Bench) {
    let (client, server) = bench.connection();
    bench.set_well(server, Setting::OobInline(false));
    bench.expect_not_ready(server, Readiness::URGENT);
    let _ = bench.send_with(client, b"!", SendFlags::URGENT);
    bench.wait(server, Readiness::URGENT);
    let taken = bench.receive_message(server, 1, tcp::ReceiveFlags::URGENT);
    bench.ok("the urgent byte", taken);
    bench.expect_not_ready(server, Readiness::URGENT);
}

fn a_stream_is_writable_only_while_there_is_room(bench: &mut Bench) {
    let (client, _server) = bench.connection();
    bench.expect_ready(client, Readiness::WRITABLE);
    bench.fill(client);
    bench.expect_not_ready(client, Readiness::WRITABLE);
}

fn a_datagram_socket_is_writable_at_once(bench: &mut Bench) {
    let socket = bench.open(Host::A, Kind::Datagram);
    bench.expect_ready(socket, Readiness::WRITABLE);
    bench.expect_not_ready(socket, Readiness::READABLE | Readiness::ERROR);
}

fn a_datagram_socket_is_readable_while_datagrams_wait(bench: &mut Bench) {
    let (left, right) = bench.connected_datagrams();
    bench.send_well(left, b"one");
    bench.send_well(left, b"");
    bench.wait(right, Readiness::READABLE);
    bench.settle();
    bench.expect_message(right, b"one");
    bench.expect_ready(right, Readiness::READABLE);
    bench.expect_message(right, b"");
    bench.expect_not_ready(right, Readiness::READABLE);
}

fn an_error_makes_a_datagram_socket_ready(bench: &mut Bench) {
    let socket = bench.datagrams(Host::A, at(A, 1234));
    let connected = bench.connect(socket, at(B, 9));
    bench.ok("a connect", connected);
    bench.send_well(socket, b"anybody?");
    bench.wait(socket, Readiness::ERROR);
    bench.take_error(socket);
    bench.expect_not_ready(socket, Readiness::ERROR);
}
