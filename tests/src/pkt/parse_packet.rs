//! Packets of a script from its text.

use ip::{Cause, Ecn};
use tcp::Flags;

use super::report::{Result, failed, unsupported};
use super::script::{Body, IcmpError, IpFields, Packet, Segment, TcpOption, TosField};
use super::text::Text;

/// What follows the direction.
pub(super) fn packet(text: &mut Text<'_>, injected: bool) -> Result<Packet> {
    let line = text.line();
    let mut ip = IpFields::default();
    if text.eat("[") {
        ip_field(text, &mut ip)?;
        text.expect("]")?;
    } else if text.eat("(") {
        ip_field(text, &mut ip)?;
        text.expect(")")?;
    }
    for (word, what) in [
        ("udp", "UDP"),
        ("ipv4", "IP in IP"),
        ("ipv6", "IPv6"),
        ("gre", "GRE"),
        ("GRE", "GRE"),
        ("mpls", "MPLS"),
        ("MPLS", "MPLS"),
        ("sctp", "SCTP"),
    ] {
        if text.eat_word(word) {
            return Err(unsupported(line, what));
        }
    }
    if text.eat_word("icmp") {
        let body = Body::Icmp(icmp(text)?);
        return Ok(Packet { ip, ports: None, body });
    }
    let ports = match text.peek() {
        Some('0'..='9') => {
            let src = text.number()?;
            text.expect(">")?;
            Some((src, text.number()?))
        }
        _ => None,
    };
    let segment = segment(text)?;
    if injected && (segment.options.is_none() || ip.tos == Some(TosField::AnyEct)) {
        return Err(failed(line, "an injected packet has to say what it has, not `any`"));
    }
    Ok(Packet { ip, ports, body: Body::Tcp(segment) })
}

fn ip_field(text: &mut Text<'_>, ip: &mut IpFields) -> Result<()> {
    let line = text.line();
    match text.word() {
        Some("noecn") => ip.tos = Some(TosField::Ecn(Ecn::NotEct)),
        Some("ect0") => ip.tos = Some(TosField::Ecn(Ecn::Ect0)),
        Some("ect1") => ip.tos = Some(TosField::Ecn(Ecn::Ect1)),
        Some("ce") => ip.tos = Some(TosField::Ecn(Ecn::Ce)),
        Some("ect01") => ip.tos = Some(TosField::AnyEct),
        Some("tos") => ip.tos = Some(TosField::Byte(text.number()?)),
        Some("ttl") => ip.ttl = Some(text.number()?),
        Some("flowlabel") => return Err(unsupported(line, "IPv6 flow labels")),
        _ => return Err(text.error("an IP field")),
    }
    if text.eat(",") { ip_field(text, ip) } else { Ok(()) }
}

fn segment(text: &mut Text<'_>) -> Result<Segment> {
    let flags = flags(text)?;
    let (seq, len) = sequence(text)?;
    let ack = if text.eat_word("ack") { text.number()? } else { 0 };
    let window = if text.eat_word("win") { Some(text.number()?) } else { None };
    let urgent = if text.eat_word("urg") { text.number()? } else { 0 };
    let options = if text.eat("<") { options(text)? } else { Some(Vec::new()) };
    Ok(Segment { flags, seq, len, ack, window, urgent, options })
}

