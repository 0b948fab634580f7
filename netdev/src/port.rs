//! A device with an Ethernet address: framing on the way down, demultiplexing on the way up.

use tracing::trace;

use crate::ethernet::{self, HEADER_LEN, Header};
use crate::segment::{payload_len, segment};
use crate::{
    Capabilities, Cast, Checksum, Counts, Device, Direction, DropReason, EtherType, Instant,
    MacAddr, Medium, Packet, Segmentation, Stats, Watcher, sooner,
};

/// Frames that one call of [`Port::receive`] looks at. A flood of frames for others must not hold
/// the event loop for ever; what is left is due at once by [`Port::poll_at`].
const FRAMES_A_CALL: usize = 256;

/// The network layer's view of a device. It adds and takes off the Ethernet header, drops and
/// counts what is for others or of a type that nobody here speaks, and does in software what the
/// layers above left to a device that cannot do it: transport checksums, and cutting up packets
/// that stand for several.
///
/// Who calls: the stack, in the rhythm that [`Device`] describes. On a medium without link headers
/// the same calls work: destinations are ignored, and the type is told by the IP version.
pub struct Port {
    device: Box<dyn Device>,
    capabilities: Capabilities,
    mac: MacAddr,
    drops: Counts<DropReason>,
    /// When [`Port::receive`] stopped with frames still waiting.
    unfinished: Option<Instant>,
    watchers: Vec<Box<dyn Watcher>>,
}

/// What [`Port::receive`] gives: the content of a frame that is for us.
#[derive(Debug)]
pub struct Frame {
    /// To whom the frame was sent; always [`Cast::Unicast`] on a medium without link addresses.
    pub cast: Cast,
    /// What the packet is: [`EtherType::IPV4`] or [`EtherType::ARP`].
    pub ethertype: EtherType,
    /// The content. The link header is stripped, and still there for [`Packet::unstrip`].
    pub packet: Packet,
}

impl Port {
    /// Makes a port with the address `mac`, which means nothing on a medium without link headers.
    pub fn new(device: Box<dyn Device>, mac: MacAddr) -> Port {
        let capabilities = device.capabilities();
        Port {
            device,
            capabilities,
            mac,
            drops: Counts::default(),
            unfinished: None,
            watchers: Vec::new(),
        }
    }

    /// The next frame for us, or `None` until something happens again.
    pub fn receive(&mut self, now: Instant) -> Option<Frame> {
        self.unfinished = None;
        for _ in 0..FRAMES_A_CALL {
            let mut packet = self.device.receive(now)?;
            // Every layer reads it from here on. Only a link within this process brings one that
            // is in pieces.
            packet.gather();
            self.show(now, Direction::Rx, &packet);
            match self.admit(&packet) {
                Ok((cast, ethertype)) => {
                    packet.strip(ethernet::header_len(self.capabilities.medium));
                    trace!(
                        device = self.device.name(),
                        ?ethertype,
                        ?cast,
                        len = packet.len(),
                        "received"
                    );
                    return Some(Frame { cast, ethertype, packet });
                }
                Err(reason) => self.drop(reason, &packet),
            }
        }
        self.unfinished = Some(now);
        None
    }

    /// Sends `packet` to `dst` in a frame of type `ethertype`. What cannot be sent is counted.
    pub fn transmit(&mut self, now: Instant, dst: MacAddr, ethertype: EtherType, packet: Packet) {
        if self.must_be_cut(&packet) {
            // Collected first: the pieces go through `self`.
            let mut pieces = Vec::new();
            match segment(packet, 0, &mut |piece| pieces.push(piece)) {
                Ok(()) => {
                    pieces.into_iter().for_each(|piece| self.send(now, dst, ethertype, piece));
                }
                Err(reason) => self.drops.add(reason),
            }
        } else {
            self.send(now, dst, ethertype, packet);
        }
    }

    /// The Ethernet address of this end.
    pub fn mac(&self) -> MacAddr {
        self.mac
    }

    /// What the device can do.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The device.
    pub fn device(&self) -> &dyn Device {
        &*self.device
    }

