//! The device trait: what a link is to the stack.

use std::os::fd::BorrowedFd;

use crate::{Counts, Instant, Packet};

/// A link that carries packets: a TAP, a loopback, one end of a wire, or a decorator around
/// another device.
///
/// Who calls: the stack's event loop, from one thread at a time. The rhythm: whenever the
/// descriptor of [`Device::interest`] is ready or [`Device::poll_at`] is due, call
/// [`Device::receive`] until it gives `None`; hand over what is to be sent with
/// [`Device::transmit`]; call [`Device::flush`] when a batch is done.
///
/// A device never blocks and never panics on what the wire brings. What it has to drop it counts.
pub trait Device: Send {
    /// The interface's name, as `ifconfig` shows it: `tap0`, `lo`.
    fn name(&self) -> &str;

    /// What the device can do. Asked for once, when it is added to a stack, and again after
    /// [`Device::set_mtu`].
    fn capabilities(&self) -> Capabilities;

    /// Sends one packet: a frame with its Ethernet header where the medium is
    /// [`Medium::Ethernet`], an IP datagram where it is [`Medium::Ip`]. May be queued until
    /// [`Device::flush`]. `Err` hands the packet back: the device's queue is full now, and
    /// nothing was counted. A packet that the device cannot take at all (too long, or the device
    /// is gone) is counted and consumed.
    fn transmit(&mut self, now: Instant, packet: Packet) -> Result<(), Packet>;

    /// The next packet that arrived, or `None` until something happens again.
    fn receive(&mut self, now: Instant) -> Option<Packet>;

    /// Pushes out what [`Device::transmit`] queued, and lets time pass in devices that hold
    /// packets back. Called after each batch and when [`Device::poll_at`] is due.
    fn flush(&mut self, now: Instant) {
        let _ = now;
    }

    /// When to call [`Device::receive`] and [`Device::flush`] next, though no descriptor is
    /// ready.
    fn poll_at(&self) -> Option<Instant> {
        None
    }

    /// What an event loop waits for on behalf of this device; `None` for a device without a
    /// descriptor. Asked again before every wait.
    fn interest(&self) -> Option<Interest<'_>> {
        None
    }

    /// How many packets that it took it still holds back and will send: delayed ones, and those
    /// that wait for a descriptor. A stack that ends lets them out first.
    fn pending(&self) -> usize {
        0
    }

    /// Whether the link is usable.
    fn link(&self) -> LinkState {
        LinkState::Up
    }

    /// Traffic and drops so far. A decorator gives its inner device's, with its own drops added.
    fn stats(&self) -> Stats;

    /// Changes the largest IP datagram that the device takes, in bytes (68 at least, RFC 791).
    /// `false` where it cannot.
    fn set_mtu(&mut self, mtu: usize) -> bool {
        let _ = mtu;
        false
    }
}

/// What a device can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// What its packets begin with.
    pub medium: Medium,
    /// The largest IP datagram in bytes, without the Ethernet header.
    pub mtu: usize,
    /// Whether it fills in transport checksums ([`Checksum::Partial`](crate::Checksum)); one that
    /// does not is never given a partial one.
    pub checksum: bool,
    /// The longest TCP payload in bytes that it cuts into segments
    /// ([`Segmentation`](crate::Segmentation)); 0 for none.
    pub tcp_segmentation: usize,
    /// The same for UDP.
    pub udp_segmentation: usize,
}

impl Capabilities {
    /// A device without any offload.
    pub const fn plain(medium: Medium, mtu: usize) -> Capabilities {
        Capabilities { medium, mtu, checksum: false, tcp_segmentation: 0, udp_segmentation: 0 }
    }
}

/// The least MTU that IPv4 can live with: a header of 60 bytes and 8 bytes of a fragment
/// (RFC 791 §3.2).
pub(crate) const LEAST_MTU: usize = 68;

/// What the packets of a device begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Medium {
    /// An Ethernet header; neighbours are found by ARP.
    Ethernet,
    /// An IP header; there is one peer, or only oneself.
    Ip,
}

/// What an event loop waits for.
#[derive(Clone, Copy, Debug)]
pub struct Interest<'a> {
    /// The descriptor: always waited on for reading.
    pub fd: BorrowedFd<'a>,
    /// Whether to wait until it can be written to as well: the device holds packets back.
    pub write: bool,
}

/// Whether a link is usable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkState {
    /// It is.
    Up,
    /// It is not any more, and why, in words for a person.
    Down(String),
}

/// Traffic of a device. Packets are what crossed the interface, a segmented one counts once.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received, link headers included.
    pub rx_bytes: u64,
    /// Reads that failed.
    pub rx_errors: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent, link headers included.
    pub tx_bytes: u64,
    /// Writes that failed.
    pub tx_errors: u64,
    /// What was dropped, and why.
    pub drops: Counts<DropReason>,
}

impl Stats {
    /// Counts one received packet of `len` bytes.
    pub fn received(&mut self, len: usize) {
        self.rx_packets += 1;
        self.rx_bytes += len as u64;
    }

    /// Counts one sent packet of `len` bytes.
    pub fn sent(&mut self, len: usize) {
        self.tx_packets += 1;
        self.tx_bytes += len as u64;
    }
}

crate::reasons! {
    /// Why a device, a decorator or the Ethernet layer dropped a packet.
    pub enum DropReason {
        /// Shorter than an Ethernet header.
        Runt = "frame shorter than its header",
        /// Longer than the device can send.
        TooLong = "longer than the MTU",
        /// For another host, seen because the link is shared.
        Foreign = "for another host",
        /// RARP, which nobody speaks any more.
        Rarp = "RARP",
        /// An 802.1Q or 802.1ad tag.
        Vlan = "VLAN tagged",
        /// An 802.3 length in the type field.
        Length = "802.3 length instead of a type",
        /// IPv6, for later.
        Ipv6 = "IPv6",
        /// Any other EtherType.
        UnknownType = "unknown EtherType",
        /// Sent with one of our own addresses as the source.
        OwnSource = "sent from our own address",
        /// The device's transmit queue was full.
        QueueFull = "transmit queue full",
        /// Received faster than it was read: the kernel's buffer for us was full.
        Overrun = "receive buffer full",
        /// The other end is not there.
        NoPeer = "no peer",
        /// A broken length prefix on a stream link, or an offload header that makes no sense.
        Framing = "framing",
        /// The kernel had more than the buffer took, and said so (TUN_PKT_STRIP).
        Stripped = "cut short by the kernel",
        /// The fault injector lost it.
        FaultLoss = "lost by the fault injector",
        /// The fault injector's rate limit had too many waiting.
        FaultQueue = "fault injector's queue full",
    }
}
