//! Windows, acknowledgments, and when to send: RFC 9293 §3.7, §3.8.

use std::time::Duration;

use ip::{Offload, Readiness, SocketError};
use tcp::testing::{Pair, Script, Side, World, pattern, seg};
use tcp::{Flags, Setting};

use crate::New;

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn both_ways_at_once(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let pair = world.connect_pair(80);
    world.exchange(pair, &pattern(0, 2_000_000), &pattern(77, 1_500_000));
    assert!(world.sent(Side::A).all(|seg| !seg.flags.contains(Flags::RST)));
}

/// The hosts may leave checksums and segmentation to the device, and receive packets that stand
/// for many.
pub(crate) fn through_offload(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let offload = Offload { checksum: true, tcp_segmentation: 65_000, udp_segmentation: 0 };
    (world.a.out.offload, world.b.out.offload) = (offload, offload);
    let pair = world.connect_pair(80);
    world.exchange(pair, &pattern(0, 1_000_000), &pattern(77, 1_000_000));
}

pub(crate) fn r02_sending_into_a_shut_window_waits_for_it_to_open(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.inject(seg("A").win(0));
    script.send(b"waits");
    script.expect_nothing();
    // §3.8.6.1: the first probe after a retransmission timeout, then ever more slowly.
    let mut waits = Vec::new();
    for _ in 0..3 {
        let before = script.now();
        let probe = script.expect_within(Duration::from_secs(20), seg("A").any_data());
        assert!(probe.payload_len() <= 1, "a probe is a byte at most: {probe}");
        waits.push(script.now() - before);
        script.inject(seg("A").ack(1).win(0));
    }
    assert!(waits[2] > waits[0], "{waits:?}");
    script.drain();
    script.inject(seg("A").ack(1).win(1000));
    script.expect_within(SECOND, seg("PA").seq(1).data(b"waits"));
    script.inject(seg("A"));

    // And between two of a kind.
    let mut world = World::new(1, new(1), new(2));
    let pair = world.connect_pair(80);
    let filled = fill(&mut world, pair);
    world.drive_for(Duration::from_secs(300));
    let sent = world.sent(Side::A).count();
    world.drive_for(Duration::from_secs(60));
    assert!(world.sent(Side::A).count() - sent < 30, "probes come slowly");
    drain(&mut world, pair, filled);
}

/// A sends a pattern, which B does not read, until the window is shut; so many bytes were taken.
fn fill(world: &mut World, pair: Pair) -> usize {
    let mut sent = 0;
    let full = world.drive_until(|world| {
        while let Ok(bytes) = world.a.send(pair.a, &pattern(sent, 10_000)) {
            sent += bytes;
            assert!(sent < 100_000_000, "everything is taken");
        }
        world.b.info(pair.b).unwrap().rcv_wnd < 1460
    });
    assert!(full, "the window never shut");
    sent
}

/// B reads all of it, and more, which A sends meanwhile.
fn drain(world: &mut World, pair: Pair, mut sent: usize) {
    let whole = sent + 300_000;
    let mut received = 0;
    let done = world.drive_until(|world| {
        let (some, _) = world.b.receive_all(pair.b).unwrap();
        assert!(some == pattern(received, some.len()), "wrong bytes at {received}");
        received += some.len();
        while sent < whole {
            match world.a.send(pair.a, &pattern(sent, (whole - sent).min(10_000))) {
                Ok(bytes) => sent += bytes,
                Err(SocketError::WouldBlock) => break,
                Err(error) => panic!("send: {error}"),
            }
        }
        received == whole
    });
    assert!(done, "{received} bytes of {whole}");
}

/// Sends into the window until it is shut; so many bytes.
fn shut(script: &mut Script) -> usize {
    let mut sent = 0;
    loop {
        let window = script.info().unwrap().rcv_wnd as usize;
        if window == 0 {
            break;
        }
        let len = window.min(1460);
        script.inject(seg("A").len(len));
        sent += len;
        assert!(sent < 100_000_000, "the window never shuts");
    }
    script.wait(SECOND);
    let last = script.drain().pop().expect("an ACK");
    assert_eq!((last.ack, last.window), (Some(1 + sent as u32), Some(0)));
    sent
}

