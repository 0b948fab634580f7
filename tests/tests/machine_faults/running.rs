//! A device that fails under a running stack: an event loop, and threads that wait.

use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ip::Protocol;
use netdev::UnixLink;
use socket::{Net, RawSocket, TcpListener, TcpStream, UdpSocket};
use tests::virtual_net::{attach, rfc9293, stack};

use super::device::{Fault, Faulty, Switch};

const SEED: u64 = 5;
/// Only a hang takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// 10.0.0.1, whose device fails when the switch says so, and 10.0.0.2.
fn nets() -> (Net, Net, Switch) {
    let (left, right) = UnixLink::pair().unwrap();
    let (left, switch) = Faulty::new(left, SEED);
    let mut near = stack(rfc9293, 1);
    attach(&mut near, left, 1, "10.0.0.1/24", None);
    let mut far = stack(rfc9293, 2);
    attach(&mut far, right, 2, "10.0.0.2/24", None);
    (Net::start(near).unwrap(), Net::start(far).unwrap(), switch)
}

/// Runs what might hang if something is wrong, and says so instead.
fn soon<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let result = test();
        let _ = done.send(());
        result
    });
    if let Err(mpsc::RecvTimeoutError::Timeout) = wait.recv_timeout(PATIENCE) {
        panic!("it hangs");
    }
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Sends all of `data` from a thread of its own, then its end.
fn send(mut stream: TcpStream, data: Vec<u8>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        stream.write_all(&data).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
    })
}

fn outlives(fault: Fault) {
    let (near, far, switch) = nets();
    let listener = TcpListener::bind(&far, "10.0.0.2:80").unwrap();
    let ours = TcpStream::connect(&near, "10.0.0.2:80").unwrap();
    let (theirs, _) = listener.accept().unwrap();
    let data = tests::payload(SEED, 3_000_000);
    let senders = [
        send(ours.try_clone().unwrap(), data.clone()),
        send(theirs.try_clone().unwrap(), data.clone()),
    ];
    let (begun, is_begun) = mpsc::channel();
    let readers = [ours, theirs].map(|mut stream| {
        let (begun, data) = (begun.clone(), data.clone());
        std::thread::spawn(move || {
            let mut bytes = vec![0; data.len() / 4];
            stream.read_exact(&mut bytes).unwrap();
            begun.send(()).unwrap();
            stream.read_to_end(&mut bytes).unwrap();
            assert!(bytes == data, "other bytes than were sent");
        })
    });
    is_begun.recv().unwrap();
    switch.set(fault);
    let start = Instant::now();
    // Until both the transfer and what TCP tries again have met it.
    while switch.met() < 3 {
        assert!(start.elapsed() < PATIENCE, "{fault:?} is not met");
        std::thread::yield_now();
    }
    switch.set(Fault::None);
    // What arrived meanwhile waits, and no descriptor tells of it anew.
    near.with(|stack, now| stack.poll(now));
    for thread in senders.into_iter().chain(readers) {
        thread.join().unwrap();
    }
    assert!(near.is_running() && far.is_running());
}

#[test]
fn a_transfer_outlives_eagain() {
    soon(|| outlives(Fault::Full));
}

#[test]
fn a_transfer_outlives_eio() {
    soon(|| outlives(Fault::Broken));
}

#[test]
fn a_transfer_outlives_short_reads() {
    soon(|| outlives(Fault::Short));
}

#[test]
fn when_the_device_is_gone_every_call_that_waits_ends_and_so_does_the_stack() {
    soon(|| {
        let (near, far, switch) = nets();
        let far_listener = TcpListener::bind(&far, "10.0.0.2:80").unwrap();
        let stream = TcpStream::connect(&near, "10.0.0.2:80").unwrap();
        let listener = TcpListener::bind(&near, "10.0.0.1:80").unwrap();
        let udp = UdpSocket::bind(&near, "10.0.0.1:9").unwrap();
        let local = UdpSocket::bind(&near, "127.0.0.1:9").unwrap();
        let (mut reader, mut writer) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
        let (udp_reader, connecting) = (udp.try_clone().unwrap(), near.clone());
        type Call = Box<dyn FnOnce() -> std::io::Result<()> + Send>;
        let calls: Vec<(&str, Call)> = vec![
            ("read", Box::new(move || reader.read(&mut [0; 8]).map(drop))),
            // Nobody reads at the other end.
            (
                "write",
                Box::new(move || {
                    loop {
                        writer.write_all(&[0; 100_000])?;
                    }
                }),
            ),
            ("accept", Box::new(move || listener.accept().map(drop))),
            ("receive", Box::new(move || udp_reader.recv_from(&mut [0; 8]).map(drop))),
            // Nobody has this address.
            ("connect", Box::new(move || TcpStream::connect(&connecting, "10.0.0.77:1").map(drop))),
        ];
        let threads: Vec<_> =
            calls.into_iter().map(|(name, call)| (name, std::thread::spawn(call))).collect();
        // The peer's window is full: the writer waits, or is about to.
        while stream.info().unwrap().send_queue < 100_000 {
            std::thread::yield_now();
        }
        switch.set(Fault::Gone);
        near.with(|stack, now| stack.poll(now));
        for (name, thread) in threads {
            let error = thread.join().unwrap().expect_err(name);
            let told = [ErrorKind::NetworkDown, ErrorKind::NetworkUnreachable];
            let told = told.contains(&error.kind())
                || name == "connect" && error.kind() == ErrorKind::HostUnreachable;
            assert!(told, "{name}: {error} ({:?})", error.kind());
        }
        // Who comes later is told at once.
        assert!(udp.send_to(b"x", "10.0.0.2:9").is_err());
        assert!(TcpStream::connect(&near, "10.0.0.2:80").is_err());
        // Loopback is no part of it.
        local.send_to(b"still here", "127.0.0.1:9").unwrap();
        assert_eq!(local.recv_from(&mut [0; 16]).unwrap().0, 10);
        let inward = RawSocket::new(&near, Some(Protocol(200))).unwrap();
        inward.connect("127.0.0.1".parse().unwrap()).unwrap();
        inward.send(b"too").unwrap();
        assert!(inward.receive().is_ok(), "who talks to this host itself needs no device");
        drop(far_listener);
        let start = Instant::now();
        near.shutdown(Duration::from_secs(1));
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
        assert!(!near.is_running());
    });
}
