//! What programs ask of a socket beside a stream of bytes.

use ip::{Cause, Handle, Readiness, SocketError};

use super::*;
use crate::testing::{LinkConfig, Pair};
use crate::{Flags, Notice, ReceiveFlags, SendFlags, Stage};

fn send(script: &mut Script, data: &[u8], flags: SendFlags) {
    let socket = script.current();
    let sent = script.host.call(|tcp, now, out| tcp.send(now, socket, data, flags, out));
    assert_eq!(sent, Ok(data.len()));
}

fn receive(script: &mut Script, flags: ReceiveFlags) -> Result<Vec<u8>, SocketError> {
    let (socket, mut buffer) = (script.current(), [0; 100]);
    let len =
        script.host.call(|tcp, now, out| tcp.receive(now, socket, &mut buffer, flags, out))?;
    Ok(buffer[..len].to_vec())
}

fn set(script: &mut Script, setting: Setting) {
    let socket = script.current();
    script.host.set(socket, setting).unwrap();
}

fn notices(script: &mut Script) -> Vec<Notice> {
    let socket = script.current();
    std::iter::from_fn(|| script.host.call(|tcp, _, _| tcp.take_notice(socket))).collect()
}

fn accepted() -> Script {
    let mut script = script(Config::default());
    script.accept_one(80);
    script
}

/// RFC 9293 §3.8.5, RFC 6093 §2.1: the pointer gives the byte after the urgent one.
#[test]
fn urgent_data_is_announced_on_every_segment_before_its_end() {
    let mut script = accepted();
    set(&mut script, Setting::NoDelay(true));
    send(&mut script, &[7; 2000], SendFlags::empty());
    script.expect(seg("A").seq(1).len(1460));
    script.expect(seg("PA").len(540));
    send(&mut script, b"stop", SendFlags::URGENT);
    script.expect(seg("PAU").seq(2001).data(b"stop").urgent(4));
    send(&mut script, b"more", SendFlags::empty());
    script.expect(seg("PA").data(b"more"));
    // Sent again, they announce it again, each with its own distance.
    let again = script.expect_within(5 * SECOND, seg("AU").seq(1).len(1460).urgent(2004));
    assert_eq!(again.payload_len(), 1460);
}

/// RFC 9293 §3.8.5: the peer hears of urgent data though its window is shut.
#[test]
fn a_shut_window_lets_the_announcement_through() {
    let mut script = accepted();
    script.inject(seg("A").win(0));
    send(&mut script, b"!", SendFlags::URGENT);
    script.expect(seg("AU").seq(1).urgent(1));
    script.inject(seg("A").win(1000));
    script.expect(seg("PAU").data(b"!").urgent(1));
    script.inject(seg("A"));
    send(&mut script, b"x", SendFlags::empty());
    script.expect(seg("PA").data(b"x"));
}

/// RFC 6093 §3.1: in line, the byte is in its place, and a read stops in front of it.
#[test]
fn in_line_the_urgent_byte_stays_and_the_mark_can_be_found() {
    let mut script = accepted();
    let socket = script.current();
    script.inject(seg("PAU").data(b"abcdef").urgent(4));
    assert!(script.host.readiness(socket).contains(Readiness::URGENT));
    assert_eq!(receive(&mut script, ReceiveFlags::URGENT), Err(SocketError::Invalid));
    assert_eq!(script.info().unwrap().urgent, Some(3));
    assert_eq!(receive(&mut script, ReceiveFlags::empty()), Ok(b"abc".to_vec()));
    assert_eq!(script.info().unwrap().urgent, Some(0));
    assert_eq!(receive(&mut script, ReceiveFlags::PEEK), Ok(b"def".to_vec()));
    assert_eq!(receive(&mut script, ReceiveFlags::empty()), Ok(b"def".to_vec()));
    assert_eq!(script.info().unwrap().urgent, None);
    assert!(!script.host.readiness(socket).contains(Readiness::URGENT));
}

