//! The system calls that `std` does not have, each behind a small safe function.
//!
//! The one file of this crate with `unsafe` in it. Nothing here decides anything: arguments in,
//! `io::Result` out. Reads and writes of whole frames need none of it, since `std::fs::File`
//! does `readv` and `writev` on any descriptor.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{mem, ptr};

use crate::MacAddr;

/// `IFNAMSIZ` with its final zero.
const NAME_SIZE: usize = libc::IFNAMSIZ;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

// ---- interfaces ---------------------------------------------------------------------------

/// An `ifreq` for the interface `name`, everything else zero.
fn ifreq(name: &str) -> io::Result<libc::ifreq> {
    if name.len() >= NAME_SIZE || name.contains('\0') {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: `ifreq` is a plain C struct of integers and unions of them; all zeros is valid.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

fn name_in(request: &libc::ifreq) -> String {
    let bytes = request.ifr_name.iter().map(|c| *c as u8).take_while(|c| *c != 0);
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}

fn ioctl(fd: BorrowedFd<'_>, code: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: every caller passes an ioctl that reads and writes one `ifreq`, which outlives the
    // call, as does what its `ifru_data` points to where there is one; the descriptor is open for as long as it is borrowed.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), code, ptr::from_mut(request)) }).map(drop)
}

/// A socket on which the interface ioctls can be called; it looks at the network namespace that
/// the calling thread is in now, for as long as it lives.
pub(super) fn control_socket() -> io::Result<OwnedFd> {
    socket(libc::AF_INET, libc::SOCK_DGRAM, 0)
}

fn socket(domain: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed.
    let fd = check(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the descriptor was made just now and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The interface's number; `ENODEV` where there is none of that name.
pub(super) fn index(fd: BorrowedFd<'_>, name: &str) -> io::Result<i32> {
    let mut request = ifreq(name)?;
    ioctl(fd, libc::SIOCGIFINDEX as _, &mut request)?;
    // SAFETY: SIOCGIFINDEX filled this member of the union in.
    Ok(unsafe { request.ifr_ifru.ifru_ifindex })
}

/// The largest IP datagram, in bytes.
pub(super) fn mtu(fd: BorrowedFd<'_>, name: &str) -> io::Result<usize> {
    let mut request = ifreq(name)?;
    ioctl(fd, libc::SIOCGIFMTU as _, &mut request)?;
    // SAFETY: SIOCGIFMTU filled this member of the union in.
    Ok(usize::try_from(unsafe { request.ifr_ifru.ifru_mtu }).unwrap_or(0))
}

/// Sets the largest IP datagram.
pub(super) fn set_mtu(fd: BorrowedFd<'_>, name: &str, mtu: usize) -> io::Result<()> {
    let mut request = ifreq(name)?;
    request.ifr_ifru.ifru_mtu = i32::try_from(mtu).unwrap_or(i32::MAX);
    ioctl(fd, libc::SIOCSIFMTU as _, &mut request)
}

/// The link-layer address; `None` where the interface is not an Ethernet.
pub(super) fn hardware_address(fd: BorrowedFd<'_>, name: &str) -> io::Result<Option<MacAddr>> {
    let mut request = ifreq(name)?;
    ioctl(fd, libc::SIOCGIFHWADDR as _, &mut request)?;
    // SAFETY: SIOCGIFHWADDR filled this member of the union in.
    let address = unsafe { request.ifr_ifru.ifru_hwaddr };
    let mut mac = [0; 6];
    for (to, from) in mac.iter_mut().zip(address.sa_data) {
        *to = from as u8;
    }
    Ok((address.sa_family == libc::ARPHRD_ETHER).then_some(MacAddr(mac)))
}

/// The interface's first IPv4 address (SIOCGIFADDR) or its mask (SIOCGIFNETMASK).
pub(super) fn ipv4(fd: BorrowedFd<'_>, name: &str, what: Ipv4Fact) -> io::Result<Ipv4Addr> {
    let mut request = ifreq(name)?;
    let code = match what {
        Ipv4Fact::Address => libc::SIOCGIFADDR,
        Ipv4Fact::Mask => libc::SIOCGIFNETMASK,
    };
    ioctl(fd, code as _, &mut request)?;
    // SAFETY: both ioctls fill in a `sockaddr_in`, of which this member has the first bytes.
    let data = unsafe { request.ifr_ifru.ifru_addr }.sa_data;
    // A `sockaddr_in` has its port in the first two bytes of what `sockaddr` calls data.
    Ok(Ipv4Addr::new(data[2] as u8, data[3] as u8, data[4] as u8, data[5] as u8))
}

/// What [`ipv4`] asks for.
#[derive(Clone, Copy)]
pub(super) enum Ipv4Fact {
    Address,
    Mask,
}

/// Has the interface fill checksums in before it sends (ETHTOOL_STXCSUM off), and with that cut
/// up what is too long: segmentation needs checksums left out.
pub(super) fn disable_checksum_offload(fd: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    // `struct ethtool_value` of linux/ethtool.h: command and value.
    const ETHTOOL_STXCSUM: u32 = 0x17;
    let mut value = [ETHTOOL_STXCSUM, 0];
    let mut request = ifreq(name)?;
    request.ifr_ifru.ifru_data = value.as_mut_ptr().cast();
    // `value` outlives the call, in which alone the pointer is used.
    ioctl(fd, libc::SIOCETHTOOL as _, &mut request)
}

/// The `IFF_*` flags.
pub(super) fn flags(fd: BorrowedFd<'_>, name: &str) -> io::Result<i32> {
    let mut request = ifreq(name)?;
    ioctl(fd, libc::SIOCGIFFLAGS as _, &mut request)?;
    // SAFETY: SIOCGIFFLAGS filled this member of the union in.
    Ok(i32::from(unsafe { request.ifr_ifru.ifru_flags }))
}

/// Switches `IFF_*` flags on and off. Allocates nothing: it runs between fork and exec too.
pub(super) fn set_flags(fd: BorrowedFd<'_>, name: &str, on: i32, off: i32) -> io::Result<()> {
    let mut request = ifreq(name)?;
    request.ifr_ifru.ifru_flags = (flags(fd, name)? & !off | on) as libc::c_short;
    ioctl(fd, libc::SIOCSIFFLAGS as _, &mut request)
}

// ---- TAP ----------------------------------------------------------------------------------

/// TUNSETIFF: makes `tun`, an open /dev/net/tun, the other end of an interface, which is created
/// where there is none of that name. Gives the name, in which the kernel filled a `%d` in.
pub(super) fn tun_attach(tun: BorrowedFd<'_>, name: &str, flags: i32) -> io::Result<String> {
    let mut request = ifreq(name)?;
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    ioctl(tun, libc::TUNSETIFF, &mut request)?;
    Ok(name_in(&request))
}

/// TUNGETIFF: name and flags of the interface that `tun` is the other end of; `EBADFD` where it
/// is none any more.
pub(super) fn tun_facts(tun: BorrowedFd<'_>) -> io::Result<(String, i32)> {
    let mut request = ifreq("")?;
    ioctl(tun, libc::TUNGETIFF, &mut request)?;
    // SAFETY: TUNGETIFF filled this member of the union in.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    Ok((name_in(&request), i32::from(flags as u16)))
}

/// The settings of a TAP that are one number.
#[derive(Clone, Copy)]
pub(super) enum TunSetting {
    /// TUNSETPERSIST: 1 where the interface outlives its descriptors.
    Persist,
    /// TUNSETOWNER: the user who may attach.
    Owner,
    /// TUNSETOFFLOAD: the `TUN_F_*` that this end can take.
    Offload,
}

/// Makes one of the settings.
pub(super) fn tun_set(tun: BorrowedFd<'_>, setting: TunSetting, value: u32) -> io::Result<()> {
    let code = match setting {
        TunSetting::Persist => libc::TUNSETPERSIST,
        TunSetting::Owner => libc::TUNSETOWNER,
        TunSetting::Offload => libc::TUNSETOFFLOAD,
    };
    // SAFETY: these three take their argument by value.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), code, libc::c_ulong::from(value)) }).map(drop)
}

/// TUNSETVNETHDRSZ: the length of the header in front of every frame, in bytes.
pub(super) fn tun_set_header_len(tun: BorrowedFd<'_>, len: i32) -> io::Result<()> {
    // SAFETY: reads one int, which outlives the call.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETVNETHDRSZ, ptr::from_ref(&len)) })
        .map(drop)
}

// ---- packet sockets -----------------------------------------------------------------------

/// A raw packet socket that receives nothing yet, non-blocking.
pub(super) fn packet_socket() -> io::Result<OwnedFd> {
    socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_NONBLOCK, 0)
}

/// Binds a packet socket to all frames of one interface.
pub(super) fn bind_packet(fd: BorrowedFd<'_>, index: i32) -> io::Result<()> {
    // SAFETY: a plain C struct of integers; all zeros is valid.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index;
    let len = mem::size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address and its length belong together and outlive the call.
    check(unsafe { libc::bind(fd.as_raw_fd(), ptr::from_ref(&address).cast(), len) }).map(drop)
}

/// Has the interface pass frames to every Ethernet address for as long as the socket lives
/// (packet(7), PACKET_MR_PROMISC).
pub(super) fn set_promiscuous(fd: BorrowedFd<'_>, index: i32) -> io::Result<()> {
    // SAFETY: a plain C struct of integers; all zeros is valid.
    let mut request: libc::packet_mreq = unsafe { mem::zeroed() };
    request.mr_ifindex = index;
    request.mr_type = libc::PACKET_MR_PROMISC as _;
    let len = mem::size_of_val(&request) as libc::socklen_t;
    let (level, name) = (libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP);
    // SAFETY: the value and its length belong together and outlive the call.
    let result = unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, name, ptr::from_ref(&request).cast(), len)
    };
    check(result).map(drop)
}

/// setsockopt with one int.
pub(super) fn set_option(fd: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    let len = mem::size_of_val(&value) as libc::socklen_t;
    // SAFETY: the value and its length belong together and outlive the call.
    let result =
        unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, ptr::from_ref(&value).cast(), len) };
    check(result).map(drop)
}

