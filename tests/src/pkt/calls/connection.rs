//! Sockets from their making to their end.

use std::net::SocketAddr;

use ip::{Readiness, SocketError};

use super::arguments::address;
use super::{Progress, Returned, integer, result, value};
use crate::pkt::fds::Socket;
use crate::pkt::machine::Machine;
use crate::pkt::network::{LOCAL, PORT, REMOTE};
use crate::pkt::report::{Result, unsupported};
use crate::pkt::script::{Call, Expr};
use crate::pkt::wire::Flow;

pub(super) fn socket(machine: &mut Machine<'_>, line: u32, call: &Call) -> Result<Returned> {
    let kind = integer(line, call, 1)?;
    let protocol = integer(line, call, 2)?;
    let domain = call.args.first().filter(|arg| **arg != Expr::Any);
    if domain.is_some_and(|domain| value(line, domain).ok() != Some(2)) {
        return Err(unsupported(line, "sockets other than AF_INET"));
    }
    if kind & 0xf != 1 || !matches!(protocol, 0 | 6) {
        return Err(unsupported(line, "sockets other than TCP's"));
    }
    let settings = machine.setup.settings.clone();
    let (tcp, now, net) = machine.parts(line)?;
    let handle = match tcp.open() {
        Ok(handle) => handle,
        Err(error) => return Ok(error.into()),
    };
    for setting in settings {
        if tcp.set(now, handle, setting.clone(), net).is_err() {
            return Err(unsupported(line, format!("the setting {setting:?} with this TCP")));
        }
    }
    Ok(Returned::Socket(handle, kind & 0o4000 != 0))
}

pub(super) fn accept(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    socket: Socket,
) -> Result<Returned> {
    let flags = if call.name == "accept4" { integer(line, call, 3)? } else { 0 };
    let (tcp, _, _) = machine.parts(line)?;
    Ok(match tcp.accept(socket.handle) {
        Ok((handle, _)) => Returned::Socket(handle, flags & 0o4000 != 0),
        Err(SocketError::WouldBlock) if !socket.nonblocking => Returned::Blocks(None),
        Err(error) => error.into(),
    })
}

pub(super) fn connect(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    fd: i64,
    socket: Socket,
    progress: &Progress,
) -> Result<Returned> {
    let handle = socket.handle;
    let blocks =
        |socket: Socket| if socket.nonblocking { None } else { Some(Returned::Blocks(None)) };
    if socket.connecting {
        let (tcp, now, _) = machine.parts(line)?;
        let ended = tcp.readiness(handle).intersects(Readiness::WRITABLE | Readiness::ERROR);
        let state = tcp.info(now, handle).map(|info| info.state);
        let error = if ended { tcp.take_error(handle) } else { None };
        let ended = ended || !matches!(state, Ok(tcp::State::SynSent | tcp::State::SynReceived));
        if !ended {
            return Ok(blocks(socket).unwrap_or(Returned::Error("EALREADY")));
        }
        if let Some(socket) = machine.fds.socket_mut(fd) {
            socket.connecting = false;
        }
        return Ok(match (error, state) {
            (Some(error), _) => error.into(),
            (None, Ok(state)) if state.is_synchronized() => Returned::Value(0),
            (None, _) => Returned::Error("ECONNABORTED"),
        });
    }
    debug_assert!(!progress.blocked);
    let peer = address(line, call, 1, SocketAddr::new(REMOTE.into(), PORT))?;
    let (tcp, now, net) = machine.parts(line)?;
    let local = tcp.info(now, handle).map_or(0, |info| info.local.port());
    let begun = tcp.connect(now, handle, peer, net);
    if begun == Err(SocketError::InProgress) {
        machine.flows.push(Flow::new(SocketAddr::new(LOCAL.into(), local), peer));
        machine.current = Some(machine.flows.len() - 1);
        machine.listening = false;
        if let Some(socket) = machine.fds.socket_mut(fd) {
            socket.connecting = true;
        }
        return Ok(blocks(socket).unwrap_or(Returned::Error("EINPROGRESS")));
    }
    Ok(result(begun.map(|()| 0)))
}

pub(super) fn close(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    progress: &mut Progress,
) -> Result<Returned> {
    let fd = integer(line, call, 0)?;
    let Some(socket) = machine.fds.socket(fd).copied() else {
        let known = machine.fds.remove(fd).is_some();
        return Ok(if known { Returned::Value(0) } else { Returned::Error("EBADF") });
    };
    let (tcp, now, net) = machine.parts(line)?;
    let linger = tcp.settings(socket.handle).ok().and_then(|settings| settings.linger);
    if let Some(linger) = linger.filter(|linger| !linger.is_zero() && !socket.nonblocking) {
        // Waits until the peer has everything.
        if progress.deadline.is_none() {
            progress.deadline = Some(now + linger);
            let _ = tcp.shutdown(now, socket.handle, tcp::Shutdown::Write, net);
        }
        use tcp::State::{CloseWait, Closing, Established, FinWait1, LastAck};
        let state = tcp.info(now, socket.handle).map(|info| info.state);
        let owes = matches!(state, Ok(Established | FinWait1 | Closing | CloseWait | LastAck));
        if owes && progress.deadline.is_some_and(|deadline| now < deadline) {
            return Ok(Returned::Blocks(progress.deadline));
        }
    }
    tcp.close(now, socket.handle, net);
    machine.fds.remove(fd);
    Ok(Returned::Value(0))
}
