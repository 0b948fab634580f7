//! What goes with each frame through a descriptor: the headers that /dev/net/tun or a packet socket
//! puts in front of it, and what they spare the two ends.
//!
//! ```text
//!   4 bytes     10 bytes
//! +----------+-------------+----------------------------------------------+
//! | tun_pi   |    vnet     |  Ethernet frame, or IP datagram              |
//! +----------+-------------+----------------------------------------------+
//!  unless      with
//!  IFF_NO_PI   IFF_VNET_HDR
//! ```
//!
//! `struct tun_pi` (linux/if_tun.h) is two numbers: flags in the byte order of the machine, and the
//! EtherType in that of the network.

use super::vnet;
use crate::{Capabilities, Checksum, DropReason, EtherType, Medium, Packet, Segmentation};

/// The largest IPv4 datagram (RFC 791 §3.1), which is also the largest that offload can make.
pub(super) const MAX_DATAGRAM: usize = 65_535;
/// A datagram's room for payload when both headers are as long as they can be.
const MAX_SEGMENTED: usize = MAX_DATAGRAM - 60 - 60;
/// Bytes of `struct tun_pi`.
const PI_LEN: usize = 4;
/// `TUN_PKT_STRIP`: the frame did not fit the buffer, and here is what did.
const TUN_PKT_STRIP: u16 = 1;

/// Both headers.
pub(super) type Headers = [u8; PI_LEN + vnet::LEN];

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

/// How a descriptor gives and takes frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Format {
    pub(super) medium: Medium,
    /// Whether a `tun_pi` header is in front.
    pub(super) packet_info: bool,
    pub(super) offload: Offload,
}

impl Format {
    /// Ethernet frames without a `tun_pi` header.
    pub(super) fn ethernet(offload: Offload) -> Format {
        Format { medium: Medium::Ethernet, packet_info: false, offload }
    }

    /// Bytes in front of each frame, at the beginning of [`Headers`].
    pub(super) fn len(self) -> usize {
        let pi = if self.packet_info { PI_LEN } else { 0 };
        let vnet = if self.has_vnet() { vnet::LEN } else { 0 };
        pi + vnet
    }

    pub(super) fn has_vnet(self) -> bool {
        self.offload != Offload::None
    }

    pub(super) fn capabilities(self, mtu: usize) -> Capabilities {
        let plain = Capabilities::plain(self.medium, mtu);
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

    /// What the headers say of the frame of `len` bytes behind them, or why it is to be dropped.
    pub(super) fn decode(
        self,
        headers: &Headers,
        len: usize,
    ) -> Result<(Checksum, Segmentation), DropReason> {
        let (pi, rest) = headers.split_at(PI_LEN);
        if self.packet_info && u16::from_ne_bytes([pi[0], pi[1]]) & TUN_PKT_STRIP != 0 {
            return Err(DropReason::Stripped);
        }
        let vnet = if self.packet_info { rest } else { &headers[..] };
        match vnet.first_chunk() {
            Some(header) if self.has_vnet() => {
                vnet::decode(header, len).map_err(|vnet::Malformed| DropReason::Framing)
            }
            _ => Ok((Checksum::None, Segmentation::None)),
        }
    }

    /// The headers that go in front of `packet`. Without a [`vnet`] header its checksum is filled
    /// in.
    pub(super) fn encode(self, packet: &mut Packet) -> Result<Headers, DropReason> {
        let mut headers = Headers::default();
        let mut at = 0;
        if self.packet_info {
            // The kernel ignores it on a TAP, and takes a TUN's word for it.
            headers[2..PI_LEN].copy_from_slice(&EtherType::IPV4.0.to_be_bytes());
            at = PI_LEN;
        }
        if self.has_vnet() {
            let header = vnet::encode(packet).map_err(|vnet::Malformed| DropReason::Framing)?;
            headers[at..at + vnet::LEN].copy_from_slice(&header);
        } else {
            packet.complete_checksum();
        }
        Ok(headers)
    }
}
