use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;

use super::*;
use crate::testing::*;
use crate::{TcpListener, TcpStream, UdpSocket};

/// A socket, one that sends to it, and a poller.
fn set_up(net: &Net) -> (UdpSocket, UdpSocket, Poller) {
    let receiver = UdpSocket::bind(net, "127.0.0.1:0").unwrap();
    let sender = UdpSocket::bind(net, "127.0.0.1:0").unwrap();
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    (receiver, sender, Poller::new(net).unwrap())
}

fn now(poller: &Poller) -> Vec<usize> {
    let mut events = Vec::new();
    poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
    events.into_iter().map(|event| event.key).collect()
}

#[test]
fn level_tells_as_long_as_it_is_so() {
    let net = alone();
    let (receiver, sender, poller) = set_up(&net);
    poller.add(&receiver, 5, Interest::READABLE, Mode::Level).unwrap();
    assert_eq!(now(&poller), []);
    sender.send(b"x").unwrap();
    assert_eq!(now(&poller), [5]);
    assert_eq!(now(&poller), [5]);
    receiver.recv_from(&mut [0; 8]).unwrap();
    assert_eq!(now(&poller), []);
    sender.send(b"x").unwrap();
    assert_eq!(now(&poller), [5]);
}

#[test]
fn edge_tells_each_time_something_comes() {
    let net = alone();
    let (receiver, sender, poller) = set_up(&net);
    sender.send(b"x").unwrap();
    poller.add(&receiver, 5, Interest::READABLE, Mode::Edge).unwrap();
    assert_eq!(now(&poller), [5], "ready when it was added");
    assert_eq!(now(&poller), []);
    sender.send(b"x").unwrap();
    assert_eq!(now(&poller), [5]);
    assert_eq!(now(&poller), []);
}

#[test]
fn oneshot_tells_once_until_it_is_armed_again() {
    let net = alone();
    let (receiver, sender, poller) = set_up(&net);
    poller.add(&receiver, 5, Interest::READABLE, Mode::Oneshot).unwrap();
    sender.send(b"x").unwrap();
    assert_eq!(now(&poller), [5]);
    sender.send(b"x").unwrap();
    assert_eq!(now(&poller), []);
    poller.modify(&receiver, 6, Interest::READABLE, Mode::Oneshot).unwrap();
    assert_eq!(now(&poller), [6]);
}

#[test]
fn interest_decides_what_is_told() {
    let net = alone();
    let (receiver, sender, poller) = set_up(&net);
    poller.add(&receiver, 1, Interest::READABLE, Mode::Level).unwrap();
    poller.add(&sender, 2, Interest::WRITABLE, Mode::Level).unwrap();
    assert_eq!(now(&poller), [2]);
    sender.send(b"x").unwrap();
    let mut events = Vec::new();
    assert_eq!(poller.wait(&mut events, None).unwrap(), 2);
    let told = |key| *events.iter().find(|e: &&Event| e.key == key).unwrap();
    assert!(told(1).is_readable() && !told(1).is_writable() && !told(1).is_error());
    assert!(told(2).is_writable() && !told(2).is_readable());
    poller.modify(&receiver, 1, Interest::BOTH, Mode::Level).unwrap();
    poller.delete(&sender).unwrap();
    events.clear();
    poller.wait(&mut events, None).unwrap();
    assert!(events.len() == 1 && events[0].is_readable() && events[0].is_writable());
}

#[test]
fn what_is_not_there_and_what_is_there_twice_is_an_error() {
    let net = alone();
    let (receiver, _, poller) = set_up(&net);
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(poller.delete(&receiver)), ErrorKind::NotFound);
    let (interest, mode) = (Interest::BOTH, Mode::Level);
    assert_eq!(kind(poller.modify(&receiver, 1, interest, mode)), ErrorKind::NotFound);
    poller.add(&receiver, 1, interest, mode).unwrap();
    let clone = receiver.try_clone().unwrap();
    assert_eq!(kind(poller.add(&clone, 2, interest, mode)), ErrorKind::AlreadyExists);
    let (foreign, _, _) = set_up(&alone());
    assert_eq!(kind(poller.add(&foreign, 3, interest, mode)), ErrorKind::InvalidInput);
}

