//! What can go wrong with a link to the kernel, said so that a person knows what to do.

use std::io;
use std::net::Ipv4Addr;

use super::tap::Mode;

/// Why a link or a namespace could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// ENOENT or ENODEV on opening /dev/net/tun.
    #[error(
        "/dev/net/tun is missing: this kernel has no TAP driver loaded, or this container was not \
         given the device. Try `sudo modprobe tun`, or `docker run --device /dev/net/tun`, or \
         `--link ns`, which does without"
    )]
    TunMissing,

    /// EACCES on opening /dev/net/tun.
    #[error(
        "no permission to open /dev/net/tun (common distributions give it mode 0666): run as root, \
         or `sudo chmod 0666 /dev/net/tun`, or use `--link ns`, which does without"
    )]
    TunDenied,

    /// EBUSY on attaching.
    #[error(
        "`{name}` is in use: another process is attached to it (`sudo fuser -v \
         /dev/net/tun` shows which). End that one, or choose another name"
    )]
    Busy {
        /// The interface.
        name: String,
    },

    /// EPERM on attaching to an interface that exists.
    #[error(
        "`{name}` belongs to another user: make it anew for yourself with `sudo ip tuntap del \
         {name} mode {mode}; sudo ip tuntap add {name} mode {mode} user $USER`"
    )]
    NotOwner {
        /// The interface.
        name: String,
        /// What it was to be.
        mode: Mode,
    },

    /// EPERM on creating an interface.
    #[error(
        "no permission to create `{name}` (it needs CAP_NET_ADMIN): let root make it once, `sudo \
         ip tuntap add {name} mode {mode} user $USER`, or use `--link ns`, which needs no root"
    )]
    MayNotCreate {
        /// The interface.
        name: String,
        /// What it was to be.
        mode: Mode,
    },

    /// EPERM on giving the interface an address.
    #[error(
        "no permission to set up the kernel's end `{name}` (it needs CAP_NET_ADMIN): let root do \
         it, `sudo ip address add {address}/{prefix} dev {name}; sudo ip link set {name} up`, or \
         use `--link ns`, which needs no root"
    )]
    MayNotSetUp {
        /// The interface.
        name: String,
        /// The address that it was to have.
        address: Ipv4Addr,
        /// Bits of the network in it.
        prefix: u8,
    },

    /// EINVAL on attaching.
    #[error(
        "`{name}` exists and is no {mode} interface with one queue: it is of the other mode, was \
         made with `multi_queue`, or is another kind of interface (`ip -d link show {name}` \
         tells). Choose another name"
    )]
    NotTap {
        /// The interface.
        name: String,
        /// What it was to be.
        mode: Mode,
    },

    /// Not a name that Linux takes for an interface.
    #[error(
        "`{0}` cannot be the name of an interface: 1 to 15 bytes without `/`, `%`, `:` and spaces"
    )]
    BadName(String),

    /// ENODEV.
    #[error("there is no interface `{name}` in this network namespace (`ip link` lists them)")]
    NoInterface {
        /// The interface.
        name: String,
    },

    /// EPERM on opening a packet socket.
    #[error(
        "no permission to open a packet socket on `{name}`: it needs CAP_NET_RAW in the network \
         namespace. Run as root, or use `--link ns`, which needs no root"
    )]
    NoRawSockets {
        /// The interface.
        name: String,
    },

    /// EOPNOTSUPP on making a macvtap.
    #[error(
        "this kernel has no macvtap driver. Try `sudo modprobe macvtap`, or reach the network of \
         `{nic}` by `--link bridge:{nic}` or `--link packet:{nic}`"
    )]
    MacvtapMissing {
        /// The network card.
        nic: String,
    },

    /// EPERM on making a macvtap.
    #[error(
        "no permission to make a macvtap on `{nic}` (it needs CAP_NET_ADMIN): let root make it \
         once, `sudo ip link add link {nic} name macvtap0 type macvtap mode bridge; sudo ip link \
         set macvtap0 up; sudo chown $USER /dev/tap$(cat /sys/class/net/macvtap0/ifindex)`, and \
         use `--link macvtap:macvtap0`"
    )]
    MayNotMakeMacvtap {
        /// The network card.
        nic: String,
    },

    /// EINVAL or EBUSY on making a macvtap.
    #[error(
        "`{nic}` takes no macvtap ({cause}): it must be an Ethernet, and neither a port of a \
         bridge nor of a bond"
    )]
    NoMacvtapOn {
        /// The network card.
        nic: String,
        /// What the kernel said.
        cause: io::Error,
    },

    /// The device of a macvtap is missing, or is another's.
    #[error(
        "/dev/tap{index} is missing or belongs to an interface of another network namespace: the \
         device of the macvtap `{name}` has to be made by hand, `sudo rm -f /dev/tap{index}; sudo \
         mknod /dev/tap{index} c $(tr : ' ' < /sys/class/net/{name}/tap{index}/dev)`. An `index` \
         that no other namespace has, given to `ip link add`, avoids it"
    )]
    MacvtapNode {
        /// The interface.
        name: String,
        /// Its number.
        index: i32,
    },

    /// EACCES on opening the device of a macvtap.
    #[error(
        "no permission to open /dev/tap{index}, the device of the macvtap `{name}`: `sudo chown \
         $USER /dev/tap{index}`, or run as root"
    )]
    MacvtapDenied {
        /// The interface.
        name: String,
        /// Its number.
        index: i32,
    },

    /// unshare refused to make a user namespace, or made one without privileges in it.
    #[error(
        "this system does not let ordinary users make a network of their own (user namespaces: \
         {cause}). To allow it, whichever of these exists: \
         `sudo sysctl kernel.unprivileged_userns_clone=1` (Debian), \
         `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu), \
         `sudo sysctl user.max_user_namespaces=10000`; within a container, its seccomp profile. \
         Or run as root. `--link sim` works without any of it"
    )]
    NamespacesForbidden {
        /// What the kernel said.
        cause: io::Error,
    },

    /// EINVAL from unshare or setns.
    #[error(
        "a process with several threads cannot enter a user namespace: this must be done before \
         the first thread is started"
    )]
    Threads,

    /// There is no such process.
    #[error("there is no process {pid}: has that instance ended?")]
    NoProcess {
        /// The process.
        pid: u32,
    },

    /// Another user's process.
    #[error(
        "no permission to enter the network of process {pid}: it is another user's. Run this as \
         the user who started it, or as root"
    )]
    NotYours {
        /// The process.
        pid: u32,
    },

    /// Anything else the kernel said.
    #[error("cannot {doing}: {cause}")]
    System {
        /// What was being done, in words that follow "cannot".
        doing: String,
        /// What the kernel said.
        cause: io::Error,
    },
}

