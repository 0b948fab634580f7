//! Bytes out and bytes in: `write`, `send`, `read`, `recv` and what is like them.

use std::time::Duration;

use ip::{Readiness, SocketError};
use netdev::Instant;
use tcp::{ReceiveFlags, SendFlags};

use super::{Progress, Returned, integer, value};
use crate::pkt::fds::Socket;
use crate::pkt::machine::Machine;
use crate::pkt::report::{Result, failed, unsupported};
use crate::pkt::script::{Call, Expr};

const MSG_OOB: i64 = 0x1;
const MSG_PEEK: i64 = 0x2;
const MSG_TRUNC: i64 = 0x20;
const MSG_DONTWAIT: i64 = 0x40;
const MSG_EOR: i64 = 0x80;
const MSG_WAITALL: i64 = 0x100;
const MSG_NOSIGNAL: i64 = 0x4000;
const MSG_MORE: i64 = 0x8000;
const MSG_ZEROCOPY: i64 = 0x400_0000;

/// What a call says of its buffer.
pub(in crate::pkt) struct Buffer<'a> {
    pub len: usize,
    /// What is in it, where the script says; zeros else.
    pub text: Option<&'a str>,
    /// It is nowhere.
    pub null: bool,
}

/// The buffer and the flags of a call.
fn buffer<'a>(line: u32, call: &'a Call) -> Result<(Buffer<'a>, i64)> {
    if matches!(&call.name[..], "readv" | "writev") {
        return Ok((vector(line, call.args.get(1))?, 0));
    }
    let len = integer(line, call, 2)?;
    let len = usize::try_from(len).map_err(|_| failed(line, "a length below zero"))?;
    let (text, null) = match call.args.get(1) {
        Some(Expr::Str(text)) => (Some(&text[..]), false),
        Some(Expr::Word(word)) if word == "NULL" => (None, true),
        _ => (None, false),
    };
    let flags = match &call.name[..] {
        "send" | "sendto" | "recv" | "recvfrom" => integer(line, call, 3)?,
        _ => 0,
    };
    Ok((Buffer { len, text, null }, flags))
}

/// `[{..., 1000}, {..., 2000}]`: as one buffer.
pub(in crate::pkt) fn vector(line: u32, list: Option<&Expr>) -> Result<Buffer<'static>> {
    let Some(Expr::List(items)) = list else { return Err(failed(line, "no list of buffers")) };
    let mut len = 0;
    for item in items {
        let Expr::Struct(fields) = item else { return Err(failed(line, "no buffer")) };
        let [_, length] = &fields[..] else { return Err(failed(line, "no buffer and length")) };
        len += value(line, &length.value)?.max(0) as usize;
    }
    Ok(Buffer { len, text: None, null: false })
}

pub(super) fn send(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    socket: Socket,
    progress: &mut Progress,
) -> Result<Returned> {
    let (buffer, flags) = buffer(line, call)?;
    write(machine, line, socket, &buffer, flags, progress)
}

pub(super) fn receive(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    socket: Socket,
    progress: &mut Progress,
) -> Result<Returned> {
    let (buffer, flags) = buffer(line, call)?;
    read(machine, line, socket, &buffer, flags, progress)
}

/// When a call gives up that may take `timeout`, counted from its first try.
fn deadline(progress: &mut Progress, now: Instant, timeout: Option<Duration>) -> Option<Instant> {
    let timeout = timeout?;
    Some(*progress.deadline.get_or_insert(now + timeout))
}