/// RFC 6093 §3.2: out of line, as most systems have it.
#[test]
fn out_of_line_the_urgent_byte_is_taken_by_itself() {
    let mut script = accepted();
    let socket = script.current();
    set(&mut script, Setting::OobInline(false));
    assert_eq!(receive(&mut script, ReceiveFlags::URGENT), Err(SocketError::Invalid));
    // The pointer comes first, its byte later (MUST-32: the program is told at once).
    script.inject(seg("PAU").data(b"ab").urgent(4));
    assert!(script.host.readiness(socket).contains(Readiness::URGENT));
    assert_eq!(receive(&mut script, ReceiveFlags::URGENT), Err(SocketError::WouldBlock));
    script.inject(seg("PA").data(b"cdef"));
    let peek = ReceiveFlags::URGENT | ReceiveFlags::PEEK;
    assert_eq!(receive(&mut script, peek), Ok(b"d".to_vec()));
    assert_eq!(receive(&mut script, ReceiveFlags::URGENT), Ok(b"d".to_vec()));
    assert_eq!(receive(&mut script, ReceiveFlags::URGENT), Err(SocketError::Invalid));
    assert!(!script.host.readiness(socket).contains(Readiness::URGENT));
    assert_eq!(receive(&mut script, ReceiveFlags::empty()), Ok(b"abc".to_vec()));
    assert_eq!(receive(&mut script, ReceiveFlags::PEEK), Ok(b"ef".to_vec()));
    assert_eq!(receive(&mut script, ReceiveFlags::empty()), Ok(b"ef".to_vec()));
}

/// With nothing but the urgent byte, the stream has nothing to read.
#[test]
fn the_urgent_byte_alone_is_not_readable_out_of_line() {
    let mut script = accepted();
    let socket = script.current();
    set(&mut script, Setting::OobInline(false));
    script.inject(seg("PAU").data(b"!").urgent(1));
    let ready = script.host.readiness(socket);
    assert!(ready.contains(Readiness::URGENT) && !ready.contains(Readiness::READABLE));
    assert_eq!(receive(&mut script, ReceiveFlags::empty()), Err(SocketError::WouldBlock));
}

/// MSG_EOR: what a record's end separates shares no segment, when it is sent again neither.
#[test]
fn records_are_not_joined_and_nagle_does_not_wait_between_them() {
    let mut script = accepted();
    set(&mut script, Setting::Cork(true));
    send(&mut script, b"one", SendFlags::END_OF_RECORD);
    send(&mut script, b"two", SendFlags::END_OF_RECORD);
    script.expect(seg("PA").seq(1).data(b"one"));
    script.expect_nothing();
    set(&mut script, Setting::Cork(false));
    script.expect_nothing();
    send(&mut script, b"three", SendFlags::empty());
    script.expect(seg("PA").data(b"two"));
    script.expect_within(5 * SECOND, seg("A").any_data());
    script.drain();
    script.wait(10 * SECOND);
    let again = script.drain();
    assert!(!again.is_empty());
    assert!(again.iter().all(|seg| seg.payload_len() <= 5), "{again:?}");
}

/// tcp(7), TCP_CORK: 200 ms at most; MSG_MORE alike, and TCP_NODELAY sends it now.
#[test]
fn what_is_held_back_goes_out_after_200_ms_or_when_the_user_says_so() {
    let mut script = accepted();
    send(&mut script, b"held", SendFlags::MORE);
    script.expect_quiet(199 * MS);
    script.expect_within(2 * MS, seg("PA").data(b"held"));
    script.inject(seg("A"));
    set(&mut script, Setting::Cork(true));
    send(&mut script, b"corked", SendFlags::empty());
    script.expect_nothing();
    set(&mut script, Setting::NoDelay(true));
    script.expect(seg("PA").data(b"corked"));
    send(&mut script, b"again", SendFlags::empty());
    script.expect_nothing();
    set(&mut script, Setting::Cork(false));
    script.expect(seg("PA").data(b"again"));
}

