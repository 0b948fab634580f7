//! Against the kernel, in a namespace: see `namespace::testing`.

use std::net::UdpSocket;
use std::time::Duration;

use super::*;
use crate::linux::exchange::{self, NOW};
use crate::linux::namespace::{KernelEnd, make_veth};
use crate::linux::netlink;
use crate::{DropReason, MacAddr, Packet};

const CAP_NET_RAW: u32 = 13;

#[test]
fn datagrams_pass_with_their_checksums_left_out() {
    if !crate::in_namespace!() {
        return;
    }
    let (mut socket, kernel) = make_veth(&exchange::config(true)).unwrap();
    exchange::datagrams(&mut socket, &kernel);
}

#[test]
fn datagrams_pass_whole_without_the_offload_header() {
    if !crate::in_namespace!() {
        return;
    }
    let (mut socket, kernel) = make_veth(&exchange::config(false)).unwrap();
    exchange::datagrams(&mut socket, &kernel);
}

#[test]
fn tcp_passes_in_pieces_larger_than_the_mtu() {
    if !crate::in_namespace!() {
        return;
    }
    let (mut socket, kernel) = make_veth(&exchange::config(true)).unwrap();
    exchange::segments(&mut socket, &kernel);
}

#[test]
fn udp_passes_many_datagrams_in_one_piece() {
    if !crate::in_namespace!() {
        return;
    }
    let (mut device, kernel) = make_veth(&exchange::config(true)).unwrap();
    exchange::udp_segments(&mut device, &kernel);
}

#[test]
fn the_mtu_of_both_ends_changes() {
    if !crate::in_namespace!() {
        return;
    }
    let (mut socket, kernel) = make_veth(&exchange::config(true)).unwrap();
    exchange::larger_mtu(&mut socket, &kernel);
}

#[test]
fn the_interface_is_deleted_under_us() {
    if !crate::in_namespace!() {
        return;
    }
    let (mut socket, kernel) = make_veth(&exchange::config(true)).unwrap();
    let control = sys::control_socket().unwrap();
    let route = sys::route_socket().unwrap();
    netlink::delete(&route, sys::index(control.as_fd(), "tap0").unwrap()).unwrap();
    exchange::deleted(&mut socket, &kernel);
}

/// The interface itself, not the far end, is what a packet socket notices.
#[test]
fn the_interface_goes_down_and_up() {
    if !crate::in_namespace!() {
        return;
    }
    let (mut socket, kernel) = make_veth(&exchange::config(true)).unwrap();
    let near = socket.frames.file().try_clone().unwrap();
    exchange::down_and_up(&mut socket, &kernel, |up| {
        let (on, off) = if up { (libc::IFF_UP, 0) } else { (0, libc::IFF_UP) };
        sys::set_flags(near.as_fd(), "tap0", on, off).unwrap();
    });
}

/// The kernel sees what arrives at the stack's end too, and must not say a word about it.
#[test]
fn the_stacks_end_answers_nothing_by_itself() {
    if !crate::in_namespace!() {
        return;
    }
    let (mut socket, kernel) = make_veth(&exchange::config(true)).unwrap();
    let udp = UdpSocket::bind((exchange::KERNEL, 0)).unwrap();
    udp.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    udp.connect((exchange::STACK, 9)).unwrap();
    udp.send(b"resolve me").unwrap();
    assert!(udp.recv(&mut [0; 10]).is_err());
    assert_eq!(KernelEnd::of("tap0").unwrap().stats.rx_packets, 0, "nobody answers ARP");
    exchange::send(&mut socket, exchange::arp_reply(kernel.mac));
    udp.send(b"answer me").unwrap();
    let error = udp.recv(&mut [0; 10]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "no ICMP error came");
    assert_eq!(KernelEnd::of("tap0").unwrap().stats.rx_packets, 1, "our ARP reply");
}