#[test]
fn a_waiting_thread_is_woken_by_readiness_and_by_notify() {
    soon(|| {
        let net = alone();
        let (receiver, sender, poller) = set_up(&net);
        poller.add(&receiver, 5, Interest::READABLE, Mode::Level).unwrap();
        let poller = Arc::new(poller);
        for notify in [true, false] {
            let waits = Arc::clone(&poller);
            let thread = blocked(&net, move || {
                let mut events = Vec::new();
                waits.wait(&mut events, None).unwrap();
                events
            });
            if notify {
                poller.notify();
                assert_eq!(thread.join().unwrap(), []);
            } else {
                sender.send(b"x").unwrap();
                assert_eq!(thread.join().unwrap()[0].key, 5);
            }
        }
    });
}

#[test]
fn a_wait_ends_with_its_timeout() {
    let net = alone();
    let poller = Poller::new(&net).unwrap();
    let start = std::time::Instant::now();
    let timeout = Duration::from_millis(20);
    assert_eq!(poller.wait(&mut Vec::new(), Some(timeout)).unwrap(), 0);
    assert!(start.elapsed() >= timeout);
}

#[test]
fn the_descriptor_is_readable_while_events_wait() {
    let net = alone();
    let (receiver, sender, poller) = set_up(&net);
    let mut selector = sys::Selector::new().unwrap();
    let fd = poller.as_fd().as_raw_fd();
    selector.set(fd, 1, false).unwrap();
    let mut readable = || !selector.wait(Some(Duration::ZERO)).unwrap().is_empty();
    poller.add(&receiver, 5, Interest::READABLE, Mode::Edge).unwrap();
    assert!(!readable() || now(&poller).is_empty());
    assert!(!readable());
    sender.send(b"x").unwrap();
    assert!(readable());
    assert_eq!(now(&poller), [5]);
    assert!(!readable());
    poller.notify();
    assert!(readable());
    assert_eq!(now(&poller), []);
    assert!(!readable());
    // Asked for when events wait already.
    sender.send(b"x").unwrap();
    let late = Poller::new(&net).unwrap();
    late.add(&receiver, 1, Interest::READABLE, Mode::Level).unwrap();
    let fd = late.as_fd().as_raw_fd();
    selector.set(fd, 2, false).unwrap();
    assert!(selector.wait(None).unwrap().iter().any(|ready| ready.token == 2));
}

#[test]
fn a_closed_socket_is_forgotten() {
    let net = alone();
    let (receiver, sender, poller) = set_up(&net);
    poller.add(&receiver, 5, Interest::READABLE, Mode::Level).unwrap();
    sender.send(b"x").unwrap();
    drop(receiver);
    assert_eq!(now(&poller), []);
    let locked = net.core().lock();
    assert!(locked.pollers.states[&poller.id].sockets.is_empty());
    assert!(locked.waiters.keys().is_empty());
}

#[test]
fn two_thousand_idle_sockets_cost_nothing() {
    let net = alone();
    let poller = Poller::new(&net).unwrap();
    let sockets: Vec<UdpSocket> = (0..2000)
        .map(|key| {
            let socket = UdpSocket::bind(&net, "127.0.0.1:0").unwrap();
            poller.add(&socket, key, Interest::READABLE, Mode::Level).unwrap();
            socket
        })
        .collect();
    assert_eq!(now(&poller), []);
    let sender = UdpSocket::bind(&net, "127.0.0.1:0").unwrap();
    for key in [1999, 0, 700] {
        sender.send_to(b"x", sockets[key].local_addr().unwrap()).unwrap();
        assert_eq!(net.core().lock().pollers.states[&poller.id].ready.len(), 1, "not 2000");
        assert_eq!(now(&poller), [key]);
        sockets[key].recv_from(&mut [0; 8]).unwrap();
        assert_eq!(now(&poller), []);
    }
}

