use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use netdev::{Capabilities, Device, Interest, Medium, Packet, Stats, UnixLink};

use super::*;
use crate::core::moved;
use crate::testing::*;
use crate::{Interest as Want, Mode, Poller, RawSocket, TcpListener, TcpStream, UdpSocket};

/// A device that is asked for packets, and how often.
struct Odd {
    asked: Arc<AtomicU64>,
    /// Its descriptor.
    fd: Option<UnixStream>,
    /// Whether it has a packet whenever it is asked.
    endless: bool,
    /// Whether it says that it has something now, though it has not.
    due: bool,
    panics: Arc<AtomicBool>,
}

impl Device for Odd {
    fn name(&self) -> &str {
        "odd0"
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::plain(Medium::Ethernet, 1500)
    }
    fn transmit(&mut self, _: Instant, _: Packet) -> Result<(), Packet> {
        Ok(())
    }
    fn receive(&mut self, _: Instant) -> Option<Packet> {
        assert!(!self.panics.load(Relaxed), "on purpose");
        self.asked.fetch_add(1, Relaxed);
        self.endless.then(|| {
            let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0];
            frame.extend(bare_header("10.0.0.9", "10.0.0.1", ip::Protocol(200), 1));
            Packet::from_payload(&frame)
        })
    }
    fn interest(&self) -> Option<Interest<'_>> {
        self.fd.as_ref().map(|fd| Interest { fd: fd.as_fd(), write: false })
    }
    fn poll_at(&self) -> Option<Instant> {
        self.due.then_some(Instant::ZERO)
    }
    fn stats(&self) -> Stats {
        Stats::default()
    }
}

fn odd(fd: Option<UnixStream>, endless: bool) -> (Net, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let device = Odd { asked: Arc::clone(&asked), fd, endless, due: false, panics: Arc::default() };
    (net(stack(1), device, 1), asked)
}

#[test]
fn an_idle_loop_sleeps() {
    let (quiet, _other) = UnixStream::pair().unwrap();
    let (net, asked) = odd(Some(quiet), false);
    until(|| net.core().lock().sleep.is_some());
    let before = asked.load(Relaxed);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(asked.load(Relaxed), before, "it woke for nothing");
}

#[test]
fn a_broken_descriptor_does_not_make_the_loop_spin() {
    let (broken, other) = UnixStream::pair().unwrap();
    drop(other);
    let (net, asked) = odd(Some(broken), false);
    until(|| net.with(|stack, _| stack.interfaces.iter().any(|i| i.given_up)));
    until(|| net.core().lock().sleep.is_some());
    let before = asked.load(Relaxed);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(asked.load(Relaxed), before);
}

#[test]
fn a_device_that_is_always_due_does_not_make_the_loop_spin() {
    let asked = Arc::new(AtomicU64::new(0));
    let asks = Arc::clone(&asked);
    let device = Odd { asked: asks, fd: None, endless: false, due: true, panics: Arc::default() };
    let net = net(stack(1), device, 1);
    until(|| net.core().lock().sleep.is_some());
    let before = asked.load(Relaxed);
    std::thread::sleep(Duration::from_millis(100));
    // A millisecond each, and no more turns because of the calls of this test.
    assert!(asked.load(Relaxed) - before < 500, "{}", asked.load(Relaxed) - before);
}

#[test]
fn a_descriptor_that_stays_ready_does_not_make_the_loop_spin() {
    let (unread, mut other) = UnixStream::pair().unwrap();
    other.write_all(b"every read of it fails").unwrap();
    let (net, asked) = odd(Some(unread), false);
    until(|| asked.load(Relaxed) > u64::from(event_loop::IDLE_LIMIT));
    let before = asked.load(Relaxed);
    std::thread::sleep(Duration::from_millis(100));
    assert!(asked.load(Relaxed) - before < 500, "{}", asked.load(Relaxed) - before);
    drop(net);
}

