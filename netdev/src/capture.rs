//! A decorator that records what passes in a pcapng file.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use pcap_file::DataLink;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use tracing::warn;

use crate::{
    Capabilities, Checksum, Device, Direction, Directions, Faults, Instant, Interest, LinkState,
    Medium, Packet, Stats,
};

/// Bytes that are collected before they are written, where no [`Device::flush`] comes first.
const WRITE_AT: usize = 64 << 10;

/// Timestamps count nanoseconds: `if_tsresol` holds the power of ten. Without it, a reader would
/// take them for microseconds.
const NANOSECONDS: u8 = 9;

/// A device that records packets on their way through, for Wireshark and tcpdump.
///
/// Two of them can share one file, on two sides of a [`FaultInjector`](crate::FaultInjector): one
/// below that records what is sent, and one above that records what is received, so that both
/// directions show what the faults left of them. A packet that a fault touched carries a comment
/// that says so.
///
/// Packets that stand for several are recorded as one. A checksum that was left to the device is
/// filled in, in the record only.
pub struct Capture {
    inner: Box<dyn Device>,
    interface: CaptureInterface,
    directions: Directions,
}

/// A pcapng file that captures write to. A clone is a handle on the same file.
///
/// What was recorded is in the file whenever a device was flushed: after each batch of packets.
/// When writing fails, it is logged once, and nothing more is recorded.
#[derive(Clone)]
pub struct CaptureFile(Arc<Mutex<Recorder>>);

/// One interface of a [`CaptureFile`]: what a [`Capture`] records to, for whoever moves packets
/// without a device.
#[derive(Clone)]
pub struct CaptureInterface {
    file: CaptureFile,
    number: u32,
}

/// Why a capture file could not be made.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write the capture to {}: {cause} (the directory must exist and be yours to write to)",
    .path.display()
)]
pub struct CaptureError {
    path: PathBuf,
    cause: io::Error,
}

struct Recorder {
    /// Whole blocks are collected, so that what is in the file can be read at any time.
    blocks: PcapNgWriter<Vec<u8>>,
    interfaces: Vec<(String, Medium)>,
    output: Box<dyn Write + Send>,
    /// The date of [`Instant::ZERO`], as time since 1970.
    epoch: Duration,
    /// Writing failed, and no more is tried.
    failed: bool,
}

impl CaptureFile {
    /// Makes a file, or empties the one that is there. `epoch` is the date of [`Instant::ZERO`].
    pub fn create(path: impl AsRef<Path>, epoch: SystemTime) -> Result<CaptureFile, CaptureError> {
        let path = path.as_ref();
        let file =
            File::create(path).map_err(|cause| CaptureError { path: path.to_path_buf(), cause })?;
        let epoch = epoch.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Ok(CaptureFile::new(file, epoch))
    }

    /// Records to anything that can be written to. `epoch` is the date of [`Instant::ZERO`], as
    /// time since 1970; zero gives relative times.
    pub fn new(output: impl Write + Send + 'static, epoch: Duration) -> CaptureFile {
        let blocks = PcapNgWriter::new(Vec::new()).expect("a Vec takes everything");
        let output = Box::new(output);
        CaptureFile(Arc::new(Mutex::new(Recorder {
            blocks,
            interfaces: Vec::new(),
            output,
            epoch,
            failed: false,
        })))
    }

    /// An interface of the file; whoever asks with the same name and medium shares it.
    pub fn interface(&self, name: &str, medium: Medium) -> CaptureInterface {
        let number = self.recorder().interface(name, medium);
        CaptureInterface { file: self.clone(), number }
    }

