//! The kernel's end of the link, ready to talk, and the device that is the other end.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::thread;

use crate::linux::error::check_name;
use crate::linux::sys::{self, Ipv4Fact};
use crate::linux::{Error, PacketOptions, PacketSocket, Tap, TapOptions, netlink, tap};
use crate::{Device, MacAddr, Medium, Stats};

/// Packets that may wait at the kernel's end for the stack to read them. The default of 1000
/// frames overflows when a full window of many connections leaves at once.
const TRANSMIT_QUEUE: u32 = 5000;

/// What to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KernelEndConfig {
    /// The interface's name at the kernel's end.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Bits of the network in it, 0 to 32.
    pub prefix: u8,
    /// The largest IP datagram of both ends, in bytes.
    pub mtu: usize,
    /// Whether checksums and segmentation are left to the other end:
    /// [`TapOptions::vnet_hdr`].
    pub vnet_hdr: bool,
    /// A TAP, or with [`Medium::Ip`] a TUN. A cable is always an Ethernet.
    pub medium: Medium,
    /// [`TapOptions::packet_info`]; a cable has none.
    pub packet_info: bool,
}

impl KernelEndConfig {
    fn tap(&self) -> TapOptions {
        let KernelEndConfig { name, vnet_hdr, medium, packet_info, .. } = self;
        TapOptions {
            name: Some(name.clone()),
            medium: *medium,
            packet_info: *packet_info,
            vnet_hdr: *vnet_hdr,
        }
    }
}

impl Default for KernelEndConfig {
    /// `tap0`, a TAP, with 10.0.0.2/24, 1500 bytes, and offload.
    fn default() -> KernelEndConfig {
        KernelEndConfig {
            name: "tap0".into(),
            address: Ipv4Addr::new(10, 0, 0, 2),
            prefix: 24,
            mtu: 1500,
            vnet_hdr: true,
            medium: Medium::Ethernet,
            packet_info: false,
        }
    }
}

/// An interface of the kernel, as it is when asked.
#[derive(Clone, Debug)]
pub struct KernelEnd {
    /// The interface's name.
    pub name: String,
    /// Its Ethernet address.
    pub mac: MacAddr,
    /// Its first IPv4 address and the bits of its network.
    pub address: Option<(Ipv4Addr, u8)>,
    /// The largest IP datagram in bytes.
    pub mtu: usize,
    /// Traffic as the kernel counts it: what it sent is what the stack received, and may have
    /// lost. Zeros where /proc is not mounted.
    pub stats: Stats,
}

impl KernelEnd {
    /// Asks for an interface of the caller's network namespace.
    ///
    /// # Errors
    /// [`Error::NoInterface`].
    pub fn of(name: &str) -> Result<KernelEnd, Error> {
        let ask = || -> io::Result<KernelEnd> {
            let socket = sys::control_socket()?;
            let fd = socket.as_fd();
            let address = sys::ipv4(fd, name, Ipv4Fact::Address).ok();
            let mask = sys::ipv4(fd, name, Ipv4Fact::Mask).ok();
            let prefix = mask.map(|mask| u32::from(mask).leading_ones() as u8);
            Ok(KernelEnd {
                name: name.into(),
                mac: sys::hardware_address(fd, name)?.unwrap_or_default(),
                address: address.zip(prefix),
                mtu: sys::mtu(fd, name)?,
                stats: traffic(name).unwrap_or_default(),
            })
        };
        ask().map_err(|cause| match cause.raw_os_error() {
            Some(libc::ENODEV) => Error::NoInterface { name: name.into() },
            _ => Error::System { doing: format!("ask for the facts of {name}"), cause },
        })
    }
}

/// A device and the kernel's end of it.
pub struct Link {
    /// The stack's end.
    pub device: Box<dyn Device>,
    /// Of what kind it is.
    pub kind: LinkKind,
    /// The kernel's end.
    pub kernel: KernelEnd,
}

/// Of what kind a link to the kernel is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkKind {
    /// [`make_tap`].
    Tap,
    /// [`make_veth`].
    Veth,
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LinkKind::Tap => "TAP",
            LinkKind::Veth => "veth and packet socket",
        })
    }
}

