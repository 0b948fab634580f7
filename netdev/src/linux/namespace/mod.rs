//! A network of one's own: what lets an ordinary user have a kernel to talk to.
//!
//! A new network namespace has interfaces, addresses and routes of its own and nothing of the
//! host's; inside a new *user* namespace an ordinary user is root over it (namespaces(7),
//! user_namespaces(7)). [`Namespace::enter_new`] moves the calling process into such a pair,
//! [`open_link`] makes the interface and the device that is its other end, and [`enter`] takes
//! another process there. Nothing on the host changes, and all of it is gone with the last process
//! inside.
//!
//! ```no_run
//! use netdev::namespace::{KernelEndConfig, Namespace, open_link};
//! Namespace::enter_new()?; // before the first thread is started
//! let link = open_link(&KernelEndConfig::default())?;
//! println!("{} ({})", link.kernel.name, link.kind);
//! let device: Box<dyn netdev::Device> = link.device;
//! # Ok::<(), netdev::LinuxError>(())
//! ```
//!
//! Tests run in namespaces by [`testing`].

mod kernel_end;
pub mod testing;

use std::fs::File;
use std::io;
use std::process::Command;

use super::Error;
use super::sys::{self, NewNamespace, Step};
pub use kernel_end::{
    KernelEnd, KernelEndConfig, Link, LinkKind, make_tap, make_veth, open_link, open_tap,
};

/// Proof that this process is in a network namespace that it made for itself.
#[derive(Debug)]
pub struct Namespace(());

impl Namespace {
    /// Puts the calling process into a new network namespace, with `lo` up in it: alone where
    /// root may make one, within a new user namespace otherwise, in which the caller's user is
    /// mapped to root. There is no way back.
    ///
    /// Call it before the first thread is started: a user namespace is entered by a process of
    /// one thread only, and a network namespace by the calling thread only.
    ///
    /// # Errors
    /// [`Error::NamespacesForbidden`] also where making them was allowed and using them was not,
    /// as AppArmor does it on Ubuntu; [`Error::Threads`]. The process may then be in a namespace
    /// without privileges, and should end.
    pub fn enter_new() -> Result<Namespace, Error> {
        NewNamespace::prepare().enter().map_err(|(step, cause)| match step {
            Step::Unshare => Error::from_unshare(cause),
            Step::Map | Step::Loopback => Error::NamespacesForbidden { cause },
        })?;
        Ok(Namespace(()))
    }
}

/// Has `command` run in new namespaces, as [`Namespace::enter_new`] makes them, while the calling
/// process stays where it is and may have threads. `Error::from_unshare` explains why a spawn
/// failed.
///
/// ```no_run
/// use netdev::namespace::command_in_new;
/// # use std::process::Command;
/// let mut child = command_in_new(Command::new("ip").args(["link", "show"])).spawn()?;
/// child.wait()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn command_in_new(command: &mut Command) -> &mut Command {
    sys::enter_before_exec(command, NewNamespace::prepare());
    command
}

/// Takes the calling thread into the network of process `pid`, and into its user namespace where
/// that is what gives the right to: then the process must have one thread only, and what it
/// execs is root inside. For `tapip host -- CMD`: call this, then exec.
///
/// # Errors
/// [`Error::NoProcess`], [`Error::NotYours`], [`Error::Threads`].
pub fn enter(pid: u32) -> Result<(), Error> {
    let refused = |cause: io::Error| match cause.raw_os_error() {
        Some(libc::ENOENT | libc::ESRCH) => Error::NoProcess { pid },
        Some(libc::EACCES | libc::EPERM) => Error::NotYours { pid },
        _ => Error::System { doing: format!("enter the network of process {pid}"), cause },
    };
    let open = |kind| File::open(format!("/proc/{pid}/ns/{kind}")).map_err(refused);
    // Both are opened first: /proc may show less of the process from inside.
    let (user, net) = (open("user")?, open("net")?);
    match sys::enter(&net) {
        // Root of the machine has the right already, and keeps its user for what it execs.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            sys::enter(&user).map_err(|cause| match cause.raw_os_error() {
                Some(libc::EINVAL) => Error::Threads,
                _ => refused(cause),
            })?;
            sys::enter(&net).map_err(refused)
        }
        result => result.map_err(refused),
    }
}

#[cfg(test)]
mod tests;
