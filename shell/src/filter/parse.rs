//! From a text to a [`Filter`].

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use netdev::MacAddr;

use super::lex::{Token, tokens};
use super::{Expr, Filter, Flag, Joint, Kind, NetKind, PortKind, Primitive, Side};

/// Parentheses and `not`s within each other.
const MAX_DEPTH: usize = 64;

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where, in characters from 1.
    pub column: usize,
    /// The word that stands there; empty at the end.
    pub word: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SyntaxError { column, word, why } = self;
        match word.as_str() {
            "" => write!(f, "column {column}: at the end: {why}"),
            word => write!(f, "column {column}: `{word}`: {why}"),
        }
    }
}

impl std::error::Error for SyntaxError {}

impl FromStr for Filter {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Filter, SyntaxError> {
        let mut parser = Parser { tokens: &tokens(text), depth: 0, last: None };
        if parser.peek().text.is_empty() {
            return Ok(Filter(None));
        }
        let expr = parser.chain()?;
        match parser.peek() {
            Token { text: "", .. } => Ok(Filter(Some(expr))),
            token => Err(wrong(token, "`and`, `or` or the end is expected")),
        }
    }
}

fn wrong(token: Token<'_>, why: impl Into<String>) -> SyntaxError {
    SyntaxError { column: token.column, word: token.text.to_string(), why: why.into() }
}

struct Parser<'a> {
    /// What is left; the last one is empty, and stays.
    tokens: &'a [Token<'a>],
    depth: usize,
    /// What a value that stands alone is a value of.
    last: Option<Qualifiers>,
}

/// What stands before a value.
#[derive(Clone, Copy)]
struct Qualifiers {
    of: Option<Of>,
    side: Side,
    what: What,
}

#[derive(Clone, Copy)]
enum Of {
    Net(NetKind),
    Port(PortKind),
    Ether,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Host,
    Net,
    Port,
    PortRange,
}

impl What {
    fn of(word: &str) -> Option<What> {
        Some(match word {
            "host" => What::Host,
            "net" => What::Net,
            "port" => What::Port,
            "portrange" => What::PortRange,
            _ => return None,
        })
    }
}

