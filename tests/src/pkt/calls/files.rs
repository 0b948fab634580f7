//! Files, which are all zeros, and pipes, which only know how much is in them: what `sendfile` and
//! `splice` move to and from sockets.

use super::stream::{self, Buffer};
use super::{Progress, Returned, integer, value};
use crate::pkt::fds::Fd;
use crate::pkt::machine::Machine;
use crate::pkt::report::{Result, failed};
use crate::pkt::script::{Call, Expr};

/// Bytes that a pipe holds: sixteen pages.
const PIPE: usize = 65_536;

const SPLICE_NONBLOCK: i64 = 2;
const SPLICE_MORE: i64 = 4;
const MSG_DONTWAIT: i64 = 0x40;
const MSG_MORE: i64 = 0x8000;

/// `open("/tmp/zeros", O_RDONLY) = 5`; what no command has made is as long as anybody may ask for.
pub(super) fn open(machine: &mut Machine<'_>, line: u32, call: &Call) -> Result<Returned> {
    const CREAT: i64 = 0o100;
    const TRUNC: i64 = 0o1000;
    let Some(Expr::Str(path)) = call.args.first() else {
        return Err(failed(line, "open needs a path"));
    };
    let flags = integer(line, call, 1)?;
    let known = machine.setup.files.get(path).filter(|_| flags & TRUNC == 0);
    Ok(Returned::File(match known {
        Some(len) => *len,
        None if flags & CREAT != 0 => 0,
        None => usize::MAX,
    }))
}

/// `pipe([5, 6]) = 0`
pub(super) fn pipe(machine: &mut Machine<'_>, line: u32, call: &Call) -> Result<Returned> {
    let Some(Expr::List(ends)) = call.args.first() else {
        return Err(failed(line, "pipe needs a list"));
    };
    let [out, into] = &ends[..] else { return Err(failed(line, "a pipe has two ends")) };
    let (out, into) = (value(line, out)?, value(line, into)?);
    let number = machine.fds.pipes.len();
    machine.fds.pipes.push(0);
    machine.fds.insert(out, Fd::PipeOut(number));
    machine.fds.insert(into, Fd::PipeIn(number));
    Ok(Returned::Value(0))
}

/// Bytes into a pipe.
pub(super) fn fill(machine: &mut Machine<'_>, number: usize, len: usize) -> Returned {
    let held = &mut machine.fds.pipes[number];
    let len = len.min(PIPE - *held);
    *held += len;
    if len == 0 { Returned::Error("EAGAIN") } else { Returned::Value(len as i64) }
}

/// Bytes out of a pipe.
pub(super) fn drain(machine: &mut Machine<'_>, number: usize, len: usize) -> Returned {
    let held = &mut machine.fds.pipes[number];
    let len = len.min(*held);
    *held -= len;
    if len == 0 { Returned::Error("EAGAIN") } else { Returned::Value(len as i64) }
}

fn zeros(len: usize) -> Buffer<'static> {
    Buffer { len, text: None, null: false }
}

/// `sendfile(4, 5, [0], 1000) = 1000`; with an offset, the file's own place stays where it is.
pub(super) fn sendfile(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    progress: &mut Progress,
) -> Result<Returned> {
    let (out, from) = (integer(line, call, 0)?, integer(line, call, 1)?);
    let count = usize::try_from(integer(line, call, 3)?).unwrap_or(0);
    let offset = match call.args.get(2) {
        Some(Expr::List(items)) => items.first().map(|item| value(line, item)).transpose()?,
        _ => None,
    };
    let Some(socket) = machine.fds.socket(out).copied() else {
        return Ok(Returned::Error("EBADF"));
    };
    let Some(&Fd::File { len, at }) = machine.fds.get(from) else {
        return Ok(Returned::Error("EINVAL"));
    };
    let start = offset.map_or(at, |offset| offset.max(0) as usize);
    let count = count.min(len.saturating_sub(start));
    if count == 0 {
        return Ok(Returned::Value(0));
    }
    let sent = stream::write(machine, line, socket, &zeros(count), 0, progress)?;
    if let (Returned::Value(sent), None) = (sent, offset)
        && let Some(Fd::File { at, .. }) = machine.fds.get_mut(from)
    {
        *at += sent as usize;
    }
    Ok(sent)
}

