//! A [`Filter`] as text, which is read as the same filter again.

use std::fmt::{self, Display, Formatter};

use super::{Expr, Filter, Joint, Primitive, Side};

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |expr| expr.fmt(f))
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Is(primitive) => primitive.fmt(f),
            Expr::Not(expr) => write!(f, "not {}", Inner(expr)),
            Expr::Chain { first, rest } => {
                Inner(first).fmt(f)?;
                for (joint, expr) in rest {
                    let word = if *joint == Joint::And { "and" } else { "or" };
                    write!(f, " {word} {}", Inner(expr))?;
                }
                Ok(())
            }
        }
    }
}

/// An expression within another: a chain needs parentheses.
struct Inner<'a>(&'a Expr);

impl Display for Inner<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expr::Chain { .. } => write!(f, "({})", self.0),
            expr => expr.fmt(f),
        }
    }
}

impl Display for Primitive {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Primitive::Kind(kind) => f.write_str(kind.word()),
            Primitive::Proto(proto) => write!(f, "ip proto {proto}"),
            Primitive::Net { of, side, addr, prefix } => {
                before(f, of.map(|kind| kind.word()), side)?;
                match prefix {
                    32 => write!(f, "host {addr}"),
                    prefix => write!(f, "net {addr}/{prefix}"),
                }
            }
            Primitive::Port { of, side, first, last } => {
                before(f, of.map(|kind| kind.word()), side)?;
                match first == last {
                    true => write!(f, "port {first}"),
                    false => write!(f, "portrange {first}-{last}"),
                }
            }
            Primitive::Ether(side, mac) => {
                before(f, Some("ether"), side)?;
                write!(f, "host {mac}")
            }
            Primitive::Flag(flag) => f.write_str(flag.word()),
            Primitive::Less(len) => write!(f, "less {len}"),
            Primitive::Greater(len) => write!(f, "greater {len}"),
        }
    }
}

/// The words in front of the kind of value.
fn before(f: &mut Formatter<'_>, of: Option<&str>, side: Side) -> fmt::Result {
    if let Some(word) = of {
        write!(f, "{word} ")?;
    }
    f.write_str(match side {
        Side::Src => "src ",
        Side::Dst => "dst ",
        Side::Either => "",
    })
}
