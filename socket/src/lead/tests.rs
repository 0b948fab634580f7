use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::thread::ThreadId;
use std::time::Duration;

use netdev::{
    Capabilities, Device, Instant, Interest as Watched, LinkState, Medium, Packet, Stats, UnixLink,
};

use super::{ABSENCE, Absence, Habit, LEAST_TRUST, TRUST};
use crate::testing::*;
use crate::{Interest, Mode, Net, Poller, TcpListener, TcpStream, UdpSocket};

/// A link that notes which thread took a packet from it.
struct Noting {
    link: UnixLink,
    takers: std::sync::Arc<Mutex<HashMap<ThreadId, usize>>>,
}

impl Device for Noting {
    fn name(&self) -> &str {
        self.link.name()
    }
    fn capabilities(&self) -> Capabilities {
        self.link.capabilities()
    }
    fn transmit(&mut self, now: Instant, packet: Packet) -> Result<(), Packet> {
        self.link.transmit(now, packet)
    }
    fn receive(&mut self, now: Instant) -> Option<Packet> {
        let packet = self.link.receive(now)?;
        *self.takers.lock().unwrap().entry(std::thread::current().id()).or_default() += 1;
        Some(packet)
    }
    fn flush(&mut self, now: Instant) {
        self.link.flush(now);
    }
    fn poll_at(&self) -> Option<Instant> {
        self.link.poll_at()
    }
    fn interest(&self) -> Option<Watched<'_>> {
        self.link.interest()
    }
    fn link(&self) -> LinkState {
        self.link.link()
    }
    fn stats(&self) -> Stats {
        self.link.stats()
    }
}

type Takers = std::sync::Arc<Mutex<HashMap<ThreadId, usize>>>;

/// As [`nets`]; of the first, who takes its packets.
fn noting() -> (Net, Takers, Net) {
    let (left, right) = UnixLink::pair().unwrap();
    let takers = Takers::default();
    let left = Noting { link: left, takers: takers.clone() };
    (net(stack(1), left, 1), takers, net(stack(2), right, 2))
}

fn leads(net: &Net) -> bool {
    net.core().lock().leader.is_some()
}

#[test]
fn a_thread_that_waits_takes_its_packets_itself() {
    soon(|| {
        let (server, takers, client) = noting();
        let listener = TcpListener::bind(&server, "10.0.0.1:7").unwrap();
        let rounds = 200;
        let echo = blocked(&server, move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut byte = [0];
            for _ in 0..rounds {
                stream.read_exact(&mut byte).unwrap();
                stream.write_all(&byte).unwrap();
            }
            std::thread::current().id()
        });
        assert!(leads(&server));
        let mut stream = TcpStream::connect(&client, "10.0.0.1:7").unwrap();
        let mut byte = [0];
        for round in 0..rounds {
            stream.write_all(&[round as u8]).unwrap();
            stream.read_exact(&mut byte).unwrap();
            assert_eq!(byte, [round as u8]);
        }
        let served_by = echo.join().unwrap();
        let takers = takers.lock().unwrap();
        let own = takers.get(&served_by).copied().unwrap_or(0);
        assert!(own > 0, "the loop took all: {takers:?}");
    });
}

#[test]
fn the_loop_reads_while_the_thread_that_led_is_away() {
    soon(|| {
        let (net, _, other) = noting();
        let socket = UdpSocket::bind(&net, "10.0.0.1:7").unwrap();
        let sender = UdpSocket::bind(&other, "10.0.0.2:0").unwrap();
        let waiting = blocked(&net, move || {
            let mut buffer = [0; 10];
            socket.recv_from(&mut buffer).unwrap();
            socket
        });
        assert!(leads(&net));
        sender.send_to(b"first", "10.0.0.1:7").unwrap();
        let socket = waiting.join().unwrap();
        assert!(!leads(&net));
        // Nobody waits: what comes now is there when somebody asks.
        sender.send_to(b"second", "10.0.0.1:7").unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut buffer = [0; 10];
        until(|| matches!(socket.recv_from(&mut buffer), Ok((6, _))));
    });
}