/// `splice(4, NULL, 6, NULL, 1000, 0) = 1000`: one end is a pipe.
pub(super) fn splice(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    progress: &mut Progress,
) -> Result<Returned> {
    let (from, to) = (integer(line, call, 0)?, integer(line, call, 2)?);
    let len = usize::try_from(integer(line, call, 4)?).unwrap_or(0);
    let flags = integer(line, call, 5)?;
    let nonblocking = flags & SPLICE_NONBLOCK != 0;
    let socket = |machine: &Machine<'_>, fd| machine.fds.socket(fd).copied();
    match (machine.fds.get(from), machine.fds.get(to)) {
        (Some(&Fd::Socket(_)), Some(&Fd::PipeIn(pipe))) => {
            let room = PIPE - machine.fds.pipes[pipe];
            let Some(from) = socket(machine, from).filter(|_| room > 0) else {
                return Ok(Returned::Error("EAGAIN"));
            };
            let flags = if nonblocking { MSG_DONTWAIT } else { 0 };
            let buffer = zeros(len.min(room));
            let read = stream::read(machine, line, from, &buffer, flags, progress)?;
            if let Returned::Value(read) = read {
                machine.fds.pipes[pipe] += read as usize;
            }
            Ok(read)
        }
        (Some(&Fd::PipeOut(pipe)), Some(&Fd::Socket(_))) => {
            let len = len.min(machine.fds.pipes[pipe]);
            let Some(to) = socket(machine, to).filter(|_| len > 0) else {
                return Ok(Returned::Error("EAGAIN"));
            };
            let more = if flags & SPLICE_MORE != 0 { MSG_MORE } else { 0 };
            let wait = if nonblocking { MSG_DONTWAIT } else { 0 };
            let written = stream::write(machine, line, to, &zeros(len), more | wait, progress)?;
            if let Returned::Value(written) = written {
                machine.fds.pipes[pipe] -= written as usize;
            }
            Ok(written)
        }
        (Some(&Fd::File { len: all, at }), Some(&Fd::PipeIn(pipe))) => {
            let len = len.min(all - at);
            let filled = fill(machine, pipe, len);
            if let (Returned::Value(filled), Some(Fd::File { at, .. })) =
                (filled, machine.fds.get_mut(from))
            {
                *at += filled as usize;
            }
            Ok(if len == 0 { Returned::Value(0) } else { filled })
        }
        (Some(&Fd::PipeOut(pipe)), Some(&Fd::File { len: all, at })) => {
            let drained = drain(machine, pipe, len);
            if let Returned::Value(drained) = drained {
                let at = at.saturating_add(drained as usize);
                machine.fds.insert(to, Fd::File { len: all.max(at), at });
            }
            Ok(drained)
        }
        (None, _) | (_, None) => Ok(Returned::Error("EBADF")),
        _ => Ok(Returned::Error("EINVAL")),
    }
}

/// A call on a descriptor that is no socket; `None`: it needs one.
pub(super) fn on_no_socket(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    fd: i64,
) -> Result<Option<Returned>> {
    let len = |place| integer(line, call, place).map(|len| len.max(0) as usize);
    Ok(Some(match (&call.name[..], machine.fds.get(fd)) {
        ("read", Some(&Fd::PipeOut(pipe))) => drain(machine, pipe, len(2)?),
        ("write", Some(&Fd::PipeIn(pipe))) => fill(machine, pipe, len(2)?),
        ("fcntl", Some(Fd::PipeIn(_) | Fd::PipeOut(_) | Fd::File { .. })) => Returned::Value(0),
        ("read", Some(&Fd::File { len: all, at })) => {
            let len = len(2)?.min(all - at);
            machine.fds.insert(fd, Fd::File { len: all, at: at + len });
            Returned::Value(len as i64)
        }
        ("write", Some(&Fd::File { len: all, at })) => {
            let (len, at) = (len(2)?, at + len(2)?);
            machine.fds.insert(fd, Fd::File { len: all.max(at), at });
            Returned::Value(len as i64)
        }
        ("lseek", Some(&Fd::File { len, .. })) => {
            let at = integer(line, call, 1)?.max(0) as usize;
            machine.fds.insert(fd, Fd::File { len, at });
            Returned::Value(at as i64)
        }
        _ => return Ok(None),
    }))
}