/// A link by whatever the caller may use: a TAP where /dev/net/tun can be opened, a cable with a
/// packet socket otherwise. Both behave the same.
///
/// # Errors
/// As [`make_tap`] and [`make_veth`].
pub fn open_link(config: &KernelEndConfig) -> Result<Link, Error> {
    match tap::open_tun() {
        Ok(_) => {
            let (tap, kernel) = make_tap(config)?;
            Ok(Link { device: Box::new(tap), kind: LinkKind::Tap, kernel })
        }
        Err(why) => {
            tracing::debug!(%why, "no TAP");
            let (socket, kernel) = make_veth(config)?;
            Ok(Link { device: Box::new(socket), kind: LinkKind::Veth, kernel })
        }
    }
}

/// The TAP or TUN of this name, without a namespace: one that has an address already is used as it is,
/// which its owner may do without privileges; one without, or one yet to be created, is set up by
/// [`make_tap`].
///
/// # Errors
/// As [`Tap::open`]; [`Error::MayNotSetUp`] where it has no address and the caller may not give it
/// one.
pub fn open_tap(config: &KernelEndConfig) -> Result<Link, Error> {
    check_name(&config.name)?;
    let ready = KernelEnd::of(&config.name).is_ok_and(|kernel| kernel.address.is_some());
    let (tap, kernel) = if ready {
        let tap = Tap::open(config.tap())?;
        // Whoever may not bring it up is told by the link's state where it is down.
        let _ = sys::control_socket()
            .and_then(|fd| sys::set_flags(fd.as_fd(), &config.name, libc::IFF_UP, 0));
        (tap, KernelEnd::of(&config.name)?)
    } else {
        make_tap(config)?
    };
    Ok(Link { device: Box::new(tap), kind: LinkKind::Tap, kernel })
}

/// Makes a TAP or TUN in the caller's network namespace, or attaches to one, and sets up the kernel's
/// end: address, MTU, no IPv6, up. Needs CAP_NET_ADMIN.
///
/// # Errors
/// As [`Tap::open`], or what the kernel says.
pub fn make_tap(config: &KernelEndConfig) -> Result<(Tap, KernelEnd), Error> {
    check_prefix(config)?;
    let mut tap = Tap::open(config.tap())?;
    // The address first: it tells a missing permission apart from a bad number.
    set_up(config)?;
    if tap.facts().mtu != config.mtu && !tap.set_mtu(config.mtu) {
        return Err(bad_mtu(config));
    }
    Ok((tap, KernelEnd::of(&config.name)?))
}

/// Makes a veth pair: one end in the caller's network namespace, set up as [`make_tap`] does it,
/// the other in a network namespace that holds nothing else and lives as long as the packet
/// socket on it. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN, which an ordinary user has after
/// [`Namespace::enter_new`](super::Namespace::enter_new).
///
/// The kernel handles what arrives at the stack's end as well. Where that end lies there is no
/// address, no route and no neighbour, ARP and IPv6 are off: so nothing is answered or forwarded,
/// whatever the caller's own namespace is told to forward.
///
/// # Errors
/// What the kernel says.
pub fn make_veth(config: &KernelEndConfig) -> Result<(PacketSocket, KernelEnd), Error> {
    check_name(&config.name)?;
    check_prefix(config)?;
    let here = File::open("/proc/thread-self/ns/net")
        .map_err(Error::system("open this thread's network namespace"))?;
    // A namespace belongs to a thread; this one leaves the socket behind and ends.
    let there = thread::scope(|scope| scope.spawn(|| make_stack_end(config, &here)).join());
    let socket = there
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?
        .with_far_end(&config.name)
        .map_err(Error::system(format!("find the kernel's end {}", config.name)))?;
    if !config.vnet_hdr {
        sys::control_socket()
            .and_then(|fd| sys::disable_checksum_offload(fd.as_fd(), &config.name))
            .map_err(Error::system(format!("switch the offload of {} off", config.name)))?;
    }
    let kernel = set_up(config)?;
    Ok((socket, kernel))
}

