//! A TUN, and the `tun_pi` header on both kinds, against the kernel in a namespace.

use std::net::UdpSocket;
use std::time::Duration;

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};

use super::*;
use crate::checksum::Sum;
use crate::linux::exchange::{self, KERNEL, NOW, STACK};
use crate::linux::namespace::{KernelEndConfig, make_tap};
use crate::{Checksum, DropReason, Packet};

fn tun(vnet_hdr: bool, packet_info: bool) -> KernelEndConfig {
    let config = exchange::config(vnet_hdr);
    KernelEndConfig { name: "tun0".into(), medium: Medium::Ip, packet_info, ..config }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((KERNEL, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket
}

/// The content of a UDP datagram to the stack's port 7000.
fn udp_payload(datagram: &[u8]) -> Option<Vec<u8>> {
    match SlicedPacket::from_ip(datagram).ok()?.transport? {
        TransportSlice::Udp(udp) if udp.destination_port() == 7000 => Some(udp.payload().to_vec()),
        _ => None,
    }
}

fn udp(port: u16, payload: &[u8]) -> Packet {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(STACK.octets(), KERNEL.octets(), 64)
        .udp(7000, port)
        .write(&mut bytes, payload)
        .unwrap();
    Packet::from_payload(&bytes)
}

/// Both ways, each with what was agreed about checksums, whatever headers are in front.
#[test]
fn datagrams_pass_without_a_link_header() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    for (vnet_hdr, packet_info) in [(true, false), (false, false), (true, true), (false, true)] {
        let (mut tun, kernel) = make_tap(&tun(vnet_hdr, packet_info)).unwrap();
        assert_eq!((tun.name(), kernel.mac), ("tun0", MacAddr::ZERO));
        assert_eq!(tun.capabilities().medium, Medium::Ip);
        let socket = socket();
        socket.send_to(b"down here", (STACK, 7000)).unwrap();
        let mut datagram =
            exchange::receive(&mut tun, |packet| udp_payload(packet).map(|_| packet.clone()));
        let told = datagram.checksum();
        let left_out = Checksum::Partial { start: 20, offset: 6 };
        assert_eq!(told, if vnet_hdr { left_out } else { Checksum::None });
        datagram.complete_checksum();
        let sum = Sum::pseudo_header(KERNEL.into(), STACK.into(), 17, datagram.len() - 20);
        assert!(sum.bytes(&datagram[20..]).is_valid());
        assert_eq!(udp_payload(&datagram).unwrap(), b"down here");

        let port = socket.local_addr().unwrap().port();
        exchange::send(&mut tun, udp(port, b"up there"));
        let mut partial = udp(port, b"left out");
        let len = partial.len() - 20;
        let folded = Sum::pseudo_header(STACK.into(), KERNEL.into(), 17, len).folded();
        partial[26..28].copy_from_slice(&folded.to_be_bytes());
        partial.set_checksum(left_out);
        exchange::send(&mut tun, partial);
        let mut buffer = [0; 100];
        for expected in [b"up there", b"left out"] {
            let (len, from) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..len], from), (&expected[..], (STACK, 7000).into()));
        }
        let stats = tun.stats();
        assert_eq!((stats.tx_packets, stats.tx_errors, stats.rx_errors), (2, 0, 0));
        assert_eq!(stats.tx_bytes, 2 * 36, "headers for the descriptor are not on the link");
    }
}

#[test]
fn frames_pass_with_packet_information_in_front() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    for vnet_hdr in [true, false] {
        let config = KernelEndConfig { packet_info: true, ..exchange::config(vnet_hdr) };
        let (mut tap, kernel) = make_tap(&config).unwrap();
        exchange::datagrams(&mut tap, &kernel);
        drop(tap);
        let (mut tap, kernel) = make_tap(&config).unwrap();
        exchange::larger_mtu(&mut tap, &kernel);
        if vnet_hdr {
            drop(tap);
            let (mut tap, kernel) = make_tap(&config).unwrap();
            exchange::segments(&mut tap, &kernel);
        }
    }
}

/// Somebody gives the kernel's end a larger MTU behind our back. With the header the kernel says
/// that it cut the frame short; without it a full buffer is all that there is to see.
#[test]
fn a_frame_that_the_kernel_cut_short_is_counted_and_the_next_one_passes() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    for (packet_info, reason) in [(true, DropReason::Stripped), (false, DropReason::TooLong)] {
        let (mut tun, _) = make_tap(&tun(false, packet_info)).unwrap();
        let control = sys::control_socket().unwrap();
        sys::set_mtu(control.as_fd(), "tun0", 9000).unwrap();
        let socket = socket();
        socket.send_to(&[1; 5000], (STACK, 7000)).unwrap();
        socket.send_to(&[2; 100], (STACK, 7000)).unwrap();
        assert_eq!(exchange::receive(&mut tun, |packet| udp_payload(packet)), [2; 100]);
        assert!(tun.receive(NOW).is_none());
        let stats = tun.stats();
        assert_eq!((stats.drops[reason], stats.drops.total()), (1, 1), "{stats:?}");
    }
}

#[test]
fn a_tun_is_no_tap_and_the_errors_say_which() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    let open = |name: &str| {
        let name = Some(name.to_string());
        Tap::open(TapOptions { name, medium: Medium::Ip, ..TapOptions::default() })
    };
    let tap = Tap::open(TapOptions::default()).unwrap();
    let error = open(tap.name()).unwrap_err();
    assert!(matches!(&error, Error::NotTap { mode: Mode::Tun, .. }), "{error}");
    assert!(error.to_string().contains("no tun interface"), "{error}");
    let unnamed = TapOptions { medium: Medium::Ip, ..TapOptions::default() };
    assert_eq!(Tap::open(unnamed).unwrap().name(), "tun0");
    sys::drop_capability(12).unwrap();
    let error = open("fresh").unwrap_err();
    assert!(error.to_string().contains("ip tuntap add fresh mode tun"), "{error}");
}
