//! RFC 1812 §5.

use netdev::{Cast, Checksum, Packet, Reason, Segmentation, checksum::Sum};
use proptest::prelude::*;

use super::bench::*;
use crate::{Cause, Change, Config, DropReason, Input, Internet, Report, Router};

fn report(input: Input) -> Report {
    let Input::Report(report) = input else { panic!("{input:?}") };
    report
}

/// From a neighbour on the near network to a host on the far one.
fn across() -> Forge {
    Forge::between("10.0.0.2", "10.0.1.2")
}

/// RFC 1812 §5.2.1, §5.3.1.
#[test]
fn a_datagram_for_another_host_goes_on_with_its_ttl_less_one() {
    let mut ip = router();
    let forge = Forge { ttl: 2, tos: 0x2e, options: vec![148, 4, 0, 0], ..across() };
    let (input, mut below) = arrive(&mut ip, NEAR, forge.packet());
    assert!(matches!(input, Input::Consumed), "{input:?}");
    let (iface, hop, packet) = below.one();
    assert_eq!((iface, hop), (FAR, neighbour("10.0.1.2")));
    assert_eq!(packet[..], Forge { ttl: 1, ..forge }.bytes()[..], "nothing else changed");
    assert_eq!(count(&ip, "datagrams forwarded"), 1);
}

/// RFC 1812 §5.3.1, §4.3.3.4.
#[test]
fn a_ttl_of_one_ends_here_and_zero_too() {
    for ttl in [0, 1] {
        let mut ip = router();
        let forge = Forge { ttl, ..across() };
        let (input, below) = arrive(&mut ip, NEAR, forge.packet());
        let report = report(input);
        assert_eq!((report.cause, report.cast), (Cause::TtlExceeded, Cast::Unicast));
        assert_eq!(report.packet[..], forge.bytes()[..], "as it came");
        assert!(below.0.is_empty());
        assert_eq!(count(&ip, DropReason::TtlExceeded.text()), 1);
    }
    // What is for this host has arrived, whatever is left.
    let forge = Forge { ttl: 1, ..Forge::default() };
    let (input, _) = arrive(&mut router(), NEAR, forge.packet());
    assert!(matches!(input, Input::Deliver(_)));
}

/// RFC 1812 §5.2.7.1.
#[test]
fn without_a_route_the_network_is_unreachable() {
    let mut ip = router();
    let dst = cidr("0.0.0.0/0");
    ip.configure(T0, Change::RemoveRoute { dst, gateway: None, metric: None }).unwrap();
    let forge = Forge::to("192.0.2.1");
    let (input, _) = arrive(&mut ip, NEAR, forge.packet());
    let report = report(input);
    assert_eq!(report.cause, Cause::NetworkUnreachable);
    assert_eq!(report.packet[..], forge.bytes()[..]);
    assert_eq!(count(&ip, DropReason::NoRoute.text()), 1);
}

/// RFC 1122 §3.3.1: a host does not forward unless it was told to.
#[test]
fn forwarding_is_off_until_it_is_asked_for() {
    let mut ip = Router::new(Config::default(), 7);
    configured(&mut ip);
    let packet = Forge::to("192.0.2.1").packet();
    let (input, _) = arrive(&mut ip, NEAR, packet.clone());
    assert!(matches!(input, Input::Dropped(DropReason::NotForUs)));
    ip.configure(T0, Change::Forwarding(true)).unwrap();
    let (input, below) = arrive(&mut ip, NEAR, packet);
    assert!(matches!(input, Input::Report(_)), "by the same interface: a redirect");
    assert_eq!(below.0.len(), 1);
}

/// RFC 1191 §4: the error carries the MTU of the next hop.
#[test]
fn dont_fragment_and_too_long_is_refused_with_the_mtu() {
    let mut ip = router();
    let forge = Forge { df: true, payload: vec![0; 581], ..across() };
    let (input, below) = arrive(&mut ip, NEAR, forge.packet());
    let report = report(input);
    assert_eq!(report.cause, Cause::FragmentationNeeded { mtu: 600 });
    assert_eq!(report.packet[..], forge.bytes()[..]);
    assert!(below.0.is_empty());
    assert_eq!(count(&ip, DropReason::FragmentationNeeded.text()), 1);

    let fits = Forge { df: true, payload: vec![0; 580], ..across() };
    let (input, below) = arrive(&mut ip, NEAR, fits.packet());
    assert!(matches!(input, Input::Consumed) && below.0.len() == 1);
}

