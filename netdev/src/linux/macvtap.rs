//! A macvtap: an Ethernet address of the stack's own on a network card of this host.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use super::error::check_name;
use super::format::Format;
use super::frames::{Frames, Source, over_frames};
use super::{Error, netlink, sys, tap};
use crate::{Device, Instant, MacAddr};

/// How many names are tried for an interface of our own before somebody has to be told.
const NAMES: u32 = 1000;
/// How often it is looked whether the interface is still there: unlike a TAP, a macvtap that was
/// deleted fails neither reads nor writes, and wakes nobody.
const CHECK: Duration = Duration::from_secs(1);

/// A macvtap in bridge mode. The network card takes frames for its Ethernet address beside those
/// for its own; they come out of /dev/tapN, where N is the interface's number, as from a TAP. Other
/// machines see a host of its own.
///
/// The host that the card belongs to is not reached: in every mode but VEPA with a switch that sends
/// frames back, its frames leave by the card and those of the macvtap do too. `bridge:NIC` of the
/// `tapip` program has no such gap.
///
/// The kernel does not tell when the interface is set down or deleted; what is sent then is lost. A
/// deleted one is noticed with the next traffic or timer of the stack ([`LinkState::Down`], for
/// good).
///
/// [`LinkState::Down`]: crate::LinkState::Down
#[derive(Debug)]
pub struct Macvtap {
    frames: Frames,
    mac: MacAddr,
    made: Option<netlink::Temporary>,
    /// When to look whether the interface is still there.
    check_at: Instant,
}

impl Macvtap {
    /// Opens the macvtap `name`, which the user who may read and write its /dev/tapN can do; or,
    /// where `name` is another Ethernet of the caller's network namespace, makes a macvtap on it
    /// for as long as this lives, which needs CAP_NET_ADMIN. (A process that is killed leaves it
    /// behind: `ip link del`.)
    ///
    /// `vnet_hdr` is [`TapOptions::vnet_hdr`](super::TapOptions::vnet_hdr).
    ///
    /// # Errors
    /// [`Error::NoInterface`], and one for each thing that a person can do something about.
    pub fn open(name: &str, vnet_hdr: bool) -> Result<Macvtap, Error> {
        check_name(name)?;
        let control = sys::control_socket().map_err(Error::system("ask for interfaces"))?;
        let find = |name: &str| sys::index(control.as_fd(), name);
        let index = find(name).map_err(|cause| match cause.raw_os_error() {
            Some(libc::ENODEV) => Error::NoInterface { name: name.into() },
            _ => Error::System { doing: format!("find {name}"), cause },
        })?;
        let kind = netlink::kind(index).map_err(Error::system(format!("ask what {name} is")))?;
        if kind.as_deref() == Some("macvtap") {
            return Macvtap::attach(name, index, vnet_hdr, None);
        }
        let own = make_on(name, index)?;
        let route = sys::route_socket().map_err(Error::system("open a netlink socket"))?;
        let index = find(&own).map_err(Error::system(format!("find {own}")))?;
        Macvtap::attach(
            &own,
            index,
            vnet_hdr,
            Some(netlink::Temporary { socket: route, name: own.clone(), index }),
        )
    }

    fn attach(
        name: &str,
        index: i32,
        vnet_hdr: bool,
        made: Option<netlink::Temporary>,
    ) -> Result<Macvtap, Error> {
        let control = sys::control_socket().map_err(Error::system("ask for interfaces"))?;
        // Who may not: it is up already, or frames will tell. All groups, since it is IP that knows
        // which ones are wanted.
        let _ = sys::set_flags(control.as_fd(), name, libc::IFF_UP | libc::IFF_ALLMULTI, 0);
        let file = open_node(name, index)?;
        let attach = || {
            let vnet = if vnet_hdr { libc::IFF_VNET_HDR } else { 0 };
            sys::tun_attach(file.as_fd(), name, libc::IFF_TAP | libc::IFF_NO_PI | vnet)?;
            let offload = tap::set_offload(&file, vnet_hdr)?;
            let mtu = sys::mtu(control.as_fd(), name)?;
            let mac = sys::hardware_address(control.as_fd(), name)?.unwrap_or_default();
            Ok((offload, mtu, mac))
        };
        let (offload, mtu, mac) =
            attach().map_err(Error::system(format!("attach to the macvtap {name}")))?;
        let format = Format::ethernet(offload);
        let frames = Frames::new(Source::Tun, file, name.into(), mtu, format);
        Ok(Macvtap { frames, mac, made, check_at: Instant::ZERO })
    }

    /// The interface's Ethernet address, for which the card takes frames. It has to be the stack's.
    pub fn mac(&self) -> MacAddr {
        self.mac
    }

    /// Whether the interface was made for this, and goes with it.
    pub fn is_made(&self) -> bool {
        self.made.is_some()
    }
}

/// Makes a macvtap on the Ethernet `nic` under the first free name.
fn make_on(nic: &str, index: i32) -> Result<String, Error> {
    let named = || nic.to_string();
    for name in (0..NAMES).map(|number| format!("macvtap{number}")) {
        match netlink::add_macvtap(&name, index) {
            Ok(()) => return Ok(name),
            Err(cause) => match cause.raw_os_error() {
                Some(libc::EEXIST) => {}
                Some(libc::EPERM | libc::EACCES) => {
                    return Err(Error::MayNotMakeMacvtap { nic: named() });
                }
                Some(libc::EOPNOTSUPP) => return Err(Error::MacvtapMissing { nic: named() }),
                // Not an Ethernet, or a port of a bridge already.
                Some(libc::EINVAL | libc::EBUSY) => {
                    return Err(Error::NoMacvtapOn { nic: named(), cause });
                }
                _ => {
                    return Err(Error::System { doing: format!("make a macvtap on {nic}"), cause });
                }
            },
        }
    }
    let cause = io::ErrorKind::AlreadyExists.into();
    Err(Error::System { doing: format!("find a free name for a macvtap on {nic}"), cause })
}

/// /dev/tapN, once it is certain that it is this interface's: the numbers of network namespaces
/// overlap, and there is one /dev for all.
fn open_node(name: &str, index: i32) -> Result<File, Error> {
    let named = || name.to_string();
    let path = format!("/dev/tap{index}");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&path)
        .map_err(|cause| match cause.raw_os_error() {
            Some(libc::ENOENT | libc::ENXIO | libc::ENODEV) => {
                Error::MacvtapNode { name: named(), index }
            }
            Some(libc::EACCES | libc::EPERM) => Error::MacvtapDenied { name: named(), index },
            _ => Error::System { doing: format!("open {path}"), cause },
        })?;
    match sys::tun_facts(file.as_fd()) {
        Ok((told, _)) if told == name => Ok(file),
        _ => Err(Error::MacvtapNode { name: named(), index }),
    }
}

impl Device for Macvtap {
    over_frames!();

    fn flush(&mut self, now: Instant) {
        self.frames.flush();
        if now >= self.check_at {
            self.check_at = now + CHECK;
            self.frames.check();
        }
    }

    /// Sets the MTU of the interface, which needs CAP_NET_ADMIN and cannot be more than the card's.
    fn set_mtu(&mut self, mtu: usize) -> bool {
        let done = sys::control_socket()
            .and_then(|socket| sys::set_mtu(socket.as_fd(), self.frames.name(), mtu));
        if done.is_ok() {
            self.frames.mtu_changed(mtu);
        }
        done.is_ok()
    }
}

#[cfg(test)]
mod tests;
