//! `poll` and `epoll`.

use std::time::Duration;

use ip::{Handle, Readiness};

use super::calls::{Progress, Returned, integer, value};
use super::fds::{Interest, Seen};
use super::machine::Machine;
use super::report::{Result, failed, unsupported};
use super::script::{Call, Expr, Field};

const IN: i64 = 0x1 | 0x40;
const PRI: i64 = 0x2;
const OUT: i64 = 0x4 | 0x100;
const ERR: i64 = 0x8;
const HUP: i64 = 0x10;
const NVAL: i64 = 0x20;
const RDHUP: i64 = 0x2000;
const EXCLUSIVE: i64 = 1 << 28;
const ONESHOT: i64 = 1 << 30;
const EDGE: i64 = 1 << 31;

/// What is so of a socket, as poll has it.
fn bits(readiness: Readiness) -> i64 {
    let closed = Readiness::READ_CLOSED | Readiness::WRITE_CLOSED;
    [
        (readiness.contains(Readiness::READABLE), IN),
        (readiness.contains(Readiness::WRITABLE), OUT),
        (readiness.contains(Readiness::URGENT), PRI),
        (readiness.contains(Readiness::READ_CLOSED), RDHUP),
        (readiness.contains(closed), HUP),
        (readiness.contains(Readiness::ERROR), ERR),
    ]
    .into_iter()
    .filter(|(is_so, _)| *is_so)
    .fold(0, |all, (_, events)| all | events)
}

/// The same of a descriptor, by somebody who waits for it.
fn events(machine: &mut Machine<'_>, line: u32, fd: i64, handle: Handle) -> Result<i64> {
    let (tcp, _, _) = machine.parts(line)?;
    let readiness = tcp.readiness(handle);
    if let Some(socket) = machine.fds.socket_mut(fd) {
        socket.no_space |= !readiness.contains(Readiness::WRITABLE);
    }
    Ok(bits(readiness))
}

/// Finds what has come up on sockets since they were last looked at: an edge is more than there
/// was, and room only where somebody has missed it.
pub(super) fn find_edges(machine: &mut Machine<'_>, line: u32) -> Result<()> {
    for fd in machine.fds.sockets() {
        let Some(socket) = machine.fds.socket(fd).copied() else { continue };
        let (tcp, now, _) = machine.parts(line)?;
        let readiness = tcp.readiness(socket.handle);
        let Ok(info) = tcp.info(now, socket.handle) else { continue };
        let received = match info.state {
            tcp::State::Listen => info.receive_queue as u64,
            _ => info.bytes_received,
        };
        let (before, now) = (socket.seen, Seen { readiness, received, acked: info.bytes_acked });
        let mut edges = bits(readiness) & !bits(before.readiness);
        if now.received > before.received {
            edges |= bits(readiness) & IN;
        }
        if now.acked > before.acked {
            edges |= bits(readiness) & ERR;
        }
        if edges & OUT != 0 && !socket.no_space {
            edges &= !OUT;
        }
        machine.fds.edge(fd, edges);
        if let Some(socket) = machine.fds.socket_mut(fd) {
            socket.seen = now;
            socket.no_space &= edges & OUT == 0;
        }
    }
    Ok(())
}

fn member(line: u32, fields: &[Field], name: &str) -> Result<i64> {
    match fields.iter().find(|field| field.name.as_deref() == Some(name)) {
        Some(field) => value(line, &field.value),
        None => Err(failed(line, format!("a structure without {name}"))),
    }
}

/// Until when a call waits: `timeout` is in milliseconds, below zero for ever.
fn blocks(machine: &Machine<'_>, timeout: i64, progress: &mut Progress) -> Option<Returned> {
    let now = machine.now;
    let Ok(millis) = u64::try_from(timeout) else { return Some(Returned::Blocks(None)) };
    let deadline = *progress.deadline.get_or_insert(now + Duration::from_millis(millis));
    (now < deadline).then_some(Returned::Blocks(Some(deadline)))
}

/// `poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, 1000)`
pub(super) fn poll(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    progress: &mut Progress,
) -> Result<Returned> {
    let Some(Expr::List(entries)) = call.args.first() else {
        return Err(failed(line, "poll needs a list"));
    };
    let mut seen = Vec::new();
    for entry in entries {
        let Expr::Struct(fields) = entry else { return Err(failed(line, "no pollfd")) };
        let fd = member(line, fields, "fd")?;
        let asked = member(line, fields, "events")? | ERR | HUP;
        let found = match machine.fds.socket(fd).map(|socket| socket.handle) {
            Some(handle) => events(machine, line, fd, handle)? & asked,
            None => NVAL,
        };
        seen.push((fields, found));
    }
    let ready = seen.iter().filter(|(_, found)| *found != 0).count();
    if ready == 0
        && let Some(blocks) = blocks(machine, integer(line, call, 2)?, progress)
    {
        return Ok(blocks);
    }
    for (fields, found) in seen {
        let named = fields.iter().any(|field| field.name.as_deref() == Some("revents"));
        let expected = if named { member(line, fields, "revents")? } else { 0 };
        if expected != found {
            return Err(failed(line, format!("revents is {found:#x}, not {expected:#x}")));
        }
    }
    Ok(Returned::Value(ready as i64))
}