/// Frames that a packet socket's full buffer lost since this was last asked (PACKET_STATISTICS).
pub(super) fn take_packet_drops(fd: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: a plain C struct of integers; all zeros is valid.
    let mut stats: libc::tpacket_stats = unsafe { mem::zeroed() };
    let mut len = mem::size_of_val(&stats) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes, the size of the struct that is passed.
    let result = unsafe {
        let into = ptr::from_mut(&mut stats).cast();
        let (level, name) = (libc::SOL_PACKET, libc::PACKET_STATISTICS);
        libc::getsockopt(fd.as_raw_fd(), level, name, into, ptr::from_mut(&mut len))
    };
    check(result).map(|_| stats.tp_drops)
}

/// What [`receive_frame`] got.
#[derive(Clone, Copy, Debug)]
pub(super) struct Got {
    /// Bytes in the buffers.
    pub(super) len: usize,
    /// The frame was longer than the buffers.
    pub(super) truncated: bool,
    /// There was a VLAN tag, which the kernel took out of the frame.
    pub(super) vlan: bool,
}

/// recvmsg on a packet socket with PACKET_AUXDATA on.
pub(super) fn receive_frame(fd: BorrowedFd<'_>, into: &mut [IoSliceMut<'_>]) -> io::Result<Got> {
    // cmsghdr wants its alignment; tpacket_auxdata is 20 bytes behind it.
    let mut control = [0u64; 8];
    // SAFETY: a plain C struct of integers and pointers; all zeros is valid.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = into.as_mut_ptr().cast();
    message.msg_iovlen = into.len() as _;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = mem::size_of_val(&control) as _;
    // SAFETY: `IoSliceMut` has the layout of `iovec` (its documentation says so); buffers, vector
    // and control space outlive the call and have the lengths that the message gives.
    let len = unsafe { libc::recvmsg(fd.as_raw_fd(), ptr::from_mut(&mut message), 0) };
    let Ok(len) = usize::try_from(len) else { return Err(io::Error::last_os_error()) };
    let mut vlan = false;
    // SAFETY: the kernel filled `message` in and `control` is still there; CMSG_FIRSTHDR gives
    // null or a whole header within it.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(ptr::from_ref(&message));
        if !header.is_null()
            && (*header).cmsg_level == libc::SOL_PACKET
            && (*header).cmsg_type == libc::PACKET_AUXDATA
        {
            let data = libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>();
            vlan = data.read_unaligned().tp_status & libc::TP_STATUS_VLAN_VALID != 0;
        }
    }
    Ok(Got { len, truncated: message.msg_flags & libc::MSG_TRUNC != 0, vlan })
}

