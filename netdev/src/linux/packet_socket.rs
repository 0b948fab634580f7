//! A packet socket (AF_PACKET): frames of an interface that exists, without a TAP.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::error::check_name;
use super::format::{Format, Offload};
use super::frames::{Frames, Source, over_frames};
use super::{Error, netlink, sys};
use crate::{Device, Instant};

/// Bytes of frames that wait for us, as far as the system lets us have it: 64 of the largest.
const BUFFER: i32 = 8 << 20;

/// How to open a [`PacketSocket`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PacketOptions {
    /// Whether to take frames with their checksum left out and with up to 64 KiB of TCP or UDP in
    /// one piece, and send such.
    pub vnet_hdr: bool,
    /// Whether to hand frames to the interface's driver at once, past the queue and its traffic
    /// control (PACKET_QDISC_BYPASS). Right for veth, which has no queue of its own: the kernel
    /// puts a black hole in that place for some time after the cable got its second end.
    pub bypass_queue: bool,
    /// Whether to have the interface pass frames to every Ethernet address, not only to its own
    /// (PACKET_MR_PROMISC): on a network card, for a stack with an address of its own.
    pub promiscuous: bool,
}

impl Default for PacketOptions {
    fn default() -> PacketOptions {
        PacketOptions { vnet_hdr: true, bypass_queue: false, promiscuous: false }
    }
}

/// All frames that arrive at one interface, and the means to send from it.
///
/// Used on one end of a veth pair, it is as good as a TAP on the other end, and an ordinary user
/// has it inside a user namespace: [`make_veth`](super::namespace::make_veth). The kernel goes on
/// handling what arrives there as well; that is why `make_veth` puts the end where the kernel
/// has neither address nor route.
///
/// Without `vnet_hdr` on an interface of this machine, the kernel leaves checksums out (veth has
/// that offload) and nothing tells: `ethtool -K NAME tx off` on the sending end, or `vnet_hdr`.
///
/// A VLAN tag that the kernel took out of a frame is noticed (PACKET_AUXDATA), and the frame
/// dropped for it: it belongs to another network.
#[derive(Debug)]
pub struct PacketSocket {
    frames: Frames,
    far_end: Option<FarEnd>,
}

/// The other end of a veth pair, and a socket in its namespace. The kernel would delete the pair when
/// its end without a namespace is noticed, some time later; the name should be free at once.
#[derive(Debug)]
struct FarEnd {
    control: OwnedFd,
    interface: netlink::Temporary,
}

impl PacketSocket {
    /// Opens the interface `name` of the caller's network namespace, which needs CAP_NET_RAW
    /// there.
    ///
    /// # Errors
    /// [`Error::NoInterface`], [`Error::NoRawSockets`], or what the kernel says.
    pub fn open(name: &str, options: PacketOptions) -> Result<PacketSocket, Error> {
        check_name(name)?;
        let socket = sys::packet_socket().map_err(|cause| match cause.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Error::NoRawSockets { name: name.into() },
            _ => Error::System { doing: "open a packet socket".into(), cause },
        })?;
        let index =
            sys::index(socket.as_fd(), name).map_err(|cause| match cause.raw_os_error() {
                Some(libc::ENODEV) => Error::NoInterface { name: name.into() },
                _ => Error::System { doing: format!("find {name}"), cause },
            })?;
        let mtu = prepare(&socket, &options)
            .and_then(|()| match options.promiscuous {
                true => sys::set_promiscuous(socket.as_fd(), index),
                false => Ok(()),
            })
            .and_then(|()| sys::bind_packet(socket.as_fd(), index))
            .and_then(|()| sys::mtu(socket.as_fd(), name))
            .map_err(Error::system(format!("open a packet socket on {name}")))?;
        let offload = match options.vnet_hdr {
            false => Offload::None,
            // Linux 6.2 added UDP to the header, and nothing tells but its number.
            true if release_of_kernel() < (6, 2) => Offload::ChecksumTcp,
            true => Offload::ChecksumTcpUdp,
        };
        let source = Source::PacketSocket { index };
        let frames =
            Frames::new(source, File::from(socket), name.into(), mtu, Format::ethernet(offload));
        Ok(PacketSocket { frames, far_end: None })
    }

    /// Says that the other end of the cable is the interface `name` of the caller's network
    /// namespace: [`Device::set_mtu`] then sets both, and the cable goes with this.
    pub(super) fn with_far_end(mut self, name: &str) -> io::Result<PacketSocket> {
        let control = sys::control_socket()?;
        let index = sys::index(control.as_fd(), name)?;
        let route = sys::route_socket()?;
        self.far_end = Some(FarEnd {
            control,
            interface: netlink::Temporary { socket: route, name: name.into(), index },
        });
        Ok(self)
    }
}

impl Device for PacketSocket {
    over_frames!();

    fn flush(&mut self, _now: Instant) {
        self.frames.flush();
    }

    /// Sets the MTU of the interface, and of the other end where [`make_veth`] made it; needs
    /// CAP_NET_ADMIN.
    ///
    /// [`make_veth`]: super::namespace::make_veth
    fn set_mtu(&mut self, mtu: usize) -> bool {
        let near = sys::set_mtu(self.frames.file().as_fd(), self.frames.name(), mtu);
        let far = match &self.far_end {
            Some(end) => sys::set_mtu(end.control.as_fd(), &end.interface.name, mtu),
            None => Ok(()),
        };
        let done = near.and(far).is_ok();
        if done {
            self.frames.mtu_changed(mtu);
        }
        done
    }
}

/// The first two numbers of the kernel's version; 0.0 where it cannot be told.
fn release_of_kernel() -> (u32, u32) {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Everything that must hold before the first frame arrives, which the bind lets happen.
fn prepare(socket: &OwnedFd, options: &PacketOptions) -> io::Result<()> {
    let set = |level, name, value| sys::set_option(socket.as_fd(), level, name, value);
    // A packet socket also sees what other sockets send, were it not for this (Linux 4.20).
    set(libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)?;
    set(libc::SOL_PACKET, libc::PACKET_AUXDATA, 1)?;
    set(libc::SOL_PACKET, libc::PACKET_VNET_HDR, i32::from(options.vnet_hdr))?;
    set(libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, i32::from(options.bypass_queue))?;
    for (force, ask) in
        [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)]
    {
        // Only root of the whole machine may go beyond net.core.rmem_max and wmem_max; the
        // others get as much as these allow.
        set(libc::SOL_SOCKET, force, BUFFER).or_else(|_| set(libc::SOL_SOCKET, ask, BUFFER))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