/// `{events=EPOLLIN, fd=4}`: the events, and what is told of them.
fn epoll_event(line: u32, fields: &[Field]) -> Result<(i64, i64)> {
    let name = ["fd", "ptr", "u32", "u64"]
        .into_iter()
        .find(|name| fields.iter().any(|field| field.name.as_deref() == Some(name)));
    let Some(name) = name else { return Err(unsupported(line, "an epoll_event without data")) };
    Ok((member(line, fields, "events")?, member(line, fields, name)?))
}

/// `epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4})`
pub(super) fn epoll_ctl(machine: &mut Machine<'_>, line: u32, call: &Call) -> Result<Returned> {
    let (epfd, fd) = (integer(line, call, 0)?, integer(line, call, 2)?);
    let (events, data) = match call.args.get(3) {
        Some(Expr::Struct(fields)) => epoll_event(line, fields)?,
        _ => (0, 0),
    };
    if machine.fds.socket(fd).is_none() {
        return Ok(Returned::Error("EBADF"));
    }
    let Some(interests) = machine.fds.epoll_mut(epfd) else {
        return Ok(Returned::Error("EINVAL"));
    };
    let known = interests.iter().position(|interest| interest.fd == fd);
    let interest = Interest { fd, events, data, edges: !0 };
    match (integer(line, call, 1)?, known) {
        (1, None) => interests.push(interest),
        (2, Some(at)) => {
            interests.remove(at);
        }
        (3, Some(at)) => interests[at] = interest,
        (1, Some(_)) => return Ok(Returned::Error("EEXIST")),
        (2 | 3, None) => return Ok(Returned::Error("ENOENT")),
        _ => return Ok(Returned::Error("EINVAL")),
    }
    Ok(Returned::Value(0))
}

/// `epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 1000)`
pub(super) fn epoll_wait(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    progress: &mut Progress,
) -> Result<Returned> {
    let epfd = integer(line, call, 0)?;
    let Some(interests) = machine.fds.epoll_mut(epfd) else {
        return Ok(Returned::Error("EINVAL"));
    };
    let asked: Vec<_> = interests.iter().map(|i| (i.fd, i.data, i.events, i.edges)).collect();
    let most = integer(line, call, 2)?.max(1) as usize;
    let mut ready = Vec::new();
    for (fd, data, wanted, edges) in asked {
        let Some(handle) = machine.fds.socket(fd).map(|socket| socket.handle) else { continue };
        // A one-shot interest that was told is left without any event.
        let (found, edges) = match wanted & !(EDGE | ONESHOT | EXCLUSIVE) {
            0 => (0, 0),
            wanted => {
                let wanted = wanted | ERR | HUP;
                (events(machine, line, fd, handle)? & wanted, edges & wanted)
            }
        };
        if found != 0 && (edges != 0 || wanted & EDGE == 0) && ready.len() < most {
            ready.push((fd, (found, data)));
        }
    }
    if ready.is_empty()
        && let Some(blocks) = blocks(machine, integer(line, call, 3)?, progress)
    {
        return Ok(blocks);
    }
    if let Some(interests) = machine.fds.epoll_mut(epfd) {
        for interest in interests.iter_mut() {
            if ready.iter().any(|(fd, _)| *fd == interest.fd) {
                interest.edges = 0;
                if interest.events & ONESHOT != 0 {
                    interest.events &= EDGE | ONESHOT | EXCLUSIVE;
                }
            }
        }
    }
    let expected = match call.args.get(1) {
        Some(Expr::List(entries)) => &entries[..],
        Some(entry @ Expr::Struct(_)) => std::slice::from_ref(entry),
        _ => return Ok(Returned::Value(ready.len() as i64)),
    };
    for (expected, (fd, found)) in expected.iter().zip(&ready) {
        let Expr::Struct(fields) = expected else { return Err(failed(line, "no epoll_event")) };
        if epoll_event(line, fields)? != *found {
            return Err(failed(line, format!("fd {fd} is ready for {:#x}", found.0)));
        }
    }
    Ok(Returned::Value(ready.len() as i64))
}
