//! The system calls of the event loop: the only unsafe code of this crate.
#![allow(unsafe_code)]

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// A descriptor that one thread makes readable to wake another that waits for it, or for many.
#[derive(Debug)]
pub(crate) struct Signal {
    read: std::fs::File,
    /// None where one descriptor does for both ends (eventfd).
    write: Option<std::fs::File>,
}

impl Signal {
    /// A signal that is not raised.
    pub(crate) fn new() -> io::Result<Signal> {
        #[cfg(target_os = "linux")]
        {
            // SAFETY: no pointers; the result is checked before it is owned.
            let fd = check(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) })?;
            // SAFETY: the call above has just made this descriptor, nobody else owns it.
            let fd = unsafe { OwnedFd::from_raw_fd(fd) };
            Ok(Signal { read: fd.into(), write: None })
        }
        #[cfg(not(target_os = "linux"))]
        Signal::pipe()
    }

    #[cfg(any(not(target_os = "linux"), test))]
    fn pipe() -> io::Result<Signal> {
        let mut fds = [-1; 2];
        // SAFETY: `fds` has room for the two descriptors that the call writes.
        check(unsafe { libc::pipe(fds.as_mut_ptr()) })?;
        // SAFETY: the call above has just made both, nobody else owns them.
        let [read, write] = fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        for fd in [&read, &write] {
            // SAFETY: no pointers; `fd` is open.
            unsafe {
                check(libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK))?;
                check(libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC))?;
            }
        }
        Ok(Signal { read: read.into(), write: Some(write.into()) })
    }

    /// Makes the descriptor readable.
    pub(crate) fn raise(&self) {
        let mut end = self.write.as_ref().unwrap_or(&self.read);
        // Full means raised already, which is all that is wanted.
        let _ = end.write(&1u64.to_ne_bytes());
    }

    /// Makes it unreadable again.
    pub(crate) fn clear(&self) {
        let mut bytes = [0; 64];
        // A pipe may hold several; an eventfd is empty after one read.
        while matches!((&self.read).read(&mut bytes), Ok(n) if n == bytes.len()) {}
    }
}

impl AsFd for Signal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

/// What a descriptor is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    /// The number that it was added with.
    pub(crate) token: u64,
    /// It has failed or its other end is gone: it will be ready for ever.
    pub(crate) broken: bool,
}

#[cfg(target_os = "linux")]
pub(crate) use epoll::{Remote, Selector};
#[cfg(not(target_os = "linux"))]
pub(crate) use poll::Selector;

#[cfg(target_os = "linux")]
mod epoll {
    use super::*;

    /// Many descriptors to wait for at once: epoll.
    #[derive(Debug)]
    pub(crate) struct Selector {
        epoll: Arc<OwnedFd>,
        events: Vec<libc::epoll_event>,
        /// The kernel is older than 5.11 and has no epoll_pwait2.
        pub(super) coarse: bool,
    }

    impl Selector {
        pub(crate) fn new() -> io::Result<Selector> {
            // SAFETY: no pointers; the result is checked before it is owned.
            let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
            // SAFETY: the call above has just made this descriptor, nobody else owns it.
            let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
            let none = libc::epoll_event { events: 0, u64: 0 };
            Ok(Selector { epoll: Arc::new(epoll), events: vec![none; 64], coarse: false })
        }

        /// For other threads, to change what this one waits for; its alarm has the number `alarm`.
        /// `None` where the system gives no timer.
        pub(crate) fn remote(&mut self, alarm: u64) -> Option<Remote> {
            // SAFETY: no pointers; the result is checked before it is owned.
            let fd = check(unsafe {
                libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC)
            });
            // SAFETY: the call above has just made this descriptor, nobody else owns it.
            let timer = unsafe { OwnedFd::from_raw_fd(fd.ok()?) };
            self.set(timer.as_raw_fd(), alarm, false).ok()?;
            Some(Remote { epoll: Arc::clone(&self.epoll), alarm: timer.into() })
        }

        /// Waits for `fd` from now on, or changes what is waited for.
        pub(crate) fn set(&mut self, fd: RawFd, token: u64, write: bool) -> io::Result<()> {
            let out = if write { libc::EPOLLOUT } else { 0 };
            watch(&self.epoll, fd, (libc::EPOLLIN | out) as u32, token)
        }

        /// Waits for `fd` no longer. Closing it has the same effect, so it is no error where it
        /// is gone already.
        pub(crate) fn remove(&mut self, fd: RawFd) {
            let _ = control(&self.epoll, libc::EPOLL_CTL_DEL, fd, 0, 0);
        }

        /// Waits until a descriptor is ready or `timeout` is over (`None`: for ever), and gives
        /// what is ready. A signal handler may end it sooner.
        pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Ready>> {
            let count = match self.wait_nanos(timeout) {
                Err(e) if e.raw_os_error() == Some(libc::ENOSYS) => {
                    self.coarse = true;
                    self.wait_millis(timeout)
                }
                done => done,
            };
            let count = match count {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
                count => count? as usize,
            };
            let broken = (libc::EPOLLERR | libc::EPOLLHUP) as u32;
            let ready =
                |e: &libc::epoll_event| Ready { token: e.u64, broken: e.events & broken != 0 };
            Ok(self.events[..count].iter().map(ready).collect())
        }

