use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A path that no other test uses.
struct TestPath(PathBuf);

impl TestPath {
    fn new() -> TestPath {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        TestPath(std::env::temp_dir().join(format!("link-{}-{number}", std::process::id())))
    }
}

impl Drop for TestPath {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn frame(byte: u8) -> Packet {
    Packet::from_payload(&[byte; 60])
}

fn send(link: &mut UnixLink, byte: u8) {
    link.transmit(Instant::ZERO, frame(byte)).unwrap();
    link.flush(Instant::ZERO);
}

#[test]
fn frames_cross_a_pair_in_order() {
    let (mut a, mut b) = UnixLink::pair().unwrap();
    assert_eq!(b.receive(Instant::ZERO), None);
    a.transmit(Instant::ZERO, frame(1)).unwrap();
    assert!(a.interest().unwrap().write, "something is to be written");
    a.transmit(Instant::ZERO, frame(2)).unwrap();
    a.flush(Instant::ZERO);
    assert!(!a.interest().unwrap().write);
    assert_eq!(b.receive(Instant::ZERO), Some(frame(1)));
    assert_eq!(b.receive(Instant::ZERO), Some(frame(2)));
    assert_eq!(b.receive(Instant::ZERO), None);
    assert_eq!((a.stats().tx_packets, b.stats().rx_bytes), (2, 120));
}

#[test]
fn the_first_to_open_listens_and_the_second_connects() {
    let path = TestPath::new();
    let mut first = UnixLink::open(&path.0).unwrap();
    assert_eq!(
        first.link(),
        LinkState::Down(format!("nobody is connected to {}", path.0.display()))
    );
    send(&mut first, 1);
    assert_eq!(first.stats().drops[DropReason::NoPeer], 1);
    assert!(first.interest().is_some(), "waits for a peer");

    let mut second = UnixLink::open(&path.0).unwrap();
    send(&mut second, 2);
    assert_eq!(first.receive(Instant::ZERO), Some(frame(2)));
    send(&mut first, 3);
    assert_eq!(second.receive(Instant::ZERO), Some(frame(3)));
    assert_eq!((first.link(), second.link()), (LinkState::Up, LinkState::Up));
}

#[test]
fn a_new_peer_is_taken_when_the_old_one_has_left() {
    let path = TestPath::new();
    let mut host = UnixLink::listen(&path.0).unwrap();
    for round in 0..3 {
        let mut guest = UnixLink::connect(&path.0).unwrap();
        send(&mut guest, round);
        assert_eq!(host.receive(Instant::ZERO), Some(frame(round)));
        drop(guest);
        assert_eq!(host.receive(Instant::ZERO), None);
        assert!(matches!(host.link(), LinkState::Down(_)));
    }
}

#[test]
fn an_end_that_connects_comes_back_to_a_new_listener() {
    let path = TestPath::new();
    let host = UnixLink::listen(&path.0).unwrap();
    let mut guest = UnixLink::connect(&path.0).unwrap();
    drop(host);
    assert_eq!(guest.receive(Instant::ZERO), None);
    assert!(matches!(guest.link(), LinkState::Down(_)));
    assert!(guest.interest().is_none());
    assert_eq!(guest.poll_at(), Some(Instant::ZERO + RETRY));

    let mut host = UnixLink::listen(&path.0).unwrap();
    assert_eq!(guest.receive(Instant::ZERO), None, "not before the time");
    assert!(matches!(guest.link(), LinkState::Down(_)));
    assert_eq!(guest.receive(Instant::ZERO + RETRY), None);
    assert_eq!((guest.link(), guest.poll_at()), (LinkState::Up, None));
    send(&mut guest, 7);
    assert_eq!(host.receive(Instant::ZERO), Some(frame(7)));
}

#[test]
fn the_socket_file_goes_with_its_maker_and_a_stale_one_is_replaced() {
    let path = TestPath::new();
    drop(UnixLink::open(&path.0).unwrap());
    assert!(!path.0.exists());

    // std's listener leaves its file behind, as a killed process does.
    drop(UnixListener::bind(&path.0).unwrap());
    assert!(path.0.exists());
    let link = UnixLink::open(&path.0).unwrap();
    assert!(matches!(link.role, Role::Listens { .. }));

    // A file that has taken the place of ours is not ours to remove.
    fs::remove_file(&path.0).unwrap();
    fs::write(&path.0, "precious").unwrap();
    drop(link);
    assert_eq!(fs::read(&path.0).unwrap(), b"precious");
    let error = UnixLink::open(&path.0).unwrap_err();
    assert!(matches!(error, UnixLinkError::NotASocket { .. }), "{error}");
    assert_eq!(fs::read(&path.0).unwrap(), b"precious");
}

#[test]
fn errors_name_the_path_and_what_to_look_at() {
    let path = std::env::temp_dir().join("no-such-directory").join("link");
    let error = UnixLink::open(&path).unwrap_err().to_string();
    assert!(error.contains("no-such-directory") && error.contains("must exist"), "{error}");
    let error = UnixLink::connect(&path).unwrap_err().to_string();
    assert!(error.contains("is the other end running"), "{error}");
}

#[test]
fn a_broken_length_closes_the_link_and_is_counted() {
    let path = TestPath::new();
    let mut host = UnixLink::listen(&path.0).unwrap();
    for (bytes, broken) in [([0, 0, 0, 0], 1), ([0xff; 4], 2)] {
        let mut guest = UnixStream::connect(&path.0).unwrap();
        guest.write_all(&bytes).unwrap();
        assert_eq!(host.receive(Instant::ZERO), None);
        assert_eq!(host.stats().drops[DropReason::Framing], broken);
        assert_eq!(guest.read(&mut [0; 1]).unwrap(), 0, "closed");
    }
    let mut torn = UnixStream::connect(&path.0).unwrap();
    torn.write_all(&[0, 0, 0, 9, 1]).unwrap();
    drop(torn);
    assert_eq!(host.receive(Instant::ZERO), None);
    assert_eq!(host.stats().rx_errors, 1);
}

/// The queue is bounded: what does not fit is handed back, nothing is torn, and the writing goes
/// on when there is room again.
#[test]
fn a_slow_peer_fills_the_queue_and_loses_nothing_that_was_taken() {
    let (mut a, mut b) = UnixLink::pair().unwrap();
    assert!(a.set_mtu(9000) && b.set_mtu(9000));
    let big = |number: u32| {
        let mut packet = Packet::from_payload(&number.to_be_bytes());
        packet.append(&[number as u8; 8000]);
        packet
    };
    let mut taken = 0;
    while a.transmit(Instant::ZERO, big(taken)).is_ok() {
        taken += 1;
        assert!(taken < 1000, "the queue has no bound");
    }
    assert!(a.interest().unwrap().write);
    let mut seen = 0;
    loop {
        a.flush(Instant::ZERO);
        match b.receive(Instant::ZERO) {
            Some(packet) => {
                assert_eq!(packet, big(seen));
                seen += 1;
            }
            None if !a.interest().unwrap().write => break,
            None => {}
        }
    }
    assert_eq!(seen, taken);
    assert_eq!(a.stats().tx_packets, u64::from(taken));
}

#[test]
fn what_waits_for_a_peer_that_leaves_is_counted() {
    let (mut a, b) = UnixLink::pair().unwrap();
    a.transmit(Instant::ZERO, frame(1)).unwrap();
    drop(b);
    assert_eq!(a.receive(Instant::ZERO), None);
    assert_eq!(a.stats().drops[DropReason::NoPeer], 1);
    a.transmit(Instant::ZERO, frame(2)).unwrap();
    a.transmit(Instant::ZERO, Packet::from_payload(&[0; 1515])).unwrap();
    a.transmit(Instant::ZERO, Packet::from_payload(b"")).unwrap();
    let drops = a.stats().drops;
    assert_eq!(drops[DropReason::NoPeer], 2);
    assert_eq!((drops[DropReason::TooLong], drops[DropReason::Runt]), (1, 1));
    assert!(a.interest().is_none());
}
