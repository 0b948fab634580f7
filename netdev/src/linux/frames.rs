//! Whole frames through a descriptor: what a TAP and a packet socket have in common.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::AsFd;

use super::format::{Format, Headers, MAX_DATAGRAM};
use super::sys::{self, Got};
use crate::{
    Capabilities, DropReason, HEADROOM, Interest, LinkState, Medium, Packet, Segmentation, Stats,
};

/// An Ethernet header.
const ETHERNET_HEADER: usize = 14;
/// A VLAN tag.
const VLAN_TAG: usize = 4;
/// Of so many parts a packet that shares its payload consists at most, as a rule: the headers, and
/// 64 KiB in chunks of a send buffer.
const MOST_PARTS: usize = 7;
/// What fits into the pool's buffer for one ordinary frame.
const SMALL: usize = 2048 - HEADROOM;

/// Where the frames come from.
#[derive(Debug)]
pub(super) enum Source {
    /// /dev/net/tun, or the device of a macvtap.
    Tun,
    /// AF_PACKET, bound to the interface of this number.
    PacketSocket {
        /// The interface's number.
        index: i32,
    },
}

/// A descriptor that gives and takes one frame a call.
#[derive(Debug)]
pub(super) struct Frames {
    source: Source,
    file: File,
    name: String,
    mtu: usize,
    format: Format,
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

/// What is the same in every device with a field `frames`, for its `impl Device`.
macro_rules! over_frames {
    () => {
        fn name(&self) -> &str {
            self.frames.name()
        }

        fn capabilities(&self) -> $crate::Capabilities {
            self.frames.capabilities()
        }

        fn transmit(
            &mut self,
            _now: $crate::Instant,
            packet: $crate::Packet,
        ) -> Result<(), $crate::Packet> {
            self.frames.transmit(packet)
        }

        fn receive(&mut self, _now: $crate::Instant) -> Option<$crate::Packet> {
            self.frames.receive()
        }

        fn interest(&self) -> Option<$crate::Interest<'_>> {
            self.frames.interest()
        }

        fn link(&self) -> $crate::LinkState {
            self.frames.link()
        }

        fn stats(&self) -> $crate::Stats {
            self.frames.stats()
        }
    };
}
pub(super) use over_frames;

impl Frames {
    pub(super) fn new(
        source: Source,
        file: File,
        name: String,
        mtu: usize,
        format: Format,
    ) -> Frames {
        Frames {
            source,
            file,
            name,
            mtu,
            format,
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

    pub(super) fn mtu_changed(&mut self, mtu: usize) {
        self.mtu = mtu;
        self.spare = None;
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        self.format.capabilities(self.mtu)
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
            let mut headers = Headers::default();
            match self.read(&mut headers, &mut packet) {
                Ok(got) => {
                    self.recovered();
                    if let Some(packet) = self.accept(&headers, packet, got) {
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
        let limit = if segmented && self.format.has_vnet() { MAX_DATAGRAM } else { self.mtu };
        if packet.len() > limit + self.link_header() {
            return self.lost(DropReason::TooLong);
        }
        let headers = match self.format.encode(&mut packet) {
            Ok(headers) => headers,
            Err(reason) => return self.lost(reason),
        };
        loop {
            match self.write(&headers, &packet) {
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
        let vnet = self.format.has_vnet();
        let datagram = if vnet { MAX_DATAGRAM.max(self.mtu) } else { self.mtu };
        (datagram + self.link_header() + VLAN_TAG + 1).max(SMALL)
    }

    fn link_header(&self) -> usize {
        match self.format.medium {
            Medium::Ethernet => ETHERNET_HEADER,
            Medium::Ip => 0,
        }
    }

    fn read(&self, headers: &mut Headers, packet: &mut Packet) -> io::Result<Got> {
        let front = self.format.len();
        let room = front + packet.len();
        let mut buffers = [IoSliceMut::new(&mut headers[..front]), IoSliceMut::new(packet)];
        let buffers = if front == 0 { &mut buffers[1..] } else { &mut buffers[..] };
        let got = match self.source {
            Source::Tun => {
                let len = (&self.file).read_vectored(buffers)?;
                Got { len, truncated: len == room, vlan: false }
            }
            Source::PacketSocket { .. } => sys::receive_frame(self.file.as_fd(), buffers)?,
        };
        // A TAP always gives its headers, whole; a shorter read would be an end of file.
        let len = got.len.checked_sub(front).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Got { len, ..got })
    }

    fn write(&self, headers: &Headers, packet: &Packet) -> io::Result<usize> {
        let front = self.format.len();
        let mut buffers = [IoSlice::new(&[]); MOST_PARTS + 1];
        buffers[0] = IoSlice::new(&headers[..front]);
        let mut count = 0;
        for part in packet.parts() {
            count += 1;
            match buffers.get_mut(count) {
                Some(buffer) => *buffer = IoSlice::new(part),
                // So many that they had better be put together.
                None => break,
            }
        }
        if count > MOST_PARTS {
            buffers[1] = IoSlice::new(packet);
            count = 1;
        }
        let from = if front == 0 { 1 } else { 0 };
        (&self.file).write_vectored(&buffers[from..=count])
    }

    /// Makes a packet of what was read, or drops it with a reason.
    fn accept(&mut self, headers: &Headers, mut packet: Packet, got: Got) -> Option<Packet> {
        let facts = match self.format.decode(headers, got.len) {
            // What the kernel cut short fills the buffer too, and says why.
            Err(DropReason::Stripped) => Err(DropReason::Stripped),
            _ if got.truncated => Err(DropReason::TooLong),
            _ if got.vlan => Err(DropReason::Vlan),
            facts => facts,
        };
        self.stats.received(got.len);
        let (checksum, segmentation) = match facts {
            Ok(facts) => facts,
            Err(reason) => {
                self.stats.drops.add(reason);
                self.spare = Some(packet);
                return None;
            }
        };
        // Room for 64 KiB must be offered to every read, but a small frame should not keep it: a
        // full window of them, waiting for the application, would hold forty times its size.
        if packet.len() > SMALL && got.len <= SMALL {
            let small = Packet::from_payload(&packet[..got.len]);
            self.spare = Some(std::mem::replace(&mut packet, small));
        } else {
            packet.truncate(got.len);
        }
        packet.set_checksum(checksum);
        packet.set_segmentation(segmentation);
        Some(packet)
    }

    /// Looks whether the interface is still there, where no error tells.
    pub(super) fn check(&mut self) {
        if !self.exists() {
            self.failed(&io::Error::from_raw_os_error(libc::ENOLINK));
        }
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
            Source::Tun => sys::tun_facts(fd).is_ok(),
            Source::PacketSocket { index } => {
                sys::index(fd, &self.name).is_ok_and(|now| now == index)
            }
        }
    }
}

#[cfg(test)]
mod tests;