/// SO_TIMESTAMPING: told of the last byte of each write that asked for it.
#[test]
fn a_write_is_told_when_it_was_sent_and_acknowledged() {
    let mut script = accepted();
    script.send(b"before");
    script.expect(seg("PA").any_data());
    script.inject(seg("A"));
    set(&mut script, Setting::Timestamping(true));
    script.wait(10 * MS);
    let sent_at = script.now();
    script.send(&[7; 100]);
    assert!(script.host.readiness(script.current()).contains(Readiness::ERROR));
    let sent = |stage| Notice::Timestamp { stage, offset: 106, at: sent_at };
    assert_eq!(notices(&mut script), [sent(Stage::Scheduled), sent(Stage::Sent)]);
    script.expect(seg("PA").any_data());
    script.wait(10 * MS);
    script.inject(seg("A").ack(57));
    assert_eq!(notices(&mut script), []);
    script.inject(seg("A").ack(107));
    let at = script.now();
    let expected = Notice::Timestamp { stage: Stage::Acknowledged, offset: 106, at };
    assert_eq!(notices(&mut script), [expected]);
    assert!(!script.host.readiness(script.current()).contains(Readiness::ERROR));
}

/// IP_RECVERR; the connection goes on (RFC 5927 §5.2).
#[test]
fn an_icmp_error_is_a_notice_where_it_was_asked_for() {
    for asked in [false, true] {
        let mut script = accepted();
        set(&mut script, Setting::ReceiveErrors(asked));
        script.send(b"to nowhere");
        let sent = script.host.out.sent[0].clone();
        let quoted = ip::Quoted {
            src: sent.header.src,
            dst: sent.header.dst,
            protocol: ip::Protocol::TCP,
            total_len: sent.packet.len() as u16 + 20,
            payload: sent.packet.to_vec(),
        };
        script.host.take_woken();
        script.host.call(|tcp, now, out| tcp.error(now, Cause::HostUnreachable, &quoted, out));
        let woken = script.host.take_woken().contains(&script.current());
        assert_eq!(woken, asked, "whoever waits for it is woken");
        let expected =
            Notice::Error { error: SocketError::HostUnreachable, cause: Cause::HostUnreachable };
        let told = notices(&mut script);
        assert_eq!(told, if asked { vec![expected] } else { vec![] });
        script.expect_state(State::Established);
    }
}

/// TCP_DEFER_ACCEPT: there is nothing to accept before there is something to read.
#[test]
fn a_deferred_connection_is_accepted_with_its_data_or_in_time() {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 1);
    script.host.set(listener, Setting::DeferAccept(Some(5 * SECOND))).unwrap();
    script.handshake();
    assert_eq!(script.host.accept(listener), Err(SocketError::WouldBlock));
    assert_eq!(script.host.readiness(listener), Readiness::empty());
    script.inject(seg("PA").data(b"GET"));
    let (socket, _) = script.host.accept(listener).expect("a connection with data");
    script.socket = Some(socket);
    assert_eq!(script.receive(), b"GET");
    script.drain();
    script.peer.set_port(6000);
    script.inject(seg("S").seq(0).mss(1460));
    let iss = script.host.out.sent.pop().expect("a SYN-ACK").seg.seq.unwrap();
    let first = script.host.out.sent.len();
    assert_eq!(first, 0);
    let of_first = script.host.tcp.sockets(script.now());
    let base = of_first.iter().find(|info| info.peer.port() == 5000).unwrap().snd_una;
    // Script's numbers are relative to the first connection's.
    script.inject(seg("A").seq(1).ack(iss.wrapping_add(1).wrapping_sub(base.wrapping_sub(1))));
    assert_eq!(script.host.accept(listener), Err(SocketError::WouldBlock));
    script.wait(5 * SECOND);
    script.host.accept(listener).expect("one that waited long enough");
}

/// TCP_MAXSEG at both ends: what is asked for is named to the peer, and obeyed by this side.
#[test]
fn max_segment_is_offered_and_obeyed_by_a_client() {
    let mut script = script(Config::default());
    let peer = script.peer;
    let socket = script.host.open();
    script.host.set(socket, Setting::MaxSegment(700)).unwrap();
    let begun = script.host.call(|tcp, now, out| tcp.connect(now, socket, peer, out));
    assert_eq!(begun, Err(SocketError::InProgress));
    script.socket = Some(socket);
    script.port = script.host.info(socket).unwrap().local.port();
    assert_eq!(script.expect(seg("S").seq(0)).mss_option(), Some(700));
    script.inject(seg("SA").mss(1460));
    script.expect(seg("A"));
    script.send(&[7; 1000]);
    script.expect(seg("A").len(700));
}