fn flags(text: &mut Text<'_>) -> Result<Flags> {
    let line = text.line();
    let letters = text.take_while(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    if letters.is_empty() {
        return Err(text.error("TCP flags"));
    }
    letters.chars().try_fold(Flags::empty(), |flags, letter| {
        Ok(flags
            | match letter {
                'F' => Flags::FIN,
                'S' => Flags::SYN,
                'R' => Flags::RST,
                'P' => Flags::PSH,
                '.' => Flags::ACK,
                'U' => Flags::URG,
                'E' => Flags::ECE,
                'W' => Flags::CWR,
                '-' => Flags::empty(),
                'A' | '0'..='7' => return Err(unsupported(line, "accurate ECN (RFC 9768)")),
                _ => return Err(failed(line, format!("no TCP flag is called {letter}"))),
            })
    })
}

/// `1:1001(1000)`
fn sequence(text: &mut Text<'_>) -> Result<(u32, usize)> {
    let line = text.line();
    let seq: u32 = text.number()?;
    text.expect(":")?;
    let end: u32 = text.number()?;
    text.expect("(")?;
    let len: u16 = text.number()?;
    text.expect(")")?;
    if seq.wrapping_add(len.into()) != end {
        return Err(failed(line, format!("{seq}:{end} are not {len} bytes")));
    }
    Ok((seq, len.into()))
}

/// What follows `<`, up to `>`; `None` for `...`.
fn options(text: &mut Text<'_>) -> Result<Option<Vec<TcpOption>>> {
    if text.eat("...") {
        text.expect(">")?;
        return Ok(None);
    }
    let mut options = Vec::new();
    while !text.eat(">") {
        options.push(option(text)?);
        if !text.starts_with(">") {
            text.expect(",")?;
        }
    }
    Ok(Some(options))
}

fn option(text: &mut Text<'_>) -> Result<TcpOption> {
    let line = text.line();
    Ok(match text.word() {
        Some("nop") => TcpOption::Nop,
        Some("eol") => TcpOption::End,
        Some("mss") => TcpOption::Mss(text.number()?),
        Some("wscale") => TcpOption::WindowScale(text.number()?),
        Some("sackOK") => TcpOption::SackPermitted,
        Some("sack") => {
            let mut blocks = Vec::new();
            while matches!(text.peek(), Some('0'..='9')) {
                let left = text.number()?;
                text.expect(":")?;
                blocks.push((left, text.number()?));
            }
            TcpOption::Sack(blocks)
        }
        Some("TS") => {
            text.expect_word("val")?;
            let value = text.number()?;
            text.expect_word("ecr")?;
            TcpOption::Timestamps { value, echo: text.number()? }
        }
        Some("FO" | "FOEXP" | "exp") => return Err(unsupported(line, "TCP Fast Open")),
        Some("md5") => return Err(unsupported(line, "TCP MD5 signatures")),
        Some(other) => return Err(unsupported(line, format!("the TCP option {other}"))),
        None => return Err(text.error("a TCP option")),
    })
}

/// `unreachable frag_needed mtu 1200 [1:1461(1460)]`
fn icmp(text: &mut Text<'_>) -> Result<IcmpError> {
    let line = text.line();
    let kind = text.word().unwrap_or_default();
    let code = match text.peek() {
        Some(c) if c.is_ascii_alphabetic() && !text.starts_with("mtu ") => text.word(),
        _ => None,
    };
    let mtu = if text.eat_word("mtu") { text.number()? } else { 0 };
    let quoted = if text.eat("[") {
        let quoted = sequence(text)?;
        text.expect("]")?;
        quoted
    } else {
        (0, 0)
    };
    let cause = match (kind, code) {
        ("unreachable", Some("net_unreachable")) => Cause::NetworkUnreachable,
        ("unreachable", Some("host_unreachable")) => Cause::HostUnreachable,
        ("unreachable", Some("protocol_unreachable")) => Cause::ProtocolUnreachable,
        ("unreachable", Some("port_unreachable")) => Cause::PortUnreachable,
        ("unreachable", Some("frag_needed")) => Cause::FragmentationNeeded { mtu },
        ("unreachable", Some("source_route_failed")) => Cause::SourceRouteFailed,
        ("unreachable", Some("net_unknown")) => Cause::Unreachable { code: 6 },
        ("unreachable", Some("host_unknown")) => Cause::Unreachable { code: 7 },
        ("unreachable", Some("source_host_isolated")) => Cause::Unreachable { code: 8 },
        ("unreachable", Some("net_unreachable_for_tos")) => Cause::Unreachable { code: 11 },
        ("unreachable", Some("host_unreachable_for_tos")) => Cause::Unreachable { code: 12 },
        ("unreachable", Some("net_prohibited" | "host_prohibited" | "packet_filtered")) => {
            Cause::Prohibited
        }
        ("unreachable", Some("precedence_violation")) => Cause::Unreachable { code: 14 },
        ("unreachable", Some("precedence_cutoff")) => Cause::Unreachable { code: 15 },
        ("source_quench", _) => Cause::SourceQuench,
        ("time_exceeded", Some("exc_ttl" | "ttl_exceeded") | None) => Cause::TtlExceeded,
        ("time_exceeded", Some("exc_fragtime")) => Cause::ReassemblyTimeout,
        ("parameter_problem", _) => Cause::ParameterProblem { pointer: 0 },
        (kind, code) => {
            let code = code.unwrap_or_default();
            return Err(unsupported(line, format!("the ICMP message {kind} {code}")));
        }
    };
    Ok(IcmpError { cause, quoted })
}