/// RFC 791 §3.2: offset and "more fragments" of a fragment hold for the datagram it came from.
#[test]
fn defect_fragmenting_a_fragment_keeps_its_offset() {
    let whole: Vec<u8> = (0..4000).map(|i| i as u8).collect();
    let middle = Forge { dst: v4("10.0.1.2"), ..Forge::fragment(&whole, 1480, 2960) };
    let last = Forge { dst: v4("10.0.1.2"), ..Forge::fragment(&whole, 2960, 4000) };
    let mut ip = router();
    let mut parts = Vec::new();
    for forge in [middle, last] {
        let (input, below) = arrive(&mut ip, NEAR, forge.packet());
        assert!(matches!(input, Input::Consumed));
        parts.extend(below.0.into_iter().map(|(_, _, packet)| see(&packet)));
    }
    let shape: Vec<_> = parts.iter().map(|p| (p.offset, p.payload.len(), p.mf)).collect();
    assert_eq!(
        shape,
        [
            (1480, 576, true),
            (2056, 576, true),
            (2632, 328, true),
            (2960, 576, true),
            (3536, 464, false)
        ]
    );
    for part in parts {
        assert_eq!((part.id, part.ttl), (0x1234, 63));
        assert_eq!(part.payload[..], whole[part.offset..part.offset + part.payload.len()]);
    }
}

/// RFC 1812 §5.2.7.2: it is forwarded, and its source learns the shorter way.
#[test]
fn a_detour_is_forwarded_and_reported() {
    // The gateway of a third network is on the source's own.
    let mut ip = router();
    let forge = Forge::to("192.0.2.1");
    let (input, mut below) = arrive(&mut ip, NEAR, forge.packet());
    let report = report(input);
    let gateway = addr("10.0.0.254");
    assert_eq!(report.cause, Cause::Redirect { gateway, host: true });
    assert_eq!(report.packet[..], forge.bytes()[..], "as it came, not as it went on");
    let (iface, hop, packet) = below.one();
    assert_eq!((iface, hop), (NEAR, neighbour("10.0.0.254")));
    assert_eq!(see(&packet).ttl, 63);

    // A host on the source's own network.
    let (input, _) = arrive(&mut ip, NEAR, Forge::to("10.0.0.3").packet());
    let gateway = addr("10.0.0.3");
    assert_eq!(self::report(input).cause, Cause::Redirect { gateway, host: true });
}

#[test]
fn no_redirect_for_a_source_that_is_no_neighbour_of_the_better_hop() {
    let mut ip = router();
    let (input, below) = arrive(&mut ip, NEAR, Forge::between("203.0.113.5", "192.0.2.1").packet());
    assert!(matches!(input, Input::Consumed), "from behind a router: {input:?}");
    assert_eq!(below.0.len(), 1);
    let (input, _) = arrive(&mut ip, FAR, Forge::between("10.0.1.2", "192.0.2.1").packet());
    assert!(matches!(input, Input::Consumed), "out of another interface: {input:?}");
    let behind_far = crate::RouteEntry { gateway: None, ..via("10.0.0.200/32", "10.0.1.9", FAR) };
    ip.configure(T0, Change::AddRoute(behind_far)).unwrap();
    let (input, _) = arrive(&mut ip, NEAR, Forge::to("10.0.0.200").packet());
    assert!(matches!(input, Input::Consumed), "though the address looks near: {input:?}");
    let (input, _) = arrive(&mut ip, NEAR, Forge::between("10.0.0.254", "192.0.2.1").packet());
    assert!(matches!(input, Input::Consumed), "not to itself: {input:?}");
}