#[test]
fn who_waits_last_leads_and_everybody_gets_what_is_his() {
    soon(|| {
        let (net, _, other) = noting();
        let wait_at = |port: u16| {
            let socket = UdpSocket::bind(&net, ("10.0.0.1", port)).unwrap();
            blocked(&net, move || {
                let mut buffer = [0; 10];
                let len = socket.recv_from(&mut buffer).unwrap().0;
                buffer[..len].to_vec()
            })
        };
        let waiting: Vec<_> = (1..=8).map(wait_at).collect();
        assert!(leads(&net));
        let sender = UdpSocket::bind(&other, "10.0.0.2:0").unwrap();
        for port in 1..=8u16 {
            sender.send_to(&[port as u8], ("10.0.0.1", port)).unwrap();
        }
        for (port, thread) in (1..=8).zip(waiting) {
            assert_eq!(thread.join().unwrap(), [port]);
        }
    });
}

#[test]
fn two_that_wait_for_one_socket_both_get_something() {
    soon(|| {
        for _ in 0..50 {
            let (net, _, other) = noting();
            let socket = std::sync::Arc::new(UdpSocket::bind(&net, "10.0.0.1:7").unwrap());
            let wait = || {
                let socket = socket.clone();
                blocked(&net, move || socket.recv_from(&mut [0; 10]).unwrap())
            };
            let both = [wait(), wait()];
            let sender = UdpSocket::bind(&other, "10.0.0.2:0").unwrap();
            sender.send_to(b"a", "10.0.0.1:7").unwrap();
            sender.send_to(b"b", "10.0.0.1:7").unwrap();
            for thread in both {
                thread.join().unwrap();
            }
        }
    });
}

#[test]
fn a_wait_ends_in_time_and_by_a_notification_though_the_thread_leads() {
    soon(|| {
        let (net, _, _other) = noting();
        let socket = UdpSocket::bind(&net, "10.0.0.1:7").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let error = socket.recv_from(&mut [0; 10]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
        assert!(!leads(&net));
        let poller = std::sync::Arc::new(Poller::new(&net).unwrap());
        poller.add(&socket, 0, Interest::READABLE, Mode::Level).unwrap();
        let waits = poller.clone();
        let thread = blocked(&net, move || waits.wait(&mut Vec::new(), None).unwrap());
        assert!(leads(&net));
        poller.notify();
        assert_eq!(thread.join().unwrap(), 0);
    });
}

#[test]
fn busy_polling_serves_as_sleeping_does() {
    soon(|| {
        let (server, _, client) = noting();
        for net in [&server, &client] {
            net.set_busy_poll(Duration::from_micros(200));
        }
        let listener = TcpListener::bind(&server, "10.0.0.1:7").unwrap();
        let echo = blocked(&server, move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 100];
            while let Ok(len @ 1..) = stream.read(&mut buffer) {
                stream.write_all(&buffer[..len]).unwrap();
            }
        });
        let mut stream = TcpStream::connect(&client, "10.0.0.1:7").unwrap();
        let mut byte = [0];
        for round in 0..100 {
            stream.write_all(&[round]).unwrap();
            stream.read_exact(&mut byte).unwrap();
            assert_eq!(byte, [round]);
        }
        drop(stream);
        echo.join().unwrap();
    });
}

/// A link that always has a frame more.
struct Flood {
    ready: UnixStream,
}

impl Device for Flood {
    fn name(&self) -> &str {
        "flood0"
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::plain(Medium::Ethernet, 1500)
    }
    fn transmit(&mut self, _: Instant, _: Packet) -> Result<(), Packet> {
        Ok(())
    }
    fn receive(&mut self, _: Instant) -> Option<Packet> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0];
        frame.extend(bare_header("10.0.0.9", "10.0.0.1", ip::Protocol(200), 1));
        Some(Packet::from_payload(&frame))
    }
    fn interest(&self) -> Option<Watched<'_>> {
        Some(Watched { fd: self.ready.as_fd(), write: false })
    }
    fn stats(&self) -> Stats {
        Stats::default()
    }
}

