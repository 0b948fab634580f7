//! Options: how they begin, and that they read back.

use std::time::Duration;

use ip::SocketError;
use netdev::cases;
use tcp::KeepAlive;

use super::bench::{Bench, at};
use super::{B, Host, Kind, Make, SECOND, Setting};

cases! { ($) option_cases: Make, Bench;
    Must 1 "RFC 9293 §3.7.4 (SHLD-7)" nagle_is_on_until_it_is_turned_off
        "TCP_NODELAY is off at first, and reads back.";
    Ours 1 "tcp(7), TCP_CORK" a_cork_reads_back
        "Off at first.";
    Must 2 "RFC 9293 §3.8.4" keepalive_is_off_until_it_is_turned_on
        "\"If keep-alives are included, … they MUST default to off (MUST-25).\"";
    Must 2 "RFC 9293 §3.8.4 (MUST-24)" keepalive_times_read_back
        "\"… the application MUST be able to turn them on or off for each TCP connection\"; and when \
         they are sent is what it asked for.";
    Must 1 "POSIX setsockopt(), SO_LINGER" linger_reads_back
        "Off at first; a linger of zero is not the same as none.";
    Ours 1 "tcp(7), TCP_USER_TIMEOUT" a_user_timeout_reads_back
        "None at first.";
    Must 1 "POSIX setsockopt(), SO_REUSEADDR" reuse_reads_back
        "Off at first.";
    Must 1 "POSIX setsockopt(), SO_BROADCAST" the_permission_to_broadcast_reads_back
        "Off at first.";
    Must 2 "RFC 1122 §3.2.1.7" a_ttl_of_zero_is_refused
        "\"A host MUST NOT send a datagram with a Time-to-Live (TTL) value of zero.\"";
    Must 1 "RFC 9293 §3.9.2" a_ttl_reads_back
        "\"The TTL value used to send TCP segments MUST be configurable (MUST-49).\"";
    Ours 2 "socket(7)" options_of_a_listener_are_those_of_its_connections
        "An accepted socket begins with what was set on the listener.";
    Ours 1 "socket(7)" options_are_each_socket_s_own
        "What is set on one end is not set on the other, nor on another socket.";
    Must 1 "POSIX setsockopt()" an_option_of_another_kind_of_socket_is_refused
        "ENOPROTOOPT or EOPNOTSUPP: the option is not that of the protocol.";
}

fn nagle_is_on_until_it_is_turned_off(bench: &mut Bench) {
    let (client, _) = bench.connection();
    bench.expect_setting(client, Setting::NoDelay(false));
    for on in [true, false] {
        bench.set_well(client, Setting::NoDelay(on));
        bench.expect_setting(client, Setting::NoDelay(on));
    }
}

fn a_cork_reads_back(bench: &mut Bench) {
    let (client, _) = bench.connection();
    bench.expect_setting(client, Setting::Cork(false));
    for on in [true, false] {
        bench.set_well(client, Setting::Cork(on));
        bench.expect_setting(client, Setting::Cork(on));
    }
}

fn keepalive_is_off_until_it_is_turned_on(bench: &mut Bench) {
    let (client, server) = bench.connection();
    for socket in [client, server] {
        bench.expect_setting(socket, Setting::KeepAlive(None));
    }
}

fn keepalive_times_read_back(bench: &mut Bench) {
    let socket = bench.stream();
    let times = KeepAlive { idle: 100 * SECOND, interval: 7 * SECOND, count: 5 };
    bench.set_well(socket, Setting::KeepAlive(Some(times)));
    bench.expect_setting(socket, Setting::KeepAlive(Some(times)));
    bench.set_well(socket, Setting::KeepAlive(None));
    bench.expect_setting(socket, Setting::KeepAlive(None));
}

fn linger_reads_back(bench: &mut Bench) {
    let socket = bench.stream();
    bench.expect_setting(socket, Setting::Linger(None));
    for linger in [Some(Duration::ZERO), Some(7 * SECOND), None] {
        bench.set_well(socket, Setting::Linger(linger));
        bench.expect_setting(socket, Setting::Linger(linger));
    }
}

fn a_user_timeout_reads_back(bench: &mut Bench) {
    let socket = bench.stream();
    bench.expect_setting(socket, Setting::UserTimeout(None));
    for timeout in [Some(Duration::from_millis(1500)), None] {
        bench.set_well(socket, Setting::UserTimeout(timeout));
        bench.expect_setting(socket, Setting::UserTimeout(timeout));
    }
}

fn reuse_reads_back(bench: &mut Bench) {
    let socket = bench.stream();
    bench.expect_setting(socket, Setting::ReuseAddr(false));
    bench.set_well(socket, Setting::ReuseAddr(true));
    bench.expect_setting(socket, Setting::ReuseAddr(true));
}

fn the_permission_to_broadcast_reads_back(bench: &mut Bench) {
    let socket = bench.open(Host::A, Kind::Datagram);
    bench.expect_setting(socket, Setting::Broadcast(false));
    bench.set_well(socket, Setting::Broadcast(true));
    bench.expect_setting(socket, Setting::Broadcast(true));
}

fn a_ttl_of_zero_is_refused(bench: &mut Bench) {
    for kind in [Kind::Stream, Kind::Datagram] {
        let socket = bench.open(Host::A, kind);
        bench.set_well(socket, Setting::Ttl(9));
        let set = bench.set(socket, Setting::Ttl(0));
        bench.expect_error(set, SocketError::Invalid);
        bench.expect_setting(socket, Setting::Ttl(9));
    }
}

fn a_ttl_reads_back(bench: &mut Bench) {
    let socket = bench.stream();
    for ttl in [1, 255, 17] {
        bench.set_well(socket, Setting::Ttl(ttl));
        bench.expect_setting(socket, Setting::Ttl(ttl));
    }
}

fn options_of_a_listener_are_those_of_its_connections(bench: &mut Bench) {
    let listener = bench.listener(Host::B, at(B, 80), 8);
    let times = KeepAlive { idle: 100 * SECOND, interval: 7 * SECOND, count: 5 };
    let settings = [
        Setting::NoDelay(true),
        Setting::KeepAlive(Some(times)),
        Setting::Linger(Some(3 * SECOND)),
        Setting::Ttl(33),
    ];
    for setting in settings {
        bench.set_well(listener, setting);
    }
    let (_, server) = bench.connection_to(listener);
    for setting in settings {
        bench.expect_setting(server, setting);
    }
}

fn options_are_each_socket_s_own(bench: &mut Bench) {
    let (client, server) = bench.connection();
    let other = bench.stream();
    bench.set_well(client, Setting::NoDelay(true));
    bench.set_well(client, Setting::Ttl(3));
    for socket in [server, other] {
        bench.expect_setting(socket, Setting::NoDelay(false));
        let ttl = bench.get(socket, Setting::Ttl(0));
        bench.expect("the TTL is that of the host", ttl != Setting::Ttl(3));
    }
}

fn an_option_of_another_kind_of_socket_is_refused(bench: &mut Bench) {
    let socket = bench.open(Host::A, Kind::Datagram);
    for setting in [Setting::NoDelay(true), Setting::UserTimeout(Some(SECOND))] {
        let set = bench.set(socket, setting);
        bench.expect_error(set, SocketError::Unsupported);
    }
}
