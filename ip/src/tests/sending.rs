//! Ways out that only a [`Router`] has: several interfaces, several routes, copies to itself.

use netdev::{Cast, Checksum, Packet};

use super::bench::*;
use crate::{
    Cause, Change, Config, Error, Header, Hop, Input, Interface, Internet, Offload, Protocol,
    Router,
};

fn header(dst: &str) -> Header {
    Header::new(addr("0.0.0.0"), addr(dst), Protocol::UDP)
}

/// RFC 1812 §2.2.7: an unnumbered link; the source is an address of another interface.
#[test]
fn an_interface_without_an_address_borrows_one() {
    let mut ip = router();
    let bare = Interface { addrs: vec![], ..eth(crate::IfIndex(3), "10.0.3.1/24", 1500) };
    ip.configure(T0, Change::SetInterface(bare)).unwrap();
    let onlink =
        crate::RouteEntry { gateway: None, ..via("10.0.3.0/24", "10.0.3.9", crate::IfIndex(3)) };
    ip.configure(T0, Change::AddRoute(onlink)).unwrap();
    let route = ip.route(T0, addr("10.0.3.9"), None).unwrap();
    assert_eq!((route.iface, route.source), (crate::IfIndex(3), addr("10.0.0.1")));
}

/// A link without Ethernet has one other end: whatever the gateway's address, it is that.
#[test]
fn any_gateway_is_a_neighbour_on_a_bare_ip_link() {
    let mut ip = router();
    let tun = Interface { medium: netdev::Medium::Ip, ..eth(FAR, "10.8.0.1/32", 1400) };
    ip.configure(T0, Change::SetInterface(tun)).unwrap();
    ip.configure(T0, Change::AddRoute(via("192.0.2.0/24", "10.8.0.2", FAR))).unwrap();
    let route = ip.route(T0, addr("192.0.2.1"), None).unwrap();
    assert_eq!((route.iface, route.hop, route.mtu), (FAR, neighbour("10.8.0.2"), 1400));
}

#[test]
fn a_route_over_an_interface_that_is_down_gives_way() {
    let mut ip = router();
    let second = crate::RouteEntry { metric: 5, ..via("0.0.0.0/0", "10.0.1.254", FAR) };
    ip.configure(T0, Change::AddRoute(second)).unwrap();
    let hop = |ip: &Router| ip.route(T0, addr("192.0.2.1"), None).unwrap().hop;
    assert_eq!(hop(&ip), neighbour("10.0.0.254"));
    let down = Interface { up: false, ..eth(NEAR, "10.0.0.1/24", 1500) };
    ip.configure(T0, Change::SetInterface(down)).unwrap();
    assert_eq!(hop(&ip), neighbour("10.0.1.254"));
    ip.configure(T0, Change::RemoveInterface(FAR)).unwrap();
    assert_eq!(ip.route(T0, addr("192.0.2.1"), None), Err(Cause::NetworkUnreachable));
    assert!(ip.routes().iter().all(|route| route.iface != FAR), "its routes are gone with it");
}

/// Two interfaces on one network: a broadcast is one on either.
#[test]
fn a_broadcast_is_one_on_every_interface_of_its_network() {
    let mut ip = router();
    ip.configure(T0, Change::SetInterface(eth(FAR, "10.0.0.9/24", 1500))).unwrap();
    let input =
        ip.input(T0, FAR, Cast::Broadcast, Forge::to("10.0.0.255").packet(), &mut Below::default());
    assert!(matches!(input, Input::Deliver(_)), "{input:?}");
    let down = Interface { up: false, ..eth(NEAR, "10.0.0.1/24", 1500) };
    ip.configure(T0, Change::SetInterface(down)).unwrap();
    let route = ip.route(T0, addr("10.0.0.255"), None).unwrap();
    assert_eq!((route.iface, route.hop), (FAR, Hop::Broadcast));
}

/// Groups and broadcasts leave by the interface of the source, or as the table says.
#[test]
fn the_sender_of_a_group_datagram_chooses_the_interface() {
    let mut ip = router();
    for dst in ["255.255.255.255", "224.0.0.251"] {
        let by_source = ip.route(T0, addr(dst), Some(addr("10.0.1.1"))).unwrap();
        assert_eq!((by_source.iface, by_source.source), (FAR, addr("10.0.1.1")));
        let by_default = ip.route(T0, addr(dst), None).unwrap();
        assert_eq!((by_default.iface, by_default.source), (NEAR, addr("10.0.0.1")));
    }
    let onlink = crate::RouteEntry { gateway: None, ..via("224.0.0.0/4", "10.0.1.9", FAR) };
    ip.configure(T0, Change::AddRoute(onlink)).unwrap();
    let route = ip.route(T0, addr("224.0.0.251"), None).unwrap();
    assert_eq!((route.iface, route.hop), (FAR, Hop::Group(addr("224.0.0.251"))));
    assert_eq!(ip.route(T0, addr("10.0.1.255"), None).unwrap().hop, Hop::Broadcast);
}

