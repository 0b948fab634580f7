//! Echo requests out, and what comes back to a raw socket (RFC 792).

use std::net::Ipv4Addr;

use ip::{Protocol, Quoted};
use netdev::checksum::Sum;

/// Bytes of ICMP header before the data.
pub(super) const HEADER: usize = 8;

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const SOURCE_QUENCH: u8 = 4;
const REDIRECT: u8 = 5;
const ECHO_REQUEST: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;

/// An echo request with `size` bytes of data, each of them its own position.
pub(super) fn request(id: u16, seq: u16, size: usize) -> Vec<u8> {
    let mut message = vec![ECHO_REQUEST, 0, 0, 0];
    message.extend(id.to_be_bytes());
    message.extend(seq.to_be_bytes());
    message.extend((0..size).map(|at| at as u8));
    let check = Sum::default().bytes(&message).finish();
    message[2..4].copy_from_slice(&check.to_be_bytes());
    message
}

/// What came back for one of the requests with our id.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// An echo reply.
    Reply {
        from: Ipv4Addr,
        seq: u16,
        /// Bytes of ICMP header and data.
        len: usize,
        ttl: u8,
        /// What is wrong with it.
        flaw: Option<&'static str>,
    },
    /// Somebody says why there will be none.
    Error { from: Ipv4Addr, seq: u16, what: String },
    /// A router knows a better way; the reply still comes.
    Notice { from: Ipv4Addr, seq: u16, what: String },
}

/// Reads a received datagram from its IP header on; `None` for what is not about our requests.
pub(super) fn parse(datagram: &[u8], id: u16) -> Option<Answer> {
    let header_len = usize::from(datagram.first()? & 0x0f) * 4;
    if header_len < 20 || datagram.len() < header_len + HEADER {
        return None;
    }
    let (header, message) = datagram.split_at(header_len);
    let from = Ipv4Addr::new(header[12], header[13], header[14], header[15]);
    let word = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
    let good = Sum::default().bytes(message).is_valid();
    match message[0] {
        ECHO_REPLY if word(4) == id => {
            let data = &message[HEADER..];
            let flaw = match good {
                false => Some("BAD CHECKSUM"),
                true if data.iter().enumerate().any(|(at, &byte)| byte != at as u8) => {
                    Some("DIFFERENT DATA")
                }
                true => None,
            };
            Some(Answer::Reply { from, seq: word(6), len: message.len(), ttl: header[8], flaw })
        }
        kind @ (UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM)
            if good =>
        {
            let quoted = Quoted::parse(&message[HEADER..])?;
            let [ECHO_REQUEST, _, _, _, a, b, c, d, ..] = quoted.payload[..] else { return None };
            if quoted.protocol != Protocol::ICMP || u16::from_be_bytes([a, b]) != id {
                return None;
            }
            let seq = u16::from_be_bytes([c, d]);
            let what = describe(message);
            Some(match kind {
                REDIRECT | SOURCE_QUENCH => Answer::Notice { from, seq, what },
                _ => Answer::Error { from, seq, what },
            })
        }
        _ => None,
    }
}

/// The words of ping(8) for an ICMP error.
fn describe(message: &[u8]) -> String {
    let gateway = Ipv4Addr::new(message[4], message[5], message[6], message[7]);
    match (message[0], message[1]) {
        (UNREACHABLE, 0) => "Destination Net Unreachable".into(),
        (UNREACHABLE, 1) => HOST_UNREACHABLE.into(),
        (UNREACHABLE, 2) => "Destination Protocol Unreachable".into(),
        (UNREACHABLE, 3) => "Destination Port Unreachable".into(),
        (UNREACHABLE, 4) => {
            let mtu = u16::from_be_bytes([message[6], message[7]]);
            format!("Frag needed and DF set (mtu = {mtu})")
        }
        (UNREACHABLE, 5) => "Source Route Failed".into(),
        (UNREACHABLE, 9 | 10 | 13) => "Packet filtered".into(),
        (UNREACHABLE, code) => format!("Dest Unreachable, Bad Code: {code}"),
        (SOURCE_QUENCH, _) => "Source Quench".into(),
        (REDIRECT, 1) => format!("Redirect Host(New nexthop: {gateway})"),
        (REDIRECT, _) => format!("Redirect Network(New nexthop: {gateway})"),
        (TIME_EXCEEDED, 0) => "Time to live exceeded".into(),
        (TIME_EXCEEDED, _) => "Frag reassembly time exceeded".into(),
        _ => format!("Parameter problem: pointer = {}", message[4]),
    }
}

