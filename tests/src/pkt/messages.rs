//! `sendmsg` and `recvmsg`: several buffers, control messages, and the error queue.

use std::time::Duration;

use ip::{Cause, Readiness};
use tcp::{Notice, Stage};

use super::calls::{Progress, Returned, errno, integer, stream, value};
use super::constants::constant;
use super::fds::Socket;
use super::machine::Machine;
use super::report::{Result, failed, unsupported};
use super::script::{Call, Expr, Field};

const MSG_ERRQUEUE: i64 = 0x2000;
const MSG_TRUNC: i64 = 0x20;
const TCP_CM_INQ: i64 = 36;
const SCM_TIMESTAMPING: i64 = 37;
const SOF_TX_SOFTWARE: i64 = 1 << 1;
const SOF_SOFTWARE: i64 = 1 << 4;
const SOF_OPT_ID: i64 = 1 << 7;
const SOF_TX_SCHED: i64 = 1 << 8;
const SOF_TX_ACK: i64 = 1 << 9;
const SOF_OPT_TSONLY: i64 = 1 << 11;

/// A control message that came with a receive.
#[derive(Debug)]
struct Control {
    level: i64,
    kind: i64,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Number(i64),
    /// Since the start of the script.
    Time(Duration),
    /// `sock_extended_err`
    Error {
        errno: i64,
        origin: i64,
        kind: i64,
        code: i64,
        info: i64,
        data: i64,
    },
}

impl Control {
    /// It comes without the packet that it is about.
    fn has_no_packet(&self, ts_only: bool) -> bool {
        match self.data {
            Data::Error { origin: 4, .. } => ts_only,
            Data::Error { origin, .. } => origin == 5,
            _ => false,
        }
    }
}

fn header(line: u32, call: &Call) -> Result<&[Field]> {
    match call.args.get(1) {
        Some(Expr::Struct(fields)) => Ok(fields),
        _ => Err(failed(line, format!("{} needs a message header", call.name))),
    }
}

fn member<'a>(fields: &'a [Field], name: &str) -> Option<&'a Expr> {
    fields.iter().find(|field| field.name.as_deref() == Some(name)).map(|field| &field.value)
}

pub(super) fn send(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    socket: Socket,
    progress: &mut Progress,
) -> Result<Returned> {
    let header = header(line, call)?;
    if member(header, "msg_control").is_some_and(|list| *list != Expr::List(Vec::new())) {
        return Err(unsupported(line, "control messages with a send"));
    }
    let buffer = stream::vector(line, member(header, "msg_iov"))?;
    let flags = integer(line, call, 2)?;
    stream::write(machine, line, socket, &buffer, flags, progress)
}

pub(super) fn receive(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    socket: Socket,
    progress: &mut Progress,
) -> Result<Returned> {
    let header = header(line, call)?;
    let flags = integer(line, call, 2)?;
    let mut controls = Vec::new();
    let mut seen_flags = 0;
    let returned = if flags & MSG_ERRQUEUE != 0 {
        let Some(found) = next_error(machine, line, socket)? else {
            return Ok(Returned::Error("EAGAIN"));
        };
        // Linux gives the packet back behind the error, which no script has room for.
        let ts_only = socket.timestamping & SOF_OPT_TSONLY != 0;
        let alone = found.iter().any(|control| control.has_no_packet(ts_only));
        seen_flags = MSG_ERRQUEUE | if alone { 0 } else { MSG_TRUNC };
        controls = found;
        Returned::Value(0)
    } else {
        let buffer = stream::vector(line, member(header, "msg_iov"))?;
        let returned = stream::read(machine, line, socket, &buffer, flags, progress)?;
        if socket.inq && matches!(returned, Returned::Value(_)) {
            controls.push(unread(machine, line, socket)?);
        }
        returned
    };
    if let Returned::Value(_) = returned {
        if let Some(expected) = member(header, "msg_flags").filter(|flags| **flags != Expr::Any) {
            let expected = value(line, expected)?;
            if expected != seen_flags {
                let what = format!("msg_flags is {seen_flags:#x}, not {expected:#x}");
                return Err(failed(line, what));
            }
        }
        if let Some(Expr::List(expected)) = member(header, "msg_control") {
            compare(machine, line, expected, &controls)?;
        }
    }
    Ok(returned)
}

/// TCP_CM_INQ: what is still to be read; at the end of the stream 1 stands for the end.
fn unread(machine: &mut Machine<'_>, line: u32, socket: Socket) -> Result<Control> {
    let (tcp, now, _) = machine.parts(line)?;
    let queued = tcp.info(now, socket.handle).map_or(0, |info| info.receive_queue as i64);
    let ended = tcp.readiness(socket.handle).contains(Readiness::READ_CLOSED);
    let data = if queued == 0 && ended { 1 } else { queued };
    Ok(Control { level: 6, kind: TCP_CM_INQ, data: Data::Number(data) })
}

