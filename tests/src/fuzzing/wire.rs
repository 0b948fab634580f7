//! Readers of what comes over a wire that no layer's `input` stands around: headers on their own,
//! devices, and what describes packets to people.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ip::Quoted;
use netdev::{
    Capabilities, CaptureFile, Checksum, Device, Direction, DropReason, EtherType, Instant,
    LinkState, MacAddr, Medium, Packet, Port, Segmentation, Stats, UnixLink, describe,
};
use tcp::{Options, Segment};

use super::choices::Choices;

/// [`Segment::parse_header`] and [`Options::parse`]: what is read is in the bytes, and options
/// survive being written.
pub fn tcp_segment(data: &[u8]) {
    if let Ok((segment, header_len)) = Segment::parse_header(data) {
        assert!((20..=60).contains(&header_len) && header_len <= data.len());
        assert_eq!(segment.len, data.len() - header_len);
        assert_eq!(segment.seq.0.to_be_bytes(), data[4..8]);
        assert_eq!(segment.ack.0.to_be_bytes(), data[8..12]);
        assert_eq!(segment.src_port.to_be_bytes(), data[..2]);
    }
    let raw = &data[..data.len().min(40)];
    if let Ok(options) = Options::parse(raw) {
        assert!(usize::from(options.sack_count) <= options.sack.len());
        let wire = options.to_wire();
        assert!(wire.len() <= 40 && wire.len().is_multiple_of(4), "{} bytes", wire.len());
        let again = Options::parse(&wire).expect("what we write, we read");
        if options.wire_len() <= 40 {
            assert_eq!(again.timestamps, options.timestamps);
            assert_eq!(again.window_scale, options.window_scale);
        }
    }
}

/// [`Quoted::parse`]: what is read stands where RFC 791 says.
pub fn quoted(data: &[u8]) {
    let Some(quoted) = Quoted::parse(data) else { return };
    let header_len = usize::from(data[0] & 15) * 4;
    assert!(data[0] >> 4 == 4 && (20..=60).contains(&header_len) && data.len() >= header_len);
    assert_eq!(quoted.protocol.0, data[9]);
    assert_eq!(quoted.payload, data[header_len..]);
    assert_eq!(quoted.ports().is_some(), quoted.payload.len() >= 4);
}

/// A device that receives what a list has, and keeps what it is to send.
struct List {
    capabilities: Capabilities,
    received: Vec<Packet>,
    stats: Stats,
    most: usize,
}

