//! `nc` between two stacks: both directions at once, over TCP and UDP.

mod support;

use std::io::Write;
use std::net::Shutdown;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shell::ExitStatus;
use support::{Host, eventually, pair};

/// Runs a line of `host` in a thread; gives the host back with the status.
fn in_background(mut host: Host, line: &'static str) -> JoinHandle<(Host, ExitStatus)> {
    std::thread::spawn(move || {
        let status = host.shell.run_line(line);
        (host, status)
    })
}

/// Waits until somebody of `host` is at the port.
fn somebody_at(net: &socket::Net, port: u16) {
    eventually("a socket", || {
        net.with(|stack, now| {
            let tcp = stack.tcp_sockets(now).into_iter().map(|info| info.local);
            let udp = stack.udp_sockets().into_iter().map(|info| info.local);
            tcp.chain(udp).any(|local| local.port() == port)
        })
    });
}

fn bytes(seed: u32, len: u32) -> Vec<u8> {
    (0..len).map(|at| ((at ^ seed).wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Writes in a thread, and then ends the input.
fn feed(host: &Host, data: Vec<u8>) -> JoinHandle<()> {
    let mut stdin = host.stdin.try_clone().unwrap();
    std::thread::spawn(move || {
        stdin.write_all(&data).unwrap();
        stdin.shutdown(Shutdown::Write).unwrap();
    })
}

#[test]
fn both_directions_at_once() {
    let (mut a, b) = pair();
    let (net, screen) = (b.net.clone(), b.screen.clone());
    let (to_b, to_a) = (bytes(1, 1_500_000), bytes(2, 1_000_000));
    let feeders = [feed(&a, to_b.clone()), feed(&b, to_a.clone())];
    let listening = in_background(b, "nc -N -l 1234");
    somebody_at(&net, 1234);
    a.screen.take();
    assert_eq!(a.shell.run_line("nc -N 10.0.0.2 1234"), ExitStatus::SUCCESS);
    assert!(a.screen.bytes() == to_a);
    let (_b, status) = listening.join().unwrap();
    assert_eq!(status, ExitStatus::SUCCESS);
    assert!(screen.bytes() == to_b);
    feeders.into_iter().for_each(|feeder| feeder.join().unwrap());
}

#[test]
fn the_end_of_the_input_closes_one_direction_only() {
    let (mut a, mut b) = pair();
    // The echo goes on after our half is closed, and ends behind the last byte.
    b.ok("serve echo 7");
    let data = bytes(3, 300_000);
    let feeder = feed(&a, data.clone());
    assert_eq!(a.shell.run_line("nc -N 10.0.0.2 7"), ExitStatus::SUCCESS);
    feeder.join().unwrap();
    assert!(a.screen.bytes() == data);
}

#[test]
fn without_half_closing_silence_ends_it_where_that_was_asked_for() {
    let (mut a, mut b) = pair();
    b.ok("serve echo 7");
    for line in ["nc -q 0.3 10.0.0.2 7", "nc -w 0.3 10.0.0.2 7"] {
        a.stdin.write_all(b"still there?\n").unwrap();
        let start = Instant::now();
        if line.contains("-q") {
            a.stdin.shutdown(Shutdown::Write).unwrap();
        }
        assert_eq!(a.run(line), (ExitStatus::SUCCESS, "still there?\n".into()), "{line}");
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(10), "{took:?}");
        // A fresh input for the next.
        (a, b) = pair();
        b.ok("serve echo 7");
    }
}

#[test]
fn a_listener_ends_with_its_peer_though_its_input_goes_on() {
    let (mut a, b) = pair();
    let net = b.net.clone();
    let listening = in_background(b, "nc -v -l 10.0.0.2 1234");
    somebody_at(&net, 1234);
    let feeder = feed(&a, b"one line\n".to_vec());
    // The listener closes when we do.
    assert_eq!(a.run("nc -N 10.0.0.2 1234"), (ExitStatus::SUCCESS, String::new()));
    feeder.join().unwrap();
    let (b, status) = listening.join().unwrap();
    assert_eq!(status, ExitStatus::SUCCESS);
    let text = b.screen.text();
    assert!(text.starts_with("Listening on 10.0.0.2 1234\nConnection received on 10.0.0.1 "));
    assert!(text.ends_with("\none line\n"), "{text}");
}

#[test]
fn a_listener_may_wait_for_the_next() {
    let (mut a, b) = pair();
    let (net, screen, interrupt) = (b.net.clone(), b.screen.clone(), b.shell.interrupt());
    let listening = in_background(b, "nc -k -d -l 1234");
    somebody_at(&net, 1234);
    a.ok("nc -d -q 0 -N -z 10.0.0.2 1234");
    let feeder = feed(&a, b"second\n".to_vec());
    a.ok("nc -N -p 4321 10.0.0.2 1234");
    feeder.join().unwrap();
    eventually("the line", || screen.text() == "second\n");
    interrupt.raise();
    assert_eq!(listening.join().unwrap().1, ExitStatus::INTERRUPTED);
}

#[test]
fn datagrams_both_ways() {
    let (mut a, b) = pair();
    let (net, b_screen, b_interrupt) = (b.net.clone(), b.screen.clone(), b.shell.interrupt());
    let (a_screen, a_interrupt) = (a.screen.clone(), a.shell.interrupt());
    let mut b_stdin = b.stdin.try_clone().unwrap();
    let listening = in_background(b, "nc -u -l 1234");
    somebody_at(&net, 1234);
    a.stdin.write_all(b"ping\n").unwrap();
    let asking = in_background(a, "nc -u 10.0.0.2 1234");
    eventually("the question", || b_screen.text() == "ping\n");
    b_stdin.write_all(b"pong\n").unwrap();
    eventually("the answer", || a_screen.text() == "pong\n");
    a_interrupt.raise();
    b_interrupt.raise();
    assert_eq!(asking.join().unwrap().1, ExitStatus::INTERRUPTED);
    assert_eq!(listening.join().unwrap().1, ExitStatus::INTERRUPTED);
}

#[test]
fn which_ports_take_a_connection() {
    let (mut a, mut b) = pair();
    b.ok("serve discard 9");
    assert_eq!(
        a.run("nc -z 10.0.0.2 7-11"),
        (ExitStatus::SUCCESS, "Connection to 10.0.0.2 9 port succeeded!\n".into())
    );
    let (status, text) = a.run("nc -z -v 10.0.0.2 7-8");
    assert_eq!(status, ExitStatus::FAILURE);
    assert!(text.starts_with("nc: cannot connect to 10.0.0.2:7: connection refused\n"), "{text}");
}

#[test]
fn what_is_wrong_is_said() {
    let (mut a, _b) = pair();
    for (line, complaint) in [
        ("nc", "nc: to whom?"),
        ("nc 10.0.0.2", "nc: to whom?"),
        ("nc -l", "nc: at which port?"),
        ("nc -l -p 1 10.0.0.1 2", "nc: the port is said twice"),
        ("nc -l x 2", "nc: x: not an IPv4 address"),
        ("nc -l 10.0.0.77 1234", "nc: cannot listen at 10.0.0.77:1234: "),
        ("nc 10.0.0.2 0", "nc: 0: not a port from 1 to 65535"),
        ("nc 10.0.0.2 1234", "nc: cannot connect to 10.0.0.2:1234: connection refused"),
        ("nc -n nas 1234", "nc: nas: not an IPv4 address"),
        ("nc -w 0.1 10.0.0.77 1234", "nc: cannot connect to 10.0.0.77:1234: timed out"),
        ("nc -z 10.0.0.2 9-7", "nc: 9-7: the first port is above the last"),
    ] {
        let (status, text) = a.run(line);
        assert_eq!(status, ExitStatus::FAILURE, "{line}: {text}");
        assert!(text.starts_with(complaint), "{line}: {text}");
    }
    assert_eq!(a.run("nc -k 10.0.0.2 1").0, ExitStatus::USAGE);
    // Nobody there says so by ICMP.
    a.stdin.write_all(b"hello\n").unwrap();
    let (status, text) = a.run("nc -u 10.0.0.2 1234");
    assert_eq!((status, text.as_str()), (ExitStatus::FAILURE, "nc: connection refused\n"));
}

#[test]
fn an_interrupt_ends_every_kind_of_waiting() {
    let (mut a, mut b) = pair();
    b.ok("serve discard 9");
    for line in [
        "nc -l 1234",
        "nc 10.0.0.77 1234",
        "nc 10.0.0.2 9",
        "nc -u -l 1234",
        "nc -u 10.0.0.2 9",
        "nc -d 10.0.0.2 9",
    ] {
        let raiser = a.interrupt_after(Duration::from_millis(50));
        let start = Instant::now();
        assert_eq!(a.run(line).0, ExitStatus::INTERRUPTED, "{line}");
        assert!(start.elapsed() < Duration::from_secs(10), "{line}");
        raiser.join().unwrap();
        a.shell.interrupt().lower();
    }
}
