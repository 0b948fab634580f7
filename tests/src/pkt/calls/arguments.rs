//! What the arguments of a call say.

use std::net::{Ipv4Addr, SocketAddr};

use crate::pkt::constants::constant;
use crate::pkt::report::{Result, failed, unsupported};
use crate::pkt::script::{Call, Expr};

/// A number, a constant, or several of them or'ed.
pub(in crate::pkt) fn value(line: u32, expr: &Expr) -> Result<i64> {
    match expr {
        Expr::Int(value) => Ok(*value),
        Expr::Word(name) => {
            constant(name).ok_or_else(|| unsupported(line, format!("the constant {name}")))
        }
        Expr::Or(a, b) => Ok(value(line, a)? | value(line, b)?),
        Expr::Apply(name, args) if matches!(&name[..], "htons" | "htonl" | "ntohs" | "ntohl") => {
            args.first().map_or_else(|| Err(failed(line, "no argument")), |arg| value(line, arg))
        }
        other => Err(failed(line, format!("a number is wanted, not {other}"))),
    }
}

/// An argument that is a number.
pub(in crate::pkt) fn integer(line: u32, call: &Call, place: usize) -> Result<i64> {
    match call.args.get(place) {
        Some(arg) => value(line, arg),
        None => Err(failed(line, format!("{} has too few arguments", call.name))),
    }
}

/// The number in `[n]`; `None` for `[...]` and `...`.
pub(in crate::pkt) fn first_of_list(line: u32, call: &Call, place: usize) -> Result<Option<i64>> {
    match call.args.get(place) {
        Some(Expr::List(items)) => match items.first() {
            None | Some(Expr::Any) => Ok(None),
            Some(item) => value(line, item).map(Some),
        },
        Some(Expr::Any) | None => Ok(None),
        Some(other) => value(line, other).map(Some),
    }
}

/// A socket address; `...` is `default`.
pub(super) fn address(
    line: u32,
    call: &Call,
    place: usize,
    default: SocketAddr,
) -> Result<SocketAddr> {
    let Some(Expr::Struct(fields)) = call.args.get(place) else { return Ok(default) };
    let mut addr = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    for field in fields {
        match (field.name.as_deref(), &field.value) {
            (Some("sa_family" | "sin_family"), family) if value(line, family)? == 2 => {}
            (Some("sin_port"), port) => addr.set_port(value(line, port)? as u16),
            (Some("sin_addr"), Expr::Apply(_, args)) => match args.first() {
                Some(Expr::Str(text)) => match text.parse() {
                    Ok(ip) => addr.set_ip(ip),
                    Err(_) => return Err(failed(line, format!("no address: {text}"))),
                },
                _ => return Err(failed(line, "an address without text")),
            },
            (Some("sin_addr"), number) if value(line, number)? == 0 => {}
            (name, value) => {
                return Err(unsupported(line, format!("an address with {name:?}={value}")));
            }
        }
    }
    Ok(addr)
}
