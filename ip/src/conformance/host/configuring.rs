//! What can be set up.

use std::fmt;

use super::{FAR, Host, link};
use crate::{Change, Interface, RouteEntry};

impl Host {
    /// A change that is accepted.
    #[track_caller]
    pub fn configure(&mut self, change: Change) {
        let result = self.ip.configure(self.now, change.clone());
        self.note(Changing(&change), "");
        if let Err(error) = result {
            self.record.fail("the change is made", error);
        }
    }

    /// A change that is refused.
    #[track_caller]
    pub fn refuses_change(&mut self, change: Change) {
        let result = self.ip.configure(self.now, change.clone());
        self.note(Changing(&change), "");
        if result.is_ok() {
            self.record.fail("the change is refused", "it was made");
        }
    }

    /// The link [`FAR`] is there too.
    #[track_caller]
    pub fn second_link(&mut self) {
        self.configure(Change::SetInterface(link(FAR, "10.0.1.1/24", 600)));
    }

    /// It has both links, and forwards from one to the other.
    #[track_caller]
    pub fn router(&mut self) {
        self.second_link();
        self.configure(Change::Forwarding(true));
    }

    /// Adds a route.
    #[track_caller]
    pub fn add_route(&mut self, entry: RouteEntry) {
        self.configure(Change::AddRoute(entry));
    }

    /// Takes the route to `dst` away.
    #[track_caller]
    pub fn remove_route(&mut self, dst: &str) {
        let dst = dst.parse().expect("an address with a prefix");
        self.configure(Change::RemoveRoute { dst, gateway: None, metric: None });
    }
}

/// A change in a few words.
struct Changing<'a>(&'a Change);

impl fmt::Display for Changing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Change::SetInterface(Interface { index, addrs, mtu, up, .. }) => {
                let up = if *up { "up" } else { "down" };
                write!(f, "interface {index} {up}: {addrs:?}, mtu {mtu}")
            }
            Change::AddRoute(RouteEntry { dst, gateway, iface, metric, .. }) => {
                write!(f, "add route {dst}")?;
                if let Some(gateway) = gateway {
                    write!(f, " by {gateway}")?;
                }
                write!(f, " out of {iface}, metric {metric}")
            }
            other => write!(f, "{other:?}"),
        }
    }
}