#[test]
fn a_flood_keeps_nobody_from_the_stack_while_a_thread_leads() {
    soon(|| {
        let (ready, mut other) = UnixStream::pair().unwrap();
        other.write_all(b"x").unwrap();
        let net = net(stack(1), Flood { ready }, 1);
        let socket = UdpSocket::bind(&net, "10.0.0.1:7").unwrap();
        let waiting = blocked(&net, move || socket.recv_from(&mut [0; 10]).unwrap_err().kind());
        for _ in 0..100 {
            net.with(|stack, _| stack.poll_at());
        }
        // Over loopback another thread is served as well.
        let echo = UdpSocket::bind(&net, "127.0.0.1:9").unwrap();
        echo.send_to(b"me", "127.0.0.1:9").unwrap();
        assert_eq!(echo.recv_from(&mut [0; 10]).unwrap().0, 2);
        net.shutdown(Duration::from_millis(1));
        assert_eq!(waiting.join().unwrap(), std::io::ErrorKind::NetworkDown);
    });
}

#[test]
fn the_stack_ends_under_a_thread_that_leads() {
    soon(|| {
        let (net, _, _other) = noting();
        let socket = UdpSocket::bind(&net, "10.0.0.1:7").unwrap();
        let thread = blocked(&net, move || socket.recv_from(&mut [0; 10]).unwrap_err().kind());
        assert!(leads(&net));
        net.shutdown(Duration::from_secs(1));
        assert_eq!(thread.join().unwrap(), std::io::ErrorKind::NetworkDown);
    });
}

/// So many calls, one right after the other; the time of the last.
fn call(habit: &Habit, mut now: Instant, times: u32) -> Instant {
    for _ in 0..times {
        now += ABSENCE / 2;
        habit.calls(now);
    }
    now
}

#[test]
fn trust_is_earned_by_calls_without_delay_and_dearer_after_each_disappointment() {
    let habit = Habit::new();
    let mut now = Instant::from_secs(1);
    habit.calls(now);
    let mut needed = TRUST;
    for _ in 0..30 {
        now = call(&habit, now, needed - 1);
        assert!(!habit.is_trusted());
        now = call(&habit, now, 1);
        assert!(habit.is_trusted());
        now += ABSENCE;
        habit.calls(now);
        assert!(!habit.is_trusted());
        needed = (2 * needed).min(LEAST_TRUST);
    }
    // Who was not trusted has disappointed nobody.
    now += ABSENCE;
    habit.calls(now);
    call(&habit, now, LEAST_TRUST);
    assert!(habit.is_trusted());
}

#[test]
fn an_absence_is_over_when_it_took_too_long_and_not_when_the_leader_was_seen() {
    let absence = Absence::new();
    let begun = Instant::from_secs(1);
    assert!(!absence.is_over(begun, None), "nobody is away");
    absence.begins(begun, None);
    assert!(!absence.is_over(begun + ABSENCE / 2, None));
    absence.begins(begun + ABSENCE / 2, None);
    assert!(!absence.is_over(begun + ABSENCE, None));
    assert!(absence.is_over(begun + ABSENCE / 2 * 3, None));
    absence.ends();
    assert!(!absence.is_over(begun + 10 * ABSENCE, None));
}

#[test]
fn the_loop_takes_the_devices_from_a_thread_that_stays_away() {
    soon(|| {
        let (net, _, other) = noting();
        let socket = UdpSocket::bind(&net, "10.0.0.1:7").unwrap();
        let bystander = UdpSocket::bind(&net, "10.0.0.1:8").unwrap();
        bystander.set_nonblocking(true).unwrap();
        let (ask, asked) = std::sync::mpsc::channel::<()>();
        let (gone, is_gone) = std::sync::mpsc::channel();
        let seen = net.clone();
        let thread = std::thread::spawn(move || {
            socket.set_nonblocking(true).unwrap();
            let mut buffer = [0; 10];
            for _ in 0..100_000 {
                // Nobody else needs the devices: it is this thread's to read them.
                if leads(&seen) {
                    break;
                }
                let _ = socket.send_to(b"x", "10.0.0.2:9");
                let _ = socket.recv_from(&mut buffer);
            }
            gone.send(()).unwrap();
            asked.recv().unwrap();
        });
        is_gone.recv().unwrap();
        // While it does something else, what comes is for the loop.
        until(|| !leads(&net));
        let sender = UdpSocket::bind(&other, "10.0.0.2:0").unwrap();
        sender.send_to(b"second", "10.0.0.1:8").unwrap();
        let mut buffer = [0; 10];
        until(|| matches!(bystander.recv_from(&mut buffer), Ok((6, _))));
        ask.send(()).unwrap();
        thread.join().unwrap();
    });
}