/// RFC 1112 §7.1, RFC 919 §7: a member hears what it says, though no link brings it back.
#[test]
fn group_and_broadcast_datagrams_are_looped_back_to_members() {
    let mut ip = Router::new(Config::default(), 7);
    configured(&mut ip);
    ip.configure(T0, Change::Join(NEAR, addr("239.1.1.1"))).unwrap();
    for (dst, hears, cast) in [
        ("239.1.1.1", true, Cast::Multicast),
        ("239.1.1.2", false, Cast::Multicast),
        ("10.0.0.255", true, Cast::Broadcast),
        ("255.255.255.255", true, Cast::Broadcast),
    ] {
        let mut below = Below::default();
        ip.send(T0, &header(dst), Packet::from_payload(b"all"), &mut below).unwrap();
        let (copies, out): (Vec<_>, Vec<_>) = below.0.into_iter().partition(|out| out.0 == LO);
        assert_eq!((copies.len(), out.len()), (usize::from(hears), 1), "{dst}");
        for (_, _, copy) in copies {
            let (input, below) = arrive(&mut ip, LO, copy);
            let Input::Deliver(datagram) = input else { panic!("{dst}: {input:?}") };
            assert_eq!((datagram.cast, &datagram.payload[..]), (cast, &b"all"[..]));
            assert!(below.0.is_empty());
        }
    }
    assert_eq!(count(&ip, "group datagrams looped back"), 3);

    // What leaves by the loopback interface comes back without a copy.
    let inside = Header { src: addr("127.0.0.1"), ..header("224.0.0.1") };
    let mut below = Below::default();
    ip.send(T0, &inside, Packet::from_payload(b"all"), &mut below).unwrap();
    assert_eq!(below.one().0, LO);
}

/// A loopback link of 1,500 bytes makes fragments as any other does.
#[test]
fn a_small_loopback_mtu_makes_fragments_that_come_in_again() {
    let mut ip = router();
    ip.configure(T0, Change::SetInterface(Interface { mtu: 1500, ..lo() })).unwrap();
    let mut below = Below::default();
    let data: Vec<u8> = (0..65_000).map(|i| i as u8).collect();
    ip.send(T0, &header("127.0.0.1"), Packet::from_payload(&data), &mut below).unwrap();
    assert_eq!(below.0.len(), 44);
    let inputs = below.0.into_iter().map(|(_, _, part)| arrive(&mut ip, LO, part).0);
    let Some(Input::Deliver(datagram)) = inputs.last() else { panic!("not whole") };
    assert_eq!(datagram.payload[..], data[..]);
}

/// An address that is gone takes the routes by its network, and its use as a source, with it.
#[test]
fn a_changed_address_ends_what_hung_on_the_old_one() {
    let mut ip = router();
    let pinned = crate::RouteEntry {
        gateway: None,
        source: Some(addr("10.0.0.1")),
        ..via("198.51.100.0/24", "10.0.1.9", FAR)
    };
    ip.configure(T0, Change::AddRoute(pinned)).unwrap();
    ip.configure(T0, Change::SetInterface(eth(NEAR, "10.9.0.1/24", 1500))).unwrap();
    assert_eq!(ip.route(T0, addr("192.0.2.1"), None), Err(Cause::NetworkUnreachable));
    assert_eq!(ip.route(T0, addr("198.51.100.1"), None).unwrap().source, addr("10.0.1.1"));
    assert!(!ip.is_local(addr("10.0.0.1")));
    ip.configure(T0, Change::SetInterface(eth(NEAR, "10.0.0.1/24", 1500))).unwrap();
    assert_eq!(ip.route(T0, addr("192.0.2.1"), None).unwrap().hop, neighbour("10.0.0.254"));
}

/// What comes out of the loopback interface was sent by this host.
#[test]
fn a_foreign_source_from_the_loopback_interface_is_martian() {
    let mut ip = router();
    for (src, dst, good) in [
        ("10.0.1.1", "10.0.0.1", true),
        ("127.0.0.5", "127.0.0.1", true),
        ("10.0.0.2", "10.0.0.1", false),
        ("192.0.2.1", "127.0.0.1", false),
    ] {
        let (input, _) = arrive(&mut ip, LO, Forge::between(src, dst).packet());
        assert_eq!(matches!(input, Input::Deliver(_)), good, "{src} to {dst}: {input:?}");
    }
}

#[test]
fn offloads_of_the_interface_are_the_routes() {
    let offload = Offload { checksum: true, tcp_segmentation: 65_000, udp_segmentation: 0 };
    let mut ip = router();
    let interface = Interface { offload, ..eth(NEAR, "10.0.0.1/24", 1500) };
    ip.configure(T0, Change::SetInterface(interface)).unwrap();
    assert_eq!(ip.route(T0, addr("192.0.2.1"), None).unwrap().offload, offload);
    assert_eq!(ip.route(T0, addr("10.0.1.2"), None).unwrap().offload, Offload::default());

    let mut packet = Packet::from_payload(&[0; 20]);
    packet.set_checksum(Checksum::Partial { start: 0, offset: 6 });
    let mut below = Below::default();
    ip.send(T0, &header("10.0.0.2"), packet, &mut below).unwrap();
    let left = below.one().2.checksum();
    assert_eq!(left, Checksum::Partial { start: 20, offset: 6 }, "left to the interface");
}

#[test]
fn tables_that_are_configured_are_bounded() {
    let config = Config { max_routes: 3, max_interfaces: 3, max_groups: 1, ..Config::default() };
    let mut ip = Router::new(config, 7);
    configured(&mut ip);
    let mut add = |dst: &str| ip.configure(T0, Change::AddRoute(via(dst, "10.0.0.9", NEAR)));
    add("192.0.2.0/24").unwrap();
    add("198.51.100.0/24").unwrap();
    assert_eq!(add("203.0.113.0/24"), Err(Error::Full(3, "routes")));
    add("192.0.2.0/24").unwrap();
    ip.configure(T0, Change::Join(NEAR, addr("224.0.0.5"))).unwrap();
    ip.configure(T0, Change::Join(NEAR, addr("224.0.0.6"))).unwrap_err();
    ip.configure(T0, Change::SetInterface(eth(FAR, "10.0.1.1/24", 1500))).unwrap();
    let fourth = eth(crate::IfIndex(3), "10.0.3.1/24", 1500);
    assert_eq!(ip.configure(T0, Change::SetInterface(fourth)), Err(Error::Full(3, "interfaces")));
}
