//! The system calls of the benchmarks that `std` does not have, each behind a small safe function.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;
use std::{mem, ptr};

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

// ---- processors -----------------------------------------------------------------------------

fn set_of(cpu: usize) -> libc::cpu_set_t {
    // SAFETY: a plain C struct of integers; all zeros is the empty set. CPU_SET checks the bound.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        set
    }
}

/// The processors that this thread may use.
pub(super) fn allowed_cpus() -> io::Result<Vec<usize>> {
    // SAFETY: a plain C struct of integers, which the kernel fills in up to the size that is given.
    let set = unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        check(libc::sched_getaffinity(0, size_of_val(&set), &mut set))?;
        set
    };
    // SAFETY: CPU_ISSET reads the set, and each number is within it.
    Ok((0..libc::CPU_SETSIZE as usize)
        .filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) })
        .collect())
}

/// Keeps the calling thread, and those that it starts from now on, on one processor.
pub(super) fn pin(cpu: usize) -> io::Result<()> {
    let set = set_of(cpu);
    // SAFETY: the set outlives the call and has the size that is given; 0 is the calling thread.
    check(unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) }).map(drop)
}

/// Lets the calling thread run only where nobody else wants to (SCHED_IDLE).
pub(super) fn yield_to_all() -> io::Result<()> {
    let none = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameter outlives the call; 0 is the calling thread.
    check(unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &none) }).map(drop)
}

/// Lets the calling thread run as soon as it can (SCHED_FIFO). Needs CAP_SYS_NICE.
pub(super) fn go_first() -> io::Result<()> {
    let lowest = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameter outlives the call; 0 is the calling thread.
    check(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &lowest) }).map(drop)
}

/// Has `command` run on one processor, and end with the thread that starts it.
pub(super) fn pin_command(command: &mut Command, cpu: usize) -> &mut Command {
    let set = set_of(cpu);
    // SAFETY: two system calls on memory that the closure owns: nothing is allocated and no lock
    // taken between fork and exec.
    unsafe {
        command.pre_exec(move || {
            check(libc::sched_setaffinity(0, size_of_val(&set), &set))?;
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL)).map(drop)
        })
    }
}

/// How much time a process has had of a processor, all of its threads together, in nanoseconds: the
/// ticks of /proc/PID/stat are too coarse for a window of half a second.
pub(super) fn processor_time(pid: u32) -> io::Result<Duration> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let (mut clock, mut time) = (0, libc::timespec { tv_sec: 0, tv_nsec: 0 });
    // SAFETY: both calls write one value each, which outlives them.
    unsafe {
        match libc::clock_getcpuclockid(pid, &mut clock) {
            0 => check(libc::clock_gettime(clock, &mut time))?,
            error => return Err(io::Error::from_raw_os_error(error)),
        };
    }
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Clock ticks a second, in which /proc/stat counts.
pub(super) fn ticks_per_second() -> f64 {
    // SAFETY: takes a number and gives one.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) as f64 }
}

// ---- processes ------------------------------------------------------------------------------

/// Moves the calling thread into a network namespace that has nothing in it.
pub(super) fn unshare_net() -> io::Result<()> {
    // SAFETY: no pointers are passed.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map(drop)
}

/// Raises the limit of open files as far as this process may; gives the limit.
pub(super) fn raise_open_files() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the calls read and write one struct, which outlives them.
    unsafe {
        check(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit))?;
        limit.rlim_cur = limit.rlim_max;
        check(libc::setrlimit(libc::RLIMIT_NOFILE, &limit))?;
    }
    Ok(limit.rlim_cur)
}

// ---- sockets --------------------------------------------------------------------------------

/// Takes up to `room.len()` bytes from a stream without copying them (MSG_TRUNC, tcp(7)).
pub(super) fn throw_away(stream: &TcpStream, room: &mut [u8]) -> io::Result<usize> {
    let flags = libc::MSG_TRUNC | libc::MSG_DONTWAIT;
    // SAFETY: the buffer outlives the call and has the length that is given, whatever the kernel
    // writes to it.
    let len =
        unsafe { libc::recv(stream.as_raw_fd(), room.as_mut_ptr().cast(), room.len(), flags) };
    usize::try_from(len).map_err(|_| io::Error::last_os_error())
}

/// How many bytes the peer has acknowledged (`tcpi_bytes_acked`).
pub(super) fn bytes_acked(stream: &TcpStream) -> io::Result<u64> {
    // struct tcp_info of linux/tcp.h: 8 bytes, 24 words of 32 bits, two pacing rates, and this.
    const AT: usize = (8 + 24 * 4) / 8 + 2;
    let mut info = [0u64; AT + 1];
    let mut len = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes, the size of the array.
    check(unsafe {
        let into = info.as_mut_ptr().cast();
        libc::getsockopt(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, into, &mut len)
    })?;
    Ok(info[AT])
}

