//! Socket calls with the meaning that they have in C, over a [`tcp::Streams`].
//!
//! No call waits here: one that would block is kept in the [`Machine`] and tried again after
//! everything that happens, until it ends or its time is over.

mod arguments;
mod connection;
mod files;
pub(super) mod stream;

use std::net::SocketAddr;
use std::time::Duration;

use ip::{Handle, SocketError};
use netdev::Instant;

use super::constants::constant;
use super::fds::{Fd, Socket};
use super::machine::{Machine, shown};
use super::network::{LOCAL, PORT};
use super::report::{Result, failed, unsupported};
use super::script::{Call, Expr};
use super::{messages, options, wait};
use arguments::address;

pub(super) use arguments::{first_of_list, integer, value};

/// How long a call may block that the script does not expect to.
const FOR_EVER: Duration = Duration::from_secs(100_000);

/// A call that blocks.
pub(super) struct Pending<'a> {
    pub line: u32,
    pub call: &'a Call,
    /// When it has to end, and how far off that may be.
    end: Option<Instant>,
    tolerance: Duration,
    /// Until when it is waited for.
    pub latest: Instant,
    /// When it ends by itself: the timeout of a poll.
    pub timeout: Option<Instant>,
    progress: Progress,
}

/// How far a call has come that was tried before.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// It was tried before.
    pub blocked: bool,
    /// Bytes so far.
    pub done: usize,
    /// When it gives up.
    pub deadline: Option<Instant>,
}

/// What a call gives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Returned {
    Value(i64),
    /// A new descriptor, which gets the number that the script gives it.
    Socket(Handle, bool),
    Epoll,
    /// A file of so many bytes.
    File(usize),
    Error(&'static str),
    /// Not yet; by itself at the time given.
    Blocks(Option<Instant>),
}

impl From<SocketError> for Returned {
    fn from(error: SocketError) -> Returned {
        Returned::Error(errno(error))
    }
}

/// Makes a call; one that blocks is left in the machine.
pub(super) fn begin<'a>(
    machine: &mut Machine<'a>,
    line: u32,
    call: &'a Call,
    end: Option<Instant>,
) -> Result<()> {
    let mut progress = Progress::default();
    let start = machine.now;
    let returned = attempt(machine, line, call, &mut progress)?;
    let tolerance = machine.tolerance(end.unwrap_or(start));
    let latest = end.map_or(start + FOR_EVER, |end| end + tolerance);
    if let Returned::Blocks(timeout) = returned {
        machine.note(start, format!("{} ...", shown(call)));
        progress.blocked = true;
        machine.pending = Some(Pending { line, call, end, tolerance, latest, timeout, progress });
        machine.settle(line, false)?;
        // A call without an end must not let the script go on before it.
        while end.is_none() && machine.pending.is_some() {
            if !machine.step(line, latest)? {
                return Err(failed(line, format!("{call} blocks for ever")));
            }
        }
        return Ok(());
    }
    machine.note(start, shown(call));
    machine.settle(line, false)?;
    complete(machine, line, call, returned, end.map(|end| (end, tolerance)))
}

/// Tries a call again that blocks; whether it has ended.
pub(super) fn retry(machine: &mut Machine<'_>) -> Result<bool> {
    let Some(mut pending) = machine.pending.take() else { return Ok(false) };
    match attempt(machine, pending.line, pending.call, &mut pending.progress)? {
        Returned::Blocks(timeout) => {
            pending.timeout = timeout;
            machine.pending = Some(pending);
            Ok(false)
        }
        returned => {
            machine.note(machine.now, format!("... {}", shown(pending.call)));
            let end = pending.end.map(|end| (end, pending.tolerance));
            complete(machine, pending.line, pending.call, returned, end)?;
            Ok(true)
        }
    }
}

