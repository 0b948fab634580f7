//! Probes as bytes, and what comes back for them (RFC 792).

use std::net::IpAddr;

use ip::{Protocol, Quoted};
use netdev::checksum::Sum;

/// Bytes of an ICMP header.
const HEADER: usize = 8;
/// Bytes of IP and of UDP or ICMP header before the data.
const HEADERS: usize = 28;

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const ECHO_REQUEST: u8 = 8;
const TIME_EXCEEDED: u8 = 11;

/// What the probes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// UDP datagrams from a port of ours to ports where hopefully nobody listens: `base` and the
    /// number of the probe.
    Udp {
        /// Where they come from.
        source: u16,
        /// The first of the ports.
        base: u16,
    },
    /// Echo requests with this identifier; the number of the probe is the sequence number.
    Icmp {
        /// The identifier.
        id: u16,
    },
}

/// What came back for a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who says it.
    pub from: IpAddr,
    /// For which probe.
    pub number: u16,
    /// What.
    pub what: What,
}

/// What is said of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It came as far as this router.
    Passed,
    /// It arrived.
    Arrived,
    /// It goes no further: destination unreachable, with this code.
    Refused(u8),
}

impl Method {
    /// What a probe carries above IP (echo requests) or above UDP: so much that its datagram has
    /// `size` bytes, where there is room for less.
    pub fn message(&self, number: u16, size: usize) -> Vec<u8> {
        let data = (0..size.saturating_sub(HEADERS)).map(|at| b'@' + (at % 32) as u8);
        match *self {
            Method::Udp { .. } => data.collect(),
            Method::Icmp { id } => {
                let mut message = vec![ECHO_REQUEST, 0, 0, 0];
                message.extend(id.to_be_bytes());
                message.extend(number.to_be_bytes());
                message.extend(data);
                let check = Sum::default().bytes(&message).finish();
                message[2..4].copy_from_slice(&check.to_be_bytes());
                message
            }
        }
    }

    /// The port of a probe; `None` for echo requests.
    pub fn port(&self, number: u16) -> Option<u16> {
        match *self {
            Method::Udp { base, .. } => Some(base.wrapping_add(number)),
            Method::Icmp { .. } => None,
        }
    }

    /// Reads an ICMP message that came from `from`, header first; `None` where it is about no
    /// probe to `peer`.
    pub fn answer(&self, peer: IpAddr, from: IpAddr, message: &[u8]) -> Option<Answer> {
        let &[kind, code, _, _, a, b, c, d] = message.first_chunk::<HEADER>()?;
        if !Sum::default().bytes(message).is_valid() {
            return None;
        }
        if kind == ECHO_REPLY {
            let ours = *self == Method::Icmp { id: u16::from_be_bytes([a, b]) } && from == peer;
            let number = u16::from_be_bytes([c, d]);
            return ours.then_some(Answer { from, number, what: What::Arrived });
        }
        let quoted = Quoted::parse(&message[HEADER..])?;
        let number = self.quoted(peer, &quoted)?;
        let what = match (kind, code, self) {
            (TIME_EXCEEDED, 0, _) => What::Passed,
            // Nobody listens there: so it came all the way.
            (UNREACHABLE, 3, Method::Udp { .. }) if from == peer => What::Arrived,
            (UNREACHABLE, code, _) => What::Refused(code),
            _ => return None,
        };
        Some(Answer { from, number, what })
    }

    /// Which probe a quoted datagram was.
    fn quoted(&self, peer: IpAddr, quoted: &Quoted) -> Option<u16> {
        if quoted.dst != peer {
            return None;
        }
        match *self {
            Method::Udp { source, base } => {
                let (from, to) = quoted.ports()?;
                let ours = quoted.protocol == Protocol::UDP && from == source;
                ours.then_some(to.wrapping_sub(base))
            }
            Method::Icmp { id } => {
                let [ECHO_REQUEST, _, _, _, a, b, c, d, ..] = quoted.payload[..] else {
                    return None;
                };
                let ours = quoted.protocol == Protocol::ICMP && u16::from_be_bytes([a, b]) == id;
                ours.then_some(u16::from_be_bytes([c, d]))
            }
        }
    }
}