/// Whether the descriptor can be written to now.
pub(super) fn is_writable(fd: BorrowedFd<'_>) -> bool {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one pollfd, which outlives the call; it does not wait.
    unsafe { libc::poll(ptr::from_mut(&mut poll), 1, 0) > 0 }
}

// ---- netlink ------------------------------------------------------------------------------

/// A route netlink socket; `File` because requests and answers are plain writes and reads.
pub(super) fn route_socket() -> io::Result<File> {
    socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE).map(File::from)
}

// ---- namespaces ---------------------------------------------------------------------------

/// The effective user.
pub(super) fn effective_user() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// The effective group.
pub(super) fn effective_group() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::getegid() }
}

/// Puts the calling thread into the namespace that `namespace` stands for.
pub(super) fn enter(namespace: &File) -> io::Result<()> {
    // SAFETY: no pointers are passed; 0 takes a namespace of any kind.
    check(unsafe { libc::setns(namespace.as_raw_fd(), 0) }).map(drop)
}

/// Gives the calling thread an empty network namespace.
pub(super) fn unshare_net() -> io::Result<()> {
    // SAFETY: no pointers are passed.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map(drop)
}

/// Where [`NewNamespace::enter`] failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// unshare itself.
    Unshare,
    /// Writing the map of users and groups.
    Map,
    /// Bringing `lo` up, the first thing that wants privileges inside.
    Loopback,
}