/// §3.8.6.2.2 and RFC 1122 §4.2.3.3.
pub(crate) fn r11_a_full_window_that_drains_is_announced(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    let sent = shut(&mut script);
    let received = script.receive();
    assert_eq!(received.len(), sent);
    let updates = script.drain();
    let last = updates.last().expect("a window update at once");
    assert!(last.flags == Flags::ACK && last.window > Some(8 * 1460), "{last}");
    assert!(updates.len() < 200, "{} updates for one drain", updates.len());
}

/// §3.8.6.1, MUST-37.
pub(crate) fn a_shut_window_is_probed_for_as_long_as_it_is_answered(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let pair = world.connect_pair(80);
    let filled = fill(&mut world, pair);
    world.drive_for(Duration::from_secs(6 * 3600));
    assert_eq!(world.a.take_error(pair.a), None);
    drain(&mut world, pair, filled);
}

pub(crate) fn a_lost_window_update_is_survived(new: New) {
    let mut world = World::new(1, new(1), new(2));
    let pair = world.connect_pair(80);
    let filled = fill(&mut world, pair);
    world.drive_for(SECOND);
    world.lose_next(|from, _| from == Side::B);
    drain(&mut world, pair, filled);
}

pub(crate) fn r17_data_without_psh_reaches_the_reader(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.host.take_woken();
    script.inject(seg("A").data(b"no push"));
    assert!(script.host.take_woken().contains(&script.current()));
    assert!(script.host.readiness(script.current()).contains(Readiness::READABLE));
    assert_eq!(script.receive(), b"no push");
}

pub(crate) fn r05_pure_acks_are_not_answered(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.inject(seg("PA").data(b"x"));
    script.expect_within(SECOND, seg("A").ack(2));
    for window in 1000..1020 {
        script.inject(seg("A").win(window));
    }
    script.expect_quiet(2 * SECOND);
}

/// §3.8.6.3, MUST-40.
pub(crate) fn an_ack_is_delayed_half_a_second_at_most(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    for at in 0..30 {
        script.inject(seg("A").data(b"x"));
        script.expect_within(Duration::from_millis(499), seg("A").ack(2 + at));
    }
}

/// §3.8.6.3, MUST-58 (SHLD-19).
pub(crate) fn every_second_segment_is_acknowledged_at_once(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    for pair in 0..10 {
        script.inject(seg("A").len(1460));
        script.drain();
        script.inject(seg("A").len(1460));
        let acks = script.drain();
        let last = acks.last().map(|ack| ack.ack);
        assert_eq!(last, Some(Some(1 + 2920 * (pair + 1))), "after {} segments", 2 * pair + 2);
        script.receive();
        script.drain();
    }
}

pub(crate) fn defect_the_send_window_counts_what_is_in_flight(new: New) {
    let mut script = Script::new(new(1));
    script.peer_window = 3000;
    script.accept_one(80);
    script.send(&[7; 10_000]);
    let mut in_flight: u32 = script.drain().iter().map(|seg| seg.seq_len()).sum();
    assert!((2920..=3000).contains(&in_flight), "{in_flight} bytes into a window of 3000");
    // An ACK of 1460 that leaves the window as it is makes room for as much.
    script.inject(seg("A").ack(1461).win(3000));
    in_flight += script.drain().iter().map(|seg| seg.seq_len()).sum::<u32>();
    assert!((4380..=4460).contains(&in_flight), "{in_flight} bytes up to 4460");
    // One that takes the window back by as much makes none.
    script.inject(seg("A").ack(1461).win(1540));
    script.expect_nothing();
}

