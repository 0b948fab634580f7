//! Timestamps, and the options that come back: RFC 792, RFC 1122 §3.2.2.6 and §3.2.2.8.

use ip::Options;
use netdev::Cast;

use super::*;
use crate::DropReason;

const REQUEST: [u8; 20] = [13, 0, 0, 0, 0, 7, 0, 9, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn a_timestamp_reply_says_when_and_that_it_is_not_midnights_time() {
    let mut bench = Bench::icmp();
    bench.now = Instant::from_millis(0x12_3456);
    assert_eq!(bench.input(message(PEER, ME, &REQUEST)), Input::Consumed);
    let (header, bytes) = bench.sent();
    assert_eq!((header.src, header.dst), (ME.into(), PEER.into()));
    assert_eq!(bytes.len(), 20);
    assert_eq!((bytes[0], bytes[1]), (14, 0));
    assert_eq!(bytes[4..12], REQUEST[4..12], "identifier, sequence number, originate timestamp");
    let when = [0x80, 0x12, 0x34, 0x56];
    assert_eq!((&bytes[12..16], &bytes[16..20]), (&when[..], &when[..]));
    assert!(Sum::default().bytes(&bytes).is_valid());
    assert_eq!(bench.count("timestamp requests received"), 1);
    assert_eq!(bench.count("timestamp replies sent"), 1);
}

/// RFC 1122 §3.2.2.8: a host may discard one to everybody; and one cut short names no time.
#[test]
fn a_timestamp_request_to_a_group_or_cut_short_is_not_answered() {
    let mut bench = Bench::icmp();
    let mut group = message(PEER, Ipv4Addr::BROADCAST, &REQUEST);
    group.cast = Cast::Broadcast;
    assert_eq!(bench.input(group), Input::Dropped(DropReason::GroupEcho));
    let cut = message(PEER, ME, &REQUEST[..19]);
    assert_eq!(bench.input(cut), Input::Dropped(DropReason::Truncated));
    // A code that nobody knows is no reason to look behind the end.
    let cut = message(PEER, ME, &[13, 1, 0, 0, 0, 7, 0, 9]);
    assert_eq!(bench.input(cut), Input::Dropped(DropReason::Truncated));
    assert!(bench.below.sent.is_empty());
}

/// RFC 792: "the high order bit of the timestamp" is set, whatever the time has there.
#[test]
fn a_time_that_is_not_midnights_is_marked_after_25_days_as_well() {
    let mut bench = Bench::icmp();
    bench.now = Instant::from_millis(0x8000_0001);
    assert_eq!(bench.input(message(PEER, ME, &REQUEST)), Input::Consumed);
    assert_eq!(bench.sent().1[12..16], [0x80, 0, 0, 1]);
}

/// RFC 1122 §3.2.2.6: with this host in the route, and without the options that record nothing.
#[test]
fn what_records_the_way_comes_back_and_nothing_else() {
    for (came, goes) in [
        (
            &[148, 4, 0, 0, 7, 11, 8, 9, 9, 9, 9, 0, 0, 0, 0][..],
            &[7, 11, 12, 9, 9, 9, 9, 10, 0, 0, 1, 0][..],
        ),
        (&[7, 7, 8, 9, 9, 9, 9], &[7, 7, 8, 9, 9, 9, 9, 0]),
        (&[1, 68, 8, 9, 0, 1, 2, 3, 4], &[68, 8, 9, 0, 1, 2, 3, 4]),
        (&[0, 7, 7, 4, 0, 0, 0, 0], &[]),
        (&[148, 4, 0, 0], &[]),
        (&[7, 0, 4, 0], &[]),
        (&[148, 4, 0, 0, 68], &[]),
    ] {
        let mut bench = Bench::icmp();
        let mut echo = message(PEER, ME, &[8, 0, 0, 0, 0, 1, 0, 1]);
        echo.header.options = Options::from_wire(came).unwrap();
        assert_eq!(bench.input(echo), Input::Consumed);
        assert_eq!(bench.sent().0.options.as_wire(), goes, "{came:?}");
    }
}
