//! The system calls.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::{c_int, c_void, sockaddr_in, socklen_t};

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn check_len(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Moves this thread into a network of its own.
pub(crate) fn unshare_net() -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map(drop)
}

/// Moves this thread into the network of `namespace`.
pub(crate) fn enter(namespace: &File) -> io::Result<()> {
    // SAFETY: no pointers; the descriptor is open.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// A socket that never waits.
pub(crate) fn socket(kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    let kind = kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers; the result is checked before it is owned.
    let fd = check(unsafe { libc::socket(libc::AF_INET, kind, protocol) })?;
    // SAFETY: the call above has just made this descriptor, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn to_c(addr: Option<SocketAddr>) -> sockaddr_in {
    // SAFETY: all zeros are a valid address: AF_UNSPEC.
    let mut c: sockaddr_in = unsafe { zeroed() };
    if let Some(SocketAddr::V4(addr)) = addr {
        c.sin_family = libc::AF_INET as libc::sa_family_t;
        c.sin_port = addr.port().to_be();
        c.sin_addr.s_addr = u32::from(*addr.ip()).to_be();
    }
    c
}

fn from_c(c: &sockaddr_in) -> SocketAddr {
    let addr = Ipv4Addr::from(u32::from_be(c.sin_addr.s_addr));
    SocketAddr::new(addr.into(), u16::from_be(c.sin_port))
}

const ADDR_LEN: socklen_t = size_of::<sockaddr_in>() as socklen_t;

pub(crate) fn bind(fd: BorrowedFd<'_>, local: SocketAddr) -> io::Result<()> {
    let addr = to_c(Some(local));
    // SAFETY: the address is as long as it is said to be.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const addr).cast(), ADDR_LEN) }).map(drop)
}

pub(crate) fn connect(fd: BorrowedFd<'_>, peer: Option<SocketAddr>) -> io::Result<()> {
    let addr = to_c(peer);
    // SAFETY: the address is as long as it is said to be.
    check(unsafe { libc::connect(fd.as_raw_fd(), (&raw const addr).cast(), ADDR_LEN) }).map(drop)
}

pub(crate) fn listen(fd: BorrowedFd<'_>, backlog: c_int) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::listen(fd.as_raw_fd(), backlog) }).map(drop)
}

pub(crate) fn accept(fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, SocketAddr)> {
    let (mut addr, mut len) = (to_c(None), ADDR_LEN);
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: there is room for as long an address as `len` says.
    let new = check(unsafe {
        libc::accept4(fd.as_raw_fd(), (&raw mut addr).cast(), &raw mut len, flags)
    })?;
    // SAFETY: the call above has just made this descriptor, nobody else owns it.
    Ok((unsafe { OwnedFd::from_raw_fd(new) }, from_c(&addr)))
}

pub(crate) fn send(
    fd: BorrowedFd<'_>,
    to: Option<SocketAddr>,
    data: &[u8],
    flags: c_int,
) -> io::Result<usize> {
    let addr = to.map(|to| to_c(Some(to)));
    let (addr, len) = match &addr {
        Some(addr) => ((&raw const *addr).cast(), ADDR_LEN),
        None => (std::ptr::null(), 0),
    };
    // SAFETY: data and address are as long as they are said to be; without an address its length
    // is zero.
    check_len(unsafe {
        libc::sendto(fd.as_raw_fd(), data.as_ptr().cast(), data.len(), flags, addr, len)
    })
}

/// How many bytes there were, and who sent them.
pub(crate) fn receive(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    flags: c_int,
) -> io::Result<(usize, Option<SocketAddr>)> {
    let (mut addr, mut len) = (to_c(None), ADDR_LEN);
    // SAFETY: buffer and address have room for as much as is said.
    let whole = check_len(unsafe {
        libc::recvfrom(
            fd.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            flags,
            (&raw mut addr).cast(),
            &raw mut len,
        )
    })?;
    let named = addr.sin_family == libc::AF_INET as libc::sa_family_t;
    Ok((whole, named.then(|| from_c(&addr))))
}

pub(crate) fn shutdown(fd: BorrowedFd<'_>, how: c_int) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), how) }).map(drop)
}

/// The socket's own address, or with `peer` the other one.
pub(crate) fn name(fd: BorrowedFd<'_>, peer: bool) -> io::Result<SocketAddr> {
    let (mut addr, mut len) = (to_c(None), ADDR_LEN);
    let call = if peer { libc::getpeername } else { libc::getsockname };
    // SAFETY: there is room for as long an address as `len` says.
    check(unsafe { call(fd.as_raw_fd(), (&raw mut addr).cast(), &raw mut len) })?;
    Ok(from_c(&addr))
}

/// An option whose value is of one of C's plain types.
pub(crate) trait Plain: Copy + Default {}
impl Plain for c_int {}

/// SO_LINGER's value.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Linger {
    pub(crate) on: c_int,
    pub(crate) seconds: c_int,
}
impl Plain for Linger {}

pub(crate) fn set<T: Plain>(fd: BorrowedFd<'_>, (level, name): Name, value: T) -> io::Result<()> {
    let len = size_of::<T>() as socklen_t;
    let value: *const c_void = (&raw const value).cast();
    // SAFETY: the value is as long as it is said to be.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value, len) }).map(drop)
}

pub(crate) fn get<T: Plain>(fd: BorrowedFd<'_>, (level, name): Name) -> io::Result<T> {
    let (mut value, mut len) = (T::default(), size_of::<T>() as socklen_t);
    let at: *mut c_void = (&raw mut value).cast();
    // SAFETY: there is room for as much as `len` says, and any bytes are a valid value of a type of
    // integers.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, at, &raw mut len) })?;
    Ok(value)
}

/// Level and name.
pub(crate) type Name = (c_int, c_int);

/// What an ioctl that gives a number gives.
pub(crate) fn number(fd: BorrowedFd<'_>, request: libc::Ioctl) -> io::Result<c_int> {
    let mut value: c_int = 0;
    // SAFETY: the requests that this is called with write an int.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, &raw mut value) })?;
    Ok(value)
}

/// Which of `events` the descriptor is ready for now.
pub(crate) fn poll(fd: BorrowedFd<'_>, events: i16) -> io::Result<i16> {
    let mut one = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: there is one, as it says.
    check(unsafe { libc::poll(&raw mut one, 1, 0) })?;
    Ok(one.revents)
}

pub(crate) fn epoll() -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the result is checked before it is owned.
    let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
    // SAFETY: the call above has just made this descriptor, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(crate) fn epoll_change(
    epoll: BorrowedFd<'_>,
    change: c_int,
    fd: BorrowedFd<'_>,
    events: u32,
    data: u64,
) -> io::Result<()> {
    let mut event = libc::epoll_event { events, u64: data };
    let (epoll, fd) = (epoll.as_raw_fd(), fd.as_raw_fd());
    // SAFETY: the event lives as long as the call.
    check(unsafe { libc::epoll_ctl(epoll, change, fd, &raw mut event) }).map(drop)
}

/// What is ready, without waiting: the data that it was added with, and the events.
pub(crate) fn epoll_events(epoll: BorrowedFd<'_>) -> io::Result<Vec<(u64, u32)>> {
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
    // SAFETY: there is room for as many as it says.
    let count = check(unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), 64, 0) })?;
    let count = usize::try_from(count).expect("not negative");
    Ok(events[..count].iter().map(|event| (event.u64, event.events)).collect())
}
