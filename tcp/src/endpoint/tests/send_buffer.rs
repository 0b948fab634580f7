//! What a send buffer takes, when it wakes a writer, and when it grows.

use ip::{Readiness, SocketError};

use super::*;
use crate::Sizes;

/// SO_SNDBUF as on Linux: twice what was asked for, with 1280 bytes of book-keeping for each burst;
/// a burst that was begun is filled up, and a third of the room wakes the writer.
#[test]
fn a_send_buffer_counts_bursts_and_wakes_at_a_third() {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 8);
    script.inject(seg("S").seq(0).mss(1000));
    script.expect(seg("SA"));
    script.wait(100 * MS);
    script.inject(seg("A").win(20_000));
    let (socket, _) = script.host.accept(listener).unwrap();
    script.host.set(socket, Setting::SendBuffer(15_000)).unwrap();
    // A burst waits as half of the window and goes out in two segments: 10,000 bytes in flight are
    // 16,400, and 10,000 more that wait 27,680, so that a third is begun.
    assert_eq!(script.host.send(socket, &[7; 60_000]), Ok(30_000));
    assert_eq!(script.host.send(socket, &[7; 10]), Err(SocketError::WouldBlock));
    assert_eq!(script.drain().len(), 10);
    // Twelve segments in flight are 19,680.
    let writable = |script: &Script| script.host.readiness(socket).contains(Readiness::WRITABLE);
    for (acked, roomy) in [(10_000, false), (17_000, false), (18_000, true)] {
        script.inject(seg("A").ack(1 + acked).win(20_000));
        script.drain();
        assert_eq!(writable(&script), roomy, "{acked} bytes acknowledged");
    }
}

/// A burst that was begun is filled up, and no further than that.
#[test]
fn a_burst_takes_what_it_has_room_for() {
    let mut script = script(Config::default());
    let listener = script.host.listen(80, 8);
    script.inject(seg("S").seq(0).mss(1000));
    script.expect(seg("SA"));
    script.inject(seg("A").win(20_000));
    let (socket, _) = script.host.accept(listener).unwrap();
    script.host.set(socket, Setting::SendBuffer(15_000)).unwrap();
    // Bursts of 10,000: one is in flight, 4000 wait. They are filled up with 6000, and with one
    // burst more the sum is above the limit.
    assert_eq!(script.host.send(socket, &[7; 14_000]), Ok(14_000));
    assert_eq!(script.drain().len(), 10);
    assert_eq!(script.host.send(socket, &[7; 60_000]), Ok(16_000));
}

/// A send buffer grows with the congestion window while it is what holds the sender back, and not
/// where its size was set, where the peer's window holds it back, or where memory is short.
#[test]
fn a_send_buffer_grows_only_where_it_is_what_is_missing() {
    // As much as two initial windows take with their book-keeping, and a little more.
    let limit = 32 << 10;
    let buffer = Sizes { default: limit, ..Config::default().send_buffer };
    let config = Config { send_buffer: buffer, ..Config::default() };
    for (fixed, memory, window, grows) in [
        (false, config.memory, 65_535, true),
        (true, config.memory, 65_535, false),
        (false, 88_000, 65_535, false),
        (false, config.memory, 12_000, false),
    ] {
        let mut script = script(Config { memory, ..config.clone() });
        script.accept_one(80);
        if fixed {
            script.host.set(script.current(), Setting::SendBuffer(limit)).unwrap();
        }
        // Nobody reads these. With what is sent they are more than three quarters of 88,000 bytes.
        (0..22).for_each(|_| _ = script.inject(seg("A").len(1460).win(window)));
        script.send(&[7; 15_840]);
        for place in 1..=3 {
            script.send(&[7; 2920]);
            script.drain();
            script.inject(seg("A").ack(1 + place * 2920).win(window));
        }
        assert!(script.info().unwrap().cwnd > 10);
        let size = script.host.tcp.settings(script.current()).unwrap().send_buffer;
        assert_eq!(size > limit, grows, "{fixed} {memory} {window}: {size}");
    }
}