fn make_stack_end(config: &KernelEndConfig, here: &File) -> Result<PacketSocket, Error> {
    let name = &config.name;
    sys::unshare_net().map_err(Error::from_unshare)?;
    netlink::add_veth(name, config.mtu, here.as_fd()).map_err(|cause| {
        match cause.raw_os_error() {
            Some(libc::EEXIST) => Error::Busy { name: name.clone() },
            Some(libc::EINVAL | libc::ERANGE) => bad_mtu(config),
            _ => Error::System { doing: format!("make the veth pair {name}"), cause },
        }
    })?;
    disable_ipv6(name);
    sys::control_socket()
        .and_then(|fd| sys::set_flags(fd.as_fd(), name, libc::IFF_UP | libc::IFF_NOARP, 0))
        .map_err(Error::system(format!("bring up the stack's end of {name}")))?;
    let vnet_hdr = config.vnet_hdr;
    PacketSocket::open(name, PacketOptions { vnet_hdr, bypass_queue: true, promiscuous: false })
}

fn set_up(config: &KernelEndConfig) -> Result<KernelEnd, Error> {
    let name = &config.name;
    disable_ipv6(name);
    let set = || {
        let socket = sys::control_socket()?;
        let fd = socket.as_fd();
        let index = sys::index(fd, name)?;
        netlink::set_transmit_queue(index, TRANSMIT_QUEUE)?;
        netlink::add_address(index, config.address, config.prefix)?;
        sys::set_flags(fd, name, libc::IFF_UP, 0)
    };
    set().map_err(|cause| match cause.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => Error::MayNotSetUp {
            name: name.clone(),
            address: config.address,
            prefix: config.prefix,
        },
        _ => Error::System { doing: format!("set up the kernel's end {name}"), cause },
    })?;
    KernelEnd::of(name)
}

/// No router solicitations and neighbour discovery, which nobody answers. Where it cannot be had
/// (no IPv6, no /proc/sys to write to) they are dropped by the Ethernet layer, with a reason.
fn disable_ipv6(name: &str) {
    let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
    if let Err(cause) = fs::write(&path, "1") {
        tracing::debug!(%path, %cause, "IPv6 stays on");
    }
}

fn check_prefix(config: &KernelEndConfig) -> Result<(), Error> {
    if config.prefix <= 32 {
        return Ok(());
    }
    Err(Error::System {
        doing: format!("use {}/{}", config.address, config.prefix),
        cause: io::Error::new(io::ErrorKind::InvalidInput, "a prefix has 32 bits at most"),
    })
}

fn bad_mtu(config: &KernelEndConfig) -> Error {
    Error::System {
        doing: format!("set the MTU of {} to {}", config.name, config.mtu),
        cause: io::Error::new(io::ErrorKind::InvalidInput, "the kernel refuses this number"),
    }
}

/// The interface's row of /proc/net/dev: eight numbers received, eight sent.
fn traffic(name: &str) -> Option<Stats> {
    traffic_in(&fs::read_to_string("/proc/thread-self/net/dev").ok()?, name)
}

fn traffic_in(table: &str, name: &str) -> Option<Stats> {
    let row = table.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))?;
    let numbers: Vec<u64> = row.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let at = |index: usize| numbers.get(index).copied().unwrap_or(0);
    Some(Stats {
        rx_bytes: at(0),
        rx_packets: at(1),
        rx_errors: at(2),
        tx_bytes: at(8),
        tx_packets: at(9),
        tx_errors: at(10),
        ..Stats::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_the_row_of_that_name_and_no_other() {
        let table = "Inter-|   Receive\n face |bytes\n    lo: 1 2 3 0 0 0 0 0 4 5 6 0 0 0 0 0\n\
                     tap01: 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9\n\
                       tap0:100 2 1 0 0 0 0 0 300 4 0 0 0 0 0 0\n";
        let stats = traffic_in(table, "tap0").unwrap();
        assert_eq!((stats.rx_bytes, stats.rx_packets, stats.rx_errors), (100, 2, 1));
        assert_eq!((stats.tx_bytes, stats.tx_packets, stats.tx_errors), (300, 4, 0));
        assert!(traffic_in(table, "tap").is_none());
        assert!(traffic_in("", "tap0").is_none());
    }

    #[test]
    fn a_prefix_beyond_32_bits_is_refused_before_anything_is_made() {
        let config = KernelEndConfig { prefix: 33, ..KernelEndConfig::default() };
        for error in [make_tap(&config).map(drop), make_veth(&config).map(drop)] {
            assert!(error.unwrap_err().to_string().contains("10.0.0.2/33"));
        }
    }
}
