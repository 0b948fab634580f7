//! A TAP or a TUN: a link whose other end is an interface of the kernel.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use super::error::check_name;
use super::format::{Format, Offload};
use super::frames::{Frames, Source, over_frames};
use super::sys::{self, TunSetting};
use super::{Error, vnet};
use crate::{Device, Instant, MacAddr, Medium};

/// How to open a [`Tap`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TapOptions {
    /// The interface: attached to where it exists, created where it does not. `None` lets the
    /// kernel choose `tap0`, `tap1`, …, or `tun0`, `tun1`, …
    pub name: Option<String>,
    /// Ethernet frames (a TAP), or IP datagrams without a link header (a TUN).
    pub medium: Medium,
    /// Whether a `tun_pi` header of 4 bytes comes and goes with each frame: what kind of packet it
    /// is, and whether the kernel cut it short. Most programs do without (IFF_NO_PI).
    pub packet_info: bool,
    /// Whether to take frames with their checksum left out and with up to 64 KiB of TCP or UDP in
    /// one piece, and send such.
    pub vnet_hdr: bool,
}

impl Default for TapOptions {
    fn default() -> TapOptions {
        TapOptions { name: None, medium: Medium::Ethernet, packet_info: false, vnet_hdr: true }
    }
}

/// A TAP, as its user sees it: what the kernel sends into its interface is received here, and
/// what is transmitted here arrives there. With [`Medium::Ip`] it is a TUN: the same without
/// Ethernet, and so without addresses to resolve.
///
/// The offload header ([`vnet`]) has 10 bytes; TUNSETVNETHDRSZ says so to the kernel, since a
/// persistent interface keeps what its last user asked for (QEMU: 12).
///
/// An interface that is deleted while this is attached is gone for good
/// ([`LinkState::Down`]); one that is only set down comes back with the first frame that passes.
///
/// [`LinkState::Down`]: crate::LinkState::Down
#[derive(Debug)]
pub struct Tap {
    frames: Frames,
    facts: TapFacts,
}

/// What the kernel tells about a TAP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TapFacts {
    /// The interface's name.
    pub name: String,
    /// The largest IP datagram in bytes.
    pub mtu: usize,
    /// The Ethernet address of the kernel's end. Not the stack's: both ends need their own. All
    /// zeros on a TUN.
    pub kernel_mac: MacAddr,
    /// Whether the interface outlives its last user.
    pub persistent: bool,
    /// Whether frames have an offload header in front.
    pub vnet_hdr: bool,
}

impl Tap {
    /// Attaches to a TAP, or creates one (which needs CAP_NET_ADMIN); the interface is in the
    /// network namespace of the caller. It is not brought up:
    /// [`make_tap`](super::namespace::make_tap) does that too.
    ///
    /// # Errors
    /// One for each reason that a person can do something about, with what to do: see [`Error`].
    pub fn open(options: TapOptions) -> Result<Tap, Error> {
        if let Some(name) = &options.name {
            check_name(name)?;
        }
        let file = open_tun()?;
        let mode = Mode::of(options.medium);
        // The kernel fills the number in.
        let name = options.name.clone().unwrap_or_else(|| format!("{mode}%d"));
        let header = if options.vnet_hdr { libc::IFF_VNET_HDR } else { 0 };
        let info = if options.packet_info { 0 } else { libc::IFF_NO_PI };
        let name = sys::tun_attach(file.as_fd(), &name, mode.flag() | info | header)
            .map_err(|error| explain(error, &name, mode))?;
        let offload = match set_offload(&file, options.vnet_hdr) {
            Err(cause) if options.vnet_hdr => {
                tracing::warn!(device = %name, %cause, "no offload: the kernel takes none");
                drop(file);
                return Tap::open(TapOptions { name: Some(name), vnet_hdr: false, ..options });
            }
            set => set.map_err(Error::system(format!("set the offload of {name}")))?,
        };
        let facts = facts(&file).map_err(Error::system(format!("ask for the facts of {name}")))?;
        let TapOptions { medium, packet_info, .. } = options;
        let format = Format { medium, packet_info, offload };
        let frames = Frames::new(Source::Tun, file, name, facts.mtu, format);
        Ok(Tap { frames, facts })
    }

    /// What the kernel told when the TAP was opened, and the MTU as it was set since.
    pub fn facts(&self) -> &TapFacts {
        &self.facts
    }