fn long_fat() -> LinkConfig {
    LinkConfig { latency: 50 * MS, ..LinkConfig::default() }
}

fn sizes(world: &World, pair: Pair) -> (usize, usize) {
    let of = |host: &crate::testing::Host, socket: Handle| host.tcp.settings(socket).unwrap();
    (of(&world.a, pair.a).send_buffer, of(&world.b, pair.b).receive_buffer)
}

/// RFC 7323 §1.1: a window that is less than what the path holds is what limits the rate.
#[test]
fn buffers_grow_with_what_the_path_carries() {
    let config = Config::default();
    let mut world = World::with_link(1, long_fat(), tcp(config.clone(), 1), tcp(config.clone(), 2));
    let pair = world.connect_pair(80);
    assert_eq!(sizes(&world, pair), (config.send_buffer.default, config.receive_buffer.default));
    world.transfer(pair, Side::A, &pattern(0, 30 << 20));
    let (send, receive) = sizes(&world, pair);
    assert_eq!(send, config.send_buffer.max);
    assert!(receive > 4 << 20 && receive <= config.receive_buffer.max, "{receive}");
}

/// SO_SNDBUF and SO_RCVBUF fix the size.
#[test]
fn a_size_that_was_set_stays() {
    let mut world =
        World::with_link(1, long_fat(), tcp(Config::default(), 1), tcp(Config::default(), 2));
    let pair = world.connect_pair(80);
    world.a.set(pair.a, Setting::SendBuffer(300_000)).unwrap();
    world.b.set(pair.b, Setting::ReceiveBuffer(600_000)).unwrap();
    world.transfer(pair, Side::A, &pattern(0, 10 << 20));
    assert_eq!(sizes(&world, pair), (300_000, 600_000));
}

/// `tcp_info` tells what a sender waited for.
#[test]
fn the_time_behind_a_shut_window_is_counted() {
    let mut script = accepted();
    // Room for two segments.
    script.inject(seg("A").win(2920));
    script.send(&[7; 5000]);
    script.wait(100 * MS);
    script.inject(seg("A").ack(2921).win(0));
    script.drain();
    script.wait(150 * MS);
    let info = script.info().unwrap();
    assert_eq!((info.busy_time, info.rwnd_limited), (250 * MS, 250 * MS));
    assert_eq!(info.sndbuf_limited, Duration::ZERO);
    assert_eq!(info.delivered, 2);
}

/// The rate at which a bottleneck delivers is what is shown of it.
#[test]
fn the_delivery_rate_is_that_of_the_link() {
    let link = LinkConfig { rate: Some(1_250_000), queue: 200 * MS, ..long_fat() };
    let mut world = World::with_link(1, link, tcp(Config::default(), 1), tcp(Config::default(), 2));
    let pair = world.connect_pair(80);
    world.transfer(pair, Side::A, &pattern(0, 4 << 20));
    let info = world.a.info(pair.a).unwrap();
    let rate = info.delivery_rate;
    assert!((1_000_000..1_250_000).contains(&rate), "{rate} bytes a second");
    assert!(info.pacing_rate > rate && info.min_rtt >= 100 * MS, "{info:?}");
}

/// A send without bytes marks nothing: neither the end of a record nor an urgent byte, and nobody
/// is told of it.
#[test]
fn a_send_of_nothing_marks_nothing() {
    let mut script = accepted();
    send(&mut script, b"ab", SendFlags::MORE);
    for flags in [SendFlags::END_OF_RECORD, SendFlags::URGENT, SendFlags::ZERO_COPY] {
        send(&mut script, b"", flags | SendFlags::MORE);
    }
    script.expect_nothing();
    send(&mut script, b"cd", SendFlags::empty());
    let seen = script.expect(seg("PA").data(b"abcd"));
    assert!(!seen.flags.contains(Flags::URG), "{seen}");
    script.inject(seg("A"));
    assert_eq!(notices(&mut script), []);
}
