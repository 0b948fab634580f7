//! The conformance kit, held against two stacks with each TCP, on virtual time, and against nothing.

#[path = "conformance/nothing.rs"]
mod nothing;

use socket::Layers;
use socket::conformance::{Host, Pair, Parts};
use tcp::Streams;

/// Two stacks of the whole layers, with this TCP.
fn pair(seed: u64, tcp: impl Fn(u64) -> Box<dyn Streams>) -> Box<Pair> {
    Box::new(Pair::new(|host, macs| {
        let seed = match host {
            Host::A => seed,
            Host::B => !seed,
        };
        Parts {
            layers: Layers {
                ip: Box::new(ip::Router::new(ip::Config::default(), seed)),
                icmp: Box::new(icmp::Icmp::new(icmp::Config::default(), seed)),
                udp: Box::new(udp::Udp::new(udp::Config::default(), seed)),
                tcp: tcp(seed),
            },
            resolvers: macs.map(|mac| -> Box<dyn arp::Resolver> {
                Box::new(arp::Cache::new(mac, arp::Config::default(), seed))
            }),
        }
    }))
}

mod whole {
    use tcp::{Config, Tcp};

    socket::conformance_tests!(make: |seed| {
        super::pair(seed, |seed| Box::new(Tcp::new(Config::default(), seed)))
    });
}

mod small {
    use tcp::SmallTcp;

    const NO_SETTING: &str = "it has no such setting";
    const NO_URGENT: &str = "urgent data is data to it, as RFC 6093 recommends";

    socket::conformance_tests!(
        make: |seed| super::pair(seed, |seed| Box::new(SmallTcp::new(seed))),
        except: [
            (
                "a_send_buffer_reads_back a_receive_buffer_reads_back small_buffers_take_little \
                 a_stream_that_nobody_reads_holds_a_bounded_queue",
                "its buffers have one size",
            ),
            (
                "a_keepalive_finds_out_that_the_peer_is_gone keepalive_times_read_back \
                 a_keepalive_lets_a_peer_live_that_answers linger_reads_back \
                 a_linger_of_seconds_loses_nothing a_linger_of_zero_aborts \
                 what_came_before_a_reset_is_read_first a_user_timeout_reads_back \
                 a_user_timeout_ends_a_connection_sooner a_cork_reads_back \
                 a_cork_holds_small_segments_back more_holds_a_small_segment_back \
                 options_of_a_listener_are_those_of_its_connections",
                NO_SETTING,
            ),
            (
                "urgent_data_is_told an_urgent_byte_is_taken_out_of_line \
                 the_mark_stands_where_the_urgent_byte_was without_urgent_data_there_is_none",
                NO_URGENT,
            ),
            ("a_listener_without_a_port_is_given_one", "it listens where it was bound"),
            ("a_stream_that_failed_was_aborted", "to it such a call is invalid"),
        ],
    );
}