    /// Makes the interface outlive this process, or end with it. Needs CAP_NET_ADMIN, or to be
    /// the owner.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_persistent(&mut self, persistent: bool) -> Result<(), Error> {
        let fd = self.frames.file().as_fd();
        sys::tun_set(fd, TunSetting::Persist, u32::from(persistent))
            .map_err(Error::system(format!("make {} persistent", self.facts.name)))?;
        self.facts.persistent = persistent;
        Ok(())
    }

    /// Gives the interface to a user, who can then attach without privileges.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_owner(&mut self, user: u32) -> Result<(), Error> {
        sys::tun_set(self.frames.file().as_fd(), TunSetting::Owner, user)
            .map_err(Error::system(format!("give {} to user {user}", self.facts.name)))
    }
}

impl Device for Tap {
    over_frames!();

    fn flush(&mut self, _now: Instant) {
        self.frames.flush();
    }

    /// Sets the MTU of the kernel's end, which needs CAP_NET_ADMIN.
    fn set_mtu(&mut self, mtu: usize) -> bool {
        let done = sys::control_socket()
            .and_then(|socket| sys::set_mtu(socket.as_fd(), self.frames.name(), mtu));
        if done.is_ok() {
            self.facts.mtu = mtu;
            self.frames.mtu_changed(mtu);
        }
        done.is_ok()
    }
}

/// Whether the caller may open /dev/net/tun, and why not.
pub(super) fn open_tun() -> Result<File, Error> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")
        .map_err(|cause| match cause.raw_os_error() {
            Some(libc::ENOENT | libc::ENODEV | libc::ENXIO | libc::ENOTDIR) => Error::TunMissing,
            Some(libc::EACCES | libc::EPERM) => Error::TunDenied,
            _ => Error::System { doing: "open /dev/net/tun".into(), cause },
        })
}

/// The two kinds of interface that /dev/net/tun makes, in the word that `ip tuntap` has for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Ethernet frames.
    Tap,
    /// IP datagrams.
    Tun,
}

impl Mode {
    fn of(medium: Medium) -> Mode {
        match medium {
            Medium::Ethernet => Mode::Tap,
            Medium::Ip => Mode::Tun,
        }
    }

    fn flag(self) -> i32 {
        match self {
            Mode::Tap => libc::IFF_TAP,
            Mode::Tun => libc::IFF_TUN,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Tap => "tap",
            Mode::Tun => "tun",
        })
    }
}

fn explain(cause: io::Error, name: &str, mode: Mode) -> Error {
    let named = || name.to_string();
    match cause.raw_os_error() {
        Some(libc::EBUSY) => Error::Busy { name: named() },
        Some(libc::EINVAL) => Error::NotTap { name: named(), mode },
        Some(libc::EPERM) => {
            let exists =
                sys::control_socket().and_then(|socket| sys::index(socket.as_fd(), name)).is_ok();
            if exists {
                Error::NotOwner { name: named(), mode }
            } else {
                Error::MayNotCreate { name: named(), mode }
            }
        }
        _ => Error::System { doing: format!("attach to the {mode} interface {name}"), cause },
    }
}

/// Agrees with the kernel on what is left out, or that nothing is.
pub(super) fn set_offload(file: &File, wanted: bool) -> io::Result<Offload> {
    let set = |flags| sys::tun_set(file.as_fd(), TunSetting::Offload, flags);
    if !wanted {
        // A persistent interface keeps what its last user could take, and without a header
        // nothing would tell that a checksum is missing.
        set(0)?;
        return Ok(Offload::None);
    }
    sys::tun_set_header_len(file.as_fd(), vnet::LEN as i32)?;
    let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4;
    // Linux 6.2 takes UDP too, though only for both versions of IP at once.
    match set(tcp | libc::TUN_F_USO4 | libc::TUN_F_USO6) {
        Ok(()) => Ok(Offload::ChecksumTcpUdp),
        Err(cause) => {
            set(tcp)?;
            tracing::warn!(%cause, "this kernel does not cut UDP up: datagrams go one by one");
            Ok(Offload::ChecksumTcp)
        }
    }
}

fn facts(file: &File) -> io::Result<TapFacts> {
    let (name, flags) = sys::tun_facts(file.as_fd())?;
    let socket = sys::control_socket()?;
    Ok(TapFacts {
        mtu: sys::mtu(socket.as_fd(), &name)?,
        kernel_mac: sys::hardware_address(socket.as_fd(), &name)?.unwrap_or_default(),
        persistent: flags & libc::IFF_PERSIST != 0,
        vnet_hdr: flags & libc::IFF_VNET_HDR != 0,
        name,
    })
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tun_tests;