/// Holds a result against the expected one, and the time against the expected end.
fn complete(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    returned: Returned,
    end: Option<(Instant, Duration)>,
) -> Result<()> {
    if let Some((end, tolerance)) = end {
        let now = machine.now;
        if now + tolerance < end || now > end + tolerance {
            let (end, now) = (machine.clock(end), machine.clock(now));
            return Err(failed(line, format!("{} ends at {now}, not at {end}", call.name)));
        }
    }
    let expected = match &call.result {
        Expr::Any => None,
        result => Some(value(line, result)?),
    };
    let seen = match returned {
        Returned::Value(value) => value,
        Returned::Socket(handle, nonblocking) => {
            opened(machine, expected, Fd::Socket(Socket::new(handle, nonblocking)))
        }
        Returned::Epoll => opened(machine, expected, Fd::Epoll(Vec::new())),
        Returned::File(len) => opened(machine, expected, Fd::File { len, at: 0 }),
        Returned::Blocks(_) => return Ok(()),
        Returned::Error(errno) => {
            let wanted = call.errno.as_deref();
            let same = wanted.is_some_and(|wanted| constant(wanted) == constant(errno));
            return match expected {
                None => Ok(()),
                Some(-1) if same || wanted.is_none() => Ok(()),
                Some(_) => Err(failed(line, format!("{call}: it gives -1 {errno}"))),
            };
        }
    };
    match expected {
        Some(expected) if expected != seen || expected == -1 => {
            Err(failed(line, format!("{call}: it gives {seen}")))
        }
        _ => Ok(()),
    }
}

/// A new descriptor gets the number that the script expects.
fn opened(machine: &mut Machine<'_>, expected: Option<i64>, fd: Fd) -> i64 {
    let number = expected.filter(|number| *number >= 0).unwrap_or(-1);
    machine.fds.insert(number, fd);
    number
}

/// Makes a call, or tries it again.
fn attempt(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    progress: &mut Progress,
) -> Result<Returned> {
    match &call.name[..] {
        "socket" => return connection::socket(machine, line, call),
        "epoll_create" | "epoll_create1" => return Ok(Returned::Epoll),
        "open" => return files::open(machine, line, call),
        "pipe" | "pipe2" => return files::pipe(machine, line, call),
        "sendfile" | "sendfile64" => return files::sendfile(machine, line, call, progress),
        "splice" => return files::splice(machine, line, call, progress),
        // Nobody here has rights to give up.
        "cap_set" => return Ok(Returned::Value(0)),
        "poll" => return wait::poll(machine, line, call, progress),
        "close" => return connection::close(machine, line, call, progress),
        _ => {}
    }
    let fd = integer(line, call, 0)?;
    if !machine.fds.contains(fd) {
        return Ok(Returned::Error("EBADF"));
    }
    match &call.name[..] {
        "epoll_ctl" => return wait::epoll_ctl(machine, line, call),
        "epoll_wait" => return wait::epoll_wait(machine, line, call, progress),
        _ => {}
    }
    let Some(socket) = machine.fds.socket(fd).copied() else {
        let done = files::on_no_socket(machine, line, call, fd)?;
        return Ok(done.unwrap_or(Returned::Error("ENOTSOCK")));
    };
    match &call.name[..] {
        "bind" => {
            let local = address(line, call, 1, SocketAddr::new(LOCAL.into(), PORT))?;
            let (tcp, _, net) = machine.parts(line)?;
            Ok(result(tcp.bind(socket.handle, local, net).map(|()| 0)))
        }
        "listen" => {
            let backlog = integer(line, call, 1)?.max(0) as usize;
            let (tcp, _, _) = machine.parts(line)?;
            let listened = tcp.listen(socket.handle, backlog);
            machine.listening |= listened.is_ok();
            Ok(result(listened.map(|()| 0)))
        }
        "accept" | "accept4" => connection::accept(machine, line, call, socket),
        "connect" => connection::connect(machine, line, call, fd, socket, progress),
        "write" | "send" | "sendto" | "writev" => {
            stream::send(machine, line, call, socket, progress)
        }
        "read" | "recv" | "recvfrom" | "readv" => {
            stream::receive(machine, line, call, socket, progress)
        }
        "sendmsg" => messages::send(machine, line, call, socket, progress),
        "recvmsg" => messages::receive(machine, line, call, socket, progress),
        "shutdown" => {
            let how = match integer(line, call, 1)? {
                0 => tcp::Shutdown::Read,
                1 => tcp::Shutdown::Write,
                2 => tcp::Shutdown::Both,
                _ => return Ok(Returned::Error("EINVAL")),
            };
            let (tcp, now, net) = machine.parts(line)?;
            Ok(result(tcp.shutdown(now, socket.handle, how, net).map(|()| 0)))
        }
        "setsockopt" => options::set(machine, line, call, fd, socket),
        "getsockopt" => options::get(machine, line, call, socket),
        "fcntl" => fcntl(machine, line, call, fd, socket),
        "ioctl" => ioctl(machine, line, call, fd, socket),
        name => Err(unsupported(line, format!("the call {name}"))),
    }
}