/// The next of the error queue that the socket has asked for.
fn next_error(
    machine: &mut Machine<'_>,
    line: u32,
    socket: Socket,
) -> Result<Option<Vec<Control>>> {
    let wanted = |bit: i64| socket.timestamping & bit != 0;
    let ip_error = |data| Control { level: 0, kind: 11, data };
    loop {
        let (tcp, _, _) = machine.parts(line)?;
        match tcp.take_notice(socket.handle) {
            None => return Ok(None),
            Some(Notice::Error { error, cause }) => {
                let (kind, code, info) = icmp_numbers(cause);
                return Ok(Some(vec![ip_error(Data::Error {
                    errno: constant(errno(error)).unwrap_or(0),
                    origin: 2,
                    kind,
                    code,
                    info,
                    data: 0,
                })]));
            }
            Some(Notice::Timestamp { stage, offset, at }) => {
                let (bit, info) = match stage {
                    Stage::Scheduled => (SOF_TX_SCHED, 1),
                    Stage::Sent => (SOF_TX_SOFTWARE, 0),
                    Stage::Acknowledged => (SOF_TX_ACK, 2),
                };
                if !wanted(bit) {
                    continue;
                }
                let mut controls = Vec::new();
                if wanted(SOF_SOFTWARE) {
                    let data = Data::Time(machine.since_start(at));
                    controls.push(Control { level: 1, kind: SCM_TIMESTAMPING, data });
                }
                let key = offset.saturating_sub(1).wrapping_sub(socket.first_key);
                controls.push(ip_error(Data::Error {
                    errno: 42,
                    origin: 4,
                    kind: 0,
                    code: 0,
                    info,
                    data: if wanted(SOF_OPT_ID) { key as i64 } else { 0 },
                }));
                return Ok(Some(controls));
            }
            Some(Notice::Released { first, last }) => {
                return Ok(Some(vec![ip_error(Data::Error {
                    errno: 0,
                    origin: 5,
                    kind: 0,
                    // It was copied all the same, as Linux does where a device cannot do else.
                    code: 1,
                    info: first.into(),
                    data: last.into(),
                })]));
            }
            Some(_) => {}
        }
    }
}

/// Type, code and the number that goes with them.
fn icmp_numbers(cause: Cause) -> (i64, i64, i64) {
    match cause {
        Cause::NetworkUnreachable => (3, 0, 0),
        Cause::HostUnreachable => (3, 1, 0),
        Cause::ProtocolUnreachable => (3, 2, 0),
        Cause::PortUnreachable => (3, 3, 0),
        Cause::FragmentationNeeded { mtu } => (3, 4, mtu.into()),
        Cause::SourceRouteFailed => (3, 5, 0),
        Cause::Prohibited => (3, 13, 0),
        Cause::Unreachable { code } => (3, code.into(), 0),
        Cause::SourceQuench => (4, 0, 0),
        Cause::TtlExceeded => (11, 0, 0),
        Cause::ReassemblyTimeout => (11, 1, 0),
        _ => (12, 0, 0),
    }
}

fn compare(machine: &Machine<'_>, line: u32, expected: &[Expr], seen: &[Control]) -> Result<()> {
    if expected.len() != seen.len() {
        let what = format!("{} control messages are expected: {seen:?}", expected.len());
        return Err(failed(line, what));
    }
    for (expected, seen) in expected.iter().zip(seen) {
        let Expr::Struct(fields) = expected else {
            return Err(failed(line, format!("no control message: {expected}")));
        };
        let number = |fields: &[Field], name: &str| {
            member(fields, name)
                .map_or_else(|| Err(failed(line, format!("no {name}"))), |e| value(line, e))
        };
        let same = number(fields, "cmsg_level")? == seen.level
            && number(fields, "cmsg_type")? == seen.kind
            && match (member(fields, "cmsg_data"), &seen.data) {
                (Some(Expr::Any), _) => true,
                (Some(Expr::Struct(fields)), Data::Time(at)) => {
                    let secs = number(fields, "scm_sec")?.max(0) as u64;
                    let nanos = number(fields, "scm_nsec")?.max(0) as u64;
                    let wanted = Duration::from_secs(secs) + Duration::from_nanos(nanos);
                    wanted.abs_diff(*at) <= machine.tolerance.max(wanted / 8)
                }
                (
                    Some(Expr::Struct(fields)),
                    Data::Error { errno, origin, kind, code, info, data },
                ) => [
                    ("ee_errno", errno),
                    ("ee_origin", origin),
                    ("ee_type", kind),
                    ("ee_code", code),
                    ("ee_info", info),
                    ("ee_data", data),
                ]
                .into_iter()
                .map(|(name, seen)| Ok(number(fields, name)? == *seen))
                .collect::<Result<Vec<bool>>>()?
                .into_iter()
                .all(|same| same),
                (Some(data), Data::Number(seen)) => value(line, data)? == *seen,
                _ => false,
            };
        if !same {
            return Err(failed(line, format!("{expected} is expected, and {seen:?} is there")));
        }
    }
    Ok(())
}