/// On an interface that the kernel sends from, a packet socket would hear all of that too.
#[test]
fn what_leaves_by_the_interface_is_not_received() {
    if !crate::in_namespace!() {
        return;
    }
    let (mut socket, kernel) = make_veth(&exchange::config(true)).unwrap();
    let mut kernels_end = PacketSocket::open("tap0", PacketOptions::default()).unwrap();
    exchange::resolve(&mut socket, &kernel);
    exchange::receive(&mut kernels_end, |frame| {
        assert_ne!(frame[6..12], kernel.mac.0, "a frame that the kernel sent");
        (frame[6..12] == exchange::MAC.0).then_some(())
    });
    assert!(kernels_end.receive(NOW).is_none());
}

/// A cable passes every frame anyhow; a card only does when the kernel has told it to.
#[test]
fn a_card_is_told_to_pass_frames_for_other_addresses_as_long_as_it_is_open() {
    if !crate::in_namespace!() {
        return;
    }
    let _cable = make_veth(&exchange::config(false)).unwrap();
    let is_promiscuous = || {
        let shown = std::process::Command::new("ip").args(["-d", "link", "show", "tap0"]).output();
        let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
        assert!(shown.contains("promiscuity "), "{shown}");
        !shown.contains("promiscuity 0")
    };
    let open = |promiscuous| {
        PacketSocket::open("tap0", PacketOptions { promiscuous, ..PacketOptions::default() })
    };
    let quiet = open(false).unwrap();
    assert!(!is_promiscuous());
    let card = open(true).unwrap();
    assert!(is_promiscuous());
    drop(card);
    assert!(!is_promiscuous());
    drop(quiet);
}

/// The kernel moves a tag from the frame into the message about it.
#[test]
fn a_vlan_tag_is_noticed() {
    if !crate::in_namespace!() {
        return;
    }
    let (mut socket, _) = make_veth(&exchange::config(true)).unwrap();
    let mut other_end = PacketSocket::open("tap0", PacketOptions::default()).unwrap();
    let mut frame = MacAddr::BROADCAST.0.to_vec();
    frame.extend(exchange::MAC.0);
    frame.extend([0x81, 0x00, 0x00, 0x05, 0x08, 0x00]);
    frame.extend([0x45; 40]);
    exchange::send(&mut other_end, Packet::from_payload(&frame));
    std::thread::sleep(Duration::from_millis(20));
    while let Some(frame) = socket.receive(NOW) {
        assert_ne!(frame[6..12], exchange::MAC.0, "the tagged frame, without its tag");
    }
    assert_eq!(socket.stats().drops[DropReason::Vlan], 1);
}

#[test]
fn frames_that_found_no_room_are_counted() {
    if !crate::in_namespace!() {
        return;
    }
    let (mut socket, kernel) = make_veth(&exchange::config(true)).unwrap();
    exchange::resolve(&mut socket, &kernel);
    let udp = UdpSocket::bind((exchange::KERNEL, 0)).unwrap();
    for _ in 0..600 {
        udp.send_to(&[0; 60_000], (exchange::STACK, 9)).unwrap();
    }
    let told = socket.stats().drops[DropReason::Overrun];
    assert!(told > 0);
    assert_eq!(socket.stats().drops[DropReason::Overrun], told, "asking twice loses nothing");
    let mut received = 0;
    while socket.receive(NOW).is_some() {
        received += 1;
    }
    // 60,000 bytes and a UDP header are 41 fragments of 1,480 bytes.
    assert_eq!(received + told, 600 * 41);
}

#[test]
fn errors_say_what_is_missing() {
    if !crate::in_namespace!() {
        return;
    }
    let open = |name| PacketSocket::open(name, PacketOptions::default());
    assert!(matches!(open("nobody"), Err(Error::NoInterface { .. })));
    assert!(matches!(open("a/b"), Err(Error::BadName(_))));
    sys::drop_capability(CAP_NET_RAW).unwrap();
    let error = open("lo").unwrap_err();
    assert!(matches!(error, Error::NoRawSockets { .. }), "{error}");
}
