//! The messages of RFC 792 and RFC 1122 §3.2.2, and what IP calls them.

use std::net::{IpAddr, Ipv4Addr};

use etherparse::Icmpv4Slice;
use ip::{Cause, Options};
use netdev::checksum::Sum;
use netdev::{Checksum, Instant, Packet};

use crate::DropReason;

/// Bytes of header in front of an echo's data or an error's quote.
pub(crate) const HEADER: usize = 8;

pub(crate) const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const SOURCE_QUENCH: u8 = 4;
const REDIRECT: u8 = 5;
pub(crate) const ECHO_REQUEST: u8 = 8;
const ROUTER_ADVERTISEMENT: u8 = 9;
const ROUTER_SOLICITATION: u8 = 10;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;
const TIMESTAMP_REQUEST: u8 = 13;
const TIMESTAMP_REPLY: u8 = 14;
const INFORMATION_REQUEST: u8 = 15;
const INFORMATION_REPLY: u8 = 16;
const MASK_REQUEST: u8 = 17;
const MASK_REPLY: u8 = 18;

/// What kind of message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Echo,
    /// An answer to something that a program of this host asked.
    Reply,
    /// An error, with its quote behind the header.
    Error(Cause),
    /// Asks for the time.
    Timestamp,
    /// A request that gets no answer.
    Unanswered,
}

/// Reads a received message: length, checksum, type.
pub(crate) fn parse(packet: &Packet) -> Result<Kind, DropReason> {
    let icmp = Icmpv4Slice::from_slice(packet).map_err(|_| DropReason::Truncated)?;
    if packet.checksum() == Checksum::None && !Sum::default().bytes(packet).is_valid() {
        return Err(DropReason::Checksum);
    }
    match icmp.type_u8() {
        ECHO_REQUEST => Ok(Kind::Echo),
        ECHO_REPLY | TIMESTAMP_REPLY | INFORMATION_REPLY | MASK_REPLY => Ok(Kind::Reply),
        TIMESTAMP_REQUEST if packet.len() < TIMESTAMP_LEN => Err(DropReason::Truncated),
        TIMESTAMP_REQUEST => Ok(Kind::Timestamp),
        INFORMATION_REQUEST | MASK_REQUEST => Ok(Kind::Unanswered),
        error => cause(error, icmp.code_u8(), icmp.bytes5to8())
            .map(Kind::Error)
            .ok_or(DropReason::UnknownType),
    }
}

/// What an error with this type, code and second word says; `None` where it is no known error.
fn cause(kind: u8, code: u8, word: [u8; 4]) -> Option<Cause> {
    Some(match (kind, code) {
        (UNREACHABLE, 0) => Cause::NetworkUnreachable,
        (UNREACHABLE, 1) => Cause::HostUnreachable,
        (UNREACHABLE, 2) => Cause::ProtocolUnreachable,
        (UNREACHABLE, 3) => Cause::PortUnreachable,
        // RFC 1191 §4.
        (UNREACHABLE, 4) => {
            Cause::FragmentationNeeded { mtu: u16::from_be_bytes([word[2], word[3]]) }
        }
        (UNREACHABLE, 5) => Cause::SourceRouteFailed,
        (UNREACHABLE, 9 | 10 | 13) => Cause::Prohibited,
        // RFC 1122 §3.2.2.1 up to 12, RFC 1812 §5.2.7.1 up to 15.
        (UNREACHABLE, 6..=15) => Cause::Unreachable { code },
        (SOURCE_QUENCH, 0) => Cause::SourceQuench,
        // Codes 2 and 3 are for one type of service only, which RFC 2474 has abolished.
        (REDIRECT, 0..=3) => Cause::Redirect {
            gateway: IpAddr::V4(Ipv4Addr::from(word)),
            host: code == 1 || code == 3,
        },
        (TIME_EXCEEDED, 0) => Cause::TtlExceeded,
        (TIME_EXCEEDED, 1) => Cause::ReassemblyTimeout,
        // RFC 1122 §3.2.2.5 adds code 1, "a required option is missing"; 2 is "bad length".
        (PARAMETER_PROBLEM, 0..=2) => Cause::ParameterProblem { pointer: word[0] },
        _ => return None,
    })
}

/// Type, code and second word of the error that says `cause`; `None` for one that must not be
/// sent.
fn header(cause: Cause) -> Option<(u8, u8, [u8; 4])> {
    let none = [0; 4];
    Some(match cause {
        Cause::NetworkUnreachable => (UNREACHABLE, 0, none),
        Cause::HostUnreachable => (UNREACHABLE, 1, none),
        Cause::ProtocolUnreachable => (UNREACHABLE, 2, none),
        Cause::PortUnreachable => (UNREACHABLE, 3, none),
        Cause::FragmentationNeeded { mtu } => {
            let [high, low] = mtu.to_be_bytes();
            (UNREACHABLE, 4, [0, 0, high, low])
        }
        Cause::SourceRouteFailed => (UNREACHABLE, 5, none),
        Cause::Prohibited => (UNREACHABLE, 13, none),
        Cause::Unreachable { code } => (UNREACHABLE, code, none),
        Cause::Redirect { gateway: IpAddr::V4(gateway), host } => {
            (REDIRECT, u8::from(host), gateway.octets())
        }
        Cause::TtlExceeded => (TIME_EXCEEDED, 0, none),
        Cause::ReassemblyTimeout => (TIME_EXCEEDED, 1, none),
        Cause::ParameterProblem { pointer } => (PARAMETER_PROBLEM, 0, [pointer, 0, 0, 0]),
        // RFC 6633 §3: a host or router must not send source quench; and what else there may be.
        _ => return None,
    })
}