impl Device for List {
    fn name(&self) -> &str {
        "list"
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn transmit(&mut self, _: Instant, packet: Packet) -> Result<(), Packet> {
        assert!(packet.len() <= self.most, "{} bytes", packet.len());
        if !self.capabilities.checksum {
            assert!(!matches!(packet.checksum(), Checksum::Partial { .. }), "{packet:?}");
        }
        self.stats.sent(packet.len());
        Ok(())
    }

    fn receive(&mut self, _: Instant) -> Option<Packet> {
        let packet = self.received.pop()?;
        self.stats.received(packet.len());
        Some(packet)
    }

    fn stats(&self) -> Stats {
        self.stats.clone()
    }
}

/// [`Port`]: frames of both media, and packets to send with any of what is left to a device.
pub fn ethernet_port(data: &[u8]) {
    let mut choices = Choices::new(data);
    let medium = if choices.flag() { Medium::Ethernet } else { Medium::Ip };
    let offload = choices.flag();
    let capabilities = Capabilities {
        checksum: offload,
        tcp_segmentation: if offload { 3000 } else { 0 },
        udp_segmentation: if offload { 3000 } else { 0 },
        ..Capabilities::plain(medium, 1500)
    };
    let (received, stats) = (Vec::new(), Stats::default());
    let mut list = List { capabilities, received, stats, most: 66_000 };
    let mine = MacAddr([2, 0, 0, 0, 0, 1]);
    let mut to_send = Vec::new();
    while let Some(event) = choices.next() {
        let mut bytes = choices.bytes(100);
        if event & 1 == 0 && bytes.len() >= 14 {
            bytes[..6].copy_from_slice(&mine.0);
            let kind = choices.of(&[0x0800, 0x0806, 0x8100, 0x86dd, 0x8035, 60]);
            bytes[12..14].copy_from_slice(&u16::to_be_bytes(kind));
        }
        if event & 2 == 0 {
            list.received.push(Packet::from_payload(&bytes));
        } else {
            to_send.push((offloaded(&mut choices, &bytes), event & 4 == 0));
        }
    }
    let count = list.received.len() as u64;
    let mut port = Port::new(Box::new(list), mine);
    let mut frames = 0;
    loop {
        while let Some(frame) = port.receive(Instant::ZERO) {
            assert!(matches!(frame.ethertype, EtherType::IPV4 | EtherType::ARP));
            frames += 1;
        }
        // A call looks at so many frames, and says when there are more.
        if port.poll_at().is_none() {
            break;
        }
    }
    let stats = port.stats();
    assert_eq!(stats.rx_packets, count);
    assert_eq!(frames + stats.drops.total(), count, "a frame vanished");
    for (packet, is_ip) in to_send {
        let kind = if is_ip { EtherType::IPV4 } else { EtherType::ARP };
        port.transmit(Instant::ZERO, MacAddr::BROADCAST, kind, packet);
    }
    port.flush(Instant::ZERO);
}

/// A packet with facts about offload that may or may not make sense, long where it is to be cut.
fn offloaded(choices: &mut Choices<'_>, bytes: &[u8]) -> Packet {
    let mut bytes = bytes.to_vec();
    let size = choices.word();
    let kind = choices.byte() % 3;
    if kind > 0 && bytes.len() >= 20 && choices.flag() {
        let total = bytes.len() + choices.len(4000);
        bytes.resize(total, 9);
        bytes[0] = 0x45;
        bytes[2..4].copy_from_slice(&(total as u16).to_be_bytes());
        bytes[9] = if kind == 1 { 6 } else { 17 };
        bytes.get_mut(32).into_iter().for_each(|offset| *offset = 5 << 4);
    }
    let mut packet = Packet::from_payload(&bytes);
    let (start, offset) = (choices.of(&[20, 20, 20, 0, 60, 90]), choices.of(&[16, 6, 0, 80]));
    match choices.byte() % 4 {
        0 => packet.set_checksum(Checksum::Verified),
        1 => {}
        _ => packet.set_checksum(Checksum::Partial { start, offset }),
    }
    packet.set_segmentation(match kind {
        1 => Segmentation::Tcp4 { size },
        2 => Segmentation::Udp4 { size },
        _ => Segmentation::None,
    });
    packet
}

/// `vnet::decode` and `vnet::encode`: what is taken fits its frame, and is written as it was read.
#[cfg(target_os = "linux")]
pub fn vnet_header(data: &[u8]) {
    use netdev::vnet;
    let Some((header, rest)) = data.split_first_chunk::<{ vnet::LEN }>() else { return };
    let frame = &rest[..rest.len().min(2000)];
    let Ok((checksum, segmentation)) = vnet::decode(header, frame.len()) else { return };
    let mut packet = Packet::from_payload(frame);
    packet.set_checksum(checksum);
    packet.set_segmentation(segmentation);
    if let Ok(written) = vnet::encode(&packet) {
        let (again, pieces) = vnet::decode(&written, frame.len()).expect("what we write, we read");
        if matches!(checksum, Checksum::Partial { .. }) {
            assert_eq!((again, pieces), (checksum, segmentation));
        }
    }
    // What a port does for a device that cannot: it cuts the packet up, or drops it.
    let (received, stats) = (Vec::new(), Stats::default());
    let capabilities = Capabilities::plain(Medium::Ethernet, 1500);
    let mut port =
        Port::new(Box::new(List { capabilities, received, stats, most: 2100 }), MacAddr::ZERO);
    port.transmit(Instant::ZERO, MacAddr::BROADCAST, EtherType::IPV4, packet);
}

/// Elsewhere nobody has such a header.
#[cfg(not(target_os = "linux"))]
pub fn vnet_header(_: &[u8]) {}

/// [`UnixLink`]: a stream of frames in pieces, as the first byte cuts it. What is framed right
/// arrives whole and in order, up to the first length that cannot be.
pub fn unix_link(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else { return };
    let (mut peer, stream) = UnixStream::pair().expect("two sockets");
    let mut link = UnixLink::over(stream).expect("a link");
    let mut frames = Vec::new();
    for piece in data.chunks(usize::from(*cut) + 1) {
        peer.write_all(piece).expect("room in the socket");
        while let Some(packet) = link.receive(Instant::ZERO) {
            frames.push(packet.to_vec());
        }
        if link.link() != LinkState::Up {
            break;
        }
    }
    let mut rest = data;
    let mut expected = Vec::new();
    let mut broken = false;
    while let Some((prefix, behind)) = rest.split_first_chunk::<4>() {
        let len = u32::from_be_bytes(*prefix) as usize;
        broken = len == 0 || len > 14 + 65_535;
        let Some(frame) = behind.get(..len).filter(|_| !broken) else { break };
        expected.push(frame.to_vec());
        rest = &behind[len..];
    }
    assert_eq!(frames, expected);
    assert_eq!(link.stats().drops[DropReason::Framing], u64::from(broken));
    assert_eq!(link.stats().rx_packets, frames.len() as u64);
}

/// [`describe`] and a capture: a line for anything, and a file that holds it whole.
pub fn dump(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    let medium = if kind & 1 == 0 { Medium::Ethernet } else { Medium::Ip };
    let line = describe(medium, bytes);
    assert!(!line.contains('\n') && !line.is_empty(), "{line:?}");
    let file = CaptureFile::new(std::io::sink(), Duration::ZERO);
    let mut packet = Packet::from_payload(bytes);
    if kind & 2 != 0 {
        let (start, offset) = (usize::from(*kind) / 4, 6);
        packet.set_checksum(Checksum::Partial { start, offset });
    }
    file.interface("fuzz", medium).record(Instant::ZERO, Direction::Tx, &packet);
    assert_eq!(packet[..], *bytes, "recording changes nothing");
    file.flush();
}