fn fcntl(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    fd: i64,
    socket: Socket,
) -> Result<Returned> {
    const NONBLOCK: i64 = 0o4000;
    const RDWR: i64 = 2;
    match integer(line, call, 1)? {
        3 => Ok(Returned::Value(RDWR | if socket.nonblocking { NONBLOCK } else { 0 })),
        4 => {
            let flags = integer(line, call, 2)?;
            if let Some(socket) = machine.fds.socket_mut(fd) {
                socket.nonblocking = flags & NONBLOCK != 0;
            }
            Ok(Returned::Value(0))
        }
        _ => Err(unsupported(line, format!("{call}"))),
    }
}

fn ioctl(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    fd: i64,
    socket: Socket,
) -> Result<Returned> {
    let request = integer(line, call, 1)?;
    if request == 0x5421 {
        let on = first_of_list(line, call, 2)?.unwrap_or(0) != 0;
        if let Some(socket) = machine.fds.socket_mut(fd) {
            socket.nonblocking = on;
        }
        return Ok(Returned::Value(0));
    }
    let (tcp, now, _) = machine.parts(line)?;
    let info = match tcp.info(now, socket.handle) {
        Ok(info) => info,
        Err(error) => return Ok(error.into()),
    };
    if info.state == tcp::State::Listen {
        return Ok(Returned::Error("EINVAL"));
    }
    let seen = match request {
        0x541b => info.receive_queue as i64,
        0x5411 => info.send_queue as i64,
        0x894b => info.notsent_bytes.into(),
        0x8905 => i64::from(info.urgent == Some(0)),
        _ => return Err(unsupported(line, format!("{call}"))),
    };
    let expected = first_of_list(line, call, 2)?;
    if expected.is_some_and(|expected| expected != seen) {
        return Err(failed(line, format!("{call}: it tells {seen}")));
    }
    Ok(Returned::Value(0))
}

/// What a call of TCP's gives.
pub(super) fn result(result: std::result::Result<i64, SocketError>) -> Returned {
    match result {
        Ok(value) => Returned::Value(value),
        Err(error) => error.into(),
    }
}

/// Linux's name for an error.
pub(super) fn errno(error: SocketError) -> &'static str {
    match error {
        SocketError::WouldBlock => "EAGAIN",
        SocketError::InProgress => "EINPROGRESS",
        SocketError::BadHandle => "EBADF",
        SocketError::Invalid => "EINVAL",
        SocketError::AddrInUse => "EADDRINUSE",
        SocketError::AddrNotAvailable => "EADDRNOTAVAIL",
        SocketError::NotConnected => "ENOTCONN",
        SocketError::AlreadyConnected => "EISCONN",
        SocketError::DestinationRequired => "EDESTADDRREQ",
        SocketError::Refused => "ECONNREFUSED",
        SocketError::Reset => "ECONNRESET",
        SocketError::Aborted => "ECONNABORTED",
        SocketError::TimedOut => "ETIMEDOUT",
        SocketError::BrokenPipe => "EPIPE",
        SocketError::HostUnreachable => "EHOSTUNREACH",
        SocketError::NetworkUnreachable => "ENETUNREACH",
        SocketError::ProtocolUnreachable => "ENOPROTOOPT",
        SocketError::MessageTooLong => "EMSGSIZE",
        SocketError::Denied => "EACCES",
        SocketError::NoBuffers => "ENOBUFS",
        _ => "EOPNOTSUPP",
    }
}
