//! The system calls that the shell needs and the standard library lacks: `poll`, and signals.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};

#[cfg(not(target_os = "macos"))]
use libc::__errno_location as errno_location;
#[cfg(target_os = "macos")]
use libc::__error as errno_location;

/// Waits without limit until one of `fds` can be read (or is at its end); says which can.
pub(crate) fn wait_readable<const N: usize>(fds: [BorrowedFd<'_>; N]) -> io::Result<[bool; N]> {
    let mut polled =
        fds.map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 });
    loop {
        // SAFETY: `polled` is an array of N pollfd, alive during the call; the descriptors are
        // borrowed and so open.
        let ready = unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, -1) };
        if ready >= 0 {
            return Ok(polled.map(|fd| fd.revents != 0));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// A signal that the shell acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// ^C.
    Interrupt,
    /// End in order: SIGTERM, or the terminal is gone.
    Terminate,
}

/// Where the handler writes to; negative: nobody listens.
static SIGNAL_PIPE: AtomicI32 = AtomicI32::new(-1);

/// Catches SIGINT, SIGTERM and SIGHUP from now on, in the whole process, and gives a stream from
/// which [`read_signal`] reads them. Programs that are started later have the default again.
pub(crate) fn catch_signals() -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    writer.set_nonblocking(true)?;
    // The writing end stays open as long as the process: a handler may run at any time.
    SIGNAL_PIPE.store(writer.into_raw_fd(), Ordering::SeqCst);
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: a zeroed sigaction is a valid one without flags and with an empty mask; the
        // handler is async-signal-safe (see there).
        let result = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(signal, &action, std::ptr::null_mut())
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(reader)
}

/// The next signal; `None` when no more can come.
pub(crate) fn read_signal(signals: &mut UnixStream) -> Option<Signal> {
    let mut number = [0];
    io::Read::read_exact(signals, &mut number).ok()?;
    Some(match i32::from(number[0]) {
        libc::SIGINT => Signal::Interrupt,
        _ => Signal::Terminate,
    })
}

extern "C" fn on_signal(signal: libc::c_int) {
    let number = signal as u8;
    // SAFETY: write and errno's address are async-signal-safe; errno is put back, so that the
    // interrupted code does not see the write's. A full or closed pipe loses nothing that matters.
    unsafe {
        let errno = errno_location();
        let before = *errno;
        libc::write(SIGNAL_PIPE.load(Ordering::SeqCst), (&raw const number).cast(), 1);
        *errno = before;
    }
}

/// Sends SIGINT to this process: a line editor that is waiting for a key gives up.
pub(crate) fn interrupt_myself() {
    // SAFETY: no memory is involved; the handler is ours or the line editor's.
    unsafe {
        libc::kill(libc::getpid(), libc::SIGINT);
    }
}

/// Asks a child that was not waited for yet, or the whole group that it leads, to end.
pub(crate) fn terminate(child: &std::process::Child, group: bool) {
    let pid = child.id() as libc::pid_t;
    // SAFETY: no memory is involved; the child was not reaped, so the number is its own.
    unsafe {
        libc::kill(if group { -pid } else { pid }, libc::SIGTERM);
    }
}

/// Waits until a child of this process has ended, and leaves it to be reaped.
pub(crate) fn wait_until_ended(pid: u32) -> io::Result<()> {
    loop {
        // SAFETY: a zeroed siginfo_t is a valid one to be written to, and outlives the call.
        let result = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(libc::P_PID, pid, &mut info, libc::WEXITED | libc::WNOWAIT)
        };
        if result == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            // Somebody reaped it already: it has ended.
            Some(libc::ECHILD) => return Ok(()),
            _ => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn poll_says_which_descriptor_is_ready() {
        let (a, mut a_peer) = UnixStream::pair().unwrap();
        let (b, b_peer) = UnixStream::pair().unwrap();
        a_peer.write_all(b"x").unwrap();
        assert_eq!(wait_readable([a.as_fd(), b.as_fd()]).unwrap(), [true, false]);
        drop(b_peer);
        assert_eq!(wait_readable([a.as_fd(), b.as_fd()]).unwrap(), [true, true]);
    }
}