        fn wait_nanos(&mut self, timeout: Option<Duration>) -> io::Result<i32> {
            if self.coarse {
                return self.wait_millis(timeout);
            }
            let spec = timeout.map(timespec);
            let spec = spec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
            // SAFETY: the events' memory has room for as many as the call is told, `spec` is null
            // or lives through the call, and a null signal mask is ignored together with its size.
            let count = unsafe {
                libc::syscall(
                    libc::SYS_epoll_pwait2,
                    self.epoll.as_raw_fd(),
                    self.events.as_mut_ptr(),
                    self.events.len() as libc::c_int,
                    spec,
                    std::ptr::null::<libc::sigset_t>(),
                    0usize,
                )
            };
            check(count as i32)
        }

        fn wait_millis(&mut self, timeout: Option<Duration>) -> io::Result<i32> {
            // SAFETY: the events' memory has room for as many as the call is told.
            check(unsafe {
                libc::epoll_wait(
                    self.epoll.as_raw_fd(),
                    self.events.as_mut_ptr(),
                    self.events.len() as libc::c_int,
                    millis(timeout),
                )
            })
        }
    }

    /// A selector that another thread waits with.
    #[derive(Debug)]
    pub(crate) struct Remote {
        epoll: Arc<OwnedFd>,
        /// A timerfd.
        alarm: std::fs::File,
    }

    impl Remote {
        /// Wakes the other thread after `time`, which is not zero.
        pub(crate) fn wake_after(&self, time: Duration) {
            let never = timespec(Duration::ZERO);
            let once = libc::itimerspec { it_interval: never, it_value: timespec(time) };
            let fd = self.alarm.as_raw_fd();
            // SAFETY: `once` lives through the call, and where the old time would go is null.
            let _ = check(unsafe { libc::timerfd_settime(fd, 0, &once, std::ptr::null_mut()) });
        }

        /// The other thread was woken by [`Remote::wake_after`].
        pub(crate) fn clear_alarm(&self) {
            let _ = (&self.alarm).read(&mut [0; 8]);
        }

        /// The other thread does not wait for `fd`, but still learns when it breaks.
        pub(crate) fn pause(&self, fd: RawFd, token: u64) {
            let _ = control(&self.epoll, libc::EPOLL_CTL_MOD, fd, 0, token);
        }

        /// It waits until `fd` can be read again, also where that is another than before with
        /// its number. One that is gone has nothing to wait for.
        pub(crate) fn resume(&self, fd: RawFd, token: u64) {
            let _ = watch(&self.epoll, fd, libc::EPOLLIN as u32, token);
        }
    }

    fn watch(epoll: &OwnedFd, fd: RawFd, events: u32, token: u64) -> io::Result<()> {
        match control(epoll, libc::EPOLL_CTL_MOD, fd, events, token) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                control(epoll, libc::EPOLL_CTL_ADD, fd, events, token)
            }
            done => done,
        }
    }

    fn control(epoll: &OwnedFd, op: i32, fd: RawFd, events: u32, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: `event` lives through the call, which keeps no pointer to it.
        check(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), op, fd, &mut event) })?;
        Ok(())
    }
}

#[cfg(any(not(target_os = "linux"), test))]
mod poll {
    use super::*;

    /// Many descriptors to wait for at once: poll(2), for systems without epoll.
    #[derive(Debug, Default)]
    pub(crate) struct Selector {
        fds: Vec<libc::pollfd>,
        tokens: Vec<u64>,
    }

    impl Selector {
        pub(crate) fn new() -> io::Result<Selector> {
            Ok(Selector::default())
        }

        /// What one thread waits for another cannot change.
        #[cfg(not(target_os = "linux"))]
        pub(crate) fn remote(&mut self, _: u64) -> Option<Remote> {
            None
        }

        /// Waits for `fd` from now on, or changes what is waited for.
        pub(crate) fn set(&mut self, fd: RawFd, token: u64, write: bool) -> io::Result<()> {
            self.remove(fd);
            let out = if write { libc::POLLOUT } else { 0 };
            self.fds.push(libc::pollfd { fd, events: libc::POLLIN | out, revents: 0 });
            self.tokens.push(token);
            Ok(())
        }

        /// Waits for `fd` no longer.
        pub(crate) fn remove(&mut self, fd: RawFd) {
            if let Some(at) = self.fds.iter().position(|p| p.fd == fd) {
                self.fds.swap_remove(at);
                self.tokens.swap_remove(at);
            }
        }

        /// Waits until a descriptor is ready or `timeout` is over (`None`: for ever), and gives
        /// what is ready. A signal handler may end it sooner.
        pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Ready>> {
            // SAFETY: the array has as many elements as the call is told.
            let done = check(unsafe {
                libc::poll(self.fds.as_mut_ptr(), self.fds.len() as libc::nfds_t, millis(timeout))
            });
            match done {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(Vec::new()),
                done => done?,
            };
            let broken = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
            let both = self.fds.iter().zip(&self.tokens).filter(|(p, _)| p.revents != 0);
            let ready = |p: &libc::pollfd, token| Ready { token, broken: p.revents & broken != 0 };
            Ok(both.map(|(p, &token)| ready(p, token)).collect())
        }
    }
}