/// RFC 1812 §5.3.4, §5.3.5, §5.3.7; RFC 2644.
#[test]
fn groups_broadcasts_and_martians_are_never_forwarded() {
    let mut ip = router();
    ip.configure(T0, Change::AddRoute(via("224.0.0.0/4", "10.0.1.254", FAR))).unwrap();
    let cases = [
        (Forge::to("239.1.2.3"), Cast::Multicast, DropReason::NotMember),
        (Forge::to("239.1.2.3"), Cast::Unicast, DropReason::NotMember),
        (Forge::to("10.0.1.255"), Cast::Unicast, DropReason::NotForUs),
        (Forge::to("127.0.0.1"), Cast::Unicast, DropReason::BadDestination),
        (across(), Cast::Broadcast, DropReason::BroadcastFrame),
        (across(), Cast::Multicast, DropReason::BroadcastFrame),
        (Forge::between("127.0.0.1", "10.0.1.2"), Cast::Unicast, DropReason::Martian),
        (Forge::between("10.0.1.255", "10.0.1.2"), Cast::Unicast, DropReason::Martian),
        (Forge::between("0.0.0.0", "10.0.1.2"), Cast::Unicast, DropReason::Martian),
    ];
    for (forge, cast, expected) in cases {
        let mut below = Below::default();
        let input = ip.input(T0, NEAR, cast, forge.packet(), &mut below);
        let what = format!("{} to {} in a {cast:?} frame", forge.src, forge.dst);
        assert!(matches!(input, Input::Dropped(reason) if reason == expected), "{what}: {input:?}");
        assert!(below.0.is_empty(), "{what}");
    }
}

fn tcp(len: usize, df: bool, size: u16) -> Packet {
    let mut payload = vec![0; 20 + len];
    payload[12] = 5 << 4;
    let mut packet = Forge { protocol: 6, df, payload, ..across() }.packet();
    packet.set_segmentation(Segmentation::Tcp4 { size });
    packet.set_checksum(Checksum::Partial { start: 20, offset: 16 });
    packet
}

/// What counts is the length of the segments, and they leave as they came.
#[test]
fn a_packet_to_be_segmented_is_forwarded_whole() {
    let mut ip = router();
    let (_, mut below) = arrive(&mut ip, NEAR, tcp(60_000, true, 560));
    let (_, _, packet) = below.one();
    assert_eq!((see(&packet).ttl, packet.len()), (63, 60_040));
    assert_eq!(packet.segmentation(), Segmentation::Tcp4 { size: 560 });
    assert_eq!(packet.checksum(), Checksum::Partial { start: 20, offset: 16 });

    let (input, below) = arrive(&mut ip, NEAR, tcp(60_000, true, 561));
    assert_eq!(report(input).cause, Cause::FragmentationNeeded { mtu: 600 });
    assert!(below.0.is_empty());

    // Where segments may be cut, shorter ones are made.
    let (_, mut below) = arrive(&mut ip, NEAR, tcp(60_000, false, 1460));
    assert_eq!(below.one().2.segmentation(), Segmentation::Tcp4 { size: 560 });
    // One that is no longer than a segment is measured as it is.
    let (_, mut below) = arrive(&mut ip, NEAR, tcp(100, true, 1460));
    assert_eq!(below.one().2.segmentation(), Segmentation::Tcp4 { size: 1460 });
}

/// The sum is over the whole payload, so it is filled in before that is cut.
#[test]
fn a_partial_checksum_is_completed_before_the_payload_is_cut() {
    let mut payload: Vec<u8> = (0..1000).map(|i| i as u8).collect();
    payload[6..8].copy_from_slice(&0x1234_u16.to_be_bytes());
    let mut packet = Forge { payload: payload.clone(), ..across() }.packet();
    packet.set_checksum(Checksum::Partial { start: 20, offset: 6 });
    let (_, below) = arrive(&mut router(), NEAR, packet);
    let out: Vec<u8> = below.0.iter().flat_map(|(_, _, packet)| see(packet).payload).collect();
    assert_eq!(out.len(), 1000);
    assert_eq!(out[6..8], Sum::default().bytes(&payload).finish().to_be_bytes());
}

proptest! {
    /// RFC 1624: the checksum that was updated is the one that a new sum gives.
    #[test]
    fn the_updated_checksum_is_right(id: u16, ttl in 2u8.., tos: u8, len in 0usize..40) {
        let forge = Forge { id, ttl, tos, payload: vec![0; len], ..across() };
        let (_, mut below) = arrive(&mut router(), NEAR, forge.packet());
        // `see` sums again.
        prop_assert_eq!(see(&below.one().2).ttl, ttl - 1);
    }
}