    /// The device, to be changed; but its MTU through [`Port::set_mtu`].
    pub fn device_mut(&mut self) -> &mut dyn Device {
        &mut *self.device
    }

    /// Changes the device's MTU, as [`Device::set_mtu`].
    pub fn set_mtu(&mut self, mtu: usize) -> bool {
        let changed = self.device.set_mtu(mtu);
        self.capabilities = self.device.capabilities();
        changed
    }

    /// The device's traffic and drops, with this port's own drops added.
    pub fn stats(&self) -> Stats {
        let mut stats = self.device.stats();
        stats.drops.merge(&self.drops);
        stats
    }

    /// Pushes out what was sent, as [`Device::flush`].
    pub fn flush(&mut self, now: Instant) {
        self.device.flush(now);
    }

    /// When to call [`Port::receive`] and [`Port::flush`] next, though no descriptor is ready.
    pub fn poll_at(&self) -> Option<Instant> {
        sooner(self.unfinished, self.device.poll_at())
    }

    /// Lets somebody look on from now on, until [`Watcher::is_over`].
    pub fn watch(&mut self, watcher: Box<dyn Watcher>) {
        self.watchers.retain(|watcher| !watcher.is_over());
        self.watchers.push(watcher);
    }

    fn show(&mut self, now: Instant, direction: Direction, packet: &Packet) {
        if self.watchers.is_empty() {
            return;
        }
        self.watchers.retain(|watcher| !watcher.is_over());
        for watcher in &mut self.watchers {
            watcher.saw(now, direction, self.capabilities.medium, packet);
        }
    }

    fn admit(&self, packet: &[u8]) -> Result<(Cast, EtherType), DropReason> {
        match self.capabilities.medium {
            Medium::Ethernet => {
                let header = Header::parse(packet).ok_or(DropReason::Runt)?;
                header.admit(self.mac).map(|cast| (cast, header.ethertype))
            }
            Medium::Ip => {
                let ethertype = ethernet::type_of_datagram(packet).ok_or(DropReason::Runt)?;
                ethernet::carried(ethertype).map(|()| (Cast::Unicast, ethertype))
            }
        }
    }

    /// Whether `packet` stands for several and the device cannot cut it up itself.
    fn must_be_cut(&self, packet: &Packet) -> bool {
        let most = match packet.segmentation() {
            Segmentation::None => return false,
            Segmentation::Tcp4 { .. } => self.capabilities.tcp_segmentation,
            Segmentation::Udp4 { .. } => self.capabilities.udp_segmentation,
        };
        // A device makes the checksums of the pieces from the folded pseudo header; a packet that
        // was put together by another host and is forwarded has a finished one.
        let ready = matches!(packet.checksum(), Checksum::Partial { .. });
        most == 0
            || !ready
            || !self.capabilities.checksum
            || payload_len(packet, 0).is_none_or(|len| len > most)
    }

    fn send(&mut self, now: Instant, dst: MacAddr, ethertype: EtherType, mut packet: Packet) {
        if !self.capabilities.checksum {
            packet.complete_checksum();
        }
        match self.capabilities.medium {
            Medium::Ethernet => {
                Header { dst, src: self.mac, ethertype }.prepend_to(&mut packet);
            }
            // There is nothing on this medium that could tell an ARP packet from a datagram.
            Medium::Ip if ethertype == EtherType::ARP => {
                return self.drop(DropReason::UnknownType, &packet);
            }
            Medium::Ip => {}
        }
        trace!(device = self.device.name(), ?ethertype, ?dst, len = packet.len(), "sent");
        self.show(now, Direction::Tx, &packet);
        if let Err(packet) = self.device.transmit(now, packet) {
            self.drop(DropReason::QueueFull, &packet);
        }
    }

    fn drop(&mut self, reason: DropReason, packet: &[u8]) {
        let header = packet.get(..packet.len().min(HEADER_LEN));
        trace!(device = self.device.name(), %reason, len = packet.len(), ?header, "dropped");
        self.drops.add(reason);
    }
}

#[cfg(test)]
mod tests;