/// CUBIC, whatever this machine's default is: with BBR the kernel paces, and sends less at a time.
/// Where the system does not offer it to everybody, only root may.
pub(super) fn use_cubic(stream: &TcpStream) -> io::Result<()> {
    let name = c"cubic".to_bytes();
    // SAFETY: the name outlives the call and has the length that is given.
    check(unsafe {
        let (value, len) = (name.as_ptr().cast(), name.len() as libc::socklen_t);
        let (level, option) = (libc::IPPROTO_TCP, libc::TCP_CONGESTION);
        libc::setsockopt(stream.as_raw_fd(), level, option, value, len)
    })
    .map(drop)
}

/// Gives a datagram socket room for bursts in both directions.
pub(super) fn enlarge_buffers(socket: &UdpSocket) -> io::Result<()> {
    let bytes: libc::c_int = 1 << 20;
    for option in [libc::SO_RCVBUF, libc::SO_SNDBUF] {
        // SAFETY: one int, which outlives the call and has the size that is given.
        check(unsafe {
            let (value, len) = (ptr::from_ref(&bytes).cast(), size_of_val(&bytes) as u32);
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, len)
        })?;
    }
    Ok(())
}

/// One descriptor that is waited for, and what for.
#[repr(transparent)]
pub(super) struct Waited(libc::pollfd);

impl Waited {
    /// Until it can be read from.
    pub(super) fn readable(fd: &impl AsRawFd) -> Waited {
        Waited(libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 })
    }

    /// Until it can be written to.
    pub(super) fn writable(fd: &impl AsRawFd) -> Waited {
        Waited(libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLOUT, revents: 0 })
    }

    /// The same once more.
    pub(super) fn again(&self) -> Waited {
        Waited(self.0)
    }

    /// Whether it is ready, or has failed.
    pub(super) fn is_ready(&self) -> bool {
        self.0.revents != 0
    }
}

/// Waits until one of `fds` is ready, for `timeout` at most.
pub(super) fn wait(fds: &mut [Waited], timeout: Duration) -> io::Result<()> {
    let timeout = libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: `Waited` is a pollfd and nothing else; the slice outlives the call.
    let ready = unsafe {
        libc::poll(fds.as_mut_ptr().cast::<libc::pollfd>(), fds.len() as libc::nfds_t, timeout)
    };
    match check(ready) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

// ---- interfaces -----------------------------------------------------------------------------

fn ifreq(name: &str) -> io::Result<libc::ifreq> {
    if name.len() >= libc::IFNAMSIZ {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: a plain C struct of integers and unions of them; all zeros is valid.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

/// Has an interface of the calling thread's namespace send and receive packets as they are on a
/// wire: checksums filled in, nothing cut up or put together (ethtool's tx, tso, gso and gro).
pub(super) fn offload_off(name: &str) -> io::Result<()> {
    // linux/ethtool.h: ETHTOOL_STXCSUM, which takes segmentation with it, ETHTOOL_STSO,
    // ETHTOOL_SGSO, ETHTOOL_SGRO.
    const COMMANDS: [u32; 4] = [0x17, 0x1f, 0x24, 0x2c];
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    for command in COMMANDS {
        // `struct ethtool_value`: command and value.
        let mut value = [command, 0];
        let mut request = ifreq(name)?;
        request.ifr_ifru.ifru_data = value.as_mut_ptr().cast();
        // SAFETY: the request and what it points to outlive the call.
        check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &mut request) })?;
    }
    Ok(())
}

/// A TAP of the calling thread's namespace, non-blocking; with an offload header of 10 bytes in
/// front of every frame, checksums and TCP segmentation where `offload`.
pub(super) fn open_tap(name: &str, offload: bool) -> io::Result<File> {
    let tun = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")?;
    let mut request = ifreq(name)?;
    let header = if offload { libc::IFF_VNET_HDR } else { 0 };
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | header) as libc::c_short;
    // SAFETY: reads and writes one ifreq, which outlives the call.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF as _, &mut request) })?;
    let flags = if offload { libc::TUN_F_CSUM | libc::TUN_F_TSO4 } else { 0 };
    // SAFETY: takes its argument by value.
    check(unsafe {
        libc::ioctl(tun.as_raw_fd(), libc::TUNSETOFFLOAD as _, libc::c_ulong::from(flags))
    })?;
    Ok(tun)
}
