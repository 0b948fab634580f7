//! An ARP packet, field by field: the kit builds and reads packets by itself, for those of the
//! implementation under test may be wrong.

use std::fmt;
use std::net::Ipv4Addr;

use netdev::MacAddr;

/// ares_op$REQUEST.
pub(super) const REQUEST: u16 = 1;
/// ares_op$REPLY.
pub(super) const REPLY: u16 = 2;

/// The fields, in the order of RFC 826's "Packet format".
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) hrd: u16,
    pub(super) pro: u16,
    pub(super) hln: u8,
    pub(super) pln: u8,
    pub(super) op: u16,
    pub(super) sha: MacAddr,
    pub(super) spa: Ipv4Addr,
    pub(super) tha: MacAddr,
    pub(super) tpa: Ipv4Addr,
}

impl Message {
    fn new(op: u16, sha: MacAddr, spa: Ipv4Addr, tha: MacAddr, tpa: Ipv4Addr) -> Message {
        Message { hrd: 1, pro: 0x0800, hln: 6, pln: 4, op, sha, spa, tha, tpa }
    }

    /// Who has `tpa`?
    pub(super) fn request(sha: MacAddr, spa: Ipv4Addr, tpa: Ipv4Addr) -> Message {
        Message::new(REQUEST, sha, spa, MacAddr::ZERO, tpa)
    }

    /// `spa` is at `sha`.
    pub(super) fn reply(sha: MacAddr, spa: Ipv4Addr, tha: MacAddr, tpa: Ipv4Addr) -> Message {
        Message::new(REPLY, sha, spa, tha, tpa)
    }

    /// The 28 bytes on the wire.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(28);
        bytes.extend(self.hrd.to_be_bytes());
        bytes.extend(self.pro.to_be_bytes());
        bytes.extend([self.hln, self.pln]);
        bytes.extend(self.op.to_be_bytes());
        bytes.extend(self.sha.0);
        bytes.extend(self.spa.octets());
        bytes.extend(self.tha.0);
        bytes.extend(self.tpa.octets());
        bytes
    }

    /// The fields of 28 bytes or more; `None` for fewer.
    pub(super) fn parse(bytes: &[u8]) -> Option<Message> {
        let word = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let mac = |at: usize| Some(MacAddr(bytes.get(at..at + 6)?.try_into().ok()?));
        let addr = |at: usize| {
            let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
            Some(Ipv4Addr::from(octets))
        };
        Some(Message {
            hrd: word(0)?,
            pro: word(2)?,
            hln: *bytes.get(4)?,
            pln: *bytes.get(5)?,
            op: word(6)?,
            sha: mac(8)?,
            spa: addr(14)?,
            tha: mac(18)?,
            tpa: addr(24)?,
        })
    }
}

/// Every field: a report is read by somebody who looks for the one that is wrong.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Message { hrd, pro, hln, pln, op, sha, spa, tha, tpa } = self;
        match *op {
            REQUEST => f.write_str("request")?,
            REPLY => f.write_str("reply")?,
            op => write!(f, "operation {op}")?,
        }
        write!(f, " hrd {hrd} pro {pro:04x} hln {hln} pln {pln}")?;
        write!(f, " sender {sha} {spa} target {tha} {tpa}")
    }
}
