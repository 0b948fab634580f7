//! The packet of RFC 826, for Ethernet and IPv4.

use std::net::Ipv4Addr;

use etherparse::{ArpHardwareId, ArpOperation, ArpPacketSlice};
use netdev::{EtherType, MacAddr, Packet};

use crate::DropReason;

/// Bytes of a packet about Ethernet and IPv4. What follows in a frame is padding.
pub(crate) const LEN: usize = 28;

/// What an ARP packet asks or says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whether it asks or answers.
    pub operation: Operation,
    /// Who sends it.
    pub sender_mac: MacAddr,
    /// The address that the sender has; unspecified in a probe (RFC 5227 §1.1).
    pub sender: Ipv4Addr,
    /// To whom it answers; of a question that is yet to be found out.
    pub target_mac: MacAddr,
    /// Who is asked for, or answered.
    pub target: Ipv4Addr,
}

/// Whether an ARP packet asks or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target's address?
    Request,
    /// The sender has it.
    Reply,
}

impl Message {
    /// Reads a packet, with the checks that RFC 826's "Packet Reception" asks for in its order:
    /// hardware, its length, protocol, its length, and (last there) the operation.
    pub fn parse(bytes: &[u8]) -> Result<Message, DropReason> {
        let arp = ArpPacketSlice::from_slice(bytes).map_err(|_| DropReason::Truncated)?;
        if arp.hw_addr_type() != ArpHardwareId::ETHERNET {
            return Err(DropReason::Hardware);
        }
        if arp.proto_addr_type().0 != EtherType::IPV4.0 {
            return Err(DropReason::Protocol);
        }
        let operation = match arp.operation() {
            ArpOperation::REQUEST => Operation::Request,
            ArpOperation::REPLY => Operation::Reply,
            _ => return Err(DropReason::Operation),
        };
        let mac = |bytes: &[u8]| bytes.try_into().map(MacAddr).map_err(|_| DropReason::Length);
        let addr = |bytes: &[u8]| {
            <[u8; 4]>::try_from(bytes).map(Ipv4Addr::from).map_err(|_| DropReason::Length)
        };
        Ok(Message {
            operation,
            sender_mac: mac(arp.sender_hw_addr())?,
            sender: addr(arp.sender_protocol_addr())?,
            target_mac: mac(arp.target_hw_addr())?,
            target: addr(arp.target_protocol_addr())?,
        })
    }

    /// The packet, ready for a frame.
    pub fn packet(&self) -> Packet {
        let mut bytes = [0; LEN];
        bytes[..2].copy_from_slice(&ArpHardwareId::ETHERNET.0.to_be_bytes());
        bytes[2..4].copy_from_slice(&EtherType::IPV4.0.to_be_bytes());
        bytes[4] = 6;
        bytes[5] = 4;
        let operation = match self.operation {
            Operation::Request => ArpOperation::REQUEST,
            Operation::Reply => ArpOperation::REPLY,
        };
        bytes[6..8].copy_from_slice(&operation.0.to_be_bytes());
        bytes[8..14].copy_from_slice(&self.sender_mac.0);
        bytes[14..18].copy_from_slice(&self.sender.octets());
        bytes[18..24].copy_from_slice(&self.target_mac.0);
        bytes[24..28].copy_from_slice(&self.target.octets());
        Packet::from_payload(&bytes)
    }

    /// The question who has `target`.
    pub fn request(mac: MacAddr, sender: Ipv4Addr, target: Ipv4Addr) -> Message {
        Message {
            operation: Operation::Request,
            sender_mac: mac,
            sender,
            target_mac: MacAddr::ZERO,
            target,
        }
    }

    /// The answer to this request: "I have what you ask for, at `mac`" (RFC 826: swap hardware
    /// and protocol fields, put the local hardware and protocol addresses in the sender's).
    pub fn answer(&self, mac: MacAddr) -> Message {
        Message {
            operation: Operation::Reply,
            sender_mac: mac,
            sender: self.target,
            target_mac: self.sender_mac,
            target: self.sender,
        }
    }
}

/// Whether a single host can have this link address.
pub(crate) fn is_host_mac(mac: MacAddr) -> bool {
    !mac.is_group() && mac != MacAddr::ZERO
}

/// Whether a neighbour on a link can have this address (RFC 1122 §3.2.1.3).
pub(crate) fn is_neighbour(addr: Ipv4Addr) -> bool {
    !(addr.octets()[0] == 0 || addr.is_loopback() || addr.is_multicast() || addr.is_broadcast())
}