/// §3.8.6.2.2: the receiver's side.
pub(crate) fn silly_windows_are_not_announced(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    shut(&mut script);
    let socket = script.current();
    for _ in 0..100 {
        assert_eq!(script.host.receive(socket, 100).map(|bytes| bytes.len()), Ok(100));
        script.inject(seg("A").len(1));
        for ack in script.drain() {
            let window = ack.window.unwrap();
            assert!(window == 0 || window >= 1459, "{window} bytes are no window to speak of");
        }
    }
}

/// §3.8.6.2.1: the sender's side. What the window would take is neither a full segment nor half
/// of the largest window: it waits, but not for ever.
pub(crate) fn silly_windows_are_not_filled(new: New) {
    let mut script = Script::new(new(1));
    script.peer_window = 10_000;
    script.accept_one(80);
    script.send(&[7; 20_000]);
    let sent: usize = script.drain().iter().map(|seg| seg.payload_len()).sum();
    script.inject(seg("A").ack(1 + sent as u32).win(100));
    script.expect_nothing();
    let sent = script.expect_within(Duration::from_secs(60), seg("A").any_data());
    assert!((1..=100).contains(&sent.payload_len()), "{sent}");
}

/// §3.7.4.
pub(crate) fn small_writes_wait_for_the_ack_of_the_first(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    script.send(b"a");
    script.expect(seg("PA").seq(1).data(b"a"));
    script.send(b"b");
    script.send(b"c");
    script.expect_nothing();
    script.inject(seg("A"));
    script.expect(seg("PA").seq(2).data(b"bc"));
}

/// §3.7.4, MUST-17.
pub(crate) fn no_delay_sends_them_at_once(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    let socket = script.current();
    script.host.set(socket, Setting::NoDelay(true)).unwrap();
    assert!(script.host.tcp.settings(socket).unwrap().no_delay);
    script.send(b"a");
    script.expect(seg("PA").seq(1).data(b"a"));
    script.send(b"b");
    script.expect(seg("PA").seq(2).data(b"b"));
}

/// SND.WND counts from SND.UNA: an ACK that moves the one has to bring the other along, though the
/// segment that it stands on is an old one, and §3.10.7.4's WL1 rule would ignore its window.
pub(crate) fn the_ack_on_an_old_segment_does_not_widen_the_window(new: New) {
    let mut script = Script::new(new(1));
    script.peer_window = 3000;
    script.accept_one(80);
    script.send(&[7; 10_000]);
    script.drain();
    // The peer's first hundred bytes are lost, and come again with the later ACK.
    script.inject(seg("A").seq(101).ack(1461).win(1540));
    script.inject(seg("A").seq(1).len(100).ack(2921).win(80));
    script.wait(Duration::from_millis(100));
    for sent in script.drain() {
        let end = sent.seq.unwrap() + sent.seq_len();
        assert!(end <= 3001, "{sent} goes beyond the window's edge at 3001");
    }
}

/// §3.10.7.4, first: "special allowance should be made to accept valid ACKs".
pub(crate) fn an_ack_counts_while_the_window_is_shut(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    let next = 1 + shut(&mut script) as u32;
    script.send(b"x");
    script.expect(seg("PA").seq(1).data(b"x"));
    // The peer has sent a byte to probe the window, and counts it as sent.
    script.inject(seg("A").seq(next + 1).ack(2));
    assert_eq!(script.info().unwrap().send_queue, 0);
}

/// §3.8.6, SHLD-14.
pub(crate) fn the_right_edge_never_moves_back(new: New) {
    let mut script = Script::new(new(1));
    script.accept_one(80);
    let mut edge = 0;
    for step in 0..200 {
        script.inject(seg("A").len(1 + step * 7 % 1460));
        if step % 5 == 0 {
            let socket = script.current();
            script.host.receive(socket, 900).unwrap();
        }
        if step == 100 {
            let socket = script.current();
            let _ = script.host.set(socket, Setting::ReceiveBuffer(4096));
        }
        script.wait(Duration::from_millis(50));
        for ack in script.drain() {
            let right = ack.ack.unwrap() + u32::from(ack.window.unwrap());
            assert!(right >= edge, "the right edge went from {edge} to {right}");
            edge = right;
        }
    }
}