impl Error {
    /// For [`Result::map_err`]: whatever the kernel said while `doing`.
    pub(super) fn system(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let doing = doing.into();
        move |cause| Error::System { doing, cause }
    }

    /// Explains why entering a new namespace failed, from the error that
    /// [`Command::spawn`](std::process::Command::spawn) gives after
    /// [`command_in_new`](super::namespace::command_in_new).
    pub fn from_unshare(cause: io::Error) -> Error {
        match cause.raw_os_error() {
            Some(libc::EINVAL) => Error::Threads,
            // ENOSPC: more of them than user.max_user_namespaces; EUSERS: nested too deep.
            Some(libc::EPERM | libc::EACCES | libc::ENOSPC | libc::EUSERS | libc::ENOSYS) => {
                Error::NamespacesForbidden { cause }
            }
            _ => Error::System { doing: "make a network namespace".into(), cause },
        }
    }
}

/// Whether Linux takes `name` for an interface. A `%` would be a pattern to the kernel.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let good = |c: u8| c.is_ascii_graphic() && !matches!(c, b'/' | b'%' | b':');
    let special = matches!(name, "" | "." | "..");
    if special || name.len() >= libc::IFNAMSIZ || !name.bytes().all(good) {
        return Err(Error::BadName(name.to_string()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_would_take_for_something_else_are_refused() {
        for bad in ["", ".", "..", "a/b", "tap%d", "a b", "eth0:1", "sixteen-bytes-xx", "täp"] {
            assert!(matches!(check_name(bad), Err(Error::BadName(_))), "{bad}");
        }
        check_name("tap0").unwrap();
        check_name("fifteen-bytes-x").unwrap();
    }

    #[test]
    fn a_refused_namespace_says_what_to_do() {
        let told = Error::from_unshare(io::Error::from_raw_os_error(libc::EPERM)).to_string();
        for word in [
            "kernel.unprivileged_userns_clone",
            "kernel.apparmor_restrict_unprivileged_userns",
            "user.max_user_namespaces",
            "--link sim",
        ] {
            assert!(told.contains(word), "{told}");
        }
        let einval = io::Error::from_raw_os_error(libc::EINVAL);
        assert!(matches!(Error::from_unshare(einval), Error::Threads));
    }
}
