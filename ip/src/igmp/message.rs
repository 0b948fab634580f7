//! The messages of IGMP (RFC 3376 §4, RFC 2236 §2).

use std::net::Ipv4Addr;
use std::time::Duration;

use netdev::Packet;
use netdev::checksum::Sum;

use super::Version;

const QUERY: u8 = 0x11;
const V1_REPORT: u8 = 0x12;
const V2_REPORT: u8 = 0x16;
const V2_LEAVE: u8 = 0x17;
const V3_REPORT: u8 = 0x22;

/// Bytes of every message of the older versions, and of what a version 3 report begins with.
const HEADER: usize = 8;
/// Bytes of version 3's query without its sources.
const V3_QUERY: usize = 12;
/// IP's header with a Router Alert.
const IP_HEADER: usize = 24;

/// A received message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Query(Query),
    /// A report of one of the older versions. Those of version 3 silence nobody.
    Report {
        group: Ipv4Addr,
    },
    Other,
}

/// A router asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) version: Version,
    /// `None` asks for all.
    pub(super) group: Option<Ipv4Addr>,
    /// None asks for the group as a whole.
    pub(super) sources: Vec<Ipv4Addr>,
    /// Within what time it wants to hear.
    pub(super) max_response: Duration,
    pub(super) robustness: u8,
    /// How often it asks.
    pub(super) interval: Duration,
}

impl Message {
    /// `None` for what is cut short or damaged.
    pub(super) fn parse(bytes: &[u8]) -> Option<Message> {
        if bytes.len() < HEADER || !Sum::default().bytes(bytes).is_valid() {
            return None;
        }
        let addr =
            |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?));
        let group = addr(4)?;
        match bytes[0] {
            V1_REPORT | V2_REPORT if group.is_multicast() => {
                return Some(Message::Report { group });
            }
            QUERY => {}
            _ => return Some(Message::Other),
        }
        if !(group.is_multicast() || group.is_unspecified()) {
            return None;
        }
        // RFC 3376 §7.1: told apart by length, and by the field that version 1 leaves zero.
        let (version, code) = match (bytes.len(), bytes[1]) {
            (HEADER, 0) => (Version::V1, 100),
            (HEADER, code) => (Version::V2, u32::from(code)),
            (len, code) if len >= V3_QUERY => (Version::V3, floating(code)),
            _ => return None,
        };
        let mut query = Query {
            version,
            group: Some(group).filter(|group| group.is_multicast()),
            sources: Vec::new(),
            max_response: Duration::from_millis(100) * code,
            robustness: 0,
            interval: Duration::ZERO,
        };
        if version == Version::V3 {
            query.robustness = bytes[8] & 7;
            query.interval = Duration::from_secs(floating(bytes[9]).into());
            let count = usize::from(u16::from_be_bytes([bytes[10], bytes[11]]));
            let sources = (0..count).map(|n| addr(V3_QUERY + n * 4));
            query.sources = sources.collect::<Option<Vec<_>>>()?;
            // RFC 3376 §4.1.11: a general query names no sources.
            if query.group.is_none() && count != 0 {
                return None;
            }
        }
        Some(Message::Query(query))
    }
}

/// RFC 3376 §4.1.1: from 128 on, three bits of exponent and four of mantissa.
fn floating(code: u8) -> u32 {
    match code {
        0..128 => code.into(),
        _ => (u32::from(code & 0xf) | 0x10) << ((code >> 4 & 7) + 3),
    }
}

/// RFC 3376 §4.2.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordType {
    IsInclude = 1,
    IsExclude = 2,
    ToInclude = 3,
    ToExclude = 4,
}

/// What a version 3 report says of one group.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) kind: RecordType,
    pub(super) group: Ipv4Addr,
    pub(super) sources: Vec<Ipv4Addr>,
}

/// Reports that hold `records`, none longer than a link of `mtu` bytes takes.
pub(super) fn reports(records: &[Record], mtu: usize) -> Vec<Packet> {
    let room = mtu.saturating_sub(IP_HEADER + HEADER);
    let mut reports = Vec::new();
    let mut rest = records;
    while !rest.is_empty() {
        let mut len = 0;
        let fits = rest.iter().take_while(|record| {
            len += 8 + 4 * record.sources.len();
            len <= room
        });
        // One that is too long alone is fragmented.
        let count = fits.count().max(1);
        let (these, others) = rest.split_at(count);
        let mut bytes = vec![V3_REPORT, 0, 0, 0, 0, 0];
        bytes.extend((count as u16).to_be_bytes());
        for Record { kind, group, sources } in these {
            bytes.extend([*kind as u8, 0]);
            bytes.extend((sources.len() as u16).to_be_bytes());
            bytes.extend(group.octets());
            bytes.extend(sources.iter().flat_map(|source| source.octets()));
        }
        reports.push(summed(bytes));
        rest = others;
    }
    reports
}

/// RFC 2236 §2 and RFC 1112 appendix I.
pub(super) fn report(version1: bool, group: Ipv4Addr) -> Packet {
    old(if version1 { V1_REPORT } else { V2_REPORT }, group)
}

pub(super) fn leave(group: Ipv4Addr) -> Packet {
    old(V2_LEAVE, group)
}

fn old(kind: u8, group: Ipv4Addr) -> Packet {
    summed([[kind, 0, 0, 0], group.octets()].concat())
}

fn summed(mut bytes: Vec<u8>) -> Packet {
    let check = Sum::default().bytes(&bytes).finish();
    bytes[2..4].copy_from_slice(&check.to_be_bytes());
    Packet::from_payload(&bytes)
}
