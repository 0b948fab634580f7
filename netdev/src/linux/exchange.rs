//! For the tests of this module: frames to and from the kernel, the same for every kind of device.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant as Clock};

use etherparse::{
    ArpEthIpv4Packet, ArpOperation, ArpPacket, PacketBuilder, SlicedPacket, TransportSlice,
};

use super::namespace::{KernelEnd, KernelEndConfig};
use super::sys;
use crate::checksum::Sum;
use crate::{Checksum, Device, DropReason, Instant, LinkState, MacAddr, Packet, Segmentation};

pub(super) const STACK: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(super) const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(super) const MAC: MacAddr = MacAddr([0x00, 0x34, 0x45, 0x67, 0x89, 0xab]);

pub(super) const NOW: Instant = Instant::ZERO;

pub(super) fn config(vnet_hdr: bool) -> KernelEndConfig {
    KernelEndConfig { vnet_hdr, ..KernelEndConfig::default() }
}

/// The next frame for which `wanted` gives something, within two seconds.
pub(super) fn receive<T>(device: &mut dyn Device, wanted: impl Fn(&Packet) -> Option<T>) -> T {
    let start = Clock::now();
    while start.elapsed() < Duration::from_secs(2) {
        match device.receive(NOW) {
            Some(packet) => {
                if let Some(found) = wanted(&packet) {
                    return found;
                }
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    panic!("it did not arrive; {:?}", device.stats());
}

pub(super) fn send(device: &mut dyn Device, packet: Packet) {
    device.transmit(NOW, packet).expect("there is room");
    device.flush(NOW);
}

/// Lets the kernel ask who has the stack's address, and answers.
pub(super) fn resolve(device: &mut dyn Device, kernel: &KernelEnd) {
    let socket = UdpSocket::bind((KERNEL, 0)).unwrap();
    socket.send_to(b"anybody there?", (STACK, 9)).unwrap();
    let asked = receive(device, |frame| {
        let sliced = SlicedPacket::from_ethernet(frame).ok()?;
        let Some(etherparse::NetSlice::Arp(arp)) = sliced.net else { return None };
        assert_eq!(frame[..6], MacAddr::BROADCAST.0);
        let arp: ArpEthIpv4Packet = arp.to_packet().try_eth_ipv4().ok()?;
        assert_eq!(arp.sender_ipv4_addr(), KERNEL);
        (arp.target_ipv4_addr() == STACK).then_some(MacAddr(arp.sender_mac))
    });
    assert_eq!(asked, kernel.mac);
    send(device, arp_reply(kernel.mac));
    let datagram = receive(device, |frame| udp_payload(frame, 9));
    assert_eq!(datagram, b"anybody there?");
}

pub(super) fn arp_reply(to: MacAddr) -> Packet {
    let arp = ArpPacket::from(ArpEthIpv4Packet {
        operation: ArpOperation::REPLY,
        sender_mac: MAC.0,
        sender_ipv4: STACK.octets(),
        target_mac: to.0,
        target_ipv4: KERNEL.octets(),
    });
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2(MAC.0, to.0).arp(arp).write(&mut bytes).unwrap();
    Packet::from_payload(&bytes)
}

fn udp_payload(frame: &[u8], port: u16) -> Option<Vec<u8>> {
    match SlicedPacket::from_ethernet(frame).ok()?.transport? {
        TransportSlice::Udp(udp) if udp.destination_port() == port => Some(udp.payload().to_vec()),
        _ => None,
    }
}

/// A UDP datagram to the kernel with its checksum in it.
pub(super) fn udp(to: MacAddr, port: u16, payload: &[u8]) -> Packet {
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2(MAC.0, to.0)
        .ipv4(STACK.octets(), KERNEL.octets(), 64)
        .udp(7000, port)
        .write(&mut bytes, payload)
        .unwrap();
    Packet::from_payload(&bytes)
}

/// Puts the folded pseudo header where the checksum was.
fn unfinish(frame: &mut Packet, protocol: u8, offset: usize) -> Checksum {
    let len = frame.len() - 34;
    let folded = Sum::pseudo_header(STACK.into(), KERNEL.into(), protocol, len).folded();
    frame[34 + offset..36 + offset].copy_from_slice(&folded.to_be_bytes());
    Checksum::Partial { start: 34, offset }
}

/// Datagrams both ways; checksums are left out, and their place told, where that was agreed.
pub(super) fn datagrams(device: &mut dyn Device, kernel: &KernelEnd) {
    let offload = device.capabilities().checksum;
    resolve(device, kernel);
    let socket = UdpSocket::bind((KERNEL, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let port = socket.local_addr().unwrap().port();

    socket.send_to(b"down here", (STACK, 7000)).unwrap();
    let mut frame = receive(device, |frame| udp_payload(frame, 7000).map(|_| frame.clone()));
    let told = frame.checksum();
    let expected =
        if offload { Checksum::Partial { start: 34, offset: 6 } } else { Checksum::None };
    assert_eq!(told, expected);
    frame.complete_checksum();
    let sum = Sum::pseudo_header(KERNEL.into(), STACK.into(), 17, frame.len() - 34);
    assert!(sum.bytes(&frame[34..]).is_valid(), "the kernel's checksum, or ours in its place");
    assert_eq!(udp_payload(&frame, 7000).unwrap(), b"down here");

    let mut buffer = [0; 2000];
    let whole = udp(kernel.mac, port, b"whole");
    send(device, whole);
    let (len, from) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..len], from), (&b"whole"[..], (STACK, 7000).into()));

    // The same bytes are wrong as they are and right where they are said to be unfinished.
    let mut wrong = udp(kernel.mac, port, b"wrong");
    unfinish(&mut wrong, 17, 6);
    send(device, wrong);
    let mut left_out = udp(kernel.mac, port, b"left out");
    if offload {
        let place = unfinish(&mut left_out, 17, 6);
        left_out.set_checksum(place);
    }
    send(device, left_out);
    let (len, _) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"left out");

    let stats = device.stats();
    assert_eq!((stats.tx_packets, stats.tx_errors, stats.rx_errors), (4, 0, 0));
    assert!(stats.rx_packets >= 3 && stats.rx_bytes > 3 * 42, "{stats:?}");
}

struct Tcp {
    ports: (u16, u16),
    to: MacAddr,
}

impl Tcp {
    fn frame(&self, seq: u32, ack: Option<u32>, payload: &[u8]) -> Packet {
        let (from, to) = self.ports;
        let builder = PacketBuilder::ethernet2(MAC.0, self.to.0)
            .ipv4(STACK.octets(), KERNEL.octets(), 64)
            .tcp(from, to, seq, 65_535);
        let builder = match ack {
            Some(ack) => builder.ack(ack),
            None => builder.syn(),
        };
        let mut bytes = Vec::new();
        builder.write(&mut bytes, payload).unwrap();
        let mut frame = Packet::from_payload(&bytes);
        let place = unfinish(&mut frame, 6, 16);
        frame.set_checksum(place);
        frame
    }

    /// Sequence number and payload of a segment that came back.
    fn segment(&self, frame: &Packet) -> Option<(u32, Vec<u8>)> {
        match SlicedPacket::from_ethernet(frame).ok()?.transport? {
            TransportSlice::Tcp(tcp) if tcp.destination_port() == self.ports.0 => {
                Some((tcp.sequence_number(), tcp.payload().to_vec()))
            }
            _ => None,
        }
    }
}

/// A TCP connection by hand, with more than a segment in one piece each way.
pub(super) fn segments(device: &mut dyn Device, kernel: &KernelEnd) {
    assert!(device.capabilities().tcp_segmentation > 60_000);
    resolve(device, kernel);
    let listener = TcpListener::bind((KERNEL, 0)).unwrap();
    let tcp = Tcp { ports: (7000, listener.local_addr().unwrap().port()), to: kernel.mac };
    send(device, tcp.frame(1000, None, b""));
    let (iss, _) = receive(device, |frame| tcp.segment(frame));
    send(device, tcp.frame(1001, Some(iss + 1), b""));
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();

    let data: Vec<u8> = (0..20_000u32).map(|n| n as u8).collect();
    let mut frame = tcp.frame(1001, Some(iss + 1), &data);
    frame.set_segmentation(Segmentation::Tcp4 { size: 1400 });
    send(device, frame);
    let mut read = vec![0; data.len()];
    stream.read_exact(&mut read).unwrap();
    assert!(read == data, "the kernel read what was sent in one piece");

    stream.write_all(&data).unwrap();
    // The first window of ten segments (RFC 6928) leaves in one frame, whose checksum is to be
    // filled in.
    let (seq, payload, checksum, segmentation) = receive(device, |frame| {
        let (seq, payload) = tcp.segment(frame)?;
        let facts = (seq, payload, frame.checksum(), frame.segmentation());
        (!facts.1.is_empty()).then_some(facts)
    });
    assert_eq!(seq, iss + 1);
    assert!(payload.len() > 1460, "{} bytes in one frame", payload.len());
    assert!(payload == data[..payload.len()]);
    assert_eq!(checksum, Checksum::Partial { start: 34, offset: 16 });
    assert!(matches!(segmentation, Segmentation::Tcp4 { size: 500..=1460 }), "{segmentation:?}");
}

/// Many datagrams in one piece each way.
pub(super) fn udp_segments(device: &mut dyn Device, kernel: &KernelEnd) {
    /// `UDP_SEGMENT` of linux/udp.h.
    const UDP_SEGMENT: i32 = 103;
    if device.capabilities().udp_segmentation == 0 {
        return; // Linux before 6.2
    }
    resolve(device, kernel);
    let socket = UdpSocket::bind((KERNEL, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let data: Vec<u8> = (0..4500u32).map(|n| n as u8).collect();

    let mut frame = udp(kernel.mac, socket.local_addr().unwrap().port(), &data);
    let place = unfinish(&mut frame, 17, 6);
    frame.set_checksum(place);
    frame.set_segmentation(Segmentation::Udp4 { size: 1000 });
    send(device, frame);
    let mut buffer = [0; 5000];
    for chunk in data.chunks(1000) {
        let len = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], chunk);
    }

    sys::set_option(socket.as_fd(), libc::SOL_UDP, UDP_SEGMENT, 1000).unwrap();
    socket.send_to(&data, (STACK, 7000)).unwrap();
    let (payload, checksum, segmentation) = receive(device, |frame| {
        udp_payload(frame, 7000).map(|data| (data, frame.checksum(), frame.segmentation()))
    });
    assert!(payload == data, "{} bytes", payload.len());
    assert_eq!(checksum, Checksum::Partial { start: 34, offset: 6 });
    assert_eq!(segmentation, Segmentation::Udp4 { size: 1000 });
}

/// Both ends change, and a frame of the new length passes in both directions.
pub(super) fn larger_mtu(device: &mut dyn Device, kernel: &KernelEnd) {
    assert_eq!((device.capabilities().mtu, kernel.mtu), (1500, 1500));
    assert!(device.set_mtu(9000));
    assert_eq!(device.capabilities().mtu, 9000);
    assert_eq!(KernelEnd::of(&kernel.name).unwrap().mtu, 9000);
    resolve(device, kernel);
    let socket = UdpSocket::bind((KERNEL, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let jumbo = [7; 9000 - 28];
    socket.send_to(&jumbo, (STACK, 7000)).unwrap();
    assert!(receive(device, |frame| udp_payload(frame, 7000)) == jumbo);
    send(device, udp(kernel.mac, socket.local_addr().unwrap().port(), &jumbo));
    let mut buffer = [0; 9000];
    assert_eq!(socket.recv(&mut buffer).unwrap(), jumbo.len());

    send(device, udp(kernel.mac, 9, &[7; 9001 - 28]));
    assert_eq!(device.stats().drops[DropReason::TooLong], 1);
    assert!(!device.set_mtu(10_000_000), "the kernel takes no such MTU");
    assert_eq!(device.capabilities().mtu, 9000);
}

/// What is sent while the kernel's end is down is counted; it comes back.
pub(super) fn down_and_up(device: &mut dyn Device, kernel: &KernelEnd, set: impl Fn(bool)) {
    resolve(device, kernel);
    let before = device.stats();
    set(false);
    send(device, udp(kernel.mac, 9, b"into the void"));
    match device.link() {
        LinkState::Down(why) => assert!(why.contains("ip link set"), "{why}"),
        LinkState::Up => panic!("the kernel's end is down"),
    }
    assert!(device.receive(NOW).is_none());
    let after = device.stats();
    assert!(after.tx_errors > before.tx_errors, "{after:?}");
    assert_eq!(after.drops[DropReason::NoPeer], 1);
    assert!(device.interest().is_some(), "it may come back");
    set(true);
    let socket = UdpSocket::bind((KERNEL, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    send(device, udp(kernel.mac, socket.local_addr().unwrap().port(), b"back again"));
    assert_eq!(socket.recv(&mut [0; 100]).unwrap(), 10);
    assert_eq!(device.link(), LinkState::Up);
}

/// Nothing is left to wait for, and what is sent is counted.
pub(super) fn deleted(device: &mut dyn Device, kernel: &KernelEnd) {
    assert!(device.interest().is_some());
    // Frames that came before are still given.
    while device.receive(NOW).is_some() {}
    send(device, udp(kernel.mac, 9, b"into the void"));
    match device.link() {
        LinkState::Down(why) => assert!(why.contains("was deleted"), "{why}"),
        LinkState::Up => panic!("there is no interface"),
    }
    assert!(device.interest().is_none(), "it would be ready for ever");
    assert!(device.receive(NOW).is_none());
    send(device, udp(kernel.mac, 9, b"once more"));
    let stats = device.stats();
    assert!(stats.rx_errors + stats.tx_errors > 0, "{stats:?}");
    assert_eq!(stats.drops[DropReason::NoPeer], 2, "{stats:?}");
    assert_eq!(stats.tx_packets, 0);
}
