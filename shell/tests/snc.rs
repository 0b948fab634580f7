//! `snc` between two stacks, both ways and both transports.

mod support;

use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use shell::ExitStatus;
use socket::{TcpListener, TcpStream};
use support::{Host, PEER, eventually, pair};

/// Runs a line of `host` in a thread; gives the host back with the status.
fn in_background(
    mut host: Host,
    line: &'static str,
) -> std::thread::JoinHandle<(Host, ExitStatus)> {
    std::thread::spawn(move || {
        let status = host.shell.run_line(line);
        (host, status)
    })
}

#[test]
fn a_stream_arrives_whole() {
    let (mut a, b) = pair();
    let probe = b.net.clone();
    let listening = in_background(b, "snc -b 10.0.0.2:1234");
    eventually("a listener", || {
        probe.with(|stack, now| stack.tcp_sockets(now).iter().any(|i| i.local.port() == 1234))
    });
    // Many times what the buffers on the way take.
    let data: Vec<u8> = (0..2_000_000u32).map(|at| ((at * 31) >> 3) as u8).collect();
    let writer = {
        let (mut stdin, data) = (a.stdin.try_clone().unwrap(), data.clone());
        std::thread::spawn(move || {
            stdin.write_all(&data).unwrap();
            stdin.shutdown(Shutdown::Write).unwrap();
        })
    };
    assert_eq!(a.run("snc -c 10.0.0.2:1234"), (ExitStatus::SUCCESS, String::new()));
    writer.join().unwrap();
    let (b, status) = listening.join().unwrap();
    assert_eq!(status, ExitStatus::SUCCESS);
    assert!(b.screen.bytes() == data);
}

#[test]
fn datagrams_are_printed_until_an_interrupt() {
    let (mut a, b) = pair();
    let (interrupt, screen) = (b.shell.interrupt(), b.screen.clone());
    let probe = b.net.clone();
    let listening = in_background(b, "snc -u -b 10.0.0.2:1234");
    eventually("a socket", || {
        probe.with(|stack, _| stack.udp_sockets().iter().any(|i| i.local.port() == 1234))
    });
    a.stdin.write_all(b"hello\n").unwrap();
    a.stdin.shutdown(Shutdown::Write).unwrap();
    a.ok("snc -u -c 10.0.0.2:1234");
    eventually("the datagram", || screen.text() == "hello\n");
    interrupt.raise();
    assert_eq!(listening.join().unwrap().1, ExitStatus::SUCCESS);
}

#[test]
fn nobody_there_is_an_error() {
    let (mut a, _b) = pair();
    let (status, text) = a.run("snc -c 10.0.0.2:1234");
    assert_eq!(status, ExitStatus::FAILURE);
    assert_eq!(text, "snc: cannot connect to 10.0.0.2:1234: connection refused\n");
    let (status, text) = a.run("snc -b 10.0.0.77:1234");
    assert_eq!(status, ExitStatus::FAILURE);
    assert!(text.starts_with("snc: cannot listen at 10.0.0.77:1234: "), "{text}");
    assert_eq!(a.run("snc -c 10.0.0.2").0, ExitStatus::USAGE);
    assert_eq!(a.run("snc").0, ExitStatus::USAGE);
    assert_eq!(a.run("snc -b 10.0.0.1:1 -c 10.0.0.2:2").0, ExitStatus::USAGE);
}

#[test]
fn an_interrupt_ends_every_kind_of_waiting() {
    let (mut a, mut b) = pair();
    b.ok("serve discard 9");
    for line in [
        "snc -b 10.0.0.1:1234",  // for a connection
        "snc -c 10.0.0.77:1234", // for an answer to a SYN
        "snc -c 10.0.0.2:9",     // for standard input
        "snc -u -c 10.0.0.2:9",
    ] {
        let raiser = a.interrupt_after(Duration::from_millis(50));
        let start = Instant::now();
        assert_eq!(a.run(line).0, ExitStatus::INTERRUPTED, "{line}");
        assert!(start.elapsed() < Duration::from_secs(10), "{line}");
        raiser.join().unwrap();
        a.shell.interrupt().lower();
    }
}

#[test]
fn an_interrupt_ends_a_read_that_waits() {
    let (a, mut b) = pair();
    let (interrupt, screen) = (b.shell.interrupt(), b.screen.clone());
    let client = std::thread::spawn(move || {
        let addr = SocketAddr::new(PEER, 1234);
        let mut stream = loop {
            match TcpStream::connect(&a.net, addr) {
                Ok(stream) => break stream,
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        stream.write_all(b"x").unwrap();
        eventually("the byte", || screen.text() == "x");
        interrupt.raise();
        stream
    });
    assert_eq!(b.shell.run_line("snc -b 10.0.0.2:1234"), ExitStatus::INTERRUPTED);
    client.join().unwrap();
}

#[test]
fn an_interrupt_ends_a_write_that_waits() {
    let (mut a, b) = pair();
    let listener = TcpListener::bind(&b.net, SocketAddr::new(PEER, 1234)).unwrap();
    // Nobody reads there, and the input has no end: the write waits when all buffers are full.
    let endless = {
        let mut stdin = a.stdin.try_clone().unwrap();
        std::thread::spawn(move || while stdin.write_all(&[b'x'; 65536]).is_ok() {})
    };
    let (net, interrupt) = (a.net.clone(), a.shell.interrupt());
    let raiser = std::thread::spawn(move || {
        let mut queued = 0;
        eventually("a full send buffer", || {
            std::thread::sleep(Duration::from_millis(100));
            let before = queued;
            queued = net.with(|s, now| s.tcp_sockets(now).iter().map(|i| i.send_queue).sum());
            queued > 0 && queued == before
        });
        interrupt.raise();
    });
    assert_eq!(a.run("snc -c 10.0.0.2:1234").0, ExitStatus::INTERRUPTED);
    raiser.join().unwrap();
    drop((a, listener));
    endless.join().unwrap();
}