/// What it takes to enter new namespaces, prepared so that [`NewNamespace::enter`] can run between
/// fork and exec, where nothing may be allocated.
pub(super) struct NewNamespace {
    uid_map: String,
    gid_map: String,
    root: bool,
}

impl NewNamespace {
    /// For the user who calls.
    pub(super) fn prepare() -> NewNamespace {
        let (user, group) = (effective_user(), effective_group());
        NewNamespace {
            uid_map: format!("0 {user} 1"),
            gid_map: format!("0 {group} 1"),
            root: user == 0,
        }
    }

    /// A new network namespace for the calling process: alone where root may make one, within a
    /// new user namespace otherwise. `lo` is up in it.
    pub(super) fn enter(&self) -> Result<(), (Step, io::Error)> {
        if !(self.root && unshare_net().is_ok()) {
            // SAFETY: no pointers are passed.
            check(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) })
                .map_err(|error| (Step::Unshare, error))?;
            // user_namespaces(7): without "deny" here an ordinary user may not write gid_map.
            write(c"/proc/self/setgroups", "deny")
                .and_then(|()| write(c"/proc/self/uid_map", &self.uid_map))
                .and_then(|()| write(c"/proc/self/gid_map", &self.gid_map))
                .map_err(|error| (Step::Map, error))?;
        }
        control_socket()
            .and_then(|fd| set_flags(fd.as_fd(), "lo", libc::IFF_UP, 0))
            .map_err(|error| (Step::Loopback, error))
    }
}

/// Writes to a file without allocating.
fn write(path: &std::ffi::CStr, text: &str) -> io::Result<()> {
    // SAFETY: the path ends in a zero and outlives the call.
    let fd = check(unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) })?;
    // SAFETY: the descriptor was made just now and nobody else knows it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: `text` outlives the call and has the length that is given.
    match unsafe { libc::write(fd.as_raw_fd(), text.as_ptr().cast(), text.len()) } {
        written if written == text.len() as isize => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has the child of `command` enter new namespaces between fork and exec.
pub(super) fn enter_before_exec(command: &mut Command, namespace: NewNamespace) {
    // SAFETY: `enter` makes system calls on memory that exists already, allocates nothing and
    // takes no lock, which is all that a child of a process with threads may do before exec.
    unsafe {
        command.pre_exec(move || namespace.enter().map_err(|(_, error)| error));
    }
}

/// Takes a capability (its number) from the calling thread, as an ordinary user lacks it.
#[cfg(test)]
pub(super) fn drop_capability(number: u32) -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    // _LINUX_CAPABILITY_VERSION_3: {version, pid}, then {effective, permitted, inheritable} twice.
    let header = [VERSION_3, 0];
    let mut data = [0u32; 6];
    // SAFETY: both arrays have the size that version 3 has and outlive the calls.
    unsafe {
        check(libc::syscall(libc::SYS_capget, header.as_ptr(), data.as_mut_ptr()) as i32)?;
        data[0] &= !(1 << number);
        check(libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) as i32)?;
    }
    Ok(())
}

/// Runs `test` in a child process of one thread; whether it came to its end.
///
/// Only for the test process of `namespace::testing`, whose other thread does nothing but wait: so
/// no lock is held that the child would miss.
#[cfg(test)]
pub(super) fn in_fork(test: impl FnOnce()) -> bool {
    // SAFETY: see above for what the child may do; it ends without running anything of the
    // parent's, and the parent waits for it by its own id.
    unsafe {
        match check(libc::fork()).unwrap() {
            0 => {
                let passed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test)).is_ok();
                libc::_exit(i32::from(!passed))
            }
            child => {
                let mut status = 0;
                check(libc::waitpid(child, ptr::from_mut(&mut status), 0)).unwrap();
                libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
            }
        }
    }
}
