//! TCP segments (RFC 9293, RFC 7323, RFC 2018) in words.

use std::net::Ipv4Addr;

use etherparse::TcpHeaderSlice;

use super::{be16, be32};

/// A segment. `said` is its length by the IP header: of a quoted one, less may be there.
pub(super) fn describe(src: Ipv4Addr, dst: Ipv4Addr, bytes: &[u8], said: usize) -> String {
    match TcpHeaderSlice::from_slice(bytes) {
        Ok(header) => whole(src, dst, &header, said),
        Err(_) => match (be16(bytes, 0), be16(bytes, 2), be32(bytes, 4)) {
            // An ICMP error need not quote more than these 8 bytes (RFC 792).
            (Some(sport), Some(dport), Some(seq)) => {
                format!("{src}.{sport} > {dst}.{dport}: TCP, seq {seq}, cut short")
            }
            _ => format!("{src} > {dst}: TCP, cut short: {} bytes", bytes.len()),
        },
    }
}

fn whole(src: Ipv4Addr, dst: Ipv4Addr, header: &TcpHeaderSlice<'_>, said: usize) -> String {
    let len = said.saturating_sub(header.slice().len());
    let mut text = format!(
        "{src}.{} > {dst}.{}: TCP [{}]",
        header.source_port(),
        header.destination_port(),
        flags(header)
    );
    let seq = header.sequence_number();
    if len != 0 {
        text += &format!(", seq {seq}:{}", seq.wrapping_add(len as u32));
    } else if header.syn() || header.fin() || header.rst() {
        text += &format!(", seq {seq}");
    }
    if header.ack() {
        text += &format!(", ack {}", header.acknowledgment_number());
    }
    text += &format!(", win {}", header.window_size());
    if header.urg() {
        text += &format!(", urg {}", header.urgent_pointer());
    }
    if !header.options().is_empty() {
        text += &format!(", options [{}]", options(header.options()));
    }
    text + &format!(", length {len}")
}

/// As tcpdump writes them: a dot is an ACK, E and W are ECN-Echo and CWR.
fn flags(header: &TcpHeaderSlice<'_>) -> String {
    let flags: String = [
        (header.fin(), 'F'),
        (header.syn(), 'S'),
        (header.rst(), 'R'),
        (header.psh(), 'P'),
        (header.ack(), '.'),
        (header.urg(), 'U'),
        (header.ece(), 'E'),
        (header.cwr(), 'W'),
    ]
    .into_iter()
    .filter_map(|(set, letter)| set.then_some(letter))
    .collect();
    if flags.is_empty() { "none".to_string() } else { flags }
}

/// The raw bytes are walked here, since an unknown kind must not hide what follows it (RFC 9293
/// §3.1, MUST-6).
fn options(mut bytes: &[u8]) -> String {
    let mut words = Vec::new();
    while let Some((&kind, rest)) = bytes.split_first() {
        if kind <= 1 {
            words.push(if kind == 0 { "eol" } else { "nop" }.to_string());
            if kind == 0 {
                break;
            }
            bytes = rest;
            continue;
        }
        let len = rest.first().map_or(0, |len| usize::from(*len));
        let Some(content) = bytes.get(2..len) else {
            words.push(format!("malformed {kind}"));
            break;
        };
        words.push(option(kind, content).unwrap_or_else(|| format!("unknown-{kind}")));
        bytes = &bytes[len..];
    }
    words.join(",")
}

fn option(kind: u8, content: &[u8]) -> Option<String> {
    match (kind, content.len()) {
        (2, 2) => Some(format!("mss {}", be16(content, 0)?)),
        (3, 1) => Some(format!("wscale {}", content[0])),
        (4, 0) => Some("sackOK".to_string()),
        (5, len) if len != 0 && len % 8 == 0 => {
            let blocks: Option<Vec<_>> = content
                .chunks(8)
                .map(|block| Some(format!("{}:{}", be32(block, 0)?, be32(block, 4)?)))
                .collect();
            Some(format!("sack {}", blocks?.join(" ")))
        }
        (8, 8) => Some(format!("TS val {} ecr {}", be32(content, 0)?, be32(content, 4)?)),
        _ => None,
    }
}