    /// Writes what was recorded so far.
    pub fn flush(&self) {
        self.recorder().flush();
    }

    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CaptureInterface {
    /// Records a packet that passes now.
    pub fn record(&self, now: Instant, direction: Direction, packet: &Packet) {
        self.file.recorder().record(now, self.number, direction, packet);
    }
}

impl Recorder {
    /// The number of an interface in the file; taps of one interface share it.
    fn interface(&mut self, name: &str, medium: Medium) -> u32 {
        let same = |(n, m): &(String, Medium)| n == name && *m == medium;
        if let Some(known) = self.interfaces.iter().position(same) {
            return known as u32;
        }
        self.interfaces.push((name.to_string(), medium));
        let block = InterfaceDescriptionBlock {
            linktype: match medium {
                Medium::Ethernet => DataLink::ETHERNET,
                Medium::Ip => DataLink::RAW,
            },
            // No limit.
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Owned(name.to_string())),
                InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
            ],
        };
        self.blocks.write_pcapng_block(block).expect("a Vec takes everything");
        self.interfaces.len() as u32 - 1
    }

    fn record(&mut self, now: Instant, interface: u32, direction: Direction, packet: &Packet) {
        if self.failed {
            return;
        }
        let mut data = Cow::Borrowed(&packet[..]);
        if let Checksum::Partial { .. } = packet.checksum() {
            let mut completed = packet.clone();
            completed.complete_checksum();
            data = Cow::Owned(completed.to_vec());
        }
        // Bits 0 and 1 of epb_flags: 01 inbound, 10 outbound.
        let flags = match direction {
            Direction::Rx => 1,
            Direction::Tx => 2,
        };
        let mut options = vec![EnhancedPacketOption::Flags(flags)];
        if packet.faults() != Faults::empty() {
            options.push(EnhancedPacketOption::Comment(Cow::Owned(packet.faults().to_string())));
        }
        let block = EnhancedPacketBlock {
            interface_id: interface,
            timestamp: self.epoch.saturating_add(Duration::from_nanos(now.nanos())),
            original_len: data.len() as u32,
            data,
            options,
        };
        self.blocks.write_pcapng_block(block).expect("a Vec takes everything, from an interface");
        if self.blocks.get_ref().len() >= WRITE_AT {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let blocks = self.blocks.get_mut();
        if blocks.is_empty() || self.failed {
            return;
        }
        if let Err(error) = self.output.write_all(blocks).and_then(|()| self.output.flush()) {
            warn!(%error, "the capture ends here: writing failed");
            self.failed = true;
        }
        blocks.clear();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Capture {
    /// Records the packets that pass `inner` in `directions`, as an interface of its name.
    pub fn new(inner: Box<dyn Device>, file: CaptureFile, directions: Directions) -> Capture {
        let interface = file.interface(inner.name(), inner.capabilities().medium);
        Capture { inner, interface, directions }
    }
}

impl Device for Capture {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn transmit(&mut self, now: Instant, packet: Packet) -> Result<(), Packet> {
        if !Direction::Tx.is_in(self.directions) {
            return self.inner.transmit(now, packet);
        }
        // What the device does not take is not sent, so it must not be in the record: the packet
        // is gone by the time that it is known.
        let copy = packet.clone();
        self.inner.transmit(now, packet)?;
        self.interface.record(now, Direction::Tx, &copy);
        Ok(())
    }

    fn receive(&mut self, now: Instant) -> Option<Packet> {
        let packet = self.inner.receive(now)?;
        if Direction::Rx.is_in(self.directions) {
            self.interface.record(now, Direction::Rx, &packet);
        }
        Some(packet)
    }

    fn flush(&mut self, now: Instant) {
        self.inner.flush(now);
        self.interface.file.flush();
    }

    fn poll_at(&self) -> Option<Instant> {
        self.inner.poll_at()
    }

    fn interest(&self) -> Option<Interest<'_>> {
        self.inner.interest()
    }

    fn pending(&self) -> usize {
        self.inner.pending()
    }

    fn link(&self) -> LinkState {
        self.inner.link()
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }

    fn set_mtu(&mut self, mtu: usize) -> bool {
        self.inner.set_mtu(mtu)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.interface.file.flush();
    }
}

#[cfg(test)]
mod tests;
