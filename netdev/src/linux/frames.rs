//! Whole frames through a descriptor: what a TAP and a packet socket have in common.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::AsFd;

use super::sys::{self, Got};
use super::vnet;
use crate::{
    Capabilities, Checksum, DropReason, HEADROOM, Interest, LinkState, Medium, Packet,
    Segmentation, Stats,
};

/// An Ethernet header and one VLAN tag.
const LINK_HEADER: usize = 14 + 4;
/// The largest IPv4 datagram (RFC 791 §3.1), which is also the largest that offload can make.
const MAX_DATAGRAM: usize = 65_535;
/// A datagram's room for payload when both headers are as long as they can be.
const MAX_SEGMENTED: usize = MAX_DATAGRAM - 60 - 60;
/// What fits into the pool's buffer for one ordinary frame.
const SMALL: usize = 2048 - HEADROOM;

/// Where the frames come from.
#[derive(Debug)]
pub(super) enum Source {
    /// /dev/net/tun.
    Tap,
    /// AF_PACKET, bound to the interface of this number.
    PacketSocket {
        /// The interface's number.
        index: i32,
    },
}

/// What goes with the frames to spare the two ends work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Offload {
    /// Frames and nothing else.
    #[default]
    None,
    /// A [`vnet`] header in front of each: checksums are left out, TCP comes and goes in one
    /// piece.
    ChecksumTcp,
    /// And UDP too.
    ChecksumTcpUdp,
}

/// A descriptor that gives and takes one frame a call.
#[derive(Debug)]
pub(super) struct Frames {
    source: Source,
    file: File,
    name: String,
    mtu: usize,
    offload: Offload,
    /// The buffer of the read that found nothing, for the next one.
    spare: Option<Packet>,
    stats: Stats,
    /// Lost by the kernel's full buffer, as it says when asked.
    overruns: Cell<u64>,
    health: Health,
    pressure: Pressure,
}

#[derive(PartialEq, Eq, Debug)]
enum Health {
    Up,
    /// For the time being, and why.
    Down(String),
    /// For good, and why.
    Gone(String),
}

/// Whether the descriptor takes no more now.
///
/// The packet is with the caller, who tries again when the event loop wakes for writing. A caller
/// who gives up instead must not leave the loop waking for ever, so the wish ends a round after it
/// was granted.
#[derive(PartialEq, Eq, Debug)]
enum Pressure {
    None,
    Full,
    Granted,
}