#[test]
fn a_flooded_loop_lets_the_programs_in() {
    soon(|| {
        let (net, _) = odd(None, true);
        let a = UdpSocket::bind(&net, "127.0.0.1:0").unwrap();
        let b = UdpSocket::bind(&net, "127.0.0.1:0").unwrap();
        let (to_a, to_b) = (a.local_addr().unwrap(), b.local_addr().unwrap());
        // Both the calls and the wake-ups of threads that wait must come through.
        let echo = std::thread::spawn(move || {
            let mut buffer = [0; 8];
            for _ in 0..200 {
                b.recv_from(&mut buffer).unwrap();
                b.send_to(&buffer, to_a).unwrap();
            }
        });
        let mut buffer = [0; 8];
        for _ in 0..200 {
            a.send_to(&[7; 8], to_b).unwrap();
            a.recv_from(&mut buffer).unwrap();
        }
        echo.join().unwrap();
    });
}

#[test]
fn the_loop_is_woken_when_something_is_due_sooner() {
    soon(|| {
        let (left, _right) = UnixLink::pair().unwrap();
        let mut stack = stack(1);
        let mac = netdev::MacAddr([2, 0, 0, 0, 0, 1]);
        let interval = Duration::from_millis(20);
        let config = arp::Config { interval, ..arp::Config::default() };
        let arp = Box::new(arp::Cache::new(mac, config, 1));
        let addrs = ["10.0.0.1/24".parse().unwrap()];
        let (now, left) = (Instant::ZERO, Box::new(left));
        stack.add_interface(now, left, mac, Some(arp), &addrs, None).unwrap();
        let net = Net::start(stack).unwrap();
        until(|| net.core().lock().sleep.is_some());
        // Nothing was due; now ARP asks, and gives up after its tries, all by the loop.
        let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
        socket.connect("10.0.0.9:9").unwrap();
        socket.send(b"x").unwrap();
        let error = socket.recv(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HostUnreachable);
    });
}

#[test]
fn when_the_loop_panics_nobody_waits_for_it() {
    soon(|| {
        let (quiet, mut other) = UnixStream::pair().unwrap();
        let panics = Arc::new(AtomicBool::new(false));
        let (asked, flag) = (Arc::default(), Arc::clone(&panics));
        let fd = Some(quiet);
        let device = Odd { asked, fd, endless: false, due: false, panics: flag };
        let net = net(stack(1), device, 1);
        let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
        let clone = socket.try_clone().unwrap();
        let waits = blocked(&net, move || clone.recv_from(&mut [0; 8]).unwrap_err().kind());
        until(|| net.core().lock().sleep.is_some());
        panics.store(true, Relaxed);
        other.write_all(b"wake up").unwrap();
        assert_eq!(waits.join().unwrap(), ErrorKind::NetworkDown);
        assert!(!net.is_running());
        panics.store(false, Relaxed);
        net.shutdown(Duration::MAX);
    });
}

#[test]
fn a_shutdown_wakes_every_thread_that_waits() {
    soon(|| {
        let (net, _other) = nets();
        let udp = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
        let raw = RawSocket::new(&net, None).unwrap();
        let poller = Poller::new(&net).unwrap();
        let threads = [
            blocked(&net, move || udp.recv_from(&mut [0; 8]).unwrap_err().kind()),
            blocked(&net, move || raw.receive().unwrap_err().kind()),
        ];
        let waits = blocked(&net, move || poller.wait(&mut Vec::new(), None));
        assert!(net.shutdown(Duration::from_secs(5)));
        for thread in threads {
            assert_eq!(thread.join().unwrap(), ErrorKind::NetworkDown);
        }
        assert_eq!(waits.join().unwrap().unwrap(), 0);
        assert!(!net.is_running());
        let later = UdpSocket::bind(&net, "0.0.0.0:0").unwrap_err();
        assert_eq!(later.kind(), ErrorKind::NetworkDown);
        // Again is no harm.
        assert!(net.shutdown(Duration::from_secs(5)));
    });
}

#[test]
fn a_datagram_that_waits_for_its_neighbours_address_is_sent_before_the_end() {
    soon(|| {
        let (near, far) = nets();
        let receiver = UdpSocket::bind(&far, "0.0.0.0:9").unwrap();
        let sender = UdpSocket::bind(&near, "0.0.0.0:0").unwrap();
        let to = receiver_addr(&far);
        sender.send_to(b"last words", (to, 9)).unwrap();
        assert!(near.shutdown(Duration::from_secs(20)));
        let mut buffer = [0; 16];
        let (n, _) = receiver.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..n], b"last words");
    });
}

/// The address of a stack's real interface.
fn receiver_addr(net: &Net) -> std::net::IpAddr {
    net.with(|stack, _| stack.interfaces()[1].addrs[0].addr)
}

