//! A clock that jumps, by itself and under event loops with work to do.

use std::io::{Read, Write};
use std::sync::Arc;

use netdev::{MacAddr, UnixLink};

use super::*;
use crate::testing::*;
use crate::{Net, TcpListener, TcpStream, UdpSocket};

const HOUR: u64 = 3_600_000_000_000;

/// A source whose time is the machine's and a day more, and what makes it jump.
fn source() -> (Source, Arc<AtomicU64>) {
    let source = Source::new();
    let skew = Arc::clone(&source.skew);
    skew.store(24 * HOUR, Ordering::SeqCst);
    (source, skew)
}

#[test]
fn it_shows_what_it_was_set_to_whatever_the_source_shows() {
    let (source, _) = source();
    let start = Instant::from_secs(1000);
    let now = StackClock::on(source, start).now();
    assert!(now >= start && now < start + Duration::from_secs(600), "{now}");
}

#[test]
fn a_jump_forward_is_taken_as_it_is() {
    let (source, skew) = source();
    let clock = StackClock::on(source, Instant::ZERO);
    let before = clock.now();
    skew.fetch_add(HOUR, Ordering::SeqCst);
    assert!(clock.now().since(before) >= Duration::from_nanos(HOUR));
}

#[test]
fn a_jump_back_stands_still_once_and_time_goes_on() {
    let (source, skew) = source();
    let clock = StackClock::on(source, Instant::ZERO);
    let before = clock.now();
    skew.fetch_sub(HOUR, Ordering::SeqCst);
    let after = clock.now();
    assert!(after >= before && after.since(before) < Duration::from_secs(600));
    // It goes on by itself, not only when an hour is over.
    while clock.now() <= after {
        std::thread::yield_now();
    }
}

#[test]
fn threads_never_see_it_go_back() {
    let (source, skew) = source();
    let clock = Arc::new(StackClock::on(source, Instant::ZERO));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let clock = Arc::clone(&clock);
            std::thread::spawn(move || {
                let mut last = clock.now();
                for _ in 0..20_000 {
                    let now = clock.now();
                    assert!(now >= last, "{now} after {last}");
                    last = now;
                }
            })
        })
        .collect();
    for _ in 0..20 {
        skew.fetch_sub(HOUR, Ordering::SeqCst);
        std::thread::yield_now();
    }
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    // However many threads noticed a jump, it was mended once: no more time than there was, but
    // for the moments between a jump and the next.
    assert!(clock.now() < Instant::from_secs(600), "{}", clock.now());
}

/// 10.0.0.1 and 10.0.0.2 on a link, each with a clock that can be made to jump.
fn nets() -> [(Net, Arc<AtomicU64>); 2] {
    let (left, right) = UnixLink::pair().unwrap();
    let mut number = 0;
    [left, right].map(|device| {
        number += 1;
        let mut stack = stack(number.into());
        let (mac, now) = (MacAddr([2, 0, 0, 0, 0, number]), Instant::ZERO);
        // Quick to give up, for who waits for it.
        let config = arp::Config { interval: Duration::from_millis(20), ..Default::default() };
        let arp = Box::new(arp::Cache::new(mac, config, number.into()));
        let addrs = [format!("10.0.0.{number}/24").parse().unwrap()];
        stack.add_interface(now, Box::new(device), mac, Some(arp), &addrs, None).unwrap();
        let (source, skew) = source();
        let clock = StackClock::on(source, stack.seen);
        (Net::start_on(stack, clock).unwrap(), skew)
    })
}

/// A transfer during which clocks jump, here, there, and on both sides, forward and back: all of it
/// arrives, and both ends close.
#[test]
fn a_transfer_outlives_jumps() {
    soon(|| {
        let [(near, near_skew), (far, far_skew)] = nets();
        let listener = TcpListener::bind(&far, "10.0.0.2:80").unwrap();
        let mut sender = TcpStream::connect(&near, "10.0.0.2:80").unwrap();
        let (mut receiver, _) = listener.accept().unwrap();
        let piece: Vec<u8> = (0..50_000u32).map(|n| n as u8).collect();
        let expected = piece.clone();
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            receiver.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes.len(), 8 * expected.len());
            assert!(bytes.chunks(expected.len()).all(|chunk| chunk == expected));
        });
        let jumps: [&dyn Fn(); 8] = [
            &|| _ = near_skew.fetch_add(HOUR, Ordering::SeqCst),
            &|| _ = near_skew.fetch_sub(2 * HOUR, Ordering::SeqCst),
            &|| _ = far_skew.fetch_add(HOUR, Ordering::SeqCst),
            &|| _ = far_skew.fetch_sub(2 * HOUR, Ordering::SeqCst),
            &|| _ = near_skew.fetch_add(HOUR, Ordering::SeqCst),
            &|| _ = far_skew.fetch_add(HOUR, Ordering::SeqCst),
            &|| _ = near_skew.fetch_sub(HOUR, Ordering::SeqCst),
            &|| _ = far_skew.fetch_sub(HOUR, Ordering::SeqCst),
        ];
        for jump in jumps {
            sender.write_all(&piece).unwrap();
            jump();
        }
        drop(sender);
        reader.join().unwrap();
        assert!(near.shutdown(Duration::from_secs(20)), "a connection is left");
    });
}

/// A loop that sleeps until a timer is due sleeps no hour longer because the clock went back, and
/// one whose clock went forward takes no timer twice.
#[test]
fn timers_come_after_a_jump_back() {
    soon(|| {
        for by in [0u64.wrapping_sub(HOUR), HOUR] {
            let [(near, skew), _far] = nets();
            let socket = UdpSocket::bind(&near, "0.0.0.0:0").unwrap();
            // Nobody has this address: ARP asks five times and gives up.
            socket.connect("10.0.0.77:9").unwrap();
            socket.send(b"x").unwrap();
            skew.fetch_add(by, Ordering::SeqCst);
            let error = socket.recv(&mut [0; 8]).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::HostUnreachable, "{error}");
        }
    });
}