pub(in crate::pkt) fn write(
    machine: &mut Machine<'_>,
    line: u32,
    socket: Socket,
    buffer: &Buffer<'_>,
    flags: i64,
    progress: &mut Progress,
) -> Result<Returned> {
    let known = MSG_OOB | MSG_DONTWAIT | MSG_EOR | MSG_NOSIGNAL | MSG_MORE | MSG_ZEROCOPY;
    if flags & !known != 0 {
        return Err(unsupported(line, format!("the flags {:#x} of a send", flags & !known)));
    }
    let mut how = SendFlags::empty();
    how.set(SendFlags::MORE, flags & MSG_MORE != 0);
    how.set(SendFlags::URGENT, flags & MSG_OOB != 0);
    how.set(SendFlags::END_OF_RECORD, flags & MSG_EOR != 0);
    how.set(SendFlags::ZERO_COPY, flags & MSG_ZEROCOPY != 0 && socket.zero_copy);
    machine.text_written |= buffer.text.is_some();
    let (tcp, now, net) = machine.parts(line)?;
    let handle = socket.handle;
    if buffer.null && buffer.len > 0 {
        let state = tcp.info(now, handle).map(|info| info.state);
        if state.is_ok_and(tcp::State::is_synchronized) {
            return Ok(Returned::Error("EFAULT"));
        }
    }
    // SO_SNDTIMEO.
    let deadline = deadline(progress, now, socket.send_timeout);
    let late = deadline.is_some_and(|deadline| now >= deadline);
    // Whoever waits is woken when the socket is writable, not for each byte of room.
    let woken = Readiness::WRITABLE | Readiness::ERROR | Readiness::WRITE_CLOSED;
    if progress.blocked && !late && !tcp.readiness(handle).intersects(woken) {
        return Ok(Returned::Blocks(deadline));
    }
    let mut data = buffer.text.unwrap_or_default().as_bytes().to_vec();
    data.resize(buffer.len, 0);
    loop {
        match tcp.send(now, handle, &data[progress.done..], how, net) {
            Ok(n) => {
                progress.done += n;
                if progress.done >= buffer.len {
                    return Ok(Returned::Value(buffer.len as i64));
                }
            }
            Err(SocketError::WouldBlock) => {
                machine.fds.missed_room(handle);
                if !socket.nonblocking && flags & MSG_DONTWAIT == 0 && !late {
                    return Ok(Returned::Blocks(deadline));
                }
                return Ok(match progress.done {
                    0 => Returned::Error("EAGAIN"),
                    done => Returned::Value(done as i64),
                });
            }
            Err(SocketError::Unsupported) => {
                return Err(unsupported(line, format!("a send with {how:?} on this TCP")));
            }
            // What went before it is told first.
            Err(_) if progress.done > 0 => return Ok(Returned::Value(progress.done as i64)),
            Err(error) => return Ok(error.into()),
        }
    }
}

pub(in crate::pkt) fn read(
    machine: &mut Machine<'_>,
    line: u32,
    socket: Socket,
    buffer: &Buffer<'_>,
    flags: i64,
    progress: &mut Progress,
) -> Result<Returned> {
    let known = MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT | MSG_WAITALL;
    if flags & !known != 0 {
        return Err(unsupported(line, format!("the flags {:#x} of a receive", flags & !known)));
    }
    let mut how = ReceiveFlags::empty();
    how.set(ReceiveFlags::PEEK, flags & MSG_PEEK != 0);
    how.set(ReceiveFlags::URGENT, flags & MSG_OOB != 0);
    let (tcp, now, net) = machine.parts(line)?;
    let handle = socket.handle;
    // Whoever asks for the length alone needs no memory.
    if buffer.null && buffer.len > 0 && flags & MSG_TRUNC == 0 {
        let queued = tcp.info(now, handle).map_or(0, |info| info.receive_queue);
        if queued > 0 {
            return Ok(Returned::Error("EFAULT"));
        }
    }
    // SO_RCVTIMEO; and SO_RCVLOWAT, which a receive waits for as long as more may come.
    let deadline = deadline(progress, now, socket.receive_timeout);
    let late = deadline.is_some_and(|deadline| now >= deadline);
    let blocks = !socket.nonblocking && flags & MSG_DONTWAIT == 0 && !late;
    let enough = socket.receive_lowat.min(buffer.len).max(1);
    let ended = Readiness::READ_CLOSED | Readiness::ERROR;
    if blocks && enough > 1 && !tcp.readiness(handle).intersects(ended) {
        let queued = tcp.info(now, handle).map_or(0, |info| info.receive_queue);
        if queued < enough {
            return Ok(Returned::Blocks(deadline));
        }
    }
    let mut data = vec![0; buffer.len];
    loop {
        match tcp.receive(now, handle, &mut data[progress.done..], how, net) {
            Ok(n) => {
                progress.done += n;
                let all = flags & MSG_WAITALL != 0 && flags & MSG_PEEK == 0;
                if !all || n == 0 || progress.done >= buffer.len {
                    return Ok(Returned::Value(progress.done as i64));
                }
            }
            Err(SocketError::WouldBlock) => {
                if blocks {
                    return Ok(Returned::Blocks(deadline));
                }
                return Ok(match progress.done {
                    0 => Returned::Error("EAGAIN"),
                    done => Returned::Value(done as i64),
                });
            }
            Err(SocketError::Unsupported) => {
                return Err(unsupported(line, format!("a receive with {how:?} on this TCP")));
            }
            Err(_) if progress.done > 0 => return Ok(Returned::Value(progress.done as i64)),
            Err(error) => return Ok(error.into()),
        }
    }
}