#[test]
fn many_that_are_ready_no_more_hide_none_that_is() {
    soon(|| {
        let net = alone();
        let poller = Poller::new(&net).unwrap();
        let sender = UdpSocket::bind(&net, "127.0.0.1:0").unwrap();
        let sockets: Vec<UdpSocket> = (0..1500)
            .map(|key| {
                let socket = UdpSocket::bind(&net, "127.0.0.1:0").unwrap();
                poller.add(&socket, key, Interest::READABLE, Mode::Level).unwrap();
                sender.send_to(b"x", socket.local_addr().unwrap()).unwrap();
                socket
            })
            .collect();
        let mut events = Vec::new();
        assert_eq!(poller.wait(&mut events, None).unwrap(), 1024, "no more at once");
        for socket in &sockets[..1499] {
            socket.recv_from(&mut [0; 8]).unwrap();
        }
        events.clear();
        assert_eq!(poller.wait(&mut events, None).unwrap(), 1);
        assert_eq!(events[0].key, 1499);
    });
}

#[test]
fn a_task_is_woken_through_its_waker() {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::task::{Context, Poll, Wake, Waker};
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Count>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let net = alone();
    let (receiver, sender, _) = set_up(&net);
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    assert_eq!(receiver.poll_ready(&mut context, Interest::READABLE), Poll::Pending);
    assert_eq!(receiver.poll_ready(&mut context, Interest::READABLE), Poll::Pending);
    sender.send(b"x").unwrap();
    assert_eq!(count.0.load(SeqCst), 1, "once, however often it asked");
    let ready = receiver.poll_ready(&mut context, Interest::READABLE);
    assert_eq!(ready, Poll::Ready(Readiness::READABLE));
}

#[test]
fn no_edge_is_lost_between_threads() {
    soon(|| {
        let (a, b) = nets();
        let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
        listener.set_nonblocking(true).unwrap();
        // One thread serves all by edges alone: one that is lost, and a client waits for ever.
        let server = std::thread::spawn(move || {
            let poller = Poller::new(&b).unwrap();
            poller.add(&listener, usize::MAX, Interest::READABLE, Mode::Edge).unwrap();
            let (mut streams, mut events, mut done) = (Vec::new(), Vec::new(), 0);
            while done < 20 {
                events.clear();
                poller.wait(&mut events, None).unwrap();
                for event in &events {
                    if event.key == usize::MAX {
                        while let Ok((stream, _)) = listener.accept() {
                            stream.set_nonblocking(true).unwrap();
                            let key = streams.len();
                            poller.add(&stream, key, Interest::READABLE, Mode::Edge).unwrap();
                            streams.push(stream);
                        }
                        continue;
                    }
                    let mut stream = &streams[event.key];
                    let mut bytes = [0; 100];
                    loop {
                        match stream.read(&mut bytes) {
                            Ok(0) => {
                                poller.delete(stream).unwrap();
                                done += 1;
                                break;
                            }
                            Ok(count) => stream.write_all(&bytes[..count]).unwrap(),
                            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                            Err(e) => panic!("{e}"),
                        }
                    }
                }
            }
        });
        let clients: Vec<_> = (0..20)
            .map(|_| {
                let a = a.clone();
                std::thread::spawn(move || {
                    let mut stream = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
                    for round in 0..50u8 {
                        let mut byte = [round];
                        stream.write_all(&byte).unwrap();
                        stream.read_exact(&mut byte).unwrap();
                        assert_eq!(byte, [round]);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|t| t.join().unwrap());
        server.join().unwrap();
    });
}