impl Frames {
    pub(super) fn new(
        source: Source,
        file: File,
        name: String,
        mtu: usize,
        offload: Offload,
    ) -> Frames {
        Frames {
            source,
            file,
            name,
            mtu,
            offload,
            spare: None,
            stats: Stats::default(),
            overruns: Cell::new(0),
            health: Health::Up,
            pressure: Pressure::None,
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn has_header(&self) -> bool {
        self.offload != Offload::None
    }

    pub(super) fn mtu_changed(&mut self, mtu: usize) {
        self.mtu = mtu;
        self.spare = None;
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        let plain = Capabilities::plain(Medium::Ethernet, self.mtu);
        match self.offload {
            Offload::None => plain,
            Offload::ChecksumTcp => {
                Capabilities { checksum: true, tcp_segmentation: MAX_SEGMENTED, ..plain }
            }
            Offload::ChecksumTcpUdp => Capabilities {
                checksum: true,
                tcp_segmentation: MAX_SEGMENTED,
                udp_segmentation: MAX_SEGMENTED,
                ..plain
            },
        }
    }

    pub(super) fn interest(&self) -> Option<Interest<'_>> {
        // A descriptor without an interface is always "ready", with an error.
        let usable = !matches!(self.health, Health::Gone(_));
        usable.then(|| Interest { fd: self.file.as_fd(), write: self.pressure != Pressure::None })
    }

    pub(super) fn link(&self) -> LinkState {
        match &self.health {
            Health::Up => LinkState::Up,
            Health::Down(why) | Health::Gone(why) => LinkState::Down(why.clone()),
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        if let Source::PacketSocket { .. } = self.source {
            // The kernel forgets the number when it has told it.
            let more = sys::take_packet_drops(self.file.as_fd()).unwrap_or(0);
            self.overruns.set(self.overruns.get() + u64::from(more));
            stats.drops.add_many(DropReason::Overrun, self.overruns.get());
        }
        stats
    }

    pub(super) fn receive(&mut self) -> Option<Packet> {
        while !matches!(self.health, Health::Gone(_)) {
            let room = self.room();
            let mut packet = self.spare.take().unwrap_or_else(|| Packet::for_receive(room));
            let mut header = [0; vnet::LEN];
            match self.read(&mut header, &mut packet) {
                Ok(got) => {
                    self.recovered();
                    if let Some(packet) = self.accept(&header, packet, got) {
                        return Some(packet);
                    }
                }
                Err(error) => {
                    self.spare = Some(packet);
                    match error.kind() {
                        io::ErrorKind::Interrupted => {}
                        io::ErrorKind::WouldBlock => return None,
                        _ => {
                            self.stats.rx_errors += 1;
                            self.failed(&error);
                            return None;
                        }
                    }
                }
            }
        }
        None
    }

    pub(super) fn transmit(&mut self, mut packet: Packet) -> Result<(), Packet> {
        if matches!(self.health, Health::Gone(_)) {
            return self.lost(DropReason::NoPeer);
        }
        let segmented = packet.segmentation() != Segmentation::None;
        let limit = if segmented && self.has_header() { MAX_DATAGRAM } else { self.mtu };
        if packet.len() > limit + 14 {
            return self.lost(DropReason::TooLong);
        }
        let header = if self.has_header() {
            match vnet::encode(&packet) {
                Ok(header) => header,
                Err(vnet::Malformed) => return self.lost(DropReason::Framing),
            }
        } else {
            packet.complete_checksum();
            [0; vnet::LEN]
        };
        loop {
            match self.write(&header, &packet) {
                Ok(_) => {
                    self.recovered();
                    self.pressure = Pressure::None;
                    self.stats.sent(packet.len());
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.pressure = Pressure::Full;
                    return Err(packet);
                }
                Err(error) => {
                    self.stats.tx_errors += 1;
                    let reason = match error.raw_os_error() {
                        // The queue behind a packet socket drops what it cannot hold, and
                        // nothing tells when it has room again.
                        Some(libc::ENOBUFS | libc::ENOMEM) => DropReason::QueueFull,
                        Some(libc::EMSGSIZE) => DropReason::TooLong,
                        Some(libc::EINVAL) => DropReason::Framing,
                        _ => {
                            self.failed(&error);
                            DropReason::NoPeer
                        }
                    };
                    return self.lost(reason);
                }
            }
        }
    }

    pub(super) fn flush(&mut self) {
        self.pressure = match self.pressure {
            Pressure::Full if sys::is_writable(self.file.as_fd()) => Pressure::Granted,
            Pressure::Full => Pressure::Full,
            Pressure::Granted | Pressure::None => Pressure::None,
        };
    }

    /// Room for the longest frame that can come, and a byte by which a longer one shows.
    fn room(&self) -> usize {
        let datagram = if self.has_header() { MAX_DATAGRAM.max(self.mtu) } else { self.mtu };
        (datagram + LINK_HEADER + 1).max(SMALL)
    }

    fn read(&self, header: &mut [u8; vnet::LEN], packet: &mut Packet) -> io::Result<Got> {
        let mut buffers = [IoSliceMut::new(header), IoSliceMut::new(packet)];
        let (buffers, header) = match self.offload {
            Offload::None => (&mut buffers[1..], 0),
            _ => (&mut buffers[..], vnet::LEN),
        };
        let got = match self.source {
            Source::Tap => {
                let room: usize = buffers.iter().map(|buffer| buffer.len()).sum();
                let len = (&self.file).read_vectored(buffers)?;
                Got { len, truncated: len == room, vlan: false }
            }
            Source::PacketSocket { .. } => sys::receive_frame(self.file.as_fd(), buffers)?,
        };
        // A TAP always gives its header, whole; a shorter read would be an end of file.
        let len = got.len.checked_sub(header).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Got { len, ..got })
    }

    fn write(&self, header: &[u8; vnet::LEN], packet: &Packet) -> io::Result<usize> {
        let buffers = [IoSlice::new(header), IoSlice::new(packet)];
        let from = if self.has_header() { 0 } else { 1 };
        (&self.file).write_vectored(&buffers[from..])
    }

    /// Makes a packet of what was read, or drops it with a reason.
    fn accept(&mut self, header: &[u8; vnet::LEN], mut packet: Packet, got: Got) -> Option<Packet> {
        let facts = if self.has_header() {
            vnet::decode(header, got.len)
        } else {
            Ok((Checksum::None, Segmentation::None))
        };
        let (reason, facts) = match facts {
            _ if got.truncated => (Some(DropReason::TooLong), Default::default()),
            _ if got.vlan => (Some(DropReason::Vlan), Default::default()),
            Err(vnet::Malformed) => (Some(DropReason::Framing), Default::default()),
            Ok(facts) => (None, facts),
        };
        self.stats.received(got.len);
        if let Some(reason) = reason {
            self.stats.drops.add(reason);
            self.spare = Some(packet);
            return None;
        }
        // Room for 64 KiB must be offered to every read, but a small frame should not keep it: a
        // full window of them, waiting for the application, would hold forty times its size.
        if packet.len() > SMALL && got.len <= SMALL {
            let small = Packet::from_payload(&packet[..got.len]);
            self.spare = Some(std::mem::replace(&mut packet, small));
        } else {
            packet.truncate(got.len);
        }
        packet.set_checksum(facts.0);
        packet.set_segmentation(facts.1);
        Some(packet)
    }

    fn lost(&mut self, reason: DropReason) -> Result<(), Packet> {
        self.stats.drops.add(reason);
        Ok(())
    }

    fn recovered(&mut self) {
        if self.health != Health::Up {
            self.health = Health::Up;
            tracing::debug!(device = %self.name, "link up");
        }
    }

    /// What an error says about the link: nothing, where it was about one frame.
    #[cold]
    fn failed(&mut self, error: &io::Error) {
        let name = &self.name;
        let health = if !self.exists() {
            Health::Gone(format!("the interface {name} was deleted"))
        } else if matches!(error.raw_os_error(), Some(libc::EIO | libc::ENETDOWN)) {
            Health::Down(format!(
                "the kernel's end is down: `ip link set {name} up` there brings it back"
            ))
        } else {
            tracing::debug!(device = %name, cause = %error, "a frame failed");
            return;
        };
        if health != self.health {
            tracing::debug!(device = %name, cause = %error, to = ?health, "link down");
            self.health = health;
        }
    }

    fn exists(&self) -> bool {
        let fd = self.file.as_fd();
        match self.source {
            Source::Tap => sys::tun_facts(fd).is_ok(),
            Source::PacketSocket { index } => {
                sys::index(fd, &self.name).is_ok_and(|now| now == index)
            }
        }
    }
}

#[cfg(test)]
mod tests;