/// What ping(8) says when the neighbour does not answer.
pub(super) const HOST_UNREACHABLE: &str = "Destination Host Unreachable";

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(from: [u8; 4], message: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0];
        let total = (20 + message.len()) as u16;
        bytes[2..4].copy_from_slice(&total.to_be_bytes());
        bytes.extend(from);
        bytes.extend([10, 0, 0, 1]);
        bytes.extend(message);
        bytes
    }

    fn summed(mut message: Vec<u8>) -> Vec<u8> {
        message[2..4].fill(0);
        let check = Sum::default().bytes(&message).finish();
        message[2..4].copy_from_slice(&check.to_be_bytes());
        message
    }

    #[test]
    fn a_request_becomes_a_reply() {
        let mut message = request(7, 3, 300);
        assert_eq!(message.len(), 308);
        assert_eq!(parse(&datagram([10, 0, 0, 2], &message), 7), None, "a request is no answer");
        message[0] = ECHO_REPLY;
        let message = summed(message);
        let from = Ipv4Addr::new(10, 0, 0, 2);
        let reply = |flaw| Some(Answer::Reply { from, seq: 3, len: 308, ttl: 64, flaw });
        assert_eq!(parse(&datagram([10, 0, 0, 2], &message), 7), reply(None));
        assert_eq!(parse(&datagram([10, 0, 0, 2], &message), 8), None, "somebody else's");
        let mut broken = message.clone();
        broken[20] ^= 1;
        assert_eq!(parse(&datagram([10, 0, 0, 2], &broken), 7), reply(Some("BAD CHECKSUM")));
        assert_eq!(
            parse(&datagram([10, 0, 0, 2], &summed(broken)), 7),
            reply(Some("DIFFERENT DATA"))
        );
    }

    #[test]
    fn errors_name_their_request() {
        let ours = datagram([10, 0, 0, 1], &request(7, 9, 56));
        let error = |kind, code, rest: [u8; 4], quote: &[u8]| {
            let mut message = vec![kind, code, 0, 0];
            message.extend(rest);
            message.extend(&quote[..28]);
            datagram([10, 0, 0, 254], &summed(message))
        };
        let from = Ipv4Addr::new(10, 0, 0, 254);
        let what = "Time to live exceeded".to_string();
        assert_eq!(
            parse(&error(11, 0, [0; 4], &ours), 7),
            Some(Answer::Error { from, seq: 9, what })
        );
        let what = "Frag needed and DF set (mtu = 1280)".to_string();
        assert_eq!(
            parse(&error(3, 4, [0, 0, 5, 0], &ours), 7),
            Some(Answer::Error { from, seq: 9, what })
        );
        let what = "Redirect Host(New nexthop: 10.0.0.3)".to_string();
        assert_eq!(
            parse(&error(5, 1, [10, 0, 0, 3], &ours), 7),
            Some(Answer::Notice { from, seq: 9, what })
        );
        assert_eq!(parse(&error(11, 0, [0; 4], &ours), 6), None);
    }

    #[test]
    fn broken_bytes_are_nothing() {
        let whole = datagram([1, 2, 3, 4], &request(1, 1, 4));
        for len in 0..whole.len() {
            assert_eq!(parse(&whole[..len], 1), None);
        }
        assert_eq!(parse(&[0xff; 40], 0xffff), None);
    }
}