/// Stands where a selector has none.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(crate) enum Remote {}

#[cfg(not(target_os = "linux"))]
impl Remote {
    pub(crate) fn pause(&self, _: RawFd, _: u64) {
        match *self {}
    }

    pub(crate) fn resume(&self, _: RawFd, _: u64) {
        match *self {}
    }

    pub(crate) fn wake_after(&self, _: Duration) {
        match *self {}
    }

    pub(crate) fn clear_alarm(&self) {
        match *self {}
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Woken {
    /// A device can be read.
    pub(crate) device: bool,
    /// A device has failed, or is gone.
    pub(crate) broken: bool,
    /// The signal was raised.
    pub(crate) signal: bool,
}

/// Waits until one of `fds` can be read, `signal` is raised, or `timeout` is over (`None`: for
/// ever). It may end sooner, for nothing.
pub(crate) fn wait_readable(fds: &[RawFd], signal: &Signal, timeout: Option<Duration>) -> Woken {
    let all = std::iter::once(signal.as_fd().as_raw_fd()).chain(fds.iter().copied());
    let mut polled: Vec<_> =
        all.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
    if let Err(error) = poll_nanos(&mut polled, timeout) {
        let interrupted = error.kind() == io::ErrorKind::Interrupted;
        return Woken { broken: !interrupted, ..Woken::default() };
    }
    let failed = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
    let (signal, devices) = polled.split_first().expect("the signal is the first");
    Woken {
        device: devices.iter().any(|device| device.revents & libc::POLLIN != 0),
        broken: devices.iter().any(|device| device.revents & failed != 0),
        signal: signal.revents != 0,
    }
}

#[cfg(target_os = "linux")]
fn poll_nanos(fds: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<i32> {
    let spec = timeout.map(timespec);
    let spec = spec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the array has as many elements as the call is told, `spec` is null or lives through
    // the call, and a null signal mask means that it stays as it is.
    check(unsafe {
        libc::ppoll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, spec, std::ptr::null())
    })
}

#[cfg(not(target_os = "linux"))]
fn poll_nanos(fds: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<i32> {
    // SAFETY: the array has as many elements as the call is told.
    check(unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, millis(timeout)) })
}

#[cfg(target_os = "linux")]
fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: time.subsec_nanos() as _,
    }
}

/// A timeout in whole milliseconds, rounded up so that nobody wakes before the time; -1 for ever.
fn millis(timeout: Option<Duration>) -> i32 {
    let up = |t: Duration| t.as_nanos().div_ceil(1_000_000);
    timeout.map_or(-1, |t| i32::try_from(up(t)).unwrap_or(i32::MAX))
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_signal_wakes(signal: &Signal, mut wait: impl FnMut(Option<Duration>) -> Vec<Ready>) {
        let ready = [Ready { token: 7, broken: false }];
        assert_eq!(wait(Some(Duration::ZERO)), []);
        signal.raise();
        signal.raise();
        assert_eq!(wait(None), ready);
        assert_eq!(wait(None), ready, "it stays raised");
        signal.clear();
        assert_eq!(wait(Some(Duration::from_micros(50))), []);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_eventfd_wakes_an_epoll() {
        for coarse in [false, true] {
            let (signal, mut selector) = (Signal::new().unwrap(), Selector::new().unwrap());
            selector.coarse = coarse;
            selector.set(signal.as_fd().as_raw_fd(), 7, false).unwrap();
            selector.set(signal.as_fd().as_raw_fd(), 7, false).unwrap();
            a_signal_wakes(&signal, |t| selector.wait(t).unwrap());
            signal.raise();
            selector.remove(signal.as_fd().as_raw_fd());
            assert_eq!(selector.wait(Some(Duration::ZERO)).unwrap(), []);
        }
    }

    #[test]
    fn a_pipe_wakes_a_poll() {
        let (signal, mut selector) = (Signal::pipe().unwrap(), poll::Selector::new().unwrap());
        selector.set(signal.as_fd().as_raw_fd(), 7, false).unwrap();
        a_signal_wakes(&signal, |t| selector.wait(t).unwrap());
        signal.raise();
        selector.remove(signal.as_fd().as_raw_fd());
        assert_eq!(selector.wait(Some(Duration::ZERO)).unwrap(), []);
    }

    #[test]
    fn a_closed_other_end_is_broken() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut selector = Selector::new().unwrap();
        selector.set(ours.as_raw_fd(), 1, false).unwrap();
        drop(theirs);
        assert_eq!(selector.wait(None).unwrap(), [Ready { token: 1, broken: true }]);
    }

    #[test]
    fn timeouts_are_rounded_up() {
        assert_eq!(millis(None), -1);
        assert_eq!(millis(Some(Duration::ZERO)), 0);
        assert_eq!(millis(Some(Duration::from_nanos(1))), 1);
        assert_eq!(millis(Some(Duration::MAX)), i32::MAX);
    }
}
