//! A script as it is run: what `parse` makes of the text.

use std::fmt;
use std::time::Duration;

use ip::{Cause, Ecn};
use tcp::Flags;

use super::code::Statement;

#[derive(Debug, Default)]
pub(super) struct Script {
    /// The `--name=value` lines at its top.
    pub flags: Vec<Flag>,
    pub events: Vec<Event>,
}

#[derive(Debug)]
pub(super) struct Flag {
    pub line: u32,
    pub name: String,
    pub value: String,
}

#[derive(Debug)]
pub(super) struct Event {
    pub line: u32,
    pub at: At,
    pub action: Action,
}

/// When an event is to happen; the second time is the end of a range.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    /// Since the start of the script.
    Absolute(Duration, Option<Duration>),
    /// Since the end of the event before.
    Relative(Duration, Option<Duration>),
    /// Whenever it happens.
    Any,
}

#[derive(Debug)]
pub(super) enum Action {
    Inject(Packet),
    Expect(Packet),
    Call(Call),
    Shell(String),
    Code(Vec<Statement>),
}

#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub ip: IpFields,
    /// Source and destination port, where they are not those of the connection.
    pub ports: Option<(u16, u16)>,
    pub body: Body,
}

/// What a packet says of its IP header.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IpFields {
    pub tos: Option<TosField>,
    pub ttl: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TosField {
    Ecn(Ecn),
    /// ECT(0) or ECT(1): only to expect.
    AnyEct,
    Byte(u8),
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Tcp(Segment),
    Icmp(IcmpError),
}

/// A segment in the script's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub flags: Flags,
    pub seq: u32,
    pub len: usize,
    pub ack: u32,
    pub window: Option<u16>,
    pub urgent: u16,
    /// `None`: any.
    pub options: Option<Vec<TcpOption>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TcpOption {
    Nop,
    End,
    Mss(u16),
    WindowScale(u8),
    SackPermitted,
    Sack(Vec<(u32, u32)>),
    Timestamps {
        value: u32,
        echo: u32,
    },
    /// One that a script cannot name.
    Other(u8, Vec<u8>),
}

/// An ICMP error about a segment of ours.
#[derive(Clone, Debug)]
pub(super) struct IcmpError {
    pub cause: Cause,
    /// The sequence number and the length of the segment that it quotes.
    pub quoted: (u32, usize),
}

/// A socket call and its result.
#[derive(Debug)]
pub(super) struct Call {
    pub name: String,
    pub args: Vec<Expr>,
    /// For one that blocks: when it ends, counted as its start is.
    pub end: Option<Duration>,
    pub result: Expr,
    pub errno: Option<String>,
}

/// An argument or a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expr {
    /// `...`
    Any,
    Int(i64),
    Word(String),
    Str(String),
    List(Vec<Expr>),
    /// `{a=1, b=2}` and `{..., 1000}`.
    Struct(Vec<Field>),
    /// `htons(8080)`
    Apply(String, Vec<Expr>),
    Or(Box<Expr>, Box<Expr>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub name: Option<String>,
    pub value: Expr,
}

/// As a script has it, so that expected and seen can be laid side by side.
impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: [(Flags, char); 8] = [
            (Flags::FIN, 'F'),
            (Flags::SYN, 'S'),
            (Flags::RST, 'R'),
            (Flags::PSH, 'P'),
            (Flags::URG, 'U'),
            (Flags::ECE, 'E'),
            (Flags::CWR, 'W'),
            (Flags::ACK, '.'),
        ];
        if self.flags.is_empty() {
            f.write_str("-")?;
        }
        for (_, letter) in LETTERS.iter().filter(|(flag, _)| self.flags.contains(*flag)) {
            write!(f, "{letter}")?;
        }
        write!(f, " {}:{}({})", self.seq, self.seq.wrapping_add(self.len as u32), self.len)?;
        if self.flags.contains(Flags::ACK) {
            write!(f, " ack {}", self.ack)?;
        }
        if let Some(window) = self.window {
            write!(f, " win {window}")?;
        }
        if self.flags.contains(Flags::URG) {
            write!(f, " urg {}", self.urgent)?;
        }
        match self.options.as_deref() {
            None => f.write_str(" <...>"),
            Some([]) => Ok(()),
            Some(options) => {
                let options: Vec<_> = options.iter().map(ToString::to_string).collect();
                write!(f, " <{}>", options.join(","))
            }
        }
    }
}

impl fmt::Display for TcpOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TcpOption::Nop => f.write_str("nop"),
            TcpOption::End => f.write_str("eol"),
            TcpOption::Mss(mss) => write!(f, "mss {mss}"),
            TcpOption::WindowScale(shift) => write!(f, "wscale {shift}"),
            TcpOption::SackPermitted => f.write_str("sackOK"),
            TcpOption::Sack(blocks) => {
                f.write_str("sack")?;
                blocks.iter().try_for_each(|(left, right)| write!(f, " {left}:{right}"))
            }
            TcpOption::Timestamps { value, echo } => write!(f, "TS val {value} ecr {echo}"),
            TcpOption::Other(kind, body) => write!(f, "kind {kind} {body:02x?}"),
        }
    }
}

impl fmt::Display for IpFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tos {
            None => {}
            Some(TosField::AnyEct) => f.write_str("[ect01] ")?,
            Some(TosField::Ecn(Ecn::NotEct)) => f.write_str("[noecn] ")?,
            Some(TosField::Ecn(ecn)) => write!(f, "[{}] ", format!("{ecn:?}").to_lowercase())?,
            Some(TosField::Byte(byte)) => write!(f, "[tos {byte:#04x}] ")?,
        }
        match self.ttl {
            Some(ttl) => write!(f, "(ttl {ttl}) "),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip.fmt(f)?;
        if let Some((src, dst)) = self.ports {
            write!(f, "{src} > {dst} ")?;
        }
        match &self.body {
            Body::Tcp(segment) => segment.fmt(f),
            Body::Icmp(error) => write!(f, "icmp {}", error.cause),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join =
            |exprs: &[Expr]| exprs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Expr::Any => f.write_str("..."),
            Expr::Int(value) => write!(f, "{value}"),
            Expr::Word(word) => f.write_str(word),
            Expr::Str(text) => write!(f, "{text:?}"),
            Expr::List(items) => write!(f, "[{}]", join(items)),
            Expr::Struct(fields) => {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|field| match &field.name {
                        Some(name) => format!("{name}={}", field.value),
                        None => field.value.to_string(),
                    })
                    .collect();
                write!(f, "{{{}}}", fields.join(", "))
            }
            Expr::Apply(name, args) => write!(f, "{name}({})", join(args)),
            Expr::Or(a, b) => write!(f, "{a}|{b}"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args: Vec<_> = self.args.iter().map(ToString::to_string).collect();
        write!(f, "{}({}) = {}", self.name, args.join(", "), self.result)?;
        match &self.errno {
            Some(errno) => write!(f, " {errno}"),
            None => Ok(()),
        }
    }
}