#[test]
fn the_last_handle_ends_the_stack_and_the_peer_learns_that_its_device_is_gone() {
    soon(|| {
        let (a, b) = nets();
        let clone = a.clone();
        let socket = UdpSocket::bind(&b, "10.0.0.2:7").unwrap();
        let local = UdpSocket::bind(&b, "127.0.0.1:7").unwrap();
        let stays = UdpSocket::bind(&a, "0.0.0.0:0").unwrap();
        drop(a);
        stays.send_to(b"still here", "10.0.0.2:7").unwrap();
        let mut buffer = [0; 16];
        assert_eq!(socket.recv_from(&mut buffer).unwrap().0, 10);
        let waits = blocked(&b, move || socket.recv_from(&mut [0; 8]).unwrap_err().kind());
        drop(clone);
        let error = stays.send_to(b"not any more", "10.0.0.2:7").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NetworkDown);
        // The device is gone though a socket is still there, and the peer's sockets are told.
        assert_eq!(waits.join().unwrap(), ErrorKind::NetworkDown);
        local.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(local.recv_from(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn streams_and_listeners_learn_that_their_device_is_gone() {
    soon(|| {
        let (a, b) = nets();
        let listener = TcpListener::bind(&b, "0.0.0.0:80").unwrap();
        let client = TcpStream::connect(&a, "10.0.0.2:80").unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let poller = Poller::new(&b).unwrap();
        poller.add(&server, 1, Want::READABLE, Mode::Level).unwrap();
        let reader = {
            let mut server = server.try_clone().unwrap();
            blocked(&b, move || server.read(&mut [0; 8]).map(drop).map_err(|e| e.kind()))
        };
        let accepts = blocked(&b, move || listener.accept().map(drop).map_err(|e| e.kind()));
        // As when a TAP is deleted: no FIN, no reset.
        let index = a.with(|stack, _| stack.interfaces()[1].index);
        a.with(|stack, now| stack.remove_interface(now, index)).unwrap();
        assert_eq!(reader.join().unwrap(), Err(ErrorKind::NetworkDown));
        assert_eq!(accepts.join().unwrap(), Err(ErrorKind::NetworkDown));
        assert_eq!(server.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::NetworkDown);
        let mut events = Vec::new();
        poller.wait(&mut events, None).unwrap();
        assert!(events[0].is_error());
        drop(client);
    });
}

#[test]
fn interfaces_can_be_added_and_removed_while_it_runs() {
    soon(|| {
        let net = alone();
        let socket = UdpSocket::bind(&net, "0.0.0.0:7").unwrap();
        for _ in 0..3 {
            until(|| net.core().lock().sleep.is_some());
            let (left, right) = UnixLink::pair().unwrap();
            let index = net.with(|stack, _| attach(stack, left, 1, "10.0.0.1/24", None));
            let peer = crate::testing::net(stack(2), right, 2);
            let client = UdpSocket::bind(&peer, "0.0.0.0:0").unwrap();
            client.send_to(b"x", "10.0.0.1:7").unwrap();
            let (_, from) = socket.recv_from(&mut [0; 8]).unwrap();
            assert_eq!(from.ip(), addr("10.0.0.2"));
            net.with(|stack, now| stack.remove_interface(now, index)).unwrap();
        }
    });
}

#[test]
fn a_descriptor_that_is_replaced_by_one_with_its_number_is_watched() {
    soon(|| {
        let dir = std::env::temp_dir().join(format!("tapip-net-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("link");
        let net = crate::testing::net(stack(1), UnixLink::listen(&path).unwrap(), 1);
        let socket = UdpSocket::bind(&net, "0.0.0.0:7").unwrap();
        let mut link = UnixLink::connect(&path).unwrap();
        for number in 2..8 {
            let peer = crate::testing::net(stack(2), link, number);
            let client = UdpSocket::bind(&peer, "0.0.0.0:0").unwrap();
            client.send_to(b"x", "10.0.0.1:7").unwrap();
            socket.recv_from(&mut [0; 8]).unwrap();
            // The next one waits when this one leaves: it is taken in the same breath.
            link = UnixLink::connect(&path).unwrap();
            drop((peer, client));
        }
        std::fs::remove_dir_all(&dir).unwrap();
    });
}

#[test]
fn time_goes_on_where_the_stack_was() {
    let mut stack = stack(1);
    let before = Instant::from_secs(1000);
    let _ = stack.poll(before);
    let net = Net::start(stack).unwrap();
    assert!(net.now() >= before && net.now() < before + Duration::from_secs(60));
}

#[test]
fn a_panic_under_the_lock_leaves_the_stack_usable() {
    let net = alone();
    let clone = net.clone();
    let panics = std::thread::spawn(move || clone.with(|_, _| panic!("in a program's closure")));
    assert!(panics.join().is_err());
    assert!(net.is_running());
    assert_eq!(net.with(|stack, _| stack.interfaces().len()), 1);
}

#[test]
fn a_socket_call_inside_with_is_a_panic_and_no_deadlock() {
    soon(|| {
        let net = alone();
        let socket = UdpSocket::bind(&net, "127.0.0.1:0").unwrap();
        let (inside, other) = (net.clone(), alone());
        let bad = std::thread::spawn(move || inside.with(|_, _| socket.local_addr()));
        assert!(bad.join().is_err());
        // Another stack is no matter.
        assert_eq!(net.with(|_, _| other.with(|stack, _| stack.interfaces().len())), 1);
        UdpSocket::bind(&net, "127.0.0.1:0").unwrap();
    });
}

#[test]
fn no_wake_up_is_lost_by_threads_that_do_the_work_themselves() {
    soon(|| {
        let net = alone();
        ping_pong(&net, &net, 4, 3000, ["127.0.0.1:0"; 2]);
    });
}

#[test]
fn no_wake_up_is_lost_between_event_loops_and_threads() {
    soon(|| {
        let (a, b) = nets();
        ping_pong(&a, &b, 4, 500, ["10.0.0.1:0", "10.0.0.2:0"]);
    });
}

/// Pairs of threads that wait for each other, round after round, without a timeout: one lost
/// wake-up, and a pair sleeps for ever.
fn ping_pong(a: &Net, b: &Net, pairs: usize, rounds: usize, addrs: [&str; 2]) {
    let mut threads = Vec::new();
    for _ in 0..pairs {
        let ping = UdpSocket::bind(a, addrs[0]).unwrap();
        let pong = UdpSocket::bind(b, addrs[1]).unwrap();
        ping.connect(pong.local_addr().unwrap()).unwrap();
        pong.connect(ping.local_addr().unwrap()).unwrap();
        for (mine, starts) in [(ping, true), (pong, false)] {
            threads.push(std::thread::spawn(move || {
                let mut buffer = [0; 4];
                for _ in 0..rounds {
                    if starts {
                        mine.send(&[1; 4]).unwrap();
                    }
                    mine.recv(&mut buffer).unwrap();
                    if !starts {
                        mine.send(&[1; 4]).unwrap();
                    }
                }
            }));
        }
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn who_waits_in_line_has_the_stack_before_who_had_it() {
    soon(|| {
        moved(usize::MAX);
        // No event loop: two threads and the lock alone.
        let core = Arc::new(Core::new(stack(1), StackClock::new(Instant::ZERO)).unwrap());
        for _ in 0..100 {
            let order = Arc::new(Mutex::new(Vec::new()));
            let held = core.lock();
            let waits = {
                let (core, order) = (Arc::clone(&core), Arc::clone(&order));
                std::thread::spawn(move || {
                    moved(usize::MAX);
                    let _locked = core.lock();
                    order.lock().unwrap().push("who waited");
                })
            };
            until(|| core.is_waited_for());
            drop(held);
            let again = core.lock();
            order.lock().unwrap().push("who had it");
            drop(again);
            waits.join().unwrap();
            assert_eq!(*order.lock().unwrap(), ["who waited", "who had it"]);
        }
    });
}

#[test]
fn who_needs_the_stack_for_a_moment_passes_by_the_line() {
    soon(|| {
        let core = Arc::new(Core::new(stack(1), StackClock::new(Instant::ZERO)).unwrap());
        let line = core.stand_in_line();
        let wants = |bytes| {
            let core = Arc::clone(&core);
            std::thread::spawn(move || {
                moved(bytes);
                drop(core.lock());
            })
        };
        let bulky = wants(1 << 20);
        wants(1).join().unwrap();
        assert!(!bulky.is_finished());
        drop(line);
        bulky.join().unwrap();
    });
}
