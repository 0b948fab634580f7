//! ICMP messages (RFC 792, RFC 950, RFC 1122, RFC 1191) in words.

use std::net::Ipv4Addr;

use etherparse::Ipv4HeaderSlice;

use super::{be16, be32, flow};

/// Bytes of an ICMP header, behind which an error quotes the datagram.
const HEADER_LEN: usize = 8;

pub(super) fn describe(bytes: &[u8]) -> String {
    match message(bytes) {
        Some(text) => format!("ICMP {text}, length {}", bytes.len()),
        None => format!("ICMP, cut short: {} bytes", bytes.len()),
    }
}

fn message(bytes: &[u8]) -> Option<String> {
    let (kind, code) = (*bytes.first()?, *bytes.get(1)?);
    let (id, seq) = (be16(bytes, 4)?, be16(bytes, 6)?);
    Some(match (kind, code) {
        (0, 0) => format!("echo reply, id {id}, seq {seq}"),
        (8, 0) => format!("echo request, id {id}, seq {seq}"),
        (3, 4) => error(&format!("fragmentation needed, MTU {seq}"), bytes),
        (3, code) => error(unreachable(code), bytes),
        (4, 0) => error("source quench", bytes),
        (5, code) => {
            let of = match code {
                0 => "network",
                1 => "host",
                2 => "network and service",
                _ => "host and service",
            };
            let gateway = Ipv4Addr::from(be32(bytes, 4)?);
            error(&format!("redirect of {of} to {gateway}"), bytes)
        }
        (11, 0) => error("time exceeded in transit", bytes),
        (11, 1) => error("reassembly time exceeded", bytes),
        (12, 0) => error(&format!("parameter problem at byte {}", id >> 8), bytes),
        (12, code) => error(&format!("parameter problem, code {code}"), bytes),
        (13, 0) => format!("timestamp request, id {id}, seq {seq}"),
        (14, 0) => format!("timestamp reply, id {id}, seq {seq}"),
        (9, _) => "router advertisement".to_string(),
        (10, _) => "router solicitation".to_string(),
        (kind, code) => format!("type {kind} code {code}"),
    })
}

/// An error with the datagram that it is about.
fn error(text: &str, bytes: &[u8]) -> String {
    let quoted = bytes.get(HEADER_LEN..).unwrap_or_default();
    match Ipv4HeaderSlice::from_slice(quoted) {
        // A quoted error would be an error about an error (RFC 1122 §3.2.2 forbids it), and a
        // chain of them without end: its own quotation is not looked into.
        Ok(header) if header.protocol() == etherparse::IpNumber::ICMP => {
            let (src, dst) = (header.source_addr(), header.destination_addr());
            let content = &quoted[header.slice().len()..];
            let kind = match content.first() {
                Some(0) => "echo reply".to_string(),
                Some(8) => "echo request".to_string(),
                Some(kind) => format!("type {kind}"),
                None => "message".to_string(),
            };
            format!("{text}, about {src} > {dst}: ICMP {kind}")
        }
        Ok(header) => format!("{text}, about {}", flow(&header, quoted)),
        Err(_) => format!("{text}, about no datagram"),
    }
}

fn unreachable(code: u8) -> &'static str {
    match code {
        0 => "network unreachable",
        1 => "host unreachable",
        2 => "protocol unreachable",
        3 => "port unreachable",
        5 => "source route failed",
        6 => "network unknown",
        7 => "host unknown",
        8 => "source host isolated",
        9 => "network prohibited",
        10 => "host prohibited",
        11 => "network unreachable for the service",
        12 => "host unreachable for the service",
        13 => "communication prohibited",
        14 => "host precedence violation",
        15 => "precedence cutoff",
        _ => "unreachable for an unknown reason",
    }
}