/// What may begin a question.
const EXPECTED: &str = "not a word of filters; host, net, port, portrange, src, dst, ether, ip, \
                        ip6, arp, tcp, udp, icmp, igmp, syn, fin, rst, psh, ack, urg, less, \
                        greater, not or ( may stand here";

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens[0]
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.tokens[0];
        if self.tokens.len() > 1 {
            self.tokens = &self.tokens[1..];
        }
        token
    }

    fn chain(&mut self) -> Result<Expr, SyntaxError> {
        let first = self.term()?;
        let mut rest = Vec::new();
        loop {
            let joint = match self.peek().text {
                "and" | "&&" => Joint::And,
                "or" | "||" => Joint::Or,
                _ => break,
            };
            self.next();
            rest.push((joint, self.term()?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Chain { first: Box::new(first), rest } })
    }

    fn term(&mut self) -> Result<Expr, SyntaxError> {
        let token = self.peek();
        if !matches!(token.text, "not" | "!" | "(") {
            return self.primitive().map(Expr::Is);
        }
        if self.depth == MAX_DEPTH {
            return Err(wrong(token, format!("more than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        self.next();
        let expr = if token.text == "(" {
            let expr = self.chain()?;
            match self.next() {
                Token { text: ")", .. } => expr,
                other => {
                    let open = token.column;
                    return Err(wrong(other, format!("the ( of column {open} is not closed")));
                }
            }
        } else {
            Expr::Not(Box::new(self.term()?))
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn primitive(&mut self) -> Result<Primitive, SyntaxError> {
        let token = self.next();
        if let Some(&flag) = Flag::ALL.iter().find(|flag| flag.word() == token.text) {
            return Ok(Primitive::Flag(flag));
        }
        match token.text {
            "" => return Err(wrong(token, "something is missing")),
            "less" => return Ok(Primitive::Less(self.number()?)),
            "greater" => return Ok(Primitive::Greater(self.number()?)),
            "ether" => return self.qualified(Some(Of::Ether), token),
            "src" | "dst" | "host" | "net" | "port" | "portrange" => {
                return self.qualified_from(None, token);
            }
            _ => {}
        }
        let Some(&kind) = Kind::ALL.iter().find(|kind| kind.word() == token.text) else {
            // A value alone is one more of what was spoken of last, or a host.
            let host = Qualifiers { of: None, side: Side::Either, what: What::Host };
            let known = token.text.starts_with(|c: char| c.is_ascii_hexdigit())
                && (self.last.is_some() || token.text.parse::<Ipv4Addr>().is_ok());
            return match known {
                true => value(self.last.unwrap_or(host), token).map_err(|_| wrong(token, EXPECTED)),
                false => Err(wrong(token, EXPECTED)),
            };
        };
        let of = match kind {
            Kind::Ip if self.peek().text == "proto" => {
                self.next();
                let token = self.peek();
                let proto = u8::try_from(self.number()?);
                return proto
                    .map(Primitive::Proto)
                    .map_err(|_| wrong(token, "not a protocol from 0 to 255"));
            }
            Kind::Ip => Of::Net(NetKind::Ip),
            Kind::Arp => Of::Net(NetKind::Arp),
            Kind::Tcp => Of::Port(PortKind::Tcp),
            Kind::Udp => Of::Port(PortKind::Udp),
            Kind::Ip6 | Kind::Icmp | Kind::Igmp => return Ok(Primitive::Kind(kind)),
        };
        match self.peek().text {
            "src" | "dst" | "host" | "net" | "port" | "portrange" => {
                self.qualified(Some(of), token)
            }
            _ => Ok(Primitive::Kind(kind)),
        }
    }

    /// A side, a kind of value and the value, behind a protocol.
    fn qualified(&mut self, of: Option<Of>, before: Token<'a>) -> Result<Primitive, SyntaxError> {
        let token = self.next();
        match (of, token.text) {
            // `ether 02:…` is what people write for `ether host 02:…`.
            (Some(Of::Ether), text) if text.contains(':') => {
                let side = Side::Either;
                value(Qualifiers { of, side, what: What::Host }, token)
            }
            (_, "") => Err(wrong(token, format!("`{}` of what?", before.text))),
            _ => self.qualified_from(of, token),
        }
    }

    fn qualified_from(
        &mut self,
        of: Option<Of>,
        token: Token<'a>,
    ) -> Result<Primitive, SyntaxError> {
        let side = match token.text {
            "src" => Side::Src,
            "dst" => Side::Dst,
            _ => Side::Either,
        };
        let mut word = if side == Side::Either { token } else { self.next() };
        let what = match What::of(word.text) {
            Some(what) => {
                let place = word;
                word = self.next();
                let fits = match of {
                    None => true,
                    Some(Of::Net(_)) => matches!(what, What::Host | What::Net),
                    Some(Of::Port(_)) => matches!(what, What::Port | What::PortRange),
                    Some(Of::Ether) => what == What::Host,
                };
                if !fits {
                    return Err(wrong(place, "that protocol has none"));
                }
                what
            }
            // `src 10.0.0.1` is `src host 10.0.0.1`.
            None if side != Side::Either && !matches!(of, Some(Of::Port(_))) => What::Host,
            None => return Err(wrong(word, "host, net, port or portrange is expected")),
        };
        let qualifiers = Qualifiers { of, side, what };
        self.last = Some(qualifiers);
        value(qualifiers, word)
    }

    fn number(&mut self) -> Result<u32, SyntaxError> {
        let token = self.next();
        token.text.parse().map_err(|_| wrong(token, "a number is expected"))
    }
}

/// Reads a value, of which it is known what it is.
fn value(by: Qualifiers, token: Token<'_>) -> Result<Primitive, SyntaxError> {
    let Qualifiers { of, side, what } = by;
    let text = token.text;
    if let Some(Of::Ether) = of {
        return text
            .parse::<MacAddr>()
            .map(|mac| Primitive::Ether(side, mac))
            .map_err(|why| wrong(token, why.to_string()));
    }
    let ports = |first, last| {
        let of = match of {
            Some(Of::Port(kind)) => Some(kind),
            _ => None,
        };
        Primitive::Port { of, side, first, last }
    };
    let network = |addr: Ipv4Addr, prefix: u8| {
        let of = match of {
            Some(Of::Net(kind)) => Some(kind),
            _ => None,
        };
        Primitive::Net { of, side, addr, prefix }
    };
    let port = |text: &str| text.parse::<u16>().ok();
    let read = match what {
        What::Port => port(text).map(|port| ports(port, port)),
        What::PortRange => text.split_once('-').and_then(|(first, last)| {
            let (first, last) = (port(first)?, port(last)?);
            // As the original: the other way round is the same range.
            Some(ports(first.min(last), first.max(last)))
        }),
        What::Host => text.parse().ok().map(|addr| network(addr, 32)),
        What::Net => net(text).map(|(addr, prefix)| network(addr, prefix)),
    };
    read.ok_or_else(|| {
        let why = match what {
            What::Port => "not a port from 0 to 65535",
            What::PortRange => "not a range of ports, as 20-30",
            What::Host => "not an IPv4 address, as 10.0.0.2",
            What::Net => "not a network, as 10.0.0.0/24 or 10.0",
        };
        wrong(token, why)
    })
}

/// `10.0.0.0/8`, or some bytes of the front: `10.1` is 10.1.0.0/16.
fn net(text: &str) -> Option<(Ipv4Addr, u8)> {
    if let Some((addr, prefix)) = text.split_once('/') {
        let (addr, prefix): (Ipv4Addr, u8) = (addr.parse().ok()?, prefix.parse().ok()?);
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
        // As the original: 10.1.2.3/16 is a mistake.
        let whole = prefix <= 32 && u32::from(addr) & !mask == 0;
        return whole.then_some((addr, prefix));
    }
    let parts: Option<Vec<u8>> = text.split('.').map(|part| part.parse().ok()).collect();
    let parts = parts.filter(|parts| parts.len() <= 4)?;
    let mut octets = [0; 4];
    octets[..parts.len()].copy_from_slice(&parts);
    Some((octets.into(), parts.len() as u8 * 8))
}
