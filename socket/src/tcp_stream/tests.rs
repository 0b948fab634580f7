use std::io::ErrorKind;
use std::sync::mpsc;
use std::thread;
use std::time::Instant as Clock;

use super::*;
use crate::testing::*;
use crate::{Interest, ListenOptions, Mode, Poller, TcpListener};

/// Every test, with each TCP that there is.
macro_rules! with_each_tcp {
    ($($name:ident),* $(,)?) => {
        mod full {
            use crate::testing::Kind;
            $(#[test] fn $name() { super::$name(Kind::Full); })*
        }
        mod small {
            use crate::testing::Kind;
            $(#[test] fn $name() { super::$name(Kind::Small); })*
        }
    };
}

with_each_tcp! {
    a_megabyte_each_way_at_once,
    sixty_four_connections_at_once,
    loopback_streams_work_too,
    defect_end_of_file_is_ok_zero,
    r10_a_reset_wakes_a_blocked_reader,
    closing_with_unread_bytes_resets,
    a_closed_port_refuses,
    a_connect_timeout_is_kept,
    timeouts_and_non_blocking_calls_give_would_block,
    a_blocked_writer_goes_on_when_the_peer_reads,
    peek_leaves_and_vectors_share,
    options_are_set_and_shared_by_clones,
    a_port_is_bound_once_and_free_again_after_the_drop,
    connect_options_are_kept,
    a_poller_drives_a_non_blocking_connect_accept_and_read,
    the_end_of_the_program_sends_what_is_due_and_the_fins,
    a_shutdown_wakes_accept_connect_read_and_write,
}

/// A connection between two nets: (client, server), and the nets, which must live as long.
fn connection(tcp: Kind) -> (TcpStream, TcpStream, (Net, Net)) {
    let (a, b) = nets_of(tcp);
    let listener = TcpListener::bind(&b, "0.0.0.0:80").unwrap();
    let client = TcpStream::connect(&a, "10.0.0.2:80").unwrap();
    let (server, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server, (a, b))
}

/// Bytes that betray a lost, doubled or misplaced one.
fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn a_megabyte_each_way_at_once(tcp: Kind) {
    soon(move || {
        let (client, server, _nets) = connection(tcp);
        let mut threads = Vec::new();
        for (stream, seed) in [(client, 1u64), (server, 2)] {
            let mut writer = stream.try_clone().unwrap();
            threads.push(thread::spawn(move || {
                writer.write_all(&pattern(seed, 1 << 20)).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            }));
            let mut reader = stream;
            threads.push(thread::spawn(move || {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes).unwrap();
                assert!(bytes == pattern(3 - seed, 1 << 20), "other bytes than were sent");
            }));
        }
        threads.into_iter().for_each(|t| t.join().unwrap());
    });
}

fn sixty_four_connections_at_once(tcp: Kind) {
    soon(move || {
        let (a, b) = nets_of(tcp);
        let listener = TcpListener::bind(&b, "0.0.0.0:7").unwrap();
        let server = thread::spawn(move || {
            let echo = |mut stream: TcpStream| {
                thread::spawn(move || {
                    let mut reader = stream.try_clone().unwrap();
                    io::copy(&mut reader, &mut stream).unwrap();
                    stream.shutdown(Shutdown::Write).unwrap();
                })
            };
            let all: Vec<_> = listener.incoming().take(64).map(|s| echo(s.unwrap())).collect();
            all.into_iter().for_each(|t| t.join().unwrap());
        });
        let clients: Vec<_> = (0..64)
            .map(|number| {
                let net = a.clone();
                thread::spawn(move || {
                    let mut stream = TcpStream::connect(&net, "10.0.0.2:7").unwrap();
                    let sent = pattern(number, 20_000);
                    stream.write_all(&sent).unwrap();
                    stream.shutdown(Shutdown::Write).unwrap();
                    let mut back = Vec::new();
                    stream.read_to_end(&mut back).unwrap();
                    assert!(back == sent, "connection {number}");
                })
            })
            .collect();
        clients.into_iter().for_each(|t| t.join().unwrap());
        server.join().unwrap();
    });
}

fn loopback_streams_work_too(tcp: Kind) {
    soon(move || {
        let net = alone_of(tcp);
        let listener = TcpListener::bind(&net, "127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let sent = pattern(9, 3 << 20);
        let copy = sent.clone();
        let mut client = TcpStream::connect(&net, addr).unwrap();
        let writer = thread::spawn(move || client.write_all(&copy).unwrap());
        let mut received = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
        assert!(received == sent);
        writer.join().unwrap();
    });
}

fn defect_end_of_file_is_ok_zero(tcp: Kind) {
    soon(move || {
        let (client, mut server, _nets) = connection(tcp);
        let reader = thread::spawn(move || (server.read(&mut [0; 8]).unwrap(), server));
        client.shutdown(Shutdown::Write).unwrap();
        let (count, mut server) = reader.join().unwrap();
        assert_eq!(count, 0);
        assert_eq!(server.read(&mut [0; 8]).unwrap(), 0, "and it stays so");
        // Half closed: the other direction still works.
        server.write_all(b"still here").unwrap();
        drop(server);
        let mut rest = Vec::new();
        (&client).read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"still here");
    });
}

fn r10_a_reset_wakes_a_blocked_reader(tcp: Kind) {
    soon(move || {
        let (client, mut server, (_a, b)) = connection(tcp);
        server.write_all(b"nobody reads this").unwrap();
        until(|| client.info().unwrap().receive_queue > 0);
        let reader = blocked(&b, move || server.read(&mut [0; 8]).map_err(|e| e.kind()));
        drop(client);
        assert_eq!(reader.join().unwrap(), Err(ErrorKind::ConnectionReset));
    });
}

fn closing_with_unread_bytes_resets(tcp: Kind) {
    soon(move || {
        let (mut client, mut server, _nets) = connection(tcp);
        server.write_all(b"nobody reads this").unwrap();
        until(|| client.info().unwrap().receive_queue > 0);
        client.write_all(b"x").unwrap();
        drop(client);
        // What came before the reset may still be read; then it is told.
        let error = loop {
            match server.read(&mut [0; 8]) {
                Ok(0) => panic!("no reset"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(server.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

fn a_closed_port_refuses(tcp: Kind) {
    soon(move || {
        let (a, _b) = nets_of(tcp);
        let error = TcpStream::connect(&a, "10.0.0.2:81").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = TcpStream::connect(&a, "192.0.2.1:81").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
    });
}

fn a_connect_timeout_is_kept(tcp: Kind) {
    let (a, _b) = nets_of(tcp);
    let nobody = "10.0.0.9:80".parse().unwrap();
    let zero = TcpStream::connect_timeout(&a, &nobody, Duration::ZERO).unwrap_err();
    assert_eq!(zero.kind(), ErrorKind::InvalidInput);
    let (start, timeout) = (Clock::now(), Duration::from_millis(30));
    let error = TcpStream::connect_timeout(&a, &nobody, timeout).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(start.elapsed() >= timeout && start.elapsed() < Duration::from_secs(5));
    assert!(a.with(|stack, now| stack.tcp_sockets(now)).is_empty(), "it was given up");
}

fn timeouts_and_non_blocking_calls_give_would_block(tcp: Kind) {
    soon(move || {
        let (mut client, server, _nets) = connection(tcp);
        let timeout = Duration::from_millis(30);
        client.set_read_timeout(Some(timeout)).unwrap();
        client.set_write_timeout(Some(timeout)).unwrap();
        let start = Clock::now();
        assert_eq!(client.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(start.elapsed() >= timeout);
        // Nobody reads: the windows and buffers fill up.
        let error = loop {
            if let Err(error) = client.write(&[0; 65536]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        server.set_nonblocking(true).unwrap();
        let mut bytes = [0; 65536];
        let error = loop {
            if let Err(error) = (&server).read(&mut bytes) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

fn a_blocked_writer_goes_on_when_the_peer_reads(tcp: Kind) {
    soon(move || {
        let (mut client, mut server, (a, _b)) = connection(tcp);
        let sent = pattern(4, 1 << 20);
        let copy = sent.clone();
        let writer = blocked(&a, move || client.write_all(&copy).unwrap());
        let mut received = vec![0; sent.len()];
        server.read_exact(&mut received).unwrap();
        assert!(received == sent);
        writer.join().unwrap();
    });
}

fn peek_leaves_and_vectors_share(tcp: Kind) {
    soon(move || {
        let (mut client, mut server, _nets) = connection(tcp);
        let parts = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")];
        assert_eq!(client.write_vectored(&parts).unwrap(), 7);
        let mut bytes = [0; 7];
        until(|| server.info().unwrap().receive_queue == 7);
        assert_eq!(TcpStream::peek(&server, &mut bytes).unwrap(), 7);
        let (mut head, mut tail) = ([0; 3], [0; 10]);
        let mut buffers = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)];
        assert_eq!(server.read_vectored(&mut buffers).unwrap(), 7);
        assert_eq!((&head, &tail[..4]), (b"one", &b" two"[..]));
        assert_eq!(&bytes, b"one two");
    });
}

fn options_are_set_and_shared_by_clones(tcp: Kind) {
    soon(move || {
        let (client, _server, _nets) = connection(tcp);
        let clone = client.try_clone().unwrap();
        clone.set_nodelay(true).unwrap();
        clone.set_ttl(9).unwrap();
        assert!(client.nodelay().unwrap());
        assert_eq!(client.ttl().unwrap(), 9);
        assert_eq!(client.set_ttl(256).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(client.peer_addr().unwrap().to_string(), "10.0.0.2:80");
        assert_eq!(client.info().unwrap().state, tcp::State::Established);
        assert!(client.take_error().unwrap().is_none());
        drop(client);
        assert!(clone.peer_addr().is_ok(), "only the last clone closes");
    });
}

fn a_port_is_bound_once_and_free_again_after_the_drop(tcp: Kind) {
    soon(move || {
        let (a, b) = nets_of(tcp);
        let listener = TcpListener::bind(&b, "10.0.0.2:80").unwrap();
        assert_eq!(listener.local_addr().unwrap().to_string(), "10.0.0.2:80");
        let error = TcpListener::bind(&b, "10.0.0.2:80").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let error = TcpListener::bind(&b, "10.0.0.3:80").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let client = TcpStream::connect(&a, "10.0.0.2:80").unwrap();
        drop(listener);
        TcpListener::bind(&b, "10.0.0.2:80").unwrap();
        // A connection that nobody had accepted is reset.
        let error = (&client).read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

fn connect_options_are_kept(tcp: Kind) {
    soon(move || {
        let (a, b) = nets_of(tcp);
        let options = ListenOptions { backlog: 1, ..ListenOptions::default() };
        let listener = TcpListener::bind_with(&b, "10.0.0.2:80", &options).unwrap();
        assert_eq!(listener.info().unwrap().send_queue, 1);
        let options = ConnectOptions {
            local: Some("10.0.0.1:4444".parse().unwrap()),
            settings: vec![tcp::Setting::NoDelay(true)],
            ..ConnectOptions::default()
        };
        let client = TcpStream::connect_with(&a, "10.0.0.2:80", &options).unwrap();
        assert!(client.nodelay().unwrap());
        assert_eq!(listener.accept().unwrap().1, options.local.unwrap());
    });
}

fn a_poller_drives_a_non_blocking_connect_accept_and_read(tcp: Kind) {
    soon(move || {
        let (a, b) = nets_of(tcp);
        let listener = TcpListener::bind(&b, "10.0.0.2:80").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (ours, theirs) = (Poller::new(&a).unwrap(), Poller::new(&b).unwrap());
        theirs.add(&listener, 1, Interest::READABLE, Mode::Level).unwrap();
        let addr = "10.0.0.2:80".parse().unwrap();
        let client = TcpStream::connect_nonblocking(&a, addr, &ConnectOptions::default()).unwrap();
        ours.add(&client, 2, Interest::BOTH, Mode::Edge).unwrap();
        let wait = |poller: &Poller| {
            let mut events = Vec::new();
            poller.wait(&mut events, None).unwrap();
            events[0]
        };
        assert_eq!(wait(&theirs).key, 1);
        let (server, _) = listener.accept().unwrap();
        while !wait(&ours).is_writable() {}
        assert!(client.take_error().unwrap().is_none());
        (&server).write_all(b"event").unwrap();
        drop(server);
        let mut bytes = Vec::new();
        loop {
            match (&client).read_to_end(&mut bytes) {
                Ok(_) => break,
                Err(e) if e.kind() == ErrorKind::WouldBlock => drop(wait(&ours)),
                Err(e) => panic!("{e}"),
            }
        }
        assert_eq!(bytes, b"event");
        // One that fails is told as well.
        let addr = "10.0.0.2:81".parse().unwrap();
        let refused = TcpStream::connect_nonblocking(&a, addr, &ConnectOptions::default()).unwrap();
        ours.delete(&client).unwrap();
        ours.add(&refused, 3, Interest::WRITABLE, Mode::Level).unwrap();
        let event = wait(&ours);
        assert!(event.key == 3 && event.is_writable() && event.is_error());
        let error = refused.take_error().unwrap().unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

fn the_end_of_the_program_sends_what_is_due_and_the_fins(tcp: Kind) {
    soon(move || {
        let (mut client, mut server, (a, b)) = connection(tcp);
        let sent = pattern(6, 100_000);
        let copy = sent.clone();
        let (filled, wait) = mpsc::channel();
        let writer = thread::spawn(move || {
            client.write_all(&copy).unwrap();
            filled.send(()).unwrap();
            // Held until the end: nobody drops it in order.
            client.read(&mut [0; 8]).map_err(|e| e.kind())
        });
        let reader = thread::spawn(move || {
            let mut bytes = Vec::new();
            server.read_to_end(&mut bytes).unwrap();
            bytes
        });
        wait.recv().unwrap();
        assert!(a.shutdown(Duration::from_secs(30)), "it ended in order");
        assert_eq!(writer.join().unwrap(), Err(ErrorKind::NetworkDown));
        assert!(reader.join().unwrap() == sent);
        assert!(b.is_running());
    });
}

fn a_shutdown_wakes_accept_connect_read_and_write(tcp: Kind) {
    soon(move || {
        let (client, _server, (a, b)) = connection(tcp);
        let net = a.clone();
        let listener = TcpListener::bind(&a, "0.0.0.0:99").unwrap();
        let (mut reader, mut writer) = (client.try_clone().unwrap(), client);
        let threads = [
            blocked(&a, move || listener.accept().map(drop).map_err(|e| e.kind())),
            blocked(&a, move || {
                TcpStream::connect(&net, "10.0.0.9:1").map(drop).map_err(|e| e.kind())
            }),
            blocked(&a, move || reader.read(&mut [0; 8]).map(drop).map_err(|e| e.kind())),
            blocked(&a, move || writer.write_all(&vec![0; 50_000_000]).map_err(|e| e.kind())),
        ];
        // The peer does not read, so not all can be delivered in time: that is said.
        assert!(!a.shutdown(Duration::from_millis(50)));
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Err(ErrorKind::NetworkDown));
        }
        drop(b);
    });
}

#[test]
fn linger_waits_until_the_peer_has_everything() {
    soon(|| {
        let (mut client, mut server, (a, _b)) = connection(Kind::Full);
        client.set_linger(Some(Duration::from_secs(50))).unwrap();
        client.write_all(&pattern(5, 30_000)).unwrap();
        let reader = thread::spawn(move || {
            let mut bytes = Vec::new();
            server.read_to_end(&mut bytes).unwrap();
            bytes.len()
        });
        let local = client.local_addr().unwrap();
        drop(client);
        let left = a.with(|stack, now| stack.tcp_sockets(now));
        for info in left.iter().filter(|info| info.local == local) {
            let done = matches!(info.state, tcp::State::FinWait2 | tcp::State::TimeWait);
            assert!(done, "{}", info.state);
        }
        assert_eq!(reader.join().unwrap(), 30_000);
    });
}

#[test]
fn linger_ends_with_its_time() {
    soon(|| {
        let (mut client, _server, (a, b)) = connection(Kind::Full);
        let index = b.with(|stack, _| stack.interfaces()[1].index);
        b.with(|stack, now| stack.set_interface_up(now, index, false)).unwrap();
        let linger = Duration::from_millis(30);
        client.set_linger(Some(linger)).unwrap();
        assert_eq!(client.linger().unwrap(), Some(linger));
        client.write_all(b"nobody acknowledges this").unwrap();
        let start = Clock::now();
        drop(client);
        assert!(start.elapsed() >= linger);
        assert!(!a.with(|stack, now| stack.tcp_sockets(now)).is_empty(), "it goes on behind");
    });
}

#[test]
fn linger_zero_resets() {
    soon(|| {
        let (mut client, mut server, _nets) = connection(Kind::Full);
        client.set_linger(Some(Duration::ZERO)).unwrap();
        client.write_all(b"x").unwrap();
        drop(client);
        let mut bytes = Vec::new();
        let error = server.read_to_end(&mut bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

/// Every option by its own name, and what it was set to is read back.
#[test]
fn each_option_has_a_setter_and_reads_back() {
    soon(|| {
        let (client, _server, _nets) = connection(Kind::Full);
        client.set_cork(true).unwrap();
        client.set_send_buffer_size(100_000).unwrap();
        client.set_recv_buffer_size(200_000).unwrap();
        client.set_max_segment(1000).unwrap();
        client.set_user_timeout(Some(Duration::from_secs(9))).unwrap();
        client.set_notsent_lowat(Some(4000)).unwrap();
        client.set_quickack(true).unwrap();
        client.set_congestion("newreno").unwrap();
        client.set_oob_inline(false).unwrap();
        client.set_mtu_discover(false).unwrap();
        client.set_receive_errors(true).unwrap();
        client.set_timestamping(true).unwrap();
        client.set_fin_wait2_timeout(Duration::from_secs(3)).unwrap();
        assert!(client.cork().unwrap() && client.quickack().unwrap());
        assert_eq!(client.send_buffer_size().unwrap(), 100_000);
        assert_eq!(client.recv_buffer_size().unwrap(), 200_000);
        assert!(client.max_segment().unwrap() <= 1000);
        assert_eq!(client.user_timeout().unwrap(), Some(Duration::from_secs(9)));
        assert_eq!(client.notsent_lowat().unwrap(), Some(4000));
        assert_eq!(client.congestion().unwrap(), "newreno");
        assert!(!client.oob_inline().unwrap() && !client.mtu_discover().unwrap());
        assert!(client.receive_errors().unwrap() && client.timestamping().unwrap());
        assert_eq!(client.fin_wait2_timeout().unwrap(), Duration::from_secs(3));
        client.set_notsent_lowat(None).unwrap();
        assert_eq!(client.notsent_lowat().unwrap(), None);
        let unknown = client.set_congestion("nothing").unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::InvalidInput);
    });
}

/// RFC 6093 §3.2, from end to end.
#[test]
fn an_urgent_byte_overtakes_the_stream_in_the_program() {
    soon(|| {
        let (client, server, _nets) = connection(Kind::Full);
        server.set_oob_inline(false).unwrap();
        assert!(server.receive_urgent().is_err(), "there is none");
        client.send(b"ab!", SendFlags::URGENT).unwrap();
        client.send(b"cd", SendFlags::empty()).unwrap();
        while server.unread().unwrap() < 5 {
            thread::yield_now();
        }
        assert!(server.readiness().contains(Readiness::URGENT));
        assert_eq!(server.receive_urgent().unwrap(), b'!');
        let mut buffer = [0; 10];
        assert_eq!(server.receive(&mut buffer, ReceiveFlags::empty()).unwrap(), 2);
        assert!(server.at_mark().unwrap());
        assert_eq!(server.receive(&mut buffer, ReceiveFlags::empty()).unwrap(), 2);
        assert_eq!(&buffer[..2], b"cd");
        assert!(!server.at_mark().unwrap());
    });
}

/// TCP_DEFER_ACCEPT: accept returns when the client has said something.
#[test]
fn a_deferring_listener_accepts_what_has_data() {
    soon(|| {
        let (a, b) = nets_of(Kind::Full);
        let listener = TcpListener::bind(&b, "0.0.0.0:80").unwrap();
        listener.set_defer_accept(Some(Duration::from_secs(60))).unwrap();
        assert_eq!(listener.defer_accept().unwrap(), Some(Duration::from_secs(60)));
        let mut client = TcpStream::connect(&a, "10.0.0.2:80").unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        listener.set_nonblocking(false).unwrap();
        client.write_all(b"GET").unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(server.unread().unwrap(), 3);
    });
}

/// connect(2), EINPROGRESS: writable when it has failed too, and SO_ERROR says why, once.
#[test]
fn a_non_blocking_connect_that_fails_becomes_writable_and_tells_why() {
    soon(|| {
        let (a, _b) = nets_of(Kind::Full);
        let closed = "10.0.0.2:81".parse().unwrap();
        let stream = TcpStream::connect_nonblocking(&a, closed, &ConnectOptions::default());
        let stream = stream.unwrap();
        while !stream.readiness().contains(Readiness::WRITABLE) {
            thread::yield_now();
        }
        let error = stream.take_error().unwrap().expect("why it failed");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(stream.take_error().unwrap().is_none());
        assert_eq!(stream.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
    });
}