/// The error that says `cause` of the datagram that `quote` is the start of.
pub(crate) fn error(cause: Cause, quote: &[u8]) -> Option<Packet> {
    let (kind, code, [a, b, c, d]) = header(cause)?;
    let mut packet = Packet::from_payload(quote);
    packet.prepend(HEADER).copy_from_slice(&[kind, code, 0, 0, a, b, c, d]);
    fill_checksum(&mut packet);
    Some(packet)
}

/// The reply to an echo request: identifier, sequence number and data as they came (RFC 792). It
/// is a packet of its own, for what devices noted on the request is not true of the reply.
pub(crate) fn echo_reply(request: &Packet) -> Packet {
    let mut reply = Packet::from_payload(request);
    reply[0] = ECHO_REPLY;
    reply[1] = 0;
    fill_checksum(&mut reply);
    reply
}

/// Bytes of a timestamp message (RFC 792).
const TIMESTAMP_LEN: usize = 20;

/// The reply to a timestamp request (RFC 792, RFC 1122 §3.2.2.8): received and sent at `now`. Time
/// that is not counted from midnight UT has its highest bit set, and this layer has no calendar.
pub(crate) fn timestamp_reply(request: &Packet, now: Instant) -> Packet {
    let time = ((now - Instant::ZERO).as_millis() as u32 | 0x8000_0000).to_be_bytes();
    let mut reply = Packet::from_payload(&request[..TIMESTAMP_LEN]);
    reply[0] = TIMESTAMP_REPLY;
    reply[12..16].copy_from_slice(&time);
    reply[16..20].copy_from_slice(&time);
    fill_checksum(&mut reply);
    reply
}

/// Of received options those that are filled in on the way: timestamp, and record route with `own`
/// in it, where there is room.
pub(crate) fn recordings(options: &Options, own: Ipv4Addr) -> Options {
    const END: u8 = 0;
    const NOP: u8 = 1;
    const RECORD_ROUTE: u8 = 7;
    const TIMESTAMP: u8 = 68;
    let mut kept = Vec::new();
    let mut rest = options.as_wire();
    while let [kind, tail @ ..] = rest
        && *kind != END
    {
        let len = if *kind == NOP { 1 } else { tail.first().map_or(0, |len| usize::from(*len)) };
        let Some((option, behind)) = rest.split_at_checked(len).filter(|_| len > 0) else { break };
        let start = kept.len();
        if matches!(*kind, RECORD_ROUTE | TIMESTAMP) {
            kept.extend_from_slice(option);
        }
        if let [RECORD_ROUTE, _, pointer, ..] = kept[start..] {
            let at = start + usize::from(pointer).wrapping_sub(1);
            if let Some(room) = kept.get_mut(at..at.saturating_add(4)) {
                room.copy_from_slice(&own.octets());
                kept[start + 2] = pointer + 4;
            }
        }
        rest = behind;
    }
    Options::from_wire(&kept).unwrap_or_default()
}

fn fill_checksum(packet: &mut Packet) {
    packet[2..4].fill(0);
    let check = Sum::default().bytes(packet).finish();
    packet[2..4].copy_from_slice(&check.to_be_bytes());
}

/// Whether an ICMP message of this type may be the subject of an error: only the queries may
/// (RFC 1122 §3.2.2), and of a type that nobody knows one cannot be sure.
pub(crate) fn is_query(kind: u8) -> bool {
    matches!(
        kind,
        ECHO_REPLY
            | ECHO_REQUEST
            | ROUTER_ADVERTISEMENT
            | ROUTER_SOLICITATION
            | TIMESTAMP_REQUEST
            | TIMESTAMP_REPLY
            | INFORMATION_REQUEST
            | INFORMATION_REPLY
            | MASK_REQUEST
            | MASK_REPLY
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_that_is_sent_reads_back() {
        let gateway = IpAddr::from([10, 0, 0, 2]);
        for sent in [
            Cause::NetworkUnreachable,
            Cause::HostUnreachable,
            Cause::ProtocolUnreachable,
            Cause::PortUnreachable,
            Cause::FragmentationNeeded { mtu: 1400 },
            Cause::SourceRouteFailed,
            Cause::Prohibited,
            Cause::Unreachable { code: 7 },
            Cause::Redirect { gateway, host: true },
            Cause::Redirect { gateway, host: false },
            Cause::TtlExceeded,
            Cause::ReassemblyTimeout,
            Cause::ParameterProblem { pointer: 20 },
        ] {
            let packet = error(sent, b"quote").unwrap();
            assert_eq!(parse(&packet), Ok(Kind::Error(sent)));
            assert_eq!(&packet[HEADER..], b"quote");
        }
        assert!(error(Cause::SourceQuench, b"quote").is_none());
    }

    /// RFC 792, RFC 1122 §3.2.2, RFC 1812 §5.2.7: every type with every code.
    #[test]
    fn every_type_and_code_is_read_or_refused() {
        for kind in 0..=255 {
            for code in 0..=255 {
                let known = match kind {
                    UNREACHABLE => code <= 15,
                    SOURCE_QUENCH => code == 0,
                    REDIRECT => code <= 3,
                    TIME_EXCEEDED => code <= 1,
                    PARAMETER_PROBLEM => code <= 2,
                    _ => false,
                };
                assert_eq!(cause(kind, code, [0; 4]).is_some(), known, "{kind}/{code}");
            }
        }
    }
}
